/*
 * Tests of the extensions, frame by frame: negotiation, tag tracking,
 * coalesced reads, congestion and checksums.  Each group leaves the target
 * without features.
 */
#include <stdio.h>
#include <string.h>
#include "initiator.h"
#include "wire.h"

#define NELEM(x) (sizeof(x) / sizeof(x)[0])

enum {
	Cextend	= 0x23,
	Oxlen	= 24,
	Oxnames	= 26,
};

static uint8_t disk[64 * Secsize];

/* The four CRCs, by their definition. */
static void
crc8x4(uint8_t *crc, const uint8_t *p, size_t n)
{
	size_t i;
	int k;

	memset(crc, 0xFF, 4);
	for(i = 0; i < n; i++){
		crc[i % 4] ^= p[i];
		for(k = 0; k < 8; k++)
			crc[i % 4] = (uint8_t)(crc[i % 4] & 1 ? crc[i % 4] >> 1 ^ 0xB2 : crc[i % 4] >> 1);
	}
}

static void
addcrc(Frame *f)
{
	uint8_t crc[4];

	crc8x4(crc, f->b + Oarg, f->n - Oarg);
	addn(f, crc, 4);
}

/* Names with a blank behind each. */
static void
extframe(Frame *q, const char *names)
{
	size_t n;

	n = strlen(names) + 1;
	if(n < 2)
		n = 2;
	mkframe(q, &net, t.mac, t.shelf, t.slot, Cextend, net.tag++);
	add1(q, n & 0xFF);
	add1(q, (unsigned)n >> 8);
	addzero(q, n);
	for(n = 0; names[n] != '\0'; n++)
		q->b[Oxnames + n] = (uint8_t)(names[n] == ' ' ? 0 : names[n]);
}

/* The answer is the request with these names in it. */
static int
extended(const char *names, const char *want)
{
	Frame q, f, w;
	size_t i;

	extframe(&q, names);
	if(!ask(&q, &f))
		return 0;
	reply(&w, &q);
	addn(&w, q.b + Oarg, q.n - Oarg);
	for(i = 0; want[i] != '\0'; i++)
		w.b[Oxnames + i] = (uint8_t)(want[i] == ' ' ? 0 : want[i]);
	return same(&w, &f);
}

static void
negotiation(void)
{
	static const char *const names[][2] = {
		{ "reset ", "RESET " }, { "tag_inc_le ", "TAG_INC_LE " }, { "tag_inc_be ",
			"TAG_INC_BE " }, { "tag_random ", "TAG_RANDOM " },
		{ "coalesced_read ", "COALESCED_READ " }, { "crc8x4 ",
			"CRC8X4 " }, { "congestion 12 ", "CONGESTION 12 " },
		{ "", "" }, { "no_such_thing ", "no_such_thing " }, { "congestion ",
			"congestion " },
		{ "tag_inc_le no_such_thing crc8x4 reset ",
			"TAG_INC_LE no_such_thing CRC8X4 RESET " },
	};
	Frame q;
	size_t i, len;
	int good;

	for(i = 0; i < NELEM(names); i++)
		test(extended(names[i][0], names[i][1]), "extensions: '%s' is answered with '%s'",
			names[i][0], names[i][1]);
	extframe(&q, "reset crc8x4 ");
	len = q.n;
	for(good = 1, q.n = shortest > Oarg ? shortest : Oarg; q.n < len && good; q.n++)
		good = silent(&q);
	test(good, "cut off at any length, the frame is dropped");
	q.n = len;
	q.b[len - 1] = 'x';
	good = silent(&q);
	q.b[len - 1] = 0;
	q.b[len - 2] = 'x';
	test(good && silent(&q), "so is one whose names don't end");
	extframe(&q, "");
	q.b[Oxlen] = 1;
	pad(&q, Ethermin);
	good = silent(&q);
	q.b[Oxlen] = 0;
	test(good && silent(&q), "so is one that is too short for the end alone");
	extframe(&q, "reset ");
	setdst(&q, broadcast);
	setaddr(&q, Allshelves, Allslots);
	test(!silent(&q), "it may be broadcast");
}

/* A write of n sectors with this tag; it is answered, and leaves the image with what. */
static int
writes(uint32_t tag, uint64_t lba, const uint8_t *data, const uint8_t *what)
{
	uint8_t now[Secsize];
	Frame q;

	cmdframe(&q, 0x34, 0, 1, lba, data, Secsize);
	put32(q.b + Otag, tag);
	if(!succeeds(&q, NULL, 0))
		return 0;
	imgread(lba, now, 1);
	return memcmp(now, what, Secsize) == 0 || why("the image has other data");
}

