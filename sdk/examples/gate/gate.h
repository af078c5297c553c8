// The control interface of gate.c: the IOCTL of \\.\HooklineGate, and what it carries.

#pragma once

#define IOCTL_GATE_GET_COUNTS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122000 */

// IOCTL_GATE_GET_COUNTS gives one. Whatever was held is allowed or refused, or still waits.
typedef struct _GATE_COUNTS {
  ULONG64 Held;      // packets and connections whose authorization was pended
  ULONG64 Allowed;   // by the worker
  ULONG64 Refused;   // by the worker
  ULONG64 Injected;  // packets that were given back to the stack, and have been taken by it
  ULONG64 Lost;      // packets that could not be held or given back
  ULONG64 Waiting;   // for the worker, now
} GATE_COUNTS, *PGATE_COUNTS;
