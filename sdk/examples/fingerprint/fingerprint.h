#pragma once

// What fingerprint.so knows of a client. Needs <windows.h> before it.

typedef struct _FINGERPRINT {
    BYTE Asked[64];     // option 55, in the client's order
    BYTE AskedLength;
    BYTE Vendor[64];    // option 60
    BYTE VendorLength;
} FINGERPRINT;

// FALSE: never seen. Any thread.
typedef BOOL (WINAPI *FINGERPRINT_OF)(const BYTE Mac[6], FINGERPRINT *Print);
#define FINGERPRINT_OF_NAME "FingerprintOf"
