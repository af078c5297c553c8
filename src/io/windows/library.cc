#include "io/windows/library.h"

#include <fmt/core.h>
#include <windows.h>

#include <algorithm>

#include "base/utf16.h"
#include "io/windows/event_log.h"

namespace hookline::io {

namespace {

const wchar_t* wide(const std::u16string& text) {
  return reinterpret_cast<const wchar_t*>(text.c_str());
}

class WindowsLibrary final : public Library {
 public:
  explicit WindowsLibrary(HMODULE module) : module_(module) {}
  ~WindowsLibrary() override { ::FreeLibrary(module_); }
  WindowsLibrary(const WindowsLibrary&) = delete;
  WindowsLibrary& operator=(const WindowsLibrary&) = delete;

  void* find(const char* symbol) const override {
    return reinterpret_cast<void*>(::GetProcAddress(module_, symbol));
  }

 private:
  HMODULE module_;
};

std::string why_not_loaded(DWORD error) {
  switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      return "No such file or directory";
    case ERROR_ACCESS_DENIED:
      return "the helper may not read it";
    case ERROR_MOD_NOT_FOUND:
      return "a DLL that it needs is not there: 'hookline callout check' says which";
    case ERROR_PROC_NOT_FOUND:
      return "a function that it needs is not there: 'hookline callout check' says which";
    case ERROR_BAD_EXE_FORMAT:
      return "not a DLL for x86-64";
    case ERROR_DLL_INIT_FAILED:
      return "its DllMain refused";
    default:
      return fmt::format("LoadLibrary says error {}", error);
  }
}

}  // namespace

std::u16string WindowsLibraries::windows_path(const std::string& path) const {
  std::string name = path;
  const auto known = std::find_if(names_.begin(), names_.end(),
                                  [&](const auto& pair) { return pair.first == path; });
  if (known != names_.end()) name = known->second;
  if (name.starts_with('/')) name.insert(0, "Z:");
  std::replace(name.begin(), name.end(), '/', '\\');
  return to_utf16(name).value_or(u"?");
}

bool WindowsLibraries::exists(const std::string& path) const {
  return ::GetFileAttributesW(wide(windows_path(path))) != INVALID_FILE_ATTRIBUTES;
}

Result<std::unique_ptr<Library>> WindowsLibraries::open(const std::string& path) {
  // What it needs is searched for in its own folder first.
  const HMODULE module =
      ::LoadLibraryExW(wide(windows_path(path)), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (module == nullptr) {
    const DWORD error = ::GetLastError();
    const bool missing = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    return fail(missing ? ErrorKind::Missing : ErrorKind::Invalid, why_not_loaded(error));
  }
  redirect_events();
  return std::make_unique<WindowsLibrary>(module);
}

}  // namespace hookline::io
