// Syntax errors in words that help; each hides what follows it.
#include <gtest/gtest.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

const Case kCases[] = {
    {"KeyTwice",
     "a = 1\n"
     "b = 2\n"
     "a = 2\n",
     {"error f:3:1: \"a\" is set on line 1 already; expected each key once"}},
    {"KeyTwiceInASecondTable",
     "[x]\n"
     "a = 1\n"
     "[y]\n"
     "a = 1\n"
     "  a = 2\n",
     {"error f:5:3: \"a\" is set on line 4 already; expected each key once"}},
    {"ListNotClosed",
     "a = [1,\n"
     "b = 2\n",
     {"error f:2:1: the list that opens on line 1 is not closed: a \"]\" or a comma is missing"}},
    {"LongListNotClosed",
     "a = [\n"
     "  \"x\",\n"
     "  \"y\"\n"
     "b = 3\n",
     {"error f:4:1: the list that opens on line 1 is not closed: a \"]\" or a comma is missing"}},
    {"ListAtTheEnd",
     "a = [1, 2",
     {"error f:1:10: the file ends within a list: a \"]\" is missing"}},
    {"ValueMissing", "a = \n", {"error f:1:5: a value is missing after \"=\""}},
    {"QuoteMissing",
     "a = \"x\n"
     "b = 1\n",
     {"error f:1:7: the text is not closed: a quote is missing"}},
    {"QuoteMissingAtTheEnd", "a = 'x", {"error f:1:7: the text is not closed: a quote is missing"}},
    {"ControlCharacter",
     "a = \"\001\"\n",
     {"error f:1:6: a text must not hold control characters"}},
    {"UnknownEscape",
     "a = \"C:\\data\"\n",
     {"error f:1:9: unknown escape in a text; a backslash is written \\\\, or the text stands in "
      "'…'"}},
    {"BareWord",
     "interface = eth0\n",
     {"error f:1:13: eth0 is not a value; texts, addresses and durations stand in quotes: "
      "\"eth0\""}},
    {"BareWordInAList",
     "interfaces = [\"eth1\", eth0]\n",
     {"error f:1:23: eth0 is not a value; texts, addresses and durations stand in quotes: "
      "\"eth0\""}},
    {"BareAddress",
     "next-server = 10.0.0.1\n",
     {"error f:1:15: 10.0.0.1 is not a value; texts, addresses and durations stand in quotes: "
      "\"10.0.0.1\""}},
    {"BareRange",
     "ranges = [10.0.0.1-10.0.0.2]\n",
     {"error f:1:11: 10.0.0.1-10.0.0.2 is not a value; texts, addresses and durations stand in "
      "quotes: \"10.0.0.1-10.0.0.2\""}},
    {"BareSubnet",
     "subnet = 10.0.0.0/8\n",
     {"error f:1:10: 10.0.0.0/8 is not a value; texts, addresses and durations stand in quotes: "
      "\"10.0.0.0/8\""}},
    {"BareDuration",
     "lease-time = 8h # a working day\n",
     {"error f:1:14: 8h is not a value; texts, addresses and durations stand in quotes: \"8h\""}},
    {"BareHardwareAddress",
     "hw-address = 02:00:00:00:00:07\n",
     {"error f:1:14: 02:00:00:00:00:07 is not a value; texts, addresses and durations stand in "
      "quotes: \"02:00:00:00:00:07\""}},
    {"CapitalTrue",
     "authoritative = True\n",
     {"error f:1:17: True is not a value; expected true, in lower case"}},
    {"No",
     "authoritative = no\n",
     {"error f:1:17: no is not a value; expected false, in lower case"}},
    {"Semicolon",
     "option = 1;\n",
     {"error f:1:10: a line does not end in \";\"; expected the end of the line or a # comment"}},
    {"TypesettersQuotes",
     "file = “x”\n",
     {"error f:1:8: these are a typesetter's quotes; texts stand in plain ones: \"…\""}},
    {"TwoValues",
     "a = 'x' y\n",
     {"error f:1:9: something follows the value; expected the end of the line or a # comment"}},
    {"CommaMissing",
     "a = [\"x\" \"y\"]\n",
     {"error f:1:10: expected a comma between the values, or \"]\""}},
    {"DanglingComma",
     "a = { b = 1, }\n",
     {"error f:1:14: within { … }, expected key = value, separated by commas, on one line, none "
      "after the last"}},
    {"InlineTableOverLines",
     "a = { b = 1\n"
     "}\n",
     {"error f:1:12: within { … }, expected key = value, separated by commas, on one line, none "
      "after the last"}},
    {"InlineTableAtTheEnd",
     "a = { to = \"x\"",
     {"error f:1:15: the file ends within { … }: a \"}\" is missing"}},
    {"EqualsMissing",
     "subnet \"10.0.0.0/8\"\n",
     {"error f:1:8: expected key = value, found \"subnet \"10.0.0.0/8\"\""}},
    {"Colon",
     "subnet: 10.0.0.0/8\n",
     {"error f:1:7: expected key = value, found \"subnet: 10.0.0.0/8\""}},
    {"HeaderNotClosed",
     "[server\n"
     "a = 1\n",
     {"error f:1:8: not a table's header; expected [name] or [[name]] alone on the line, found "
      "\"[server\""}},
    {"HeaderThenKey",
     "[server] a = 1\n",
     {"error f:1:10: not a table's header; expected [name] or [[name]] alone on the line, found "
      "\"[server] a = 1\""}},
    {"TableTwice",
     "[server]\n"
     "a = 1\n"
     "[leases]\n"
     "[server]\n"
     "b = 1\n",
     {"error f:4:1: [server] stands on line 1 already; expected each table once"}},
    {"OptionsTwice",
     "[[scope]]\n"
     "[scope.options]\n"
     "[[scope]]\n"
     "[scope.options]\n"
     "[scope.options]\n",
     {"error f:5:1: [scope.options] stands on line 4 already; expected each table once"}},
    {"OneBracketForAScope",
     "[[scope]]\n"
     "id = \"a\"\n"
     "[scope]\n",
     {"error f:3:1: [scope] is a list of tables on line 1; expected [[scope]] here too"}},
    {"OneBracketForTheFirstScope",
     "[scope]\n"
     "id = \"a\"\n"
     "[[scope]]\n",
     {"error f:3:1: [[scope]] is one table on line 1; expected [[scope]] there too, or nowhere"}},
    {"SlashComment",
     "// Kea takes these\n",
     {"error f:1:1: expected key = value, a [table] or a # comment, found \"// Kea takes these\""}},
    {"NumberTooLarge", "a = 99999999999999999999\n", {"error f:1:25: the number is too large"}},
    {"LeadingZero", "a = 08\n", {"error f:1:7: a number must not begin with 0"}},
    {"NotUtf8",
     "a = 1\n"
     "b = \"\377\"\n",
     {"error f:2:5: the file is not UTF-8 text from here on"}},
    {"ColumnsAreCharacters",
     "a = { \"é\" = \"ü\", b = ä }\n",
     {"error f:1:22: ä is not a value; texts, addresses and durations stand in quotes: \"ä\""}},
};

class ProblemsSyntaxTest : public testing::TestWithParam<Case> {};

TEST_P(ProblemsSyntaxTest, ReportsExactly) {
  EXPECT_EQ(problems_of(GetParam().text), GetParam().problems);
}

INSTANTIATE_TEST_SUITE_P(Config, ProblemsSyntaxTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace hookline::config
