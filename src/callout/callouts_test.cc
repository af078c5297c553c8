// The stage by itself, over hosts that only write down what they are given. What the hooks are in
// each exchange is tested with the whole server: tests/sim/contract_test.cc.
#include "callout/callouts.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "callout/testing_products.h"

namespace hookline {

namespace callout {
namespace {

class NotingHost final : public Host {
 public:
  NotingHost(std::string name, std::vector<std::string>& notes, HookSet hooks = 0xFF)
      : name_(std::move(name)), notes_(notes), hooks_(hooks) {}
  ~NotingHost() override { notes_.push_back(name_ + " unloaded"); }

  std::string_view name() const override { return name_; }
  HookSet hooks() const override { return hooks_; }
  void run(std::span<Call> calls) override {
    runs.push_back(calls.size());
    for (Call& call : calls) {
      std::string_view hook = hook_name(call.hook);
      hook.remove_prefix(4);  // Dhcp
      hook.remove_suffix(4);  // Hook
      notes_.push_back(fmt::format("{} {}{}{}", name_, hook,
                                   call.slot == kNoSlot ? "" : fmt::format(" {}", call.slot),
                                   call.refresh ? " refresh" : ""));
      if (act) act(call);
    }
  }
  void turn_ended() override { notes_.push_back(name_ + " turn ended"); }
  HostStats stats() const override { return {}; }
  bool unload() override {
    if (unloads_after-- <= 0) return true;
    notes_.push_back(name_ + " unloads");
    return false;
  }

  int unloads_after = 0;  // so many times it is asked in vain
  std::function<void(Call&)> act;
  std::vector<size_t> runs;

 private:
  std::string name_;
  std::vector<std::string>& notes_;
  HookSet hooks_;
};

using Notes = std::vector<std::string>;

class CalloutStage : public ::testing::Test, public Endings, public Observer {
 protected:
  CalloutStage() : callouts_(*this, counters_, this) {
    link_.addresses.push_back({Ipv4{0x0A000001}, {}});
  }
  ~CalloutStage() override { callouts_.stop(); }

  NotingHost& add(const std::string& name, HookSet hooks = 0xFF) {
    auto host = std::make_unique<NotingHost>(name, notes_, hooks);
    NotingHost& reference = *host;
    hosts_.push_back(std::move(host));
    return reference;
  }
  void start() {
    callouts_.start(std::move(hosts_));
    notes_.clear();
  }
  Notes take() { return std::exchange(notes_, {}); }

  Admitted packet(size_t size = 300) {
    PacketHandle handle = pool_.take();
    handle->ingress.link = &link_;
    handle->payload_offset = 42;
    handle->request_size = static_cast<uint16_t>(size);
    std::memset(handle->request_data(), 0, size);
    return filter::FilterEngine::make(receive::Receiver::make(std::move(handle)));
  }
  Batch<Admitted> packets(size_t count) {
    Batch<Admitted> batch;
    for (size_t i = 0; i < count; ++i) batch.push(packet());
    return batch;
  }
  static Batch<Request> decoded(Batch<Admitted> batch) {
    Batch<Request> out;
    for (Admitted& a : batch) out.push(wire::Decoder::make(std::move(a)));
    return out;
  }
  static Batch<Reply> answered(Batch<Request> batch) {
    Batch<Reply> out;
    for (Request& r : batch) {
      r.packet().grant.reply = ReplyKind::Offer;
      r.packet().reply_size = 300;
      out.push(wire::Encoder::make(lease::Engine::make(std::move(r))));
    }
    return out;
  }
  template <class P>
  void complete_all(Batch<P> batch) {
    for (P& p : batch) complete(std::move(p).release());
  }

  void drop(PacketHandle packet, Drop reason) override {
    drops_.push_back(reason);
    callouts_.ended(*packet, reason);
    pool_.give_back(std::move(packet));
  }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override {
    callouts_.ended(*packet, std::nullopt);
    pool_.give_back(std::move(packet));
  }
  void changed(const Packet&, Hook hook, std::string_view host, Bytes before,
               Bytes after) override {
    changes_.push_back(fmt::format("{} by {}: {} -> {} bytes", hook_name(hook), host, before.size(),
                                   after.size()));
  }

