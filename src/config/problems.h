// Where a configuration's problems are collected while it is read.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "config/load.h"

namespace hookline::config {

// A place in the file, from 1; characters, not bytes.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
};

// A value and where it stands.
template <class T>
struct Placed {
  T value{};
  Position at;
};

class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  void error(Position at, std::string text) { add(errors_, at, std::move(text)); }
  void warning(Position at, std::string text) { add(warnings_, at, std::move(text)); }
  bool any_error() const { return !errors_.empty(); }
  // Further errors will not be kept: no need to work on their words.
  bool full() const { return errors_.size() >= kProblemsMax; }

  // Moves both lists into `out`, each in order of the file.
  void hand_over(Loaded& out);

 private:
  void add(std::vector<Problem>& list, Position at, std::string text);

  std::string file_;
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
};

}  // namespace hookline::config
