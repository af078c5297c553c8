/* System calls of Linux that a callout has no business with: each is tried, and must not be
 * permitted. A DLL under Wine tries the same ones, for its machine code can make them, whatever
 * Wine thinks. Arguments are such that little comes of a call that is permitted. Included by
 * zoo_linux.h and zoo_windows.h only. */
#pragma once

#ifdef _WIN32

/* Those of Linux on x86-64, which is what Wine runs on here. */
enum {
  SYS_open = 2,
  SYS_mmap = 9,
  SYS_ioctl = 16,
  SYS_shmget = 29,
  SYS_socket = 41,
  SYS_connect = 42,
  SYS_clone = 56,
  SYS_execve = 59,
  SYS_exit = 60,
  SYS_kill = 62,
  SYS_msgget = 68,
  SYS_fcntl = 72,
  SYS_ftruncate = 77,
  SYS_ptrace = 101,
  SYS_setuid = 105,
  SYS_setgid = 106,
  SYS_setpgid = 109,
  SYS_setsid = 112,
  SYS_setgroups = 116,
  SYS_capset = 126,
  SYS_rt_sigqueueinfo = 129,
  SYS_mknod = 133,
  SYS_personality = 135,
  SYS_setpriority = 141,
  SYS_sched_setparam = 142,
  SYS_sched_setscheduler = 144,
  SYS_pivot_root = 155,
  SYS_prctl = 157,
  SYS_adjtimex = 159,
  SYS_chroot = 161,
  SYS_acct = 163,
  SYS_settimeofday = 164,
  SYS_mount = 165,
  SYS_umount2 = 166,
  SYS_swapon = 167,
  SYS_reboot = 169,
  SYS_sethostname = 170,
  SYS_init_module = 175,
  SYS_tkill = 200,
  SYS_sched_setaffinity = 203,
  SYS_clock_settime = 227,
  SYS_tgkill = 234,
  SYS_mq_open = 240,
  SYS_kexec_load = 246,
  SYS_add_key = 248,
  SYS_keyctl = 250,
  SYS_ioprio_set = 251,
  SYS_migrate_pages = 256,
  SYS_openat = 257,
  SYS_unshare = 272,
  SYS_perf_event_open = 298,
  SYS_fanotify_init = 300,
  SYS_open_by_handle_at = 304,
  SYS_setns = 308,
  SYS_process_vm_readv = 310,
  SYS_process_vm_writev = 311,
  SYS_kcmp = 312,
  SYS_seccomp = 317,
  SYS_memfd_create = 319,
  SYS_bpf = 321,
  SYS_execveat = 322,
  SYS_userfaultfd = 323,
  SYS_pidfd_send_signal = 424,
  SYS_io_uring_setup = 425,
  SYS_open_tree = 428,
  SYS_fsopen = 430,
  SYS_pidfd_open = 434,
  SYS_pidfd_getfd = 438,
  SYS_process_madvise = 440,
};

static long long linux_call(long long number, long long a, long long b, long long c, long long d) {
  register long long fourth __asm__("r10") = d;
  register long long fifth __asm__("r8") = 0;
  register long long sixth __asm__("r9") = 0;
  long long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return result;
}

#else

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static long long linux_call(long long number, long long a, long long b, long long c, long long d) {
  const long result = syscall((long)number, (long)a, (long)b, (long)c, (long)d, 0L, 0L);
  return result < 0 ? -errno : result;
}

#endif

static int is_refused(long long result) {
  return result == -1 /* EPERM */ || result == -13 /* EACCES */;
}

/* The helper's own descriptors (io/helper_side.h). */
enum { ZOO_RING_FD = 3, ZOO_OUTPUT_FD = 6 };

struct ZooCall {
  const char* name;
  int number;
  long long a, b, c, d;
};

