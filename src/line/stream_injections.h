// What drivers inject into streams: the injector has checked and copied it, the filter puts it in
// its place and says what became of it. The parts meet here because no stage includes another.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "line/classifier.h"
#include "line/stream_chunks.h"

namespace hookline {

// One NET_BUFFER_LIST in a stream. The injector's; the filter counts in it, on the packet thread.
struct StreamInjection {
  size_t left = 0;      // bytes that have not ended yet
  int32_t status = 0;   // NTSTATUS: the first failure
  bool placed = false;  // it is in its stream, or has ended: nobody refuses it any more
};

// A part of one list's bytes, in order. Holds a reference of its chunk.
struct StreamPiece {
  StreamChunk* chunk = nullptr;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  StreamInjection* of = nullptr;  // null: nobody waits for it
};

// One call of FwpsStreamInjectAsync0.
struct StreamRequest {
  uint64_t flow = 0;
  uint32_t callout = 0;  // who injects: its place in the stream is where the bytes go
  Direction direction = Direction::Inbound;
  bool end = false;  // behind the bytes nothing follows any more
  std::vector<StreamPiece> pieces;
  std::vector<StreamInjection*> lists;  // all of the call, in order, those without bytes, too
};

// Implemented by the injector.
class StreamEndings {
 public:
  // Everything of the list has ended: the socket, or the server, has taken it (status 0), or it is
  // lost, and `status` says why. Exactly once for each list of an accepted request; the filter does
  // not look at it any more. Packet thread.
  virtual void ended(StreamInjection& injection) = 0;

 protected:
  ~StreamEndings() = default;
};

// Implemented by the filter.
class StreamInjector {
 public:
  // 0: taken over, and the pointer is null. Else an NTSTATUS, and the request is the caller's:
  // there is no such flow (any more), or the callout has no place in it. Any thread, also inside a
  // callout's function on the packet thread.
  virtual int32_t inject(std::unique_ptr<StreamRequest>& request) = 0;
  // Puts into their streams what waits for that. Packet thread, also without StreamFilter::pump().
  virtual void place_waiting() = 0;
  // The pool to copy into.
  virtual StreamChunks& chunks() = 0;
  // Who is told of the ends, before anything is injected.
  virtual void report_to(StreamEndings* endings) = 0;

 protected:
  ~StreamInjector() = default;
};

}  // namespace hookline
