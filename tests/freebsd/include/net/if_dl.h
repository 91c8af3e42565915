/* FreeBSD's <net/if_dl.h>: addresses of the link. */
#pragma once

#include <sys/socket.h>

struct sockaddr_dl {
	unsigned char	sdl_len;
	unsigned char	sdl_family;
	unsigned short	sdl_index;
	unsigned char	sdl_type;
	unsigned char	sdl_nlen;
	unsigned char	sdl_alen;
	unsigned char	sdl_slen;
	char	sdl_data[46];
};
#define LLADDR(s)	((char*)((s)->sdl_data + (s)->sdl_nlen))
