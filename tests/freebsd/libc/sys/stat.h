/* FreeBSD's <sys/stat.h>, as far as it is used. */
#pragma once

#include <time.h>
#include <sys/types.h>

struct stat {
	dev_t	st_dev;
	ino_t	st_ino;
	nlink_t	st_nlink;
	mode_t	st_mode;
	int16_t	st_padding0;
	uid_t	st_uid;
	gid_t	st_gid;
	int32_t	st_padding1;
	dev_t	st_rdev;
	struct timespec	st_atim;
	struct timespec	st_mtim;
	struct timespec	st_ctim;
	struct timespec	st_birthtim;
	off_t	st_size;
	blkcnt_t	st_blocks;
	blksize_t	st_blksize;
	uint32_t	st_flags;
	uint64_t	st_gen;
	uint64_t	st_spare[10];
};

#define st_birthtime	st_birthtim.tv_sec

#define S_IFMT	0170000
#define S_ISCHR(m)	(((m) & S_IFMT) == 0020000)
#define S_ISREG(m)	(((m) & S_IFMT) == 0100000)
#define S_ISSOCK(m)	(((m) & S_IFMT) == 0140000)
#define S_ISFIFO(m)	(((m) & S_IFMT) == 0010000)

int	stat(const char*, struct stat*);
int	fstat(int, struct stat*);
int	fstatat(int, const char*, struct stat*, int);
mode_t	umask(mode_t);
