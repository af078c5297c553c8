#include "filter/report.h"

#include <fmt/core.h>

#include "filter/engine.h"
#include "filter/stream_engine.h"

namespace hookline::filter {
namespace {

std::string key_text(const GUID& key) {
  return fmt::format("{:08x}-{:04x}-{:04x}-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
                     key.Data1, key.Data2, key.Data3, key.Data4[0], key.Data4[1], key.Data4[2],
                     key.Data4[3], key.Data4[4], key.Data4[5], key.Data4[6], key.Data4[7]);
}

std::string layer_name(int layer) { return std::string(layers()[static_cast<size_t>(layer)].name); }

const char* action_name(const Filter& filter) {
  switch (filter.action) {
    case FWP_ACTION_PERMIT:
      return "permit";
    case FWP_ACTION_CALLOUT_TERMINATING:
      return "terminating";
    case FWP_ACTION_CALLOUT_INSPECTION:
      return "inspection";
    case FWP_ACTION_CALLOUT_UNKNOWN:
      return "unknown";
    default:
      return filter.limiter != nullptr ? "limit" : "block";
  }
}

Report::FilterLine line_of(const Filter& filter) {
  Report::FilterLine line;
  line.id = filter.id;
  line.key = key_text(filter.key);
  line.name = filter.name;
  line.layer = layer_name(filter.layer);
  line.sublayer = filter.sublayer->name;
  line.action = action_name(filter);
  if (filter.is_callout()) line.callout = key_text(filter.callout);
  line.weight = filter.weight;
  line.hits = filter.counts.hits.value();
  line.permitted = filter.counts.permitted.value();
  line.blocked = filter.counts.blocked.value();
  line.absorbed = filter.counts.absorbed.value();
  if (filter.limiter != nullptr) line.forgotten = filter.limiter->forgotten();
  return line;
}

void add_counts(const Callout& callout, Report::CalloutLine& line) {
  line.registered = true;
  line.device = callout.device();
  line.calls = callout.counts.calls.value();
  line.permitted = callout.counts.permitted.value();
  line.blocked = callout.counts.blocked.value();
  line.absorbed = callout.counts.absorbed.value();
  line.breaches = callout.counts.breaches.value();
}

std::vector<Report::CalloutLine> callout_lines(const Objects& objects, const Registry& registry) {
  std::vector<Report::CalloutLine> lines;
  for (const auto& callout : objects.callouts()) {
    Report::CalloutLine line;
    line.key = key_text(callout->key);
    line.name = callout->name;
    line.layer = layer_name(callout->layer);
    line.id = callout->id;
    if (const auto registered = registry.find(callout->key)) add_counts(*registered, line);
    lines.push_back(std::move(line));
  }
  for (const auto& callout : registry.all()) {
    if (objects.find_callout(callout->key()) != nullptr) continue;
    Report::CalloutLine line;
    line.key = key_text(callout->key());
    line.id = callout->id();
    add_counts(*callout, line);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

Report Engine::report() const {
  const Lock lock(mutex_);
  Report out;
  for (const auto& sublayer : objects_.sublayers()) {
    out.sublayers.push_back({key_text(sublayer->key), sublayer->name, sublayer->weight, 0});
    size_t& count = out.sublayers.back().filters;
    for (const auto& rule : rules_) count += rule->sublayer == sublayer;
    for (const auto& filter : objects_.filters()) count += filter->sublayer == sublayer;
  }
  out.callouts = callout_lines(objects_, registry_);
  for (const auto& rule : rules_) out.filters.push_back(line_of(*rule));
  for (const auto& filter : objects_.filters()) out.filters.push_back(line_of(*filter));
  for (int i = 0; i < kLayerCount; ++i) {
    const LayerCounts& counts = layer_counts_[static_cast<size_t>(i)];
    if (counts.classified.value() == 0) continue;
    out.layers.push_back({layer_name(i), counts.classified.value(), counts.blocked.value(),
                          counts.absorbed.value()});
  }
  out.flows = flows_.report();
  if (const StreamEngine* streams = streams_.load()) out.streams = streams->report();
  out.sessions = sessions_.size();
  out.vetoes = vetoes_.value();
  return out;
}

}  // namespace hookline::filter
