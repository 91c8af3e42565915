/*
 * load: a closed loop of ATA reads or writes at one target, as fast as the
 * target can take them; make bench runs it.
 *
 * It keeps a fixed number of requests outstanding: each answer is replaced
 * by a new request at once.  Requests leave by a memory-mapped ring whose
 * slots hold complete frames from the start, so sending one is a matter of
 * its tag and LBA; those that follow a batch of answers share one system
 * call.  Answers are taken from a memory-mapped ring without any call.
 *
 * Two choices are for the sake of the measurement:
 *
 * It never sleeps but spins on the ring, at every depth.  A sleeping
 * receiver has to be woken by whoever sends to it, which on a veth pair is
 * the target: its processor would pay for our wake-up, and our way out of
 * idle would be in every latency.  The spinning costs the target nothing,
 * as the two are pinned to different processors; on one processor the
 * figures mean nothing.  With -z it sleeps all the same when nothing has
 * come for a while: for targets that wait for a disk, whose interrupts and
 * kernel threads may need our processor, and would get it only when the
 * scheduler's tick takes it from us, up to 4 ms later.
 *
 * A socket filter cuts each frame to its header before it is put into the
 * ring (not with -v, and not with -P).  On a veth pair the sender's
 * processor runs the receiver's half as well, so the copy of the payload
 * into our ring would be charged to the target.  With a real NIC, or with the
 * Linux driver at the other end of the pair, there is no such copy.
 *
 * The result is one line of name=value:
 *
 *	rps mbs		requests and MB (10^6 bytes) a second, the median over
 *			slices of 1 ms, so that a processor that is taken away
 *			for a while (by a hypervisor, say) doesn't count
 *	mean		requests a second, all of the time counted; much less
 *			than rps when the machine was disturbed, or when the
 *			target stalls now and then
 *	p50 p99		latency, in microseconds
 *	cpu		the target's processor time per request (-p), in
 *			microseconds
 *	idle		share of the time in which load itself had nothing to
 *			do: where it is near 0, load is the bottleneck
 *	retransmits	requests sent again after 100 ms (-e) without an answer
 *	errors		answers that were wrong
 *	fair		with -I, requests of the initiator served least, to those
 *			of the one served most
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum
{
	Aoetype	= 0x88a2,
	Aoeresp	= 0x08,
	Aoeerr	= 0x04,
	Ovf	= 14,		/* offsets in a frame, Ethernet header included */
	Omajor	= 16,
	Ominor	= 18,
	Ocmd	= 19,
	Otag	= 20,
	Oarg	= 24,
	Oscnt	= 28,
	Olba	= 28,
	Odata	= 36,
	Minframe = 60,
	Sector	= 512,

	Txdata	= TPACKET_ALIGN((int)sizeof(struct tpacket2_hdr)),
	Header	= 64,		/* bytes of a frame that the filter lets through */
	Cutslot	= 1024,		/* receive slot when it does */
	Block	= 1 << 16,	/* bytes of a block of a ring */
	Maxout	= 4096,
	Subs	= 64,		/* buckets per power of two of the histogram */
	Nbucket	= 64 * Subs,
	Msec	= 1000000,	/* in nanoseconds */
	Giveup	= 50,		/* times a request is sent again */
	Slice	= Msec,
	Doze	= Msec / 50,
	Wakeup	= Msec / 10,		/* what a sleep may be too long by */
	Maxslice = 1 << 16,
	Maxwho	= 64,
};

typedef struct Ring Ring;
typedef struct Req Req;

struct Ring
{
	unsigned char *base;
	unsigned size;		/* of a slot */
	unsigned perblock;	/* slots never cross blocks */
	unsigned n;
	unsigned next;
};

struct Req
{
	uint64_t lba;
	uint64_t first;		/* when it was sent, in ns */
	uint64_t last;		/* when it was sent again */
	int again;		/* how often */
	uint32_t tag;		/* low half: index into reqs */
	int live;
	int write;
	unsigned who;		/* the initiator */
};

