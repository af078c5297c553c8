// Pools, generic objects, lists made over a driver's own MDLs, and every function without memory.

#include <functional>

#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::buffer_pool;
using lists_testing::bytes_of;
using lists_testing::counting;
using lists_testing::FakeDriver;
using lists_testing::list_pool;
using lists_testing::ListsTest;
using lists_testing::Packet;

class Pools : public ListsTest {
 protected:
  NDIS_HANDLE make_pool(bool with_buffers = true) {
    const NET_BUFFER_LIST_POOL_PARAMETERS parameters = list_pool(with_buffers);
    return lists.NdisAllocateNetBufferListPool(driver, nullptr, &parameters);
  }
  NTSTATUS make_list(NDIS_HANDLE pool, Packet& packet, ULONG offset, SIZE_T length,
                     NET_BUFFER_LIST** out, USHORT context = 0, USHORT back_fill = 0) {
    return lists.FwpsAllocateNetBufferAndNetBufferList0(
        driver, pool, context, back_fill, packet.buffer.MdlChain, offset, length, out);
  }
};

TEST_F(Pools, AListOverTheDriversMdls) {
  NDIS_HANDLE pool = make_pool();
  Packet packet({20, 80});
  NET_BUFFER_LIST* list = nullptr;
  ASSERT_EQ(make_list(pool, packet, 14, 70, &list), STATUS_SUCCESS);
  EXPECT_EQ(list->FirstNetBuffer->MdlChain, &packet.mdls[0]);
  EXPECT_EQ(list->FirstNetBuffer->CurrentMdlOffset, 14u);
  EXPECT_EQ(list->NdisPoolHandle, pool);
  EXPECT_EQ(list->Next, nullptr);
  EXPECT_EQ(Mark::of(*list), nullptr);
  EXPECT_EQ(bytes_of(*list), counting(14, 70));
  EXPECT_EQ(retreat(list->FirstNetBuffer, 34), NDIS_STATUS_SUCCESS);
  advance(list->FirstNetBuffer, 34);
  EXPECT_EQ(lists.live(driver), (Lists::Live{1, 0, 0, 0, 1, 0, 0}));
  lists.FwpsFreeNetBufferList0(driver, list);
  lists.NdisFreeNetBufferListPool(driver, pool);
}

TEST_F(Pools, TheDriversMdlsMayBeGoneWhenTheListIsFreed) {
  NDIS_HANDLE pool = make_pool();
  auto packet = std::make_unique<Packet>(std::vector<size_t>{20, 80});
  NET_BUFFER_LIST* list = nullptr;
  ASSERT_EQ(make_list(pool, *packet, 0, 100, &list), STATUS_SUCCESS);
  packet.reset();
  lists.FwpsFreeNetBufferList0(driver, list);
  lists.NdisFreeNetBufferListPool(driver, pool);
}

TEST_F(Pools, AListFreedWithAForgottenAdvance) {
  NDIS_HANDLE pool = make_pool();
  Packet packet({20, 80});
  NET_BUFFER_LIST* list = nullptr;
  ASSERT_EQ(make_list(pool, packet, 10, 90, &list), STATUS_SUCCESS);
  EXPECT_EQ(retreat(list->FirstNetBuffer, 4), NDIS_STATUS_SUCCESS);
  lists.FwpsFreeNetBufferList0(driver, list);
  EXPECT_EQ(driver.breach(),
            "FwpsFreeNetBufferList0: freed with its data start retreated by 4 bytes, and not put "
            "back");
  ASSERT_EQ(make_list(pool, packet, 10, 90, &list), STATUS_SUCCESS);
  EXPECT_EQ(retreat(list->FirstNetBuffer, 14), NDIS_STATUS_SUCCESS);
  lists.FwpsFreeCloneNetBufferList0(driver, list, 0);
  const std::vector<std::string> said = {
      "FwpsFreeCloneNetBufferList0: the wrong function for what "
      "FwpsAllocateNetBufferAndNetBufferList0 allocated; freed all the same",
      "FwpsFreeCloneNetBufferList0: freed with an MDL that a retreat made: the advance was "
      "forgotten; it is freed"};
  EXPECT_EQ(driver.breaches(), said);
  lists.NdisFreeNetBufferListPool(driver, pool);
}

