/*
 * What aoede needs of Linux: packet sockets with rings shared with the kernel,
 * link events, the image and the shadow, the engine and the sandbox.
 *
 * A Port is one packet socket, bound to one interface.  Frames travel in slots
 * of equal size.  A slot is a struct tpacket2_hdr and, at Frameoff, the frame;
 * so the data of an ATA frame is aligned to 512 bytes in memory in both
 * directions.  With PACKET_RINGS the slots are the kernel's packet rings.
 * Without them, or where the kernel refuses them, the slots are in our own
 * memory; recvmmsg fills them and sendmmsg empties them.  Only ringsetup, fill
 * and drain know the difference.
 *
 * 1. tp_status says who owns a slot.  It is read with acquire, so that we see
 *    what the kernel wrote before it handed the slot over.  It is written with
 *    release, so that the kernel sees what we wrote.
 * 2. Received slots are lent from rx.next - lent to rx.next.  They are given
 *    back together and in order.
 * 3. The kernel sends in ring order and stops at the first slot that is not
 *    ready.  Every slot from nicroom goes to nicsend within the turn, so no
 *    gap outlives the turn.
 *
 * This file knows nothing of requests, blocks or initiators.  Errors at
 * startup are returned as a sentence, later ones in errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
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
#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <linux/aio_abi.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#ifndef STATX_INO	/* older musl */
#include <linux/stat.h>
#endif
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct tpacket2_hdr	Slot;
typedef struct Ring	Ring;
typedef struct File	File;

struct Ring {
	Slot	**slot;
	uint	n;
	uint	next;		/* the slot to look at next */
};

struct Port {
	Port	*before;	/* the one opened before */
	int	index;		/* of the interface it was opened for */
	int	fd;
	uint	nrx;		/* receive slots wanted */
	uint	slotsize;	/* bytes; 0 while there are no slots */
	int	resize;		/* receive nothing: the slots are about to be replaced */
	int	warned;		/* the lack of memory for them has been logged */
	int	canshare;	/* the kernel may have rings for us */
	int	shared;		/* the slots are the kernel's rings */
	int	drained;	/* the last recvmmsg took all there was */
	uchar	*map;
	size_t	maplen;
	Ring	rx;
	Ring	tx;
	uint	lent;		/* received slots not yet given back (inv. 2) */
	uint	txhead;		/* oldest slot not sent; sendmmsg only */
	int	queued;		/* something was queued since the last kick */
	int	full;		/* nicroom has had no slot since the last nicpoll */
};

enum {
	/* rtnetlink(7), which not every system's headers have */
	Altname		= 53,		/* IFLA_ALT_IFNAME */
	Slavekind	= 4,		/* IFLA_INFO_SLAVE_KIND */
	Skipstats	= 8,		/* RTEXT_FILTER_SKIP_STATS */
};
static int linkasker = -1;	/* a socket for queries about interfaces */
static Port *ports;	/* the port opened last */

static uint
status(Slot *s)
{
	return __atomic_load_n(&s->tp_status, __ATOMIC_ACQUIRE);	/* inv. 1 */
}

static void
setstatus(Slot *s, uint v)
{
	__atomic_store_n(&s->tp_status, v, __ATOMIC_RELEASE);	/* inv. 1 */
}

/*
 * Is the kernel done with this transmit slot?  It may leave a timestamp bit
 * set.
 */
static int
isfree(Slot *s)
{
	return (status(s) & (TP_STATUS_SEND_REQUEST|TP_STATUS_SENDING|TP_STATUS_WRONG_FORMAT)) == 0;
}

static uint
after(Ring *r, uint i)
{
	return i + 1 < r->n ? i + 1 : 0;
}

static uint
before(Ring *r, uint i)
{
	return i > 0 ? i - 1 : r->n - 1;
}

static uchar*
frameof(Slot *s)
{
	return (uchar*)s + Frameoff;
}

static int
setint(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

/*
 * Let only our frames through: those to this host or broadcast, without a VLAN
 * tag, for our shelf and slot or all of them.  Of responses, only config
 * responses pass.  Negative offsets read the kernel's metadata of a frame
 * (filter.rst).
 */
static int
setfilter(int fd, int shelf, int slot)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD|BPF_W|BPF_ABS, (uint)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP|BPF_JGT|BPF_K, PACKET_BROADCAST, 15, 0),
		BPF_STMT(BPF_LD|BPF_W|BPF_ABS, (uint)(SKF_AD_OFF + SKF_AD_VLAN_TAG)),
		BPF_JUMP(BPF_JMP|BPF_JSET|BPF_K, 0xfff, 13, 0),
		BPF_STMT(BPF_LD|BPF_H|BPF_ABS, Otype),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Aoetype, 0, 11),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Overflag),
		BPF_JUMP(BPF_JMP|BPF_JSET|BPF_K, Fresp, 0, 2),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Ocmd),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Cconfig, 0, 7),
		BPF_STMT(BPF_LD|BPF_H|BPF_ABS, Omajor),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Allshelves, 1, 0),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint)shelf, 0, 4),
		BPF_STMT(BPF_LD|BPF_B|BPF_ABS, Ominor),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, Allslots, 1, 0),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, (uint)slot, 0, 1),
		BPF_STMT(BPF_RET|BPF_K, UINT_MAX),
		BPF_STMT(BPF_RET|BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof code[0], .filter = code };

	if(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) < 0)
		return -1;
	/* The filter is for good.  Old kernels can't lock it; that does no harm. */
	setint(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
	return 0;
}

/*
 * Set the options that must precede a ring.  The reserve moves a received
 * frame to Frameoff: the kernel puts the first byte after the Ethernet header
 * at the length of its own header, rounded up, plus the reserve (see the
 * kernel's tpacket_rcv).
 */
static int
setrings(int fd)
{
	int least = TPACKET_ALIGN((int)(sizeof(Slot) + sizeof(struct sockaddr_ll) + 16));

	if(setint(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2) < 0
	|| setint(fd, SOL_PACKET, PACKET_RESERVE, Frameoff + Etherhdr - least) < 0
	|| setint(fd, SOL_PACKET, PACKET_TX_HAS_OFF, 1) < 0
	/* Skip a frame that can't be sent since the MTU shrank. */
	|| setint(fd, SOL_PACKET, PACKET_LOSS, 1) < 0)
		return -1;
	/* On an old kernel this fails, and frames pass the queueing discipline. */
	setint(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	return 0;
}

static int
setring(Port *p, int which, uint nblock)
{
	struct tpacket_req req = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = nblock,
		.tp_frame_size = p->slotsize,
		.tp_frame_nr = nblock * (RING_BLOCK / p->slotsize),
	};

	return setsockopt(p->fd, SOL_PACKET, which, &req, sizeof req);
}

/* Point the ring at n slots of the map, starting at byte off. */
static int
setslots(Port *p, Ring *r, uint n, size_t off)
{
	uint i, per = RING_BLOCK / p->slotsize;

	r->slot = calloc(n, sizeof *r->slot);
	if(r->slot == NULL)
		return -1;
	for(i = 0; i < n; i++)
		r->slot[i] = (Slot*)(void*)(p->map + off + (size_t)(i / per) * RING_BLOCK
			+ (size_t)(i % per) * p->slotsize);
	r->n = n;
	r->next = 0;
	return 0;
}

/*
 * Give all slots back.  Until the next ringsetup nothing is received, and
 * frames sent are lost.  Returns -1 when the kernel can't take its rings back
 * yet; the caller must then try again.
 */
static int
ringclose(Port *p)
{
	struct tpacket_req none = { 0 };

	if(p->map != NULL)
		munmap(p->map, p->maplen);
	p->map = NULL;
	free(p->rx.slot);
	free(p->tx.slot);
	p->rx = (Ring){ 0 };
	p->tx = (Ring){ 0 };
	p->lent = p->txhead = 0;
	p->queued = p->full = 0;
	p->slotsize = 0;
	if(p->shared
	&& (setsockopt(p->fd, SOL_PACKET, PACKET_TX_RING, &none, sizeof none) < 0
	|| setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof none) < 0))
		return -1;
	p->shared = 0;
	return 0;
}

/*
 * Map nrx and ntx slots, the kernel's or our own.  A ring consists of whole
 * blocks, so it may get a few slots more.
 */
static int
ringmap(Port *p, uint nrx, uint ntx, int shared)
{
	uint per = RING_BLOCK / p->slotsize;
	uint rxblocks = (nrx + per - 1) / per;
	uint txblocks = (ntx + per - 1) / per;
	void *m;

	p->shared = shared;
	if(shared && (setring(p, PACKET_RX_RING, rxblocks) < 0
	|| setring(p, PACKET_TX_RING, txblocks) < 0))
		return -1;
	p->maplen = (size_t)(rxblocks + txblocks) * RING_BLOCK;
	m = mmap(NULL, p->maplen, PROT_READ|PROT_WRITE,
		shared ? MAP_SHARED : MAP_PRIVATE|MAP_ANONYMOUS, shared ? p->fd : -1, 0);
	if(m == MAP_FAILED)
		return -1;
	p->map = m;
	if(setslots(p, &p->rx, rxblocks * per, 0) < 0
	|| setslots(p, &p->tx, txblocks * per, (size_t)rxblocks * RING_BLOCK) < 0)
		return -1;
	return 0;
}

/*
 * Allocate slots of this size: p->nrx of them, or as many as there is memory
 * for.  Without the kernel's rings, frames that a turn leaves wait in the
 * socket's own queue.
 */
