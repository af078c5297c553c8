// The ways in which callout drivers use the headers, gathered: it must compile without a word for
// each Windows that NTDDI_VERSION may name. It is not meant to do anything useful.

// clang-format off: in the order that drivers have
#include <ntddk.h>
#include <wdf.h>
#pragma warning(push)
#pragma warning(disable : 4201)
#include <fwpsk.h>
#pragma warning(pop)
#include <fwpmk.h>
#include <in6addr.h>
#include <ip2string.h>
#include <ws2ipdef.h>
#define INITGUID
#include <guiddef.h>
// clang-format on

#define POOL_TAG 'ttaP'

// {0D5C5F7B-8F10-4E5C-9C3F-55C1A1B30D44}
DEFINE_GUID(PATTERNS_CALLOUT, 0x0d5c5f7b, 0x8f10, 0x4e5c, 0x9c, 0x3f, 0x55, 0xc1, 0xa1, 0xb3, 0x0d,
            0x44);

typedef struct PENDED_PACKET_ {
  LIST_ENTRY listEntry;
  ADDRESS_FAMILY addressFamily;
  FWP_DIRECTION direction;
  BOOLEAN authConnect;
  UINT64 endpointHandle;
  COMPARTMENT_ID compartmentId;
  IF_INDEX interfaceIndex;
  IF_INDEX subInterfaceIndex;
  SCOPE_ID remoteScopeId;
  WSACMSGHDR* controlData;
  ULONG controlDataLength;
  NET_BUFFER_LIST* netBufferList;
  HANDLE completionContext;
  union {
    FWP_BYTE_ARRAY16 remoteAddr;
    UINT32 ipv4RemoteAddr;
  } address;
} PENDED_PACKET;

DRIVER_INITIALIZE DriverEntry;

static HANDLE injection[2];
static NDIS_HANDLE pool;
static NDIS_GENERIC_OBJECT* generic;
static LIST_ENTRY packets;
static UINT32 callout_id;
static SOCKADDR_STORAGE proxy;

static BOOLEAN is_own(HANDLE handle, const NET_BUFFER_LIST* list) {
  HANDLE context = NULL;
  FWPS_PACKET_INJECTION_STATE state = FwpsQueryPacketInjectionState(handle, list, &context);
  return state == FWPS_PACKET_INJECTED_BY_SELF || state == FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF;
}

static void NTAPI inject_complete(_Inout_ void* context, _Inout_ NET_BUFFER_LIST* list,
                                  _In_ BOOLEAN dispatchLevel) {
  PENDED_PACKET* packet = (PENDED_PACKET*)context;
  UNREFERENCED_PARAMETER(dispatchLevel);
  if (list->Status != STATUS_SUCCESS || NET_BUFFER_LIST_STATUS(list) == NDIS_STATUS_RESOURCES) {
    DbgPrint("status %08x\n", list->Status);
  }
  FwpsFreeCloneNetBufferList(list, 0);
  ExFreePoolWithTag(packet, POOL_TAG);
}

static NTSTATUS send_clone(PENDED_PACKET* packet) {
  NET_BUFFER_LIST* clone = NULL;
  FWPS_TRANSPORT_SEND_PARAMS params;
  NTSTATUS status = FwpsAllocateCloneNetBufferList(packet->netBufferList, NULL, NULL, 0, &clone);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  RtlZeroMemory(&params, sizeof(params));
  params.remoteAddress = (UCHAR*)(&packet->address.remoteAddr);
  params.remoteScopeId = packet->remoteScopeId;
  params.controlData = packet->controlData;
  params.controlDataLength = packet->controlDataLength;
  status = FwpsInjectTransportSendAsync(injection[0], NULL, packet->endpointHandle, 0, &params,
                                        packet->addressFamily, packet->compartmentId, clone,
                                        inject_complete, packet);
  if (!NT_SUCCESS(status)) {
    FwpsFreeCloneNetBufferList(clone, 0);
  }
  return status;
}

