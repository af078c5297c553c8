// Reads and repairs a journal without a server: `hookline journal dump|verify|repair DIR`.
// dump and verify change nothing and take no lock; beside a running server the commit that is being
// written then looks torn.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/files.h"
#include "line/lease.h"

namespace hookline::store {

struct FileReport {
  std::string file;
  uint64_t bytes = 0;
  uint64_t frames = 0;  // that check
  uint64_t leases = 0;  // records in them
  uint64_t first_sequence = 0;
  uint64_t torn_bytes = 0;
  std::string state;  // "ok", "empty", "torn", "damaged", "leftover"
};

struct DamageReport {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};

struct VerifyReport {
  std::vector<FileReport> files;
  std::vector<DamageReport> damage;  // empty: a server would start on it
  uint64_t records = 0;
  uint64_t sequence = 0;
  uint64_t torn_bytes = 0;

  bool ok() const { return damage.empty(); }
  std::string text() const;  // for the operator, several lines
};

// Checks everything down to single fields. An error only where the directory can't be read.
Result<VerifyReport> verify(io::Directory& directory);

struct DumpedRecord {
  std::string_view file;
  uint64_t offset = 0;    // of the frame
  std::string_view kind;  // "lease", "clock-step", "scope-name", "snapshot-end", "unknown"
  bool from_snapshot = false;
  LeaseRecord lease;         // lease; times as a server would read them now
  std::string_view scope;    // its scope's name; empty: not known
  int64_t clock_step_s = 0;  // clock-step
  uint32_t scope_key = 0;    // scope-name
};

// Every record that checks, in the order of the files; the views live for the call. Corrupt, after
// all the rest was given, where something does not check.
Result<void> dump(io::Directory& directory, const std::function<void(const DumpedRecord&)>& give);

struct RepairReport {
  bool needed = false;
  uint64_t leases = 0;  // addresses in the new snapshot
  uint64_t sequence = 0;
  std::string snapshot;            // the new snapshot's name
  std::vector<std::string> moved;  // files that are *.damaged now
};

// Keeps all that checks, wherever it stands, in a new snapshot, and moves the damaged files aside
// (*.damaged); never deletes one. Takes the lock: Busy under a running server. A journal that
// checks is left alone.
Result<RepairReport> repair(io::Directory& directory);

}  // namespace hookline::store