  io::Link link_;
  PacketPool pool_{kTurnPacketsMax};
  Counters counters_;
  Notes notes_, changes_;
  std::vector<Drop> drops_;
  Hosts hosts_;
  Callouts callouts_;
};

TEST_F(CalloutStage, StartsInOrderAndUnloadsBackwards) {
  add("a");
  add("b");
  callouts_.start(std::move(hosts_));
  EXPECT_EQ(take(), (Notes{"a Control", "b Control"}));
  callouts_.stop();
  EXPECT_EQ(take(), (Notes{"a Control", "b Control", "b unloaded", "a unloaded"}));
  EXPECT_TRUE(callouts_.empty());
}

TEST_F(CalloutStage, WithoutHostsNothingHappens) {
  callouts_.start({});
  Batch<Request> requests = decoded(callouts_.new_packets(packets(3)));
  callouts_.options(requests);
  Batch<Reply> replies = callouts_.replies(answered(std::move(requests)));
  EXPECT_EQ(replies.size(), 3u);
  callouts_.control(Control::Pause);
  complete_all(std::move(replies));
  callouts_.turn_ended();
  EXPECT_FALSE(callouts_.wants(Hook::DeleteClient));
}

TEST_F(CalloutStage, ATurnIsFewRunsOfManyCalls) {
  NotingHost& a = add("a");
  start();
  a.runs.clear();
  Batch<Request> requests = decoded(callouts_.new_packets(packets(kTurnPacketsMax)));
  callouts_.options(requests);
  complete_all(callouts_.replies(answered(std::move(requests))));
  callouts_.turn_ended();
  const size_t n = kTurnPacketsMax;
  EXPECT_EQ(a.runs, (std::vector<size_t>{n, n, n, n}));
}

// What is queued never grows beyond the limit, and keeps its order.
TEST_F(CalloutStage, TheQueueIsBounded) {
  NotingHost& a = add("a");
  start();
  std::vector<uint32_t> addresses;
  a.act = [&](Call& call) { addresses.push_back(call.address); };
  for (uint32_t i = 0; i < 3 * kCalloutCallsMax; ++i) {
    LeaseRecord record;
    record.address = Ipv4{i};
    callouts_.client_deleted(record);
  }
  callouts_.flush();
  EXPECT_EQ(*std::max_element(a.runs.begin(), a.runs.end()), kCalloutCallsMax);
  ASSERT_EQ(addresses.size(), 3 * kCalloutCallsMax);
  for (uint32_t i = 0; i < addresses.size(); ++i) EXPECT_EQ(addresses[i], i);
  callouts_.stop();  // `addresses` goes
}

TEST_F(CalloutStage, AsManyHostsAsTheLimitSays) {
  for (size_t i = 0; i < kCalloutHostsMax; ++i) add(std::to_string(i));
  start();
  Batch<Admitted> admitted = callouts_.new_packets(packets(1));
  EXPECT_EQ(take().size(), kCalloutHostsMax);
  complete_all(std::move(admitted));
  callouts_.flush();
  EXPECT_EQ(take().size(), kCalloutHostsMax);
}

TEST_F(CalloutStage, HostsGetTheHooksTheySetAndTheEndsOfASlot) {
  add("a", hook_bit(Hook::AddressOffer));
  add("b", hook_bit(Hook::PktSend));
  start();
  Batch<Request> requests = decoded(callouts_.new_packets(packets(1)));
  callouts_.options(requests);
  callouts_.address_offered(requests[0].packet());
  complete_all(callouts_.replies(answered(std::move(requests))));
  callouts_.flush();
  EXPECT_EQ(take(), (Notes{"a NewPkt 0", "b NewPkt 0", "a AddressOffer 0", "b PktSend 0",
                           "a PktDrop 0", "b PktDrop 0"}));
}

TEST_F(CalloutStage, ARefusalEndsThePacketThere) {
  add("a");
  add("b").act = [](Call& call) { call.process_it = call.hook != Hook::NewPkt || call.slot != 1; };
  add("c");
  start();
  Batch<Admitted> admitted = callouts_.new_packets(packets(3));
  callouts_.flush();
  EXPECT_EQ(admitted.size(), 2u);
  EXPECT_EQ(drops_, std::vector<Drop>{Drop::RefusedByCallout});
  EXPECT_EQ(take(), (Notes{"a NewPkt 0", "a NewPkt 1", "a NewPkt 2", "b NewPkt 0", "b NewPkt 1",
                           "b NewPkt 2", "c NewPkt 0", "c NewPkt 2", "a PktDrop 1", "a PktDrop 1",
                           "b PktDrop 1", "b PktDrop 1"}));
  complete_all(std::move(admitted));
}

TEST_F(CalloutStage, StaleCopiesAreRefreshedOnce) {
  add("a");
  add("b").act = [](Call& call) {
    if (call.hook != Hook::NewPkt) return;
    call.buffer[0] = 7;
    call.size = 301;
    call.changed = true;
  };
  start();
  Batch<Admitted> admitted = callouts_.new_packets(packets(1));
  EXPECT_EQ(admitted[0].packet().request_size, 301);
  callouts_.address_deleted(admitted[0].packet(), Prob::Nacked, {});
  complete_all(std::move(admitted));
  callouts_.flush();
  EXPECT_EQ(take(), (Notes{"a NewPkt 0", "b NewPkt 0", "a AddressDel 0 refresh", "b AddressDel 0",
                           "a PktDrop 0", "b PktDrop 0"}));
}

TEST_F(CalloutStage, NoReasonAfterSend) {
  std::vector<uint32_t> codes;
  add("a").act = [&](Call& call) {
    if (call.hook == Hook::PktDrop) codes.push_back(call.code);
  };
  start();
  Batch<Reply> replies = callouts_.replies(answered(decoded(callouts_.new_packets(packets(1)))));
  drop(std::move(replies[0]).release(), Drop::BlockedByFilter);
  replies.clear();
  callouts_.flush();
  EXPECT_EQ(codes, std::vector<uint32_t>{kDropProcessed});
  callouts_.stop();  // `codes` goes
}

TEST_F(CalloutStage, APacketWithoutNewPktHasNoHooks) {
  add("a");
  start();
  Batch<Admitted> admitted = packets(1);  // never shown
  callouts_.address_deleted(admitted[0].packet(), Prob::Release, {});
  drop(std::move(admitted[0]).release(), Drop::TooShort);
  admitted.clear();
  callouts_.flush();
  EXPECT_EQ(take(), Notes{});
}

TEST_F(CalloutStage, ASuppressedReplyCompletesAndIsNotShownToTheNext) {
  add("a").act = [](Call& call) {
    if (call.hook != Hook::PktSend) return;
    call.size = 0;
    call.changed = true;
  };
  add("b");
  start();
  Batch<Reply> replies = callouts_.replies(answered(decoded(callouts_.new_packets(packets(1)))));
  EXPECT_TRUE(replies.empty());
  callouts_.turn_ended();
  EXPECT_EQ(counters_.replies_suppressed.value(), 1u);
  EXPECT_EQ(take(), (Notes{"a NewPkt 0", "b NewPkt 0", "a PktSend 0", "a PktDrop 0", "b PktDrop 0",
                           "a turn ended", "b turn ended"}));
}

TEST_F(CalloutStage, TheObserverSeesChangesOfTracedPackets) {
  add("a").act = [](Call& call) {
    if (call.hook != Hook::NewPkt && call.hook != Hook::PktSend) return;
    call.buffer[0] = 9;
    call.size = call.hook == Hook::NewPkt ? 310 : 320;
    call.changed = true;
  };
  start();
  Batch<Admitted> admitted = packets(2);
  admitted[1].packet().traced = true;
  complete_all(callouts_.replies(answered(decoded(callouts_.new_packets(std::move(admitted))))));
  EXPECT_EQ(changes_, (Notes{"DhcpNewPktHook by a: 300 -> 310 bytes",
                             "DhcpPktSendHook by a: 300 -> 320 bytes"}));
}

TEST_F(CalloutStage, LongHardwareAddressesAreCut) {
  Call seen;
  add("a").act = [&](Call& call) { seen = call; };
  start();
  const std::vector<uint8_t> hardware(20, 5);
  LeaseRecord record;
  record.hardware_address = hardware;
  callouts_.client_deleted(record);
  callouts_.flush();
  EXPECT_EQ(seen.hardware_size, 16);
  callouts_.stop();  // `seen` goes
}

// Of three in a row the second is replaced while packets are inside: they stay with the one that
// has seen them, and the others notice nothing.
TEST_F(CalloutStage, APacketStaysWithTheHostThatSawItBegin) {
  add("a", hook_bit(Hook::Control) | hook_bit(Hook::PktDrop));
  add("b").unloads_after = 1;
  add("c", hook_bit(Hook::Control) | hook_bit(Hook::PktDrop));
  start();
  Batch<Request> old = decoded(callouts_.new_packets(packets(1)));
  callouts_.options(old);
  const uint32_t slot = old[0].packet().slot;
  take();
  std::unique_ptr<Host> next = std::make_unique<NotingHost>("B", notes_);
  ASSERT_TRUE(callouts_.replace(1, next, true));
  EXPECT_EQ(take(), (Notes{"B Control", "B Control"}));  // START and PAUSE

  Batch<Request> fresh = decoded(callouts_.new_packets(packets(1)));
  const uint32_t other = fresh[0].packet().slot;
  ASSERT_NE(slot, other);
  take();
  Batch<Request> both;
  both.push(std::move(fresh[0]));
  both.push(std::move(old[0]));
  Batch<Reply> replies = callouts_.replies(answered(std::move(both)));
  EXPECT_EQ(take(), (Notes{fmt::format("B PktSend {}", other), fmt::format("b PktSend {}", slot)}));
  complete(std::move(replies[1]).release());
  callouts_.turn_ended();
  EXPECT_EQ(take(), (Notes{fmt::format("a PktDrop {}", slot), fmt::format("b PktDrop {}", slot),
                           fmt::format("c PktDrop {}", slot), "a turn ended", "B turn ended",
                           "c turn ended", "b turn ended", "b Control", "b unloads"}));
  complete(std::move(replies[0]).release());
  callouts_.turn_ended();
  EXPECT_EQ(take(), (Notes{"b unloaded", fmt::format("a PktDrop {}", other),
                           fmt::format("B PktDrop {}", other), fmt::format("c PktDrop {}", other),
                           "a turn ended", "B turn ended", "c turn ended"}));
  replies.clear();
}

// A slot that is used again belongs to the next packet, and to the host that sees it begin.
TEST_F(CalloutStage, AnotherPacketOfTheSameSlotIsTheNextHosts) {
  add("a");
  start();
  Batch<Request> old = decoded(callouts_.new_packets(packets(kTurnPacketsMax)));
  std::unique_ptr<Host> next = std::make_unique<NotingHost>("A", notes_);
  ASSERT_TRUE(callouts_.replace(0, next, false));
  complete_all(std::move(old));
  callouts_.turn_ended();
  callouts_.turn_ended();
  take();
  Batch<Request> fresh = decoded(callouts_.new_packets(packets(kTurnPacketsMax)));
  for (const std::string& note : take()) EXPECT_TRUE(note.starts_with("A NewPkt")) << note;
  complete_all(std::move(fresh));
  callouts_.turn_ended();
  for (const std::string& note : take()) EXPECT_TRUE(note.starts_with("A ")) << note;
}

TEST_F(CalloutStage, SoManyMayStillBeThereThatWereReplaced) {
  add("a");
  start();
  Batch<Request> inside = decoded(callouts_.new_packets(packets(1)));
  for (size_t i = 0; i < kCalloutHostsMax; ++i) {
    std::unique_ptr<Host> next = std::make_unique<NotingHost>("b", notes_);
    ASSERT_TRUE(callouts_.replace(0, next, false));
    Batch<Request> more = decoded(callouts_.new_packets(packets(1)));
    inside.push(std::move(more[0]));
    more.clear();
  }
  std::unique_ptr<Host> last = std::make_unique<NotingHost>("c", notes_);
  EXPECT_FALSE(callouts_.replace(0, last, false));
  EXPECT_NE(last, nullptr);
  complete_all(std::move(inside));
  callouts_.turn_ended();
  callouts_.turn_ended();
  EXPECT_TRUE(callouts_.replace(0, last, false));
}

TEST_F(CalloutStage, OthersMayServeWhileTheOldOnesUnload) {
  add("a").unloads_after = 1;
  add("b");
  start();
  callouts_.stop_without_waiting();
  EXPECT_EQ(take(), (Notes{"a Control", "b Control", "b unloaded", "a unloads"}));
  EXPECT_TRUE(callouts_.empty());
  EXPECT_TRUE(callouts_.any_unloading());
  add("c");
  start();
  callouts_.turn_ended();
  EXPECT_EQ(take(), (Notes{"a unloaded", "c turn ended"}));
  EXPECT_FALSE(callouts_.any_unloading());
}

}  // namespace
}  // namespace callout
}  // namespace hookline
