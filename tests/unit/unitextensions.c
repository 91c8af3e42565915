/*
 * Unit tests of the extensions: crc.c, tags.c, and what aoe.c and
 * ata.c make of them.
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

static uchar f[Framemax + 600];

/* Checksums. */

/* The definition, bit by bit. */
static void
reference(uchar *crc, const uchar *p, size_t n)
{
	size_t i;
	int k;

	memset(crc, 0xff, 4);
	for(i = 0; i < n; i++){
		crc[i % 4] ^= p[i];
		for(k = 0; k < 8; k++)
			crc[i % 4] = (uchar)(crc[i % 4] & 1 ? crc[i % 4] >> 1 ^ 0xb2 : crc[i % 4] >> 1);
	}
}

static int
crcis(const uchar *p, size_t n, const char *want)
{
	uchar crc[4];

	crc8x4(crc, p, n);
	return memcmp(crc, want, 4) == 0;
}

static int
vectors(void)
{
	static uchar p[12 + 8192];
	uint i;
	int good;

	memset(p, 0, sizeof p);
	good = crcis(p, 0, "\xff\xff\xff\xff") && crcis(p, 12, "\x19\x19\x19\x19");
	for(i = 0; i < 12; i++)
		p[i] = (uchar)i;
	good = good && crcis(p, 12, "\x23\x36\x09\x1c");
	memset(p, 0, 12);
	for(i = 0; i < 512; i++)
		p[12 + i] = (uchar)i;
	good = good && crcis(p, 12 + 512, "\x7d\x8b\xf4\x02");
	memset(p, 0xff, 12);
	for(i = 0; i < 8192; i++)
		p[12 + i] = (uchar)(i * 7 + 3);
	return good && crcis(p, sizeof p, "\x80\xe6\xf9\x6e");
}

/* The reference goes on from byte to byte, so that all lengths take no longer than the last. */
static int
lengths(uint off)
{
	static uchar p[9300 + 64];
	uchar crc[4], want[4];
	uint i, k;

	for(i = 0; i < sizeof p; i++)
		p[i] = (uchar)rnd(256);
	memset(want, 0xff, sizeof want);
	for(i = 0; i < 9300; i++){
		crc8x4(crc, p + off, i);
		if(memcmp(crc, want, sizeof crc) != 0)
			return 0;
		want[i % 4] ^= p[off + i];
		for(k = 0; k < 8; k++)
			want[i % 4] = (uchar)(want[i % 4] & 1 ? want[i % 4] >> 1 ^ 0xb2 : want[i % 4] >> 1);
	}
	return 1;
}

static void
crcs(void)
{
	uint off = 1 + rnd(63);

	test(vectors(), "CRC8x4: the vectors");
	test(lengths(0) && lengths(off),
		"and a bit-by-bit reference at every length to 9300, aligned and %u bytes off", off);
}

/* Tags. */

static int
seen(Tags *t, uint tag, uvlong what)
{
	return tagsseen(t, tagsplace(t, tag), what);
}

static void
done(Tags *t, uint tag, uvlong what)
{
	tagsdone(t, tagsplace(t, tag), what);
}

/*
 * n tags from first on in steps: each is new, and the last 32768 are seen
 * when they come again.
 */
static int
counting(uint first, uint n)
{
	Tags *t = tagsnew();
	uint i, good = t != NULL;

	for(i = 0; i < n && good; i++){
		good = !seen(t, first + i, i % 7);
		done(t, first + i, i % 7);
		if(i >= 32767)
			good = good && seen(t, first + i - 32767, (i - 32767) % 7);
	}
	for(i = n - 32768; i < n && good; i++)
		good = seen(t, first + i, i % 7) && !seen(t, first + i, i % 7 + 1);
	free(t);
	return (int)good;
}

/* The same in random order within some distance. */
static int
disorder(void)
{
	static uchar was[1 << 17];
	Tags *t = tagsnew();
	uint i, tag, at, good = 1;

	memset(was, 0, sizeof was);
	for(i = 0; i < sizeof was - 4096 && good; i++){
		at = i + rnd(4096);
		tag = 0xffff0000 + at;
		good = seen(t, tag, 5) == was[at];
		done(t, tag, 5);
		was[at] = 1;
	}
	free(t);
	return (int)good;
}

