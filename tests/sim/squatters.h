// Hosts that took an address without asking the server, and the simulated prober that finds them.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "io/address_probe.h"
#include "world.h"

namespace hookline::sim {

class SimProbe final : public io::AddressProbe {
 public:
  explicit SimProbe(Random& random) : random_(random) {}

  int ask(const io::AddressQuestion& question) override;
  size_t answers(std::span<io::AddressAnswer> out) override;
  void rest() override;

  // A host takes an address, or leaves it.
  void squat(Ipv4 address, int64_t now_ns) { squatters_.try_emplace(address.value, now_ns); }
  void leave(Ipv4 address) { squatters_.erase(address.value); }
  // Whether it has been there at least since then.
  bool squats_since(Ipv4 address, int64_t then_ns) const {
    const auto found = squatters_.find(address.value);
    return found != squatters_.end() && found->second <= then_ns;
  }
  size_t squatters() const { return squatters_.size(); }

  // Of answers, never of two in a row for one address: two attempts find everybody.
  double lose = 0;
  int refuses_with = 0;  // an errno value: no question leaves

  size_t asked = 0;
  bool resting = true;

 private:
  Random& random_;
  std::map<uint32_t, int64_t> squatters_;  // by address: since when
  std::set<uint32_t> lost_;
  std::deque<io::AddressAnswer> answers_;
};

inline constexpr MacAddress kSquatterMac{{2, 0xBA, 0xD0, 0, 0, 1}};

}  // namespace hookline::sim
