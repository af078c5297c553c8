// FwpsConstructIpHeaderForTransportPacket0 and what is told of a packet's injection.

#include "base/inet_frame.h"
#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::bytes_of;
using lists_testing::ListsTest;
using lists_testing::Packet;

constexpr uint8_t kSource[] = {192, 0, 2, 1};
constexpr uint8_t kRemote[] = {198, 51, 100, 9};

class Header : public ListsTest {
 protected:
  NTSTATUS construct(NET_BUFFER_LIST& list, ULONG old_bytes, IPPROTO protocol = 17,
                     ADDRESS_FAMILY family = HOOKLINE_AF_INET) {
    return lists.FwpsConstructIpHeaderForTransportPacket0(driver, &list, old_bytes, family, kSource,
                                                          kRemote, protocol, 0, nullptr, 0, 0,
                                                          nullptr, 0, 0);
  }
  // A datagram of RFC 768 without its checksum, over pieces of these sizes.
  static void write_udp(Packet& packet, uint16_t bytes, uint32_t at = 0) {
    uint8_t header[] = {0, 67, 0, 68, uint8_t(bytes >> 8), uint8_t(bytes), 0xAB, 0xCD};
    write_data(packet.buffer, at, header);
  }
  // What parse_udp_frame() and Linux would say of it.
  static void expect_right_udp(const NET_BUFFER& buffer, size_t payload) {
    std::vector<uint8_t> frame(12);
    frame.insert(frame.end(), {8, 0});
    const std::vector<uint8_t> ip = bytes_of(buffer);
    frame.insert(frame.end(), ip.begin(), ip.end());
    UdpFrame parsed;
    ASSERT_EQ(parse_udp_frame(frame, parsed), FrameFault::None);
    EXPECT_TRUE(udp_checksum_is_right(parsed));
    EXPECT_NE(parsed.udp_checksum, 0);
    EXPECT_EQ(parsed.payload_size, payload);
    EXPECT_EQ(parsed.source.text(), "192.0.2.1");
    EXPECT_EQ(parsed.destination.text(), "198.51.100.9");
  }
};

TEST_F(Header, InFrontOfADatagram) {
  for (size_t payload = 0; payload < 64; ++payload) {
    Packet packet({8 + payload});
    write_udp(packet, uint16_t(8 + payload));
    NET_BUFFER_LIST* clone = clone_of(packet.list);
    ASSERT_EQ(construct(*clone, 0), STATUS_SUCCESS);
    EXPECT_EQ(clone->FirstNetBuffer->DataLength, 28 + payload);
    expect_right_udp(*clone->FirstNetBuffer, payload);
    free_clone(clone);  // nothing has to be undone
  }
}

TEST_F(Header, WhoTakesItOffAgainHasMovedNothing) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  ASSERT_EQ(construct(*clone, 0, 99), STATUS_SUCCESS);
  advance(clone->FirstNetBuffer, 20, true);
  EXPECT_EQ(lists.live(driver).mdls, 0u);
  ASSERT_EQ(construct(*clone, 0, 99), STATUS_SUCCESS);
  free_clone(clone);
}

TEST_F(Header, AChecksumOfZeroIsWrittenAsAllOnes) {
  Packet packet({60});
  write_udp(packet, 60);
  ASSERT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
  const std::vector<uint8_t> ip = bytes_of(packet.buffer);
  // Adds to the data what they still lack, so that they sum up to all ones.
  const uint64_t lacking = uint64_t{load_be16(&ip[26])} + load_be16(&ip[28]);
  uint8_t word[2];
  store_be16(word, uint16_t((lacking & 0xFFFF) + (lacking >> 16)));
  advance(&packet.buffer, 20, true);
  write_data(packet.buffer, 8, word);
  ASSERT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
  EXPECT_EQ(load_be16(&bytes_of(packet.buffer)[26]), 0xFFFF);
  expect_right_udp(packet.buffer, 52);
  advance(&packet.buffer, 20, true);
}

TEST_F(Header, OverPiecesOfEverySize) {
  for (size_t first = 1; first < 40; ++first) {
    for (size_t second : {1, 2, 3, 8, 13}) {
      Packet packet({first, second, 57});
      write_udp(packet, uint16_t(first + second + 57));
      ASSERT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
      expect_right_udp(packet.buffer, first + second + 49);
      advance(&packet.buffer, 20, true);
    }
  }
}

TEST_F(Header, IntoTheRoomInFront) {
  Packet packet({100}, 34);
  write_udp(packet, 66);
  ASSERT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
  EXPECT_EQ(packet.buffer.DataOffset, 14u);
  EXPECT_EQ(packet.buffer.MdlChain, &packet.mdls[0]);
  expect_right_udp(packet.buffer, 58);
}

TEST_F(Header, InPlaceOfAnOldOne) {
  for (ULONG old_bytes : {20u, 24u, 60u}) {
    Packet packet({3, old_bytes - 3, 50});
    uint8_t old[20] = {0x4F, 0xB8, 0, 0, 0x12, 0x34, 0x40, 0, 99};
    write_data(packet.buffer, 0, old);
    write_udp(packet, 50, old_bytes);
    ASSERT_EQ(construct(packet.list, old_bytes), STATUS_SUCCESS);
    const std::vector<uint8_t> ip = bytes_of(packet.buffer);
    ASSERT_EQ(ip.size(), 70u);
    EXPECT_EQ(ip[0], 0x45);
    EXPECT_EQ(ip[1], 0xB8);
    EXPECT_EQ(load_be16(&ip[4]), 0x1234);
    EXPECT_EQ(ip[8], 99);
    expect_right_udp(packet.buffer, 42);
  }
}

