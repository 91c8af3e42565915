/*
 * A fuzzer's way in to the state file (-S): an input is options in a byte,
 * an index into mtus, and the file.
 *
 * 1. It is refused with a sentence, and then nothing has been taken; or all
 *    of it is in force.  Which of the two is worked out here from the
 *    format that aoe.c describes.
 * 2. What is then saved is the same state, and taken again it is still that.
 * 3. Whatever lists and string there are, frames are answered within the MTU
 *    (memsys.c looks).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "../unit/memsys.h"
#include "replay.h"

typedef struct Want Want;

enum {
	/* options */
	Zsum		= 0x01,		/* a checksum that is right is put behind the file */
	Zmasked		= 0x02,		/* -m with one MAC */

	/* the file, as in aoe.c */
	Lists		= 18,
	Sum		= 8,

	Shelf		= 9,
	Slot		= 4,
	Maxfile		= 1 << 14,
	Maxsaved	= Lists + 2 * Maxmacs * 6 + Maxconf + Sum,
};

/* What the file should bring about. */
struct Want {
	Ea	mask[Maxmacs];
	int	nmask;
	Ea	res[Maxmacs];
	int	nres;
	const uchar *string;
	uint	len;
};

static const int mtus[] = { 1500, 9000, 576, 1560, 4200, 9216, 1499, 534 };
static Nic nic;

static void
check(int good, const char *what)
{
	if(good)
		return;
	fprintf(stderr, "fuzz_state: %s\n", what);
	abort();
}

