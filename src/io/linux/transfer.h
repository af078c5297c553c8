// What recv() or send() has just done on a stream.
#pragma once

#include <sys/types.h>

#include <cerrno>

#include "io/transfer.h"

namespace hookline::io {

// `n`: what the call returned; where it is negative errno is read.
inline Transfer transfer_of(ssize_t n) {
  using Outcome = Transfer::Outcome;
  if (n > 0) return {Outcome::Done, static_cast<size_t>(n), 0};
  if (n == 0) return {Outcome::Ended, 0, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Outcome::WouldBlock, 0, 0};
  if (errno == EPIPE) return {Outcome::Ended, 0, 0};
  return {Outcome::Failed, 0, errno};
}

}  // namespace hookline::io
