#include "wire/reply_options.h"

#include "line/message.h"
#include "wire/fixed_fields.h"

namespace hookline::wire {

namespace {

constexpr size_t kOverloadOptionBytes = 3;

uint8_t* put_option(uint8_t* at, const ReplyOption& option) {
  const uint8_t* data = option.data;
  size_t left = option.size;
  do {
    const size_t piece = std::min<size_t>(left, 255);
    *at++ = option.code;
    *at++ = static_cast<uint8_t>(piece);
    if (piece != 0) std::memcpy(at, data, piece);
    at += piece;
    data += piece;
    left -= piece;
  } while (left != 0);
  return at;
}

enum class Place : uint8_t { Options, File, Sname, LeftOut };

// How much is left in each field, and who got what.
struct Plan {
  std::array<Place, 256> places;  // beside ReplyOptions' order
  size_t options_left = 0;
  size_t file_left = 0;
  size_t sname_left = 0;
  uint8_t overload = 0;

  Place place(size_t bytes) {
    if (bytes <= options_left) {
      options_left -= bytes;
      return Place::Options;
    }
    if (bytes <= file_left) {
      file_left -= bytes;
      overload |= kOverloadFile;
      return Place::File;
    }
    if (bytes <= sname_left) {
      sname_left -= bytes;
      overload |= kOverloadSname;
      return Place::Sname;
    }
    return Place::LeftOut;
  }
};

size_t must_bytes(const ReplyOptions& options) {
  size_t bytes = 1;  // the end option
  for (const ReplyOption& o : options) {
    if (o.need == Need::Must) bytes += encoded_size(o.size);
  }
  return bytes;
}

// Is `field`, whose option is `code`, free? What it holds has to be in the options field first.
bool vacate(const ReplyOptions& options, FieldUse field, uint8_t code, Plan& plan) {
  if (field != FieldUse::Movable) return field == FieldUse::Free;
  size_t i = 0;
  for (const ReplyOption& o : options) {
    if (o.code == code && encoded_size(o.size) <= plan.options_left) {
      plan.places[i] = plan.place(encoded_size(o.size));
      return true;
    }
    ++i;
  }
  return false;
}

// False when what must be in the options field is larger than it.
bool make_plan(const ReplyOptions& options, const OptionRoom& room, Plan& plan) {
  const size_t must = must_bytes(options);
  if (must > room.field_bytes) return false;
  plan.places.fill(Place::LeftOut);
  plan.options_left = room.field_bytes - must;
  const bool may_overload = room.file != FieldUse::Taken || room.sname != FieldUse::Taken;
  if (may_overload && plan.options_left >= kOverloadOptionBytes) {
    plan.options_left -= kOverloadOptionBytes;
    const bool file = vacate(options, room.file, option::kBootfileName, plan);
    const bool sname = vacate(options, room.sname, option::kTftpServerName, plan);
    plan.file_left = file ? kFileBytes - 1 : 0;
    plan.sname_left = sname ? kSnameBytes - 1 : 0;
  }
  size_t i = 0;
  for (const ReplyOption& o : options) {
    Place& place = plan.places[i++];
    if (o.need == Need::Must) {
      place = Place::Options;
    } else if (place == Place::LeftOut) {
      place = plan.place(encoded_size(o.size));
    }
  }
  return true;
}

uint8_t* write_plan(const ReplyOptions& options, const Plan& plan, uint8_t* reply) {
  uint8_t* at = reply + kOptionsAt;
  uint8_t* file = reply + kFileAt;
  uint8_t* sname = reply + kSnameAt;
  size_t i = 0;
  for (const ReplyOption& o : options) {
    const Place place = plan.places[i];
    if (place == Place::Options) at = put_option(at, o);
    if (place == Place::File) file = put_option(file, o);
    if (place == Place::Sname) sname = put_option(sname, o);
    // Behind the message type, and so never behind option 82, which stays last.
    if (i++ == 0 && plan.overload != 0) {
      *at++ = option::kOverload;
      *at++ = 1;
      *at++ = plan.overload;
    }
  }
  if ((plan.overload & kOverloadFile) != 0) *file = option::kEnd;
  if ((plan.overload & kOverloadSname) != 0) *sname = option::kEnd;
  return at;
}

}  // namespace

std::optional<size_t> write_options(const ReplyOptions& options, const OptionRoom& room,
                                    uint8_t* reply) {
  uint8_t* at = reply + kOptionsAt;
  if (options.encoded_bytes() + 1 <= room.field_bytes) {
    for (const ReplyOption& o : options) at = put_option(at, o);
  } else {
    Plan plan;
    if (!make_plan(options, room, plan)) return std::nullopt;
    if ((plan.overload & kOverloadFile) != 0) std::memset(reply + kFileAt, 0, kFileBytes);
    if ((plan.overload & kOverloadSname) != 0) std::memset(reply + kSnameAt, 0, kSnameBytes);
    at = write_plan(options, plan, reply);
  }
  *at++ = option::kEnd;
  return static_cast<size_t>(at - reply);
}

}  // namespace hookline::wire
