// Requests and the replies they must get, byte for byte: tests/golden/*.hex.
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>

#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/option_table.h"
#include "wire/testing.h"

namespace hookline::wire {
namespace {

using testing::Buffer;

std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(__FILE__).parent_path() / "../../tests/golden" / (name + ".hex");
}

// Hex bytes, "00*N" for N of a byte; '#' starts a comment.
Buffer read_golden(const std::string& name) {
  std::ifstream file(golden_path(name));
  EXPECT_TRUE(file) << golden_path(name);
  Buffer out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      const auto byte = from_hex(word.substr(0, 2));
      size_t count = 1;
      if (word.size() > 2 && word[2] == '*') {
        std::from_chars(word.data() + 3, word.data() + word.size(), count);
      } else {
        EXPECT_EQ(word.size(), 2u) << name << ": " << word;
      }
      EXPECT_TRUE(byte && byte->size() == 1) << name << ": " << word;
      if (byte) out.insert(out.end(), count, byte->at(0));
    }
  }
  return out;
}

void set(Scope& scope, std::string_view name, const OptionValue& value) {
  const OptionDef* def = find_option(name);
  ASSERT_NE(def, nullptr) << name;
  const auto bytes = encode_option(*def, value);
  ASSERT_TRUE(bytes) << bytes.error().text;
  scope.options.set(def->code, *bytes);
}

Scope office() {
  Scope scope;
  scope.subnet = *Prefix::parse("10.77.0.0/24");
  set(scope, "routers", "10.77.0.1");
  set(scope, "domain-name-servers", "10.77.0.53");
  set(scope, "domain-name", "example.org");
  set(scope, "root-path", "/" + std::string(99, 'r'));
  set(scope, "ntp-servers", "10.77.0.123");
  set(scope, "domain-search", OptionValue::List{"example.org", "corp.example.org"});
  set(scope, "classless-static-route", OptionRoute{"10.80.0.0/16", "10.77.0.2"});
  set(scope, "vi-vendor-options", "hex:000009bfeb" + to_hex(as_bytes(std::string(235, 'v'))));
  OptionValue::List routes;
  for (int i = 0; i < 40; ++i) {
    routes.emplace_back(OptionRoute{"10.80." + std::to_string(i) + ".0/24", "10.77.0.2"});
  }
  set(scope, "ms-classless-static-route", routes);
  return scope;
}

struct Golden {
  const char* name;
  MessageType type;
  ReplyKind reply;
};

class GoldenTest : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenTest, ReplyIsByteForByte) {
  const Golden& golden = GetParam();
  const auto packet = testing::packet_with(read_golden(std::string(golden.name) + "_request"));
  ASSERT_EQ(decode_message(*packet), std::nullopt);
  EXPECT_EQ(packet->message.type, golden.type);
  if (golden.reply == ReplyKind::None) return;

  Scope scope = office();
  if (golden.reply == ReplyKind::Bootp) scope.boot.fields = {Ipv4{0x0A4D0009}, "", "vmunix"};
  Grant& grant = packet->grant;
  grant.reply = golden.reply;
  grant.scope = &scope;
  grant.server_id = *Ipv4::parse("10.77.0.1");
  grant.why = "wrong network";
  if (golden.reply != ReplyKind::InformAck) grant.address = *Ipv4::parse("10.77.0.100");
  grant.lease_s = 3600;
  grant.renew_s = 1800;
  grant.rebind_s = 3150;
  packet->reply_storage.fill(0xEE);
  ASSERT_EQ(encode_reply(*packet), std::nullopt);
  const Buffer expected = read_golden(std::string(golden.name) + "_reply");
  EXPECT_EQ(to_hex(packet->reply(), ' '), to_hex(expected, ' '));
}

INSTANTIATE_TEST_SUITE_P(
    Packets, GoldenTest,
    ::testing::Values(Golden{"discover", MessageType::Discover, ReplyKind::Offer},
                      Golden{"selecting", MessageType::Request, ReplyKind::Ack},
                      Golden{"renewing", MessageType::Request, ReplyKind::Ack},
                      Golden{"init_reboot", MessageType::Request, ReplyKind::Nak},
                      Golden{"inform", MessageType::Inform, ReplyKind::InformAck},
                      Golden{"release", MessageType::Release, ReplyKind::None},
                      Golden{"decline", MessageType::Decline, ReplyKind::None},
                      Golden{"bootp", MessageType::None, ReplyKind::Bootp},
                      Golden{"bootp_951", MessageType::None, ReplyKind::Bootp},
                      Golden{"relay_255", MessageType::Discover, ReplyKind::Offer},
                      Golden{"overload", MessageType::Discover, ReplyKind::Offer},
                      Golden{"tight", MessageType::Discover, ReplyKind::Offer},
                      Golden{"long_option", MessageType::Discover, ReplyKind::Offer}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Golden, OverloadedRequestIsJoined) {
  const auto packet = testing::packet_with(read_golden("overload_request"));
  ASSERT_EQ(decode_message(*packet), std::nullopt);
  EXPECT_EQ(as_text(packet->message.options.find(option::kUserClass)), "abc");
  EXPECT_EQ(as_text(packet->message.options.find(option::kHostName)), "over");
}

}  // namespace
}  // namespace hookline::wire
