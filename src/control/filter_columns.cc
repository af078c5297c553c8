// How `hookline filter` and `hookline ioctl` look.
#include <fmt/core.h>

#include <array>
#include <boost/json.hpp>

#include "control/render.h"
#include "control/text.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

constexpr std::array<Column, 51> kAll = {{{"", "kind"},
                                          {"", "name"},
                                          {"", "driver"},
                                          {"", "state"},
                                          {"", "layer"},
                                          {"", "sublayer"},
                                          {"", "action"},
                                          {"", "callout"},
                                          {"", "weight"},
                                          {"", "filters"},
                                          {"", "registered"},
                                          {"", "calls"},
                                          {"", "hits"},
                                          {"", "classified"},
                                          {"", "permitted"},
                                          {"", "blocked"},
                                          {"", "absorbed"},
                                          {"", "forgotten"},
                                          {"", "breaches"},
                                          {"", "injected"},
                                          {"", "succeeded"},
                                          {"", "failed"},
                                          {"", "cancelled"},
                                          {"", "refused"},
                                          {"", "in_flight"},
                                          {"", "loops_cut"},
                                          {"", "too_many"},
                                          {"", "required"},
                                          {"", "inside"},
                                          {"", "devices"},
                                          {"", "path"},
                                          {"", "why"},
                                          {"", "id"},
                                          {"", "key"},
                                          {"", "udp"},
                                          {"", "tcp"},
                                          {"", "contexts"},
                                          {"", "pended"},
                                          {"", "opened"},
                                          {"", "refused_flows"},
                                          {"", "reauthorized"},
                                          {"", "expired"},
                                          {"", "displaced"},
                                          {"", "aborted"},
                                          {"", "open"},
                                          {"", "indications"},
                                          {"", "indicated_bytes"},
                                          {"", "gathered"},
                                          {"", "deferred"},
                                          {"", "dropped"},
                                          {"", "ended"}}};

constexpr std::array<Column, 6> kDrivers = {{{"DRIVER", "name", false, 12},
                                             {"STATE", "state", false, 9},
                                             {"BREACHES", "breaches", true, 8},
                                             {"DEVICES", "devices", false, 7},
                                             {"PATH", "path", false, 0},
                                             {"WHY", "why", false, 0}}};
constexpr std::array<Column, 4> kSubLayers = {{{"SUBLAYER", "name", false, 24},
                                               {"WEIGHT", "weight", true, 6},
                                               {"FILTERS", "filters", true, 7},
                                               {"KEY", "key", false, 0}}};
constexpr std::array<Column, 10> kCallouts = {{{"CALLOUT", "name", false, 24},
                                               {"DRIVER", "driver", false, 12},
                                               {"LAYER", "layer", false, 27},
                                               {"ID", "id", true, 5},
                                               {"REGISTERED", "registered", false, 10},
                                               {"CALLS", "calls", true, 8},
                                               {"PERMITTED", "permitted", true, 9},
                                               {"BLOCKED", "blocked", true, 8},
                                               {"ABSORBED", "absorbed", true, 8},
                                               {"BREACHES", "breaches", true, 8}}};
constexpr std::array<Column, 10> kFilters = {{{"FILTER", "name", false, 24},
                                              {"LAYER", "layer", false, 27},
                                              {"SUBLAYER", "sublayer", false, 16},
                                              {"ACTION", "action", false, 11},
                                              {"WEIGHT", "weight", true, 20},
                                              {"HITS", "hits", true, 8},
                                              {"PERMITTED", "permitted", true, 9},
                                              {"BLOCKED", "blocked", true, 8},
                                              {"ABSORBED", "absorbed", true, 8},
                                              {"FORGOTTEN", "forgotten", true, 9}}};
constexpr std::array<Column, 4> kLayers = {{{"LAYER", "name", false, 27},
                                            {"CLASSIFIED", "classified", true, 10},
                                            {"BLOCKED", "blocked", true, 8},
                                            {"ABSORBED", "absorbed", true, 8}}};
constexpr std::array<Column, 9> kInjections = {{{"INJECTIONS", "name", false, 16},
                                                {"DRIVER", "driver", false, 12},
                                                {"INJECTED", "injected", true, 8},
                                                {"SUCCEEDED", "succeeded", true, 9},
                                                {"BLOCKED", "blocked", true, 8},
                                                {"FAILED", "failed", true, 8},
                                                {"CANCELLED", "cancelled", true, 9},
                                                {"REFUSED", "refused", true, 8},
                                                {"IN-FLIGHT", "in_flight", true, 9}}};

constexpr std::array<Column, 10> kFlows = {{{"UDP-FLOWS", "udp", true, 9},
                                            {"TCP-FLOWS", "tcp", true, 9},
                                            {"CONTEXTS", "contexts", true, 8},
                                            {"PENDED", "pended", true, 6},
                                            {"OPENED", "opened", true, 8},
                                            {"REFUSED", "refused_flows", true, 8},
                                            {"REAUTHORIZED", "reauthorized", true, 12},
                                            {"EXPIRED", "expired", true, 8},
                                            {"DISPLACED", "displaced", true, 9},
                                            {"ABORTED", "aborted", true, 7}}};

constexpr std::array<Column, 10> kStreams = {{{"STREAMS", "open", true, 7},
                                              {"OPENED", "opened", true, 8},
                                              {"INDICATIONS", "indications", true, 11},
                                              {"BYTES", "indicated_bytes", true, 12},
                                              {"GATHERED", "gathered", true, 8},
                                              {"DEFERRED", "deferred", true, 8},
                                              {"DROPPED", "dropped", true, 7},
                                              {"INJECTED", "injected", true, 8},
                                              {"COMPLETED", "ended", true, 9},
                                              {"FAILED", "failed", true, 8}}};

constexpr std::array<FilterSection, 8> kSections = {
    {{"driver", "drivers", kDrivers},
     {"sublayer", "sublayers", kSubLayers},
     {"callout", "callouts", kCallouts},
     {"filter", "filters", kFilters},
     {"layer", "layers", kLayers},
     {"flows", "flows", kFlows},
     {"streams", "streams", kStreams},
     {"injection", "injection handles", kInjections}}};

// "0010  68 69 00 …  hi."
std::string dump_line(size_t at, Bytes bytes) {
  std::string hex;
  std::string text;
  for (const uint8_t byte : bytes) {
    hex += fmt::format("{:02x} ", byte);
    text += byte >= 32 && byte < 127 ? static_cast<char>(byte) : '.';
  }
  return fmt::format("{:04x}  {:<48} {}\n", at, hex, text);
}

}  // namespace

std::span<const Column> filter_columns() { return kAll; }
std::span<const FilterSection> filter_sections() { return kSections; }

std::string ioctl_table(const json::value& answer) {
  constexpr size_t kBytesInLine = 16;
  if (!answer.is_object()) return {};
  const json::value* status = answer.get_object().if_contains("status_text");
  const json::value* data = answer.get_object().if_contains("data");
  if (status == nullptr || !status->is_string() || data == nullptr || !data->is_string()) return {};
  const std::vector<uint8_t> bytes =
      from_hex(data->get_string().c_str()).value_or(std::vector<uint8_t>());
  std::string text = fmt::format("{}, {} bytes\n", status->get_string().c_str(), bytes.size());
  for (size_t at = 0; at < bytes.size(); at += kBytesInLine) {
    text += dump_line(at, Bytes(bytes).subspan(at, std::min(kBytesInLine, bytes.size() - at)));
  }
  return text;
}

}  // namespace hookline::control
