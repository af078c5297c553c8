// What leaves the machine, in order: frames of the server's replies and of drivers' injections
// alike. Each is tried until it has left, has failed for good, or its deadline has passed; the
// owner is told once, with the errno of its own send.
//
// A full interface queue (ENOBUFS) is back-pressure: nothing of that interface overtakes what waits
// for it. Packet thread only; nothing is allocated after the constructor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "io/packet_port.h"

namespace hookline::inject {

class TransmitQueue {
 public:
  // Who puts something in.
  class Owner {
   public:
    // `error` is 0 or an errno value. Must not call the queue.
    virtual void transmitted(uint32_t token, int error) = 0;

   protected:
    ~Owner() = default;
  };

  struct Item {
    uint32_t token;  // the owner's name for it
    uint32_t ifindex;
    Bytes frame;  // empty: `payload` by the port's UDP socket
    int64_t deadline_ns;
    // By the socket only.
    Bytes payload;
    Ipv4 source;
    Ipv4 destination;
    uint16_t destination_port;
    bool retry;  // once more after a transient error
    int error;   // the queue's own
  };

  // Keeps the references.
  TransmitQueue(io::PacketPort& port, Owner& owner, size_t capacity);

  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  // REQUIRES: fewer than `capacity` wait. The bytes stay where they are until the owner is told.
  void push(const Item& item);
  // Sends what the interfaces take, in order, and tells the owner of what has ended.
  void flush(Now now);
  // Ends everything that waits, with `error`, in order.
  void abandon(int error);

 private:
  void send_frames(size_t count);
  void settle(Item& item, int error);
  void collect_ended(Now now);
  bool is_blocked(uint32_t ifindex) const;

  io::PacketPort& port_;
  Owner& owner_;
  size_t capacity_;
  std::vector<Item> waiting_;      // in order
  std::vector<uint32_t> blocked_;  // interfaces whose queue is full, during flush()
  std::array<io::TxFrame, kTurnPacketsMax> frames_;
  std::array<Item*, kTurnPacketsMax> frame_items_;
};

}  // namespace hookline::inject
