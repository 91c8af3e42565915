/*
 * Unit tests of ata.c: every command in the head of ata.c, by the frames that
 * carry it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "unit.h"

static uchar id[Sector];

/* IDENTIFY DEVICE into id.  The answer must be whole and its sum right. */
static int
identify(uint count, uint payload)
{
	static uchar f[Framemax];
	uchar *a, sum = 0;
	uint alen;
	int i;

	memset(f, 0xed, sizeof f);
	atarequest(f, 0xec, 0, count, 0xa0000000);
	a = ask(f, Odata + payload, &alen);
	if(!isheader(a, f, 0) || alen != Odata + Sector || a[27] != 0x40 || a[25] != 0 || a[26] != 0
		|| memcmp(a + 28, f + 28, 6) != 0)
		return 0;
	memcpy(id, a + Odata, Sector);
	for(i = 0; i < Sector; i++)
		sum = (uchar)(sum + id[i]);
	return sum == 0 && id[510] == 0xa5;
}

static uint
idword(int w)
{
	return (uint)(id[2 * w] | id[2 * w + 1] << 8);
}

static uvlong
idsize(void)
{
	return idword(100) | (uvlong)idword(101) << 16 | (uvlong)idword(102) << 32 | (uvlong)idword(103) << 48;
}

static int
idstring(int w, int nword, const char *want)
{
	char s[41];
	int i;

	for(i = 0; i < 2 * nword; i++)
		s[i] = (char)id[2 * w + (i ^ 1)];
	s[i] = 0;
	while(i > 0 && s[i-1] == ' ')
		s[--i] = 0;
	return strcmp(s, want) == 0;
}

/* As the disk says it is so large; no memory stands behind it. */
static int
sizes(uvlong n)
{
	uchar f[Framemin], *a;
	uvlong last = 0;
	uint alen;
	int i;

	disk.size = n * Sector + 511;
	if(bufinit(0, 0) < 0 || bufsize() != n || !identify(1, 0))
		return 0;
	if(idsize() != n
		|| (idword(60) | idword(61) << 16) != (n < 0x0fffffff ? (uint)n : 0x0fffffff))
		return 0;
	atarequest(f, 0x27, 0, 0, 0);
	a = ask(f, Odata, &alen);
	if(!isata(a, alen, f, 0x40, 0, 0))
		return 0;
	for(i = 5; i >= 0; i--)
		last = last << 8 | a[28 + i];
	if(last != n - 1)
		return 0;
	/* With 28 bits, the Device register's half of byte 31 comes back. */
	atarequest(f, 0xf8, 0, 0, 0xe0000000);
	a = ask(f, Odata, &alen);
	if(!isata(a, alen, f, 0x40, 0, 0))
		return 0;
	last = a[28] | (uint)a[29] << 8 | (uint)a[30] << 16 | (uint)(a[31] & 0x0f) << 24;
	return a[31] >> 4 == 0xe && a[32] == 0 && a[33] == 0
		&& last == (n < 0x0fffffff ? n : 0x0fffffff) - 1;
}

