#include "hosted/wine.h"

#include <fmt/format.h>

#include <optional>

#include "base/utf16.h"
#include "callout/helper_output.h"
#include "callout/ring_server.h"
#include "callout/services.h"
#include "io/library.h"
#include "io/linux/clock.h"
#include "io/linux/wine.h"

namespace hookline::hosted {

namespace {

constexpr uint32_t kWarning = 2;  // EVENTLOG_WARNING_TYPE
constexpr std::string_view kParameters =
    R"(System\CurrentControlSet\Services\DHCPServer\Parameters)";

// Names in the file are ASCII: what is not is written by its UTF-16 code.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char16_t unit : to_utf16(name).value_or(u"?")) {
    const auto c = static_cast<char>(unit);
    if (unit < 32 || unit > 126) {
      out += fmt::format("\\x{:04x}", static_cast<unsigned>(unit));
    } else {
      if (c == '\\' || c == '"' || c == '[' || c == ']') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string key_line(std::string_view subkey) {
  std::string key(kParameters);
  if (!subkey.empty()) key.append("\\").append(subkey);
  return fmt::format("\n[{}] 0\n", escaped(key));
}

std::string value_line(const RegistryValue& value) {
  const std::string name = value.name.empty() ? "@" : fmt::format("\"{}\"", escaped(value.name));
  return fmt::format("{}=hex({:x}):{}\n", name, value.type, to_hex(value.data, ','));
}

io::WinePlan plan_of(const callout::Setup& setup, const std::string& program) {
  io::WinePlan plan;
  plan.program = program;
  plan.system_reg = system_registry(setup.config);
  for (const CalloutPath& path : setup.config.files) plan.links.push_back({path.name, path.file});
  plan.sandbox = {setup.readable, setup.writable, setup.network};
  return plan;
}

// A .dll stays one, whether or not it can be read.
class NamesOnly final : public io::Libraries {
 public:
  bool exists(const std::string&) const override { return true; }
  Result<std::unique_ptr<io::Library>> open(const std::string&) override {
    return fail(ErrorKind::Invalid, "nothing is loaded by this");
  }
};

Result<std::string> file_of(const callout::Setup& setup) {
  const NamesOnly libraries;
  const callout::Services services(setup.config, libraries,
                                   [](uint32_t, std::string_view, uint32_t, std::string_view) {});
  return services.file_of(setup.name);
}

// Why it would not be loaded; what else it lacks is only said.
std::optional<std::string> why_no_windows_dll(io::HelperSide& side, const std::string& file) {
  const auto unmet = io::check_windows_dll(file);
  if (!unmet) return unmet.error().text;
  std::string missing = io::missing_dlls(*unmet);
  if (!missing.empty()) return missing;
  for (const io::PeUnmet& one : *unmet) {
    side.write_output(
        callout::output_line(kWarning, "hookline-host", 0, "Wine lacks " + one.text()));
  }
  return std::nullopt;
}

}  // namespace

std::string system_registry(const CalloutConfig& config) {
  std::string text =
      "WINE REGISTRY Version 2\n\n#arch=win64\n\n"
      "[System\\\\CurrentControlSet\\\\Control\\\\ComputerName\\\\ActiveComputerName] 0\n"
      "\"ComputerName\"=\"HOOKLINE\"\n\n"
      "[System\\\\CurrentControlSet\\\\Services\\\\Tcpip\\\\Parameters] 0\n"
      "\"Hostname\"=\"hookline\"\n\"Domain\"=\"\"\n";
  text += key_line("");
  for (const RegistryValue& value : config.registry) {
    if (value.subkey.empty()) text += value_line(value);
  }
  for (const std::string& subkey : config.registry_subkeys) {
    text += key_line(subkey);
    for (const RegistryValue& value : config.registry) {
      if (equal_ignoring_case(value.subkey, subkey)) text += value_line(value);
    }
  }
  return text;
}

bool is_for_wine(const callout::Setup& setup) {
  if (setup.wine) return true;
  const auto file = file_of(setup);
  return file && io::is_windows_file(*file);
}

int host_in_wine(io::HelperSide& side, const callout::Setup& setup, const std::string& program) {
  io::LinuxClock clock;
  callout::RingServer ring(side, clock);
  const auto file = file_of(setup);
  if (!file) {
    ring.failed(false, file.error().text);
    return 0;
  }
  if (auto found = io::look_for_wine(program); !found) {
    ring.failed(false, *file + ": " + found.error().text);
    return 0;
  }
  if (const auto why = why_no_windows_dll(side, *file)) {
    ring.failed(false, *file + ": " + *why);
    return 0;
  }
  const Error error = io::become_wine(plan_of(setup, program));
  ring.failed(false, fmt::format("{}: Wine was not started: {}", *file, error.text));
  return 0;
}

}  // namespace hookline::hosted
