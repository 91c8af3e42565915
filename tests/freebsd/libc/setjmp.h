/* FreeBSD's <setjmp.h>, as far as it is used. */
#pragma once

typedef struct {
	long	_sjb[12];
} sigjmp_buf[1];

int	sigsetjmp(sigjmp_buf, int);
void	siglongjmp(sigjmp_buf, int) __attribute__((noreturn));
