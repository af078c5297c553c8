#include "server/check_exchanges.h"

#include <algorithm>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "line/drop.h"
#include "server/check_house.h"

namespace hookline::check {

namespace {

using callout::Hook;

constexpr uint32_t kAny = 0;
// Of the parts with many packets, however slow the callout is.
constexpr int64_t kLongPartNsMax = 10 * kNsPerSecond;

constexpr uint32_t code(Drop drop) { return drop_info(drop).dhcp_code; }
constexpr uint32_t code(callout::Prob prob) { return static_cast<uint32_t>(prob); }
constexpr uint32_t code(callout::Control control) { return static_cast<uint32_t>(control); }

constexpr Ipv4 kFirst{0x0A4D0064};         // 10.77.0.100
constexpr Ipv4 kForeign{0x0A4E0005};       // in no scope
constexpr Ipv4 kOtherServer{0x0A4D00FE};   // 10.77.0.254
constexpr Ipv4 kRelay{0x0A630001};         // 10.99.0.1
constexpr Ipv4 kSmallRelay{0x0A620001};    // 10.98.0.1: one address
constexpr Ipv4 kStrangeRelay{0x0A610001};  // in no scope
constexpr Ipv4 kWideRelay{0x0A640001};     // 10.100.0.1

constexpr const char* kOffice = R"(
[server]
interfaces = ["eth0"]
max-packet-age = "5s"
[leases]
default-time = "10m"
min-time = "1m"
max-time = "1h"
[[scope]]
id = "wire"
subnet = "10.77.0.0/24"
ranges = ["10.77.0.100-10.77.0.199"]
bootp = true
[[scope]]
id = "relayed"
subnet = "10.99.0.0/24"
ranges = ["10.99.0.100-10.99.0.199"]
[[scope]]
id = "small"
subnet = "10.98.0.0/24"
ranges = ["10.98.0.100-10.98.0.100"]
)";

constexpr const char* kWide = R"(
[server]
interfaces = ["eth0"]
[[scope]]
id = "wide"
subnet = "10.100.0.0/16"
ranges = ["10.100.1.0-10.100.100.255"]
)";

constexpr const char* kProbing = R"(
[server]
interfaces = ["eth0"]
max-packet-age = "5s"
[leases]
conflict-detection = true
[[scope]]
id = "wire"
subnet = "10.77.0.0/16"
ranges = ["10.77.0.100-10.77.100.255"]
)";

Options server_named(uint8_t type, Ipv4 requested = {}) {
  Options options = typed(type, {{option::kServerIdentifier, address_value(kServerAddress)}});
  if (requested) options.push_back({option::kRequestedAddress, address_value(requested)});
  return options;
}

void start(House& house) { house.start(); }
void stop(House& house) { house.stop(); }

// --- what clients do ------------------------------------------------------------------------

void discover(House& house) { house.ask({1}, typed(kDiscover)); }

void request(House& house) {
  const Ipv4 offered = house.ask({2}, typed(kDiscover), {}, kFirst);
  house.ask({2}, select(offered, kServerAddress));
}

void renew(House& house) {
  const Ipv4 address = house.ask({3}, rapid(), {}, kFirst);
  house.ask({3}, typed(kRequest), address);
}

void discover_rapidly(House& house) { house.ask({4}, rapid()); }

void request_foreign(House& house) {
  house.ask({5}, typed(kRequest, {{option::kRequestedAddress, address_value(kForeign)}}));
}

void select_other_server(House& house) {
  const Ipv4 offered = house.ask({6}, typed(kDiscover), {}, kFirst);
  house.ask({6}, select(offered, kOtherServer));
}

void decline(House& house) {
  const Ipv4 address = house.ask({7}, rapid(), {}, kFirst);
  house.ask({7}, server_named(kDecline, address));
}

void release(House& house) {
  const Ipv4 address = house.ask({8}, rapid(), {}, kFirst);
  house.ask({8}, server_named(kRelease), address);
}

void inform(House& house) { house.ask({9}, typed(kInform), Ipv4{0x0A4D0009}); }

void bootp(House& house) { house.ask({10}, {}); }

void bootp_again(House& house) { house.ask({10}, {}); }

void discover_by_relay(House& house) {
  house.ask({11, kRelay}, typed(kDiscover, every_option()));
  house.ask({11, kRelay}, rapid(every_option()));
}

