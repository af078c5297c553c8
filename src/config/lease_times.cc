// Inheritance and order of lease times: min <= lease <= max, T1 < T2 <= lease.
#include <fmt/core.h>

#include <algorithm>

#include "config/draft.h"
#include "config/duration.h"

namespace hookline::config {

namespace {

template <class T>
struct Chosen {
  T value;
  Position at;       // line 0: built in
  bool own = false;  // set in this very table

  // " (line 7)", or nothing for a built-in value.
  std::string where() const { return at.line == 0 ? "" : fmt::format(" (line {})", at.line); }
};

template <class T>
Chosen<T> choose(const std::optional<Placed<T>>& own, const std::optional<Placed<T>>& inherited,
                 T built_in) {
  if (own) return {own->value, own->at, true};
  if (inherited) return {inherited->value, inherited->at, false};
  return {built_in, {}, false};
}

// The point in seconds of `lease_s`, not held within it.
uint64_t raw_seconds(const LeasePoint& point, uint32_t lease_s) {
  if (!point.is_share) return point.seconds;
  return uint64_t{lease_s} * point.share_ppm / 1'000'000;
}

bool is_before(const LeasePoint& a, const LeasePoint& b, uint32_t lease_s) {
  // Shares of a lease of a second or two may come to the same second.
  if (a.is_share && b.is_share) return a.share_ppm < b.share_ppm;
  return raw_seconds(a, lease_s) < raw_seconds(b, lease_s);
}

void check_points(const Chosen<uint32_t>& lease, const Chosen<LeasePoint>& renew,
                  const Chosen<LeasePoint>& rebind, Problems& problems) {
  if (!lease.own && !renew.own && !rebind.own) return;
  const std::string lease_text = duration_text(lease.value) + lease.where();
  if (raw_seconds(rebind.value, lease.value) > lease.value) {
    const Position at = rebind.own ? rebind.at : lease.own ? lease.at : renew.at;
    problems.error(at, fmt::format("rebind-time: {}{} is after the end of a lease of {}",
                                   lease_point_text(rebind.value), rebind.own ? "" : rebind.where(),
                                   lease_text));
  } else if (!is_before(renew.value, rebind.value, lease.value)) {
    const Position at = renew.own ? renew.at : rebind.own ? rebind.at : lease.at;
    problems.error(at,
                   fmt::format("renew-time: {}{} is not before rebind-time {}{} in a lease of {}",
                               lease_point_text(renew.value), renew.own ? "" : renew.where(),
                               lease_point_text(rebind.value), rebind.where(), lease_text));
  }
}

}  // namespace

LeaseTimes resolve_times(const LeaseTimesDraft& own, const LeaseTimesDraft& inherited,
                         std::string_view default_name, Problems& problems) {
  const LeaseTimes built_in;
  const auto lease = choose(own.lease, inherited.lease, built_in.default_s);
  const auto min = choose(own.min, inherited.min, std::min(built_in.min_s, lease.value));
  const auto max = choose(own.max, inherited.max, std::max(built_in.max_s, lease.value));
  const auto renew = choose(own.renew, inherited.renew, built_in.renew);
  const auto rebind = choose(own.rebind, inherited.rebind, built_in.rebind);
  if (min.value > lease.value && (min.own || lease.own)) {
    problems.error(min.own ? min.at : lease.at,
                   fmt::format("min-time: {}{} is longer than {} {}{}", duration_text(min.value),
                               min.own ? "" : min.where(), default_name, duration_text(lease.value),
                               lease.where()));
  }
  if (max.value < lease.value && (max.own || lease.own)) {
    problems.error(max.own ? max.at : lease.at,
                   fmt::format("max-time: {}{} is shorter than {} {}{}", duration_text(max.value),
                               max.own ? "" : max.where(), default_name, duration_text(lease.value),
                               lease.where()));
  }
  check_points(lease, renew, rebind, problems);
  return {lease.value, min.value, max.value, renew.value, rebind.value};
}

}  // namespace hookline::config
