// For tests of the codec: building requests, and reading replies by other code than the decoder's.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "line/packet.h"

namespace hookline::wire::testing {

using Buffer = std::vector<uint8_t>;

inline Buffer be32(uint32_t v) {
  Buffer out(4);
  store_be32(out.data(), v);
  return out;
}

// A client's message, written byte by byte. Starts as an Ethernet DHCP client's without options.
class RequestBytes {
 public:
  RequestBytes() : bytes_(240) {
    bytes_[0] = 1;
    bytes_[1] = 1;
    bytes_[2] = 6;
    store_be32(&bytes_[4], 0x12345678);
    const uint8_t mac[] = {0x02, 0, 0, 0, 0, 0x07};
    std::memcpy(&bytes_[28], mac, sizeof mac);
    store_be32(&bytes_[236], 0x63825363);
  }

  RequestBytes& byte(size_t at, uint8_t value) {
    bytes_[at] = value;
    return *this;
  }
  RequestBytes& u32(size_t at, uint32_t value) {
    store_be32(&bytes_[at], value);
    return *this;
  }
  RequestBytes& ciaddr(uint32_t a) { return u32(12, a); }
  RequestBytes& giaddr(uint32_t a) { return u32(24, a); }
  RequestBytes& broadcast() { return byte(10, 0x80); }
  RequestBytes& type(uint8_t t) { return option(53, {t}); }
  RequestBytes& option(uint8_t code, const Buffer& value) {
    bytes_.push_back(code);
    bytes_.push_back(static_cast<uint8_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  RequestBytes& raw(const Buffer& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  RequestBytes& at(size_t where, const Buffer& bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(where));
    return *this;
  }
  RequestBytes& end() { return raw({255}); }
  RequestBytes& resize(size_t size) {
    bytes_.resize(size);
    return *this;
  }
  const Buffer& bytes() const { return bytes_; }

 private:
  Buffer bytes_;
};

inline std::unique_ptr<Packet> packet_with(Bytes request) {
  auto packet = std::make_unique<Packet>();
  // What reads past the request meets an end option: a test that expects a refusal notices.
  packet->frame_storage.fill(255);
  packet->payload_offset = 42;
  packet->request_size = static_cast<uint16_t>(request.size());
  if (!request.empty()) std::memcpy(packet->request_data(), request.data(), request.size());
  return packet;
}

// A reply as a client that knows RFC 2131, 3396 and overload reads it.
struct ParsedReply {
  bool good = false;
  std::vector<uint8_t> order;  // codes of the options field, as they stand there
  std::map<uint8_t, Buffer> options;
  uint8_t overload = 0;

  bool has(uint8_t code) const { return options.count(code) != 0; }
  uint32_t u32(uint8_t code) const {
    const auto i = options.find(code);
    return i != options.end() && i->second.size() == 4 ? load_be32(i->second.data()) : 0;
  }
};

inline bool parse_field(Bytes field, ParsedReply& out, bool main_field) {
  size_t i = 0;
  while (i < field.size() && field[i] != 255) {
    const uint8_t code = field[i];
    if (code == 0) {
      ++i;
      continue;
    }
    if (i + 1 >= field.size() || i + 2 + field[i + 1] > field.size()) return false;
    Buffer& value = out.options[code];
    value.insert(value.end(), field.begin() + i + 2, field.begin() + i + 2 + field[i + 1]);
    if (main_field && (out.order.empty() || out.order.back() != code)) out.order.push_back(code);
    i += 2u + field[i + 1];
  }
  if (i == field.size()) return false;  // a reply has its end option
  for (; i < field.size(); ++i) {
    if (field[i] != (field[i] == 255 ? 255 : 0)) return false;
  }
  return true;
}

inline ParsedReply parse_reply(Bytes reply) {
  ParsedReply out;
  if (reply.size() < 300 || load_be32(&reply[236]) != 0x63825363) return out;
  out.good = parse_field(reply.subspan(240), out, true);
  if (out.has(52)) out.overload = out.options[52].at(0);
  if ((out.overload & 1) != 0) out.good &= parse_field(reply.subspan(108, 128), out, false);
  if ((out.overload & 2) != 0) out.good &= parse_field(reply.subspan(44, 64), out, false);
  return out;
}

}  // namespace hookline::wire::testing
