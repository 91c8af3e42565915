/*
 * aoeio: an AoE initiator as a command, for test scripts and for a first
 * look at a target.  It finds the target by a broadcast config query and
 * then talks to it by its own MAC; config queries stay broadcast, since a
 * target may be asked without having been found.
 *
 * Exit status: 0 answered with success, 1 answered with an error (or data
 * that differ), 2 not answered, 3 used wrongly.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "initiator.h"

enum {
	Xerror	= 1,
	Xsilent	= 2,
	Xusage	= 3,

	Chunk	= 16384,	/* sectors read or written between two looks at the standard files */
	Modelsize = 131072,	/* sectors that verify works on: 64 MiB */
	Maxrandom = 64,		/* most sectors of one of its requests */
	Maxprobe = 100000,	/* reads of the probe */
	Maxwriters = 8,		/* of the clash */
	Demosize = 131072,
	Demorandom = 20000,	/* random requests of the demo, each way */
};

typedef struct Cmd Cmd;

struct Cmd {
	const char *name;
	int (*fn)(int, char**);
	int min;		/* arguments */
	int max;
	const char *usage;
};

static Net net;
static Target target = { .shelf = 9 };
static int timeout = 3000;
static int maxsectors = 255;	/* of a request */
static int maxwindow = Maxwin;	/* requests outstanding */

static uint64_t
number(const char *s, uint64_t max)
{
	unsigned long long v;
	char *e;

	errno = 0;
	v = strtoull(s, &e, 0);
	if(errno != 0 || e == s || *e != '\0' || *s == '-' || v > max)
		errx(Xusage, "%s: expected a number up to %" PRIu64, s, max);
	return v;
}

static void
find(void)
{
	if(!findtarget(&net, &target, timeout))
		errx(Xsilent, "e%d.%d does not answer", target.shelf, target.slot);
	if(target.scnt > maxsectors)
		target.scnt = maxsectors;
	if(target.bufcnt > maxwindow)
		target.bufcnt = maxwindow;
}

/* It ends wherever it has its answer, and frees nothing. */
const char	*__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void *
alloc(uint64_t n)
{
	void *p;

	p = calloc(1, n);
	if(p == NULL)
		err(Xusage, "memory");
	return p;
}

/* Print the answer's error, if there is one, and return the exit status. */
static int
verdict(const Frame *f)
{
	if(f->b[Over] & Ferror){
		fprintf(stderr, "aoe error %d\n", f->b[Oerr]);
		return Xerror;
	}
	if(f->b[Ocmd] == Cata && f->b[Oatacmd] & Sbad){
		fprintf(stderr, "ata status 0x%02x error 0x%02x\n", f->b[Oatacmd], f->b[Ofeature]);
		return Xerror;
	}
	return 0;
}

static int
windowerror(const Win *w)
{
	if(w->err[0] == '\0'){
		warnx("no answer");
		return Xsilent;
	}
	fprintf(stderr, "%s\n", w->err);
	return Xerror;
}

static void
out(const void *p, size_t n)
{
	if(fwrite(p, 1, n, stdout) != n || fflush(stdout) != 0)
		err(Xerror, "standard output");
}

