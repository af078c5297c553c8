#pragma once

/* struct in6_addr with Microsoft's members. Do not include <netinet/in.h> beside it. */

#include <hookline/address.h>

#define in6_addr HookIn6Addr
#define in_addr6 HookIn6Addr

#define s6_addr u.Byte
#define s6_bytes u.Byte
#define s6_words u.Word
