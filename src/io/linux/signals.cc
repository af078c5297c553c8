#include "io/linux/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

namespace hookline::io {

Result<LinuxSignals> LinuxSignals::open() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return system_failure("blocking signals", error);
  }
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return system_failure("opening signalfd");
  return LinuxSignals(std::move(fd));
}

Signal LinuxSignals::take() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return Signal::None;
  return info.ssi_signo == SIGHUP ? Signal::Reload : Signal::Stop;
}

Signal LinuxSignals::wait() {
  pollfd readable{fd_.get(), POLLIN, 0};
  ::poll(&readable, 1, -1);
  return take();
}

}  // namespace hookline::io
