// What the filter engine costs a packet: nothing to do, a limiting rule, one and several inspecting
// callouts. CPU time of this thread, so that other work on the machine counts little.
//
//   build/release/bench/filter/bench_filter [packets]

#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/inet_frame.h"
#include "filter/engine.h"
#include "filter/filter_engine.h"
#include "filter/net_buffers.h"
#include "filter/rules.h"

namespace hookline::receive {
// Stands in for the stage before the filter.
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive

namespace hookline {
namespace {

constexpr size_t kBatch = 64;
constexpr uint32_t kPayload = 300;

double cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

class PoolEndings final : public Endings {
 public:
  explicit PoolEndings(PacketPool& pool) : pool_(pool) {}
  void drop(PacketHandle packet, Drop) override { pool_.give_back(std::move(packet)); }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override { pool_.give_back(std::move(packet)); }

 private:
  PacketPool& pool_;
};

void NTAPI inspect(const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                   const void*, const FWPS_FILTER3*, UINT64, FWPS_CLASSIFY_OUT0* out) {
  if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0) out->actionType = FWP_ACTION_PERMIT;
}

// One packet in through the stage, and one out as the injector asks.
class Path {
 public:
  explicit Path(bool with_engine) {
    link_.ifindex = 3;
    link_.addresses = {{Ipv4{0x0A000001}, Prefix{Ipv4{0x0A000000}, 24}}};
    stage_ = with_engine
                 ? std::make_unique<filter::FilterEngine>(engine, pool_, endings_, counters_)
                 : std::make_unique<filter::FilterEngine>(endings_, counters_);
    std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + kPayload);
    const Bytes built = write_udp_headers(
        {MacAddress{{2, 0, 0, 0, 0, 9}}, kBroadcastMac, 0, Ipv4{0x0A000005}, kBroadcast, 68, 67},
        {room.data() + kUdpFrameHeaderBytesMax, kPayload});
    frame_.assign(built.begin(), built.end());
    indication_.describe(frame_);
  }

  // CPU nanoseconds a packet, in and out.
  double run(size_t packets, bool with_engine) {
    const double began = cpu_ns();
    for (size_t done = 0; done < packets; done += kBatch) {
      Batch<Frame> frames;
      for (size_t i = 0; i < kBatch; ++i) frames.push(receive::Receiver::make(take()));
      Batch<Admitted> admitted = stage_->admit(std::move(frames));
      for (Admitted& one : admitted) {
        if (with_engine) send(one.packet());
        pool_.give_back(std::move(one).release());
      }
    }
    return (cpu_ns() - began) / double(packets);
  }

  Logger log{stderr, LogLevel::Error};
  filter::Engine engine{log};

 private:
  PacketHandle take() {
    PacketHandle packet = pool_.take();
    if (packet->payload_offset == 0) {
      std::copy(frame_.begin(), frame_.end(), packet->frame_buffer().begin());
    }
    packet->payload_offset = uint16_t(frame_.size() - kPayload);
    packet->request_size = kPayload;
    packet->ingress.ifindex = 3;
    packet->ingress.source_mac = MacAddress{{2, 0, 0, 0, 0, 9}};
    packet->ingress.source = Ipv4{0x0A000005};
    packet->ingress.destination = kBroadcast;
    packet->ingress.source_port = 68;
    packet->ingress.arrived_ns = ++now_ns_;
    packet->ingress.link = &link_;
    return packet;
  }
  void send(Packet& packet) {
    if (!engine.concerns(Direction::Outbound, Depth::Datagram, Depth::Mac)) return;
    Traffic traffic = filter::inbound_traffic(packet);
    traffic.direction = Direction::Outbound;
    indication_.describe(frame_);
    engine.classify(traffic, &indication_.list, Depth::Datagram, Depth::Mac);
  }

  io::Link link_;
  PacketPool pool_{kBatch};
  PoolEndings endings_{pool_};
  Counters counters_;
  std::unique_ptr<filter::FilterEngine> stage_;
  std::vector<uint8_t> frame_;
  filter::Indication indication_;
  int64_t now_ns_ = 0;
};

// Gives each flow a context.
filter::Engine* kept_by = nullptr;
UINT32 keeper = 0;
class NoDriver final : public Driver {
 public:
  std::string_view name() const override { return "bench"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view, std::string_view) override {}
} no_driver;
void NTAPI keep_flow(const FWPS_INCOMING_VALUES0* values,
                     const FWPS_INCOMING_METADATA_VALUES0* metadata, void*, const void*,
                     const FWPS_FILTER3*, UINT64 context, FWPS_CLASSIFY_OUT0* out) {
  if (context == 0) {
    kept_by->flows().FwpsFlowAssociateContext0(no_driver, metadata->flowHandle, values->layerId,
                                               keeper, 1);
  }
  if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0) out->actionType = FWP_ACTION_PERMIT;
}
void NTAPI forget_flow(UINT16, UINT32, UINT64) {}

