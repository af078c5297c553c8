// TCP connections that others open to the server, by number. Packet thread only; nothing waits and,
// after listen(), nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/inet.h"
#include "base/result.h"
#include "io/transfer.h"

namespace hookline::io {

// Where to listen. Address none: every address of this machine. Port 0: any (tests).
struct StreamAddress {
  Ipv4 address;
  uint16_t port = 0;

  bool operator==(const StreamAddress&) const = default;
};

// A connection that was just accepted.
struct StreamPeer {
  uint32_t number = 0;  // of the connection, until it is closed
  StreamAddress local;
  StreamAddress remote;
};

// Stands for the listeners: somebody waits to be accepted.
inline constexpr uint32_t kStreamListener = 0xFFFFFFFF;

struct StreamReady {
  uint32_t number = 0;  // or kStreamListener
  bool readable = false;
  bool writable = false;
  bool broken = false;  // both directions are over
};

class StreamPort {
 public:
  virtual ~StreamPort() = default;

  // Listens exactly there from now on: listeners that stay are not touched, and neither are
  // connections. After an error everything is as before. Busy: another program has the address;
  // Missing: it is not one of this machine. Allocates.
  virtual Result<void> listen(std::span<const StreamAddress> addresses) = 0;
  virtual std::vector<StreamAddress> listening() const = 0;

  // None: nobody waits. There is always a number for one more connection than the port was made
  // for, so that somebody can be refused.
  virtual std::optional<StreamPeer> accept() = 0;

  // Which connections can be read or written, of those and in the way that watch() asked for.
  // Returns how many; more show up the next time. Does not wait.
  virtual size_t ready(std::span<StreamReady> out) = 0;
  // A new connection is watched for reading.
  virtual void watch(uint32_t number, bool reading, bool writing) = 0;

  virtual Transfer read(uint32_t number, MutableBytes into) = 0;  // Ended: the peer sends no more
  virtual Transfer write(uint32_t number, Bytes bytes) = 0;       // Ended: the peer is gone
  virtual void finish_writing(uint32_t number) = 0;               // FIN; reading goes on
  virtual void close(uint32_t number) = 0;
  virtual void reset(uint32_t number) = 0;  // closes it by RST: what is under way is lost
};

}  // namespace hookline::io