static char *ifname;
static unsigned shelf, slot;
static int writing, randomly, verify, whole;
static unsigned bytes = 4096;
static unsigned depth = 32;	/* of each initiator; then of all */
static unsigned nwho = 1;	/* initiators that count */
static unsigned beside;		/* writes outstanding besides, of one more, that don't */
static uint64_t span;		/* bytes; then sectors */
static uint64_t runtime, warmup, limit;
static uint64_t interval;		/* between requests, at least */
static uint64_t delay;			/* an answer lies about so long before it is seen */
static uint64_t patience = 100 * Msec;	/* before a request is sent again */
static uint64_t seed;
static pid_t pid;

static int fd;
static unsigned mtu;
static unsigned char mymac[6], mac[6];
static Ring rx, tx;
static Req reqs[Maxout];
static unsigned nlive, unsent;
static uint64_t lbanext, issued;
static uint64_t hist[Nbucket];
static int sleepy;	/* -z */
static uint64_t done, resent, errors, idle;
static uint64_t donefor[Maxwho];
static double slices[Maxslice];		/* the rate in each */
static unsigned nslice;
static uint64_t slicestart, slicedone;

static uint64_t
nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t
rnd(void)
{
	static uint64_t x;

	if(x == 0)
		x = (2 * seed + 1) * 0x9e3779b97f4a7c15;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* What -v puts at both ends of a sector; never zero. */
static uint64_t
pattern(uint64_t lba)
{
	return (lba + 1) * 0x9e3779b97f4a7c15;
}

static struct tpacket2_hdr *
slotat(Ring *r)
{
	return (struct tpacket2_hdr *)(void *)(r->base
		+ (size_t)(r->next / r->perblock) * Block
		+ (size_t)(r->next % r->perblock) * r->size);
}

static void
advance(Ring *r)
{
	if(++r->next == r->n)
		r->next = 0;
}

static unsigned char *
txframe(struct tpacket2_hdr *h)
{
	return (unsigned char *)h + Txdata;
}

/*
 * Acquire: a slot's content is read after its status.  Release: a slot's
 * content is complete (or no longer needed) before the kernel sees the
 * status.
 */
static unsigned
status(struct tpacket2_hdr *h)
{
	return __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
}

static void
setstatus(struct tpacket2_hdr *h, unsigned s)
{
	__atomic_store_n(&h->tp_status, s, __ATOMIC_RELEASE);
}

/*
 * Is there an answer to be taken?  With -D one is as late as if the network
 * were so long; the kernel has noted when it came.
 */
static int
arrived(struct tpacket2_hdr *h)
{
	struct timespec t;

	if((status(h) & TP_STATUS_USER) == 0)
		return 0;
	if(delay == 0)
		return 1;
	clock_gettime(CLOCK_REALTIME, &t);
	return ((int64_t)t.tv_sec - h->tp_sec) * 1000000000 + t.tv_nsec - h->tp_nsec >= (int64_t)delay;
}

static size_t
ringsize(Ring *r)
{
	return (size_t)(r->n / r->perblock) * Block;
}

static void
mkring(Ring *r, int which, unsigned size, unsigned atleast)
{
	struct tpacket_req q;
	unsigned nblock;

	r->size = (unsigned)TPACKET_ALIGN((int)size);
	r->perblock = Block / r->size;
	nblock = (atleast + r->perblock - 1) / r->perblock;
	r->n = nblock * r->perblock;
	q.tp_block_size = Block;
	q.tp_block_nr = nblock;
	q.tp_frame_size = r->size;
	q.tp_frame_nr = r->n;
	if(setsockopt(fd, SOL_PACKET, which, &q, sizeof(q)) == -1)
		err(2, "packet ring of %u slots of %u bytes", r->n, r->size);
}

static void
setopt(int level, int name, int v)
{
	if(setsockopt(fd, level, name, &v, sizeof(v)) == -1)
		err(2, "socket option %d", name);
}

static int
interface(void)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if(ioctl(fd, SIOCGIFHWADDR, &ifr) == -1)
		err(2, "%s", ifname);
	memcpy(mymac, ifr.ifr_hwaddr.sa_data, sizeof(mymac));
	if(ioctl(fd, SIOCGIFMTU, &ifr) == -1)
		err(2, "%s", ifname);
	mtu = (unsigned)ifr.ifr_mtu;
	if(ioctl(fd, SIOCGIFINDEX, &ifr) == -1)
		err(2, "%s", ifname);
	return ifr.ifr_ifindex;
}

