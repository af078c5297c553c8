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

#include "gate.h"

#define GATE_TAG 'etaG'
#define MAX_ALLOWED 64
#define MAX_ALLOW_TEXT 1024
#define MAX_DECISIONS 256

typedef struct _GATE_PREFIX {
  UINT32 Address;  // in host order, as the engine's values are
  UINT32 Mask;
} GATE_PREFIX;

typedef struct _GATE_DECISION {
  UINT32 Address;
  BOOLEAN Allowed;
} GATE_DECISION;

typedef struct _GATE {
  WDFDEVICE Device;
  HANDLE Engine;
  HANDLE Injection;
  UINT32 CalloutId;
  GATE_PREFIX Allowed[MAX_ALLOWED];
  ULONG AllowedCount;
  BOOLEAN RefuseUnconfigured;
  ULONG DelayMs;
  PVOID Thread;
  KEVENT Wake;

  KSPIN_LOCK Lock;  // of what follows
  LIST_ENTRY Waiting;
  BOOLEAN Stopping;
  GATE_DECISION Decisions[MAX_DECISIONS];  // the latest, in a ring
  ULONG DecisionCount;
  GATE_COUNTS Counts;
} GATE;

extern GATE gGate;

// gate.c: the callout and its worker. GateClose() undoes what there is of GateOpen().
NTSTATUS GateOpen(void);
void GateClose(void);

// control.c: "10.77.0.2, 10.80.0.0/16" into gGate.Allowed.
NTSTATUS GateParseAllowed(_In_ const CHAR* Text, _In_ ULONG Length);
