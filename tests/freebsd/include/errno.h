/* The host's <errno.h>, and what is FreeBSD's own. */
#pragma once

#include_next <errno.h>

#ifndef ECAPMODE
#define ENOTCAPABLE	93
#define ECAPMODE	94
#endif

/* The host's word for it. */
#ifndef ENOATTR
#define ENOATTR	ENODATA
#endif
