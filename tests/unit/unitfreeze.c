/*
 * Unit tests of freeze.c: each step of a freeze and a merge with a disk that
 * fails it, starts that are refused, and what is said in each state.  Deaths,
 * and random requests meanwhile, are freezemodel.c's.
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

enum {
	First	= 5,			/* -o */
	Sectors	= 200,
	Broke	= 2,			/* a life that ended with a disk that isn't trusted any more */
};

static int nomemory;
void	*__real_malloc(size_t), *__wrap_malloc(size_t);

void*
__wrap_malloc(size_t n)
{
	return nomemory ? NULL : __real_malloc(n);
}

static char path[] = "shadow";
static uchar model[Sectors * Sector];
static int ndone;

static void
done(Io *io)
{
	(void)io;
	ndone++;
}

static uchar*
room(Io *io)
{
	return io->space;
}

static void
rounds(uint n)
{
	for(; n > 0; n--){
		bufcommit();
		enginekick();
		while(enginereap())
			;
	}
}

/* Go on until this state.  Returns whether it was reached. */
static int
waitfor(int s)
{
	int i;

	for(i = 0; i < 50000 && freezestate() != s; i++)
		rounds(1);
	return freezestate() == s;
}

/* A request by itself.  Returns its error. */
static int
transfer(int op, uvlong lba, uint n, int fill)
{
	static uchar *space, data[16 * Sector];
	Io io = { .op = op, .lba = lba, .nsec = n, .done = done, .room = room, .data = data };
	int i;

	if(space == NULL && (space = aligned_alloc(4096, Spacesize)) == NULL)
		return -2;
	io.space = space;
	memset(data, fill, sizeof data);
	ndone = 0;
	bufio(&io);
	for(i = 0; i < 100000 && ndone == 0; i++)
		rounds(1);
	if(ndone != 1)
		exit(90);
	if(lba + n > Sectors)
		return io.error;
	if(op == Owrite && io.error == 0)
		memset(model + lba * Sector, fill, (size_t)n * Sector);
	if(op == Oread && io.error == 0
		&& memcmp(space, model + lba * Sector, (size_t)n * Sector) != 0)
		exit(91);
	return io.error;
}

/* Go on until it is frozen, or not, but nothing between. */
static void
steady(void)
{
	int i, s;

	for(i = 0; i < 50000; i++){
		s = freezestate();
		if((s == Fnone || s == Ffrozen || s == Fheld) && mem.underway == 0)
			return;
		rounds(1);
	}
}

static void
setup(void)
{
	target("-o 5 -l 200", First + Sectors + 3, 9000);
	mem.tick = 1000000;
	mem.quiet = 1;
	mempattern(0, First + Sectors + 3, 1);
	memcpy(model, mem.image + First * Sector, sizeof model);
	/* What the daemon says isn't for the TAP. */
	if(freopen("/dev/null", "w", stdout) == NULL)
		exit(92);
}

static int
begin(void)
{
	setup();
	return bufshadow(path, 0, 0) == NULL;
}

static int
frozen(void)
{
	if(!begin() || buffreeze(1) != NULL)
		return 0;
	steady();
	return freezestate() == Ffrozen && transfer(Owrite, 10, 4, 0x11) == 0
		&& transfer(Owrite, 100, 2, 0x22) == 0;
}

/* Nothing is left of a freeze, and all is in the image. */
static int
whole(void)
{
	uvlong n;

	return freezestate() == Fnone && memshadow(&n) == NULL && memmark() == Marknone
		&& memcmp(mem.image + First * Sector, model, sizeof model) == 0;
}

/*
 * A life with a freeze and a merge, of which one step fails once.
 */
static struct {
	int	file, op, error, after;
} fault;

static int
life(void)
{
	int i;

	if(!begin())
		return 1;
	memfaultlater(fault.file, fault.op, fault.error, fault.after);
	for(i = 0; i < 3 && freezestate() != Ffrozen; i++){
		buffreeze(1);
		steady();
	}
	/* What was not answered well is sent again. */
	for(i = 0; i < 3 && transfer(Owrite, 10, 4, 0x33) != 0; i++)
		;
	transfer(Oflush, 0, 1, 0);
	for(i = 0; i < 3 && transfer(Owrite, 100, 2, 0x44) != 0; i++)
		;
	transfer(Oread, 8, 8, 0);
	for(i = 0; i < 3 && freezestate() != Fnone; i++){
		buffreeze(0);
		steady();
	}
	transfer(Oread, 8, 8, 0);
	if(transfer(Oflush, 0, 1, 0) != 0)
		return fault.error == EIO && mem.warned > 0 ? Broke : 3;
	return whole() ? 0 : 4;
}

static void
lives(int file, int op, int error, int n, const char *what)
{
	int r, bad = 0, broke = 0;

	for(fault.after = 0; fault.after < n; fault.after++){
		fault.file = file;
		fault.op = op;
		fault.error = error;
		r = apart(life);
		if(r != 0 && r != Broke){
			printf("# %d after %d\n", r, fault.after);
			bad++;
		}
		broke += r == Broke;
	}
	test(bad == 0 && (op != Msync || broke > 0), "a freeze and a merge of which any %s fails",
		what);
}

/* Refusals. */

static int
nodirectory(void)
{
	static char other[] = "missing/shadow";

	setup();
	return bufshadow(other, 0, 0) == NULL;
}

/* A start that finds the mark, and no shadow. */
static int
marked(int mark, char *shadow, const char *why)
{
	char *e;

	setup();
	shadowdir(path);
	imagemark(mark);
	e = bufshadow(shadow, 0, 0);
	return why == NULL ? e != NULL || memmark() != Marknone : e == NULL
		|| strstr(e, why) == NULL;
}

static int
unasked(void)
{
	return marked(Marklive, NULL, "expected -f");
}

static int
gone(void)
{
	return marked(Marklive, path, "which is gone");
}

static int
cleared(void)
{
	return marked(Markgone, path, NULL);
}

static int
unclearable(void)
{
	char *e;

	setup();
	shadowdir(path);
	imagemark(Markgone);
	memfaultlater(Image, Msync, EIO, 0);
	e = bufshadow(path, 0, 0);
	return e == NULL || strncmp(e, "the image: ", 11) != 0;
}

/* A start that finds a shadow, and a fault. */
static int
restart(int file, int op, int after, const char *why)
{
	char *e;

	if(!frozen())
		return 1;
	memfaultlater(file, op, EIO, after);
	e = bufshadow(path, 0, 0);
	return e == NULL || strstr(e, why) == NULL ? 2 : 0;
}

static int
noheader(void)
{
	if(!frozen())
		return 1;
	memfaultof(Shadow, Mread, 0, 16, EIO, 0);
	return bufshadow(path, 0, 0) == NULL;
}

