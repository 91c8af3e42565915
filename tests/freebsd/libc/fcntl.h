/* FreeBSD's <fcntl.h>, as far as it is used. */
#pragma once

#include <sys/types.h>

#define O_RDONLY	0x0000
#define O_WRONLY	0x0001
#define O_RDWR		0x0002
#define O_ACCMODE	0x0003
#define O_NONBLOCK	0x0004
#define O_SYNC		0x0080
#define O_NOFOLLOW	0x0100
#define O_CREAT		0x0200
#define O_TRUNC		0x0400
#define O_EXCL		0x0800
#define O_DIRECT	0x00010000
#define O_DIRECTORY	0x00020000
#define O_CLOEXEC	0x00100000
#define O_DSYNC		0x01000000

#define LOCK_SH		0x01
#define LOCK_EX		0x02
#define LOCK_NB		0x04
#define LOCK_UN		0x08

#define AT_FDCWD	(-100)
#define AT_SYMLINK_NOFOLLOW	0x0200

#define FD_CLOEXEC	1
#define F_GETFD		1
#define F_SETFD		2
#define F_GETFL		3
#define F_SETFL		4

int	open(const char*, int, ...);
int	openat(int, const char*, int, ...);
int	fcntl(int, int, ...);
