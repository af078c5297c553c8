// The order of the line as the compiler sees it: what must not compile does not.
#include <gtest/gtest.h>

#include <type_traits>

#include "wire/encoder.h"

namespace hookline {
namespace {

template <class From>
concept Encodable = requires(wire::Encoder& encoder, Batch<From> batch) {
  encoder.encode(std::move(batch));
};

// No ACK before the commit: a proposal can't become a reply, only what the journal committed or
// what needs no record can.
static_assert(Encodable<Committed>);
static_assert(Encodable<Immediate>);
static_assert(!Encodable<Proposal>);
static_assert(!Encodable<Request>);

// A product can be made only by its stage: nobody else has the key.
static_assert(!std::is_default_constructible_v<PassKey<store::Journal>>);
static_assert(!std::is_constructible_v<Committed, PacketHandle>);
static_assert(!std::is_constructible_v<Reply, PassKey<wire::Encoder>, Proposal&&>);
static_assert(!std::is_constructible_v<Datagram, PassKey<filter::FilterEngine>, Committed&&>);

// A packet has one owner.
static_assert(!std::is_copy_constructible_v<Committed>);
static_assert(!std::is_copy_constructible_v<PacketHandle>);
static_assert(std::is_nothrow_move_constructible_v<Datagram>);

TEST(Stages, LosingAPacketStopsTheServer) {
  EXPECT_DEATH(
      {
        PacketPool pool(1);
        const PacketHandle lost = pool.take();
      },
      "every packet ends: completed or dropped");
}

}  // namespace
}  // namespace hookline
