/*
 * The disk as its users see it: sectors of 512 bytes from 0 to bufsize.
 *
 * Requests are collected, and bufcommit begins them together.  What need not
 * wait for the disk is done at once: reads of cached pages are copied from the
 * mapped image, and writes go into the page cache, with neighbours joined into
 * one system call.  The rest is given to the engine.  A Run is one operation
 * for neighbouring requests, with the data in the requests' own space.  When
 * it ends, its requests are done.
 *
 * With -d or -w there is also a pool of blocks (cache.c).  The engine never
 * reads into it or writes from it.  Data that was read or written is copied
 * into it; data that is asked for, or dirty and to be written behind, is
 * copied out.  So a block is never busy and always up to date.
 *
 * 1. Overlapping requests of which one changes the disk take effect in the
 *    order they came.  Others don't wait for each other.  Requests under way
 *    are entered in the order, which counts for each how many others it must
 *    wait for.  A request is begun when the last of these has taken effect.
 *    Users' requests wait for those that came before.  Our own requests change
 *    nothing that a user can see: they wait for requests that have begun, and
 *    requests that have not begun wait for them.  So there is no deadlock, and
 *    our own requests never wait for one that is held.
 * 2. Every request's range lies within the disk as it was when the request
 *    came.  The caller has checked it.
 * 3. done is called exactly once for each request, with its error set.  After
 *    that the request is the caller's again.
 * 4. After a failed sync nobody knows which answered writes the disk has, and
 *    the system reports the failure only once.  From then on every write and
 *    flush fails until the target is restarted.
 * 5. A flush is done when a sync has succeeded that was started after it came;
 *    a stable write, when one has that was started after it was written.  One
 *    sync is under way at a time.  Requests that come meanwhile share the
 *    next.  With -w a flush first waits for the end of a pass that began after
 *    it came.
 * 6. The loop does not wait for the disk, with two exceptions that are kept
 *    rare: a page that the system has dropped since we last looked (see
 *    resident), and a write for which the page cache has no space, or the disk
 *    no time, or whose page the system is just reading (see took, locked,
 *    coming and push).
 * 7. When a write behind fails (-w) its sectors stay dirty.  Writes and
 *    flushes fail until a later pass has written everything.
 * 8. Valid sectors of the pool have the newest content.  A write or trim that
 *    goes to the disk changes the pool when it has taken effect.  Until then
 *    requests for its sectors wait (inv. 1).
 *
 * The way of a request, by the functions that it passes:
 *
 *	bufio		collected, in queue
 *	blocked		waiting for requests that it overlaps (Io.state)
 *	await		ready: it need not wait any longer
 *	hold		held until the image is frozen; unhold
 *	begin		a read: hot answers it from memory, startall reads it
 *			a write: behindtake puts it into the pool (-w), writeall into
 *			the page cache, startall gives it to the engine
 *			a flush: into tosync, with -w into toclean until a pass ends
 *	transferred	the engine has ended it; what failed is tried again alone
 *	readstep	the next part of a read or verify; readstepped ends it
 *	mend		a write that fills no whole blocks
 *	written		a write or trim has reached the system
 *	maprecord	its place is noted in the shadow's map; maprecorded ends it
 *	settled		written and recorded: done, or if stable put into tosync
 *	startsync	a sync covers it; synced ends it
 *	finish		done is called
 *
 * A piece of the pool that is written behind: behindwrite copies it (flying)
 * and writes it, behindwritten has it recorded if there is a shadow, and
 * behindland makes it clean, or dirty again.
 *
 * Nothing here knows of ATA, sockets or initiators.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Run	Run;
typedef struct List	List;
typedef struct Stream	Stream;
typedef struct Part	Part;
typedef struct Span	Span;
typedef struct Piece	Piece;

enum {
	Batch_us	= 1000,		/* for which a sync waits for more requests, at most */
	Stall_us	= 10000,	/* between checks whether the loop has waited for a page */
	Slow_us		= 1000000,	/* during which writes go to the engine, at first */
	Pushmin		= 8,		/* stable writes that the disk begins before their sync */
	Verifymax	= 128,		/* sectors of a verify read at a time */
	Owns		= 64,		/* our own requests under way */
	Ownsize		= 256 * 1024,	/* bytes of data of each */
	Streams		= 8,		/* sequential readers followed */
	Near		= 1024,		/* sectors between requests of one stream */
	Sequential	= 4,		/* requests after which a stream is read ahead */
	Head		= 512,		/* bytes of each page to prefetch as soon as a read comes */
	Aheadmin	= 128,		/* sectors to read ahead, at first */
	Aheadmax	= 4096,		/* and at most, in a pool that has room for it, */
	Cachemax	= 16384,	/* and in the page cache */
	Manypieces	= 64,		/* pieces looked at in one go, as a shadow may have cut them small */
	Cold_us		= 1000000,	/* readers are followed after one of what was not in memory */
	Sparse		= 4,		/* who asks for less than one in so many is not worth it */
	Lastpieces	= 16,		/* read ahead, which may not have come from the disk yet */
	Manychunks	= 64,		/* pieces of the map: too many to save in the loop */
	Saveretry_us	= 200000,	/* after a failure to save the map */
	Moves		= 12,		/* moves from the shadow to the image under way at a time */
	Moveretry_us	= 200000,	/* pause after a move that failed, */
	Moverest_us	= 10000000,	/* and after many such */
	Movesay_us	= 60000000,	/* between messages about them */
	Idle_us		= 20000,	/* after this time without a request the disk is idle */
	Share_us	= 2000,		/* time for moves while users want the disk, */
	Rest		= 2,		/* followed by this many times as much for users alone */
	Parts		= 4096,		/* ranges of all trims under way */
	Trims		= 16,		/* of these, ranges given to the engine */

	Stretch		= Ownsize / Sector,	/* sectors in a stretch of the disk */
	Stretches	= 256,		/* lists of requests under way; a power of two */

	/* Io.own */
	Ownfill		= 1,		/* moves data between the pool and the disk */
	Ownmove,			/* moves data from the shadow to the image */
};

#define Notbegun	(~0ULL)

/* Io.state, and the functions that set it. */
enum {
	Collected,		/* bufio: in queue */
	Waiting,		/* blocked, startall, await: for requests that it overlaps */
	Ready,			/* await: in ready */
	Held,			/* hold: in held, until the image is frozen */
	Running,		/* startbatch, mustwait, enlist: begun */
};

/* A queue of requests, linked by Io.link: first in, first out. */
struct List {
	Io	*first;
	Io	*last;
};

/* One operation of the engine for requests that follow each other on the disk. */
struct Run {
	Op	op;		/* first, so that our Op is a Run */
	Run	*next;
	struct iovec iov[Runmax];
	Io	*io[Runmax];
	int	n;
	int	niov;
	uvlong	lba;		/* of a write by mend: the first sector, */
	uint	nsec;		/* and how many; 0 otherwise */
	uint	edge;		/* of a write by mend: ends that need no more reading */
	void	(*done)(Run*, int);	/* it has ended, with an errno or 0 */
};

/* The blocks of the disk that a write lies in.  Lengths are in sectors. */
struct Span {
	uvlong	off;		/* where they begin in the file, in bytes */
	uint	all;		/* their total length */
	uint	head;		/* of that, before the write, */
	uint	tail;		/* and after it */
	uint	block;		/* one of them */
	int	edge[2];	/* the first block, or a different last one, must be read first */
};

/* Where a read finds its sectors: the next n of them are here. */
struct Piece {
	Home	h;
	uint	n;
};

/*
 * A range of a trim.  Each is a request of its own, so that requests for
 * sectors between them need not wait.
 */
struct Part {
	Io	io;		/* first, so that a range's Io is a Part */
	Io	*trim;
};

static uvlong first, nsec;	/* the export, in sectors of the image */
static int broken;		/* the errno of the sync that failed, or 0 (inv. 4) */

static Io *queue[Queuemax];	/* collected requests, in the order they came */
static int nqueue;
static List ready;		/* requests that need not wait any longer */

/* The order: requests under way, by the stretch of the disk that they lie in (inv. 1). */
static struct {
	Knot	*near[Stretches];	/* those within one stretch or two neighbouring ones */
	Knot	*wide;			/* the others */
	uint	n;			/* requests */
	uint	nchanges;		/* of these, those that change the disk, and our own */
} order;

static List held;		/* requests that wait until the image is frozen */
static uint nheld;		/* of them, writes */

static Run *runs;		/* one for each request, and one that has just ended */
static uint usedruns;		/* the others have never been used */
static uint nrequests;		/* how many may be under way */
static Run *freeruns;

static List tosync;		/* wait for the next sync (inv. 5) */
static List insync;		/* wait for the sync under way */
static int syncing;		/* a sync is under way, ours or a Jobsync's */
static Op syncop;
static struct {
	uint	waiting;	/* in tosync */
	uint	answering;	/* in insync */
	uint	due;		/* as many are expected to wait; 0: the next sync does not wait */
	uint	seen;		/* the value of waiting at the last check */
	uvlong	gap;		/* for which it waits for another, */
	uvlong	next;		/* that is until then, */
	uvlong	until;		/* and no longer than this for all */
	uint	dirty;		/* writes since the disk was last told to begin with them */
	int	others;		/* other data was written too since the last sync began, */
	int	under;		/* or before the sync under way did */
	Looks	looks;
} batch;

