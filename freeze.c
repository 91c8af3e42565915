/*
 * Freezing: the image stands still while its users go on.
 *
 * While frozen, what is written goes to a second file, the shadow, at the
 * same place there, and a map says which sectors the shadow has.  Merging
 * brings them back: writes go to the image again and take their sectors out
 * of the map, buf.c moves what is left, and when the map is empty the shadow
 * is removed.  Here is the map, and what makes it survive; buf.c moves the
 * data and asks freezemap where a run of sectors lives.
 *
 * The shadow file.  Fields are name[bytes]; numbers are little-endian.
 *
 *	header[512] zero[3584] header[512] zero[3584]
 *	soft map[m] hard map[m] data[...]
 *
 * A map has a unit for each 16 sectors of the export; m is rounded up to 4096
 * bytes.  Sector lba is in unit lba / 16, and data has it at
 * (offset % 8 + lba) * 512.  The file's size is rounded up to 4096 bytes too,
 * so that with -d its blocks are whole.  It is sparse, and takes about as much
 * as was written.
 *
 *	unit:	sectors[2] check[2]
 *
 * sectors has sector lba as the bit 1 << lba % 16.  check is 0x8000 and, below
 * that, the CRC-15 of sectors, exclusive-or the upper 15 bits of
 * 0x9e3779b1 * (lba / 16) % 2^32.  The CRC's polynomial is 0x4599, it begins
 * with 0, and takes the upper bit first.  A unit of zeros has never been
 * written, and stands for no sector.  No flipped bit makes a unit speak of other
 * sectors.
 *
 *	header:	"AoEdeShd"[8] version, 2[4] order, 0x01020304[4] sequence[8]
 *		state[4] zero[4] offset[8] sectors[8] soft[8] hard[8] data[8]
 *		boot[16] ident[256] changed[8] places[4] zero[152] sum[4]
 *
 * Of version 1 a map is a bit for each sector, lba's in byte lba / 8 as
 * 1 << lba % 8, and nothing checks it.  A shadow of version 1 is served and
 * merged as such; the next is of version 2.
 *
 * The header in force is the valid one with the greater sequence.  A header is
 * valid when sum is the CRC-32 of all bytes before it.  state is 1 frozen, 2
 * merging, or 3 merged: then the image has everything, and the shadow is of no
 * use.  offset and sectors are the export's; soft, hard and data say where
 * these begin.  boot is the system that wrote the soft map, and ident the
 * image.  changed or places tell, of an image that can't bear a mark, whether
 * it was changed while frozen.
 *
 * A reader takes a sector from the shadow when its bit is set, and otherwise
 * from the image, sector offset + lba: the bit of the soft map if the header's
 * boot is that of the running system, else of the hard map.
 *
 * 1. A sector's newest content is where the map in memory says, always.
 *    Its bit is changed when the data is where the bit will say, and
 *    before the write is answered.
 * 2. The soft map is brought up to the one in memory before a write is
 *    answered, by a write into the page cache.  The kernel may bring it
 *    to the disk before the data that it speaks of; so it is believed only
 *    while the system that wrote it runs, and survives the death of aoede
 *    at any instant.
 * 3. The hard map is what survives the system: a bit is changed there when
 *    the data has been synced since it was changed in memory, and a flush is
 *    answered when that has been synced too.  It follows HARDEN_MS after a
 *    change though nobody flushes, as the kernel brings data to the disk by
 *    itself, which must be found again.  Lost are then only bits that neither
 *    has covered: a sector is where it was before.  It is believed as well
 *    when a sync has failed.
 * 4. One header is written at a time, the older of the two, and synced before
 *    the other is; so there is always a valid one.  Then the other is written
 *    as well, before anything relies on what they say: if either is damaged,
 *    the other will do.
 * 5. The shadow has its name only while it is complete and the image stands
 *    still, or while not all has been merged.  Before it is removed its
 *    header says that it is of no use any more, and is synced: from then
 *    on writes to the image need leave no trace in the hard map.
 * 6. The image bears a mark with the shadow's name as long as there may be
 *    one, so that nobody serves the image alone by mistake.  Of one that can
 *    bear none the header tells whether it has been changed while frozen.
 * 7. A unit is written whole or not at all, whenever aoede dies or the power
 *    fails.  So one that doesn't agree with its check is damaged.  In the map
 *    that is believed, that makes a start fail, before it has changed
 *    anything; in the other one it is mended.
 *
 * What the table of jobs calls, and hardening, waits for disks, and runs
 * outside the loop, one at a time but for discard, which holds up no sync.
 * They use nothing that the loop changes meanwhile.
 *
 * tests/freeze.pml is a model of all this.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Chunk	Chunk;
typedef struct Job	Job;
typedef struct Word	Word;

enum {
	/* the header: offset[length] */
	Hmagic		= 0,	/* "AoEdeShd"[8] */
	Hversion	= 8,	/* Version, or Unchecked[4] */
	Horder		= 12,	/* 0x01020304[4] */
	Hseq		= 16,	/* sequence number[8] */
	Hstate		= 24,	/* Sfrozen, Smerging or Smerged[4] */
	Hoffset		= 32,	/* sectors of the image before the export[8] */
	Hsize		= 40,	/* sectors of the export[8] */
	Hsoft		= 48,	/* where the parts begin, bytes[8] */
	Hhard		= 56,
	Hdata		= 64,
	Hboot		= 72,	/* the system that wrote the soft map[16] */
	Hident		= 88,	/* which image it is, padded with zeros[Identmax] */
	/* Of a frozen image without a mark; both are 0 when nothing is known. */
	Hchanged	= 344,	/* when it was last changed[8], or, if nobody can say, */
	Hplaces		= 352,	/* the CRC-32 of a few places of it[4] */
	Hsum		= 508,	/* CRC-32 of the bytes before[4] */
	Hlen		= 512,
	Headers		= 8192,	/* both of them */

	Unchecked	= 1,	/* a version, and */
	Version		= 2,	/* ours */
	Order		= 0x01020304,
	Sfrozen		= 1,
	Smerging	= 2,
	Smerged		= 3,

	Soft		= 0,	/* the shadow's maps */
	Hard		= 1,
	Nmaps		= 2,
	Same		= -1,	/* to note: they are where they were */

	Unwritten	= -1,	/* returned by writeheaders */
	Unsynced	= -2,

	Chunkbytes	= 512,
	Chunksec	= Chunkbytes * 8,	/* sectors that it is about */
	Wordbytes	= 8,			/* a map changes by these */
	Chunkwords	= Chunkbytes / Wordbytes,
	Units		= Wordbytes / 2,	/* of a word, in the shadow, */
	Checkedbytes	= 4 * Units,		/* and the bytes that they take */
	Blockbytes	= 64 * 1024,		/* of a map are read at a time */
	Groupsize	= 1024,			/* chunks of a group */
	Holemax		= 128 * 1024,		/* sectors of a hole that are moved at a time */
	Aligned		= 4096,
	Tell_ms		= 10000,		/* between messages about a merge */
	Full_ms		= 60000,		/* and that there is no room */
};

