#pragma once

/* What the loader calls in a driver built by `hookline-cc --driver`. Every such library exports the
 * functions below; the loader finds them by name. In order:
 *
 *   hookline_driver_attach(host)   declared in driver_host.h: the services of the server
 *   hookline_driver_start()        runs DriverEntry
 *   hookline_driver_control(…)     any number of times
 *   hookline_driver_unload()       runs the driver's unload routine
 *
 * attach, start and unload are called in this order, on any thread, not at the same time.
 * They may block as long as the driver's own code does: a loader with a deadline calls them on a
 * thread of its own. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the DRIVER_OBJECT and the registry path, and calls DriverEntry at PASSIVE_LEVEL. Returns
 * its NTSTATUS. After a failure hookline_driver_unload() must still be called: it cleans up and
 * reports leaks, but does not call the driver's unload routine then. */
uint32_t hookline_driver_start(void);

/* Refuses new control requests, calls EvtDriverUnload or DriverUnload at PASSIVE_LEVEL, ends what
 * is left of the SDK's own (timers, work items, their threads), and reports leaks as breaches: pool
 * by tag, count and bytes, system threads, registry keys, lookaside lists, MDLs. Returns the number
 * of threads that still run the driver's code, after waiting for them a while: unless it is 0, the
 * library must not be closed. Called again it waits again, and returns how many run then. */
uint32_t hookline_driver_unload(void);

/* One IOCTL on the driver's control device, answered when the driver completes the request: blocks.
 * `device` is the number that the host got for the device (0 for the first). *out_bytes is the room
 * on entry and what was returned on exit. Returns the NTSTATUS; STATUS_CANCELLED (0xC0000120) when
 * the driver is unloaded meanwhile. Any thread, also several at once. */
uint32_t hookline_driver_control(uint32_t device, uint32_t code, const void* in, size_t in_bytes,
                                 void* out, size_t* out_bytes);

/* The interrupt level of the calling thread inside this driver: 0 PASSIVE, 1 APC, 2 DISPATCH. The
 * loader sets it around each callback that it makes (classify, notify, completion), and restores
 * what it got. A thread begins at 0. */
uint8_t hookline_driver_set_irql(uint8_t level);

/* How many spin locks of this driver the calling thread holds. Checked builds count; others say 0.
 */
uint32_t hookline_driver_locks_held(void);

/* A clock of the loader's own, for simulation: nanoseconds since 1970, which timers, waits, delays
 * and every time that the driver reads follow from then on. Call it between attach and start, and
 * hookline_driver_clock_changed() after each change: that returns when every timer that had become
 * due, and each timer that those set for no later time, has run. NULL: the system's clock. `now_ns`
 * is called on any thread with a lock of the SDK held: it only reads. */
typedef uint64_t (*HooklineDriverClock)(void* context);
void hookline_driver_set_clock(HooklineDriverClock now_ns, void* context);
void hookline_driver_clock_changed(void);

/* For tests: of the kernel services' allocations in this driver, the `n`th from now fails (1 is the
 * next), once. 0: none. Returns how many were asked for since the last call. */
uint64_t hookline_driver_fail_allocation(uint64_t n);

typedef uint32_t (*HooklineDriverStart)(void);
typedef uint32_t (*HooklineDriverUnload)(void);
typedef uint32_t (*HooklineDriverControl)(uint32_t device, uint32_t code, const void* in,
                                          size_t in_bytes, void* out, size_t* out_bytes);
typedef uint8_t (*HooklineDriverSetIrql)(uint8_t level);
typedef uint32_t (*HooklineDriverLocksHeld)(void);
typedef void (*HooklineDriverSetClock)(HooklineDriverClock now_ns, void* context);
typedef void (*HooklineDriverClockChanged)(void);
typedef uint64_t (*HooklineDriverFailAllocation)(uint64_t n);

#define HOOKLINE_DRIVER_START_SYMBOL "hookline_driver_start"
#define HOOKLINE_DRIVER_UNLOAD_SYMBOL "hookline_driver_unload"
#define HOOKLINE_DRIVER_CONTROL_SYMBOL "hookline_driver_control"
#define HOOKLINE_DRIVER_SET_IRQL_SYMBOL "hookline_driver_set_irql"
#define HOOKLINE_DRIVER_LOCKS_HELD_SYMBOL "hookline_driver_locks_held"
#define HOOKLINE_DRIVER_SET_CLOCK_SYMBOL "hookline_driver_set_clock"
#define HOOKLINE_DRIVER_CLOCK_CHANGED_SYMBOL "hookline_driver_clock_changed"
#define HOOKLINE_DRIVER_FAIL_ALLOCATION_SYMBOL "hookline_driver_fail_allocation"

#ifdef __cplusplus
}
#endif
