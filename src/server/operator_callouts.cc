// Callouts anew, one while it and the others serve, or all of them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/utf16.h"
#include "server/operator_service.h"

namespace hookline::server {

namespace {

// For hosts that were replaced before and whose packets have not ended yet.
constexpr int kPatienceMs = 10'000;

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_called(const callout::HostStats& host, std::string_view name) {
  return equal_ignoring_case(host.name, name) || host.path == name || file_name(host.path) == name;
}

std::string names_of(const std::vector<callout::HostStats>& hosts) {
  std::string out;
  for (const callout::HostStats& host : hosts) out += (out.empty() ? "" : ", ") + host.name;
  return out.empty() ? "none" : out;
}

// Which of them `name` means. In a chain that DLLs make, the host is that of the first, and every
// name means it.
Result<size_t> find_callout(const std::vector<callout::HostStats>& hosts,
                            const CalloutConfig& config, std::string_view name) {
  std::vector<size_t> found;
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].name == name) return i;
    if (is_called(hosts[i], name)) found.push_back(i);
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    std::vector<callout::HostStats> some;
    some.reserve(found.size());
    for (const size_t i : found) some.push_back(hosts[i]);
    return fail(ErrorKind::Invalid,
                fmt::format("{} may be any of these: {}", name, names_of(some)));
  }
  const bool configured = std::any_of(config.names.begin(), config.names.end(),
                                      [&](const auto& n) { return equal_ignoring_case(n, name); });
  if (configured && config.chaining == CalloutChaining::ByDlls && !hosts.empty()) return 0;
  if (configured) {
    return fail(ErrorKind::Missing, fmt::format("{} is not loaded: 'hookline callouts reload', for "
                                                "all of them, tries it again",
                                                name));
  }
  return fail(ErrorKind::Missing,
              fmt::format("no callout is called {}; loaded: {}", name, names_of(hosts)));
}

// What a reload of the first of a chain is in truth.
std::string outcome_text(const CalloutConfig& config, const std::string& name) {
  std::string others;
  if (config.chaining == CalloutChaining::ByDlls) {
    for (const std::string& other : config.names) {
      if (other != name) others += (others.empty() ? "" : ", ") + other;
    }
  }
  if (others.empty()) return "reloaded: " + name;
  return fmt::format("reloaded: {}, and with it the chain that the DLLs make: {}", name, others);
}

// Those that serve now, and could not be loaded again.
std::string lost_of(const std::vector<callout::HostStats>& hosts,
                    const callout::Loader::Prepared& prepared) {
  std::string out;
  for (size_t i = 0; i < prepared.failed.size(); ++i) {
    const auto serves = [&](const callout::HostStats& host) {
      return host.name == prepared.failed[i] && host.state != "quarantined";
    };
    if (std::none_of(hosts.begin(), hosts.end(), serves)) continue;
    out += (out.empty() ? "" : "; ") + prepared.failures[i];
  }
  return out;
}

}  // namespace

// What has a process of its own is loaded while the old ones serve. Then packets that are inside
// end, and new ones wait in the kernel's queue meanwhile.
Result<std::string> OperatorService::reload_callouts() {
  const std::lock_guard one_reload(reloading_);
  std::vector<callout::HostStats> before;
  std::shared_ptr<const Config> config;
  auto done = on_packet_thread([&] {
    before = core_.callout_stats();
    config = core_.shared_config();
  });
  if (!done) return tl::unexpected(done.error());
  callout::Loader::Prepared prepared = callouts_.prepare(config->callouts);
  if (const std::string lost = lost_of(before, prepared); !lost.empty()) {
    log_.error("callouts not reloaded; the ones before stay", {{"why", lost}});
    return fail(ErrorKind::Invalid, "nothing is reloaded, and the ones before stay: " + lost);
  }
  std::string text;
  const auto finish = [&]() -> Result<callout::Hosts> {
    callout::Loader::Loaded loaded = callouts_.finish(std::move(prepared));
    for (const auto& host : loaded.hosts) {
      text += (text.empty() ? "loaded: " : ", ") + std::string(host->name());
    }
    callouts_.missing = std::move(loaded.failures);
    return std::move(loaded.hosts);
  };
  std::optional<Result<void>> outcome;
  while (!outcome) {
    done = on_packet_thread([&] { outcome = core_.replace_callouts(finish); });
    if (!done) return tl::unexpected(done.error());
    if (!outcome) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!*outcome) return tl::unexpected(outcome->error());
  if (text.empty()) text = "no callout is loaded";
  for (const std::string& missing : callouts_.missing) text += "\nnot loaded: " + missing;
  log_.info("callouts reloaded", {{"outcome", text}});
  return text;
}

Result<std::string> OperatorService::reload_callout(std::string_view name) {
  const std::lock_guard one_reload(reloading_);
  std::vector<callout::HostStats> hosts;
  std::shared_ptr<const Config> config;
  auto done = on_packet_thread([&] {
    hosts = core_.callout_stats();
    config = core_.shared_config();
  });
  if (!done) return tl::unexpected(done.error());
  const auto index = find_callout(hosts, config->callouts, name);
  if (!index) return tl::unexpected(index.error());
  const std::string& callout = hosts[*index].name;
  auto loaded = callouts_.load_again(config->callouts, callout);
  if (!loaded) {
    log_.error("callout not reloaded; the one before stays",
               {{"event", 1034}, {"callout", callout}, {"why", loaded.error().text}});
    return fail(ErrorKind::Invalid, fmt::format("{} is not reloaded, and the one before stays: {}",
                                                callout, loaded.error().text));
  }
  bool replaced = false;
  for (int ms = 0; !replaced && ms < kPatienceMs; ++ms) {
    done = on_packet_thread([&] { replaced = core_.replace_callout(*index, *loaded); });
    if (!done) return tl::unexpected(done.error());
    if (!replaced) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!replaced) {
    return fail(ErrorKind::Busy, fmt::format("{} was reloaded too often, and packets that those "
                                             "before have seen are still inside: try again later",
                                             callout));
  }
  std::string text = outcome_text(config->callouts, callout);
  log_.info("callout reloaded", {{"outcome", text}});
  return text;
}

}  // namespace hookline::server
