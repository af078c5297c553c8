#pragma once

/* Packets as NDIS has them: a list (NET_BUFFER_LIST) of packets (NET_BUFFER), each a chain of MDLs.
 * The bytes of a packet begin DataOffset bytes into the chain and are DataLength many; CurrentMdl
 * and CurrentMdlOffset say the same place as MDL and offset in it. What lies before is room to
 * retreat into. The members stand in the public order. The server includes this file too.
 *
 * The members called …Reserved belong to whom their name says: NdisReserved to the engine,
 * ProtocolReserved and MiniportReserved to nobody here, Scratch to the present owner. */

#include <hookline/mdl.h>

struct _DRIVER_OBJECT;

typedef PVOID NDIS_HANDLE, *PNDIS_HANDLE;
typedef INT NDIS_STATUS, *PNDIS_STATUS;
typedef ULONG NDIS_PORT_NUMBER, *PNDIS_PORT_NUMBER;
typedef UINT32 NDIS_SWITCH_PORT_ID;
typedef USHORT NDIS_SWITCH_NIC_INDEX;
typedef PHYSICAL_ADDRESS NDIS_PHYSICAL_ADDRESS;

typedef struct _NET_BUFFER NET_BUFFER, *PNET_BUFFER;
typedef struct _NET_BUFFER_LIST NET_BUFFER_LIST, *PNET_BUFFER_LIST;
typedef struct _NET_BUFFER_LIST_CONTEXT NET_BUFFER_LIST_CONTEXT, *PNET_BUFFER_LIST_CONTEXT;
typedef struct _NET_BUFFER_SHARED_MEMORY NET_BUFFER_SHARED_MEMORY, *PNET_BUFFER_SHARED_MEMORY;
typedef struct _SCATTER_GATHER_LIST* PSCATTER_GATHER_LIST;

/* Aligned to 16 bytes, and with it the two packet structures. */
#if defined(__GNUC__)
#define HOOKLINE_ALIGNED_16 __attribute__((aligned(16)))
#else
#define HOOKLINE_ALIGNED_16
#endif
typedef union HOOKLINE_ALIGNED_16 _SLIST_HEADER {
  HOOKLINE_ANONYMOUS struct {
    ULONGLONG Alignment;
    ULONGLONG Region;
  };
} SLIST_HEADER, *PSLIST_HEADER;

typedef struct _NDIS_OBJECT_HEADER {
  UCHAR Type;
  UCHAR Revision;
  USHORT Size;
} NDIS_OBJECT_HEADER, *PNDIS_OBJECT_HEADER;

struct _NET_BUFFER_SHARED_MEMORY {
  PNET_BUFFER_SHARED_MEMORY NextSharedMemorySegment;
  ULONG SharedMemoryFlags;
  NDIS_HANDLE SharedMemoryHandle;
  ULONG SharedMemoryOffset;
  ULONG SharedMemoryLength;
};

/* --- one packet --- */

/* The macro of the same name, below, takes an argument; both can be used. */
typedef union _NET_BUFFER_DATA_LENGTH {
  ULONG DataLength;
  SIZE_T stDataLength;
} NET_BUFFER_DATA_LENGTH, *PNET_BUFFER_DATA_LENGTH;

typedef struct _NET_BUFFER_DATA {
  PNET_BUFFER Next;
  PMDL CurrentMdl;
  ULONG CurrentMdlOffset;
  NET_BUFFER_DATA_LENGTH NbDataLength;
  PMDL MdlChain;
  ULONG DataOffset;
} NET_BUFFER_DATA, *PNET_BUFFER_DATA;

typedef union _NET_BUFFER_HEADER {
  NET_BUFFER_DATA NetBufferData;
  SLIST_HEADER Link;
} NET_BUFFER_HEADER, *PNET_BUFFER_HEADER;

struct _NET_BUFFER {
  HOOKLINE_ANONYMOUS union {
    HOOKLINE_ANONYMOUS struct {
      PNET_BUFFER Next;
      PMDL CurrentMdl;
      ULONG CurrentMdlOffset;
      HOOKLINE_ANONYMOUS union {
        ULONG DataLength;
        SIZE_T stDataLength;
      };
      PMDL MdlChain;
      ULONG DataOffset;
    };
    SLIST_HEADER Link;
    NET_BUFFER_HEADER NetBufferHeader;
  };
  USHORT ChecksumBias;
  USHORT Reserved;
  NDIS_HANDLE NdisPoolHandle;
  PVOID NdisReserved[2];
  PVOID ProtocolReserved[6];
  PVOID MiniportReserved[4];
  NDIS_PHYSICAL_ADDRESS DataPhysicalAddress;
  HOOKLINE_ANONYMOUS union {
    PNET_BUFFER_SHARED_MEMORY SharedMemoryInfo;
    PSCATTER_GATHER_LIST ScatterGatherList;
  };
};

/* --- a list of packets --- */

