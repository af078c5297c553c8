#include "store/offline.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "store/scan.h"
#include "store/worker.h"

namespace hookline::store {
namespace {

std::string_view kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::Lease:
      return "lease";
    case RecordKind::ClockStep:
      return "clock-step";
    case RecordKind::SnapshotEnd:
      return "snapshot-end";
    case RecordKind::ScopeName:
      return "scope-name";
    case RecordKind::Padding:
      break;
  }
  return "unknown";
}

// Every file of a replay, the snapshot first.
std::vector<const LoadedFile*> files_of(const Image& image) {
  std::vector<const LoadedFile*> files;
  if (image.snapshot) files.push_back(&*image.snapshot);
  for (const LoadedFile& file : image.segments) files.push_back(&file);
  return files;
}

// Visits the decoded records of a file's good frames; adds what does not decode to `damage`.
template <class Visit>
void walk(const LoadedFile& file, int64_t shift_s, std::vector<Damage>* damage, Visit visit) {
  uint64_t offset = kFileHeaderBytes;
  for (Frame frame; next_frame(file, &offset, &frame);) {
    FrameDecoder decoder(frame, shift_s);
    for (DecodedRecord record; decoder.next(&record);) visit(frame, record);
    if (decoder.error() != nullptr) {
      damage->push_back({file.text_name, frame.offset, decoder.error()});
    }
  }
}

std::string state_of(const LoadedFile& file, const std::vector<Damage>& damage) {
  for (const Damage& d : damage) {
    if (d.file == file.text_name) return "damaged";
  }
  if (file.scan.torn_bytes != 0) return "torn";
  return file.scan.header_state == HeaderState::Empty ? "empty" : "ok";
}

}  // namespace

Result<VerifyReport> verify(io::Directory& directory) {
  auto image = load_image(directory);
  if (!image) return tl::unexpected(image.error());
  VerifyReport report;
  std::vector<Damage> damage = image->damage;
  for (const LoadedFile* file : files_of(*image)) {
    walk(*file, image->clock_shift_s, &damage, [&](const Frame&, const DecodedRecord& record) {
      if (record.kind == RecordKind::Lease) report.records++;
    });
    report.files.push_back({file->text_name, file->contents->view().size(), file->scan.frames,
                            file->scan.leases, file->scan.header.first_sequence,
                            file->scan.torn_bytes, state_of(*file, damage)});
  }
  for (const auto* names : {&image->leftovers, &image->outdated_segments}) {
    for (const std::string& name : *names)
      report.files.push_back({name, 0, 0, 0, 0, 0, "leftover"});
  }
  for (const Damage& d : damage) report.damage.push_back({d.file, d.offset, d.what});
  report.sequence = image->sequence;
  report.torn_bytes = image->torn_bytes;
  return report;
}

std::string VerifyReport::text() const {
  std::string out;
  for (const FileReport& f : files) {
    out += fmt::format("{:<32} {:<8} {:>10} bytes {:>8} frames {:>9} leases", f.file, f.state,
                       f.bytes, f.frames, f.leases);
    if (f.torn_bytes != 0) out += fmt::format(", torn: {} bytes", f.torn_bytes);
    out += '\n';
  }
  for (const DamageReport& d : damage) {
    out += fmt::format("damaged: {}: offset {}: {}\n", d.file, d.offset, d.what);
  }
  out += fmt::format("{}: {} lease records, the last is number {}\n", ok() ? "ok" : "damaged",
                     records, sequence);
  return out;
}

Result<void> dump(io::Directory& directory, const std::function<void(const DumpedRecord&)>& give) {
  auto image = load_image(directory);
  if (!image) return tl::unexpected(image.error());
  std::vector<Damage> damage = image->damage;
  std::map<uint32_t, std::string_view> scopes;
  for (const LoadedFile* file : files_of(*image)) {
    walk(*file, image->clock_shift_s, &damage, [&](const Frame&, const DecodedRecord& record) {
      if (record.kind == RecordKind::ScopeName) scopes[record.scope_key] = record.scope_name;
    });
  }
  for (const LoadedFile* file : files_of(*image)) {
    std::vector<Damage> known;  // found in the first walk
    walk(*file, image->clock_shift_s, &known, [&](const Frame& frame, const DecodedRecord& record) {
      DumpedRecord out;
      out.file = file->text_name;
      out.offset = frame.offset;
      out.kind = kind_name(record.known ? record.kind : RecordKind::Padding);
      out.from_snapshot = file->name.kind == FileKind::Snapshot;
      out.lease = record.lease;
      out.clock_step_s = record.clock_step_s;
      out.scope_key = record.scope_key;
      out.scope = record.scope_name;
      if (record.kind == RecordKind::Lease) {
        const auto it = scopes.find(record.lease.scope_key);
        if (it != scopes.end()) out.scope = it->second;
      }
      give(out);
    });
  }
  if (!damage.empty()) return tl::unexpected(corrupt_error(directory, damage[0]));
  return {};
}

