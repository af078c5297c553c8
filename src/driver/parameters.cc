#include "driver/parameters.h"

#include <cstring>

#include "base/utf16.h"

namespace hookline::driver {
namespace {

constexpr uint32_t kRegSz = 1;
constexpr uint32_t kRegDword = 4;
constexpr uint32_t kSuccess = 0;
constexpr uint32_t kFileNotFound = 2;
constexpr uint32_t kMoreData = 234;

std::vector<uint8_t> dword_bytes(uint32_t number) {
  std::vector<uint8_t> bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<uint8_t>(number >> shift));
  return bytes;
}

std::vector<uint8_t> text_bytes(const std::string& text) {
  std::u16string wide = to_utf16(text).value_or(u"?");
  wide += u'\0';
  return utf16le_bytes(wide);
}

}  // namespace

std::vector<RegistryValue> registry_values(const std::vector<DriverParameter>& parameters) {
  std::vector<RegistryValue> values;
  for (const DriverParameter& parameter : parameters) {
    RegistryValue value;
    value.name = parameter.name;
    value.type = parameter.is_number ? kRegDword : kRegSz;
    value.data = parameter.is_number ? dword_bytes(parameter.number) : text_bytes(parameter.text);
    values.push_back(std::move(value));
  }
  return values;
}

uint32_t query(std::span<const RegistryValue> values, std::string_view name, uint32_t* type,
               void* data, uint32_t* size) {
  for (const RegistryValue& value : values) {
    if (!equal_ignoring_case(value.name, name)) continue;
    const uint32_t room = data == nullptr ? 0 : *size;
    *type = value.type;
    *size = static_cast<uint32_t>(value.data.size());
    if (room < *size) return kMoreData;
    if (!value.data.empty()) std::memcpy(data, value.data.data(), value.data.size());
    return kSuccess;
  }
  return kFileNotFound;
}

}  // namespace hookline::driver
