/*
 * Tests with the frames of the initiators in use: which fields each sets,
 * and what it needs back.  Where an initiator does not pad, these frames
 * are not padded either.
 */
#include <stdio.h>
#include <string.h>
#include "initiator.h"
#include "wire.h"

#define NELEM(x) (sizeof(x) / sizeof(x)[0])

static uint8_t disk[64 * Secsize];
static uint8_t zero[64 * Secsize];

/* A config query, all zeros but for what is given. */
static void
query(Frame *q, const uint8_t *dst, int shelf, int slot, uint32_t tag)
{
	mkframe(q, &net, dst, shelf, slot, Cconfig, tag);
	addzero(q, 8);
}

/* An ATA request, its registers one by one. */
static void
request(Frame *q, uint32_t tag, int aflags, int cmd, int count, uint64_t lba, const void *p,
	size_t n)
{
	cmdframe(q, cmd, 0, count, lba, p, n);
	q->b[Oaflags] = (uint8_t)aflags;
	put32(q->b + Otag, tag);
}

static int
identified(const Frame *q)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	if(f.n != Odata + Secsize)
		return why("%zu bytes", f.n);
	atareply(&want, q);
	addn(&want, f.b + Odata, Secsize);
	return same(&want, &f);
}

/* q writes count sectors of p at lba, and they are in the image. */
static int
written(const Frame *q, uint64_t lba, const uint8_t *p, int count)
{
	uint8_t now[64 * Secsize];

	if(!succeeds(q, NULL, 0))
		return 0;
	imgread(lba, now, count);
	return memcmp(now, p, (size_t)count * Secsize) == 0
		|| why("the image does not have the data");
}

static void
linuxdriver(void)
{
	uint8_t p[32 * Secsize];
	int n, good;
	size_t len;
	Frame q;

	query(&q, broadcast, Allshelves, Allslots, 0);
	test(configis(&q, 0, NULL, 0), "Linux: 32-byte config query with wildcards and tag 0");
	query(&q, broadcast, t.shelf, t.slot, 0);
	test(configis(&q, 0, NULL, 0), "Linux: the same for one shelf and slot");
	request(&q, 0x0001FFA3, 0, 0xEC, 1, 0xA0000000, NULL, 0);
	test(identified(&q), "Linux: 36-byte IDENTIFY");
	n = advertised();
	len = (size_t)n * Secsize;
	imgread(128, disk, n);
	request(&q, 0x0002FFA3, Aext, 0x24, n, 128, NULL, 0);
	test(succeeds(&q, disk, len), "Linux: READ EXT of %d sectors", n);
	pattern(p, len, 11);
	request(&q, 0x0003FFA4, Aext | Awrite, 0x34, n, 128, p, len);
	good = written(&q, 128, p, n);
	request(&q, 0x0004FFA4, Aext | Awrite, 0x34, n, 128, p, len);
	test(good && written(&q, 128, p, n),
		"Linux: WRITE EXT of %d sectors, and again with a new tag", n);
	request(&q, 0x0005FFA4, 0, 0x20, 1, 0xE0000080, NULL, 0);
	good = succeeds(&q, p, Secsize);
	request(&q, 0x0006FFA4, Awrite, 0x30, 1, 0xE0000081, p, Secsize);
	test(good && written(&q, 129, p, 1), "Linux: READ and WRITE with 28 bits of LBA");
	imgread(0, disk, n);
	request(&q, 0x0007FFA5, Aext, 0x24, n, 0, zero, len);
	test(succeeds(&q, disk, len), "Linux: path probe, a READ EXT with as many zeros attached");
}

static void
ipxe(void)
{
	uint8_t p[2 * Secsize];
	Frame q;
	int good;

	query(&q, broadcast, t.shelf, t.slot, 0x18AE0001);
	test(configis(&q, 0, NULL, 0), "iPXE: config query to broadcast, for one shelf and slot");
	request(&q, 0x18AE0002, 0, 0xEC, 1, 0xE0000000, NULL, 0);
	test(identified(&q), "iPXE: IDENTIFY");
	imgread(63, disk, 2);
	request(&q, 0x18AE0003, Aext, 0x24, 2, 63, NULL, 0);
	test(succeeds(&q, disk, 2 * Secsize) && succeeds(&q, disk, 2 * Secsize),
		"iPXE: READ EXT, and again with the same tag");
	request(&q, 0x18AE0004, 0, 0x20, 2, 0xE000003F, NULL, 0);
	good = succeeds(&q, disk, 2 * Secsize);
	pattern(p, sizeof p, 21);
	request(&q, 0x18AE0005, Awrite, 0x30, 2, 0xE000003F, p, sizeof p);
	test(good && written(&q, 63, p, 2), "iPXE: READ and WRITE with 28 bits of LBA");
}

