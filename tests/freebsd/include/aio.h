/* FreeBSD's <aio.h>: asynchronous I/O. */
#pragma once

#include <sys/types.h>
#include <signal.h>

struct __aiocb_private {
	long	status;
	long	error;
	void	*kernelinfo;
};

struct aiocb {
	int	aio_fildes;
	off_t	aio_offset;
	volatile void	*aio_buf;
	size_t	aio_nbytes;
	int	__spare__[2];
	void	*__spare2__;
	int	aio_lio_opcode;
	int	aio_reqprio;
	struct __aiocb_private	_aiocb_private;
	struct sigevent	aio_sigevent;
};
#define aio_iov		aio_buf
#define aio_iovcnt	aio_nbytes

int	aio_readv(struct aiocb*);
int	aio_writev(struct aiocb*);
int	aio_fsync(int, struct aiocb*);
int	aio_error(const struct aiocb*);
ssize_t	aio_return(struct aiocb*);
