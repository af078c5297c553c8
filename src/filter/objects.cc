#include "filter/objects.h"

#include <algorithm>

#include "base/limits.h"

namespace hookline::filter {
namespace {

constexpr GUID kNoKey{};
constexpr uint64_t kAutomaticMax = (uint64_t{1} << FWPM_AUTO_WEIGHT_BITS) - 1;
// PERSISTENT, BOOTTIME, HAS_PROVIDER_CONTEXT, CLEAR_ACTION_RIGHT, PERMIT_IF_CALLOUT_UNREGISTERED,
// DISABLED, INDEXED.
constexpr uint32_t kKnownFilterFlags = 0x7F;

template <class T>
auto find_by_key(std::vector<T>& list, const GUID& key) {
  return std::find_if(list.begin(), list.end(),
                      [&](const auto& object) { return same_key(object->key, key); });
}
template <class T>
auto find_by_key(const std::vector<T>& list, const GUID& key) {
  return std::find_if(list.begin(), list.end(),
                      [&](const auto& object) { return same_key(object->key, key); });
}

bool belongs_to_another(const Owner& object, const Owner& caller) {
  return object.dynamic && object.session != caller.session;
}

// A static object must not hang on one that goes with its session, nor on another session's.
NTSTATUS may_use(const Owner& used, const Owner& user) {
  if (!used.dynamic) return STATUS_SUCCESS;
  if (!user.dynamic) return STATUS_FWP_LIFETIME_MISMATCH;
  return used.session == user.session ? STATUS_SUCCESS : STATUS_FWP_WRONG_SESSION;
}

std::shared_ptr<const SubLayer> builtin_sublayer(const GUID& key, const char* name,
                                                 uint16_t weight) {
  auto sublayer = std::make_shared<SubLayer>();
  sublayer->key = key;
  sublayer->name = name;
  sublayer->weight = weight;
  sublayer->builtin = true;
  return sublayer;
}

uint16_t shown_flags(uint32_t flags) {
  uint16_t out = 0;
  if ((flags & FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0)
    out |= FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT;
  if ((flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0) {
    out |= FWPS_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED;
  }
  return out;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

const GUID kRulesSubLayer = {
    0x6f0b8a51, 0x2f6e, 0x4c1d, {0x9e, 0x57, 0x31, 0xd2, 0x6a, 0x40, 0x7c, 0x01}};

std::string utf8(const WCHAR* text) {
  std::string out;
  if (text == nullptr) return out;
  for (size_t i = 0; text[i] != 0 && out.size() + 4 <= kFilterNameBytesMax; ++i) {
    const uint32_t c = static_cast<uint16_t>(text[i]);
    const uint32_t next = c >= 0xD800 && c < 0xDC00 ? static_cast<uint16_t>(text[i + 1]) : 0;
    if (next >= 0xDC00 && next < 0xE000) {
      append_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (next - 0xDC00));
      ++i;
    } else {
      append_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    }
  }
  return out;
}

NTSTATUS resolve_weight(const FWP_VALUE0& source, const Conditions& conditions, uint64_t& out) {
  const uint64_t automatic = std::min<uint64_t>(conditions.specificity(), kAutomaticMax);
  switch (source.type) {
    case FWP_EMPTY:
      out = automatic;
      return STATUS_SUCCESS;
    case FWP_UINT8:
      if (source.uint8 > 15) return STATUS_FWP_INVALID_WEIGHT;
      out = uint64_t{source.uint8} << 60 | automatic;
      return STATUS_SUCCESS;
    case FWP_UINT64:
      if (source.uint64 == nullptr) return STATUS_FWP_NULL_POINTER;
      out = *source.uint64;
      return STATUS_SUCCESS;
    default:
      return STATUS_FWP_INVALID_WEIGHT;
  }
}

void show(Filter& filter, uint64_t context) {
  filter.shown_weight = std::make_unique<UINT64>(filter.weight);
  filter.shown = std::make_unique<FWPS_FILTER3>();
  FWPS_FILTER3& shown = *filter.shown;
  shown = FWPS_FILTER3{};
  shown.filterId = filter.id;
  shown.weight.type = FWP_UINT64;
  shown.weight.uint64 = filter.shown_weight.get();
  shown.subLayerWeight = filter.sublayer->weight;
  shown.flags = shown_flags(filter.flags);
  shown.action.type = filter.action;
  shown.context = context;
}

Objects::Objects() {
  sublayers_.push_back(builtin_sublayer(kRulesSubLayer, "rules of the configuration", 0xFFFF));
  sublayers_.push_back(builtin_sublayer(FWPM_SUBLAYER_UNIVERSAL, "universal", 0x8000));
}

NTSTATUS Objects::add_sublayer(const FWPM_SUBLAYER0& source, Owner owner) {
  if (source.displayData.name == nullptr) return STATUS_FWP_NULL_DISPLAY_NAME;
  if (same_key(source.subLayerKey, kNoKey)) return STATUS_FWP_INVALID_PARAMETER;
  if (find_sublayer(source.subLayerKey) != nullptr) return STATUS_FWP_ALREADY_EXISTS;
  if (sublayers_.size() == kFilterSubLayersMax) return STATUS_FWP_TOO_MANY_SUBLAYERS;
  auto sublayer = std::make_shared<SubLayer>();
  sublayer->key = source.subLayerKey;
  sublayer->name = utf8(source.displayData.name);
  sublayer->weight = source.weight;
  sublayer->owner = owner;
  sublayers_.push_back(std::move(sublayer));
  return STATUS_SUCCESS;
}

NTSTATUS Objects::delete_sublayer(const GUID& key, Owner owner) {
  const auto found = find_by_key(sublayers_, key);
  if (found == sublayers_.end()) return STATUS_FWP_SUBLAYER_NOT_FOUND;
  if ((*found)->builtin) return STATUS_FWP_BUILTIN_OBJECT;
  if (belongs_to_another((*found)->owner, owner)) return STATUS_FWP_WRONG_SESSION;
  for (const auto& filter : filters_) {
    if (filter->sublayer == *found) return STATUS_FWP_IN_USE;
  }
  sublayers_.erase(found);
  return STATUS_SUCCESS;
}

NTSTATUS Objects::add_callout(const FWPM_CALLOUT0& source, uint32_t id, Owner owner) {
  if (source.displayData.name == nullptr) return STATUS_FWP_NULL_DISPLAY_NAME;
  if (same_key(source.calloutKey, kNoKey)) return STATUS_FWP_INVALID_PARAMETER;
  const int layer = find_layer(source.applicableLayer);
  if (layer < 0) return STATUS_FWP_LAYER_NOT_FOUND;
  if (find_callout(source.calloutKey) != nullptr) return STATUS_FWP_ALREADY_EXISTS;
  if (callouts_.size() == kFilterCalloutsMax) return STATUS_FWP_TOO_MANY_CALLOUTS;
  auto callout = std::make_shared<CalloutObject>();
  callout->key = source.calloutKey;
  callout->name = utf8(source.displayData.name);
  callout->id = id;
  callout->layer = layer;
  callout->owner = owner;
  callouts_.push_back(std::move(callout));
  return STATUS_SUCCESS;
}

NTSTATUS Objects::delete_callout(const GUID& key, Owner owner) {
  const auto found = find_by_key(callouts_, key);
  if (found == callouts_.end()) return STATUS_FWP_CALLOUT_NOT_FOUND;
  if (belongs_to_another((*found)->owner, owner)) return STATUS_FWP_WRONG_SESSION;
  for (const auto& filter : filters_) {
    if (filter->is_callout() && same_key(filter->callout, key)) return STATUS_FWP_IN_USE;
  }
  callouts_.erase(found);
  return STATUS_SUCCESS;
}

NTSTATUS Objects::check_action(const FWPM_FILTER0& source, int layer, Owner owner) const {
  switch (source.action.type) {
    case FWP_ACTION_BLOCK:
    case FWP_ACTION_PERMIT:
      return STATUS_SUCCESS;
    case FWP_ACTION_CALLOUT_TERMINATING:
    case FWP_ACTION_CALLOUT_INSPECTION:
    case FWP_ACTION_CALLOUT_UNKNOWN:
      break;
    default:
      return STATUS_FWP_INVALID_ACTION_TYPE;
  }
  const CalloutObject* callout = find_callout(source.action.calloutKey);
  if (callout == nullptr) return STATUS_FWP_CALLOUT_NOT_FOUND;
  if (callout->layer != layer) return STATUS_FWP_INCOMPATIBLE_LAYER;
  return may_use(callout->owner, owner);
}

NTSTATUS Objects::check_filter(const FWPM_FILTER0& source, const GUID& key, Owner owner,
                               std::shared_ptr<const SubLayer>& sublayer) const {
  if (source.displayData.name == nullptr) return STATUS_FWP_NULL_DISPLAY_NAME;
  if ((source.flags & ~kKnownFilterFlags) != 0) return STATUS_FWP_INVALID_FLAGS;
  if ((source.flags & FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT) != 0) {
    return STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND;
  }
  const int layer = find_layer(source.layerKey);
  if (layer < 0) return STATUS_FWP_LAYER_NOT_FOUND;
  const bool unnamed = same_key(source.subLayerKey, kNoKey);
  const auto found =
      find_by_key(sublayers_, unnamed ? FWPM_SUBLAYER_UNIVERSAL : source.subLayerKey);
  if (found == sublayers_.end()) return STATUS_FWP_SUBLAYER_NOT_FOUND;
  sublayer = *found;
  if (same_key(sublayer->key, kRulesSubLayer)) return STATUS_ACCESS_DENIED;
  if (const NTSTATUS status = may_use(sublayer->owner, owner)) return status;
  if (const NTSTATUS status = check_action(source, layer, owner)) return status;
  if (find_filter(key) != nullptr) return STATUS_FWP_ALREADY_EXISTS;
  return filters_.size() < kFiltersMax ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS Objects::add_filter(const FWPM_FILTER0& source, uint64_t id, const GUID& fresh_key,
                             Owner owner) {
  const GUID& key = same_key(source.filterKey, kNoKey) ? fresh_key : source.filterKey;
  auto filter = std::make_shared<Filter>();
  if (const NTSTATUS status = check_filter(source, key, owner, filter->sublayer)) return status;
  filter->layer = find_layer(source.layerKey);
  const Layer& layer = layers()[static_cast<size_t>(filter->layer)];
  if (source.numFilterConditions > kFilterConditionsMax) return STATUS_INSUFFICIENT_RESOURCES;
  if (const NTSTATUS status = Conditions::compile(
          source.filterCondition, source.numFilterConditions, layer, filter->conditions)) {
    return status;
  }
  if (const NTSTATUS status = resolve_weight(source.weight, filter->conditions, filter->weight)) {
    return status;
  }
  filter->key = key;
  filter->name = utf8(source.displayData.name);
  filter->id = id;
  filter->action = source.action.type;
  filter->flags = source.flags;
  filter->owner = owner;
  if (filter->is_callout()) filter->callout = source.action.calloutKey;
  show(*filter, source.rawContext);
  if (filter->is_callout()) {
    filter->shown->action.calloutId = find_callout(filter->callout)->id;
  }
  filters_.push_back(std::move(filter));
  return STATUS_SUCCESS;
}

NTSTATUS Objects::delete_filter(uint64_t id, Owner owner) {
  const auto found = std::find_if(filters_.begin(), filters_.end(),
                                  [&](const auto& filter) { return filter->id == id; });
  if (found == filters_.end()) return STATUS_FWP_FILTER_NOT_FOUND;
  if (belongs_to_another((*found)->owner, owner)) return STATUS_FWP_WRONG_SESSION;
  filters_.erase(found);
  return STATUS_SUCCESS;
}

void Objects::remove_session(uint32_t session) {
  const auto is_its = [&](const auto& object) {
    return object->owner.dynamic && object->owner.session == session;
  };
  std::erase_if(filters_, is_its);
  std::erase_if(callouts_, is_its);
  std::erase_if(sublayers_, is_its);
}

Objects::Removed Objects::remove_all_of(std::span<const uint32_t> sessions) {
  const auto is_theirs = [&](const auto& object) {
    return std::find(sessions.begin(), sessions.end(), object->owner.session) != sessions.end();
  };
  Removed out;
  out.filters = std::erase_if(filters_, is_theirs);
  out.others = std::erase_if(callouts_, is_theirs);
  out.others += std::erase_if(sublayers_, is_theirs);
  return out;
}

const SubLayer* Objects::find_sublayer(const GUID& key) const {
  const auto found = find_by_key(sublayers_, key);
  return found == sublayers_.end() ? nullptr : found->get();
}

const CalloutObject* Objects::find_callout(const GUID& key) const {
  const auto found = find_by_key(callouts_, key);
  return found == callouts_.end() ? nullptr : found->get();
}

const CalloutObject* Objects::find_callout(uint32_t id) const {
  const auto found = std::find_if(callouts_.begin(), callouts_.end(),
                                  [&](const auto& callout) { return callout->id == id; });
  return found == callouts_.end() ? nullptr : found->get();
}

const Filter* Objects::find_filter(const GUID& key) const {
  const auto found = find_by_key(filters_, key);
  return found == filters_.end() ? nullptr : found->get();
}

}  // namespace hookline::filter
