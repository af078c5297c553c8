#include "simulation.h"

#include <fmt/core.h>

#include "config/load.h"
#include "squatters.h"

namespace hookline::sim {

namespace {

// A pool of 90 addresses on the wire and 60 behind a relay; short leases, so that a run of a few
// hours sees many ends. Reservations for clients 3 and 5.
constexpr const char* kConfig = R"(
[server]
interfaces = ["eth0"]
max-packet-age = "5s"
[leases]
default-time = "10m"
min-time = "1m"
max-time = "1h"
offer-hold = "30s"
decline-quarantine = "10m"
conflict-attempts = 2
conflict-detection = {}
[[scope]]
id = "wire"
subnet = "10.77.0.0/24"
ranges = ["10.77.0.100-10.77.0.189"]
exclude = ["10.77.0.150-10.77.0.152"]
bootp = true
[[scope.reservation]]
hw-address = "02:00:00:00:00:03"
address = "10.77.0.7"
[[scope.reservation]]
hw-address = "02:00:00:00:00:05"
address = "10.77.0.120"
[[scope]]
id = "relayed"
subnet = "10.99.0.0/24"
ranges = ["10.99.0.10-10.99.0.69"]
)";

constexpr int64_t kMs = 1'000'000;

class Simulation {
 public:
  explicit Simulation(const Plan& plan);
  Outcome run();

 private:
  void start();
  void restart();
  void one_turn();
  void clients_act();
  void say(Client& client, Say what);
  void look_at(const std::vector<uint8_t>& frame);
  void take_reply(Client& client, const load::Reply& reply);
  void trouble();
  void squatters_act();
  void check_offer(const Client& client, Ipv4 address);
  void let_time_pass();
  void await_probes();
  void tell_trace();
  void note(const std::string& what) const {
    if (plan_.trace) fmt::print(stderr, "{} ms: {}\n", clock_.reading.boot_ns / kMs, what);
  }

