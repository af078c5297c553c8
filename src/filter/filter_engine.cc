#include "filter/filter_engine.h"

namespace hookline::filter {

FilterEngine::FilterEngine(Endings& endings, Counters& counters)
    : endings_(endings), counters_(counters) {}

Batch<Admitted> FilterEngine::admit(Batch<Frame> frames) {
  Batch<Admitted> admitted;
  for (Frame& frame : frames) admitted.push(Admitted({}, std::move(frame)));
  return admitted;
}

Batch<Datagram> FilterEngine::release(Batch<Reply> replies) {
  Batch<Datagram> released;
  for (Reply& reply : replies) released.push(Datagram({}, std::move(reply)));
  return released;
}

}  // namespace hookline::filter
