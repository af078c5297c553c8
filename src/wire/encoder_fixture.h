// A scope, a request, what the engine granted, and the reply: for the encoder's tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/testing.h"

namespace hookline::wire::testing {

inline constexpr uint32_t kAddress = 0x0A4D0064;  // 10.77.0.100
inline constexpr uint32_t kServer = 0x0A4D0001;   // 10.77.0.1
inline constexpr uint32_t kRelay = 0xC0000201;    // 192.0.2.1
inline constexpr uint32_t kMask = 0xFFFFFF00;

class EncoderFixture : public ::testing::Test {
 protected:
  EncoderFixture() {
    scope_.subnet = *Prefix::parse("10.77.0.0/24");
    set(3, be32(kServer));
    set(6, be32(0x0A4D0035));
    set(15, text("example.org"));
    link_.mtu = 1500;
  }

  static Buffer text(std::string_view t) { return {t.begin(), t.end()}; }
  void set(uint8_t code, const Buffer& value) { scope_.options.set(code, value); }

  // Decodes and grants.
  Packet& grant(const RequestBytes& request, ReplyKind kind) {
    packet_ = packet_with(request.bytes());
    EXPECT_EQ(decode_message(*packet_), std::nullopt);
    Grant& g = packet_->grant;
    g = Grant{};
    g.reply = kind;
    g.server_id = Ipv4{kServer};
    g.scope = &scope_;
    if (kind == ReplyKind::Offer || kind == ReplyKind::Ack || kind == ReplyKind::Bootp) {
      g.address = Ipv4{kAddress};
      g.lease_s = 3600;
      g.renew_s = 1800;
      g.rebind_s = 3150;
    }
    packet_->ingress = Ingress{};
    packet_->ingress.link = &link_;
    packet_->reply_storage.fill(0xEE);  // what an earlier packet left
    return *packet_;
  }

  ParsedReply encode() {
    EXPECT_EQ(encode_reply(*packet_), std::nullopt);
    const ParsedReply reply = parse_reply(packet_->reply());
    EXPECT_TRUE(reply.good);
    return reply;
  }
  ParsedReply encode(const RequestBytes& request, ReplyKind kind) {
    grant(request, kind);
    return encode();
  }
  uint32_t field(size_t at) const { return load_be32(&packet_->reply()[at]); }
  std::string text_at(size_t at) const {
    return reinterpret_cast<const char*>(&packet_->reply()[at]);
  }

  Scope scope_;
  io::Link link_;
  std::unique_ptr<Packet> packet_;
};

inline RequestBytes discover() { return RequestBytes().type(1); }
inline RequestBytes selecting() {
  return RequestBytes().type(3).option(54, be32(kServer)).option(50, be32(kAddress));
}
inline RequestBytes renewing() { return RequestBytes().type(3).ciaddr(kAddress); }
inline RequestBytes inform() { return RequestBytes().type(8).ciaddr(kAddress); }

}  // namespace hookline::wire::testing
