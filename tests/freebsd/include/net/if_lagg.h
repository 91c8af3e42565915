/* FreeBSD's <net/if_lagg.h>: interfaces that are several in one. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

struct lagg_reqport;
struct lagg_reqall {
	char	ra_ifname[IFNAMSIZ];
	unsigned int	ra_proto;
	size_t	ra_size;
	struct lagg_reqport	*ra_port;
	int	ra_ports;
	struct {
		uint16_t	lacp[16];
	} ra_psc;
};

#define SIOCGLAGG	_IOWR('i', 143, struct lagg_reqall)
