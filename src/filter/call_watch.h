// Who is told about each call into a callout: the driver host, which emulates IRQL, knows who was
// running when a thread hangs or crashes, and reports broken rules by name.
#pragma once

#include <cstdint>
#include <string_view>

#include "hookline/fwp.h"

namespace hookline::filter {

enum class CalloutCall : uint8_t { Classify, Notify, FlowDelete };

struct CalloutName {
  GUID key;
  uint32_t id;
  void* device;  // as given to FwpsCalloutRegister
};

// On the thread that calls: the packet thread for Classify, at emulated DISPATCH_LEVEL; the caller
// of the management function for Notify, at PASSIVE_LEVEL.
class CallWatch {
 public:
  virtual void before(const CalloutName& callout, CalloutCall call) = 0;
  virtual void after(const CalloutName& callout, CalloutCall call) = 0;
  // The callout broke a rule in the call that has just ended; the engine has put it right.
  virtual void breach(const CalloutName& callout, CalloutCall call, std::string_view text) = 0;

 protected:
  ~CallWatch() = default;
};

}  // namespace hookline::filter
