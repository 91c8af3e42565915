/*
 * The model test of freezing: random requests, freezes and unfreezes, and
 * deaths of the process and of the system at any point, over the disk of
 * memsys.c; and beside it, for each sector, which contents it may have.
 *
 *	freezemodel [seed [mode [runs [stride]]]]	every mode, with seeds from this one on
 *	freezemodel -1 seed mode [sweep]	that mode with that seed only
 *
 * A run has many lives.  Each is a child that starts the target as main
 * does, over a disk that is shared with its parent, and dies at a point
 * that was chosen before: at a call that waits for the disk, in the middle
 * of one, or at a round of the engine.  Often the power goes with it.  Then
 * the parent reads what is left, by a reader that was written from the
 * comment in freeze.c, and the next life goes on from there.
 *
 * For each sector there is a list of the writes and trims to it, in the
 * order they came.  Of them, a flush has promised one, an answer one, and
 * what came after that may have happened or not.
 *
 * What is checked:
 *
 * 1. A read has what the last write before it left; or, if that was left
 *    unanswered, that or what was there before.
 * 2. After a kill a sector has the newest content that was answered, or a
 *    later one that was not; with -w, the newest that a flush or freeze has
 *    covered, or a later one.
 * 3. After a power cut it has the newest content that an answered flush or
 *    stable write has covered, or that the kernel had brought to the disk
 *    HARDEN_MS before; or a later one.
 * 4. From the appearance of the shadow to the unfreeze not a byte of the
 *    image changes, and the image alone has everything that was answered
 *    when the freeze was asked for.
 * 5. A target that was frozen is frozen after a death, one that was merging
 *    merges, and nothing else has a shadow.
 * 6. Merging comes to an end, with users and without; then the image alone
 *    is the disk, no shadow is left, and no mark.
 * 7. No request fails, unless a sync has.  A write is left unanswered only
 *    when the shadow is full, or held without one, and one that is sent
 *    again succeeds when there is room.
 * 8. A shadow never takes more than its limit and what is under way.
 * 9. When a bit of a header or map has changed between two lives, the start is
 *    refused and nothing is touched if the map that is believed is damaged by
 *    that; else all of the above is true all the same.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "../tap.h"

typedef struct Mode	Mode;
typedef struct Job	Job;
typedef struct Past	Past;
typedef struct World	World;

enum {
	First		= 5,		/* -o: pages and sectors don't begin together */
	Small		= 300,		/* -l */
	Large		= 5000,
	Maxsec		= 17,		/* of a request */
	Maxranges	= 3,
	Njob		= 60,
	Nagain		= 200,
	Npast		= 32,		/* writes of a sector that are remembered */
	Maxids		= 1 << 16,
	Lives		= 14,
	Limit		= 1,		/* -f shadow,MiB */

	Flying		= 0,		/* fate of a write */
	Answered,
	Left,				/* unanswered */
	Apart,				/* a trim of several ranges, of which each may happen or not until it is answered */
};

struct Mode {
	const char	*name;
	int	direct;
	int	window;
	int	sync;		/* -s */
	int	pool;
	int	behind;		/* -w */
	int	evict;
	int	noshadow;	/* no -f */
	int	limit;		/* of -f */
	int	full;		/* the shadow's file system is */
	int	breaks;		/* a sync fails */
	int	large;
	int	nomark;
	int	blocks;		/* the disk can be written only by whole blocks of 4096 bytes */
};

static const Mode modes[] = {
	{ .name = "window", .window = 1 },
	{ .name = "window-evict", .window = 1, .evict = 1, .nomark = 1 },
	{ .name = "calls" },
	{ .name = "direct", .direct = 1, .window = 1 },
	{ .name = "direct-pool", .direct = 1, .window = 1, .pool = 1 },
	{ .name = "direct-blocks", .direct = 1, .blocks = 1 },
	{ .name = "direct-pool-blocks", .direct = 1, .window = 1, .pool = 1, .blocks = 1 },
	{ .name = "behind-direct-blocks", .direct = 1, .window = 1, .pool = 1, .behind = 1,
		.blocks = 1 },
	{ .name = "sync", .window = 1, .sync = 1 },
	{ .name = "direct-sync", .direct = 1, .sync = 1 },
	{ .name = "behind", .window = 1, .pool = 1, .behind = 1 },
	{ .name = "behind-direct", .direct = 1, .window = 1, .pool = 1, .behind = 1 },
	{ .name = "large", .window = 1, .large = 1 },
	{ .name = "large-behind-direct", .direct = 1, .pool = 1, .behind = 1, .large = 1 },
	{ .name = "noshadow", .window = 1, .noshadow = 1 },
	{ .name = "noshadow-behind", .window = 1, .pool = 1, .behind = 1, .noshadow = 1 },
	{ .name = "limit", .window = 1, .limit = 1, .large = 1 },
	{ .name = "limit-direct", .direct = 1, .limit = 1, .large = 1 },
	{ .name = "limit-behind", .window = 1, .pool = 1, .behind = 1, .limit = 1, .large = 1 },
	{ .name = "full", .window = 1, .full = 1 },
	{ .name = "full-direct", .direct = 1, .window = 1, .pool = 1, .full = 1 },
	{ .name = "full-direct-blocks", .direct = 1, .full = 1, .blocks = 1 },
	{ .name = "full-behind", .window = 1, .pool = 1, .behind = 1, .full = 1 },
	{ .name = "breaks", .window = 1, .breaks = 1 },
	{ .name = "breaks-direct", .direct = 1, .breaks = 1 },
	{ .name = "breaks-behind", .window = 1, .pool = 1, .behind = 1, .breaks = 1 },
};

/* A request. */
struct Job {
	Io	io;		/* first, so that an Io of ours is a Job */
	int	inuse;
	int	op;
	int	stable;
	uvlong	lba;
	uint	nsec;
	Range	range[Maxranges];
	int	nrange;
	int	id;		/* a write's or trim's number; a read's: the newest before it */
	uchar	*data;
	int	*need;		/* a flush's: what it promises */
	int	again;		/* it was left unanswered before */
};

