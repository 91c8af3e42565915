/*
 * Initiators, the features they have negotiated, and duplicates of requests.
 * A request may duplicate one that is under way, one that came in lately, or a
 * write that is done.  Two requests are the same if their Twins are equal:
 * initiator, tag, command, LBA, count and feature.
 *
 * 1. The time that any function takes does not depend on how much is
 *    remembered.
 * 2. Tags report a write as done only if tagsdone was called with the same
 *    place, command, LBA and count since the last tagsforget.
 * 3. The table of hosts has at most INITIATORS entries, as MAC addresses are
 *    easily forged.  A new host replaces the one that was silent longest,
 *    which loses its features and its tags.
 * 4. The table contains only initiators that have negotiated a feature or
 *    whose writes are tracked.  A lookup in an empty table costs nothing.
 * 5. Tags that pass to another host are emptied.  They are never freed, so a
 *    request may keep a pointer to them.
 *
 * Tags are the memory of one initiator's writes.  An AoE tag is the low half
 * of a 64-bit count, the place.  Its upper half is incremented when the tags
 * wrap, and by 2 when all is forgotten.  So the places remembered before never
 * recur and need not be removed.  The low bits of a place select a bucket, in
 * which the new place displaces the oldest.  With tags that step by one, the
 * buckets together hold the last Ways * Buckets = 65536 writes, or half as
 * many tags if there are two writes to each.
 *
 * Tags take 1 MiB, which the system allocates as they fill; for INITIATORS
 * hosts that is 64 MiB.  A NIC's Recent takes 40 bytes for each request that
 * its ring can hold: 10 KiB with the default buffer count, and 10 MiB with the
 * largest.  Both are allocated when first needed and never freed.
 *
 * Nothing here knows of frames, the disk or the time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Write	Write;
typedef struct Saying	Saying;

enum {
	Buckets	= 8192,		/* buckets of Tags; a power of two */
	Ways	= 8,
	Far	= 65536,	/* a tag farther than this from the last one has jumped */
	Chains	= 2048,
};

/* The upper half of a place counts in Regions. */
#define Region	(1ULL << 32)

struct Write {
	uvlong	place;
	uvlong	what;
};

struct Tags {
	uvlong	newest;		/* the highest place since the last tagsforget */
	int	fresh;		/* there has been no place since then */
	Write	write[Buckets][Ways];	/* the newest first */
};

struct Saying {
	uvlong	who;
	uvlong	what;
	uint	tag;
	uint	feature;
	uvlong	before;		/* the previous number in its chain */
};

/* Recent requests, numbered from 1.  Number i is in said[i % n]. */
struct Recent {
	uint	n;		/* a power of two */
	uvlong	last;		/* the last number used */
	uvlong	gone;		/* numbers up to this one are forgotten */
	Saying	*said;
	uvlong	*chain;		/* the last number in each chain */
};

static Twin *underway[Chains];

static uvlong
hash(const Twin *t)
{
	uvlong h = (t->what ^ (uvlong)t->tag << 16) * 0x9e3779b97f4a7c15ULL;

	return (h ^ t->who) * 0xd6e8feb86659fd93ULL >> 32;
}

static int
same(const Twin *a, const Twin *b)
{
	return a->tag == b->tag && a->what == b->what && a->who == b->who
		&& a->feature == b->feature;
}

/* Requests under way. */

static Twin**
chainof(const Twin *t)
{
	return &underway[hash(t) * Chains >> 32];
}

int
tagsenter(Twin *t)
{
	Twin **chain = chainof(t), *a;

	for(a = *chain; a != NULL; a = a->next)
		if(same(a, t))
			return 0;
	t->next = *chain;
	*chain = t;
	return 1;
}

void
tagsleave(Twin *t)
{
	Twin **a;

	for(a = chainof(t); *a != t; a = &(*a)->next)
		;
	*a = t->next;
}

void
tagsclear(void)
{
	memset(underway, 0, sizeof underway);
}

/* Requests that came in lately. */

Recent*
recentnew(uint n)
{
	Recent *h = calloc(1, sizeof *h);
	uint size = 1;

	while(size < n)
		size *= 2;
	if(h == NULL)
		return NULL;
	h->n = size;
	h->said = calloc(size, sizeof *h->said);
	h->chain = calloc(size, sizeof *h->chain);
	if(h->said == NULL || h->chain == NULL){
		free(h->said);
		free(h->chain);
		free(h);
		return NULL;
	}
	return h;
}

int
recentseen(Recent *h, const Twin *t)
{
	uvlong *chain = &h->chain[hash(t) & (h->n - 1)], i;
	Saying *s;

	/* Numbers older than the last n have been overwritten, with the rest of their chain. */
	for(i = *chain; i > h->gone && i + h->n > h->last; i = s->before){
		s = &h->said[i & (h->n - 1)];
		if(s->tag == t->tag && s->what == t->what && s->who == t->who
		&& s->feature == t->feature)
			return 1;
	}
	h->said[++h->last & (h->n - 1)] = (Saying){ t->who, t->what, t->tag, t->feature, *chain };
	*chain = h->last;
	return 0;
}

