// The wiring of the real server. Order matters: what needs privileges is opened first, then they
// are dropped, then callouts are loaded, and only then does the first packet come in.
#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "base/version.h"
#include "callout/loader.h"
#include "config/load.h"
#include "control/server.h"
#include "driver/drivers.h"
#include "io/linux/address_probe.h"
#include "io/linux/background.h"
#include "io/linux/clock.h"
#include "io/linux/directory.h"
#include "io/linux/helpers.h"
#include "io/linux/library.h"
#include "io/linux/link_monitor.h"
#include "io/linux/memory.h"
#include "io/linux/notify.h"
#include "io/linux/offload.h"
#include "io/linux/packet_port.h"
#include "io/linux/privileges.h"
#include "io/linux/signals.h"
#include "io/linux/stream_port.h"
#include "server/callout_hosting.h"
#include "server/core.h"
#include "server/mailbox.h"
#include "server/operator_service.h"
#include "server/server.h"

namespace hookline::server {

namespace {

Result<std::shared_ptr<const Config>> load_config(const ServeOptions& options, Logger& log) {
  config::Loaded loaded = config::load_file(options.config_path);
  for (const config::Problem& warning : loaded.warnings) log.warning(config::format(warning));
  if (loaded.config == nullptr) {
    std::string text;
    for (const config::Problem& error : loaded.errors) {
      text += (text.empty() ? "" : "\n") + config::format(error);
    }
    return fail(ErrorKind::Invalid, text);
  }
  auto config = std::make_shared<Config>(*loaded.config);
  if (options.state_dir) config->server.state_dir = *options.state_dir;
  if (options.control) config->server.control = *options.control;
  return std::shared_ptr<const Config>(std::move(config));
}

class LinuxServer {
 public:
  LinuxServer(const ServeOptions& options, Logger& log) : options_(options), log_(log) {}

  Result<void> open();
  // Until a signal stops it. The exit status.
  int run();
  // Something of a driver still runs: nothing that it may use can be destroyed.
  bool must_end_at_once() const { return drivers_.any_left() || hangs_; }

 private:
  Result<void> open_helpers();
  Result<std::shared_ptr<const Config>> load_again();
  Result<void> open_network();
  Result<void> open_state();
  Result<void> drop_privileges();
  Result<void> start_core();
  Result<void> load_drivers();
  void packet_loop();
  bool end_packet_thread(std::thread& thread);
  void follow_config();
  void follow_links();
  void wait_for_signals();
  void reload();
  ServerFacts facts() const;

