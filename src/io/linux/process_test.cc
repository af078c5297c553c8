// Clock, background thread, signals, notification, privileges: each against the real system.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "io/linux/background.h"
#include "io/linux/clock.h"
#include "io/linux/notify.h"
#include "io/linux/privileges.h"
#include "io/linux/signals.h"

namespace hookline::io {
namespace {

// What can't be taken back happens in a child.
void in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Clock, DoesNotGoBack) {
  LinuxClock clock;
  const ClockReading first = clock.read();
  const ClockReading second = clock.read();
  EXPECT_GT(first.boot_ns, 0);
  EXPECT_GE(second.boot_ns, first.boot_ns);
  EXPECT_GT(first.wall_ns, 1'600'000'000'000'000'000);
}

TEST(Background, RunsAllJobsInOrderElsewhere) {
  std::vector<int> order;
  const auto here = std::this_thread::get_id();
  {
    LinuxBackground background;
    for (int i = 0; i < 100; ++i) {
      background.post([&, i] {
        EXPECT_NE(std::this_thread::get_id(), here);
        order.push_back(i);
      });
    }
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Signals, AreTakenOneByOne) {
  in_child([] {
    auto signals = LinuxSignals::open();
    ASSERT_TRUE(signals);
    EXPECT_EQ(signals->take(), Signal::None);
    ::raise(SIGHUP);
    EXPECT_EQ(signals->take(), Signal::Reload);
    ::raise(SIGTERM);
    EXPECT_EQ(signals->take(), Signal::Stop);
    ::raise(SIGINT);
    EXPECT_EQ(signals->take(), Signal::Stop);
    EXPECT_EQ(signals->take(), Signal::None);
  });
}

TEST(Notify, SpeaksToTheServiceManager) {
  in_child([] {
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_FALSE(notify("READY=1"));
    const std::string name = "hookline-notify-test-" + std::to_string(::getpid());
    const Fd fd(::socket(AF_UNIX, SOCK_DGRAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    const auto received = [&] {
      std::array<char, 200> text{};
      const ssize_t n = ::recv(fd.get(), text.data(), text.size(), MSG_DONTWAIT);
      return std::string(text.data(), n > 0 ? static_cast<size_t>(n) : 0);
    };
    EXPECT_TRUE(notify("READY=1\nSTATUS=serving"));
    EXPECT_EQ(received(), "READY=1\nSTATUS=serving");
    EXPECT_TRUE(notify("RELOADING=1"));
    EXPECT_EQ(received().rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0u);
    ::setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
    EXPECT_FALSE(notify("READY=1"));
  });
}

bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  EXPECT_EQ(::syscall(SYS_capget, &header, data.data()), 0);
  return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

TEST(Privileges, AnotherUserWithOneCapabilityLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  in_child([] {
    const auto account = find_account("nobody");
    ASSERT_TRUE(account);
    const auto dropped = drop_privileges("nobody");
    ASSERT_TRUE(dropped) << dropped.error().text;
    EXPECT_EQ(*dropped, "");
    EXPECT_EQ(::geteuid(), account->uid);
    EXPECT_EQ(::getuid(), account->uid);
    EXPECT_EQ(::getegid(), account->gid);
    EXPECT_EQ(::getgroups(0, nullptr), 0);
    EXPECT_TRUE(has_capability(CAP_NET_RAW));
    EXPECT_TRUE(has_capability(CAP_NET_BIND_SERVICE));
    EXPECT_FALSE(has_capability(CAP_NET_ADMIN));
    EXPECT_FALSE(has_capability(CAP_SYS_ADMIN));
    EXPECT_EQ(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    EXPECT_NE(::setuid(0), 0);
    const Fd packet_socket(::socket(AF_PACKET, SOCK_RAW, 0));
    EXPECT_TRUE(packet_socket);
  });
}

TEST(Privileges, AMissingUserIsAWarning) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has capabilities to drop";
  in_child([] {
    const auto dropped = drop_privileges("no-such-user-here");
    ASSERT_TRUE(dropped) << dropped.error().text;
    EXPECT_NE(dropped->find("no-such-user-here"), std::string::npos);
    EXPECT_EQ(::geteuid(), 0u);
    EXPECT_FALSE(has_capability(CAP_SYS_ADMIN));
    EXPECT_TRUE(has_capability(CAP_NET_RAW));
  });
}

TEST(Privileges, ConfinedItStillWorksAndCanNotExec) {
  in_child([] {
    const auto confined = confine();
    ASSERT_TRUE(confined) << confined.error().text;
    errno = 0;
    char* const arguments[] = {nullptr};
    EXPECT_EQ(::execve("/bin/true", arguments, arguments), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(::syscall(SYS_ptrace, 0, 0, 0, 0), -1);
    EXPECT_EQ(errno, EPERM);
    std::atomic<bool> ran = false;
    {
      LinuxBackground background;
      background.post([&] { ran = true; });
    }
    EXPECT_TRUE(ran);
    EXPECT_GT(LinuxClock().read().boot_ns, 0);
  });
}

}  // namespace
}  // namespace hookline::io
