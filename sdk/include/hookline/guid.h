#pragma once

/* Keys and their comparison, under <guiddef.h> of the driver kit. A key that several files define
 * is one. */

#include <hookline/wintypes.h>
#include <string.h>

typedef GUID IID, CLSID, UUID;
#if defined(__cplusplus)
typedef const GUID& REFGUID;
typedef const IID& REFIID;
#else
typedef const GUID* REFGUID;
typedef const IID* REFIID;
#endif

#define HOOKLINE_DECLARE_GUID(name, a, b, c, d0, d1, d2, d3, d4, d5, d6, d7) \
  HOOKLINE_EXTERN_C const GUID name
#if defined(__cplusplus)
#define HOOKLINE_DEFINE_GUID(name, a, b, c, d0, d1, d2, d3, d4, d5, d6, d7) \
  extern "C" const GUID name __attribute__((weak));                         \
  extern "C" const GUID name = {a, b, c, {d0, d1, d2, d3, d4, d5, d6, d7}}
#else
#define HOOKLINE_DEFINE_GUID(name, a, b, c, d0, d1, d2, d3, d4, d5, d6, d7) \
  extern const GUID name;                                                   \
  const GUID name __attribute__((weak)) = {a, b, c, {d0, d1, d2, d3, d4, d5, d6, d7}}
#endif

#if defined(__cplusplus)
static inline int InlineIsEqualGUID(const GUID& a, const GUID& b) {
  return memcmp(&a, &b, sizeof(GUID)) == 0;
}
static inline int IsEqualGUID(const GUID& a, const GUID& b) { return InlineIsEqualGUID(a, b); }
inline bool operator==(const GUID& a, const GUID& b) { return InlineIsEqualGUID(a, b) != 0; }
#if __cplusplus < 202002L
inline bool operator!=(const GUID& a, const GUID& b) { return InlineIsEqualGUID(a, b) == 0; }
#endif
#else
static inline int InlineIsEqualGUID(const GUID* a, const GUID* b) {
  return memcmp(a, b, sizeof(GUID)) == 0;
}
#define IsEqualGUID(a, b) InlineIsEqualGUID(a, b)
#endif
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#define IsEqualCLSID(a, b) IsEqualGUID(a, b)
