// Shows where every call of the engine stands in a driver, and has the text functions of
// addresses. The headers in the letter case that other people's sources have.

#include <FwpmK.h>
#include <FwpsK.h>
#include <IP2String.h>
#include <NTDDK.h>

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registryPath) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(registryPath);
  return STATUS_SUCCESS;
}

#define EXPORT __declspec(dllexport)
// address_of_X(): where X stands. The test calls it there, with a list of parameters of its own.
#define ADDRESS_OF(name)                \
  EXPORT void* address_of_##name(void); \
  void* address_of_##name(void) { return (void*)name; }
#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) ADDRESS_OF(name)
#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments) ADDRESS_OF(name)
#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) ADDRESS_OF(name)
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) ADDRESS_OF(name)
#include <hookline/fwp_calls.def>

EXPORT NTSTATUS inject_with_lock(NET_BUFFER_LIST* list);
NTSTATUS inject_with_lock(NET_BUFFER_LIST* list) {
  KSPIN_LOCK lock;
  KLOCK_QUEUE_HANDLE handle;
  KeInitializeSpinLock(&lock);
  KeAcquireInStackQueuedSpinLock(&lock, &handle);
  NTSTATUS status =
      FwpsInjectMacSendAsync(NULL, NULL, 0, 0, 1, NDIS_DEFAULT_PORT_NUMBER, list, NULL, NULL);
  KeReleaseInStackQueuedSpinLock(&handle);
  return status;
}

// The status, with the characters read in *read; the address as bytes.
EXPORT NTSTATUS read_v4(const WCHAR* text, BOOLEAN strict, UCHAR* address, UINT32* read);
NTSTATUS read_v4(const WCHAR* text, BOOLEAN strict, UCHAR* address, UINT32* read) {
  PCWSTR end;
  NTSTATUS status = RtlIpv4StringToAddressW(text, strict, &end, (IN_ADDR*)address);
  *read = (UINT32)(end - text);
  return status;
}

EXPORT NTSTATUS read_v6(const WCHAR* text, UCHAR* address, UINT32* read);
NTSTATUS read_v6(const WCHAR* text, UCHAR* address, UINT32* read) {
  PCWSTR end;
  NTSTATUS status = RtlIpv6StringToAddressW(text, &end, (IN6_ADDR*)address);
  *read = (UINT32)(end - text);
  return status;
}

EXPORT UINT32 write_v4(const UCHAR* address, WCHAR* text);
UINT32 write_v4(const UCHAR* address, WCHAR* text) {
  return (UINT32)(RtlIpv4AddressToStringW((const IN_ADDR*)address, text) - text);
}

EXPORT UINT32 write_v6(const UCHAR* address, WCHAR* text);
UINT32 write_v6(const UCHAR* address, WCHAR* text) {
  return (UINT32)(RtlIpv6AddressToStringW((const IN6_ADDR*)address, text) - text);
}
