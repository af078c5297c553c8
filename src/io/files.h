// Files of one directory: what the lease journal needs of a disk, and nothing more. The simulated
// twin (tests/sim/disk.h) forgets what was not synced, fills up and fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hookline::io {

// One file open for writing. Owned by one thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes; never syncs
  // Makes sure that [0, size) can be written without running out of space, and reads as zeros where
  // nothing was written. ErrorKind::NoSpace when the disk or quota is full: nothing changed.
  virtual Result<void> preallocate(uint64_t size) = 0;
  // Writes all of `bytes` at `offset`.
  virtual Result<void> write_at(uint64_t offset, Bytes bytes) = 0;
  // What was written is on stable storage when this returns (fdatasync). After a failure nothing
  // may be assumed of what was written since the last success.
  virtual Result<void> sync() = 0;
};

// The whole contents of a file, read-only (a mapping or a copy). The view lives as long as this.
class FileContents {
 public:
  virtual ~FileContents() = default;
  virtual Bytes view() const = 0;
};

// Names are plain file names, never paths. May be used from several threads.
class Directory {
 public:
  virtual ~Directory() = default;
  // Takes the directory for this process, until this object dies. ErrorKind::Busy: another server
  // has it; the text names that process where it is known.
  virtual Result<void> lock() = 0;
  virtual Result<std::vector<std::string>> list() = 0;  // regular files, sorted
  virtual Result<std::unique_ptr<FileContents>> read(std::string_view name) = 0;
  // Fails if it exists. The entry is durable only after sync().
  virtual Result<std::unique_ptr<WritableFile>> create(std::string_view name) = 0;
  // Opens what exists, to go on writing.
  virtual Result<std::unique_ptr<WritableFile>> open(std::string_view name) = 0;
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;  // replaces `to`
  virtual Result<void> remove(std::string_view name) = 0;
  virtual Result<void> sync() = 0;       // the entries themselves
  virtual std::string path() const = 0;  // for messages
};

}  // namespace hookline::io
