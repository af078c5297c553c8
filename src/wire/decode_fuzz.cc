// libFuzzer: any bytes as a request; what is taken is answered in every way, and each reply is read
// back. Finds reads outside the packet and replies that contradict the rules of wire/encoder.h.
#include "base/check.h"
#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/testing.h"

namespace hookline::wire {
namespace {

Scope make_scope() {
  Scope scope;
  scope.subnet = *Prefix::parse("10.77.0.0/24");
  scope.boot.fields = {Ipv4{0x0A4D0009}, "boot.example.org", "undionly.kpxe"};
  for (unsigned code = 1; code < 255; ++code) {
    const std::vector<uint8_t> value(code * 3 % 300, static_cast<uint8_t>(code));
    scope.options.set(static_cast<uint8_t>(code), value);
  }
  return scope;
}

void answer(Packet& packet, ReplyKind kind, const Scope& scope) {
  packet.grant = Grant{};
  packet.grant.reply = kind;
  packet.grant.address = Ipv4{0x0A4D0064};
  packet.grant.server_id = Ipv4{0x0A4D0001};
  packet.grant.lease_s = 3600;
  packet.grant.renew_s = 1800;
  packet.grant.scope = &scope;
  packet.grant.why = "no";
  packet.grant.found.reply = MessageType::LeaseActive;
  packet.grant.record.hardware_address = packet.message.hardware_address();
  packet.grant.record.relay_info = packet.message.options.find(option::kRelayAgentInfo);
  if (encode_reply(packet)) return;
  CHECK(packet.reply_size >= kReplyBytesMin, "RFC 951 section 3");
  CHECK(packet.reply_size <= 1472, "no more than the link takes");
  if (kind == ReplyKind::Bootp) return;
  const testing::ParsedReply reply = testing::parse_reply(packet.reply());
  CHECK(reply.good, "a reply is well-formed");
  if (kind == ReplyKind::LeaseQuery) return;  // tells of another's
  const OptionViews& asked = packet.message.options;
  for (uint8_t code : {option::kClientIdentifier, option::kRelayAgentInfo}) {
    const Bytes sent = asked.find(code);
    if (!sent.empty()) CHECK(equal(reply.options.at(code), sent), "RFC 6842, RFC 3046");
  }
}

}  // namespace
}  // namespace hookline::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookline;
  using namespace hookline::wire;
  static const Scope kScope = make_scope();
  if (size > kPacketBytesMax) return 0;
  const auto packet = testing::packet_with({data, size});
  if (decode_message(*packet)) return 0;
  CHECK(!packet->message.identity().id.empty() || packet->message.type == MessageType::LeaseQuery,
        "a client is somebody");
  for (ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::Nak, ReplyKind::InformAck,
                         ReplyKind::Bootp, ReplyKind::LeaseQuery}) {
    answer(*packet, kind, kScope);
  }
  return 0;
}
