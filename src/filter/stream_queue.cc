#include "filter/stream_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace hookline::filter {

// What goes on where the last one ended becomes a part of it.
void StreamQueue::push(StreamChunks& chunks, const StreamSegment& segment) {
  CHECK(!closed_ && segment.bytes != 0, "bytes go in front of the end");
  bytes_ += segment.bytes;
  if (!segments_.empty()) {
    StreamSegment& last = segments_.back();
    if (last.chunk == segment.chunk && last.offset + last.bytes == segment.offset &&
        last.injected_by == segment.injected_by && last.of == segment.of) {
      last.bytes += segment.bytes;
      chunks.drop(segment.chunk);
      return;
    }
  }
  segments_.push_back(segment);
}

size_t StreamQueue::copy_in(StreamChunks& chunks, Bytes bytes) {
  size_t copied = 0;
  while (copied < bytes.size()) {
    StreamChunk* chunk = nullptr;
    if (!segments_.empty()) {
      const StreamSegment& last = segments_.back();
      const bool at_its_end = last.offset + last.bytes == last.chunk->used;
      if (at_its_end && last.chunk->room() != 0) {
        chunk = last.chunk;
        ++chunk->references;
      }
    }
    if (chunk == nullptr) chunk = chunks.take();
    if (chunk == nullptr) break;
    const size_t piece = std::min(chunk->room(), bytes.size() - copied);
    std::memcpy(chunk->bytes.data() + chunk->used, bytes.data() + copied, piece);
    push(chunks, {chunk, chunk->used, static_cast<uint32_t>(piece), 0, nullptr});
    chunk->used += static_cast<uint32_t>(piece);
    copied += piece;
  }
  return copied;
}

void StreamQueue::move(size_t bytes, StreamQueue& to, StreamChunks& chunks) {
  CHECK(bytes <= bytes_, "what is moved is there");
  while (bytes != 0) {
    StreamSegment& first = segments_.front();
    if (first.bytes <= bytes) {
      bytes -= first.bytes;
      bytes_ -= first.bytes;
      const StreamSegment whole = first;
      segments_.pop_front();
      to.push(chunks, whole);
      continue;
    }
    StreamSegment part = first;
    part.bytes = static_cast<uint32_t>(bytes);
    ++part.chunk->references;
    first.offset += part.bytes;
    first.bytes -= part.bytes;
    bytes_ -= part.bytes;
    bytes = 0;
    to.push(chunks, part);
  }
}

void StreamQueue::drop(size_t bytes, StreamChunks& chunks, StreamSink& sink, int32_t status) {
  CHECK(bytes <= bytes_, "what is dropped is there");
  bytes_ -= bytes;
  while (bytes != 0) {
    StreamSegment& first = segments_.front();
    const auto part = static_cast<uint32_t>(std::min<size_t>(first.bytes, bytes));
    bytes -= part;
    const StreamSegment ended = first;
    first.offset += part;
    first.bytes -= part;
    const bool whole = first.bytes == 0;
    if (whole) segments_.pop_front();
    sink.end(ended, part, status);
    if (whole) chunks.drop(ended.chunk);
  }
}

size_t StreamQueue::move_all(StreamQueue& to, StreamChunks& chunks, StreamSink& sink,
                             int32_t status) {
  size_t lost = 0;
  if (to.closed_) {
    lost = bytes_;
    drop(bytes_, chunks, sink, status);
  } else {
    move(bytes_, to, chunks);
  }
  if (end_) move_end(to);
  return lost;
}

bool StreamQueue::close(uint32_t by) {
  if (closed_) return false;
  closed_ = end_ = true;
  ended_by_ = by;
  return true;
}

bool StreamQueue::move_end(StreamQueue& to) {
  CHECK(std::exchange(end_, false) && bytes_ == 0, "the end comes last");
  return to.close(ended_by_);
}

}  // namespace hookline::filter
