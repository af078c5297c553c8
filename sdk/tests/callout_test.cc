// Loads callouts that hookline-cc has made and drives their hooks by hand.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "host.h"

namespace sdk {
namespace {

struct Fingerprint {
  BYTE asked[64];
  BYTE asked_length;
  BYTE vendor[64];
  BYTE vendor_length;
};

std::u16string names(std::initializer_list<const char16_t*> list) {
  std::u16string all;
  for (const char16_t* name : list) {
    all += name;
    all += u'\0';
  }
  return all;
}

TEST(Example, AuditLogsEveryEvent) {
  Host host;
  Callout audit("audit.so", &host);
  ASSERT_EQ(audit.result, 0u);
  EXPECT_EQ(dlsym(audit.library, "AuditEntry"), nullptr) << "the .def renames it";
  audit.hooks.DhcpControlHook(DHCP_CONTROL_START, nullptr);
  Packet packet;
  EXPECT_TRUE(packet.new_packet(audit));
  DHCP_SERVER_OPTIONS options{};
  BYTE type = 1;
  options.MessageType = &type;
  audit.hooks.DhcpHandleOptionsHook(packet.bytes, packet.size, nullptr, packet.context, &options);
  audit.hooks.DhcpAddressOfferHook(packet.bytes, packet.size, DHCP_GIVE_ADDRESS_NEW, 0x0A4D0001,
                                   0x0A4D0064, DHCP_CLIENT_DHCP, 3600, nullptr, packet.context);
  packet.send(audit);
  packet.drop(audit, DHCP_DROP_PROCESSED);
  audit.hooks.DhcpAddressDelHook(packet.bytes, packet.size, DHCP_PROB_RELEASE, 0x0A4D0001,
                                 0x0A4D0064, nullptr, nullptr);
  audit.hooks.DhcpDeleteClientHook(0x0A4D0064, packet.bytes + 28, 6, 0, 0);
  audit.hooks.DhcpControlHook(DHCP_CONTROL_STOP, nullptr);
  const std::vector<std::string> expected = {
      "4 audit 100 service START",
      "4 audit 110 packet of 300 bytes from 02:00:5e:10:00:01 on 10.77.0.1",
      "4 audit 130 message type 1",
      "4 audit 121 10.77.0.100 leased for 3600 s, new, DHCP",
      "4 audit 112 reply of 300 bytes",
      "4 audit 111 dropped: PROCESSED",
      "4 audit 120 10.77.0.100 released",
      "4 audit 122 10.77.0.100 is free again",
      "4 audit 100 service STOP",
      "4 audit 101 9 events"};
  EXPECT_EQ(host.lines(), expected);
}

TEST(Chaining, EachDllLoadsTheNext) {
  Host host;
  Callout audit("audit.so", &host, names({u"leaf_one.dll", u"C:\\dhcp\\LEAF_TWO.DLL"}));
  EXPECT_NE(audit.result, 0u) << "file names have their case here";
  EXPECT_TRUE(host.logged("LEAF_TWO"));
  host.map("C:\\dhcp\\LEAF_TWO.DLL", file_of("leaf_two.so"));
  Callout mapped("audit.so", &host, names({u"leaf_one.dll", u"C:\\dhcp\\LEAF_TWO.DLL"}));
  ASSERT_EQ(mapped.result, 0u);
  Packet packet;
  EXPECT_TRUE(packet.new_packet(mapped));
  EXPECT_STREQ(reinterpret_cast<const char*>(packet.bytes + 44), "one two ");
}

TEST(Chaining, FromCppWithARenamedEntry) {
  Host host;
  {
    Callout modern("modern.so", &host, names({u"leaf_two.dll", u"leaf_one.dll"}));
    ASSERT_EQ(modern.result, 0u);
    Packet packet;
    EXPECT_TRUE(packet.new_packet(modern));
    EXPECT_STREQ(reinterpret_cast<const char*>(packet.bytes + 44), "modern two one ");
  }
  EXPECT_TRUE(host.logged("2 0 1"));
  EXPECT_TRUE(host.logged("leaf_two.dll;leaf_one.dll;"));
  EXPECT_TRUE(host.logged("no arguments"));
  EXPECT_TRUE(host.logged("from 10.77.0.1"));
  const std::vector<std::string> lines = host.lines();
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines[lines.size() - 2], "256 modern.so 0 detached");
  EXPECT_EQ(lines[lines.size() - 1], "256 modern.so 0 destroyed") << "statics outlive DllMain";
}

TEST(Example, MacFilterFollowsItsListAndReloadsIt) {
  const std::string list = testing::TempDir() + "/mac_filter_test.txt";
  std::ofstream(list) << "# comment\nallow 02:00:5e:10:00:01\ndeny 02-00-5E-*\nnonsense\n";
  Host host;
  host.set_text("MacFilterList", std::u16string(list.begin(), list.end()));
  host.set_dword("MacFilterReloadMs", 5);
  Callout filter("mac_filter.so", &host);
  ASSERT_EQ(filter.result, 0u);
  filter.hooks.DhcpControlHook(DHCP_CONTROL_START, nullptr);
  EXPECT_TRUE(host.logged("line 4 is not understood"));
  Packet packet;
  EXPECT_TRUE(packet.new_packet(filter));
  packet.bytes[HOOKLINE_CHADDR + 5] = 2;
  EXPECT_FALSE(packet.new_packet(filter));
  packet.bytes[HOOKLINE_CHADDR] = 4;
  EXPECT_TRUE(packet.new_packet(filter)) << "allowed without a default line";
  std::ofstream(list) << "default deny\n";
  for (int i = 0; i < 2000 && packet.new_packet(filter); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_FALSE(packet.new_packet(filter)) << "the list was read again";
  filter.hooks.DhcpControlHook(DHCP_CONTROL_STOP, nullptr);
  EXPECT_TRUE(host.logged("packets refused"));
  std::remove(list.c_str());
}

TEST(Example, MacFilterWithoutAListRefusesNobody) {
  Host host;
  host.set_text("MacFilterList", u"/nonexistent/list");
  Callout filter("mac_filter.so", &host);
  filter.hooks.DhcpControlHook(DHCP_CONTROL_START, nullptr);
  Packet packet;
  EXPECT_TRUE(packet.new_packet(filter));
  EXPECT_TRUE(host.logged("1 mac_filter 1 the list cannot be read"));
  filter.hooks.DhcpControlHook(DHCP_CONTROL_STOP, nullptr);
}

TEST(Example, Option82ChoosesTheReply) {
  Host host;
  host.set_texts("Option82Rules", {u"port-7=boot/kiosk.img", u"port-9=boot/phone.img,66,tftp"});
  Callout callout("option82.so", &host);
  ASSERT_EQ(callout.result, 0u);
  Packet request;
  ASSERT_TRUE(hookline_option_append(request.bytes, &request.size, 82, "\1\6port-9\2\2rr", 12));
  EXPECT_TRUE(request.new_packet(callout));
  ASSERT_NE(request.context, nullptr);
  Packet reply;
  reply.context = request.context;
  reply.send(callout);
  EXPECT_STREQ(reinterpret_cast<const char*>(reply.bytes + HOOKLINE_FILE), "boot/phone.img");
  hookline_option option;
  ASSERT_TRUE(hookline_option_find(reply.bytes, reply.size, 66, &option));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(option.value), option.length), "tftp");
  reply.drop(callout, DHCP_DROP_PROCESSED);

