#include "callout/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/utf16.h"
#include "callout/in_process_host.h"
#include "callout/services.h"

namespace hookline::callout {

namespace {

// Of the event log of Windows' DHCP server.
constexpr int kEventLoadException = 1032;
constexpr int kEventLoadSuccess = 1033;
constexpr int kEventLoadFailed = 1034;

constexpr DWORD kSuccess = 0;
constexpr DWORD kDllInitFailed = 1114;

// The CalloutVersions that this server speaks, newest first.
constexpr DWORD kVersions[] = {0};

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

std::string error_text(DWORD code) {
  struct Known {
    DWORD code;
    std::string_view name;
  };
  constexpr Known kKnown[] = {{2, "ERROR_FILE_NOT_FOUND"},  {5, "ERROR_ACCESS_DENIED"},
                              {50, "ERROR_NOT_SUPPORTED"},  {87, "ERROR_INVALID_PARAMETER"},
                              {126, "ERROR_MOD_NOT_FOUND"}, {127, "ERROR_PROC_NOT_FOUND"},
                              {193, "ERROR_BAD_EXE_FORMAT"}};
  for (const Known& known : kKnown) {
    if (known.code == code) return fmt::format("{} ({})", code, known.name);
  }
  return fmt::format("{}", code);
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

// The library in memory, with these services as long as it is there.
struct LoadedLibrary {
  std::unique_ptr<io::Library> library;
  const Services* services = nullptr;

  ~LoadedLibrary() {
    const CurrentServices current(*services);
    library.reset();
  }
};

struct Entered {
  bool exception = false;
  std::string text;  // empty: it accepted
};

Entered enter(LPDHCP_ENTRY_POINT_FUNC entry, const std::u16string& chain,
              DHCP_CALLOUT_TABLE& table) {
  DWORD result = kSuccess;
  for (const DWORD version : kVersions) {
    table = {};
    std::u16string names = chain;  // its own, to scribble on
    try {
      result = entry(names.data(), version, &table);
    } catch (const std::exception& e) {
      return {true, fmt::format("its entry point threw a C++ exception: {}", e.what())};
    } catch (...) {
      return {true, "its entry point threw an exception"};
    }
    if (result == kSuccess) return {};
  }
  return {false, fmt::format("its entry point returned {}", error_text(result))};
}

}  // namespace

Loader::Loader(io::Libraries& libraries, io::Clock& clock, io::Memory& memory, Logger& log,
               size_t slots)
    : libraries_(libraries), clock_(clock), memory_(memory), log_(log), slots_(slots) {}

Loader::~Loader() = default;

Loader::Attempt Loader::attempt(const std::string& name, const std::u16string& chain) {
  const Services& services = *services_.back();
  const auto failed = [](std::string text) {
    return tl::unexpected(Failure{false, std::move(text)});
  };
  const auto path = services.file_of(name);
  if (!path) return failed(path.error().text);
  const CurrentServices current(services);
  auto library = libraries_.open(*path);
  if (!library) return failed(fmt::format("{}: {}", *path, library.error().text));
  auto kept = std::make_shared<LoadedLibrary>();
  kept->library = std::move(*library);
  kept->services = &services;
  if (const auto attach =
          reinterpret_cast<HooklineAttach>(kept->library->find(HOOKLINE_ATTACH_SYMBOL))) {
    const uint32_t error = attach(services.host());
    if (error == kDllInitFailed) return failed(*path + ": its DllMain refused");
    if (error != kSuccess) return failed(fmt::format("{}: error {}", *path, error_text(error)));
  }
  const auto entry =
      reinterpret_cast<LPDHCP_ENTRY_POINT_FUNC>(kept->library->find(DHCP_CALLOUT_ENTRY_POINT));
  if (entry == nullptr) {
    return failed(*path + ": it has no entry point: it exports no " DHCP_CALLOUT_ENTRY_POINT);
  }
  LoadedCallout callout{name, *path, {}, kept};
  const Entered entered = enter(entry, chain, callout.table);
  if (!entered.text.empty()) {
    return tl::unexpected(Failure{entered.exception, *path + ": " + entered.text});
  }
  InProcessHost::Options options;
  options.slow_ns = services.config().warn_slower_ns;
  options.slots = slots_;
  return std::make_unique<InProcessHost>(std::move(callout), options, clock_, memory_, log_);
}

void Loader::report(const std::string& name, const Failure& failure, Loaded& out) {
  out.failures.push_back(name + ": " + failure.text);
  log_.error(failure.exception ? "exception while a callout was loaded; it is passed over"
                               : "callout not loaded; it is passed over",
             {{"event", failure.exception ? kEventLoadException : kEventLoadFailed},
              {"callout", name},
              {"why", failure.text}});
}

void Loader::load_chain(Loaded& out) {
  const std::vector<std::string> names = in_order(services_.back()->config());
  for (size_t i = 0; i < names.size(); ++i) {
    const std::span<const std::string> rest = std::span(names).subspan(i + 1);
    Attempt loaded = attempt(names[i], chain_of(rest));
    if (!loaded) {
      report(names[i], loaded.error(), out);
      continue;
    }
    out.hosts.push_back(std::move(*loaded));
    // Whether it chains them is its own business.
    if (!rest.empty()) {
      log_.info("the callout was told the names after its own",
                {{"callout", names[i]}, {"names", fmt::format("{}", fmt::join(rest, ", "))}});
    }
    return;
  }
}

void Loader::load_each(Loaded& out) {
  for (const std::string& name : services_.back()->config().names) {
    Attempt loaded = attempt(name, chain_of({}));
    if (loaded) {
      out.hosts.push_back(std::move(*loaded));
    } else {
      report(name, loaded.error(), out);
    }
  }
}

Loader::Loaded Loader::load(const CalloutConfig& config) {
  Loaded out;
  if (!config.enabled || config.names.empty()) return out;
  if (services_.empty() || services_.back()->config() != config) {
    services_.push_back(std::make_unique<Services>(config, libraries_, log_));
  }
  if (config.chaining == CalloutChaining::ByDlls) {
    load_chain(out);
  } else {
    load_each(out);
  }
  for (const auto& host : out.hosts) {
    log_.info("callout loaded", {{"event", kEventLoadSuccess},
                                 {"callout", host->name()},
                                 {"path", host->stats().path},
                                 {"hooks", hook_list(host->hooks())}});
  }
  if (out.hosts.empty()) log_.error("no callout was loaded; packets go on without");
  return out;
}

}  // namespace hookline::callout