// A message of all the room that there is: nothing can be appended to it.
void discover_at_length(House& house) {
  std::vector<uint8_t> payload = message({12}, typed(kDiscover));
  payload.resize(kPacketBytesMax, 0);
  house.say_bytes({12}, payload);
  house.run();
}

// As long as chaddr, and DeleteClient's address when it goes.
void long_hardware_address(House& house) {
  house.ask({13, {}, 16}, rapid());
  house.pass(602);
}

void expire(House& house) {
  house.ask({14}, rapid());
  house.pass(602);
}

void delete_lease(House& house) {
  const Ipv4 address = house.ask({15}, rapid(), {}, kFirst);
  // Where the callout would not let the client have a lease there is none to delete.
  [[maybe_unused]] const auto done = house.core().delete_lease(address);
  house.run();
}

// --- what is dropped ------------------------------------------------------------------------

void say_twice(House& house) {
  house.say({20}, typed(kDiscover));
  house.say({20}, typed(kDiscover));
  house.run();
}

void ask_from_nowhere(House& house) { house.ask({21, kStrangeRelay}, typed(kDiscover)); }

void fill_small_scope(House& house) {
  house.ask({22, kSmallRelay}, rapid());
  house.ask({23, kSmallRelay}, typed(kDiscover));
}

void send_a_reply(House& house) {
  std::vector<uint8_t> payload = message({24}, typed(kDiscover));
  payload[0] = 2;
  house.say_bytes({24}, payload);
  house.run();
}

void send_one_byte(House& house) {
  const uint8_t byte = 1;
  house.say_bytes({25}, Bytes(&byte, 1));
  house.run();
}

void send_broken_options(House& house) {
  std::vector<uint8_t> payload = message({26}, typed(kDiscover));
  payload.resize(kDhcpHeaderBytes + 4);
  payload.back() = option::kHostName;  // without its length
  house.say_bytes({26}, payload);
  house.run();
}

void ask_unauthorized(House& house) {
  house.core().gate().authorized = false;
  house.ask({27}, typed(kDiscover));
  house.core().gate().authorized = true;
}

void ask_paused(House& house) {
  house.core().gate().paused = true;
  house.ask({28}, typed(kDiscover));
}

void go_on(House& house) {
  house.core().gate().paused = false;
  house.ask({28}, typed(kDiscover));
}

// --- many, for their times --------------------------------------------------------------------

// DISCOVER, REQUEST, a renewal and RELEASE of one of many clients.
void one_round(House& house, uint32_t number) {
  const Client client{0x20000 + number % 1000, kWideRelay};
  const Ipv4 offered = house.ask(client, typed(kDiscover), {}, kFirst);
  house.ask(client, select(offered, kServerAddress));
  house.ask(client, typed(kRequest), offered);
  house.ask(client, server_named(kRelease), offered);
}

void many_rounds(House& house) {
  const int64_t until_ns = house.clock.real_ns() + kLongPartNsMax;
  for (uint32_t n = 0; n < house.rounds && house.clock.real_ns() < until_ns; ++n) {
    one_round(house, n);
    house.count_round();
  }
}

// --- with conflict detection ------------------------------------------------------------------

void find_a_conflict(House& house) {
  house.probe.squat(kFirst);
  house.ask({30}, typed(kDiscover));
  house.pass(3);
}

void wait_too_long(House& house) {
  house.say({31}, typed(kDiscover));
  house.core().turn();
  house.clock.pass(6 * kNsPerSecond);
  house.run();
}

void fill_the_waiting_room(House& house) {
  const int64_t until_ns = house.clock.real_ns() + kLongPartNsMax;
  for (uint32_t n = 0; n <= kParkedMax && house.clock.real_ns() < until_ns; ++n) {
    house.say({1000 + n}, typed(kDiscover));
    house.core().turn();
  }
  house.pass(3);
}

void stop_while_one_waits(House& house) {
  house.say({32}, typed(kDiscover));
  house.core().turn();
  house.stop();
}

// --- with a disk that fails -------------------------------------------------------------------

void fail_the_disk(House& house) {
  house.disk.fail();
  house.ask({40}, rapid());
}

