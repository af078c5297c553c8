// What the tests of this folder share: links and a port that do as they are told, the stages before
// the injector, a classifier, drivers and their lists.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/inet_frame.h"
#include "inject/injections.h"
#include "inject/injector.h"
#include "line/driver.h"

// The stages before the injector make its input; here a test stands in for each of them.
namespace hookline::receive {
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive
namespace hookline::wire {
class Decoder {
 public:
  static Request make(Admitted&& a) { return Request({}, std::move(a)); }
};
class Encoder {
 public:
  static Reply make(Immediate&& i) { return Reply({}, std::move(i)); }
};
}  // namespace hookline::wire
namespace hookline::lease {
class Engine {
 public:
  static Immediate make(Request&& r) {
    r.packet().grant.reply = ReplyKind::Offer;
    return Immediate({}, std::move(r));
  }
};
}  // namespace hookline::lease
namespace hookline::filter {
class FilterEngine {
 public:
  static Admitted admit(Frame&& f) { return Admitted({}, std::move(f)); }
  static Datagram release(Reply&& r) { return Datagram({}, std::move(r)); }
};
}  // namespace hookline::filter

namespace hookline::inject::testing {

inline constexpr MacAddress kOurMac{{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0x77}};
inline constexpr MacAddress kRelayMac{{0x02, 0, 0, 0, 0, 0x99}};

inline Ipv4 ip(const char* text) { return *Ipv4::parse(text); }

class FakeLinks final : public io::LinkMonitor {
 public:
  FakeLinks() {
    for (uint32_t i = 1; i <= 3; ++i) {
      io::Link link;
      link.ifindex = i;
      link.mac = kOurMac;
      link.mac.octets[4] = static_cast<uint8_t>(i);
      link.addresses = {{Ipv4{0x0A000001 + (i << 16)}, Prefix{Ipv4{0x0A000000 + (i << 16)}, 24}}};
      table_.links.push_back(link);
    }
  }
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return false; }
  std::optional<io::NextHop> resolve(Ipv4 to) override {
    ++resolved;
    const auto it = hops.find(to.value);
    return it == hops.end() ? std::nullopt : std::optional(it->second);
  }

  io::LinkTable table_;
  std::map<uint32_t, io::NextHop> hops;
  int resolved = 0;
};

// Keeps what was sent; each interface takes as many frames as it has `room` for, and frames whose
// first payload byte is in `failing` fail.
class FakePort final : public io::PacketPort {
 public:
  struct Sent {
    uint32_t ifindex;
    std::vector<uint8_t> frame;  // empty: by the socket
    std::vector<uint8_t> payload;
    Ipv4 from;
    Ipv4 to;
  };

  size_t receive(std::span<io::RxFrame>) override { return 0; }
  void send(std::span<io::TxFrame> frames) override {
    std::set<uint32_t> full;  // allocates nothing while it is empty
    for (io::TxFrame& tx : frames) {
      ++tries;
      UdpFrame udp;
      const FrameFault fault = parse_udp_frame(tx.frame, udp);
      if (!any_frames) {
        EXPECT_EQ(fault, FrameFault::None);
        EXPECT_NE(udp.udp_checksum, 0);
        EXPECT_TRUE(udp_checksum_is_right(udp));
      }
      // Of other frames, what follows the Ethernet header.
      const Bytes payload = fault == FrameFault::None
                                ? tx.frame.subspan(udp.payload_offset, udp.payload_size)
                                : tx.frame.subspan(std::min(tx.frame.size(), kEthernetHeaderBytes));
      tx.error = full.contains(tx.ifindex) ? ENOBUFS : take(tx.ifindex, payload);
      if (tx.error == ENOBUFS) full.insert(tx.ifindex);
      if (tx.error != 0 || discard) continue;
      sent.push_back({tx.ifindex,
                      {tx.frame.begin(), tx.frame.end()},
                      {payload.begin(), payload.end()},
                      udp.source,
                      udp.destination});
    }
  }
  int send_udp(Ipv4 from, Ipv4 to, uint16_t, uint32_t ifindex, Bytes payload) override {
    const int error = take(ifindex, payload);
    if (error == 0) sent.push_back({ifindex, {}, {payload.begin(), payload.end()}, from, to});
    return error;
  }
  uint64_t kernel_drops() const override { return 0; }