  Plan plan_;
  Random random_;
  SimClock clock_;
  SimWire wire_;
  SimProbe probe_;
  SimBackground background_;
  SimOffload offload_;
  SimDisk disk_;
  Logger log_;
  std::shared_ptr<const Config> config_;
  std::unique_ptr<server::Core> core_;
  std::vector<Client> clients_;
  Checks checks_;
  Outcome outcome_;
  bool disk_broken_ = false;
  uint64_t trace_ = 0;  // with Plan::trace: of all clients
};

Simulation::Simulation(const Plan& plan)
    : plan_(plan),
      random_(plan.seed),
      wire_(random_),
      probe_(random_),
      disk_(plan.seed),
      log_(stderr, plan.trace ? LogLevel::Info : LogLevel::Error) {
  const config::Loaded loaded = config::load_text(fmt::format(kConfig, plan.squatters), "sim.toml");
  CHECK(loaded.config != nullptr, "the simulation's own configuration is valid");
  config_ = loaded.config;
  for (uint32_t i = 0; i < plan.clients; ++i) {
    Client client;
    client.number = i;
    client.mac = MacAddress{{2, 0, 0, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}};
    if (i % 3 == 1)
      client.client_id = {1, 2, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    client.relayed = i % 4 == 2;
    clients_.push_back(client);
  }
  if (plan.wire_faults) wire_.faults = {0.05, 0.05, 0.05, 0.01};
  disk_.set_lying(plan.lying_disk);
  if (plan.wire_faults) probe_.lose = 0.2;
}

void Simulation::start() {
  store::Journal::Options options;
  options.segment_bytes = 64 * 1024;
  options.snapshot_after_bytes = 96 * 1024;
  options.offload = &offload_;
  options.inline_records_max = 2;
  auto core = server::Core::start(
      {clock_, disk_, background_, wire_, wire_, log_, plan_.seed, &probe_}, config_, options,
      plan_.make_callouts ? plan_.make_callouts(clock_, log_) : callout::Hosts());
  if (!core) {
    outcome_.violation = "the server does not start: " + core.error().text;
    return;
  }
  core_ = std::move(*core);
  disk_broken_ = false;
  if (plan_.trace) trace_ = core_->traces().open("any").value_or(0);
  checks_.recovered(core_->engine(), clients_, core_->read_clock());
}

// As after a power cut: whatever was not synced may be gone, in any part.
void Simulation::restart() {
  ++outcome_.restarts;
  note("power cut");
  if (core_ != nullptr) {
    core_->stop();
    outcome_.conflicts += core_->counters().leases_conflicted.value();
  }
  core_.reset();
  background_.forget();
  disk_.power_cut();
  wire_.take_sent();
  start();
}

void Simulation::say(Client& client, Say what) {
  if (what == Say::Discover || what == Say::RapidDiscover || what == Say::Inform) {
    client.xid = static_cast<uint32_t>(random_());
  }
  // Garbage comes from a stranger: with a client's own address it could mean anything, and be
  // right.
  Client stranger;
  stranger.mac = MacAddress{{2, 0x66, 0, 0, 0, static_cast<uint8_t>(random_())}};
  auto frame = make_frame(what == Say::Garbage ? stranger : client, what, random_);
  if (frame.empty()) return;
  note(fmt::format("client {} says {}, bound {} offered {}", client.number, static_cast<int>(what),
                   client.bound.text(), client.offered.text()));
  wire_.client_sends(std::move(frame));
  // Whoever selects another address lets the earlier one go, answered or not.
  const bool moves =
      what == Say::RapidDiscover || (what == Say::Select && client.offered != client.bound);
  if (moves) checks_.given_up(client);
  const bool gives_up = what == Say::Release || what == Say::Decline;
  if (gives_up) {
    checks_.given_up(client);
    client.bound = {};
    client.xid = static_cast<uint32_t>(random_());  // an ACK to what it said before means nothing
  }
  if (what == Say::ForeignRelease) {
    // By chance the address may be the one that an earlier word of its own, which the server still
    // thinks about, is going to get it.
    client.xid = static_cast<uint32_t>(random_());
  }
}

void Simulation::clients_act() {
  const uint64_t count = below(random_, 40);
  for (uint64_t i = 0; i < count; ++i) {
    Client& client = clients_[below(random_, clients_.size())];
    if (client.number % 10 == 9) {
      say(client, Say::Bootp);  // knows nothing else
    } else if (chance(random_, 0.8)) {
      // What a sane client would say next.
      const bool live = client.bound && client.until_ns > clock_.reading.boot_ns;
      say(client, live ? Say::Renew : client.offered ? Say::Select : Say::Discover);
    } else {
      const Say what = static_cast<Say>(below(random_, kSayCount));
      if (what != Say::Bootp) say(client, what);
    }
  }
}

void Simulation::look_at(const std::vector<uint8_t>& frame) {
  load::Reply reply;
  const std::string_view wrong = load::read_reply(frame, false, reply);
  // The generator's reader knows DHCP on Ethernet only; a garbled request may have asked as another
  // hardware type, or as a BOOTP client without a cookie.
  if (wrong.starts_with("htype") || wrong.starts_with("magic cookie")) return;
  if (!wrong.empty()) {
    outcome_.violation = fmt::format("the server sent a bad frame: {}", wrong);
    return;
  }
  for (Client& client : clients_) {
    if (client.mac == reply.chaddr && client.xid == reply.xid) take_reply(client, reply);
  }
}

void Simulation::take_reply(Client& client, const load::Reply& reply) {
  const bool grants = reply.yiaddr && (reply.type == load::MessageType::Ack ||
                                       reply.type == load::MessageType::None);
  note(fmt::format("client {} gets type {}, {} for {} s", client.number,
                   static_cast<int>(reply.type), reply.yiaddr.text(), reply.lease_s));
  if (grants) {
    const uint32_t lease_s = reply.type == load::MessageType::None ? 0x7FFFFFFF : reply.lease_s;
    checks_.ack_seen(client, reply.yiaddr, lease_s, clock_.reading.boot_ns);
    if (chance(random_, wire_.faults.lose)) return;  // lost on the way to the client
    client.bound = reply.yiaddr;
    client.until_ns = clock_.reading.boot_ns + int64_t{lease_s} * kNsPerSecond;
    client.offered = {};
  } else if (reply.type == load::MessageType::Offer) {
    check_offer(client, reply.yiaddr);
    client.offered = reply.yiaddr;
    client.offered_by = reply.server_id;
  } else if (reply.type == load::MessageType::Nak) {
    checks_.given_up(client);
    client.bound = {};
    client.offered = {};
  }
}

// Addresses of both scopes, some of them outside the ranges.
void Simulation::squatters_act() {
  if (!plan_.squatters) return;
  const Ipv4 wire{0x0A4D0060 + static_cast<uint32_t>(below(random_, 96))};
  const Ipv4 relayed{0x0A630000 + static_cast<uint32_t>(below(random_, 72))};
  if (probe_.squatters() < 24 && chance(random_, 0.05)) {
    probe_.squat(chance(random_, 0.5) ? wire : relayed, clock_.reading.boot_ns);
  }
  if (chance(random_, 0.2)) probe_.leave(chance(random_, 0.5) ? wire : relayed);
}

// Nobody is offered an address that has been somebody else's for as long as the server may rely on
// an earlier probe: an offer's time, and the probe's own.
void Simulation::check_offer(const Client& client, Ipv4 address) {
  if (!plan_.squatters) return;
  const int64_t long_ago = clock_.reading.boot_ns - 33 * kNsPerSecond;
  if (!probe_.squats_since(address, long_ago)) return;
  const auto record = core_->engine().find(address);
  const Bytes id = client.client_id.empty() ? client.mac.view() : Bytes(client.client_id);
  const bool its_own =
      record && record->state == LeaseState::Active && equal(record->identity().id, id);
  if (its_own) return;
  outcome_.violation = fmt::format("{} was offered to client {}, but somebody uses it",
                                   address.text(), client.number);
}

void Simulation::trouble() {
  squatters_act();
  if (plan_.crashes && chance(random_, 0.005)) restart();
  if (plan_.crashes && chance(random_, 0.003)) disk_.fail_after(below(random_, 6));
  if (plan_.disk_faults && chance(random_, 0.002)) disk_.set_full(true);
  if (plan_.disk_faults && chance(random_, 0.02)) disk_.set_full(false);
  // A step that can't be recorded is lost with the process: nothing can be promised then.
  const bool recordable = core_ != nullptr && core_->why_not_granting().empty();
  if (plan_.clock_steps && recordable && chance(random_, 0.003)) {
    disk_.heal();
    disk_.set_full(false);
    const int64_t step_s = static_cast<int64_t>(below(random_, 20000)) - 10000;
    note(fmt::format("the wall clock steps by {} s", step_s));
    clock_.step_wall(step_s);
  }
  if (chance(random_, 0.004)) wire_.set_up(false);
  if (chance(random_, 0.05)) wire_.set_up(true);
  if (core_ != nullptr && core_->journal().failed() && chance(random_, 0.1)) restart();
}

// What is asked about at the beginning of a long time may be somebody's at its end.
void Simulation::await_probes() {
  for (int i = 0; i < 40 && core_ != nullptr && !probe_.resting; ++i) {
    clock_.pass(kNsPerSecond / 4);
    core_->turn();
  }
  for (const auto& frame : wire_.take_sent()) look_at(frame);
}

void Simulation::let_time_pass() {
  if (below(random_, 20) == 0) {
    await_probes();
    clock_.pass(static_cast<int64_t>(below(random_, 400)) * 1000 * kMs);
  } else {
    clock_.pass(static_cast<int64_t>(below(random_, 500)) * kMs);
  }
}

void Simulation::one_turn() {
  clients_act();
  // Until the server has nothing left to do, at most as long as a full inbox can take.
  for (int i = 0; i < 50 && core_->turn(); ++i) {
    if (chance(random_, 0.3)) background_.run_one();
  }
  if (plan_.trace) tell_trace();
  for (const auto& frame : wire_.take_sent()) look_at(frame);
  checks_.counters(*core_);
  if (chance(random_, 0.5)) background_.run_one();
}

void Simulation::tell_trace() {
  for (std::string line; core_->traces().next(trace_, line);) note(line);
}

Outcome Simulation::run() {
  start();
  for (int turn = 0; turn < plan_.turns && outcome_.violation.empty(); ++turn) {
    one_turn();
    trouble();
    let_time_pass();
    if (checks_.violation()) outcome_.violation = *checks_.violation();
    if (!outcome_.violation.empty()) outcome_.violation += fmt::format(" (turn {})", turn);
  }
  if (core_ != nullptr) {
    core_->stop();
    outcome_.conflicts += core_->counters().leases_conflicted.value();
    if (core_->packets_in_flight() != 0 || !probe_.resting) {
      outcome_.violation = "something was left behind at the end";
    }
  }
  background_.forget();
  outcome_.acks = checks_.acks();
  return outcome_;
}

}  // namespace

Outcome simulate(const Plan& plan) { return Simulation(plan).run(); }

}  // namespace hookline::sim
