// The host whose hooks run in this process, on the packet thread: fastest, and trusting. What is
// caught: C++ exceptions, nonsense sizes, swapped pointers to memory that is not there, writes just
// outside the buffers. A crash ends the server.
//
// The only header under src/ that shows the SDK's types: for the loader, which makes hosts, and for
// tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "callout/hook_times.h"
#include "callout/host.h"
#include "callout/server_options.h"
#include "dhcpssdk.h"
#include "io/clock.h"
#include "io/memory.h"

namespace hookline::callout {

// A callout whose entry point has accepted.
struct LoadedCallout {
  std::string name;  // as configured
  std::string path;
  DHCP_CALLOUT_TABLE table{};
  // Whatever keeps its code in memory; let go when the host goes.
  std::shared_ptr<void> library;
};

class InProcessHost final : public Host {
 public:
  struct Options {
    int64_t slow_ns = 1'000'000;  // calls that take longer are counted and logged; 0: none
    size_t slots = kPacketsMax;   // of the packet pool
  };

  // Reserves its buffers (about 12.5 KB a slot, touched when used). The references outlive it.
  InProcessHost(LoadedCallout callout, Options options, io::Clock& clock, io::Memory& memory,
                Logger& log);
  ~InProcessHost() override;

  std::string_view name() const override { return callout_.name; }
  HookSet hooks() const override { return hooks_; }
  void run(std::span<Call> calls) override;
  HostStats stats() const override;

 private:
  // Of one packet.
  struct Context {
    void* pkt_context = nullptr;
    uint32_t size = 0;     // of the request
    bool guarded = false;  // the slot's guards are laid
  };

  void run_one(Call& call);
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
  bool guarded(Hook hook, Function&& function);
  void note_exception(Hook hook, std::string_view what);
  void check_guards(Hook hook, uint32_t slot);
  void breach(Hook hook, Breach what, const std::string& text);
  void note_time(Hook hook, int64_t ns);
  bool may_log();
  uint8_t* buffers_of(uint32_t slot);

  LoadedCallout callout_;
  Options options_;
  io::Clock& clock_;
  io::Memory& memory_;
  Logger& log_;
  HookSet hooks_ = 0;
  std::unique_ptr<uint8_t[]> buffers_;  // not initialized: pages come when slots are used
  std::vector<Context> contexts_;       // by slot
  std::array<uint8_t, kPacketBytesMax> scratch_;

  std::array<HookTimes, kHookCount> times_;
  std::array<uint64_t, kHookCount> slow_{};
  std::array<std::array<uint64_t, kBreachCount>, kHookCount> breaches_{};
  uint64_t refused_ = 0, edited_ = 0, suppressed_ = 0, contexts_set_ = 0;
  bool exception_logged_ = false;
  int64_t logged_ns_ = 0;    // when the last line was written
  uint64_t not_logged_ = 0;  // lines since then
};

}  // namespace hookline::callout
