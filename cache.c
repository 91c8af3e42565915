/*
 * What is in memory: the pool's blocks, and what is known of the page cache.
 *
 * The pool is memory of our own for blocks of the image: with -d, where the
 * page cache is out of the way, and with -w, where a write is answered when
 * it is here.  It moves no data to or from the disk; it is filled from what
 * has been read or written, and says what must be written.
 *
 * Whether a page of a mapped file is in the page cache is asked of the
 * system, for many pages at a time, and believed for RESIDENT_MS.
 *
 * 1. A sector of a block is valid when we have its newest content, dirty
 *    when the disk has not, and flying while a copy of it is being written.
 * 2. A block with dirty or flying sectors keeps its place in the pool.
 * 3. What is said of a page is a hint: it may have left the page cache
 *    since.  Whoever copies from it must be able to wait, or to fail.
 *
 * Sectors are those of the image, whatever part of it is exported.  Nothing
 * here does I/O or waits, and nothing knows of requests, of freezing or of
 * the engine.
 *
 * What leaves the pool is decided by S3-FIFO: a new block goes into a small
 * queue, and from there into the main one only if it has been used again by
 * the time it has passed; so one sequential pass over the disk, whose
 * blocks are used once, goes through the small queue and leaves the main
 * one as it is.  A block that left unused and is soon wanted again was
 * judged wrongly and goes to the main queue at once.  Two queues in the
 * order of arrival need no moving on a hit, which is why it is not LRU.
 *
 * When every block is in use, a new one costs a copy, and hardly pays for it
 * where requests are scattered over a disk that is far larger.  So of the
 * blocks that the disk has moved for a request only one in Sample becomes
 * new.  Which ones is as good as drawn by lot, and drawn anew with each
 * Epoch; so a block that is wanted again and again gets in soon.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Region	Region;
typedef struct Window	Window;
typedef struct Block	Block;
typedef struct Queue	Queue;
typedef struct Piece	Piece;

enum {
	Blocksec	= 16,		/* sectors of a block */
	Blocksize	= Blocksec * Sector,
	Pagesec		= 8,		/* sectors of a page, of which a block has two */
	Maxfreq		= 3,
	Evicttries	= 256,		/* blocks looked at for one that may go */
	Sample		= 4,
	Epoch		= 256,		/* requests, more than those for one block that belong together */
	Passblocks	= 4096,		/* dirty blocks that a pass sorts together */
	Passlooks	= 32768,	/* blocks that it looks at in one go */
	Judged		= 1024,		/* blocks read ahead by which reading ahead is judged */
	Doubted		= 128,		/* of them, unused ones that prove nothing */

	Pages		= 512,		/* of a Region */
	Lookahead		= 64,		/* pages looked at together */
};

struct Block {
	uvlong	no;		/* the block's number in the image */
	ushort	valid;		/* a bit for each sector */
	ushort	dirty;
	ushort	flying;
	uchar	freq;		/* uses since it came or was last spared */
	uchar	ahead;		/* was read ahead and not used yet */
	uint	used;		/* when that was, in requests */
	uchar	*data;
	Block	*hash;		/* next of those with the same hash */
	Block	*next;		/* next in its queue, the older first */
};

struct Queue {
	Block	*first, *last;
	uint	n;
};

static struct {
	uint	n;		/* blocks; 0 without a pool */
	Block	*block;
	Block	**hash;
	uint	mask;		/* of the hash table and of ghost */
	uvlong	*ghost;		/* numbers of blocks that left the small queue unused, plus 1 */
	Block	*spare;		/* not in use */
	Queue	small, main;
	uint	clock;		/* requests */
	uint	dirty;		/* blocks with dirty sectors, */
	uint	dirtypages;	/* and pages */
	uint	useful, wasted;	/* blocks read ahead lately that were used, and that were not */
} pool;

/* A pass over the dirty blocks, for whoever writes behind. */
static struct {
	Block	*list[Passblocks];	/* dirty blocks, in the order of the disk */
	uint	n;
	uint	next, bit;		/* the next of them, and the sector in it */
	uint	looked;			/* blocks of the pool that it has come past */
} pass;

/* What we know of pages that lie together: which were in memory at tick. */
struct Region {
	uint	tick;
	uint	looks;			/* how often we have asked in this tick */
	uint64_t page[Pages / 64];
};

/* A file, as far as it is mapped. */
struct Window {
	uvlong	len;		/* bytes; 0: it isn't */
	uvlong	asked;		/* bytes that it was asked to have */
	Region	*regions;
};

