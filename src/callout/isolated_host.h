// The host whose hooks run in a helper process, so that a callout may crash, hang, leak or scribble
// and the server goes on (docs/callout_guide.md, "Isolation"). Calls go over a ring (ring.h); a run
// of calls costs one wake-up, and only NewPkt and PktSend are waited for.
//
// When the helper dies, overstays the budget of a call or writes nonsense into the ring, it is
// ended and reported, packets go on as `on_fault` says, and another one is started after a while.
// One that keeps failing is left alone until the callouts are loaded again. A packet whose NewPkt
// one helper saw gets no hook of the next one.
//
// Packet thread, but for loading: before the host has anything to do, on any. After it nothing here
// waits longer than a call's budget, but for the destructor. Allocates when something goes wrong,
// and for lines of the callout's log.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "callout/call_watch.h"
#include "callout/helper_output.h"
#include "callout/host.h"
#include "callout/ledger.h"
#include "callout/load_failure.h"
#include "callout/ring_client.h"
#include "io/clock.h"
#include "io/helper.h"
#include "line/config.h"

namespace hookline::callout {

// For a helper, to load its callout.
inline constexpr int64_t kLoadTimeoutNs = 10 * kNsPerSecond;

class IsolatedHost final : public Host {
 public:
  struct Options {
    std::string name;  // as configured
    CalloutHosting hosting;
    int64_t slow_ns = 1'000'000;  // calls that take longer are counted and logged; 0: none
    size_t slots = kPacketsMax;   // of the packet pool
  };

  // `setup` is what encode_setup() made. The references outlive it.
  IsolatedHost(Options options, std::vector<uint8_t> setup, io::Helpers& helpers, io::Clock& clock,
               Logger& log);
  // Lets the callout unload: its budget and a second from its last progress on, 10 s at most.
  ~IsolatedHost() override;

  // Starts the helper. Once, before anything else.
  std::optional<LoadFailure> begin_load();
  // Waits until it has loaded the callout. Once, after begin_load().
  std::optional<LoadFailure> finish_load(int64_t timeout_ns);

  std::string_view name() const override { return options_.name; }
  HookSet hooks() const override { return hooks_; }
  void run(std::span<Call> calls) override;
  bool unload() override;
  bool has_stopped() const override;
  int64_t next_due_ns() const override;
  void turn_ended() override;
  HostStats stats() const override;
  std::vector<FaultReport> faults() const override { return {faults_.begin(), faults_.end()}; }

 private:
  enum class State : uint8_t { Waiting, Starting, Serving, Quarantined, Unloaded };
  // One process, with what is shared with it.
  struct Helper {
    std::unique_ptr<io::HelperProcess> process;
    std::unique_ptr<RingClient> ring;
    std::unique_ptr<HelperOutput> output;
    int64_t cut_off_ns = 0;  // since when it can't call back; 0: it can
    ring::Header& header() const { return ring::View(process->memory()).header(); }
  };
  // One that failed, until it is gone and can be reported.
  struct Failed {
    Helper helper;
    FaultReport report;
    std::string what;
    int64_t give_up_ns = 0;
  };

  Result<Helper> start_helper();
  void read_output(Helper& helper);
  void look();
  void look_at_starting(int64_t now_ns);
  void look_at_serving(int64_t now_ns);
  void look_at_failed(int64_t now_ns);
  void try_start(int64_t now_ns);
  void serve_again();

  bool is_for_helper(Call& call);
  // The call is not made: what becomes of its packet instead.
  void without(Call& call);
  // False, here and below: the helper has failed.
  bool put(Call& call, uint32_t& wanted);
  void publish(bool wake_now);
  bool wait_for(uint32_t wanted);
  bool spin_for(uint32_t wanted);
  bool take_answers();
  bool is_cut_off();
  bool has_reached(uint32_t wanted) const;
  void note(const RingClient::Answered& answered);
  void note_caught(Hook hook, std::string_view what);
  // Always false.
  bool fail_helper(std::string what);
  void report(Failed& failed);
  void schedule_start(int64_t now_ns);
  int64_t now_ns() { return clock_.read().boot_ns; }

  Options options_;
  std::vector<uint8_t> setup_;
  io::Helpers& helpers_;
  io::Clock& clock_;
  Logger& log_;
  Ledger ledger_;
  std::string path_;
  HookSet hooks_ = 0;
  bool is_wine_ = false;
  OutputLimit output_limit_;  // of all its helpers together

  State state_ = State::Waiting;
  Helper helper_;
  uint32_t generation_ = 0;  // counts helpers; 0: none yet
  struct Slot {
    uint32_t generation = 0;  // whose packet it is; 0: nobody's
    uint32_t record = 0;      // of its NewPkt
  };
  std::vector<Slot> slots_;
  std::vector<Failed> failed_;  // being ended
  std::deque<FaultReport> faults_;
  uint64_t fault_count_ = 0, missed_ = 0;
  std::array<uint64_t, kHookCount> faults_by_hook_{};
  uint32_t faults_in_row_ = 0;
  int64_t start_ns_ = 0;  // of Waiting: when to start; else when it was started
  int64_t looked_ns_ = 0;
  bool look_due_ = false;        // it is too early for the next look
  int64_t unload_until_ns_ = 0;  // 0: it was not asked to
  int64_t unload_longest_ns_ = 0;
  int64_t spin_ns_ = 0, spin_ns_max_ = 0;
  uint32_t waits_ = 0;
  bool wake_due_ = false;
  uint32_t seen_taken_ = 0;  // for helpers that are stuck while nobody waits for them
  int64_t seen_ns_ = 0;
  ProcessorWatch seen_processor_;
  bool told_start_ = false, told_pause_ = false;
};

}  // namespace hookline::callout
