#include "server/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace hookline::server {
namespace {

class CountingWakeups final : public io::Wakeups {
 public:
  void wait(int64_t) override {}
  void wake() override { ++wakes; }
  std::atomic<int> wakes{0};
};

TEST(Mailbox, RunsEachJobOnceOnTheServingThread) {
  CountingWakeups wakeups;
  Mailbox mailbox(wakeups);
  std::atomic<bool> stop{false};
  std::thread::id ran_on;
  int sum = 0;  // touched by the packet thread only: TSan would tell otherwise
  std::thread packet_thread([&] {
    while (!stop) mailbox.serve();
    mailbox.close();
  });
  const std::thread::id packet_thread_id = packet_thread.get_id();
  for (int i = 1; i <= 100; ++i) {
    EXPECT_TRUE(mailbox.call([&] {
      sum += i;
      ran_on = std::this_thread::get_id();
    }));
  }
  EXPECT_EQ(ran_on, packet_thread_id);
  stop = true;
  packet_thread.join();
  EXPECT_EQ(sum, 5050);
  EXPECT_EQ(wakeups.wakes, 100);
}

TEST(Mailbox, NobodyWaitsForAThreadThatStopped) {
  CountingWakeups wakeups;
  Mailbox mailbox(wakeups);
  bool ran = false;
  std::thread caller([&] { EXPECT_FALSE(mailbox.call([&] { ran = true; })); });
  while (wakeups.wakes == 0) std::this_thread::yield();
  mailbox.close();
  caller.join();
  EXPECT_FALSE(ran);
  EXPECT_FALSE(mailbox.call([&] { ran = true; }));
}

}  // namespace
}  // namespace hookline::server
