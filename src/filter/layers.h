// The layers of the engine: their keys, numbers, and fields in the order of the API's
// FWPS_FIELD_<LAYER>_<FIELD> enumerations. Constant tables, made from the SDK's lists.
//
// The MAC, IP packet, transport and datagram layers of IPv4 are classified, and of its ALE layers
// those that flows pass, with the stream layer for TCP. At all others filters can be added, but no
// traffic reaches them: IPv6, and what is no server's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "hookline/fwp.h"
#include "line/classifier.h"

namespace hookline::filter {

struct Layer {
  std::string_view name;  // as in FWPM_LAYER_<name>
  GUID key;
  uint16_t id;                               // FWPS_LAYER_<name>
  std::span<const std::string_view> fields;  // as in FWPS_FIELD_<LAYER>_<name>
};

#define HOOKLINE_COUNT_LAYER(layer, fields) +1
inline constexpr int kLayerCount = 0 HOOKLINE_FWP_LAYERS(HOOKLINE_COUNT_LAYER);
#undef HOOKLINE_COUNT_LAYER
static_assert(kLayerCount <= 64, "a set of layers is one word");

std::span<const Layer> layers();
// The place in layers(); -1: no such layer.
int find_layer(const GUID& key);
int find_layer(std::string_view name);

// Which field a condition key means at a layer, and by which name; -1: none.
int find_field(const Layer& layer, const GUID& condition);
int find_field(const Layer& layer, std::string_view name);
// The condition key of a field; all zeros: it has none.
GUID condition_key(const Layer& layer, int field);
// FWP_EMPTY: no type that is known.
FWP_DATA_TYPE field_type(const Layer& layer, int field);

// Where traffic is classified on its way: a place in layers(). Both directions share the datagram
// layer.
int layer_at(Direction direction, Depth depth);

// The layer that authorizes flows that begin in this direction: ALE_AUTH_RECV_ACCEPT_V4 inbound,
// ALE_AUTH_CONNECT_V4 outbound; and the one that is told of those that are authorized.
int auth_layer(Direction begun);
int established_layer();

inline bool same_key(const GUID& a, const GUID& b) {
  return __builtin_memcmp(&a, &b, sizeof(GUID)) == 0;
}

}  // namespace hookline::filter
