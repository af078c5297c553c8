#include "receive/receiver.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <deque>
#include <memory>

#include "receive/frame_builder_for_tests.h"
#include "receive/frame_check.h"

namespace hookline::receive {
namespace {

using testing::build;
using testing::FakeEndings;
using testing::FakePort;
using testing::fix_ip_checksum;
using testing::FrameSpec;

constexpr MacAddress kOurMac{{0x02, 0, 0, 0, 0, 0x01}};

io::LinkTable make_links() {
  io::Link link;
  link.ifindex = 1;
  link.mac = kOurMac;
  link.addresses = {{*Ipv4::parse("10.0.0.1"), *Prefix::parse("10.0.0.0/24")},
                    {*Ipv4::parse("192.0.2.0"), *Prefix::parse("192.0.2.0/31")}};
  link.vlans = {7};
  io::Link other;
  other.ifindex = 2;
  other.addresses = {{*Ipv4::parse("172.16.0.1"), *Prefix::parse("172.16.0.0/16")}};
  return {{link, other}};
}

class ReceiverTest : public ::testing::Test {
 protected:
  Batch<Frame> take(size_t max = kTurnPacketsMax) { return receiver_.take(max, links_, now_); }
  void give_back(Batch<Frame> batch) {
    for (Frame& frame : batch) pool_.give_back(std::move(frame).release());
  }
  // What becomes of one frame: its drop, or none.
  std::optional<Drop> outcome(std::vector<uint8_t> frame) {
    return outcome(FakePort::Arrival{std::move(frame), 1, 0, false});
  }
  std::optional<Drop> outcome(FakePort::Arrival arrival) {
    endings_.frames = {};
    port_.arrivals.push_back(std::move(arrival));
    Batch<Frame> batch = take();
    const size_t passed = batch.size();
    give_back(std::move(batch));
    EXPECT_EQ(passed + endings_.total(), 1u);
    EXPECT_EQ(pool_.available(), pool_.size());
    for (const DropInfo& info : kDrops) {
      if (endings_.count(info.drop) != 0) return info.drop;
    }
    return std::nullopt;
  }

  io::LinkTable links_ = make_links();
  FakePort port_;
  PacketPool pool_{32};
  FakeEndings endings_{pool_};
  Counters counters_;
  Receiver receiver_{port_, pool_, endings_, counters_};
  Now now_{5'000'000'000, 0};
};

TEST_F(ReceiverTest, FillsTheIngress) {
  FrameSpec spec;
  spec.source = *Ipv4::parse("10.0.0.9");
  spec.source_port = 4000;
  const auto frame = build(spec);
  port_.arrivals.push_back({frame, 1, 42, false});
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 1u);
  const Packet& packet = batch[0].packet();
  EXPECT_EQ(packet.ingress.ifindex, 1u);
  EXPECT_EQ(packet.ingress.link, &links_.links[0]);
  EXPECT_EQ(packet.ingress.vlan, 42);
  EXPECT_EQ(packet.ingress.source_mac, spec.source_mac);
  EXPECT_EQ(packet.ingress.source, spec.source);
  EXPECT_EQ(packet.ingress.destination, kBroadcast);
  EXPECT_EQ(packet.ingress.source_port, 4000);
  EXPECT_EQ(packet.ingress.arrived_ns, now_.boot_ns);
  EXPECT_TRUE(equal(packet.request(), Bytes(frame).subspan(42)));
  EXPECT_EQ(counters_.frames_received.value(), 1u);
  EXPECT_EQ(counters_.packets_entered.value(), 1u);
  give_back(std::move(batch));
}

TEST_F(ReceiverTest, ATagInTheFrameAndIpOptionsAreSteppedOver) {
  FrameSpec spec;
  spec.vlan = 42;
  spec.ip_option_bytes = 40;
  port_.arrivals.push_back({build(spec), 1, 0, false});
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].packet().ingress.vlan, 42);
  EXPECT_EQ(batch[0].packet().payload_offset, 14 + 4 + 60 + 8);
  EXPECT_EQ(batch[0].packet().request()[0], 1);
  give_back(std::move(batch));
}

