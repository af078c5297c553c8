#pragma once

/* The packet-callout API's core, types only: values and filters (fwp_types.h, fwp_management.h),
 * what callouts get and give (fwp_callout.h), packets (netbuffer.h, mdl.h), addresses (address.h),
 * keys (fwp_guids.h), NTSTATUS values. It defines no word that ordinary code could mean otherwise,
 * so the server includes it beside the headers of Linux; drivers get it through <fwpsk.h> and
 * <fwpmk.h>, which add functions and names without numbers. C11, C++11 and later, gcc and clang. */

#include <hookline/fwp_callout.h>
#include <hookline/fwp_guids.h>
