/* FreeBSD's <sys/disk.h>: disks. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/ioccom.h>

#define DISK_IDENT_SIZE	256

struct diocgattr_arg {
	char	name[64];
	int	len;
	union {
		char	str[DISK_IDENT_SIZE];
		off_t	off;
		int	i;
		uint16_t	u16;
	} value;
};

#define DIOCGSECTORSIZE	_IOR('d', 128, unsigned int)
#define DIOCGMEDIASIZE	_IOR('d', 129, off_t)
#define DIOCGFLUSH	_IO('d', 135)
#define DIOCGDELETE	_IOW('d', 136, off_t[2])
#define DIOCGIDENT	_IOR('d', 137, char[DISK_IDENT_SIZE])
#define DIOCGPROVIDERNAME	_IOR('d', 138, char[1024])
#define DIOCGSTRIPESIZE	_IOR('d', 139, off_t)
#define DIOCGATTR	_IOWR('d', 142, struct diocgattr_arg)
