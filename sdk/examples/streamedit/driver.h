// What the sources of the driver share.

#pragma once

#include <ntddk.h>
#include <wdf.h>

#pragma warning(push)
#pragma warning(disable : 4201)  // nameless struct/union
#include <fwpsk.h>
#pragma warning(pop)

#include <fwpmk.h>
#include <wdmsec.h>

#include "streamedit.h"

#define STREAMEDIT_TAG 'deSH'
#define MAX_TEXT 64

typedef struct _STREAMEDIT_TEXT {
  ULONG Length;
  UCHAR Text[MAX_TEXT];
} STREAMEDIT_TEXT;

typedef struct _STREAMEDIT {
  WDFDEVICE Device;
  HANDLE Engine;
  HANDLE Injection;
  NDIS_HANDLE Pool;
  UINT32 CalloutId;
  BOOLEAN OutOfBand;
  ULONG Directions;      // FWP_DIRECTION_… + 1: 1 outbound, 2 inbound, 3 both
  STREAMEDIT_TEXT Find;  // Length 0: nothing is replaced
  STREAMEDIT_TEXT Replace;
  PVOID Thread;
  KEVENT Wake;

  KSPIN_LOCK Lock;  // of what follows
  LIST_ENTRY Waiting;
  BOOLEAN Stopping;
  STREAMEDIT_COUNTS Counts;
} STREAMEDIT;

extern STREAMEDIT gEdit;

// streamedit.c: the callout. StreamEditClose() undoes what there is of StreamEditOpen().
NTSTATUS StreamEditOpen(void);
void StreamEditClose(void);
void StreamEditCount(_In_ size_t Counter, _In_ ULONG64 By);
#define COUNT(counter, by) StreamEditCount(FIELD_OFFSET(STREAMEDIT_COUNTS, counter), by)

// Puts `Length` bytes, copied, into the stream; 0 and `Flags` with a DISCONNECT: ends it.
NTSTATUS StreamEditInject(_In_ UINT64 FlowId, _In_ UINT32 Flags,
                          _In_reads_bytes_(Length) const UCHAR* Bytes, _In_ ULONG Length);

// search.c: where the text begins in the bytes, or Length. *Partial: how many bytes at the end may
// be its beginning.
ULONG StreamEditFind(_In_reads_bytes_(Length) const UCHAR* Bytes, _In_ ULONG Length,
                     _In_ const STREAMEDIT_TEXT* Text, _Out_ PULONG Partial);

// outofband.c: takes over the clone of what was shown. What comes back is for the classifyFn.
BOOLEAN StreamEditQueue(_In_ UINT64 FlowId, _In_ const FWPS_STREAM_DATA* Data);
KSTART_ROUTINE StreamEditThread;
