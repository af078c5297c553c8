// This process under Wine, before it loads code of others.
#pragma once

#include <string>

namespace hookline::io {

// A fault ends a program without a window that asks for attention; the current folder, where bare
// names of files and DLLs are searched for, is this one, a path of Linux.
void prepare_process(const std::string& folder);

}  // namespace hookline::io
