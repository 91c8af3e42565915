/*
 * Unit tests of aoe.c: which frames are ours, config strings, mask lists,
 * reservations, and the loop.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "memsys.h"
#include "unit.h"

int	aoede_main(int, char**);

static uchar f[Framemax + 600];

static int
silent(uint len)
{
	uint alen;

	return ask(f, len, &alen) == NULL;
}

/* Config. */

static uint
configframe(int from, uint ccmd, const void *s, uint slen)
{
	request(f, Cconfig, from);
	f[24] = 0xff;		/* of a request, none of these matters */
	f[28] = 0xff;
	f[29] = (uchar)ccmd;
	f[30] = (uchar)(slen >> 8);
	f[31] = (uchar)slen;
	memcpy(f + 32, s, slen);
	return 32 + slen;
}

/* The answer says this error and this string. */
static int
configis(uint len, uint error, const void *s, uint slen)
{
	uint alen, want = 32 + slen < Framemin ? Framemin : 32 + slen;
	uchar *a = ask(f, len, &alen);

	return isheader(a, f, error) && alen == want && a[24] == 0 && a[25] == BUFCNT
		&& a[28] == (nic.mtu - 36) / Sector
		&& a[29] == (0x10 | (f[29] & 0xf)) && a[30] == slen >> 8 && a[31] == (slen & 0xff)
			&& memcmp(a + 32, s, slen) == 0 && zeros(a + 32 + slen, want - 32 - slen);
}

static int
config(uint ccmd, const char *s, uint error, const char *now)
{
	return configis(configframe(1, ccmd, s, (uint)strlen(s)), error, now, (uint)strlen(now));
}

static int
configsilent(uint ccmd, const char *s)
{
	return silent(configframe(1, ccmd, s, (uint)strlen(s)));
}

static void
configs(void)
{
	static uchar big[1100];
	uint i;

	target("", Bufsec, 1500);
	test(config(0, "", 0, ""), "the config string is empty at first");
	test(config(1, "", 0, "") && configsilent(1, "x") && config(2, "", 0, "")
		&& configsilent(2, "x"), "test and prefix know the empty string");
	test(config(3, "one", 0, "one") && config(0, "", 0, "one"), "set sets an empty string");
	test(config(3, "two", 4, "one") && config(3, "on", 4, "one")
		&& config(3, "oneone", 4, "one")
		&& config(3, "", 4, "one"), "set refuses another, with error 4");
	test(config(3, "one", 0, "one"), "and takes the same");
	test(config(1, "one", 0, "one") && configsilent(1, "on") && configsilent(1, "ones")
		&& configsilent(1, "") && configsilent(1, "onf"), "test answers the string only");
	test(config(2, "one", 0, "one") && config(2, "on", 0, "one") && config(2, "", 0, "one")
		&& configsilent(2, "ones") && configsilent(2,
		"n"), "prefix answers each beginning of it");
	test(config(4, "other", 0, "other") && config(4, "", 0, "")
		&& config(3, "third", 0, "third"), "force set always sets, also nothing");
	for(i = 5; i < 16; i++)
		if(!config(i, "x", 2, "third"))
			break;
	test(i == 16, "every other config command is refused with error 2");
	for(i = 0; i < sizeof big; i++)
		big[i] = (uchar)(i * 7);
	test(configis(configframe(1, 4, big, 1024), 0, big, 1024)
		&& configis(configframe(1, 1, big, 1024), 0, big,
		1024), "a string of 1024 bytes, zeros among them");
	test(configis(configframe(1, 4, big, 1025), 2, big, 1024)
		&& configis(configframe(1, 3, big, 0xffff % 1100), 4, big,
		1024), "one of 1025 is refused with error 2");
	configframe(1, 4, "abcdef", 6);
	test(configis(37, 2, big, 1024) && configis(32, 2, big, 1024),
		"so is one longer than the frame");
	configframe(1, 4, "abcdef", 6);
	test(configis(60, 0, "abcdef", 6), "and not one that padding follows");
	configframe(1, 0, big, 1024);
	f[30] = f[31] = 0xff;
	test(configis(32, 0, "abcdef", 6) && configis(1056, 0, "abcdef", 6),
		"read ignores length and string");
	test(configis(configframe(1, 4, big, 1024), 0, big, 1024), "a string is set");
	nic.mtu = 576;
	test(configis(configframe(1, 0, "", 0), 0, big, 576 + 14 - 32),
		"and answered as far as a frame goes");
	nic.mtu = 1500;
}

static void
sectorcounts(void)
{
	static const int mtu[][2] = { { Minmtu, 1 }, { 576, 1 }, { 1059, 1 }, { 1060, 2 },
		{ 1500, 2 }, { 1571, 2 }, { 1572, 3 }, { 4200, 8 }, { 9000, 17 }, { 9216, 17 } };
	uint i, alen;
	uchar *a;

	target("", Bufsec, 1500);
	for(i = 0; i < sizeof mtu / sizeof mtu[0]; i++){
		nic.mtu = mtu[i][0];
		a = ask(f, configframe(1, 0, "", 0), &alen);
		test(a != NULL && a[28] == mtu[i][1], "at MTU %d the sector count is %d", mtu[i][0],
			mtu[i][1]);
	}
	target("-b 513", Bufsec, 1500);
	a = ask(f, configframe(1, 0, "", 0), &alen);
	test(a != NULL && a[24] == 2 && a[25] == 1, "the buffer count is -b's");
}

/* Mask lists. */

static uint
maskframe(int from, uint mcmd, uint count)
{
	uint n = request(f, Cmask, from);

	f[25] = (uchar)mcmd;
	f[26] = 0;
	f[27] = (uchar)count;
	memset(f + 28, 0, 8 * 256);
	return n > 28 + 8 * count ? n : 28 + 8 * count;
}