constexpr Exchange kOfficeExchanges[] = {
    {"START", Hook::Control, code(callout::Control::Start), start},
    {"DISCOVER → OFFER", Hook::PktSend, kAny, discover},
    {"REQUEST → ACK, a new lease", Hook::AddressOffer, callout::kGiveAddressNew, request},
    {"REQUEST → ACK, renewed", Hook::AddressOffer, callout::kGiveAddressOld, renew},
    {"DISCOVER with rapid commit → ACK", Hook::AddressOffer, callout::kGiveAddressNew,
     discover_rapidly},
    {"REQUEST → NAK", Hook::AddressDel, code(callout::Prob::Nacked), request_foreign},
    {"REQUEST for another server", Hook::PktDrop, code(Drop::WrongServer), select_other_server},
    {"DECLINE", Hook::AddressDel, code(callout::Prob::Decline), decline},
    {"RELEASE", Hook::AddressDel, code(callout::Prob::Release), release},
    {"INFORM → ACK", Hook::PktSend, kAny, inform},
    {"BOOTP request → reply", Hook::AddressOffer, callout::kGiveAddressNew, bootp},
    {"BOOTP request → reply, again", Hook::AddressOffer, callout::kGiveAddressOld, bootp_again},
    {"DISCOVER by a relay, with every option", Hook::AddressOffer, callout::kGiveAddressNew,
     discover_by_relay},
    {"DISCOVER of 4096 bytes", Hook::PktSend, kAny, discover_at_length},
    {"a hardware address of 16 bytes", Hook::DeleteClient, kAny, long_hardware_address},
    {"a lease expires", Hook::DeleteClient, kAny, expire},
    {"the operator deletes a lease", Hook::DeleteClient, kAny, delete_lease},
    {"DUPLICATE", Hook::PktDrop, code(Drop::Duplicate), say_twice},
    {"NO_SUBNETS", Hook::PktDrop, code(Drop::NoScopeMatches), ask_from_nowhere},
    {"NOADDRESS", Hook::PktDrop, code(Drop::NoAddress), fill_small_scope},
    {"INVALID: a reply", Hook::PktDrop, code(Drop::NotARequest), send_a_reply},
    {"INVALID: one byte", Hook::PktDrop, code(Drop::TooShort), send_one_byte},
    {"INVALID: broken options", Hook::PktDrop, code(Drop::BadOptions), send_broken_options},
    {"UNAUTH", Hook::PktDrop, code(Drop::Unauthorized), ask_unauthorized},
    {"PAUSE, and PAUSED", Hook::PktDrop, code(Drop::Paused), ask_paused},
    {"CONTINUE", Hook::Control, code(callout::Control::Continue), go_on},
    {"STOP", Hook::Control, code(callout::Control::Stop), stop},
};

constexpr Exchange kProbingExchanges[] = {
    {"START, again", Hook::Control, code(callout::Control::Start), start},
    {"CONFLICT: a probe finds the address in use", Hook::AddressDel, code(callout::Prob::Conflict),
     find_a_conflict},
    {"TIMEOUT", Hook::PktDrop, code(Drop::TooOld), wait_too_long},
    {"NOMEM", Hook::PktDrop, code(Drop::NoMemory), fill_the_waiting_room},
    {"GEN_FAILURE: STOP while a packet waits", Hook::PktDrop, code(Drop::ShuttingDown),
     stop_while_one_waits},
};

constexpr Exchange kDiskExchanges[] = {
    {"START on a disk that will fail", Hook::Control, code(callout::Control::Start), start},
    {"INTERNAL_ERROR: the disk fails", Hook::PktDrop, code(Drop::CommitFailed), fail_the_disk},
    {"STOP after a failed disk", Hook::Control, code(callout::Control::Stop), stop},
};

constexpr Exchange kTimedExchanges[] = {
    {"START of the timed rounds", Hook::Control, code(callout::Control::Start), start},
    {"the timed rounds", Hook::NewPkt, kAny, many_rounds},
    {"STOP after the timed rounds", Hook::Control, code(callout::Control::Stop), stop},
};

constexpr Act kActs[] = {
    {kOffice, false, kOfficeExchanges},
    {kProbing, true, kProbingExchanges},
    {kOffice, false, kDiskExchanges},
    {kWide, false, kTimedExchanges},
};

}  // namespace

std::span<const Act> acts() { return kActs; }

uint32_t exchange_count() {
  size_t count = 0;
  for (const Act& act : kActs) count += act.exchanges.size();
  return static_cast<uint32_t>(count);
}

const char* exchange_name(uint32_t number) {
  for (const Act& act : kActs) {
    if (number < act.exchanges.size()) return act.exchanges[number].name;
    number -= static_cast<uint32_t>(act.exchanges.size());
  }
  return "?";
}

}  // namespace hookline::check