static void
cutframes(void)
{
	struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, Header);
	struct sock_fprog prog = { 1, &keep };

	if(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == -1)
		err(2, "socket filter");
}

/*
 * Twice as many slots as requests can be outstanding, so that neither ring
 * is ever full, whatever the kernel still holds of either.
 */
static void
opennet(void)
{
	struct sockaddr_ll sa;
	int ifindex;

	if((fd = socket(AF_PACKET, SOCK_RAW, 0)) == -1)
		err(2, "packet socket");
	ifindex = interface();
	setopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	setopt(SOL_PACKET, PACKET_LOSS, 1);
	setopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	setopt(SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20);
	mkring(&rx, PACKET_RX_RING, whole ? 96 + 14 + mtu : Cutslot, 2 * (depth + beside) + 16);
	mkring(&tx, PACKET_TX_RING, Txdata + 14 + mtu, 2 * (depth + beside) + 16);
	rx.base = mmap(NULL, ringsize(&rx) + ringsize(&tx), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, fd, 0);
	if(rx.base == MAP_FAILED)
		err(2, "mapping the rings");
	tx.base = rx.base + ringsize(&rx);
	memset(&sa, 0, sizeof(sa));
	sa.sll_family = AF_PACKET;
	sa.sll_protocol = htons(Aoetype);
	sa.sll_ifindex = ifindex;
	if(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		err(2, "%s", ifname);
}

/* Have the kernel send what the ring holds; a refusal leaves it there. */
static void
kick(void)
{
	if(sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) != -1){
		unsent = 0;
		return;
	}
	if(errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
		err(2, "sending on %s", ifname);
}

/* The next slot to send from, once the kernel has done with it. */
static struct tpacket2_hdr *
takeslot(void)
{
	struct tpacket2_hdr *h;

	h = slotat(&tx);
	while(status(h) != TP_STATUS_AVAILABLE)
		kick();
	advance(&tx);
	return h;
}

static void
put(struct tpacket2_hdr *h, unsigned len)
{
	h->tp_len = len;
	setstatus(h, TP_STATUS_SEND_REQUEST);
	unsent++;
}

static void
header(unsigned char *f, const unsigned char *to, int cmd)
{
	memset(f, 0, Odata);
	memcpy(f, to, 6);
	memcpy(f + 6, mymac, 6);
	f[12] = Aoetype >> 8;
	f[13] = Aoetype & 0xff;
	f[Ovf] = 0x10;
	f[Omajor] = (unsigned char)(shelf >> 8);
	f[Omajor + 1] = (unsigned char)shelf;
	f[Ominor] = (unsigned char)slot;
	f[Ocmd] = (unsigned char)cmd;
}

/*
 * One request while nothing else is under way, tried for five seconds.  The
 * answer is copied to buf, its length returned.
 */
static unsigned
ask(const unsigned char *to, int cmd, const unsigned char *arg, unsigned narg, unsigned char *buf,
	unsigned max)
{
	struct tpacket2_hdr *h;
	unsigned char *f;
	uint64_t end;
	unsigned len;
	uint32_t tag;
	int try;

	for(try = 0; try < 25; try++){
		tag = (uint32_t)nsec();
		h = takeslot();
		f = txframe(h);
		header(f, to, cmd);
		memcpy(f + Otag, &tag, 4);
		memcpy(f + Oarg, arg, narg);
		put(h, Oarg + narg);
		kick();
		for(end = nsec() + 200 * Msec; nsec() < end; ){
			h = slotat(&rx);
			if((status(h) & TP_STATUS_USER) == 0)
				continue;
			f = (unsigned char *)h + h->tp_mac;
			len = h->tp_snaplen < max ? h->tp_snaplen : max;
			memcpy(buf, f, len);
			setstatus(h, TP_STATUS_KERNEL);
			advance(&rx);
			if(len >= Oarg + 8 && memcmp(buf + Otag, &tag, 4) == 0
			&& (buf[Ovf] & (Aoeresp | Aoeerr)) == Aoeresp && buf[Ocmd] == cmd)
				return len;
		}
	}
	errx(2, "no answer from e%u.%u on %s", shelf, slot, ifname);
}

/* Find the target's MAC, and see that it can do what is asked for. */
static void
discover(void)
{
	static const unsigned char all[6] = { 255, 255, 255, 255, 255, 255 };
	static const unsigned char identify[12] = { 0, 0, 1, 0xec };
	static const unsigned char config[8];
	unsigned char buf[1024], *w;
	uint64_t size;
	int i;

	ask(all, 1, config, sizeof(config), buf, sizeof(buf));
	memcpy(mac, buf + 6, 6);
	if(bytes > buf[Oscnt] * (unsigned)Sector || bytes + Odata - 14 > mtu)
		errx(2, "e%u.%u takes no requests of %u bytes on %s", shelf, slot, bytes, ifname);
	if(ask(mac, 0, identify, sizeof(identify), buf, sizeof(buf)) < Odata + Sector)
		errx(2, "e%u.%u: short IDENTIFY", shelf, slot);
	w = buf + Odata + 200;
	for(size = 0, i = 7; i >= 0; i--)
		size = size << 8 | w[i];
	span = span == 0 ? size : span / Sector;
	if(beside)
		span /= 2;
	span -= span % (bytes / Sector);
	if(span == 0 || span > size)
		errx(2, "e%u.%u has %llu sectors", shelf, slot, (unsigned long long)size);
}

/* Lay out the request frames: only who asks for what and, with -v, data will change. */
static void
prebuild(void)
{
	unsigned char *f;
	unsigned i;

	for(i = 0; i < tx.n; i++){
		f = txframe(takeslot());
		header(f, mac, 0);
		f[Oarg + 2] = (unsigned char)(bytes / Sector);
		memset(f + Odata, 0x5a, writing || beside ? bytes : 0);
	}
}

static void
stamp(unsigned char *data, uint64_t lba)
{
	uint64_t p;
	unsigned i;

	for(i = 0; i < bytes; i += Sector){
		p = pattern(lba + i / Sector);
		memcpy(data + i, &p, 8);
		memcpy(data + i + Sector - 8, &p, 8);
	}
}

static int
stamped(const unsigned char *data, uint64_t lba)
{
	uint64_t p;
	unsigned i;

	for(i = 0; i < bytes; i += Sector){
		p = pattern(lba + i / Sector);
		if(memcmp(data + i, &p, 8) != 0 || memcmp(data + i + Sector - 8, &p, 8) != 0)
			return 0;
	}
	return 1;
}

static void
transmit(Req *r)
{
	struct tpacket2_hdr *h;
	unsigned char *f;
	int i;

	h = takeslot();
	f = txframe(h);
	f[11] = (unsigned char)(mymac[5] + r->who);
	f[Oarg] = r->write ? 0x41 : 0x40;
	f[Oarg + 3] = r->write ? 0x34 : 0x24;
	memcpy(f + Otag, &r->tag, 4);
	for(i = 0; i < 6; i++)
		f[Olba + i] = (unsigned char)(r->lba >> 8 * i);
	if(verify && r->write)
		stamp(f + Odata, r->lba);
	put(h, Odata + (r->write ? bytes : 0));
}

static void
issue(Req *r, uint64_t now)
{
	unsigned nsec1 = bytes / Sector;

	if(r->who == nwho)
		r->lba = span + rnd() % (span / nsec1) * nsec1;
	else if(randomly)
		r->lba = rnd() % (span / nsec1) * nsec1;
	else{
		r->lba = lbanext;
		lbanext += nsec1;
		if(lbanext == span)
			lbanext = 0;
	}
	r->tag += 1 << 16;
	r->first = r->last = now;
	r->again = 0;
	r->live = 1;
	nlive++;
	issued++;
	transmit(r);
}

static unsigned
bucket(uint64_t ns)
{
	unsigned e;

	if(ns < Subs)
		return (unsigned)ns;
	e = 63 - (unsigned)__builtin_clzll(ns) - 6;
	return (e + 1) * Subs + (unsigned)(ns >> e & (Subs - 1));
}

/* In microseconds, to the middle of its bucket. */
static double
percentile(double share)
{
	uint64_t n, want;
	unsigned i, e;

	if(done == 0)
		return 0;
	want = (uint64_t)((double)done * share);
	for(n = 0, i = 0; i < Nbucket; i++)
		if((n += hist[i]) > want)
			break;
	if(i < Subs)
		return i / 1e3;
	e = i / Subs - 1;
	return ((double)((uint64_t)(Subs + i % Subs) << e) + (double)(1ull << e) / 2) / 1e3;
}

static int
good(struct tpacket2_hdr *h, const unsigned char *f, Req *r)
{
	int i;

	if((f[Ovf] & 0xf0) != 0x10 || (f[Ovf] & Aoeerr) || f[Ocmd] != 0)
		return 0;
	if(f[Omajor] != shelf >> 8 || f[Omajor + 1] != (shelf & 0xff) || f[Ominor] != slot)
		return 0;
	if(f[Oarg + 1] != 0 || (f[Oarg + 3] & 0xe9) != 0x40)
		return 0;
	for(i = 0; i < 6; i++)
		if(f[Olba + i] != (unsigned char)(r->lba >> 8 * i))
			return 0;
	if(r->write)
		return h->tp_len >= Odata && h->tp_len <= Minframe;
	if(h->tp_len != Odata + bytes)
		return 0;
	return !verify || (h->tp_snaplen == h->tp_len && stamped(f + Odata, r->lba));
}

/* One frame: the request that it answers, or NULL. */
static Req *
answer(struct tpacket2_hdr *h, uint64_t now)
{
	unsigned char *f;
	uint32_t tag;
	Req *r;

	f = (unsigned char *)h + h->tp_mac;
	if(h->tp_snaplen < Odata || (f[Ovf] & Aoeresp) == 0)
		return NULL;
	memcpy(&tag, f + Otag, 4);
	r = &reqs[(tag & 0xffff) % Maxout];
	if(!r->live || r->tag != tag)
		return NULL;
	if(!good(h, f, r) && errors++ < 5)
		warnx("wrong answer: lba %llu length %u flags %02x error %u status %02x ata error %02x",
			(unsigned long long)r->lba, h->tp_len, f[Ovf], f[Ovf + 1], f[Oarg + 3], f[Oarg + 1]);
	r->live = 0;
	nlive--;
	if(r->who < nwho){
		done++;
		donefor[r->who]++;
		hist[bucket(now - r->first)]++;
	}
	return r;
}

static void
resend(uint64_t now)
{
	unsigned i;

	for(i = 0; i < depth + beside; i++){
		if(!reqs[i].live || now - reqs[i].last < patience)
			continue;
		if(reqs[i].again++ == Giveup)
			errx(1, "no answer for lba %llu", (unsigned long long)reqs[i].lba);
		reqs[i].last = now;
		resent++;
		transmit(&reqs[i]);
	}
}

/*
 * With -R, wait until the next request is due, asleep for most of it; what
 * could not be sent in time is not made up for.  Returns what time it is.
 */
static uint64_t
pace(uint64_t now)
{
	static uint64_t due;
	struct timespec t = { 0 };

	kick();
	due = due + interval > now ? due + interval : now;
	if(due > now + 2 * Wakeup){
		t.tv_nsec = (long)(due - now - Wakeup);
		nanosleep(&t, NULL);
	}
	while((now = nsec()) < due)
		;
	return now;
}

/*
 * Take the answers that are there, at most depth, and put a new request in
 * the place of each.  The frames are sent before the call returns.
 */
static int
turn(uint64_t now, int more)
{
	struct tpacket2_hdr *h;
	unsigned n;
	Req *r;

	for(n = 0; n < depth + beside; n++){
		h = slotat(&rx);
		if(!arrived(h))
			break;
		r = answer(h, now);
		setstatus(h, TP_STATUS_KERNEL);
		advance(&rx);
		if(r != NULL && more && (limit == 0 || issued < limit)){
			if(interval > 0 && r->who < nwho)
				now = pace(now);
			issue(r, now);
		}
	}
	if(unsent)
		kick();
	return n > 0;
}

static void
begin(void)
{
	uint32_t salt;
	unsigned i;

	/* Late answers to an earlier run must not match. */
	salt = (uint32_t)nsec() << 16;
	if(seed != 0 && !randomly)
		lbanext = rnd() % (span / (bytes / Sector)) * (bytes / Sector);
	for(i = 0; i < depth + beside; i++){
		reqs[i].tag = salt | i;
		/* They begin in turn, so that nobody comes last. */
		reqs[i].who = i < depth ? i % nwho : nwho;
		reqs[i].write = writing || i >= depth;
	}
	for(i = 0; i < depth + beside && (limit == 0 || issued < limit); i++)
		issue(&reqs[i], nsec());
	kick();
}

static void
newslice(uint64_t now)
{
	slicestart = now;
	slicedone = done;
}

static void
endslice(uint64_t now)
{
	if(nslice < Maxslice)
		slices[nslice++] = (double)(done - slicedone) * 1e9 / (double)(now - slicestart);
	newslice(now);
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The rate in the middle slice; of a very short run, the mean. */
static double
steady(double mean)
{
	if(nslice < 3)
		return mean;
	qsort(slices, nslice, sizeof(slices[0]), compare);
	return slices[nslice / 2];
}

/* Give the processor to others until an answer comes. */
static void
doze(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 1);
}

/* Run until the clock says end, or all of -c is done when end is 0. */
static void
loop(uint64_t end)
{
	uint64_t now, before, check;

	check = 0;
	for(before = nsec(); nlive > 0; before = nsec()){
		/* Nothing to do from here on until an answer comes. */
		while(!arrived(slotat(&rx))){
			now = nsec();
			if(now > check){
				resend(now);
				check = now + 10 * Msec;
			}
			if(unsent)
				kick();
			if(sleepy && now - before > Doze)
				doze();
			if(end != 0 && now >= end){
				idle += now - before;
				return;
			}
		}
		now = nsec();
		idle += now - before;
		if(now - slicestart >= Slice)
			endslice(now);
		turn(now, 1);
		if(end != 0 && now >= end)
			return;
	}
}

static void
drain(void)
{
	uint64_t check;

	for(check = 0; nlive > 0; )
		if(!turn(nsec(), 0) && nsec() > check){
			resend(nsec());
			check = nsec() + 10 * Msec;
		}
}

static uint64_t
cputime(void)
{
	struct timespec t;
	clockid_t c;

	if(pid == 0)
		return 0;
	if(clock_getcpuclockid(pid, &c) != 0 || clock_gettime(c, &t) == -1)
		errx(2, "no process %d", (int)pid);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double
fairness(void)
{
	uint64_t least = UINT64_MAX, most = 1;
	unsigned i;

	for(i = 0; i < nwho; i++){
		least = donefor[i] < least ? donefor[i] : least;
		most = donefor[i] > most ? donefor[i] : most;
	}
	return (double)least / (double)most;
}

static void
measure(void)
{
	uint64_t start, cpu;
	double t, n, rate, rest, p50, p99;

	begin();
	if(warmup)
		loop(nsec() + warmup);
	done = resent = idle = 0;
	memset(hist, 0, sizeof(hist));
	memset(donefor, 0, sizeof(donefor));
	nslice = 0;
	start = nsec();
	newslice(start);
	cpu = cputime();
	loop(runtime ? start + runtime : 0);
	cpu = cputime() - cpu;
	t = (double)(nsec() - start) / 1e9;
	n = (double)done;
	rest = (double)idle / 1e9 / t;
	p50 = percentile(0.50);
	p99 = percentile(0.99);
	drain();	/* answers that come now no longer count, unless they are wrong */
	rate = steady(n / t);
	printf("rps=%.0f mbs=%.1f mean=%.0f p50=%.1f p99=%.1f", rate, rate * bytes / 1e6, n / t,
		p50, p99);
	if(pid)
		printf(" cpu=%.2f", (double)cpu / (n > 0 ? n : 1) / 1e3);
	printf(" idle=%.2f retransmits=%llu errors=%llu", rest,
		(unsigned long long)resent, (unsigned long long)errors);
	if(nwho > 1)
		printf(" fair=%.2f", fairness());
	putchar('\n');
}

static void
usage(void)
{
	fprintf(stderr,
		"usage: load [-rwvPz] [-i if] [-s shelf] [-n slot] [-q seq|rand] [-b bytes] [-d depth]\n"
		"\t[-S span] [-t seconds | -c count] [-u warm-up seconds] [-p pid]\n"
		"\t[-x seed] [-e seconds] [-R rate] [-D microseconds] [-I initiators] [-W depth]\n"
		"  -r, -w  read (the default) or write\n"
		"  -v      write, or expect, the LBA at both ends of each sector\n"
		"  -P      have whole answers copied into the ring, as -v does\n"
		"  -S      use this many bytes from the start of the disk (default: all)\n"
		"  -p      print the processor time of this process per request\n"
		"  -x      other random numbers; with -q seq, begin at a random place\n"
		"  -e      send a request again after so long without an answer (default: 0.1)\n"
		"  -R      with -d 1, so many requests a second at most\n"
		"  -D      see an answer so much later, as on a long network\n"
		"  -I      be so many initiators, each with -d requests outstanding\n"
		"  -W      be one more, who writes as much at random places, with so many\n"
		"          outstanding, to the disk's other half, and does not count\n");
	exit(2);
}

static uint64_t
number(const char *s, uint64_t max)
{
	unsigned long long v;
	char *e;

	errno = 0;
	v = strtoull(s, &e, 0);
	if(*s == 0 || *e != 0 || errno != 0 || v > max)
		errx(2, "%s: not a number up to %llu", s, (unsigned long long)max);
	return v;
}

static uint64_t
rate(const char *s)
{
	uint64_t v = number(s, 1000000);

	if(v == 0)
		usage();
	return v;
}

static uint64_t
seconds(const char *s)
{
	double d;
	char *e;

	d = strtod(s, &e);
	if(*s == 0 || *e != 0 || !(d > 0 && d < 1e6))
		errx(2, "%s: not a number of seconds", s);
	return (uint64_t)(d * 1e9);
}

static void
options(int argc, char **argv)
{
	int c;

	while((c = getopt(argc, argv, "i:s:n:rwq:b:d:S:t:c:u:p:x:e:R:D:I:W:vPz")) != -1)
		switch(c){
		case 'i': ifname = optarg; break;
		case 's': shelf = (unsigned)number(optarg, 65534); break;
		case 'n': slot = (unsigned)number(optarg, 254); break;
		case 'r': writing = 0; break;
		case 'w': writing = 1; break;
		case 'q':
			randomly = strcmp(optarg, "rand") == 0;
			if(!randomly && strcmp(optarg, "seq") != 0)
				usage();
			break;
		case 'b': bytes = (unsigned)number(optarg, 255 * Sector); break;
		case 'd': depth = (unsigned)number(optarg, Maxout); break;
		case 'S': span = number(optarg, UINT64_MAX); break;
		case 't': runtime = seconds(optarg); break;
		case 'c': limit = number(optarg, UINT64_MAX); break;
		case 'u': warmup = seconds(optarg); break;
		case 'p': pid = (pid_t)number(optarg, 1 << 30); break;
		case 'x': seed = number(optarg, UINT32_MAX); break;
		case 'e': patience = seconds(optarg); break;
		case 'R': interval = 1000000000 / rate(optarg); break;
		case 'D': delay = 1000 * number(optarg, 1000000); break;
		case 'I': nwho = (unsigned)number(optarg, Maxwho); break;
		case 'W': beside = (unsigned)number(optarg, Maxout); break;
		case 'v': verify = whole = 1; break;
		case 'P': whole = 1; break;
		case 'z': sleepy = 1; break;
		default: usage();
		}
	depth *= nwho;
	if(optind != argc || bytes == 0 || bytes % Sector != 0 || depth == 0
		|| depth + beside > Maxout)
		usage();
}

int
main(int argc, char **argv)
{
	ifname = "i0";
	shelf = 9;
	options(argc, argv);
	if(runtime == 0 && limit == 0)
		runtime = 1000000000;
	opennet();
	discover();
	if(!whole)
		cutframes();
	prebuild();
	measure();
	return errors != 0;
}
