/* FreeBSD's <sys/uio.h>, as far as it is used. */
#pragma once

#include <sys/types.h>

struct iovec {
	void	*iov_base;
	size_t	iov_len;
};

ssize_t	preadv(int, const struct iovec*, int, off_t);
ssize_t	pwritev(int, const struct iovec*, int, off_t);