static void
words(void)
{
	target("", Bufsec, 1500);
	test(identify(1, 0), "IDENTIFY answers 512 bytes with a good checksum");
	test(idword(0) == 0x0040, "word 0 is 0x0040");
	test(idstring(10, 10, "9.4:unit"), "words 10 to 19 are the serial number");
	test(idstring(23, 4, VERSION), "words 23 to 26 are the version");
	test(!idstring(27, 20, ""), "words 27 to 46 are a model's name");
	test((idword(49) & 0x0300) == 0x0300 && idword(50) == 0x4000 && idword(47) >> 8 == 0x80,
		"words 47, 49 and 50: LBA and DMA");
	test((idword(53) & 7) == 7, "word 53: words 54 to 58, 64 to 70 and 88 hold");
	test((idword(80) & 0x0010) && (idword(80) & 0x8001) == 0, "word 80: ATA-4 and later");
	test((idword(82) & 0x0021) == 0x0021, "word 82: SMART and write cache");
	test((idword(83) & 0x3400) == 0x3400 && idword(83) >> 14 == 1,
		"word 83: 48-bit addresses, flush and flush ext");
	test((idword(84) & 0x0041) == 0x0041 && idword(84) >> 14 == 1,
		"word 84: FUA and SMART error log");
	test((idword(85) & 0x0021) == 0x0021, "word 85: SMART and write cache are enabled");
	test((idword(86) & 0x3400) == 0x3400, "word 86: 48-bit addresses, flush and flush ext");
	test((idword(87) & 0x0041) == 0x0041 && idword(87) >> 14 == 1, "word 87: FUA");
	test(idword(93) >> 14 == 1, "word 93 holds");
	test(idword(105) == 1 && (idword(169) & 1), "words 105 and 169: TRIM");
	test(idword(106) == 0x4000 && idword(209) == 0x4000,
		"words 106 and 209: sectors of 512 bytes, aligned");
	test(idword(217) == 0, "word 217: the rotation rate is not known");
	disk.rotation = 1;
	test(identify(1, 0) && idword(217) == 1, "word 217: a disk that doesn't rotate");
	disk.rotation = 0;
}

static void
alignments(void)
{
	uint size, off, log, wrong = 0;

	target("", 1024, 1500);
	for(log = 0; log <= 4; log++)
		for(off = 0; off < 20; off++){
			size = 1U << log;
			disk.physical = size * Sector;
			bufinit(off, 0);
			if(!identify(1, 0) || idword(106) != (log > 0 ? 0x6000 | log : 0x4000)
				|| idword(209) != (0x4000 | off % size)){
				printf("# physical sectors of %u, offset %u: words %04x and %04x\n",
					size * Sector, off, idword(106), idword(209));
				wrong++;
			}
		}
	test(wrong == 0,
		"words 106 and 209 for physical sectors of 512 to 8192 bytes and every offset");
}

void
identifytests(void)
{
	static const uvlong size[] = {
		1, 63, 16 * 63 - 1, 16 * 63, 0x0ffffffe, 0x0fffffff, 0x10000000, 0x10000001,
		0xffffffff, 0x100000000, 0x100000001, 6442450944, 0xffffffffffff,
	};
	uint i;

	words();
	test(identify(0, 0) && identify(255, 0) && identify(2, 0), "any count does");
	test(identify(1, 512) && identify(1, 1464), "data that comes along is ignored");
	for(i = 0; i < sizeof size / sizeof size[0]; i++)
		test(sizes(size[i]),
			"a disk of %llu sectors says so in words 60, 61 and 100 to 103, and by READ NATIVE MAX ADDRESS", size[i]);
	alignments();
	target("-r", Bufsec, 1500);
	test(identify(1, 0) && idword(105) == 0 && (idword(169) & 1) == 0,
		"a read-only disk offers no TRIM");
	target("-s", Bufsec, 1500);
	test(identify(1, 0) && (idword(85) & 0x20) == 0, "with -s the write cache is off");
	target("-o 3 -l 7", Bufsec, 576);
	test(identify(1, 0) && idsize() == 7 && (idword(60) | idword(61) << 16) == 7,
		"with -o and -l, and at MTU 576");
	target("", Bufsec, 1500);
	disk.size = 511;
	test(bufinit(0, 0) < 0, "less than a sector can't be exported");
	disk.size = 20 * Sector;
	test(bufinit(20, 0) < 0 && bufinit(21, 0) < 0 && bufinit(0, 21) < 0 && bufinit(19, 2) < 0
		&& bufinit(1, 0xffffffffffffffffULL) < 0
		&& bufsize() == Bufsec, "nor more than there is, and a refusal changes nothing");
	test(bufinit(19, 0) == 0 && bufsize() == 1 && bufinit(0, 20) == 0 && bufsize() == 20,
		"all of it can, and its last sector");
}

/* Transfers. */

enum { Data = 8192 };
static uchar data[Data];

