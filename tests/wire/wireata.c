/*
 * Tests of command 0, ATA: transfers, the other commands, IDENTIFY, SMART
 * and TRIM, order, and the exports that are read-only, a part of a file or
 * very large.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "initiator.h"
#include "wire.h"

enum {
	Mostsect = 18,		/* sectors in the largest payload here, and one more */
	Lba28max = 0x0FFFFFFF,
};

#define Lba48max (((uint64_t)1 << 48) - 1)

static const int reads[] = { 0x20, 0x21, 0xC8, 0x24, 0x25 };
static const int writes[] = { 0x30, 0x31, 0xCA, 0x34, 0x35, 0x3D };
static const int verifies[] = { 0x40, 0x41, 0x42 };

static uint8_t data[Mostsect * Secsize];
static uint8_t old[(Mostsect + 2) * Secsize];
static uint8_t now[(Mostsect + 2) * Secsize];

#define NELEM(x) (sizeof(x) / sizeof(x)[0])

/* count sectors at lba are read as the image has them. */
static int
readsright(int cmd, uint64_t lba, int count)
{
	Frame q;

	imgread(lba, data, count);
	cmdframe(&q, cmd, 0, count, lba, NULL, 0);
	return succeeds(&q, data, (size_t)count * Secsize);
}

/*
 * q, a write of count sectors at lba that carries data, succeeds; the image
 * then has the data, and beside it what it had before.
 */
static int
lands(const Frame *q, uint64_t lba, int count)
{
	uint64_t first;
	int n, before;

	before = lba > 0;
	first = lba - (uint64_t)before;
	n = count + before + (lba + (uint64_t)count < nsect);
	imgread(first, old, n);
	if(!succeeds(q, NULL, 0))
		return 0;
	imgread(first, now, n);
	memcpy(old + before * Secsize, data, (size_t)count * Secsize);
	if(memcmp(old, now, (size_t)n * Secsize) != 0)
		return why("the image holds something else around LBA %" PRIu64, lba);
	return 1;
}

static int
writesright(int cmd, uint64_t lba, int count)
{
	static unsigned seed;
	Frame q;

	pattern(data, sizeof data, ++seed);
	cmdframe(&q, cmd, 0, count, lba, data, (size_t)count * Secsize);
	return lands(&q, lba, count);
}

/* q fails with this error and the image is as it was. */
static int
harmless(const Frame *q, int error)
{
	uint64_t sum;

	sum = imghash();
	if(!fails(q, error))
		return 0;
	return imghash() == sum || why("the image has changed");
}

static int
refusedharmless(const Frame *q, int error)
{
	uint64_t sum;

	sum = imghash();
	if(!refused(q, error))
		return 0;
	return imghash() == sum || why("the image has changed");
}

static void
transfers(void)
{
	int n, good;
	size_t i;

	for(i = 0; i < NELEM(reads); i++){
		for(good = 1, n = 1; n <= served() && good; n++)
			good = readsright(reads[i], 1000 + (uint64_t)n * 31, n);
		test(good, "0x%02x reads 1 to %d sectors, exactly", reads[i], served());
	}
	for(i = 0; i < NELEM(writes); i++){
		for(good = 1, n = 1; n <= served() && good; n++)
			good = writesright(writes[i], 2000 + (uint64_t)n * 31, n);
		test(good, "0x%02x writes 1 to %d sectors and nothing beside them", writes[i],
			served());
	}
	for(good = 1, i = 0; i < NELEM(reads) && good; i++)
		good = readsright(reads[i], 0, 1) && readsright(reads[i], nsect - 1, 1);
	test(good, "each read reaches the first and the last sector");
	for(good = 1, i = 0; i < NELEM(writes) && good; i++)
		good = writesright(writes[i], 0, 1) && writesright(writes[i], nsect - 1, 1);
	test(good, "each write reaches the first and the last sector");
	test(writesright(0x30, 500, 1) && readsright(0x24, 500, 1), "what was written is read");
}

/* Width and direction come from the command; flags and spare LBA bytes don't count. */
static void
flags(void)
{
	static const int any[] = { 0, Aext, Awrite, Aext | Awrite, Adev, Aasync, 0xFF };
	Frame q;
	size_t i;
	int good;

	imgread(0x1234, data, 2);
	for(good = 1, i = 0; i < NELEM(any) && good; i++){
		cmdframe(&q, 0x20, 0, 2, 0xFFFFE0001234, NULL, 0);
		q.b[Oaflags] = (uint8_t)any[i];
		good = succeeds(&q, data, 2 * Secsize);
	}
	test(good, "0x20 takes 28 bits of LBA, and reads, whatever the flags say");
	for(good = 1, i = 0; i < NELEM(any) && good; i++){
		cmdframe(&q, 0x24, 0, 2, 0x1234, NULL, 0);
		q.b[Oaflags] = (uint8_t)any[i];
		good = succeeds(&q, data, 2 * Secsize);
	}
	test(good, "0x24 reads, whatever the flags say");
	for(good = 1, i = 0; i < NELEM(any) && good; i++){
		cmdframe(&q, 0x24, 0, 2, 0xE0001234, NULL, 0);
		q.b[Oaflags] = (uint8_t)any[i];
		good = fails(&q, Xidnf);
	}
	test(good, "0x24 takes 48 bits of LBA, whatever the flags say");
	for(good = 1, i = 0; i < NELEM(any) && good; i++){
		pattern(data, 2 * Secsize, (unsigned)i + 77);
		cmdframe(&q, 0x30, 0, 2, 0xFFFFA0001234, data, 2 * Secsize);
		q.b[Oaflags] = (uint8_t)any[i];
		good = lands(&q, 0x1234, 2);
	}
	test(good, "0x30 takes 28 bits of LBA, and writes, whatever the flags say");
	for(good = 1, i = 0; i < NELEM(any) && good; i++){
		pattern(data, 2 * Secsize, (unsigned)i + 99);
		cmdframe(&q, 0x34, 0, 2, 0x1234, data, 2 * Secsize);
		q.b[Oaflags] = (uint8_t)any[i];
		good = lands(&q, 0x1234, 2);
	}
	test(good, "0x34 writes, whatever the flags say");
	cmdframe(&q, 0x20, 0, 1, 0x01000000, NULL, 0);
	test(fails(&q, Xidnf), "the low nibble of LBA byte 3 counts in 28 bits");
}

