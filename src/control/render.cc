#include "control/render.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "control/text.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

constexpr std::array<Column, 12> kLeaseColumns = {{{"ADDRESS", "address", false, 15},
                                                   {"STATE", "state", false, 8},
                                                   {"SCOPE", "scope", false, 12},
                                                   {"HW-ADDRESS", "hw_address", false, 17},
                                                   {"CLIENT-ID", "client_id", false, 20},
                                                   {"HOSTNAME", "hostname", false, 16},
                                                   {"START", "start", false, 20},
                                                   {"EXPIRY", "expiry", false, 20},
                                                   {"LAST-SEEN", "last_transaction", false, 20},
                                                   {"", "circuit_id"},
                                                   {"", "remote_id"},
                                                   {"", "bootp"}}};

constexpr std::array<Column, 13> kScopeColumns = {{{"SCOPE", "id", false, 12},
                                                   {"SUBNET", "subnet", false, 18},
                                                   {"SUPERSCOPE", "superscope", false, 10},
                                                   {"TOTAL", "total", true, 8},
                                                   {"ACTIVE", "active", true, 8},
                                                   {"OFFERED", "offered", true, 8},
                                                   {"DECLINED", "declined", true, 8},
                                                   {"RESERVED", "reserved", true, 8},
                                                   {"FREE", "free", true, 8},
                                                   {"OUTSIDE", "outside", true, 8},
                                                   {"USED%", "used_percent", true, 6},
                                                   {"", "released"},
                                                   {"", "expired"}}};

constexpr std::array<Column, 16> kCalloutColumns = {{{"CALLOUT", "callout", false, 12},
                                                     {"HOST", "host", false, 10},
                                                     {"STATE", "state", false, 11},
                                                     {"VERSION", "version", true, 7},
                                                     {"HOOK", "hook", false, 21},
                                                     {"CALLS", "calls", true, 8},
                                                     {"P50(us)", "p50_us", true, 7},
                                                     {"P99(us)", "p99_us", true, 7},
                                                     {"MAX(us)", "max_us", true, 7},
                                                     {"SLOW", "slow", true, 5},
                                                     {"REFUSED", "refused", true, 7},
                                                     {"SUPPRESSED", "suppressed", true, 10},
                                                     {"BREACHES", "breaches", true, 8},
                                                     {"FAULTS", "faults", true, 6},
                                                     {"PATH", "path", false, 0},
                                                     {"", "total_us", true}}};

constexpr std::array<Column, 5> kCalloutFaultColumns = {{{"TIME", "time", false, 20},
                                                         {"CALLOUT", "callout", false, 12},
                                                         {"HOOK", "hook", false, 21},
                                                         {"WHAT", "what", false, 0},
                                                         {"", "request", false}}};

constexpr std::array<Column, 3> kDropColumns = {
    {{"COUNT", "count", true, 10}, {"REASON", "reason", false, 22}, {"WHAT", "text", false, 0}}};

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

const json::value* find(const json::value& row, std::string_view path) {
  const json::value* value = &row;
  for (;;) {
    if (!value->is_object()) return nullptr;
    const size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    value = value->get_object().if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr || dot == std::string_view::npos) return value;
    path.remove_prefix(dot + 1);
  }
}

std::string text_of(const json::value* value);

// "a, b"
std::string list_text(const json::value* list) {
  std::string text;
  if (list == nullptr || !list->is_array()) return text;
  for (const json::value& item : list->get_array()) {
    text += (text.empty() ? "" : ", ") + text_of(&item);
  }
  return text;
}

std::string text_of(const json::value* value) {
  if (value == nullptr || value->is_null()) return {};
  if (value->is_string()) return std::string(view(value->get_string()));
  if (value->is_array()) return list_text(value);
  if (value->is_double()) return fmt::format("{:.1f}", value->get_double());
  return json::serialize(*value);
}

std::string text_at(const json::value& row, std::string_view path) {
  return text_of(find(row, path));
}

// "discover 12, request 12", by count of what is not 0.
std::string counts_text(const json::value* value) {
  std::string text;
  if (value == nullptr || !value->is_object()) return "none";
  for (const auto& member : value->get_object()) {
    const std::string count = text_of(&member.value());
    if (count == "0") continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", view(member.key()), count);
  }
  return text.empty() ? "none" : text;
}

