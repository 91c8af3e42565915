/*
 * Unit tests of buf.c: joining, order, faults, syncs.  The random tests
 * give it thousands of requests and compare with an array.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "unit.h"

typedef struct Job Job;

enum {
	First	= 5,			/* -o */
	Sectors	= 200,
	Maxsec	= 17,			/* of a request */
	Njob	= 3 * Queuemax,
};

/* A request, and what the array says of it. */
struct Job {
	Io	io;			/* first, so that an Io of ours is a Job */
	int	ndone;
	int	nroom;
	Range	range[3];
	uchar	*data;			/* as long as the request, for AddressSanitizer */
	uchar	*want;			/* a read's */
	uchar	sure[Maxsec];		/* of these sectors */
};

static Job jobs[Njob];
static int njob;
static uchar model[Sectors * Sector];
static uchar sure[Sectors];		/* the array knows this sector: no write to it has failed */

static uchar*
room(Io *io)
{
	Job *j = (Job*)io;

	j->nroom++;
	return j->data;
}

static void
done(Io *io)
{
	((Job*)io)->ndone++;
}

static Job*
newjob(int op, uvlong lba, uint nsec)
{
	static uchar *space;
	Job *j = &jobs[njob++];

	if(space == NULL && (space = aligned_alloc(4096, Njob * Spacesize)) == NULL)
		abort();
	memset(j, 0, sizeof *j);
	j->io.space = space + (j - jobs) * Spacesize;
	j->io.op = op;
	j->io.lba = lba;
	j->io.nsec = nsec;
	j->io.room = room;
	j->io.done = done;
	j->data = malloc((size_t)nsec * Sector);
	j->want = malloc((size_t)nsec * Sector);
	if(j->data == NULL || j->want == NULL)
		abort();
	if(op == Owrite)
		j->io.data = j->data;
	return j;
}

static void
freejobs(void)
{
	while(njob > 0){
		njob--;
		free(jobs[njob].data);
		free(jobs[njob].want);
	}
}

static Job*
job(int op, uvlong lba, uint nsec)
{
	Job *j = newjob(op, lba, nsec);

	if(op == Owrite)
		memset(j->data, (int)(lba + 1), nsec * Sector);
	bufio(&j->io);
	return j;
}

/* Begin what was collected, and let the disk bring it to its end. */
static void
settle(void)
{
	if(memdrain(100000)){
		fprintf(stderr, "unit: requests never end\n");
		abort();
	}
}

static void
setup(void)
{
	settle();
	freejobs();
	target("-o 5 -l 200", First + Sectors + 3, 9000);
	mempattern(0, First + Sectors + 3, 1);
	memevict(0, First + Sectors + 3);
	memcpy(model, mem.image + First * Sector, sizeof model);
	memset(sure, 1, sizeof sure);
}

static int
good(void)
{
	int i;

	for(i = 0; i < njob; i++)
		if(jobs[i].ndone != 1 || jobs[i].io.error != 0)
			return 0;
	return 1;
}

/* Returns how many reads there were from the disk, and in *last the last one. */
static uint
diskreads(Call **last)
{
	Call *c;
	uint n = 0;

	for(c = mem.call; c < mem.call + mem.ncall; c++)
		if(c->op == Mread){
			*last = c;
			n++;
		}
	return n;
}

static void
joining(void)
{
	Call *c;
	int i;

	setup();
	for(i = 0; i < 8; i++)
		job(Oread, 10 + 17 * (uvlong)i % 136, 17);
	settle();
	test(good() && stats.transfers == 1 && diskreads(&c) == 1 && c->niov == 8
		&& c->off == (First + 10) * Sector && c->len == 8 * 17 * Sector,
		"reads that follow each other are one transfer");
	test(stats.reads == 8 && stats.readsec == 8 * 17, "and counted one by one");
	setup();
	for(i = 7; i >= 0; i--)
		job(Owrite, 10 + 2 * (uvlong)i, 2);
	settle();
	test(good() && stats.transfers == 1 && mem.call[0].len == 16 * Sector,
		"so are writes, in whatever order they came");
	test(stats.writes == 8 && stats.writesec == 16, "and counted one by one");
	for(i = 0; i < 8; i++)
		test(mem.image[(First + 10 + 2 * i) * Sector] == 11 + 2 * i
			&& mem.image[(First + 12 + 2 * i) * Sector - 1] == 11 + 2 * i, "write %d is where it belongs", i);
	setup();
	for(i = 0; i < 8; i++)
		job(i & 1 ? Oread : Owrite, (i & 1 ? 100 : 10) + (uvlong)i, 1);
	for(i = 0; i < 8; i++)
		job(i & 1 ? Owrite : Oread, (i & 1 ? 10 : 100) + (uvlong)i, 1);
	settle();
	test(good() && stats.transfers == 2,
		"reads and writes in turn, of different places, are one of each");
	setup();
	job(Oread, 0, 1);
	job(Oread, 2, 1);
	job(Owrite, 4, 1);
	job(Owrite, 6, 1);
	settle();
	test(good() && stats.transfers == 4, "requests with a gap between them are not joined");
	setup();
	for(i = 0; i < Queuemax; i++)
		job(Oread, (uvlong)i, 1);
	test(mem.ncall == 0, "nothing is begun before the batch is complete");
	job(Oread, Queuemax, 1);
	test(diskreads(&c) == Queuemax / Runmax, "or full");
	settle();
	test(good() && diskreads(&c) == Queuemax / Runmax + 1, "and the rest after it");
	i = mem.ncall;
	settle();
	test(mem.ncall == i, "an empty batch does nothing");
	setup();
	job(Oread, Sectors - 1, 1);
	job(Oread, 0, 1);
	settle();
	test(good() && memcmp(jobs[0].data, model + (Sectors - 1) * Sector, Sector) == 0
		&& memcmp(jobs[1].data, model, Sector) == 0, "the first and the last sector");
}

