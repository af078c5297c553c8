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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

#include "zoo_calls.h" /* which says what it attempts */

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

/* The ring, which is the one file among its descriptors that can be shared and written. */
static void scribble(void) {
  int found = 0;
  for (int fd = 3; fd < 64; ++fd) {
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size == 0) continue;
    const size_t size = (size_t)facts.st_size;
    void* const ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) continue;
    found = 1;
    memset(ring, 0xEE, size);
  }
  if (!found) say("no ring to write over");
}

/* Nothing but its standard descriptors and those of the ring was left open for it. */
static void try_descriptors(void) {
  int more = 0;
  for (int fd = ZOO_OUTPUT_FD + 1; fd < 1024; ++fd) more += fcntl(fd, F_GETFD) >= 0;
  say_attempt("others' descriptors", more == 0);
}

/* What files are, beside what is in them: Landlock does not ask. (Wine's see most of them
 * read-only.) */
static void try_files(void) {
  static const struct ZooCall kOfFiles[] = {
      {"chmod", SYS_fchmodat, -100, 0, 0},          {"chmod of what is open", SYS_fchmod, 1000, 0},
      {"chown", SYS_fchownat, -100, 0, 0},          {"set times", SYS_utimensat, -100, 0, 0, 0},
      {"set attributes", SYS_setxattr, 0, 0, 0, 0}, {"truncate", SYS_truncate, 0, 0},
  };
  for (size_t i = 0; i < sizeof kOfFiles / sizeof kOfFiles[0]; ++i) try_call(&kOfFiles[i]);
}

/* What the sandbox forbids, each tried once. */
static void try_everything(void) {
  const struct rlimit limits = {1 << 16, 1 << 16};
  int pair[2];
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
  say_attempt("pair of sockets", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0);
  say_attempt("vfork", is_refused(syscall(SYS_vfork) < 0 ? -errno : 0));
  say_attempt("raise its limits", setrlimit(RLIMIT_NOFILE, &limits) < 0);
  try_calls();
  try_files();
  try_descriptors();
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
  static const char* const kFiles[] = {
      "/etc/shadow", "/etc/passwd", "/root/.profile", "/proc/1/environ", "/proc/self/mem",
      "/proc/kcore", "/proc/1/mem", "/dev/mem",       "/dev/tty",        "/dev/shm",
      "/dev/kmsg",   "/sys/kernel", "/var/log",       "/var/lib",        "/run"};
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
