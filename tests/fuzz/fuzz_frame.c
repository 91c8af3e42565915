/*
 * A fuzzer's way in: one input is a target's life, a sequence of frames
 * and events, over the disk in memory of memsys.c.  Each input is lived
 * through twice, with rooms for answers that hold different rubbish, and
 * the answers must be the same.
 *
 * An input begins with two bytes: options (below), and an index into mtus.
 * Then records, each opening with a byte whose low three bits tell its
 * kind:
 *
 *	Rframe	how[1], length[2], given[2], bytes[given]
 *		A frame.  how picks its addresses (below); the bytes given
 *		stand from the version on, and the rest up to length is filled
 *		with zeros, or with a pattern.
 *	Rraw	length[2], bytes[length]: a frame as it is
 *	Rturn	requests are carried out, and answers sent: all, or, when the
 *		upper bits of the byte aren't 0, as many as the disk feels
 *		like, in the way that these bits say (somewhat); with Flate
 *		answers are only sent when all are
 *	Rfault	what[1], sector[1]: from now on the disk fails there (rfault);
 *		sector 255: the file has shrunk
 *	Rheal	neither is so any longer
 *	Rmtu	index[1]: the interface has another MTU
 *	Rsize	sectors[1]: the image has grown or shrunk, and HUP was sent
 *
 * The oracle knows what each frame may be answered, follows the answers
 * with a copy of the disk, and compares.  It learns from an answer only
 * that a command has been done; what doing it means it works out by itself
 * (the heads of aoe.c and ata.c; ACS-3).
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
#include "fuzz_frame.h"

typedef struct Asked Asked;
typedef struct Feature Feature;

enum {
	Imagesec		= 280,		/* sectors of the image at first */
	Maximage	= 320,
	First		= 3,		/* -o */
	Pagesec		= 4096 / Sector,
	Length		= 256,		/* -l */
	Maxasked	= 256,		/* frames before a turn must come */
	Shelf		= 9,
	Slot		= 4,
	Framelen	= Framemax + 64,
};

/* A frame that the target got, and what it answered. */
struct Asked {
	uchar	*f;
	uint	len;
	uchar	*answer;
	uint	alen;
	int	mtu;
	int	ours;
	int	maybe;		/* nobody knows whether it is a request: it came behind another */
	int	crc;		/* its initiator's at that time */
	uchar	*names;		/* those expected in the answer to a negotiation, or NULL */
	uint	nnames;
};

/* What an initiator has negotiated: 0 no, 1 yes, Maybe. */
enum { Maybe = 2 };
struct Feature {
	int	coalesce;
	int	crc;
};

int LLVMFuzzerTestOneInput(const uint8_t*, size_t);

static const uint least[] = { 36, 32, 28, 26 };	/* bytes of a frame, by command */
static const int mtus[] = { 1500, 9000, 576, 1560, 4200, 9216, 1499, 534 };

static const uchar *in, *end;
static Nic nic;
static Asked asked[Maxasked];
static uvlong ndropped;		/* of requests dropped, what was found unanswered or is of turns before */
static uint nasked, serial, nfaults;
static int options;
static uvlong nsect;
static uchar model[Maximage * Sector];
static uchar fresh[Imagesec * Sector];	/* the disk at an input's beginning */
static uchar unknown[Maximage];		/* the oracle has lost sight of these sectors */
static uvlong digest;			/* of all answers */
static Feature features[3];		/* of the MACs of address */
static uint strangers;			/* negotiations of other MACs */

static const uchar macs[4][6] = {
	{ 0x02, 0, 0, 0, 0, 1 }, { 0x02, 0, 0, 0, 0, 2 },
	{ 0x02, 0, 0, 0, 0, 3 }, { 0x03, 0, 0, 0, 0, 1 },
};