static NTSTATUS receive_rebuilt(PENDED_PACKET* packet, ULONG ipHeaderSize,
                                ULONG transportHeaderSize) {
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(packet->netBufferList);
  NDIS_STATUS retreated =
      NdisRetreatNetBufferDataStart(buffer, ipHeaderSize + transportHeaderSize, 0, NULL);
  if (retreated != NDIS_STATUS_SUCCESS) {
    return retreated;
  }
  ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
  UCHAR* copy = (UCHAR*)ExAllocatePool2(POOL_FLAG_NON_PAGED, length, POOL_TAG);
  MDL* mdl = copy != NULL ? IoAllocateMdl(copy, length, FALSE, FALSE, NULL) : NULL;
  NET_BUFFER_LIST* list = NULL;
  NTSTATUS status = STATUS_NO_MEMORY;
  if (mdl != NULL) {
    MmBuildMdlForNonPagedPool(mdl);
    PVOID data = NdisGetDataBuffer(buffer, length, copy, sizeof(UCHAR), 0);
    if (data != NULL && data != copy) {
      RtlCopyMemory(mdl->MappedSystemVa, data, length);
    }
    status = FwpsAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, 0, length, &list);
  }
  NdisAdvanceNetBufferDataStart(buffer, ipHeaderSize + transportHeaderSize, FALSE, NULL);
  if (NT_SUCCESS(status)) {
    status = FwpsConstructIpHeaderForTransportPacket(
        list, ipHeaderSize, packet->addressFamily, (UCHAR*)&packet->address.ipv4RemoteAddr,
        (UCHAR*)&packet->address.ipv4RemoteAddr, IPPROTO_UDP, 0, NULL, 0, 0, NULL, 0, 0);
  }
  if (NT_SUCCESS(status)) {
    status = FwpsInjectTransportReceiveAsync(
        injection[0], NULL, NULL, 0, packet->addressFamily, packet->compartmentId,
        packet->interfaceIndex, packet->subInterfaceIndex, list, inject_complete, packet);
  }
  if (!NT_SUCCESS(status)) {
    if (list != NULL) {
      FwpsFreeNetBufferList(list);
    }
    if (mdl != NULL) {
      IoFreeMdl(mdl);
    }
    if (copy != NULL) {
      ExFreePoolWithTag(copy, POOL_TAG);
    }
  }
  return status;
}

static void fill(PENDED_PACKET* packet, const FWPS_INCOMING_VALUES* values,
                 const FWPS_INCOMING_METADATA_VALUES* metadata, NET_BUFFER_LIST* list) {
  packet->addressFamily = values->layerId == FWPS_LAYER_DATAGRAM_DATA_V4 ? AF_INET : AF_INET6;
  packet->direction =
      (FWP_DIRECTION)values->incomingValue[FWPS_FIELD_DATAGRAM_DATA_V4_DIRECTION].value.uint32;
  if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPARTMENT_ID)) {
    packet->compartmentId = (COMPARTMENT_ID)metadata->compartmentId;
  }
  if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_TRANSPORT_CONTROL_DATA)) {
    ASSERT(metadata->controlDataLength > 0);
    packet->controlData =
        (WSACMSGHDR*)ExAllocatePoolZero(NonPagedPool, metadata->controlDataLength, POOL_TAG);
    if (packet->controlData != NULL) {
      RtlCopyMemory(packet->controlData, metadata->controlData, metadata->controlDataLength);
      packet->controlDataLength = metadata->controlDataLength;
    }
  }
  packet->endpointHandle = metadata->transportEndpointHandle;
  packet->remoteScopeId = metadata->remoteScopeId;
  packet->interfaceIndex =
      values->incomingValue[FWPS_FIELD_DATAGRAM_DATA_V4_INTERFACE_INDEX].value.uint32;
  if (packet->addressFamily == AF_INET) {
    packet->address.ipv4RemoteAddr = RtlUlongByteSwap(
        values->incomingValue[FWPS_FIELD_DATAGRAM_DATA_V4_IP_REMOTE_ADDRESS].value.uint32);
    ((SOCKADDR_IN*)&proxy)->sin_family = AF_INET;
    ((SOCKADDR_IN*)&proxy)->sin_addr.s_addr = packet->address.ipv4RemoteAddr;
    ((SOCKADDR_IN*)&proxy)->sin_addr.S_un.S_addr += 0;
    ((SOCKADDR_IN*)&proxy)->sin_port = RtlUshortByteSwap(67);
  } else {
    RtlCopyMemory(
        &packet->address.remoteAddr,
        values->incomingValue[FWPS_FIELD_DATAGRAM_DATA_V6_IP_REMOTE_ADDRESS].value.byteArray16,
        sizeof(FWP_BYTE_ARRAY16));
    RtlCopyMemory(((SOCKADDR_IN6*)&proxy)->sin6_addr.u.Byte, packet->address.remoteAddr.byteArray16,
                  16);
    ((struct sockaddr_in6*)&proxy)->sin6_scope_struct = packet->remoteScopeId;
  }
  packet->netBufferList = list;
  FwpsReferenceNetBufferList(list, TRUE);
}