static void
fences(void)
{
	setup();
	job(Owrite, 5, 3);
	job(Oread, 7, 2);
	job(Owrite, 6, 3);
	job(Oread, 5, 4);
	settle();
	test(good() && jobs[1].data[0] == 6
		&& memcmp(jobs[1].data + Sector, model + 8 * Sector, Sector) == 0
		&& jobs[3].data[0] == 6 && jobs[3].data[Sector] == 7
			&& jobs[3].data[3 * Sector] == 7, "overlapping reads and writes take effect in order");
	setup();
	job(Oread, 5, 3);
	job(Owrite, 5, 3);
	settle();
	test(good() && memcmp(jobs[0].data, model + 5 * Sector, 3 * Sector) == 0,
		"a read before a write sees what was there");
	setup();
	job(Owrite, 5, 3);
	job(Overify, 5, 3);
	settle();
	test(mem.ncall == 2 && mem.call[0].op == Mwrite && mem.call[1].op == Mread && good(),
		"a verify comes after the writes before it");
	job(Owrite, 8, 3);
	settle();
	job(Oflush, 0, 1);
	settle();
	test(mem.ncall == 4 && mem.call[2].op == Mwrite && mem.call[3].op == Msync && good()
		&& mem.unstable == 0, "a flush makes stable what was answered before it");
	test(stats.flushes == 1, "and it is counted");
	setup();
	job(Oread, 5, 3);
	job(Oread, 6, 3);
	job(Oread, 5, 3);
	settle();
	test(good() && memcmp(jobs[1].data, model + 6 * Sector, 3 * Sector) == 0
		&& memcmp(jobs[2].data, model + 5 * Sector, 3 * Sector) == 0, "overlapping reads");
}

static void
isolation(void)
{
	int i, right, op;

	for(op = Oread; op <= Owrite; op++){
		setup();
		memfault(op == Oread ? Mread : Mwrite, First + 20, 1, EIO, 0);
		memfault(op == Oread ? Mread : Mwrite, First + 31, 2, EIO, 0);
		for(i = 0; i < 10; i++)
			job(op, (uvlong)(4 * i), 4);
		settle();
		for(i = right = 0; i < 10; i++)
			right += jobs[i].ndone == 1 && (jobs[i].io.error != 0) == (i == 5 || i == 7
				|| i == 8)
				&& (op == Owrite || jobs[i].io.error
					|| memcmp(jobs[i].data, model + 4 * i * Sector,
					4 * Sector) == 0)
				&& (op == Oread || jobs[i].io.error
					|| mem.image[(First + 4 * i) * Sector] == 4 * i + 1);
		test(right == 10, "of ten %s that were joined those fail that touch a bad sector",
			op == Oread ? "reads" : "writes");
		test(op == Owrite || (jobs[5].io.badlba == 20 && jobs[7].io.badlba == 31
			&& jobs[8].io.badlba == 32), "each with its first bad sector");
		test(stats.errors == 3, "and each is counted");
	}
	setup();
	memfault(Mread, First + 20, 1, EIO, 1);
	memfault(Mwrite, First + 100, 1, EIO, 1);
	for(i = 0; i < 10; i++)
		job(Oread, (uvlong)(4 * i), 4);
	for(i = 0; i < 10; i++)
		job(Owrite, (uvlong)(80 + 4 * i), 4);
	settle();
	test(good() && memcmp(jobs[5].data, model + 20 * Sector, 4 * Sector) == 0
		&& mem.image[(First + 100) * Sector] == 101, "a fault that has gone when it is tried again is none");
	setup();
	mem.grain = 4096;
	memfault(Mread, First + 20, 1, EIO, 0);
	for(i = 0; i < 40; i++)
		job(Oread, (uvlong)i, 1);
	settle();
	for(i = right = 0; i < 40; i++)
		right += (jobs[i].io.error != 0) == (i == 20);
	test(right == 40, "also when the system stops at a page");
	setup();
	mem.eof = (First + 10) * Sector + 7;
	for(i = 0; i < 20; i++)
		job(Oread, (uvlong)i, 1);
	settle();
	for(i = right = 0; i < 20; i++)
		right += (jobs[i].io.error != 0) == (i >= 10);
	test(right == 20, "a file that ends early fails what lies beyond");
}

