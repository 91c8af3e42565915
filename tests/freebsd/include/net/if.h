/* FreeBSD's <net/if.h>: interfaces. */
#pragma once

#include <stdint.h>
#include <sys/time.h>
#include <sys/socket.h>

#define IFNAMSIZ	16

#define IFF_UP		0x1
#define IFF_DRV_RUNNING	0x40

#define LINK_STATE_UNKNOWN	0
#define LINK_STATE_DOWN		1
#define LINK_STATE_UP		2

struct ifreq {
	char	ifr_name[IFNAMSIZ];
	union {
		struct sockaddr	ifru_addr;
		short	ifru_flags[2];
		short	ifru_index;
		int	ifru_mtu;
		char	*ifru_data;
	} ifr_ifru;
};
#define ifr_addr	ifr_ifru.ifru_addr
#define ifr_flags	ifr_ifru.ifru_flags[0]
#define ifr_mtu		ifr_ifru.ifru_mtu

struct ifconf {
	int	ifc_len;
	union {
		char	*ifcu_buf;
		struct ifreq	*ifcu_req;
	} ifc_ifcu;
};
#define ifc_buf	ifc_ifcu.ifcu_buf
#define ifc_req	ifc_ifcu.ifcu_req

struct ifmediareq {
	char	ifm_name[IFNAMSIZ];
	int	ifm_current;
	int	ifm_mask;
	int	ifm_status;
	int	ifm_active;
	int	ifm_count;
	int	*ifm_ulist;
};

struct if_data {
	uint8_t	ifi_type;
	uint8_t	ifi_physical;
	uint8_t	ifi_addrlen;
	uint8_t	ifi_hdrlen;
	uint8_t	ifi_link_state;
	uint8_t	ifi_vhid;
	uint16_t	ifi_datalen;
	uint32_t	ifi_mtu;
	uint32_t	ifi_metric;
	uint64_t	ifi_counters[14];	/* ifi_baudrate to ifi_hwassist */
	uint64_t	ifi_epoch;
	uint64_t	ifi_lastchange[2];
};

struct if_msghdr {
	unsigned short	ifm_msglen;
	unsigned char	ifm_version;
	unsigned char	ifm_type;
	int	ifm_addrs;
	int	ifm_flags;
	unsigned short	ifm_index;
	unsigned short	_ifm_spare1;
	struct if_data	ifm_data;
};

struct if_announcemsghdr {
	unsigned short	ifan_msglen;
	unsigned char	ifan_version;
	unsigned char	ifan_type;
	unsigned short	ifan_index;
	char	ifan_name[IFNAMSIZ];
	unsigned short	ifan_what;
};
#define IFAN_ARRIVAL	0
#define IFAN_DEPARTURE	1
