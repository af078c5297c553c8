// A library with the entry point of a DHCP callout, or with none.
#include <stdint.h>

#ifdef NOTHING
int nothing(void) { return 0; }
#else
uint32_t DhcpServerCalloutEntry(void* chain, uint32_t version, void* table) {
  (void)chain, (void)version, (void)table;
  return 0;
}
#endif
