/*
 * A strict FreeBSD on Linux, so that freebsd.c runs where there is none: the
 * system calls that it makes come here (the linker's --wrap), and those that
 * Linux hasn't got are found here.  The types and numbers are FreeBSD's, from
 * include/; what Linux is asked for goes through host.c.
 *
 * What the real thing refuses is refused, with its error; what it leaves
 * undone is left undone; and what would corrupt something there without a
 * word ends the program here.
 *
 * bpf(4)	a packet socket; its own queue is bpf's buffer.  Frames come
 *		several to a read, which must ask for the buffer's size.  Those
 *		of an interface that has gone can still be read.
 * PF_ROUTE	a pair of sockets, and a thread that puts messages into it.
 *		None is sent for a new MAC address.
 * kqueue(2)	an epoll descriptor, so that poll can wait for it.
 * aio(4)	threads.  An event is there until aio_return.  A disk's vectors
 *		have few parts (vfs.aio.max_buf_aio), and kern.maxphys bytes.
 * disks	block devices, shown as character devices.  Only flock keeps a
 *		second writer away.
 *
 * It is 15.0, and 13.0 when __FreeBSD_version says so (sys/param.h): there
 * frames above 4096 bytes can't be written, nothing that a lagg(4) receives
 * has its direction, and fspacectl is not known.
 *
 * The environment variable LAYER is a list of words that make it worse:
 * enobufs (each third frame sent finds the queue full), noaio (no file is
 * fit for aio), fewaio (at most two operations), mapped (at most max_buf_aio
 * parts under way to disks), maxphys=BYTES, maxbuf=BYTES (bpf's), lagg
 * (interfaces are lagg(4)), aioonly (a disk that is read or written without
 * aio ends the program), cutdelete (a signal ends
 * DIOCGDELETE half way), zerofill (fspacectl writes zeros) and dio (files are
 * on ZFS, where direct I/O means whole pages).
 */
#include <sys/types.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/capsicum.h>
#include <sys/disk.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/extattr.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <net/bpf.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_lagg.h>
#include <net/if_media.h>
#include <net/route.h>
#include "host.h"
#include "layer.h"

typedef struct Desc	Desc;
typedef struct Source	Source;
typedef struct Kjob	Kjob;

/* What a descriptor is, when it isn't just Linux's. */
enum {
	Dnone,
	Dbpf,
	Droute,
	Dsocket,
	Dkqueue,
	Ddisk,

	Ndesc	= 1024,
	Nsource	= 8,
	Njob	= 256,		/* vfs.aio.max_aio_queue_per_proc */
	Nthread	= 4,

	Maxbufaio	= 16,		/* vfs.aio.max_buf_aio */
	Maxphys		= 1024 * 1024,	/* kern.maxphys */
	Mjumpagesize	= 4096,

	Old	= __FreeBSD_version < 1301000,
};

struct Desc {
	int	kind;

	/* Capsicum */
	int	limited;
	uint64_t	rights[2];
	unsigned long	ioctls[16];
	size_t	nioctl;

	/* bpf */
	unsigned	size;
	int	attached;	/* has an interface, or had one that is gone */
	int	immediate;
	int	complete;	/* the source MAC is the writer's */
	int	mute;		/* what may be written: nothing */
	unsigned	direction;
	unsigned	dropped;

	/* disk */
	unsigned	sector;

	/* file */
	int	direct;		/* O_DIRECT */
};

/* What a kqueue watches. */
struct Source {
	int	kq;
	short	filter;
	uintptr_t	ident;
	int	fd;
};

struct Kjob {
	struct aiocb *cb;	/* NULL: free */
	int	fd;
	int	op;
	struct iovec iov[64];
	int	niov;
	off_t	off;
	int	kq;
	void	*udata;
	unsigned long	seq;
	int	running;
	int	done;
	ssize_t	result;
	int	error;
};
enum { Jread, Jwrite, Jsync };

static Desc desc[Ndesc];
static Source sources[Nsource];
static Kjob jobs[Njob];
static unsigned long jobseq;
static int jobsdone;		/* and not yet returned */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

__attribute__((noreturn))
static void
die(const char *what)
{
	fprintf(stderr, "layer: FreeBSD would not stand this: %s\n", what);
	abort();
}

/*
 * Is the word in LAYER?  Its value, or 1.
 */
static unsigned
worse(const char *word)
{
	const char *e = getenv("LAYER"), *p = e != NULL ? strstr(e, word) : NULL;

	if(p == NULL)
		return 0;
	p += strlen(word);
	return *p == '=' ? (unsigned)strtoul(p + 1, NULL, 10) : 1;
}

static Desc*
descof(int fd)
{
	static Desc none;

	return fd >= 0 && fd < Ndesc ? &desc[fd] : &none;
}

static int
newdesc(int fd, int kind)
{
	if(fd >= Ndesc)
		die("more descriptors than the layer has");
	if(fd >= 0){
		memset(&desc[fd], 0, sizeof desc[fd]);
		desc[fd].kind = kind;
	}
	return fd;
}

static int
fail(int e)
{
	errno = e;
	return -1;
}

/*
 * Capsicum.  What the real thing would refuse (ECAPMODE, ENOTCAPABLE) ends
 * the program: it had no reason to try.
 */

static int capmode;

/*
 * Has the descriptor these rights?
 */
static void
need(int fd, uint64_t right)
{
	Desc *d = descof(fd);
	uint64_t have = d->rights[(right >> 58) & 1];

	if(d->limited && (have & right) != right)
		die("a right that the descriptor no longer has");
}

static void
needpath(void)
{
	if(capmode)
		die("a path that doesn't begin at a descriptor");
}

cap_rights_t*
__cap_rights_init(int version, cap_rights_t *r, ...)
{
	uint64_t right;
	va_list ap;

	(void)version;
	*r = (cap_rights_t){ { CAPRIGHT(0, 0ULL), CAPRIGHT(1, 0ULL) } };
	va_start(ap, r);
	while((right = va_arg(ap, uint64_t)) != 0)
		r->cr_rights[(right >> 58) & 1] |= right;
	va_end(ap);
	return r;
}