static void
plan9(void)
{
	uint8_t p[32 * Secsize];
	size_t len;
	int n, good;
	Frame q;

	query(&q, broadcast, Allshelves, Allslots, 0x80000042);
	pad(&q, Ethermin);
	test(configis(&q, 0, NULL, 0), "9front: config query padded to 60 bytes");
	cfgframe(&q, Qforce, "plan9", 5);
	pad(&q, Ethermin);
	good = configis(&q, 0, "plan9", 5);
	cfgframe(&q, Qforce, NULL, 0);
	pad(&q, Ethermin);
	test(good && configis(&q, 0, NULL, 0), "9front: unicast force set of the config string");
	n = advertised();
	len = (size_t)n * Secsize;
	imgread(256, disk, n);
	request(&q, 0x00420001, Aext, 0x24, n, 256, NULL, 0);
	good = succeeds(&q, disk, len);
	request(&q, 0x00420001, Aext, 0x24, 1, 256, NULL, 0);
	good = good && succeeds(&q, disk, Secsize);
	request(&q, 0x00420001, Aext, 0x24, 1, 257, NULL, 0);
	test(good && succeeds(&q, disk + Secsize, Secsize),
		"9front: a read sent again with the same tag and a smaller count, then continued");
	pattern(p, len, 31);
	request(&q, 0x00420002, Aext | Awrite, 0x34, n, 256, p, len);
	good = written(&q, 256, p, n);
	pattern(p, 2 * Secsize, 32);
	request(&q, 0x00420002, Aext | Awrite, 0x34, 2, 256, p, 2 * Secsize);
	test(good && written(&q, 256, p, 2),
		"9front: a write sent again with the same tag, a smaller count and other data");
}

static void
winaoe(void)
{
	uint8_t p[2 * Secsize];
	int n, good;
	Frame q;

	request(&q, 1, 0, 0xEC, 1, 0, NULL, 0);
	setdst(&q, broadcast);
	setaddr(&q, Allshelves, Allslots);
	test(identified(&q), "WinAoE: discovery by a broadcast IDENTIFY with wildcards");
	request(&q, 2, Aext, 0xEC, 1, 0, NULL, 0);
	setdst(&q, broadcast);
	test(identified(&q), "WinAoE: mounting by a broadcast IDENTIFY for one shelf and slot");
	for(good = 1, n = 2; n <= (net.mtu - 22) / Secsize && good; n++){
		imgread(0, disk, n);
		request(&q, (uint32_t)n, Aext, 0x24, n, 0, NULL, 0);
		good = succeeds(&q, disk, (size_t)n * Secsize);
	}
	test(good, "WinAoE: the MTU probe reads up to %d sectors", n - 1);
	request(&q, 99, Aext, 0x24, n, 0, NULL, 0);
	test(fails(&q, Xabrt), "WinAoE: the first size that doesn't fit is aborted, without data");
	imgread(0, disk, 2);
	request(&q, 3, 0, 0x24, 2, 0, NULL, 0);
	good = succeeds(&q, disk, 2 * Secsize) && succeeds(&q, disk, 2 * Secsize);
	pattern(p, sizeof p, 41);
	request(&q, 4, 0, 0x34, 2, 511, p, sizeof p);
	test(good && written(&q, 511, p, 2),
		"WinAoE: its boot loader reads and writes with all flags clear");
}

