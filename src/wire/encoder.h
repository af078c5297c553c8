// What the lease engine granted, as the bytes of a reply and where they go: RFC 2131 sections 4.1
// and 4.3, RFC 2132, RFC 3046, RFC 3396, RFC 6842; RFC 951, 1497 and 1542 for BOOTP.
#pragma once

#include <optional>

#include "base/batch.h"
#include "line/stages.h"

namespace hookline::wire {

// From packet.message and packet.grant: writes packet.reply(), sets reply_type and destination.
// ReplyTooLarge when what must be in the reply fits neither client nor link. Pure, does not
// allocate. REQUIRES: grant.reply is not None.
//
// Fields: RFC 2131 table 3. ciaddr comes back in the ACK of a renewal, of an INFORM and to BOOTP
// clients. siaddr, sname and file are the reservation's or scope's, by architecture (option 93).
//
// Options, in this order:
//   53 54 51 58 59        times only where an address is granted; 54 is what the relay's sub-option
//   11
//                         says, if it does (RFC 5107)
//   56                    in a NAK: grant.why; a NAK has nothing more but 61 and 82
//   61                    as the client sent it (RFC 6842)
//   80 118 116            rapid commit; the subnet selection that was followed (RFC 3011);
//                         auto-configure, when the client sent it and it is configured (RFC 2563)
//   1                     always in an OFFER or ACK that grants, and so before the routers
//   what the client asks for in option 55, in its order, from the reservation, else the scope;
//   without option 55 all that is configured. Where asked for and not configured: 28 is computed,
//   66 and 67 are the boot fields. 108 only where asked for (RFC 8925 section 3.3).
//   81                    the client's, with what this server does about it: nothing (RFC 4702)
//   82                    whole and last (RFC 3046 section 2.2)
//
// Size: at least 300 bytes. At most what the client takes (option 57, else 576, as an IP datagram)
// and the MTU of the link. The relay takes option 82 out again: it does not count against the
// client's limit. Where the options do not fit, file and then sname take some (52), if no boot
// field needs them or if the client gets that field as option 67 or 66; then the last wishes are
// left out.
//
// BOOTP: no option of DHCP; 64 bytes of vendor field, zero unless the client sent RFC 1497's
// cookie.
std::optional<Drop> encode_reply(Packet& packet);

// Where the reply to packet.message goes when its yiaddr is `yiaddr`. Also for replies that a
// callout has edited. RFC 2131 section 4.1; RFC 1542 section 5.4 for BOOTP; the NAK: RFC 2131
// section 4.3.2.
Destination reply_destination(const Packet& packet, Ipv4 yiaddr);

// Packet thread only. `endings` must outlive it. What has no reply (grant.reply None) must have
// ended before.
class Encoder {
 public:
  explicit Encoder(Endings& endings) : endings_(endings) {}

  Batch<Reply> encode(Batch<Committed> in);
  Batch<Reply> encode(Batch<Immediate> in);

 private:
  template <class P>
  Batch<Reply> encode_all(Batch<P>& in);

  Endings& endings_;
};

}  // namespace hookline::wire
