// What the tests of streams share: callouts that do as they are told, injections without drivers,
// and a connection.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "filter/stream_engine.h"
#include "filter/testing.h"

namespace hookline::filter::testing {

inline std::string text_of(const FWPS_STREAM_DATA0& data) {
  std::string out;
  for (const NET_BUFFER_LIST* list = data.netBufferListChain; list != nullptr; list = list->Next) {
    const NET_BUFFER& buffer = *list->FirstNetBuffer;
    const auto* at = static_cast<const char*>(buffer.CurrentMdl->MappedSystemVa);
    out.append(at + buffer.CurrentMdlOffset, buffer.DataLength);
  }
  EXPECT_EQ(out.size(), data.dataLength);
  return out;
}

struct StreamCallout {
  using On = std::function<void(FWPS_STREAM_CALLOUT_IO_PACKET0&, FWPS_CLASSIFY_OUT0&)>;
  On on = [](auto&, auto& out) { out.actionType = FWP_ACTION_PERMIT; };
  uint32_t id = 0;
  int calls = 0;

  static void NTAPI classify(const FWPS_INCOMING_VALUES0* values,
                             const FWPS_INCOMING_METADATA_VALUES0* metadata, void* layer_data,
                             const void*, const FWPS_FILTER3* its_filter, UINT64,
                             FWPS_CLASSIFY_OUT0* out) {
    EXPECT_EQ(values->layerId, FWPS_LAYER_STREAM_V4);
    EXPECT_TRUE(FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE));
    EXPECT_EQ(out->rights, UINT32{FWPS_RIGHT_ACTION_WRITE});
    auto& self = *reinterpret_cast<StreamCallout*>(its_filter->context);
    ++self.calls;
    self.on(*static_cast<FWPS_STREAM_CALLOUT_IO_PACKET0*>(layer_data), *out);
  }
};

struct BreachWatch final : CallWatch {
  void before(const CalloutName&, CalloutCall) override {}
  void after(const CalloutName&, CalloutCall) override {}
  void breach(const CalloutName&, CalloutCall, std::string_view text) override {
    breaches.emplace_back(text);
  }
  std::vector<std::string> breaches;
};

