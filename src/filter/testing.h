// What the tests of this folder share: objects in few words, and callouts that do as they are told.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/inet_frame.h"
#include "filter/engine.h"
#include "filter/net_buffers.h"

namespace hookline::filter::testing {

inline constexpr GUID kInspectKey = {0x11111111, 1, 1, {1}};

inline GUID key(uint32_t number) {
  return {0xABCD0000,
          1,
          2,
          {3, 4, 5, 6, uint8_t(number >> 24), uint8_t(number >> 16), uint8_t(number >> 8),
           uint8_t(number)}};
}

inline WCHAR* name(const char16_t* text) {
  return const_cast<WCHAR*>(reinterpret_cast<const WCHAR*>(text));
}

inline FWPM_SUBLAYER0 sublayer(const GUID& its_key, uint16_t weight) {
  FWPM_SUBLAYER0 out{};
  out.subLayerKey = its_key;
  out.displayData.name = name(u"sublayer");
  out.weight = weight;
  return out;
}

inline FWPM_CALLOUT0 callout(const GUID& its_key, const GUID& layer) {
  FWPM_CALLOUT0 out{};
  out.calloutKey = its_key;
  out.displayData.name = name(u"callout");
  out.applicableLayer = layer;
  return out;
}

inline FWPM_FILTER0 filter(const GUID& layer, FWP_ACTION_TYPE action,
                           const GUID& its_callout = {}) {
  FWPM_FILTER0 out{};
  out.displayData.name = name(u"filter");
  out.layerKey = layer;
  out.action.type = action;
  out.action.calloutKey = its_callout;
  return out;
}

// One condition and the storage that it points to.
inline FWPM_FILTER_CONDITION0 condition(const GUID& field, FWP_MATCH_TYPE match, FWP_DATA_TYPE type,
                                        uint32_t value) {
  FWPM_FILTER_CONDITION0 out{};
  out.fieldKey = field;
  out.matchType = match;
  out.conditionValue.type = type;
  if (type == FWP_UINT8) out.conditionValue.uint8 = uint8_t(value);
  if (type == FWP_UINT16) out.conditionValue.uint16 = uint16_t(value);
  if (type == FWP_UINT32) out.conditionValue.uint32 = value;
  return out;
}

// A registered callout whose functions are std::functions. Its address travels in the filter's
// context, so that C functions find it.
struct FakeCallout {
  std::function<void(const FWPS_INCOMING_VALUES0&, const FWPS_INCOMING_METADATA_VALUES0&,
                     NET_BUFFER_LIST*, FWPS_CLASSIFY_OUT0&)>
      on_classify = [](auto&, auto&, auto*, auto&) {};
  std::function<NTSTATUS(FWPS_CALLOUT_NOTIFY_TYPE, UINT64)> on_notify = [](auto, auto) {
    return STATUS_SUCCESS;
  };
  int calls = 0;
  std::vector<std::string> events;

  UINT64 context() const { return reinterpret_cast<uintptr_t>(this); }
  static FakeCallout& of(UINT64 context) { return *reinterpret_cast<FakeCallout*>(context); }

  static void NTAPI classify3(const FWPS_INCOMING_VALUES0* values,
                              const FWPS_INCOMING_METADATA_VALUES0* metadata, void* layer_data,
                              const void*, const FWPS_FILTER3* its_filter, UINT64,
                              FWPS_CLASSIFY_OUT0* out) {
    FakeCallout& self = of(its_filter->context);
    ++self.calls;
    self.on_classify(*values, *metadata, static_cast<NET_BUFFER_LIST*>(layer_data), *out);
  }
  static NTSTATUS NTAPI notify3(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID*,
                                FWPS_FILTER3* its_filter) {
    static constexpr const char* kNames[] = {"add", "delete", "committed"};
    FakeCallout& self = of(its_filter->context);
    self.events.push_back(kNames[type]);
    return self.on_notify(type, its_filter->filterId);
  }
  FWPS_CALLOUT3 functions(const GUID& its_key, uint32_t flags = 0) const {
    FWPS_CALLOUT3 out{};
    out.calloutKey = its_key;
    out.flags = flags;
    out.classifyFn = &classify3;
    out.notifyFn = &notify3;
    return out;
  }
};

// A whole inbound DISCOVER-sized frame with its traffic, over memory of exactly its size.
struct Datagram {
  static constexpr uint32_t kPayload = 300;
  std::vector<uint8_t> bytes;
  Indication indication;
  Traffic traffic;

  explicit Datagram(Direction direction = Direction::Inbound) : bytes(14 + 20 + 8 + kPayload) {
    const UdpHeaders headers{MacAddress{{2, 0, 0, 0, 0, 9}},
                             kBroadcastMac,
                             0,
                             Ipv4{0x0A000005},
                             Ipv4{0x0A000001},
                             68,
                             67};
    std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + kPayload);
    const Bytes frame =
        write_udp_headers(headers, {room.data() + kUdpFrameHeaderBytesMax, kPayload});
    bytes.assign(frame.begin(), frame.end());
    indication.describe(bytes);
    traffic.direction = direction;
    traffic.ifindex = 3;
    traffic.local_mac = kBroadcastMac;
    traffic.remote_mac = headers.source_mac;
    traffic.local = headers.destination;
    traffic.remote = headers.source;
    traffic.local_port = 67;
    traffic.remote_port = 68;
    traffic.mac_header_bytes = 14;
    traffic.ip_header_bytes = 20;
    traffic.transport_header_bytes = 8;
  }
};

class EngineTest : public ::testing::Test {
 protected:
  HANDLE open(uint32_t flags = 0) {
    FWPM_SESSION0 session{};
    session.flags = flags;
    HANDLE handle = nullptr;
    EXPECT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, &session, &handle), STATUS_SUCCESS);
    return handle;
  }
  // Registers and adds a callout, and a filter of it without conditions.
  void install(FakeCallout& fake, const GUID& its_key, const GUID& layer, FWP_ACTION_TYPE action) {
    const FWPS_CALLOUT3 functions = fake.functions(its_key);
    ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
    const FWPM_CALLOUT0 added = callout(its_key, layer);
    ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
    FWPM_FILTER0 of_it = filter(layer, action, its_key);
    of_it.rawContext = fake.context();
    ASSERT_EQ(engine.FwpmFilterAdd0(session, &of_it, nullptr, nullptr), STATUS_SUCCESS);
  }
  Verdict run(Datagram& datagram) {
    const bool in = datagram.traffic.direction == Direction::Inbound;
    return engine.classify(datagram.traffic, &datagram.indication.list,
                           in ? Depth::Mac : Depth::Datagram, in ? Depth::Datagram : Depth::Mac);
  }
  // Outlives the test's body: it hears of its filters until the end.
  FakeCallout& new_fake() { return fakes.emplace_back(); }
  void TearDown() override {
    for (FakeCallout& fake : fakes) fake.on_notify = [](auto, auto) { return STATUS_SUCCESS; };
    for (const auto& line : engine.report().callouts) {
      if (line.registered) engine.FwpsCalloutUnregisterById0(line.id);
    }
  }

  Logger log{stderr, LogLevel::Error};
  std::deque<FakeCallout> fakes;
  Engine engine{log};
  HANDLE session = open();
};

}  // namespace hookline::filter::testing
