/*
    gate: nobody is served before a worker has said so.

    The authorization of every flow towards the server, UDP and TCP, is pended at
    ALE_AUTH_RECV_ACCEPT. A system thread decides by a list of addresses, as something would that
   has to ask elsewhere, and completes the operation. Then the engine asks again, with
    FWP_CONDITION_FLAG_IS_REAUTHORIZE, and gets the answer. The packet itself was absorbed and
    cloned: the clone of one that is allowed is injected, and finds its flow authorized.

    Parameters: Allow (REG_SZ; addresses and prefixes of relays and clients, by spaces or commas),
    RefuseUnconfigured (REG_DWORD; 1: clients without an address are refused, too), DelayMs
    (REG_DWORD; how long the worker thinks).
*/

#include "driver.h"

#define INITGUID
#include <guiddef.h>

#define MAX_WAITING 512
#define DHCP_SERVER_PORT 67

// {6F0B9B52-3A0E-4A7C-9D7E-51C2D0E7B001}
DEFINE_GUID(GATE_CALLOUT, 0x6f0b9b52, 0x3a0e, 0x4a7c, 0x9d, 0x7e, 0x51, 0xc2, 0xd0, 0xe7, 0xb0,
            0x01);
// {6F0B9B52-3A0E-4A7C-9D7E-51C2D0E7B002}
DEFINE_GUID(GATE_SUBLAYER, 0x6f0b9b52, 0x3a0e, 0x4a7c, 0x9d, 0x7e, 0x51, 0xc2, 0xd0, 0xe7, 0xb0,
            0x02);

// What waits for the worker, and then for its injection.
typedef struct _GATE_ENTRY {
  LIST_ENTRY Link;
  HANDLE CompletionContext;
  UINT32 RemoteAddress;
  NET_BUFFER_LIST* Clone;  // from the IP header on; NULL: a connection, which has no packet here
  COMPARTMENT_ID CompartmentId;
  IF_INDEX InterfaceIndex;
  IF_INDEX SubInterfaceIndex;
} GATE_ENTRY, *PGATE_ENTRY;

GATE gGate;

KSTART_ROUTINE GateThread;

/* --- deciding --- */

static void GateCount(_Inout_ PULONG64 Counter) {
  KLOCK_QUEUE_HANDLE lock;

  KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
  ++*Counter;
  KeReleaseInStackQueuedSpinLock(&lock);
}

static BOOLEAN GateAllows(_In_ UINT32 Address) {
  ULONG i;

  if (Address == 0) {
    return !gGate.RefuseUnconfigured;
  }
  for (i = 0; i < gGate.AllowedCount; ++i) {
    if ((Address & gGate.Allowed[i].Mask) == gGate.Allowed[i].Address) {
      return TRUE;
    }
  }
  return FALSE;
}

