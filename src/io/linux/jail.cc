#include "io/linux/jail.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

// The new root is made over a folder that is there on every system, and that nobody needs.
constexpr const char* kBuildAt = "/sys";
constexpr const char* kLimits = "mode=0755,size=64m,nr_inodes=16k";
// mount_setattr(2) and its words, which the system's headers may lack.
constexpr int kRecursive = 0x8000;
constexpr uint64_t kReadOnly = 0x1, kNoSetUser = 0x2;
struct MountAttributes {
  uint64_t set = 0, clear = 0, propagation = 0, user_namespace = 0;
};

Result<void> write_file(const char* path, const std::string& text) {
  const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) return system_failure(path);
  return {};
}

// Its user is the same inside and outside, so that files belong to whom they did.
Result<void> enter_namespaces(bool network) {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  int spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
  if (!network) spaces |= CLONE_NEWNET;
  if (::unshare(spaces) != 0) {
    return system_failure(
        "no namespaces for it (see user.max_user_namespaces and kernel.unprivileged_userns_clone)");
  }
  const auto same = [](uint32_t id) {
    return std::to_string(id) + " " + std::to_string(id) + " 1";
  };
  if (auto done = write_file("/proc/self/setgroups", "deny"); !done) return done;
  if (auto done = write_file("/proc/self/uid_map", same(user)); !done) {
    // Root may be mapped by privileged processes only.
    if (user == 0)
      return fail(ErrorKind::Io, "it cannot be root: name another user (user in [callouts])");
    return done;
  }
  return write_file("/proc/self/gid_map", same(group));
}

void make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    ::mkdir(path.substr(0, end).c_str(), 0755);
  }
}

// The place where `path` is bound: a folder or an empty file, as that is.
Result<void> make_place(const std::string& place, bool folder) {
  make_folders(place);
  if (folder) {
    if (::mkdir(place.c_str(), 0755) == 0 || errno == EEXIST || errno == EROFS) return {};
    return system_failure(place);
  }
  const Fd file(::open(place.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!file && errno != EEXIST && errno != EROFS && errno != EACCES) return system_failure(place);
  return {};
}

Result<void> bind(const std::string& path, const std::string& root, bool writable) {
  struct stat facts {};
  const std::string place = root + path;
  if (path.empty() || path == "/" || ::lstat(path.c_str(), &facts) != 0) return {};
  if (S_ISLNK(facts.st_mode)) {
    // /lib and its kin; a link that leads elsewhere is followed by the mount.
    std::string target(4096, '\0');
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    target.resize(size > 0 ? static_cast<size_t>(size) : 0);
    if (target.starts_with("usr/")) {
      make_folders(place);
      if (::symlink(target.c_str(), place.c_str()) != 0 && errno != EEXIST) {
        return system_failure(place);
      }
      return {};
    }
    if (::stat(path.c_str(), &facts) != 0) return {};
  }
  if (auto made = make_place(place, S_ISDIR(facts.st_mode)); !made) return made;
  if (::mount(path.c_str(), place.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return system_failure("showing it " + path);
  }
  MountAttributes attributes;
  attributes.set = kNoSetUser | (writable ? 0 : kReadOnly);
  if (::syscall(SYS_mount_setattr, AT_FDCWD, place.c_str(), kRecursive, &attributes,
                sizeof attributes) != 0) {
    return system_failure("protecting " + path);
  }
  return {};
}

// Paths that contain others come first, so that what lies in them can be put on top.
Result<void> bind_all(const JailPlan& plan, const std::string& root) {
  struct Path {
    std::string path;
    bool writable;
  };
  std::vector<Path> paths;
  for (const std::string& path : plan.readable) paths.push_back({path, false});
  for (const std::string& path : plan.writable) paths.push_back({path, true});
  std::stable_sort(paths.begin(), paths.end(),
                   [](const Path& a, const Path& b) { return a.path < b.path; });
  for (const Path& one : paths) {
    if (auto done = bind(one.path, root, one.writable); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> enter_jail(const JailPlan& plan) {
  if (auto entered = enter_namespaces(plan.network); !entered) return entered;
  const std::string root = kBuildAt;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", kBuildAt, "tmpfs", MS_NOSUID | MS_NODEV, kLimits) != 0) {
    return system_failure("making a root folder");
  }
  for (const std::string& folder : plan.empty) {
    if (auto made = make_place(root + folder, true); !made) return made;
  }
  if (auto bound = bind_all(plan, root); !bound) return bound;
  if (::chdir(kBuildAt) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    return system_failure("taking a root folder");
  }
  return {};
}

Result<void> leave_capabilities() {
  capng_clear(CAPNG_SELECT_BOTH);
  if (capng_apply(CAPNG_SELECT_BOTH) != 0) return system_failure("dropping capabilities");
  return {};
}

}  // namespace hookline::io