static int
ringfind(Port *p, uint size, const char *name)
{
	uint n;

	for(n = p->nrx; p->canshare && n >= TURN_FRAMES; n /= 2){
		p->slotsize = size;
		if(ringmap(p, n, TX_SLOTS, 1) == 0){
			if(n < p->nrx)
				warnx("%s: memory for a receive ring of %u frames only", name, n);
			return 0;
		}
		if(errno != ENOMEM)
			break;
		if(ringclose(p) < 0)
			return -1;
	}
	if(p->canshare && !p->warned)
		warnx("%s: no packet rings (%s): using recvmmsg and sendmmsg", name,
			strerror(errno));
	if(ringclose(p) < 0)
		return -1;
	p->slotsize = size;
	if(ringmap(p, TURN_FRAMES, TX_SLOTS, 0) < 0)
		return -1;
	return 0;
}

/*
 * Make slots for frames of this MTU, unless the present ones are large enough.
 * Returns -1 when the caller must try again: a frame in an old slot is still
 * being sent, or there is no memory.
 */
static int
ringsetup(Port *p, int mtu, const char *name)
{
	uint i, size = (Frameoff + Etherhdr + (uint)mtu + Sector - 1) / Sector * Sector;

	if(size <= p->slotsize)
		return 0;
	p->resize = 1;
	for(i = 0; i < p->tx.n; i++)
		if(!isfree(p->tx.slot[i]))
			return -1;
	if(ringclose(p) < 0 || ringfind(p, size, name) < 0){
		if(!p->warned)
			warnx("%s: no memory for its frames (%s); will go on trying", name,
				strerror(errno));
		p->warned = 1;
		ringclose(p);
		return -1;
	}
	p->resize = p->warned = 0;
	for(i = 0; i < p->tx.n; i++)
		p->tx.slot[i]->tp_mac = Frameoff;
	return 0;
}

/*
 * Without packet rings: fill free receive slots from the socket.
 */
static void
fill(Port *p)
{
	struct mmsghdr msg[TURN_FRAMES];
	struct iovec iov[TURN_FRAMES];
	Slot *s;
	uint i, at;
	int n;

	memset(msg, 0, sizeof msg);
	for(i = 0, at = p->rx.next; i < TURN_FRAMES && i < p->rx.n; i++, at = after(&p->rx, at)){
		iov[i].iov_base = frameof(p->rx.slot[at]);
		iov[i].iov_len = p->slotsize - Frameoff;
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(p->fd, msg, i, MSG_DONTWAIT|MSG_TRUNC, NULL);
	p->drained = n < (int)i;
	for(i = 0, at = p->rx.next; (int)i < n; i++, at = after(&p->rx, at)){
		s = p->rx.slot[at];
		s->tp_mac = Frameoff;
		s->tp_len = msg[i].msg_len;
		/* cppcheck-suppress uninitvar; as many iov as there are msg */
		s->tp_snaplen = msg[i].msg_len < iov[i].iov_len ? msg[i].msg_len
			: (uint)iov[i].iov_len;
		setstatus(s, TP_STATUS_USER);
	}
}

/*
 * Without packet rings: send the queued slots.  A frame that has become too
 * long for the interface is skipped.
 */
static void
drain(Port *p)
{
	struct mmsghdr msg[TURN_FRAMES];
	struct iovec iov[TURN_FRAMES];
	Slot *s;
	uint i, at;
	int n;

	for(;;){
		memset(msg, 0, sizeof msg);
		for(i = 0, at = p->txhead; i < TURN_FRAMES; i++, at = after(&p->tx, at)){
			s = p->tx.slot[at];
			if(status(s) != TP_STATUS_SEND_REQUEST)
				break;
			iov[i].iov_base = frameof(s);
			iov[i].iov_len = s->tp_len;
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		if(i == 0)
			return;
		n = sendmmsg(p->fd, msg, i, MSG_DONTWAIT);
		if(n < 0 && errno == EINTR)
			continue;
		if(n < 0 && errno == EMSGSIZE)
			n = 1;
		if(n <= 0)
			return;
		for(; n > 0; n--, p->txhead = after(&p->tx, p->txhead))
			setstatus(p->tx.slot[p->txhead], TP_STATUS_AVAILABLE);
	}
}

/*
 * Take back queued frames.  After waiting for a cable, an answer would arrive
 * long after its initiator asked again.
 */
static void
purge(Port *p)
{
	uint i;

	while(p->tx.n > 0){
		i = before(&p->tx, p->tx.next);
		if(status(p->tx.slot[i]) != TP_STATUS_SEND_REQUEST)
			break;
		setstatus(p->tx.slot[i], TP_STATUS_AVAILABLE);
		p->tx.next = i;
	}
	p->queued = 0;
}

/*
 * ioctl(2).  Its second argument is an int in some C libraries and an unsigned
 * long in others.
 */
static int
control(int fd, unsigned long what, void *arg)
{
	return (int)syscall(SYS_ioctl, fd, what, arg);
}

static int
ifquery(Port *p, struct ifreq *ifr, const char *name, unsigned long what)
{
	memset(ifr, 0, sizeof *ifr);
	snprintf(ifr->ifr_name, sizeof ifr->ifr_name, "%s", name);
	return control(p->fd, what, ifr);
}

/*
 * Query an interface by its index or by any of its names, which may be longer
 * than other calls take (rtnetlink(7)).  The kernel answers at once.  Returns
 * the answer, or NULL.
 */
static struct nlmsghdr*
asklink(int index, const char *name)
{
	static struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		char	attr[RTA_SPACE(Nicname) + RTA_SPACE(sizeof(uint32_t))];
	} ask;
	static _Alignas(struct nlmsghdr) char got[32 * 1024];
	struct nlmsghdr *h = (struct nlmsghdr*)(void*)got;
	struct rtattr *a = (struct rtattr*)(void*)ask.attr;
	uint32_t filter = Skipstats;
	ssize_t n;

	memset(&ask, 0, sizeof ask);
	ask.i.ifi_index = index;
	*a = (struct rtattr){ .rta_type = IFLA_EXT_MASK, .rta_len = RTA_LENGTH(sizeof filter) };
	memcpy(RTA_DATA(a), &filter, sizeof filter);
	ask.h = (struct nlmsghdr){ .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST,
		.nlmsg_len = NLMSG_LENGTH(sizeof ask.i) + RTA_SPACE(sizeof filter) };
	if(name != NULL){
		a = (struct rtattr*)(void*)(ask.attr + RTA_SPACE(sizeof filter));
		*a = (struct rtattr){ .rta_type = Altname,
			.rta_len = (ushort)RTA_LENGTH(strlen(name) + 1) };
		memcpy(RTA_DATA(a), name, strlen(name) + 1);
		ask.h.nlmsg_len += (uint)RTA_SPACE(strlen(name) + 1);
	}
	if(linkasker < 0)
		linkasker = socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, NETLINK_ROUTE);
	if(send(linkasker, &ask, ask.h.nlmsg_len, MSG_DONTWAIT) < 0)
		return NULL;
	n = recv(linkasker, got, sizeof got, MSG_DONTWAIT);
	return n >= (ssize_t)NLMSG_LENGTH(sizeof ask.i) && h->nlmsg_type == RTM_NEWLINK
		&& (ssize_t)h->nlmsg_len <= n ? h : NULL;
}

/*
 * Find an attribute of this type in the n bytes from a on.  Returns NULL if
 * there is none.
 */
static struct rtattr*
attribute(struct rtattr *a, int n, int type)
{
	int step;

	for(; n >= (int)sizeof *a && a->rta_len >= sizeof *a && a->rta_len <= n; n -= step){
		if((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
		step = (int)RTA_ALIGN(a->rta_len);
		a = (struct rtattr*)(void*)((char*)a + step);
	}
	return NULL;
}

/* Returns the index of the interface of this name, or 0. */
static int
findlink(Port *p, const char *name)
{
	struct ifreq ifr;
	struct nlmsghdr *h;

	if(strlen(name) < IFNAMSIZ)
		return ifquery(p, &ifr, name, SIOCGIFINDEX) < 0 ? 0 : ifr.ifr_ifindex;
	h = asklink(0, name);
	return h != NULL ? ((struct ifinfomsg*)NLMSG_DATA(h))->ifi_index : 0;
}

/*
 * Returns the index of the interface that the port listens on.  It is 0 before
 * the first listenon, and negative when that interface is gone, even if a new
 * one has its index.
 */
static int
bound(Port *p)
{
	struct sockaddr_ll sa = { .sll_ifindex = 0 };
	socklen_t len = sizeof sa;

	if(getsockname(p->fd, (struct sockaddr*)&sa, &len) < 0)
		return 0;
	return sa.sll_ifindex;
}

static int
listenon(Port *p, int index)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(Aoetype),
		.sll_ifindex = index,
	};

	return bind(p->fd, (struct sockaddr*)&sa, sizeof sa);
}

/*
 * Find the interface that the port listens on, whatever its present name; if
 * it is gone, the one that now has the configured name.  Returns its index and
 * puts its name into name, or returns 0.
 */
static int
follow(Nic *n, char *name, size_t size)
{
	struct ifreq ifr = { 0 };
	Port *p = n->port;

	ifr.ifr_ifindex = bound(p);
	if(ifr.ifr_ifindex > 0 && control(p->fd, SIOCGIFNAME, &ifr) == 0){
		snprintf(name, size, "%s", ifr.ifr_name);
		return ifr.ifr_ifindex;
	}
	ifr.ifr_ifindex = findlink(p, n->name);
	if(ifr.ifr_ifindex == 0 || control(p->fd, SIOCGIFNAME, &ifr) < 0)
		return 0;
	snprintf(name, size, "%s", ifr.ifr_name);
	return ifr.ifr_ifindex;
}

