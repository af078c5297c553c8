// audit: one line in the event log for every event of the DHCP server, and then the next callout.
//
// Hooks everything. Loads the first DLL of ChainDlls, hands it the rest of the list, and calls its
// hooks after its own line: so a callout that knows nothing of the others can stand behind it.

#include <Windows.h>
#include <Dhcpssdk.h>
#include <tchar.h>
#include <strsafe.h>

static CRITICAL_SECTION g_Lock;          // of g_Events
static HANDLE g_Log;
static DWORD g_Events;
static HMODULE g_NextDll;
static DHCP_CALLOUT_TABLE g_Next;        // the next callout's hooks, or zeros

static void Audit(DWORD Id, LPCTSTR Format, ...)
{
    TCHAR Line[512];
    LPCTSTR Strings[1] = { Line };
    va_list Arguments;

    va_start(Arguments, Format);
    StringCchVPrintf(Line, ARRAYSIZE(Line), Format, Arguments);
    va_end(Arguments);

    EnterCriticalSection(&g_Lock);
    g_Events++;
    LeaveCriticalSection(&g_Lock);
    ReportEvent(g_Log, EVENTLOG_INFORMATION_TYPE, 0, Id, NULL, 1, 0, Strings, NULL);
}

// An address in host order as text; the buffer is the caller's.
static LPCTSTR Address(DWORD Ip, TCHAR Text[16])
{
    StringCchPrintf(Text, 16, _T("%u.%u.%u.%u"), Ip >> 24, Ip >> 16 & 255, Ip >> 8 & 255, Ip & 255);
    return Text;
}

static LPCTSTR DropReason(DWORD Code)
{
    static const LPCTSTR Reasons[] = {
        NULL, _T("DUPLICATE"), _T("NOMEM"), _T("INTERNAL_ERROR"), _T("TIMEOUT"), _T("UNAUTH"),
        _T("PAUSED"), _T("NO_SUBNETS"), _T("INVALID"), _T("WRONG_SERVER"), _T("NOADDRESS"),
        _T("PROCESSED"),
    };
    return Code >= 1 && Code < ARRAYSIZE(Reasons) ? Reasons[Code] : _T("GEN_FAILURE");
}

