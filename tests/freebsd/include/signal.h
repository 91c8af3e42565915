/* FreeBSD's <signal.h>: the host's, but for struct sigevent and sig_atomic_t. */
#pragma once

#define sigevent host_sigevent
#define sig_atomic_t host_sig_atomic_t
#include_next <signal.h>
#undef sig_atomic_t
#undef sigevent
#undef sigev_notify_function
#undef sigev_notify_attributes

#if defined(__x86_64__) || defined(__aarch64__) || defined(__riscv)
typedef long	sig_atomic_t;
#else
typedef int	sig_atomic_t;
#endif

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
