// The control interface of delay.c: IOCTLs of \\.\HooklineDelay, and what they carry.

#pragma once

#define IOCTL_DELAY_GET_SETTINGS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122000 */
#define IOCTL_DELAY_SET_SETTINGS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122004 */
#define IOCTL_DELAY_GET_COUNTS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122008 */

typedef struct _DELAY_SETTINGS {
  ULONG InboundDelayMs;
  ULONG OutboundDelayMs;
  ULONG InboundDropPercent;
  ULONG OutboundDropPercent;
} DELAY_SETTINGS, *PDELAY_SETTINGS;

// Of one direction. Every frame that is Seen ends as one of the next five, or is Pending.
typedef struct _DELAY_COUNTS {
  ULONG64 Seen;
  ULONG64 Dropped;   // by chance, as told
  ULONG64 Overflow;  // too many were pending, or there was no memory
  ULONG64 Refused;   // the injection was not accepted
  ULONG64 Sent;      // completed with STATUS_SUCCESS
  ULONG64 Failed;    // completed with another status
  ULONG64 Pending;   // waits for its time, or for its completion
} DELAY_COUNTS, *PDELAY_COUNTS;

// IOCTL_DELAY_GET_COUNTS gives one for frames that came in, then one for those that go out.
