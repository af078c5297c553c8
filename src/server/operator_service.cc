#include "server/operator_service.h"

#include <algorithm>

#include "config/changes.h"

namespace hookline::server {

namespace {

// Leases that one job on the packet thread looks at: about 0.1 ms, so that packets hardly wait.
constexpr size_t kLeasesPerJob = 1024;

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<uint8_t> suboption(Bytes relay_info, uint8_t code) {
  Message message;
  message.options.set(option::kRelayAgentInfo, relay_info);
  return copy(message.relay_suboption(code));
}

}  // namespace

OperatorService::OperatorService(Core& core, Mailbox& mailbox, io::Clock& clock, ServerFacts facts,
                                 LoadConfig load, Logger& log)
    : core_(core),
      mailbox_(mailbox),
      clock_(clock),
      facts_(std::move(facts)),
      load_(std::move(load)),
      log_(log),
      started_(clock.read()),
      config_loaded_s_(started_.wall_ns / kNsPerSecond) {}

Result<void> OperatorService::on_packet_thread(const std::function<void()>& job) {
  if (mailbox_.call(job)) return {};
  return fail(ErrorKind::Busy, "the server is stopping");
}

Result<control::Status> OperatorService::status() {
  control::Status status;
  const io::ClockReading now = clock_.read();
  status.version = facts_.version;
  status.pid = facts_.pid;
  status.now_s = now.wall_ns / kNsPerSecond;
  status.started_s = started_.wall_ns / kNsPerSecond;
  status.uptime_s = (now.boot_ns - started_.boot_ns) / kNsPerSecond;
  status.config_loaded_s = config_loaded_s_;
  status.journal.directory = facts_.state_dir;
  auto done = on_packet_thread([&] { fill_status(status); });
  if (!done) return tl::unexpected(done.error());
  return status;
}

void OperatorService::fill_status(control::Status& status) {
  for (const io::Link& link : core_.links().links) {
    control::InterfaceRow row{link.name, link.ifindex, link.up, link.mac, {}};
    for (const io::LinkAddress& a : link.addresses) row.addresses.push_back(a.address);
    status.interfaces.push_back(std::move(row));
  }
  status.scopes = core_.config().scopes.size();
  for (const Scope& scope : core_.config().scopes) {
    const lease::ScopeUse use = core_.engine().use(scope.index);
    status.leases[static_cast<size_t>(LeaseState::Active)] += use.active;
    status.leases[static_cast<size_t>(LeaseState::Declined)] += use.declined;
    status.leases[static_cast<size_t>(LeaseState::Expired)] += use.expired_or_released;
  }
  status.offers = core_.engine().offer_count();
  status.packets_in_flight = core_.packets_in_flight();
  status.config_path = core_.config().path;
  const store::Journal::Stats& stats = core_.journal().stats();
  status.journal.bytes = stats.disk_bytes;
  status.journal.segments = stats.segments;
  status.journal.sequence = core_.journal().sequence();
  status.journal.last_snapshot_s = core_.lease_clock().wall_of(stats.last_snapshot_s);
  status.journal.failed = core_.why_not_granting();
  if (!status.journal.failed.empty()) {
    status.state = control::ServingState::NotGranting;
    status.why = status.journal.failed;
  }
  if (core_.gate().paused) {
    status.state = control::ServingState::Paused;
    status.why = "paused by an operator: 'hookline continue' goes on";
  }
  if (!core_.gate().authorized) {
    status.state = control::ServingState::Unauthorized;
    status.why = "authorized = false: every packet is dropped";
  }
}

control::ScopeRow OperatorService::row_of(const Scope& scope) const {
  const lease::ScopeUse use = core_.engine().use(scope.index);
  control::ScopeRow row;
  row.id = scope.id;
  row.subnet = scope.subnet;
  row.superscope = scope.superscope;
  row.total = use.total;
  row.active = use.active;
  row.offered = use.offered;
  row.declined = use.declined;
  row.reserved = use.reserved;
  row.free = use.free_;
  return row;
}

Result<std::vector<control::ScopeRow>> OperatorService::scopes() {
  std::vector<control::ScopeRow> rows;
  auto done = on_packet_thread([&] {
    for (const Scope& scope : core_.config().scopes) rows.push_back(row_of(scope));
  });
  if (!done) return tl::unexpected(done.error());
  return rows;
}

control::LeaseRow OperatorService::row_of(const LeaseRecord& record) const {
  control::LeaseRow row;
  row.address = record.address;
  row.state = record.state;
  row.bootp = record.bootp;
  for (const Scope& scope : core_.config().scopes) {
    if (scope.key == record.scope_key) row.scope = scope.id;
  }
  row.hardware_type = record.hardware_type;
  row.hardware_address = copy(record.hardware_address);
  row.client_id = copy(record.client_id);
  row.hostname = copy(record.hostname);
  const lease::LeaseClock& clock = core_.lease_clock();
  row.start_s = clock.wall_of(record.start);
  row.expiry_s =
      record.expiry == kLeaseTimeInfinite ? control::kForever : clock.wall_of(record.expiry);
  row.last_transaction_s = clock.wall_of(record.last_transaction);
  row.circuit_id = suboption(record.relay_info, relay_suboption::kCircuitId);
  row.remote_id = suboption(record.relay_info, relay_suboption::kRemoteId);
  return row;
}

Result<control::LeasePage> OperatorService::leases(const control::LeaseFilter& filter,
                                                   uint64_t& cursor, size_t max) {
  control::LeasePage page;
  bool scope_known = true;
  const auto take = [&](const LeaseRecord& record) {
    control::LeaseRow row = row_of(record);
    if (filter.matches(row)) page.rows.push_back(std::move(row));
  };
  auto done = on_packet_thread([&] {
    scope_known = !filter.scope || core_.config().find_scope(*filter.scope) != nullptr;
    if (!scope_known) return;
    if (filter.address) {
      if (auto record = core_.engine().find(*filter.address)) take(*record);
      return;
    }
    cursor = core_.engine().scan(cursor, std::min(max, kLeasesPerJob), take);
    page.more = cursor != lease::kScanDone;
  });
  if (!done) return tl::unexpected(done.error());
  if (!scope_known) {
    return fail(ErrorKind::Missing, "no scope has the id '" + *filter.scope + "'");
  }
  return page;
}

Result<void> OperatorService::release_lease(Ipv4 address) {
  Result<void> result;
  auto done = on_packet_thread([&] { result = core_.release_lease(address); });
  return done ? result : done;
}

Result<void> OperatorService::delete_lease(Ipv4 address) {
  Result<void> result;
  auto done = on_packet_thread([&] { result = core_.delete_lease(address); });
  return done ? result : done;
}

Result<void> OperatorService::pause() {
  core_.gate().paused = true;
  log_.info("paused by an operator");
  return {};
}

Result<void> OperatorService::resume() {
  core_.gate().paused = false;
  log_.info("continued by an operator");
  return {};
}

Result<void> OperatorService::set_authorized(bool authorized) {
  core_.gate().authorized = authorized;
  log_.info(authorized ? "authorized by an operator" : "authorization withdrawn by an operator");
  return {};
}

Result<std::string> OperatorService::reload() {
  auto loaded = load_();
  if (!loaded) {
    log_.error("configuration not reloaded; the old one stays", {{"why", loaded.error().text}});
    return tl::unexpected(loaded.error());
  }
  std::shared_ptr<const Config> before;
  Result<void> swapped;
  auto done = on_packet_thread([&] {
    before = core_.shared_config();
    swapped = core_.reconfigure(*loaded);
  });
  if (done) done = swapped;
  if (!done) {
    log_.error("configuration not reloaded; the old one stays", {{"why", done.error().text}});
    return tl::unexpected(done.error());
  }
  config_loaded_s_ = clock_.read().wall_ns / kNsPerSecond;
  std::string text;
  for (const std::string& change : config::describe_changes(*before, **loaded)) {
    text += (text.empty() ? "" : "\n") + change;
  }
  for (const std::string& key : config::needs_restart(*before, **loaded)) {
    text += (text.empty() ? "" : "\n") + key + " changes only with a restart";
  }
  if (text.empty()) text = "nothing changed";
  log_.info("configuration reloaded", {{"changes", text}});
  return text;
}

Result<void> OperatorService::resume_journal() {
  std::string failure;
  auto done = on_packet_thread([&] {
    core_.turn();
    failure = core_.why_not_granting();
  });
  if (!done) return done;
  if (!failure.empty()) return fail(ErrorKind::NoSpace, failure);
  return {};
}

Result<uint64_t> OperatorService::trace_open(std::string_view client) {
  return core_.traces().open(client);
}

bool OperatorService::trace_next(uint64_t trace, std::string& line) {
  return core_.traces().next(trace, line);
}

void OperatorService::trace_close(uint64_t trace) { core_.traces().close(trace); }

}  // namespace hookline::server