static int
oneheader(void)
{
	if(!frozen())
		return 1;
	memfaultof(Shadow, Mread, 0, 1, EIO, 1);
	if(bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen)
		return 2;
	memfaultof(Shadow, Mread, 8, 1, EIO, 1);
	return bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen;
}

static int
nomap(void)
{
	return restart(Shadow, Mread, 2, "Input/output error");
}

static int
nowrite(void)
{
	return restart(Shadow, Mwrite, 0, "Input/output error");
}

static int
unmarkable(void)
{
	return restart(Image, Msync, 0, "the image: ");
}

static int
unremovable(void)
{
	char *e;

	if(!frozen())
		return 1;
	memfaultof(Shadow, Mremove, 0, 1, EIO, 0);
	if(buffreeze(0) != NULL)
		return 2;
	steady();
	if(freezestate() != Fnone)
		return 3;
	e = bufshadow(path, 0, 0);
	if(e == NULL || strstr(e, "can't be removed") == NULL)
		return 4;
	memheal();
	return bufshadow(path, 0, 0) != NULL || !whole();
}

static int
noholes(void)
{
	if(!begin())
		return 1;
	mem.noholes = 1;
	buffreeze(1);
	steady();
	if(freezestate() != Fnone || mem.warned == 0)
		return 2;
	mem.noholes = 0;
	buffreeze(1);
	steady();
	return freezestate() != Ffrozen;
}

/* The header that is in force says that it merges, though the copy of it can't be written. */
static int
onethaws(void)
{
	if(!frozen())
		return 1;
	memfaultlater(Shadow, Mwrite, EIO, 1);
	if(buffreeze(0) != NULL)
		return 2;
	steady();
	return whole() ? 0 : 3;
}

/* Nor is a freeze possible while the image can't be marked, which is no lost write. */
static int
nomark(void)
{
	uvlong n;

	if(!begin())
		return 1;
	mem.badmark = ENOSPC;
	buffreeze(1);
	steady();
	if(freezestate() != Fnone || memshadow(&n) != NULL
		|| strstr(freezerefusal(), "mark of the image: No space left") == NULL)
		return 2;
	if(transfer(Owrite, 10, 4, 0x61) != 0 || transfer(Oflush, 0, 1, 0) != 0)
		return 3;
	mem.badmark = 0;
	buffreeze(1);
	steady();
	return freezestate() != Ffrozen;
}

/*
 * A bit of a map has changed: a start is refused if that map counts and
 * doesn't mean the same all the same; then nothing has been written.  Else it
 * has all, and no map is damaged any more.
 */
static int
flipped(int power, uvlong at)
{
	uvlong soft = 8192, hard = 12288, size;
	uchar *s, before[16384];
	uint lba, bit, k;
	int counts, bad;
	char *e;

	if(!frozen() || transfer(Oflush, 0, 1, 0) != 0)
		return 1;
	for(bit = 0; bit < 8 * (Sectors / 16 + 1) * 4; bit++){
		if(power)
			mempower();
		s = memshadow(&size);
		if(memflip(at + bit / 8, (uchar)(1 << bit % 8)) < 0)
			return 2;
		lba = bit / 32 * 16;
		bad = memhas(s + at, lba, 2) < 0;
		/* Where there is nothing, a bit may look as if that had been written there. */
		if(!bad && (bit % 32 != 31 || memhas(s + at, lba, 2) != 0))
			return 3;
		counts = at == (power ? hard : soft);
		memcpy(before, s, sizeof before);
		e = bufshadow(path, 0, 0);
		if((e != NULL) != (bad && counts)
			|| (e != NULL && (strstr(e, "damaged shadow: its bytes") == NULL
		|| memcmp(before, s, sizeof before) != 0)))
			return 4;
		if(e != NULL && (memflip(at + bit / 8, (uchar)(1 << bit % 8)) < 0
		|| bufshadow(path, 0, 0) != NULL))
			return 5;
		if(transfer(Oread, 8, 16, 0) != 0 || transfer(Oread, 95, 16, 0) != 0
		|| transfer(Oflush, 0, 1, 0) != 0)
			return 6;
		for(k = 0; k < Sectors; k++)
			if(memhas(s + soft, k, 2) != memhas(s + hard, k, 2)
				|| memhas(s + soft, k, 2) < 0)
				return 7;
	}
	if(buffreeze(0) != NULL)
		return 8;
	steady();
	return !whole();
}

static int	flippedsoft(void) { return flipped(0, 8192); }
static int	flippedhard(void) { return flipped(0, 12288); }
static int	flippedsoftcut(void) { return flipped(1, 8192); }
static int	flippedhardcut(void) { return flipped(1, 12288); }

/*
 * A shadow that an aoede left which knew version 1 only: sectors 50 to 52, and
 * others of which the soft map doesn't know, or the hard one.
 */
static int
writeold(void)
{
	enum { N = 40000, Soft = 8192, Hard = 16384, Data = 24576 };
	static uchar file[Data + 64 * Sector];
	static const uvlong at[] = { First, N, Soft, Hard, Data };
	struct iovec iov = { file, sizeof file };
	uchar *h = file;
	uint i, sum;

	memcpy(h, "AoEdeShd\1\0\0\0\4\3\2\1\1\0\0\0\0\0\0\0\1", 25);
	for(i = 0; i < 40; i++)
		h[32 + i] = (uchar)(at[i / 8] >> 8 * (i % 8));
	bootid(h + 72);
	diskident((char*)h + 88, 256);
	for(i = 0, sum = crc32(h, 508); i < 4; i++)
		h[508 + i] = (uchar)(sum >> 8 * i);
	file[Soft + 50 / 8] = 4 | 8 | 16;
	file[Hard + 50 / 8] = 4 | 8 | 32;
	memset(file + Data + (First + 50) * Sector, 0x91, 4 * Sector);
	return shadowdir(path) != NULL
		|| shadowmake((Data + (First + N) * Sector + 4095) / 4096 * 4096) < 0
		|| diskwrite(Shadow, &iov, 1, 0) != sizeof file || shadowname() < 0
			|| disksync(Shadow) < 0;
}

