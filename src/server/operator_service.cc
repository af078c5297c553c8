#include "server/operator_service.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "config/changes.h"
#include "driver/status.h"

namespace hookline::server {

namespace {

// Leases that one job on the packet thread looks at: about 0.1 ms, so that packets hardly wait.
constexpr size_t kLeasesPerJob = 1024;
// Slots that one job looks at again after a reload: 0.2 ms.
constexpr size_t kSlotsPerJob = 8192;

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

control::CalloutRow row_of(const callout::HostStats& host) {
  const bool in_process = host.state.empty();
  control::CalloutRow row;
  row.callout = host.name;
  row.path = host.path;
  row.host = in_process ? "in-process" : host.wine ? "wine" : "isolated";
  row.state = in_process ? "serving" : host.state;
  return row;
}

control::CalloutRow row_of(const callout::HostStats& host, callout::Hook hook) {
  const callout::HookStats& stats = host.by_hook[static_cast<size_t>(hook)];
  control::CalloutRow row = row_of(host);
  row.hook = callout::hook_name(hook);
  row.calls = stats.calls;
  row.total_ns = stats.total_ns;
  row.p50_ns = stats.p50_ns;
  row.p99_ns = stats.p99_ns;
  row.max_ns = stats.max_ns;
  row.slow = stats.slow;
  if (hook == callout::Hook::NewPkt) row.refused = host.refused;
  if (hook == callout::Hook::PktSend) row.suppressed = host.suppressed;
  for (size_t i = 0; i < callout::kBreachCount; ++i) {
    const bool fault = static_cast<callout::Breach>(i) == callout::Breach::Exception;
    (fault ? row.faults : row.breaches) += stats.breaches[i];
  }
  row.faults += stats.faults;
  return row;
}

void add_rows(const callout::HostStats& host, std::vector<control::CalloutRow>& out) {
  uint64_t in_hooks = 0;
  for (size_t i = 0; i < callout::kHookCount; ++i) {
    const auto hook = static_cast<callout::Hook>(i);
    if ((host.hooks & callout::hook_bit(hook)) != 0) out.push_back(row_of(host, hook));
    in_hooks += host.by_hook[i].faults;
  }
  // It may also have failed between two calls.
  if (host.hooks != 0 && host.faults <= in_hooks) return;
  control::CalloutRow row = row_of(host);
  row.hook = "none";
  row.faults = host.faults - std::min(host.faults, in_hooks);
  out.push_back(std::move(row));
}

std::vector<uint8_t> suboption(Bytes relay_info, uint8_t code) {
  Message message;
  message.options.set(option::kRelayAgentInfo, relay_info);
  return copy(message.relay_suboption(code));
}

}  // namespace

OperatorService::OperatorService(Core& core, Mailbox& mailbox, io::Clock& clock, ServerFacts facts,
                                 LoadConfig load, CalloutSource callouts, driver::Drivers& drivers,
                                 Logger& log)
    : core_(core),
      mailbox_(mailbox),
      clock_(clock),
      facts_(std::move(facts)),
      load_(std::move(load)),
      callouts_(std::move(callouts)),
      drivers_(drivers),
      log_(log),
      started_(clock.read()),
      config_loaded_s_(started_.wall_ns / kNsPerSecond) {}

Result<void> OperatorService::on_packet_thread(const std::function<void()>& job) {
  switch (mailbox_.call(job)) {
    case Mailbox::Outcome::Done:
      return {};
    case Mailbox::Outcome::Closed:
      return fail(ErrorKind::Busy, "the server is stopping");
    case Mailbox::Outcome::Refused:
      break;
  }
  const std::string inside = drivers_.running();
  return fail(ErrorKind::Busy,
              inside.empty() ? "the packet thread does not answer"
                             : "the packet thread hangs: it is inside of the packet callout " +
                                   inside + ", and only a restart helps");
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
  status.callouts_missing = callouts_.missing;
  for (const driver::DriverReport& driver : drivers_.report()) {
    if (driver.state == driver::State::Running) status.drivers.push_back(driver.name);
  }
  status.drivers_missing = drivers_.missing();
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
  status.leases = core_.engine().lease_counts();
  status.offers = core_.engine().offer_count();
  status.packets_in_flight = core_.packets_in_flight();
  for (const Endpoint& at : core_.config().leasequery.listen) {
    status.query_listeners.push_back((at.address ? at.address.text() : "*") + ":" +
                                     std::to_string(at.port));
  }
  status.config_path = core_.config().path;
  for (const callout::HostStats& host : core_.callout_stats()) {
    status.callouts.push_back(host.name);
    if (host.state.empty() || host.state == "serving") continue;
    status.callouts_away.push_back(host.name + ": " + host.state);
  }
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
  row.free = use.free_ + use.released + use.expired;
  row.released = use.released;
  row.expired = use.expired;
  row.outside = use.outside;
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
    if (filter.hardware_address && cursor == 0) {
      if (core_.engine().visit_hardware(*filter.hardware_address, kLeasesPerJob, take)) {
        std::ranges::sort(page.rows, {}, &control::LeaseRow::address);
        return;
      }
      page.rows.clear();  // more of them than one job looks at: the scan finds them all
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
  return on_packet_thread([this] { core_.turn(); });  // which tells the callouts
}

Result<void> OperatorService::resume() {
  core_.gate().paused = false;
  log_.info("continued by an operator");
  return on_packet_thread([this] { core_.turn(); });
}

Result<void> OperatorService::set_authorized(bool authorized) {
  core_.gate().authorized = authorized;
  log_.info(authorized ? "authorized by an operator" : "authorization withdrawn by an operator");
  return {};
}

// Until every address in use is what the new configuration says, in slices between turns.
void OperatorService::finish_reload() {
  bool more = true;
  while (more && on_packet_thread([&] { more = core_.engine().settle_some(kSlotsPerJob); })) {
  }
  core_.engine().discard_old();
}

Result<std::string> OperatorService::reload() {
  const std::lock_guard one_reload(reloading_);
  auto loaded = load_();
  if (!loaded) {
    log_.error("configuration not reloaded; the old one stays", {{"why", loaded.error().text}});
    return tl::unexpected(loaded.error());
  }
  std::shared_ptr<const Config> before;
  Result<void> swapped;
  Result<void> done = core_.engine().prepare(*loaded);
  if (done) {
    done = on_packet_thread([&] {
      before = core_.shared_config();
      swapped = core_.reconfigure(*loaded);
    });
  }
  if (done) done = swapped;
  if (!done) {
    log_.error("configuration not reloaded; the old one stays", {{"why", done.error().text}});
    return tl::unexpected(done.error());
  }
  finish_reload();
  config_loaded_s_ = clock_.read().wall_ns / kNsPerSecond;
  std::string text;
  for (const std::string& change : config::describe_changes(*before, **loaded)) {
    text += (text.empty() ? "" : "\n") + change;
  }
  for (const std::string& key : config::needs_restart(*before, **loaded)) {
    text += (text.empty() ? "" : "\n") + key + " changes only with a restart";
  }
  if (before->filter.drivers != (*loaded)->filter.drivers ||
      before->filter.dir != (*loaded)->filter.dir) {
    for (const std::string& line : drivers_.apply((*loaded)->filter)) {
      text += (text.empty() ? "" : "\n") + line;
    }
  }
  if (text.empty()) text = "nothing changed";
  log_.info("configuration reloaded", {{"changes", text}});
  return text;
}

Result<std::vector<control::CalloutRow>> OperatorService::callouts() {
  std::vector<callout::HostStats> hosts;
  auto done = on_packet_thread([&] { hosts = core_.callout_stats(); });
  if (!done) return tl::unexpected(done.error());
  std::vector<control::CalloutRow> rows;
  for (const callout::HostStats& host : hosts) add_rows(host, rows);
  return rows;
}

Result<std::vector<control::CalloutFaultRow>> OperatorService::callout_faults() {
  std::vector<callout::FaultReport> faults;
  auto done = on_packet_thread([&] { faults = core_.callout_faults(); });
  if (!done) return tl::unexpected(done.error());
  std::vector<control::CalloutFaultRow> rows;
  rows.reserve(faults.size());
  for (callout::FaultReport& fault : faults) {
    rows.push_back({fault.wall_ns / kNsPerSecond, std::move(fault.callout), std::move(fault.hook),
                    std::move(fault.what), std::move(fault.request)});
  }
  return rows;
}

Result<control::FilterView> OperatorService::filter() {
  control::FilterView view;
  view.filter = core_.filters().report();
  view.injections = core_.injections().report();
  view.running = drivers_.running();
  std::vector<driver::DriverReport> drivers = drivers_.report();
  view.drivers.reserve(drivers.size());
  for (driver::DriverReport& driver : drivers) {
    control::DriverRow row;
    row.name = std::move(driver.name);
    row.path = std::move(driver.path);
    row.state = driver::state_name(driver.state);
    row.why = std::move(driver.why);
    row.required = driver.required;
    row.breaches = driver.breaches;
    row.devices = std::move(driver.devices);
    row.device = driver.device;
    view.drivers.push_back(std::move(row));
  }
  return view;
}

Result<std::string> OperatorService::reload_drivers() {
  const std::lock_guard one_reload(reloading_);
  std::string text;
  for (const std::string& line : drivers_.reload()) text += (text.empty() ? "" : "\n") + line;
  if (text.empty()) text = "no driver is configured";
  log_.info("drivers reloaded", {{"outcome", text}});
  return text;
}

Result<uint64_t> OperatorService::ioctl_open(std::string_view name, uint32_t code,
                                             std::vector<uint8_t> input) {
  return drivers_.control_open(name, code, std::move(input));
}

std::optional<Result<control::IoctlAnswer>> OperatorService::ioctl_next(uint64_t request) {
  auto answer = drivers_.control_next(request);
  if (!answer) return std::nullopt;
  if (!*answer) return tl::unexpected((*answer).error());
  return control::IoctlAnswer{(*answer)->status, driver::status_text((*answer)->status),
                              std::move((*answer)->data)};
}

void OperatorService::ioctl_close(uint64_t request) { drivers_.control_close(request); }

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
