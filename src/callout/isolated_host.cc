#include "callout/isolated_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/time.h"

namespace hookline::callout {

namespace {

constexpr int64_t kMs = 1'000'000;
// How long a turn looks for an answer before it sleeps, at most.
constexpr int64_t kSpinNsMax = 20'000;
constexpr int64_t kSpinNsMin = 1'000;
// A helper that ended is noticed within this, whether or not anybody waits for it.
constexpr int64_t kLookNs = 5 * kMs;
// A helper that served this long has recovered from the fault before.
constexpr int64_t kHealthyNs = 60 * kNsPerSecond;
// From the end of a helper to its report, if nobody says that it is gone.
constexpr int64_t kReportNs = kNsPerSecond;
// For a callout that makes progress while it unloads.
constexpr int64_t kUnloadLongestNs = 10 * kNsPerSecond;

std::string shared_text(const std::array<char, sizeof(ring::Outcome::text)>& text, uint32_t size) {
  return {text.data(), std::min<size_t>(size, text.size())};
}

// As one that was asked to.
bool ended_well(const io::HelperEnd& end) {
  return end.how == io::HelperEnd::How::Exited && end.code == 0;
}

// How it ended by itself, and where, if it could write that down.
std::string end_text(const ring::Header& header, const std::optional<io::HelperEnd>& end) {
  const std::optional<FaultPlace> place = fault_place(header);
  if (!place) return end ? end->text() : "it is gone";
  return io::HelperEnd{io::HelperEnd::How::Killed, place->signal}.text() + ": " + place->text;
}

}  // namespace

IsolatedHost::IsolatedHost(Options options, std::vector<uint8_t> setup, io::Helpers& helpers,
                           io::Clock& clock, Logger& log)
    : options_(std::move(options)),
      setup_(std::move(setup)),
      helpers_(helpers),
      clock_(clock),
      log_(log),
      ledger_(options_.name, options_.slow_ns, clock, log),
      slots_(options_.slots) {
  // With one processor the helper can't answer while the server looks.
  if (helpers_.processors() > 1) spin_ns_max_ = kSpinNsMax;
  spin_ns_ = spin_ns_max_;
}

void IsolatedHost::read_output(Helper& helper) { helper.output->read(*helper.process, now_ns()); }

IsolatedHost::~IsolatedHost() {
  while (!unload()) {
    Helper& last = state_ == State::Serving ? helper_ : failed_.front().helper;
    last.process->wait(10 * kMs);
  }
}

bool IsolatedHost::unload() {
  const int64_t now = now_ns();
  looked_ns_ = now;
  if (!failed_.empty()) look_at_failed(now);
  if (state_ != State::Serving) return failed_.empty();
  if (unload_until_ns_ == 0) {
    publish(false);
    helper_.header().stopping.store(1, std::memory_order_seq_cst);
    helper_.process->wake();
    unload_until_ns_ = now + options_.hosting.budget_ns + kNsPerSecond;
    unload_longest_ns_ = now + kUnloadLongestNs;
  }
  const uint32_t taken = helper_.ring->taken();
  const std::optional<io::HelperEnd> end = helper_.process->ended();
  read_output(helper_);
  if (!take_answers()) return failed_.empty();
  // What it was given before STOP may take its time, on a busy machine.
  if (helper_.ring->taken() != taken) {
    unload_until_ns_ =
        std::min(now + options_.hosting.budget_ns + kNsPerSecond, unload_longest_ns_);
  }
  if (end && !(helper_.ring->is_idle() && ended_well(*end))) {
    fail_helper("");  // in STOP, or while it was unloaded
  } else if (end) {
    helper_.output->end(now_ns());
    helper_ = {};
    state_ = State::Unloaded;
  } else if (now >= unload_until_ns_) {
    fail_helper("it did not unload within its budget and a second");
  }
  return state_ != State::Serving && failed_.empty();
}

bool IsolatedHost::has_stopped() const {
  return state_ != State::Serving || helper_.ring->is_idle();
}

int64_t IsolatedHost::next_due_ns() const {
  int64_t due_ns = std::numeric_limits<int64_t>::max();
  if (!failed_.empty() || state_ == State::Starting || unload_until_ns_ != 0 ||
      (state_ == State::Serving && look_due_)) {
    due_ns = looked_ns_ + kLookNs;
  }
  if (state_ == State::Waiting) due_ns = std::min(due_ns, start_ns_);
  return due_ns;
}

// --- starting -------------------------------------------------------------------------------

Result<IsolatedHost::Helper> IsolatedHost::start_helper() {
  const io::HelperPlan plan{ring::kSetupAt + setup_.size(), options_.hosting.memory_max_bytes};
  auto process = helpers_.start(plan, [&](uint8_t* memory) {
    const ring::View view(memory);
    ring::Header& header = view.header();
    header.magic = ring::kMagic;
    header.slots = static_cast<uint32_t>(options_.slots);
    // The stages of one turn follow each other closely.
    header.spin_ns = static_cast<uint32_t>(spin_ns_max_);
    header.setup_bytes = static_cast<uint32_t>(setup_.size());
    std::copy(setup_.begin(), setup_.end(), view.setup());
  });
  if (!process) return tl::unexpected(process.error());
  Helper helper;
  helper.process = std::move(*process);
  helper.ring = std::make_unique<RingClient>(helper.process->memory());
  helper.output = std::make_unique<HelperOutput>(options_.name, output_limit_, log_);
  return helper;
}

std::optional<LoadFailure> IsolatedHost::begin_load() {
  auto started = start_helper();
  if (!started) return LoadFailure{false, started.error().text};
  helper_ = std::move(*started);
  start_ns_ = now_ns();
  return std::nullopt;
}

std::optional<LoadFailure> IsolatedHost::finish_load(int64_t timeout_ns) {
  const int64_t until = start_ns_ + timeout_ns;
  const ring::Header& header = helper_.header();
  const auto stage = [&] {
    return static_cast<ring::Stage>(header.stage.load(std::memory_order_acquire));
  };
  std::optional<io::HelperEnd> end;
  while (stage() == ring::Stage::Loading && !end && now_ns() < until) {
    helper_.process->wait(10 * kMs);
    read_output(helper_);
    end = helper_.process->ended();
  }
  read_output(helper_);
  const ring::Outcome outcome = ring::read_once(header.outcome);
  const std::string text = shared_text(outcome.text, outcome.text_size);
  if (stage() == ring::Stage::Serving) {
    path_ = text;
    hooks_ = static_cast<HookSet>(outcome.hooks);
    is_wine_ = outcome.wine != 0;
    start_ns_ = now_ns();
    state_ = State::Serving;
    generation_ = 1;
    return std::nullopt;
  }
  helper_.output->end(now_ns());
  if (stage() == ring::Stage::Failed) return LoadFailure{outcome.exception != 0, text};
  if (!end)
    return LoadFailure{true, fmt::format("not loaded after {} s", timeout_ns / kNsPerSecond)};
  return LoadFailure{true, "while it was loaded " + end_text(header, end)};
}

void IsolatedHost::try_start(int64_t now_ns) {
  start_ns_ = now_ns;
  auto started = start_helper();
  if (!started) {
    log_.error("no helper process for a callout",
               {{"callout", options_.name}, {"why", started.error().text}});
    ++faults_in_row_;
    return schedule_start(now_ns);
  }
  helper_ = std::move(*started);
  state_ = State::Starting;
}

void IsolatedHost::look_at_starting(int64_t now_ns) {
  helper_.output->read_now_and_then(*helper_.process, now_ns);
  const ring::Header& header = helper_.header();
  const auto stage = static_cast<ring::Stage>(header.stage.load(std::memory_order_acquire));
  if (stage == ring::Stage::Serving) return serve_again();
  if (stage == ring::Stage::Failed) {
    const ring::Outcome outcome = ring::read_once(header.outcome);
    fail_helper("not loaded again: " + shared_text(outcome.text, outcome.text_size));
  } else if (const auto end = helper_.process->ended()) {
    fail_helper("not loaded again: " + end->text());
  } else if (now_ns - start_ns_ > kLoadTimeoutNs) {
    fail_helper(fmt::format("not loaded again within {} s", kLoadTimeoutNs / kNsPerSecond));
  }
}

void IsolatedHost::serve_again() {
  // The file may be another one by now.
  const ring::Outcome outcome = ring::read_once(helper_.header().outcome);
  path_ = shared_text(outcome.text, outcome.text_size);
  hooks_ = static_cast<HookSet>(outcome.hooks);
  is_wine_ = outcome.wine != 0;
  state_ = State::Serving;
  ++generation_;
  seen_taken_ = 0;
  seen_ns_ = now_ns();
  seen_processor_.progressed();
  log_.info("callout restarted", {{"callout", options_.name}, {"faults", fault_count_}});
  Call call;
  for (const auto& [told, code] :
       {std::pair(told_start_, Control::Start), std::pair(told_pause_, Control::Pause)}) {
    if (!told || (hooks_ & hook_bit(Hook::Control)) == 0) continue;
    call.code = static_cast<uint32_t>(code);
    helper_.ring->put(call, false);
  }
  publish(true);
}

void IsolatedHost::schedule_start(int64_t now_ns) {
  if (unload_until_ns_ != 0) {
    state_ = State::Unloaded;
    return;
  }
  const CalloutHosting& hosting = options_.hosting;
  if (faults_in_row_ >= hosting.faults_max) {
    state_ = State::Quarantined;
    log_.error("a callout keeps failing; it is left alone until 'hookline callouts reload'",
               {{"callout", options_.name}, {"faults", faults_in_row_}});
    return;
  }
  state_ = State::Waiting;
  int64_t delay_ns = hosting.restart_first_ns;
  for (uint32_t i = 1; i < faults_in_row_ && delay_ns < hosting.restart_longest_ns; ++i) {
    delay_ns *= 2;
  }
  start_ns_ = now_ns + std::min(delay_ns, hosting.restart_longest_ns);
}

// --- what goes on beside the calls ----------------------------------------------------------

void IsolatedHost::look() {
  const int64_t now = now_ns();
  if (!failed_.empty()) look_at_failed(now);
  const bool is_due = now - looked_ns_ >= kLookNs;
  if (is_due) looked_ns_ = now;
  look_due_ = !is_due;
  switch (state_) {
    case State::Serving:
      if (is_due) look_at_serving(now);
      break;
    case State::Starting:
      look_at_starting(now);
      break;
    case State::Waiting:
      if (now >= start_ns_) try_start(now);
      break;
    case State::Quarantined:
    case State::Unloaded:
      break;
  }
}

void IsolatedHost::look_at_serving(int64_t now_ns) {
  if (faults_in_row_ != 0 && now_ns - start_ns_ > kHealthyNs) faults_in_row_ = 0;
  if (!take_answers()) return;
  if (helper_.process->ended()) {
    if (take_answers()) fail_helper("");
    return;
  }
  if (helper_.ring->is_idle() || helper_.ring->taken() != seen_taken_) {
    seen_taken_ = helper_.ring->taken();
    seen_ns_ = now_ns;
    seen_processor_.progressed();
  } else if (now_ns - seen_ns_ > std::max(10 * options_.hosting.budget_ns, kNsPerSecond) &&
             seen_processor_.hangs(*helper_.process, options_.hosting.budget_ns)) {
    fail_helper("took much longer than its budget");
  }
}

void IsolatedHost::turn_ended() {
  look();
  if (state_ != State::Serving) return;
  helper_.output->read_now_and_then(*helper_.process, now_ns());
  if (!helper_.ring->is_idle() && take_answers()) publish(true);
}

// --- calls ----------------------------------------------------------------------------------

void IsolatedHost::run(std::span<Call> calls) {
  look();
  uint32_t wanted = state_ == State::Serving ? helper_.ring->taken() : 0;
  bool urgent = false;
  for (Call& call : calls) {
    if (call.hook == Hook::Control) {
      if (call.code == static_cast<uint32_t>(Control::Start)) told_start_ = true;
      if (call.code == static_cast<uint32_t>(Control::Pause)) told_pause_ = true;
      if (call.code == static_cast<uint32_t>(Control::Continue)) told_pause_ = false;
      urgent = true;
    }
    if (is_for_helper(call) && !put(call, wanted)) without(call);
  }
  if (state_ != State::Serving) return;
  const bool waits = !has_reached(wanted);
  publish(urgent || waits);
  if (waits) wait_for(wanted);
}

bool IsolatedHost::is_for_helper(Call& call) {
  const bool ends_slot = call.hook == Hook::PktDrop && call.code == kDropProcessed;
  if (call.slot != kNoSlot) {
    CHECK(call.slot < slots_.size(), "a slot of the packet pool");
    uint32_t& whose = slots_[call.slot].generation;
    if (call.hook == Hook::NewPkt) whose = state_ == State::Serving ? generation_ : 0;
    const bool ours = whose == generation_ && whose != 0 && state_ == State::Serving;
    const bool lost = whose != 0 && !ours;  // it was another's, which has failed
    if (ends_slot) whose = 0;
    if (!ours) {
      if (call.hook == Hook::NewPkt || lost) without(call);
      return false;
    }
  } else if (state_ != State::Serving) {
    ++missed_;
    return false;
  }
  return call.hook == Hook::NewPkt || call.refresh || (hooks_ & hook_bit(call.hook)) != 0;
}

void IsolatedHost::without(Call& call) {
  ++missed_;
  if (options_.hosting.on_fault == OnFault::Open) return;
  call.away = true;
  if (call.hook == Hook::NewPkt) call.process_it = false;
  if (call.hook == Hook::PktSend) {
    call.size = 0;
    call.changed = true;
  }
}

bool IsolatedHost::put(Call& call, uint32_t& wanted) {
  while (helper_.ring->is_full()) {
    publish(true);
    if (!wait_for(helper_.ring->taken() + 1)) return false;
  }
  const bool wants_answer = (call.hook == Hook::NewPkt || call.hook == Hook::PktSend) &&
                            (hooks_ & hook_bit(call.hook)) != 0;
  if (call.hook == Hook::NewPkt) slots_[call.slot].record = helper_.ring->next();
  helper_.ring->put(call, wants_answer);
  if (wants_answer) wanted = helper_.ring->next();
  return true;
}

void IsolatedHost::publish(bool wake_now) {
  if (helper_.ring->publish()) wake_due_ = true;
  if (!wake_now || !wake_due_) return;
  wake_due_ = false;
  helper_.process->wake();
}

bool IsolatedHost::has_reached(uint32_t wanted) const {
  return static_cast<int32_t>(helper_.ring->taken() - wanted) >= 0;
}

bool IsolatedHost::spin_for(uint32_t wanted) {
  if (spin_ns_ == 0) return false;
  const uint64_t start = clock_.ticks();
  do {
    const auto done = helper_.ring->finished();
    if (!done || static_cast<int32_t>(*done - wanted) >= 0) return true;
  } while (clock_.ns_of(clock_.ticks() - start) < spin_ns_);
  return false;
}

// Looking for the answer pays when it comes at once; where it does not, less and less of it is
// done, and now and then it is tried again.
bool IsolatedHost::wait_for(uint32_t wanted) {
  if (++waits_ % 64 == 0) spin_ns_ = std::max(spin_ns_, spin_ns_max_ / 2);
  if (spin_for(wanted)) {
    spin_ns_ = std::min(spin_ns_max_, spin_ns_ * 2);
  } else {
    spin_ns_ = spin_ns_ / 2 < kSpinNsMin ? 0 : spin_ns_ / 2;
  }
  CallWatch watch(options_.hosting.budget_ns, now_ns());
  for (;;) {
    const uint32_t before = helper_.ring->taken();
    if (!take_answers()) return false;
    if (has_reached(wanted)) return true;
    if (helper_.ring->taken() != before) watch.progressed();
    const uint32_t written = helper_.header().fault.written.load(std::memory_order_acquire);
    if (written != 0) return fail_helper(written == 1 ? "" : "wrote nonsense into the ring");
    if (watch.is_over(now_ns(), *helper_.process)) {
      // It may just have gone to sleep, with its work done.
      if (!take_answers()) return false;
      if (has_reached(wanted)) return true;
      if (helper_.ring->taken() != before) continue;
      return fail_helper(
          fmt::format("took longer than its budget of {} us", options_.hosting.budget_ns / 1000));
    }
    if (helper_.ring->prepare_sleep(wanted)) helper_.process->wait(watch.step_ns());
    helper_.ring->end_sleep();
    watch.woke(now_ns());
    read_output(helper_);
    if (helper_.process->ended()) {
      if (!take_answers()) return false;
      return has_reached(wanted) || fail_helper("");
    }
    if (is_cut_off()) return fail_helper("closed what it answers by");
  }
}

// One that ends is so for a moment, too.
bool IsolatedHost::is_cut_off() {
  if (!helper_.process->is_cut_off()) return false;
  const int64_t now = now_ns();
  if (helper_.cut_off_ns == 0) helper_.cut_off_ns = now;
  return now - helper_.cut_off_ns >= kLookNs;
}

bool IsolatedHost::take_answers() {
  RingClient& ring = *helper_.ring;
  const auto finished = ring.finished();
  if (!finished) return fail_helper("wrote nonsense into the ring");
  while (ring.taken() != *finished) {
    const auto answered = ring.take();
    if (!answered) return fail_helper("wrote nonsense into the ring");
    note(*answered);
  }
  return true;
}

void IsolatedHost::note(const RingClient::Answered& answered) {
  const Hook hook = answered.asked.hook;
  if ((hooks_ & hook_bit(hook)) != 0) ledger_.took(hook, answered.ns);
  if (answered.breach) ledger_.breach(hook, *answered.breach, answered.text);
  if (answered.breach == Breach::Exception) note_caught(hook, answered.text);
  if (answered.context_set) ledger_.context_set();
  const Call* const call = answered.asked.call;
  if (call != nullptr && (call->changed || !call->process_it)) ledger_.answered(*call);
}

// --- faults ---------------------------------------------------------------------------------

bool IsolatedHost::fail_helper(std::string what) {
  const int64_t now = now_ns();
  Failed failed;
  failed.what = std::move(what);
  failed.give_up_ns = now + kReportNs;
  failed.report.wall_ns = clock_.read().wall_ns;
  failed.report.callout = options_.name;
  if (const RingClient::Asked* at = helper_.ring->current()) {
    failed.report.hook = hook_name(at->hook);
    ++faults_by_hook_[static_cast<size_t>(at->hook)];
    if (at->call != nullptr && at->hook == Hook::NewPkt) {
      failed.report.request.assign(at->call->buffer, at->call->buffer + at->call->size);
    } else if (at->slot != kNoSlot) {
      failed.report.request = helper_.ring->packet_of(slots_[at->slot].record);
    }
  }
  while (const auto asked = helper_.ring->give_up_one()) {
    ++missed_;
    if (asked->call == nullptr) continue;
    --missed_;
    without(*asked->call);
  }
  helper_.process->kill();
  failed.helper = std::move(helper_);
  helper_ = {};
  wake_due_ = false;
  ++fault_count_;
  ++faults_in_row_;
  failed_.push_back(std::move(failed));
  schedule_start(now);
  look_at_failed(now);
  return false;
}

void IsolatedHost::look_at_failed(int64_t now_ns) {
  for (Failed& failed : failed_) {
    failed.helper.output->read_now_and_then(*failed.helper.process, now_ns);
    if (!failed.helper.process->ended() && now_ns < failed.give_up_ns) continue;
    read_output(failed.helper);  // its last words
    report(failed);
    failed.helper.process.reset();
  }
  std::erase_if(failed_, [](const Failed& failed) { return failed.helper.process == nullptr; });
}

void IsolatedHost::report(Failed& failed) {
  failed.helper.output->end(now_ns());
  FaultReport& report = failed.report;
  const ring::Header& header = failed.helper.header();
  const std::optional<io::HelperEnd> end = failed.helper.process->ended();
  report.what = failed.what.empty() ? end_text(header, end) : failed.what;
  // It was asked where it is.
  const std::optional<FaultPlace> place = fault_place(header);
  if (!failed.what.empty() && place) report.what += ": " + place->text;
  const ring::FaultPacket packet = ring::read_once(header.fault_packet);
  if (report.request.empty() && place && packet.size <= packet.bytes.size()) {
    report.request.assign(packet.bytes.begin(), packet.bytes.begin() + packet.size);
  }
  const std::string_view outcome =
      state_ == State::Unloaded      ? "a callout failed; it was being unloaded"
      : state_ == State::Quarantined ? "a callout failed; packets go on without it"
                                     : "a callout failed; packets go on, and it is started again";
  log_.error(outcome, {{"event", 1031},
                       {"dll", report.callout},
                       {"hook", report.hook.empty() ? "none" : report.hook},
                       {"what", report.what},
                       {"request", to_hex(report.request)}});
  if (faults_.size() == kCalloutFaultsMax) faults_.pop_front();
  faults_.push_back(std::move(report));
}

// A fault that the helper survived: the log has said it, once.
void IsolatedHost::note_caught(Hook hook, std::string_view what) {
  FaultReport report;
  report.wall_ns = clock_.read().wall_ns;
  report.callout = options_.name;
  report.hook = hook_name(hook);
  report.what = what;
  const ring::FaultPacket packet = ring::read_once(helper_.header().fault_packet);
  if (packet.size <= packet.bytes.size()) {
    report.request.assign(packet.bytes.begin(), packet.bytes.begin() + packet.size);
  }
  if (faults_.size() == kCalloutFaultsMax) faults_.pop_front();
  faults_.push_back(std::move(report));
}

HostStats IsolatedHost::stats() const {
  HostStats stats = ledger_.stats(path_, hooks_);
  constexpr std::array<std::string_view, 5> kStates = {"restarting", "restarting", "serving",
                                                       "quarantined", "unloaded"};
  stats.state = kStates[static_cast<size_t>(state_)];
  stats.faults = fault_count_;
  stats.wine = is_wine_;
  stats.missed = missed_;
  for (size_t i = 0; i < kHookCount; ++i) stats.by_hook[i].faults = faults_by_hook_[i];
  return stats;
}

}  // namespace hookline::callout
