/* The registry's one key, and the event log. */

#include <stdio.h>
#include <stdlib.h>

#include "core.h"

static const char kBase[] = "system\\currentcontrolset\\services\\dhcpserver\\parameters";

enum { kKeyMagic = 0x484b4559, kLogMagic = 0x484c4f47, kPathMax = 512 };

/* An open key: its path below HKEY_LOCAL_MACHINE. */
struct Key {
  uint32_t magic;
  char path[kPathMax];
};

static struct Key* as_key(HKEY handle) {
  struct Key* key = (struct Key*)handle;
  return key != NULL && handle != HKEY_LOCAL_MACHINE && key->magic == kKeyMagic ? key : NULL;
}

/* Whether `shorter` is `longer` or stands above it. */
static int is_above(const char* shorter, const char* longer) {
  size_t length = strlen(shorter);
  return strncasecmp(shorter, longer, length) == 0 &&
         (length == 0 || longer[length] == '\0' || longer[length] == '\\');
}

/* The part of a path below the base key, or NULL for a key above it. */
static const char* below_base(const char* path) {
  size_t length = sizeof kBase - 1;
  if (!is_above(kBase, path)) {
    return NULL;
  }
  return path[length] == '\\' ? path + length + 1 : path + length;
}

static int key_exists(const char* path) {
  const char* below = below_base(path);
  if (below == NULL) {
    return is_above(path, kBase);
  }
  return below[0] == '\0' ||
         hookline_registry_query(below, NULL, NULL, NULL, NULL) == ERROR_SUCCESS;
}

LSTATUS WINAPI RegOpenKeyExA(HKEY key, LPCSTR subkey, DWORD options, REGSAM access, PHKEY result) {
  struct Key* parent = as_key(key);
  char path[kPathMax];
  (void)options;
  if (result == NULL || (parent == NULL && key != HKEY_LOCAL_MACHINE)) {
    return result == NULL ? ERROR_INVALID_PARAMETER : ERROR_INVALID_HANDLE;
  }
  if ((access & (KEY_SET_VALUE | KEY_CREATE_SUB_KEY)) != 0) {
    return ERROR_ACCESS_DENIED;
  }
  const char* above = parent != NULL ? parent->path : "";
  subkey = subkey != NULL ? subkey : "";
  subkey += strspn(subkey, "\\");
  const char* between = above[0] != '\0' && subkey[0] != '\0' ? "\\" : "";
  int length = snprintf(path, sizeof path, "%s%s%s", above, between, subkey);
  if (length >= kPathMax) {
    return ERROR_FILE_NOT_FOUND;
  }
  while (length > 0 && path[length - 1] == '\\') {
    path[--length] = '\0';
  }
  if (!key_exists(path)) {
    return ERROR_FILE_NOT_FOUND;
  }
  struct Key* opened = calloc(1, sizeof *opened);
  if (opened == NULL) {
    return ERROR_OUTOFMEMORY;
  }
  opened->magic = kKeyMagic;
  memcpy(opened->path, path, (size_t)length + 1);
  *result = (HKEY)opened;
  return ERROR_SUCCESS;
}

LSTATUS WINAPI RegOpenKeyExW(HKEY key, LPCWSTR subkey, DWORD options, REGSAM access, PHKEY result) {
  char* narrow = hookline_narrow(subkey);
  LSTATUS status = RegOpenKeyExA(key, narrow, options, access, result);
  free(narrow);
  return status;
}

LSTATUS WINAPI RegCloseKey(HKEY handle) {
  struct Key* key = as_key(handle);
  if (key == NULL) {
    return handle == HKEY_LOCAL_MACHINE ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
  }
  key->magic = 0;
  free(key);
  return ERROR_SUCCESS;
}

/* A value's own bytes. `*size` is room, then length; data == NULL only asks for the length. */
static LSTATUS query(HKEY handle, const char* value, DWORD* type, void* data, DWORD* size) {
  struct Key* key = as_key(handle);
  if (key == NULL) {
    return handle == HKEY_LOCAL_MACHINE ? ERROR_FILE_NOT_FOUND : ERROR_INVALID_HANDLE;
  }
  const char* below = below_base(key->path);
  if (below == NULL) {
    return ERROR_FILE_NOT_FOUND;
  }
  if (data == NULL) {
    *size = 0;
  }
  uint32_t status = hookline_registry_query(below, value, type, data, size);
  return data == NULL && status == ERROR_MORE_DATA ? ERROR_SUCCESS : (LSTATUS)status;
}

LSTATUS WINAPI RegQueryValueExW(HKEY key, LPCWSTR value, LPDWORD reserved, LPDWORD type,
                                LPBYTE data, LPDWORD size) {
  DWORD ignored_type = 0;
  DWORD ignored_size = 0;
  if (reserved != NULL || (data != NULL && size == NULL)) {
    return ERROR_INVALID_PARAMETER;
  }
  char* narrow = hookline_narrow(value != NULL ? value : L"");
  if (narrow == NULL) {
    return ERROR_OUTOFMEMORY;
  }
  LSTATUS status = query(key, narrow, type != NULL ? type : &ignored_type, data,
                         size != NULL ? size : &ignored_size);
  free(narrow);
  return status;
}

static int is_text(DWORD type) {
  return type == REG_SZ || type == REG_EXPAND_SZ || type == REG_MULTI_SZ;
}

