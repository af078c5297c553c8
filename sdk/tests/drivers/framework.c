// What sample.c leaves out of the framework: objects, contexts, memory, passive timers, locks, work
// items, parameters of every kind. kernel_test.cc runs the cases and expects no breach.

#include <ntddk.h>
#include <wdf.h>

#define TEXT_OF(x) #x
#define LINE_OF(x) TEXT_OF(x)
#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition)) return "framework.c:" LINE_OF(__LINE__) ": " #condition; \
  } while (0)

typedef struct _NUMBER {
  LONG Value;
} NUMBER;
WDF_DECLARE_CONTEXT_TYPE(NUMBER)
typedef struct _OTHER {
  LONG Value;
} OTHER;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(OTHER, GetOther)

DRIVER_INITIALIZE DriverEntry;
static EVT_WDF_DRIVER_UNLOAD Unload;
static WDFDRIVER TheDriver;
static PDRIVER_OBJECT TheObject;
static LONG Cleaned, Destroyed;
static KEVENT Done;

static void Unload(WDFDRIVER driver) { UNREFERENCED_PARAMETER(driver); }

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registryPath) {
  WDF_DRIVER_CONFIG config;
  TheObject = driver;
  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = Unload;
  return WdfDriverCreate(driver, registryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &TheDriver);
}

static EVT_WDF_OBJECT_CONTEXT_CLEANUP Cleanup;
static void Cleanup(WDFOBJECT object) {
  UNREFERENCED_PARAMETER(object);
  Cleaned++;
}
static EVT_WDF_OBJECT_CONTEXT_DESTROY Destroy;
static void Destroy(WDFOBJECT object) {
  UNREFERENCED_PARAMETER(object);
  Destroyed++;
}

static const char* Objects(void) {
  WDF_OBJECT_ATTRIBUTES attributes;
  WDFOBJECT parent, child;
  EXPECT(WdfGetDriver() == TheDriver && WdfDriverWdmGetDriverObject(TheDriver) == TheObject);
  EXPECT(wcsstr(WdfDriverGetRegistryPath(TheDriver), L"Services\\tested") != NULL);
  WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, NUMBER);
  attributes.EvtCleanupCallback = Cleanup;
  attributes.EvtDestroyCallback = Destroy;
  EXPECT(NT_SUCCESS(WdfObjectCreate(&attributes, &parent)));
  attributes.ParentObject = parent;
  EXPECT(NT_SUCCESS(WdfObjectCreate(&attributes, &child)));
  NUMBER* number = WdfObjectGet_NUMBER(child);
  EXPECT(number != NULL && number->Value == 0 && WdfObjectContextGetObject(number) == child);
  EXPECT(WdfObjectGetTypedContext(child, NUMBER) == number && GetOther(child) == NULL);
  WdfObjectReference(child);
  WdfObjectDelete(parent);
  EXPECT(Cleaned == 2 && Destroyed == 1);
  number->Value = 7;
  WdfObjectDereference(child);
  EXPECT(Destroyed == 2);
  return NULL;
}

static const char* Memory(void) {
  WDFMEMORY memory;
  PVOID buffer;
  size_t size;
  char copy[4];
  EXPECT(WdfMemoryCreate(NULL, NonPagedPoolNx, 0, 0, &memory, NULL) == STATUS_INVALID_PARAMETER);
  EXPECT(NT_SUCCESS(WdfMemoryCreate(NULL, NonPagedPoolNx, 'meM1', 10, &memory, &buffer)));
  EXPECT(WdfMemoryGetBuffer(memory, &size) == buffer && size == 10);
  EXPECT(NT_SUCCESS(WdfMemoryCopyFromBuffer(memory, 6, "wxyz", 4)));
  EXPECT(WdfMemoryCopyFromBuffer(memory, 7, "wxyz", 4) == STATUS_BUFFER_TOO_SMALL);
  EXPECT(NT_SUCCESS(WdfMemoryCopyToBuffer(memory, 6, copy, 4)) && !memcmp(copy, "wxyz", 4));
  WdfObjectDelete(memory);
  return NULL;
}

static KIRQL SeenLevel;
static EVT_WDF_TIMER Fired;
static void Fired(WDFTIMER timer) {
  SeenLevel = KeGetCurrentIrql();
  if (WdfTimerGetParentObject(timer) == (WDFOBJECT)TheDriver) {
    KeSetEvent(&Done, IO_NO_INCREMENT, FALSE);
  }
}

static const char* RunTimer(BOOLEAN passive) {
  WDF_OBJECT_ATTRIBUTES attributes;
  WDF_TIMER_CONFIG config;
  WDFTIMER timer;
  KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
  WDF_TIMER_CONFIG_INIT(&config, Fired);
  WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
  EXPECT(WdfTimerCreate(&config, &attributes, &timer) == STATUS_INVALID_PARAMETER);
  attributes.ParentObject = TheDriver;
  attributes.ExecutionLevel = passive ? WdfExecutionLevelPassive : WdfExecutionLevelDispatch;
  EXPECT(NT_SUCCESS(WdfTimerCreate(&config, &attributes, &timer)));
  for (int i = 0; i < 3; ++i) {
    EXPECT(!WdfTimerStart(timer, WDF_REL_TIMEOUT_IN_MS(1)));
    KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
    WdfTimerStop(timer, TRUE);
  }
  EXPECT(SeenLevel == (passive ? PASSIVE_LEVEL : DISPATCH_LEVEL));
  EXPECT(!WdfTimerStart(timer, WDF_REL_TIMEOUT_IN_SEC(3600)));
  EXPECT(WdfTimerStart(timer, WDF_REL_TIMEOUT_IN_SEC(3600)) && WdfTimerStop(timer, TRUE));
  WdfTimerStart(timer, WDF_REL_TIMEOUT_IN_US(1)); /* perhaps running when it is deleted */
  WdfObjectDelete(timer);
  return NULL;
}

