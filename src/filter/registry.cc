#include "filter/registry.h"

#include <algorithm>

namespace hookline::filter {
namespace {

// The versions of the structure have the same members.
template <class Shape>
Shape* shaped(FWPS_FILTER3& filter) {
  static_assert(sizeof(Shape) == sizeof(FWPS_FILTER3));
  return reinterpret_cast<Shape*>(&filter);
}

}  // namespace

Callout::Callout(const Functions& functions, uint32_t id, void* device)
    : functions_(functions), id_(id), device_(device) {
  std::visit(
      [this](const auto& f) {
        key_ = f.calloutKey;
        flags_ = f.flags;
        flow_delete_ = f.flowDeleteFn;
      },
      functions_);
}

void Callout::classify(const FWPS_INCOMING_VALUES0& values,
                       const FWPS_INCOMING_METADATA_VALUES0& metadata, void* layer_data,
                       const void* classify_context, FWPS_FILTER3& filter, uint64_t flow_context,
                       FWPS_CLASSIFY_OUT0& out) const {
  switch (functions_.index()) {
    case 0:
      std::get<0>(functions_)
          .classifyFn(&values, &metadata, layer_data, shaped<FWPS_FILTER0>(filter), flow_context,
                      &out);
      break;
    case 1:
      std::get<1>(functions_)
          .classifyFn(&values, &metadata, layer_data, classify_context,
                      shaped<FWPS_FILTER1>(filter), flow_context, &out);
      break;
    case 2:
      std::get<2>(functions_)
          .classifyFn(&values, &metadata, layer_data, classify_context,
                      shaped<FWPS_FILTER2>(filter), flow_context, &out);
      break;
    default:
      std::get<3>(functions_)
          .classifyFn(&values, &metadata, layer_data, classify_context, &filter, flow_context,
                      &out);
      break;
  }
}

NTSTATUS Callout::notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID& filter_key,
                         FWPS_FILTER3& filter) const {
  return std::visit(
      [&](const auto& f) -> NTSTATUS {
        using Function = decltype(f.notifyFn);
        if (f.notifyFn == nullptr) return STATUS_SUCCESS;
        if constexpr (std::is_same_v<Function, FWPS_CALLOUT_NOTIFY_FN0>) {
          return f.notifyFn(type, &filter_key, shaped<FWPS_FILTER0>(filter));
        } else if constexpr (std::is_same_v<Function, FWPS_CALLOUT_NOTIFY_FN1>) {
          return f.notifyFn(type, &filter_key, shaped<FWPS_FILTER1>(filter));
        } else if constexpr (std::is_same_v<Function, FWPS_CALLOUT_NOTIFY_FN2>) {
          return f.notifyFn(type, &filter_key, shaped<FWPS_FILTER2>(filter));
        } else {
          return f.notifyFn(type, &filter_key, &filter);
        }
      },
      functions_);
}

std::shared_ptr<Callout> Registry::find(const GUID& key) const {
  for (const auto& callout : callouts_) {
    if (same_key(callout->key(), key)) return callout;
  }
  return nullptr;
}

std::shared_ptr<Callout> Registry::find(uint32_t id) const {
  for (const auto& callout : callouts_) {
    if (callout->id() == id) return callout;
  }
  return nullptr;
}

void Registry::remove(uint32_t id) {
  std::erase_if(callouts_, [&](const auto& callout) { return callout->id() == id; });
}

uint32_t CalloutIds::of(const GUID& key) {
  for (const Known& known : known_) {
    if (same_key(known.key, key)) return known.id;
  }
  known_.push_back({key, next_});
  return next_++;
}

}  // namespace hookline::filter