static void
printstring(const uint8_t *s, size_t n)
{
	size_t i;

	putchar('"');
	for(i = 0; i < n; i++)
		if(s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\')
			printf("\\x%02x", s[i]);
		else
			putchar(s[i]);
	putchar('"');
}

/* The length of the config string, as far as it was received. */
static size_t
slen(const Frame *f)
{
	size_t n;

	n = get16(f->b + Oslen);
	return n < f->n - Ostring ? n : f->n - Ostring;
}

static void
printconfig(const Frame *f)
{
	printf("e%u.%d %s bufcnt %u sectors %d version %d ", get16(f->b + Oshelf), f->b[Oslot],
		macstr(f->b + Osrc),
		get16(f->b + Obufcnt), f->b[Oscnt], f->b[Occmd] >> 4);
	printstring(f->b + Ostring, slen(f));
	putchar('\n');
}

/* Print the responses of the next ms milliseconds, or those to one tag. */
static int
printall(int ms, const uint32_t *tag)
{
	int64_t end, left;
	Frame f;
	int n;

	n = 0;
	for(end = nowms() + ms; (left = end - nowms()) > 0; ){
		if(!netrecv(&net, &f, (int)left) || f.n < Oarg || !(f.b[Over] & Fresp))
			continue;
		if(tag != NULL && get32(f.b + Otag) != *tag)
			continue;
		n++;
		if(f.b[Ocmd] == Cconfig && f.n >= Ostring)
			printconfig(&f);
		else
			printf("e%u.%d %s command %d\n", get16(f.b + Oshelf), f.b[Oslot],
				macstr(f.b + Osrc), f.b[Ocmd]);
		fflush(stdout);
	}
	return n > 0 ? 0 : Xsilent;
}

static int
discover(int argc, char **argv)
{
	Target all;
	Frame q;

	(void)argc, (void)argv;
	memset(&all, 0, sizeof all);
	all.shelf = Allshelves;
	all.slot = Allslots;
	memcpy(all.mac, broadcast, 6);
	mkconfig(&q, &net, &all, Qread, NULL, 0, net.tag);
	netsend(&net, &q);
	return printall(500, &net.tag);
}

static int
listenfor(int argc, char **argv)
{
	net.adverts = argc == 1;
	if(argc == 2 && strcmp(argv[1], "answers") != 0)
		return Xusage;
	return printall((int)number(argv[0], 3600) * 1000, NULL);
}

static int
readsectors(int argc, char **argv)
{
	uint64_t lba, n, k;
	uint8_t *p;
	Win w;

	(void)argc;
	lba = number(argv[0], UINT64_MAX);
	n = number(argv[1], UINT64_MAX);
	find();
	wininit(&w, &net, &target, timeout);
	p = alloc(Chunk * Secsize);
	for(; n > 0; n -= k, lba += k){
		k = n < Chunk ? n : Chunk;
		if(transfer(&w, 0, lba, p, k) == -1)
			return windowerror(&w);
		out(p, k * Secsize);
	}
	free(p);
	return 0;
}

static int
writesectors(int argc, char **argv)
{
	uint64_t lba, k;
	uint8_t *p;
	size_t n;
	Win w;

	(void)argc;
	lba = number(argv[0], UINT64_MAX);
	find();
	wininit(&w, &net, &target, timeout);
	p = alloc(Chunk * Secsize);
	while((n = fread(p, 1, Chunk * Secsize, stdin)) > 0){
		k = (n + Secsize - 1) / Secsize;
		memset(p + n, 0, k * Secsize - n);
		if(transfer(&w, 1, lba, p, k) == -1)
			return windowerror(&w);
		lba += k;
	}
	free(p);
	return 0;
}

/* Do a command that returns n bytes of data, or fail. */
static int
simple(Ata *a, Frame *f, size_t n)
{
	int status;

	find();
	if(!atacmd(&net, &target, a, f, timeout)){
		warnx("no answer");
		return Xsilent;
	}
	status = verdict(f);
	if(status == 0 && f->n < Odata + n){
		warnx("%zu bytes of data, expected %zu", f->n - Odata, n);
		status = Xerror;
	}
	return status;
}

static int
identify(int argc, char **argv)
{
	Ata a = { .cmd = 0xEC, .count = 1 };
	Frame f;
	int status;

	(void)argc, (void)argv;
	status = simple(&a, &f, Secsize);
	if(status == 0)
		out(f.b + Odata, Secsize);
	return status;
}

/* The capacity from IDENTIFY, words 100 to 103. */
static int
getsize(uint64_t *size)
{
	Ata a = { .cmd = 0xEC, .count = 1 };
	Frame f;
	int i, status;

	status = simple(&a, &f, Secsize);
	*size = 0;
	if(status == 0)
		for(i = 7; i >= 0; i--)
			*size = *size << 8 | f.b[Odata + 200 + i];
	return status;
}

static int
size(int argc, char **argv)
{
	uint64_t n;
	int status;

	(void)argc, (void)argv;
	status = getsize(&n);
	if(status == 0)
		printf("%" PRIu64 "\n", n);
	return status;
}

static int
flush(int argc, char **argv)
{
	Ata a = { .cmd = 0xEA, .aflags = Aext };
	Frame f;

	(void)argc, (void)argv;
	return simple(&a, &f, 0);
}

/* An entry of DATA SET MANAGEMENT holds 16 bits of length. */
static int
trim(int argc, char **argv)
{
	uint8_t list[Secsize];
	uint64_t lba, n, k;
	Ata a;
	Frame f;
	int i, status;

	(void)argc;
	lba = number(argv[0], UINT64_MAX);
	n = number(argv[1], UINT64_MAX);
	do{
		memset(list, 0, sizeof list);
		for(i = 0; i < Secsize && n > 0; i += 8, lba += k, n -= k){
			k = n < 0xFFFF ? n : 0xFFFF;
			putlba(list + i, lba);
			list[i + 6] = (uint8_t)k;
			list[i + 7] = (uint8_t)(k >> 8);
		}
		memset(&a, 0, sizeof a);
		a.cmd = 0x06;
		a.feature = 0x01;
		a.count = 1;
		a.aflags = Aext | Awrite;
		a.data = list;
		a.ndata = sizeof list;
		status = simple(&a, &f, 0);
	}while(status == 0 && n > 0);
	return status;
}

static int
extended(unsigned cmd)
{
	static const uint8_t ext[] = { 0x06, 0x24, 0x25, 0x27, 0x34, 0x35, 0x3D, 0x42, 0xEA };

	return memchr(ext, (int)cmd, sizeof ext) != NULL;
}

static int
ata(int argc, char **argv)
{
	static uint8_t data[Ethermax - Odata];
	Ata a;
	Frame f;
	FILE *file;
	int status;

	memset(&a, 0, sizeof a);
	a.cmd = (uint8_t)number(argv[0], 255);
	a.feature = (uint8_t)number(argv[1], 255);
	a.count = (uint8_t)number(argv[2], 255);
	a.lba = number(argv[3], ((uint64_t)1 << 48) - 1);
	a.aflags = extended(a.cmd) ? Aext : 0;
	if(argc == 5){
		file = fopen(argv[4], "r");
		if(file == NULL)
			err(Xusage, "%s", argv[4]);
		a.ndata = fread(data, 1, sizeof data, file);
		a.data = data;
		a.aflags |= Awrite;
		fclose(file);
	}
	status = simple(&a, &f, 0);
	if(status != Xsilent)
		printf("status 0x%02x error 0x%02x count %d lba %" PRIu64 " datalen %zu\n", a.cmd,
			a.feature, a.count, a.lba,
			f.n > Ethermin ? f.n - Odata : 0);
	return status;
}

static int
config(int argc, char **argv)
{
	static const char *name[] = { "read", "test", "prefix", "set", "force" };
	const char *s;
	Frame q, f;
	int i, status;

	for(i = 0; i < 5 && strcmp(argv[0], name[i]) != 0; i++)
		;
	if(i == 5 || argc != (i == 0 ? 1 : 2))
		return Xusage;
	s = i == 0 ? "" : argv[1];
	memcpy(target.mac, broadcast, 6);
	mkconfig(&q, &net, &target, i, s, strlen(s), net.tag++);
	if(!netask(&net, &q, &f, timeout) || f.n < Ostring){
		warnx("no answer");
		return Xsilent;
	}
	status = verdict(&f);
	if(status == 0){
		out(f.b + Ostring, slen(&f));
		out("\n", 1);
	}
	return status;
}

static void
needmac(const char *s, uint8_t *mac)
{
	if(parsemac(s, mac) == -1)
		errx(Xusage, "%s: expected a MAC", s);
}

static int
mask(int argc, char **argv)
{
	uint8_t mac[6];
	Frame q, f;
	int i, dir, status;

	dir = strcmp(argv[0], "add") == 0 ? Madd : strcmp(argv[0], "del") == 0 ? Mdel : Mnone;
	if(dir == Mnone ? strcmp(argv[0], "read") != 0 || argc != 1 : argc < 2)
		return Xusage;
	find();
	mkmask(&q, &net, &target, dir == Mnone ? Mread : Medit, net.tag++);
	for(i = 1; i < argc; i++){
		needmac(argv[i], mac);
		adddirective(&q, dir, mac);
	}
	if(!netask(&net, &q, &f, timeout) || f.n < Omdir){
		warnx("no answer");
		return Xsilent;
	}
	status = verdict(&f);
	if(status == 0 && f.b[Omerr] != 0){
		fprintf(stderr, "mask error %d at directive %d\n", f.b[Omerr], f.b[Omcount]);
		status = Xerror;
	}
	for(i = 0; status == 0 && i < f.b[Omcount] && (size_t)(Omdir + i * 8 + 8) <= f.n; i++)
		puts(macstr(f.b + Omdir + i * 8 + 2));
	return status;
}

static int
reserve(int argc, char **argv)
{
	static uint8_t mac[255][6];
	Frame q, f;
	int i, cmd, status;

	cmd = strcmp(argv[0], "set") == 0 ? Rset : strcmp(argv[0], "force") == 0 ? Rforce : Rread;
	if(cmd == Rread && (strcmp(argv[0], "read") != 0 || argc != 1))
		return Xusage;
	for(i = 1; i < argc; i++)
		needmac(argv[i], mac[i - 1]);
	find();
	mkreserve(&q, &net, &target, cmd, mac, argc - 1, net.tag++);
	if(!netask(&net, &q, &f, timeout) || f.n < Ormac){
		warnx("no answer");
		return Xsilent;
	}
	status = verdict(&f);
	for(i = 0; i < f.b[Orcount] && (size_t)(Ormac + i * 6 + 6) <= f.n; i++)
		puts(macstr(f.b + Ormac + i * 6));
	return status;
}

/*
 * Random requests.
 */

static uint64_t seed = 1;

static uint64_t
rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed * 0x2545F4914F6CDD1D >> 11) % n;
}