/* The answer to n sectors read at lba into data; 1 when it is right. */
static int
readsecs(uint cmd, uint n, uvlong lba)
{
	uchar f[Framemin], *a;
	uint alen;

	atarequest(f, cmd, 0, n, lba);
	f[24] = (uchar)rnd(256);	/* no flag matters */
	a = ask(f, Odata, &alen);
	if(!isheader(a, f, 0) || alen != Odata + n * Sector || a[24] != f[24] || a[25] != 0
		|| a[26] != 0 || a[27] != 0x40 || memcmp(a + 28, f + 28, 8) != 0)
		return 0;
	memcpy(data, a + Odata, n * Sector);
	return 1;
}

static uchar*
askwrite(uchar *f, uint *alen, uint cmd, uint n, uvlong lba, uint payload)
{
	uint i;

	for(i = 0; i < sizeof data; i++)
		data[i] = (uchar)rnd(256);
	atarequest(f, cmd, 0, n, lba);
	f[24] = (uchar)rnd(256);
	memcpy(f + Odata, data, payload);
	return ask(f, Odata + payload, alen);
}

static int
writesecs(uint cmd, uint n, uvlong lba)
{
	static uchar f[Odata + Data];
	uint alen;
	uchar *a = askwrite(f, &alen, cmd, n, lba, n * Sector);

	return isata(a, alen, f, 0x40, 0, 0);
}

static int
ondisk(uvlong lba, uint n)
{
	return memcmp(mem.image + lba * Sector, data, n * Sector) == 0;
}

static void
transfers(void)
{
	static const uchar reads[] = { 0x20, 0x21, 0xc8, 0x24, 0x25 };
	static const uchar writes[] = { 0x30, 0x31, 0xca, 0x34, 0x35, 0x3d };
	uint i, ext;

	for(i = 0; i < sizeof reads; i++){
		target("", Bufsec, 1500);
		mempattern(0, Bufsec, i);
		ext = i >= 3;
		test(readsecs(reads[i], 2, 5) && ondisk(5, 2) && readsecs(reads[i], 1, Bufsec - 1)
			&& ondisk(Bufsec - 1,
			1), "command 0x%02x reads, whatever AFlags says", reads[i]);
		test(readsecs(reads[i], 1, 0xe0000007) == !ext, "and its LBA has %d bits",
			ext ? 48 : 28);
		if(!ext)
			test(readsecs(reads[i], 1, 0xffffe0000007ULL) && ondisk(7, 1),
				"so that two bytes of the LBA don't matter");
	}
	for(i = 0; i < sizeof writes; i++){
		target("", Bufsec, 1500);
		ext = i >= 3;
		test(writesecs(writes[i], 2, 5) && ondisk(5, 2)
			&& writesecs(writes[i], 1, Bufsec - 1)
			&& ondisk(Bufsec - 1, 1), "command 0x%02x writes", writes[i]);
		test(zeros(mem.image, 5 * Sector)
			&& zeros(mem.image + 7 * Sector,
			(Bufsec - 8) * Sector), "and nothing else");
		test(writesecs(writes[i], 1, 0xe0000007) == !ext, "its LBA has %d bits",
			ext ? 48 : 28);
		test(mem.unstable == 0 ? writes[i] == 0x3d : writes[i] != 0x3d, "and it is %s",
			writes[i] == 0x3d ? "on stable storage" : "not synced");
	}
}