static void
counts(void)
{
	static const int big[] = { 0, 100, 128, 255 };
	uint8_t full[Mostsect * Secsize];
	Frame q;
	size_t i, k, payload;
	uint64_t sum;
	int good;

	payload = (size_t)served() * Secsize;
	pattern(full, sizeof full, 5);
	sum = imghash();
	for(good = 1, i = 0; i < NELEM(reads) && good; i++){
		cmdframe(&q, reads[i], 0, served() + 1, 0, NULL, 0);
		good = fails(&q, Xabrt);
		for(k = 0; k < NELEM(big) && good; k++){
			cmdframe(&q, reads[i], 0, big[k], 0, NULL, 0);
			good = fails(&q, Xabrt);
		}
	}
	test(good,
		"a read of more than %d sectors (0 is 256 or 65536) is aborted at once, without data", served());
	for(good = 1, i = 0; i < NELEM(writes) && good; i++){
		cmdframe(&q, writes[i], 0, served() + 1, 0, full, payload);
		good = fails(&q, Xabrt);
		for(k = 0; k < NELEM(big) && good; k++){
			cmdframe(&q, writes[i], 0, big[k], 0, full, payload);
			good = fails(&q, Xabrt);
		}
	}
	test(good && imghash() == sum,
		"a write of more than %d sectors is aborted and writes nothing", served());
	for(good = 1, i = 0; i < NELEM(writes) && good; i++){
		cmdframe(&q, writes[i], 0, served() + 1, 0, NULL, 0);
		good = fails(&q, Xabrt);
	}
	test(good && imghash() == sum, "the count is judged before the length of the payload");
	for(good = 1, i = 0; i < NELEM(reads) && good; i++){
		imgread(40, data, 1);
		cmdframe(&q, reads[i], 0, 1, 40, full, payload);
		good = succeeds(&q, data, Secsize);
	}
	test(good, "data attached to a read are ignored");
	memcpy(data, full, payload);
	cmdframe(&q, 0x34, 0, 1, 300, data, payload);
	test(lands(&q, 300, 1),
		"of a write with more data than its count only the count is written");
}

/* What lies beyond the end, and is not to be reached by wrapping either. */
void
rangegroup(void)
{
	struct { uint64_t lba; int n; } out[] = {
		{ nsect, 1 }, { nsect - 1, 2 }, { nsect + 1, 1 }, { nsect * 2, 2 },
		{ Lba28max, 1 }, { Lba28max, 2 },
		{ Lba48max, 1 }, { Lba48max, 2 }, { Lba48max - 1, 2 }, { Lba48max - 1, 1 },
		{ (uint64_t)1 << 47, 1 }, { (uint64_t)1 << 32, 1 }, { ((uint64_t)1 << 32) + 5,
			2 }, { (uint64_t)1 << 39, 1 },
	};
	uint8_t full[2 * Secsize];
	uint64_t sum;
	Frame q;
	size_t i, k;
	int good;

	memset(full, 0x55, sizeof full);
	sum = imghash();
	for(good = 1, i = 0; i < NELEM(reads) && good; i++)
		for(k = 0; k < (i < 3 ? 6 : NELEM(out)) && good; k++){
			cmdframe(&q, reads[i], 0, out[k].n, out[k].lba, NULL, 0);
			good = fails(&q, Xidnf);
		}
	test(good, "a read that ends beyond the last sector fails with IDNF and no data");
	for(good = 1, i = 0; i < NELEM(writes) && good; i++)
		for(k = 0; k < (i < 3 ? 6 : NELEM(out)) && good; k++){
			cmdframe(&q, writes[i], 0, out[k].n, out[k].lba, full,
				(size_t)out[k].n * Secsize);
			good = fails(&q, Xidnf);
		}
	test(good && imghash() == sum,
		"a write that ends beyond the last sector fails with IDNF and writes nothing");
	for(good = 1, i = 0; i < NELEM(verifies) && good; i++)
		for(k = 0; k < (i < 2 ? 6 : NELEM(out)) && good; k++){
			cmdframe(&q, verifies[i], 0, out[k].n, out[k].lba, NULL, 0);
			good = fails(&q, Xidnf);
		}
	test(good, "a READ VERIFY that ends beyond the last sector fails with IDNF");
	cmdframe(&q, 0x34, 0, 2, nsect, full, Secsize);
	test(refusedharmless(&q, Ebadarg), "the payload is judged before the range");
}

