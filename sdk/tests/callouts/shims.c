// Every function of the small windows.h, called as a callout would. shim_test.cc runs the cases.

#include <Windows.h>
#include <WinSock2.h>
#include <strsafe.h>
#include <Tchar.h>
#include <stdlib.h>

#define TEXT_OF(x) #x
#define LINE_OF(x) TEXT_OF(x)
#define EXPECT(condition)                                            \
    do {                                                             \
        if (!(condition))                                            \
            return "shims.c:" LINE_OF(__LINE__) ": " #condition;     \
    } while (0)

static const char *Types(void)
{
    EXPECT(sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(HRESULT) == 4 && sizeof(WCHAR) == 2);
    EXPECT(sizeof(L"ab") == 6 && sizeof(CRITICAL_SECTION) >= 40 && sizeof(SRWLOCK) == 8);
    EXPECT(FAILED(E_FAIL) && SUCCEEDED(S_OK) && HRESULT_FROM_WIN32(5) == E_ACCESSDENIED);
    EXPECT(MAKEWORD(1, 2) == 0x201 && HIWORD(0x12345678) == 0x1234 && LOBYTE(0x1234) == 0x34);
    EXPECT(_countof(L"abc") == 4 && min(1, 2) == 1 && max(1, 2) == 2);
    return NULL;
}

static const char *LastError(void)
{
    SetLastError(77);
    EXPECT(GetLastError() == 77);
    return NULL;
}

static const char *Wide(void)
{
    WCHAR b[32] = L"one";
    WCHAR *state, *end;
    EXPECT(wcslen(L"") == 0 && wcslen(L"abc") == 3 && lstrlenW(NULL) == 0);
    EXPECT(wcscmp(wcscat(b, L"two"), L"onetwo") == 0);
    EXPECT(wcscmp(L"a", L"b") < 0 && wcsncmp(L"abX", L"abY", 2) == 0);
    EXPECT(_wcsicmp(L"ABC", L"abc") == 0 && _wcsnicmp(L"ABX", L"aby", 2) == 0);
    EXPECT(lstrcmpiW(L"Dll", L"dLL") == 0 && lstrcmpW(L"a", L"a") == 0);
    EXPECT(wcschr(b, L't') == b + 3 && wcsrchr(b, L'o') == b + 5 && wcsstr(b, L"et") == b + 2);
    EXPECT(wcschr(b, L'z') == NULL && wcsstr(b, L"z") == NULL && wcspbrk(b, L"wt") == b + 3);
    EXPECT(wcstol(L" -12x", &end, 10) == -12 && *end == L'x' && _wtoi(L"42") == 42);
    EXPECT(wcstoul(L"ff", NULL, 16) == 255);
    EXPECT(wcscmp(wcstok(wcscpy(b, L"a;b"), L";", &state), L"a") == 0);
    EXPECT(wcscmp(wcstok(NULL, L";", &state), L"b") == 0 && !wcstok(NULL, L";", &state));
    EXPECT(lstrcpynW(b, L"abcdef", 4) == b && wcscmp(b, L"abc") == 0);
    EXPECT(wcscpy_s(b, 3, L"abc") != 0 && b[0] == 0 && wcscpy_s(b, 4, L"abc") == 0);
    EXPECT(wcscat_s(b, 5, L"de") != 0 && b[0] == 0);
    EXPECT(wmemcmp(wmemset(b, L'x', 2), L"xx", 2) == 0);
    wcsncpy(b, L"ab", 5);
    EXPECT(b[1] == L'b' && b[4] == 0);
    return NULL;
}

static const char *Generic(void)
{
    TCHAR b[16];
    EXPECT(_tcslen(_tcscpy(b, _T("abc"))) == 3 && _tcsicmp(b, TEXT("ABC")) == 0);
    EXPECT(_tcschr(b, _T('c')) == b + 2 && _ttoi(_T("7")) == 7);
    EXPECT(_stprintf_s(b, 16, _T("%s-%d"), _T("x"), 5) == 3 && _tcscmp(b, _T("x-5")) == 0);
    return NULL;
}

