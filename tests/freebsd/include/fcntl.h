/* FreeBSD's <fcntl.h>: POSIX's, and what is FreeBSD's own. */
#pragma once

#include_next <fcntl.h>
#include <sys/param.h>

#if __FreeBSD_version >= 1400000
#define SPACECTL_DEALLOC	1
#endif

struct spacectl_range {
	off_t	r_offset;
	off_t	r_len;
};

int	fspacectl(int, int, const struct spacectl_range*, int, struct spacectl_range*);
