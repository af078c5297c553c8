// Which of several filters' answers holds: the arbitration of the Windows Filtering Platform, pure.
//
// Sublayers are visited by weight, highest first; in each, filters by weight until one answers
// permit or block, which is the sublayer's answer. Between sublayers:
//
//   soft permit   a lower sublayer may block
//   hard permit   a lower sublayer may block only by a callout's veto
//   soft block    a lower sublayer may permit
//   hard block    final: no lower sublayer is asked
//
// Hard is what has no FWPS_RIGHT_ACTION_WRITE left. A filter's own permit is soft and its own block
// hard; a callout's answers are soft unless it cleared the right;
// FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT makes any of them hard. A veto is a callout's block without
// the right: it is final. To absorb is always final, for the callout already goes on with the
// packet. Traffic that no filter decides passes.
#pragma once

#include <cstdint>

namespace hookline::filter {

enum class Action : uint8_t { Continue, Permit, Block };

// What one filter says.
struct Answer {
  Action action = Action::Continue;
  bool hard = false;
  bool absorb = false;        // with Block
  bool from_callout = false;  // may veto
};

class Arbitration {
 public:
  // FWPS_RIGHT_ACTION_WRITE of the next callout.
  bool has_right() const { return !hard_; }
  Action action() const { return action_; }
  bool absorbed() const { return absorbed_; }
  bool vetoed() const { return vetoed_; }
  // Nothing can change it any more.
  bool is_final() const { return hard_ && action_ == Action::Block; }

  // Takes one sublayer's answer, highest weight first. REQUIRES: !is_final().
  void take(const Answer& answer);

 private:
  Action action_ = Action::Continue;
  bool hard_ = false;
  bool absorbed_ = false;
  bool vetoed_ = false;
};

}  // namespace hookline::filter
