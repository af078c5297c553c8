// Programs and libraries of Windows, as files (Microsoft's PE format): what one is, what it needs
// of others, and what it has for them. Every byte is hostile; nothing is run, and nothing recurses.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hookline::io {

// What one file may name; more is a file that was made to hurt.
inline constexpr size_t kPeDllsMax = 1024;
inline constexpr size_t kPeNamesMax = 65'536;
inline constexpr size_t kPeNameBytesMax = 512;

// Of another DLL, as the file spells it.
struct PeImport {
  std::string dll;
  std::vector<std::string> functions;  // "#17": by its number
  bool delayed = false;                // asked for when it is first called
};

struct PeFile {
  uint16_t machine = 0;
  bool is_64_bit = false;  // PE32+
  bool is_dll = false;
  bool is_managed = false;  // .NET code, all or some of it
  std::vector<PeImport> imports;
  std::unordered_set<std::string> exports;  // by name, and "#17" by number
};

// Invalid: it is no such file, or a broken one; the text says which.
Result<PeFile> read_pe(Bytes file);

// Why a process for x86-64 cannot load it; none: it can.
std::optional<std::string> why_no_callout_dll(const PeFile& file);

// Exports of a DLL by its name in lower case, "kernel32.dll"; null: there is no such DLL.
using PeExports = std::function<const std::unordered_set<std::string>*(const std::string& dll)>;

// What of its imports cannot be met: "dhcpsapi.dll" as a whole, or "kernel32.dll: Foo".
struct PeUnmet {
  std::string dll;
  std::string function;  // empty: the whole DLL, without which it is not loaded
  bool delayed = false;

  std::string text() const;
};
std::vector<PeUnmet> unmet_imports(const PeFile& file, const PeExports& exports);

}  // namespace hookline::io
