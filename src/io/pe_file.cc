#include "io/pe_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hookline::io {

namespace {

constexpr uint16_t kAmd64 = 0x8664, kI386 = 0x14C, kArm64 = 0xAA64;
constexpr uint16_t kDllFlag = 0x2000;
constexpr uint16_t kPlus = 0x20B, kPlain = 0x10B;
constexpr size_t kSectionsMax = 96;  // as Windows' own loader
constexpr size_t kSectionBytes = 40, kImportBytes = 20, kDelayBytes = 32, kExportBytes = 40;
constexpr size_t kExportEntry = 0, kImportEntry = 1, kDelayEntry = 13, kManagedEntry = 14;

struct Section {
  uint32_t address = 0, size = 0, offset = 0, bytes = 0;
};

// The file as it lies in memory, by addresses relative to its base.
class Image {
 public:
  explicit Image(Bytes file) : file_(file) {}

  // Little-endian; none: outside the file.
  std::optional<uint64_t> at_offset(uint64_t offset, size_t size) const {
    if (offset > file_.size() || size > file_.size() - offset) return std::nullopt;
    uint64_t value = 0;
    for (size_t i = size; i > 0; --i) value = value << 8 | file_[offset + i - 1];
    return value;
  }
  std::optional<uint64_t> at(uint64_t address, size_t size) const {
    const auto offset = offset_of(address);
    return offset ? at_offset(*offset, size) : std::nullopt;
  }
  // Up to its NUL; none: there is none within reach.
  std::optional<std::string> text(uint64_t address) const {
    const auto offset = offset_of(address);
    if (!offset || *offset >= file_.size()) return std::nullopt;
    const Bytes left = file_.subspan(*offset, std::min(file_.size() - *offset, kPeNameBytesMax));
    const auto end = std::find(left.begin(), left.end(), 0);
    if (end == left.end()) return std::nullopt;
    std::string name(left.begin(), end);
    const auto is_plain = [](char c) { return c > ' ' && c < 127; };
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_plain)) return std::nullopt;
    return name;
  }

  std::vector<Section> sections;

 private:
  std::optional<uint64_t> offset_of(uint64_t address) const {
    for (const Section& section : sections) {
      if (address < section.address || address - section.address >= section.bytes) continue;
      return section.offset + (address - section.address);
    }
    return std::nullopt;
  }

  Bytes file_;
};

struct Directory {
  uint64_t address = 0, size = 0;
};

struct Headers {
  PeFile file;
  std::array<Directory, 16> directories;
};

tl::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorKind::Invalid, fmt::format("a broken Windows file: {}", what));
}

Result<Headers> read_headers(Image& image) {
  const auto magic = image.at_offset(0, 2);
  if (!magic || *magic != 0x5A4D)
    return fail(ErrorKind::Invalid, "not a Windows DLL: leave host = \"wine\" out");
  const auto begin = image.at_offset(0x3C, 4);
  const auto signature = begin ? image.at_offset(*begin, 4) : std::nullopt;
  if (!signature || *signature != 0x4550) {
    return fail(ErrorKind::Invalid, "a program for DOS or 16-bit Windows, or a broken one");
  }
  const uint64_t coff = *begin + 4, optional = coff + 20;
  const auto machine = image.at_offset(coff, 2);
  const auto count = image.at_offset(coff + 2, 2);
  const auto optional_bytes = image.at_offset(coff + 16, 2);
  const auto flags = image.at_offset(coff + 18, 2);
  const auto kind = image.at_offset(optional, 2);
  if (!machine || !count || !optional_bytes || !flags || !kind) return broken("it was cut off");
  if (*kind != kPlus && *kind != kPlain) return broken("its header is of no known kind");
  Headers headers;
  headers.file.machine = static_cast<uint16_t>(*machine);
  headers.file.is_64_bit = *kind == kPlus;
  headers.file.is_dll = (*flags & kDllFlag) != 0;
  const uint64_t table = optional + (*kind == kPlus ? 112 : 96);
  const auto entries = image.at_offset(table - 4, 4);
  if (!entries) return broken("it was cut off");
  for (size_t i = 0; i < std::min<uint64_t>(*entries, headers.directories.size()); ++i) {
    const auto address = image.at_offset(table + i * 8, 4);
    const auto size = image.at_offset(table + i * 8 + 4, 4);
    if (!address || !size) return broken("it was cut off");
    headers.directories[i] = {*address, *size};
  }
  headers.file.is_managed = headers.directories[kManagedEntry].address != 0;
  if (*count > kSectionsMax) return broken("it has too many sections");
  for (uint64_t i = 0; i < *count; ++i) {
    const uint64_t at = optional + *optional_bytes + i * kSectionBytes;
    const auto size = image.at_offset(at + 8, 4), address = image.at_offset(at + 12, 4);
    const auto bytes = image.at_offset(at + 16, 4), offset = image.at_offset(at + 20, 4);
    if (!size || !address || !bytes || !offset) return broken("it was cut off");
    image.sections.push_back({static_cast<uint32_t>(*address), static_cast<uint32_t>(*size),
                              static_cast<uint32_t>(*offset), static_cast<uint32_t>(*bytes)});
  }
  return headers;
}