/* A piece of the map that isn't all zero, or hasn't always been. */
struct Chunk {
	uchar	bits[Chunkbytes];
	uchar	holes[Chunkbytes];	/* those of them that were trimmed, and take no room */
	uvlong	no;
	uint	n;		/* sectors in the shadow */
	uvlong	late[Nmaps];	/* a bit for each word that differs from this map of the shadow */
	Chunk	*next[Nmaps];	/* the next in the list of such chunks */
	int	written;	/* to the soft map: its page there is in memory, and has room */
	int	filled;		/* the soft map may have something other than zeros there */
	int	vain;		/* it has zeros and no room for more: nothing here has been answered */
};

/* A word of the map as it shall become hard. */
struct Word {
	uvlong	no;
	uchar	bits[Wordbytes];
};

static int state = Fnone;
static char *path;		/* of the shadow, or NULL: it was not asked for */
static uvlong limit;		/* bytes that the shadow may take; 0: any number */
static int readonly;		/* the image is */
static int shared;		/* the shadow was there, and is for reading only, too */
static uvlong first, nsec;	/* the export */
static uint version;		/* of the shadow */
static uvlong soft, hard, data;	/* where they begin in it */
static uint wordlen;		/* bytes of a word in its maps */
static ushort crc15[256];	/* of a byte */
static uvlong sequence;		/* of the last header written */
static uchar boot[16];		/* the system that runs now */
static char ident[Identmax];	/* which image it is */
static uvlong changed;		/* when an image without a mark was, in nanoseconds, or 0 */
static uint places;		/* and what is in some places of it, or 0 */

static Chunk **chunks;
static uint *groups;		/* of each group of chunks, those that have sectors in the shadow */
static uvlong nchunk;
static uvlong count;		/* sectors that the shadow has */
static uvlong cursor;		/* where merging goes on */
static Chunk *late[Nmaps];	/* chunks that differ from this map of the shadow */
static uint nunsaved;		/* how many differ from the soft map */
static uvlong hardendue;	/* when a sync must make them hard, in milliseconds, or 0 */

static Word *snap;		/* becoming hard: words, in any order */
static uvlong nsnap;
static int dirty[Nfiles];	/* written to since the last sync that was begun */
static int tosync[Nfiles];	/* what that one must cover */

static char why[PATH_MAX + 128];	/* what went wrong in a job */
static int synclost;		/* the errno of a job's sync, which may have lost writes */
static int wordslost;		/* the errno of a hard map that couldn't be written */
static int back;		/* the present step done, freeze or unfreeze at once */
static const Job *job;		/* that is under way */
static uvlong retry;		/* when its end may be tried again, in milliseconds */
static uvlong total, began;	/* of a merge: sectors at first, and when, in milliseconds */
static uvlong told;		/* when something was last said of it */

static void
put4(uchar *p, uint v)
{
	int i;

	for(i = 0; i < 4; i++, v >>= 8)
		p[i] = (uchar)v;
}

static void
put8(uchar *p, uvlong v)
{
	put4(p, (uint)v);
	put4(p + 4, (uint)(v >> 32));
}

static uint
get4(const uchar *p)
{
	return p[0] | (uint)p[1] << 8 | (uint)p[2] << 16 | (uint)p[3] << 24;
}

static uvlong
get8(const uchar *p)
{
	return get4(p) | (uvlong)get4(p + 4) << 32;
}

static uvlong
roundup(uvlong n, uvlong to)
{
	return (n + to - 1) / to * to;
}

static uvlong
milliseconds(void)
{
	return microseconds() / 1000;
}

/* Writes wait for room in the shadow: say so, but once a minute at most. */
static void
sayfull(const char *what)
{
	static uvlong next;
	uvlong now = milliseconds();

	if(now < next)
		return;
	next = now + Full_ms;
	warnx("%s: %s: writes are left unanswered until there is room, or until it is unfrozen",
		path, what);
}

/* The shadow file. */

static void
mkcrc15(void)
{
	uint b, i, crc;

	for(b = 0; b < 256; b++){
		for(crc = b << 7, i = 0; i < 8; i++)
			crc = crc << 1 ^ (crc & 0x4000 ? 0xc599 : 0);
		crc15[b] = (ushort)crc;
	}
}

/*
 * Where the parts are of one of version v.  Data is at the same place in a
 * page as in the image, so that what is cheap there is cheap here.
 */
static void
layout(uint v)
{
	uvlong map;

	version = v;
	wordlen = v == Unchecked ? Wordbytes : Checkedbytes;
	map = roundup(roundup(nsec, 64) / 64 * wordlen, Aligned);
	soft = Headers;
	hard = soft + map;
	data = hard + map;
}

uvlong
freezesize(void)
{
	return roundup(data + (first % 8 + nsec) * Sector, Aligned);
}