static void
shortpayload(void)
{
	uint8_t full[2 * Secsize];
	uint64_t sum;
	size_t i, n;
	Frame q;
	int good;

	sum = imghash();
	memset(full, 0x77, sizeof full);
	for(i = 0; i < NELEM(writes); i++){
		for(good = 1, n = 0; n < sizeof full && good; n += i == 3 ? 1 : 127){
			cmdframe(&q, writes[i], 0, 2, 600, full, n);
			good = refused(&q, Ebadarg) || why("payload of %zu bytes", n);
		}
		test(good && imghash() == sum,
			"0x%02x with less data than its count is a bad argument and writes nothing", writes[i]);
	}
}

static void
verify(void)
{
	uint8_t full[Secsize];
	Frame q;
	size_t i;
	int good;

	for(good = 1, i = 0; i < NELEM(verifies) && good; i++){
		cmdframe(&q, verifies[i], 0, 1, 5, NULL, 0);
		good = succeeds(&q, NULL, 0);
		cmdframe(&q, verifies[i], 0, 255, nsect - 255, NULL, 0);
		good = good && succeeds(&q, NULL, 0);
	}
	test(good, "READ VERIFY answers without data, for any count");
	for(good = 1, i = 0; i < 2 && good; i++){
		cmdframe(&q, verifies[i], 0, 0, nsect - 256, NULL, 0);
		good = succeeds(&q, NULL, 0);
		cmdframe(&q, verifies[i], 0, 0, nsect - 255, NULL, 0);
		good = good && fails(&q, Xidnf);
	}
	test(good, "a count of 0 verifies 256 sectors");
	cmdframe(&q, 0x42, 0, 0, nsect - 65536, NULL, 0);
	good = succeeds(&q, NULL, 0);
	cmdframe(&q, 0x42, 0, 0, nsect - 65535, NULL, 0);
	test(good && fails(&q, Xidnf), "a count of 0 verifies 65536 sectors with 48 bits");
	memset(full, 0x99, sizeof full);
	cmdframe(&q, 0x40, 0, 1, 5, full, sizeof full);
	test(succeeds(&q, NULL, 0), "data attached to READ VERIFY are ignored");
}

/* Is the write cache on?  Without one, with -s, it can't be. */
static int
caches(void)
{
	Frame q, f;

	cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
	return ask(&q, &f) && f.n >= Odata + Secsize && (f.b[Odata + 2 * 85] & 0x20) != 0;
}

static void
others(void)
{
	static const int nodata[] = { 0xE7, 0xEA, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6 };
	Frame q, f, want;
	size_t i;
	int n, good, cache;

	for(i = 0; i < NELEM(nodata); i++){
		cmdframe(&q, nodata[i], 0, 0, 0x123456, NULL, 0);
		good = succeeds(&q, NULL, 0);
		cmdframe(&q, nodata[i], 0, 1, 0, NULL, 0);
		test(good && succeeds(&q, NULL, 0), "0x%02x succeeds without data", nodata[i]);
	}
	for(good = 1, n = 0; n < 2 && good; n++){
		cmdframe(&q, 0xE5, 0, n, 0x123456, NULL, 0);
		good = ask(&q, &f);
		atareply(&want, &q);
		want.b[Ocount] = 0xFF;
		good = good && same(&want, &f);
	}
	test(good, "CHECK POWER MODE returns 0xFF as count and no data");
	cache = caches();
	for(good = 1, n = 0; n < 256 && good; n++){
		cmdframe(&q, 0xEF, n, 0, 0, NULL, 0);
		if((n == 0x02 && cache) || n == 0x82 || n == 0x03)
			good = succeeds(&q, NULL, 0);
		else
			good = aborts(&q);
		if(!good)
			why("feature %d", n);
	}
	cmdframe(&q, 0xEF, 0x02, 0, 0, NULL, 0);
	test(good && (cache ? succeeds(&q, NULL, 0) : aborts(&q)),
		"SET FEATURES takes 0x82, 0x03 and, but with -s, 0x02, and aborts all others");
}

static void
native(void)
{
	Frame q, f, want;
	int good;

	cmdframe(&q, 0x27, 0, 0, 0, NULL, 0);
	good = ask(&q, &f);
	atareply(&want, &q);
	putlba(want.b + Olba, nsect - 1);
	test(good && same(&want, &f), "READ NATIVE MAX ADDRESS EXT returns the last LBA");
	cmdframe(&q, 0xF8, 0, 0, 0, NULL, 0);
	good = ask(&q, &f);
	atareply(&want, &q);
	if(nsect - 1 < Lba28max)
		putlba(want.b + Olba, nsect - 1);
	else
		/* The standards take the greatest number for a count or for an address. */
		putlba(want.b + Olba, f.b[Olba] == 0xFE ? Lba28max - 1 : Lba28max);
	test(good && same(&want, &f),
		"READ NATIVE MAX ADDRESS returns the last LBA that 28 bits reach");
}

