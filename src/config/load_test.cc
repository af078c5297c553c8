// Good configurations, and the Config that they become.
#include "config/load.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "config/scope_key.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

Ipv4 ip(const char* text) { return Ipv4::parse(text).value(); }

std::string hex(const OptionSet& options, uint8_t code) {
  return options.has(code) ? to_hex(options.find(code)) : "absent";
}

std::filesystem::path example(const char* name) {
  return std::filesystem::path(__FILE__).parent_path() / "../../examples" / name;
}

void expect_share(const LeasePoint& point, uint32_t ppm) {
  EXPECT_TRUE(point.is_share);
  EXPECT_EQ(point.share_ppm, ppm);
}

TEST(LoadTest, Defaults) {
  const auto config = config_of(kScope);
  const Config& c = *config;
  EXPECT_EQ(c.path, "f");
  EXPECT_EQ(c.server.interfaces, std::vector<std::string>{"eth0"});
  EXPECT_EQ(c.server.state_dir, "/var/lib/hookline");
  EXPECT_EQ(c.server.control, "/run/hookline/control.sock");
  EXPECT_EQ(c.server.user, "hookline");
  EXPECT_TRUE(c.server.authoritative);
  EXPECT_TRUE(c.server.authorized);
  EXPECT_EQ(c.server.max_packet_age_ns, 5 * kNsPerSecond);
  EXPECT_EQ(c.leases.offer_hold_s, 60u);
  EXPECT_EQ(c.leases.decline_quarantine_s, 3600u);
  ASSERT_EQ(c.scopes.size(), 1u);
  const LeaseTimes& times = c.scopes[0].times;
  EXPECT_EQ(times.default_s, 8u * 3600);
  EXPECT_EQ(times.min_s, 300u);
  EXPECT_EQ(times.max_s, 86400u);
  expect_share(times.renew, 500'000);
  expect_share(times.rebind, 875'000);
  EXPECT_EQ(c.scopes[0].subnet, *Prefix::parse("10.0.0.0/24"));
  EXPECT_TRUE(c.scopes[0].ranges.empty());
  EXPECT_FALSE(c.scopes[0].bootp);
  EXPECT_EQ(c.scopes[0].key, scope_key("a"));
  EXPECT_EQ(c.wire_count, 1u);
}

TEST(LoadTest, ServerKeys) {
  const auto config = config_of(
      "[server]\ninterfaces = \"*\"\nstate-dir = \"/s\"\ncontrol = \"/c\"\nuser = \"root\"\n"
      "authoritative = false\nauthorized = false\nmax-packet-age = \"0s\"\n[leases]\n"
      "offer-hold = \"2m\"\ndecline-quarantine = \"1d\"\n[[scope]]\nid = \"a\"\n"
      "subnet = \"10.0.0.0/24\"\n");
  const ServerConfig& server = config->server;
  EXPECT_EQ(server.interfaces, std::vector<std::string>{"*"});
  EXPECT_EQ(server.state_dir, "/s");
  EXPECT_EQ(server.control, "/c");
  EXPECT_EQ(server.user, "root");
  EXPECT_FALSE(server.authoritative);
  EXPECT_FALSE(server.authorized);
  EXPECT_EQ(server.max_packet_age_ns, 0);
  EXPECT_EQ(config->leases.offer_hold_s, 120u);
  EXPECT_EQ(config->leases.decline_quarantine_s, 86400u);
}

TEST(LoadTest, ConflictDetectionIsInherited) {
  const std::string scopes =
      "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n"
      "[[scope]]\nid = \"b\"\nsubnet = \"10.0.1.0/24\"\nconflict-detection = true\n"
      "[[scope]]\nid = \"c\"\nsubnet = \"10.0.2.0/24\"\nconflict-detection = false\n";
  const auto off = config_of(kServer + scopes);
  EXPECT_EQ(off->leases.conflict_wait_ns, 500'000'000);
  EXPECT_EQ(off->leases.conflict_attempts, 1u);
  EXPECT_FALSE(off->scopes[0].conflict_detection);
  EXPECT_TRUE(off->scopes[1].conflict_detection);
  EXPECT_FALSE(off->scopes[2].conflict_detection);
  const auto on = config_of(kServer +
                            "[leases]\nconflict-detection = true\nconflict-wait = \"250ms\"\n"
                            "conflict-attempts = 3\n" +
                            scopes);
  EXPECT_EQ(on->leases.conflict_wait_ns, 250'000'000);
  EXPECT_EQ(on->leases.conflict_attempts, 3u);
  EXPECT_TRUE(on->scopes[0].conflict_detection);
  EXPECT_TRUE(on->scopes[1].conflict_detection);
  EXPECT_FALSE(on->scopes[2].conflict_detection);
}

void expect_office_reservation(const Scope& office) {
  ASSERT_EQ(office.reservations.size(), 1u);
  const Reservation& printer = office.reservations[0];
  EXPECT_EQ(printer.by, ReservationKey::HardwareAddress);
  EXPECT_EQ(printer.hardware_type, 1);
  EXPECT_EQ(to_hex(printer.key), "020000000007");
  EXPECT_EQ(printer.address, ip("10.77.0.7"));
  EXPECT_EQ(printer.hostname, "printer");
  EXPECT_EQ(hex(printer.options, 3), "0a4d0002");
  EXPECT_EQ(as_text(printer.options.find(12)), "printer");
  EXPECT_EQ(as_text(printer.options.find(15)), "example.org");
  EXPECT_EQ(hex(printer.options, 6), "0a4d0035");
  EXPECT_EQ(printer.boot.fields, office.boot.fields);
}

TEST(LoadTest, Office) {
  const Loaded loaded = load_file(example("office.toml").string());
  ASSERT_NE(loaded.config, nullptr);
  ASSERT_EQ(loaded.config->scopes.size(), 1u);
  const Scope& office = loaded.config->scopes[0];
  EXPECT_EQ(loaded.config->find_scope("office"), &office);
  EXPECT_EQ(office.key, 0xAA8EBA31u);
  EXPECT_EQ(office.ranges, (std::vector<AddressRange>{{ip("10.77.0.100"), ip("10.77.0.200")}}));
  EXPECT_EQ(office.excluded, (std::vector<AddressRange>{{ip("10.77.0.150"), ip("10.77.0.160")}}));
  EXPECT_EQ(office.times.default_s, 3600u);
  EXPECT_EQ(office.times.min_s, 300u);
  EXPECT_EQ(office.times.max_s, 86400u);
  EXPECT_EQ(office.interface, "eth0");
  EXPECT_EQ(office.superscope, "campus");
  EXPECT_EQ(office.relays, std::vector<Ipv4>{ip("192.0.2.1")});
  EXPECT_EQ(office.options.codes(), (std::vector<uint8_t>{3, 6, 15, 42, 119, 121, 224}));
  EXPECT_EQ(hex(office.options, 3), "0a4d0001");
  EXPECT_EQ(hex(office.options, 6), "0a4d0035");
  EXPECT_EQ(hex(office.options, 42), "0a4d007b");
  EXPECT_EQ(hex(office.options, 121), "100a500a4d0002");
  EXPECT_EQ(hex(office.options, 224), "0102ff");
  EXPECT_EQ(hex(office.options, 119), "076578616d706c65036f72670004636f7270c000");
  EXPECT_EQ(office.boot.fields, (BootFields{ip("10.77.0.9"), "boot.example.org", "undionly.kpxe"}));
  EXPECT_EQ(loaded.config->options.codes(), std::vector<uint8_t>{6});
  expect_office_reservation(office);
}

TEST(LoadTest, EveryExampleIsWithoutProblems) {
  size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(example("."))) {
    if (entry.path().extension() != ".toml") continue;
    ++seen;
    const Loaded loaded = load_file(entry.path().string());
    EXPECT_NE(loaded.config, nullptr) << entry.path();
    for (const Problem& p : loaded.errors) ADD_FAILURE() << format(p);
    for (const Problem& p : loaded.warnings) ADD_FAILURE() << format(p);
  }
  EXPECT_GE(seen, 4u);
}

TEST(LoadTest, DemoIsWhatRunServes) {
  const Loaded loaded = load_file(example("demo.toml").string());
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(loaded.config->server.interfaces, std::vector<std::string>{"hl-srv"});
  const Scope& demo = loaded.config->scopes.at(0);
  EXPECT_EQ(demo.subnet, *Prefix::parse("10.77.0.0/24"));
  EXPECT_EQ(demo.ranges, (std::vector<AddressRange>{{ip("10.77.0.100"), ip("10.77.0.200")}}));
  EXPECT_EQ(hex(demo.options, 3), "0a4d0001");
}

TEST(LoadTest, LeaseTimesAreInherited) {
  const auto config = config_of(
      kServer +
      "[leases]\ndefault-time = \"2h\"\nmin-time = \"10m\"\nmax-time = \"3h\"\nrenew-time = "
      "\"40%\"\n"
      "rebind-time = \"100m\"\n[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n"
      "[[scope]]\nid = \"b\"\nsubnet = \"10.0.1.0/24\"\nlease-time = \"20m\"\nmin-time = \"5m\"\n"
      "max-time = \"infinite\"\nrenew-time = \"10m\"\nrebind-time = \"75.25%\"\n");
  const LeaseTimes& a = config->scopes[0].times;
  EXPECT_EQ(a.default_s, 7200u);
  EXPECT_EQ(a.min_s, 600u);
  EXPECT_EQ(a.max_s, 10800u);
  expect_share(a.renew, 400'000);
  EXPECT_EQ(a.rebind.seconds, 6000u);
  EXPECT_FALSE(a.rebind.is_share);
  const LeaseTimes& b = config->scopes[1].times;
  EXPECT_EQ(b.default_s, 1200u);
  EXPECT_EQ(b.min_s, 300u);
  EXPECT_EQ(b.max_s, kLeaseTimeInfinite);
  EXPECT_EQ(b.renew.seconds, 600u);
  expect_share(b.rebind, 752'500);
  EXPECT_EQ(config->leases.times.default_s, 7200u);
}

TEST(LoadTest, BuiltInBoundsGiveWay) {
  const auto config =
      config_of(kScope +
                "lease-time = \"2d\"\n[[scope]]\nid = \"b\"\nsubnet = \"10.0.1.0/24\"\n"
                "lease-time = \"1s\"\n[[scope]]\nid = \"c\"\nsubnet = \"10.0.2.0/24\"\n"
                "lease-time = \"infinite\"\n");
  EXPECT_EQ(config->scopes[0].times.max_s, 2u * 86400);
  EXPECT_EQ(config->scopes[0].times.min_s, 300u);
  EXPECT_EQ(config->scopes[1].times.min_s, 1u);
  EXPECT_EQ(config->scopes[1].times.max_s, 86400u);
  EXPECT_EQ(config->scopes[2].times.max_s, kLeaseTimeInfinite);
}

TEST(LoadTest, OptionsAreInherited) {
  const auto config = config_of(
      kServer +
      "[options]\ndomain-name = \"global\"\nhost-name = \"g\"\nlog-servers = \"10.0.0.1\"\n"
      "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n[scope.options]\ndomain-name = \"scope\"\n"
      "arp-cache-timeout = \"5m\"\noption-43 = \"hex:01\"\n"
      "[[scope.reservation]]\nclient-id = \"text\"\naddress = \"10.0.0.7\"\n"
      "[scope.reservation.options]\nlog-servers = \"hex:0a000002\"\n"
      "[[scope.reservation]]\nremote-id = \"hex:00ff\"\naddress = \"10.0.0.8\"\nhostname = \"h\"\n"
      "[[scope.reservation]]\ncircuit-id = \"c\"\naddress = \"10.0.0.9\"\n"
      "[[scope.reservation]]\nhw-address = \"0a0b\"\nhw-type = 7\naddress = \"10.0.0.10\"\n"
      "[[scope]]\nid = \"b\"\nsubnet = \"10.0.1.0/24\"\n");
  const Scope& a = config->scopes[0];
  EXPECT_EQ(as_text(a.options.find(15)), "scope");
  EXPECT_EQ(hex(a.options, 35), "0000012c");
  EXPECT_EQ(hex(a.options, 43), "01");
  EXPECT_EQ(as_text(config->scopes[1].options.find(15)), "global");
  EXPECT_EQ(hex(config->scopes[1].options, 35), "absent");
  ASSERT_EQ(a.reservations.size(), 4u);
  EXPECT_EQ(a.reservations[0].by, ReservationKey::ClientId);
  EXPECT_EQ(as_text(a.reservations[0].key), "text");
  EXPECT_EQ(hex(a.reservations[0].options, 7), "0a000002");
  EXPECT_EQ(as_text(a.reservations[0].options.find(12)), "g");
  EXPECT_EQ(a.reservations[1].by, ReservationKey::RemoteId);
  EXPECT_EQ(to_hex(a.reservations[1].key), "00ff");
  EXPECT_EQ(as_text(a.reservations[1].options.find(12)), "h");
  EXPECT_EQ(hex(a.reservations[1].options, 7), "0a000001");
  EXPECT_EQ(a.reservations[2].by, ReservationKey::CircuitId);
  EXPECT_EQ(a.reservations[3].hardware_type, 7);
  EXPECT_EQ(to_hex(a.reservations[3].key), "0a0b");
}

TEST(LoadTest, BootIsInherited) {
  const auto config = config_of(
      kScope +
      "[scope.boot]\nnext-server = \"10.0.0.9\"\nserver-name = \"s\"\nfile = \"f\"\n"
      "[[scope.boot.match]]\narchitecture = [\"efi-x64\", 16]\nfile = \"efi\"\n"
      "[[scope.boot.match]]\narchitecture = \"bios\"\nnext-server = \"10.0.0.8\"\nserver-name = "
      "\"\"\n"
      "[[scope.reservation]]\nclient-id = \"a\"\naddress = \"10.0.0.1\"\n[scope.reservation.boot]\n"
      "file = \"own\"\n"
      "[[scope.reservation]]\nclient-id = \"b\"\naddress = \"10.0.0.2\"\n[scope.reservation.boot]\n"
      "next-server = \"10.0.0.7\"\n[[scope.reservation.boot.match]]\narchitecture = 7\n"
      "file = \"own-efi\"\n"
      "[[scope.reservation]]\nclient-id = \"c\"\naddress = \"10.0.0.3\"\n");
  const Scope& scope = config->scopes[0];
  const auto choose = [](const Boot& boot, std::optional<uint16_t> architecture) {
    const BootFields& f = boot.choose(architecture);
    return f.next_server.text() + " " + f.server_name + " " + f.file;
  };
  EXPECT_EQ(choose(scope.boot, std::nullopt), "10.0.0.9 s f");
  EXPECT_EQ(choose(scope.boot, 7), "10.0.0.9 s efi");
  EXPECT_EQ(choose(scope.boot, 9), "10.0.0.9 s efi");
  EXPECT_EQ(choose(scope.boot, 16), "10.0.0.9 s efi");
  EXPECT_EQ(choose(scope.boot, 0), "10.0.0.8  f");
  EXPECT_EQ(choose(scope.boot, 11), "10.0.0.9 s f");
  const Boot& a = scope.reservations[0].boot;
  EXPECT_EQ(choose(a, std::nullopt), "10.0.0.9 s own");
  EXPECT_EQ(choose(a, 7), "10.0.0.9 s own");
  EXPECT_EQ(choose(a, 0), "10.0.0.8  own");
  const Boot& b = scope.reservations[1].boot;
  EXPECT_EQ(choose(b, 7), "10.0.0.7 s own-efi");
  EXPECT_EQ(choose(b, 9), "10.0.0.7 s efi");
  EXPECT_EQ(choose(b, 0), "10.0.0.7  f");
  EXPECT_EQ(choose(scope.reservations[2].boot, 7), "10.0.0.9 s efi");
}

TEST(LoadTest, WiresAreSharedBySuperscope) {
  const auto scope = [](const char* id, int net, const char* superscope) {
    return std::string("[[scope]]\nid = \"") + id + "\"\nsubnet = \"10.0." + std::to_string(net) +
           ".0/24\"\n" + (*superscope ? std::string("superscope = \"") + superscope + "\"\n" : "");
  };
  const auto config =
      config_of(kServer + scope("a", 0, "x") + scope("b", 1, "") + scope("c", 2, "y") +
                scope("d", 3, "x") + scope("e", 4, "") + scope("f", 5, "y"));
  std::vector<uint32_t> wires;
  for (const Scope& s : config->scopes) {
    EXPECT_EQ(s.index, static_cast<uint32_t>(&s - config->scopes.data()));
    wires.push_back(s.wire);
  }
  EXPECT_EQ(wires, (std::vector<uint32_t>{0, 1, 2, 0, 3, 2}));
  EXPECT_EQ(config->wire_count, 4u);
}

TEST(LoadTest, RangesAreSortedAndExclusionsMerged) {
  const auto config =
      config_of(kScope +
                "ranges = [\"10.0.0.50 - 10.0.0.60\", \"10.0.0.7\", \"10.0.0.10-10.0.0.20\"]\n"
                "exclude = [\"10.0.0.55-10.0.0.58\", \"10.0.0.12\", \"10.0.0.52-10.0.0.56\", "
                "\"10.0.0.52\"]\n");
  EXPECT_EQ(config->scopes[0].ranges,
            (std::vector<AddressRange>{{ip("10.0.0.7"), ip("10.0.0.7")},
                                       {ip("10.0.0.10"), ip("10.0.0.20")},
                                       {ip("10.0.0.50"), ip("10.0.0.60")}}));
  EXPECT_EQ(config->scopes[0].excluded,
            (std::vector<AddressRange>{{ip("10.0.0.12"), ip("10.0.0.12")},
                                       {ip("10.0.0.52"), ip("10.0.0.58")}}));
}

TEST(LoadTest, ScopeKeysNeverChange) {
  EXPECT_EQ(scope_key(""), 0x811C9DC5u);
  EXPECT_EQ(scope_key("a"), 0xE40C292Cu);
  EXPECT_EQ(scope_key("foobar"), 0xBF9CF968u);  // a test vector of FNV's authors
}

TEST(LoadTest, CrLfAndByteOrderMark) {
  std::string text = "\xEF\xBB\xBF" + kScope;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\r\n");
  }
  EXPECT_EQ(config_of(text)->scopes.size(), 1u);
}

TEST(LoadFileTest, SaysWhatFailed) {
  const Loaded missing = load_file("/nonexistent/hookline.toml");
  ASSERT_EQ(missing.errors.size(), 1u);
  EXPECT_EQ(format(missing.errors[0]),
            "/nonexistent/hookline.toml: cannot be opened: No such file or directory");
  const Loaded directory = load_file(testing::TempDir());
  ASSERT_EQ(directory.errors.size(), 1u);
  EXPECT_EQ(format(directory.errors[0]),
            testing::TempDir() + ": cannot be read; is it a regular file?");
}

TEST(LoadFileTest, NamesTheFile) {
  const std::string path = testing::TempDir() + "hookline_config_test.toml";
  std::ofstream(path) << kServer << "x = 1\n";
  const Loaded loaded = load_file(path);
  std::remove(path.c_str());
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.config, nullptr);
  EXPECT_TRUE(format(loaded.errors[0]).starts_with(path + ":3:1: unknown key \"x\" in [server]"))
      << format(loaded.errors[0]);
}

}  // namespace
}  // namespace hookline::config
