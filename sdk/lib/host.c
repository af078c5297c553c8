/* Handing calls on to the loader's services, or doing without. */

#include <stdio.h>

#include "core.h"

static const struct HooklineHost* current;

/* A field that the loader knows and has filled. */
#define HOST_HAS(host, field)                                                      \
  ((host) != NULL &&                                                               \
   (host)->size >= offsetof(struct HooklineHost, field) + sizeof((host)->field) && \
   (host)->field != NULL)

const struct HooklineHost* hookline_host(void) {
  return __atomic_load_n(&current, __ATOMIC_ACQUIRE);
}

uint32_t hookline_take_host(const struct HooklineHost* host) {
  if (host != NULL && host->size < offsetof(struct HooklineHost, log)) {
    return ERROR_INVALID_PARAMETER;
  }
  __atomic_store_n(&current, host, __ATOMIC_RELEASE);
  return ERROR_SUCCESS;
}

void hookline_log(uint32_t severity, const char* source, uint32_t event_id, const char* text) {
  const struct HooklineHost* host = hookline_host();
  if (HOST_HAS(host, log)) {
    host->log(host->context, severity, source, event_id, text);
  } else if (event_id != 0) {
    fprintf(stderr, "%s: event %u: %s\n", source, event_id, text);
  } else {
    fprintf(stderr, "%s: %s\n", source, text);
  }
}

uint32_t hookline_registry_query(const char* subkey, const char* value, uint32_t* type, void* data,
                                 uint32_t* size) {
  const struct HooklineHost* host = hookline_host();
  if (HOST_HAS(host, registry_query)) {
    return host->registry_query(host->context, subkey, value, type, data, size);
  }
  return value == NULL && subkey[0] == '\0' ? ERROR_SUCCESS : ERROR_FILE_NOT_FOUND;
}

uint32_t hookline_map_path(const char* windows_path, char* out, uint32_t out_size) {
  const struct HooklineHost* host = hookline_host();
  if (HOST_HAS(host, map_path)) {
    return host->map_path(host->context, windows_path, out, out_size);
  }
  return 0;
}
