#pragma once

/* Microsoft's generic text: the wide functions with _UNICODE, the narrow ones without. */

#include <windows.h>

#ifdef _UNICODE
#define __T(text) L##text
typedef WCHAR _TCHAR;
#define _tcslen wcslen
#define _tcscpy wcscpy
#define _tcsncpy wcsncpy
#define _tcscat wcscat
#define _tcsncat wcsncat
#define _tcscmp wcscmp
#define _tcsncmp wcsncmp
#define _tcsicmp _wcsicmp
#define _tcsnicmp _wcsnicmp
#define _tcschr wcschr
#define _tcsrchr wcsrchr
#define _tcsstr wcsstr
#define _tcsdup _wcsdup
#define _tcstol wcstol
#define _tcstoul wcstoul
#define _ttoi _wtoi
#define _totupper towupper
#define _totlower towlower
#define _tcscpy_s wcscpy_s
#define _tcscat_s wcscat_s
#define _stprintf_s swprintf_s
#define _sntprintf _snwprintf
#define _vsntprintf _vsnwprintf
#define _tfopen _wfopen
#else
#define __T(text) text
typedef CHAR _TCHAR;
#define _tcslen strlen
#define _tcscpy strcpy
#define _tcsncpy strncpy
#define _tcscat strcat
#define _tcsncat strncat
#define _tcscmp strcmp
#define _tcsncmp strncmp
#define _tcsicmp _stricmp
#define _tcsnicmp _strnicmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcsdup _strdup
#define _tcstol strtol
#define _tcstoul strtoul
#define _ttoi atoi
#define _totupper toupper
#define _totlower tolower
#define _tcscpy_s strcpy_s
#define _tcscat_s strcat_s
#define _stprintf_s sprintf_s
#define _sntprintf _snprintf
#define _vsntprintf _vsnprintf
#define _tfopen fopen
#endif

#define _T(text) __T(text)
#define _TEXT(text) __T(text)
