#pragma once

/* The objects of filter management: what fwpmtypes.h has of sessions, sublayers, callouts and
 * filters. Plain types, for drivers and the server. */

#include <hookline/fwp_types.h>

struct _SEC_WINNT_AUTH_IDENTITY_W;

#define FWPM_SESSION_FLAG_DYNAMIC 0x00000001
#define FWPM_SESSION_FLAG_RESERVED 0x10000000
#define FWPM_TXN_READ_ONLY 0x00000001
#define FWPM_PROVIDER_FLAG_PERSISTENT 0x00000001
#define FWPM_SUBLAYER_FLAG_PERSISTENT 0x00000001
#define FWPM_CALLOUT_FLAG_PERSISTENT 0x00010000
#define FWPM_CALLOUT_FLAG_USES_PROVIDER_CONTEXT 0x00020000
#define FWPM_CALLOUT_FLAG_REGISTERED 0x00040000
#define FWPM_FILTER_FLAG_NONE 0x00000000
#define FWPM_FILTER_FLAG_PERSISTENT 0x00000001
#define FWPM_FILTER_FLAG_BOOTTIME 0x00000002
#define FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT 0x00000004
#define FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT 0x00000008
#define FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED 0x00000010
#define FWPM_FILTER_FLAG_DISABLED 0x00000020
#define FWPM_FILTER_FLAG_INDEXED 0x00000040

#define FWPM_AUTO_WEIGHT_BITS 60

typedef struct FWPM_DISPLAY_DATA0_ {
  WCHAR* name;
  WCHAR* description;
} FWPM_DISPLAY_DATA0;

typedef struct FWPM_SESSION0_ {
  GUID sessionKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  UINT32 txnWaitTimeoutInMSec;
  DWORD processId;
  SID* sid;
  WCHAR* username;
  BOOL kernelMode;
} FWPM_SESSION0;

typedef struct FWPM_PROVIDER0_ {
  GUID providerKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  FWP_BYTE_BLOB providerData;
  WCHAR* serviceName;
} FWPM_PROVIDER0;

typedef struct FWPM_SUBLAYER0_ {
  GUID subLayerKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  GUID* providerKey;
  FWP_BYTE_BLOB providerData;
  UINT16 weight;
} FWPM_SUBLAYER0;

typedef struct FWPM_CALLOUT0_ {
  GUID calloutKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  GUID* providerKey;
  FWP_BYTE_BLOB providerData;
  GUID applicableLayer;
  UINT32 calloutId;
} FWPM_CALLOUT0;

typedef struct FWPM_ACTION0_ {
  FWP_ACTION_TYPE type;
  HOOKLINE_ANONYMOUS union {
    GUID filterType;
    GUID calloutKey;
  };
} FWPM_ACTION0;

typedef struct FWPM_FILTER_CONDITION0_ {
  GUID fieldKey;
  FWP_MATCH_TYPE matchType;
  FWP_CONDITION_VALUE0 conditionValue;
} FWPM_FILTER_CONDITION0;

typedef struct FWPM_FILTER0_ {
  GUID filterKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  GUID* providerKey;
  FWP_BYTE_BLOB providerData;
  GUID layerKey;
  GUID subLayerKey;
  FWP_VALUE0 weight;
  UINT32 numFilterConditions;
  FWPM_FILTER_CONDITION0* filterCondition;
  FWPM_ACTION0 action;
  HOOKLINE_ANONYMOUS union {
    UINT64 rawContext;
    GUID providerContextKey;
  };
  GUID* reserved;
  UINT64 filterId;
  FWP_VALUE0 effectiveWeight;
} FWPM_FILTER0;

/* Filters here have no provider context; callouts get NULL. The versions have one layout. */
typedef enum FWPM_PROVIDER_CONTEXT_TYPE_ HOOKLINE_AS_INT {
  FWPM_GENERAL_CONTEXT = 8
} FWPM_PROVIDER_CONTEXT_TYPE;

typedef struct FWPM_PROVIDER_CONTEXT0_ {
  GUID providerContextKey;
  FWPM_DISPLAY_DATA0 displayData;
  UINT32 flags;
  GUID* providerKey;
  FWP_BYTE_BLOB providerData;
  FWPM_PROVIDER_CONTEXT_TYPE type;
  HOOKLINE_ANONYMOUS union {
    FWP_BYTE_BLOB* dataBuffer;
    void* other;
  };
  UINT64 providerContextId;
} FWPM_PROVIDER_CONTEXT0, FWPM_PROVIDER_CONTEXT1, FWPM_PROVIDER_CONTEXT2, FWPM_PROVIDER_CONTEXT3;

typedef enum FWPM_SERVICE_STATE_ HOOKLINE_AS_INT {
  FWPM_SERVICE_STOPPED = 0,
  FWPM_SERVICE_START_PENDING = 1,
  FWPM_SERVICE_STOP_PENDING = 2,
  FWPM_SERVICE_RUNNING = 3,
  FWPM_SERVICE_STATE_MAX = 4
} FWPM_SERVICE_STATE;

typedef void(CALLBACK* FWPM_SERVICE_STATE_CHANGE_CALLBACK0)(void* context,
                                                            FWPM_SERVICE_STATE newState);

HOOKLINE_STATIC_ASSERT(sizeof(FWPM_SESSION0) == 72, "FWPM_SESSION0");
HOOKLINE_STATIC_ASSERT(sizeof(FWPM_SUBLAYER0) == 72, "FWPM_SUBLAYER0");
HOOKLINE_STATIC_ASSERT(sizeof(FWPM_CALLOUT0) == 88, "FWPM_CALLOUT0");
HOOKLINE_STATIC_ASSERT(sizeof(FWPM_FILTER_CONDITION0) == 40, "FWPM_FILTER_CONDITION0");
HOOKLINE_STATIC_ASSERT(sizeof(FWPM_ACTION0) == 20, "FWPM_ACTION0");
HOOKLINE_STATIC_ASSERT(sizeof(FWPM_FILTER0) == 200, "FWPM_FILTER0");