void
recentclear(Recent *h)
{
	h->gone = h->last;
}

/* Writes that are done. */

void
tagsforget(Tags *t)
{
	uvlong was = t->newest;

	t->newest = (was / Region + 2) * Region;
	/* All places have been used.  This is too rare to cost anything. */
	if(t->newest < was){
		memset(t->write, 0, sizeof t->write);
		t->newest = 2 * Region;
	}
	t->fresh = 1;
}

Tags*
tagsnew(void)
{
	Tags *t = calloc(1, sizeof *t);

	if(t != NULL)
		tagsforget(t);
	return t;
}

uvlong
tagsplace(Tags *t, uint tag)
{
	uint ahead = tag - (uint)t->newest, behind = (uint)t->newest - tag;	/* tags wrap */

	if(!t->fresh && ahead > Far && behind > Far)
		tagsforget(t);
	if(t->fresh){
		t->fresh = 0;
		return t->newest += tag;
	}
	if(ahead > Far)
		return t->newest - behind;
	return t->newest += ahead;
}

static Write*
bucket(Tags *t, uvlong place)
{
	return t->write[place & (Buckets - 1)];
}

int
tagsseen(Tags *t, uvlong place, uvlong what)
{
	Write *w = bucket(t, place);
	int i;

	for(i = 0; i < Ways; i++)
		if(w[i].place == place && w[i].what == what)
			return 1;
	return 0;
}

void
tagsdone(Tags *t, uvlong place, uvlong what)
{
	Write *w = bucket(t, place);

	memmove(w + 1, w, (Ways - 1) * sizeof *w);
	w[0] = (Write){ place, what };
}

/* The initiators. */

enum {
	Hostchains	= 2 * INITIATORS,
};

static Host hosts[INITIATORS];
static uint nhosts;
static Host *hostchains[Hostchains];
static Host *newest, *oldest;	/* in the order of the last frame */

static Host**
hostchain(uvlong who)
{
	return &hostchains[(who * 0x9e3779b97f4a7c15ULL >> 32) * Hostchains >> 32];
}

static void
unqueue(Host *h)
{
	if(h->newer != NULL)
		h->newer->older = h->older;
	else
		newest = h->older;
	if(h->older != NULL)
		h->older->newer = h->newer;
	else
		oldest = h->newer;
}

static void
enqueue(Host *h)
{
	h->newer = NULL;
	h->older = newest;
	if(newest != NULL)
		newest->newer = h;
	else
		oldest = h;
	newest = h;
}

/* Remove the initiator that was silent longest from all lists. */
static Host*
evict(void)
{
	Host *h = oldest, **p;

	for(p = hostchain(h->who); *p != h; p = &(*p)->chain)
		;
	*p = h->chain;
	unqueue(h);
	return h;
}

Host*
hostfind(uvlong who)
{
	Host *h;

	if(nhosts == 0)
		return NULL;
	for(h = *hostchain(who); h != NULL && h->who != who; h = h->chain)
		;
	if(h != NULL && h != newest){
		unqueue(h);
		enqueue(h);
	}
	return h;
}

void
hostreset(Host *h)
{
	Tags *tags = h->tags;

	if(tags != NULL)
		tagsforget(tags);
	h->negotiated = h->counter = h->coalesce = h->crc = 0;
	h->slow = 0;
}

static Host*
hostmake(uvlong who)
{
	Host *h = hostfind(who), **p;

	if(h != NULL)
		return h;
	h = nhosts < INITIATORS ? &hosts[nhosts++] : evict();
	hostreset(h);
	h->who = who;
	h->reads = 0;
	p = hostchain(who);
	h->chain = *p;
	*p = h;
	enqueue(h);
	return h;
}

Tags*
hosttags(uvlong who)
{
	Host *h = hostmake(who);

	if(h->tags == NULL)
		h->tags = tagsnew();
	return h->tags;
}

void
hostinit(void)
{
	uint i;

	memset(hostchains, 0, sizeof hostchains);
	newest = oldest = NULL;
	nhosts = 0;
	for(i = 0; i < INITIATORS; i++)
		hostreset(&hosts[i]);
}

/* Features. */

int
hostfeature(uvlong who, const char *name, int crcfits)
{
	static const char *const names[] = { "tag_inc_le", "tag_inc_be", "tag_random",
		"coalesced_read", "crc8x4" };
	enum { Le, Be, Random, Coalesced, Crc, Names };
	Host *h;
	int i;

	for(i = 0; i < Names && strcmp(name, names[i]) != 0; i++)
		;
	if(i == Names || (i == Crc && !crcfits))
		return 0;
	h = hostmake(who);
	h->negotiated = 1;
	if(h->tags != NULL)
		tagsforget(h->tags);
	if(i == Coalesced)
		h->coalesce = 1;
	else if(i == Crc)
		h->crc = 1;
	else
		h->counter = i == Le ? Counterle : i == Be ? Counterbe : 0;
	return 1;
}

void
hostslow(uvlong who, uvlong until)
{
	hostmake(who)->slow = until;
}