int
cap_rights_limit(int fd, const cap_rights_t *r)
{
	Desc *d = descof(fd);

	if(d->limited)
		die("rights that are limited twice");
	d->limited = 1;
	memcpy(d->rights, r->cr_rights, sizeof d->rights);
	return 0;
}

int
cap_ioctls_limit(int fd, const unsigned long *what, size_t n)
{
	Desc *d = descof(fd);

	if(n > sizeof d->ioctls / sizeof d->ioctls[0])
		die("more ioctls than the layer has");
	need(fd, CAP_IOCTL);
	memcpy(d->ioctls, what, n * sizeof what[0]);
	d->nioctl = n;
	return 0;
}

int
cap_enter(void)
{
	capmode = 1;
	return 0;
}

static void
needioctl(int fd, unsigned long what)
{
	Desc *d = descof(fd);
	size_t i;

	need(fd, CAP_IOCTL);
	for(i = 0; i < d->nioctl && d->ioctls[i] != what; i++)
		;
	if(d->nioctl > 0 && i == d->nioctl)
		die("an ioctl that the descriptor no longer has");
}

/* Files. */

/*
 * Linux has another word for a symbolic link that isn't to be followed.
 */
static int
opened(int fd, int kind, int flags)
{
	if(fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW))
		errno = EMLINK;
	return newdesc(fd, kind);
}

/*
 * Does somebody hold the disk who lets nobody else write to it?
 */
static int
held(const char *path, int flags)
{
	int fd = __real_open64(path, flags | O_EXCL);

	if(fd >= 0)
		__real_close(fd);
	return fd < 0 && errno == EBUSY;
}

int
__wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd, blk, direct = flags & O_DIRECT;

	needpath();
	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if(strcmp(path, "/dev/bpf") == 0){
		fd = newdesc(hostpacket(), Dbpf);
		if(fd >= 0){
			desc[fd].size = 4096;	/* net.bpf.bufsize */
			desc[fd].direction = BPF_D_INOUT;
		}
		return fd;
	}
	/* FreeBSD's O_DIRECT is a wish; to write to a disk that is mounted is not permitted. */
	flags &= ~O_DIRECT;
	blk = hostisblk(path);
	if(blk && (flags & O_ACCMODE) != O_RDONLY && held(path, flags))
		return fail(EPERM);
	fd = opened(__real_open64(path, flags, mode), blk ? Ddisk : Dnone, flags);
	if(fd >= 0)
		desc[fd].direct = direct;
	if(fd >= 0 && blk && hostsector(fd, &desc[fd].sector) < 0)
		die("a block device without a sector size");
	return fd;
}

int
__wrap_openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd;

	need(dir, CAP_LOOKUP);
	need(dir, (flags & O_ACCMODE) == O_RDONLY ? CAP_READ : CAP_PREAD|CAP_PWRITE);
	if(flags & O_CREAT)
		need(dir, CAP_CREATE);
	if(flags & O_DSYNC)
		need(dir, CAP_FSYNC);
	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	fd = opened(__real_openat64(dir, path, flags & ~O_DIRECT, mode), Dnone, flags);
	if(fd < 0)
		return fd;
	desc[fd].direct = flags & O_DIRECT;
	desc[fd].limited = descof(dir)->limited;
	memcpy(desc[fd].rights, descof(dir)->rights, sizeof desc[fd].rights);
	return fd;
}

int
__wrap_close(int fd)
{
	memset(descof(fd), 0, sizeof(Desc));
	return __real_close(fd);
}

static void
disguise(struct stat *st)
{
	if(S_ISBLK(st->st_mode))
		st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFCHR;
}

int
__wrap_stat64(const char *path, struct stat *st)
{
	int r;

	needpath();
	r = __real_stat64(path, st);
	disguise(st);
	return r;
}

int
__wrap_fstat64(int fd, struct stat *st)
{
	int r;

	need(fd, CAP_FSTAT);
	r = __real_fstat64(fd, st);
	disguise(st);
	st->st_birthtime = (long)hostborn(fd);
	return r;
}

int
__wrap_fstatfs(int fd, struct statfs *fs)
{
	need(fd, CAP_FSTATFS);
	memset(fs, 0, sizeof *fs);
	snprintf(fs->f_fstypename, sizeof fs->f_fstypename, "%s", hosttmpfs(fd) ? "tmpfs" : "ufs");
	return 0;
}

/*
 * A disk takes whole sectors only, and each part of a vector for itself; and
 * direct I/O of ZFS is of whole pages, in memory, too.
 */
static int
aligned(int fd, const struct iovec *iov, int niov, off_t off)
{
	int i, disk = descof(fd)->kind == Ddisk;
	unsigned s = disk ? descof(fd)->sector : 4096;

	if(!disk && (!descof(fd)->direct || !worse("dio")))
		return 1;
	for(i = 0; i < niov; i++)
		if(iov[i].iov_len % s != 0 || (!disk && (uintptr_t)iov[i].iov_base % s != 0))
			return 0;
	return off % s == 0;
}

/*
 * O_DIRECT is a wish that the data shall not stay in memory.
 */
static ssize_t
moved(int fd, ssize_t n)
{
	if(descof(fd)->direct)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return n;
}

static ssize_t
readfile(int fd, const struct iovec *iov, int niov, off_t off)
{
	return aligned(fd, iov, niov, off) ? moved(fd,
		__real_preadv64(fd, iov, niov, off)) : fail(EINVAL);
}

static ssize_t
writefile(int fd, const struct iovec *iov, int niov, off_t off)
{
	return aligned(fd, iov, niov, off) ? moved(fd,
		__real_pwritev64(fd, iov, niov, off)) : fail(EINVAL);
}

