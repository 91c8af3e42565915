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
 * 7. diskcopy and diskstore are for what diskmap has mapped, and not with -d
 *    but for diskstore.
 * 8. Not a byte of the image changes while it is frozen.
 *
 * A file has up to four contents, which a write passes through in turn:
 * memory of whoever writes, image, which everyone reads, settled, the
 * writes that were complete, and stable.  An operation moves its sectors
 * at random moments between its start and its end, in any order, so that
 * whoever relies on an order among operations under way together gets what
 * he deserves.  A sync makes stable what was settled when it was started,
 * and when it fails that is lost, as Linux does it.  Names and marks have
 * what everyone sees, and what is stable.
 *
 * The work of an Owork runs in a thread, but never at the same time as the
 * rest: it has its turns in a round of enginereap, each from one call that
 * waits for the disk to another.  Such a call, each of its steps, and a round
 * are the points at which the process may die (mem.life).  What was under
 * way then is done in part, and what was done stays: that is what a kill
 * leaves.  What a power cut leaves is mempower's business.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
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
#include "memsys.h"

typedef struct Buf	Buf;
typedef struct Queue	Queue;
typedef struct Fault	Fault;
typedef struct Pending	Pending;
typedef struct Hold	Hold;
typedef struct File	File;
typedef struct Drive	Drive;
typedef struct Snap	Snap;

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
	Queue	out;
	Buf	*got;		/* what memget gave last */
	int	linkup;
	int	linkmtu;
	int	again;
	int	pipe[2];
};

struct Fault {
	int	file;
	int	op;
	uvlong	sector;
	uvlong	n;
	int	error;
	int	times;
	int	forever;
	int	after;		/* it spares the first so many */
};

/* What a sync makes stable, if it succeeds. */
struct Snap {
	uint	n;		/* sectors */
	uint	*sec;
	uint	*ver;
	uchar	*data;
	uvlong	covers;		/* and how many writes of the image those are */
	uvlong	size;		/* of the file */
};

/* An operation of the engine. */
struct Pending {
	Pending	*next;
	Op	*o;
	Op	was;		/* as it was started */
	int	op;		/* Mread, ... */
	File	*f;
	int	kicked;
	uint	late;		/* rounds */
	uvlong	len;
	uvlong	end;		/* where it stops */
	int	error;
	uchar	*moved;		/* by sector */
	Snap	snap;		/* a sync's */

	/* an Owork's thread */
	int	threaded;
	int	hurry;		/* it runs to its end */
	int	over;
	pthread_t thread;
	sem_t	go, back;
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
	Small		= 1 << 22,	/* a disk up to this size is tracked, and rather cleared than made anew */
	Nfile		= 3,
	None		= -1,		/* no file */
};

/*
 * A file, by byte, sector or page.  Of one that is large there is only what
 * it holds.
 */
struct File {
	uvlong	room;		/* bytes that there is memory for */
	uvlong	size;		/* bytes that a shadow has; mem.eof says it for the image */
	uvlong	synced;		/* and would have without power */
	uchar	*all;		/* the memory */
	size_t	nall;
	uchar	*image;
	uchar	*settled;
	uchar	*stable;
	uint	*version;	/* of what is settled */
	uint	*stablever;
	uchar	*absent;	/* from the page cache */
	uchar	*alloc;		/* this page of a shadow takes up space */
	uint	nalloc;
};

/*
 * All that outlives the process.  A shadow is one of two files, so that
 * there can be a new one while the last has its name only on the disk.
 */
struct Drive {
	File	file[Nfile];	/* the image; and these two */
	int	name;		/* which of them has the name of the shadow, or None */
	int	stablename;
	int	mark;		/* of the image: Marknone, ... */
	int	stablemark;
	char	marked[128];	/* the path in it */
	char	stablemarked[128];
	uint	boot;		/* starts of the system */
};

Mem mem = { .txslots = TX_SLOTS };

static Fault fault[Maxfault];
static int nfault;

static Hold hold[Maxfault];
static int nhold;

static Pending *pending, **pendtail = &pending;
static uvlong state = 1;	/* of the random numbers */
static int reaping;
static Pending *ended;		/* of this round, and not yet done */
static uint nended;
static int inround;
static Pending *worker;		/* the Owork whose turn it is, if it has a thread */
static int working;		/* it is an Owork's turn */

static Drive mydrive = { .name = None, .stablename = None };
static Drive *drive = &mydrive;
static int shared;
static int opened = None;	/* the file that is open as the shadow */
static int nameless;		/* and has no name yet */
static int lookonly;		/* and may not be changed */
static char where[128];		/* the shadow's path */
static uvlong nwrites, ncovered;
static uvlong windowlen[Nfiles];

/* AddressSanitizer's, where the program is built with it. */
void	__asan_poison_memory_region(void const volatile*, size_t) __attribute__((weak));
void	__asan_unpoison_memory_region(void const volatile*, size_t) __attribute__((weak));

__attribute__((format(printf, 1, 2), noreturn))
static void
wrong(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("memsys: ", stderr);
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
	n->up = 0;
	sendwaiting(n);		/* nothing waits any more */
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
	sendwaiting(n);
	while(enginereap())
		;
	while(takeframes(n) > 0)
		;
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
	}while(bufbusy() || stats.underway > 0);
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

	b = take(&p->in);
	if(b == NULL)
		return NULL;
	append(&p->lent, b);
	*len = b->len;
	return b->f;
}

int
nicempty(Nic *n)
{
	return n->port->in.n == 0;
}

void
nicrelease(Nic *n)
{
	Port *p = n->port;
	Buf *b;

	for(b = p->ring.head; b != NULL; b = b->next)
		if(!b->sent)
			wrong("a turn ends, and room that was given is not sent");
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

	if(p->ring.n >= mem.txslots)
		nickick(n);
	if(p->ring.n >= mem.txslots)
		return NULL;
	b = newbuf((uint)(Etherhdr + n->mtu));
	for(i = 0; i < b->room; i++)
		b->f[i] = (uchar)(i * 37 + 11) ^ mem.fill;
	append(&p->ring, b);
	return b->f;
}

