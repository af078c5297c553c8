// DHCP_SERVER_OPTIONS of a client's message, in two steps: where its options stand (in the server),
// and the struct with pointers into a copy of the packet (wherever the callout runs).
#pragma once

#include "callout/host.h"
#include "line/packet.h"

// dhcpssdk.h; the name is the API's own.
struct _DHCP_SERVER_OPTIONS;  // NOLINT(bugprone-reserved-identifier)

namespace hookline::callout {

// REQUIRES: packet.message was decoded from packet.request(). Sets `joined` to the front part of
// packet.joined that the places are about.
void describe_options(const Packet& packet, ServerOptions& out, Bytes& joined);

// Every byte of `out` is set. The places are trusted to lie within `request` and `joined`.
void fill_server_options(const ServerOptions& from, uint8_t* request, uint8_t* joined,
                         _DHCP_SERVER_OPTIONS& out);

}  // namespace hookline::callout