static int
oldversion(int power)
{
	enum { N = 40000 };
	uvlong size;
	uint i;

	setup();
	target("-o 5 -l 40000", First + N + 3, 9000);
	mempattern(0, First + N + 3, 1);
	memcpy(model, mem.image + First * Sector, sizeof model);
	if(writeold() != 0)
		return 1;
	if(power)
		mempower();
	for(i = 0; i < 3; i++)
		memset(model + (50 + i + (i == 2 && power)) * Sector, 0x91, Sector);
	if(bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen
		|| transfer(Oread, 45, 16, 0) != 0)
		return 2;
	if(transfer(Owrite, 60, 4, 0x92) != 0 || transfer(Owrite, 39990, 4, 0x93) != 0
	|| transfer(Oflush, 0, 1, 0) != 0)
		return 3;
	for(i = 0; i < 2; i++){
		if(bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen
		|| transfer(Oread, 45, 16, 0) != 0 || transfer(Oread, 55, 16, 0) != 0)
			return 4;
		if(memshadow(&size)[8] != 1 || memhas(memshadow(&size) + 8192, 39993, 1) != 1)
			return 5;
		mempower();
	}
	if(bufshadow(path, 0, 0) != NULL || buffreeze(0) != NULL)
		return 6;
	steady();
	if(!whole() || mem.image[(First + 39993) * Sector] != 0x93 || buffreeze(1) != NULL)
		return 7;
	steady();
	return freezestate() != Ffrozen || memshadow(&size)[8] != 2
		|| transfer(Owrite, 39999, 1, 0x94) != 0 || bufshadow(path, 0, 0) != NULL
		|| freezestate() != Ffrozen || memhas(memshadow(&size) + 8192, 39999, 2) != 1;
}

static int	oldkilled(void) { return oldversion(0); }
static int	oldcut(void) { return oldversion(1); }

/* An image that bears no mark, and was changed behind the shadow's back. */
static int
tampered(int device)
{
	char *e;

	if(!begin())
		return 1;
	mem.nomark = 1;
	mem.changed = device ? 0 : 12345;
	if(buffreeze(1) != NULL)
		return 2;
	steady();
	if(transfer(Owrite, 10, 4, 0x62) != 0 || bufshadow(path, 0, 0) != NULL
		|| freezestate() != Ffrozen)
		return 3;
	if(device)
		mem.image[First * Sector + 1080] ^= 1;
	else
		mem.changed++;
	e = bufshadow(path, 0, 0);
	if(e == NULL || strstr(e, "the image was changed") == NULL)
		return 4;
	mem.changed = device ? 0 : 12345;
	mem.image[First * Sector + 1080] ^= (uchar)device;
	if(bufshadow(path, 0, 0) != NULL || buffreeze(0) != NULL)
		return 5;
	steady();
	return !whole();
}

static int	tamperedfile(void) { return tampered(0); }
static int	tampereddevice(void) { return tampered(1); }

/* Without a shadow. */
static int
heldback(void)
{
	setup();
	if(bufshadow(NULL, 0, 0) != NULL || buffreeze(1) != NULL)
		return 1;
	steady();
	freezereport();
	if(freezestate() != Fheld || transfer(Owrite, 1, 1, 0x55) != Unanswered
		|| transfer(Oread, 1, 1, 0) != 0)
		return 2;
	if(buffreeze(1) == NULL || buffreeze(0) != NULL || buffreeze(0) == NULL)
		return 3;
	return transfer(Owrite, 1, 1, 0x66) != 0 || !whole();
}

static int
unheld(void)
{
	setup();
	if(bufshadow(NULL, 0, 0) != NULL)
		return 1;
	memfaultlater(Image, Msync, EIO, 0);
	buffreeze(1);
	steady();
	return freezestate() != Fnone || transfer(Owrite, 1, 1, 0x55) == 0;
}

/* What can't be done now is refused with a sentence. */
static int
sentences(void)
{
	if(!begin() || buffreeze(0) == NULL)
		return 1;
	memhold(Mwork, 0, 1);
	if(buffreeze(1) != NULL)
		return 2;
	rounds(2);
	freezereport();
	if(freezestate() != Fmaking || buffreeze(1) == NULL || buffreeze(0) == NULL)
		return 3;
	memrelease();
	steady();
	if(freezestate() != Ffrozen || buffreeze(1) == NULL || transfer(Owrite, 3, 9, 0x77) != 0)
		return 4;
	memhold(Mwrite, First, Sectors);
	if(buffreeze(0) != NULL)
		return 5;
	rounds(100);
	if(freezestate() != Fmerging || buffreeze(0) == NULL || buffreeze(1) == NULL)
		return 6;
	rounds(20100);			/* twice ten seconds: how far it is is said */
	memrelease();
	steady();
	return !whole();
}

static int
readonly(void)
{
	char *e;

	if(!frozen())
		return 1;
	mem.readonly = 1;
	e = bufshadow(path, 0, 1);
	if(e != NULL || freezestate() != Ffrozen || (e = buffreeze(0)) == NULL
		|| strstr(e, "read-only") == NULL)
		return 2;
	return transfer(Oread, 8, 8, 0) != 0;
}

/*
 * What was written and brought to the disk by the kernel survives a power cut
 * HARDEN_MS later, though nobody flushes; and a sync is asked for no longer.
 */
static int
cutoff(int merging, int killed)
{
	int i;

	if(!frozen() || transfer(Oflush, 0, 1, 0) != 0)
		return 1;
	if(merging){
		memhold(Mwrite, First + 100, 2);
		if(buffreeze(0) != NULL)
			return 2;
		for(i = 0; i < 1000 && freezestate() != Fmerging; i++)
			rounds(1);
	}
	if(transfer(Owrite, 10, 4, 0x35) != 0 || transfer(Owrite, 20, 1, 0x36) != 0)
		return 3;
	memwriteback();
	if(bufwait() < 0 || bufwait() > HARDEN_MS)
		return 4;
	mem.clock += HARDEN_MS * 1000000ULL;
	/* The time before a start counts too: the power may fail soon after it. */
	if(killed && bufshadow(path, 0, 0) != NULL)
		return 5;
	rounds(200);
	mempower();
	if(bufshadow(path, 0, 0) != NULL || freezestate() != (merging ? Fmerging : Ffrozen))
		return 6;
	return transfer(Oread, 8, 16, 0);
}

static int	cutfrozen(void) { return cutoff(0, 0); }
static int	cutmerging(void) { return cutoff(1, 0); }
static int	cutkilled(void) { return cutoff(0, 1); }

/* A hard map that found no room follows when there is some, though nobody flushes or writes. */
static int
hardroom(void)
{
	enum { Hardmap = 24, Hardlen = 8 };	/* sectors of the shadow */
	uvlong n, ms = 20 * HARDEN_MS;

	if(!frozen() || transfer(Oflush, 0, 1, 0) != 0)
		return 1;
	memfaultof(Shadow, Mwrite, Hardmap, Hardlen, ENOSPC, 0);
	if(transfer(Owrite, 20, 1, 0x36) != 0)
		return 2;
	n = mem.count[Msync];
	rounds((uint)ms);	/* of a millisecond each */
	n = mem.count[Msync] - n;
	if(n == 0 || n > 2 * (ms / HARDEN_MS + 1))
		return 3;
	memheal();
	memwriteback();
	rounds(HARDEN_MS + 200);
	mempower();
	if(bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen)
		return 4;
	return transfer(Oread, 8, 16, 0);
}

