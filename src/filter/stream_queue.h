// Bytes of one direction of a stream that wait at one place, in order, and behind them the end, if
// it has come. Bytes are shared, never copied, once they lie in a chunk. Packet thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/bytes.h"
#include "line/stream_chunks.h"
#include "line/stream_injections.h"

namespace hookline::filter {

struct StreamSegment {
  StreamChunk* chunk = nullptr;  // one reference
  uint32_t offset = 0;
  uint32_t bytes = 0;
  uint32_t injected_by = 0;       // callout id; 0: nobody
  StreamInjection* of = nullptr;  // null: nobody waits for it

  uint8_t* data() const { return chunk->bytes.data() + offset; }
};

// What becomes of bytes that leave the stream.
class StreamSink {
 public:
  // `segment`'s first `bytes` bytes have ended: 0, or an NTSTATUS. The chunk is still referenced.
  virtual void end(const StreamSegment& segment, size_t bytes, int32_t status) = 0;

 protected:
  ~StreamSink() = default;
};

class StreamQueue {
 public:
  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0 && !end_; }
  const std::deque<StreamSegment>& segments() const { return segments_; }

  // Takes over the segment's reference. REQUIRES: !closed(), bytes > 0.
  void push(StreamChunks& chunks, const StreamSegment& segment);
  // Copies, as much as there are chunks for; returns how much.
  size_t copy_in(StreamChunks& chunks, Bytes bytes);

  // The first `bytes` bytes. REQUIRES: there are as many; `to` is not closed.
  void move(size_t bytes, StreamQueue& to, StreamChunks& chunks);
  void drop(size_t bytes, StreamChunks& chunks, StreamSink& sink, int32_t status);
  // Everything, and the end; what does not follow behind the end of `to` is dropped. Returns the
  // number of those bytes.
  size_t move_all(StreamQueue& to, StreamChunks& chunks, StreamSink& sink, int32_t status);

  // The end waits here, behind the bytes.
  bool has_end() const { return end_; }
  uint32_t ended_by() const { return ended_by_; }  // callout id; 0: not injected
  // The end was put here once: nothing more can be.
  bool closed() const { return closed_; }
  // False: it was closed before.
  bool close(uint32_t by);
  // REQUIRES: has_end(), no bytes. False: `to` was closed before; the end is gone all the same.
  bool move_end(StreamQueue& to);
  void drop_end() { end_ = false; }
  // As if the end had been here.
  void set_closed() { closed_ = true; }

 private:
  std::deque<StreamSegment> segments_;
  size_t bytes_ = 0;
  bool end_ = false;
  bool closed_ = false;
  uint32_t ended_by_ = 0;
};

}  // namespace hookline::filter
