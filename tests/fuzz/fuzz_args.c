/*
 * A fuzzer's way in to the command line: an input is its words, one a line.
 *
 * 1. A command line is refused with a sentence, or what it asks for is
 *    within the limits that aoede.8 gives.
 * 2. What was understood, written down as a command line of another form, is
 *    understood to be the same.
 */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "dat.h"
#include "fns.h"
#include "replay.h"

enum {
	Maxwords	= 600,
	Maxtext		= 1 << 16,
};

static char *words[Maxwords + 2];
static int nwords;

static void
check(int good, const char *what)
{
	int i;

	if(good)
		return;
	fprintf(stderr, "fuzz_args: %s; the words:\n", what);
	for(i = 1; i < nwords; i++)
		fprintf(stderr, "  '%s'\n", words[i]);
	abort();
}

/* Each word is in memory of its own, exactly as long as it is. */
static void
word(const void *p, size_t n)
{
	char *s = malloc(n + 1);

	if(s == NULL)
		abort();
	memcpy(s, p, n);
	s[n] = 0;
	words[nwords++] = s;
}

static void
string(const char *s)
{
	if(nwords <= Maxwords)
		word(s, strlen(s));
}

static void
number(const char *option, uvlong v)
{
	char buf[40];

	snprintf(buf, sizeof buf, "%s%llu", option, v);
	string(buf);
}

static void
split(const uint8_t *p, size_t n)
{
	size_t i, k;

	nwords = 0;
	string("aoede");
	for(i = 0; i < n && nwords <= Maxwords; i += k + 1){
		for(k = 0; i + k < n && p[i + k] != '\n' && p[i + k] != 0; k++)
			;
		word(p + i, k);
	}
}

/*
 * Have it read.  The words are used up: getconf may put them elsewhere, so
 * that they are freed from a list of our own.
 */
static char*
parse(Conf *c, char **mine)
{
	static char *argv[Maxwords + 2];

	words[nwords] = NULL;
	memcpy(mine, words, ((size_t)nwords + 1) * sizeof *mine);
	memcpy(argv, words, ((size_t)nwords + 1) * sizeof *argv);
	optind = nwords > 1 ? 0 : 1;	/* glibc and musl begin anew, also within a word */
	return getconf(c, nwords, argv);
}

static void
release(char **mine, int n)
{
	while(n > 0)
		free(mine[--n]);
}

static void
limits(Conf *c)
{
	int i, k;

	check(c->shelf >= 0 && c->shelf <= 65534 && c->slot >= 0 && c->slot <= 254,
		"a shelf or slot that there can't be");
	check(c->bufcnt >= 2 && c->bufcnt <= 65535 && c->pool >= 1 && c->pool <= 1048576,
		"a buffer count or pool that there can't be");
	check(c->offset <= LLONG_MAX / Sector && c->length <= LLONG_MAX / Sector,
		"an offset or length whose bytes can't be counted");
	check(c->shadow == NULL || c->shadow[0] != 0, "a shadow without a name");
	check(c->shadow != NULL || c->shadowmib == 0, "a limit without a shadow");
	check(c->shadowmib <= LLONG_MAX / (1024 * 1024), "a limit whose bytes can't be counted");
	check(c->nmask >= 0 && c->nmask <= Maxmacs, "more MACs than a list holds");
	check(!(c->sync && c->behind), "-s with -w");
	check(c->nnic >= 1 && c->nnic <= MAX_NICS, "no interface, or too many");
	for(i = 0; i < c->nnic; i++){
		check(c->nic[i][0] != 0 && strlen(c->nic[i]) < sizeof ((Nic*)NULL)->name,
			"an interface's name has no room");
		for(k = 0; k < i; k++)
			check(strcmp(c->nic[i], c->nic[k]) != 0, "an interface twice");
	}
	check(c->file != NULL, "no file");
}