typedef struct _NET_BUFFER_LIST_DATA {
  PNET_BUFFER_LIST Next;
  PNET_BUFFER FirstNetBuffer;
} NET_BUFFER_LIST_DATA, *PNET_BUFFER_LIST_DATA;

typedef union _NET_BUFFER_LIST_HEADER {
  NET_BUFFER_LIST_DATA NetBufferListData;
  SLIST_HEADER Link;
} NET_BUFFER_LIST_HEADER, *PNET_BUFFER_LIST_HEADER;

/* An array that goes on behind the structure; C++ has no word for it. */
#if defined(__cplusplus)
#define HOOKLINE_ANY_SIZE 1
#else
#define HOOKLINE_ANY_SIZE
#endif
struct _NET_BUFFER_LIST_CONTEXT {
  PNET_BUFFER_LIST_CONTEXT Next;
  USHORT Size;
  USHORT Offset;
  UCHAR ContextData[HOOKLINE_ANY_SIZE]; /* Size bytes from Offset on */
};

typedef enum _NDIS_NET_BUFFER_LIST_INFO HOOKLINE_AS_INT {
  TcpIpChecksumNetBufferListInfo = 0,
  TcpOffloadBytesTransferred = TcpIpChecksumNetBufferListInfo,
  IPsecOffloadV1NetBufferListInfo,
  TcpLargeSendNetBufferListInfo,
  TcpReceiveNoPush = TcpLargeSendNetBufferListInfo,
  ClassificationHandleNetBufferListInfo,
  Ieee8021QNetBufferListInfo,
  NetBufferListCancelId,
  MediaSpecificInformation,
  NetBufferListFrameType,
  NetBufferListProtocolId = NetBufferListFrameType,
  NetBufferListHashValue,
  NetBufferListHashInfo,
  WfpNetBufferListInfo,
  IPsecOffloadV2NetBufferListInfo,
  IPsecOffloadV2HeaderNetBufferListInfo,
  IPsecOffloadV2TunnelNetBufferListInfo,
  NetBufferListFilteringInfo,
  MediaSpecificInformationEx,
  NblOriginalInterfaceIfIndex,
  TcpReceiveBytesTransferred,
  NetBufferListInfoReserved1,
  NetBufferListInfoReserved2,
  NetBufferListInfoReserved3,
  NetBufferListInfoReserved4,
  NetBufferListInfoReserved5,
  NetBufferListInfoReserved6,
  MaxNetBufferListInfo
} NDIS_NET_BUFFER_LIST_INFO,
    *PNDIS_NET_BUFFER_LIST_INFO;

struct _NET_BUFFER_LIST {
  HOOKLINE_ANONYMOUS union {
    HOOKLINE_ANONYMOUS struct {
      PNET_BUFFER_LIST Next;
      PNET_BUFFER FirstNetBuffer;
    };
    SLIST_HEADER Link;
    NET_BUFFER_LIST_HEADER NetBufferListHeader;
  };
  PNET_BUFFER_LIST_CONTEXT Context;
  PNET_BUFFER_LIST ParentNetBufferList;
  NDIS_HANDLE NdisPoolHandle;
  PVOID NdisReserved[2];
  PVOID ProtocolReserved[4];
  PVOID MiniportReserved[2];
  PVOID Scratch;
  NDIS_HANDLE SourceHandle;
  ULONG NblFlags;
  LONG ChildRefCount;
  ULONG Flags;
  HOOKLINE_ANONYMOUS union {
    NDIS_STATUS Status;
    ULONG NdisReserved2;
  };
  PVOID NetBufferListInfo[MaxNetBufferListInfo];
};

#define NET_BUFFER_NEXT_NB(nb) ((nb)->Next)
#define NET_BUFFER_FIRST_MDL(nb) ((nb)->MdlChain)
#define NET_BUFFER_DATA_LENGTH(nb) ((nb)->DataLength)
#define NET_BUFFER_DATA_OFFSET(nb) ((nb)->DataOffset)
#define NET_BUFFER_CURRENT_MDL(nb) ((nb)->CurrentMdl)
#define NET_BUFFER_CURRENT_MDL_OFFSET(nb) ((nb)->CurrentMdlOffset)
#define NET_BUFFER_PROTOCOL_RESERVED(nb) ((nb)->ProtocolReserved)
#define NET_BUFFER_MINIPORT_RESERVED(nb) ((nb)->MiniportReserved)
#define NET_BUFFER_CHECKSUM_BIAS(nb) ((nb)->ChecksumBias)

#define NET_BUFFER_LIST_NEXT_NBL(nbl) ((nbl)->Next)
#define NET_BUFFER_LIST_FIRST_NB(nbl) ((nbl)->FirstNetBuffer)
#define NET_BUFFER_LIST_STATUS(nbl) ((nbl)->Status)
#define NET_BUFFER_LIST_FLAGS(nbl) ((nbl)->Flags)
#define NET_BUFFER_LIST_NBL_FLAGS(nbl) ((nbl)->NblFlags)
#define NET_BUFFER_LIST_INFO(nbl, id) ((nbl)->NetBufferListInfo[(id)])
#define NET_BUFFER_LIST_PROTOCOL_RESERVED(nbl) ((nbl)->ProtocolReserved)
#define NET_BUFFER_LIST_MINIPORT_RESERVED(nbl) ((nbl)->MiniportReserved)
#define NET_BUFFER_LIST_CONTEXT_DATA_START(nbl) \
  ((PUCHAR)((nbl)->Context->ContextData) + (nbl)->Context->Offset)
