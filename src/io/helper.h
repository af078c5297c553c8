// Helper processes: where other people's code runs, so that it may crash, hang or exit without
// harm. A helper shares one piece of memory with the server, and each can wake the other; what
// stands in that memory is the business of who uses it (callout/ring.h). src/io/linux has the real
// ones. One thread at a time uses a helper; Helpers, any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hookline::io {

struct HelperPlan {
  size_t shared_bytes = 0;
  uint64_t memory_max_bytes = 0;  // of its own data; 0: no limit
};

struct HelperEnd {
  enum class How : uint8_t { Exited, Killed, Lost };
  How how = How::Lost;  // Lost: nobody knows
  int code = 0;         // exit status, or the signal

  std::string text() const;  // "it exited with status 3", "it was killed by SIGSEGV"
};

// What a helper's first thread is up to: a machine that is too busy must not look like a callout
// that hangs.
struct HelperActivity {
  bool is_runnable = false;  // it has a processor or waits for one; else it sleeps
  int64_t cpu_ns = 0;        // what it has had of processors, to some milliseconds
};

class HelperProcess {
 public:
  // Ends the helper at once if it still runs, and does not wait for that.
  virtual ~HelperProcess() = default;

  // shared_bytes of it. The helper may write there at any time, whatever it likes.
  virtual uint8_t* memory() = 0;
  // There is work.
  virtual void wake() = 0;
  // Returns when the helper called back since the last return, wrote something, ended, or
  // `timeout_ns` passed. It may return early for no reason.
  virtual void wait(int64_t timeout_ns) = 0;
  // Looks; does not wait.
  virtual std::optional<HelperEnd> ended() = 0;
  // It has closed its end of what it calls back by, or is gone; noticed by wait().
  virtual bool is_cut_off() const { return false; }
  // None: the system does not say. Costs some system calls.
  virtual std::optional<HelperActivity> activity() = 0;
  // Ends it: with a moment to write down where it is (helper_side.h), then surely.
  virtual void kill() = 0;
  // What it wrote, as far as it has come in; 0: nothing now. Its pipe holds it up meanwhile.
  virtual size_t read_output(MutableBytes to) = 0;
};

class Helpers {
 public:
  virtual ~Helpers() = default;
  // Processors that this process and its helpers may run on. With one, who looks out for the other
  // keeps it from working.
  virtual size_t processors() const = 0;
  // `prepare` fills the shared memory, which is zeroed, before the helper sees it. Does not wait
  // for the helper to run: what goes wrong from here on is seen as its end.
  virtual Result<std::unique_ptr<HelperProcess>> start(
      const HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) = 0;
};

}  // namespace hookline::io
