/* FreeBSD's <sys/ioctl.h>. */
#pragma once

#include <sys/ioccom.h>
#include <sys/sockio.h>