std::string interface_text(const json::value& row) {
  std::string text =
      fmt::format("{} {}", text_at(row, "name"), text_at(row, "up") == "true" ? "up" : "down");
  if (const json::value* addresses = find(row, "addresses"); addresses && addresses->is_array()) {
    for (const json::value& address : addresses->get_array()) text += " " + text_of(&address);
  }
  return text;
}

std::string interfaces_text(const json::value& status) {
  const json::value* rows = find(status, "interfaces");
  std::string text;
  if (rows != nullptr && rows->is_array()) {
    for (const json::value& row : rows->get_array()) {
      text += (text.empty() ? "" : "; ") + interface_text(row);
    }
  }
  return text.empty() ? "none" : text;
}

// Of callouts or drivers.
std::string loaded_text(const json::value* lists) {
  if (lists == nullptr) return "none";
  const std::string loaded = list_text(find(*lists, "loaded"));
  const std::string missing = list_text(find(*lists, "missing"));
  const json::value* const away_list = find(*lists, "away");  // drivers have none
  const std::string away = away_list == nullptr ? "" : list_text(away_list);
  std::string text = loaded.empty() ? "none" : loaded;
  if (!away.empty()) text += "; NOT SERVING: " + away;
  if (!missing.empty()) text += "; NOT LOADED: " + missing;
  return text;
}

std::string state_text(const json::value& status) {
  const std::string why = text_at(status, "why");
  return text_at(status, "state") + (why.empty() ? "" : ": " + why);
}

std::string journal_text(const json::value& status) {
  const std::string failed = text_at(status, "journal.failed");
  if (!failed.empty()) return "FAILED: " + failed;
  const json::value* bytes = find(status, "journal.bytes");
  json::error_code error;
  const auto size = bytes == nullptr ? 0 : bytes->to_number<uint64_t>(error);
  return fmt::format("{} in {} segments, record {}, last snapshot {}", size_text(size),
                     text_at(status, "journal.segments"), text_at(status, "journal.sequence"),
                     text_at(status, "journal.last_snapshot"));
}

std::string uptime_text(const json::value& status) {
  const json::value* value = find(status, "uptime_s");
  json::error_code error;
  return duration_text(value == nullptr ? 0 : value->to_number<int64_t>(error));
}

void flatten(const json::value& value, const std::string& name, std::string& out) {
  if (value.is_object()) {
    for (const auto& member : value.get_object()) {
      const std::string_view key = view(member.key());
      flatten(member.value(), name.empty() ? std::string(key) : fmt::format("{}.{}", name, key),
              out);
    }
  } else if (value.is_array()) {
    size_t index = 0;
    for (const json::value& item : value.get_array()) {
      flatten(item, fmt::format("{}.{}", name, index++), out);
    }
  } else {
    out += csv_field(name) + "," + csv_field(text_of(&value)) + "\n";
  }
}

void pretty(const json::value& value, size_t depth, std::string& out) {
  const std::string indent((depth + 1) * 2, ' ');
  if (value.is_object() && !value.get_object().empty()) {
    const char* separator = "{\n";
    for (const auto& member : value.get_object()) {
      out += separator + indent + json::serialize(member.key()) + ": ";
      pretty(member.value(), depth + 1, out);
      separator = ",\n";
    }
    out += "\n" + std::string(depth * 2, ' ') + "}";
    return;
  }
  out += json::serialize(value);
}

}  // namespace

std::optional<Format> parse_format(std::string_view text) {
  if (text == "table") return Format::Table;
  if (text == "json") return Format::Json;
  if (text == "csv") return Format::Csv;
  return std::nullopt;
}

std::span<const Column> lease_columns() { return kLeaseColumns; }
std::span<const Column> scope_columns() { return kScopeColumns; }
std::span<const Column> drop_columns() { return kDropColumns; }
std::span<const Column> callout_columns() { return kCalloutColumns; }
std::span<const Column> callout_fault_columns() { return kCalloutFaultColumns; }

RowWriter::RowWriter(Format format, std::span<const Column> columns, std::string_view nothing,
                     Sink sink)
    : format_(format), columns_(columns), nothing_(nothing), sink_(std::move(sink)) {
  if (format_ != Format::Csv) return;
  std::string header;
  for (const Column& column : columns_) {
    header += (header.empty() ? "" : ",") + csv_field(column.member);
  }
  sink_(header + "\n");
}