/* Gives `bytes` bytes to a caller of RegQueryValueExA. */
static LSTATUS give(const void* value, DWORD bytes, LPBYTE data, LPDWORD size) {
  if (size == NULL) {
    return ERROR_SUCCESS;
  }
  DWORD room = *size;
  *size = bytes;
  if (data == NULL) {
    return ERROR_SUCCESS;
  }
  if (room < bytes) {
    return ERROR_MORE_DATA;
  }
  memcpy(data, value, bytes);
  return ERROR_SUCCESS;
}

static LSTATUS give_as_utf8(const WCHAR* wide, DWORD bytes, LPBYTE data, LPDWORD size) {
  int units = (int)(bytes / sizeof(WCHAR));
  if (units == 0) {
    return give("", 0, data, size);
  }
  int length = WideCharToMultiByte(CP_UTF8, 0, wide, units, NULL, 0, NULL, NULL);
  char* text = malloc((size_t)length);
  if (text == NULL) {
    return ERROR_OUTOFMEMORY;
  }
  WideCharToMultiByte(CP_UTF8, 0, wide, units, text, length, NULL, NULL);
  LSTATUS status = give(text, (DWORD)length, data, size);
  free(text);
  return status;
}

LSTATUS WINAPI RegQueryValueExA(HKEY key, LPCSTR value, LPDWORD reserved, LPDWORD type, LPBYTE data,
                                LPDWORD size) {
  DWORD kind = REG_NONE;
  DWORD bytes = 0;
  if (reserved != NULL || (data != NULL && size == NULL)) {
    return ERROR_INVALID_PARAMETER;
  }
  value = value != NULL ? value : "";
  LSTATUS status = query(key, value, &kind, NULL, &bytes);
  if (status != ERROR_SUCCESS) {
    return status;
  }
  BYTE* raw = malloc(bytes + 1);
  if (raw == NULL) {
    return ERROR_OUTOFMEMORY;
  }
  status = query(key, value, &kind, raw, &bytes);
  if (status == ERROR_SUCCESS) {
    status = is_text(kind) ? give_as_utf8((const WCHAR*)raw, bytes, data, size)
                           : give(raw, bytes, data, size);
    if (type != NULL) {
      *type = kind;
    }
  }
  free(raw);
  return status;
}

struct EventSource {
  uint32_t magic;
  char name[128];
};

HANDLE WINAPI RegisterEventSourceA(LPCSTR server, LPCSTR source) {
  struct EventSource* log = NULL;
  if (source == NULL || (server != NULL && server[0] != '\0')) {
    SetLastError(ERROR_INVALID_PARAMETER);
    return NULL;
  }
  log = calloc(1, sizeof *log);
  if (log == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  log->magic = kLogMagic;
  snprintf(log->name, sizeof log->name, "%s", source);
  return log;
}

HANDLE WINAPI RegisterEventSourceW(LPCWSTR server, LPCWSTR source) {
  char* narrow = hookline_narrow(source);
  HANDLE log = RegisterEventSourceA(server != NULL && server[0] != 0 ? "other" : NULL, narrow);
  free(narrow);
  return log;
}

static struct EventSource* as_log(HANDLE handle) {
  struct EventSource* log = handle;
  if (log == NULL || log->magic != kLogMagic) {
    SetLastError(ERROR_INVALID_HANDLE);
    return NULL;
  }
  return log;
}

BOOL WINAPI DeregisterEventSource(HANDLE handle) {
  struct EventSource* log = as_log(handle);
  if (log == NULL) {
    return FALSE;
  }
  log->magic = 0;
  free(log);
  return TRUE;
}

enum { kEventTextMax = 4096 };

BOOL WINAPI ReportEventA(HANDLE handle, WORD type, WORD category, DWORD event_id, PSID user,
                         WORD string_count, DWORD data_bytes, LPCSTR* strings, LPVOID data) {
  struct EventSource* log = as_log(handle);
  (void)category, (void)user, (void)data_bytes, (void)data;
  if (log == NULL) {
    return FALSE;
  }
  char text[kEventTextMax] = "";
  size_t used = 0;
  for (WORD i = 0; i < string_count && used < sizeof text; ++i) {
    const char* string = strings[i] != NULL ? strings[i] : "";
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : "; ", string);
  }
  text[strcspn(text, "\r\n")] = '\0';
  hookline_log(type == EVENTLOG_SUCCESS ? HOOKLINE_LOG_INFORMATION : type, log->name, event_id,
               text);
  return TRUE;
}

BOOL WINAPI ReportEventW(HANDLE handle, WORD type, WORD category, DWORD event_id, PSID user,
                         WORD string_count, DWORD data_bytes, LPCWSTR* strings, LPVOID data) {
  char** narrow = calloc((size_t)string_count + 1, sizeof *narrow);
  if (narrow == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return FALSE;
  }
  for (WORD i = 0; i < string_count; ++i) {
    narrow[i] = hookline_narrow(strings[i]);
  }
  BOOL done = ReportEventA(handle, type, category, event_id, user, string_count, data_bytes,
                           (LPCSTR*)narrow, data);
  for (WORD i = 0; i < string_count; ++i) {
    free(narrow[i]);
  }
  free(narrow);
  return done;
}