/* When all is hard nobody asks for a sync. */
static int
hardened(void)
{
	uvlong n;

	if(!frozen())
		return 1;
	mem.clock += HARDEN_MS * 1000000ULL;
	rounds(200);
	n = mem.count[Msync];
	mem.clock += 10 * HARDEN_MS * 1000000ULL;
	rounds(200);
	return bufwait() >= 0 || mem.count[Msync] != n;
}

/* A sync for which there is no memory is tried again, but not all the time. */
static int
nosnapshot(void)
{
	uvlong n;
	int i;

	if(!frozen())
		return 1;
	n = mem.count[Msync];
	nomemory = 1;
	rounds(2 * HARDEN_MS);
	for(i = 0; i < 10; i++){
		bufcommit();
		if(bufwait() != 1)
			return 2;
	}
	if(mem.count[Msync] != n)
		return 3;
	nomemory = 0;
	rounds(200);
	return bufwait() >= 0 || mem.count[Msync] == n;
}

/* A trim. */
static int
trimmed(uvlong lba, uint n)
{
	Range range = { lba, n };
	Io io = { .op = Otrim, .range = &range, .nrange = 1, .done = done };
	int i;

	ndone = 0;
	bufio(&io);
	for(i = 0; i < 100000 && ndone == 0; i++)
		rounds(1);
	if(io.error == 0 && lba + n <= Sectors)
		memset(model + lba * Sector, 0, (size_t)n * Sector);
	return io.error;
}

static uint
imagecalls(int op)
{
	uint n = 0;
	int i;

	for(i = 0; i < mem.ncall; i++)
		n += mem.call[i].op == op && mem.call[i].file == Image;
	return n;
}

/* A large trim while frozen changes many pieces of the map: the engine saves them, and the loop goes on. */
static int
trimmedlarge(void)
{
	enum { Pieces = 100, N = Pieces * 4096 };
	Range range = { 0, N };
	Io io = { .op = Otrim, .range = &range, .nrange = 1, .done = done };
	uvlong n, size;
	uint i;

	target("", N + 8, 9000);
	mem.tick = 1000000;
	mem.quiet = 1;
	if(freopen("/dev/null", "w", stdout) == NULL || bufshadow(path, 0, 0) != NULL
		|| buffreeze(1) != NULL || !waitfor(Ffrozen))
		return 1;
	memhold(Mwork, 0, 1);
	n = mem.count[Mwrite];
	ndone = 0;
	bufio(&io);
	rounds(500);
	if(mem.count[Mwrite] != n || freezeunsaved() != Pieces)
		return 2;
	if(ndone != 0 || mem.underway != 1 || transfer(Oread, N, 8, 0) != 0)
		return 3;
	ndone = 0;
	memrelease();
	rounds(500);
	if(ndone != 1 || io.error != 0 || freezeunsaved() != 0)
		return 4;
	for(i = 0; i < Pieces; i++)
		if(memhas(memshadow(&size) + 8192, i * 4096, 2) != 1)
			return 5;
	return 0;
}

/* What was trimmed while frozen becomes a hole: no zero is written to the image. */
static int
holesstay(int restarted)
{
	if(!begin() || buffreeze(1) != NULL || !waitfor(Ffrozen)
		|| transfer(Owrite, 3, 4, 0x71) != 0 || trimmed(0, Sectors) != 0)
		return 1;
	if(restarted && (bufshadow(path, 0, 0) != NULL || freezestate() != Ffrozen))
		return 2;
	memcalls();
	if(buffreeze(0) != NULL)
		return 3;
	steady();
	if(!whole())
		return 4;
	/* A page that the export has only a part of is not known to be a hole after another start. */
	return imagecalls(Mtrim) == 0 || imagecalls(Mwrite) > (restarted ? 2 : 0);
}

static int	holesmoved(void) { return holesstay(0); }
static int	holesfound(void) { return holesstay(1); }

/* With -w, what is dirty and still to be written counts as much as it will take. */
static int
limitbehind(void)
{
	int n = 0;

	target("", 8000, 9000);
	mem.quiet = 1;
	mem.clock += 1000000000;	/* which stands still from here: nothing is written behind */
	if(freopen("/dev/null", "w", stdout) == NULL || bufpool(8, 1) < 0
		|| bufshadow(path, 1, 0) != NULL || buffreeze(1) != NULL || !waitfor(Ffrozen))
		return 1;
	while(n < 400 && transfer(Owrite, (uvlong)n * 16 + 8 * (uvlong)(n % 2), 1 + (uint)n % 8,
		n) == 0)
		n++;
	/* 1 MiB is 256 pages; the maps and headers take some. */
	if(n < 245 || n > 256 || memtaken() > 16)
		return 2;
	if(transfer(Oflush, 0, 1, 0) != 0)
		return 3;
	/* The maps have got their pages only then. */
	return memtaken() > 256 + 2 ? 4 : 0;
}

/* The limit is what the shadow takes: what was trimmed takes nothing, until it is written to. */
static int
limited(int restarted)
{
	int i, n;

	target("", 8000, 9000);
	mem.tick = 1000000;
	mem.quiet = 1;
	if(freopen("/dev/null", "w", stdout) == NULL || bufshadow(path, 1, 0) != NULL
		|| buffreeze(1) != NULL || !waitfor(Ffrozen))
		return 1;
	if(trimmed(0, 4096) != 0 || memtaken() > 8)
		return 2;
	for(n = 0; n < 8; n++)
		if(transfer(Owrite, (uvlong)n * 16, 16, n) != 0)
			return 3;
	if(restarted && bufshadow(path, 1, 0) != NULL)
		return 4;
	for(i = 0; i < 200 && transfer(Owrite, (uvlong)n * 16, 16, n) == 0; i++)
		n++;
	/* 1 MiB is 128 pieces of 8 KiB; the maps and headers take some. */
	if(n < 120 || n > 128 || memtaken() > 256)
		return 5;
	return transfer(Owrite, 0, 16, 1) != 0 || transfer(Owrite, 6000, 16, 1) != Unanswered;
}

static int	limitkept(void) { return limited(0); }
static int	limitresumed(void) { return limited(1); }

