#include "server/check_host.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace hookline::check {

using callout::Call;
using callout::HostStats;

void Watch::enter(uint32_t place) {
  sheet_.place.store(place, std::memory_order_relaxed);
  sheet_.steps.fetch_add(1, std::memory_order_relaxed);
}

void Watch::begin(uint32_t exchange, callout::Hook hook, uint32_t code) {
  sheet_.exchange = exchange;
  sheet_.outcomes[exchange] = Outcome::NotReached;
  expected_ = hook;
  expected_code_ = code;
  reached_ = false;
  leave();
}

void Watch::end() {
  if (host_ != nullptr) host_->settle();
  if (reached_) sheet_.outcomes[sheet_.exchange] = Outcome::Reached;
}

void Watch::called(const Call& call, bool wanted, int64_t ns) {
  if (call.hook == expected_ && (expected_code_ == 0 || call.code == expected_code_)) {
    reached_ = true;
  }
  if (!wanted) return;
  HookSheet& sheet = sheet_.by_hook[static_cast<size_t>(call.hook)];
  sheet.times.add(ns);
  if (ns > budget_ns_) ++sheet.slow;
}

void Watch::add(const HostStats& now, const HostStats& before) {
  sheet_.refused += now.refused - before.refused;
  sheet_.edited += now.edited - before.edited;
  sheet_.suppressed += now.suppressed - before.suppressed;
  sheet_.contexts += now.contexts - before.contexts;
  for (size_t hook = 0; hook < callout::kHookCount; ++hook) {
    HookSheet& sheet = sheet_.by_hook[hook];
    for (size_t kind = 0; kind < callout::kBreachCount; ++kind) {
      const uint64_t more = now.by_hook[hook].breaches[kind] - before.by_hook[hook].breaches[kind];
      if (more == 0) continue;
      if (sheet.breaches[kind] == 0) sheet.first_exchange[kind] = sheet_.exchange;
      sheet.breaches[kind] += more;
    }
  }
}

WatchedHost::WatchedHost(std::unique_ptr<callout::Host> inner, Watch& watch)
    : inner_(std::move(inner)), watch_(watch) {
  watch_.host_ = this;
  watch_.sheet_.hooks = inner_->hooks();
  settled_ = inner_->stats();
}

WatchedHost::~WatchedHost() {
  settle();
  watch_.host_ = nullptr;
  watch_.enter(kPlaceUnloading);
  inner_.reset();
  watch_.leave();
}

void WatchedHost::run(std::span<Call> calls) {
  for (Call& call : calls) {
    const bool wanted = (inner_->hooks() & callout::hook_bit(call.hook)) != 0;
    if (wanted) watch_.enter(static_cast<uint32_t>(call.hook));
    const uint64_t before = watch_.clock_.ticks();
    inner_->run({&call, 1});
    int64_t ns = watch_.clock_.ns_of(watch_.clock_.ticks() - before);
    wanted_ += wanted ? 1 : 0;
    if (!settled_.state.empty()) ns = wait_for_answer();
    if (wanted) watch_.leave();
    watch_.called(call, wanted, ns);
  }
}

// One call at a time, as in this process, so that each is timed and what goes wrong is known by its
// exchange. Where the callout's process ends, this one does, as if it had been here.
int64_t WatchedHost::wait_for_answer() {
  for (;;) {
    inner_->turn_ended();
    const HostStats now = inner_->stats();
    uint64_t answered = 0, exceptions = 0, total_ns = 0;
    for (const callout::HookStats& hook : now.by_hook) {
      answered += hook.calls;
      total_ns += hook.total_ns;
      exceptions += hook.breaches[static_cast<size_t>(callout::Breach::Exception)];
    }
    const auto faults =
        exceptions + now.faults != 0 ? inner_->faults() : std::vector<callout::FaultReport>();
    if (now.faults > faults.size()) continue;  // it is being looked at
    const bool faulted = !faults.empty() && faults.back().what.starts_with("exception 0x");
    if (now.faults != 0 || faulted) {
      const std::string& what = faults.back().what;
      const size_t size = std::min(what.size(), watch_.sheet_.fault.size() - 1);
      std::copy_n(what.begin(), size, watch_.sheet_.fault.begin());
      std::_Exit(1);
    }
    if (answered < wanted_) continue;
    return static_cast<int64_t>(total_ns - std::exchange(total_ns_, total_ns));
  }
}

void WatchedHost::settle() {
  HostStats now = inner_->stats();
  watch_.add(now, settled_);
  settled_ = std::move(now);
}

namespace {

class WatchedLibrary final : public io::Library {
 public:
  WatchedLibrary(std::unique_ptr<io::Library> inner, Watch& watch)
      : inner_(std::move(inner)), watch_(watch) {}

  void* find(const char* symbol) const override {
    void* const found = inner_->find(symbol);
    if (found != nullptr && symbol == std::string_view("DhcpServerCalloutEntry")) {
      watch_.enter(kPlaceEntry);
    }
    return found;
  }

 private:
  std::unique_ptr<io::Library> inner_;
  Watch& watch_;
};

}  // namespace

Result<std::unique_ptr<io::Library>> WatchedLibraries::open(const std::string& path) {
  watch_.enter(kPlaceLoading);
  auto library = inner_.open(path);
  if (!library) return library;
  return std::make_unique<WatchedLibrary>(std::move(*library), watch_);
}

}  // namespace hookline::check
