// hookline-host.exe: the helper of a Windows DLL, run by Wine. hookline-host starts it
// (hosted/wine.h), never a person.
#include <fmt/core.h>

#include "callout/helper_output.h"
#include "hosted/hosted.h"
#include "io/windows/clock.h"
#include "io/windows/event_log.h"
#include "io/windows/fault_trap.h"
#include "io/windows/helper_side.h"
#include "io/windows/library.h"
#include "io/windows/memory.h"
#include "io/windows/process.h"

int main() {
  using namespace hookline;
  auto side = io::attach_helper();
  if (!side) {
    fmt::print(stderr, "hookline-host.exe is started by hookline only ({})\n", side.error().text);
    return 2;
  }
  const auto setup = hosted::read_setup(**side);
  if (!setup) {
    fmt::print(stderr, "{}\n", setup.error().text);
    return 2;
  }
  io::prepare_process(setup->config.dir);
  std::vector<std::pair<std::string, std::string>> names;
  for (const CalloutPath& path : setup->config.files) {
    if (path.name.find('\\') != std::string::npos) names.emplace_back(path.file, path.name);
  }
  io::take_events([&side = **side](uint32_t severity, std::string_view source, uint32_t event_id,
                                   std::string_view text) {
    side.write_output(callout::output_line(severity, source, event_id, text));
  });
  io::WindowsLibraries libraries(std::move(names));
  io::WindowsClock clock;
  io::WindowsMemory memory;
  io::WindowsFaultTrap trap;
  return hosted::host_callout(**side, *setup, libraries, clock, memory, &trap);
}
