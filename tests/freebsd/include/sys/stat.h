/* FreeBSD's <sys/stat.h>: when a file was made, where the host has nothing (see layer.c). */
#pragma once

#include_next <sys/stat.h>

#ifndef st_birthtime
#define st_birthtime __glibc_reserved[0]
#endif