static void
fill(uint8_t *p, size_t n)
{
	uint64_t v;
	size_t i;

	for(i = 0; i < n; i += 8){
		v = rnd(UINT64_MAX);
		memcpy(p + i, &v, 8);
	}
}

/*
 * The model of verify: what a region of the disk must hold.  Two
 * requests under way never overlap when one of them is a write, since a
 * retransmission would make their order a matter of chance.
 */
typedef struct Model Model;
struct Model {
	uint8_t *disk;
	uint64_t first;		/* the region's first sector; LBAs in the window count from the disk's */
	uint64_t n;
	uint8_t *buf;		/* Maxrandom sectors for each request of the window */
	long nread;
	long nwrite;
	uint64_t sectors;
	Win w;
};

static int
overlaps(const Win *w, const Req *q)
{
	const Req *r;

	for(r = w->r; r < w->r + w->size; r++)
		if(r->busy && (r->write || q->write)
		&& r->lba < q->lba + (uint64_t)q->n && q->lba < r->lba + (uint64_t)r->n)
			return 1;
	return 0;
}

static void
start(Model *m, Req *r)
{
	uint64_t most;

	most = m->w.t->scnt < Maxrandom ? (uint64_t)m->w.t->scnt : Maxrandom;
	if(most > m->n)
		most = m->n;
	do{
		r->n = (int)rnd(most) + 1;
		r->lba = m->first + rnd(m->n - (uint64_t)r->n + 1);
		r->write = (int)rnd(2);
	}while(overlaps(&m->w, r));
	r->buf = m->buf + (r - m->w.r) * Maxrandom * Secsize;
	if(r->write)
		fill(r->buf, (size_t)r->n * Secsize);
	winsend(&m->w, r);
}

