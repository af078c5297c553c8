#include "control/session.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <boost/json.hpp>
#include <cstdio>

#include "base/limits.h"
#include "control/fake_service.h"
#include "control/protocol.h"

namespace hookline::control {
namespace {

namespace json = boost::json;

struct Bench {
  Bench() : log(std::fopen("/dev/null", "w")), session(service, log, "uid 0, pid 1") {}

  // Everything that the client would have read after sending `text`.
  std::string say(std::string_view text) {
    for (size_t at = 0; at < text.size() && session.wants_input();) {
      const std::string_view part = text.substr(at, 4096);
      session.take(part);
      at += part.size();
    }
    return drain();
  }
  std::string drain() {
    std::string all;
    for (bool more = true; more;) {
      more = session.step() || !session.output().empty();
      all += session.output();
      session.consumed(session.output().size());
    }
    return all;
  }

  FakeService service;
  Logger log;
  Session session;
};

json::object parsed(std::string_view line) { return json::parse(std::string(line)).get_object(); }

std::vector<json::object> lines_of(const std::string& text) {
  std::vector<json::object> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    EXPECT_NE(end, std::string::npos) << "every answer ends with a newline";
    if (end == std::string::npos) break;
    lines.push_back(parsed(std::string_view(text).substr(start, end - start)));
    start = end + 1;
  }
  return lines;
}

json::object one(const std::string& text) {
  const auto lines = lines_of(text);
  EXPECT_EQ(lines.size(), 1u) << text;
  return lines.empty() ? json::object() : lines.front();
}

std::string error_kind(const json::object& answer) {
  if (answer.at("ok").get_bool()) return "ok";
  return std::string(answer.at("error").at("kind").get_string().c_str());
}

TEST(Session, answers_with_the_id_and_version_that_were_asked) {
  Bench bench;
  bench.service.status_.version = "0.1.0";
  for (const char* id : {"7", "\"a\"", "null"}) {
    const auto answer =
        one(bench.say(std::string("{\"v\":1,\"id\":") + id + ",\"call\":\"status\"}\n"));
    EXPECT_EQ(json::serialize(answer.at("id")), id);
    EXPECT_EQ(answer.at("v").get_int64(), 1);
    EXPECT_TRUE(answer.at("ok").get_bool());
    EXPECT_EQ(answer.at("result").at("version").get_string(), "0.1.0");
    EXPECT_FALSE(answer.contains("more"));
  }
}

TEST(Session, refuses_what_is_no_request) {
  const char* hostile[] = {
      "x",
      "{",
      "[]",
      "null",
      "{}",
      R"({"v":2,"call":"status"})",
      R"({"v":"1","call":"status"})",
      R"({"v":1})",
      R"({"v":1,"call":7})",
      R"({"v":1,"call":"nothing"})",
      R"({"v":1,"call":"status","args":[]})",
      R"({"v":1,"call":"status","args":{"a":1}})",
      R"({"v":1,"call":"status","more":1})",
      R"({"v":1,"id":{},"call":"status"})",
      R"({"v":1,"id":"0123456789012345678901234567890123456789012345678901234567890123456789","call":"status"})",
      R"({"v":1,"call":"status","args":{"a":{"b":{"c":{"d":{}}}}}})",
      R"({"v":1,"call":"leases","args":{"scpoe":"x"}})",
      R"({"v":1,"call":"leases","args":{"scope":7}})",
      R"({"v":1,"call":"leases","args":{"scope":""}})",
      R"({"v":1,"call":"leases","args":{"address":"10.0.0"}})",
      R"({"v":1,"call":"leases","args":{"hw_address":"zz"}})",
      R"({"v":1,"call":"leases","args":{"client_id":"hex:0"}})",
      R"({"v":1,"call":"leases","args":{"state":"free?"}})",
      R"({"v":1,"call":"release"})",
      R"({"v":1,"call":"release","args":{"address":"1.2.3.4","force":true}})",
      R"({"v":1,"call":"trace"})",
      R"({"v":1,"call":"trace","args":{"client":1}})",
      "{\"v\":1,\"call\":\"\xff\xfe\"}",
  };
  for (const char* line : hostile) {
    Bench bench;
    const auto answer = one(bench.say(std::string(line) + "\n"));
    EXPECT_EQ(error_kind(answer), "invalid") << line;
    EXPECT_TRUE(bench.service.asked.empty()) << line;
    EXPECT_FALSE(bench.session.finished()) << "one bad request does not end the connection";
  }
}

TEST(Session, a_request_that_is_too_long_ends_the_session) {
  for (const char* newline : {"", "\n"}) {
    Bench bench;
    const std::string line(kControlRequestBytesMax + 1, 'a');
    EXPECT_EQ(error_kind(one(bench.say(line + newline))), "invalid");
    EXPECT_TRUE(bench.session.finished());
    EXPECT_FALSE(bench.session.wants_input());
  }
  Bench bench;
  std::string line = R"({"v":1,"call":"status"})";
  line += std::string(kControlRequestBytesMax - line.size(), ' ');
  EXPECT_EQ(error_kind(one(bench.say(line + "\n"))), "ok") << "just as long as is allowed";
}

TEST(Session, never_holds_more_input_than_a_request) {
  Bench bench;
  while (bench.session.wants_input()) bench.session.take(std::string(4096, ' '));
  bench.drain();
  EXPECT_TRUE(bench.session.finished());
}

TEST(Session, answers_several_requests_in_order_and_the_last_without_newline) {
  Bench bench;
  bench.session.take(
      "{\"v\":1,\"id\":1,\"call\":\"pause\"}\r\n\n{\"v\":1,\"id\":2,\"call\":\"continue\"}");
  bench.session.end_of_input();
  const auto lines = lines_of(bench.drain());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("id").get_int64(), 1);
  EXPECT_EQ(lines[1].at("id").get_int64(), 2);
  EXPECT_EQ(bench.service.asked, (std::vector<std::string>{"pause", "resume"}));
  EXPECT_TRUE(bench.session.finished());
}

