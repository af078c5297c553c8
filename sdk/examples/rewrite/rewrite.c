/*
    rewrite: changes DHCP messages on their way.

    The host name in requests (option 12) and the domain name in replies (option 15) are replaced by
    texts of one's own. Datagrams are absorbed in classify; a system thread makes the changed copy
    and injects it. Requests, and replies if ReplyLayer is 0, are taken at DATAGRAM_DATA; replies
    are taken at OUTBOUND_TRANSPORT otherwise.

    Parameters: HostName, DomainName (REG_SZ; without one nothing of that kind is changed),
    ReplyLayer (REG_DWORD).

    It shows both ways to inject other bytes than those that came. A request becomes a list of our
    own, with its IP header rebuilt. A reply stays a clone, whose NET_BUFFER is pointed at our bytes
    and back before the clone is freed: as a clone it keeps what the stack knows of the original,
    such as the way to a client that has no address yet.
*/

#include "driver.h"

#define INITGUID
#include <guiddef.h>

#define MAX_WAITING 256
#define MAX_PAYLOAD 1472  // of an Ethernet frame without IP options
#define UDP_HEADER_SIZE 8
#define DHCP_SERVER_PORT 67

// {3C1B6E51-98A4-4E55-8F2A-54D1A7E5C001}
DEFINE_GUID(REWRITE_DATAGRAM_CALLOUT, 0x3c1b6e51, 0x98a4, 0x4e55, 0x8f, 0x2a, 0x54, 0xd1, 0xa7,
            0xe5, 0xc0, 0x01);
// {3C1B6E51-98A4-4E55-8F2A-54D1A7E5C002}
DEFINE_GUID(REWRITE_TRANSPORT_CALLOUT, 0x3c1b6e51, 0x98a4, 0x4e55, 0x8f, 0x2a, 0x54, 0xd1, 0xa7,
            0xe5, 0xc0, 0x02);
// {3C1B6E51-98A4-4E55-8F2A-54D1A7E5C003}
DEFINE_GUID(REWRITE_SUBLAYER, 0x3c1b6e51, 0x98a4, 0x4e55, 0x8f, 0x2a, 0x54, 0xd1, 0xa7, 0xe5, 0xc0,
            0x03);

// A datagram on its way through the driver.
typedef struct _REWRITE_PACKET {
  LIST_ENTRY Link;
  REWRITE_DIRECTION Direction;
  NET_BUFFER_LIST* Clone;  // of what came; a request's from the IP header on, a reply's from UDP's
  ULONG IpHeaderSize;
  COMPARTMENT_ID CompartmentId;
  IF_INDEX InterfaceIndex;
  IF_INDEX SubInterfaceIndex;
  UINT64 EndpointHandle;
  UINT32 LocalAddress;  // in network order; RemoteAddress must stay until the completion
  UINT32 RemoteAddress;

  PUCHAR Bytes;          // what is injected
  PMDL Mdl;              // of Bytes
  NET_BUFFER_LIST* Own;  // a request's list
  NET_BUFFER Saved;      // a reply's NET_BUFFER as the clone had it
} REWRITE_PACKET, *PREWRITE_PACKET;

REWRITE gRewrite;

KSTART_ROUTINE RewriteThread;

/* --- one packet --- */

static void RewriteCount(_In_ PREWRITE_PACKET Packet, _In_ size_t Counter) {
  KLOCK_QUEUE_HANDLE lock;
  PUCHAR counts = (PUCHAR)&gRewrite.Counts[Packet->Direction];

  KeAcquireInStackQueuedSpinLock(&gRewrite.Lock, &lock);
  ++*(PULONG64)(counts + Counter);
  KeReleaseInStackQueuedSpinLock(&lock);
}
#define COUNT(packet, counter) RewriteCount(packet, FIELD_OFFSET(REWRITE_COUNTS, counter))