static void
needaio(int fd)
{
	if(descof(fd)->kind == Ddisk && worse("aioonly"))
		die("a thread that waits for a disk (aioonly)");
}

ssize_t
__wrap_preadv64(int fd, const struct iovec *iov, int niov, off_t off)
{
	need(fd, CAP_PREAD);
	needaio(fd);
	return readfile(fd, iov, niov, off);
}

ssize_t
__wrap_pwritev64(int fd, const struct iovec *iov, int niov, off_t off)
{
	need(fd, CAP_PWRITE);
	needaio(fd);
	return writefile(fd, iov, niov, off);
}

ssize_t
__wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
	struct iovec iov = { buf, len };

	return __wrap_preadv64(fd, &iov, 1, off);
}

ssize_t
__wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	struct iovec iov = { (void*)(uintptr_t)buf, len };

	return __wrap_pwritev64(fd, &iov, 1, off);
}

/*
 * Tell only of pages that the process has touched (vm.mincore_mapped): what
 * its page tables hold.
 */
int
__wrap_mincore(void *addr, size_t len, unsigned char *vec)
{
	static int maps = -1;
	uint64_t entry[512];
	size_t i, n, page = (uintptr_t)addr / 4096, pages = (len + 4095) / 4096;

	if((uintptr_t)addr % 4096 != 0)
		return fail(EINVAL);
	if(maps < 0)
		maps = __real_open64("/proc/self/pagemap", O_RDONLY|O_CLOEXEC);
	for(; pages > 0; pages -= n, page += n){
		n = pages < 512 ? pages : 512;
		if(pread(maps, entry, n * sizeof entry[0],
			(off_t)(page * sizeof entry[0])) != (ssize_t)(n * sizeof entry[0]))
			die("mincore of memory that isn't there");
		for(i = 0; i < n; i++)
			*vec++ = (unsigned char)(entry[i] >> 63);
	}
	return 0;
}

#ifdef SPACECTL_DEALLOC
/*
 * Only a step at a time; with an error, too, left says how far it came.
 */
int
fspacectl(int fd, int cmd, const struct spacectl_range *r, int flags, struct spacectl_range *left)
{
	enum { Step = 256 * 1024 };
	static const char zeros[Step];
	static atomic_uint turn;
	off_t off = r->r_offset, n = r->r_len < Step ? r->r_len : Step;
	int done;

	need(fd, CAP_PWRITE);
	if(cmd != SPACECTL_DEALLOC || flags != 0 || off < 0 || n <= 0)
		return fail(EINVAL);
	if(descof(fd)->kind == Ddisk)
		return fail(ENODEV);
	if(worse("zerofill"))
		done = __real_pwritev64(fd, &(struct iovec){ (void*)(uintptr_t)zeros, (size_t)n },
			1, off) == n;
	else
		done = hostpunch(fd, off, n) == 0;
	if(!done)
		return -1;
	if(left != NULL)
		*left = (struct spacectl_range){ off + n, r->r_len - n };
	return turn++ % 4 == 3 ? fail(EINTR) : 0;
}
#endif

static int
diskioctl(int fd, unsigned long what, void *arg)
{
	struct diocgattr_arg *a = arg;
	off_t *range = arg;
	unsigned long long size;
	unsigned phys;

	switch(what){
	case DIOCGMEDIASIZE:
		if(hostsize(fd, &size) < 0)
			return -1;
		*(off_t*)arg = (off_t)size;
		return 0;
	case DIOCGSECTORSIZE:
		*(unsigned*)arg = desc[fd].sector;
		return 0;
	case DIOCGSTRIPESIZE:
		if(hostphysical(fd, &phys) < 0)
			return -1;
		*(off_t*)arg = phys > desc[fd].sector ? phys : 0;
		return 0;
	case DIOCGFLUSH:
		return __real_fdatasync(fd);
	case DIOCGDELETE:
		if(range[0] < 0 || range[1] <= 0 || range[0] % desc[fd].sector != 0
			|| range[1] % desc[fd].sector != 0)
			return fail(EINVAL);
		/* A signal may end it early, and nobody is told. */
		if(worse("cutdelete"))
			range[1] -= range[1] / 2 / desc[fd].sector * desc[fd].sector;
		return hostdiscard(fd, (unsigned long long)range[0], (unsigned long long)range[1]);
	case DIOCGIDENT:
		snprintf(arg, DISK_IDENT_SIZE, "LAYER-0001");
		return 0;
	case DIOCGPROVIDERNAME:
		snprintf(arg, 1024, "ada%up2", hostnumber(fd));
		return 0;
	case DIOCGATTR:
		if(strcmp(a->name, "GEOM::rotation_rate") != 0 || a->len != sizeof a->value.u16)
			return fail(EINVAL);
		a->value.u16 = 1;
		return 0;
	}
	return fail(ENOTTY);
}

/*
 * Calls that only need a right.
 */
int
__wrap_fsync(int fd)
{
	need(fd, CAP_FSYNC);
	return __real_fsync(fd);
}

int
__wrap_fdatasync(int fd)
{
	need(fd, CAP_FSYNC);
	return __real_fdatasync(fd);
}

int
__wrap_ftruncate64(int fd, off_t size)
{
	need(fd, CAP_FTRUNCATE);
	return __real_ftruncate64(fd, size);
}

int
__wrap_flock(int fd, int how)
{
	need(fd, CAP_FLOCK);
	return __real_flock(fd, how);
}

int
__wrap_unlinkat(int dir, const char *path, int flags)
{
	need(dir, CAP_UNLINKAT);
	return __real_unlinkat(dir, path, flags);
}