static void GateRemember(_In_ UINT32 Address, _In_ BOOLEAN Allowed) {
  KLOCK_QUEUE_HANDLE lock;
  GATE_DECISION* decision;

  KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
  decision = &gGate.Decisions[gGate.DecisionCount++ % MAX_DECISIONS];
  decision->Address = Address;
  decision->Allowed = Allowed;
  if (Allowed) {
    ++gGate.Counts.Allowed;
  } else {
    ++gGate.Counts.Refused;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
}

// What the worker has decided; what it no longer knows is decided at once.
static BOOLEAN GateRecall(_In_ UINT32 Address) {
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN allowed = FALSE;
  BOOLEAN known = FALSE;
  ULONG i;

  KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
  for (i = 1; i <= min(gGate.DecisionCount, MAX_DECISIONS) && !known; ++i) {
    const GATE_DECISION* decision = &gGate.Decisions[(gGate.DecisionCount - i) % MAX_DECISIONS];
    known = decision->Address == Address;
    allowed = decision->Allowed;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  return known ? allowed : GateAllows(Address);
}

/* --- the worker --- */

static void GateFree(_In_ PGATE_ENTRY Entry) {
  if (Entry->Clone != NULL) {
    FwpsFreeCloneNetBufferList(Entry->Clone, 0);
  }
  ExFreePoolWithTag(Entry, GATE_TAG);
}

static void NTAPI GateInjected(_In_ void* Context, _Inout_ NET_BUFFER_LIST* NetBufferList,
                               _In_ BOOLEAN DispatchLevel) {
  UNREFERENCED_PARAMETER(DispatchLevel);

  GateCount(NT_SUCCESS(NetBufferList->Status) ? &gGate.Counts.Injected : &gGate.Counts.Lost);
  GateFree((PGATE_ENTRY)Context);
}

// Completing comes first: then the flow is authorized before its packet comes again.
static void GateDecide(_In_ PGATE_ENTRY Entry) {
  BOOLEAN allowed = GateAllows(Entry->RemoteAddress);
  NTSTATUS status;

  GateRemember(Entry->RemoteAddress, allowed);
  FwpsCompleteOperation(Entry->CompletionContext, NULL);
  if (!allowed || Entry->Clone == NULL) {
    GateFree(Entry);
    return;
  }
  status = FwpsInjectTransportReceiveAsync(
      gGate.Injection, NULL, NULL, 0, AF_INET, Entry->CompartmentId, Entry->InterfaceIndex,
      Entry->SubInterfaceIndex, Entry->Clone, GateInjected, Entry);
  if (!NT_SUCCESS(status)) {
    // Not accepted: there is no completion, and the clone is still ours.
    DbgPrint("gate: a packet is lost: %08x\n", status);
    GateCount(&gGate.Counts.Lost);
    GateFree(Entry);
  }
}

// At the end everything that waits is still decided, without thinking.
VOID GateThread(_In_ PVOID Context) {
  LARGE_INTEGER delay;
  PGATE_ENTRY entry;
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN stopping;

  UNREFERENCED_PARAMETER(Context);

  delay.QuadPart = -10000LL * gGate.DelayMs;
  for (;;) {
    KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
    stopping = gGate.Stopping;
    entry = NULL;
    if (!IsListEmpty(&gGate.Waiting)) {
      entry = CONTAINING_RECORD(RemoveHeadList(&gGate.Waiting), GATE_ENTRY, Link);
      --gGate.Counts.Waiting;
    }
    KeReleaseInStackQueuedSpinLock(&lock);

    if (entry == NULL) {
      if (stopping) {
        break;
      }
      KeWaitForSingleObject(&gGate.Wake, Executive, KernelMode, FALSE, NULL);
      continue;
    }
    if (!stopping && gGate.DelayMs != 0) {
      KeDelayExecutionThread(KernelMode, FALSE, &delay);
    }
    GateDecide(entry);
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

/* --- the callout --- */

// The list begins at its data; the clone is to begin at the IP header.
static NTSTATUS GateClone(_In_ NET_BUFFER_LIST* Original,
                          _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                          _Out_ NET_BUFFER_LIST** Clone) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Original);
  ULONG headers = Metadata->ipHeaderSize + Metadata->transportHeaderSize;
  NTSTATUS status;

  *Clone = NULL;
  status = NdisRetreatNetBufferDataStart(buffer, headers, 0, NULL);
  if (status != NDIS_STATUS_SUCCESS) {
    return status;
  }
  status = FwpsAllocateCloneNetBufferList(Original, NULL, NULL, 0, Clone);
  NdisAdvanceNetBufferDataStart(buffer, headers, FALSE, NULL);
  return status;
}

static BOOLEAN GateHasRoom(void) {
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN room;

  KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
  room = !gGate.Stopping && gGate.Counts.Waiting < MAX_WAITING;
  KeReleaseInStackQueuedSpinLock(&lock);
  return room;
}

// FALSE: it is lost; a client asks again.
static BOOLEAN GateHold(_In_ const FWPS_INCOMING_VALUES* Values,
                        _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                        _In_opt_ NET_BUFFER_LIST* NetBufferList) {
  const FWPS_INCOMING_VALUE0* values = Values->incomingValue;
  PGATE_ENTRY entry;
  KLOCK_QUEUE_HANDLE lock;
  NTSTATUS status = STATUS_SUCCESS;

  if (!GateHasRoom() ||
      !FWPS_IS_METADATA_FIELD_PRESENT(Metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE)) {
    return FALSE;
  }
  entry = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*entry), GATE_TAG);
  if (entry == NULL) {
    return FALSE;
  }
  entry->RemoteAddress = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_REMOTE_ADDRESS].value.uint32;
  entry->InterfaceIndex = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_INTERFACE_INDEX].value.uint32;
  entry->SubInterfaceIndex =
      values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_SUB_INTERFACE_INDEX].value.uint32;
  entry->CompartmentId =
      FWPS_IS_METADATA_FIELD_PRESENT(Metadata, FWPS_METADATA_FIELD_COMPARTMENT_ID)
          ? (COMPARTMENT_ID)Metadata->compartmentId
          : UNSPECIFIED_COMPARTMENT_ID;
  if (NetBufferList != NULL) {
    status = GateClone(NetBufferList, Metadata, &entry->Clone);
  }
  if (NT_SUCCESS(status)) {
    status = FwpsPendOperation(Metadata->completionHandle, &entry->CompletionContext);
  }
  if (!NT_SUCCESS(status)) {
    GateFree(entry);
    return FALSE;
  }
  KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
  InsertTailList(&gGate.Waiting, &entry->Link);
  ++gGate.Counts.Waiting;
  ++gGate.Counts.Held;
  KeReleaseInStackQueuedSpinLock(&lock);
  KeSetEvent(&gGate.Wake, IO_NO_INCREMENT, FALSE);
  return TRUE;
}