static int
readshadow(void *p, size_t n, uvlong off)
{
	struct iovec iov = { p, n };

	return diskread(Shadow, &iov, 1, off) == n ? 0 : -1;
}

static int
writeshadow(const void *p, size_t n, uvlong off)
{
	struct iovec iov = { (void*)(uintptr_t)p, n };

	return diskwrite(Shadow, &iov, 1, off) == n ? 0 : -1;
}

/* Write the older header anew. */
static int
writeheader(uint s)
{
	uchar h[Hlen] = { 0 };

	memcpy(h + Hmagic, "AoEdeShd", 8);
	put4(h + Hversion, version);
	put4(h + Horder, Order);
	put4(h + Hstate, s);
	put8(h + Hoffset, first);
	put8(h + Hsize, nsec);
	put8(h + Hsoft, soft);
	put8(h + Hhard, hard);
	put8(h + Hdata, data);
	memcpy(h + Hboot, boot, sizeof boot);
	memcpy(h + Hident, ident, Identmax);
	put8(h + Hchanged, changed);
	put4(h + Hplaces, places);
	put8(h + Hseq, sequence + 1);
	put4(h + Hsum, crc32(h, Hsum));
	if(writeshadow(h, Hlen, (sequence + 1) % 2 * (Headers / 2)) < 0)
		return -1;
	sequence++;
	return 0;
}

/*
 * Write both, and sync the shadow after each (inv. 4).  Returns Unwritten, and
 * the header in force is the one before; or Unsynced, which is known of neither.
 */
static int
writeheaders(uint s)
{
	int i;

	for(i = 0; i < 2; i++)
		if(writeheader(s) < 0){
			if(i == 0)
				return Unwritten;
		}else if(disksync(Shadow) < 0)
			return Unsynced;
	return 0;
}

static int
isheader(uchar *h)
{
	return memcmp(h + Hmagic, "AoEdeShd", 8) == 0 && get4(h + Hsum) == crc32(h, Hsum);
}

/* Read the header in force.  Returns -1 when there is none. */
static int
readheader(uchar *h)
{
	uchar other[Hlen];
	int ok;

	ok = readshadow(h, Hlen, 0) == 0 && isheader(h);
	if(readshadow(other, Hlen, Headers / 2) < 0 || !isheader(other))
		return ok ? 0 : -1;
	if(!ok || get8(other + Hseq) > get8(h + Hseq))
		memcpy(h, other, Hlen);
	return 0;
}

/* The map. */

/* What a map has for 16 sectors, those from 16 * no on. */
static uint
unit(uvlong no, uint bits)
{
	uint crc = crc15[bits >> 8];

	crc = (crc << 8 & 0x7fff) ^ crc15[crc >> 7 ^ (bits & 0xff)];
	return bits | (crc ^ (uint)no * 0x9e3779b1 >> 17) << 16 | 0x80000000;
}

/*
 * Encode n words, the first of them number no, as the shadow's maps have them.
 * Returns the bytes that they take there.
 */
static uint
encode(uchar *to, const uchar *bits, uvlong no, uint n)
{
	uint i;

	if(version == Unchecked)
		memcpy(to, bits, n * Wordbytes);
	else
		for(i = 0; i < n * Units; i++, bits += 2)
			put4(to + 4 * i, unit(no * Units + i, bits[0] | (uint)bits[1] << 8));
	return n * wordlen;
}

/* Decode one word.  Returns -1 when it is damaged. */
static int
decode(uvlong *word, const uchar *from, uvlong no)
{
	uint i, u;

	if(version == Unchecked){
		*word = get8(from);
		return 0;
	}
	*word = 0;
	for(i = 0; i < Units; i++){
		u = get4(from + 4 * i);
		if(u != 0 && u != unit(no * Units + i, u & 0xffff))
			return -1;
		*word |= (uvlong)(u & 0xffff) << 16 * i;
	}
	return 0;
}

static Chunk*
getchunk(uvlong no)
{
	Chunk *c = chunks[no];

	if(c == NULL && (c = calloc(1, sizeof *c)) != NULL){
		c->no = no;
		chunks[no] = c;
	}
	return c;
}

static void
forgetmap(void)
{
	uvlong i;

	for(i = 0; i < nchunk; i++)
		free(chunks[i]);
	free(chunks);
	free(groups);
	chunks = NULL;
	groups = NULL;
	nchunk = count = cursor = hardendue = 0;
	nunsaved = 0;
	memset(late, 0, sizeof late);
	memset(dirty, 0, sizeof dirty);
}

static int
newmap(void)
{
	uvlong n = roundup(nsec, Chunksec) / Chunksec;

	forgetmap();
	chunks = calloc((size_t)n, sizeof *chunks);
	groups = calloc((size_t)(n / Groupsize + 1), sizeof *groups);
	if(chunks == NULL || groups == NULL){
		forgetmap();
		return -1;
	}
	nchunk = n;
	return 0;
}

/* This word differs from a map of the shadow. */
static void
setlate(Chunk *c, uint word, int map)
{
	if(c->late[map] == 0){
		c->next[map] = late[map];
		late[map] = c;
		if(map == Soft)
			nunsaved++;
	}
	c->late[map] |= 1ULL << word;
	if(map == Hard && hardendue == 0)
		hardendue = milliseconds() + HARDEN_MS;
}

/*
 * Add more, which may be negative, to the number of this chunk's sectors in the
 * shadow.
 */
static void
recount(Chunk *c, int more)
{
	uint *group = &groups[c->no / Groupsize];

	*group -= c->n > 0;
	c->n += (uint)more;
	*group += c->n > 0;
	count += (uvlong)(long long)more;
}

/*
 * Is sector lba in the shadow (holes: a hole there)?  Sets *is, and returns how
 * many of the n sectors from lba on are alike.
 */
