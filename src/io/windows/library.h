// Windows DLLs by LoadLibrary. Paths are those of Linux; Wine's drive Z: is its root.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/library.h"

namespace hookline::io {

class WindowsLibraries final : public Libraries {
 public:
  // `names`: files that are known under a Windows path, each with that path. They are loaded as
  // such.
  explicit WindowsLibraries(std::vector<std::pair<std::string, std::string>> names)
      : names_(std::move(names)) {}
  bool exists(const std::string& path) const override;
  Result<std::unique_ptr<Library>> open(const std::string& path) override;

 private:
  std::u16string windows_path(const std::string& path) const;

  std::vector<std::pair<std::string, std::string>> names_;
};

}  // namespace hookline::io
