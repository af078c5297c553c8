// What `hookline trace` shows of callouts: the bytes that a hook changed. Packet thread only.
#pragma once

#include "callout/callouts.h"
#include "server/trace.h"

namespace hookline::server {

class CalloutTrace final : public callout::Observer {
 public:
  explicit CalloutTrace(TraceHub& traces) : traces_(traces) {}

  void changed(const Packet& packet, callout::Hook hook, std::string_view host, Bytes before,
               Bytes after) override;

 private:
  TraceHub& traces_;
};

// "300 -> 304 bytes, @240: 3501 -> 3503, …": where the two differ, in hex, old and new; the first
// eight places, the first 16 bytes of each.
std::string describe_change(Bytes before, Bytes after);

}  // namespace hookline::server
