// Clones, references and the ends of lists: rules 4, 5a, 22, 23 and 24 of the reference.

#include <array>

#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::bytes_of;
using lists_testing::counting;
using lists_testing::FakeDriver;
using lists_testing::ListsTest;
using lists_testing::Packet;

class Clones : public ListsTest {};

TEST_F(Clones, ShareTheBytesFromTheDataStartOn) {
  Packet packet({100}, 14);
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  EXPECT_EQ(clone->ParentNetBufferList, &packet.list);
  EXPECT_EQ(packet.list.ChildRefCount, 1);
  NET_BUFFER& buffer = *clone->FirstNetBuffer;
  EXPECT_NE(&buffer, &packet.buffer);
  EXPECT_NE(buffer.MdlChain, packet.buffer.MdlChain) << "MDLs are described anew";
  EXPECT_EQ(buffer.DataOffset, 0u);
  EXPECT_EQ(buffer.CurrentMdlOffset, 0u);
  EXPECT_EQ(buffer.MdlChain->MappedSystemVa, packet.pieces[0].data() + 14) << "bytes are shared";
  EXPECT_EQ(bytes_of(*clone), counting(14, 86));
  packet.pieces[0][14] = 0xEE;
  EXPECT_EQ(bytes_of(*clone)[0], 0xEE);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(MmGetMdlVirtualAddress(buffer.MdlChain)),
            reinterpret_cast<uintptr_t>(buffer.MdlChain->MappedSystemVa));
  free_clone(clone);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
  EXPECT_EQ(released, std::vector<const NET_BUFFER_LIST*>{&packet.list});
}

TEST_F(Clones, DescribeEveryMdlOfEveryBuffer) {
  Packet packet({10, 0, 20, 30}, 15);
  Packet second({5, 6}, 0);
  packet.buffer.DataLength -= 3;  // and not to the end
  packet.buffer.Next = &second.buffer;
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  EXPECT_EQ(bytes_of(*clone), counting(15, 42));
  ASSERT_NE(clone->FirstNetBuffer->Next, nullptr);
  EXPECT_EQ(bytes_of(*clone->FirstNetBuffer->Next), counting(0, 11));
  EXPECT_EQ(clone->FirstNetBuffer->Next->Next, nullptr);
  EXPECT_EQ(clone->FirstNetBuffer->MdlChain->ByteCount, 15u);
  EXPECT_EQ(clone->FirstNetBuffer->MdlChain->Next->ByteCount, 27u);
  EXPECT_EQ(lists.live(driver), (Lists::Live{0, 1, 1, 2, 0, 0, 0}));
  free_clone(clone);
}

TEST_F(Clones, OfNoDataAndOfNoBuffers) {
  Packet packet({10}, 10);
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  EXPECT_EQ(bytes_of(*clone).size(), 0u);
  free_clone(clone);
  packet.list.FirstNetBuffer = nullptr;
  clone = clone_of(packet.list);
  EXPECT_EQ(clone->FirstNetBuffer, nullptr);
  free_clone(clone);
}

TEST_F(Clones, HaveACopyOfTheMarkAndOfTheInformation) {
  Packet packet({60});
  Mark mark;
  mark.handle = 7;
  mark.hops = 3;
  mark.before = {5, 6};
  packet.list.NdisReserved[0] = &mark;
  packet.list.NetBufferListInfo[TcpIpChecksumNetBufferListInfo] = &mark;
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  NET_BUFFER_LIST* of_clone = clone_of(*clone);
  mark.handle = 0;
  for (const NET_BUFFER_LIST* list : {clone, of_clone}) {
    ASSERT_NE(Mark::of(*list), nullptr);
    EXPECT_NE(Mark::of(*list), &mark);
    EXPECT_EQ(Mark::of(*list)->handle, 7u);
    EXPECT_EQ(Mark::of(*list)->hops, 3u);
    EXPECT_EQ(Mark::of(*list)->before[1], 6u);
    EXPECT_EQ(Mark::of(*list), lists.mark_room(*list));
    EXPECT_EQ(list->NetBufferListInfo[TcpIpChecksumNetBufferListInfo], &mark);
  }
  free_clone(of_clone);
  free_clone(clone);
  Packet unmarked({60});
  clone = clone_of(unmarked.list);
  EXPECT_EQ(Mark::of(*clone), nullptr);
  free_clone(clone);
}

