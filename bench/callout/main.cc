// What callouts cost on the line by themselves: all hooks of a granting exchange of one packet
// (NewPkt, HandleOptions, AddressOffer, PktSend, PktDrop), set and empty, with the clock that the
// server measures them with. In process, and in a helper process, which is waited for twice a turn.
//
//   bench_callout 41                    medians of 41 rounds, in process and isolated
//   bench_callout [HOST...]             round trips of batches of 1, 16 and 64 calls, by host:
//                                       in-process, isolated, wine
//
// taskset -c 1: all on one core.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "callout/callouts.h"
#include "callout/in_process_host.h"
#include "callout/loader.h"
#include "callout/testing_products.h"
#include "io/linux/clock.h"
#include "io/linux/helpers.h"
#include "io/linux/library.h"
#include "io/linux/memory.h"

namespace hookline {

namespace {

using Clock = std::chrono::steady_clock;
using callout::Hosts;

constexpr size_t kRequestBytes = 300, kReplyBytes = 320;

DHCP_CALLOUT_TABLE empty_hooks() {
  DHCP_CALLOUT_TABLE t{};
  t.DhcpControlHook = [](DWORD, LPVOID) -> DWORD { return 0; };
  t.DhcpNewPktHook = [](LPBYTE*, DWORD*, DWORD, LPVOID, LPVOID*, LPBOOL) -> DWORD { return 0; };
  t.DhcpPktDropHook =
      t.DhcpPktSendHook = [](LPBYTE*, DWORD*, DWORD, DWORD, LPVOID, LPVOID) -> DWORD { return 0; };
  t.DhcpAddressDelHook = [](LPBYTE, DWORD, DWORD, DWORD, DWORD, LPVOID, LPVOID) -> DWORD {
    return 0;
  };
  t.DhcpAddressOfferHook = [](LPBYTE, DWORD, DWORD, DWORD, DWORD, DWORD, DWORD, LPVOID,
                              LPVOID) -> DWORD { return 0; };
  t.DhcpHandleOptionsHook = [](LPBYTE, DWORD, LPVOID, LPVOID, LPDHCP_SERVER_OPTIONS) -> DWORD {
    return 0;
  };
  t.DhcpDeleteClientHook = [](DWORD, LPBYTE, ULONG, DWORD, DWORD) -> DWORD { return 0; };
  return t;
}

// The options of a usual REQUEST.
void decode(Packet& packet) {
  uint8_t* at = packet.request_data() + 240;
  const auto add = [&](uint8_t code, uint8_t size) {
    packet.message.options.set(code, Bytes(at + 2, size));
    at += 2 + size;
  };
  packet.message.hardware_type = 1;
  packet.message.hardware_size = 6;
  add(53, 1), add(61, 7), add(50, 4), add(54, 4), add(12, 8), add(60, 8), add(55, 12);
}

class Line final : public Endings {
 public:
  explicit Line(Hosts hosts) : callouts_(*this, counters_, nullptr) {
    link_.addresses.push_back({Ipv4{0x0A000001}, {}});
    callouts_.start(std::move(hosts));
  }
  ~Line() { callouts_.stop(); }

  void turn(size_t count) {
    Batch<Admitted> admitted;
    for (size_t i = 0; i < count; ++i) {
      PacketHandle handle = pool_.take();
      handle->ingress.link = &link_;
      handle->payload_offset = 42;
      handle->request_size = kRequestBytes;
      handle->grant.reply = ReplyKind::Offer;
      admitted.push(filter::FilterEngine::make(receive::Receiver::make(std::move(handle))));
    }
    if (!callouts_.empty()) admitted = callouts_.new_packets(std::move(admitted));
    Batch<Request> requests;
    for (Admitted& a : admitted) {
      decode(a.packet());
      requests.push(wire::Decoder::make(std::move(a)));
    }
    callouts_.options(requests);
    Batch<Reply> replies;
    for (Request& r : requests) {
      callouts_.address_offered(r.packet());
      r.packet().reply_size = kReplyBytes;
      replies.push(wire::Encoder::make(lease::Engine::make(std::move(r))));
    }
    if (!callouts_.empty()) replies = callouts_.replies(std::move(replies));
    for (Reply& r : replies) complete(std::move(r).release());
    callouts_.turn_ended();
  }

  void drop(PacketHandle packet, Drop) override { complete(std::move(packet)); }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override {
    callouts_.ended(*packet, std::nullopt);
    pool_.give_back(std::move(packet));
  }

