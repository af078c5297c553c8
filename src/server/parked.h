// Requests that wait until it is known whether somebody uses the address that they would get
// (conflict detection): a bounded table, and the questions that are under way. Packet thread only.
//
// One address is asked about once at a time, whoever waits for it. An address about which nobody
// could be asked (no route, the link is down) counts as free. The client's own answer is none.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "base/limits.h"
#include "io/address_probe.h"
#include "io/links.h"
#include "line/config.h"
#include "line/stages.h"

namespace hookline::server {

// What came of the questions about one address.
struct ProbeResult {
  Ipv4 address;
  bool in_use = false;
  std::optional<MacAddress> user;  // in use on the local link: by whom
  Packet* packet = nullptr;        // the first that waits for it; still parked
};

class Parked {
 public:
  static constexpr int64_t kNothingDue = std::numeric_limits<int64_t>::max();

  // Null: nobody can be asked.
  explicit Parked(io::AddressProbe* prober);
  ~Parked();  // REQUIRES: size() == 0

  // At start and after a reload, when what the engine said before does not count any more: ends all
  // questions unanswered. Their requests are ready, to be proposed again.
  void configure(const LeaseConfig& leases);

  // Takes the request, which waits for its grant.address, and asks unless that is being asked
  // already. False: there is no room, and nothing happened. `waiting`: it only joined.
  bool park(Request& request, Now now);
  bool is_asked(Ipv4 address) const { return find(address) != nullptr; }

  // Takes in answers, and asks again or gives up where none came in time. The results are good
  // until the next call; their requests are ready.
  std::span<const ProbeResult> poll(Now now);
  // Those that are ready, at most `max`, in the order in which they came.
  void take_ready(Batch<Request>& batch, size_t max);

  // The links have changed: packets point to theirs. Those whose link is gone are dropped.
  void links_changed(const io::LinkTable& table, Endings& endings);
  // Drops all; nothing is asked any more.
  void drop_all(Endings& endings, Drop reason);

  size_t size() const { return waiting_.size(); }
  bool has_ready() const { return ready_ != 0; }
  // When poll() has something to do even if no answer comes (Now::boot_ns).
  int64_t next_due_ns() const { return next_due_ns_; }

 private:
  struct Question {
    io::AddressQuestion asked;
    std::optional<MacAddress> client;
    int64_t due_ns = 0;
    uint32_t attempts_left = 0;
    bool ended = false;
  };
  struct Waiting {
    Request request;
    Ipv4 address;
    bool ready = false;
  };

  const Question* find(Ipv4 address) const;
  void ask(Question& question, Now now);
  void take_answers();
  void give_up_or_ask_again(Now now);
  void end(Question& question, bool in_use, std::optional<MacAddress> user);
  void forget_ended();
  void forget_unwanted();
  void forget_all();

  io::AddressProbe* prober_;
  uint32_t attempts_ = 1;
  int64_t wait_ns_ = 0;
  int64_t next_due_ns_ = kNothingDue;
  size_t ready_ = 0;
  std::vector<Waiting> waiting_;  // in order of arrival
  std::vector<Question> questions_;
  std::vector<ProbeResult> results_;
  std::array<io::AddressAnswer, kProbeAnswersPerTurnMax> answers_;
};

}  // namespace hookline::server
