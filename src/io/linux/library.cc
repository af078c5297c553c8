#include "io/linux/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

// What has no other name is known by its descriptor, which must be nobody else's as long as the
// library is there.
std::string path_of(const Fd& file) { return "/proc/self/fd/" + std::to_string(file.get()); }

bool is_in_memory(const std::string& path) {
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (handle != nullptr) ::dlclose(handle);
  return handle != nullptr;
}

class LinuxLibrary final : public Library {
 public:
  // `file` is what it was loaded from, where that has no other name.
  explicit LinuxLibrary(void* handle, Fd file = Fd()) : handle_(handle), file_(std::move(file)) {}
  ~LinuxLibrary() override {
    ::dlclose(handle_);
    if (file_ && is_in_memory(path_of(file_))) file_.release();  // the name stays taken
  }
  LinuxLibrary(const LinuxLibrary&) = delete;
  LinuxLibrary& operator=(const LinuxLibrary&) = delete;

  void* find(const char* symbol) const override {
    void* found = ::dlsym(handle_, symbol);
    if (found == nullptr) return nullptr;
    // dlsym() also looks into what the library needs. glibc's handle is the library's link_map.
    Dl_info info;
    link_map* map = nullptr;
    if (::dladdr1(found, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) {
      return nullptr;
    }
    return map == handle_ ? found : nullptr;
  }

 private:
  void* handle_;
  Fd file_;
};

}  // namespace

Result<void> look_at_library(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_failure("it cannot be opened");
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_failure("it cannot be looked at");
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::Invalid, "not a regular file");
  std::array<uint8_t, kLibraryHeadBytes> head;
  const ssize_t size = ::pread(file.get(), head.data(), head.size(), 0);
  if (size < 0) return system_failure("it cannot be read");
  const auto why = why_no_library(Bytes(head).first(static_cast<size_t>(size)),
                                  static_cast<uint64_t>(facts.st_size));
  if (why) return fail(ErrorKind::Invalid, *why);
  return {};
}

namespace {

Result<std::unique_ptr<Library>> load(const std::string& file, Fd copy = Fd()) {
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return fail(ErrorKind::Invalid, why != nullptr ? why : "it cannot be loaded");
  }
  return std::make_unique<LinuxLibrary>(handle, std::move(copy));
}

Result<Fd> copy_of(const std::string& path) {
  const Fd from(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) return system_failure("it cannot be opened");
  Fd copy(::memfd_create("library", MFD_CLOEXEC));
  if (!copy) return system_failure("it cannot be copied");
  std::array<uint8_t, 64 * 1024> block;
  for (;;) {
    const ssize_t size = ::read(from.get(), block.data(), block.size());
    if (size < 0) return system_failure("it cannot be read");
    if (size == 0) return copy;
    if (::write(copy.get(), block.data(), static_cast<size_t>(size)) != size) {
      return system_failure("it cannot be copied");
    }
  }
}

}  // namespace

bool LinuxLibraries::exists(const std::string& path) const {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<std::unique_ptr<Library>> LinuxLibraries::open(const std::string& path) {
  if (auto looked = look_at_library(path); !looked) return tl::unexpected(looked.error());
  // A name without a slash would be searched for in the system's folders.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  return load(file);
}

// dlopen() knows libraries by their path and by their inode: a copy without a name has others.
Result<std::unique_ptr<Library>> LinuxLibraries::open_anew(const std::string& path) {
  if (auto looked = look_at_library(path); !looked) return tl::unexpected(looked.error());
  auto copy = copy_of(path);
  if (!copy) return tl::unexpected(copy.error());
  const std::string file = path_of(*copy);
  return load(file, std::move(*copy));
}

}  // namespace hookline::io
