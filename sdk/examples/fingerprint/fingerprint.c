// fingerprint: what kind of client each hardware address is, by what it asks for.
//
// HandleOptions puts the parameter request list and the vendor class into a table; other DLLs read
// it through FingerprintOf (LoadLibrary, GetProcAddress), on any thread.

#include <windows.h>
#include <dhcpssdk.h>
#include "fingerprint.h"

#define BUCKETS 1024
#define PER_BUCKET 4        // the oldest entry of a full bucket goes: memory is bounded

typedef struct _ENTRY {
    BYTE Mac[6];
    BOOL Used;
    ULONGLONG Seen;
    FINGERPRINT Print;
} ENTRY;

static SRWLOCK g_Lock = SRWLOCK_INIT;       // of g_Table
static ENTRY g_Table[BUCKETS][PER_BUCKET];
static ULONGLONG g_Clock;                   // grows with every message

static ENTRY *Bucket(const BYTE Mac[6])
{
    DWORD Hash = 2166136261u, i;
    for (i = 0; i < 6; i++)
        Hash = (Hash ^ Mac[i]) * 16777619u;
    return g_Table[Hash % BUCKETS];
}

// The client's entry, or the one that it replaces.
static ENTRY *Place(const BYTE Mac[6])
{
    ENTRY *Entries = Bucket(Mac), *Oldest = Entries;
    DWORD i;
    for (i = 0; i < PER_BUCKET; i++) {
        if (Entries[i].Used && memcmp(Entries[i].Mac, Mac, 6) == 0)
            return &Entries[i];
        if (Entries[i].Seen < Oldest->Seen)
            Oldest = &Entries[i];
    }
    return Oldest;
}

static void Keep(BYTE *To, BYTE *ToLength, DWORD Room, const void *From, DWORD Length)
{
    *ToLength = (BYTE)min(Length, Room);
    if (From != NULL)
        memcpy(To, From, *ToLength);
    else
        *ToLength = 0;
}

static DWORD CALLBACK OnHandleOptions(LPBYTE Packet, DWORD PacketSize, LPVOID Reserved,
                                      LPVOID PktContext, LPDHCP_SERVER_OPTIONS Options)
{
    ENTRY *Entry;
    UNREFERENCED_PARAMETER(Packet);
    UNREFERENCED_PARAMETER(PacketSize);
    UNREFERENCED_PARAMETER(Reserved);
    UNREFERENCED_PARAMETER(PktContext);
    if (Options->ClientHardwareAddress == NULL || Options->ClientHardwareAddressLength != 6 ||
        Options->ParameterRequestList == NULL)
        return ERROR_SUCCESS;

    AcquireSRWLockExclusive(&g_Lock);
    Entry = Place(Options->ClientHardwareAddress);
    memcpy(Entry->Mac, Options->ClientHardwareAddress, 6);
    Entry->Used = TRUE;
    Entry->Seen = ++g_Clock;
    Keep(Entry->Print.Asked, &Entry->Print.AskedLength, sizeof(Entry->Print.Asked),
         Options->ParameterRequestList, Options->ParameterRequestListLength);
    Keep(Entry->Print.Vendor, &Entry->Print.VendorLength, sizeof(Entry->Print.Vendor),
         Options->VendorClass, Options->VendorClassLength);
    ReleaseSRWLockExclusive(&g_Lock);
    return ERROR_SUCCESS;
}

BOOL WINAPI FingerprintOf(const BYTE Mac[6], FINGERPRINT *Print)
{
    ENTRY *Entry;
    BOOL Found;
    AcquireSRWLockShared(&g_Lock);
    Entry = Place(Mac);
    Found = Entry->Used && memcmp(Entry->Mac, Mac, 6) == 0;
    if (Found)
        *Print = Entry->Print;
    ReleaseSRWLockShared(&g_Lock);
    return Found;
}

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR ChainDlls, DWORD CalloutVersion,
                                      LPDHCP_CALLOUT_TABLE CalloutTbl)
{
    UNREFERENCED_PARAMETER(ChainDlls);
    // The options struct is that of version 0 only.
    if (CalloutVersion == 0)
        CalloutTbl->DhcpHandleOptionsHook = OnHandleOptions;
    return ERROR_SUCCESS;
}