static int shadowed;		/* there is a shadow, so writes must be recorded */
static List torecord;		/* written, and yet to be recorded in the shadow's map */
static List inrecord;		/* being recorded by the save under way */
static Op saveop;
static int saving;
static uvlong saveretry;	/* when a failed save is tried again of itself */
static uvlong came;		/* users' requests so far */
static uvlong begun;		/* requests begun so far, and our own */
static uvlong asked;		/* users' reads and writes so far */
static Op jobop;
static Op freeop;
static int freeing;		/* space of a removed shadow is being freed */
static int freepause;		/* milliseconds until the next piece, or -1 */
static uvlong freedue;		/* when the next piece is due, or 0: all is free */
static int jobbing;		/* a job of freeze.c is under way: Jobapart or Jobsync */
static int closing;		/* begin no more requests of our own */
static uint inflight[Nfiles];	/* transfers and trims of each file that the engine has */

static uvlong pagesize;

static int stalled;		/* enginekick must be called again */

static uvlong now;		/* microseconds, like all times here */
static uvlong stalls;		/* diskstalls at the last check */
static uvlong sleeps;		/* disksleeps at the last check */
static uvlong slowtill;		/* until then writes go to the engine */
static uvlong slowfor;		/* the length of that time */
static uint changing;		/* writes and trims that the engine has */
static uvlong syncstart;	/* when the last sync began */
static int syncslow = 1;	/* the last sync was slow, or there was none */

/* Complaints. */

/*
 * Log an error of the disk, at a limited rate.  When the device has gone only
 * that is logged.
 */
static void
complain(const char *what, uvlong lba, int error)
{
	static Few few = { .period = 1 };

	stats.errors++;
	if(!diskgone() && maysay(&few, "errors of the disk"))
		warnx("%s at LBA %llu: %s", what, lba, strerror(error));
}

/* Lists. */

static void
put(List *l, Io *io)
{
	io->link = NULL;
	if(l->first == NULL)
		l->first = io;
	else
		l->last->link = io;
	l->last = io;
}

static Io*
get(List *l)
{
	Io *io = l->first;

	if(io != NULL)
		l->first = io->link;
	return io;
}

static void
awaitsync(Io *io)
{
	put(&tosync, io);
	batch.waiting++;
}

/* The order of requests (inv. 1). */

static int
changes(Io *io)
{
	return io->op == Owrite || io->op == Otrim;
}

/* Returns how many sectors of its block of the disk precede this one. */
static uint
lead(uvlong lba)
{
	return (uint)((first + lba) % (disk.block / Sector));
}

/*
 * Set the sectors that a request concerns.  If it changes them, it concerns
 * all sectors of their blocks, as whole blocks are written.
 */
static void
concern(Io *io, uvlong from, uvlong to)
{
	uint block = disk.block / Sector;

	if((changes(io) || io->own) && from < to){
		from -= from < lead(from) ? from : lead(from);
		to += (block - lead(to)) % block;
	}
	io->from = from;
	io->to = to;
}

static int
matters(Io *a)
{
	return changes(a) || a->own == Ownfill;
}

/*
 * Must b wait for a, if that comes before it?  A read need not read sectors that
 * are being read ahead.  Requests in one operation of the engine don't wait for
 * each other.
 */
static int
conflict(Io *a, Io *b)
{
	if((!matters(a) && !changes(b)) || (a->batch != 0 && a->batch == b->batch))
		return 0;
	return a->from < b->to && b->from < a->to;
}

/*
 * Does a take effect before b?  Requests that came in one turn can be begun in
 * any order if they don't overlap.
 */
static int
before(Io *a, Io *b)
{
	if(a->own || b->own || (a->began == Notbegun) != (b->began == Notbegun))
		return a->began < b->began;
	return a->came < b->came;
}

/* Must b wait for a? */
static int
precedes(Io *a, Io *b)
{
	return before(a, b) && conflict(a, b);
}

static int
iswide(Io *io)
{
	return io->to > io->from && (io->to - 1) / Stretch > io->from / Stretch + 1;
}

static uint
stretchof(uvlong lba)
{
	return (uint)(lba / Stretch) & (Stretches - 1);
}

static int
each1(Knot *k, Io *io, int all, int (*f)(Io*, Io*))
{
	Knot *next;
	int n = 0;

	for(; k != NULL; k = next){
		next = k->next;
		if(all || k == &k->io->knot[0])
			n += f(k->io, io);
	}
	return n;
}

/*
 * Call f for all requests in the order that may overlap io, and return the sum
 * of its results.  Two requests that both lie across the border of the same
 * two stretches meet twice.
 */
static int
each(Io *io, int (*f)(Io*, Io*))
{
	uint i;
	int n;

	if(order.n == 0 || io->from == io->to || (order.nchanges == 0 && !changes(io)))
		return 0;
	n = each1(order.wide, io, 1, f);
	if(iswide(io)){
		for(i = 0; i < Stretches; i++)
			n += each1(order.near[i], io, 0, f);
		return n;
	}
	n += each1(order.near[stretchof(io->from)], io, 1, f);
	if((io->to - 1) / Stretch != io->from / Stretch)
		n += each1(order.near[stretchof(io->to - 1)], io, 1, f);
	return n;
}

static void
knit(Knot **list, Knot *k, Io *io)
{
	*k = (Knot){ io, *list, list };
	if(k->next != NULL)
		k->next->prev = &k->next;
	*list = k;
}

static void
unknit(Knot *k)
{
	if(k->io == NULL)
		return;
	*k->prev = k->next;
	if(k->next != NULL)
		k->next->prev = k->prev;
	k->io = NULL;
}

/* If io and a conflict, make one wait for the other. */
static int
meet(Io *a, Io *io)
{
	if(precedes(a, io)){
		a->waiters++;
		io->blockers++;
	}else if(precedes(io, a)){
		io->waiters++;
		a->blockers++;
	}
	return 0;
}

/* Enter a request in the order.  Returns how many others it must wait for. */
static uint
enlist(Io *io)
{
	io->blockers = io->waiters = 0;
	io->knot[0].io = io->knot[1].io = NULL;
	io->began = io->own ? ++begun : Notbegun;
	each(io, meet);
	if(io->blockers == 0)
		io->began = ++begun;
	order.n++;
	order.nchanges += (uint)(changes(io) || io->own);
	io->ordered = 1;
	io->state = io->blockers > 0 ? Waiting : Running;
	if(io->from == io->to)
		return 0;
	if(iswide(io))
		knit(&order.wide, &io->knot[0], io);
	else{
		knit(&order.near[stretchof(io->from)], &io->knot[0], io);
		if((io->to - 1) / Stretch != io->from / Stretch)
			knit(&order.near[stretchof(io->to - 1)], &io->knot[1], io);
	}
	return io->blockers;
}

/*
 * Begin a request.  Returns 1 when it was only now entered in the order and
 * must wait.
 */
static int
mustwait(Io *io)
{
	if(!io->ordered)
		return enlist(io) > 0;
	io->began = ++begun;
	io->state = Running;
	return 0;
}

/* Make a request wait, or ready if there is nothing to wait for. */
static void
await(Io *io)
{
	io->state = Waiting;
	if(io->blockers > 0)
		return;
	io->state = Ready;
	put(&ready, io);
}

static int
release1(Io *a, Io *io)
{
	if(io->waiters == 0 || a->blockers == 0 || !precedes(io, a))
		return 0;
	io->waiters--;
	a->blockers--;
	if(a->state == Waiting)
		await(a);
	return 0;
}

/*
 * A request has taken effect or failed.  Requests that waited only for it
 * become ready.
 */
static void
delist(Io *io)
{
	if(!io->ordered)
		return;
	unknit(&io->knot[0]);
	unknit(&io->knot[1]);
	io->ordered = 0;
	if(io->waiters > 0)
		each(io, release1);
	order.n--;
	order.nchanges -= (uint)(changes(io) || io->own);
}

static void
finish(Io *io, int error)
{
	delist(io);
	io->error = error;
	io->done(io);
}

static void
readfailed(Io *io, uvlong lba, int error)
{
	io->badlba = lba;
	complain("read error", lba, error);
	finish(io, EIO);
}

/* Answer a read with the data in its own space. */
static void
deliver(Io *io)
{
	uchar *to;

	if(poolsize() > 0){
		poolget(io->space, first + io->lba, io->nsec);
		if(disk.direct)
			poolfill(io->space, first + io->lba, io->nsec, 0);
	}
	if((to = io->room(io)) != io->space)
		memcpy(to, io->space, io->nsec * Sector);
	finish(io, 0);
}

/*
 * Can all this be copied from the mapping without waiting?  If the system drops
 * one of the pages all the same, the copy waits for the disk, and then the
 * mapping is not used for a while (see forget).
 */
static int
resident(Piece *p, int n)
{
	size_t len;

	for(; n > 0; p++, n--){
		len = p->n * Sector;
		/* A request from before the image shrank may lie beyond its end. */
		if(!windowhas(p->h.file, p->h.off, len))
			return 0;
		/* If a page can't be read after all, leave the error to the engine. */
		if(disktouch(p->h.file, p->h.off, len) < 0){
			windowclose();
			return 0;
		}
	}
	return 1;
}

/* Check from time to time whether the loop has waited for a page. */
static void
forget(void)
{
	static uvlong looked;
	uvlong s;

	windowtime(now);
	if(now - looked < Stall_us)
		return;
	looked = now;
	sleeps = disksleeps();
	s = diskstalls();
	if(s != stalls)
		windowclose();
	stalls = s;
}

