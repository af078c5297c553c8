// The options of one reply, in their order, and how they are laid out in it: in the options field,
// and by overload in file and sname (RFC 2132 section 9.3), split where they exceed 255 bytes
// (RFC 3396 section 5). Does not allocate.
#pragma once

#include <array>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/code_set.h"

namespace hookline::wire {

// What `size` bytes of value take with their codes and lengths.
constexpr size_t encoded_size(size_t size) {
  return size == 0 ? 2 : size + 2 * ((size + 254) / 255);
}

enum class Need : uint8_t {
  Must,  // without it there is no reply
  Wish,  // left out where there is no room
};

struct ReplyOption {
  const uint8_t* data;
  uint16_t size;
  uint8_t code;
  Need need;
};

// May the field hold options?
enum class FieldUse : uint8_t {
  Free,
  Movable,  // a boot field that the client gets as an option too: once that is in, it is free
  Taken,
};

// Where options may go.
struct OptionRoom {
  size_t field_bytes = 0;  // of the options field, after the cookie
  FieldUse file = FieldUse::Taken;
  FieldUse sname = FieldUse::Taken;
};

// Each code at most once. Values are views, but for those of add_u32(), add_u8() and
// add_room().
class ReplyOptions {
 public:
  void add(uint8_t code, Bytes value, Need need) {
    CHECK(!has(code) && count_ < options_.size(), "an option is chosen once");
    taken_.add(code);
    options_[count_++] = {value.data(), static_cast<uint16_t>(value.size()), code, need};
    encoded_bytes_ += encoded_size(value.size());
  }
  void add_u8(uint8_t code, uint8_t value, Need need) { add(code, keep(&value, 1), need); }
  void add_u32(uint8_t code, uint32_t value, Need need) {
    uint8_t bytes[4];
    store_be32(bytes, value);
    add(code, keep(bytes, sizeof bytes), need);
  }
  // A value to be written afterwards. At most 255 bytes, once a reply.
  MutableBytes add_room(uint8_t code, size_t size, Need need) {
    CHECK(kept_bytes_ + size <= kept_.size(), "room for the few computed values of a reply");
    uint8_t* const at = &kept_[kept_bytes_];
    kept_bytes_ += size;
    add(code, Bytes{at, size}, need);
    return {at, size};
  }
  bool has(uint8_t code) const { return taken_.has(code); }

  const ReplyOption* begin() const { return options_.data(); }
  const ReplyOption* end() const { return options_.data() + count_; }
  // Of all of them, without the end option.
  size_t encoded_bytes() const { return encoded_bytes_; }

 private:
  Bytes keep(const uint8_t* bytes, size_t size) {
    CHECK(kept_bytes_ + size <= kept_.size(), "room for the few computed values of a reply");
    uint8_t* const at = &kept_[kept_bytes_];
    std::memcpy(at, bytes, size);
    kept_bytes_ += size;
    return {at, size};
  }

  size_t count_ = 0;
  size_t encoded_bytes_ = 0;
  size_t kept_bytes_ = 0;
  CodeSet taken_;
  std::array<uint8_t, 64 + 255> kept_;
  std::array<ReplyOption, 256> options_;
};

// Writes the options and their end option into the message at `reply`, whose fixed fields are
// written already and whose free fields are zero. What does not fit is left out, later wishes
// first. Returns the message's size; none when what must be in it does not fit.
std::optional<size_t> write_options(const ReplyOptions& options, const OptionRoom& room,
                                    uint8_t* reply);

}  // namespace hookline::wire
