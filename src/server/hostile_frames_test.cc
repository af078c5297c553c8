// Frames that nobody should send, cut at every length and with headers that lie, past callouts at
// every layer that read all that they are told is there.
#include "server/testing_callouts.h"

namespace hookline::server {
namespace {

using namespace testing;
using check::kIfindex;

constexpr size_t kCutMax = 400;

struct Shape {
  const char* name;
  std::function<void(std::vector<uint8_t>&)> bend;
};

void set(std::vector<uint8_t>& frame, size_t at, uint8_t value) {
  if (at < frame.size()) frame[at] = value;
}

// Cut, and every header says so: the lengths and the checksum of IP are right, UDP has none.
void mend(std::vector<uint8_t>& frame) {
  if (frame.size() < 42) return;
  store_be16(&frame[16], static_cast<uint16_t>(frame.size() - 14));
  store_be16(&frame[38], static_cast<uint16_t>(frame.size() - 34));
  store_be16(&frame[40], 0);
  store_be16(&frame[24], 0);
  uint32_t sum = 0;
  for (size_t i = 14; i < 34; i += 2) sum += load_be16(&frame[i]);
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  store_be16(&frame[24], static_cast<uint16_t>(~sum));
}

// Of a frame without a VLAN tag: Ethernet 14, IP 20, UDP 8.
const std::vector<Shape> kShapes = {
    {"as it was", [](auto&) {}},
    {"mended", mend},
    {"an IP header of 60 bytes", [](auto& f) { set(f, 14, 0x4F); }},
    {"an IP header of 4 bytes", [](auto& f) { set(f, 14, 0x41); }},
    {"an IP packet of 65535 bytes", [](auto& f) { set(f, 16, 0xFF), set(f, 17, 0xFF); }},
    {"an IP packet of 21 bytes", [](auto& f) { set(f, 16, 0), set(f, 17, 21); }},
    {"UDP of 65535 bytes", [](auto& f) { set(f, 38, 0xFF), set(f, 39, 0xFF); }},
    {"UDP of 3 bytes", [](auto& f) { set(f, 38, 0), set(f, 39, 3); }},
    {"a fragment", [](auto& f) { set(f, 20, 0x20), set(f, 21, 0x10); }},
    {"a VLAN tag", [](auto& f) { set(f, 12, 0x81), set(f, 13, 0x00); }},
    {"IPv6", [](auto& f) { set(f, 14, 0x60); }},
    {"TCP", [](auto& f) { set(f, 23, 6); }},
};

const std::vector<GUID> kLayers = {
    FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET,
    FWPM_LAYER_INBOUND_IPPACKET_V4,        FWPM_LAYER_OUTBOUND_IPPACKET_V4,
    FWPM_LAYER_INBOUND_TRANSPORT_V4,       FWPM_LAYER_OUTBOUND_TRANSPORT_V4,
    FWPM_LAYER_DATAGRAM_DATA_V4,
};

// Reads every byte that a classifyFn may: what the list shows, and the headers before it.
class Reader {
 public:
  explicit Reader(House& house) : house_(house) {
    for (const GUID& layer : kLayers) {
      house.install(layer, [this](const House::Shown& shown) {
        read(shown);
        return false;
      });
    }
  }
  size_t seen() const { return sum_ == 0 ? 0 : seen_; }

 private:
  void read(const House::Shown& shown) {
    ++seen_;
    const auto& metadata = shown.metadata;
    const bool inbound = (metadata.currentMetadataValues & FWPS_METADATA_FIELD_IP_HEADER_SIZE) != 0;
    const uint32_t before = inbound ? metadata.ipHeaderSize : 0;
    NET_BUFFER* buffer = shown.list->FirstNetBuffer;
    ASSERT_LE(buffer->DataLength, kFrameBytesMax);
    sum(*buffer);
    if (before == 0 || before > NET_BUFFER_DATA_OFFSET(buffer)) return;
    ASSERT_EQ(
        house_.lists().NdisRetreatNetBufferDataStart(house_.driver, buffer, before, 0, nullptr),
        NDIS_STATUS_SUCCESS);
    sum(*buffer);
    house_.lists().NdisAdvanceNetBufferDataStart(house_.driver, buffer, before, FALSE, nullptr);
  }
  void sum(NET_BUFFER& buffer) {
    const uint32_t size = buffer.DataLength;
    std::vector<uint8_t> storage(size);
    const auto* bytes = static_cast<const uint8_t*>(
        house_.lists().NdisGetDataBuffer(house_.driver, &buffer, size, storage.data(), 1, 0));
    if (size == 0) return;
    ASSERT_NE(bytes, nullptr);
    for (uint32_t i = 0; i < size; ++i) sum_ += bytes[i];
  }

