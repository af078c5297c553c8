#pragma once

/* Byte order and addresses as text. There are no sockets here. */

#include <inaddr.h>
#include <windows.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INADDR_ANY ((ULONG)0x00000000)
#define INADDR_LOOPBACK ((ULONG)0x7f000001)
#define INADDR_BROADCAST ((ULONG)0xffffffff)
#define INADDR_NONE ((ULONG)0xffffffff)

/* The C library's own symbols: the same types, the same results. */
ULONG htonl(ULONG value);
USHORT htons(USHORT value);
ULONG ntohl(ULONG value);
USHORT ntohs(USHORT value);

/* The text stays valid until the thread's next call. */
char* inet_ntoa(struct in_addr address);
ULONG inet_addr(const char* text);

#ifdef __cplusplus
}
#endif
