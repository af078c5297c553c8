// Frames that packet callouts injected into the receiving side: the receiver takes them like frames
// from the wire, and the filter says what became of them. Implemented by the injector; stages meet
// here because none includes another. Packet thread only.
#pragma once

#include <cstddef>

#include "io/packet_port.h"
#include "line/classifier.h"
#include "line/drop.h"
#include "line/packet.h"

namespace hookline {

class InjectedFrames {
 public:
  // How many next() would give now.
  virtual size_t waiting() const = 0;
  // REQUIRES: waiting() > 0. Copies one into the packet's frame buffer, says the rest in `frame`,
  // and sets Ingress::first_layer and injection. Either refused() or classified() must follow.
  virtual void next(Packet& packet, io::RxFrame& frame) = 0;
  // The receiver did not take what next() has put into this packet.
  virtual void refused(Packet& packet, Drop reason) = 0;
  // The filter has classified a packet whose Ingress::injection is set. Packet::borrowed is what
  // counts the clones and references of its bytes, null when it was shown to nobody.
  virtual void classified(Packet& packet, Verdict verdict) = 0;

 protected:
  ~InjectedFrames() = default;
};

}  // namespace hookline
