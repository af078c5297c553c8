/* The DHCP Server Callout API for Hookline on Linux.
 *
 * The promise: this header has the names, values and layout of the public Windows header of the
 * same name on x86-64, and it never changes. A callout compiled against it today runs in every
 * later version of the server; the static assertions at the end hold each size and offset. There is
 * no second interface: conveniences are header-only (hookline/packet.h).
 *
 * Derived from mingw-w64's dhcpssdk.h, which is in the public domain, and from Microsoft's public
 * documentation. The comments are Hookline's own and say what this server does.
 *
 * Threads: the hooks of one callout are never called concurrently unless the operator allows it;
 * then every hook can run on several threads at once. No hook runs under a lock of the server. No
 * hook is called before DHCP_CONTROL_START has returned, none after DHCP_CONTROL_STOP. Hooks must
 * not block: the packet waits. What a hook returns is ignored.
 *
 * Lifetime: every pointer that a hook is given is valid until the hook returns, the packet context
 * excepted, which belongs to the callout. Reserved parameters are NULL or 0.
 *
 * Unlike the Windows header this one can be included without <windows.h> before it. */
#ifndef _CALLOUT_H_
#define _CALLOUT_H_

#include <hookline/wintypes.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef DWORD DHCP_IP_ADDRESS;

/* The options of a client's message. Pointers point into the packet, or are NULL where the option
 * is absent (its length is then 0): the bytes are those of the wire, in network order and
 * unaligned, and texts have no NUL. The server has zeroed the whole struct first. */
typedef struct _DHCP_SERVER_OPTIONS {
  BYTE* MessageType;                           /* option 53 */
  DHCP_IP_ADDRESS UNALIGNED* SubnetMask;       /* option 1 */
  DHCP_IP_ADDRESS UNALIGNED* RequestedAddress; /* option 50 */
  DWORD UNALIGNED* RequestLeaseTime;           /* option 51, seconds */
  BYTE* OverlayFields;                         /* option 52 */
  DHCP_IP_ADDRESS UNALIGNED* RouterAddress;    /* option 3 */
  DHCP_IP_ADDRESS UNALIGNED* Server;           /* option 54 */
  BYTE* ParameterRequestList;                  /* option 55 */
  DWORD ParameterRequestListLength;
  CHAR* MachineName; /* option 12 */
  DWORD MachineNameLength;
  BYTE ClientHardwareAddressType;
  BYTE ClientHardwareAddressLength;
  BYTE* ClientHardwareAddress;
  CHAR* ClassIdentifier;
  DWORD ClassIdentifierLength;
  BYTE* VendorClass;
  DWORD VendorClassLength;
  DWORD DNSFlags; /* option 81, its first byte */
  DWORD DNSNameLength;
  LPBYTE DNSName; /* option 81, the name */
  BOOLEAN DSDomainNameRequested;
  CHAR* DSDomainName;
  DWORD DSDomainNameLen;
  DWORD UNALIGNED* ScopeId; /* always NULL: multicast only */
} DHCP_SERVER_OPTIONS, *LPDHCP_SERVER_OPTIONS;

/* The key is relative to HKEY_LOCAL_MACHINE. These three are for RegOpenKeyEx and RegQueryValueEx.
 */
#define DHCP_CALLOUT_LIST_KEY \
  HOOKLINE_W("System\\CurrentControlSet\\Services\\DHCPServer\\Parameters")
#define DHCP_CALLOUT_LIST_VALUE HOOKLINE_W("CalloutDlls")
#define DHCP_CALLOUT_LIST_TYPE REG_MULTI_SZ
#define DHCP_CALLOUT_ENTRY_POINT "DhcpServerCalloutEntry"

#ifndef REG_MULTI_SZ
#define REG_MULTI_SZ 7
#endif

/* DhcpControlHook, dwControlCode. */
#define DHCP_CONTROL_START 0x00000001
#define DHCP_CONTROL_STOP 0x00000002
#define DHCP_CONTROL_PAUSE 0x00000003
#define DHCP_CONTROL_CONTINUE 0x00000004

/* DhcpPktDropHook, ControlCode. A dropped packet gets its reason, then PROCESSED: two calls. Every
 * packet gets exactly one PROCESSED, as its last call. */
