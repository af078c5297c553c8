// The incoming values of each layer stand where the API's FWPS_FIELD_ enumerations say, with the
// types that conditions are checked against; metadata and data offsets are those of the tables.
#include "filter/values.h"

#include <gtest/gtest.h>

#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::Datagram;

struct Way {
  Direction direction;
  Depth depth;
};
constexpr Way kWays[] = {
    {Direction::Inbound, Depth::Mac},       {Direction::Inbound, Depth::Network},
    {Direction::Inbound, Depth::Transport}, {Direction::Inbound, Depth::Datagram},
    {Direction::Outbound, Depth::Datagram}, {Direction::Outbound, Depth::Transport},
    {Direction::Outbound, Depth::Network},  {Direction::Outbound, Depth::Mac},
};

TEST(LayerValues, EveryFieldHasItsTypeAndPlace) {
  for (const Way& way : kWays) {
    Datagram datagram(way.direction);
    LayerValues values;
    values.fill(datagram.traffic, way.depth);
    const Layer& layer = layers()[size_t(layer_at(way.direction, way.depth))];
    ASSERT_EQ(values.list().size(), layer.fields.size()) << layer.name;
    EXPECT_EQ(values.values().valueCount, layer.fields.size());
    EXPECT_EQ(values.values().layerId, layer.id);
    for (size_t i = 0; i < layer.fields.size(); ++i) {
      EXPECT_EQ(values.list()[i].value.type, field_type(layer, int(i)))
          << layer.name << " " << layer.fields[i];
    }
  }
}

TEST(LayerValues, InboundMac) {
  Datagram datagram;
  LayerValues values;
  values.fill(datagram.traffic, Depth::Mac);
  const auto list = values.list();
  EXPECT_EQ(
      std::memcmp(list[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_MAC_REMOTE_ADDRESS].value.byteArray6,
                  datagram.traffic.remote_mac.octets.data(), 6),
      0);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_ETHER_TYPE].value.uint16, 0x0800);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_INTERFACE_INDEX].value.uint32, 3u);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_MAC_LOCAL_ADDRESS_TYPE].value.uint16, 2);
  const auto& m = values.metadata();
  EXPECT_TRUE(
      FWPS_IS_L2_METADATA_FIELD_PRESENT(&m, FWPS_L2_METADATA_FIELD_ETHERNET_MAC_HEADER_SIZE));
  EXPECT_EQ(m.ethernetMacHeaderSize, 14u);
  EXPECT_FALSE(FWPS_IS_METADATA_FIELD_PRESENT(&m, FWPS_METADATA_FIELD_IP_HEADER_SIZE));
}

TEST(LayerValues, Transport) {
  Datagram datagram;
  LayerValues values;
  values.fill(datagram.traffic, Depth::Transport);
  auto list = values.list();
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_TRANSPORT_V4_IP_PROTOCOL].value.uint8, 17);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_TRANSPORT_V4_IP_LOCAL_ADDRESS].value.uint32, 0x0A000001u);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_TRANSPORT_V4_IP_REMOTE_ADDRESS].value.uint32, 0x0A000005u);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_TRANSPORT_V4_IP_LOCAL_PORT].value.uint16, 67);
  EXPECT_EQ(list[FWPS_FIELD_INBOUND_TRANSPORT_V4_IP_REMOTE_PORT].value.uint16, 68);
  EXPECT_EQ(values.metadata().ipHeaderSize, 20u);
  EXPECT_EQ(values.metadata().transportHeaderSize, 8u);
  datagram.traffic.direction = Direction::Outbound;
  values.fill(datagram.traffic, Depth::Transport);
  list = values.list();
  EXPECT_EQ(list[FWPS_FIELD_OUTBOUND_TRANSPORT_V4_IP_REMOTE_ADDRESS].value.uint32, 0x0A000005u);
  EXPECT_EQ(list[FWPS_FIELD_OUTBOUND_TRANSPORT_V4_IP_LOCAL_PORT].value.uint16, 67);
}

