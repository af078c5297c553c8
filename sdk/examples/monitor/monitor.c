/*
    monitor: copies every byte of every TCP connection, and changes nothing.

    When a connection is established (ALE_FLOW_ESTABLISHED) it gets a context, which the callout at
    STREAM is then given with each part of the stream: this is how a driver keeps what it knows of a
    connection without looking for it. The callout is conditional on flows, so that it is asked
   about no others. When the connection is over the context comes back (flowDeleteFn), and the
   totals are printed.
*/

#include "driver.h"

#define INITGUID
#include <guiddef.h>

// {2F5A9C40-6D1B-4F7E-8C3A-91B7D05E6001}
DEFINE_GUID(MONITOR_FLOW_CALLOUT, 0x2f5a9c40, 0x6d1b, 0x4f7e, 0x8c, 0x3a, 0x91, 0xb7, 0xd0, 0x5e,
            0x60, 0x01);
// {2F5A9C40-6D1B-4F7E-8C3A-91B7D05E6002}
DEFINE_GUID(MONITOR_STREAM_CALLOUT, 0x2f5a9c40, 0x6d1b, 0x4f7e, 0x8c, 0x3a, 0x91, 0xb7, 0xd0, 0x5e,
            0x60, 0x02);
// {2F5A9C40-6D1B-4F7E-8C3A-91B7D05E6003}
DEFINE_GUID(MONITOR_SUBLAYER, 0x2f5a9c40, 0x6d1b, 0x4f7e, 0x8c, 0x3a, 0x91, 0xb7, 0xd0, 0x5e, 0x60,
            0x03);

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

// What hangs on a connection.
typedef struct _MONITOR_CONTEXT {
  PMONITOR_FLOW Flow;  // its line, as long as FlowId is the same
  ULONG64 FlowId;
} MONITOR_CONTEXT, *PMONITOR_CONTEXT;

MONITOR gMonitor;

/* --- at ALE_FLOW_ESTABLISHED --- */

static void NTAPI MonitorEstablished(_In_ const FWPS_INCOMING_VALUES* Values,
                                     _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                                     _Inout_opt_ void* LayerData,
                                     _In_opt_ const void* ClassifyContext,
                                     _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                                     _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  const FWPS_INCOMING_VALUE0* values = Values->incomingValue;
  PMONITOR_CONTEXT context;
  PMONITOR_FLOW flow;
  KLOCK_QUEUE_HANDLE lock;

  UNREFERENCED_PARAMETER(LayerData);
  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);
  UNREFERENCED_PARAMETER(FlowContext);

  ClassifyOut->actionType = FWP_ACTION_CONTINUE;
  if (!FWPS_IS_METADATA_FIELD_PRESENT(Metadata, FWPS_METADATA_FIELD_FLOW_HANDLE)) {
    return;
  }
  context = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*context), MONITOR_TAG);
  if (context == NULL) {
    return;
  }
  KeAcquireInStackQueuedSpinLock(&gMonitor.Lock, &lock);
  flow = &gMonitor.Flows[gMonitor.Next++ % MONITOR_FLOWS];
  RtlZeroMemory(flow, sizeof(*flow));
  flow->FlowId = Metadata->flowHandle;
  flow->Open = TRUE;
  flow->RemoteAddress = values[FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_IP_REMOTE_ADDRESS].value.uint32;
  flow->RemotePort = values[FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_IP_REMOTE_PORT].value.uint16;
  flow->ReceivedHash = flow->SentHash = FNV_OFFSET;
  context->Flow = flow;
  context->FlowId = flow->FlowId;
  KeReleaseInStackQueuedSpinLock(&lock);

  if (!NT_SUCCESS(FwpsFlowAssociateContext(Metadata->flowHandle, FWPS_LAYER_STREAM_V4,
                                           gMonitor.StreamCalloutId, (UINT64)(ULONG_PTR)context))) {
    ExFreePoolWithTag(context, MONITOR_TAG);
  }
}

/* --- at STREAM --- */

static ULONG64 MonitorHash(_In_ ULONG64 Hash, _In_reads_bytes_(Length) const UCHAR* Bytes,
                           _In_ SIZE_T Length) {
  SIZE_T i;

  for (i = 0; i < Length; ++i) {
    Hash = (Hash ^ Bytes[i]) * FNV_PRIME;
  }
  return Hash;
}

