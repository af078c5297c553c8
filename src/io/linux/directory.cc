#include "io/linux/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/check.h"

namespace hookline::io {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

class LinuxFile final : public WritableFile {
 public:
  LinuxFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> preallocate(uint64_t size) override {
    int error;
    do {
      error = ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) == 0 ? 0 : errno;
    } while (error == EINTR);
    if (error == EOPNOTSUPP) return fill_with_zeros(size);
    if (error != 0) return system_failure("preallocating " + path_, error);
    return {};
  }

  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_failure("writing " + path_);
      if (n == 0) return fail(ErrorKind::Io, "writing " + path_ + ": nothing was taken");
      offset += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  Result<void> sync() override {
    // Not even EINTR is tried again: after a failure nothing may be assumed.
    if (::fdatasync(fd_.get()) != 0) return system_failure("syncing " + path_);
    return {};
  }

 private:
  // For file systems without fallocate: real zeros behind what is there.
  Result<void> fill_with_zeros(uint64_t size) {
    static constexpr std::array<uint8_t, 64 * 1024> kZeros{};
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return system_failure("preallocating " + path_);
    const uint64_t before = static_cast<uint64_t>(status.st_size);
    for (uint64_t at = before; at < size;) {
      const uint64_t n = std::min<uint64_t>(kZeros.size(), size - at);
      if (auto written = write_at(at, {kZeros.data(), n}); !written) {
        // Nothing may have changed.
        if (::ftruncate(fd_.get(), status.st_size) != 0)
          return system_failure("shrinking " + path_);
        return written;
      }
      at += n;
    }
    return {};
  }

  Fd fd_;
  std::string path_;
};

class MappedFile final : public FileContents {
 public:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() override {
    if (size_ != 0) ::munmap(data_, size_);
  }
  Bytes view() const override { return {static_cast<const uint8_t*>(data_), size_}; }

 private:
  void* data_;
  size_t size_;
};

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size() - 1, 0);
  const std::string pid(text.data(), n > 0 ? static_cast<size_t>(n) : 0);
  const size_t end = pid.find_first_not_of("0123456789");
  const std::string digits = pid.substr(0, end);
  return digits.empty() ? "another process" : "process " + digits;
}

}  // namespace

Result<std::unique_ptr<LinuxDirectory>> LinuxDirectory::open(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return system_failure("creating directory " + path);
  }
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_failure("opening directory " + path);
  return std::unique_ptr<LinuxDirectory>(new LinuxDirectory(path, std::move(fd)));
}

std::string LinuxDirectory::full(std::string_view name) const {
  CHECK(is_plain_name(name), "a plain file name, never a path");
  return path_ + "/" + std::string(name);
}

Result<void> LinuxDirectory::give_to(uid_t uid, gid_t gid) {
  auto names = list();
  if (!names) return tl::unexpected(names.error());
  if (lock_) names->push_back(kLockName);
  for (const std::string& name : *names) {
    if (::fchownat(fd_.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return system_failure("giving away " + full(name));
    }
  }
  if (::fchown(fd_.get(), uid, gid) != 0) return system_failure("giving away " + path_);
  return {};
}

Result<void> LinuxDirectory::lock() {
  if (lock_) return {};
  Fd fd(::openat(fd_.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!fd) return system_failure("opening " + full(kLockName));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_failure("locking " + full(kLockName));
    return fail(ErrorKind::Busy, path_ + " is in use by " + holder_of(fd.get()));
  }
  // Only for the message above: the lock itself is flock's.
  std::array<char, 32> text{};
  const int n = std::snprintf(text.data(), text.size(), "%d\n", static_cast<int>(::getpid()));
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), text.data(), static_cast<size_t>(n), 0) != n) {
    return system_failure("writing " + full(kLockName));
  }
  lock_ = std::move(fd);
  return {};
}

Result<std::vector<std::string>> LinuxDirectory::list() {
  // A descriptor of its own: the position in a directory belongs to the open file.
  Fd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_failure("listing " + path_);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), ::closedir);
  if (!dir) return system_failure("listing " + path_);
  const int dir_fd = fd.release();  // closed with `dir`
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    struct stat status {};
    if (::fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // gone meanwhile
      return system_failure("listing " + path_);
    }
    if (S_ISREG(status.st_mode) && std::string_view(entry->d_name) != kLockName) {
      names.emplace_back(entry->d_name);
    }
  }
  if (errno != 0) return system_failure("listing " + path_);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::unique_ptr<FileContents>> LinuxDirectory::read(std::string_view name) {
  const std::string path = full(name);
  const Fd fd(::openat(fd_.get(), std::string(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return system_failure("opening " + path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_failure("reading " + path);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::Invalid, path + " is not a regular file");
  const size_t size = static_cast<size_t>(status.st_size);
  if (size == 0) return std::make_unique<MappedFile>(nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return system_failure("mapping " + path);
  ::madvise(data, size, MADV_SEQUENTIAL);
  return std::make_unique<MappedFile>(data, size);
}

Result<std::unique_ptr<WritableFile>> LinuxDirectory::open_file(std::string_view name, int flags) {
  const std::string path = full(name);
  Fd fd(::openat(fd_.get(), std::string(name).c_str(), flags | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
                 kFileMode));
  if (!fd) return system_failure("opening " + path + " for writing");
  return std::make_unique<LinuxFile>(std::move(fd), path);
}

Result<std::unique_ptr<WritableFile>> LinuxDirectory::create(std::string_view name) {
  return open_file(name, O_CREAT | O_EXCL);
}

Result<std::unique_ptr<WritableFile>> LinuxDirectory::open(std::string_view name) {
  return open_file(name, 0);
}

Result<void> LinuxDirectory::rename(std::string_view from, std::string_view to) {
  const std::string what = "renaming " + full(from) + " to " + full(to);
  if (::renameat(fd_.get(), std::string(from).c_str(), fd_.get(), std::string(to).c_str()) != 0) {
    return system_failure(what);
  }
  return {};
}

Result<void> LinuxDirectory::remove(std::string_view name) {
  const std::string path = full(name);
  if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) != 0) {
    return system_failure("removing " + path);
  }
  return {};
}

Result<void> LinuxDirectory::sync() {
  if (::fsync(fd_.get()) != 0) return system_failure("syncing directory " + path_);
  return {};
}

}  // namespace hookline::io