static void
check(int good, const char *what)
{
	uint i;
	Asked *a = &asked[nasked > 0 ? nasked - 1 : 0];

	if(good)
		return;
	fprintf(stderr, "fuzz_frame: %s; the frame looked at, or the last:\n", what);
	for(i = 0; nasked > 0 && i < a->len && i < 64; i++)
		fprintf(stderr, "%02x%s", a->f[i], i % 16 == 15 ? "\n" : " ");
	putc('\n', stderr);
	abort();
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

static uint
get16(const uchar *p)
{
	return (uint)(p[0] << 8 | p[1]);
}

static uvlong
getle(const uchar *p, int n)
{
	uvlong v = 0;

	while(n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* The oracle. */

static uchar*
at(uvlong lba)
{
	return model + (First + lba) * Sector;
}

static uint
capacity(int mtu)
{
	return (uint)(mtu + Etherhdr - Odata) / Sector;
}

enum { Xnone, Xread, Xwrite, Xtrim };

/* What an ATA command moves, and whether its LBA has 48 bits. */
static int
kind(uint cmd, int *ext)
{
	static const uchar reads[] = { 0x20, 0x21, 0xc8, 0x24, 0x25 };
	static const uchar writes[] = { 0x30, 0x31, 0xca, 0x34, 0x35, 0x3d };
	uint i;

	*ext = 1;
	if(cmd == 0x06)
		return Xtrim;
	for(i = 0; i < sizeof reads; i++)
		if(reads[i] == cmd){
			*ext = i >= 3;
			return Xread;
		}
	for(i = 0; i < sizeof writes; i++)
		if(writes[i] == cmd){
			*ext = i >= 3;
			return Xwrite;
		}
	return Xnone;
}

/* Four bytes behind n others that should be their checksum. */
static int
goodcrc(const uchar *p, uint n)
{
	static uchar table[256];
	uchar crc[4] = { 0xff, 0xff, 0xff, 0xff };
	uint i, k, c;

	for(i = 1; table[255] == 0; i++){
		for(c = i, k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xb2 : c >> 1;
		table[i] = (uchar)c;
	}
	for(i = 0; i < n; i++)
		crc[i % 4] = table[crc[i % 4] ^ p[i]];
	return memcmp(crc, p + n, 4) == 0;
}

/* All sectors that a request names and the disk has are out of sight. */
static void
lose(uvlong lba, uvlong n)
{
	for(; n > 0 && lba < nsect; lba++, n--)
		unknown[First + lba] = 1;
}

static void
trimmed(Asked *a, uint n, int done)
{
	uchar *p = a->f + Odata;
	uvlong lba, len;
	uint i;

	for(i = 0; i < n * 64 && Odata + 8 * (i + 1) <= a->len; i++, p += 8){
		lba = getle(p, 6);
		len = getle(p + 6, 2);
		if(len == 0)
			continue;
		if(!done){
			lose(lba, len);
			continue;
		}
		check(lba < nsect && len <= nsect - lba, "a trim beyond the disk was done");
		memset(at(lba), 0, len * Sector);
		memset(unknown + First + lba, 0, len);
	}
}

/* An answer that is nothing, or nothing behind a certain byte. */
static int
zeros(const uchar *p, const uchar *e)
{
	for(; p < e; p++)
		if(*p != 0)
			return 0;
	return 1;
}

/*
 * Is this sector cut off, in a page of which a part is left?  The page cache
 * has zeros there (mmap(2)), as far as anybody can see.
 */
static int
cutoff(uvlong sec, const uchar *data)
{
	return (sec + 1) * Sector > mem.eof && sec / Pagesec * Pagesec * Sector < mem.eof
		&& zeros(data, data + Sector);
}

static void
moved(Asked *a, int what, uvlong lba, uint n, int done)
{
	uchar *data = (what == Xread ? a->answer : a->f) + Odata;
	uint i;

	if(!done){
		if(what == Xwrite)
			lose(lba, n);
		return;
	}
	check(lba < nsect && n <= nsect - lba, "a transfer beyond the disk was done");
	if(what == Xwrite){
		check(Odata + n * Sector <= a->len, "more was written than came");
		memcpy(at(lba), data, n * Sector);
		memset(unknown + First + lba, 0, n);
		return;
	}
	check(a->alen == Odata + n * Sector || a->crc, "a read's answer has the wrong length");
	for(i = 0; i < n; i++)
		check(unknown[First + lba + i] || cutoff(First + lba + i, data + i * Sector)
			|| memcmp(data + i * Sector, at(lba + i),
			Sector) == 0, "a read answers with other data than was written");
}

static void
atadone(Asked *a)
{
	uchar *f = a->f, *r = a->answer;
	int ext, what = kind(f[27], &ext), done = r[27] == 0x40;
	uint n = f[26] > 0 ? f[26] : ext ? 65536 : 256;
	uvlong lba = getle(f + 28, ext ? 6 : 4);
	int page = f[27] == 0xec || f[27] == 0xb0;

	if(!ext)
		lba &= 0x0fffffff;
	check(done || r[27] == 0x41 || r[27] == 0x61, "a status that no command has");
	check(done == (r[25] == 0) || r[27] == 0x61, "status and error register disagree");
	check(r[24] == f[24] && r[34] == 0 && r[35] == 0, "AFlags or reserved bytes are wrong");
	check(r[27] != 0x61 || what == Xwrite || what == Xtrim, "a device fault without a write");
	if(what == Xread && a->crc){
		n = done ? n : 0;
		if(a->crc != Maybe || a->alen == Odata + n * Sector + 4)
			check(a->alen == (n == 0 ? Framemin : Odata + n * Sector + 4)
				&& (goodcrc(r + 24, 12 + n * Sector)
				|| a->crc == Maybe), "a read's checksum is wrong");
	}
	if(!(done && what == Xread))
		check(a->alen == (page ? Odata + Sector : Framemin),
			"an answer has the wrong length");
	if(f[27] == 0xec)
		check(done, "IDENTIFY failed");
	if(what == Xnone || (!done && r[27] != 0x61))
		return;
	if(done){
		check(n <= capacity(a->mtu), "more sectors than a frame holds");
		check(what == Xread || !(options & Freadonly), "a read-only disk was written");
	}
	if(what == Xtrim)
		trimmed(a, n, done);
	else
		moved(a, what, lba, n, done);
}

/* A write whose checksum is wrong. */
static int
wrongcrc(Asked *a)
{
	uchar *f = a->f;
	uint n;
	int ext, what;

	if(f[14] >> 4 != Aoever || f[19] != 0 || a->len < Odata)
		return 0;
	what = kind(f[27], &ext);
	n = f[26] > 0 ? f[26] : ext ? 65536 : 256;
	return (what == Xwrite || what == Xtrim) && a->len >= Odata + n * Sector + 4
		&& !goodcrc(f + 24, 12 + n * Sector);
}

/* A config read may end after its header. */
static int
bareread(Asked *a)
{
	return a->f[19] == Cconfig && a->len == Oarg;
}

/*
 * Is silence wrong?  With a mask list, or when a config string was asked
 * for, the oracle doesn't know.
 */
static int
mustanswer(Asked *a)
{
	uchar *f = a->f;

	if(!a->ours || a->maybe || options & (Fmasked | Fmaskused))
		return 0;
	if(f[14] >> 4 == Aoever && f[19] == Cextend)
		return a->names != NULL;
	if(a->crc && wrongcrc(a))
		return 0;
	if(f[14] >> 4 != Aoever || f[19] > 3)
		return 1;
	if(a->len < least[f[19]])
		return bareread(a);
	return f[19] != 1 || ((f[29] & 0xf) != 1 && (f[29] & 0xf) != 2);
}

static void
judge(Asked *a)
{
	uchar *f = a->f, *r = a->answer;

	if(r == NULL){
		/* The target counts the ATA requests that it had no room for, or for whose initiator its network has none. */
		if(mustanswer(a) && !(f[14] >> 4 == Aoever && f[19] == 0
			&& ndropped++ < stats.dropped + stats.congested))
			check(0, "a frame was not answered");
		return;
	}
	check(a->ours, "a frame that was not for us was answered");
	check(a->crc != 1 || !wrongcrc(a), "a write with a wrong checksum was answered");
	check(f[14] >> 4 != Aoever || f[19] > 3 || a->len >= least[f[19]] || bareread(a),
		"a frame that was too short was answered");
	check(a->alen <= (uint)(Etherhdr + a->mtu) && a->alen >= Framemin,
		"an answer is too short or too long");
	check(memcmp(r, f + 6, 6) == 0 && memcmp(r + 6, nic.ea.a, 6) == 0
		&& get16(r + 12) == Aoetype, "an answer's Ethernet header is wrong");
	check(r[14] == 0x18 || r[14] == 0x1c, "an answer's version or flags are wrong");
	check((r[15] != 0) == (r[14] == 0x1c) && r[15] <= 6,
		"an answer's error and its flag disagree");
	check(get16(r + 16) == Shelf && r[18] == Slot && r[19] == f[19],
		"an answer has another address or command");
	check((r[15] == 5) == (f[14] >> 4 != 1), "the version was misjudged");
	if(r[15] != 5)
		check((r[15] == 1) == (f[19] > 3 && f[19] != Cextend), "the command was misjudged");
	if(r[15] == 5 || r[15] == 1)
		check(zeros(r + 24, r + a->alen), "a refusal says more");
	else if(f[19] == Cextend){
		check(r[15] == 0 && a->names != NULL, "a negotiation was answered that is none");
		check(a->alen >= 26 + a->nnames && memcmp(r + 24, f + 24, 2) == 0
			&& zeros(r + 26 + a->nnames,
			r + a->alen), "a negotiation's answer has another length");
		check(memcmp(r + 26, a->names, a->nnames) == 0, "other features were granted");
	}else if(f[19] == 0 && r[15] == 0)
		atadone(a);
	else if(f[19] == 2 && r[15] == 0 && f[25] == 1)
		options |= Fmaskused;
}

/*
 * After a turn: pair answers with frames by their tags, then follow the
 * frames in the order they came.
 */
static void
collect(void)
{
	uchar *r;
	uint i, len;
	uvlong h;

	while((r = memget(&nic, &len)) != NULL){
		for(i = 0, h = 14695981039346656037ULL; i < len; i++)
			h = (h ^ r[i]) * 1099511628211ULL;
		digest += h;		/* in whatever order they come */
		for(i = 0; i < nasked; i++)
			if(asked[i].len >= 24 && memcmp(asked[i].f + 20, r + 20, 4) == 0)
				break;
		check(len >= Framemin && i < nasked, "an answer to nothing");
		check(asked[i].answer == NULL, "a frame was answered twice");
		asked[i].answer = malloc(len);
		if(asked[i].answer == NULL)
			abort();
		memcpy(asked[i].answer, r, len);
		asked[i].alen = len;
	}
}

static void
compare(void)
{
	uvlong i;

	for(i = 0; i < Maximage; i++)
		if(unknown[i]){
			memcpy(model + i * Sector, mem.image + i * Sector, Sector);
			unknown[i] = 0;
		}
	check(memcmp(model, mem.image, sizeof model) == 0, "the disk holds what nobody wrote");
}

/*
 * The disk does something, but not all.
 */
static void
somewhat(uint how)
{
	mem.late = how / 4;
	mem.torn = how & 1;
	mem.shuffled = how >> 1 & 1;
	mem.stuck = (options & Flate) != 0;
	memround(&nic);
	collect();
}

static void
turn(void)
{
	uint i, n = nasked;

	mem.stuck = 0;
	memturn(&nic);
	collect();
	for(i = 0; i < n; i++){
		nasked = i + 1;		/* for check's message */
		judge(&asked[i]);
	}
	compare();
	ndropped = stats.dropped + stats.congested;
	for(i = 0; i < n; i++){
		free(asked[i].f);
		free(asked[i].answer);
		free(asked[i].names);
	}
	nasked = 0;
}

/* Is the frame for us, leaving out the mask list? */
static int
ours(const uchar *f, uint len)
{
	static const uchar all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return len >= 24 && get16(f + 12) == Aoetype && !(f[14] & 0x08)
		&& (memcmp(f, nic.ea.a, 6) == 0 || memcmp(f, all, 6) == 0)
		&& !(f[6] & 1) && memcmp(f + 6, nic.ea.a, 6) != 0
		&& (get16(f + 16) == Shelf || get16(f + 16) == 0xffff)
		&& (f[18] == Slot || f[18] == 0xff);
}

/* Extensions. */

static Feature*
featuresof(const uchar *f)
{
	static Feature any;
	int i;

	for(i = 0; i < 3; i++)
		if(memcmp(f + 6, macs[i], 6) == 0 && strangers < INITIATORS - 3)
			return &features[i];
	any = (Feature){ Maybe, Maybe };
	return &any;
}

static void
upper(uchar *s)
{
	for(; *s != 0; s++)
		if(*s >= 'a' && *s <= 'z')
			*s = (uchar)(*s - 32);
}

/*
 * What the target makes of a list of names.
 */
static void
negotiate(Feature *g, uchar *s, int mtu)
{
	uchar *next, *p;

	for(; *s != 0; s = next){
		next = s + strlen((char*)s) + 1;
		if(strcmp((char*)s, "reset") == 0)
			*g = (Feature){ 0 };
		else if(strcmp((char*)s, "coalesced_read") == 0)
			g->coalesce = 1;
		else if(strcmp((char*)s, "crc8x4") == 0 && mtu >= 538)
			g->crc = 1;
		else if(strcmp((char*)s, "congestion") == 0 && *next != 0){
			for(p = next; *p >= '0' && *p <= '9'; p++)
				;
			if(*p != 0)
				continue;
			upper(s);
			next = p + 1;
			continue;
		}else if(strcmp((char*)s, "tag_inc_le") != 0 && strcmp((char*)s, "tag_inc_be") != 0
			&& strcmp((char*)s, "tag_random") != 0)
			continue;
		upper(s);
	}
}

/*
 * Before the target gets it, a frame that changes features is looked at.
 */
static void
foresee(Asked *a)
{
	Feature *g = featuresof(a->f);
	uchar *f = a->f;
	uint n;

	a->crc = g->crc;
	if(!a->ours || f[14] >> 4 != Aoever)
		return;
	if(f[19] == Cmask && a->len >= 28 && f[25] == 1)
		options |= Fmaskused;
	if(f[19] == Cconfig && a->len >= 32 && (f[29] & 0xf) > 2){
		g->coalesce = g->coalesce ? Maybe : 0;
		g->crc = g->crc ? Maybe : 0;
	}
	if(f[19] != Cextend || a->len < 28)
		return;
	strangers += g < features || g >= features + 3;
	n = (uint)(f[24] | f[25] << 8);
	if(n < 2 || n > a->len - 26 || f[26 + n - 1] != 0 || f[26 + n - 2] != 0
		|| 26 + n > (uint)(a->mtu + Etherhdr))
		return;
	a->nnames = n;
	a->names = malloc(n);
	if(a->names == NULL)
		abort();
	memcpy(a->names, f + 26, n);
	negotiate(g, a->names, a->mtu);
	if(options & (Fmasked | Fmaskused))
		*g = (Feature){ Maybe, Maybe };
}

static void
settag(uchar *p)
{
	serial++;
	p[0] = (uchar)(serial >> 24);
	p[1] = (uchar)(serial >> 16);
	p[2] = (uchar)(serial >> 8);
	p[3] = (uchar)serial;
}

/* How many records of coalesced reads there may be in a frame. */
static uint
records(const uchar *f, uint len)
{
	uint n;
	int ext;

	if(!ours(f, len) || len <= Odata || f[19] != 0 || kind(f[27], &ext) != Xread
		|| !featuresof(f)->coalesce)
		return 0;
	n = (len - Odata - 1) / 16;
	return n < f[Odata] ? n : f[Odata];
}

static void
ask(const uchar *f, uint len, int maybe)
{
	Asked *a = &asked[nasked++];

	*a = (Asked){ .f = malloc(len + 1), .len = len, .mtu = nic.mtu, .ours = ours(f, len), .maybe = maybe };
	if(a->f == NULL)
		abort();
	memcpy(a->f, f, len);
	if(len >= 24)
		foresee(a);
}

/* Each request gets a tag of its own, for the answer to be known by. */
static void
give(uchar *f, uint len)
{
	uchar q[Odata], *p;
	uint i, n = records(f, len);
	int ext, maybe;

	if(nasked + 1 + n > Maxasked)
		turn();
	if(len >= 24)
		settag(f + 20);
	for(i = 0, p = f + Odata + 1; i < n; i++, p += 16)
		settag(p);
	ask(f, len, 0);
	maybe = n > 0 && !(featuresof(f)->coalesce == 1 && f[14] >> 4 == Aoever && f[19] == 0
		&& kind(f[27], &ext) == Xread);
	for(i = 0, p = f + Odata + 1; i < n; i++, p += 16){
		memcpy(q, f, sizeof q);
		memcpy(q + 20, p, 4);
		memcpy(q + 28, p + 4, 6);
		q[26] = p[15];
		ask(q, sizeof q, maybe);
	}
	memput(&nic, f, len);
	takeframes(&nic);
}

/* Records. */

static void
address(uchar *f, uint how)
{
	if(how & Hbroadcast)
		memset(f, 0xff, 6);
	else
		memcpy(f, nic.ea.a, 6);
	memcpy(f + 6, macs[how & Hmac], 6);
	f[12] = Aoetype >> 8;
	f[13] = Aoetype & 0xff;
}

static void
rframe(void)
{
	static uchar f[Framelen];
	uint i, how = byte(), len = word() % (Framelen + 1), given = word();

	memset(f, 0, sizeof f);
	if(how & Hpattern)
		for(i = Odata; i < len; i++)
			f[i] = (uchar)((i + serial) * 151 >> 4);
	for(i = 14; in < end && given > 0; i++, given--)
		if(i < Framelen)
			f[i] = *in++;
		else
			in++;
	address(f, how);
	if(how & Hours){
		f[16] = Shelf >> 8;
		f[17] = Shelf & 0xff;
		f[18] = Slot;
		f[14] = Aoever << 4 | (f[14] & 0x07);
	}
	give(f, len);
}

static void
rraw(void)
{
	static uchar f[Framelen];
	uint i, len = word() % (Framelen + 1);

	for(i = 0; i < len; i++)
		f[i] = (uchar)byte();
	give(f, len);
}

static void
rheal(void)
{
	turn();
	memheal();
	nfaults = 0;
	mem.grain = Sector;
	mem.eof = mem.size;
}

static void
rfault(void)
{
	static const int errors[] = { EIO, ENOSPC, EROFS, ENODATA };
	uint what = byte(), sector = byte();

	turn();
	if(sector == 255){
		mem.eof = (First + what) * Sector;
		return;
	}
	if(nfaults++ == 16)
		rheal();
	memfault(what & 1 ? Mwrite : what & 2 ? Mtrim : Mread, First + sector, 1 + (what >> 2 & 7),
		errors[what >> 6], what & 32 ? 2 : 0);
	mem.grain = what & 16 ? 4096 : Sector;
}

/* HUP: what is beyond -l never matters, and too small an image is ignored. */
static void
rsize(void)
{
	uint n = First + Length + byte() % (Maximage - First - Length + 1);

	turn();
	mem.size = mem.eof = disk.size = n * Sector;
	check(bufinit(First, Length) == 0 && bufsize() == nsect, "the size was misjudged");
	check(bufinit(n, 0) < 0 && bufinit(First, n) < 0 && bufsize() == nsect,
		"more was exported than there is");
}

static void
start(void)
{
	Conf c = { .shelf = Shelf, .slot = Slot, .bufcnt = 16 };
	static const Ea friend = {{ 0x02, 0, 0, 0, 0, 2 }};

	options = (int)byte() & (Freadonly | Fsync | Fmasked | Fdirect | Fnowindow | Fcold | Flate);
	memnic(&nic, "t0", 1, mtus[byte() % 8]);
	memdisk(Maximage * Sector);
	if(fresh[0] == 0 && fresh[1] == 0){
		mempattern(0, Imagesec, 1);
		memcpy(fresh, mem.image, sizeof fresh);
	}
	memcpy(mem.image, fresh, sizeof fresh);
	memseed((uvlong)(end - in));
	mem.quiet = 1;
	/* Long after the life before, of which nothing shall be remembered. */
	mem.clock += 1000000000000;
	mem.tick = 100000;
	disk.direct = (options & Fdirect) != 0;
	mem.window = !(options & Fnowindow);
	if(options & Fcold)
		memevict(0, Maximage);
	memwindow(First, Length);
	mem.size = mem.eof = disk.size = Imagesec * Sector;
	mem.readonly = options & Freadonly;
	mem.txslots = options & Flate ? 4 : 2 * Maxasked;
	memcpy(model, mem.image, sizeof model);
	memset(unknown, 0, sizeof unknown);
	memremap();
	mem.size = mem.eof = disk.size = Imagesec * Sector;
	check(bufinit(First, Length) == 0, "the export was refused");
	nsect = Length;
	if(options & Fmasked)
		c.mask[c.nmask++] = friend;
	aoeinit(&c);
	atainit("9.4:fuzz", options & Freadonly, options & Fsync);
	serial = nasked = nfaults = strangers = 0;
	memset(features, 0, sizeof features);
	digest = 0;
}

static uvlong
live(const uint8_t *data, size_t len)
{
	uint kind;

	in = data;
	end = data + len;
	start();
	while(in < end){
		kind = byte();
		switch(kind & 7){
		case Rframe:
		case Rframe2:
			rframe();
			break;
		case Rraw:
			rraw();
			break;
		case Rturn:
			if(kind >> 3)
				somewhat(kind >> 3);
			else
				turn();
			break;
		case Rfault:
			rfault();
			break;
		case Rheal:
			rheal();
			break;
		case Rmtu:
			turn();
			nic.mtu = mtus[byte() % 8];
			break;
		case Rsize:
			rsize();
			break;
		}
	}
	turn();
	return digest;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uvlong first;

	mem.fill = 0;
	first = live(data, len);
	mem.fill = 0xff;
	check(live(data, len) == first, "an answer holds bytes that were never written");
	return 0;
}
