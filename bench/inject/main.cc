// Injections a second through FwpsInjectMacSendAsync0, with their completions, beside what sendmmsg
// reaches with the same frames on the same wire: a veth in a network namespace of its own, counted
// at its other end. The ways take turns within one run. Needs root.
//
//   build/release/bench/inject/bench_inject [rounds] [milliseconds]

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/inet_frame.h"
#include "filter/engine.h"
#include "inject/injections.h"
#include "inject/lists.h"
#include "io/linux/link_monitor.h"
#include "io/linux/packet_port.h"

namespace hookline {
namespace {

constexpr size_t kPayload = 300;
constexpr size_t kInFlight = 1024;
constexpr size_t kBurst = 64;

int64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

uint64_t peer_frames() {
  std::ifstream in("/proc/thread-self/net/dev");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find("peer:");
    if (colon == std::string::npos) continue;
    std::istringstream fields(line.substr(colon + 5));
    uint64_t bytes = 0, frames = 0;
    fields >> bytes >> frames;
    return frames;
  }
  return 0;
}

std::vector<uint8_t> frame() {
  std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + kPayload, 0x5A);
  const Bytes built =
      write_udp_headers({MacAddress{{2, 0, 0, 0, 0, 1}}, MacAddress{{2, 0, 0, 0, 0, 2}}, 0,
                         Ipv4{0x0A000001}, Ipv4{0x0A000002}, 67, 68},
                        {room.data() + kUdpFrameHeaderBytesMax, kPayload});
  return {built.begin(), built.end()};
}

class QuietDriver final : public Driver {
 public:
  std::string_view name() const override { return "bench"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override {
    std::fprintf(stderr, "%.*s: %.*s\n", int(function.size()), function.data(), int(text.size()),
                 text.data());
  }
};

class Bench {
 public:
  Bench() {
    links_->changed();
    port_->serve(links_->table());
    ifindex_ = links_->table().links.at(0).ifindex;
    injections_.pump({now_ns(), 0});
    injections_.FwpsInjectionHandleCreate0(driver_, HOOKLINE_AF_UNSPEC, FWPS_INJECTION_TYPE_L2,
                                           &handle_);
    NET_BUFFER_LIST_POOL_PARAMETERS parameters{};
    parameters.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                         NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1};
    parameters.fAllocateNetBuffer = 1;
    pool_ = lists_.NdisAllocateNetBufferListPool(driver_, nullptr, &parameters);
    for (size_t i = 0; i < kInFlight; ++i) {
      bytes_.push_back(frame());
      mdls_[i].MappedSystemVa = bytes_[i].data();
      mdls_[i].StartVa = bytes_[i].data();
      mdls_[i].Size = sizeof(MDL);
      mdls_[i].ByteCount = ULONG(bytes_[i].size());
      NET_BUFFER_LIST* list = nullptr;
      lists_.FwpsAllocateNetBufferAndNetBufferList0(driver_, pool_, 0, 0, &mdls_[i], 0,
                                                    bytes_[i].size(), &list);
      free_.push_back(list);
    }
  }
  ~Bench() {
    injections_.FwpsInjectionHandleDestroy0(driver_, handle_);
    for (NET_BUFFER_LIST* list : free_) lists_.FwpsFreeNetBufferList0(driver_, list);
    lists_.NdisFreeNetBufferListPool(driver_, pool_);
  }

  uint64_t raw(int64_t until) {
    const int fd = ::socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = int(ifindex_);
    ::bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
    std::vector<uint8_t> bytes = frame();
    iovec part{bytes.data(), bytes.size()};
    std::array<mmsghdr, kBurst> messages{};
    for (mmsghdr& message : messages) {
      message.msg_hdr.msg_iov = &part;
      message.msg_hdr.msg_iovlen = 1;
    }
    uint64_t sent = 0;
    while (now_ns() < until) {
      const int n = ::sendmmsg(fd, messages.data(), messages.size(), 0);
      if (n > 0) sent += uint64_t(n);
    }
    ::close(fd);
    return sent;
  }

  // From the packet thread, as a callout that answers would: a burst a turn. `chain`: lists a call.
  uint64_t from_the_packet_thread(int64_t until, size_t chain) {
    completed_ = 0;
    while (now_ns() < until) {
      for (size_t i = 0; i < kBurst; i += chain) inject(chain);
      turn();
    }
    while (injections_.in_flight() != 0) turn();
    return completed_;
  }

  // From a thread of the driver's own, as one that delays would.
  uint64_t from_another_thread(int64_t until) {
    completed_ = 0;
    handed_over_ = 0;
    std::atomic<bool> over{false};
    size_t head = 0;
    ring_.fill(nullptr);
    for (size_t i = 0; i < free_.size(); ++i) ring_[i] = free_[i];
    tail_ = free_.size();
    free_.clear();
    to_ring_ = true;
    std::thread driver([&] {
      while (now_ns() < until) {
        for (size_t i = 0; i < kBurst; ++i) {
          if (head == tail_.load(std::memory_order_acquire)) {
            std::this_thread::yield();
            continue;
          }
          if (send(ring_[head % kInFlight])) ++head;
        }
      }
      over = true;
    });
    while (!over || injections_.in_flight() != 0) turn();
    driver.join();
    to_ring_ = false;
    for (; head != tail_; ++head) free_.push_back(ring_[head % kInFlight]);
    return completed_;
  }

