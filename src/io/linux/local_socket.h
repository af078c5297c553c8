// Local stream sockets for the operator's interface: a listener that owns its path, connections
// that never block by themselves, and one call to wait for all of them.
//
// Objects own their descriptor and belong to one thread at a time; only WakeEvent::wake() may be
// called from others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "io/linux/fd.h"
#include "io/transfer.h"

namespace hookline::io {

class LocalConnection {
 public:
  LocalConnection() = default;
  explicit LocalConnection(Fd descriptor) : descriptor_(std::move(descriptor)) {}

  // Missing: nobody listens there. Busy: somebody does, but takes no more connections. Io: the
  // system refused, permission included.
  static Result<LocalConnection> connect(const std::string& path);

  Transfer read(MutableBytes into);  // Ended: the peer sends no more
  Transfer write(Bytes bytes);       // Ended: the peer reads no more
  void finish_writing();             // the peer sees the end; reading goes on

  struct Peer {
    int64_t pid = -1;
    int64_t uid = -1;
  };
  Peer peer() const;
  int fd() const { return descriptor_.get(); }

 private:
  Fd descriptor_;
};

class LocalListener {
 public:
  // Listens at `path` with `mode`; makes the last directory of the path where it is missing. A
  // socket that nobody answers on is removed; Busy when somebody does; Invalid when the path is too
  // long or holds something that is not a socket.
  static Result<LocalListener> open(const std::string& path, unsigned mode);
  LocalListener(LocalListener&&) noexcept = default;
  LocalListener& operator=(LocalListener&&) = delete;
  // Removes the path, if it still is this listener's socket.
  ~LocalListener();

  // Makes `uid` and `gid` the owner of the socket, and of its directory where open() made that, so
  // that the path can be removed after privileges were dropped.
  Result<void> give_to(uint32_t uid, uint32_t gid);

  // None: nobody waits.
  std::optional<LocalConnection> accept();
  int fd() const { return descriptor_.get(); }
  const std::string& path() const { return path_; }

 private:
  LocalListener(Fd descriptor, std::string path, uint64_t device, uint64_t inode)
      : descriptor_(std::move(descriptor)),
        path_(std::move(path)),
        device_(device),
        inode_(inode) {}

  Fd descriptor_;
  std::string path_;
  uint64_t device_;
  uint64_t inode_;
  std::string made_directory_;  // empty: it was there
};

// Ends a wait() of another thread.
class WakeEvent {
 public:
  WakeEvent();
  void wake();
  void clear();
  int fd() const { return descriptor_.get(); }

 private:
  Fd descriptor_;
};

struct Watch {
  int fd = -1;
  bool read = false;   // in: wake when it can be read
  bool write = false;  // in: wake when it can be written
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // the peer is gone altogether
};

// Returns when something is ready or `timeout_ms` passed (-1: never passes).
void wait(std::span<Watch> watches, int timeout_ms);

}  // namespace hookline::io
