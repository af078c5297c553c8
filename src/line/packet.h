// A packet in the server: one slot for its request, its reply and what the stages found out, from
// its reception to its end. Stages hold it through a PacketHandle inside their product
// (line/stages.h); whoever holds the product owns the packet.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/inet.h"
#include "base/limits.h"
#include "base/time.h"
#include "io/large_memory.h"
#include "io/links.h"
#include "line/classifier.h"
#include "line/config.h"
#include "line/drop.h"
#include "line/lease.h"
#include "line/message.h"

namespace hookline {

// Where and when a frame came in. Written by receive.
struct Ingress {
  uint32_t ifindex = 0;
  uint16_t vlan = 0;  // 0: untagged
  MacAddress source_mac;
  Ipv4 source;
  Ipv4 destination;
  uint16_t source_port = 0;
  int64_t arrived_ns = 0;          // Now::boot_ns of the turn that took it
  const io::Link* link = nullptr;  // valid until the links change; the pipeline drains before
  // Of a frame that a packet callout injected: the layer where it enters, and what its injection is
  // known by (the injector's). Null: it came from the wire. Set between take() and the filter.
  Depth first_layer = Depth::Mac;
  void* injection = nullptr;
};

enum class ReplyKind : uint8_t {
  None,  // RELEASE, DECLINE: the packet ends when its record is committed
  Offer,
  Ack,  // grants or renews a lease: only after its record is committed
  Nak,
  InformAck,   // parameters only: no lease, no yiaddr
  Bootp,       // a BOOTP reply: grants, like Ack
  LeaseQuery,  // what is known of an address or a client: Grant::found
};

// The answer to a LEASEQUERY (RFC 4388). Of LeaseActive, Grant::record is the lease that was asked
// for or, of several of one client, the one that it used last.
struct LeaseFound {
  MessageType reply = MessageType::LeaseUnknown;  // or LeaseUnassigned, LeaseActive
  LeaseSeconds now = 0;                           // when it was looked up
  // All active addresses of a client, the latest used first; none where one address was asked for.
  uint8_t address_count = 0;
  std::array<uint8_t, 4 * kLeaseQueryAddressesMax> addresses;  // in network order
};

// What the lease engine decided. Pointers are into the Config in force.
struct Grant {
  ReplyKind reply = ReplyKind::None;
  bool renewed = false;       // the client already held this binding
  bool rapid_commit = false;  // answer option 80 (RFC 4039)
  Ipv4 address;               // yiaddr; for InformAck none
  Ipv4 server_id;             // option 54, also the source address of the reply
  uint32_t lease_s = 0;
  uint32_t renew_s = 0;   // T1
  uint32_t rebind_s = 0;  // T2
  uint32_t ticket = 0;    // the engine's own: what it holds until the record is committed
  const Scope* scope = nullptr;
  const Reservation* reservation = nullptr;
  LeaseRecord record;  // what to commit; views into this packet's request
  LeaseFound found;
  // Why, for `hookline trace` and, in a NAK, for option 56: a literal.
  const char* why = "";
};

enum class Reach : uint8_t {
  Broadcast,  // to ff:ff:ff:ff:ff:ff on the ingress interface
  Direct,     // to the client's hardware address on the ingress interface, no ARP (RFC 2131 4.1)
  Routed,     // as the kernel's route and neighbour tables say
};

struct Destination {
  Reach reach = Reach::Broadcast;
  Ipv4 address;
  uint16_t port = 68;
  MacAddress mac;  // for Broadcast and Direct
};

inline constexpr size_t kReplyHeadroom = 64;  // Ethernet, VLAN tag, IPv4, UDP, and alignment
static_assert(kReplyHeadroom >= 14 + 4 + 20 + 8);

struct Packet {
  Ingress ingress;
  MessageType reply_type = MessageType::None;
  uint16_t payload_offset = 0;  // of the UDP payload in `frame`
  uint16_t request_size = 0;    // bytes of the UDP payload
  uint16_t reply_size = 0;      // bytes of the reply's UDP payload
  uint32_t message_hash = 0;    // of the client and xid; written when it is taken in
  bool traced = false;
  uint8_t probes = 0;         // addresses that were asked about for it: kProbesPerPacketMax
  bool reply_edited = false;  // by a callout: its destination is to be found again
  uint32_t slot = 0;          // place in the pool; never changes
  // How many clones and references of its bytes packet callouts hold: the slot is not used again
  // before that is 0. Null: they have never seen it.
  const int32_t* borrowed = nullptr;
  Destination destination;
  Grant grant;
  Message message;
  // Two bytes in front make the IP header and the payload 4-byte aligned behind 14 bytes of
  // Ethernet.
  alignas(64) std::array<uint8_t, 2 + kFrameBytesMax + 6> frame_storage;
  std::array<uint8_t, kPacketBytesMax> joined;  // values joined from several options (RFC 3396)
  alignas(64) std::array<uint8_t, kReplyHeadroom + kPacketBytesMax> reply_storage;

  MutableBytes frame_buffer() { return {frame_storage.data() + 2, kFrameBytesMax}; }
  // The request from its op byte on; kPacketBytesMax bytes of room.
  uint8_t* request_data() { return frame_storage.data() + 2 + payload_offset; }
  Bytes request() const { return {frame_storage.data() + 2 + payload_offset, request_size}; }
  uint8_t* reply_data() { return reply_storage.data() + kReplyHeadroom; }
  Bytes reply() const { return {reply_storage.data() + kReplyHeadroom, reply_size}; }
};

// Owns one slot of a PacketPool. Losing one is a bug: a packet ends only through Endings.
class PacketHandle {
 public:
  PacketHandle() = default;
  explicit PacketHandle(Packet* packet) : packet_(packet) {}
  PacketHandle(PacketHandle&& o) noexcept : packet_(std::exchange(o.packet_, nullptr)) {}
  PacketHandle& operator=(PacketHandle&& o) noexcept {
    CHECK(packet_ == nullptr, "a packet must not be overwritten");
    packet_ = std::exchange(o.packet_, nullptr);
    return *this;
  }
  ~PacketHandle() { CHECK(packet_ == nullptr, "every packet ends: completed or dropped"); }

  Packet& operator*() const { return *packet_; }
  Packet* operator->() const { return packet_; }
  Packet* get() const { return packet_; }
  explicit operator bool() const { return packet_ != nullptr; }
  Packet* release() { return std::exchange(packet_, nullptr); }

 private:
  Packet* packet_ = nullptr;
};

// All slots, allocated at start. Packet thread only.
class PacketPool {
 public:
  explicit PacketPool(size_t count = kPacketsMax);

  size_t available() const { return free_.size(); }
  size_t size() const { return count_; }
  // Packets that have not ended.
  size_t in_use() const { return count_ - free_.size() - lingering_.size(); }
  // REQUIRES: available() > 0. The slot holds whatever its last packet left.
  PacketHandle take();
  void give_back(PacketHandle packet);
  // Slots whose packet has ended while a packet callout still holds its bytes; reclaim() frees
  // those that have come back.
  size_t lingering() const { return lingering_.size(); }
  void reclaim();

 private:
  size_t count_;
  io::LargeMemory memory_;
  Packet* slots_;
  std::vector<Packet*> free_;
  std::vector<Packet*> lingering_;
};

}  // namespace hookline
