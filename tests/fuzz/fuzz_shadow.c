/*
 * A fuzzer's way in to the shadow: an input is a shadow file that the
 * start finds, and what is asked of the target then.
 *
 *	options[1], marks[1], size[2]	see below; size counts with Zsize
 *	records, each opening with a byte whose low three bits tell its kind:
 *	Zpiece	where[2], n[1], bytes[n]
 *		a part of the file, which is zero elsewhere but for its data;
 *		the last are those before the first record of another kind
 *	Zread, Zwrite, Ztrim	lba[2], n[1]
 *	Zflush, Zfreeze, Zunfreeze
 *	Zturn	the disk does something; the byte's upper bits say how
 *
 * 1. The file is refused with a sentence, and then the image is untouched; or
 *    it is served.  Which of the two, and what each sector holds, is worked
 *    out here from the format that freeze.c describes.
 * 2. What is served reads back as it should, whatever is frozen, merged and
 *    written meanwhile, and also after another start.
 * 3. All can be merged in the end: then the image has everything, and neither
 *    shadow nor mark are left.
 * 4. No byte outside the export or the shadow is touched, and none of a
 *    frozen image (memsys.c looks).
 */
#include <errno.h>
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

typedef struct Job Job;

enum {
	/* options */
	Zsum		= 0x01,		/* the headers' checksums are made right */
	Zlarge		= 0x02,		/* the export has more than a chunk of the map */
	Zreadonly	= 0x04,		/* -r */
	Zdirect		= 0x08,		/* -d */
	Znowindow	= 0x10,		/* neither file can be mapped */
	Zcold		= 0x20,		/* the page cache is empty */
	Zlimit		= 0x40,		/* -f with a limit, of 1 MiB */
	Zchecks		= 0x80,		/* the maps' checks are made right */

	/* marks: the image's, and */
	Zmark		= 0x03,
	Zother		= 0x04,		/* its path is another's */
	Znomark		= 0x08,		/* there are no marks */
	Zlocked		= 0x10,		/* the file is */
	Zsize		= 0x20,		/* its size is off by so many bytes, less 32768 */

	/* records */
	Zpiece		= 0,
	Zread		= 1,
	Zwrite		= 2,
	Ztrim		= 3,
	Zflush		= 4,
	Zfreeze		= 5,
	Zunfreeze	= 6,
	Zturn		= 7,

	First		= 5,		/* -o */
	Little		= 300,		/* -l */
	Large		= 4200,
	Behind		= 3,		/* sectors of the image behind the export */
	Njob		= 32,
	Maxsec		= 17,
	Header		= 512,
	Maxfile		= (Large + Large / 2048 * 8 + 64) * Sector,
	Patience	= 2000000,	/* rounds */
};

/* A request, and what is expected of it. */
struct Job {
	Io	io;		/* first, so that an Io of ours is a Job */
	int	ndone;
	Range	range;
	uchar	*data;		/* as long as the request, for AddressSanitizer */
	uchar	want[Maxsec * Sector];
};

static const uint8_t *in, *end;
static int options, marks;
static uint nsec;
static uvlong soft, hard, data, size;	/* of the shadow, as the export demands */
static uchar shadow[Maxfile];
static uchar model[Large * Sector];
static uchar unknown[Large];		/* a write was left unanswered */
static uchar image[(First + Large + Behind) * Sector];	/* at the start */
static Job jobs[Njob];
static uint njob;
static uint serial;
static char path[] = "shadow";

static void
check(int good, const char *what)
{
	if(good)
		return;
	fprintf(stderr, "fuzz_shadow: %s\n", what);
	abort();
}

/* What the daemon says goes nowhere. */
static void
silence(void)
{
	static int silent;

	if(!silent && freopen("/dev/null", "w", stdout) == NULL)
		abort();
	silent = 1;
}

static uint
byte(void)
{
	return in < end ? *in++ : 0;
}

static uint
word(void)
{
	uint v = byte() << 8;

	return v | byte();
}

