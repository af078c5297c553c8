/*
    delay: a slow and lossy wire, for tests.

    At the two MAC layers it absorbs every frame, keeps a clone of it, and injects the clone again
    when its time has come. A percentage of the frames is lost on purpose. Frames of one direction
    never overtake each other.

    Parameters (REG_DWORD): InboundDelayMs, OutboundDelayMs, InboundDropPercent,
    OutboundDropPercent, MaxPending (frames held at once, 256), Seed (of the losses; 0: the time).

    Holding clones for long keeps buffers of the stack: fine for a test, while a driver that keeps
    packets for seconds copies them instead.
*/

#include "driver.h"

#define INITGUID
#include <guiddef.h>

#define UNITS_PER_MS 10000ULL  // of the interrupt time: 100 ns

// {6F6D1B0E-5B1E-4C53-9E0B-2B8A3F9C1D01}
DEFINE_GUID(DELAY_INBOUND_CALLOUT, 0x6f6d1b0e, 0x5b1e, 0x4c53, 0x9e, 0x0b, 0x2b, 0x8a, 0x3f, 0x9c,
            0x1d, 0x01);
// {6F6D1B0E-5B1E-4C53-9E0B-2B8A3F9C1D02}
DEFINE_GUID(DELAY_OUTBOUND_CALLOUT, 0x6f6d1b0e, 0x5b1e, 0x4c53, 0x9e, 0x0b, 0x2b, 0x8a, 0x3f, 0x9c,
            0x1d, 0x02);
// {6F6D1B0E-5B1E-4C53-9E0B-2B8A3F9C1D03}
DEFINE_GUID(DELAY_SUBLAYER, 0x6f6d1b0e, 0x5b1e, 0x4c53, 0x9e, 0x0b, 0x2b, 0x8a, 0x3f, 0x9c, 0x1d,
            0x03);

// One frame that is being held.
typedef struct _DELAY_FRAME {
  LIST_ENTRY Link;
  NET_BUFFER_LIST* Clone;
  ULONGLONG Due;  // interrupt time
  DELAY_DIRECTION Direction;
  UINT16 LayerId;
  IF_INDEX InterfaceIndex;
  NDIS_PORT_NUMBER NdisPort;
} DELAY_FRAME, *PDELAY_FRAME;

DELAY gDelay;

/* --- what is held --- */

static void DelayFreeFrame(_In_ PDELAY_FRAME Frame) {
  FwpsFreeCloneNetBufferList(Frame->Clone, 0);
  ExFreeToLookasideListEx(&gDelay.Frames, Frame);
}

// REQUIRES: the lock.
static void DelayStartTimer(void) {
  ULONGLONG due = MAXULONG64;
  ULONGLONG now = KeQueryInterruptTime();
  int direction;

  for (direction = 0; direction < DelayDirections; ++direction) {
    PLIST_ENTRY list = &gDelay.Waiting[direction];
    if (!IsListEmpty(list)) {
      due = min(due, CONTAINING_RECORD(list->Flink, DELAY_FRAME, Link)->Due);
    }
  }
  if (due != MAXULONG64 && !gDelay.Stopping) {
    // A time that has passed, such as 0, is due at once.
    WdfTimerStart(gDelay.Timer, due > now ? -(LONGLONG)(due - now) : 0);
  }
}