TEST_F(Pools, AListWithoutDataAndWithContext) {
  NDIS_HANDLE pool = make_pool();
  Packet none({});
  for (USHORT size : {0, 1, 100, 0xFFFF}) {
    for (USHORT back_fill : {0, 16, 0xFFFF}) {
      NET_BUFFER_LIST* list = nullptr;
      ASSERT_EQ(make_list(pool, none, 0, 0, &list, size, back_fill), STATUS_SUCCESS);
      EXPECT_EQ(list->FirstNetBuffer->MdlChain, nullptr);
      if (size + back_fill != 0) {
        ASSERT_NE(list->Context, nullptr);
        EXPECT_EQ(NET_BUFFER_LIST_CONTEXT_DATA_SIZE(list), size);
        EXPECT_EQ(list->Context->Offset, back_fill);
        std::memset(NET_BUFFER_LIST_CONTEXT_DATA_START(list), 0x55, size);
      }
      lists.FwpsFreeNetBufferList0(driver, list);
    }
  }
  lists.NdisFreeNetBufferListPool(driver, pool);
}

TEST_F(Pools, MoreDataThanTheMdlsHold) {
  NDIS_HANDLE pool = make_pool();
  Packet packet({20, 80});
  NET_BUFFER_LIST* list = nullptr;
  const std::pair<ULONG, SIZE_T> wrong[] = {
      {0, 101}, {1, 100}, {101, 0}, {0, 0x100000000}, {0xFFFFFFFF, 1}};
  for (const auto& [offset, length] : wrong) {
    EXPECT_EQ(make_list(pool, packet, offset, length, &list), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(driver.breach(),
              "FwpsAllocateNetBufferAndNetBufferList0: more data than the MDLs hold");
  }
  EXPECT_EQ(list, nullptr);
  lists.NdisFreeNetBufferListPool(driver, pool);
}

TEST_F(Pools, OfTheRightKindOnly) {
  NDIS_HANDLE without = make_pool(false);
  NET_BUFFER_POOL_PARAMETERS of_buffers = buffer_pool();
  NDIS_HANDLE buffers = lists.NdisAllocateNetBufferPool(driver, nullptr, &of_buffers);
  Packet packet({20});
  NET_BUFFER_LIST* list = nullptr;
  EXPECT_EQ(make_list(without, packet, 0, 20, &list), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breach(),
            "FwpsAllocateNetBufferAndNetBufferList0: its pool has no fAllocateNetBuffer, or a "
            "DataSize");
  for (NDIS_HANDLE wrong : {buffers, NDIS_HANDLE{}, NDIS_HANDLE{&packet}}) {
    EXPECT_EQ(make_list(wrong, packet, 0, 20, &list), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(driver.breach(),
              "FwpsAllocateNetBufferAndNetBufferList0: the handle is no NET_BUFFER_LIST pool of "
              "this driver, or was freed");
  }
  FakeDriver other("other");
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(other, &packet.list, without, buffers, 0, &list),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(other.breaches().size(), 1u);
  EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, without, buffers, 0, &list),
            STATUS_SUCCESS);
  EXPECT_EQ(list->NdisPoolHandle, without);
  EXPECT_EQ(list->FirstNetBuffer->NdisPoolHandle, buffers);
  free_clone(list);
  lists.NdisFreeNetBufferListPool(driver, without);
  lists.NdisFreeNetBufferPool(driver, buffers);
}

TEST_F(Pools, WithWrongParameters) {
  NET_BUFFER_LIST_POOL_PARAMETERS of_lists = list_pool();
  of_lists.Header.Revision = 0;
  EXPECT_EQ(lists.NdisAllocateNetBufferListPool(driver, nullptr, &of_lists), nullptr);
  of_lists = list_pool();
  of_lists.Header.Size = 4;
  EXPECT_EQ(lists.NdisAllocateNetBufferListPool(driver, nullptr, &of_lists), nullptr);
  of_lists = list_pool(false);
  of_lists.DataSize = 100;
  EXPECT_EQ(lists.NdisAllocateNetBufferListPool(driver, nullptr, &of_lists), nullptr);
  EXPECT_EQ(lists.NdisAllocateNetBufferListPool(driver, nullptr, nullptr), nullptr);
  NET_BUFFER_POOL_PARAMETERS of_buffers = buffer_pool();
  of_buffers.Header.Type = 0;
  EXPECT_EQ(lists.NdisAllocateNetBufferPool(driver, nullptr, &of_buffers), nullptr);
  EXPECT_EQ(driver.breaches().size(), 5u);
}

TEST_F(Pools, FreedWhileListsAreLeft) {
  NDIS_HANDLE pool = make_pool();
  Packet packet({20});
  NET_BUFFER_LIST* list = nullptr;
  ASSERT_EQ(make_list(pool, packet, 0, 20, &list), STATUS_SUCCESS);
  lists.NdisFreeNetBufferListPool(driver, pool);
  EXPECT_EQ(driver.breach(),
            "NdisFreeNetBufferListPool: freed while lists from it are left (1): it goes with the "
            "last of them");
  NET_BUFFER_LIST* another = nullptr;
  EXPECT_EQ(make_list(pool, packet, 0, 20, &another), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches().size(), 1u);
  lists.FwpsFreeNetBufferList0(driver, list);
  EXPECT_EQ(lists.live(driver).pools, 0u);
  lists.NdisFreeNetBufferListPool(driver, pool);
  EXPECT_EQ(driver.breach(),
            "NdisFreeNetBufferListPool: the handle is no NET_BUFFER_LIST pool of this driver, or "
            "was freed");
}

