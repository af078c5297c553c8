// The load generator: many DHCP clients, or a relay full of them, on one interface. Used by
// `hookline load` and by the programs in bench/. Its packet code is its own on purpose: a second
// opinion on the server's.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/inet.h"
#include "base/result.h"
#include "base/time.h"
#include "load/histogram.h"

namespace hookline::load {

// What one exchange is. Dora: DISCOVER to ACK. Renew: the clients get leases first, unmeasured, and
// then renew them in turn. Inform: likewise, then INFORM. Discover: an OFFER ends it.
enum class Exchange : uint8_t { Dora, Renew, Inform, Discover };

std::optional<Exchange> parse_exchange(std::string_view text);  // "dora", "renew", …
std::string_view exchange_name(Exchange exchange);

struct Options {
  std::string interface;  // the only one that is ever sent on
  Exchange exchange = Exchange::Dora;
  Ipv4 server;                           // needed with `relay`; else learnt from the answers
  Ipv4 relay;                            // giaddr, an address of ours: relayed; none: direct
  std::optional<MacAddress> relay_mac;   // source of relayed frames; none: the interface's
  std::optional<MacAddress> server_mac;  // none: the kernel's neighbour table, or the answers
  uint32_t window = 1;                   // exchanges outstanding (closed loop), 1 to kWindowMax
  double rate_per_s = 0;                 // above 0: open loop, `window` is not used
  int64_t duration_ns = 0;               // 0: until `count`
  uint64_t count = 0;    // exchanges; 0: until `duration_ns`. One of the two is needed
  uint32_t clients = 0;  // distinct hardware addresses, used in turn; 0: new ones for ever (Dora,
                         // Discover), 10,000 (Renew, Inform)
  uint64_t warm = 0;     // exchanges before the measured ones
  int64_t timeout_ns = kNsPerSecond;  // then the message is sent again
  uint32_t tries = 4;                 // sendings of a message before the exchange has failed
  bool client_id = false;             // option 61: 01 and the hardware address
  bool option82 = false;
  bool broadcast = false;  // the broadcast flag
  bool release = false;    // at the end, give back every lease that is held
  double release_rate_per_s = 20'000;
  int64_t hold_ns = 0;  // wait this long before the releases
  uint64_t seed = 1;    // hardware addresses and transaction ids
  bool spin = false;    // poll without sleeping, so that wake-ups are not charged to the server
  int cpu = -1;         // pin to this CPU
  int server_pid = 0;   // report this process's CPU time over the measured part, and its memory
  const std::atomic<bool>* stop = nullptr;  // set by anybody: end early
};

inline constexpr uint32_t kWindowMax = 65536;

// All counts are of the measured part, except `released` and the warm ones.
struct Counts {
  // Ends of exchanges: started == completed + drained + naks + failed + abandoned.
  uint64_t started = 0;
  uint64_t completed = 0;  // within the measured time: what the rate is made of
  uint64_t drained = 0;    // answered after it
  uint64_t naks = 0;
  uint64_t failed = 0;     // no answer after all tries
  uint64_t abandoned = 0;  // outstanding when the run ended
  // Packets: sent == started + requests + retransmits.
  uint64_t sent = 0;
  uint64_t requests = 0;  // second messages of a DORA
  uint64_t retransmits = 0;
  // received == offers + acks + naks + late + unexpected + malformed.
  uint64_t received = 0;
  uint64_t offers = 0;
  uint64_t acks = 0;
  uint64_t late = 0;        // answers to a message that was answered already
  uint64_t unexpected = 0;  // answers to nothing that was asked
  uint64_t malformed = 0;   // answers that break the protocol; the first one's fault is in `fault`
  // Faults on top of the above.
  uint64_t duplicate_addresses = 0;  // granted while another live client holds it
  uint64_t send_errors = 0;          // the kernel did not take a frame
  uint64_t overruns = 0;             // open loop: a start was due and kWindowMax were outstanding
};

struct Report {
  Exchange exchange = Exchange::Dora;
  bool relayed = false;
  uint32_t window = 0;
  double rate_per_s_wanted = 0;
  uint64_t seed = 0;
  int64_t elapsed_ns = 0;
  Counts counts;
  Histogram exchange_latency;  // from the first message (open loop: from when it was due)
  Histogram offer_latency;     // DISCOVER to OFFER
  Histogram ack_latency;       // REQUEST or INFORM to ACK
  uint64_t warmed = 0;
  uint64_t warm_failed = 0;
  int64_t warm_ns = 0;
  uint64_t released = 0;
  std::string fault;
  int64_t server_cpu_ns = 0;      // with server_pid
  uint64_t server_rss_bytes = 0;  // with server_pid, at the end

  double rate_per_s() const;
  double server_cpu_us_per_exchange() const;
  // Nothing went wrong that a correct server on a clean wire would not do.
  bool clean() const;
};

// Runs to the end on the calling thread. Needs CAP_NET_RAW. Invalid: options that contradict each
// other, no such interface. Io: the system refused.
Result<Report> run(const Options& options);

std::string to_json(const Report& report);   // one object, no line break
std::string to_table(const Report& report);  // for people, several lines

}  // namespace hookline::load
