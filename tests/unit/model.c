/*
 * The model test: thousands of random requests go to the daemon's files
 * over the disk of memsys.c, which answers late, in any order and with
 * errors, and to an array, at once and in the order they came.  Both must
 * agree at every answer.
 *
 *	model [seed [mode]]	every mode, with a few seeds from this one on
 *	model -1 seed mode	that mode with that seed only, in this process
 *
 * A run's mode is a name of the table modes; what else there is to choose,
 * the run's seed chooses.  A run goes through buf.c alone, or through
 * frame() with frames of several initiators on two interfaces.
 *
 * What is checked:
 *
 * 1. Each request is done once.  A read has exactly what the writes and
 *    trims that came before it left, whatever came later.
 * 2. A request fails when it touches a bad sector, and only then; a read
 *    says which was the first.
 * 3. When a flush is answered, everything that was answered before it came
 *    is on stable storage; when a stable write or trim is, its own sectors
 *    are.  After a cut of the power that is still there.
 * 4. A read of what is in the page cache, which nothing that came before
 *    changes, is done by the bufcommit that follows, and never waits.
 * 5. When an operation of the disk does not end, only those requests wait
 *    that overlap it, or are joined with it.
 * 6. After a sync that failed no write, trim or flush succeeds, and nothing
 *    is written.
 * 7. A write's data is looked at only until bufcommit returns.
 *
 * Each write has a number, which its sectors carry, so that every sector
 * says who wrote it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "../tap.h"

typedef struct Mode	Mode;
typedef struct Job	Job;

enum {
	First		= 5,		/* -o: pages and sectors don't begin together */
	Small		= 300,		/* -l */
	Large		= 6000,		/* and so that the pool is full now and then */
	Maxsec		= 17,		/* of a read or write */
	Maxranges	= 4,
	Njob		= 400,
	Steps		= 400,
	Maxids		= 1 << 17,
	Nnics		= 2,
	Ninitiators	= 5,
	Shelf		= 9,
	Slot		= 4,

	Unsure		= -1,		/* the model doesn't know what the sector holds */
};

struct Mode {
	const char	*name;
	int	frames;		/* through frame() */
	int	direct;
	int	window;
	int	sync;		/* -s */
	int	pool;		/* blocks of our own */
	int	behind;		/* -w */
	int	faults;		/* bad sectors */
	int	holds;		/* some operations don't end for long */
	int	evict;		/* pages are dropped at random, and copies fail */
	int	breaks;		/* a sync fails */
	int	power;		/* it ends with a cut of the power */
	int	blocks;		/* the disk can be written only by whole blocks of 4096 bytes */
};

static const Mode modes[] = {
	{ .name = "window", .window = 1, .holds = 1 },
	{ .name = "window-faults", .window = 1, .faults = 1, .holds = 1 },
	{ .name = "window-evict", .window = 1, .evict = 1, .power = 1 },
	{ .name = "window-evict-faults", .window = 1, .evict = 1, .faults = 1 },
	{ .name = "window-breaks", .window = 1, .evict = 1, .breaks = 1 },
	{ .name = "calls", .holds = 1, .power = 1 },
	{ .name = "calls-faults", .evict = 1, .faults = 1 },
	{ .name = "direct", .direct = 1, .holds = 1, .power = 1 },
	{ .name = "direct-blocks", .direct = 1, .blocks = 1, .power = 1 },
	{ .name = "direct-pool-blocks", .direct = 1, .pool = 1, .blocks = 1, .power = 1 },
	{ .name = "behind-direct-blocks", .direct = 1, .pool = 1, .behind = 1, .blocks = 1,
		.power = 1 },
	{ .name = "frames-direct-blocks-sync", .frames = 1, .direct = 1, .sync = 1, .blocks = 1,
		.power = 1 },
	{ .name = "direct-blocks-faults", .direct = 1, .blocks = 1, .faults = 1 },
	{ .name = "direct-pool-blocks-faults", .direct = 1, .pool = 1, .blocks = 1, .faults = 1 },
	{ .name = "behind-direct-blocks-faults", .direct = 1, .pool = 1, .behind = 1, .blocks = 1,
		.faults = 1 },
	{ .name = "direct-blocks-breaks", .direct = 1, .blocks = 1, .breaks = 1 },
	{ .name = "direct-faults", .direct = 1, .holds = 1, .faults = 1 },
	{ .name = "direct-breaks", .direct = 1, .breaks = 1 },
	{ .name = "direct-pool", .direct = 1, .pool = 1, .holds = 1, .power = 1 },
	{ .name = "direct-pool-faults", .direct = 1, .pool = 1, .faults = 1, .holds = 1 },
	{ .name = "direct-pool-breaks", .direct = 1, .pool = 1, .breaks = 1 },
	{ .name = "behind-window", .window = 1, .pool = 1, .behind = 1, .holds = 1, .power = 1 },
	{ .name = "behind-window-evict", .window = 1, .evict = 1, .pool = 1, .behind = 1,
		.power = 1 },
	{ .name = "behind-calls", .pool = 1, .behind = 1, .evict = 1, .holds = 1, .power = 1 },
	{ .name = "behind-direct", .direct = 1, .pool = 1, .behind = 1, .holds = 1, .power = 1 },
	{ .name = "behind-direct-faults", .direct = 1, .pool = 1, .behind = 1, .faults = 1,
		.power = 1 },
	{ .name = "behind-window-faults", .window = 1, .pool = 1, .behind = 1, .faults = 1,
		.power = 1 },
	{ .name = "behind-direct-breaks", .direct = 1, .pool = 1, .behind = 1, .breaks = 1 },
	{ .name = "frames-window", .frames = 1, .window = 1, .holds = 1 },
	{ .name = "frames-window-evict-faults", .frames = 1, .window = 1, .evict = 1, .faults = 1 },
	{ .name = "frames-sync", .frames = 1, .window = 1, .sync = 1, .power = 1 },
	{ .name = "frames-calls", .frames = 1, .evict = 1, .power = 1 },
	{ .name = "frames-direct-faults", .frames = 1, .direct = 1, .faults = 1, .holds = 1 },
	{ .name = "frames-direct-pool", .frames = 1, .direct = 1, .pool = 1, .holds = 1,
		.power = 1 },
	{ .name = "frames-behind", .frames = 1, .window = 1, .pool = 1, .behind = 1, .evict = 1,
		.power = 1 },
	{ .name = "frames-behind-direct", .frames = 1, .direct = 1, .pool = 1, .behind = 1,
		.power = 1 },
	{ .name = "frames-direct-sync-breaks", .frames = 1, .direct = 1, .sync = 1, .breaks = 1 },
};

