#include "server/check_house.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "base/time.h"
#include "config/load.h"
#include "load/packet.h"

namespace hookline::check {

House::House(callout::Loader& loader, const CalloutConfig& callouts, Watch& watch, Sheet& sheet,
             io::Clock& real_clock, Logger& log, const char* config_text, bool with_probe)
    : clock(real_clock),
      loader_(loader),
      callouts_(callouts),
      watch_(watch),
      sheet_(sheet),
      log_(log),
      config_text_(config_text),
      with_probe_(with_probe) {}

House::~House() { stop(); }

namespace {

// The loader says "name: why", and why often begins with the file's path, which is the name here.
void note_failure(Sheet& sheet, const std::string& name, std::string_view text) {
  const std::string prefix = name + ": ";
  if (text.starts_with(prefix + name)) text.remove_prefix(prefix.size());
  const size_t size = std::min(text.size(), sheet.failure.size() - 1);
  std::copy_n(text.begin(), size, sheet.failure.begin());
  sheet.failure[size] = '\0';
  sheet.load_failed = true;
}

}  // namespace

void House::start() {
  const auto config = config::load_text(config_text_, "check.toml").config;
  CHECK(config != nullptr, "the test host's configuration is valid");
  callout::Loader::Loaded loaded = loader_.load(callouts_);
  watch_.leave();
  if (loaded.hosts.size() != 1) {
    note_failure(sheet_, callouts_.names.front(),
                 loaded.failures.empty() ? "it was not loaded" : loaded.failures.front());
    return;
  }
  sheet_.loaded = true;
  callout::Hosts hosts;
  hosts.push_back(std::make_unique<WatchedHost>(std::move(loaded.hosts.front()), watch_));
  auto core = server::Core::start(
      {clock, disk, background_, wire, wire, log_, 1, with_probe_ ? &probe : nullptr}, config, {},
      std::move(hosts));
  CHECK(core.has_value(), "a server starts on an empty disk");
  core_ = std::move(*core);
  run();
}

void House::stop() {
  if (core_ != nullptr) core_->stop();
  core_.reset();
  background_.forget();
}

void House::run() {
  for (bool busy = true; busy;) {
    busy = core_->turn();
    while (background_.run_one()) busy = true;
  }
}

void House::pass(int64_t seconds) {
  for (; seconds > 0; --seconds) {
    clock.pass(kNsPerSecond);
    run();
  }
}

void House::say(const Client& client, const Options& options, Ipv4 ciaddr) {
  wire.client_sends(frame(client, message(client, options, ciaddr), ciaddr));
}

Ipv4 House::ask(const Client& client, const Options& options, Ipv4 ciaddr, Ipv4 otherwise) {
  wire.take_reply();
  say(client, options, ciaddr);
  run();
  const std::vector<uint8_t> sent = wire.take_reply();
  load::Reply reply;
  const bool got = !sent.empty() && load::read_reply(sent, false, reply).empty() && reply.yiaddr;
  return got ? reply.yiaddr : otherwise;
}

}  // namespace hookline::check
