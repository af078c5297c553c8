// mac_filter: refuses packets by hardware address. The list is a text file, read again when told.
//
//     # who may not, and who may all the same; the first line that fits decides
//     allow 02:00:5e:10:00:07
//     deny  02:00:5e:*
//     default allow
//
// A file that cannot be read refuses nobody: no address service is worse than too much of it.

#include <windows.h>
#include <dhcpssdk.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_RULES 4096

typedef struct _RULE {
    BYTE Mac[6];
    BYTE Length;    // bytes of Mac that must be equal; the rest is the star
    BOOL Allow;
} RULE;

typedef struct _LIST {
    DWORD Count;
    BOOL AllowOthers;
    RULE Rules[MAX_RULES];
} LIST;

static CRITICAL_SECTION g_Lock;     // of g_List
static LIST *g_List;
static CHAR g_File[MAX_PATH];
static DWORD g_ReloadMs;
static HANDLE g_Stop, g_Thread;
static LONG g_Refused;

static void Log(WORD Type, LPCSTR Text)
{
    HANDLE Source = RegisterEventSourceA(NULL, "mac_filter");
    if (Source != NULL) {
        ReportEventA(Source, Type, 0, 1, NULL, 1, 0, &Text, NULL);
        DeregisterEventSource(Source);
    }
}

// "02:00:5e:*" or "02-00-5e-10-00-07"; FALSE if it is neither.
static BOOL ParseMac(const char *Text, RULE *Rule)
{
    Rule->Length = 0;
    for (;;) {
        if (*Text == '*')
            return Text[1] == '\0';
        if (Rule->Length == 6 || !isxdigit((BYTE)Text[0]) || !isxdigit((BYTE)Text[1]))
            return FALSE;
        char Digits[3] = { Text[0], Text[1], 0 };
        Rule->Mac[Rule->Length++] = (BYTE)strtoul(Digits, NULL, 16);
        Text += 2;
        if (*Text == '\0')
            return Rule->Length == 6;
        if (*Text != ':' && *Text != '-')
            return FALSE;
        Text++;
    }
}

static BOOL ParseLine(const char *Line, LIST *List)
{
    char Verb[16] = "", What[32] = "", More[2] = "";
    int Words = sscanf(Line, " %15s %31s %1s", Verb, What, More);
    if (Words <= 0 || Verb[0] == '#')
        return TRUE;
    if (Words != 2)
        return FALSE;
    if (_stricmp(Verb, "default") == 0) {
        List->AllowOthers = _stricmp(What, "allow") == 0;
        return List->AllowOthers || _stricmp(What, "deny") == 0;
    }
    if (List->Count == MAX_RULES)
        return FALSE;
    List->Rules[List->Count].Allow = _stricmp(Verb, "allow") == 0;
    if (!List->Rules[List->Count].Allow && _stricmp(Verb, "deny") != 0)
        return FALSE;
    return ParseMac(What, &List->Rules[List->Count]) && ++List->Count;
}

static LIST *ReadList(void)
{
    char Line[256], Text[320];
    int Number = 0;
    LIST *List = (LIST *)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(LIST));
    FILE *File = List != NULL ? fopen(g_File, "r") : NULL;

    if (File == NULL) {
        HeapFree(GetProcessHeap(), 0, List);
        return NULL;
    }
    List->AllowOthers = TRUE;
    while (fgets(Line, sizeof(Line), File) != NULL) {
        Number++;
        Line[strcspn(Line, "\r\n")] = '\0';
        if (!ParseLine(Line, List)) {
            wsprintfA(Text, "line %d is not understood and left out", Number);
            Log(EVENTLOG_WARNING_TYPE, Text);
        }
    }
    fclose(File);
    return List;
}

static void Reload(void)
{
    LIST *Old, *New = ReadList();
    if (New == NULL) {
        Log(EVENTLOG_ERROR_TYPE, "the list cannot be read: the last one stays");
        return;
    }
    EnterCriticalSection(&g_Lock);
    Old = g_List;
    g_List = New;
    LeaveCriticalSection(&g_Lock);
    HeapFree(GetProcessHeap(), 0, Old);
}

static DWORD WINAPI ReloadThread(LPVOID Parameter)
{
    UNREFERENCED_PARAMETER(Parameter);
    while (WaitForSingleObject(g_Stop, g_ReloadMs) == WAIT_TIMEOUT)
        Reload();
    return 0;
}