/* What is known of a sector: numbers of writes, the older first. */
struct Past {
	int	n;
	int	id[Npast];
	int	kill;		/* not older than this after a kill */
	int	power;		/* and after a power cut */
	int	answered;	/* the newest answered */
	int	nlost;
	int	lost[Npast];	/* left unanswered and not seen; they may still show after a power cut */
};

/* What the parent and its children share. */
struct World {
	Past	past[Large];
	int	nids;
	uchar	fate[Maxids];
	uchar	istrim[Maxids];
	int	wanted;		/* a freeze was asked for */
	int	frozen;		/* it has been seen to be */
	int	unwanted;	/* an unfreeze was accepted */
	int	merging;	/* it has been seen to be */
	int	broken;		/* a request has failed, as a sync has */
	int	faulted;	/* a sync fails, or has failed */
	int	ended;		/* the last life came to its end */
	uint	froze;		/* how often it was frozen, and merged to the end */
	uint	merged;
	uint	requests;
	uint	left;
	uint	succeeded;	/* of those that were sent again */
	uint	step;
	int	flipped;	/* a bit has been, by this much, */
	uvlong	flipat;		/* in this byte of the shadow */
	uint	flips;
	uint	refused;	/* starts */
	uchar	still[(First + Large + 7) * Sector];	/* the image as it was frozen */
};

static const Mode *mode;
static uint nsect;
static uvlong seed, state;
static const char *where = "at the start";
static int life;
static int loud;		/* what the target says is shown */
static World *world;
static uvlong stride = 1;	/* of a sweep */

static Job jobs[Njob];
static int nundone;
static Job again[Nagain];	/* to be sent again */
static int nagain;
static int *need;		/* a freeze's: what it promises */
static uint turns;

__attribute__((format(printf, 2, 3), noreturn))
static void
wrong(Job *j, const char *fmt, ...)
{
	static const char *const op[] = { "read", "write", "verify", "trim", "flush" };
	va_list ap;
	int i;

	fflush(stdout);
	fprintf(stderr, "freezemodel: mode %s, seed %llu, life %d, step %u, state %d, %s: ",
		mode->name, seed, life, world->step, freezestate(), where);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	if(j != NULL){
		fprintf(stderr, "freezemodel: the request: %s%s of %u sectors at %llu",
			j->stable ? "stable " : "", op[j->op], j->nsec, j->lba);
		for(i = 0; i < j->nrange; i++)
			fprintf(stderr, " %u at %llu", j->range[i].nsec, j->range[i].lba);
		fprintf(stderr, ", number %d\n", j->id);
	}
	fflush(stderr);
	abort();
}

static void*
must(void *p)
{
	if(p == NULL)
		wrong(NULL, "out of memory");
	return p;
}

static uint
rnd(uint n)
{
	return (uint)((memrandom(&state) >> 20) % n);
}

static void
setseed(uvlong s)
{
	int i;

	state = memrandomstate(s);
	for(i = 0; i < 10; i++)
		rnd(2);
}

/* What sectors hold. */

static void
content(uchar *p, int id, uvlong lba)
{
	if(world->istrim[id])
		memset(p, 0, Sector);
	else
		memstamp(p, id, lba);
}

static int
holds(const uchar *p, int id, uvlong lba)
{
	uchar want[Sector];

	content(want, id, lba);
	return memcmp(p, want, Sector) == 0;
}

