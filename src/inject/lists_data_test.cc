// Where the data of a NET_BUFFER start: rules 25 to 27 of the reference.

#include <array>
#include <cstdlib>

#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::bytes_of;
using lists_testing::counting;
using lists_testing::ListsTest;
using lists_testing::Packet;

// Handlers that a driver brings along.
struct OwnMdl {
  MDL mdl;
  std::array<uint8_t, 64> bytes;
  ULONG asked = 0;
};
OwnMdl own;
int own_freed = 0;

PMDL NTAPI allocate_own(PULONG bytes) {
  own.asked = *bytes;
  *bytes = own.bytes.size();
  describe(own.mdl, own.bytes.data(), own.bytes.size());
  return &own.mdl;
}
PMDL NTAPI allocate_nothing(PULONG) { return nullptr; }
PMDL NTAPI allocate_too_little(PULONG bytes) {
  describe(own.mdl, own.bytes.data(), *bytes - 1);
  return &own.mdl;
}
VOID NTAPI free_own(PMDL mdl) {
  EXPECT_EQ(mdl, &own.mdl);
  ++own_freed;
}

class DataStart : public ListsTest {
 protected:
  static void expect_at(const NET_BUFFER& buffer, ULONG offset, const MDL* mdl, ULONG in_mdl,
                        ULONG length) {
    EXPECT_EQ(buffer.DataOffset, offset);
    EXPECT_EQ(buffer.CurrentMdl, mdl);
    EXPECT_EQ(buffer.CurrentMdlOffset, in_mdl);
    EXPECT_EQ(buffer.DataLength, length);
  }
};

TEST_F(DataStart, RetreatsIntoTheRoomInFront) {
  Packet packet({100}, 42);
  EXPECT_EQ(retreat(&packet.buffer, 28, 99), NDIS_STATUS_SUCCESS);
  expect_at(packet.buffer, 14, &packet.mdls[0], 14, 86);
  EXPECT_EQ(retreat(&packet.buffer, 14), NDIS_STATUS_SUCCESS);
  expect_at(packet.buffer, 0, &packet.mdls[0], 0, 100);
  EXPECT_EQ(lists.live(driver).mdls, 0u);
  advance(&packet.buffer, 42, true);
  expect_at(packet.buffer, 42, &packet.mdls[0], 42, 58);
}

TEST_F(DataStart, MovesAcrossMdls) {
  Packet packet({14, 20, 0, 8, 30}, 0);
  advance(&packet.buffer, 14, false);
  expect_at(packet.buffer, 14, &packet.mdls[1], 0, 58);
  advance(&packet.buffer, 21, true);  // the packet's own MDLs stay, whatever is said
  expect_at(packet.buffer, 35, &packet.mdls[3], 1, 37);
  EXPECT_EQ(packet.buffer.MdlChain, &packet.mdls[0]);
  EXPECT_EQ(bytes_of(packet.buffer), counting(35, 37));
  EXPECT_EQ(retreat(&packet.buffer, 30), NDIS_STATUS_SUCCESS);
  expect_at(packet.buffer, 5, &packet.mdls[0], 5, 67);
  advance(&packet.buffer, 67, true);
  expect_at(packet.buffer, 72, &packet.mdls[4], 30, 0);
  EXPECT_EQ(retreat(&packet.buffer, 72), NDIS_STATUS_SUCCESS);
  expect_at(packet.buffer, 0, &packet.mdls[0], 0, 72);
}