  ServeOptions options_;
  Logger& log_;
  std::optional<io::LinuxSignals> signals_;
  std::shared_ptr<const Config> config_;
  io::LinuxClock clock_;
  std::unique_ptr<io::LinuxLinkMonitor> links_;
  std::unique_ptr<io::LinuxPacketPort> port_;
  std::unique_ptr<io::LinuxAddressProbe> address_probe_;
  std::unique_ptr<io::LinuxStreamPort> streams_;
  std::unique_ptr<io::LinuxDirectory> state_dir_;
  std::optional<io::LocalListener> listener_;
  std::unique_ptr<io::LinuxBackground> background_;
  std::unique_ptr<io::LinuxOffload> offload_;
  io::LinuxLibraries libraries_;
  io::LinuxMemory memory_;
  std::unique_ptr<io::LinuxHelpers> helpers_;  // null: callouts run in this process
  std::optional<callout::Loader> loader_;
  driver::Drivers drivers_{libraries_, log_};
  std::unique_ptr<Core> core_;
  std::unique_ptr<Mailbox> mailbox_;
  std::unique_ptr<OperatorService> service_;
  std::unique_ptr<control::ControlServer> control_;
  const Config* followed_ = nullptr;       // packet thread: whose interfaces are served
  const io::LinkTable* served_ = nullptr;  // what the port is attached to
  std::atomic<bool> stopping_{false};
  std::atomic<bool> stopped_{false};  // the packet thread has taken its last turn
  bool hangs_ = false;                // it has not
};

Result<void> LinuxServer::open() {
  auto signals = io::LinuxSignals::open();
  if (!signals) return tl::unexpected(signals.error());
  signals_.emplace(std::move(*signals));
  auto config = load_config(options_, log_);
  if (!config) return tl::unexpected(config.error());
  config_ = *config;
  if (auto done = open_helpers(); !done) return done;
  if (auto done = open_network(); !done) return done;
  if (auto done = open_state(); !done) return done;
  offload_ = std::make_unique<io::LinuxOffload>();
  if (auto done = drop_privileges(); !done) return done;
  return start_core();
}

// While this process has one thread and its privileges.
Result<void> LinuxServer::open_helpers() {
  if (auto done = check_hosting(config_->callouts); !done) return done;
  const bool needed = needs_helpers(config_->callouts);
  auto user = helper_user(*config_);
  if (!user && needed) return tl::unexpected(user.error());
  auto helpers = io::LinuxHelpers::open(
      {io::LinuxHelpers::program_beside(kHostProgram), user ? user->name : config_->server.user});
  if (helpers) {
    helpers_ = std::move(*helpers);
    if (needed && !user->note.empty()) {
      log_.log(user->is_root ? LogLevel::Warning : LogLevel::Info, user->note);
    }
  } else if (needed) {
    return tl::unexpected(helpers.error());
  }
  loader_.emplace(libraries_, clock_, memory_, log_, kPacketsMax, helpers_.get());
  return {};
}

// A server that was started without the means to isolate callouts can't get them any more.
Result<std::shared_ptr<const Config>> LinuxServer::load_again() {
  auto config = load_config(options_, log_);
  if (!config || helpers_ != nullptr || !needs_helpers((*config)->callouts)) return config;
  if (auto done = check_hosting((*config)->callouts); !done) return tl::unexpected(done.error());
  return fail(ErrorKind::Missing,
              "callouts can't be isolated before a restart: the server was started without "
              "hookline-host");
}

Result<void> LinuxServer::open_network() {
  auto links = io::LinuxLinkMonitor::open(config_->server.interfaces);
  if (!links) return tl::unexpected(links.error());
  links_ = std::move(*links);
  auto port = io::LinuxPacketPort::open();
  if (!port) return tl::unexpected(port.error());
  port_ = std::move(*port);
  if (auto done = port_->watch(links_->fd()); !done) return done;
  if (helpers_ != nullptr) {
    if (auto done = port_->watch(helpers_->fd()); !done) return done;
  }
  auto address_probe = io::LinuxAddressProbe::open();
  if (!address_probe) return tl::unexpected(address_probe.error());
  address_probe_ = std::move(*address_probe);
  for (const int fd : address_probe_->fds()) {
    if (auto done = port_->watch(fd); !done) return done;
  }
  auto streams = io::LinuxStreamPort::open(kQueryConnectionsMax);
  if (!streams) return tl::unexpected(streams.error());
  streams_ = std::move(*streams);
  if (auto done = port_->watch(streams_->fd()); !done) return done;
  links_->changed();
  follow_links();
  for (const std::string& name : links_->missing()) {
    log_.warning("interface not there yet; it is served when it appears", {{"interface", name}});
  }
  return {};
}

Result<void> LinuxServer::open_state() {
  auto directory = io::LinuxDirectory::open(config_->server.state_dir);
  if (!directory) return tl::unexpected(directory.error());
  state_dir_ = std::move(*directory);
  if (auto done = state_dir_->lock(); !done) return done;  // while that may be root's
  auto listener = io::LocalListener::open(config_->server.control, control::kSocketMode);
  if (!listener) return tl::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  return {};
}

Result<void> LinuxServer::drop_privileges() {
  const std::string& user = config_->server.user;
  if (const auto account = io::find_account(user); account && account->uid != 0) {
    if (auto done = state_dir_->give_to(account->uid, account->gid); !done) return done;
    listener_->give_to(account->uid, account->gid);
  }
  auto dropped = io::drop_privileges(user);
  if (!dropped) return tl::unexpected(dropped.error());
  if (!dropped->empty()) log_.warning(*dropped);
  return io::confine(io::Forbidden::Fails, true);
}

Result<void> LinuxServer::start_core() {
  background_ = std::make_unique<io::LinuxBackground>();
  store::Journal::Options journal_options;
  journal_options.offload = offload_.get();
  std::random_device random;
  const uint64_t seed = uint64_t{random()} << 32 | random();
  const io::ClockReading before = clock_.read();
  // Code of strangers gets no more than the server keeps: the privileges are gone by now.
  callout::Loader::Loaded callouts = loader_->load(config_->callouts);
  auto core = Core::start({clock_, *state_dir_, *background_, *port_, *links_, log_, seed,
                           address_probe_.get(), &drivers_, port_.get(), streams_.get()},
                          config_, journal_options, std::move(callouts.hosts));
  if (!core) return tl::unexpected(core.error());
  core_ = std::move(*core);
  followed_ = &core_->config();
  const store::Recovered& found = core_->recovered();
  log_.info("lease journal opened", {{"dir", config_->server.state_dir},
                                     {"leases", core_->engine().lease_count()},
                                     {"records", found.records},
                                     {"segments", found.segments},
                                     {"snapshot", found.had_snapshot},
                                     {"torn_bytes", found.torn_bytes},
                                     {"ms", (clock_.read().boot_ns - before.boot_ns) / 1'000'000}});
  mailbox_ = std::make_unique<Mailbox>(*port_);
  service_ = std::make_unique<OperatorService>(
      *core_, *mailbox_, clock_, facts(), [this] { return load_again(); },
      CalloutSource{[this](const CalloutConfig& config) { return loader_->prepare(config); },
                    [this](callout::Loader::Prepared prepared) {
                      return loader_->finish(std::move(prepared));
                    },
                    [this](const CalloutConfig& config, const std::string& name) {
                      return loader_->load_again(config, name);
                    },
                    std::move(callouts.failures)},
      drivers_, log_);
  control_ = control::ControlServer::serve(std::move(*listener_), *service_, log_);
  return {};
}

// The packet thread runs, so that a driver's entry may inject and wait for the completion, but it
// takes in nothing before the drivers' filters stand.
Result<void> LinuxServer::load_drivers() {
  drivers_.connect({core_->filters(), core_->lists(), core_->injections()});
  if (auto loaded = drivers_.start(config_->filter); !loaded) return loaded;
  if (mailbox_->call([this] { core_->hold_receiving(false); }) != Mailbox::Outcome::Done) {
    return fail(ErrorKind::Busy, "the packet thread does not answer: " + drivers_.running());
  }
  return {};
}

ServerFacts LinuxServer::facts() const {
  return {std::string(kVersion), io::own_process_id(), config_->server.state_dir};
}

// After a reload: the interfaces to serve may be others. The core's next turn sees the new table.
void LinuxServer::follow_config() {
  if (followed_ == &core_->config()) return;
  followed_ = &core_->config();
  links_->set_interfaces(followed_->server.interfaces);
}

// A new table: the port attaches to what came and detaches from what went.
void LinuxServer::follow_links() {
  const io::LinkTable* table = &links_->table();
  if (table == served_) return;
  served_ = table;
  std::vector<std::string> failures;
  port_->serve(*table, &failures);
  for (const std::string& failure : failures)
    log_.error("interface not served", {{"why", failure}});
  for (const io::Link& link : table->links) {
    log_.info("serving",
              {{"interface", link.name}, {"address", link.primary().text()}, {"up", link.up}});
  }
}

void LinuxServer::packet_loop() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    mailbox_->serve();
    const bool busy = core_->turn();
    follow_config();
    follow_links();
    if (busy) continue;
    port_->wait(core_->idle_ns());
    if (helpers_ != nullptr) helpers_->look();
  }
  core_->stop();
  mailbox_->close();
  stopped_ = true;
}