/* The first sector of n that differs, or -1. */
static int64_t
differs(const uint8_t *a, const uint8_t *b, uint64_t n)
{
	uint64_t i;

	for(i = 0; i < n; i++)
		if(memcmp(a + i * Secsize, b + i * Secsize, Secsize) != 0)
			return (int64_t)i;
	return -1;
}

/* Enter a write into the model, compare a read with it. */
static int
check(Model *m, const Req *r)
{
	int64_t bad;

	m->sectors += (uint64_t)r->n;
	if(r->write){
		m->nwrite++;
		memcpy(m->disk + (r->lba - m->first) * Secsize, r->buf, (size_t)r->n * Secsize);
		return 0;
	}
	m->nread++;
	bad = differs(m->disk + (r->lba - m->first) * Secsize, r->buf, (uint64_t)r->n);
	if(bad == -1)
		return 0;
	fprintf(stderr, "mismatch at LBA %" PRIu64 "\n", r->lba + (uint64_t)bad);
	return Xerror;
}

static int
work(Model *m, int64_t end)
{
	int status;
	Req *r;

	while(nowms() < end || m->w.busy > 0){
		while(nowms() < end && (r = winslot(&m->w)) != NULL)
			start(m, r);
		if(m->w.busy == 0)
			continue;
		r = winwait(&m->w);
		if(r == NULL)
			return windowerror(&m->w);
		if((status = check(m, r)) != 0)
			return status;
	}
	return 0;
}

/* Compare the whole area with the model once more. */
static int
checkall(Model *m)
{
	int64_t bad;
	uint8_t *p;

	p = alloc(m->n * Secsize);
	if(transfer(&m->w, 0, m->first, p, m->n) == -1)
		return windowerror(&m->w);
	bad = differs(m->disk, p, m->n);
	free(p);
	if(bad == -1)
		return 0;
	fprintf(stderr, "mismatch at LBA %" PRIu64 "\n", m->first + (uint64_t)bad);
	return Xerror;
}

/*
 * What an earlier verify has left is what the region must hold at first; the
 * disk is believed when there was none.
 */
static int
loadmodel(Model *m, const char *name)
{
	FILE *f;
	size_t n;

	f = name != NULL ? fopen(name, "r") : NULL;
	if(f == NULL)
		return transfer(&m->w, 0, m->first, m->disk, m->n) == -1 ? windowerror(&m->w) : 0;
	n = fread(m->disk, Secsize, m->n, f);
	fclose(f);
	if(n != m->n)
		errx(Xusage, "%s: expected %" PRIu64 " sectors", name, m->n);
	return checkall(m);
}

static void
savemodel(const Model *m, const char *name)
{
	FILE *f;

	f = fopen(name, "w");
	if(f == NULL || fwrite(m->disk, Secsize, m->n, f) != m->n || fclose(f) != 0)
		err(Xusage, "%s", name);
}

/* The time without an answer after which a load gives up. */
static int
patience(void)
{
	return timeout > 30000 ? timeout : 30000;
}

static int
verify(int argc, char **argv)
{
	static Model m;
	int64_t ms, begin;
	int status;

	ms = (int64_t)number(argv[0], 86400) * 1000;
	if(argc >= 2)
		seed = number(argv[1], UINT64_MAX) * 2 + 1;
	if(argc == 3)
		return Xusage;
	if((status = getsize(&m.n)) != 0)
		return status;
	if(argc >= 4){
		m.first = number(argv[2], m.n - 1);
		m.n = number(argv[3], m.n - m.first);
	}else if(m.n > Modelsize)
		m.n = Modelsize;
	wininit(&m.w, &net, &target, patience());
	/* A small disk has no room for many requests that don't overlap. */
	while(m.w.size > 1 && (uint64_t)m.w.size * Maxrandom * 4 > m.n)
		m.w.size /= 2;
	m.disk = alloc(m.n * Secsize);
	m.buf = alloc((uint64_t)m.w.size * Maxrandom * Secsize);
	if((status = loadmodel(&m, argc == 5 ? argv[4] : NULL)) != 0)
		return status;
	begin = nowms();
	status = work(&m, begin + ms);
	ms = nowms() - begin;
	if(status == 0)
		status = checkall(&m);
	if(status == 0 && argc == 5)
		savemodel(&m, argv[4]);
	printf("%ld writes, %ld reads, %ld retransmits, %.1f MB/s\n", m.nwrite, m.nread, m.w.resent,
		(double)(m.sectors * Secsize) / 1e3 / (double)(ms > 0 ? ms : 1));
	return status;
}

/*
 * The clash: several writers, each a process with a number of its own, share
 * a region.  Every sector written says by whom, when and where, and the rest
 * of it follows from that.  So a sector read must be whole and in its place,
 * and what a writer has written there must never be older than what of it
 * has been seen there before, or than its own last write.  Of a process's own
 * requests no two overlap, as answers may come in any order.
 */
typedef struct Clash Clash;
struct Clash {
	int me;
	uint64_t first;
	uint64_t n;
	uint64_t seq;		/* of the next write; grows from process to process */
	uint64_t *seen[Maxwriters];	/* the latest of each, by sector */
	uint8_t *buf;
	long nread;
	long nwrite;
	Win w;
};

