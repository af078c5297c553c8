// What a callout and the conditions of filters are shown of a datagram at one layer: the incoming
// values in the layer's order, and the metadata. Pure; lives on the classifying stack.
#pragma once

#include <array>
#include <span>

#include "filter/layers.h"
#include "hookline/fwp.h"
#include "line/classifier.h"

namespace hookline::filter {

// The one compartment.
inline constexpr UINT32 kCompartment = 1;
// NL_ADDRESS_TYPE of what is no multicast, broadcast or anycast address.
inline constexpr uint8_t kUnicast = 1;

// What the ALE layers show beside the traffic.
struct AleFacts {
  int place = 0;                    // the layer's, in layers()
  uint32_t reauthorize_reason = 0;  // FWP_CONDITION_REAUTHORIZE_REASON_…; 0: the first time
  FWP_BYTE_BLOB* program = nullptr;
  uint64_t completion = 0;  // 0: it can't be pended
};

class LayerValues {
 public:
  LayerValues() = default;
  LayerValues(const LayerValues&) = delete;
  LayerValues& operator=(const LayerValues&) = delete;

  void fill(const Traffic& traffic, Depth depth);
  // At an ALE_AUTH layer, or ALE_FLOW_ESTABLISHED.
  void fill_ale(const Traffic& traffic, const AleFacts& facts);

  const FWPS_INCOMING_VALUES0& values() const { return values_; }
  const FWPS_INCOMING_METADATA_VALUES0& metadata() const { return metadata_; }
  std::span<const FWPS_INCOMING_VALUE0> list() const { return {list_.data(), count_}; }

 private:
  FWP_VALUE0& add(FWP_DATA_TYPE type);
  void add_u8(uint8_t value) { add(FWP_UINT8).uint8 = value; }
  void add_u16(uint16_t value) { add(FWP_UINT16).uint16 = value; }
  void add_u32(uint32_t value) { add(FWP_UINT32).uint32 = value; }
  void add_luid() { add(FWP_UINT64).uint64 = &luid_; }
  void add_mac(FWP_BYTE_ARRAY6& place, const MacAddress& mac);
  void add_interface(const Traffic& traffic);
  void add_program(const AleFacts& facts) { add(FWP_BYTE_BLOB_TYPE).byteBlob = facts.program; }
  void add_unknown() { add(FWP_EMPTY); }

  void fill_mac(const Traffic& traffic);
  void fill_ip(const Traffic& traffic);
  void fill_transport(const Traffic& traffic);
  void fill_datagram(const Traffic& traffic);
  void fill_ale_ends(const Traffic& traffic, const AleFacts& facts);
  void fill_ale_auth(const Traffic& traffic, const AleFacts& facts, bool connect);
  void fill_ale_established(const Traffic& traffic, const AleFacts& facts);
  void begin(const Traffic& traffic);
  void end_values(UINT16 layer_id);
  void fill_metadata(const Traffic& traffic, Depth depth);

  uint32_t count_ = 0;
  std::array<FWPS_INCOMING_VALUE0, FWPS_FIELD_ALE_AUTH_CONNECT_V4_MAX + 1> list_;
  UINT64 luid_ = 0;
  UINT64 no_epoch_ = 0;
  FWP_BYTE_ARRAY6 interface_mac_{}, local_mac_{}, remote_mac_{};
  FWPS_INCOMING_VALUES0 values_{};
  FWPS_INCOMING_METADATA_VALUES0 metadata_{};
};

}  // namespace hookline::filter
