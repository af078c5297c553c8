#include "server/check_world.h"

#include <algorithm>
#include <utility>

namespace hookline::check {

bool CheckBackground::run_one() {
  if (jobs_.empty()) return false;
  const auto job = std::move(jobs_.front());
  jobs_.pop_front();
  job();
  return true;
}

// --- the wire -------------------------------------------------------------------------------

CheckWire::CheckWire() {
  io::Link link;
  link.ifindex = kIfindex;
  link.name = "eth0";
  link.mac = kServerMac;
  link.up = true;
  link.addresses.push_back({kServerAddress, *Prefix::parse("10.77.0.0/24")});
  table_.links.push_back(link);
}

std::vector<uint8_t> CheckWire::take_reply() { return std::exchange(reply_, {}); }

size_t CheckWire::receive(std::span<io::RxFrame> frames) {
  size_t count = 0;
  for (; count < frames.size() && !arriving_.empty(); ++count) {
    io::RxFrame& rx = frames[count];
    const std::vector<uint8_t>& frame = arriving_.front();
    rx.size = static_cast<uint32_t>(std::min(frame.size(), rx.buffer.size()));
    rx.wire_size = static_cast<uint32_t>(frame.size());
    rx.ifindex = kIfindex;
    rx.vlan = 0;
    rx.checksum_partial = false;
    std::copy_n(frame.begin(), rx.size, rx.buffer.begin());
    arriving_.pop_front();
  }
  return count;
}

void CheckWire::send(std::span<io::TxFrame> frames) {
  for (io::TxFrame& frame : frames) {
    frame.error = 0;
    reply_.assign(frame.frame.begin(), frame.frame.end());
  }
}

std::optional<io::NextHop> CheckWire::resolve(Ipv4) {
  return io::NextHop{kIfindex, kServerAddress, MacAddress{{2, 0, 0, 0, 0, 1}}};
}

// --- the disk -------------------------------------------------------------------------------

namespace {

class MemoryContents final : public io::FileContents {
 public:
  explicit MemoryContents(CheckDisk::File bytes) : bytes_(std::move(bytes)) {}
  Bytes view() const override { return bytes_; }

 private:
  CheckDisk::File bytes_;
};

Result<void> failed_disk() { return fail(ErrorKind::Io, "the disk was told to fail"); }

class MemoryFile final : public io::WritableFile {
 public:
  MemoryFile(std::shared_ptr<CheckDisk::File> file, std::shared_ptr<const bool> failing)
      : file_(std::move(file)), failing_(std::move(failing)) {}

  Result<void> preallocate(uint64_t size) override {
    if (*failing_) return failed_disk();
    if (file_->size() < size) file_->resize(size);
    return {};
  }
  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    if (auto done = preallocate(offset + bytes.size()); !done) return done;
    std::copy(bytes.begin(), bytes.end(), file_->begin() + static_cast<ptrdiff_t>(offset));
    return {};
  }
  Result<void> sync() override { return *failing_ ? failed_disk() : Result<void>(); }

 private:
  std::shared_ptr<CheckDisk::File> file_;
  std::shared_ptr<const bool> failing_;
};

}  // namespace

Result<std::shared_ptr<CheckDisk::File>> CheckDisk::find(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return hookline::fail(ErrorKind::Missing, "there is no such file");
  return found->second;
}

Result<std::vector<std::string>> CheckDisk::list() {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

Result<std::unique_ptr<io::FileContents>> CheckDisk::read(std::string_view name) {
  const auto file = find(name);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<MemoryContents>(**file);
}

Result<std::unique_ptr<io::WritableFile>> CheckDisk::create(std::string_view name) {
  if (*failing_) return tl::unexpected(failed_disk().error());
  if (find(name)) return hookline::fail(ErrorKind::Io, "the file exists");
  files_.emplace(name, std::make_shared<File>());
  return open(name);
}

Result<std::unique_ptr<io::WritableFile>> CheckDisk::open(std::string_view name) {
  auto file = find(name);
  if (!file) return tl::unexpected(file.error());
  return std::make_unique<MemoryFile>(std::move(*file), failing_);
}

Result<void> CheckDisk::rename(std::string_view from, std::string_view to) {
  if (*failing_) return failed_disk();
  auto file = find(from);
  if (!file) return tl::unexpected(file.error());
  files_.erase(files_.find(from));
  files_[std::string(to)] = std::move(*file);
  return {};
}

Result<void> CheckDisk::remove(std::string_view name) {
  if (*failing_) return failed_disk();
  const auto found = files_.find(name);
  if (found == files_.end()) return hookline::fail(ErrorKind::Missing, "there is no such file");
  files_.erase(found);
  return {};
}

Result<void> CheckDisk::sync() { return *failing_ ? failed_disk() : Result<void>(); }

// --- the prober -----------------------------------------------------------------------------

int CheckProbe::ask(const io::AddressQuestion& question) {
  if (!squatters_.contains(question.address.value)) return 0;
  io::AddressAnswer answer{question.address, question.ifindex, std::nullopt};
  if (question.ifindex != 0) answer.mac = MacAddress{{2, 0xBA, 0xD0, 0, 0, 1}};
  answers_.push_back(answer);
  return 0;
}

size_t CheckProbe::answers(std::span<io::AddressAnswer> out) {
  size_t count = 0;
  for (; count < out.size() && !answers_.empty(); ++count) {
    out[count] = answers_.front();
    answers_.pop_front();
  }
  return count;
}

}  // namespace hookline::check
