#include "inject/stream_injections.h"

#include <gtest/gtest.h>

#include <thread>

#include "inject/lists_testing.h"
#include "inject/testing.h"

namespace hookline::inject::testing {
namespace {

using lists_testing::FakeDriver;
using lists_testing::Packet;

constexpr UINT32 kSend = FWPS_STREAM_FLAG_SEND;
constexpr uint64_t kFlow = 7;

// Streams that end what they are told to.
class FakeStreams final : public StreamInjector {
 public:
  int32_t inject(std::unique_ptr<StreamRequest>& request) override {
    if (request->flow != kFlow) return STATUS_NOT_FOUND;
    requests.push_back(std::move(request));
    return STATUS_SUCCESS;
  }
  void place_waiting() override {
    for (const auto& request : requests) {
      for (StreamInjection* list : request->lists) list->placed = true;
    }
  }
  StreamChunks& chunks() override { return chunks_; }
  void report_to(StreamEndings* endings) override { endings_ = endings; }

  std::string text() const {
    std::string out;
    for (const auto& request : requests) {
      for (const StreamPiece& piece : request->pieces) {
        out.append(reinterpret_cast<const char*>(piece.chunk->bytes.data()) + piece.offset,
                   piece.bytes);
      }
    }
    return out;
  }
  void end_all(int32_t status) {
    for (const auto& request : std::exchange(requests, {})) {
      for (const StreamPiece& piece : request->pieces) chunks_.drop(piece.chunk);
      for (StreamInjection* list : request->lists) {
        list->left = 0;
        list->status = status;
        endings_->ended(*list);
      }
    }
  }

  std::vector<std::unique_ptr<StreamRequest>> requests;

 private:
  StreamChunks chunks_{4};
  StreamEndings* endings_ = nullptr;
};

class StreamInjectionsTest : public ::testing::Test {
 protected:
  StreamInjectionsTest() {
    injections.inject_streams_by(streams);
    EXPECT_EQ(injections.FwpsInjectionHandleCreate0(driver, HOOKLINE_AF_INET,
                                                    FWPS_INJECTION_TYPE_STREAM, &handle),
              STATUS_SUCCESS);
  }
  // While the lists are still there.
  void end_all() {
    streams.end_all(STATUS_SUCCESS);
    injections.pump(now);
  }
  void TearDown() override {
    EXPECT_EQ(streams.chunks().out(), 0u);
    EXPECT_EQ(injections.in_flight(), 0u);
  }
  static void NTAPI complete(void* self, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
    EXPECT_EQ(list->Next, nullptr);
    EXPECT_TRUE(dispatch_level);
    static_cast<StreamInjectionsTest*>(self)->completed.emplace_back(list, list->Status);
  }
  NTSTATUS inject(NET_BUFFER_LIST* lists, size_t bytes, UINT32 flags = kSend, uint64_t flow = kFlow,
                  UINT16 layer = FWPS_LAYER_STREAM_V4) {
    return injections.FwpsStreamInjectAsync0(driver, handle, nullptr, 0, flow, 300, layer, flags,
                                             lists, bytes, &complete, this);
  }

