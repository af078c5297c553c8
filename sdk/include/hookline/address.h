#pragma once

/* Addresses of the Internet families with Microsoft's members. The structures have names of their
 * own, so that this header and <netinet/in.h> can stand in one file; <ws2def.h> of the driver kit
 * gives them their usual names (struct sockaddr_in). Address and port fields of a SOCKADDR are in
 * network order, as everywhere; the values that callouts are given are in host order. */

#include <hookline/ntdef.h>

typedef USHORT ADDRESS_FAMILY;
typedef ULONG IF_INDEX;
typedef IF_INDEX NET_IFINDEX;
typedef INT IPPROTO;
typedef ULONG COMPARTMENT_ID;

/* Microsoft's numbers: HOOKLINE_AF_INET6 is not the AF_INET6 of this platform. */
#define HOOKLINE_AF_UNSPEC 0
#define HOOKLINE_AF_INET 2
#define HOOKLINE_AF_INET6 23

enum { UNSPECIFIED_COMPARTMENT_ID = 0, DEFAULT_COMPARTMENT_ID = 1 };

typedef struct HookInAddr {
  union {
    struct {
      UCHAR s_b1, s_b2, s_b3, s_b4;
    } S_un_b;
    struct {
      USHORT s_w1, s_w2;
    } S_un_w;
    ULONG S_addr;
  } S_un;
} IN_ADDR, *PIN_ADDR, *LPIN_ADDR;

typedef struct HookIn6Addr {
  union {
    UCHAR Byte[16];
    USHORT Word[8];
  } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

typedef struct _SCOPE_ID {
  HOOKLINE_ANONYMOUS union {
    HOOKLINE_ANONYMOUS struct {
      ULONG Zone : 28;
      ULONG Level : 4;
    };
    ULONG Value;
  };
} SCOPE_ID, *PSCOPE_ID;

typedef struct HookSockaddr {
  ADDRESS_FAMILY sa_family;
  CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct HookSockaddrIn {
  ADDRESS_FAMILY sin_family;
  USHORT sin_port;
  IN_ADDR sin_addr;
  CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;

typedef struct HookSockaddrIn6 {
  ADDRESS_FAMILY sin6_family;
  USHORT sin6_port;
  ULONG sin6_flowinfo;
  IN6_ADDR sin6_addr;
  HOOKLINE_ANONYMOUS union {
    ULONG sin6_scope_id;
    SCOPE_ID sin6_scope_struct;
  };
} SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;

typedef struct HookSockaddrStorage {
  ADDRESS_FAMILY ss_family;
  CHAR ss_pad1[6];
  LONGLONG ss_align;
  CHAR ss_pad2[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;

typedef union _SOCKADDR_INET {
  SOCKADDR_IN Ipv4;
  SOCKADDR_IN6 Ipv6;
  ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

typedef struct _IP_ADDRESS_PREFIX {
  SOCKADDR_INET Prefix;
  UINT8 PrefixLength;
} IP_ADDRESS_PREFIX, *PIP_ADDRESS_PREFIX;

/* Ancillary data: the header, then the data at the next multiple of eight. */
typedef struct HookCmsghdr {
  SIZE_T cmsg_len;
  INT cmsg_level;
  INT cmsg_type;
} WSACMSGHDR, *PWSACMSGHDR, *LPWSACMSGHDR;

typedef union _NET_LUID_LH {
  ULONG64 Value;
  struct {
    ULONG64 Reserved : 24;
    ULONG64 NetLuidIndex : 24;
    ULONG64 IfType : 16;
  } Info;
} NET_LUID, *PNET_LUID, NET_LUID_LH, IF_LUID;

HOOKLINE_STATIC_ASSERT(sizeof(IN_ADDR) == 4 && sizeof(IN6_ADDR) == 16, "IN_ADDR");
HOOKLINE_STATIC_ASSERT(sizeof(SOCKADDR) == 16 && sizeof(SOCKADDR_IN) == 16, "SOCKADDR_IN");
HOOKLINE_STATIC_ASSERT(sizeof(SOCKADDR_IN6) == 28, "SOCKADDR_IN6");
HOOKLINE_STATIC_ASSERT(sizeof(SOCKADDR_STORAGE) == 128, "SOCKADDR_STORAGE");
HOOKLINE_STATIC_ASSERT(sizeof(IP_ADDRESS_PREFIX) == 32, "IP_ADDRESS_PREFIX");
HOOKLINE_STATIC_ASSERT(sizeof(WSACMSGHDR) == 16 && sizeof(NET_LUID) == 8, "WSACMSGHDR");
