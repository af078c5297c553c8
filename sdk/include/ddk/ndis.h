#pragma once

/* Packets (NET_BUFFER_LIST, NET_BUFFER, MDL), their pools, and what NDIS does to them, as far as
 * packet callouts use it. There are no miniports, protocols or filters. */

#include <hookline/fwp_functions.h>
#include <wdm.h>

#define NDIS_SUPPORT_NDIS6 1
#define NDIS_SUPPORT_NDIS61 1
#define NDIS_SUPPORT_NDIS620 1
#define NDIS_SUPPORT_NDIS630 1

#define ETH_LENGTH_OF_ADDRESS 6

#define NdisZeroMemory(target, bytes) RtlZeroMemory(target, bytes)
#define NdisMoveMemory(target, source, bytes) RtlCopyMemory(target, source, bytes)
#define NdisEqualMemory(a, b, bytes) RtlEqualMemory(a, b, bytes)
#define NdisGetPoolFromNetBufferList(nbl) ((nbl)->NdisPoolHandle)
#define NdisGetPoolFromNetBuffer(nb) ((nb)->NdisPoolHandle)
