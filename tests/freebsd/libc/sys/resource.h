/* FreeBSD's <sys/resource.h>, as far as it is used. */
#pragma once

#include <sys/time.h>

#define RUSAGE_SELF	0
#define RUSAGE_THREAD	1

struct rusage {
	struct timeval	ru_utime;
	struct timeval	ru_stime;
	long	ru_maxrss;
	long	ru_ixrss;
	long	ru_idrss;
	long	ru_isrss;
	long	ru_minflt;
	long	ru_majflt;
	long	ru_rest[6];
	long	ru_nvcsw;
	long	ru_nivcsw;
};

int	getrusage(int, struct rusage*);
