#include "io/linux/privileges.h"

#include <cap-ng.h>
#include <dlfcn.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "io/linux/fd.h"

namespace hookline::io {
namespace {

constexpr std::array kAllowedCalls = {
    // memory and threads
    "brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "clone", "clone3", "futex",
    "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "sched_setaffinity", "gettid",
    "getpid", "getppid", "exit", "exit_group", "membarrier", "get_mempolicy", "mlock", "mlock2",
    "munlock",
    // time and sleep
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "restart_syscall",
    // signals
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "tgkill",
    "signalfd4",
    // waiting
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
    "select", "pselect6", "eventfd2", "timerfd_create", "timerfd_settime",
    // sockets
    "socket", "socketpair", "bind", "listen", "accept", "accept4", "connect", "shutdown",
    "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "recvfrom", "sendmsg",
    "recvmsg", "sendmmsg", "recvmmsg",
    // files
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "close",
    "close_range", "open", "openat", "openat2", "stat", "fstat", "lstat", "newfstatat", "statx",
    "statfs", "fstatfs", "access", "faccessat", "faccessat2", "lseek", "ftruncate", "fallocate",
    "fsync", "fdatasync", "sync_file_range", "flock", "fcntl", "fadvise64", "getdents64", "rename",
    "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "readlink", "readlinkat",
    "getcwd", "dup", "dup2", "dup3", "pipe2", "ioctl", "umask", "fchmod", "fchmodat", "chmod",
    "memfd_create",
    // who and what we are
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "uname",
    "sysinfo", "getrandom", "getrlimit", "prlimit64", "getrusage", "prctl", "arch_prctl", "capget",
    "getcpu"};

// A sanitizer's report names functions and lines with the help of llvm-symbolizer.
constexpr std::array kAllowedForSymbolizer = {"fork", "vfork", "execve",          "wait4",
                                              "kill", "pipe",  "set_tid_address", "waitid"};

bool runs_under_sanitizer() {
  return ::dlsym(RTLD_DEFAULT, "__asan_init") != nullptr ||
         ::dlsym(RTLD_DEFAULT, "__tsan_init") != nullptr;
}

Result<void> allow(scmp_filter_ctx filter, const char* name) {
  const int number = ::seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return {};  // this machine does not have it
  if (const int error = ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0); error != 0) {
    return system_failure(std::string("allowing ") + name, -error);
  }
  return {};
}

}  // namespace

std::optional<Account> find_account(const std::string& user) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> storage(16 * 1024);
  if (::getpwnam_r(user.c_str(), &entry, storage.data(), storage.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return Account{found->pw_uid, found->pw_gid};
}

Result<std::string> drop_privileges(const std::string& user) {
  std::string warning;
  const std::optional<Account> account = find_account(user);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("setting no_new_privs");
  capng_clear(CAPNG_SELECT_BOTH);
  capng_updatev(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                CAP_NET_RAW, CAP_NET_BIND_SERVICE, -1);
  if (!account) {
    warning = "there is no user " + user + ": staying who I am";
  } else if (::geteuid() == 0 && account->uid != 0) {
    const auto flags = static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (const int refused =
            capng_change_id(static_cast<int>(account->uid), static_cast<int>(account->gid), flags);
        refused != 0) {
      return fail(ErrorKind::Io,
                  "becoming user " + user + " failed: capng_change_id " + std::to_string(refused));
    }
    return warning;
  } else if (::geteuid() != account->uid) {
    warning = "only root can become user " + user + ": staying who I am";
  }
  const bool is_root = ::geteuid() == 0;
  if (capng_apply(is_root ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) == 0) return warning;
  // Not root, and never given the one that is kept: there is nothing to drop.
  if (!is_root) return warning.empty() ? "capabilities stay as they were given" : warning;
  return fail(ErrorKind::Io, "dropping capabilities failed");
}

Result<void> confine(Forbidden forbidden, bool symbolizer) {
  const uint32_t otherwise =
      forbidden == Forbidden::Fails ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS;
  const std::unique_ptr<void, void (*)(void*)> filter(::seccomp_init(otherwise),
                                                      [](void* f) { ::seccomp_release(f); });
  if (!filter) return fail(ErrorKind::Io, "preparing the system call filter failed");
  for (const char* name : kAllowedCalls) {
    if (auto done = allow(filter.get(), name); !done) return done;
  }
  for (const char* name : kAllowedForSymbolizer) {
    if (!symbolizer || !runs_under_sanitizer()) break;
    if (auto done = allow(filter.get(), name); !done) return done;
  }
  // LinuxMemory reads this process's memory, and no other's.
  const scmp_arg_cmp own_process{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0};
  if (const int error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW,
                                                 SCMP_SYS(process_vm_readv), 1, &own_process);
      error != 0) {
    return system_failure("allowing process_vm_readv", -error);
  }
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (const int error = ::seccomp_load(filter.get()); error != 0) {
    return system_failure("loading the system call filter", -error);
  }
  return {};
}

}  // namespace hookline::io