static Window windows[Nfiles];
static uvlong pagesize;
static uvlong now;		/* microseconds */
static uint tick = 1;		/* counts the times that all regions were forgotten */
static uvlong ticked;		/* when that was last */
static uvlong nowindow;		/* the mapping is not used until then */

/* The pool. */

static uint
hashof(uvlong no)
{
	return (uint)(no * 0x9e3779b97f4a7c15ULL >> 32) & pool.mask;
}

static Block*
find(uvlong no)
{
	Block *b;

	for(b = pool.hash[hashof(no)]; b != NULL && b->no != no; b = b->hash)
		;
	return b;
}

static void
enqueue(Queue *q, Block *b)
{
	b->next = NULL;
	if(q->first == NULL)
		q->first = b;
	else
		q->last->next = b;
	q->last = b;
	q->n++;
}

static Block*
dequeue(Queue *q)
{
	Block *b = q->first;

	q->first = b->next;
	q->n--;
	return b;
}

static void
unhash(Block *b)
{
	Block **p;

	for(p = &pool.hash[hashof(b->no)]; *p != b; p = &(*p)->hash)
		;
	*p = b->hash;
}

/*
 * A block that was read ahead has been used, or has left unused.
 */
static void
judge(Block *b, int useful)
{
	if(!b->ahead)
		return;
	b->ahead = 0;
	if(useful){
		pool.useful++;
		stats.aheadused++;
	}else{
		pool.wasted++;
		stats.aheadunused++;
	}
	if(pool.useful + pool.wasted >= Judged){
		pool.useful /= 2;
		pool.wasted /= 2;
	}
}

/*
 * Take the block that is missed least out of its queue.  Returns NULL when
 * too many are dirty or on their way to the disk.
 */
static Block*
evict(void)
{
	Block *b;
	uint tries;

	for(tries = 0; tries < Evicttries; tries++){
		if(pool.main.n == 0 || pool.small.n > pool.n / 10){
			b = dequeue(&pool.small);
			if(b->freq > 0 || b->dirty || b->flying){
				enqueue(b->freq > 0 ? &pool.main : &pool.small, b);
				b->freq = 0;
				continue;
			}
			pool.ghost[hashof(b->no)] = b->no + 1;
		}else{
			b = dequeue(&pool.main);
			if(b->freq > 0 || b->dirty || b->flying){
				if(b->freq > 0)
					b->freq--;
				enqueue(&pool.main, b);
				continue;
			}
		}
		unhash(b);
		judge(b, 0);
		return b;
	}
	return NULL;
}

/*
 * The block with this number, new and empty if we had none.  Returns NULL
 * when there is no room.
 */
static Block*
claim(uvlong no)
{
	Block *b = find(no);
	uint h = hashof(no);

	if(b != NULL)
		return b;
	if((b = pool.spare) != NULL)
		pool.spare = b->next;
	else if((b = evict()) == NULL)
		return NULL;
	b->no = no;
	b->valid = b->dirty = b->flying = 0;
	b->freq = b->ahead = 0;
	b->used = pool.clock;
	b->hash = pool.hash[h];
	pool.hash[h] = b;
	enqueue(pool.ghost[h] == no + 1 ? &pool.main : &pool.small, b);
	return b;
}

/*
 * Is a block that the disk has read or written for a request to have room
 * here?
 */
static int
welcome(uvlong no)
{
	uvlong x = no ^ (uvlong)(pool.clock / Epoch) << 40;

	if(pool.spare != NULL || pool.ghost[hashof(no)] == no + 1 || find(no) != NULL)
		return 1;
	/* Mixed well, as requests that come in a rhythm must not keep time with it. */
	x *= 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	return (x >> 32) % Sample == 0;
}

/*
 * A block is used.  Uses that follow each other closely are one: requests
 * smaller than a block, and those that lie across two.  What was read ahead
 * is used for the first time, not again.
 */
static void
use(Block *b)
{
	if(b->ahead)
		judge(b, 1);
	else if(pool.clock - b->used > Queuemax && b->freq < Maxfreq)
		b->freq++;
	b->used = pool.clock;
}

/*
 * Of a block's sectors, in how many of its pages are these?
 */
static uint
pagesof(uint bits)
{
	return (uint)(bits >> Pagesec != 0) + (uint)((bits & ((1U << Pagesec) - 1)) != 0);
}

