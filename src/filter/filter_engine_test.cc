#include "filter/filter_engine.h"

#include <gtest/gtest.h>

namespace hookline::receive {
// Stands in for the stage before the filter.
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive

namespace hookline::filter {
namespace {

class NoEndings final : public Endings {
 public:
  void drop(PacketHandle, Drop) override { FAIL() << "nothing is blocked"; }
  void drop_frame(Drop, uint64_t) override { FAIL() << "nothing is blocked"; }
  void complete(PacketHandle) override { FAIL() << "nothing completes here"; }
};

TEST(FilterEngine, WithoutRulesEverythingPassesInOrder) {
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

}  // namespace
}  // namespace hookline::filter
