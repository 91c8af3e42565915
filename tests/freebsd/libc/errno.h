/* FreeBSD's <errno.h>, as far as it is used. */
#pragma once

#define EPERM		1
#define ENOENT		2
#define EINTR		4
#define EIO		5
#define ENXIO		6
#define EBADF		9
#define ENOMEM		12
#define EACCES		13
#define EBUSY		16
#define EEXIST		17
#define ENODEV		19
#define EISDIR		21
#define EINVAL		22
#define ENOTTY		25
#define EFBIG		27
#define ENOSPC		28
#define EROFS		30
#define EMLINK		31
#define ERANGE		34
#define EAGAIN		35
#define EWOULDBLOCK	EAGAIN
#define EMSGSIZE	40
#define EOPNOTSUPP	45
#define ENOTSUP		EOPNOTSUPP
#define ENETDOWN	50
#define ENOBUFS		55
#define ETIMEDOUT	60
#define ELOOP		62
#define ENAMETOOLONG	63
#define EDQUOT		69
#define ENOSYS		78
#define ENOATTR		87
#define ENOTCAPABLE	93
#define ECAPMODE	94

int	*__error(void);
#define errno	(*__error())
