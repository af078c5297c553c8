#include "filter/tables.h"

#include <algorithm>

namespace hookline::filter {
namespace {

TableSubLayer& place_for(std::vector<TableSubLayer>& layer,
                         const std::shared_ptr<const SubLayer>& sublayer) {
  for (TableSubLayer& known : layer) {
    if (known.sublayer == sublayer) return known;
  }
  layer.push_back({sublayer, {}});
  return layer.back();
}

// Of equals, what was added first.
void sort_by_weight(const Objects& objects, std::vector<TableSubLayer>& layer) {
  const auto age = [&](const TableSubLayer& sublayer) {
    return std::find(objects.sublayers().begin(), objects.sublayers().end(), sublayer.sublayer);
  };
  std::sort(layer.begin(), layer.end(), [&](const TableSubLayer& a, const TableSubLayer& b) {
    if (a.sublayer->weight != b.sublayer->weight) return a.sublayer->weight > b.sublayer->weight;
    return age(a) < age(b);
  });
  for (TableSubLayer& sublayer : layer) {
    std::stable_sort(sublayer.filters.begin(), sublayer.filters.end(),
                     [](const TableFilter& a, const TableFilter& b) {
                       return a.filter->weight > b.filter->weight;
                     });
  }
}

bool keeps_contexts(const Callout* callout) {
  return callout != nullptr && (callout->has_flow_delete() ||
                                (callout->flags() & FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0);
}

bool any_keeps_contexts(const std::vector<TableSubLayer>& layer) {
  return std::any_of(layer.begin(), layer.end(), [](const TableSubLayer& sublayer) {
    return std::any_of(sublayer.filters.begin(), sublayer.filters.end(),
                       [](const TableFilter& f) { return keeps_contexts(f.callout.get()); });
  });
}

bool asks_for_flows(const Tables& tables) {
  const auto layer = [&](int place) -> auto& { return tables.layers[static_cast<size_t>(place)]; };
  bool asks = !layer(established_layer()).empty();
  for (const Direction direction : {Direction::Outbound, Direction::Inbound}) {
    asks = asks || !layer(auth_layer(direction)).empty() ||
           any_keeps_contexts(layer(layer_at(direction, Depth::Transport))) ||
           any_keeps_contexts(layer(layer_at(direction, Depth::Datagram)));
  }
  return asks;
}

bool same_filters(const std::vector<TableSubLayer>& a, const std::vector<TableSubLayer>& b) {
  const auto same = [](const TableFilter& x, const TableFilter& y) {
    return x.filter == y.filter && x.callout == y.callout;
  };
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [&](const TableSubLayer& x, const TableSubLayer& y) {
        return x.sublayer == y.sublayer && std::equal(x.filters.begin(), x.filters.end(),
                                                      y.filters.begin(), y.filters.end(), same);
      });
}

}  // namespace

void Tables::set_versions(const Tables& before) {
  const auto established = static_cast<size_t>(established_layer());
  bool same_at_all = same_filters(layers[established], before.layers[established]);
  for (const Direction direction : {Direction::Outbound, Direction::Inbound}) {
    const auto place = static_cast<size_t>(auth_layer(direction));
    const auto begun = static_cast<size_t>(direction);
    const bool same = same_filters(layers[place], before.layers[place]);
    auth_versions[begun] = before.auth_versions[begun] + (same ? 0 : 1);
    same_at_all = same_at_all && same;
  }
  ale_version = before.ale_version + (same_at_all ? 0 : 1);
}

uint64_t Tables::occupied() const {
  uint64_t bits = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].empty()) bits |= uint64_t{1} << i;
  }
  return bits;
}

std::unique_ptr<Tables> compile(const Objects& objects, const Registry& registry,
                                const Rules& rules) {
  auto tables = std::make_unique<Tables>();
  const auto place = [&](const std::shared_ptr<const Filter>& filter) {
    if ((filter->flags & FWPM_FILTER_FLAG_DISABLED) != 0) return;
    auto& layer = tables->layers[static_cast<size_t>(filter->layer)];
    const auto callout = filter->is_callout() ? registry.find(filter->callout) : nullptr;
    place_for(layer, filter->sublayer).filters.push_back({filter, callout});
  };
  for (const auto& rule : rules) place(rule);
  for (const auto& filter : objects.filters()) place(filter);
  for (auto& layer : tables->layers) sort_by_weight(objects, layer);
  tables->asks_for_flows = asks_for_flows(*tables);
  const auto stream = static_cast<size_t>(find_layer("STREAM_V4"));
  tables->keeps_contexts = tables->asks_for_flows || any_keeps_contexts(tables->layers[stream]);
  return tables;
}

}  // namespace hookline::filter