static void
writesdone(void)
{
	Tags *t = tagsnew();
	uvlong place;
	uint i, c;

	test(counting(1, 100000), "tags: the last 32768 are remembered");
	test(counting(0xffffffff - 50000, 100000), "also while they wrap");
	test(disorder(), "also when they come out of order");
	for(i = 0, c = 0; i < 2 * 32768; i++)
		done(t, i / 2, i & 1);
	for(i = 0; i < 2 * 32768; i++)
		c += (uint)seen(t, i / 2, i & 1);
	test(c == 2 * 32768, "two writes to each tag");
	for(i = 0; i < 8; i++)
		done(t, 32768, 100 + i);
	for(i = 0, c = 0; i < 8; i++)
		c += (uint)seen(t, 32768, 100 + i);
	test(c == 8, "eight to one");
	tagsforget(t);
	for(i = 0, c = 0; i < 32768; i++)
		c += (uint)(seen(t, i, 0) || seen(t, i, 1));
	test(c == 0, "a memory that has forgotten knows none of them");
	done(t, 7, 1);
	place = tagsplace(t, 8);
	tagsforget(t);
	tagsdone(t, place, 2);
	test(!seen(t, 8, 2) && !seen(t, 7, 1), "nor a write that was begun before and ends after");
	done(t, 1000, 1);
	test(seen(t, 1000, 1) && seen(t, 1000 + 60000, 1) == 0 && seen(t, 1000, 1),
		"a jump that is not far changes nothing");
	test(seen(t, 1000 + 60000 + 70000, 1) == 0 && !seen(t, 1000, 1),
		"a far one makes it forget");
	done(t, 2000, 1);
	test(!seen(t, 2000U - 70000U, 1) && !seen(t, 2000, 1), "one backwards too");
	for(i = 0, c = 0; i < 200000; i++){
		tagsforget(t);
		c += (uint)seen(t, 5, 1);
		done(t, 5, 1);
	}
	test(c == 0, "200000 beginnings with the same tag are told apart");
	free(t);
}

static Twin
twin(uvlong who, uvlong what, uint tag)
{
	return (Twin){ .who = who, .what = what, .tag = tag };
}

static void
twins(void)
{
	static Twin t[1000];
	static Recent *h;	/* there is no end to one */
	Twin a;
	uint i, c = 0;

	h = recentnew(256);

	for(i = 0; i < 1000; i++){
		t[i] = twin(i % 3, i / 3, i / 100);
		c += (uint)tagsenter(&t[i]);
	}
	for(i = 0; i < 1000; i++){
		a = t[i];
		c += (uint)!tagsenter(&a);
		a.tag += 100;
		c += (uint)tagsenter(&a);
		tagsleave(&a);
	}
	for(i = 0; i < 1000; i += 2)
		tagsleave(&t[i]);
	for(i = 0; i < 1000; i++){
		a = t[i];
		c += tagsenter(&a) == !(i & 1);
		if(!(i & 1))
			tagsleave(&a);
	}
	for(i = 1; i < 1000; i += 2)
		tagsleave(&t[i]);
	test(c == 4000, "twins: of equal requests one is under way");
	for(i = c = 0; i < 5000; i++){
		a = twin(9, i, i % 5);
		c += (uint)!recentseen(h, &a);
		a = twin(9, i < 255 ? 0 : i - 255, i < 255 ? 0 : (i - 255) % 5);
		c += (uint)recentseen(h, &a);
	}
	test(c == 10000, "the last 256 requests are remembered");
	a = twin(9, 5000 - 300, 0);
	test(!recentseen(h, &a), "and no more than the ring can hold");
	recentclear(h);
	for(i = 4900, c = 0; i < 5000; i++){
		a = twin(9, i, i % 5);
		c += (uint)!recentseen(h, &a) + (uint)recentseen(h, &a);
	}
	test(c == 200, "with the ring empty none is, until it comes again");
	a = t[0] = twin(9, 4999, 4);
	a.feature = 1;
	test(!recentseen(h, &a) && recentseen(h, &a), "one that differs in its feature is another");
	test(tagsenter(&t[0]) && tagsenter(&a), "and is under way beside the first");
	tagsleave(&a);
	tagsleave(&t[0]);
}

/* Frames. */

/* How many answers there are; the last is copied to last. */
static uchar last[Framemax];
static uint lastlen;

static uint
answered(void)
{
	uchar *a;
	uint n = 0, len;

	while((a = memget(&nic, &len)) != NULL){
		memcpy(last, a, len);
		lastlen = len;
		n++;
	}
	return n;
}

static uint
give(uint len)
{
	memput(&nic, f, len);
	memturn(&nic);
	return answered();
}

/*
 * Negotiate names, written with a blank behind each, from a MAC: the answer
 * is to have want instead.
 */
static uint
extframe(int from, const char *names)
{
	uint i, n = (uint)strlen(names);

	request(f, Cextend, from);
	for(i = 0; i < n; i++)
		f[26 + i] = (uchar)(names[i] == ' ' ? 0 : names[i]);
	f[26 + n] = 0;
	if(n == 0)
		f[27] = 0, n = 1;
	f[24] = (uchar)(n + 1);
	f[25] = (uchar)((n + 1) >> 8);
	return 26 + n + 1;
}