 private:
  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
    Bench& self = *static_cast<Bench*>(context);
    if (NT_SUCCESS(list->Status)) ++self.completed_;
    if (!self.to_ring_) {
      self.free_.push_back(list);
      return;
    }
    const size_t tail = self.tail_.load(std::memory_order_relaxed);
    self.ring_[tail % kInFlight] = list;
    self.tail_.store(tail + 1, std::memory_order_release);
  }
  bool send(NET_BUFFER_LIST* list) {
    return injections_.FwpsInjectMacSendAsync0(driver_, handle_, nullptr, 0,
                                               FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, ifindex_, 0,
                                               list, &completion, this) == STATUS_SUCCESS;
  }
  void inject(size_t chain) {
    if (free_.size() < chain) return;
    NET_BUFFER_LIST* first = nullptr;
    for (size_t i = 0; i < chain; ++i) {
      NET_BUFFER_LIST* list = free_.back();
      free_.pop_back();
      list->Next = first;
      first = list;
    }
    if (!send(first)) std::abort();
  }
  void turn() { injections_.pump({now_ns(), 0}); }

  static inject::InjectionOptions options(inject::Lists& lists, io::Wakeups& wakeups) {
    inject::InjectionOptions out;
    out.lists = &lists;
    (void)wakeups;  // this thread never sleeps
    out.per_second_min = ~uint64_t{0} >> 1;
    return out;
  }

  Logger log_{stderr, LogLevel::Error};
  std::unique_ptr<io::LinuxLinkMonitor> links_ =
      std::move(io::LinuxLinkMonitor::open({"wire"})).value();
  std::unique_ptr<io::LinuxPacketPort> port_ = std::move(io::LinuxPacketPort::open()).value();
  Counters counters_;
  filter::Engine filters_{log_};
  inject::Lists lists_;
  inject::Injections injections_{*port_,    *links_, filters_,
                                 counters_, log_,    options(lists_, *port_)};
  QuietDriver driver_;
  HANDLE handle_ = nullptr;
  NDIS_HANDLE pool_ = nullptr;
  uint32_t ifindex_ = 0;
  std::vector<std::vector<uint8_t>> bytes_;
  std::array<MDL, kInFlight> mdls_{};
  std::vector<NET_BUFFER_LIST*> free_;
  std::array<NET_BUFFER_LIST*, kInFlight> ring_{};
  std::atomic<size_t> tail_{0};
  bool to_ring_ = false;
  uint64_t completed_ = 0;
  uint64_t handed_over_ = 0;
};

struct Way {
  const char* name;
  std::function<uint64_t(Bench&, int64_t)> run;
  std::vector<double> rates;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(int rounds, int64_t round_ns) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("a network namespace");
    return 1;
  }
  if (std::system("ip link add wire type veth peer name peer && ip link set wire up && "
                  "ip link set peer up && ip addr add 10.0.0.1/24 dev wire") != 0) {
    return 1;
  }
  ::usleep(200'000);
  Bench bench;
  std::vector<Way> ways = {
      {"sendmmsg of 64", [](Bench& b, int64_t until) { return b.raw(until); }, {}},
      {"injected on the packet thread, a list a call",
       [](Bench& b, int64_t until) { return b.from_the_packet_thread(until, 1); },
       {}},
      {"injected on the packet thread, 32 lists a call",
       [](Bench& b, int64_t until) { return b.from_the_packet_thread(until, 32); },
       {}},
      {"injected on another thread, a list a call",
       [](Bench& b, int64_t until) { return b.from_another_thread(until); },
       {}},
  };
  int wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    for (Way& way : ways) {
      const uint64_t before = peer_frames();
      const int64_t began = now_ns();
      const uint64_t told = way.run(bench, began + round_ns);
      const double seconds = double(now_ns() - began) / 1e9;
      const uint64_t arrived = peer_frames() - before;
      if (arrived < told) ++wrong;
      way.rates.push_back(double(arrived) / seconds);
    }
  }
  const double raw = median(ways[0].rates);
  for (const Way& way : ways) {
    std::printf("%-48s %9.0f frames/s  %5.2f of raw  (%.0f to %.0f)\n", way.name, median(way.rates),
                median(way.rates) / raw, *std::min_element(way.rates.begin(), way.rates.end()),
                *std::max_element(way.rates.begin(), way.rates.end()));
  }
  if (wrong != 0) std::printf("%d rounds in which fewer frames arrived than completed\n", wrong);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace hookline

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  const int64_t ms = argc > 2 ? std::atoi(argv[2]) : 1000;
  return hookline::run(rounds, ms * 1'000'000);
}