/*
 * Read n places, step sectors apart, one after the other.  Returns how many came
 * right.
 */
static uint
readplaces(uvlong lba, uint n, uint step)
{
	uint i, right = 0;

	for(i = 0; i < n; i++, lba += step){
		freejobs();
		job(Oread, lba, 8);
		settle();
		while(enginereap())
			;		/* what is read ahead */
		right += jobs[0].ndone == 1 && jobs[0].io.error == 0
			&& memcmp(jobs[0].data, mem.image + (First + lba) * Sector, 8 * Sector) == 0;
	}
	return right;
}

/* Is a write of a page answered at once? */
static int
writtenatonce(uvlong lba)
{
	int right;

	freejobs();
	job(Owrite, lba, 8);
	bufcommit();
	right = jobs[0].ndone == 1;
	settle();
	return right && jobs[0].io.error == 0;
}

/* A target with an image of size sectors, none of them in memory. */
static void
coldtarget(uint size)
{
	settle();
	freejobs();
	target("-o 5", First + size, 9000);
	mem.window = 1;
	memremap();
	bufinit(First, size);
	mempattern(0, First + size, 1);
	memevict(0, First + size);
}

/* Who reads one place after the other finds most of them in memory. */
static void
followed(void)
{
	const uint size = 8003;
	uint i;

	coldtarget(size);
	test(readplaces(1300, 60, 100) == 60 && mem.ahead == 0,
		"nothing is read ahead for who leaves out most of what he passes");
	test(readplaces(0, 5, 1600) == 5 && mem.ahead == 0, "nor for who reads here and there");
	coldtarget(size);
	test(readplaces(1003, 100, 8) == 100 && stats.hits > 90 && mem.ahead > 0,
		"a file is read ahead for who reads one place after the other");
	test(mem.ahead < 3 * 800 * Sector, "but not much more than has been read");
	memevict(First + 1803, size - 1803);
	readplaces(3003, 10, 450);
	mem.clock += 2000000000;
	test(!writtenatonce(1819), "what may still be on its way is written by the engine");
	test(writtenatonce(1003) && writtenatonce(3), "and what is in memory or far away at once");
	test(readplaces(size - 800, 100, 8) == 100, "nothing is read ahead beyond the end");
	coldtarget(size);
	memfault(Mread, First + 3400, 8, EIO, 0);
	test(readplaces(3000, 100, 8) == 99 && mem.ahead > 0, "what can't be read fails alone all the same");
	coldtarget(size);
	for(i = 0; i < 800; i++)
		readplaces(3 + 8 * (uvlong)(i ^ 7), 1, 8);
	test(stats.hits > 700, "a reader whose requests come out of order is followed, too (%llu)", stats.hits);
	coldtarget(size);
	for(i = 0; i < 900; i++){
		mem.clock += 3000000;
		readplaces(3 + 8 * (uvlong)i, 1, 8);
	}
	test(stats.hits > 890, "a slow reader is followed to the end of what is read ahead (%llu)", stats.hits);
	mem.clock += 3000000000;
	mem.looked = 0;
	readplaces(3, 400, 8);
	test(mem.looked <= 520, "one of what is in memory is not (%llu)", mem.looked);
	memdisk(0);
}

