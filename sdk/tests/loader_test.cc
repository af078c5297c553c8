// The server's own loader on callouts that hookline-cc has made.
#include "callout/loader.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>

#include "base/utf16.h"
#include "gtest/gtest.h"
#include "io/linux/clock.h"
#include "io/linux/library.h"
#include "io/linux/memory.h"

namespace hookline {
namespace {

using Texts = std::vector<std::string>;

class SdkLoader : public testing::Test {
 protected:
  SdkLoader() {
    config_.enabled = true;
    config_.dir = SDK_CALLOUTS;
  }
  ~SdkLoader() override { std::fclose(log_file_); }

  callout::Loader::Loaded load(Texts names) {
    config_.names = std::move(names);
    return loader_.load(config_);
  }
  // What each callout wrote into a packet's sname, all hosts one after the other.
  std::string through_new_packet(const callout::Hosts& hosts) {
    std::vector<uint8_t> packet(kPacketBytesMax, 0);
    for (const auto& host : hosts) {
      callout::Call call;
      call.hook = callout::Hook::NewPkt;
      call.slot = 0;
      call.buffer = packet.data();
      call.size = 300;
      host->run({&call, 1});
    }
    return reinterpret_cast<const char*>(packet.data() + 44);
  }
  void control(const callout::Hosts& hosts, callout::Control code) {
    for (const auto& host : hosts) {
      callout::Call call;
      call.code = static_cast<uint32_t>(code);
      host->run({&call, 1});
    }
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
  io::LinuxLibraries libraries_;
  CalloutConfig config_;
  callout::Loader loader_{libraries_, clock_, memory_, log_, 2};
};

TEST_F(SdkLoader, ThreeThatChainWell) {
  const auto loaded = load({"modern.so", "leaf_two.dll", "leaf_one.dll"});
  ASSERT_EQ(loaded.hosts.size(), 1u);
  EXPECT_EQ(loaded.hosts[0]->name(), "leaf_one.dll");
  EXPECT_EQ(through_new_packet(loaded.hosts), "one two modern ");
}

TEST_F(SdkLoader, FromFilesByPathWithSlashes) {
  config_.order = CalloutOrder::Listed;
  config_.dir = std::string(SDK_CALLOUTS) + "/..";
  const auto loaded = load({"callouts/modern.so", "callouts/leaf_one.so"});
  ASSERT_EQ(loaded.hosts.size(), 1u) << logged();
  EXPECT_EQ(through_new_packet(loaded.hosts), "modern one ");
}

TEST_F(SdkLoader, WindowsPathsByTheMap) {
  config_.files = {{"C:\\Windows\\System32\\One.dll", std::string(SDK_CALLOUTS) + "/leaf_one.so"},
                   {"D:\\two.dll", std::string(SDK_CALLOUTS) + "/leaf_two.so"}};
  const auto loaded = load({"D:\\TWO.dll", "c:\\windows\\system32\\one.dll"});
  ASSERT_EQ(loaded.hosts.size(), 1u) << logged();
  EXPECT_EQ(through_new_packet(loaded.hosts), "one two ");
}

// The others are lost on Windows, too. That is what [[callouts.dll]] is for.
TEST_F(SdkLoader, OneThatDoesNotChain) {
  const Texts names = {"leaf_one.so", "loner.so", "leaf_two.so"};
  config_.order = CalloutOrder::Listed;
  EXPECT_EQ(through_new_packet(load(names).hosts), "one loner ");
  config_.chaining = CalloutChaining::ByServer;
  const auto loaded = load(names);
  EXPECT_EQ(loaded.hosts.size(), 3u);
  EXPECT_EQ(through_new_packet(loaded.hosts), "one loner two ");
}

TEST_F(SdkLoader, OneThatFailsIsPassedOver) {
  const auto loaded = load({"failing.so", "leaf_one.so"});
  ASSERT_EQ(loaded.hosts.size(), 1u);
  EXPECT_EQ(through_new_packet(loaded.hosts), "one ");
  EXPECT_EQ(loaded.failures.size(), 1u);
  EXPECT_TRUE(logged("event=1034 callout=failing.so"));
  EXPECT_TRUE(logged("its entry point returned 5 (ERROR_ACCESS_DENIED)"));
  // In the middle of a chain it is its predecessor's business: this one fails as well.
  config_.order = CalloutOrder::Listed;
  EXPECT_TRUE(load({"audit.so", "failing.so"}).hosts.empty());
}

TEST_F(SdkLoader, AnExceptionInTheEntryPoint) {
  const auto loaded = load({"throwing.so", "zzz_absent.so"});
  EXPECT_TRUE(loaded.hosts.empty());
  EXPECT_TRUE(logged("event=1032 callout=throwing.so"));
  EXPECT_TRUE(logged("threw a C++ exception: not today"));
}

TEST_F(SdkLoader, BadInputs) {
  const auto why = [&](const std::string& name) {
    const auto loaded = load({name});
    EXPECT_TRUE(loaded.hosts.empty());
    return loaded.failures.empty() ? "" : loaded.failures[0];
  };
  EXPECT_NE(why("absent.so").find("No such file or directory"), std::string::npos);
  EXPECT_NE(why("text.so").find("not a library: it begins with the text \"a text file"),
            std::string::npos);
  EXPECT_NE(why("refusing.so").find("its DllMain refused"), std::string::npos);
  EXPECT_NE(why("shims.so").find("no entry point"), std::string::npos);
  EXPECT_NE(why("../callouts").find("not a regular file"), std::string::npos);
  EXPECT_EQ(why("D:\\x.dll").find("D:\\x.dll: a Windows path that stands for no file"), 0u);
}

// A file that ends in the middle would end the process when it is mapped.
TEST_F(SdkLoader, ALibraryThatWasCutOff) {
  std::ifstream whole(std::string(SDK_CALLOUTS) + "/audit.so", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(whole)), {});
  const std::string path = testing::TempDir() + "/hookline_cut_off.so";
  for (const size_t share : {1u, 2u, 10u, 20u, 40u, 60u, 80u}) {
    std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() * share / 100);
    const auto loaded = load({path});
    // Without its last part, which is for debuggers, it is whole.
    if (share <= 10) {
      EXPECT_TRUE(loaded.hosts.empty()) << share;
    }
  }
  std::remove(path.c_str());
}

TEST_F(SdkLoader, DllMainHasTheServersServices) {
  config_.registry = {{"", "Greeting", 1, utf16le_bytes(std::u16string(u"hello\0", 6))}};
  load({"failing.so"});
  EXPECT_TRUE(logged("text=\"DllMain attach\"")) << logged();
  EXPECT_TRUE(logged("text=hello"));
  EXPECT_TRUE(logged("text=\"DllMain detach\""));
}

TEST_F(SdkLoader, AuditLogsWhatTheHostsAreTold) {
  auto loaded = load({"audit.so"});
  ASSERT_EQ(loaded.hosts.size(), 1u);
  EXPECT_EQ(loaded.hosts[0]->hooks(), 0xFF);
  control(loaded.hosts, callout::Control::Start);
  through_new_packet(loaded.hosts);
  control(loaded.hosts, callout::Control::Pause);
  control(loaded.hosts, callout::Control::Stop);
  loaded.hosts.clear();
  EXPECT_TRUE(logged("callout source=audit event=100 text=\"service START\""));
  EXPECT_TRUE(logged("event=110 text=\"packet of 300 bytes"));
  EXPECT_TRUE(logged("event=100 text=\"service PAUSE\""));
  EXPECT_TRUE(logged("event=101 text=\"4 events\""));
}

// Static objects live once a load: nothing of the last one is left.
TEST_F(SdkLoader, LoadsAgainFromTheBeginning) {
  for (int i = 0; i < 3; ++i) {
    const auto loaded = load({"audit.so", "leaf_one.so"});
    ASSERT_EQ(loaded.hosts.size(), 1u);
    control(loaded.hosts, callout::Control::Start);
    control(loaded.hosts, callout::Control::Stop);
  }
  const std::string text = logged();
  size_t found = 0;
  for (size_t at = 0; (at = text.find("text=\"2 events\"", at)) != std::string::npos; ++at) ++found;
  EXPECT_EQ(found, 3u) << text;
}

}  // namespace
}  // namespace hookline
