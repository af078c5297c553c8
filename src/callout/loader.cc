#include "callout/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/time.h"
#include "base/utf16.h"
#include "callout/in_process_host.h"
#include "callout/isolated_host.h"
#include "callout/services.h"
#include "callout/setup.h"

namespace hookline::callout {

namespace {

// Of the event log of Windows' DHCP server.
constexpr int kEventLoadException = 1032;
constexpr int kEventLoadSuccess = 1033;
constexpr int kEventLoadFailed = 1034;

// Sorts as the names are, whatever files stand for them.
std::vector<std::string> in_order(const CalloutConfig& config) {
  std::vector<std::string> names = config.names;
  if (config.order == CalloutOrder::Alphabetical) {
    std::stable_sort(names.begin(), names.end(), less_ignoring_case);
  }
  return names;
}

// REG_MULTI_SZ: each name with its NUL, and one more. Two NULs when there is none, never nothing.
std::u16string chain_of(std::span<const std::string> names) {
  std::u16string chain;
  for (const std::string& name : names) {
    chain += to_utf16(name).value_or(u"?");
    chain += u'\0';
  }
  if (names.empty()) chain += u'\0';
  return chain += u'\0';
}

std::string folder_of(const std::string& file) {
  const size_t end = file.rfind('/');
  return end == std::string::npos ? "." : file.substr(0, std::max<size_t>(end, 1));
}

std::string hook_list(HookSet hooks) {
  std::string out;
  for (size_t i = 0; i < kHookCount; ++i) {
    const auto hook = static_cast<Hook>(i);
    if ((hooks & hook_bit(hook)) == 0) continue;
    out += fmt::format("{}{}", out.empty() ? "" : ",", hook_name(hook));
  }
  return out.empty() ? "none" : out;
}

const CalloutHosting& hosting_of(const CalloutConfig& config, size_t index) {
  return index < config.each.size() ? config.each[index] : config.hosting;
}

// What is opened by this gets code and variables of its own.
class AnewLibraries final : public io::Libraries {
 public:
  explicit AnewLibraries(io::Libraries& libraries) : libraries_(libraries) {}
  bool exists(const std::string& path) const override { return libraries_.exists(path); }
  Result<std::unique_ptr<io::Library>> open(const std::string& path) override {
    return libraries_.open_anew(path);
  }

 private:
  io::Libraries& libraries_;
};

}  // namespace

Loader::Loader(io::Libraries& libraries, io::Clock& clock, io::Memory& memory, Logger& log,
               size_t slots, io::Helpers* helpers)
    : libraries_(libraries),
      clock_(clock),
      memory_(memory),
      log_(log),
      slots_(slots),
      helpers_(helpers) {}

Loader::~Loader() = default;

// The files that it may read: its own folder, the configuration's, and what the path map names.
tl::expected<std::unique_ptr<IsolatedHost>, LoadFailure> Loader::begin_isolated(
    const std::string& name, const std::u16string& chain, const CalloutHosting& hosting) {
  const Services& services = *services_.back();
  const CalloutConfig& config = services.config();
  const auto path = services.file_of(name);
  if (!path) return tl::unexpected(LoadFailure{false, path.error().text});
  Setup setup{name, chain, config, hosting.network, hosting.readable, hosting.writable};
  setup.wine = hosting.place == CalloutPlace::Wine;
  setup.readable.push_back(folder_of(*path));
  setup.readable.push_back(config.dir);
  for (const CalloutPath& file : config.files) setup.readable.push_back(folder_of(file.file));
  IsolatedHost::Options options{name, hosting, config.warn_slower_ns, slots_};
  auto host = std::make_unique<IsolatedHost>(std::move(options), encode_setup(setup), *helpers_,
                                             clock_, log_);
  if (auto failure = host->begin_load()) return tl::unexpected(std::move(*failure));
  return host;
}

Loader::Attempt Loader::attempt_in_process(io::Libraries& libraries, const std::string& name,
                                           const std::u16string& chain) {
  const Services& services = *services_.back();
  auto callout = load_callout(libraries, services, name, chain);
  if (!callout) return tl::unexpected(callout.error());
  InProcessHost::Options options;
  options.slow_ns = services.config().warn_slower_ns;
  options.slots = slots_;
  return std::make_unique<InProcessHost>(std::move(*callout), options, clock_, memory_, log_);
}

bool Loader::is_isolated(const CalloutHosting& hosting) const {
  return helpers_ != nullptr && hosting.place != CalloutPlace::InProcess;
}

Loader::Attempt Loader::attempt(io::Libraries& libraries, const std::string& name,
                                const std::u16string& chain, const CalloutHosting& hosting) {
  if (!is_isolated(hosting)) return attempt_in_process(libraries, name, chain);
  auto host = begin_isolated(name, chain, hosting);
  if (!host) return tl::unexpected(host.error());
  if (auto failure = (*host)->finish_load(kLoadTimeoutNs)) return tl::unexpected(*failure);
  return std::move(*host);
}

void Loader::report(const std::string& name, const LoadFailure& failure, Prepared& out) {
  out.failed.push_back(name);
  out.failures.push_back(name + ": " + failure.text);
  log_.error(failure.exception ? "exception while a callout was loaded" : "callout not loaded",
             {{"event", failure.exception ? kEventLoadException : kEventLoadFailed},
              {"callout", name},
              {"why", failure.text}});
}

void Loader::load_chain(Prepared& out) {
  const CalloutConfig& config = out.config;
  const std::vector<std::string> names = in_order(config);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::span<const std::string> rest = std::span(names).subspan(i + 1);
    Attempt loaded = attempt(libraries_, names[i], chain_of(rest), config.hosting);
    if (!loaded) {
      report(names[i], loaded.error(), out);
      continue;
    }
    out.places.push_back({names[i], std::move(*loaded), false});
    // Whether it chains them is its own business.
    if (!rest.empty()) {
      log_.info("the callout was told the names after its own",
                {{"callout", names[i]}, {"names", fmt::format("{}", fmt::join(rest, ", "))}});
    }
    return;
  }
}