static void
setdirty(Block *b, uint dirty)
{
	pool.dirty += (uint)(dirty != 0) - (uint)(b->dirty != 0);
	pool.dirtypages += pagesof(dirty) - pagesof(b->dirty);
	b->dirty = (ushort)dirty;
}

/*
 * A run of sectors, block by block: the piece of the run that lies in the
 * block it begins in.
 */
struct Piece {
	uvlong	no;
	uint	at;		/* sectors into the block */
	uint	n;		/* sectors */
	uint	bits;
};

static Piece
piece(uvlong s, uint n)
{
	Piece p = { s / Blocksec, (uint)(s % Blocksec), n, 0 };

	if(p.n > Blocksec - p.at)
		p.n = Blocksec - p.at;
	p.bits = ((1U << p.n) - 1) << p.at;
	return p;
}

int
poolhas(uvlong s, uint n)
{
	Block *b;
	Piece p;

	for(; n > 0; s += p.n, n -= p.n){
		p = piece(s, n);
		b = find(p.no);
		if(b == NULL || (b->valid & p.bits) != p.bits)
			return 0;
	}
	return 1;
}

void
poolget(uchar *to, uvlong s, uint n)
{
	Block *b;
	Piece p;
	uint i;

	for(; n > 0; to += p.n * Sector, s += p.n, n -= p.n){
		p = piece(s, n);
		b = find(p.no);
		if(b == NULL)
			continue;
		use(b);
		if((b->valid & p.bits) == p.bits){
			memcpy(to, b->data + p.at * Sector, p.n * Sector);
			continue;
		}
		for(i = 0; i < p.n; i++)
			if(b->valid >> (p.at + i) & 1)
				memcpy(to + i * Sector, b->data + (p.at + i) * Sector, Sector);
	}
}

void
poolfill(uchar *from, uvlong s, uint n, int ahead)
{
	Block *b;
	Piece p;
	uint i;

	for(; n > 0; from += p.n * Sector, s += p.n, n -= p.n){
		p = piece(s, n);
		if(!ahead && !welcome(p.no))
			continue;
		b = claim(p.no);
		if(b == NULL)
			return;
		if(b->valid == 0)
			b->ahead = (uchar)ahead;
		for(i = 0; i < p.n; i++)
			if(!(b->valid >> (p.at + i) & 1))
				memcpy(b->data + (p.at + i) * Sector, from + i * Sector, Sector);
		b->valid |= (ushort)p.bits;
	}
}

void
poolwritten(uchar *from, uvlong s, uint n, int keep)
{
	Block *b;
	Piece p;

	for(; n > 0; from += p.n * Sector, s += p.n, n -= p.n){
		p = piece(s, n);
		b = keep && welcome(p.no) ? claim(p.no) : find(p.no);
		if(b == NULL)
			continue;
		memcpy(b->data + p.at * Sector, from, p.n * Sector);
		b->valid |= (ushort)p.bits;
		setdirty(b, b->dirty & ~p.bits);
	}
}

void
pooldistrust(uvlong s, uint n)
{
	Block *b;
	Piece p;

	for(; n > 0; s += p.n, n -= p.n){
		p = piece(s, n);
		if((b = find(p.no)) != NULL)
			b->valid &= (ushort)(~p.bits | (uint)b->dirty);
	}
}

void
pooldrop(uvlong s, uvlong n)
{
	uvlong from = s, to = s + n;
	uint i, bits;
	Block *b;
	Piece p;

	if(n / Blocksec < pool.n){
		for(; n > 0; s += p.n, n -= p.n){
			p = piece(s, n < Blocksec ? (uint)n : Blocksec);
			if((b = find(p.no)) != NULL){
				b->valid &= (ushort)~p.bits;
				setdirty(b, b->dirty & ~p.bits);
			}
		}
		return;
	}
	for(b = pool.block; b < pool.block + pool.n; b++)
		for(i = 0; i < Blocksec; i++){
			bits = 1U << i;
			if((b->valid & bits) && b->no * Blocksec + i >= from && b->no * Blocksec + i < to){
				b->valid &= (ushort)~bits;
				setdirty(b, b->dirty & ~bits);
			}
		}
}

void
poolfetch(uvlong s, uint n)
{
	Block *b;
	Piece p;
	uint i;

	for(; n > 0; s += p.n, n -= p.n){
		p = piece(s, n);
		if((b = find(p.no)) == NULL)
			return;
		for(i = 0; i < p.n * Sector; i += 64)
			__builtin_prefetch(b->data + p.at * Sector + i, 0, 2);
	}
}

