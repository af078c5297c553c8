// The calls of the control socket, each as a stream of answer lines. Control thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "control/protocol.h"
#include "control/service.h"

namespace hookline::control {

class Stream {
 public:
  enum class State : uint8_t { More, Waiting, Done };
  virtual ~Stream() = default;
  // Appends at most one page. Waiting: nothing is there now, ask again soon.
  virtual State produce(std::string& output) = 0;
  // What it waits for comes by itself: look again soon, and as long as the client is there.
  virtual bool tracing() const { return false; }
};

// Runs the call. Changes have happened when this returns, and are in the log with `who` asked. The
// error of a refused call is for the client.
Result<std::unique_ptr<Stream>> open_stream(Service& service, Logger& log, std::string_view who,
                                            const CallRequest& request);

}  // namespace hookline::control
