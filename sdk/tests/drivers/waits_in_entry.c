// Injects in its DriverEntry and waits there for the completion: a driver may. By no interface that
// there is, so that the completion says so.

#include <fwpsk.h>
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;

static UCHAR frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5};

typedef struct {
  KEVENT completed;
  NTSTATUS status;
} FATE;

static void NTAPI completed(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
  FATE* fate = context;
  UNREFERENCED_PARAMETER(dispatch_level);
  fate->status = NET_BUFFER_LIST_STATUS(list);
  FwpsFreeNetBufferList(list);
  KeSetEvent(&fate->completed, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS send_and_wait(HANDLE injection, NDIS_HANDLE pool, MDL* mdl, FATE* fate) {
  NET_BUFFER_LIST* list = NULL;
  NTSTATUS status = FwpsAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, 0, sizeof frame, &list);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = FwpsInjectMacSendAsync(injection, NULL, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 0,
                                  NDIS_DEFAULT_PORT_NUMBER, list, completed, fate);
  if (!NT_SUCCESS(status)) {
    FwpsFreeNetBufferList(list);
    return status;
  }
  return KeWaitForSingleObject(&fate->completed, Executive, KernelMode, FALSE, NULL);
}

static void unload(DRIVER_OBJECT* driver) { UNREFERENCED_PARAMETER(driver); }

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  NET_BUFFER_LIST_POOL_PARAMETERS parameters = {.fAllocateNetBuffer = TRUE};
  FATE fate = {.status = STATUS_PENDING};
  HANDLE injection = NULL;
  UNREFERENCED_PARAMETER(registry_path);
  driver->DriverUnload = unload;
  KeInitializeEvent(&fate.completed, NotificationEvent, FALSE);
  parameters.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  parameters.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  parameters.Header.Size = NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  NDIS_HANDLE pool = NdisAllocateNetBufferListPool(NULL, &parameters);
  MDL* mdl = IoAllocateMdl(frame, sizeof frame, FALSE, FALSE, NULL);
  NTSTATUS status = pool == NULL || mdl == NULL
                        ? STATUS_INSUFFICIENT_RESOURCES
                        : FwpsInjectionHandleCreate(AF_UNSPEC, FWPS_INJECTION_TYPE_L2, &injection);
  if (NT_SUCCESS(status)) {
    MmBuildMdlForNonPagedPool(mdl);
    status = send_and_wait(injection, pool, mdl, &fate);
    FwpsInjectionHandleDestroy(injection);
  }
  if (mdl != NULL) {
    IoFreeMdl(mdl);
  }
  if (pool != NULL) {
    NdisFreeNetBufferListPool(pool);
  }
  if (NT_SUCCESS(status) && fate.status != STATUS_DEVICE_DOES_NOT_EXIST) {
    return STATUS_UNSUCCESSFUL;
  }
  return status;
}