static int
known(int cmd)
{
	static const uint8_t list[] = {
		0x20, 0x21, 0x24, 0x30, 0x31, 0x34, 0xC8, 0x25, 0xCA, 0x35, 0x3D, 0x40, 0x41, 0x42, 0xE7, 0xEA, 0xEC, 0xE5,
		0xE0, 0xE1, 0xE2, 0xE3, 0xE6, 0xEF, 0xB0, 0x06, 0xF8, 0x27,
	};

	return memchr(list, cmd, sizeof list) != NULL;
}

static void
unknown(void)
{
	static const int count[] = { 0, 1, 255 };
	uint8_t full[Secsize];
	uint64_t sum;
	Frame q;
	int cmd, good;
	size_t i;

	memset(full, 0xFF, sizeof full);
	sum = imghash();
	for(good = 1, cmd = 0; cmd < 256 && good; cmd++)
		for(i = 0; i < NELEM(count) && !known(cmd) && good; i++){
			cmdframe(&q, cmd, 0xFF, count[i], Lba48max, full, i == 1 ? sizeof full : 0);
			good = aborts(&q) || why("command 0x%02x", cmd);
		}
	test(good, "every other command is aborted, without data, whatever its count");
	test(imghash() == sum, "the image is untouched by them");
}

void
atagroup(void)
{
	transfers();
	flags();
	counts();
	rangegroup();
	shortpayload();
	verify();
	others();
	native();
	unknown();
}

/*
 * IDENTIFY DEVICE.
 */

static uint8_t ident[Secsize];

static unsigned
word(int n)
{
	return (unsigned)ident[2 * n] | (unsigned)ident[2 * n + 1] << 8;
}

static uint64_t
words(int n, int k)
{
	return k == 0 ? 0 : words(n + 1, k - 1) << 16 | word(n);
}

/* Characters in words n to m, two a word with the first in the high byte. */
static int
text(int n, int m, char *s)
{
	int i, c;

	for(i = 0; n <= m; n++){
		s[i++] = (char)ident[2 * n + 1];
		s[i++] = (char)ident[2 * n];
	}
	s[i] = '\0';
	for(c = 0; c < i; c++)
		if(s[c] < ' ' || s[c] > '~')
			return why("byte %d is 0x%02x", c, (unsigned)(uint8_t)s[c]);
	if(s[0] == ' ')
		return why("begins with a space");
	while(i > 0 && s[i - 1] == ' ')
		s[--i] = '\0';
	return i > 0;
}

static int
getident(void)
{
	Frame q, f, want;

	cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
	if(!ask(&q, &f))
		return 0;
	if(f.n != Odata + Secsize)
		return why("%zu bytes", f.n);
	memcpy(ident, f.b + Odata, Secsize);
	atareply(&want, &q);
	addn(&want, ident, Secsize);
	return same(&want, &f);
}

static void
identwords(void)
{
	char s[64], start[16];
	unsigned sum;
	int i;

	test(word(0) == 0x0040, "word 0 says a fixed ATA disk");
	snprintf(start, sizeof start, "%d.%d:", t.shelf, t.slot);
	test(text(10, 19, s) && strncmp(s, start, strlen(start)) == 0 && strlen(s) > strlen(start),
		"words 10-19, the serial number, are %s and the host's name", start);
	test(text(23, 26, s), "words 23-26, the firmware, are printable and padded with spaces");
	test(text(27, 46, s), "words 27-46, the model, are printable and padded with spaces");
	test(word(47) >> 8 == 0x80, "word 47 has 0x80 in its high byte");
	test((word(49) & 0x0300) == 0x0300, "word 49 has LBA and DMA");
	test((word(50) & 0xC000) == 0x4000, "word 50 is valid");
	test(words(60, 2) == (nsect < Lba28max ? nsect : Lba28max),
		"words 60-61 are the capacity that 28 bits reach");
	test(word(80) != 0 && word(80) != 0xFFFF, "word 80 names versions of ATA");
	test((word(82) & 0x0021) == 0x0021, "word 82 has SMART and the write cache");
	test((word(83) & 0xF400) == 0x7400, "word 83 has 48 bits, both flushes, and is valid");
	test((word(84) & 0xC040) == 0x4040, "word 84 has FUA and is valid");
	test((word(85) & 0x0001) == 0x0001, "word 85 has SMART enabled");
	test((word(86) & 0x3400) == 0x3400, "word 86 has 48 bits and both flushes enabled");
	test((word(87) & 0xC040) == 0x4040, "word 87 has FUA enabled and is valid");
	test(words(100, 4) == nsect, "words 100-103 are the capacity");
	test(word(105) >= 1 && (word(169) & 1) == 1, "words 105 and 169 offer TRIM");
	test((word(106) & 0xC000) == 0x4000, "word 106, the physical sector size, is valid");
	test((word(209) & 0xC000) == 0x4000, "word 209, the alignment, is valid");
	test(word(217) <= 1 || word(217) >= 0x0401,
		"word 217 is a rotation rate, none, or not reported");
	for(sum = 0, i = 0; i < Secsize; i++)
		sum += ident[i];
	test((word(255) & 0xFF) == 0xA5 && (sum & 0xFF) == 0,
		"word 255 makes the sum of all bytes 0");
}