static DWORD CALLBACK OnControl(IN DWORD Code, IN LPVOID Reserved)
{
    static const LPCTSTR Names[] = { _T("?"), _T("START"), _T("STOP"), _T("PAUSE"),
                                     _T("CONTINUE") };
    Audit(100, _T("service %s"), Code < ARRAYSIZE(Names) ? Names[Code] : Names[0]);
    if (g_Next.DhcpControlHook != NULL)
        g_Next.DhcpControlHook(Code, Reserved);
    if (Code == DHCP_CONTROL_STOP)
        Audit(101, _T("%lu events"), (ULONG)g_Events);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnNewPkt(IN OUT LPBYTE *Packet, IN OUT DWORD *PacketSize, IN DWORD IpAddress,
                               IN LPVOID Reserved, IN OUT LPVOID *PktContext, OUT LPBOOL ProcessIt)
{
    TCHAR Ip[16];
    LPBYTE Mac = *Packet + 28;
    if (*PacketSize >= 34)
        Audit(110, _T("packet of %lu bytes from %02x:%02x:%02x:%02x:%02x:%02x on %s"),
              (ULONG)*PacketSize, Mac[0], Mac[1], Mac[2], Mac[3], Mac[4], Mac[5],
              Address(IpAddress, Ip));
    if (g_Next.DhcpNewPktHook != NULL)
        g_Next.DhcpNewPktHook(Packet, PacketSize, IpAddress, Reserved, PktContext, ProcessIt);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnPktDrop(IN OUT LPBYTE *Packet, IN OUT DWORD *PacketSize,
                                IN DWORD ControlCode, IN DWORD IpAddress, IN LPVOID Reserved,
                                IN LPVOID PktContext)
{
    Audit(111, _T("dropped: %s"), DropReason(ControlCode));
    if (g_Next.DhcpPktDropHook != NULL)
        g_Next.DhcpPktDropHook(Packet, PacketSize, ControlCode, IpAddress, Reserved, PktContext);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnPktSend(IN OUT LPBYTE *Packet, IN OUT DWORD *PacketSize,
                                IN DWORD ControlCode, IN DWORD IpAddress, IN LPVOID Reserved,
                                IN LPVOID PktContext)
{
    if (g_Next.DhcpPktSendHook != NULL)
        g_Next.DhcpPktSendHook(Packet, PacketSize, ControlCode, IpAddress, Reserved, PktContext);
    Audit(112, _T("reply of %lu bytes"), (ULONG)*PacketSize);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnAddressDel(IN LPBYTE Packet, IN DWORD PacketSize, IN DWORD ControlCode,
                                   IN DWORD IpAddress, IN DWORD AltAddress, IN LPVOID Reserved,
                                   IN LPVOID PktContext)
{
    TCHAR Ip[16];
    LPCTSTR What = ControlCode == DHCP_PROB_CONFLICT  ? _T("in use already")
                   : ControlCode == DHCP_PROB_DECLINE ? _T("declined")
                   : ControlCode == DHCP_PROB_RELEASE ? _T("released")
                                                      : _T("refused with a NAK");
    Audit(120, _T("%s %s"), Address(AltAddress, Ip), What);
    if (g_Next.DhcpAddressDelHook != NULL)
        g_Next.DhcpAddressDelHook(Packet, PacketSize, ControlCode, IpAddress, AltAddress, Reserved,
                                  PktContext);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnAddressOffer(IN LPBYTE Packet, IN DWORD PacketSize, IN DWORD ControlCode,
                                     IN DWORD IpAddress, IN DWORD AltAddress, IN DWORD AddrType,
                                     IN DWORD LeaseTime, IN LPVOID Reserved, IN LPVOID PktContext)
{
    TCHAR Ip[16];
    Audit(121, _T("%s leased for %lu s, %s, %s"), Address(AltAddress, Ip), (ULONG)LeaseTime,
          ControlCode == DHCP_GIVE_ADDRESS_NEW ? _T("new") : _T("renewed"),
          AddrType == DHCP_CLIENT_BOOTP ? _T("BOOTP") : _T("DHCP"));
    if (g_Next.DhcpAddressOfferHook != NULL)
        g_Next.DhcpAddressOfferHook(Packet, PacketSize, ControlCode, IpAddress, AltAddress,
                                    AddrType, LeaseTime, Reserved, PktContext);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnHandleOptions(IN LPBYTE Packet, IN DWORD PacketSize, IN LPVOID Reserved,
                                      IN LPVOID PktContext,
                                      IN OUT LPDHCP_SERVER_OPTIONS ServerOptions)
{
    Audit(130, _T("message type %u%hs"),
          ServerOptions->MessageType != NULL ? *ServerOptions->MessageType : 0,
          ServerOptions->MachineNameLength != 0 ? ", with a host name" : "");
    if (g_Next.DhcpHandleOptionsHook != NULL)
        g_Next.DhcpHandleOptionsHook(Packet, PacketSize, Reserved, PktContext, ServerOptions);
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnDeleteClient(IN DWORD IpAddress, IN LPBYTE HwAddress,
                                     IN ULONG HwAddressLength, IN DWORD Reserved,
                                     IN DWORD ClientType)
{
    TCHAR Ip[16];
    Audit(122, _T("%s is free again"), Address(IpAddress, Ip));
    if (g_Next.DhcpDeleteClientHook != NULL)
        g_Next.DhcpDeleteClientHook(IpAddress, HwAddress, HwAddressLength, Reserved, ClientType);
    return ERROR_SUCCESS;
}

// The rules of chaining: load the next name, give it what follows, and fail if it fails.
static DWORD LoadNext(IN LPWSTR ChainDlls, IN DWORD CalloutVersion)
{
    LPDHCP_ENTRY_POINT_FUNC Entry;
    DWORD Error;

    ZeroMemory(&g_Next, sizeof(g_Next));
    if (ChainDlls == NULL || *ChainDlls == L'\0')
        return ERROR_SUCCESS;
    g_NextDll = LoadLibraryW(ChainDlls);
    if (g_NextDll == NULL)
        return GetLastError();
    Entry = (LPDHCP_ENTRY_POINT_FUNC)GetProcAddress(g_NextDll, DHCP_CALLOUT_ENTRY_POINT);
    if (Entry == NULL)
        Error = GetLastError();
    else
        Error = Entry(ChainDlls + lstrlenW(ChainDlls) + 1, CalloutVersion, &g_Next);
    if (Error != ERROR_SUCCESS) {
        FreeLibrary(g_NextDll);
        g_NextDll = NULL;
    }
    return Error;
}

// The .def gives it the name that the server looks for.
DWORD CALLBACK AuditEntry(IN LPWSTR ChainDlls, IN DWORD CalloutVersion,
                          IN OUT LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    DWORD Error;

    if (CalloutVersion != 0)
        return ERROR_NOT_SUPPORTED;
    Error = LoadNext(ChainDlls, CalloutVersion);
    if (Error != ERROR_SUCCESS)
        return Error;
    CalloutTbl->DhcpControlHook = OnControl;
    CalloutTbl->DhcpNewPktHook = OnNewPkt;
    CalloutTbl->DhcpPktDropHook = OnPktDrop;
    CalloutTbl->DhcpPktSendHook = OnPktSend;
    CalloutTbl->DhcpAddressDelHook = OnAddressDel;
    CalloutTbl->DhcpAddressOfferHook = OnAddressOffer;
    CalloutTbl->DhcpHandleOptionsHook = OnHandleOptions;
    CalloutTbl->DhcpDeleteClientHook = OnDeleteClient;
    CalloutTbl->DhcpExtensionHook = g_Next.DhcpExtensionHook;
    CalloutTbl->DhcpReservedHook = g_Next.DhcpReservedHook;
    return ERROR_SUCCESS;
}

BOOL APIENTRY DllMain(HMODULE Module, DWORD Reason, LPVOID Reserved)
{
    UNREFERENCED_PARAMETER(Module);
    UNREFERENCED_PARAMETER(Reserved);
    switch (Reason) {
    case DLL_PROCESS_ATTACH:
        InitializeCriticalSection(&g_Lock);
        g_Log = RegisterEventSource(NULL, _T("audit"));
        return g_Log != NULL;
    case DLL_PROCESS_DETACH:
        if (g_NextDll != NULL)
            FreeLibrary(g_NextDll);
        DeregisterEventSource(g_Log);
        DeleteCriticalSection(&g_Lock);
        break;
    }
    return TRUE;
}