static void NTAPI GateClassify(_In_ const FWPS_INCOMING_VALUES* Values,
                               _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                               _Inout_opt_ void* LayerData, _In_opt_ const void* ClassifyContext,
                               _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                               _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  const FWPS_INCOMING_VALUE0* values = Values->incomingValue;
  NET_BUFFER_LIST* list = (NET_BUFFER_LIST*)LayerData;
  FWPS_PACKET_INJECTION_STATE state;
  UINT32 remote = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_REMOTE_ADDRESS].value.uint32;
  UINT32 flags = values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS].value.uint32;

  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);
  UNREFERENCED_PARAMETER(FlowContext);

  if ((ClassifyOut->rights & FWPS_RIGHT_ACTION_WRITE) == 0) {
    return;
  }
  // The worker's answer. No packet comes with the question.
  if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0) {
    ClassifyOut->actionType = GateRecall(remote) ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
    return;
  }
  // Ours, whose flow has gone in the meantime: it was allowed.
  if (list != NULL) {
    state = FwpsQueryPacketInjectionState(gGate.Injection, list, NULL);
    if (state == FWPS_PACKET_INJECTED_BY_SELF || state == FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF) {
      ClassifyOut->actionType = FWP_ACTION_PERMIT;
      return;
    }
  }
  if (!GateHold(Values, Metadata, list)) {
    GateCount(&gGate.Counts.Lost);
  }
  ClassifyOut->actionType = FWP_ACTION_BLOCK;
  ClassifyOut->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  ClassifyOut->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

static NTSTATUS NTAPI GateNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE Type, _In_ const GUID* FilterKey,
                                 _Inout_ FWPS_FILTER* Filter) {
  UNREFERENCED_PARAMETER(Type);
  UNREFERENCED_PARAMETER(FilterKey);
  UNREFERENCED_PARAMETER(Filter);
  return STATUS_SUCCESS;
}

/* --- the engine's objects --- */

static NTSTATUS GateAddFilter(void) {
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  FWPM_FILTER_CONDITION condition = {0};
  NTSTATUS status;

  callout.calloutKey = GATE_CALLOUT;
  callout.displayData.name = L"gate";
  callout.applicableLayer = FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4;
  status = FwpmCalloutAdd(gGate.Engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  condition.fieldKey = FWPM_CONDITION_IP_LOCAL_PORT;
  condition.matchType = FWP_MATCH_EQUAL;
  condition.conditionValue.type = FWP_UINT16;
  condition.conditionValue.uint16 = DHCP_SERVER_PORT;

  filter.layerKey = FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4;
  filter.displayData.name = L"gate";
  filter.subLayerKey = GATE_SUBLAYER;
  filter.weight.type = FWP_EMPTY;
  filter.numFilterConditions = 1;
  filter.filterCondition = &condition;
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = GATE_CALLOUT;
  return FwpmFilterAdd(gGate.Engine, &filter, NULL, NULL);
}

static NTSTATUS GateAddObjects(void) {
  FWPM_SUBLAYER subLayer = {0};
  NTSTATUS status;

  status = FwpmTransactionBegin(gGate.Engine, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  subLayer.subLayerKey = GATE_SUBLAYER;
  subLayer.displayData.name = L"gate";
  subLayer.weight = 0x400;
  status = FwpmSubLayerAdd(gGate.Engine, &subLayer, NULL);
  if (NT_SUCCESS(status)) {
    status = GateAddFilter();
  }
  if (NT_SUCCESS(status)) {
    return FwpmTransactionCommit(gGate.Engine);
  }
  FwpmTransactionAbort(gGate.Engine);
  return status;
}

NTSTATUS GateOpen(void) {
  FWPS_CALLOUT callout = {0};
  FWPM_SESSION session = {0};
  HANDLE thread;
  NTSTATUS status;

  status = FwpsInjectionHandleCreate(AF_INET, FWPS_INJECTION_TYPE_TRANSPORT, &gGate.Injection);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, GateThread, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  ObReferenceObjectByHandle(thread, 0, NULL, KernelMode, &gGate.Thread, NULL);
  ZwClose(thread);

  callout.calloutKey = GATE_CALLOUT;
  callout.classifyFn = GateClassify;
  callout.notifyFn = GateNotify;
  status =
      FwpsCalloutRegister(WdfDeviceWdmGetDeviceObject(gGate.Device), &callout, &gGate.CalloutId);
  if (NT_SUCCESS(status)) {
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gGate.Engine);
  }
  if (NT_SUCCESS(status)) {
    status = GateAddObjects();
  }
  return status;
}

// Undoes what there is of GateOpen(): nothing new is held; the worker decides what still waits, so
// that nothing stays pended; the last completion has run when the handle is destroyed.
void GateClose(void) {
  KLOCK_QUEUE_HANDLE lock;

  if (gGate.Engine != NULL) {
    FwpmEngineClose(gGate.Engine);
  }
  if (gGate.CalloutId != 0) {
    FwpsCalloutUnregisterById(gGate.CalloutId);
  }
  if (gGate.Thread != NULL) {
    KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
    gGate.Stopping = TRUE;
    KeReleaseInStackQueuedSpinLock(&lock);
    KeSetEvent(&gGate.Wake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(gGate.Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(gGate.Thread);
  }
  if (gGate.Injection != NULL) {
    FwpsInjectionHandleDestroy(gGate.Injection);
  }
}