/* What is in memory waits for nothing that is not. */
static void
frommemory(void)
{
	Job *hot[4], *slow[4];
	int i, w, n;

	for(w = 0; w <= 1; w++){
		setup();
		mem.window = w;
		memremap();
		bufinit(First, Sectors);
		job(Oread, 100, 16);
		settle();
		mem.nostall = 1;
		memhold(Mread, First, 50);
		memhold(Mwrite, First, 50);
		memhold(Msync, 0, 1);
		slow[0] = job(Oread, 1, 4);
		slow[1] = job(Oread, 20, 4);
		slow[2] = job(Oflush, 0, 1);
		slow[3] = job(Oread, 22, 4);
		bufcommit();
		for(i = 0; i < 4; i++)
			hot[i] = job(Oread, 100 + 4 * (uvlong)i, 4);
		bufcommit();
		for(i = n = 0; i < 4; i++)
			n += hot[i]->ndone == 1 && slow[i]->ndone == 0
				&& memcmp(hot[i]->data, model + (100 + 4 * i) * Sector,
				4 * Sector) == 0;
		test(n == 4,
			"reads of what is in the page cache are done at once, while others and a flush are under way%s", w ? "" : ", without a window");
		test(stats.hits == 4, "and are counted as hits");
		memrelease();
		settle();
		test(good(), "the others end when the disk lets them");
	}
	setup();
	job(Oread, 100, 17);
	settle();
	job(Oread, 100, 17);
	bufcommit();
	memevict(First + 100, 17);
	job(Oread, 100, 17);
	settle();
	test(good() && memcmp(jobs[2].data, model + 100 * Sector, 17 * Sector) == 0
		&& mem.stalls > 0, "a page dropped since it was last seen is waited for");
	setup();
	job(Oread, 100, 17);
	settle();
	mem.eof = (First + 100) * Sector / Mpage * Mpage;
	job(Oread, 100, 17);
	job(Oread, 20, 17);
	settle();
	test(jobs[1].ndone == 1 && jobs[1].io.error != 0 && jobs[1].io.badlba >= 99
		&& jobs[1].io.badlba <= 103, "what lies beyond the end of an image that was cut short can't be read");
	test(jobs[2].io.error == 0 && memcmp(jobs[2].data, model + 20 * Sector, 17 * Sector) == 0,
		"and the rest can");
	setup();
	mem.slow = 1;
	mem.slowtime = 50000000;
	job(Owrite, 3, 8);
	settle();
	i = mem.ncall;
	job(Owrite, 3, 8);
	bufcommit();
	test(mem.ncall == i + 1 && jobs[1].ndone == 0,
		"after a write that had to wait writes are left to the engine");
	settle();
	test(good() && mem.image[(First + 3) * Sector] == 4, "and are done by it");
}

static void
verifies(void)
{
	uint i, right = 0;

	setup();
	memfault(Mread, First + 150, 1, EIO, 0);
	for(i = 0; i < 20; i++){
		job(Overify, i, 150 - i + 1);
		job(Overify, i, 150 - i);
		settle();
		right += jobs[2*i].io.error == EIO && jobs[2*i].io.badlba == 150
			&& jobs[2*i+1].io.error == 0;
	}
	job(Overify, 151, 49);
	settle();
	test(right == 20 && jobs[40].io.error == 0 && jobs[40].ndone == 1,
		"verify finds the bad sector, and none where there is none");
}

static void
trimranges(void)
{
	Job *j;
	uint i, wrong = 0;

	setup();
	j = newjob(Otrim, 0, 1);
	j->range[0] = (Range){ 0, 1 };
	j->range[1] = (Range){ 3, 4 };
	j->range[2] = (Range){ 199, 1 };
	j->io.range = j->range;
	j->io.nrange = 3;
	bufio(&j->io);
	settle();
	for(i = 0; i < Sectors; i++)
		wrong += ((i >= 3 && i < 7) || i == 199
			|| i == 0) != zeros(mem.image + (First + i) * Sector, Sector);
	test(wrong == 0 && good() && mem.count[Mtrim] == 3 && stats.trims == 1,
		"trim clears its ranges and nothing else");
	setup();
	memfault(Mtrim, First + 5, 1, ENOSPC, 0);
	j = newjob(Otrim, 0, 1);
	j->range[0] = (Range){ 3, 4 };
	j->io.range = j->range;
	j->io.nrange = 1;
	bufio(&j->io);
	settle();
	test(j->ndone == 1 && j->io.error == ENOSPC, "a trim that fails says so");
	setup();
	j = newjob(Otrim, 0, 1);
	j->io.range = j->range;
	bufio(&j->io);
	settle();
	test(good() && mem.ncall == 0, "a trim of no range does nothing");
}

/*
 * A trim of two ranges at the ends of the disk, of which the second takes
 * long: what lies between them does not wait, nor what the first has done.
 */
static void
trimapart(void)
{
	Job *j, *between, *changed, *behind, *at;

	setup();
	memhold(Mtrim, First + 199, 1);
	j = newjob(Otrim, 0, 1);
	j->range[0] = (Range){ 0, 2 };
	j->range[1] = (Range){ 199, 1 };
	j->io.range = j->range;
	j->io.nrange = 2;
	bufio(&j->io);
	bufcommit();
	between = job(Oread, 100, 1);
	changed = job(Owrite, 101, 1);
	at = job(Oread, 199, 1);
	memdrain(100);
	behind = job(Oread, 0, 1);
	memdrain(100);
	test(j->ndone == 0 && between->ndone == 1 && changed->ndone == 1,
		"what lies between the ranges of a trim does not wait for it");
	test(behind->ndone == 1 && zeros(behind->data, Sector) && at->ndone == 0,
		"nor what lies where it is done, but what lies where it is not");
	memrelease();
	settle();
	test(j->ndone == 1 && j->io.error == 0 && at->ndone == 1 && zeros(at->data, Sector),
		"and it is answered when all of it is done");
}

