/* Handing breaches and log lines on to the host, or to stderr without one. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <hookline/driver_entry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ddk.h"

#define DDK_EXPORT __attribute__((visibility("default")))

static const struct HooklineDriverHost* current;
static uint64_t asked;   /* allocations since hookline_driver_fail_allocation() */
static uint64_t fail_at; /* the one that fails; 0: none */

const struct HooklineDriverHost* ddk_host(void) {
  return __atomic_load_n(&current, __ATOMIC_ACQUIRE);
}

DDK_EXPORT uint32_t hookline_driver_attach(const struct HooklineDriverHost* host);
uint32_t hookline_driver_attach(const struct HooklineDriverHost* host) {
  if (host != NULL && host->size < offsetof(struct HooklineDriverHost, log)) {
    return 87; /* ERROR_INVALID_PARAMETER */
  }
  __atomic_store_n(&current, host, __ATOMIC_RELEASE);
  return 0;
}

const char* ddk_driver_name(void) {
  const struct HooklineDriverHost* host = ddk_host();
  if (DDK_HOST_HAS(host, name)) {
    return host->name;
  }
  Dl_info info;
  if (dladdr((const void*)&current, &info) == 0 || info.dli_fname == NULL) {
    return "driver";
  }
  const char* slash = strrchr(info.dli_fname, '/');
  return slash != NULL ? slash + 1 : info.dli_fname;
}

void ddk_log(uint32_t severity, const char* text) {
  const struct HooklineDriverHost* host = ddk_host();
  size_t length = strlen(text);
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) {
    --length;
  }
  if (!DDK_HOST_HAS(host, log)) {
    fprintf(stderr, "%s: %.*s\n", ddk_driver_name(), (int)length, text);
    return;
  }
  if (text[length] == '\0') {
    host->log(host->context, severity, text);
    return;
  }
  char* line = strndup(text, length);
  if (line != NULL) {
    host->log(host->context, severity, line);
    free(line);
  }
}

void ddk_breach(const char* function, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const struct HooklineDriverHost* host = ddk_host();
  if (DDK_HOST_HAS(host, breach)) {
    host->breach(host->context, function, text);
  } else {
    fprintf(stderr, "%s: breach in %s: %s\n", ddk_driver_name(), function, text);
  }
}

DDK_EXPORT uint64_t hookline_driver_fail_allocation(uint64_t n) {
  __atomic_store_n(&fail_at, n, __ATOMIC_SEQ_CST);
  return __atomic_exchange_n(&asked, 0, __ATOMIC_SEQ_CST);
}

int ddk_may_allocate(void) {
  uint64_t number = __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
  return number != __atomic_load_n(&fail_at, __ATOMIC_RELAXED);
}