static uint
sectors(uvlong lba, uint n, int holes, int *is)
{
	uint at, k, got;
	uvlong others;
	Chunk *c;

	*is = 0;
	for(got = 0; got < n; got += k){
		at = (uint)((lba + got) % Chunksec);
		k = Chunksec - at;
		if((c = chunks[(lba + got) / Chunksec]) == NULL){
			if(*is)
				return got;
			continue;
		}
		others = get8((holes ? c->holes : c->bits) + at / 64 * Wordbytes) >> at % 64;
		if(got == 0)
			*is = others & 1;
		if(*is)
			others = ~others;
		k = 64 - at % 64;
		if(others << at % 64 != 0){
			got += (uint)__builtin_ctzll(others);
			break;
		}
	}
	return got < n ? got : n;
}

uvlong
freezeplace(uvlong lba, int file)
{
	return file == Image ? (first + lba) * Sector : data + (first % 8 + lba) * Sector;
}

uint
freezemap(uvlong lba, uint n, Home *h)
{
	int in = 0;

	if(count > 0)
		n = sectors(lba, n, 0, &in);
	h->file = in ? Shadow : Image;
	h->off = freezeplace(lba, h->file);
	return n;
}

int
freezehome(void)
{
	return state == Ffrozen || state == Fthawing ? Shadow : Image;
}

/*
 * The bits of a word for the first of n sectors that begin at number i of a
 * chunk; *k says how many those are.
 */
static uvlong
maskof(uint i, uvlong n, uint *k)
{
	*k = n < 64 - i % 64 ? (uint)n : 64 - i % 64;
	return (*k < 64 ? (1ULL << *k) - 1 : ~0ULL) << i % 64;
}

/* How many of these sectors take no room in the shadow yet? */
static uint
growth(uvlong lba, uint n)
{
	uint i, k, byte, more = 0;
	uvlong new;
	Chunk *c;

	for(; n > 0; lba += k, n -= k){
		i = (uint)(lba % Chunksec);
		byte = i / 64 * Wordbytes;
		new = maskof(i, n, &k);
		if((c = chunks[lba / Chunksec]) != NULL)
			new &= ~get8(c->bits + byte) | get8(c->holes + byte);
		more += (uint)__builtin_popcountll(new);
	}
	return more;
}

int
freezefits(uvlong lba, uint n, uvlong pending)
{
	uint more;

	if(state == Fheld)
		return 0;
	if(limit == 0 || freezehome() == Image || (more = growth(lba, n)) == 0)
		return 1;
	if(shadowtakes() + (pending + more) * Sector <= limit)
		return 1;
	sayfull("the limit of -f is reached");
	return 0;
}

/*
 * Note of sectors, a word at a time, whether they are in the shadow, unless in
 * is Same, and whether they are a hole there.
 */
static int
note(uvlong lba, uvlong n, int in, int hole)
{
	uint i, k, byte;
	uvlong mask, was, is, old;
	Chunk *c;

	for(; chunks != NULL && n > 0; lba += k, n -= k){
		i = (uint)(lba % Chunksec);
		mask = maskof(i, n, &k);
		c = in == 1 ? getchunk(lba / Chunksec) : chunks[lba / Chunksec];
		if(c == NULL && in == 1)
			return -1;
		if(c == NULL)
			continue;
		if(in == 1)
			c->vain = 0;
		byte = i / 64 * Wordbytes;
		old = get8(c->holes + byte);
		put8(c->holes + byte, hole ? old | mask : old & ~mask);
		was = get8(c->bits + byte);
		is = in == 1 ? was | mask : in == 0 ? was & ~mask : was;
		if(is == was)
			continue;
		put8(c->bits + byte, is);
		recount(c, __builtin_popcountll(is) - __builtin_popcountll(was));
		setlate(c, byte / Wordbytes, Hard);
		setlate(c, byte / Wordbytes, Soft);
	}
	return 0;
}

int
freezenote(uvlong lba, uint n, int file, int hole)
{
	dirty[file] = 1;
	return note(lba, n, file == Shadow, hole && file == Shadow);
}

void
freezefilled(uvlong lba, uvlong n)
{
	note(lba, n, Same, 0);
}

int
freezeunsaved(void)
{
	return (int)nunsaved;
}

/*
 * Has the shadow only zeros there?  A write that failed may have come as far as
 * the page cache.  Leaves errno.
 */
static int
iszero(uvlong off, uint n)
{
	static const uchar zeros[Chunkwords * Checkedbytes];
	uchar is[Chunkwords * Checkedbytes];
	int e = errno, r = readshadow(is, n, off) == 0 && memcmp(is, zeros, n) == 0;

	errno = e;
	return r;
}

/*
 * Save a chunk, at once or not at all unless wait is set.  Where the soft map
 * has zeros and shall have no more that takes no room.
 */
static int
save(Chunk *c, int wait)
{
	_Alignas(4) uchar buf[Chunkwords * Checkedbytes];
	uint from = (uint)__builtin_ctzll(c->late[Soft]);
	uint n = 64 - (uint)__builtin_clzll(c->late[Soft]) - from;
	uvlong no = c->no * Chunkwords + from;
	struct iovec iov = { buf, 0 };
	size_t got;

	if(!c->filled && c->n == 0)
		return 0;
	n = encode(buf, c->bits + from * Wordbytes, no, n);
	if(!wait)
		return c->written ? diskstore(Shadow, soft + no * wordlen, buf, n) : -1;
	iov.iov_len = n;
	got = diskwrite(Shadow, &iov, 1, soft + no * wordlen);
	c->filled |= got > 0 || !iszero(soft + no * wordlen, n);
	c->vain = !c->filled;
	c->written = got == n;
	return got == n ? 0 : -1;
}

/*
 * A chunk that found no room holds up no others, and no merge: it waits until
 * one of its writes is sent again, or until what it has is in the image.
 */