/*
 * Two ranges of a trim overlap, of which the first must wait for another
 * request: neither is begun early, and a write behind them is begun in the end.
 */
static void
trimoverlapping(void)
{
	enum { Border = 512 };		/* the requests are listed by stretches of so many sectors */
	Job *before, *j, *behind;

	settle();
	freejobs();
	target("-o 5 -l 1000", First + 1000, 9000);
	mempattern(0, First + 1000, 1);
	memhold(Mtrim, First + Border - 13, 1);
	before = newjob(Otrim, 0, 1);
	before->range[0] = (Range){ Border - 13, 2 };
	before->io.range = before->range;
	before->io.nrange = 1;
	bufio(&before->io);
	bufcommit();
	j = newjob(Otrim, 0, 1);
	j->range[0] = (Range){ Border - 12, 8 };
	j->range[1] = (Range){ Border - 6, 12 };
	j->io.range = j->range;
	j->io.nrange = 2;
	bufio(&j->io);
	behind = job(Owrite, Border + 2, 2);
	memdrain(100);
	test(before->ndone == 0 && behind->ndone == 0
		&& !zeros(mem.image + (First + Border - 10) * Sector, Sector),
		"ranges of a trim that overlap wait for what came before");
	memrelease();
	test(!memdrain(100000) && good(), "and no longer, nor does a write behind them");
}

/* More ranges than there is room for: the trim is left to be sent again. */
static void
trimmany(void)
{
	static Range range[4097];
	Job *j;
	uint i;

	setup();
	for(i = 0; i < 4097; i++)
		range[i] = (Range){ i % 2 * 100, 1 };
	j = newjob(Otrim, 0, 1);
	j->io.range = range;
	j->io.nrange = 4097;
	bufio(&j->io);
	settle();
	test(j->ndone == 1 && j->io.error == Unanswered && mem.count[Mtrim] == 0,
		"a trim of more ranges than there is room for is left unanswered");
	j->io.nrange = 4096;
	j->ndone = 0;
	bufio(&j->io);
	settle();
	test(j->ndone == 1 && j->io.error == 0 && mem.count[Mtrim] == 4096,
		"and one of as many as there is room for is done");
}

/* The disk shrinks while a write and a read wait for another write. */
static void
shrunk(void)
{
	Job *first, *write, *read;

	setup();
	memhold(Mtrim, First + 150, 1);
	first = newjob(Otrim, 0, 1);
	first->range[0] = (Range){ 150, 50 };
	first->io.range = first->range;
	first->io.nrange = 1;
	bufio(&first->io);
	bufcommit();
	write = job(Owrite, 180, 4);
	read = job(Oread, 190, 4);
	bufcommit();
	disk.size = (First + 100) * Sector;
	bufinit(First, 0);
	memrelease();
	settle();
	test(write->ndone == 1 && write->io.error == ERANGE && read->ndone == 1
		&& read->io.error == ERANGE,
		"what waits while the disk becomes smaller is judged again when it begins");
	setup();
	memhold(Mtrim, First + 80, 1);
	first = newjob(Otrim, 0, 1);
	first->range[0] = (Range){ 80, 50 };
	first->io.range = first->range;
	first->io.nrange = 1;
	bufio(&first->io);
	bufcommit();
	write = job(Owrite, 96, 4);
	read = job(Owrite, 100, 4);
	bufcommit();
	disk.size = (First + 100) * Sector;
	bufinit(First, 0);
	memrelease();
	settle();
	test(write->ndone == 1 && write->io.error == 0 && read->ndone == 1
		&& read->io.error == ERANGE, "each by itself");
}

/*
 * On a disk of larger blocks neighbours are written together, whole blocks
 * without being read first; parts of one block that are no neighbours do not
 * undo each other.
 */
static void
blocks(void)
{
	uint i, wrong = 0;

	setup();
	disk.direct = 1;
	disk.block = 4096;
	for(i = 0; i < 32; i++)
		job(Owrite, 3 + 2 * ((i * 7) % 32), 2);		/* First + 3 is a multiple of 8 */
	settle();
	for(i = 0; i < 64; i++)
		wrong += mem.image[(First + 3 + i) * Sector] != (uchar)(3 + i / 2 * 2 + 1);
	test(good() && wrong == 0 && stats.transfers == 2 && mem.count[Mread] == 0,
		"neighbours on a disk of larger blocks are written together (%llu transfers)", stats.transfers);
	setup();
	disk.direct = 1;
	disk.block = 4096;
	for(i = 0; i < 32; i++)
		job(Owrite, 4 + 2 * ((i * 7) % 32), 1);
	settle();
	for(i = 0; i < 32; i++)
		wrong += mem.image[(First + 4 + 2 * i) * Sector] != (uchar)(4 + 2 * i + 1);
	for(i = 0; i < 32; i++)
		wrong += memcmp(mem.image + (First + 3 + 2 * i) * Sector,
			model + (3 + 2 * i) * Sector, Sector) != 0;
	test(good() && wrong == 0, "and parts of one block do not undo each other");
	setup();
	disk.direct = 1;
	disk.block = 4096;
	memfault(Mwrite, First + 10, 1, EIO, 0);
	for(i = 0; i < 16; i++)
		job(Owrite, 3 + 2 * i, 2);
	settle();
	for(i = 0, wrong = 0; i < 16; i++)
		wrong += jobs[i].ndone != 1 || (jobs[i].io.error == 0) != (i > 3);
	test(wrong == 0, "one bad block fails what is in it and nothing else");
	disk.block = Sector;
}

