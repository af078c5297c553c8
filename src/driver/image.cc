#include "driver/image.h"

#include <fmt/core.h>

namespace hookline::driver {
namespace {

constexpr const char* kDhcpCalloutEntry = "DhcpServerCalloutEntry";

template <class Function>
bool find(const io::Library& library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(library.find(symbol));
  return function != nullptr;
}

std::string why_no_driver(const io::Library& library) {
  if (library.find(kDhcpCalloutEntry) != nullptr) {
    return "it is a DHCP callout, not a packet callout driver: name it in [callouts]";
  }
  return fmt::format("it is no driver: it exports no {}; 'hookline-cc --driver' builds one",
                     HOOKLINE_DRIVER_ATTACH_SYMBOL);
}

}  // namespace

Result<Image> open_image(io::Libraries& libraries, const std::string& path) {
  auto library = libraries.open(path);
  if (!library) return tl::unexpected(library.error());
  Image image;
  image.library = std::move(*library);
  const io::Library& in = *image.library;
  if (!find(in, HOOKLINE_DRIVER_ATTACH_SYMBOL, image.attach)) {
    return fail(ErrorKind::Invalid, why_no_driver(in));
  }
  const char* missing = nullptr;
  if (!find(in, HOOKLINE_DRIVER_START_SYMBOL, image.start)) missing = HOOKLINE_DRIVER_START_SYMBOL;
  if (!find(in, HOOKLINE_DRIVER_UNLOAD_SYMBOL, image.unload)) {
    missing = HOOKLINE_DRIVER_UNLOAD_SYMBOL;
  }
  if (!find(in, HOOKLINE_DRIVER_CONTROL_SYMBOL, image.control)) {
    missing = HOOKLINE_DRIVER_CONTROL_SYMBOL;
  }
  if (!find(in, HOOKLINE_DRIVER_SET_IRQL_SYMBOL, image.set_irql)) {
    missing = HOOKLINE_DRIVER_SET_IRQL_SYMBOL;
  }
  if (!find(in, HOOKLINE_DRIVER_LOCKS_HELD_SYMBOL, image.locks_held)) {
    missing = HOOKLINE_DRIVER_LOCKS_HELD_SYMBOL;
  }
  if (missing != nullptr) {
    return fail(
        ErrorKind::Invalid,
        fmt::format("it was built by another version of the SDK: it exports no {}", missing));
  }
  // For simulations only.
  (void)find(in, HOOKLINE_DRIVER_SET_CLOCK_SYMBOL, image.set_clock);
  (void)find(in, HOOKLINE_DRIVER_CLOCK_CHANGED_SYMBOL, image.clock_changed);
  return image;
}

}  // namespace hookline::driver
