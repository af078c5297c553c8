/*
    streamedit: finds a text in TCP streams and puts another in its place, wherever the segments of
    the connection may split it.

    In line (OutOfBand = 0): the classifyFn does it all. What is in front of the text is permitted;
    then it is shown the text as the first thing, injects what stands for it, and blocks just those
    bytes (countBytesEnforced). A text that may have begun is waited for
    (FWPS_STREAM_ACTION_NEED_MORE_DATA).

    Out of band (OutOfBand = 1): the classifyFn clones everything and blocks it; a system thread
    edits it and injects all of it as lists of our own, and at last the end of the stream.

    Parameters: Find, Replace (REG_SZ; the lengths may differ), OutOfBand, Directions (REG_DWORD:
    1 outbound, the default, 2 inbound, 3 both).
*/

#include "driver.h"

#define INITGUID
#include <guiddef.h>

// {7E0C2B7A-51F3-4C56-9B86-0B1D5C2E4001}
DEFINE_GUID(STREAMEDIT_CALLOUT, 0x7e0c2b7a, 0x51f3, 0x4c56, 0x9b, 0x86, 0x0b, 0x1d, 0x5c, 0x2e,
            0x40, 0x01);
// {7E0C2B7A-51F3-4C56-9B86-0B1D5C2E4002}
DEFINE_GUID(STREAMEDIT_SUBLAYER, 0x7e0c2b7a, 0x51f3, 0x4c56, 0x9b, 0x86, 0x0b, 0x1d, 0x5c, 0x2e,
            0x40, 0x02);

#define ENDS                                                                \
  (FWPS_STREAM_FLAG_RECEIVE_DISCONNECT | FWPS_STREAM_FLAG_SEND_DISCONNECT | \
   FWPS_STREAM_FLAG_RECEIVE_ABORT | FWPS_STREAM_FLAG_SEND_ABORT)

STREAMEDIT gEdit;

void StreamEditCount(_In_ size_t Counter, _In_ ULONG64 By) {
  KLOCK_QUEUE_HANDLE lock;

  KeAcquireInStackQueuedSpinLock(&gEdit.Lock, &lock);
  *(PULONG64)((PUCHAR)&gEdit.Counts + Counter) += By;
  KeReleaseInStackQueuedSpinLock(&lock);
}

/* --- injecting --- */

// One for each list that was injected; the memory hangs on the MDL.
static void NTAPI StreamEditComplete(_In_ void* Context, _Inout_ NET_BUFFER_LIST* NetBufferList,
                                     _In_ BOOLEAN DispatchLevel) {
  PMDL mdl = NET_BUFFER_FIRST_MDL(NET_BUFFER_LIST_FIRST_NB(NetBufferList));

  UNREFERENCED_PARAMETER(DispatchLevel);

  if (NT_SUCCESS(NetBufferList->Status)) {
    COUNT(Done, 1);
  } else {
    COUNT(Failed, 1);
  }
  FwpsFreeNetBufferList(NetBufferList);
  IoFreeMdl(mdl);
  ExFreePoolWithTag(Context, STREAMEDIT_TAG);
}

NTSTATUS StreamEditInject(_In_ UINT64 FlowId, _In_ UINT32 Flags,
                          _In_reads_bytes_(Length) const UCHAR* Bytes, _In_ ULONG Length) {
  NET_BUFFER_LIST* list = NULL;
  PMDL mdl = NULL;
  PUCHAR copy;
  NTSTATUS status = STATUS_NO_MEMORY;

  if (Length == 0) {
    if ((Flags & ENDS) == 0) {
      return STATUS_SUCCESS;
    }
    // Without a list there is no completion.
    return FwpsStreamInjectAsync(gEdit.Injection, NULL, 0, FlowId, gEdit.CalloutId,
                                 FWPS_LAYER_STREAM_V4, Flags, NULL, 0, StreamEditComplete, NULL);
  }
  copy = ExAllocatePoolZero(NonPagedPoolNx, Length, STREAMEDIT_TAG);
  if (copy == NULL) {
    return status;
  }
  RtlCopyMemory(copy, Bytes, Length);
  mdl = IoAllocateMdl(copy, Length, FALSE, FALSE, NULL);
  if (mdl != NULL) {
    MmBuildMdlForNonPagedPool(mdl);
    status = FwpsAllocateNetBufferAndNetBufferList(gEdit.Pool, 0, 0, mdl, 0, Length, &list);
  }
  if (NT_SUCCESS(status)) {
    COUNT(Injected, 1);
    status =
        FwpsStreamInjectAsync(gEdit.Injection, NULL, 0, FlowId, gEdit.CalloutId,
                              FWPS_LAYER_STREAM_V4, Flags, list, Length, StreamEditComplete, copy);
    if (NT_SUCCESS(status)) {
      return status;
    }
    COUNT(Injected, (ULONG64)-1);
    FwpsFreeNetBufferList(list);
  }
  if (mdl != NULL) {
    IoFreeMdl(mdl);
  }
  ExFreePoolWithTag(copy, STREAMEDIT_TAG);
  return status;
}

