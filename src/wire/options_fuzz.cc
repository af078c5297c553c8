// libFuzzer: the first byte is an option's code, the rest its value: rendered for people, and
// encoded as if an operator had written it.
#include "base/check.h"
#include "wire/option_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookline;
  using namespace hookline::wire;
  if (size == 0) return 0;
  const OptionDef& def = find_option(data[0]);
  const Bytes value(data + 1, size - 1);
  for (char c : render_option(def.code, value)) CHECK(c >= ' ' && c <= '~', "printable");

  const std::string text(as_text(value));
  OptionValue::List list;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    list.emplace_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  const OptionRoute route{text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  for (const OptionValue& written :
       {OptionValue(text), OptionValue(list), OptionValue(route), OptionValue(true)}) {
    const auto bytes = encode_option(def, written);
    if (!bytes) continue;
    CHECK(!def.server_only && bytes->size() >= def.size_min, "as the table says");
    CHECK(!render_option(def.code, *bytes).empty(), "what is encoded can be shown");
  }
  (void)nearest_option_name(text.substr(0, 16));
  return 0;
}
