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

#include "monitor.h"

#define MONITOR_TAG 'nmSH'

typedef struct _MONITOR {
  WDFDEVICE Device;
  HANDLE Engine;
  UINT32 FlowCalloutId;    // at ALE_FLOW_ESTABLISHED
  UINT32 StreamCalloutId;  // at STREAM

  KSPIN_LOCK Lock;  // of what follows
  MONITOR_FLOW Flows[MONITOR_FLOWS];
  ULONG Next;  // where the next connection goes
} MONITOR;

extern MONITOR gMonitor;

// monitor.c: the callouts. MonitorClose() undoes what there is of MonitorOpen().
NTSTATUS MonitorOpen(void);
void MonitorClose(void);