// The clone's NET_BUFFER describes what it did again; only then may the clone be freed.
static void RewriteRestore(_In_ PREWRITE_PACKET Packet) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Packet->Clone);

  NET_BUFFER_FIRST_MDL(buffer) = NET_BUFFER_FIRST_MDL(&Packet->Saved);
  NET_BUFFER_CURRENT_MDL(buffer) = NET_BUFFER_CURRENT_MDL(&Packet->Saved);
  NET_BUFFER_CURRENT_MDL_OFFSET(buffer) = NET_BUFFER_CURRENT_MDL_OFFSET(&Packet->Saved);
  NET_BUFFER_DATA_OFFSET(buffer) = NET_BUFFER_DATA_OFFSET(&Packet->Saved);
  NET_BUFFER_DATA_LENGTH(buffer) = NET_BUFFER_DATA_LENGTH(&Packet->Saved);
}

static void RewriteFree(_In_ PREWRITE_PACKET Packet) {
  if (Packet->Own != NULL) {
    FwpsFreeNetBufferList(Packet->Own);
  }
  if (Packet->Clone != NULL) {
    FwpsFreeCloneNetBufferList(Packet->Clone, 0);
  }
  if (Packet->Mdl != NULL) {
    IoFreeMdl(Packet->Mdl);
  }
  if (Packet->Bytes != NULL) {
    ExFreePoolWithTag(Packet->Bytes, REWRITE_TAG);
  }
  ExFreePoolWithTag(Packet, REWRITE_TAG);
}

static void NTAPI RewriteComplete(_In_ void* Context, _Inout_ NET_BUFFER_LIST* NetBufferList,
                                  _In_ BOOLEAN DispatchLevel) {
  PREWRITE_PACKET packet = (PREWRITE_PACKET)Context;

  UNREFERENCED_PARAMETER(DispatchLevel);

  if (NT_SUCCESS(NetBufferList->Status)) {
    COUNT(packet, Done);
  } else {
    COUNT(packet, Failed);
  }
  if (packet->Direction == RewriteReplies) {
    RewriteRestore(packet);
  }
  RewriteFree(packet);
}

// A copy of what the clone has, `Headers` bytes of them before the message, with the message
// changed. *Length is of all.
static NTSTATUS RewriteCopy(_Inout_ PREWRITE_PACKET Packet, _In_ ULONG Headers,
                            _Out_ PULONG Length) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Packet->Clone);
  ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
  ULONG capacity = Headers + max(MAX_PAYLOAD, length);
  PUCHAR data;
  PUSHORT udp;
  BOOLEAN changed;

  *Length = 0;
  if (length < Headers) {
    return STATUS_INVALID_PARAMETER;
  }
  Packet->Bytes = ExAllocatePoolZero(NonPagedPoolNx, capacity, REWRITE_TAG);
  if (Packet->Bytes == NULL) {
    return STATUS_NO_MEMORY;
  }
  // Into our memory only if it is not in one piece already.
  data = NdisGetDataBuffer(buffer, length, Packet->Bytes, 1, 0);
  if (data == NULL) {
    return STATUS_INVALID_PARAMETER;
  }
  if (data != Packet->Bytes) {
    RtlCopyMemory(Packet->Bytes, data, length);
  }

  length = Headers + RewriteMessage(Packet->Bytes + Headers, length - Headers, capacity - Headers,
                                    &gRewrite.Texts[Packet->Direction], &changed);
  if (changed) {
    COUNT(Packet, Changed);
  }
  udp = (PUSHORT)(Packet->Bytes + Headers - UDP_HEADER_SIZE);
  udp[2] = RtlUshortByteSwap((USHORT)(length - Headers + UDP_HEADER_SIZE));
  udp[3] = 0;

  Packet->Mdl = IoAllocateMdl(Packet->Bytes, length, FALSE, FALSE, NULL);
  if (Packet->Mdl == NULL) {
    return STATUS_NO_MEMORY;
  }
  MmBuildMdlForNonPagedPool(Packet->Mdl);
  *Length = length;
  return STATUS_SUCCESS;
}

