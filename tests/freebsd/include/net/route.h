/* FreeBSD's <net/route.h>: messages of the routing socket. */
#pragma once

#define RTM_VERSION	5
#define RTM_IFINFO	0xe
#define RTM_IFANNOUNCE	0x11
