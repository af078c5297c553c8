#include "filter/filter_engine.h"

#include <gtest/gtest.h>

#include "filter/engine.h"
#include "filter/rules.h"
#include "filter/testing.h"

namespace hookline::receive {
// Stands in for the stage before the filter.
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive

namespace hookline::filter {
namespace {

using testing::EngineTest;
using testing::FakeCallout;
using testing::key;

class NoEndings final : public Endings {
 public:
  void drop(PacketHandle, Drop) override { FAIL() << "nothing is blocked"; }
  void drop_frame(Drop, uint64_t) override { FAIL() << "nothing is blocked"; }
  void complete(PacketHandle) override { FAIL() << "nothing completes here"; }
};

TEST(FilterEngine, WithoutAnEngineEverythingPassesInOrder) {
  PacketPool pool(3);
  NoEndings endings;
  Counters counters;
  FilterEngine filter(endings, counters);
  Batch<Frame> frames;
  std::vector<const Packet*> before;
  for (int i = 0; i < 3; ++i) {
    before.push_back(&frames.push(receive::Receiver::make(pool.take())).packet());
  }
  Batch<Admitted> admitted = filter.admit(std::move(frames));
  std::vector<const Packet*> after;
  for (Admitted& a : admitted) {
    after.push_back(&a.packet());
    pool.give_back(std::move(a).release());
  }
  EXPECT_EQ(after, before);
}

class PoolEndings final : public Endings {
 public:
  explicit PoolEndings(PacketPool& pool) : pool_(pool) {}
  using Endings::drop;
  void drop(PacketHandle packet, Drop reason) override {
    reasons.push_back(reason);
    clients.push_back(to_hex(packet->message.hardware_address()));
    pool_.give_back(std::move(packet));
  }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override { pool_.give_back(std::move(packet)); }

  std::vector<Drop> reasons;
  std::vector<std::string> clients;  // as a trace would name them

 private:
  PacketPool& pool_;
};

// Frames as receive leaves them, on one link.
class FilterEngineTest : public EngineTest {
 protected:
  FilterEngineTest() {
    link.ifindex = 3;
    link.mac = MacAddress{{2, 0, 0, 0, 0, 1}};
    link.addresses = {{Ipv4{0x0A000001}, Prefix{Ipv4{0x0A000000}, 24}}};
  }

  Frame frame(uint16_t vlan = 0, Ipv4 to = kBroadcast) {
    const std::vector<uint8_t> payload(300, 0x5A);
    std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + payload.size());
    std::copy(payload.begin(), payload.end(), room.begin() + kUdpFrameHeaderBytesMax);
    const Bytes built = write_udp_headers(
        {MacAddress{{2, 0, 0, 0, 0, 9}}, kBroadcastMac, vlan, Ipv4{0x0A000005}, to, 68, 67},
        {room.data() + kUdpFrameHeaderBytesMax, payload.size()});
    PacketHandle packet = pool.take();
    std::copy(built.begin(), built.end(), packet->frame_buffer().begin());
    packet->payload_offset = uint16_t(built.size() - payload.size());
    packet->request_size = uint16_t(payload.size());
    packet->ingress = {
        3,          vlan,   MacAddress{{2, 0, 0, 0, 0, 9}}, Ipv4{0x0A000005}, to, 68, 7, &link,
        Depth::Mac, nullptr};
    return receive::Receiver::make(std::move(packet));
  }
  size_t admit(Frame one) {
    Batch<Frame> frames;
    frames.push(std::move(one));
    Batch<Admitted> admitted = filter.admit(std::move(frames));
    const size_t count = admitted.size();
    for (Admitted& a : admitted) pool.give_back(std::move(a).release());
    return count;
  }