/* The same in other words: options behind, each by itself. */
static void
render(Conf *c)
{
	char buf[Maxtext];
	int i;

	nwords = 0;
	string("aoede");
	number("-b", (uvlong)c->bufcnt);
	number("-c", c->pool);
	if(c->direct)
		string("-d");
	if(c->shadow != NULL && c->shadowmib > 0){
		string("-f");
		snprintf(buf, sizeof buf, "%s,%llu", c->shadow, c->shadowmib);
		string(buf);
	}else if(c->shadow != NULL){
		string("-f");
		string(c->shadow);
	}
	if(c->info != NULL){
		string("-i");
		string(c->info);
	}
	if(c->length > 0)
		number("-l", c->length);
	if(c->locked)
		string("-L");
	for(i = 0; i < c->nmask; i++){
		uchar *a = c->mask[i].a;

		snprintf(buf, sizeof buf, "-m%02X:%02x:%02X:%02x:%02X:%02x", a[0], a[1], a[2], a[3],
			a[4], a[5]);
		string(buf);
	}
	number("-o", c->offset);
	if(c->readonly)
		string("-r");
	if(c->unreserved)
		string("-R");
	if(c->sync)
		string("-s");
	if(c->state != NULL){
		string("-S");
		string(c->state);
	}
	if(c->rxtags)
		string("-t");
	if(c->writetags)
		string("-T");
	if(c->behind)
		string("-w");
	string("--");
	number("", (uvlong)c->shelf);
	number("", (uvlong)c->slot);
	for(i = 0; i < c->nnic; i++)
		string(c->nic[i]);
	string(c->file);
}

static int
samestring(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
same(Conf *a, Conf *b)
{
	int i;

	check(a->shelf == b->shelf && a->slot == b->slot, "another shelf or slot");
	check(a->bufcnt == b->bufcnt && a->pool == b->pool, "another buffer count or pool");
	check(a->direct == b->direct && a->readonly == b->readonly && a->sync == b->sync
		&& a->behind == b->behind && a->locked == b->locked
		&& a->unreserved == b->unreserved && a->rxtags == b->rxtags
		&& a->writetags == b->writetags, "other flags");
	check(samestring(a->shadow, b->shadow) && a->shadowmib == b->shadowmib, "another shadow");
	check(a->offset == b->offset && a->length == b->length, "another offset or length");
	check(a->nmask == b->nmask && memcmp(a->mask, b->mask, (size_t)a->nmask * sizeof(Ea)) == 0,
		"another mask list");
	check(samestring(a->state, b->state) && samestring(a->info, b->info)
		&& samestring(a->file, b->file) && a->nnic == b->nnic,
		"another file, or other interfaces");
	for(i = 0; i < a->nnic; i++)
		check(strcmp(a->nic[i], b->nic[i]) == 0, "another interface");
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static Conf first, again;
	static char *mine[Maxwords + 2], *mineagain[Maxwords + 2];
	int nmine;
	char *e;

	if(n > Maxtext / 2)
		return 0;
	split(p, n);
	nmine = nwords;
	e = parse(&first, mine);
	if(e != NULL)
		check(e[0] != 0 && strlen(e) < Maxtext + 256, "refused without a sentence");
	else if(!first.help && !first.version){
		limits(&first);
		render(&first);
		e = parse(&again, mineagain);
		check(e == NULL, "refused in other words");
		same(&first, &again);
		release(mineagain, nwords);
	}
	release(mine, nmine);
	return 0;
}

void
seeds(void (*give)(const char *name, const uint8_t*, size_t))
{
	static const char *const line[] = {
		"9\n4\nt0\nimage",
		"-b\n16\n-c64\n-d\n-r\n-o\n7\n-l\n100\n9\n4\nt0\nimage",
		"9\n4\n-sr\neth0\nfifteenletters1\n-fshadow,100\n/dev/vg0/disk",
		"-f\na,1,2\n-w\n-Sstate\n9\n4\nt0\nf",
		"-m\n02:ae:1b:f0:9c:d5,02AE1BF09CD5\n-m020000000001\n65534\n254\nt0\nt1\nt2\nf",
		"-o\n18014398509481983\n-l18014398509481983\n0\n0\nt0\nf",
		"9\n--\n4\nt0\n-r",
		"-h",
		"-rV",
		"-x\n9\n4\nt0\nf",
		"9\n4\nt0\nf\n-b",
		"-m\n,\n9\n4\nt0\nf",
		"-f\n,5\n9\n4\nt0\nf",
		"-ws\n9\n4\nt0\nf",
		"65535\n255\nt0\nf",
		"9\n4\nt0\nt0\nf",
		"",
		"-LRtTiinfo\n-Sstate\n9\n4\nt0\nf",
		"9\n4\n-i\n\nt0\n-Tt\nf\n-R",
		"-i",
	};
	char name[20];
	uint i;

	for(i = 0; i < sizeof line / sizeof line[0]; i++){
		snprintf(name, sizeof name, "line-%02u", i);
		give(name, (const uint8_t*)line[i], strlen(line[i]));
	}
}
