// Format version 1 of the lease journal, byte by byte: docs/lease_journal_format.md is its text.
// Pure: bytes in, bytes out. Everything is little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "line/lease.h"

namespace hookline::store {

inline constexpr uint16_t kFormatVersion = 1;
inline constexpr size_t kFileHeaderBytes = 64;
inline constexpr size_t kFrameHeaderBytes = 32;
// Frames begin at multiples of this, so that a frame's size and checksum never straddle a sector.
inline constexpr size_t kFrameAlign = 8;
// What a disk writes whole or not at all.
inline constexpr size_t kSectorBytes = 512;
// Far beyond what a server lives to write, and so that no sum of them overflows: 146,000 years at
// a million records a second, and a file each second for nine million years.
inline constexpr uint64_t kSequenceMax = uint64_t{1} << 62;
inline constexpr uint64_t kFileNumberMax = uint64_t{1} << 48;

enum class FileKind : uint8_t { Segment, Snapshot };

// "journal-0000000007.log", "snapshot-0000000007.snap".
std::string file_name(FileKind kind, uint64_t number);
inline constexpr std::string_view kPartSuffix = ".part";        // a snapshot being written
inline constexpr std::string_view kDamagedSuffix = ".damaged";  // what repair moved aside

struct FileName {
  FileKind kind;
  uint64_t number;
};
// nullopt: not a file of the journal; its number is 1 to kFileNumberMax.
std::optional<FileName> parse_file_name(std::string_view name);

struct FileHeader {
  FileKind kind = FileKind::Segment;
  uint64_t number = 0;          // as in the name; a snapshot: replay starts at this segment
  uint64_t first_sequence = 0;  // of the next lease record when the file was begun
  uint64_t previous_end = 0;    // where the frames of segment number - 1 end
  uint64_t capacity = 0;        // preallocated bytes; the file is never shorter. 0: a snapshot
  LeaseSeconds created_s = 0;
};

void encode_header(const FileHeader& header, uint8_t* out);  // kFileHeaderBytes

enum class HeaderState : uint8_t {
  Ok,
  Empty,     // zeros, or too short for a header: created, never written
  Damaged,   // magic or checksum is wrong, or the first sequence number is impossible
  TooNew,    // a later version wrote it
  Misnamed,  // intact, but the header of another file
};
HeaderState decode_header(Bytes file, FileName name, FileHeader* header);

inline constexpr uint32_t kFrameSizeMax = 0xFFFFF8;  // 24 bits
inline constexpr uint32_t kFrameSizeInvalid = 0xFFFFFFFF;

struct FrameHeader {
  // Of the frame: header, records, padding to kFrameAlign. 0: nothing was written here.
  uint32_t size = 0;
  uint32_t crc = 0;
  uint64_t first_sequence = 0;
  uint32_t leases = 0;  // lease records in it: they take first_sequence, first_sequence + 1, …
  LeaseSeconds base_s = 0;    // lease clock at the commit; times are stored relative to it
  int64_t clock_shift_s = 0;  // sum of all clock steps before this frame
};

// Fills in the header of the frame whose records stand at out + kFrameHeaderBytes, but for the
// checksum.
void encode_frame_header(const FrameHeader& header, uint8_t* out);
// Computes and stores the checksum of a frame whose header is in place.
void seal_frame(uint8_t* frame, FileName file);

uint32_t load_frame_size(const uint8_t* frame);       // reads 4 bytes
FrameHeader load_frame_header(const uint8_t* frame);  // reads kFrameHeaderBytes
// True when `file` holds a whole frame with a right checksum at `offset`.
bool frame_checks(Bytes file, uint64_t offset, FileName name);

// Bit 7 set: a reader that doesn't know the kind may skip the record; clear: it must refuse.
enum class RecordKind : uint8_t {
  Lease = 1,
  ClockStep = 2,
  SnapshotEnd = 3,
  Padding = 0x7F,  // nothing follows in this frame
  ScopeName = 0x81,
};

struct RawRecord {
  RecordKind kind = RecordKind::Padding;
  uint64_t offset = 0;  // within the frame's records
  Bytes body;
};

// Null, or what is wrong with the header of a frame whose checksum is right (a literal).
const char* frame_problem(const FrameHeader& header);

// Within kClockShiftSecondsMax. Steps, sums of them, and what a sum and a step make together.
bool clock_shift_possible(int64_t shift_s);

// Walks the records of a frame.
class RecordReader {
 public:
  explicit RecordReader(Bytes records) : rest_(records), begin_(records.data()) {}
  // False at the end or when the bytes make no sense: error() tells which.
  bool next(RawRecord* record);
  const char* error() const { return error_; }

 private:
  Bytes rest_;
  const uint8_t* begin_;
  const char* error_ = nullptr;
};

// Each returns the end of what it wrote; a record never needs more than kJournalRecordBytesMax.
// `with_sequence`: in a snapshot; a commit's sequence numbers follow from the frame.
uint8_t* encode_lease(uint8_t* out, const LeaseRecord& lease, const FrameHeader& frame,
                      bool with_sequence);
uint8_t* encode_clock_step(uint8_t* out, int64_t delta_s);
uint8_t* encode_snapshot_end(uint8_t* out, uint64_t leases);
uint8_t* encode_scope_name(uint8_t* out, uint32_t key, std::string_view name);

// Each returns null, or what is wrong with the body (a literal).
// lease->sequence is left alone when the record names none.
const char* decode_lease(Bytes body, const FrameHeader& frame, LeaseRecord* lease);
const char* decode_clock_step(Bytes body, int64_t* delta_s);
const char* decode_snapshot_end(Bytes body, uint64_t* leases);
const char* decode_scope_name(Bytes body, uint32_t* key, std::string_view* name);

// Reads a lease's times after the clock was stepped by `delta_s` in all. "Never" stays.
void shift_times(LeaseRecord* lease, int64_t delta_s);

// Every frame ends in at least one byte of padding, which is not zero: so no sector's share of a
// frame that was written whole reads as zeros.
constexpr uint64_t padded_size(uint64_t size) { return (size / kFrameAlign + 1) * kFrameAlign; }
// Pads the frame that ends at `end`; returns its new end.
uint8_t* pad_frame(uint8_t* frame, uint8_t* end);

}  // namespace hookline::store
