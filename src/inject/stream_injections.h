// FwpsStreamInjectAsync0: what drivers inject into TCP streams. A call is checked and its bytes are
// copied inside it, on the driver's thread; the filter puts them in their place
// (line/stream_injections.h); each list of the chain has one completion, which says what became of
// its bytes:
//
//   STATUS_SUCCESS                  the socket has accepted them (SEND), or the server has consumed
//                                   them (RECEIVE); or another callout has taken them out as clones
//   STATUS_ACCESS_DENIED            another callout has blocked them
//   STATUS_CONNECTION_RESET         the connection was reset before
//   STATUS_CONNECTION_ABORTED       it was closed, or a callout dropped it, before
//   STATUS_CONNECTION_DISCONNECTED  the direction was ended before
//   STATUS_FWP_CALLOUT_NOT_FOUND    the callout has no place in the stream any more
//   STATUS_CANCELLED                the handle, or the server, is being closed: it is waited for
//                                   kStreamDrainNs; the bytes stay in the stream
//
// A part of Injections, whose handles and whose mutex these are; threads as there.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "inject/injections.h"
#include "line/stream_injections.h"

namespace hookline::inject {

// How long a handle that is being destroyed waits for streams to take what is in them.
inline constexpr int64_t kStreamDrainNs = 200'000'000;

class StreamInjections final : public StreamEndings {
 public:
  explicit StreamInjections(Injections& all);
  StreamInjections(const StreamInjections&) = delete;
  StreamInjections& operator=(const StreamInjections&) = delete;

  // One call of the function, from whatever thread.
  struct Call {
    HANDLE handle;
    UINT32 flags;
    UINT64 flow;
    UINT32 callout;
    UINT16 layer;
    UINT32 stream_flags;
    NET_BUFFER_LIST* lists;
    SIZE_T bytes;
    FWPS_INJECT_COMPLETE0 completion;
    HANDLE context;

    bool inbound() const { return (stream_flags & FWPS_STREAM_FLAG_RECEIVE) != 0; }
  };
  NTSTATUS inject(Driver& driver, const Call& call);

  // Packet thread.
  void ended(StreamInjection& injection) override;
  // In Injections::pump(): cancels what waits for a handle that is being closed, for too long.
  void pump(Now now);
  // Completes what has ended, and adds it to Injections' ended lists; then, with the mutex, the
  // places are free again.
  void complete();
  void free_done();
  bool due() const { return !ready_.empty(); }
  bool waits() const { return closing_; }
  // Lists without their completion. REQUIRES: the mutex.
  size_t pending() const { return pending_; }

  // Of an unloaded driver: no completion of its any more. REQUIRES: the mutex.
  void abandon(Driver& driver);
  // When none of its completions runs any more: its lists are nobody's.
  void give_back(Driver& driver);

 private:
  friend class Injections;
  struct Entry : StreamInjection {
    Entry* next = nullptr;  // of the free ones, and of one call's
    Driver* driver = nullptr;
    uint32_t handle = 0;
    NET_BUFFER_LIST* list = nullptr;
    FWPS_INJECT_COMPLETE0 completion = nullptr;
    HANDLE context = nullptr;
    bool used = false;
    bool lent = false;
    bool over = false;  // its bytes have ended: packet thread
    bool told = false;  // its completion is done, or is nobody's business: packet thread
    std::atomic<bool> abandoned{false};
  };
  using Lock = std::unique_lock<std::mutex>;

  NTSTATUS refuse(Driver& driver, const Call& call, NTSTATUS status, std::string_view breach);
  NTSTATUS check(const Call& call, std::string_view& why) const;
  bool lend(const Call& call, size_t& lists, std::string_view& why);
  void give_back(const Call& call, size_t lists);
  NTSTATUS admit(Driver& driver, const Call& call, size_t lists, Entry** out,
                 std::string_view& why);
  void take_back(Entry* first, size_t lists, bool inbound);
  bool copy(const Call& call, Entry* first, StreamRequest& request);
  void complete_inline(Driver& driver, const Call& call, Entry* first, size_t lists);
  void free(Entry* first);
  void tell(Entry& entry, NTSTATUS status);

  Injections& all_;
  StreamInjector* streams_ = nullptr;
  std::unique_ptr<Entry[]> entries_;
  Entry* free_ = nullptr;      // guarded by the mutex
  size_t free_count_ = 0;      // so
  size_t pending_ = 0;         // so
  std::vector<Entry*> ready_;  // packet thread: ended, in order
  std::vector<Entry*> done_;   // packet thread: to be freed
  size_t told_ = 0;            // packet thread: since the last free_done()
  bool closing_ = false;       // packet thread: something waits for its time
};

}  // namespace hookline::inject
