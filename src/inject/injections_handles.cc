// Injection handles: made, destroyed, left behind, reported.
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "inject/in_completion.h"
#include "inject/injections.h"
#include "inject/lists.h"
#include "inject/stream_injections.h"

namespace hookline::inject {
namespace {

constexpr uint32_t kKnownTypes = FWPS_INJECTION_TYPE_STREAM | FWPS_INJECTION_TYPE_TRANSPORT |
                                 FWPS_INJECTION_TYPE_NETWORK | FWPS_INJECTION_TYPE_FORWARD |
                                 FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_VSWITCH_TRANSPORT;
constexpr uint32_t kDefaultTypes =
    FWPS_INJECTION_TYPE_TRANSPORT | FWPS_INJECTION_TYPE_STREAM | FWPS_INJECTION_TYPE_FORWARD;

}  // namespace

Injections::Handle* Injections::find(HANDLE handle) {
  const auto number = reinterpret_cast<uintptr_t>(handle);
  Handle& found = handles_[number % kInjectionHandlesMax];
  return number != 0 && found.number == number ? &found : nullptr;
}

NTSTATUS Injections::FwpsInjectionHandleCreate0(Driver& driver, ADDRESS_FAMILY family, UINT32 flags,
                                                HANDLE* handle) {
  if (handle == nullptr) return STATUS_FWP_NULL_POINTER;
  *handle = nullptr;
  if (family != HOOKLINE_AF_UNSPEC && family != HOOKLINE_AF_INET && family != HOOKLINE_AF_INET6) {
    return STATUS_INVALID_PARAMETER;
  }
  if ((flags & ~kKnownTypes) != 0) return STATUS_FWP_INVALID_FLAGS;
  Lock lock(mutex_);
  if (refusing_) return STATUS_FWP_TCPIP_NOT_READY;
  const auto free =
      std::find_if(handles_.begin(), handles_.end(), [](const Handle& h) { return h.number == 0; });
  if (free == handles_.end()) return STATUS_INSUFFICIENT_RESOURCES;
  *free = Handle{};
  free->number =
      next_number_++ * kInjectionHandlesMax + static_cast<uint64_t>(free - handles_.begin());
  free->driver = &driver;
  free->types = flags == 0 ? kDefaultTypes : flags;
  free->family = family;
  free->window_ns = now_ns_.load(std::memory_order_relaxed);
  free->window_packets = counters_.frames_received.value() + counters_.packets_completed.value();
  free->counts.handle = free->number;
  const std::string_view name = driver.name();
  std::copy_n(name.begin(), std::min(name.size(), free->name.size() - 1), free->name.begin());
  *handle = reinterpret_cast<HANDLE>(static_cast<uintptr_t>(free->number));
  return STATUS_SUCCESS;
}

NTSTATUS Injections::FwpsInjectionHandleDestroy0(Driver& driver, HANDLE handle) {
  constexpr std::string_view kHandleDestroy = "FwpsInjectionHandleDestroy0";
  Lock lock(mutex_);
  Handle* found = find(handle);
  if (found == nullptr) {
    lock.unlock();
    driver.breach(kHandleDestroy, "the handle is none, or was destroyed before");
    return STATUS_INVALID_HANDLE;
  }
  if (found->closing) return STATUS_FWP_INJECT_HANDLE_CLOSING;
  const bool in_pump = on_packet_thread() && pumping_;
  if (InCompletion::of(this) || (in_pump && found->pending != 0)) {
    lock.unlock();
    driver.breach(kHandleDestroy,
                  "called inside a completion or classifyFn: it would wait for itself; the handle "
                  "stays");
    return STATUS_INVALID_DEVICE_STATE;
  }
  found->closing = true;
  found->closing_ns = now_ns_.load(std::memory_order_relaxed);
  closing_flag_.store(true);
  // Where nobody else takes turns meanwhile, no time passes.
  if (on_packet_thread()) found->closing_ns -= kStreamDrainNs;
  while (found->pending != 0) {
    if (on_packet_thread() && !pumping_) {
      // Nobody else will do it.
      lock.unlock();
      queue_.abandon(ECANCELED);
      pump({now_ns_.load(std::memory_order_relaxed), 0});
      lock.lock();
      continue;
    }
    lock.unlock();
    wake();
    lock.lock();
    ended_condition_.wait(lock, [&] { return found->pending == 0; });
  }
  retire(*found);
  return STATUS_SUCCESS;
}

void Injections::driver_unloaded(Driver& driver) {
  Lock lock(mutex_);
  size_t open = 0;
  size_t lost = 0;
  for (Handle& handle : handles_) {
    if (handle.number == 0 || handle.driver != &driver) continue;
    ++open;
    handle.closing = true;
    handle.deserted = true;
    handle.driver = nullptr;
    lost += handle.pending;
    if (handle.pending == 0) retire(handle);
  }
  for (size_t i = 0; i < kDriverInjectionsMax; ++i) {
    if (injections_[i].driver == &driver) injections_[i].abandoned.store(true);
  }
  streams_->abandon(driver);
  abandoned_ += lost;
  closing_flag_.store(true);
  // A completion of it may just be running.
  if (!on_packet_thread()) {
    const uint64_t now = pumps_;
    ended_condition_.wait(lock, [&] { return !pumping_ || pumps_ != now; });
  }
  // Nobody else looks at what is abandoned any more.
  for (size_t i = 0; i < kDriverInjectionsMax; ++i) {
    Injection& injection = injections_[i];
    if (injection.driver != &driver || !std::exchange(injection.lent, false)) continue;
    options_.lists->give_back(*injection.list);
  }
  streams_->give_back(driver);
  lock.unlock();
  if (open == 0 && lost == 0) return;
  wake();
  driver.breach("FwpsInjectionHandleDestroy0",
                fmt::format("unloaded with {} injection handles open and {} lists under way; they "
                            "were closed, and its completions are not called",
                            open, lost));
}

Report Injections::report() const {
  Lock lock(mutex_);
  Report out;
  for (const Handle& handle : handles_) {
    if (handle.number == 0) continue;
    HandleReport line = handle.counts;
    line.driver = handle.name.data();
    line.types = handle.types;
    line.family = handle.family;
    line.closing = handle.closing;
    line.in_flight = handle.pending;
    if (handle.driver != nullptr && handle.driver == server_) {
      out.replies = std::move(line);
    } else {
      out.handles.push_back(std::move(line));
    }
  }
  out.in_flight = kDriverInjectionsMax - free_.size;
  out.held = held_seen_;
  out.retired = retired_;
  out.replies_held = replies_held_;
  out.loops_cut = loops_cut_;
  out.abandoned = abandoned_;
  return out;
}

size_t Injections::in_flight() const {
  Lock lock(mutex_);
  return kDriverInjectionsMax - free_.size - freed_.size + streams_->pending();
}

std::vector<HandleReport> Report::by_driver() const {
  std::vector<HandleReport> sums = retired;
  for (const HandleReport& handle : handles) {
    const auto sum = std::find_if(sums.begin(), sums.end(), [&](const HandleReport& one) {
      return one.driver == handle.driver;
    });
    if (sum != sums.end()) {
      sum->add(handle);
    } else {
      sums.push_back(handle);
    }
  }
  sums.insert(sums.begin(), replies);
  return sums;
}

// What it did stays in the sums of its driver.
void Injections::retire(Handle& handle) {
  const auto of_driver = [&](const HandleReport& sum) { return sum.driver == handle.name.data(); };
  auto sum = std::find_if(retired_.begin(), retired_.end(), of_driver);
  if (sum == retired_.end() && retired_.size() < kInjectionHandlesMax) {
    sum = retired_.insert(retired_.end(), HandleReport{});
    sum->driver = handle.name.data();
  }
  if (sum != retired_.end()) sum->add(handle.counts);
  handle = Handle{};
}

}  // namespace hookline::inject
