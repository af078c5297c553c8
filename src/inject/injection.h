// One packet that was injected, from its acceptance until nobody holds its bytes any more. Made at
// start: kDriverInjectionsMax for drivers, and kInjectionsMax for the server's replies, whose bytes
// stay where they are; Injections owns them.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/inet.h"
#include "base/limits.h"
#include "inject/mark.h"
#include "inject/reply_list.h"
#include "inject/report.h"
#include "line/driver.h"
#include "line/net_buffers.h"

namespace hookline::inject {

// Room in front of a driver's bytes: Ethernet with a tag, IPv4 with all options, and alignment.
inline constexpr size_t kInjectionHeadroom = 96;

struct alignas(64) Injection {
  // --- what every one has, together: replies need little else -----------------------------------
  Kind kind = Kind::MacSend;
  bool awaited = false;  // its completion is still to come
  bool list_looped = false;
  bool lent = false;  // Lists::lend()
  // Its driver was unloaded: the list is nobody's. Set by any thread.
  std::atomic<bool> abandoned{false};
  // Where it stands (packet thread).
  bool counted = false;    // its fate is known and told to `first`
  bool completed = false;  // first only: the list has been given back
  bool held = false;       // stands in the list of those whose bytes are held
  bool looped = false;     // it was injected too often
  bool shown = false;      // to callouts, as shown_as()
  bool by_socket = false;
  bool oversize = false;  // more than there is room for: nothing was copied
  uint16_t vlan = 0;
  uint32_t handle = 0;  // place in the table
  uint32_t ifindex = 0;
  uint32_t place = 0;  // never changes
  NTSTATUS fate = 0;
  NTSTATUS list_status = 0;
  // A list's packets complete together: the first one has the list, and counts the others.
  uint32_t parts_left = 0;
  Injection* first = nullptr;
  Driver* driver = nullptr;
  NET_BUFFER_LIST* list = nullptr;  // null: without a completionFn it is not touched again
  FWPS_INJECT_COMPLETE0 completion = nullptr;
  HANDLE context = nullptr;
  Injection* next = nullptr;  // of the free ones, and of those that wait to be looked at
  // A reply of the server: its list, which is also what callouts are shown. Null: a driver's.
  ReplyList* reply = nullptr;

  // --- a driver's: its bytes --------------------------------------------------------------------
  uint8_t* room = nullptr;  // kInjectionHeadroom + kInjectedFrameBytesMax; null for replies
  uint8_t* data = nullptr;  // in it
  uint32_t size = 0;
  // Where a clone's original came from or went to; 0: the list tells nothing.
  uint32_t hint_ifindex = 0;
  MacAddress hint_source;
  MacAddress hint_destination;
  Ipv4 hint_address;  // outbound: whom hint_destination is the way to
  Ipv4 source;        // transport: of the packet, if it is known
  // Inbound, absorbed: the list by which its packet slot was shown, referenced.
  NET_BUFFER_LIST* slot_list = nullptr;
  Mark mark;
  Indication indication;

  const Indication& shown_as() const { return reply != nullptr ? reply->indication : indication; }
  MutableBytes bytes() { return {data, size}; }
};

}  // namespace hookline::inject
