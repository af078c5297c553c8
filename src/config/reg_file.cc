#include "config/reg_file.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/limits.h"
#include "base/utf16.h"
#include "config/reg_text.h"

namespace hookline::config {

namespace {

constexpr uint32_t kRegSz = 1;
constexpr uint32_t kRegExpandSz = 2;
constexpr uint32_t kRegBinary = 3;
constexpr uint32_t kRegDword = 4;
constexpr uint32_t kRegMultiSz = 7;

constexpr std::string_view kTypeNames[] = {"REG_NONE",
                                           "REG_SZ",
                                           "REG_EXPAND_SZ",
                                           "REG_BINARY",
                                           "REG_DWORD",
                                           "REG_DWORD_BIG_ENDIAN",
                                           "REG_LINK",
                                           "REG_MULTI_SZ",
                                           "REG_RESOURCE_LIST",
                                           "REG_FULL_RESOURCE_DESCRIPTOR",
                                           "REG_RESOURCE_REQUIREMENTS_LIST",
                                           "REG_QWORD"};

std::optional<unsigned> digit_of(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The front of `path` up to a backslash, which goes too.
std::string_view take_part(std::string_view& path) {
  const std::string_view part = path.substr(0, path.find('\\'));
  path.remove_prefix(std::min(part.size() + 1, path.size()));
  return part;
}

bool is_control_set(std::string_view part) {
  constexpr std::string_view kNumbered = "ControlSet";
  if (equal_ignoring_case(part, "CurrentControlSet")) return true;
  return part.size() == kNumbered.size() + 3 &&
         equal_ignoring_case(part.substr(0, kNumbered.size()), kNumbered) &&
         std::all_of(part.begin() + kNumbered.size(), part.end(), is_digit);
}

// What follows the server's key in `path`: "" for the key itself. None: another key.
std::optional<std::string> subkey_of(std::string_view path) {
  for (const std::string_view part : {"HKEY_LOCAL_MACHINE", "SYSTEM"}) {
    if (!equal_ignoring_case(take_part(path), part)) return std::nullopt;
  }
  if (!is_control_set(take_part(path))) return std::nullopt;
  for (const std::string_view part : {"Services", "DHCPServer", "Parameters"}) {
    if (!equal_ignoring_case(take_part(path), part)) return std::nullopt;
  }
  return std::string(path);
}

// `key` is `of` or lies below it.
bool is_within(std::string_view key, std::string_view of) {
  if (of.empty() || equal_ignoring_case(key, of)) return true;
  return key.size() > of.size() && key[of.size()] == '\\' &&
         equal_ignoring_case(key.substr(0, of.size()), of);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  RegistryExport run();
  const std::optional<RegFault>& fault() const { return fault_; }

 private:
  void header();
  void section();
  void enter(std::string_view path, bool deleted);
  void value();
  bool name(std::string& out);
  bool data(RegistryValue& out);
  bool in_quotes(std::string& out);
  bool dword(RegistryValue& out);
  bool hex(RegistryValue& out);
  bool hex_type(uint32_t& out);
  bool hex_byte(uint8_t& out);
  void from_ansi(RegistryValue& value) const;
  void keep(RegistryValue value);
  void forget(const std::string& name);
  bool end_of_line();

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\n' : text_[at_]; }
  bool take(char c);
  bool take_word(std::string_view word);
  void skip_blanks();
  void skip_line();
  // After a comma: blanks, and ends of lines that a backslash or comma has announced.
  void skip_continuation();
  bool fail_at(size_t at, std::string text);
  Position place_of(size_t at) const;

  std::string_view text_;
  size_t at_ = 0;
  bool ansi_ = false;                  // REGEDIT4: texts in hex are of the code page
  std::optional<std::string> subkey_;  // none: a key that is skipped
  RegistryExport out_;
  std::optional<RegFault> fault_;
};

Position Parser::place_of(size_t at) const {
  Position place{1, 1};
  for (const char c : text_.substr(0, at)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

bool Parser::fail_at(size_t at, std::string text) {
  if (!fault_) fault_ = RegFault{place_of(at), std::move(text)};
  return false;
}

bool Parser::take(char c) {
  if (at_end() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool Parser::take_word(std::string_view word) {
  if (!equal_ignoring_case(text_.substr(at_, word.size()), word)) return false;
  at_ += word.size();
  return true;
}

void Parser::skip_blanks() {
  while (!at_end() && (is_blank(text_[at_]) || text_[at_] == '\r')) ++at_;
}

void Parser::skip_line() {
  while (!at_end() && text_[at_] != '\n') ++at_;
  take('\n');
}

// Nothing but blanks and a comment is left of the line.
bool Parser::end_of_line() {
  skip_blanks();
  if (peek() != ';' && peek() != '\n') {
    return fail_at(at_, "expected the end of the line after the value");
  }
  skip_line();
  return true;
}

RegistryExport Parser::run() {
  header();
  while (!fault_ && !at_end()) {
    skip_blanks();
    const bool nothing = peek() == '\n' || peek() == ';';
    if (peek() == '[') {
      section();
    } else if (subkey_ && !nothing) {
      value();
    } else {
      skip_line();
    }
  }
  return std::move(out_);
}

void Parser::header() {
  for (skip_blanks(); !at_end() && peek() == '\n'; skip_blanks()) skip_line();
  const size_t begin = at_;
  if (take_word("REGEDIT4")) {
    ansi_ = true;
  } else if (!take_word("Windows Registry Editor Version 5.00")) {
    fail_at(begin,
            "not a registry export: it begins with neither \"Windows Registry Editor "
            "Version 5.00\" nor \"REGEDIT4\"");
    return;
  }
  skip_blanks();
  if (peek() != '\n') fail_at(at_, "expected the end of the line after the version");
}

void Parser::section() {
  const size_t begin = at_++;
  const bool deleted = take('-');
  const size_t line_end = std::min(text_.find('\n', at_), text_.size());
  const size_t close = text_.substr(0, line_end).rfind(']');
  if (close == std::string_view::npos || close < at_) {
    fail_at(begin, "expected \"]\" after the key's name");
    return;
  }
  enter(text_.substr(at_, close - at_), deleted);
  at_ = close + 1;
  end_of_line();
}

void Parser::enter(std::string_view path, bool deleted) {
  subkey_ = subkey_of(path);
  if (!subkey_) return;
  if (deleted) {
    std::erase_if(out_.values, [&](const auto& v) { return is_within(v.subkey, *subkey_); });
    std::erase_if(out_.subkeys, [&](const auto& key) { return is_within(key, *subkey_); });
    if (subkey_->empty()) out_.has_key = false;
    subkey_.reset();
    return;
  }
  out_.has_key = true;
  // Every key on the way exists too.
  for (size_t end = 0; end < subkey_->size();) {
    end = std::min(subkey_->find('\\', end + 1), subkey_->size());
    std::string key = subkey_->substr(0, end);
    const auto same = [&](const std::string& other) { return equal_ignoring_case(other, key); };
    if (std::any_of(out_.subkeys.begin(), out_.subkeys.end(), same)) continue;
    if (out_.subkeys.size() == kRegistryValuesMax) {
      fail_at(at_, fmt::format("too many subkeys of the DHCP server's key: at most {}",
                               kRegistryValuesMax));
      return;
    }
    out_.subkeys.push_back(std::move(key));
  }
}

void Parser::value() {
  RegistryValue value;
  value.subkey = *subkey_;
  if (!name(value.name)) return;
  skip_blanks();
  if (!take('=')) {
    fail_at(at_, "expected \"=\" after the value's name");
    return;
  }
  skip_blanks();
  if (take('-')) {
    if (end_of_line()) forget(value.name);
    return;
  }
  if (data(value) && end_of_line()) keep(std::move(value));
}

bool Parser::name(std::string& out) {
  if (take('@')) return true;
  if (peek() == '"') return in_quotes(out);
  return fail_at(at_, "expected a value's name in quotes, \"@\", or [a key]");
}

bool Parser::data(RegistryValue& out) {
  const size_t begin = at_;
  if (peek() == '"') {
    std::string text;
    if (!in_quotes(text)) return false;
    out.type = kRegSz;
    out.data = utf16le_bytes(to_utf16(text).value() + u'\0');
    return true;
  }
  if (take_word("dword:")) return dword(out);
  if (take_word("hex")) return hex(out);
  return fail_at(begin, "expected a text in quotes, dword:, hex: or hex(…):");
}

// regedit writes line ends of a text as they are.
bool Parser::in_quotes(std::string& out) {
  const size_t begin = at_++;
  for (;;) {
    if (at_end()) return fail_at(begin, "the text that begins here is not closed");
    const char c = text_[at_++];
    if (c == '"') return true;
    if (c == '\0') return fail_at(at_ - 1, "a text must not hold NUL");
    if (c != '\\') {
      out += c;
      continue;
    }
    if (peek() != '\\' && peek() != '"') {
      return fail_at(at_ - 1, "a backslash in a text is written \"\\\\\"");
    }
    out += text_[at_++];
  }
}

bool Parser::dword(RegistryValue& out) {
  const size_t begin = at_;
  uint32_t number = 0;
  while (const auto digit = digit_of(peek())) {
    if (at_ - begin == 8) return fail_at(begin, "a dword has at most 8 hex digits");
    number = number << 4 | *digit;
    ++at_;
  }
  if (at_ == begin) return fail_at(begin, "expected a number of hex digits after dword:");
  out.type = kRegDword;
  for (int shift = 0; shift < 32; shift += 8) {
    out.data.push_back(static_cast<uint8_t>(number >> shift));
  }
  return true;
}

bool Parser::hex_type(uint32_t& out) {
  out = kRegBinary;
  if (!take('(')) return true;
  const size_t begin = at_;
  out = 0;
  while (const auto digit = digit_of(peek())) {
    if (at_ - begin == 8) return fail_at(begin, "a type has at most 8 hex digits");
    out = out << 4 | *digit;
    ++at_;
  }
  if (at_ == begin) return fail_at(begin, "expected the type's number in hex(…):");
  return take(')') || fail_at(at_, "expected \")\" after the type");
}

bool Parser::hex_byte(uint8_t& out) {
  const size_t begin = at_;
  const auto high = digit_of(peek());
  if (!high) return fail_at(begin, "expected two hex digits");
  ++at_;
  out = static_cast<uint8_t>(*high);
  if (const auto low = digit_of(peek())) {
    out = static_cast<uint8_t>(*high << 4 | *low);
    ++at_;
  }
  if (digit_of(peek())) return fail_at(begin, "a byte has at most two hex digits");
  return true;
}

void Parser::skip_continuation() {
  skip_blanks();
  while (!at_end() && peek() == '\\') {
    const size_t backslash = at_++;
    skip_blanks();
    if (at_end() || !take('\n')) {
      fail_at(backslash, "a backslash continues the line: nothing may follow it");
      return;
    }
    skip_blanks();
  }
}

bool Parser::hex(RegistryValue& out) {
  if (!hex_type(out.type)) return false;
  if (!take(':')) return fail_at(at_, "expected \":\" after hex");
  skip_continuation();
  if (!fault_ && (peek() == '\n' || peek() == ';')) return true;
  do {
    skip_continuation();
    uint8_t byte = 0;
    if (fault_ || !hex_byte(byte)) return false;
    out.data.push_back(byte);
    skip_continuation();
  } while (!fault_ && take(','));
  if (ansi_) from_ansi(out);
  return !fault_;
}

void Parser::from_ansi(RegistryValue& value) const {
  if (value.type != kRegSz && value.type != kRegExpandSz && value.type != kRegMultiSz) return;
  value.data = utf16le_bytes(from_windows_1252(value.data));
}

void Parser::keep(RegistryValue value) {
  forget(value.name);
  if (out_.values.size() == kRegistryValuesMax) {
    fail_at(at_, fmt::format("too many values of the DHCP server's key: at most {}",
                             kRegistryValuesMax));
    return;
  }
  out_.values.push_back(std::move(value));
}

void Parser::forget(const std::string& name) {
  std::erase_if(out_.values, [&](const RegistryValue& v) {
    return equal_ignoring_case(v.subkey, *subkey_) && equal_ignoring_case(v.name, name);
  });
}

}  // namespace

tl::expected<RegistryExport, RegFault> parse_reg_file(Bytes file) {
  const auto text = reg_text(file);
  if (!text) return tl::unexpected(RegFault{{1, 1}, text.error()});
  Parser parser(*text);
  RegistryExport out = parser.run();
  if (parser.fault()) return tl::unexpected(*parser.fault());
  return out;
}

const RegistryValue* find_value(const RegistryExport& registry, std::string_view name) {
  for (const RegistryValue& value : registry.values) {
    if (value.subkey.empty() && equal_ignoring_case(value.name, name)) return &value;
  }
  return nullptr;
}

std::optional<std::vector<std::string>> texts_of(const RegistryValue& value) {
  if (value.type != kRegMultiSz) return std::nullopt;
  std::vector<std::string> out;
  const std::u16string all = from_utf16le(value.data);
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find(u'\0', begin), all.size());
    if (end == begin) break;
    auto text = to_utf8(std::u16string_view(all).substr(begin, end - begin));
    if (!text) return std::nullopt;
    out.push_back(std::move(*text));
    begin = end + 1;
  }
  return out;
}

std::optional<uint32_t> number_of(const RegistryValue& value) {
  if (value.type != kRegDword || value.data.size() != 4) return std::nullopt;
  return value.data[0] | uint32_t{value.data[1]} << 8 | uint32_t{value.data[2]} << 16 |
         uint32_t{value.data[3]} << 24;
}

std::string registry_type_name(uint32_t type) {
  return type < std::size(kTypeNames) ? std::string(kTypeNames[type])
                                      : fmt::format("type {}", type);
}

}  // namespace hookline::config
