// The parts of check() (draft.h).
#pragma once

#include "config/draft.h"
#include "config/reader.h"

namespace hookline::config {

void check_scope(ScopeDraft& scope, const OptionsDraft& global, Problems& problems);
void check_boot(const BootDraft& boot, Problems& problems);

}  // namespace hookline::config