// Cut anywhere, a frame is dropped and nothing past its end is read: it lies at the very end of
// its allocation, where AddressSanitizer sees.
TEST(FrameCheck, EveryTruncationOfEverySizeIsADrop) {
  const io::LinkTable links = make_links();
  const auto packet = std::make_unique<Packet>();
  for (const uint16_t vlan : {0, 42}) {
    for (const size_t option_bytes : {0, 4, 40}) {
      for (size_t payload = 0; payload <= 400; ++payload) {
        FrameSpec spec;
        spec.vlan = vlan;
        spec.ip_option_bytes = option_bytes;
        spec.payload_bytes = payload;
        const auto whole = build(spec);
        const size_t step = payload % 50 == 0 ? 1 : 37;
        for (size_t size = payload % step; size < whole.size(); size += step) {
          std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
          cut.shrink_to_fit();
          io::RxFrame frame;
          frame.buffer = cut;
          frame.size = static_cast<uint32_t>(size);
          ASSERT_EQ(check_frame(frame, &links.links[0], links, *packet), Drop::Truncated)
              << size << " of " << whole.size();
        }
        std::vector<uint8_t> exact = whole;
        exact.shrink_to_fit();
        io::RxFrame frame;
        frame.buffer = exact;
        frame.size = static_cast<uint32_t>(exact.size());
        ASSERT_EQ(check_frame(frame, &links.links[0], links, *packet),
                  payload == 0 ? std::optional(Drop::Empty) : std::nullopt);
      }
    }
  }
}

RC_GTEST_PROP(FrameCheck, AnyBytesAreADropOrAWholeDatagram, ()) {
  const io::LinkTable links = make_links();
  auto bytes = *rc::gen::container<std::vector<uint8_t>>(rc::gen::arbitrary<uint8_t>());
  FrameSpec spec;
  spec.payload_bytes = *rc::gen::inRange<size_t>(0, 64);
  auto whole = build(spec);
  // Valid with a few bytes changed reaches further than noise.
  const bool noise = *rc::gen::inRange(0, 4) == 0;
  if (!noise) {
    const int changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i) {
      whole[*rc::gen::inRange<size_t>(0, whole.size())] = *rc::gen::arbitrary<uint8_t>();
    }
    bytes = whole;
  }
  bytes.shrink_to_fit();
  io::RxFrame frame;
  frame.buffer = bytes;
  frame.size = static_cast<uint32_t>(bytes.size());
  frame.checksum_partial = *rc::gen::arbitrary<bool>();
  const auto packet = std::make_unique<Packet>();
  if (check_frame(frame, &links.links[0], links, *packet)) return;
  RC_ASSERT(packet->request_size > 0);
  RC_ASSERT(size_t{packet->payload_offset} + packet->request_size <= bytes.size());
}

TEST_F(ReceiverTest, EveryFlippedBitIsNoticed) {
  // Of the MAC addresses nothing is checked but that the source is not ours.
  const auto good = build();
  for (size_t bit = 12 * 8; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto drop = outcome(bad);
    ASSERT_TRUE(drop) << "bit " << bit;
  }
}