static void absorb(FWPS_CLASSIFY_OUT* out) {
  out->actionType = FWP_ACTION_BLOCK;
  out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
  out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
}

#if (NTDDI_VERSION >= NTDDI_WIN7)
static void NTAPI classify_datagram(_In_ const FWPS_INCOMING_VALUES* values,
                                    _In_ const FWPS_INCOMING_METADATA_VALUES* metadata,
                                    _Inout_opt_ void* layerData,
                                    _In_opt_ const void* classifyContext,
                                    _In_ const FWPS_FILTER* filter, _In_ UINT64 flowContext,
                                    _Inout_ FWPS_CLASSIFY_OUT* out)
#else
static void NTAPI classify_datagram(_In_ const FWPS_INCOMING_VALUES* values,
                                    _In_ const FWPS_INCOMING_METADATA_VALUES* metadata,
                                    _Inout_opt_ void* layerData, _In_ const FWPS_FILTER* filter,
                                    _In_ UINT64 flowContext, _Inout_ FWPS_CLASSIFY_OUT* out)
#endif
{
  FWPS_PACKET_LIST_INFORMATION security = {0};
  NET_BUFFER_LIST* list = (NET_BUFFER_LIST*)layerData;
  PENDED_PACKET* packet;
#if (NTDDI_VERSION >= NTDDI_WIN7)
  UNREFERENCED_PARAMETER(classifyContext);
#endif
  UNREFERENCED_PARAMETER(flowContext);
  if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || list == NULL) {
    return;
  }
  if (is_own(injection[0], list)) {
    out->actionType = FWP_ACTION_PERMIT;
    if (filter->flags & FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT) {
      out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
    }
    return;
  }
  if (FwpsGetPacketListSecurityInformation(
          list,
          FWPS_PACKET_LIST_INFORMATION_QUERY_IPSEC | FWPS_PACKET_LIST_INFORMATION_QUERY_INBOUND,
          &security) == STATUS_SUCCESS &&
      security.ipsecInformation.inbound.isSecure) {
    return;
  }
  packet = (PENDED_PACKET*)ExAllocatePoolZero(NonPagedPoolNx, sizeof(*packet), POOL_TAG);
  if (packet == NULL) {
    out->actionType = FWP_ACTION_BLOCK;
    return;
  }
  fill(packet, values, metadata, list);
  InsertTailList(&packets, &packet->listEntry);
  if (packet->direction == FWP_DIRECTION_OUTBOUND) {
    (void)send_clone(packet);
  } else {
    (void)receive_rebuilt(packet, metadata->ipHeaderSize, metadata->transportHeaderSize);
  }
  absorb(out);
}

static NTSTATUS pend_connect(const FWPS_INCOMING_VALUES* values,
                             const FWPS_INCOMING_METADATA_VALUES* metadata, PENDED_PACKET* packet) {
  if (values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32 &
      FWP_CONDITION_FLAG_IS_REAUTHORIZE) {
    return STATUS_INVALID_PARAMETER;
  }
  NTSTATUS status = FwpsPendOperation(metadata->completionHandle, &packet->completionContext);
  if (NT_SUCCESS(status)) {
    FwpsCompleteOperation(packet->completionContext, packet->netBufferList);
  }
  return status;
}

static void edit_stream(FWPS_STREAM_CALLOUT_IO_PACKET* io,
                        const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  FWPS_STREAM_DATA* stream = io->streamData;
  NET_BUFFER_LIST* clones = NULL;
  SIZE_T copied = 0;
  UCHAR text[16];
  if (stream->flags & FWPS_STREAM_FLAG_RECEIVE_DISCONNECT) {
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA;
  }
  if (stream->dataLength < sizeof(text)) {
    io->streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
    io->countBytesRequired = sizeof(text);
    out->actionType = FWP_ACTION_NONE;
    return;
  }
  FwpsCopyStreamDataToBuffer(stream, text, sizeof(text), &copied);
  if (NT_SUCCESS(FwpsCloneStreamData(stream, NULL, NULL, 0, &clones))) {
    NTSTATUS status = FwpsStreamInjectAsync(injection[1], NULL, 0, metadata->flowHandle, callout_id,
                                            FWPS_LAYER_STREAM_V4, stream->flags, clones,
                                            stream->dataLength, inject_complete, NULL);
    if (!NT_SUCCESS(status)) {
      FwpsDiscardClonedStreamData(clones, 0, FALSE);
      io->streamAction = FWPS_STREAM_ACTION_DROP_CONNECTION;
    }
  }
  io->countBytesEnforced = 0;
  out->actionType = FWP_ACTION_BLOCK;
}

