/* A callout that does what the packet tells it to: its client's hardware address is 02:5a, then the
 * hook (in the order of DHCP_CALLOUT_TABLE), then the act. DeleteClient looks at the hardware
 * address that it is given. Control does it once, at the code that follows the act in the address:
 * 02:5a:00:act:code; or each time, at the code and the act in the registry value ZooControl. */
#include "zoo.h"

#ifdef _WIN32
#include "zoo_windows.h"
#else
#include "zoo_linux.h"
#endif

static unsigned char* kept_packet; /* by keep */

static const unsigned char* looked_at; /* the packet of this hook */

static unsigned control_code, control_act; /* what a client wants done at the next such code */

static volatile int one = 1;

static int deeper(volatile char* before) {
  volatile char here[4096];
  memset((void*)here, before[0], sizeof here);
  return one ? deeper(here) + here[1] : here[0];
}

static void act_worse(int what) {
  switch (what) {
    case ZOO_TRAP:
      __builtin_trap();
    case ZOO_THROW:
      throw_something();
      break;
    case ZOO_FAIL_FAST:
      fail_fast();
      break;
    case ZOO_HEAP:
      for (int i = 0; i < 64; ++i) {
        char* volatile block = malloc(200);
        memset(block - 64, 0x41, 4096);
        free(block);
      }
      break;
    case ZOO_EXEC:
      run_other_program();
      break;
    case ZOO_OPEN:
      open_others_files();
      break;
    case ZOO_CONNECT:
      connect_out();
      break;
    case ZOO_LATE:
      return_late();
      break;
    case ZOO_CPP:
      throw_cpp();
      break;
    case ZOO_UNCAUGHT:
      start_throwing_thread();
      break;
    case ZOO_FREE_PACKET:
      free((void*)looked_at);
      break;
    case ZOO_SPIN_THREAD:
      start_spinning_thread();
      break;
    default:
      break;
  }
}

static void act(int what) {
  switch (what) {
    case ZOO_NULL:
      *(volatile int*)(one ? 0x10 : 0) = 1;
      break;
    case ZOO_STACK: {
      volatile char here = 1;
      deeper(&here);
      break;
    }
    case ZOO_ABORT:
      abort();
    case ZOO_EXIT:
      exit(3);
    case ZOO_DIVIDE:
      one = 7 / (one - 1);
      break;
    case ZOO_HANG:
      for (;;) one = 1;
    case ZOO_SLEEP:
      sleep_long();
      break;
    case ZOO_SCRIBBLE:
      scribble();
      break;
    case ZOO_FORK:
      fork_one();
      break;
    case ZOO_MEMORY:
      for (;;) {
        char* more = malloc(1 << 20);
        if (more == NULL) abort();
        memset(more, 1, 1 << 20);
      }
    case ZOO_CLOSE:
      close_everything();
      break;
    case ZOO_THREAD:
      start_faulting_thread();
      break;
    case ZOO_KILL:
      kill_self();
      break;
    case ZOO_FREE: {
      char* volatile twice = malloc(100);
      free(twice);
      free(twice);
    } break;
    case ZOO_TRY:
      try_everything();
      break;
    case ZOO_FLOOD:
      for (int i = 0; i < 100000; ++i) say("a line, and many more like it");
      break;
    case ZOO_PRINT:
      printf("printed by itself\n");
      fflush(stdout);
      break;
    default:
      act_worse(what);
  }
}

static void maybe(int hook, const unsigned char* hardware, int size) {
  if (size < 6 || hardware[0] != 0x02 || hardware[1] != 0x5a) return;
  if (hook == ZOO_NEW_PACKET && hardware[2] == ZOO_CONTROL) {
    control_act = hardware[3];
    control_code = hardware[4];
  }
  if (hardware[2] == hook) act(hardware[3]);
}

static void look_at(int hook, const unsigned char* packet, unsigned size) {
  looked_at = packet;
  if (size >= 34) maybe(hook, packet + 28, 6);
}

static DWORD CALLBACK control(DWORD code, LPVOID reserved) {
  unsigned char value[4] = {0};
  const unsigned wanted = control_code == code ? control_act : ZOO_NOTHING;
  (void)reserved;
  say(code == DHCP_CONTROL_START ? "START" : code == DHCP_CONTROL_STOP ? "STOP" : "control");
  if (setting("ZooControl", value) && code == value[0]) act(value[1]);
  if (wanted != ZOO_NOTHING) control_code = 0;
  act((int)wanted);
  return 0;
}