/* stamp[8], writer[8], LBA[8], sequence number[8], and what follows from them. */
static void
mkstamp(uint8_t *p, uint64_t who, uint64_t lba, uint64_t seq)
{
	uint64_t v[Secsize / 8];
	size_t i;

	v[0] = 0x6873616C63454F41;
	v[1] = who;
	v[2] = lba;
	v[3] = seq;
	for(i = 4; i < Secsize / 8; i++)
		v[i] = (v[i-1] ^ v[i-3] ^ i) * 0x9E3779B97F4A7C15;
	memcpy(p, v, Secsize);
}

static int
checkstamp(Clash *c, const uint8_t *p, uint64_t lba)
{
	static const uint8_t zero[Secsize];
	uint8_t want[Secsize];
	uint64_t v[4], at;
	int i;

	at = lba - c->first;
	memcpy(v, p, sizeof v);
	if(memcmp(p, zero, Secsize) == 0){
		for(i = 0; i < Maxwriters && c->seen[i][at] == 0; i++)
			;
		if(i == Maxwriters)
			return 0;
		fprintf(stderr, "LBA %" PRIu64 ": zeros, after writer %d had written %" PRIu64 "\n",
			lba, i, c->seen[i][at]);
		return Xerror;
	}
	mkstamp(want, v[1], lba, v[3]);
	if(v[1] >= Maxwriters || memcmp(p, want, Secsize) != 0){
		fprintf(stderr,
			"LBA %" PRIu64 ": torn or misplaced: writer %" PRIu64 " lba %" PRIu64 " number %" PRIu64 "\n", lba, v[1], v[2], v[3]);
		return Xerror;
	}
	if(v[3] < c->seen[v[1]][at]){
		fprintf(stderr,
			"LBA %" PRIu64 ": old data: writer %" PRIu64 " number %" PRIu64 ", after %" PRIu64 "\n", lba, v[1], v[3], c->seen[v[1]][at]);
		return Xerror;
	}
	c->seen[v[1]][at] = v[3];
	return 0;
}

static int
busyat(const Win *w, const Req *q)
{
	const Req *r;

	for(r = w->r; r < w->r + w->size; r++)
		if(r->busy && r->lba < q->lba + (uint64_t)q->n && q->lba < r->lba + (uint64_t)r->n)
			return 1;
	return 0;
}

static void
startclash(Clash *c, Req *r)
{
	uint64_t most, i;

	most = c->w.t->scnt < Maxrandom ? (uint64_t)c->w.t->scnt : Maxrandom;
	do{
		r->n = (int)rnd(most) + 1;
		r->lba = c->first + rnd(c->n - (uint64_t)r->n + 1);
		r->write = (int)rnd(2);
	}while(busyat(&c->w, r));
	r->buf = c->buf + (r - c->w.r) * Maxrandom * Secsize;
	/* All sectors of a write have its number, which outlives the wait in seq. */
	if(r->write)
		for(c->seq++, i = 0; i < (uint64_t)r->n; i++)
			mkstamp(r->buf + i * Secsize, (uint64_t)c->me, r->lba + i, c->seq);
	winsend(&c->w, r);
}

static int
endclash(Clash *c, const Req *r)
{
	uint64_t i;
	int status;

	if(r->write)
		c->nwrite++;
	else
		c->nread++;
	/* A write leaves in seen what it has written. */
	for(status = 0, i = 0; status == 0 && i < (uint64_t)r->n; i++)
		status = checkstamp(c, r->buf + i * Secsize, r->lba + i);
	return status;
}

static int
clashes(Clash *c, int64_t end)
{
	int status;
	Req *r;

	while(nowms() < end || c->w.busy > 0){
		while(nowms() < end && (r = winslot(&c->w)) != NULL)
			startclash(c, r);
		if(c->w.busy == 0)
			continue;
		if((r = winwait(&c->w)) == NULL)
			return windowerror(&c->w);
		if((status = endclash(c, r)) != 0)
			return status;
	}
	return 0;
}

static int
checkclash(Clash *c, uint8_t *p)
{
	uint64_t i;
	int status;

	if(transfer(&c->w, 0, c->first, p, c->n) == -1)
		return windowerror(&c->w);
	for(status = 0, i = 0; status == 0 && i < c->n; i++)
		status = checkstamp(c, p + i * Secsize, c->first + i);
	return status;
}

static int
clash(int argc, char **argv)
{
	static Clash c;
	int64_t ms;
	uint64_t size;
	uint8_t *p;
	int i, status;

	ms = (int64_t)number(argv[0], 86400) * 1000;
	c.me = (int)number(argv[1], Maxwriters - 1);
	if((status = getsize(&size)) != 0)
		return status;
	c.first = number(argv[2], size - 1);
	c.n = number(argv[3], size - c.first);
	c.seq = (uint64_t)time(NULL) << 24;
	seed = (argc == 5 ? number(argv[4],
		UINT64_MAX) : c.seq) * 2 * Maxwriters + (uint64_t)c.me * 2 + 1;
	wininit(&c.w, &net, &target, patience());
	while(c.w.size > 1 && (uint64_t)c.w.size * Maxrandom * 4 > c.n)
		c.w.size /= 2;
	c.buf = alloc((uint64_t)c.w.size * Maxrandom * Secsize);
	p = alloc(c.n * Secsize);
	for(i = 0; i < Maxwriters; i++)
		c.seen[i] = alloc(c.n * sizeof *c.seen[i]);
	if((status = checkclash(&c, p)) == 0 && (status = clashes(&c, nowms() + ms)) == 0)
		status = checkclash(&c, p);
	printf("%ld writes, %ld reads, %ld retransmits\n", c.nwrite, c.nread, c.w.resent);
	return status;
}

