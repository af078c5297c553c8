// A House whose callouts are scripts (src/callout/testing.h), and the words of a contract test:
// what a client says, and which hooks came of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "callout/testing.h"
#include "house.h"
#include "io/linux/memory.h"
#include "squatters.h"

namespace hookline::sim {

using callout::testing::Event;
using callout::testing::reset_scripts;
using callout::testing::Script;
using callout::testing::script;
using Hooks = std::vector<std::string>;

constexpr const char* kOffice = R"(
[server]
interfaces = ["eth0"]
max-packet-age = "5s"
[leases]
default-time = "10m"
min-time = "1m"
max-time = "1h"
offer-hold = "30s"
decline-quarantine = "10m"
[[scope]]
id = "wire"
subnet = "10.77.0.0/24"
ranges = ["10.77.0.100-10.77.0.103"]
bootp = true
)";

class ScriptedHouse : public House {
 public:
  explicit ScriptedHouse(const char* config = kOffice, int scripts = 1,
                         io::AddressProbe* probe = nullptr)
      : House((reset_scripts(), config),
              [scripts](House& house) { return make_hosts(house, scripts); }, probe) {
    replies();
    mark();
  }
  ~ScriptedHouse() {
    stop();
    reset_scripts();
  }

  static callout::Hosts make_hosts(House& house, int scripts) {
    static io::LinuxMemory memory;
    callout::Hosts hosts;
    for (int n = 0; n < scripts; ++n) {
      hosts.push_back(std::make_unique<callout::InProcessHost>(
          callout::LoadedCallout{"script" + std::to_string(n), "",
                                 callout::testing::script_table(n), nullptr},
          callout::InProcessHost::Options{}, house.clock, memory, house.log()));
    }
    return hosts;
  }

  // The hooks since the last call.
  Hooks hooks(int n = 0) {
    Hooks texts;
    for (size_t i = marks_[n]; i < script(n).events.size(); ++i) {
      texts.push_back(script(n).events[i].text());
    }
    marks_[n] = script(n).events.size();
    return texts;
  }
  void mark() {
    for (int n = 0; n < callout::testing::kScriptsMax; ++n) marks_[n] = script(n).events.size();
  }
  // What hooks came of one message.
  Hooks after(const Client& client, const Options& options, Ipv4 ciaddr = {}) {
    mark();
    say(client, options, ciaddr);
    run();
    return hooks();
  }
  // DISCOVER and REQUEST; the address.
  Ipv4 bind(const Client& client) {
    replies();
    say(client, rapid());
    run();
    const auto got = replies();
    mark();
    return got.size() == 1 ? got[0].yiaddr : Ipv4{};
  }

 private:
  size_t marks_[callout::testing::kScriptsMax] = {};
};

inline std::vector<uint8_t> address_value(Ipv4 address) {
  std::vector<uint8_t> value(4);
  address.store(value.data());
  return value;
}
inline Options typed(uint8_t type, Options more = {}) {
  more.insert(more.begin(), {option::kMessageType, {type}});
  return more;
}
inline const Options kDiscoverMessage = typed(1);
inline Options select(Ipv4 address, Ipv4 server = kServerAddress) {
  return typed(3, {{option::kRequestedAddress, address_value(address)},
                   {option::kServerIdentifier, address_value(server)}});
}

}  // namespace hookline::sim