#define DHCP_DROP_DUPLICATE 0x00000001
#define DHCP_DROP_NOMEM 0x00000002
#define DHCP_DROP_INTERNAL_ERROR 0x00000003
#define DHCP_DROP_TIMEOUT 0x00000004
#define DHCP_DROP_UNAUTH 0x00000005
#define DHCP_DROP_PAUSED 0x00000006
#define DHCP_DROP_NO_SUBNETS 0x00000007
#define DHCP_DROP_INVALID 0x00000008
#define DHCP_DROP_WRONG_SERVER 0x00000009
#define DHCP_DROP_NOADDRESS 0x0000000A
#define DHCP_DROP_PROCESSED 0x0000000B
#define DHCP_DROP_GEN_FAILURE 0x00000100

/* DhcpPktSendHook, ControlCode: always this. */
#define DHCP_SEND_PACKET 0x10000000

/* DhcpAddressDelHook, ControlCode. */
#define DHCP_PROB_CONFLICT 0x20000001
#define DHCP_PROB_DECLINE 0x20000002
#define DHCP_PROB_RELEASE 0x20000003
#define DHCP_PROB_NACKED 0x20000004

/* DhcpAddressOfferHook, ControlCode: a new lease, or a renewed one. */
#define DHCP_GIVE_ADDRESS_NEW 0x30000001
#define DHCP_GIVE_ADDRESS_OLD 0x30000002

/* DhcpAddressOfferHook, AddrType. */
#define DHCP_CLIENT_BOOTP 0x30000003
#define DHCP_CLIENT_DHCP 0x30000004

/* The service starts, stops, pauses, continues.
 * [thread: control. START first of all, STOP last of all, no packet is under way then] */
typedef DWORD(WINAPI* LPDHCP_CONTROL)(DWORD dwControlCode, LPVOID lpReserved);

/* A packet has come in; nothing was decoded yet. `*Packet` begins at the BOOTP op byte in a buffer
 * of 4096 bytes, `*PacketSize` are valid. Edit it in place, up to 4096 bytes, or set another
 * pointer and size: its bytes are copied when the hook returns, and the buffer stays yours.
 * `*PktContext` is NULL and yours to set; every later hook of this packet gets it. `*ProcessIt` is
 * TRUE; FALSE drops the packet (GEN_FAILURE, then PROCESSED). `IpAddress`: of the receiving
 * interface, host order. [thread: packet. first hook of a packet] */
typedef DWORD(WINAPI* LPDHCP_NEWPKT)(LPBYTE* Packet, DWORD* PacketSize, DWORD IpAddress,
                                     LPVOID Reserved, LPVOID* PktContext, LPBOOL ProcessIt);

/* Two hooks have this type.
 * PktDrop: the packet is dropped for a reason, or has ended (PROCESSED). Free the context either at
 * PROCESSED, or at Send and at every reason. Changes of the packet have no effect.
 * PktSend: the reply leaves next. Edit it in place, up to 4096 bytes, or swap the pointer as in
 * NewPkt; `*PacketSize` 0 suppresses the reply.
 * [thread: packet. Send and a drop reason exclude each other; PROCESSED comes last] */
typedef DWORD(WINAPI* LPDHCP_DROP_SEND)(LPBYTE* Packet, DWORD* PacketSize, DWORD ControlCode,
                                        DWORD IpAddress, LPVOID Reserved, LPVOID PktContext);

/* An address could not be given or is given back (`AltAddress`, host order). `Packet` is the
 * client's request. [thread: packet. before Send or the drop reason] */
typedef DWORD(WINAPI* LPDHCP_PROB)(LPBYTE Packet, DWORD PacketSize, DWORD ControlCode,
                                   DWORD IpAddress, DWORD AltAddress, LPVOID Reserved,
                                   LPVOID PktContext);

/* The lease of `AltAddress` (host order) is on disk and an ACK will say so; despite the hook's name
 * not called for an OFFER. `LeaseTime` in seconds, 0xFFFFFFFF is for ever.
 * [thread: packet. before Send] */
typedef DWORD(WINAPI* LPDHCP_GIVE_ADDRESS)(LPBYTE Packet, DWORD PacketSize, DWORD ControlCode,
                                           DWORD IpAddress, DWORD AltAddress, DWORD AddrType,
                                           DWORD LeaseTime, LPVOID Reserved, LPVOID PktContext);

