// Streams against a model: random pieces, random answers of several callouts, in line and out of
// band, injections from the packet thread or from another one. Whatever a callout lets through is,
// in this order and no other, what the next one is shown; and what the last lets through comes out.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <thread>

#include "filter/stream_testing.h"

namespace hookline::filter::testing {
namespace {

using Packet = FWPS_STREAM_CALLOUT_IO_PACKET0;
using Out = FWPS_CLASSIFY_OUT0;
constexpr Direction kDirections[] = {Direction::Outbound, Direction::Inbound};

// What one callout has been shown, and has let through, in one direction.
struct Passage {
  std::string shown;  // consumed: permitted or blocked
  std::string let_through;
  bool end_let_through = false;
  bool deferred = false;
  bool gathering = false;
  std::deque<std::pair<std::string, Hold>> kept;  // out of band
  bool end_kept = false;
};

struct Actor {
  StreamCallout* callout = nullptr;
  bool out_of_band = false;
  bool continues = false;  // it defers, and so never injects
  Passage passages[2];
  std::minstd_rand random;

  uint32_t roll(uint32_t sides) { return static_cast<uint32_t>(random() % sides); }
};

class Model final : public StreamTest {
 public:
  void TestBody() override {}
  using StreamTest::add;
  using StreamTest::inject;
  using StreamTest::injected;
  using StreamTest::open;
  using StreamTest::statuses;
  using StreamTest::streams;
  using StreamTest::watch;

  void build(size_t actors_count, uint32_t seed, bool out_of_band_too) {
    for (size_t i = 0; i < actors_count; ++i) {
      Actor& actor = actors_.emplace_back();
      actor.callout = &add(static_cast<uint16_t>(100 - i));
      actor.random.seed(seed + static_cast<uint32_t>(i) * 7919);
      actor.out_of_band = out_of_band_too && actor.roll(2) == 0;
      actor.continues = !actor.out_of_band && actor.roll(2) == 0;
    }
    flow_ = &open();
    for (size_t i = 0; i < actors_.size(); ++i) {
      Actor& actor = actors_[i];
      actor.callout->on = [this, i](Packet& packet, Out& out) {
        classify(actors_[i], packet, out);
      };
    }
  }
  StreamFlow& flow() { return *flow_; }
  std::deque<Actor>& actors() { return actors_; }

  void inject_some(Actor& actor, Direction direction, const std::string& text, bool end) {
    Passage& passage = actor.passages[static_cast<size_t>(direction)];
    std::vector<std::string> lists;
    for (size_t at = 0; at < text.size();) {
      const auto most = static_cast<uint32_t>(9 + text.size() / 8);
      const size_t piece = std::min<size_t>(text.size() - at, 1 + actor.roll(most));
      lists.push_back(text.substr(at, piece));
      at += piece;
    }
    ASSERT_EQ(inject(*flow_, actor.callout->id, lists, end, direction), STATUS_SUCCESS);
    passage.let_through += text;
    if (end) passage.end_let_through = true;
  }

  // One of those that it keeps goes on, changed.
  bool work(Actor& actor, Direction direction) {
    Passage& passage = actor.passages[static_cast<size_t>(direction)];
    if (!passage.kept.empty()) {
      auto [text, hold] = std::move(passage.kept.front());
      passage.kept.pop_front();
      EXPECT_EQ(hold.text(), text) << "the bytes of a clone have changed";
      std::string changed = text;
      if (actor.roll(3) == 0) changed += "+";
      if (actor.roll(4) == 0) changed.clear();
      for (char& c : changed) c = static_cast<char>(c ^ 1);
      inject_some(actor, direction, changed, false);
      hold.release();
      return true;
    }
    if (passage.end_kept) {
      passage.end_kept = false;
      inject_some(actor, direction, actor.roll(2) == 0 ? "bye" : "", true);
      return true;
    }
    return false;
  }
  bool resume(Actor& actor, Direction direction) {
    Passage& passage = actor.passages[static_cast<size_t>(direction)];
    if (!std::exchange(passage.deferred, false)) return false;
    EXPECT_EQ(streams.resume(flow_->handle(), actor.callout->id, direction), STATUS_SUCCESS);
    return true;
  }

  // What is in front of the actor now.
  std::string expected_in(const Actor& actor, Direction direction) const {
    const Actor* before = nullptr;
    for (const Actor& each : actors_) {
      if (&each == &actor) break;
      before = &each;
    }
    return before != nullptr ? before->passages[static_cast<size_t>(direction)].let_through
                             : entered[static_cast<size_t>(direction)];
  }