int
__wrap_renameat(int from, const char *old, int to, const char *new)
{
	need(from, CAP_RENAMEAT_SOURCE);
	need(to, CAP_RENAMEAT_TARGET);
	if(__real_faccessat(to, new, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		need(to, CAP_UNLINKAT);
	return __real_renameat(from, old, to, new);
}

int
__wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
	need(from, CAP_LINKAT_SOURCE);
	need(to, CAP_LINKAT_TARGET);
	return __real_linkat(from, old, to, new, flags);
}

int
__wrap_faccessat(int dir, const char *path, int mode, int flags)
{
	need(dir, CAP_FSTATAT);
	if(flags & AT_SYMLINK_NOFOLLOW)
		return fail(EINVAL);
	return __real_faccessat(dir, path, mode, flags);
}

int
__wrap_fstatat64(int dir, const char *path, struct stat *st, int flags)
{
	need(dir, CAP_FSTATAT);
	return __real_fstatat64(dir, path, st, flags);
}

int
__wrap_access(const char *path, int mode)
{
	needpath();
	return __real_access(path, mode);
}

void*
__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if(fd >= 0)
		need(fd, CAP_MMAP_R);
	return __real_mmap64(at, len, prot, flags, fd, off);
}

/* Extended attributes, and what the system says of itself. */

ssize_t
extattr_get_fd(int fd, int space, const char *name, void *data, size_t size)
{
	need(fd, CAP_EXTATTR_GET);
	if(space != EXTATTR_NAMESPACE_USER)
		return fail(EINVAL);
	return descof(fd)->kind == Ddisk ? fail(EOPNOTSUPP) : hostgetattr(fd, name, data, size);
}

ssize_t
extattr_set_fd(int fd, int space, const char *name, const void *data, size_t size)
{
	need(fd, CAP_EXTATTR_SET);
	if(space != EXTATTR_NAMESPACE_USER)
		return fail(EINVAL);
	return descof(fd)->kind == Ddisk ? fail(EOPNOTSUPP) : hostsetattr(fd, name, data, size);
}

int
extattr_delete_fd(int fd, int space, const char *name)
{
	need(fd, CAP_EXTATTR_DELETE);
	if(space != EXTATTR_NAMESPACE_USER)
		return fail(EINVAL);
	return descof(fd)->kind == Ddisk ? fail(EOPNOTSUPP) : (int)hostsetattr(fd, name, NULL, 0);
}

/*
 * A number as wide as its sysctl is.
 */
static int
number(void *old, size_t *oldlen, unsigned long v, size_t width)
{
	int i = (int)v;

	if(*oldlen < width)
		return fail(ENOMEM);
	memcpy(old, width == sizeof i ? (void*)&i : (void*)&v, width);
	*oldlen = width;
	return 0;
}

static unsigned
maxphys(void)
{
	return worse("maxphys") ? worse("maxphys") : Maxphys;
}

int
sysctlbyname(const char *name, void *old, size_t *oldlen, const void *new, size_t newlen)
{
	unsigned char *id = old;
	char line[64] = "";
	ssize_t n;
	int fd, i;

	if(capmode)
		die("a sysctl in capability mode");
	if(new != NULL || newlen != 0)
		return fail(EPERM);
	if(strcmp(name, "vfs.aio.max_buf_aio") == 0)
		return number(old, oldlen, Maxbufaio, sizeof(int));
	if(strcmp(name, "kern.maxphys") == 0)
		return number(old, oldlen, maxphys(), sizeof(long));
	if(strcmp(name, "kern.boot_id") != 0)
		return fail(ENOENT);
	if(*oldlen < 16)
		return fail(ENOMEM);
	fd = __real_open64("/proc/sys/kernel/random/boot_id", O_RDONLY);
	n = fd < 0 ? -1 : __real_read(fd, line, sizeof line - 1);
	if(fd >= 0)
		__real_close(fd);
	if(n <= 0)
		return fail(ENXIO);
	memset(id, 0, 16);
	for(i = 0; line[i] != 0; i++)
		id[i % 16] = (unsigned char)(id[i % 16] ^ line[i]);
	*oldlen = 16;
	return 0;
}

/* bpf(4). */

/*
 * Is the interface there that it was attached to?  Which is it?
 */
static int
bpfalive(int fd)
{
	return desc[fd].attached && hostbound(fd) > 0;
}

static int
bpfif(int fd, Hostif *h)
{
	return bpfalive(fd) && hostif(NULL, hostbound(fd), h) == 0;
}

static void
bpfflush(int fd)
{
	char frame[1];

	while(hostrecv(fd, frame, sizeof frame, 0) >= 0)
		;
	desc[fd].dropped = 0;
	hostdrops(fd);
}

/*
 * Hear what the direction says, on the interface of that index.
 */
static int
bpfhear(int fd, int index)
{
	int in = desc[fd].direction == BPF_D_IN;

	if(index <= 0)
		return 0;
	return hostincoming(fd, in) < 0
		|| hostbind(fd, index, !(in && Old && worse("lagg"))) < 0 ? -1 : 0;
}

static int
bpfsetif(int fd, struct ifreq *r)
{
	Hostif h;

	if(hostif(r->ifr_name, 0, &h) < 0 || bpfhear(fd, h.index) < 0)
		return fail(ENXIO);
	hostroom(fd, 2 * desc[fd].size);
	hosterror(fd);
	desc[fd].attached = 1;
	bpfflush(fd);
	return 0;
}

static int
bpfsetf(int fd, struct bpf_program *p)
{
	if(p->bf_len > BPF_MAXINSNS || hostfilter(fd, p->bf_insns, p->bf_len) < 0)
		return fail(EINVAL);
	bpfflush(fd);
	return 0;
}

/*
 * A filter of what may be written: none, or one that lets nothing pass.
 */
static int
bpfsetwf(int fd, struct bpf_program *p)
{
	struct bpf_insn none = BPF_STMT(BPF_RET|BPF_K, 0);

	if(p->bf_len > 1 || (p->bf_len == 1 && memcmp(p->bf_insns, &none, sizeof none) != 0))
		die("a write filter that the layer doesn't know");
	desc[fd].mute = p->bf_len == 1;
	return 0;
}

