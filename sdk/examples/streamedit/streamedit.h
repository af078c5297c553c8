// The control interface of streamedit.c: the IOCTL of \\.\HooklineStreamEdit, and what it carries.

#pragma once

#define IOCTL_STREAMEDIT_GET_COUNTS \
  CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS) /* 0x122000 */

typedef struct _STREAMEDIT_COUNTS {
  ULONG64 Seen;      // bytes that the callout was shown
  ULONG64 Replaced;  // texts
  ULONG64 Injected;  // lists that were accepted: each ends as one of the next two
  ULONG64 Done;      // completed with STATUS_SUCCESS
  ULONG64 Failed;    // completed with another status
  ULONG64 Aborted;   // connections that were dropped, since there was no memory
} STREAMEDIT_COUNTS, *PSTREAMEDIT_COUNTS;