static void delay_frames(const FWPS_INCOMING_VALUES* values,
                         const FWPS_INCOMING_METADATA_VALUES* metadata, NET_BUFFER_LIST* chain) {
  NDIS_PORT_NUMBER port =
      values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_NDIS_PORT].value.uint32;
  ULONG header = 0;
  if (FWPS_IS_L2_METADATA_FIELD_PRESENT(metadata,
                                        FWPS_L2_METADATA_FIELD_ETHERNET_MAC_HEADER_SIZE)) {
    header = metadata->ethernetMacHeaderSize;
  }
  for (NET_BUFFER_LIST* list = chain; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list)) {
    for (PNET_BUFFER buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL;
         buffer = NET_BUFFER_NEXT_NB(buffer)) {
      PMDL mdl = NET_BUFFER_CURRENT_MDL(buffer);
      PUCHAR start = (PUCHAR)MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
      if (start != NULL && MmGetMdlByteCount(mdl) > NET_BUFFER_CURRENT_MDL_OFFSET(buffer)) {
        start[NET_BUFFER_CURRENT_MDL_OFFSET(buffer)] ^= 0;
      }
      (void)NdisRetreatNetBufferDataStart(buffer, header, 0, NULL);
      NdisAdvanceNetBufferDataStart(buffer, header, FALSE, NULL);
    }
  }
  (void)FwpsInjectMacReceiveAsync(
      injection[0], NULL, 0, values->layerId,
      values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_INTERFACE_INDEX].value.uint32,
      port, chain, inject_complete, NULL);
}

static NTSTATUS NTAPI notify(_In_ FWPS_CALLOUT_NOTIFY_TYPE type, _In_ const GUID* key,
                             _Inout_ FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(filter);
  switch (type) {
    case FWPS_CALLOUT_NOTIFY_ADD_FILTER:
    case FWPS_CALLOUT_NOTIFY_DELETE_FILTER:
      return key != NULL && IsEqualGUID(key, &FWPM_SUBLAYER_UNIVERSAL) ? STATUS_NOT_FOUND
                                                                       : STATUS_SUCCESS;
    default:
      return STATUS_SUCCESS;
  }
}

static void NTAPI flow_deleted(_In_ UINT16 layerId, _In_ UINT32 calloutId,
                               _In_ UINT64 flowContext) {
  UNREFERENCED_PARAMETER(layerId);
  UNREFERENCED_PARAMETER(calloutId);
  UNREFERENCED_PARAMETER(flowContext);
}