/*
 * Have blocks for all of these sectors.  When nearly all are dirty, one
 * may have to go for the next.
 */
static int
haveroom(uvlong s, uint n)
{
	uvlong at;
	uint m;
	Piece p;

	for(at = s, m = n; m > 0; at += p.n, m -= p.n){
		p = piece(at, m);
		if(claim(p.no) == NULL)
			return 0;
	}
	for(at = s, m = n; m > 0; at += p.n, m -= p.n){
		p = piece(at, m);
		if(find(p.no) == NULL)
			return 0;
	}
	return 1;
}

int
poolput(uchar *from, uvlong s, uint n)
{
	Block *b;
	Piece p;

	if(!haveroom(s, n))
		return 0;
	for(; n > 0; from += p.n * Sector, s += p.n, n -= p.n){
		p = piece(s, n);
		b = find(p.no);
		use(b);
		memcpy(b->data + p.at * Sector, from, p.n * Sector);
		b->valid |= (ushort)p.bits;
		setdirty(b, b->dirty | p.bits);
	}
	return 1;
}

/* Writing behind. */

static int
byblock(const void *a, const void *b)
{
	const Block *const *x = a, *const *y = b;

	return (*x)->no < (*y)->no ? -1 : (*x)->no > (*y)->no;
}

/*
 * Sorting all that is dirty in a large pool would take long, and the loop
 * would stand still for it: so much at a time is near enough to the order
 * of the disk.
 */
static void
passmore(void)
{
	uint end = pool.n - pass.looked < Passlooks ? pool.n : pass.looked + Passlooks;
	Block *b;

	pass.n = pass.next = pass.bit = 0;
	for(; pass.looked < end && pass.n < Passblocks; pass.looked++){
		b = &pool.block[pass.looked];
		if(b->dirty != 0)
			pass.list[pass.n++] = b;
	}
	qsort(pass.list, pass.n, sizeof *pass.list, byblock);
}

void
poolpass(void)
{
	pass.n = pass.next = pass.bit = pass.looked = 0;
}

int
poolpassed(void)
{
	return pass.next == pass.n && pass.looked == pool.n;
}

uint
poolnext(uint max, uvlong *s)
{
	Block *b;
	uvlong at, end = 0;
	uint n = 0;

	if(pass.next == pass.n && pass.looked < pool.n)
		passmore();
	for(; pass.next < pass.n; pass.next++, pass.bit = 0){
		b = pass.list[pass.next];
		for(; pass.bit < Blocksec; pass.bit++){
			at = b->no * Blocksec + pass.bit;
			if(n > 0 && (at != end || n == max || !(b->dirty >> pass.bit & 1)))
				return n;
			if(!(b->dirty >> pass.bit & 1))
				continue;
			if(n++ == 0)
				*s = at;
			end = at + 1;
		}
	}
	return n;
}

static int
isdirty(uvlong s)
{
	Piece p = piece(s, 1);
	Block *b = find(p.no);

	return b != NULL && (b->dirty & p.bits) != 0;
}

uint
poolclean(uvlong s, uint n)
{
	uint i;

	for(i = 0; i < n && !isdirty(s + i); i++)
		;
	return i;
}

uint
poollift(uchar *to, uvlong s, uint n)
{
	Block *b;
	Piece p;
	uint i;

	for(i = 0; i < n; i++){
		p = piece(s + i, 1);
		b = find(p.no);
		if(b == NULL || !(b->dirty & p.bits))
			break;
		memcpy(to + i * Sector, b->data + p.at * Sector, Sector);
		b->flying |= (ushort)p.bits;
		setdirty(b, b->dirty & ~p.bits);
	}
	return i;
}

void
poollanded(uvlong s, uint n, int ok, int keep)
{
	Block *b;
	Piece p;

	for(; n > 0; s += p.n, n -= p.n){
		p = piece(s, n);
		b = find(p.no);
		if(b == NULL)
			abort();	/* inv. 2 */
		b->flying &= (ushort)~p.bits;
		if(!ok)
			/* some may have been dropped meanwhile */
			setdirty(b, b->dirty | (p.bits & b->valid));
		else if(!keep)
			b->valid &= (ushort)(~p.bits | (uint)b->dirty);
	}
}

