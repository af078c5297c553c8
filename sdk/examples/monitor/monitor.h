// The control interface of monitor.c: the IOCTL of \\.\HooklineMonitor, and what it carries.

#pragma once

#define IOCTL_MONITOR_GET_FLOWS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122000 */

#define MONITOR_FLOWS 64

// A connection; of those that are over the last ones.
typedef struct _MONITOR_FLOW {
  ULONG64 FlowId;  // 0: none
  ULONG RemoteAddress;
  USHORT RemotePort;
  UCHAR Open;
  UCHAR Ended;           // bit 0: the client said all; bit 1: the server; bit 2: it was aborted
  ULONG64 Received;      // bytes
  ULONG64 Sent;          // bytes
  ULONG64 ReceivedHash;  // of every byte, FNV-1a
  ULONG64 SentHash;
} MONITOR_FLOW, *PMONITOR_FLOW;

// IOCTL_MONITOR_GET_FLOWS gives MONITOR_FLOWS of them.
