// Run under TSan: what is replaced must not be touched while a reader may see it.
#include "filter/read_section.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace hookline::filter {
namespace {

TEST(ReadSection, AWriterOutsideWaitsForNothing) {
  ReadSection section;
  section.wait_until_over();
  { ReadGuard guard(section); }
  section.wait_until_over();
}

TEST(ReadSection, KnowsItsOwnThread) {
  ReadSection section;
  EXPECT_FALSE(section.is_mine());
  ReadGuard guard(section);
  ReadGuard nested(section);
  EXPECT_TRUE(section.is_mine());
  std::thread([&] { EXPECT_FALSE(section.is_mine()); }).join();
}

TEST(ReadSection, WhatIsReplacedIsFreedOnlyBehindTheReader) {
  ReadSection section;
  std::atomic<int*> shared{new int(0)};
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    int last = 0;
    while (!stop.load()) {
      ReadGuard guard(section);
      const int seen = *shared.load(std::memory_order_seq_cst);
      EXPECT_GE(seen, last);
      last = seen;
    }
  });
  for (int i = 1; i <= 3000; ++i) {
    std::unique_ptr<int> old(shared.exchange(new int(i), std::memory_order_seq_cst));
    section.wait_until_over();
    *old = -1;
  }
  stop = true;
  reader.join();
  delete shared.load();
}

}  // namespace
}  // namespace hookline::filter