/*
 * Prefetch what will be copied for a read into the processor's cache, at most
 * most bytes of each page.  First the heads of all pages of a batch are
 * prefetched, as translating their addresses takes longest; then each request
 * as a whole, while the one before it is copied.
 */
static void
fetch(Io *io, uvlong most)
{
	uvlong at, end, n;
	Home h;

	if(io->op != Oread || (most > Head && io->nsec <= Head / Sector))
		return;		/* nothing to copy, or all of it prefetched already */
	if(poolsize() > 0 && most > Head)
		poolfetch(first + io->lba, io->nsec);
	n = freezemap(io->lba, io->nsec, &h);
	at = h.off;
	end = at + n * Sector;
	if(end > windowsize(h.file))
		return;
	for(; at < end; at += n){
		n = pagesize - at % pagesize;
		if(n > end - at)
			n = end - at;
		diskprefetch(h.file, at, (size_t)(n < most ? n : most));
	}
}

/* Syncs (inv. 5). */

/* A write has reached the system and is recorded. */
static void
settled(Io *io)
{
	if(!io->stable || broken){
		batch.others |= io->op == Owrite;
		finish(io, broken);	/* inv. 4 */
		return;
	}
	delist(io);
	awaitsync(io);
	batch.dirty += io->op == Owrite;
}

/*
 * A write or trim has reached the system.  If there is a shadow it must be
 * recorded, and until then requests for these sectors wait (inv. 1).
 */
static void
written(Io *io)
{
	if(poolsize() > 0 && io->op == Owrite)
		poolwritten(io->data, first + io->lba, io->nsec, disk.direct);
	if(!shadowed){
		settled(io);
		return;
	}
	if(!io->ordered)
		enlist(io);
	put(&torecord, io);
}

static void
breaks(int error)
{
	if(error == 0 || broken != 0)
		return;
	broken = error;
	stats.errors++;
	if(!diskgone())
		warnx("can't sync the disk: %s: no write or flush succeeds from here on, "
			"as writes since the last sync may be lost", strerror(broken));
}

/*
 * Initiators whose writes a sync has answered mostly send the next ones at
 * once.  A sync that began with the first of these would leave the others to
 * the sync after it, and each would do half of the work.  So the next sync
 * waits until as many requests are there as were under way, for each of them
 * no longer than a quarter of the time that the last one took, and not where
 * they mostly don't come.
 */
static void
expectmore(void)
{
	uvlong t = microseconds();

	batch.due = batch.answering + batch.waiting;
	if(batch.due == 1 || !worthlooking(&batch.looks))
		batch.due = 0;
	batch.seen = batch.waiting;
	batch.gap = (t - syncstart) / 4;
	batch.next = t + batch.gap;
	batch.until = t + Batch_us;
}

static int
expected(void)
{
	uvlong t;

	if(batch.waiting >= batch.due || closing)
		return 0;
	t = microseconds();
	if(batch.waiting != batch.seen)
		batch.next = t + batch.gap;
	batch.seen = batch.waiting;
	return t < batch.next && t < batch.until;
}

static void
synced(Op *o)
{
	Io *io;

	int error = shadowed ? freezesynced(o->error) : o->error;

	syncing = batch.under = 0;
	expectmore();
	syncslow = microseconds() - syncstart >= SLOW_MS * 1000ULL;
	if(error != Unanswered){
		breaks(error);
		error = broken;
	}
	while((io = get(&insync)) != NULL)
		finish(io, error);
}

/*
 * Returns the milliseconds after which the shadow needs a sync even if nobody
 * asks for one, or -1.  None can begin while its map is being saved.
 */
static int
syncwait(void)
{
	return shadowed && !syncing && !saving && !broken && !closing ? freezewait() : -1;
}

/*
 * Begin a sync if one is wanted.  Returns 1 when there is no memory for it
 * now.
 */
static int
startsync(void)
{
	Io *io;

	/* Another sync would succeed, as the system reports lost writes only once. */
	while(broken && !syncing && (io = get(&tosync)) != NULL){
		batch.waiting--;
		finish(io, broken);
	}
	if(syncing || ((tosync.first == NULL || expected()) && syncwait() != 0))
		return 0;
	if(shadowed && freezesnap() < 0)
		return 1;
	if(batch.due > 0)
		looked(&batch.looks, batch.waiting >= batch.due - batch.due / 4);
	insync = tosync;
	tosync = (List){ 0 };
	batch.answering = batch.waiting;
	batch.waiting = batch.due = batch.dirty = 0;
	batch.under = batch.others;
	batch.others = 0;
	syncing = 1;
	syncstart = now;
	syncop = (Op){ .op = shadowed ? Owork : Oflush, .work = freezesync, .done = synced };
	enginestart(&syncop);
	return 0;
}

/* Runs. */

static void mend(Run*);

static Run*
newrun(Io **q, int n)
{
	Run *r = freeruns;
	int i;

	if(r != NULL)
		freeruns = r->next;
	else
		r = &runs[usedruns++];
	for(i = 0; i < n; i++){
		r->io[i] = q[i];
		r->iov[i] = (struct iovec){ q[i]->op == Owrite ? q[i]->data : q[i]->space,
			q[i]->nsec * Sector };
	}
	r->n = r->niov = n;
	r->nsec = 0;
	stats.joined += (uint)n - 1;
	return r;
}

/* Does the operation change the file, or is it part of a write by mend? */
static uint
alters(Run *r)
{
	return r->op.op != Oread || r->nsec > 0;
}

static void
launch(Run *r)
{
	changing += alters(r);
	inflight[r->op.file]++;
	enginestart(&r->op);
}

static void
runended(Op *o)
{
	Run *r = (Run*)o;

	changing -= alters(r);
	inflight[o->file]--;
	if(o->error == 0 && o->op == Oread && r->nsec > 0){
		r->edge++;
		mend(r);
		return;
	}
	r->done(r, o->error);
	r->next = freeruns;
	freeruns = r;
}

static void
startrun(Run *r, int op, Home h, void (*done)(Run*, int))
{
	r->op = (Op){ .op = op, .file = h.file, .iov = r->iov, .niov = r->niov, .off = h.off,
		.done = runended };
	r->done = done;
	stats.transfers++;
	launch(r);
}

static void
runtrim(Io *io, void (*done)(Run*, int))
{
	Run *r = newrun(&io, 1);

	r->op = (Op){ .op = Otrim, .file = io->file, .off = freezeplace(io->lba, io->file),
		.len = (uvlong)io->nsec * Sector, .done = runended };
	r->done = done;
	launch(r);
}

/*
 * Requests of several steps: a verify, a read from two files, a write behind,
 * and a read that has failed.  A step that fails is repeated in single sectors
 * to find the bad ones.
 */

/* Returns how many sectors the next step may have, at most most. */
static uint
steplen(Io *io, uint most)
{
	uint left = io->nsec - io->progress;

	return io->progress < io->careful ? 1 : left < most ? left : most;
}

/*
 * A step has ended: go on after it, or with its first sector if it failed.
 * Returns the error of a single sector, or 0.
 */
static int
stepped(Io *io, int error)
{
	if(error != 0 && io->step > 1){
		io->careful = io->progress + io->step;
		return 0;
	}
	io->progress += io->step;
	return error;
}

static void readstepped(Run*, int);

static void
readstep(Io *io)
{
	static _Alignas(4096) uchar sink[Verifymax * Sector];
	Run *r = newrun(&io, 1);
	Home h;

	io->step = freezemap(io->lba + io->progress, steplen(io, Verifymax), &h);
	r->iov[0] = (struct iovec){ io->op == Oread ? io->space + io->progress * Sector : sink,
		io->step * Sector };
	startrun(r, Oread, h, readstepped);
}

static void
readstepped(Run *r, int error)
{
	Io *io = r->io[0];
	uvlong lba = io->lba + io->progress;

	if((error = stepped(io, error)) != 0)
		readfailed(io, lba, error);
	else if(io->progress < io->nsec)
		readstep(io);
	else if(io->op == Oread)
		deliver(io);
	else
		finish(io, 0);
}

/*
 * Work out the blocks that a run's write lies in.  At the end of a file whose
 * last block is not whole, the write is done without its block.
 */
static Span
span(Run *r)
{
	uint block = disk.block / Sector, head = lead(r->lba);
	uint all = (head + r->nsec + block - 1) / block * block, tail = all - head - r->nsec;
	uvlong off = freezeplace(r->lba, r->io[0]->file);

	if(r->io[0]->file == Image && off + (all - head) * Sector > disk.size)
		return (Span){ .off = off, .all = r->nsec, .block = 1 };
	return (Span){ .off = off - head * Sector, .head = head, .tail = tail, .all = all,
		.block = block,
		.edge = { head > 0 || (all == block && tail > 0), all > block && tail > 0 } };
}

/*
 * Returns where a request keeps the present content of the first block (0) or
 * the last block (1) that it writes in part.
 */
static uchar*
edge(Io *io, int last)
{
	return io->space + (io->own ? Ownsize + Edges : Spacesize) - (2 - last) * Blockmax;
}

/*
 * Write the whole span: the data in the space of the run's first request,
 * completed with the present content of the blocks at its ends.
 */
static void
writespan(Run *r, Span *s)
{
	Io *io = r->io[0];
	uchar *behind = edge(io, s->edge[1]) + (s->block - s->tail) * Sector;

	if(s->head > 0)
		memcpy(io->space, edge(io, 0), s->head * Sector);
	if(s->tail > 0)
		memcpy(io->space + (s->head + r->nsec) * Sector, behind, s->tail * Sector);
	r->iov[0] = (struct iovec){ s->block == 1 ? io->data : io->space, s->all * Sector };
	startrun(r, Owrite, (Home){ io->file, s->off }, r->done);
}

