// The connections behind one epoll of their own, which whoever sleeps watches.
#pragma once

#include <memory>
#include <vector>

#include "io/linux/fd.h"
#include "io/stream_port.h"

namespace hookline::io {

class LinuxStreamPort final : public StreamPort {
 public:
  static Result<std::unique_ptr<LinuxStreamPort>> open(size_t connections_max);
  ~LinuxStreamPort() override;

  // Can be read while ready() or accept() has something (LinuxPacketPort::watch()).
  int fd() const { return epoll_.get(); }

  // StreamPort
  Result<void> listen(std::span<const StreamAddress> addresses) override;
  std::vector<StreamAddress> listening() const override;
  std::optional<StreamPeer> accept() override;
  size_t ready(std::span<StreamReady> out) override;
  void watch(uint32_t number, bool reading, bool writing) override;
  Transfer read(uint32_t number, MutableBytes into) override;
  Transfer write(uint32_t number, Bytes bytes) override;
  void finish_writing(uint32_t number) override;
  void close(uint32_t number) override;
  void reset(uint32_t number) override;

 private:
  struct Listener {
    StreamAddress asked;  // as listen() was told
    Fd descriptor;
  };
  struct Connection {
    Fd descriptor;
    uint32_t events = 0;  // that epoll watches for
  };

  LinuxStreamPort(size_t connections_max, Fd epoll);
  Result<Listener> open_listener(const StreamAddress& address);
  std::optional<StreamPeer> take(Fd descriptor);

  Fd epoll_;
  std::vector<Listener> listeners_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> free_;
  size_t next_listener_ = 0;
};

}  // namespace hookline::io
