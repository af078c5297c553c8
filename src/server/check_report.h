// What is on a sheet, for people and for programs. Takes nothing on it for granted.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "server/callout_check.h"
#include "server/check_sheet.h"

namespace hookline::check {

// Where a test host was: "DhcpNewPktHook", "DhcpServerCalloutEntry", "outside its hooks".
std::string place_name(uint32_t place);
std::string failure_text(const Sheet& sheet);

// Everything that speaks against the callout. `ends` are those of test hosts that did not come to
// their end.
std::vector<Finding> find_breaches(const CheckOptions& options, const Sheet& sheet,
                                   const std::vector<Finding>& ends);

void print_table(const CheckOptions& options, const Sheet& sheet,
                 const std::vector<Finding>& findings, std::FILE* out);
void print_json(const CheckOptions& options, const Sheet& sheet,
                const std::vector<Finding>& findings, std::FILE* out);

}  // namespace hookline::check