static Job*
stable(uvlong lba)
{
	Job *j = newjob(Owrite, lba, 1);

	j->io.stable = 1;
	bufio(&j->io);
	return j;
}

/*
 * After a sync that failed nothing is known of what was written before it:
 * no write and no flush may succeed again, though reads do.
 */
static int
sticky(Job *first)
{
	int i, n = njob;

	if(first->ndone != 1 || first->io.error == 0)
		return 1;
	memheal();
	job(Oflush, 0, 1);
	job(Owrite, 20, 1);
	stable(21);
	settle();
	for(i = n; i < njob; i++)
		if(jobs[i].ndone != 1 || jobs[i].io.error == 0)
			return 2;
	job(Oread, 20, 1);
	settle();
	return jobs[njob-1].io.error == 0
		&& memcmp(jobs[njob-1].data, model + 20 * Sector, Sector) == 0 ? 0 : 3;
}

static int
brokenflush(void)
{
	Job *j;

	setup();
	job(Owrite, 1, 1);
	memfault(Msync, 0, 1, EIO, 1);
	j = job(Oflush, 0, 1);
	settle();
	return sticky(j);
}

static int
brokenwrite(void)
{
	Job *j;

	setup();
	job(Owrite, 1, 1);
	memfault(Msync, 0, 1, EIO, 1);
	j = stable(2);
	settle();
	return sticky(j);
}

static int
brokentrim(void)
{
	Job *j;

	setup();
	memfault(Msync, 0, 1, EIO, 1);
	j = newjob(Otrim, 0, 1);
	j->range[0] = (Range){ 3, 4 };
	j->io.range = j->range;
	j->io.nrange = 1;
	j->io.stable = 1;
	bufio(&j->io);
	settle();
	return sticky(j);
}

/* The others of the batch that was not to be stable were answered before. */
static int
brokenbatch(void)
{
	int i;

	setup();
	memfault(Msync, 0, 1, EIO, 1);
	for(i = 0; i < 5; i++){
		stable((uvlong)i);
		job(Owrite, (uvlong)(100 + i), 1);
	}
	settle();
	for(i = 0; i < 10; i++)
		if(jobs[i].ndone != 1 || (jobs[i].io.error == 0) != (i & 1))
			return 1;
	return 0;
}

/*
 * The most requests that the end of one operation answers, as stable writes
 * of as many as can be wait for one sync.
 */
static int
atonce(void)
{
	int i, j, n, was = 0, most = 0;

	for(i = 0; i < Njob; i++)
		stable((uvlong)i);
	for(i = 0; was < Njob && i < 100000; i++){
		bufcommit();
		enginereap();
		for(n = j = 0; j < njob; j++)
			n += jobs[j].ndone;
		if(n - was > most)
			most = n - was;
		was = n;
	}
	return most;
}

/*
 * What those who are answered ask next is waited for, so that one sync does for
 * all; for a moment only, and not when they mostly don't come.
 */
static uvlong
serves(int more)
{
	int i;

	for(i = 0; i < more; i++)
		stable((uvlong)njob);
	for(i = 0; i < 4; i++){
		bufcommit();
		while(enginereap())
			;
	}
	return mem.count[Msync];
}

static void
syncends(void)
{
	mem.clock += 400000;
	memrelease();
	while(enginereap())
		;
}

/* However vain waiting was before. */
static void
pays(void)
{
	int i;

	setup();
	for(i = 0; i < 150; i++){
		memhold(Msync, 0, 1);
		serves(4);
		syncends();
		freejobs();
	}
	setup();
}

