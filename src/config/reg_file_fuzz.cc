// Any bytes as a registry export: never a crash, and either values or one fault within the text.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/limits.h"
#include "base/utf16.h"
#include "config/reg_file.h"

using namespace hookline;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto out = config::parse_reg_file({data, size});
  if (!out) {
    CHECK(out.error().at.line >= 1 && out.error().at.line <= size + 1, "a place in the file");
    CHECK(!out.error().text.empty(), "a reason");
    return 0;
  }
  CHECK(out->values.size() <= kRegistryValuesMax, "bounded");
  CHECK(out->subkeys.size() <= kRegistryValuesMax, "bounded");
  CHECK(out->has_key || out->values.empty(), "values belong to the key");
  for (const RegistryValue& value : out->values) {
    CHECK(value.name.find('\0') == std::string::npos, "a name is a text");
    (void)config::texts_of(value);
    (void)config::number_of(value);
    if (value.type == 1) CHECK(!value.data.empty() && value.data.size() % 2 == 0, "16-bit text");
  }
  return 0;
}