/* Can an interface in this state carry frames? */
static int
usable(struct ifreq *flags, struct ifreq *mtu)
{
	return (flags->ifr_flags & IFF_UP) && (flags->ifr_flags & IFF_RUNNING)
		&& mtu->ifr_mtu >= Minmtu;
}

int
niccheck(Nic *n)
{
	struct ifreq mtu, addr, flags;
	char name[IFNAMSIZ];
	Port *p = n->port;
	int same, index;

	index = follow(n, name, sizeof name);
	if(index == 0
	|| ifquery(p, &flags, name, SIOCGIFFLAGS) < 0
	|| ifquery(p, &mtu, name, SIOCGIFMTU) < 0
	|| ifquery(p, &addr, name, SIOCGIFHWADDR) < 0
	|| !usable(&flags, &mtu)){
		same = !n->up;
		n->up = 0;
		purge(p);
		return same ? Nicsame : Nicdown;
	}
	if(mtu.ifr_mtu > MAX_MTU)
		mtu.ifr_mtu = MAX_MTU;
	if(ringsetup(p, mtu.ifr_mtu, n->name) < 0)
		return Nicagain;
	same = n->up && n->mtu == mtu.ifr_mtu
		&& memcmp(n->ea.a, addr.ifr_hwaddr.sa_data, sizeof n->ea.a) == 0;
	if(bound(p) != index){
		if(listenon(p, index) < 0)
			return Nicagain;
		same = 0;
	}
	memcpy(n->ea.a, addr.ifr_hwaddr.sa_data, sizeof n->ea.a);
	n->mtu = mtu.ifr_mtu;
	n->up = 1;
	return same ? Nicsame : Nicup;
}

/*
 * Raise a limit of the socket: without CAP_NET_ADMIN, only as far as the
 * system allows everyone.
 */
static void
setlimit(int fd, int force, int ask, int value)
{
	if(setint(fd, SOL_SOCKET, force, value) < 0)
		setint(fd, SOL_SOCKET, ask, value);
}

/*
 * Does another aoede of this host serve the address on the interface?  It is
 * not heard, as what is sent here does not come back.  So each binds a socket,
 * kept until it exits, to an abstract name made of address and interface:
 * EADDRINUSE means that another has it.  Names belong to a network namespace,
 * as interfaces do.
 */
static int
taken(Port *p, int shelf, int slot)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0);
	int len = snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "aoede e%d.%d %d", shelf,
		slot, p->index);

	return fd >= 0 && bind(fd, (struct sockaddr*)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0
		&& errno == EADDRINUSE;
}