void install(filter::Engine& engine, const GUID& layer, uint32_t number,
             FWPS_CALLOUT_CLASSIFY_FN3 classify = &inspect) {
  static char16_t kName[] = u"inspect";
  const GUID key = {number, 0, 0, {}};
  HANDLE session = nullptr;
  engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session);
  FWPS_CALLOUT3 functions{};
  functions.calloutKey = key;
  functions.classifyFn = classify;
  if (classify == &keep_flow) functions.flowDeleteFn = &forget_flow;
  kept_by = &engine;
  engine.FwpsCalloutRegister3(nullptr, &functions, &keeper);
  FWPM_CALLOUT0 callout{};
  callout.calloutKey = key;
  callout.displayData.name = reinterpret_cast<WCHAR*>(kName);
  callout.applicableLayer = layer;
  engine.FwpmCalloutAdd0(session, &callout, nullptr, nullptr);
  FWPM_FILTER0 filter{};
  filter.displayData.name = reinterpret_cast<WCHAR*>(kName);
  filter.layerKey = layer;
  filter.action.type = FWP_ACTION_CALLOUT_INSPECTION;
  filter.action.calloutKey = key;
  engine.FwpmFilterAdd0(session, &filter, nullptr, nullptr);
}

void measure(const char* what, size_t packets, bool with_engine, void (*prepare)(Path&)) {
  Path path(with_engine);
  prepare(path);
  path.run(packets / 10, with_engine);
  double best = path.run(packets, with_engine);
  for (int i = 0; i < 4; ++i) best = std::min(best, path.run(packets, with_engine));
  std::printf("%-58s %7.1f ns\n", what, best);
  for (const auto& line : path.engine.report().callouts) {
    while (path.engine.FwpsCalloutUnregisterById0(line.id) == STATUS_DEVICE_BUSY) {
    }
  }
}

}  // namespace
}  // namespace hookline

int main(int argc, char** argv) {
  using namespace hookline;
  const size_t packets = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  std::printf("one packet in and one out, best of 5 runs of %zu packets\n", packets);
  measure("the batch alone, without an engine", packets, false, [](Path&) {});
  measure("an engine without filters", packets, true, [](Path&) {});
  measure("one limiting rule per mac, inbound", packets, true, [](Path& path) {
    FilterRule rule;
    rule.layer = "INBOUND_MAC_FRAME_ETHERNET";
    rule.action = RuleAction::Limit;
    rule.interval_ns = 1;
    rule.burst = 1000;
    rule.per = LimitPer::Mac;
    path.engine.set_rules(filter::make_rules({&rule, 1}, {}, 1));
  });
  measure("an inspecting callout at the MAC layer, inbound", packets, true,
          [](Path& path) { install(path.engine, FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, 1); });
  measure("inspecting callouts at the MAC layers, both directions", packets, true, [](Path& path) {
    install(path.engine, FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, 1);
    install(path.engine, FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 2);
  });
  measure("flows: inspecting callouts at the ALE layers", packets, true, [](Path& path) {
    install(path.engine, FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, 1);
    install(path.engine, FWPM_LAYER_ALE_AUTH_CONNECT_V4, 2);
    install(path.engine, FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, 3);
  });
  measure("flows: an inspecting callout at DATAGRAM_DATA, without", packets, true,
          [](Path& path) { install(path.engine, FWPM_LAYER_DATAGRAM_DATA_V4, 1); });
  measure("flows: the same, with a context for each flow", packets, true,
          [](Path& path) { install(path.engine, FWPM_LAYER_DATAGRAM_DATA_V4, 1, &keep_flow); });
  measure("inspecting callouts at all seven layers", packets, true, [](Path& path) {
    const GUID layers[] = {FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET,
                           FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET,
                           FWPM_LAYER_INBOUND_IPPACKET_V4,
                           FWPM_LAYER_OUTBOUND_IPPACKET_V4,
                           FWPM_LAYER_INBOUND_TRANSPORT_V4,
                           FWPM_LAYER_OUTBOUND_TRANSPORT_V4,
                           FWPM_LAYER_DATAGRAM_DATA_V4};
    for (uint32_t i = 0; i < std::size(layers); ++i) install(path.engine, layers[i], i + 1);
  });
}