// A request: a list of our own. Its old IP header is replaced by one that fits what is there now,
// with all checksums right. Inbound nobody else does that.
static NTSTATUS RewriteRequest(_Inout_ PREWRITE_PACKET Packet) {
  ULONG length;
  NTSTATUS status;

  status = RewriteCopy(Packet, Packet->IpHeaderSize + UDP_HEADER_SIZE, &length);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = FwpsAllocateNetBufferAndNetBufferList(gRewrite.Pool, 0, 0, Packet->Mdl, 0, length,
                                                 &Packet->Own);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = FwpsConstructIpHeaderForTransportPacket(
      Packet->Own, Packet->IpHeaderSize, AF_INET, (UCHAR*)&Packet->RemoteAddress,
      (UCHAR*)&Packet->LocalAddress, IPPROTO_UDP, 0, NULL, 0, 0, NULL, 0, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  // The original is no longer needed.
  FwpsFreeCloneNetBufferList(Packet->Clone, 0);
  Packet->Clone = NULL;
  return FwpsInjectTransportReceiveAsync(
      gRewrite.Injection, NULL, NULL, 0, AF_INET, Packet->CompartmentId, Packet->InterfaceIndex,
      Packet->SubInterfaceIndex, Packet->Own, RewriteComplete, Packet);
}

static NTSTATUS RewriteReply(_Inout_ PREWRITE_PACKET Packet) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Packet->Clone);
  FWPS_TRANSPORT_SEND_PARAMS params = {0};
  ULONG length;
  NTSTATUS status;

  status = RewriteCopy(Packet, UDP_HEADER_SIZE, &length);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Packet->Saved = *buffer;
  NET_BUFFER_FIRST_MDL(buffer) = Packet->Mdl;
  NET_BUFFER_CURRENT_MDL(buffer) = Packet->Mdl;
  NET_BUFFER_CURRENT_MDL_OFFSET(buffer) = 0;
  NET_BUFFER_DATA_OFFSET(buffer) = 0;
  NET_BUFFER_DATA_LENGTH(buffer) = length;

  params.remoteAddress = (UCHAR*)&Packet->RemoteAddress;
  status = FwpsInjectTransportSendAsync(gRewrite.Injection, NULL, Packet->EndpointHandle, 0,
                                        &params, AF_INET, Packet->CompartmentId, Packet->Clone,
                                        RewriteComplete, Packet);
  if (!NT_SUCCESS(status)) {
    RewriteRestore(Packet);
  }
  return status;
}

