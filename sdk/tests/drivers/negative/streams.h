// Drivers that each break one rule about streams, for tests/system/streams_test.py. streams.c is
// what is right in all of them: a callout at STREAM_V4, an injection handle, an unload. Each is
// built of it and one other source.

#pragma once

#include <fwpmk.h>
#include <fwpsk.h>
#include <ntddk.h>

// --- what each driver has ---

// Some bytes of what the server sends; nothing is said yet. What is not for breaking the rule, such
// as what clients send, is permitted before.
void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out);

// --- what it may use ---

extern HANDLE injection;
extern UINT32 callout_id;

// Of the bytes that are shown; NULL: no memory.
NET_BUFFER_LIST* clones_of(FWPS_STREAM_CALLOUT_IO_PACKET* packet);
// Sends the chain; `length` is what the driver says it has.
NTSTATUS inject(UINT64 flow, NET_BUFFER_LIST* chain, SIZE_T length);
// How often break_rule() was called before.
LONG calls(void);