class StreamTest : public ::testing::Test, public StreamEndings {
 protected:
  StreamTest() {
    engine.attach(&streams);
    streams.report_to(this);
    FWPM_SESSION0 options{};
    EXPECT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, &options, &session), STATUS_SUCCESS);
  }
  ~StreamTest() override {
    // Their functions refer to what the test's body had.
    for (StreamCallout& one : callouts) one = StreamCallout{};
    for (StreamFlow* flow : flows) streams.close(flow, StreamFilter::End::Shutdown);
    engine.FwpmEngineClose0(session);
    for (const uint32_t id : registered) engine.FwpsCalloutUnregisterById0(id);
    streams.pump({});
    EXPECT_EQ(streams.chunks().out(), 0u) << "bytes were left over";
  }

  // A callout with one filter in a sublayer of its own; the heavier, the earlier it is asked.
  StreamCallout& add(uint16_t weight, FWP_ACTION_TYPE action = FWP_ACTION_CALLOUT_TERMINATING,
                     uint32_t flags = 0) {
    StreamCallout& made = callouts.emplace_back();
    const auto number = static_cast<uint32_t>(callouts.size());
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = key(number);
    functions.flags = flags;
    functions.classifyFn = &StreamCallout::classify;
    EXPECT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, &made.id), STATUS_SUCCESS);
    registered.push_back(made.id);
    const FWPM_SUBLAYER0 its_sublayer = sublayer(key(1000 + number), weight);
    EXPECT_EQ(engine.FwpmSubLayerAdd0(session, &its_sublayer, nullptr), STATUS_SUCCESS);
    const FWPM_CALLOUT0 object = callout(key(number), layer);
    EXPECT_EQ(engine.FwpmCalloutAdd0(session, &object, nullptr, nullptr), STATUS_SUCCESS);
    add_filter(made, key(1000 + number), action);
    return made;
  }
  UINT64 add_filter(StreamCallout& of, const GUID& in_sublayer, FWP_ACTION_TYPE action,
                    UINT64 weight = 1) {
    const auto number = static_cast<uint32_t>(
        std::find_if(callouts.begin(), callouts.end(), [&](auto& c) { return &c == &of; }) -
        callouts.begin() + 1);
    FWPM_FILTER0 its_filter = filter(layer, action, key(number));
    its_filter.subLayerKey = in_sublayer;
    its_filter.weight.type = FWP_UINT64;
    its_filter.weight.uint64 = &weight;
    its_filter.rawContext = reinterpret_cast<uintptr_t>(&of);
    UINT64 id = 0;
    EXPECT_EQ(engine.FwpmFilterAdd0(session, &its_filter, nullptr, &id), STATUS_SUCCESS);
    filters.push_back(id);
    return id;
  }
  void remove_filter(size_t which) {
    EXPECT_EQ(engine.FwpmFilterDeleteById0(session, filters[which]), STATUS_SUCCESS);
  }

  StreamFlow& open() {
    Traffic traffic;
    traffic.protocol = 6;
    traffic.ifindex = 3;
    traffic.local = Ipv4{0x0A000001};
    traffic.remote = Ipv4{0x0A000005};
    traffic.local_port = 67;
    traffic.remote_port = 40000;
    StreamFlow* flow = streams.open(traffic);
    EXPECT_NE(flow, nullptr);
    EXPECT_EQ(flow->admission(), Admission::Open);
    flows.push_back(flow);
    return *flow;
  }
  void close(StreamFlow& flow, StreamFilter::End how) {
    std::erase(flows, &flow);
    streams.close(&flow, how);
  }
  static void put(StreamFlow& flow, std::string_view bytes,
                  Direction direction = Direction::Inbound) {
    ASSERT_LE(bytes.size(), flow.room(direction));
    flow.put(direction, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  // All that has passed, taken.
  static std::string take(StreamFlow& flow, Direction direction = Direction::Inbound) {
    std::string out;
    for (Bytes bytes; !(bytes = flow.passed(direction)).empty();) {
      out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      flow.take(direction, bytes.size());
    }
    return out;
  }

  // One list for each text; 0 or what was refused with.
  int32_t inject(const StreamFlow& flow, uint32_t by, const std::vector<std::string>& texts,
                 bool end = false, Direction direction = Direction::Inbound) {
    return inject(flow.handle(), by, texts, end, direction);
  }
  int32_t inject(uint64_t flow, uint32_t by, const std::vector<std::string>& texts, bool end,
                 Direction direction) {
    auto request = std::make_unique<StreamRequest>();
    request->flow = flow;
    request->callout = by;
    request->direction = direction;
    request->end = end;
    for (const std::string& text : texts) {
      auto list = std::make_unique<StreamInjection>();
      request->lists.push_back(list.get());
      list->left = text.size();
      for (size_t at = 0; at < text.size();) {
        StreamChunk* chunk = streams.chunks().take();
        const size_t piece = std::min(text.size() - at, chunk->room());
        std::memcpy(chunk->bytes.data(), text.data() + at, piece);
        chunk->used = static_cast<uint32_t>(piece);
        request->pieces.push_back({chunk, 0, chunk->used, list.get()});
        at += piece;
      }
      const std::lock_guard lock(mutex);
      under_way.push_back(std::move(list));
      ++injected;
    }
    const int32_t status = streams.inject(request);
    if (status == STATUS_SUCCESS) return status;
    for (const StreamPiece& piece : request->pieces) streams.chunks().drop(piece.chunk);
    const std::lock_guard lock(mutex);
    injected -= texts.size();
    return status;
  }
  void ended(StreamInjection& injection) override {
    EXPECT_EQ(injection.left, 0u);
    statuses.push_back(injection.status);
  }

  const GUID layer = layers()[static_cast<size_t>(stream_layer())].key;
  Logger log{stderr, LogLevel::Error};
  BreachWatch watch;
  Engine engine{log, &watch};
  StreamEngine streams{engine};
  HANDLE session = nullptr;
  std::deque<StreamCallout> callouts;
  std::vector<uint32_t> registered;
  std::vector<UINT64> filters;
  std::vector<StreamFlow*> flows;
  std::mutex mutex;
  std::vector<std::unique_ptr<StreamInjection>> under_way;
  size_t injected = 0;
  std::vector<int32_t> statuses;  // of the lists that have ended
};

// As a clone would: the bytes are kept.
class Hold {
 public:
  explicit Hold(const FWPS_STREAM_DATA0& data) {
    for (NET_BUFFER_LIST* list = data.netBufferListChain; list != nullptr; list = list->Next) {
      __atomic_add_fetch(&list->ChildRefCount, 1, __ATOMIC_SEQ_CST);
      lists_.push_back(list);
      parts_.emplace_back(
          static_cast<const char*>(list->FirstNetBuffer->CurrentMdl->MappedSystemVa),
          list->FirstNetBuffer->DataLength);
    }
  }
  // What is there now, where it was shown.
  std::string text() const {
    std::string out;
    for (const auto& [at, size] : parts_) out.append(at, size);
    return out;
  }
  void release() {
    for (NET_BUFFER_LIST* list : lists_) {
      __atomic_sub_fetch(&list->ChildRefCount, 1, __ATOMIC_SEQ_CST);
    }
    lists_.clear();
  }

 private:
  std::vector<NET_BUFFER_LIST*> lists_;
  std::vector<std::pair<const char*, size_t>> parts_;
};

}  // namespace hookline::filter::testing
