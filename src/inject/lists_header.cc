// IP headers for transport packets, and what is known of a packet's injection. RFC 791, RFC 768,
// RFC 9293 section 3.1.

#include <array>
#include <cstring>
#include <limits>

#include "base/inet_frame.h"
#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

constexpr std::string_view kConstructIpHeader = "FwpsConstructIpHeaderForTransportPacket0";
constexpr IPPROTO kTcp = 6;
constexpr IPPROTO kUdp = 17;
constexpr size_t kTcpHeaderBytesMin = 20;

using IpHeader = std::array<uint8_t, kIpv4HeaderBytes>;

bool is_right_size(const NET_BUFFER& buffer, ULONG header_bytes) {
  return buffer.DataLength >= header_bytes &&
         kIpv4HeaderBytes + (buffer.DataLength - header_bytes) <= 0xFFFF;
}

// What lives on of the header before, or the usual.
IpHeader begin_header(const NET_BUFFER& buffer, bool has_old) {
  IpHeader header{};
  if (has_old) {
    read_data(buffer, 0, header);
  } else {
    store_be16(&header[6], kDontFragment);
    header[8] = kTimeToLive;
  }
  return header;
}

// REQUIRES: the data start at an IP header of 20 bytes.
void write_transport_checksum(NET_BUFFER& buffer, const IpHeader& ip) {
  const bool is_udp = ip[9] == kUdp;
  const size_t transport_bytes = buffer.DataLength - kIpv4HeaderBytes;
  const size_t header_bytes = is_udp ? kUdpHeaderBytes : kTcpHeaderBytesMin;
  const size_t checksum_at = kIpv4HeaderBytes + (is_udp ? 6 : 16);
  if ((!is_udp && ip[9] != kTcp) || transport_bytes < header_bytes) return;
  if ((load_be16(&ip[6]) & kMoreFragmentsAndOffset) != 0) return;

  size_t covered = transport_bytes;
  if (is_udp) {  // as its own length says, when that can be
    std::array<uint8_t, 2> length;
    read_data(buffer, kIpv4HeaderBytes + 4, length);
    const size_t said = load_be16(length.data());
    if (said >= kUdpHeaderBytes && said < covered) covered = said;
  }
  std::array<uint8_t, 2> checksum{};
  write_data(buffer, checksum_at, checksum);
  const uint64_t pseudo = checksum_add({&ip[12], 8}, uint64_t{ip[9]} + covered);
  uint16_t sum = checksum_finish(checksum_data(buffer, kIpv4HeaderBytes, covered, pseudo));
  if (is_udp && sum == 0) sum = 0xFFFF;  // 0 would mean "none"
  store_be16(checksum.data(), sum);
  write_data(buffer, checksum_at, checksum);
}