/*
 * Go on with a write that may fill its blocks only in part: read the block at
 * one end or the other, or write.  No other request changes these blocks
 * meanwhile (see concern).
 */
static void
mend(Run *r)
{
	Span s = span(r);
	Home h = { r->io[0]->file, s.off };

	for(; r->edge < 2; r->edge++){
		if(!s.edge[r->edge])
			continue;
		if(r->edge == 1)
			h.off += (s.all - s.block) * Sector;
		r->iov[0] = (struct iovec){ edge(r->io[0], (int)r->edge), disk.block };
		startrun(r, Oread, h, r->done);
		return;
	}
	writespan(r, &s);
}

static void
startmend(Io **q, int n, uvlong lba, uint count, void (*done)(Run*, int))
{
	Run *r = newrun(q, n);

	r->niov = 1;
	r->lba = lba;
	r->nsec = count;
	r->edge = 0;
	r->done = done;
	mend(r);
}

/* Copy the data of writes that follow each other to the space of the first. */
static uint
gather(Io **q, int n)
{
	uint total = q[0]->nsec;
	int i;

	for(i = 1; i < n; i++){
		memcpy(q[0]->data + total * Sector, q[i]->data, q[i]->nsec * Sector);
		total += q[i]->nsec;
	}
	return total;
}

/* Are these all whole blocks of the disk? */
static int
allwhole(Io **q, int n)
{
	int i;

	for(i = 0; i < n && lead(q[i]->lba) == 0 && q[i]->nsec % (disk.block / Sector) == 0; i++)
		;
	return i == n;
}

static void transferred(Run*, int);

/*
 * Give n requests that follow each other on the disk to the engine.  Those in
 * the same file go into one operation.
 */
static void
startio(Io **q, int n)
{
	uint got, total = 0;
	Home h;
	int i;

	for(; n > 0; q += i, n -= i, total = 0){
		for(i = 0; i < n; i++)
			total += q[i]->nsec;
		if(q[0]->op == Oread)
			got = freezemap(q[0]->lba, total, &h);
		else{
			got = total;
			h.file = freezehome();
			h.off = freezeplace(q[0]->lba, h.file);
		}
		for(i = 0; i < n && q[i]->nsec <= got; i++){
			q[i]->file = h.file;
			got -= q[i]->nsec;
		}
		if(q[0]->op == Owrite && !allwhole(q, n)){
			for(i = 0; i < n; i++)
				q[i]->file = h.file;
			startmend(q, n, q[0]->lba, gather(q, n), transferred);
		}else if(i > 0)
			startrun(newrun(q, i), q[0]->op, h, transferred);
		else{
			readstep(q[0]);
			i = 1;
		}
	}
}

/*
 * Copy a write's data, which is lent only for the turn in which the write
 * came, to its own space.
 */
static void
keep(Io *io)
{
	uchar *to;

	if(io->op != Owrite)
		return;		/* others may have no space */
	to = io->space + lead(io->lba) * Sector;
	if(io->data == to)
		return;
	memcpy(to, io->data, io->nsec * Sector);
	io->data = to;
}

/* A write or trim has failed for good. */
static void
changefailed(Io *io, const char *what, int error)
{
	if(io->file == Shadow)
		error = freezefull(error);
	if(error != Unanswered)
		complain(what, io->lba, error);
	finish(io, error);
}

/* A write or trim has failed: who knows what of it was done. */
static void
distrust(Io *io)
{
	if(io->file == Shadow)
		freezefilled(io->lba, io->nsec);
	if(poolsize() > 0)
		pooldistrust(first + io->lba, io->nsec);
}

/*
 * A write has failed.  If it was joined to others, it begins anew alone.
 * These may be parts of the same block, so they wait for each other.
 */
static void
writefailed(Io *io, int joined, int error)
{
	distrust(io);
	if(!joined){
		changefailed(io, "write error", error);
		return;
	}
	keep(io);
	delist(io);
	io->batch = 0;
	io->careful = io->nsec;
	enlist(io);
	io->began = Notbegun;
	await(io);
}

/* Reads or writes have ended. */
static void
transferred(Run *r, int error)
{
	size_t end = 0;
	Io *io;
	int i;

	for(i = 0; i < r->n; i++){
		io = r->io[i];
		end += io->nsec * Sector;
		if(error == 0 || (r->n > 1 && r->nsec == 0 && end <= r->op.moved)){
			if(io->op == Oread)
				deliver(io);
			else
				written(io);
		}else if(io->op == Owrite)
			writefailed(io, r->n > 1, error);
		else{
			io->careful = r->n > 1 ? 0 : io->nsec;
			readstep(io);
		}
	}
}

/*
 * Begin n requests that follow each other on the disk, and that need not wait,
 * as one batch.  Parts of a block of the disk are written together.
 */
static void
startbatch(Io **q, int n)
{
	static uint batches;
	int i;

	if(n == 0)
		return;
	if(++batches == 0)
		batches++;
	for(i = 0; i < n; i++){
		q[i]->batch = batches;
		if(!q[i]->ordered)
			enlist(q[i]);
		q[i]->began = ++begun;
		q[i]->state = Running;
	}
	startio(q, n);
}

/*
 * Give n requests that follow each other on the disk to the engine, except
 * those that must now wait for a request of our own.
 */
static void
startall(Io **q, int n)
{
	uint total = 0, most = (Spacesize - 2 * Blockmax) / Sector;
	int i, m = 0;

	for(i = 0; i < n; i++){
		keep(q[i]);
		if(m > 0 && q[i]->op == Owrite && disk.block > Sector
		&& lead(q[i-m]->lba) + total + q[i]->nsec > most){
			startbatch(q + i - m, m);
			m = 0;
		}
		if(!q[i]->ordered && each(q[i], precedes) > 0){
			startbatch(q + i - m, m);
			enlist(q[i]);
			m = 0;
			continue;
		}
		total = m > 0 ? total + q[i]->nsec : q[i]->nsec;
		m++;
	}
	startbatch(q + n - m, m);
}

static void
collect(Io *io)
{
	if(nqueue == Queuemax)
		bufcommit();
	queue[nqueue++] = io;
}

/* Our own requests: reading ahead, writing behind, and merging. */

/*
 * They are entered in the order like others and have their own space.  A
 * request that the pool can serve need not wait for them (see blocks).
 */
static Io owns[Owns];
static Io *freeowns;		/* linked by Io.link, the last used first */
static uint nfreeowns;

/* Merging. */
static struct {
	uint	n;		/* moves under way */
	uint	size;		/* sectors of a move, at most */
	uvlong	began;		/* when the present share of the disk's time began, or 0 */
	uint	done;		/* moves ended since then */
	uvlong	due;		/* when the next share begins */
	uvlong	pause;		/* additional time until then, after a move that failed */
	uvlong	retry;		/* the pause after the next move that fails */
	uvlong	quiet;		/* failed moves are not logged until then */
	uvlong	asked;		/* the value of asked at the last check */
	uvlong	busytill;	/* users are assumed to want the disk until then */
} mover;

/* Returns a request of our own.  The caller has seen that one is free. */
static Io*
newown(int op, int own, uvlong lba, uint n)
{
	Io *io = freeowns;

	freeowns = io->link;
	nfreeowns--;
	*io = (Io){ .op = op, .own = own, .lba = lba, .nsec = n, .space = io->space,
		.data = io->space + lead(lba) * Sector };
	concern(io, lba, lba + n);
	return io;
}

static void
freeown(Io *io)
{
	delist(io);
	io->link = freeowns;
	freeowns = io;
	nfreeowns++;
}

static int
initowns(void)
{
	uchar *space;
	uint i;

	if(owns[0].space != NULL)
		return 0;
	space = aligned_alloc(4096, Owns * (Ownsize + Edges));
	if(space == NULL)
		return -1;
	for(i = 0; i < Owns; i++){
		owns[i].space = space + i * (Ownsize + Edges);
		freeown(&owns[i]);
	}
	return 0;
}

static void
aheaddone(Run *r, int error)
{
	Io *io = r->io[0];

	if(error == 0)
		poolfill(io->space, first + io->lba, io->nsec, 1);
	freeown(io);
}

/*
 * Reading ahead, with -d into the pool, otherwise into the page cache.  A stream
 * is the place that a sequential reader has reached.  The requests of one batch
 * come out of order, so a request near a stream belongs to it.  The distance
 * read ahead doubles as long as the reader asks for most of what he passes, and
 * the data in the pool is used.
 */
struct Stream {
	uvlong	next;		/* the sector after the last one asked for */
	uvlong	upto;		/* the sector after the last one read ahead */
	uint	seen;		/* requests that continued the stream */
	uint	window;		/* sectors to read ahead */
	uvlong	at;		/* next when the window was last looked at, */
	uint	asked;		/* and the sectors asked for since then */
	int	cold;		/* the last of what was read ahead was not in memory */
	uint	used;		/* when it was last used, in requests */
};

static Stream streams[Streams];

static Stream*
stream(Io *io)
{
	Stream *s, *old = streams;

	for(s = streams; s < streams + Streams; s++){
		if(io->lba <= s->next + Near && io->lba + Near >= s->next && s->used != 0)
			return s;
		if((int)(s->used - old->used) < 0)
			old = s;
	}
	*old = (Stream){ .next = io->lba, .at = io->lba };
	return old;
}

