/*
 * The initiators, and what each of them has negotiated (wire.md 6).
 *
 * 1. There are at most INITIATORS in the table, for a MAC address is easily
 *    made up.  When another comes, the one that was silent longest loses
 *    its place, and with it its features and its memory of tags.
 * 2. Only those are in the table of whom there is something to know: they
 *    have a feature, or their writes are tracked.  With an empty table
 *    looking one up costs nothing.
 * 3. A memory of tags that has changed hands holds nothing of the one
 *    before.  It is never freed, so that a request may keep the pointer.
 *
 * What stands in a frame around the names of features is aoe.c's.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

enum {
	Slow_ms	= 1000,		/* how long a report of congestion counts */
	Chains	= 2 * INITIATORS,
};

static Host hosts[INITIATORS];
static uint nhosts;
static Host *chains[Chains];
static Host *newest, *oldest;	/* in the order of their last frame */

static Host**
chainof(uvlong who)
{
	return &chains[(who * 0x9e3779b97f4a7c15ULL >> 32) * Chains >> 32];
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

/*
 * The one whose place another takes, out of all lists.
 */
static Host*
evict(void)
{
	Host *h = oldest, **p;

	for(p = chainof(h->who); *p != h; p = &(*p)->chain)
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
	for(h = *chainof(who); h != NULL && h->who != who; h = h->chain)
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
	p = chainof(who);
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

	memset(chains, 0, sizeof chains);
	newest = oldest = NULL;
	nhosts = 0;
	for(i = 0; i < INITIATORS; i++)
		hostreset(&hosts[i]);
}

/* Features. */

static int
isnumber(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && s[n] == 0;
}

/*
 * The name is upper case from here on, which says that it was accepted.
 */
static int
accept(char *s)
{
	for(; *s != 0; s++)
		if(*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
	return 1;
}

/*
 * The initiator has lost answers, if the number behind the name isn't 0.
 * That is news and no wish: nothing else changes.
 */
static void
congested(uvlong who, char *number, uvlong now)
{
	if(number[strspn(number, "0")] != 0)
		hostmake(who)->slow = now + Slow_ms * 1000;
}

/*
 * Switch a feature.  Returns 0 when there is none of this name.
 */
static int
feature(uvlong who, const char *name, int crcfits)
{
	static const char *const names[] = { "tag_inc_le", "tag_inc_be", "tag_random", "coalesced_read", "crc8x4" };
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
hostnegotiate(uvlong who, char *s, int crcfits, uvlong now)
{
	Host *h;
	char *next;

	for(; *s != 0; s = next){
		next = s + strlen(s) + 1;
		if(strcmp(s, "reset") == 0){
			if((h = hostfind(who)) != NULL)
				hostreset(h);
			accept(s);
		}else if(strcmp(s, "congestion") == 0 && isnumber(next)){
			congested(who, next, now);
			accept(s);
			next += strlen(next) + 1;
		}else if(feature(who, s, crcfits))
			accept(s);
	}
}
