#include "io/linux/helper_sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <memory>
#include <string_view>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

// --- files: Landlock ------------------------------------------------------------------------

constexpr uint64_t kRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE;
constexpr uint64_t kWriteFolder = kWriteFile | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr uint64_t kOther = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                            LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO;
// Of later versions; the system's header may be older than the kernel.
constexpr uint64_t kRefer = uint64_t{1} << 13;     // version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // version 3
constexpr uint64_t kOfFile =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | kWriteFile | kTruncate;

// Not /dev/zero: a shared mapping of it is memory that no limit counts.
constexpr std::array kSystemReadable = {
    "/usr",           "/lib",      "/lib64",      "/lib32",      "/etc/ld.so.cache",
    "/etc/localtime", "/dev/null", "/dev/random", "/dev/urandom"};
constexpr std::array kNetworkReadable = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                         "/etc/services",    "/etc/ssl",   "/etc/host.conf"};

uint64_t known_rights(long version) {
  uint64_t rights = kRead | kWriteFolder | kOther;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  return rights;
}

Result<void> allow(const Fd& rules, const std::string& path, uint64_t rights) {
  const Fd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file) return {};  // what is not there can't be read either
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_failure(path);
  if (!S_ISDIR(facts.st_mode)) rights &= kOfFile;
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = rights;
  beneath.parent_fd = file.get();
  if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0) {
    return system_failure("granting " + path);
  }
  return {};
}

// The text: why there is no such protection.
Result<std::string> restrict_files(const SandboxPlan& plan, bool local_sockets) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) {
    return "this kernel has no Landlock: callouts can read every file that their user can";
  }
  landlock_ruleset_attr all{};
  all.handled_access_fs = known_rights(version);
  const Fd rules(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &all, sizeof all.handled_access_fs, 0)));
  if (!rules) return system_failure("making a Landlock ruleset");
  const uint64_t more = local_sockets ? LANDLOCK_ACCESS_FS_MAKE_SOCK : uint64_t{0};
  const uint64_t writes = (kRead | kWriteFolder | kTruncate | more) & all.handled_access_fs;
  for (const std::string& path : system_readable(plan.network)) {
    if (auto done = allow(rules, path, kRead); !done) return tl::unexpected(done.error());
  }
  if (auto done = allow(rules, "/dev/null", kRead | kWriteFile); !done) {
    return tl::unexpected(done.error());
  }
  for (const std::string& path : plan.readable) {
    if (auto done = allow(rules, path, kRead); !done) return tl::unexpected(done.error());
  }
  for (const std::string& path : plan.writable) {
    if (auto done = allow(rules, path, writes); !done) return tl::unexpected(done.error());
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    return system_failure("restricting files");
  }
  return std::string();
}

// --- system calls: seccomp ------------------------------------------------------------------

constexpr std::array kCalls = {
    // memory and threads; clone and kill have conditions
    "brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex", "set_robust_list", "rseq",
    "sched_yield", "sched_getaffinity", "gettid", "getpid", "getppid", "exit", "exit_group",
    "membarrier", "get_mempolicy", "mlock", "mlock2", "munlock", "set_tid_address",
    // time and sleep
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "restart_syscall", "pause", "alarm", "setitimer", "getitimer", "times",
    // signals
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigsuspend",
    "rt_sigpending", "sigaltstack", "signalfd4",
    // waiting
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "poll", "ppoll", "select", "pselect6", "eventfd2", "timerfd_create", "timerfd_settime",
    "timerfd_gettime", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    // files
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
    "pwritev2", "close", "close_range", "open", "openat", "creat", "stat", "fstat", "lstat",
    "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "lseek",
    "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "flock", "fcntl",
    "fadvise64", "getdents64", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir",
    "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "readlink", "readlinkat",
    "getcwd", "chdir", "fchdir", "dup", "dup2", "dup3", "pipe", "pipe2", "ioctl", "umask",
    "copy_file_range", "sendfile", "readahead", "msync", "mincore",
    // who and what we are
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "uname",
    "sysinfo", "getrandom", "getrlimit", "getrusage", "getpgrp", "getpgid", "getsid", "capget",
    "getcpu", "getpriority", "sched_getparam", "sched_getscheduler", "arch_prctl",
    "sched_get_priority_min", "sched_get_priority_max", "sched_rr_get_interval"};

