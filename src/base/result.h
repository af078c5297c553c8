// What an operation on the outside world returns: a value, or why there is none.
//
// Three outcomes, three mechanisms (ARCHITECTURE.md): hostile input is a counted drop reason, the
// world failing is a Result, our own bug is a CHECK.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace hookline {

// By what the caller can do about it, not by who reported it.
enum class ErrorKind {
  Invalid,  // the request itself is wrong: fix it
  NoSpace,  // room is lacking: the same call may succeed later
  Busy,     // somebody else holds it
  Missing,  // it is not there
  Corrupt,  // what was read is not what was written
  Io,       // the system refused: final
};

struct Error {
  ErrorKind kind = ErrorKind::Io;
  std::string text;  // one line for the operator: what, where, why
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string text) {
  return tl::unexpected<Error>(Error{kind, std::move(text)});
}

}  // namespace hookline