void
identifygroup(void)
{
	static const int count[] = { 0, 1, 2, 255 };
	uint8_t full[Secsize];
	Frame q;
	size_t i;
	int good;

	test(getident(), "IDENTIFY returns 512 bytes");
	identwords();
	for(good = 1, i = 0; i < NELEM(count) && good; i++){
		cmdframe(&q, 0xEC, 0, count[i], 0xA0000000, NULL, 0);
		q.b[Oaflags] = i & 1 ? 0xFF : 0;
		good = succeeds(&q, ident, Secsize);
	}
	test(good, "whatever its count and flags, IDENTIFY returns 512 bytes");
	memset(full, 0xEE, sizeof full);
	cmdframe(&q, 0xEC, 0, 1, 0, full, sizeof full);
	test(succeeds(&q, ident, Secsize), "data attached to IDENTIFY are ignored");
	for(good = 1, i = 0; i < 4 && good; i++){
		cmdframe(&q, 0xEC, 0, 1, 0, NULL, 0);
		setdst(&q, broadcast);
		setaddr(&q, i & 1 ? Allshelves : t.shelf, i & 2 ? Allslots : t.slot);
		good = succeeds(&q, ident, Secsize);
	}
	test(good, "a broadcast IDENTIFY, with and without wildcards, is answered");
}

/*
 * TRIM.
 */

static void
entry(uint8_t *list, int i, uint64_t lba, unsigned n)
{
	putlba(list + i * 8, lba);
	list[i * 8 + 6] = (uint8_t)n;
	list[i * 8 + 7] = (uint8_t)(n >> 8);
}

/* Fill the export's sectors from lba on by writes over the wire. */
static int
fillwire(uint64_t lba, int n)
{
	for(; n > 0; n--, lba++)
		if(!writesright(0x34, lba, 1))
			return 0;
	return 1;
}

/* The image from first on is as it was in before, but for n zeroed sectors at lba. */
static int
zeroed(const uint8_t *before, uint64_t first, int total, uint64_t lba, int n)
{
	uint8_t want[64 * Secsize], got[64 * Secsize];

	memcpy(want, before, (size_t)total * Secsize);
	memset(want + (lba - first) * Secsize, 0, (size_t)n * Secsize);
	imgread(first, got, total);
	return memcmp(want, got, (size_t)total * Secsize) == 0
		|| why("the image around LBA %" PRIu64 " is not as it must be", lba);
}

static void
trimgood(void)
{
	uint8_t list[2 * Secsize], before[64 * Secsize], zero[2 * Secsize];
	Frame q;
	int good;

	memset(zero, 0, sizeof zero);
	memset(list, 0, sizeof list);
	good = fillwire(4096, 64);
	imgread(4096, before, 64);
	entry(list, 0, 4099, 13);
	cmdframe(&q, 0x06, 1, 1, 0, list, Secsize);
	test(good && succeeds(&q, NULL, 0) && zeroed(before, 4096, 64, 4099, 13),
		"TRIM turns its sectors to zeros and no others");
	cmdframe(&q, 0x24, 0, 2, 4100, NULL, 0);
	test(succeeds(&q, zero, sizeof zero), "trimmed sectors read back as zeros");
	good = fillwire(4096, 64);
	imgread(4096, before, 64);
	memset(list, 0, sizeof list);
	entry(list, 3, 4110, 3);
	entry(list, 5, Lba48max, 0);
	entry(list, 127, 4113, 20);
	cmdframe(&q, 0x06, 1, 2, 0, list, sizeof list);
	test(good && succeeds(&q, NULL, 0) && zeroed(before, 4096, 64, 4110, 23),
		"TRIM takes the entries of every sector of its payload, and skips those of length 0");
	test(fillwire(4096, 64), "trimmed sectors can be written again");
	memset(list, 0, sizeof list);
	entry(list, 0, nsect - 1, 1);
	entry(list, 1, 0, 1);
	good = fillwire(0, 2) && fillwire(nsect - 2, 2);
	imgread(nsect - 2, before, 2);
	cmdframe(&q, 0x06, 1, 1, 0, list, Secsize);
	test(good && succeeds(&q, NULL, 0) && zeroed(before, nsect - 2, 2, nsect - 1, 1),
		"TRIM reaches the last sector");
}

static void
trimbad(void)
{
	static const unsigned length[] = { 1, 2, 0xFFFF };
	uint8_t list[Mostsect * Secsize];
	uint64_t sum;
	Frame q;
	size_t i;
	int good;

	good = fillwire(4096, 8);
	sum = imghash();
	memset(list, 0, sizeof list);
	entry(list, 0, 4096, 4);
	for(i = 0; i < NELEM(length) && good; i++){
		entry(list, 1, nsect - (length[i] > 1), length[i]);
		cmdframe(&q, 0x06, 1, 1, 0, list, Secsize);
		good = fails(&q, Xidnf);
		entry(list, 1, Lba48max - (length[i] > 1), length[i]);
		cmdframe(&q, 0x06, 1, 1, 0, list, Secsize);
		good = good && fails(&q, Xidnf);
	}
	test(good && imghash() == sum,
		"TRIM with one entry beyond the end fails with IDNF and trims nothing");
	memset(list, 0, sizeof list);
	entry(list, 0, 4096, 4);
	cmdframe(&q, 0x06, 0, 1, 0, list, Secsize);
	test(harmless(&q, Xabrt), "DATA SET MANAGEMENT without the TRIM bit is aborted");
	cmdframe(&q, 0x06, 1, 1, 0, list, Secsize - 1);
	test(refusedharmless(&q, Ebadarg), "TRIM with less data than its count is a bad argument");
	cmdframe(&q, 0x06, 1, 0, 0, list, Secsize);
	good = harmless(&q, Xabrt);
	cmdframe(&q, 0x06, 1, served() + 1, 0, list, (size_t)served() * Secsize);
	test(good && harmless(&q, Xabrt), "TRIM with a count beyond the MTU is aborted");
}

