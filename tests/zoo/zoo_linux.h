/* What the zoo does on Linux. Included by zoo.c only. */
#pragma once

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dhcpssdk.h"
#include "hookline/host.h"

#define ZOO_EXPORT

static const struct HooklineHost* host;

uint32_t hookline_attach(const struct HooklineHost* given) {
  host = given;
  return 0;
}

static void say(const char* text) {
  if (host != NULL) host->log(host->context, HOOKLINE_LOG_INFORMATION, "zoo", 7, text);
}

/* The four bytes of a value of the DHCP server's key; 0: there is none. */
static int setting(const char* name, unsigned char* value) {
  uint32_t type = 0, size = 4;
  return host != NULL && host->registry_query(host->context, "", name, &type, value, &size) == 0;
}

static void say_attempt(const char* what, int failed) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", what, failed ? "refused" : "ALLOWED");
  say(text);
}

static void* fault_later(void* unused) {
  usleep(20000);
  *(volatile int*)unused = 1;
  return NULL;
}

static void start_faulting_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, fault_later, NULL);
  pthread_detach(thread);
}

/* Everything that is mapped shared and writable: the ring. */
static void scribble(void) {
  char line[512];
  FILE* maps = fopen("/proc/self/maps", "r");
  unsigned long begin, end;
  char rights[8];
  if (maps == NULL) {
    say("no maps");
    return;
  }
  while (fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) != 3 || strcmp(rights, "rw-s") != 0) {
      continue;
    }
    memset((void*)begin, 0xEE, end - begin);
  }
  fclose(maps);
}

/* System calls that nothing grants; a pointer to nothing is never reached by the kernel's code. */
static void try_calls(void) {
  static const struct {
    const char* name;
    long number, a, b, c;
  } kCalls[] = {
      {"ptrace", SYS_ptrace, 16, 1, 0},
      {"read another's memory", SYS_process_vm_readv, 1, 0, 0},
      {"write another's memory", SYS_process_vm_writev, 1, 0, 0},
      {"pidfd_open", SYS_pidfd_open, 1, 0, 0},
      {"unshare", SYS_unshare, 0x10000000, 0, 0},
      {"setns", SYS_setns, 0, 0, 0},
      {"mount", SYS_mount, 0, 0, 0},
      {"pivot_root", SYS_pivot_root, 0, 0, 0},
      {"chroot", SYS_chroot, (long)"/", 0, 0},
      {"setuid", SYS_setuid, 0, 0, 0},
      {"setgid", SYS_setgid, 0, 0, 0},
      {"setgroups", SYS_setgroups, 0, 0, 0},
      {"capset", SYS_capset, 0, 0, 0},
      {"mknod", SYS_mknod, (long)"/tmp/hookline-zoo", 020600, 0x103},
      {"bpf", SYS_bpf, 0, 0, 0},
      {"perf_event_open", SYS_perf_event_open, 0, 0, 0},
      {"io_uring_setup", SYS_io_uring_setup, 1, 0, 0},
      {"userfaultfd", SYS_userfaultfd, 1, 0, 0},
      {"keyctl", SYS_keyctl, 0, 0, 0},
      {"init_module", SYS_init_module, 0, 0, 0},
      {"kexec_load", SYS_kexec_load, 0, 0, 0},
      {"sethostname", SYS_sethostname, (long)"zoo", 3, 0},
      {"settimeofday", SYS_settimeofday, 0, 0, 0},
      {"reboot", SYS_reboot, 0, 0, 0},
      {"open_by_handle_at", SYS_open_by_handle_at, 0, 0, 0},
      {"seccomp", SYS_seccomp, 0, 0, 0},
      {"personality", SYS_personality, 0, 0, 0},
      {"vfork", SYS_vfork, 0, 0, 0},
      {"execveat", SYS_execveat, 0, 0, 0},
      {"raise its limits", SYS_setrlimit, 7, 0, 0},
  };
  for (size_t i = 0; i < sizeof kCalls / sizeof kCalls[0]; ++i) {
    const long result = syscall(kCalls[i].number, kCalls[i].a, kCalls[i].b, kCalls[i].c, 0, 0);
    say_attempt(kCalls[i].name, result < 0 && errno == EPERM);
  }
}