static void NTAPI DelayComplete(_In_ void* Context, _Inout_ NET_BUFFER_LIST* NetBufferList,
                                _In_ BOOLEAN DispatchLevel) {
  PDELAY_FRAME frame = (PDELAY_FRAME)Context;
  PDELAY_COUNTS counts = &gDelay.Counts[frame->Direction];
  KLOCK_QUEUE_HANDLE lock;

  UNREFERENCED_PARAMETER(DispatchLevel);

  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  --counts->Pending;
  if (NT_SUCCESS(NetBufferList->Status)) {
    ++counts->Sent;
  } else {
    ++counts->Failed;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  DelayFreeFrame(frame);
}

static void DelayInject(_In_ PDELAY_FRAME Frame) {
  DELAY_DIRECTION direction = Frame->Direction;
  KLOCK_QUEUE_HANDLE lock;
  NTSTATUS status;

  if (direction == DelayInbound) {
    status =
        FwpsInjectMacReceiveAsync(gDelay.Injection, NULL, 0, Frame->LayerId, Frame->InterfaceIndex,
                                  Frame->NdisPort, Frame->Clone, DelayComplete, Frame);
  } else {
    status =
        FwpsInjectMacSendAsync(gDelay.Injection, NULL, 0, Frame->LayerId, Frame->InterfaceIndex,
                               Frame->NdisPort, Frame->Clone, DelayComplete, Frame);
  }
  if (!NT_SUCCESS(status)) {
    // Not accepted: there is no completion, and the clone is still ours.
    KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
    --gDelay.Counts[direction].Pending;
    ++gDelay.Counts[direction].Refused;
    KeReleaseInStackQueuedSpinLock(&lock);
    DelayFreeFrame(Frame);
  }
}

// Injects what is due. No lock is held across the injection: its completion may run inside it.
VOID DelayTimer(_In_ WDFTIMER Timer) {
  ULONGLONG now = KeQueryInterruptTime();
  LIST_ENTRY ready;
  KLOCK_QUEUE_HANDLE lock;
  int direction;

  UNREFERENCED_PARAMETER(Timer);

  InitializeListHead(&ready);
  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  for (direction = 0; direction < DelayDirections; ++direction) {
    PLIST_ENTRY list = &gDelay.Waiting[direction];
    while (!IsListEmpty(list) && CONTAINING_RECORD(list->Flink, DELAY_FRAME, Link)->Due <= now) {
      PLIST_ENTRY entry = RemoveHeadList(list);
      InsertTailList(&ready, entry);
    }
  }
  DelayStartTimer();
  KeReleaseInStackQueuedSpinLock(&lock);

  while (!IsListEmpty(&ready)) {
    DelayInject(CONTAINING_RECORD(RemoveHeadList(&ready), DELAY_FRAME, Link));
  }
}

/* --- the callout --- */

// Whether a frame of this direction is to be kept, and room for it. REQUIRES: the lock.
static BOOLEAN DelayAdmit(_In_ DELAY_DIRECTION Direction) {
  PDELAY_COUNTS counts = &gDelay.Counts[Direction];
  ULONG percent = Direction == DelayInbound ? gDelay.Settings.InboundDropPercent
                                            : gDelay.Settings.OutboundDropPercent;

  ++counts->Seen;
  if (percent != 0 && RtlRandomEx(&gDelay.Seed) % 100 < percent) {
    ++counts->Dropped;
    return FALSE;
  }
  if (gDelay.Counts[DelayInbound].Pending + gDelay.Counts[DelayOutbound].Pending >=
      gDelay.MaxPending) {
    ++counts->Overflow;
    return FALSE;
  }
  ++counts->Pending;
  return TRUE;
}

// A clone that begins at the MAC header, as the injection wants it.
static NTSTATUS DelayClone(_In_ NET_BUFFER_LIST* Original, _In_ ULONG HeaderSize,
                           _Out_ NET_BUFFER_LIST** Clone) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Original);
  NTSTATUS status;

  *Clone = NULL;
  if (HeaderSize != 0) {
    status = NdisRetreatNetBufferDataStart(buffer, HeaderSize, 0, NULL);
    if (status != NDIS_STATUS_SUCCESS) {
      return status;
    }
  }
  status = FwpsAllocateCloneNetBufferList(Original, NULL, NULL, 0, Clone);
  // The original is given back as it came, on every path.
  if (HeaderSize != 0) {
    NdisAdvanceNetBufferDataStart(buffer, HeaderSize, FALSE, NULL);
  }
  return status;
}

static void DelayKeep(_In_ PDELAY_FRAME Frame) {
  KLOCK_QUEUE_HANDLE lock;
  PLIST_ENTRY list = &gDelay.Waiting[Frame->Direction];
  BOOLEAN first;

  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  Frame->Due = KeQueryInterruptTime() + UNITS_PER_MS * (Frame->Direction == DelayInbound
                                                            ? gDelay.Settings.InboundDelayMs
                                                            : gDelay.Settings.OutboundDelayMs);
  first = IsListEmpty(list);
  if (!first) {
    // The delay may just have become shorter; nothing overtakes all the same.
    Frame->Due = max(Frame->Due, CONTAINING_RECORD(list->Blink, DELAY_FRAME, Link)->Due);
  }
  InsertTailList(list, &Frame->Link);
  if (first) {
    DelayStartTimer();
  }
  KeReleaseInStackQueuedSpinLock(&lock);
}

