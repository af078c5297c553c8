#include "store/scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace hookline::store {
namespace {

bool all_zero(Bytes bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Behind the last byte that is not zero.
uint64_t content_end(Bytes bytes) {
  uint64_t end = bytes.size();
  while (end >= kSectorBytes && all_zero(bytes.subspan(end - kSectorBytes, kSectorBytes))) {
    end -= kSectorBytes;
  }
  while (end > 0 && bytes[end - 1] == 0) --end;
  return end;
}

// True when some sector's share of [from, to) reads as zeros: it was never written.
bool misses_a_sector(Bytes file, uint64_t from, uint64_t to) {
  while (from < to) {
    const uint64_t sector_end = std::min(to, (from / kSectorBytes + 1) * kSectorBytes);
    if (all_zero(file.subspan(from, sector_end - from))) return true;
    from = sector_end;
  }
  return false;
}

bool plausible_size(uint64_t size, uint64_t room) {
  return size >= kFrameHeaderBytes && size % kFrameAlign == 0 && size <= room;
}

// What stands behind the last good frame of the last segment. Null: zeros or a torn commit, whose
// size goes to *torn_bytes. Else what is wrong.
const char* judge_tail(Bytes file, uint64_t end, FileName name, uint64_t* torn_bytes) {
  const uint64_t content = content_end(file);
  if (content <= end) return nullptr;
  const uint64_t room = file.size() - end;
  const uint32_t size = room >= 4 ? load_frame_size(file.data() + end) : 0;
  const uint64_t after = plausible_size(size, room) ? end + size : end + kFrameAlign;
  if (find_frame(file, after, name)) return "a commit is damaged: valid ones follow it";
  if (size == 0) {
    // The sector with the frame's header is lost whole, or the header was overwritten.
    const uint64_t sector_end =
        std::min<uint64_t>(file.size(), (end / kSectorBytes + 1) * kSectorBytes);
    if (!all_zero(file.subspan(end, sector_end - end))) return "bytes that no commit wrote";
  } else {
    if (!plausible_size(size, room)) return "the size of a commit is impossible";
    if (content > after) return "bytes that no commit wrote";
    if (!misses_a_sector(file, end, after)) {
      return "the checksum of the last commit is wrong, though all of it was written";
    }
  }
  *torn_bytes = content - end;
  return nullptr;
}

// Takes a frame that checks into the scan.
void count_frame(const Frame& frame, FileScan* scan) {
  scan->last_frame = frame.offset;
  scan->end = frame.offset + frame.header.size;
  scan->frames++;
  scan->leases += frame.header.leases;
  scan->last_base_s = frame.header.base_s;
  // What does not decode is told by whoever replays, verifies or repairs: with all of its records.
  if (frame_problem(frame.header) == nullptr) scan->clock_shift_s = frame.header.clock_shift_s;
  if (frame.header.leases != 0) return;
  // Steps and the end of a snapshot stand in frames without leases: no others are looked into.
  FrameDecoder decoder(frame, frame.header.clock_shift_s);
  for (DecodedRecord record; decoder.next(&record);) {
    if (record.kind == RecordKind::ClockStep) {
      scan->clock_shift_s = decoder.clock_shift_s();
    } else if (record.kind == RecordKind::SnapshotEnd) {
      scan->complete = record.snapshot_leases == scan->leases;
    }
  }
}

bool frame_at(Bytes file, uint64_t offset, FileName name, Frame* frame) {
  if (!frame_checks(file, offset, name)) return false;
  frame->offset = offset;
  frame->header = load_frame_header(file.data() + offset);
  frame->records = file.subspan(offset + kFrameHeaderBytes, frame->header.size - kFrameHeaderBytes);
  return true;
}

const char* header_problem(HeaderState state) {
  switch (state) {
    case HeaderState::Ok:
      return nullptr;
    case HeaderState::Empty:
      return "the file's header is missing";
    case HeaderState::Damaged:
      return "the file's header is damaged";
    case HeaderState::TooNew:
      return "a later release wrote it, in a format that this one does not know";
    case HeaderState::Misnamed:
      return "its header names another file";
  }
  return nullptr;
}

class Loader {
 public:
  explicit Loader(io::Directory& directory) : directory_(directory) {}

  Result<Image> load() {
    auto names = directory_.list();
    if (!names) return tl::unexpected(names.error());
    sort_names(*names);
    if (auto read = load_snapshot(); !read) return tl::unexpected(read.error());
    if (auto read = load_segments(); !read) return tl::unexpected(read.error());
    check_contiguous();
    find_used();
    scan_used();
    check_unused();
    return std::move(image_);
  }

 private:
  void damaged(const std::string& file, uint64_t offset, std::string what) {
    image_.damage.push_back({file, offset, std::move(what)});
  }

  void sort_names(const std::vector<std::string>& names) {
    for (const std::string& text : names) {
      std::string_view base = text;
      const bool part = base.ends_with(kPartSuffix);
      if (part) base.remove_suffix(kPartSuffix.size());
      const auto name = parse_file_name(base);
      if (!name) continue;
      if (part) {
        image_.leftovers.push_back(text);
      } else {
        (name->kind == FileKind::Snapshot ? snapshots_ : numbers_).push_back(name->number);
      }
    }
    std::sort(snapshots_.begin(), snapshots_.end());
    std::sort(numbers_.begin(), numbers_.end());
  }

  Result<LoadedFile> read(FileName name) {
    LoadedFile file;
    file.name = name;
    file.text_name = file_name(name.kind, name.number);
    auto contents = directory_.read(file.text_name);
    if (!contents) return tl::unexpected(contents.error());
    file.contents = std::move(*contents);
    file.scan.header_state = decode_header(file.contents->view(), name, &file.scan.header);
    return file;
  }

  Result<void> load_snapshot() {
    if (snapshots_.empty()) return {};
    for (size_t i = 0; i + 1 < snapshots_.size(); ++i) {
      image_.leftovers.push_back(file_name(FileKind::Snapshot, snapshots_[i]));
    }
    auto file = read({FileKind::Snapshot, snapshots_.back()});
    if (!file) return tl::unexpected(file.error());
    image_.replay_from = snapshots_.back();
    image_.snapshot = std::move(*file);
    scan_snapshot(&*image_.snapshot);
    return {};
  }

  void scan_snapshot(LoadedFile* file) {
    FileScan& scan = file->scan;
    if (const char* wrong = header_problem(scan.header_state)) {
      return damaged(file->text_name, 0, wrong);
    }
    scan.end = kFileHeaderBytes;
    const Bytes view = file->contents->view();
    for (Frame frame; !scan.complete && frame_at(view, scan.end, file->name, &frame);) {
      count_frame(frame, &scan);
    }
    if (!scan.complete) {
      damaged(file->text_name, scan.end, "the snapshot is damaged here, or ends too early");
    } else if (scan.end != view.size()) {
      damaged(file->text_name, scan.end, "bytes behind the end of the snapshot");
    }
    scan.next_sequence = scan.header.first_sequence;
    image_.sequence = scan.header.first_sequence - 1;
    image_.clock_shift_s = scan.clock_shift_s;
  }

  Result<void> load_segments() {
    for (uint64_t number : numbers_) {
      if (number < image_.replay_from && image_.snapshot) {
        image_.outdated_segments.push_back(file_name(FileKind::Segment, number));
        continue;
      }
      auto file = read({FileKind::Segment, number});
      if (!file) return tl::unexpected(file.error());
      image_.segments.push_back(std::move(*file));
    }
    return {};
  }

  void check_contiguous() {
    uint64_t expected = image_.replay_from;
    if (image_.segments.empty() && image_.snapshot) {
      damaged(file_name(FileKind::Segment, expected), 0, "the file is missing");
    }
    for (const LoadedFile& file : image_.segments) {
      if (file.name.number != expected) {
        damaged(file_name(FileKind::Segment, expected), 0, "the file is missing");
      }
      expected = file.name.number + 1;
    }
  }

  void find_used() {
    image_.used = image_.segments.size();
    while (image_.used > 0 &&
           image_.segments[image_.used - 1].scan.header_state == HeaderState::Empty) {
      --image_.used;
    }
  }

  void scan_used() {
    uint64_t expected = image_.sequence + 1;
    for (size_t i = 0; i < image_.used; ++i) {
      LoadedFile& file = image_.segments[i];
      if (const char* wrong = header_problem(file.scan.header_state)) {
        damaged(file.text_name, 0, wrong);
        continue;
      }
      if (file.scan.header.first_sequence != expected && image_.damage.empty()) {
        damaged(file.text_name, 0,
                fmt::format("it begins with record {}, and {} is the next",
                            file.scan.header.first_sequence, expected));
      }
      if (file.contents->view().size() < file.scan.header.capacity) {
        damaged(file.text_name, file.contents->view().size(), "the file was cut short");
      }
      const LoadedFile* next = i + 1 < image_.used ? &image_.segments[i + 1] : nullptr;
      scan_segment(&file, next);
      expected = file.scan.next_sequence;
    }
    image_.sequence = expected - 1;
  }

  void scan_segment(LoadedFile* file, const LoadedFile* next) {
    FileScan& scan = file->scan;
    Bytes view = file->contents->view();
    const bool sealed = next != nullptr && next->scan.header_state == HeaderState::Ok;
    if (sealed) view = view.first(std::min<uint64_t>(view.size(), next->scan.header.previous_end));
    scan.end = kFileHeaderBytes;
    scan.next_sequence = scan.header.first_sequence;
    for (Frame frame; frame_at(view, scan.end, file->name, &frame) &&
                      frame.header.first_sequence == scan.next_sequence;) {
      count_frame(frame, &scan);
      scan.next_sequence += frame.header.leases;
    }
    if (scan.frames != 0) image_.clock_shift_s = scan.clock_shift_s;
    if (sealed) {
      if (scan.end == next->scan.header.previous_end) return;
      damaged(file->text_name, scan.end, "a commit is damaged here");
    } else if (next != nullptr) {
      // Where this one ends only the next one's header could tell, and that is damaged.
      if (!find_frame(view, scan.end, file->name)) return;
      damaged(file->text_name, scan.end, "a commit is damaged: valid ones follow it");
    } else if (frame_checks(view, scan.end, file->name)) {
      damaged(file->text_name, scan.end, "a commit is out of sequence");
    } else if (const char* wrong = judge_tail(view, scan.end, file->name, &scan.torn_bytes)) {
      damaged(file->text_name, scan.end, wrong);
    }
    image_.torn_bytes += scan.torn_bytes;
  }

  // Behind the last segment in use stand prepared ones. The first commit to the first of them may
  // be torn, and then its header, which is in the same sector as the frame's, is lost.
  void check_unused() {
    for (size_t i = image_.used; i < image_.segments.size(); ++i) {
      LoadedFile& file = image_.segments[i];
      const Bytes view = file.contents->view();
      if (i > image_.used) {
        if (!all_zero(view)) damaged(file.text_name, 0, "bytes that no commit wrote");
      } else if (const char* wrong = judge_tail(view, 0, file.name, &file.scan.torn_bytes)) {
        damaged(file.text_name, 0, wrong);
      }
      image_.torn_bytes += file.scan.torn_bytes;
    }
  }

  io::Directory& directory_;
  Image image_;
  std::vector<uint64_t> snapshots_, numbers_;
};

}  // namespace

Result<Image> load_image(io::Directory& directory) { return Loader(directory).load(); }

Error corrupt_error(const io::Directory& directory, const Damage& damage) {
  return {ErrorKind::Corrupt,
          fmt::format("the lease journal is damaged: {0}/{1}: offset {2}: {3}; `hookline journal "
                      "verify {0}` shows what checks, `hookline journal repair {0}` keeps that and "
                      "moves the rest aside",
                      directory.path(), damage.file, damage.offset, damage.what)};
}

bool next_frame(const LoadedFile& file, uint64_t* offset, Frame* frame) {
  if (*offset >= file.scan.end) return false;
  // Checked by the scan: its checksum is not computed again.
  const Bytes view = file.contents->view();
  frame->offset = *offset;
  frame->header = load_frame_header(view.data() + *offset);
  frame->records =
      view.subspan(*offset + kFrameHeaderBytes, frame->header.size - kFrameHeaderBytes);
  *offset += frame->header.size;
  return true;
}

std::optional<uint64_t> find_frame(Bytes file, uint64_t from, FileName name) {
  const uint64_t end = content_end(file);
  for (uint64_t at = from / kFrameAlign * kFrameAlign;
       at + kFrameHeaderBytes <= file.size() && at < end; at += kFrameAlign) {
    if (at >= from && frame_checks(file, at, name)) return at;
  }
  return std::nullopt;
}

bool FrameDecoder::next(DecodedRecord* out) {
  RawRecord raw;
  if (error_ != nullptr) return false;
  if (!reader_.next(&raw)) {
    error_ = reader_.error();
    if (error_ == nullptr && leases_ != header_.leases) {
      error_ = "a frame holds another number of leases than it says";
    }
    return false;
  }
  *out = {};
  error_ = decode(raw, out);
  return error_ == nullptr;
}

const char* FrameDecoder::decode_step(Bytes body, DecodedRecord* out) {
  if (const char* wrong = decode_clock_step(body, &out->clock_step_s)) return wrong;
  const int64_t sum_s = clock_s_ + out->clock_step_s;
  if (!clock_shift_possible(sum_s)) return "the clock steps add up to an impossible shift";
  clock_s_ = sum_s;
  return nullptr;
}

const char* FrameDecoder::decode(const RawRecord& raw, DecodedRecord* out) {
  out->kind = raw.kind;
  switch (raw.kind) {
    case RecordKind::Lease:
      out->lease.sequence = header_.first_sequence + leases_++;
      if (const char* wrong = decode_lease(raw.body, header_, &out->lease)) return wrong;
      shift_times(&out->lease, shift_s_);
      return nullptr;
    case RecordKind::ClockStep:
      return decode_step(raw.body, out);
    case RecordKind::SnapshotEnd:
      return decode_snapshot_end(raw.body, &out->snapshot_leases);
    case RecordKind::ScopeName:
      return decode_scope_name(raw.body, &out->scope_key, &out->scope_name);
    case RecordKind::Padding:
      break;
  }
  if ((static_cast<uint8_t>(raw.kind) & 0x80) == 0) return "a record of an unknown critical kind";
  out->known = false;
  return nullptr;
}

}  // namespace hookline::store
