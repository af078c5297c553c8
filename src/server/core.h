// All stages over one world: made here and nowhere else, for the server (serve.cc, on Linux) and
// for the simulator (tests/sim, on a fake wire, disk and clock) alike.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "callout/callouts.h"
#include "filter/engine.h"
#include "filter/filter_engine.h"
#include "filter/stream_engine.h"
#include "inject/injections.h"
#include "inject/injector.h"
#include "inject/lists.h"
#include "io/address_probe.h"
#include "io/background.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/links.h"
#include "io/packet_port.h"
#include "io/stream_port.h"
#include "io/wakeups.h"
#include "lease/engine.h"
#include "lease/lease_clock.h"
#include "line/config.h"
#include "line/counters.h"
#include "line/streams.h"
#include "query/server.h"
#include "receive/receiver.h"
#include "server/callout_trace.h"
#include "server/in_flight.h"
#include "server/packet_ends.h"
#include "server/parked.h"
#include "server/pipeline.h"
#include "server/trace.h"
#include "store/journal.h"
#include "wire/decoder.h"
#include "wire/encoder.h"

namespace hookline::server {

// The outside: everything that is not the same in a simulation. All outlive the Core.
struct World {
  io::Clock& clock;
  io::Directory& state_dir;
  io::Background& background;
  io::PacketPort& port;
  io::LinkMonitor& links;
  Logger& log;
  uint64_t hash_seed = 0;                     // secret: clients choose what is hashed
  io::AddressProbe* address_probe = nullptr;  // null: no address is ever found in use
  filter::CallWatch* call_watch = nullptr;    // of calls into packet callouts; null: nobody
  io::Wakeups* wakeups = nullptr;             // for what drivers inject; null: turns come anyway
  io::StreamPort* streams = nullptr;          // for leasequery over TCP; null: there is none
};

class Core {
 public:
  // Recovers the leases from the state directory, tells the callouts START, and is ready for its
  // first turn.
  static Result<std::unique_ptr<Core>> start(World world, std::shared_ptr<const Config> config,
                                             store::Journal::Options journal_options = {},
                                             callout::Hosts hosts = {});

  // Packet thread, all of them.
  Now read_clock();
  bool turn();
  // Nanoseconds that the packet thread may sleep if no frame comes.
  int64_t idle_ns();
  // Ends every packet, then tells the callouts STOP and unloads them. No turn after it. REQUIRES:
  // packet callout drivers are unloaded, or the process ends before anything is destroyed.
  void stop();
  // While held nothing is taken from the wire; it waits there.
  void hold_receiving(bool hold) { pipeline_->hold_receiving(hold); }
  // Other callouts without losing a packet. While packets are inside nothing more is received, and
  // nullopt says: call again after some turns. Then STOP; when the old ones have had it `load`,
  // which should not take long, hands over the new ones, which get START. What is left of the old
  // ones unloads beside. Where `load` fails there are none.
  using LoadHosts = std::function<Result<callout::Hosts>()>;
  std::optional<Result<void>> replace_callouts(const LoadHosts& load);
  // Another host for one callout; callout::Callouts::replace() says how.
  bool replace_callout(size_t index, std::unique_ptr<callout::Host>& host) {
    return callouts_.replace(index, host, pipeline_->paused());
  }
  Result<void> reconfigure(std::shared_ptr<const Config> config);
  Result<void> release_lease(Ipv4 address);
  Result<void> delete_lease(Ipv4 address);

  // Packet thread, or inside a Mailbox job.
  lease::Engine& engine() { return *engine_; }
  store::Journal& journal() { return *journal_; }
  const Config& config() const { return *config_; }
  std::shared_ptr<const Config> shared_config() const { return config_; }
  const io::LinkTable& links() const { return world_.links.table(); }
  const lease::LeaseClock& lease_clock() const { return lease_clock_; }
  std::string why_not_granting() const { return pipeline_->why_not_granting(); }
  std::vector<callout::HostStats> callout_stats() const { return callouts_.stats(); }
  std::vector<callout::FaultReport> callout_faults() const { return callouts_.faults(); }
  size_t packets_in_flight() const { return pool_.in_use(); }
  const query::Server* queries() const { return queries_.get(); }  // null: no TCP

  // Any thread.
  filter::Engine& filters() { return filters_; }
  inject::Lists& lists() { return lists_; }
  inject::Injections& injections() { return injections_; }
  Gate& gate() { return gate_; }
  TraceHub& traces() { return traces_; }
  const Counters& counters() const { return counters_; }
  const store::Recovered& recovered() const { return recovered_; }

 private:
  Core(World world, std::shared_ptr<const Config> config);
  Result<void> open(store::Journal::Options journal_options);
  void open_gate();
  void apply_rules();
  Now follow_step(Now now);
  // What TCP connections pass through; null: nothing. Before the first of them.
  StreamFilter* stream_filter() { return &streams_; }

  // The world's links; when they change the rules that name interfaces are made again, before the
  // next frame is looked at.
  class RuleLinks final : public io::LinkMonitor {
   public:
    explicit RuleLinks(Core& core) : core_(core) {}
    const io::LinkTable& table() const override { return core_.world_.links.table(); }
    bool changed() override;
    std::optional<io::NextHop> resolve(Ipv4 to) override { return core_.world_.links.resolve(to); }

   private:
    Core& core_;
  };

  World world_;
  RuleLinks links_{*this};
  std::shared_ptr<const Config> config_;
  std::vector<uint32_t> rule_interfaces_;  // that the rules in force were made with
  Counters counters_;
  Gate gate_;
  TraceHub traces_;
  PacketPool pool_;
  InFlight in_flight_;
  Parked parked_;
  CalloutTrace callout_trace_;
  callout::Callouts callouts_;
  PacketEnds ends_;
  receive::Receiver receiver_;
  filter::Engine filters_;
  filter::FilterEngine filter_;
  wire::Decoder decoder_;
  wire::Encoder encoder_;
  inject::Lists lists_;
  inject::Injections injections_;
  inject::Injector injector_;
  filter::StreamEngine streams_;
  lease::LeaseClock lease_clock_;
  bool step_unrecorded_ = false;  // of the wall clock, by the journal
  store::Recovered recovered_;
  std::unique_ptr<lease::Engine> engine_;
  std::unique_ptr<store::Journal> journal_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<query::Server> queries_;  // null: no TCP
};

}  // namespace hookline::server
