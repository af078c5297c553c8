// Reads a journal's directory and finds out what of it checks: the one place that tells a torn tail
// from damage. Recovery, verify, dump and repair all stand on it. Changes nothing on disk.
//
// A torn tail is what a power cut leaves of a commit that was never acknowledged: the last bytes of
// the last segment, of which at least one sector was not written, so that its part reads as zeros,
// and nothing valid after it. Everything else that does not check is damage.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/files.h"
#include "store/format.h"

namespace hookline::store {

// Something that is not as it was written, and where.
struct Damage {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};

struct FileScan {
  HeaderState header_state = HeaderState::Empty;
  FileHeader header;
  uint64_t end = 0;         // behind the last frame that checks
  uint64_t last_frame = 0;  // its offset; 0: none
  uint64_t frames = 0;
  uint64_t leases = 0;
  uint64_t next_sequence = 0;  // of the lease record that would follow
  int64_t clock_shift_s = 0;   // after the last frame whose shift is possible
  LeaseSeconds last_base_s = 0;
  uint64_t torn_bytes = 0;  // behind `end`
  bool complete = false;    // a snapshot: its end record is there and its count is right
};

struct LoadedFile {
  FileName name{};
  std::string text_name;
  std::unique_ptr<io::FileContents> contents;
  FileScan scan;
};

// A whole journal, read and checked.
struct Image {
  std::optional<LoadedFile> snapshot;
  std::vector<LoadedFile> segments;    // those that a replay reads, by number, empty ones included
  std::vector<std::string> leftovers;  // of snapshots begun or finished: not needed any more
  std::vector<std::string> outdated_segments;  // older than the snapshot: not needed either
  std::vector<Damage> damage;
  uint64_t replay_from = 1;  // number of the first segment of a replay
  size_t used = 0;           // segments[0 .. used) have been written to
  uint64_t sequence = 0;     // of the last lease record
  int64_t clock_shift_s = 0;
  uint64_t torn_bytes = 0;

  const LoadedFile* last_used() const { return used == 0 ? nullptr : &segments[used - 1]; }
};

// Fails only where the directory can't be read; what does not check is in Image::damage.
Result<Image> load_image(io::Directory& directory);

// The one-line error for an operator, with the commands that help.
Error corrupt_error(const io::Directory& directory, const Damage& damage);

// Frames of `file` from `offset` on, up to scan.end. False at the end.
struct Frame {
  uint64_t offset = 0;
  FrameHeader header;
  Bytes records;
};
bool next_frame(const LoadedFile& file, uint64_t* offset, Frame* frame);

// The next frame at or behind `from` whose checksum is right, in bytes that need not make sense.
std::optional<uint64_t> find_frame(Bytes file, uint64_t from, FileName name);

// One record of a frame, decoded; the views are into the file.
struct DecodedRecord {
  RecordKind kind = RecordKind::Padding;
  LeaseRecord lease;         // Lease: times as on the lease clock after all steps
  int64_t clock_step_s = 0;  // ClockStep
  uint64_t snapshot_leases = 0;
  uint32_t scope_key = 0;  // ScopeName
  std::string_view scope_name;
  bool known = true;  // false: an unknown kind that may be skipped
};

// Walks a frame's records and decodes them, lease sequence numbers included. A frame whose header
// makes no sense gives none.
class FrameDecoder {
 public:
  // `final_shift_s` is possible, as every FileScan's is.
  FrameDecoder(const Frame& frame, int64_t final_shift_s)
      : header_(frame.header), reader_(frame.records), error_(frame_problem(frame.header)) {
    if (error_ == nullptr) shift_s_ = final_shift_s - header_.clock_shift_s;
    clock_s_ = header_.clock_shift_s;
  }
  // False at the end or when the frame makes no sense: error() tells which.
  bool next(DecodedRecord* out);
  const char* error() const { return error_; }
  // The sum of all clock steps, those of this frame that were read included. Without an error only.
  int64_t clock_shift_s() const { return clock_s_; }

 private:
  const char* decode(const RawRecord& raw, DecodedRecord* out);
  const char* decode_step(Bytes body, DecodedRecord* out);

  FrameHeader header_;
  RecordReader reader_;
  const char* error_;
  int64_t shift_s_ = 0;
  int64_t clock_s_ = 0;
  uint64_t leases_ = 0;
};

}  // namespace hookline::store
