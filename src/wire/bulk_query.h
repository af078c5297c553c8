// Leasequery over TCP: its messages to and from bytes. Bulk leasequery (RFC 6926) and active
// leasequery (RFC 7724). Pure, does not allocate. Frames, two bytes of size and a message, are
// whoever's who owns the stream.
#pragma once

#include <optional>
#include <string_view>

#include "line/counters.h"
#include "line/lease.h"
#include "line/message.h"

namespace hookline::wire {

// Option 53. RFC 6926 section 6.2.1, RFC 7724 section 6.2.1; leases are told by the messages of
// RFC 4388.
enum class QueryMessage : uint8_t {
  Bulk = 14,    // DHCPBULKLEASEQUERY
  Done = 15,    // DHCPLEASEQUERYDONE
  Active = 16,  // DHCPACTIVELEASEQUERY
  Status = 17,  // DHCPLEASEQUERYSTATUS
  Tls = 18,     // DHCPTLS
};

// Option 151. RFC 6926 section 6.2.2, RFC 7724 section 6.2.2.
enum class QueryStatus : uint8_t {
  Success = 0,
  UnspecFail = 1,
  QueryTerminated = 2,
  MalformedQuery = 3,
  NotAllowed = 4,
  DataMissing = 5,
  ConnectionActive = 6,
  CatchUpComplete = 7,
  TlsConnectionRefused = 8,
};
// As the RFCs spell them: "Success"; "status N" for what they do not know.
std::string_view query_status_name(QueryStatus status);

// Option 156. RFC 6926 section 6.2.7. Known is what the server can say of an address.
enum class QueryState : uint8_t {
  Available = 1,
  Active = 2,
  Expired = 3,
  Released = 4,
  Abandoned = 5,
  Reset = 6,
  Remote = 7,
  Transitioning = 8,
};
// Lower case; "unknown" for other values.
std::string_view query_state_name(QueryState state);

namespace option {
using namespace hookline::option;
inline constexpr uint8_t kQueryStatus = 151;
inline constexpr uint8_t kQueryStartTime = 154;
inline constexpr uint8_t kQueryEndTime = 155;
inline constexpr uint8_t kDataSource = 157;
inline constexpr uint8_t kVirtualSubnet = 221;  // RFC 6607
}  // namespace option

namespace relay_suboption {
using namespace hookline::relay_suboption;
inline constexpr uint8_t kRelayId = 12;         // RFC 6925
inline constexpr uint8_t kVirtualSubnet = 151;  // RFC 6607
}  // namespace relay_suboption

// A sub-option of an option 82; empty when absent or when the option is malformed.
Bytes relay_suboption_of(Bytes relay_info, uint8_t code);

// What a query asks for. Views into its message, and into the room that it was read with.
struct LeaseQuery {
  QueryMessage type = QueryMessage::Bulk;
  uint32_t xid = 0;
  QueryKind kind = QueryKind::All;
  Ipv4 address;                       // of Address
  uint8_t hardware_type = 0;          // of Hardware
  Bytes id;                           // of Hardware, ClientId, RelayId, RemoteId
  std::optional<LeaseSeconds> start;  // what changed at that time or later
  std::optional<LeaseSeconds> end;    // what changed at that time or before
  Bytes parameters;                   // option 55; empty: not there
  bool other_vpn = false;             // about a virtual subnet that is not the global one
};

// What is wrong with a message, for the status option; empty: nothing, and `query` is filled.
// `xid` is set as far as the message has one. REQUIRES: `room` is as large as the message.
std::string_view read_query(Bytes message, MutableBytes room, LeaseQuery& query);

// A lease as it is told.
struct LeaseAnswer {
  uint32_t xid = 0;
  Ipv4 server_id;
  LeaseSeconds now = 0;
  MessageType type = MessageType::LeaseUnassigned;
  QueryState state = QueryState::Available;
  LeaseSeconds since = 0;  // in this state; 0: not known
  LeaseRecord record;      // only the address, where nothing is remembered
  uint32_t lease_s = 0;    // what is left of it and of T1 and T2, where Active
  uint32_t renew_s = 0;
  uint32_t rebind_s = 0;
};

// No message of an answer or a status is larger.
inline constexpr size_t kAnswerBytesMax = 1280;

// The message's size. What `parameters` names and is known, or all that RFC 4388 and RFC 6926
// define when it is empty; base time, state, client identifier and server identifier always.
// REQUIRES: out has kAnswerBytesMax.
size_t write_answer(const LeaseAnswer& answer, Bytes parameters, uint8_t* out);

// Done, Status or Tls. Without a status, none is put in. REQUIRES: out has kAnswerBytesMax.
size_t write_status(QueryMessage type, uint32_t xid, Ipv4 server_id, LeaseSeconds now,
                    std::optional<QueryStatus> status, std::string_view text, uint8_t* out);

// For clients: the message's size. `query.type` is Bulk, Active or Tls.
size_t write_query(const LeaseQuery& query, uint8_t* out);

}  // namespace hookline::wire
