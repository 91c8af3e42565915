/*
 * What aoede needs of FreeBSD: bpf(4), the routing socket, the image and the
 * shadow, POSIX aio(4) with kqueue(2), and capsicum(4).
 *
 * A Port is one bpf descriptor, attached to one interface.  One read returns
 * all frames that have come, each after a struct bpf_hdr.  They are lent where
 * they lie in the buffer.  One write sends one frame, from a slot.  As on
 * Linux, the data of an ATA frame in a slot is aligned to 512 bytes in memory.
 *
 * 1. The buffer is refilled only when every frame in it has been lent and
 *    given back.
 * 2. Slots form a ring.  They are taken, filled and sent in order.
 * 3. The descriptor stays open when the interface goes, and is attached to the
 *    next interface of that name.  Inside Capsicum no new one could be opened.
 *
 * mincore(2) reports only pages that this process has touched, not all that
 * are in memory (vm.mincore_mapped).  So after the engine has read from a
 * file, those pages are touched in the window, and mincore reports them from
 * then on.  Disks have no page cache, so Disk.direct is always set for them.
 *
 * This file knows nothing of requests, blocks or initiators.  Errors at
 * startup are returned as a sentence, later ones in errno.
 */
#include <sys/types.h>
#include <sys/capsicum.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/disk.h>
#include <sys/event.h>
#include <sys/extattr.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <net/bpf.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <net/if_dl.h>
#include <net/if_lagg.h>
#include <net/if_media.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Slot	Slot;
typedef struct File	File;
typedef struct Job	Job;

/* The frame of slot i is frameof(port, i). */
struct Slot {
	uint	len;		/* bytes; 0 until nicsend */
};

struct Port {
	Port	*next;
	int	fd;		/* /dev/bpf */
	int	attached;	/* to an interface */
	int	shelf;
	int	slot;
	uchar	*buf;		/* what was read */
	uint	size;		/* bytes that a read must ask for, as bpf wants it */
	uint	have;		/* bytes read, and how many of them have been lent */
	uint	at;
	uint	lent;		/* frames not yet given back (inv. 1) */
	uint	dropped;	/* bpf's count of dropped frames when it was last read */
	/* the interface's MTU when the next was found out: */
	int	mtu;
	int	largest;	/* the largest MTU whose frames can be sent */
	int	told;		/* a smaller limit has been logged */
	Slot	tx[TX_SLOTS];
	uchar	*frames;	/* memory of the slots' frames */
	uint	head;		/* the oldest slot in use */
	uint	used;
};

/* Some versions of bpf can't send a frame that is larger than this mbuf. */
enum {
	Mbufmax	= 4096,
};

static Port *ports;

/*
 * Let only our frames through: those without a VLAN tag, for our shelf and
 * slot or all of them.  Of responses, only config responses pass.  Setting the
 * filter discards what bpf has buffered.
 */
static int
setfilter(Port *p)
{
	struct bpf_insn code[] = {
		BPF_STMT(BPF_LD|BPF_H|BPF_ABS, Otype),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Aoetype, 0, 11),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Overflag),
		BPF_JUMP(BPF_JMP|BPF_JSET|BPF_K, Fresp, 0, 2),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Ocmd),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Cconfig, 0, 7),
		BPF_STMT(BPF_LD|BPF_H|BPF_ABS, Omajor),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Allshelves, 1, 0),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint)p->shelf, 0, 4),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Ominor),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Allslots, 1, 0),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint)p->slot, 0, 1),
		BPF_STMT(BPF_RET|BPF_K, UINT_MAX),
		BPF_STMT(BPF_RET|BPF_K, 0),
	};
	struct bpf_program prog = { .bf_len = sizeof code / sizeof code[0], .bf_insns = code };

	return ioctl(p->fd, BIOCSETF, &prog);
}

/* Returns a socket for queries about interfaces. */
static int
asker(void)
{
	static int fd = -1;

	if(fd < 0)
		fd = socket(AF_LOCAL, SOCK_DGRAM|SOCK_CLOEXEC, 0);
	return fd;
}

static int
ifquery(struct ifreq *ifr, const char *name, unsigned long what)
{
	memset(ifr, 0, sizeof *ifr);
	snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%s", name);
	return ioctl(asker(), what, ifr);
}

/* Is this an aggregate of interfaces, lagg(4)? */
static int
islagg(const char *name)
{
	struct lagg_reqall all = { .ra_size = 0 };

	snprintf(all.ra_ifname, sizeof all.ra_ifname, "%s", name);
	return ioctl(asker(), SIOCGLAGG, &all) == 0;
}

/*
 * Attach the port to the interface of this name.  The filter is set last, as
 * it discards what came in without it.  On FreeBSD 13.0 frames that a lagg(4)
 * receives have no direction; there nicrecv drops the frames that this host
 * sends.
 */
static int
attach(Port *p, const char *name)
{
	struct ifreq ifr = { 0 };
	uint one = 1, direction = islagg(name) ? BPF_D_INOUT : BPF_D_IN;

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	if(ioctl(p->fd, BIOCSETIF, &ifr) < 0
	|| ioctl(p->fd, BIOCIMMEDIATE, &one) < 0
	|| ioctl(p->fd, BIOCSHDRCMPLT, &one) < 0
	|| ioctl(p->fd, BIOCSDIRECTION, &direction) < 0
	|| setfilter(p) < 0)
		return -1;
	p->attached = 1;
	p->have = p->at = 0;
	p->dropped = 0;
	p->mtu = 0;
	return 0;
}

/* Is there a carrier?  Interfaces that can't tell are assumed to have one. */
static int
carrier(const char *name)
{
	struct ifmediareq m = { 0 };

	snprintf(m.ifm_name, sizeof m.ifm_name, "%s", name);
	if(ioctl(asker(), SIOCGIFMEDIA, &m) < 0)
		return 1;
	return !(m.ifm_status & IFM_AVALID) || m.ifm_status & IFM_ACTIVE;
}

/*
 * Find the interface's MAC in the list of all interfaces' addresses, whose
 * entries vary in length.  getifaddrs(3) does not work inside Capsicum.
 */