  io::Link link;
  PacketPool pool{4};
  PoolEndings endings{pool};
  Counters counters;
  FilterEngine filter{engine, pool, endings, counters};
};

TEST_F(FilterEngineTest, WhatIsBlockedEndsWithItsReason) {
  FilterRule rule;
  rule.layer = "INBOUND_MAC_FRAME_ETHERNET";
  rule.when = {{"MAC_REMOTE_ADDRESS", {{0x020000000009, 0x020000000009}}, {}}};
  EXPECT_EQ(admit(frame()), 1u);
  engine.set_rules(make_rules({&rule, 1}, {}, 1));
  EXPECT_EQ(admit(frame()), 0u);
  EXPECT_EQ(endings.reasons, std::vector<Drop>{Drop::BlockedByFilter});
  EXPECT_EQ(endings.clients[0], to_hex(std::vector<uint8_t>(16, 0x5A)));
  EXPECT_EQ(pool.available(), pool.size());
}

TEST_F(FilterEngineTest, TheFactsOfATaggedFrame) {
  const Frame tagged = frame(42, Ipv4{0x0A0000FF});
  const Traffic traffic = inbound_traffic(const_cast<Packet&>(tagged.packet()));
  EXPECT_EQ(traffic.mac_header_bytes, 18u);
  EXPECT_EQ(traffic.ip_header_bytes, 20u);
  EXPECT_EQ(traffic.vlan, 42);
  EXPECT_TRUE(traffic.local_is_broadcast);
  EXPECT_EQ(traffic.local_mac, kBroadcastMac);
  EXPECT_EQ(traffic.remote_mac, (MacAddress{{2, 0, 0, 0, 0, 9}}));
  EXPECT_EQ(traffic.relay, Ipv4{0x5A5A5A5A});
  EXPECT_EQ(traffic.now_ns, 7);
  Frame last = frame();
  pool.give_back(std::move(last).release());
  pool.give_back(const_cast<Frame&&>(tagged).release());
}

// A clone of an absorbed packet, or of one that went on: the slot waits until it is freed.
TEST_F(FilterEngineTest, ASlotIsNotUsedAgainWhileACalloutHoldsItsBytes) {
  FakeCallout& fake = new_fake();
  NET_BUFFER_LIST* held = nullptr;
  bool absorbs = true;
  fake.on_classify = [&](auto&, auto&, NET_BUFFER_LIST* list, FWPS_CLASSIFY_OUT0& out) {
    ++list->ChildRefCount;
    held = list;
    if (!absorbs) return;
    out.actionType = FWP_ACTION_BLOCK;
    out.flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out.rights &= ~UINT32{FWPS_RIGHT_ACTION_WRITE};
  };
  install(fake, key(1), FWPM_LAYER_INBOUND_TRANSPORT_V4, FWP_ACTION_CALLOUT_TERMINATING);
  for (const bool absorb : {true, false}) {
    absorbs = absorb;
    EXPECT_EQ(admit(frame()), absorb ? 0u : 1u);
    EXPECT_EQ(pool.lingering(), 1u);
    EXPECT_EQ(pool.available(), pool.size() - 1);
    EXPECT_EQ(pool.in_use(), 0u);
    filter.admit({});
    EXPECT_EQ(pool.lingering(), 1u);
    --held->ChildRefCount;
    filter.admit({});
    EXPECT_EQ(pool.lingering(), 0u);
    EXPECT_EQ(pool.available(), pool.size());
  }
  EXPECT_EQ(endings.reasons, std::vector<Drop>{Drop::AbsorbedByFilter});
}

TEST_F(FilterEngineTest, AnInjectedFrameEntersAtItsLayerWithItsMark) {
  FakeCallout& mac = new_fake();
  FakeCallout& datagram = new_fake();
  install(mac, key(1), FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWP_ACTION_CALLOUT_INSPECTION);
  install(datagram, key(2), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION);
  int mark = 0;
  void* seen = nullptr;
  datagram.on_classify = [&](auto&, auto&, NET_BUFFER_LIST* list, auto&) {
    seen = list->NdisReserved[0];
  };
  Frame injected = frame();
  injected.packet().ingress.first_layer = Depth::Transport;
  injected.packet().ingress.injection = &mark;
  EXPECT_EQ(admit(std::move(injected)), 1u);
  EXPECT_EQ(mac.calls, 0);
  EXPECT_EQ(seen, &mark);
  EXPECT_EQ(admit(frame()), 1u);
  EXPECT_EQ(mac.calls, 1);
  EXPECT_EQ(seen, nullptr);
}

class ToldVerdicts final : public InjectedFrames {
 public:
  size_t waiting() const override { return 0; }
  void next(Packet&, io::RxFrame&) override {}
  void refused(Packet&, Drop) override {}
  void classified(Packet&, Verdict verdict) override { verdicts.push_back(verdict); }
  std::vector<Verdict> verdicts;
};

TEST_F(FilterEngineTest, WhoInjectedAFrameIsToldWhatBecameOfIt) {
  ToldVerdicts told;
  filter.report_injected(&told);
  int mark = 0;
  const auto inject = [&] {
    Frame injected = frame();
    injected.packet().ingress.injection = &mark;
    admit(std::move(injected));
  };
  inject();  // no filter is there
  admit(frame());
  EXPECT_EQ(told.verdicts, std::vector<Verdict>{Verdict::Permit});
  FakeCallout& fake = new_fake();
  install(fake, key(1), FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWP_ACTION_CALLOUT_TERMINATING);
  fake.on_classify = [](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    out.actionType = FWP_ACTION_BLOCK;
  };
  inject();
  fake.on_classify = [](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    out.actionType = FWP_ACTION_BLOCK;
    out.flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out.rights &= ~FWPS_RIGHT_ACTION_WRITE;
  };
  inject();
  admit(frame());
  EXPECT_EQ(told.verdicts,
            (std::vector<Verdict>{Verdict::Permit, Verdict::Block, Verdict::Absorb}));
}

// By the frame's own list a clone finds its way back (line/net_buffers.h).
TEST_F(FilterEngineTest, AFramesListTellsItsInterfaceAndTag) {
  FakeCallout& fake = new_fake();
  install(fake, key(1), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION);
  NET_BUFFER_LIST seen{};
  UINT64 endpoint = 0;
  fake.on_classify = [&](auto&, const FWPS_INCOMING_METADATA_VALUES0& metadata,
                         NET_BUFFER_LIST* list, auto&) {
    seen = *list;
    endpoint = metadata.transportEndpointHandle;
  };
  EXPECT_EQ(admit(frame(42, Ipv4{0x0A000001})), 1u);
  EXPECT_EQ(seen.SourceHandle, &kWholeFrame);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(seen.NetBufferListInfo[NblOriginalInterfaceIfIndex]), 3u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(seen.NetBufferListInfo[Ieee8021QNetBufferListInfo]),
            42u << 4);
  EXPECT_EQ(endpoint, uint64_t{0x0A000001} << 32 | 3);
}

// As the injector does it: a whole frame, or one whose MAC header the kernel makes.
TEST_F(FilterEngineTest, AReplyPassesTheOutboundLayers) {
  std::vector<ULONG> at;
  for (const auto& [number, layer] : {std::pair{1u, FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET},
                                      std::pair{2u, FWPM_LAYER_OUTBOUND_IPPACKET_V4},
                                      std::pair{3u, FWPM_LAYER_DATAGRAM_DATA_V4}}) {
    FakeCallout& fake = new_fake();
    fake.on_classify = [&](auto&, auto&, NET_BUFFER_LIST* list, auto&) {
      at.push_back(list->FirstNetBuffer->DataOffset);
    };
    install(fake, key(number), layer, FWP_ACTION_CALLOUT_INSPECTION);
  }
  const UdpHeaders headers{
      link.mac, MacAddress{{2, 0, 0, 0, 0, 9}}, 42, Ipv4{0x0A000001}, Ipv4{0x0A000005}, 67, 68};
  std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + 300);
  const Bytes frame_bytes =
      write_udp_headers(headers, {room.data() + kUdpFrameHeaderBytesMax, 300});
  Indication indication;
  indication.describe({const_cast<uint8_t*>(frame_bytes.data()), frame_bytes.size()});
  EXPECT_EQ(engine.classify(outbound_traffic(headers, 3, true, 0), &indication.list,
                            Depth::Datagram, Depth::Mac),
            Verdict::Permit);
  EXPECT_EQ(at, (std::vector<ULONG>{38, 18, 0}));
  at.clear();
  const size_t ip_at = 18;
  indication.describe(
      {const_cast<uint8_t*>(frame_bytes.data()) + ip_at, frame_bytes.size() - ip_at});
  engine.classify(outbound_traffic(headers, 3, false, 0), &indication.list, Depth::Datagram,
                  Depth::Network);
  EXPECT_EQ(at, (std::vector<ULONG>{20, 0}));
}

TEST_F(FilterEngineTest, ACalloutReadsThePayload) {
  FakeCallout& fake = new_fake();
  std::vector<uint8_t> seen;
  fake.on_classify = [&](auto&, auto&, NET_BUFFER_LIST* list, auto&) {
    const NET_BUFFER& buffer = *list->FirstNetBuffer;
    const auto* at = static_cast<uint8_t*>(buffer.CurrentMdl->MappedSystemVa);
    seen.assign(at + buffer.CurrentMdlOffset, at + buffer.CurrentMdlOffset + buffer.DataLength);
  };
  install(fake, key(1), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION);
  EXPECT_EQ(admit(frame()), 1u);
  EXPECT_EQ(seen, std::vector<uint8_t>(300, 0x5A));
}

}  // namespace
}  // namespace hookline::filter
