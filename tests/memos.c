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
 * Transfers are over when the call returns, as in linux.c now.  A disk
 * that completes late or in another order has its place in transfer():
 * all reads and writes go through it, with their faults decided before
 * their bytes are moved.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum {
	Guard		= 32,
	Guardbyte	= 0x6d,
	Maxfault	= 64,
	Small		= 1 << 20,	/* a disk up to this size is rather cleared than made anew */
};

Mem mem = { .txslots = TX_SLOTS };

static Fault fault[Maxfault];
static int nfault;
static size_t mapped;

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
memturn(Nic *n)
{
	uchar *f;
	uint len;

	while((f = nicrecv(n, &len)) != NULL)
		frame(n, f, len);
	bufcommit();
	nickick(n);
	nicrelease(n);
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
	append(p->ring.n < mem.txslots ? &p->ring : &p->spare, b);
	return b->f;
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

void
memdisk(uvlong size)
{
	void *p;

	if(size == mapped && size <= Small)
		memset(mem.image, 0, size);
	else{
		if(mem.image != NULL)
			munmap(mem.image, mapped);
		mapped = size > 0 ? size : 1;
		p = mmap(NULL, mapped, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
		if(p == MAP_FAILED)
			wrong("no memory for a disk of %llu bytes", size);
		mem.image = p;
	}
	mem.size = mem.eof = mem.hi = size;
	mem.lo = 0;
	mem.readonly = mem.direct = 0;
	mem.grain = Sector;
	mem.unstable = 0;
	memset(mem.count, 0, sizeof mem.count);
	memheal();
	memcalls();
	disk = (Disk){ .size = size, .physical = Sector };
}

void
memwindow(uvlong sector, uvlong n)
{
	mem.lo = sector * Sector;
	mem.hi = mem.lo + n * Sector;
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
}

void
memfault(int op, uvlong sector, uvlong n, int error, int times)
{
	if(nfault == Maxfault)
		wrong("more than %d faults", Maxfault);
	fault[nfault++] = (Fault){ op, sector, n, error, times, times == 0 };
}

void
memheal(void)
{
	nfault = 0;
}

void
memcalls(void)
{
	mem.ncall = 0;
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

static void
checkrange(const char *what, uvlong off, uvlong len)
{
	if(off % Sector != 0 || len % Sector != 0)
		wrong("%s of %llu bytes at %llu: not whole sectors", what, len, off);
	if(off < mem.lo || len > mem.hi - mem.lo || off - mem.lo > mem.hi - mem.lo - len)
		wrong("%s of %llu bytes at %llu: outside of %llu to %llu", what, len, off, mem.lo, mem.hi);
	if(strcmp(what, "read") != 0 && mem.readonly)
		wrong("%s of a disk that is read-only", what);
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
		if(mem.direct && (uintptr_t)iov[i].iov_base % Sector != 0)
			wrong("part %d of a direct transfer is not at a sector boundary in memory", i);
		len += iov[i].iov_len;
	}
	return len;
}

static size_t
transfer(int op, struct iovec *iov, int niov, uvlong off)
{
	uvlong len = iovlen(iov, niov), end, at = off;
	size_t n;
	int i;

	checkrange(op == Mread ? "read" : "write", off, len);
	record(op, off, len, niov);
	end = stop(op, off, len);
	if(end < off + len){
		end -= end % mem.grain;
		if(end < off)
			end = off;
	}
	for(i = 0; i < niov; i++){
		n = iov[i].iov_len;
		if(n > end - at)
			n = end - at;
		if(op == Mread)
			memcpy(iov[i].iov_base, mem.image + at, n);
		else
			memcpy(mem.image + at, iov[i].iov_base, n);
		at += n;
		iov[i].iov_base = NULL;
		iov[i].iov_len = (size_t)-1 / 2;
	}
	return (size_t)(at - off);
}

char*
diskopen(Disk *d, char *path, int readonly, int direct)
{
	if(strcmp(path, "missing") == 0)
		return "missing: no such file";
	mem.readonly = readonly;
	mem.direct = direct;
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
diskread(struct iovec *iov, int niov, uvlong off)
{
	return transfer(Mread, iov, niov, off);
}

size_t
diskwrite(struct iovec *iov, int niov, uvlong off)
{
	mem.unstable++;
	return transfer(Mwrite, iov, niov, off);
}

int
disksync(void)
{
	record(Msync, 0, 0, 0);
	if(stop(Msync, 0, Sector) == 0)
		return -1;
	mem.unstable = 0;
	return 0;
}

int
disktrim(uvlong off, uvlong len)
{
	uvlong end;

	checkrange("trim", off, len);
	record(Mtrim, off, len, 0);
	if(len == 0)
		wrong("a trim of nothing");
	end = stop(Mtrim, off, len);
	memset(mem.image + off, 0, end - off);
	mem.unstable++;
	return end < off + len ? -1 : 0;
}
