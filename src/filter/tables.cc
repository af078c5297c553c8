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

}  // namespace

uint64_t Tables::occupied() const {
  uint64_t bits = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].empty()) bits |= uint64_t{1} << i;
  }
  return bits;
}

std::unique_ptr<const Tables> compile(const Objects& objects, const Registry& registry,
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
  return tables;
}

}  // namespace hookline::filter
