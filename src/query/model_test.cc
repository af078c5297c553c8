// While leases change: what bulk leasequery promises (RFC 6926 section 8.3), and what a subscriber
// of active leasequery knows in the end (RFC 7724 section 5).
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "query/testing.h"

namespace hookline::query {
namespace {

using namespace testing;  // NOLINT: the tests' own words
using wire::QueryMessage;

constexpr uint32_t kAddresses = 300;
constexpr int kFree = 1;

// The states that an address had, as option 156 says them.
using States = std::map<uint32_t, std::set<int>>;

class Changing {
 public:
  explicit Changing(StreamFilter* filter = nullptr) : w(filter, 12) {
    for (uint32_t n = 0; n < kAddresses; ++n) {
      if (*rc::gen::inRange(0, 3) == 0) continue;
      const LeaseState state = any_state();
      w.lease(n, state);
      now_[n] = code_of(state);
    }
    begin();
  }

  // From here on `had` collects.
  void begin() {
    had.clear();
    for (uint32_t n = 0; n < kAddresses; ++n) had[n] = {state(n)};
  }
  void change() {
    const auto n = *rc::gen::inRange<uint32_t>(0, kAddresses);
    LeaseRecord r = w.record(n, any_state());
    if (*rc::gen::inRange(0, 4) == 0) {
      r = LeaseRecord{};
      r.address = World::address(n);
      r.scope_key = 42;
    }
    w.apply(r);
    now_[n] = code_of(r.state);
    had[n].insert(state(n));
  }
  int state(uint32_t n) const {
    const auto found = now_.find(n);
    return found == now_.end() ? kFree : found->second;
  }

  World w;
  States had;

 private:
  static LeaseState any_state() {
    return *rc::gen::element(LeaseState::Active, LeaseState::Released, LeaseState::Expired,
                             LeaseState::Declined);
  }
  static int code_of(LeaseState state) {
    constexpr int kCodes[] = {kFree, 2, 4, 3, 5};
    return kCodes[static_cast<size_t>(state)];
  }
  std::map<uint32_t, int> now_;
};

uint32_t number_of(const Said& said) { return said.address().value - World::address(0).value; }

void set_network(Changing& c, size_t peer) {
  c.w.port.segment = *rc::gen::inRange<size_t>(1, 4000);
  c.w.port.at(peer).window = *rc::gen::inRange<size_t>(100, 8000);
}

void expect_each_lease_once(StreamFilter* filter) {
  Changing c(filter);
  const size_t peer = c.w.ask(World::all());
  set_network(c, peer);
  std::map<uint32_t, int> told;
  bool done = false;
  for (int turns = 0; !done && turns < 5'000; ++turns) {
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) c.change();
    c.w.turn();
    for (const auto& said : c.w.said(peer)) {
      RC_ASSERT(!done);
      done = said->type() == static_cast<int>(QueryMessage::Done);
      if (done) continue;
      const uint32_t n = number_of(*said);
      RC_ASSERT(told.emplace(n, said->state()).second);
      RC_ASSERT(c.had[n].contains(said->state()));
    }
  }
  RC_ASSERT(done);
  for (const auto& [n, states] : c.had) {
    if (!states.contains(kFree)) RC_ASSERT(told.contains(n));
    if (states == std::set{kFree}) RC_ASSERT(!told.contains(n));
  }
}

RC_GTEST_PROP(BulkModel, EachLeaseOnceWhileLeasesChange, ()) { expect_each_lease_once(nullptr); }

RC_GTEST_PROP(BulkModel, AsMuchThroughCallouts, ()) {
  PassThrough filter;
  filter.room_max = *rc::gen::inRange<size_t>(1, 5000);
  filter.piece = *rc::gen::inRange<size_t>(1, 5000);
  expect_each_lease_once(&filter);
}

RC_GTEST_PROP(ActiveModel, ASubscriberKnowsAllInTheEnd, ()) {
  Changing c;
  wire::LeaseQuery query = World::all();
  query.type = QueryMessage::Active;
  query.start = 1;  // everything
  const size_t peer = c.w.ask(query);
  set_network(c, peer);
  std::map<uint32_t, int> known;
  const auto read = [&] {
    for (const auto& said : c.w.said(peer)) {
      if (said->type() == static_cast<int>(QueryMessage::Status)) continue;
      known[number_of(*said)] = said->state();
    }
  };
  for (int turns = 0; turns < 200; ++turns) {
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) c.change();
    c.w.turn();
    if (turns % 3 == 0) read();
  }
  for (int idle = 0; idle < 20; ++idle) {
    c.w.settle();
    const size_t before = c.w.counters.answers.value();
    read();
    c.w.settle();
    if (before != c.w.counters.answers.value() || c.w.port.at(peer).from_server.size() != 0) {
      idle = 0;
    }
  }
  for (uint32_t n = 0; n < kAddresses; ++n) {
    const int told = known.contains(n) ? known[n] : kFree;
    RC_ASSERT(told == c.state(n));
  }
}

// However it comes in, in pieces or all at once.
RC_GTEST_PROP(Frames, AnySegmentation, ()) {
  World w;
  w.lease(0);
  const size_t peer = w.port.connect();
  std::vector<uint8_t> bytes;
  const auto count = *rc::gen::inRange<uint32_t>(1, 20);
  for (uint32_t xid = 0; xid < count; ++xid) {
    const auto one = World::framed(World::all(xid));
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min(bytes.size() - at, *rc::gen::inRange<size_t>(1, 700));
    w.port.send(peer, Bytes(bytes).subspan(at, size));
    at += size;
    if (*rc::gen::inRange(0, 2) == 0) w.turn();
  }
  w.settle();
  const auto said = w.said(peer);
  RC_ASSERT(said.size() == 2 * count);
  for (uint32_t i = 0; i < said.size(); ++i) RC_ASSERT(said[i]->message.xid == i / 2);
}

// Hostile bytes end in a refusal, or in nothing, never in more.
RC_GTEST_PROP(Frames, AnyBytes, (const std::vector<uint8_t>& noise)) {
  World w;
  w.lease(0);
  const size_t peer = w.port.connect();
  w.port.send(peer, World::framed(World::all()));
  w.port.send(peer, noise);
  w.settle();
  const auto said = w.said(peer);
  RC_ASSERT(said.size() >= 2);
  RC_ASSERT(said[0]->address() == World::address(0));
  w.pass(kQueryFrameNs);
  w.settle();
  w.pass(kQueryIdleNs);
  w.settle();
  RC_ASSERT(w.server.connections() == 0u);
}

}  // namespace
}  // namespace hookline::query