// --- repair ----------------------------------------------------------------------------------

namespace {

// The newest good record of every address, from every frame whose checksum is right, wherever it
// stands.
class Salvage {
 public:
  void take(const LoadedFile& file) {
    const Bytes view = file.contents->view();
    uint64_t at = std::min<uint64_t>(kFileHeaderBytes, view.size());
    while (auto found = find_frame(view, at, file.name)) {
      Frame frame;
      frame.offset = *found;
      frame.header = load_frame_header(view.data() + *found);
      frame.records =
          view.subspan(*found + kFrameHeaderBytes, frame.header.size - kFrameHeaderBytes);
      take_frame(file, frame);
      at = *found + frame.header.size;
    }
  }

  // Sums up; the records' times are as after all steps from here on.
  void finish() {
    for (auto& [address, kept] : leases_) shift_times(&kept.lease, shift_s_ - kept.shift_s);
  }

  struct Kept {
    LeaseRecord lease;  // views into the files
    int64_t shift_s = 0;
  };
  const std::map<Ipv4, Kept>& leases() const { return leases_; }
  uint64_t sequence() const { return sequence_; }
  LeaseSeconds base_s() const { return base_s_; }
  int64_t shift_s() const { return shift_s_; }
  const std::vector<Damage>& damage() const { return damage_; }

 private:
  void take_frame(const LoadedFile& file, const Frame& frame) {
    // Decoded without shifting: the last shift is not known yet.
    FrameDecoder decoder(frame, frame.header.clock_shift_s);
    for (DecodedRecord record; decoder.next(&record);) {
      if (record.kind == RecordKind::Lease) keep(record.lease, frame.header.clock_shift_s);
    }
    if (decoder.error() != nullptr) {
      damage_.push_back({file.text_name, frame.offset, decoder.error()});
    }
    if (frame_problem(frame.header) != nullptr) return;
    // first_sequence never falls from frame to frame, nor from a snapshot to what follows it.
    if (frame.header.first_sequence < last_first_sequence_) return;
    last_first_sequence_ = frame.header.first_sequence;
    sequence_ = std::max(sequence_, frame.header.first_sequence - 1);
    shift_s_ = decoder.clock_shift_s();
    base_s_ = frame.header.base_s;
  }

  void keep(const LeaseRecord& lease, int64_t shift_s) {
    sequence_ = std::max(sequence_, lease.sequence);
    const auto [it, fresh] = leases_.try_emplace(lease.address, Kept{lease, shift_s});
    if (!fresh && it->second.lease.sequence <= lease.sequence) it->second = {lease, shift_s};
  }

  std::map<Ipv4, Kept> leases_;
  uint64_t sequence_ = 0, last_first_sequence_ = 0;
  int64_t shift_s_ = 0;
  LeaseSeconds base_s_ = 0;
  std::vector<Damage> damage_;
};

// Writes the salvaged leases as snapshot `number`, under its .part name.
class SnapshotFile {
 public:
  SnapshotFile(const Salvage& salvage, uint64_t number) : salvage_(salvage), number_(number) {
    frame_.first_sequence = salvage.sequence() + 1;
    frame_.base_s = salvage.base_s();
    frame_.clock_shift_s = salvage.shift_s();
    begin();
  }

  Result<std::unique_ptr<io::WritableFile>> write(io::Directory& directory) {
    auto file = create_snapshot(
        directory, {FileKind::Snapshot, number_, frame_.first_sequence, 0, 0, frame_.base_s});
    if (!file) return file;
    file_ = file->get();
    for (const auto& [address, kept] : salvage_.leases()) {
      if (kept.lease.state == LeaseState::Free) continue;
      if (size_ + kJournalRecordBytesMax > kSnapshotChunkBytes) {
        if (auto done = flush(); !done) return tl::unexpected(done.error());
      }
      LeaseRecord lease = kept.lease;
      size_ = static_cast<size_t>(encode_lease(at(), lease, frame_, true) - buffer_.data());
      frame_.leases++;
      leases_++;
    }
    if (frame_.leases != 0) {
      if (auto done = flush(); !done) return tl::unexpected(done.error());
    }
    size_ = static_cast<size_t>(encode_snapshot_end(at(), leases_) - buffer_.data());
    if (auto done = flush(); !done) return tl::unexpected(done.error());
    return file;
  }
  uint64_t leases() const { return leases_; }

