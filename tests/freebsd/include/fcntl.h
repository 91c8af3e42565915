/* FreeBSD's <fcntl.h>: POSIX's, and what is FreeBSD's own. */
#pragma once

#include_next <fcntl.h>

#define SPACECTL_DEALLOC	1

struct spacectl_range {
	off_t	r_offset;
	off_t	r_len;
};

int	fspacectl(int, int, const struct spacectl_range*, int, struct spacectl_range*);