constexpr std::array kSocketCalls = {
    "socket",   "bind",        "listen",      "accept",     "accept4",    "connect",
    "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto",
    "recvfrom", "sendmsg",     "recvmsg",     "sendmmsg",   "recvmmsg",   "socketpair"};

// What is not permitted fails with EPERM.
class CallFilter {
 public:
  explicit CallFilter(uint32_t otherwise) : filter_(::seccomp_init(otherwise)) {}
  ~CallFilter() { ::seccomp_release(filter_); }
  CallFilter(const CallFilter&) = delete;
  CallFilter& operator=(const CallFilter&) = delete;

  void allow(const char* name) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;  // this machine does not have it
    note(::seccomp_rule_add(filter_, SCMP_ACT_ALLOW, number, 0));
  }
  void allow_if(int number, scmp_arg_cmp condition) {
    note(::seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, number, 1, &condition));
  }
  void forbid_if(int number, scmp_arg_cmp condition) {
    note(::seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(EPERM), number, 1, &condition));
  }
  void fail_with(int error, int number) {
    note(::seccomp_rule_add(filter_, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), number, 0));
  }
  Result<void> load() {
    if (filter_ == nullptr || error_ != 0) {
      return system_failure("preparing the system call filter", -error_);
    }
    ::seccomp_attr_set(filter_, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (const int error = ::seccomp_load(filter_); error != 0) {
      return system_failure("loading the system call filter", -error);
    }
    return {};
  }

 private:
  void note(int error) {
    if (error != 0) error_ = error;
  }

  scmp_filter_ctx filter_;
  int error_ = 0;
};

// What Wine's program and its wineserver need besides. Files that are not theirs are read-only
// there, whatever the call; elsewhere only Landlock protects them, and it does not know all of
// these.
constexpr std::array kWineCalls = {
    "wait4", "fchdir", "inotify_init", "getrlimit", "setrlimit", "fchown",   "sigprocmask",
    "pipe2", "chmod",  "fchmod",       "fchmodat",  "truncate",  "utimensat"};
// What the latter does to the threads of the former.
constexpr std::array kWineServerCalls = {
    "setpriority", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "mknod", "mknodat"};

constexpr scmp_datum_t kLow = 0xffffffff;  // of these arguments the kernel takes 32 bits
constexpr int kSetTerminalInput = 0x5412, kSetOwner = 0x8901, kSetGroup = 0x8902;

// Some uses of what is permitted, by a filter of its own: one can say only what it allows, or only
// what it forbids.
Result<void> restrict_uses() {
  CallFilter filter(SCMP_ACT_ALLOW);
  // Who is sent a signal when something comes, and which: that could be anybody of its user.
  // And leases on files, which hold up everybody else who opens them.
  for (const scmp_datum_t command : {F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY}) {
    filter.forbid_if(SCMP_SYS(fcntl), {1, SCMP_CMP_MASKED_EQ, kLow, command});
  }
  for (const scmp_datum_t request : {kSetTerminalInput, kSetOwner, kSetGroup}) {
    filter.forbid_if(SCMP_SYS(ioctl), {1, SCMP_CMP_MASKED_EQ, kLow, request});
  }
  // For Landlock that is reading, before its version 3.
  constexpr scmp_datum_t kAccess = O_ACCMODE | O_TRUNC;
  for (const scmp_datum_t emptied : {O_RDONLY | O_TRUNC, O_ACCMODE | O_TRUNC}) {
    filter.forbid_if(SCMP_SYS(open), {1, SCMP_CMP_MASKED_EQ, kAccess, emptied});
    filter.forbid_if(SCMP_SYS(openat), {2, SCMP_CMP_MASKED_EQ, kAccess, emptied});
  }
  // Its limit does not count what is shared, and there is nobody to share it with.
  constexpr scmp_datum_t kShared = MAP_SHARED | MAP_ANONYMOUS;
  filter.forbid_if(SCMP_SYS(mmap), {3, SCMP_CMP_MASKED_EQ, kShared, kShared});
  return filter.load();
}

