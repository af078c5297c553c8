#pragma once

/* What every generated trace header (x.tmh) is here: the tracing macros as nothing. hookline-cc
 * adds the names that a source's "begin_wpp config" comments declare. */

#define WPP_INIT_TRACING(...) ((void)0)
#define WPP_CLEANUP(...) ((void)0)
#define DoTraceMessage(...) ((void)0)
#define DoTraceLevelMessage(...) ((void)0)

#define TRACE_LEVEL_NONE 0
#define TRACE_LEVEL_CRITICAL 1
#define TRACE_LEVEL_FATAL 1
#define TRACE_LEVEL_ERROR 2
#define TRACE_LEVEL_WARNING 3
#define TRACE_LEVEL_INFORMATION 4
#define TRACE_LEVEL_VERBOSE 5

/* The flags that a driver's WPP_CONTROL_GUIDS lists are numbers, and never enabled. Its own
 * definitions of WPP_LEVEL_FLAGS_ENABLED and the like, which use these, still compile. */
#ifdef WPP_CONTROL_GUIDS
#define WPP_DEFINE_CONTROL_GUID(name, guid, bits) \
  enum hookline_wpp_##name{bits hookline_wpp_end_of_##name};
#define WPP_DEFINE_BIT(name) WPP_BIT_##name,
WPP_CONTROL_GUIDS
#undef WPP_DEFINE_CONTROL_GUID
#undef WPP_DEFINE_BIT
#define WPP_DEFINE_CONTROL_GUID(name, guid, bits)
#define WPP_DEFINE_BIT(name)
#endif

struct HooklineWppControl {
  unsigned char Level;
  unsigned long long Logger;
  unsigned long long AutoLogContext;
  unsigned char AutoLogVerboseEnabled;
};
static const struct HooklineWppControl hookline_wpp_control __attribute__((unused)) = {0, 0, 0, 0};
#ifndef WPP_CONTROL
#define WPP_CONTROL(flag) hookline_wpp_control
#endif
#ifndef WPP_FLAG_ENABLED
#define WPP_FLAG_ENABLED(flag) 0
#endif
#ifndef WPP_LEVEL_ENABLED
#define WPP_LEVEL_ENABLED(flag) 0
#endif
#ifndef WPP_LEVEL_LOGGER
#define WPP_LEVEL_LOGGER(flag) WPP_CONTROL(flag).Logger,
#endif
#ifndef WPP_LOGPAIR
#define WPP_LOGPAIR(size, pointer)
#endif
#ifndef WPP_RECORDER_LEVEL_FLAGS_ARGS
#define WPP_RECORDER_LEVEL_FLAGS_ARGS(level, flags) \
  WPP_CONTROL(flags).AutoLogContext, level, WPP_BIT_##flags
#endif
#ifndef WPP_RECORDER_LEVEL_FLAGS_FILTER
#define WPP_RECORDER_LEVEL_FLAGS_FILTER(level, flags) 0
#endif
