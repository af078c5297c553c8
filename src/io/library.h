// Shared libraries: loading other people's code into this process. src/io/linux has dlopen.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hookline::io {

// One loaded library. Unloads when it goes, unless the library itself does not allow that.
class Library {
 public:
  virtual ~Library() = default;
  // A symbol that this very library exports, not one that it needs; null: there is none.
  virtual void* find(const char* symbol) const = 0;
};

// Any thread. What a library does while it is loaded (constructors, DllMain) runs on the caller's.
class Libraries {
 public:
  virtual ~Libraries() = default;
  virtual bool exists(const std::string& path) const = 0;
  // Missing: there is no such file. Invalid: it is none for this machine, and the text says what it
  // is instead. Texts do not repeat the path.
  virtual Result<std::unique_ptr<Library>> open(const std::string& path) = 0;
  // The file as it is now, although another with this path, or this very one, is in memory already:
  // it gets variables of its own.
  virtual Result<std::unique_ptr<Library>> open_anew(const std::string& path) { return open(path); }
};

// What file headers are looked at: enough for ELF and PE with their tables.
inline constexpr size_t kLibraryHeadBytes = 4096;

// Why a file that begins with `head` and has `size` bytes is no library for this machine; none: it
// looks like one. Never trusts the file: a library that was cut off would end the process when it
// is mapped.
std::optional<std::string> why_no_library(Bytes head, uint64_t size);

}  // namespace hookline::io
