#include "store/format.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "store/crc32c.h"

namespace hookline::store {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

constexpr std::string_view kSegmentMagic = "HKLJRNL\n";
constexpr std::string_view kSnapshotMagic = "HKLSNAP\n";
constexpr size_t kNumberDigits = 10;

struct NameParts {
  std::string_view prefix, suffix;
};
constexpr NameParts parts_of(FileKind kind) {
  return kind == FileKind::Segment ? NameParts{"journal-", ".log"}
                                   : NameParts{"snapshot-", ".snap"};
}

template <class T>
T load(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
void store(uint8_t* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

// How a field's value is laid out: the two low bits of its key. Readers skip unknown tags by it.
enum class Wire : uint8_t { Varint = 0, Fixed32 = 1, Data = 2, Fixed64 = 3 };

constexpr uint8_t key(uint8_t tag, Wire wire) {
  return static_cast<uint8_t>(tag << 2 | static_cast<uint8_t>(wire));
}

namespace lease_tag {
constexpr uint8_t kAddress = key(1, Wire::Fixed32);
constexpr uint8_t kScope = key(2, Wire::Fixed32);
constexpr uint8_t kState = key(3, Wire::Varint);
constexpr uint8_t kStart = key(4, Wire::Varint);
constexpr uint8_t kExpiry = key(5, Wire::Varint);
constexpr uint8_t kLastTransaction = key(6, Wire::Varint);
constexpr uint8_t kHardwareType = key(7, Wire::Varint);  // absent: 1, Ethernet
constexpr uint8_t kHardwareAddress = key(8, Wire::Data);
constexpr uint8_t kClientId = key(9, Wire::Data);
constexpr uint8_t kHostname = key(10, Wire::Data);
constexpr uint8_t kRelayInfo = key(11, Wire::Data);
constexpr uint8_t kBootp = key(12, Wire::Varint);
constexpr uint8_t kSequence = key(13, Wire::Varint);
}  // namespace lease_tag
namespace step_tag {
constexpr uint8_t kDelta = key(1, Wire::Varint);
}
namespace end_tag {
constexpr uint8_t kLeases = key(1, Wire::Varint);
}
namespace scope_tag {
constexpr uint8_t kKey = key(1, Wire::Fixed32);
constexpr uint8_t kName = key(2, Wire::Data);
}  // namespace scope_tag

constexpr uint64_t zigzag(int64_t v) {
  return static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63);
}
constexpr int64_t unzigzag(uint64_t v) {
  return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
}

uint8_t* put_varint(uint8_t* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<uint8_t>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<uint8_t>(v);
  return out;
}

uint8_t* put_varint_field(uint8_t* out, uint8_t k, uint64_t v) {
  *out++ = k;
  return put_varint(out, v);
}

uint8_t* put_fixed32_field(uint8_t* out, uint8_t k, uint32_t v) {
  *out++ = k;
  store(out, v);
  return out + sizeof v;
}

uint8_t* put_data_field(uint8_t* out, uint8_t k, Bytes v) {
  if (v.empty()) return out;
  *out++ = k;
  out = put_varint(out, v.size());
  std::memcpy(out, v.data(), v.size());
  return out + v.size();
}

bool take_varint(Bytes& in, uint64_t* v) {
  uint64_t value = 0;
  for (unsigned i = 0; i < in.size() && i < 10; ++i) {
    value |= static_cast<uint64_t>(in[i] & 0x7F) << (7 * i);
    if ((in[i] & 0x80) == 0) {
      *v = value;
      in = in.subspan(i + 1);
      return true;
    }
  }
  return false;
}

// One field of any tag.
struct Field {
  uint8_t key = 0;
  uint64_t number = 0;
  Bytes data;
};

bool take_field(Bytes& in, Field* f) {
  f->key = in[0];
  in = in.subspan(1);
  switch (static_cast<Wire>(f->key & 3)) {
    case Wire::Varint:
      return take_varint(in, &f->number);
    case Wire::Fixed32:
      if (in.size() < 4) return false;
      f->number = load<uint32_t>(in.data());
      in = in.subspan(4);
      return true;
    case Wire::Fixed64:
      if (in.size() < 8) return false;
      f->number = load<uint64_t>(in.data());
      in = in.subspan(8);
      return true;
    case Wire::Data: {
      uint64_t size;
      if (!take_varint(in, &size) || size > in.size()) return false;
      f->data = in.first(size);
      in = in.subspan(size);
      return true;
    }
  }
  return false;
}

// Puts kind and size in front of a body that was written at start + 2.
uint8_t* finish_record(uint8_t* start, RecordKind kind, uint8_t* end) {
  *start = static_cast<uint8_t>(kind);
  const size_t size = static_cast<size_t>(end - (start + 2));
  if (size < 0x80) {
    start[1] = static_cast<uint8_t>(size);
    return end;
  }
  std::memmove(start + 3, start + 2, size);  // sizes of two bytes are rare: long option 82 or ids
  put_varint(start + 1, size);
  return end + 1;
}

// CRC-8 (polynomial x^8 + x^2 + x + 1) of the 24 bits of a size: a torn write leaves a
// size right or zero, so a size that is wrong has rotted, and where its frame ends is not known.
uint32_t size_check(uint32_t size) {
  uint32_t crc = 0xFF;
  for (int shift = 16; shift >= 0; shift -= 8) {
    crc ^= size >> shift & 0xFF;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1 ^ ((crc & 0x80) != 0 ? 0x07 : 0)) & 0xFF;
  }
  return crc;
}

uint32_t frame_crc(const uint8_t* frame, uint32_t size, FileName file) {
  // The file's identity is part of the sum: a frame left over from another file never checks.
  uint8_t salt[16];
  store(salt, file.number);
  store(salt + 8, static_cast<uint32_t>(file.kind));
  store(salt + 12, size);
  return crc32c({frame + 8, size - 8}, crc32c(salt));
}

bool relative_time(uint64_t number, LeaseSeconds base, LeaseSeconds* out) {
  const int64_t diff = unzigzag(number);
  if (diff < -int64_t{0xFFFFFFFF} || diff > int64_t{0xFFFFFFFF}) return false;
  const int64_t t = int64_t{base} + diff;
  if (t < 0 || t > int64_t{0xFFFFFFFF}) return false;
  *out = static_cast<LeaseSeconds>(t);
  return true;
}

uint64_t relative(LeaseSeconds t, LeaseSeconds base) { return zigzag(int64_t{t} - int64_t{base}); }

// Takes in one field; null or what is wrong.
const char* apply_lease_field(const Field& f, const FrameHeader& frame, LeaseRecord* lease) {
  switch (f.key) {
    case lease_tag::kAddress:
      lease->address = Ipv4{static_cast<uint32_t>(f.number)};
      return nullptr;
    case lease_tag::kScope:
      lease->scope_key = static_cast<uint32_t>(f.number);
      return nullptr;
    case lease_tag::kState:
      if (f.number >= kLeaseStateCount) return "an unknown lease state";
      lease->state = static_cast<LeaseState>(f.number);
      return nullptr;
    case lease_tag::kStart:
      return relative_time(f.number, frame.base_s, &lease->start) ? nullptr : "start out of range";
    case lease_tag::kExpiry:
      return relative_time(f.number, frame.base_s, &lease->expiry) ? nullptr
                                                                   : "expiry out of range";
    case lease_tag::kLastTransaction:
      return relative_time(f.number, frame.base_s, &lease->last_transaction)
                 ? nullptr
                 : "last transaction out of range";
    case lease_tag::kHardwareType:
      if (f.number > 255) return "hardware type out of range";
      lease->hardware_type = static_cast<uint8_t>(f.number);
      return nullptr;
    case lease_tag::kHardwareAddress:
      if (f.data.size() > 16) return "a hardware address of more than 16 bytes";
      lease->hardware_address = f.data;
      return nullptr;
    case lease_tag::kClientId:
      if (f.data.size() > kClientIdBytesMax) return "a client identifier of more than 255 bytes";
      lease->client_id = f.data;
      return nullptr;
    case lease_tag::kHostname:
      if (f.data.size() > kHostnameBytesMax) return "a hostname of more than 255 bytes";
      lease->hostname = f.data;
      return nullptr;
    case lease_tag::kRelayInfo:
      if (f.data.size() > kRelayInfoBytesMax) return "relay information of more than 255 bytes";
      lease->relay_info = f.data;
      return nullptr;
    case lease_tag::kBootp:
      lease->bootp = f.number != 0;
      return nullptr;
    case lease_tag::kSequence:
      lease->sequence = frame.first_sequence + static_cast<uint64_t>(unzigzag(f.number));
      return lease->sequence <= kSequenceMax ? nullptr : "sequence number out of range";
    default:
      return nullptr;  // written by a later release of the same version
  }
}

}  // namespace

