// What `hookline filter` shows: the engine's objects and counts at one moment, as text and numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hookline::filter {

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
  uint64_t sessions = 0;
  uint64_t vetoes = 0;
};

}  // namespace hookline::filter
