// libFuzzer: a host of a callout and its helper processes, which do what the input says: write what
// they like into the shared memory at any moment, print without end, die, hang, load or not. Finds
// calls that hold the packet thread longer than a budget allows, answers out of bounds, packets
// that go on though `on_fault` is closed, helpers that are blamed for nothing, and log lines that
// nobody bounds.
#include <cstdio>
#include <limits>

#include "callout/isolated_host.h"
#include "callout/testing_hostile_helper.h"

namespace hookline::callout {
namespace {

using testing::Habit;
using testing::kMs;
using testing::kUs;

constexpr size_t kSlots = 600;
constexpr size_t kCalls = kCalloutCallsMax;
constexpr uint64_t kEffortMax = 60'000;
// The packet thread's own work of one call, beside what it waits.
constexpr int64_t kWorkNs = 5 * kMs;
constexpr size_t kLogLineBytesMax = 32 * 1024;

// Each buffer is a block of its own, so that a sanitizer sees what is written beside it.
MutableBytes buffer_of(size_t n) {
  static const auto* const buffers = [] {
    auto* const all =
        new std::vector<std::unique_ptr<std::array<uint8_t, kPacketBytesMax>>>(kCalls);
    for (auto& one : *all) one = std::make_unique<std::array<uint8_t, kPacketBytesMax>>();
    return all;
  }();
  return *(*buffers)[n];
}

// What is written to it is looked at, and forgotten.
class Log {
 public:
  Log() : file_(::fopencookie(this, "w", {nullptr, &Log::write, nullptr, nullptr})) {
    std::setvbuf(file_, nullptr, _IONBF, 0);
    logger.emplace(file_, LogLevel::Debug);
  }
  ~Log() { std::fclose(file_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  std::optional<Logger> logger;
  uint64_t lines = 0;

 private:
  static ssize_t write(void* self, const char* text, size_t size) {
    CHECK(size <= kLogLineBytesMax, "a log line is not longer than what it is made of");
    CHECK(size != 0 && text[size - 1] == '\n', "a log line is written whole");
    for (size_t i = 0; i + 1 < size; ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      CHECK(c >= 32 && c != 127, "no control characters in the log");
    }
    ++static_cast<Log*>(self)->lines;
    return static_cast<ssize_t>(size);
  }

  std::FILE* file_;
};

// What is known of one packet.
struct Slot {
  bool is_used = false;
  // Whose packet it is, by World::starts; 0: nobody's, none: a helper failed meanwhile.
  std::optional<uint32_t> helper;
};

class Server {
 public:
  explicit Server(Bytes bytes);

  void go_on();

 private:
  struct Before {
    uint64_t faults = 0, answered = 0, missed = 0, scribbles = 0;
    bool is_serving = false, is_orderly = false;
    uint32_t helper = 0;
  };

  void step();
  void new_packets(size_t count);
  void replies(size_t count);
  void tell(Hook hook, size_t count);
  void end_packets(size_t count);
  void control(uint32_t code);
  void turn_ended();
  void time_passes(int64_t ns);
  void be_idle();
  const testing::HostileHelper* helper_that_is_gone() const;
  void interfere(uint32_t how);
  void change_habit(uint8_t which, uint8_t value);
  void look();
  void unload();

  Call& add(Hook hook, uint32_t slot);
  void give_packet(Call& call);
  void run();
  Before before() const;
  void check_answers(const Before& was);
  void check_without(const Before& was, const Before& is, const Call& call);
  std::optional<uint32_t> find_slot(bool used, uint32_t from) const;

  testing::Input input_;
  testing::World world_{input_};
  testing::HostileHelpers helpers_{world_};
  Log log_;
  bool is_closed_ = false;
  int64_t budget_ns_ = 0;
  std::optional<IsolatedHost> host_;
  std::vector<Call> calls_;
  ServerOptions options_;
  std::array<uint8_t, kPacketBytesMax> joined_{};
  std::array<Slot, kSlots> slots_;
};

Server::Server(Bytes bytes) : input_(bytes) {
  const uint32_t how = input_.number(1);
  IsolatedHost::Options options;
  options.name = "zoo.so";
  is_closed_ = how % 2 != 0;
  options.hosting.on_fault = is_closed_ ? OnFault::Closed : OnFault::Open;
  budget_ns_ = options.hosting.budget_ns = how & 2 ? 5 * kMs : kMs;
  options.hosting.restart_first_ns = how & 4 ? 100 * kMs : kMs;
  options.hosting.restart_longest_ns = 1000 * kMs;
  options.hosting.faults_max = how & 8 ? 3 : 100;
  options.slow_ns = how & 16 ? 0 : kMs;
  options.slots = kSlots;
  calls_.reserve(kCalls);
  if (how & 32) {
    const uint32_t which = input_.number(1);
    change_habit(static_cast<uint8_t>(which), static_cast<uint8_t>(input_.number(1)));
  }
  host_.emplace(std::move(options), std::vector<uint8_t>(40, 0xA5), helpers_, world_, *log_.logger);
}

void Server::go_on() {
  world_.hold(kWorkNs);
  if (host_->begin_load()) return;
  world_.hold(1000 * kMs + 10 * kMs + kWorkNs);
  const bool is_loaded = !host_->finish_load(1000 * kMs);
  while (is_loaded && !input_.at_end() && world_.effort < kEffortMax && host_) step();
  world_.is_waiting = true;
  world_.hold(12'000 * kMs + budget_ns_);
  if (is_loaded && host_) look();
  // It takes seconds, and less of this machine's where there is less to read.
  world_[Habit::Wakes] = std::max<uint8_t>(world_[Habit::Wakes], 50);
  if (world_.effort >= kEffortMax / 2) world_[Habit::Prints] = 0;
  host_.reset();
  CHECK(world_.helper == nullptr, "no helper outlives its host");
  const auto seconds = static_cast<uint64_t>((world_.now_ns() - 1'000'000 * kMs) / (1000 * kMs));
  const uint64_t lines = kCalloutLinesMax + (seconds + 2) * (kCalloutLinesPerSecond + 3);
  CHECK(log_.lines <= lines + world_.starts * 5, "the log is bounded");
}

void Server::step() {
  const uint32_t what = input_.number(1);
  const uint32_t how = what / 16;
  switch (what % 16) {
    case 0:
      return new_packets(1 + how);
    case 1:
      return new_packets(how * 34);
    case 2:
      return replies(1 + how * how);
    case 3:
      return tell(Hook::HandleOptions, 1 + how);
    case 4:
      return tell(how % 2 ? Hook::AddressDel : Hook::AddressOffer, 1 + how);
    case 5:
      return tell(Hook::DeleteClient, 1 + how * how);
    case 6:
      return tell(Hook::DeleteClient, kCalls);
    case 7:
      return end_packets(how == 15 ? kCalls : 1 + how);
    case 8:
      return control(1 + how % 4);
    case 9:
    case 10:
      return turn_ended();
    case 11:
      return time_passes(kUs << how * 2 % 27);
    case 12:
      return be_idle();
    case 13:
      return interfere(how);
    case 14:
      return how == 15 ? unload() : look();
    default:
      return change_habit(static_cast<uint8_t>(how), static_cast<uint8_t>(input_.number(1)));
  }
}

// --- what a server asks for -----------------------------------------------------------------

std::optional<uint32_t> Server::find_slot(bool used, uint32_t from) const {
  for (uint32_t slot = from; slot < kSlots; ++slot) {
    if (slots_[slot].is_used == used) return slot;
  }
  return std::nullopt;
}

Call& Server::add(Hook hook, uint32_t slot) {
  Call& call = calls_.emplace_back();
  call.hook = hook;
  call.slot = slot;
  call.address = 0x0A000001;
  call.lease_s = 3600;
  return call;
}

void Server::give_packet(Call& call) {
  constexpr std::array<uint16_t, 6> kSizes = {300, 1, 384, 385, 576, kPacketBytesMax};
  call.size = kSizes[calls_.size() % kSizes.size()];
  const MutableBytes buffer = buffer_of(calls_.size() - 1);
  call.buffer = buffer.data();
  std::fill_n(call.buffer, call.size, static_cast<uint8_t>(calls_.size()));
}

void Server::new_packets(size_t count) {
  uint32_t slot = 0;
  while (calls_.size() < count) {
    const auto found = find_slot(false, slot);
    if (!found) break;
    give_packet(add(Hook::NewPkt, *found));
    slot = *found + 1;
  }
  run();
}

void Server::replies(size_t count) {
  uint32_t slot = 0;
  while (calls_.size() < count) {
    const auto found = find_slot(true, slot);
    if (!found) break;
    Call& call = add(Hook::PktSend, *found);
    call.code = kSendPacket;
    give_packet(call);
    slot = *found + 1;
  }
  run();
}

void Server::tell(Hook hook, size_t count) {
  uint32_t slot = 0;
  while (calls_.size() < count) {
    const auto found = hook == Hook::DeleteClient ? kNoSlot : find_slot(true, slot);
    if (!found) break;
    Call& call = add(hook, *found);
    slot = *found + 1;
    if (hook == Hook::DeleteClient) call.hardware_size = static_cast<uint8_t>(calls_.size() % 17);
    if (hook == Hook::HandleOptions) {
      call.options = &options_;
      call.joined = Bytes(joined_).first(calls_.size() * 1000 % (kPacketBytesMax + 1));
    }
    call.refresh = hook != Hook::DeleteClient && calls_.size() % 3 == 0;
    if (call.refresh) give_packet(call);
  }
  run();
}

void Server::end_packets(size_t count) {
  uint32_t slot = 0;
  while (calls_.size() < count) {
    const auto found = find_slot(true, slot);
    if (!found) break;
    if (count % 2 != 0 && calls_.size() + 1 < kCalls) add(Hook::PktDrop, *found).code = 1;
    add(Hook::PktDrop, *found).code = kDropProcessed;
    slots_[*found] = {};
    slot = *found + 1;
  }
  run();
}

void Server::control(uint32_t code) {
  add(Hook::Control, kNoSlot).code = code;
  run();
}

void Server::turn_ended() {
  world_.is_waiting = false;
  world_.hold(kWorkNs);
  host_->turn_ended();
  world_.is_waiting = true;
}

// Every turn has an end, before the next one.
void Server::time_passes(int64_t ns) {
  turn_ended();
  world_.pass_late(ns);
  if (world_.helper == nullptr) return;
  world_.helper->live();
  world_.helper->work_on();
}

// Nothing comes: the server wakes up when the host wants it to, and when a helper ends.
void Server::be_idle() {
  constexpr int kTurnsMax = 40;
  for (int i = 0; i < kTurnsMax; ++i) {
    const testing::HostileHelper* const gone = helper_that_is_gone();
    turn_ended();
    const int64_t due_ns = host_->next_due_ns();
    if (due_ns != std::numeric_limits<int64_t>::max()) {
      time_passes(std::max<int64_t>(due_ns - world_.now_ns(), 0));
      world_.effort += 10;
      continue;
    }
    const std::string state = host_->stats().state;
    CHECK(state == "serving" || state == "quarantined", "somebody looks after what is to come");
    if (helper_that_is_gone() == nullptr) return;
    CHECK(state != "serving" || helper_that_is_gone() != gone, "the end of a helper is noticed");
  }
}

const testing::HostileHelper* Server::helper_that_is_gone() const {
  return world_.helper != nullptr && world_.helper->is_gone() ? world_.helper : nullptr;
}

// What a helper does while the server is busy with something else.
void Server::interfere(uint32_t how) {
  if (world_.helper == nullptr) return;
  if (how >= 12) return world_.helper->end(static_cast<uint8_t>(input_.number(1)));
  const uint32_t where = input_.number(4);
  world_.helper->scribble(where, input_.number(4));
}

void Server::change_habit(uint8_t which, uint8_t value) {
  const auto habit = static_cast<Habit>(which % static_cast<uint8_t>(Habit::Count));
  world_[habit] = value;
  const bool is_bad = (habit == Habit::Works && value >= 2) ||
                      ((habit == Habit::CutOff || habit == Habit::NoStarts) && value != 0) ||
                      (habit == Habit::Loads && value != 0);
  if (is_bad) world_.is_honest = false;
}

void Server::look() {
  const HostStats stats = host_->stats();
  CHECK(!stats.state.empty() && stats.name == "zoo.so", "what it is and how it does");
  CHECK(stats.path.size() <= sizeof(ring::Outcome::text), "the file's name is bounded");
  const std::vector<FaultReport> faults = host_->faults();
  CHECK(faults.size() <= kCalloutFaultsMax, "so many faults are kept");
  for (const FaultReport& fault : faults) {
    CHECK(fault.what.size() <= 2048, "what happened, in a few words");
    CHECK(fault.request.size() <= kPacketBytesMax, "a packet, or none");
    CHECK(fault.hook.size() <= 24 && fault.callout == "zoo.so", "which");
  }
  CHECK(!world_.is_honest || stats.faults == 0, "nobody is blamed who did what he was asked");
}

// STOP is the last call; others serve meanwhile, so that it is only looked at now and then.
void Server::unload() {
  control(static_cast<uint32_t>(Control::Stop));
  const int64_t from_ns = world_.now_ns();
  world_.is_waiting = false;
  world_.hold(kWorkNs);
  while (!host_->unload()) {
    CHECK(world_.now_ns() - from_ns < 12'000 * kMs + budget_ns_, "unloading comes to an end");
    look();
    if (world_.effort >= kEffortMax) world_[Habit::Prints] = 0;
    world_.pass_late(std::max<int64_t>(host_->next_due_ns() - world_.now_ns(), 100 * kUs));
    if (world_.helper != nullptr) world_.helper->live();
    if (world_.helper != nullptr) world_.helper->work_on();
    world_.hold(kWorkNs);
  }
  CHECK(host_->has_stopped(), "one that is unloaded has been stopped");
  look();
  world_.hold(kWorkNs);
  host_.reset();
}

// --- what becomes of it ---------------------------------------------------------------------

Server::Before Server::before() const {
  const HostStats stats = host_->stats();
  Before out;
  out.faults = stats.faults;
  out.missed = stats.missed;
  out.answered = world_.answered;
  out.scribbles = world_.scribbles;
  out.is_serving = stats.state == "serving";
  out.is_orderly = world_.helper != nullptr && world_.helper->is_orderly();
  out.helper = world_.starts;
  return out;
}

void Server::run() {
  const Before was = before();
  world_.hold(kCallBudgetsMax * budget_ns_ + kCallSlackNs + budget_ns_ + kWorkNs);
  world_.effort += 5 + calls_.size() / 8;
  host_->run(calls_);
  check_answers(was);
  calls_.clear();
}

void Server::check_answers(const Before& was) {
  const Before is = before();
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = calls_[i];
    const bool is_asked = call.hook == Hook::NewPkt || call.hook == Hook::PktSend;
    CHECK(is_asked || (!call.changed && call.process_it), "only two hooks have answers");
    CHECK(call.hook == Hook::NewPkt || call.process_it, "only a request is refused");
    if (!is_asked) continue;
    CHECK(call.buffer == buffer_of(i).data(), "the server's own buffer");
    CHECK(call.size <= kPacketBytesMax, "a host answers within bounds");
    CHECK(call.size != 0 || (call.hook == Hook::PktSend && call.changed), "a reply is suppressed");
    const auto same = [&](uint8_t byte) { return byte == static_cast<uint8_t>(i + 1); };
    CHECK(call.changed || std::all_of(call.buffer, call.buffer + call.size, same),
          "nothing is changed that is not said to be");
    check_without(was, is, call);
    if (call.hook != Hook::NewPkt) continue;
    Slot& slot = slots_[call.slot];
    slot.is_used = call.process_it;
    slot.helper.reset();
    if (was.is_serving && is.is_serving) slot.helper = is.helper;
    if (!was.is_serving && !is.is_serving && was.faults == is.faults) slot.helper = 0;
  }
  const bool is_bad = world_.is_honest && is.faults != 0;
  CHECK(!is_bad, "nobody is blamed who did what he was asked");
  CHECK(is.missed >= was.missed && is.faults >= was.faults, "counters only grow");
}

// Where it is certain that no helper answered a call, it is as `on_fault` says.
void Server::check_without(const Before& was, const Before& is, const Call& call) {
  const bool nobody = !was.is_serving && !is.is_serving && was.faults == is.faults;
  const bool failed_at_once = was.is_serving && !is.is_serving && was.is_orderly &&
                              was.scribbles == is.scribbles && was.answered == is.answered &&
                              was.helper == is.helper;
  const std::optional<uint32_t> whose = slots_[call.slot].helper;
  if (call.hook == Hook::PktSend) {
    const bool lost = whose && *whose != 0 &&
                      (nobody || failed_at_once || (is.is_serving && *whose != is.helper));
    if (!lost || (failed_at_once && world_[Habit::Hooks] != 0)) return;
    CHECK(call.changed == is_closed_ && (call.size == 0) == is_closed_,
          "a reply goes out, or not, as on_fault says");
  } else if (nobody || (failed_at_once && world_[Habit::Hooks] == 0)) {
    CHECK(call.process_it != is_closed_ && !call.changed,
          "a request goes on, or not, as on_fault says");
  }
}

}  // namespace
}  // namespace hookline::callout

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hookline::callout::Server({data, size}).go_on();
  return 0;
}