TEST(LayerValues, DatagramTellsItsDirection) {
  Datagram datagram;
  LayerValues values;
  values.fill(datagram.traffic, Depth::Datagram);
  EXPECT_EQ(values.list()[FWPS_FIELD_DATAGRAM_DATA_V4_DIRECTION].value.uint32,
            uint32_t(FWP_DIRECTION_INBOUND));
  datagram.traffic.direction = Direction::Outbound;
  values.fill(datagram.traffic, Depth::Datagram);
  EXPECT_EQ(values.list()[FWPS_FIELD_DATAGRAM_DATA_V4_DIRECTION].value.uint32,
            uint32_t(FWP_DIRECTION_OUTBOUND));
}

// Reference, table 25.
TEST(DataOffset, IsWhereEachLayerHasIt) {
  const Traffic in = Datagram().traffic;
  EXPECT_EQ(data_offset(in, Depth::Mac), 14u);
  EXPECT_EQ(data_offset(in, Depth::Network), 34u);
  EXPECT_EQ(data_offset(in, Depth::Transport), 42u);
  EXPECT_EQ(data_offset(in, Depth::Datagram), 42u);
  const Traffic out = Datagram(Direction::Outbound).traffic;
  EXPECT_EQ(data_offset(out, Depth::Datagram), 34u);
  EXPECT_EQ(data_offset(out, Depth::Transport), 34u);
  EXPECT_EQ(data_offset(out, Depth::Network), 14u);
  EXPECT_EQ(data_offset(out, Depth::Mac), 0u);
}

TEST(DataStart, AdvancesAcrossMdls) {
  uint8_t bytes[30];
  MDL second{}, first{};
  first.ByteCount = 10;
  first.Next = &second;
  second.ByteCount = 20;
  first.MappedSystemVa = bytes;
  second.MappedSystemVa = bytes + 10;
  NET_BUFFER buffer{};
  buffer.MdlChain = buffer.CurrentMdl = &first;
  buffer.DataLength = 30;
  const DataStart start = DataStart::of(buffer);
  const DataStart moved = start.advanced(14);
  EXPECT_EQ(moved.current, &second);
  EXPECT_EQ(moved.current_offset, 4u);
  EXPECT_EQ(moved.offset, 14u);
  EXPECT_EQ(moved.length, 16u);
  moved.restore(buffer);
  EXPECT_EQ(DataStart::of(buffer), moved);
  EXPECT_EQ(start.advanced(30).length, 0u);
}

TEST(Layers, AreFoundByKeyAndName) {
  EXPECT_EQ(find_layer(FWPM_LAYER_DATAGRAM_DATA_V4), layer_at(Direction::Inbound, Depth::Datagram));
  EXPECT_EQ(find_layer("INBOUND_MAC_FRAME_ETHERNET"), layer_at(Direction::Inbound, Depth::Mac));
  EXPECT_LT(find_layer(GUID{}), 0);
  for (const Layer& layer : layers()) EXPECT_EQ(&layers()[size_t(find_layer(layer.key))], &layer);
}

TEST(Layers, AConditionMayHaveAnotherNameThanItsField) {
  const Layer& mac = layers()[size_t(layer_at(Direction::Inbound, Depth::Mac))];
  EXPECT_EQ(find_field(mac, FWPM_CONDITION_INTERFACE),
            FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_INTERFACE);
  EXPECT_EQ(find_field(mac, FWPM_CONDITION_L2_FLAGS),
            FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_L2_FLAGS);
  const Layer& out = layers()[size_t(layer_at(Direction::Outbound, Depth::Mac))];
  EXPECT_EQ(find_field(out, FWPM_CONDITION_L2_FLAGS), FWPS_FIELD_OUTBOUND_MAC_FRAME_ETHERNET_FLAGS);
  EXPECT_LT(find_field(mac, FWPM_CONDITION_IP_PROTOCOL), 0);
}

}  // namespace
}  // namespace hookline::filter
