// What the test host of `hookline callout check` notes while it runs, in memory that it shares with
// the process that started it: so that it is there however the test host ends. Plain data. A wild
// callout can write here too: whoever reads takes nothing for granted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "callout/hook_times.h"
#include "callout/host.h"

namespace hookline::check {

// Where the test host is: the number of a callout::Hook, or one of these.
enum Place : uint32_t {
  kPlaceLoading = callout::kHookCount,  // constructors and DllMain
  kPlaceEntry,                          // DhcpServerCalloutEntry
  kPlaceUnloading,                      // DllMain again, and destructors
  kPlaceOutside,                        // not in the callout
};

inline constexpr size_t kExchangesMax = 64;
inline constexpr size_t kFailureBytesMax = 1024;

enum class Outcome : uint8_t { NotDriven, NotReached, Reached };

struct HookSheet {
  callout::HookTimes times;
  uint64_t slow = 0;  // calls over the budget
  std::array<uint64_t, callout::kBreachCount> breaches{};
  std::array<uint32_t, callout::kBreachCount> first_exchange{};  // that had the breach
};

struct Sheet {
  std::atomic<uint64_t> steps{0};  // goes up with every call and exchange
  std::atomic<uint32_t> place{kPlaceOutside};
  std::atomic<uint32_t> exchange{0};
  std::atomic<bool> loaded{false};       // at least once
  std::atomic<bool> load_failed{false};  // `failure` says why
  std::atomic<bool> done{false};         // came to the end
  std::array<char, kFailureBytesMax> failure{};
  // How the callout's own process ended, where it had one; empty: it did not.
  std::array<char, kFailureBytesMax> fault{};
  callout::HookSet hooks = 0;
  uint64_t refused = 0, edited = 0, suppressed = 0, contexts = 0;
  uint64_t rounds = 0;  // that were timed
  std::array<HookSheet, callout::kHookCount> by_hook;
  std::array<Outcome, kExchangesMax> outcomes{};
};

}  // namespace hookline::check
