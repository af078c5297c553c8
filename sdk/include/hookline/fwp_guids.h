#pragma once

/* The keys of layers, sublayers and conditions as constants. They need no INITGUID and no library;
 * each file has its own, so compare them by value (IsEqualGUID). */

#include <hookline/wintypes.h>

#if defined(__cplusplus) && __cplusplus >= 201703L
#define HOOKLINE_GUID_CONSTANT inline constexpr GUID
#elif defined(__GNUC__)
#define HOOKLINE_GUID_CONSTANT static const GUID __attribute__((unused))
#else
#define HOOKLINE_GUID_CONSTANT static const GUID
#endif

#define HOOKLINE_FWP_LAYER(name, a, b, c, ...) \
  HOOKLINE_GUID_CONSTANT FWPM_LAYER_##name = {a, b, c, {__VA_ARGS__}};
#define HOOKLINE_FWP_SUBLAYER(name, a, b, c, ...) \
  HOOKLINE_GUID_CONSTANT FWPM_SUBLAYER_##name = {a, b, c, {__VA_ARGS__}};
#define HOOKLINE_FWP_CONDITION(name, a, b, c, ...) \
  HOOKLINE_GUID_CONSTANT FWPM_CONDITION_##name = {a, b, c, {__VA_ARGS__}};
#include <hookline/fwp_guids.def>

#define FWPM_SUBLAYER_EDGE_TRAVERSAL FWPM_SUBLAYER_TEREDO

/* Conditions with two names; the second of each pair below is that of the layer's field. */
#define FWPM_CONDITION_ICMP_TYPE FWPM_CONDITION_IP_LOCAL_PORT
#define FWPM_CONDITION_ICMP_CODE FWPM_CONDITION_IP_REMOTE_PORT
#define FWPM_CONDITION_ALE_SIO_FIREWALL_SOCKET_PROPERTY FWPM_CONDITION_ALE_SIO_FIREWALL_SYSTEM_PORT
#define FWPM_CONDITION_SIO_FIREWALL_SOCKET_PROPERTY FWPM_CONDITION_ALE_SIO_FIREWALL_SYSTEM_PORT
#define FWPM_CONDITION_SIO_FIREWALL_SYSTEM_PORT FWPM_CONDITION_ALE_SIO_FIREWALL_SYSTEM_PORT
#define FWPM_CONDITION_NAP_CONTEXT FWPM_CONDITION_ALE_NAP_CONTEXT
#define FWPM_CONDITION_INTERFACE FWPM_CONDITION_IP_LOCAL_INTERFACE
#define FWPM_CONDITION_TENANT_NETWORK_ID FWPM_CONDITION_VSWITCH_TENANT_NETWORK_ID
