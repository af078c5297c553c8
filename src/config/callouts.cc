#include "config/callouts.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/limits.h"
#include "base/utf16.h"
#include "config/hosting.h"
#include "config/nearest.h"
#include "config/reg_file.h"

namespace hookline::config {

namespace {

constexpr std::string_view kOrders[] = {"alphabetical", "listed"};

size_t names_max(const CalloutsDraft& draft) {
  return draft.config.chaining == CalloutChaining::ByServer ? kCalloutHostsMax : kCalloutDllsMax;
}

// Names reach callouts as UTF-16, which TOML's text always becomes.
void add_name(CalloutsDraft& draft, const Placed<std::string>& name, Problems& problems) {
  std::vector<std::string>& names = draft.config.names;
  const auto same = [&](const std::string& other) {
    return equal_ignoring_case(other, name.value);
  };
  if (std::any_of(names.begin(), names.end(), same)) {
    problems.error(name.at, fmt::format("{} is named twice", in_quotes(name.value)));
  } else if (names.size() == names_max(draft)) {
    problems.error(name.at, fmt::format("too many callouts: at most {}", names_max(draft)));
  } else {
    names.push_back(name.value);
  }
}

void decode_order(const Reader& callouts, CalloutConfig& out, Problems& problems) {
  const auto order = callouts.text("order");
  if (!order) return;
  if (order->value == "listed") {
    out.order = CalloutOrder::Listed;
  } else if (order->value != "alphabetical") {
    const auto near = nearest(order->value, kOrders);
    problems.error(order->at,
                   fmt::format("order: {}; found {}",
                               near ? fmt::format("did you mean \"{}\"?", *near)
                                    : std::string("expected \"alphabetical\" or \"listed\""),
                               in_quotes(order->value)));
  }
}

void decode_map(const Reader& callouts, CalloutConfig& out, Problems& problems) {
  for (const auto& [name, file] : callouts.files("map")) {
    const auto same = [&, &key = name.value](const CalloutPath& other) {
      return equal_ignoring_case(other.name, key);
    };
    if (std::any_of(out.files.begin(), out.files.end(), same)) {
      problems.error(name.at, fmt::format("map: {} is there twice: letter case makes no difference",
                                          in_quotes(name.value)));
    } else {
      out.files.push_back({name.value, file.value});
    }
  }
}

void decode_dll(const Reader& dll, CalloutsDraft& draft, Problems& problems) {
  dll.require("path");
  const size_t before = draft.config.names.size();
  if (const auto path = dll.text("path")) add_name(draft, *path, problems);
  CalloutHosting hosting = draft.config.hosting;
  decode_hosting(dll, hosting, problems);
  if (draft.config.names.size() != before) draft.config.each.push_back(std::move(hosting));
}

// Both ways to name DLLs at once would leave open who calls whom.
void check_ways(const Reader& callouts, bool by_server, Problems& problems) {
  if (!by_server) return;
  for (const char* name : {"dlls", "registry", "order"}) {
    if (!callouts.has(name)) continue;
    problems.error(callouts.key_at(name),
                   fmt::format("{}: does not go together with [[callouts.dll]], whose callouts the "
                               "server calls itself, as listed; use one of the two",
                               name));
  }
}

std::string within(const std::string& dir, const std::string& file) {
  if (file.empty() || file.front() == '/') return file;
  return dir == "/" ? dir + file : dir + "/" + file;
}

void place_paths(CalloutHosting& hosting, const std::string& dir) {
  for (std::string& path : hosting.readable) path = within(dir, path);
  for (std::string& path : hosting.writable) path = within(dir, path);
}

// Takes CalloutDlls, unless the configuration names the DLLs itself.
void take_names(CalloutsDraft& draft, const RegistryExport& registry, const std::string& file,
                Problems& problems) {
  if (draft.names_given) return;
  const Position at = draft.registry.at;
  const RegistryValue* list = find_value(registry, "CalloutDlls");
  if (list == nullptr) {
    problems.warning(at, fmt::format("registry: {} has no CalloutDlls: no callout is named", file));
    return;
  }
  const auto names = texts_of(*list);
  if (!names) {
    problems.error(at, fmt::format("registry: CalloutDlls in {} has to be texts of type "
                                   "REG_MULTI_SZ (hex(7):…); found {}",
                                   file, registry_type_name(list->type)));
    return;
  }
  for (const std::string& name : *names) add_name(draft, {name, at}, problems);
}

bool enabled_by(const RegistryExport& registry, const Placed<std::string>& at,
                const std::string& file, Problems& problems) {
  const RegistryValue* value = find_value(registry, "CalloutEnabled");
  if (value == nullptr) {
    problems.warning(at.at, fmt::format("registry: {} has no CalloutEnabled: callouts are off; "
                                        "enabled = true turns them on",
                                        file));
    return false;
  }
  const auto number = number_of(*value);
  if (!number) {
    problems.error(at.at, fmt::format("registry: CalloutEnabled in {} has to be a dword; found {}",
                                      file, registry_type_name(value->type)));
  }
  return number.value_or(0) != 0;
}

// None: it was reported.
std::optional<RegistryExport> read_registry(const Placed<std::string>& path,
                                            const std::string& file, const ReadFile& read,
                                            Problems& problems) {
  const auto text = read(file);
  if (!text) {
    problems.error(path.at, fmt::format("registry: {} {}", shown(file), text.error().text));
    return std::nullopt;
  }
  auto registry = parse_reg_file(as_bytes(*text));
  if (!registry) {
    const RegFault& fault = registry.error();
    problems.error(path.at, fmt::format("registry: {}:{}:{}: {}", shown(file), fault.at.line,
                                        fault.at.column, fault.text));
    return std::nullopt;
  }
  if (!registry->has_key) {
    problems.error(path.at, fmt::format("registry: {} does not have the key HKEY_LOCAL_MACHINE\\"
                                        "SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\"
                                        "Parameters",
                                        shown(file)));
    return std::nullopt;
  }
  return std::move(*registry);
}

}  // namespace

CalloutsDraft decode_callouts(const Reader& callouts, Problems& problems) {
  CalloutsDraft draft;
  draft.at = callouts.at();
  draft.enabled = callouts.boolean("enabled");
  decode_order(callouts, draft.config, problems);
  decode_map(callouts, draft.config, problems);
  if (const auto slow = callouts.fine_duration("warn-slower-than")) {
    draft.config.warn_slower_ns = slow->value;
  }
  decode_hosting(callouts, draft.config.hosting, problems);
  if (auto user = callouts.text("user")) draft.config.user = std::move(user->value);
  if (auto registry = callouts.text("registry")) draft.registry = std::move(*registry);
  const auto dlls = callouts.tables("dll");
  const bool by_server = callouts.has("dll");
  check_ways(callouts, by_server, problems);
  if (by_server) {
    draft.config.chaining = CalloutChaining::ByServer;
    for (const toml::table* dll : dlls) {
      decode_dll(Reader(*dll, Section::CalloutDll, problems), draft, problems);
    }
  } else {
    for (const auto& name : callouts.texts("dlls")) add_name(draft, name, problems);
  }
  draft.names_given = by_server || callouts.has("dlls");
  return draft;
}

void finish_callouts(CalloutsDraft& draft, const std::string& dir, const ReadFile& read,
                     Problems& problems) {
  CalloutConfig& config = draft.config;
  config.dir = dir;
  for (CalloutPath& path : config.files) path.file = within(dir, path.file);
  place_paths(config.hosting, dir);
  for (CalloutHosting& hosting : config.each) place_paths(hosting, dir);
  config.enabled = !config.names.empty();
  if (!draft.registry.value.empty()) {
    const std::string file = within(dir, draft.registry.value);
    auto registry = read_registry(draft.registry, file, read, problems);
    if (!registry) return;
    take_names(draft, *registry, shown(file), problems);
    if (!draft.enabled) {
      config.enabled = enabled_by(*registry, draft.registry, shown(file), problems);
    }
    config.registry = std::move(registry->values);
    config.registry_subkeys = std::move(registry->subkeys);
  } else if (!draft.names_given) {
    problems.warning(draft.at,
                     "[callouts] names no callout: expected dlls, registry or "
                     "[[callouts.dll]]");
  }
  if (draft.enabled) config.enabled = draft.enabled->value && !config.names.empty();
}

}  // namespace hookline::config
