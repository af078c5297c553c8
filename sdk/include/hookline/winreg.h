#pragma once

/* Part of windows.h: the registry, read only, and the event log.
 *
 * The one key that exists is HKLM\System\CurrentControlSet\Services\DHCPServer\Parameters, with
 * what the operator's exported .reg file says below it. Every other key is ERROR_FILE_NOT_FOUND;
 * asking for the right to write is ERROR_ACCESS_DENIED. The event log is the server's own log. */

#include <hookline/wintypes.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef LONG LSTATUS;
typedef DWORD ACCESS_MASK, REGSAM;

#define HKEY_LOCAL_MACHINE ((HKEY)(ULONG_PTR)(LONG)0x80000002)

#define KEY_QUERY_VALUE 0x0001
#define KEY_SET_VALUE 0x0002
#define KEY_CREATE_SUB_KEY 0x0004
#define KEY_ENUMERATE_SUB_KEYS 0x0008
#define KEY_NOTIFY 0x0010
#define KEY_WOW64_64KEY 0x0100
#define KEY_WOW64_32KEY 0x0200
#define KEY_READ 0x20019
#define KEY_WRITE 0x20006
#define KEY_ALL_ACCESS 0xF003F

#define REG_NONE 0
#define REG_SZ 1
#define REG_EXPAND_SZ 2
#define REG_BINARY 3
#define REG_DWORD 4
#define REG_DWORD_LITTLE_ENDIAN 4
#define REG_DWORD_BIG_ENDIAN 5
#ifndef REG_MULTI_SZ
#define REG_MULTI_SZ 7
#endif
#define REG_QWORD 11

LSTATUS WINAPI RegOpenKeyExA(HKEY key, LPCSTR subkey, DWORD options, REGSAM access, PHKEY result);
LSTATUS WINAPI RegOpenKeyExW(HKEY key, LPCWSTR subkey, DWORD options, REGSAM access, PHKEY result);
LSTATUS WINAPI RegQueryValueExA(HKEY key, LPCSTR value, LPDWORD reserved, LPDWORD type, LPBYTE data,
                                LPDWORD size);
LSTATUS WINAPI RegQueryValueExW(HKEY key, LPCWSTR value, LPDWORD reserved, LPDWORD type,
                                LPBYTE data, LPDWORD size);
LSTATUS WINAPI RegCloseKey(HKEY key);

#define EVENTLOG_SUCCESS 0x0000
#define EVENTLOG_ERROR_TYPE 0x0001
#define EVENTLOG_WARNING_TYPE 0x0002
#define EVENTLOG_INFORMATION_TYPE 0x0004

typedef PVOID PSID;

HANDLE WINAPI RegisterEventSourceA(LPCSTR server, LPCSTR source);
HANDLE WINAPI RegisterEventSourceW(LPCWSTR server, LPCWSTR source);
BOOL WINAPI DeregisterEventSource(HANDLE log);
BOOL WINAPI ReportEventA(HANDLE log, WORD type, WORD category, DWORD event_id, PSID user,
                         WORD string_count, DWORD data_bytes, LPCSTR* strings, LPVOID data);
BOOL WINAPI ReportEventW(HANDLE log, WORD type, WORD category, DWORD event_id, PSID user,
                         WORD string_count, DWORD data_bytes, LPCWSTR* strings, LPVOID data);

#ifdef UNICODE
#define RegOpenKeyEx RegOpenKeyExW
#define RegQueryValueEx RegQueryValueExW
#define RegisterEventSource RegisterEventSourceW
#define ReportEvent ReportEventW
#else
#define RegOpenKeyEx RegOpenKeyExA
#define RegQueryValueEx RegQueryValueExA
#define RegisterEventSource RegisterEventSourceA
#define ReportEvent ReportEventA
#endif

#ifdef __cplusplus
}
#endif
