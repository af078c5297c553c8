#include "line/option_set.h"

namespace hookline {

void OptionSet::set(uint8_t code, Bytes value) {
  if (!has(code)) {
    values_.emplace_back();
    index_[code] = static_cast<uint8_t>(values_.size());
  }
  values_[index_[code] - 1u].assign(value.begin(), value.end());
}

std::vector<uint8_t> OptionSet::codes() const {
  std::vector<uint8_t> out;
  for (unsigned code = 0; code < 256; ++code) {
    if (index_[code] != 0) out.push_back(static_cast<uint8_t>(code));
  }
  return out;
}

OptionSet OptionSet::over(const OptionSet& base) const {
  OptionSet out = base;
  for (uint8_t code : codes()) out.set(code, find(code));
  return out;
}

}  // namespace hookline
