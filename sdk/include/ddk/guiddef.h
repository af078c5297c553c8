/* No guard: DEFINE_GUID declares a key, and defines it where INITGUID was said before this header
 * was last included. */

#include <hookline/guid.h>

#undef DEFINE_GUID
#if defined(INITGUID)
#define DEFINE_GUID HOOKLINE_DEFINE_GUID
#else
#define DEFINE_GUID HOOKLINE_DECLARE_GUID
#endif
