#include "checks.h"

#include <fmt/core.h>

namespace hookline::sim {

void Checks::violate(std::string what) {
  if (!violation_) violation_ = std::move(what);
}

void Checks::ack_seen(const Client& client, Ipv4 address, uint32_t lease_s, int64_t now_ns) {
  ++acks_;
  const auto held = promises_.find(address.value);
  if (held != promises_.end() && held->second.client != client.number &&
      held->second.until_ns > now_ns) {
    violate(
        fmt::format("invariant 1: {} was acknowledged to client {} while client {} holds it "
                    "for another {} ms",
                    address.text(), client.number, held->second.client,
                    (held->second.until_ns - now_ns) / 1'000'000));
  }
  given_up(client);
  promises_[address.value] = {client.number, now_ns + int64_t{lease_s} * kNsPerSecond};
}

void Checks::given_up(const Client& client) {
  std::erase_if(promises_, [&](const auto& p) { return p.second.client == client.number; });
}

void Checks::recovered(const lease::Engine& engine, const std::vector<Client>& clients, Now now) {
  for (const auto& [address, promise] : promises_) {
    if (promise.until_ns <= now.boot_ns) continue;
    const auto record = engine.find(Ipv4{address});
    const Client& client = clients[promise.client];
    const Bytes id = client.client_id.empty() ? client.mac.view() : Bytes(client.client_id);
    if (!record || record->state != LeaseState::Active || !equal(record->identity().id, id)) {
      violate(
          fmt::format("invariant 2: after a restart {} is {}, but was acknowledged to client {}",
                      Ipv4{address}.text(), record ? lease_state_name(record->state) : "unknown",
                      promise.client));
    }
    const int64_t promised_s = (promise.until_ns - now.boot_ns) / kNsPerSecond;
    const int64_t left_s = record ? int64_t{record->expiry} - now.lease_s : 0;
    if (left_s + 4 < promised_s && promised_s < INT32_MAX / 2) {
      violate(fmt::format(
          "invariant 2: after a restart {} has {} s left, but client {} was promised {} s",
          Ipv4{address}.text(), left_s, promise.client, promised_s));
    }
  }
}

void Checks::counters(const server::Core& core) {
  const Counters& c = core.counters();
  uint64_t dropped = 0;
  for (const DropInfo& info : kDrops) {
    if (info.dhcp_code != 0) dropped += c.drops[static_cast<size_t>(info.drop)].value();
  }
  const uint64_t ended = c.packets_completed.value() + dropped;
  if (c.packets_entered.value() != ended + core.packets_in_flight()) {
    violate(fmt::format("invariant 3: {} packets entered, {} completed, {} dropped, {} inside",
                        c.packets_entered.value(), c.packets_completed.value(), dropped,
                        core.packets_in_flight()));
  }
}

}  // namespace hookline::sim
