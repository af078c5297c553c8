#include "callout/ring_server.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace hookline::callout {

namespace {

constexpr uint32_t kSpinAskedNsMax = 1'000'000;

// What the handler of a fault needs: it can be handed nothing.
const HookRunner* faulting_runner = nullptr;
ring::Header* faulting_header = nullptr;
uint32_t faulting_slot = kNoSlot;

// In a signal handler.
void note_packet() {
  if (faulting_runner == nullptr || faulting_slot == kNoSlot) return;
  const Bytes request = faulting_runner->request_of(faulting_slot);
  ring::FaultPacket& out = faulting_header->fault_packet;
  const size_t size = std::min(request.size(), out.bytes.size());
  std::memcpy(out.bytes.data(), request.data(), size);
  out.size = static_cast<uint32_t>(size);
}

Call call_of(const ring::View& view, uint32_t n) {
  const ring::Question& q = view.record(n).question;
  Call call;
  call.hook = static_cast<Hook>(q.hook);
  call.refresh = q.refresh != 0;
  call.slot = q.slot;
  call.code = q.code;
  call.address = q.address;
  call.alt_address = q.alt_address;
  call.addr_type = q.addr_type;
  call.lease_s = q.lease_s;
  call.buffer = view.asked(n, q.size);
  call.answer = view.packet(n);
  call.size = q.size;
  if (q.has_options != 0) {
    call.options = &q.options;
    call.joined = {view.joined(n), q.joined_size};
  }
  call.hardware = q.hardware;
  call.hardware_size = q.hardware_size;
  return call;
}

}  // namespace

void RingServer::say(ring::Stage stage, std::string_view text) {
  ring::Header& header = view_.header();
  const size_t size = std::min(text.size(), header.outcome.text.size());
  std::copy_n(text.begin(), size, header.outcome.text.begin());
  header.outcome.text_size = static_cast<uint32_t>(size);
  header.stage.store(static_cast<uint32_t>(stage), std::memory_order_release);
  side_.call_back();
}

void RingServer::loaded(HookSet hooks, std::string_view path) {
  view_.header().outcome.hooks = hooks;
#ifdef _WIN32
  view_.header().outcome.wine = 1;
#endif
  say(ring::Stage::Serving, path);
}

void RingServer::failed(bool exception, std::string_view why) {
  view_.header().outcome.exception = exception ? 1 : 0;
  say(ring::Stage::Failed, why);
}

void RingServer::breach(Hook, Breach what, std::string_view text) {
  answer_->breach = static_cast<uint8_t>(static_cast<unsigned>(what) + 1);
  const size_t size = std::min(text.size(), answer_->text.size());
  std::copy_n(text.begin(), size, answer_->text.begin());
  answer_->text_size = static_cast<uint32_t>(size);
  if (what == Breach::Exception) note_packet();
}

bool RingServer::serve(HookRunner& runner) {
  ring::Header& header = view_.header();
  spin_ns_ = std::min(header.spin_ns, kSpinAskedNsMax);
  faulting_header = &header;
  faulting_slot = kNoSlot;
  faulting_runner = &runner;
  side_.note_faults(header.fault, note_packet);
  uint32_t n = header.finished.load(std::memory_order_relaxed);
  ticks_ = clock_.ticks();
  for (;;) {
    if (header.submitted.load(std::memory_order_acquire) == n) {
      if (header.stopping.load(std::memory_order_acquire) != 0) break;
      const bool alive = wait_for_work();
      ticks_ = clock_.ticks();
      if (alive) continue;
      faulting_runner = nullptr;
      return false;
    }
    run_one(runner, n);
    finish(++n);
  }
  faulting_runner = nullptr;
  return true;
}

void RingServer::run_one(HookRunner& runner, uint32_t n) {
  Call call = call_of(view_, n);
  faulting_slot = call.slot;
  // Written bit by bit while the hook runs: nobody looks before it is finished.
  answer_ = &view_.record(n).answer;
  static_cast<ring::AnswerHead&>(*answer_) = {};
  const uint64_t before = ticks_;
  runner.run(call);
  ticks_ = clock_.ticks();
  const int64_t ns = clock_.ns_of(ticks_ - before);
  faulting_slot = kNoSlot;
  answer_->ns =
      static_cast<uint32_t>(std::clamp<int64_t>(ns, 0, std::numeric_limits<uint32_t>::max()));
  answer_->process_it = call.process_it ? 1 : 0;
  answer_->changed = call.changed ? 1 : 0;
  answer_->size = call.size;
}

void RingServer::finish(uint32_t n) {
  ring::Header& header = view_.header();
  header.finished.store(n, std::memory_order_release);
  // Who falls asleep just now for this one, with more behind it, is woken by the last of them.
  const bool is_last = header.submitted.load(std::memory_order_relaxed) == n;
  if (!is_last && header.wanted.load(std::memory_order_relaxed) != n) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (header.server_sleeps.load(std::memory_order_seq_cst) != 0) side_.call_back();
}

bool RingServer::wait_for_work() {
  ring::Header& header = view_.header();
  const auto has_work = [&] {
    return header.submitted.load(std::memory_order_seq_cst) !=
               header.finished.load(std::memory_order_relaxed) ||
           header.stopping.load(std::memory_order_seq_cst) != 0;
  };
  if (spin_ns_ != 0) {
    const uint64_t start = clock_.ticks();
    while (clock_.ns_of(clock_.ticks() - start) < spin_ns_) {
      if (has_work()) return true;
    }
  }
  header.helper_sleeps.store(1, std::memory_order_seq_cst);
  const bool alive = has_work() || side_.wait();
  header.helper_sleeps.store(0, std::memory_order_seq_cst);
  return alive;
}

}  // namespace hookline::callout