char*
nicopen(Nic *n, int shelf, int slot, int bufcnt)
{
	char name[IFNAMSIZ];
	struct ifreq ifr;
	Port *p, *q;

	p = n->port = calloc(1, sizeof *p);
	if(p == NULL)
		return sentence("%s: %s", n->name, strerror(errno));
	p->nrx = RX_FRAMES(bufcnt);
	/* With protocol 0 nothing is received before listenon. */
	p->fd = socket(AF_PACKET, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
	if(p->fd < 0)
		return sentence("%s: can't open a raw socket: %s%s", n->name, strerror(errno),
			errno == EPERM ? " (root or CAP_NET_RAW is needed)" : "");
	if((p->index = follow(n, name, sizeof name)) == 0
	|| ifquery(p, &ifr, name, SIOCGIFHWADDR) < 0)
		return sentence("%s: %s: expected a network interface", n->name, strerror(ENODEV));
	for(q = ports; q != NULL; q = q->before)
		if(q->index == p->index)
			return sentence("interface %s: expected each interface once, "
				"by one of its names", n->name);
	p->before = ports;
	ports = p;
	if(ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return sentence("%s: not an Ethernet interface", n->name);
	if(setfilter(p->fd, shelf, slot) < 0)
		return sentence("%s: can't set a packet filter: %s", n->name, strerror(errno));
	/*
	 * Frames being sent count against the first limit; frames received
	 * without rings count against the second.  Both are set for the
	 * largest MTU, as the sandbox forbids changing them later.
	 */
	setlimit(p->fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_SLOTS * Slotmax);
	setlimit(p->fd, SO_RCVBUFFORCE, SO_RCVBUF,
		p->nrx < INT_MAX / 2 / Slotmax ? (int)p->nrx * Slotmax : INT_MAX / 2);
	p->canshare = PACKET_RINGS;
	if(PACKET_RINGS && setrings(p->fd) < 0){
		warnx("%s: no packet rings (%s): using recvmmsg and sendmmsg", n->name,
			strerror(errno));
		p->canshare = 0;
	}
	if(taken(p, shelf, slot))
		warnx("%s: e%d.%d is served by another aoede of this host, too: "
			"if that is another disk, both will be destroyed", n->name, shelf, slot);
	return NULL;
}

int
nicpoll(Nic *n, short *events)
{
	Port *p = n->port;

	/* Don't wake up for frames that can't be taken. */
	*events = p->rx.n == 0 || p->resize ? 0 : POLLIN;
	if(p->full)
		*events |= POLLOUT;
	p->full = 0;
	return p->fd;
}

void
nicerror(Nic *n)
{
	int e;
	socklen_t len = sizeof e;

	getsockopt(n->port->fd, SOL_SOCKET, SO_ERROR, &e, &len);
}

uchar*
nicrecv(Nic *n, uint *len)
{
	Port *p = n->port;
	Slot *s;

	while(p->lent < p->rx.n && !p->resize){
		s = p->rx.slot[p->rx.next];
		if(!p->shared && p->lent == 0 && !(status(s) & TP_STATUS_USER))
			fill(p);
		if(!(status(s) & TP_STATUS_USER))
			break;
		p->rx.next = after(&p->rx, p->rx.next);
		p->lent++;
		__builtin_prefetch(p->rx.slot[p->rx.next]);
		__builtin_prefetch(frameof(p->rx.slot[p->rx.next]));
		if(s->tp_snaplen == s->tp_len){
			*len = s->tp_len;
			return (uchar*)s + s->tp_mac;
		}
	}
	return NULL;
}

int
nicempty(Nic *n)
{
	Port *p = n->port;

	return p->rx.n == 0 || ((p->shared || p->drained)
		&& !(status(p->rx.slot[p->rx.next]) & TP_STATUS_USER));
}

void
nicrelease(Nic *n)
{
	Port *p = n->port;
	uint i;

	for(i = p->rx.next + p->rx.n - p->lent; p->lent > 0; i++, p->lent--)
		setstatus(p->rx.slot[i % p->rx.n], TP_STATUS_KERNEL);
}

uchar*
nicroom(Nic *n)
{
	Port *p = n->port;
	Slot *s;
	int tries;

	for(tries = 0; p->tx.n > 0 && tries < 2; tries++){
		s = p->tx.slot[p->tx.next];
		if(isfree(s)){
			p->tx.next = after(&p->tx, p->tx.next);
			return frameof(s);
		}
		nickick(n);
	}
	p->full = p->tx.n > 0 && p->shared;
	return NULL;
}

void
nicsend(Nic *n, uchar *f, uint len)
{
	Slot *s = (Slot*)(void*)(f - Frameoff);

	s->tp_len = len;
	setstatus(s, TP_STATUS_SEND_REQUEST);
	n->port->queued = 1;
}

int
nickick(Nic *n)
{
	Port *p = n->port;

	if(p->tx.n == 0)
		return 0;
	if(!n->up)
		purge(p);
	if(p->queued && p->shared)
		while(sendto(p->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == EINTR)
			;
	else if(p->queued)
		drain(p);
	p->queued = status(p->tx.slot[before(&p->tx, p->tx.next)]) == TP_STATUS_SEND_REQUEST;
	/* poll does not report frames that fill has already taken from the socket. */
	return p->queued || (!p->shared && (status(p->rx.slot[p->rx.next]) & TP_STATUS_USER));
}

void
lognowait(int std)
{
	char name[32];
	int fd;

	/* Open it again: O_NONBLOCK on the inherited description would affect other processes. */
	snprintf(name, sizeof name, "/proc/self/fd/%d", std);
	fd = open(name, O_WRONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC);
	if(fd < 0){
		fcntl(std, F_SETFL, fcntl(std, F_GETFL) | O_NONBLOCK);
		return;
	}
	dup2(fd, std);
	close(fd);
}

int
managersocket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if(len == 0 || len >= sizeof sa.sun_path || (path[0] != '/' && path[0] != '@'))
		return -1;
	memcpy(sa.sun_path, path, len);
	if(path[0] == '@')
		sa.sun_path[0] = 0;	/* an abstract name */
	fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0);
	if(fd >= 0 && connect(fd, (struct sockaddr*)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	warn("can't tell the service manager, at %s", path);
	close(fd);
	return -1;
}

void
closefiles(void)
{
	struct rlimit most = { .rlim_cur = 1024 };
	uint fd;

	if(syscall(SYS_close_range, 3U, UINT_MAX, 0U) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &most);
	for(fd = 3; fd < most.rlim_cur && fd < 1 << 20; fd++)
		close((int)fd);
}

char*
nicbridge(Nic *n)
{
	static struct ifreq ifr;
	struct rtattr *a, *info, *kind;
	struct nlmsghdr *h = asklink(bound(n->port), NULL);
	int len;

	if(h == NULL)
		return NULL;
	len = (int)IFLA_PAYLOAD(h);
	a = IFLA_RTA(NLMSG_DATA(h));
	info = attribute(a, len, IFLA_LINKINFO);
	if(info == NULL)
		return NULL;
	kind = attribute(RTA_DATA(info), (int)RTA_PAYLOAD(info), Slavekind);
	if(kind == NULL)
		return NULL;
	a = attribute(a, len, IFLA_MASTER);
	if(a == NULL || RTA_PAYLOAD(kind) < sizeof "bridge"
	|| strcmp(RTA_DATA(kind), "bridge") != 0)
		return NULL;
	memset(&ifr, 0, sizeof ifr);
	memcpy(&ifr.ifr_ifindex, RTA_DATA(a), sizeof ifr.ifr_ifindex);
	return control(n->port->fd, SIOCGIFNAME, &ifr) < 0 ? NULL : ifr.ifr_name;
}

char*
nicrings(Nic *n)
{
	Port *p = n->port;

	return p->shared || (p->slotsize == 0 && p->canshare) ? "packet" : "mmsg";
}

uvlong
nicdrops(Nic *n)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof st;

	if(getsockopt(n->port->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) < 0)
		return 0;
	return st.tp_drops;
}

int
linkopen(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, NETLINK_ROUTE);
	if(fd < 0)
		return -1;
	if(bind(fd, (struct sockaddr*)&sa, sizeof sa) < 0){
		close(fd);
		return -1;
	}
	return fd;
}

void
linkread(int fd)
{
	char buf[8192];
	int i;

	/*
	 * The messages' contents don't matter, as niccheck queries the state
	 * itself.  So a lost message (ENOBUFS) does no harm.
	 */
	for(i = 0; i < 64; i++)
		if(recv(fd, buf, sizeof buf, MSG_DONTWAIT) < 0 && errno != ENOBUFS
		&& errno != EINTR)
			break;
}

/*
 * The files that hold the disk's data.  With -d, fd bypasses the page cache
 * and takes only whole blocks of the device; cached is a second descriptor for
 * other transfers.  The kernel keeps the two coherent.  Without -d they are
 * the same.
 */
struct File {
	int	fd;
	int	cached;
	uint	dio;		/* bytes of a block for direct I/O; 0 without -d */
	int	isdev;
	/* we own the file or may write to it; mincore(2) lies to all others */
	int	ours;
	int	readonly;	/* the shadow: it is open for reading only */
};

static File files[Nfiles] = { { .fd = -1, .cached = -1 }, { .fd = -1, .cached = -1 } };

/* Returns the unit of direct transfers in bytes, found by trying one. */
static uint
dioblock(int fd)
{
	uint size;
	char *buf;
	ssize_t n;

	buf = aligned_alloc(4096, 2 * 4096);
	if(buf == NULL)
		return 4096;
	n = pread(fd, buf + Sector, Sector, Sector);
	size = n < 0 && errno == EINVAL ? 4096 : Sector;
	free(buf);
	return size;
}

/*
 * Read the first line of a device's file under /sys.  Returns 0 if there is
 * none.
 */
static int
sysline(dev_t dev, const char *file, char *line, size_t size)
{
	char name[PATH_MAX];
	FILE *f;
	char *got;

	snprintf(name, sizeof name, "/sys/dev/block/%u:%u/%s", major(dev), minor(dev), file);
	f = fopen(name, "re");
	if(f == NULL)
		return 0;
	got = fgets(line, (int)size, f);
	fclose(f);
	if(got == NULL)
		return 0;
	line[strcspn(line, "\n")] = 0;
	return line[0] != 0;
}

/*
 * Read a line about the queue of a disk.  A partition has its disk's.
 */
static int
queueline(dev_t dev, const char *file, char *line, size_t size)
{
	char own[32], disks[32];

	snprintf(own, sizeof own, "queue/%s", file);
	snprintf(disks, sizeof disks, "../queue/%s", file);
	return sysline(dev, own, line, size) || sysline(dev, disks, line, size);
}

/*
 * Returns 1 when the underlying disk says that it does not rotate, else 0, as
 * the kernel does not know the rate.
 */
static int
rotation(dev_t dev)
{
	char line[16];

	return queueline(dev, "rotational", line, sizeof line) && line[0] == '0';
}

static uint
physical(struct stat *st)
{
	uint size;

	if(!files[Image].isdev || control(files[Image].fd, BLKPBSZGET, &size) < 0)
		size = st->st_blksize < 4096 ? (uint)st->st_blksize : 4096;
	return size >= Sector && (size & (size - 1)) == 0 ? size : Sector;
}

int
disksize(Disk *d)
{
	struct stat st;
	uint64_t size;

	if(files[Image].isdev){
		if(control(files[Image].fd, BLKGETSIZE64, &size) < 0)
			return -1;
		d->size = size;
		return 0;
	}
	if(fstat(files[Image].fd, &st) < 0)
		return -1;
	d->size = (uvlong)st.st_size;
	return 0;
}

/*
 * Open the image.  O_EXCL locks a block device against mounted file systems
 * and other exclusive users.  Readers may share the device, so with -r this
 * only checks that nobody holds that lock.
 */
static int
imageopen(char *path, int flags, int readonly)
{
	int fd;

	if(!files[Image].isdev)
		return open(path, flags);
	fd = open(path, flags|O_EXCL);
	if(fd < 0 || !readonly)
		return fd;
	close(fd);
	return open(path, flags);
}

static char*
openerror(char *path, int readonly, int direct)
{
	int e = errno;

	if(e == EBUSY)
		return sentence("%s: mounted, or held by another program", path);
	if(e == EINVAL && direct)
		return sentence("%s: no direct I/O (-d) on its file system", path);
	if(!readonly && (e == EACCES || e == EROFS || e == EPERM))
		return sentence("%s: %s: expected to write to it (-r serves it read-only)", path,
			strerror(e));
	return sentence("%s: %s: expected a file or a block device", path, strerror(e));
}

char*
diskopen(Disk *d, char *path, int readonly, int direct)
{
	struct stat st;
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	File *f = &files[Image];
	char *e;

	if(stat(path, &st) < 0)
		return openerror(path, readonly, direct);
	if(!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return sentence("%s: expected a file or a block device", path);
	f->isdev = S_ISBLK(st.st_mode);
	f->fd = imageopen(path, flags | (direct ? O_DIRECT : 0), readonly);
	if(f->fd < 0)
		return openerror(path, readonly, direct);
	if((e = imagelock(f->fd, path, readonly)) != NULL)
		return e;
	f->cached = f->fd;
	if(direct){
		f->dio = dioblock(f->fd);
		f->cached = open(path, flags);
		if(f->cached < 0)
			return openerror(path, readonly, direct);
	}
	if(fstat(f->fd, &st) < 0 || disksize(d) < 0)
		return sentence("%s: can't learn its size: %s", path, strerror(errno));
	f->ours = st.st_uid == geteuid() || access(path, W_OK) == 0;
	/* O_NOATIME only saves time.  It fails if we don't own the file. */
	fcntl(f->cached, F_SETFL, fcntl(f->cached, F_GETFL) | O_NOATIME);
	d->direct = direct;
	d->block = f->dio > Sector && f->dio <= Blockmax ? f->dio : Sector;
	d->physical = physical(&st);
	d->rotation = rotation(f->isdev ? st.st_rdev : st.st_dev);
	return NULL;
}

/*
 * Choose the descriptor for a transfer: the direct one if it consists of whole
 * blocks and is aligned in memory.
 */
static int
choose(File *f, struct iovec *iov, int niov, uvlong off)
{
	size_t len = 0;
	int i;

	if(f->dio == 0 || off % f->dio != 0)
		return f->cached;
	for(i = 0; i < niov; i++){
		if((uintptr_t)iov[i].iov_base % Sector != 0)
			return f->cached;
		len += iov[i].iov_len;
	}
	return len % f->dio == 0 ? f->fd : f->cached;
}

static int settle(Op*, long);
static long attempt(Op*);

static int
writeout(int fd, uvlong off, size_t len)
{
	return sync_file_range(fd, (off_t)off, (off_t)len,
		SYNC_FILE_RANGE_WAIT_BEFORE|SYNC_FILE_RANGE_WRITE|SYNC_FILE_RANGE_WAIT_AFTER);
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
	o->fd = choose(&files[o->file], o->iov, o->niov, o->off);
	carry(o);
	errno = o->error;
	return o->moved;
}

/*
 * Did a write with -d go through the page cache?  Then it must still be
 * written to the device.
 */
static int
mustwriteout(Op *o)
{
	return files[o->file].dio != 0 && o->fd == files[o->file].cached;
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

/*
 * What diskpush was told.  A file system may drop data that it can't place, and
 * says so only to whoever made it write; the next sync passes it on.
 */
static atomic_int pushfailed[Nfiles];

static int
afterpush(int file)
{
	int e = atomic_exchange(&pushfailed[file], 0);

	if(e == 0)
		return 0;
	errno = e;
	return -1;
}

int
disksync(int file)
{
	int r;

	do
		r = fdatasync(files[file].fd);
	while(r < 0 && errno == EINTR);
	return r < 0 ? r : afterpush(file);
}

void
diskpush(int file)
{
	if(sync_file_range(files[file].cached, 0, 0, SYNC_FILE_RANGE_WRITE) < 0
	&& errno != ENOSYS && errno != EPERM && errno != ESPIPE && errno != EINVAL)
		pushfailed[file] = errno;
}

void
diskahead(int file, uvlong off, uvlong len)
{
	const uvlong step = 128 * 1024;		/* for one call the system may read no more */
	uvlong end = off + len;

	for(; off < end; off += step)
		readahead(files[file].cached, (off_t)off,
			(size_t)(end - off < step ? end - off : step));
}

uvlong
diskdata(int file, uvlong off, uvlong *end)
{
	return filedata(files[file].fd, off, end);
}

static int
punch(int file, int mode, uvlong off, uvlong len)
{
	int r;

	do
		r = fallocate(files[file].fd, mode|FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
	while(r < 0 && errno == EINTR);
	return r;
}

static int
writezeros(int file, uvlong off, uvlong len)
{
	static _Alignas(4096) char zeros[64 * 1024];
	struct iovec iov;
	size_t n;

	for(; len > 0; off += n, len -= n){
		n = len < sizeof zeros ? (size_t)len : sizeof zeros;
		iov = (struct iovec){ zeros, n };
		if(diskwrite(file, &iov, 1, off) != n)
			return -1;
	}
	return 0;
}

static int
disktrim(int file, uvlong off, uvlong len)
{
	uvlong block = 4096, head = 0, tail = 0;

	/*
	 * A device trims only whole blocks.  4096 is a multiple of every block
	 * size that Linux supports.
	 */
	if(files[file].isdev){
		head = (block - off % block) % block;
		if(head > len)
			head = len;
		tail = (len - head) % block;
	}
	if(writezeros(file, off, head) < 0 || writezeros(file, off + len - tail, tail) < 0)
		return -1;
	off += head;
	len -= head + tail;
	if(len > 0
	&& punch(file, FALLOC_FL_PUNCH_HOLE, off, len) < 0
	&& punch(file, FALLOC_FL_ZERO_RANGE, off, len) < 0
	&& writezeros(file, off, len) < 0)
		return -1;
	return 0;
}

/*
 * Name a disk independently of where it is attached; a partition, by its disk
 * and where it begins.  Without such a name the device number must do.
 */
static void
devident(dev_t dev, char *id, size_t size)
{
	static const char *const names[] = { "dm/uuid", "md/uuid", "loop/backing_file", "wwid",
		"device/wwid", "../wwid", "../device/wwid" };
	char line[128], start[32] = "0";
	uint i;

	sysline(dev, "start", start, sizeof start);
	for(i = 0; i < sizeof names / sizeof names[0]; i++)
		if(sysline(dev, names[i], line, sizeof line)){
			snprintf(id, size, "disk %s from %s", line, start);
			return;
		}
	snprintf(id, size, "disk %u:%u", major(dev), minor(dev));
}

void
diskident(char *id, size_t size)
{
	struct statx sx;

	memset(id, 0, size);
	if(syscall(SYS_statx, files[Image].fd, "", AT_EMPTY_PATH, STATX_INO|STATX_BTIME, &sx) < 0)
		return;
	if(files[Image].isdev)
		devident(makedev(sx.stx_rdev_major, sx.stx_rdev_minor), id, size);
	else if(sx.stx_mask & STATX_BTIME)
		snprintf(id, size, "file %llu of %lld.%09u", (uvlong)sx.stx_ino,
			(long long)sx.stx_btime.tv_sec, sx.stx_btime.tv_nsec);
	else
		snprintf(id, size, "file %llu", (uvlong)sx.stx_ino);
}

void
bootid(uchar id[16])
{
	char line[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint i;

	if(f == NULL || fgets(line, sizeof line, f) == NULL)
		line[0] = 0;
	if(f != NULL)
		fclose(f);
	/* Without a boot ID, assume a new boot each time. */
	if(line[0] == 0 && getrandom(id, 16, 0) == 16)
		return;
	memset(id, 0, 16);
	/* Any mixture will do that tells two IDs apart. */
	for(i = 0; line[i] != 0; i++)
		id[i % 16] = (uchar)(id[i % 16] * 31 + line[i]);
}

/* The parts of the shadow that differ between systems. */

/*
 * With -d the shadow's data bypasses the page cache too.  Where direct I/O is
 * impossible, no transfer's length is a multiple of dio, so that all of them
 * use cached and every write is written through.
 */
static int
shadowattach(int fd, int dir, char *name, int readonly)
{
	File *f = &files[Shadow];
	int direct;

	*f = (File){ .fd = fd, .cached = fd, .ours = 1, .readonly = readonly };
	if(!disk.direct)
		return 0;
	f->dio = 1U << 31;
	direct = openplain(dir, name, (readonly ? O_RDONLY : O_RDWR)|O_DIRECT);
	if(direct < 0)
		return errno == EINVAL ? 0 : -1;
	f->fd = direct;
	f->dio = dioblock(direct);
	return 0;
}

static void
shadowdetach(void)
{
	File *f = &files[Shadow];

	if(f->fd != f->cached)
		close(f->fd);
	f->fd = f->cached = -1;
}

static int
renamenew(int dir, char *from, char *to)
{
	enum { Noreplace = 1 };		/* RENAME_NOREPLACE */
	struct stat st;

	if(syscall(SYS_renameat2, dir, from, dir, to, Noreplace) == 0)
		return 0;
	if(errno != EINVAL && errno != ENOSYS)
		return -1;
	/* This file system or kernel can't rename without replacing. */
	if(fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0){
		errno = EEXIST;
		return -1;
	}
	return renameat(dir, from, dir, to);
}

char*
shadowdir(char *path)
{
	return shadowat(path, 0, shadowattach, shadowdetach, renamenew);
}

uvlong
imagechanged(void)
{
	struct stat st;

	if(files[Image].isdev || fstat(files[Image].fd, &st) < 0)
		return 0;
	return (uvlong)st.st_mtim.tv_sec * 1000000000 + (uvlong)st.st_mtim.tv_nsec;
}

static char markname[] = "user.aoede.shadow";

static int
markput(char *text)
{
	int fd = files[Image].fd, r;

	if(text == NULL)
		r = fremovexattr(fd, markname);
	else
		r = fsetxattr(fd, markname, text, strlen(text), 0);
	/* Device nodes and some file systems don't support attributes. */
	if(r < 0 && errno != EOPNOTSUPP && !(errno == EPERM && files[Image].isdev)
	&& !(errno == ENODATA && text == NULL))
		return 1;
	return fsync(fd);
}

static ssize_t
markget(char *text, size_t size)
{
	return fgetxattr(files[Image].fd, markname, text, size);
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
	return markname;
}

/*
 * Does this file system reserve space for a page when it is written through a
 * mapping, and raise SIGBUS if there is none?  Others may run out of space
 * later, when nobody can be told.
 */
static int
reserves(int fd)
{
	struct statfs fs;

	if(fstatfs(fd, &fs) < 0)
		return 0;
	switch((uint)fs.f_type){
	case EXT4_SUPER_MAGIC: case XFS_SUPER_MAGIC: case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC: case TMPFS_MAGIC:
		return 1;
	}
	return 0;
}

/*
 * With -d the image has no window.  Nor has a file that isn't ours, as
 * mincore(2) would lie.  The shadow's window is writable where that is safe.
 */
int
diskmap(int file, uvlong size)
{
	File *f = &files[file];
	int writable = file == Shadow && !f->readonly && reserves(f->fd);

	if(!f->ours || (f->dio != 0 && !writable))
		size = 0;
	return windowmap(file, f->cached, size, writable) == 0 && f->dio == 0;
}

size_t
disktry(uchar *to, size_t len, int file, uvlong off)
{
	struct iovec iov = { to, len };
	long n;

	if(files[file].dio != 0)
		return 0;
	n = syscall(SYS_preadv2, files[file].cached, &iov, 1L, (long)off, (long)(off >> 16 >> 16),
		RWF_NOWAIT);
	return n < 0 ? 0 : (size_t)n;
}

/*
 * The engine: disk operations that proceed while the loop runs.
 *
 * Threads can carry out every operation.  Where the system allows it, direct
 * reads, writes and syncs take a cheaper way:
 *
 *	io_uring(7), by its system calls
 *	io_submit(2), with -d, as it waits for the disk otherwise
 *
 * ENGINE in tuneup.h says which to try.  All of them report to one eventfd.
 *
 * 4. An operation belongs to the engine from enginestart until done is called.
 *    Only enginereap, in the loop, calls done: when all bytes are moved, or
 *    with an error.
 * 5. The kernel has at most room operations of each file, so that all of them
 *    fit into the completion queue.  With -d they mostly fit into the queue of the
 *    disk, too.  With AIO, or on a file system, the call that submits one too many
 *    waits until the disk has ended another; on a block device it occupies one of
 *    io_uring's few workers, which writes that need new blocks have to go
 *    through.  Those beyond room wait in the order they were started, but syncs
 *    go first.
 * 6. While the loop is awake it looks for ended operations in each turn and
 *    needs no eventfd.  In deferred mode the kernel completes operations only
 *    within our own system calls, instead of interrupting us for each; a flag
 *    in memory says that there are some to complete.  It writes the eventfd
 *    only between enginesleep and the next enginekick.
 */
enum {
	Inflight	= 256,	/* of each file, at most */
	Flying		= Nfiles * Inflight,
	Together	= 8,	/* operations passed to io_uring at a time */
	Uring		= 1,
	Aio,
	Threads,
};

static struct {
	int	fd;		/* readable when an operation has ended */
	int	kind;
	int	asleep;		/* the loop sleeps or is about to */
} engine = { .fd = -1 };

/* The operations of a file that are for io_uring or AIO (inv. 5). */
typedef struct Lane Lane;
struct Lane {
	Op	*wait, **waittail;	/* started, but not yet given to it */
	uint	inflight;	/* given to it, and not ended */
	uint	room;		/* no more of these */
};
static Lane lanes[Nfiles] = {
	[Image] = { .waittail = &lanes[Image].wait, .room = Inflight },
	[Shadow] = { .waittail = &lanes[Shadow].wait, .room = Inflight },
};

/* io_uring's rings.  The kernel writes *sqhead and *cqtail; we write the others. */
static struct {
	int	fd;
	uint	*sqhead, *sqtail, *sqmask, *sqarray;
	uint	*cqhead, *cqtail, *cqmask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	uint	tosubmit;
	int	deferred;	/* inv. 6 */
	uint	*sqflags, *cqflags;
} uring;

static aio_context_t aio;
static atomic_int gone;		/* the image's device has gone */

/*
 * When its device has gone, a driver reports ENODEV or ENXIO, or fails
 * everything with EIO and soon reports a size of 0.
 */
void
diskask(void)
{
	uint64_t size;

	if(files[Image].isdev && control(files[Image].fd, BLKGETSIZE64, &size) == 0 && size == 0)
		atomic_store(&gone, 1);
}

static int
failed(Op *o, int error)
{
	o->error = error;
	if(o->file == Image && files[Image].isdev && (error == ENODEV || error == ENXIO))
		atomic_store(&gone, 1);
	else if(o->file == Image)
		diskask();
	return 1;
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
	if(n == -EINVAL && istransfer(o) && o->fd != files[o->file].cached){
		/* some devices need memory aligned to more than a sector */
		o->fd = files[o->file].cached;
		return 0;
	}
	if(n == 0 && o->op == Oflush && afterpush(o->file) < 0)
		n = -errno;
	if(n < 0)
		return failed(o, (int)-n);
	if(!istransfer(o))
		return 1;
	if(n == 0)
		return failed(o, EIO);		/* the file has been cut short */
	opadvance(o, (size_t)n);
	return o->niov == 0;
}

/* Make one attempt at an operation and wait for it. */
static long
attempt(Op *o)
{
	long n = 0;

	switch(o->op){
	case Oread:
		n = preadv(o->fd, o->iov, o->niov, (off_t)(o->off + o->moved));
		break;
	case Owrite:
		n = pwritev(o->fd, o->iov, o->niov, (off_t)(o->off + o->moved));
		if(n > 0 && mustwriteout(o) && writeout(o->fd, o->off + o->moved, (size_t)n) < 0)
			n = -1;
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

/* Called by a thread that has ended an operation. */
static void
wakeloop(void)
{
	uint64_t one = 1;

	/* A full counter has woken the loop already. */
	(void)!write(engine.fd, &one, sizeof one);
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
	opdone(o);
	return 1;
}

/*
 * Is it one for the kernel?  The call that submits a read into the page cache
 * also starts it, and waits there for room in the disk's queue.
 */
static int
forkernel(Op *o)
{
	int direct = istransfer(o) && o->fd != files[o->file].cached;

	if(engine.kind == Uring)
		return direct || o->op == Owrite || o->op == Oflush;
	return engine.kind == Aio && direct;
}

static void
give(Op *o)
{
	Lane *l = &lanes[o->file];
	Op **at = o->op == Oflush ? &l->wait : l->waittail;

	if(!forkernel(o)){
		threadsadd(o);
		return;
	}
	o->next = *at;
	*at = o;
	if(o->next == NULL)
		l->waittail = &o->next;
}

/*
 * An operation has come back from the kernel.  One that would have to wait for
 * a file system, say for new blocks, is for a thread (EAGAIN).
 */
static void
comeback(Op *o, long n)
{
	lanes[o->file].inflight--;
	if(n == -EAGAIN)
		threadsadd(o);
	else if(settle(o, n))
		opdone(o);
	else
		give(o);
}

static uint
inflight(void)
{
	return lanes[Image].inflight + lanes[Shadow].inflight;
}

static int
aioopen(void)
{
	return (int)syscall(SYS_io_setup, Flying, &aio);
}

/*
 * Submit an operation to the kernel.  Returns -1 when the kernel's queue is
 * full.  An operation that AIO refuses goes to the threads; Linux before 4.13
 * refuses RWF_NOWAIT.
 */
static int
aiosubmit(Op *o)
{
	struct iocb cb = {
		.aio_data = (uintptr_t)o,
		.aio_lio_opcode = o->op == Oread ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV,
		.aio_fildes = (uint)o->fd,
		.aio_buf = (uintptr_t)o->iov,
		.aio_nbytes = (uint)o->niov,
		.aio_offset = (long long)(o->off + o->moved),
		.aio_rw_flags = RWF_NOWAIT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint)engine.fd,
	};
	struct iocb *list = &cb;

	if(syscall(SYS_io_submit, aio, 1L, &list) == 1){
		lanes[o->file].inflight++;
		return 0;
	}
	if(errno == EAGAIN && inflight() > 0)
		return -1;
	threadsadd(o);
	return 0;
}

static int
aioreap(void)
{
	struct io_event ev;
	struct timespec zero = { 0 };

	if(inflight() == 0 || syscall(SYS_io_getevents, aio, 0L, 1L, &ev, &zero) != 1)
		return 0;
	comeback((Op*)(uintptr_t)ev.data, (long)ev.res);
	return 1;
}

static uchar*
uringmap(size_t len, uvlong which)
{
	return mmap(NULL, len, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_POPULATE, uring.fd,
		(off_t)which);
}

/* Create a deferred ring (Linux 6.1), or else a plain one. */
static int
uringsetup(struct io_uring_params *p)
{
	int fd;

	*p = (struct io_uring_params){ .flags = IORING_SETUP_CLAMP|IORING_SETUP_R_DISABLED
		|IORING_SETUP_SINGLE_ISSUER|IORING_SETUP_DEFER_TASKRUN|IORING_SETUP_TASKRUN_FLAG };
	fd = (int)syscall(SYS_io_uring_setup, Inflight, p);
	uring.deferred = fd >= 0;
	if(fd >= 0 || errno != EINVAL)
		return fd;
	*p = (struct io_uring_params){ .flags = IORING_SETUP_CLAMP|IORING_SETUP_R_DISABLED };
	return (int)syscall(SYS_io_uring_setup, Inflight, p);
}

/*
 * seccomp does not see io_uring's operations.  So restrict the ring to those
 * that uringsubmit uses.
 */
static int
uringrestrict(void)
{
	struct io_uring_restriction r[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
	};

	if(syscall(SYS_io_uring_register, uring.fd, IORING_REGISTER_RESTRICTIONS, r,
		sizeof r / sizeof r[0]) < 0)
		return -1;
	return (int)syscall(SYS_io_uring_register, uring.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/*
 * Set up io_uring: map its three parts and register the eventfd.  Reject a
 * kernel that reads vectors after submission, or that can't restrict the ring.
 */
static int
uringopen(void)
{
	struct io_uring_params p;
	uchar *sq, *cq, *sqe;

	uring.fd = uringsetup(&p);
	if(uring.fd < 0)
		return -1;
	fcntl(uring.fd, F_SETFD, FD_CLOEXEC);
	sq = uringmap(p.sq_off.array + p.sq_entries * sizeof(uint), IORING_OFF_SQ_RING);
	cq = uringmap(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		IORING_OFF_CQ_RING);
	sqe = uringmap(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if(sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED
	|| p.cq_entries < Flying || !(p.features & IORING_FEAT_SUBMIT_STABLE)
	|| syscall(SYS_io_uring_register, uring.fd, IORING_REGISTER_EVENTFD, &engine.fd, 1) < 0
	|| uringrestrict() < 0){
		close(uring.fd);
		return -1;
	}
	uring.sqhead = (uint*)(void*)(sq + p.sq_off.head);
	uring.sqtail = (uint*)(void*)(sq + p.sq_off.tail);
	uring.sqmask = (uint*)(void*)(sq + p.sq_off.ring_mask);
	uring.sqflags = (uint*)(void*)(sq + p.sq_off.flags);
	uring.sqarray = (uint*)(void*)(sq + p.sq_off.array);
	uring.cqhead = (uint*)(void*)(cq + p.cq_off.head);
	uring.cqtail = (uint*)(void*)(cq + p.cq_off.tail);
	uring.cqmask = (uint*)(void*)(cq + p.cq_off.ring_mask);
	uring.cqflags = (uint*)(void*)(cq + p.cq_off.flags);
	uring.cqe = (struct io_uring_cqe*)(void*)(cq + p.cq_off.cqes);
	uring.sqe = (struct io_uring_sqe*)(void*)sqe;
	return 0;
}

/*
 * Put an operation into the submission queue.  Returns -1 when that is full.
 */
static int
uringsubmit(Op *o)
{
	uint tail = *uring.sqtail, i = tail & *uring.sqmask;
	struct io_uring_sqe *s = &uring.sqe[i];

	/* Acquire: the kernel has read the entry that we overwrite. */
	if(tail - __atomic_load_n(uring.sqhead, __ATOMIC_ACQUIRE) > *uring.sqmask)
		return -1;
	memset(s, 0, sizeof *s);
	s->fd = o->fd;
	s->user_data = (uintptr_t)o;
	if(o->op == Oflush){
		s->opcode = IORING_OP_FSYNC;
		s->fsync_flags = IORING_FSYNC_DATASYNC;
	}else{
		s->opcode = o->op == Oread ? IORING_OP_READV : IORING_OP_WRITEV;
		s->addr = (uintptr_t)o->iov;
		s->len = (uint)o->niov;
		s->off = o->off + o->moved;
		if(o->op == Owrite && mustwriteout(o))
			s->rw_flags = RWF_DSYNC;
	}
	uring.sqarray[i] = i;
	/* Release: the kernel sees the entry before the tail that covers it. */
	__atomic_store_n(uring.sqtail, tail + 1, __ATOMIC_RELEASE);
	uring.tosubmit++;
	lanes[o->file].inflight++;
	return 0;
}

/*
 * Submit the queue to the kernel.  Entries that it does not take now (EAGAIN;
 * EBUSY: completions must be reaped first) stay for the next call.  In
 * deferred mode this call also completes what has ended.
 */
static void
uringenter(void)
{
	uint flags = uring.deferred ? IORING_ENTER_GETEVENTS : 0;
	int n;

	do{
		n = (int)syscall(SYS_io_uring_enter, uring.fd, uring.tosubmit, 0, flags, NULL, 0);
		if(n > 0)
			uring.tosubmit -= (uint)n;
	}while(uring.tosubmit > 0 && (n > 0 || (n < 0 && errno == EINTR)));
}

/*
 * Is there an entry in the completion queue?
 */
static int
uringended(void)
{
	/* Acquire: what the tail covers has been written. */
	return *uring.cqhead != __atomic_load_n(uring.cqtail, __ATOMIC_ACQUIRE);
}

static int
uringreap(void)
{
	uint head = *uring.cqhead;
	struct io_uring_cqe c;

	if(inflight() == 0)
		return 0;
	if(!uringended()){
		/* Relaxed: the flag is only a hint; the system call checks for itself. */
		if(!(__atomic_load_n(uring.sqflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN))
			return 0;
		uringenter();
		if(!uringended())
			return 0;
	}
	c = uring.cqe[head & *uring.cqmask];
	/* Release: we have read the entry that the kernel may overwrite. */
	__atomic_store_n(uring.cqhead, head + 1, __ATOMIC_RELEASE);
	comeback((Op*)(uintptr_t)c.user_data, c.res);
	return 1;
}

/*
 * Say whether the kernel shall write the eventfd when an operation has ended.
 * The kernel reads the flag after it has noted a completion, and we look for
 * completions after setting the flag; so no wake-up is lost (inv. 6).
 */
static void
uringtell(int tell)
{
	if(!uring.deferred)
		return;
	__atomic_store_n(uring.cqflags, tell ? 0 : IORING_CQ_EVENTFD_DISABLED, __ATOMIC_SEQ_CST);
	if(tell && inflight() > 0){
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		uringenter();
	}
}

/*
 * Give the kernel no more operations of this file than the queue of its disk
 * holds but an eighth, which is for others, such as a file system's journal.
 */
static void
fit(int file, dev_t dev)
{
	char line[16];
	uint n;

	if(!queueline(dev, "nr_requests", line, sizeof line))
		return;
	n = (uint)strtoul(line, NULL, 10);
	n -= n / 8;
	if(n > 0 && n < Inflight)
		lanes[file].room = n;
}

static void
makeroom(void)
{
	struct stat st;

	if(files[Image].dio == 0)
		return;
	if(fstat(files[Image].fd, &st) == 0)
		fit(Image, files[Image].isdev ? st.st_rdev : st.st_dev);
	if(shadowdirfd() >= 0 && fstat(shadowdirfd(), &st) == 0)
		fit(Shadow, st.st_dev);
}

int
engineopen(int *fd)
{
	engine.fd = eventfd(0, EFD_CLOEXEC|EFD_NONBLOCK);
	if(engine.fd < 0)
		return -1;
	*fd = engine.fd;
	if(ENGINE <= Uring && uringopen() == 0)
		engine.kind = Uring;
	else if(ENGINE <= Aio && files[Image].dio != 0 && aioopen() == 0)
		engine.kind = Aio;
	else
		engine.kind = Threads;
	makeroom();
	return 0;
}

char*
enginename(void)
{
	return engine.kind == Uring ? "io_uring" : engine.kind == Aio ? "aio" : "threads";
}

void
enginestart(Op *o)
{
	opbegin(o);
	o->fd = files[o->file].fd;
	if(istransfer(o))
		o->fd = choose(&files[o->file], o->iov, o->niov, o->off);
	give(o);
}

/* Submit what there is room for. */
static void
kick(Lane *l)
{
	Op *o;

	while((o = l->wait) != NULL && l->inflight < l->room){
		l->wait = o->next;
		if((engine.kind == Uring ? uringsubmit(o) : aiosubmit(o)) < 0){
			l->wait = o;
			break;
		}
		/*
		 * The kernel starts no operation of a batch before it has seen
		 * the whole batch.  Submitting in small batches gets the disk
		 * to work early.
		 */
		if(uring.tosubmit >= Together)
			uringenter();
	}
	if(l->wait == NULL)
		l->waittail = &l->wait;
}

int
enginekick(void)
{
	kick(&lanes[Image]);
	kick(&lanes[Shadow]);
	if(engine.kind == Uring && engine.asleep)
		uringtell(0);
	engine.asleep = 0;
	if(uring.tosubmit > 0)
		uringenter();
	/* For what waits for room, an ended operation is the sign. */
	return uring.tosubmit > 0;
}

int
enginesleep(void)
{
	engine.asleep = 1;
	if(engine.kind == Uring){
		uringtell(1);
		if(uringended())
			return 1;
	}
	/* Threads always write the eventfd. */
	return 0;
}

void
enginewake(void)
{
	uint64_t n;

	if(read(engine.fd, &n, sizeof n) < 0)
		return;		/* it was not readable */
}

int
enginereap(void)
{
	if(threadsreap())
		return 1;
	if(engine.kind == Uring)
		return uringreap();
	return engine.kind == Aio && aioreap();
}

/*
 * The sandbox limits what a process could do if a frame took control of it.
 * There are three layers.  Each is skipped, with a line in the log, where the
 * kernel lacks it:
 *
 *	capabilities(7) are given up, and so is getting any back by execve
 *	landlock(7) leaves nothing of the file system but what is in dirs
 *	seccomp(2) lets no system calls through but those that are used
 *
 * Open descriptors stay usable.  The first two layers apply to a thread and
 * those it starts later, so disarm precedes the threads.  sandbox applies to
 * all threads and is called when everything is open.  uringrestrict limits
 * io_uring, which can open files without a system call.
 *
 * 7. After sandbox no function of this file makes a system call that is
 *    neither in calls nor in judged, with any C library.  A build with SANDBOX
 *    2 ends when one does; the tests run with that.
 */
enum {
	Maxcode		= 600,

	Allow		= SECCOMP_RET_ALLOW,
	/* ENOSYS makes a C library fall back to older calls */
	Unknown		= SANDBOX == 2 ? SECCOMP_RET_TRAP : SECCOMP_RET_ERRNO | ENOSYS,
	Refuse		= SANDBOX == 2 ? SECCOMP_RET_TRAP : SECCOMP_RET_ERRNO | EPERM,

	/* landlock(7): not all headers have these */
	Llwrite		= 1 << 1,
	Llread		= 1 << 2,
	Llremove	= 1 << 5,
	Llmake		= 1 << 8,
	Lltruncate	= 1 << 14,
};

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#else
#define ARCH 0
#endif

/* May we write to the file open as fd without any effective capability? */
static int
mywrite(int fd)
{
	struct stat st;
	int r = (int)syscall(SYS_faccessat2, fd, "", W_OK, AT_EACCESS|AT_EMPTY_PATH);

	if(r < 0 && errno == ENOSYS)
		return fstat(fd, &st) == 0 && st.st_uid == geteuid();
	return r == 0;
}

/*
 * Must we keep CAP_DAC_OVERRIDE?  Files are replaced in directories that may
 * not be ours; marking the image and mincore(2) need the right to write to it.
 */
static int
overriding(void)
{
	File *f = &files[Image];
	int *dirs;
	uint i, n = directories(&dirs);

	for(i = 0; i < n; i++)
		if(!mywrite(dirs[i]))
			return 1;
	return f->ours && !mywrite(f->fd) && (fcntl(f->fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

static char locks[64] = "none";

static void
locked(const char *name)
{
	size_t n = strcmp(locks, "none") == 0 ? 0 : strlen(locks);

	snprintf(locks + n, sizeof locks - n, "%s%s", n > 0 ? " " : "", name);
}

char*
sandboxname(void)
{
	return locks;
}

static void
dropcaps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };
	uint keep;
	unsigned long i;

	for(i = 0; prctl(PR_CAPBSET_DROP, i, 0UL, 0UL, 0UL) == 0; i++)
		;
	prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
	if(syscall(SYS_capget, &head, data) < 0)
		memset(data, 0, sizeof data);
	keep = data[0].permitted & 1U << CAP_DAC_OVERRIDE;
	data[0].effective = data[1].effective = 0;
	syscall(SYS_capset, &head, data);
	if(!overriding())
		keep = 0;
	data[0] = (struct __user_cap_data_struct){ .effective = keep, .permitted = keep };
	data[1] = (struct __user_cap_data_struct){ 0 };
	if(syscall(SYS_capset, &head, data) < 0)
		warn("can't give up capabilities");
	else
		locked("capabilities");
}

/*
 * Deny access to the file system except below dirs, and, where the kernel can,
 * TCP and signals to other processes.
 */
static void
landlock(void)
{
	static const uvlong fs[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
	struct { uint64_t fs, net, scoped; } attr = { 0 };
	struct { uint64_t access; int32_t fd; } __attribute__((packed)) rule;
	int *dirs, fd = -1, abi;
	uint i, n = directories(&dirs);

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0UL, 1);
	if(abi > 0){
		attr.fs = fs[abi < 5 ? abi : 5];
		attr.net = 3;
		attr.scoped = 3;
		fd = (int)syscall(SYS_landlock_create_ruleset, &attr,
			abi < 4 ? 8UL : abi < 6 ? 16UL : 24UL, 0);
	}
	for(i = 0; fd >= 0 && i < n; i++){
		rule.access = attr.fs & (Llwrite|Llread|Llremove|Llmake|Lltruncate);
		rule.fd = dirs[i];
		if(syscall(SYS_landlock_add_rule, fd, 1, &rule, 0) < 0)
			warn("Landlock: can't keep a directory");
	}
	if(fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		warnx("no Landlock (%s)", strerror(errno));
	else
		locked("Landlock");
	close(fd);
}

void
disarm(void)
{
	/* Don't keep the file system of the present directory busy. */
	if(chdir("/") < 0)
		warn("can't leave the directory");
	if(SANDBOX == 0)
		return;
#ifdef M_ARENA_MAX
	/* Otherwise glibc reads /sys to count the processors when a thread allocates. */
	mallopt(M_ARENA_MAX, 1);
#endif
	dropcaps();
	if(prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
		warn("can't renounce new privileges");
	landlock();
}

/*
 * System calls allowed with any arguments.  The most frequent come first, as
 * old kernels search the list linearly.
 */
static const int calls[] = {
	SYS_preadv2, SYS_sendto, SYS_pwritev, SYS_io_uring_enter,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_ppoll, SYS_futex, SYS_mincore, SYS_read, SYS_write,
	SYS_preadv, SYS_pread64, SYS_pwrite64, SYS_pwritev2, SYS_readv, SYS_writev,
	SYS_io_submit, SYS_io_getevents, SYS_getrusage,
	SYS_fdatasync, SYS_fsync, SYS_readahead, SYS_fallocate, SYS_ftruncate, SYS_flock, SYS_lseek,
	SYS_fstat, SYS_fstatfs, SYS_statx, SYS_close, SYS_fgetxattr, SYS_fsetxattr,
		SYS_fremovexattr,
	SYS_faccessat,
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
#ifdef SYS_sync_file_range
	SYS_sync_file_range,
#endif
#ifdef SYS_sync_file_range2
	SYS_sync_file_range2,
#endif
	SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendmsg, SYS_sendmmsg,
	SYS_bind, SYS_getsockname, SYS_getsockopt,
	SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk,
	SYS_clock_gettime, SYS_gettimeofday, SYS_nanosleep, SYS_clock_nanosleep,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
		SYS_restart_syscall,
	SYS_getpid, SYS_gettid, SYS_getrandom, SYS_sched_yield, SYS_sched_getaffinity, SYS_sysinfo,
		SYS_membarrier,
	/* by threads that start or end */
	SYS_set_robust_list, SYS_exit, SYS_exit_group,
#ifdef SYS_rseq
	SYS_rseq,
#endif
#ifdef SYS_sigreturn
	SYS_sigreturn,
#endif
#ifdef SYS_fstatfs64
	SYS_fstatfs64,
#endif
#ifdef SYS_fstat64	/* 32 bits */
	SYS_fstat64, SYS_fstatat64, SYS_ftruncate64, SYS__llseek,
#endif
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64, SYS_clock_nanosleep_time64, SYS_ppoll_time64, SYS_futex_time64,
		SYS_recvmmsg_time64,
#endif
};

static struct sock_filter code[Maxcode];
static ushort ncode;

static void
emit(int op, uint k, uint yes, uint no)
{
	if(ncode < Maxcode)
		code[ncode++] = (struct sock_filter)BPF_JUMP((ushort)op, k, (uchar)yes, (uchar)no);
}

/*
 * Load the low half of an argument.  All arguments that are judged have 32
 * bits, or their high half is irrelevant.
 */
static void
loadarg(int arg)
{
	uint at = (uint)offsetof(struct seccomp_data, args) + 8 * (uint)arg;

	emit(BPF_LD|BPF_W|BPF_ABS, at + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0), 0, 0);
}

/*
 * Allow nr when each argument in the set args is one of n values.
 */
static void
among(int nr, uint args, const uint *v, uint n)
{
	uint i, start = ncode;
	int a;

	emit(BPF_JMP|BPF_JEQ|BPF_K, (uint)nr, 0, 0);
	for(a = 0; a < 6; a++){
		if(!(args & 1U << a))
			continue;
		loadarg(a);
		for(i = 0; i < n; i++)
			emit(BPF_JMP|BPF_JEQ|BPF_K, v[i], n - i, 0);
		emit(BPF_RET|BPF_K, Refuse, 0, 0);
	}
	emit(BPF_RET|BPF_K, Allow, 0, 0);
	code[start].jf = (uchar)(ncode - start - 1);
}

/*
 * Allow nr when none of these bits is in an argument.
 */
static void
without(int nr, int arg, uint bits)
{
	emit(BPF_JMP|BPF_JEQ|BPF_K, (uint)nr, 0, 4);
	loadarg(arg);
	emit(BPF_JMP|BPF_JSET|BPF_K, bits, 0, 1);
	emit(BPF_RET|BPF_K, Refuse, 0, 0);
	emit(BPF_RET|BPF_K, Allow, 0, 0);
}

/*
 * Add the calls whose arguments are checked.  seccomp can't read an absolute
 * path; Landlock restricts those.
 */
static void
judged(void)
{
	static const uint fcntls[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD };
	static const uint ioctls[] = {
		SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR,
		BLKGETSIZE64, BLKPBSZGET,
		TCGETS, TIOCGWINSZ,	/* C libraries ask whether standard output is a terminal */
	};
	static const uint rings[] = { PACKET_RX_RING, PACKET_TX_RING };
	uint self = (uint)getpid();
	int *list;
	uint n = directories(&list);
	const uint *dirs = (const uint*)list;

#ifdef SYS_mmap2
	without(SYS_mmap2, 2, PROT_EXEC);
#elif defined(__s390x__)
	among(SYS_mmap, 0, NULL, 0);	/* its arguments are in memory */
#else
	without(SYS_mmap, 2, PROT_EXEC);
#endif
	without(SYS_mprotect, 2, PROT_EXEC);
#ifdef SYS_fcntl64
	among(SYS_fcntl64, 1 << 1, fcntls, sizeof fcntls / sizeof fcntls[0]);
#endif
	among(SYS_fcntl, 1 << 1, fcntls, sizeof fcntls / sizeof fcntls[0]);
	among(SYS_ioctl, 1 << 1, ioctls, sizeof ioctls / sizeof ioctls[0]);
	among(SYS_setsockopt, 1 << 2, rings, sizeof rings / sizeof rings[0]);
	/* abort(3) and raise(3) */
	among(SYS_tgkill, 1 << 0, &self, 1);
	among(SYS_tkill, 1 << 0, &self, 1);
	among(SYS_openat, 1 << 0, dirs, n);
	among(SYS_unlinkat, 1 << 0, dirs, n);
#ifdef SYS_renameat
	among(SYS_renameat, 1 << 0 | 1 << 2, dirs, n);
#endif
	among(SYS_renameat2, 1 << 0 | 1 << 2, dirs, n);
#if defined(__i386__) || defined(__s390x__)
	/* C libraries use this one call for all socket calls here.  Its arguments are in memory. */
	static const uint sockets[] = {
		SYS_SEND, SYS_SENDTO, SYS_SENDMSG, SYS_SENDMMSG, SYS_RECV, SYS_RECVFROM,
			SYS_RECVMSG, SYS_RECVMMSG,
		SYS_BIND, SYS_GETSOCKNAME, SYS_GETSOCKOPT, SYS_SETSOCKOPT,
	};

	among(SYS_socketcall, 1 << 0, sockets, sizeof sockets / sizeof sockets[0]);
#endif
}

/* In a build with SANDBOX 2: report the call that was refused, and end. */
static void
onsys(int sig, siginfo_t *info, void *context)
{
	char buf[80];
	int n;

	(void)context;
	n = snprintf(buf, sizeof buf, "aoede: system call %d is not allowed\n", info->si_syscall);
	if(write(2, buf, (size_t)n) < n)
		_exit(1);
	_exit(128 + sig);
}

void
sandbox(void)
{
	static const unsigned long flags[] = {
		SECCOMP_FILTER_FLAG_TSYNC|SECCOMP_FILTER_FLAG_LOG|SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		SECCOMP_FILTER_FLAG_TSYNC,	/* for older kernels */
	};
	struct sigaction sa = { .sa_sigaction = onsys, .sa_flags = SA_SIGINFO };
	struct sock_fprog prog;
	uint i;
	long r = -1;

	if(SANDBOX == 0)
		return;
	emit(BPF_LD|BPF_W|BPF_ABS, (uint)offsetof(struct seccomp_data, arch), 0, 0);
	emit(BPF_JMP|BPF_JEQ|BPF_K, ARCH, 1, 0);
	emit(BPF_RET|BPF_K, Unknown, 0, 0);
	emit(BPF_LD|BPF_W|BPF_ABS, (uint)offsetof(struct seccomp_data, nr), 0, 0);
	for(i = 0; i < sizeof calls / sizeof calls[0]; i++)
		among(calls[i], 0, NULL, 0);
	among(-1, 0, NULL, 0);	/* no call: a tracer sets this to suppress one */
	judged();
	emit(BPF_RET|BPF_K, Unknown, 0, 0);
	if(SANDBOX == 2)
		sigaction(SIGSYS, &sa, NULL);
	prog = (struct sock_fprog){ .len = ncode, .filter = code };
	errno = ENOSYS;
	for(i = 0; ARCH != 0 && r != 0 && i < sizeof flags / sizeof flags[0]; i++)
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &prog);
	if(r != 0)
		warnx("no filter of system calls (%s)",
			r > 0 ? "a thread can't have it" : strerror(errno));
	else
		locked("seccomp");
}