/* A request, and what the model says of it. */
struct Job {
	Io	io;		/* first, so that an Io of ours is a Job */
	int	inuse;
	uint	when;		/* it came as this one */
	int	op;
	int	stable;
	uvlong	lba;
	uint	nsec;
	Range	range[Maxranges];
	int	nrange;
	int	id;		/* a write's or trim's number */
	int	want[Maxsec];	/* a read's sectors, by number */
	int	*need;		/* a flush's: what must be stable */
	uchar	*data;		/* exactly as long as the request, for AddressSanitizer */
	int	nroom;
	int	fails;		/* it touches a bad sector */
	uvlong	badlba;		/* a read's first */
	int	learns;		/* the model believes what it reads */
	int	loose;		/* it may fail or not, as a sync has failed meanwhile */
	int	mustfail;
	int	atonce;		/* it is done when bufcommit returns */
	int	excused;	/* it may wait for what is held */

	/* through frames */
	int	nic;
	int	from;
	int	cmd;
	uint	tag;
};

static const Mode *mode;
static uint nsect;
static uvlong seed, state;
static const char *where = "at the start";

static Job jobs[Njob];
static int nundone;
static uint came;		/* requests so far */
static uint ndone[2];		/* that succeeded, that failed */

static int model[Large];	/* the number of the write that each sector holds */
static int answered[Large];	/* the newest write to it that was answered */
static int durable[Large];	/* the newest that was promised to be stable */
static int lasttrim[Large];
static uchar istrim[Maxids];
static uchar failed[Maxids];	/* a write that failed: who knows what it left */
static uchar scattered[Maxids];	/* a trim of several ranges that is not answered: 2 when one of them was read as not trimmed, as if it had failed */
static int nids;

static uchar bad[3][Large];	/* by Mread, Mwrite, and Mtrim - 1 */
static int broken;

static Nic nics[Nnics];
static int nicnow;		/* a turn's frames come in by one, so that their order is known */

static void show(Job*);
static void setfaults(void);
static void cleanse(void);
static void behindbroken(void);

__attribute__((format(printf, 2, 3), noreturn))
static void
wrong(Job *j, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "model: mode %s, seed %llu, after %u requests, %s: ", mode->name, seed,
		came, where);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	if(j != NULL)
		show(j);
	fflush(stderr);
	abort();
}

static void
show(Job *j)
{
	static const char *const name[] = { "read", "write", "verify", "trim", "flush" };
	int i;

	fprintf(stderr, "model: request %u: %s%s", j->when, j->stable ? "stable " : "",
		name[j->op]);
	if(j->op != Otrim && j->op != Oflush)
		fprintf(stderr, " of %u sectors at %llu", j->nsec, j->lba);
	for(i = 0; i < j->nrange; i++)
		fprintf(stderr, " %u at %llu", j->range[i].nsec, j->range[i].lba);
	fprintf(stderr, ", number %d%s\n", j->id, j->fails ? ", of a bad sector" : "");
}

static uint
rnd(uint n)
{
	return (uint)((memrandom(&state) >> 20) % n);
}

/* What sectors hold. */