int
freezesave(int wait)
{
	Chunk *c, **p = &late[Soft];
	int left = 0;

	while((c = *p) != NULL){
		if(c->vain && c->n > 0){
			p = &c->next[Soft];
			continue;
		}
		if(save(c, wait) == 0){
			*p = c->next[Soft];
			nunsaved--;
			c->late[Soft] = 0;
			continue;
		}
		if(wait)
			return -1;
		left++;
		p = &c->next[Soft];
	}
	return left;
}

/* Hardening (inv. 3). */

/*
 * A sync has failed, and what it was to cover may be lost: have the next
 * start believe the hard map.  Returns -1, with errno as it was.
 */
static int
distrust(void)
{
	int e = errno;

	memset(boot, 0, sizeof boot);
	writeheader(state == Ffrozen || state == Fthawing ? Sfrozen : Smerging);
	errno = e;
	return -1;
}

int
freezesnap(void)
{
	size_t n = 1;
	Chunk *c;
	uint i;

	for(c = late[Hard]; c != NULL; c = c->next[Hard])
		n += (size_t)__builtin_popcountll(c->late[Hard]);
	free(snap);
	nsnap = 0;
	snap = malloc(n * sizeof *snap);
	if(snap == NULL)
		return -1;
	for(; (c = late[Hard]) != NULL; c->late[Hard] = 0){
		late[Hard] = c->next[Hard];
		for(i = 0; i < Chunkwords; i++)
			if(c->late[Hard] >> i & 1){
				snap[nsnap].no = c->no * Chunkwords + i;
				memcpy(snap[nsnap++].bits, c->bits + i * Wordbytes, Wordbytes);
			}
	}
	hardendue = 0;
	memcpy(tosync, dirty, sizeof tosync);
	memset(dirty, 0, sizeof dirty);
	return 0;
}

int
freezewait(void)
{
	uvlong now;

	if(hardendue == 0)
		return -1;
	now = milliseconds();
	return now >= hardendue ? 0 : (int)(hardendue - now);
}

/* Write the words of the snapshot, those that follow each other together. */
static int
writewords(void)
{
	_Alignas(4) uchar buf[Chunkwords * Checkedbytes];
	uvlong i, k;
	uint n;

	for(i = 0; i < nsnap; i += k){
		n = 0;
		for(k = 0; i + k < nsnap && snap[i+k].no == snap[i].no + k && k < Chunkwords; k++)
			n += encode(buf + n, snap[i+k].bits, snap[i+k].no, 1);
		if(writeshadow(buf, n, hard + snap[i].no * wordlen) < 0)
			return -1;
	}
	return 0;
}

static int
harden(void)
{
	int f;

	for(f = 0; f < Nfiles; f++)
		if(tosync[f] && disksync(f) < 0)
			return distrust();
	if(nsnap == 0)
		return 0;
	if(writewords() < 0){
		wordslost = errno;
		return -1;
	}
	return disksync(Shadow) < 0 ? distrust() : 0;
}

void
freezesync(Op *o)
{
	wordslost = 0;
	o->error = harden() < 0 ? errno : 0;
}

int
freezesynced(int error)
{
	uvlong i;
	int f;

	/* What did not become hard must be tried again. */
	for(i = 0; error != 0 && i < nsnap; i++)
		setlate(chunks[snap[i].no / Chunkwords], (uint)(snap[i].no % Chunkwords), Hard);
	for(f = 0; error != 0 && f < Nfiles; f++)
		dirty[f] |= tosync[f];
	free(snap);
	snap = NULL;
	nsnap = 0;
	return wordslost != 0 ? freezefull(wordslost) : error;
}

/* Jobs. */

/* A job has failed, with errno; why says what it was about. */
static void
failed(Op *o, const char *object, const char *reason)
{
	o->error = errno;
	snprintf(why, sizeof why, "%s: %s", object, reason != NULL ? reason : strerror(errno));
}

static int
syncimage(Op *o)
{
	if(disksync(Image) == 0)
		return 0;
	if(state == Fending)
		distrust();
	synclost = errno;
	failed(o, "sync of the image", NULL);
	return -1;
}

/* Mark the image.  That syncs it, and what a sync has to tell is told once. */
static int
mark(Op *o, int how)
{
	int r = imagemark(how);

	if(r == 0)
		return 0;
	if(r < 0)
		synclost = errno;
	failed(o, "mark of the image", NULL);
	return -1;
}

/*
 * Learn what tells that the image has been changed since.  A device doesn't
 * say when; but whoever has a file system there changes its first or last
 * sectors.  Returns -1 with errno.
 */
static int
fingerprint(uvlong *when, uint *what)
{
	enum { Place = 64 * 1024, Places = 8 };
	static _Alignas(Aligned) uchar buf[Place];
	struct iovec iov;
	uvlong at;
	uint i, n;

	*what = 0;
	*when = imagechanged();
	for(i = 0; *when == 0 && i < Places; i++){
		n = nsec < Place / Sector ? (uint)nsec : Place / Sector;
		at = (nsec - n) * i / (Places - 1);
		iov = (struct iovec){ buf, n * Sector };
		if(diskread(Image, &iov, 1, freezeplace(at, Image)) != n * Sector)
			return -1;
		*what = *what * 31 + crc32(buf, n * Sector);
	}
	return 0;
}

/*
 * Have the header of the frozen image's shadow tell of changes, where no mark
 * keeps others away.
 */
static int
watch(void)
{
	char other[PATH_MAX];

	if(imagemarked(other, sizeof other) != Marknone)
		return 0;
	return fingerprint(&changed, &places) < 0 || writeheaders(Sfrozen) != 0 ? -1 : 0;
}

/* Has the image been changed since? */
static int
tampered(uchar *h)
{
	uvlong when;
	uint what;

	changed = get8(h + Hchanged);
	places = get4(h + Hplaces);
	if(get4(h + Hstate) != Sfrozen || (changed == 0 && places == 0))
		return 0;
	return fingerprint(&when, &what) < 0 || when != changed || what != places;
}

/*
 * Have a shadow in all but name, before writes are stopped.  The image is
 * synced here as well, so that what is left to be synced then is little.
 */
