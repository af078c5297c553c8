// Bytes between the socket, the callouts and the connection's buffers.
#include <algorithm>
#include <array>

#include "query/server.h"

namespace hookline::query {

namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kReadsPerTurn = 16;

}  // namespace

// What the peer sent, as far as it is wanted now: a server must not read more queries than it works
// at (RFC 6926 section 8.4).
void Server::pull(Connection& c, Now now) {
  for (size_t i = 0; i < kReadsPerTurn && c.readable && c.phase != Phase::Free; ++i) {
    if (c.job == Job::Bulk || c.job == Job::Closing) break;
    read_some(c, now);
    if (c.phase == Phase::Lingering) c.in.clear();
    if (c.flow == nullptr) break;  // `in` is full, or the socket is empty: the next turn
  }
  if (c.phase == Phase::Free || c.flow == nullptr) return;
  if (c.peer_ended && !c.told_input_end) {
    c.told_input_end = true;
    c.flow->finish(Direction::Inbound);
  }
  take_passed(c);
}

void Server::read_some(Connection& c, Now now) {
  std::array<uint8_t, kReadBytes> bytes;
  size_t room = c.flow != nullptr ? c.flow->room(Direction::Inbound) : c.in.room();
  if (c.phase == Phase::Lingering && c.flow == nullptr) room = bytes.size();
  room = std::min(room, bytes.size());
  if (room == 0) return;
  const io::Transfer got = parts_.port.read(c.peer.number, MutableBytes(bytes).first(room));
  switch (got.outcome) {
    case io::Transfer::Outcome::Done:
      break;
    case io::Transfer::Outcome::WouldBlock:
      c.readable = false;
      return;
    case io::Transfer::Outcome::Ended:
      c.readable = false;
      c.peer_ended = true;
      return;
    case io::Transfer::Outcome::Failed:
      return reset(c, nullptr);
  }
  if (c.phase != Phase::Lingering) c.moved_ns = now.boot_ns;
  parts_.counters.bytes_received.add(got.size);
  const Bytes read = Bytes(bytes).first(got.size);
  if (c.flow != nullptr) return c.flow->put(Direction::Inbound, read);
  if (c.phase == Phase::Lingering) return;
  std::copy(read.begin(), read.end(), c.in.reserve(read.size()));
  c.in.put(read.size());
}

// What callouts let through, as far as there is room for it.
void Server::take_passed(Connection& c) {
  if (c.job == Job::Bulk || c.job == Job::Closing) return;
  for (;;) {
    const Bytes passed = c.flow->passed(Direction::Inbound);
    if (passed.empty()) return;
    size_t size = passed.size();
    if (c.phase == Phase::Open) {
      size = std::min(size, c.in.room());
      if (size == 0) return;
      std::copy_n(passed.begin(), size, c.in.reserve(size));
      c.in.put(size);
    }
    c.flow->take(Direction::Inbound, size);
  }
}

// False: the socket takes no more, or the connection is gone.
bool Server::write_some(Connection& c, Bytes bytes, Now now, size_t& written) {
  written = 0;
  if (c.blocked) return false;
  const io::Transfer done = parts_.port.write(c.peer.number, bytes);
  if (done.outcome == io::Transfer::Outcome::WouldBlock) {
    c.blocked = true;
    return false;
  }
  if (done.outcome != io::Transfer::Outcome::Done) {
    reset(c, nullptr);
    return false;
  }
  written = done.size;
  c.moved_ns = now.boot_ns;
  parts_.counters.bytes_sent.add(done.size);
  return true;
}

// As much as goes. True: something moved, and there may be room for more answers.
bool Server::flush(Connection& c, Now now) {
  bool moved = false;
  size_t written = 0;
  if (c.flow == nullptr) {
    while (!c.out.empty() && write_some(c, c.out.view(), now, written)) {
      c.out.take(written);
      moved = true;
    }
    return moved && c.phase != Phase::Free;
  }
  for (bool again = true; again;) {
    again = false;
    const size_t room = std::min(c.flow->room(Direction::Outbound), c.out.size());
    if (room != 0) {
      c.flow->put(Direction::Outbound, c.out.view().first(room));
      c.out.take(room);
      again = moved = true;
    }
    const Bytes passed = c.flow->passed(Direction::Outbound);
    if (!passed.empty() && write_some(c, passed, now, written)) {
      c.flow->take(Direction::Outbound, written);
      again = moved = true;
    }
    if (c.phase == Phase::Free) return false;
  }
  return moved;
}

// Everything was said: the peer sees the end once it has left.
void Server::end_output(Connection& c) {
  if (!c.out.empty()) return;
  if (c.flow != nullptr) {
    if (!c.told_output_end) c.flow->finish(Direction::Outbound);
    c.told_output_end = true;
    if (!c.flow->finished(Direction::Outbound)) return;
  }
  parts_.port.finish_writing(c.peer.number);
  c.phase = Phase::Lingering;
  c.in.clear();
}

}  // namespace hookline::query
