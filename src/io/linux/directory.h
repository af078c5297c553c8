// One directory of the real file system. Every name is opened relative to the directory's own
// descriptor, so that what was opened stays what is used.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "io/files.h"
#include "io/linux/fd.h"

namespace hookline::io {

class LinuxDirectory final : public Directory {
 public:
  // Creates it, mode 0750, when it is missing; its parent must exist.
  static Result<std::unique_ptr<LinuxDirectory>> open(const std::string& path);

  // Makes `uid` and `gid` the owner of the directory and its regular files, so that the server can
  // go on writing after it has dropped its privileges. Call it after lock().
  Result<void> give_to(uid_t uid, gid_t gid);

  // The lock is flock(2) on kLockName, which names the process that holds it. It goes with that
  // process, however it ends; the file stays.
  Result<void> lock() override;
  Result<std::vector<std::string>> list() override;  // without kLockName
  Result<std::unique_ptr<FileContents>> read(std::string_view name) override;
  Result<std::unique_ptr<WritableFile>> create(std::string_view name) override;
  Result<std::unique_ptr<WritableFile>> open(std::string_view name) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  std::string path() const override { return path_; }

  static constexpr const char* kLockName = "lock";

 private:
  LinuxDirectory(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  // "the path of `name`", for messages.
  std::string full(std::string_view name) const;
  Result<std::unique_ptr<WritableFile>> open_file(std::string_view name, int flags);

  std::string path_;
  Fd fd_;
  Fd lock_;
};

}  // namespace hookline::io
