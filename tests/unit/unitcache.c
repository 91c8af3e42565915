/*
 * Unit tests of cache.c: what the pool keeps, what a pass over its dirty
 * sectors finds, and how often the system is asked about the page cache.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "unit.h"

/*
 * Each test has a child of its own, as a pool can't be undone.  What counts
 * as used again is used after Queuemax other requests, so Set is more than
 * that.
 */
enum {
	Block		= 16,		/* sectors of a block */
	Poolblocks	= 1024 * 1024 / (Block * Sector),
	Set		= 80,		/* blocks that are read again and again */
	Apart		= 70 * Block,	/* sectors between blocks that are no sequence */
	Loop		= 2048,		/* requests that come again and again */
	Passes		= 60,		/* after which what is wanted each time is there */
};

/* A sector holds its number. */
static void
fillwith(uchar *to, uvlong s)
{
	memset(to, 0, Sector);
	memcpy(to, &s, sizeof s);
}

static uvlong
number(uchar *p)
{
	uvlong s;

	memcpy(&s, p, sizeof s);
	return s;
}

static void
withpool(uint mib)
{
	if(poolinit(mib) < 0)
		abort();
}

/*
 * Of n requests, one after the other and step sectors apart, how many were
 * reads from memory?  What is not there comes from the disk, and each sector
 * holds its number.
 */
static uint
inpool(int op, uvlong s, uint n, uint step, uint nsec)
{
	static uchar data[17 * Sector];
	uint i, k, hits = 0;

	for(i = 0; i < n; i++, s += step){
		poolclock();
		if(op == Oread && poolhas(s, nsec)){
			poolget(data, s, nsec);
			for(k = 0; k < nsec; k++)
				if(number(data + k * Sector) != s + k)
					abort();
			hits++;
			continue;
		}
		for(k = 0; k < nsec; k++)
			fillwith(data + k * Sector, s + k);
		if(op == Oread)
			poolfill(data, s, nsec, 0);
		else
			poolwritten(data, s, nsec, 1);
	}
	return hits;
}

/* A set that is read again and again stays through a pass of requests of nsec sectors. */
static int
flushed(int op, uint nsec)
{
	uint i;

	withpool(1);
	for(i = 0; i < 4; i++)
		inpool(Oread, 0, Set, Block, Block);
	inpool(op, Poolblocks * Block, 10 * Poolblocks * Block / nsec, nsec, nsec);
	return inpool(Oread, 0, Set, Block, Block) != Set;
}

static int	readpass(void) { return flushed(Oread, Block); }
static int	readpass2(void) { return flushed(Oread, 2); }
static int	readpass17(void) { return flushed(Oread, 17); }
static int	writepass(void) { return flushed(Owrite, Block); }
static int	writepass2(void) { return flushed(Owrite, 2); }
static int	writepass17(void) { return flushed(Owrite, 17); }

/* Of scattered blocks only some are taken, by a pool without spare ones. */
static int
fewtaken(void)
{
	uint n;

	withpool(1);
	inpool(Oread, 0, Poolblocks, Apart, Block);
	inpool(Oread, Block, Poolblocks / 2, Apart, Block);
	inpool(Owrite, (Poolblocks / 2) * Apart + Block, Poolblocks / 2, Apart, Block);
	n = inpool(Oread, Block, Poolblocks, Apart, Block);
	return n < Poolblocks / 8 || n > Poolblocks / 2;
}

/* Those that are wanted each time are, in pieces or whole. */
static int
taken(uint n)
{
	uint i;

	withpool(1);
	inpool(Oread, 0, Poolblocks, Apart, Block);
	for(i = 0; i * n < Passes * 200; i++){
		inpool(i & 1 ? Owrite : Oread, Block, n, Apart, 5);
		inpool(Oread, Block + 5, n, Apart, Block - 5);
	}
	return inpool(Oread, Block, n, Apart, Block) != n;
}

/* In a rhythm that lasts for ever, too. */
static int
looped(void)
{
	uint i, n = Loop - 48;

	withpool(Loop / Poolblocks);
	inpool(Oread, 0, Loop, Apart, Block);
	for(i = 0; i < Passes; i++){
		inpool(Oread, Block, n, Apart, Block);
		inpool(Oread, 0, Loop - n, 0, Block);
	}
	return inpool(Oread, Block, n, Apart, Block) != n;
}

static int	taken20(void) { return taken(20); }
static int	taken64(void) { return taken(64); }
static int	taken100(void) { return taken(100); }

/* A block that is there gets the rest of its sectors at any time. */
static int
completed(void)
{
	uint n;

	withpool(1);
	inpool(Oread, 0, Poolblocks, Apart, Block);
	inpool(Oread, Block, Poolblocks, Apart, 5);
	n = inpool(Oread, Block, Poolblocks, Apart, 5);
	inpool(Oread, (Poolblocks - 1) * Apart, 1000, 0, Block);
	inpool(Oread, Block + 5, Poolblocks, Apart, Block - 5);
	return n == 0 || inpool(Oread, Block, Poolblocks, Apart, Block) < n;
}

/* Those that left unused, and are wanted soon after, are taken at once. */
static int
comesback(void)
{
	withpool(1);
	inpool(Oread, 0, Poolblocks, Apart, Block);
	inpool(Oread, Block, Poolblocks, Apart, Block);
	return inpool(Oread, 0, 20, Apart, Block) != 0 || inpool(Oread, 0, 20, Apart, Block) < 12;
}

