// [server], [leases] and the top of the file: errors word by word.
#include <gtest/gtest.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

const Case kCases[] = {
    {"NothingAtAll",
     "",
     {"error f:1:1: the file has no [server]: expected it with interfaces = [\"eth0\"]",
      "warning f: the file has no [[scope]]: no client will be served"}},
    {"NoInterfaces",
     "[server]\n",
     {"error f:1:1: [server] has no \"interfaces\": expected a list of texts, such as [\"eth0\", "
      "\"eth1\"]",
      "warning f: the file has no [[scope]]: no client will be served"}},
    {"NoScope", kServer, {"warning f: the file has no [[scope]]: no client will be served"}},
    {"ServerIsNoTable",
     "server = \"eth0\"\n"
     "[[scope]]\n"
     "id = \"a\"\n"
     "subnet = \"10.0.0.0/24\"\n",
     {"error f:1:10: server: expected a table, such as [server]; found the text \"eth0\""}},
    {"WrongTypes",
     "[server]\n"
     "interfaces = []\n"
     "state-dir = 1\n"
     "control = 5.5\n"
     "authoritative = \"yes\"\n"
     "authorized = 1\n"
     "max-packet-age = 5\n"
     "user = true\n"
     "[[scope]]\n"
     "id = \"a\"\n"
     "subnet = \"10.0.0.0/24\"\n",
     {"error f:2:14: interfaces: expected at least one, such as [\"eth0\", \"eth1\"]",
      "error f:3:13: state-dir: expected a text, such as \"/var/lib/hookline\"; found the number 1",
      "error f:4:11: control: expected a text, such as \"/run/hookline/control.sock\"; found the "
      "number 5.5",
      "error f:5:17: authoritative: expected true or false, such as false; found the text \"yes\"",
      "error f:6:14: authorized: expected true or false, such as false; found the number 1",
      "error f:7:18: max-packet-age: expected a duration, such as \"2s\"; found the number 5",
      "error f:8:8: user: expected a text, such as \"hookline\"; found true"}},
    {"MoreWrongTypes",
     "[server]\n"
     "interfaces = 1979-05-27\n"
     "user = [\"a\"]\n"
     "state-dir = { a = 1 }\n"
     "[[scope]]\n"
     "id = \"a\"\n"
     "subnet = \"10.0.0.0/24\"\n",
     {"error f:2:14: interfaces: expected a list of texts, such as [\"eth0\", \"eth1\"]; found a "
      "date or time",
      "error f:3:8: user: expected a text, such as \"hookline\"; found a list",
      "error f:4:13: state-dir: expected a text, such as \"/var/lib/hookline\"; found a table"}},
    {"Interfaces",
     "[server]\n"
     "interfaces = [\"*\", \"eth1\", \"eth1\", \"e/x\", 5, \"abcdefghijklmnopq\", \"\"]\n"
     "[[scope]]\n"
     "id = \"a\"\n"
     "subnet = \"10.0.0.0/24\"\n",
     {"error f:2:15: interfaces: \"*\" is every interface; name it alone",
      "error f:2:28: interfaces: \"eth1\" is listed twice",
      "error f:2:36: interfaces: \"e/x\" is not an interface's name; expected one such as \"eth0\"",
      "error f:2:43: interfaces: expected a list of texts, such as [\"eth0\", \"eth1\"]; found the "
      "number 5",
      "error f:2:46: interfaces: expected 1 to 15 bytes, found 17",
      "error f:2:67: interfaces: expected 1 to 15 bytes, found 0"}},
    {"Paths",
     kServer +
         "state-dir = \"state\"\n"
         "control = \"/" +
         std::string(107, 'x') +
         "\"\n"
         "user = \"a b\"\n"
         "[[scope]]\n"
         "id = \"a\"\n"
         "subnet = \"10.0.0.0/24\"\n",
     {"error f:3:13: state-dir: expected a path from \"/\" on, found \"state\"",
      "error f:4:11: control: expected 1 to 107 bytes, found 108",
      "error f:5:8: user: \"a b\" may hold only letters, digits, \"-\", \"_\" and \".\""}},
    {"MaxPacketAge",
     kServer + "max-packet-age = \"61m\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n",
     {"error f:3:18: max-packet-age: expected 0s to 1h, found \"61m\""}},
    {"LeaseQuery",
     kServer + "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "[leasequery]\n"
               "allow = [\"192.0.2.0/24\", \"10.0.0.1\", \"10.0.0.1/24\", \"relay\"]\n",
     {"error f:7:38: allow: \"10.0.0.1/24\": expected an address or a network such as "
      "\"192.0.2.0/24\"",
      "error f:7:53: allow: \"relay\": expected an address or a network such as "
      "\"192.0.2.0/24\""}},
    {"LeaseQueryListen",
     kServer + "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "[leasequery]\n"
               "listen = [\"10.0.0.1:67\", \"10.0.0.2\", 67, \":6767\", \"10.0.0.1:0\", "
               "\"eth0\"]\n",
     {"error f:7:38: listen: \"67\" is listened at already",
      "error f:7:51: listen: \"10.0.0.1:0\": expected an address, a port or both, such as "
      "\"10.77.0.1:67\"",
      "error f:7:65: listen: \"eth0\": expected an address, a port or both, such as "
      "\"10.77.0.1:67\"",
      "warning f: [leasequery] has listen and no allow: nobody may ask"}},
    {"Hosting",
     kScope + "[[callouts.dll]]\n"
              "path = \"a.so\"\n"
              "budget = \"5us\"\n"
              "memory-max = \"1M\"\n"
              "on-fault = \"shut\"\n"
              "[callouts.dll.restart]\n"
              "first = \"10s\"\n"
              "longest = \"1s\"\n"
              "faults-max = 0\n"
              "[[callouts.dll]]\n"
              "path = \"b.so\"\n"
              "restart = { longest = \"2h\" }\n",
     {"error f:8:10: budget: expected 100us to 1m, found \"5us\"",
      "error f:9:14: memory-max: expected 48M to 1024G, or \"0\" for no limit; found \"1M\"",
      "error f:10:12: on-fault: \"shut\" is unknown; expected \"open\" or \"closed\"",
      "error f:13:11: longest: expected at least first, which is 10s",
      "error f:14:14: faults-max: expected 1 to 1000000, found 0",
      "error f:17:23: longest: expected 1ms to 1h, found \"2h\""}},
    {"LeaseOrder",
     kServer + "[leases]\n"
               "default-time = \"2d\"\n"
               "min-time = \"3d\"\n"
               "max-time = \"1d\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n",
     {"error f:5:12: min-time: 3d is longer than default-time 2d (line 4)",
      "error f:6:12: max-time: 1d is shorter than default-time 2d (line 4)"}},
    {"RenewAfterRebind",
     kServer + "[leases]\n"
               "renew-time = \"90%\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n",
     {"error f:4:14: renew-time: 90% is not before rebind-time 87.5% in a lease of 8h"}},
    {"LeaseValues",
     kServer + "[leases]\n"
               "default-time = \"8x\"\n"
               "min-time = \"0s\"\n"
               "max-time = \"1d1d\"\n"
               "renew-time = \"0%\"\n"
               "rebind-time = \"101%\"\n"
               "offer-hold = \"2h\"\n"
               "decline-quarantine = \"53w\"\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n",
     {"error f:4:16: default-time: expected a duration, such as \"8h\"; found the text \"8x\"",
      "error f:5:12: min-time: expected 1s to infinite, found \"0s\"",
      "error f:6:12: max-time: expected a duration, such as \"1d\"; found the text \"1d1d\"",
      "error f:7:14: renew-time: expected a duration or a share of the lease, such as \"50%\"; "
      "found the text \"0%\"",
      "error f:8:15: rebind-time: expected a duration or a share of the lease, such as \"87.5%\"; "
      "found the text \"101%\"",
      "error f:9:14: offer-hold: expected 1s to 1h, found \"2h\"",
      "error f:10:22: decline-quarantine: expected 1s to 52w, found \"53w\""}},
    {"ConflictDetection",
     kServer + "[leases]\n"
               "conflict-detection = \"yes\"\n"
               "conflict-wait = \"3s\"\n"
               "conflict-attempts = 6\n"
               "[[scope]]\n"
               "id = \"a\"\n"
               "subnet = \"10.0.0.0/24\"\n"
               "conflict-wait = \"1s\"\n"
               "ping-check = true\n",
     {"error f:4:22: conflict-detection: expected true or false, such as true; found the text "
      "\"yes\"",
      "error f:5:17: conflict-wait: expected 10ms to 2s, found \"3s\"",
      "error f:6:21: conflict-attempts: expected 1 to 5, found 6",
      "error f:10:1: unknown key \"conflict-wait\" in [[scope]]; it belongs in [leases]",
      "error f:11:1: unknown key \"ping-check\" in [[scope]]; here it is \"conflict-detection\""}},
};

class ProblemsServerTest : public testing::TestWithParam<Case> {};

TEST_P(ProblemsServerTest, ReportsExactly) {
  EXPECT_EQ(problems_of(GetParam().text), GetParam().problems);
}

INSTANTIATE_TEST_SUITE_P(Config, ProblemsServerTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace hookline::config