  std::vector<Sent> sent;
  std::map<uint32_t, size_t> room;  // absent: endless
  bool drains_at_once = false;      // a full queue has room again for the next call
  std::map<uint32_t, int> failing;  // by the payload's first four bytes
  bool fail_once = false;
  size_t tries = 0;
  bool discard = false;     // keeps nothing
  bool any_frames = false;  // not only whole UDP datagrams

 private:
  int take(uint32_t ifindex, Bytes payload) {
    const auto limit = room.find(ifindex);
    if (limit != room.end() && limit->second == 0) {
      if (drains_at_once) room.erase(limit);
      return ENOBUFS;
    }
    const auto it = failing.find(payload.size() < 4 ? 0xFFFFFFFF : load_be32(payload.data()));
    if (it != failing.end()) {
      const int error = it->second;
      if (fail_once) failing.erase(it);
      return error;
    }
    if (limit != room.end()) --limit->second;
    return 0;
  }
};

// Verdicts by a function; asked at each layer of the path, in order, until one is not Permit.
class FakeClassifier final : public Classifier {
 public:
  using At = std::function<Verdict(const Traffic&, NET_BUFFER_LIST*, Depth)>;

  bool concerns(Direction, Depth, Depth) const override { return at != nullptr; }
  Verdict classify(const Traffic& traffic, NET_BUFFER_LIST* list, Depth first,
                   Depth last) override {
    const uint32_t headers =
        traffic.mac_header_bytes + traffic.ip_header_bytes + traffic.transport_header_bytes;
    EXPECT_LE(headers, list->FirstNetBuffer->DataLength);
    const int step = traffic.direction == Direction::Inbound ? 1 : -1;
    for (int depth = static_cast<int>(first);; depth += step) {
      if (keep_path) path.push_back(static_cast<Depth>(depth));
      const Verdict verdict = at(traffic, list, static_cast<Depth>(depth));
      if (verdict != Verdict::Permit || depth == static_cast<int>(last)) return verdict;
    }
  }

  At at;
  bool keep_path = true;
  std::vector<Depth> path;
};

struct Bench {
  explicit Bench(InjectionOptions options = {})
      : injections(port, links, classifier, counters, log, options) {}
  PacketPool pool{kInjectionsMax + 1};
  FakeLinks links;
  FakePort port;
  Counters counters;
  FakeClassifier classifier;
  Logger log{stderr, LogLevel::Error};
  Injections injections;
  Injector injector{injections, links, counters, log};
  Now now{1'000'000'000, 0};
  uint32_t next_id = 0;

  ~Bench() {
    injections.abandon(now);
    injections.abandon_held(now);
    while (injector.in_flight() != 0) end(injector.completions(now));
    EXPECT_EQ(pool.available(), pool.size());
  }
  void end(Batch<Completion> batch) {
    for (Completion& c : batch) pool.give_back(std::move(c).release());
  }

  // A reply whose payload starts with its number.
  Datagram datagram(Destination to, uint32_t ifindex = 1, size_t size = 300) {
    PacketHandle packet = pool.take();
    packet->ingress = {};
    packet->ingress.ifindex = ifindex;
    packet->ingress.link = links.table_.find(ifindex);
    packet->ingress.source_mac = kClientMac;
    packet->destination = to;
    packet->reply_type = MessageType::Offer;
    packet->reply_size = static_cast<uint16_t>(size);
    std::memset(packet->reply_data(), 0x5A, size);
    store_be32(packet->reply_data(), next_id++);
    packet->grant.server_id = packet->ingress.link->primary();
    return filter::FilterEngine::release(
        wire::Encoder::make(lease::Engine::make(wire::Decoder::make(
            filter::FilterEngine::admit(receive::Receiver::make(std::move(packet)))))));
  }
  void submit(Datagram d) {
    Batch<Datagram> batch;
    batch.push(std::move(d));
    injector.submit(std::move(batch), now);
  }
  // The next completion's number and error; ends its packet.
  std::vector<std::pair<uint32_t, int>> completions() {
    std::vector<std::pair<uint32_t, int>> all;
    Batch<Completion> batch = injector.completions(now);
    for (Completion& c : batch) {
      all.emplace_back(load_be32(c.packet().reply_data()), c.error());
      pool.give_back(std::move(c).release());
    }
    return all;
  }
  int error_of(Datagram d) {
    submit(std::move(d));
    const auto all = completions();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? -1 : all[0].second;
  }
};

inline Destination broadcast() { return {Reach::Broadcast, kBroadcast, 68, kBroadcastMac}; }
inline Destination direct(const char* to) { return {Reach::Direct, ip(to), 68, kClientMac}; }
inline Destination routed(const char* to) { return {Reach::Routed, ip(to), 67, {}}; }

class FakeDriver final : public Driver {
 public:
  explicit FakeDriver(std::string name = "a driver") : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  uint8_t enter(uint8_t irql) override { return level().exchange(irql); }
  void leave(uint8_t before) override { level() = before; }
  void breach(std::string_view function, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    breaches_.push_back(std::string(function) + ": " + std::string(text));
  }
  std::vector<std::string> breaches() {
    const std::lock_guard lock(mutex_);
    return breaches_;
  }
  // Of the calling thread.
  static std::atomic<uint8_t>& level() {
    static thread_local std::atomic<uint8_t> irql{0};
    return irql;
  }

