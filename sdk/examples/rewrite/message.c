/*
    One option of a DHCP message, replaced.
*/

#include "driver.h"

#define DHCP_OPTIONS_OFFSET 240
#define DHCP_MIN_MESSAGE 300
#define DHCP_PAD 0
#define DHCP_END 255

// Where the option begins, or NULL. The options must end within the message.
static PUCHAR RewriteFind(_In_ PUCHAR Message, _In_ ULONG Length, _In_ UCHAR Code,
                          _Out_ PULONG EndOffset) {
  ULONG at = DHCP_OPTIONS_OFFSET;
  PUCHAR found = NULL;

  *EndOffset = 0;
  while (at < Length) {
    UCHAR code = Message[at];
    if (code == DHCP_END) {
      *EndOffset = at;
      return found;
    }
    if (code == DHCP_PAD) {
      ++at;
      continue;
    }
    if (at + 2 > Length || at + 2 + Message[at + 1] > Length) {
      return NULL;
    }
    if (code == Code && found == NULL) {
      found = Message + at;
    }
    at += 2UL + Message[at + 1];
  }
  return NULL;
}

ULONG RewriteMessage(_Inout_ PUCHAR Message, _In_ ULONG Length, _In_ ULONG Capacity,
                     _In_ const REWRITE_TEXT* Text, _Out_ PBOOLEAN Changed) {
  ULONG end;
  PUCHAR option;
  ULONG oldLength;
  ULONG newEnd;
  ULONG newLength;

  *Changed = FALSE;
  if (Text->Length == 0 || Length <= DHCP_OPTIONS_OFFSET) {
    return Length;
  }
  option = RewriteFind(Message, Length, Text->Code, &end);
  if (option == NULL) {
    return Length;
  }
  oldLength = option[1];
  newEnd = end + Text->Length - oldLength;
  newLength = max(newEnd + 1, min(Length, DHCP_MIN_MESSAGE));
  if (newLength > Capacity) {
    return Length;
  }
  RtlMoveMemory(option + 2 + Text->Length, option + 2 + oldLength,
                (SIZE_T)(Message + end + 1 - (option + 2 + oldLength)));
  option[1] = Text->Length;
  RtlCopyMemory(option + 2, Text->Text, Text->Length);
  if (newLength > newEnd + 1) {
    RtlZeroMemory(Message + newEnd + 1, newLength - newEnd - 1);
  }
  *Changed = TRUE;
  return newLength;
}
