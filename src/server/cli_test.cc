#include "server/cli.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "base/version.h"
#include "control/fake_service.h"
#include "control/server.h"

namespace hookline::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

std::string contents(std::FILE* file) {
  std::string text;
  std::rewind(file);
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
  std::fclose(file);
  return text;
}

Outcome hookline(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"hookline"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  Streams streams{std::tmpfile(), std::tmpfile()};
  Outcome outcome;
  outcome.status = run(static_cast<int>(argv.size()), argv.data(), streams);
  outcome.out = contents(streams.out);
  outcome.err = contents(streams.err);
  return outcome;
}

// Every command, as its words.
const std::vector<std::vector<std::string>>& commands() {
  static const std::vector<std::vector<std::string>> kCommands = {{"serve"},
                                                                  {"check"},
                                                                  {"status"},
                                                                  {"leases"},
                                                                  {"drops"},
                                                                  {"scopes"},
                                                                  {"metrics"},
                                                                  {"trace"},
                                                                  {"callout", "check"},
                                                                  {"filter"},
                                                                  {"filter", "reload"},
                                                                  {"ioctl"},
                                                                  {"lease"},
                                                                  {"lease", "release"},
                                                                  {"lease", "delete"},
                                                                  {"pause"},
                                                                  {"continue"},
                                                                  {"reload"},
                                                                  {"authorize"},
                                                                  {"unauthorize"},
                                                                  {"journal"},
                                                                  {"journal", "dump"},
                                                                  {"journal", "verify"},
                                                                  {"journal", "repair"},
                                                                  {"load"}};
  return kCommands;
}

TEST(Cli, version) {
  const Outcome outcome = hookline({"--version"});
  EXPECT_EQ(outcome.status, kExitOk);
  EXPECT_EQ(outcome.out, "hookline " + std::string(kVersion) + "\n");
}

TEST(Cli, every_command_has_help_with_an_example) {
  const Outcome all = hookline({"--help"});
  EXPECT_EQ(all.status, kExitOk);
  for (auto words : commands()) {
    EXPECT_NE(all.out.find("\n  " + words.front() + " "), std::string::npos) << words.front();
    words.push_back("--help");
    const Outcome outcome = hookline(words);
    EXPECT_EQ(outcome.status, kExitOk);
    EXPECT_NE(outcome.out.find("Example: hookline " + words.front()), std::string::npos)
        << outcome.out;
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Cli, a_wrong_command_line_is_status_2_and_says_where_help_is) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"nothing"},
      {"serve"},
      {"serve", "--config"},
      {"serve", "--config", "a", "--log-level", "loud"},
      {"check"},
      {"check", "a", "b"},
      {"leases", "--socpe", "x"},
      {"leases", "--state", "gone"},
      {"status", "--format", "xml"},
      {"lease"},
      {"lease", "release"},
      {"lease", "steal", "1.2.3.4"},
      {"journal"},
      {"journal", "verify"},
      {"trace"},
      {"load"},
      {"load", "-i", "x", "--relay", "1.2.3"},
      {"load", "-i", "x", "--duration", "soon"},
      {"load", "-i", "x", "--server-mac", "02:00"},
      {"load", "-i", "x", "--exchange", "tango"},
  };
  for (const auto& words : wrong) {
    const Outcome outcome = hookline(words);
    std::string line;
    for (const auto& word : words) line += word + " ";
    EXPECT_EQ(outcome.status, kExitUsage) << line;
    EXPECT_TRUE(outcome.err.starts_with("hookline: ")) << line << outcome.err;
    EXPECT_NE(outcome.err.find("Try 'hookline"), std::string::npos) << line;
    EXPECT_EQ(outcome.out, "") << line;
  }
}

TEST(Cli, without_a_server_it_says_what_to_do) {
  for (const char* command : {"status", "leases", "drops", "scopes", "metrics", "pause"}) {
    const Outcome outcome = hookline({command, "--control", "/nonexistent/control.sock"});
    EXPECT_EQ(outcome.status, kExitFailed);
    EXPECT_EQ(outcome.out, "") << command;
    EXPECT_EQ(outcome.err,
              "hookline: no server answers at /nonexistent/control.sock: is 'hookline serve' "
              "running? If it has another socket, name it with --control\n");
  }
}

