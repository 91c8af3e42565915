/*
 * crcbench: the speed of crc.c beside the loop that it must beat, one byte
 * at a time by a table; exit 1 when it is not 8 times as fast on the 8204
 * bytes that a request of 8 KiB has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

enum {
	Rounds	= 9,		/* the best counts, so that a busy machine matters little */
	Wanted	= 8,
};

static uchar table[256];
static uchar data[9216];

/* The four states in variables of their own, which is as fast as a table gets byte by byte. */
static void
bytes(uchar *crc, const uchar *p, size_t n)
{
	uchar a = 0xff, b = 0xff, c = 0xff, d = 0xff;

	for(; n >= 4; n -= 4, p += 4){
		a = table[a ^ p[0]];
		b = table[b ^ p[1]];
		c = table[c ^ p[2]];
		d = table[d ^ p[3]];
	}
	crc[0] = a;
	crc[1] = b;
	crc[2] = c;
	crc[3] = d;
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Nanoseconds of a call. */
static double
cost(void (*fn)(uchar*, const uchar*, size_t), size_t n)
{
	static volatile uchar sink;
	uchar crc[4];
	double t, best = 0;
	int i, j, calls = 20000;

	for(i = 0; i < Rounds; i++){
		t = seconds();
		for(j = 0; j < calls; j++){
			data[0] = (uchar)j;
			fn(crc, data, n);
			sink = crc[0];
		}
		t = (seconds() - t) / calls * 1e9;
		if(i == 0 || t < best)
			best = t;
	}
	(void)sink;
	return best;
}

int
main(void)
{
	static const size_t sizes[] = { 12 + 512, 12 + 1024, 12 + 4096, 12 + 8192 };
	double loop, fast, times = 0;
	uchar crc[4], want[4];
	uint b, i;

	for(b = 0; b < 256; b++){
		table[b] = (uchar)b;
		for(i = 0; i < 8; i++)
			table[b] = (uchar)(table[b] & 1 ? table[b] >> 1 ^ 0xb2 : table[b] >> 1);
	}
	for(i = 0; i < sizeof data; i++)
		data[i] = (uchar)(i * 7 + 3);
	printf("CRC8x4, nanoseconds: bytes, byte by byte, crc.c (times as fast)\n");
	for(i = 0; i < sizeof sizes / sizeof sizes[0]; i++){
		loop = cost(bytes, sizes[i]);
		fast = cost(crc8x4, sizes[i]);
		bytes(want, data, sizes[i]);
		crc8x4(crc, data, sizes[i]);
		if(memcmp(crc, want, 4) != 0)
			return fprintf(stderr, "crcbench: wrong\n"), 1;
		times = loop / fast;
		printf("%5zu %8.1f %8.1f (%.1f)\n", sizes[i], loop, fast, times);
	}
	printf("wanted: %d times: %s\n", Wanted, times >= (double)Wanted ? "ok" : "missed");
	return times < (double)Wanted;
}
