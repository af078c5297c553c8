#include "filter/layers.h"

#include <array>

namespace hookline::filter {
namespace {

struct NamedKey {
  std::string_view name;
  GUID key;
};

#define HOOKLINE_NAMED_KEY(name, d1, d2, d3, b0, b1, b2, b3, b4, b5, b6, b7) \
  NamedKey{#name, {d1, d2, d3, {b0, b1, b2, b3, b4, b5, b6, b7}}},

constexpr NamedKey kLayerKeys[] = {
#define HOOKLINE_FWP_LAYER HOOKLINE_NAMED_KEY
#include "hookline/fwp_guids.def"
};

constexpr NamedKey kConditionKeys[] = {
#define HOOKLINE_FWP_CONDITION HOOKLINE_NAMED_KEY
#include "hookline/fwp_guids.def"
};
#undef HOOKLINE_NAMED_KEY

constexpr GUID key_of_layer(std::string_view name) {
  for (const NamedKey& known : kLayerKeys) {
    if (known.name == name) return known.key;
  }
  return GUID{};
}

#define HOOKLINE_FIELD_NAME(layer, field) #field,
#define HOOKLINE_LAYER_FIELDS(layer, fields) \
  constexpr std::string_view kFieldsOf_##layer[] = {fields(HOOKLINE_FIELD_NAME, layer)};
HOOKLINE_FWP_LAYERS(HOOKLINE_LAYER_FIELDS)
#undef HOOKLINE_FIELD_NAME
#undef HOOKLINE_LAYER_FIELDS

#define HOOKLINE_LAYER(layer, fields) \
  Layer{#layer, key_of_layer(#layer), FWPS_LAYER_##layer, kFieldsOf_##layer},
constexpr std::array<Layer, kLayerCount> kLayers = {HOOKLINE_FWP_LAYERS(HOOKLINE_LAYER)};
#undef HOOKLINE_LAYER

constexpr int place_of(std::string_view name) {
  for (int i = 0; i < kLayerCount; ++i) {
    if (kLayers[static_cast<size_t>(i)].name == name) return i;
  }
  return -1;
}

// By depth, then direction.
constexpr int kWay[4][2] = {
    {place_of("OUTBOUND_MAC_FRAME_ETHERNET"), place_of("INBOUND_MAC_FRAME_ETHERNET")},
    {place_of("OUTBOUND_IPPACKET_V4"), place_of("INBOUND_IPPACKET_V4")},
    {place_of("OUTBOUND_TRANSPORT_V4"), place_of("INBOUND_TRANSPORT_V4")},
    {place_of("DATAGRAM_DATA_V4"), place_of("DATAGRAM_DATA_V4")},
};
static_assert(kWay[0][0] >= 0 && kWay[0][1] >= 0 && kWay[1][0] >= 0 && kWay[1][1] >= 0);
static_assert(kWay[2][0] >= 0 && kWay[2][1] >= 0 && kWay[3][0] >= 0);

constexpr int kAuth[2] = {place_of("ALE_AUTH_CONNECT_V4"), place_of("ALE_AUTH_RECV_ACCEPT_V4")};
constexpr int kEstablished = place_of("ALE_FLOW_ESTABLISHED_V4");
static_assert(kAuth[0] >= 0 && kAuth[1] >= 0 && kEstablished >= 0);

// Fields whose condition has another name.
struct Alias {
  std::string_view condition;
  std::string_view field;
};
constexpr Alias kAliases[] = {
    {"IP_LOCAL_INTERFACE", "INTERFACE"},
    {"L2_FLAGS", "FLAGS"},
    {"ALE_NAP_CONTEXT", "NAP_CONTEXT"},
    {"ALE_SIO_FIREWALL_SYSTEM_PORT", "SIO_FIREWALL_SYSTEM_PORT"},
    {"IP_LOCAL_PORT", "ICMP_TYPE"},
    {"IP_REMOTE_PORT", "ICMP_CODE"},
};

// Addresses of IP, of either family, are told apart by their layer.
struct FieldType {
  std::string_view name;
  FWP_DATA_TYPE type;
};
constexpr FieldType kFieldTypes[] = {
    {"IP_LOCAL_ADDRESS", FWP_UINT32},
    {"IP_REMOTE_ADDRESS", FWP_UINT32},
    {"IP_SOURCE_ADDRESS", FWP_UINT32},
    {"IP_DESTINATION_ADDRESS", FWP_UINT32},
    {"EMBEDDED_REMOTE_ADDRESS", FWP_UINT32},
    {"IP_LOCAL_ADDRESS_TYPE", FWP_UINT8},
    {"IP_DESTINATION_ADDRESS_TYPE", FWP_UINT8},
    {"EMBEDDED_LOCAL_ADDRESS_TYPE", FWP_UINT8},
    {"IP_PROTOCOL", FWP_UINT8},
    {"EMBEDDED_PROTOCOL", FWP_UINT8},
    {"IP_LOCAL_PORT", FWP_UINT16},
    {"IP_REMOTE_PORT", FWP_UINT16},
    {"IP_SOURCE_PORT", FWP_UINT16},
    {"IP_DESTINATION_PORT", FWP_UINT16},
    {"EMBEDDED_LOCAL_PORT", FWP_UINT16},
    {"EMBEDDED_REMOTE_PORT", FWP_UINT16},
    {"ICMP_TYPE", FWP_UINT16},
    {"ICMP_CODE", FWP_UINT16},
    {"ORIGINAL_ICMP_TYPE", FWP_UINT16},
    {"INTERFACE", FWP_UINT64},
    {"IP_LOCAL_INTERFACE", FWP_UINT64},
    {"IP_ARRIVAL_INTERFACE", FWP_UINT64},
    {"IP_NEXTHOP_INTERFACE", FWP_UINT64},
    {"IP_FORWARD_INTERFACE", FWP_UINT64},
    {"IP_PHYSICAL_ARRIVAL_INTERFACE", FWP_UINT64},
    {"IP_PHYSICAL_NEXTHOP_INTERFACE", FWP_UINT64},
    {"INTERFACE_QUARANTINE_EPOCH", FWP_UINT64},
    {"INTERFACE_INDEX", FWP_UINT32},
    {"SUB_INTERFACE_INDEX", FWP_UINT32},
    {"SOURCE_INTERFACE_INDEX", FWP_UINT32},
    {"SOURCE_SUB_INTERFACE_INDEX", FWP_UINT32},
    {"DESTINATION_INTERFACE_INDEX", FWP_UINT32},
    {"DESTINATION_SUB_INTERFACE_INDEX", FWP_UINT32},
    {"ARRIVAL_INTERFACE_INDEX", FWP_UINT32},
    {"NEXTHOP_INTERFACE_INDEX", FWP_UINT32},
    {"NEXTHOP_SUB_INTERFACE_INDEX", FWP_UINT32},
    {"INTERFACE_TYPE", FWP_UINT32},
    {"TUNNEL_TYPE", FWP_UINT32},
    {"ARRIVAL_INTERFACE_TYPE", FWP_UINT32},
    {"ARRIVAL_TUNNEL_TYPE", FWP_UINT32},
    {"NEXTHOP_INTERFACE_TYPE", FWP_UINT32},
    {"NEXTHOP_TUNNEL_TYPE", FWP_UINT32},
    {"FLAGS", FWP_UINT32},
    {"L2_FLAGS", FWP_UINT32},
    {"DIRECTION", FWP_UINT32},
    {"PROFILE_ID", FWP_UINT32},
    {"ORIGINAL_PROFILE_ID", FWP_UINT32},
    {"CURRENT_PROFILE_ID", FWP_UINT32},
    {"LOCAL_INTERFACE_PROFILE_ID", FWP_UINT32},
    {"ARRIVAL_INTERFACE_PROFILE_ID", FWP_UINT32},
    {"NEXTHOP_INTERFACE_PROFILE_ID", FWP_UINT32},
    {"REAUTHORIZE_REASON", FWP_UINT32},
    {"ALE_PROMISCUOUS_MODE", FWP_UINT32},
    {"NDIS_PORT", FWP_UINT32},
    {"NDIS_MEDIA_TYPE", FWP_UINT32},
    {"NDIS_PHYSICAL_MEDIA_TYPE", FWP_UINT32},
    {"INTERFACE_MAC_ADDRESS", FWP_BYTE_ARRAY6_TYPE},
    {"MAC_LOCAL_ADDRESS", FWP_BYTE_ARRAY6_TYPE},
    {"MAC_REMOTE_ADDRESS", FWP_BYTE_ARRAY6_TYPE},
    {"MAC_SOURCE_ADDRESS", FWP_BYTE_ARRAY6_TYPE},
    {"MAC_DESTINATION_ADDRESS", FWP_BYTE_ARRAY6_TYPE},
    {"MAC_LOCAL_ADDRESS_TYPE", FWP_UINT16},
    {"MAC_REMOTE_ADDRESS_TYPE", FWP_UINT16},
    {"MAC_SOURCE_ADDRESS_TYPE", FWP_UINT16},
    {"MAC_DESTINATION_ADDRESS_TYPE", FWP_UINT16},
    {"ETHER_TYPE", FWP_UINT16},
    {"VLAN_ID", FWP_UINT16},
};

bool is_ipv6(const Layer& layer) { return layer.name.ends_with("_V6"); }

}  // namespace

std::span<const Layer> layers() { return kLayers; }

int find_layer(const GUID& key) {
  for (int i = 0; i < kLayerCount; ++i) {
    if (same_key(kLayers[static_cast<size_t>(i)].key, key)) return i;
  }
  return -1;
}

int find_layer(std::string_view name) { return place_of(name); }

int find_field(const Layer& layer, std::string_view name) {
  for (size_t i = 0; i < layer.fields.size(); ++i) {
    if (layer.fields[i] == name) return static_cast<int>(i);
  }
  return -1;
}

int find_field(const Layer& layer, const GUID& condition) {
  for (const NamedKey& known : kConditionKeys) {
    if (!same_key(known.key, condition)) continue;
    const int field = find_field(layer, known.name);
    if (field >= 0) return field;
    for (const Alias& alias : kAliases) {
      if (alias.condition == known.name) return find_field(layer, alias.field);
    }
    return -1;
  }
  return -1;
}

GUID condition_key(const Layer& layer, int field) {
  std::string_view name = layer.fields[static_cast<size_t>(field)];
  for (int pass = 0; pass < 2; ++pass) {
    for (const NamedKey& known : kConditionKeys) {
      if (known.name == name && find_field(layer, known.key) == field) return known.key;
    }
    for (const Alias& alias : kAliases) {
      if (alias.field == name) name = alias.condition;
    }
  }
  return GUID{};
}

FWP_DATA_TYPE field_type(const Layer& layer, int field) {
  const std::string_view name = layer.fields[static_cast<size_t>(field)];
  for (const FieldType& known : kFieldTypes) {
    if (known.name != name) continue;
    const bool address = name.ends_with("_ADDRESS") && known.type == FWP_UINT32;
    return address && is_ipv6(layer) ? FWP_BYTE_ARRAY16_TYPE : known.type;
  }
  return FWP_EMPTY;
}

int layer_at(Direction direction, Depth depth) {
  return kWay[static_cast<size_t>(depth)][static_cast<size_t>(direction)];
}

int auth_layer(Direction begun) { return kAuth[static_cast<size_t>(begun)]; }

int established_layer() { return kEstablished; }

}  // namespace hookline::filter
