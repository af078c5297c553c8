// A C++ callout in Microsoft's style: stdafx-like order, old annotations, std::wstring, a static
// object, a static CRITICAL_SECTION, __try with return, and an entry point without extern "C" that
// the .def finds and renames.

#include <WinSock2.h>
#include <Windows.h>
#include <DhcpSsdk.h>
#include <tchar.h>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>

#define DEBUG_LINE(fmt, ...) (_snprintf(g_line, sizeof(g_line), fmt, __VA_ARGS__), OutputDebugStringA(g_line))

static char g_line[200];
static CRITICAL_SECTION g_lock;
static HMODULE g_dll;
static DHCP_CALLOUT_TABLE g_next;

struct Log {
    Log() { OutputDebugString(_T("constructed")); }
    ~Log() { OutputDebugString(_T("destroyed")); }
    std::wstring names;
};
static Log g_log;

class Section {
public:
    explicit Section(__inout CRITICAL_SECTION* section) : section_(section) { EnterCriticalSection(section_); }
    ~Section() { LeaveCriticalSection(section_); }

private:
    CRITICAL_SECTION* section_;
};

static int finally_runs(__in int x, __out int* seen)
{
    __try {
        if (x == 1)
            return 10;
        if (x == 2)
            __leave;
        *seen += 100;
    } __finally {
        *seen += 1;
    }
    return 20;
}

static DWORD CALLBACK new_packet(__inout LPBYTE* packet, __inout DWORD* size, __in DWORD ip, LPVOID reserved,
                                 __inout LPVOID* context, __out LPBOOL process)
{
    Section lock(&g_lock);
    strcat((char*)*packet + 44, "modern ");
    in_addr address;
    address.S_un.S_addr = htonl(ip);
    DEBUG_LINE("from %s", inet_ntoa(address));
    if (g_next.DhcpNewPktHook != NULL)
        g_next.DhcpNewPktHook(packet, size, ip, reserved, context, process);
    return ERROR_SUCCESS;
}

DWORD WINAPI ModernEntry(__in LPWSTR chain, __in DWORD version, __inout LPDHCP_CALLOUT_TABLE table)
{
    int seen = 0;
    if (finally_runs(0, &seen) != 20 || finally_runs(1, &seen) != 10 || finally_runs(2, &seen) != 20 || seen != 103)
        return ERROR_INVALID_FUNCTION;
    std::map<std::wstring, size_t> lengths;
    for (LPCWSTR name = chain; *name != L'\0'; name += lstrlen(name) + 1) {
        g_log.names += name;
        g_log.names += L";";
        lengths[name] = wcslen(name);
    }
    std::ostringstream text;
    text << lengths.size() << ' ' << min(3u, version) << ' ' << std::regex_match("ab1", std::regex("[a-z]+\\d"));
    std::thread([] {}).join();
    OutputDebugStringA(text.str().c_str());
    OutputDebugStringW(g_log.names.c_str());
    DEBUG_LINE("no arguments");
    if (*chain != L'\0') {
        g_dll = LoadLibrary(chain);
        LPDHCP_ENTRY_POINT_FUNC entry = (LPDHCP_ENTRY_POINT_FUNC)GetProcAddress(g_dll, DHCP_CALLOUT_ENTRY_POINT);
        if (entry == NULL || entry(chain + _tcslen(chain) + 1, version, &g_next) != ERROR_SUCCESS)
            return GetLastError();
    }
    table->DhcpNewPktHook = new_packet;
    return ERROR_SUCCESS;
}

BOOL APIENTRY DllMain(HMODULE, DWORD reason, LPVOID)
{
    if (reason == DLL_PROCESS_ATTACH) {
        InitializeCriticalSection(&g_lock);
        OutputDebugString(_T("attached"));
    } else if (reason == DLL_PROCESS_DETACH) {
        OutputDebugString(_T("detached"));
        if (g_dll != NULL)
            FreeLibrary(g_dll);
        DeleteCriticalSection(&g_lock);
    }
    return TRUE;
}
