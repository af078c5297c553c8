#include "control/render.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/fake_service.h"
#include "control/protocol.h"
#include "control/text.h"

namespace hookline::control {
namespace {

namespace json = boost::json;

std::string rendered(Format format, std::span<const Column> columns,
                     const std::vector<json::array>& pages) {
  std::string text;
  RowWriter writer(format, columns, "nothing", [&](std::string_view part) { text += part; });
  for (const auto& page : pages) writer.page(page);
  writer.end();
  return text;
}

json::array lease_rows(uint32_t count) {
  FakeService service;
  service.add_leases(count);
  json::array rows;
  for (const LeaseRow& row : service.leases_) rows.push_back(to_json(row));
  return rows;
}

constexpr Column kColumns[] = {{"NAME", "name"}, {"N", "a.n", true, 4}, {"", "extra"}};

TEST(Render, a_table_is_aligned_and_numbers_stand_right) {
  const json::array rows = {{{"name", "a"}, {"a", {{"n", 7}}}, {"extra", 1}},
                            {{"name", "longer"}, {"a", {{"n", 12345}}}},
                            {{"name", nullptr}}};
  EXPECT_EQ(rendered(Format::Table, kColumns, {rows}),
            "NAME        N\n"
            "a           7\n"
            "longer  12345\n"
            "-           -\n");
}

TEST(Render, later_pages_keep_the_columns_and_the_header_comes_once) {
  const json::array one = {{{"name", "a"}, {"a", {{"n", 1}}}}};
  const json::array two = {{{"name", "b"}, {"a", {{"n", 2}}}}};
  EXPECT_EQ(rendered(Format::Table, kColumns, {one, {}, two}),
            "NAME     N\n"
            "a        1\n"
            "b        2\n");
}

TEST(Render, json_is_one_array_with_a_row_a_line) {
  EXPECT_EQ(rendered(Format::Json, kColumns, {{}}), "[]\n");
  const json::array one = {{{"name", "a"}}, {{"name", "b"}}};
  const json::array two = {{{"name", "c"}}};
  const std::string text = rendered(Format::Json, kColumns, {one, two});
  EXPECT_EQ(text, "[\n  {\"name\":\"a\"},\n  {\"name\":\"b\"},\n  {\"name\":\"c\"}\n]\n");
  EXPECT_EQ(json::parse(text).get_array().size(), 3u);
}

TEST(Render, csv_quotes_what_needs_it_and_disarms_formulas) {
  const json::array rows = {{{"name", "a,b"}, {"a", {{"n", 1}}}, {"extra", "say \"hi\""}},
                            {{"name", "=1+1"}}};
  EXPECT_EQ(rendered(Format::Csv, kColumns, {rows}),
            "name,a.n,extra\n"
            "\"a,b\",1,\"say \"\"hi\"\"\"\n"
            "'=1+1,,\n");
}

TEST(Render, nothing_is_said_in_words_only_in_a_table) {
  EXPECT_EQ(rendered(Format::Table, kColumns, {}), "nothing\n");
  EXPECT_EQ(rendered(Format::Csv, kColumns, {}), "name,a.n,extra\n");
}

TEST(Render, leases_golden) {
  EXPECT_EQ(
      rendered(Format::Table, lease_columns(), {lease_rows(2)}),
      "ADDRESS          STATE     SCOPE         HW-ADDRESS         CLIENT-ID             HOSTNAME  "
      "        START                 EXPIRY                LAST-SEEN\n"
      "10.0.0.1         active    even          02:00:00:00:00:00  -                     host      "
      "        2001-09-09T01:46:40Z  infinite              2001-09-09T01:46:40Z\n"
      "10.0.0.2         active    odd           02:00:00:00:00:01  -                     host      "
      "        2001-09-09T01:46:40Z  2001-09-09T02:46:40Z  2001-09-09T01:46:40Z\n");
  EXPECT_EQ(rendered(Format::Csv, lease_columns(), {lease_rows(1)}),
            "address,state,scope,hw_address,client_id,hostname,start,expiry,last_transaction,"
            "circuit_id,remote_id,bootp\n"
            "10.0.0.1,active,even,02:00:00:00:00:00,,host,2001-09-09T01:46:40Z,infinite,"
            "2001-09-09T01:46:40Z,,,false\n");
}

TEST(Render, scopes_golden) {
  ScopeRow row{"office", *Prefix::parse("10.77.0.0/24"), "", 101, 50, 2, 1, 3, 48, 7, 8, 9};
  EXPECT_EQ(rendered(Format::Table, scope_columns(), {{to_json(row)}}),
            "SCOPE         SUBNET              SUPERSCOPE     TOTAL    ACTIVE   OFFERED  DECLINED  "
            "RESERVED      FREE   OUTSIDE   USED%\n"
            "office        10.77.0.0/24        -                101        50         2         1  "
            "       3        48         9    52.5\n");
  EXPECT_EQ(rendered(Format::Csv, scope_columns(), {{to_json(row)}}),
            "id,subnet,superscope,total,active,offered,declined,reserved,free,outside,used_percent,"
            "released,expired\n"
            "office,10.77.0.0/24,,101,50,2,1,3,48,9,52.5,7,8\n");
}

TEST(Render, callouts) {
  CalloutRow row;
  row.callout = "a\x1b";
  row.path = "/a.so";
  row.host = "in-process";
  row.state = "serving";
  row.hook = "DhcpNewPktHook";
  row.calls = 12;
  row.total_ns = 99;
  row.p50_ns = 1049;
  row.refused = 3;
  EXPECT_EQ(
      rendered(Format::Csv, callout_columns(), {{to_json(row)}}),
      "callout,host,state,version,hook,calls,p50_us,p99_us,max_us,slow,refused,suppressed,breaches,"
      "faults,path,total_us\n"
      "a\\x1b,in-process,serving,0,DhcpNewPktHook,12,1.0,0.0,0.0,0,3,0,0,0,/a.so,0.1\n");
  const std::string table = rendered(Format::Table, callout_columns(), {{to_json(row)}});
  EXPECT_NE(table.find("REFUSED"), std::string::npos);
  EXPECT_EQ(table.find("total_us"), std::string::npos);
}

Status sample_status() {
  Status status;
  status.version = "0.1.0";
  status.pid = 42;
  status.started_s = 1'000'000'000;
  status.uptime_s = 93784;
  status.interfaces = {{"eth0", 2, true, {}, {Ipv4{0x0A4D0001}}}, {"eth1", 3, false, {}, {}}};
  status.scopes = 2;
  status.leases[static_cast<size_t>(LeaseState::Active)] = 7;
  status.journal = {"/var/lib/hookline", 3 << 20, 2, 99, 0, ""};
  status.config_path = "/etc/hookline/hookline.toml";
  status.config_loaded_s = 1'000'000'001;
  return status;
}

TEST(Render, status_golden) {
  Counters counters;
  counters.received[1].add(3);
  counters.sent[2].add(3);
  counters.drops[0].add(1);
  Status status = sample_status();
  EXPECT_EQ(status_table(to_json(status, counters).get_object()),
            "state       serving\n"
            "version     0.1.0, pid 42\n"
            "started     2001-09-09T01:46:40Z, up 1d 2h 3m 4s\n"
            "config      /etc/hookline/hookline.toml, read 2001-09-09T01:46:41Z\n"
            "interfaces  eth0 up 10.77.0.1; eth1 down\n"
            "scopes      2\n"
            "leases      active 7\n"
            "offers      0\n"
            "received    discover 3\n"
            "sent        offer 3\n"
            "dropped     1 ('hookline drops' says why)\n"
            "in flight   0\n"
            "callouts    none\n"
            "drivers     none\n"
            "leasequery  not over TCP\n"
            "journal     3.0 MiB in 2 segments, record 99, last snapshot never\n");
  status.state = ServingState::NotGranting;
  status.why = "the disk is full";
  status.journal.failed = "no space\nleft";
  status.callouts = {"audit.so", "b.so"};
  status.callouts_away = {"b.so: quarantined"};
  status.callouts_missing = {"mac.so: not there"};
  const std::string bad = status_table(to_json(status, counters).get_object());
  EXPECT_NE(bad.find("state       not-granting: the disk is full\n"), std::string::npos);
  EXPECT_NE(bad.find("callouts    audit.so, b.so; NOT SERVING: b.so: quarantined; "
                     "NOT LOADED: mac.so: not there\n"),
            std::string::npos);
  EXPECT_NE(bad.find("journal     FAILED: no space\\x0aleft\n"), std::string::npos);
}

TEST(Render, status_as_csv_and_json) {
  const Counters counters;
  const auto status = to_json(sample_status(), counters);
  const std::string csv = status_csv(status.get_object());
  EXPECT_TRUE(csv.starts_with("name,value\nversion,0.1.0\npid,42\n")) << csv;
  EXPECT_NE(csv.find("\ninterfaces.0.addresses.0,10.77.0.1\n"), std::string::npos);
  EXPECT_EQ(json::parse(pretty_json(status)), status);
}

TEST(Text, times_are_rfc_3339) {
  EXPECT_EQ(time_text(0), "never");
  EXPECT_EQ(time_text(kForever), "infinite");
  EXPECT_EQ(time_text(1), "1970-01-01T00:00:01Z");
  EXPECT_EQ(time_text(4294967295), "2106-02-07T06:28:15Z");
}

TEST(Text, durations_and_sizes) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(3600), "1h 0m 0s");
  EXPECT_EQ(size_text(1023), "1023 B");
  EXPECT_EQ(size_text(1024), "1.0 KiB");
  EXPECT_EQ(size_text(uint64_t{5} << 60), "5120.0 PiB");
}

TEST(Text, ids) {
  using V = std::vector<uint8_t>;
  EXPECT_EQ(parse_id("hex:0102"), (V{1, 2}));
  EXPECT_EQ(parse_id("01:02"), (V{1, 2}));
  EXPECT_EQ(parse_id("abc"), (V{'a', 'b', 'c'}));
  EXPECT_EQ(parse_id("my-host"), (V{'m', 'y', '-', 'h', 'o', 's', 't'}));
  EXPECT_EQ(parse_id(""), std::nullopt);
  EXPECT_EQ(parse_id("hex:"), std::nullopt);
  EXPECT_EQ(parse_id("hex:xy"), std::nullopt);
  EXPECT_EQ(parse_id(std::string(256, 'x')), std::nullopt);
  EXPECT_EQ(parse_id(std::string(255, 'x'))->size(), 255u);
  EXPECT_EQ(parse_hardware_address("02-00-00-00-00-07"), (V{2, 0, 0, 0, 0, 7}));
  EXPECT_EQ(parse_hardware_address(""), std::nullopt);
  EXPECT_EQ(parse_hardware_address(std::string(34, '0')), std::nullopt);
}

}  // namespace
}  // namespace hookline::control
