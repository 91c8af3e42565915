/* FreeBSD's <sys/sysctl.h>: sysctls by name. */
#pragma once

#include <sys/types.h>

int	sysctlbyname(const char*, void*, size_t*, const void*, size_t);