static void
directive(uint i, uint d, int mac)
{
	uchar *p = f + 28 + 8 * i;

	p[0] = 0xcc;		/* reserved */
	p[1] = (uchar)d;
	memset(p + 2, 0, 6);
	p[2] = 2;
	p[6] = (uchar)(mac >> 8);
	p[7] = (uchar)mac;
}

/* The answer lists n MACs from first on, but for the one named. */
static int
masklist(uint len, int first, int n, int without)
{
	uint alen, want = (uint)(28 + 8 * n) < Framemin ? Framemin : (uint)(28 + 8 * n);
	uchar *a = ask(f, len, &alen), *p;
	int i, mac = first;

	if(!isheader(a, f, 0) || alen != want || a[24] != 0 || a[25] != f[25] || a[26] != 0
		|| a[27] != n)
		return 0;
	for(i = 0, p = a + 28; i < n; i++, mac++, p += 8){
		mac += mac == without;
		if(p[0] != 0 || p[1] != 0 || p[2] != 2 || !zeros(p + 3, 3)
			|| (p[6] << 8 | p[7]) != mac)
			return 0;
	}
	return zeros(p, (uint)(a + want - p));
}

static int
maskfails(uint len, uint merror, uint index)
{
	uint alen;
	uchar *a = ask(f, len, &alen);

	return isheader(a, f, 0) && alen == Framemin && a[24] == 0 && a[25] == f[25]
		&& a[26] == merror && a[27] == index && zeros(a + 28, Framemin - 28);
}

static int
maskrefused(uint len)
{
	uint alen;
	uchar *a = ask(f, len, &alen);

	return isrefusal(a, alen, f, 2) && zeros(a + 24, Framemin - 24);
}

static void
addmany(int first, uint count)
{
	uint i;

	for(i = 0; i < count; i++)
		directive(i, 1, first + (int)i);
}

static void
masks(void)
{
	uint n, alen, i, c;

	target("", Bufsec, 1500);
	test(masklist(maskframe(1, 0, 0), 0, 0, -1), "the mask list is empty at first");
	n = maskframe(1, 1, 0);
	test(masklist(n, 0, 0, -1), "an edit without directives changes nothing");
	n = maskframe(1, 1, 3);
	addmany(1, 3);
	test(masklist(n, 1, 3, -1) && masklist(maskframe(2, 0, 0), 1, 3, -1), "MACs are added");
	test((maskframe(4, 0, 0), silent(36)) && (configframe(4, 0, "", 0), silent(36))
		&& (request(f, 0x77, 4), silent(60)), "others are not answered, whatever they ask");
	n = maskframe(1, 1, 3);
	directive(0, 1, 2);
	directive(1, 0, 99);
	directive(2, 2, 98);
	test(masklist(n, 1, 3, -1),
		"adding one that is there, deleting one that is not, and none change nothing");
	n = maskframe(1, 1, 1);
	directive(0, 2, 2);
	test(masklist(n, 1, 2, 2), "one is deleted from the middle");
	test((maskframe(2, 0, 0), silent(36)), "and not answered any more");
	n = maskframe(1, 1, 4);
	directive(0, 1, 4);
	directive(1, 3, 5);
	directive(2, 1, 6);
	test(maskfails(n, 2, 1), "a bad directive is answered with its index");
	for(i = 0, c = 0; i < 256; i++)
		if(i > 2){
			n = maskframe(1, 1, 1);
			directive(0, i, 5);
			c += (uint)maskfails(n, 2, 0);
		}
	test(c == 253, "every directive but 0, 1 and 2 is bad");
	test((configframe(4, 0, "", 0), ask(f, 36, &alen) != NULL),
		"those before it were carried out");
	n = maskframe(1, 1, 1);
	test(maskrefused(n - 1) && (f[27] = 255, maskrefused(n)),
		"a count beyond the frame is refused with error 2");
	for(i = 2, c = 0; i < 256; i++)
		c += (uint)maskrefused(maskframe(1, i, 0));
	test(c == 254, "so is every other mask command");
	n = maskframe(1, 1, 3);
	directive(0, 2, 1);
	directive(1, 2, 3);
	directive(2, 2, 4);
	test(masklist(n, 0, 0, -1) && (configframe(77, 0, "", 0), ask(f, 36, &alen) != NULL),
		"with the last MAC gone everyone is served");

	target("", Bufsec, 1500);
	n = maskframe(1, 1, 185);
	addmany(1, 185);
	test(masklist(n, 1, 185, -1), "185 MACs fit at MTU 1500");
	n = maskframe(1, 1, 2);
	directive(0, 1, 7);
	directive(1, 1, 186);
	test(maskfails(n, 3, 1) && masklist(maskframe(1, 0, 0), 1, 185, -1),
		"one more does not: the list is full");
	n = maskframe(1, 1, 2);
	directive(0, 2, 185);
	directive(1, 1, 185);
	test(masklist(n, 1, 185, -1), "one in place of another does");
	target("", Bufsec, 9000);
	n = maskframe(1, 1, 255);
	addmany(1, 255);
	test(masklist(n, 1, 255, -1), "255 fit in a jumbo frame");
	n = maskframe(1, 1, 1);
	directive(0, 1, 256);
	test(maskfails(n, 3, 0), "256 never do");
	nic.mtu = 1500;
	test(masklist(maskframe(1, 0, 0), 1, 185, -1),
		"a list too long for the frame is answered as far as it fits");
	n = maskframe(1, 1, 1);
	directive(0, 2, 200);
	test(masklist(n, 1, 185, -1), "and can be made shorter");
	target("-m 020000000001,020000000001,020000000002", Bufsec, 1500);
	test(masklist(maskframe(1, 0, 0), 1, 2, -1) && (maskframe(3, 0, 0), silent(36)),
		"-m's list is in force, each MAC once");
}

