#include "server/cli.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cmath>
#include <csignal>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/version.h"
#include "load/load.h"
#include "server/callout_check.h"
#include "server/cli_errors.h"
#include "server/cli_files.h"
#include "server/cli_leasequery.h"
#include "server/cli_operator.h"
#include "server/server.h"

namespace hookline::cli {

namespace {

// What a command does once the whole line has been read.
using Action = std::function<int(Streams)>;

// Values of all commands; each command binds and uses its own.
struct Values {
  server::ServeOptions serve;
  std::string state_dir, control;
  Target target;
  LeaseArguments leases;
  LeaseQueryArguments query;
  load::Options load;
  check::CheckOptions callout_check;
  bool all = false;
  bool load_json = false;
  std::string path;
  std::string client;
  std::string address;
  std::string device, code, data;
};

class CommandLine {
 public:
  CommandLine();
  CLI::App& app() { return app_; }
  int act(Streams streams) const { return action_(streams); }

 private:
  CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* example,
                    Action action);
  void add_control(CLI::App* command);
  void add_format(CLI::App* command);
  void add_change(CLI::App& parent, const char* name, const char* call, const char* what,
                  const char* example, bool address);
  void add_serve();
  void add_check();
  void add_views();
  void add_callouts();
  void add_callout();
  void add_filter();
  void add_ioctl();
  void add_leases();
  void add_leasequery();
  void add_trace();
  void add_changes();
  void add_journal();
  void add_load();

  CLI::App app_{"A DHCPv4 server that other people's code can hook into.", "hookline"};
  Values values_;
  Action action_;
};

// --- values --------------------------------------------------------------------------------

Ipv4 address_of(const std::string& text) {
  const auto address = Ipv4::parse(text);
  if (!address) throw CLI::ValidationError(text, "is not an IPv4 address, as 10.77.0.100");
  return *address;
}

MacAddress mac_of(const std::string& text) {
  const auto octets = from_hex(text);
  MacAddress mac;
  if (!octets || octets->size() != mac.octets.size()) {
    throw CLI::ValidationError(text, "is not a MAC address, as 02:00:00:00:00:07");
  }
  std::copy(octets->begin(), octets->end(), mac.octets.begin());
  return mac;
}

// Finer than a configuration's durations: a load lasts milliseconds too.
int64_t duration_ns_of(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  char* unit = nullptr;
  const double number = std::strtod(text.c_str(), &unit);
  for (const auto& [name, ns] : kUnits) {
    if (unit == text.c_str() || name != unit || !std::isfinite(number) || number < 0) continue;
    if (number * ns < 9e18) return static_cast<int64_t>(number * ns);
  }
  throw CLI::ValidationError(text, "is not a duration, as 10s or 250ms");
}

template <class T, class Convert>
CLI::Option* converted(CLI::App* app, const char* name, T& into, Convert convert, const char* what,
                       const char* type) {
  return app
      ->add_option_function<std::string>(
          name, [&into, convert](const std::string& text) { into = convert(text); }, what)
      ->type_name(type);
}

// --- commands --------------------------------------------------------------------------------

CLI::App* CommandLine::command(CLI::App& parent, const char* name, const char* what,
                               const char* example, Action action) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->footer(fmt::format("Example: {}", example));
  if (action) {
    command->callback([this, action = std::move(action)] { action_ = action; });
  } else {
    command->require_subcommand(1);
  }
  return command;
}

void CommandLine::add_control(CLI::App* command) {
  command
      ->add_option("--control", values_.target.socket,
                   "the server's socket [/run/hookline/control.sock]")
      ->type_name("SOCKET");
}

void CommandLine::add_format(CLI::App* command) {
  command
      ->add_option_function<std::string>(
          "--format",
          [this](const std::string& text) { values_.target.format = *control::parse_format(text); },
          "table, json or csv [table]")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->type_name("FORMAT");
}