static void DelayTake(_In_ const FWPS_INCOMING_VALUES* Values,
                      _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                      _In_ NET_BUFFER_LIST* NetBufferList) {
  DELAY_DIRECTION direction =
      Values->layerId == FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET ? DelayInbound : DelayOutbound;
  ULONG header = 0;
  PDELAY_FRAME frame;
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN keep;

  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  keep = DelayAdmit(direction);
  KeReleaseInStackQueuedSpinLock(&lock);
  if (!keep) {
    return;
  }

  frame = ExAllocateFromLookasideListEx(&gDelay.Frames);
  if (frame != NULL) {
    RtlZeroMemory(frame, sizeof(*frame));
    frame->Direction = direction;
    frame->LayerId = Values->layerId;
    if (direction == DelayInbound) {
      frame->InterfaceIndex =
          Values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_INTERFACE_INDEX].value.uint32;
      frame->NdisPort =
          Values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_NDIS_PORT].value.uint32;
      // Here the data begin behind the MAC header; outbound they begin with it.
      NT_ASSERT(FWPS_IS_L2_METADATA_FIELD_PRESENT(Metadata,
                                                  FWPS_L2_METADATA_FIELD_ETHERNET_MAC_HEADER_SIZE));
      header = Metadata->ethernetMacHeaderSize;
    } else {
      frame->InterfaceIndex =
          Values->incomingValue[FWPS_FIELD_OUTBOUND_MAC_FRAME_ETHERNET_INTERFACE_INDEX]
              .value.uint32;
      frame->NdisPort =
          Values->incomingValue[FWPS_FIELD_OUTBOUND_MAC_FRAME_ETHERNET_NDIS_PORT].value.uint32;
    }
    if (NT_SUCCESS(DelayClone(NetBufferList, header, &frame->Clone))) {
      DelayKeep(frame);
      return;
    }
    ExFreeToLookasideListEx(&gDelay.Frames, frame);
  }

  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  --gDelay.Counts[direction].Pending;
  ++gDelay.Counts[direction].Overflow;
  KeReleaseInStackQueuedSpinLock(&lock);
}

static void NTAPI DelayClassify(_In_ const FWPS_INCOMING_VALUES* Values,
                                _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                                _Inout_opt_ void* LayerData, _In_opt_ const void* ClassifyContext,
                                _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                                _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  NET_BUFFER_LIST* list = (NET_BUFFER_LIST*)LayerData;
  FWPS_PACKET_INJECTION_STATE state;

  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);
  UNREFERENCED_PARAMETER(FlowContext);

  if ((ClassifyOut->rights & FWPS_RIGHT_ACTION_WRITE) == 0) {
    return;
  }
  ClassifyOut->actionType = FWP_ACTION_PERMIT;
  if (list == NULL) {
    return;
  }
  // What was held before goes on its way.
  state = FwpsQueryPacketInjectionState(gDelay.Injection, list, NULL);
  if (state == FWPS_PACKET_INJECTED_BY_SELF || state == FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF) {
    return;
  }

  DelayTake(Values, Metadata, list);

  // Kept or lost: either way it is silently gone for now.
  ClassifyOut->actionType = FWP_ACTION_BLOCK;
  ClassifyOut->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  ClassifyOut->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

static NTSTATUS NTAPI DelayNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE Type, _In_ const GUID* FilterKey,
                                  _Inout_ FWPS_FILTER* Filter) {
  UNREFERENCED_PARAMETER(Type);
  UNREFERENCED_PARAMETER(FilterKey);
  UNREFERENCED_PARAMETER(Filter);
  return STATUS_SUCCESS;
}

/* --- the engine's objects --- */

static NTSTATUS DelayRegister(_In_ const GUID* Key, _Out_ UINT32* CalloutId) {
  FWPS_CALLOUT callout = {0};

  callout.calloutKey = *Key;
  callout.classifyFn = DelayClassify;
  callout.notifyFn = DelayNotify;
  return FwpsCalloutRegister(WdfDeviceWdmGetDeviceObject(gDelay.Device), &callout, CalloutId);
}

