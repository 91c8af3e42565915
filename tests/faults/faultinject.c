/*
 * The daemon in a bad world: memory that can't be had, clocks that jump, and
 * transfers that break off.  Linked with the daemon's own objects, the
 * functions below in place of the C library's.  The environment variable
 * FAULTS names a file of 32-bit numbers, which a test changes, or reads,
 * while the daemon runs:
 *
 *	every	each so many-th allocation fails; 0: none does
 *	failed	how many have
 *	ahead	seconds by which the clocks have gone ahead, as those of a
 *		machine do that was stopped; it must only grow
 *	unit	half the transfers of the disk move fewer bytes than they were
 *		asked to, a multiple of this; 0: they move all
 *	broken	how many have
 *	plain	renameat2 knows no flags
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>

enum {
	Maxiov	= 1024,
	Maxsqe	= 4096,		/* of a queue */
};

struct World {
	uint32_t every;
	uint32_t failed;
	uint32_t ahead;
	uint32_t unit;
	uint32_t broken;
	uint32_t plain;
};

/* The C library's names with 64-bit offsets. */
void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_aligned_alloc(size_t, size_t);
void	*__real_mmap64(void*, size_t, int, int, int, off_t);
FILE	*__real_fopen64(const char*, const char*);
int	__real_clock_gettime(clockid_t, struct timespec*);
ssize_t	__real_preadv64(int, const struct iovec*, int, off_t);
ssize_t	__real_pwritev64(int, const struct iovec*, int, off_t);
long	__real_syscall(long, long, long, long, long, long, long);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_aligned_alloc(size_t, size_t);
void	*__wrap_mmap64(void*, size_t, int, int, int, off_t);
FILE	*__wrap_fopen64(const char*, const char*);
int	__wrap_clock_gettime(clockid_t, struct timespec*);
ssize_t	__wrap_preadv64(int, const struct iovec*, int, off_t);
ssize_t	__wrap_pwritev64(int, const struct iovec*, int, off_t);
long	__wrap_syscall(long, ...);

static struct World *world;
static struct io_uring_params params;
static char *sq;			/* io_uring's submission queue */
static struct io_uring_sqe *sqe;

static uint32_t
get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint32_t
add(uint32_t *p, uint32_t n)
{
	return __atomic_add_fetch(p, n, __ATOMIC_RELAXED);
}

/* Before main, and so before the sandbox. */
__attribute__((constructor))
static void
begin(void)
{
	const char *name = getenv("FAULTS");
	int fd = name == NULL ? -1 : open(name, O_RDWR|O_CLOEXEC);
	void *m;

	if(fd < 0)
		err(1, "FAULTS: expected a file");
	m = __real_mmap64(NULL, sizeof *world, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
	if(m == MAP_FAILED)
		err(1, "%s", name);
	world = m;
}

/* Memory. */

static int
fails(void)
{
	static uint32_t n;
	uint32_t every = get(&world->every);

	if(every == 0 || add(&n, 1) % every != 0)
		return 0;
	add(&world->failed, 1);
	errno = ENOMEM;
	return 1;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __real_aligned_alloc(align, n);
}

void *
__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	void *m = fails() ? MAP_FAILED : __real_mmap64(at, n, prot, flags, fd, off);

	if(m != MAP_FAILED && fd >= 0 && off == IORING_OFF_SQES)
		sqe = m;
	if(m != MAP_FAILED && fd >= 0 && off == IORING_OFF_SQ_RING && sq == NULL
		&& params.sq_entries > 0)
		sq = m;
	return m;
}

FILE *
__wrap_fopen64(const char *name, const char *mode)
{
	return fails() ? NULL : __real_fopen64(name, mode);
}

/* Clocks. */

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int r = __real_clock_gettime(clock, t);

	t->tv_sec += get(&world->ahead);
	return r;
}

/* Transfers. */

/*
 * Make to a part of iov, or all of it.  Returns how many pieces it has.
 */
static int
part(struct iovec *to, const struct iovec *iov, int n)
{
	static uint32_t seed;
	uint32_t unit = get(&world->unit), chance = add(&seed, 1) * 2654435761U >> 8;
	size_t total = 0, some;
	int i;

	for(i = 0; i < n; i++)
		total += iov[i].iov_len;
	some = total;
	if(unit != 0 && total > unit && chance % 2 == 0){
		some = unit * (1 + chance / 2 % ((total - 1) / unit));
		add(&world->broken, 1);
	}
	for(i = 0; i < n && some > 0; i++, some -= to[i-1].iov_len){
		to[i] = iov[i];
		if(to[i].iov_len > some)
			to[i].iov_len = some;
	}
	return i;
}

ssize_t
__wrap_preadv64(int fd, const struct iovec *iov, int n, off_t off)
{
	struct iovec some[Maxiov];

	return __real_preadv64(fd, some, part(some, iov, n), off);
}

ssize_t
__wrap_pwritev64(int fd, const struct iovec *iov, int n, off_t off)
{
	struct iovec some[Maxiov];

	return __real_pwritev64(fd, some, part(some, iov, n), off);
}

/*
 * What the kernel is to be told of, the last n entries of the queue.  Those
 * that it doesn't take are here again.
 */
static void
shorten(uint32_t n)
{
	static struct iovec some[Maxsqe][32];
	uint32_t mask = *(uint32_t*)(void*)(sq + params.sq_off.ring_mask);
	uint32_t at = *(uint32_t*)(void*)(sq + params.sq_off.tail) - n;
	struct io_uring_sqe *s;

	for(; n > 0; n--, at++){
		s = &sqe[at & mask];
		if((s->opcode != IORING_OP_READV && s->opcode != IORING_OP_WRITEV) || s->len > 32)
			continue;
		s->len = (uint32_t)part(some[at & mask], (void*)(uintptr_t)s->addr, (int)s->len);
		s->addr = (uintptr_t)some[at & mask];
	}
}

long
__wrap_syscall(long nr, ...)
{
	struct iovec some[Maxiov];
	struct iocb *cb;
	va_list ap;
	long a[6], r;
	int i;

	va_start(ap, nr);
	for(i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if(nr == SYS_renameat2 && a[4] != 0 && world->plain){
		errno = EINVAL;
		return -1;
	}
	if(nr == SYS_io_submit){
		cb = *(struct iocb**)a[2];
		cb->aio_nbytes = (unsigned)part(some, (void*)(uintptr_t)cb->aio_buf,
			(int)cb->aio_nbytes);
		cb->aio_buf = (uintptr_t)some;
	}
	if(nr == SYS_io_uring_enter)
		shorten((uint32_t)a[1]);
	r = __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if(nr == SYS_io_uring_setup && r >= 0)
		memcpy(&params, (void*)a[1], sizeof params);
	return r;
}
