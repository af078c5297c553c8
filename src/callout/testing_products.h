// A packet's products without its stages, for tests and benchmarks of the callout stage alone. Not
// beside the real stages in one program: the names are theirs.
#pragma once

#include <utility>

#include "line/stages.h"

namespace hookline {

// Products can be made by their stages only: these stand in for the real ones.
namespace receive {
class Receiver {
 public:
  static Frame make(PacketHandle p) { return Frame(PassKey<Receiver>(), std::move(p)); }
};
}  // namespace receive
namespace filter {
class FilterEngine {
 public:
  static Admitted make(Frame&& f) { return Admitted(PassKey<FilterEngine>(), std::move(f)); }
};
}  // namespace filter
namespace lease {
class Engine {
 public:
  static Immediate make(Request&& r) { return Immediate(PassKey<Engine>(), std::move(r)); }
};
}  // namespace lease
namespace wire {
class Decoder {
 public:
  static Request make(Admitted&& a) { return Request(PassKey<Decoder>(), std::move(a)); }
};
class Encoder {
 public:
  static Reply make(Immediate&& i) { return Reply(PassKey<Encoder>(), std::move(i)); }
};
}  // namespace wire

}  // namespace hookline