static void
prepare(Op *o)
{
	changed = places = 0;
	if(syncimage(o) < 0)
		return;
	if(shadowmake(freezesize()) < 0)
		failed(o, path, errno != EOPNOTSUPP ? NULL : "its file system has no holes, "
			"so that the shadow would be as large as the image");
	else if(writeheaders(Sfrozen) != 0){
		failed(o, path, NULL);
		shadowremove(0);
	}else if(mark(o, Markgone) < 0)
		shadowremove(0);
}

/* No write is under way: make the image stand still, and say so. */
static void
commit(Op *o)
{
	if(path == NULL){
		syncimage(o);
		return;
	}
	if(syncimage(o) == 0){
		if(watch() < 0 || shadowname() < 0)
			failed(o, path, NULL);
		else if(mark(o, Marklive) == 0)
			return;
	}
	shadowremove(0);
	mark(o, Marknone);
}

static void
thaw(Op *o)
{
	uvlong when = changed;
	uint what = places;

	changed = places = 0;
	switch(writeheaders(Smerging)){
	case Unwritten:
		changed = when;
		places = what;
		failed(o, path, NULL);
		break;
	case Unsynced:
		distrust();
		synclost = errno;
		failed(o, path, NULL);
	}
}

/* The map is empty: the shadow is of no use any more (inv. 5). */
static void
end(Op *o)
{
	if(syncimage(o) < 0)
		return;
	if(writeheaders(Smerged) != 0)
		failed(o, path, NULL);
	else
		mark(o, Markgone);
}

/*
 * Remove the shadow.  Giving its space back may take long, so that the caller
 * must not wait for this.
 */
static void
discard(Op *o)
{
	if(shadowremove(1) < 0)
		failed(o, path, NULL);
}

static void
unmark(Op *o)
{
	mark(o, Marknone);
}

/* Why freezecancel has been called. */
static const char unwritable[] = "answered writes can't be brought to the disk";

static void
cancel(Op *o)
{
	errno = EIO;
	failed(o, "the image", unwritable);
	shadowremove(0);
	mark(o, Marknone);
}

/* The job of a state, and the state that follows it. */
struct Job {
	int	quiet;		/* buf.c must be */
	int	kind;		/* Jobapart or Jobsync */
	void	(*work)(Op*);
	int	meanwhile;
	int	then;
	int	failed;		/* what follows a failure, */
	const char *message;	/* and what is said of it */
};

static const char refused[] = "freeze refused", unmerged[] = "unfreeze failed";

static const Job jobs[] = {
	[Fpreparing]	= { 1, Jobsync, prepare, Fmaking, Fstopping, Fnone, refused },
	[Fstopping]	= { 1, Jobsync, commit, Fcommitting, Ffrozen, Fnone, refused },
	[Fcancelling]	= { 0, Jobsync, cancel, Fcancelling, Fnone, Fnone, refused },
	[Fthawing]	= { 0, Jobsync, thaw, Fthawing, Fmerging, Ffrozen, unmerged },
	[Fmerging]	= { 1, Jobsync, end, Fending, Fremoving, Fmerging, unmerged },
	[Fremoving]	= { 0, Jobapart, discard, Fremoving, Funmarking, Fnone, unmerged },
	[Funmarking]	= { 0, Jobsync, unmark, Funmarking, Fnone, Fnone, unmerged },
};

int
freezejob(Op *o, int quiet, int syncing)
{
	const Job *j = &jobs[state];

	if(j->work == NULL || (j->quiet && !quiet) || (j->kind == Jobsync && syncing))
		return 0;
	if(state == Fmerging && (count > 0 || nunsaved > 0 || milliseconds() < retry))
		return 0;
	*o = (Op){ .op = Owork, .work = j->work };
	job = j;
	state = j->meanwhile;
	return j->kind;
}

/* What is said of it. */

static char refusal[2 * PATH_MAX + 256];	/* the last */

void
freezerefused(const char *what, const char *reason)
{
	stats.refusals++;
	snprintf(refusal, sizeof refusal, "%s: %s", what, reason);
	warnx("%s", refusal);
}

char*
freezerefusal(void)
{
	return refusal;
}

uint
freezemerged(void)
{
	if(total == 0)
		return 100;
	return count < total ? (uint)((total - count) * 100 / total) : 0;
}

void
freezereport(void)
{
	uvlong ms = milliseconds() - began, done = count < total ? total - count : 0;

	switch(state){
	case Fpreparing:
	case Fmaking:
	case Fstopping:
	case Fcommitting:
	case Fcancelling:
		say("freezing");
		break;
	case Ffrozen:
	case Fthawing:
		say("frozen: %s has %llu sectors", path, count);
		break;
	case Fheld:
		say("frozen: writes are left unanswered");
		break;
	case Fmerging:
	case Fending:
	case Fremoving:
	case Funmarking:
		say("merging: %u per cent of %llu sectors, %llu MB/s", freezemerged(), total,
			ms > 0 ? done * Sector / 1000 / ms : 0);
		break;
	}
}

void
freezetick(void)
{
	uvlong now;

	now = milliseconds();
	if(now - told < Tell_ms)
		return;
	told = now;
	freezereport();
}

int
freezefull(int error)
{
	if(error != ENOSPC && error != EDQUOT)
		return error;
	sayfull(strerror(error));
	return Unanswered;
}

/* From state to state. */

int
freezestate(void)
{
	return state;
}

char*
freeze(void)
{
	if(state >= Fending){
		back = 1;	/* the shadow may be gone already, and then one may freeze */
		return NULL;
	}
	if(state == Fcommitting && back){
		back = 0;
		return NULL;
	}
	if(state == Fmerging || state == Fthawing)
		return "an unfreeze is at work";
	if(state != Fnone)
		return state == Ffrozen || state == Fheld ? "it is frozen already"
			: "a freeze is at work";
	layout(Version);
	if(path != NULL && newmap() < 0)
		return "no memory for the map";
	state = path != NULL ? Fpreparing : Fstopping;
	return NULL;
}

