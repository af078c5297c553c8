// Packet callouts in the whole line: what they absorb, change and inject again on the way in and
// out, between a client and the server's core, over a wire, a disk and time that the test makes.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>

#include "base/inet_frame.h"
#include "config/load.h"
#include "load/packet.h"
#include "server/check_packets.h"
#include "server/check_world.h"
#include "server/core.h"

namespace hookline::server {
namespace {

constexpr const char* kConfig = R"(
[server]
interfaces = ["*"]
[[scope]]
id = "clients"
subnet = "10.77.0.0/16"
ranges = ["10.77.1.0-10.77.1.255"]
)";

class RealClock final : public io::Clock {
 public:
  io::ClockReading read() override { return {1'000'000'000, 1'700'000'000'000'000'000}; }
};

class TestDriver final : public Driver {
 public:
  std::string_view name() const override { return "test"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override {
    ADD_FAILURE() << function << ": " << text;
  }
};

// A driver that takes what its layer shows, and gives it back when and as the test says.
class House {
 public:
  House() {
    const auto loaded = config::load_text(kConfig, "test.toml");
    EXPECT_NE(loaded.config, nullptr) << (loaded.errors.empty() ? "" : loaded.errors[0].text);
    auto core = Core::start({clock, disk, background, wire, wire, log, 1, nullptr}, loaded.config);
    EXPECT_TRUE(core.has_value());
    core_ = std::move(*core);
    run();
    EXPECT_EQ(
        injections().FwpsInjectionHandleCreate0(
            driver, HOOKLINE_AF_UNSPEC,
            FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_NETWORK | FWPS_INJECTION_TYPE_TRANSPORT,
            &handle),
        STATUS_SUCCESS);
  }
  ~House() {
    core_->stop();
    EXPECT_EQ(injections().in_flight(), 0u);
    EXPECT_EQ(core_->packets_in_flight(), 0u);
    injections().FwpsInjectionHandleDestroy0(driver, handle);
    for (const UINT32 id : callouts_) core_->filters().FwpsCalloutUnregisterById0(id);
  }

  Core& core() { return *core_; }
  inject::Injections& injections() { return core_->injections(); }
  inject::Lists& lists() { return core_->lists(); }
  void run() {
    for (bool busy = true; busy;) {
      busy = core_->turn();
      while (background.run_one()) busy = true;
    }
  }
  load::Reply reply() {
    load::Reply out;
    const std::vector<uint8_t> sent = wire.take_reply();
    if (!sent.empty()) {
      EXPECT_EQ(load::read_reply(sent, false, out), "");
    }
    return out;
  }
  void discover(uint32_t number = 1) {
    const check::Client client{number};
    wire.client_sends(check::frame(client, check::message(client, check::typed(1))));
  }

  // What a classifyFn is shown.
  struct Shown {
    const FWPS_INCOMING_VALUES0& values;
    const FWPS_INCOMING_METADATA_VALUES0& metadata;
    NET_BUFFER_LIST* list;
  };
  // `take` says true: absorb. Not asked for what this driver has injected itself.
  void install(const GUID& layer, std::function<bool(const Shown&)> take) {
    const uint32_t number = uint32_t(takes_.size()) + 1;
    takes_.push_back({this, std::move(take)});
    const GUID key = {number, 7, 7, {}};
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = key;
    functions.classifyFn = &classify;
    ASSERT_EQ(core_->filters().FwpsCalloutRegister3(nullptr, &functions, &callouts_.emplace_back()),
              STATUS_SUCCESS);
    static char16_t name[] = u"test";
    HANDLE session = nullptr;
    core_->filters().FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session);
    FWPM_CALLOUT0 callout{};
    callout.calloutKey = key;
    callout.displayData.name = reinterpret_cast<WCHAR*>(name);
    callout.applicableLayer = layer;
    ASSERT_EQ(core_->filters().FwpmCalloutAdd0(session, &callout, nullptr, nullptr),
              STATUS_SUCCESS);
    FWPM_FILTER0 filter{};
    filter.displayData.name = reinterpret_cast<WCHAR*>(name);
    filter.layerKey = layer;
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = key;
    filter.rawContext = reinterpret_cast<uintptr_t>(&takes_.back());
    ASSERT_EQ(core_->filters().FwpmFilterAdd0(session, &filter, nullptr, nullptr), STATUS_SUCCESS);
  }
  // A clone that begins `bytes` before what is shown; the original is put back.
  NET_BUFFER_LIST* clone(NET_BUFFER_LIST* list, uint32_t bytes) {
    NET_BUFFER* buffer = list->FirstNetBuffer;
    EXPECT_EQ(lists().NdisRetreatNetBufferDataStart(driver, buffer, bytes, 0, nullptr),
              NDIS_STATUS_SUCCESS);
    NET_BUFFER_LIST* out = nullptr;
    EXPECT_EQ(lists().FwpsAllocateCloneNetBufferList0(driver, list, nullptr, nullptr, 0, &out),
              STATUS_SUCCESS);
    lists().NdisAdvanceNetBufferDataStart(driver, buffer, bytes, FALSE, nullptr);
    return out;
  }
  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
    House& self = *static_cast<House*>(context);
    self.statuses.push_back(list->Status);
    if (list->ParentNetBufferList != nullptr) {
      self.lists().FwpsFreeCloneNetBufferList0(self.driver, list, 0);
    }
  }

  RealClock real;
  check::CheckClock clock{real};
  check::CheckWire wire;
  check::CheckDisk disk;
  check::CheckBackground background;
  Logger log{stderr, LogLevel::Error};
  TestDriver driver;
  HANDLE handle = nullptr;
  std::vector<NTSTATUS> statuses;

 private:
  struct Take {
    House* house;
    std::function<bool(const Shown&)> take;
  };
  static void NTAPI classify(const FWPS_INCOMING_VALUES0* values,
                             const FWPS_INCOMING_METADATA_VALUES0* metadata, void* layer_data,
                             const void*, const FWPS_FILTER3* filter, UINT64,
                             FWPS_CLASSIFY_OUT0* out) {
    Take& self = *reinterpret_cast<Take*>(filter->context);
    auto* list = static_cast<NET_BUFFER_LIST*>(layer_data);
    const auto state = self.house->injections().FwpsQueryPacketInjectionState0(
        self.house->driver, self.house->handle, list, nullptr);
    out->actionType = FWP_ACTION_PERMIT;
    if (state == FWPS_PACKET_INJECTED_BY_SELF) return;
    EXPECT_EQ(state, FWPS_PACKET_NOT_INJECTED);
    if (!self.take({*values, *metadata, list})) return;
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
  }

  std::deque<Take> takes_;
  std::deque<UINT32> callouts_;
  std::unique_ptr<Core> core_;
};

using check::kIfindex;
using check::kServerAddress;

// As a driver that delays does it: both ways, at the MAC layers, by clones.
TEST(PipelineInjections, ADelayedExchange) {
  House h;
  std::deque<std::function<NTSTATUS()>> later;
  h.install(FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, [&](const House::Shown& shown) {
    NET_BUFFER_LIST* clone = h.clone(shown.list, shown.metadata.ethernetMacHeaderSize);
    later.push_back([&h, clone] {
      return h.injections().FwpsInjectMacReceiveAsync0(h.driver, h.handle, nullptr, 0,
                                                       FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET,
                                                       kIfindex, 0, clone, &House::completion, &h);
    });
    return true;
  });
  h.install(FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, [&](const House::Shown& shown) {
    NET_BUFFER_LIST* clone = h.clone(shown.list, 0);
    later.push_back([&h, clone] {
      return h.injections().FwpsInjectMacSendAsync0(h.driver, h.handle, nullptr, 0,
                                                    FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET,
                                                    kIfindex, 0, clone, &House::completion, &h);
    });
    return true;
  });
  for (uint32_t client = 1; client <= 5; ++client) h.discover(client);
  h.run();
  EXPECT_EQ(later.size(), 5u);
  EXPECT_EQ(h.core().counters().drops[static_cast<size_t>(Drop::AbsorbedByFilter)].value(), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(later[i](), STATUS_SUCCESS);
  later.erase(later.begin(), later.begin() + 5);
  h.run();
  EXPECT_EQ(h.statuses, std::vector<NTSTATUS>(5, STATUS_SUCCESS));
  EXPECT_EQ(later.size(), 5u);  // the OFFERs
  EXPECT_TRUE(h.wire.take_reply().empty());
  EXPECT_EQ(h.core().packets_in_flight(), 5u);
  for (auto& send : later) EXPECT_EQ(send(), STATUS_SUCCESS);
  h.run();
  EXPECT_TRUE(h.reply().yiaddr);
  EXPECT_EQ(h.statuses.size(), 10u);
  EXPECT_EQ(h.core().packets_in_flight(), 0u);
  EXPECT_EQ(h.core().counters().sent[static_cast<size_t>(MessageType::Offer)].value(), 5u);
}

// As a driver that rewrites does it: a deep copy at the transport header, sent to the same address.
TEST(PipelineInjections, ARewrittenReply) {
  House h;
  std::vector<uint8_t> copy;
  MDL mdl{};
  NET_BUFFER_LIST* list = nullptr;
  NET_BUFFER_LIST_POOL_PARAMETERS parameters{};
  parameters.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                       NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1};
  parameters.fAllocateNetBuffer = TRUE;
  const NDIS_HANDLE pool = h.lists().NdisAllocateNetBufferListPool(h.driver, nullptr, &parameters);
  h.install(FWPM_LAYER_DATAGRAM_DATA_V4, [&](const House::Shown& shown) {
    if (shown.metadata.packetDirection == FWP_DIRECTION_INBOUND) return false;
    const NET_BUFFER& buffer = *shown.list->FirstNetBuffer;
    const auto* from = static_cast<const uint8_t*>(buffer.CurrentMdl->MappedSystemVa);
    copy.assign(from + buffer.CurrentMdlOffset, from + buffer.CurrentMdlOffset + buffer.DataLength);
    constexpr size_t kSiaddr = 8 + 20;
    store_be32(&copy[kSiaddr], 0xC0000263);
    mdl.MappedSystemVa = mdl.StartVa = copy.data();
    mdl.ByteCount = ULONG(copy.size());
    mdl.Size = sizeof mdl;
    EXPECT_EQ(h.lists().FwpsAllocateNetBufferAndNetBufferList0(h.driver, pool, 0, 0, &mdl, 0,
                                                               copy.size(), &list),
              STATUS_SUCCESS);
    UCHAR remote[4];
    store_be32(
        remote,
        shown.values.incomingValue[FWPS_FIELD_DATAGRAM_DATA_V4_IP_REMOTE_ADDRESS].value.uint32);
    FWPS_TRANSPORT_SEND_PARAMS1 args{};
    args.remoteAddress = remote;
    EXPECT_EQ(h.injections().FwpsInjectTransportSendAsync1(
                  h.driver, h.handle, nullptr, shown.metadata.transportEndpointHandle, 0, &args,
                  HOOKLINE_AF_INET, shown.metadata.compartmentId, list, &House::completion, &h),
              STATUS_SUCCESS);
    return true;
  });
  h.discover();
  h.run();
  EXPECT_EQ(h.statuses, std::vector<NTSTATUS>{STATUS_SUCCESS});
  const std::vector<uint8_t> sent = h.wire.take_reply();
  UdpFrame udp;
  ASSERT_EQ(parse_udp_frame(sent, udp), FrameFault::None);
  EXPECT_TRUE(udp_checksum_is_right(udp));
  EXPECT_EQ(udp.source, kServerAddress);
  EXPECT_EQ(load_be32(&sent[udp.payload_offset + 20]), 0xC0000263u);
  // To where the reply would have gone: a client without an address answers no ARP.
  House plain;
  plain.discover();
  plain.run();
  EXPECT_EQ(to_hex(Bytes(sent).first(kEthernetHeaderBytes)),
            to_hex(Bytes(plain.wire.take_reply()).first(kEthernetHeaderBytes)));
  h.lists().FwpsFreeNetBufferList0(h.driver, list);
  h.lists().NdisFreeNetBufferListPool(h.driver, pool);
}

// At the network layer a callout sees data behind the IP header, and gives back from there on.
TEST(PipelineInjections, APacketThatComesInAnewAboveTheMacLayer) {
  House h;
  int seen = 0;
  h.install(FWPM_LAYER_INBOUND_IPPACKET_V4, [&](const House::Shown& shown) {
    ++seen;
    NET_BUFFER_LIST* clone = h.clone(shown.list, shown.metadata.ipHeaderSize);
    EXPECT_EQ(h.injections().FwpsInjectNetworkReceiveAsync0(h.driver, h.handle, nullptr, 0,
                                                            shown.metadata.compartmentId, kIfindex,
                                                            0, clone, &House::completion, &h),
              STATUS_SUCCESS);
    return true;
  });
  h.discover();
  h.run();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(h.statuses, std::vector<NTSTATUS>{STATUS_SUCCESS});
  EXPECT_TRUE(h.reply().yiaddr);
}

TEST(PipelineInjections, WhatADriverHoldsEndsWhenItLetsGoOrTheServerStops) {
  House h;
  NET_BUFFER_LIST* held = nullptr;
  h.install(FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, [&](const House::Shown& shown) {
    held = h.clone(shown.list, 0);
    return true;
  });
  h.discover();
  h.run();
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(h.core().packets_in_flight(), 1u);
  // Held packets do not keep the turn awake: who lets go wakes it.
  EXPECT_FALSE(h.core().turn());
  EXPECT_GT(h.core().idle_ns(), 1'000'000);
  h.lists().FwpsFreeCloneNetBufferList0(h.driver, held, 0);
  h.run();
  EXPECT_EQ(h.core().packets_in_flight(), 0u);
  // One that a driver forgot does not keep the server from stopping.
  h.discover(2);
  h.run();
  EXPECT_EQ(h.core().packets_in_flight(), 1u);
  h.core().stop();
  EXPECT_EQ(h.core().packets_in_flight(), 0u);
  h.lists().FwpsFreeCloneNetBufferList0(h.driver, held, 0);
}

}  // namespace
}  // namespace hookline::server