TEST_F(DataStart, WithoutRoomANewMdlMakesTheRest) {
  Packet packet({50}, 4);
  EXPECT_EQ(retreat(&packet.buffer, 20, 10), NDIS_STATUS_SUCCESS);
  MDL* room = packet.buffer.MdlChain;
  ASSERT_NE(room, &packet.mdls[0]);
  EXPECT_EQ(room->ByteCount, 26u) << "16 that were missing, and the back fill";
  EXPECT_EQ(room->Next, &packet.mdls[0]);
  expect_at(packet.buffer, 10, room, 10, 66);
  EXPECT_EQ(lists.live(driver).mdls, 1u);
  const auto bytes = bytes_of(packet.buffer);
  EXPECT_EQ(std::vector<uint8_t>(bytes.begin() + 16, bytes.end()), counting(0, 50));
  EXPECT_EQ(retreat(&packet.buffer, 10), NDIS_STATUS_SUCCESS) << "into the back fill";
  EXPECT_EQ(packet.buffer.MdlChain, room);

  advance(&packet.buffer, 30, false);
  EXPECT_EQ(packet.buffer.MdlChain, room) << "kept as room";
  expect_at(packet.buffer, 30, &packet.mdls[0], 4, 46);
  EXPECT_EQ(retreat(&packet.buffer, 30), NDIS_STATUS_SUCCESS);
  advance(&packet.buffer, 30, true);
  EXPECT_EQ(packet.buffer.MdlChain, &packet.mdls[0]);
  expect_at(packet.buffer, 4, &packet.mdls[0], 4, 46);
  EXPECT_EQ(lists.live(driver).mdls, 0u);
}

