#pragma once

/* Addresses of IPv6, and what control data carry. */

#include <in6addr.h>
#include <string.h>
#include <ws2def.h>

#define sockaddr_in6 HookSockaddrIn6

#define INET_ADDRSTRLEN 22
#define INET6_ADDRSTRLEN 65

#define IP_PKTINFO 19
#define IPV6_PKTINFO 19

typedef struct in_pktinfo {
  IN_ADDR ipi_addr;
  ULONG ipi_ifindex;
} IN_PKTINFO, *PIN_PKTINFO;

typedef struct in6_pktinfo {
  IN6_ADDR ipi6_addr;
  ULONG ipi6_ifindex;
} IN6_PKTINFO, *PIN6_PKTINFO;

#define IN6ADDR_ANY_INIT \
  {                      \
    {                    \
      { 0 }              \
    }                    \
  }
#define IN6ADDR_LOOPBACK_INIT                            \
  {                                                      \
    {                                                    \
      { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } \
    }                                                    \
  }

static inline BOOLEAN IN6_ADDR_EQUAL(const IN6_ADDR* a, const IN6_ADDR* b) {
  return memcmp(a, b, sizeof(IN6_ADDR)) == 0;
}
static inline BOOLEAN IN4_ADDR_EQUAL(const IN_ADDR* a, const IN_ADDR* b) {
  return memcmp(a, b, sizeof(IN_ADDR)) == 0;
}
static inline BOOLEAN IN6_IS_ADDR_MULTICAST(const IN6_ADDR* address) {
  return address->u.Byte[0] == 0xff;
}
static inline BOOLEAN IN6_IS_ADDR_LINKLOCAL(const IN6_ADDR* address) {
  return address->u.Byte[0] == 0xfe && (address->u.Byte[1] & 0xc0) == 0x80;
}
static inline BOOLEAN IN6_IS_ADDR_V4MAPPED(const IN6_ADDR* address) {
  static const UCHAR kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(address, kPrefix, sizeof kPrefix) == 0;
}
