// Libraries by dlopen. They are loaded with all their symbols bound at once, and see the symbols of
// the program, not those of each other.
#pragma once

#include "io/library.h"

namespace hookline::io {

// Whether a file is a library for this machine, by its headers; nothing is loaded.
Result<void> look_at_library(const std::string& path);

class LinuxLibraries final : public Libraries {
 public:
  bool exists(const std::string& path) const override;
  Result<std::unique_ptr<Library>> open(const std::string& path) override;
  Result<std::unique_ptr<Library>> open_anew(const std::string& path) override;
};

}  // namespace hookline::io
