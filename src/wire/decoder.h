// Bytes to a Message: RFC 2131 section 2, RFC 2132, RFC 3396, and RFC 951/1497 for BOOTP. The
// decoder refuses what is malformed; what a well-formed message means is the lease engine's.
#pragma once

#include <optional>

#include "base/batch.h"
#include "line/stages.h"

namespace hookline::wire {

// Reads packet.request(), fills packet.message. A reason when it is not a client's well-formed
// message; packet.message is unspecified then. Pure, does not allocate. May be called again when
// the request's bytes were changed.
//
//   TooShort          less than the 236 bytes before the vendor field
//   NotARequest       op is not BOOTREQUEST
//   BadHardware       hlen over 16, or hardware type 0 (reserved) with an address
//   BadCookie         a vendor field that starts neither with the cookie of RFC 1497 nor with zeros
//   BadOptions        an option runs past the end of its field
//   BadMessageType    option 53 is not one byte that a client may send: 1, 3, 4, 7, 8
//   NoClientIdentity  hlen 0 and no client identifier, or an empty one
//
// - Without option 53 the message is BOOTP (MessageType::None); so is one without a cookie, be the
//   vendor field shorter than four bytes (RFC 951) or zero: such a message has no options.
// - The end option may be missing where the last option ends with the field.
// - Option overload (52) counts in the options field only; file comes before sname (RFC 2131 4.1).
//   A value other than 1, 2, 3 is ignored.
// - Options that occur more than once are joined in the order options, file, sname (RFC 3396
//   section 7). An option whose type has one size is joined only if the result has that size: else
//   it is a duplicate of a client that knows nothing of RFC 3396, and the first one counts.
std::optional<Drop> decode_message(Packet& packet);

// The fields and options of any DHCP message, request or reply, of whatever type: m.type is option
// 53's value, or None, and may be none of the enumerators. False: it is malformed. Repeated options
// are joined in `room`, which is as large as the message.
bool read_message(Bytes message, MutableBytes room, Message& m);

// Packet thread only. `endings` must outlive it.
class Decoder {
 public:
  explicit Decoder(Endings& endings) : endings_(endings) {}

  // What is refused goes to the endings with its reason; the rest keeps its order.
  Batch<Request> decode(Batch<Admitted> in);

 private:
  Endings& endings_;
};

}  // namespace hookline::wire
