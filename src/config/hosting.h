// How callouts are hosted: the same keys in [callouts] and, over them, in [[callouts.dll]].
#pragma once

#include "config/reader.h"

namespace hookline::config {

// Changes of `out` what the table says; relative paths stay so.
void decode_hosting(const Reader& table, CalloutHosting& out, Problems& problems);

// "64M", "1G", "512K", "0": bytes. None: it is no such thing.
std::optional<uint64_t> parse_memory(std::string_view text);

}  // namespace hookline::config
