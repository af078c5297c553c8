// Its DllMain says no.

#include <windows.h>

BOOL WINAPI DllMain(HINSTANCE Self, DWORD Reason, LPVOID Reserved)
{
    (void)Self, (void)Reserved;
    return Reason != DLL_PROCESS_ATTACH;
}
