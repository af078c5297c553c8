// One packet that a driver has injected, from its acceptance until nobody holds its bytes any more.
// Made at start, kDriverInjectionsMax of them; Injections owns them.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/inet.h"
#include "base/limits.h"
#include "inject/mark.h"
#include "inject/report.h"
#include "line/driver.h"
#include "line/net_buffers.h"

namespace hookline::inject {

// Room in front of a driver's bytes: Ethernet with a tag, IPv4 with all options, and alignment.
inline constexpr size_t kInjectionHeadroom = 96;

struct Injection {
  // --- what was asked for -----------------------------------------------------------------------
  Kind kind = Kind::MacSend;
  Driver* driver = nullptr;
  uint32_t handle = 0;  // place in the table
  uint32_t ifindex = 0;
  // Where a clone's original came from or went to; 0: the list tells nothing.
  uint32_t hint_ifindex = 0;
  uint16_t vlan = 0;
  MacAddress hint_source;
  MacAddress hint_destination;
  Ipv4 hint_address;  // outbound: whom hint_destination is the way to
  Ipv4 source;        // transport: of the packet, if it is known
  Mark mark;

  // --- its bytes --------------------------------------------------------------------------------
  uint8_t* room = nullptr;  // kInjectionHeadroom + kInjectedFrameBytesMax, never changes
  uint8_t* data = nullptr;  // in it
  uint32_t size = 0;
  bool oversize = false;  // more than there is room for: nothing was copied
  bool by_socket = false;
  Indication indication;

  // --- its list ---------------------------------------------------------------------------------
  // A list's packets complete together: the first one has the list, and counts the others.
  NET_BUFFER_LIST* list = nullptr;  // null: without a completionFn it is not touched again
  bool awaited = false;             // its completion is still to come
  bool list_looped = false;
  bool lent = false;  // Lists::lend()
  FWPS_INJECT_COMPLETE0 completion = nullptr;
  HANDLE context = nullptr;
  Injection* first = nullptr;
  uint32_t parts_left = 0;
  NTSTATUS list_status = 0;
  // Its driver was unloaded: the list is nobody's. Set by any thread.
  std::atomic<bool> abandoned{false};

  // --- where it stands (packet thread)
  // ------------------------------------------------------------
  NTSTATUS fate = 0;
  bool counted = false;    // its fate is known and told to `first`
  bool completed = false;  // first only: the list has been given back
  bool held = false;       // stands in the list of those whose bytes are held
  bool looped = false;     // it was injected too often
  bool shown = false;      // to callouts, by `indication`
  // Inbound, absorbed: the list by which its packet slot was shown, referenced.
  NET_BUFFER_LIST* slot_list = nullptr;
  Injection* next = nullptr;  // of the free ones, and of those that wait to be looked at

  MutableBytes bytes() { return {data, size}; }
  uint32_t place = 0;  // never changes
};

}  // namespace hookline::inject