  std::string entered[2];

 private:
  void classify(Actor& actor, Packet& packet, Out& out) {
    const FWPS_STREAM_DATA0& data = *packet.streamData;
    const Direction direction =
        (data.flags & FWPS_STREAM_FLAG_RECEIVE) != 0 ? Direction::Inbound : Direction::Outbound;
    Passage& passage = actor.passages[static_cast<size_t>(direction)];
    const std::string text = text_of(data);
    EXPECT_EQ(expected_in(actor, direction).substr(passage.shown.size(), text.size()), text);
    EXPECT_FALSE(passage.deferred);
    const bool last_chance = std::exchange(passage.gathering, false) && out.flags != 0;
    out.actionType = FWP_ACTION_NONE;
    if (actor.out_of_band) return keep(passage, packet, out, text);
    if (!last_chance && !text.empty() && actor.roll(4) == 0) {
      packet.streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
      packet.countBytesRequired = actor.roll(20);
      passage.gathering = true;
      return;
    }
    if (actor.continues && actor.roll(5) == 0) {
      packet.streamAction = FWPS_STREAM_ACTION_DEFER;
      passage.deferred = true;
      return;
    }
    if (text.empty()) {
      passage.end_let_through = true;
      out.actionType = actor.roll(2) == 0 ? FWP_ACTION_PERMIT : FWP_ACTION_CONTINUE;
      return;
    }
    if (!actor.continues && actor.roll(3) == 0) inject_some(actor, direction, "[new]", false);
    const size_t covered = actor.roll(2) == 0 ? text.size() : 1 + actor.roll(text.size() & 0xFFFF);
    packet.countBytesEnforced = std::min(covered, text.size());
    passage.shown += text.substr(0, packet.countBytesEnforced);
    if (actor.roll(3) == 0) {
      out.actionType = FWP_ACTION_BLOCK;
    } else {
      out.actionType = actor.roll(2) == 0 ? FWP_ACTION_PERMIT : FWP_ACTION_CONTINUE;
      passage.let_through += text.substr(0, packet.countBytesEnforced);
    }
  }
  void keep(Passage& passage, Packet& packet, Out& out, const std::string& text) {
    out.actionType = FWP_ACTION_BLOCK;
    if (text.empty()) {
      passage.end_kept = true;
    } else {
      passage.shown += text;
      passage.kept.emplace_back(text, Hold(*packet.streamData));
    }
  }

