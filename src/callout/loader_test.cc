// The documented steps of loading, with libraries that are functions of this file.
#include "callout/loader.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <stdexcept>

#include "base/utf16.h"
#include "callout/in_process_host.h"
#include "callout/services.h"
#include "io/linux/clock.h"
#include "io/linux/memory.h"

namespace hookline::callout {
namespace {

std::vector<std::string> happened;  // what the callouts were told, in order

// "b.dll|c.dll|" of a REG_MULTI_SZ.
std::string chain_text(const WCHAR* chain) {
  if (chain == nullptr) return "null";
  std::string out;
  while (*chain != 0) {
    const std::u16string name(chain);
    out += to_utf8(name).value() + "|";
    chain += name.size() + 1;
  }
  return out;
}

DWORD WINAPI control(DWORD code, LPVOID) {
  happened.push_back("control " + std::to_string(code));
  return 0;
}

bool all_zero(const DHCP_CALLOUT_TABLE& table) {
  const DHCP_CALLOUT_TABLE zero{};
  return std::memcmp(&table, &zero, sizeof table) == 0;
}

template <int kResult>
DWORD WINAPI entry(LPWSTR chain, DWORD version, LPDHCP_CALLOUT_TABLE table) {
  happened.push_back("entry " + std::to_string(kResult) + " " + std::to_string(version) + " " +
                     chain_text(chain) + (all_zero(*table) ? "" : " table not zeroed"));
  table->DhcpControlHook = control;
  table->DhcpReservedHook = table;
  chain[0] = u'x';  // its own copy
  return kResult;
}

DWORD WINAPI throwing(LPWSTR, DWORD, LPDHCP_CALLOUT_TABLE) { throw std::runtime_error("no luck"); }
DWORD WINAPI throwing_a_number(LPWSTR, DWORD, LPDHCP_CALLOUT_TABLE) { throw 5; }

uint32_t attach(const HooklineHost* host) {
  happened.push_back(host == hookline_current_host() ? "attach" : "attach without services");
  return 0;
}
uint32_t refuse(const HooklineHost*) { return 1114; }

struct FakeFile {
  void* entry = nullptr;
  void* attach = nullptr;
};

class FakeLibraries final : public io::Libraries {
 public:
  bool exists(const std::string& path) const override { return files.contains(path); }
  Result<std::unique_ptr<io::Library>> open(const std::string& path) override {
    const auto found = files.find(path);
    if (found == files.end()) return fail(ErrorKind::Missing, "it is not there");
    happened.push_back("open " + path);
    return std::make_unique<FakeLibrary>(path, found->second);
  }

  std::map<std::string, FakeFile> files;

 private:
  class FakeLibrary final : public io::Library {
   public:
    FakeLibrary(std::string path, FakeFile file) : path_(std::move(path)), file_(file) {}
    ~FakeLibrary() override { happened.push_back("close " + path_); }
    void* find(const char* symbol) const override {
      return std::string_view(symbol) == "hookline_attach" ? file_.attach : file_.entry;
    }

   private:
    std::string path_;
    FakeFile file_;
  };
};

template <class Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    happened.clear();
    config_.enabled = true;
    config_.dir = "/d";
  }
  ~LoaderTest() override { std::fclose(log_file_); }

  std::vector<std::string> names(const Loader::Loaded& loaded) {
    std::vector<std::string> out;
    for (const auto& host : loaded.hosts) out.emplace_back(host->name());
    return out;
  }
  std::string logged() const {
    std::fflush(log_file_);
    std::rewind(log_file_);
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), log_file_));
    return text;
  }
  bool logged(std::string_view part) const { return logged().find(part) != std::string::npos; }

  std::FILE* log_file_ = std::tmpfile();
  Logger log_{log_file_, LogLevel::Debug};
  io::LinuxClock clock_;
  io::LinuxMemory memory_;
  FakeLibraries libraries_;
  CalloutConfig config_;
  Loader loader_{libraries_, clock_, memory_, log_, 4};
};

using Texts = std::vector<std::string>;

TEST_F(LoaderTest, NothingWithoutNamesOrWhenOff) {
  EXPECT_TRUE(loader_.load(config_).hosts.empty());
  config_.names = {"a.so"};
  config_.enabled = false;
  libraries_.files["/d/a.so"] = {address(entry<0>)};
  EXPECT_TRUE(loader_.load(config_).hosts.empty());
  EXPECT_EQ(happened, Texts{});
  EXPECT_EQ(logged(), "");
}

TEST_F(LoaderTest, TheFirstInTheAlphabetIsToldTheOthers) {
  config_.names = {"b.dll", "C:\\Z\\c.dll", "A.dll", "d.so"};
  config_.files = {{"a.DLL", "/x/z.so"}};  // sorted before the map
  libraries_.files["/x/z.so"] = {address(entry<0>), address(attach)};
  const auto loaded = loader_.load(config_);
  EXPECT_EQ(names(loaded), Texts{"A.dll"});
  EXPECT_EQ(happened, (Texts{"open /x/z.so", "attach", "entry 0 0 b.dll|C:\\Z\\c.dll|d.so|"}));
  EXPECT_TRUE(loaded.failures.empty());
  EXPECT_TRUE(logged("event=1033 callout=A.dll path=/x/z.so hooks=DhcpControlHook"));
  EXPECT_TRUE(logged("names=\"b.dll, C:\\\\Z\\\\c.dll, d.so\""));
}

