// hookline-load: the load generator alone, for builds without the server. `hookline load` takes the
// same flags.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>

#include "load/load.h"

namespace {

using hookline::Ipv4;
using hookline::load::Exchange;
using hookline::load::Options;

std::atomic<bool> stop_requested{false};

Ipv4 address(const std::string& text) {
  const auto parsed = Ipv4::parse(text);
  if (!parsed) throw CLI::ValidationError(text + " is not an IPv4 address");
  return *parsed;
}

hookline::MacAddress mac(const std::string& text) {
  const auto octets = hookline::from_hex(text);
  if (!octets || octets->size() != 6) throw CLI::ValidationError(text + " is not a MAC address");
  hookline::MacAddress parsed;
  std::copy(octets->begin(), octets->end(), parsed.octets.begin());
  return parsed;
}

int64_t duration_ns(const std::string& text) {
  static const std::map<std::string, double> units{{"us", 1e3}, {"ms", 1e6}, {"s", 1e9},
                                                   {"", 1e9},   {"m", 60e9}, {"h", 3600e9}};
  size_t digits = 0;
  double number = 0;
  try {
    number = std::stod(text, &digits);
  } catch (const std::exception&) {
    throw CLI::ValidationError(text + " is not a duration such as 10s or 250ms");
  }
  const auto unit = units.find(text.substr(digits));
  if (unit == units.end() || number < 0) {
    throw CLI::ValidationError(text + " is not a duration such as 10s or 250ms");
  }
  return static_cast<int64_t>(number * unit->second);
}

void add_flags(CLI::App& app, Options& o) {
  app.add_option("-i,--interface", o.interface, "the only interface that is used")->required();
  app.add_option_function<std::string>(
         "--exchange",
         [&o](const std::string& text) { o.exchange = *hookline::load::parse_exchange(text); },
         "dora, renew, inform or discover")
      ->check(CLI::IsMember({"dora", "renew", "inform", "discover"}))
      ->default_str("dora");
  app.add_option_function<std::string>(
      "--server", [&o](const std::string& text) { o.server = address(text); },
      "the server's address");
  app.add_option_function<std::string>(
      "--relay", [&o](const std::string& text) { o.relay = address(text); },
      "act as the relay with this address (giaddr); without it, as clients on the wire");
  app.add_option_function<std::string>(
      "--relay-mac", [&o](const std::string& text) { o.relay_mac = mac(text); },
      "source of relayed frames, instead of the interface's");
  app.add_option_function<std::string>(
      "--server-mac", [&o](const std::string& text) { o.server_mac = mac(text); },
      "instead of the neighbour table");
  app.add_option("--window", o.window, "exchanges outstanding")->capture_default_str();
  app.add_option("--rate", o.rate_per_s, "exchanges started a second (open loop)");
  app.add_option_function<std::string>(
      "--duration", [&o](const std::string& text) { o.duration_ns = duration_ns(text); },
      "such as 10s");
  app.add_option("--count", o.count, "exchanges");
  app.add_option("--clients", o.clients, "distinct clients, taken in turn (0: always new ones)");
  app.add_option("--warm", o.warm, "exchanges before the measured ones");
  app.add_option_function<std::string>(
      "--timeout", [&o](const std::string& text) { o.timeout_ns = duration_ns(text); },
      "before a message is sent again [1s]");
  app.add_option("--tries", o.tries, "sendings before an exchange has failed")
      ->capture_default_str();
  app.add_flag("--client-id", o.client_id, "send option 61");
  app.add_flag("--option82", o.option82, "send option 82");
  app.add_flag("--broadcast", o.broadcast, "set the broadcast flag");
  app.add_flag("--release", o.release, "give all leases back at the end");
  app.add_option("--release-rate", o.release_rate_per_s, "a second")->capture_default_str();
  app.add_option_function<std::string>(
      "--hold", [&o](const std::string& text) { o.hold_ns = duration_ns(text); },
      "wait before the releases");
  app.add_option("--seed", o.seed, "for hardware addresses and transaction ids")
      ->capture_default_str();
  app.add_flag("--spin", o.spin, "never sleep");
  app.add_option("--cpu", o.cpu, "pin to this CPU");
  app.add_option("--server-pid", o.server_pid, "report this process's CPU time and memory");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("DHCP load generator");
  Options options;
  bool json = false;
  add_flags(app, options);
  app.add_flag("--json", json, "one JSON object");
  CLI11_PARSE(app, argc, argv);
  options.stop = &stop_requested;
  std::signal(SIGINT, [](int) { stop_requested = true; });
  std::signal(SIGTERM, [](int) { stop_requested = true; });

  const auto report = hookline::load::run(options);
  if (!report) {
    fmt::print(stderr, "hookline-load: {}\n", report.error().text);
    return 2;
  }
  fmt::print("{}{}", json ? to_json(*report) : to_table(*report), json ? "\n" : "");
  return report->clean() ? 0 : 1;
}
