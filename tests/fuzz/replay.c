/*
 * A fuzzer's inputs without a fuzzer: write its seed corpus, live through
 * inputs in files, or through the seeds with random changes.
 *
 *	replay_x -g dir		write the seed corpus there, a file an input
 *	replay_x file ...	live through these
 *	replay_x -r n [seed]	live through n random ones
 */
#include <err.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "replay.h"

enum { Maxinput = 1 << 16, Maxseed = 256 };

static uint8_t input[Maxinput];
static size_t len;
static const char *dir;
static struct {
	uint8_t	*p;
	size_t	n;
} seed[Maxseed];
static unsigned nseed;
static uint64_t state;

static void
writeseed(const char *name, const uint8_t *p, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if(f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		err(1, "%s", path);
	nseed++;
}

static void
keepseed(const char *name, const uint8_t *p, size_t n)
{
	if(nseed == Maxseed || n > Maxinput)
		errx(1, "no room for the seed %s", name);
	seed[nseed].p = malloc(n + 1);
	if(seed[nseed].p == NULL)
		err(1, "%s", name);
	memcpy(seed[nseed].p, p, n);
	seed[nseed++].n = n;
}

/* In memory of exactly its length, for AddressSanitizer. */
static void
live(void)
{
	uint8_t *p = malloc(len + !len);

	if(p == NULL)
		err(1, "an input");
	memcpy(p, input, len);
	LLVMFuzzerTestOneInput(p, len);
	free(p);
}

static void
replay(const char *path)
{
	FILE *f = fopen(path, "rb");

	if(f == NULL)
		err(1, "%s", path);
	len = fread(input, 1, sizeof input, f);
	fclose(f);
	live();
}

static size_t
rnd(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n > 0 ? (size_t)(state >> 11) % n : 0;
}

/* A piece of another seed takes the place of what is there. */
static void
splice(void)
{
	unsigned other = (unsigned)rnd(nseed);
	size_t from = rnd(seed[other].n), to = rnd(len), n = rnd(64);

	if(n > seed[other].n - from)
		n = seed[other].n - from;
	if(n > sizeof input - to)
		n = sizeof input - to;
	memcpy(input + to, seed[other].p + from, n);
	if(len < to + n)
		len = to + n;
}

static void
change(void)
{
	size_t at = rnd(len);

	if(len == 0)
		return;
	switch(rnd(6)){
	case 0:
		input[at] ^= (uint8_t)(1 << rnd(8));
		break;
	case 1:
		input[at] = (uint8_t)rnd(256);
		break;
	case 2:
		input[at] = rnd(2) ? 0 : 0xff;
		break;
	case 3:
		memmove(input + at, input + at + 1, len - at - 1);
		len--;
		break;
	case 4:
		if(len < sizeof input){
			memmove(input + at + 1, input + at, len - at);
			len++;
		}
		break;
	case 5:
		splice();
		break;
	}
}

static void
randomly(unsigned n, uint64_t from)
{
	unsigned i, s;
	size_t k;

	for(i = 0; i < n; i++){
		state = (from + i) * 0x9e3779b97f4a7c15ULL | 1;
		rnd(1);
		s = (unsigned)rnd(nseed);
		len = seed[s].n;
		memcpy(input, seed[s].p, len);
		for(k = 1 + rnd(rnd(2) ? 3 : 30); k > 0; k--)
			change();
		if(i % 100 == 0)
			fprintf(stderr, "# random inputs from %llu\n",
				(unsigned long long)(from + i));
		live();
	}
}

int
main(int argc, char **argv)
{
	int i;

	if(argc == 3 && strcmp(argv[1], "-g") == 0){
		dir = argv[2];
		seeds(writeseed);
		return nseed == 0;
	}
	if(argc >= 3 && strcmp(argv[1], "-r") == 0){
		seeds(keepseed);
		randomly((unsigned)atoi(argv[2]), argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
		while(nseed > 0)
			free(seed[--nseed].p);
		return 0;
	}
	for(i = 1; i < argc; i++)
		replay(argv[i]);
	fprintf(stderr, "# %d inputs\n", i - 1);
	return argc < 2;
}