int
poolinit(uint mib)
{
	uchar *data;
	uint i, size = 1;

	if((uvlong)mib * 1024 * 1024 > SIZE_MAX / 2)
		return -1;
	pool.n = (uint)((uvlong)mib * 1024 * 1024 / Blocksize);
	while(size < pool.n)
		size *= 2;
	pool.mask = size - 1;
	pool.block = calloc(pool.n, sizeof *pool.block);
	pool.hash = calloc(size, sizeof *pool.hash);
	pool.ghost = calloc(size, sizeof *pool.ghost);
	data = aligned_alloc(4096, (size_t)pool.n * Blocksize);
	if(pool.block == NULL || pool.hash == NULL || pool.ghost == NULL || data == NULL)
		return -1;
	for(i = 0; i < pool.n; i++){
		pool.block[i].data = data + (size_t)i * Blocksize;
		pool.block[i].next = pool.spare;
		pool.spare = &pool.block[i];
	}
	return 0;
}

uint
poolsize(void)
{
	return pool.n * Blocksec;
}

uint
pooldirty(void)
{
	return pool.dirtypages * Pagesec;
}

int
poolcrowded(void)
{
	return pool.dirty > pool.n / 2;
}

void
poolclock(void)
{
	pool.clock++;
}

int
poolpays(void)
{
	return pool.wasted <= pool.useful / 4 + Doubted;
}

/* The page cache. */

static int
known(int file, uvlong page)
{
	Region *r = &windows[file].regions[page / Pages];
	uint i = page % Pages;

	return r->tick == tick && (r->page[i / 64] >> i % 64 & 1);
}

/*
 * Note what the system says of n pages of one region.
 */
static void
note(int file, uvlong page, uint n, uchar *vec)
{
	Region *r = &windows[file].regions[page / Pages];
	uint i, at = page % Pages;
	uint64_t bit;

	if(r->tick != tick){
		memset(r->page, 0, sizeof r->page);
		r->tick = tick;
	}
	for(i = 0; i < n; i++, at++){
		bit = (uint64_t)1 << at % 64;
		if(vec[i] & 1)
			r->page[at / 64] |= bit;
		else
			r->page[at / 64] &= ~bit;
	}
}

/*
 * Ask the system about a page, and about those behind it while we are at
 * it: once about the whole region, when it is looked at for the second time.
 */
static int
look(int file, uvlong page)
{
	Window *w = &windows[file];
	Region *r = &w->regions[page / Pages];
	uchar vec[Pages];
	uvlong last = (w->len - 1) / pagesize;
	uint n = Lookahead;

	r->looks = r->tick == tick ? r->looks + 1 : 1;
	if(r->looks == 2){
		page -= page % Pages;
		n = Pages;
	}
	if(n > Pages - page % Pages)
		n = (uint)(Pages - page % Pages);
	if(n > last + 1 - page)
		n = (uint)(last + 1 - page);
	if(diskincore(file, page * pagesize, (size_t)(n * pagesize), vec) < 0)
		return 0;
	note(file, page, n, vec);
	return 1;
}

void
windowopen(int file, uvlong size)
{
	Window *w = &windows[file];

	pagesize = (uvlong)sysconf(_SC_PAGESIZE);
	if(w->asked == size)
		return;
	w->asked = size;
	free(w->regions);
	w->regions = NULL;
	w->len = size > 0 && diskmap(file, size) ? size : 0;
	if(w->len == 0)
		return;
	w->regions = calloc((size_t)(w->len / pagesize / Pages + 1), sizeof *w->regions);
	if(w->regions == NULL)
		w->len = 0;
}

int
windowpage(int file, uvlong off)
{
	uvlong page = off / pagesize;

	return off < windows[file].len
		&& (known(file, page) || (look(file, page) && known(file, page)));
}

int
windowhas(int file, uvlong off, size_t len)
{
	uvlong end = off + len;

	if(end > windows[file].len || now < nowindow)
		return 0;
	for(; off < end; off += pagesize - off % pagesize)
		if(!windowpage(file, off))
			return 0;
	return 1;
}

uvlong
windowsize(int file)
{
	return windows[file].len;
}

int
windowused(void)
{
	return windows[Image].len != 0 && now >= nowindow;
}

void
windowclose(void)
{
	nowindow = now + 2 * RESIDENT_MS * 1000ULL;
}

void
windowforget(void)
{
	tick++;
}

void
windowtime(uvlong us)
{
	now = us;
	if(now - ticked >= RESIDENT_MS * 1000ULL){
		tick++;
		ticked = now;
	}
}