TEST_F(LoaderTest, AsListedWhenAskedTo) {
  config_.names = {"b.so", "A.so"};
  config_.order = CalloutOrder::Listed;
  libraries_.files["/d/b.so"] = libraries_.files["/d/A.so"] = {address(entry<0>)};
  EXPECT_EQ(names(loader_.load(config_)), Texts{"b.so"});
  EXPECT_EQ(happened[1], "entry 0 0 A.so|");
}

TEST_F(LoaderTest, WhatFailsIsPassedOver) {
  config_.names = {"a.so", "b.so", "c.so", "d.so", "e.so", "f.so", "g.so", "C:\\h.dll"};
  config_.order = CalloutOrder::Listed;
  libraries_.files["/d/b.so"] = {};
  libraries_.files["/d/c.so"] = {address(entry<50>)};
  libraries_.files["/d/d.so"] = {address(throwing)};
  libraries_.files["/d/e.so"] = {address(throwing_a_number)};
  libraries_.files["/d/f.so"] = {address(entry<0>), address(refuse)};
  const auto loaded = loader_.load(config_);
  EXPECT_TRUE(loaded.hosts.empty());
  EXPECT_EQ(loaded.failures,
            (Texts{"a.so: /d/a.so: it is not there",
                   "b.so: /d/b.so: it has no entry point: it exports no DhcpServerCalloutEntry",
                   "c.so: /d/c.so: its entry point returned 50 (ERROR_NOT_SUPPORTED)",
                   "d.so: /d/d.so: its entry point threw a C++ exception: no luck",
                   "e.so: /d/e.so: its entry point threw an exception",
                   "f.so: /d/f.so: its DllMain refused", "g.so: /d/g.so: it is not there",
                   "C:\\h.dll: a Windows path that stands for no file: name its file in map of "
                   "[callouts]"}));
  EXPECT_EQ(happened, (Texts{"open /d/b.so", "close /d/b.so", "open /d/c.so",
                             "entry 50 0 d.so|e.so|f.so|g.so|C:\\h.dll|", "close /d/c.so",
                             "open /d/d.so", "close /d/d.so", "open /d/e.so", "close /d/e.so",
                             "open /d/f.so", "close /d/f.so"}));
  EXPECT_TRUE(logged("event=1034 callout=a.so"));
  EXPECT_TRUE(logged("event=1032 callout=d.so"));
  EXPECT_FALSE(logged("1033"));
  EXPECT_TRUE(logged("error   no callout was loaded"));
}

TEST_F(LoaderTest, TheNextAfterAFailureIsToldWhatFollowsIt) {
  config_.names = {"a.so", "b.so", "c.so"};
  libraries_.files["/d/a.so"] = {address(entry<5>)};
  libraries_.files["/d/b.so"] = libraries_.files["/d/c.so"] = {address(entry<0>)};
  const auto loaded = loader_.load(config_);
  EXPECT_EQ(names(loaded), Texts{"b.so"});
  EXPECT_EQ(happened.back(), "entry 0 0 c.so|") << "with a zeroed table again";
  EXPECT_EQ(loaded.failures.size(), 1u);
}

TEST_F(LoaderTest, ByTheServerEachGetsAnEmptyChain) {
  config_.chaining = CalloutChaining::ByServer;
  config_.names = {"b.so", "x.so", "A.so"};
  libraries_.files["/d/b.so"] = libraries_.files["/d/A.so"] = {address(entry<0>)};
  {
    const auto loaded = loader_.load(config_);
    EXPECT_EQ(names(loaded), (Texts{"b.so", "A.so"})) << "in the order of the file";
    EXPECT_EQ(loaded.failures, Texts{"x.so: /d/x.so: it is not there"});
    EXPECT_EQ(happened, (Texts{"open /d/b.so", "entry 0 0 ", "open /d/A.so", "entry 0 0 "}));
  }
  EXPECT_EQ(happened.size(), 6u) << "unloaded with its hosts";
}

TEST_F(LoaderTest, OverAndOverTheSameServices) {
  config_.names = {"a.so"};
  libraries_.files["/d/a.so"] = {address(entry<0>)};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(loader_.load(config_).hosts.size(), 1u);
  EXPECT_EQ(hookline_current_host(), nullptr) << "only while something is loaded";
}