  Packet direct;
  EXPECT_TRUE(direct.new_packet(callout));
  EXPECT_EQ(direct.context, nullptr) << "no relay, no context";
  direct.send(callout);
  EXPECT_EQ(direct.bytes[HOOKLINE_FILE], 0);
  direct.drop(callout, DHCP_DROP_PROCESSED);
}

TEST(Example, FingerprintIsSharedWithOtherCode) {
  Host host;
  Callout callout("fingerprint.so", &host);
  const auto of = reinterpret_cast<BOOL (*)(const BYTE*, Fingerprint*)>(
      dlsym(callout.library, "FingerprintOf"));
  ASSERT_NE(of, nullptr);
  Packet packet;
  BYTE asked[] = {1, 3, 6, 15};
  BYTE vendor[] = {'M', 'S', 'F', 'T'};
  DHCP_SERVER_OPTIONS options{};
  options.ClientHardwareAddress = packet.bytes + HOOKLINE_CHADDR;
  options.ClientHardwareAddressLength = 6;
  options.ParameterRequestList = asked;
  options.ParameterRequestListLength = sizeof asked;
  options.VendorClass = vendor;
  options.VendorClassLength = sizeof vendor;
  Fingerprint print{};
  EXPECT_FALSE(of(packet.bytes + HOOKLINE_CHADDR, &print));
  callout.hooks.DhcpHandleOptionsHook(packet.bytes, packet.size, nullptr, nullptr, &options);
  ASSERT_TRUE(of(packet.bytes + HOOKLINE_CHADDR, &print));
  EXPECT_EQ(print.asked_length, 4);
  EXPECT_EQ(print.asked[3], 15);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(print.vendor), print.vendor_length), "MSFT");
}

}  // namespace
}  // namespace sdk
