/* FreeBSD's <net/if_media.h>: the state of a cable. */
#pragma once

#define IFM_AVALID	0x00000001
#define IFM_ACTIVE	0x00000002
