#pragma once

/* Filter management for drivers: sessions, transactions, sublayers, callouts, filters. */

#include <fwpmtypes.h>
#include <guiddef.h>
#include <hookline/fwp_functions.h>
#include <wdm.h>

#define RPC_C_AUTHN_NONE 0
#define RPC_C_AUTHN_WINNT 10
#define RPC_C_AUTHN_DEFAULT ((LONG)0xFFFFFFFF)
