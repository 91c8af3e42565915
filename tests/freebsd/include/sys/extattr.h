/* FreeBSD's <sys/extattr.h>: extended attributes. */
#pragma once

#include <sys/types.h>

#define EXTATTR_NAMESPACE_USER	1

ssize_t	extattr_get_fd(int, int, const char*, void*, size_t);
ssize_t	extattr_set_fd(int, int, const char*, const void*, size_t);
int	extattr_delete_fd(int, int, const char*);