void write_header(NET_BUFFER& buffer, IpHeader header, const UCHAR* source, const UCHAR* remote,
                  IPPROTO next_protocol) {
  header[0] = 0x45;
  store_be16(&header[2], static_cast<uint16_t>(buffer.DataLength));
  header[9] = static_cast<uint8_t>(next_protocol);
  store_be16(&header[10], 0);
  std::copy_n(source, 4, &header[12]);
  std::copy_n(remote, 4, &header[16]);
  store_be16(&header[10], checksum_finish(checksum_add(header)));
  write_data(buffer, 0, header);
  write_transport_checksum(buffer, header);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
NTSTATUS Lists::FwpsConstructIpHeaderForTransportPacket0(Driver& driver, NET_BUFFER_LIST* list,
                                                         ULONG header_bytes, ADDRESS_FAMILY family,
                                                         const UCHAR* source, const UCHAR* remote,
                                                         IPPROTO next_protocol, UINT64,
                                                         const WSACMSGHDR*, ULONG, UINT32 flags,
                                                         PVOID reserved, IF_INDEX, IF_INDEX) {
  if (!is_usable(driver, kConstructIpHeader, list)) return STATUS_INVALID_PARAMETER;
  if (family == HOOKLINE_AF_INET6) return STATUS_NOT_SUPPORTED;
  if (family != HOOKLINE_AF_INET || source == nullptr || remote == nullptr || flags != 0 ||
      reserved != nullptr || next_protocol < 0 || next_protocol > 255 ||
      (header_bytes != 0 && header_bytes < kIpv4HeaderBytes)) {
    return STATUS_INVALID_PARAMETER;
  }
  size_t count = 0;
  for (NET_BUFFER* buffer = list->FirstNetBuffer; buffer != nullptr; buffer = buffer->Next) {
    if (++count > kBuffersMax || !holds_its_data(*buffer)) {
      driver.breach(kConstructIpHeader, "a NET_BUFFER says more bytes than its MDLs hold");
      return STATUS_INVALID_PARAMETER;
    }
    if (!is_right_size(*buffer, header_bytes)) return STATUS_INVALID_BUFFER_SIZE;
  }

  for (NET_BUFFER* buffer = list->FirstNetBuffer; header_bytes == 0 && buffer != nullptr;
       buffer = buffer->Next) {
    if (retreat(driver, kConstructIpHeader, *buffer, kIpv4HeaderBytes, 0, nullptr, true) == 0)
      continue;
    for (NET_BUFFER* done = list->FirstNetBuffer; done != buffer; done = done->Next) {
      advance(driver, kConstructIpHeader, *done, kIpv4HeaderBytes, true, nullptr);
    }
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  for (NET_BUFFER* buffer = list->FirstNetBuffer; buffer != nullptr; buffer = buffer->Next) {
    const IpHeader begun = begin_header(*buffer, header_bytes != 0);
    // The new header ends where the old one did.
    if (header_bytes > kIpv4HeaderBytes) {
      advance(driver, kConstructIpHeader, *buffer, header_bytes - ULONG{kIpv4HeaderBytes}, false,
              nullptr);
    }
    write_header(*buffer, begun, source, remote, next_protocol);
    // Who takes the new header off again has moved nothing.
    if (header_bytes == 0) {
      const auto before = reinterpret_cast<uintptr_t>(buffer->NdisReserved[1]);
      buffer->NdisReserved[1] = reinterpret_cast<PVOID>(before + kIpv4HeaderBytes);
    }
  }
  return STATUS_SUCCESS;
}

NTSTATUS Lists::FwpsGetPacketListSecurityInformation0(Driver& driver, NET_BUFFER_LIST* list,
                                                      UINT32 query_flags,
                                                      FWPS_PACKET_LIST_INFORMATION0* information) {
  constexpr UINT32 kBothWays =
      FWPS_PACKET_LIST_INFORMATION_QUERY_INBOUND | FWPS_PACKET_LIST_INFORMATION_QUERY_OUTBOUND;
  constexpr UINT32 kKnown =
      kBothWays | FWPS_PACKET_LIST_INFORMATION_QUERY_IPSEC | FWPS_PACKET_LIST_INFORMATION_QUERY_FWP;
  if (information == nullptr || (query_flags & ~kKnown) != 0 ||
      (query_flags & kBothWays) == kBothWays ||
      !is_usable(driver, "FwpsGetPacketListSecurityInformation0", list)) {
    return STATUS_INVALID_PARAMETER;
  }
  std::memset(information, 0, sizeof *information);  // and what lies between the bits
  if ((query_flags & FWPS_PACKET_LIST_INFORMATION_QUERY_FWP) == 0) return STATUS_SUCCESS;
  for (const NET_BUFFER_LIST* at = list; at != nullptr; at = at->Next) {
    if (Mark::of(*at) != nullptr) information->fwpInformation.isReinjected = 1;
  }
  return STATUS_SUCCESS;
}
// NOLINTEND(readability-identifier-naming)

}  // namespace hookline::inject