  House& house_;
  size_t seen_ = 0;
  uint64_t sum_ = 0;
};

std::vector<uint8_t> discover_frame() {
  const check::Client client{7};
  return check::frame(client, check::message(client, check::typed(1)));
}

TEST(HostileFrames, FromTheWireInEveryLength) {
  House h;
  Reader reader(h);
  const std::vector<uint8_t> whole = discover_frame();
  size_t sent = 0;
  for (const Shape& shape : kShapes) {
    for (size_t size = 0; size <= std::min(whole.size(), kCutMax); ++size) {
      SCOPED_TRACE(std::string(shape.name) + ", " + std::to_string(size) + " bytes");
      std::vector<uint8_t> frame(whole.begin(), whole.begin() + ptrdiff_t(size));
      shape.bend(frame);
      h.wire.client_sends(std::move(frame));
      ++sent;
      h.run();
    }
  }
  EXPECT_GT(reader.seen(), kCutMax / 2);
  const Counters& c = h.core().counters();
  uint64_t drops = 0;
  for (const Counter& one : c.drops) drops += one.value();
  EXPECT_EQ(c.frames_received.value(), sent);
  EXPECT_EQ(drops + c.packets_completed.value(), sent) << "each has one end, and it is counted";
  h.discover(8);
  h.run();
  EXPECT_EQ(h.core().packets_in_flight(), 0u);
}

// What a driver makes goes through the same layers.
class Injected : public ::testing::Test {
 protected:
  using Send = std::function<NTSTATUS(House&, NET_BUFFER_LIST*)>;

  // Injects every shape in every length, without its first `skip` bytes.
  void every(size_t skip, const Send& send) {
    House h;
    h.shows_injected = true;
    h.driver.may_be_told = true;
    Reader reader(h);
    const std::vector<uint8_t> whole = discover_frame();
    NET_BUFFER_LIST_POOL_PARAMETERS parameters{};
    parameters.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                         NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1};
    parameters.fAllocateNetBuffer = TRUE;
    const NDIS_HANDLE pool =
        h.lists().NdisAllocateNetBufferListPool(h.driver, nullptr, &parameters);
    ASSERT_NE(pool, nullptr);
    size_t accepted = 0;
    for (const Shape& shape : kShapes) {
      for (size_t size = skip; size <= std::min(whole.size(), kCutMax); ++size) {
        SCOPED_TRACE(std::string(shape.name) + ", " + std::to_string(size) + " bytes");
        std::vector<uint8_t> frame(whole.begin(), whole.begin() + ptrdiff_t(size));
        shape.bend(frame);
        // As large as it is, so that a sanitizer sees whoever reads beyond.
        const auto bytes = std::make_unique<uint8_t[]>(size - skip + 1);
        std::copy(frame.begin() + ptrdiff_t(skip), frame.end(), bytes.get());
        MDL mdl{};
        mdl.MappedSystemVa = bytes.get();
        mdl.ByteCount = ULONG(size - skip);
        NET_BUFFER_LIST* list = nullptr;
        ASSERT_EQ(h.lists().FwpsAllocateNetBufferAndNetBufferList0(h.driver, pool, 0, 0, &mdl, 0,
                                                                   size - skip, &list),
                  STATUS_SUCCESS);
        if (send(h, list) == STATUS_SUCCESS) ++accepted;
        h.run();
        ASSERT_EQ(h.statuses.size(), accepted) << "one completion for each that was accepted";
        h.lists().FwpsFreeNetBufferList0(h.driver, list);
      }
    }
    EXPECT_GT(accepted, kCutMax / 2);
    EXPECT_GT(reader.seen(), kCutMax / 2);
    EXPECT_EQ(h.injections().in_flight(), 0u);
    h.lists().NdisFreeNetBufferListPool(h.driver, pool);
  }
};

TEST_F(Injected, MacReceive) {
  every(0, [](House& h, NET_BUFFER_LIST* list) {
    return h.injections().FwpsInjectMacReceiveAsync0(h.driver, h.handle, nullptr, 0,
                                                     FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET,
                                                     kIfindex, 0, list, &House::completion, &h);
  });
}

TEST_F(Injected, MacSend) {
  every(0, [](House& h, NET_BUFFER_LIST* list) {
    return h.injections().FwpsInjectMacSendAsync0(h.driver, h.handle, nullptr, 0,
                                                  FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, kIfindex,
                                                  0, list, &House::completion, &h);
  });
}

TEST_F(Injected, NetworkSend) {
  every(14, [](House& h, NET_BUFFER_LIST* list) {
    // The way of a broadcast.
    list->NetBufferListInfo[NblOriginalInterfaceIfIndex] =
        reinterpret_cast<PVOID>(uintptr_t{kIfindex});
    return h.injections().FwpsInjectNetworkSendAsync0(h.driver, h.handle, nullptr, 0, 1, list,
                                                      &House::completion, &h);
  });
}

TEST_F(Injected, NetworkReceive) {
  every(14, [](House& h, NET_BUFFER_LIST* list) {
    return h.injections().FwpsInjectNetworkReceiveAsync0(h.driver, h.handle, nullptr, 0, 1,
                                                         kIfindex, 0, list, &House::completion, &h);
  });
}

TEST_F(Injected, TransportSend) {
  every(34, [](House& h, NET_BUFFER_LIST* list) {
    UCHAR remote[4] = {10, 77, 3, 3};
    FWPS_TRANSPORT_SEND_PARAMS1 args{};
    args.remoteAddress = remote;
    return h.injections().FwpsInjectTransportSendAsync1(h.driver, h.handle, nullptr, 0, 0, &args,
                                                        HOOKLINE_AF_INET, 1, list,
                                                        &House::completion, &h);
  });
}

}  // namespace
}  // namespace hookline::server