void
trimgroup(void)
{
	trimgood();
	trimbad();
}

/*
 * SMART.
 */

/*
 * The answer to a SMART subcommand: 512 bytes, those given or any.  Data
 * and thresholds have a checksum in their last byte.
 */
static int
smartis(const Frame *q, int good, const uint8_t *bytes)
{
	Frame f, want;
	unsigned sum;
	int i;

	if(!ask(q, &f))
		return 0;
	if(f.n != Odata + Secsize)
		return why("%zu bytes", f.n);
	atareply(&want, q);
	if(!good){
		want.b[Oatacmd] = Sdrdy | Serr;
		want.b[Ofeature] = Xabrt;
		if(f.b[Ocount] == q->b[Ocount])
			want.b[Ocount] = f.b[Ocount];
	}
	addn(&want, bytes != NULL ? bytes : f.b + Odata, Secsize);
	for(sum = 0, i = 0; i < Secsize; i++)
		sum += f.b[Odata + i];
	if((sum & 0xFF) != 0 && q->b[Ofeature] != 0xD5)
		return why("the sum of the data is 0x%02x", sum & 0xFF);
	return same(&want, &f);
}

void
smartgroup(void)
{
	static const int take[] = { 0xD0, 0xD1, 0xD4, 0xD5, 0xD8, 0xD9, 0xDA };
	static const uint8_t zero[Secsize];
	int i, n, good;
	uint64_t key;
	Frame q, f;

	key = 0xC24F00;
	for(i = 0; i < (int)NELEM(take); i++){
		for(good = 1, n = 0; n < 2 && good; n++){
			cmdframe(&q, 0xB0, take[i], n, key, NULL, 0);
			good = smartis(&q, 1, take[i] == 0xD0 || take[i] == 0xD1
				|| take[i] == 0xD5 ? NULL : zero);
		}
		test(good, "SMART 0x%02x succeeds with 512 bytes, whatever its count", take[i]);
		cmdframe(&q, 0xB0, 0xD8, 0, key, NULL, 0);
		ask(&q, &f);
	}
	for(good = 1, i = 0; i < 256 && good; i++){
		for(n = 0; n < (int)NELEM(take) && take[n] != i; n++)
			;
		if(n < (int)NELEM(take))
			continue;
		cmdframe(&q, 0xB0, i, 1, key, NULL, 0);
		good = smartis(&q, 0, zero) || why("subcommand 0x%02x", i);
	}
	test(good, "every other SMART subcommand is aborted, with 512 zeros");
	for(good = 1, i = 0; i < (int)NELEM(take) && good; i++){
		cmdframe(&q, 0xB0, take[i], 1, 0xC20000, NULL, 0);
		good = smartis(&q, 0, zero);
		cmdframe(&q, 0xB0, take[i], 1, 0x4F00, NULL, 0);
		good = good && smartis(&q, 0, zero);
	}
	test(good, "SMART without its key in the LBA is aborted, with 512 zeros");
	cmdframe(&q, 0xB0, 0xD9, 0, key, NULL, 0);
	good = smartis(&q, 1, zero);
	cmdframe(&q, 0xB0, 0xD8, 0, key, NULL, 0);
	test(good && smartis(&q, 1, zero), "SMART can be disabled and enabled again");
}

/*
 * Order.
 */

enum {
	Most = 64,
};

static Frame many[Most], got[Most];

/* The answer to many[i] is a success with this data. */
static int
burstok(int i, const void *bytes, size_t n)
{
	Frame want;

	atareply(&want, &many[i]);
	addn(&want, bytes, n);
	return same(&want, &got[i]) || why("request %d of the burst", i);
}

static int
burstsize(void)
{
	return t.bufcnt < Most ? t.bufcnt & ~1 : Most;
}

/* Writes of one place, each followed by a read of it. */
static int
interleaved(void)
{
	static uint8_t bytes[Most][Secsize];
	int i, n;

	n = burstsize();
	for(i = 0; i < n; i += 2){
		pattern(bytes[i], Secsize, (unsigned)(i + 1000));
		cmdframe(&many[i], 0x34, 0, 1, 7000, bytes[i], Secsize);
		cmdframe(&many[i + 1], 0x24, 0, 1, 7000, NULL, 0);
	}
	if(!burst(many, got, n))
		return 0;
	for(i = 0; i < n; i += 2)
		if(!burstok(i, NULL, 0) || !burstok(i + 1, bytes[i], Secsize))
			return 0;
	imgread(7000, now, 1);
	return memcmp(now, bytes[n - 2], Secsize) == 0
		|| why("the image does not hold the last write");
}