std::string file_name(FileKind kind, uint64_t number) {
  const NameParts p = parts_of(kind);
  return fmt::format("{}{:0{}}{}", p.prefix, number, kNumberDigits, p.suffix);
}

std::optional<FileName> parse_file_name(std::string_view name) {
  for (FileKind kind : {FileKind::Segment, FileKind::Snapshot}) {
    const NameParts p = parts_of(kind);
    if (!name.starts_with(p.prefix) || !name.ends_with(p.suffix)) continue;
    if (name.size() < p.prefix.size() + p.suffix.size() + kNumberDigits) continue;
    const std::string_view digits =
        name.substr(p.prefix.size(), name.size() - p.prefix.size() - p.suffix.size());
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error != std::errc{} || end != digits.end()) continue;
    if (number == 0 || number > kFileNumberMax) continue;
    if (file_name(kind, number) == name) return FileName{kind, number};
  }
  return std::nullopt;
}

void encode_header(const FileHeader& h, uint8_t* out) {
  std::memset(out, 0, kFileHeaderBytes);
  const std::string_view magic = h.kind == FileKind::Segment ? kSegmentMagic : kSnapshotMagic;
  std::memcpy(out, magic.data(), magic.size());
  store<uint16_t>(out + 8, kFormatVersion);
  store<uint16_t>(out + 10, kFileHeaderBytes);
  store<uint32_t>(out + 12, h.created_s);
  store<uint64_t>(out + 16, h.number);
  store<uint64_t>(out + 24, h.first_sequence);
  store<uint64_t>(out + 32, h.previous_end);
  store<uint64_t>(out + 40, h.capacity);
  store<uint32_t>(out + 60, crc32c({out, 60}));
}

