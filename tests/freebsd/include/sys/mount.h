/* FreeBSD's <sys/mount.h>: what file system a file is on. */
#pragma once

#include <stdint.h>

#define MFSNAMELEN	16
#define MNAMELEN	1024

struct statfs {
	uint32_t	f_version;
	uint32_t	f_type;
	uint64_t	f_flags;
	uint64_t	f_bsize;
	uint64_t	f_iosize;
	uint64_t	f_blocks;
	uint64_t	f_bfree;
	int64_t	f_bavail;
	uint64_t	f_files;
	int64_t	f_ffree;
	uint64_t	f_syncwrites;
	uint64_t	f_asyncwrites;
	uint64_t	f_syncreads;
	uint64_t	f_asyncreads;
	uint64_t	f_spare[10];
	uint32_t	f_namemax;
	uint32_t	f_owner;
	int32_t	f_fsid[2];
	char	f_charspare[80];
	char	f_fstypename[MFSNAMELEN];
	char	f_mntfromname[MNAMELEN];
	char	f_mntonname[MNAMELEN];
};

int	fstatfs(int, struct statfs*);
