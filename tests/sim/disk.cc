#include "disk.h"

#include <algorithm>
#include <cstring>

namespace hookline::sim {
namespace {

constexpr uint64_t kSector = 512;

tl::unexpected<Error> io_error() { return fail(ErrorKind::Io, "simulated I/O error"); }
tl::unexpected<Error> full_error() { return fail(ErrorKind::NoSpace, "simulated disk full"); }

class Copy final : public io::FileContents {
 public:
  explicit Copy(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  Bytes view() const override { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

class SimFile final : public io::WritableFile {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)), life_(disk.life_) {}

  Result<void> preallocate(uint64_t size) override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return io_error();
    return disk_.preallocate(*inode_, size);
  }
  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return io_error();
    return disk_.write_at(*inode_, offset, bytes);
  }
  Result<void> sync() override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return io_error();
    return disk_.sync_file(*inode_);
  }

 private:
  SimDisk& disk_;
  std::shared_ptr<SimDisk::Inode> inode_;
  uint64_t life_;
};

// --- faults ----------------------------------------------------------------------------------

void SimDisk::power_cut(Cut cut) {
  std::lock_guard lock(mutex_);
  if (cut == Cut::Random) cut = static_cast<Cut>(1 + random_() % 3);
  const int share = cut == Cut::Forget ? 0 : cut == Cut::Keep ? 2 : 1;
  for (const EntryChange& change : unsynced_) {
    if (share == 2 || (share == 1 && chance())) apply(change, &durable_);
  }
  unsynced_.clear();
  for (auto& [name, inode] : durable_) {
    persist(*inode, share);
    inode->visible = inode->durable;
    inode->dirty.clear();
  }
  visible_ = durable_;
  locked_ = false;
  fail_at_.reset();
  ++life_;
}

void SimDisk::kill_process() {
  std::lock_guard lock(mutex_);
  locked_ = false;
  ++life_;
}

void SimDisk::fail_after(uint64_t operations) {
  std::lock_guard lock(mutex_);
  fail_at_ = operations_ + operations;
}

void SimDisk::heal() {
  std::lock_guard lock(mutex_);
  fail_at_.reset();
}

bool SimDisk::failing() const {
  std::lock_guard lock(mutex_);
  return fail_at_ && operations_ > *fail_at_;
}

void SimDisk::set_full(bool full) {
  std::lock_guard lock(mutex_);
  full_ = full;
}

void SimDisk::set_lying(bool lying) {
  std::lock_guard lock(mutex_);
  lying_ = lying;
}

bool SimDisk::operation_fails() {
  ++operations_;
  return fail_at_ && operations_ > *fail_at_;
}

uint64_t SimDisk::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t SimDisk::file_syncs() const {
  std::lock_guard lock(mutex_);
  return file_syncs_;
}

uint64_t SimDisk::file_writes() const {
  std::lock_guard lock(mutex_);
  return file_writes_;
}

// --- files -----------------------------------------------------------------------------------

void SimDisk::persist(Inode& inode, int share) {
  if (share == 0) return;
  // A file's size becomes durable like a sector of its own.
  if (share == 2 || inode.durable.size() > inode.visible.size() || chance()) {
    inode.durable.resize(inode.visible.size());
  }
  for (uint64_t sector : inode.dirty) {
    if (share == 1 && chance()) continue;
    const uint64_t from = sector * kSector;
    const uint64_t to = std::min<uint64_t>(from + kSector, inode.visible.size());
    if (inode.durable.size() < to) inode.durable.resize(to);
    std::copy(inode.visible.begin() + from, inode.visible.begin() + to,
              inode.durable.begin() + from);
  }
}

Result<void> SimDisk::write_at(Inode& inode, uint64_t offset, Bytes bytes) {
  ++file_writes_;
  const bool fails = operation_fails();
  if (!fails && full_ && offset + bytes.size() > inode.visible.size()) return full_error();
  if (bytes.empty()) return {};
  const uint64_t end = offset + bytes.size();
  if (inode.visible.size() < end) inode.visible.resize(end);
  for (uint64_t sector = offset / kSector; sector * kSector < end; ++sector) {
    if (fails && chance()) continue;
    const uint64_t from = std::max(offset, sector * kSector);
    const uint64_t to = std::min(end, (sector + 1) * kSector);
    std::memcpy(inode.visible.data() + from, bytes.data() + (from - offset), to - from);
    inode.dirty.insert(sector);
  }
  if (fails) return io_error();
  return {};
}