/* The client's message was decoded. Copy what is needed later: the pointers lead into the packet.
 * Changes have no effect. [thread: packet. after NewPkt, before anything else of this packet] */
typedef DWORD(WINAPI* LPDHCP_HANDLE_OPTIONS)(LPBYTE Packet, DWORD PacketSize, LPVOID Reserved,
                                             LPVOID PktContext,
                                             LPDHCP_SERVER_OPTIONS ServerOptions);

/* A lease leaves the active database: released, declined, expired, deleted by the operator.
 * `IpAddress` in host order; `HwAddressLength` is at most 16. `Reserved` is a DWORD here, and there
 * is no packet. [thread: packet] */
typedef DWORD(WINAPI* LPDHCP_DELETE_CLIENT)(DWORD IpAddress, LPBYTE HwAddress,
                                            ULONG HwAddressLength, DWORD Reserved,
                                            DWORD ClientType);

/* Filled by the entry point; a NULL hook is not called. The last two are reserved: never called. */
typedef struct _DHCP_CALLOUT_TABLE {
  LPDHCP_CONTROL DhcpControlHook;
  LPDHCP_NEWPKT DhcpNewPktHook;
  LPDHCP_DROP_SEND DhcpPktDropHook;
  LPDHCP_DROP_SEND DhcpPktSendHook;
  LPDHCP_PROB DhcpAddressDelHook;
  LPDHCP_GIVE_ADDRESS DhcpAddressOfferHook;
  LPDHCP_HANDLE_OPTIONS DhcpHandleOptionsHook;
  LPDHCP_DELETE_CLIENT DhcpDeleteClientHook;
  LPVOID DhcpExtensionHook;
  LPVOID DhcpReservedHook;
} DHCP_CALLOUT_TABLE, *LPDHCP_CALLOUT_TABLE;

/* The function that a callout exports as DhcpServerCalloutEntry. `ChainDlls`: the names that follow
 * this DLL's in the list, each with its NUL, and one more NUL; never NULL. `CalloutVersion` is 0.
 * `CalloutTbl` is zeroed. ERROR_SUCCESS accepts; anything else, and the next DLL is tried.
 * [thread: control. once a load, before every hook] */
typedef DWORD(WINAPI* LPDHCP_ENTRY_POINT_FUNC)(LPWSTR ChainDlls, DWORD CalloutVersion,
                                               LPDHCP_CALLOUT_TABLE CalloutTbl);

#define HOOKLINE_AT(type, field, offset) \
  HOOKLINE_STATIC_ASSERT(offsetof(type, field) == (offset), #type "." #field)
HOOKLINE_STATIC_ASSERT(sizeof(DHCP_CALLOUT_TABLE) == 80, "DHCP_CALLOUT_TABLE");
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpControlHook, 0);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpNewPktHook, 8);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpPktDropHook, 16);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpPktSendHook, 24);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpAddressDelHook, 32);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpAddressOfferHook, 40);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpHandleOptionsHook, 48);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpDeleteClientHook, 56);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpExtensionHook, 64);
HOOKLINE_AT(DHCP_CALLOUT_TABLE, DhcpReservedHook, 72);
HOOKLINE_STATIC_ASSERT(sizeof(DHCP_SERVER_OPTIONS) == 176, "DHCP_SERVER_OPTIONS");
HOOKLINE_AT(DHCP_SERVER_OPTIONS, MessageType, 0);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, SubnetMask, 8);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, RequestedAddress, 16);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, RequestLeaseTime, 24);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, OverlayFields, 32);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, RouterAddress, 40);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, Server, 48);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ParameterRequestList, 56);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ParameterRequestListLength, 64);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, MachineName, 72);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, MachineNameLength, 80);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ClientHardwareAddressType, 84);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ClientHardwareAddressLength, 85);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ClientHardwareAddress, 88);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ClassIdentifier, 96);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ClassIdentifierLength, 104);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, VendorClass, 112);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, VendorClassLength, 120);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DNSFlags, 124);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DNSNameLength, 128);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DNSName, 136);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DSDomainNameRequested, 144);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DSDomainName, 152);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, DSDomainNameLen, 160);
HOOKLINE_AT(DHCP_SERVER_OPTIONS, ScopeId, 168);
#undef HOOKLINE_AT

#ifdef __cplusplus
}
#endif

#endif
