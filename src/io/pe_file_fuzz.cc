// Any bytes as a file of Windows: it is read, or refused with a reason.
#include <cstdlib>

#include "io/pe_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookline;
  const auto file = io::read_pe({data, size});
  if (!file) {
    if (file.error().text.empty()) std::abort();
    return 0;
  }
  if (file->imports.size() > io::kPeDllsMax) std::abort();
  if (file->exports.size() > 2 * io::kPeNamesMax) std::abort();
  for (const auto& one : io::unmet_imports(*file, [](const std::string&) { return nullptr; })) {
    if (one.text().empty()) std::abort();
  }
  return 0;
}