TEST(Session, calls_that_change_something) {
  Bench bench;
  for (const char* call : {"pause", "continue", "reload", "authorize", "unauthorize"}) {
    EXPECT_EQ(error_kind(one(bench.say(fmt::format("{{\"v\":1,\"call\":\"{}\"}}\n", call)))), "ok");
  }
  for (const char* call : {"release", "delete"}) {
    EXPECT_EQ(error_kind(one(
                  bench.say(fmt::format(R"({{"v":1,"call":"{}","args":{{"address":"10.0.0.9"}}}})"
                                        "\n",
                                        call)))),
              "ok");
  }
  EXPECT_EQ(bench.service.asked,
            (std::vector<std::string>{"pause", "resume", "reload", "authorize", "unauthorize",
                                      "release 10.0.0.9", "delete 10.0.0.9"}));
}

TEST(Session, an_ioctl_is_answered_when_it_is_completed_and_keeps_nobody_waiting) {
  Bench bench;
  const std::string request =
      "{\"v\":1,\"id\":1,\"call\":\"ioctl\",\"args\":{\"name\":\"delay\",\"code\":5,"
      "\"data\":\"0102\"}}\n";
  EXPECT_EQ(bench.say(request), "") << "not completed yet";
  EXPECT_EQ(bench.service.asked, std::vector<std::string>{"ioctl delay 5 0102"});
  EXPECT_TRUE(bench.session.tracing()) << "it is looked at again soon";
  EXPECT_FALSE(bench.session.finished());
  bench.service.ioctl_answer = IoctlAnswer{0, "STATUS_SUCCESS (0x00000000)", {0xAB}};
  const auto answer = one(bench.drain());
  EXPECT_EQ(answer.at("result").at("data").get_string(), "ab");
  EXPECT_TRUE(bench.service.open_ioctls.empty());
}

TEST(Session, an_ioctl_of_a_client_that_is_gone_is_closed) {
  FakeService service;
  Logger log(std::fopen("/dev/null", "w"));
  {
    Session session(service, log, "uid 0, pid 1");
    session.take("{\"v\":1,\"id\":1,\"call\":\"ioctl\",\"args\":{\"name\":\"d\",\"code\":5}}\n");
    session.step();
    EXPECT_EQ(service.open_ioctls.size(), 1u);
  }
  EXPECT_TRUE(service.open_ioctls.empty());
}

TEST(Session, ioctls_that_are_none) {
  for (const char* args :
       {"{}", "{\"name\":\"\",\"code\":5}", "{\"name\":\"d\"}", "{\"name\":\"d\",\"code\":-1}",
        "{\"name\":\"d\",\"code\":4294967296}", "{\"name\":\"d\",\"code\":\"5\"}",
        "{\"name\":\"d\",\"code\":5,\"data\":\"0\"}", "{\"name\":\"d\",\"code\":5,\"data\":7}",
        "{\"name\":\"d\",\"code\":5,\"more\":7}"}) {
    Bench bench;
    const auto answer = one(
        bench.say(std::string("{\"v\":1,\"id\":1,\"call\":\"ioctl\",\"args\":") + args + "}\n"));
    EXPECT_EQ(error_kind(answer), "invalid") << args;
    EXPECT_TRUE(bench.service.asked.empty());
  }
}