static const char *Formats(void)
{
    WCHAR w[64];
    char a[64];
    EXPECT(wsprintfW(w, L"%s|%S|%hs|%ls", L"w", "n", "h", L"l") == 7 && !wcscmp(w, L"w|n|h|l"));
    EXPECT(wsprintfA(a, "%s|%S|%ls|%c", "n", L"w", L"l", 'c') == 7 && !strcmp(a, "n|w|l|c"));
    EXPECT(wsprintfA(a, "%ld %lu %lx", (LONG)-1, (ULONG)0xFFFFFFFF, (ULONG)0xAB) > 0);
    EXPECT(!strcmp(a, "-1 4294967295 ab"));
    EXPECT(wsprintfA(a, "%I64d %lld %I32d", (LONG64)-5, 1LL << 40, 3) > 0);
    EXPECT(!strcmp(a, "-5 1099511627776 3"));
    EXPECT(wsprintfA(a, "[%5d|%-5d|%05d|%+d|%.3d|%#x]", 42, 42, -42, 42, 7, 255) > 0);
    EXPECT(!strcmp(a, "[   42|42   |-0042|+42|007|0xff]"));
    EXPECT(wsprintfA(a, "%.2s|%*d|%%|%hd|%.2f", "abc", 4, 1, 65537, 1.5) > 0);
    EXPECT(!strcmp(a, "ab|   1|%|1|1.50"));
    EXPECT(StringCchPrintfW(w, 4, L"%s", L"abcdef") == STRSAFE_E_INSUFFICIENT_BUFFER);
    EXPECT(!wcscmp(w, L"abc"));
    EXPECT(sprintf_s(a, 4, "%s", "abcd") == -1 && a[0] == 0);
    EXPECT(swprintf_s(w, 64, L"\x20ac%S", "\xe2\x82\xac") == 2 && w[0] == w[1] && w[0] == 0x20ac);
    EXPECT(StringCchCopyA(a, 4, "abcdef") == STRSAFE_E_INSUFFICIENT_BUFFER && !strcmp(a, "abc"));
    EXPECT(StringCchCatW(wcscpy(w, L"a"), 64, L"b") == S_OK && !wcscmp(w, L"ab"));
    EXPECT(swprintf(w, 3, L"%d", 1234) == -1 && !wcscmp(w, L"12"));
    EXPECT(_snprintf(a, 3, "%s", "abc") == 3 && _snprintf(a, 3, "%s", "abcd") == -1);
    return NULL;
}

static const char *Conversion(void)
{
    WCHAR w[16];
    char a[16];
    BOOL used = FALSE;
    EXPECT(MultiByteToWideChar(CP_ACP, 0, "a\xc3\xa9", -1, w, 16) == 3 && w[1] == 0xE9);
    EXPECT(MultiByteToWideChar(CP_UTF8, 0, "\xf0\x9f\x98\x80", 4, NULL, 0) == 2);
    EXPECT(MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, "\xff", 1, w, 16) == 0);
    EXPECT(GetLastError() == ERROR_NO_UNICODE_TRANSLATION);
    EXPECT(MultiByteToWideChar(CP_UTF8, 0, "\xc0\x80", 2, w, 16) == 2 && w[0] == 0xFFFD);
    EXPECT(MultiByteToWideChar(CP_UTF8, 0, "abc", -1, w, 2) == 0);
    EXPECT(GetLastError() == ERROR_INSUFFICIENT_BUFFER);
    EXPECT(MultiByteToWideChar(1252, 0, "abc", -1, w, 16) == 0);
    EXPECT(WideCharToMultiByte(CP_UTF8, 0, L"\xd83d\xde00", 2, a, 16, NULL, &used) == 4 && !used);
    EXPECT(memcmp(a, "\xf0\x9f\x98\x80", 4) == 0);
    EXPECT(WideCharToMultiByte(CP_UTF8, 0, L"\xd83d", 1, a, 16, NULL, &used) == 3 && used);
    EXPECT(WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, L"\xde00", 1, a, 9, NULL, NULL) == 0);
    return NULL;
}

