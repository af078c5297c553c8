// Typed access to one TOML table by the schema. Whatever is missing, unknown, of the wrong type or
// out of range becomes a Problem; the caller just gets nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/inet.h"
#include "config/problems.h"
#include "config/schema.h"
#include "config/toml.h"
#include "line/config.h"

namespace hookline::config {

Position position_of(const toml::node& node);
Position position_of(const toml::key& key);

// "the text "abc"", "the number 5", "a list": what stands there, cut to a readable length.
std::string describe(const toml::node& node);
// Cut, without control characters; in_quotes() in quotes.
std::string shown(std::string_view text);
std::string in_quotes(std::string_view text);

class Reader {
 public:
  // Reports unknown keys, and keys of later versions, at once. All three must outlive this.
  Reader(const toml::table& table, Section section, Problems& problems);

  Position at() const { return position_of(table_); }
  bool has(std::string_view name) const { return table_.contains(name); }
  Position key_at(std::string_view name) const;
  // Reports the key when it is absent.
  void require(std::string_view name) const;

  std::optional<Placed<bool>> boolean(std::string_view name) const;
  std::optional<Placed<uint64_t>> integer(std::string_view name) const;
  std::optional<Placed<std::string>> text(std::string_view name) const;
  std::optional<Placed<uint32_t>> duration(std::string_view name) const;
  // Nanoseconds.
  std::optional<Placed<int64_t>> fine_duration(std::string_view name) const;
  std::optional<Placed<LeasePoint>> lease_point(std::string_view name) const;
  std::optional<Placed<Ipv4>> address(std::string_view name) const;
  std::optional<Placed<Prefix>> subnet(std::string_view name) const;
  // Of a Hex or HexOrText key.
  std::optional<Placed<std::vector<uint8_t>>> octets(std::string_view name) const;

  // One value stands for a list of one. Faulty elements are reported and left out.
  std::vector<Placed<std::string>> texts(std::string_view name) const;
  std::vector<Placed<Ipv4>> addresses(std::string_view name) const;
  std::vector<Placed<AddressRange>> ranges(std::string_view name) const;
  // Architecture numbers (option 93), a name may stand for several.
  std::vector<Placed<uint16_t>> architectures(std::string_view name) const;

  // Names and what each stands for, in the order of the names.
  std::vector<std::pair<Placed<std::string>, Placed<std::string>>> files(
      std::string_view name) const;

  // Integers as their digits.
  std::vector<Placed<std::string>> values(std::string_view name) const;

  const toml::table* table(std::string_view name) const;
  std::vector<const toml::table*> tables(std::string_view name) const;

 private:
  struct Found {
    const Key* key = nullptr;
    const toml::node* node = nullptr;  // null: absent
  };
  Found find(std::string_view name, Type type) const;
  // The string at `name`; reports any other type.
  std::optional<Placed<std::string>> string_of(const Found& found) const;
  std::optional<Placed<std::string>> element_text(const Key& key, const toml::node& node) const;
  template <class Visit>
  void each(const Found& found, Visit visit) const;
  void wrong(const Key& key, const toml::node& node) const;
  bool text_fits(const Key& key, const Placed<std::string>& text) const;
  void report_unknown(const toml::key& key) const;

  const toml::table& table_;
  Section section_;
  Problems& problems_;
};

}  // namespace hookline::config
