// `hookline trace`: follows the packets of chosen clients through the line, one text line per
// stage. Costs one relaxed load a packet while nobody follows.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "line/packet.h"

namespace hookline::server {

class TraceHub {
 public:
  // Control thread. `client`: "any", a hardware address "02:00:00:00:00:07", or a client id
  // "hex:01…". Invalid when it is none of these, Busy when too many follow already.
  Result<uint64_t> open(std::string_view client);
  // Control thread. False: nothing new. Lines lost to a slow reader are counted in a line of their
  // own.
  bool next(uint64_t id, std::string& line);
  void close(uint64_t id);

  // Packet thread.
  bool active() const { return active_.load(std::memory_order_relaxed); }
  // Does somebody follow this packet's client?
  bool follows(const Packet& packet) const;
  void line(const Packet& packet, std::string_view stage, std::string_view text);

 private:
  struct Follower {
    bool any = false;
    std::vector<uint8_t> id;
    std::deque<std::string> lines;
    uint64_t lost = 0;
  };
  static bool matches(const Follower& follower, const Message& message);

  std::atomic<bool> active_{false};
  mutable std::mutex mutex_;
  std::map<uint64_t, Follower> followers_;
  uint64_t next_id_ = 1;
};

}  // namespace hookline::server