TEST_F(Pools, GenericObjects) {
  int driver_object = 0;
  auto* object = lists.NdisAllocateGenericObject(
      driver, reinterpret_cast<struct _DRIVER_OBJECT*>(&driver_object), 0x74736554, 0);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->Header.Type, NDIS_OBJECT_TYPE_DEFAULT);
  EXPECT_EQ(static_cast<void*>(object->DriverObject), &driver_object);
  auto* large = lists.NdisAllocateGenericObject(driver, nullptr, 0x74736554, 0xFFFF);
  std::memset(large + 1, 1, 0xFFFF);
  EXPECT_EQ(lists.live(driver).objects, 2u);
  lists.NdisFreeGenericObject(driver, large);
  lists.NdisFreeGenericObject(driver, large);  // its memory has gone back by now
  lists.NdisFreeGenericObject(driver, object);
  lists.NdisFreeGenericObject(driver, object);
  lists.NdisFreeGenericObject(driver, nullptr);
  EXPECT_EQ(driver.breaches(),
            std::vector<std::string>(
                3, "NdisFreeGenericObject: not an object of its own, or freed before: ignored"));
}

TEST_F(Pools, AllThatAnUnloadedDriverLeft) {
  FakeDriver leaky("leaky");
  const NET_BUFFER_LIST_POOL_PARAMETERS of_lists = list_pool();
  const NET_BUFFER_POOL_PARAMETERS of_buffers = buffer_pool();
  NDIS_HANDLE pool = lists.NdisAllocateNetBufferListPool(leaky, nullptr, &of_lists);
  lists.NdisAllocateNetBufferPool(leaky, nullptr, &of_buffers);
  lists.NdisAllocateGenericObject(leaky, nullptr, 0, 20000);
  Packet packet({20});
  NET_BUFFER_LIST* list = nullptr;
  ASSERT_EQ(lists.FwpsAllocateNetBufferAndNetBufferList0(leaky, pool, 0, 0, &packet.mdls[0], 0, 20,
                                                         &list),
            STATUS_SUCCESS);
  NET_BUFFER_LIST* clone = nullptr;
  lists.FwpsAllocateCloneNetBufferList0(leaky, list, pool, nullptr, 0, &clone);
  lists.NdisRetreatNetBufferDataStart(leaky, &packet.buffer, 20, 0, nullptr);
  EXPECT_EQ(lists.live(leaky), (Lists::Live{1, 1, 0, 1, 2, 0, 1}));
  lists.driver_unloaded(leaky);
  const std::vector<std::string> said = {
      "FwpsAllocateCloneNetBufferList0: 1 clone is left at unload; freed now",
      "FwpsAllocateNetBufferAndNetBufferList0: 1 list is left at unload; freed now",
      "NdisRetreatNetBufferDataStart: 1 MDL is left at unload; freed now",
      "NdisAllocateNetBufferListPool: 1 pool is left at unload; freed now",
      "NdisAllocateNetBufferPool: 1 pool is left at unload; freed now",
      "NdisAllocateGenericObject: 1 object is left at unload; freed now"};
  EXPECT_EQ(leaky.breaches(), said);
  EXPECT_EQ(lists.live(leaky).total(), 0u);
}

// --- without memory -----------------------------------------------------------------------------

