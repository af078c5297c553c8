// Scopes and reservations: errors and warnings word by word.
#include <gtest/gtest.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

const Case kCases[] = {
    {"IdAndSubnetMissing",
     kServer + "[[scope]]\n",
     {"error f:3:1: [[scope]] has no \"id\": expected a text, such as \"office\"",
      "error f:3:1: [[scope]] has no \"subnet\": expected a subnet, such as \"10.77.0.0/24\""}},
    {"Ids",
     kServer +
         "[[scope]]\n"
         "id = \"a b\"\n"
         "subnet = \"10.0.0.0/24\"\n"
         "[[scope]]\n"
         "id = \"\"\n"
         "subnet = \"10.0.1.0/24\"\n"
         "[[scope]]\n"
         "id = \"" +
         std::string(65, 'x') +
         "\"\n"
         "subnet = \"10.0.2.0/24\"\n",
     {"error f:4:6: id: \"a b\" may hold only letters, digits, \"-\", \"_\" and \".\"",
      "error f:7:6: id: expected 1 to 64 bytes, found 0",
      "error f:10:6: id: expected 1 to 64 bytes, found 65"}},
    {"IdTwice",
     kScope + "[[scope]]\n"
              "id = \"a\"\n"
              "subnet = \"10.0.1.0/24\"\n",
     {"error f:7:6: id: \"a\" is a scope's id already (line 4)"}},
    {"HostBits",
     kServer + "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.77/24\"\n",
     {"error f:5:10: subnet: \"10.0.0.77/24\" has bits set in its host part; did you mean "
      "10.0.0.0/24?"}},
    {"Subnets",
     kServer + "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0\"\n"
               "[[scope]]\n"
               "id = \"b\"\n"
               "subnet = \"10.0.0.0/33\"\n"
               "[[scope]]\n"
               "id = \"c\"\n"
               "subnet = \"224.0.0.0/4\"\n"
               "[[scope]]\n"
               "id = \"d\"\n"
               "subnet = \"127.0.0.0/8\"\n",
     {"error f:5:10: subnet: expected a subnet, such as \"10.77.0.0/24\"; found the text "
      "\"10.0.0.0\"",
      "error f:8:10: subnet: expected a subnet, such as \"10.77.0.0/24\"; found the text "
      "\"10.0.0.0/33\"",
      "error f:11:10: subnet: 224.0.0.0/4 holds no addresses that a client could use",
      "error f:14:10: subnet: 127.0.0.0/8 holds no addresses that a client could use"}},
    {"Overlap",
     kScope + "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.0.128/25\"\n"
              "[[scope]]\n"
              "id = \"c\"\n"
              "subnet = \"10.0.1.0/24\"\n"
              "[[scope]]\n"
              "id = \"d\"\n"
              "subnet = \"10.0.0.0/8\"\n",
     {"error f:14:10: subnet: 10.0.0.0/8 of scope \"d\" overlaps 10.0.0.0/24 of scope \"a\" (line "
      "3)",
      "error f:14:10: subnet: 10.0.0.0/8 of scope \"d\" overlaps 10.0.0.128/25 of scope \"b\" "
      "(line 6)",
      "error f:14:10: subnet: 10.0.0.0/8 of scope \"d\" overlaps 10.0.1.0/24 of scope \"c\" (line "
      "9)"}},
    {"SameSubnetTwice",
     kScope + "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.0.0/24\"\n",
     {"error f:8:10: subnet: 10.0.0.0/24 of scope \"b\" overlaps 10.0.0.0/24 of scope \"a\" (line "
      "3)"}},
    {"RangeText",
     kScope + "ranges = [\"10.0.0.5-\", \"10.0.0.9 to 10.0.0.12\", 7, [\"10.0.0.1\"]]\n",
     {"error f:6:11: ranges: expected a list of address ranges, such as "
      "[\"10.77.0.100-10.77.0.200\"]; found the text \"10.0.0.5-\"",
      "error f:6:24: ranges: expected a list of address ranges, such as "
      "[\"10.77.0.100-10.77.0.200\"]; found the text \"10.0.0.9 to 10.0.0.12\"",
      "error f:6:49: ranges: expected a list of address ranges, such as "
      "[\"10.77.0.100-10.77.0.200\"]; found the number 7",
      "error f:6:52: ranges: expected a list of address ranges, such as "
      "[\"10.77.0.100-10.77.0.200\"]; found a list"}},
    {"RangeBackwards",
     kScope + "ranges = \"10.0.0.30-10.0.0.20\"\n",
     {"error f:6:10: ranges: \"10.0.0.30-10.0.0.20\" ends before it begins; expected "
      "\"10.0.0.20-10.0.0.30\""}},
    {"RangeOutside",
     kScope + "ranges = [\"10.0.0.30-10.0.1.20\", \"10.1.0.1\"]\n",
     {"error f:6:11: ranges: 10.0.0.30-10.0.1.20 is outside the subnet 10.0.0.0/24",
      "error f:6:34: ranges: 10.1.0.1 is outside the subnet 10.0.0.0/24"}},
    {"RangeHoldsNetworkAndBroadcast",
     kScope + "ranges = [\"10.0.0.0-10.0.0.255\"]\n",
     {"error f:6:11: ranges: 10.0.0.0-10.0.0.255 holds the network's own address; expected it to "
      "begin at 10.0.0.1 or later",
      "error f:6:11: ranges: 10.0.0.0-10.0.0.255 holds the broadcast address; expected it to end "
      "at 10.0.0.254 or earlier"}},
    {"RangeInAPairOfAddresses",
     kServer + "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/31\"\n"
               "ranges = [\"10.0.0.0-10.0.0.1\"]\n",
     {}},
    {"RangesOverlap",
     kScope + "ranges = [\"10.0.0.50-10.0.0.60\", \"10.0.0.10-10.0.0.50\", \"10.0.0.55\"]\n",
     {"error f:6:34: ranges: 10.0.0.10-10.0.0.50 overlaps 10.0.0.50-10.0.0.60 (line 6)",
      "error f:6:57: ranges: 10.0.0.55 overlaps 10.0.0.50-10.0.0.60 (line 6)"}},
    {"ExcludeOutside",
     kScope + "exclude = [\"10.0.0.5\", \"10.1.0.1-10.1.0.2\"]\n",
     {"error f:6:24: exclude: 10.1.0.1-10.1.0.2 is outside the subnet 10.0.0.0/24"}},
    {"RenewAfterDefaultRebind",
     kScope + "lease-time = \"1h\"\n"
              "renew-time = \"2h\"\n",
     {"error f:7:14: renew-time: 2h is not before rebind-time 87.5% in a lease of 1h (line 6)"}},
    {"RebindAfterTheEnd",
     kScope + "lease-time = \"1h\"\n"
              "rebind-time = \"61m\"\n",
     {"error f:7:15: rebind-time: 1h1m is after the end of a lease of 1h (line 6)"}},
    {"LeaseTimeOverTheInheritedMaximum",
     kServer + "[leases]\n"
               "max-time = \"1h\"\n"
               "default-time = \"30m\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "lease-time = \"2h\"\n",
     {"error f:9:14: max-time: 1h (line 4) is shorter than lease-time 2h (line 9)"}},
    {"LeaseTimeUnderTheInheritedMinimum",
     kServer + "[leases]\n"
               "min-time = \"1h\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "lease-time = \"30m\"\n",
     {"error f:8:14: min-time: 1h (line 4) is longer than lease-time 30m (line 8)"}},
    {"InheritedRenewAfterOwnRebind",
     kServer + "[leases]\n"
               "renew-time = \"1h\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "rebind-time = \"30m\"\n",
     {"error f:8:15: renew-time: 1h (line 4) is not before rebind-time 30m (line 8) in a lease of "
      "8h"}},
    {"InterfaceAndSuperscope",
     kScope + "interface = \"eth0:1\"\n"
              "superscope = \"the campus\"\n",
     {"error f:6:13: interface: \"eth0:1\" is not an interface's name; expected one such as "
      "\"eth0\"",
      "error f:7:14: superscope: \"the campus\" may hold only letters, digits, \"-\", \"_\" and "
      "\".\"",
      "warning f:6:13: interface: \"eth0:1\" is not among the interfaces of [server]"}},
    {"InterfaceNotServed",
     kScope + "interface = \"eth1\"\n",
     {"warning f:6:13: interface: \"eth1\" is not among the interfaces of [server]"}},
    {"InterfaceTwice",
     kScope + "interface = \"eth0\"\n"
              "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.1.0/24\"\n"
              "interface = \"eth0\"\n",
     {"warning f:10:13: interface: \"eth0\" belongs to scope \"a\" (line 3) already; scopes that "
      "share a wire need one superscope"}},
    {"InterfaceTwiceInASuperscope",
     kScope + "interface = \"eth0\"\n"
              "superscope = \"s\"\n"
              "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.1.0/24\"\n"
              "interface = \"eth0\"\n"
              "superscope = \"s\"\n",
     {}},
    {"Relays",
     kScope + "relays = [\"0.0.0.0\", \"255.255.255.255\", \"1.1.1.1\", \"1.1.1.1\", \"x\"]\n",
     {"error f:6:11: relays: 0.0.0.0 is no relay's address",
      "error f:6:22: relays: 255.255.255.255 is no relay's address",
      "error f:6:52: relays: 1.1.1.1 is listed twice",
      "error f:6:63: relays: expected a list of IPv4 addresses, such as [\"192.0.2.1\"]; found the "
      "text \"x\""}},
    {"RelayMeansTwoScopes",
     kScope + "relays = [\"192.0.2.1\"]\n"
              "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.1.0/24\"\n"
              "relays = [\"192.0.2.1\"]\n",
     {"error f:10:11: relays: 192.0.2.1 means scope \"a\" (line 3) already; scopes that share a "
      "relay need one superscope"}},
    {"RelayMeansASuperscope",
     kScope + "relays = [\"192.0.2.1\"]\n"
              "superscope = \"s\"\n"
              "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.1.0/24\"\n"
              "relays = [\"192.0.2.1\"]\n"
              "superscope = \"s\"\n",
     {}},
    {"RelayInAnotherSubnet",
     kScope + "relays = [\"10.0.1.1\"]\n"
              "[[scope]]\n"
              "id = \"b\"\n"
              "subnet = \"10.0.1.0/24\"\n",
     {"error f:6:11: relays: 10.0.1.1 is in the subnet of scope \"b\" (line 7), and would mean "
      "both"}},
    {"OneTableForAList",
     kServer + "[scope]\n"
               "id = \"a\"\n",
     {"error f:3:1: scope: expected tables, each under its own [[scope]]; found a table"}},
    {"ListOfNumbersForTables",
     "scope = [1, { id = \"a\", subnet = \"10.0.0.0/24\" }]\n"
     "[server]\n"
     "interfaces = [\"eth0\"]\n",
     {"error f:1:10: scope: expected tables, each under its own [[scope]]; found the number 1"}},
    {"WhoseReservation",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n",
     {"error f:6:1: [[scope.reservation]] does not say whose it is: expected hw-address, "
      "client-id, circuit-id or remote-id"}},
    {"ReservationWithoutAddress",
     kScope + "[[scope.reservation]]\n"
              "client-id = \"x\"\n",
     {"error f:6:1: [[scope.reservation]] has no \"address\": expected an IPv4 address, such as "
      "\"10.77.0.7\""}},
    {"TwoKeys",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "hw-address = \"02:00:00:00:00:07\"\n"
              "remote-id = \"x\"\n",
     {"error f:9:1: remote-id: the reservation has a hw-address already; make it two "
      "reservations"}},
    {"HardwareAddresses",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "hw-address = \"02:00:00:00:00\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.8\"\n"
              "hw-address = \"printer\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.9\"\n"
              "hw-address = \"01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01\"\n"
              "hw-type = 32\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.10\"\n"
              "client-id = \"x\"\n"
              "hw-type = 256\n",
     {"error f:8:14: hw-address: Ethernet addresses have 6 octets, found 5; other types are told "
      "by hw-type",
      "error f:11:14: hw-address: expected octets in hex, such as \"02:00:00:00:00:07\"; found the "
      "text \"printer\"",
      "error f:14:14: hw-address: expected 1 to 16 bytes, found 17",
      "error f:19:11: hw-type: expected 1 to 255, found 256"}},
    {"KeysOfBytes",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "client-id = \"hex:0\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.8\"\n"
              "circuit-id = \"hex:\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.9\"\n"
              "remote-id = \"a\\tb\"\n",
     {"error f:8:13: client-id: expected a text or \"hex:…\", such as \"hex:01020000000007\"; "
      "found the text \"hex:0\"",
      "error f:11:14: circuit-id: expected 1 to 253 bytes, found 0",
      "error f:14:13: remote-id: bytes that are not text are written as \"hex:…\""}},
    {"ReservedTwice",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "hw-address = \"02:00:00:00:00:07\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "hw-address = \"02-00-00-00-00-07\"\n",
     {"error f:10:11: address: 10.0.0.7 is reserved already (line 7)",
      "error f:11:14: hw-address: this client has a reservation already (line 8)"}},
    {"SameBytesOtherKind",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.0.7\"\n"
              "client-id = \"hex:020000000007\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.8\"\n"
              "hw-address = \"02:00:00:00:00:07\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.9\"\n"
              "hw-address = \"02:00:00:00:00:07\"\n"
              "hw-type = 6\n",
     {}},
    {"ReservedAddresses",
     kScope + "[[scope.reservation]]\n"
              "address = \"10.0.1.7\"\n"
              "client-id = \"a\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.0\"\n"
              "client-id = \"b\"\n"
              "[[scope.reservation]]\n"
              "address = \"10.0.0.255\"\n"
              "client-id = \"c\"\n",
     {"error f:7:11: address: 10.0.1.7 is outside the subnet 10.0.0.0/24",
      "error f:10:11: address: 10.0.0.0 is the network's own address of 10.0.0.0/24",
      "error f:13:11: address: 10.0.0.255 is the broadcast address of 10.0.0.0/24"}},
    {"Hostnames",
     kScope +
         "[[scope.reservation]]\n"
         "address = \"10.0.0.7\"\n"
         "client-id = \"a\"\n"
         "hostname = \"my printer\"\n"
         "[[scope.reservation]]\n"
         "address = \"10.0.0.8\"\n"
         "client-id = \"b\"\n"
         "hostname = \"" +
         std::string(64, 'x') +
         "\"\n"
         "[[scope.reservation]]\n"
         "address = \"10.0.0.9\"\n"
         "client-id = \"c\"\n"
         "hostname = \"p\"\n"
         "[scope.reservation.options]\n"
         "host-name = \"q\"\n",
     {"error f:9:12: hostname: \"my printer\" is not a host's name; expected one such as "
      "\"printer\"",
      "error f:13:12: hostname: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\" is not a "
      "host's name; expected one such as \"printer\"",
      "error f:17:12: hostname: option 12 is set already (line 19)"}},
    {"Boot",
     kScope +
         "[scope.boot]\n"
         "next-server = \"boot.example.org\"\n"
         "server-name = \"" +
         std::string(64, 'x') +
         "\"\n"
         "file = 5\n"
         "[[scope.boot.match]]\n"
         "file = \"a\"\n"
         "[[scope.boot.match]]\n"
         "architecture = []\n",
     {"error f:7:15: next-server: expected an IPv4 address, such as \"10.77.0.9\"; found the text "
      "\"boot.example.org\"",
      "error f:8:15: server-name: expected 0 to 63 bytes, found 64",
      "error f:9:8: file: expected a text, such as \"undionly.kpxe\"; found the number 5",
      "error f:10:1: [[scope.boot.match]] has no \"architecture\": expected architectures by name "
      "or number, such as [\"efi-x64\", 16]",
      "error f:13:16: architecture: expected at least one, such as [\"efi-x64\", 16]"}},
    {"Architectures",
     kScope + "[[scope.boot.match]]\n"
              "architecture = [\"efi-x46\", 70000, -1, \"sparc\", true]\n",
     {"error f:7:17: architecture: unknown architecture \"efi-x46\"; did you mean \"efi-x64\"?",
      "error f:7:28: architecture: expected 0 to 65535, found 70000",
      "error f:7:35: architecture: expected 0 to 65535, found -1",
      "error f:7:39: architecture: unknown architecture \"sparc\"; expected a number or one of "
      "bios, efi-ia32, efi-x64, efi-arm32, efi-arm64, efi-ia32-http, efi-x64-http, efi-arm32-http, "
      "efi-arm64-http, bios-http, efi-riscv64, efi-riscv64-http",
      "error f:7:48: architecture: expected architectures by name or number, such as [\"efi-x64\", "
      "16]; found true"}},
    {"ArchitectureTwice",
     kScope + "[[scope.boot.match]]\n"
              "architecture = \"efi-x64\"\n"
              "[[scope.boot.match]]\n"
              "architecture = [0, 9]\n",
     {"warning f:9:20: architecture: 9 is matched already (line 7), and the first match wins"}},
};

class ProblemsScopeTest : public testing::TestWithParam<Case> {};

TEST_P(ProblemsScopeTest, ReportsExactly) {
  EXPECT_EQ(problems_of(GetParam().text), GetParam().problems);
}

INSTANTIATE_TEST_SUITE_P(Config, ProblemsScopeTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace hookline::config