static int
extend(int from, const char *names, const char *want)
{
	uint len = extframe(from, names), alen, i, size = len - 26;
	uchar *a = ask(f, len, &alen);

	if(!isheader(a, f, 0) || alen != (len < Framemin ? Framemin : len)
		|| memcmp(a + 24, f + 24, 2) != 0 || !zeros(a + 26 + size, alen - 26 - size))
		return 0;
	for(i = 0; i < size; i++)
		if(a[26 + i] != (i >= strlen(want) || want[i] == ' ' ? 0 : want[i]))
			return 0;
	return 1;
}

static int
grants(int from, const char *names)
{
	char upper[200];
	uint i;

	for(i = 0; i <= strlen(names); i++)
		upper[i] = (char)(names[i] >= 'a' && names[i] <= 'z' ? names[i] - 32 : names[i]);
	return extend(from, names, upper);
}

static void
negotiation(void)
{
	static const char *const names[] = { "reset ", "tag_inc_le ", "tag_inc_be ", "tag_random ",
		"coalesced_read ", "crc8x4 ", "congestion 17 " };
	uint i, c, len;

	target("", Bufsec, 1500);
	for(i = c = 0; i < sizeof names / sizeof names[0]; i++)
		c += (uint)grants(1, names[i]);
	test(c == i, "negotiation: each feature is granted");
	test(grants(1, "reset tag_inc_le crc8x4 congestion 0 coalesced_read "), "several at once");
	test(extend(1, "", "") && extend(1, "frobnicate ", "frobnicate ")
		&& extend(1, "tag_inc crc8x44 reset frob ",
		"tag_inc crc8x44 RESET frob "), "unknown names, and none, stay as they are");
	test(extend(1, "congestion ", "congestion ")
		&& extend(1, "congestion reset ", "congestion RESET ")
		&& extend(1, "congestion 12x crc8x4 ",
		"congestion 12x CRC8X4 "), "congestion without a number is not taken");
	len = extframe(1, "reset  crc8x4 ");
	test(grants(1, "reset ") && ask(f, len, &i) != NULL
		&& extend(1, "reset  crc8x4 ", "RESET  crc8x4 "), "an empty name ends the list");
	len = extframe(1, "reset crc8x4 ");
	for(i = 0, c = 0; i < len; i++)
		c += give(i) == 0;
	test(c == len, "a length beyond the frame is dropped");
	c = give(len) == 1;
	f[24]--;
	c += give(len) == 0;
	f[24] -= 5;
	c += give(len) == 0;
	f[24] = 0;
	c += give(len) == 0;
	f[24] = 1;
	c += give(len) == 0;
	extframe(1, "reset ");
	f[25] = f[24];
	f[24] = 0;
	c += give(len) == 0;
	extframe(1, "reset ");
	f[26 + 6] = 'x';
	c += give(60) == 0;
	test(c == 7,
		"so is a list that does not end in two NULs, or is too short, or has a big-endian length");
	extframe(1, "reset ");
	f[14] = 0x20;
	test(give(60) == 1 && last[15] == Eversion && last[24] == 0,
		"the version is looked at first");
	nic.mtu = 537;
	test(extend(1, "crc8x4 ", "crc8x4 "),
		"crc8x4 is not granted where a frame has no room for a sector and a CRC");
	nic.mtu = 538;
	test(grants(1, "crc8x4 "), "and is where it has");
	nic.mtu = 1500;
}

/* Duplicates. */

/* A write of a byte 512 times at lba, or a read there. */
static uint
tagged(int from, uint cmd, uint tag, uvlong lba, int byte)
{
	uint n = atarequest(f, cmd, 0, 1, lba);
	int i;

	f[Osrc + 4] = (uchar)(from >> 8);
	f[Osrc + 5] = (uchar)from;
	for(i = 0; i < 4; i++)
		f[20 + i] = (uchar)(tag >> 8 * i);
	memset(f + Odata, byte, Sector);
	return cmd == 0x34 || cmd == 0x3d ? n + Sector : n;
}

/* The write is answered as done, and the disk holds this byte then. */
static int
writes(int from, uint tag, uvlong lba, int byte, int now)
{
	return give(tagged(from, 0x34, tag, lba, byte)) == 1 && last[27] == 0x40 && last[15] == 0
		&& memcmp(last + 20, f + 20, 4) == 0 && mem.image[lba * Sector] == now
			&& mem.image[lba * Sector + 511] == now;
}

/* The write tag is that of a write seen (an other byte is not written), or it is not. */
static int
known(int from, uint tag)
{
	return writes(from, tag, 3, 0x11, 0x11) && writes(from, tag + 1, 3, 0x22, 0x22)
		&& writes(from, tag, 3, 0x33, 0x22);
}

static int
unknown(int from, uint tag)
{
	return writes(from, tag, 3, 0x44, 0x44);
}

