/* FreeBSD's <signal.h>: the host's, but for struct sigevent. */
#pragma once

#define sigevent host_sigevent
#include_next <signal.h>
#undef sigevent
#undef sigev_notify_function
#undef sigev_notify_attributes

struct sigevent {
	int	sigev_notify;
	int	sigev_signo;
	union sigval	sigev_value;
	union {
		int	_threadid;
		unsigned short	_kevent_flags;
		long	__spare__[8];
	} _sigev_un;
};
#define sigev_notify_kqueue	sigev_signo
#define sigev_notify_kevent_flags	_sigev_un._kevent_flags

#define SIGEV_KEVENT	3