/* Reservations. */

static uint
reserveframe(int from, uint rcmd, uint count, int first)
{
	uint i;

	request(f, Creserve, from);
	f[24] = (uchar)rcmd;
	f[25] = (uchar)count;
	for(i = 0; i < count; i++){
		memset(f + 26 + 6 * i, 0, 6);
		f[26 + 6 * i] = 2;
		f[26 + 6 * i + 4] = (uchar)(((uint)first + i) >> 8);
		f[26 + 6 * i + 5] = (uchar)((uint)first + i);
	}
	return 26 + 6 * count;
}

/* The answer: this error, and n MACs from first on. */
static int
reserved(uint len, uint error, uint n, int first)
{
	uint alen, i, want = 26 + 6 * n < Framemin ? Framemin : 26 + 6 * n;
	uchar *a = ask(f, len, &alen);

	if(!isheader(a, f, error) || alen != want || a[24] != f[24] || a[25] != n)
		return 0;
	for(i = 0; i < n; i++)
		if(a[26 + 6 * i] != 2
			|| (uint)(a[30 + 6 * i] << 8 | a[31 + 6 * i]) != (uint)first + i)
			return 0;
	return zeros(a + 26 + 6 * n, want - 26 - 6 * n);
}

/* Does the initiator get error 6 for an ATA command? */
static int
barred(int from, uint cmd)
{
	uint alen;
	uchar *a;

	atarequest(f, cmd, 0, 1, 0);
	f[Osrc + 5] = (uchar)from;
	a = ask(f, Odata + Sector, &alen);
	return isrefusal(a, alen, f, 6);
}

static void
reserves(void)
{
	uint i, n;

	target("", Bufsec, 1500);
	test(reserved(reserveframe(1, 0, 0, 0), 0, 0, 0), "nobody holds a reservation at first");
	test(reserved(reserveframe(1, 1, 2, 3), 0, 2, 3)
		&& reserved(reserveframe(1, 0, 9, 1), 0, 2,
		3), "a reservation, also by one that is not in it; read ignores the count");
	test(!barred(3, 0x24) && !barred(4, 0x24) && barred(1, 0x24), "others get error 6");
	test(!barred(1, 0xec), "but for IDENTIFY DEVICE");
	for(i = n = 0; i < 256; i++)
		n += (uint)barred(1, i);
	test(n == 255, "for every other command");
	test(zeros(mem.image, Bufsec * Sector), "and nothing is written");
	test(reserved(reserveframe(1, 1, 1, 1), 6, 2, 3), "someone outside can't set another");
	test(reserved(reserveframe(1, 1, 0, 0), 6, 2, 3), "nor release it");
	test(reserved(reserveframe(4, 1, 1, 4), 0, 1, 4) && barred(3, 0x24), "someone inside can");
	test(reserved(reserveframe(1, 2, 1, 1), 0, 1, 1) && barred(4, 0x24) && !barred(1, 0x24),
		"force set works for all");
	test(reserved(reserveframe(1, 1, 0, 0), 0, 0, 0) && !barred(7, 0x24),
		"an empty set releases");
	for(i = 3, n = 0; i < 256; i++)
		n += (uint)reserved(reserveframe(1, i, 0, 0), 2, 0, 0);
	test(n == 253, "every other reserve command is refused with error 2");
	n = reserveframe(1, 1, 3, 1);
	test(reserved(n - 1, 2, 0, 0) && reserved(26, 2, 0, 0), "so is a count beyond the frame");
	test(reserved(reserveframe(1, 1, 248, 1), 0, 248, 1)
		&& reserved(reserveframe(1, 1, 249, 2), 2, 248,
		1), "248 MACs fit at MTU 1500, and no more");
	f[25] = 250;
	target("", Bufsec, 9000);
	test(reserved(reserveframe(1, 1, 255, 1), 0, 255, 1), "255 fit in a jumbo frame");
	nic.mtu = 1500;
	test(reserved(reserveframe(1, 0, 0, 0), 0, 248, 1),
		"a list too long for the frame is answered as far as it fits");
	target("", Bufsec, 1500);
	n = reserveframe(1, 1, 3, 5);
	memcpy(f + 32, f + 26, 6);
	memcpy(f + 38, f + 26, 6);
	test(reserved(n, 0, 1, 5), "each MAC counts once");
}

/* Which frames are ours. */

static int
identified(void)
{
	uint alen;
	uchar *a = ask(f, Odata, &alen);

	return isheader(a, f, 0) && alen == Odata + Sector;
}

