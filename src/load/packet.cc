#include "load/packet.h"

#include <cstring>

#include "base/check.h"

namespace hookline::load {
namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kIp = kEthernet;
constexpr size_t kUdp = kIp + 20;
constexpr size_t kDhcp = kUdp + 8;
constexpr size_t kOptions = kDhcp + 240;
constexpr uint16_t kServerPort = 67;
constexpr uint16_t kClientPort = 68;
constexpr uint8_t kMagic[] = {0x63, 0x82, 0x53, 0x63};
// RFC 1542 section 2.1: some relays want BOOTP's 300 bytes.
constexpr size_t kDhcpMin = 300;

// Subnet mask, router, DNS, domain name, NTP: what common clients ask for.
constexpr uint8_t kWanted[] = {1, 3, 6, 15, 42};
constexpr uint8_t kCircuitId[] = {1, 4, 'p', 'o', 'r', 't'};

MessageType type_of(Form form) {
  switch (form) {
    case Form::Discover:
      return MessageType::Discover;
    case Form::Select:
    case Form::Renew:
      return MessageType::Request;
    case Form::Inform:
      return MessageType::Inform;
    case Form::Release:
      return MessageType::Release;
  }
  return MessageType::None;
}

bool has_ciaddr(Form form) {
  return form == Form::Renew || form == Form::Inform || form == Form::Release;
}

// RFC 768: the pseudo header and the datagram, whose length is in it.
uint64_t sum_udp(const uint8_t* ip, const uint8_t* udp, size_t udp_size) {
  uint64_t sum = sum_words({ip + 12, 8}, 0);
  sum += __builtin_bswap16(static_cast<uint16_t>(udp_size));
  sum += __builtin_bswap16(17);
  return sum_words({udp, udp_size}, sum);
}

}  // namespace

uint64_t sum_words(Bytes bytes, uint64_t sum) {
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 4; left -= 4, p += 4) {
    uint32_t word;
    std::memcpy(&word, p, sizeof word);
    sum += word;  // 64 bits hold 2^32 of these
  }
  if (left >= 2) {
    uint16_t word;
    std::memcpy(&word, p, sizeof word);
    sum += word;
    left -= 2, p += 2;
  }
  if (left == 1) sum += *p;
  return sum;
}