static NTSTATUS DelayAddFilter(_In_ const GUID* Layer, _In_ const GUID* Key, _In_ PWSTR Name) {
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  NTSTATUS status;

  callout.calloutKey = *Key;
  callout.displayData.name = Name;
  callout.applicableLayer = *Layer;
  status = FwpmCalloutAdd(gDelay.Engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }

  filter.layerKey = *Layer;
  filter.displayData.name = Name;
  filter.subLayerKey = DELAY_SUBLAYER;
  filter.weight.type = FWP_EMPTY;
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = *Key;
  return FwpmFilterAdd(gDelay.Engine, &filter, NULL, NULL);
}

static NTSTATUS DelayAddObjects(void) {
  FWPM_SUBLAYER subLayer = {0};
  NTSTATUS status;

  status = FwpmTransactionBegin(gDelay.Engine, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  subLayer.subLayerKey = DELAY_SUBLAYER;
  subLayer.displayData.name = L"delay";
  subLayer.weight = 0x100;
  status = FwpmSubLayerAdd(gDelay.Engine, &subLayer, NULL);
  if (NT_SUCCESS(status)) {
    status = DelayAddFilter(&FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, &DELAY_INBOUND_CALLOUT,
                            L"delay inbound");
  }
  if (NT_SUCCESS(status)) {
    status = DelayAddFilter(&FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, &DELAY_OUTBOUND_CALLOUT,
                            L"delay outbound");
  }
  if (NT_SUCCESS(status)) {
    return FwpmTransactionCommit(gDelay.Engine);
  }
  FwpmTransactionAbort(gDelay.Engine);
  return status;
}

NTSTATUS DelayOpen(void) {
  FWPM_SESSION session = {0};
  NTSTATUS status;

  status = ExInitializeLookasideListEx(&gDelay.Frames, NULL, NULL, NonPagedPoolNx, 0,
                                       sizeof(DELAY_FRAME), DELAY_TAG, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  gDelay.HasFrames = TRUE;
  status = FwpsInjectionHandleCreate(AF_UNSPEC, FWPS_INJECTION_TYPE_L2, &gDelay.Injection);
  if (NT_SUCCESS(status)) {
    status = DelayRegister(&DELAY_INBOUND_CALLOUT, &gDelay.CalloutId[DelayInbound]);
  }
  if (NT_SUCCESS(status)) {
    status = DelayRegister(&DELAY_OUTBOUND_CALLOUT, &gDelay.CalloutId[DelayOutbound]);
  }
  if (NT_SUCCESS(status)) {
    // A dynamic session: whatever it adds goes when it closes.
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gDelay.Engine);
  }
  if (NT_SUCCESS(status)) {
    status = DelayAddObjects();
  }
  return status;
}

// Undoes what there is of DelayOpen(), in this order: no new frames, no callout that runs, no timer
// that injects, nothing held, nothing under way.
void DelayClose(void) {
  KLOCK_QUEUE_HANDLE lock;
  int direction;

  if (gDelay.Engine != NULL) {
    FwpmEngineClose(gDelay.Engine);
    gDelay.Engine = NULL;
  }
  for (direction = 0; direction < DelayDirections; ++direction) {
    if (gDelay.CalloutId[direction] != 0) {
      FwpsCalloutUnregisterById(gDelay.CalloutId[direction]);
      gDelay.CalloutId[direction] = 0;
    }
  }

  KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
  gDelay.Stopping = TRUE;
  KeReleaseInStackQueuedSpinLock(&lock);
  if (gDelay.Timer != NULL) {
    WdfTimerStop(gDelay.Timer, TRUE);
  }
  for (direction = 0; direction < DelayDirections; ++direction) {
    while (!IsListEmpty(&gDelay.Waiting[direction])) {
      PLIST_ENTRY entry = RemoveHeadList(&gDelay.Waiting[direction]);
      DelayFreeFrame(CONTAINING_RECORD(entry, DELAY_FRAME, Link));
    }
  }

  if (gDelay.Injection != NULL) {
    FwpsInjectionHandleDestroy(gDelay.Injection);  // waits for every completion
    gDelay.Injection = NULL;
  }
  if (gDelay.HasFrames) {
    ExDeleteLookasideListEx(&gDelay.Frames);
    gDelay.HasFrames = FALSE;
  }
}