static int
bpfioctl(int fd, unsigned long what, void *arg)
{
	Desc *d = &desc[fd];
	unsigned *u = arg, max = worse("maxbuf") ? worse("maxbuf") : BPF_MAXBUFSIZE;
	struct bpf_stat *st = arg;
	Hostif h;

	switch(what){
	case BIOCGBLEN:
		*u = d->size;
		return 0;
	case BIOCSBLEN:
		if(d->attached)
			return fail(EINVAL);
		d->size = *u = *u > max ? max : *u < BPF_MINBUFSIZE ? BPF_MINBUFSIZE : *u;
		return 0;
	case BIOCSETIF:
		return bpfsetif(fd, arg);
	case BIOCGETIF:
		if(!bpfif(fd, &h))
			return fail(EINVAL);
		memcpy(((struct ifreq*)arg)->ifr_name, h.name, IFNAMSIZ);
		return 0;
	case BIOCGDLT:
		if(!bpfif(fd, &h))
			return fail(EINVAL);
		*u = h.ethernet ? DLT_EN10MB : 0;
		return 0;
	case BIOCSETF:
		return bpfsetf(fd, arg);
	case BIOCIMMEDIATE:
		d->immediate = *u != 0;
		return 0;
	case BIOCSHDRCMPLT:
		d->complete = *u != 0;
		return 0;
	case BIOCSETWF:
		return bpfsetwf(fd, arg);
	case BIOCSDIRECTION:
		if(*u != BPF_D_IN && *u != BPF_D_INOUT)
			return fail(EINVAL);	/* the other is not of use here */
		d->direction = *u;
		return bpfhear(fd, hostbound(fd));
	case BIOCGSTATS:
		d->dropped += hostdrops(fd);
		*st = (struct bpf_stat){ 0, d->dropped };
		return 0;
	}
	return fail(EINVAL);
}

/*
 * Put frames behind each other into the buffer as long as the next one fits.
 * Only poll waits for more of them, without BIOCIMMEDIATE; and what came in
 * before the interface went can be read.
 */
static ssize_t
bpfread(int fd, char *buf, size_t size)
{
	enum { Hdrlen = BPF_WORDALIGN(14 + offsetof(struct bpf_hdr, bh_hdrlen) + 2) - 14 };
	struct bpf_hdr h = { .bh_hdrlen = Hdrlen };
	size_t at = 0, have = 0, cap;
	struct timespec now;
	char dummy[1];
	long len;

	if(size != desc[fd].size)
		return fail(EINVAL);
	clock_gettime(CLOCK_REALTIME, &now);
	h.bh_tstamp = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	for(;;){
		len = hostrecv(fd, dummy, sizeof dummy, 1);
		if(len < 0)
			break;
		cap = (size_t)len;
		if(Hdrlen + cap > size)
			cap = size - Hdrlen;
		if(at + Hdrlen + cap > size)
			break;
		hostrecv(fd, buf + at + Hdrlen, cap, 0);
		h.bh_caplen = (uint32_t)cap;
		h.bh_datalen = (uint32_t)len;
		memcpy(buf + at, &h, offsetof(struct bpf_hdr, bh_hdrlen) + sizeof h.bh_hdrlen);
		have = at + Hdrlen + cap;
		at = BPF_WORDALIGN(have);
	}
	if(have > 0)
		return (ssize_t)have;
	return bpfalive(fd) ? fail(EAGAIN) : fail(ENXIO);
}

/*
 * What does the kernel say of a frame before the interface has it?  An errno,
 * or 0.
 */
static int
bpfrefuses(int fd, size_t len)
{
	Hostif h;

	if(len <= Mjumpagesize && !desc[fd].mute)
		return 0;	/* Linux asks the rest itself */
	if(!bpfif(fd, &h))
		return ENXIO;
	if(!h.up)
		return ENETDOWN;
	if(len < 14 || len - 14 > (size_t)h.mtu)
		return EMSGSIZE;
	if(Old && len > Mjumpagesize)
		return EIO;
	return desc[fd].mute ? EPERM : 0;
}

static ssize_t
bpfwrite(int fd, const void *buf, size_t len)
{
	static unsigned sent;
	unsigned char frame[65536 + 14];
	Hostif h;
	int e;
	long n;

	if(!bpfalive(fd))
		return fail(ENXIO);
	if(len < 14 || len > sizeof frame)
		return fail(EMSGSIZE);
	if((e = bpfrefuses(fd, len)) != 0)
		return fail(e);
	if(worse("enobufs") && sent++ % 3 == 0)
		return fail(ENOBUFS);
	memcpy(frame, buf, len);
	if(!desc[fd].complete && bpfif(fd, &h))
		memcpy(frame + 6, h.mac, 6);
	n = hostsend(fd, frame, len);
	if(n < 0 && errno == EAGAIN)
		errno = ENOBUFS;
	return n;
}

/* The routing socket. */

static int routein;		/* where messages are put in */
static int routelost;		/* the next read tells that some did not fit */

/*
 * What has changed of an interface, for which FreeBSD sends a message?
 */
static int
newsworthy(Hostif *h)
{
	static Hostif last[256];
	Hostif *l = &last[h->index % 256];
	int same = l->index == h->index && l->up == h->up && l->running == h->running
		&& l->mtu == h->mtu;

	*l = *h;
	return !same;
}

static void
announce(int index, int what)
{
	struct if_announcemsghdr a = {
		.ifan_msglen = sizeof a, .ifan_version = RTM_VERSION, .ifan_type = RTM_IFANNOUNCE,
		.ifan_index = (unsigned short)index, .ifan_what = (unsigned short)what,
	};

	if(__real_write(routein, &a, sizeof a) < 0)
		routelost = 1;
}

static void
ifinfo(Hostif *h)
{
	struct if_msghdr m = {
		.ifm_msglen = sizeof m, .ifm_version = RTM_VERSION, .ifm_type = RTM_IFINFO,
		.ifm_index = (unsigned short)h->index,
		.ifm_flags = (h->up ? IFF_UP|IFF_DRV_RUNNING : 0),
		.ifm_data.ifi_mtu = (uint32_t)h->mtu,
		.ifm_data.ifi_link_state = h->running ? LINK_STATE_UP : LINK_STATE_DOWN,
	};

	if(__real_write(routein, &m, sizeof m) < 0)
		routelost = 1;
}

