/* FreeBSD's <sys/file.h>, as far as it is used. */
#pragma once

#include <fcntl.h>

int	flock(int, int);