static const struct ZooCall kCalls[] = {
    /* other processes */
    {"signal everybody", SYS_kill, -1, 0},
    {"signal its group", SYS_kill, 0, 0},
    {"signal the first process", SYS_kill, 1, 0},
    {"tkill", SYS_tkill, 1, 0},
    {"tgkill", SYS_tgkill, 1, 1, 0},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, 1, 0, 0},
    {"pidfd_send_signal", SYS_pidfd_send_signal, ZOO_OUTPUT_FD, 0, 0, 0},
    {"signal by a descriptor's owner", SYS_fcntl, ZOO_OUTPUT_FD, 8, 1},
    {"signal by a descriptor's owners", SYS_fcntl, ZOO_OUTPUT_FD, 15, 0},
    {"choose a descriptor's signal", SYS_fcntl, ZOO_OUTPUT_FD, 10, 9},
    {"lease a file", SYS_fcntl, ZOO_OUTPUT_FD, 1024, 0},
    {"the same with more bits", SYS_fcntl, ZOO_OUTPUT_FD, 0x100000008, 1},
    {"signal by a socket's owner", SYS_ioctl, ZOO_OUTPUT_FD, 0x8901, 0},
    {"ptrace", SYS_ptrace, 16, 1, 0},
    {"read another's memory", SYS_process_vm_readv, 1, 0, 0},
    {"write another's memory", SYS_process_vm_writev, 1, 0, 0},
    {"advise another's memory", SYS_process_madvise, ZOO_OUTPUT_FD, 0, 0},
    {"move another's memory", SYS_migrate_pages, 1, 0, 0},
    {"compare processes", SYS_kcmp, 1, 1, 0},
    {"pidfd_open", SYS_pidfd_open, 1, 0},
    {"pidfd_getfd", SYS_pidfd_getfd, ZOO_OUTPUT_FD, 0, 0},
    {"bind another to a processor", SYS_sched_setaffinity, 1, 8, 0},
    {"another's scheduler", SYS_sched_setscheduler, 1, 0, 0},
    {"another's scheduling", SYS_sched_setparam, 1, 0},
    {"another's priority", SYS_setpriority, 99, 1, 0},
    {"another's disk priority", SYS_ioprio_set, 99, 1, 0},
    {"setsid", SYS_setsid},
    {"setpgid", SYS_setpgid, 0, 0},
    {"outlive its parent", SYS_prctl, 1, 0},
    {"be dumped", SYS_prctl, 4, 1},
    {"be traced", SYS_prctl, 0x59616d61, -1},
    /* other programs */
    {"execve", SYS_execve, 0, 0, 0},
    {"execveat", SYS_execveat, 0, 0, 0},
    /* what is the system's */
    {"unshare", SYS_unshare, 0x10000000},
    {"setns", SYS_setns, ZOO_OUTPUT_FD, 0},
    {"mount", SYS_mount, 0, 0, 0},
    {"umount", SYS_umount2, 0, 0},
    {"open_tree", SYS_open_tree, 0, 0, 0},
    {"fsopen", SYS_fsopen, 0, 0},
    {"pivot_root", SYS_pivot_root, 0, 0},
    {"chroot", SYS_chroot, 0},
    {"setuid", SYS_setuid, 0},
    {"setgid", SYS_setgid, 0},
    {"setgroups", SYS_setgroups, 0, 0},
    {"capset", SYS_capset, 0, 0},
    {"mknod", SYS_mknod, 0, 020600, 0x103},
    {"bpf", SYS_bpf, 0, 0, 0},
    {"perf_event_open", SYS_perf_event_open, 0, 0, 0},
    {"io_uring_setup", SYS_io_uring_setup, 1, 0},
    {"userfaultfd", SYS_userfaultfd, 1},
    {"fanotify_init", SYS_fanotify_init, 0, 0},
    {"keyctl", SYS_keyctl, 0, 0, 0},
    {"add_key", SYS_add_key, 0, 0, 0},
    {"init_module", SYS_init_module, 0, 0, 0},
    {"kexec_load", SYS_kexec_load, 0, 0, 0},
    {"sethostname", SYS_sethostname, 0, 3},
    {"settimeofday", SYS_settimeofday, 0, 0},
    {"clock_settime", SYS_clock_settime, 0, 0},
    {"adjtimex", SYS_adjtimex, 0},
    {"acct", SYS_acct, 1},
    {"swapon", SYS_swapon, 0, 0},
    {"reboot", SYS_reboot, 0, 0, 0},
    {"open_by_handle_at", SYS_open_by_handle_at, 0, 0, 0},
    {"seccomp", SYS_seccomp, 0, 0, 0},
    {"seccomp by prctl", SYS_prctl, 22, 1, 0},
    {"personality", SYS_personality, 0},
    /* files that it may only read */
    {"open and empty", SYS_open, 0, 01000},
    {"open at and empty", SYS_openat, -100, 0, 01000},
    {"open for nothing and empty", SYS_openat, -100, 0, 01003},
    /* the network */
    {"raw socket", SYS_socket, 2, 3, 1},
    {"packet socket", SYS_socket, 17, 3, 0},
    {"netlink socket", SYS_socket, 16, 3, 0},
    {"virtual machines' socket", SYS_socket, 40, 1, 0},
    /* memory that its limit does not count, and the ring's size, on which the server relies */
    {"shared memory of System V", SYS_shmget, 0, 4096, 01600},
    {"messages of System V", SYS_msgget, 0, 01600},
    {"mq_open", SYS_mq_open, 0, 0, 0},
    {"memfd_create", SYS_memfd_create, 0, 0},
    {"shared memory of its own", SYS_mmap, 0, 4096, 3, 0x21},
    {"a shorter ring", SYS_ftruncate, ZOO_RING_FD, 0},
    {"a longer ring", SYS_ftruncate, ZOO_RING_FD, 1 << 30},
    {"a sealed ring", SYS_fcntl, ZOO_RING_FD, 1033, 8},
};

static void try_call(const struct ZooCall* call) {
  say_attempt(call->name, is_refused(linux_call(call->number, call->a, call->b, call->c, call->d)));
}

static void try_calls(void) {
  for (size_t i = 0; i < sizeof kCalls / sizeof kCalls[0]; ++i) try_call(&kCalls[i]);
}