static void
putsum(uchar *p, size_t n)
{
	uvlong h = 0xcbf29ce484222325;
	size_t i;

	for(i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	for(i = 0; i < Sum; i++)
		p[n + i] = (uchar)(h >> (56 - 8 * i));
}

static void
once(Ea *list, int *n, const uchar *a)
{
	int i;

	for(i = 0; i < *n; i++)
		if(memcmp(list[i].a, a, 6) == 0)
			return;
	memcpy(list[(*n)++].a, a, 6);
}

/*
 * Read the file as a stranger would.  Returns 0 when it is to be refused.
 */
static int
understand(const uchar *p, size_t n, Want *w)
{
	uchar sum[Maxfile + Sum];
	size_t nmask, nres, len, i;

	if(n < Lists + Sum || memcmp(p, "AoEstate\0\1\0\11\4", 13) != 0)
		return 0;
	nmask = p[13];
	nres = p[14];
	len = (size_t)(p[16] << 8 | p[17]);
	if(len > Maxconf || n != Lists + 6 * (nmask + nres) + len + Sum)
		return 0;
	memcpy(sum, p, n);
	putsum(sum, n - Sum);
	if(memcmp(sum, p, n) != 0)
		return 0;
	p += Lists;
	for(i = 0; i < nmask; i++, p += 6)
		if(w->nmask < Maxmacs)
			once(w->mask, &w->nmask, p);
	for(i = 0; i < nres; i++, p += 6)
		once(w->res, &w->nres, p);
	w->string = p;
	w->len = (uint)len;
	return 1;
}

/* Is that what was saved? */
static void
compare(Want *w)
{
	uchar *p = mem.state;

	check(mem.statelen == Lists + 6 * (size_t)(w->nmask + w->nres) + w->len + Sum,
		"what is saved has another length");
	check(memcmp(p, "AoEstate\0\1\0\11\4", 13) == 0 && p[13] == w->nmask && p[14] == w->nres,
		"what is saved is something else");
	check(memcmp(p + Lists, w->mask, 6 * (size_t)w->nmask) == 0, "another mask list is saved");
	p += Lists + 6 * w->nmask;
	check(memcmp(p, w->res, 6 * (size_t)w->nres) == 0, "another reservation is saved");
	check(memcmp(p + 6 * w->nres, w->string, w->len) == 0, "another config string is saved");
}

/* Each command that tells of the state, and what changes it. */
static void
ask(Want *w)
{
	static const uchar arg[][4] = { { 0, 0, 0, 0 }, { 0, 1, 0, 1 }, { 1, 1, 0, 0 },
		{ 2, 0, 0, 0 } };
	uchar f[1500] = { 0 };
	uint cmd, i, len;

	for(cmd = Cata; cmd <= Creserve; cmd++)
		for(i = 0; i < 4; i++){
			memcpy(f, nic.ea.a, 6);
			memcpy(f + Osrc, "\2\0\0\0\0\2", 6);
			if(w->nmask > 0)
				memcpy(f + Osrc, w->mask[i % (uint)w->nmask].a, 6);
			f[Otype] = Aoetype >> 8;
			f[Otype + 1] = Aoetype & 0xff;
			f[Overflag] = Aoever << 4;
			f[Omajor + 1] = Shelf;
			f[Ominor] = Slot;
			f[Ocmd] = (uchar)cmd;
			memcpy(f + Oarg, arg[i], 4);
			if(cmd == Cconfig)
				f[29] = (uchar)(Aoever << 4 | (i == 0 ? 0 : i + 1));
			memput(&nic, f, sizeof f);
			memturn(&nic);
			while(memget(&nic, &len) != NULL)
				check(len <= (uint)(Etherhdr + nic.mtu), "an answer is too long");
		}
}

static void
file(const uchar *p, size_t n)
{
	free(mem.state);
	mem.state = malloc(n + 1);
	if(mem.state == NULL)
		abort();
	memcpy(mem.state, p, n);
	mem.statelen = n;
}

static char*
restore(int options)
{
	Conf c = { .shelf = Shelf, .slot = Slot, .bufcnt = 16, .state = "state" };

	if(options & Zmasked)
		memcpy(c.mask[c.nmask++].a, "\2\0\0\0\0\1", 6);
	check(aoeinit(&c) == 0, "no memory");
	return aoerestore();
}

static void
taken(Want *w, int options)
{
	compare(w);
	check(restore(options) == NULL, "what was saved is refused");
	compare(w);
	ask(w);
}

/* The disk is of no matter, but there must be one. */
static void
setup(int mtu)
{
	static int ready;

	if(!ready){
		memdisk(64 * Sector);
		check(bufinit(0, 0) == 0, "no disk");
		ready = 1;
	}
	mem.clock += 1000000000000;
	mem.tick = 100000;
	mem.quiet = 1;
	memnic(&nic, "t0", 1, mtu);
	atainit("9.4:fuzz", 0, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uchar in[Maxfile + Sum];
	static Want w;
	int options, good;
	char *e;

	if(n < 2 || n - 2 > Maxfile)
		return 0;
	options = p[0];
	setup(mtus[p[1] % 8]);
	n -= 2;
	memcpy(in, p + 2, n);
	if(options & Zsum){
		putsum(in, n);
		n += Sum;
	}
	memset(&w, 0, sizeof w);
	if(options & Zmasked)
		once(w.mask, &w.nmask, (const uchar*)"\2\0\0\0\0\1");
	good = n <= Maxsaved && understand(in, n, &w);
	if(good && options & Zmasked){
		w.nmask = 0;
		once(w.mask, &w.nmask, (const uchar*)"\2\0\0\0\0\1");
	}
	file(in, n);
	e = restore(options);
	check((e == NULL) == good,
		good ? "it should have been taken" : "it should have been refused");
	if(e == NULL)
		taken(&w, options);
	else{
		check(e[0] != 0 && strchr(e, '\n') == NULL, "refused without a sentence");
		check(mem.statelen == n && memcmp(mem.state, in, n) == 0,
			"a file that is refused was changed");
	}
	free(mem.state);
	mem.state = NULL;
	return 0;
}

/*
 * A file of so many MACs and so long a string, with a checksum or one to be
 * made.
 */
static void
seed(void (*give)(const char*, const uint8_t*, size_t), const char *name, int options, uint nmask,
	uint nres, uint len)
{
	static uchar in[2 + Maxsaved];
	uchar *p = in + 2;
	size_t n = Lists, i;

	memset(in, 0, sizeof in);
	in[0] = (uchar)options;
	memcpy(p, "AoEstate\0\1\0\11\4", 13);
	p[13] = (uchar)nmask;
	p[14] = (uchar)nres;
	p[16] = (uchar)(len >> 8);
	p[17] = (uchar)len;
	for(i = 0; i < nmask + nres; i++, n += 6){
		p[n] = 2;
		p[n + 4] = options & Zmasked ? 1 : 0;	/* none that -m has */
		p[n + 5] = (uchar)(i + 1);
	}
	for(i = 0; i < len; i++)
		p[n++] = (uchar)('a' + i % 26);
	if(!(options & Zsum)){
		putsum(p, n);
		n += Sum;
	}
	give(name, in, 2 + n);
}

void
seeds(void (*give)(const char*, const uint8_t*, size_t))
{
	seed(give, "empty", 0, 0, 0, 0);
	seed(give, "some", 0, 2, 1, 5);
	seed(give, "some-sum", Zsum, 2, 1, 5);
	seed(give, "masked", Zsum | Zmasked, 3, 0, 1);
	seed(give, "reserved", Zsum, 0, 4, 0);
	seed(give, "string", Zsum, 0, 0, 1024);
	seed(give, "string-long", Zsum, 0, 0, 1025);
	seed(give, "full", Zsum, 255, 255, 1024);
	seed(give, "full-masked", Zsum | Zmasked, 255, 255, 1024);
	give("nothing", (const uint8_t*)"\0\0", 2);
}
