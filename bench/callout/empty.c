/* All hooks set, and empty. */
#include "dhcpssdk.h"

static DWORD CALLBACK control(DWORD code, LPVOID reserved) { return 0; }
static DWORD CALLBACK new_packet(LPBYTE* packet, DWORD* size, DWORD address, LPVOID reserved,
                                 LPVOID* context, LPBOOL process_it) {
  return 0;
}
static DWORD CALLBACK drop(LPBYTE* packet, DWORD* size, DWORD code, DWORD address, LPVOID reserved,
                           LPVOID context) {
  return 0;
}
static DWORD CALLBACK address_del(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                  LPVOID reserved, LPVOID context) {
  return 0;
}
static DWORD CALLBACK address_offer(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                    DWORD type, DWORD lease, LPVOID reserved, LPVOID context) {
  return 0;
}
static DWORD CALLBACK handle_options(LPBYTE packet, DWORD size, LPVOID reserved, LPVOID context,
                                     LPDHCP_SERVER_OPTIONS options) {
  return 0;
}
static DWORD CALLBACK delete_client(DWORD address, LPBYTE hardware, ULONG size, DWORD reserved,
                                    DWORD type) {
  return 0;
}

DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD version, LPDHCP_CALLOUT_TABLE table) {
  table->DhcpControlHook = control;
  table->DhcpNewPktHook = new_packet;
  table->DhcpPktDropHook = drop;
  table->DhcpPktSendHook = drop;
  table->DhcpAddressDelHook = address_del;
  table->DhcpAddressOfferHook = address_offer;
  table->DhcpHandleOptionsHook = handle_options;
  table->DhcpDeleteClientHook = delete_client;
  return 0;
}
