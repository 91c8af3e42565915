/* FreeBSD's <sys/event.h>: kqueue. */
#pragma once

#include <stdint.h>

struct timespec;

#define EVFILT_READ	(-1)
#define EVFILT_AIO	(-3)
#define EVFILT_TIMER	(-7)
#define EVFILT_USER	(-11)

#define EV_ADD		0x0001
#define EV_DELETE	0x0002
#define EV_ENABLE	0x0004
#define EV_ONESHOT	0x0010
#define EV_CLEAR	0x0020
#define EV_ERROR	0x4000

#define NOTE_TRIGGER	0x01000000

struct kevent {
	uintptr_t	ident;
	short	filter;
	unsigned short	flags;
	unsigned int	fflags;
	int64_t	data;
	void	*udata;
	uint64_t	ext[4];
};

#define EV_SET(kevp_, a, b, c, d, e, f) do{	\
	*(kevp_) = (struct kevent){	\
		.ident = (a),	\
		.filter = (b),	\
		.flags = (c),	\
		.fflags = (d),	\
		.data = (e),	\
		.udata = (f),	\
		.ext = { 0 },	\
	};	\
}while(0)

int	kqueue(void);
int	kevent(int, const struct kevent*, int, struct kevent*, int, const struct timespec*);
