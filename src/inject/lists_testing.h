// What the tests of Lists share: a driver that remembers its breaches, and packets over memory of
// exactly their size.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "inject/lists.h"

namespace hookline::inject::lists_testing {

class FakeDriver final : public Driver {
 public:
  explicit FakeDriver(std::string its_name = "driver") : name_(std::move(its_name)) {}
  std::string_view name() const override { return name_; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    breaches_.push_back(std::string(function) + ": " + std::string(text));
  }

  // All since the last call.
  std::vector<std::string> breaches() {
    const std::lock_guard lock(mutex_);
    return std::exchange(breaches_, {});
  }
  // The only one since the last call; what is wrong otherwise.
  std::string breach() {
    const std::vector<std::string> all = breaches();
    return all.size() == 1 ? all[0] : "(" + std::to_string(all.size()) + " breaches)";
  }

 private:
  std::string name_;
  std::mutex mutex_;
  std::vector<std::string> breaches_;
};

// A packet that is nobody's: memory in pieces, an MDL for each, and a list of one NET_BUFFER.
struct Packet {
  std::deque<std::vector<uint8_t>> pieces;
  std::deque<MDL> mdls;
  NET_BUFFER buffer;
  NET_BUFFER_LIST list;

  // Pieces of these sizes, filled with 0, 1, 2…; the data start at `offset`.
  explicit Packet(const std::vector<size_t>& sizes, uint32_t offset = 0) {
    std::memset(&buffer, 0, sizeof buffer);
    std::memset(&list, 0, sizeof list);
    uint8_t next = 0;
    for (size_t size : sizes) {
      auto& piece = pieces.emplace_back(size);
      for (uint8_t& byte : piece) byte = next++;
      MDL& mdl = mdls.emplace_back();
      describe(mdl, piece.data(), static_cast<ULONG>(size));
      if (mdls.size() > 1) mdls[mdls.size() - 2].Next = &mdl;
      buffer.DataLength += static_cast<ULONG>(size);
    }
    buffer.MdlChain = mdls.empty() ? nullptr : &mdls[0];
    buffer.DataLength -= offset;
    EXPECT_TRUE(set_start(buffer, offset));
    list.FirstNetBuffer = &buffer;
  }
};

inline std::vector<uint8_t> bytes_of(const NET_BUFFER& buffer) {
  std::vector<uint8_t> bytes(buffer.DataLength);
  EXPECT_TRUE(Lists::copy_out(buffer, bytes)) << "the data do not hold together";
  return bytes;
}
inline std::vector<uint8_t> bytes_of(const NET_BUFFER_LIST& list) {
  return bytes_of(*list.FirstNetBuffer);
}

inline std::vector<uint8_t> counting(uint8_t from, size_t count) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = from++;
  return bytes;
}

inline NET_BUFFER_LIST_POOL_PARAMETERS list_pool(bool with_buffers = true) {
  NET_BUFFER_LIST_POOL_PARAMETERS out{};
  out.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1};
  out.fAllocateNetBuffer = with_buffers;
  return out;
}

inline NET_BUFFER_POOL_PARAMETERS buffer_pool() {
  NET_BUFFER_POOL_PARAMETERS out{};
  out.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_POOL_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1};
  return out;
}

class ListsTest : public ::testing::Test {
 protected:
  // What lists.live(driver) would be of nothing, and no breach was left unlooked at.
  void TearDown() override {
    EXPECT_EQ(lists.live(driver).total(), 0u) << "the test left something";
    EXPECT_EQ(driver.breaches(), std::vector<std::string>{});
  }
  NET_BUFFER_LIST* clone_of(NET_BUFFER_LIST& original) {
    NET_BUFFER_LIST* clone = nullptr;
    EXPECT_EQ(lists.FwpsAllocateCloneNetBufferList0(driver, &original, nullptr, nullptr, 0, &clone),
              STATUS_SUCCESS);
    return clone;
  }
  void free_clone(NET_BUFFER_LIST* clone) { lists.FwpsFreeCloneNetBufferList0(driver, clone, 0); }
  NDIS_STATUS retreat(NET_BUFFER* buffer, ULONG delta, ULONG back_fill = 0) {
    return lists.NdisRetreatNetBufferDataStart(driver, buffer, delta, back_fill, nullptr);
  }
  void advance(NET_BUFFER* buffer, ULONG delta, bool free_mdl = true) {
    lists.NdisAdvanceNetBufferDataStart(driver, buffer, delta, free_mdl, nullptr);
  }

  static void on_released(void* self, const NET_BUFFER_LIST* list) {
    static_cast<ListsTest*>(self)->released.push_back(list);
  }

  FakeDriver driver;
  std::vector<const NET_BUFFER_LIST*> released;
  Lists lists{{&on_released, this}};
};

}  // namespace hookline::inject::lists_testing
