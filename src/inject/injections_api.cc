#include "inject/gather.h"
#include "inject/injection_call.h"

namespace hookline::inject {
namespace {

bool is_mac_layer(UINT16 layer, bool outbound) {
  return outbound ? layer == FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET ||
                        layer == FWPS_LAYER_OUTBOUND_MAC_FRAME_NATIVE
                  : layer == FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET ||
                        layer == FWPS_LAYER_INBOUND_MAC_FRAME_NATIVE;
}

// The compartment is unspecified or the only one there is.
bool is_compartment(COMPARTMENT_ID compartment) {
  return compartment == UNSPECIFIED_COMPARTMENT_ID || compartment == DEFAULT_COMPARTMENT_ID;
}

}  // namespace

NTSTATUS Injections::FwpsInjectMacSendAsync0(Driver& driver, HANDLE handle,
                                             HANDLE injection_context, UINT32 flags,
                                             UINT16 layer_id, IF_INDEX interface_index,
                                             NDIS_PORT_NUMBER, NET_BUFFER_LIST* lists,
                                             FWPS_INJECT_COMPLETE0 completion,
                                             HANDLE completion_context) {
  const Call call{.kind = Kind::MacSend,
                  .type = FWPS_INJECTION_TYPE_L2,
                  .shape = Shape::Ethernet,
                  .injection_context = injection_context,
                  .flags = flags,
                  .lists = lists,
                  .completion = completion,
                  .completion_context = completion_context,
                  .ifindex = interface_index};
  if (!is_mac_layer(layer_id, true)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER,
                  "layerId is no outbound MAC layer");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectMacReceiveAsync0(Driver& driver, HANDLE handle,
                                                HANDLE injection_context, UINT32 flags,
                                                UINT16 layer_id, IF_INDEX interface_index,
                                                NDIS_PORT_NUMBER, NET_BUFFER_LIST* lists,
                                                FWPS_INJECT_COMPLETE0 completion,
                                                HANDLE completion_context) {
  const Call call{.kind = Kind::MacReceive,
                  .type = FWPS_INJECTION_TYPE_L2,
                  .shape = Shape::Ethernet,
                  .injection_context = injection_context,
                  .flags = flags,
                  .lists = lists,
                  .completion = completion,
                  .completion_context = completion_context,
                  .ifindex = interface_index};
  if (!is_mac_layer(layer_id, false)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER,
                  "layerId is no inbound MAC layer");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectNetworkSendAsync0(Driver& driver, HANDLE handle,
                                                 HANDLE injection_context, UINT32 flags,
                                                 COMPARTMENT_ID compartment, NET_BUFFER_LIST* list,
                                                 FWPS_INJECT_COMPLETE0 completion,
                                                 HANDLE completion_context) {
  const Call call{.kind = Kind::NetworkSend,
                  .type = FWPS_INJECTION_TYPE_NETWORK,
                  .shape = Shape::Ip,
                  .injection_context = injection_context,
                  .flags = flags,
                  .lists = list,
                  .completion = completion,
                  .completion_context = completion_context};
  if (!is_compartment(compartment)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER, "there is no such compartment");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectNetworkReceiveAsync0(
    Driver& driver, HANDLE handle, HANDLE injection_context, UINT32 flags,
    COMPARTMENT_ID compartment, IF_INDEX interface_index, IF_INDEX, NET_BUFFER_LIST* list,
    FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context) {
  const Call call{.kind = Kind::NetworkReceive,
                  .type = FWPS_INJECTION_TYPE_NETWORK,
                  .shape = Shape::Ip,
                  .injection_context = injection_context,
                  .flags = flags,
                  .lists = list,
                  .completion = completion,
                  .completion_context = completion_context,
                  .ifindex = interface_index};
  if (!is_compartment(compartment)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER, "there is no such compartment");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectTransportSendAsync0(
    Driver& driver, HANDLE handle, HANDLE injection_context, UINT64 endpoint, UINT32 flags,
    FWPS_TRANSPORT_SEND_PARAMS0* send_args, ADDRESS_FAMILY family, COMPARTMENT_ID compartment,
    NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context) {
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  if (send_args != nullptr) {
    args.remoteAddress = send_args->remoteAddress;
    args.remoteScopeId = send_args->remoteScopeId;
    args.controlData = send_args->controlData;
    args.controlDataLength = send_args->controlDataLength;
  }
  return FwpsInjectTransportSendAsync1(driver, handle, injection_context, endpoint, flags,
                                       send_args != nullptr ? &args : nullptr, family, compartment,
                                       list, completion, completion_context);
}

NTSTATUS Injections::FwpsInjectTransportSendAsync1(
    Driver& driver, HANDLE handle, HANDLE injection_context, UINT64 endpoint, UINT32 flags,
    FWPS_TRANSPORT_SEND_PARAMS1* send_args, ADDRESS_FAMILY family, COMPARTMENT_ID compartment,
    NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context) {
  Call call{.kind = Kind::TransportSend,
            .type = FWPS_INJECTION_TYPE_TRANSPORT,
            .shape = send_args != nullptr ? Shape::Transport : Shape::Ip,
            .injection_context = injection_context,
            .flags = flags,
            .lists = list,
            .completion = completion,
            .completion_context = completion_context,
            .endpoint = endpoint};
  if (family == HOOKLINE_AF_INET6) return refuse(driver, handle, call, STATUS_NOT_SUPPORTED, "");
  if (family != HOOKLINE_AF_INET || !is_compartment(compartment)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER,
                  "there is no such address family or compartment");
  }
  return transport_send(driver, handle, call, send_args);
}

// Everything that send_args points to is read here, before the call returns.
NTSTATUS Injections::transport_send(Driver& driver, HANDLE handle, Call& call,
                                    const FWPS_TRANSPORT_SEND_PARAMS1* send_args) {
  if (send_args == nullptr) return inject(driver, handle, call);
  if (send_args->headerIncludeHeader != nullptr && send_args->headerIncludeHeaderLength != 0) {
    call.ip_header = {send_args->headerIncludeHeader, send_args->headerIncludeHeaderLength};
  } else if (send_args->remoteAddress != nullptr) {
    call.remote = Ipv4::load(send_args->remoteAddress);
  } else {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER, "remoteAddress is NULL");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectTransportReceiveAsync0(
    Driver& driver, HANDLE handle, HANDLE injection_context, PVOID, UINT32 flags,
    ADDRESS_FAMILY family, COMPARTMENT_ID compartment, IF_INDEX interface_index, IF_INDEX,
    NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context) {
  const Call call{.kind = Kind::TransportReceive,
                  .type = FWPS_INJECTION_TYPE_TRANSPORT,
                  .shape = Shape::Ip,
                  .injection_context = injection_context,
                  .flags = flags,
                  .lists = list,
                  .completion = completion,
                  .completion_context = completion_context,
                  .ifindex = interface_index};
  if (family == HOOKLINE_AF_INET6) return refuse(driver, handle, call, STATUS_NOT_SUPPORTED, "");
  if (family != HOOKLINE_AF_INET || !is_compartment(compartment)) {
    return refuse(driver, handle, call, STATUS_INVALID_PARAMETER,
                  "there is no such address family or compartment");
  }
  return inject(driver, handle, call);
}

NTSTATUS Injections::FwpsInjectForwardAsync0(Driver&, HANDLE, HANDLE, UINT32, ADDRESS_FAMILY,
                                             COMPARTMENT_ID, IF_INDEX, NET_BUFFER_LIST*,
                                             FWPS_INJECT_COMPLETE0, HANDLE) {
  return STATUS_NOT_SUPPORTED;
}

NTSTATUS Injections::FwpsInjectvSwitchEthernetIngressAsync0(Driver&, HANDLE, HANDLE, UINT32, void*,
                                                            const FWP_BYTE_BLOB*,
                                                            NDIS_SWITCH_PORT_ID,
                                                            NDIS_SWITCH_NIC_INDEX, NET_BUFFER_LIST*,
                                                            FWPS_INJECT_COMPLETE0, HANDLE) {
  return STATUS_NOT_SUPPORTED;
}

FWPS_PACKET_INJECTION_STATE Injections::FwpsQueryPacketInjectionState0(Driver&, HANDLE handle,
                                                                       const NET_BUFFER_LIST* list,
                                                                       HANDLE* injection_context) {
  if (injection_context != nullptr) *injection_context = nullptr;
  const Mark* mark = list != nullptr ? mark_of(*list) : nullptr;
  if (mark == nullptr || mark->hops == 0) return FWPS_PACKET_NOT_INJECTED;
  const auto number = reinterpret_cast<uintptr_t>(handle);
  if (mark->handle == number) {
    if (injection_context != nullptr) *injection_context = mark->context;
    return FWPS_PACKET_INJECTED_BY_SELF;
  }
  for (size_t i = 0; i + 1 < mark->hops && i < mark->before.size(); ++i) {
    if (mark->before[i] != number) continue;
    if (injection_context != nullptr) *injection_context = mark->contexts_before[i];
    return FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF;
  }
  return FWPS_PACKET_INJECTED_BY_OTHER;
}

}  // namespace hookline::inject