TEST(Session, callouts_and_their_reload) {
  Bench bench;
  bench.service.callouts_.push_back({});
  bench.service.callouts_[0].callout = "audit.so";
  const auto rows = one(bench.say("{\"v\":1,\"id\":1,\"call\":\"callouts\"}\n"));
  ASSERT_EQ(rows.at("result").as_array().size(), 1u);
  EXPECT_EQ(rows.at("result").at(0).at("callout").as_string(), "audit.so");
  const auto done = one(bench.say("{\"v\":1,\"id\":2,\"call\":\"reload-callouts\"}\n"));
  EXPECT_EQ(done.at("result").as_string(), "loaded: audit.so");
  const auto alone = one(bench.say(
      "{\"v\":1,\"id\":3,\"call\":\"reload-callouts\",\"args\":{\"name\":\"mac.so\"}}\n"));
  EXPECT_EQ(alone.at("result").as_string(), "reloaded: mac.so");
  for (const char* args : {"{\"name\":7}", "{\"nome\":\"mac.so\"}"}) {
    const auto refused = one(bench.say(
        fmt::format("{{\"v\":1,\"id\":4,\"call\":\"reload-callouts\",\"args\":{}}}\n", args)));
    EXPECT_FALSE(refused.at("ok").as_bool());
  }
  EXPECT_EQ(bench.service.asked,
            (std::vector<std::string>{"reload_callouts", "reload_callout mac.so"}));
}

TEST(Session, continue_also_tries_a_failed_journal_again) {
  Bench bench;
  bench.service.status_.journal.failed = "the disk is full";
  bench.say("{\"v\":1,\"call\":\"continue\"}\n");
  EXPECT_EQ(bench.service.asked, (std::vector<std::string>{"resume", "resume_journal"}));
}

TEST(Session, a_refused_change_is_an_error_with_every_line) {
  Bench bench;
  bench.service.refuse = "a.toml:1:2: wrong\na.toml:3:4: \xff wrong too";
  const auto answer = one(bench.say("{\"v\":1,\"call\":\"reload\"}\n"));
  EXPECT_EQ(error_kind(answer), "invalid");
  EXPECT_EQ(answer.at("error").at("text").get_string(),
            "a.toml:1:2: wrong\na.toml:3:4: \\xff wrong too");
}

TEST(Session, leases_come_in_pages_and_all_of_them) {
  Bench bench;
  bench.service.add_leases(1000);
  const auto pages = lines_of(bench.say("{\"v\":1,\"id\":1,\"call\":\"leases\"}\n"));
  ASSERT_EQ(pages.size(), 4u);
  size_t rows = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    EXPECT_EQ(pages[i].contains("more"), i + 1 < pages.size());
    rows += pages[i].at("result").get_array().size();
  }
  EXPECT_EQ(rows, 1000u);
  const auto& first = pages[0].at("result").at(0);
  EXPECT_EQ(first.at("expiry").get_string(), "infinite");
  EXPECT_EQ(first.at("start").get_string(), "2001-09-09T01:46:40Z");
  EXPECT_EQ(first.at("hw_address").get_string(), "02:00:00:00:00:00");
  EXPECT_TRUE(first.at("client_id").is_null());
}

TEST(Session, filters_hold_together) {
  Bench bench;
  bench.service.add_leases(100);
  const auto count = [&](const char* args) {
    size_t rows = 0;
    for (const auto& page :
         lines_of(bench.say(fmt::format("{{\"v\":1,\"call\":\"leases\",\"args\":{}}}\n", args)))) {
      EXPECT_EQ(error_kind(page), "ok");
      rows += page.at("result").get_array().size();
    }
    return rows;
  };
  EXPECT_EQ(count("{}"), 100u);
  EXPECT_EQ(count(R"({"scope":"even"})"), 50u);
  EXPECT_EQ(count(R"({"state":"expired"})"), 10u);
  EXPECT_EQ(count(R"({"state":"expired","scope":"even"})"), 0u);
  EXPECT_EQ(count(R"({"address":"10.0.0.5"})"), 1u);
  EXPECT_EQ(count(R"({"hw_address":"02-00-00-00-00-05"})"), 1u);
  EXPECT_EQ(count(R"({"client_id":"nobody"})"), 0u);
}

TEST(Session, a_scope_that_is_not_there_is_missing) {
  Bench bench;
  const auto answer =
      one(bench.say("{\"v\":1,\"call\":\"leases\",\"args\":{\"scope\":\"nowhere\"}}\n"));
  EXPECT_EQ(error_kind(answer), "missing");
}