static void
writetracking(void)
{
	uint i, c, len;

	target("", Bufsec, 1500);
	test(writes(1, 1, 0, 5, 5) && writes(1, 1, 0, 6, 6),
		"WRITE tracking: off, a write that comes again is written again");
	test(grants(1, "tag_inc_le ") && known(1, 100), "on, it is answered and not written");
	test(stats.repeated == 1 && stats.writes == 4, "and counted");
	test(writes(1, 100, 4, 7, 7), "one with another LBA is another");
	atarequest(f, 0x34, 0, 2, 3);
	tagged(1, 0x34, 100, 3, 9);
	f[26] = 2;
	test(give(Odata + 2 * Sector) == 1 && mem.image[3 * Sector] == 9,
		"and one with another count");
	tagged(1, 0x35, 100, 3, 10);
	test(give(Odata + Sector) == 1 && mem.image[3 * Sector] == 10,
		"and one with another command");
	test(writes(2, 100, 3, 11, 11), "another initiator's too");
	memfault(Mwrite, 5, 1, EIO, 0);
	tagged(1, 0x34, 200, 5, 1);
	c = give(Odata + Sector) == 1 && last[27] == 0x61;
	memheal();
	test(c && writes(1, 200, 5, 2, 2), "a write that failed does not count");
	test(known(1, 300) && writes(1, 301, 3, 0x55, 0x22),
		"one that was not written for that reason still counts");
	atarequest(f, 0xec, 0, 1, 0);
	test(give(Odata) == 1 && unknown(1, 300), "IDENTIFY DEVICE makes it forget");
	test(known(1, 400) && grants(1, "coalesced_read ") && unknown(1, 400),
		"so does any negotiation");
	test(known(1, 500) && grants(1, "congestion 3 ") && writes(1, 500, 3, 0x33, 0x22),
		"but not a report of congestion");
	test(known(1, 600) && writes(1, 600 + 100000, 4, 1, 1) && unknown(1, 600),
		"so does a jump");
	test(grants(1, "tag_random ") && unknown(1, 1) && unknown(1, 1), "tag_random turns it off");
	test(grants(1, "tag_inc_le ") && known(1, 1) && grants(1, "reset ") && unknown(1, 1)
		&& unknown(1, 1), "so does reset");
	test(grants(1, "tag_inc_le ") && known(1, 0xffffffff) && known(1, 5), "tags may wrap");
	for(i = c = 0; i < 2; i++){
		request(f, Cconfig, 1);
		f[29] = (uchar)(3 + i);
		len = give(60);
		c += len == 1 && unknown(1, 5) && unknown(1, 5);
		grants(1, "tag_inc_le ");
	}
	test(c == 2, "so does setting the config string");
	test(grants(2, "tag_inc_le ") && known(2, 5), "tracking is each initiator's own");
	request(f, Cconfig, 1);
	f[29] = 4;
	give(60);
	test(writes(2, 5, 3, 0x33, 0x22), "and what another does to it changes nothing");
	grants(1, "tag_inc_be ");
	for(i = 1, c = 0; i <= 200; i++)
		c += (uint)writes(1, i << 24, 4, (int)i, (int)i);
	test(c == 200 && writes(1, 1 << 24, 4, 1, 200), "a big-endian counter");

	target("", Bufsec, 1500);
	mempattern(0, Bufsec, 1);
	grants(1, "tag_inc_le ");
	len = tagged(1, 0x34, 9, 0, 0);
	f[25] = 1;
	f[27] = 0x06;
	f[28] = 0;
	f[Odata] = 7;		/* the LBA */
	f[Odata + 6] = 1;
	c = give(len) == 1 && zeros(mem.image + 7 * Sector, Sector);
	memcpy(f + 600, f, len);
	c += (uint)writes(1, 10, 7, 6, 6);
	memcpy(f, f + 600, len);
	c += give(len) == 1 && mem.image[7 * Sector] == 6;
	test(c == 3, "a trim that comes again does not undo a write");

	target("-T", Bufsec, 1500);
	test(known(1, 100) && known(2, 100), "-T tracks every initiator");
	test(grants(1, "tag_random ") && unknown(1, 100) && unknown(1, 100) && known(2, 200),
		"but for those that have negotiated");
	test(grants(1, "reset ") && known(1, 300), "until they reset");
	for(i = 0, c = 0; i < INITIATORS; i++)
		c += (uint)known((int)(100 + i), 100);
	test(c == INITIATORS && unknown(1, 301) && writes(100 + INITIATORS - 1, 100, 3, 0x55, 0x44),
		"when there are too many of them, the one that was silent longest is forgotten");
	target("-r -T", Bufsec, 1500);
	test(give(tagged(1, 0x34, 1, 1, 1)) == 1 && last[27] == 0x41, "-T with -r");
}