void
nicsend(Nic *n, uchar *f, uint len)
{
	Port *p = n->port;
	Buf *b = findroom(&p->ring, f);

	if(b == NULL)
		wrong("nicsend of a frame that nicroom has not given, or that was sent already");
	checkguard(b);
	if(len < Framemin || len > b->room)
		wrong("nicsend of %u bytes, expected from %d to %u", len, Framemin, b->room);
	b->len = len;
	b->sent = 1;
}

int
nickick(Nic *n)
{
	Port *p = n->port;

	if(!n->up)
		empty(&p->ring);
	if(mem.kicks > 0 && --mem.kicks == 0)
		mem.stuck = 0;
	while(!mem.stuck && p->ring.head != NULL && p->ring.head->sent)
		append(&p->out, take(&p->ring));
	return p->ring.n > 0;
}

char*
nicbridge(Nic *n)
{
	(void)n;
	return NULL;
}

char*
nicrings(Nic *n)
{
	(void)n;
	return "packet";
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

char*
stateopen(char *path, uchar *buf, size_t size, ssize_t *len)
{
	(void)path;
	*len = -1;
	if(mem.state != NULL){
		*len = (ssize_t)(mem.statelen < size ? mem.statelen : size);
		memcpy(buf, mem.state, (size_t)*len);
	}
	return NULL;
}

int
statesave(uchar *buf, size_t len)
{
	if(mem.statefail != 0){
		errno = mem.statefail;
		return -1;
	}
	free(mem.state);
	mem.state = need(malloc(len));
	memcpy(mem.state, buf, len);
	mem.statelen = len;
	return 0;
}

void
disarm(void)
{
}

void
sandbox(void)
{
}

void
lognowait(int fd)
{
	(void)fd;
}

int
managersocket(void)
{
	return -1;
}

void
closefiles(void)
{
}

char*
sandboxname(void)
{
	return "none";
}

/* The disk. */

uvlong
memrandom(uvlong *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

uvlong
memrandomstate(uvlong seed)
{
	return seed * 0x9e3779b97f4a7c15ULL | 1;
}

void
memstamp(uchar *p, int id, uvlong lba)
{
	uint i, x = (uint)id * 2654435761U + (uint)lba * 40503U + 1;

	for(i = 8; i < Sector; i += 4, x = x * 1664525U + 1013904223U)
		memcpy(p + i, &x, 4);
	i = (uint)id + 1;
	memcpy(p, &i, 4);
	i = (uint)lba;
	memcpy(p + 4, &i, 4);
}

static uint
chance(uint n)
{
	uvlong r = memrandom(&state);

	return n > 1 ? (uint)((r >> 20) % n) : 0;
}

void
memseed(uvlong seed)
{
	state = memrandomstate(seed);
	chance(2);
}

static File*
fileof(int file)
{
	if(file == Image)
		return &drive->file[Image];
	if(file != Shadow)
		wrong("file %d is unknown", file);
	if(opened == None)
		wrong("the shadow is used, and is not open");
	return &drive->file[opened];
}

static int
isimage(File *f)
{
	return f == &drive->file[Image];
}

static uvlong
eofof(File *f)
{
	return isimage(f) ? mem.eof : f->size;
}

static int
tracked(File *f)
{
	return f->stable != NULL;
}

static void writeback(void);

/*
 * Something is about to happen, or half of it has: the process may die here,
 * and an Owork let others go on.
 */
static void
point(void)
{
	Pending *p = worker;

	if(mem.life > 0 && --mem.life == 0)
		memdie();
	if(working && mem.worklife > 0 && --mem.worklife == 0)
		memdie();
	if(mem.writeback > 0 && chance(mem.writeback) == 0)
		writeback();
	if(p == NULL || p->hurry || chance(3) > 0)
		return;
	sem_post(&p->back);
	while(sem_wait(&p->go) < 0)
		;
}

/* The work of an Owork. */

static void*
workthread(void *a)
{
	Pending *p = a;

	while(sem_wait(&p->go) < 0)
		;
	p->o->work(p->o);
	p->over = 1;
	sem_post(&p->back);
	return NULL;
}

/*
 * Let an Owork have a turn.  Returns 1 when it has come to its end.
 */
static int
workon(Pending *p)
{
	if(!p->threaded && mem.late == 0 && !mem.shuffled){
		working = 1;
		p->o->work(p->o);
		working = 0;
		return 1;
	}
	if(!p->threaded && (sem_init(&p->go, 0, 0) < 0 || sem_init(&p->back, 0, 0) < 0
		|| pthread_create(&p->thread, NULL, workthread, p) != 0))
		wrong("no thread");
	p->threaded = 1;
	worker = p;
	working = 1;
	sem_post(&p->go);
	while(sem_wait(&p->back) < 0)
		;
	worker = NULL;
	working = 0;
	if(p->over)
		pthread_join(p->thread, NULL);
	return p->over;
}

static void
freesnap(Snap *s)
{
	free(s->sec);
	free(s->ver);
	free(s->data);
}

static void
freepending(Pending *p)
{
	p->hurry = 1;
	if(p->threaded && !p->over)
		workon(p);
	if(p->threaded){
		sem_destroy(&p->go);
		sem_destroy(&p->back);
	}
	free(p->moved);
	freesnap(&p->snap);
	free(p);
}

static void
forget(void)
{
	Pending *p;

	*pendtail = ended;
	ended = NULL;
	while((p = pending) != NULL){
		pending = p->next;
		freepending(p);
	}
	pendtail = &pending;
	mem.underway = mem.unkicked = nended = 0;
	inround = 0;
}

static uvlong
sectors(File *f)
{
	return f->room / Sector;
}

/*
 * An empty file with memory for so many bytes.
 */
static void
newfile(File *f, uvlong bytes, int track)
{
	uvlong sec = bytes / Sector + 1, pages = bytes / Mpage + 1, bits;
	size_t all = bytes > 0 ? bytes : 1;
	uchar *p;

	f->size = f->synced = f->nalloc = 0;
	if(f->all != NULL && bytes == f->room && track == tracked(f) && bytes <= 2 * Small){
		memset(f->all, 0, f->nall);
		return;
	}
	if(f->all != NULL)
		munmap(f->all, f->nall);
	*f = (File){ .room = bytes };
	bits = sec * sizeof(uint);
	if(track)
		all = 3 * sec * Sector + 2 * bits + 2 * pages;
	p = mmap(NULL, all, PROT_READ|PROT_WRITE,
		(shared ? MAP_SHARED : MAP_PRIVATE)|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
	if(p == MAP_FAILED)
		wrong("no memory for a disk of %llu bytes", bytes);
	f->all = f->image = p;
	f->nall = all;
	if(!track)
		return;
	f->settled = p + sec * Sector;
	f->stable = f->settled + sec * Sector;
	f->version = (uint*)(void*)(f->stable + sec * Sector);
	f->stablever = f->version + sec;
	f->absent = (uchar*)(f->stablever + sec);
	f->alloc = f->absent + pages;
}

/* More than any shadow of the disk can need. */
static uvlong
shadowroom(uvlong size)
{
	return size + 2 * (size / Sector / 4) + 8 * Mpage;
}

void
memshare(void)
{
	drive = mmap(NULL, sizeof *drive, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
	if(drive == MAP_FAILED)
		wrong("no memory");
	memset(drive, 0, sizeof *drive);
	shared = 1;
}

void
memdisk(uvlong size)
{
	int i;

	forget();
	newfile(&drive->file[Image], size, size > 0 && size <= Small);
	for(i = 1; i < Nfile; i++)
		if(shared || drive->file[i].all != NULL)
			newfile(&drive->file[i], shadowroom(size), size > 0 && size <= Small);
	drive->name = drive->stablename = opened = None;
	drive->mark = drive->stablemark = Marknone;
	nameless = 0;
	memset(windowlen, 0, sizeof windowlen);
	mem.image = drive->file[Image].image;
	mem.stable = drive->file[Image].stable;
	mem.size = mem.eof = mem.hi = size;
	mem.lo = 0;
	mem.readonly = 0;
	mem.grain = Sector;
	mem.through = 0;
	mem.late = mem.balk = mem.evict = mem.copyfail = mem.slow = 0;
	mem.shuffled = mem.torn = mem.held = mem.nostall = mem.tryless = 0;
	mem.window = 1;
	mem.unstable = nwrites = ncovered = 0;
	mem.room = UINT_MAX;
	mem.changed = 0;
	mem.badmark = mem.nomark = mem.noholes = mem.locked = 0;
	mem.ident = 1;
	mem.life = mem.worklife = mem.writeback = 0;
	mem.warned = 0;
	mem.quiet = 0;
	mem.tries = mem.copies = mem.stalls = mem.pushes = mem.ahead = mem.looks = mem.looked = 0;
	memset(mem.count, 0, sizeof mem.count);
	memheal();
	memrelease();
	memcalls();
	disk = (Disk){ .size = size, .physical = Sector, .block = Sector };
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

/* What is in the file now has always been there. */
static void
settle(File *f, uvlong off, uvlong len)
{
	if(!tracked(f))
		return;
	memcpy(f->settled + off, f->image + off, len);
	memcpy(f->stable + off, f->image + off, len);
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
	settle(&drive->file[Image], lba * Sector, n * Sector);
}

void
memsettle(void)
{
	settle(&drive->file[Image], 0, mem.size);
}

void
memfaultof(int file, int op, uvlong sector, uvlong n, int error, int times)
{
	if(nfault == Maxfault)
		wrong("more than %d faults", Maxfault);
	fault[nfault++] = (Fault){ file, op, sector, n, error, times, times == 0, 0 };
}

void
memfaultlater(int file, int op, int error, int after)
{
	memfaultof(file, op, 0, ~0ULL / Sector, error, 1);
	fault[nfault - 1].after = after;
}

void
memfault(int op, uvlong sector, uvlong n, int error, int times)
{
	memfaultof(Image, op, sector, n, error, times);
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
	File *f = &drive->file[Image];
	uvlong i;

	if(!tracked(f) || n == 0)
		return;
	for(i = sector * Sector / Mpage; i <= ((sector + n) * Sector - 1) / Mpage
		&& i * Mpage < f->room; i++)
		f->absent[i] = 1;
}

int
memresident(uvlong sector, uvlong n)
{
	File *f = &drive->file[Image];
	uvlong i;

	if(disk.direct)
		return 0;
	for(i = sector * Sector / Mpage; tracked(f)
		&& i <= ((sector + n) * Sector - 1) / Mpage; i++)
		if(f->absent[i])
			return 0;
	return 1;
}

static int
isof(Fault *x, File *f)
{
	return (x->file == Image) == isimage(f);
}

/* Can't this page be read? */
static int
badpage(File *f, uvlong page)
{
	Fault *x;

	if(page * Mpage >= eofof(f))
		return 1;
	for(x = fault; x < fault + nfault; x++)
		if(x->op == Mread && isof(x, f) && (x->forever || x->times > 0)
		&& x->sector * Sector < (page + 1) * Mpage
			&& (x->sector + x->n) * Sector > page * Mpage)
			return 1;
	return 0;
}

static void
cached(File *f, uvlong off, uvlong len)
{
	uvlong i;

	if(disk.direct || !tracked(f) || len == 0)
		return;
	for(i = off / Mpage; i <= (off + len - 1) / Mpage; i++)
		f->absent[i] = (uchar)badpage(f, i);
}

static void
evictsome(void)
{
	File *f;
	uvlong i;

	if(mem.evict == 0)
		return;
	for(f = drive->file; f < drive->file + Nfile; f++)
		for(i = 0; tracked(f) && i * Mpage < f->room; i++)
			if(chance(mem.evict) == 0)
				f->absent[i] = 1;
}

static void
record(int file, int op, uvlong off, uvlong len, int niov)
{
	mem.count[op]++;
	if(mem.ncall < Mcalls)
		mem.call[mem.ncall++] = (Call){ op, file, off, len, niov };
}

/*
 * The first byte from off on at which the operation fails, with errno, or
 * off + len.
 */
static uvlong
stop(int file, int op, uvlong off, uvlong len)
{
	Fault *f, *hit = NULL;
	uvlong at, end = off + len, eof;

	if(op == Mread || op == Mwrite || op == Mtrim){
		eof = eofof(fileof(file));
		if(end > eof){
			end = eof > off ? eof : off;
			errno = EIO;
		}
	}
	for(f = fault; f < fault + nfault; f++){
		if(f->op != op || f->file != file || (!f->forever && f->times == 0))
			continue;
		at = f->sector * Sector;
		if(at < off)
			at = off;
		if(at < (f->sector + f->n) * Sector && at < end){
			if(f->after > 0){
				f->after--;
				continue;
			}
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

static int
fails(int file, int op)
{
	return stop(file, op, 0, Sector) == 0;
}

/*
 * Take up space for what is written to a shadow from off to before end.
 * Returns where there is no more of it, with errno.
 */
static uvlong
allocate(File *f, uvlong off, uvlong end)
{
	uvlong i;

	if(isimage(f) || !tracked(f))
		return end;
	for(i = off / Mpage; i * Mpage < end; i++){
		if(f->alloc[i])
			continue;
		if(memtaken() >= mem.room){
			errno = ENOSPC;
			return i * Mpage > off ? i * Mpage : off;
		}
		f->alloc[i] = 1;
		f->nalloc++;
	}
	return end;
}

static void
deallocate(File *f, uvlong off, uvlong end)
{
	uvlong i;

	if(isimage(f) || !tracked(f))
		return;
	for(i = (off + Mpage - 1) / Mpage; (i + 1) * Mpage <= end; i++){
		f->nalloc -= f->alloc[i];
		f->alloc[i] = 0;
	}
}

uint
memtaken(void)
{
	int i;
	uint n = 0;

	for(i = 1; i < Nfile; i++)
		if(i == drive->name || i == drive->stablename || i == opened)
			n += drive->file[i].nalloc;
	return n;
}

static const char *const opname[] = { "read", "write", "sync", "trim" };

static void
checkrange(File *f, int op, uvlong off, uvlong len)
{
	if(off % Sector != 0 || len % Sector != 0 || len == 0)
		wrong("%s of %llu bytes at %llu: not whole sectors", opname[op], len, off);
	if(!isimage(f)){
		if(op != Mread && (off > f->size || len > f->size - off))
			wrong("%s of %llu bytes at %llu: beyond the shadow's %llu", opname[op], len,
				off, f->size);
		return;
	}
	if(off < mem.lo || len > mem.hi - mem.lo || off - mem.lo > mem.hi - mem.lo - len)
		wrong("%s of %llu bytes at %llu: outside of %llu to %llu", opname[op], len, off,
			mem.lo, mem.hi);
	if(op == Mwrite && (off % disk.block != 0 || len % disk.block != 0))
		wrong("write of %llu bytes at %llu: not whole blocks of %u", len, off, disk.block);
	if(op != Mread && mem.readonly)
		wrong("%s of a disk that is read-only", opname[op]);
}

/* The image is about to change. */
static void
checkstill(File *f, uvlong off)
{
	int s = freezestate();

	if(isimage(f) && (s == Ffrozen || s == Fthawing || s == Fheld || (s == Fcommitting
		&& drive->name != None)))
		wrong("the image is written to at %llu, and is frozen", off);
}

static uvlong
iovlen(struct iovec *iov, int niov, int direct)
{
	uvlong len = 0;
	int i;

	if(niov < 1 || niov > 1024)
		wrong("a transfer of %d parts", niov);
	for(i = 0; i < niov; i++){
		if(iov[i].iov_len == 0 || iov[i].iov_base == NULL)
			wrong("part %d of a transfer is empty", i);
		if(direct && (uintptr_t)iov[i].iov_base % Sector != 0)
			wrong("part %d of a direct transfer is not at a sector boundary in memory",
				i);
		len += iov[i].iov_len;
	}
	return len;
}

/*
 * Move the bytes from at to at + n of those that iov describes, between
 * there and off of the file, which is where iov begins.
 */
static void
movebytes(File *f, int op, struct iovec *iov, int niov, uvlong off, uvlong at, uvlong n)
{
	uchar *p = f->image + off + at;
	size_t part;
	int i;

	if(op == Mwrite && n > 0)
		checkstill(f, off);
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

/* These bytes of the file were written by what is now complete. */
static void
complete(File *f, uvlong off, uvlong len)
{
	uvlong i;

	if(isimage(f))
		mem.unstable = ++nwrites - ncovered;
	if(!tracked(f) || len == 0)
		return;
	memcpy(f->settled + off, f->image + off, len);
	for(i = off / Sector; i <= (off + len - 1) / Sector; i++)
		f->version[i]++;
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
	if(fails(Image, Msize))
		return -1;
	d->size = mem.size;
	return 0;
}

size_t
diskread(int file, struct iovec *iov, int niov, uvlong off)
{
	File *f = fileof(file);
	uvlong len = iovlen(iov, niov, disk.direct && file == Image), end;
	int error;

	point();
	if(file == Image)
		checkrange(f, Mread, off, len);
	record(file, Mread, off, len, niov);
	end = stop(file, Mread, off, len);
	error = errno;
	movebytes(f, Mread, iov, niov, off, 0, end - off);
	spoil(iov, niov);
	errno = error;
	return (size_t)(end - off);
}

size_t
diskwrite(int file, struct iovec *iov, int niov, uvlong off)
{
	File *f = fileof(file);
	uvlong len = iovlen(iov, niov, disk.direct && file == Image), end, half = 0;
	uint whole = file == Shadow
		&& len % Sector != 0 ? 4 : Sector;	/* so much is never halved */
	int error;

	point();
	if(file == Image)
		checkrange(f, Mwrite, off, len);
	else if(lookonly)
		wrong("a write to a shadow that others share");
	else if(off > f->size || len > f->size - off)
		wrong("write of %llu bytes at %llu: beyond the shadow's %llu", len, off, f->size);
	record(file, Mwrite, off, len, niov);
	end = stop(file, Mwrite, off, len);
	error = errno;
	if(allocate(f, off, end) < end){
		end = allocate(f, off, end);
		error = errno;
	}
	if(mem.through && file == Shadow && end < off + len){
		allocate(f, off, off + len);
		movebytes(f, Mwrite, iov, niov, off, 0, len);
		errno = error;
		return 0;
	}
	end = grain(off, len, end);
	if(mem.life > 0 && end - off > whole){
		half = (1 + chance((uint)((end - off) / whole))) * whole;
		if(half > end - off)
			half = end - off;
		movebytes(f, Mwrite, iov, niov, off, 0, half);
		point();
	}
	movebytes(f, Mwrite, iov, niov, off, half, end - off - half);
	complete(f, off, end - off);
	cached(f, off, end - off);
	spoil(iov, niov);
	if(mem.slow != 0 && chance(mem.slow) == 0 && mem.clock != 0){
		mem.clock += mem.slowtime;
		mem.sleeps++;
	}
	errno = error;
	return (size_t)(end - off);
}

int
diskmap(int file, uvlong size)
{
	if(file == Shadow && windowlen[file] > 0 && !working)
		wrong("the loop undoes the shadow's mapping");
	windowlen[file] = mem.window && (!disk.direct || file == Shadow)
		&& size <= 1ULL << 40 ? size : 0;
	return windowlen[file] > 0 && !disk.direct;
}

static void
checkwindow(const char *what, int file, uvlong off, size_t len)
{
	uvlong n = windowlen[file];

	if(n == 0)
		wrong("%s without a mapping", what);
	if(disk.direct && strcmp(what, "diskstore") != 0)
		wrong("%s with -d", what);
	if(off > n || len > n - off)
		wrong("%s of %zu bytes at %llu: beyond the mapping of %llu", what, len, off, n);
}

int
diskincore(int file, uvlong off, size_t len, uchar *vec)
{
	File *f = fileof(file);
	uvlong i;

	if(off % Mpage != 0)
		wrong("diskincore at %llu: not a page boundary", off);
	if(windowlen[file] == 0)
		wrong("diskincore without a mapping");
	if(off + len > (windowlen[file] + Mpage - 1) / Mpage * Mpage)
		wrong("diskincore of %zu bytes at %llu: beyond the mapping of %llu", len, off,
			windowlen[file]);
	mem.looks++;
	mem.looked += (len + Mpage - 1) / Mpage;
	for(i = 0; i < (len + Mpage - 1) / Mpage; i++)
		vec[i] = (uchar)(!tracked(f)
			|| !f->absent[off / Mpage + i] ? chance(128) << 1 | 1 : chance(128) << 1);
	return 0;
}

void
diskprefetch(int file, uvlong off, size_t len)
{
	checkwindow("diskprefetch", file, off, len);
}

/*
 * Bring pages in.  Returns -1 when one can't be read.
 */
static int
touch(const char *what, int file, uvlong off, size_t len)
{
	File *f = fileof(file);
	uvlong i;

	checkwindow(what, file, off, len);
	checkrange(f, Mread, off, len);
	for(i = off / Mpage; i <= (off + len - 1) / Mpage; i++){
		if((!tracked(f) || !f->absent[i]) && i * Mpage < eofof(f))
			continue;
		mem.stalls++;
		if(mem.nostall)
			wrong("%s of %zu bytes at %llu waits for the disk", what, len, off);
		if(badpage(f, i))
			return -1;
		if(tracked(f))
			f->absent[i] = 0;
	}
	return 0;
}

int
disktouch(int file, uvlong off, size_t len)
{
	static uint calm;

	if(touch("disktouch", file, off, len) < 0)
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
	uvlong eof;

	mem.copies++;
	if(touch("diskcopy", file, off, len) < 0){
		memset(to, 0xbd, len);
		return -1;
	}
	memcpy(to, fileof(file)->image + off, len);
	/* What is left of the last page. */
	eof = eofof(fileof(file));
	if(off + len > eof)
		memset(to + (eof > off ? eof - off : 0), 0, off + len - (eof > off ? eof : off));
	return 0;
}

int
diskstore(int file, uvlong off, const void *from, size_t len)
{
	struct iovec iov = { (void*)(uintptr_t)from, len };

	if(windowlen[file] == 0 || chance(2) == 0)
		return -1;
	checkwindow("diskstore", file, off, len);
	if(off % 4 != 0 || len % 4 != 0 || (uintptr_t)from % 4 != 0)
		wrong("diskstore of half a word: %zu bytes at %llu", len, off);
	return diskwrite(file, &iov, 1, off) == len ? 0 : -1;
}

void
diskask(void)
{
	mem.gone |= mem.going;
}

int
diskgone(void)
{
	return mem.gone;
}

uvlong
diskstalls(void)
{
	return mem.stalls;
}

uvlong
disksleeps(void)
{
	return mem.sleeps;
}

size_t
disktry(uchar *to, size_t len, int file, uvlong off)
{
	File *f = fileof(file);
	uvlong i, eof = eofof(f);
	size_t n;

	mem.tries++;
	checkrange(f, Mread, off, len);
	if(disk.direct)
		return 0;
	for(i = off / Mpage; i * Mpage < off + len && i * Mpage < eof; i++)
		if(tracked(f) && f->absent[i])
			break;
	n = i * Mpage <= off ? 0 : i * Mpage - off < len ? (size_t)(i * Mpage - off) : len;
	if(off + n > eof)
		n = eof > off ? (size_t)(eof - off) : 0;
	if(mem.tryless && chance(2) == 0)
		n = chance((uint)n + 1);
	memcpy(to, f->image + off, n);
	return n;
}

/* Syncs. */

/*
 * Note what a sync that starts now makes stable.
 */
static void
snapshot(File *f, Snap *s)
{
	uint i, n = 0;

	s->covers = isimage(f) ? nwrites : 0;
	s->size = f->size;
	if(!tracked(f))
		return;
	for(i = 0; i < sectors(f); i++)
		n += f->version[i] > f->stablever[i];
	s->sec = need(calloc(n + 1, sizeof *s->sec));
	s->ver = need(calloc(n + 1, sizeof *s->ver));
	s->data = need(malloc((size_t)(n + 1) * Sector));
	for(i = 0; i < sectors(f); i++)
		if(f->version[i] > f->stablever[i]){
			memcpy(s->data + s->n * Sector, f->settled + i * Sector, Sector);
			s->sec[s->n] = i;
			s->ver[s->n++] = f->version[i];
		}
}

/* The sync has ended. */
static void
synced(File *f, Snap *s, int error)
{
	uint i, k;

	if(error == 0 && s->covers > ncovered)
		ncovered = s->covers;
	if(error == 0 && s->size > f->synced)
		f->synced = s->size;
	mem.unstable = nwrites - ncovered;
	for(k = 0; k < s->n; k++){
		i = s->sec[k];
		if(s->ver[k] <= f->stablever[i])
			continue;
		f->stablever[i] = s->ver[k];
		if(error == 0)
			memcpy(f->stable + i * Sector, s->data + k * Sector, Sector);
		else if(f->version[i] == s->ver[k])
			memcpy(f->settled + i * Sector, f->stable + i * Sector, Sector);
	}
}

int
disksync(int file)
{
	File *f = fileof(file);
	Snap s = { 0 };
	int error;

	point();
	record(file, Msync, 0, 0, 0);
	snapshot(f, &s);
	error = fails(file, Msync) ? errno : 0;
	point();
	synced(f, &s, error);
	freesnap(&s);
	errno = error;
	return error == 0 ? 0 : -1;
}

/*
 * The kernel brings some of what is in the page cache to the disk.
 */
static void
writeback(void)
{
	File *f;
	uvlong i;
	uint many = 1 + chance(8);

	for(f = drive->file; f < drive->file + Nfile; f++)
		for(i = 0; tracked(f) && i < sectors(f); i++)
			if(f->version[i] > f->stablever[i] && chance(many) == 0)
				memcpy(f->stable + i * Sector, f->image + i * Sector, Sector);
}

void
diskpush(int file)
{
	(void)file;
	mem.pushes++;
	if(mem.writeback > 0)
		writeback();
}

static int
onhold(int op, uvlong off, uvlong len)
{
	Hold *h;

	for(h = hold; h < hold + nhold; h++)
		if(h->op == op && h->sector * Sector < off + len && (h->sector + h->n) * Sector > off)
			return 1;
	return 0;
}

void
diskahead(int file, uvlong off, uvlong len)
{
	File *f = fileof(file);
	uvlong i;

	if(!isimage(f))
		wrong("diskahead of a shadow, which may go meanwhile");
	checkrange(f, Mread, off, len);
	mem.ahead += len;
	for(i = off / Mpage; tracked(f) && i <= (off + len - 1) / Mpage; i++)
		if(!badpage(f, i) && !onhold(Mread, i * Mpage, Mpage))
			f->absent[i] = 0;
}

/*
 * A shadow's pages are known; of other files nothing is.
 */
uvlong
diskdata(int file, uvlong off, uvlong *end)
{
	File *f = fileof(file);
	uvlong i, eof = eofof(f);

	*end = eof;
	if(off >= eof || isimage(f) || !tracked(f))
		return off < eof ? off : eof;
	for(i = off / Mpage; i * Mpage < eof && !f->alloc[i]; i++)
		;
	off = i * Mpage > off ? i * Mpage : off;
	if(off >= eof)
		return eof;
	for(; i * Mpage < eof && f->alloc[i]; i++)
		;
	if(i * Mpage < eof)
		*end = i * Mpage;
	return off;
}

uvlong
shadowtakes(void)
{
	return (uvlong)fileof(Shadow)->nalloc * Mpage;
}

void
memwriteback(void)
{
	File *f;
	uvlong i;

	for(f = drive->file; f < drive->file + Nfile; f++)
		for(i = 0; tracked(f) && i < sectors(f); i++)
			memcpy(f->stable + i * Sector, f->image + i * Sector, Sector);
}

/* The shadow. */

void
diskident(char *id, size_t size)
{
	memset(id, 0, size);
	snprintf(id, size, "image %u", mem.ident);
}

void
bootid(uchar id[16])
{
	memset(id, 0, 16);
	id[3] = (uchar)(1 + drive->boot);
	id[4] = (uchar)(drive->boot >> 8);
}

char*
shadowdir(char *path)
{
	if(strncmp(path, "missing/", 8) == 0)
		return "missing: no such directory";
	snprintf(where, sizeof where, "/memory/%s", path);
	return NULL;
}

char*
shadowpath(void)
{
	return where;
}

int
shadowopen(uvlong *size, int readonly)
{
	point();
	if(mem.locked && drive->name != None){
		errno = EWOULDBLOCK;
		return -1;
	}
	drive->stablename = drive->name;
	if(drive->name == None)
		return 0;
	opened = drive->name;
	nameless = 0;
	lookonly = readonly;
	*size = drive->file[opened].size;
	return 1;
}

/*
 * A new file, that has no name worth mentioning: whatever is left of it after
 * a death is gone.
 */
int
shadowmake(uvlong size)
{
	File *f;
	int i;

	point();
	if(drive->name != None){
		errno = EEXIST;
		return -1;
	}
	if(opened != None)
		wrong("a shadow is made while one is open");
	if(fails(Shadow, Mmake))
		return -1;
	if(mem.noholes){
		errno = EOPNOTSUPP;
		return -1;
	}
	i = drive->stablename == 1 ? 2 : 1;
	f = &drive->file[i];
	newfile(f, f->room > 0 ? f->room : shadowroom(mem.size), tracked(&drive->file[Image]));
	f->size = size;
	if(size > f->room)
		wrong("a shadow of %llu bytes, for a disk of %llu", size, mem.size);
	opened = i;
	nameless = 1;
	lookonly = 0;
	return 0;
}

int
shadowname(void)
{
	if(opened == None || !nameless)
		wrong("the shadow has its name, or there is none");
	point();
	if(drive->name != None){
		errno = EEXIST;
		return -1;
	}
	if(chance(2) == 0 && fails(Shadow, Mname))
		return -1;
	drive->name = opened;
	nameless = 0;
	point();
	if(fails(Shadow, Mname))
		return -1;
	drive->stablename = drive->name;
	return 0;
}

int
shadowremove(int later)
{
	(void)later;
	if(opened == None)
		wrong("the shadow is removed, and is not open");
	diskmap(Shadow, 0);
	point();
	if(fails(Shadow, Mremove)){
		opened = None;
		return -1;
	}
	if(!nameless)
		drive->name = None;
	opened = None;
	nameless = 0;
	point();
	drive->stablename = drive->name;
	return 0;
}

uvlong
imagechanged(void)
{
	return mem.changed;
}

int
shadowfree(void)
{
	if(mem.unfreed == 0)
		return -1;
	mem.unfreed--;
	mem.freed++;
	return 20;
}

int
imagemark(int mark)
{
	point();
	if(mem.badmark != 0){
		errno = mem.badmark;
		return 1;
	}
	if(mem.nomark)
		return disksync(Image);
	drive->mark = mark;
	snprintf(drive->marked, sizeof drive->marked, "%s", where);
	point();
	drive->stablemark = mark;
	memcpy(drive->stablemarked, drive->marked, sizeof drive->marked);
	return disksync(Image);
}

int
imagemarked(char *path, size_t size)
{
	if(mem.nomark || drive->mark == Marknone)
		return Marknone;
	snprintf(path, size, "%s", drive->marked);
	return drive->mark == Marklive || drive->name != None ? Marklive : Markgone;
}

char*
imagemarkname(void)
{
	return "in memory";
}

int
memmark(void)
{
	return drive->mark;
}

uchar*
memshadow(uvlong *size)
{
	if(drive->name == None)
		return NULL;
	*size = drive->file[drive->name].size;
	return drive->file[drive->name].image;
}

uint
memunit(uvlong no, uint sectors)
{
	uint i, crc = 0;

	for(i = 16; i-- > 0;){
		crc = crc << 1 ^ (sectors >> i & 1) << 15;
		if(crc & 0x8000)
			crc ^= 0x8000 ^ 0x4599;
	}
	return sectors | (0x8000 | (crc ^ (uint)(no * 0x9e3779b1 % ((uvlong)1 << 32) >> 17))) << 16;
}

int
memhas(const uchar *map, uvlong lba, uint version)
{
	const uchar *p = map + lba / 16 * 4;
	uint u = p[0] | (uint)p[1] << 8 | (uint)p[2] << 16 | (uint)p[3] << 24;

	if(version == 1)
		return map[lba / 8] >> lba % 8 & 1;
	if(u != 0 && u != memunit(lba / 16, u & 0xffff))
		return -1;
	return u >> lba % 16 & 1;
}

int
memflip(uvlong at, uchar bits)
{
	File *f = &drive->file[drive->name];

	if(!f->alloc[at / Mpage])
		return -1;
	f->image[at] ^= bits;
	if(f->stable != NULL){
		f->settled[at] ^= bits;
		f->stable[at] ^= bits;
	}
	return 0;
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

int
enginethreads(void)
{
	return 0;
}

char*
enginename(void)
{
	return "threads";
}

int
enginesleep(void)
{
	return 0;
}

void
enginewake(void)
{
}

static Pending*
newpending(Op *o)
{
	static const int ops[] = { [Oread] = Mread, [Owrite] = Mwrite, [Otrim] = Mtrim,
		[Oflush] = Msync, [Owork] = Mwork };
	Pending *p;

	for(p = pending; p != NULL; p = p->next)
		if(p->o == o)
			wrong("an operation is started that is under way");
	if(o->op != Oread && o->op != Owrite && o->op != Otrim && o->op != Oflush
		&& (o->op != Owork || o->work == NULL))
		wrong("operation %d is unknown", o->op);
	if(o->done == NULL)
		wrong("an operation without done");
	p = need(calloc(1, sizeof *p));
	p->o = o;
	p->op = ops[o->op];
	p->f = p->op == Mwork ? NULL : fileof(o->file);
	if(p->op == Mread || p->op == Mwrite)
		p->len = iovlen(o->iov, o->niov, disk.direct);
	else if(p->op == Mtrim)
		p->len = o->len;
	return p;
}

static int
moves(Pending *p)
{
	return p->op == Mread || p->op == Mwrite || p->op == Mtrim;
}

void
enginestart(Op *o)
{
	Pending *p = newpending(o);

	if(moves(p))
		checkrange(p->f, p->op, o->off, p->len);
	record(p->op == Mwork ? Image : o->file, p->op, moves(p) ? o->off : 0, p->len,
		p->op == Mread || p->op == Mwrite ? o->niov : 0);
	if(p->op == Msync)
		snapshot(p->f, &p->snap);
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
	uvlong end;

	p->kicked = 1;
	p->late = chance(mem.late + 1);
	if(p->op == Mwork)
		p->o->error = 0;
	else if(p->op == Msync)
		p->error = fails(p->o->file, Msync) ? errno : 0;
	else{
		p->end = stop(p->o->file, p->op, p->o->off, p->len);
		p->error = p->end < p->o->off + p->len ? errno : 0;
		if(p->op == Mwrite && (end = allocate(p->f, p->o->off, p->end)) < p->end){
			p->end = end;
			p->error = errno;
		}
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
	if(p->op == Mtrim){
		if(n > 0)
			checkstill(p->f, p->o->off);
		memset(p->f->image + p->o->off + at, 0, n);
	}else
		movebytes(p->f, p->op, p->o->iov, p->o->niov, p->o->off, at, n);
}

/*
 * Is there a place for a sector of a transfer?  Not where a shadow has a hole
 * and found no room.
 */
static int
hasplace(Pending *p, uvlong sector)
{
	uvlong at = p->o->off + sector * Sector;

	return p->op != Mwrite || isimage(p->f) || !tracked(p->f) || p->f->alloc[at / Mpage];
}

/*
 * Some sectors move, in any order.  Of those behind a fault a write may
 * move some as well, without saying so.
 */
static void
movesome(Pending *p)
{
	uvlong i, n = (p->error == 0
		|| p->op == Mwrite ? p->len : p->end - p->o->off) / Sector, start;

	if(p->moved == NULL || n == 0)
		return;
	start = chance((uint)n);
	for(i = 0; i < n; i++, start = (start + 1) % n)
		if(!p->moved[start] && chance(3) == 0 && hasplace(p, start)
			&& (p->error == 0 || p->o->off + start * Sector != p->end)){
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

/* The operation ends, as far as the disk is concerned. */
static void
end(Pending *p)
{
	Op *o = p->o;
	uvlong end;

	if(o->op != p->was.op || o->iov != p->was.iov || o->niov != p->was.niov
		|| o->off != p->was.off || o->done != p->was.done
		|| (p->op == Mtrim && o->len != p->was.len))
		wrong("an operation was changed while it was under way");
	if(p->op == Msync)
		synced(p->f, &p->snap, p->error);
	if(!moves(p))
		return;
	end = p->op == Mtrim ? p->end : grain(o->off, p->len, p->end);
	end -= end % Sector;
	if(end < o->off)
		end = o->off;
	moverest(p, end - o->off);
	if(p->op == Mtrim || p->op == Mwrite)
		complete(p->f, o->off, p->len);
	if(p->op == Mtrim)
		deallocate(p->f, o->off, end);
	cached(p->f, o->off, end - o->off);
	o->moved = (size_t)(end - o->off);
}

static int
isheld(Pending *p)
{
	return !p->kicked || mem.held
		|| (moves(p) ? onhold(p->op, p->o->off, p->len) : onhold(p->op, 0, INT64_MAX));
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
		if(p->op == Mwork && !workon(p)){
			p->late = chance(mem.late + 1);
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
	if(p->op != Mwork)
		o->error = p->error;
	freepending(p);
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
		point();
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

/* Death. */

/*
 * What was under way when the process died is done in part.
 */
static void
leave(Pending *p)
{
	uvlong i, n;

	for(; p != NULL; p = p->next){
		if(!p->kicked || p->op == Mwork || p->op == Mread)
			continue;
		if(p->op == Msync && chance(2) == 0)
			synced(p->f, &p->snap, p->error);
		n = moves(p) && p->end > p->o->off ? (p->end - p->o->off) / Sector : 0;
		for(i = 0; i < n; i++)
			if((p->moved == NULL || !p->moved[i]) && chance(2) == 0)
				movepart(p, i * Sector, Sector);
	}
}

void
memdie(void)
{
	File *f;
	uvlong i;

	leave(pending);
	leave(ended);
	for(f = drive->file; f < drive->file + Nfile; f++)
		for(i = 0; tracked(f) && i < sectors(f); i++)
			if(memcmp(f->settled + i * Sector, f->image + i * Sector, Sector) != 0)
				complete(f, i * Sector, Sector);
	_exit(Memdied);
}

/*
 * What a hole was punched into and has its old content again is no hole.
 */
static void
unpunch(File *f)
{
	static const uchar zeros[Mpage];
	uvlong i;

	for(i = 0; !isimage(f) && (i + 1) * Mpage <= f->room; i++)
		if(!f->alloc[i] && memcmp(f->image + i * Mpage, zeros, Mpage) != 0){
			f->alloc[i] = 1;
			f->nalloc++;
		}
}

static void
powerfile(File *f)
{
	uvlong i;

	if(!tracked(f))
		return;
	for(i = 0; i < sectors(f); i++){
		switch(chance(3)){
		case 0:
			memcpy(f->image + i * Sector, f->stable + i * Sector, Sector);
			break;
		case 1:
			memcpy(f->image + i * Sector, f->settled + i * Sector, Sector);
			break;
		}
		f->stablever[i] = f->version[i];
	}
	unpunch(f);
	settle(f, 0, f->room);
}

void
mempower(void)
{
	File *f;

	forget();
	for(f = drive->file; f < drive->file + Nfile; f++)
		powerfile(f);
	if(chance(2) == 0){
		drive->mark = drive->stablemark;
		memcpy(drive->marked, drive->stablemarked, sizeof drive->marked);
	}
	if(chance(2) == 0)
		drive->name = drive->stablename;
	drive->stablemark = drive->mark;
	memcpy(drive->stablemarked, drive->marked, sizeof drive->marked);
	drive->stablename = drive->name;
	if(drive->name != None)
		drive->file[drive->name].size = drive->file[drive->name].synced;
	opened = None;
	nameless = 0;
	drive->boot++;
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
	/* Not vwarnx: a static libc brings its own warnx along with it. */
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
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