static NTSTATUS create_pool(DRIVER_OBJECT* driver) {
  NET_BUFFER_LIST_POOL_PARAMETERS parameters = {0};
  generic = NdisAllocateGenericObject(driver, POOL_TAG, 0);
  if (generic == NULL) {
    return STATUS_NO_MEMORY;
  }
  parameters.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  parameters.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  parameters.Header.Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  parameters.fAllocateNetBuffer = TRUE;
  parameters.DataSize = 0;
  parameters.PoolTag = POOL_TAG;
  pool = NdisAllocateNetBufferListPool(generic, &parameters);
  return pool != NULL ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

static NTSTATUS register_callout(void* device, const GUID* key, FWPS_CALLOUT_CLASSIFY_FN classify,
                                 FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN deleted) {
  FWPS_CALLOUT callout = {0};
  callout.calloutKey = *key;
  callout.flags = FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
  callout.classifyFn = classify;
  callout.notifyFn = notify;
  callout.flowDeleteFn = deleted;
  return FwpsCalloutRegister(device, &callout, &callout_id);
}

static NTSTATUS add_filters(PCWSTR address) {
  static const GUID* const kLayers[] = {&FWPM_LAYER_DATAGRAM_DATA_V4, &FWPM_LAYER_STREAM_V6,
                                        &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET};
  FWPM_SESSION session = {0};
  FWPM_SUBLAYER subLayer = {0};
  HANDLE engine = NULL;
  PCWSTR end = NULL;
  UINT32 remote = 0;
  WCHAR name[] = L"patterns";
  session.flags = FWPM_SESSION_FLAG_DYNAMIC;
  subLayer.subLayerKey = PATTERNS_CALLOUT;
  subLayer.displayData.name = name;
  subLayer.weight = FWP_EMPTY;
  NTSTATUS status = RtlIpv4StringToAddressW(address, TRUE, &end, (IN_ADDR*)&remote);
  if (NT_SUCCESS(status)) {
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  }
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = FwpmTransactionBegin(engine, 0);
  if (NT_SUCCESS(status)) {
    status = FwpmSubLayerAdd(engine, &subLayer, NULL);
  }
  for (ULONG i = 0; NT_SUCCESS(status) && i < RTL_NUMBER_OF(kLayers); ++i) {
    FWPM_FILTER filter = {0};
    FWPM_FILTER_CONDITION conditions[3] = {0};
    filter.layerKey = *kLayers[i];
    filter.displayData.name = name;
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = PATTERNS_CALLOUT;
    filter.filterCondition = conditions;
    filter.subLayerKey = subLayer.subLayerKey;
    filter.weight.type = FWP_EMPTY;
    filter.rawContext = 1;
    conditions[0].fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS;
    conditions[0].matchType = FWP_MATCH_EQUAL;
    conditions[0].conditionValue.type = FWP_UINT32;
    conditions[0].conditionValue.uint32 = RtlUlongByteSwap(remote);
    conditions[1].fieldKey = FWPM_CONDITION_DIRECTION;
    conditions[1].conditionValue.type = FWP_UINT32;
    conditions[1].conditionValue.uint32 = FWP_DIRECTION_OUTBOUND;
    conditions[2].fieldKey = FWPM_CONDITION_IP_PROTOCOL;
    conditions[2].conditionValue.type = FWP_UINT8;
    conditions[2].conditionValue.uint8 = IPPROTO_TCP;
    filter.numFilterConditions = RTL_NUMBER_OF(conditions);
    status = FwpmFilterAdd(engine, &filter, NULL, NULL);
  }
  if (!NT_SUCCESS(status) || !NT_SUCCESS(status = FwpmTransactionCommit(engine))) {
    FwpmTransactionAbort(engine);
    _Analysis_assume_lock_not_held_(engine);
  }
  FwpmEngineClose(engine);
  return status;
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registryPath) {
  FWPS_INCOMING_VALUES values = {0};
  FWPS_INCOMING_METADATA_VALUES metadata = {0};
  FWPS_STREAM_CALLOUT_IO_PACKET io = {0};
  FWPS_CLASSIFY_OUT out = {0};
  PENDED_PACKET packet = {0};
  UNREFERENCED_PARAMETER(registryPath);
  InitializeListHead(&packets);
  if (FwpmBfeStateGet() != FWPM_SERVICE_RUNNING) {
    return STATUS_DEVICE_NOT_READY;
  }
  NTSTATUS status = FwpsInjectionHandleCreate(
      AF_UNSPEC, FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_TRANSPORT, &injection[0]);
  if (NT_SUCCESS(status)) {
    status = FwpsInjectionHandleCreate(AF_INET, FWPS_INJECTION_TYPE_STREAM, &injection[1]);
  }
  if (NT_SUCCESS(status)) {
    status = create_pool(driver);
  }
  if (NT_SUCCESS(status)) {
    status =
        register_callout(driver->DeviceObject, &PATTERNS_CALLOUT, classify_datagram, flow_deleted);
  }
  if (NT_SUCCESS(status)) {
    status = add_filters(L"10.0.0.1");
  }
  if (status == STATUS_FWP_TCPIP_NOT_READY) {
    delay_frames(&values, &metadata, NULL);
    edit_stream(&io, &metadata, &out);
    (void)pend_connect(&values, &metadata, &packet);
    (void)FwpsFlowAssociateContext(metadata.flowHandle, FWPS_LAYER_STREAM_V4, callout_id,
                                   (UINT64)(ULONG_PTR)&packet);
    (void)FwpsFlowRemoveContext(metadata.flowHandle, FWPS_LAYER_STREAM_V4, callout_id);
    (void)FwpsFlowAbort(metadata.flowHandle);
    (void)FwpsStreamContinue(metadata.flowHandle, callout_id, FWPS_LAYER_STREAM_V4,
                             FWPS_STREAM_FLAG_RECEIVE);
  }
  return status;
}
