#include "filter/arbitration.h"

namespace hookline::filter {

void Arbitration::take(const Answer& answer) {
  if (answer.action == Action::Continue) return;
  const bool blocks = answer.action == Action::Block;
  if (hard_) {
    // A hard permit: only a callout's veto takes it back.
    if (!blocks || !answer.from_callout) return;
    vetoed_ = true;
  }
  action_ = answer.action;
  absorbed_ = blocks && answer.absorb;
  hard_ = answer.hard || absorbed_ || vetoed_;
}

}  // namespace hookline::filter
