#include "filter/values.h"

#include <cstring>

#include "line/net_buffers.h"

namespace hookline::filter {
namespace {

// IF_TYPE_ETHERNET_CSMACD; a NET_LUID has it in its upper 16 bits, and an index in the next 24.
constexpr uint32_t kInterfaceTypeEthernet = 6;
constexpr uint32_t kNoTunnel = 0;
constexpr uint32_t kNoFlags = 0;

// NL_ADDRESS_TYPE, beside kUnicast.
constexpr uint8_t kMulticast = 3;
constexpr uint8_t kBroadcastAddress = 4;
// DL_ADDRESS_TYPE.
constexpr uint16_t kDlUnicast = 0;
constexpr uint16_t kDlMulticast = 1;
constexpr uint16_t kDlBroadcast = 2;

uint8_t address_type(Ipv4 address, bool is_broadcast) {
  if (is_broadcast || address == kBroadcast) return kBroadcastAddress;
  return address.value >> 28 == 0xE ? kMulticast : kUnicast;
}

uint16_t mac_type(const MacAddress& mac) {
  if (mac == kBroadcastMac) return kDlBroadcast;
  return (mac.octets[0] & 1) != 0 ? kDlMulticast : kDlUnicast;
}

}  // namespace

FWP_VALUE0& LayerValues::add(FWP_DATA_TYPE type) {
  FWP_VALUE0& value = list_[count_++].value;
  value.type = type;
  value.uint64 = nullptr;
  return value;
}

void LayerValues::add_mac(FWP_BYTE_ARRAY6& place, const MacAddress& mac) {
  std::memcpy(place.byteArray6, mac.octets.data(), mac.octets.size());
  add(FWP_BYTE_ARRAY6_TYPE).byteArray6 = &place;
}

// INTERFACE_INDEX, SUB_INTERFACE_INDEX
void LayerValues::add_interface(const Traffic& traffic) {
  add_u32(traffic.ifindex);
  add_u32(0);
}

void LayerValues::begin(const Traffic& traffic) {
  count_ = 0;
  luid_ = UINT64{kInterfaceTypeEthernet} << 48 | UINT64{traffic.ifindex & 0xFFFFFF} << 24;
}

void LayerValues::end_values(UINT16 layer_id) {
  values_.layerId = layer_id;
  values_.valueCount = count_;
  values_.incomingValue = list_.data();
}

void LayerValues::fill(const Traffic& traffic, Depth depth) {
  begin(traffic);
  switch (depth) {
    case Depth::Mac:
      fill_mac(traffic);
      break;
    case Depth::Network:
      fill_ip(traffic);
      break;
    case Depth::Transport:
      fill_transport(traffic);
      break;
    case Depth::Datagram:
      fill_datagram(traffic);
      break;
  }
  end_values(layers()[static_cast<size_t>(layer_at(traffic.direction, depth))].id);
  fill_metadata(traffic, depth);
}

void LayerValues::fill_ale(const Traffic& traffic, const AleFacts& facts) {
  begin(traffic);
  fill_ale_ends(traffic, facts);
  if (facts.place == established_layer()) {
    fill_ale_established(traffic, facts);
  } else {
    fill_ale_auth(traffic, facts, facts.place == auth_layer(Direction::Outbound));
  }
  end_values(layers()[static_cast<size_t>(facts.place)].id);
  fill_metadata(traffic, Depth::Transport);
  metadata_.processPath = facts.program;
  metadata_.currentMetadataValues |= FWPS_METADATA_FIELD_PROCESS_PATH;
  if (facts.completion == 0) return;
  metadata_.completionHandle = reinterpret_cast<HANDLE>(static_cast<uintptr_t>(facts.completion));
  metadata_.currentMetadataValues |= FWPS_METADATA_FIELD_COMPLETION_HANDLE;
}

// ALE_APP_ID to ALE_REMOTE_MACHINE_ID, with which all of these layers begin.
void LayerValues::fill_ale_ends(const Traffic& traffic, const AleFacts& facts) {
  add_program(facts);
  add_unknown();  // ALE_USER_ID
  add_u32(traffic.local.value);
  add_u8(address_type(traffic.local, traffic.local_is_broadcast));
  add_u16(traffic.local_port);
  add_u8(traffic.protocol);
  add_u32(traffic.remote.value);
  add_u16(traffic.remote_port);
  add_unknown();  // ALE_REMOTE_USER_ID
  add_unknown();  // ALE_REMOTE_MACHINE_ID
}

// The packet arrives by, and leaves by, the one interface that there is.
void LayerValues::fill_ale_auth(const Traffic& traffic, const AleFacts& facts, bool connect) {
  if (connect) add_u8(address_type(traffic.remote, traffic.remote_is_broadcast));
  add_luid();
  add_u32(facts.reauthorize_reason != 0 ? FWP_CONDITION_FLAG_IS_REAUTHORIZE : kNoFlags);
  if (!connect) add_unknown();  // SIO_FIREWALL_SYSTEM_PORT
  if (!connect) add_unknown();  // NAP_CONTEXT
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
  add_interface(traffic);
  add_luid();  // IP_ARRIVAL_INTERFACE
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
  add_u32(traffic.ifindex);
  add_u32(0);  // NEXTHOP_SUB_INTERFACE_INDEX
  add_luid();  // IP_NEXTHOP_INTERFACE
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
  add_u32(traffic.ifindex);
  add_u32(0);  // ORIGINAL_PROFILE_ID
  add_u32(0);  // CURRENT_PROFILE_ID
  add_u32(facts.reauthorize_reason);
  if (connect) add_unknown();           // PEER_NAME
  add_u16(0);                           // ORIGINAL_ICMP_TYPE
  add(FWP_UINT64).uint64 = &no_epoch_;  // INTERFACE_QUARANTINE_EPOCH
  if (connect) add_program(facts);      // ALE_ORIGINAL_APP_ID
  add_unknown();                        // ALE_PACKAGE_ID
}

void LayerValues::fill_ale_established(const Traffic& traffic, const AleFacts& facts) {
  add_u8(address_type(traffic.remote, traffic.remote_is_broadcast));
  add_luid();
  add_u32(static_cast<uint32_t>(traffic.direction));
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
  add_u32(kNoFlags);
  add_program(facts);
  add_unknown();  // ALE_PACKAGE_ID
}

void LayerValues::fill_mac(const Traffic& traffic) {
  add_mac(interface_mac_, traffic.interface_mac);
  add_mac(local_mac_, traffic.local_mac);
  add_mac(remote_mac_, traffic.remote_mac);
  add_u16(mac_type(traffic.local_mac));
  add_u16(mac_type(traffic.remote_mac));
  add_u16(traffic.ether_type);
  add_u16(traffic.vlan);
  add_luid();
  add_u32(traffic.ifindex);
  add_u32(0);  // NDIS_PORT
  add_u32(kNoFlags);
}

void LayerValues::fill_ip(const Traffic& traffic) {
  const bool inbound = traffic.direction == Direction::Inbound;
  const uint8_t local_type = address_type(traffic.local, traffic.local_is_broadcast);
  add_u32(traffic.local.value);
  if (!inbound) add_u8(local_type);
  add_u32(traffic.remote.value);
  if (inbound) add_u8(local_type);
  add_luid();
  add_interface(traffic);
  add_u32(kNoFlags);
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
}

void LayerValues::fill_transport(const Traffic& traffic) {
  const bool inbound = traffic.direction == Direction::Inbound;
  const uint8_t local_type = address_type(traffic.local, traffic.local_is_broadcast);
  add_u8(traffic.protocol);
  add_u32(traffic.local.value);
  if (!inbound) add_u8(local_type);
  add_u32(traffic.remote.value);
  if (inbound) add_u8(local_type);
  add_u16(traffic.local_port);
  add_u16(traffic.remote_port);
  add_luid();
  add_interface(traffic);
  if (!inbound) add_u8(address_type(traffic.remote, traffic.remote_is_broadcast));
  add_u32(kNoFlags);
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
  add_u32(0);  // PROFILE_ID
}

void LayerValues::fill_datagram(const Traffic& traffic) {
  add_u8(traffic.protocol);
  add_u32(traffic.local.value);
  add_u32(traffic.remote.value);
  add_u8(address_type(traffic.local, traffic.local_is_broadcast));
  add_u16(traffic.local_port);
  add_u16(traffic.remote_port);
  add_luid();
  add_interface(traffic);
  add_u32(static_cast<uint32_t>(traffic.direction));
  add_u32(kNoFlags);
  add_u32(kInterfaceTypeEthernet);
  add_u32(kNoTunnel);
}

// A header's size is told where the data starts behind it, so that a callout knows how far to
// retreat; outbound the headers that lie behind the start are told from the transport header on.
void LayerValues::fill_metadata(const Traffic& traffic, Depth depth) {
  FWPS_INCOMING_METADATA_VALUES0& m = metadata_;
  std::memset(&m, 0, sizeof m);
  const bool inbound = traffic.direction == Direction::Inbound;
  const auto has = [&](UINT32 field) { m.currentMetadataValues |= field; };
  m.packetDirection = inbound ? FWP_DIRECTION_INBOUND : FWP_DIRECTION_OUTBOUND;
  has(FWPS_METADATA_FIELD_PACKET_DIRECTION);
  if (depth == Depth::Mac) {
    m.currentL2MetadataValues |= FWPS_L2_METADATA_FIELD_ETHERNET_MAC_HEADER_SIZE;
    m.ethernetMacHeaderSize = traffic.mac_header_bytes;
    return;
  }
  m.compartmentId = kCompartment;
  has(FWPS_METADATA_FIELD_COMPARTMENT_ID);
  m.ipHeaderSize = traffic.ip_header_bytes;
  if (inbound || depth == Depth::Network) has(FWPS_METADATA_FIELD_IP_HEADER_SIZE);
  if (depth == Depth::Network) return;
  m.transportHeaderSize = traffic.transport_header_bytes;
  has(FWPS_METADATA_FIELD_TRANSPORT_HEADER_SIZE);
  m.transportEndpointHandle = endpoint_of(traffic);
  has(FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE);
  m.flowHandle = traffic.flow_handle;
  if (traffic.flow_handle != 0) has(FWPS_METADATA_FIELD_FLOW_HANDLE);
}

}  // namespace hookline::filter
