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

#include "rewrite.h"

#define REWRITE_TAG 'twRH'
#define MAX_TEXT 64
#define DHCP_HOST_NAME 12
#define DHCP_DOMAIN_NAME 15

typedef enum _REWRITE_DIRECTION {
  RewriteRequests,
  RewriteReplies,
  RewriteDirections
} REWRITE_DIRECTION;

typedef struct _REWRITE_TEXT {
  UCHAR Code;
  UCHAR Length;  // 0: nothing is changed
  CHAR Text[MAX_TEXT];
} REWRITE_TEXT;

typedef struct _REWRITE {
  WDFDEVICE Device;
  HANDLE Engine;
  HANDLE Injection;
  NDIS_HANDLE Pool;
  UINT32 DatagramCalloutId;
  UINT32 TransportCalloutId;
  ULONG ReplyLayer;
  REWRITE_TEXT Texts[RewriteDirections];
  PVOID Thread;
  KEVENT Wake;

  KSPIN_LOCK Lock;  // of what follows
  LIST_ENTRY Waiting;
  ULONG WaitingCount;
  BOOLEAN Stopping;
  REWRITE_COUNTS Counts[RewriteDirections];
} REWRITE;

extern REWRITE gRewrite;

// rewrite.c: the callouts. RewriteClose() undoes what there is of RewriteOpen().
NTSTATUS RewriteOpen(void);
void RewriteClose(void);

// message.c: puts the text in place of the option's, and returns the message's new length. A
// message without the option, or too long with the text, stays as it is.
ULONG RewriteMessage(_Inout_ PUCHAR Message, _In_ ULONG Length, _In_ ULONG Capacity,
                     _In_ const REWRITE_TEXT* Text, _Out_ PBOOLEAN Changed);