static void
gathers(void)
{
	uvlong tick, n;
	int i;

	tick = mem.tick;
	mem.tick = 100;
	pays();
	memhold(Msync, 0, 1);
	serves(4);
	serves(4);
	syncends();
	test(mem.count[Msync] == 1 && serves(0) == 1 && jobs[3].ndone == 1 && bufwait() == 0,
		"after a sync, those that wait do so for those it has answered");
	test(serves(3) == 1 && serves(1) == 2, "until all have sent a write");
	mem.clock += 400000;
	settle();
	serves(1);
	test(mem.count[Msync] == 3, "one alone waits for nobody");
	settle();
	memhold(Msync, 0, 1);
	serves(4);
	syncends();
	test(serves(1) == mem.count[Msync] && bufwait() == 0, "one of four waits for the others");
	n = mem.count[Msync];
	mem.clock += 95000;
	test(serves(0) == n, "a quarter of the time that the sync took");
	mem.clock += 10000;
	test(bufwait() == 0 && serves(0) == n + 1, "and no longer");
	for(i = 0; i < 20; i++){
		settle();
		mem.clock += 1000000;
		memhold(Msync, 0, 1);
		serves(4);
		syncends();
		n = mem.count[Msync];
		if(serves(1) > n)
			break;
		mem.clock += 1000000;
	}
	test(i > 0 && i < 20, "and not at all when they never come (%d times)", i);
	pays();
	memhold(Msync, 0, 1);
	serves(32);
	syncends();
	n = mem.count[Msync];
	for(i = 0; i < 10; i++){
		if(serves(1) > n)
			break;
		mem.clock += 95000;
	}
	test(i == 10, "that long for each that comes (%d)", i);
	for(i = 0; i < 10 && serves(1) == n; i++)
		mem.clock += 95000;
	test(i < 3, "but a millisecond for all of them (%d)", i);
	settle();
	test(good() && mem.unstable == 0, "all are stable");
	mem.tick = tick;
}

/* The disk begins with stable writes before their sync, if syncs are fast. */
static void
pushes(uvlong ms, int other)
{
	const uvlong whole = (8 - First % 8) % 8;
	uvlong i;
	Job *j;

	setup();
	memhold(Msync, 0, 1);
	serves(1);
	mem.clock += ms * 1000000;
	memrelease();
	settle();
	mem.pushes = 0;
	for(i = 0; i < 12; i++){
		j = newjob(Owrite, whole + 16 * i, 8);
		j->io.stable = i > 0 || !other;
		bufio(&j->io);
	}
	settle();
}

static void
syncs(void)
{
	int i;

	setup();
	for(i = 0; i < 6; i++)
		stable((uvlong)(10 * i));
	job(Oread, 100, 1);
	test(mem.count[Msync] == 0, "stable writes wait for their batch");
	settle();
	test(good() && mem.count[Msync] == 1 && mem.unstable == 0, "and share a sync");
	setup();
	memfault(Mwrite, First + 10, 1, EIO, 0);
	for(i = 0; i < 4; i++)
		stable((uvlong)(9 + i));
	settle();
	test(jobs[0].io.error == 0 && jobs[1].io.error == EIO && jobs[2].io.error == 0
		&& jobs[3].io.error == 0
		&& mem.unstable == 0, "one that fails does not fail the others");
	setup();
	i = atonce();
	test(i > Runmax && good() && mem.unstable == 0,
		"a sync that %d wait for answers all of them", i);
	test(apart(brokenflush) == 0, "after a flush that failed no write and no flush succeeds");
	pushes(1, 0);
	test(mem.pushes == 1 && good() && mem.unstable == 0,
		"the disk begins with eight stable writes before others have come");
	pushes(10, 0);
	test(mem.pushes == 0 && good() && mem.unstable == 0, "not where syncs are slow");
	pushes(1, 1);
	test(mem.pushes == 0 && good() && mem.unstable == 0,
		"nor where there may be much else for it to begin with");
	test(apart(brokenwrite) == 0, "nor after a stable write whose sync failed");
	test(apart(brokentrim) == 0, "nor after a stable trim whose sync failed");
	test(apart(brokenbatch) == 0, "a sync that fails fails the stable writes of its batch");
}

/* Random requests beside the array. */

static int faulty;

static int
faultat(int op, uvlong lba, uint n, uvlong *bad)
{
	static const uvlong badread[] = { 17, 60, 61, 130 }, badwrite[] = { 25, 90, 131 };
	const uvlong *p = op == Oread ? badread : badwrite;
	uint i, np = op == Oread ? 4 : 3;

	for(i = 0; faulty && i < np; i++)
		if(p[i] >= lba && p[i] < lba + n){
			*bad = p[i];
			return 1;
		}
	return 0;
}

static void
setfaults(void)
{
	static const uvlong badread[] = { 17, 60, 130 }, badwrite[] = { 25, 90, 131 };
	uint i;

	for(i = 0; i < 3; i++){
		memfault(Mread, First + badread[i], badread[i] == 60 ? 2 : 1, EIO, 0);
		memfault(Mwrite, First + badwrite[i], 1, ENOSPC, 0);
	}
}

