#include "io/windows/process.h"

#include <windows.h>

#include <algorithm>

#include "base/utf16.h"

namespace hookline::io {

void prepare_process(const std::string& folder) {
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
  std::string path = "Z:" + folder;
  std::replace(path.begin(), path.end(), '/', '\\');
  const std::u16string wide = to_utf16(path).value_or(u"");
  ::SetCurrentDirectoryW(reinterpret_cast<const wchar_t*>(wide.c_str()));
}

}  // namespace hookline::io
