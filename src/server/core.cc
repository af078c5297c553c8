#include "server/core.h"

#include "filter/rules.h"

namespace hookline::server {

namespace {

std::vector<std::pair<uint32_t, std::string>> scope_names(const Config& config) {
  std::vector<std::pair<uint32_t, std::string>> names;
  for (const Scope& scope : config.scopes) names.emplace_back(scope.key, scope.id);
  return names;
}

// The interfaces that rules ask for, as their numbers now; 0: there is none of that name.
std::vector<uint32_t> interfaces_of(const std::vector<FilterRule>& rules,
                                    const io::LinkTable& links) {
  std::vector<uint32_t> numbers;
  for (const FilterRule& rule : rules) {
    for (const RuleCondition& condition : rule.when) {
      for (const std::string& name : condition.interfaces) {
        const auto found = std::ranges::find(links.links, name, &io::Link::name);
        numbers.push_back(found == links.links.end() ? 0 : found->ifindex);
      }
    }
  }
  return numbers;
}

inject::Lists::Released tell(inject::Injections& injections) {
  return {[](void* context, const NET_BUFFER_LIST*) {
            static_cast<inject::Injections*>(context)->released();
          },
          &injections};
}

inject::InjectionOptions injection_options(const World& world, const Config& config,
                                           inject::Lists& lists, const PacketPool& pool) {
  inject::InjectionOptions options;
  options.inline_completion = config.filter.inline_completion;
  options.wakeups = world.wakeups;
  options.lists = &lists;
  options.packet_slots = pool.size();
  return options;
}

}  // namespace

Core::Core(World world, std::shared_ptr<const Config> config)
    : world_(world),
      config_(std::move(config)),
      in_flight_(world.hash_seed),
      parked_(world.address_probe),
      callout_trace_(traces_),
      callouts_(ends_, counters_, &callout_trace_),
      ends_(pool_, in_flight_, callouts_, traces_, filters_, counters_),
      receiver_(world.port, pool_, ends_, counters_),
      filters_(world.log, world.call_watch),
      filter_(filters_, pool_, ends_, counters_),
      decoder_(ends_),
      encoder_(ends_),
      lists_(tell(injections_)),
      injections_(world.port, links_, filters_, counters_, world.log,
                  injection_options(world_, *config_, lists_, pool_)),
      injector_(injections_, links_, counters_, world.log),
      streams_(filters_, world.wakeups),
      engine_(std::make_unique<lease::Engine>(ends_, world.hash_seed)) {
  filter::FlowOptions flows;
  flows.seed = world.hash_seed;
  flows.wakeups = world.wakeups;
  filters_.flows().configure(std::move(flows));
  receiver_.take_also(&injections_);
  filter_.report_injected(&injections_);
  filters_.attach(&streams_);
  injections_.inject_streams_by(streams_);
}

Result<std::unique_ptr<Core>> Core::start(World world, std::shared_ptr<const Config> config,
                                          store::Journal::Options journal_options,
                                          callout::Hosts hosts) {
  std::unique_ptr<Core> core(new Core(world, std::move(config)));
  if (auto opened = core->open(journal_options); !opened) return tl::unexpected(opened.error());
  core->callouts_.start(std::move(hosts));
  return core;
}

Result<void> Core::open(store::Journal::Options journal_options) {
  if (auto done = engine_->configure(config_, world_.links.table()); !done) return done;
  auto journal = store::Journal::open(
      world_.state_dir, world_.background, world_.log, journal_options,
      [this](const LeaseRecord& record) { engine_->restore(record); }, &recovered_);
  if (!journal) return tl::unexpected(journal.error());
  journal_ = std::move(*journal);
  journal_->name_scopes(scope_names(*config_));
  lease_clock_ = lease::LeaseClock(recovered_.newest_s);
  const io::ClockReading reading = world_.clock.read();
  lease_clock_.read(reading.boot_ns, reading.wall_ns);  // from here on a step is seen as one
  open_gate();
  apply_rules();
  parked_.configure(config_->leases);
  pipeline_ = std::make_unique<Pipeline>(Stages{receiver_, filter_, callouts_, decoder_, *engine_,
                                                *journal_, encoder_, injector_, injections_},
                                         world_.clock, links_, gate_, in_flight_, parked_, ends_,
                                         traces_, counters_, world_.log);
  if (world_.streams == nullptr) return {};
  queries_ = std::make_unique<query::Server>(
      query::Parts{*world_.streams, *engine_, stream_filter(), counters_.queries, world_.log});
  if (auto done = queries_->listen(config_->leasequery); !done) return done;
  queries_->adopted(config_, read_clock());
  return {};
}

void Core::open_gate() {
  gate_.authorized = config_->server.authorized;
  gate_.max_packet_age_ns = config_->server.max_packet_age_ns;
}

// Limits begin anew.
void Core::apply_rules() {
  const std::vector<FilterRule>& rules = config_->filter.rules;
  rule_interfaces_ = interfaces_of(rules, links_.table());
  filters_.set_rules(filter::make_rules(rules, links_.table(), world_.hash_seed));
}

bool Core::RuleLinks::changed() {
  if (!core_.world_.links.changed()) return false;
  if (interfaces_of(core_.config_->filter.rules, table()) != core_.rule_interfaces_) {
    core_.apply_rules();
  }
  return true;
}

Now Core::read_clock() {
  const io::ClockReading reading = world_.clock.read();
  const Now now = lease_clock_.read(reading.boot_ns, reading.wall_ns);
  if (const std::optional<int64_t> step = lease_clock_.take_step()) {
    world_.log.warning("the wall clock was stepped; leases keep their length",
                       {{"seconds", *step}});
    step_unrecorded_ = true;
  }
  return step_unrecorded_ ? follow_step(now) : now;
}

// Until the journal has the step, lease time stays as it was, which is right for every lease; but
// after a restart all of them would be read as that much too early or late. So it is tried again,
// each turn, until a full disk has room.
Now Core::follow_step(Now now) {
  if (!journal_->ready(now)) return now;
  const int64_t step_s = -lease_clock_.ahead_s();
  if (auto done = journal_->commit_clock_step(step_s, now); !done) {
    world_.log.error("clock step not recorded", {{"why", done.error().text}});
    // A step that no journal can hold: lease time stays what it was.
    step_unrecorded_ = done.error().kind != ErrorKind::Invalid;
    return now;
  }
  step_unrecorded_ = false;
  engine_->shift_times(step_s);
  return lease_clock_.follow(step_s);
}

bool Core::turn() {
  const Now now = read_clock();
  bool busy = pipeline_->turn(now);
  if (queries_ != nullptr && !pipeline_->holds_receiving()) {
    busy |= queries_->turn(now, world_.links.table());
  }
  return busy;
}

int64_t Core::idle_ns() {
  const io::ClockReading reading = world_.clock.read();
  const Now now{reading.boot_ns, lease_clock_.read(reading.boot_ns, reading.wall_ns).lease_s};
  const int64_t until_ns = std::min(pipeline_->idle_until(now), callouts_.next_due_ns());
  return std::max<int64_t>(0, until_ns - now.boot_ns);
}

void Core::stop() {
  if (queries_ != nullptr) queries_->stop(read_clock());
  pipeline_->drain(read_clock());
  pipeline_->drain_held(read_clock());
  callouts_.stop();
}

std::optional<Result<void>> Core::replace_callouts(const LoadHosts& load) {
  pipeline_->hold_receiving(true);
  if (packets_in_flight() != 0) return std::nullopt;
  callouts_.stop_without_waiting();
  // START of the new ones comes after STOP of the old ones.
  if (callouts_.any_stopping()) return std::nullopt;
  Result<callout::Hosts> hosts = load();
  if (hosts) {
    callouts_.start(std::move(*hosts));
    if (pipeline_->paused()) callouts_.control(callout::Control::Pause);
  }
  pipeline_->hold_receiving(false);
  return hosts ? Result<void>() : tl::unexpected(hosts.error());
}

Result<void> Core::reconfigure(std::shared_ptr<const Config> config) {
  if (queries_ != nullptr) {
    if (auto done = queries_->listen(config->leasequery); !done) return done;
  }
  if (auto done = engine_->configure(config, world_.links.table()); !done) {
    if (queries_ != nullptr) (void)queries_->listen(config_->leasequery);
    return done;
  }
  if (queries_ != nullptr) queries_->adopted(config, read_clock());
  const bool other_rules = config->filter.rules != config_->filter.rules;
  config_ = std::move(config);
  if (other_rules) apply_rules();
  parked_.configure(config_->leases);
  journal_->name_scopes(scope_names(*config_));
  open_gate();
  return {};
}

Result<void> Core::release_lease(Ipv4 address) {
  const Now now = read_clock();
  auto record = engine_->propose_release(address, now);
  if (!record) return tl::unexpected(record.error());
  return pipeline_->commit_record(*record, now);
}

Result<void> Core::delete_lease(Ipv4 address) {
  const Now now = read_clock();
  auto record = engine_->propose_delete(address, now);
  if (!record) return tl::unexpected(record.error());
  return pipeline_->commit_record(*record, now);
}

}  // namespace hookline::server
