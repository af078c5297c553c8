// The values and the layout of the public API, written down once more and apart from the header.

#include <dhcpssdk.h>

#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace {

TEST(Abi, Values) {
  EXPECT_EQ(DHCP_CONTROL_START, 1);
  EXPECT_EQ(DHCP_CONTROL_STOP, 2);
  EXPECT_EQ(DHCP_CONTROL_PAUSE, 3);
  EXPECT_EQ(DHCP_CONTROL_CONTINUE, 4);
  EXPECT_EQ(DHCP_DROP_DUPLICATE, 1);
  EXPECT_EQ(DHCP_DROP_NOMEM, 2);
  EXPECT_EQ(DHCP_DROP_INTERNAL_ERROR, 3);
  EXPECT_EQ(DHCP_DROP_TIMEOUT, 4);
  EXPECT_EQ(DHCP_DROP_UNAUTH, 5);
  EXPECT_EQ(DHCP_DROP_PAUSED, 6);
  EXPECT_EQ(DHCP_DROP_NO_SUBNETS, 7);
  EXPECT_EQ(DHCP_DROP_INVALID, 8);
  EXPECT_EQ(DHCP_DROP_WRONG_SERVER, 9);
  EXPECT_EQ(DHCP_DROP_NOADDRESS, 10);
  EXPECT_EQ(DHCP_DROP_PROCESSED, 11);
  EXPECT_EQ(DHCP_DROP_GEN_FAILURE, 0x100);
  EXPECT_EQ(DHCP_SEND_PACKET, 0x10000000);
  EXPECT_EQ(DHCP_PROB_CONFLICT, 0x20000001);
  EXPECT_EQ(DHCP_PROB_DECLINE, 0x20000002);
  EXPECT_EQ(DHCP_PROB_RELEASE, 0x20000003);
  EXPECT_EQ(DHCP_PROB_NACKED, 0x20000004);
  EXPECT_EQ(DHCP_GIVE_ADDRESS_NEW, 0x30000001);
  EXPECT_EQ(DHCP_GIVE_ADDRESS_OLD, 0x30000002);
  EXPECT_EQ(DHCP_CLIENT_BOOTP, 0x30000003);
  EXPECT_EQ(DHCP_CLIENT_DHCP, 0x30000004);
  EXPECT_EQ(DHCP_CALLOUT_LIST_TYPE, 7);
  EXPECT_STREQ(DHCP_CALLOUT_ENTRY_POINT, "DhcpServerCalloutEntry");
}

TEST(Abi, Names) {
  EXPECT_EQ(std::u16string(DHCP_CALLOUT_LIST_KEY),
            u"System\\CurrentControlSet\\Services\\DHCPServer\\Parameters");
  EXPECT_EQ(std::u16string(DHCP_CALLOUT_LIST_VALUE), u"CalloutDlls");
}

// Fills a struct with its own offsets as bytes, and reads each field where the ABI has it.
TEST(Abi, LayoutByBytes) {
  unsigned char raw[sizeof(DHCP_SERVER_OPTIONS)];
  for (size_t i = 0; i < sizeof raw; ++i) {
    raw[i] = static_cast<unsigned char>(i);
  }
  DHCP_SERVER_OPTIONS options;
  std::memcpy(&options, raw, sizeof raw);
  const auto first_byte = [](const void* field) {
    return *static_cast<const unsigned char*>(field);
  };
  EXPECT_EQ(first_byte(&options.OverlayFields), 32);
  EXPECT_EQ(first_byte(&options.ParameterRequestListLength), 64);
  EXPECT_EQ(options.ClientHardwareAddressType, 84);
  EXPECT_EQ(options.ClientHardwareAddressLength, 85);
  EXPECT_EQ(first_byte(&options.ClientHardwareAddress), 88);
  EXPECT_EQ(first_byte(&options.DNSFlags), 124);
  EXPECT_EQ(first_byte(&options.DNSName), 136);
  EXPECT_EQ(options.DSDomainNameRequested, 144);
  EXPECT_EQ(first_byte(&options.DSDomainNameLen), 160);
  EXPECT_EQ(first_byte(&options.ScopeId), 168);
  EXPECT_EQ(sizeof(DHCP_CALLOUT_TABLE), 10 * sizeof(void*));
}

}  // namespace