static BOOL IsAllowed(const BYTE *Mac)
{
    BOOL Allow = TRUE;
    DWORD i;

    EnterCriticalSection(&g_Lock);
    if (g_List != NULL) {
        Allow = g_List->AllowOthers;
        for (i = 0; i < g_List->Count; i++) {
            if (memcmp(g_List->Rules[i].Mac, Mac, g_List->Rules[i].Length) == 0) {
                Allow = g_List->Rules[i].Allow;
                break;
            }
        }
    }
    LeaveCriticalSection(&g_Lock);
    return Allow;
}

static DWORD CALLBACK OnNewPkt(LPBYTE *Packet, DWORD *PacketSize, DWORD IpAddress, LPVOID Reserved,
                               LPVOID *PktContext, LPBOOL ProcessIt)
{
    UNREFERENCED_PARAMETER(IpAddress);
    UNREFERENCED_PARAMETER(Reserved);
    UNREFERENCED_PARAMETER(PktContext);
    if (*PacketSize >= 44 && (*Packet)[1] == 1 && (*Packet)[2] == 6 && !IsAllowed(*Packet + 28)) {
        InterlockedIncrement(&g_Refused);
        *ProcessIt = FALSE;
    }
    return ERROR_SUCCESS;
}

static DWORD CALLBACK OnControl(DWORD Code, LPVOID Reserved)
{
    char Text[64];
    UNREFERENCED_PARAMETER(Reserved);
    switch (Code) {
    case DHCP_CONTROL_START:
        Reload();
        if (g_ReloadMs != 0) {
            g_Stop = CreateEvent(NULL, TRUE, FALSE, NULL);
            g_Thread = CreateThread(NULL, 0, ReloadThread, NULL, 0, NULL);
        }
        break;
    case DHCP_CONTROL_CONTINUE:
        Reload();
        break;
    case DHCP_CONTROL_STOP:
        if (g_Thread != NULL) {
            SetEvent(g_Stop);
            WaitForSingleObject(g_Thread, INFINITE);
            CloseHandle(g_Thread);
            CloseHandle(g_Stop);
            g_Thread = g_Stop = NULL;
        }
        wsprintfA(Text, "%ld packets refused", g_Refused);
        Log(EVENTLOG_INFORMATION_TYPE, Text);
        break;
    }
    return ERROR_SUCCESS;
}

// The settings stand beside the server's own, as is the custom.
static void ReadSettings(void)
{
    HKEY Key;
    DWORD Size = sizeof(g_File) - 1, Type;
    LONG Error = RegOpenKeyExW(HKEY_LOCAL_MACHINE, DHCP_CALLOUT_LIST_KEY, 0, KEY_READ, &Key);

    lstrcpyA(g_File, "mac_filter.txt");
    g_ReloadMs = 0;
    if (Error != ERROR_SUCCESS)
        return;
    if (RegQueryValueExA(Key, "MacFilterList", NULL, &Type, (LPBYTE)g_File, &Size) != ERROR_SUCCESS)
        lstrcpyA(g_File, "mac_filter.txt");
    Size = sizeof(g_ReloadMs);
    RegQueryValueExA(Key, "MacFilterReloadMs", NULL, &Type, (LPBYTE)&g_ReloadMs, &Size);
    RegCloseKey(Key);
}

__declspec(dllexport) DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR ChainDlls, DWORD CalloutVersion,
                                                            LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    UNREFERENCED_PARAMETER(ChainDlls);
    if (CalloutVersion != 0)
        return ERROR_NOT_SUPPORTED;
    ReadSettings();
    ZeroMemory(CalloutTbl, sizeof(*CalloutTbl));
    CalloutTbl->DhcpControlHook = OnControl;
    CalloutTbl->DhcpNewPktHook = OnNewPkt;
    return ERROR_SUCCESS;
}

BOOL WINAPI DllMain(HINSTANCE Instance, DWORD Reason, LPVOID Reserved)
{
    UNREFERENCED_PARAMETER(Instance);
    UNREFERENCED_PARAMETER(Reserved);
    if (Reason == DLL_PROCESS_ATTACH) {
        InitializeCriticalSection(&g_Lock);
    } else if (Reason == DLL_PROCESS_DETACH) {
        HeapFree(GetProcessHeap(), 0, g_List);
        g_List = NULL;
        DeleteCriticalSection(&g_Lock);
    }
    return TRUE;
}