void CommandLine::add_serve() {
  CLI::App* serve = command(app_, "serve",
                            "Serve, in the foreground, until SIGTERM; SIGHUP reads the file again.",
                            "hookline serve --config /etc/hookline/hookline.toml", [this](Streams) {
                              if (!values_.state_dir.empty())
                                values_.serve.state_dir = values_.state_dir;
                              if (!values_.control.empty()) values_.serve.control = values_.control;
                              return server::serve(values_.serve);
                            });
  serve->add_option("--config", values_.serve.config_path, "the configuration")
      ->type_name("FILE")
      ->required();
  serve->add_option("--state-dir", values_.state_dir, "holds the lease journal; beats the file")
      ->type_name("DIR");
  serve->add_option("--control", values_.control, "the operator's socket; beats the file")
      ->type_name("SOCKET");
  serve
      ->add_option_function<std::string>(
          "--log-level",
          [this](const std::string& text) {
            const std::string_view names[] = {"error", "warning", "info", "debug"};
            const auto at = std::find(std::begin(names), std::end(names), text);
            values_.serve.log_level = static_cast<LogLevel>(at - std::begin(names));
          },
          "error, warning, info or debug [info]")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
      ->type_name("LEVEL");
}

void CommandLine::add_check() {
  CLI::App* check = command(app_, "check", "Check a configuration; say every error with its place.",
                            "hookline check /etc/hookline/hookline.toml", [this](Streams streams) {
                              return check_config(values_.path, streams);
                            });
  check->add_option("FILE", values_.path, "the configuration")->type_name("")->required();
}

void CommandLine::add_views() {
  CLI::App* status = command(app_, "status", "Show what the server does and how it is.",
                             "hookline status --format json",
                             [this](Streams s) { return show_status(values_.target, s); });
  CLI::App* scopes = command(app_, "scopes", "Show each scope's addresses, taken and free.",
                             "hookline scopes --format csv",
                             [this](Streams s) { return show_scopes(values_.target, s); });
  CLI::App* drops =
      command(app_, "drops", "Show how many packets were dropped, by reason.", "hookline drops",
              [this](Streams s) { return show_drops(values_.target, values_.all, s); });
  drops->add_flag("--all", values_.all, "show the reasons that never occurred too");
  CLI::App* metrics = command(app_, "metrics", "Print the counters as Prometheus text.",
                              "hookline metrics > /var/lib/node_exporter/hookline.prom",
                              [this](Streams s) { return show_metrics(values_.target, s); });
  for (CLI::App* view : {status, scopes, drops, metrics}) {
    add_control(view);
    add_format(view);
  }
}

void CommandLine::add_callouts() {
  CLI::App* callouts = app_.add_subcommand(
      "callouts", "Show each callout's hooks: calls, times, and what went wrong.");
  callouts->footer("Example: hookline callouts --format json");
  callouts->callback([this, callouts] {
    if (!callouts->get_subcommands().empty()) return;
    action_ = [this](Streams s) { return show_callouts(values_.target, s); };
  });
  add_control(callouts);
  add_format(callouts);
  CLI::App* reload =
      command(*callouts, "reload",
              "Load the callouts of the configuration anew, or the one of that name alone.",
              "hookline callouts reload mac.so",
              [this](Streams s) { return reload_callouts(values_.target, values_.device, s); });
  reload->add_option("NAME", values_.device, "its name or file, as 'hookline callouts' shows it")
      ->type_name("");
  add_control(reload);
  CLI::App* faults = command(*callouts, "faults",
                             "Show how isolated callouts failed: when, in which hook, and where.",
                             "hookline callouts faults --format json",
                             [this](Streams s) { return show_callout_faults(values_.target, s); });
  add_control(faults);
  add_format(faults);
}

void CommandLine::add_filter() {
  CLI::App* filter = app_.add_subcommand(
      "filter", "Show the filter: drivers, sublayers, callouts, filters, layers, injections.");
  filter->footer("Example: hookline filter --format json");
  filter->callback([this, filter] {
    if (!filter->get_subcommands().empty()) return;
    action_ = [this](Streams s) { return show_filter(values_.target, s); };
  });
  add_control(filter);
  add_format(filter);
  add_change(*filter, "reload", "reload-drivers",
             "Unload all drivers and load those of the configuration, under traffic.",
             "hookline filter reload", false);
}