 private:
  std::string name_;
  std::mutex mutex_;
  std::vector<std::string> breaches_;
};

// A driver's list of its own making: one NET_BUFFER, its bytes in as many MDLs as there are pieces.
struct TestList {
  NET_BUFFER_LIST list{};
  NET_BUFFER buffer{};
  std::vector<std::vector<uint8_t>> pieces;
  std::vector<MDL> mdls;

  explicit TestList(const std::vector<uint8_t>& bytes, size_t piece = 1 << 20) {
    for (size_t at = 0; at < bytes.size(); at += piece) {
      const size_t size = std::min(piece, bytes.size() - at);
      pieces.emplace_back(bytes.begin() + ptrdiff_t(at), bytes.begin() + ptrdiff_t(at + size));
    }
    mdls.resize(std::max<size_t>(1, pieces.size()));
    for (size_t i = 0; i < pieces.size(); ++i) {
      mdls[i].MappedSystemVa = pieces[i].data();
      mdls[i].ByteCount = ULONG(pieces[i].size());
      mdls[i].Next = i + 1 < pieces.size() ? &mdls[i + 1] : nullptr;
    }
    buffer.MdlChain = buffer.CurrentMdl = mdls.data();
    buffer.DataLength = ULONG(bytes.size());
    list.FirstNetBuffer = &buffer;
  }
  TestList(const TestList&) = delete;
  TestList& operator=(const TestList&) = delete;

  // As FwpsAllocateCloneNetBufferList0 does it, with the same MDLs. let_go() undoes it.
  static std::unique_ptr<TestList> clone_of(NET_BUFFER_LIST& parent, uint32_t offset = 0) {
    auto out = std::make_unique<TestList>(std::vector<uint8_t>{});
    out->buffer = *parent.FirstNetBuffer;
    out->buffer.CurrentMdlOffset += offset;
    out->buffer.DataOffset += offset;
    out->buffer.DataLength -= offset;
    out->list.ParentNetBufferList = &parent;
    out->list.NdisReserved[0] = parent.NdisReserved[0];
    std::copy(std::begin(parent.NetBufferListInfo), std::end(parent.NetBufferListInfo),
              std::begin(out->list.NetBufferListInfo));
    __atomic_add_fetch(&parent.ChildRefCount, 1, __ATOMIC_RELEASE);
    return out;
  }
  void let_go() {
    __atomic_sub_fetch(&list.ParentNetBufferList->ChildRefCount, 1, __ATOMIC_RELEASE);
    list.ParentNetBufferList = nullptr;
  }
};

// A whole frame of ours to a client; the payload begins with `id`.
inline std::vector<uint8_t> frame_with(uint32_t id, size_t payload = 300) {
  std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + payload, 0x5A);
  store_be32(room.data() + kUdpFrameHeaderBytesMax, id);
  const Bytes frame = write_udp_headers(
      {MacAddress{{2, 0, 0, 0, 1, 1}}, kClientMac, 0, ip("10.1.0.1"), ip("10.1.0.50"), 67, 68},
      {room.data() + kUdpFrameHeaderBytesMax, payload});
  return {frame.begin(), frame.end()};
}

// What completes, in order; its address is the completion's context.
struct Sink {
  struct Completed {
    NET_BUFFER_LIST* list;
    NTSTATUS status;
  };

  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
    Sink& self = *static_cast<Sink*>(context);
    EXPECT_TRUE(dispatch_level);
    EXPECT_EQ(FakeDriver::level(), 2);
    EXPECT_EQ(list->Next, nullptr);
    {
      const std::lock_guard lock(self.mutex);
      self.completed.push_back({list, list->Status});
    }
    if (self.then) self.then(list);
  }
  size_t count() {
    const std::lock_guard lock(mutex);
    return completed.size();
  }
  // The status of the one that has completed since the last call.
  NTSTATUS take() {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(completed.size(), 1u);
    const NTSTATUS status = completed.empty() ? STATUS_PENDING : completed.front().status;
    completed.clear();
    return status;
  }