/* What was written is read, of a block that the pool has and of one that it hasn't. */
static int
stale(void)
{
	uchar old[Block * Sector], new[Block * Sector], got[Block * Sector];

	memset(old, 1, sizeof old);
	memset(new, 2, sizeof new);
	withpool(1);
	poolfill(old, Apart, Block, 0);
	poolwritten(new, Apart + 3, 4, 1);
	poolwritten(new, 0, 4, 1);
	poolfill(old, 0, Block, 0);
	poolget(got, Apart, Block);
	if(got[0] != 1 || got[3 * Sector] != 2 || got[6 * Sector] != 2 || got[7 * Sector] != 1)
		return 1;
	poolget(got, 0, Block);
	return got[0] != 2 || got[4 * Sector] != 1;
}

/*
 * Dirty sectors, all over a pool that is larger than what a pass sorts
 * together: the pass has each of them once, and nothing that became dirty
 * after it was there.
 */
static int
passed(void)
{
	enum { Mib = 64, Blocks = Mib * 1024 * 1024 / (Block * Sector) };
	static uchar data[Sector], to[256 * Sector], seen[Blocks];
	uvlong s, last = 0;
	uint i, n, k, back = 0, calls = 0;

	withpool(Mib);
	for(i = 0; i < Blocks; i++){
		/* An odd factor visits all blocks, in no order. */
		s = (uvlong)(i * 4099 % Blocks) * Block + 7;
		fillwith(data, s);
		if(!poolput(data, s, 1))
			return 1;
	}
	if(pooldirty() != Blocks * Block / 2 || !poolcrowded()
		|| poolput(data, (uvlong)Blocks * Block, 1))
		return 2;
	for(poolpass(); !poolpassed() && calls < 100000; calls++){
		if((n = poolnext(256, &s)) == 0)
			continue;
		if(n != 1 || poolclean(s, n) != 0 || poollift(to, s, n) != 1 || number(to) != s
			|| s % Block != 7 || seen[s / Block]++)
			return 3;
		back += s < last;
		last = s;
		poollanded(s, n, 1, 1);
	}
	for(k = 0; k < Blocks; k++)
		if(!seen[k])
			return 4;
	/* Sorted in a few parts. */
	return calls == 100000 || back > 4 || pooldirty() != 0;
}

/* What can't be written is dirty again, and the next pass has it. */
static int
failed(void)
{
	uchar data[Sector], to[4 * Sector];
	uvlong s;
	uint n;

	withpool(1);
	fillwith(data, 40);
	if(!poolput(data, 40, 1))
		return 1;
	poolpass();
	if(poolnext(4, &s) != 1 || s != 40 || poollift(to, s, 1) != 1 || pooldirty() != 0)
		return 2;
	fillwith(data, 41);
	poollanded(40, 1, 0, 0);
	if(!poolhas(40, 1) || pooldirty() == 0)
		return 3;
	poolpass();
	n = poolnext(4, &s);
	if(n != 1 || s != 40 || poollift(to, s, 1) != 1 || number(to) != 40)
		return 4;
	/* Without -d the page cache has it, and the pool need not. */
	poollanded(40, 1, 1, 0);
	return poolhas(40, 1);
}

/* What is forgotten is neither read nor written. */
static int
dropped(void)
{
	uchar data[Sector];
	uvlong s;

	withpool(1);
	fillwith(data, 40);
	if(!poolput(data, 40, 1) || !poolput(data, 50, 1))
		return 1;
	pooldrop(40, 1);
	pooldrop(45, 1ULL << 40);
	poolpass();
	return poolhas(40, 1) || poolhas(50, 1) || pooldirty() != 0 || poolnext(4, &s) != 0;
}

/*
 * Look for so many pages, step pages apart, in a large mapped image.  What the
 * system was asked then is in mem.
 */
static void
lookfor(uint n, uint step)
{
	const uvlong page = 4096;
	uint i;

	memdisk(64 << 20);
	mem.window = 1;
	windowopen(Image, 0);
	windowopen(Image, 64 << 20);
	windowtime(mem.clock / 1000);
	windowforget();
	mem.looks = mem.looked = 0;
	for(i = 0; i < n; i++)
		if(!windowhas(Image, i * step * page, page))
			abort();
}

static int
fewlooks(void)
{
	lookfor(64, 256);
	return mem.looked > 64 * 16;
}

static int
manylooks(void)
{
	lookfor(1024, 16);
	return mem.looks > 1024 / 2 + 32;
}

static int
nextlooks(void)
{
	lookfor(16384, 1);
	return mem.looks > 64 || mem.looked > 2 * 16384;
}

void
cachetests(void)
{
	test(apart(fewlooks) == 0,
		"a page that is looked for alone is asked about with few others");
	test(apart(manylooks) == 0, "where many are looked for all are asked about");
	test(apart(nextlooks) == 0, "and for who comes to one page after the other");
	test(apart(readpass) == 0 && apart(readpass2) == 0 && apart(readpass17) == 0,
		"a pass of reads does not flush the pool");
	test(apart(writepass) == 0 && apart(writepass2) == 0 && apart(writepass17) == 0,
		"nor does one of writes");
	test(apart(fewtaken) == 0, "a full pool takes few of the blocks that are used once");
	test(apart(taken20) == 0 && apart(taken64) == 0 && apart(taken100) == 0
		&& apart(looped) == 0, "and all that are used again and again");
	test(apart(completed) == 0, "a block that it has in part is completed");
	test(apart(comesback) == 0, "one that it judged wrongly is taken at once");
	test(apart(stale) == 0, "what was written is read");
	test(apart(passed) == 0,
		"a pass over a large pool has every dirty sector once, by and large in the order of the disk");
	test(apart(failed) == 0, "what a pass could not write is the next one's");
	test(apart(dropped) == 0, "what was forgotten is neither read nor written");
}