void CommandLine::add_ioctl() {
  CLI::App* ioctl = command(
      app_, "ioctl",
      "Send a request to a driver's control device; print its status and what it answers. Exit 1: "
      "the status is an error.",
      "hookline ioctl delay 0x80002000 0a00", [this](Streams s) {
        return cli::ioctl(values_.target, values_.device, values_.code, values_.data, s);
      });
  ioctl
      ->add_option("NAME", values_.device, "the driver, or its device: \\\\.\\Name, \\Device\\Name")
      ->type_name("")
      ->required();
  ioctl->add_option("CODE", values_.code, "the control code, decimal or 0x…")
      ->type_name("")
      ->required();
  ioctl->add_option("HEX", values_.data, "the input, in hex [none]")->type_name("");
  add_control(ioctl);
  ioctl
      ->add_option_function<std::string>(
          "--format",
          [this](const std::string& text) { values_.target.format = *control::parse_format(text); },
          "table or json [table]")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT");
}

void CommandLine::add_callout() {
  CLI::App* callout = command(app_, "callout", "Try a callout out, without a server.",
                              "hookline callout check mac.so", nullptr);
  CLI::App* check = command(
      *callout, "check",
      "Drive a callout through every exchange in a process of its own; say its hooks, their "
      "times, and every breach of the contract. Exit 1: breaches; 2: it does not load.",
      "hookline callout check mac.so",
      [this](Streams streams) { return check::run_callout_check(values_.callout_check, streams); });
  check::CheckOptions& o = values_.callout_check;
  check->add_option("FILE", o.file, "the callout")->type_name("")->required();
  check->add_option("--config", o.config, "its registry and path map are this configuration's")
      ->type_name("FILE");
  check->add_option("--packets", o.rounds, "exchanges of four packets that are timed")
      ->check(CLI::Range(1u, 1'000'000u))
      ->capture_default_str();
  converted(check, "--budget", o.budget_ns, duration_ns_of, "that a hook may take [1ms]", "TIME");
  converted(check, "--timeout", o.timeout_ns, duration_ns_of,
            "after which a hook counts as hanging [10s]", "TIME");
  check
      ->add_option_function<std::string>(
          "--format", [&o](const std::string& text) { o.json = text == "json"; },
          "table or json [table]")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("FORMAT");
  check->add_flag("--verbose", o.verbose, "show what it logs");
}

void CommandLine::add_leases() {
  CLI::App* leases =
      command(app_, "leases", "List leases; all filters that are given have to hold.",
              "hookline leases --scope office --state active",
              [this](Streams s) { return show_leases(values_.target, values_.leases, s); });
  LeaseArguments& filter = values_.leases;
  leases->add_option("--scope", filter.scope, "of this scope")->type_name("ID");
  leases->add_option("--address", filter.address, "of this address")->type_name("ADDRESS");
  leases->add_option("--hw-address", filter.hw_address, "of this hardware address")
      ->type_name("MAC");
  leases->add_option("--client-id", filter.client_id, "of this client id, text or hex:…")
      ->type_name("ID");
  leases->add_option("--state", filter.state, "active, released, expired or declined")
      ->check(CLI::IsMember({"active", "released", "expired", "declined", "free"}))
      ->type_name("STATE");
  add_control(leases);
  add_format(leases);
}

void CommandLine::add_leasequery() {
  CLI::App* query = command(
      app_, "leasequery",
      "Ask any server who has which address, as relays do: over TCP, bulk and active, or over UDP. "
      "Exit 1: it refused, broke off, or does not know the address.",
      "hookline leasequery 10.77.0.1 --all --start 2h",
      [this](Streams s) { return lease_query(values_.query, s); });
  LeaseQueryArguments& q = values_.query;
  query->add_option("SERVER", q.server, "its address, and its port if not 67")
      ->type_name("")
      ->required();
  query->add_option("--address", q.address, "of this address")->type_name("ADDRESS");
  query->add_option("--mac", q.mac, "of this hardware address")->type_name("MAC");
  query->add_option("--client-id", q.client_id, "of this client id, text or hex:…")
      ->type_name("ID");
  query->add_option("--relay-id", q.relay_id, "through this relay (option 82, 12), text or hex:…")
      ->type_name("ID");
  query->add_option("--remote-id", q.remote_id, "at this remote end (option 82, 2)")
      ->type_name("ID");
  query->add_flag("--all", q.all, "all leases");
  query->add_flag("--active", q.active, "every change from now on, until it is ended");
  query->add_option("--since", q.since, "with --active: first what has changed since then")
      ->type_name("TIME");
  query->add_option("--start", q.start, "only what has changed then or later: 2h is so long ago")
      ->type_name("TIME");
  query->add_option("--end", q.end, "only what has changed then or before")->type_name("TIME");
  query->add_flag("--bulk", q.bulk, "over TCP, which is the default");
  query->add_flag("--udp", q.udp, "over UDP, as a relay: needs port 67")->excludes("--bulk");
  query->add_option("--from", q.from, "own address, which the server's 'allow' has to have")
      ->type_name("ADDRESS");
  query->add_option("--count", q.count, "end after so many leases")->type_name("N");
  query->add_flag("--json", q.json, "one JSON object a line");
  query->add_flag("--quiet", q.quiet, "print only how many there were");
}