/*
 * Begin to read n sectors ahead into the pool.  Returns 0 when they would have to
 * wait, which reading ahead is not worth.
 */
static int
aheadpool(uvlong lba, uint n, Home h)
{
	Io *io = newown(Oread, Ownfill, lba, n);

	if(each(io, conflict) > 0){
		freeown(io);
		return 0;
	}
	enlist(io);
	startrun(newrun(&io, 1), Oread, h, aheaddone);
	return 1;
}

/*
 * Reading ahead into the page cache, by a thread of the engine.  A piece is not
 * begun before the thread is done with the last one, so that the disk gets them
 * in order.  It is as long as the distance allows: with a short one the reader
 * has caught up before the thread begins.
 */
static struct {
	Op	op;
	int	busy;
	uvlong	until;		/* readers are followed until then */
	uint	n;		/* pieces that were begun; the last of them: */
	struct {
		uvlong	from;
		uvlong	to;
	}last[Lastpieces];
} cacheahead;

static void
cachework(Op *o)
{
	diskahead(o->file, o->off, o->len);
	o->error = 0;
}

static void
cachedone(Op *o)
{
	(void)o;
	cacheahead.busy = 0;
}

static void
aheadcache(uint n, Home h)
{
	uvlong len = (uvlong)n * Sector;
	uint i = cacheahead.n++ % Lastpieces;

	cacheahead.last[i].from = h.off;
	cacheahead.last[i].to = h.off + len;
	cacheahead.busy = 1;
	cacheahead.op = (Op){ .op = Owork, .file = h.file, .off = h.off, .len = len,
		.work = cachework, .done = cachedone };
	enginestart(&cacheahead.op);
}

/*
 * May pages that a write of len bytes changes still be on their way from the
 * disk, as they were read ahead?  Then it would wait for them.
 */
static int
coming(Home h, uvlong len)
{
	uint i;

	for(i = 0; i < Lastpieces; i++)
		if(h.off < cacheahead.last[i].to && h.off + len > cacheahead.last[i].from)
			return h.file == Image && !windowhas(h.file, h.off, (size_t)len);
	return 0;
}

/* Need these sectors not be read ahead?  A shadow's file may go at any time. */
static int
aheadhas(uvlong lba, uint n, Home h)
{
	if(disk.direct)
		return poolhas(first + lba, n);
	return h.file != Image || windowhas(h.file, h.off, n * Sector);
}

/* Can reading ahead begin?  Half of our own requests are for writing behind. */
static int
aheadfree(void)
{
	return !closing && (disk.direct ? nfreeowns > Owns / 2 : !cacheahead.busy);
}

/* Returns how many sectors to read ahead at most. */
static uint
aheadmost(void)
{
	uint n = poolsize() / (4 * Streams);

	return !disk.direct ? Cachemax : n < Aheadmax ? n : Aheadmax;
}

static void
aheadstart(Stream *s)
{
	uint n, pieces = 0;
	uvlong lba;
	Home h;

	if(s->upto < s->next)
		s->upto = s->next;
	if(s->cold && s->upto > s->next && windowused())
		cacheahead.until = now + Cold_us;
	if((s->upto >= s->next + s->window / 2 && s->window > 0) || !aheadfree())
		return;
	/* For one who leaves out most of it the disk would read for nothing. */
	if(!disk.direct && Sparse * (uvlong)s->asked < s->next - s->at){
		s->asked = s->window = 0;
		s->at = s->next;
		return;
	}
	if(s->window == 0)
		s->window = Aheadmin;
	else if(s->window < aheadmost() && poolpays())
		s->window *= 2;
	s->asked = 0;
	s->at = s->next;
	while(s->upto < s->next + s->window && s->upto < nsec && aheadfree() && pieces++ < Manypieces){
		n = s->window < Ownsize / Sector ? s->window : Ownsize / Sector;
		if(!disk.direct)
			n = (uint)(s->next + s->window - s->upto);
		if(n > nsec - s->upto)
			n = (uint)(nsec - s->upto);
		n = freezemap(s->upto, n, &h);
		lba = s->upto;
		s->upto += n;
		s->cold = !aheadhas(lba, n, h);
		if(!s->cold)
			continue;
		if(!disk.direct)
			aheadcache(n, h);
		else if(!aheadpool(lba, n, h))
			return;
	}
}

/* A read has come: see whether it continues a stream. */
static void
follow(Io *io)
{
	Stream *s = stream(io);

	s->used = (uint)asked | 1;
	s->asked += io->nsec;
	if(io->lba + io->nsec <= s->next)
		return;
	s->next = io->lba + io->nsec;
	if(++s->seen >= Sequential)
		aheadstart(s);
}

/*
 * Writing behind (-w).  Dirty blocks are written in passes.  Each pass covers
 * all blocks that were dirty when it began, in the order of the disk.  A pass
 * begins when half of the pool is dirty, when a sector has been dirty for
 * FLUSH_MS, and when a flush or a freeze waits for it.
 */
static struct {
	uint	flying;		/* writes under way */
	uint	no;		/* the number of passes begun */
	int	running;
	int	error;		/* the error of this pass, or 0 */
} pass;

static int behind;		/* -w */
static uvlong flushdue;		/* when the next pass is due */
static uint firstpass;		/* the pass that a freeze waits for */
static int lost;		/* the error of the last pass, or 0 */
static List toclean;		/* flushes that wait for the end of their Io.pass */

static void behindwritten(Run*, int);

/*
 * Write the next piece of a write behind that is still dirty, or end it: other
 * requests may have written or trimmed there since it was found.  It is copied
 * only now, when the write need not wait any longer; an earlier copy could be
 * outdated.
 */
static void
behindwrite(Io *io)
{
	uvlong lba;

	io->progress += poolclean(first + io->lba + io->progress, io->nsec - io->progress);
	lba = io->lba + io->progress;
	io->data = io->space + lead(lba) * Sector;
	io->step = poollift(io->data, first + lba, steplen(io, io->nsec));
	if(io->step == 0){
		freeown(io);
		pass.flying--;
		return;
	}
	io->file = freezehome();
	startmend(&io, 1, lba, io->step, behindwritten);
}

/*
 * A piece was written, and recorded if there is a shadow, or it has failed.
 * With Unanswered the shadow has no space, and a later pass tries again.
 */
static void
behindland(Io *io, int error)
{
	uvlong lba = io->lba + io->progress;

	/* Without -d the page cache has the data now, so the pool need not. */
	poollanded(first + lba, io->step, error == 0, disk.direct);
	if(error == Unanswered){
		pass.error = error;
		io->progress += io->step;
	}else if((error = stepped(io, error)) != 0){
		pass.error = error;
		complain("write error", lba, error);
	}
	behindwrite(io);
}

static void
behindwritten(Run *r, int error)
{
	Io *io = r->io[0];

	if(error == 0 && shadowed)
		put(&torecord, io);
	else
		behindland(io, io->file == Shadow ? freezefull(error) : error);
}

/* Start as many writes of the pass as possible. */
static void
behindpump(void)
{
	uvlong s;
	uint n;
	Io *io;

	while(nfreeowns > 0 && (n = poolnext(Ownsize / Sector, &s)) > 0){
		io = newown(Owrite, Ownfill, s - first, n);
		pass.flying++;
		if(enlist(io) == 0)
			behindwrite(io);
	}
}

static void
passbegin(void)
{
	pass.no++;
	pass.flying = 0;
	pass.error = 0;
	pass.running = 1;
	poolpass();
}

/*
 * End the pass when its last write has ended.  If a write failed, answered
 * data is not on the disk: writes and flushes fail until a later pass has
 * written all of it.
 */
static void
passend(void)
{
	List all = toclean;
	Io *io;

	if(!pass.running || !poolpassed() || pass.flying > 0)
		return;
	pass.running = 0;
	flushdue = now + FLUSH_MS * 1000ULL;
	if(pass.error != 0 && pass.error != Unanswered && lost == 0 && !diskgone())
		warnx("answered writes can't be written: %s: "
			"no write or flush succeeds until they are", strerror(pass.error));
	if(pass.error == 0 && lost != 0 && lost != Unanswered)
		warnx("all answered writes have reached the disk");
	lost = pass.error;
	if(lost != 0)
		freezecancel();
	toclean = (List){ 0 };
	while((io = get(&all)) != NULL)
		if(io->pass > pass.no)
			put(&toclean, io);
		else if(lost != 0)
			finish(io, lost);
		else
			awaitsync(io);
}

/*
 * Does a freeze wait for a pass?  It waits for one before it stops writes, so
 * that the one after that is short.
 */
static int
mustpass(void)
{
	int s = freezestate();

	return s == Fstopping || (s == Fpreparing && pass.no < firstpass);
}

/* Go on with a pass, or begin one when it is due. */
static void
passes(void)
{
	if(pass.running){
		behindpump();
		passend();
	}
	if(!pass.running && (toclean.first != NULL || (poolcrowded() && lost == 0)
	|| (pooldirty() > 0 && mustpass())
	|| ((pooldirty() > 0 || lost != 0) && now >= flushdue))){
		passbegin();
		behindpump();
		passend();
	}
}

/* Is a freeze being prepared? */
static int
preparing(void)
{
	int s = freezestate();

	return s == Fpreparing || s == Fmaking;
}

/*
 * Shall this write go into the pool to be written behind?  Not while a freeze
 * is being prepared, or the pool would become dirty as fast as it is written.
 */
static int
isbehind(Io *io)
{
	return behind && !io->stable && !preparing();
}

