/* FreeBSD's <net/ethernet.h>: what <net/if_lagg.h> wants before it. */
#pragma once

#define ETHER_ADDR_LEN	6