void RowWriter::page(const json::array& rows) {
  if (format_ == Format::Table) {
    table_page(rows);
  } else {
    for (const json::value& row : rows) {
      if (format_ == Format::Csv) {
        csv_row(row);
      } else {
        sink_((rows_ == 0 ? "[\n  " : ",\n  ") + json::serialize(row));
      }
      ++rows_;
    }
  }
}

void RowWriter::end() {
  if (format_ == Format::Json) sink_(rows_ == 0 ? "[]\n" : "\n]\n");
  if (format_ == Format::Table && rows_ == 0) sink_(std::string(nothing_) + "\n");
}

void RowWriter::csv_row(const json::value& row) {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    line += (i == 0 ? "" : ",") + csv_field(text_at(row, columns_[i].member));
  }
  sink_(line + "\n");
}

void RowWriter::table_page(const json::array& rows) {
  if (rows.empty()) return;
  std::vector<std::vector<std::string>> lines;
  if (widths_.empty()) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) {
      if (column.title.empty()) break;
      titles.emplace_back(column.title);
      widths_.push_back(std::max(column.width_min, column.title.size()));
    }
    lines.push_back(std::move(titles));
  }
  for (const json::value& row : rows) {
    std::vector<std::string> cells;
    for (size_t i = 0; i < columns_.size() && !columns_[i].title.empty(); ++i) {
      cells.push_back(text_at(row, columns_[i].member));
      if (cells.back().empty()) cells.back() = "-";
      widths_[i] = std::max(widths_[i], cells.back().size());
    }
    lines.push_back(std::move(cells));
  }
  for (const auto& line : lines) table_line(line);
  rows_ += rows.size();
}

void RowWriter::table_line(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) line += "  ";
    const std::string blanks(widths_[i] - std::min(widths_[i], cells[i].size()), ' ');
    line += columns_[i].right ? blanks + cells[i] : cells[i] + blanks;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  sink_(line + "\n");
}

namespace {

std::string queries_text(const json::value* queries) {
  if (queries == nullptr || text_at(*queries, "listening").empty()) return "not over TCP";
  return fmt::format("at {}: {} connections ({} active), {} leases told",
                     text_at(*queries, "listening"), text_at(*queries, "connections"),
                     text_at(*queries, "subscribers"), text_at(*queries, "answers"));
}

}  // namespace

std::string status_table(const json::object& object) {
  const json::value status(object);
  const std::pair<std::string_view, std::string> lines[] = {
      {"state", state_text(status)},
      {"version", fmt::format("{}, pid {}", text_at(status, "version"), text_at(status, "pid"))},
      {"started", fmt::format("{}, up {}", text_at(status, "started"), uptime_text(status))},
      {"config", fmt::format("{}, read {}", text_at(status, "config.path"),
                             text_at(status, "config.loaded"))},
      {"interfaces", interfaces_text(status)},
      {"scopes", text_at(status, "scopes")},
      {"leases", counts_text(find(status, "leases"))},
      {"offers", text_at(status, "offers")},
      {"received", counts_text(find(status, "counters.received"))},
      {"sent", counts_text(find(status, "counters.sent"))},
      {"dropped", text_at(status, "counters.dropped") + " ('hookline drops' says why)"},
      {"in flight", text_at(status, "packets_in_flight")},
      {"callouts", loaded_text(find(status, "callouts"))},
      {"drivers", loaded_text(find(status, "drivers"))},
      {"leasequery", queries_text(find(status, "leasequery"))},
      {"journal", journal_text(status)},
  };
  std::string text;
  for (const auto& [name, value] : lines) text += fmt::format("{:<12}{}\n", name, value);
  return text;
}

std::string status_csv(const json::object& status) {
  std::string text = "name,value\n";
  flatten(json::value(status), "", text);
  return text;
}

std::string pretty_json(const json::value& value) {
  std::string text;
  pretty(value, 0, text);
  return text + "\n";
}

std::string csv_field(std::string_view text) {
  std::string field;
  if (!text.empty() && std::string_view("=+-@").find(text.front()) != std::string_view::npos) {
    field += '\'';
  }
  field += text;
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace hookline::control