class CliFiles : public ::testing::Test {
 protected:
  CliFiles() {
    char name[] = "/tmp/hookline-cli-XXXXXX";
    directory = mkdtemp(name);
  }
  ~CliFiles() override { fs::remove_all(directory); }
  std::string write(const char* name, const char* text) {
    const fs::path path = directory / name;
    std::ofstream(path) << text;
    return path;
  }
  fs::path directory;
};

TEST_F(CliFiles, check_says_every_error_with_its_place) {
  const std::string bad = write("bad.toml", "[server]\ninterfaces = 7\nfoo = 1\n");
  const Outcome outcome = hookline({"check", bad});
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_NE(outcome.err.find(bad + ":2:"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(bad + ":3:"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

TEST_F(CliFiles, check_of_a_good_file) {
  const std::string good = write("good.toml",
                                 "[server]\ninterfaces = [\"eth0\"]\n"
                                 "[[scope]]\nid = \"office\"\nsubnet = \"10.77.0.0/24\"\n"
                                 "ranges = [\"10.77.0.100-10.77.0.200\"]\n");
  const Outcome outcome = hookline({"check", good});
  EXPECT_EQ(outcome.status, kExitOk) << outcome.err;
  EXPECT_NE(outcome.out.find("1 scopes"), std::string::npos) << outcome.out;
}

TEST_F(CliFiles, journal_of_a_missing_and_of_an_empty_directory) {
  for (const char* what : {"dump", "verify", "repair"}) {
    const Outcome missing = hookline({"journal", what, directory / "none"});
    EXPECT_EQ(missing.status, kExitFailed) << what;
    EXPECT_NE(missing.err.find("give the state directory"), std::string::npos);
    EXPECT_FALSE(fs::exists(directory / "none")) << "reading makes nothing";
    EXPECT_EQ(hookline({"journal", what, directory}).status, kExitOk) << what;
  }
}

TEST_F(CliFiles, journal_with_damage_is_status_1_and_names_the_repair) {
  write("journal-0000000001.log",
        "this is no segment at all, and long enough to have a header ok?");
  const Outcome outcome = hookline({"journal", "verify", directory});
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_NE(outcome.err.find("hookline journal repair " + directory.string()), std::string::npos)
      << outcome.err;
}

class CliControl : public CliFiles {
 protected:
  CliControl() : log(std::fopen("/dev/null", "w")), socket(directory / "control.sock") {
    auto opened = control::ControlServer::open(socket, service, log);
    EXPECT_TRUE(opened);
    server = std::move(*opened);
  }
  Outcome ask(std::vector<std::string> words) {
    words.insert(words.end(), {"--control", socket});
    return hookline(words);
  }

  Logger log;
  control::FakeService service;
  std::string socket;
  std::unique_ptr<control::ControlServer> server;
};

TEST_F(CliControl, every_view_in_every_format) {
  service.add_leases(600);
  service.counters_.drops[0].add(3);
  server->start();
  for (const char* view : {"status", "leases", "scopes", "drops", "metrics", "filter"}) {
    for (const char* format : {"table", "json", "csv"}) {
      const Outcome outcome = ask({view, "--format", format});
      EXPECT_EQ(outcome.status, kExitOk) << view << outcome.err;
      EXPECT_NE(outcome.out, "") << view;
      EXPECT_EQ(outcome.err, "") << view;
      if (std::string_view(format) != "json") continue;
      json::error_code error;
      json::parse(outcome.out, error);
      EXPECT_FALSE(error) << view;
    }
  }
  const auto lines = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines(ask({"leases"}).out), 601);
  EXPECT_EQ(lines(ask({"leases", "--scope", "odd", "--format", "csv"}).out), 301);
  EXPECT_EQ(json::parse(ask({"leases", "--format", "json"}).out).get_array().size(), 600u);
  EXPECT_EQ(lines(ask({"drops"}).out), 2) << "a table leaves out what never occurred";
  EXPECT_EQ(lines(ask({"drops", "--all"}).out), static_cast<long>(kDropCount) + 1);
  EXPECT_EQ(ask({"leases", "--client-id", "nobody"}).out, "no leases\n");
}

TEST_F(CliControl, the_server_checks_filters) {
  server->start();
  const Outcome outcome = ask({"leases", "--hw-address", "zz"});
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_EQ(outcome.err,
            "hookline: 'hw_address' has to be a hardware address, as 02:00:00:00:00:07\n");
  EXPECT_EQ(ask({"leases", "--scope", "nowhere"}).err, "hookline: there is no scope 'nowhere'\n");
}

TEST_F(CliControl, changes) {
  server->start();
  for (const char* word : {"pause", "continue", "reload", "authorize", "unauthorize"}) {
    const Outcome outcome = ask({word});
    EXPECT_EQ(outcome.status, kExitOk) << outcome.err;
    EXPECT_NE(outcome.out, "");
  }
  EXPECT_EQ(ask({"lease", "release", "10.0.0.1"}).out, "released 10.0.0.1\n");
  EXPECT_EQ(ask({"lease", "delete", "10.0.0.2"}).out, "deleted 10.0.0.2\n");
  EXPECT_EQ(ask({"callouts", "reload"}).out, "loaded: audit.so\n");
  EXPECT_EQ(ask({"callouts", "reload", "mac.so"}).out, "reloaded: mac.so\n");
  EXPECT_EQ(ask({"lease", "delete", "10.0.0"}).status, kExitFailed);
  service.refuse = "a.toml:1:2: wrong\nb.toml:3:4: wrong too";
  const Outcome bad = ask({"reload"});
  EXPECT_EQ(bad.status, kExitFailed);
  EXPECT_EQ(bad.err, "hookline: a.toml:1:2: wrong\nb.toml:3:4: wrong too\n");
  server.reset();
  EXPECT_EQ(service.asked,
            (std::vector<std::string>{"pause", "resume", "reload", "authorize", "unauthorize",
                                      "release 10.0.0.1", "delete 10.0.0.2", "reload_callouts",
                                      "reload_callout mac.so"}));
}

TEST_F(CliControl, callouts) {
  EXPECT_EQ(hookline({"callouts", "sideways"}).status, kExitUsage);
  server->start();
  EXPECT_EQ(ask({"callouts"}).out, "no callouts\n");
  EXPECT_EQ(ask({"callouts", "--format", "json"}).out, "[]\n");
  service.callouts_.emplace_back();
  service.callouts_[0].callout = "audit.so";
  EXPECT_NE(ask({"callouts"}).out.find("\naudit.so "), std::string::npos);
  server.reset();
}

TEST_F(CliControl, filter) {
  control::FilterView& view = service.filter_;
  const int device = 0;
  view.drivers.push_back({"delay", "/d.so", "running", "", true, 2, {"\\Device\\Delay"}, &device});
  view.drivers.push_back({"bad", "/b.so", "gone", "no such file", false, 0, {}, nullptr});
  view.running = "delay";
  view.filter.sublayers.push_back({"k1", "rules of the configuration", 65535, 1});
  filter::Report::CalloutLine callout;
  callout.name = "inspect";
  callout.layer = "INBOUND_MAC_FRAME_ETHERNET";
  callout.device = &device;
  callout.calls = 70;
  view.filter.callouts.push_back(callout);
  filter::Report::FilterLine rule;
  rule.name = "rule 1";
  rule.action = "limit";
  rule.hits = 9;
  rule.blocked = 4;
  view.filter.filters.push_back(rule);
  view.filter.layers.push_back({"INBOUND_MAC_FRAME_ETHERNET", 70, 4, 1});
  view.injections.handles.emplace_back();
  view.injections.handles[0].driver = "delay";
  view.injections.handles[0].handle = 0x2a;
  view.injections.handles[0].injected = {1, 2, 0, 0, 0, 0};
  view.injections.handles[0].ended = {3, 0, 0, 0};
  server->start();
  const std::string table = ask({"filter"}).out;
  for (const char* line :
       {"\ndelay         running           2  \\Device\\Delay  /d.so  -\n",
        "\nbad           gone              0  -              /b.so  no such file\n",
        "\nrules of the configuration   65535        1  k1\n",
        "\ninspect                   delay         INBOUND_MAC_FRAME_ETHERNET       0  false  ",
        "\n2a                delay                3          3         0         0          0  ",
        "\nINBOUND_MAC_FRAME_ETHERNET           70         4         1\n"}) {
    EXPECT_NE(("\n" + table).find(line), std::string::npos) << line << "in\n" << table;
  }
  const json::value rows = json::parse(ask({"filter", "--format", "json"}).out);
  ASSERT_EQ(rows.get_array().size(), 7u);
  EXPECT_EQ(rows.get_array()[0].at("inside").get_bool(), true);
  EXPECT_EQ(rows.get_array()[3].at("driver").get_string(), "delay");
  EXPECT_EQ(rows.get_array()[6].at("succeeded").get_int64(), 3);
  const std::string csv = ask({"filter", "--format", "csv"}).out;
  EXPECT_EQ(csv.substr(0, 18), "kind,name,driver,s");
  EXPECT_NE(csv.find("\nfilter,rule 1,"), std::string::npos);
  EXPECT_EQ(ask({"filter", "reload"}).out, "driver delay unloaded\ndriver delay loaded\n");
  server.reset();
}

TEST_F(CliControl, ioctl) {
  service.ioctl_answer = control::IoctlAnswer{0, "STATUS_SUCCESS (0x00000000)", {}};
  for (int i = 0; i < 17; ++i) {
    (*service.ioctl_answer)->data.push_back(static_cast<uint8_t>('a' + i));
  }
  server->start();
  const Outcome good = ask({"ioctl", "\\\\.\\Delay", "0x80002000", "0aff"});
  EXPECT_EQ(good.status, kExitOk) << good.err;
  EXPECT_EQ(good.out,
            "STATUS_SUCCESS (0x00000000), 17 bytes\n"
            "0000  61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70  abcdefghijklmnop\n"
            "0010  71                                               q\n");
  service.ioctl_answer = control::IoctlAnswer{0xC000000D, "STATUS_INVALID_PARAMETER", {}};
  const Outcome refused = ask({"ioctl", "delay", "17", "--format", "json"});
  EXPECT_EQ(refused.status, kExitFailed);
  EXPECT_EQ(json::parse(refused.out).at("status").to_number<uint32_t>(), 0xC000000D);
  EXPECT_EQ(ask({"ioctl", "nobody", "1"}).err, "hookline: no driver has the name nobody\n");
  EXPECT_EQ(ask({"ioctl", "delay", "-1x"}).status, kExitUsage);
  EXPECT_EQ(ask({"ioctl", "delay", "0x100000000"}).status, kExitUsage);
  EXPECT_EQ(ask({"ioctl", "delay", "1", "0g"}).status, kExitUsage);
  service.ioctl_answer = fail(ErrorKind::Busy, "not within 10 s");
  EXPECT_EQ(ask({"ioctl", "delay", "1"}).err, "hookline: not within 10 s\n");
  server.reset();
  EXPECT_TRUE(service.open_ioctls.empty());
  EXPECT_EQ(service.asked, (std::vector<std::string>{"ioctl \\\\.\\Delay 80002000 0aff",
                                                     "ioctl delay 11 ", "ioctl delay 1 "}));
}

TEST_F(CliControl, a_trace_ends_with_the_server) {
  service.trace_lines = {"02:00:00:00:00:07 discover offer 10.77.0.100"};
  server->start();
  Outcome outcome;
  std::thread tracer([&] { outcome = ask({"trace", "any"}); });
  // The server is stopped when the line is gone, which only the trace takes.
  while (!service.trace_taken) std::this_thread::yield();
  server.reset();
  tracer.join();
  EXPECT_EQ(outcome.status, kExitFailed);
  EXPECT_NE(outcome.out.find("Z 02:00:00:00:00:07 discover offer 10.77.0.100\n"),
            std::string::npos);
  EXPECT_NE(outcome.err.find("following any"), std::string::npos);
  EXPECT_NE(outcome.err.find("hung up"), std::string::npos);
  EXPECT_EQ(ask({"trace", "nobody"}).status, kExitFailed);
}

}  // namespace
}  // namespace hookline::cli