TEST_F(DataStart, AnMdlThatStillHoldsDataIsKept) {
  Packet packet({50});
  EXPECT_EQ(retreat(&packet.buffer, 20), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(retreat(&packet.buffer, 8), NDIS_STATUS_SUCCESS);
  advance(&packet.buffer, 27, true);  // the first is used up, of the second one byte is left
  EXPECT_EQ(lists.live(driver).mdls, 1u);
  EXPECT_EQ(packet.buffer.DataOffset, 19u);
  EXPECT_EQ(packet.buffer.DataLength, 51u);
  advance(&packet.buffer, 1, true);
  EXPECT_EQ(bytes_of(packet.buffer), counting(0, 50));
}

TEST_F(DataStart, OfAnEmptyBuffer) {
  Packet packet({});
  EXPECT_EQ(retreat(&packet.buffer, 20, 4), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(bytes_of(packet.buffer).size(), 20u);
  advance(&packet.buffer, 20, true);
  expect_at(packet.buffer, 0, nullptr, 0, 0);
  EXPECT_EQ(packet.buffer.MdlChain, nullptr);
}

TEST_F(DataStart, ByTheDriversOwnHandlers) {
  Packet packet({50});
  own_freed = 0;
  EXPECT_EQ(lists.NdisRetreatNetBufferDataStart(driver, &packet.buffer, 20, 4, allocate_own),
            NDIS_STATUS_SUCCESS);
  EXPECT_EQ(own.asked, 24u);
  EXPECT_EQ(packet.buffer.MdlChain, &own.mdl);
  expect_at(packet.buffer, 44, &own.mdl, 44, 70);
  lists.NdisAdvanceNetBufferDataStart(driver, &packet.buffer, 20, true, free_own);
  EXPECT_EQ(own_freed, 1);
  expect_at(packet.buffer, 0, &packet.mdls[0], 0, 50);
  EXPECT_EQ(packet.buffer.MdlChain, &packet.mdls[0]);
}

TEST_F(DataStart, ARoomOfOursIsNotGivenToAHandler) {
  Packet packet({50});
  own_freed = 0;
  EXPECT_EQ(retreat(&packet.buffer, 20), NDIS_STATUS_SUCCESS);
  lists.NdisAdvanceNetBufferDataStart(driver, &packet.buffer, 20, true, free_own);
  EXPECT_EQ(own_freed, 0);
  EXPECT_EQ(lists.live(driver).mdls, 0u);
}

TEST_F(DataStart, ACloneKeepsItsOwnMdls) {
  Packet packet({30, 30});
  own_freed = 0;
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  lists.NdisAdvanceNetBufferDataStart(driver, clone->FirstNetBuffer, 40, true, free_own);
  EXPECT_EQ(own_freed, 0);
  EXPECT_EQ(bytes_of(*clone), counting(40, 20));
  EXPECT_EQ(retreat(clone->FirstNetBuffer, 40), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(bytes_of(*clone), counting(0, 60));
  free_clone(clone);
}

TEST_F(DataStart, FailingHandlersChangeNothing) {
  Packet packet({50});
  EXPECT_EQ(lists.NdisRetreatNetBufferDataStart(driver, &packet.buffer, 20, 0, allocate_nothing),
            NDIS_STATUS_RESOURCES);
  EXPECT_EQ(lists.NdisRetreatNetBufferDataStart(driver, &packet.buffer, 20, 0, allocate_too_little),
            NDIS_STATUS_RESOURCES);
  EXPECT_EQ(driver.breach(),
            "NdisRetreatNetBufferDataStart: the handler gave an MDL of 19 bytes, asked for 20: not "
            "used, and lost");
  expect_at(packet.buffer, 0, &packet.mdls[0], 0, 50);
}

TEST_F(DataStart, BeyondAnyBound) {
  Packet packet({50}, 10);
  EXPECT_EQ(retreat(&packet.buffer, 0xFFFFFFFF), NDIS_STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(),
            "NdisRetreatNetBufferDataStart: the data would be longer than a NET_BUFFER can say");
  const ULONG most = 10 + kRetreatBytesMax;
  EXPECT_EQ(retreat(&packet.buffer, most + 1), NDIS_STATUS_RESOURCES);
  EXPECT_EQ(retreat(&packet.buffer, 11, 0xFFFFFFFF), NDIS_STATUS_RESOURCES);
  advance(&packet.buffer, 41, true);
  EXPECT_EQ(driver.breach(),
            "NdisAdvanceNetBufferDataStart: by 41 bytes where there are 40: ignored");
  expect_at(packet.buffer, 10, &packet.mdls[0], 10, 40);
  EXPECT_EQ(retreat(&packet.buffer, most), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(bytes_of(packet.buffer).size(), 50 + kRetreatBytesMax);
  advance(&packet.buffer, most, true);
  EXPECT_EQ(retreat(nullptr, 1), NDIS_STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(), "NdisRetreatNetBufferDataStart: the NET_BUFFER is NULL");
  packet.buffer.DataLength = 90;
  advance(&packet.buffer, 60, true);
  EXPECT_EQ(driver.breach(),
            "NdisAdvanceNetBufferDataStart: the NET_BUFFER says more bytes than its MDLs hold: "
            "ignored");
}

TEST_F(DataStart, OfAllBuffersOrOfNone) {
  Packet packet({50}, 20);
  Packet second({60}, 0);
  packet.buffer.Next = &second.buffer;
  EXPECT_EQ(lists.NdisRetreatNetBufferListDataStart(driver, &packet.list, 14, 0, nullptr, nullptr),
            NDIS_STATUS_SUCCESS);
  EXPECT_EQ(packet.buffer.DataLength, 44u);
  EXPECT_EQ(second.buffer.DataLength, 74u);
  lists.NdisAdvanceNetBufferListDataStart(driver, &packet.list, 14, true, nullptr);
  expect_at(packet.buffer, 20, &packet.mdls[0], 20, 30);
  expect_at(second.buffer, 0, &second.mdls[0], 0, 60);
  EXPECT_EQ(lists.live(driver).mdls, 0u);
  EXPECT_EQ(lists.NdisRetreatNetBufferListDataStart(driver, &packet.list, 14, 0, allocate_nothing,
                                                    nullptr),
            NDIS_STATUS_RESOURCES);
  expect_at(packet.buffer, 20, &packet.mdls[0], 20, 30);
  lists.fail_allocation(2);
  EXPECT_EQ(lists.NdisRetreatNetBufferListDataStart(driver, &packet.list, 24, 0, nullptr, nullptr),
            NDIS_STATUS_RESOURCES);
  expect_at(packet.buffer, 20, &packet.mdls[0], 20, 30);
  expect_at(second.buffer, 0, &second.mdls[0], 0, 60);
  EXPECT_EQ(lists.NdisRetreatNetBufferListDataStart(driver, nullptr, 1, 0, nullptr, nullptr),
            NDIS_STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches().size(), 1u);
}

TEST_F(DataStart, TheDataInOnePiece) {
  alignas(16) std::array<uint8_t, 64> storage{};
  Packet packet({20, 0, 30}, 2);
  uint8_t* in_place = packet.pieces[0].data() + 2;
  const auto get = [&](ULONG bytes, PVOID to, UINT align = 1, UINT offset = 0) {
    return lists.NdisGetDataBuffer(driver, &packet.buffer, bytes, to, align, offset);
  };
  EXPECT_EQ(get(18, nullptr), in_place);
  EXPECT_EQ(get(18, storage.data()), in_place);
  EXPECT_EQ(get(19, nullptr), nullptr) << "they lie in two MDLs";
  EXPECT_EQ(get(48, storage.data()), storage.data());
  EXPECT_TRUE(std::equal(storage.begin(), storage.begin() + 48, counting(2, 48).begin()));
  EXPECT_EQ(get(49, storage.data()), nullptr) << "more than there is";
  EXPECT_EQ(get(0, storage.data()), nullptr);
  advance(&packet.buffer, 18, false);
  EXPECT_EQ(get(30, nullptr), packet.pieces[2].data()) << "past an empty MDL";
  EXPECT_EQ(lists.NdisGetDataBuffer(driver, nullptr, 1, nullptr, 1, 0), nullptr);
  packet.buffer.DataLength = 40;
  EXPECT_EQ(get(35, storage.data()), nullptr);
  EXPECT_EQ(driver.breach(),
            "NdisGetDataBuffer: the NET_BUFFER says more bytes than its MDLs hold");
}

TEST_F(DataStart, TheDataAligned) {
  alignas(16) std::array<uint8_t, 32> storage{};
  Packet packet({40});
  const auto start = reinterpret_cast<uintptr_t>(packet.pieces[0].data());
  for (ULONG by = 0; by < 16; ++by) {
    packet.buffer.DataLength = 40 - by;
    ASSERT_TRUE(set_start(packet.buffer, by));
    for (UINT align : {1u, 2u, 4u, 8u}) {
      for (UINT offset = 0; offset < align; ++offset) {
        const bool fits = (start + by) % align == offset;
        void* got =
            lists.NdisGetDataBuffer(driver, &packet.buffer, 20, storage.data(), align, offset);
        EXPECT_EQ(got, fits ? packet.pieces[0].data() + by : storage.data());
        EXPECT_EQ(std::memcmp(got, counting(uint8_t(by), 20).data(), 20), 0);
      }
    }
  }
}

TEST_F(DataStart, CopyOutNeedsRoomForAll) {
  Packet packet({20, 20}, 5);
  std::vector<uint8_t> room(34, 0xAA);
  EXPECT_FALSE(Lists::copy_out(packet.list, room));
  EXPECT_EQ(room, std::vector<uint8_t>(34, 0xAA));
  room.resize(36, 0xAA);
  EXPECT_TRUE(Lists::copy_out(packet.list, room));
  EXPECT_EQ(room[34], 39);
  EXPECT_EQ(room[35], 0xAA);
  packet.list.FirstNetBuffer = nullptr;
  EXPECT_FALSE(Lists::copy_out(packet.list, room));
}

TEST_F(DataStart, ListInformationIsCopiedButTheEngines) {
  Packet from({1});
  Packet to({1});
  int mine = 0;
  for (PVOID& each : from.list.NetBufferListInfo) each = &from;
  to.list.NetBufferListInfo[WfpNetBufferListInfo] = &mine;
  to.list.NetBufferListInfo[NetBufferListCancelId] = &mine;
  from.list.NblFlags = 3;
  lists.NdisCopyReceiveNetBufferListInfo(driver, &to.list, &from.list);
  EXPECT_EQ(to.list.NetBufferListInfo[Ieee8021QNetBufferListInfo], &from);
  EXPECT_EQ(to.list.NetBufferListInfo[WfpNetBufferListInfo], &mine);
  EXPECT_EQ(to.list.NetBufferListInfo[NetBufferListCancelId], &mine);
  lists.NdisCopySendNetBufferListInfo(driver, &to.list, &from.list);
  EXPECT_EQ(to.list.NetBufferListInfo[WfpNetBufferListInfo], &mine);
  EXPECT_EQ(to.list.NetBufferListInfo[NetBufferListCancelId], &from);
  EXPECT_EQ(to.list.NblFlags, 3u);
  lists.NdisCopySendNetBufferListInfo(driver, nullptr, &from.list);
  EXPECT_EQ(driver.breach(), "NdisCopySendNetBufferListInfo: the NET_BUFFER_LIST is NULL");
}

}  // namespace
}  // namespace hookline::inject