static void
content(uchar *p, int id, uvlong lba)
{
	if(istrim[id])
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

/* The number of the write that this sector is from. */
static int
whose(const uchar *p, uvlong lba)
{
	static const uchar zeros[Sector];
	uint id;

	if(memcmp(p, zeros, Sector) == 0)
		return lasttrim[lba];
	memcpy(&id, p, 4);
	if(id == 0 || id > (uint)nids || !holds(p, (int)id - 1, lba))
		wrong(NULL, "sector %llu holds what nobody wrote", lba);
	return (int)id - 1;
}

static const uchar*
ondisk(uchar *image, uvlong lba)
{
	return image + (First + lba) * Sector;
}

/* Requests. */

/*
 * The sectors from the first to the last that a request concerns.  Others
 * may wait for a trim's that lie between its ranges.
 */
static uvlong
begins(Job *j)
{
	return j->op == Otrim ? j->range[0].lba : j->lba;
}

static uvlong
ends(Job *j)
{
	Range *last;

	if(j->op != Otrim)
		return j->lba + j->nsec;
	last = &j->range[j->nrange - 1];
	return last->lba + last->nsec;
}

static int
meets(Job *a, uvlong lba, uvlong end)
{
	return a->op != Oflush && begins(a) < end && lba < ends(a);
}

static int
conflict(Job *a, Job *b)
{
	if(a->op != Owrite && a->op != Otrim && b->op != Owrite && b->op != Otrim)
		return 0;
	return b->op != Oflush && meets(a, begins(b), ends(b));
}

/* What a write or trim of number id leaves in n sectors. */
static void
leave(Job *j, uvlong lba, uint n)
{
	uint i;

	for(i = 0; i < n; i++)
		model[lba + i] = j->fails && !mode->behind ? Unsure : j->id;
	if(j->op == Otrim)
		for(i = 0; i < n; i++)
			lasttrim[lba + i] = j->id;
}

static int
firstbad(int op, uvlong lba, uint n, uvlong *at)
{
	for(*at = lba; *at < lba + n; ++*at)
		if(bad[op == Oread || op == Overify ? 0 : op == Owrite ? 1 : 2][*at])
			return 1;
	return 0;
}

/* The request comes, as far as the model is concerned. */
static void
arrive(Job *j)
{
	uvlong at;
	uint i;
	int k;

	j->when = came++;
	j->inuse = 1;
	j->mustfail = broken && j->op != Oread && j->op != Overify;
	nundone++;
	switch(j->op){
	case Oread:
	case Overify:
		j->fails = firstbad(Oread, j->lba, j->nsec, &j->badlba);
		for(i = 0; j->op == Oread && i < j->nsec; i++)
			j->want[i] = model[j->lba + i];
		break;
	case Owrite:
		j->fails = firstbad(Owrite, j->lba, j->nsec, &at);
		if(mode->blocks && mode->faults){
			uvlong lo = (First + j->lba) / 8 * 8, hi = (First + j->lba + j->nsec + 7) / 8 * 8;

			lo = lo < First ? 0 : lo - First;
			hi = hi - First > nsect ? nsect : hi - First;
			j->loose |= !j->fails && (firstbad(Oread, lo, (uint)(hi - lo), &at)
				|| firstbad(Owrite, lo, (uint)(hi - lo), &at));
		}
		if(!j->mustfail)
			leave(j, j->lba, j->nsec);
		break;
	case Otrim:
		for(k = 0; k < j->nrange; k++)
			j->fails |= firstbad(Otrim, j->range[k].lba, j->range[k].nsec, &at);
		for(k = 0; !j->mustfail && k < j->nrange; k++)
			leave(j, j->range[k].lba, j->range[k].nsec);
		break;
	case Oflush:
		j->need = malloc(nsect * sizeof *answered);
		if(j->need == NULL)
			abort();
		memcpy(j->need, answered, nsect * sizeof *answered);
		break;
	}
}

static void
promise(Job *j, int id, uvlong lba)
{
	int has = whose(ondisk(mem.stable, lba), lba);

	if(has < id)
		wrong(j, "sector %llu: number %d is promised to be stable, and %d is", lba, id,
			has);
	if(durable[lba] < id)
		durable[lba] = id;
}

static void
answer(Job *j, uvlong lba, uint n)
{
	for(; n > 0; n--, lba++){
		if(answered[lba] < j->id)
			answered[lba] = j->id;
		if(j->stable)
			promise(j, j->id, lba);
	}
}

/*
 * A sync has failed, and the write or trim with this number, which is not yet
 * answered, was not seen by a later read: then it must fail.
 */
static int
refused(int id)
{
	Job *j;

	for(j = jobs; broken && j < jobs + Njob; j++)
		if(j->inuse && j->id == id && (j->op == Owrite || j->op == Otrim))
			return j->mustfail = 1;
	return 0;
}

static void
succeeded(Job *j)
{
	uint i;
	int k;

	switch(j->op){
	case Oread:
		for(i = 0; j->learns && i < j->nsec; i++)
			model[j->lba + i] = whose(j->data + i * Sector, j->lba + i);
		for(i = 0; i < j->nsec; i++)
			if(j->want[i] == Unsure || failed[j->want[i]] || j->loose
				|| holds(j->data + i * Sector, j->want[i], j->lba + i))
				continue;
			else if(scattered[j->want[i]])
				scattered[j->want[i]] = 2;
			else if(refused(j->want[i]))
				continue;
			else
				wrong(j, "sector %llu: read number %d, expected %d", j->lba + i,
					whose(j->data + i * Sector, j->lba + i), j->want[i]);
		break;
	case Owrite:
		answer(j, j->lba, j->nsec);
		break;
	case Otrim:
		if(scattered[j->id] == 2)
			wrong(j, "it succeeds, and sectors that came before it could be read behind it");
		scattered[j->id] = 0;
		for(k = 0; k < j->nrange; k++)
			answer(j, j->range[k].lba, j->range[k].nsec);
		break;
	case Oflush:
		for(i = 0; i < nsect; i++)
			promise(j, j->need[i], i);
		break;
	}
}

/*
 * A request is done: failed, and with which first bad sector.
 */
/*
 * May a request fail that touches no bad sector?  It may because of a sync,
 * or, with -w, because of an earlier write.
 */
static int
mayfail(Job *j)
{
	if(j->loose || j->mustfail)
		return 1;
	if(mode->breaks && (j->op == Oflush || j->stable))
		broken = 1;	/* this one tells us */
	if(broken && j->op != Oread && j->op != Overify)
		return 1;
	return mode->behind && mode->faults && j->op != Oread && j->op != Overify;
}

/*
 * A request is done; it failed, and with which first bad sector.
 */
static void
judge(Job *j, int fail, uvlong badlba)
{
	if(!j->inuse)
		wrong(j, "it is done twice");
	if(j->mustfail && !fail)
		wrong(j, "it succeeds, though a sync has failed");
	if(fail && !j->fails && !mayfail(j))
		wrong(j, "it fails");
	/* The pool may have what the disk hasn't. */
	if(!fail && j->fails && !mode->pool)
		wrong(j, "it succeeds");
	if(fail && (j->op == Oread || j->op == Overify) && badlba != j->badlba)
		wrong(j, "the first bad sector was to be %llu, and is said to be %llu", j->badlba,
			badlba);
	if(fail)
		failed[j->id] = j->op == Owrite || j->op == Otrim;
	else
		succeeded(j);
	ndone[fail]++;
	free(j->data);
	free(j->need);
	j->data = NULL;
	j->need = NULL;
	j->inuse = 0;
	nundone--;
}

/* Through buf.c alone. */

static uchar*
room(Io *io)
{
	Job *j = (Job*)io;

	if(++j->nroom > 1)
		wrong(j, "it is asked for room twice");
	return j->data;
}

static void
done(Io *io)
{
	Job *j = (Job*)io;

	if(j->op == Oread && j->io.error == 0 && j->nroom != 1)
		wrong(j, "it is not asked for room");
	judge(j, j->io.error != 0, j->io.badlba);
}

static void
sendio(Job *j)
{
	uchar *space = j->io.space;

	memset(&j->io, rnd(2) ? 0 : 0x55, sizeof j->io);
	j->io = (Io){ .op = j->op, .stable = j->stable, .lba = j->lba, .nsec = j->nsec,
		.range = j->range, .nrange = j->nrange,
		.data = j->op == Owrite ? j->data : NULL, .room = room, .done = done, .space = space };
	bufio(&j->io);
}

/* Through frames. */

static uint
get32(const uchar *p)
{
	return (uint)p[0] << 24 | (uint)p[1] << 16 | (uint)p[2] << 8 | p[3];
}

static uvlong
getle(const uchar *p, int n)
{
	uvlong v = 0;

	while(n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static void
putle(uchar *p, uvlong v, int n)
{
	for(; n > 0; n--, v >>= 8)
		*p++ = (uchar)v;
}

static int
command(Job *j)
{
	static const uchar cmds[][2] = { { 0x24, 0x20 }, { 0x34, 0x30 }, { 0x42, 0x40 },
		{ 0x06, 0x06 }, { 0xea, 0xe7 } };

	if(j->op == Owrite && j->stable && !mode->sync)
		return 0x3d;
	return cmds[j->op][rnd(2)];
}

static void
sendframe(Job *j)
{
	static uchar f[Framemax];
	uint len = Odata, n = j->op == Otrim ? 1 : j->op == Oflush ? 0 : j->nsec;
	int i;

	memset(f, 0, sizeof f);
	j->nic = nicnow;
	j->from = 1 + (int)rnd(Ninitiators);
	j->cmd = command(j);
	j->tag = (uint)(j - jobs) << 16 | (j->when & 0xffff);
	memcpy(f + Odst, nics[j->nic].ea.a, sizeof(Ea));
	f[Osrc] = 2;
	f[Osrc + 5] = (uchar)j->from;
	f[Otype] = Aoetype >> 8;
	f[Otype + 1] = Aoetype & 0xff;
	f[Overflag] = Aoever << 4;
	f[Omajor + 1] = Shelf;
	f[Ominor] = Slot;
	for(i = 0; i < 4; i++)
		f[Otag + i] = (uchar)(j->tag >> (24 - 8 * i));
	f[25] = j->op == Otrim;
	f[26] = (uchar)n;
	f[27] = (uchar)j->cmd;
	putle(f + 28, j->op == Otrim ? 0 : j->lba, 6);
	if(j->op == Owrite){
		memcpy(f + Odata, j->data, n * Sector);
		len += n * Sector;
	}else if(j->op == Otrim){
		for(i = 0; i < j->nrange; i++){
			putle(f + Odata + 8 * i, j->range[i].lba, 6);
			putle(f + Odata + 8 * i + 6, j->range[i].nsec, 2);
		}
		len += Sector;
	}
	memput(&nics[j->nic], f, len);
}

static void
collect(int nic)
{
	uchar *r;
	uint len;
	Job *j;

	while((r = memget(&nics[nic], &len)) != NULL){
		if(get32(r + Otag) >> 16 >= Njob)
			wrong(NULL, "an answer to nothing");
		j = &jobs[get32(r + Otag) >> 16];
		if(!j->inuse || j->tag != get32(r + Otag) || j->nic != nic || r[5] != j->from
			|| r[Ocmd] != 0 || r[Overflag] != 0x18)
			wrong(j, "an answer to nothing, or to another");
		if(r[27] != 0x40 && r[27] != (j->op == Oread || j->op == Overify ? 0x41 : 0x61))
			wrong(j, "status 0x%x", r[27]);
		if(r[27] == 0x40 && j->op == Oread){
			if(len != Odata + j->nsec * Sector)
				wrong(j, "its answer has %u bytes", len);
			memcpy(j->data, r + Odata, j->nsec * Sector);
		}
		judge(j, r[27] != 0x40, getle(r + 28, j->cmd == 0x24
			|| j->cmd == 0x42 ? 6 : 4) & 0xffffffffffffULL);
	}
}

/* Steps. */

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

/*
 * Will a read be done at once?  It will when it is in the page cache, is not
 * held up by what came before, and the system drops no pages.
 */
static int
ishot(Job *j)
{
	int i;

	if(mode->direct || mode->pool || mode->evict || mode->faults
		|| !memresident(First + j->lba, j->nsec))
		return 0;
	for(i = 0; i < Njob; i++)
		if(jobs[i].inuse && conflict(&jobs[i], j))
			return 0;
	return 1;
}

static void
submit(Job *j)
{
	uint i;

	if(j->op == Oread || j->op == Owrite){
		j->data = malloc((size_t)j->nsec * Sector);
		if(j->data == NULL)
			abort();
	}
	if(j->op == Owrite || j->op == Otrim){
		if(nids == Maxids)
			wrong(NULL, "no more numbers");
		j->id = nids++;
		istrim[j->id] = j->op == Otrim;
		scattered[j->id] = j->op == Otrim && j->nrange > 1;
		for(i = 0; j->op == Owrite && i < j->nsec; i++)
			content(j->data + i * Sector, j->id, j->lba + i);
	}
	if(j->op == Oread)
		j->atonce = ishot(j);
	arrive(j);
	if(mode->frames)
		sendframe(j);
	else
		sendio(j);
}

static int
byrange(const void *a, const void *b)
{
	const Range *r = a, *t = b;

	return r->lba < t->lba ? -1 : r->lba > t->lba;
}

/* A trim's ranges, in order and with gaps between them, as ata.c makes them. */
static void
ranges(Job *j)
{
	Range r[Maxranges];
	int i, n = 1 + (int)rnd(Maxranges);

	for(i = 0; i < n; i++){
		r[i].nsec = 1 + rnd(6);
		r[i].lba = place(r[i].nsec);
	}
	/* cppcheck-suppress uninitvar; n is at least 1 */
	qsort(r, (size_t)n, sizeof *r, byrange);
	for(i = 0; i < n; i++)
		if(j->nrange == 0 || r[i].lba > ends(j))
			j->range[j->nrange++] = r[i];
}

static void
randomjob(void)
{
	uint x = rnd(100);
	Job *j = newjob(x < 45 ? Oread : x < 88 ? Owrite : x < 92 ? Otrim : x < 95 ? Overify : Oflush);

	if(j->op == Oread || j->op == Owrite || j->op == Overify){
		j->nsec = j->op == Overify && rnd(2) ? 1 + rnd(rnd(2) ? 255 : 40) : length();
		j->lba = place(j->nsec);
	}
	if(j->op == Owrite)
		j->stable = mode->sync || rnd(8) == 0;
	if(j->op == Otrim){
		j->stable = mode->sync || (!mode->frames && rnd(4) == 0);
		ranges(j);
	}
	submit(j);
}

/* Requests that follow each other on the disk, as initiators send them. */
static void
sequence(void)
{
	uint i, n = 2 + rnd(10), nsec = length();
	uvlong lba = rnd(nsect);
	int op = rnd(2) ? Oread : Owrite, stable = mode->sync || rnd(8) == 0;
	Job *j;

	for(i = 0; i < n && lba + nsec <= nsect && nundone < Njob; i++, lba += nsec){
		j = newjob(op);
		j->lba = lba;
		j->nsec = nsec;
		j->stable = op == Owrite && stable;
		submit(j);
	}
}

static Job*
firstundone(void)
{
	Job *j, *first = NULL;

	for(j = jobs; j < jobs + Njob; j++)
		if(j->inuse && (first == NULL || j->when < first->when))
			first = j;
	return first;
}

static int draining;

/* What a turn of the loop does. */
static void
turn(void)
{
	uchar *f;
	uint len;
	int i, late = 0;

	/* Now and then nothing leaves the rings, which are soon full. */
	mem.stuck = mode->frames && !draining && rnd(3) == 0;
	for(i = 0; mode->frames && i < Nnics; i++)
		sendwaiting(&nics[i]);
	while(enginereap())
		;
	for(i = 0; mode->frames && i < Nnics; i++)
		while((f = nicrecv(&nics[i], &len)) != NULL)
			frame(&nics[i], f, len);
	bufcommit();
	for(i = 0; mode->frames && i < Nnics; i++){
		nickick(&nics[i]);
		nicrelease(&nics[i]);
		collect(i);
		late |= mem.stuck || nics[i].late != NULL;
	}
	nicnow = (int)rnd(Nnics);
	if(nundone > 0 && !bufbusy() && !late)
		wrong(NULL, "requests are under way, and bufbusy denies it");
	/* A sync may wait a moment for more requests to cover; then another turn is due at once. */
	if(nundone > 0 && mem.underway == 0 && !late && bufwait() != 0)
		wrong(firstundone(),
			"requests wait, this one first, and the disk has nothing to do");
	if(mem.unkicked > 0 && bufwait() < 0)
		wrong(NULL, "operations are started, and nobody thinks of kicking them");
	for(i = 0; i < Njob; i++){
		if(!jobs[i].inuse)
			continue;
		if(jobs[i].atonce && !late)
			wrong(&jobs[i], "it was in the page cache, and is not done at once");
		/* The frame is the network's again. */
		if(jobs[i].op == Owrite){
			free(jobs[i].data);
			jobs[i].data = NULL;
		}
	}
}

static void
drain(void)
{
	uint i;

	draining = 1;
	for(i = 0; nundone > 0 || bufbusy(); i++){
		if(i > 100000)
			wrong(NULL, "%d requests are never done", nundone);
		turn();
	}
	draining = 0;
}

static void
compare(void)
{
	uvlong i;

	for(i = 0; i < nsect; i++)
		if(model[i] == Unsure || failed[model[i]])
			model[i] = whose(ondisk(mem.image, i), i);
		else if(!holds(ondisk(mem.image, i), model[i], i))
			wrong(NULL, "sector %llu: the disk holds number %d, expected %d", i,
				whose(ondisk(mem.image, i), i), model[i]);
}

/* Something is held for long: nobody else waits. */

static int heldop;
static uvlong heldfirst, heldend;

static int
touches(Job *j)
{
	static const int ops[] = { [Oread] = Mread, [Owrite] = Mwrite, [Overify] = Mread,
		[Otrim] = Mtrim, [Oflush] = Msync };

	/* A flush waits for all that is written behind, and that for what it overlaps. */
	if(mode->behind && (j->op == Oflush || j->stable))
		return 1;
	/*
	 * Any request may wait for what is written behind, or read ahead, and
	 * that for what it overlaps; with a pool, nobody waits for a sync.
	 */
	if(mode->pool && heldop != Msync)
		return 1;
	if(heldop == Msync)
		return j->op == Oflush || j->stable;
	return ops[j->op] == heldop && meets(j, heldfirst, heldend);
}

static int
joined(Job *a, Job *b)
{
	return a->op == b->op && (a->op == Oread || a->op == Owrite)
		&& (a->lba + a->nsec == b->lba || b->lba + b->nsec == a->lba);
}

static int
excusable(Job *j)
{
	Job *a;

	if(touches(j))
		return 1;
	for(a = jobs; a < jobs + Njob; a++)
		if(a->inuse && a->excused && ((a->when < j->when && conflict(a, j)) || joined(a,
			j)))
			return 1;
	return 0;
}

static void
excuse(void)
{
	Job *j;
	int more;

	for(j = jobs; j < jobs + Njob; j++)
		j->excused = 0;
	do{
		more = 0;
		for(j = jobs; j < jobs + Njob; j++)
			if(j->inuse && !j->excused && excusable(j))
				j->excused = more = 1;
	}while(more);
}

/* Returns a request that waits though nothing that is held excuses it, or NULL. */
static Job*
waiting(void)
{
	Job *j;

	excuse();
	for(j = jobs; j < jobs + Njob; j++)
		if(j->inuse && !j->excused)
			return j;
	return NULL;
}

static void
holding(void)
{
	Job *j;
	static const int ops[] = { Mread, Mwrite, Msync, Mtrim };
	uint i, n = rnd(60);

	where = "while something is held";
	heldop = ops[rnd(4)];
	heldfirst = place(1);
	heldend = heldfirst + 1 + rnd(8);
	if(heldend > nsect)
		heldend = nsect;
	memhold(heldop, First + heldfirst, heldend - heldfirst);
	for(i = 0; i < n && nundone < Njob; i++){
		if(rnd(4) == 0)
			turn();
		randomjob();
	}
	/* Long enough for some verifies behind each other, all of them sector by sector. */
	for(i = 0; i < 20 * 400 * (mem.late + 1) && (i % 400 != 0 || waiting() != NULL); i++)
		turn();
	if((j = waiting()) != NULL){
		fprintf(stderr, "model: operation %d of sectors %llu to %llu is held\n", heldop,
			heldfirst, heldend);
		wrong(j, "it waits for what it does not overlap");
	}
	memrelease();
	where = "after something was held";
}

/* A sync fails. */
static void
breaking(void)
{
	int i;

	memfault(Msync, 0, 1, EIO, 1);
	where = "when a sync fails";
	for(i = 0; !broken && i < 10000; i++){
		if(nundone < Njob / 2)
			randomjob();
		turn();
	}
	if(!broken)
		wrong(NULL, "a sync fails, and nobody is told");
	for(i = 0; i < Njob; i++)
		jobs[i].loose = 1;
	where = "while a sync has failed and the rest ends";
	for(i = 0; i < (int)nsect; i++)
		model[i] = Unsure;
	drain();
	if(mode->behind)
		behindbroken();
	else
		compare();
	where = "after a sync has failed";
}

/* Runs. */

static void
mark(int op, uint n)
{
	uvlong at, end, i;

	for(; n > 0; n--){
		at = rnd(nsect - 8);
		end = at + 1 + rnd(3);
		/* The page cache has pages whole or not at all. */
		if(op == Mread && !mode->direct){
			at -= at < 16 ? at : (First + at) % 8;
			end = at + 8 - (First + at) % 8;
		}
		for(i = at; i < end; i++)
			bad[op == Mtrim ? 2 : op][i] = 1;
	}
}

static void
setfaults(void)
{
	static const int ops[] = { Mread, Mwrite, Mtrim }, errors[] = { EIO, ENOSPC, EOPNOTSUPP };
	uint i, k, n;

	for(k = 0; k < 3; k++)
		for(i = 0; i < nsect; i += n)
			for(n = 1; i + n <= nsect && bad[k][i]; n++)
				if(i + n == nsect || !bad[k][i + n]){
					memfault(ops[k], First + i, n, errors[k], 0);
					break;
				}
}

static void
setdisk(void)
{
	uint i, image;

	nsect = mode->pool && rnd(4) > 0 ? Large : Small;
	image = mode->blocks ? (First + nsect + 7) / 8 * 8 : First + nsect + 7;
	memdisk(image * Sector);
	memseed(seed);
	mem.quiet = 1;
	if(mode->blocks){
		memwindow(0, image);
		disk.block = 4096;
	}else
		memwindow(First, nsect);
	disk.direct = mode->direct;
	mem.window = mode->window;
	nids = 1;
	for(i = 0; i < nsect; i++)
		content(mem.image + (First + i) * Sector, 0, i);
	memsettle();
	mem.clock = 1000000000000 + rnd(1000000000);
	mem.tick = rnd(2) ? 10000 : rnd(2) ? 1000000 : 300000000;
	mem.late = rnd(4) ? rnd(12) : 0;
	mem.balk = rnd(4) ? 0 : 2 + rnd(20);
	mem.shuffled = rnd(4) > 0;
	mem.torn = rnd(4) > 0;
	mem.grain = rnd(2) ? 4096 : Sector;
	mem.slow = rnd(3) ? 0 : 1 + rnd(100);
	mem.slowtime = 1000000 * rnd(100);
	mem.evict = mode->evict ? 2 + rnd(1000) : 0;
	mem.copyfail = mode->evict && rnd(2) ? 2 + rnd(100) : 0;
	mem.tryless = mode->evict;
	mem.nostall = !mode->evict;
	if(rnd(3) > 0)
		memevict(0, image);
	if(mode->faults){
		mark(Mread, 1 + rnd(5));
		if(!mode->behind)
			mark(Mwrite, 1 + rnd(5));
		mark(Mtrim, rnd(3));
		setfaults();
	}
}

static void
settarget(void)
{
	Conf c = { .shelf = Shelf, .slot = Slot, .bufcnt = 64, .sync = mode->sync,
		.direct = mode->direct, .offset = First, .length = nsect };
	uchar *space;
	int i, fd;

	setdisk();
	if(engineopen(&fd) < 0 || bufrequests(Njob) < 0 || bufinit(First, nsect) < 0
		|| (mode->pool && bufpool(1, mode->behind) < 0))
		wrong(NULL, "no target");
	space = aligned_alloc(4096, (size_t)Njob * Spacesize);
	if(space == NULL)
		abort();
	memset(jobs, 0, sizeof jobs);
	for(i = 0; i < Njob; i++)
		jobs[i].io.space = space + i * Spacesize;
	if(!mode->frames)
		return;
	mem.txslots = 8;
	for(i = 0; i < Nnics; i++)
		memnic(&nics[i], "t0", 1 + i, 9000);
	if(aoeinit(&c) < 0)
		abort();
	atainit("9.4:model", 0, mode->sync);
}

/*
 * Reads go on and on, in large steps or small: the pool is passed through,
 * and read ahead into.
 */
static void
sweep(void)
{
	static uvlong at;
	uint i, n = 1 + rnd(40), nsec = length();
	int op = rnd(3) ? Oread : Owrite;
	Job *j;

	for(i = 0; i < n && nundone < Njob; i++, at += nsec){
		if(at + nsec > nsect)
			at = 0;
		j = newjob(op);
		j->lba = at;
		j->nsec = nsec;
		j->stable = op == Owrite && mode->sync;
		submit(j);
		if(rnd(4) == 0)
			turn();
	}
}

/* After a failed sync nobody knows what is in the pool: read it. */
static void
behindbroken(void)
{
	Job *j;
	uint i;

	for(i = 0; i < nsect; i++){
		j = newjob(Oread);
		j->lba = i;
		j->nsec = 1;
		j->learns = 1;
		submit(j);
		drain();
	}
}

/* Have what is in the pool written (-w), and see that it is. */
static void
cleanse(void)
{
	int i;
	uint fails;

	memheal();
	for(i = 0; ; i++){
		fails = ndone[1];
		submit(newjob(Oflush));
		drain();
		if(broken || ndone[1] == fails)
			break;
		if(i == 100)
			wrong(NULL, "flushes fail on a disk in working order");
	}
	if(mode->faults)
		setfaults();
}

/* A write of what was answered long ago fails, once or twice (-w). */
static void
stumble(void)
{
	uvlong at = place(8);

	memfault(Mwrite, First + at, 1 + rnd(8), rnd(2) ? EIO : ENOSPC, 1 + (int)rnd(3));
}

static void
step(uint most)
{
	uint i, n;

	if(rnd(4) == 0)
		sequence();
	if(mode->pool && rnd(4) == 0)
		sweep();
	if(mode->behind && mode->faults && rnd(40) == 0)
		stumble();
	if(rnd(20) == 0)
		mem.clock += 1000000000;
	n = rnd(8) ? rnd(8) : rnd(60);
	for(i = 0; i < n && nundone < (int)most; i++)
		randomjob();
	turn();
	if(rnd(50) == 0){
		drain();
		if(mode->behind)
			cleanse();
		if(!mode->behind || !broken)
			compare();
	}
	if(mode->holds && rnd(50) == 0)
		holding();
	if(mode->breaks && !broken && rnd(100) == 0)
		breaking();
}

/* The power goes: what was promised is there. */
static void
cut(void)
{
	uvlong i;

	where = "after the power was cut";
	mempower();
	for(i = 0; i < nsect; i++)
		if(whose(ondisk(mem.image, i), i) < durable[i])
			wrong(NULL,
				"sector %llu: number %d was promised to be stable, and %d is there", i, durable[i], whose(ondisk(mem.image, i), i));
}

static int
run(const Mode *m, uvlong s)
{
	uint i, most;

	mode = m;
	seed = s;
	state = memrandomstate(s);
	for(i = 0; i < 10; i++)
		rnd(2);
	settarget();
	most = rnd(3) ? 1 + rnd(Njob - 12) : 1 + rnd(20);
	where = "in the course of the run";
	for(i = 0; i < Steps; i++)
		step(most);
	if(mode->breaks && !broken)
		breaking();
	if(mode->power && rnd(2)){
		cut();
		return 0;
	}
	drain();
	if(mode->behind)
		cleanse();
	if(!mode->behind || !broken)
		compare();
	if(ndone[0] + ndone[1] < Steps || ndone[0] < Steps / 4)
		wrong(NULL, "only %u requests succeeded, and %u failed", ndone[0], ndone[1]);
	if(mode->window && (mem.copies == 0 || (mem.stalls > 0 && !mode->evict)))
		wrong(NULL, "%llu copies, %llu stalls", mem.copies, mem.stalls);
	return 0;
}

/* In a child, as a sync that failed is never forgotten. */
static int
apart(const Mode *m, uvlong s)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if(pid == 0){
		alarm(120);
		_exit(run(m, s));
	}
	if(pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	if(status != 0)
		printf("# wait status 0x%x; to repeat: model -1 %llu %s\n", (uint)status, s,
			m->name);
	return status == 0;
}

int
main(int argc, char **argv)
{
	enum { Nmode = sizeof modes / sizeof modes[0] };
	uvlong s;
	int i, k, good, nseed = 8, only = argc > 3 && strcmp(argv[1], "-1") == 0;

	if(only)
		argv++, argc--;
	s = argc > 1 ? strtoull(argv[1], NULL, 10) : (uvlong)time(NULL);
	if(argc > 3)
		nseed = atoi(argv[3]);
	for(i = 0; i < Nmode; i++){
		if(argc > 2 && strcmp(argv[2], "all") != 0 && strcmp(argv[2], modes[i].name) != 0)
			continue;
		if(only)
			return run(&modes[i], s);
		for(k = 0, good = 1; k < nseed; k++)
			good &= apart(&modes[i], s + (uvlong)k);
		ok(good, "%d random runs agree with the model, seeds from %llu, mode %s", nseed, s,
			modes[i].name);
	}
	return tapend();
}
