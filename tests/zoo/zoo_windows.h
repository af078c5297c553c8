/* What the zoo does on Windows, or under Wine. Included by zoo.c only. */
#pragma once

/* What comes first matters. */
/* clang-format off */
#include <winsock2.h>
#include <windows.h>
#include <dhcpssdk.h>
/* clang-format on */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZOO_EXPORT __declspec(dllexport)

static void say(const char* text) {
  printf("%s\n", text);
  fflush(stdout);
}

/* The four bytes of a value of the DHCP server's key; 0: there is none. */
static int setting(const char* name, unsigned char* value) {
  HKEY key;
  DWORD type = 0, size = 4;
  LONG error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, DHCP_CALLOUT_LIST_KEY, 0, KEY_READ, &key);
  if (error != ERROR_SUCCESS) return 0;
  error = RegQueryValueExA(key, name, NULL, &type, value, &size);
  RegCloseKey(key);
  return error == ERROR_SUCCESS;
}

static void say_attempt(const char* what, int failed) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", what, failed ? "refused" : "ALLOWED");
  say(text);
}

#include "zoo_calls.h" /* which says what it attempts */

static DWORD WINAPI fault_later(void* unused) {
  Sleep(20);
  *(volatile int*)unused = 1;
  return 0;
}

static void start_faulting_thread(void) {
  CloseHandle(CreateThread(NULL, 0, fault_later, NULL, 0, NULL));
}

/* Everything that is mapped shared and writable: the ring. */
static void scribble(void) {
  MEMORY_BASIC_INFORMATION info;
  char* at = NULL;
  while (VirtualQuery(at, &info, sizeof info) != 0) {
    if (info.State == MEM_COMMIT && info.Type == MEM_MAPPED && info.Protect == PAGE_READWRITE) {
      memset(info.BaseAddress, 0xEE, info.RegionSize);
    }
    at = (char*)info.BaseAddress + info.RegionSize;
  }
}

static int cannot_open(const char* path, DWORD access, DWORD how) {
  const HANDLE file = CreateFileA(path, access, FILE_SHARE_READ, NULL, how, 0, NULL);
  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  return file == INVALID_HANDLE_VALUE;
}

static int cannot_run(const char* command) {
  char line[64];
  STARTUPINFOA start = {sizeof start};
  PROCESS_INFORMATION started;
  snprintf(line, sizeof line, "%s", command);
  return !CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &started);
}

/* The server's control socket, where it lies in the configuration's folder: by Linux's own calls.
 */
static void try_control_socket(void) {
  struct {
    unsigned short family;
    char path[108];
  } address = {1};
  WIN32_FIND_DATAA found;
  char folder[80];
  const HANDLE search = FindFirstFileA("control*.sock", &found);
  if (search == INVALID_HANDLE_VALUE) return;
  FindClose(search);
  if (GetCurrentDirectoryA(sizeof folder, folder) >= sizeof folder) return;
  snprintf(address.path, sizeof address.path, "%s/%s", folder + 2, found.cFileName);
  for (char* at = address.path; *at != 0; ++at) *at = *at == '\\' ? '/' : *at;
  const long long fd = linux_call(SYS_socket, 1, 1, 0, 0);
  say_attempt("the control socket",
              is_refused(linux_call(SYS_connect, fd, (intptr_t)&address, sizeof address, 0)));
}

/* What the sandbox forbids, each tried once. */
static void try_everything(void) {
  WSADATA winsock;
  say_attempt("read /etc/passwd", cannot_open("Z:\\etc\\passwd", GENERIC_READ, OPEN_EXISTING));
  say_attempt("read past the drives",
              cannot_open("\\\\?\\unix\\etc\\passwd", GENERIC_READ, OPEN_EXISTING));
  say_attempt("write /usr", cannot_open("Z:\\usr\\hookline-zoo", GENERIC_WRITE, CREATE_ALWAYS));
  say_attempt("write beside it", cannot_open("hookline-zoo", GENERIC_WRITE, CREATE_ALWAYS));
  say_attempt("see other processes",
              cannot_open("Z:\\proc\\1\\status", GENERIC_READ, OPEN_EXISTING));
  say_attempt("start a program of Windows", cannot_run("C:\\windows\\system32\\cmd.exe /c exit"));
  say_attempt("start a program of Linux", cannot_run("Z:\\usr\\bin\\true"));
  WSAStartup(MAKEWORD(2, 2), &winsock);
  say_attempt("socket", socket(AF_INET, SOCK_DGRAM, 0) == INVALID_SOCKET);
  try_calls();
  try_control_socket();
  const long long child = linux_call(SYS_clone, 17, 0, 0, 0);
  if (child == 0) linux_call(SYS_exit, 0, 0, 0, 0);
  say_attempt("fork", is_refused(child));
  say("exec: refused");
}

static void fork_one(void) {
  if (cannot_run("C:\\windows\\system32\\cmd.exe")) say("fork refused");
}

static void sleep_long(void) { Sleep(600000); }

static void close_everything(void) {
  for (uintptr_t handle = 4; handle < 1024; handle += 4) CloseHandle((HANDLE)handle);
}

static void kill_self(void) { TerminateProcess(GetCurrentProcess(), 9); }

/* As Microsoft's compiler throws. */
static void throw_something(void) {
  const ULONG_PTR information[4] = {0x19930520, 0, 0, 0};
  RaiseException(0xE06D7363, EXCEPTION_NONCONTINUABLE, 4, information);
}

static void fail_fast(void) { __asm__ volatile("int $0x29" : : "c"(7)); }

static void run_other_program(void) { say_attempt("exec", cannot_run("Z:\\bin\\sh")); }

static void open_others_files(void) {
  say_attempt("/etc/shadow", cannot_open("Z:\\etc\\shadow", GENERIC_READ, OPEN_EXISTING));
}

static void connect_out(void) {
  WSADATA winsock;
  WSAStartup(MAKEWORD(2, 2), &winsock);
  say_attempt("connect", socket(AF_INET, SOCK_STREAM, 0) == INVALID_SOCKET);
}

static void return_late(void) { Sleep(2000); }

static void throw_cpp(void) { throw_something(); }

static DWORD WINAPI throw_later(void* unused) {
  (void)unused;
  throw_something();
  return 0;
}
static void start_throwing_thread(void) {
  CloseHandle(CreateThread(NULL, 0, throw_later, NULL, 0, NULL));
}

static DWORD WINAPI spin(void* unused) {
  const DWORD begin = GetTickCount();
  (void)unused;
  while (GetTickCount() - begin < 1000) continue;
  return 0;
}
static void start_spinning_thread(void) { CloseHandle(CreateThread(NULL, 0, spin, NULL, 0, NULL)); }