  std::deque<Actor> actors_;
  StreamFlow* flow_ = nullptr;
};

std::string some_text(size_t bytes, uint32_t& counter) {
  std::string out(bytes, ' ');
  for (char& c : out) c = static_cast<char>(counter++ * 31 >> 3);
  return out;
}

void put_some(Model& model, Direction direction, size_t most, uint32_t& counter) {
  const size_t bytes = std::min(most, model.flow().room(direction));
  if (bytes == 0) return;
  const std::string text = some_text(bytes, counter);
  // Before: it is shown inside the call.
  model.entered[static_cast<size_t>(direction)] += text;
  model.flow().put(direction, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void take_some(Model& model, Direction direction, size_t most, std::string& out) {
  const Bytes bytes = model.flow().passed(direction);
  const size_t size = std::min(most, bytes.size());
  out.append(reinterpret_cast<const char*>(bytes.data()), size);
  if (size != 0) model.flow().take(direction, size);
}

// Until nothing moves any more.
void settle(Model& model, std::string (&out)[2]) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const Direction direction : kDirections) {
      for (Actor& actor : model.actors()) {
        while (model.work(actor, direction)) moved = true;
        if (model.resume(actor, direction)) moved = true;
      }
      moved |= !model.flow().passed(direction).empty();
      take_some(model, direction, SIZE_MAX, out[static_cast<size_t>(direction)]);
    }
    moved |= model.streams.pump({});
  }
}

void check_end(Model& model, const std::string (&out)[2]) {
  for (const Direction direction : kDirections) {
    const auto way = static_cast<size_t>(direction);
    const std::string& expected = model.actors().empty()
                                      ? model.entered[way]
                                      : model.actors().back().passages[way].let_through;
    RC_ASSERT(out[way] == expected);
    RC_ASSERT(model.flow().finished(direction));
    for (const Actor& actor : model.actors()) {
      RC_ASSERT(actor.passages[way].shown == model.expected_in(actor, direction));
    }
  }
  RC_ASSERT(model.statuses.size() == model.injected);
  // Some was blocked by a callout further on.
  for (const int32_t status : model.statuses) {
    RC_ASSERT(status == STATUS_SUCCESS || status == STATUS_ACCESS_DENIED);
  }
  RC_ASSERT(model.watch.breaches == std::vector<std::string>{});
}

RC_GTEST_PROP(StreamModel, BytesOutAreTheModels, ()) {
  Model model;
  const auto seed = *rc::gen::arbitrary<uint32_t>();
  model.build(*rc::gen::inRange<size_t>(0, 5), seed, *rc::gen::arbitrary<bool>());
  std::string out[2];
  uint32_t counter = 0;
  const auto steps = *rc::gen::container<std::vector<std::pair<uint8_t, uint16_t>>>(
      rc::gen::arbitrary<std::pair<uint8_t, uint16_t>>());
  for (const auto& [what, how_much] : steps) {
    const Direction direction = kDirections[what & 1];
    Actor* actor =
        model.actors().empty() ? nullptr : &model.actors()[how_much % model.actors().size()];
    const size_t bytes = what % 16 < 2 ? how_much : how_much % 40;
    switch (what / 2 % 6) {
      case 0:
      case 1:
        put_some(model, direction, bytes, counter);
        break;
      case 2:
        take_some(model, direction, bytes, out[static_cast<size_t>(direction)]);
        break;
      case 3:
        if (actor != nullptr) model.work(*actor, direction);
        break;
      case 4:
        if (actor != nullptr) model.resume(*actor, direction);
        break;
      default:
        model.streams.pump({});
        break;
    }
  }
  for (const Direction direction : kDirections) model.flow().finish(direction);
  settle(model, out);
  check_end(model, out);
}

void put_all(StreamFlow& flow, const std::string& text) {
  flow.put(Direction::Inbound, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void take_some_of(StreamFlow& flow, std::string& out, size_t most) {
  const Bytes bytes = flow.passed(Direction::Inbound);
  const size_t size = std::min(most, bytes.size());
  out.append(reinterpret_cast<const char*>(bytes.data()), size);
  if (size != 0) flow.take(Direction::Inbound, size);
}

// The same, with what goes out of band injected by another thread while bytes come in.
TEST(StreamModel, InjectionsFromAnotherThread) {
  const auto seed = static_cast<uint32_t>(std::random_device{}());
  SCOPED_TRACE("seed " + std::to_string(seed));
  Model model;
  StreamCallout& one = model.add(9);
  StreamFlow& flow = model.open();
  struct Kept {
    Hold hold;
    bool end;
  };
  std::mutex mutex;
  std::deque<Kept> kept;
  one.on = [&](Packet& packet, Out& out) {
    const std::lock_guard lock(mutex);
    kept.push_back({Hold(*packet.streamData), packet.streamData->dataLength == 0});
    out.actionType = FWP_ACTION_BLOCK;
  };
  std::atomic<bool> done{false};
  std::thread worker([&] {
    std::minstd_rand random(seed);
    while (!done) {
      std::vector<Kept> mine;
      {
        const std::lock_guard lock(mutex);
        while (!kept.empty()) {
          mine.push_back(std::move(kept.front()));
          kept.pop_front();
        }
      }
      for (Kept& each : mine) {
        const std::string text = each.hold.text();
        if (each.end) {
          model.inject(flow, one.id, {}, true);
          done = true;
        } else {
          for (size_t at = 0; at < text.size();) {
            const size_t piece = std::min<size_t>(text.size() - at, 1 + random() % 200);
            model.inject(flow, one.id, {text.substr(at, piece)});
            at += piece;
          }
        }
        each.hold.release();
      }
    }
  });
  std::string sent, got;
  uint32_t counter = 0;
  std::minstd_rand random(seed + 1);
  while (sent.size() < 200'000) {
    const std::string text =
        some_text(std::min<size_t>(1 + random() % 3000, flow.room(Direction::Inbound)), counter);
    sent += text;
    if (!text.empty()) put_all(flow, text);
    model.streams.pump({});
    take_some_of(flow, got, random() % 4000);
  }
  flow.finish(Direction::Inbound);
  while (!flow.finished(Direction::Inbound)) {
    model.streams.pump({});
    take_some_of(flow, got, SIZE_MAX);
  }
  worker.join();
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(model.statuses.size(), model.injected);
  EXPECT_EQ(model.watch.breaches, std::vector<std::string>{});
}

}  // namespace
}  // namespace hookline::filter::testing
