// [callouts], its registry export, and what both together mean.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "base/utf16.h"
#include "config/changes.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

const std::string kHead =
    "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\"
    "Services\\DHCPServer\\Parameters]\r\n";
const std::string kDlls = "\"CalloutDlls\"=hex(7):61,00,2e,00,73,00,6f,00,00,00,00,00\r\n";
const std::string kEnabled = "\"CalloutEnabled\"=dword:1\r\n";

// Where /etc/hookline/hookline.toml says `text`, and every file that it names holds `registry`.
Loaded load(const std::string& text, const std::string& registry = "",
            std::string* asked = nullptr) {
  return load_text(kScope + text, "/etc/hookline/hookline.toml",
                   [&](const std::string& path) -> Result<std::string> {
                     if (asked != nullptr) *asked = path;
                     if (registry.empty()) return fail(ErrorKind::Missing, "cannot be opened: x");
                     return registry;
                   });
}

std::vector<std::string> problems(const std::string& text, const std::string& registry = "") {
  const Loaded loaded = load(text, registry);
  std::vector<std::string> out;
  for (const Problem& p : loaded.errors)
    out.push_back(fmt::format("{}:{}: {}", p.line, p.column, p.text));
  for (const Problem& p : loaded.warnings) {
    out.push_back(fmt::format("warning {}:{}: {}", p.line, p.column, p.text));
  }
  return out;
}

CalloutConfig callouts(const std::string& text, const std::string& registry = "") {
  const Loaded loaded = load(text, registry);
  EXPECT_NE(loaded.config, nullptr)
      << fmt::format("{}", loaded.errors.empty() ? "" : format(loaded.errors[0]));
  return loaded.config != nullptr ? loaded.config->callouts : CalloutConfig{};
}

using Names = std::vector<std::string>;

TEST(CalloutsTest, NoneByDefault) {
  const CalloutConfig none = callouts("");
  EXPECT_FALSE(none.enabled);
  EXPECT_TRUE(none.names.empty());
}