/* Put a write into the pool and answer it.  Returns 0 when the pool is full. */
static int
behindtake(Io *io)
{
	int clean = pooldirty() == 0;

	if(!poolput(io->data, first + io->lba, io->nsec))
		return 0;
	if(clean)
		flushdue = now + FLUSH_MS * 1000ULL;
	finish(io, 0);
	return 1;
}

/* Trims. */

static struct {
	Part	part[Parts];
	List	free;
	uint	nfree;
	List	waiting;	/* waiting for earlier ranges */
	uint	n;		/* ranges given to the engine */
} trims;

static void trimended(Run*, int);

static void
trimstart(void)
{
	Io *io;

	while(trims.n < Trims && (io = get(&trims.waiting)) != NULL){
		trims.n++;
		runtrim(io, trimended);
	}
}

static void
trimended(Run *r, int error)
{
	Io *io = r->io[0];

	trims.n--;
	windowforget();		/* the holes' pages are not in memory */
	if(error == 0){
		if(poolsize() > 0)
			pooldrop(first + io->lba, io->nsec);
		written(io);
	}else{
		distrust(io);
		changefailed(io, "trim error", error);
	}
	trimstart();
}

static void
trim(Io *io)
{
	io->file = freezehome();
	put(&trims.waiting, io);
	trimstart();
}

/* A range of a trim has ended, or all have been begun. */
static void
trimdone(Io *trim)
{
	if(--trim->parts > 0)
		return;
	if(trim->error != 0)
		finish(trim, trim->error);
	else
		settled(trim);
}

/*
 * A range has been trimmed or has failed.  The others are trimmed all the
 * same.  If one is Unanswered, so is the trim.
 */
static void
trimpartdone(Io *io)
{
	Io *trim = ((Part*)io)->trim;

	if(io->error != 0 && trim->error != Unanswered)
		trim->error = io->error;
	put(&trims.free, io);
	trims.nfree++;
	trimdone(trim);
}

static void
trimsplit(Io *trim)
{
	Range *g;
	Io *io;

	if(trims.nfree < (uint)trim->nrange){
		stats.dropped++;
		finish(trim, Unanswered);
		return;
	}
	trim->parts = 1;	/* one more, until all have been begun */
	for(g = trim->range; g < trim->range + trim->nrange; g++){
		io = get(&trims.free);
		trims.nfree--;
		trim->parts++;
		came++;
		*(Part*)io = (Part){
			.io = { .op = Otrim, .lba = g->lba, .nsec = g->nsec, .done = trimpartdone,
				.came = came, .began = Notbegun },
			.trim = trim,
		};
		concern(io, io->lba, io->lba + io->nsec);
		collect(io);
	}
	trimdone(trim);
}

/* Beginning requests. */

/* Find a read's sectors.  Returns how many pieces they lie in. */
static int
locate(Io *io, Piece *p)
{
	uint done;
	int n = 0;

	for(done = 0; done < io->nsec; done += p[n++].n)
		p[n].n = freezemap(io->lba + done, io->nsec - done, &p[n].h);
	return n;
}

/*
 * Copy a read from the mapping.  The file may have been truncated since its
 * pages were touched.
 */
static void
copyout(Io *io, Piece *p, int n)
{
	uchar *to = io->room(io);
	uint done = 0;
	int i;

	for(i = 0; i < n; done += p[i++].n)
		if(diskcopy(to + done * Sector, p[i].h.file, p[i].h.off, p[i].n * Sector) < 0){
			windowclose();
			readfailed(io, io->lba + done, EIO);
			return;
		}
	if(poolsize() > 0)
		poolget(to, first + io->lba, io->nsec);
	finish(io, 0);
}

/*
 * Read from the page cache by system calls.  Returns 0 when not all of it is
 * there.
 */
static int
tryread(Io *io, Piece *p, int n)
{
	uchar *to = io->space;
	size_t len;
	int i;

	if(windowused())
		return 0;
	for(i = 0; i < n; i++, to += len){
		len = p[i].n * Sector;
		if(disktry(to, len, p[i].h.file, p[i].h.off) != len)
			return 0;
	}
	return 1;
}

/* Answer a read from memory.  Returns 0 when not all of it is there. */
static int
hot(Io *io)
{
	Piece p[Spacesize / Sector];
	int n;

	if(poolsize() > 0 && poolhas(first + io->lba, io->nsec)){
		poolget(io->room(io), first + io->lba, io->nsec);
		finish(io, 0);
		stats.hits++;
		return 1;
	}
	n = locate(io, p);
	if(resident(p, n))
		copyout(io, p, n);
	else if(tryread(io, p, n))
		deliver(io);
	else
		return 0;
	stats.hits++;
	return 1;
}

/* Begin reads that follow each other on the disk.  Some may be in memory. */
static void
readall(Io **q, int n)
{
	int i, cold = 0;

	for(i = 0; i < n; i++){
		if(disk.direct ? poolsize() > 0 : now < cacheahead.until)
			follow(q[i]);
		if(i + 1 < n)
			fetch(q[i+1], pagesize);
		if(!hot(q[i])){
			cacheahead.until = now + Cold_us;
			cold++;
			continue;
		}
		startall(q + i - cold, cold);
		cold = 0;
	}
	startall(q + n - cold, cold);
}

/*
 * Does a write of len bytes change part of a page that is not in memory?  Then
 * the system would read the page first, and the write would wait for the disk.
 */
static int
partial(Home h, uvlong len)
{
	uvlong end = h.off + len;

	if(end >= windowsize(h.file))
		return h.off % pagesize != 0 || end % pagesize != 0;
	return (h.off % pagesize != 0 && !windowpage(h.file, h.off))
		|| (end % pagesize != 0 && !windowpage(h.file, end));
}

/*
 * Judge a write into the page cache by its start and end.  If it had to wait,
 * the page cache is full of data that is not on the disk yet, and writes go to
 * the engine for a while.
 */
static void
took(uvlong start, uvlong end)
{
	uvlong was = sleeps;

	if(end - start >= SLOW_MS * 1000ULL){
		sleeps = disksleeps();
		if(sleeps == was)
			return;		/* not the disk's fault: we waited for a processor */
		slowfor = slowfor == 0 ? Slow_us : slowfor < 16 * Slow_us ? 2 * slowfor : slowfor;
		slowtill = end + slowfor;
	}else if(now > slowtill + slowfor)
		slowfor = 0;
}

/* Is a slow sync under way? */
static int
slowsync(void)
{
	return syncing && (syncslow || now - syncstart >= SLOW_MS * 1000ULL);
}

/*
 * May a write wait in the system for an operation of the engine?  Writes and
 * trims lock the file; a sync does so only sometimes.
 */
static int
locked(void)
{
	return changing > 0 || slowsync();
}

/* Must writes wait, as the image is about to be frozen? */
static int
stopped(void)
{
	int s = freezestate();

	return s == Fstopping || s == Fcommitting;
}

/*
 * Hold a request until the image is frozen.  It stays in the order.  At most
 * half of the requests may be held writes; the rest is left for reads.
 */
static void
hold(Io *io)
{
	if(io->op == Owrite && nheld >= nrequests / 2){
		finish(io, Unanswered);
		return;
	}
	keep(io);
	if(!io->ordered)
		enlist(io);
	io->began = Notbegun;
	io->state = Held;
	put(&held, io);
	nheld += io->op == Owrite;
}

/*
 * Returns how many of n writes, from the first on, there is space for.  Dirty
 * sectors take precedence, as they have been answered.  Writes under way
 * aren't counted.
 */
static int
admitted(Io **q, int n)
{
	int i;

	if(freezestate() == Fnone)
		return n;
	for(i = 0; i < n && freezefits(q[i]->lba, q[i]->nsec, pooldirty()); i++)
		;
	return i;
}

/*
 * Have the disk begin with stable writes in the page cache while others still
 * come, so that their sync finds it mostly done.  This may have to wait where
 * the disk is slow, or the page cache has more for it than these, so there it is
 * left to the sync.
 */
static void
push(int file)
{
	uvlong t;

	if(batch.dirty < Pushmin || batch.others || batch.under || behind || shadowed
	|| syncslow || slowsync())
		return;
	batch.dirty = 0;
	t = microseconds();
	diskpush(file);
	took(t, microseconds());
}

static void
writeall(Io **q, int n)
{
	struct iovec iov[Runmax];
	size_t got, end = 0;
	uvlong t, len;
	Home h;
	int i, error;

	if(stopped()){
		for(i = 0; i < n; i++)
			hold(q[i]);
		return;
	}
	if(behind && !preparing()){
		for(i = 0; i < n; i++)
			if(q[i]->stable || !behindtake(q[i]))
				startall(q + i, 1);
		return;
	}
	h.file = freezehome();
	h.off = freezeplace(q[0]->lba, h.file);
	len = (q[n-1]->lba + q[n-1]->nsec - q[0]->lba) * Sector;
	if(disk.direct || now < slowtill || locked() || partial(h, len) || coming(h, len)){
		startall(q, n);
		return;
	}
	for(i = 0; i < n; i++){
		iov[i] = (struct iovec){ q[i]->data, q[i]->nsec * Sector };
		q[i]->file = h.file;
	}
	stats.joined += (uint)n - 1;
	stats.transfers++;
	t = microseconds();
	got = diskwrite(h.file, iov, n, h.off);
	error = errno;
	took(t, microseconds());
	for(i = 0; i < n; i++){
		end += q[i]->nsec * Sector;
		if(end <= got)
			written(q[i]);
		else
			writefailed(q[i], n > 1, error);
	}
	push(h.file);
}

