// The server's end of a ring: puts calls in, takes answers out, and finds out what is wrong with
// them. What the helper writes is hostile: each word is read once, every size, count and flag is
// checked, and nothing of it is trusted to stay as it was. Packet thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "callout/ring.h"

namespace hookline::callout {

class RingClient {
 public:
  // `memory` outlives it.
  explicit RingClient(uint8_t* memory) : view_(memory) {}

  // What was asked, in the server's own words.
  struct Asked {
    Hook hook = Hook::Control;
    uint32_t slot = kNoSlot;
    Call* call = nullptr;  // who waits for the answer; null: nobody
  };
  // What came back, checked.
  struct Answered {
    Asked asked;
    uint32_t ns = 0;
    bool context_set = false;
    std::optional<Breach> breach;
    std::string_view text;  // of the breach; valid until the next call
  };

  bool is_full() const { return next_ - taken_ == ring::kRecords; }
  bool is_idle() const { return next_ == taken_; }
  uint32_t next() const { return next_; }
  uint32_t taken() const { return taken_; }
  // REQUIRES: not full. The helper sees it with publish(). `call` is answered by take().
  void put(Call& call, bool wants_answer);
  // True: the helper sleeps and has to be woken.
  bool publish();

  // How many records the helper says to have finished. None: what it says cannot be; the helper is
  // out of its mind.
  std::optional<uint32_t> finished() const;
  // The next answer, written into its Call where somebody waits; REQUIRES: it is finished. None:
  // an answer that cannot be.
  std::optional<Answered> take();
  // The record that the helper is at, if it is at one.
  const Asked* current() const;
  // The packet that was put as record `n`, before the one that the helper is at, if it is still
  // there. For reports: the helper may have written over it. Allocates.
  std::vector<uint8_t> packet_of(uint32_t n) const;
  // What nobody will answer any more, oldest first; forgets it.
  std::optional<Asked> give_up_one();

  // Around the server's sleep: it wants to be woken when `wanted` records are finished. False: they
  // are.
  bool prepare_sleep(uint32_t wanted);
  void end_sleep();

 private:
  bool take_packet(const ring::AnswerHead& answer, Asked& asked);

  ring::View view_;
  uint32_t next_ = 0;   // the record to put next
  uint32_t taken_ = 0;  // the answer to take next
  std::array<Asked, ring::kRecords> asked_;
  std::array<char, sizeof(ring::Answer::text)> text_;
};

// A fault note, copied and made harmless. None: none is written.
struct FaultPlace {
  int signal = 0;
  std::string text;  // "address 0x10, at mac.so+0x1234"
};
std::optional<FaultPlace> fault_place(const ring::Header& header);

}  // namespace hookline::callout
