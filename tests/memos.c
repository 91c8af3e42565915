/*
 * Every function that fns.h lists for linux.c and freebsd.c, over a disk
 * in memory and queues of frames.  A test fills the queues and the struct
 * mem, calls the daemon's functions, and looks at what came of it.
 *
 * The daemon's use of these functions is checked, and whatever breaks a
 * rule of fns.h ends the program with a line on stderr:
 *
 * 1. A received frame lies in memory of exactly its length, so that
 *    AddressSanitizer sees a read behind its end, and is freed by
 *    nicrelease, so that it sees a late one.  It must not be changed.
 * 2. Room for an answer lies in memory of exactly the length of a frame of
 *    the MTU, and is filled with a pattern.  An answer that was built
 *    without writing all its bytes differs between two runs that differ in
 *    mem.fill.  Without AddressSanitizer a guard behind the room tells of
 *    an overrun.
 * 3. What nicroom gave goes to nicsend once, before nicrelease ends the
 *    turn.  Answers leave in the order in which their room was given.
 * 4. No byte of the disk outside mem.lo to mem.hi is touched; a transfer
 *    is of whole sectors, and its parts are neither empty nor too many.
 * 5. iov is scrambled by a transfer, for it is used up.
 *
 * 6. An operation of the engine is not touched, and its memory stays, until
 *    done is called.  Nothing begins before enginekick.
 * 7. diskcopy is for what diskmap has mapped, and not with -d.
 *
 * A disk has up to four contents, which a write passes through in turn:
 * memory of whoever writes, mem.image, which everyone reads, settled, the
 * writes that were complete, and mem.stable.  An operation moves its sectors
 * at random moments between its start and its end, in any order, so that
 * whoever relies on an order among operations under way together gets what
 * he deserves.  A sync makes stable what was settled when it was started,
 * and when it fails that is lost, as Linux does it.
 */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memos.h"

typedef struct Buf	Buf;
typedef struct Queue	Queue;
typedef struct Fault	Fault;
typedef struct Pending	Pending;
typedef struct Hold	Hold;

/* A frame: block is what was allocated, f the frame in it. */
struct Buf {
	Buf	*next;
	uchar	*block;
	uchar	*f;
	uint	len;
	uint	room;		/* bytes at f */
	uchar	*copy;		/* received: as it was */
	int	sent;		/* nicsend has it */
};

struct Queue {
	Buf	*head;
	Buf	**tail;
	uint	n;
};

struct Port {
	Queue	in;
	Queue	lent;
	Queue	ring;		/* given by nicroom, and not yet kicked */
	uint	taken;		/* slots of it that were in use when the turn began */
	Queue	spare;		/* the same, when the ring was full; to be lost */
	Queue	out;
	Buf	*got;		/* what memget gave last */
	int	linkup;
	int	linkmtu;
	int	again;
	int	pipe[2];
};

struct Fault {
	int	op;
	uvlong	sector;
	uvlong	n;
	int	error;
	int	times;
	int	forever;
};

/* An operation of the engine. */
struct Pending {
	Pending	*next;
	Op	*o;
	Op	was;		/* as it was started */
	int	op;		/* Mread, ... */
	int	kicked;
	uint	late;		/* rounds */
	uvlong	len;
	uvlong	end;		/* where it stops */
	int	error;
	uchar	*moved;		/* by sector */
	uint	nsnap;		/* a sync's: the sectors that it makes stable */
	uint	*snapsec;
	uint	*snapver;
	uchar	*snap;
	uvlong	covers;		/* and how many writes those were */
};

struct Hold {
	int	op;
	uvlong	sector;
	uvlong	n;
};

enum {
	Guard		= 32,
	Guardbyte	= 0x6d,
	Maxfault	= 64,
	Small		= 1 << 22,	/* a disk up to this size is rather cleared than made anew */
};

Mem mem = { .txslots = TX_SLOTS };

static Fault fault[Maxfault];
static int nfault;
static size_t mapped;

static Hold hold[Maxfault];
static int nhold;

static Pending *pending, **pendtail = &pending;
static uvlong state = 1;	/* of the random numbers */
static int reaping;
static Pending *ended;		/* of this round, and not yet done */
static uint nended;
static int inround;

/* By sector and page; for a disk up to Small bytes only. */
static uchar *settled;
static uint version[Small/Sector];	/* of what is settled */
static uint stablever[Small/Sector];
static uchar absent[Small/Mpage];
static uvlong nwrites, ncovered;
static size_t windowlen;

/* AddressSanitizer's, where the program is built with it. */
void	__asan_poison_memory_region(void const volatile*, size_t) __attribute__((weak));
void	__asan_unpoison_memory_region(void const volatile*, size_t) __attribute__((weak));