/*
 * What a target must hold through power failures: a load of stamped writes,
 * of which a file remembers, sector by sector, the number that must be there
 * at least and the last that was sent.  Without flushes a write must be there
 * when it has been answered, else when a flush that was sent after that has
 * been.  The load ends when its time is over, with an error of the disk, or by
 * a SIGTERM, as when the target's power has failed: nothing is sent any more, and
 * no answer is waited for for long.  The next one first compares the whole
 * region with the file; what is found is on the disk, and must stay.
 */
typedef struct Hold Hold;
struct Hold {
	uint64_t first;
	uint64_t n;
	uint64_t seq;
	uint64_t *sure;		/* by sector */
	uint64_t *done;		/* the number that was answered last */
	uint64_t *last;		/* that was sent last */
	uint64_t *then;		/* done, when the flush that is under way was sent */
	int64_t flushms;	/* between two flushes; 0: none */
	int64_t flushdue;
	int flushing;
	uint8_t *buf;
	long nwrite;
	long nflush;
	int64_t pause;		/* the longest between two answers */
	Win w;
};

static Hold h;

/* What the sector at lba holds, a stamp or zeros, is one of what it may hold. */
static int
held(const uint8_t *p, uint64_t lba, uint64_t least, uint64_t *seq)
{
	static const uint8_t zero[Secsize];
	uint8_t want[Secsize];

	memcpy(seq, p + 24, sizeof *seq);
	if(memcmp(p, zero, Secsize) == 0)
		*seq = 0;
	else{
		mkstamp(want, 0, lba, *seq);
		if(memcmp(p, want, Secsize) != 0){
			fprintf(stderr, "LBA %" PRIu64 ": torn or misplaced\n", lba);
			return Xerror;
		}
	}
	if(*seq >= least && *seq <= h.last[lba - h.first])
		return 0;
	fprintf(stderr, "LBA %" PRIu64 ": write %" PRIu64 ", expected %" PRIu64 " to %" PRIu64 "\n",
		lba, *seq,
		least, h.last[lba - h.first]);
	return Xerror;
}

static void
starthold(Req *r)
{
	uint64_t most, i;

	if(h.flushms > 0 && !h.flushing && nowms() >= h.flushdue){
		h.flushing = 1;
		memcpy(h.then, h.done, h.n * sizeof *h.then);
		r->write = Flush;
		r->lba = h.first;
		r->n = 0;
		winsend(&h.w, r);
		return;
	}
	most = h.w.t->scnt < Maxrandom ? (uint64_t)h.w.t->scnt : Maxrandom;
	do{
		r->n = (int)rnd(most) + 1;
		r->lba = h.first + rnd(h.n - (uint64_t)r->n + 1);
		r->write = rnd(4) != 0;
	}while(busyat(&h.w, r));
	r->buf = h.buf + (r - h.w.r) * Maxrandom * Secsize;
	if(r->write)
		for(h.seq++, i = 0; i < (uint64_t)r->n; i++){
			mkstamp(r->buf + i * Secsize, 0, r->lba + i, h.seq);
			h.last[r->lba - h.first + i] = h.seq;
		}
	winsend(&h.w, r);
}

static int
endhold(const Req *r)
{
	uint64_t i, at, seq;
	int status;

	if(r->write == Flush){
		h.flushing = 0;
		h.flushdue = nowms() + h.flushms;
		h.nflush++;
		memcpy(h.sure, h.then, h.n * sizeof *h.sure);
		return 0;
	}
	h.nwrite += r->write;
	for(status = 0, i = 0; status == 0 && i < (uint64_t)r->n; i++){
		at = r->lba - h.first + i;
		if(r->write)
			h.done[at] = h.last[at];
		else
			status = held(r->buf + i * Secsize, r->lba + i, h.done[at], &seq);
		if(r->write && h.flushms == 0)
			h.sure[at] = h.done[at];
	}
	return status;
}

/* The file: first, n, seq, and of each sector what is sure and what was sent last. */
static int
loadhold(const char *name)
{
	uint64_t head[3], i;
	uint8_t *p;
	FILE *f;
	int status;

	f = fopen(name, "r");
	if(f != NULL && (fread(head, sizeof head, 1, f) != 1 || head[0] != h.first || head[1] != h.n
	|| fread(h.sure, sizeof *h.sure, h.n, f) != h.n
		|| fread(h.last, sizeof *h.last, h.n, f) != h.n))
		errx(Xusage, "%s: of another region", name);
	if(f != NULL){
		fclose(f);
		h.seq = head[2];
	}
	p = alloc(h.n * Secsize);
	if(transfer(&h.w, 0, h.first, p, h.n) == -1)
		return windowerror(&h.w);
	for(status = 0, i = 0; status == 0 && i < h.n; i++){
		status = held(p + i * Secsize, h.first + i, h.sure[i], &h.done[i]);
		h.sure[i] = h.last[i] = h.done[i];
	}
	free(p);
	return status;
}