/* Requests that wait on the disk, which is cold. */
static void
underway(void)
{
	uint i, c;

	target("-d", Bufsec, 1500);
	memhold(Mwrite, 8, 1);
	memput(&nic, f, tagged(1, 0x3d, 5, 8, 1));
	memround(&nic);
	for(i = 0; i < 5; i++){
		memput(&nic, f, tagged(1, 0x3d, 5, 8, 2));
		memround(&nic);
	}
	c = answered();
	memrelease();
	memturn(&nic);
	test(c == 0 && answered() == 1 && mem.image[8 * Sector] == 1 && stats.twins == 5,
		"a request whose twin is under way is dropped, and the first answered");
	test(give(tagged(1, 0x3d, 5, 8, 3)) == 1 && mem.image[8 * Sector] == 3,
		"when it comes after that, it is done again");
	for(i = 0; i < 6; i++){
		tagged(i == 1 ? 2 : 1, i == 5 ? 0x25 : 0x24, i == 2 ? 78 : 77, i == 3 ? 2 : 1, 0);
		f[26] = i == 4 ? 2 : 1;
		memput(&nic, f, Odata);
	}
	memturn(&nic);
	test(answered() == 6,
		"another initiator, tag, LBA, count or command makes it another request");
	for(i = 0; i < 20; i++)
		memput(&nic, f, tagged(1, 0x24, 90 + i % 2, 1, 0));
	memturn(&nic);
	test(answered() == 2, "of 20 reads in a batch, each again and again, two are answered");
}

static void
rxtracking(void)
{
	uint i, c;

	target("", Bufsec, 1500);
	for(i = 0; i < 3 * TURN_FRAMES; i++)
		memput(&nic, f, tagged(1, 0x24, i % TURN_FRAMES, 1, 0));
	for(i = 0; i < 3; i++){
		takeframes(&nic);
		bufcommit();
		nickick(&nic);
		nicrelease(&nic);
	}
	test(answered() == 3 * TURN_FRAMES,
		"RX tracking: off, what waits in the ring is served as often as it is there");
	for(c = 0; c < 4; c++){
		target(c == 0 || c == 3 ? "-t" : "", Bufsec, 1500);
		if(c == 1)
			grants(1, "tag_inc_le ");
		if(c == 2)
			grants(1, "tag_inc_be ");
		if(c == 3)
			grants(1, "crc8x4 ");
		for(i = 0; i < 3 * TURN_FRAMES; i++)
			memput(&nic, f, tagged(1, 0x24, 100 + i % TURN_FRAMES, 1, 0));
		for(i = 0; i < 3; i++){
			takeframes(&nic);
			bufcommit();
			nickick(&nic);
			nicrelease(&nic);
		}
		if(c < 3)
			test(answered() == TURN_FRAMES && stats.waiting == 2 * TURN_FRAMES,
				"%s, once", c == 0 ? "with -t" : c == 1 ? "with tag_inc_le" : "with tag_inc_be");
		else
			test(answered() == 3 * TURN_FRAMES,
				"-t is not for those who have negotiated");
	}
	target("-t", Bufsec, 1500);
	test(give(tagged(1, 0x24, 1, 1, 0)) == 1 && give(tagged(1, 0x24, 1, 1, 0)) == 1,
		"what comes when the ring was empty is served again");
}

/* Checksums on the wire. */

static int
crcfollows(uint n)
{
	uchar crc[4];

	reference(crc, last + 24, 12 + n);
	return lastlen == (40 + n < Framemin ? Framemin : 40 + n)
		&& memcmp(last + 36 + n, crc, 4) == 0;
}

static void
withcrc(void)
{
	uint i, c, n, len;

	target("", Bufsec, 9000);
	mempattern(0, Bufsec, 1);
	grants(1, "crc8x4 ");
	for(n = 1, c = 0; n <= 17; n++){
		atarequest(f, 0x24, 0, n, 3);
		c += give(Odata) == 1 && crcfollows(n * Sector)
			&& memcmp(last + 36, mem.image + 3 * Sector, n * Sector) == 0;
	}
	test(c == 17, "crc8x4: reads carry it behind their data");
	memfault(Mread, 9, 1, EIO, 0);
	atarequest(f, 0x24, 0, 1, 9);
	test(give(Odata) == 1 && last[27] == 0x41 && crcfollows(0),
		"also one that fails, behind none");
	memheal();
	atarequest(f, 0xec, 0, 1, 9);
	test(give(Odata) == 1 && lastlen == Odata + Sector, "IDENTIFY DEVICE doesn't");
	test(give(tagged(2, 0x24, 1, 1, 0)) == 1 && lastlen == Odata + Sector,
		"nor do those of other initiators");
	len = tagged(1, 0x34, 50, 6, 7);
	reference(f + len, f + 24, len - 24);
	test(give(len + 4) == 1 && last[27] == 0x40 && mem.image[6 * Sector] == 7,
		"a write with a right one is done");
	mem.quiet = 1;
	for(i = 24, c = 0; i < len + 4; i++)
		if(i != 26){		/* a greater count has no data */
			f[i] ^= (uchar)(1 << rnd(8));
			f[20] = (uchar)i;
			f[21] = (uchar)(i >> 8);
			c += i == 27 && atamoves(f[27], 1, f + 28, &(Range){ 0,
				0 }) != Owrite ? 1 : give(len + 4) == 0;
			tagged(1, 0x34, 50, 6, 7);
			reference(f + len, f + 24, len - 24);
		}
	test(c == len + 4 - 25 && stats.corrupted >= c - 1,
		"with any bit wrong it is dropped, and counted");
	test(mem.warned > 0 && mem.warned <= 2 * (LOG_RATE + 1), "and reported, but not each time");
	test(zeros(mem.image + 20 * Sector, 0) && mem.image[6 * Sector] == 7, "nothing is written");
	for(i = 0, c = 0; i < 4; i++)
		c += give(tagged(1, 0x34, 60 + i, 6, (int)i + 1) + i) == 1
			&& mem.image[6 * Sector] == i + 1;
	test(c == 4, "a write without one is taken as it is");
	len = tagged(2, 0x34, 70, 6, 9);
	memset(f + len, 0, 4);
	test(give(len + 4) == 1 && mem.image[6 * Sector] == 9,
		"and another initiator's with anything");
	mem.quiet = 0;
}