void CommandLine::add_trace() {
  CLI::App* trace =
      command(app_, "trace", "Follow a client's packets: each stage's decision, and why.",
              "hookline trace 02:00:00:00:00:07",
              [this](Streams s) { return follow_trace(values_.target, values_.client, s); });
  trace->add_option("CLIENT", values_.client, "a hardware address, a client id, or any")
      ->type_name("")
      ->required();
  add_control(trace);
}

void CommandLine::add_change(CLI::App& parent, const char* name, const char* call, const char* what,
                             const char* example, bool address) {
  CLI::App* change_command = command(parent, name, what, example, [this, call](Streams streams) {
    return change(values_.target, call, values_.address, streams);
  });
  if (address) {
    change_command->add_option("ADDRESS", values_.address, "the lease's address")
        ->type_name("")
        ->required();
  }
  add_control(change_command);
}

void CommandLine::add_changes() {
  CLI::App* lease =
      command(app_, "lease", "Change one lease.", "hookline lease release 10.77.0.100", nullptr);
  add_change(*lease, "release", "release", "End a binding, as if its client had released it.",
             "hookline lease release 10.77.0.100", true);
  add_change(*lease, "delete", "delete", "Forget an address's lease, quarantine included.",
             "hookline lease delete 10.77.0.100", true);
  add_change(app_, "pause", "pause", "Drop every packet until 'continue'.", "hookline pause",
             false);
  add_change(app_, "continue", "continue", "Serve again after 'pause', and try a full disk again.",
             "hookline continue", false);
  add_change(app_, "reload", "reload",
             "Read the configuration again; keep the old one if it is bad.", "hookline reload",
             false);
  add_change(app_, "authorize", "authorize", "Let the server serve.", "hookline authorize", false);
  add_change(app_, "unauthorize", "unauthorize", "Drop every packet as unauthorized.",
             "hookline unauthorize", false);
}

void CommandLine::add_journal() {
  CLI::App* journal = command(app_, "journal", "Read a lease journal without a server.",
                              "hookline journal verify /var/lib/hookline", nullptr);
  CLI::App* dump =
      command(*journal, "dump", "Print every record that checks.",
              "hookline journal dump /var/lib/hookline --format json",
              [this](Streams s) { return journal_dump(values_.path, values_.target.format, s); });
  add_format(dump);
  CLI::App* verify = command(*journal, "verify", "Check every byte; exit 1 if anything is damaged.",
                             "hookline journal verify /var/lib/hookline",
                             [this](Streams s) { return journal_verify(values_.path, s); });
  CLI::App* repair = command(
      *journal, "repair",
      "Keep what checks in a new snapshot, move damaged files aside. Stop the server first.",
      "hookline journal repair /var/lib/hookline",
      [this](Streams s) { return journal_repair(values_.path, s); });
  for (CLI::App* one : {dump, verify, repair}) {
    one->add_option("DIR", values_.path, "the state directory")->type_name("")->required();
  }
}

// --- load --------------------------------------------------------------------------------

// A signal handler has no other way to reach the run it has to end.
std::atomic<bool> load_stopped{false};

int run_load(const Values& values, Streams streams) {
  load::Options options = values.load;
  options.stop = &load_stopped;
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { load_stopped = true; });
  const auto report = load::run(options);
  if (!report) {
    failed(report.error(), streams);
    return report.error().kind == ErrorKind::Invalid ? kExitUsage : kExitFailed;
  }
  fmt::print(streams.out, "{}", values.load_json ? to_json(*report) + "\n" : to_table(*report));
  return report->clean() ? kExitOk : kExitFailed;
}