static void
tracking(void)
{
	uint8_t a[Secsize], b[Secsize], c[Secsize];
	Frame q;
	int good, step;

	pattern(a, sizeof a, 1);
	pattern(b, sizeof b, 2);
	pattern(c, sizeof c, 3);
	extended("reset ", "RESET ");
	test(writes(0x01000000, 20, a, a) && writes(0x02000000, 20, b, b)
		&& writes(0x01000000, 20, a,
		a), "without tracking a late duplicate of a write overwrites newer data");
	test(extended("tag_inc_le ", "TAG_INC_LE ") && writes(0x01000000, 20, a, a)
		&& writes(0x02000000, 20, b, b)
		&& writes(0x01000000, 20, a, b), "with tag_inc_le it is answered and not written");
	test(writes(0x03000000, 20, a, a), "a new write is written");
	test(extended("tag_inc_be ", "TAG_INC_BE ") && writes(1, 20, a, a) && writes(2, 20, b, b)
		&& writes(1, 20, a, b), "the same with tag_inc_be");
	for(step = 0; step < 5; step++){
		good = writes(500 + (uint32_t)step, 20, a, a)
			&& writes(510 + (uint32_t)step, 20, b, b);
		if(step == 0){
			cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
			answers();
			good = good && !silent(&q);
		}
		if(step == 1)
			good = good && extended("coalesced_read ", "COALESCED_READ ");
		if(step == 2){
			cfgframe(&q, Qset, NULL, 0);
			good = good && configis(&q, 0, NULL, 0);
		}
		if(step == 3){
			cfgframe(&q, Qforce, NULL, 0);
			good = good && configis(&q, 0, NULL, 0);
		}
		if(step == 4)
			good = good && extended("reset ", "RESET ");
		test(good && writes(500 + (uint32_t)step, 20, c, c), "%s makes the target forget",
			step == 0 ? "IDENTIFY DEVICE" : step == 1 ? "a negotiation" : step == 2 ? "config set" : step == 3 ? "config force set" : "reset");
		extended("tag_inc_be ", "TAG_INC_BE ");
	}
	extended("reset ", "RESET ");
}

/* A read of sector i with n records, of the sectors behind it. */
static void
manyreads(Frame *q, int n)
{
	uint8_t lba[6];
	int i;

	cmdframe(q, 0x24, 0, 1, 0, NULL, 0);
	add1(q, (unsigned)n);
	for(i = 1; i <= n; i++){
		addzero(q, 4);
		put32(q->b + q->n - 4, net.tag++);
		putlba(lba, (uint64_t)i);
		addn(q, lba, 6);
		addzero(q, 5);
		add1(q, 1);
	}
}

/* The answers to it: sectors 0 to n, each once, and nothing else. */
static int
sectors(const Frame *q, int n, int crc)
{
	uint8_t was[128], sum[4];
	uint32_t i, first;
	Frame f;
	int got;

	memset(was, 0, sizeof was);
	first = get32(q->b + Otag);
	drain();
	netsend(&net, q);
	for(got = 0; netrecv(&net, &f, got <= n ? 3000 : 20); got++){
		i = get32(f.b + Otag) - first;
		if(i > (uint32_t)n || was[i]++)
			return why("an answer with tag +%u", i);
		if(f.n != Odata + Secsize + (crc ? 4 : 0) || f.b[Oatacmd] != Sdrdy
			|| memcmp(f.b + Odata, disk + i * Secsize, Secsize) != 0)
			return why("a wrong answer to read %u, of %zu bytes", i, f.n);
		crc8x4(sum, f.b + Oarg, Odata - Oarg + Secsize);
		if(crc && memcmp(sum, f.b + Odata + Secsize, 4) != 0)
			return why("a wrong CRC in the answer to read %u", i);
	}
	return got == n + 1 || why("%d of %d answers", got, n + 1);
}