TEST(CalloutsTest, DllsChainAmongThemselves) {
  const CalloutConfig c = callouts(
      "[callouts]\ndlls = [\"b.so\", \"C:\\\\a.dll\"]\nmap = { \"C:\\\\a.dll\" = \"lib/a.so\", "
      "\"x\" = "
      "\"/opt/x.so\" }\nwarn-slower-than = \"500us\"\n");
  EXPECT_TRUE(c.enabled);
  EXPECT_EQ(c.chaining, CalloutChaining::ByDlls);
  EXPECT_EQ(c.order, CalloutOrder::Alphabetical);
  EXPECT_EQ(c.names, (Names{"b.so", "C:\\a.dll"})) << "as configured";
  EXPECT_EQ(c.files, (std::vector<CalloutPath>{{"C:\\a.dll", "/etc/hookline/lib/a.so"},
                                               {"x", "/opt/x.so"}}));
  EXPECT_EQ(c.dir, "/etc/hookline");
  EXPECT_EQ(c.warn_slower_ns, 500'000);
  EXPECT_EQ(callouts("[callouts]\ndlls = \"a.so\"\norder = \"listed\"\n").order,
            CalloutOrder::Listed);
  EXPECT_FALSE(callouts("[callouts]\nenabled = false\ndlls = [\"a.so\"]\n").enabled);
}

TEST(CalloutsTest, TablesAreChainedByTheServer) {
  const CalloutConfig c = callouts(
      "[callouts]\nwarn-slower-than = \"0s\"\n[[callouts.dll]]\npath = \"b.so\"\nhost = "
      "\"in-process\"\n[[callouts.dll]]\npath = \"a.so\"\n");
  EXPECT_TRUE(c.enabled);
  EXPECT_EQ(c.chaining, CalloutChaining::ByServer);
  EXPECT_EQ(c.names, (Names{"b.so", "a.so"}));
  EXPECT_EQ(c.warn_slower_ns, 0);
}

TEST(CalloutsTest, HostingIsInheritedAndOverridden) {
  const CalloutHosting usual;
  EXPECT_EQ(usual.place, CalloutPlace::Isolated);
  EXPECT_EQ(callouts("[callouts]\ndlls = \"a.so\"\n").hosting, usual);
  const CalloutConfig c = callouts(
      "[callouts]\nbudget = \"2ms\"\nwritable = [\"log\"]\n[[callouts.dll]]\npath = \"a.so\"\n"
      "[[callouts.dll]]\npath = \"b.so\"\nhost = \"in-process\"\non-fault = \"closed\"\n"
      "memory-max = \"1G\"\nnetwork = true\nreadable = [\"/x\", \"y\"]\nwritable = []\n"
      "restart = { first = \"5ms\", longest = \"1m\", faults-max = 7 }\n");
  ASSERT_EQ(c.each.size(), 2u);
  EXPECT_EQ(c.each[0].budget_ns, 2'000'000);
  EXPECT_EQ(c.each[0].place, CalloutPlace::Isolated);
  EXPECT_EQ(c.each[0].writable, Names{"/etc/hookline/log"});
  const CalloutHosting& b = c.each[1];
  EXPECT_EQ(b.budget_ns, 2'000'000);
  EXPECT_EQ(b.place, CalloutPlace::InProcess);
  EXPECT_EQ(b.on_fault, OnFault::Closed);
  EXPECT_EQ(b.memory_max_bytes, uint64_t{1} << 30);
  EXPECT_TRUE(b.network);
  EXPECT_EQ(b.readable, (Names{"/x", "/etc/hookline/y"}));
  EXPECT_EQ(b.writable, Names{});
  EXPECT_EQ(b.restart_first_ns, 5'000'000);
  EXPECT_EQ(b.restart_longest_ns, 60'000'000'000);
  EXPECT_EQ(b.faults_max, 7u);
}

TEST(CalloutsTest, TheRegistrySaysAll) {
  std::string asked;
  const Loaded loaded = load("[callouts]\nregistry = \"reg/exported.reg\"\n",
                             kHead + kEnabled + kDlls + "\"Log\"=\"x\"\r\n", &asked);
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(asked, "/etc/hookline/reg/exported.reg");
  const CalloutConfig& c = loaded.config->callouts;
  EXPECT_TRUE(c.enabled);
  EXPECT_EQ(c.names, Names{"a.so"});
  EXPECT_EQ(c.registry.size(), 3u);
  EXPECT_TRUE(loaded.warnings.empty());
}

TEST(CalloutsTest, TheFileBeatsTheRegistry) {
  const std::string off = kHead + "\"CalloutEnabled\"=dword:0\r\n" + kDlls;
  EXPECT_FALSE(callouts("[callouts]\nregistry = \"r\"\n", off).enabled);
  EXPECT_TRUE(callouts("[callouts]\nregistry = \"r\"\nenabled = true\n", off).enabled);
  EXPECT_FALSE(callouts("[callouts]\nregistry = \"r\"\nenabled = false\n", kHead + kEnabled + kDlls)
                   .enabled);
  EXPECT_EQ(callouts("[callouts]\nregistry = \"r\"\ndlls = [\"b.so\"]\n", off).names,
            Names{"b.so"});
}

TEST(CalloutsTest, AbsentCalloutEnabledIsOff) {
  EXPECT_FALSE(callouts("[callouts]\nregistry = \"r\"\n", kHead + kDlls).enabled);
  EXPECT_EQ(
      problems("[callouts]\nregistry = \"r\"\n", kHead + kDlls),
      Names{"warning 7:12: registry: /etc/hookline/r has no CalloutEnabled: callouts are off; "
            "enabled = true turns them on"});
  EXPECT_EQ(problems("[callouts]\nregistry = \"r\"\nenabled = true\n", kHead + kDlls), Names{});
}

TEST(CalloutsTest, FaultsOfTheRegistryHaveBothPlaces) {
  const std::string text = "[callouts]\nregistry = \"r\"\nenabled = true\n";
  EXPECT_EQ(problems(text), Names{"7:12: registry: /etc/hookline/r cannot be opened: x"});
  EXPECT_EQ(problems(text, kHead + "\"a\"=x\r\n"),
            Names{"7:12: registry: /etc/hookline/r:4:5: expected a text in quotes, dword:, hex: or "
                  "hex(…):"});
  EXPECT_EQ(
      problems(text, "REGEDIT4\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\n"),
      Names{"7:12: registry: /etc/hookline/r does not have the key HKEY_LOCAL_MACHINE\\SYSTEM\\"
            "CurrentControlSet\\Services\\DHCPServer\\Parameters"});
  EXPECT_EQ(problems(text, kHead + "\"CalloutDlls\"=\"a.dll\"\r\n"),
            Names{"7:12: registry: CalloutDlls in /etc/hookline/r has to be texts of type "
                  "REG_MULTI_SZ (hex(7):…); found REG_SZ"});
  EXPECT_EQ(
      problems("[callouts]\nregistry = \"r\"\n", kHead + kDlls + "\"CalloutEnabled\"=\"1\"\r\n"),
      Names{"7:12: registry: CalloutEnabled in /etc/hookline/r has to be a dword; found "
            "REG_SZ"});
  EXPECT_EQ(
      problems(text, kHead),
      Names{"warning 7:12: registry: /etc/hookline/r has no CalloutDlls: no callout is named"});
}

TEST(CalloutsTest, OneWayOrTheOther) {
  const std::string together =
      ": does not go together with [[callouts.dll]], whose callouts the server calls itself, as "
      "listed; use one of the two";
  EXPECT_EQ(problems("[callouts]\ndlls = [\"a.so\"]\nregistry = \"r\"\norder = \"listed\"\n"
                     "[[callouts.dll]]\npath = \"b.so\"\n",
                     kHead + kEnabled + kDlls),
            (Names{"7:1: dlls" + together, "8:1: registry" + together, "9:1: order" + together}));
}

TEST(CalloutsTest, SaysWhatIsWrong) {
  EXPECT_EQ(problems("[callouts]\n"), Names{"warning 6:1: [callouts] names no callout: expected "
                                            "dlls, registry or [[callouts.dll]]"});
  EXPECT_EQ(problems("[callouts]\ndlls = []\n"),
            Names{"7:8: dlls: expected at least one, such as [\"audit.so\", "
                  "\"C:\\\\Windows\\\\System32\\\\mac.dll\"]"});
  EXPECT_EQ(problems("[callouts]\ndlls = [\"a.so\", \"A.SO\"]\norder = \"alphabetic\"\n"
                     "warn-slower-than = \"2m\"\n"),
            (Names{"7:17: \"A.SO\" is named twice",
                   "8:9: order: did you mean \"alphabetical\"?; found \"alphabetic\"",
                   "9:20: warn-slower-than: expected 0us to 1m, found \"2m\""}));
  EXPECT_EQ(
      problems("[callouts]\ndlls = \"a.so\"\nwarn-slower-than = 5\n"
               "map = { \"a.so\" = 1, b = \"\", c = \"x\", C = \"y\" }\n"),
      (Names{"8:20: warn-slower-than: expected a duration, such as \"500us\"; found the number 5",
             "9:18: map: expected a table of names and files, such as { "
             "\"C:\\\\Windows\\\\System32\\\\mac.dll\" = \"mac.so\" }; found the number 1",
             "9:25: map: expected 1 to 4095 bytes, found 0",
             "9:29: map: \"c\" is there twice: letter case makes no difference"}));
  EXPECT_EQ(problems("[callouts]\ndlls = \"a.so\"\nmap = \"a.so\"\n"),
            Names{"8:7: map: expected a table of names and files, such as { "
                  "\"C:\\\\Windows\\\\System32\\\\mac.dll\" = \"mac.so\" }; found the text "
                  "\"a.so\""});
  EXPECT_EQ(problems("[[callouts.dll]]\nhost = \"vine\"\n[[callouts.dll]]\npath = \"a.so\"\nhost = "
                     "\"docker\"\nfile = 1\n"),
            (Names{"6:1: [[callouts.dll]] has no \"path\": expected a text, such as \"audit.so\"",
                   "7:8: host: \"vine\" is unknown; expected \"isolated\" or \"in-process\" or "
                   "\"wine\"",
                   "10:8: host: \"docker\" is unknown; expected \"isolated\" or \"in-process\" or "
                   "\"wine\"",
                   "11:1: unknown key \"file\" in [[callouts.dll]]; here it is \"path\""}));
}

TEST(CalloutsTest, AsManyAsThereIsRoomFor) {
  std::string dlls = "[callouts]\ndlls = [";
  std::string tables = "[callouts]\n";
  for (size_t i = 0; i < kCalloutDllsMax; ++i) dlls += fmt::format("\"{}.so\", ", i);
  for (size_t i = 0; i < kCalloutHostsMax; ++i) {
    tables += fmt::format("[[callouts.dll]]\npath = \"{}.so\"\n", i);
  }
  EXPECT_EQ(callouts(dlls + "]\n").names.size(), kCalloutDllsMax);
  EXPECT_EQ(callouts(tables).names.size(), kCalloutHostsMax);
  EXPECT_EQ(problems(dlls + "\n\"x.so\"]\n"), Names{"8:1: too many callouts: at most 64"});
  EXPECT_EQ(problems(tables + "[[callouts.dll]]\npath = \"x.so\"\n"),
            Names{fmt::format("{}:8: too many callouts: at most 16", 8 + 2 * kCalloutHostsMax)});
}

TEST(CalloutsTest, AReloadSaysWhatAppliesIt) {
  const auto config = [](const std::string& text) { return load(text).config; };
  EXPECT_EQ(describe_changes(*config(""), *config("[callouts]\ndlls = [\"a.so\"]\n")),
            Names{"callouts changed: 'hookline callouts reload' applies it"});
  const auto same = config("[callouts]\ndlls = [\"a.so\"]\n");
  EXPECT_EQ(describe_changes(*same, *same), Names{});
}

// A real file beside a real configuration, in the encoding that regedit writes.
TEST(CalloutsTest, ReadsTheExportBesideTheFile) {
  const auto dir = std::filesystem::path(testing::TempDir()) / "hookline_callouts_test";
  std::filesystem::create_directories(dir);
  const auto bytes = utf16le_bytes(u"\uFEFF" + to_utf16(kHead + kEnabled + kDlls).value());
  std::ofstream(dir / "exported.reg", std::ios::binary) << as_text(bytes);
  std::ofstream(dir / "hookline.toml") << kScope << "[callouts]\nregistry = \"exported.reg\"\n";
  const Loaded loaded = load_file(dir / "hookline.toml");
  std::filesystem::remove_all(dir);
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_TRUE(loaded.config->callouts.enabled);
  EXPECT_EQ(loaded.config->callouts.names, Names{"a.so"});
  EXPECT_EQ(loaded.config->callouts.dir, dir.string());
}

}  // namespace
}  // namespace hookline::config