/* Returns the errno with which a request must fail now (inv. 4 and 7), or 0. */
static int
refusal(Io *io)
{
	if(diskgone())
		return ENODEV;
	if(broken && (changes(io) || (io->op == Oflush && !behind)))
		return broken;
	return changes(io) ? lost : 0;
}

/*
 * Begin n requests of one kind.  Reads and writes follow each other on the
 * disk; of others n is 1.
 */
static void
begin(Io **q, int n)
{
	Io *io = q[0];
	int m, error;

	if(io->own){
		behindwrite(io);
		return;
	}
	/* Things may have changed while it waited. */
	error = refusal(io);
	for(m = 0; error != 0 && m < n; m++)
		finish(q[m], error);
	while(error == 0 && n > 0 && io->op != Oflush && q[n-1]->lba + q[n-1]->nsec > nsec)
		finish(q[--n], ERANGE);
	if(error != 0 || n == 0)
		return;
	switch(io->op){
	case Oread:
		readall(q, n);
		break;
	case Owrite:
		for(; n > 0; q += m, n -= m){
			m = admitted(q, n);
			if(m > 0)
				writeall(q, m);
			else{
				finish(q[0], Unanswered);
				m = 1;
			}
		}
		break;
	case Overify:
		if(mustwait(io))
			break;
		readstep(io);
		break;
	case Otrim:
		if(stopped())
			hold(io);
		else if(freezestate() == Fheld)
			finish(io, Unanswered);
		else if(!mustwait(io))
			trim(io);
		break;
	case Oflush:
		if(!behind){
			awaitsync(io);
			break;
		}
		io->pass = pass.no + 1;
		put(&toclean, io);
		break;
	}
}

/*
 * Can the request be done in the pool?  Then it need not wait for reading
 * ahead and writing behind, as the pool has newer data.
 */
static int
poolonly(Io *io)
{
	if(io->op == Oread)
		return poolsize() > 0 && poolhas(first + io->lba, io->nsec);
	return io->op == Owrite && isbehind(io);
}

static int
blocks(Io *a, Io *io)
{
	return precedes(a, io) && (!a->own || !poolonly(io));
}

/*
 * Must the request wait for one that is under way?  If so it is entered in the
 * order.  A request that will be held is entered by hold.
 */
static int
blocked(Io *io)
{
	if((changes(io) && stopped()) || each(io, blocks) == 0)
		return 0;
	keep(io);
	enlist(io);
	return 1;
}

/*
 * Returns how many of the n requests, from the first on, may be reordered
 * (inv. 1).
 */
static int
untilfence(Io **q, int n)
{
	int i, j, any = 0;

	for(i = 0; i < n; i++){
		any |= changes(q[i]);
		for(j = 0; any && j < i; j++)
			if((changes(q[i]) || changes(q[j]))
			&& q[i]->lba < q[j]->lba + q[j]->nsec && q[j]->lba < q[i]->lba + q[i]->nsec)
				return i;
	}
	return n;
}

static int
later(Io *a, Io *b)
{
	if(a->op != b->op)
		return a->op > b->op;
	return a->lba > b->lba;
}

/* Insertion sort: the requests are few and mostly in order already. */
static void
sort(Io **q, int n)
{
	Io *io;
	int i, j;

	for(i = 1; i < n; i++){
		io = q[i];
		for(j = i; j > 0 && later(q[j-1], io); j--)
			q[j] = q[j-1];
		q[j] = io;
	}
}

static int
neighbours(Io *a, Io *b)
{
	return (a->op == Oread || a->op == Owrite) && a->op == b->op
		&& !(a->careful || b->careful || a->own || b->own) && a->lba + a->nsec == b->lba;
}

/* Begin n requests that may be reordered and need not wait. */
static void
beginsorted(Io **q, int n)
{
	int i, m;

	sort(q, n);
	for(i = 0; i < n; i += m){
		for(m = 1; i + m < n && m < Runmax && neighbours(q[i+m-1], q[i+m]); m++)
			;
		if(i + m < n)
			fetch(q[i+m], pagesize);
		begin(q + i, m);
	}
}

/* Begin n requests that may be reordered, except those that must wait. */
static void
beginall(Io **q, int n)
{
	int i, m = 0;

	for(i = 0; i < n; i++)
		if(!blocked(q[i]))
			q[m++] = q[i];
	beginsorted(q, m);
}

/* The shadow. */

static void moved(Io*, int);

/* A request's sectors have been recorded in the map, or that failed. */
static void
maprecorded(Io *io, int error)
{
	if(io->own == Ownmove)
		moved(io, error);
	else if(io->own)
		behindland(io, error);
	else if(error != 0)
		finish(io, error);
	else
		settled(io);
}

static void
mapwork(Op *o)
{
	o->error = freezesave(1) < 0 ? errno : 0;
}

static void
mapsaved(Op *o)
{
	List all = inrecord;
	int error = o->error != 0 ? freezefull(o->error) : 0;
	Io *io;

	saving = 0;
	saveretry = now + Saveretry_us;
	if(error != 0 && error != Unanswered)
		warnx("the shadow's map can't be written: %s", strerror(error));
	inrecord = (List){ 0 };
	while((io = get(&all)) != NULL)
		maprecorded(io, error);
}

/* Note in the map where written or trimmed sectors are. */
static int
noteio(Io *io)
{
	if(io->own == Ownfill)
		return freezenote(io->lba + io->progress, io->step, io->file, 0);
	return freezenote(io->lba, io->nsec, io->file, io->op == Otrim);
}

/*
 * Record all that was written since the last time.  The map goes into the page
 * cache even with -d, as it need only survive our process.  It is stored
 * through a mapping if there is one; otherwise it is written at once, or by
 * the engine if that could wait.
 */
static void
maprecord(void)
{
	List all = torecord;
	int left;
	uvlong t;
	Io *io;

	if(saving)
		return;
	/* A sync that is wanted goes before what has failed once: no sync begins meanwhile. */
	if(all.first == NULL
	&& (freezeunsaved() == 0 || now < saveretry || (tosync.first != NULL && !syncing)))
		return;
	torecord = (List){ 0 };
	while((io = get(&all)) != NULL)
		if(noteio(io) < 0)
			maprecorded(io, Unanswered);
		else
			put(&inrecord, io);
	saveop = (Op){ .op = Owork, .work = mapwork, .done = mapsaved };
	left = freezeunsaved();
	if(left > 0 && left <= Manychunks && now >= slowtill && !slowsync()){
		t = microseconds();
		left = freezesave(0);
		if(left > 0 && !disk.direct && changing == 0){
			mapwork(&saveop);
			left = 0;
		}
		took(t, microseconds());
	}
	if(left > 0){
		saving = 1;
		enginestart(&saveop);
	}else
		mapsaved(&saveop);
}

/*
 * A move has ended.  One that failed is tried again later with fewer sectors,
 * so that a bad sector keeps no others from being moved.
 */
static void
moved(Io *io, int error)
{
	mover.n--;
	mover.done++;
	if(error == 0){
		mover.size = mover.size < Ownsize / Sector / 2 ? mover.size * 2 : Ownsize / Sector;
		mover.retry = Moveretry_us;
	}else{
		mover.size = mover.size > 8 ? mover.size / 8 : 1;
		mover.pause = mover.retry;
		mover.retry = mover.retry < Moverest_us / 2 ? 2 * mover.retry : Moverest_us;
	}
	freeown(io);
}

/*
 * The disk has failed a move.  A full disk may do so for long, so these
 * messages are rare.
 */
static void
movefailed(Io *io, const char *what, int error)
{
	if(now >= mover.quiet){
		mover.quiet = now + Movesay_us;
		complain(what, io->lba, error);
	}else
		stats.errors++;
	moved(io, error);
}

static void
movewritten(Run *r, int error)
{
	if(r->op.op == Otrim)
		windowforget();
	if(error == 0)
		put(&torecord, r->io[0]);
	else
		movefailed(r->io[0], "merge: write error", error);
}

static void
moveread(Run *r, int error)
{
	Io *io = r->io[0];

	if(error == 0)
		startmend(&io, 1, io->lba, io->nsec, movewritten);
	else
		movefailed(io, "merge: read error", error);
}

/* Does this request change these sectors, or is it our own? */
static int
inway(Io *a, Io *io)
{
	return (changes(a) || a->own) && a->from < io->to && io->from < a->to;
}

/*
 * Begin to move the next sectors.  Returns 0 when there are none or they are
 * in use.
 */
static int
movenext(void)
{
	uvlong lba;
	int hole;
	uint n = freezenext(mover.size, &lba, &hole);
	Run *r;
	Io *io;

	if(n == 0)
		return 0;
	io = newown(Overify, Ownmove, lba, n);
	io->file = Image;
	if(each(io, inway) > 0){
		freeown(io);
		return 0;
	}
	mover.n++;
	enlist(io);
	if(hole){
		runtrim(io, movewritten);
		return 1;
	}
	r = newrun(&io, 1);
	r->iov[0].iov_base = io->data;
	startrun(r, Oread, (Home){ Shadow, freezeplace(lba, Shadow) }, moveread);
	return 1;
}

/*
 * Merge.  While no user wants the disk this is as fast as the disk; otherwise
 * it gets a share of the time.  In each share the number of moves under way
 * grows as long as moves end, so a slow disk gets one at a time.  When all
 * sectors to be moved are in use, it waits for the length of a share.
 */
