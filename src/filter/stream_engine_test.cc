#include "filter/stream_testing.h"

namespace hookline::filter::testing {
namespace {

using End = StreamFilter::End;
using Packet = FWPS_STREAM_CALLOUT_IO_PACKET0;
using Out = FWPS_CLASSIFY_OUT0;
constexpr Direction kIn = Direction::Inbound;
constexpr Direction kOut = Direction::Outbound;

TEST_F(StreamTest, BytesPassWithoutFilters) {
  StreamFlow& flow = open();
  EXPECT_EQ(flow.room(kIn), kStreamBufferedBytesMax);
  put(flow, "abc");
  put(flow, "def");
  put(flow, "reply", kOut);
  EXPECT_EQ(take(flow), "abcdef");
  EXPECT_FALSE(flow.finished(kIn));
  flow.finish(kIn);
  EXPECT_TRUE(flow.finished(kIn));
  EXPECT_EQ(flow.room(kIn), 0u);
  EXPECT_EQ(take(flow, kOut), "reply");
}

TEST_F(StreamTest, WhatIsNotTakenIsBounded) {
  StreamFlow& flow = open();
  put(flow, std::string(kStreamBufferedBytesMax, 'x'));
  EXPECT_EQ(flow.room(kIn), 0u);
  EXPECT_EQ(flow.room(kOut), kStreamBufferedBytesMax);
  flow.take(kIn, 100);
  EXPECT_EQ(flow.room(kIn), 100u);
}

TEST_F(StreamTest, MoreConnectionsThanThereIsRoomForAreRefused) {
  for (size_t i = 0; i < kTcpFlowsMax; ++i) open();
  EXPECT_EQ(streams.open(Traffic{}), nullptr);
  EXPECT_EQ(streams.report().refused, 1u);
  EXPECT_EQ(streams.report().open, kTcpFlowsMax);
}

TEST_F(StreamTest, TheHeavierIsAskedFirstAndItsLeavingsAreShownToTheNext) {
  StreamCallout& low = add(1);
  StreamCallout& high = add(9);
  std::vector<std::string> seen;
  high.on = [&](Packet& packet, Out& out) {
    EXPECT_EQ(packet.streamData->flags, UINT32{FWPS_STREAM_FLAG_RECEIVE});
    seen.push_back("high " + text_of(*packet.streamData));
    out.actionType = FWP_ACTION_PERMIT;
    if (text_of(*packet.streamData)[0] == 'b') out.actionType = FWP_ACTION_BLOCK;
    packet.countBytesEnforced = 1;
  };
  low.on = [&](Packet& packet, Out& out) {
    seen.push_back("low " + text_of(*packet.streamData));
    out.actionType = FWP_ACTION_CONTINUE;
  };
  StreamFlow& flow = open();
  put(flow, "abc");
  EXPECT_EQ(seen, (std::vector<std::string>{"high abc", "high bc", "high c", "low ac"}));
  EXPECT_EQ(take(flow), "ac");
  EXPECT_EQ(watch.breaches, std::vector<std::string>{});
  EXPECT_EQ(streams.report().blocked_bytes, 1u);
}

TEST_F(StreamTest, MoreDataIsGatheredAndShownTogether) {
  StreamCallout& one = add(1);
  std::vector<std::string> seen;
  one.on = [&](Packet& packet, Out& out) {
    const std::string text = text_of(*packet.streamData);
    seen.push_back(text + (out.flags & FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA ? "|" : ""));
    out.actionType = FWP_ACTION_PERMIT;
    if (text.empty() || out.flags != 0 || text.size() >= 6) return;
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
    packet.countBytesRequired = static_cast<UINT32>(6 - text.size());
  };
  StreamFlow& flow = open();
  put(flow, "ab");
  put(flow, "cd");
  EXPECT_EQ(take(flow), "");
  put(flow, "efg");
  EXPECT_EQ(take(flow), "abcdefg");
  put(flow, "xy");
  flow.finish(kIn);
  EXPECT_EQ(take(flow), "xy");
  EXPECT_TRUE(flow.finished(kIn));
  EXPECT_EQ(seen, (std::vector<std::string>{"ab", "abcdefg", "xy", "xy|", ""}));
  EXPECT_EQ(watch.breaches, std::vector<std::string>{});
}

TEST_F(StreamTest, GatheringEndsAtItsLimit) {
  StreamCallout& one = add(1);
  size_t most = 0;
  one.on = [&](Packet& packet, Out& out) {
    most = std::max<size_t>(most, packet.streamData->dataLength);
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
    if ((out.flags & FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED) != 0) {
      EXPECT_EQ(packet.streamData->dataLength, kStreamGatheredBytesMax);
    }
  };
  StreamFlow& flow = open();
  const std::string block(kStreamBufferedBytesMax, 'x');
  for (size_t put_bytes = 0; put_bytes < kStreamGatheredBytesMax; put_bytes += block.size()) {
    put(flow, block);
  }
  EXPECT_EQ(most, kStreamGatheredBytesMax);
  ASSERT_EQ(watch.breaches.size(), 1u);
  EXPECT_NE(watch.breaches[0].find("NEED_MORE_DATA although"), std::string::npos);
  EXPECT_EQ(take(flow).size(), kStreamGatheredBytesMax);
}

TEST_F(StreamTest, DeferStopsTheStreamUntilItIsContinued) {
  StreamCallout& one = add(1);
  bool ready = false;
  one.on = [&](Packet& packet, Out& out) {
    out.actionType = ready ? FWP_ACTION_PERMIT : FWP_ACTION_NONE;
    if (!ready) packet.streamAction = FWPS_STREAM_ACTION_DEFER;
  };
  StreamFlow& flow = open();
  put(flow, "abc");
  EXPECT_EQ(flow.room(kIn), 0u);
  EXPECT_NE(flow.room(kOut), 0u);
  EXPECT_EQ(one.calls, 1);
  flow.finish(kIn);
  EXPECT_EQ(one.calls, 1);
  ready = true;
  const auto resume = [&](UINT64 id, UINT16 at, UINT32 flags) {
    return engine.FwpsStreamContinue0(id, one.id, at, flags);
  };
  EXPECT_EQ(resume(flow.handle(), FWPS_LAYER_STREAM_V4, 0), STATUS_FWP_INVALID_PARAMETER);
  EXPECT_EQ(resume(flow.handle(), 3, FWPS_STREAM_FLAG_RECEIVE), STATUS_FWP_INVALID_PARAMETER);
  EXPECT_EQ(resume(99, FWPS_LAYER_STREAM_V4, FWPS_STREAM_FLAG_RECEIVE), STATUS_NOT_FOUND);
  EXPECT_EQ(resume(flow.handle(), FWPS_LAYER_STREAM_V4, FWPS_STREAM_FLAG_RECEIVE), STATUS_SUCCESS);
  EXPECT_EQ(take(flow), "") << "nothing happens on the caller's stack";
  EXPECT_TRUE(streams.pump({}));
  EXPECT_EQ(take(flow), "abc");
  EXPECT_TRUE(flow.finished(kIn));
  EXPECT_EQ(resume(flow.handle(), FWPS_LAYER_STREAM_V4, FWPS_STREAM_FLAG_RECEIVE), STATUS_SUCCESS);
  streams.pump({});
  ASSERT_EQ(watch.breaches.size(), 1u);
  EXPECT_NE(watch.breaches[0].find("not deferred"), std::string::npos);
}

// Another thread may be faster than the classifyFn returns.
TEST_F(StreamTest, AContinueBeforeDeferHasReturnedIsNotLost) {
  StreamCallout& one = add(1);
  StreamFlow& flow = open();
  one.on = [&](Packet& packet, Out& out) {
    out.actionType = FWP_ACTION_PERMIT;
    if (one.calls != 1) return;
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_DEFER;
    EXPECT_EQ(engine.FwpsStreamContinue0(flow.handle(), one.id, FWPS_LAYER_STREAM_V4,
                                         FWPS_STREAM_FLAG_RECEIVE),
              STATUS_SUCCESS);
  };
  put(flow, "abc");
  streams.pump({});
  EXPECT_EQ(take(flow), "abc");
  EXPECT_EQ(watch.breaches, std::vector<std::string>{});
}

TEST_F(StreamTest, AConnectionIsDropped) {
  StreamCallout& one = add(1);
  std::vector<UINT32> flags;
  one.on = [&](Packet& packet, Out& out) {
    flags.push_back(packet.streamData->flags);
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
  };
  StreamFlow& flow = open();
  put(flow, "abc");
  EXPECT_TRUE(flow.must_reset());
  EXPECT_EQ(flow.room(kIn), 0u);
  EXPECT_TRUE(flow.passed(kIn).empty());
  close(flow, End::Reset);
  EXPECT_EQ(flags.size(), 3u);  // the bytes, and that it was aborted, each way
  EXPECT_EQ(streams.report().dropped, 1u);
}

TEST_F(StreamTest, AnAllowedConnectionIsNotShownAgain) {
  StreamCallout& one = add(1);
  one.on = [&](Packet& packet, Out& out) {
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_ALLOW_CONNECTION;
  };
  StreamFlow& flow = open();
  put(flow, "abc");
  put(flow, "def", kOut);
  flow.finish(kIn);
  EXPECT_EQ(one.calls, 1);
  EXPECT_EQ(take(flow), "abc");
  EXPECT_EQ(take(flow, kOut), "def");
  EXPECT_TRUE(flow.finished(kIn));
}

TEST_F(StreamTest, AFiltersOwnBlockAndAMissingCalloutResetTheConnection) {
  StreamCallout& gone = add(1);
  StreamFlow& flow = open();
  ASSERT_EQ(engine.FwpsCalloutUnregisterById0(gone.id), STATUS_SUCCESS);
  registered.clear();
  put(flow, "a");
  EXPECT_TRUE(flow.must_reset());
}

// In line: up to what it replaces, then what stands for it, and that is blocked.
TEST_F(StreamTest, InjectedInClassifyGoesInFrontOfWhatIsShown) {
  StreamCallout& editor = add(9);
  StreamCallout& below = add(1);
  StreamFlow& flow = open();
  editor.on = [&](Packet& packet, Out& out) {
    const std::string text = text_of(*packet.streamData);
    const size_t at = text.find("cat");
    out.actionType = FWP_ACTION_PERMIT;
    if (at == std::string::npos) return;
    packet.countBytesEnforced = at;
    if (at != 0) return;
    EXPECT_EQ(inject(flow, editor.id, {"elephant"}), STATUS_SUCCESS);
    out.actionType = FWP_ACTION_BLOCK;
    packet.countBytesEnforced = 3;
  };
  std::string seen;
  below.on = [&](Packet& packet, Out& out) {
    seen += text_of(*packet.streamData);
    out.actionType = FWP_ACTION_PERMIT;
  };
  put(flow, "a cat and a cat.");
  EXPECT_EQ(seen, "a elephant and a elephant.");
  EXPECT_EQ(statuses.size(), 0u) << "nobody has taken it yet";
  EXPECT_EQ(take(flow), seen);
  EXPECT_EQ(statuses, (std::vector<int32_t>{STATUS_SUCCESS, STATUS_SUCCESS}));
  EXPECT_EQ(editor.calls, 5);
  EXPECT_EQ(watch.breaches, std::vector<std::string>{});
}

TEST_F(StreamTest, OutOfBandBytesKeepTheirPlaceAndTheEndWaits) {
  StreamCallout& one = add(9);
  StreamFlow& flow = open();
  std::vector<Hold> held;
  one.on = [&](Packet& packet, Out& out) {
    held.emplace_back(*packet.streamData);
    out.actionType = FWP_ACTION_BLOCK;
  };
  put(flow, "abc");
  put(flow, "def");
  flow.finish(kIn);
  EXPECT_EQ(take(flow), "");
  EXPECT_FALSE(flow.finished(kIn));
  ASSERT_EQ(held.size(), 3u);
  EXPECT_EQ(held[0].text() + held[1].text() + held[2].text(), "abcdef");
  EXPECT_EQ(inject(flow, one.id, {"ABC", "DEF"}), STATUS_SUCCESS);
  EXPECT_EQ(inject(flow, one.id, {}, true), STATUS_SUCCESS);
  for (Hold& hold : held) hold.release();
  EXPECT_TRUE(streams.pump({}));
  EXPECT_EQ(one.calls, 3) << "its own bytes are not shown to it";
  EXPECT_EQ(flow.passed(kIn).size(), 3u);
  flow.take(kIn, 3);
  EXPECT_EQ(statuses.size(), 1u);
  EXPECT_EQ(take(flow), "DEF");
  EXPECT_TRUE(flow.finished(kIn));
  EXPECT_EQ(statuses.size(), 2u);
  EXPECT_EQ(inject(flow, one.id, {"late"}), STATUS_SUCCESS);
  streams.pump({});
  EXPECT_EQ(statuses.back(), STATUS_CONNECTION_DISCONNECTED);
  EXPECT_EQ(watch.breaches, std::vector<std::string>{});
}

TEST_F(StreamTest, EndsOfWhatIsUnderWaySayWhy) {
  const auto fate = [&](End how, bool dropped) {
    StreamCallout& one = callouts.empty() ? add(1) : callouts.front();
    one.on = [&](Packet& packet, Out& out) {
      out.actionType = FWP_ACTION_PERMIT;
      if (dropped) packet.streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
    };
    StreamFlow& flow = open();
    EXPECT_EQ(inject(flow, one.id, {"abc"}), STATUS_SUCCESS);
    streams.pump({});
    if (dropped) put(flow, "x");
    statuses.clear();
    close(flow, how);
    EXPECT_EQ(statuses.size(), 1u);
    return statuses.empty() ? 0 : statuses[0];
  };
  EXPECT_EQ(fate(End::Reset, false), STATUS_CONNECTION_RESET);
  EXPECT_EQ(fate(End::Reset, true), STATUS_CONNECTION_ABORTED);
  EXPECT_EQ(fate(End::Closed, false), STATUS_CONNECTION_ABORTED);
  EXPECT_EQ(fate(End::Shutdown, false), STATUS_CANCELLED);
}

TEST_F(StreamTest, BlockedByALowerOneIsDeniedAndTakenByItIsDone) {
  StreamCallout& high = add(9);
  StreamCallout& low = add(1);
  StreamFlow& flow = open();
  low.on = [&](Packet&, Out& out) { out.actionType = FWP_ACTION_BLOCK; };
  inject(flow, high.id, {"abc"});
  streams.pump({});
  std::vector<Hold> held;
  low.on = [&](Packet& packet, Out& out) {
    held.emplace_back(*packet.streamData);
    out.actionType = FWP_ACTION_BLOCK;
  };
  inject(flow, high.id, {"def"});
  streams.pump({});
  EXPECT_EQ(statuses, (std::vector<int32_t>{STATUS_ACCESS_DENIED, STATUS_SUCCESS}));
  EXPECT_EQ(held.at(0).text(), "def") << "the bytes live as long as the clone";
  held[0].release();
}

TEST_F(StreamTest, UnknownFlowsAndCalloutsAreRefused) {
  StreamCallout& one = add(1);
  StreamFlow& flow = open();
  EXPECT_EQ(inject(flow, one.id + 77, {"x"}), STATUS_NOT_FOUND);
  EXPECT_EQ(inject(flow.handle() + 77, one.id, {"x"}, false, kIn), STATUS_NOT_FOUND);
  const uint64_t id = flow.handle();
  close(flow, End::Closed);
  EXPECT_EQ(inject(id, one.id, {"x"}, false, kIn), STATUS_NOT_FOUND);
  EXPECT_EQ(statuses.size(), 0u);
}

TEST_F(StreamTest, FiltersThatComeLaterSeeOnlyNewConnectionsUnlessTheyMay) {
  StreamFlow& old = open();
  put(old, "abc");
  StreamCallout& strict = add(5);
  StreamCallout& any =
      add(4, FWP_ACTION_CALLOUT_TERMINATING, FWP_CALLOUT_FLAG_ALLOW_MID_STREAM_INSPECTION);
  std::vector<size_t> missed;
  any.on = [&](Packet& packet, Out& out) {
    missed.push_back(packet.missedBytes);
    out.actionType = FWP_ACTION_PERMIT;
  };
  put(old, "def");
  put(old, "ghi");
  EXPECT_EQ(strict.calls, 0);
  EXPECT_EQ(missed, (std::vector<size_t>{3, 0}));
  StreamFlow& fresh = open();
  put(fresh, "x");
  EXPECT_EQ(strict.calls, 1);
  EXPECT_EQ(take(old), "abcdefghi");
}

TEST_F(StreamTest, WhatAGoneFilterKeptGoesOn) {
  StreamCallout& one = add(9);
  StreamCallout& next = add(1);
  one.on = [&](Packet& packet, Out& out) {
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_DEFER;
  };
  StreamFlow& flow = open();
  put(flow, "abc");
  flow.finish(kIn);
  remove_filter(0);
  EXPECT_TRUE(streams.pump({}));
  EXPECT_EQ(take(flow), "abc");
  EXPECT_TRUE(flow.finished(kIn));
  EXPECT_EQ(next.calls, 2);
}

// A driver that is unloaded closes its session first, and then injects what it still has.
TEST_F(StreamTest, WhatIsOutAsClonesComesBackBeforeWhatFollows) {
  StreamCallout& one = add(9);
  StreamFlow& flow = open();
  std::vector<Hold> held;
  one.on = [&](Packet& packet, Out& out) {
    held.emplace_back(*packet.streamData);
    out.actionType = FWP_ACTION_BLOCK;
  };
  put(flow, "abc");
  remove_filter(0);
  put(flow, "def");
  flow.finish(kIn);
  streams.pump({});
  EXPECT_EQ(take(flow), "");
  EXPECT_EQ(inject(flow, one.id, {"ABC"}), STATUS_SUCCESS);
  streams.pump({});
  EXPECT_EQ(take(flow), "ABC");
  EXPECT_FALSE(flow.finished(kIn));
  held[0].release();
  EXPECT_TRUE(streams.pump({}));
  EXPECT_EQ(take(flow), "def");
  EXPECT_TRUE(flow.finished(kIn));
}

TEST_F(StreamTest, NobodyInASublayerIsAskedBehindAPermit) {
  StreamCallout& first = add(5);
  StreamCallout& second = add(4);
  remove_filter(1);
  add_filter(second, key(1001), FWP_ACTION_CALLOUT_TERMINATING, 0);
  StreamFlow& flow = open();
  put(flow, "a");
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  first.on = [](auto&, auto& out) { out.actionType = FWP_ACTION_CONTINUE; };
  put(flow, "b");
  EXPECT_EQ(second.calls, 1);
  EXPECT_EQ(take(flow), "ab");
}

TEST_F(StreamTest, BrokenRulesAreNamed) {
  StreamCallout& one = add(9);
  StreamFlow& flow = open();
  const auto breach = [&](StreamCallout::On on, FWP_ACTION_TYPE = 0) {
    one.on = std::move(on);
    watch.breaches.clear();
    put(flow, "abc");
    const std::string all = watch.breaches.size() == 1 ? watch.breaches[0] : "(not one)";
    return all;
  };
  EXPECT_EQ(breach([](auto&, auto&) {}), "classifyFn did not set actionType: the bytes go on");
  EXPECT_EQ(breach([](Packet& packet, Out& out) {
              out.actionType = FWP_ACTION_PERMIT;
              packet.countBytesEnforced = 4;
            }),
            "countBytesEnforced is more than it was shown: all of that is meant");
  EXPECT_EQ(breach([](Packet& packet, Out& out) {
              out.actionType = FWP_ACTION_NONE;
              packet.streamAction = FWPS_STREAM_ACTION_TYPE_MAX;
            }),
            "a streamAction that is none: the bytes go on");
  EXPECT_EQ(breach([](Packet&, Out& out) { out.actionType = 77; }),
            "an actionType that is none: the bytes go on");
  EXPECT_EQ(take(flow), "abcabcabcabc");
  std::vector<Hold> held;
  const std::string mixed = breach([&](Packet& packet, Out& out) {
    held.emplace_back(*packet.streamData);
    out.actionType = FWP_ACTION_BLOCK;
  });
  EXPECT_EQ(mixed.substr(0, 38), "in line and out of band in one stream:");
  held[0].release();
  watch.breaches.clear();
  flow.finish(kIn);
  one.on = [](Packet& packet, Out& out) {
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_DEFER;
  };
  put(flow, "abc", kOut);
  one.on = [](auto&, auto& out) { out.actionType = FWP_ACTION_PERMIT; };
  EXPECT_EQ(inject(flow, one.id, {"x"}, false, kOut), STATUS_SUCCESS);
  streams.resume(flow.handle(), one.id, kOut);
  streams.pump({});
  ASSERT_EQ(watch.breaches.size(), 1u);
  EXPECT_EQ(watch.breaches[0], "FwpsStreamInjectAsync0 and FwpsStreamContinue0 for one stream");
}

TEST_F(StreamTest, AnInspectionMayOnlyLook) {
  StreamCallout& one = add(9, FWP_ACTION_CALLOUT_INSPECTION);
  StreamFlow& flow = open();
  one.on = [](auto&, auto& out) { out.actionType = FWP_ACTION_CONTINUE; };
  put(flow, "a");
  EXPECT_EQ(watch.breaches.size(), 0u);
  one.on = [](auto&, auto& out) { out.actionType = FWP_ACTION_BLOCK; };
  put(flow, "b");
  one.on = [](auto& packet, auto& out) {
    out.actionType = FWP_ACTION_NONE;
    packet.streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
  };
  put(flow, "c");
  EXPECT_EQ(watch.breaches.size(), 2u);
  EXPECT_EQ(take(flow), "abc");
}

}  // namespace
}  // namespace hookline::filter::testing
