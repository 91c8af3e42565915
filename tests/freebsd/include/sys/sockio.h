/* FreeBSD's <sys/sockio.h>: ioctls of interfaces. */
#pragma once

#include <sys/ioccom.h>

#define SIOCGIFFLAGS	_IOWR('i', 17, struct ifreq)
#define SIOCGIFCONF	_IOWR('i', 36, struct ifconf)
#define SIOCGIFMTU	_IOWR('i', 51, struct ifreq)
#define SIOCGIFMEDIA	_IOWR('i', 56, struct ifmediareq)
