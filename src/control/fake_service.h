// For tests: a Service with a few leases and a record of what was asked.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "control/service.h"

namespace hookline::control {

class FakeService final : public Service {
 public:
  const Counters& counters() const override { return counters_; }
  Result<Status> status() override {
    ++calls;
    return status_;
  }
  Result<std::vector<ScopeRow>> scopes() override { return scopes_; }
  Result<LeasePage> leases(const LeaseFilter& filter, uint64_t& cursor, size_t max) override {
    if (filter.scope && *filter.scope == "nowhere") {
      return fail(ErrorKind::Missing, "there is no scope 'nowhere'");
    }
    ++pages;
    LeasePage page;
    size_t looked = 0;
    for (; cursor < leases_.size() && page.rows.size() < max && looked < scan_max;
         ++cursor, ++looked) {
      if (filter.matches(leases_[cursor])) page.rows.push_back(leases_[cursor]);
    }
    page.more = cursor < leases_.size();
    return page;
  }
  Result<void> release_lease(Ipv4 address) override { return change("release " + address.text()); }
  Result<void> delete_lease(Ipv4 address) override { return change("delete " + address.text()); }
  Result<void> pause() override { return change("pause"); }
  Result<void> resume() override { return change("resume"); }
  Result<void> set_authorized(bool on) override { return change(on ? "authorize" : "unauthorize"); }
  Result<std::string> reload() override {
    if (auto done = change("reload"); !done) return tl::unexpected(done.error());
    return std::string("2 scopes added");
  }
  Result<std::vector<CalloutRow>> callouts() override { return callouts_; }
  Result<std::string> reload_callouts() override {
    if (auto done = change("reload_callouts"); !done) return tl::unexpected(done.error());
    return std::string("loaded: audit.so");
  }
  Result<std::string> reload_callout(std::string_view name) override {
    if (auto done = change(fmt::format("reload_callout {}", name)); !done) {
      return tl::unexpected(done.error());
    }
    return fmt::format("reloaded: {}", name);
  }
  Result<FilterView> filter() override { return filter_; }
  Result<std::string> reload_drivers() override {
    if (auto done = change("reload_drivers"); !done) return tl::unexpected(done.error());
    return std::string("driver delay unloaded\ndriver delay loaded");
  }
  Result<uint64_t> ioctl_open(std::string_view name, uint32_t code,
                              std::vector<uint8_t> input) override {
    if (name == "nobody") return fail(ErrorKind::Missing, "no driver has the name nobody");
    asked.push_back(fmt::format("ioctl {} {:x} {}", name, code, to_hex(input)));
    open_ioctls.insert(++last_ioctl);
    return last_ioctl;
  }
  std::optional<Result<IoctlAnswer>> ioctl_next(uint64_t) override { return ioctl_answer; }
  void ioctl_close(uint64_t request) override { open_ioctls.erase(request); }
  Result<void> resume_journal() override { return change("resume_journal"); }
  Result<uint64_t> trace_open(std::string_view client) override {
    if (client == "nobody") return fail(ErrorKind::Invalid, "'nobody' is no client");
    open_traces.insert(++last_trace);
    return last_trace;
  }
  bool trace_next(uint64_t, std::string& line) override {
    if (trace_lines.empty()) return false;
    line = trace_lines.front();
    trace_lines.pop_front();
    trace_taken = true;
    return true;
  }
  void trace_close(uint64_t trace) override { open_traces.erase(trace); }

  void add_leases(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      LeaseRow row;
      row.address = Ipv4{0x0A000001 + i};
      row.state = i % 10 == 9 ? LeaseState::Expired : LeaseState::Active;
      row.scope = i % 2 == 0 ? "even" : "odd";
      row.hardware_type = 1;
      row.hardware_address = {2, 0, 0, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
      const Bytes name = as_bytes("host");
      row.hostname.assign(name.begin(), name.end());
      row.start_s = 1'000'000'000;
      row.expiry_s = i == 0 ? kForever : 1'000'003'600;
      row.last_transaction_s = 1'000'000'000;
      leases_.push_back(std::move(row));
    }
  }

  Counters counters_;
  Status status_;
  std::vector<ScopeRow> scopes_;
  std::vector<LeaseRow> leases_;
  std::vector<CalloutRow> callouts_;
  FilterView filter_;
  std::optional<Result<IoctlAnswer>> ioctl_answer;  // none: not answered yet
  std::set<uint64_t> open_ioctls;
  uint64_t last_ioctl = 0;
  std::deque<std::string> trace_lines;
  std::vector<std::string> asked;
  std::set<uint64_t> open_traces;
  uint64_t last_trace = 0;
  std::atomic<bool> trace_taken{false};
  size_t scan_max = SIZE_MAX;
  size_t pages = 0;
  size_t calls = 0;
  std::string refuse;  // not empty: changes fail with this text

 private:
  Result<void> change(std::string what) {
    if (!refuse.empty()) return fail(ErrorKind::Invalid, refuse);
    asked.push_back(std::move(what));
    return {};
  }
};

}  // namespace hookline::control
