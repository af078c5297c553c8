/* The words of zoo.c. */
#pragma once

/* Hooks, in the order of DHCP_CALLOUT_TABLE. */
enum {
  ZOO_CONTROL,
  ZOO_NEW_PACKET,
  ZOO_DROP,
  ZOO_SEND,
  ZOO_ADDRESS_DEL,
  ZOO_ADDRESS_OFFER,
  ZOO_OPTIONS,
  ZOO_DELETE_CLIENT,
};

/* Acts, of clients 02:5a:hook:act (for ZOO_CONTROL 02:5a:00:act:code). */
enum {
  ZOO_NOTHING,
  ZOO_NULL,
  ZOO_STACK,
  ZOO_ABORT,
  ZOO_EXIT,
  ZOO_DIVIDE,
  ZOO_HANG,
  ZOO_SLEEP,
  ZOO_SCRIBBLE,
  ZOO_FORK,
  ZOO_MEMORY,
  ZOO_CLOSE,
  ZOO_THREAD,
  ZOO_KILL,
  ZOO_FREE,
  ZOO_TRY,
  ZOO_FLOOD,
  ZOO_PRINT,
  ZOO_TRAP,
  ZOO_THROW, /* on Linux these two abort: C++ exceptions are tested elsewhere */
  ZOO_FAIL_FAST,
  ZOO_HEAP,        /* writes over the heap, and goes on using it */
  ZOO_EXEC,        /* tries to become another program, and goes on */
  ZOO_OPEN,        /* opens what is not its own, and goes on */
  ZOO_CONNECT,     /* talks to others, and goes on */
  ZOO_LATE,        /* returns long after its budget, whatever signal asks it to end */
  ZOO_CPP,         /* a C++ exception leaves the hook; on Windows as ZOO_THROW */
  ZOO_UNCAUGHT,    /* the same on a thread of its own */
  ZOO_SPIN_THREAD, /* a thread that takes a processor for itself for a second */
  ZOO_FREE_PACKET,
};

/* What is allowed, of clients 02:5b:what. */
enum { ZOO_REFUSE = 1, ZOO_EDIT, ZOO_HUGE, ZOO_KEEP, ZOO_MUTE };
