// Answers of the server as tables, JSON or CSV, page after page, so that a million leases need no
// memory. One thread.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hookline::control {

enum class Format : uint8_t { Table, Json, Csv };
std::optional<Format> parse_format(std::string_view text);

struct Column {
  std::string_view title;   // of the table; empty: CSV only, and after all that have one
  std::string_view member;  // of the row's JSON object; "a.b" is member b of member a
  bool right = false;       // numbers
  size_t width_min = 0;     // of the table, so that later pages fit the first one's columns
};

std::span<const Column> lease_columns();
std::span<const Column> scope_columns();
std::span<const Column> drop_columns();
std::span<const Column> callout_columns();
std::span<const Column> callout_fault_columns();
// Of protocol.h's filter_rows(): all of them, for CSV, and those of one kind.
std::span<const Column> filter_columns();
struct FilterSection {
  std::string_view kind;
  std::string_view title;
  std::span<const Column> columns;
};
std::span<const FilterSection> filter_sections();

class RowWriter {
 public:
  using Sink = std::function<void(std::string_view)>;
  // `nothing` is what a table says when there was no row.
  RowWriter(Format format, std::span<const Column> columns, std::string_view nothing, Sink sink);

  void page(const boost::json::array& rows);
  void end();

 private:
  void table_page(const boost::json::array& rows);
  void csv_row(const boost::json::value& row);
  void table_line(const std::vector<std::string>& cells);

  Format format_;
  std::span<const Column> columns_;
  std::string_view nothing_;
  Sink sink_;
  std::vector<size_t> widths_;
  uint64_t rows_ = 0;
};

// An answer of a control device: its status, and its data in hex and as text, 16 bytes a line.
std::string ioctl_table(const boost::json::value& answer);
// `status` for people: aligned "name  value" lines.
std::string status_table(const boost::json::object& status);
// Name and value, one line each, in the order of the JSON: "journal.bytes,4096".
std::string status_csv(const boost::json::object& status);
// An object with one member a line, two blanks deep; ends with a newline.
std::string pretty_json(const boost::json::value& value);

// One field, quoted where RFC 4180 asks for it; a field that a spreadsheet would take for a formula
// gets a leading apostrophe.
std::string csv_field(std::string_view text);

}  // namespace hookline::control