static void
savehold(const char *name)
{
	uint64_t head[3] = { h.first, h.n, h.seq };
	FILE *f;

	f = fopen(name, "w");
	if(f == NULL || fwrite(head, sizeof head, 1, f) != 1
		|| fwrite(h.sure, sizeof *h.sure, h.n, f) != h.n
	|| fwrite(h.last, sizeof *h.last, h.n, f) != h.n || fclose(f) != 0)
		err(Xusage, "%s", name);
}

static void
stophold(int sig)
{
	(void)sig;
	h.w.giveup = -1;
}

static int
holds(int64_t end)
{
	return nowms() < end && h.w.giveup != -1;
}

static int
hold(int argc, char **argv)
{
	uint64_t size;
	int64_t end, last;
	int status, begun = 0;
	Req *r;

	end = (int64_t)number(argv[0], 86400) * 1000;
	if((status = getsize(&size)) != 0)
		return status;
	h.first = number(argv[1], size - 1);
	h.n = number(argv[2], size - h.first);
	h.flushms = argc == 5 ? (int64_t)number(argv[4], 86400000) : 0;
	h.sure = alloc(h.n * sizeof *h.sure);
	h.done = alloc(h.n * sizeof *h.done);
	h.last = alloc(h.n * sizeof *h.last);
	h.then = alloc(h.n * sizeof *h.then);
	wininit(&h.w, &net, &target, patience());
	h.buf = alloc((uint64_t)h.w.size * Maxrandom * Secsize);
	if((status = loadhold(argv[3])) != 0)
		return status;
	seed = (h.seq + (uint64_t)target.slot * 7919 + net.tag) * 2 + 1;
	h.w.giveup = patience();
	signal(SIGTERM, stophold);
	h.flushdue = nowms() + h.flushms;
	for(last = nowms(), end += last; holds(end) || h.w.busy > 0; ){
		while(holds(end) && (r = winslot(&h.w)) != NULL)
			starthold(r);
		if(h.w.busy == 0)
			continue;
		if((r = winwait(&h.w)) == NULL){
			if(h.w.err[0] != '\0'){
				savehold(argv[3]);
				return windowerror(&h.w);
			}
			break;
		}
		if(nowms() - last > h.pause)
			h.pause = nowms() - last;
		last = nowms();
		if((status = endhold(r)) != 0)
			return status;
		if(!begun && h.nwrite > 0){
			begun = 1;
			puts("begun");
			fflush(stdout);
		}
	}
	savehold(argv[3]);
	printf("%ld writes, %ld flushes, longest pause %" PRId64 " ms, %s\n", h.nwrite, h.nflush,
		h.pause, h.w.busy > 0 ? "then silence" : "all answered");
	return 0;
}

/*
 * The probe: reads at random places of a region, one at a time and with a
 * pause after each, so that it loads nobody and notices everything.  An
 * error is counted and is no reason to stop.
 */

static int
ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;

	return (x > y) - (x < y);
}

static int
probe(int argc, char **argv)
{
	static int64_t took[Maxprobe];
	uint64_t first, n;
	int64_t end, t;
	long i, unc, other;
	Frame f;
	Ata a;

	(void)argc;
	end = (int64_t)number(argv[0], 86400) * 1000;
	first = number(argv[1], UINT64_MAX);
	n = number(argv[2], UINT64_MAX);
	seed = net.tag | 1;
	find();
	unc = other = 0;
	for(end += nowms(), i = 0; i < Maxprobe && nowms() < end; i++){
		memset(&a, 0, sizeof a);
		a.cmd = 0x24;
		a.aflags = Aext;
		a.count = 1;
		a.lba = first + rnd(n);
		t = nowms();
		if(!atacmd(&net, &target, &a, &f, timeout)){
			warnx("no answer");
			return Xsilent;
		}
		took[i] = nowms() - t;
		if(f.b[Over] & Ferror || (a.cmd & Sbad && !(a.feature & Xunc)))
			other++;
		else if(a.cmd & Sbad)
			unc++;
		usleep(1000);
	}
	qsort(took, (size_t)i, sizeof took[0], ascending);
	printf("reads %ld unc %ld other %ld p50 %" PRId64 " p99 %" PRId64 " max %" PRId64 "\n", i,
		unc, other,
		took[i / 2], took[i * 99 / 100], took[i > 0 ? i - 1 : 0]);
	return unc + other > 0 ? Xerror : 0;
}

/*
 * The demo.
 */

static void
speed(const char *what, uint64_t bytes, int64_t ms)
{
	if(ms < 1)
		ms = 1;
	printf("%-20s %4" PRIu64 " MiB  %8.1f MB/s\n", what, bytes >> 20,
		(double)bytes / 1e3 / (double)ms);
	fflush(stdout);
}

static int
sequential(Win *w, int write, uint8_t *p, uint64_t n)
{
	int64_t begin;

	begin = nowms();
	if(transfer(w, write, 0, p, n) == -1)
		return windowerror(w);
	speed(write ? "sequential write" : "sequential read", n * Secsize, nowms() - begin);
	return 0;
}

/*
 * Random requests at multiples of their size; reads are compared with the
 * model, writes change it.  A write that meets one under way waits.
 */
