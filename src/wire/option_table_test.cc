#include "wire/option_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/inet.h"

namespace hookline::wire {
namespace {

using Buffer = std::vector<uint8_t>;
using List = OptionValue::List;

// The value's bytes in hex, or the error's text.
std::string encoded(std::string_view name, const OptionValue& value) {
  const OptionDef* def = find_option(name);
  if (def == nullptr) return "no such option";
  const auto bytes = encode_option(*def, value);
  return bytes ? to_hex(*bytes) : bytes.error().text;
}

std::string rendered(uint8_t code, std::string_view hex) {
  return render_option(code, *from_hex(hex));
}

TEST(OptionTable, FindsByNameAndCode) {
  EXPECT_EQ(find_option("routers")->code, 3);
  EXPECT_EQ(find_option("captive-portal")->code, 114);
  EXPECT_EQ(find_option(uint8_t{119}).name, "domain-search");
  EXPECT_EQ(find_option("option-224")->code, 224);
  EXPECT_EQ(find_option(uint8_t{224}).name, "option-224");
  EXPECT_FALSE(find_option(uint8_t{224}).known);
  EXPECT_EQ(find_option("option-3")->name, "routers");
  for (const char* bad :
       {"", "router", "option-", "option-256", "option-03", "option--1", "option-1x", "Routers"}) {
    EXPECT_EQ(find_option(bad), nullptr) << bad;
  }
}

TEST(OptionTable, IsConsistent) {
  for (unsigned i = 0; i < 256; ++i) {
    const OptionDef& def = find_option(static_cast<uint8_t>(i));
    EXPECT_EQ(def.code, i);
    EXPECT_EQ(find_option(def.name), &def) << def.name;  // names are unique
    EXPECT_FALSE(describe_option_value(def).empty()) << def.name;
    const size_t fixed = fixed_option_size(def);
    EXPECT_TRUE(fixed == 0 || fixed == def.size_min) << def.name;
  }
}

TEST(OptionTable, NearestName) {
  EXPECT_EQ(nearest_option_name("router"), "routers");
  EXPECT_EQ(nearest_option_name("domain-name-server"), "domain-name-servers");
  EXPECT_EQ(nearest_option_name("ntp-sevrers"), "ntp-servers");
  EXPECT_EQ(nearest_option_name("xyzzy"), "");
}

TEST(OptionTable, TheServersOwnAreRefused) {
  for (uint8_t code : {0, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82, 118, 255}) {
    const auto bytes = encode_option(find_option(code), "hex:01020304");
    ASSERT_FALSE(bytes) << int{code};
    EXPECT_EQ(bytes.error().kind, ErrorKind::Invalid);
  }
  EXPECT_NE(encoded("lease-time", int64_t{5}).find("cannot be configured"), std::string::npos);
}

// RFC 2132 section 2 and the option's own section, where none is named.
TEST(EncodeOption, EachType) {
  EXPECT_EQ(encoded("ip-forwarding", true), "01");
  EXPECT_EQ(encoded("ip-forwarding", false), "00");
  EXPECT_EQ(encoded("default-ip-ttl", int64_t{64}), "40");
  EXPECT_EQ(encoded("interface-mtu", int64_t{1400}), "0578");
  EXPECT_EQ(encoded("path-mtu-plateau-table", List{int64_t{68}, int64_t{1500}}), "004405dc");
  EXPECT_EQ(encoded("time-offset", int64_t{-3600}), "fffff1f0");
  EXPECT_EQ(encoded("ipv6-only-preferred", int64_t{1800}), "00000708");  // RFC 8925
  EXPECT_EQ(encoded("broadcast-address", "10.77.0.255"), "0a4d00ff");
  EXPECT_EQ(encoded("routers", List{"10.77.0.1", "10.77.0.2"}), "0a4d00010a4d0002");
  EXPECT_EQ(encoded("routers", "10.77.0.1"), "0a4d0001");
  EXPECT_EQ(encoded("domain-name", "ab.c"), "61622e63");
  EXPECT_EQ(encoded("policy-filter", List{"10.0.0.0/8"}), "0a000000ff000000");
  EXPECT_EQ(encoded("static-routes", List{OptionRoute{"10.0.0.5", "10.77.0.1"}}),
            "0a0000050a4d0001");
  EXPECT_EQ(encoded("vendor-encapsulated-options", "hex:01:02:ff"), "0102ff");
  EXPECT_EQ(encoded("mobile-ip-home-agents", List{}), "");  // RFC 2132 section 8.13
  EXPECT_EQ(encoded("auto-configure", int64_t{1}), "01");   // RFC 2563
  EXPECT_EQ(encoded("slp-directory-agents", List{true, "10.0.0.1"}), "010a000001");  // RFC 2610
  EXPECT_EQ(encoded("slp-service-scope", List{false, "a"}), "0061");
}

TEST(EncodeOption, ClasslessRoutes) {  // RFC 3442's own examples of destinations
  EXPECT_EQ(encoded("classless-static-route", List{OptionRoute{"0.0.0.0/0", "10.0.0.1"},
                                                   OptionRoute{"10.0.0.0/8", "10.0.0.1"},
                                                   OptionRoute{"10.17.0.0/16", "10.0.0.1"},
                                                   OptionRoute{"10.27.129.0/24", "10.0.0.1"},
                                                   OptionRoute{"10.229.0.128/25", "10.0.0.1"},
                                                   OptionRoute{"10.198.122.47/32", "10.0.0.1"}}),
            "000a000001"
            "080a0a000001"
            "100a110a000001"
            "180a1b810a000001"
            "190ae500800a000001"
            "200ac67a2f0a000001");
}

TEST(EncodeOption, DomainSearchIsCompressed) {  // RFC 3397 section 2, its example
  EXPECT_EQ(encoded("domain-search", List{"eng.apple.com.", "marketing.apple.com."}),
            "03656e67056170706c6503636f6d00"
            "096d61726b6574696e67c004");
  EXPECT_EQ(encoded("domain-search", List{"a.b", "a.b", "b"}), "0161016200c000c002");
  EXPECT_EQ(encoded("bcmcs-controller-domains", List{"a.b", "a.b"}), "01610162000161016200");
}

TEST(EncodeOption, SipServers) {  // RFC 3361 section 3
  EXPECT_EQ(encoded("sip-servers", List{"10.0.0.1", "10.0.0.2"}), "010a0000010a000002");
  EXPECT_EQ(encoded("sip-servers", List{"a.b"}), "000161016200");
  EXPECT_NE(encoded("sip-servers", List{"a.b", "10.0.0.1"}).find("got \"10.0.0.1\""),
            std::string::npos);
  EXPECT_NE(encoded("sip-servers", List{"10.0.0.1", "a.b"}).find("expected"), std::string::npos);
}

TEST(EncodeOption, RawForAnyCode) {
  EXPECT_EQ(encoded("option-224", "hex:0102ff"), "0102ff");
  EXPECT_EQ(encoded("option-224", "hex:"), "");
  EXPECT_EQ(encoded("routers", "hex:0a4d0001"), "0a4d0001");
  EXPECT_EQ(encoded("routers", "hex:0a4d"),
            "routers: expected a list of IPv4 addresses of at least 4 bytes, got 2");
  EXPECT_EQ(encoded("option-224", "hex:0g"),
            "option-224: expected hex digits after \"hex:\", got \"hex:0g\"");
  EXPECT_EQ(encoded("option-224", "text"),
            "option-224: expected bytes such as \"hex:01ff\", got \"text\"");
}

TEST(EncodeOption, SaysWhatWasExpected) {
  EXPECT_EQ(encoded("interface-mtu", int64_t{65536}),
            "interface-mtu: expected a number from 0 to 65535, got 65536");
  EXPECT_EQ(encoded("interface-mtu", int64_t{-1}),
            "interface-mtu: expected a number from 0 to 65535, got -1");
  EXPECT_EQ(encoded("routers", List{"10.77.0.1", "10.77.0"}),
            "routers: expected a list of IPv4 addresses, got \"10.77.0\"");
  EXPECT_EQ(encoded("ip-forwarding", int64_t{1}), "ip-forwarding: expected true or false, got 1");
  EXPECT_EQ(encoded("broadcast-address", List{"10.0.0.1"}),
            "broadcast-address: expected an IPv4 address, got a list");
  EXPECT_EQ(
      encoded("classless-static-route", List{OptionRoute{"10.0.0.1/8", "10.0.0.1"}}),
      "classless-static-route: expected a list of { to = \"prefix\", via = \"address\" }, got "
      "{ to = \"10.0.0.1/8\", via = \"10.0.0.1\" }");
}

TEST(EncodeOption, RefusesWhatNoClientCouldRead) {
  const auto refused = [](std::string_view name, const OptionValue& value) {
    return !encode_option(*find_option(name), value);
  };
  EXPECT_TRUE(refused("routers", List{}));
  EXPECT_TRUE(refused("domain-name", ""));
  EXPECT_TRUE(refused("domain-name", std::string("a\0b", 3)));
  EXPECT_TRUE(refused("static-routes", List{OptionRoute{"0.0.0.0", "10.0.0.1"}}));
  for (const char* name : {"", "a..b", "..", ".a", "a b", "a\n"}) {
    EXPECT_TRUE(refused("domain-search", List{name})) << name;
  }
  EXPECT_TRUE(refused("domain-search", List{std::string(64, 'a')}));
  EXPECT_FALSE(refused("domain-search", List{std::string(63, 'a')}));
  std::string longest;  // 127 labels of one letter: 255 bytes with the root
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_FALSE(refused("domain-search", List{longest}));
  EXPECT_TRUE(refused("domain-search", List{longest + "a"}));
  EXPECT_TRUE(refused("domain-name", std::string(5000, 'a')));
  EXPECT_TRUE(refused("slp-service-scope", List{true, "a", "b"}));
  EXPECT_TRUE(refused("slp-directory-agents", List{true}));
  EXPECT_TRUE(refused("slp-directory-agents", "10.0.0.1"));
}

TEST(RenderOption, EachType) {
  EXPECT_EQ(rendered(53, "01"), "discover");
  EXPECT_EQ(rendered(53, "0d"), "leaseactive");
  EXPECT_EQ(rendered(53, "0e"), "14");
  EXPECT_EQ(rendered(55, "0103e0"), "subnet-mask, routers, option-224");
  EXPECT_EQ(rendered(51, "00000e10"), "3600s");
  EXPECT_EQ(rendered(51, "ffffffff"), "infinite");
  EXPECT_EQ(rendered(3, "0a4d00010a4d0002"), "10.77.0.1, 10.77.0.2");
  EXPECT_EQ(rendered(2, "fffff1f0"), "-3600");
  EXPECT_EQ(rendered(19, "01"), "true");
  EXPECT_EQ(rendered(21, "0a000000ff000000"), "10.0.0.0 mask 255.0.0.0");
  EXPECT_EQ(rendered(33, "0a0000050a4d0001"), "10.0.0.5 via 10.77.0.1");
  EXPECT_EQ(rendered(12, "61220a5c"), "\"a\\\"\\x0a\\\\\"");
  EXPECT_EQ(rendered(61, "0102"), "hex:0102");
  EXPECT_EQ(rendered(80, ""), "present");
  EXPECT_EQ(rendered(121,
                     "00"
                     "0a000001"
                     "19"
                     "0ae50080"
                     "0a000001"),
            "0.0.0.0/0 via 10.0.0.1, 10.229.0.128/25 via 10.0.0.1");
  EXPECT_EQ(rendered(119, "03656e67056170706c6503636f6d00096d61726b6574696e67c004"),
            "eng.apple.com, marketing.apple.com");
  EXPECT_EQ(rendered(120, "010a000001"), "10.0.0.1");
  EXPECT_EQ(rendered(120, "000161016200"), "a.b");
  EXPECT_EQ(rendered(78, "010a000001"), "mandatory 10.0.0.1");
  EXPECT_EQ(rendered(79, "0061"), "\"a\"");
  EXPECT_EQ(rendered(82, "0104657468300202ff010501aa"),
            "circuit-id \"eth0\", remote-id hex:ff01, 5 hex:aa");
}

TEST(RenderOption, HexWhereTheBytesAreNotOfTheType) {
  EXPECT_EQ(rendered(3, "0a4d00"), "hex:0a4d00");
  EXPECT_EQ(rendered(3, ""), "hex:");
  EXPECT_EQ(rendered(28, "0a4d00010a4d0002"), "hex:0a4d00010a4d0002");
  EXPECT_EQ(rendered(121, "210a000001"), "hex:210a000001");
  EXPECT_EQ(rendered(121, "200a0000"), "hex:200a0000");
  EXPECT_EQ(rendered(82, "01ff00"), "hex:01ff00");
  EXPECT_EQ(rendered(82, "01"), "hex:01");
  EXPECT_EQ(rendered(120, "020a000001"), "hex:020a000001");
}

TEST(RenderOption, HostileDomainNamesEnd) {              // RFC 1035 section 4.1.4
  EXPECT_EQ(rendered(119, "c000"), "hex:c000");          // points at itself
  EXPECT_EQ(rendered(119, "0161c000"), "hex:0161c000");  // a loop of two
  EXPECT_EQ(rendered(119, "c00200"), "hex:c00200");      // forward
  EXPECT_EQ(rendered(119, "0161"), "hex:0161");          // no end
  EXPECT_EQ(rendered(119, "40"), "hex:40");              // reserved bits
  EXPECT_EQ(rendered(119, "c0"), "hex:c0");
}

// What one reads back is what one wrote, for names that share tails in any way.
RC_GTEST_PROP(OptionRoundTrip, DomainSearch, ()) {
  const auto label = rc::gen::element<std::string>("a", "b", "example", "x-1", "com");
  const auto names = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::vector<std::string>>>(
      rc::gen::nonEmpty(rc::gen::resize(6, rc::gen::container<std::vector<std::string>>(label)))));
  List list;
  std::string expected;
  for (const auto& labels : names) {
    std::string name;
    for (const auto& l : labels) name += (name.empty() ? "" : ".") + l;
    list.emplace_back(name);
    expected += (expected.empty() ? "" : ", ") + name;
  }
  for (uint8_t code : {119, 141}) {
    const auto bytes = encode_option(find_option(code), list);
    RC_ASSERT(bytes.has_value());
    RC_ASSERT(render_option(code, *bytes) == expected);
  }
}

RC_GTEST_PROP(OptionRoundTrip, Routes, ()) {
  const auto raw =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<std::tuple<uint32_t, int, uint32_t>>>(
          rc::gen::tuple(rc::gen::arbitrary<uint32_t>(), rc::gen::inRange(0, 33),
                         rc::gen::arbitrary<uint32_t>())));
  List list;
  std::string expected;
  for (const auto& [base, length, via] : raw) {
    Prefix prefix{Ipv4{}, static_cast<uint8_t>(length)};
    prefix.base.value = base & prefix.mask();
    list.emplace_back(OptionRoute{prefix.text(), Ipv4{via}.text()});
    expected += (expected.empty() ? "" : ", ") + prefix.text() + " via " + Ipv4{via}.text();
  }
  const auto bytes = encode_option(*find_option("classless-static-route"), list);
  RC_ASSERT(bytes.has_value());
  RC_ASSERT(render_option(121, *bytes) == expected);
}

RC_GTEST_PROP(OptionRoundTrip, RawBytesOfAnyCode, (const Buffer& value)) {
  const OptionDef& def = find_option(*rc::gen::inRange<uint8_t>(1, 255));
  const auto bytes = encode_option(def, "hex:" + to_hex(value));
  RC_ASSERT(bytes.has_value() == (!def.server_only && value.size() >= def.size_min));
  if (bytes) RC_ASSERT(*bytes == value);
}

RC_GTEST_PROP(RenderOption, IsPrintableForAnyBytes, (const Buffer& value)) {
  const auto code = *rc::gen::arbitrary<uint8_t>();
  for (char c : render_option(code, value)) RC_ASSERT(c >= ' ' && c <= '~');
}

}  // namespace
}  // namespace hookline::wire