/* A disk with blocks of 4096 bytes, of which the export ends within one. */
static int
lastblock(void)
{
	target("-l 1001", 1008, 9000);
	mem.tick = 1000000;
	mem.quiet = 1;
	disk.direct = 1;
	disk.block = 4096;
	mem.hi = 1008 * Sector;
	if(freopen("/dev/null", "w", stdout) == NULL || bufshadow(path, 0, 0) != NULL
		|| buffreeze(1) != NULL || !waitfor(Ffrozen))
		return 1;
	if(transfer(Owrite, 1000, 1, 0x81) != 0 || transfer(Owrite, 990, 11, 0x82) != 0
		|| buffreeze(0) != NULL)
		return 2;
	steady();
	return freezestate() != Fnone || mem.image[1000 * Sector] != 0x82;
}

/* A merge that can't write says so, but seldom, and is there when it can. */
static int
merging(void)
{
	uvlong was;

	if(!frozen())
		return 1;
	memfault(Mwrite, First, Sectors, ENOSPC, 0);
	was = mem.warned;
	if(buffreeze(0) != NULL)
		return 2;
	rounds(100000);		/* of a millisecond each, and more */
	if(freezestate() != Fmerging || mem.warned == was || mem.warned > was + 4)
		return 3;
	memheal();
	rounds(20000);
	return !whole();
}

/* A save of the map that takes long, when a sync is due: the loop sleeps until it ends. */
static int
sleepssaving(void)
{
	static uchar data[Sector];
	Io io = { .op = Owrite, .lba = 30, .nsec = 1, .done = done, .room = room, .data = data };

	if(!begin())
		return 1;
	disk.direct = 1;
	if(buffreeze(1) != NULL)
		return 2;
	steady();
	rounds(2 * HARDEN_MS);
	if(freezestate() != Ffrozen || (io.space = aligned_alloc(4096, Spacesize)) == NULL)
		return 3;
	memhold(Mwork, 0, 1);
	ndone = 0;
	bufio(&io);
	rounds(2 * HARDEN_MS);
	if(ndone != 0 || mem.underway != 1)
		return 4;
	if(bufwait() == 0)
		return 5;
	memrelease();
	rounds(200);
	return ndone != 1;
}

/* A merge that has nothing to move and can't end yet: the loop sleeps though users are busy. */
static int
sleepsmerging(void)
{
	int i, spun = 0;

	if(!frozen() || buffreeze(0) != NULL)
		return 1;
	for(i = 0; i < 1000 && freezestate() != Fmerging; i++)
		rounds(1);
	memfaultof(Shadow, Mwrite, 0, 16, ENOSPC, 0);	/* the headers */
	rounds(500);
	if(freezestate() != Fmerging || freezemerged() != 100)
		return 2;
	for(i = 0; i < 50; i++){
		if(transfer(Oread, 50, 1, 0) != 0)
			return 3;
		bufcommit();
		spun += bufwait() == 0;
	}
	if(spun > 25)
		return 4;
	memheal();
	rounds(20000);
	return !whole();
}

/* The soft map can't be written, and each attempt takes long: a flush is not held up for ever. */
static int
slowfailure(void)
{
	enum { Softmap = 16, Softlen = 8 };	/* sectors of the shadow */

	if(!frozen())
		return 1;
	disk.direct = 1;
	memfaultof(Shadow, Mwrite, Softmap, Softlen, ENOSPC, 0);
	if(transfer(Owrite, 50, 1, 0x12) == 0)
		return 2;
	mem.tick = 1000000000;
	rounds(20);
	if(transfer(Oflush, 0, 1, 0) != 0)
		return 3;
	memheal();
	return transfer(Owrite, 50, 1, 0x13) != 0 ? 4 : transfer(Oflush, 0, 1, 0) != 0 ? 5 : 0;
}

/* With -w, a disk becomes smaller while what was behind its new end is being written. */
static int
behindshrunk(void)
{
	if(!begin() || bufpool(1, 1) < 0 || transfer(Owrite, 150, 4, 0x71) != 0)
		return 1;
	memhold(Mwrite, First + 150, 4);
	memfault(Mwrite, First + 150, 4, EIO, 0);
	rounds(2 * FLUSH_MS);
	if(mem.underway == 0)
		return 2;
	disk.size = (First + 100) * Sector;
	if(bufinit(First, 0) < 0)
		return 3;
	memrelease();
	rounds(3 * FLUSH_MS);
	return transfer(Owrite, 20, 1, 0x72) != 0 ? 4 : bufwait() > FLUSH_MS ? 5 : transfer(Oflush,
		0, 1, 0);
}

/* With -w, blocks that lie apart are written as many at a time as a disk takes. */
static int
behinddeep(void)
{
	enum { Deep = 64, Apart = 16 };
	uint i, most;

	target("-w", Deep * Apart, 1500);
	if(bufpool(1, 1) < 0)
		return 1;
	memhold(Mwrite, 0, Deep * Apart);
	for(i = 0; i < Deep; i++)
		if(transfer(Owrite, i * Apart, 1, (uchar)(i + 1)) != 0)
			return 2;
	for(i = 0; i < 10 && mem.underway == 0; i++)
		rounds(2 * FLUSH_MS);
	most = mem.underway;
	memrelease();
	rounds(FLUSH_MS);
	for(i = 0; i < Deep; i++)
		if(mem.image[i * Apart * Sector] != i + 1)
			return 3;
	return most != Deep;
}

/* With -w, what finds no room in the shadow is tried once in each pass, and written when there is room. */
static int
behindfull(void)
{
	uvlong tries, start;

	if(!frozen() || bufpool(1, 1) < 0)
		return 1;
	memfaultof(Shadow, Mwrite, freezeplace(150, Shadow) / Sector, 4, ENOSPC, 0);
	if(transfer(Owrite, 150, 4, 0x61) != 0)
		return 2;
	tries = stats.transfers;
	start = mem.clock;
	rounds(5 * FLUSH_MS);
	tries = stats.transfers - tries;
	if(tries < 2 || tries > (mem.clock - start) / 1000000 / FLUSH_MS + 1)
		return 3;
	memheal();
	rounds(5 * FLUSH_MS);
	if(pooldirty() != 0 || transfer(Oflush, 0, 1, 0) != 0 || buffreeze(0) != NULL)
		return 4;
	rounds(20000);
	return whole() ? 0 : 5;
}

/* With -w what is dirty is written in time, though a merge rests that can't write. */
static int
behindmerging(void)
{
	int i;

	if(!frozen() || bufpool(1, 1) < 0)
		return 1;
	memfault(Mwrite, First, 50, ENOSPC, 0);
	if(buffreeze(0) != NULL)
		return 2;
	rounds(60000);
	for(i = 0; i < 20000 && bufwait() <= FLUSH_MS; i++)
		rounds(1);
	if(freezestate() != Fmerging || transfer(Owrite, 150, 1, 0x61) != 0 || pooldirty() == 0)
		return 3;
	if(bufwait() < 0 || bufwait() > FLUSH_MS)
		return 4;
	memheal();
	rounds(20000);
	return transfer(Oflush, 0, 1, 0) == 0 && whole() ? 0 : 5;
}