/* --- in line --- */

static void StreamEditInLine(_In_ UINT64 FlowId, _Inout_ FWPS_STREAM_CALLOUT_IO_PACKET* Packet,
                             _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  FWPS_STREAM_DATA* data = Packet->streamData;
  BOOLEAN last = (ClassifyOut->flags & (FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA |
                                        FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED)) != 0;
  ULONG length = (ULONG)data->dataLength;
  SIZE_T copied = 0;
  ULONG partial;
  ULONG at;
  PUCHAR bytes;

  ClassifyOut->actionType = FWP_ACTION_PERMIT;
  Packet->streamAction = FWPS_STREAM_ACTION_NONE;
  bytes = ExAllocatePoolZero(NonPagedPoolNx, length, STREAMEDIT_TAG);
  if (bytes == NULL) {
    ClassifyOut->actionType = FWP_ACTION_NONE;
    Packet->streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
    COUNT(Aborted, 1);
    return;
  }
  FwpsCopyStreamDataToBuffer(data, bytes, length, &copied);
  at = StreamEditFind(bytes, (ULONG)copied, &gEdit.Find, &partial);
  ExFreePoolWithTag(bytes, STREAMEDIT_TAG);

  if (at != 0 && at < length) {
    Packet->countBytesEnforced = at;  // the text is the first thing that we are shown next
  } else if (at == 0) {
    if (NT_SUCCESS(
            StreamEditInject(FlowId, data->flags, gEdit.Replace.Text, gEdit.Replace.Length))) {
      COUNT(Replaced, 1);
      ClassifyOut->actionType = FWP_ACTION_BLOCK;
      Packet->countBytesEnforced = gEdit.Find.Length;
    } else {
      ClassifyOut->actionType = FWP_ACTION_NONE;
      Packet->streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
      COUNT(Aborted, 1);
    }
  } else if (partial != 0 && partial < length) {
    Packet->countBytesEnforced = length - partial;
  } else if (partial != 0 && !last) {
    ClassifyOut->actionType = FWP_ACTION_NONE;
    Packet->streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
    Packet->countBytesRequired = gEdit.Find.Length - partial;
  }
}

/* --- the callout --- */

static void NTAPI StreamEditClassify(_In_ const FWPS_INCOMING_VALUES* Values,
                                     _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                                     _Inout_opt_ void* LayerData,
                                     _In_opt_ const void* ClassifyContext,
                                     _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                                     _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  FWPS_STREAM_CALLOUT_IO_PACKET* packet = (FWPS_STREAM_CALLOUT_IO_PACKET*)LayerData;
  FWPS_STREAM_DATA* data;
  ULONG direction;

  UNREFERENCED_PARAMETER(Values);
  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);
  UNREFERENCED_PARAMETER(FlowContext);

  ClassifyOut->actionType = FWP_ACTION_PERMIT;
  if (packet == NULL) {
    return;
  }
  data = packet->streamData;
  direction = (data->flags & FWPS_STREAM_FLAG_SEND) != 0 ? 1 : 2;
  if ((gEdit.Directions & direction) == 0 || gEdit.Find.Length == 0) {
    return;
  }
  COUNT(Seen, data->dataLength);
  if (!gEdit.OutOfBand) {
    if (data->dataLength != 0) {
      StreamEditInLine(Metadata->flowHandle, packet, ClassifyOut);
    }
    return;
  }
  if (StreamEditQueue(Metadata->flowHandle, data)) {
    ClassifyOut->actionType = FWP_ACTION_BLOCK;
  } else {
    ClassifyOut->actionType = FWP_ACTION_NONE;
    packet->streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
    COUNT(Aborted, 1);
  }
}

