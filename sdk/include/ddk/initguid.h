/* No guard: what is defined after this header is a key with a body. */

#ifndef INITGUID
#define INITGUID
#endif
#include <guiddef.h>