static void*
router(void *arg)
{
	int fd = *(int*)arg, index, gone;
	Hostif h;

	for(;;){
		if(hostnews(fd, &index, &gone) < 0){
			routelost = 1;
			announce(0, IFAN_ARRIVAL);
		}else if(gone)
			announce(index, IFAN_DEPARTURE);
		else if(hostif(NULL, index, &h) == 0 && newsworthy(&h))
			ifinfo(&h);
	}
	return NULL;
}

static void
begin(void *(*f)(void*), void *arg)
{
	sigset_t all, old;
	pthread_t t;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if(pthread_create(&t, NULL, f, arg) != 0)
		die("no thread for the layer");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int
__wrap_socket(int family, int type, int protocol)
{
	static int links;
	int pair[2];

	if(family == PF_ROUTE){
		if((type & 0xf) != SOCK_RAW || hostpair(pair) < 0)
			return fail(EPROTOTYPE);
		links = hostlinks();
		routein = pair[1];
		begin(router, &links);
		return newdesc(pair[0], Droute);
	}
	/* Any will do that the layer can recognise. */
	if(family != AF_LOCAL || (type & 0xf) != SOCK_DGRAM || protocol != 0 || hostpair(pair) < 0)
		return fail(EPROTONOSUPPORT);
	__real_close(pair[1]);
	return newdesc(pair[0], Dsocket);
}

ssize_t
__wrap_send(int fd, const void *buf, size_t len, int flags)
{
	if(flags != (MSG_DONTWAIT|MSG_NOSIGNAL))
		die("only such messages are sent as must not wait");
	return hostsay(fd, buf, len);
}

/*
 * Put an entry of the interface's name and an address behind the others.
 * Returns 0 when there is no room.
 */
static int
ifentry(struct ifconf *c, size_t *at, Hostif *h, const void *sa, size_t len)
{
	enum { Addr = offsetof(struct ifreq, ifr_addr) };

	if(*at + Addr + len > (size_t)c->ifc_len)
		return 0;
	memcpy(c->ifc_buf + *at, h->name, IFNAMSIZ);
	memcpy(c->ifc_buf + *at + Addr, sa, len);
	*at += Addr + len;
	return 1;
}

/*
 * For each interface its link address, in 56 bytes, then one of IPv4, in 16,
 * and one of IPv6, in 28, so that what follows begins anywhere.
 */
static int
ifconf(struct ifconf *c)
{
	enum { Linklen = 56, In6len = 28 };
	union {
		struct sockaddr_dl dl;
		unsigned char bytes[Linklen];
	} link;
	struct sockaddr in = { .sa_len = sizeof in, .sa_family = AF_INET };
	unsigned char in6[In6len] = { In6len, AF_INET6 };
	size_t at = 0, n;
	Hostif h;
	int i;

	for(i = 0; hostnthif(i, &h) == 0; i++){
		n = strlen(h.name);
		memset(&link, 0, sizeof link);
		link.dl = (struct sockaddr_dl){
			.sdl_len = Linklen, .sdl_family = AF_LINK, .sdl_index = (unsigned short)h.index,
			.sdl_nlen = (unsigned char)n, .sdl_alen = h.ethernet ? 6 : 0,
		};
		memcpy(link.dl.sdl_data, h.name, n);
		memcpy(LLADDR(&link.dl), h.mac, 6);
		if(!ifentry(c, &at, &h, &link, Linklen) || !ifentry(c, &at, &h, &in, sizeof in)
			|| !ifentry(c, &at, &h, in6, In6len))
			break;
	}
	c->ifc_len = (int)at;
	return 0;
}

static int
sockioctl(unsigned long what, void *arg)
{
	struct ifmediareq *m = arg;
	struct ifreq *r = arg;
	Hostif h;

	if(what == SIOCGIFCONF)
		return ifconf(arg);
	if(hostif(r->ifr_name, 0, &h) < 0)
		return fail(ENXIO);
	switch(what){
	case SIOCGIFFLAGS:
		r->ifr_flags = h.up ? IFF_UP|IFF_DRV_RUNNING : 0;
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = h.mtu;
		return 0;
	case SIOCGLAGG:
		return worse("lagg") ? 0 : fail(EINVAL);
	case SIOCGIFMEDIA:
		m->ifm_status = IFM_AVALID | (h.running ? IFM_ACTIVE : 0);
		return 0;
	}
	return fail(EINVAL);
}

int
__wrap_ioctl(int fd, unsigned long what, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, what);
	arg = what & IOC_INOUT ? va_arg(ap, void*) : NULL;
	va_end(ap);
	needioctl(fd, what);
	switch(descof(fd)->kind){
	case Dbpf:
		return bpfioctl(fd, what, arg);
	case Droute:
	case Dsocket:
		return sockioctl(what, arg);
	case Ddisk:
		return diskioctl(fd, what, arg);
	}
	return fail(ENOTTY);
}

ssize_t
__wrap_read(int fd, void *buf, size_t len)
{
	need(fd, CAP_READ);
	if(descof(fd)->kind == Dbpf)
		return bpfread(fd, buf, len);
	if(descof(fd)->kind == Droute && routelost){
		routelost = 0;
		return fail(ENOBUFS);
	}
	return __real_read(fd, buf, len);
}

ssize_t
__wrap_write(int fd, const void *buf, size_t len)
{
	need(fd, CAP_WRITE);
	if(descof(fd)->kind == Dbpf)
		return bpfwrite(fd, buf, len);
	return __real_write(fd, buf, len);
}

/*
 * bpf has no errors of Linux's kind, and a descriptor whose interface is
 * gone is ready for everything.
 */