static void
macos(void)
{
	static const char claim[] = "claimed by a Mac";
	uint8_t p[2 * Secsize];
	int good;
	Frame q;

	query(&q, broadcast, Allshelves, Allslots, 0x40000001);
	q.b[Oscnt] = 17;
	test(configis(&q, 0, NULL, 0),
		"macOS: config query that carries a sector count of its own");
	request(&q, 0x00000100, 0, 0xEC, 0, 0, NULL, 0);
	test(identified(&q), "macOS: IDENTIFY with a count of 0");
	cfgframe(&q, Qforce, claim, sizeof claim);
	good = configis(&q, 0, claim, sizeof claim);
	query(&q, broadcast, Allshelves, Allslots, 0x40000002);
	test(good && configis(&q, 0, claim, sizeof claim),
		"macOS: a claim, its NUL included, is kept in the config string");
	cfgframe(&q, Qforce, NULL, 0);
	configis(&q, 0, NULL, 0);
	pattern(p, sizeof p, 51);
	request(&q, 0x00000101, Aext | Awrite, 0x34, 2, 900, p, sizeof p);
	good = written(&q, 900, p, 2) && succeeds(&q, NULL, 0);
	request(&q, 0x00000102, Aext, 0x24, 2, 900, NULL, 0);
	test(good && succeeds(&q, p, sizeof p) && succeeds(&q, p, sizeof p),
		"macOS: requests sent again with the same tag are answered again");
	request(&q, 0x00000103, Aext, 0x24, served() + 1, 900, NULL, 0);
	test(fails(&q, Xabrt), "macOS: a count that only its own MTU allows is aborted");
}

/* aoecfg's frame: room for the longest string, whatever the length says. */
static void
aoecfg(Frame *q, int ccmd, const char *s)
{
	query(q, broadcast, Allshelves, Allslots, 0x80000000 | net.tag++);
	q->b[Occmd] = (uint8_t)(Version | ccmd);
	put16(q->b + Oslen, (unsigned)strlen(s));
	addn(q, s, strlen(s));
	pad(q, 1056);
}

static void
aoetools(void)
{
	static const uint8_t smart[] = { 0xD0, 0xD4, 0xD5, 0xD6, 0xD8, 0xD9, 0xDA, 0xD8 };
	uint8_t filler[Maxstring];
	int n, good;
	size_t i;
	Frame q, f;

	memset(filler, 0xED, sizeof filler);
	query(&q, t.mac, t.shelf, t.slot, 0x80000000);
	put16(q.b + Oslen, Maxstring);
	addn(&q, filler, sizeof filler);
	test(q.n == 1056 && configis(&q, 0, NULL, 0),
		"aoeping: config read of 1056 bytes with a filled string");
	request(&q, 0x80000001, 0, 0xEC, 1, 0, zero, 1024);
	test(q.n == 1060 && identified(&q), "aoeping: IDENTIFY in a frame of 1060 bytes");
	for(good = 1, i = 0; i < NELEM(smart) && good; i++){
		request(&q, 0x80000002 + (uint32_t)i, 0, 0xB0, smart[i] == 0xDA ? 0 : 1, 0xC24F00,
			zero, 1024);
		q.b[Ofeature] = smart[i];
		q.b[Over] = Version | 0x01;
		good = ask(&q, &f) && (f.n >= 548 || why("subcommand 0x%02x gets %zu bytes",
			smart[i], f.n));
		if(smart[i] != 0xD6)
			good = good && ((f.b[Over] & Ferror) == 0 && f.b[Oatacmd] == Sdrdy);
	}
	test(good, "aoeping -S: every SMART subcommand gets 548 bytes, header flag 0x01 or not");
	aoecfg(&q, Qset, "tools");
	good = configis(&q, 0, "tools", 5);
	aoecfg(&q, Qtest, "tools");
	good = good && configis(&q, 0, "tools", 5);
	aoecfg(&q, Qprefix, "too");
	good = good && configis(&q, 0, "tools", 5);
	aoecfg(&q, Qtest, "too");
	good = good && silent(&q);
	aoecfg(&q, Qset, "other");
	good = good && configis(&q, Econfigset, "tools", 5);
	aoecfg(&q, Qforce, "");
	good = good && configis(&q, 0, NULL, 0);
	test(good, "aoecfg: read, test, prefix, set and fset in broadcast frames of 1056 bytes");
	for(good = 1, n = advertised(); n > 0 && good; n--){
		request(&q, 7 << 16 | (uint32_t)n, 0, 0xEC, 1, 0, zero, (size_t)n * Secsize);
		good = identified(&q);
	}
	test(good, "aoe-sancheck: IDENTIFY with a payload of every size that is advertised");
}

void
whogroup(void)
{
	linuxdriver();
	ipxe();
	plan9();
	winaoe();
	macos();
	aoetools();
}
