#include "client.h"

#include <cstring>

namespace hookline::sim {

namespace {

using Out = std::vector<uint8_t>;

void put16(Out& out, uint16_t v) {
  out.push_back(static_cast<uint8_t>(v >> 8));
  out.push_back(static_cast<uint8_t>(v));
}
void put32(Out& out, uint32_t v) {
  put16(out, static_cast<uint16_t>(v >> 16));
  put16(out, static_cast<uint16_t>(v));
}
void put(Out& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void put_option(Out& out, uint8_t code, Bytes value) {
  out.push_back(code);
  out.push_back(static_cast<uint8_t>(value.size()));
  put(out, value);
}
void put_address(Out& out, uint8_t code, Ipv4 address) {
  uint8_t raw[4];
  address.store(raw);
  put_option(out, code, raw);
}

Out dhcp_payload(const Client& client, Say what, Random& random) {
  Out out = {1, 1, 6, static_cast<uint8_t>(client.relayed ? 1 : 0)};
  put32(out, client.xid);
  put16(out, 0);
  put16(out, chance(random, 0.2) ? 0x8000 : 0);
  const bool names_itself = what == Say::Renew || what == Say::Release || what == Say::Inform;
  put32(out, names_itself ? client.bound.value : 0);
  put32(out, 0);
  put32(out, 0);
  put32(out, client.relayed ? kRelayAddress.value : 0);
  put(out, client.mac.view());
  out.resize(236, 0);
  put32(out, 0x63825363);
  static constexpr uint8_t kTypes[] = {1, 1, 3, 3, 3, 3, 7, 4, 8, 7, 0, 1};
  const uint8_t type = kTypes[static_cast<int>(what)];
  if (type != 0) put_option(out, 53, Bytes(&type, 1));
  if (!client.client_id.empty()) put_option(out, 61, client.client_id);
  switch (what) {
    case Say::RapidDiscover:
      put_option(out, 80, {});
      break;
    case Say::Select:
      put_address(out, 50, client.offered);
      put_address(out, 54, client.offered_by);
      break;
    case Say::SelectOther:
      put_address(out, 50, client.offered ? client.offered : Ipv4{0x0A4D00F0});
      put_address(out, 54, Ipv4{0x0A4D00FE});
      break;
    case Say::InitReboot:
      put_address(out, 50,
                  client.bound ? client.bound
                               : Ipv4{0x0A4D0000 + 1 + static_cast<uint32_t>(below(random, 250))});
      break;
    case Say::Release:
      put_address(out, 54, kServerAddress);
      break;
    case Say::Decline:
      put_address(out, 50, client.bound ? client.bound : client.offered);
      put_address(out, 54, kServerAddress);
      break;
    case Say::ForeignRelease: {
      // Somebody else's address in ciaddr, sent without being its client.
      Ipv4 other{0x0A4D0000 + 1 + static_cast<uint32_t>(below(random, 250))};
      while (other == client.bound || other == client.offered) ++other.value;
      other.store(&out[12]);
      break;
    }
    default:
      break;
  }
  if (chance(random, 0.7)) {
    static constexpr uint8_t kWanted[] = {1, 3, 6, 15, 51, 58, 59};
    put_option(out, 55, kWanted);
  }
  if (chance(random, 0.3)) put_option(out, 12, as_bytes("host"));
  if (client.relayed) {
    static constexpr uint8_t kInfo[] = {1, 4, 'e', 't', 'h', '7'};
    put_option(out, 82, kInfo);
  }
  out.push_back(255);
  if (out.size() < 300) out.resize(300, 0);
  if (what == Say::Garbage) {
    // Some bytes flipped, perhaps cut short: the server may drop or answer, never fall.
    for (int i = 0; i < 8; ++i) out[below(random, out.size())] ^= static_cast<uint8_t>(random());
    out.resize(1 + below(random, out.size()));
  }
  return out;
}

bool unicast(const Client& client, Say what) {
  return client.relayed || what == Say::Renew || what == Say::Release ||
         what == Say::ForeignRelease;
}

}  // namespace

std::vector<uint8_t> make_frame(const Client& client, Say what, Random& random) {
  const bool needs_offer = what == Say::Select;
  const bool needs_binding = what == Say::Renew || what == Say::Release || what == Say::Inform;
  const bool needs_any = what == Say::Decline;
  if (needs_offer && !client.offered) return {};
  if (needs_binding && !client.bound) return {};
  if (needs_any && !client.bound && !client.offered) return {};

  return make_frame(client, dhcp_payload(client, what, random), unicast(client, what));
}

std::vector<uint8_t> make_frame(const Client& client, Bytes payload, bool direct) {
  Out frame;
  put(frame, (direct ? kServerMac : kBroadcastMac).view());
  put(frame, (client.relayed ? kRelayMac : client.mac).view());
  put16(frame, 0x0800);
  const Ipv4 source = client.relayed ? kRelayAddress : direct ? client.bound : Ipv4{};
  const Ipv4 destination = direct ? kServerAddress : kBroadcast;
  const size_t ip = frame.size();
  frame.insert(frame.end(), {0x45, 0});
  put16(frame, static_cast<uint16_t>(20 + 8 + payload.size()));
  put32(frame, 0);
  frame.insert(frame.end(), {64, 17, 0, 0});
  put32(frame, source.value);
  put32(frame, destination.value);
  const auto sum =
      static_cast<uint16_t>(~load::fold_checksum(load::sum_words(Bytes(&frame[ip], 20), 0)));
  std::memcpy(&frame[ip + 10], &sum, sizeof sum);
  put16(frame, client.relayed ? 67 : 68);
  put16(frame, 67);
  put16(frame, static_cast<uint16_t>(8 + payload.size()));
  put16(frame, 0);  // no UDP checksum: RFC 768 allows it
  put(frame, payload);
  return frame;
}

}  // namespace hookline::sim