Result<void> restrict_calls(const SandboxPlan& plan, const WinePart* wine) {
  if (auto done = restrict_uses(); !done) return done;
  const bool is_wine = wine != nullptr;
  const auto self = static_cast<scmp_datum_t>(::getpid());
  const auto process = is_wine ? static_cast<scmp_datum_t>(wine->process) : self;
  CallFilter filter(SCMP_ACT_ERRNO(EPERM));
  for (const char* name : kCalls) filter.allow(name);
  if (is_wine) {
    for (const char* name : kWineCalls) filter.allow(name);
    // By this very pointer, which is of no use once it has been run.
    filter.allow_if(SCMP_SYS(execve),
                    {0, SCMP_CMP_EQ, reinterpret_cast<scmp_datum_t>(wine->program), 0});
  }
  if (is_wine && process != self) {
    for (const char* name : kWineServerCalls) filter.allow(name);
  } else {
    for (const scmp_datum_t who : {scmp_datum_t{0}, self}) {
      filter.allow_if(SCMP_SYS(sched_setaffinity), {0, SCMP_CMP_EQ, who, 0});
    }
  }
  if (is_wine && !plan.network) {
    for (const char* name : kSocketCalls) {
      if (std::string_view(name) != "socket" && std::string_view(name) != "socketpair") {
        filter.allow(name);
      }
    }
    for (const int number : {SCMP_SYS(socket), SCMP_SYS(socketpair)}) {
      filter.allow_if(number, {0, SCMP_CMP_EQ, AF_UNIX, 0});
    }
  }
  if (plan.network) {
    for (const char* name : kSocketCalls) {
      if (std::string_view(name) != "socket") filter.allow(name);
    }
    // Not those of this machine, such as the operator's.
    for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
      filter.allow_if(SCMP_SYS(socket), {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0});
    }
    if (is_wine) filter.allow_if(SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_UNIX, 0});
  }
  // Threads, but no processes. What asks for clone3 takes clone where that is not there.
  const scmp_datum_t thread = CLONE_THREAD;
  filter.allow_if(SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, thread, thread});
  filter.fail_with(ENOSYS, SCMP_SYS(clone3));
  filter.fail_with(ENOSYS, SCMP_SYS(openat2));  // as for its flags
  // Itself, for abort() and raise(), and nobody else; wineserver, whom it works for.
  const scmp_arg_cmp own_process{0, SCMP_CMP_EQ, process, 0};
  for (const int number : {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(process_vm_readv)}) {
    filter.allow_if(number, own_process);
  }
  // Its own limits only, and they only become less.
  filter.allow_if(SCMP_SYS(prlimit64), {0, SCMP_CMP_EQ, 0, 0});
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ}) {
    filter.allow_if(SCMP_SYS(prctl), {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(option), 0});
  }
  return filter.load();
}

}  // namespace

namespace {

Result<std::string> confine(const SandboxPlan& plan, const WinePart* wine) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("no_new_privs");
  // Nobody of the same user looks into it, nor does it look at others by way of that.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  auto files = restrict_files(plan, wine != nullptr);
  if (!files) return files;
  if (auto done = restrict_calls(plan, wine); !done) {
    return tl::unexpected(done.error());
  }
  return files;
}

}  // namespace

Result<std::string> enter_sandbox(const SandboxPlan& plan) { return confine(plan, nullptr); }

Result<std::string> enter_wine_sandbox(const SandboxPlan& plan, const WinePart& part) {
  return confine(plan, &part);
}

std::vector<std::string> system_readable(bool network) {
  std::vector<std::string> paths(kSystemReadable.begin(), kSystemReadable.end());
  if (network) paths.insert(paths.end(), kNetworkReadable.begin(), kNetworkReadable.end());
  return paths;
}

}  // namespace hookline::io