// One use of every function; `again` undoes what was done. False: something was refused for want of
// memory, and then nothing may have changed.
bool use_everything(Lists& lists, FakeDriver& driver, Packet& packet) {
  const NET_BUFFER_LIST_POOL_PARAMETERS of_lists = list_pool();
  const NET_BUFFER_POOL_PARAMETERS of_buffers = buffer_pool();
  NDIS_HANDLE pool = lists.NdisAllocateNetBufferListPool(driver, nullptr, &of_lists);
  NDIS_HANDLE buffers = lists.NdisAllocateNetBufferPool(driver, nullptr, &of_buffers);
  auto* object = lists.NdisAllocateGenericObject(driver, nullptr, 0, 40000);
  bool all = pool != nullptr && buffers != nullptr && object != nullptr;

  const auto note = [&](NTSTATUS status) {
    EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_INSUFFICIENT_RESOURCES) << status;
    all = all && status == STATUS_SUCCESS;
    return status == STATUS_SUCCESS;
  };
  static const uint8_t address[4] = {10, 0, 0, 1};
  NET_BUFFER_LIST* clone = nullptr;
  if (buffers != nullptr && pool != nullptr &&
      note(lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, pool, buffers, 0, &clone))) {
    if (note(lists.NdisRetreatNetBufferDataStart(driver, clone->FirstNetBuffer, 9, 3, nullptr))) {
      lists.NdisAdvanceNetBufferDataStart(driver, clone->FirstNetBuffer, 9, true, nullptr);
    }
    if (note(lists.NdisRetreatNetBufferListDataStart(driver, clone, 9, 3, nullptr, nullptr))) {
      lists.NdisAdvanceNetBufferListDataStart(driver, clone, 9, true, nullptr);
    }
    note(lists.FwpsConstructIpHeaderForTransportPacket0(
        driver, clone, 0, HOOKLINE_AF_INET, address, address, 99, 0, nullptr, 0, 0, nullptr, 0, 0));
    lists.FwpsFreeCloneNetBufferList0(driver, clone, 0);
  }
  NET_BUFFER_LIST* list = nullptr;
  if (pool != nullptr && note(lists.FwpsAllocateNetBufferAndNetBufferList0(
                             driver, pool, 8, 8, packet.buffer.MdlChain, 0, 10, &list))) {
    lists.FwpsReferenceNetBufferList0(driver, list, true);  // works without memory
    EXPECT_EQ(list->ChildRefCount, 1);
    lists.FwpsDereferenceNetBufferList0(driver, list, false);
    EXPECT_EQ(list->ChildRefCount, 0);
    lists.FwpsFreeNetBufferList0(driver, list);
  }
  if (object != nullptr) lists.NdisFreeGenericObject(driver, object);
  if (buffers != nullptr) lists.NdisFreeNetBufferPool(driver, buffers);
  if (pool != nullptr) lists.NdisFreeNetBufferListPool(driver, pool);
  return all;
}

TEST_F(Pools, EveryAllocationFailsOnceAndNothingIsLeft) {
  Packet packet({30, 30});
  Packet second({30, 10});
  packet.buffer.Next = &second.buffer;
  lists.fail_allocation(0);
  ASSERT_TRUE(use_everything(lists, driver, packet));
  const uint64_t sites = lists.fail_allocation(0);
  ASSERT_EQ(sites, 3u + 4 + 1 + 2 + 2 + 1 + 1);
  size_t refused = 0;
  for (uint64_t n = 1; n <= sites; ++n) {
    lists.fail_allocation(n);
    refused += !use_everything(lists, driver, packet);
    EXPECT_EQ(lists.live(driver).total(), 0u) << "allocation " << n;
    EXPECT_EQ(packet.list.ChildRefCount, 0) << "allocation " << n;
    EXPECT_TRUE(bytes_of(packet.buffer) == counting(0, 60)) << "allocation " << n;
    EXPECT_EQ(driver.breaches(), std::vector<std::string>{}) << "allocation " << n;
  }
  EXPECT_EQ(refused, sites - 1) << "all but the reference's";
}

TEST_F(Pools, AReferenceThatCouldNotBeNotedIsLostAtUnloadAndSaid) {
  Packet packet({30});
  lists.fail_allocation(1);
  lists.FwpsReferenceNetBufferList0(driver, &packet.list, true);
  EXPECT_EQ(lists.live(driver).references, 1u);
  lists.driver_unloaded(driver);
  EXPECT_EQ(driver.breach(),
            "FwpsReferenceNetBufferList0: 1 reference is left at unload; freed now");
  EXPECT_EQ(lists.live(driver).references, 0u);
}

// kBlockSlabsMax: then there is no memory, until something is freed.
TEST_F(Pools, AtTheBoundOfAllMemory) {
  std::vector<PNDIS_GENERIC_OBJECT> objects;
  // Of many sizes, so that their addresses are not evenly spread.
  for (size_t i = 0;; ++i) {
    const auto size = USHORT(17000 + i * 7919 % 48000);
    auto* object = lists.NdisAllocateGenericObject(driver, nullptr, 0, size);
    if (object == nullptr) break;
    objects.push_back(object);
  }
  EXPECT_EQ(objects.size(), kBlockSlabsMax);
  Packet packet({30});
  NET_BUFFER_LIST* clone = nullptr;
  EXPECT_EQ(
      lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, &clone),
      STATUS_INSUFFICIENT_RESOURCES);
  lists.NdisFreeGenericObject(driver, objects.back());
  objects.pop_back();
  free_clone(clone_of(packet.list));
  for (auto* object : objects) lists.NdisFreeGenericObject(driver, object);
}

}  // namespace
}  // namespace hookline::inject