static uint
sectorcount(int from)
{
	request(f, Cconfig, from);
	return give(60) == 1 ? last[28] : 0;
}

static void
crcroom(void)
{
	static const int mtu[][4] = {	/* advertised and served without and with */
		{ 1500, 2, 2, 2 }, { 9000, 17, 17, 17 }, { 1060, 2, 1, 2 }, { 1063, 2, 1,
			2 }, { 1064, 2, 2, 2 },
		{ 1046, 1, 1, 1 }, { 1049, 1, 1, 1 }, { 1050, 1, 1, 2 }, { 538, 1, 1, 1 },
	};
	uint i, c;

	target("", Bufsec, 1500);
	grants(1, "crc8x4 ");
	for(i = c = 0; i < sizeof mtu / sizeof mtu[0]; i++){
		nic.mtu = mtu[i][0];
		c += sectorcount(2) == (uint)mtu[i][1] && sectorcount(1) == (uint)mtu[i][2];
		atarequest(f, 0x24, 0, (uint)mtu[i][3], 0);
		c += give(Odata) == 1 && last[27] == 0x40;
		atarequest(f, 0x24, 0, (uint)mtu[i][3] + 1, 0);
		c += give(Odata) == 1 && last[27] == 0x41;
	}
	test(c == 3 * i, "the sector count leaves room for it, at each MTU");
	nic.mtu = 1500;
}

/* Coalesced reads. */

static void
record(uint i, uint tag, uvlong lba, uint count)
{
	uchar *p = f + 37 + 16 * i;
	int k;

	memset(p, 0xee, 16);
	for(k = 0; k < 4; k++)
		p[k] = (uchar)(tag >> 8 * k);
	for(k = 0; k < 6; k++)
		p[4 + k] = (uchar)(lba >> 8 * k);
	p[15] = (uchar)count;
}

/* The answers to n reads with tags from 0 on, each of sector tag. */
static uint
eachanswered(uint n)
{
	uchar *a, was[256] = { 0 };
	uint len, c = 0;

	while((a = memget(&nic, &len)) != NULL)
		if(a[23] == 0 && a[20] < n && len == Odata + Sector && a[27] == 0x40
			&& memcmp(a + Odata, mem.image + a[20] * Sector, Sector) == 0
			&& was[a[20]]++ == 0)
			c++;
		else
			c += 1000;
	return c;
}

static uint
manyreads(uint n)
{
	uint i;

	tagged(1, 0x24, 0, 0, 0);
	f[36] = (uchar)n;
	for(i = 0; i < n; i++)
		record(i, i + 1, i + 1, 1);
	return 37 + 16 * n;
}

