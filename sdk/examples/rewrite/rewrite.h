// The control interface of rewrite.c: the IOCTL of \\.\HooklineRewrite, and what it carries.

#pragma once

#define IOCTL_REWRITE_GET_COUNTS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122000 */

// Of one direction. Every datagram that is Taken ends as one of the next three, or is on its way.
typedef struct _REWRITE_COUNTS {
  ULONG64 Taken;    // absorbed
  ULONG64 Changed;  // of those: the option was there and is now another
  ULONG64 Done;     // completed with STATUS_SUCCESS
  ULONG64 Failed;   // completed with another status
  ULONG64 Refused;  // the injection was not accepted, or there was no memory: lost
} REWRITE_COUNTS, *PREWRITE_COUNTS;

// IOCTL_REWRITE_GET_COUNTS gives one for requests, then one for replies.