char*
unfreeze(void)
{
	switch(state){
	case Fheld:
		state = Fnone;
		stats.unfreezes++;
		say("unfrozen");
		return NULL;
	case Ffrozen:
		if(shared || (readonly && count > 0))
			return "the image is read-only, and the shadow has newer data";
		state = Fthawing;
		return NULL;
	case Fnone:
		return "it is not frozen";
	case Fcommitting:
		if(back)
			return "an unfreeze is asked for already";
		back = 1;	/* the shadow may be there already, and then one may unfreeze */
		return NULL;
	}
	if(back){
		back = 0;
		return NULL;
	}
	return state >= Fthawing ? "an unfreeze is at work already" : "a freeze is at work";
}

void
freezecancel(void)
{
	if(path != NULL && (state == Fstopping || state == Fmaking))
		state = Fcancelling;
	else if(state == Fstopping || state == Fpreparing){
		freezerefused(refused, unwritable);
		state = Fnone;
		forgetmap();
	}
}

static void
startmerge(void)
{
	state = Fmerging;
	total = count;
	retry = 0;
	began = told = milliseconds();
	cursor = 0;
}

int
freezejobdone(Op *o)
{
	int lost = synclost;
	char *e;

	synclost = 0;
	/* Only now may the shadow have been made that is to be removed. */
	if(state == Fcancelling && job->work == prepare && o->error == 0)
		return lost;
	state = o->error == 0 ? job->then : job->failed;
	if(o->error != 0)
		freezerefused(job->message, why);
	stats.freezes += state == Ffrozen && job->work == commit;
	if(state == Ffrozen && path == NULL){
		state = Fheld;
		warnx("frozen without a shadow (-f): writes are left unanswered; "
			"initiators give up after about three minutes");
	}else if(job->work == thaw && state == Fmerging){
		stats.unfreezes++;
		startmerge();
	}else if(job->work == end)
		retry = milliseconds() + Tell_ms;
	if(job->work == unmark && o->error == 0)
		say("unfrozen: all is in the image, and %s is gone", path);
	else if(state == Ffrozen || (job->work == thaw && state == Fmerging))
		freezereport();
	if(state == Fnone)
		forgetmap();
	if(back && state < Fending){
		back = 0;
		if(job->work == commit && state != Fnone && (e = unfreeze()) != NULL)
			freezerefused("unfreeze refused", e);
		else if(job->work != commit && (e = freeze()) != NULL)
			freezerefused(refused, e);
	}
	return lost;
}

/* The first sector from at on that is in the shadow, or nsec. */
static uvlong
nextsector(uvlong at)
{
	uvlong bits, no;
	uint w;
	Chunk *c;

	for(; at < nsec; at = (no + 1) * Chunksec){
		no = at / Chunksec;
		if(groups[no / Groupsize] == 0){
			no = (no / Groupsize + 1) * Groupsize - 1;
			continue;
		}
		c = chunks[no];
		if(c == NULL || c->n == 0)
			continue;
		for(w = (uint)(at % Chunksec / 64); w < Chunksec / 64; w++){
			bits = get8(c->bits + w * 8);
			if(w == at % Chunksec / 64)
				bits &= ~0ULL << at % 64;
			if(bits != 0)
				return no * Chunksec + w * 64 + (uint)__builtin_ctzll(bits);
		}
	}
	return nsec;
}

uint
freezenext(uint max, uvlong *lba, int *hole)
{
	uvlong at;
	uint n;
	Home h;

	if(state != Fmerging || count == 0 || readonly)
		return 0;
	if((at = nextsector(cursor)) == nsec)
		at = nextsector(0);
	n = sectors(at, nsec - at < Holemax ? (uint)(nsec - at) : Holemax, 1, hole);
	if(!*hole && n > max)
		n = max;
	n = freezemap(at, n, &h);
	*lba = at;
	cursor = at + n;
	return n;
}

/* The start. */

/*
 * Put n words of the maps into memory: of the one that is believed, and where
 * the other differs.  Returns NULL, or what is wrong.
 */
static char*
loadpart(uchar *s, uchar *h, uvlong no, uint n, int rebooted)
{
	uvlong is, soft1, hard1, lba, at;
	uint w;
	int softbad, hardbad;
	Chunk *c;

	for(; n > 0; n--, no++, s += wordlen, h += wordlen){
		lba = no * 64;
		softbad = decode(&soft1, s, no);
		hardbad = decode(&hard1, h, no);
		is = rebooted ? hard1 : soft1;
		at = (rebooted ? hard : soft) + no * wordlen;
		if(rebooted ? hardbad : softbad)
			return sentence("%s: a damaged shadow: its bytes %llu to %llu don't tell "
				"which of the sectors %llu to %llu it has",
				path, at, at + wordlen - 1, lba, lba + 63);
		if(lba + 64 > nsec && (lba >= nsec ? is : is >> (nsec - lba)) != 0)
			return sentence("%s: a damaged shadow: at byte %llu it has sectors behind "
				"the end", path, at);
		if((soft1 | hard1) == 0 && !softbad && !hardbad)
			continue;
		if((c = getchunk(no / Chunkwords)) == NULL)
			return sentence("%s: no memory for the map", path);
		w = (uint)(no % Chunkwords);
		c->filled = 1;
		put8(c->bits + w * Wordbytes, is);
		put8(c->holes + w * Wordbytes, is);	/* until its data is found */
		recount(c, __builtin_popcountll(is));
		if((hardbad || is != hard1) && !shared)
			setlate(c, w, Hard);
		if((softbad || is != soft1) && !shared)
			setlate(c, w, Soft);
	}
	return NULL;
}

/*
 * The first byte of a map from this one on that may not be zero, at the
 * beginning of a block.
 */