static void
limits(void)
{
	static const int mtus[] = { Minmtu, 576, 1500, 1560, 4200, 9000, MAX_MTU };
	static uchar f[Framemax + 600];
	uint i, n, alen;
	uchar *a;

	for(i = 0; i < sizeof mtus / sizeof mtus[0]; i++){
		n = (uint)(mtus[i] - 22) / Sector;
		target("", Bufsec, mtus[i]);
		mempattern(0, Bufsec, 3);
		test((n * Sector > Data || readsecs(0x24, n, 1)) && failswith(0x24, 0, n + 1, 0, 4),
			"at MTU %d %u sectors can be read and no more", mtus[i], n);
	}
	target("", Bufsec, 1500);
	test(failswith(0x20, 0, 0, 0, 4) && failswith(0x24, 0, 0, 0, 4)
		&& failswith(0x30, 0, 0, 0, 4)
		&& failswith(0x34, 0, 0, 0, 4), "a count of 0 is the largest, and aborts");
	test(failswith(0x30, 0, 3, 0, 4), "more sectors written than a frame holds abort");
	a = askwrite(f, &alen, 0x30, 2, 0, 1023);
	test(isrefusal(a, alen, f, 2),
		"a write with a byte less than it should have is refused with error 2");
	a = askwrite(f, &alen, 0x30, 2, 0, 0);
	test(isrefusal(a, alen, f, 2), "and one without data");
	a = askwrite(f, &alen, 0x30, 1, 0, 1024);
	test(isata(a, alen, f, 0x40, 0, 0) && ondisk(0, 1)
		&& zeros(mem.image + Sector,
		(Bufsec - 1) * Sector), "data beyond the count is not written");
	memset(mem.image, 0, Bufsec * Sector);
	test(failswith(0x20, 0, 1, Bufsec, 0x10) && failswith(0x20, 0, 2, Bufsec - 1, 0x10)
		&& failswith(0x30, 0, 2, Bufsec - 1, 0x10)
		&& failswith(0x24, 0, 1, 0xffffffffffffULL, 0x10)
			&& failswith(0x34, 0, 2, 0xffffffffffffULL, 0x10)
		&& failswith(0x24, 0, 1, 0x100000000ULL, 0x10)
			&& failswith(0x20, 0, 1, 0x0fffffff, 0x10)
		&& failswith(0x42, 0, 2, Bufsec - 1, 0x10)
			&& failswith(0x40, 0, 0, 0,
			0x10), "beyond the end the address is not found");
	test(zeros(mem.image, Bufsec * Sector), "and nothing is written");
	test(succeeds(0x40, 0, 1, 0) && succeeds(0x41, 0, 0x20, 5) && succeeds(0x42, 0, Bufsec, 0),
		"READ VERIFY takes more than a frame holds");
	target("", 70000, 1500);
	test(succeeds(0x42, 0, 0, 70000 - 65536) && succeeds(0x40, 0, 0, 70000 - 256)
		&& failswith(0x42, 0, 0, 70000 - 65535, 0x10), "and a count of 0, as 65536 or 256");
	target("-r", Bufsec, 1500);
	test(failswith(0x30, 0, 1, 0, 4) && failswith(0x34, 0, 1, 0, 4)
		&& failswith(0x06, 1, 1, 0, 4) && readsecs(0x20, 1, 0)
		&& succeeds(0xe7, 0, 0, 0), "a read-only disk aborts writes and trims");
}

static void
diskerrors(void)
{
	static uchar f[Odata + Data];
	uchar *a;
	uint alen;
	uvlong lba = 0;
	int i;

	target("-o 3", Bufsec, 9000);
	memfault(Mread, 3 + 20, 2, EIO, 0);
	atarequest(f, 0x24, 0, 8, 16);
	f[24] = 0x40;
	a = ask(f, Odata, &alen);
	for(i = 5; a != NULL && i >= 0; i--)
		lba = lba << 8 | a[28 + i];
	test(isata(a, alen, f, 0x41, 0x40, 8) && lba == 20,
		"a read error answers UNC, with the first bad sector's LBA and no data");
	atarequest(f, 0x20, 0, 8, 0xe0000010);
	a = ask(f, Odata, &alen);
	test(isata(a, alen, f, 0x41, 0x40, 8) && a[28] == 20 && a[29] == 0 && a[30] == 0
		&& a[31] == 0xe0, "with 28 bits, the Device register's bits come back");
	atarequest(f, 0x42, 0, 30, 0);
	a = ask(f, Odata, &alen);
	test(isata(a, alen, f, 0x41, 0x40, 30) && a[28] == 20, "READ VERIFY finds the same sector");
	test(readsecs(0x24, 4, 16) && readsecs(0x24, 4, 22), "the sectors around it can be read");
	memheal();
	test(readsecs(0x24, 8, 16), "and when the disk is well again, so can all");
	memfault(Mwrite, 3 + 20, 1, ENOSPC, 0);
	test(failswith(0x34, 0, 8, 16, 0), "a write error answers device fault");
	test(writesecs(0x34, 4, 16) && writesecs(0x34, 4, 21),
		"the sectors around it can be written");
	memheal();
	memfault(Mtrim, 3 + 20, 1, EIO, 0);
	memset(f, 0, sizeof f);
	atarequest(f, 0x06, 1, 1, 0);
	f[Odata] = 20;
	f[Odata + 6] = 1;
	a = ask(f, Odata + Sector, &alen);
	test(isata(a, alen, f, 0x61, 0, 1), "so does a trim error");
	memheal();
	mem.eof = Mpage;	/* 8 sectors, of which 5 are ours */
	a = (atarequest(f, 0x24, 0, 8, 4), ask(f, Odata, &alen));
	test(isata(a, alen, f, 0x41, 0x40, 8) && a[28] == 5,
		"a file that has shrunk reads like a disk with bad sectors");
}

