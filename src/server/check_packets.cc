#include "server/check_packets.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/limits.h"
#include "load/packet.h"
#include "server/check_world.h"

namespace hookline::check {

namespace {

constexpr size_t kChaddrAt = 28;

std::vector<uint8_t> text_value(std::string_view text) { return {text.begin(), text.end()}; }

MacAddress mac_of(const Client& client) {
  const auto byte = [&](int shift) { return static_cast<uint8_t>(client.number >> shift); };
  return MacAddress{{2, 0, 1, byte(16), byte(8), byte(0)}};
}

void put16(std::vector<uint8_t>& out, size_t v) {
  out.push_back(static_cast<uint8_t>(v >> 8));
  out.push_back(static_cast<uint8_t>(v));
}

void put(std::vector<uint8_t>& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::vector<uint8_t> address_value(Ipv4 address) {
  std::vector<uint8_t> value(4);
  address.store(value.data());
  return value;
}

Options typed(uint8_t type, Options more) {
  more.insert(more.begin(), {option::kMessageType, {type}});
  return more;
}

Options rapid(Options more) {
  more.insert(more.begin(), {option::kRapidCommit, {}});
  return typed(kDiscover, std::move(more));
}

Options select(Ipv4 address, Ipv4 server) {
  return typed(kRequest, {{option::kRequestedAddress, address_value(address)},
                          {option::kServerIdentifier, address_value(server)}});
}

Options every_option() {
  std::vector<uint8_t> fqdn = {1, 0, 0};
  put(fqdn, as_bytes("client.example.org"));
  std::vector<uint8_t> vendor = {94, 0, 95, 11};
  put(vendor, as_bytes("example.org"));
  std::vector<uint8_t> relay_info = {1, 4};
  put(relay_info, as_bytes("eth7"));
  return {{option::kSubnetMask, {255, 255, 255, 0}},
          {option::kRouters, {10, 99, 0, 1}},
          {option::kHostName, text_value("client")},
          {option::kVendorSpecific, vendor},
          {option::kRequestedAddress, {10, 99, 0, 100}},
          {option::kLeaseTime, {0, 0, 1, 0}},
          {option::kOverload, {0}},
          {option::kParameterRequestList, {1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249}},
          {option::kVendorClass, text_value("MSFT 5.0")},
          {option::kUserClass, std::vector<uint8_t>(300, 'u')},  // in two parts
          {option::kClientFqdn, fqdn},
          {option::kClientIdentifier, {0, 'i', 'd'}},
          {option::kRelayAgentInfo, relay_info}};
}

std::vector<uint8_t> message(const Client& client, const Options& options, Ipv4 ciaddr) {
  std::vector<uint8_t> out(kBootpFixedBytes, 0);
  out[0] = 1;
  out[1] = 1;
  out[2] = client.hardware_size;
  out[3] = client.relay ? 1 : 0;
  store_be32(&out[4], 0x10000000 + client.number);
  ciaddr.store(&out[12]);
  client.relay.store(&out[24]);
  const MacAddress mac = mac_of(client);
  for (size_t i = 0; i < client.hardware_size; ++i) out[kChaddrAt + i] = mac.octets[i % 6];
  put(out, Bytes(std::initializer_list<uint8_t>{0x63, 0x82, 0x53, 0x63}));
  for (const auto& [code, value] : options) {
    size_t at = 0;
    do {
      const size_t size = std::min<size_t>(value.size() - at, 255);
      out.push_back(code);
      out.push_back(static_cast<uint8_t>(size));
      put(out, Bytes(value).subspan(at, size));
      at += size;
    } while (at < value.size());
  }
  out.push_back(option::kEnd);
  if (out.size() < kReplyBytesMin) out.resize(kReplyBytesMin, 0);
  return out;
}

std::vector<uint8_t> frame(const Client& client, Bytes payload, Ipv4 ciaddr) {
  const bool unicast = client.relay || ciaddr;
  std::vector<uint8_t> out;
  put(out, (unicast ? kServerMac : kBroadcastMac).view());
  put(out, mac_of(client).view());
  put16(out, 0x0800);
  const size_t ip = out.size();
  out.insert(out.end(), {0x45, 0});
  put16(out, 20 + 8 + payload.size());
  out.insert(out.end(), {0, 0, 0, 0, 64, 17, 0, 0});
  put(out, address_value(client.relay ? client.relay : ciaddr));
  put(out, address_value(unicast ? kServerAddress : kBroadcast));
  const auto sum =
      static_cast<uint16_t>(~load::fold_checksum(load::sum_words(Bytes(&out[ip], 20), 0)));
  std::memcpy(&out[ip + 10], &sum, sizeof sum);
  put16(out, client.relay ? 67 : 68);
  put16(out, 67);
  put16(out, 8 + payload.size());
  put16(out, 0);  // no UDP checksum: RFC 768 allows it
  put(out, payload);
  return out;
}

}  // namespace hookline::check