/* Writes of two sectors, each over the second half of the one before; reads go between. */
static int
staggered(void)
{
	static uint8_t disk[(Most + 2) * Secsize], want[Most][2 * Secsize];
	int i, n, at;

	n = burstsize();
	imgread(7100, disk, Most + 2);
	for(i = 0; i < n; i++){
		at = i / 2;
		if(i % 2 == 0){
			pattern(data, 2 * Secsize, (unsigned)(i + 2000));
			memcpy(disk + at * Secsize, data, 2 * Secsize);
			cmdframe(&many[i], 0x34, 0, 2, 7100 + (uint64_t)at, data, 2 * Secsize);
		}else{
			/* one sector behind, so that it sees two writes */
			if(at > 0)
				at--;
			memcpy(want[i], disk + at * Secsize, 2 * Secsize);
			cmdframe(&many[i], 0x24, 0, 2, 7100 + (uint64_t)at, NULL, 0);
		}
	}
	if(!burst(many, got, n))
		return 0;
	for(i = 0; i < n; i++)
		if(!burstok(i, want[i], i % 2 ? 2 * Secsize : 0))
			return 0;
	imgread(7100, want[0], 1);
	return memcmp(want[0], disk, Secsize) == 0;
}

/* Write, trim, read, write, read, flush: all of one place. */
static int
mixed(void)
{
	static uint8_t first[Secsize], second[Secsize], list[Secsize], zero[Secsize];

	pattern(first, Secsize, 3001);
	pattern(second, Secsize, 3002);
	entry(list, 0, 7300, 1);
	cmdframe(&many[0], 0x34, 0, 1, 7300, first, Secsize);
	cmdframe(&many[1], 0x24, 0, 1, 7300, NULL, 0);
	cmdframe(&many[2], 0x06, 1, 1, 0, list, Secsize);
	cmdframe(&many[3], 0x24, 0, 1, 7300, NULL, 0);
	cmdframe(&many[4], 0x34, 0, 1, 7300, second, Secsize);
	cmdframe(&many[5], 0xEA, 0, 0, 0, NULL, 0);
	cmdframe(&many[6], 0x24, 0, 1, 7300, NULL, 0);
	if(!burst(many, got, 7))
		return 0;
	return burstok(0, NULL, 0) && burstok(1, first, Secsize) && burstok(2, NULL, 0)
		&& burstok(3, zero, Secsize)
		&& burstok(4, NULL, 0) && burstok(5, NULL, 0) && burstok(6, second, Secsize);
}

/* Neighbours in one burst, upwards or downwards, may become one run. */
static int
neighbours(int cmd, int step)
{
	static uint8_t disk[Most * 2 * Secsize];
	size_t len;
	int i, n, k, size;

	n = burstsize();
	size = served() < 2 ? 1 : 2;
	len = (size_t)size * Secsize;
	imgread(8000, disk, n * size);
	for(i = 0; i < n; i++){
		k = step > 0 ? i : n - 1 - i;
		if(cmd == 0x34)
			pattern(disk + (size_t)k * len, len, (unsigned)(k + 4000 + step));
		cmdframe(&many[i], cmd, 0, size, 8000 + (uint64_t)(k * size),
			disk + (size_t)k * len, cmd == 0x34 ? len : 0);
	}
	if(!burst(many, got, n))
		return 0;
	for(i = 0; i < n; i++){
		k = step > 0 ? i : n - 1 - i;
		if(!burstok(i, disk + (size_t)k * len, cmd == 0x34 ? 0 : len))
			return 0;
	}
	for(i = 0; i < n; i++){
		imgread(8000 + (uint64_t)(i * size), now, size);
		if(memcmp(now, disk + (size_t)i * len, len) != 0)
			return why("the image differs at request %d", i);
	}
	return 1;
}

/* A bad request between good ones that would otherwise be one run. */
static int
badamong(void)
{
	static uint8_t bytes[3][Secsize];
	Frame want;
	int i;

	for(i = 0; i < 3; i++)
		pattern(bytes[i], Secsize, (unsigned)(5000 + i));
	cmdframe(&many[0], 0x34, 0, 1, nsect - 2, bytes[0], Secsize);
	cmdframe(&many[1], 0x34, 0, 1, nsect - 1, bytes[1], Secsize);
	cmdframe(&many[2], 0x34, 0, 1, nsect, bytes[2], Secsize);
	cmdframe(&many[3], 0x34, 0, 1, nsect - 2, bytes[2], Secsize - 1);
	cmdframe(&many[4], 0x24, 0, 1, nsect - 2, NULL, 0);
	cmdframe(&many[5], 0x24, 0, 1, nsect - 1, NULL, 0);
	cmdframe(&many[6], 0x24, 0, 1, nsect, NULL, 0);
	if(!burst(many, got, 7))
		return 0;
	for(i = 2; i < 7; i += 4){
		atareply(&want, &many[i]);
		want.b[Oatacmd] = Sdrdy | Serr;
		want.b[Ofeature] = Xidnf;
		want.b[Ocount] = 1;
		if(!same(&want, &got[i]))
			return 0;
	}
	return refusal(&many[3], &got[3], Ebadarg) && burstok(0, NULL, 0) && burstok(1, NULL, 0)
		&& burstok(4, bytes[0], Secsize) && burstok(5, bytes[1], Secsize);
}

