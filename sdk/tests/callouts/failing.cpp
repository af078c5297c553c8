// Fails in its entry point: with -DTHROW by an exception, else by an error code. In DllMain it reads
// the registry and writes a line, as a callout does that has its settings ready before it is asked.

#include <windows.h>
#include <dhcpssdk.h>
#include <stdexcept>

BOOL WINAPI DllMain(HINSTANCE, DWORD Reason, LPVOID)
{
    HKEY Key;
    CHAR Text[64] = "nothing";
    DWORD Size = sizeof(Text) - 1;
    if (RegOpenKeyEx(HKEY_LOCAL_MACHINE, DHCP_CALLOUT_LIST_KEY, 0, KEY_READ, &Key) == ERROR_SUCCESS) {
        RegQueryValueExA(Key, "Greeting", NULL, NULL, (LPBYTE)Text, &Size);
        RegCloseKey(Key);
    }
    OutputDebugStringA(Reason == DLL_PROCESS_ATTACH ? "DllMain attach" : "DllMain detach");
    OutputDebugStringA(Text);
    return TRUE;
}

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR, DWORD, LPDHCP_CALLOUT_TABLE)
{
#ifdef THROW
    throw std::runtime_error("not today");
#endif
    return ERROR_ACCESS_DENIED;
}