static int
address(const char *name, Ea *ea)
{
	enum { Addr = offsetof(struct ifreq, ifr_addr) };
	static char list[128 * 1024];
	struct ifconf c = { .ifc_len = sizeof list, .ifc_buf = list };
	struct sockaddr_dl sdl;
	size_t at, len, end;

	if(ioctl(asker(), SIOCGIFCONF, &c) < 0)
		return -1;
	end = (size_t)c.ifc_len;
	for(at = 0; at + sizeof(struct ifreq) <= end; at += Addr + len){
		memset(&sdl, 0, sizeof sdl);
		memcpy(&sdl, list + at + Addr,
			end - at - Addr < sizeof sdl ? end - at - Addr : sizeof sdl);
		len = sdl.sdl_len > sizeof(struct sockaddr) ? sdl.sdl_len : sizeof(struct sockaddr);
		if(sdl.sdl_family != AF_LINK || strncmp(list + at, name, IFNAMSIZ) != 0)
			continue;
		if(sdl.sdl_alen != sizeof ea->a)
			return -1;
		memcpy(ea->a, LLADDR(&sdl), sizeof ea->a);
		return 0;
	}
	return -1;
}

/*
 * Take back queued frames.  After waiting for a cable, an answer would arrive
 * long after its initiator asked again.
 */
static void
purge(Port *p)
{
	Slot *s;

	for(; p->used > 0; p->used--){
		s = &p->tx[(p->head + p->used - 1) % TX_SLOTS];
		if(s->len == 0)
			break;
		s->len = 0;
	}
}

/*
 * Find the interface that the port is attached to, whatever its present name;
 * if it is gone, attach the port to the one that now has the configured name.
 * Returns -1 when there is none.  Sets *fresh if it is a new one.
 */
static int
follow(Nic *n, struct ifreq *ifr, int *fresh)
{
	Port *p = n->port;

	memset(ifr, 0, sizeof *ifr);
	if(ioctl(p->fd, BIOCGETIF, ifr) == 0)
		return 0;
	p->attached = 0;
	*fresh = 1;
	snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%.*s", IFNAMSIZ - 1, n->name);
	return attach(p, n->name);
}

/* Returns the largest MTU whose frames fit into our slots and bpf's buffer. */
static int
mtulimit(Port *p)
{
	int carried = (int)(p->size - BPF_WORDALIGN(sizeof(struct bpf_hdr) + Etherhdr));

	return carried < MAX_MTU ? carried : MAX_MTU;
}

/*
 * Would bpf send a frame of len bytes?  Try it with a write filter that lets
 * nothing through.  EPERM means that the frame reached the filter, EIO that no
 * mbuf is large enough.
 */
static int
cansend(Port *p, size_t len)
{
	struct bpf_insn nothing = BPF_STMT(BPF_RET|BPF_K, 0);
	struct bpf_program none = { .bf_len = 1, .bf_insns = &nothing }, all = { .bf_len = 0 };
	int can;

	if(ioctl(p->fd, BIOCSETWF, &none) < 0)
		return 1;
	can = write(p->fd, p->frames, len) >= 0 || errno != EIO;
	ioctl(p->fd, BIOCSETWF, &all);
	return can;
}

/* Returns the largest MTU, up to mtu, whose frames bpf can send. */
static int
sendable(Nic *n, int mtu)
{
	Port *p = n->port;

	if(mtu == p->mtu)
		return p->largest;
	p->mtu = p->largest = mtu;
	if(mtu + Etherhdr > Mbufmax && !cansend(p, (size_t)mtu + Etherhdr)){
		p->largest = Mbufmax - Etherhdr;
		if(!p->told)
			warnx("%s: this system's bpf sends no frame above %d bytes: "
				"used with an MTU of %d", n->name, Mbufmax, p->largest);
		p->told = 1;
	}
	return p->largest;
}

int
niccheck(Nic *n)
{
	struct ifreq now, flags, mtu;
	int same, fresh = 0;
	Ea ea;

	if(follow(n, &now, &fresh) < 0
	|| ifquery(&flags, now.ifr_name, SIOCGIFFLAGS) < 0
	|| ifquery(&mtu, now.ifr_name, SIOCGIFMTU) < 0
	|| address(now.ifr_name, &ea) < 0
	|| !(flags.ifr_flags & IFF_UP) || !(flags.ifr_flags & IFF_DRV_RUNNING)
	|| !carrier(now.ifr_name) || mtu.ifr_mtu < Minmtu){
		same = !n->up;
		n->up = 0;
		purge(n->port);
		return same ? Nicsame : Nicdown;
	}
	if(mtu.ifr_mtu > mtulimit(n->port))
		mtu.ifr_mtu = mtulimit(n->port);
	mtu.ifr_mtu = sendable(n, mtu.ifr_mtu);
	same = n->up && !fresh && n->mtu == mtu.ifr_mtu && memcmp(&n->ea, &ea, sizeof ea) == 0;
	n->ea = ea;
	n->mtu = mtu.ifr_mtu;
	n->up = 1;
	return same ? Nicsame : Nicup;
}

/*
 * Ask for a buffer for all frames that may come at once.  bpf gives what
 * net.bpf.maxbufsize allows.
 */
static int
makebuffer(Port *p, int bufcnt)
{
	uint want = RX_FRAMES(bufcnt);

	want = want < UINT_MAX / Slotmax / 2 ? want * Slotmax : UINT_MAX / 2;
	if(ioctl(p->fd, BIOCSBLEN, &want) < 0 || ioctl(p->fd, BIOCGBLEN, &p->size) < 0)
		return -1;
	if(mtulimit(p) < Minmtu){
		errno = ENOBUFS;
		return -1;
	}
	p->buf = aligned_alloc(4096, (p->size + 4095) / 4096 * 4096);
	p->frames = aligned_alloc(4096, (TX_SLOTS * (size_t)Slotmax + 4095) / 4096 * 4096);
	return p->buf == NULL || p->frames == NULL ? -1 : 0;
}