TEST_F(Clones, ChildRefCountCountsClonesAndReferences) {
  Packet packet({60});
  NET_BUFFER_LIST* a = clone_of(packet.list);
  NET_BUFFER_LIST* b = clone_of(packet.list);
  lists.FwpsReferenceNetBufferList0(driver, &packet.list, true);
  lists.FwpsReferenceNetBufferList0(driver, &packet.list, false);
  EXPECT_EQ(packet.list.ChildRefCount, 4);
  EXPECT_EQ(lists.live(driver).references, 2u);
  lists.FwpsDereferenceNetBufferList0(driver, &packet.list, true);
  free_clone(a);
  lists.FwpsDereferenceNetBufferList0(driver, &packet.list, false);
  EXPECT_TRUE(Lists::is_held(packet.list));
  EXPECT_EQ(released.size(), 0u);
  free_clone(b);
  EXPECT_FALSE(Lists::is_held(packet.list));
  EXPECT_EQ(released.size(), 1u);
}

TEST_F(Clones, WrongArgumentsChangeNothing) {
  Packet packet({60});
  NET_BUFFER_LIST* out = nullptr;
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, nullptr, nullptr, nullptr, 0, &out),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(), "FwpsAllocateCloneNetBufferList0: the NET_BUFFER_LIST is NULL");
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 1, &out),
            STATUS_FWP_INVALID_FLAGS);
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, &packet, nullptr, 0, &out),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(),
            "FwpsAllocateCloneNetBufferList0: the handle is no NET_BUFFER_LIST pool of this "
            "driver, or was freed");
  EXPECT_EQ(
      lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, nullptr),
      STATUS_INVALID_PARAMETER);
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, OfHostileLengthsAreRefused) {
  const auto refused = [&](Packet& packet) {
    NET_BUFFER_LIST* out = nullptr;
    EXPECT_EQ(
        lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, &out),
        STATUS_INVALID_PARAMETER);
    EXPECT_EQ(driver.breach(),
              "FwpsAllocateCloneNetBufferList0: a NET_BUFFER of the original says more bytes than "
              "its MDLs hold");
    std::vector<uint8_t> room(100);
    EXPECT_FALSE(Lists::copy_out(packet.list, room));
    EXPECT_EQ(packet.list.ChildRefCount, 0);
  };
  Packet longer({20, 20});
  longer.buffer.DataLength = 41;
  refused(longer);
  Packet behind({20, 20});
  behind.buffer.DataOffset = 41;
  behind.buffer.DataLength = 0;
  refused(behind);
  Packet overflow({20});
  overflow.buffer.DataOffset = 0xFFFFFFF0;
  overflow.buffer.DataLength = 0x20;
  refused(overflow);
  Packet elsewhere({20, 20});  // CurrentMdl and DataOffset say different places
  elsewhere.buffer.CurrentMdl = &elsewhere.mdls[1];
  refused(elsewhere);
  Packet unmapped({20});
  unmapped.mdls[0].MappedSystemVa = nullptr;
  refused(unmapped);
  Packet endless({20, 0});
  endless.mdls[1].Next = &endless.mdls[1];
  endless.buffer.DataLength = 21;
  refused(endless);
}

TEST_F(Clones, OfAListThatNeverEndsAreRefused) {
  Packet packet({20});
  packet.buffer.Next = &packet.buffer;
  NET_BUFFER_LIST* out = nullptr;
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, &out),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches().size(), 1u);
  EXPECT_EQ(lists.live(driver).buffers, 0u) << "those made before were freed";
  std::deque<Packet> packets;
  for (size_t i = 0; i < kBuffersMax; ++i) {
    packets.emplace_back(std::vector<size_t>{1});
    if (i > 0) packets[i - 1].buffer.Next = &packets[i].buffer;
  }
  free_clone(clone_of(packets[0].list));
}

TEST_F(Clones, FreedMemoryIsOverwrittenOrPoisoned) {
  Packet packet({20});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  auto* seen = reinterpret_cast<volatile uint8_t*>(clone);
  free_clone(clone);
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_DEATH(seen[8] = 1, "use-after-poison");
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  EXPECT_DEATH(seen[8] = 1, "use-after-poison");
#endif
#else
  for (size_t i = 0; i < sizeof(NET_BUFFER_LIST); ++i) ASSERT_EQ(seen[i], 0xDD);
#endif
}

// --- breaches -----------------------------------------------------------------------------------