TEST_F(ReceiverTest, BadHeadersHaveTheirReasons) {
  auto frame = build();
  frame[24] ^= 1;
  EXPECT_EQ(outcome(frame), Drop::BadIpHeader);  // its checksum
  frame = build();
  frame[14] = 0x65;
  fix_ip_checksum(frame);
  EXPECT_EQ(outcome(frame), Drop::BadIpHeader);  // version 6
  frame = build();
  frame[14] = 0x44;
  EXPECT_EQ(outcome(frame), Drop::BadIpHeader);  // four words
  frame = build();
  store_be16(&frame[16], 19);
  fix_ip_checksum(frame);
  EXPECT_EQ(outcome(frame), Drop::BadIpHeader);  // shorter than its header
  frame = build();
  store_be16(&frame[16], 27);
  fix_ip_checksum(frame);
  EXPECT_EQ(outcome(frame), Drop::BadUdpLength);  // no room for UDP
  frame = build();
  frame[23] = 6;
  fix_ip_checksum(frame);
  EXPECT_EQ(outcome(frame), Drop::NotIpv4Udp);
  frame = build();
  frame[12] = 0x86;
  frame[13] = 0xDD;
  EXPECT_EQ(outcome(frame), Drop::NotIpv4Udp);
  frame = build();
  store_be16(&frame[38], 7);
  EXPECT_EQ(outcome(frame), Drop::BadUdpLength);
  frame = build();
  store_be16(&frame[38], static_cast<uint16_t>(frame.size() - 34 + 1));
  EXPECT_EQ(outcome(frame), Drop::BadUdpLength);
  frame = build();
  frame[60] ^= 1;
  EXPECT_EQ(outcome(frame), Drop::BadUdpChecksum);
}

TEST_F(ReceiverTest, FragmentsAreDropped) {
  for (const uint16_t field : {0x2000, 0x0001, 0x2001, 0x1FFF}) {
    auto frame = build();
    store_be16(&frame[20], field);
    fix_ip_checksum(frame);
    EXPECT_EQ(outcome(frame), Drop::Fragment) << field;
  }
  auto frame = build();
  store_be16(&frame[20], 0x4000);  // "don't fragment" is not one
  fix_ip_checksum(frame);
  EXPECT_EQ(outcome(frame), std::nullopt);
}

TEST_F(ReceiverTest, AChecksumThatIsAbsentOrPartialIsNotChecked) {
  auto frame = build();
  store_be16(&frame[40], 0);
  EXPECT_EQ(outcome(frame), std::nullopt);
  store_be16(&frame[40], 0x1234);
  EXPECT_EQ(outcome(frame), Drop::BadUdpChecksum);
  EXPECT_EQ(outcome(FakePort::Arrival{frame, 1, 0, true}), std::nullopt);
}

TEST_F(ReceiverTest, BytesBehindTheDatagramAreIgnored) {
  FrameSpec spec;
  spec.payload_bytes = 10;
  auto frame = build(spec);
  frame.resize(60, 0xEE);  // Ethernet's padding
  port_.arrivals.push_back({frame, 1, 0, false});
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].packet().request_size, 10);
  give_back(std::move(batch));
}

TEST_F(ReceiverTest, FourKibibytesAndNoMore) {
  FrameSpec spec;
  spec.vlan = 42;
  spec.ip_option_bytes = 40;
  spec.payload_bytes = 4096;
  EXPECT_EQ(build(spec).size(), kFrameBytesMax);
  EXPECT_EQ(outcome(build(spec)), std::nullopt);
  spec.payload_bytes = 4097;
  EXPECT_EQ(outcome(build(spec)), Drop::TooLarge);
  spec = {};
  spec.payload_bytes = 4097;  // fits the buffer
  EXPECT_EQ(outcome(build(spec)), Drop::TooLarge);
  spec.payload_bytes = 9000;  // does not
  EXPECT_EQ(outcome(build(spec)), Drop::TooLarge);
  spec.payload_bytes = 1;
  EXPECT_EQ(outcome(build(spec)), std::nullopt);
  spec.payload_bytes = 0;
  EXPECT_EQ(outcome(build(spec)), Drop::Empty);
}