static void
frames(void)
{
	uint i, n, alen;

	target("", Bufsec, 1500);
#define WITH(x) (atarequest(f, 0xec, 0, 1, 0), (x), identified())
#define SILENT(x) (atarequest(f, 0xec, 0, 1, 0), (x), silent(Odata))
	test(WITH(memset(f, 0xff, 6)), "a broadcast is answered");
	test(WITH((f[16] = f[17] = 0xff)) && WITH((f[18] = 0xff))
		&& WITH((f[16] = f[17] = f[18] = 0xff)), "shelf and slot may be wildcards, singly too");
	test(SILENT(f[17] = Shelf + 1) && SILENT(f[16] = 1) && SILENT(f[16] = 0xff)
		&& SILENT(f[18] = Slot + 1), "another shelf or slot is not");
	test(SILENT(f[5] ^= 0x80) && SILENT(f[0] ^= 1) && SILENT(memset(f, 0xff, 5)),
		"another's frame is not");
	test(SILENT(f[6] |= 1) && SILENT(memset(f + 6, 0xff, 6))
		&& SILENT(memcpy(f + 6, nic.ea.a,
		6)), "a group, or we ourselves, can't have sent it");
	test(SILENT(f[12] = 0) && SILENT(f[13] = 0xa3) && SILENT((f[12] = 0xa2, f[13] = 0x88)),
		"another Ethernet type is not");
	for(i = 0, n = 0; i < 256; i++){
		atarequest(f, 0xec, 0, 1, 0);
		f[14] = (uchar)i;
		if(i & 8)
			n += (uint)silent(Odata);
		else if(i >> 4 == 1)
			n += (uint)identified();
		else{
			uchar *a = ask(f, Odata, &alen);
			n += (uint)(isrefusal(a, alen, f, 5) && zeros(a + 24, Framemin - 24));
		}
	}
	test(n == 256,
		"a response is not answered, another version is with error 5, and the other flags don't matter");
	for(i = 4, n = 0; i < 256; i++){
		uchar *a;
		if(i == Cextend)
			continue;
		request(f, (int)i, 1);
		a = ask(f, 24, &alen);
		n += (uint)(isrefusal(a, alen, f, 1) && zeros(a + 24, Framemin - 24));
	}
	test(n == 251, "every other command is refused with error 1");
	test(stats.frames > 0, "frames are counted");
}

/*
 * Frames of every length up to the longest, with arguments of zeros, ones,
 * and the right ones.  The right ones come from one who would lose nothing.
 */
static void
lengths(void)
{
	static const uint least[] = { Odata, 32, 28, 26, 24, 24 };
	uint cmd, len, fill, right = 0, total = 0, alen;
	int answered;

	for(fill = 0; fill < 3; fill++)
		for(cmd = 0; cmd < 6; cmd++){
			target("", Bufsec, 1500);
			mempattern(0, Bufsec, 1);
			for(len = 0; len <= 1514; len++){
				memset(f, fill == 1 ? 0xff : 0, sizeof f);
				atarequest(f, 0x24, 0, 1, 0);
				f[19] = (uchar)cmd;
				if(fill < 2)
					memset(f + 24, fill == 1 ? 0xff : 0, 1514 - 24);
				answered = ask(f, len, &alen) != NULL;
				total++;
				right += answered == (len >= least[cmd]
					|| (cmd == Cconfig && len == Oarg))
					&& (!answered || (alen >= Framemin && alen <= 1514));
			}
		}
	test(right == total,
		"%u frames of every length are answered as far as they are long enough", total);
}

/* A frame of a target, which may be for our address. */
static uvlong
rivalsays(int from, int cmd, int slot)
{
	uvlong was = mem.warned;
	uint alen;

	memset(f, 0, 60);
	request(f, cmd, from);
	f[14] |= Fresp;
	f[18] = (uchar)slot;
	return ask(f, 60, &alen) == NULL ? mem.warned - was : 99;
}

static void
rivals(void)
{
	uvlong n;

	target("", Bufsec, 1500);
	n = stats.frames;
	test(rivalsays(7, Cconfig, 4) == 1, "another target of our address is said");
	test(rivalsays(7, Cconfig, 4) == 0, "once");
	test(rivalsays(8, Cconfig, 4) == 1, "and a third is");
	test(rivalsays(9, Cconfig, 5) == 0 && rivalsays(9, Cata, 4) == 0
		&& rivalsays(9, Cconfig,
		0xff) == 0, "of others, and other answers, there is no word");
	test(stats.frames == n, "none of them is counted as a request");
}

/*
 * More in one turn than buf.c collects and aoe.c has requests for.
 */
static void
manyatonce(void)
{
	uint alen, n = 0, i;
	uchar *a;

	target("", Bufsec, 1500);
	mempattern(0, Bufsec, 1);
	for(i = 0; i < 3 * Queuemax + 7; i++){
		atarequest(f, 0x24, 0, 1, i % Bufsec);
		f[20] = f[21] = f[22] = 0;
		f[23] = (uchar)i;
		memput(&nic, f, Odata);
	}
	mem.txslots = 4 * Queuemax;
	memturn(&nic);
	for(i = 0; (a = memget(&nic, &alen)) != NULL; i++)
		n += memcmp(a + Odata, mem.image + a[23] % Bufsec * Sector, Sector) == 0;
	mem.txslots = TX_SLOTS;
	test(i == 3 * Queuemax + 7 && n == i, "%u reads in one turn are all answered", i);
}

/* Slots that come back late. */

/*
 * Answers that went out, and how many of them answer a request of this kind
 * (a tag's third byte), each once, well and with this sector; 0 if any is
 * wrong.
 */
static uint
outs(uint kind, const uchar *sector)
{
	static uchar seen[65536];
	uint len, tag, n = 0, bad = 0;
	uchar *a;

	memset(seen, 0, sizeof seen);
	while((a = memget(&nic, &len)) != NULL){
		tag = (uint)(a[22] << 8 | a[23]);
		if(a[21] != kind)
			continue;
		bad |= seen[tag]++ || a[15] != 0 || (a[19] == Cata && a[27] != 0x40);
		if(sector != NULL)
			bad |= len != Odata + Sector || memcmp(a + Odata, sector, Sector) != 0;
		n++;
	}
	return bad ? 0 : n;
}

/* A request of this kind with a number. */
static uint
numbered(uint cmd, uint kind, uint i, uvlong lba)
{
	uint len = atarequest(f, cmd, 0, 1, lba);

	f[20] = 0;
	f[21] = (uchar)kind;
	f[22] = (uchar)(i >> 8);
	f[23] = (uchar)i;
	if(cmd != 0x34 && cmd != 0x3d)
		return len;
	memset(f + Odata, 0x5c, Sector);
	return len + Sector;
}

