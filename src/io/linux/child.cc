#include "io/linux/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

constexpr int kLookMs = 100;
constexpr int kLookBlindlyMs = 5;  // without a descriptor that says when the child has ended

[[noreturn]] void be_child(pid_t parent, const std::function<void()>& body) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  body();
  std::fflush(nullptr);
  ::_exit(0);
}

// Still to be reaped, so that its number, and its group's, are nobody else's.
bool has_ended(pid_t child, siginfo_t& info) {
  info = {};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
         info.si_pid == child;
}

}  // namespace

Result<SharedMemory> SharedMemory::make(size_t bytes) {
  void* const data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return system_failure("sharing memory with a child");
  return SharedMemory(data, bytes);
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

std::string signal_name(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

Result<ChildEnd> run_in_child(const std::function<void()>& body,
                              const std::function<bool()>& may_go_on) {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return system_failure("starting a child");
  if (child == 0) be_child(parent, body);
  ::setpgid(child, child);  // whoever comes first
  const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  siginfo_t info;
  bool stopped = false;
  while (!has_ended(child, info)) {
    if (!stopped && !may_go_on()) {
      stopped = true;
      ::kill(child, SIGKILL);
    }
    pollfd one{ended.get(), POLLIN, 0};
    ::poll(&one, 1, ended ? kLookMs : kLookBlindlyMs);
  }
  ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (stopped) return ChildEnd{ChildEnd::How::Stopped, 0};
  if (WIFSIGNALED(status)) return ChildEnd{ChildEnd::How::Killed, WTERMSIG(status)};
  return ChildEnd{ChildEnd::How::Exited, WEXITSTATUS(status)};
}

}  // namespace hookline::io