TEST_F(Header, OfTcpAndOfOthers) {
  Packet packet({25, 40});
  ASSERT_EQ(construct(packet.list, 0, 6), STATUS_SUCCESS);
  const std::vector<uint8_t> ip = bytes_of(packet.buffer);
  EXPECT_EQ(ip[9], 6);
  EXPECT_EQ(checksum_finish(checksum_add(Bytes(ip).first(20))), 0);
  const uint64_t pseudo = checksum_add(Bytes(ip).subspan(12, 8), 6 + 65);
  EXPECT_EQ(checksum_finish(checksum_add(Bytes(ip).subspan(20), pseudo)), 0);
  advance(&packet.buffer, 20, true);
  const std::vector<uint8_t> before = bytes_of(packet.buffer);
  ASSERT_EQ(construct(packet.list, 0, 1), STATUS_SUCCESS);
  advance(&packet.buffer, 20, true);
  EXPECT_EQ(bytes_of(packet.buffer), before) << "ICMP has a checksum of its own";
}

TEST_F(Header, ADatagramShorterThanItsPacket) {
  Packet packet({60});
  write_udp(packet, 31);
  ASSERT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
  expect_right_udp(packet.buffer, 23);
  advance(&packet.buffer, 20, true);
}

TEST_F(Header, ForEveryBufferOrForNone) {
  Packet packet({50}, 10);
  Packet second({60});
  packet.buffer.Next = &second.buffer;
  write_udp(packet, 40);
  write_udp(second, 60);
  lists.fail_allocation(2);
  EXPECT_EQ(construct(packet.list, 0), STATUS_INSUFFICIENT_RESOURCES);
  EXPECT_EQ(packet.buffer.DataOffset, 10u);
  EXPECT_EQ(packet.buffer.DataLength, 40u);
  EXPECT_EQ(packet.buffer.MdlChain, &packet.mdls[0]);
  EXPECT_EQ(construct(packet.list, 0), STATUS_SUCCESS);
  expect_right_udp(packet.buffer, 32);
  expect_right_udp(second.buffer, 52);
  lists.NdisAdvanceNetBufferListDataStart(driver, &packet.list, 20, true, nullptr);
}

TEST_F(Header, WrongArgumentsChangeNothing) {
  Packet packet({60});
  EXPECT_EQ(construct(packet.list, 0, 17, HOOKLINE_AF_INET6), STATUS_NOT_SUPPORTED);
  EXPECT_EQ(construct(packet.list, 0, 17, 99), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(construct(packet.list, 19), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(construct(packet.list, 61), STATUS_INVALID_BUFFER_SIZE);
  EXPECT_EQ(construct(packet.list, 0, 256), STATUS_INVALID_PARAMETER);
  Packet large({65516});
  EXPECT_EQ(construct(large.list, 0), STATUS_INVALID_BUFFER_SIZE);
  EXPECT_EQ(packet.buffer.DataLength, 60u);
  packet.buffer.DataLength = 61;
  EXPECT_EQ(construct(packet.list, 0), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(),
            "FwpsConstructIpHeaderForTransportPacket0: a NET_BUFFER says more bytes than its MDLs "
            "hold");
}

TEST_F(Header, AFragmentKeepsItsTransportChecksum) {
  Packet packet({80});
  uint8_t old[20] = {0x45, 0, 0, 0, 0, 1, 0x20, 0, 64};
  write_data(packet.buffer, 0, old);
  write_udp(packet, 60, 20);
  ASSERT_EQ(construct(packet.list, 20), STATUS_SUCCESS);
  EXPECT_EQ(load_be16(&bytes_of(packet.buffer)[26]), 0xABCD);
}

TEST_F(Header, SecurityInformationSaysWhatWasInjected) {
  Packet packet({60});
  FWPS_PACKET_LIST_INFORMATION0 information;
  const auto query = [&](UINT32 flags) {
    std::memset(&information, 0xFF, sizeof information);
    return lists.FwpsGetPacketListSecurityInformation0(driver, &packet.list, flags, &information);
  };
  EXPECT_EQ(query(FWPS_PACKET_LIST_INFORMATION_QUERY_ALL_INBOUND), STATUS_SUCCESS);
  EXPECT_EQ(information.fwpInformation.isReinjected, 0u);
  EXPECT_EQ(information.ipsecInformation.flags, 0u);
  Mark mark;
  packet.list.NdisReserved[0] = &mark;
  EXPECT_EQ(query(FWPS_PACKET_LIST_INFORMATION_QUERY_ALL_OUTBOUND), STATUS_SUCCESS);
  EXPECT_EQ(information.fwpInformation.isReinjected, 1u);
  EXPECT_EQ(query(FWPS_PACKET_LIST_INFORMATION_QUERY_IPSEC), STATUS_SUCCESS);
  EXPECT_EQ(information.fwpInformation.isReinjected, 0u) << "not asked for";
  EXPECT_EQ(query(0x10), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(query(FWPS_PACKET_LIST_INFORMATION_QUERY_INBOUND |
                  FWPS_PACKET_LIST_INFORMATION_QUERY_OUTBOUND),
            STATUS_INVALID_PARAMETER);
}

}  // namespace
}  // namespace hookline::inject
