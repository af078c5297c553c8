#pragma once

/* struct in_addr with Microsoft's members. Do not include <netinet/in.h> beside it. */

#include <hookline/address.h>

#define in_addr HookInAddr

#define s_addr S_un.S_addr
#define s_net S_un.S_un_b.s_b1
#define s_host S_un.S_un_b.s_b2
#define s_lh S_un.S_un_b.s_b3
#define s_impno S_un.S_un_b.s_b4
#define s_imp S_un.S_un_w.s_w2