class ServicesTest : public LoaderTest {
 protected:
  void make() { services_ = std::make_unique<Services>(config_, libraries_, log_); }
  const HooklineHost& host() const { return *services_->host(); }
  std::string map(const char* name) const {
    char out[64] = "";
    const uint32_t size = host().map_path(host().context, name, out, sizeof out);
    EXPECT_EQ(size, std::strlen(out));
    return out;
  }
  struct Answer {
    uint32_t result = 0, type = 0, size = 0;
    std::vector<uint8_t> data = std::vector<uint8_t>(8, 0xEE);
  };
  Answer query(const char* subkey, const char* value, uint32_t room = 8) const {
    Answer a;
    a.size = room;
    a.result =
        host().registry_query(host().context, subkey, value, &a.type, a.data.data(), &a.size);
    return a;
  }

  std::unique_ptr<Services> services_;
};

TEST_F(ServicesTest, FilesOfNames) {
  config_.files = {{"C:\\Mac.dll", "/m/mac.so"}, {"n.so", "/m/n.so"}};
  libraries_.files["/d/there.dll"];
  make();
  const auto file = [&](const char* name) {
    const auto found = services_->file_of(name);
    return found ? *found : found.error().text;
  };
  EXPECT_EQ(file("c:\\MAC.DLL"), "/m/mac.so");
  EXPECT_EQ(file("N.so"), "/m/n.so");
  EXPECT_EQ(file("a.so"), "/d/a.so");
  EXPECT_EQ(file("sub/a.so"), "/d/sub/a.so");
  EXPECT_EQ(file("/abs/a.so"), "/abs/a.so");
  EXPECT_EQ(file("mac.DLL"), "/d/mac.so") << "its Linux twin";
  EXPECT_EQ(file("there.dll"), "/d/there.dll");
  for (const char* windows : {"C:\\a.dll", "c:a.dll", "sub\\a.dll"}) {
    EXPECT_NE(file(windows).find("a Windows path"), std::string::npos) << windows;
  }
}

TEST_F(ServicesTest, MapsWhatIsConfiguredAndNothingElse) {
  config_.names = {"sub/leaf.so", "C:\\a.dll"};
  config_.files = {{"C:\\Mac.dll", "/m/mac.so"}, {"long", std::string(64, 'x')}};
  make();
  EXPECT_EQ(map("c:\\mac.dll"), "/m/mac.so");
  EXPECT_EQ(map("SUB/LEAF.SO"), "/d/SUB/LEAF.SO");
  EXPECT_EQ(map("C:\\a.dll"), "") << "a Windows path that nothing maps";
  EXPECT_EQ(map("other.so"), "");
  EXPECT_EQ(map("long"), "") << "no room";
  EXPECT_EQ(map(nullptr), "");
}

TEST_F(ServicesTest, TheRegistry) {
  config_.registry = {{"", "Number", 4, {1, 2, 3, 4}},
                      {"Sub\\Key", "Text", 1, {'a', 0, 0, 0}},
                      {"", "Empty", 3, {}}};
  config_.registry_subkeys = {"Sub", "Sub\\Key"};
  make();
  const Answer number = query("", "NUMBER");
  EXPECT_EQ(number.result, 0u);
  EXPECT_EQ(number.type, 4u);
  EXPECT_EQ(number.size, 4u);
  EXPECT_EQ(number.data, (std::vector<uint8_t>{1, 2, 3, 4, 0xEE, 0xEE, 0xEE, 0xEE}));
  const Answer small = query("", "Number", 3);
  EXPECT_EQ(small.result, 234u);
  EXPECT_EQ(small.size, 4u);
  EXPECT_EQ(small.data[0], 0xEE) << "nothing is written";
  EXPECT_EQ(query("sub\\KEY", "text").result, 0u);
  EXPECT_EQ(query("\\Sub\\Key\\", "text").result, 0u);
  EXPECT_EQ(query("Sub", "Text").result, 2u);
  EXPECT_EQ(query("", "Absent").result, 2u);
  const Answer empty = query("", "Empty", 0);
  EXPECT_EQ(empty.result, 0u);
  EXPECT_EQ(empty.size, 0u);
  EXPECT_EQ(query("", nullptr).result, 0u);
  EXPECT_EQ(query("sub", nullptr).result, 0u);
  EXPECT_EQ(query("Sub\\K", nullptr).result, 2u);
  uint32_t size = 0;
  EXPECT_EQ(host().registry_query(host().context, "", "Number", nullptr, nullptr, &size), 234u);
  EXPECT_EQ(size, 4u);
}

TEST_F(ServicesTest, LinesReachTheLog) {
  make();
  host().log(host().context, HOOKLINE_LOG_WARNING, "mac", 7, "one\ntwo");
  host().log(host().context, HOOKLINE_LOG_INFORMATION, "mac", 0, "three");
  host().log(host().context, HOOKLINE_LOG_DEBUG, nullptr, 0, nullptr);
  EXPECT_TRUE(logged("warning callout source=mac event=7 text=\"one\\x0atwo\""));
  EXPECT_TRUE(logged("info    callout source=mac text=three"));
  EXPECT_TRUE(logged("debug   callout source=\"\" text=\"\""));
}

}  // namespace
}  // namespace hookline::callout
