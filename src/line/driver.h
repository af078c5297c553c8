// A packet-callout driver as the filter and the injector see it: into whose code a call goes, and
// who is named when a rule of the API is broken. Implemented by the driver loader.
#pragma once

#include <cstdint>
#include <string_view>

namespace hookline {

class Driver {
 public:
  virtual std::string_view name() const = 0;

  // Around each call of one of its functions, on the thread that calls: the interrupt level that
  // the function may rely on (0 PASSIVE_LEVEL, 2 DISPATCH_LEVEL). leave() takes what enter() gave.
  virtual uint8_t enter(uint8_t irql) = 0;
  virtual void leave(uint8_t before) = 0;

  // It broke a rule in `function`; `text` says in English what was wrong, and what was done about
  // it. Counted and logged with its name. Any thread.
  virtual void breach(std::string_view function, std::string_view text) = 0;

 protected:
  ~Driver() = default;
};

}  // namespace hookline
