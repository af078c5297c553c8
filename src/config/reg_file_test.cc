#include "config/reg_file.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/limits.h"
#include "base/utf16.h"
#include "config/reg_text.h"

namespace hookline::config {
namespace {

// As regedit writes it: lines end in CR LF, continued ones are indented.
const std::string kExport =
    "Windows Registry Editor Version 5.00\r\n"
    "\r\n"
    "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer]\r\n"
    "\"Start\"=dword:00000002\r\n"
    "\"ImagePath\"=\"C:\\no such escape\"\r\n"
    "\r\n"
    "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters]\r\n"
    "\"CalloutEnabled\"=dword:00000001\r\n"
    "\"CalloutDlls\"=hex(7):43,00,3a,00,5c,00,6d,00,61,00,63,00,2e,00,64,00,6c,00,6c,00,\\\r\n"
    "  00,00,61,00,75,00,64,00,69,00,74,00,2e,00,64,00,6c,00,6c,00,00,00,00,00\r\n"
    "\"CalloutErrorLogFile\"=\"C:\\\\Logs\\\\a \\\"b\\\".txt\"\r\n"
    "\"Expanded\"=hex(2):25,00,00,00\r\n"
    "\"Binary\"=hex:0a,b,FF\r\n"
    "\"Empty\"=hex:\r\n"
    "\"Large\"=hex(b):01,00,00,00,00,00,00,80\r\n"
    "@=\"the default\"\r\n"
    "\r\n"
    "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters\\Mac\\List]"
    "\r\n"
    "\"First\"=dword:ff\r\n"
    "\r\n"
    "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Other]\r\n"
    "\"CalloutEnabled\"=dword:00000000\r\n";

const std::string kKey =
    "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters]\n";
const std::string kHead = "Windows Registry Editor Version 5.00\n" + kKey;

RegistryExport parsed(std::string_view text) {
  auto out = parse_reg_file(as_bytes(text));
  if (!out) {
    ADD_FAILURE() << out.error().at.line << ":" << out.error().at.column << ": "
                  << out.error().text;
    return {};
  }
  return *out;
}

// "line:column: text"
std::string fault_of(std::string_view text) {
  const auto out = parse_reg_file(as_bytes(text));
  if (out) return "none";
  return fmt::format("{}:{}: {}", out.error().at.line, out.error().at.column, out.error().text);
}

std::vector<uint8_t> text_data(std::u16string text) { return utf16le_bytes(text + u'\0'); }

TEST(RegFileTest, TakesWhatRegeditExports) {
  const RegistryExport out = parsed(kExport);
  EXPECT_TRUE(out.has_key);
  EXPECT_EQ(out.subkeys, (std::vector<std::string>{"Mac", "Mac\\List"}));
  ASSERT_EQ(out.values.size(), 9u);
  const std::vector<std::string> dlls = {"C:\\mac.dll", "audit.dll"};
  EXPECT_EQ(texts_of(*find_value(out, "calloutDLLS")), dlls);
  EXPECT_EQ(number_of(*find_value(out, "CalloutEnabled")), 1u);
  const RegistryValue log{"", "CalloutErrorLogFile", 1, text_data(u"C:\\Logs\\a \"b\".txt")};
  EXPECT_EQ(*find_value(out, "CalloutErrorLogFile"), log);
  EXPECT_EQ(*find_value(out, "Expanded"), (RegistryValue{"", "Expanded", 2, text_data(u"%")}));
  EXPECT_EQ(*find_value(out, "Binary"), (RegistryValue{"", "Binary", 3, {0x0A, 0x0B, 0xFF}}));
  EXPECT_EQ(*find_value(out, "Empty"), (RegistryValue{"", "Empty", 3, {}}));
  EXPECT_EQ(find_value(out, "Large")->type, 11u);
  EXPECT_EQ(find_value(out, "")->data, text_data(u"the default"));
  EXPECT_EQ(out.values.back(), (RegistryValue{"Mac\\List", "First", 4, {0xFF, 0, 0, 0}}));
}

TEST(RegFileTest, InEveryEncoding) {
  const RegistryExport expected = parsed(kExport);
  const std::u16string wide = to_utf16(kExport).value();
  for (const std::u16string& text : {u"\uFEFF" + wide, wide}) {
    EXPECT_EQ(parsed(as_text(utf16le_bytes(text))).values, expected.values);
  }
  EXPECT_EQ(parsed("\xEF\xBB\xBF" + kExport).values, expected.values);
}

TEST(RegFileTest, TextsBeyondAscii) {
  const RegistryExport utf8 = parsed(kHead + "\"n\"=\"\xC3\xBC\xE2\x82\xAC\"\n");
  EXPECT_EQ(find_value(utf8, "n")->data, text_data(u"\u00FC\u20AC"));
  const RegistryExport ansi = parsed(kHead + "\"n\"=\"\xFC\x80\"\n");
  EXPECT_EQ(find_value(ansi, "n")->data, text_data(u"\u00FC\u20AC"));
}

TEST(RegFileTest, Regedit4HasNarrowTextsInHex) {
  const RegistryExport out =
      parsed("REGEDIT4\r\n\r\n" + kKey +
             "\"CalloutDlls\"=hex(7):61,2e,64,6c,6c,00,fc,00,00\r\n\"B\"=hex:01\r\n");
  EXPECT_EQ(texts_of(*find_value(out, "CalloutDlls")),
            (std::vector<std::string>{"a.dll", "\xC3\xBC"}));
  EXPECT_EQ(find_value(out, "B")->data, (std::vector<uint8_t>{1}));
}

TEST(RegFileTest, CommentsBlanksAndContinuations) {
  const RegistryExport out =
      parsed("\n \nWindows registry editor version 5.00\n; comment\n" + kKey +
             "  \"a\" = dword:1 ; one\n"
             ";\"b\"=dword:1\n"
             "\"c\"=hex: \\\n  01 , \\ \n  02\n"
             "\"d\"=\"two\nlines\"");
  ASSERT_EQ(out.values.size(), 3u);
  EXPECT_EQ(find_value(out, "c")->data, (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(find_value(out, "d")->data, text_data(u"two\nlines"));
}

TEST(RegFileTest, LaterLinesWin) {
  const RegistryExport out =
      parsed(kHead + "\"a\"=dword:1\n\"A\"=dword:2\n\"b\"=dword:1\n\"B\"=-\n\"c\"=dword:3\n");
  ASSERT_EQ(out.values.size(), 2u);
  EXPECT_EQ(number_of(*find_value(out, "a")), 2u);
  EXPECT_EQ(find_value(out, "b"), nullptr);
}

TEST(RegFileTest, DeletedKeys) {
  const std::string sub = kKey.substr(0, kKey.size() - 2) + "\\Sub]\n";
  const std::string below = kHead + "\"a\"=dword:1\n" + sub + "\"b\"=dword:1\n";
  const std::string deleted = "[-" + sub.substr(1) + "\"c\"=dword:1\n";
  const RegistryExport out = parsed(below + deleted);
  EXPECT_EQ(out.values.size(), 1u);
  EXPECT_TRUE(out.subkeys.empty());
  EXPECT_TRUE(out.has_key);
  const RegistryExport none = parsed(below + "[-" + kKey.substr(1));
  EXPECT_TRUE(none.values.empty());
  EXPECT_FALSE(none.has_key);
}

TEST(RegFileTest, KeysOfTheControlSetsOnly) {
  const auto has_key = [](std::string_view key) {
    return parsed(fmt::format("REGEDIT4\n[{}]\n", key)).has_key;
  };
  EXPECT_TRUE(
      has_key("hkey_local_machine\\system\\CONTROLSET001\\services\\dhcpserver\\parameters"));
  EXPECT_FALSE(
      has_key("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet01\\Services\\DHCPServer\\Parameters"));
  EXPECT_FALSE(
      has_key("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSetAAA\\Services\\DHCPServer\\Parameters"));
  EXPECT_FALSE(
      has_key("HKEY_CURRENT_USER\\SYSTEM\\ControlSet001\\Services\\DHCPServer\\Parameters"));
  EXPECT_FALSE(has_key("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\DHCPServer"));
  EXPECT_FALSE(
      has_key("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\DHCPServer\\Parameter"));
}

struct Fault {
  const char* name;
  std::string text;
  std::string fault;
};

const std::string kVersion =
    "not a registry export: it begins with neither \"Windows Registry Editor Version 5.00\" nor "
    "\"REGEDIT4\"";

const Fault kFaults[] = {
    {"Nothing", "", "1:1: " + kVersion},
    {"Text", "\n hello", "2:2: " + kVersion},
    {"OldVersion", "Windows Registry Editor Version 4.00\n", "1:1: " + kVersion},
    {"BehindTheVersion", "REGEDIT4x", "1:9: expected the end of the line after the version"},
    {"BigEndian", std::string("\xFE\xFF\0R", 4),
     "1:1: big-endian UTF-16, which regedit does not write"},
    {"HalfACharacter", std::string("R\0E", 3), "1:1: UTF-16 with half a character"},
    {"HalfAPair", std::string("\xFF\xFE\0\xD8", 4), "1:1: not valid UTF-16: half a surrogate pair"},
    {"KeyNotClosed", "REGEDIT4\n[HKEY_LOCAL_MACHINE\n]",
     "2:1: expected \"]\" after the key's name"},
    {"BehindTheKey", "REGEDIT4\n[HKEY]x", "2:7: expected the end of the line after the value"},
    {"NoName", kHead + "x=1", "3:1: expected a value's name in quotes, \"@\", or [a key]"},
    {"NameNotClosed", kHead + "\"a", "3:1: the text that begins here is not closed"},
    {"NoEquals", kHead + "\"\xC3\xBC\" 1", "3:5: expected \"=\" after the value's name"},
    {"NoValue", kHead + "\"a\"=\n",
     "3:5: expected a text in quotes, dword:, hex: or hex(\xE2\x80\xA6):"},
    {"TextNotClosed", kHead + "\"a\"=\"b\n", "3:5: the text that begins here is not closed"},
    {"Backslash", kHead + "\"a\"=\"C:\\new\"", "3:8: a backslash in a text is written \"\\\\\""},
    {"Nul", kHead + std::string("\"a\"=\"b\0\"", 8), "3:7: a text must not hold NUL"},
    {"BehindTheValue", kHead + "\"a\"=\"b\" c",
     "3:9: expected the end of the line after the value"},
    {"LongDword", kHead + "\"a\"=dword:123456789", "3:11: a dword has at most 8 hex digits"},
    {"NoDword", kHead + "\"a\"=dword:x", "3:11: expected a number of hex digits after dword:"},
    {"NoColon", kHead + "\"a\"=hex 01", "3:8: expected \":\" after hex"},
    {"NoType", kHead + "\"a\"=hex():01", "3:9: expected the type's number in hex(\xE2\x80\xA6):"},
    {"LongType", kHead + "\"a\"=hex(123456789):01", "3:9: a type has at most 8 hex digits"},
    {"TypeNotClosed", kHead + "\"a\"=hex(7:01", "3:10: expected \")\" after the type"},
    {"NoHex", kHead + "\"a\"=hex:0g", "3:10: expected the end of the line after the value"},
    {"LongHex", kHead + "\"a\"=hex:012", "3:9: a byte has at most two hex digits"},
    {"EndsInAComma", kHead + "\"a\"=hex:01,\n02", "3:12: expected two hex digits"},
    {"BehindABackslash", kHead + "\"a\"=hex:01,\\x\n02",
     "3:12: a backslash continues the line: nothing may follow it"},
    {"EndsInABackslash", kHead + "\"a\"=hex:01,\\",
     "3:12: a backslash continues the line: nothing may follow it"},
};

class RegFileFaultTest : public testing::TestWithParam<Fault> {};

TEST_P(RegFileFaultTest, SaysWhereAndWhat) {
  EXPECT_EQ(fault_of(GetParam().text), GetParam().fault);
}

INSTANTIATE_TEST_SUITE_P(RegFile, RegFileFaultTest, testing::ValuesIn(kFaults),
                         [](const auto& info) { return info.param.name; });

TEST(RegFileTest, TooManyValuesAndSubkeys) {
  std::string values = kHead;
  std::string keys = kHead;
  const std::string sub = kKey.substr(0, kKey.size() - 2) + "\\";
  for (size_t i = 0; i < kRegistryValuesMax; ++i) {
    values += fmt::format("\"v{}\"=dword:1\n", i);
    keys += fmt::format("{}k{}]\n", sub, i);
  }
  EXPECT_EQ(parsed(values).values.size(), kRegistryValuesMax);
  EXPECT_EQ(parsed(keys).subkeys.size(), kRegistryValuesMax);
  EXPECT_EQ(fault_of(values + "\"v\"=dword:1\n"),
            fmt::format("{}:1: too many values of the DHCP server's key: at most {}",
                        kRegistryValuesMax + 4, kRegistryValuesMax));
  EXPECT_EQ(fault_of(keys + sub + "k]\n"),
            fmt::format("{}:2: too many subkeys of the DHCP server's key: at most {}",
                        kRegistryValuesMax + 3, kRegistryValuesMax));
}

TEST(RegFileTest, MultiTextsEndAtTheEmptyOne) {
  const auto texts = [](std::u16string_view text) {
    return texts_of({"", "", 7, utf16le_bytes(text)});
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts({}), Texts{});
  EXPECT_EQ(texts(std::u16string_view(u"\0\0", 2)), Texts{});
  EXPECT_EQ(texts(std::u16string_view(u"a\0b\0\0c", 6)), (Texts{"a", "b"}));
  EXPECT_EQ(texts(u"a"), Texts{"a"}) << "without its NULs";
  EXPECT_EQ(texts(std::u16string(1, char16_t{0xD800})), std::nullopt);
  EXPECT_EQ(texts_of({"", "", 1, utf16le_bytes(u"a")}), std::nullopt);
}

// What regedit would write for a value is read back as that value.
RC_GTEST_PROP(RegFileTest, ValuesComeBack, (const std::vector<uint8_t>& data, uint32_t type)) {
  std::string text = fmt::format("\"x\"=hex({:x}):", type);
  for (size_t i = 0; i < data.size(); ++i) {
    text += fmt::format("{}{:02x}", i == 0 ? "" : i % 25 == 0 ? ",\\\r\n  " : ",", data[i]);
  }
  const auto out = parse_reg_file(as_bytes(kHead + text + "\r\n"));
  RC_ASSERT(out.has_value());
  RC_ASSERT(out->values.size() == 1u);
  RC_ASSERT(out->values[0].type == type);
  RC_ASSERT(out->values[0].data == data);
}

}  // namespace
}  // namespace hookline::config
