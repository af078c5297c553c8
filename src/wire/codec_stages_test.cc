// Decoder and Encoder as stages: what goes on keeps its order, what does not reaches the endings.
#include <gtest/gtest.h>

#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/testing.h"

// The stages around this one, as far as making their products goes. Their libraries are not part of
// this program.
namespace hookline::receive {
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive
namespace hookline::filter {
class FilterEngine {
 public:
  static Admitted make(Frame frame) { return Admitted({}, std::move(frame)); }
};
}  // namespace hookline::filter
namespace hookline::lease {
class Engine {
 public:
  static Immediate refuse(Request request) { return Immediate({}, std::move(request)); }
  static Proposal propose(Request request) { return Proposal({}, std::move(request)); }
};
}  // namespace hookline::lease
namespace hookline::store {
class Journal {
 public:
  static Committed commit(Proposal proposal) { return Committed({}, std::move(proposal)); }
};
}  // namespace hookline::store

namespace hookline::wire {
namespace {

using testing::RequestBytes;

class Ends : public Endings {
 public:
  explicit Ends(PacketPool& pool) : pool_(pool) {}
  using Endings::drop;
  void drop(PacketHandle packet, Drop reason) override {
    dropped.push_back(reason);
    pool_.give_back(std::move(packet));
  }
  void drop_frame(Drop, uint64_t) override { FAIL(); }
  void complete(PacketHandle packet) override { pool_.give_back(std::move(packet)); }
  template <class P>
  void complete_all(Batch<P>& products) {
    for (P& p : products) complete(std::move(p).release());
  }
  std::vector<Drop> dropped;

 private:
  PacketPool& pool_;
};

class CodecStages : public ::testing::Test {
 protected:
  Admitted admitted(const RequestBytes& request) {
    PacketHandle packet = pool_.take();
    packet->ingress = Ingress{};
    packet->ingress.link = &link_;
    packet->payload_offset = 42;
    packet->request_size = static_cast<uint16_t>(request.bytes().size());
    std::copy(request.bytes().begin(), request.bytes().end(), packet->request_data());
    return filter::FilterEngine::make(receive::Receiver::make(std::move(packet)));
  }
  Batch<Request> requests(std::initializer_list<uint32_t> xids) {
    Batch<Admitted> in;
    for (uint32_t xid : xids) in.push(admitted(RequestBytes().u32(4, xid).type(1).end()));
    return decoder_.decode(std::move(in));
  }

  PacketPool pool_{8};
  Ends endings_{pool_};
  io::Link link_;
  Decoder decoder_{endings_};
  Encoder encoder_{endings_};
};

TEST_F(CodecStages, DecoderPassesOnInOrderAndDropsWithTheReason) {
  Batch<Admitted> in;
  in.push(admitted(RequestBytes().u32(4, 1).type(1).end()));
  in.push(admitted(RequestBytes().byte(0, 2).type(1).end()));
  in.push(admitted(RequestBytes().type(9).end()));
  in.push(admitted(RequestBytes().u32(4, 2).type(3).end()));
  Batch<Request> out = decoder_.decode(std::move(in));
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].message().xid, 1u);
  EXPECT_EQ(out[1].message().xid, 2u);
  EXPECT_EQ(endings_.dropped, (std::vector{Drop::NotARequest, Drop::BadMessageType}));
  endings_.complete_all(out);
  EXPECT_EQ(pool_.available(), pool_.size());
}

TEST_F(CodecStages, EncoderDropsWhatDoesNotFit) {
  io::Link narrow;
  narrow.mtu = 100;
  Batch<Immediate> in;
  for (Request& request : requests({1, 2, 3})) {
    Packet& packet = request.packet();
    packet.grant.reply = ReplyKind::Nak;
    if (packet.message.xid == 2) packet.ingress.link = &narrow;
    in.push(lease::Engine::refuse(std::move(request)));
  }
  Batch<Reply> out = encoder_.encode(std::move(in));
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].packet().message.xid, 3u);
  EXPECT_EQ(out[1].packet().reply_type, MessageType::Nak);
  EXPECT_EQ(endings_.dropped, std::vector{Drop::ReplyTooLarge});
  endings_.complete_all(out);
  EXPECT_EQ(pool_.available(), pool_.size());
}

TEST_F(CodecStages, CommittedProposalsAreAnswered) {
  Batch<Committed> in;
  for (Request& request : requests({7})) {
    request.packet().grant.reply = ReplyKind::Ack;
    request.packet().grant.address = Ipv4{0x0A4D0064};
    in.push(store::Journal::commit(lease::Engine::propose(std::move(request))));
  }
  Batch<Reply> out = encoder_.encode(std::move(in));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet().reply_type, MessageType::Ack);
  endings_.complete_all(out);
}

TEST_F(CodecStages, AReplyWithoutAKindIsABug) {
  Batch<Request> in = requests({7});
  EXPECT_DEATH((void)encode_reply(in[0].packet()), "has no reply ends with its commit");
  endings_.complete_all(in);
}

}  // namespace
}  // namespace hookline::wire
