#include "io/linux/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#include <array>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

class LinuxLibrary final : public Library {
 public:
  explicit LinuxLibrary(void* handle) : handle_(handle) {}
  ~LinuxLibrary() override { ::dlclose(handle_); }
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
};

Result<void> look_at(const std::string& path) {
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

}  // namespace

bool LinuxLibraries::exists(const std::string& path) const {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<std::unique_ptr<Library>> LinuxLibraries::open(const std::string& path) {
  if (auto looked = look_at(path); !looked) return tl::unexpected(looked.error());
  // A name without a slash would be searched for in the system's folders.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return fail(ErrorKind::Invalid, why != nullptr ? why : "it cannot be loaded");
  }
  return std::make_unique<LinuxLibrary>(handle);
}

}  // namespace hookline::io