/* Trim. */

static uint
trimframe(uchar *f, const uvlong (*r)[2], uint n, uint count)
{
	uint i, j;

	memset(f, 0, Odata + 2 * Sector);
	atarequest(f, 0x06, 1, count, 0);
	for(i = 0; i < n; i++)
		for(j = 0; j < 8; j++)
			f[Odata + 8 * i + j] = (uchar)(j < 6 ? r[i][0] >> 8 * j : r[i][1] >> 8 * (j - 6));
	return Odata + count * Sector;
}

/*
 * Ranges that overlap, in any order; each sector is trimmed once.
 */
static void
manyranges(void)
{
	static uchar f[Framemax];
	uchar want[Bufsec] = { 0 }, *a;
	uvlong r[64][2], total = 0;
	uint alen, i, j, n, wrong = 0;
	int k;

	for(k = 0; k < 50; k++){
		mempattern(0, Bufsec, (uint)k);
		memset(want, 0, sizeof want);
		memcalls();
		n = 1 + rnd(64);
		for(i = 0; i < n; i++){
			r[i][1] = rnd(5);
			r[i][0] = rnd(Bufsec - 4);
			for(j = 0; j < r[i][1]; j++)
				want[r[i][0] + j] = 1;
		}
		a = ask(f, trimframe(f, r, n, 1), &alen);
		wrong += !isata(a, alen, f, 0x40, 0, 0);
		for(i = 0; i < Bufsec; i++){
			wrong += zeros(mem.image + i * Sector, Sector) != want[i];
			total += want[i];
		}
		for(i = 0; i < (uint)mem.ncall; i++)
			total -= mem.call[i].len / Sector;
	}
	test(wrong == 0 && total == 0,
		"ranges that overlap or are out of order, and each sector is trimmed once");
}

