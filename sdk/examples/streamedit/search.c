/*
    A text in a part of a stream: it may begin here and end in what comes later.
*/

#include "driver.h"

ULONG StreamEditFind(_In_reads_bytes_(Length) const UCHAR* Bytes, _In_ ULONG Length,
                     _In_ const STREAMEDIT_TEXT* Text, _Out_ PULONG Partial) {
  ULONG at;

  *Partial = 0;
  if (Text->Length == 0) {
    return Length;
  }
  for (at = 0; at < Length; ++at) {
    ULONG there = min(Length - at, Text->Length);
    if (RtlCompareMemory(Bytes + at, Text->Text, there) != there) {
      continue;
    }
    if (there == Text->Length) {
      return at;
    }
    *Partial = there;
    return Length;
  }
  return Length;
}
