// A callout that chains as it should. Compiled several times with its own LEAF name: it notes its
// turn in the first bytes of the packet's sname field, which nobody else uses here.

#include <windows.h>
#include <dhcpssdk.h>

#define NAME_OF(x) #x
#define TEXT_OF(x) NAME_OF(x)

static CRITICAL_SECTION g_Lock;
static HMODULE g_Dll;
static DHCP_CALLOUT_TABLE g_Next;

__declspec(dllexport) const char *LeafName(void)
{
    return TEXT_OF(LEAF);
}

static DWORD CALLBACK NewPkt(LPBYTE *Packet, DWORD *PacketSize, DWORD IpAddress, LPVOID Reserved,
                             LPVOID *PktContext, LPBOOL ProcessIt)
{
    EnterCriticalSection(&g_Lock);
    strcat((char *)*Packet + 44, TEXT_OF(LEAF) " ");
    LeaveCriticalSection(&g_Lock);
    if (g_Next.DhcpNewPktHook)
        g_Next.DhcpNewPktHook(Packet, PacketSize, IpAddress, Reserved, PktContext, ProcessIt);
    return 0;
}

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR ChainDlls, DWORD CalloutVersion,
                                      LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    if (*ChainDlls) {
        LPDHCP_ENTRY_POINT_FUNC Entry;
        g_Dll = LoadLibraryW(ChainDlls);
        if (!g_Dll)
            return GetLastError();
        Entry = (LPDHCP_ENTRY_POINT_FUNC)GetProcAddress(g_Dll, DHCP_CALLOUT_ENTRY_POINT);
        if (!Entry)
            return GetLastError();
        Entry(ChainDlls + wcslen(ChainDlls) + 1, CalloutVersion, &g_Next);
    }
    *CalloutTbl = g_Next;
    CalloutTbl->DhcpNewPktHook = NewPkt;
    return 0;
}

BOOL WINAPI DllMain(HINSTANCE Self, DWORD Reason, LPVOID Reserved)
{
    (void)Self, (void)Reserved;
    if (Reason == DLL_PROCESS_ATTACH)
        InitializeCriticalSection(&g_Lock);
    else if (g_Dll)
        FreeLibrary(g_Dll);
    return TRUE;
}
