// The generator's own DHCP packets: templates that are copied and filled in, and a reader of
// replies. Written against RFC 2131 and 2132 without a look at src/wire.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/inet.h"
#include "load/wire.h"

namespace hookline::load {

// Option 53, RFC 2132 section 9.6.
enum class MessageType : uint8_t {
  None = 0,
  Discover = 1,
  Offer = 2,
  Request = 3,
  Decline = 4,
  Ack = 5,
  Nak = 6,
  Release = 7,
  Inform = 8,
};

// What a client sends. Select and Renew are both REQUESTs (RFC 2131 section 4.3.2).
enum class Form : uint8_t { Discover, Select, Renew, Inform, Release };
inline constexpr size_t kForms = 5;

// Constant over a run.
struct Addressing {
  MacAddress own_mac;  // source of relayed frames
  Ipv4 server;         // destination of relayed packets
  Ipv4 relay;          // none: direct
  bool client_id = false;
  bool option82 = false;
  bool broadcast = false;

  bool relayed() const { return static_cast<bool>(relay); }
};

// What differs from packet to packet.
struct Fill {
  uint32_t xid = 0;
  MacAddress mac;         // chaddr
  MacAddress server_mac;  // of frames that are not broadcast
  Ipv4 address;           // requested address (Select) or ciaddr (Renew, Inform, Release)
  Ipv4 server_id;         // Select, Release; destination of direct Renew, Inform and Release
};

MacAddress client_mac(uint32_t client, uint64_t seed);

// One form's frame, ready but for the Fill.
class FrameTemplate {
 public:
  FrameTemplate() = default;
  FrameTemplate(Form form, const Addressing& addressing);

  // Writes the frame into `out`, at least kFrameMax bytes, with its checksums; returns its size.
  size_t write(const Fill& fill, MutableBytes out) const;

 private:
  void put_option(uint8_t code, Bytes value);

  std::array<uint8_t, 640> frame_{};
  size_t size_ = 0;
  Form form_ = Form::Discover;
  bool relayed_ = false;
  // Offsets of what write() fills in; 0: not in this form.
  size_t requested_at_ = 0;
  size_t server_id_at_ = 0;
  size_t client_id_at_ = 0;
  size_t remote_id_at_ = 0;
};

struct Reply {
  MessageType type = MessageType::None;
  uint32_t xid = 0;
  Ipv4 yiaddr;
  Ipv4 giaddr;
  MacAddress chaddr;
  MacAddress source_mac;
  Ipv4 server_id;
  uint32_t lease_s = 0;  // 0: no option 51
  Bytes client_id;       // option 61
  Bytes relay_info;      // option 82
};

// Reads a frame that the wire's filter let through (IPv4, UDP, port 67 or 68). Empty: `reply` is
// filled in, its views point into `frame`. Else what is wrong with the frame, a literal.
std::string_view read_reply(Bytes frame, bool checksum_partial, Reply& reply);

// The Internet checksum of `bytes` continued from `sum` (RFC 1071), not yet inverted.
uint64_t sum_words(Bytes bytes, uint64_t sum);
uint16_t fold_checksum(uint64_t sum);

}  // namespace hookline::load