static void MonitorCount(_In_ PMONITOR_CONTEXT Context, _In_ UINT32 Flags,
                         _In_reads_bytes_(Length) const UCHAR* Bytes, _In_ SIZE_T Length) {
  PMONITOR_FLOW flow = Context->Flow;
  KLOCK_QUEUE_HANDLE lock;

  KeAcquireInStackQueuedSpinLock(&gMonitor.Lock, &lock);
  if (flow->FlowId == Context->FlowId) {
    if ((Flags & FWPS_STREAM_FLAG_RECEIVE) != 0) {
      flow->Received += Length;
      flow->ReceivedHash = MonitorHash(flow->ReceivedHash, Bytes, Length);
    } else {
      flow->Sent += Length;
      flow->SentHash = MonitorHash(flow->SentHash, Bytes, Length);
    }
    if ((Flags & FWPS_STREAM_FLAG_RECEIVE_DISCONNECT) != 0) {
      flow->Ended |= 1;
    }
    if ((Flags & FWPS_STREAM_FLAG_SEND_DISCONNECT) != 0) {
      flow->Ended |= 2;
    }
    if ((Flags & (FWPS_STREAM_FLAG_RECEIVE_ABORT | FWPS_STREAM_FLAG_SEND_ABORT)) != 0) {
      flow->Ended |= 4;
    }
  }
  KeReleaseInStackQueuedSpinLock(&lock);
}

static void NTAPI MonitorStream(_In_ const FWPS_INCOMING_VALUES* Values,
                                _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                                _Inout_opt_ void* LayerData, _In_opt_ const void* ClassifyContext,
                                _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                                _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  FWPS_STREAM_CALLOUT_IO_PACKET* packet = (FWPS_STREAM_CALLOUT_IO_PACKET*)LayerData;
  PMONITOR_CONTEXT context = (PMONITOR_CONTEXT)(ULONG_PTR)FlowContext;
  FWPS_STREAM_DATA* data;
  PUCHAR bytes = NULL;
  SIZE_T copied = 0;

  UNREFERENCED_PARAMETER(Values);
  UNREFERENCED_PARAMETER(Metadata);
  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);

  ClassifyOut->actionType = FWP_ACTION_CONTINUE;
  if (packet == NULL || context == NULL) {
    return;
  }
  data = packet->streamData;
  if (data->dataLength != 0) {
    bytes = ExAllocatePoolZero(NonPagedPoolNx, data->dataLength, MONITOR_TAG);
    if (bytes == NULL) {
      return;
    }
    FwpsCopyStreamDataToBuffer(data, bytes, data->dataLength, &copied);
  }
  MonitorCount(context, data->flags, bytes, copied);
  if (bytes != NULL) {
    ExFreePoolWithTag(bytes, MONITOR_TAG);
  }
}

// The connection is over, or we let go of it.
static void NTAPI MonitorFlowDelete(_In_ UINT16 LayerId, _In_ UINT32 CalloutId,
                                    _In_ UINT64 FlowContext) {
  PMONITOR_CONTEXT context = (PMONITOR_CONTEXT)(ULONG_PTR)FlowContext;
  MONITOR_FLOW flow = {0};
  KLOCK_QUEUE_HANDLE lock;

  UNREFERENCED_PARAMETER(LayerId);
  UNREFERENCED_PARAMETER(CalloutId);

  KeAcquireInStackQueuedSpinLock(&gMonitor.Lock, &lock);
  if (context->Flow->FlowId == context->FlowId) {
    context->Flow->Open = FALSE;
    flow = *context->Flow;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  DbgPrintEx(DPFLTR_IHVNETWORK_ID, DPFLTR_INFO_LEVEL,
             "monitor: flow %llu of %08x:%u: %llu bytes received, %llu sent\n", context->FlowId,
             flow.RemoteAddress, flow.RemotePort, flow.Received, flow.Sent);
  ExFreePoolWithTag(context, MONITOR_TAG);
}

static NTSTATUS NTAPI MonitorNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE Type, _In_ const GUID* FilterKey,
                                    _Inout_ FWPS_FILTER* Filter) {
  UNREFERENCED_PARAMETER(Type);
  UNREFERENCED_PARAMETER(FilterKey);
  UNREFERENCED_PARAMETER(Filter);
  return STATUS_SUCCESS;
}

/* --- the engine's objects --- */

