/*
 * Checksums over bytes, and nothing else: CRC-32, of a few bytes now and
 * then, and CRC8x4, of all data that an initiator so protects.
 *
 * CRC8x4 is four CRC-8s over interleaved bytes; aoede.8 defines it under
 * PROTOCOL EXTENSIONS.  Byte i belongs to lane i mod 4, so a word of four bytes
 * has one of each lane, and what is done to one lane is done to all of them.
 *
 * A byte of state is a polynomial over GF(2) of degree below 8, its bit 7
 * the coefficient of 1 and bit 0 that of x^7 (the bits are reflected).  To
 * take a word is to add it to the state and multiply by x^8 modulo P =
 * x^8+x^6+x^3+x^2+1.  So the state at the end is the sum of all words, each
 * times x^8 for itself and for each word behind it, and words may be taken
 * in any order that gives each its power of x.  P is primitive: x^255 is 1.
 * From this follow three ways of taking many bytes in a step:
 *
 * 1. x^(8*255) is 1, so that words which lie 255 words (a Period) apart
 *    have the same power.  They are added up first: exclusive-or, nothing
 *    else.
 * 2. x^(8*32) is x, so that a Stride of 32 words can be taken at once: each
 *    byte of the sum so far is multiplied by x, which is a shift and a
 *    conditional exclusive-or, and the next 32 words are added.
 * 3. Tables have what becomes of a byte in up to Slices words; their
 *    entries don't wait for each other.
 */
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

enum {
	Poly	= 0xb2,
	First	= 0xff,		/* the state of a lane at the beginning */
	Lanes	= 4,
	Period	= Lanes * 255,	/* bytes */
	Stride	= Lanes * 32,
	Slices	= 8,
};

static uchar table[Slices][256];	/* a byte times x^8, x^16, ... */

static void
mktable(void)
{
	static int made;
	uint b, c, i;

	if(made)
		return;
	made = 1;
	for(b = 0; b < 256; b++){
		for(c = b, i = 0; i < 8 * Slices; i++){
			c = c & 1 ? c >> 1 ^ Poly : c >> 1;
			if(i % 8 == 7)
				table[i / 8][b] = (uchar)c;
		}
	}
}

/*
 * Way 3: take words, at most Slices of them.  Each word's bytes pass
 * through the table for the words behind it.
 */
static inline void
slice(uchar *state, const uchar *p, size_t words)
{
	uchar (*t)[256] = table + words - 1;
	uchar a, b, c, d;

	a = (*t)[state[0] ^ p[0]];
	b = (*t)[state[1] ^ p[1]];
	c = (*t)[state[2] ^ p[2]];
	d = (*t)[state[3] ^ p[3]];
	while(t > table){
		t--;
		p += Lanes;
		a ^= (*t)[p[0]];
		b ^= (*t)[p[1]];
		c ^= (*t)[p[2]];
		d ^= (*t)[p[3]];
	}
	state[0] = a;
	state[1] = b;
	state[2] = c;
	state[3] = d;
}

/* Take n bytes by way 3: constant numbers of words are taken without a loop. */
static void
slices(uchar *state, const uchar *p, size_t n)
{
	size_t i;

	for(; n >= Lanes * Slices; n -= Lanes * Slices, p += Lanes * Slices)
		slice(state, p, Slices);
	for(; n >= Lanes; n -= Lanes, p += Lanes)
		slice(state, p, 1);
	for(i = 0; i < n; i++)
		state[i] = table[0][state[i] ^ p[i]];
}

/*
 * Way 2: take n bytes, whole Strides, into sum.  The compiler turns a Vec
 * into what every processor of the kind has, which may be several words.
 */

typedef uchar	Vec __attribute__((vector_size(16)));

static void
take(uchar *sum, const uchar *p, size_t n)
{
	Vec v[Stride / sizeof(Vec)], w;
	size_t i;

	memcpy(v, sum, sizeof v);
	for(; n >= Stride; n -= Stride, p += Stride)
		for(i = 0; i < Stride / sizeof(Vec); i++){
			memcpy(&w, p + sizeof w * i, sizeof w);
			v[i] = v[i] >> 1 ^ (-(v[i] & 1) & Poly) ^ w;
		}
	memcpy(sum, v, sizeof v);
}

/*
 * Way 1: add up blocks of n bytes.
 */
static void
fold(uchar *sum, const uchar *p, size_t n, size_t blocks)
{
	const uchar *q;
	Vec v, w;
	size_t i, j;

	for(i = 0; i < n; i += sizeof v){
		/* The last may overlap the one before. */
		if(i > n - sizeof v)
			i = n - sizeof v;
		memcpy(&v, p + i, sizeof v);
		for(q = p + i + n, j = 1; j < blocks; j++, q += n){
			memcpy(&w, q, sizeof w);
			v ^= w;
		}
		memcpy(sum + i, &v, sizeof v);
	}
}

/*
 * Ways 2 and 3: take n bytes.  The state is added to the first word.
 */
static void
strides(uchar *state, const uchar *p, size_t n)
{
	uchar sum[Stride];
	size_t i, whole = n / Stride * Stride;

	if(whole > 0){
		memcpy(sum, p, sizeof sum);
		for(i = 0; i < Lanes; i++)
			sum[i] ^= state[i];
		take(sum, p + Stride, whole - Stride);
		memset(state, 0, Lanes);
		slices(state, sum, Stride);
	}
	slices(state, p + whole, n - whole);
}

void
crc8x4(uchar *crc, const uchar *p, size_t n)
{
	uchar state[Lanes] = { First, First, First, First };
	uchar sum[Period];
	size_t periods = n / Period;

	mktable();
	if(periods > 1){
		fold(sum, p, Period, periods);
		strides(state, sum, Period);
		p += periods * Period;
		n -= periods * Period;
	}
	strides(state, p, n);
	memcpy(crc, state, sizeof state);
}

uint
crc32(const void *data, uint n)
{
	const uchar *p = data;
	uint crc = 0xffffffff;
	int i;

	for(; n > 0; n--){
		crc ^= *p++;
		for(i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}
