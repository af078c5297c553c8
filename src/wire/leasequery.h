// What a relay is told that asked for a lease. RFC 4388 section 6.4, and of RFC 6926 the times and
// the state.
#pragma once

#include "line/packet.h"
#include "wire/reply_options.h"

namespace hookline::wire {

// All but the options. REQUIRES: packet.grant.reply is LeaseQuery.
void write_lease_query_fields(const Packet& packet, uint8_t* p);

// Of a lease that is active: what the parameter request list names and the server knows; without a
// list, all that RFC 4388 defines. The client's identifier always.
void add_lease_query_options(const Packet& packet, ReplyOptions& out);

}  // namespace hookline::wire