static const char* Timers(void) {
  const char* wrong = RunTimer(FALSE);
  return wrong != NULL ? wrong : RunTimer(TRUE);
}

static const char* Locks(void) {
  WDFSPINLOCK spin;
  WDFWAITLOCK wait;
  LONGLONG none = 0;
  EXPECT(NT_SUCCESS(WdfSpinLockCreate(NULL, &spin)) && NT_SUCCESS(WdfWaitLockCreate(NULL, &wait)));
  WdfSpinLockAcquire(spin);
  EXPECT(KeGetCurrentIrql() == DISPATCH_LEVEL);
  WdfSpinLockRelease(spin);
  EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL);
  EXPECT(WdfWaitLockAcquire(wait, NULL) == STATUS_SUCCESS);
  EXPECT(WdfWaitLockAcquire(wait, &none) == STATUS_TIMEOUT);
  WdfWaitLockRelease(wait);
  WdfObjectDelete(wait); /* the spin lock goes with the driver */
  return NULL;
}

static LONG Worked;
static EVT_WDF_WORKITEM Work;
static void Work(WDFWORKITEM item) {
  NUMBER* number = WdfObjectGet_NUMBER(item);
  InterlockedIncrement(&Worked);
  if (number->Value != 0) WdfObjectDelete(item);
}

static const char* WorkItems(void) {
  WDF_OBJECT_ATTRIBUTES attributes;
  WDF_WORKITEM_CONFIG config;
  WDFWORKITEM item;
  WDF_WORKITEM_CONFIG_INIT(&config, Work);
  WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, NUMBER);
  attributes.ParentObject = TheDriver;
  for (LONG self = 0; self < 2; ++self) {
    EXPECT(NT_SUCCESS(WdfWorkItemCreate(&config, &attributes, &item)));
    EXPECT(WdfWorkItemGetParentObject(item) == (WDFOBJECT)TheDriver);
    WdfObjectGet_NUMBER(item)->Value = self; /* whether it deletes itself */
    LONG before = Worked;
    WdfWorkItemEnqueue(item);
    if (self == 0) {
      WdfWorkItemFlush(item);
      EXPECT(Worked == before + 1);
      WdfObjectDelete(item);
    }
  }
  while (InterlockedAdd(&Worked, 0) < 2) YieldProcessor();
  return NULL;
}

static const char* Parameters(void) {
  WDFKEY key;
  ULONG number = 1, type, size;
  USHORT bytes;
  UCHAR raw[16];
  DECLARE_CONST_UNICODE_STRING(numberName, L"nuMber");
  DECLARE_CONST_UNICODE_STRING(textName, L"T\u00e4xt");
  DECLARE_CONST_UNICODE_STRING(absent, L"absent");
  DECLARE_UNICODE_STRING_SIZE(small, 3);
  DECLARE_UNICODE_STRING_SIZE(text, 4);
  EXPECT(NT_SUCCESS(WdfDriverOpenParametersRegistryKey(TheDriver, KEY_READ, NULL, &key)));
  EXPECT(NT_SUCCESS(WdfRegistryQueryULong(key, &numberName, &number)) && number == 0xFFFFFFFE);
  EXPECT(WdfRegistryQueryULong(key, &textName, &number) == STATUS_OBJECT_TYPE_MISMATCH);
  EXPECT(WdfRegistryQueryULong(key, &absent, &number) == STATUS_OBJECT_NAME_NOT_FOUND);
  EXPECT(WdfRegistryQueryUnicodeString(key, &textName, &bytes, NULL) == STATUS_SUCCESS);
  EXPECT(bytes == 8);
  EXPECT(WdfRegistryQueryUnicodeString(key, &textName, NULL, &small) == STATUS_BUFFER_OVERFLOW);
  EXPECT(WdfRegistryQueryUnicodeString(key, &textName, &bytes, &text) == STATUS_SUCCESS);
  EXPECT(text.Length == 6 && wcscmp(text.Buffer, L"a\u00e4z") == 0);
  EXPECT(WdfRegistryQueryUnicodeString(key, &numberName, &bytes, &text) ==
         STATUS_OBJECT_TYPE_MISMATCH);
  EXPECT(WdfRegistryQueryUnicodeString(key, &absent, &bytes, &text) ==
         STATUS_OBJECT_NAME_NOT_FOUND);
  EXPECT(WdfRegistryQueryValue(key, &textName, 2, raw, &size, &type) == STATUS_BUFFER_OVERFLOW);
  EXPECT(size == 8 && type == REG_SZ);
  EXPECT(WdfRegistryQueryValue(key, &numberName, sizeof raw, raw, &size, NULL) == STATUS_SUCCESS);
  EXPECT(size == 4 && raw[0] == 0xFE);
  WdfRegistryClose(key);
  return NULL;
}

static const struct {
  const char* name;
  const char* (*run)(void);
} Cases[] = {
    {"Objects", Objects}, {"Memory", Memory},       {"Timers", Timers},
    {"Locks", Locks},     {"WorkItems", WorkItems}, {"Parameters", Parameters},
};

__declspec(dllexport) const char* KernelCase(int index, const char** name);
const char* KernelCase(int index, const char** name) {
  if (index >= (int)ARRAYSIZE(Cases)) {
    *name = NULL;
    return NULL;
  }
  *name = Cases[index].name;
  return Cases[index].run();
}