TEST(Session, a_long_scan_without_a_match_answers_once) {
  Bench bench;
  bench.service.add_leases(1000);
  bench.service.scan_max = 10;
  const auto pages =
      lines_of(bench.say("{\"v\":1,\"call\":\"leases\",\"args\":{\"client_id\":\"nobody\"}}\n"));
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_TRUE(pages[0].at("result").get_array().empty());
  EXPECT_EQ(bench.service.pages, 100u);
}

TEST(Session, makes_no_page_while_the_client_does_not_read) {
  Bench bench;
  bench.service.add_leases(40'000);
  bench.session.take("{\"v\":1,\"call\":\"leases\"}\n");
  while (bench.session.step()) {
  }
  const size_t pages = bench.service.pages;
  EXPECT_LT(pages, 20u);
  EXPECT_LT(bench.session.output().size(), 512u * 1024);
  EXPECT_FALSE(bench.session.step());
  EXPECT_FALSE(bench.session.wants_input());
  EXPECT_EQ(bench.service.pages, pages);
  EXPECT_EQ(lines_of(bench.drain()).size(), 157u) << "it goes on where it stopped";
}

TEST(Session, what_a_client_sent_cannot_break_the_line) {
  Bench bench;
  bench.service.add_leases(1);
  const uint8_t nasty[] = {'a', '\n', '"', '\\', 0x1B, 0xFF, 0};
  bench.service.leases_[0].hostname.assign(std::begin(nasty), std::end(nasty));
  const auto answer = one(bench.say("{\"v\":1,\"call\":\"leases\"}\n"));
  EXPECT_EQ(answer.at("result").at(0).at("hostname").get_string(), "a\\x0a\"\\x5c\\x1b\\xff\\x00");
}

TEST(Session, a_trace_streams_until_the_client_says_something) {
  Bench bench;
  auto lines =
      lines_of(bench.say("{\"v\":1,\"id\":3,\"call\":\"trace\",\"args\":{\"client\":\"any\"}}\n"));
  ASSERT_EQ(lines.size(), 1u) << "an empty page says that the trace runs";
  EXPECT_TRUE(lines[0].at("more").get_bool());
  EXPECT_TRUE(bench.session.tracing());
  bench.service.trace_lines = {"one", "two\x1b"};
  lines = lines_of(bench.drain());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("result").at(1).get_string(), "two\\x1b");
  EXPECT_EQ(bench.service.open_traces.size(), 1u);
  EXPECT_EQ(error_kind(one(bench.say("{\"v\":1,\"call\":\"drops\"}\n"))), "ok");
  EXPECT_TRUE(bench.service.open_traces.empty());
}

TEST(Session, a_trace_is_closed_with_its_session) {
  FakeService service;
  Logger log(std::fopen("/dev/null", "w"));
  {
    Session session(service, log, "x");
    session.take("{\"v\":1,\"call\":\"trace\",\"args\":{\"client\":\"any\"}}\n");
    session.step();
    EXPECT_EQ(service.open_traces.size(), 1u);
  }
  EXPECT_TRUE(service.open_traces.empty());
}

TEST(Session, long_texts_are_cut_between_lines) {
  Bench bench;
  for (int i = 0; i < 5000; ++i) {
    ScopeRow row;
    row.id = fmt::format("scope-{}", i);
    bench.service.scopes_.push_back(row);
  }
  std::string text;
  const auto pages = lines_of(bench.say("{\"v\":1,\"call\":\"metrics\"}\n"));
  EXPECT_GT(pages.size(), 5u);
  for (const auto& page : pages) {
    const std::string part = page.at("result").get_string().c_str();
    EXPECT_LE(part.size(), kPageTextBytesMax + 1);
    EXPECT_EQ(part.back(), '\n');
    text += part;
  }
  EXPECT_NE(text.find("scope-4999"), std::string::npos);
  EXPECT_EQ(lines_of(bench.say("{\"v\":1,\"call\":\"scopes\"}\n")).size(), 20u);
}

RC_GTEST_PROP(SessionProperty, no_bytes_harm_it, ()) {
  Bench bench;
  const auto bytes = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{3, rc::gen::arbitrary<char>()}, {3, rc::gen::elementOf(std::string("{}[]\":,\nv1call"))}}));
  const std::string out = bench.say(bytes + "\n");
  for (const auto& line : lines_of(out)) RC_ASSERT(!line.at("ok").get_bool());
  RC_ASSERT(bench.service.asked.empty());
}

}  // namespace
}  // namespace hookline::control