static uvlong
get(const uchar *p, int n)
{
	uvlong v = 0;

	while(n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static void
put4(uchar *p, uint v)
{
	uint i;

	for(i = 0; i < 4; i++)
		p[i] = (uchar)(v >> 8 * i);
}

static void
putsum(uchar *h)
{
	put4(h + Header - 4, crc32(h, Header - 4));
}

/* What a sector holds that nobody has written, in the image or the shadow. */
static void
pattern(uchar *p, uint lba, uint seed)
{
	uint i, x = (lba + 1) * 2654435761U + seed;

	for(i = 0; i < Sector; i += 4, x = x * 1664525U + 1013904223U)
		memcpy(p + i, &x, 4);
}

static uvlong
place(uint lba)
{
	return data + (First % 8 + lba) * Sector;
}

/* Requests. */

static uchar*
room(Io *io)
{
	return ((Job*)io)->data;
}

static void
done(Io *io)
{
	Job *j = (Job*)io;
	uint i;

	check(j->ndone++ == 0, "a request is done twice");
	if(io->error == Unanswered && (io->op == Owrite || io->op == Otrim)){
		memset(unknown + io->lba, 1, io->nsec);
		return;
	}
	check(io->error == 0, "a request failed");
	for(i = 0; io->op == Oread && i < io->nsec; i++)
		check(unknown[io->lba + i] || memcmp(j->data + i * Sector, j->want + i * Sector,
			Sector) == 0, "a read answers with something else");
}

static void
freejobs(void)
{
	while(njob > 0){
		njob--;
		check(jobs[njob].ndone == 1, "a request is not done");
		free(jobs[njob].data);
	}
}

static void
round_(void)
{
	bufcommit();
	enginekick();
	while(enginereap())
		;
}

static void
settle(void)
{
	uint i;

	mem.late = 0;
	mem.shuffled = mem.torn = 0;
	for(i = 0; i < Patience; i++){
		bufcommit();
		enginekick();
		if(!bufbusy())
			break;
		while(enginereap())
			;
	}
	check(!bufbusy(), "requests don't end");
	freejobs();
}

static void
request(int op, uint lba, uint n)
{
	static uchar *space;
	Job *j;

	if(space == NULL && (space = aligned_alloc(4096, Njob * Spacesize)) == NULL)
		abort();
	if(njob == Njob)
		settle();
	j = &jobs[njob++];
	j->io = (Io){ .op = op, .lba = lba, .nsec = n, .room = room, .done = done,
		.space = space + (j - jobs) * Spacesize };
	j->ndone = 0;
	j->data = aligned_alloc(Sector, (size_t)n * Sector);
	if(j->data == NULL)
		abort();
	if(op == Owrite){
		memset(j->data, (int)++serial, (size_t)n * Sector);
		memcpy(model + lba * Sector, j->data, (size_t)n * Sector);
		j->io.data = j->data;
	}else if(op == Otrim){
		memset(model + lba * Sector, 0, (size_t)n * Sector);
		j->range = (Range){ lba, n };
		j->io.range = &j->range;
		j->io.nrange = 1;
	}
	memcpy(j->want, model + lba * Sector, (size_t)n * Sector);
	bufio(&j->io);
}

static void
transfer(int op)
{
	uint lba = word() % nsec, n = 1 + byte() % Maxsec;

	if(n > nsec - lba)
		n = nsec - lba;
	if(op == Oread || !(options & Zreadonly))
		request(op, lba, n);
}

/* The file. */

static void
pieces(void)
{
	uint where, n;

	memset(shadow, 0, data);
	while(in < end && (*in & 7) == Zpiece){
		in++;
		where = word();
		for(n = byte(); n > 0 && in < end; n--, where++)
			if(where < data)
				shadow[where] = *in++;
			else
				in++;
	}
	for(n = (uint)soft; options & Zchecks && n < data; n += 4)
		if(get(shadow + n, 4) != 0)
			put4(shadow + n, memunit((n - (n < hard ? soft : hard)) / 4,
				(uint)get(shadow + n, 2)));
	if(options & Zsum){
		putsum(shadow);
		putsum(shadow + 4096);
	}
	for(n = 0; n < nsec; n++)
		pattern(shadow + place(n), n, 77);
}

static int
isheader(const uchar *h)
{
	return memcmp(h, "AoEdeShd", 8) == 0 && get(h + 508, 4) == crc32(h, 508);
}

/*
 * Read the shadow as a stranger would, and put what the export holds
 * into model.  Returns 0 when it is to be refused.
 */
static int
understand(uvlong len)
{
	static char ident[256];
	uchar boot[16];
	const uchar *h = shadow, *other = shadow + 4096, *map;
	uint i, version;
	int has;

	diskident(ident, sizeof ident);
	bootid(boot);
	if(!isheader(h) || (isheader(other) && get(other + 16, 8) > get(h + 16, 8)))
		h = other;
	version = (uint)get(h + 8, 4);
	if(!isheader(h) || version < 1 || version > 2 || get(h + 12, 4) != 0x01020304
	|| memcmp(h + 88, ident, sizeof ident) != 0
	|| get(h + 24, 4) < 1 || get(h + 24, 4) > 3 || get(h + 32, 8) != First
		|| get(h + 40, 8) != nsec
	|| get(h + 48, 8) != soft || get(h + 56, 8) != hard || get(h + 64, 8) != data
		|| len != size)
		return 0;
	if(get(h + 24, 4) == 3)
		return 1;
	map = shadow + (memcmp(h + 72, boot, sizeof boot) == 0 ? soft : hard);
	for(i = 0; i < (nsec + 4095) / 4096 * 4096; i++){
		has = memhas(map, i, version);
		if(has < 0 || (has && i >= nsec))
			return 0;
		if(has)
			memcpy(model + i * Sector, shadow + place(i), Sector);
	}
	return 1;
}

/*
 * Put the file where the start finds it.  Its size is what memsys has room
 * for at most.
 */
static uvlong
makeshadow(uint off)
{
	struct iovec iov = { shadow, size };
	uvlong len = size;

	if(marks & Zsize){
		len = size + off > 0x8000 ? size + off - 0x8000 : 0;
		if(len > size + 4096)
			len = size + 4096;
	}
	if(len < iov.iov_len)
		iov.iov_len = len;
	check(shadowdir(path) == NULL && shadowmake(len) == 0, "memsys makes no shadow");
	if(len > 0)
		check(diskwrite(Shadow, &iov, 1, 0) == (len < size ? len : size),
			"memsys writes no shadow");
	check(shadowname() == 0, "memsys names no shadow");
	return len;
}

static void
setup(int o, int m)
{
	uint i;

	options = o;
	marks = m;
	nsec = options & Zlarge ? Large : Little;
	memdisk((First + nsec + Behind) * Sector);
	mem.quiet = 1;
	mem.clock += 1000000000000;
	mem.tick = 1000000;
	memseed((uvlong)(end - in));
	disk.direct = (options & Zdirect) != 0;
	mem.window = !(options & Znowindow);
	for(i = 0; i < First + nsec + Behind; i++)
		pattern(mem.image + i * Sector, i, 1);
	memcpy(image, mem.image, (First + nsec + Behind) * Sector);
	memcpy(model, mem.image + First * Sector, nsec * Sector);
	memset(unknown, 0, sizeof unknown);
	memremap();
	check(bufrequests(Njob) == 0 && bufinit(First, nsec) == 0, "the export was refused");
	soft = 8192;
	hard = soft + (nsec + 16383) / 16384 * 4096;	/* of either version */
	data = hard + hard - soft;
	size = (place(nsec) + 4095) / 4096 * 4096;
	check(size == freezesize() && size <= sizeof shadow, "the shadow's size was misjudged");
	mem.readonly = (options & Zreadonly) != 0;
	serial = 0;
}

static void
mark(void)
{
	int m = marks & Zmark;

	mem.nomark = 0;
	if(m == Marklive || m == Markgone){
		shadowdir(marks & Zother ? "other" : path);
		imagemark(m);
	}
	mem.nomark = (marks & Znomark) != 0;
	mem.locked = (marks & Zlocked) != 0;
}

/* Is the mark about another shadow? */
static int
elsewhere(void)
{
	int m = marks & Zmark;

	return !(marks & Znomark) && (m == Marklive || m == Markgone) && marks & Zother;
}

/* At the end. */

/*
 * Go on until there is nothing to be waited for.
 */
static void
wait(void)
{
	uint i;
	int s;

	settle();
	for(i = 0; i < Patience; i++){
		s = freezestate();
		if((s == Fnone || s == Ffrozen) && mem.underway == 0 && !bufbusy())
			return;
		round_();
	}
	check(0, "freezing or merging doesn't end");
}

/* A start without a death: nothing is under way. */
static void
again(int readonly)
{
	char *e;

	mem.readonly = readonly;
	e = bufshadow(path, 0, readonly);
	if(e != NULL)
		fprintf(stderr, "%s\n", e);
	check(e == NULL, "the shadow of a target that served it is refused");
	wait();
}

static void
readall(void)
{
	uint lba, n;

	for(lba = 0; lba < nsec; lba += n){
		n = nsec - lba < Maxsec ? nsec - lba : Maxsec;
		request(Oread, lba, n);
	}
	settle();
}

static void
finish(void)
{
	uvlong n;
	uint i;

	wait();
	readall();
	again(options & Zreadonly);
	readall();
	again(0);
	if(freezestate() == Ffrozen)
		check(buffreeze(0) == NULL, "it can't be unfrozen");
	wait();
	check(freezestate() == Fnone, "it is frozen for good");
	check(memshadow(&n) == NULL, "a shadow is left");
	check(mem.nomark || memmark() == Marknone, "a mark is left");
	readall();
	for(i = 0; i < nsec; i++)
		check(unknown[i] || memcmp(mem.image + (First + i) * Sector, model + i * Sector,
			Sector) == 0, "the image hasn't got everything");
}

/*
 * A start that was refused may leave a map behind, as the process ends then.
 * Here it goes on.
 */
static void
forgetmap(void)
{
	uvlong n;

	mem.nomark = mem.locked = mem.readonly = 0;
	shadowdir(path);
	imagemark(Marknone);
	if(memshadow(&n) != NULL){
		check(shadowopen(&n, 0) == 1, "memsys has lost the shadow");
		shadowremove(0);
	}
	again(0);
	check(buffreeze(1) == NULL, "it can't be frozen");
	wait();
	check(freezestate() == Ffrozen && buffreeze(0) == NULL, "it isn't frozen");
	wait();
}

static void
serve(void)
{
	uint kind;

	while(in < end){
		kind = byte();
		switch(kind & 7){
		case Zpiece:
			break;
		case Zread:
			transfer(Oread);
			break;
		case Zwrite:
			transfer(Owrite);
			break;
		case Ztrim:
			transfer(Otrim);
			break;
		case Zflush:
			request(Oflush, 0, 1);
			break;
		case Zfreeze:
			buffreeze(1);
			break;
		case Zunfreeze:
			buffreeze(0);
			break;
		case Zturn:
			mem.late = kind >> 5;
			mem.torn = kind >> 4 & 1;
			mem.shuffled = kind >> 3 & 1;
			round_();
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uvlong len;
	uint off;
	int good;
	char *e;

	silence();
	in = p;
	end = p + n;
	setup(n > 0 ? p[0] : 0, n > 1 ? p[1] : 0);
	in += n < 2 ? n : 2;
	off = word();
	pieces();
	len = makeshadow(off);
	good = understand(len) && !elsewhere() && !(marks & Zlocked);
	mark();
	if(options & Zcold)
		memevict(0, First + nsec + Behind);
	memwindow(First, nsec);
	e = bufshadow(path, options & Zlimit ? 1 : 0, options & Zreadonly);
	check((e == NULL) == good,
		good ? "it should have been served" : "it should have been refused");
	if(e == NULL){
		serve();
		finish();
	}else{
		check(e[0] != 0 && freezestate() == Fnone, "refused, and not at peace");
		check(memcmp(mem.image, image, (First + nsec + Behind) * Sector) == 0,
			"refused, and the image has changed");
		forgetmap();
	}
	return 0;
}

/* The seeds: what aoede leaves behind in each state. */

static uint8_t out[1 << 14];
static size_t nout;

static void
put(const void *p, size_t n)
{
	check(nout + n <= sizeof out, "a seed is too long");
	memcpy(out + nout, p, n);
	nout += n;
}

/* Have it as aoede left it that knew version 1 only. */
static void
age(uchar *p)
{
	static uchar map[4096];
	uvlong at;
	uint i;

	for(at = soft; at < data; at += hard - soft){
		memset(map, 0, sizeof map);
		for(i = 0; i < nsec; i++)
			map[i / 8] |= (uchar)(memhas(p + at, i, 2) << i % 8);
		memcpy(p + at, map, hard - soft);
	}
	for(at = 0; at < soft; at += soft / 2){
		p[at + 8] = 1;
		putsum(p + at);
	}
}

/* What isn't zero in the headers and maps of the shadow. */
static void
dump(uint version)
{
	static const uchar zeros[8];
	uvlong len, i, n;
	uchar *p = memshadow(&len), head[4];

	check(p != NULL && hard - soft == 4096, "a seed without a shadow");
	memcpy(shadow, p, data);
	p = shadow;
	if(version == 1)
		age(p);
	for(i = 0; i < data; i += n){
		n = 8;
		if(memcmp(p + i, zeros, 8) == 0)
			continue;
		while(n < 248 && i + n < data && memcmp(p + i + n, zeros, 8) != 0)
			n += 8;
		head[0] = Zpiece;
		head[1] = (uchar)(i >> 8);
		head[2] = (uchar)i;
		head[3] = (uchar)n;
		put(head, sizeof head);
		put(p + i, n);
	}
}

enum { Unsynced, Synced, Merging, Merged };

/*
 * Have a shadow in this state, with sectors here and there.
 */
static void
lead(int state)
{
	static const uint lba[] = { 0, 1, 17, 64, 127, 200, 283 };
	uint i;

	again(0);
	check(buffreeze(1) == NULL, "it can't be frozen");
	wait();
	for(i = 0; i < sizeof lba / sizeof lba[0]; i++)
		request(Owrite, lba[i], 1 + i);
	if(nsec == Large)
		request(Owrite, 4090, 12);
	settle();
	if(state != Unsynced)
		request(Oflush, 0, 1);
	settle();
	request(Owrite, 20, 3);
	settle();
	if(state < Merging)
		return;
	if(state == Merging)
		memhold(Mwrite, First, nsec);
	else
		memfaultof(Shadow, Mremove, 0, 1, EIO, 1);
	check(buffreeze(0) == NULL, "it can't be unfrozen");
	for(i = 0; i < 3000; i++)
		round_();
}

static void
seed(void (*give)(const char*, const uint8_t*, size_t), const char *name,
	int o, int m, int state, uint version)
{
	static const uint8_t after[] = {
		Zread, 0, 0, 16, Zwrite, 0, 60, 8, Ztrim, 0, 126, 3, Zread, 0, 120, 16, Zflush, Zturn | 0x30,
		Zunfreeze, Zturn, Zwrite, 0, 200, 4, Zturn | 0x58, Zread, 0, 190, 16, Zturn, Zfreeze, Zturn | 0xa0, Zwrite, 0, 1, 1, Zturn,
	};
	uint8_t head[4] = { (uint8_t)o, (uint8_t)m, 0x80, 0 };

	setup(o, m);
	memwindow(First, nsec);
	mem.readonly = 0;
	lead(state);
	nout = 0;
	put(head, sizeof head);
	dump(version);
	put(after, sizeof after);
	give(name, out, nout);
	memrelease();
	wait();
	if(freezestate() == Ffrozen)
		buffreeze(0);
	wait();
	again(0);
}

void
seeds(void (*give)(const char*, const uint8_t*, size_t))
{
	static const uint8_t none[] = { 0, 0, 0, 0, Zread, 0, 0, 1 };

	silence();
	seed(give, "frozen", 0, Marklive, Unsynced, 2);
	seed(give, "frozen-synced", 0, Marklive, Synced, 2);
	seed(give, "merging", 0, Marklive, Merging, 2);
	seed(give, "merged", 0, Marklive, Merged, 2);
	seed(give, "frozen-sum", Zsum | Zcold, Marknone, Synced, 2);
	seed(give, "merging-sum", Zsum | Zdirect, Markgone, Merging, 2);
	seed(give, "merged-sum", Zsum, Znomark, Merged, 2);
	seed(give, "large", Zsum | Zlarge, Marklive, Synced, 2);
	seed(give, "large-limit", Zsum | Zlarge | Zlimit | Znowindow | Zcold, Marklive, Merging, 2);
	seed(give, "readonly", Zsum | Zreadonly, Marklive, Synced, 2);
	seed(give, "elsewhere", Zsum, Marklive | Zother, Synced, 2);
	seed(give, "locked", Zsum, Marklive | Zlocked, Synced, 2);
	seed(give, "size", Zsum, Marklive | Zsize, Synced, 2);
	seed(give, "checks", Zsum | Zchecks, Marklive, Merging, 2);
	seed(give, "large-checks", Zsum | Zlarge | Zchecks, Marklive, Synced, 2);
	seed(give, "version-1", Zsum, Marklive, Synced, 1);
	seed(give, "version-1-merging", Zsum | Zlarge, Marklive, Merging, 1);
	give("nothing", none, sizeof none);
}
