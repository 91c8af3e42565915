/* FreeBSD's <limits.h>: what the compiler doesn't know. */
#pragma once

#include_next <limits.h>

#define NAME_MAX	255
#define PATH_MAX	1024
#define IOV_MAX		1024
