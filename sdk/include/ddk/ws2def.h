#pragma once

/* Families, protocols and socket addresses. There are no sockets here. Do not include this
 * platform's <netinet/in.h> or <sys/socket.h> beside it. */

#include <hookline/address.h>
#include <inaddr.h>

#define AF_UNSPEC HOOKLINE_AF_UNSPEC
#define AF_INET HOOKLINE_AF_INET
#define AF_INET6 HOOKLINE_AF_INET6

#define sockaddr HookSockaddr
#define sockaddr_in HookSockaddrIn
#define sockaddr_storage HookSockaddrStorage

enum {
  IPPROTO_HOPOPTS = 0,
  IPPROTO_IP = 0,
  IPPROTO_ICMP = 1,
  IPPROTO_IGMP = 2,
  IPPROTO_IPV4 = 4,
  IPPROTO_TCP = 6,
  IPPROTO_UDP = 17,
  IPPROTO_IPV6 = 41,
  IPPROTO_ROUTING = 43,
  IPPROTO_FRAGMENT = 44,
  IPPROTO_ESP = 50,
  IPPROTO_AH = 51,
  IPPROTO_ICMPV6 = 58,
  IPPROTO_NONE = 59,
  IPPROTO_DSTOPTS = 60,
  IPPROTO_SCTP = 132,
  IPPROTO_RAW = 255,
  IPPROTO_MAX = 256
};

typedef enum _SCOPE_LEVEL {
  ScopeLevelInterface = 1,
  ScopeLevelLink = 2,
  ScopeLevelSubnet = 3,
  ScopeLevelAdmin = 4,
  ScopeLevelSite = 5,
  ScopeLevelOrganization = 8,
  ScopeLevelGlobal = 14,
  ScopeLevelCount = 16
} SCOPE_LEVEL;

#define SCOPEID_UNSPECIFIED_INIT \
  {                              \
    {                            \
      { 0, 0 }                   \
    }                            \
  }

#define IN_CLASSA_NET 0xff000000
#define INADDR_ANY ((ULONG)0x00000000)
#define INADDR_LOOPBACK ((ULONG)0x7f000001)
#define INADDR_BROADCAST ((ULONG)0xffffffff)
#define INADDR_NONE ((ULONG)0xffffffff)

/* Control data: headers and data, each aligned to eight bytes. */
#define WSA_CMSGHDR_ALIGN(bytes) (((SIZE_T)(bytes) + 7) & ~(SIZE_T)7)
#define WSA_CMSGDATA_ALIGN(bytes) WSA_CMSGHDR_ALIGN(bytes)
#define WSA_CMSG_DATA(header) ((UCHAR*)(header) + WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)))
#define WSA_CMSG_SPACE(bytes) (WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)) + WSA_CMSGHDR_ALIGN(bytes))
#define WSA_CMSG_LEN(bytes) (WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)) + (bytes))