static uvlong
nextbyte(uvlong map, uvlong byte)
{
	uvlong end, at = diskdata(Shadow, map + byte, &end) - map;

	return at > byte ? at - at % Blockbytes : byte;
}

/*
 * Load the map: after a start of the system the hard one, and else the soft
 * one.  Where nothing was written nothing is read.
 */
static char*
loadmap(int rebooted)
{
	static uchar s[Blockbytes], h[Blockbytes];
	uvlong byte, x, all = roundup(nsec, Chunksec) / 64 * wordlen;
	uint n;
	char *e;

	for(byte = 0; byte < all; byte += n){
		x = nextbyte(soft, byte);
		byte = nextbyte(hard, byte);
		byte = x < byte ? x : byte;
		if(byte >= all)
			break;
		n = all - byte < Blockbytes ? (uint)(all - byte) : Blockbytes;
		if(readshadow(s, n, soft + byte) < 0 || readshadow(h, n, hard + byte) < 0)
			return sentence("%s: %s", path, strerror(errno));
		if((e = loadpart(s, h, byte / wordlen, n / wordlen, rebooted)) != NULL)
			return e;
	}
	return NULL;
}

/* Find what is no hole. */
static void
loadholes(void)
{
	uvlong at, end, from, to, all = data + (first % 8 + nsec) * Sector;

	for(at = diskdata(Shadow, data, &end); at < all; at = diskdata(Shadow, end, &end)){
		if(end > all)
			end = all;
		from = (at - data) / Sector;
		to = (end - data + Sector - 1) / Sector;
		from -= from < first % 8 ? from : first % 8;
		to -= to < first % 8 ? to : first % 8;
		freezefilled(from, to - from);
	}
}

/*
 * Does this header belong to our image and export?  Returns NULL, or what
 * is wrong.
 */
static char*
mismatch(uchar *h, uvlong size)
{
	uint v = get4(h + Hversion);

	if((v != Unchecked && v != Version) || get4(h + Horder) != Order)
		return sentence("%s: a shadow of another version of aoede", path);
	layout(v);
	if(memcmp(h + Hident, ident, sizeof ident) != 0)
		return sentence("%s: the shadow of another image: %.*s, not %s",
			path, Identmax - 1, (char*)h + Hident, ident);
	if(get8(h + Hoffset) != first || get8(h + Hsize) != nsec)
		return sentence("%s: the shadow of %llu sectors from -o %llu, "
			"not of %llu from %llu",
			path, get8(h + Hsize), get8(h + Hoffset), nsec, first);
	if(get8(h + Hsoft) != soft || get8(h + Hhard) != hard || get8(h + Hdata) != data
	|| size != freezesize() || get4(h + Hstate) < Sfrozen || get4(h + Hstate) > Smerged)
		return sentence("%s: a damaged shadow", path);
	return NULL;
}

/* Take up where the last aoede was. */
static char*
resume(uvlong size)
{
	uchar h[Hlen];
	char *e;
	uint s;

	if(readheader(h) < 0)
		return sentence("%s: no shadow, or a damaged one", path);
	if((e = mismatch(h, size)) != NULL)
		return e;
	s = get4(h + Hstate);
	sequence = get8(h + Hseq);
	if(s == Smerged && shared)
		return NULL;
	if(s == Smerged)
		return imagemark(Markgone) != 0 || shadowremove(0) < 0 || imagemark(Marknone) != 0
			? sentence("%s: can't be removed: %s", path, strerror(errno)) : NULL;
	if(tampered(h))
		return sentence("the image was changed after it was frozen, so that %s does not "
			"fit it: expected -f %s at each start", path, path);
	if(newmap() < 0)
		return sentence("%s: no memory for the map", path);
	e = loadmap(memcmp(h + Hboot, boot, sizeof boot) != 0);
	if(e == NULL && !shared && (freezesave(1) < 0 || writeheaders(s) != 0))
		e = sentence("%s: %s", path, strerror(errno));
	if(e != NULL){
		forgetmap();
		return e;
	}
	loadholes();
	state = Ffrozen;
	if(shared){
		freezereport();
		return NULL;
	}
	/* What the last life wrote, to the hard map too, may not have been synced. */
	dirty[Image] = dirty[Shadow] = 1;
	hardendue = milliseconds();
	if(imagemark(Marklive) != 0)
		return sentence("the image: %s", strerror(errno));
	if(s == Smerging)
		startmerge();
	freezereport();
	return NULL;
}

void
freezeexport(uvlong offset, uvlong length)
{
	first = offset;
	nsec = length;
	layout(Version);
}

char*
freezeinit(char *shadow, uvlong mib, int ro)
{
	static const char elsewhere[] = "the image is frozen, "
		"and its newest data is in %s: expected -f %s";
	char other[PATH_MAX];
	char *e;
	uvlong size;
	int r, marked;

	path = shadow;
	limit = mib * 1024 * 1024;
	readonly = ro;
	bootid(boot);
	diskident(ident, sizeof ident);
	if(path != NULL && (e = shadowdir(path)) != NULL)
		return e;
	marked = imagemarked(other, sizeof other);
	if(path == NULL)
		return marked == Marklive ? sentence(elsewhere, other, other) : NULL;
	mkcrc15();
	r = shadowopen(&size, ro);
	if(r < 0)
		return sentence("%s: %s", path, errno == EWOULDBLOCK
			? "locked by another program, most likely another aoede" : errno == ELOOP
			? "a symbolic link: expected a file" : strerror(errno));
	if(marked == Marklive && strcmp(other, shadowpath()) != 0)
		return sentence(elsewhere, other, other);
	if(r == 0 && marked == Marklive)
		return sentence("the image is frozen, and its newest data was in %s, which is "
			"gone: expected it back, or the mark %s taken off the image",
			other, imagemarkname());
	shared = r == 1 && ro;
	if(r == 0 && marked == Markgone && !ro && imagemark(Marknone) != 0)
		return sentence("the image: %s", strerror(errno));
	return r == 0 ? NULL : resume(size);
}