static void
trims(void)
{
	static const uvlong good[][2] = { { 2, 3 }, { 5, 4 }, { 0xffffff, 0 }, { 30, 1 },
		{ 63, 1 } };
	static const uvlong beyond[][2] = { { 2, 3 }, { 63, 2 } };
	static const uvlong far[][2] = { { 2, 3 }, { 0xffffffffffff, 0xffff } };
	static uchar f[Framemax], before[Bufsec * Sector];
	uint alen, i, n, wrong = 0;
	uchar *a;

	target("", Bufsec, 1500);
	mempattern(0, Bufsec, 9);
	memcpy(before, mem.image, sizeof before);
	n = trimframe(f, beyond, 2, 1);
	a = ask(f, n, &alen);
	test(isata(a, alen, f, 0x41, 0x10, 1) && memcmp(mem.image, before, sizeof before) == 0,
		"a trim with one range beyond the end does nothing");
	n = trimframe(f, far, 2, 1);
	a = ask(f, n, &alen);
	test(isata(a, alen, f, 0x41, 0x10, 1) && memcmp(mem.image, before, sizeof before) == 0,
		"nor one with a range at the end of all addresses");
	n = trimframe(f, good, 5, 1);
	f[25] = 0;
	a = ask(f, n, &alen);
	test(isata(a, alen, f, 0x41, 4, 1), "DATA SET MANAGEMENT without the TRIM bit aborts");
	n = trimframe(f, good, 5, 2);
	a = ask(f, n - 1, &alen);
	test(isrefusal(a, alen, f, 2),
		"a trim with less data than its count is refused with error 2");
	test(failswith(0x06, 1, 0, 0, 4) && failswith(0x06, 1, 3, 0, 4)
		&& memcmp(mem.image, before, sizeof before) == 0, "more than a frame holds aborts");
	memcalls();
	n = trimframe(f, good, 5, 1);
	a = ask(f, n, &alen);
	for(i = 0; i < Bufsec; i++)
		if(((i >= 2 && i < 9) || i == 30 || i == 63) != zeros(mem.image + i * Sector,
			Sector)
		|| (!zeros(mem.image + i * Sector, Sector)
			&& memcmp(mem.image + i * Sector, before + i * Sector, Sector) != 0))
			wrong++;
	test(isata(a, alen, f, 0x40, 0, 0) && wrong == 0,
		"trimmed sectors read as zeros, and no others");
	test(mem.ncall == 3 && mem.call[0].len == 7 * Sector,
		"neighbouring ranges are trimmed in one");
	manyranges();
	test(mem.unstable > 0, "a trim is not synced");
	target("-s", Bufsec, 1500);
	n = trimframe(f, good, 5, 1);
	a = ask(f, n, &alen);
	test(isata(a, alen, f, 0x40, 0, 0) && mem.unstable == 0, "with -s it is");
}

/* SMART, SET FEATURES and the rest. */

static uchar*
smart(uint feature, uvlong lba, uint *alen)
{
	static uchar f[Framemin];
	uchar *a;

	atarequest(f, 0xb0, feature, 1, lba);
	a = ask(f, Odata, alen);
	return isheader(a, f, 0) && memcmp(a + 28, f + 28, 6) == 0 ? a : NULL;
}

static int
smartok(uint feature, uint log, int summed, int empty)
{
	uint alen, i;
	uchar *a = smart(feature, 0xc24f00 | log, &alen), sum = 0;

	if(a == NULL || alen != Odata + Sector || a[25] != 0 || a[27] != 0x40)
		return 0;
	for(i = 0; i < Sector; i++)
		sum = (uchar)(sum + a[Odata + i]);
	return (!summed || sum == 0) && zeros(a + Odata, Sector) == empty;
}

static int
smartaborts(uint feature, uvlong lba)
{
	uint alen;
	uchar *a = smart(feature, lba, &alen);

	return a != NULL && alen == Odata + Sector && a[25] == 4 && a[27] == 0x41
		&& zeros(a + Odata, Sector);
}

static void
smarts(void)
{
	uint i, n = 0;

	target("", Bufsec, 1500);
	test(smartok(0xd0, 0, 1, 0), "SMART READ DATA answers a page with a checksum");
	test(smartok(0xd1, 0, 1, 0), "so does READ THRESHOLDS");
	test(smartok(0xd5, 0, 0, 0), "SMART READ LOG: the directory");
	test(smartok(0xd5, 1, 1, 0) && smartok(0xd5, 6, 1, 0),
		"SMART READ LOG: errors and self-tests");
	test(smartaborts(0xd5, 0xc24f02) && smartaborts(0xd5, 0xc24fff),
		"SMART READ LOG: no others");
	test(smartok(0xd4, 0, 0, 1) && smartok(0xda, 0, 0, 1),
		"off-line immediate, and the status that all is well, answer 512 zeros");
	test(smartok(0xd9, 0, 0, 1) && identify(1, 0) && !(idword(85) & 1) && (idword(82) & 1)
		&& smartok(0xd8, 0, 0, 1) && identify(1, 0) && (idword(85) & 1),
		"SMART disable and enable show in IDENTIFY");
	test(smartaborts(0xda, 0xc24e00) && smartaborts(0xda, 0xc34f00) && smartaborts(0xd0, 0),
		"without its key SMART aborts");
	for(i = 0; i < 256; i++)
		if(i < 0xd0 || i > 0xda || i == 0xd2 || i == 0xd3 || i == 0xd6 || i == 0xd7)
			n += (uint)smartaborts(i, 0xc24f00);
	test(n == 256 - 7, "every other subcommand aborts");
}

