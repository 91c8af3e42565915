/*
 * What is in memory: the pool's blocks, and the pages known to be in the page
 * cache.
 *
 * The pool is our own memory for blocks of the image.  It exists with -d,
 * which bypasses the page cache, and with -w, where a write is answered as
 * soon as it is in the pool.  It moves no data to or from the disk.  buf.c
 * fills it with what has been read or written, and asks it what must be
 * written.
 *
 * The system tells which pages of a mapped file are in the page cache.  We ask
 * about many pages at a time and rely on the answer for RESIDENT_MS.
 *
 * 1. A sector of a block is valid when the pool has its newest content, dirty
 *    when the disk does not have it, and flying while a copy of it is being
 *    written.
 * 2. A block with dirty or flying sectors keeps its place in the pool.
 * 3. What is known of a page is a hint: it may have left the page cache since.
 *    Copying from it may wait or fail.
 *
 * Sectors are numbered from the start of the image, whatever part of it is
 * exported.  Nothing here does I/O or waits, and nothing knows of requests,
 * freezing or the engine.
 *
 * S3-FIFO decides which block leaves the pool.  A new block enters a small
 * queue.  When it reaches the end it moves to the main queue if it was used
 * again, and otherwise leaves the pool.  So a sequential pass over the disk,
 * which uses each block once, passes through the small queue and leaves the
 * main one alone.  A block that left unused but is soon wanted again goes to
 * the main queue at once.  Unlike LRU, the queues need no update on a hit.
 *
 * Once the pool is full, adding a block costs a copy.  That hardly pays when
 * requests are scattered over a disk far larger than the pool.  So only one in
 * Sample of the blocks that were read or written for a request is added.  The
 * choice is pseudo-random and changes with each Epoch, so a block that is
 * wanted repeatedly gets in soon.
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
	Pagesec		= 8,		/* sectors of a page; a block has two pages */
	Maxfreq		= 3,
	Evicttries	= 256,		/* blocks examined to find one that may leave */
	Sample		= 4,
	Epoch		= 256,		/* requests; more than consecutive ones for one block */
	Passblocks	= 4096,		/* dirty blocks that a pass sorts together */
	Passlooks	= 32768,	/* blocks that it examines at a time */
	Judged		= 1024,		/* recent blocks read ahead that are counted */
	Doubted		= 128,		/* unused ones of these that are tolerated */

	Pages		= 512,		/* pages of a Region */
	Lookahead	= 8,		/* pages asked about together, at first */
	Manylooks		= 16,		/* in one region, after which asking about all of it pays */
};

struct Block {
	uvlong	no;		/* the block's number in the image */
	ushort	valid;		/* a bit for each sector */
	ushort	dirty;
	ushort	flying;
	uchar	freq;		/* uses since it came or last returned to its queue */
	uchar	ahead;		/* it was read ahead and is not used yet */
	uint	used;		/* when it was last used, in requests */
	uchar	*data;
	Block	*hash;		/* next with the same hash */
	Block	*next;		/* next in its queue, which begins with the oldest */
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
	uvlong	*ghost;		/* numbers, plus 1, of blocks that left the small queue unused */
	Block	*spare;		/* not in use */
	Queue	small, main;
	uint	clock;		/* requests */
	uint	dirty;		/* blocks with dirty sectors, */
	uint	dirtypages;	/* and pages */
	uint	useful, wasted;	/* recent blocks read ahead that were used, and that were not */
} pool;

/* A pass over the dirty blocks, for writing behind. */
static struct {
	Block	*list[Passblocks];	/* dirty blocks, in the order of the disk */
	uint	n;
	uint	next, bit;		/* the next of these, and the sector in it */
	uint	looked;			/* blocks of the pool examined so far */
} pass;

/* What is known of Pages consecutive pages: those in memory at tick. */
struct Region {
	uint	tick;
	uint	looks;			/* how often we asked about it in this tick */
	uint64_t page[Pages / 64];
};

/* A mapped file. */
struct Window {
	uvlong	len;		/* bytes; 0: it isn't mapped */
	uvlong	asked;		/* the size of the last windowopen */
	Region	*regions;
};

static Window windows[Nfiles];
static uvlong pagesize;
static uvlong now;		/* microseconds */
static uint tick = 1;		/* incremented to forget all regions */
static uvlong ticked;		/* when it was last incremented by windowtime */
static uvlong nowindow;		/* the mappings are not used until then */

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

/* Count a block that was read ahead when it is used or leaves unused. */
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
 * Remove the least useful block from its queue.  Returns NULL when too many
 * are dirty or being written.
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
 * Returns the block with this number, a new and empty one if need be, or NULL
 * when no block can leave.
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

/* Shall a block that was read or written for a request be added to the pool? */
static int
welcome(uvlong no)
{
	uvlong x = no ^ (uvlong)(pool.clock / Epoch) << 40;

	if(pool.spare != NULL || pool.ghost[hashof(no)] == no + 1 || find(no) != NULL)
		return 1;
	/* Mix well, so that regular patterns of requests don't resonate with the choice. */
	x *= 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	return (x >> 32) % Sample == 0;
}

/*
 * Count a use of a block.  Uses that closely follow each other count once, as
 * requests can be smaller than a block or span two.  The first use after
 * reading ahead does not count.
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

/* Returns how many of a block's pages contain these sectors. */
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

/* The part of a run of sectors that lies in the run's first block. */
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
			s = b->no * Blocksec + i;
			if((b->valid & bits) && s >= from && s < to){
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
 * Make blocks for all of these sectors.  When nearly all blocks are dirty,
 * making one may evict another of them.
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
 * Find and sort the next dirty blocks.  Sorting all of a large pool would hold
 * up the loop; sorting in portions comes close enough to the order of the
 * disk.
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

uint
poolclean(uvlong s, uint n)
{
	Block *b;
	Piece p;
	uint i;

	for(i = 0; i < n; i++){
		p = piece(s + i, 1);
		b = find(p.no);
		if(b != NULL && (b->dirty & p.bits) != 0)
			break;
	}
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

/* Note the system's answer about n pages of one region. */
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
 * Ask the system about a page and those after it, or about all of its region
 * where that pays: for a sequential reader, and where many looks in one tick
 * show that readers are busy there.  To ask about a region takes as long as to
 * read a page several times, so one that is hardly used must not cost that.
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
	if(r->looks == Manylooks || (page % Pages > 0 && known(file, page - 1))){
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
