#include "io/linux/fd.h"

#include <system_error>

namespace hookline::io {
namespace {

ErrorKind kind_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::NoSpace;
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrorKind::Missing;
    case EADDRINUSE:
    case EBUSY:
      return ErrorKind::Busy;
    case EEXIST:
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ENOTDIR:
      return ErrorKind::Invalid;
    default:
      return ErrorKind::Io;
  }
}

}  // namespace

tl::unexpected<Error> system_failure(const std::string& what, int error) {
  return fail(kind_of(error), what + ": " + std::generic_category().message(error));
}

}  // namespace hookline::io
