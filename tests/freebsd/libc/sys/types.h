/* FreeBSD's <sys/types.h>, as far as it is used. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint64_t	dev_t;
typedef uint64_t	ino_t;
typedef uint16_t	mode_t;
typedef uint64_t	nlink_t;
typedef uint32_t	uid_t;
typedef uint32_t	gid_t;
typedef int64_t	off_t;
typedef int64_t	blkcnt_t;
typedef int32_t	blksize_t;
typedef int32_t	pid_t;
typedef long	ssize_t;
typedef long	time_t;
typedef long	suseconds_t;
typedef int	clockid_t;
typedef struct pthread	*pthread_t;
typedef struct pthread_attr	*pthread_attr_t;
typedef struct pthread_mutex	*pthread_mutex_t;
typedef struct pthread_mutex_attr	*pthread_mutexattr_t;
typedef struct pthread_cond	*pthread_cond_t;
typedef struct pthread_cond_attr	*pthread_condattr_t;
