// The last stage: replies are injected, by the same functions that packet callouts call, and each
// ends in exactly one Completion that carries the errno of its own send.
//
// A client without an address is answered by FwpsInjectMacSendAsync0; a relay, and a client that
// has one, by FwpsInjectTransportSendAsync1. What becomes of a reply on the way is the injections'
// business (injections.h). A transient error (status.h) is tried once more. Packet thread only;
// nothing is allocated after the constructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "inject/injections.h"
#include "inject/reply_list.h"
#include "io/links.h"
#include "line/counters.h"
#include "line/driver.h"
#include "line/stages.h"

namespace hookline::inject {

class Injector final : private Driver {
 public:
  // Keeps the references. Counts Counters::sent and send_failures.
  Injector(Injections& injections, io::LinkMonitor& links, Counters& counters, Logger& log);
  // REQUIRES: in_flight() == 0.
  ~Injector();
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // How many datagrams submit() takes now.
  size_t room() const { return free_.size(); }
  // Submitted, and their completion not yet taken.
  size_t in_flight() const { return replies_.size() - free_.size(); }

  // Addresses and injects, and sends what the interfaces take. REQUIRES: batch.size() <= room().
  // completions() hands out what has completed.
  //
  // The errors a completion may carry, besides those of the interface: ENETUNREACH (no route),
  // EMSGSIZE (larger than the link's MTU; nothing is fragmented), EADDRNOTAVAIL (no address of ours
  // to send from), ENOBUFS (the queue stayed full), EPERM (a filter blocked it), ECANCELED (the
  // server stops). What a callout absorbed has no error, unless a clone of it was injected and
  // failed: then it has that one's.
  void submit(Batch<Datagram> batch, Now now);

  // Completions in the order in which they came about, at most one batch; call again while the
  // batch is full.
  Batch<Completion> completions(Now now);

 private:
  struct Reply {
    ReplyList list;
    Injector* injector = nullptr;
    std::optional<Datagram> datagram;
  };
  struct Done {
    uint32_t place;
    int error;
  };

  // Driver
  std::string_view name() const override { return "hookline"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override;

  void inject(Datagram datagram);
  NTSTATUS mac_send(Reply& reply);
  NTSTATUS transport_send(Reply& reply);
  static void NTAPI injected(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level);
  void end(Reply& reply, int error);

  Injections& injections_;
  io::LinkMonitor& links_;
  Counters& counters_;
  Logger& log_;
  HANDLE handle_;
  std::vector<Reply> replies_;  // kInjectionsMax places
  std::vector<uint32_t> free_;  // places
  std::vector<Done> done_;      // in order of completion
};

}  // namespace hookline::inject