TEST_F(Clones, FreedTwiceAreFreedOnce) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  free_clone(clone);
  free_clone(clone);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: the NET_BUFFER_LIST was freed before: ignored");
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, FreedByTheWrongFunctionAreFreedAllTheSame) {
  Packet packet({60});
  lists.FwpsFreeNetBufferList0(driver, clone_of(packet.list));
  EXPECT_EQ(driver.breach(),
            "FwpsFreeNetBufferList0: the wrong function for what FwpsAllocateCloneNetBufferList0 "
            "allocated; freed all the same");
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, UsedAfterTheirEndAreRefused) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  free_clone(clone);
  NET_BUFFER_LIST* out = nullptr;
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, clone, nullptr, nullptr, 0, &out),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(), "FwpsAllocateCloneNetBufferList0: the NET_BUFFER_LIST was freed");
  lists.FwpsReferenceNetBufferList0(driver, clone, true);
  EXPECT_EQ(driver.breach(), "FwpsReferenceNetBufferList0: the NET_BUFFER_LIST was freed");
  EXPECT_FALSE(lists.lend(*clone));
}

TEST_F(Clones, WhatWasNeverAllocatedIsNotFreed) {
  Packet packet({60});
  free_clone(&packet.list);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: the NET_BUFFER_LIST was not allocated here: ignored");
  free_clone(nullptr);
  EXPECT_EQ(driver.breach(), "FwpsFreeCloneNetBufferList0: the NET_BUFFER_LIST is NULL");
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  // Within a block, but not its beginning.
  free_clone(reinterpret_cast<NET_BUFFER_LIST*>(reinterpret_cast<char*>(clone) + 16));
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: the NET_BUFFER_LIST was not allocated here: ignored");
  free_clone(clone);
}

TEST_F(Clones, OfAnotherDriverAreNotFreed) {
  FakeDriver other("other");
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  lists.FwpsFreeCloneNetBufferList0(other, clone, 0);
  EXPECT_EQ(other.breach(), "FwpsFreeCloneNetBufferList0: it is another driver's: ignored");
  free_clone(clone);
}

TEST_F(Clones, FreedWhileClonedGoWithTheLast) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  NET_BUFFER_LIST* of_clone = clone_of(*clone);
  free_clone(clone);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: freed while clones or references of it are left (1): it "
            "goes with the last of them");
  EXPECT_EQ(packet.list.ChildRefCount, 1) << "its bytes are still needed";
  EXPECT_EQ(bytes_of(*of_clone), counting(0, 60));
  free_clone(clone);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: the NET_BUFFER_LIST was freed before: ignored");
  free_clone(of_clone);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, LentOnesAreNeitherFreedNorLentAgain) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  EXPECT_TRUE(lists.lend(*clone));
  EXPECT_FALSE(lists.lend(*clone));
  free_clone(clone);
  EXPECT_EQ(driver.breach(), "FwpsFreeCloneNetBufferList0: its injection is pending: ignored");
  NET_BUFFER_LIST* of_clone = clone_of(*clone);  // another callout's
  free_clone(of_clone);
  lists.give_back(*clone);
  free_clone(clone);
  EXPECT_TRUE(lists.lend(packet.list)) << "not made here";
}

TEST_F(Clones, ADereferenceTooMany) {
  Packet packet({60});
  FakeDriver other("other");
  lists.FwpsReferenceNetBufferList0(other, &packet.list, true);
  lists.FwpsDereferenceNetBufferList0(driver, &packet.list, false);
  EXPECT_EQ(driver.breach(),
            "FwpsDereferenceNetBufferList0: it holds no reference of this list: ignored");
  EXPECT_EQ(packet.list.ChildRefCount, 1);
  lists.FwpsDereferenceNetBufferList0(other, &packet.list, false);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, WithForeignBuffersAndMdls) {
  Packet packet({60});
  Packet inserted({10});
  const std::string breach =
      "FwpsFreeCloneNetBufferList0: freed with NET_BUFFERs or MDLs that are not its own; they were "
      "left out";
  const std::vector<std::function<void(NET_BUFFER_LIST*)>> insertions = {
      [&](NET_BUFFER_LIST* clone) { clone->FirstNetBuffer = &inserted.buffer; },
      [&](NET_BUFFER_LIST* clone) { clone->FirstNetBuffer->Next = &inserted.buffer; },
      [&](NET_BUFFER_LIST* clone) { clone->FirstNetBuffer->MdlChain = &inserted.mdls[0]; },
      [&](NET_BUFFER_LIST* clone) { clone->FirstNetBuffer->MdlChain = nullptr; },
      [&](NET_BUFFER_LIST* clone) { clone->FirstNetBuffer->MdlChain->Next = &inserted.mdls[0]; },
  };
  for (const auto& insert : insertions) {
    NET_BUFFER_LIST* clone = clone_of(packet.list);
    insert(clone);
    free_clone(clone);
    EXPECT_EQ(driver.breach(), breach);
  }
}