Result<void> SimDisk::preallocate(Inode& inode, uint64_t size) {
  if (operation_fails()) return io_error();
  if (size <= inode.visible.size()) return {};
  if (full_) return full_error();
  inode.visible.resize(size);
  return {};
}

Result<void> SimDisk::sync_file(Inode& inode) {
  ++file_syncs_;
  if (operation_fails()) {
    // As Linux does: what could not be written is clean from now on, though not on the disk.
    persist(inode, 1);
    inode.dirty.clear();
    return io_error();
  }
  if (lying_) return {};
  persist(inode, 2);
  inode.dirty.clear();
  return {};
}

std::optional<std::vector<uint8_t>> SimDisk::get(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto it = visible_.find(name);
  if (it == visible_.end()) return std::nullopt;
  return it->second->visible;
}

void SimDisk::put(std::string_view name, std::vector<uint8_t> bytes) {
  std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->durable = bytes;
  inode->visible = std::move(bytes);
  visible_.insert_or_assign(std::string(name), inode);
  durable_.insert_or_assign(std::string(name), inode);
}

// --- the directory ---------------------------------------------------------------------------

void SimDisk::apply(const EntryChange& change, Entries* entries) {
  if (!change.renamed_from.empty()) {
    const auto from = entries->find(change.renamed_from);
    if (from != entries->end() && from->second == change.inode) entries->erase(from);
  }
  if (change.inode == nullptr) {
    entries->erase(change.name);
  } else {
    entries->insert_or_assign(change.name, change.inode);
  }
}

void SimDisk::change_entry(EntryChange change) {
  apply(change, &visible_);
  unsynced_.push_back(std::move(change));
}

Result<void> SimDisk::lock() {
  std::lock_guard lock(mutex_);
  if (locked_) return fail(ErrorKind::Busy, "/sim is in use by another process");
  locked_ = true;
  return {};
}

Result<std::vector<std::string>> SimDisk::list() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, inode] : visible_) names.push_back(name);
  return names;
}

Result<std::unique_ptr<io::FileContents>> SimDisk::read(std::string_view name) {
  auto bytes = get(name);
  if (!bytes) return fail(ErrorKind::Missing, std::string(name) + " is not there");
  return std::make_unique<Copy>(std::move(*bytes));
}

Result<std::unique_ptr<io::WritableFile>> SimDisk::create(std::string_view name) {
  std::lock_guard lock(mutex_);
  if (operation_fails()) return io_error();
  if (visible_.contains(name)) return fail(ErrorKind::Invalid, std::string(name) + " exists");
  auto inode = std::make_shared<Inode>();
  change_entry({std::string(name), inode, {}});
  return std::make_unique<SimFile>(*this, std::move(inode));
}

Result<std::unique_ptr<io::WritableFile>> SimDisk::open(std::string_view name) {
  std::lock_guard lock(mutex_);
  const auto it = visible_.find(name);
  if (it == visible_.end()) return fail(ErrorKind::Missing, std::string(name) + " is not there");
  return std::make_unique<SimFile>(*this, it->second);
}

Result<void> SimDisk::rename(std::string_view from, std::string_view to) {
  std::lock_guard lock(mutex_);
  if (operation_fails()) return io_error();
  const auto it = visible_.find(from);
  if (it == visible_.end()) return fail(ErrorKind::Missing, std::string(from) + " is not there");
  change_entry({std::string(to), it->second, std::string(from)});
  return {};
}

Result<void> SimDisk::remove(std::string_view name) {
  std::lock_guard lock(mutex_);
  if (operation_fails()) return io_error();
  if (!visible_.contains(name))
    return fail(ErrorKind::Missing, std::string(name) + " is not there");
  change_entry({std::string(name), nullptr, {}});
  return {};
}

Result<void> SimDisk::sync() {
  std::lock_guard lock(mutex_);
  if (operation_fails()) return io_error();
  if (lying_) return {};
  for (const EntryChange& change : unsynced_) apply(change, &durable_);
  unsynced_.clear();
  return {};
}

}  // namespace hookline::sim
