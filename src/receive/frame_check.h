// Whether one received frame is a datagram for this server: pure, and never reads past the frame.
#pragma once

#include <optional>

#include "io/links.h"
#include "io/packet_port.h"
#include "line/drop.h"
#include "line/packet.h"

namespace hookline::receive {

// None: `packet` has its ingress (but arrived_ns), payload_offset and request_size. A reason: the
// packet's contents mean nothing. `frame.buffer` is packet.frame_buffer(); `link` is the one that
// the frame arrived on, null when it is not served any more.
std::optional<Drop> check_frame(const io::RxFrame& frame, const io::Link* link,
                                const io::LinkTable& links, Packet& packet);

}  // namespace hookline::receive