// The functions of one DLL, from the table at `address`. `left`: how many more this file may name.
Result<std::vector<std::string>> read_thunks(const Image& image, uint64_t address, bool is_64_bit,
                                             size_t& left) {
  std::vector<std::string> functions;
  const size_t size = is_64_bit ? 8 : 4;
  const uint64_t by_number = uint64_t{1} << (size * 8 - 1);
  for (;; address += size) {
    const auto thunk = image.at(address, size);
    if (!thunk) return broken("its imports lie outside");
    if (*thunk == 0) return functions;
    if (left-- == 0) return broken("it imports too much");
    if ((*thunk & by_number) != 0) {
      functions.push_back(fmt::format("#{}", *thunk & 0xFFFF));
      continue;
    }
    auto name = image.text(*thunk + 2);
    if (!name) return broken("the name of an import lies outside");
    functions.push_back(std::move(*name));
  }
}

struct ImportTable {
  size_t entry, bytes, name_at, thunks_at, other_thunks_at;
  bool delayed;
};
constexpr ImportTable kImportTables[] = {{kImportEntry, kImportBytes, 12, 0, 16, false},
                                         {kDelayEntry, kDelayBytes, 4, 16, 16, true}};

Result<void> read_imports(const Image& image, const ImportTable& table, Headers& headers,
                          size_t& left) {
  uint64_t at = headers.directories[table.entry].address;
  if (at == 0) return {};
  for (;; at += table.bytes) {
    const auto name_at = image.at(at + table.name_at, 4);
    auto thunks = image.at(at + table.thunks_at, 4);
    const auto other = image.at(at + table.other_thunks_at, 4);
    if (!name_at || !thunks || !other) return broken("its imports lie outside");
    if (*name_at == 0) return {};
    if (*thunks == 0) thunks = other;
    if (headers.file.imports.size() == kPeDllsMax) return broken("it imports too much");
    auto name = image.text(*name_at);
    if (!name) return broken("the name of a DLL lies outside");
    auto functions = read_thunks(image, *thunks, headers.file.is_64_bit, left);
    if (!functions) return tl::unexpected(functions.error());
    headers.file.imports.push_back({std::move(*name), std::move(*functions), table.delayed});
  }
}

Result<void> read_exports(const Image& image, Headers& headers) {
  const uint64_t at = headers.directories[kExportEntry].address;
  if (at == 0) return {};
  const auto base = image.at(at + 16, 4), functions = image.at(at + 20, 4);
  const auto names = image.at(at + 24, 4), table = image.at(at + 28, 4);
  const auto names_at = image.at(at + 32, 4);
  if (!base || !functions || !names || !table || !names_at || !image.at(at, kExportBytes - 36)) {
    return broken("its exports lie outside");
  }
  if (*functions > kPeNamesMax || *names > kPeNamesMax) return broken("it exports too much");
  for (uint64_t i = 0; i < *functions; ++i) {
    const auto address = image.at(*table + i * 4, 4);
    if (!address) return broken("its exports lie outside");
    if (*address != 0) headers.file.exports.insert(fmt::format("#{}", *base + i));
  }
  for (uint64_t i = 0; i < *names; ++i) {
    const auto name_at = image.at(*names_at + i * 4, 4);
    auto name = name_at ? image.text(*name_at) : std::nullopt;
    if (!name) return broken("the name of an export lies outside");
    headers.file.exports.insert(std::move(*name));
  }
  return {};
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

// Names of sets of functions, which the system maps to DLLs of its own.
bool is_api_set(const std::string& dll) {
  return dll.starts_with("api-ms-win-") || dll.starts_with("ext-ms-");
}

}  // namespace

Result<PeFile> read_pe(Bytes file) {
  Image image(file);
  auto headers = read_headers(image);
  if (!headers) return tl::unexpected(headers.error());
  // What this process could not load is not looked into any further.
  if (headers->file.machine != kAmd64 || !headers->file.is_64_bit) return std::move(headers->file);
  size_t left = kPeNamesMax;
  for (const ImportTable& table : kImportTables) {
    if (auto done = read_imports(image, table, *headers, left); !done) {
      return tl::unexpected(done.error());
    }
  }
  if (auto done = read_exports(image, *headers); !done) return tl::unexpected(done.error());
  return std::move(headers->file);
}

std::optional<std::string> why_no_callout_dll(const PeFile& file) {
  if (file.is_managed) {
    return "it is managed code (.NET), which Wine cannot run without Mono; Windows' DHCP server "
           "takes native DLLs only";
  }
  if (file.machine == kI386) return "it is a 32-bit DLL; build or get it for x86-64";
  if (file.machine == kArm64) return "it is a DLL for ARM64; build or get it for x86-64";
  if (file.machine != kAmd64 || !file.is_64_bit) {
    return fmt::format("it is a DLL for another machine (0x{:04x}), not for x86-64", file.machine);
  }
  if (!file.is_dll) return "it is a Windows program, not a DLL";
  return std::nullopt;
}

std::string PeUnmet::text() const {
  std::string text = function.empty() ? dll : dll + ": " + function;
  if (delayed) text += " (when it first uses it)";
  return text;
}

std::vector<PeUnmet> unmet_imports(const PeFile& file, const PeExports& exports) {
  std::vector<PeUnmet> out;
  for (const PeImport& import : file.imports) {
    const std::string dll = lower(import.dll);
    const auto* const found = exports(dll);
    if (found == nullptr) {
      if (!is_api_set(dll)) out.push_back({import.dll, "", import.delayed});
      continue;
    }
    for (const std::string& function : import.functions) {
      if (found->count(function) == 0) out.push_back({import.dll, function, import.delayed});
    }
  }
  return out;
}

}  // namespace hookline::io
