#include "io/linux/child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace hookline::io {
namespace {

bool go_on() { return true; }

TEST(Child, SharesMemory) {
  const auto memory = SharedMemory::make(sizeof(int));
  ASSERT_TRUE(memory);
  auto* const number = static_cast<int*>(memory->data());
  EXPECT_EQ(*number, 0);
  int own = 0;
  const auto end = run_in_child([&] { *number = 7, own = 7; }, go_on);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->how, ChildEnd::How::Exited);
  EXPECT_EQ(end->code, 0);
  EXPECT_EQ(*number, 7);
  EXPECT_EQ(own, 0);
}

TEST(Child, SaysHowItEnded) {
  auto end = run_in_child([] { ::_exit(9); }, go_on);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->how, ChildEnd::How::Exited);
  EXPECT_EQ(end->code, 9);
  end = run_in_child([] { ::raise(SIGKILL); }, go_on);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->how, ChildEnd::How::Killed);
  EXPECT_EQ(signal_name(end->code), "SIGKILL");
}

TEST(Child, IsStopped) {
  int asked = 0;
  const auto end = run_in_child(
      [] {
        for (;;) ::pause();
      },
      [&] { return ++asked < 3; });
  ASSERT_TRUE(end);
  EXPECT_EQ(end->how, ChildEnd::How::Stopped);
  EXPECT_EQ(asked, 3);
}

// What it started may not stay behind: it would hold on to the caller's pipes.
TEST(Child, TakesItsOwnChildrenWithIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const auto end = run_in_child(
      [] {
        if (::fork() == 0) {
          for (;;) ::pause();
        }
      },
      go_on);
  ASSERT_TRUE(end);
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "nobody writes any more";
  ::close(ends[0]);
}

}  // namespace
}  // namespace hookline::io