/* So many rounds, in each of which a few slots come back. */
static void
slowly(uint rounds)
{
	for(; rounds > 0; rounds--){
		mem.stuck = 0;
		nickick(&nic);
		mem.stuck = 1;
		memround(&nic);
	}
	mem.stuck = 0;
}

static void
ringfull(void)
{
	uint i;

	target("", Bufsec, 1500);
	mem.txslots = 64;
	mem.stuck = 1;
	for(i = 0; i < 200; i++)
		memput(&nic, f, numbered(i & 1 ? 0x24 : 0xec, 1, i, i % Bufsec));
	for(i = 0; i < 10; i++)
		memround(&nic);
	test(memwaiting(&nic) == 0 && stats.underway == 136 && stats.slotwaits == 136,
		"with the transmit ring full answers wait, and are counted");
	memput(&nic, f, numbered(0x24, 1, 199, 199 % Bufsec));
	memround(&nic);
	test(stats.twins == 1, "a request whose answer waits is under way");
	slowly(10);
	test(outs(1, NULL) == 200 && stats.underway == 0, "and are sent later, each one");
}

/* Reads from memory wait with what they read, and so do answers of every kind. */
static void
waitinganswers(void)
{
	uchar old[Sector];
	uint i, n, len;
	uchar *a;

	target("", Bufsec, 1500);
	mempattern(0, Bufsec, 7);
	memcpy(old, mem.image + 9 * Sector, Sector);
	mem.txslots = 8;
	mem.stuck = 1;
	for(i = 0; i < 100; i++)
		memput(&nic, f, numbered(0x24, 1, i, 9));
	memput(&nic, f, numbered(0x34, 2, 0, 9));
	for(i = 0; i < 5; i++)
		memround(&nic);
	test(mem.image[9 * Sector] == 0x5c,
		"a write doesn't wait for the answers of the reads before it");
	slowly(20);
	test(outs(1, old) == 100, "they have what was there when they were read");
	mem.stuck = 1;
	for(i = 0; i < 100; i++)
		memput(&nic, f, numbered(0x24, 1, i, 9));
	memput(&nic, f, configframe(1, 3, "late", 4));
	memput(&nic, f, configframe(2, 0, "", 0));
	memput(&nic, f, request(f, Cmask, 3));
	memput(&nic, f, request(f, Creserve, 4));
	request(f, 77, 5);
	memput(&nic, f, Oarg);
	for(i = 0; i < 5; i++)
		memround(&nic);
	slowly(20);
	for(i = n = 0; (a = memget(&nic, &len)) != NULL; i++)
		if(a[19] != Cata)
			n |= a[19] == Cconfig ? memcmp(a + 32, "late",
				4) == 0 ? 1U << a[5] : 0 : 1U << a[5];
	test(i == 105 && n == 0x3e, "answers to other commands wait too");
	/* Without end. */
	mem.stuck = 1;
	for(i = 0; i < 1000; i++)
		memput(&nic, f, configframe(1, 0, "", 0));
	for(i = 0; i < 100; i++)
		memround(&nic);
	test(nic.nnotes == TURN_FRAMES + 1 && memwaiting(&nic) == 1000 - 8 - TURN_FRAMES - 1,
		"not without end: then frames wait where they came in");
	slowly(200);
	for(n = 0; memget(&nic, &len) != NULL; n++)
		;
	test(n == 1000, "and are answered all the same");
}

/* An interface that can't be used any more. */
static void
gone(void)
{
	uint i, len;

	target("", Bufsec, 1500);
	mem.txslots = 8;
	mem.stuck = 1;
	for(i = 0; i < 100; i++)
		memput(&nic, f, i & 1 ? numbered(0x24, 1, i, 9) : configframe(1, 0, "", 0));
	for(i = 0; i < 5; i++)
		memround(&nic);
	memlink(&nic, 0, 1500, 0);
	niccheck(&nic);
	memround(&nic);
	test(stats.underway == 0 && nic.nnotes == 0 && nic.late == NULL,
		"answers that wait for an interface are dropped when it goes");
	mem.stuck = 0;
	memlink(&nic, 1, 1500, 0);
	niccheck(&nic);
	memround(&nic);
	while(memget(&nic, &len) != NULL)
		;
	memput(&nic, f, numbered(0x24, 2, 0, 9));
	memturn(&nic);
	test(outs(2, mem.image + 9 * Sector) == 1, "and what comes when it is back is answered");
	target("", Bufsec, 9000);
	mem.stuck = 1;
	for(i = 0; i < 20; i++){
		memput(&nic, f, numbered(0x24, 1, i, 9));
		f[26] = 17;
		f[23] = (uchar)(100 + i);
		memput(&nic, f, Odata);
	}
	memround(&nic);
	memround(&nic);
	memlink(&nic, 1, 1500, 0);
	niccheck(&nic);
	slowly(10);
	for(i = 0; memget(&nic, &len) != NULL; )
		i += len == Odata + Sector;
	test(stats.underway == 0 && i == 20,
		"answers that the interface can't carry any more are dropped, the others aren't");
}

