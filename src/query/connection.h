// One connection of a peer that asks: its bytes in and out, and the query that it is at.
#pragma once

#include <array>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "io/stream_port.h"
#include "line/streams.h"
#include "query/search.h"
#include "wire/bulk_query.h"

namespace hookline::query {

// A frame: the size of a message in two bytes, and the message. RFC 6926 section 6.1.
inline constexpr size_t kFrameHeaderBytes = 2;
inline constexpr size_t kQueryFrameBytesMax = kFrameHeaderBytes + kPacketBytesMax;

enum class Phase : uint8_t {
  Free,       // nobody's
  Admitting,  // a callout has not decided yet
  Open,
  Ending,     // what is to be said still leaves, then the sending direction ends
  Lingering,  // until the peer ends, too
};

enum class Job : uint8_t {
  None,
  Bulk,
  CatchUp,  // of an active leasequery
  Live,
  Closing,  // a last status is to be said: of a query that ends
};

// Bytes that wait, from the front.
class ByteQueue {
 public:
  void prepare(size_t bytes) { bytes_.resize(bytes); }
  Bytes view() const { return Bytes(bytes_).subspan(begin_, end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t room() const { return bytes_.size() - size(); }
  void clear() { begin_ = end_ = 0; }
  void take(size_t bytes) {
    begin_ += bytes;
    if (empty()) clear();
  }
  // Room for `bytes` more in one piece. REQUIRES: room() has them.
  uint8_t* reserve(size_t bytes) {
    if (end_ + bytes > bytes_.size()) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    return bytes_.data() + end_;
  }
  // So many bytes were written to what reserve() gave.
  void put(size_t bytes) { end_ += bytes; }

 private:
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

struct Connection {
  Phase phase = Phase::Free;
  Job job = Job::None;
  io::StreamPeer peer;
  StreamFlow* flow = nullptr;  // null: bytes pass straight

  ByteQueue in;   // the beginning of a frame
  ByteQueue out;  // frames that the flow, or the socket, has not taken
  bool readable = false;
  bool blocked = false;          // the socket takes no more for now
  bool peer_ended = false;       // it sends no more
  bool told_input_end = false;   // the flow
  bool told_output_end = false;  // the flow, or the socket

  // The query.
  wire::QueryMessage type = wire::QueryMessage::Bulk;
  uint32_t xid = 0;
  InlineBytes<255> parameters;
  Search search;
  Ipv4 address;  // of a query by address: answered in any case
  bool address_told = true;
  uint64_t seen = 0;           // position in Changes
  LeaseSeconds seen_at_s = 0;  // what changed before was told
  wire::QueryStatus last_status = wire::QueryStatus::Success;
  const char* last_text = "";
  bool ends_connection = false;  // after the last status

  int64_t frame_began_ns = 0;  // of the frame that is incomplete; 0: none is
  int64_t moved_ns = 0;        // bytes, in either direction
  int64_t sent_ns = 0;         // a frame was written

  // A server must not read more queries than it works at (RFC 6926 section 8.4).
  bool takes_queries() const {
    return phase == Phase::Open && job != Job::Bulk && job != Job::Closing;
  }
  bool active() const { return job == Job::CatchUp || job == Job::Live; }
  bool has_room() const { return out.room() >= kFrameHeaderBytes + wire::kAnswerBytesMax; }
};

}  // namespace hookline::query