// Only TCP where both are seen.
static NTSTATUS MonitorAddFilter(_In_ const GUID* Layer, _In_ const GUID* Key, _In_ BOOLEAN OnlyTcp,
                                 _In_ PWSTR Name) {
  FWPM_FILTER_CONDITION condition = {0};
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  NTSTATUS status;

  callout.calloutKey = *Key;
  callout.displayData.name = Name;
  callout.applicableLayer = *Layer;
  status = FwpmCalloutAdd(gMonitor.Engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  condition.fieldKey = FWPM_CONDITION_IP_PROTOCOL;
  condition.matchType = FWP_MATCH_EQUAL;
  condition.conditionValue.type = FWP_UINT8;
  condition.conditionValue.uint8 = IPPROTO_TCP;
  filter.layerKey = *Layer;
  filter.displayData.name = Name;
  filter.subLayerKey = MONITOR_SUBLAYER;
  filter.weight.type = FWP_EMPTY;
  filter.numFilterConditions = OnlyTcp ? 1 : 0;
  filter.filterCondition = OnlyTcp ? &condition : NULL;
  filter.action.type = FWP_ACTION_CALLOUT_INSPECTION;
  filter.action.calloutKey = *Key;
  return FwpmFilterAdd(gMonitor.Engine, &filter, NULL, NULL);
}

static NTSTATUS MonitorAddObjects(void) {
  FWPM_SUBLAYER subLayer = {0};
  NTSTATUS status;

  status = FwpmTransactionBegin(gMonitor.Engine, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  subLayer.subLayerKey = MONITOR_SUBLAYER;
  subLayer.displayData.name = L"monitor";
  subLayer.weight = 0x100;
  status = FwpmSubLayerAdd(gMonitor.Engine, &subLayer, NULL);
  if (NT_SUCCESS(status)) {
    status = MonitorAddFilter(&FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, &MONITOR_FLOW_CALLOUT, TRUE,
                              L"monitor flows");
  }
  if (NT_SUCCESS(status)) {
    status =
        MonitorAddFilter(&FWPM_LAYER_STREAM_V4, &MONITOR_STREAM_CALLOUT, FALSE, L"monitor streams");
  }
  if (NT_SUCCESS(status)) {
    return FwpmTransactionCommit(gMonitor.Engine);
  }
  FwpmTransactionAbort(gMonitor.Engine);
  return status;
}

NTSTATUS MonitorOpen(void) {
  DEVICE_OBJECT* device = WdfDeviceWdmGetDeviceObject(gMonitor.Device);
  FWPM_SESSION session = {0};
  FWPS_CALLOUT callout = {0};
  NTSTATUS status;

  callout.calloutKey = MONITOR_STREAM_CALLOUT;
  callout.flags = FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
  callout.classifyFn = MonitorStream;
  callout.notifyFn = MonitorNotify;
  callout.flowDeleteFn = MonitorFlowDelete;
  status = FwpsCalloutRegister(device, &callout, &gMonitor.StreamCalloutId);
  if (NT_SUCCESS(status)) {
    callout.calloutKey = MONITOR_FLOW_CALLOUT;
    callout.flags = 0;
    callout.classifyFn = MonitorEstablished;
    callout.flowDeleteFn = NULL;
    status = FwpsCalloutRegister(device, &callout, &gMonitor.FlowCalloutId);
  }
  if (NT_SUCCESS(status)) {
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gMonitor.Engine);
  }
  if (NT_SUCCESS(status)) {
    status = MonitorAddObjects();
  }
  return status;
}

// The contexts of open connections come back before the callout can go.
void MonitorClose(void) {
  LARGE_INTEGER wait = {.QuadPart = -10000};  // 1 ms
  ULONG i;

  if (gMonitor.Engine != NULL) {
    FwpmEngineClose(gMonitor.Engine);
  }
  if (gMonitor.FlowCalloutId != 0) {
    FwpsCalloutUnregisterById(gMonitor.FlowCalloutId);
  }
  if (gMonitor.StreamCalloutId != 0) {
    for (i = 0; i < MONITOR_FLOWS; ++i) {
      if (gMonitor.Flows[i].Open) {
        FwpsFlowRemoveContext(gMonitor.Flows[i].FlowId, FWPS_LAYER_STREAM_V4,
                              gMonitor.StreamCalloutId);
      }
    }
    while (FwpsCalloutUnregisterById(gMonitor.StreamCalloutId) == STATUS_DEVICE_BUSY) {
      KeDelayExecutionThread(KernelMode, FALSE, &wait);
    }
  }
}