int
__wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	nfds_t i;
	int r;

	for(i = 0; i < n; i++)
		need(p[i].fd, CAP_EVENT);
	for(i = 0; i < n; i++)
		if(descof(p[i].fd)->kind == Dbpf && !bpfalive(p[i].fd) && p[i].events != 0)
			ms = 0;
	r = __real_poll(p, n, ms);
	if(r < 0)
		return r;
	for(r = 0, i = 0; i < n; i++){
		if(descof(p[i].fd)->kind == Dbpf){
			if(p[i].revents & (POLLERR|POLLHUP))
				hosterror(p[i].fd);
			p[i].revents &= p[i].events;
			if(!bpfalive(p[i].fd))
				p[i].revents = p[i].events;
			else if(!desc[p[i].fd].immediate)
				p[i].revents = (short)(p[i].revents & ~POLLIN);
		}
		r += p[i].revents != 0;
	}
	return r;
}

/* kqueue(2). */

int
kqueue(void)
{
	return newdesc(epoll_create1(0), Dkqueue);
}

static Source*
source(int kq, short filter, uintptr_t ident)
{
	int i;

	for(i = 0; i < Nsource; i++)
		if(sources[i].filter == filter
			&& (filter == 0 || (sources[i].kq == kq && sources[i].ident == ident)))
			return &sources[i];
	return NULL;
}

static void
addsource(int kq, short filter, uintptr_t ident, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	Source *s = source(kq, 0, 0);

	if(s == NULL)
		die("more events than the layer has");
	*s = (Source){ kq, filter, ident, fd };
	epoll_ctl(kq, EPOLL_CTL_ADD, fd, &e);
}

static int
change(int kq, const struct kevent *k)
{
	struct itimerspec t = { { k->data / 1000, k->data % 1000 * 1000000 },
		{ k->data / 1000, k->data % 1000 * 1000000 } };
	Source *s = source(kq, k->filter, k->ident);
	uint64_t one = 1;
	int fd;

	if(!(k->flags & EV_ADD) && s == NULL)
		return ENOENT;
	switch(k->filter){
	case EVFILT_READ:
		addsource(kq, k->filter, k->ident, (int)k->ident);
		return 0;
	case EVFILT_TIMER:
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK|TFD_CLOEXEC);
		timerfd_settime(fd, 0, &t, NULL);
		addsource(kq, k->filter, k->ident, fd);
		return 0;
	case EVFILT_USER:
		if(s == NULL){
			if(!(k->flags & EV_CLEAR))
				die("an EVFILT_USER that is never clear again");
			addsource(kq, k->filter, k->ident, eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC));
			s = source(kq, k->filter, k->ident);
		}
		if(k->fflags & NOTE_TRIGGER)
			(void)!__real_write(s->fd, &one, sizeof one);
		return 0;
	}
	return EINVAL;		/* EVFILT_AIO comes from the kernel only */
}

static int
jobevents(int kq, struct kevent *out, int n)
{
	int i, got = 0;

	for(i = 0; i < Njob && got < n; i++)
		if(jobs[i].cb != NULL && jobs[i].done && jobs[i].kq == kq){
			EV_SET(&out[got], (uintptr_t)jobs[i].cb, EVFILT_AIO, 0, 0, 0,
				jobs[i].udata);
			got++;
		}
	return got;
}

static int
events(int kq, struct kevent *out, int n)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t count;
	Source *s;
	int got = 0;

	for(s = sources; s < sources + Nsource && got < n; s++){
		if(s->filter == 0 || s->kq != kq)
			continue;
		if(s->filter == EVFILT_AIO){
			got += jobevents(kq, out + got, n - got);
			continue;
		}
		p.fd = s->fd;
		if(__real_poll(&p, 1, 0) != 1)
			continue;
		if(s->filter != EVFILT_READ)
			(void)!__real_read(s->fd, &count, sizeof count);
		EV_SET(&out[got], s->ident, s->filter, 0, 0, 0, NULL);
		got++;
	}
	return got;
}

int
kevent(int kq, const struct kevent *in, int nin, struct kevent *out, int nout,
	const struct timespec *ts)
{
	int i, e, n = 0;

	if(descof(kq)->kind != Dkqueue)
		return fail(EBADF);
	if(nin > 0)
		need(kq, CAP_KQUEUE_CHANGE);
	if(nout > 0)
		need(kq, CAP_KQUEUE_EVENT);
	if(nout > 0 && (ts == NULL || ts->tv_sec != 0 || ts->tv_nsec != 0))
		die("waiting in kevent: the loop waits in poll");
	pthread_mutex_lock(&lock);
	for(i = 0, e = 0; i < nin && e == 0; i++)
		e = change(kq, &in[i]);
	if(e == 0 && nout > 0)
		n = events(kq, out, nout);
	pthread_mutex_unlock(&lock);
	return e != 0 ? fail(e) : n;
}

/* aio(4). */

static int
before(Kjob *a, Kjob *b)
{
	return b == NULL || a->seq < b->seq;
}

/*
 * The oldest job that may run: a sync only when all that came before it for
 * its file have ended.
 */
static Kjob*
pick(void)
{
	Kjob *j, *k, *best = NULL;

	for(j = jobs; j < jobs + Njob; j++){
		if(j->cb == NULL || j->running || j->done || !before(j, best))
			continue;
		for(k = jobs; j->op == Jsync && k < jobs + Njob; k++)
			if(k->cb != NULL && k->fd == j->fd && !k->done && k->seq < j->seq)
				break;
		if(j->op != Jsync || k == jobs + Njob)
			best = j;
	}
	return best;
}

static ssize_t
run(Kjob *j)
{
	switch(j->op){
	case Jread:
		return readfile(j->fd, j->iov, j->niov, j->off);
	case Jwrite:
		return writefile(j->fd, j->iov, j->niov, j->off);
	}
	return __real_fdatasync(j->fd);
}

