// What the two sources of the driver share.

#pragma once

#include <ntddk.h>
#include <wdf.h>

#pragma warning(push)
#pragma warning(disable : 4201)  // nameless struct/union
#include <fwpsk.h>
#pragma warning(pop)

#include <fwpmk.h>
#include <wdmsec.h>

#include "delay.h"

#define DELAY_TAG 'yleD'

typedef enum _DELAY_DIRECTION { DelayInbound, DelayOutbound, DelayDirections } DELAY_DIRECTION;

typedef struct _DELAY {
  WDFDEVICE Device;
  WDFTIMER Timer;
  HANDLE Engine;
  HANDLE Injection;
  UINT32 CalloutId[DelayDirections];
  LOOKASIDE_LIST_EX Frames;
  BOOLEAN HasFrames;

  KSPIN_LOCK Lock;  // of what follows
  DELAY_SETTINGS Settings;
  ULONG MaxPending;
  ULONG Seed;
  BOOLEAN Stopping;
  LIST_ENTRY Waiting[DelayDirections];  // in the order of Due
  DELAY_COUNTS Counts[DelayDirections];
} DELAY;

extern DELAY gDelay;

// delay.c: the callouts. DelayClose() undoes what there is of DelayOpen().
NTSTATUS DelayOpen(void);
void DelayClose(void);
EVT_WDF_TIMER DelayTimer;