static uvlong
le(const uchar *p, int n)
{
	uvlong v = 0;

	while(n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* Who wrote this, for people to read. */
static char*
whose(const uchar *p, uvlong lba)
{
	static const uchar zeros[Sector];
	static char buf[100];
	uint id, at;

	memcpy(&id, p, 4);
	memcpy(&at, p + 4, 4);
	if(memcmp(p, zeros, Sector) == 0)
		return "zeros";
	if(id > 0 && id <= (uint)world->nids && at == lba && holds(p, (int)id - 1, lba))
		snprintf(buf, sizeof buf, "number %u", id - 1);
	else
		snprintf(buf, sizeof buf, "what nobody wrote, like number %u of sector %u", id - 1,
			at);
	return buf;
}

/* The sector's past, for people to read. */
static char*
story(uvlong lba)
{
	static const char fates[] = "?!-/";
	static char buf[500];
	Past *p = &world->past[lba];
	int i, n = 0;

	buf[0] = 0;
	for(i = 0; i < p->n; i++)
		n += snprintf(buf + n, sizeof buf - (size_t)n, " %d%c%s", p->id[i],
			fates[world->fate[p->id[i]]], world->istrim[p->id[i]] ? "t" : "");
	snprintf(buf + n, sizeof buf - (size_t)n, ", answered %d, promised %d, to survive %d",
		p->answered, p->power, p->kill);
	return buf;
}

static const uchar *shadow(const uchar**, const uchar**);

/* Where the sector's contents are, for people to read. */
static void
places(uvlong lba)
{
	const uchar *s, *h, *map, *m;
	uvlong k = 48;

	fprintf(stderr, "freezemodel: the image has %s\n",
		whose(mem.image + (First + lba) * Sector, lba));
	s = shadow(&h, &map);
	if(s == NULL)
		return;
	fprintf(stderr, "freezemodel: the shadow, in state %llu, has %s\n", le(h + 24, 4),
		whose(s + le(h + 64, 8) + (First % 8 + lba) * Sector, lba));
	for(; k <= 56; k += 8){
		m = s + le(h + k, 8);
		fprintf(stderr, "freezemodel: the %s map has %d%s\n", k == 48 ? "soft" : "hard",
			memhas(m, lba, 2), m == map ? ", which counts" : "");
	}
}

/*
 * The write whose content this is, of those that nobody has seen since a
 * death, or -1.
 */
static int
whichlost(const uchar *c, uvlong lba)
{
	Past *p = &world->past[lba];
	int i;

	for(i = 0; i < p->nlost; i++)
		if(holds(c, p->lost[i], lba))
			return p->lost[i];
	return -1;
}

static void
lose(Past *p, int id)
{
	if(p->nlost == Npast)
		memmove(p->lost, p->lost + 1, (size_t)--p->nlost * sizeof p->lost[0]);
	p->lost[p->nlost++] = id;
}

/*
 * The newest of the writes from floor to most whose content this is, or -1.
 */
static int
which(const uchar *c, uvlong lba, int floor, int most)
{
	Past *p = &world->past[lba];
	int i;

	for(i = p->n - 1; i >= 0 && p->id[i] >= floor; i--)
		if(p->id[i] <= most && holds(c, p->id[i], lba))
			return p->id[i];
	return -1;
}

static void
expect(Job *j, const char *what, const uchar *c, uvlong lba, int floor, int most)
{
	if(which(c, lba, floor, most) >= 0)
		return;
	places(lba);
	wrong(j, "sector %llu: %s %s; expected one from %d to %d of%s", lba, what, whose(c, lba),
		floor, most, story(lba));
}

/* Forget what can't be any more. */
static void
forget(Past *p)
{
	int i, floor = p->power < p->kill ? p->power : p->kill;

	for(i = 0; i < p->n && p->id[i] < floor; i++)
		;
	memmove(p->id, p->id + i, (size_t)(p->n - i) * sizeof p->id[0]);
	p->n -= i;
}

static void
lift(int *floor, int id)
{
	if(*floor < id)
		*floor = id;
}

static void
promise(uvlong lba, int id)
{
	Past *p = &world->past[lba];

	lift(&p->power, id);
	lift(&p->kill, id);
	p->nlost = 0;
	forget(p);
}

/* A sector's content is known now. */
static void
settle(uvlong lba, int id, int stable)
{
	Past *p = &world->past[lba];

	if(stable){
		p->n = 1;
		p->id[0] = id;
		p->nlost = 0;
	}
	while(p->n > 0 && p->id[p->n-1] > id)
		lose(p, p->id[--p->n]);
	p->kill = id;
	p->answered = id;
	if(stable)
		p->power = id;
	forget(p);
}

/* A reader of what is left, as freeze.c's comment has it. */

static int
isvalid(const uchar *h)
{
	return memcmp(h, "AoEdeShd", 8) == 0 && le(h + 508, 4) == crc32(h, 508);
}

static const uchar*
header(const uchar *s, uvlong size)
{
	const uchar *a = s, *b = s + 4096;

	if(size < 8192)
		return NULL;
	if(!isvalid(a))
		return isvalid(b) ? b : NULL;
	return isvalid(b) && le(b + 16, 8) > le(a + 16, 8) ? b : a;
}

/*
 * The shadow, its header and its map; NULL when there is none, or one that
 * is of no use any more.
 */
static const uchar*
shadow(const uchar **h, const uchar **map)
{
	uchar boot[16];
	const uchar *s;
	uvlong size;

	s = memshadow(&size);
	if(s == NULL)
		return NULL;
	*h = header(s, size);
	if(*h == NULL || le(*h + 8, 4) != 2 || le(*h + 32, 8) != First || le(*h + 40, 8) != nsect)
		wrong(NULL, "there is a shadow of %llu bytes that nobody can read", size);
	if(size != (le(*h + 64, 8) + (First % 8 + nsect) * Sector + 4095) / 4096 * 4096)
		wrong(NULL, "the shadow has %llu bytes", size);
	if(le(*h + 24, 4) == 3)
		return NULL;
	bootid(boot);
	*map = s + le(*h + (memcmp(*h + 72, boot, sizeof boot) == 0 ? 48 : 56), 8);
	return s;
}

/* The damage of a bit (inv. 9). */

/*
 * Is the map that counts damaged?
 */
static int
damaged(void)
{
	const uchar *s, *h, *map;
	uvlong i;

	s = shadow(&h, &map);
	for(i = 0; s != NULL && i < nsect; i++)
		if(memhas(map, i, 2) < 0)
			return 1;
	return 0;
}

/*
 * Change a bit of what there is of headers and maps.
 */
static void
flip(void)
{
	const uchar *s, *h, *map;
	uvlong at;
	int bits = 1 << rnd(8);

	s = shadow(&h, &map);
	if(s == NULL || world->flipped)
		return;
	if(rnd(3) == 0 && !mode->breaks)
		at = rnd(2) * 4096 + rnd(512);
	else
		at = le(h + (rnd(2) ? 48 : 56), 8) + rnd((nsect + 15) / 16 * 4);
	if(memflip(at, (uchar)bits) < 0)
		return;
	world->flipat = at;
	world->flipped = bits;
	world->flips++;
}

/*
 * Undo that, unless it has been written over.  It may come back when the power
 * goes.
 */
static void
unflip(int power)
{
	uvlong size, at = world->flipat, map;
	const uchar *s = memshadow(&size), *h;
	int bad = 0;

	if(!world->flipped)
		return;
	if(s != NULL && at < 8192)
		bad = !isvalid(s + at / 4096 * 4096);
	else if(s != NULL && (h = header(s, size)) != NULL){
		map = le(h + (at < le(h + 56, 8) ? 48 : 56), 8);
		bad = memhas(s + map, (at - map) / 4 * 16, 2) < 0;
	}
	if(bad)
		memflip(at, (uchar)world->flipped);
	if(bad || power)
		world->flipped = 0;
}

/*
 * A start with such a shadow has been refused.
 */
static void
refused(char *e, const uchar *before)
{
	uvlong size;
	const uchar *s = memshadow(&size);

	if(strstr(e, "damaged shadow") == NULL)
		wrong(NULL, "the start is refused: %s", e);
	if(memcmp(s, before, size) != 0)
		wrong(NULL, "a start is refused, and has changed the shadow");
	world->refused++;
	unflip(0);
	if(damaged())
		wrong(NULL, "the map is damaged by something else");
}

/* Where all sectors are. */
static void
survey(const uchar **at)
{
	const uchar *s, *h, *map;
	uvlong i;
	int has;

	s = shadow(&h, &map);
	for(i = 0; i < nsect; i++){
		at[i] = mem.image + (First + i) * Sector;
		has = s != NULL ? memhas(map, i, 2) : 0;
		if(has < 0)
			wrong(NULL, "the map is damaged at sector %llu", i);
		if(has)
			at[i] = s + le(h + 64, 8) + (First % 8 + i) * Sector;
	}
}

/* Requests. */

/*
 * The newest write up to most that has surely happened, as far as whoever
 * reads now is concerned.
 */
static int
surely(uvlong lba, int most)
{
	Past *p = &world->past[lba];
	int i;

	for(i = p->n - 1; i > 0; i--)
		if(p->id[i] <= most && world->fate[p->id[i]] != Left
			&& world->fate[p->id[i]] != Apart)
			break;
	return p->id[i];
}

static void
append(uvlong lba, uint n, int id)
{
	Past *p;

	for(; n > 0; n--, lba++){
		p = &world->past[lba];
		if(p->n == Npast)
			wrong(NULL, "sector %llu has too long a past", lba);
		p->id[p->n++] = id;
	}
}

/*
 * A sector has been read that was written to last by number most at the
 * latest.  Of the writes from floor on, those behind the one that was read
 * and were left unanswered have not happened.  Trims look alike: it was the
 * last of them.
 */
static void
seen(const uchar *c, uvlong lba, int floor, int most)
{
	Past *p = &world->past[lba];
	int i, n = 0, last = -1;

	for(i = 0; i < p->n && p->id[i] <= most; i++)
		if(p->id[i] >= floor && holds(c, p->id[i], lba))
			last = i;
	for(i = 0; i < p->n; i++)
		if(last < 0 || i <= last || world->faulted || p->id[i] > most
			|| world->fate[p->id[i]] != Left)
			p->id[n++] = p->id[i];
		else
			lose(p, p->id[i]);
	p->n = n;
}

/* Has none of these sectors a past of more than this? */
static int
roomy(uvlong lba, uint n, int most)
{
	for(; n > 0; n--, lba++)
		if(world->past[lba].n > most)
			return 0;
	return 1;
}

static void
answer(Job *j, uvlong lba, uint n)
{
	Past *p;

	for(; n > 0; n--, lba++){
		p = &world->past[lba];
		lift(&p->answered, j->id);
		if(!mode->behind || j->stable)
			lift(&p->kill, j->id);
		if(j->stable)
			promise(lba, j->id);
		if(world->broken)
			continue;
		forget(p);
	}
}

static void
succeeded(Job *j)
{
	uint i;
	int k, floor;

	switch(j->op){
	case Oread:
		for(i = 0; i < j->nsec; i++){
			floor = surely(j->lba + i, j->id);
			expect(j, "a read has", j->data + i * Sector, j->lba + i, floor, j->id);
			seen(j->data + i * Sector, j->lba + i, floor, j->id);
		}
		break;
	case Owrite:
		answer(j, j->lba, j->nsec);
		break;
	case Otrim:
		for(k = 0; k < j->nrange; k++)
			answer(j, j->range[k].lba, j->range[k].nsec);
		break;
	case Oflush:
		for(i = 0; i < nsect; i++)
			promise(i, j->need[i]);
		break;
	}
}

/* It will be sent again. */
static void
leave(Job *j)
{
	world->left++;
	if(!mode->full && !mode->limit && !mode->noshadow)
		wrong(j, "it is left unanswered");
	if(j->op == Oread || j->op == Overify)
		wrong(j, "a read is left unanswered");
	if(nagain < Nagain && j->op == Owrite){
		again[nagain] = *j;
		again[nagain++].data = NULL;
	}
}

static uchar*
room(Io *io)
{
	return ((Job*)io)->data;
}

static void
done(Io *io)
{
	Job *j = (Job*)io;

	if(!j->inuse)
		wrong(j, "it is done twice");
	if(j->op == Owrite || j->op == Otrim)
		world->fate[j->id] = io->error == 0 ? Answered : Left;
	if(io->error == 0){
		world->succeeded += (uint)j->again;
		succeeded(j);
	}else if(io->error == Unanswered)
		leave(j);
	else if(!mode->breaks || j->op == Oread || j->op == Overify)
		wrong(j, "it fails: %s", strerror(io->error));
	else
		world->broken = 1;
	free(j->data);
	free(j->need);
	j->data = NULL;
	j->need = NULL;
	j->inuse = 0;
	nundone--;
}

static Job*
newjob(int op)
{
	Job *j;
	uchar *space;

	if(nundone == Njob)
		wrong(NULL, "no job is free");
	for(j = jobs + rnd(Njob); j->inuse; )
		if(++j == jobs + Njob)
			j = jobs;
	space = j->io.space;
	memset(j, 0, sizeof *j);
	j->io.space = space;
	j->op = op;
	return j;
}

static void
submit(Job *j)
{
	uchar *space = j->io.space;
	uint i;
	int k;

	world->requests++;
	j->inuse = 1;
	nundone++;
	if(j->op == Oread || j->op == Owrite)
		j->data = must(malloc((size_t)j->nsec * Sector));
	j->id = world->nids - 1;
	if(j->op == Owrite || j->op == Otrim){
		if(world->nids == Maxids)
			wrong(NULL, "no more numbers");
		j->id = world->nids++;
		world->istrim[j->id] = j->op == Otrim;
		world->fate[j->id] = j->op == Otrim && j->nrange > 1 ? Apart : Flying;
	}
	for(i = 0; j->op == Owrite && i < j->nsec; i++)
		content(j->data + i * Sector, j->id, j->lba + i);
	if(j->op == Owrite)
		append(j->lba, j->nsec, j->id);
	for(k = 0; k < j->nrange; k++)
		append(j->range[k].lba, j->range[k].nsec, j->id);
	if(j->op == Oflush){
		j->need = must(malloc(nsect * sizeof *j->need));
		for(i = 0; i < nsect; i++)
			j->need[i] = world->past[i].answered;
	}
	memset(&j->io, rnd(2) ? 0 : 0x55, sizeof j->io);
	j->io = (Io){ .op = j->op, .stable = j->stable, .lba = j->lba, .nsec = j->nsec,
		.range = j->range, .nrange = j->nrange,
		.data = j->op == Owrite ? j->data : NULL, .room = room, .done = done, .space = space };
	bufio(&j->io);
}

/* Requests cluster in a few places, so that they often touch. */
static uvlong
place(uint n)
{
	uvlong lba = rnd(3) > 0 ? rnd(40) + nsect / 3 * rnd(3) : rnd(nsect);

	return lba + n <= nsect ? lba : nsect - n;
}

static uint
length(void)
{
	return 1 + rnd(rnd(2) ? 4 : Maxsec);
}

/* A trim's ranges, in order and with gaps between them, as ata.c makes them. */
static void
ranges(Job *j)
{
	uvlong lba = rnd(20);
	int i;

	for(i = 0; i < 1 + (int)rnd(Maxranges) && lba + 40 < nsect; i++, lba += 1 + rnd(nsect / 4)){
		j->range[i].lba = lba;
		j->range[i].nsec = 1 + rnd(12);
		lba += j->range[i].nsec;
		j->nrange++;
	}
}

static void
randomjob(void)
{
	uint x = rnd(100);
	Job *j = newjob(x < 35 ? Oread : x < 90 ? Owrite : x < 94 ? Otrim : x < 96 ? Overify : Oflush);
	int i;

	if(j->op == Oread || j->op == Owrite || j->op == Overify){
		j->nsec = length();
		j->lba = place(j->nsec);
	}
	if(j->op == Owrite || j->op == Otrim)
		j->stable = mode->sync || rnd(10) == 0;
	if(j->op == Otrim)
		ranges(j);
	for(i = 0; i < j->nrange; i++)
		if(!roomy(j->range[i].lba, j->range[i].nsec, Npast / 2))
			j->op = Oflush;
	if(j->op == Owrite && !roomy(j->lba, j->nsec, Npast / 2))
		j->op = Oflush;
	if(j->op == Oflush){
		j->nrange = 0;
		j->nsec = 0;
		j->stable = 0;
	}
	submit(j);
}

/* Requests that follow each other on the disk, as initiators send them. */
static void
sequence(void)
{
	uint i, n = 2 + rnd(10), nsec = length();
	uvlong lba = rnd(nsect);
	int op = rnd(2) ? Oread : Owrite;
	Job *j;

	for(i = 0; i < n && lba + nsec <= nsect && nundone < Njob
		&& roomy(lba, nsec, Npast / 2); i++, lba += nsec){
		j = newjob(op);
		j->lba = lba;
		j->nsec = nsec;
		j->stable = op == Owrite && mode->sync;
		submit(j);
	}
}

/* Send again what was left unanswered, as the initiator would. */
static void
resend(int most)
{
	Job *j, *a;

	while(nagain > 0 && nundone < Njob){
		a = &again[nagain-1];
		j = newjob(roomy(a->lba, a->nsec, most) ? Owrite : Oread);
		j->lba = a->lba;
		j->nsec = a->nsec;
		if(j->op == Owrite){
			j->stable = a->stable;
			j->again = 1;
			nagain--;
		}
		submit(j);
		if(j->op == Oread)
			return;
	}
}

/* Freezing. */

static void
comparestill(void)
{
	if(memcmp(world->still, mem.image, (First + nsect + 7) * Sector) != 0)
		wrong(NULL, "the image has changed while it was frozen");
}

static void
nowfrozen(void)
{
	uint i;

	world->frozen = 1;
	world->froze++;
	memcpy(world->still, mem.image, (First + nsect + 7) * Sector);
	for(i = 0; i < nsect && need != NULL && !world->faulted; i++){
		expect(NULL, "the frozen image has", mem.image + (First + i) * Sector, i, need[i],
			INT_MAX);
		promise(i, need[i]);
	}
	free(need);
	need = NULL;
}

/*
 * Look at the state, which may have changed.
 */
static void
watch(void)
{
	static int was = Fnone;
	int s = freezestate();
	uvlong size;

	if(s == was)
		return;
	was = s;
	if((s == Ffrozen || s == Fheld) && !world->frozen){
		if(!world->wanted)
			wrong(NULL, "it is frozen, and nobody asked for it");
		nowfrozen();
	}
	if(s >= Fmerging && !world->merging){
		if(!world->unwanted)
			wrong(NULL, "it is merging, and nobody asked for it");
		world->merging = 1;
	}
	/* The next freeze may have begun with the end of the merge. */
	if(s < Ffrozen && world->merging){
		if(s == Fnone && !world->faulted
			&& (memshadow(&size) != NULL || memmark() != Marknone))
			wrong(NULL, "unfrozen, and there is a shadow or a mark");
		world->merged++;
		world->frozen = world->unwanted = world->merging = 0;
		world->wanted = s != Fnone;
	}
	if(s == Fnone && world->wanted && !world->frozen){
		/* Without a shadow an unfreeze that came before the end of the freeze follows it at once. */
		if(!mode->breaks && !mode->full && !(mode->noshadow && world->unwanted))
			wrong(NULL, "the freeze was refused");
		world->wanted = world->unwanted = 0;
	}
}

static void
askfreeze(void)
{
	uint i;
	int s = freezestate();

	if(buffreeze(1) != NULL){
		if(freezestate() == Fnone && !world->broken && !mode->breaks)
			wrong(NULL, "a freeze is refused");
		return;
	}
	world->wanted = 1;
	if(s == Fcommitting)
		world->unwanted = 0;	/* an unfreeze that was asked for meanwhile is withdrawn */
	free(need);
	need = must(malloc(nsect * sizeof *need));
	for(i = 0; i < nsect; i++)
		need[i] = world->past[i].answered;
}

static void
askunfreeze(void)
{
	int s = freezestate();

	if(buffreeze(0) != NULL){
		if((s == Ffrozen || s == Fheld) && !world->broken && !mode->breaks)
			wrong(NULL, "an unfreeze is refused");
		return;
	}
	if(s >= Fending)
		return;		/* a freeze that was asked for meanwhile is withdrawn */
	if(world->frozen)
		comparestill();
	world->unwanted = 1;
	if(s == Fheld)
		world->wanted = world->frozen = world->unwanted = 0;
	watch();
}

/* Steps. */

static void
turn(void)
{
	int i;

	watch();
	while(enginereap())
		watch();
	watch();
	bufcommit();
	watch();
	if(nundone > 0 && !bufbusy())
		wrong(NULL, "requests are under way, and bufbusy denies it");
	if(nundone > 0 && mem.underway == 0 && bufwait() < 0)
		wrong(NULL, "requests wait, and the disk has nothing to do");
	if(mem.unkicked > 0 && bufwait() < 0)
		wrong(NULL, "operations are started, and nobody thinks of kicking them");
	if(!bufbusy() && bufwait() < 0 && freezestate() != Fnone && freezestate() != Ffrozen
		&& freezestate() != Fheld && !world->faulted)
		wrong(NULL, "there is something to do, and nobody thinks of doing it");
	for(i = 0; i < Njob; i++)
		if(jobs[i].inuse && jobs[i].op == Owrite){
			free(jobs[i].data);
			jobs[i].data = NULL;
		}
	/* Each request under way may end in two pages that it has only a part of. */
	if(mode->limit && turns++ % 8 == 0
		&& memtaken() > Limit * 1024 * 1024 / Mpage + Njob * (Maxsec * Sector / Mpage + 2))
		wrong(NULL, "the shadow takes %u pages", memtaken());
}

static void
drain(void)
{
	uint i;

	for(i = 0; nundone > 0 || bufbusy(); i++){
		if(i > 50000)
			wrong(NULL, "%d requests are never done", nundone);
		turn();
	}
}

/*
 * Read everything.
 */
static void
readall(void)
{
	Job *j;
	uvlong lba;

	for(lba = 0; lba < nsect; lba += j->nsec){
		while(nundone >= Njob)
			turn();
		j = newjob(Oread);
		j->lba = lba;
		j->nsec = nsect - lba < Maxsec ? (uint)(nsect - lba) : Maxsec;
		submit(j);
	}
	drain();
}

static void
submitsome(int op, uvlong lba, uint n)
{
	Job *j = newjob(op);

	j->lba = lba;
	j->nsec = n;
	j->stable = op == Owrite && mode->sync;
	submit(j);
}

/*
 * The image alone is the disk.
 */
static void
comparealone(void)
{
	uint i;
	uvlong size;

	if(memshadow(&size) != NULL)
		wrong(NULL, "there is a shadow");
	for(i = 0; i < nsect; i++)
		expect(NULL, "the image has", mem.image + (First + i) * Sector, i,
			surely(i, INT_MAX), INT_MAX);
}

/*
 * Wait until freezing has come to the state s.
 */
static void
await(int s, int busy)
{
	uint i;

	for(i = 0; freezestate() != s && !world->faulted; i++){
		if(i > 100000)
			wrong(NULL, "it never comes to state %d", s);
		if(busy && nundone < 4)
			submitsome(rnd(2) ? Oread : Overify, place(8), 8);
		mem.clock += 1000000;
		turn();
	}
	drain();
}

/*
 * Whatever was left unanswered succeeds when there is room.
 */
static void
satisfy(void)
{
	uint i;

	for(i = 0; nagain > 0 && !world->faulted; i++){
		if(i > 2000)
			wrong(&again[nagain-1],
				"there is room, and it is left unanswered for ever; sector %llu has%s", again[nagain-1].lba, story(again[nagain-1].lba));
		resend(Npast - 1);
		if(nundone < Njob)
			submitsome(Oflush, 0, 0);
		mem.clock += 1000000000;
		drain();
	}
}

/*
 * A life comes to a good end.
 */
static void
finale(void)
{
	int s;

	where = "at the end";
	mem.room = UINT_MAX;
	drain();
	if(mode->noshadow && freezestate() == Fheld)
		askunfreeze();
	s = freezestate();
	while(s != Fnone && s < Ffrozen && freezestate() != Fnone && freezestate() < Ffrozen)
		turn();
	if(mode->noshadow && freezestate() == Fheld)
		askunfreeze();
	if(freezestate() == Ffrozen && (mode->limit || rnd(2)))
		askunfreeze();
	if(freezestate() != Ffrozen)
		await(Fnone, (int)rnd(2));
	satisfy();
	readall();
	if(mode->behind && !world->faulted){
		submitsome(Oflush, 0, 0);
		drain();
	}
	if(freezestate() == Fnone && !world->faulted)
		comparealone();
}

/* A sync of one of the files fails. */
static void
fault(void)
{
	world->faulted = 1;
	memfaultof(rnd(2) ? Image : Shadow, Msync, 0, 1, EIO, 1);
}

/*
 * The kernel brings everything to the disk.  HARDEN_MS later, and when there
 * has been time for a sync, what it had then survives a power cut.
 */
static void
writtenback(void)
{
	int *had = must(malloc(nsect * sizeof *had)), busy = (int)rnd(2);
	uint i;

	for(i = rnd(20); i > 0 && nundone < Njob; i--)
		randomjob();
	drain();
	for(i = 0; i < nsect; i++)
		had[i] = world->past[i].kill;
	memwriteback();
	mem.clock += HARDEN_MS * 1000000ULL;
	for(i = 0; i < 600; i++){
		if(busy && nundone < 4 && rnd(8) == 0)
			randomjob();
		turn();
	}
	for(i = 0; i < nsect && !world->faulted && mem.room == UINT_MAX; i++)
		promise(i, had[i]);
	free(had);
	if(rnd(4) == 0)
		memdie();
}

static void
step(void)
{
	uint i, n = rnd(8) ? rnd(6) : rnd(40);
	int s = freezestate();

	world->step++;
	for(i = rnd(6) == 0 ? mode->limit ? 8 : 1 : 0; i > 0; i--)
		sequence();
	for(i = 0; i < n && nundone < Njob; i++)
		randomjob();
	if((s == Fnone && rnd(15) == 0) || rnd(150) == 0)
		askfreeze();
	if(((s == Ffrozen || s == Fheld) && rnd(mode->limit ? 100 : 30) == 0) || rnd(150) == 0)
		askunfreeze();
	if(rnd(5) == 0)
		resend(Npast / 2);
	if(rnd(20) == 0)
		mem.clock += 1000000000;
	if(rnd(40) == 0)
		writtenback();
	if(mode->breaks && !world->faulted && rnd(100) == 0)
		fault();
	for(i = rnd(3) ? 1 : rnd(20); i > 0; i--)
		turn();
	if(rnd(60) == 0){
		drain();
		if(freezestate() == Fnone && !mode->behind && !world->faulted)
			comparealone();
	}
}

/* Lives. */

/*
 * The state in which a new life finds itself.
 */
static void
resumed(void)
{
	int s = freezestate();
	uvlong size;

	where = "after the start";
	if(mode->noshadow)
		world->wanted = world->frozen = world->unwanted = world->merging = 0;
	if(s == Fnone && memshadow(&size) != NULL)
		wrong(NULL, "there is a shadow");
	if(s == Fnone && world->frozen && !world->unwanted)
		wrong(NULL, "it was frozen");
	if(s == Fnone && memmark() != Marknone)
		wrong(NULL, "there is a mark");
	if(s == Ffrozen && world->merging)
		wrong(NULL, "it was merging");
	if(s == Fmerging && !world->unwanted)
		wrong(NULL, "nobody asked it to merge");
	if(s != Fnone && s != Ffrozen && s != Fmerging)
		wrong(NULL, "that is no state to start with");
	if(s == Fnone)
		world->wanted = world->frozen = world->unwanted = world->merging = 0;
	if(s == Ffrozen)
		world->unwanted = 0;
	watch();
}

static void
start(void)
{
	uchar *space, *s, *before = NULL;
	uvlong size;
	char *e;
	int i, fd, bad;

	disk.direct = mode->direct;
	disk.block = mode->blocks ? 4096 : Sector;
	if(engineopen(&fd) < 0 || bufrequests(2 * Njob) < 0 || bufinit(First, nsect) < 0
		|| (mode->pool && bufpool(1, mode->behind) < 0))
		wrong(NULL, "no target");
	space = must(aligned_alloc(4096, (size_t)Njob * Spacesize));
	for(i = 0; i < Njob; i++)
		jobs[i].io.space = space + i * Spacesize;
	bad = !mode->noshadow && damaged();
	if(bad){
		s = memshadow(&size);
		before = memcpy(must(malloc(size)), s, size);
	}
	e = bufshadow(mode->noshadow ? NULL : "shadow", mode->limit ? Limit : 0, 0);
	if(bad && e == NULL)
		wrong(NULL, "a damaged map is believed");
	if(bad){
		refused(e, before);
		free(before);
		e = bufshadow("shadow", mode->limit ? Limit : 0, 0);
	}
	if(e != NULL)
		wrong(NULL, "the start is refused: %s", e);
	resumed();
}

/*
 * A life as random as any.
 */
static void
anylife(void)
{
	uint i, n = 50 + rnd(200);

	start();
	if(rnd(2))
		readall();
	where = "in the course of it";
	for(i = 0; i < n; i++)
		step();
	if(rnd(3) == 0)
		memdie();
	finale();
}

/*
 * A life that has everything once.
 */
static void
fulllife(void)
{
	uint i;

	start();
	where = "in the course of it";
	for(i = 0; i < 12; i++)
		submitsome(Owrite, 7 * i, 5);
	turn();
	submitsome(Oflush, 0, 0);
	for(i = 0; i < 6; i++)
		submitsome(Owrite, 11 * i, 5);
	if(freezestate() == Fnone)
		askfreeze();
	if(freezestate() != Fmerging)
		await(Ffrozen, 0);
	for(i = 0; i < 9; i++)
		submitsome(Owrite, 5 + 9 * i, 5);
	drain();
	submitsome(Oflush, 0, 0);
	for(i = 0; i < 9; i++)
		submitsome(Owrite, 8 + 9 * i, 5);
	drain();
	if(freezestate() == Ffrozen)
		askunfreeze();
	for(i = 0; i < 9; i++){
		submitsome(Owrite, 6 + 15 * i, 5);
		turn();
		if(i == 4)
			submitsome(Oflush, 0, 0);
	}
	await(Fnone, 0);
	submitsome(Owrite, 0, 8);
	submitsome(Oflush, 0, 0);
	drain();
	comparealone();
}

static void
lastlife(void)
{
	start();
	readall();
	if(freezestate() == Ffrozen)
		askunfreeze();
	await(Fnone, 0);
	readall();
	if(mode->behind){
		submitsome(Oflush, 0, 0);
		drain();
	}
	comparealone();
}

/*
 * Live and die: when so many points have passed, or so many in Oworks, or, if
 * these are 0, at the end.  Returns 0 when something is wrong.
 */
static int
live(void (*how)(void), uvlong points, uvlong workpoints)
{
	int status;
	pid_t pid;

	life++;
	world->ended = world->faulted = 0;
	fflush(stdout);
	pid = fork();
	if(pid == 0){
		alarm(60);
		if(!loud && freopen("/dev/null", "w", stdout) == NULL)
			_exit(2);
		setseed(seed * 1000 + (uvlong)life);
		memseed(seed * 1000 + (uvlong)life);
		mem.life = points;
		mem.worklife = workpoints;
		how();
		world->ended = 1;
		memdie();
	}
	if(pid < 0 || waitpid(pid, &status, 0) != pid)
		wrong(NULL, "no child");
	if(WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT)
		fprintf(stderr, "freezemodel: mode %s, seed %llu, life %d: ended by signal %d\n",
			mode->name, seed, life, WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == Memdied;
}

/*
 * See what a life has left.
 */
static void
inherit(int power)
{
	uint i;
	int id, floor, promised;
	static const uchar *at[Large];
	Past *p;

	where = power ? "after a power cut" : "after its death";
	if(power)
		mempower();
	unflip(power);
	/* What a sync that failed has lost is not answered for. */
	promised = power || world->faulted;
	if(world->frozen && !world->merging)
		comparestill();
	survey(at);
	for(i = 0; i < nsect; i++){
		p = &world->past[i];
		floor = promised ? p->power : p->kill;
		id = which(at[i], i, floor, INT_MAX);
		if(id < 0 && promised)
			id = whichlost(at[i], i);
		if(id < 0)
			expect(NULL, "what is left has", at[i], i, floor, INT_MAX);
		/* cppcheck-suppress negativeIndex; expect doesn't return */
		world->fate[id] = Answered;
		settle(i, id, power);
	}
	world->broken = 0;
}

/* A new world, with a new disk. */
static void
create(void)
{
	uint i, image;

	nsect = mode->large ? Large : Small;
	image = First + nsect + 7;
	memset(world, 0, offsetof(World, still));
	memdisk(image * Sector);
	memseed(seed);
	mem.quiet = 1;
	memwindow(mode->blocks ? 0 : First, mode->blocks ? image / 8 * 8 : nsect);
	mem.window = mode->window;
	world->nids = 1;
	for(i = 0; i < nsect; i++){
		world->past[i].n = 1;
		content(mem.image + (First + i) * Sector, 0, i);
	}
	memsettle();
	mem.clock = 1000000000000 + rnd(1000000000);
	mem.tick = rnd(2) ? 10000 : rnd(2) ? 1000000 : 300000000;
	mem.late = rnd(4) ? rnd(8) : 0;
	mem.balk = rnd(4) ? 0 : 2 + rnd(20);
	mem.shuffled = rnd(4) > 0;
	mem.torn = rnd(4) > 0;
	mem.slow = rnd(3) ? 0 : 1 + rnd(100);
	mem.slowtime = 1000000 * rnd(100);
	mem.evict = mode->evict ? 2 + rnd(1000) : 0;
	mem.copyfail = mode->evict && rnd(2) ? 2 + rnd(100) : 0;
	mem.tryless = mode->evict;
	mem.writeback = rnd(3) ? 1 + rnd(rnd(2) ? 10 : 300) : 0;
	mem.nomark = mode->nomark;
	life = 0;
}

static int
run(uvlong s)
{
	static const uint most[] = { 40, 400, 4000, 20000 };
	int i, lived;

	seed = s;
	setseed(s);
	create();
	for(i = 0; i < Lives; i++){
		mem.room = mode->full && rnd(4) ? 3 + rnd(30) : UINT_MAX;
		lived = live(anylife, rnd(6) ? 1 + rnd(most[rnd(4)]) : 0,
			rnd(2) ? 1 + rnd(most[rnd(2)]) : 0);
		if(!lived)
			return 0;
		inherit((int)rnd(2));
		if(rnd(3) == 0)
			flip();
	}
	mem.room = UINT_MAX;
	if(!live(lastlife, 0, 0))
		return 0;
	inherit((int)rnd(2));
	return 1;
}

/*
 * The same life again and again, each time a point longer, to its end; and
 * another that dies early behind it.
 */
static int
sweep(uvlong s)
{
	static const uint most[] = { 301, 101, 61, 31 };
	uvlong n;
	int power, ended = 0;

	seed = s;
	for(n = 1 + s % stride; !ended; n += stride)
		for(power = 0; power < 4; power++){
			setseed(s);
			create();
			if(!live(fulllife, n, 0))
				return 0;
			ended = world->ended;
			inherit(power & 1);
			if(!live(power & 2 ? lastlife : fulllife, 1 + n * 7 % most[power], 0))
				return 0;
			inherit(!(power & 1) || n % 2 == 0);
			if(!live(lastlife, 0, 0))
				return 0;
			inherit(power & 1);
		}
	printf("# %llu points\n", n - stride);
	return 1;
}

/* In a child, so that a failure is one run's. */
static int
apart(int (*fn)(uvlong), uvlong s)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if(pid == 0){
		memshare();
		status = fn(s);
		fflush(stdout);
		_exit(!status);
	}
	if(pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	if(status != 0)
		printf("# to repeat: freezemodel -1 %llu %s%s\n", s, mode->name,
			fn == sweep ? " sweep" : "");
	return status == 0;
}

int
main(int argc, char **argv)
{
	enum { Nmode = sizeof modes / sizeof modes[0] };
	int i, k, good, nseed, only = argc > 3 && strcmp(argv[1], "-1") == 0;
	uint froze, merged, requests, succeeded_, flips, refused_;
	uvlong s;

	if(only)
		argv++, argc--;
	s = argc > 1 ? strtoull(argv[1], NULL, 10) : (uvlong)time(NULL);
	stride = !only && argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	nseed = !only && argc > 3 ? atoi(argv[3]) : 4;
	world = mmap(NULL, sizeof *world, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
	if(world == MAP_FAILED)
		return 2;
	for(i = 0; i < Nmode; i++){
		mode = &modes[i];
		if(argc > 2 && strcmp(argv[2], "all") != 0 && strcmp(argv[2], mode->name) != 0)
			continue;
		if(only){
			loud = 1;
			memshare();
			return !(argc > 3 ? sweep(s) : run(s));
		}
		froze = merged = requests = succeeded_ = flips = refused_ = 0;
		for(k = 0, good = 1; k < nseed; k++){
			good &= apart(run, s + (uvlong)k);
			froze += world->froze;
			merged += world->merged;
			requests += world->requests;
			succeeded_ += world->succeeded;
			flips += world->flips;
			refused_ += world->refused;
		}
		ok(good, "%d random runs agree with the model, seeds from %llu, mode %s", nseed, s,
			mode->name);
		printf("# %u requests, %u times frozen, %u merged, %u requests succeeded late, "
			"%u bits flipped, %u starts refused\n",
			requests, froze, merged, succeeded_, flips, refused_);
		if(i == 0 || strcmp(mode->name, "direct-sync") == 0
			|| strcmp(mode->name, "behind") == 0)
			ok(apart(sweep, s), "a death at every point of a life, mode %s, seed %llu",
				mode->name, s);
	}
	return tapend();
}