void Loader::prepare_each(Prepared& out) {
  const CalloutConfig& config = out.config;
  std::vector<std::unique_ptr<IsolatedHost>> begun(config.names.size());
  for (size_t i = 0; i < config.names.size(); ++i) {
    const CalloutHosting& hosting = hosting_of(config, i);
    out.places.push_back({config.names[i], nullptr, !is_isolated(hosting)});
    if (out.places[i].in_process) continue;
    auto host = begin_isolated(config.names[i], chain_of({}), hosting);
    if (host) {
      begun[i] = std::move(*host);
    } else {
      report(config.names[i], host.error(), out);
    }
  }
  for (size_t i = 0; i < begun.size(); ++i) {
    if (begun[i] == nullptr) continue;
    if (const auto failure = begun[i]->finish_load(kLoadTimeoutNs)) {
      report(config.names[i], *failure, out);
    } else {
      out.places[i].host = std::move(begun[i]);
    }
  }
}

void Loader::finish_each(Prepared& prepared) {
  for (Prepared::Place& place : prepared.places) {
    if (!place.in_process) continue;
    Attempt loaded = attempt_in_process(libraries_, place.name, chain_of({}));
    if (loaded) {
      place.host = std::move(*loaded);
    } else {
      report(place.name, loaded.error(), prepared);
    }
  }
}

void Loader::use(const CalloutConfig& config) {
  if (!services_.empty() && services_.back()->config() == config) return;
  services_.push_back(std::make_unique<Services>(config, libraries_, log_));
}

Loader::Attempt Loader::load_again(const CalloutConfig& config, const std::string& name) {
  use(config);
  AnewLibraries anew(libraries_);
  const bool is_chain = config.chaining == CalloutChaining::ByDlls;
  const std::vector<std::string> names = is_chain ? in_order(config) : config.names;
  const auto found = std::find(names.begin(), names.end(), name);
  if (!config.enabled || found == names.end()) {
    return tl::unexpected(LoadFailure{false, "the configuration does not name it any more"});
  }
  const auto at = static_cast<size_t>(found - names.begin());
  Attempt loaded =
      is_chain ? attempt(anew, name, chain_of(std::span(names).subspan(at + 1)), config.hosting)
               : attempt(anew, name, chain_of({}), hosting_of(config, at));
  if (!loaded) return loaded;
  log_.info("callout loaded", {{"event", kEventLoadSuccess},
                               {"callout", name},
                               {"path", (*loaded)->stats().path},
                               {"hooks", hook_list((*loaded)->hooks())}});
  return loaded;
}

Loader::Prepared Loader::prepare(const CalloutConfig& config) {
  Prepared out;
  if (!config.enabled || config.names.empty()) return out;
  out.config = config;
  use(config);
  if (config.chaining == CalloutChaining::ByServer) {
    prepare_each(out);
  } else if (is_isolated(config.hosting)) {
    load_chain(out);
  }
  return out;
}

Loader::Loaded Loader::finish(Prepared prepared) {
  Loaded out;
  if (prepared.config.names.empty()) return out;
  if (prepared.config.chaining == CalloutChaining::ByServer) {
    finish_each(prepared);
  } else if (!is_isolated(prepared.config.hosting)) {
    load_chain(prepared);
  }
  out.failures = std::move(prepared.failures);
  for (Prepared::Place& place : prepared.places) {
    if (place.host == nullptr) continue;
    log_.info("callout loaded", {{"event", kEventLoadSuccess},
                                 {"callout", place.name},
                                 {"path", place.host->stats().path},
                                 {"hooks", hook_list(place.host->hooks())}});
    out.hosts.push_back(std::move(place.host));
  }
  if (out.hosts.empty()) log_.error("no callout was loaded; packets go on without");
  return out;
}

}  // namespace hookline::callout
