#pragma once

/* A piece of memory that packets are made of. Callouts read MappedSystemVa directly, so it is
 * always the address of the first byte (ByteOffset included), as on Windows for mapped memory;
 * StartVa is that address rounded down to a page. Compiles as C11 and C++11 and later; the server
 * includes it. */

#include <hookline/ntdef.h>

typedef struct _MDL {
  struct _MDL* Next;
  CSHORT Size; /* of the whole description in bytes */
  CSHORT MdlFlags;
  struct _EPROCESS* Process;
  PVOID MappedSystemVa;
  PVOID StartVa;
  ULONG ByteCount;
  ULONG ByteOffset;
} MDL, *PMDL;
typedef MDL* PMDLX;

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004
#define MDL_ALLOCATED_FIXED_SIZE 0x0008
#define MDL_PARTIAL 0x0010
#define MDL_PARTIAL_HAS_BEEN_MAPPED 0x0020
#define MDL_NETWORK_HEADER 0x1000
#define MDL_MAPPING_CAN_FAIL 0x2000

#define MmGetMdlByteCount(mdl) ((mdl)->ByteCount)
#define MmGetMdlByteOffset(mdl) ((mdl)->ByteOffset)
#define MmGetMdlBaseVa(mdl) ((mdl)->StartVa)
#define MmGetMdlVirtualAddress(mdl) ((PVOID)((UCHAR*)(mdl)->StartVa + (mdl)->ByteOffset))

HOOKLINE_STATIC_ASSERT(sizeof(MDL) == 48, "MDL");
HOOKLINE_STATIC_ASSERT(offsetof(MDL, MappedSystemVa) == 24, "MDL::MappedSystemVa");
HOOKLINE_STATIC_ASSERT(offsetof(MDL, ByteCount) == 40, "MDL::ByteCount");