char*
nicopen(Nic *n, int shelf, int slot, int bufcnt)
{
	uint dlt;
	Port *p;

	if(strlen(n->name) >= IFNAMSIZ)
		return sentence("%s: expected a network interface", n->name);
	p = calloc(1, sizeof *p);
	if(p == NULL)
		return sentence("%s: %s", n->name, strerror(errno));
	n->port = p;
	p->next = ports;
	ports = p;
	p->shelf = shelf;
	p->slot = slot;
	p->fd = open("/dev/bpf", O_RDWR|O_NONBLOCK|O_CLOEXEC);
	if(p->fd < 0)
		return sentence("%s: can't open /dev/bpf: %s%s", n->name, strerror(errno),
			errno == EACCES || errno == EPERM ? " (root is needed)" : "");
	if(makebuffer(p, bufcnt) < 0)
		return sentence("%s: no buffer for its frames: %s (net.bpf.maxbufsize)", n->name,
			strerror(errno));
	if(attach(p, n->name) < 0)
		return sentence("%s: %s: expected a network interface", n->name, strerror(errno));
	if(ioctl(p->fd, BIOCGDLT, &dlt) < 0 || dlt != DLT_EN10MB)
		return sentence("%s: not an Ethernet interface", n->name);
	if(asker() < 0)
		return sentence("%s: no socket to ask for its state: %s", n->name, strerror(errno));
	return NULL;
}

int
nicpoll(Nic *n, short *events)
{
	Port *p = n->port;

	/* poll reports a descriptor without an interface as ready all the time. */
	*events = POLLIN;
	return p->attached ? p->fd : -1;
}

void
nicerror(Nic *n)
{
	(void)n;	/* bpf keeps none: reads and writes return it */
}

/*
 * Fill the buffer if all of it has been lent.  Returns 0 when there is no
 * frame to lend: none has come, or those in the buffer are still lent (inv.
 * 1).
 */
static int
fill(Port *p)
{
	ssize_t n;

	if(p->at < p->have)
		return 1;
	if(p->lent > 0 || !p->attached)
		return 0;
	p->at = p->have = 0;
	do
		n = read(p->fd, p->buf, p->size);
	while(n < 0 && errno == EINTR);
	if(n < 0 && errno == ENXIO)
		p->attached = 0;
	if(n <= 0)
		return 0;
	p->have = (uint)n;
	return 1;
}

uchar*
nicrecv(Nic *n, uint *len)
{
	Port *p = n->port;
	struct bpf_hdr *h;
	uchar *f;

	while(fill(p)){
		h = (struct bpf_hdr*)(void*)(p->buf + p->at);
		f = p->buf + p->at + h->bh_hdrlen;
		p->at += (uint)BPF_WORDALIGN(h->bh_hdrlen + h->bh_caplen);
		if(h->bh_caplen < h->bh_datalen || memcmp(f + Osrc, n->ea.a, sizeof n->ea.a) == 0)
			continue;
		p->lent++;
		*len = h->bh_caplen;
		return f;
	}
	return NULL;
}

int
nicempty(Nic *n)
{
	/* While frames are lent, nothing says what else bpf has. */
	return n->port->at >= n->port->have;
}

void
nicrelease(Nic *n)
{
	n->port->lent = 0;
}

static uchar*
frameof(Port *p, uint i)
{
	return p->frames + (size_t)i * Slotmax + Frameoff;
}

uchar*
nicroom(Nic *n)
{
	Port *p = n->port;

	if(p->used == TX_SLOTS)
		nickick(n);
	if(p->used == TX_SLOTS)
		return NULL;
	return frameof(p, (p->head + p->used++) % TX_SLOTS);
}

void
nicsend(Nic *n, uchar *f, uint len)
{
	Port *p = n->port;

	p->tx[(size_t)(f - p->frames) / Slotmax].len = len;
}

/*
 * Send the frame.  Returns -1 when the caller must try again.  A frame that
 * the interface can't take (too long, or the interface is down or gone) is
 * skipped.
 */
static int
sendframe(Port *p, uchar *f, uint len)
{
	ssize_t n;

	do
		n = write(p->fd, f, len);
	while(n < 0 && errno == EINTR);
	if(n < 0 && errno == ENXIO)
		p->attached = 0;
	return n < 0 && (errno == ENOBUFS || errno == EAGAIN) ? -1 : 0;
}

int
nickick(Nic *n)
{
	Port *p = n->port;
	Slot *s;

	if(!n->up)
		purge(p);
	for(; p->used > 0; p->used--){
		s = &p->tx[p->head];
		if(s->len == 0 || sendframe(p, frameof(p, p->head), s->len) < 0)
			break;
		s->len = 0;
		p->head = (p->head + 1) % TX_SLOTS;
	}
	/* poll does not report frames that are in our buffer. */
	return p->used > 0 || p->at < p->have;
}

