// A registry export (.reg), as regedit and reg.exe write it: the DHCP server's key is taken out of
// it, every other key is skipped. Pure.
//
// Read are version 5.00 and REGEDIT4, in UTF-16LE, UTF-8 (each with and without its mark) or
// Windows-1252; all kinds of values, line continuations, comments, and deletions ("x"=- and
// [-key]).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "config/problems.h"
#include "line/config.h"

namespace hookline::config {

// What the file says of HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\DHCPServer\Parameters
// (or of ControlSet001 and so on), without regard to case.
struct RegistryExport {
  bool has_key = false;
  std::vector<RegistryValue> values;  // one of a name: the last that the file has
  std::vector<std::string> subkeys;   // those that the file names, each once
};

struct RegFault {
  Position at;
  std::string text;
};

tl::expected<RegistryExport, RegFault> parse_reg_file(Bytes file);

// A value of the key itself; null: there is none.
const RegistryValue* find_value(const RegistryExport& registry, std::string_view name);
// The texts of a REG_MULTI_SZ; none: another type, or not text.
std::optional<std::vector<std::string>> texts_of(const RegistryValue& value);
// None: no REG_DWORD.
std::optional<uint32_t> number_of(const RegistryValue& value);
// "REG_MULTI_SZ"; "type 4096" for what has no name.
std::string registry_type_name(uint32_t type);

}  // namespace hookline::config
