// A callout host: what runs the hooks of one callout DLL (or of a chain that the DLLs made among
// themselves). The stage (callouts.h) hands it arrays of calls; where the hooks run is the host's
// business: in this process (in_process_host.h), or in another one.
//
// What a host promises:
// - It owns, per packet slot, a request and a reply buffer of kPacketBytesMax bytes and the
//   callout's PktContext. No hook ever sees the server's own buffers.
// - Calls run in the order given, one at a time, over all of run()'s calls.
// - run() returns when every call that has an answer (NewPkt, PktSend) has it. The others may run
//   later: what they need was copied. Never reordered.
// - Whatever the callout does, the calls come back valid: sizes within bounds, bytes unchanged
//   where the answer was no good. Breaches are counted and logged, and the packet goes on as if
//   the hook had not been called.
//
// Packet thread only, but for the constructor, which the control thread may call before the start.
// Nothing is allocated in run(). No header of the SDK here: names and numbers are repeated, and
// in_process_host.cc asserts that they are the same.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace hookline::callout {

// In the order of DHCP_CALLOUT_TABLE.
enum class Hook : uint8_t {
  Control,
  NewPkt,
  PktDrop,
  PktSend,
  AddressDel,
  AddressOffer,
  HandleOptions,
  DeleteClient,
};
inline constexpr size_t kHookCount = 8;
// "DhcpNewPktHook", as callout authors know it; for logs and the operator.
std::string_view hook_name(Hook hook);

// Bit n: hook n of the enum.
using HookSet = uint8_t;
constexpr HookSet hook_bit(Hook hook) {
  return static_cast<HookSet>(1u << static_cast<unsigned>(hook));
}

// DHCP_CONTROL_*.
enum class Control : uint32_t { Start = 1, Stop = 2, Pause = 3, Continue = 4 };
// DHCP_PROB_*, why an address is taken back.
enum class Prob : uint32_t {
  Conflict = 0x20000001,
  Decline = 0x20000002,
  Release = 0x20000003,
  Nacked = 0x20000004,
};
inline constexpr uint32_t kDropProcessed = 0x0000000B;
inline constexpr uint32_t kSendPacket = 0x10000000;
inline constexpr uint32_t kGiveAddressNew = 0x30000001;
inline constexpr uint32_t kGiveAddressOld = 0x30000002;
inline constexpr uint32_t kClientBootp = 0x30000003;
inline constexpr uint32_t kClientDhcp = 0x30000004;

// Where an option of the client's message stands: by offset, so that it holds in any copy of the
// packet and in any process.
struct OptionPlace {
  enum class In : uint8_t { Absent, Request, Joined };
  In in = In::Absent;
  uint16_t offset = 0;
  uint16_t size = 0;
};

// What becomes DHCP_SERVER_OPTIONS: its 25 fields but for those that are always NULL. Plain data.
// An option of a fixed size that is too short counts as absent.
struct ServerOptions {
  OptionPlace message_type;             // 53
  OptionPlace subnet_mask;              // 1
  OptionPlace requested_address;        // 50
  OptionPlace request_lease_time;       // 51
  OptionPlace overlay_fields;           // 52
  OptionPlace router_address;           // 3
  OptionPlace server;                   // 54
  OptionPlace parameter_request_list;   // 55
  OptionPlace machine_name;             // 12
  OptionPlace client_hardware_address;  // chaddr; absent when hlen is 0
  OptionPlace class_identifier;         // 77, the user class
  OptionPlace vendor_class;             // 60
  OptionPlace dns_name;                 // 81, behind its three bytes of flags and codes
  OptionPlace ds_domain_name;           // 43 of Microsoft's clients, sub-option 95
  uint32_t dns_flags = 0;               // 81, its first byte
  uint8_t hardware_type = 0;
  uint8_t hardware_size = 0;
  bool ds_domain_name_requested = false;  // 43 of Microsoft's clients, sub-option 94
};

inline constexpr uint32_t kNoSlot = 0xFFFFFFFF;

