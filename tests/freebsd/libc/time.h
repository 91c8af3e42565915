/* FreeBSD's <time.h>, as far as it is used. */
#pragma once

#include <sys/types.h>

#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC	4

struct timespec {
	time_t	tv_sec;
	long	tv_nsec;
};

int	clock_gettime(clockid_t, struct timespec*);
int	nanosleep(const struct timespec*, struct timespec*);
time_t	time(time_t*);