static void*
aiod(void *arg)
{
	uint64_t one = 1;
	Kjob *j;

	pthread_mutex_lock(&lock);
	for(;;){
		while((j = pick()) == NULL)
			pthread_cond_wait(&work, &lock);
		j->running = 1;
		pthread_mutex_unlock(&lock);
		j->result = run(j);
		j->error = j->result < 0 ? errno : 0;
		pthread_mutex_lock(&lock);
		j->done = 1;
		jobsdone++;
		(void)!__real_write(source(j->kq, EVFILT_AIO, 0)->fd, &one, sizeof one);
		pthread_cond_broadcast(&work);
	}
	return arg;
}

static void
aioopen(int kq)
{
	int i;

	if(source(kq, EVFILT_AIO, 0) != NULL)
		return;
	addsource(kq, EVFILT_AIO, 0, eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC));
	for(i = 0; i < Nthread; i++)
		begin(aiod, NULL);
}

static int
queue(struct aiocb *cb, int op)
{
	int i, used = 0, max = worse("fewaio") ? 2 : Njob;
	Kjob *j, *free = NULL;
	size_t inflight = 0;

	if(cb->aio_sigevent.sigev_notify != SIGEV_KEVENT
		|| descof(cb->aio_sigevent.sigev_notify_kqueue)->kind != Dkqueue)
		return fail(EINVAL);
	for(j = jobs; j < jobs + Njob; j++){
		if(j->cb == cb)
			die("an aiocb that is still in use");
		if(j->cb == NULL)
			free = j;
		else{
			used++;
			inflight += (size_t)(descof(j->fd)->kind == Ddisk ? j->niov : 0);
		}
	}
	if(used >= max || free == NULL)
		return fail(EAGAIN);
	if(worse("mapped") && op != Jsync && inflight + cb->aio_iovcnt > Maxbufaio)
		return fail(EAGAIN);
	aioopen(cb->aio_sigevent.sigev_notify_kqueue);
	*free = (Kjob){
		.cb = cb, .fd = cb->aio_fildes, .op = op, .off = cb->aio_offset,
		.kq = cb->aio_sigevent.sigev_notify_kqueue, .udata = cb->aio_sigevent.sigev_value.sival_ptr, .seq = jobseq++,
	};
	free->niov = op == Jsync ? 0 : (int)cb->aio_iovcnt;
	for(i = 0; i < free->niov; i++)
		free->iov[i] = ((struct iovec*)(uintptr_t)cb->aio_iov)[i];
	pthread_cond_signal(&work);
	return 0;
}

/*
 * Will a disk refuse this vector?  There is no thread that would do it instead.
 */
static int
unfit(struct aiocb *cb)
{
	struct iovec *iov = (struct iovec*)(uintptr_t)cb->aio_iov;
	size_t i, sum = 0;

	if(descof(cb->aio_fildes)->kind != Ddisk)
		return 0;
	if(cb->aio_iovcnt > Maxbufaio)
		return 1;
	for(i = 0; i < cb->aio_iovcnt; sum += iov[i++].iov_len)
		if(iov[i].iov_len % desc[cb->aio_fildes].sector != 0 || iov[i].iov_len > maxphys())
			return 1;
	return sum > maxphys();
}

static int
start(struct aiocb *cb, int op)
{
	int r;

	need(cb->aio_fildes, op == Jread ? CAP_PREAD : op == Jwrite ? CAP_PWRITE : CAP_FSYNC);
	need(cb->aio_sigevent.sigev_notify_kqueue, CAP_KQUEUE_CHANGE);
	if(worse("noaio") || (op == Jsync ? descof(cb->aio_fildes)->kind == Ddisk : unfit(cb)))
		return fail(EOPNOTSUPP);
	if(op != Jsync && cb->aio_iovcnt > 64)
		die("a vector longer than the layer has");
	pthread_mutex_lock(&lock);
	r = queue(cb, op);
	pthread_mutex_unlock(&lock);
	return r;
}

int
aio_readv(struct aiocb *cb)
{
	return start(cb, Jread);
}

int
aio_writev(struct aiocb *cb)
{
	return start(cb, Jwrite);
}

int
aio_fsync(int op, struct aiocb *cb)
{
	if(op != O_SYNC && op != O_DSYNC)
		return fail(EINVAL);
	return start(cb, Jsync);
}

ssize_t
aio_return(struct aiocb *cb)
{
	uint64_t count;
	ssize_t n;
	Kjob *j;
	int e;

	pthread_mutex_lock(&lock);
	for(j = jobs; j < jobs + Njob && j->cb != cb; j++)
		;
	if(j == jobs + Njob || !j->done)
		die("aio_return of what has not ended, or for the second time");
	n = j->result;
	e = j->error;
	if(--jobsdone == 0)
		(void)!__real_read(source(j->kq, EVFILT_AIO, 0)->fd, &count, sizeof count);
	j->cb = NULL;
	pthread_mutex_unlock(&lock);
	return n < 0 ? fail(e) : n;
}

/* getopt(3) stops at the first operand, and a + or : has no meaning but as POSIX says. */

int
__wrap_getopt(int argc, char *const *argv, const char *opts)
{
	static const char *at = "";
	const char *o;

	if(*at == 0){
		if(optind >= argc || argv[optind][0] != '-' || argv[optind][1] == 0)
			return -1;
		if(strcmp(argv[optind], "--") == 0){
			optind++;
			return -1;
		}
		at = argv[optind] + 1;
	}
	optopt = (unsigned char)*at++;
	o = optopt == ':' ? NULL : strchr(opts, optopt);
	if(o == NULL || o[1] != ':'){
		if(*at == 0)
			optind++;
		optarg = NULL;
		return o == NULL ? '?' : optopt;
	}
	optarg = *at != 0 ? (char*)(uintptr_t)at : argv[optind + 1];
	optind += *at != 0 ? 1 : 2;
	at = "";
	if(optind > argc){
		optind = argc;
		return *opts == ':' ? ':' : '?';
	}
	return optopt;
}