/* A slow write, and as many reads of its sectors as one turn may bring. */
static void
behindwrite(void)
{
	uint i;

	target("-d", Bufsec, 1500);
	mem.txslots = 32;
	memhold(Mwrite, 0, Bufsec);
	memput(&nic, f, numbered(0x34, 1, 0, 9));
	memround(&nic);
	for(i = 0; i < 256; i++)
		memput(&nic, f, numbered(0x24, 2, i, 9));
	for(i = 0; i < 20; i++)
		memround(&nic);
	mem.stuck = 1;
	memrelease();
	for(i = 0; i < 20; i++)
		memround(&nic);
	slowly(40);
	test(outs(2, mem.image + 9 * Sector) == 256 && mem.image[9 * Sector] == 0x5c,
		"256 reads that wait for a slow write are all answered");
	target("-s", Bufsec, 1500);
	memhold(Msync, 0, Bufsec);
	for(i = 0; i < 256; i++){
		memput(&nic, f, numbered(0x3d, 2, i, i % Bufsec));
		memround(&nic);
	}
	mem.stuck = 1;
	memrelease();
	for(i = 0; i < 20; i++)
		memround(&nic);
	slowly(40);
	test(outs(2, NULL) == 256, "256 writes that wait for a sync are all answered");
	mem.txslots = TX_SLOTS;
}

void
aoetests(void)
{
	frames();
	configs();
	sectorcounts();
	masks();
	reserves();
	lengths();
	rivals();
	ringfull();
	waitinganswers();
	gone();
	behindwrite();
	manyatonce();
}

/*
 * The loop: aoede_main in a child, whose disk and interfaces are memsys'.
 * Each time it is about to wait, the story goes on by a step; what it gets
 * wrong is the child's exit status.
 */
static int step, wronged;
static int (*story)(int);

static void
telling(void)
{
	if(step > 200)
		_exit(99);
	if(!story(step) && wronged == 0)
		wronged = step + 1;
	step++;
}

static int
tell(int (*fn)(int), const char *words)
{
	static char line[8192];
	char *argv[20];
	int argc = 1, status;
	char *s;

	step = wronged = 0;
	story = fn;
	mem.idle = telling;
	memnonics();
	memdisk(Bufsec * Sector);
	memremap();
	snprintf(line, sizeof line, "%s", words);
	argv[0] = "aoede";
	for(s = strtok(line, " "); s != NULL; s = strtok(NULL, " "))
		argv[argc++] = s;
	argv[argc] = NULL;
	optind = 0;
	if(freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
		return 98;
	status = aoede_main(argc, argv);
	return wronged ? wronged : status ? 90 + status : 0;
}

/* An advertisement, to everyone or to one initiator. */
static int
advert(Nic *n, int to)
{
	static const uchar all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, one[6] = { 2, 0, 0, 0,
		0, 0 };
	uint len;
	uchar *a = memget(n, &len), want[6];

	memcpy(want, to < 0 ? all : one, 6);
	if(to >= 0)
		want[5] = (uchar)to;
	return a != NULL && len == Framemin && memcmp(a, want, 6) == 0
		&& memcmp(a + 6, n->ea.a, 6) == 0 && a[14] == 0x18 && a[15] == 0
		&& a[16] == 0 && a[17] == Shelf && a[18] == Slot && a[19] == Cconfig
			&& zeros(a + 20, 4) && a[28] == (n->mtu - 36) / Sector && a[29] == 0x10;
}

static int
quiet(Nic *n)
{
	uint len;

	return memget(n, &len) == NULL;
}

/* The request of an initiator to this interface. */
static void
send(Nic *n, uint cmd, uvlong lba)
{
	atarequest(f, cmd, 0, 1, lba);
	memcpy(f, n->ea.a, 6);
	memput(n, f, Odata + (cmd == 0x34 ? Sector : 0));
}

static int
answers(Nic *n)
{
	uint len;
	int i = 0;
	uchar *a;

	while((a = memget(n, &len)) != NULL)
		i += a[27] == 0x40 && memcmp(a + 6, n->ea.a, 6) == 0 && !zeros(a + 20, 4);
	return i;
}

/* The question for others of the same address. */
static int
query(Nic *n)
{
	uint len;
	uchar *a = memget(n, &len);

	return a != NULL && len == Framemin && memcmp(a, "\xff\xff\xff\xff\xff\xff", 6) == 0
		&& memcmp(a + 6, n->ea.a, 6) == 0
		&& a[14] == 0x10 && a[16] == 0 && a[17] == 9 && a[18] == 4 && a[19] == Cconfig
			&& a[29] == 0x10;
}

static int
twonics(int s)
{
	Nic *a = mem.nic[0], *b = mem.nic[1];
	int i;

	switch(s){
	case 0:
		if(!(mem.nnic == 2 && query(a) && advert(a, -1) && quiet(a) && query(b)
			&& advert(b, -1) && quiet(b)))
			return 0;
		for(i = 0; i < 100; i++)
			send(i & 1 ? a : b, i & 2 ? 0x24 : 0x34, (uvlong)(i % Bufsec));
		return 1;
	case 3:
		i = answers(a);
		memlink(b, 0, 1500, 0);
		return i == 50 && answers(b) == 50 && memwaiting(a) == 0;
	case 5:
		send(a, 0x24, 1);
		return !b->up && quiet(a);
	case 7:
		memlink(b, 1, 9000, 2);
		return answers(a) == 1;
	case 8:
		return quiet(b);	/* Nicagain */
	case 12:
		memlink(a, 1, 9000, 0);
		return b->up && query(b) && advert(b, -1) && quiet(b) && quiet(a);
	case 14:
		mem.size *= 2;
		mem.eof = mem.hi = mem.size;
		kill(getpid(), SIGHUP);
		return query(a) && advert(a, -1) && quiet(a) && quiet(b);
	case 16:
		kill(getpid(), SIGUSR2);
		return disk.size == mem.size && bufsize() == disk.size / Sector && advert(a, -1)
			&& quiet(a) && advert(b, -1) && quiet(b);
	case 18:
		mem.eof = 0;		/* the size can't be learnt */
		kill(getpid(), SIGHUP);
		return quiet(a) && quiet(b);
	case 20:
		mem.eof = mem.size;
		send(a, 0x34, 5);
		return advert(a, -1) && quiet(a) && advert(b, -1)
			&& bufsize() == disk.size / Sector;
	case 22:
		i = answers(a) == 1 && mem.unstable > 0;
		kill(getpid(), SIGTERM);
		return i;
	}
	return s < 24;
}

static int
stablelast(void)
{
	int r = tell(twonics, "9 4 t0 t1 image");

	return r != 0 ? r : mem.unstable == 0 ? 0 : 97;
}

/* The device goes while more requests are under way than the ring has slots. */
static int
going(int s)
{
	Nic *n = mem.nic[0];
	int i;

	switch(s){
	case 0:
		if(!(query(n) && advert(n, -1) && quiet(n)))
			return 0;
		memevict(0, Bufsec);
		memhold(Mread, 0, Bufsec);
		for(i = 0; i < 2 * TX_SLOTS; i++){
			numbered(0x24, 1, (uint)i, (uvlong)(i % Bufsec));
			memcpy(f, n->ea.a, 6);
			memput(n, f, Odata);
		}
		break;
	case 20:
		mem.stuck = 1;
		mem.kicks = 4;
		mem.gone = 1;
		return quiet(n) && memwaiting(n) == 0;
	}
	return s < 21;
}

static int
gonelast(void)
{
	int r = tell(going, "9 4 t0 image"), i = 0;
	uchar *a;
	uint len;

	while((a = memget(mem.nic[0], &len)) != NULL)
		i += (a[27] & 0x20) != 0;
	return r != 91 ? r : i == 2 * TX_SLOTS ? 0 : 97;
}

/* That it has gone is known by asking only, which further errors don't put off. */
static int
asked(int s)
{
	Nic *n = mem.nic[0];

	mem.clock += 100000000;
	if(s == 0){
		memevict(0, Bufsec);
		memfault(Mread, 0, Bufsec, EIO, 1000);
	}
	mem.going = s >= 2;
	numbered(0x24, 1, (uint)s, (uvlong)(s % Bufsec));
	memcpy(f, n->ea.a, 6);
	memput(n, f, Odata);
	return s < 10;
}

static int
askedlast(void)
{
	int r = tell(asked, "9 4 t0 image");

	return r != 91 ? r : 0;
}

static int
masked(int s)
{
	Nic *n = mem.nic[0];

	if(s == 0){
		kill(getpid(), SIGINT);
		return query(n) && advert(n, 1) && advert(n, 2) && quiet(n);
	}
	return s < 2;
}

static int
maskedlast(void)
{
	return tell(masked, "-m 020000000001,020000000002 9 4 t0 image");
}

/* So many that they don't fit in the ring; and a ring that stays full for ever. */
static int
manymasks(int s)
{
	static uchar told[256];
	Nic *n = mem.nic[0];
	uchar *a;
	uint len;
	int i;

	switch(s){
	case 0:
		mem.stuck = 1;
		while(memget(n, &len) != NULL)
			;
		kill(getpid(), SIGHUP);
		break;
	case 2:
		return n->untold == 255 - TX_SLOTS;
	case 4:
	case 6:
	case 8:
		mem.stuck = 0;
		nickick(n);
		mem.stuck = 1;
		break;
	case 10:
		while((a = memget(n, &len)) != NULL)
			told[a[5]]++;
		for(i = 1; i <= 255 && told[i] == 1; i++)
			;
		kill(getpid(), SIGHUP);
		mem.clock += 1000000000;
		kill(getpid(), SIGTERM);
		return i == 256;
	}
	return s < 20;
}

/* How long the loop would sleep. */
static int patience;
int	__real_poll(struct pollfd*, nfds_t, int), __wrap_poll(struct pollfd*, nfds_t, int);

int
__wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	patience = ms;
	if(p == NULL)
		mem.clock += (uvlong)ms * 1000000;
	return __real_poll(p, n, ms);
}