namespace {

// Of the next lease record, in the header of a file or frame: they count from 1.
bool sequence_possible(uint64_t sequence) { return sequence != 0 && sequence <= kSequenceMax; }

}  // namespace

HeaderState decode_header(Bytes file, FileName name, FileHeader* h) {
  const auto zero = [](uint8_t b) { return b == 0; };
  const Bytes head = file.first(std::min(file.size(), kFileHeaderBytes));
  if (std::all_of(head.begin(), head.end(), zero)) return HeaderState::Empty;
  if (file.size() < kFileHeaderBytes) return HeaderState::Damaged;
  const uint8_t* p = file.data();
  const std::string_view magic = name.kind == FileKind::Segment ? kSegmentMagic : kSnapshotMagic;
  if (as_text(file.first(8)) != magic) return HeaderState::Damaged;
  if (load<uint32_t>(p + 60) != crc32c({p, 60})) return HeaderState::Damaged;
  if (load<uint16_t>(p + 8) != kFormatVersion) return HeaderState::TooNew;
  if (load<uint16_t>(p + 10) != kFileHeaderBytes) return HeaderState::Damaged;
  h->kind = name.kind;
  h->created_s = load<uint32_t>(p + 12);
  h->number = load<uint64_t>(p + 16);
  h->first_sequence = load<uint64_t>(p + 24);
  h->previous_end = load<uint64_t>(p + 32);
  h->capacity = load<uint64_t>(p + 40);
  if (!sequence_possible(h->first_sequence)) return HeaderState::Damaged;
  return h->number == name.number ? HeaderState::Ok : HeaderState::Misnamed;
}

