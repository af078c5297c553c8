// What the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/load.h"

namespace hookline::config {

// The shortest configuration without a scope, and with one: what follows starts on line 3 and 6.
inline const std::string kServer = "[server]\ninterfaces = [\"eth0\"]\n";
inline const std::string kScope = kServer + "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n";

// "error f:1:2: text" and "warning f:1:2: text", errors first.
inline std::vector<std::string> problems_of(const std::string& text) {
  const Loaded loaded = load_text(text, "f");
  std::vector<std::string> out;
  for (const Problem& p : loaded.errors) out.push_back("error " + format(p));
  for (const Problem& p : loaded.warnings) out.push_back("warning " + format(p));
  EXPECT_EQ(loaded.config == nullptr, !loaded.errors.empty());
  return out;
}

// REQUIRES: no error and no warning.
inline std::shared_ptr<const Config> config_of(const std::string& text) {
  EXPECT_EQ(problems_of(text), std::vector<std::string>{});
  auto config = load_text(text, "f").config;
  return config != nullptr ? config : std::make_shared<const Config>();
}

// A text and every problem in it, word by word.
struct Case {
  const char* name;
  std::string text;
  std::vector<std::string> problems;
};

inline std::string case_name(const testing::TestParamInfo<Case>& info) { return info.param.name; }

inline void PrintTo(const Case& c, std::ostream* out) { *out << c.text; }

}  // namespace hookline::config