void CommandLine::add_load() {
  CLI::App* load = command(
      app_, "load", "Be many DHCP clients, or a relay full of them, on one interface, and measure.",
      "hookline load -i veth1 --relay 10.77.0.2 --server 10.77.0.1 --window 256 --duration 10s",
      [this](Streams streams) { return run_load(values_, streams); });
  load::Options& o = values_.load;
  load->add_option("-i,--interface", o.interface, "the only interface that is used")->required();
  converted(
      load, "--exchange", o.exchange,
      [](const std::string& text) { return *load::parse_exchange(text); },
      "dora, renew, inform or discover [dora]", "KIND")
      ->check(CLI::IsMember({"dora", "renew", "inform", "discover"}));
  converted(load, "--server", o.server, address_of, "the server's address", "ADDRESS");
  converted(load, "--relay", o.relay, address_of,
            "be the relay with this address; without it, clients on the wire", "ADDRESS");
  converted(load, "--relay-mac", o.relay_mac, mac_of, "instead of the interface's", "MAC");
  converted(load, "--server-mac", o.server_mac, mac_of, "instead of the neighbour table", "MAC");
  load->add_option("--window", o.window, "exchanges outstanding")->capture_default_str();
  load->add_option("--rate", o.rate_per_s, "exchanges started a second, instead of a window");
  converted(load, "--duration", o.duration_ns, duration_ns_of, "of the measured part", "TIME");
  load->add_option("--count", o.count, "exchanges of the measured part");
  load->add_option("--clients", o.clients, "distinct clients, used in turn; 0: always new ones");
  load->add_option("--warm", o.warm, "exchanges before the measured ones");
  converted(load, "--timeout", o.timeout_ns, duration_ns_of, "until a message is sent again [1s]",
            "TIME");
  load->add_option("--tries", o.tries, "sendings before an exchange has failed")
      ->capture_default_str();
  load->add_flag("--client-id", o.client_id, "send option 61");
  load->add_flag("--option82", o.option82, "send option 82");
  load->add_flag("--broadcast", o.broadcast, "set the broadcast flag");
  load->add_flag("--release", o.release, "give all leases back at the end");
  load->add_option("--release-rate", o.release_rate_per_s, "releases a second")
      ->capture_default_str();
  converted(load, "--hold", o.hold_ns, duration_ns_of, "wait before the releases", "TIME");
  load->add_option("--seed", o.seed, "for hardware addresses and transaction ids")
      ->capture_default_str();
  load->add_flag("--spin", o.spin, "never sleep");
  load->add_option("--cpu", o.cpu, "pin to this CPU");
  load->add_option("--server-pid", o.server_pid, "report this process's CPU time and memory");
  load->add_flag("--json", values_.load_json, "print one JSON object");
}

CommandLine::CommandLine() {
  app_.set_version_flag("--version", fmt::format("hookline {}", kVersion));
  app_.require_subcommand(1);
  app_.footer(
      "Example: hookline serve --config /etc/hookline/hookline.toml\n"
      "'hookline COMMAND --help' explains a command; hookline(8) explains all.");
  add_serve();
  add_check();
  add_views();
  add_callouts();
  add_callout();
  add_filter();
  add_ioctl();
  add_leases();
  add_leasequery();
  add_trace();
  add_changes();
  add_journal();
  add_load();
}

// Which command's help says what would have been right.
std::string command_named(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + command_named(*chosen.front());
}

int usage_error(CLI::App& app, const CLI::ParseError& error, Streams streams) {
  std::ostringstream out;
  std::ostringstream err;
  if (error.get_exit_code() == 0) {  // --help, --version
    app.exit(error, out, err);
    fmt::print(streams.out, "{}", out.str());
    return kExitOk;
  }
  fmt::print(streams.err, "hookline: {}\nTry '{} --help'.\n", error.what(), command_named(app));
  return kExitUsage;
}

}  // namespace

int run(int argc, const char* const* argv, Streams streams) {
  CommandLine line;
  try {
    line.app().parse(argc, const_cast<char**>(argv));
  } catch (const CLI::ParseError& error) {
    return usage_error(line.app(), error, streams);
  }
  return line.act(streams);
}

}  // namespace hookline::cli
