// docs/configuration.md and the schema say the same.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/limits.h"
#include "config/architectures.h"
#include "config/schema.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

std::string page() {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../../docs/configuration.md";
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The text from the heading that begins with `heading` to the next one.
std::string chapter(const std::string& text, std::string_view heading) {
  const size_t begin = text.find(fmt::format("\n## {}", heading));
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find("\n## ", begin + 1) - begin);
}

std::string_view heading_of(Section section) {
  return section == Section::File ? "The file" : section_name(section);
}

std::string row_of(const Key& key) {
  std::string example(key.example);
  if (example.empty()) {
    example = "[" + path_of(key) + "]";
    if (key.type == Type::Tables) example = "[" + example + "]";
  }
  return fmt::format("\n| `{}` | `{}` | {} | {} |\n", key.name, example,
                     key.fallback.empty() ? "none" : key.fallback, key.doc);
}

TEST(DocumentationTest, EveryKeyHasItsRow) {
  const std::string text = page();
  for (const Key& key : schema()) {
    const std::string in = chapter(text, heading_of(key.section));
    EXPECT_NE(in.find(row_of(key)), std::string::npos)
        << "docs/configuration.md, " << heading_of(key.section) << " lacks:" << row_of(key);
  }
}

TEST(DocumentationTest, NoRowIsTooMany) {
  size_t rows = 0;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) rows += line.starts_with("| `");
  EXPECT_EQ(rows, schema().size());
}

TEST(DocumentationTest, NamesArchitecturesAndLimits) {
  const std::string text = page();
  for (const std::string_view name : architecture_names()) {
    EXPECT_NE(text.find(fmt::format("`{}`", name)), std::string::npos) << name;
  }
  EXPECT_NE(text.find(fmt::format("{} scopes, {} reservations or {} addresses", kScopesMax,
                                  kReservationsMax, kAddressesMax)),
            std::string::npos);
  EXPECT_NE(text.find(fmt::format("more than {} MiB", kConfigBytesMax >> 20)), std::string::npos);
}

// The examples of the schema are values that the schema takes.
TEST(DocumentationTest, EveryExampleLoads) {
  std::string text = "[server]\n";
  const auto put = [&](Section section, std::string_view but = {}) {
    for (const Key& key : schema()) {
      if (key.section != section || key.example.empty() || key.name == but) continue;
      if (section == Section::Reservation && key.name.ends_with("-id")) continue;
      if (key.name == "hw-type") continue;
      text += fmt::format("{} = {}\n", key.name, key.example);
    }
  };
  put(Section::Server);
  text += "[leases]\n";
  put(Section::Leases);
  text += "[[scope]]\n";
  put(Section::Scope);
  text += "[scope.boot]\n";
  put(Section::Boot);
  text += "[[scope.boot.match]]\n";
  put(Section::BootMatch);
  text += "[[scope.reservation]]\n";
  put(Section::Reservation);
  // The registry export is another file, and the two ways to name callouts exclude each other.
  text += "[callouts]\n";
  put(Section::Callouts, "registry");
  int host = 20;
  for (const char* name : {"client-id", "circuit-id", "remote-id"}) {
    text += fmt::format("[[scope.reservation]]\n{} = {}\naddress = \"10.77.0.{}\"\n", name,
                        find_key(Section::Reservation, name)->example, ++host);
  }
  EXPECT_EQ(problems_of(text), std::vector<std::string>{}) << text;
  text = kScope + "[[callouts.dll]]\n";
  put(Section::CalloutDll);
  EXPECT_EQ(problems_of(text), std::vector<std::string>{}) << text;
}

// Every TOML block of the page loads; what is not a whole file stands behind a shortest one.
TEST(DocumentationTest, BlocksOfThePageLoad) {
  const std::string text = page();
  size_t blocks = 0;
  for (size_t at = 0; (at = text.find("```toml\n", at)) != std::string::npos;) {
    at += 8;
    const size_t end = text.find("```", at);
    const std::string block = text.substr(at, end - at);
    ++blocks;
    const bool whole = block.find("[server]") != std::string::npos;
    std::string file = block;
    if (!whole) {
      const size_t scope = std::min(block.find("[scope."), block.size());
      file = kServer + block.substr(0, scope) +
             "[[scope]]\nid = \"a\"\nsubnet = \"10.77.0.0/24\"\n" + block.substr(scope);
    }
    EXPECT_EQ(problems_of(file), std::vector<std::string>{}) << file;
  }
  EXPECT_GE(blocks, 2u);
}

}  // namespace
}  // namespace hookline::config
