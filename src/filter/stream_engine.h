// The STREAM_V4 layer: bytes of TCP connections pass the filters that stand there, in both
// directions, in a waterfall: what one lets through is what the next, of lower weight, is shown.
//
// - A filter's own block, and a callout that is not registered, reset the connection: bytes cannot
//   be left out of a stream in silence. FWPS_RIGHT_ACTION_WRITE is always there.
// - In a sublayer a permit ends the asking, as everywhere; but nothing overtakes what a filter of
//   the same sublayer still keeps.
// - Injected bytes enter behind all that their callout has decided and in front of all it has not;
//   inside its classifyFn that is in front of what it is just shown. Its own bytes it is not shown.
// - Filters that come while a connection is open are asked about its later bytes if their callout
//   has FWP_CALLOUT_FLAG_ALLOW_MID_STREAM_INSPECTION, or if they have none. When a filter goes,
//   what it kept goes on to the next; but if its callout has clones of what it took out, what
//   follows waits for what it injects, or for the clones to be freed.
// - Bytes shown to a callout lie where they are until its clones and references are freed.
//
// Threads: StreamFilter, and all of a StreamFlow: packet thread. The others as they say.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "filter/engine.h"
#include "filter/flows.h"
#include "filter/report.h"
#include "filter/stream_flow.h"
#include "filter/stream_values.h"
#include "io/wakeups.h"
#include "line/counters.h"
#include "line/stream_injections.h"
#include "line/streams.h"

namespace hookline::filter {

class StreamEngine final : public StreamFilter, public StreamInjector, private StreamSink {
 public:
  // Keeps the references. `wakeups` may be null: whoever calls pump() looks by itself.
  explicit StreamEngine(Engine& engine, io::Wakeups* wakeups = nullptr);
  // Closes what is open. REQUIRES: no callout runs any more.
  ~StreamEngine();
  StreamEngine(const StreamEngine&) = delete;
  StreamEngine& operator=(const StreamEngine&) = delete;

  // StreamFilter
  StreamFlow* open(const Traffic& traffic) override;
  void close(StreamFlow* flow, End how) override;
  bool pump(Now now) override;

  // StreamInjector
  int32_t inject(std::unique_ptr<StreamRequest>& request) override;
  void place_waiting() override {
    if (!running_) take_requests();
  }
  StreamChunks& chunks() override { return chunks_; }
  void report_to(StreamEndings* endings) override { endings_ = endings; }

  // FwpsStreamContinue0. STATUS_NOT_FOUND: there is no such flow (any more), or the callout has no
  // place in it. Any thread; also before the classifyFn that defers has returned.
  NTSTATUS resume(uint64_t flow, uint32_t callout, Direction direction);
  StreamReport report() const;  // any thread

 private:
  friend class StreamConnection;
  struct Continue {
    uint64_t flow;
    uint32_t callout;
    Direction direction;
  };
  // What other threads may know of a connection.
  struct Known {
    uint64_t flow = 0;
    std::vector<uint32_t> callouts;
  };
  // What a filter says of the first bytes of its queue.
  struct Saying {
    enum What : uint8_t { Continue, Permit, Block, More, Drop, Defer, Allow } what = Continue;
    size_t bytes = 0;
    bool cloned = false;  // some of what it was shown
  };

  bool knows(uint64_t flow, uint32_t callout) const;  // REQUIRES: mutex_
  void wake();
  StreamConnection* find(uint64_t flow);
  StreamConnection* find_followed(uint64_t flow);

  // Requests (stream_requests.cc).
  bool running_thread() const;
  void take_requests();
  size_t place_of(const StreamLane& lane, uint32_t callout) const;
  void check_mix(StreamStage& stage);
  void place(StreamRequest& request);
  void refuse(StreamRequest& request, int32_t status);
  void resume_now(const Continue& request);
  void end(const StreamSegment& segment, size_t bytes, int32_t status) override;
  bool release_held();
  void publish_known(const StreamConnection& connection);

  // The filters that stand there (stream_stages.cc).
  void follow(StreamConnection& connection);
  void rebuild(StreamConnection& connection, StreamLane& lane, const Tables& tables);
  void remove_stage(StreamLane& lane, size_t at);
  bool belongs(StreamConnection& connection, const TableFilter& entry) const;

  // Bytes on their way (stream_engine.cc).
  void put(StreamConnection& connection, Direction direction, Bytes bytes);
  void finish(StreamConnection& connection, Direction direction);
  void run(StreamConnection& connection);
  bool advance(StreamConnection& connection, StreamLane& lane);
  bool step(StreamConnection& connection, StreamLane& lane, size_t at);
  bool step_end(StreamConnection& connection, StreamLane& lane, size_t at);
  size_t behind_permit(StreamLane& lane, size_t at) const;
  void pass(StreamLane& lane, size_t at, size_t bytes, size_t to);
  void pass_end(StreamLane& lane, size_t at, size_t to);
  void apply(StreamConnection& connection, StreamLane& lane, size_t at, const Saying& saying,
             bool last_chance);
  void drop(StreamConnection& connection);
  size_t room(const StreamConnection& connection, Direction direction) const;

  // Asking (stream_ask.cc).
  Saying ask(StreamConnection& connection, StreamLane& lane, size_t at, size_t bytes,
             uint32_t out_flags, uint32_t more_flags);
  Saying ask_callout(StreamConnection& connection, StreamLane& lane, size_t at, size_t bytes,
                     uint32_t out_flags, uint32_t more_flags);
  Saying read_answer(StreamStage& stage, const FWPS_CLASSIFY_OUT0& out,
                     const FWPS_STREAM_CALLOUT_IO_PACKET0& packet, size_t bytes);
  void tell_abort(StreamConnection& connection);
  void breach(StreamStage& stage, std::string_view text);
  void check_ways(StreamStage& stage, const Saying& saying);

  Engine& engine_;
  Flows& flows_;
  io::Wakeups* wakeups_;
  StreamEndings* endings_ = nullptr;
  StreamChunks chunks_;
  StreamLists lists_{chunks_};

  std::array<std::unique_ptr<StreamConnection>, kTcpFlowsMax> connections_;
  uint64_t next_stage_ = 1;
  bool running_ = false;     // inside run(): a callout's calls only put into queues
  bool in_callout_ = false;  // inside a classifyFn
  bool any_dirty_ = false;   // a connection that nobody runs at the moment

  std::atomic<std::thread::id> packet_thread_{};
  std::atomic<bool> requested_{false};
  std::atomic<bool> woken_{false};
  mutable std::mutex mutex_;  // what follows; never held across a call of a driver's
  std::array<Known, kTcpFlowsMax> known_;
  std::deque<std::unique_ptr<StreamRequest>> injections_;
  std::deque<Continue> continues_;

  // Packet thread: taken from those.
  std::deque<std::unique_ptr<StreamRequest>> taken_;
  std::deque<Continue> taken_continues_;

  struct Counts {
    Counter opened, refused;
    Counter indications, indicated_bytes, blocked_bytes;
    Counter injected_lists, injected_bytes, ended_lists, failed_lists;
    Counter deferred, continued, gathered, dropped;
  } counts_;
  size_t open_ = 0;
};

}  // namespace hookline::filter