static DWORD CALLBACK new_packet(LPBYTE* packet, DWORD* size, DWORD address, LPVOID reserved,
                                 LPVOID* context, LPBOOL process_it) {
  (void)address, (void)reserved;
  look_at(ZOO_NEW_PACKET, *packet, *size);
  *context = *packet; /* to be found again in every later hook */
  if (*size >= 34 && (*packet)[28] == 0x02 && (*packet)[29] == 0x5b) {
    switch ((*packet)[30]) {
      case ZOO_REFUSE:
        *process_it = FALSE;
        break;
      case ZOO_EDIT:
        (*packet)[10] = 0x77;
        (*packet)[*size] = 0x55;
        *size += 1;
        break;
      case ZOO_HUGE:
        *size = 5000;
        break;
      case ZOO_KEEP:
        kept_packet = *packet;
        break;
      default:
        break;
    }
  }
  return 0;
}

static DWORD CALLBACK drop(LPBYTE* packet, DWORD* size, DWORD code, DWORD address, LPVOID reserved,
                           LPVOID context) {
  (void)code, (void)address, (void)reserved;
  look_at(ZOO_DROP, *packet, *size);
  if (context != *packet) say("PktContext is wrong");
  if (kept_packet != NULL && kept_packet == *packet && code == DHCP_DROP_PROCESSED) {
    say("kept until PROCESSED");
    kept_packet = NULL;
  }
  return 0;
}

static DWORD CALLBACK send_packet(LPBYTE* packet, DWORD* size, DWORD code, DWORD address,
                                  LPVOID reserved, LPVOID context) {
  (void)code, (void)address, (void)reserved;
  look_at(ZOO_SEND, *packet, *size);
  if (context == NULL) say("PktContext is wrong");
  if (*size >= 34 && (*packet)[28] == 0x02 && (*packet)[29] == 0x5b && (*packet)[30] == ZOO_MUTE) {
    *size = 0;
  }
  return 0;
}

static DWORD CALLBACK address_del(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                  LPVOID reserved, LPVOID context) {
  (void)code, (void)address, (void)alt, (void)reserved, (void)context;
  look_at(ZOO_ADDRESS_DEL, packet, size);
  return 0;
}

static DWORD CALLBACK address_offer(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                    DWORD type, DWORD lease, LPVOID reserved, LPVOID context) {
  (void)code, (void)address, (void)alt, (void)type, (void)lease, (void)reserved, (void)context;
  look_at(ZOO_ADDRESS_OFFER, packet, size);
  return 0;
}

static DWORD CALLBACK handle_options(LPBYTE packet, DWORD size, LPVOID reserved, LPVOID context,
                                     LPDHCP_SERVER_OPTIONS options) {
  (void)reserved, (void)context;
  look_at(ZOO_OPTIONS, packet, size);
  if (options->MachineName != NULL) {
    char text[64];
    snprintf(text, sizeof text, "machine %.*s", (int)options->MachineNameLength,
             options->MachineName);
    say(text);
  }
  return 0;
}

static DWORD CALLBACK delete_client(DWORD address, LPBYTE hardware, ULONG size, DWORD reserved,
                                    DWORD type) {
  (void)address, (void)reserved, (void)type;
  maybe(ZOO_DELETE_CLIENT, hardware, (int)size);
  return 0;
}

ZOO_EXPORT DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD version,
                                                 LPDHCP_CALLOUT_TABLE table) {
  unsigned char value[4] = {0};
  (void)chain;
  if (version != 0) return 50;
  if (setting("ZooEntry", value)) {
    act(value[0]);
    if (value[0] == 0) return 5;
  }
  table->DhcpControlHook = control;
  table->DhcpNewPktHook = new_packet;
  table->DhcpPktDropHook = drop;
  table->DhcpPktSendHook = send_packet;
  table->DhcpAddressDelHook = address_del;
  table->DhcpAddressOfferHook = address_offer;
  table->DhcpHandleOptionsHook = handle_options;
  table->DhcpDeleteClientHook = delete_client;
  return 0;
}