  FakeLinks links;
  FakePort port;
  Counters counters;
  FakeClassifier classifier;
  Logger log{stderr, LogLevel::Error};
  FakeDriver driver;
  FakeStreams streams;
  Injections injections{port, links, classifier, counters, log};
  HANDLE handle = nullptr;
  Now now{1'000'000'000, 0};
  std::vector<std::pair<NET_BUFFER_LIST*, NTSTATUS>> completed;
};

TEST_F(StreamInjectionsTest, EachListOfAChainCompletesOnceWithItsStatus) {
  Packet one({3, 2}), two({4});
  one.list.Next = &two.list;
  ASSERT_EQ(inject(&one.list, 9), STATUS_SUCCESS);
  EXPECT_EQ(streams.text(), std::string("\0\1\2\3\4\0\1\2\3", 9));
  injections.pump(now);
  EXPECT_TRUE(completed.empty());
  streams.end_all(STATUS_CONNECTION_RESET);
  EXPECT_TRUE(completed.empty()) << "not on somebody's stack";
  EXPECT_TRUE(injections.due());
  injections.pump(now);
  ASSERT_EQ(completed.size(), 2u);
  EXPECT_EQ(completed[0], std::pair(&one.list, STATUS_CONNECTION_RESET));
  EXPECT_EQ(completed[1], std::pair(&two.list, STATUS_CONNECTION_RESET));
}

TEST_F(StreamInjectionsTest, WhatIsRefused) {
  Packet one({5});
  const auto refused = [&](NTSTATUS status, NTSTATUS expected) {
    EXPECT_EQ(status, expected);
    EXPECT_EQ(driver.breaches().size(), 1u);
  };
  refused(inject(&one.list, 4), STATUS_INVALID_PARAMETER);
  refused(inject(&one.list, 5, 0), STATUS_FWP_INVALID_PARAMETER);
  refused(inject(nullptr, 0, FWPS_STREAM_FLAG_SEND_DISCONNECT), STATUS_FWP_INVALID_PARAMETER);
  refused(inject(&one.list, 5, kSend | FWPS_STREAM_FLAG_RECEIVE), STATUS_FWP_INVALID_PARAMETER);
  refused(inject(&one.list, 5, kSend | FWPS_STREAM_FLAG_SEND_ABORT), STATUS_FWP_INVALID_PARAMETER);
  refused(inject(nullptr, 0), STATUS_FWP_NULL_POINTER);
  refused(inject(&one.list, 5, kSend, kFlow, 3), STATUS_FWP_INVALID_PARAMETER);
  refused(injections.FwpsStreamInjectAsync0(driver, handle, nullptr, 0, kFlow, 300,
                                            FWPS_LAYER_STREAM_V4, kSend, &one.list, 5, nullptr,
                                            nullptr),
          STATUS_FWP_NULL_POINTER);
  EXPECT_EQ(inject(&one.list, 5, kSend, 8), STATUS_NOT_FOUND);
  HANDLE other = nullptr;
  ASSERT_EQ(injections.FwpsInjectionHandleCreate0(driver, HOOKLINE_AF_INET,
                                                  FWPS_INJECTION_TYPE_TRANSPORT, &other),
            STATUS_SUCCESS);
  std::swap(handle, other);
  refused(inject(&one.list, 5), STATUS_FWP_INJECT_HANDLE_STALE);
  std::swap(handle, other);
  EXPECT_EQ(inject(&one.list, 5), STATUS_SUCCESS) << "the list stayed the caller's";
  end_all();
}

TEST_F(StreamInjectionsTest, AnEndWithoutAListHasNoCompletion) {
  ASSERT_EQ(inject(nullptr, 0, kSend | FWPS_STREAM_FLAG_SEND_DISCONNECT), STATUS_SUCCESS);
  ASSERT_EQ(streams.requests.size(), 1u);
  EXPECT_TRUE(streams.requests[0]->end);
  streams.end_all(STATUS_SUCCESS);
  injections.pump(now);
  EXPECT_TRUE(completed.empty());
}

TEST_F(StreamInjectionsTest, NoMoreBytesThanThereIsRoomFor) {
  Packet large({size_t{5} * kStreamChunkBytes});
  EXPECT_EQ(inject(&large.list, 5 * kStreamChunkBytes), STATUS_INSUFFICIENT_RESOURCES);
  EXPECT_EQ(streams.chunks().out(), 0u);
}

TEST_F(StreamInjectionsTest, NoMoreListsThanThereIsRoomFor) {
  std::deque<NET_BUFFER_LIST> lists(kStreamInjectionsMax + 1);
  for (NET_BUFFER_LIST& list : lists) std::memset(&list, 0, sizeof list);
  for (size_t i = 0; i < kStreamInjectionsMax; ++i) ASSERT_EQ(inject(&lists[i], 0), STATUS_SUCCESS);
  EXPECT_EQ(inject(&lists.back(), 0), STATUS_INSUFFICIENT_RESOURCES);
  end_all();
}

TEST_F(StreamInjectionsTest, DestroyWaitsForTheStreamButNotForEver) {
  Packet one({5});
  ASSERT_EQ(inject(&one.list, 5), STATUS_SUCCESS);
  injections.pump(now);
  std::atomic<bool> destroyed{false};
  std::thread other([&] {
    EXPECT_EQ(injections.FwpsInjectionHandleDestroy0(driver, handle), STATUS_SUCCESS);
    destroyed = true;
  });
  while (inject(&one.list, 5) != STATUS_FWP_INJECT_HANDLE_CLOSING) std::this_thread::yield();
  injections.pump(now);
  EXPECT_FALSE(destroyed);
  EXPECT_TRUE(injections.waits());
  now.boot_ns += kStreamDrainNs;
  injections.pump(now);
  other.join();
  ASSERT_GE(completed.size(), 1u);
  EXPECT_EQ(completed[0].second, STATUS_CANCELLED);
  const size_t before = completed.size();
  streams.end_all(STATUS_SUCCESS);
  injections.pump(now);
  EXPECT_EQ(completed.size(), before) << "nothing completes after the handle";
}

}  // namespace
}  // namespace hookline::inject::testing
