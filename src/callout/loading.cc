#include "callout/loading.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "callout/services.h"

namespace hookline::callout {

namespace {

constexpr DWORD kSuccess = 0;
constexpr DWORD kDllInitFailed = 1114;

// The CalloutVersions that this server speaks, newest first.
constexpr DWORD kVersions[] = {0};

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

// An entry point and what it is given.
struct EntryCall {
  LPDHCP_ENTRY_POINT_FUNC entry;
  LPWSTR chain;
  DWORD version;
  LPDHCP_CALLOUT_TABLE table;
  DWORD result;
};

void make_entry_call(void* argument) {
  EntryCall& call = *static_cast<EntryCall*>(argument);
  call.result = call.entry(call.chain, call.version, call.table);
}

Entered enter(LPDHCP_ENTRY_POINT_FUNC entry, const std::u16string& chain, DHCP_CALLOUT_TABLE& table,
              io::FaultTrap* trap) {
  DWORD result = kSuccess;
  for (const DWORD version : kVersions) {
    table = {};
    std::u16string names = chain;  // its own, to scribble on
    try {
      EntryCall call{entry, reinterpret_cast<LPWSTR>(names.data()), version, &table, kSuccess};
      std::string what;
      if (trap == nullptr) {
        make_entry_call(&call);
      } else if (!trap->run(make_entry_call, &call, what)) {
        return {true, "its entry point faulted: " + what};
      }
      result = call.result;
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

tl::expected<LoadedCallout, LoadFailure> load_callout(io::Libraries& libraries,
                                                      const Services& services,
                                                      const std::string& name,
                                                      const std::u16string& chain,
                                                      io::FaultTrap* trap) {
  const auto failed = [](std::string text) {
    return tl::unexpected(LoadFailure{false, std::move(text)});
  };
  const auto path = services.file_of(name);
  if (!path) return failed(path.error().text);
  const CurrentServices current(services);
  auto library = libraries.open(*path);
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
    if (kept->library->find("hookline_driver_attach") != nullptr) {
      return failed(*path + ": it is a packet callout driver: name it in [[filter.driver]]");
    }
    return failed(*path + ": it has no entry point: it exports no " DHCP_CALLOUT_ENTRY_POINT);
  }
  LoadedCallout callout{name, *path, {}, kept};
  const Entered entered = enter(entry, chain, callout.table, trap);
  if (!entered.text.empty()) {
    return tl::unexpected(LoadFailure{entered.exception, *path + ": " + entered.text});
  }
  return callout;
}

}  // namespace hookline::callout
