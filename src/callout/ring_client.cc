#include "callout/ring_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace hookline::callout {

void RingClient::put(Call& call, bool wants_answer) {
  CHECK(!is_full(), "the caller waits for room");
  ring::Question& q = view_.record(next_).question;
  q.hook = static_cast<uint8_t>(call.hook);
  q.refresh = call.refresh ? 1 : 0;
  q.has_options = call.options != nullptr ? 1 : 0;
  q.slot = call.slot;
  q.code = call.code;
  q.address = call.address;
  q.alt_address = call.alt_address;
  q.addr_type = call.addr_type;
  q.lease_s = call.lease_s;
  q.size = 0;
  q.joined_size = 0;
  const bool has_packet = call.hook == Hook::NewPkt || call.hook == Hook::PktSend || call.refresh;
  if (has_packet) {
    CHECK(call.size <= kPacketBytesMax, "a packet fits its slot");
    q.size = call.size;
    std::memcpy(view_.asked(next_, call.size), call.buffer, call.size);
  }
  if (call.options != nullptr) {
    q.options = *call.options;
    CHECK(call.joined.size() <= kPacketBytesMax, "joined options fit");
    q.joined_size = static_cast<uint32_t>(call.joined.size());
    if (!call.joined.empty()) {
      std::memcpy(view_.joined(next_), call.joined.data(), call.joined.size());
    }
  }
  if (call.hook == Hook::DeleteClient) {
    q.hardware = call.hardware;
    q.hardware_size = call.hardware_size;
  }
  asked_[next_ % ring::kRecords] = {call.hook, call.slot, wants_answer ? &call : nullptr};
  ++next_;
}

bool RingClient::publish() {
  ring::Header& header = view_.header();
  header.submitted.store(next_, std::memory_order_seq_cst);
  return header.helper_sleeps.load(std::memory_order_seq_cst) != 0 &&
         header.helper_sleeps.exchange(0, std::memory_order_seq_cst) != 0;
}

std::optional<uint32_t> RingClient::finished() const {
  const uint32_t finished = view_.header().finished.load(std::memory_order_acquire);
  if (finished - taken_ > next_ - taken_) return std::nullopt;
  return finished;
}

std::optional<RingClient::Answered> RingClient::take() {
  CHECK(!is_idle(), "something was asked");
  const uint32_t n = taken_;
  const auto answer = ring::read_once<ring::AnswerHead>(view_.record(n).answer);
  Answered out;
  out.asked = asked_[n % ring::kRecords];
  if (answer.process_it > 1 || answer.changed > 1 || answer.context_set > 1 ||
      answer.breach > kBreachCount || answer.text_size > text_.size()) {
    return std::nullopt;
  }
  if (!take_packet(answer, out.asked)) return std::nullopt;
  out.ns = answer.ns;
  out.context_set = answer.context_set != 0;
  if (answer.breach != 0) {
    out.breach = static_cast<Breach>(answer.breach - 1);
    text_ = ring::read_once(view_.record(n).answer).text;
    out.text = {text_.data(), answer.text_size};
  }
  ++taken_;
  return out;
}

bool RingClient::take_packet(const ring::AnswerHead& answer, Asked& asked) {
  if (asked.call == nullptr) return true;
  Call& call = *asked.call;
  call.process_it = call.hook != Hook::NewPkt || answer.process_it != 0;
  if (!call.process_it || answer.changed == 0) return true;
  if (answer.size > kPacketBytesMax) return false;
  if (answer.size == 0 && call.hook != Hook::PktSend) return false;
  std::memcpy(call.buffer, view_.packet(taken_), answer.size);
  call.size = answer.size;
  call.changed = true;
  return true;
}

const RingClient::Asked* RingClient::current() const {
  const auto done = finished();
  // It can't be trusted to say where it was: then it was at the first that it has not answered.
  const uint32_t at = done ? *done : taken_;
  return at == next_ ? nullptr : &asked_[at % ring::kRecords];
}

std::vector<uint8_t> RingClient::packet_of(uint32_t n) const {
  const uint32_t at = finished().value_or(taken_);
  if (static_cast<int32_t>(at - n) <= 0 || next_ - n > ring::kRecords) return {};
  const auto shared = ring::read_once(view_.record(n).question.size);
  const uint32_t size = std::min(shared, uint32_t{kPacketBytesMax});
  const uint8_t* const bytes = view_.asked(n, size);
  return {bytes, bytes + size};
}

std::optional<RingClient::Asked> RingClient::give_up_one() {
  if (is_idle()) return std::nullopt;
  return asked_[taken_++ % ring::kRecords];
}

bool RingClient::prepare_sleep(uint32_t wanted) {
  ring::Header& header = view_.header();
  header.wanted.store(wanted, std::memory_order_relaxed);
  header.server_sleeps.store(1, std::memory_order_seq_cst);
  const uint32_t done = header.finished.load(std::memory_order_seq_cst);
  return done - taken_ < wanted - taken_;
}

void RingClient::end_sleep() { view_.header().server_sleeps.store(0, std::memory_order_relaxed); }

std::optional<FaultPlace> fault_place(const ring::Header& header) {
  const io::FaultNote& shared = header.fault;
  // Anything else was scribbled there.
  if (shared.written.load(std::memory_order_acquire) != 1) return std::nullopt;
  const io::Fault note = ring::read_once(shared.fault);
  const size_t size = std::min<size_t>(note.module_size, note.module.size());
  std::string where = fmt::format("0x{:x}", note.code_address);
  if (size != 0) {
    where =
        fmt::format("{}+0x{:x}", std::string_view(note.module.data(), size), note.module_offset);
  }
  return FaultPlace{static_cast<int>(note.signal),
                    fmt::format("address 0x{:x}, at {}{}", note.address, where,
                                note.other_thread != 0 ? ", on a thread of its own" : "")};
}

}  // namespace hookline::callout