/* What the sandbox forbids, each tried once. */
static void try_everything(void) {
  const int passwords = open("/etc/passwd", O_RDONLY);
  say_attempt("read /etc/passwd", passwords < 0);
  say_attempt("write /tmp", open("/tmp/hookline-zoo", O_WRONLY | O_CREAT, 0600) < 0);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  say_attempt("fork", child < 0);
  say_attempt("signal the parent", kill(getppid(), 0) != 0);
  say_attempt("socket", socket(AF_INET, SOCK_DGRAM, 0) < 0);
  say_attempt("local socket", socket(AF_UNIX, SOCK_STREAM, 0) < 0);
  try_calls();
  char* const none[] = {"true", NULL};
  execv("/bin/true", none);
  say_attempt("exec", 1);
}

static void fork_one(void) {
  if (fork() == 0) {
    for (;;) pause();
  }
}

static void sleep_long(void) { sleep(600); }

static void close_everything(void) {
  for (int fd = 0; fd < 64; ++fd) close(fd);
}

static void kill_self(void) { kill(getpid(), SIGKILL); }

static void throw_something(void) { abort(); }
static void fail_fast(void) { abort(); }

static void run_other_program(void) {
  char* const none[] = {"sh", "-c", "sleep 1000", NULL};
  execv("/bin/sh", none);
  say_attempt("exec", 1);
}

static void open_others_files(void) {
  static const char* const kFiles[] = {"/etc/shadow",     "/etc/passwd",    "/root/.profile",
                                       "/proc/1/environ", "/proc/self/mem", "/dev/mem",
                                       "/var/log"};
  for (size_t i = 0; i < sizeof kFiles / sizeof kFiles[0]; ++i) {
    say_attempt(kFiles[i], open(kFiles[i], O_RDONLY) < 0);
  }
  say_attempt("write beside it", open("hookline-zoo", O_WRONLY | O_CREAT, 0600) < 0);
}

static void connect_out(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
  to.sin_addr.s_addr = htonl(0x0A4D0035);
  const int out = socket(AF_INET, SOCK_STREAM, 0);
  say_attempt("connect", out < 0 || connect(out, (struct sockaddr*)&to, sizeof to) < 0);
}

static void return_late(void) {
  struct timespec until, now;
  signal(SIGABRT, SIG_IGN);
  clock_gettime(CLOCK_MONOTONIC, &until);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - until.tv_sec < 2);
}

/* As a C++ compiler would have it: the program brings the library. */
static void throw_cpp(void) {
  void* (*allocate)(size_t) = (void* (*)(size_t))dlsym(RTLD_DEFAULT, "__cxa_allocate_exception");
  void (*raise_it)(void*, void*, void (*)(void*)) =
      (void (*)(void*, void*, void (*)(void*)))dlsym(RTLD_DEFAULT, "__cxa_throw");
  void* const type = dlsym(RTLD_DEFAULT, "_ZTIi");
  if (allocate == NULL || raise_it == NULL || type == NULL) abort();
  int* const thrown = (int*)allocate(sizeof *thrown);
  *thrown = 7;
  raise_it(thrown, type, NULL);
}

static void* throw_later(void* unused) {
  throw_cpp();
  return unused;
}

static void* spin(void* unused) {
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - begin.tv_sec < 1);
  return unused;
}

static void start(void* (*what)(void*)) {
  pthread_t thread;
  pthread_create(&thread, NULL, what, NULL);
  pthread_detach(thread);
}
static void start_throwing_thread(void) { start(throw_later); }
static void start_spinning_thread(void) { start(spin); }
