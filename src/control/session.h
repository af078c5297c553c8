// One client of the control socket: bytes in, calls on the Service, bytes out. No I/O and no clock
// of its own, so that tests and the fuzzer drive it directly. Control thread only.
//
// Bounded: at most one request line waits, and pages are made only while the client reads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "control/service.h"

namespace hookline::control {

// What one call still has to answer: pages of leases, lines of a trace.
class Stream;

class Session {
 public:
  // `who` names the client in the log: "uid 0, pid 4711".
  Session(Service& service, Logger& log, std::string who);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Bytes of the client. REQUIRES: wants_input().
  void take(std::string_view bytes);
  // The client sends no more; what it asked is still answered.
  void end_of_input() { input_ended_ = true; }
  bool wants_input() const;

  // Answers one request line, or makes one page, if the client has read enough of the last ones.
  // Returns ready().
  bool step();
  // step() has something to do. A trace that waits for lines is not ready: look again soon.
  bool ready() const;

  // To be sent, from the front.
  std::string_view output() const { return std::string_view(output_).substr(sent_); }
  void consumed(size_t size);

  // Everything is answered and sent, and nothing more is to come: close.
  bool finished() const;
  bool tracing() const;

 private:
  void take_request();
  void answer(std::string_view line);
  void refuse_and_end(std::string_view why);
  bool has_line() const { return input_.find('\n') != std::string::npos; }
  // A last request may lack its newline.
  bool has_request() const { return has_line() || (input_ended_ && !input_.empty()); }
  bool has_room() const;

  Service& service_;
  Logger& log_;
  std::string who_;
  std::string input_;
  std::string output_;
  size_t sent_ = 0;
  std::unique_ptr<Stream> stream_;
  bool input_ended_ = false;
  bool refused_ = false;
  bool waiting_ = false;  // the stream had nothing when it was asked last
};

}  // namespace hookline::control