/* As many full frames as the target says it has room for, several times. */
static int
fullwindow(void)
{
	int i, n, round;
	size_t len;

	n = burstsize();
	len = (size_t)served() * Secsize;
	for(round = 0; round < 20; round++){
		pattern(data, len, (unsigned)(6000 + round));
		for(i = 0; i < n; i++)
			cmdframe(&many[i], 0x34, 0, served(), 9000 + (uint64_t)(i * 20), data, len);
		if(!burst(many, got, n))
			return 0;
		for(i = 0; i < n; i++)
			if(!burstok(i, NULL, 0))
				return 0;
	}
	return 1;
}

void
ordergroup(void)
{
	int i, good;

	for(good = 1, i = 0; i < 10 && good; i++)
		good = interleaved();
	test(good, "of writes to one place in one burst, each read sees the one before it");
	for(good = 1, i = 0; i < 10 && good; i++)
		good = staggered();
	test(good, "writes that overlap in part take effect in the order they came");
	test(mixed(), "TRIM and FLUSH CACHE keep their place among reads and writes");
	test(neighbours(0x34, 1) && neighbours(0x24, 1),
		"neighbouring requests in rising order are all served");
	test(neighbours(0x34, -1) && neighbours(0x24, -1),
		"neighbouring requests in falling order are all served");
	test(badamong(), "a bad request among neighbours fails alone");
	test(fullwindow(), "no request of a burst of %d full frames is lost", burstsize());
}

/*
 * Other exports.
 */

void
readonlygroup(void)
{
	uint8_t list[Secsize];
	uint64_t sum;
	size_t i;
	Frame q;
	int good;

	sum = imghash();
	memset(list, 0, sizeof list);
	entry(list, 0, 1, 1);
	test(readsright(0x24, 77, 1), "a read-only export is read");
	for(good = 1, i = 0; i < NELEM(writes) && good; i++){
		cmdframe(&q, writes[i], 0, 1, 5, list, Secsize);
		good = fails(&q, Xabrt);
	}
	test(good, "every write to a read-only export is aborted");
	cmdframe(&q, 0x06, 1, 1, 0, list, Secsize);
	test(fails(&q, Xabrt), "TRIM of a read-only export is aborted");
	cmdframe(&q, 0x34, 0, 1, 5, list, Secsize - 1);
	test(refused(&q, Ebadarg), "the payload is judged before read-only");
	cmdframe(&q, 0x34, 0, 1, nsect, list, Secsize);
	test(fails(&q, Xabrt), "read-only is judged before the range");
	cmdframe(&q, 0xEA, 0, 0, 0, NULL, 0);
	test(succeeds(&q, NULL, 0), "FLUSH CACHE of a read-only export succeeds");
	test(getident() && words(100, 4) == nsect, "IDENTIFY of a read-only export gives its size");
	test(imghash() == sum, "the image is untouched");
}

/* An export of some sectors of a file: all others are out of reach. */
void
windowgroup(void)
{
	static uint8_t before[Secsize], after[Secsize];
	int good;
	Frame q;

	test(getident() && words(100, 4) == nsect && words(60, 2) == nsect,
		"the size is the length given");
	test(readsright(0x24, 0, 2) && readsright(0x20, nsect - 1, 1),
		"LBA 0 is the first sector after the offset");
	test(writesright(0x34, 0, 2) && writesright(0x30, nsect - 1, 1),
		"writes land behind the offset");
	imgread(nsect, before, 1);
	memset(after, 0x33, sizeof after);
	cmdframe(&q, 0x34, 0, 1, nsect, after, Secsize);
	good = harmless(&q, Xidnf);
	cmdframe(&q, 0x24, 0, 1, nsect, NULL, 0);
	good = good && fails(&q, Xidnf);
	cmdframe(&q, 0x24, 0, 2, nsect - 1, NULL, 0);
	good = good && fails(&q, Xidnf);
	imgread(nsect, after, 1);
	test(good && memcmp(before, after, Secsize) == 0,
		"what lies behind the export can't be reached");
	cmdframe(&q, 0x34, 0, 1, Lba48max, before, Secsize);
	good = harmless(&q, Xidnf);
	cmdframe(&q, 0x24, 0, 1, Lba48max, NULL, 0);
	test(good && fails(&q, Xidnf), "what lies before the export can't be reached by wrapping");
	native();
}

/* An export larger than 28 bits of LBA, and than 32. */
void
largegroup(void)
{
	Frame q;

	test(getident() && words(100, 4) == nsect, "words 100-103 hold a capacity beyond 32 bits");
	test(words(60, 2) == Lba28max, "words 60-61 stop at 28 bits");
	test(writesright(0x34, nsect - 2, 2) && readsright(0x24, nsect - 2, 2),
		"48 bits reach the last sector");
	test(writesright(0x34, ((uint64_t)1 << 32) - 1, 2)
		&& readsright(0x25, ((uint64_t)1 << 32) - 1, 2),
		"a request may cross 2^32");
	test(writesright(0x30, Lba28max, 1) && readsright(0x20, Lba28max, 1),
		"28 bits reach their last sector");
	pattern(data, Secsize, 4711);
	cmdframe(&q, 0x30, 0, 1, 0xEFABCDE1, data, Secsize);
	test(lands(&q, 0xFABCDE1, 1), "the high nibble of LBA byte 3 is no part of the address");
	test(readsright(0x20, 0, 1), "sector 0 is not confused with sector 2^32");
	native();
}