#define NET_BUFFER_LIST_CONTEXT_DATA_SIZE(nbl) ((nbl)->Context->Size)

/* --- pools and objects --- */

typedef struct _NET_BUFFER_LIST_POOL_PARAMETERS {
  NDIS_OBJECT_HEADER Header;
  UCHAR ProtocolId;
  BOOLEAN fAllocateNetBuffer;
  USHORT ContextSize;
  ULONG PoolTag;
  ULONG DataSize;
} NET_BUFFER_LIST_POOL_PARAMETERS, *PNET_BUFFER_LIST_POOL_PARAMETERS;

typedef struct _NET_BUFFER_POOL_PARAMETERS {
  NDIS_OBJECT_HEADER Header;
  ULONG PoolTag;
  ULONG DataSize;
} NET_BUFFER_POOL_PARAMETERS, *PNET_BUFFER_POOL_PARAMETERS;

typedef struct _NDIS_GENERIC_OBJECT {
  NDIS_OBJECT_HEADER Header;
  PVOID Caller;
  PVOID CallersCaller;
  struct _DRIVER_OBJECT* DriverObject;
} NDIS_GENERIC_OBJECT, *PNDIS_GENERIC_OBJECT;

#define NDIS_OBJECT_TYPE_DEFAULT 0x80
#define NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 1
#define NET_BUFFER_POOL_PARAMETERS_REVISION_1 1
#define NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 \
  ((USHORT)(offsetof(NET_BUFFER_LIST_POOL_PARAMETERS, DataSize) + sizeof(ULONG)))
#define NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1 \
  ((USHORT)(offsetof(NET_BUFFER_POOL_PARAMETERS, DataSize) + sizeof(ULONG)))
#define NDIS_PROTOCOL_ID_DEFAULT 0x00
#define NDIS_PROTOCOL_ID_TCP_IP 0x02
#define NDIS_DEFAULT_PORT_NUMBER ((NDIS_PORT_NUMBER)0)

/* What NdisRetreat… takes to make an MDL for new room in front, and NdisAdvance… to free it. */
typedef PMDL(NTAPI* NET_BUFFER_ALLOCATE_MDL_HANDLER)(PULONG BufferSize);
typedef VOID(NTAPI* NET_BUFFER_FREE_MDL_HANDLER)(PMDL Mdl);

#define NDIS_STATUS_SUCCESS ((NDIS_STATUS)STATUS_SUCCESS)
#define NDIS_STATUS_PENDING ((NDIS_STATUS)STATUS_PENDING)
#define NDIS_STATUS_FAILURE ((NDIS_STATUS)STATUS_UNSUCCESSFUL)
#define NDIS_STATUS_RESOURCES ((NDIS_STATUS)STATUS_INSUFFICIENT_RESOURCES)
#define NDIS_STATUS_NOT_SUPPORTED ((NDIS_STATUS)STATUS_NOT_SUPPORTED)
#define NDIS_STATUS_INVALID_PARAMETER ((NDIS_STATUS)STATUS_INVALID_PARAMETER)

HOOKLINE_STATIC_ASSERT(sizeof(SLIST_HEADER) == 16, "SLIST_HEADER");
HOOKLINE_STATIC_ASSERT(sizeof(NET_BUFFER_DATA) == 48, "NET_BUFFER_DATA");
HOOKLINE_STATIC_ASSERT(sizeof(NET_BUFFER_HEADER) == 48, "NET_BUFFER_HEADER");
HOOKLINE_STATIC_ASSERT(sizeof(NET_BUFFER) == 176, "NET_BUFFER");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER, DataLength) == 24, "NET_BUFFER::DataLength");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER, DataOffset) == 40, "NET_BUFFER::DataOffset");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER, NdisPoolHandle) == 56, "NET_BUFFER::NdisPoolHandle");
HOOKLINE_STATIC_ASSERT(sizeof(NET_BUFFER_LIST_HEADER) == 16, "NET_BUFFER_LIST_HEADER");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER_LIST, Context) == 16, "NET_BUFFER_LIST::Context");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER_LIST, Status) == 132, "NET_BUFFER_LIST::Status");
HOOKLINE_STATIC_ASSERT(offsetof(NET_BUFFER_LIST, NetBufferListInfo) == 136, "NetBufferListInfo");
HOOKLINE_STATIC_ASSERT(sizeof(NET_BUFFER_LIST_POOL_PARAMETERS) == 16, "pool parameters");
