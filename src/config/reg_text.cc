#include "config/reg_text.h"

#include "base/utf16.h"

namespace hookline::config {

namespace {

constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

// 0x80 to 0x9F; the other bytes are Unicode's own first 256.
constexpr char16_t kHigh[32] = {0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
                                0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

tl::expected<std::string, std::string> from_utf16(Bytes bytes) {
  if (bytes.size() % 2 != 0) return tl::unexpected(std::string("UTF-16 with half a character"));
  auto text = to_utf8(from_utf16le(bytes));
  if (!text) return tl::unexpected(std::string("not valid UTF-16: half a surrogate pair"));
  return std::move(*text);
}

}  // namespace

std::u16string from_windows_1252(Bytes bytes) {
  std::u16string text;
  for (const uint8_t byte : bytes) {
    text += byte >= 0x80 && byte < 0xA0 ? kHigh[byte - 0x80] : char16_t{byte};
  }
  return text;
}

tl::expected<std::string, std::string> reg_text(Bytes file) {
  if (file.size() >= 2 && file[0] == 0xFE && file[1] == 0xFF) {
    return tl::unexpected(std::string("big-endian UTF-16, which regedit does not write"));
  }
  if (file.size() >= 2 && file[0] == 0xFF && file[1] == 0xFE) return from_utf16(file.subspan(2));
  // Without a mark: the first character of an export is a letter.
  if (file.size() >= 2 && file[0] != 0 && file[1] == 0) return from_utf16(file);
  std::string_view text = as_text(file);
  if (text.starts_with(kUtf8Mark)) text.remove_prefix(kUtf8Mark.size());
  if (to_utf16(text)) return std::string(text);
  return to_utf8(from_windows_1252(as_bytes(text))).value();
}

}  // namespace hookline::config