 private:
  io::Link link_;
  PacketPool pool_;
  Counters counters_;
  callout::Callouts callouts_;
};

// Nanoseconds a packet.
double measure(Line& line, size_t batch, int rounds) {
  std::vector<double> all;
  const size_t turns = 200'000 / batch / 10 + 1;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    for (size_t i = 0; i < turns; ++i) line.turn(batch);
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    all.push_back(took.count() / static_cast<double>(turns * batch));
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

Hosts make_hosts(int count, io::Clock& clock, io::Memory& memory, Logger& log) {
  Hosts hosts;
  for (int i = 0; i < count; ++i) {
    hosts.push_back(std::make_unique<callout::InProcessHost>(
        callout::LoadedCallout{"empty", "", empty_hooks(), nullptr},
        callout::InProcessHost::Options{}, clock, memory, log));
  }
  return hosts;
}

// A callout with empty hooks in the host of that name.
struct Place {
  std::string name;
  CalloutPlace place;
  const char* file;
};
const Place kPlaces[] = {{"in-process", CalloutPlace::InProcess, EMPTY_CALLOUT},
                         {"isolated", CalloutPlace::Isolated, EMPTY_CALLOUT},
                         {"wine", CalloutPlace::Wine, EMPTY_DLL}};

// None: it can't be loaded, and the reason was printed.
Hosts make_placed(const Place& place, io::Helpers* helpers, io::Clock& clock, io::Memory& memory,
                  Logger& log) {
  static io::LinuxLibraries libraries;
  // They live as long as their hosts do.
  static std::vector<std::unique_ptr<callout::Loader>> loaders;
  if (helpers == nullptr && place.place != CalloutPlace::InProcess) return {};
  CalloutConfig config;
  config.enabled = true;
  config.chaining = CalloutChaining::ByServer;
  config.names = {place.file};
  config.dir = "/";
  config.hosting.place = place.place;
  loaders.push_back(
      std::make_unique<callout::Loader>(libraries, clock, memory, log, kPacketsMax, helpers));
  callout::Loader::Loaded loaded = loaders.back()->load(config);
  for (const std::string& failure : loaded.failures) {
    fmt::print("SKIPPED: {}: {}\n", place.name, failure);
  }
  return std::move(loaded.hosts);
}

struct RoundTrip {
  double p50_us = 0, p99_us = 0;
};

// From a run of NewPkt calls to all their answers; PROCESSED rides along with the next.
RoundTrip measure_round_trip(callout::Host& host, size_t batch, std::chrono::microseconds pause) {
  constexpr auto kTime = std::chrono::milliseconds(1200);
  std::vector<std::array<uint8_t, kPacketBytesMax>> packets(batch);
  std::vector<callout::Call> begin(batch), end(batch);
  std::vector<double> all;
  const auto until = Clock::now() + kTime;
  while (Clock::now() < until) {
    for (size_t i = 0; i < batch; ++i) {
      begin[i] = end[i] = {};
      begin[i].hook = callout::Hook::NewPkt;
      begin[i].buffer = packets[i].data();
      begin[i].size = kRequestBytes;
      end[i].hook = callout::Hook::PktDrop;
      end[i].code = callout::kDropProcessed;
      begin[i].slot = end[i].slot = static_cast<uint32_t>(i);
    }
    if (pause.count() != 0) std::this_thread::sleep_for(pause);
    const auto start = Clock::now();
    host.run(begin);
    const std::chrono::duration<double, std::micro> took = Clock::now() - start;
    all.push_back(took.count());
    host.run(end);
    host.turn_ended();
  }
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all[all.size() * 99 / 100]};
}

void print_round_trips(const std::vector<std::string>& names, io::Helpers* helpers,
                       io::Clock& clock, io::Memory& memory, Logger& log) {
  fmt::print(
      "microseconds from a run of NewPkt calls to its answers, one after the other, and with "
      "2 ms of sleep between\n");
  fmt::print("{:<12} {:>6} {:>9} {:>9} {:>12} {:>12}\n", "host", "batch", "p50", "p99",
             "p50 asleep", "p99 asleep");
  for (const Place& place : kPlaces) {
    if (std::find(names.begin(), names.end(), place.name) == names.end()) continue;
    Hosts hosts = make_placed(place, helpers, clock, memory, log);
    if (hosts.empty()) continue;
    for (const size_t batch : {1u, 16u, 64u}) {
      const RoundTrip busy = measure_round_trip(*hosts[0], batch, {});
      const RoundTrip asleep = measure_round_trip(*hosts[0], batch, std::chrono::milliseconds(2));
      fmt::print("{:<12} {:>6} {:>9.2f} {:>9.2f} {:>12.2f} {:>12.2f}\n", place.name, batch,
                 busy.p50_us, busy.p99_us, asleep.p50_us, asleep.p99_us);
    }
  }
}

void print_line_costs(int rounds, io::Helpers* helpers, io::Clock& clock, io::Memory& memory,
                      Logger& log) {
  fmt::print("ns a packet, all hooks of a granting exchange, set and empty\n");
  fmt::print("{:>6} {:>8} {:>8} {:>8} {:>9} {:>12} {:>17}\n", "batch", "none", "one", "three",
             "isolated", "one - none", "isolated - none");
  for (const size_t batch : {1u, 16u, 64u, 256u}) {
    double ns[4];
    for (int i = 0; const int hosts : {0, 1, 3}) {
      Line line(make_hosts(hosts, clock, memory, log));
      ns[i++] = measure(line, batch, rounds);
    }
    Line line(make_placed(kPlaces[1], helpers, clock, memory, log));
    ns[3] = measure(line, batch, rounds);
    fmt::print("{:>6} {:>8.0f} {:>8.0f} {:>8.0f} {:>9.0f} {:>12.0f} {:>17.0f}\n", batch, ns[0],
               ns[1], ns[2], ns[3], ns[1] - ns[0], ns[3] - ns[0]);
  }
}

}  // namespace
}  // namespace hookline

int main(int argc, char** argv) {
  using namespace hookline;
  int rounds = 0;
  std::vector<std::string> names;
  for (const std::string& word : std::vector<std::string>(argv + 1, argv + argc)) {
    if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) {
      rounds = std::atoi(word.c_str());
    } else {
      names.push_back(word);
    }
  }
  io::LinuxClock clock;
  io::LinuxMemory memory;
  Logger log;
  auto helpers = io::LinuxHelpers::open({HOOKLINE_HOST, "nobody"});
  if (!helpers) fmt::print("SKIPPED: isolated, wine: {}\n", helpers.error().text);
  log.set_level(LogLevel::Error);
  io::Helpers* const spawner = helpers ? helpers->get() : nullptr;
  if (rounds == 0 && names.empty()) names = {"in-process", "isolated", "wine"};
  if (!names.empty()) print_round_trips(names, spawner, clock, memory, log);
  if (rounds != 0) print_line_costs(rounds, spawner, clock, memory, log);
  return 0;
}