void
lognowait(int fd)
{
	/*
	 * FreeBSD can't reopen it by its descriptor.  So other processes that
	 * share this description won't wait either.
	 */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int
managersocket(void)
{
	return -1;		/* there is no such protocol here */
}

void
closefiles(void)
{
	closefrom(3);
}

char*
nicbridge(Nic *n)
{
	/* bpf sees a frame before a bridge takes it. */
	(void)n;
	return NULL;
}

char*
nicrings(Nic *n)
{
	(void)n;
	return "bpf";
}

uvlong
nicdrops(Nic *n)
{
	struct bpf_stat st;
	Port *p = n->port;
	uint d;

	if(ioctl(p->fd, BIOCGSTATS, &st) < 0)
		return 0;
	d = st.bs_drop - p->dropped;
	p->dropped = st.bs_drop;
	return d;
}

/*
 * The link descriptor is a kqueue.  The routing socket in it reports
 * interfaces that come, go and change.  It reports neither a new MAC address
 * nor the moment when bpf can be attached to a new interface.  So a timer
 * makes us look once a second, too.
 */
static int routefd = -1;
static int linkkq = -1;

int
linkopen(void)
{
	struct kevent ev[2];
	int kq;

	routefd = socket(PF_ROUTE, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
	kq = kqueue();
	if(routefd < 0 || kq < 0)
		return -1;
	fcntl(kq, F_SETFD, FD_CLOEXEC);
	EV_SET(&ev[0], (uintptr_t)routefd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&ev[1], 1, EVFILT_TIMER, EV_ADD, 0, 1000, NULL);
	if(kevent(kq, ev, 2, NULL, 0, NULL) < 0){
		close(kq);
		return -1;
	}
	linkkq = kq;
	return kq;
}

void
linkread(int fd)
{
	static const struct timespec now;
	struct kevent ev[2];
	char buf[2048];
	int i;

	/*
	 * The messages' contents don't matter, as niccheck queries the state
	 * itself.  So a lost message (ENOBUFS) does no harm.
	 */
	for(i = 0; i < 64; i++)
		if(read(routefd, buf, sizeof buf) < 0 && errno != ENOBUFS && errno != EINTR)
			break;
	kevent(fd, NULL, 0, ev, 2, &now);
}

/*
 * The files that hold the disk's data.  A disk is a character device without a
 * page cache.  It transfers only whole sectors of its own, and each part of a
 * vector must consist of such.
 */
struct File {
	int	fd;
	int	isdev;
	int	direct;		/* -d */
	uint	block;		/* bytes of a device's sector */
	int	noaio;		/* aio does not work with this file */
};

static File files[Nfiles] = { { .fd = -1 }, { .fd = -1 } };

/* Serialises read-modify-write of device sectors: two may concern the same sector. */
static pthread_mutex_t rough = PTHREAD_MUTEX_INITIALIZER;

int
disksize(Disk *d)
{
	File *f = &files[Image];
	struct stat st;
	off_t size;

	if(f->isdev){
		if(ioctl(f->fd, DIOCGMEDIASIZE, &size) < 0)
			return -1;
		d->size = (uvlong)size;
		return 0;
	}
	if(fstat(f->fd, &st) < 0)
		return -1;
	d->size = (uvlong)st.st_size;
	return 0;
}

/*
 * Returns the size of a physical sector in bytes: the disk's stripe size if it
 * is plausible, else its sector size.
 */
static uint
physical(struct stat *st)
{
	File *f = &files[Image];
	off_t stripe;
	uint size = st->st_blksize < 4096 ? (uint)st->st_blksize : 4096;

	if(f->isdev){
		size = f->block;
		if(ioctl(f->fd, DIOCGSTRIPESIZE, &stripe) == 0 && stripe > size && stripe <= 4096)
			size = (uint)stripe;
	}
	return size >= Sector && (size & (size - 1)) == 0 ? size : Sector;
}

/*
 * Returns 1 when the disk says that it does not rotate, else 0: the true rate
 * is unknown, and so is the disk below a file.
 */
static int
rotation(void)
{
	struct diocgattr_arg a = { .name = "GEOM::rotation_rate", .len = sizeof a.value.u16 };

	return files[Image].isdev && ioctl(files[Image].fd, DIOCGATTR, &a) == 0 && a.value.u16 == 1;
}

static char*
openerror(char *path, int readonly)
{
	int e = errno;

	if(e == EPERM && !readonly)
		return sentence("%s: mounted, held by another program, or not to be written to "
			"(-r serves it read-only)", path);
	if(!readonly && (e == EACCES || e == EROFS))
		return sentence("%s: %s: expected to write to it (-r serves it read-only)", path,
			strerror(e));
	return sentence("%s: %s: expected a file or a disk", path, strerror(e));
}

/* Learn the size of the device's sectors and check that we can serve it. */
static char*
opendevice(char *path)
{
	File *f = &files[Image];
	off_t size;

	if(ioctl(f->fd, DIOCGMEDIASIZE, &size) < 0 || ioctl(f->fd, DIOCGSECTORSIZE, &f->block) < 0)
		return sentence("%s: expected a file or a disk", path);
	if(f->block < Sector || f->block > 65536 || (f->block & (f->block - 1)) != 0)
		return sentence("%s: sectors of %u bytes: expected a power of two from %d to 65536",
			path, f->block, Sector);
	return NULL;
}

/*
 * Does direct I/O of this file work with single sectors?  ZFS, where it
 * honours O_DIRECT, wants whole pages, in memory as well.
 */
static int
takessectors(int fd)
{
	static _Alignas(4096) char buf[2 * Sector];

	return pread(fd, buf + Sector, Sector, 0) >= 0 || errno != EINVAL;
}

char*
diskopen(Disk *d, char *path, int readonly, int direct)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	File *f = &files[Image];
	struct stat st;
	char *e;

	if(stat(path, &st) < 0)
		return openerror(path, readonly);
	if(!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return sentence("%s: expected a file or a disk", path);
	f->isdev = S_ISCHR(st.st_mode);
	f->direct = direct;
	/* With O_DIRECT alone a write ends before the disk has it. */
	if(direct && !f->isdev)
		flags |= O_DIRECT|O_DSYNC;
	f->fd = open(path, flags);
	if(f->fd < 0)
		return openerror(path, readonly);
	if(f->isdev && (e = opendevice(path)) != NULL)
		return e;
	if(direct && !f->isdev && !takessectors(f->fd))
		return sentence("%s: -d: direct I/O of its file system takes no sectors "
			"(ZFS does with sysctl vfs.zfs.dio_enabled=0)", path);
	if((e = imagelock(f->fd, path, readonly)) != NULL)
		return e;
	if(fstat(f->fd, &st) < 0 || disksize(d) < 0)
		return sentence("%s: can't learn its size: %s", path, strerror(errno));
	d->direct = direct || f->isdev;
	d->block = f->isdev && f->block <= Blockmax ? f->block : Sector;
	d->physical = physical(&st);
	d->rotation = rotation();
	return NULL;
}

/*
 * Name a disk by its serial number, independently of where it is attached, and
 * its partition by the tail of a name like ada0p2.  A disk without a serial
 * number goes by its whole name.
 */
static void
devident(char *id, size_t size)
{
	char ident[DISK_IDENT_SIZE] = "", name[PATH_MAX] = "", *part = name;

	ioctl(files[Image].fd, DIOCGPROVIDERNAME, name);
	if(ioctl(files[Image].fd, DIOCGIDENT, ident) == 0 && ident[0] != 0){
		while(*part >= 'a' && *part <= 'z')
			part++;
		while(*part >= '0' && *part <= '9')
			part++;
	}
	snprintf(id, size, "disk %.100s%.100s", ident, part);
}

void
diskident(char *id, size_t size)
{
	struct stat st;

	memset(id, 0, size);
	if(files[Image].isdev)
		devident(id, size);
	else if(fstat(files[Image].fd, &st) == 0)
		snprintf(id, size, "file %llu of %lld", (uvlong)st.st_ino,
			(long long)st.st_birthtime);
}

void
bootid(uchar id[16])
{
	size_t size = 16;

	memset(id, 0, 16);
	sysctlbyname("kern.boot_id", id, &size, NULL, 0);
}

/* The parts of the shadow that differ between systems. */

static int
shadowattach(int fd, int dir, char *name, int readonly)
{
	(void)dir, (void)name, (void)readonly;
	files[Shadow] = (File){ .fd = fd, .direct = files[Image].direct };
	return 0;
}

static void
shadowdetach(void)
{
	files[Shadow] = (File){ .fd = -1 };
}

static int
renamenew(int dir, char *from, char *to)
{
	int e;

	/* The file has two names for a moment; renameat would replace an existing file. */
	if(linkat(dir, from, dir, to, 0) < 0)
		return -1;
	if(unlinkat(dir, from, 0) == 0)
		return 0;
	e = errno;
	unlinkat(dir, to, 0);
	errno = e;
	return -1;
}

char*
shadowdir(char *path)
{
	/* With -d like the image, but without O_DIRECT, as its file system may not support it. */
	int flags = files[Image].direct ? O_DSYNC : 0;

	return shadowat(path, flags, shadowattach, shadowdetach, renamenew);
}

uvlong
imagechanged(void)
{
	struct stat st;

	if(files[Image].isdev || fstat(files[Image].fd, &st) < 0)
		return 0;
	return (uvlong)st.st_mtim.tv_sec * 1000000000 + (uvlong)st.st_mtim.tv_nsec;
}

static const char markname[] = "aoede.shadow";

static int
markput(char *text)
{
	int fd = files[Image].fd;
	ssize_t r;

	if(text == NULL)
		r = extattr_delete_fd(fd, EXTATTR_NAMESPACE_USER, markname);
	else
		r = extattr_set_fd(fd, EXTATTR_NAMESPACE_USER, markname, text, strlen(text));
	/* Device nodes and some file systems don't support attributes. */
	if(r < 0 && errno != EOPNOTSUPP && !files[Image].isdev
	&& !(errno == ENOATTR && text == NULL))
		return 1;
	return files[Image].isdev ? 0 : fsync(fd);
}

static ssize_t
markget(char *text, size_t size)
{
	return extattr_get_fd(files[Image].fd, EXTATTR_NAMESPACE_USER, markname, text, size);
}

int
imagemark(int mark)
{
	return markset(mark, markput);
}

int
imagemarked(char *path, size_t size)
{
	return markfind(markget, path, size);
}

char*
imagemarkname(void)
{
	return "aoede.shadow (namespace user)";
}

static atomic_int gone;		/* the image's device has gone */

void
diskask(void)
{
	off_t size;

	if(files[Image].isdev && ioctl(files[Image].fd, DIOCGMEDIASIZE, &size) < 0
	&& (errno == ENXIO || errno == ENODEV))
		atomic_store(&gone, 1);
}

int
diskgone(void)
{
	return atomic_load_explicit(&gone, memory_order_relaxed);
}

/*
 * Note the result of one attempt at an operation: the bytes it moved, or a
 * negative errno.  Returns 1 when the operation has ended, 0 when the rest
 * must be tried again.
 */
static int
settle(Op *o, long n)
{
	if(n == -EINTR || n == -EAGAIN)
		return 0;
	if(n < 0){
		o->error = (int)-n;
		if(o->file == Image && files[Image].isdev && (n == -ENXIO || n == -ENODEV))
			atomic_store(&gone, 1);
		else if(o->file == Image)
			diskask();
		return 1;
	}
	if(!istransfer(o))
		return 1;
	if(n == 0){
		o->error = EIO;		/* the file has been cut short */
		return 1;
	}
	opadvance(o, (size_t)n);
	return o->niov == 0;
}

/*
 * Will the device refuse this transfer, as it does not consist of whole
 * sectors?
 */
static int
isrough(Op *o)
{
	File *f = &files[o->file];
	int i;

	if(!f->isdev || f->block <= 1)
		return 0;
	if((o->off + o->moved) % f->block != 0)
		return 1;
	for(i = 0; i < o->niov; i++)
		if(o->iov[i].iov_len % f->block != 0)
			return 1;
	return 0;
}

/*
 * Copy up to len bytes between flat memory and the operation's vector, in the
 * direction of the operation.  Returns the number of bytes copied.
 */
static size_t
shuffle(Op *o, char *flat, size_t len)
{
	size_t n, done = 0;
	int i;

	for(i = 0; i < o->niov && done < len; i++, done += n){
		n = o->iov[i].iov_len < len - done ? o->iov[i].iov_len : len - done;
		if(o->op == Oread)
			memcpy(o->iov[i].iov_base, flat + done, n);
		else
			memcpy(flat + done, o->iov[i].iov_base, n);
	}
	return done;
}

/*
 * Carry out part of a transfer with whole sectors of the device, by way of
 * buf, which has size bytes.  For a write, the sectors at both ends are read
 * first.  Returns the bytes moved, or -1.
 */
static long
moverough(Op *o, char *buf, size_t size)
{
	File *f = &files[o->file];
	uvlong from = o->off + o->moved;
	size_t i, len = 0, lead = from % f->block, all, last;
	uvlong at = from - lead;

	for(i = 0; (int)i < o->niov; i++)
		len += o->iov[i].iov_len;
	if(len > size - 2 * f->block)
		len = size - 2 * f->block;
	all = (lead + len + f->block - 1) / f->block * f->block;
	last = all - f->block;
	if(o->op == Oread){
		if(exactly(f->fd, Oread, buf, all, at) < 0)
			return -1;
		return (long)shuffle(o, buf + lead, len);
	}
	if(exactly(f->fd, Oread, buf, f->block, at) < 0
	|| (last > 0 && exactly(f->fd, Oread, buf + last, f->block, at + last) < 0))
		return -1;
	shuffle(o, buf + lead, len);
	if(exactly(f->fd, Owrite, buf, all, at) < 0)
		return -1;
	return (long)len;
}

static long
roughly(Op *o)
{
	size_t size = 4 * 65536;
	char *buf = aligned_alloc(4096, size);
	long n;
	int e;

	if(buf == NULL)
		return -1;
	if(o->op == Owrite)
		pthread_mutex_lock(&rough);
	n = moverough(o, buf, size);
	e = errno;
	if(o->op == Owrite)
		pthread_mutex_unlock(&rough);
	free(buf);
	errno = e;
	return n;
}

static int disktrim(int file, uvlong off, uvlong len);

/* Make one attempt at an operation and wait for it. */
static long
attempt(Op *o)
{
	int fd = files[o->file].fd;
	long n = 0;

	if(istransfer(o) && isrough(o))
		n = roughly(o);
	else switch(o->op){
	case Oread:
		n = preadv(fd, o->iov, o->niov, (off_t)(o->off + o->moved));
		break;
	case Owrite:
		n = pwritev(fd, o->iov, o->niov, (off_t)(o->off + o->moved));
		break;
	case Oflush:
		n = disksync(o->file);
		break;
	case Otrim:
		n = disktrim(o->file, o->off, o->len);
		break;
	case Owork:
		o->work(o);
		return 0;
	}
	return n < 0 ? -errno : n;
}

/* Carry out an operation and wait for it. */
static void
carry(Op *o)
{
	while(!settle(o, attempt(o)))
		;
}

static size_t
carryout(Op *o)
{
	carry(o);
	errno = o->error;
	return o->moved;
}

size_t
diskread(int file, struct iovec *iov, int niov, uvlong off)
{
	return carryout(&(Op){ .op = Oread, .file = file, .iov = iov, .niov = niov, .off = off });
}

size_t
diskwrite(int file, struct iovec *iov, int niov, uvlong off)
{
	return carryout(&(Op){ .op = Owrite, .file = file, .iov = iov, .niov = niov, .off = off });
}

int
disksync(int file)
{
	File *f = &files[file];
	int r;

	do
		r = f->isdev ? ioctl(f->fd, DIOCGFLUSH) : fdatasync(f->fd);
	while(r < 0 && errno == EINTR);
	/* A disk without this command has no write cache. */
	return r < 0 && f->isdev && (errno == EOPNOTSUPP || errno == ENOTTY) ? 0 : r;
}

void
diskpush(int file)
{
	(void)file;	/* there is no way but a sync */
}

void
diskahead(int file, uvlong off, uvlong len)
{
	(void)file, (void)off, (void)len;	/* the system does it by itself */
}

uvlong
diskdata(int file, uvlong off, uvlong *end)
{
	return filedata(files[file].fd, off, end);
}

/* Write zeros; if look is set, only where the file has something else. */
static int
writezeros(int file, uvlong off, uvlong len, int look)
{
	static _Alignas(4096) char zeros[64 * 1024];
	char *buf = look ? aligned_alloc(4096, sizeof zeros) : NULL;
	struct iovec iov;
	size_t n;
	int r = 0;

	for(; r == 0 && len > 0; off += n, len -= n){
		n = len < sizeof zeros ? (size_t)len : sizeof zeros;
		iov = (struct iovec){ buf, n };
		if(buf != NULL && diskread(file, &iov, 1, off) == n && memcmp(buf, zeros, n) == 0)
			continue;
		iov = (struct iovec){ zeros, n };
		if(diskwrite(file, &iov, 1, off) != n)
			r = -1;
	}
	free(buf);
	return r;
}

/* Free the space of this part of a file. */
static int
punch(int fd, uvlong off, uvlong len)
{
#ifdef SPACECTL_DEALLOC
	struct spacectl_range r = { (off_t)off, (off_t)len };

	while(r.r_len > 0)
		if(fspacectl(fd, SPACECTL_DEALLOC, &r, 0, &r) < 0 && errno != EINTR)
			return -1;
	return 0;
#else
	(void)fd, (void)off, (void)len;
	errno = EOPNOTSUPP;
	return -1;
#endif
}

/*
 * A disk is told that it may discard whole sectors of its own.  They may read
 * back as anything, so what isn't zero is then written.
 */
static int
disktrim(int file, uvlong off, uvlong len)
{
	File *f = &files[file];
	uvlong head, tail;
	off_t range[2];
	int forgot;

	if(!f->isdev)
		return punch(f->fd, off, len) < 0 ? writezeros(file, off, len, 0) : 0;
	head = (f->block - off % f->block) % f->block;
	if(head > len)
		head = len;
	tail = (len - head) % f->block;
	if(writezeros(file, off, head, 0) < 0 || writezeros(file, off + len - tail, tail, 0) < 0)
		return -1;
	off += head;
	len -= head + tail;
	range[0] = (off_t)off;
	range[1] = (off_t)len;
	forgot = len > 0 && ioctl(f->fd, DIOCGDELETE, range) == 0;
	return writezeros(file, off, len, forgot);
}

static int
ontmpfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || strcmp(fs.f_fstypename, "tmpfs") == 0;
}

/*
 * There is no window with -d, none of a disk, and none on a tmpfs, where holes
 * take up memory once they are touched.  No window is writable: on ZFS or UFS
 * a page written through a mapping may find no space on the disk later, when
 * nobody can be told.
 */
int
diskmap(int file, uvlong size)
{
	File *f = &files[file];

	if(f->isdev || f->direct || ontmpfs(f->fd))
		size = 0;
	if(windowmap(file, f->fd, size, 0) < 0)
		return 0;
	catchfault(SIGSEGV);	/* either signal may be raised, depending on the error */
	return 1;
}

/* The engine has read this, so it is in memory: touch it in the window. */
static void
warm(Op *o)
{
	if(o->op == Oread && o->moved > 0 && windowspans(o->file, o->off + o->moved))
		disktouch(o->file, o->off, o->moved);
}

/* FreeBSD has no read that never waits. */
size_t
disktry(uchar *to, size_t len, int file, uvlong off)
{
	(void)to, (void)len, (void)file, (void)off;
	return 0;
}

/*
 * The engine: disk operations that proceed while the loop runs.
 *
 * Reads and writes, and syncs of files, go to aio(4), which reports to a
 * kqueue.  Threads do the rest, and what aio refuses: file systems for which
 * it is not enabled (vfs.aio.enable_unsafe), and parts of sectors.  A disk
 * accepts vectors of few parts (vfs.aio.max_buf_aio) and of at most
 * kern.maxphys bytes; a longer one goes there in several steps.
 *
 * 4. An operation belongs to the engine from enginestart until done is called.
 *    Only enginereap, in the loop, calls done.
 * 5. aio has at most Inflight operations.  The others wait in the order they
 *    were started.
 * 6. aio_return is called once for each, as soon as the kqueue reports it.
 * 7. A thread counts its operation before it triggers the kqueue, and
 *    enginereap reads the count after it has emptied the kqueue.  So none is
 *    missed.
 */
enum {
	Inflight	= 256,	/* the default of vfs.aio.max_aio_queue_per_proc */
	Ethreads	= 1,	/* the threads' identifier in the kqueue */
};

/* An operation given to aio. */
struct Job {
	struct aiocb cb;
	Op	*op;
	Job	*next;		/* on the list of those free */
};

static struct {
	int	kq;
	Op	*wait, **waittail;	/* started, but not yet given to aio or a thread */
	Op	*ended, **endedtail;	/* ended by aio; done is yet to be called */
	Job	job[Inflight];
	Job	*free;
	uint	inflight;
	int	parts;			/* a disk takes so many parts of a vector at once, */
	size_t	bytes;			/* and so many bytes */
} engine = { .kq = -1, .waittail = &engine.wait, .endedtail = &engine.ended };

static void
trigger(uint flags, uint what)
{
	struct kevent ev;

	EV_SET(&ev, Ethreads, EVFILT_USER, (ushort)flags, what, 0, NULL);
	kevent(engine.kq, &ev, 1, NULL, 0, NULL);
}

static void
wakeloop(void)
{
	trigger(0, NOTE_TRIGGER);	/* inv. 7 */
}

int
enginethreads(void)
{
	return threadsstart(carry, wakeloop);
}

static int
threadsreap(void)
{
	Op *o = threadsended();

	if(o == NULL)
		return 0;
	warm(o);
	opdone(o);
	return 1;
}

/* Learn the limits of aio for a disk. */
static void
learnlimits(void)
{
	unsigned long bytes = 0;
	int parts = 0;
	size_t n;

	n = sizeof parts;
	if(sysctlbyname("vfs.aio.max_buf_aio", &parts, &n, NULL, 0) < 0 || parts < 1)
		parts = 16;
	n = sizeof bytes;
	if(sysctlbyname("kern.maxphys", &bytes, &n, NULL, 0) < 0 || bytes < 65536)
		bytes = 65536;
	engine.parts = parts;
	engine.bytes = bytes;
}

int
engineopen(int *fd)
{
	int i;

	engine.kq = kqueue();
	if(engine.kq < 0)
		return -1;
	fcntl(engine.kq, F_SETFD, FD_CLOEXEC);
	learnlimits();
	trigger(EV_ADD|EV_CLEAR, 0);
	for(i = 0; i < Inflight; i++){
		engine.job[i].next = engine.free;
		engine.free = &engine.job[i];
	}
	*fd = engine.kq;
	return 0;
}

char*
enginename(void)
{
	return "aio";
}

static void
enqueue(Op *o)
{
	o->next = NULL;
	*engine.waittail = o;
	engine.waittail = &o->next;
}

/*
 * Returns how many parts of an operation's vector a disk takes at once.  settle
 * has the rest tried again.
 */
static int
fitting(Op *o)
{
	size_t left = engine.bytes;
	int n;

	for(n = 0; n < o->niov && n < engine.parts && o->iov[n].iov_len <= left; n++)
		left -= o->iov[n].iov_len;
	return n > 0 ? n : 1;
}

/*
 * Give an operation to aio, or as much of it as a disk takes at once.  Returns
 * -1 with errno.
 */
static int
aiostart(Op *o, Job *j)
{
	File *f = &files[o->file];
	struct iovec head;

	memset(&j->cb, 0, sizeof j->cb);
	j->op = o;
	j->cb.aio_fildes = f->fd;
	j->cb.aio_sigevent.sigev_notify = SIGEV_KEVENT;
	j->cb.aio_sigevent.sigev_notify_kqueue = engine.kq;
	j->cb.aio_sigevent.sigev_value.sival_ptr = j;
	if(o->op == Oflush)
		return aio_fsync(O_DSYNC, &j->cb);
	j->cb.aio_offset = (off_t)(o->off + o->moved);
	j->cb.aio_iov = o->iov;
	j->cb.aio_iovcnt = (size_t)(f->isdev ? fitting(o) : o->niov);
	if(f->isdev && o->iov->iov_len > engine.bytes){
		head = (struct iovec){ o->iov->iov_base, engine.bytes / f->block * f->block };
		j->cb.aio_iov = &head;		/* the kernel copies it before the call returns */
	}
	return o->op == Oread ? aio_readv(&j->cb) : aio_writev(&j->cb);
}

/* Can aio carry out this operation? */
static int
foraio(Op *o)
{
	File *f = &files[o->file];

	if(f->noaio)
		return 0;
	return istransfer(o) ? !isrough(o) : o->op == Oflush && !f->isdev;
}

/*
 * aio has refused this operation.  Will it refuse all others of the file?  Yes
 * for a file, as its file system is the reason; for a disk only if this was
 * the smallest possible transfer.
 */
static int
hopeless(Op *o, Job *j)
{
	return !files[o->file].isdev || (j->cb.aio_iovcnt == 1 && o->iov->iov_len <= 4096);
}

/* Give an operation to aio or to a thread.  Returns -1 when it must wait. */
static int
submit(Op *o)
{
	Job *j = engine.free;

	if(!foraio(o)){
		threadsadd(o);
		return 0;
	}
	if(j == NULL)
		return -1;	/* inv. 5 */
	if(aiostart(o, j) == 0){
		engine.free = j->next;
		engine.inflight++;
		return 0;
	}
	if(errno == EAGAIN && engine.inflight > 0)
		return -1;
	if((errno == EOPNOTSUPP || errno == ENOSYS) && hopeless(o, j))
		files[o->file].noaio = 1;
	threadsadd(o);
	return 0;
}

void
enginestart(Op *o)
{
	opbegin(o);
	enqueue(o);
}

int
enginekick(void)
{
	Op *o;

	while((o = engine.wait) != NULL){
		engine.wait = o->next;
		if(submit(o) < 0){
			engine.wait = o;
			break;
		}
	}
	if(engine.wait == NULL)
		engine.waittail = &engine.wait;
	return engine.wait != NULL;
}

/* aio has ended this operation. */
static void
aioended(Job *j)
{
	Op *o = j->op;
	ssize_t n = aio_return(&j->cb);		/* inv. 6 */

	n = n < 0 ? -errno : n;
	j->next = engine.free;
	engine.free = j;
	engine.inflight--;
	if(!settle(o, n)){
		enqueue(o);
		return;
	}
	o->next = NULL;
	*engine.endedtail = o;
	engine.endedtail = &o->next;
}

/* Empty the kqueue. */
static void
collect(void)
{
	static const struct timespec now;
	struct kevent ev[64];
	int i, n;

	do{
		n = kevent(engine.kq, NULL, 0, ev, 64, &now);
		for(i = 0; i < n; i++)
			if(ev[i].filter == EVFILT_AIO)
				aioended(ev[i].udata);
	}while(n == 64);
}

int
enginesleep(void)
{
	/* The kqueue no longer reports what collect has taken out of it. */
	return engine.ended != NULL || anyended();
}

void
enginewake(void)
{
	collect();
}

int
enginereap(void)
{
	Op *o;

	if(engine.ended == NULL && engine.inflight > 0)
		collect();
	if(threadsreap())
		return 1;
	o = engine.ended;
	if(o == NULL)
		return 0;
	engine.ended = o->next;
	if(engine.ended == NULL)
		engine.endedtail = &engine.ended;
	warm(o);
	opdone(o);
	return 1;
}

/*
 * The sandbox: capsicum(4) lets the process open only files in directories
 * that are open, and limits each descriptor to what this file does with it.
 */
static int shut;

void
disarm(void)
{
	/* Keep no file system from being unmounted. */
	if(chdir("/") < 0)
		warn("can't leave the directory");
	/* The rest is for sandbox, which applies to all threads. */
}

static void
limit(int fd, cap_rights_t *rights, const unsigned long *ioctls, size_t n)
{
	if(fd >= 0 && (cap_rights_limit(fd, rights) < 0
	|| (n > 0 && cap_ioctls_limit(fd, ioctls, n) < 0)) && errno != ENOSYS)
		warn("can't limit what descriptor %d is for", fd);
}

static void
limitnet(void)
{
	static const unsigned long bpf[] = { BIOCGETIF, BIOCSETIF, BIOCIMMEDIATE, BIOCSHDRCMPLT,
		BIOCSDIRECTION, BIOCSETF, BIOCSETWF, BIOCGSTATS };
	static const unsigned long ask[] = { SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFMEDIA, SIOCGIFCONF,
		SIOCGLAGG };
	cap_rights_t r;
	Port *p;

	for(p = ports; p != NULL; p = p->next)
		limit(p->fd, cap_rights_init(&r, CAP_READ, CAP_WRITE, CAP_EVENT, CAP_IOCTL), bpf,
			sizeof bpf / sizeof bpf[0]);
	limit(asker(), cap_rights_init(&r, CAP_IOCTL), ask, sizeof ask / sizeof ask[0]);
	limit(routefd, cap_rights_init(&r, CAP_READ, CAP_EVENT), NULL, 0);
	limit(linkkq, cap_rights_init(&r, CAP_KQUEUE, CAP_EVENT), NULL, 0);
	limit(engine.kq, cap_rights_init(&r, CAP_KQUEUE, CAP_EVENT), NULL, 0);
}

/* A file opened in a directory inherits the directory's rights. */
static void
limitfiles(void)
{
	static const unsigned long dev[] = { DIOCGMEDIASIZE, DIOCGFLUSH, DIOCGDELETE, DIOCGIDENT,
		DIOCGPROVIDERNAME };
	cap_rights_t r;
	int *dirs;
	uint i, n = directories(&dirs);

	cap_rights_init(&r, CAP_PREAD, CAP_PWRITE, CAP_FSYNC, CAP_FSTAT, CAP_FSTATFS, CAP_MMAP_R,
		CAP_EXTATTR_GET, CAP_EXTATTR_SET, CAP_EXTATTR_DELETE, CAP_IOCTL);
	limit(files[Image].fd, &r, dev, sizeof dev / sizeof dev[0]);
	limit(statefd(), cap_rights_init(&r, CAP_FSTAT), NULL, 0);
	cap_rights_init(&r, CAP_PREAD, CAP_PWRITE, CAP_FSYNC, CAP_FSTAT, CAP_FSTATFS, CAP_MMAP_R,
		CAP_FTRUNCATE, CAP_FLOCK,
		CAP_LOOKUP, CAP_CREATE, CAP_FSTATAT, CAP_UNLINKAT, CAP_RENAMEAT_SOURCE,
			CAP_RENAMEAT_TARGET,
		CAP_LINKAT_SOURCE, CAP_LINKAT_TARGET);
	for(i = 0; i < n; i++)
		limit(dirs[i], &r, NULL, 0);
	if(files[Shadow].fd >= 0)
		limit(files[Shadow].fd,
			cap_rights_init(&r, CAP_PREAD, CAP_PWRITE, CAP_FSYNC, CAP_FSTAT,
			CAP_FSTATFS, CAP_MMAP_R, CAP_FTRUNCATE, CAP_FLOCK), NULL, 0);
}

void
sandbox(void)
{
	if(SANDBOX == 0)
		return;
	limitnet();
	limitfiles();
	shut = cap_enter() == 0;
	if(!shut)
		warnx("no Capsicum (%s)", strerror(errno));
}

char*
sandboxname(void)
{
	return shut ? "Capsicum" : "none";
}