static const char *Memory(void)
{
    HANDLE heap = GetProcessHeap();
    char *p = HeapAlloc(heap, HEAP_ZERO_MEMORY, 10);
    EXPECT(p != NULL && p[9] == 0 && HeapSize(heap, 0, p) == 10);
    FillMemory(p, 10, 7);
    p = HeapReAlloc(heap, HEAP_ZERO_MEMORY, p, 2000);
    EXPECT(p != NULL && p[9] == 7 && p[10] == 0 && p[1999] == 0);
    EXPECT(HeapFree(heap, 0, p));
    EXPECT(HeapAlloc(heap, 0, (SIZE_T)-1) == NULL && GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    p = LocalAlloc(LPTR, 8);
    EXPECT(p != NULL && p[7] == 0 && LocalFree(p) == NULL);
    p = GlobalAlloc(GPTR, 8);
    EXPECT(p != NULL && p[7] == 0 && GlobalFree(p) == NULL);
    return NULL;
}

static CRITICAL_SECTION g_Section;
static SRWLOCK g_Srw = SRWLOCK_INIT;
static volatile LONG g_Sum;
static LONG g_Plain, g_Guarded;

static DWORD WINAPI Add(LPVOID parameter)
{
    int i;
    for (i = 0; i < 2000; i++) {
        EnterCriticalSection(&g_Section);
        EnterCriticalSection(&g_Section);
        g_Plain++;
        LeaveCriticalSection(&g_Section);
        LeaveCriticalSection(&g_Section);
        if (i % 3 == 0) {
            AcquireSRWLockShared(&g_Srw);
            if (g_Guarded < 0)
                return 1;
            ReleaseSRWLockShared(&g_Srw);
        } else {
            AcquireSRWLockExclusive(&g_Srw);
            g_Guarded++;
            ReleaseSRWLockExclusive(&g_Srw);
        }
        InterlockedAdd(&g_Sum, (LONG)(LONG_PTR)parameter);
    }
    return 7;
}

static const char *Threads(void)
{
    HANDLE threads[4];
    DWORD i, id, code = 0;
    InitializeCriticalSection(&g_Section);
    for (i = 0; i < 4; i++)
        threads[i] = CreateThread(NULL, 0, Add, (LPVOID)(LONG_PTR)2, 0, &id);
    EXPECT(WaitForMultipleObjects(4, threads, TRUE, INFINITE) == WAIT_OBJECT_0);
    EXPECT(GetExitCodeThread(threads[0], &code) && code == 7);
    for (i = 0; i < 4; i++)
        EXPECT(CloseHandle(threads[i]));
    EXPECT(g_Plain == 8000 && g_Sum == 16000 && g_Guarded == 4 * (2000 - 667));
    EXPECT(TryEnterCriticalSection(&g_Section));
    LeaveCriticalSection(&g_Section);
    DeleteCriticalSection(&g_Section);
    EXPECT(CreateThread(NULL, 0, Add, NULL, 4, NULL) == NULL);
    EXPECT(GetLastError() == ERROR_NOT_SUPPORTED);
    return NULL;
}

static DWORD WINAPI Write(LPVOID lock)
{
    AcquireSRWLockExclusive((PSRWLOCK)lock);
    ReleaseSRWLockExclusive((PSRWLOCK)lock);
    return 0;
}

static DWORD WINAPI Read(LPVOID lock)
{
    AcquireSRWLockShared((PSRWLOCK)lock);
    ReleaseSRWLockShared((PSRWLOCK)lock);
    return 0;
}

// Lets a thread block on the held lock before it is released: it has to be woken.
static BOOL Wakes(SRWLOCK *lock, LPTHREAD_START_ROUTINE start, void(WINAPI *release)(PSRWLOCK))
{
    HANDLE thread = CreateThread(NULL, 0, start, lock, 0, NULL);
    BOOL woken;
    while (InterlockedOr(&lock->waiters, 0) == 0)
        Sleep(1);
    Sleep(20);
    release(lock);
    woken = WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0;
    CloseHandle(thread);
    return woken;
}

static const char *ReaderWriterLock(void)
{
    static SRWLOCK held = SRWLOCK_INIT;
    SRWLOCK lock = SRWLOCK_INIT;
    AcquireSRWLockExclusive(&held);
    EXPECT(Wakes(&held, Read, ReleaseSRWLockExclusive));
    AcquireSRWLockExclusive(&held);
    EXPECT(Wakes(&held, Write, ReleaseSRWLockExclusive));
    AcquireSRWLockShared(&held);
    EXPECT(Wakes(&held, Write, ReleaseSRWLockShared));
    AcquireSRWLockShared(&lock);
    EXPECT(TryAcquireSRWLockShared(&lock) && !TryAcquireSRWLockExclusive(&lock));
    ReleaseSRWLockShared(&lock);
    ReleaseSRWLockShared(&lock);
    EXPECT(TryAcquireSRWLockExclusive(&lock) && !TryAcquireSRWLockShared(&lock));
    ReleaseSRWLockExclusive(&lock);
    return NULL;
}

static HANDLE g_Mutex;

static DWORD WINAPI TakeAndEnd(LPVOID parameter)
{
    (void)parameter;
    return WaitForSingleObject(g_Mutex, INFINITE);
}

static DWORD WINAPI TryMutex(LPVOID parameter)
{
    (void)parameter;
    return ReleaseMutex(g_Mutex) ? WAIT_FAILED : WaitForSingleObject(g_Mutex, 0);
}

static DWORD InThread(LPTHREAD_START_ROUTINE start)
{
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, start, NULL, 0, NULL);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

static const char *Waiting(void)
{
    HANDLE both[2];
    HANDLE automatic = CreateEvent(NULL, FALSE, TRUE, NULL);
    HANDLE manual = CreateEvent(NULL, TRUE, FALSE, NULL);
    EXPECT(WaitForSingleObject(automatic, 0) == WAIT_OBJECT_0);
    EXPECT(WaitForSingleObject(automatic, 1) == WAIT_TIMEOUT);
    both[0] = automatic;
    both[1] = manual;
    SetEvent(manual);
    EXPECT(WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0 + 1);
    EXPECT(WaitForMultipleObjects(2, both, TRUE, 0) == WAIT_TIMEOUT);
    SetEvent(automatic);
    EXPECT(WaitForMultipleObjects(2, both, TRUE, INFINITE) == WAIT_OBJECT_0);
    EXPECT(WaitForSingleObject(manual, 0) == WAIT_OBJECT_0 && ResetEvent(manual));
    EXPECT(WaitForSingleObject(manual, 0) == WAIT_TIMEOUT);
    EXPECT(CloseHandle(automatic) && CloseHandle(manual));
    EXPECT(CreateEvent(NULL, FALSE, FALSE, TEXT("named")) == NULL);
    EXPECT(WaitForSingleObject(NULL, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE);

    g_Mutex = CreateMutex(NULL, TRUE, NULL);
    EXPECT(WaitForSingleObject(g_Mutex, 0) == WAIT_OBJECT_0);
    EXPECT(InThread(TryMutex) == WAIT_TIMEOUT);
    EXPECT(ReleaseMutex(g_Mutex) && ReleaseMutex(g_Mutex) && !ReleaseMutex(g_Mutex));
    EXPECT(InThread(TakeAndEnd) == WAIT_OBJECT_0);
    EXPECT(WaitForSingleObject(g_Mutex, 0) == WAIT_ABANDONED && ReleaseMutex(g_Mutex));
    EXPECT(CloseHandle(g_Mutex));
    return NULL;
}

static const char *Interlocked(void)
{
    LONG value = 5;
    LONG64 large = 1;
    PVOID pointer = NULL;
    EXPECT(InterlockedIncrement(&value) == 6 && InterlockedDecrement(&value) == 5);
    EXPECT(InterlockedExchange(&value, 9) == 5 && InterlockedExchangeAdd(&value, 1) == 9);
    EXPECT(InterlockedCompareExchange(&value, 3, 10) == 10 && value == 3);
    EXPECT(InterlockedCompareExchange(&value, 4, 10) == 3 && value == 3);
    EXPECT(InterlockedOr(&value, 4) == 3 && InterlockedAnd(&value, 5) == 7 && value == 5);
    EXPECT(InterlockedIncrement64(&large) == 2);
    EXPECT(InterlockedCompareExchangePointer(&pointer, &value, NULL) == NULL && pointer == &value);
    EXPECT(InterlockedExchangePointer(&pointer, NULL) == &value);
    return NULL;
}

static const char *Time(void)
{
    LARGE_INTEGER one, two, per_second;
    ULONGLONG before = GetTickCount64();
    EXPECT(QueryPerformanceCounter(&one) && QueryPerformanceFrequency(&per_second));
    Sleep(20);
    EXPECT(QueryPerformanceCounter(&two));
    EXPECT((two.QuadPart - one.QuadPart) * 1000 / per_second.QuadPart >= 20);
    EXPECT(GetTickCount64() >= before + 19 && GetCurrentThreadId() != 0);
    return NULL;
}

static const char *Addresses(void)
{
    struct in_addr address;
    address.S_un.S_addr = htonl(0x0A4D0001);
    EXPECT(address.S_un.S_un_b.s_b1 == 10 && address.s_addr == inet_addr("10.77.0.1"));
    EXPECT(strcmp(inet_ntoa(address), "10.77.0.1") == 0);
    EXPECT(htons(0x1234) == 0x3412 && ntohl(htonl(5)) == 5 && ntohs(htons(67)) == 67);
    return NULL;
}

static const char *Registry(void)
{
    static const WCHAR kKey[] = L"\\SYSTEM\\CurrentControlSet\\Services\\DHCPServer\\Parameters";
    HKEY key, part;
    DWORD type = 0, number = 0, size = sizeof(number);
    char a[32];
    WCHAR w[32];
    EXPECT(RegOpenKeyExW(HKEY_LOCAL_MACHINE, L"Software", 0, KEY_READ, &key) ==
           ERROR_FILE_NOT_FOUND);
    EXPECT(RegOpenKeyExW(HKEY_LOCAL_MACHINE, kKey, 0, KEY_ALL_ACCESS, &key) == ERROR_ACCESS_DENIED);
    EXPECT(RegOpenKeyExW(HKEY_LOCAL_MACHINE, kKey, 0, KEY_READ, &key) == ERROR_SUCCESS);
    EXPECT(RegQueryValueExW(key, L"NUMBER", NULL, &type, (LPBYTE)&number, &size) == ERROR_SUCCESS);
    EXPECT(type == REG_DWORD && size == 4 && number == 77);
    size = sizeof(w);
    EXPECT(RegQueryValueExW(key, L"Text", NULL, &type, (LPBYTE)w, &size) == ERROR_SUCCESS);
    EXPECT(type == REG_SZ && size == 12 && wcscmp(w, L"h\xe9llo") == 0);
    size = 0;
    EXPECT(RegQueryValueExA(key, "Text", NULL, NULL, NULL, &size) == ERROR_SUCCESS && size == 7);
    EXPECT(RegQueryValueExA(key, "Text", NULL, NULL, (LPBYTE)a, &size) == ERROR_SUCCESS);
    EXPECT(strcmp(a, "h\xc3\xa9llo") == 0);
    size = 3;
    EXPECT(RegQueryValueExA(key, "Text", NULL, NULL, (LPBYTE)a, &size) == ERROR_MORE_DATA);
    EXPECT(size == 7);
    size = 2;
    EXPECT(RegQueryValueExW(key, L"Text", NULL, NULL, (LPBYTE)w, &size) == ERROR_MORE_DATA);
    EXPECT(size == 12);
    EXPECT(RegQueryValueExW(key, L"absent", NULL, NULL, NULL, NULL) == ERROR_FILE_NOT_FOUND);
    EXPECT(RegOpenKeyExA(key, "sub", 0, KEY_READ, &part) == ERROR_SUCCESS);
    EXPECT(RegQueryValueExA(part, "Inside", NULL, NULL, NULL, NULL) == ERROR_SUCCESS);
    EXPECT(RegCloseKey(part) == ERROR_SUCCESS);
    EXPECT(RegOpenKeyExA(key, "none", 0, KEY_READ, &part) == ERROR_FILE_NOT_FOUND);
    EXPECT(RegCloseKey(key) == ERROR_SUCCESS);
    EXPECT(RegOpenKeyExA(HKEY_LOCAL_MACHINE, "System", 0, KEY_READ, &part) == ERROR_SUCCESS);
    EXPECT(RegOpenKeyExA(part, "CurrentControlSet\\services\\DhcpServer\\Parameters", 0, KEY_READ,
                         &key) == ERROR_SUCCESS);
    return RegCloseKey(part) || RegCloseKey(key) ? "RegCloseKey" : NULL;
}

// The lines are compared by shim_test.cc.
static const char *Logs(void)
{
    LPCWSTR strings[2] = { L"first", L"s\xe9" L"cond" };
    HANDLE log = RegisterEventSourceW(NULL, L"my callout");
    EXPECT(log != NULL);
    EXPECT(ReportEventW(log, EVENTLOG_WARNING_TYPE, 0, 42, NULL, 2, 0, strings, NULL));
    EXPECT(DeregisterEventSource(log));
    OutputDebugStringW(L"debug line\r\n");
    OutputDebugStringA("narrow");
    EXPECT(!ReportEventA(NULL, 1, 0, 0, NULL, 0, 0, NULL, NULL));
    return NULL;
}

static HINSTANCE g_Self;

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved)
{
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        g_Self = self;
    return TRUE;
}

static const char *Modules(void)
{
    WCHAR w[MAX_PATH];
    char a[MAX_PATH];
    HMODULE other;
    EXPECT(GetModuleFileNameA(g_Self, a, MAX_PATH) > 9 && strstr(a, "/shims.so") != NULL);
    EXPECT(GetModuleFileNameW(g_Self, w, MAX_PATH) == strlen(a));
    EXPECT(GetModuleFileNameA(NULL, a, 4) == 4 && GetLastError() == ERROR_INSUFFICIENT_BUFFER);
    EXPECT(GetProcAddress(g_Self, "ShimCase") != NULL);
    EXPECT(GetProcAddress(g_Self, "printf") == NULL && GetLastError() == ERROR_PROC_NOT_FOUND);
    EXPECT(LoadLibraryW(L"C:\\absent.dll") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND);
    EXPECT(LoadLibraryA("text.so") == NULL && GetLastError() == ERROR_BAD_EXE_FORMAT);
    EXPECT(LoadLibrary(TEXT("refusing.dll")) == NULL && GetLastError() == ERROR_DLL_INIT_FAILED);
    other = LoadLibraryA("C:\\Windows\\System32\\leaf_one.dll");
    EXPECT(other != NULL && GetProcAddress(other, "DhcpServerCalloutEntry") != NULL);
    EXPECT(FreeLibrary(other));
    other = LoadLibraryA("D:\\mapped\\name.dll");
    EXPECT(other != NULL && GetProcAddress(other, "LeafName") != NULL && FreeLibrary(other));
    EXPECT(!FreeLibrary(NULL));
    return NULL;
}

typedef struct {
    const char *name;
    const char *(*run)(void);
} CASE;

static const CASE kCases[] = {
    { "Types", Types }, { "LastError", LastError }, { "Wide", Wide }, { "Generic", Generic },
    { "Formats", Formats }, { "Conversion", Conversion }, { "Memory", Memory },
    { "Threads", Threads }, { "ReaderWriterLock", ReaderWriterLock }, { "Waiting", Waiting },
    { "Interlocked", Interlocked }, { "Time", Time }, { "Addresses", Addresses },
    { "Registry", Registry }, { "Logs", Logs }, { "Modules", Modules },
};

__declspec(dllexport) const char *ShimCase(int i, const char **name)
{
    if (i < 0 || i >= (int)_countof(kCases))
        return *name = NULL;
    *name = kCases[i].name;
    return kCases[i].run();
}
