#include "hosted/hosted.h"

#include "callout/helper_output.h"
#include "callout/hook_runner.h"
#include "callout/loading.h"
#include "callout/ring_server.h"
#include "callout/services.h"

namespace hookline::hosted {

using callout::ring::Header;
using callout::ring::View;

Result<callout::Setup> read_setup(io::HelperSide& side) {
  const MutableBytes memory = side.shared();
  if (memory.size() < callout::ring::kSetupAt) {
    return fail(ErrorKind::Invalid, "the shared memory is too small");
  }
  const View view(memory.data());
  const Header& header = view.header();
  if (header.magic != callout::ring::kMagic ||
      header.setup_bytes > memory.size() - callout::ring::kSetupAt) {
    return fail(ErrorKind::Invalid, "the server speaks another version of the ring");
  }
  return callout::decode_setup({view.setup(), header.setup_bytes});
}

int host_callout(io::HelperSide& side, const callout::Setup& setup, io::Libraries& libraries,
                 io::Clock& clock, io::Memory& memory, io::FaultTrap* trap) {
  Header& header = View(side.shared().data()).header();
  side.note_faults(header.fault, nullptr);
  const callout::Services services(
      setup.config, libraries,
      [&side](uint32_t severity, std::string_view source, uint32_t event_id,
              std::string_view text) {
        side.write_output(callout::output_line(severity, source, event_id, text));
      });
  callout::RingServer ring(side, clock);
  auto callout = callout::load_callout(libraries, services, setup.name, setup.chain, trap);
  if (!callout) {
    ring.failed(callout.error().exception, callout.error().text);
    return 0;
  }
  callout::HookRunner runner(callout->table, header.slots, memory, ring.watcher(), trap);
  runner.make_real();
  ring.loaded(runner.hooks(), callout->path);
  return ring.serve(runner) ? 0 : 1;
}

}  // namespace hookline::hosted
