/* Modules: this callout's own start and end, and LoadLibrary and its kin on dlopen. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core.h"

#pragma weak DllMain

static char own_path[PATH_MAX];
static const char* own_name = "callout";
static int refused; /* DllMain said FALSE */

const char* hookline_own_name(void) { return own_name; }

/* glibc's handle of a library is its link_map, for dlopen's callers as well. */
static HMODULE find_self(void) {
  Dl_info info;
  struct link_map* map = NULL;
  if (dladdr1((void*)&find_self, &info, (void**)&map, RTLD_DL_LINKMAP) == 0) {
    return NULL;
  }
  if (realpath(info.dli_fname, own_path) == NULL) {
    snprintf(own_path, sizeof own_path, "%s", info.dli_fname);
  }
  const char* slash = strrchr(own_path, '/');
  own_name = slash != NULL ? slash + 1 : own_path;
  return (HMODULE)map;
}

/* Linked behind the callout's own objects: its static objects exist before and outlive DllMain. */
__attribute__((constructor)) static void process_attach(void) {
  HMODULE self = find_self();
  HooklineCurrentHost loader =
      (HooklineCurrentHost)dlsym(RTLD_DEFAULT, HOOKLINE_CURRENT_HOST_SYMBOL);
  if (loader != NULL) {
    hookline_take_host(loader());
  }
  if (DllMain != NULL) {
    refused = !DllMain(self, DLL_PROCESS_ATTACH, NULL);
  }
}

__attribute__((destructor)) static void process_detach(void) {
  if (DllMain != NULL) {
    DllMain(find_self(), DLL_PROCESS_DETACH, NULL);
  }
}

__attribute__((visibility("default"))) uint32_t hookline_attach(const struct HooklineHost* host);
uint32_t hookline_attach(const struct HooklineHost* host) {
  uint32_t error = hookline_take_host(host);
  return error == ERROR_SUCCESS && refused ? ERROR_DLL_INIT_FAILED : error;
}

static int ends_with_dll(const char* name, size_t length) {
  return length > 4 && strcasecmp(name + length - 4, ".dll") == 0;
}

/* The file for a name; false when the name does not fit. */
static int find_file(const char* name, char out[PATH_MAX]) {
  if (hookline_map_path(name, out, PATH_MAX) != 0) {
    return 1;
  }
  if (strchr(name, '/') != NULL) {
    return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX;
  }
  const char* backslash = strrchr(name, '\\');
  const char* base = backslash != NULL ? backslash + 1 : name;
  size_t length = strlen(base);
  const char* suffix = "";
  if (ends_with_dll(base, length)) {
    length -= 4;
    suffix = ".so";
  } else if (strchr(base, '.') == NULL) {
    suffix = ".so";
  }
  int folder = (int)(strlen(own_path) - strlen(own_name));
  int written = snprintf(out, PATH_MAX, "%.*s%.*s%s", folder, own_path, (int)length, base, suffix);
  return written < PATH_MAX;
}

static int is_own_symbol(void* library, void* symbol) {
  Dl_info info;
  struct link_map* map = NULL;
  return dladdr1(symbol, &info, (void**)&map, RTLD_DL_LINKMAP) != 0 && map == library;
}

static void log_load_failure(const char* name, const char* why) {
  char line[PATH_MAX + 256];
  snprintf(line, sizeof line, "LoadLibrary(%s): %s", name, why);
  hookline_log(HOOKLINE_LOG_DEBUG, own_name, 0, line);
}

HMODULE WINAPI LoadLibraryA(LPCSTR name) {
  char path[PATH_MAX];
  if (name == NULL || name[0] == '\0' || !find_file(name, path)) {
    SetLastError(ERROR_INVALID_PARAMETER);
    return NULL;
  }
  if (access(path, F_OK) != 0) {
    log_load_failure(name, path);
    SetLastError(ERROR_MOD_NOT_FOUND);
    return NULL;
  }
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    log_load_failure(name, dlerror());
    SetLastError(ERROR_BAD_EXE_FORMAT);
    return NULL;
  }
  HooklineAttach attach = (HooklineAttach)dlsym(library, HOOKLINE_ATTACH_SYMBOL);
  if (attach != NULL && is_own_symbol(library, (void*)attach)) {
    uint32_t error = attach(hookline_host());
    if (error != ERROR_SUCCESS) {
      log_load_failure(name, "its DllMain refused");
      dlclose(library);
      SetLastError(error);
      return NULL;
    }
  }
  return (HMODULE)library;
}

HMODULE WINAPI LoadLibraryW(LPCWSTR name) {
  char* narrow = hookline_narrow(name);
  HMODULE module = LoadLibraryA(narrow);
  free(narrow);
  return module;
}

BOOL WINAPI FreeLibrary(HMODULE module) {
  if (module == NULL || dlclose(module) != 0) {
    SetLastError(ERROR_INVALID_HANDLE);
    return FALSE;
  }
  return TRUE;
}

FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name) {
  void* symbol = NULL;
  if (module != NULL && (ULONG_PTR)name > 0xFFFF) {
    symbol = dlsym(module, name);
  }
  /* dlsym also looks into the libraries that the module needs; Windows does not. */
  if (symbol == NULL || !is_own_symbol(module, symbol)) {
    SetLastError(ERROR_PROC_NOT_FOUND);
    return NULL;
  }
  return (FARPROC)symbol;
}

static int module_path(HMODULE module, char out[PATH_MAX]) {
  if (module == NULL) {
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (length < 0) {
      return 0;
    }
    out[length] = '\0';
    return 1;
  }
  struct link_map* map = NULL;
  return dlinfo(module, RTLD_DI_LINKMAP, &map) == 0 && realpath(map->l_name, out) != NULL;
}

DWORD WINAPI GetModuleFileNameA(HMODULE module, LPSTR path, DWORD size) {
  char found[PATH_MAX];
  if (!module_path(module, found)) {
    SetLastError(ERROR_INVALID_HANDLE);
    return 0;
  }
  DWORD length = (DWORD)strlen(found);
  if (size == 0 || length >= size) {
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    lstrcpynA(path, found, (int)size);
    return size;
  }
  memcpy(path, found, length + 1);
  return length;
}

DWORD WINAPI GetModuleFileNameW(HMODULE module, LPWSTR path, DWORD size) {
  char found[PATH_MAX];
  if (!module_path(module, found)) {
    SetLastError(ERROR_INVALID_HANDLE);
    return 0;
  }
  WCHAR* wide = hookline_widen(found);
  if (wide == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return 0;
  }
  DWORD length = (DWORD)wcslen(wide);
  lstrcpynW(path, wide, (int)size);
  free(wide);
  if (length >= size) {
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    return size;
  }
  return length;
}

BOOL WINAPI DisableThreadLibraryCalls(HMODULE module) { return module != NULL; }
