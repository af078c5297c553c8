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

class LayerValues {
 public:
  LayerValues() = default;
  LayerValues(const LayerValues&) = delete;
  LayerValues& operator=(const LayerValues&) = delete;

  void fill(const Traffic& traffic, Depth depth);

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

  void fill_mac(const Traffic& traffic);
  void fill_ip(const Traffic& traffic);
  void fill_transport(const Traffic& traffic);
  void fill_datagram(const Traffic& traffic);
  void fill_metadata(const Traffic& traffic, Depth depth);

  uint32_t count_ = 0;
  std::array<FWPS_INCOMING_VALUE0, 16> list_;
  UINT64 luid_ = 0;
  FWP_BYTE_ARRAY6 interface_mac_{}, local_mac_{}, remote_mac_{};
  FWPS_INCOMING_VALUES0 values_{};
  FWPS_INCOMING_METADATA_VALUES0 metadata_{};
};

}  // namespace hookline::filter