TEST_F(ReceiverTest, WhoseItIs) {
  const auto to = [](const char* address) {
    FrameSpec spec;
    spec.destination = *Ipv4::parse(address);
    return build(spec);
  };
  EXPECT_EQ(outcome(to("10.0.0.1")), std::nullopt);
  EXPECT_EQ(outcome(to("192.0.2.0")), std::nullopt);
  EXPECT_EQ(outcome(to("10.0.0.255")), std::nullopt);
  EXPECT_EQ(outcome(to("172.16.0.1")), std::nullopt);  // another served link's
  EXPECT_EQ(outcome(to("172.16.255.255")), Drop::NotForUs);
  EXPECT_EQ(outcome(to("192.0.2.1")), Drop::NotForUs);  // a /31 has no broadcast
  EXPECT_EQ(outcome(to("10.0.0.2")), Drop::NotForUs);
  EXPECT_EQ(outcome(to("224.0.0.1")), Drop::NotForUs);
  EXPECT_EQ(outcome(to("0.0.0.0")), Drop::NotForUs);
  FrameSpec spec;
  spec.destination_port = 68;
  EXPECT_EQ(outcome(build(spec)), Drop::NotForUs);
  spec = {};
  spec.source_mac = kOurMac;
  EXPECT_EQ(outcome(build(spec)), Drop::OwnReply);
  EXPECT_EQ(outcome(FakePort::Arrival{build(), 3, 0, false}), Drop::InterfaceGone);
  EXPECT_EQ(outcome(FakePort::Arrival{build(), 1, 7, false}),
            Drop::NotForUs);  // a VLAN interface's
}

TEST_F(ReceiverTest, NeverMoreThanAskedForOrThanThereAreSlots) {
  for (int i = 0; i < 100; ++i) port_.arrivals.push_back({build(), 1, 0, false});
  Batch<Frame> first = take(5);
  EXPECT_EQ(first.size(), 5u);
  EXPECT_EQ(port_.arrivals.size(), 95u);
  Batch<Frame> second = take();
  EXPECT_EQ(second.size(), 27u);
  EXPECT_EQ(pool_.available(), 0u);
  EXPECT_EQ(take().size(), 0u);
  EXPECT_EQ(port_.arrivals.size(), 68u);
  EXPECT_EQ(endings_.total(), 0u);
  give_back(std::move(first));
  EXPECT_EQ(take(0).size(), 0u);
  give_back(std::move(second));
  EXPECT_EQ(pool_.available(), 32u);
}

TEST_F(ReceiverTest, KeepsTheOrderAroundDroppedFrames) {
  for (uint16_t i = 0; i < 30; ++i) {
    FrameSpec spec;
    spec.source_port = i;
    auto frame = build(spec);
    if (i % 3 == 1) frame[60] ^= 1;
    port_.arrivals.push_back({frame, 1, 0, false});
  }
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(batch[i].packet().ingress.source_port, i / 2 * 3 + (i % 2 == 0 ? 0 : 2));
  }
  EXPECT_EQ(endings_.count(Drop::BadUdpChecksum), 10u);
  EXPECT_EQ(counters_.frames_received.value(), 30u);
  give_back(std::move(batch));
}

// Local clients leave their checksum to a card that is not there. Who shows or injects the frame
// again must not have it refused.
TEST_F(ReceiverTest, AChecksumThatIsNotMadeYetBecomesNone) {
  FrameSpec spec;
  auto frame = build(spec);
  frame[40] ^= 0x55;
  port_.arrivals.push_back({frame, 1, 0, true});
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 1u);
  Packet& packet = batch[0].packet();
  EXPECT_EQ(load_be16(packet.request_data() - 2), 0);
  UdpFrame udp;
  EXPECT_EQ(parse_udp_frame(packet.frame_buffer().first(frame.size()), udp), FrameFault::None);
  EXPECT_TRUE(udp_checksum_is_right(udp));
  give_back(std::move(batch));
}

class FakeInjected final : public InjectedFrames {
 public:
  size_t waiting() const override { return frames.size(); }
  void next(Packet& packet, io::RxFrame& frame) override {
    std::copy(frames.front().begin(), frames.front().end(), frame.buffer.begin());
    frame.size = frame.wire_size = uint32_t(frames.front().size());
    frame.ifindex = 1;
    frames.pop_front();
    packet.ingress.first_layer = Depth::Network;
    packet.ingress.injection = this;
  }
  void refused(Packet& packet, Drop reason) override {
    EXPECT_EQ(packet.ingress.injection, this);
    reasons.push_back(reason);
  }
  void classified(Packet&, Verdict) override { FAIL() << "the filter's to tell"; }