/* With -w, one that was asked for long before it begins writes out what is dirty then before writes are stopped. */
static int
againbehind(void)
{
	int i;

	if(!frozen() || bufpool(1, 1) < 0 || buffreeze(0) != NULL)
		return 1;
	waitfor(Fremoving);
	memhold(Mwork, 0, 1);
	rounds(1);
	if(freezestate() != Fremoving || buffreeze(1) != NULL || transfer(Owrite, 7, 1, 0x51) != 0)
		return 2;
	rounds(2 * FLUSH_MS);
	if(pooldirty() != 0 || transfer(Owrite, 8, 1, 0x52) != 0 || pooldirty() == 0)
		return 3;
	memrelease();
	for(i = 0; i < 50000 && (bufcommit(), freezestate() != Fmaking); i++)
		rounds(1);
	return freezestate() != Fmaking ? 4 : pooldirty() != 0 ? 5 : 0;
}

/* While the shadow is removed, which may take long, syncs go on. */
static int
removing(void)
{
	if(!frozen() || buffreeze(0) != NULL)
		return 1;
	waitfor(Fremoving);
	memhold(Mwork, 0, 1);
	rounds(1);
	if(freezestate() != Fremoving || !bufbusy())
		return 2;
	/* The job is under way, and nothing that is asked for waits for it. */
	if(transfer(Owrite, 10, 4, 0x51) != 0 || transfer(Oflush, 0, 1, 0) != 0
		|| freezestate() != Fremoving)
		return 3;
	memrelease();
	steady();
	return !whole();
}

/* Its space is given back piece by piece, with pauses in which nothing is under way. */
static int
freedslowly(void)
{
	int i, idle = 0;

	if(!frozen() || buffreeze(0) != NULL)
		return 1;
	mem.unfreed = 10;
	steady();
	if(!whole() || mem.freed >= 10)
		return 2;
	for(i = 0; i < 1000 && mem.freed < 10; i++){
		if(bufwait() < 0)
			return 3;
		idle += mem.underway == 0;
		rounds(1);
	}
	rounds(50);
	return idle < 9 * 18 ? 4 : mem.freed != 10 ? 5 : bufwait() >= 0;
}

/* Once it is all in the image, a freeze may be asked for, and be withdrawn. */
static int
again(int withdrawn)
{
	int i;

	if(!frozen() || buffreeze(0) != NULL)
		return 1;
	waitfor(Fmerging);
	memhold(Mwork, 0, 1);
	if(!waitfor(Fending) || buffreeze(1) != NULL)
		return 2;
	if(withdrawn && (buffreeze(0) != NULL || buffreeze(0) == NULL))
		return 3;
	memrelease();
	for(i = 0; i < 50000 && freezestate() != Ffrozen
		&& (!withdrawn || freezestate() != Fnone); i++)
		rounds(1);
	return withdrawn ? !whole() : freezestate() != Ffrozen;
}

/*
 * The shadow is there already when the last step of a freeze is under way:
 * whoever has seen it may have it unfrozen, and change his mind.
 */
static int
early(int withdrawn)
{
	if(!begin() || buffreeze(1) != NULL)
		return 1;
	waitfor(Fstopping);
	memhold(Mwork, 0, 1);
	if(!waitfor(Fcommitting) || buffreeze(0) != NULL)
		return 2;
	if(withdrawn && (buffreeze(1) != NULL || buffreeze(1) == NULL))
		return 3;
	memrelease();
	if(!waitfor(withdrawn ? Ffrozen : Fnone))
		return 4;
	return stats.freezes != 1 || stats.unfreezes != !withdrawn;
}

static int	earlyunfreeze(void) { return early(0); }
static int	earlywithdrawn(void) { return early(1); }
static int	againfrozen(void) { return again(0); }
static int	againwithdrawn(void) { return again(1); }

/* Scattered pieces are moved at the same time, as long as nobody else wants the disk. */
static int
movedtogether(void)
{
	enum { Together = 12, Apart = 16 };
	uint i, most;

	if(!frozen())
		return 1;
	for(i = 0; i < Together; i++)
		if(transfer(Owrite, i * Apart, 1, (int)i + 1) != 0)
			return 2;
	memhold(Mread, 0, 1000);
	if(buffreeze(0) != NULL || !waitfor(Fmerging))
		return 3;
	for(i = 0; i < 200 && mem.underway < Together; i++)
		rounds(1);
	most = mem.underway;
	memrelease();
	rounds(20000);
	return most != Together || !whole();
}

/* The shadow has room for data, but not for the map: what was left unanswered holds up nothing. */
static int
maphasnoroom(void)
{
	if(!begin() || buffreeze(1) != NULL || !waitfor(Ffrozen))
		return 1;
	memfaultof(Shadow, Mwrite, 16, 8, ENOSPC, 0);	/* the soft map */
	if(transfer(Owrite, 50, 1, 0x12) != Unanswered
		|| transfer(Owrite, 50, 1, 0x12) != Unanswered)
		return 2;
	if(buffreeze(0) != NULL || !waitfor(Fmerging) || transfer(Owrite, 60, 2, 0x13) != 0)
		return 3;
	memset(model + 50 * Sector, 0x12, Sector);
	rounds(20000);
	return !whole();
}

/*
 * With -d the soft map gets into the page cache and no further, so it has what
 * was not answered: a start that believes it must find it changed back.
 */
static int
maphalfway(void)
{
	setup();
	mem.window = 0;
	memremap();
	disk.direct = 1;
	if(bufinit(First, Sectors) < 0 || bufshadow(path, 0, 0) != NULL || buffreeze(1) != NULL
		|| !waitfor(Ffrozen))
		return 1;
	mem.through = 1;
	memfaultof(Shadow, Mwrite, 16, 8, EIO, 1);	/* the soft map */
	if(transfer(Owrite, 10, 2, 0x11) != EIO)
		return 2;
	mem.through = 0;
	memheal();
	/* Not moved. */
	memfaultof(Shadow, Mread, freezeplace(11, Shadow) / Sector, 1, EIO, 0);
	if(buffreeze(0) != NULL || !waitfor(Fmerging) || transfer(Owrite, 10, 1, 0x22) != 0)
		return 3;
	rounds(2000);
	memheal();
	return bufshadow(path, 0, 0) != NULL ? 4 : transfer(Oread, 10, 1, 0);
}