uint16_t fold_checksum(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

MacAddress client_mac(uint32_t client, uint64_t seed) {
  MacAddress mac{{0x02, static_cast<uint8_t>(seed), 0, 0, 0, 0}};  // 02: locally administered
  store_be32(mac.octets.data() + 2, client);
  return mac;
}

FrameTemplate::FrameTemplate(Form form, const Addressing& addressing)
    : form_(form), relayed_(addressing.relayed()) {
  uint8_t* eth = frame_.data();
  uint8_t* ip = eth + kIp;
  uint8_t* udp = eth + kUdp;
  uint8_t* dhcp = eth + kDhcp;
  std::memset(eth, 0xFF, 6);
  std::memcpy(eth + 6, addressing.own_mac.octets.data(), 6);
  store_be16(eth + 12, 0x0800);
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = 17;
  addressing.relay.store(ip + 12);
  (relayed_ ? addressing.server : kBroadcast).store(ip + 16);
  store_be16(udp, relayed_ ? kServerPort : kClientPort);
  store_be16(udp + 2, kServerPort);
  dhcp[0] = 1;  // BOOTREQUEST
  dhcp[1] = 1;  // Ethernet
  dhcp[2] = 6;
  dhcp[3] = relayed_ ? 1 : 0;  // hops
  if (addressing.broadcast && !has_ciaddr(form)) dhcp[10] = 0x80;
  addressing.relay.store(dhcp + 24);
  std::memcpy(dhcp + 236, kMagic, sizeof kMagic);

  size_ = kOptions;
  const auto type = static_cast<uint8_t>(type_of(form));
  put_option(53, {&type, 1});
  constexpr uint8_t kBlank[16] = {};
  if (form == Form::Select) {
    requested_at_ = size_ + 2;
    put_option(50, {kBlank, 4});
  }
  if (form == Form::Select || form == Form::Release) {
    server_id_at_ = size_ + 2;
    put_option(54, {kBlank, 4});
  }
  if (addressing.client_id) {
    client_id_at_ = size_ + 3;
    const uint8_t value[7] = {1};  // hardware type, then the address: RFC 2132 section 9.14
    put_option(61, value);
  }
  if (form != Form::Release) put_option(55, kWanted);
  if (addressing.option82) {
    uint8_t value[sizeof kCircuitId + 8] = {};
    std::memcpy(value, kCircuitId, sizeof kCircuitId);
    value[sizeof kCircuitId] = 2;
    value[sizeof kCircuitId + 1] = 6;
    remote_id_at_ = size_ + 2 + sizeof kCircuitId + 2;
    put_option(82, value);
  }
  frame_[size_++] = 255;
  if (size_ < kDhcp + kDhcpMin) size_ = kDhcp + kDhcpMin;
  store_be16(ip + 2, static_cast<uint16_t>(size_ - kIp));
  store_be16(udp + 4, static_cast<uint16_t>(size_ - kUdp));
}

void FrameTemplate::put_option(uint8_t code, Bytes value) {
  CHECK(size_ + 2 + value.size() < frame_.size(), "a template has room for its options");
  frame_[size_++] = code;
  frame_[size_++] = static_cast<uint8_t>(value.size());
  std::memcpy(frame_.data() + size_, value.data(), value.size());
  size_ += value.size();
}

size_t FrameTemplate::write(const Fill& fill, MutableBytes out) const {
  uint8_t* eth = out.data();
  uint8_t* ip = eth + kIp;
  uint8_t* udp = eth + kUdp;
  uint8_t* dhcp = eth + kDhcp;
  std::memcpy(eth, frame_.data(), size_);
  const uint8_t* mac = fill.mac.octets.data();
  if (relayed_ || has_ciaddr(form_)) std::memcpy(eth, fill.server_mac.octets.data(), 6);
  if (!relayed_) std::memcpy(eth + 6, mac, 6);
  if (has_ciaddr(form_)) {
    fill.address.store(dhcp + 12);
    if (!relayed_) {
      fill.address.store(ip + 12);
      fill.server_id.store(ip + 16);
    }
  }
  store_be32(dhcp + 4, fill.xid);
  std::memcpy(dhcp + 28, mac, 6);
  if (requested_at_ != 0) fill.address.store(eth + requested_at_);
  if (server_id_at_ != 0) fill.server_id.store(eth + server_id_at_);
  if (client_id_at_ != 0) std::memcpy(eth + client_id_at_, mac, 6);
  if (remote_id_at_ != 0) std::memcpy(eth + remote_id_at_, mac, 6);

  const uint16_t ip_sum = static_cast<uint16_t>(~fold_checksum(sum_words({ip, 20}, 0)));
  std::memcpy(ip + 10, &ip_sum, sizeof ip_sum);
  uint16_t udp_sum = static_cast<uint16_t>(~fold_checksum(sum_udp(ip, udp, size_ - kUdp)));
  if (udp_sum == 0) udp_sum = 0xFFFF;  // 0 means "none": RFC 768
  std::memcpy(udp + 6, &udp_sum, sizeof udp_sum);
  return size_;
}

namespace {

std::string_view read_headers(Bytes frame, bool checksum_partial, Bytes& dhcp) {
  if (frame.size() < kEthernet + 20 || load_be16(frame.data() + 12) != 0x0800) return "not IPv4";
  const uint8_t* ip = frame.data() + kIp;
  const size_t header = size_t{ip[0] & 0x0Fu} * 4;
  const size_t total = load_be16(ip + 2);
  if (ip[0] >> 4 != 4 || header < 20 || total < header + 8) return "IP header broken";
  if (kIp + total > frame.size()) return "IP packet cut short";
  if (fold_checksum(sum_words({ip, header}, 0)) != 0xFFFF) return "IP checksum wrong";
  if ((load_be16(ip + 6) & 0x3FFF) != 0) return "fragment";
  if (ip[9] != 17) return "not UDP";
  const uint8_t* udp = ip + header;
  const size_t udp_size = load_be16(udp + 4);
  if (udp_size < 8 || udp_size > total - header) return "UDP length wrong";
  if (load_be16(udp) != kServerPort) return "source port is not 67";
  const bool has_sum = load_be16(udp + 6) != 0 && !checksum_partial;
  if (has_sum && fold_checksum(sum_udp(ip, udp, udp_size)) != 0xFFFF) return "UDP checksum wrong";
  dhcp = {udp + 8, udp_size - 8};
  return {};
}

std::string_view read_option(uint8_t code, Bytes value, Reply& reply) {
  switch (code) {
    case 51:
      if (value.size() != 4) return "option 51 is not 4 bytes";
      reply.lease_s = load_be32(value.data());
      break;
    case 53:
      if (value.size() != 1) return "option 53 is not 1 byte";
      reply.type = static_cast<MessageType>(value[0]);
      break;
    case 54:
      if (value.size() != 4) return "option 54 is not 4 bytes";
      reply.server_id = Ipv4::load(value.data());
      break;
    case 61:
      reply.client_id = value;
      break;
    case 82:
      reply.relay_info = value;
      break;
    default:
      break;
  }
  return {};
}

std::string_view read_options(Bytes options, Reply& reply) {
  size_t at = 0;
  while (at < options.size()) {
    const uint8_t code = options[at++];
    if (code == 0) continue;
    if (code == 255) return {};
    if (at >= options.size() || at + 1 + options[at] > options.size()) return "option cut short";
    const Bytes value = options.subspan(at + 1, options[at]);
    at += 1 + value.size();
    if (const std::string_view fault = read_option(code, value, reply); !fault.empty())
      return fault;
  }
  return "no end option";
}

}  // namespace

std::string_view read_reply(Bytes frame, bool checksum_partial, Reply& reply) {
  Bytes dhcp;
  reply = {};
  if (const auto fault = read_headers(frame, checksum_partial, dhcp); !fault.empty()) return fault;
  if (dhcp.size() < 240) return "DHCP header cut short";
  const uint8_t* p = dhcp.data();
  if (p[0] != 2) return "op is not BOOTREPLY";
  if (p[1] != 1 || p[2] != 6) return "htype or hlen is not that of the request";
  if (std::memcmp(p + 236, kMagic, sizeof kMagic) != 0) return "magic cookie wrong";
  std::memcpy(reply.source_mac.octets.data(), frame.data() + 6, 6);
  reply.xid = load_be32(p + 4);
  reply.yiaddr = Ipv4::load(p + 16);
  reply.giaddr = Ipv4::load(p + 24);
  std::memcpy(reply.chaddr.octets.data(), p + 28, 6);
  return read_options(dhcp.subspan(240), reply);
}

}  // namespace hookline::load