  std::deque<std::vector<uint8_t>> frames;
  std::vector<Drop> reasons;
};

TEST_F(ReceiverTest, InjectedFramesAreCheckedLikeOthersAndKeepTheirMark) {
  FakeInjected injected;
  receiver_.take_also(&injected);
  auto broken = build(FrameSpec{});
  broken[60] ^= 1;
  injected.frames = {build(FrameSpec{}), broken};
  port_.arrivals.push_back({build(FrameSpec{}), 1, 0, false});
  Batch<Frame> batch = take();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0].packet().ingress.injection, &injected);
  EXPECT_EQ(batch[0].packet().ingress.first_layer, Depth::Network);
  EXPECT_EQ(batch[0].packet().ingress.arrived_ns, now_.boot_ns);
  EXPECT_EQ(batch[0].packet().ingress.link, &links_.links[0]);
  EXPECT_EQ(batch[1].packet().ingress.injection, nullptr);
  EXPECT_EQ(batch[1].packet().ingress.first_layer, Depth::Mac);
  EXPECT_EQ(injected.reasons, std::vector<Drop>{Drop::BadUdpChecksum});
  EXPECT_EQ(endings_.count(Drop::BadUdpChecksum), 1u);
  EXPECT_EQ(counters_.frames_received.value(), 1u);  // by the port
  EXPECT_EQ(counters_.packets_entered.value(), 2u);
  give_back(std::move(batch));
  EXPECT_EQ(pool_.available(), pool_.size());
}

TEST_F(ReceiverTest, InjectedFramesDoNotKeepTheWireWaiting) {
  FakeInjected injected;
  receiver_.take_also(&injected);
  for (int i = 0; i < 100; ++i) {
    injected.frames.push_back(build(FrameSpec{}));
    port_.arrivals.push_back({build(FrameSpec{}), 1, 0, false});
  }
  Batch<Frame> batch = take(10);
  EXPECT_EQ(batch.size(), 10u);
  EXPECT_EQ(injected.frames.size(), 95u);
  EXPECT_EQ(port_.arrivals.size(), 95u);
  give_back(std::move(batch));
  batch = take();  // as many as the pool has slots, but for those that the wire may not take
  EXPECT_EQ(batch.size(), 28u);
  EXPECT_EQ(injected.frames.size(), 79u);
  give_back(std::move(batch));
}

// Else a callout that holds what came in, to inject it later, would wait for its own slots.
TEST_F(ReceiverTest, TheWireCannotTakeTheLastSlots) {
  FakeInjected injected;
  receiver_.take_also(&injected);
  for (int i = 0; i < 100; ++i) port_.arrivals.push_back({build(FrameSpec{}), 1, 0, false});
  Batch<Frame> from_wire = take();
  EXPECT_EQ(from_wire.size(), 28u);
  EXPECT_EQ(take(5).size(), 0u);
  for (int i = 0; i < 10; ++i) injected.frames.push_back(build(FrameSpec{}));
  Batch<Frame> again = take(5);
  EXPECT_EQ(again.size(), 2u);  // half of what is left
  give_back(std::move(again));
  give_back(std::move(from_wire));
}

TEST_F(ReceiverTest, KernelDropsAreCountedOnce) {
  port_.dropped = 5;
  take();
  take();
  EXPECT_EQ(endings_.count(Drop::KernelQueue), 5u);
  port_.dropped = 8;
  now_.boot_ns += 1'000'000'000;
  take();
  EXPECT_EQ(endings_.count(Drop::KernelQueue), 8u);
}

}  // namespace
}  // namespace hookline::receive