static void
merge(void)
{
	uvlong rest, t = microseconds();
	uint most = Moves;

	if(asked != mover.asked){
		mover.asked = asked;
		mover.busytill = t + Idle_us;
	}
	if(closing || broken || t < mover.due)
		return;
	if(mover.began == 0){
		mover.began = t;
		mover.done = 0;
	}
	if(mover.pause > 0 || (t < mover.busytill && t - mover.began >= Share_us))
		most = 0;
	else if(t < mover.busytill && mover.done < Moves)
		most = mover.done + 1;
	while(mover.n < most && nfreeowns > Owns / 4 && movenext())
		;
	if(mover.n == 0){
		rest = t >= mover.busytill ? Idle_us : mover.done == 0 ? Share_us
			: Rest * (t - mover.began);
		mover.due = t + mover.pause + rest;
		mover.began = mover.pause = 0;
	}
	freezetick();
}

/* Has everything ended that must end before freeze.c's next job? */
static int
quiet(void)
{
	int s = freezestate();

	if(s == Fpreparing)
		return !pass.running && (pooldirty() == 0 || pass.no >= firstpass);
	if(s == Fstopping)
		return changing == 0 && !pass.running && pooldirty() == 0;
	return inflight[Shadow] == 0 && mover.n == 0 && !saving && torecord.first == NULL;
}

/* The state of freezing has changed. */
static void
statechanged(void)
{
	int s = freezestate();

	shadowed = s == Ffrozen || s == Fthawing || s == Fmerging || s == Fending;
	windowopen(Shadow, shadowed ? freezesize() : 0);
	if(s == Fpreparing)
		firstpass = pass.no + 1;
	if(stopped())
		return;
	mover.size = Ownsize / Sector;
	mover.retry = Moveretry_us;
	mover.due = mover.began = mover.quiet = 0;
}

static void
freework(Op *o)
{
	freepause = shadowfree();
	o->error = 0;
}

static void
freedone(Op *o)
{
	(void)o;
	freeing = 0;
	/* Meanwhile another shadow may have been removed. */
	if(freepause >= 0)
		freedue = now + (uint)freepause * 1000ULL;
}

/*
 * Free space of a removed shadow when it is due.  Nothing waits for this, and
 * it occupies a thread of the engine only briefly.
 */
static void
freespace(void)
{
	if(freeing || freedue == 0 || now < freedue || closing)
		return;
	freeing = 1;
	freedue = 0;
	freeop = (Op){ .op = Owork, .work = freework, .done = freedone };
	enginestart(&freeop);
}

static void
jobdone(Op *o)
{
	int s = freezestate();

	if(jobbing == Jobsync)
		syncing = 0;
	jobbing = 0;
	breaks(freezejobdone(o));
	statechanged();
	if(s == Fremoving)
		freedue = now;
}

/* Go on with a freeze or a merge as far as possible now. */
static void
freezing(void)
{
	if(freezestate() == Fnone)
		return;
	if(freezestate() == Fmerging)
		merge();
	if(broken)
		freezecancel();		/* or held writes would stay held for ever */
	if(jobbing || (broken && freezestate() != Fcancelling)
	|| (jobbing = freezejob(&jobop, quiet(), syncing)) == 0)
		return;
	jobop.done = jobdone;
	if(jobbing == Jobsync){
		syncing = 1;
		syncstart = now;
	}
	enginestart(&jobop);
}

char*
buffreeze(int on)
{
	char *e;

	if(broken || (lost && lost != Unanswered))
		return "the disk has lost writes";
	e = on ? freeze() : unfreeze();
	if(e == NULL)
		statechanged();
	return e;
}

char*
bufshadow(char *path, uvlong mib, int readonly)
{
	char *e;

	if(path != NULL && initowns() < 0)
		return "no memory for merging";
	e = freezeinit(path, mib, readonly);
	if(e == NULL)
		statechanged();
	return e;
}

void
bufclose(void)
{
	closing = 1;
}

/*
 * Begin jobs of freezing and syncs.  A sync must wait for a map that is being
 * saved.  Returns 1 when there is no memory for it now.
 */
static int
barrier(void)
{
	freezing();
	return saving ? 0 : startsync();
}

/* Begin the ready requests, neighbours together. */
static void
beginready(void)
{
	Io *io, *q[Queuemax];
	int n;

	do{
		for(n = 0; n < Queuemax && (io = get(&ready)) != NULL; )
			if(io->blockers > 0)
				io->state = Waiting;	/* our own request has begun before it */
			else
				q[n++] = io;
		beginsorted(q, n);
	}while(n > 0);
}

/*
 * Begin held requests, only a few at a time so that others need not wait for
 * them.
 */
static void
unhold(void)
{
	Io *io;
	int i;

	for(i = 0; i < Runmax && !stopped() && (io = get(&held)) != NULL; i++){
		nheld -= io->op == Owrite;
		await(io);
	}
	beginready();
}

void
bufcommit(void)
{
	Io **q = queue;
	int fence;

	now = microseconds();
	forget();
	unhold();
	for(; nqueue > 0; q += fence, nqueue -= fence){
		fence = untilfence(q, nqueue);
		beginall(q, fence);
	}
	do{
		beginready();
		if(torecord.first != NULL)
			barrier();	/* before the map changes again */
		maprecord();
	}while(ready.first != NULL);
	if(behind)
		passes();
	stalled = barrier();
	freespace();
	stalled |= enginekick() || (held.first != NULL && !stopped());
}

static int
sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Returns the milliseconds until then. */
static int
until(uvlong then)
{
	uvlong t = microseconds();

	return t >= then ? 0 : (int)((then - t + 999) / 1000);
}

static int
nextstep(void)
{
	int ms = -1;

	if(pass.running)
		ms = pass.flying > 0 ? -1 : 0;
	else if(toclean.first != NULL)
		ms = 0;
	else if(pooldirty() > 0 || lost != 0)
		ms = until(flushdue);
	if(!saving && freezeunsaved() > 0)
		ms = sooner(ms, until(saveretry));
	if(freedue != 0 && !freeing && !closing)
		ms = sooner(ms, until(freedue));
	if(freezestate() == Fmerging && mover.n == 0 && !broken && !closing)
		ms = sooner(ms, until(mover.due));
	return ms;
}

int
bufwait(void)
{
	/* A sync that waits for more requests begins in the first turn in which it need not. */
	if(tosync.first != NULL && batch.due > 0 && !syncing && !saving && !stalled)
		return 0;
	/* What is due may have failed for lack of memory. */
	return stalled ? 1 : sooner(nextstep(), syncwait());
}

static void
account(Io *io)
{
	switch(io->op){
	case Oread:
		asked++;
		poolclock();
		stats.reads++;
		stats.readsec += io->nsec;
		break;
	case Owrite:
		asked++;
		poolclock();
		stats.writes++;
		stats.writesec += io->nsec;
		break;
	case Otrim:
		stats.trims++;
		break;
	case Oflush:
		stats.flushes++;
		break;
	}
}

void
bufio(Io *io)
{
	int error;

	io->error = 0;
	io->ordered = io->own = 0;
	io->batch = io->progress = io->careful = 0;
	io->state = Collected;
	io->came = ++came;
	io->began = Notbegun;
	account(io);
	fetch(io, Head);
	error = refusal(io);
	if(error != 0)
		finish(io, error);
	else if(io->op == Otrim)
		trimsplit(io);
	else{
		if(io->op == Oflush)
			io->lba = io->nsec = 0;
		concern(io, io->lba, io->lba + io->nsec);
		collect(io);
	}
}

int
bufbusy(void)
{
	return nqueue > 0 || order.n > 0 || toclean.first != NULL || tosync.first != NULL || syncing
		|| jobbing;
}

/* The disk's size and shape. */

int
bufrequests(uint n)
{
	uint i;

	freeruns = NULL;
	usedruns = 0;
	memset(&batch, 0, sizeof batch);
	memset(streams, 0, sizeof streams);
	memset(cacheahead.last, 0, sizeof cacheahead.last);
	syncslow = 1;
	slowtill = slowfor = 0;
	if(n != nrequests){
		free(runs);
		nrequests = 0;
		if((runs = calloc(n + Owns + Trims + 1, sizeof *runs)) == NULL)
			return -1;
		nrequests = n;
	}
	if(trims.nfree == 0)
		for(i = 0; i < Parts; i++, trims.nfree++)
			put(&trims.free, &trims.part[i].io);
	return 0;
}

int
bufpool(uint mib, int writebehind)
{
	if(poolinit(mib) < 0 || initowns() < 0)
		return -1;
	behind = writebehind;
	return 0;
}

int
bufinit(uvlong offset, uvlong length)
{
	uvlong all = disk.size / Sector;

	if(all > Maxlba)
		all = Maxlba;
	if(offset >= all || length > all - offset)
		return -1;
	if(poolsize() > 0 && offset == first && all - offset < nsec){
		warnx("the disk has become smaller: "
			"what was not written behind its end is lost");
		pooldrop(all, nsec - (all - offset));
	}
	first = offset;
	nsec = length > 0 ? length : all - offset;
	freezeexport(first, nsec);
	pagesize = (uvlong)sysconf(_SC_PAGESIZE);
	windowopen(Image, disk.size);
	return 0;
}

uvlong
bufsize(void)
{
	return nsec;
}

void
bufalign(uint *off, uint *size)
{
	*size = disk.physical / Sector;
	*off = (uint)(first % *size);
}

int
bufrotation(void)
{
	return disk.rotation;
}
