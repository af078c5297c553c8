#include "load/load.h"

#include <fmt/format.h>

#include "load/engine.h"
#include "load/wire.h"

namespace hookline::load {
namespace {

constexpr uint32_t kLeasedClients = 10'000;
// Acquiring leases before the measured part: many at once, whatever the measured window is.
constexpr uint32_t kWarmWindow = 64;

bool needs_leases(Exchange exchange) {
  return exchange == Exchange::Renew || exchange == Exchange::Inform;
}

Result<void> check_options(const Options& options) {
  const auto invalid = [](std::string text) -> Result<void> {
    return fail(ErrorKind::Invalid, std::move(text));
  };
  if (options.interface.empty()) return invalid("an interface is needed");
  if (options.relay && !options.server) return invalid("a relay needs the server's address");
  if (options.window == 0 || options.window > kWindowMax) {
    return invalid(fmt::format("the window is 1 to {} exchanges", kWindowMax));
  }
  if (options.rate_per_s < 0) return invalid("the rate is not negative");
  if (options.count == 0 && options.duration_ns <= 0) {
    return invalid("a count or a duration is needed, or the run would never end");
  }
  if (options.timeout_ns <= 0 || options.tries == 0) {
    return invalid("the timeout is positive, and there is at least one try");
  }
  if (options.clients != 0 && options.clients < options.window && options.rate_per_s <= 0) {
    return invalid("fewer clients than exchanges outstanding");
  }
  if (options.release_rate_per_s <= 0) return invalid("the rate of releases is positive");
  return {};
}

Engine::Phase warm_phase(const Options& options) {
  Engine::Phase warm;
  warm.window = std::max(options.window, kWarmWindow);
  if (needs_leases(options.exchange)) {
    warm.count = options.clients != 0 ? options.clients : kLeasedClients;
    warm.window = std::min(warm.window, static_cast<uint32_t>(warm.count));
  } else {
    warm.count = options.warm;
    if (options.clients != 0) warm.window = std::min(warm.window, options.clients);
    warm.clients = options.clients;
  }
  return warm;
}

Engine::Phase measured_phase(const Options& options) {
  Engine::Phase phase;
  phase.exchange = options.exchange;
  phase.window = options.window;
  phase.rate_per_s = options.rate_per_s;
  phase.count = options.count;
  phase.duration_ns = options.duration_ns;
  phase.clients = options.clients;
  if (needs_leases(options.exchange) && phase.clients == 0) phase.clients = kLeasedClients;
  return phase;
}

void hold(const Options& options, Wire& wire) {
  const int64_t until_ns = wire.now_ns() + options.hold_ns;
  std::array<RxPacket, kBatch> ignored;
  while (wire.now_ns() < until_ns && !(options.stop != nullptr && *options.stop)) {
    wire.wait(std::min(until_ns, wire.now_ns() + kNsPerSecond / 10));
    wire.receive(ignored);
  }
}

}  // namespace

std::optional<Exchange> parse_exchange(std::string_view text) {
  for (const Exchange e : {Exchange::Dora, Exchange::Renew, Exchange::Inform, Exchange::Discover}) {
    if (text == exchange_name(e)) return e;
  }
  return std::nullopt;
}

std::string_view exchange_name(Exchange exchange) {
  switch (exchange) {
    case Exchange::Dora:
      return "dora";
    case Exchange::Renew:
      return "renew";
    case Exchange::Inform:
      return "inform";
    case Exchange::Discover:
      return "discover";
  }
  return "";
}

Result<Report> run(const Options& options) {
  if (Result<void> valid = check_options(options); !valid) return tl::unexpected(valid.error());
  Result<OpenWire> open =
      open_wire({options.interface, options.cpu, static_cast<bool>(options.relay)});
  if (!open) return tl::unexpected(open.error());
  MacAddress server_mac;
  if (options.server_mac) {
    server_mac = *options.server_mac;
  } else if (options.relay) {
    Result<MacAddress> found = resolve_neighbour(options.interface, options.server);
    if (!found) return tl::unexpected(found.error());
    server_mac = *found;
  }
  return run_on(options, {server_mac, options.relay_mac.value_or(open->mac)}, *open->wire);
}

Report run_on(const Options& options, const Ends& ends, Wire& wire) {
  const Addressing addressing{ends.own_mac,      options.server,   options.relay,
                              options.client_id, options.option82, options.broadcast};
  const auto engine = std::make_unique<Engine>(options, addressing, ends.server_mac, wire);
  Report report;
  report.exchange = options.exchange;
  report.relayed = addressing.relayed();
  report.window = options.rate_per_s > 0 ? 0 : options.window;
  report.rate_per_s_wanted = options.rate_per_s;
  report.seed = options.seed;

  const Engine::Phase warm = warm_phase(options);
  if (warm.count != 0) {
    Engine::Outcome outcome;
    engine->run(warm, outcome);
    report.warmed = outcome.counts.completed;
    report.warm_failed = warm.count - outcome.counts.completed;
    report.warm_ns = outcome.elapsed_ns;
    report.fault = outcome.fault;
  }
  const ProcessUsage before = process_usage(options.server_pid);
  Engine::Outcome outcome;
  engine->run(measured_phase(options), outcome);
  const ProcessUsage after = process_usage(options.server_pid);
  report.server_cpu_ns = after.cpu_ns - before.cpu_ns;
  report.server_rss_bytes = after.rss_bytes;
  report.counts = outcome.counts;
  report.elapsed_ns = outcome.elapsed_ns;
  report.exchange_latency = outcome.exchange_latency;
  report.offer_latency = outcome.offer_latency;
  report.ack_latency = outcome.ack_latency;
  if (report.fault.empty()) report.fault = outcome.fault;
  if (options.hold_ns > 0) hold(options, wire);
  if (options.release) report.released = engine->release_all(options.release_rate_per_s);
  return report;
}

}  // namespace hookline::load