  std::mutex mutex;
  std::vector<Completed> completed;
  std::function<void(NET_BUFFER_LIST*)> then;
};

// Everything that injections need, one driver, and a handle of every type.
struct House {
  explicit House(InjectionOptions options = {}) : bench(options) {
    bench.port.any_frames = true;
    injections.pump(bench.now);
    handle = open();
  }
  ~House() {
    injections.abandon(bench.now);
    EXPECT_EQ(injections.in_flight(), 0u);
  }

  HANDLE open(UINT32 types = kAllTypes, ADDRESS_FAMILY family = HOOKLINE_AF_UNSPEC) {
    return open(driver, types, family);
  }
  HANDLE open(FakeDriver& of, UINT32 types = kAllTypes,
              ADDRESS_FAMILY family = HOOKLINE_AF_UNSPEC) {
    HANDLE out = nullptr;
    EXPECT_EQ(injections.FwpsInjectionHandleCreate0(of, family, types, &out), STATUS_SUCCESS);
    return out;
  }
  NTSTATUS mac_send(NET_BUFFER_LIST& list, uint32_t ifindex = 1, HANDLE with = nullptr,
                    HANDLE context = nullptr) {
    return injections.FwpsInjectMacSendAsync0(driver, with != nullptr ? with : handle, context, 0,
                                              FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, ifindex, 0,
                                              &list, &Sink::completion, &sink);
  }
  NTSTATUS mac_receive(NET_BUFFER_LIST& list, uint32_t ifindex = 1) {
    return injections.FwpsInjectMacReceiveAsync0(driver, handle, nullptr, 0,
                                                 FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET, ifindex, 0,
                                                 &list, &Sink::completion, &sink);
  }
  NTSTATUS network_send(NET_BUFFER_LIST& list) {
    return injections.FwpsInjectNetworkSendAsync0(driver, handle, nullptr, 0, 1, &list,
                                                  &Sink::completion, &sink);
  }
  NTSTATUS network_receive(NET_BUFFER_LIST& list, uint32_t ifindex = 1) {
    return injections.FwpsInjectNetworkReceiveAsync0(driver, handle, nullptr, 0, 1, ifindex, 0,
                                                     &list, &Sink::completion, &sink);
  }
  NTSTATUS transport_send(NET_BUFFER_LIST& list, FWPS_TRANSPORT_SEND_PARAMS1* args,
                          UINT64 endpoint = 0) {
    return injections.FwpsInjectTransportSendAsync1(driver, handle, nullptr, endpoint, 0, args,
                                                    HOOKLINE_AF_INET, 1, &list, &Sink::completion,
                                                    &sink);
  }
  NTSTATUS transport_receive(NET_BUFFER_LIST& list, uint32_t ifindex = 1) {
    return injections.FwpsInjectTransportReceiveAsync0(driver, handle, nullptr, nullptr, 0,
                                                       HOOKLINE_AF_INET, 1, ifindex, 0, &list,
                                                       &Sink::completion, &sink);
  }
  // One turn's worth.
  void pump() {
    injections.pump(bench.now);
    injections.pump(bench.now);
  }
  NTSTATUS fate_of(NET_BUFFER_LIST& list, uint32_t ifindex = 1) {
    EXPECT_EQ(mac_send(list, ifindex), STATUS_SUCCESS);
    EXPECT_EQ(sink.count(), 0u);
    pump();
    return sink.take();
  }

  static constexpr UINT32 kAllTypes =
      FWPS_INJECTION_TYPE_TRANSPORT | FWPS_INJECTION_TYPE_NETWORK | FWPS_INJECTION_TYPE_L2;
  Bench bench;
  Injections& injections = bench.injections;
  FakeDriver driver;
  Sink sink;
  HANDLE handle = nullptr;
};

inline std::vector<uint8_t> without(std::vector<uint8_t> bytes, size_t count) {
  bytes.erase(bytes.begin(), bytes.begin() + ptrdiff_t(count));
  return bytes;
}

}  // namespace hookline::inject::testing