/* Requests cluster in a few places, so that they often touch. */
static uvlong
place(uint n)
{
	uvlong lba = rnd(3) > 0 ? rnd(40) : rnd(Sectors);

	return lba + n <= Sectors ? lba : Sectors - n;
}

static void
randomread(void)
{
	uint n = 1 + rnd(rnd(2) ? 4 : Maxsec);
	Job *j = newjob(Oread, place(n), n);

	memcpy(j->want, model + j->io.lba * Sector, n * Sector);
	memcpy(j->sure, sure + j->io.lba, n);
	bufio(&j->io);
}

static void
randomwrite(void)
{
	uint i, n = 1 + rnd(rnd(2) ? 4 : Maxsec);
	Job *j = newjob(Owrite, place(n), n);
	uvlong bad;

	for(i = 0; i < n * Sector; i += 4){
		uint v = rnd(0x7fffffff);
		memcpy(j->data + i, &v, 4);
	}
	memcpy(j->want, j->data, n * Sector);
	memcpy(model + j->io.lba * Sector, j->data, n * Sector);
	memset(sure + j->io.lba, !faultat(Owrite, j->io.lba, n, &bad), n);
	j->io.stable = rnd(8) == 0;
	bufio(&j->io);
}

/* Ranges come in order, with gaps between them. */
static void
randomtrim(void)
{
	Job *j = newjob(Otrim, 0, 1);
	uint i, at = rnd(40), n;

	j->io.range = j->range;
	n = 1 + rnd(3);
	for(i = 0; i < n; i++){
		j->range[i].lba = at;
		j->range[i].nsec = 1 + rnd(5);
		memset(model + at * Sector, 0, j->range[i].nsec * Sector);
		memset(sure + at, 1, j->range[i].nsec);
		at += j->range[i].nsec + 1 + rnd(rnd(2) ? 4 : 40);
	}
	j->io.nrange = (int)n;
	bufio(&j->io);
}

static int
judge(Job *j)
{
	uvlong bad = 0;
	uint i;
	int op = j->io.op, failed;

	if(j->ndone != 1)
		return 0;
	failed = op == Oread || op == Overify ? faultat(Oread, j->io.lba, j->io.nsec, &bad)
		: op == Owrite ? faultat(Owrite, j->io.lba, j->io.nsec, &bad) : 0;
	if((j->io.error != 0) != failed)
		return 0;
	if(failed)
		return op == Owrite || j->io.badlba == bad;
	if(op == Owrite)
		return memcmp(j->data, j->want, j->io.nsec * Sector) == 0;
	if(op != Oread)
		return 1;
	for(i = 0; i < j->io.nsec; i++)
		if(j->sure[i] && memcmp(j->data + i * Sector, j->want + i * Sector, Sector) != 0)
			return 0;
	return j->nroom == 1;
}

/* One batch; returns what is wrong with it. */
static const char*
batch(void)
{
	uint i, n = 1 + rnd(Njob), x;
	uvlong lba;

	for(i = 0; i < n; i++){
		x = rnd(100);
		if(x < 50)
			randomread();
		else if(x < 97)
			randomwrite();
		else if(x == 97)
			randomtrim();
		else if(x == 98){
			lba = rnd(Sectors);
			job(Overify, lba, 1 + rnd(Sectors - (uint)lba));
		}else
			job(Oflush, 0, 1);
	}
	settle();
	for(i = 0; i < n; i++)
		if(!judge(&jobs[i]))
			return "a request went wrong";
	for(i = 0; i < Sectors; i++)
		if(!sure[i]){
			memcpy(model + i * Sector, mem.image + (First + i) * Sector, Sector);
			sure[i] = 1;
		}
	return memcmp(model, mem.image + First * Sector,
		sizeof model) != 0 ? "the disk differs" : NULL;
}

static void
randomly(const char *what, int withfaults)
{
	const char *wrong = NULL;
	int i, total = 0;

	setup();
	faulty = withfaults;
	if(faulty)
		setfaults();
	mem.late = 3;
	mem.shuffled = mem.torn = 1;
	memseed(seed);
	for(i = 0; wrong == NULL && i < 100; i++){
		mem.grain = withfaults && rnd(2) ? 4096 : Sector;
		wrong = batch();
		total += njob;
		freejobs();
	}
	faulty = 0;
	if(wrong != NULL)
		printf("# batch %d, seed %llu: %s\n", i, seed, wrong);
	test(wrong == NULL, "%d random requests agree with an array%s", total, what);
}

void
buftests(void)
{
	joining();
	fences();
	isolation();
	followed();
	frommemory();
	verifies();
	trimranges();
	trimapart();
	trimoverlapping();
	trimmany();
	shrunk();
	blocks();
	randomly("", 0);
	randomly(", on a disk with bad sectors", 1);
	syncs();
	gathers();
	freejobs();
}