VOID RewriteThread(_In_ PVOID Context) {
  PREWRITE_PACKET packet;
  KLOCK_QUEUE_HANDLE lock;
  BOOLEAN stopping;
  NTSTATUS status;

  UNREFERENCED_PARAMETER(Context);

  for (;;) {
    KeAcquireInStackQueuedSpinLock(&gRewrite.Lock, &lock);
    stopping = gRewrite.Stopping;
    packet = NULL;
    if (!IsListEmpty(&gRewrite.Waiting)) {
      packet = CONTAINING_RECORD(RemoveHeadList(&gRewrite.Waiting), REWRITE_PACKET, Link);
      --gRewrite.WaitingCount;
    }
    KeReleaseInStackQueuedSpinLock(&lock);

    if (packet == NULL) {
      if (stopping) {
        break;
      }
      KeWaitForSingleObject(&gRewrite.Wake, Executive, KernelMode, FALSE, NULL);
      continue;
    }
    status = packet->Direction == RewriteRequests ? RewriteRequest(packet) : RewriteReply(packet);
    if (!NT_SUCCESS(status)) {
      // Not accepted: there is no completion, and everything is still ours.
      DbgPrint("rewrite: a packet is lost: %08x\n", status);
      COUNT(packet, Refused);
      RewriteFree(packet);
    }
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

/* --- the callouts --- */

// At the layers that are used here a request begins at its payload, a reply at its UDP header. The
// clone of a request is to begin at the IP header.
static NTSTATUS RewriteClone(_In_ NET_BUFFER_LIST* Original, _In_ ULONG Headers,
                             _Out_ NET_BUFFER_LIST** Clone) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(Original);
  NTSTATUS status;

  *Clone = NULL;
  if (Headers != 0) {
    status = NdisRetreatNetBufferDataStart(buffer, Headers, 0, NULL);
    if (status != NDIS_STATUS_SUCCESS) {
      return status;
    }
  }
  status = FwpsAllocateCloneNetBufferList(Original, NULL, NULL, 0, Clone);
  if (Headers != 0) {
    NdisAdvanceNetBufferDataStart(buffer, Headers, FALSE, NULL);
  }
  return status;
}

static void RewriteFill(_In_ const FWPS_INCOMING_VALUES* Values,
                        _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                        _Inout_ PREWRITE_PACKET Packet) {
  const FWPS_INCOMING_VALUE0* values = Values->incomingValue;

  if (Values->layerId == FWPS_LAYER_DATAGRAM_DATA_V4) {
    Packet->LocalAddress =
        RtlUlongByteSwap(values[FWPS_FIELD_DATAGRAM_DATA_V4_IP_LOCAL_ADDRESS].value.uint32);
    Packet->RemoteAddress =
        RtlUlongByteSwap(values[FWPS_FIELD_DATAGRAM_DATA_V4_IP_REMOTE_ADDRESS].value.uint32);
    Packet->InterfaceIndex = values[FWPS_FIELD_DATAGRAM_DATA_V4_INTERFACE_INDEX].value.uint32;
    Packet->SubInterfaceIndex =
        values[FWPS_FIELD_DATAGRAM_DATA_V4_SUB_INTERFACE_INDEX].value.uint32;
  } else {
    Packet->LocalAddress =
        RtlUlongByteSwap(values[FWPS_FIELD_OUTBOUND_TRANSPORT_V4_IP_LOCAL_ADDRESS].value.uint32);
    Packet->RemoteAddress =
        RtlUlongByteSwap(values[FWPS_FIELD_OUTBOUND_TRANSPORT_V4_IP_REMOTE_ADDRESS].value.uint32);
  }
  if (FWPS_IS_METADATA_FIELD_PRESENT(Metadata, FWPS_METADATA_FIELD_COMPARTMENT_ID)) {
    Packet->CompartmentId = (COMPARTMENT_ID)Metadata->compartmentId;
  } else {
    Packet->CompartmentId = UNSPECIFIED_COMPARTMENT_ID;
  }
  if (FWPS_IS_METADATA_FIELD_PRESENT(Metadata, FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE)) {
    Packet->EndpointHandle = Metadata->transportEndpointHandle;
  }
}

// FALSE: the datagram is let through unchanged, since we can't do better.
static BOOLEAN RewriteTake(_In_ const FWPS_INCOMING_VALUES* Values,
                           _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                           _In_ REWRITE_DIRECTION Direction, _In_ NET_BUFFER_LIST* NetBufferList) {
  PREWRITE_PACKET packet;
  KLOCK_QUEUE_HANDLE lock;
  ULONG headers = 0;
  BOOLEAN queued = FALSE;

  packet = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*packet), REWRITE_TAG);
  if (packet == NULL) {
    return FALSE;
  }
  packet->Direction = Direction;
  RewriteFill(Values, Metadata, packet);
  if (Direction == RewriteRequests) {
    packet->IpHeaderSize = Metadata->ipHeaderSize;
    headers = Metadata->ipHeaderSize + Metadata->transportHeaderSize;
  }
  if (NT_SUCCESS(RewriteClone(NetBufferList, headers, &packet->Clone))) {
    KeAcquireInStackQueuedSpinLock(&gRewrite.Lock, &lock);
    if (!gRewrite.Stopping && gRewrite.WaitingCount < MAX_WAITING) {
      InsertTailList(&gRewrite.Waiting, &packet->Link);
      ++gRewrite.WaitingCount;
      ++gRewrite.Counts[Direction].Taken;
      queued = TRUE;
    }
    KeReleaseInStackQueuedSpinLock(&lock);
  }
  if (!queued) {
    RewriteFree(packet);
    return FALSE;
  }
  KeSetEvent(&gRewrite.Wake, IO_NO_INCREMENT, FALSE);
  return TRUE;
}