/* A ring that stays full is looked at seldom, and often once it moves. */
static int
stucklong(int s)
{
	Nic *n = mem.nic[0];

	mem.clock += 10000000;
	switch(s){
	case 0:
		mem.stuck = 1;
		kill(getpid(), SIGHUP);
		return 1;
	case 5:
		return patience == 1 && n->untold > 0;
	case 30:
		mem.kicks = 1;
		return patience == 100;
	case 33:
		mem.stuck = 1;
		kill(getpid(), SIGHUP);
		return 1;
	case 35:
		return patience == 1;
	case 60:
		kill(getpid(), SIGTERM);
		return patience == 100;
	}
	return s < 62;
}

static int
tellmany(int (*fn)(int))
{
	char words[8192];
	int i, n;

	for(i = 1, n = snprintf(words, sizeof words, "-m "); i <= 255; i++)
		n += snprintf(words + n, sizeof words - (size_t)n, "%s0200000000%02x",
			i > 1 ? "," : "", i);
	snprintf(words + n, sizeof words - (size_t)n, " 9 4 t0 image");
	return tell(fn, words);
}

static int	manymaskslast(void) { return tellmany(manymasks); }
static int	stucklast(void) { return tellmany(stucklong); }

static int
lastfault(int s)
{
	if(s == 0){
		memfault(Msync, 0, 1, EIO, 0);
		kill(getpid(), SIGTERM);
	}
	return s < 2;
}

static int
faultlast(void)
{
	return tell(lastfault, "9 4 t0 image") == 91 ? 0 : 1;
}

static int
window(int s)
{
	if(s == 0){
		mem.size = 3 * Sector;
		kill(getpid(), SIGHUP);
		return bufsize() == 7;
	}
	if(s == 2){
		kill(getpid(), SIGTERM);
		return bufsize() == 7;
	}
	return s < 4;
}

