// What `hookline filter` shows: the engine's objects and counts at one moment, as text and numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hookline::filter {

// Flows that are known now, and what has become of all that ever were.
struct FlowReport {
  uint64_t udp = 0;
  uint64_t tcp = 0;
  uint64_t contexts = 0;  // that callouts have with them
  uint64_t pended = 0;    // operations that callouts have put off
  uint64_t opened = 0;
  uint64_t blocked = 0;       // refused by an ALE layer
  uint64_t reauthorized = 0;  // asked again
  uint64_t pended_in_all = 0;
  uint64_t displaced = 0;  // the table was full
  uint64_t expired = 0;    // idle for too long
  uint64_t aborted = 0;    // by FwpsFlowAbort0
  uint64_t contexts_deleted = 0;

  // Somebody has asked for flows.
  bool any() const { return udp + tcp + opened + blocked + pended_in_all != 0; }
};

// TCP connections at STREAM_V4; all since the start, but `open`.
struct StreamReport {
  uint64_t open = 0;  // connections
  uint64_t opened = 0;
  uint64_t refused = 0;      // there was no room for them
  uint64_t indications = 0;  // calls of classifyFn
  uint64_t indicated_bytes = 0;
  uint64_t blocked_bytes = 0;
  uint64_t injected = 0;  // lists
  uint64_t injected_bytes = 0;
  uint64_t ended = 0;     // of the lists
  uint64_t failed = 0;    // of those: not taken
  uint64_t gathered = 0;  // NEED_MORE_DATA
  uint64_t deferred = 0;
  uint64_t continued = 0;
  uint64_t dropped = 0;  // connections
};

struct Report {
  struct SubLayerLine {
    std::string key;
    std::string name;
    uint16_t weight = 0;
    size_t filters = 0;
  };
  struct CalloutLine {
    std::string key;
    std::string name;   // of the management object; empty: registered, but not added
    std::string layer;  // as in FWPM_LAYER_<layer>
    uint32_t id = 0;
    const void* device = nullptr;  // as registered: whose it is
    bool registered = false;
    uint64_t calls = 0;
    uint64_t permitted = 0;
    uint64_t blocked = 0;
    uint64_t absorbed = 0;
    uint64_t breaches = 0;
  };
  struct FilterLine {
    uint64_t id = 0;
    std::string key;
    std::string name;
    std::string layer;
    std::string sublayer;  // its name
    std::string action;    // "permit", "block", "limit", "terminating", "inspection", "unknown"
    std::string callout;   // key; empty: none
    uint64_t weight = 0;
    uint64_t hits = 0;
    uint64_t permitted = 0;
    uint64_t blocked = 0;
    uint64_t absorbed = 0;
    uint64_t forgotten = 0;  // senders whose rate a limit could not remember
  };
  struct LayerLine {
    std::string name;
    uint64_t classified = 0;
    uint64_t blocked = 0;
    uint64_t absorbed = 0;
  };
  std::vector<SubLayerLine> sublayers;
  std::vector<CalloutLine> callouts;
  std::vector<FilterLine> filters;
  std::vector<LayerLine> layers;  // those that were classified at
  FlowReport flows;
  StreamReport streams;
  uint64_t sessions = 0;
  uint64_t vetoes = 0;
};

}  // namespace hookline::filter