static void
coalescing(void)
{
	uint i, c, len;
	uchar *a;

	target("", Bufsec, 1500);
	mempattern(0, Bufsec, 1);
	len = manyreads(20);
	memput(&nic, f, len);
	memturn(&nic);
	test(eachanswered(21) == 1, "coalesced reads: off, only the first is answered");
	grants(1, "coalesced_read ");
	len = manyreads(20);
	memput(&nic, f, len);
	memturn(&nic);
	test(eachanswered(21) == 21, "on, each is, with its own tag");
	for(i = 36, c = 0; i <= len; i++){
		manyreads(20);
		memput(&nic, f, i);
		memturn(&nic);
		c += eachanswered(21) == 1 + (i < 37 ? 0 : (i - 37) / 16);
	}
	test(c == len - 35, "a record that is cut off is not");
	manyreads(20);
	f[36] = 3;
	memput(&nic, f, len);
	memturn(&nic);
	test(eachanswered(21) == 4, "nor one beyond the count");
	manyreads(20);
	f[6 + 5] = 9;
	memput(&nic, f, len);
	memturn(&nic);
	test(eachanswered(21) == 1, "nor another initiator's");
	manyreads(20);
	f[27] = 0xec;
	test(give(len) == 1, "nor any behind another command");
	manyreads(2);
	record(0, 1, Bufsec, 1);
	record(1, 2, 1, 3);
	f[25] = 0;
	memput(&nic, f, 37 + 32);
	memturn(&nic);
	for(i = c = 0; (a = memget(&nic, &len)) != NULL; i++)
		c += a[27] == (a[20] == 0 ? 0x40 : 0x41)
			&& a[25] == (a[20] == 0 ? 0 : a[20] == 1 ? 0x10 : 0x04);
	test(i == 3 && c == 3, "each is judged for itself");
	for(i = 0; i < 100; i++){
		manyreads(60);
		for(c = 0; c < 61; c++){
			uchar *p = c == 0 ? f + 20 : f + 37 + 16 * (c - 1);
			p[1] = (uchar)i;
			if(c == 0)
				p[0] = 0;
		}
		memput(&nic, f, 37 + 16 * 60);
	}
	memturn(&nic);
	c = answered();
	test(c == 6100 && bufbusy() == 0, "6100 reads at once are answered");
	for(i = 0; i < 100; i++){
		manyreads(60);
		for(c = 0; c < 61; c++){
			uchar *p = c == 0 ? f + 20 : f + 37 + 16 * (c - 1);
			p[1] = (uchar)i;
			if(c == 0)
				p[0] = 0;
		}
		mem.stuck = 1;
		memput(&nic, f, 37 + 16 * 60);
	}
	for(i = 0; i < 10; i++)
		memround(&nic);
	mem.stuck = 0;
	memturn(&nic);
	c = answered();
	test(c >= 100 && c + stats.dropped == 6100,
		"when their answers don't go out, those for which there is room, %u, are, and the others counted as dropped", c);
	target("", Bufsec, 9000);
	mempattern(0, Bufsec, 1);
	grants(1, "coalesced_read crc8x4 ");
	manyreads(1);
	test(give(37 + 16) == 2 && crcfollows(Sector), "with CRC, each has its own");
}

/* The requests that can be under way, and who has them. */
static void
shares(int bufcnt)
{
	uint all = bufcnt * CROWD < 65536 ? (uint)bufcnt * CROWD : 65536, i, most[3];
	char options[20];

	snprintf(options, sizeof options, "-d -b %d", bufcnt);
	target(options, Bufsec, 1500);
	memhold(Mread, 0, Bufsec);
	for(i = 0; i < all + 50; i++){
		memput(&nic, f, tagged(1, 0x24, i, i % Bufsec, 0));
		if(i % 30 == 0)
			memround(&nic);
	}
	memround(&nic);
	most[0] = (uint)stats.underway;
	for(i = 0; i < 16; i++){
		memput(&nic, f, tagged(2, 0x24, i, i % Bufsec, 0));
		memround(&nic);
	}
	most[1] = (uint)stats.underway;
	for(i = 0; i < 20; i++){
		memput(&nic, f, tagged(1, 0x24, 500000 + i, i % Bufsec, 0));
		memround(&nic);
	}
	most[2] = (uint)stats.underway;
	test(most[0] == all / 4 * 3 && most[2] == most[1],
		"-b %d: an initiator that asks for more than the buffer count allows doesn't get all requests", bufcnt);
	test(stats.dropped == all / 4 + 50 + 20, "those that were dropped are counted");
	test(most[1] == most[0] + 16, "the others are there for others");
	test(answered() == 0, "(all of them wait)");
	memput(&nic, f, request(f, Cconfig, 1) + 8);
	memround(&nic);
	test(answered() == 1, "a config query is answered at once");
	memrelease();
	memturn(&nic);
	test(answered() == most[1], "and all are answered");
	test(give(tagged(1, 0x24, 6000, 1, 0)) == 1, "then it is served as before");
}

/* All who may have a full buffer count. */
static void
crowd(void)
{
	uint i, k, c = 0;

	target("-d", Bufsec, 1500);
	memhold(Mread, 0, Bufsec);
	for(i = 0; i < CROWD; i++)
		for(k = 0; k < BUFCNT; k++){
			memput(&nic, f, tagged((int)(10 + i), 0x24, k, k % Bufsec, 0));
			memround(&nic);
		}
	test(stats.underway == CROWD * BUFCNT && stats.dropped == 0,
		"%d initiators may have their full buffer count under way", CROWD);
	for(i = 0; i < 50; i++)
		memput(&nic, f, tagged((int)(100 + i), 0x24, 1, 1, 0));
	memround(&nic);
	test(memwaiting(&nic) == 0 && stats.dropped == 50,
		"what more comes is dropped and counted");
	for(i = 0; i < 4; i++){
		memput(&nic, f, request(f,
			i == 0 ? Cconfig : i == 1 ? Cmask : i == 2 ? Creserve : 0x44, (int)(200 + i)) + 8);
		memround(&nic);
		c += answered();
	}
	test(c == 4, "but for other commands, which are answered at once");
	memrelease();
	memturn(&nic);
	test(answered() == CROWD * BUFCNT, "and all are answered");
}

