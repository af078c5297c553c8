/* Memory descriptions. The filter engine frees and makes them by the same allocator. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "kernel.h"

static LONG64 mdls; /* made here and not freed here */

PMDL IoAllocateMdl(PVOID address, ULONG bytes, BOOLEAN secondary, BOOLEAN charge_quota,
                   struct _IRP* irp) {
  (void)secondary, (void)charge_quota;
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (irp != NULL) {
    ddk_breach(__func__, "an IRP, where there are none");
    return NULL;
  }
  PMDL mdl = ddk_allocate(sizeof *mdl);
  if (mdl != NULL) {
    MmInitializeMdl(mdl, address, bytes);
    __atomic_add_fetch(&mdls, 1, __ATOMIC_RELAXED);
  }
  return mdl;
}

void IoFreeMdl(PMDL mdl) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (mdl == NULL) {
    ddk_breach(__func__, "of NULL");
    return;
  }
  __atomic_sub_fetch(&mdls, 1, __ATOMIC_RELAXED);
  free(mdl);
}

void MmBuildMdlForNonPagedPool(PMDL mdl) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  mdl->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
  mdl->MappedSystemVa = (char*)mdl->StartVa + mdl->ByteOffset;
}

void ddk_mdl_report(void) {
  LONG64 left = __atomic_load_n(&mdls, __ATOMIC_RELAXED);
  if (left > 0) {
    ddk_breach("IoAllocateMdl", "%lld MDL%s not freed", left, left == 1 ? " was" : "s were");
  }
}
