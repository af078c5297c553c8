// The commands that read files and need no server: `check` and `journal`.
#pragma once

#include <string>

#include "control/render.h"
#include "server/cli.h"

namespace hookline::cli {

// Every error and warning as "file:line:column: text" on the error stream, the verdict on `out`.
int check_config(const std::string& path, Streams streams);

int journal_dump(const std::string& directory, control::Format format, Streams streams);
int journal_verify(const std::string& directory, Streams streams);
int journal_repair(const std::string& directory, Streams streams);

}  // namespace hookline::cli
