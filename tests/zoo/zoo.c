/* A callout that does what the packet tells it to: its client's hardware address is 02:5a, then the
 * hook (in the order of DHCP_CALLOUT_TABLE), then the act. DeleteClient looks at the hardware
 * address that it is given; Control does what the registry value ZooControl names. */
#include "zoo.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dhcpssdk.h"
#include "hookline/host.h"

static const struct HooklineHost* host;
static unsigned char* kept_packet; /* by keep */

uint32_t hookline_attach(const struct HooklineHost* given) {
  host = given;
  return 0;
}

static void say(const char* text) {
  if (host != NULL) host->log(host->context, HOOKLINE_LOG_INFORMATION, "zoo", 7, text);
}

static void say_attempt(const char* what, int failed) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", what, failed ? "refused" : "ALLOWED");
  say(text);
}

static volatile int one = 1;

static int deeper(volatile char* before) {
  volatile char here[4096];
  memset((void*)here, before[0], sizeof here);
  return one ? deeper(here) + here[1] : here[0];
}

static void* fault_later(void* unused) {
  usleep(20000);
  *(volatile int*)unused = 1;
  return NULL;
}

/* Everything that is mapped shared and writable: the ring. */
static void scribble(void) {
  char line[512];
  FILE* maps = fopen("/proc/self/maps", "r");
  unsigned long begin, end;
  char rights[8];
  if (maps == NULL) {
    say("no maps");
    return;
  }
  while (fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) != 3 || strcmp(rights, "rw-s") != 0) {
      continue;
    }
    memset((void*)begin, 0xEE, end - begin);
  }
  fclose(maps);
}

/* What the sandbox forbids, each tried once. */
static void try_everything(void) {
  const int passwords = open("/etc/passwd", O_RDONLY);
  say_attempt("read /etc/passwd", passwords < 0);
  say_attempt("write /tmp", open("/tmp/hookline-zoo", O_WRONLY | O_CREAT, 0600) < 0);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  say_attempt("fork", child < 0);
  say_attempt("signal the parent", kill(getppid(), 0) != 0);
  say_attempt("socket", socket(AF_INET, SOCK_DGRAM, 0) < 0);
  say_attempt("local socket", socket(AF_UNIX, SOCK_STREAM, 0) < 0);
  char* const none[] = {"true", NULL};
  execv("/bin/true", none);
  say_attempt("exec", 1);
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
      sleep(600);
      break;
    case ZOO_SCRIBBLE:
      scribble();
      break;
    case ZOO_FORK:
      if (fork() == 0) {
        for (;;) pause();
      }
      break;
    case ZOO_MEMORY:
      for (;;) {
        char* more = malloc(1 << 20);
        if (more == NULL) abort();
        memset(more, 1, 1 << 20);
      }
    case ZOO_CLOSE:
      for (int fd = 0; fd < 64; ++fd) close(fd);
      break;
    case ZOO_THREAD: {
      pthread_t thread;
      pthread_create(&thread, NULL, fault_later, NULL);
      pthread_detach(thread);
      break;
    }
    case ZOO_KILL:
      kill(getpid(), SIGKILL);
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
      break;
  }
}

static void maybe(int hook, const unsigned char* hardware, int size) {
  if (size < 6 || hardware[0] != 0x02 || hardware[1] != 0x5a || hardware[2] != hook) return;
  act(hardware[3]);
}

static void look_at(int hook, const unsigned char* packet, unsigned size) {
  if (size >= 34) maybe(hook, packet + 28, 6);
}

static DWORD CALLBACK control(DWORD code, LPVOID reserved) {
  unsigned char value[4] = {0};
  uint32_t type = 0, size = sizeof value;
  (void)reserved;
  say(code == DHCP_CONTROL_START ? "START" : code == DHCP_CONTROL_STOP ? "STOP" : "control");
  if (host != NULL &&
      host->registry_query(host->context, "", "ZooControl", &type, value, &size) == 0 &&
      code == value[0]) {
    act(value[1]);
  }
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

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD version, LPDHCP_CALLOUT_TABLE table) {
  unsigned char value[4] = {0};
  uint32_t type = 0, size = sizeof value;
  (void)chain;
  if (version != 0) return 50;
  if (host != NULL &&
      host->registry_query(host->context, "", "ZooEntry", &type, value, &size) == 0) {
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