TEST_F(Clones, WithAForgottenAdvance) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  EXPECT_EQ(retreat(clone->FirstNetBuffer, 20), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(lists.live(driver).mdls, 1u);
  free_clone(clone);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: freed with an MDL that a retreat made: the advance was "
            "forgotten; it is freed");
  EXPECT_EQ(lists.live(driver).mdls, 0u);
}

TEST_F(Clones, WithAForgottenRetreat) {
  Packet packet({60});
  NET_BUFFER_LIST* clone = clone_of(packet.list);
  advance(clone->FirstNetBuffer, 20, false);
  free_clone(clone);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeCloneNetBufferList0: freed with its data start advanced by 20 bytes, and not "
            "put back");
}

// --- unloading ----------------------------------------------------------------------------------

TEST_F(Clones, OfAnUnloadedDriverReleaseTheirParent) {
  Packet packet({60, 60});
  FakeDriver leaky("leaky");
  NET_BUFFER_LIST* clone = nullptr;
  for (int i = 0; i < 2; ++i) {
    lists.FwpsAllocateCloneNetBufferList0(leaky, &packet.list, nullptr, nullptr, 0, &clone);
  }
  NET_BUFFER_LIST* of_clone = nullptr;
  lists.FwpsAllocateCloneNetBufferList0(leaky, clone, nullptr, nullptr, 0, &of_clone);
  lists.FwpsReferenceNetBufferList0(leaky, &packet.list, true);
  lists.FwpsReferenceNetBufferList0(leaky, &packet.list, true);
  lists.NdisRetreatNetBufferDataStart(leaky, clone->FirstNetBuffer, 20, 0, nullptr);
  EXPECT_EQ(lists.live(leaky), (Lists::Live{0, 3, 0, 4, 0, 2, 0}));
  lists.driver_unloaded(leaky);
  const std::vector<std::string> said = {
      "FwpsReferenceNetBufferList0: 2 references are left at unload; freed now",
      "FwpsAllocateCloneNetBufferList0: 3 clones are left at unload; freed now",
      "NdisRetreatNetBufferDataStart: 1 MDL is left at unload; freed now"};
  EXPECT_EQ(leaky.breaches(), said);
  EXPECT_EQ(lists.live(leaky).total(), 0u);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
  EXPECT_FALSE(released.empty());
}

TEST_F(Clones, OfAnUnloadedDriverThatOthersNeedStay) {
  Packet packet({60, 60});
  FakeDriver leaky("leaky");
  NET_BUFFER_LIST* clone = nullptr;
  lists.FwpsAllocateCloneNetBufferList0(leaky, &packet.list, nullptr, nullptr, 0, &clone);
  NET_BUFFER_LIST* of_clone = clone_of(*clone);
  lists.driver_unloaded(leaky);
  EXPECT_EQ(leaky.breach(),
            "FwpsAllocateCloneNetBufferList0: 1 clone is left at unload; freed now");
  EXPECT_EQ(lists.live(leaky).total(), 0u);
  EXPECT_EQ(packet.list.ChildRefCount, 1);
  EXPECT_EQ(bytes_of(*of_clone), counting(0, 120));
  free_clone(of_clone);
  EXPECT_EQ(packet.list.ChildRefCount, 0);
  lists.driver_unloaded(leaky);  // nothing known of it
  EXPECT_TRUE(leaky.breaches().empty());
}

TEST_F(Clones, OfAsManyDriversAsThereCanBe) {
  Packet packet({60});
  std::deque<FakeDriver> drivers(kListOwnersMax);
  for (FakeDriver& each : drivers) lists.FwpsReferenceNetBufferList0(each, &packet.list, true);
  EXPECT_EQ(packet.list.ChildRefCount, LONG{kListOwnersMax});
  for (FakeDriver& each : drivers) {
    EXPECT_EQ(lists.live(each).references, 1u);
    lists.driver_unloaded(each);
  }
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

TEST_F(Clones, DriversComeAndGo) {
  Packet packet({60});
  for (size_t i = 0; i < 3 * kListOwnersMax; ++i) {
    FakeDriver one;
    FakeDriver two;
    for (FakeDriver* each : {&one, &two}) {
      NET_BUFFER_LIST* clone = nullptr;
      ASSERT_EQ(
          lists.FwpsAllocateCloneNetBufferList0(*each, &packet.list, nullptr, nullptr, 0, &clone),
          STATUS_SUCCESS);
    }
    lists.driver_unloaded(one);
    EXPECT_EQ(lists.live(two).clones, 1u);
    lists.driver_unloaded(two);
  }
  EXPECT_EQ(packet.list.ChildRefCount, 0);
}

}  // namespace
}  // namespace hookline::inject