static NTSTATUS NTAPI StreamEditNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE Type,
                                       _In_ const GUID* FilterKey, _Inout_ FWPS_FILTER* Filter) {
  UNREFERENCED_PARAMETER(Type);
  UNREFERENCED_PARAMETER(FilterKey);
  UNREFERENCED_PARAMETER(Filter);
  return STATUS_SUCCESS;
}

/* --- the engine's objects --- */

static NTSTATUS StreamEditAddObjects(void) {
  FWPM_SUBLAYER subLayer = {0};
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  NTSTATUS status;

  status = FwpmTransactionBegin(gEdit.Engine, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  subLayer.subLayerKey = STREAMEDIT_SUBLAYER;
  subLayer.displayData.name = L"streamedit";
  subLayer.weight = 0x300;
  status = FwpmSubLayerAdd(gEdit.Engine, &subLayer, NULL);
  if (NT_SUCCESS(status)) {
    callout.calloutKey = STREAMEDIT_CALLOUT;
    callout.displayData.name = L"streamedit";
    callout.applicableLayer = FWPM_LAYER_STREAM_V4;
    status = FwpmCalloutAdd(gEdit.Engine, &callout, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    filter.layerKey = FWPM_LAYER_STREAM_V4;
    filter.displayData.name = L"streamedit";
    filter.subLayerKey = STREAMEDIT_SUBLAYER;
    filter.weight.type = FWP_EMPTY;
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = STREAMEDIT_CALLOUT;
    status = FwpmFilterAdd(gEdit.Engine, &filter, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    return FwpmTransactionCommit(gEdit.Engine);
  }
  FwpmTransactionAbort(gEdit.Engine);
  return status;
}

NTSTATUS StreamEditOpen(void) {
  NET_BUFFER_LIST_POOL_PARAMETERS pool = {0};
  FWPM_SESSION session = {0};
  FWPS_CALLOUT callout = {0};
  HANDLE thread;
  NTSTATUS status;

  pool.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  pool.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  pool.Header.Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  pool.fAllocateNetBuffer = TRUE;
  pool.PoolTag = STREAMEDIT_TAG;
  gEdit.Pool = NdisAllocateNetBufferListPool(NULL, &pool);
  if (gEdit.Pool == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  status = FwpsInjectionHandleCreate(AF_INET, FWPS_INJECTION_TYPE_STREAM, &gEdit.Injection);
  if (NT_SUCCESS(status) && gEdit.OutOfBand) {
    status =
        PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, StreamEditThread, NULL);
    if (NT_SUCCESS(status)) {
      ObReferenceObjectByHandle(thread, 0, NULL, KernelMode, &gEdit.Thread, NULL);
      ZwClose(thread);
    }
  }
  if (NT_SUCCESS(status)) {
    callout.calloutKey = STREAMEDIT_CALLOUT;
    callout.classifyFn = StreamEditClassify;
    callout.notifyFn = StreamEditNotify;
    status =
        FwpsCalloutRegister(WdfDeviceWdmGetDeviceObject(gEdit.Device), &callout, &gEdit.CalloutId);
  }
  if (NT_SUCCESS(status)) {
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gEdit.Engine);
  }
  if (NT_SUCCESS(status)) {
    status = StreamEditAddObjects();
  }
  return status;
}

// No new bytes; the thread injects what it still has and ends; the last completion has run when the
// handle is destroyed.
void StreamEditClose(void) {
  KLOCK_QUEUE_HANDLE lock;

  if (gEdit.Engine != NULL) {
    FwpmEngineClose(gEdit.Engine);
  }
  if (gEdit.Thread != NULL) {
    KeAcquireInStackQueuedSpinLock(&gEdit.Lock, &lock);
    gEdit.Stopping = TRUE;
    KeReleaseInStackQueuedSpinLock(&lock);
    KeSetEvent(&gEdit.Wake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(gEdit.Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(gEdit.Thread);
  }
  if (gEdit.CalloutId != 0) {
    FwpsCalloutUnregisterById(gEdit.CalloutId);
  }
  if (gEdit.Injection != NULL) {
    FwpsInjectionHandleDestroy(gEdit.Injection);
  }
  if (gEdit.Pool != NULL) {
    NdisFreeNetBufferListPool(gEdit.Pool);
  }
}