static int
windowlast(void)
{
	return tell(window, "-o 3 -l 7 9 4 t0 image");
}

static int nothing(int s) { (void)s; return 0; }
static int badnic(void) { return tell(nothing, "9 4 t0 missing image"); }
static int badshadow(void) { return tell(nothing, "-f missing/shadow 9 4 t0 image"); }
static int badfile(void) { return tell(nothing, "9 4 t0 missing"); }
static int badoffset(void) { return tell(nothing, "-o 64 9 4 t0 image"); }
static int badlength(void) { return tell(nothing, "-o 60 -l 5 9 4 t0 image"); }
static int badoption(void) { return tell(nothing, "-q 9 4 t0 image"); }
static int help(void) { return tell(nothing, "-h"); }
static int version(void) { return tell(nothing, "-V"); }

/* USR1 so many times, then USR2. */
static void
usr(int n)
{
	while(n-- > 0)
		kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
}

static int
freezestory(int n)
{
	uvlong was = mem.warned;

	switch(n){
	case 2:
		usr(2);			/* it isn't frozen */
		return 1;
	case 3:
		usr(0);
		usr(3);
		return mem.warned > 0;
	case 4:
		usr(1);
		return mem.warned > was || freezestate() == Fnone;
	case 50:
		kill(getpid(), SIGHUP);	/* its size stays, and the state is told */
		return freezestate() == Ffrozen;
	case 52:
		usr(1);			/* it is frozen already */
		return freezestate() == Ffrozen;
	case 54:
		usr(2);
		return 1;
	case 150:
		kill(getpid(), SIGTERM);
		return freezestate() == Fnone && mem.warned > 2;
	}
	return 1;
}

static int
freezeloop(void)
{
	return tell(freezestory, "-f shadow 9 4 t0 image");
}

/* The disk's size can't be learnt any more; and HUP with a pool. */
static int
sizestory(int n)
{
	switch(n){
	case 2:
		memfault(Msize, 0, 1, EIO, 0);
		kill(getpid(), SIGHUP);
		break;
	case 5:
		kill(getpid(), SIGTERM);
		return bufsize() == Bufsec;
	}
	return 1;
}

static int
sizelast(void)
{
	return tell(sizestory, "-w -c 1 9 4 t0 image");
}

/*
 * What a stream of requests costs: of n, of which so many per cent, at random,
 * come while the loop looks, how many looks were vain, and how many requests
 * came while it slept though a look would have found them.
 */
static void
stream(Looks *l, uint n, uint percent, uint *vain, uint *late)
{
	static uint x = 1;
	uint i;
	int soon;

	*vain = *late = 0;
	for(i = 0; i < n; i++){
		x = x * 1664525 + 1013904223;
		soon = (x >> 16) % 100 < percent;
		if(worthlooking(l)){
			looked(l, soon);
			*vain += !soon;
		}else
			*late += (uint)soon;
	}
}

static void
looking(void)
{
	Looks l = { 0 };
	uint vain, late, i, most;

	stream(&l, 1000, 100, &vain, &late);
	test(vain == 0 && late == 0, "requests that come soon are looked for from the first");
	stream(&l, 1, 0, &vain, &late);
	i = vain;
	stream(&l, 1000, 100, &vain, &late);
	test(i == 1 && vain == 0 && late == 0,
		"a pause costs one vain look, and no request finds the loop asleep after it");
	stream(&l, 6400, 0, &vain, &late);
	test(vain > 6400 / 64 - 1 && vain < 6400 / 64 + 10,
		"of a stream with long gaps one in 64 is looked for, so that a change is noticed");
	for(i = most = 0; i < 64; i++){
		stream(&l, 1000 + i, 0, &vain, &late);
		stream(&l, 1000, 100, &vain, &late);
		most = late > most ? late : most;
	}
	test(late > 0 && most <= 2 * 63 && vain == 0,
		"when gaps become short again, within 126 requests every one is looked for");
	stream(&l, 64000, 33, &vain, &late);
	test(vain < 64000 / 16,
		"looks of which one in three finds something are not worth it (%u of 64000 vain)", vain);
	stream(&l, 64000, 75, &vain, &late);
	test(late < 48000 / 16, "those of which three in four do are (%u of 48000 late)", late);
}

void
looptests(void)
{
	looking();
	test(apart(stablelast) == 0,
		"the loop: adverts, answers, links that go and come, HUP, and a last flush");
	test(apart(maskedlast) == 0, "with a mask list each MAC gets the advert");
	test(apart(gonelast) == 0,
		"when the device has gone all that was under way is told so, also when it takes the transmit ring a moment");
	test(apart(askedlast) == 0,
		"a device that fails all requests is asked whether it has gone, however soon the next fails");
	test(apart(stucklast) == 0,
		"a transmit ring that stays full wakes the loop seldom, and one that moves often");
	test(apart(manymaskslast) == 0,
		"also when there are more than the transmit ring has slots; and one that is full for ever doesn't hold up the end");
	test(apart(windowlast) == 0,
		"a file that has become too small for -o and -l keeps its size in force");
	test(apart(faultlast) == 0, "a last flush that fails gives exit status 1");
	test(apart(freezeloop) == 0, "the loop: freezing and unfreezing by signals");
	test(apart(sizelast) == 0, "a size that can't be learnt stays in force");
	test(apart(badnic) == 1 && apart(badshadow) == 1 && apart(badfile) == 1
		&& apart(badoffset) == 1 && apart(badlength) == 1
		&& apart(badoption) == 1, "what can't be served gives exit status 1");
	test(apart(help) == 0 && apart(version) == 0, "-h and -V give 0");
}