void encode_frame_header(const FrameHeader& h, uint8_t* out) {
  CHECK(h.size <= kFrameSizeMax, "a frame's size has 24 bits");
  store<uint32_t>(out, h.size | size_check(h.size) << 24);
  store<uint32_t>(out + 4, 0);
  store<uint64_t>(out + 8, h.first_sequence);
  store<uint32_t>(out + 16, h.leases);
  store<uint32_t>(out + 20, h.base_s);
  store<int64_t>(out + 24, h.clock_shift_s);
}

uint8_t* pad_frame(uint8_t* frame, uint8_t* end) {
  uint8_t* const padded = frame + padded_size(static_cast<uint64_t>(end - frame));
  while (end != padded) *end++ = static_cast<uint8_t>(RecordKind::Padding);
  return padded;
}

void seal_frame(uint8_t* frame, FileName file) {
  store<uint32_t>(frame + 4, frame_crc(frame, load_frame_size(frame), file));
}

uint32_t load_frame_size(const uint8_t* frame) {
  const uint32_t word = load<uint32_t>(frame);
  const uint32_t size = word & 0xFFFFFF;
  if (word == 0) return 0;
  return word >> 24 == size_check(size) ? size : kFrameSizeInvalid;
}

FrameHeader load_frame_header(const uint8_t* p) {
  FrameHeader h;
  h.size = load_frame_size(p);
  h.crc = load<uint32_t>(p + 4);
  h.first_sequence = load<uint64_t>(p + 8);
  h.leases = load<uint32_t>(p + 16);
  h.base_s = load<uint32_t>(p + 20);
  h.clock_shift_s = load<int64_t>(p + 24);
  return h;
}

bool frame_checks(Bytes file, uint64_t offset, FileName name) {
  if (offset > file.size() || file.size() - offset < kFrameHeaderBytes) return false;
  const uint8_t* p = file.data() + offset;
  const uint32_t size = load_frame_size(p);
  if (size < kFrameHeaderBytes || size % kFrameAlign != 0 || size > file.size() - offset) {
    return false;
  }
  return load<uint32_t>(p + 4) == frame_crc(p, size, name);
}

const char* frame_problem(const FrameHeader& h) {
  if (!sequence_possible(h.first_sequence)) return "the sequence number of a commit is impossible";
  if (!clock_shift_possible(h.clock_shift_s)) return "the clock shift of a commit is impossible";
  return nullptr;
}

bool clock_shift_possible(int64_t shift_s) {
  return shift_s >= -kClockShiftSecondsMax && shift_s <= kClockShiftSecondsMax;
}

bool RecordReader::next(RawRecord* record) {
  if (error_ != nullptr || rest_.empty()) return false;
  record->offset = static_cast<uint64_t>(rest_.data() - begin_);
  record->kind = static_cast<RecordKind>(rest_[0]);
  if (record->kind == RecordKind::Padding) {
    rest_ = {};
    return false;
  }
  rest_ = rest_.subspan(1);
  uint64_t size;
  if (!take_varint(rest_, &size) || size > rest_.size()) {
    error_ = "a record runs past the end of its frame";
    return false;
  }
  record->body = rest_.first(size);
  rest_ = rest_.subspan(size);
  return true;
}

