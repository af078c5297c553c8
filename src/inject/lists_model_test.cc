// Random chains of MDLs, clones, retreats, advances and frees against a model that knows bytes
// only.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::bytes_of;
using lists_testing::FakeDriver;
using lists_testing::Packet;

// A list as the model sees it: what its data are, and how much room is in front of them that shows
// bytes which are known.
struct Seen {
  NET_BUFFER_LIST* list;
  std::vector<std::vector<uint8_t>> data;   // of each NET_BUFFER
  std::vector<size_t> cut;                  // advanced by, in all
  std::vector<std::vector<uint8_t>> whole;  // what the data were when it was made
  size_t parent;
};

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {
    for (size_t i = 0, count = any(1, 3); i < count; ++i) {
      std::vector<size_t> sizes;
      size_t total = 0;
      for (size_t k = any(1, 5); k > 0; --k) total += sizes.emplace_back(any(0, 40));
      auto& packet = packets_.emplace_back(sizes, static_cast<uint32_t>(any(0, total)));
      if (i > 0) packets_[i - 1].buffer.Next = &packet.buffer;
    }
    Seen root{&packets_[0].list, {}, {}, {}, 0};
    for (const Packet& packet : packets_) root.data.push_back(bytes_of(packet.buffer));
    root.cut.resize(root.data.size());
    root.whole = root.data;
    lists_seen_.push_back(root);
  }

  void step() {
    switch (any(0, 5)) {
      case 0:
        return clone();
      case 1:
        return free_one();
      case 2:
      case 3:
        return advance();
      default:
        return retreat();
    }
  }
  void check() const {
    std::vector<LONG> children(lists_seen_.size());
    for (size_t i = 0; i < lists_seen_.size(); ++i) {
      const Seen& seen = lists_seen_[i];
      if (seen.list == nullptr) continue;
      if (i != 0) ++children[seen.parent];
      size_t k = 0;
      for (NET_BUFFER* at = seen.list->FirstNetBuffer; at != nullptr; at = at->Next, ++k) {
        RC_ASSERT(holds_its_data(*at));
        RC_ASSERT(bytes_of(*at) == seen.data[k]);
      }
      RC_ASSERT(k == seen.data.size());
    }
    for (size_t i = 0; i < lists_seen_.size(); ++i) {
      if (lists_seen_[i].list == nullptr) continue;
      RC_ASSERT(lists_seen_[i].list->ChildRefCount == children[i]);
    }
  }
  // Puts every data start back and frees all, children first.
  void end() {
    for (size_t i = lists_seen_.size(); i-- > 0;) {
      if (lists_seen_[i].list == nullptr) continue;
      put_back(lists_seen_[i]);
      if (i != 0) lists_.FwpsFreeCloneNetBufferList0(driver_, lists_seen_[i].list, 0);
    }
    RC_ASSERT(packets_[0].list.ChildRefCount == 0);
    RC_ASSERT(lists_.live(driver_).total() == 0u);
    RC_ASSERT(driver_.breaches() == std::vector<std::string>{});
  }

 private:
  size_t any(size_t from, size_t to) {
    return std::uniform_int_distribution<size_t>(from, to)(random_);
  }
  Seen* pick() {
    Seen& seen = lists_seen_[any(0, lists_seen_.size() - 1)];
    return seen.list != nullptr ? &seen : nullptr;
  }
  NET_BUFFER* buffer_of(const Seen& seen, size_t index) {
    NET_BUFFER* at = seen.list->FirstNetBuffer;
    while (index-- > 0) at = at->Next;
    return at;
  }

  void clone() {
    Seen* from = pick();
    if (from == nullptr) return;
    Seen seen{nullptr, from->data, std::vector<size_t>(from->data.size()), from->data,
              size_t(from - lists_seen_.data())};
    RC_ASSERT(lists_.FwpsAllocateCloneNetBufferList0(driver_, from->list, nullptr, nullptr, 0,
                                                     &seen.list) == STATUS_SUCCESS);
    lists_seen_.push_back(seen);
  }
  void free_one() {
    Seen* seen = pick();
    if (seen == nullptr || seen == &lists_seen_[0] || Lists::is_held(*seen->list)) return;
    put_back(*seen);
    lists_.FwpsFreeCloneNetBufferList0(driver_, std::exchange(seen->list, nullptr), 0);
  }
  void advance() {
    Seen* seen = pick();
    if (seen == nullptr) return;
    const size_t k = any(0, seen->data.size() - 1);
    const size_t by = any(0, seen->data[k].size());
    lists_.NdisAdvanceNetBufferDataStart(driver_, buffer_of(*seen, k), ULONG(by), any(0, 1) != 0,
                                         nullptr);
    seen->data[k].erase(seen->data[k].begin(), seen->data[k].begin() + ptrdiff_t(by));
    seen->cut[k] += by;
  }
  // Never further than the beginning, and sometimes with new room that is advanced out of again.
  void retreat() {
    Seen* seen = pick();
    if (seen == nullptr) return;
    const size_t k = any(0, seen->data.size() - 1);
    NET_BUFFER* buffer = buffer_of(*seen, k);
    const size_t by = any(0, seen->cut[k]);
    back(*seen, k, by);
    if (any(0, 2) != 0) return;
    const auto more = ULONG(seen->cut[k] + any(1, 60));
    RC_ASSERT(lists_.NdisRetreatNetBufferDataStart(driver_, buffer, more, ULONG(any(0, 20)),
                                                   nullptr) == NDIS_STATUS_SUCCESS);
    const std::vector<uint8_t> bytes = bytes_of(*buffer);
    RC_ASSERT(bytes.size() == seen->data[k].size() + more);
    RC_ASSERT(std::equal(seen->data[k].rbegin(), seen->data[k].rend(), bytes.rbegin()));
    lists_.NdisAdvanceNetBufferDataStart(driver_, buffer, more, any(0, 1) != 0, nullptr);
  }
  void back(Seen& seen, size_t k, size_t by) {
    RC_ASSERT(lists_.NdisRetreatNetBufferDataStart(driver_, buffer_of(seen, k), ULONG(by), 0,
                                                   nullptr) == NDIS_STATUS_SUCCESS);
    seen.cut[k] -= by;
    seen.data[k].assign(seen.whole[k].begin() + ptrdiff_t(seen.cut[k]), seen.whole[k].end());
  }
  // Back to where it began, and rooms that stayed in front are freed.
  void put_back(Seen& seen) {
    for (size_t k = 0; k < seen.data.size(); ++k) {
      back(seen, k, seen.cut[k]);
      RC_ASSERT(bytes_of(*buffer_of(seen, k)) == seen.whole[k]);
      lists_.NdisAdvanceNetBufferDataStart(driver_, buffer_of(seen, k), 0, true, nullptr);
    }
  }

  std::mt19937 random_;
  FakeDriver driver_;
  Lists lists_;
  std::deque<Packet> packets_;
  std::vector<Seen> lists_seen_;
};

RC_GTEST_PROP(ListsModel, BytesAreTheModels, ()) {
  World world(*rc::gen::arbitrary<uint32_t>());
  for (int i = 0; i < 60; ++i) {
    world.step();
    world.check();
  }
  world.end();
}

}  // namespace
}  // namespace hookline::inject