/* Congestion. */

/* Rounds, until nothing is left; the most answers that MAC 1 got in one, and all it got; others: those that MAC 2 did. */
static uint
unjam(uint *all, uint *others)
{
	uint rounds, len, n, most = 0;
	uchar *a;

	for(rounds = *all = *others = 0; rounds < 1000
		&& (rounds < 5 || stats.underway + (uint)memwaiting(&nic) > 0); rounds++){
		memround(&nic);
		for(n = 0; (a = memget(&nic, &len)) != NULL; ){
			n += a[5] == 1;
			*others += a[5] == 2;
		}
		*all += n;
		most = n > most ? n : most;
	}
	return most;
}

static void
congestion(void)
{
	uint i, k, most, n, all, others;

	target("", Bufsec, 1500);
	test(grants(1, "congestion 0 ") && give(tagged(1, 0x24, 1, 1, 0)) == 1
		&& stats.congested == 0, "congestion: no losses mean none");
	grants(1, "congestion 4 ");
	for(i = 0; i < 60; i++){
		memput(&nic, f, tagged(1, 0x24, i, i, 0));
		memput(&nic, f, tagged(2, 0x24, i, i, 0));
	}
	most = unjam(&all, &others);
	test(most <= 8 && all >= 8 && all + stats.congested == 60,
		"reads of one that reports it are answered by %u at a time, the others are dropped and counted", most);
	test(others == 60, "others are not held up");
	mem.clock += 1000000;
	test(give(tagged(1, 0x24, 60, 1, 0)) == 1, "after a millisecond more are answered");
	test(give(tagged(1, 0x34, 100, 1, 1)) == 1, "writes are never dropped for it");
	/* One that floods reads of a sector and says so all the time: another's write gets there. */
	for(k = 0; k < 2; k++){
		for(i = 0; i < 1000; i++)
			memput(&nic, f, tagged(1, 0x24, 1000 + i + 1000 * k, 7, 0));
		n = tagged(2, 0x34, 1 + k, 7, 0x99);
		if(k == 1){
			f[25] = 1;
			f[27] = 0x06;
			memset(f + Odata, 0, Sector);
			f[Odata] = 7;
			f[Odata+6] = 1;
		}
		memput(&nic, f, n);
		unjam(&all, &others);
		test(others == 1 && mem.image[7 * Sector] == (k == 0 ? 0x99 : 0),
			"another's %s isn't held up by its reads of the same sector", k == 0 ? "write" : "TRIM");
	}
	mem.clock += 1100000000;
	n = (uint)stats.congested;
	for(i = 0; i < 60; i++)
		memput(&nic, f, tagged(1, 0x24, 4000 + i, i, 0));
	unjam(&all, &others);
	test(all == 60 && stats.congested == n, "after a second it is over");
	grants(1, "congestion 4 ");
	grants(1, "reset ");
	for(i = 0; i < 60; i++)
		memput(&nic, f, tagged(1, 0x24, 5000 + i, i, 0));
	unjam(&all, &others);
	test(all == 60 && stats.congested == n, "and with reset");
	/* On a slow disk it has few under way. */
	target("-d", Bufsec, 1500);
	grants(1, "congestion 4 ");
	memhold(Mread, 0, Bufsec);
	for(i = 0; i < 60; i++){
		memput(&nic, f, tagged(1, 0x24, i, i, 0));
		memround(&nic);
		mem.clock += 2000000;
	}
	test(stats.underway == 8 && stats.congested == 52,
		"no more than 8 are under way, however slow the disk");
	memrelease();
	memturn(&nic);
	test(answered() == 8 && give(tagged(1, 0x24, 70, 1, 0)) == 1,
		"they are answered, and so are later ones");
	/* Many of them can't take all requests. */
	target("", Bufsec, 1500);
	for(i = 0; i < INITIATORS; i++)
		grants((int)(10 + i), "congestion 1 ");
	for(i = 0; i < 64 * 20; i++)
		memput(&nic, f, tagged((int)(10 + i % INITIATORS), 0x24, i, 1, 0));
	memput(&nic, f, tagged(2, 0x24, 7, 1, 0));
	unjam(&all, &others);
	test(others == 1 && stats.congested > 0, "however many report it, others are served");
}

void
exttests(void)
{
	crcs();
	writesdone();
	twins();
	negotiation();
	writetracking();
	underway();
	rxtracking();
	withcrc();
	crcroom();
	coalescing();
	shares(64);
	shares(256);
	shares(1000);
	crowd();
	congestion();
}
