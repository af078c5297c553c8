// For tests: runs a body in a child process with a network namespace of its own.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

namespace hookline::io::testing {

constexpr int kNotPermitted = 77;

// Runs `command` by sh; true when it ended with 0.
inline bool run(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Waits until `interface` has its carrier and its queue: until then the kernel drops what it is
// given to send, silently.
inline void await_interface(const std::string& interface) {
  for (int i = 0; i < 1000; ++i) {
    if (run("ip -o link show dev " + interface + " | grep 'state UP' | grep -vq 'qdisc noop '"))
      return;
    ::usleep(5'000);
  }
  ADD_FAILURE() << interface << " does not come up";
}

// The body's GoogleTest failures are printed by the child and fail the test.
inline void in_network_namespace(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::fprintf(stderr, "unshare(CLONE_NEWNET): %s\n", std::strerror(errno));
      ::_exit(kNotPermitted);
    }
    if (!run("ip link set lo up")) ::_exit(2);
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermitted) {
    GTEST_SKIP() << "this process may not make a network namespace: run as root";
  }
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace hookline::io::testing
