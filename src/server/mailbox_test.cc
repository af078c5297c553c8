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
    const auto job = [&] {
      sum += i;
      ran_on = std::this_thread::get_id();
    };
    EXPECT_EQ(mailbox.call(job), Mailbox::Outcome::Done);
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
  std::thread caller(
      [&] { EXPECT_EQ(mailbox.call([&] { ran = true; }), Mailbox::Outcome::Closed); });
  while (wakeups.wakes == 0) std::this_thread::yield();
  mailbox.close();
  caller.join();
  EXPECT_FALSE(ran);
  EXPECT_EQ(mailbox.call([&] { ran = true; }), Mailbox::Outcome::Closed);
}

TEST(Mailbox, AJobThatNobodyBeginsWithIsTakenBack) {
  CountingWakeups wakeups;
  Mailbox mailbox(wakeups, std::chrono::milliseconds(1));
  bool ran = false;
  EXPECT_EQ(mailbox.call([&] { ran = true; }), Mailbox::Outcome::Refused);
  mailbox.serve();
  EXPECT_FALSE(ran);
}

TEST(Mailbox, AJobThatWasBegunIsWaitedFor) {
  CountingWakeups wakeups;
  Mailbox mailbox(wakeups, std::chrono::milliseconds(1));
  std::atomic<bool> stop{false};
  std::thread packet_thread([&] {
    while (!stop) mailbox.serve();
    mailbox.close();
  });
  bool ended = false;
  Mailbox::Outcome outcome = Mailbox::Outcome::Refused;
  while (outcome == Mailbox::Outcome::Refused) {  // a busy machine may be that late
    outcome = mailbox.call([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = true;
    });
    EXPECT_EQ(ended, outcome == Mailbox::Outcome::Done);
  }
  stop = true;
  packet_thread.join();
  EXPECT_EQ(outcome, Mailbox::Outcome::Done);
}

}  // namespace
}  // namespace hookline::server