uint8_t* encode_lease(uint8_t* out, const LeaseRecord& l, const FrameHeader& frame,
                      bool with_sequence) {
  uint8_t* const start = out;
  out += 2;
  out = put_fixed32_field(out, lease_tag::kAddress, l.address.value);
  out = put_fixed32_field(out, lease_tag::kScope, l.scope_key);
  out = put_varint_field(out, lease_tag::kState, static_cast<uint8_t>(l.state));
  out = put_varint_field(out, lease_tag::kStart, relative(l.start, frame.base_s));
  out = put_varint_field(out, lease_tag::kExpiry, relative(l.expiry, frame.base_s));
  out = put_varint_field(out, lease_tag::kLastTransaction,
                         relative(l.last_transaction, frame.base_s));
  if (l.hardware_type != 1) out = put_varint_field(out, lease_tag::kHardwareType, l.hardware_type);
  out = put_data_field(out, lease_tag::kHardwareAddress, l.hardware_address);
  out = put_data_field(out, lease_tag::kClientId, l.client_id);
  out = put_data_field(out, lease_tag::kHostname, l.hostname);
  out = put_data_field(out, lease_tag::kRelayInfo, l.relay_info);
  if (l.bootp) out = put_varint_field(out, lease_tag::kBootp, 1);
  if (with_sequence) {
    const int64_t diff = static_cast<int64_t>(l.sequence - frame.first_sequence);
    out = put_varint_field(out, lease_tag::kSequence, zigzag(diff));
  }
  return finish_record(start, RecordKind::Lease, out);
}

uint8_t* encode_clock_step(uint8_t* out, int64_t delta_s) {
  return finish_record(out, RecordKind::ClockStep,
                       put_varint_field(out + 2, step_tag::kDelta, zigzag(delta_s)));
}

uint8_t* encode_snapshot_end(uint8_t* out, uint64_t leases) {
  return finish_record(out, RecordKind::SnapshotEnd,
                       put_varint_field(out + 2, end_tag::kLeases, leases));
}

uint8_t* encode_scope_name(uint8_t* out, uint32_t scope_key, std::string_view name) {
  uint8_t* end = put_fixed32_field(out + 2, scope_tag::kKey, scope_key);
  end = put_data_field(end, scope_tag::kName, as_bytes(name));
  return finish_record(out, RecordKind::ScopeName, end);
}

const char* decode_lease(Bytes body, const FrameHeader& frame, LeaseRecord* lease) {
  lease->hardware_type = 1;
  while (!body.empty()) {
    Field f;
    if (!take_field(body, &f)) return "a field runs past the end of its record";
    if (const char* wrong = apply_lease_field(f, frame, lease)) return wrong;
  }
  return lease->address ? nullptr : "a lease without an address";
}

const char* decode_clock_step(Bytes body, int64_t* delta_s) {
  *delta_s = 0;
  while (!body.empty()) {
    Field f;
    if (!take_field(body, &f)) return "a field runs past the end of its record";
    if (f.key == step_tag::kDelta) *delta_s = unzigzag(f.number);
  }
  if (!clock_shift_possible(*delta_s)) {
    *delta_s = 0;
    return "clock step out of range";
  }
  return nullptr;
}

const char* decode_snapshot_end(Bytes body, uint64_t* leases) {
  *leases = 0;
  while (!body.empty()) {
    Field f;
    if (!take_field(body, &f)) return "a field runs past the end of its record";
    if (f.key == end_tag::kLeases) *leases = f.number;
  }
  return nullptr;
}

const char* decode_scope_name(Bytes body, uint32_t* scope_key, std::string_view* name) {
  *scope_key = 0;
  *name = {};
  while (!body.empty()) {
    Field f;
    if (!take_field(body, &f)) return "a field runs past the end of its record";
    if (f.key == scope_tag::kKey) *scope_key = static_cast<uint32_t>(f.number);
    if (f.key == scope_tag::kName) *name = as_text(f.data);
  }
  return nullptr;
}

void shift_times(LeaseRecord* lease, int64_t delta_s) {
  if (delta_s == 0) return;
  const auto shifted = [delta_s](LeaseSeconds t) {
    if (t == 0 || t == kLeaseTimeInfinite) return t;
    // Far outside what LeaseSeconds holds, every delta means the same.
    const int64_t delta = std::clamp<int64_t>(delta_s, -int64_t{1} << 40, int64_t{1} << 40);
    return static_cast<LeaseSeconds>(
        std::clamp<int64_t>(int64_t{t} + delta, 1, int64_t{kLeaseTimeInfinite} - 1));
  };
  lease->start = shifted(lease->start);
  lease->expiry = shifted(lease->expiry);
  lease->last_transaction = shifted(lease->last_transaction);
}

}  // namespace hookline::store
