// Drivers that each break one rule of the API, for tests/system/drivers_test.py. negative.c is what
// is right in all of them: a callout at one MAC layer, an injection handle, an unload. Each is
// built of it and one other source: hookline-cc --driver negative.c keeps_clone.c -o keeps_clone.so

#pragma once

#include <fwpmk.h>
#include <fwpsk.h>
#include <ntddk.h>

// Two drivers can be loaded at once only with different keys.
#ifndef NEGATIVE_NUMBER
#define NEGATIVE_NUMBER 0
#endif

// --- what each driver has ---

// Where its callout stands.
const GUID* rule_layer(void);
// One frame that it has not injected itself. `out` says CONTINUE.
void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out);
// A filter of its callout was added, or deleted.
void notified(void);
// Before anything else of the unload.
void at_unload(void);

// --- what it may use ---

extern HANDLE injection;

void absorb(FWPS_CLASSIFY_OUT* out);
// Of an outbound frame, which begins at its MAC header; NULL: no memory.
NET_BUFFER_LIST* clone_of(NET_BUFFER_LIST* list);
// By the interface by which the frame of `values` was to leave.
NTSTATUS send(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
              FWPS_INJECT_COMPLETE0 completion);
// A completion that frees the clone.
void NTAPI free_clone(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level);