/*
 * A batch of writes; returns how many were answered with success.
 */
static int
writebatch(int n)
{
	static uchar f[Odata + Sector];
	uchar *a;
	uint alen;
	int i, good = 0;

	for(i = 0; i < n; i++){
		atarequest(f, 0x34, 0, 1, (uint)i * 3);
		memput(&nic, f, sizeof f);
	}
	memturn(&nic);
	while((a = memget(&nic, &alen)) != NULL)
		good += a[27] == 0x40 && alen == Framemin;
	return good;
}

static void
features(void)
{
	uint i, n = 0;

	target("", Bufsec, 1500);
	test(succeeds(0xef, 0x03, 0x46, 0), "SET FEATURES takes a transfer mode");
	for(i = 0; i < 256; i++)
		if(i != 2 && i != 3 && i != 0x82)
			n += (uint)failswith(0xef, i, 0, 0, 4);
	test(n == 256 - 3, "and aborts whatever it doesn't know");
	test(writebatch(5) == 5 && mem.count[Msync] == 0,
		"with the write cache on writes are not synced");
	test(succeeds(0xef, 0x82, 0, 0) && identify(1, 0) && !(idword(85) & 0x20),
		"the write cache can be switched off");
	test(mem.unstable == 0, "what was written before is stable then");
	mem.count[Msync] = 0;
	test(writebatch(5) == 5 && mem.unstable == 0, "and each write when it is answered");
	test(mem.count[Msync] == 1, "and a batch of them takes one sync");
	test(succeeds(0xef, 0x02, 0, 0) && identify(1, 0) && (idword(85) & 0x20)
		&& writebatch(5) == 5 && mem.unstable > 0, "and on again");
	target("-s", Bufsec, 1500);
	test(writebatch(5) == 5 && mem.unstable == 0,
		"with -s every write is stable when it is answered");
	test(failswith(0xef, 0x02, 0, 0, 4) && writebatch(5) == 5 && mem.unstable == 0
		&& identify(1, 0)
		&& !(idword(85) & 0x20), "and the write cache can't be switched on");
}

static void
rest(void)
{
	static const uchar nothing[] = { 0xe0, 0xe1, 0xe2, 0xe3, 0xe6 };
	static const uchar known[] = { 0x06, 0x20, 0x21, 0x24, 0x25, 0x27, 0x30, 0x31, 0x34, 0x35,
		0x3d, 0x40, 0x41, 0x42, 0xb0, 0xc8, 0xca, 0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xef, 0xf8 };
	uchar f[Framemin], *a;
	uint alen, i, n = 0;

	target("", Bufsec, 1500);
	for(i = 0; i < sizeof nothing; i++)
		test(succeeds(nothing[i], 1, 0, 0), "command 0x%02x succeeds", nothing[i]);
	atarequest(f, 0xe5, 0, 0, 0);
	a = ask(f, Odata, &alen);
	test(isata(a, alen, f, 0x40, 0, 0xff), "CHECK POWER MODE says active");
	memcalls();
	for(i = 0; i < 256; i++)
		if(memchr(known, (int)i, sizeof known) == NULL)
			n += (uint)failswith(i, 1, 1, 0, 4);
	test(n == 256 - sizeof known && mem.ncall == 0,
		"every other command aborts and leaves the disk alone");
	test(writebatch(3) == 3 && mem.unstable > 0 && succeeds(0xe7, 0, 0, 0) && mem.unstable == 0
		&& mem.count[Msync] == 1, "FLUSH CACHE syncs");
	test(writebatch(3) == 3 && mem.unstable > 0 && succeeds(0xea, 0, 0, 0) && mem.unstable == 0
		&& mem.count[Msync] == 2, "FLUSH CACHE EXT syncs");
}

void
atatests(void)
{
	transfers();
	limits();
	diskerrors();
	trims();
	smarts();
	features();
	rest();
}
