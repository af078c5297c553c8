// What the filter offers to whoever moves traffic: the stages on the line, and the injector for
// what it sends itself or re-injects. Implemented by filter::Engine; stages meet here because none
// includes another.
//
// The layers, from the wire up, and the order in which traffic passes them:
//
//   inbound:  Mac → Network → Transport → Datagram → the server
//   outbound: the server → Datagram → Transport → Network → Mac
//
// Between Transport and Datagram lies the room of the ALE layers and of flows. TCP connections have
// those layers and STREAM (line/streams.h).
#pragma once

#include <array>
#include <cstdint>

#include "base/inet_frame.h"

// <hookline/fwp.h>; the name is the API's own.
struct _NET_BUFFER_LIST;  // NOLINT(bugprone-reserved-identifier)

namespace hookline {

enum class Verdict : uint8_t {
  Permit,
  Block,   // dropped, with its reason
  Absorb,  // a callout took it: dropped silently, the callout goes on with a clone or a copy
};

// As FWP_DIRECTION numbers them.
enum class Direction : uint8_t { Outbound = 0, Inbound = 1 };

enum class Depth : uint8_t { Mac, Network, Transport, Datagram };

// The facts of one UDP datagram, read from its headers once; every layer's incoming values come
// from here.
struct Traffic {
  Direction direction = Direction::Inbound;
  uint32_t ifindex = 0;
  MacAddress interface_mac;
  MacAddress local_mac;  // inbound: the frame's destination; outbound: its source
  MacAddress remote_mac;
  uint16_t vlan = 0;
  uint16_t ether_type = 0x0800;
  Ipv4 local;  // inbound: the destination; outbound: the source
  Ipv4 remote;
  Ipv4 relay;  // giaddr; for limits per relay
  bool local_is_broadcast = false;
  bool remote_is_broadcast = false;
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
  uint8_t protocol = 17;
  // Where the headers lie in the NET_BUFFER's data. A header that the buffer does not hold has
  // size 0, and so has no layer that begins at it.
  uint32_t mac_header_bytes = 0;
  uint32_t ip_header_bytes = 0;
  uint32_t transport_header_bytes = 0;
  uint64_t flow_handle = 0;  // 0: no flow yet
  int64_t now_ns = 0;        // Now::boot_ns: limits count by it
};

// The facts of what write_udp_headers() has put in front of a payload. Without a MAC header (the
// kernel makes it) the NET_BUFFER begins at the IP header. The interface's address, the relay and
// the kind of the remote address are the caller's to add.
Traffic outbound_traffic(const UdpHeaders& headers, uint32_t ifindex, bool has_mac_header,
                         int64_t now_ns);

class Classifier {
 public:
  // Whether any filter stands at one of these layers. One load and a test: ask it before building a
  // NET_BUFFER_LIST. Any thread.
  virtual bool concerns(Direction direction, Depth from, Depth to) const = 0;

  // Passes one datagram through the layers from `first` to `last` (both included, in the order of
  // its direction) until one blocks it. Packet thread only, or a callout on it (nested).
  //
  // REQUIRES: the headers that `traffic` tells of lie within the data.
  //
  // `list` holds one datagram in its first NET_BUFFER. Its data starts at the outermost header that
  // `traffic` says is there; the classifier moves the start to where each layer has it (reference,
  // table 25) and back before it returns. Callouts may clone and reference the list; both are
  // counted in its ChildRefCount, by atomic operations: whoever owns the list must keep it and its
  // data until that is 0 again.
  virtual Verdict classify(const Traffic& traffic, _NET_BUFFER_LIST* list, Depth first,
                           Depth last) = 0;

 protected:
  ~Classifier() = default;
};

}  // namespace hookline
