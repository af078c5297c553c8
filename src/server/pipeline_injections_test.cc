// Packet callouts in the whole line: what they absorb, change and inject again on the way in and
// out, between a client and the server's core, over a wire, a disk and time that the test makes.
#include "server/testing_callouts.h"

namespace hookline::server {
namespace {

using namespace testing;
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
