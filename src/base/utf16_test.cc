#include "base/utf16.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hookline {
namespace {

TEST(Utf16Test, ConvertsBothWays) {
  const std::string utf8 = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
  const std::u16string utf16 = u"a\u00E9\u20AC\U0001F600";
  EXPECT_EQ(to_utf16(utf8), utf16);
  EXPECT_EQ(to_utf8(utf16), utf8);
  EXPECT_EQ(from_utf16le(utf16le_bytes(utf16)), utf16);
  EXPECT_EQ(utf16le_bytes(u"\u20AC"), (std::vector<uint8_t>{0xAC, 0x20}));
  const std::vector<uint8_t> odd = {0x41, 0, 0x42};
  EXPECT_EQ(from_utf16le(odd), u"A");
}

TEST(Utf16Test, RefusesWhatIsNoText) {
  for (const char* bad : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF5\x80\x80\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xC3x"}) {
    EXPECT_FALSE(to_utf16(bad)) << bad;
  }
  EXPECT_FALSE(to_utf8(std::u16string(1, char16_t{0xD800})));
  EXPECT_FALSE(to_utf8(std::u16string{char16_t{0xDC00}, u'a'}));
  EXPECT_FALSE(to_utf8(std::u16string{char16_t{0xD800}, u'a'}));
}

RC_GTEST_PROP(Utf16Test, ComesBackAsItWas, (const std::vector<uint16_t>& units)) {
  const std::u16string text(units.begin(), units.end());
  const auto utf8 = to_utf8(text);
  if (utf8) RC_ASSERT(to_utf16(*utf8) == text);
}

TEST(Utf16Test, IgnoresTheCaseOfLetters) {
  EXPECT_TRUE(equal_ignoring_case("CalloutDLLs", "calloutdlls"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
  EXPECT_TRUE(less_ignoring_case("a.dll", "B.dll"));
  EXPECT_FALSE(less_ignoring_case("B.dll", "a.dll"));
  EXPECT_TRUE(less_ignoring_case("a_b", "\xC3\xA9")) << "bytes, not signed characters";
  EXPECT_TRUE(less_ignoring_case("aZ", "a_")) << "folded to capitals, as Windows does";
}

}  // namespace
}  // namespace hookline
