// Options tables: errors and warnings word by word.
#include <gtest/gtest.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

const Case kCases[] = {
    {"Names",
     kScope + "[scope.options]\n"
              "router = [\"10.0.0.1\"]\n"
              "domain-name-server = [\"10.0.0.1\"]\n"
              "something-else = 1\n"
              "option-256 = \"hex:00\"\n"
              "option-007 = \"hex:00\"\n",
     {"error f:7:1: unknown option \"router\"; did you mean \"routers\"?",
      "error f:8:1: unknown option \"domain-name-server\"; did you mean \"domain-name-servers\"?",
      "error f:9:1: unknown option \"something-else\"; any code can be set as option-N = \"hex:…\"",
      "error f:10:1: unknown option \"option-256\"; any code can be set as option-N = \"hex:…\"",
      "error f:11:1: unknown option \"option-007\"; any code can be set as option-N = \"hex:…\""}},
    {"LongName",
     kScope +
         "[scope.options]\n"
         "" +
         std::string(100, 'x') + " = 1\n",
     {"error f:7:1: unknown option \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"; any code "
      "can be set as option-N = \"hex:…\""}},
    {"SetByTheServer",
     kScope + "[scope.options]\n"
              "lease-time = 5\n"
              "option-53 = \"hex:05\"\n"
              "option-0 = \"hex:00\"\n"
              "option-255 = \"hex:00\"\n"
              "server-identifier = \"10.0.0.1\"\n",
     {"error f:7:1: lease-time: the server sets or reads this option itself",
      "error f:8:1: option-53: the server sets or reads this option itself",
      "error f:9:1: option-0: the server sets or reads this option itself",
      "error f:10:1: option-255: the server sets or reads this option itself",
      "error f:11:1: server-identifier: the server sets or reads this option itself"}},
    {"SetTwice",
     kScope + "[scope.options]\n"
              "domain-name-servers = [\"10.0.0.1\"]\n"
              "option-6 = \"hex:0a000002\"\n",
     {"error f:8:1: option-6: option 6 is set already, on line 7"}},
    {"Addresses",
     kScope + "[scope.options]\n"
              "domain-name-servers = [\"10.0.0.1\", \"10.0.0.300\", 5]\n"
              "ntp-servers = []\n"
              "routers = 7\n",
     {"error f:7:36: domain-name-servers: expected a list of IPv4 addresses, got \"10.0.0.300\"",
      "error f:8:15: ntp-servers: expected a list of IPv4 addresses of at least 4 bytes, got 0",
      "error f:9:11: routers: expected a list of IPv4 addresses, got 7"}},
    {"TypedValues",
     kScope + "[scope.options]\n"
              "domain-name = 5\n"
              "ip-forwarding = \"x\"\n"
              "interface-mtu = 70000\n"
              "time-offset = 1.5\n"
              "arp-cache-timeout = \"5x\"\n"
              "host-name = 1979-05-27\n"
              "domain-search = [\"example.org\", \"a..b\"]\n",
     {"error f:7:15: domain-name: expected text, got 5",
      "error f:8:17: ip-forwarding: expected true or false, got \"x\"",
      "error f:9:17: interface-mtu: expected a number from 0 to 65535, got 70000",
      "error f:10:15: time-offset: expected a number from -2147483648 to 2147483647, got the "
      "number 1.5",
      "error f:11:21: arp-cache-timeout: expected seconds from 0 to 4294967295, got \"5x\"",
      "error f:12:13: host-name: expected text, got a date or time",
      "error f:13:33: domain-search: expected a list of domain names, got \"a..b\""}},
    {"Routes",
     kScope + "[scope.options]\n"
              "classless-static-route = [{ to = \"10.0.0.1/8\", via = \"10.0.0.1\" }]\n"
              "ms-classless-static-route = [{ to = \"10.0.0.0/8\" }]\n",
     {"error f:7:27: classless-static-route: expected a list of { to = \"prefix\", via = "
      "\"address\" }, got { to = \"10.0.0.1/8\", via = \"10.0.0.1\" }",
      "error f:8:30: ms-classless-static-route: expected a list of { to = \"prefix\", via = "
      "\"address\" }, got a table"}},
    {"Raw",
     kScope + "[scope.options]\n"
              "option-224 = \"abc\"\n"
              "option-225 = \"hex:0\"\n"
              "routers = \"hex:0a0000\"\n",
     {"error f:7:14: option-224: expected bytes such as \"hex:01ff\", got \"abc\"",
      "error f:8:14: option-225: expected hex digits after \"hex:\", got \"hex:0\"",
      "error f:9:11: routers: expected a list of IPv4 addresses of at least 4 bytes, got 3"}},
    {"NestedLists",
     kScope + "[scope.options]\n"
              "routers = [[\"10.0.0.1\"]]\n",
     {"error f:7:11: routers: expected a list of IPv4 addresses, got a list"}},
    {"TooLong",
     kScope +
         "[scope.options]\n"
         "option-224 = \"hex:" +
         std::string(8000, '0') + "\"\n",
     {"error f:7:14: option-224: 4000 bytes; no reply has room for more than 3856"}},
    {"EveryLevel",
     kServer + "[options]\n"
               "x1 = 1\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "[scope.options]\n"
               "x2 = 1\n"
               "[[scope.reservation]]\n"
               "client-id = \"a\"\n"
               "address = \"10.0.0.7\"\n"
               "[scope.reservation.options]\n"
               "x3 = 1\n",
     {"error f:4:1: unknown option \"x1\"; any code can be set as option-N = \"hex:…\"",
      "error f:9:1: unknown option \"x2\"; any code can be set as option-N = \"hex:…\"",
      "error f:14:1: unknown option \"x3\"; any code can be set as option-N = \"hex:…\""}},
    {"RouterOutside",
     kScope + "[scope.options]\n"
              "routers = [\"10.0.0.1\", \"10.0.1.1\"]\n",
     {"warning f:7:1: routers: 10.0.1.1 is outside the subnet 10.0.0.0/24 of scope \"a\""}},
    {"GlobalRouterOutside",
     kServer + "[options]\n"
               "routers = \"10.0.0.1\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "[[scope]]\n"
               "id = \"b\"\n"
               "subnet = \"10.0.1.0/24\"\n"
               "[[scope]]\n"
               "id = \"c\"\n"
               "subnet = \"10.0.2.0/24\"\n"
               "[scope.options]\n"
               "routers = [\"10.0.2.1\"]\n",
     {"warning f:4:1: routers: 10.0.0.1 is outside the subnet 10.0.1.0/24 of scope \"b\""}},
    {"RouterInARange",
     kScope + "ranges = [\"10.0.0.1-10.0.0.9\"]\n"
              "exclude = [\"10.0.0.1\"]\n"
              "[scope.options]\n"
              "routers = [\"10.0.0.1\", \"10.0.0.2\"]\n",
     {"warning f:9:1: routers: 10.0.0.2 is in a range of scope \"a\": a client could be given it; "
      "exclude it"}},
    {"RouterReserved",
     kScope + "[scope.options]\n"
              "routers = [\"10.0.0.1\"]\n"
              "[[scope.reservation]]\n"
              "client-id = \"a\"\n"
              "address = \"10.0.0.1\"\n"
              "[[scope.reservation]]\n"
              "client-id = \"b\"\n"
              "address = \"10.0.0.2\"\n"
              "[scope.reservation.options]\n"
              "routers = [\"10.0.9.9\"]\n",
     {"warning f:7:1: routers: 10.0.0.1 is reserved for a client (line 10)",
      "warning f:15:1: routers: 10.0.9.9 is outside the subnet 10.0.0.0/24 of scope \"a\""}},
};

class ProblemsOptionsTest : public testing::TestWithParam<Case> {};

TEST_P(ProblemsOptionsTest, ReportsExactly) {
  EXPECT_EQ(problems_of(GetParam().text), GetParam().problems);
}

INSTANTIATE_TEST_SUITE_P(Config, ProblemsOptionsTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace hookline::config
