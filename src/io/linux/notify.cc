#include "io/linux/notify.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "io/linux/fd.h"

namespace hookline::io {

bool notify(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t size = path == nullptr ? 0 : std::strlen(path);
  if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
    return false;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  std::string text(state);
  if (state.find("RELOADING=1") != std::string_view::npos) {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    text += fmt::format("\nMONOTONIC_USEC={}", t.tv_sec * 1'000'000LL + t.tv_nsec / 1000);
  }
  const auto address_size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  return ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), address_size) >= 0;
}

bool under_journald() { return std::getenv("JOURNAL_STREAM") != nullptr; }

int64_t own_process_id() { return ::getpid(); }

}  // namespace hookline::io
