#pragma once

/* Addresses from text and to text. The bodies are in sdk/lib/ddk/ip2string.c. */

#include <hookline/address.h>
#include <in6addr.h>
#include <inaddr.h>

#ifdef __cplusplus
extern "C" {
#endif

/* STATUS_SUCCESS, or STATUS_INVALID_PARAMETER for what is no address. *terminator is where reading
 * ended, at a fault as well; not everything need have been read. Strict: four decimal parts.
 * Otherwise also fewer parts, hexadecimal (0x) and octal (0) ones, as inet_addr has it. */
NTSTATUS NTAPI RtlIpv4StringToAddressA(PCSTR text, BOOLEAN strict, PCSTR* terminator,
                                       IN_ADDR* address);
NTSTATUS NTAPI RtlIpv4StringToAddressW(PCWSTR text, BOOLEAN strict, PCWSTR* terminator,
                                       IN_ADDR* address);
NTSTATUS NTAPI RtlIpv6StringToAddressA(PCSTR text, PCSTR* terminator, IN6_ADDR* address);
NTSTATUS NTAPI RtlIpv6StringToAddressW(PCWSTR text, PCWSTR* terminator, IN6_ADDR* address);

/* Write at most 16 (IPv4) or 46 (IPv6) characters with the NUL, and return where the NUL is. */
PSTR NTAPI RtlIpv4AddressToStringA(const IN_ADDR* address, PSTR text);
PWSTR NTAPI RtlIpv4AddressToStringW(const IN_ADDR* address, PWSTR text);
PSTR NTAPI RtlIpv6AddressToStringA(const IN6_ADDR* address, PSTR text);
PWSTR NTAPI RtlIpv6AddressToStringW(const IN6_ADDR* address, PWSTR text);

#ifdef __cplusplus
}
#endif
