/* FreeBSD's <sys/socket.h>: addresses begin with their length. */
#pragma once

#include <sys/types.h>

#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOCK_RAW	3
#define SOCK_CLOEXEC	0x10000000
#define SOCK_NONBLOCK	0x20000000

#define AF_LOCAL	1
#define AF_UNIX		AF_LOCAL
#define AF_INET		2
#define AF_ROUTE	17
#define AF_LINK		18
#define AF_INET6	28
#define PF_ROUTE	AF_ROUTE

typedef unsigned char	sa_family_t;

struct sockaddr {
	unsigned char	sa_len;
	sa_family_t	sa_family;
	char		sa_data[14];
};

#define MSG_DONTWAIT	0x80
#define MSG_NOSIGNAL	0x20000

int	socket(int, int, int);
ssize_t	send(int, const void*, size_t, int);