 private:
  uint8_t* at() { return buffer_.data() + size_; }
  void begin() {
    size_ = kFrameHeaderBytes;
    frame_.leases = 0;
  }
  Result<void> flush() {
    size_ = static_cast<size_t>(pad_frame(buffer_.data(), at()) - buffer_.data());
    frame_.size = static_cast<uint32_t>(size_);
    encode_frame_header(frame_, buffer_.data());
    seal_frame(buffer_.data(), {FileKind::Snapshot, number_});
    auto done = file_->write_at(end_, {buffer_.data(), size_});
    end_ += size_;
    begin();
    return done;
  }

  const Salvage& salvage_;
  uint64_t number_;
  FrameHeader frame_;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(kSnapshotChunkBytes + kFrameAlign);
  size_t size_ = 0;
  uint64_t end_ = kFileHeaderBytes;
  uint64_t leases_ = 0;
  io::WritableFile* file_ = nullptr;
};

// Every file of the journal that can be read, in the order in which it was written.
Result<std::vector<LoadedFile>> load_all(io::Directory& directory) {
  auto names = directory.list();
  if (!names) return tl::unexpected(names.error());
  std::vector<LoadedFile> files;
  for (const std::string& text : *names) {
    const auto name = parse_file_name(text);
    if (!name) continue;
    LoadedFile file;
    file.name = *name;
    file.text_name = text;
    auto contents = directory.read(text);
    if (!contents) return tl::unexpected(contents.error());
    file.contents = std::move(*contents);
    files.push_back(std::move(file));
  }
  return files;
}

Result<void> move_aside(io::Directory& directory, const std::set<std::string>& damaged,
                        const std::vector<LoadedFile>& files, RepairReport* report) {
  for (const LoadedFile& file : files) {
    if (!damaged.contains(file.text_name)) continue;
    const std::string to = file.text_name + std::string(kDamagedSuffix);
    if (auto done = directory.rename(file.text_name, to); !done) return done;
    report->moved.push_back(to);
  }
  return directory.sync();
}

}  // namespace

Result<RepairReport> repair(io::Directory& directory) {
  if (auto locked = directory.lock(); !locked) return tl::unexpected(locked.error());
  auto image = load_image(directory);
  if (!image) return tl::unexpected(image.error());
  auto files = load_all(directory);
  if (!files) return tl::unexpected(files.error());

  RepairReport report;
  Salvage salvage;
  uint64_t last_number = 0;
  std::set<std::string> damaged;
  for (const LoadedFile& file : *files) {
    salvage.take(file);
    last_number = std::max(last_number, file.name.number);
    // A later release's file is not ours to judge.
    FileHeader header;
    if (decode_header(file.contents->view(), file.name, &header) == HeaderState::TooNew) {
      return fail(ErrorKind::Corrupt,
                  fmt::format("{}/{}: a later release wrote it, in a format that this one does not "
                              "know: repair it with that release",
                              directory.path(), file.text_name));
    }
  }
  salvage.finish();
  for (const Damage& d : image->damage) damaged.insert(d.file);
  for (const Damage& d : salvage.damage()) damaged.insert(d.file);
  if (damaged.empty()) return report;

  // Everything that checks goes into a snapshot behind all there is: from then on a replay needs
  // nothing else.
  const uint64_t number = last_number + 1;
  if (auto segment = prepare_segment(directory, number, kFileHeaderBytes); !segment) {
    return tl::unexpected(segment.error());
  }
  SnapshotFile snapshot(salvage, number);
  auto file = snapshot.write(directory);
  if (!file) return tl::unexpected(file.error());
  if (auto done = publish_snapshot(directory, **file, number); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = move_aside(directory, damaged, *files, &report); !done) {
    return tl::unexpected(done.error());
  }
  report.needed = true;
  report.leases = snapshot.leases();
  report.sequence = salvage.sequence();
  report.snapshot = file_name(FileKind::Snapshot, number);
  return report;
}

}  // namespace hookline::store