/* A write that the shadow can't take fails, and its sectors stay. */
static int
badshadow(void)
{
	if(!frozen())
		return 1;
	memfaultof(Shadow, Mwrite, 0, 1000, EIO, 1);
	if(transfer(Owrite, 50, 1, 0x12) == 0 || transfer(Oread, 50, 1, 0) != 0)
		return 2;
	return transfer(Owrite, 50, 1, 0x13) != 0;
}

/* Write-behind: answered writes can't be brought to the image. */
static int
cancelled(void)
{
	if(!begin() || bufpool(1, 1) < 0 || transfer(Owrite, 7, 2, 0x21) != 0)
		return 1;
	memfault(Mwrite, First + 7, 1, EIO, 0);
	if(buffreeze(1) != NULL)
		return 2;
	steady();
	if(freezestate() != Fnone || mem.warned == 0 || buffreeze(1) == NULL)
		return 5;
	memheal();
	rounds(5000);
	if(transfer(Oflush, 0, 1, 0) != 0 || buffreeze(1) != NULL)
		return 6;
	steady();
	return freezestate() != Ffrozen || buffreeze(0) != NULL || (steady(), !whole());
}

/* Once the shadow is being made, nothing is written behind: who writes is told. */
static int
writtenthrough(void)
{
	if(!begin() || bufpool(1, 1) < 0 || transfer(Owrite, 7, 2, 0x21) != 0)
		return 1;
	memhold(Mwork, 0, 1);
	if(buffreeze(1) != NULL)
		return 2;
	rounds(50);
	if(freezestate() != Fmaking || transfer(Owrite, 7, 2, 0x22) != 0
		|| mem.image[(First + 7) * Sector] != 0x22)
		return 3;
	memfault(Mwrite, First + 8, 1, EIO, 0);
	if(transfer(Owrite, 8, 1, 0x23) != EIO)
		return 4;
	memheal();
	memrelease();
	steady();
	if(freezestate() != Ffrozen || transfer(Owrite, 8, 1, 0x24) != 0)
		return 5;
	if(buffreeze(0) != NULL)
		return 6;
	steady();
	return transfer(Oflush, 0, 1, 0) == 0 && whole() ? 0 : 7;
}

/* A sync fails while writes are held for a freeze: they fail, and it is given up. */
static int
distrusted(int writebehind)
{
	static Io io[] = {
		{ .op = Owrite, .lba = 7, .nsec = 2, .stable = 1, .error = -1 },
		{ .op = Owrite, .lba = 50, .nsec = 1, .error = -1 },
		{ .op = Oflush, .error = -1 },
	};
	static uchar data[2 * Sector];
	uvlong n;
	int i;

	if(!begin() || (writebehind && bufpool(1, 1) < 0))
		return 1;
	disk.direct = 1;
	memhold(Mwrite, First + 7, 2);
	ndone = 0;
	for(i = 0; i < 3; i++){
		if(i == 1 && (buffreeze(1) != NULL || (rounds(200), freezestate() != Fstopping)))
			return 2;
		if(i == 2 && ndone != 0)
			return 3;
		if(i == 2)
			memfaultof(Image, Msync, 0, 1000, EIO, 1);
		io[i].space = aligned_alloc(4096, Spacesize);
		io[i].data = data;
		io[i].room = room;
		io[i].done = done;
		bufio(&io[i]);
		rounds(200);
	}
	if(ndone != 2 || io[1].error != EIO || io[2].error != EIO)
		return 4;
	memrelease();
	steady();
	return freezestate() != Fnone || memshadow(&n) != NULL || memmark() != Marknone
		|| ndone != 3 || io[0].error != EIO;
}

static int	distrustedplain(void) { return distrusted(0); }
static int	distrustedbehind(void) { return distrusted(1); }

/* While the image is brought to a stand only so many writes wait, be it for each other. */
static int
crowded(void)
{
	enum { Many = 4096 };
	static uchar data[Sector], *space;
	static Io io[Many];
	uint i, waiting;

	if(!begin() || (space = aligned_alloc(4096, (size_t)Many * Spacesize)) == NULL)
		return 1;
	if(buffreeze(1) != NULL)
		return 2;
	for(i = 0; i < 1000 && (bufcommit(), freezestate() != Fcommitting); i++)
		rounds(1);
	memhold(Mwork, 0, 1);
	ndone = 0;
	for(i = 0; i < Many; i++){
		io[i] = (Io){ .op = Owrite, .lba = 40, .nsec = 1, .data = data, .done = done,
			.space = space + i * Spacesize };
		bufio(&io[i]);
		bufcommit();
	}
	if(freezestate() != Fcommitting || ndone == 0 || ndone == Many)
		return 3;
	waiting = Many - (uint)ndone;
	for(i = waiting; i < Many; i++)
		if(io[i].error != Unanswered)
			return 4;
	memrelease();
	steady();
	rounds(1000);
	for(i = 0; i < waiting; i++)
		if(io[i].error != 0)
			return 5;
	return freezestate() != Ffrozen || ndone != Many;
}

/*
 * With -w, writes all over the disk that never let up: a freeze comes when
 * what was dirty has been written once, and writes pause but shortly.
 */
enum { Load = 64, Wide = 6000 };
static struct {
	Io	io[Load];	/* each a write, again and again */
	int	busy[Load];
	uint	answers;
} load;

static void
loaded(Io *io)
{
	load.busy[io - load.io] = 0;
	load.answers += io->error == 0;
}

static void
loadround(void)
{
	static uchar *space, data[Sector];
	uint i;

	if(space == NULL && (space = aligned_alloc(4096, Load * Spacesize)) == NULL)
		exit(93);
	for(i = 0; i < Load; i++)
		if(!load.busy[i]){
			load.io[i] = (Io){ .op = Owrite, .lba = rnd(Wide), .nsec = 1, .data = data,
				.done = loaded, .space = space + i * Spacesize };
			load.busy[i] = 1;
			bufio(&load.io[i]);
		}
	rounds(1);
}

static int
underload(int direct, uint mib)
{
	uint i, paused = 0, longest = 0, answers;

	setup();
	target("-o 5 -l 6000", First + Wide + 3, 9000);
	disk.direct = direct;
	mem.late = 20;
	mem.shuffled = 1;
	if(bufpool(mib, 1) < 0 || bufshadow(path, 0, 0) != NULL)
		return 1;
	for(i = 0; i < 300; i++)
		loadround();
	if(buffreeze(1) != NULL)
		return 2;
	for(i = 0; i < 5000 && freezestate() != Ffrozen; i++){
		answers = load.answers;
		loadround();
		paused = load.answers == answers ? paused + 1 : 0;
		if(paused > longest)
			longest = paused;
	}
	if(freezestate() != Ffrozen)
		return 3;
	/* What the engine had, a sync and the shadow's name; a pass takes some hundreds. */
	return longest > 100 ? 4 : 0;
}