// False: it is inside of a driver that does not return.
bool LinuxServer::end_packet_thread(std::thread& thread) {
  constexpr int kPatienceMs = 5'000;
  stopping_ = true;
  port_->wake();
  for (int ms = 0; drivers_.any_left() && !stopped_ && ms < kPatienceMs; ++ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (drivers_.any_left() && !stopped_) {
    log_.error("the packet thread hangs", {{"inside", drivers_.running()}});
    hangs_ = true;
    thread.detach();
    return false;
  }
  thread.join();
  return true;
}

void LinuxServer::wait_for_signals() {
  for (;;) {
    switch (signals_->wait()) {
      case io::Signal::Stop:
        return;
      case io::Signal::Reload:
        io::notify("RELOADING=1");
        reload();
        io::notify("READY=1");
        break;
      case io::Signal::None:
        break;
    }
  }
}

// The service logs what came of it.
void LinuxServer::reload() { [[maybe_unused]] const auto outcome = service_->reload(); }

int LinuxServer::run() {
  core_->hold_receiving(true);
  std::thread packet_thread([this] { packet_loop(); });
  if (auto loaded = load_drivers(); !loaded) {
    log_.error(loaded.error().text);
    drivers_.unload_all();
    end_packet_thread(packet_thread);
    return 1;
  }
  control_->start();
  log_.info("serving", {{"config", options_.config_path},
                        {"scopes", config_->scopes.size()},
                        {"control", config_->server.control}});
  io::notify("READY=1\nSTATUS=serving");
  wait_for_signals();
  io::notify("STOPPING=1");
  log_.info("stopping");
  control_->stop();
  drivers_.unload_all();  // what they wait for is done by turns
  if (!end_packet_thread(packet_thread)) return 1;
  log_.info("stopped");
  return 0;
}

}  // namespace

namespace {

int serve_until_stopped(LinuxServer& server, Logger& log) {
  if (auto opened = server.open(); !opened) {
    // A configuration may have many errors: each on its own line, as `hookline check` prints them.
    std::istringstream lines(opened.error().text);
    for (std::string line; std::getline(lines, line);) log.error(line);
    return 1;
  }
  return server.run();
}

}  // namespace

int serve(const ServeOptions& options) {
  Logger log(stderr, options.log_level, io::under_journald());
  LinuxServer server(options, log);
  const int status = serve_until_stopped(server, log);
  if (server.must_end_at_once()) {
    log.warning("something of a driver still runs: ending without waiting for it");
    std::fflush(nullptr);
    std::_Exit(status);
  }
  return status;
}

}  // namespace hookline::server