static void NTAPI RewriteClassify(_In_ const FWPS_INCOMING_VALUES* Values,
                                  _In_ const FWPS_INCOMING_METADATA_VALUES* Metadata,
                                  _Inout_opt_ void* LayerData, _In_opt_ const void* ClassifyContext,
                                  _In_ const FWPS_FILTER* Filter, _In_ UINT64 FlowContext,
                                  _Inout_ FWPS_CLASSIFY_OUT* ClassifyOut) {
  NET_BUFFER_LIST* list = (NET_BUFFER_LIST*)LayerData;
  REWRITE_DIRECTION direction = RewriteReplies;
  FWPS_PACKET_INJECTION_STATE state;

  UNREFERENCED_PARAMETER(ClassifyContext);
  UNREFERENCED_PARAMETER(Filter);
  UNREFERENCED_PARAMETER(FlowContext);

  if ((ClassifyOut->rights & FWPS_RIGHT_ACTION_WRITE) == 0) {
    return;
  }
  ClassifyOut->actionType = FWP_ACTION_CONTINUE;
  if (list == NULL) {
    return;
  }
  // What we have injected, and what others made of it, is left alone: else it never ended.
  state = FwpsQueryPacketInjectionState(gRewrite.Injection, list, NULL);
  if (state == FWPS_PACKET_INJECTED_BY_SELF || state == FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF) {
    return;
  }

  if (Values->layerId == FWPS_LAYER_DATAGRAM_DATA_V4) {
    if (Values->incomingValue[FWPS_FIELD_DATAGRAM_DATA_V4_DIRECTION].value.uint32 ==
        FWP_DIRECTION_INBOUND) {
      direction = RewriteRequests;
    } else if (gRewrite.ReplyLayer != 0) {
      return;  // at the next layer
    }
  }
  if (gRewrite.Texts[direction].Length == 0 || !RewriteTake(Values, Metadata, direction, list)) {
    return;
  }
  ClassifyOut->actionType = FWP_ACTION_BLOCK;
  ClassifyOut->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  ClassifyOut->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

static NTSTATUS NTAPI RewriteNotify(_In_ FWPS_CALLOUT_NOTIFY_TYPE Type, _In_ const GUID* FilterKey,
                                    _Inout_ FWPS_FILTER* Filter) {
  UNREFERENCED_PARAMETER(Type);
  UNREFERENCED_PARAMETER(FilterKey);
  UNREFERENCED_PARAMETER(Filter);
  return STATUS_SUCCESS;
}

/* --- the engine's objects --- */

static NTSTATUS RewriteRegister(_In_ const GUID* Key, _Out_ UINT32* CalloutId) {
  FWPS_CALLOUT callout = {0};

  callout.calloutKey = *Key;
  callout.classifyFn = RewriteClassify;
  callout.notifyFn = RewriteNotify;
  return FwpsCalloutRegister(WdfDeviceWdmGetDeviceObject(gRewrite.Device), &callout, CalloutId);
}

// Only DHCP: UDP from or to the server's port.
static NTSTATUS RewriteAddFilter(_In_ const GUID* Layer, _In_ const GUID* Key, _In_ PWSTR Name) {
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  FWPM_FILTER_CONDITION conditions[2] = {0};
  NTSTATUS status;

  callout.calloutKey = *Key;
  callout.displayData.name = Name;
  callout.applicableLayer = *Layer;
  status = FwpmCalloutAdd(gRewrite.Engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }

  conditions[0].fieldKey = FWPM_CONDITION_IP_PROTOCOL;
  conditions[0].matchType = FWP_MATCH_EQUAL;
  conditions[0].conditionValue.type = FWP_UINT8;
  conditions[0].conditionValue.uint8 = IPPROTO_UDP;
  conditions[1].fieldKey = FWPM_CONDITION_IP_LOCAL_PORT;
  conditions[1].matchType = FWP_MATCH_EQUAL;
  conditions[1].conditionValue.type = FWP_UINT16;
  conditions[1].conditionValue.uint16 = DHCP_SERVER_PORT;

  filter.layerKey = *Layer;
  filter.displayData.name = Name;
  filter.subLayerKey = REWRITE_SUBLAYER;
  filter.weight.type = FWP_EMPTY;
  filter.numFilterConditions = ARRAYSIZE(conditions);
  filter.filterCondition = conditions;
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = *Key;
  return FwpmFilterAdd(gRewrite.Engine, &filter, NULL, NULL);
}

static NTSTATUS RewriteAddObjects(void) {
  FWPM_SUBLAYER subLayer = {0};
  NTSTATUS status;

  status = FwpmTransactionBegin(gRewrite.Engine, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  subLayer.subLayerKey = REWRITE_SUBLAYER;
  subLayer.displayData.name = L"rewrite";
  subLayer.weight = 0x200;
  status = FwpmSubLayerAdd(gRewrite.Engine, &subLayer, NULL);
  if (NT_SUCCESS(status)) {
    status = RewriteAddFilter(&FWPM_LAYER_DATAGRAM_DATA_V4, &REWRITE_DATAGRAM_CALLOUT,
                              L"rewrite datagrams");
  }
  if (NT_SUCCESS(status)) {
    status = RewriteAddFilter(&FWPM_LAYER_OUTBOUND_TRANSPORT_V4, &REWRITE_TRANSPORT_CALLOUT,
                              L"rewrite transport");
  }
  if (NT_SUCCESS(status)) {
    return FwpmTransactionCommit(gRewrite.Engine);
  }
  FwpmTransactionAbort(gRewrite.Engine);
  return status;
}

NTSTATUS RewriteOpen(void) {
  NET_BUFFER_LIST_POOL_PARAMETERS pool = {0};
  FWPM_SESSION session = {0};
  HANDLE thread;
  NTSTATUS status;

  pool.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  pool.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  pool.Header.Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  pool.fAllocateNetBuffer = TRUE;
  pool.PoolTag = REWRITE_TAG;
  gRewrite.Pool = NdisAllocateNetBufferListPool(NULL, &pool);
  if (gRewrite.Pool == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  status = FwpsInjectionHandleCreate(AF_INET, FWPS_INJECTION_TYPE_TRANSPORT, &gRewrite.Injection);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, RewriteThread, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  ObReferenceObjectByHandle(thread, 0, NULL, KernelMode, &gRewrite.Thread, NULL);
  ZwClose(thread);

  status = RewriteRegister(&REWRITE_DATAGRAM_CALLOUT, &gRewrite.DatagramCalloutId);
  if (NT_SUCCESS(status)) {
    status = RewriteRegister(&REWRITE_TRANSPORT_CALLOUT, &gRewrite.TransportCalloutId);
  }
  if (NT_SUCCESS(status)) {
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &gRewrite.Engine);
  }
  if (NT_SUCCESS(status)) {
    status = RewriteAddObjects();
  }
  return status;
}

// Undoes what there is of RewriteOpen(): no new packets; the thread injects what it still has and
// ends; the last completion has run when the handle is destroyed.
void RewriteClose(void) {
  KLOCK_QUEUE_HANDLE lock;

  if (gRewrite.Engine != NULL) {
    FwpmEngineClose(gRewrite.Engine);
  }
  if (gRewrite.DatagramCalloutId != 0) {
    FwpsCalloutUnregisterById(gRewrite.DatagramCalloutId);
  }
  if (gRewrite.TransportCalloutId != 0) {
    FwpsCalloutUnregisterById(gRewrite.TransportCalloutId);
  }
  if (gRewrite.Thread != NULL) {
    KeAcquireInStackQueuedSpinLock(&gRewrite.Lock, &lock);
    gRewrite.Stopping = TRUE;
    KeReleaseInStackQueuedSpinLock(&lock);
    KeSetEvent(&gRewrite.Wake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(gRewrite.Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(gRewrite.Thread);
  }
  if (gRewrite.Injection != NULL) {
    FwpsInjectionHandleDestroy(gRewrite.Injection);
  }
  if (gRewrite.Pool != NULL) {
    NdisFreeNetBufferListPool(gRewrite.Pool);
  }
}
