#include "control/metrics.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <map>
#include <set>

namespace hookline::control {
namespace {

// A strict reader of the text exposition format 0.0.4: series to value. Adds a failure for all that
// a scraper or promtool would refuse.
class Reader {
 public:
  explicit Reader(std::string_view text) {
    EXPECT_TRUE(!text.empty() && text.back() == '\n') << "the text ends with a newline";
    while (!text.empty()) {
      const size_t end = text.find('\n');
      line(std::string(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
  }

  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;

 private:
  void line(const std::string& line) {
    if (line.starts_with("# HELP ")) {
      family_ = word(line, 7);
      EXPECT_TRUE(helped_.insert(family_).second) << "one HELP a family: " << line;
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(word(line, 7), family_) << "TYPE stands with its HELP";
      const std::string type = line.substr(8 + family_.size());
      EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << line;
      EXPECT_EQ(type == "counter", family_.ends_with("_total")) << line;
      types[family_] = type;
    } else {
      sample(line);
    }
  }

  void sample(const std::string& line) {
    size_t at = 0;
    while (at < line.size() &&
           (std::isalnum(static_cast<unsigned char>(line[at])) || line[at] == '_'))
      ++at;
    std::string name = line.substr(0, at);
    if (types[family_] == "histogram") {
      for (const std::string end : {"_bucket", "_sum", "_count"}) {
        if (name.ends_with(end)) name.resize(name.size() - end.size());
      }
    }
    EXPECT_EQ(name, family_) << "a family's samples stand together: " << line;
    if (at < line.size() && line[at] == '{') at = labels(line, at + 1);
    ASSERT_LT(at, line.size()) << line;
    ASSERT_EQ(line[at], ' ') << line;
    char* end = nullptr;
    const double value = std::strtod(line.c_str() + at + 1, &end);
    EXPECT_TRUE(*end == '\0' && end != line.c_str() + at + 1) << line;
    EXPECT_TRUE(samples.emplace(line.substr(0, at), value).second) << "twice: " << line;
  }

  // name="value",… } with \\ \" \n escapes only.
  size_t labels(const std::string& line, size_t at) {
    std::set<std::string> seen;
    for (;;) {
      const size_t name = at;
      while (at < line.size() &&
             (std::isalpha(static_cast<unsigned char>(line[at])) || line[at] == '_'))
        ++at;
      EXPECT_GT(at, name) << line;
      EXPECT_TRUE(seen.insert(line.substr(name, at - name)).second) << line;
      EXPECT_EQ(line.substr(at, 2), "=\"") << line;
      at += 2;
      for (; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') continue;
        ++at;
        EXPECT_TRUE(at < line.size() && std::string("\\\"n").find(line[at]) != std::string::npos)
            << line;
      }
      ++at;
      if (at < line.size() && line[at] == ',') {
        ++at;
        continue;
      }
      EXPECT_TRUE(at < line.size() && line[at] == '}') << line;
      return at + 1;
    }
  }

  static std::string word(const std::string& line, size_t at) {
    return line.substr(at, line.find(' ', at) - at);
  }

  std::string family_;
  std::set<std::string> helped_;
};

std::string sample_text() {
  static Counters counters;
  static const bool filled = [] {
    counters.received[1].add(5);
    counters.sent[5].add(4);
    counters.drops[static_cast<size_t>(Drop::NoAddress)].add(2);
    counters.commits.add(3);
    counters.records_committed.add(9);
    counters.commit_ns.add(1'500'000'000);
    counters.send_failures.add(1);
    return true;
  }();
  (void)filled;
  Status status;
  status.version = "0.1.0";
  status.leases[1] = 7;
  status.journal.bytes = 4096;
  status.config_loaded_s = 1'000'000'000;
  status.interfaces = {{"eth0", 2, true, {}, {}}};
  ScopeRow row;
  row.id = "a\"b\\c\nd";
  row.total = 10;
  row.free = 3;
  return metrics_text(counters, status, {row});
}

TEST(Metrics, every_line_is_valid_and_the_values_are_right) {
  Reader reader(sample_text());
  auto& s = reader.samples;
  EXPECT_EQ(s.at("hookline_packets_received_total{type=\"discover\"}"), 5);
  EXPECT_EQ(s.at("hookline_packets_sent_total{type=\"ack\"}"), 4);
  EXPECT_EQ(s.at("hookline_packets_dropped_total{reason=\"no_address\"}"), 2);
  EXPECT_EQ(s.at("hookline_packets_dropped_total{reason=\"paused\"}"), 0) << "zeros are there too";
  EXPECT_EQ(s.at("hookline_commit_seconds_total"), 1.5);
  EXPECT_EQ(s.at("hookline_commits_total"), 3);
  EXPECT_EQ(s.at("hookline_records_committed_total"), 9);
  EXPECT_EQ(s.at("hookline_send_failures_total"), 1);
  EXPECT_EQ(s.at("hookline_leases{state=\"active\"}"), 7);
  EXPECT_EQ(s.at("hookline_journal_bytes"), 4096);
  EXPECT_EQ(s.at("hookline_config_loaded_timestamp_seconds"), 1'000'000'000);
  EXPECT_EQ(s.at("hookline_build_info{version=\"0.1.0\"}"), 1);
  EXPECT_EQ(s.at("hookline_scope_addresses{scope=\"a\\\"b\\\\c\\nd\",state=\"free\"}"), 3);
  EXPECT_EQ(s.at("hookline_scope_addresses{scope=\"a\\\"b\\\\c\\nd\",state=\"outside\"}"), 0);
  EXPECT_EQ(s.at("hookline_state{state=\"serving\"}"), 1);
  EXPECT_EQ(s.at("hookline_state{state=\"paused\"}"), 0);
}

TEST(Metrics, every_drop_reason_has_its_sample) {
  Reader reader(sample_text());
  for (const DropInfo& info : kDrops) {
    EXPECT_TRUE(reader.samples.contains("hookline_packets_dropped_total{reason=\"" +
                                        std::string(info.counter) + "\"}"));
  }
}

TEST(Metrics, golden) {
  const std::string text = sample_text();
  EXPECT_NE(
      text.find("# HELP hookline_commits_total Syncs of the lease journal that carried "
                "records.\n# TYPE hookline_commits_total counter\nhookline_commits_total 3\n"),
      std::string::npos);
  EXPECT_NE(text.find("# HELP hookline_build_info Always 1; the labels say what runs.\n"
                      "# TYPE hookline_build_info gauge\n"
                      "hookline_build_info{version=\"0.1.0\"} 1\n"),
            std::string::npos);
}

TEST(Metrics, callouts) {
  Counters counters;
  Status status;
  status.callouts = {"a.so"};
  status.callouts_away = {"a.so: quarantined"};
  status.callouts_missing = {"b.so: no", "c.so: no"};
  CalloutRow row;
  row.callout = "C:\\a.dll";
  row.hook = "DhcpNewPktHook";
  row.calls = 5;
  row.total_ns = 2'000'000'000;
  row.faults = 1;
  Reader reader(metrics_text(counters, status, {}, {row}));
  EXPECT_EQ(reader.samples.at("hookline_callouts_loaded"), 1);
  EXPECT_EQ(reader.samples.at("hookline_callouts_away"), 1);
  EXPECT_EQ(reader.samples.at("hookline_callouts_missing"), 2);
  bool seen = false;
  for (const auto& [name, value] : reader.samples) {
    if (!name.starts_with("hookline_callout_calls_total{")) continue;
    seen = true;
    EXPECT_EQ(value, 5);
    EXPECT_NE(name.find("DhcpNewPktHook"), std::string::npos);
  }
  EXPECT_TRUE(seen);
}

TEST(Metrics, filter_and_drivers) {
  Counters counters;
  counters.replies_suppressed.add(2);
  FilterView view;
  view.drivers.push_back({"delay", "/d.so", "running", "", true, 3, {}, nullptr});
  view.drivers.push_back({"bad", "/b.so", "gone", "no", false, 0, {}, nullptr});
  view.filter.layers.push_back({"INBOUND_TRANSPORT_V4", 70, 4, 1});
  view.filter.flows.udp = 12;
  view.filter.flows.contexts = 3;
  view.filter.flows.blocked = 2;
  view.injections.in_flight = 6;
  view.injections.handles.emplace_back();
  view.injections.handles[0].driver = "delay";
  view.injections.handles[0].handle = 0x2a;
  view.injections.handles[0].injected[0] = 5;
  view.injections.handles[0].ended[1] = 4;
  Reader reader(metrics_text(counters, {}, {}, {}, view));
  const auto& samples = reader.samples;
  EXPECT_EQ(samples.at("hookline_replies_suppressed_total"), 2);
  EXPECT_EQ(samples.at("hookline_drivers_running"), 1);
  EXPECT_EQ(samples.at("hookline_drivers_not_running"), 1);
  EXPECT_EQ(samples.at("hookline_driver_breaches_total{driver=\"delay\"}"), 3);
  EXPECT_EQ(samples.at("hookline_filter_flows{protocol=\"udp\"}"), 12);
  EXPECT_EQ(samples.at("hookline_filter_flow_contexts"), 3);
  EXPECT_EQ(samples.at("hookline_filter_flows_total{event=\"refused\"}"), 2);
  EXPECT_EQ(samples.at("hookline_filter_classified_total{layer=\"INBOUND_TRANSPORT_V4\"}"), 70);
  EXPECT_EQ(samples.at("hookline_filter_verdicts_total{layer=\"INBOUND_TRANSPORT_V4\","
                       "verdict=\"absorb\"}"),
            1);
  EXPECT_EQ(samples.at("hookline_injections_in_flight"), 6);
  EXPECT_EQ(samples.at("hookline_injections_total{driver=\"delay\","
                       "kind=\"mac_send\"}"),
            5);
  EXPECT_EQ(samples.at("hookline_injection_completions_total{driver=\"delay\","
                       "status=\"blocked\"}"),
            4);
}

TEST(Metrics, replies_are_a_histogram) {
  Counters counters;
  for (const int64_t ns : {0, 16'000, 16'001, 32'000, 32'001}) counters.replies.add(ns);
  counters.replies.add(int64_t{3'000'000'000});
  const Reader reader(metrics_text(counters, {}, {}));
  const auto bucket = [&](const char* bound) {
    return reader.samples.at(std::string("hookline_reply_seconds_bucket{le=\"") + bound + "\"}");
  };
  EXPECT_EQ(bucket("1.6e-05"), 2);
  EXPECT_EQ(bucket("3.2e-05"), 4);
  EXPECT_EQ(bucket("6.4e-05"), 5);
  EXPECT_EQ(bucket("2.097152"), 5);
  EXPECT_EQ(bucket("+Inf"), 6);
  EXPECT_EQ(reader.samples.at("hookline_reply_seconds_count"), 6);
  EXPECT_NEAR(reader.samples.at("hookline_reply_seconds_sum"), 3.000096, 1e-6);
}

TEST(Metrics, a_fresh_server_without_scopes_is_valid_too) {
  const Counters counters;
  Reader reader(metrics_text(counters, {}, {}));
  EXPECT_EQ(reader.samples.at("hookline_turns_total"), 0);
}

}  // namespace
}  // namespace hookline::control
