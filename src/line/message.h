// A decoded DHCP message: the fixed fields by value, the options as views into its packet.
// RFC 2131 section 2, RFC 2132, RFC 951.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/inet.h"

namespace hookline {

// RFC 2132 section 9.6, RFC 3203, RFC 4388 section 6.1. None: a BOOTP message (no option 53).
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
  ForceRenew = 9,
  LeaseQuery = 10,
  LeaseUnassigned = 11,
  LeaseUnknown = 12,
  LeaseActive = 13,
};
inline constexpr size_t kMessageTypeCount = 14;

// Lower case, as in logs, metrics and the operator's interface: "discover", "bootp" for None.
std::string_view message_type_name(MessageType type);

// Option codes that the server itself reads or writes. The whole table is wire/options.def.
namespace option {
inline constexpr uint8_t kPad = 0;
inline constexpr uint8_t kSubnetMask = 1;
inline constexpr uint8_t kRouters = 3;
inline constexpr uint8_t kHostName = 12;
inline constexpr uint8_t kBroadcastAddress = 28;
inline constexpr uint8_t kVendorSpecific = 43;
inline constexpr uint8_t kRequestedAddress = 50;
inline constexpr uint8_t kLeaseTime = 51;
inline constexpr uint8_t kOverload = 52;
inline constexpr uint8_t kMessageType = 53;
inline constexpr uint8_t kServerIdentifier = 54;
inline constexpr uint8_t kParameterRequestList = 55;
inline constexpr uint8_t kMessage = 56;
inline constexpr uint8_t kMaxMessageSize = 57;
inline constexpr uint8_t kRenewalTime = 58;
inline constexpr uint8_t kRebindingTime = 59;
inline constexpr uint8_t kVendorClass = 60;
inline constexpr uint8_t kClientIdentifier = 61;
inline constexpr uint8_t kTftpServerName = 66;
inline constexpr uint8_t kBootfileName = 67;
inline constexpr uint8_t kUserClass = 77;
inline constexpr uint8_t kRapidCommit = 80;
inline constexpr uint8_t kClientFqdn = 81;
inline constexpr uint8_t kRelayAgentInfo = 82;
inline constexpr uint8_t kLastTransactionTime = 91;  // RFC 4388, as the next
inline constexpr uint8_t kAssociatedAddresses = 92;
inline constexpr uint8_t kClientArchitecture = 93;
inline constexpr uint8_t kIpv6OnlyPreferred = 108;
inline constexpr uint8_t kAutoConfigure = 116;
inline constexpr uint8_t kSubnetSelection = 118;
inline constexpr uint8_t kBaseTime = 152;  // RFC 6926, as the next two
inline constexpr uint8_t kStartTimeOfState = 153;
inline constexpr uint8_t kLeaseState = 156;
inline constexpr uint8_t kEnd = 255;
}  // namespace option

// Sub-options of option 82.
namespace relay_suboption {
inline constexpr uint8_t kCircuitId = 1;          // RFC 3046
inline constexpr uint8_t kRemoteId = 2;           // RFC 3046
inline constexpr uint8_t kLinkSelection = 5;      // RFC 3527
inline constexpr uint8_t kServerIdOverride = 11;  // RFC 5107
}  // namespace relay_suboption

// Options by code: presence and a view of the joined value (RFC 3396). An option of length 0 is
// present with an empty view. Views live as long as the packet's slot.
class OptionViews {
 public:
  bool has(uint8_t code) const { return (present_[code >> 6] >> (code & 63) & 1) != 0; }
  Bytes find(uint8_t code) const { return has(code) ? views_[code] : Bytes{}; }
  void set(uint8_t code, Bytes value) {
    present_[code >> 6] |= uint64_t{1} << (code & 63);
    views_[code] = value;
  }
  void clear() { present_ = {}; }

  std::optional<Ipv4> ipv4(uint8_t code) const {
    const Bytes v = find(code);
    return v.size() == 4 ? std::optional(Ipv4::load(v.data())) : std::nullopt;
  }
  std::optional<uint32_t> u32(uint8_t code) const {
    const Bytes v = find(code);
    return v.size() == 4 ? std::optional(load_be32(v.data())) : std::nullopt;
  }
  std::optional<uint16_t> u16(uint8_t code) const {
    const Bytes v = find(code);
    return v.size() == 2 ? std::optional(load_be16(v.data())) : std::nullopt;
  }

 private:
  std::array<uint64_t, 4> present_{};
  std::array<Bytes, 256> views_;  // only those present are valid
};

// Who a client is: the client identifier where it sent one, else hardware type and address
// (RFC 2131 section 4.2, RFC 4361: the identifier is opaque bytes). Two clients are the same when
// all three are equal.
struct ClientIdentity {
  bool from_client_id = false;
  uint8_t hardware_type = 0;  // 0 when from_client_id
  Bytes id;

  bool operator==(const ClientIdentity& o) const {
    return from_client_id == o.from_client_id && hardware_type == o.hardware_type &&
           equal(id, o.id);
  }
  uint64_t hash(uint64_t seed) const {
    return hash_bytes(id, seed + hardware_type + (from_client_id ? 0x100 : 0));
  }
};

// Made by wire::Decoder. Reused packet after packet: clear() costs 32 bytes.
struct Message {
  uint8_t op = 0;
  uint8_t hardware_type = 0;
  uint8_t hardware_size = 0;  // hlen, at most 16
  uint8_t hops = 0;
  uint32_t xid = 0;
  uint16_t secs = 0;
  uint16_t flags = 0;
  Ipv4 ciaddr, yiaddr, siaddr, giaddr;
  std::array<uint8_t, 16> chaddr{};
  MessageType type = MessageType::None;
  OptionViews options;

  Bytes hardware_address() const { return {chaddr.data(), hardware_size}; }
  bool wants_broadcast() const { return (flags & 0x8000) != 0; }
  ClientIdentity identity() const {
    const Bytes id = options.find(option::kClientIdentifier);
    if (!id.empty()) return {true, 0, id};
    return {false, hardware_type, hardware_address()};
  }
  // A sub-option of option 82; empty when absent.
  Bytes relay_suboption(uint8_t code) const;
};

}  // namespace hookline
