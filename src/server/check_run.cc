#include "server/check_run.h"

#include "callout/loader.h"
#include "io/linux/clock.h"
#include "io/linux/helpers.h"
#include "io/linux/library.h"
#include "io/linux/memory.h"
#include "server/check_exchanges.h"
#include "server/check_house.h"

namespace hookline::check {

void drive_exchanges(const CalloutConfig& callouts, uint32_t first, uint32_t rounds,
                     int64_t budget_ns, Logger& log, Sheet& sheet) {
  io::LinuxClock clock;
  io::LinuxLibraries files;
  io::LinuxMemory memory;
  Watch watch(sheet, clock, budget_ns);
  WatchedLibraries libraries(files, watch);
  // A Windows DLL runs in a process of Wine's, which must not be root.
  std::unique_ptr<io::LinuxHelpers> helpers;
  if (callouts.each[0].place == CalloutPlace::Wine) {
    auto opened =
        io::LinuxHelpers::open({io::LinuxHelpers::program_beside("hookline-host"), "nobody"});
    if (opened) helpers = std::move(*opened);
  }
  callout::Loader loader(libraries, clock, memory, log, kPacketsMax, helpers.get());
  uint32_t next = 0;
  for (const Act& act : acts()) {
    const uint32_t begin = next;
    next += static_cast<uint32_t>(act.exchanges.size());
    if (next <= first) continue;
    House house(loader, callouts, watch, sheet, clock, log, act.config, act.with_probe);
    house.rounds = rounds;
    for (uint32_t number = begin; number < next; ++number) {
      const Exchange& exchange = act.exchanges[number - begin];
      if (number != begin && number < first) continue;
      watch.begin(number, exchange.hook, exchange.code);
      exchange.drive(house);
      watch.end();
      if (sheet.load_failed) return;
    }
  }
  sheet.done = true;
}

}  // namespace hookline::check