static int	frozenbehind(void) { return underload(0, 1); }
static int	frozenbehinddirect(void) { return underload(1, 1); }
/* A pool that has room for all that is written is never crowded. */
static int	frozenroomy(void) { return underload(0, 4); }

void
freezetests(void)
{
	lives(Image, Msync, EIO, 8, "sync of the image");
	lives(Shadow, Msync, EIO, 6, "sync of the shadow");
	lives(Shadow, Mwrite, EIO, 12, "write to the shadow");
	lives(Shadow, Mwrite, ENOSPC, 12, "write to the shadow, for want of room,");
	lives(Shadow, Mmake, ENOSPC, 2, "making of the shadow");
	lives(Shadow, Mname, EEXIST, 2, "naming of the shadow");
	lives(Shadow, Mread, EIO, 4, "read of the shadow");
	lives(Image, Mwrite, EIO, 4, "write to the image");
	test(apart(nodirectory) == 0, "a shadow in no directory is refused");
	test(apart(unasked) == 0, "an image that is frozen is not served without -f");
	test(apart(gone) == 0, "nor when its shadow is gone");
	test(apart(cleared) == 0, "a mark from a freeze that didn't come about is taken off");
	test(apart(unclearable) == 0, "or it is said why not");
	test(apart(noheader) == 0, "a shadow that can't be read is refused");
	test(apart(oneheader) == 0, "one of which a header can't be read is served");
	test(apart(onethaws) == 0, "and one of which a header can't be written is merged");
	test(apart(nomap) == 0, "one whose maps can't be read is refused");
	test(apart(nowrite) == 0, "and one that can't be written to");
	test(apart(unmarkable) == 0, "and an image that can't be marked");
	test(apart(unremovable) == 0,
		"a shadow of no use that can't be removed is refused, and removed later");
	test(apart(noholes) == 0, "a shadow without holes is refused");
	test(apart(nomark) == 0, "a freeze of an image that can't be marked is refused");
	test(apart(flippedsoft) == 0, "a bit of the soft map that has changed is found at a start");
	test(apart(flippedhard) == 0, "one of the hard map is mended");
	test(apart(flippedhardcut) == 0, "but found at a start after a power cut");
	test(apart(flippedsoftcut) == 0, "and then one of the soft map is mended");
	test(apart(oldkilled) == 0,
		"a shadow of version 1 is served and merged, and the next is of version 2");
	test(apart(oldcut) == 0, "after a power cut too");
	test(apart(tamperedfile) == 0,
		"an image without a mark that was changed while frozen is not served");
	test(apart(tampereddevice) == 0, "nor is a device");
	test(apart(heldback) == 0, "without a shadow writes are left unanswered");
	test(apart(unheld) == 0, "but not when the image can't be synced");
	test(apart(sentences) == 0, "what can't be done in a state is refused");
	test(apart(readonly) == 0, "what is read-only is not merged");
	test(apart(cutfrozen) == 0,
		"a power cut while frozen loses nothing that was on the disk for HARDEN_MS");
	test(apart(cutmerging) == 0, "nor does one while merging");
	test(apart(cutkilled) == 0, "nor one after a kill");
	test(apart(hardroom) == 0, "a hard map that found no room follows when there is some");
	test(apart(hardened) == 0, "and no sync is asked for when there is nothing to sync");
	test(apart(nosnapshot) == 0,
		"one for which there is no memory is tried again, but not all the time");
	test(apart(holesmoved) == 0, "what was trimmed while frozen becomes a hole in the image");
	test(apart(holesfound) == 0, "after another start too");
	test(apart(trimmedlarge) == 0, "the loop goes on while the map of a large trim is saved");
	test(apart(limitkept) == 0, "the limit is what the shadow takes, and holes take nothing");
	test(apart(limitresumed) == 0, "after another start too");
	test(apart(limitbehind) == 0, "with -w what is dirty counts as much as it will take");
	test(apart(lastblock) == 0, "an export may end within a block of the disk");
	test(apart(merging) == 0,
		"a merge that can't write says so seldom, and goes on when it can");
	test(apart(sleepssaving) == 0,
		"a sync that is due while the map is saved keeps nobody awake");
	test(apart(sleepsmerging) == 0,
		"nor does a merge that has nothing to move, while users are busy");
	test(apart(slowfailure) == 0, "a map that can't be written holds up no flush");
	test(apart(behindmerging) == 0,
		"what is dirty with -w is written in time while a merge rests");
	test(apart(behindfull) == 0,
		"with -w what finds no room in the shadow is tried once in each pass, and written when there is room");
	test(apart(behinddeep) == 0,
		"64 blocks that were written behind go to the disk at the same time");
	test(apart(behindshrunk) == 0,
		"what is lost behind the end of a disk that has become smaller is not tried for ever");
	test(apart(removing) == 0, "removing the shadow holds up no sync");
	test(apart(freedslowly) == 0,
		"its space is given back in pieces, and no thread is kept busy meanwhile");
	test(apart(againfrozen) == 0, "a freeze that is asked for meanwhile comes");
	test(apart(againbehind) == 0,
		"with -w too, and what is dirty then is written before writes are stopped");
	test(apart(againwithdrawn) == 0, "unless it is withdrawn by an unfreeze");
	test(apart(earlyunfreeze) == 0,
		"an unfreeze that is asked for as soon as the shadow is there comes");
	test(apart(earlywithdrawn) == 0, "unless it is withdrawn by a freeze");
	test(apart(movedtogether) == 0, "a merge moves 12 pieces at a time");
	test(apart(maphasnoroom) == 0, "a map that the shadow has no room for holds up no merge");
	test(apart(maphalfway) == 0,
		"one that came no further than the page cache is kept up to date");
	test(apart(badshadow) == 0, "a write that the shadow can't take fails");
	test(apart(cancelled) == 0, "a freeze is given up when answered writes can't be written");
	test(apart(writtenthrough) == 0,
		"while the shadow is being made nothing is written behind, and whose write fails is told");
	test(apart(distrustedplain) == 0,
		"and when a sync fails then, with the writes that were held");
	test(apart(distrustedbehind) == 0, "with -w too");
	test(apart(crowded) == 0,
		"while the image is brought to a stand only so many writes wait, be it for each other");
	test(apart(frozenbehind) == 0 && apart(frozenbehinddirect) == 0,
		"with -w a freeze comes under a load that never lets up, and writes pause but shortly");
	test(apart(frozenroomy) == 0, "in a pool that has room for all of it too");
}