__attribute__((format(printf, 1, 2), noreturn))
static void
wrong(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("memos: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	fflush(stderr);
	abort();
}

static void*
need(void *p)
{
	if(p == NULL)
		wrong("out of memory");
	return p;
}

static void
poison(void *p, size_t n)
{
	if(__asan_poison_memory_region != NULL)
		__asan_poison_memory_region(p, n);
}

static void
unpoison(void *p, size_t n)
{
	if(__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(p, n);
}

/* Frames and their queues. */

static Buf*
newbuf(uint room)
{
	Buf *b = need(calloc(1, sizeof *b));
	void *p;

	if(posix_memalign(&p, Sector, Frameoff + room + Guard) != 0)
		wrong("out of memory");
	b->block = p;
	b->f = b->block + Frameoff;
	b->room = room;
	memset(b->block, Guardbyte, Frameoff);
	memset(b->f + room, Guardbyte, Guard);
	poison(b->block, Frameoff);
	poison(b->f + room, Guard);
	return b;
}

/* The bytes around the frame must be as they were. */
static void
checkguard(Buf *b)
{
	static uchar guard[Frameoff];

	if(guard[0] != Guardbyte)
		memset(guard, Guardbyte, sizeof guard);
	unpoison(b->block, Frameoff);
	unpoison(b->f + b->room, Guard);
	if(memcmp(b->block, guard, Frameoff) != 0)
		wrong("bytes before a frame were written");
	if(memcmp(b->f + b->room, guard, Guard) != 0)
		wrong("bytes behind the end of a frame with room for %u were written", b->room);
	poison(b->block, Frameoff);
	poison(b->f + b->room, Guard);
}

static void
freebuf(Buf *b)
{
	if(b == NULL)
		return;
	checkguard(b);
	unpoison(b->block, Frameoff);
	unpoison(b->f + b->room, Guard);
	free(b->block);
	free(b->copy);
	free(b);
}

static void
append(Queue *q, Buf *b)
{
	if(q->head == NULL)
		q->tail = &q->head;
	b->next = NULL;
	*q->tail = b;
	q->tail = &b->next;
	q->n++;
}

static Buf*
take(Queue *q)
{
	Buf *b = q->head;

	if(b != NULL){
		q->head = b->next;
		q->n--;
	}
	return b;
}

/* The room at f that was given and not yet sent. */
static Buf*
findroom(Queue *q, uchar *f)
{
	Buf *b;

	for(b = q->head; b != NULL; b = b->next)
		if(b->f == f && !b->sent)
			return b;
	return NULL;
}

static void
empty(Queue *q)
{
	while(q->head != NULL)
		freebuf(take(q));
}

static void
emptyport(Port *p)
{
	empty(&p->in);
	empty(&p->lent);
	empty(&p->ring);
	empty(&p->spare);
	empty(&p->out);
	freebuf(p->got);
	p->got = NULL;
}

static Port*
newport(Nic *n)
{
	Port *p = need(calloc(1, sizeof *p));

	if(mem.nnic == Mnics)
		wrong("more than %d interfaces", Mnics);
	mem.nic[mem.nnic++] = n;
	n->port = p;
	/* Always readable, so that the loop never sleeps. */
	if(pipe(p->pipe) < 0 || write(p->pipe[1], "", 1) != 1)
		wrong("pipe: %s", strerror(errno));
	return p;
}

static void
seteaddr(Nic *n, int id)
{
	static const Ea base = {{ 0x02, 0xae, 0, 0, 0xff, 0 }};

	n->ea = base;
	n->ea.a[5] = (uchar)id;
}

void
memnic(Nic *n, const char *name, int id, int mtu)
{
	if(n->port == NULL)
		newport(n);
	emptyport(n->port);
	snprintf(n->name, sizeof n->name, "%s", name);
	seteaddr(n, id);
	n->mtu = mtu;
	n->up = 1;
	memlink(n, 1, mtu, 0);
}

void
memlink(Nic *n, int up, int mtu, int again)
{
	n->port->linkup = up;
	n->port->linkmtu = mtu;
	n->port->again = again;
}

void
memnonics(void)
{
	Port *p;
	int i;

	for(i = 0; i < mem.nnic; i++){
		p = mem.nic[i]->port;
		emptyport(p);
		close(p->pipe[0]);
		close(p->pipe[1]);
		free(p);
		mem.nic[i]->port = NULL;
	}
	mem.nnic = 0;
}

void
memput(Nic *n, const uchar *f, uint len)
{
	Buf *b = newbuf(len);

	if(len > 0)
		memcpy(b->f, f, len);
	b->len = len;
	b->copy = need(malloc(len + 1));
	if(len > 0)
		memcpy(b->copy, f, len);
	append(&n->port->in, b);
}

uchar*
memget(Nic *n, uint *len)
{
	Port *p = n->port;

	freebuf(p->got);
	p->got = take(&p->out);
	if(p->got == NULL)
		return NULL;
	*len = p->got->len;
	return p->got->f;
}

int
memwaiting(Nic *n)
{
	return (int)n->port->in.n;
}

void
memround(Nic *n)
{
	static uint given;		/* frames that may be under way */
	uchar *f;
	uint len;

	while(enginereap())
		;
	if(!bufbusy())
		given = 0;
	for(; given < REQUESTS && (f = nicrecv(n, &len)) != NULL; given++)
		frame(n, f, len);
	bufcommit();
	enginekick();
	nickick(n);
	nicrelease(n);
}

void
memturn(Nic *n)
{
	uint i = 0;

	do{
		memround(n);
		if(++i > 100000)
			wrong("requests are under way and don't end");
	}while(bufbusy());
}

/* What the daemon calls: the network. */

char*
nicopen(Nic *n, int shelf, int slot, int bufcnt)
{
	if(shelf < 0 || shelf >= Allshelves || slot < 0 || slot >= Allslots || bufcnt < 2)
		wrong("nicopen %d.%d, %d buffers", shelf, slot, bufcnt);
	if(strcmp(n->name, "missing") == 0)
		return "missing: no such interface";
	newport(n);
	memlink(n, 1, 1500, 0);
	return NULL;
}

int
niccheck(Nic *n)
{
	Port *p = n->port;
	int was = n->up, mtu = n->mtu;

	if(p->again > 0){
		p->again--;
		return Nicagain;
	}
	if(!p->linkup){
		n->up = 0;
		empty(&p->ring);
		return was ? Nicdown : Nicsame;
	}
	n->up = 1;
	n->mtu = p->linkmtu;
	seteaddr(n, n->name[strlen(n->name) - 1]);
	return was && n->mtu == mtu ? Nicsame : Nicup;
}

int
nicpoll(Nic *n, short *events)
{
	if(mem.idle != NULL && n == mem.nic[0])
		mem.idle();
	*events = 1;		/* POLLIN */
	return n->port->pipe[0];
}

void
nicerror(Nic *n)
{
	(void)n;
}

uchar*
nicrecv(Nic *n, uint *len)
{
	Port *p = n->port;
	Buf *b;

	if(p->lent.n == 0)
		p->taken = p->ring.n;
	if(p->taken + p->lent.n >= mem.txslots)
		return NULL;
	b = take(&p->in);
	if(b == NULL)
		return NULL;
	append(&p->lent, b);
	*len = b->len;
	return b->f;
}

void
nicrelease(Nic *n)
{
	Port *p = n->port;
	Buf *b;

	for(b = p->ring.head; b != NULL; b = b->next)
		if(!b->sent)
			wrong("a turn ends, and room that was given is not sent");
	if(p->spare.n > 0)
		wrong("a turn ends, and spare room that was given is not sent");
	while((b = take(&p->lent)) != NULL){
		if(memcmp(b->f, b->copy, b->len) != 0)
			wrong("a received frame was changed");
		freebuf(b);
	}
}

uchar*
nicroom(Nic *n)
{
	Port *p = n->port;
	Buf *b;
	uint i;

	b = newbuf((uint)(Etherhdr + n->mtu));
	for(i = 0; i < b->room; i++)
		b->f[i] = (uchar)(i * 37 + 11) ^ mem.fill;
	if(p->ring.n >= mem.txslots)
		nickick(n);
	append(p->ring.n < mem.txslots ? &p->ring : &p->spare, b);
	return b->f;
}

int
nicspace(Nic *n, uint count)
{
	return n->port->ring.n + count <= mem.txslots;
}

void
nicsend(Nic *n, uchar *f, uint len)
{
	Port *p = n->port;
	Buf *b = findroom(&p->ring, f), *spare = findroom(&p->spare, f);

	if(b == NULL)
		b = spare;
	if(b == NULL)
		wrong("nicsend of a frame that nicroom has not given, or that was sent already");
	checkguard(b);
	if(len < Framemin || len > b->room)
		wrong("nicsend of %u bytes, expected from %d to %u", len, Framemin, b->room);
	b->len = len;
	b->sent = 1;
	while(p->spare.head != NULL && p->spare.head->sent){
		mem.lost++;
		freebuf(take(&p->spare));
	}
}

int
nickick(Nic *n)
{
	Port *p = n->port;

	if(!n->up)
		empty(&p->ring);
	while(!mem.stuck && p->ring.head != NULL && p->ring.head->sent)
		append(&p->out, take(&p->ring));
	return p->ring.n > 0;
}

uvlong
nicdrops(Nic *n)
{
	(void)n;
	return 0;
}

int
linkopen(void)
{
	return -1;
}

void
linkread(int fd)
{
	wrong("linkread of %d, which linkopen has not given", fd);
}

void
lognowait(void)
{
}

/* The disk. */

static uint
chance(uint n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n > 1 ? (uint)((state >> 20) % n) : 0;
}

void
memseed(uvlong seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	chance(2);
}

static int
tracked(void)
{
	return mem.stable != NULL;
}

static void
forget(void)
{
	Pending *p;

	*pendtail = ended;
	ended = NULL;
	while((p = pending) != NULL){
		pending = p->next;
		free(p->moved);
		free(p->snap);
		free(p->snapsec);
		free(p->snapver);
		free(p);
	}
	pendtail = &pending;
	mem.underway = mem.unkicked = nended = 0;
	inround = 0;
}

static void
track(uvlong size)
{
	free(mem.stable);
	free(settled);
	mem.stable = settled = NULL;
	if(size == 0 || size > Small)
		return;
	mem.stable = need(calloc(1, size));
	settled = need(calloc(1, size));
	memset(version, 0, sizeof version);
	memset(stablever, 0, sizeof stablever);
	memset(absent, 0, sizeof absent);
}

static void
newimage(uvlong size)
{
	void *p;

	if(size == mapped && size <= Small){
		memset(mem.image, 0, size);
		return;
	}
	if(mem.image != NULL)
		munmap(mem.image, mapped);
	mapped = size > 0 ? size : 1;
	p = mmap(NULL, mapped, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
	if(p == MAP_FAILED)
		wrong("no memory for a disk of %llu bytes", size);
	mem.image = p;
}

void
memdisk(uvlong size)
{
	forget();
	newimage(size);
	track(size);
	mem.size = mem.eof = mem.hi = size;
	mem.lo = 0;
	mem.readonly = 0;
	mem.grain = Sector;
	mem.late = mem.balk = mem.evict = mem.copyfail = mem.slow = 0;
	mem.shuffled = mem.torn = mem.held = mem.nostall = mem.tryless = 0;
	mem.window = 1;
	mem.unstable = nwrites = ncovered = 0;
	mem.warned = 0;
	mem.quiet = 0;
	mem.tries = mem.copies = mem.stalls = 0;
	memset(mem.count, 0, sizeof mem.count);
	memheal();
	memrelease();
	memcalls();
	disk = (Disk){ .size = size, .physical = Sector };
}

void
memremap(void)
{
	disk.size = mem.size + Sector;
	bufinit(0, 0);
	disk.size = mem.size;
}

void
memwindow(uvlong sector, uvlong n)
{
	mem.lo = sector * Sector;
	mem.hi = mem.lo + n * Sector;
}

/* What is in the image now has always been there. */
static void
settle(uvlong off, uvlong len)
{
	if(!tracked())
		return;
	memcpy(settled + off, mem.image + off, len);
	memcpy(mem.stable + off, mem.image + off, len);
}

void
mempattern(uvlong lba, uvlong n, uint seed)
{
	uchar *p = mem.image + lba * Sector;
	uvlong i;
	uint x;

	for(i = 0; i < n * Sector; i++){
		x = (uint)(lba + i / Sector) * 2654435761U + (uint)i * 40503U + seed * 97U;
		p[i] = (uchar)(x >> 13);
	}
	settle(lba * Sector, n * Sector);
}

void
memfault(int op, uvlong sector, uvlong n, int error, int times)
{
	if(nfault == Maxfault)
		wrong("more than %d faults", Maxfault);
	fault[nfault++] = (Fault){ op, sector, n, error, times, times == 0 };
	if(op == Mread)
		memevict(sector, n);
}

void
memheal(void)
{
	nfault = 0;
}

void
memhold(int op, uvlong sector, uvlong n)
{
	if(nhold == Maxfault)
		wrong("more than %d holds", Maxfault);
	hold[nhold++] = (Hold){ op, sector, n };
}

void
memrelease(void)
{
	nhold = 0;
	mem.held = 0;
}

void
memcalls(void)
{
	mem.ncall = 0;
}

/* The page cache. */

void
memevict(uvlong sector, uvlong n)
{
	uvlong i;

	if(!tracked() || n == 0)
		return;
	for(i = sector * Sector / Mpage; i <= ((sector + n) * Sector - 1) / Mpage && i < sizeof absent; i++)
		absent[i] = 1;
}

int
memresident(uvlong sector, uvlong n)
{
	uvlong i;

	if(disk.direct)
		return 0;
	for(i = sector * Sector / Mpage; tracked() && i <= ((sector + n) * Sector - 1) / Mpage; i++)
		if(absent[i])
			return 0;
	return 1;
}

/* Can't this page be read? */
static int
badpage(uvlong page)
{
	Fault *f;

	if(page * Mpage >= mem.eof)
		return 1;
	for(f = fault; f < fault + nfault; f++)
		if(f->op == Mread && (f->forever || f->times > 0)
		&& f->sector * Sector < (page + 1) * Mpage && (f->sector + f->n) * Sector > page * Mpage)
			return 1;
	return 0;
}

static void
cached(uvlong off, uvlong len)
{
	uvlong i;

	if(disk.direct || !tracked() || len == 0)
		return;
	for(i = off / Mpage; i <= (off + len - 1) / Mpage && i < sizeof absent; i++)
		absent[i] = (uchar)badpage(i);
}

static void
evictsome(void)
{
	uvlong i;

	if(!tracked() || mem.evict == 0)
		return;
	for(i = 0; i * Mpage < mapped && i < sizeof absent; i++)
		if(chance(mem.evict) == 0)
			absent[i] = 1;
}

static void
record(int op, uvlong off, uvlong len, int niov)
{
	mem.count[op]++;
	if(mem.ncall < Mcalls)
		mem.call[mem.ncall++] = (Call){ op, off, len, niov };
}

/*
 * The first byte from off on at which the operation fails, with errno, or
 * off + len.
 */
static uvlong
stop(int op, uvlong off, uvlong len)
{
	Fault *f, *hit = NULL;
	uvlong at, end = off + len;

	if(op != Msync && end > mem.eof){
		end = mem.eof > off ? mem.eof : off;
		errno = EIO;
	}
	for(f = fault; f < fault + nfault; f++){
		if(f->op != op || (!f->forever && f->times == 0))
			continue;
		at = f->sector * Sector;
		if(at < off)
			at = off;
		if(at < (f->sector + f->n) * Sector && at < end){
			end = at;
			hit = f;
		}
	}
	if(hit != NULL){
		errno = hit->error;
		if(!hit->forever)
			hit->times--;
	}
	return end;
}

static const char *const opname[] = { "read", "write", "sync", "trim" };

static void
checkrange(int op, uvlong off, uvlong len)
{
	if(off % Sector != 0 || len % Sector != 0 || len == 0)
		wrong("%s of %llu bytes at %llu: not whole sectors", opname[op], len, off);
	if(off < mem.lo || len > mem.hi - mem.lo || off - mem.lo > mem.hi - mem.lo - len)
		wrong("%s of %llu bytes at %llu: outside of %llu to %llu", opname[op], len, off, mem.lo, mem.hi);
	if(op != Mread && mem.readonly)
		wrong("%s of a disk that is read-only", opname[op]);
}

static uvlong
iovlen(struct iovec *iov, int niov)
{
	uvlong len = 0;
	int i;

	if(niov < 1 || niov > 1024)
		wrong("a transfer of %d parts", niov);
	for(i = 0; i < niov; i++){
		if(iov[i].iov_len == 0 || iov[i].iov_base == NULL)
			wrong("part %d of a transfer is empty", i);
		if(disk.direct && (uintptr_t)iov[i].iov_base % Sector != 0)
			wrong("part %d of a direct transfer is not at a sector boundary in memory", i);
		len += iov[i].iov_len;
	}
	return len;
}

/*
 * Move the bytes from at to at + n of those that iov describes, between
 * there and off of the image, which is where iov begins.
 */
static void
movebytes(int op, struct iovec *iov, int niov, uvlong off, uvlong at, uvlong n)
{
	uchar *p = mem.image + off + at;
	size_t part;
	int i;

	for(i = 0; i < niov && n > 0; i++){
		if(at >= iov[i].iov_len){
			at -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - at;
		if(part > n)
			part = n;
		if(op == Mread)
			memcpy((uchar*)iov[i].iov_base + at, p, part);
		else
			memcpy(p, (uchar*)iov[i].iov_base + at, part);
		at = 0;
		p += part;
		n -= part;
	}
}

/* These bytes of the image were written by what is now complete. */
static void
complete(uvlong off, uvlong len)
{
	uvlong i;

	mem.unstable = ++nwrites - ncovered;
	if(!tracked())
		return;
	memcpy(settled + off, mem.image + off, len);
	for(i = off / Sector; i < (off + len) / Sector; i++)
		version[i]++;
}

static void
spoil(struct iovec *iov, int niov)
{
	int i;

	for(i = 0; i < niov; i++){
		iov[i].iov_base = NULL;
		iov[i].iov_len = (size_t)-1 / 2;
	}
}

/* Where a transfer that stops at end says that it has. */
static uvlong
grain(uvlong off, uvlong len, uvlong end)
{
	if(end < off + len){
		end -= end % mem.grain;
		if(end < off)
			end = off;
	}
	return end;
}

char*
diskopen(Disk *d, char *path, int readonly, int direct)
{
	if(strcmp(path, "missing") == 0)
		return "missing: no such file";
	mem.readonly = readonly;
	d->direct = direct;
	d->physical = Sector;
	return disksize(d) < 0 ? "can't learn its size" : NULL;
}

int
disksize(Disk *d)
{
	mem.count[Msize]++;
	if(stop(Msize, 0, Sector) == 0)
		return -1;
	d->size = mem.size;
	return 0;
}

size_t
diskwrite(int file, struct iovec *iov, int niov, uvlong off)
{
	uvlong len = iovlen(iov, niov), end;
	int error;

	(void)file;
	checkrange(Mwrite, off, len);
	record(Mwrite, off, len, niov);
	end = stop(Mwrite, off, len);
	error = errno;
	end = grain(off, len, end);
	movebytes(Mwrite, iov, niov, off, 0, end - off);
	complete(off, end - off);
	cached(off, end - off);
	spoil(iov, niov);
	if(mem.slow != 0 && chance(mem.slow) == 0 && mem.clock != 0)
		mem.clock += mem.slowtime;
	errno = error;
	return (size_t)(end - off);
}

int
diskmap(int file, uvlong size)
{
	(void)file;
	windowlen = mem.window && !disk.direct && size <= 1ULL << 40 ? size : 0;
	return windowlen > 0;
}

static void
checkwindow(const char *what, uvlong off, size_t len)
{
	if(windowlen == 0)
		wrong("%s without a mapping", what);
	if(off > windowlen || len > windowlen - off)
		wrong("%s of %zu bytes at %llu: beyond the mapping of %zu", what, len, off, windowlen);
}

int
diskincore(int file, uvlong off, size_t len, uchar *vec)
{
	uvlong i;

	(void)file;
	if(off % Mpage != 0)
		wrong("diskincore at %llu: not a page boundary", off);
	if(windowlen == 0)
		wrong("diskincore without a mapping");
	if(off + len > (windowlen + Mpage - 1) / Mpage * Mpage)
		wrong("diskincore of %zu bytes at %llu: beyond the mapping of %zu", len, off, windowlen);
	for(i = 0; i < (len + Mpage - 1) / Mpage; i++)
		vec[i] = (uchar)(!tracked() || !absent[off / Mpage + i] ? chance(128) << 1 | 1 : chance(128) << 1);
	return 0;
}

void
diskprefetch(int file, uvlong off, size_t len)
{
	(void)file;
	checkwindow("diskprefetch", off, len);
}

/*
 * Bring pages in.  Returns -1 when one can't be read.
 */
static int
touch(const char *what, uvlong off, size_t len)
{
	uvlong i;

	checkwindow(what, off, len);
	checkrange(Mread, off, len);
	for(i = off / Mpage; i <= (off + len - 1) / Mpage; i++){
		if((!tracked() || !absent[i]) && i * Mpage < mem.eof)
			continue;
		mem.stalls++;
		if(mem.nostall)
			wrong("%s of %zu bytes at %llu waits for the disk", what, len, off);
		if(badpage(i))
			return -1;
		if(tracked())
			absent[i] = 0;
	}
	return 0;
}

int
disktouch(int file, uvlong off, size_t len)
{
	static uint calm;

	(void)file;
	if(touch("disktouch", off, len) < 0)
		return -1;
	if(calm > 0)
		calm--;
	else if(mem.copyfail != 0 && chance(mem.copyfail) == 0){
		calm = Framemax / Sector;	/* another try succeeds */
		return -1;
	}
	return 0;
}

int
diskcopy(uchar *to, int file, uvlong off, size_t len)
{
	(void)file;
	mem.copies++;
	if(touch("diskcopy", off, len) < 0){
		memset(to, 0xbd, len);
		return -1;
	}
	memcpy(to, mem.image + off, len);
	/* What is left of the last page. */
	if(off + len > mem.eof)
		memset(to + (mem.eof > off ? mem.eof - off : 0), 0, off + len - (mem.eof > off ? mem.eof : off));
	return 0;
}

uvlong
diskstalls(void)
{
	return mem.stalls;
}

size_t
disktry(uchar *to, size_t len, int file, uvlong off)
{
	uvlong i;
	size_t n;

	(void)file;
	mem.tries++;
	checkrange(Mread, off, len);
	if(disk.direct)
		return 0;
	for(i = off / Mpage; i * Mpage < off + len && i * Mpage < mem.eof; i++)
		if(tracked() && absent[i])
			break;
	n = i * Mpage <= off ? 0 : i * Mpage - off < len ? (size_t)(i * Mpage - off) : len;
	if(off + n > mem.eof)
		n = mem.eof > off ? (size_t)(mem.eof - off) : 0;
	if(mem.tryless && chance(2) == 0)
		n = chance((uint)n + 1);
	memcpy(to, mem.image + off, n);
	return n;
}

/* The engine. */

int
engineopen(int *fd)
{
	static int p[2] = { -1, -1 };

	/* Always readable. */
	if(p[0] < 0 && (pipe(p) < 0 || write(p[1], "", 1) != 1))
		wrong("pipe: %s", strerror(errno));
	*fd = p[0];
	return 0;
}

void
enginewake(void)
{
}

static Pending*
newpending(Op *o)
{
	static const int ops[] = { [Oread] = Mread, [Owrite] = Mwrite, [Otrim] = Mtrim, [Oflush] = Msync };
	Pending *p;

	for(p = pending; p != NULL; p = p->next)
		if(p->o == o)
			wrong("an operation is started that is under way");
	if(o->op != Oread && o->op != Owrite && o->op != Otrim && o->op != Oflush)
		wrong("operation %d is unknown", o->op);
	if(o->done == NULL)
		wrong("an operation without done");
	p = need(calloc(1, sizeof *p));
	p->o = o;
	p->op = ops[o->op];
	if(p->op == Mread || p->op == Mwrite)
		p->len = iovlen(o->iov, o->niov);
	else if(p->op == Mtrim)
		p->len = o->len;
	return p;
}

/* What a sync that starts now makes stable. */
static void
snapshot(Pending *p)
{
	uint i, n = 0;

	p->covers = nwrites;
	if(!tracked())
		return;
	for(i = 0; i < mapped / Sector; i++)
		n += version[i] > stablever[i];
	p->snapsec = need(calloc(n + 1, sizeof *p->snapsec));
	p->snapver = need(calloc(n + 1, sizeof *p->snapver));
	p->snap = need(malloc((size_t)(n + 1) * Sector));
	for(i = 0; i < mapped / Sector; i++)
		if(version[i] > stablever[i]){
			memcpy(p->snap + p->nsnap * Sector, settled + i * Sector, Sector);
			p->snapsec[p->nsnap] = i;
			p->snapver[p->nsnap++] = version[i];
		}
}

void
enginestart(Op *o)
{
	Pending *p = newpending(o);

	if(p->op != Msync)
		checkrange(p->op, o->off, p->len);
	record(p->op, p->op == Msync ? 0 : o->off, p->len, p->op == Mread || p->op == Mwrite ? o->niov : 0);
	if(p->op == Msync)
		snapshot(p);
	if(mem.torn && p->len > 0 && p->len <= Small)
		p->moved = need(calloc(1, p->len / Sector));
	o->moved = 0x7777;
	o->error = EDOM;
	p->was = *o;
	*pendtail = p;
	pendtail = &p->next;
	mem.underway++;
	mem.unkicked++;
}

static void
begin(Pending *p)
{
	p->kicked = 1;
	p->late = chance(mem.late + 1);
	if(p->op == Msync)
		p->error = stop(Msync, 0, Sector) == 0 ? errno : 0;
	else{
		p->end = stop(p->op, p->o->off, p->len);
		p->error = p->end < p->o->off + p->len ? errno : 0;
	}
}

int
enginekick(void)
{
	Pending *p;

	for(p = pending; p != NULL; p = p->next){
		if(p->kicked)
			continue;
		if(mem.balk != 0 && chance(mem.balk) == 0)
			return 1;
		begin(p);
		mem.unkicked--;
	}
	return 0;
}

static void
movepart(Pending *p, uvlong at, uvlong n)
{
	if(p->op == Mtrim)
		memset(mem.image + p->o->off + at, 0, n);
	else if(p->op != Msync)
		movebytes(p->op, p->o->iov, p->o->niov, p->o->off, at, n);
}

/*
 * Some sectors move, in any order.  Of those behind a fault a write may
 * move some as well, without saying so.
 */
static void
movesome(Pending *p)
{
	uvlong i, n = (p->error == 0 || p->op == Mwrite ? p->len : p->end - p->o->off) / Sector, start;

	if(p->moved == NULL || n == 0)
		return;
	start = chance((uint)n);
	for(i = 0; i < n; i++, start = (start + 1) % n)
		if(!p->moved[start] && chance(3) == 0 && (p->error == 0 || p->o->off + start * Sector != p->end)){
			p->moved[start] = 1;
			movepart(p, start * Sector, Sector);
		}
}

static void
moverest(Pending *p, uvlong n)
{
	uvlong i;

	if(p->moved == NULL)
		movepart(p, 0, n);
	else
		for(i = 0; i < n / Sector; i++)
			if(!p->moved[i])
				movepart(p, i * Sector, Sector);
}

static void
synced(Pending *p)
{
	uint i, k;

	if(p->error == 0 && p->covers > ncovered)
		ncovered = p->covers;
	mem.unstable = nwrites - ncovered;
	for(k = 0; k < p->nsnap; k++){
		i = p->snapsec[k];
		if(p->snapver[k] <= stablever[i])
			continue;
		stablever[i] = p->snapver[k];
		if(p->error == 0)
			memcpy(mem.stable + i * Sector, p->snap + k * Sector, Sector);
		else if(version[i] == p->snapver[k])
			memcpy(settled + i * Sector, mem.stable + i * Sector, Sector);
	}
}

/* The operation ends, as far as the disk is concerned. */
static void
end(Pending *p)
{
	Op *o = p->o;
	uvlong end;

	if(o->op != p->was.op || o->iov != p->was.iov || o->niov != p->was.niov || o->off != p->was.off || o->done != p->was.done || (p->op == Mtrim && o->len != p->was.len))
		wrong("an operation was changed while it was under way");
	if(p->op == Msync){
		synced(p);
		return;
	}
	end = p->op == Mtrim ? p->end : grain(o->off, p->len, p->end);
	end -= end % Sector;
	if(end < o->off)
		end = o->off;
	moverest(p, end - o->off);
	if(p->op == Mtrim || p->op == Mwrite)
		complete(o->off, p->len);
	cached(o->off, end - o->off);
	o->moved = (size_t)(end - o->off);
}

static int
isheld(Pending *p)
{
	Hold *h;

	if(!p->kicked || mem.held)
		return 1;
	for(h = hold; h < hold + nhold; h++)
		if(h->op == p->op && (p->op == Msync || (h->sector * Sector < p->o->off + p->len && (h->sector + h->n) * Sector > p->o->off)))
			return 1;
	return 0;
}

/* Take those that end now off the list; they become another. */
static Pending*
harvest(uint *n)
{
	Pending **l, *p, *list = NULL, **tail = &list;

	*n = 0;
	for(l = &pending; (p = *l) != NULL; ){
		if(p->kicked && mem.torn)
			movesome(p);
		if(isheld(p) || p->late > 0){
			p->late -= p->late > 0 && !isheld(p);
			l = &p->next;
			continue;
		}
		*l = p->next;
		p->next = NULL;
		*tail = p;
		tail = &p->next;
		(*n)++;
	}
	pendtail = l;
	return list;
}

static void
finish(Pending *p)
{
	Op *o = p->o;

	end(p);
	if(p->op == Mread || p->op == Mwrite){
		spoil(p->was.iov, p->was.niov);
		o->iov += o->niov;
		o->niov = 0;
	}
	o->error = p->error;
	free(p->moved);
	free(p->snap);
	free(p->snapsec);
	free(p->snapver);
	free(p);
	mem.underway--;
	o->done(o);
}

/*
 * A round lasts until 0 is returned.
 */
int
enginereap(void)
{
	Pending *p, **l;
	uint i;

	if(reaping)
		wrong("enginereap is called by a done");
	if(!inround){
		evictsome();
		mem.clock += mem.clock != 0 ? mem.tick : 0;
		ended = harvest(&nended);
		inround = 1;
	}
	if(nended == 0){
		inround = 0;
		return 0;
	}
	l = &ended;
	for(i = mem.shuffled ? chance(nended) : 0; i > 0; i--)
		l = &(*l)->next;
	p = *l;
	*l = p->next;
	nended--;
	reaping = 1;
	finish(p);
	reaping = 0;
	return 1;
}

int
memdrain(uint rounds)
{
	for(; rounds > 0; rounds--){
		bufcommit();
		enginekick();
		if(!bufbusy())
			return 0;
		while(enginereap())
			;
	}
	bufcommit();
	enginekick();
	return bufbusy();
}

void
mempower(void)
{
	uvlong i;

	forget();
	for(i = 0; tracked() && i < mapped / Sector; i++){
		switch(chance(3)){
		case 0:
			memcpy(mem.image + i * Sector, mem.stable + i * Sector, Sector);
			break;
		case 1:
			memcpy(mem.image + i * Sector, settled + i * Sector, Sector);
			break;
		}
		stablever[i] = version[i];
	}
	settle(0, tracked() ? mapped : 0);
	mem.unstable = 0;
	ncovered = nwrites;
}

/* What the daemon says; the programs are linked so that this is called for warnx. */

void	__wrap_warnx(const char*, ...);

void
__wrap_warnx(const char *fmt, ...)
{
	va_list ap;

	mem.warned++;
	if(mem.quiet)
		return;
	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
}

/* The clock; the programs are linked so that this is called for clock_gettime. */

int	__real_clock_gettime(clockid_t, struct timespec*);
int	__wrap_clock_gettime(clockid_t, struct timespec*);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if(mem.clock == 0)
		return __real_clock_gettime(id, t);
	t->tv_sec = (time_t)(mem.clock / 1000000000);
	t->tv_nsec = (long)(mem.clock % 1000000000);
	return 0;
}
