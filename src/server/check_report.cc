#include "server/check_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>

#include "callout/host.h"
#include "control/text.h"
#include "server/check_exchanges.h"

namespace hookline::check {

namespace json = boost::json;
using callout::Hook;
using callout::hook_bit;
using callout::hook_name;

namespace {

const HookSheet& of(const Sheet& sheet, Hook hook) {
  return sheet.by_hook[static_cast<size_t>(hook)];
}

std::string_view breach_text(callout::Breach breach) {
  switch (breach) {
    case callout::Breach::BadSize:
      return "set PacketSize to 0 or to more than 4096";
    case callout::Breach::BadPointer:
      return "swapped in a packet that can't be read";
    case callout::Breach::WroteOutside:
      return "wrote outside the packet's 4096 bytes";
    case callout::Breach::Exception:
      return "a C++ exception left it";
  }
  return "?";
}

std::string duration(uint64_t ns) {
  if (ns < 1'000'000) return fmt::format("{:.1f} us", static_cast<double>(ns) / 1e3);
  return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
}

bool asked_for(const Sheet& sheet, Hook hook) { return (sheet.hooks & hook_bit(hook)) != 0; }

bool refuses_all(const Sheet& sheet) {
  return sheet.refused != 0 && sheet.refused >= of(sheet, Hook::NewPkt).times.count();
}

struct Driven {
  uint32_t reached = 0;
  std::vector<std::string> not_reached;
  std::vector<std::string> not_driven;
};

Driven driven(const Sheet& sheet) {
  Driven out;
  for (uint32_t i = 0; i < exchange_count(); ++i) {
    switch (sheet.outcomes[i]) {
      case Outcome::Reached:
        ++out.reached;
        break;
      case Outcome::NotReached:
        out.not_reached.emplace_back(exchange_name(i));
        break;
      default:
        out.not_driven.emplace_back(exchange_name(i));
    }
  }
  return out;
}

void find_in_hook(const CheckOptions& options, const Sheet& sheet, Hook hook,
                  std::vector<Finding>& out) {
  const HookSheet& one = of(sheet, hook);
  const std::string where(hook_name(hook));
  for (size_t kind = 0; kind < callout::kBreachCount; ++kind) {
    if (one.breaches[kind] == 0) continue;
    out.push_back({where, std::string(breach_text(static_cast<callout::Breach>(kind))),
                   exchange_name(one.first_exchange[kind]), one.breaches[kind]});
  }
  // Nobody waits for START and STOP. One call alone may have lost the processor.
  const bool slow = one.slow > 1 && one.slow > one.times.count() / 100;
  if (hook == Hook::Control || !slow) return;
  out.push_back({where,
                 fmt::format("is slow: p99 is {}, and {} is allowed; every packet waits meanwhile",
                             duration(one.times.percentile_ns(990)),
                             duration(static_cast<uint64_t>(options.budget_ns))),
                 "", one.slow});
}

std::string line_of(const Finding& finding) {
  std::string line = fmt::format("BREACH {}: {}", finding.where, finding.what);
  if (!finding.exchange.empty()) line += fmt::format(", in {}", finding.exchange);
  if (finding.times > 1) line += fmt::format(" ({} times)", finding.times);
  return line;
}

void print_list(std::FILE* out, const char* what, const std::vector<std::string>& names) {
  for (const std::string& name : names) fmt::print(out, "{}: {}\n", what, name);
}

}  // namespace

std::string place_name(uint32_t place) {
  if (place < callout::kHookCount) return std::string(hook_name(static_cast<Hook>(place)));
  switch (place) {
    case kPlaceLoading:
      return "DllMain, or what else runs when it is loaded";
    case kPlaceEntry:
      return "DhcpServerCalloutEntry";
    case kPlaceUnloading:
      return "DllMain, or what else runs when it is unloaded";
    default:
      return "outside its hooks (a thread of its own, or memory that it broke)";
  }
}

std::string failure_text(const Sheet& sheet) {
  const char* const text = sheet.failure.data();
  // What a wild callout wrote here is no text for a terminal, nor for JSON.
  return control::printable(as_bytes({text, ::strnlen(text, sheet.failure.size())}));
}

std::vector<Finding> find_breaches(const CheckOptions& options, const Sheet& sheet,
                                   const std::vector<Finding>& ends) {
  std::vector<Finding> out = ends;
  if (sheet.load_failed) {
    out.push_back({"DhcpServerCalloutEntry", "could be loaded only once: " + failure_text(sheet),
                   exchange_name(sheet.exchange), 1});
  }
  for (size_t i = 0; i < callout::kHookCount; ++i) {
    find_in_hook(options, sheet, static_cast<Hook>(i), out);
  }
  if (sheet.contexts != 0 && !asked_for(sheet, Hook::PktDrop)) {
    out.push_back({std::string(hook_name(Hook::NewPkt)),
                   "sets PktContext, and there is no DhcpPktDropHook in which PROCESSED could free "
                   "it",
                   "", sheet.contexts});
  }
  return out;
}

void print_table(const CheckOptions& options, const Sheet& sheet,
                 const std::vector<Finding>& findings, std::FILE* out) {
  fmt::print(out, "{:<22}{:>9}{:>11}{:>11}{:>11}\n", "HOOK", "CALLS", "P50-US", "P99-US", "MAX-US");
  for (size_t i = 0; i < callout::kHookCount; ++i) {
    const Hook hook = static_cast<Hook>(i);
    if (!asked_for(sheet, hook)) continue;
    const callout::HookTimes& times = of(sheet, hook).times;
    const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
    fmt::print(out, "{:<22}{:>9}{:>11.1f}{:>11.1f}{:>11.1f}\n", hook_name(hook), times.count(),
               us(times.percentile_ns(500)), us(times.percentile_ns(990)), us(times.max_ns()));
  }
  const Driven exchanges = driven(sheet);
  fmt::print(out, "{} of {} exchanges, and {} rounds for the times\n", exchanges.reached,
             exchange_count(), sheet.rounds);
  fmt::print(out, "{} packets refused, {} edited, {} replies suppressed\n", sheet.refused,
             sheet.edited, sheet.suppressed);
  if (sheet.hooks == 0 && sheet.loaded) fmt::print(out, "it asked for no hook\n");
  if (refuses_all(sheet)) fmt::print(out, "it refuses every packet: no client is served\n");
  print_list(out, "not reached", exchanges.not_reached);
  print_list(out, "not tried", exchanges.not_driven);
  for (const Finding& finding : findings) fmt::print(out, "{}\n", line_of(finding));
  fmt::print(out, "{}: {}\n", options.file,
             findings.empty()       ? std::string("clean")
             : findings.size() == 1 ? std::string("1 breach")
                                    : fmt::format("{} breaches", findings.size()));
}

void print_json(const CheckOptions& options, const Sheet& sheet,
                const std::vector<Finding>& findings, std::FILE* out) {
  json::array hooks;
  for (size_t i = 0; i < callout::kHookCount; ++i) {
    const Hook hook = static_cast<Hook>(i);
    if (!asked_for(sheet, hook)) continue;
    const HookSheet& one = of(sheet, hook);
    hooks.push_back({{"hook", hook_name(hook)},
                     {"calls", one.times.count()},
                     {"p50_ns", one.times.percentile_ns(500)},
                     {"p99_ns", one.times.percentile_ns(990)},
                     {"max_ns", one.times.max_ns()},
                     {"slow", one.slow}});
  }
  json::array breaches;
  for (const Finding& finding : findings) {
    breaches.push_back({{"hook", finding.where},
                        {"what", finding.what},
                        {"exchange", finding.exchange},
                        {"times", finding.times}});
  }
  const Driven exchanges = driven(sheet);
  json::object object = {{"file", options.file},
                         {"loaded", sheet.loaded.load()},
                         {"hooks", std::move(hooks)},
                         {"rounds", sheet.rounds},
                         {"refused", sheet.refused},
                         {"edited", sheet.edited},
                         {"suppressed", sheet.suppressed},
                         {"refuses_every_packet", refuses_all(sheet)},
                         {"exchanges", exchange_count()},
                         {"exchanges_reached", exchanges.reached},
                         {"not_reached", json::value_from(exchanges.not_reached)},
                         {"not_tried", json::value_from(exchanges.not_driven)},
                         {"breaches", std::move(breaches)}};
  if (sheet.load_failed) object["failure"] = failure_text(sheet);
  fmt::print(out, "{}\n", json::serialize(object));
}

}  // namespace hookline::check
