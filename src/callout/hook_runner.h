// Runs the hooks of one callout's table in this process: the buffers that they see, what they
// answer, and what of it is no good. C++ exceptions, nonsense sizes, swapped pointers to memory
// that is not there and writes just outside the buffers are caught; a crash is, where there is a
// trap for it. Both hosts are made of it: the one in the server's process, and the one in a helper
// process.
//
// Like in_process_host.h it shows the SDK's types. One thread. Nothing is allocated in run(),
// unless there is a breach to describe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "callout/host.h"
#include "callout/server_options.h"
#include "dhcpssdk.h"
#include "io/fault_trap.h"
#include "io/large_memory.h"
#include "io/memory.h"

namespace hookline::callout {

// Told what a callout does that its answers do not show.
class HookWatcher {
 public:
  // Of Exception, `text` is what the exception says, or the trap.
  virtual void breach(Hook hook, Breach what, std::string_view text) = 0;
  // NewPkt set a PktContext.
  virtual void context_set() = 0;

 protected:
  ~HookWatcher() = default;
};

class HookRunner {
 public:
  // Reserves its buffers (about 12.5 KB a slot, touched when used). The references outlive it.
  HookRunner(const DHCP_CALLOUT_TABLE& table, size_t slots, io::Memory& memory,
             HookWatcher& watcher, io::FaultTrap* trap = nullptr);
  HookRunner(const HookRunner&) = delete;
  HookRunner& operator=(const HookRunner&) = delete;

  // Touches the memory of all packets, so that none of their first calls has to wait for the
  // system's pages, which takes milliseconds on a busy machine.
  void make_real();

  HookSet hooks() const { return hooks_; }
  // What Host::run() promises, for one call.
  void run(Call& call);
  // The slot's request as the callout sees it; for who reports on a callout that has crashed.
  Bytes request_of(uint32_t slot) const;

 private:
  // Of one packet.
  struct Context {
    void* pkt_context = nullptr;
    uint32_t size = 0;     // of the request
    bool guarded = false;  // the slot's guards are laid
  };

  void new_packet(Call& call);
  void packet_send(Call& call);
  void packet_drop(const Call& call);
  void address_del(const Call& call);
  void address_offer(const Call& call);
  void handle_options(const Call& call);
  void delete_client(const Call& call);
  // What the callout left in `at` and `size` goes to the call and, where it swapped, to `buffer`.
  void take_answer(Call& call, uint8_t* buffer, const uint8_t* at, uint32_t size);
  // False: an exception came out.
  template <class Function>
  bool guarded(Hook hook, Function function);
  void check_guards(Hook hook, uint32_t slot);
  uint8_t* buffers_of(uint32_t slot);

  DHCP_CALLOUT_TABLE table_;
  io::Memory& memory_;
  HookWatcher& watcher_;
  io::FaultTrap* trap_;
  HookSet hooks_ = 0;
  io::LargeMemory buffers_;        // pages come when slots are used
  std::vector<Context> contexts_;  // by slot
  std::array<uint8_t, kPacketBytesMax> scratch_;
};

}  // namespace hookline::callout