// One call of one hook. Addresses are in host order.
struct Call {
  Hook hook = Hook::Control;
  // The host's copy of the request is not what the server has: `buffer` and `size` are.
  bool refresh = false;
  bool process_it = true;   // answer of NewPkt: ProcessIt
  bool away = false;        // answer: nobody was asked, and on-fault = "closed" answers
  bool changed = false;     // answer of NewPkt and PktSend: buffer or size are others now
  uint32_t slot = kNoSlot;  // Packet::slot; kNoSlot for Control and DeleteClient
  uint32_t code = 0;        // ControlCode; of Control: Control
  uint32_t address = 0;     // IpAddress; of DeleteClient: the lease's
  uint32_t alt_address = 0;
  uint32_t addr_type = 0;
  uint32_t lease_s = 0;
  // The server's own bytes, kPacketBytesMax of room: the request's, for PktSend the reply's. Valid
  // during run(); the host copies from here into its slot (NewPkt, PktSend, refresh), and the
  // callout's changes back to here (NewPkt, PktSend). PktSend may answer size 0: do not send.
  uint8_t* buffer = nullptr;
  uint32_t size = 0;
  uint8_t* answer = nullptr;  // where a change goes, as much room; null: to `buffer`
  // HandleOptions. Valid during run().
  const ServerOptions* options = nullptr;
  Bytes joined;  // what OptionPlace::In::Joined is about
  // DeleteClient.
  std::array<uint8_t, 16> hardware{};
  uint8_t hardware_size = 0;
};

// What a callout did wrong.
enum class Breach : uint8_t {
  BadSize,       // 0 (in NewPkt) or more than kPacketBytesMax
  BadPointer,    // swapped in memory that can't be read
  WroteOutside,  // behind or before its buffers
  Exception,     // a C++ exception left the hook
};
inline constexpr size_t kBreachCount = 4;
std::string_view breach_name(Breach breach);

struct HookStats {
  uint64_t calls = 0;
  uint64_t total_ns = 0;
  uint64_t p50_ns = 0, p99_ns = 0, max_ns = 0;
  uint64_t slow = 0;  // over the configured threshold
  std::array<uint64_t, kBreachCount> breaches{};
  uint64_t faults = 0;  // crashes and hangs, of a host with a process of its own
};

struct HostStats {
  std::string name;  // as configured
  std::string path;  // the file, where it is another
  HookSet hooks = 0;
  std::array<HookStats, kHookCount> by_hook;
  uint64_t refused = 0;     // packets, in NewPkt
  uint64_t edited = 0;      // requests and replies
  uint64_t suppressed = 0;  // replies
  uint64_t contexts = 0;    // packets that it set a PktContext for
  // Of a host with a process of its own.
  std::string state;    // "serving", "restarting", "quarantined"; empty: it has none
  bool wine = false;    // that is Wine's
  uint64_t faults = 0;  // how often it crashed, hung or went away
  uint64_t missed = 0;  // calls that it did not get meanwhile
};

// How a callout failed, for the operator. Bytes are as they were when it did.
struct FaultReport {
  int64_t wall_ns = 0;
  std::string callout;           // as configured
  std::string hook;              // "DhcpNewPktHook"; empty: in none
  std::string what;              // "killed by SIGSEGV: address 0x0, at mac.so+0x1139"
  std::vector<uint8_t> request;  // the packet; empty: none, or not known
};

class Host {
 public:
  // Unloads the callout. The stage has sent STOP before.
  virtual ~Host() = default;

  virtual std::string_view name() const = 0;
  // The hooks that the callout set. Calls of others are not given to it, but for two that a host
  // always gets: NewPkt (its slot begins) and PktDrop with PROCESSED (its slot ends).
  virtual HookSet hooks() const = 0;
  virtual void run(std::span<Call> calls) = 0;
  // Nothing more comes at all, and STOP was the last: begins to unload the callout, and does not
  // wait for it. True: the host may be destroyed without waiting. Again until then.
  virtual bool unload() { return true; }
  // After unload(): its STOP has been called, or never will be.
  virtual bool has_stopped() const { return true; }
  // Nothing more comes this turn: a host may wake up who works for it.
  virtual void turn_ended() {}
  // When it wants turn_ended() or unload() at the latest, though nothing comes.
  virtual int64_t next_due_ns() const { return std::numeric_limits<int64_t>::max(); }
  // Allocates.
  virtual HostStats stats() const = 0;
  // The last kCalloutFaultsMax, oldest first. Allocates.
  virtual std::vector<FaultReport> faults() const { return {}; }
};

// In order: the first sees a packet first.
using Hosts = std::vector<std::unique_ptr<Host>>;

}  // namespace hookline::callout
