// Accepts, hooks one event, and cares for nobody: the callouts behind it in the list are lost.

#include <windows.h>
#include <dhcpssdk.h>

static DWORD CALLBACK NewPkt(LPBYTE *Packet, DWORD *PacketSize, DWORD IpAddress, LPVOID Reserved,
                             LPVOID *PktContext, LPBOOL ProcessIt)
{
    UNREFERENCED_PARAMETER(PacketSize);
    UNREFERENCED_PARAMETER(IpAddress);
    UNREFERENCED_PARAMETER(Reserved);
    UNREFERENCED_PARAMETER(PktContext);
    UNREFERENCED_PARAMETER(ProcessIt);
    strcat((char *)*Packet + 44, "loner ");
    return 8;
}

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR ChainDlls, DWORD CalloutVersion,
                                      LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    UNREFERENCED_PARAMETER(ChainDlls);
    UNREFERENCED_PARAMETER(CalloutVersion);
    CalloutTbl->DhcpNewPktHook = NewPkt;
    return ERROR_SUCCESS;
}
