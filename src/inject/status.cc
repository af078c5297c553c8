#include "inject/status.h"

#include <array>
#include <cerrno>

namespace hookline::inject {
namespace {

struct Row {
  int error;
  NTSTATUS status;
};

// For a status with several errors, the first is what it becomes.
constexpr std::array kRows = {
    Row{0, STATUS_SUCCESS},
    Row{EMSGSIZE, STATUS_INVALID_BUFFER_SIZE},
    Row{ENOBUFS, STATUS_INSUFFICIENT_RESOURCES},
    Row{EAGAIN, STATUS_INSUFFICIENT_RESOURCES},
    Row{ENOMEM, STATUS_NO_MEMORY},
    Row{ENETDOWN, STATUS_DEVICE_NOT_READY},
    Row{ENODEV, STATUS_DEVICE_DOES_NOT_EXIST},
    Row{ENXIO, STATUS_DEVICE_REMOVED},
    Row{EHOSTUNREACH, STATUS_HOST_UNREACHABLE},
    Row{EHOSTDOWN, STATUS_HOST_UNREACHABLE},
    Row{ENETUNREACH, STATUS_NETWORK_UNREACHABLE},
    Row{EADDRNOTAVAIL, STATUS_INVALID_ADDRESS},
    Row{EPERM, STATUS_ACCESS_DENIED},
    Row{EACCES, STATUS_ACCESS_DENIED},
    Row{ECONNRESET, STATUS_CONNECTION_RESET},
    Row{EPIPE, STATUS_CONNECTION_RESET},
    Row{ECANCELED, STATUS_CANCELLED},
    Row{ENODATA, STATUS_DATA_NOT_ACCEPTED},
    Row{EBUSY, STATUS_NETWORK_BUSY},
    Row{EIO, STATUS_UNSUCCESSFUL},
};

}  // namespace

NTSTATUS status_of(int error) {
  for (const Row& row : kRows) {
    if (row.error == error) return row.status;
  }
  return STATUS_UNSUCCESSFUL;
}

int error_of(NTSTATUS status) {
  if (NT_SUCCESS(status)) return 0;
  for (const Row& row : kRows) {
    if (row.status == status) return row.error;
  }
  return EIO;
}

bool is_transient(int error) { return error == ENETDOWN || error == EINTR; }

End end_of(NTSTATUS status) {
  if (NT_SUCCESS(status)) return End::Success;
  if (status == STATUS_ACCESS_DENIED) return End::Blocked;
  if (status == STATUS_CANCELLED) return End::Cancelled;
  return End::Failed;
}

std::string_view end_name(End end) {
  static constexpr std::array<std::string_view, kEndCount> kNames = {"succeeded", "blocked",
                                                                     "failed", "cancelled"};
  return kNames[static_cast<size_t>(end)];
}

}  // namespace hookline::inject
