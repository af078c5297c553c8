// A library as a later version of the SDK might make it: it takes no host table that it knows.
#include <stdint.h>

__attribute__((visibility("default"))) uint32_t hookline_driver_attach(const void* host) {
  (void)host;
  return 87;
}
__attribute__((visibility("default"))) uint32_t hookline_driver_start(void) { return 0; }
__attribute__((visibility("default"))) uint32_t hookline_driver_unload(void) { return 0; }
__attribute__((visibility("default"))) uint32_t hookline_driver_control(void) { return 0; }
__attribute__((visibility("default"))) uint8_t hookline_driver_set_irql(uint8_t level) {
  return level;
}
#ifndef HALF
__attribute__((visibility("default"))) uint32_t hookline_driver_locks_held(void) { return 0; }
#endif