static void
coalesced(void)
{
	Frame q;
	int i, good;

	imgread(0, disk, 64);
	extended("reset ", "RESET ");
	manyreads(&q, 30);
	test(sectors(&q, 0, 0), "coalesced_read off: records behind a read are ignored");
	extended("coalesced_read ", "COALESCED_READ ");
	for(good = 1, i = 0; i <= 60 && good; i += 12){
		manyreads(&q, i);
		good = sectors(&q, i, 0);
	}
	test(good, "on: up to 61 reads in a frame are answered");
	for(good = 1, i = padded(0, Odata + 1, 1); i < 40 && good; i++){
		manyreads(&q, 3);
		q.n = Odata + 1 + (size_t)i;
		good = sectors(&q, i / 16, 0);
	}
	test(good, "a record that is cut off is ignored");
	manyreads(&q, 10);
	q.b[Odata] = 4;
	test(sectors(&q, 4, 0), "so are those beyond the count");
	manyreads(&q, 255);
	q.n = Odata + 1 + 4 * 16 + 15;
	test(sectors(&q, 4, 0), "and a count beyond the frame");
	extended("crc8x4 ", "CRC8X4 ");
	manyreads(&q, 20);
	test(sectors(&q, 20, 1), "with crc8x4 each has its own");
	extended("reset ", "RESET ");
}

/*
 * Reads of the sectors from first to before n in one burst.  Returns how many
 * are answered, and says so in seen; 0 if one has other data.
 */
static int
answered(int first, int n, uint8_t *seen)
{
	static Frame q[64];
	uint32_t tag = net.tag, k;
	int i, found;
	Frame f;

	for(i = first; i < n; i++)
		cmdframe(&q[i - first], 0x24, 0, 1, (uint64_t)i, NULL, 0);
	drain();
	netburst(&net, q, n - first);
	for(found = 0; found < n - first && netrecv(&net, &f, 500); found++){
		k = get32(f.b + Otag) - tag;
		if(k >= (uint32_t)(n - first) || f.n != Odata + Secsize
			|| memcmp(f.b + Odata, disk + ((uint32_t)first + k) * Secsize,
			Secsize) != 0)
			return 0;
		seen[(uint32_t)first + k] = 1;
	}
	return found;
}

static void
congested(void)
{
	uint8_t seen[64];
	int i, n, good;

	memset(seen, 0, sizeof seen);
	imgread(0, disk, 64);
	extended("congestion 7 ", "CONGESTION 7 ");
	n = answered(0, 64, seen);
	test((n >= 8 && n < 64) || why("%d are answered", n),
		"after a report of congestion of 64 reads at once some are answered");
	for(i = 0; i < 64; i++)
		for(n = 0; n < 5 && !seen[i]; n++)
			answered(i, i + 1, seen);
	for(good = 1, i = 0; i < 64; i++)
		good = good && seen[i];
	test(good, "and the others when they are sent again");
	extended("reset ", "RESET ");
}

static void
checksums(void)
{
	uint8_t p[32 * Secsize];
	Frame q, f, want;
	size_t i;
	int n, good;

	extended("reset crc8x4 ", "RESET CRC8X4 ");
	n = (net.mtu - Odata - 4) / Secsize;
	cfgframe(&q, Qread, NULL, 0);
	test(ask(&q, &f) && f.b[Oscnt] == n, "crc8x4: the sector count is %d", n);
	imgread(100, disk, n);
	cmdframe(&q, 0x24, 0, n, 100, NULL, 0);
	atareply(&want, &q);
	addn(&want, disk, (size_t)n * Secsize);
	addcrc(&want);
	test(ask(&q, &f) && same(&want, &f), "a read of %d sectors carries it", n);
	for(good = 1, i = 0; i < 3 && good; i++){
		pattern(p, sizeof p, (unsigned)i + 70);
		cmdframe(&q, 0x34, 0, n, 100, p, (size_t)n * Secsize);
		if(i != 1)
			addcrc(&q);
		if(i == 2)
			addzero(&q, 4);
		good = ask(&q, &f);
		imgread(100, disk, n);
		good = good && memcmp(disk, p, (size_t)n * Secsize) == 0 && f.n == Ethermin;
	}
	test(good, "writes with it, without it, and with bytes behind it are done");
	for(good = 1, i = Oarg; i < q.n - 4 && good; i += i < Odata + 8 || i + 12 > q.n ? 1 : 97){
		if(i == Ocount || i == Oatacmd)
			continue;
		put32(q.b + Otag, net.tag++);
		q.b[i] ^= (uint8_t)(1 << i % 8);
		good = silent(&q) || why("byte %zu", i);
		q.b[i] ^= (uint8_t)(1 << i % 8);
	}
	imgread(100, p, n);
	test(good && memcmp(disk, p, (size_t)n * Secsize) == 0,
		"a write with a wrong byte anywhere is dropped");
	extended("reset ", "RESET ");
	cmdframe(&q, 0x24, 0, 1, 100, NULL, 0);
	test(succeeds(&q, disk, Secsize), "after reset reads carry none");
}

void
extgroup(void)
{
	negotiation();
	tracking();
	coalesced();
	congested();
	checksums();
}