static int
randomly(Model *m, int write)
{
	int64_t begin;
	long todo;
	Req *r;

	begin = nowms();
	m->sectors = 0;
	for(todo = Demorandom; todo > 0 || m->w.busy > 0; ){
		while(todo > 0 && (r = winslot(&m->w)) != NULL){
			r->write = write;
			r->n = m->w.t->scnt < 8 ? m->w.t->scnt : 8;
			do
				r->lba = rnd(m->n / (uint64_t)r->n) * (uint64_t)r->n;
			while(overlaps(&m->w, r));
			r->buf = m->buf + (r - m->w.r) * Maxrandom * Secsize;
			if(write)
				fill(r->buf, (size_t)r->n * Secsize);
			winsend(&m->w, r);
			todo--;
		}
		r = winwait(&m->w);
		if(r == NULL)
			return windowerror(&m->w);
		if(check(m, r) != 0)
			return Xerror;
	}
	speed(write ? "random write" : "random read", m->sectors * Secsize, nowms() - begin);
	return 0;
}

static int
exercise(int argc, char **argv)
{
	static Model m;
	uint64_t all;
	uint8_t *p;

	(void)argc, (void)argv;
	find();
	printf("e%d.%d at %s, %d requests outstanding, %d sectors each\n", target.shelf,
		target.slot, macstr(target.mac),
		target.bufcnt, target.scnt);
	if(getsize(&all) != 0)
		return Xerror;
	printf("%" PRIu64 " sectors, %" PRIu64 " MiB\n", all, all >> 11);
	m.n = all < Demosize ? all : Demosize;
	m.disk = alloc(m.n * Secsize);
	p = alloc(m.n * Secsize);
	wininit(&m.w, &net, &target, timeout);
	m.buf = alloc((uint64_t)m.w.size * Maxrandom * Secsize);
	fill(m.disk, m.n * Secsize);
	if(sequential(&m.w, 1, m.disk, m.n) != 0 || sequential(&m.w, 0, p, m.n) != 0)
		return Xerror;
	if(differs(m.disk, p, m.n) != -1){
		fprintf(stderr, "mismatch at LBA %" PRId64 "\n", differs(m.disk, p, m.n));
		return Xerror;
	}
	if(randomly(&m, 1) != 0 || randomly(&m, 0) != 0 || checkall(&m) != 0)
		return Xerror;
	if(m.w.resent > 0)
		printf("%ld requests were sent again\n", m.w.resent);
	puts("all data read back as written");
	free(p);
	return 0;
}

static const Cmd cmds[] = {
	{ "discover", discover, 0, 0, "discover" },
	{ "read", readsectors, 2, 2, "read LBA COUNT" },
	{ "write", writesectors, 1, 1, "write LBA" },
	{ "identify", identify, 0, 0, "identify" },
	{ "size", size, 0, 0, "size" },
	{ "flush", flush, 0, 0, "flush" },
	{ "trim", trim, 2, 2, "trim LBA COUNT" },
	{ "ata", ata, 4, 5, "ata CMD FEATURE COUNT LBA [DATAFILE]" },
	{ "config", config, 1, 2, "config read|test S|prefix S|set S|force S" },
	{ "mask", mask, 1, 256, "mask read|add MAC..|del MAC.." },
	{ "reserve", reserve, 1, 256, "reserve read|set MAC..|force MAC.." },
	{ "listen", listenfor, 1, 2, "listen SECONDS [answers]" },
	{ "verify", verify, 1, 5, "verify SECONDS [SEED [LBA COUNT [MODELFILE]]]" },
	{ "clash", clash, 4, 5, "clash SECONDS WRITER LBA COUNT [SEED]" },
	{ "hold", hold, 4, 5, "hold SECONDS LBA COUNT FILE [FLUSHMS]" },
	{ "probe", probe, 3, 3, "probe SECONDS LBA COUNT" },
	{ "exercise", exercise, 0, 0, "exercise" },
};

static int
usage(void)
{
	size_t i;

	fprintf(stderr,
		"usage: aoeio [-i IF] [-s SHELF] [-n SLOT] [-t MS] [-c MAXSECTORS] [-w MAXWINDOW] COMMAND ...\n");
	for(i = 0; i < sizeof cmds / sizeof cmds[0]; i++)
		fprintf(stderr, "\t%s\n", cmds[i].usage);
	return Xusage;
}

static int
run(int argc, char **argv)
{
	const Cmd *c;
	int status;

	for(c = cmds; c < cmds + sizeof cmds / sizeof cmds[0]; c++)
		if(strcmp(argv[0], c->name) == 0){
			if(argc - 1 < c->min || argc - 1 > c->max)
				break;
			status = c->fn(argc - 1, argv + 1);
			return status == Xusage ? usage() : status;
		}
	return usage();
}

int
main(int argc, char **argv)
{
	const char *ifname;
	int c;

	ifname = "i0";
	while((c = getopt(argc, argv, "+i:s:n:t:c:w:")) != -1)
		switch(c){
		case 'i':
			ifname = optarg;
			break;
		case 's':
			target.shelf = (int)number(optarg, Allshelves);
			break;
		case 'n':
			target.slot = (int)number(optarg, Allslots);
			break;
		case 't':
			timeout = (int)number(optarg, 3600000);
			break;
		case 'c':
			maxsectors = (int)number(optarg, 255);
			break;
		case 'w':
			maxwindow = (int)number(optarg, Maxwin);
			break;
		default:
			return usage();
		}
	if(optind == argc)
		return usage();
	if(netopen(&net, ifname) == -1)
		err(Xusage, "%s", ifname);
	return run(argc - optind, argv + optind);
}
