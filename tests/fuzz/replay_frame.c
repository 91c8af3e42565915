/*
 * Inputs for fuzz_frame.c without a fuzzer: write the seed corpus, live
 * through inputs in files, or through random ones.
 *
 *	replay_frame -g dir		write the seed corpus there, a file an input
 *	replay_frame file ...		live through these
 *	replay_frame -r n [seed]	live through n random ones
 *
 * The seeds are what initiators send and one or more
 * frames for each row of the tables in the heads of aoe.c and ata.c, right and
 * wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <err.h>
#include "fuzz_frame.h"

typedef unsigned char uchar;
typedef unsigned int uint;
typedef unsigned long long uvlong;

enum { Maxinput = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t*, size_t);

static uchar input[Maxinput];
static size_t len;
static const char *dir;
static int nwritten;
static uint64_t state;

static void
put(uint v)
{
	if(len < sizeof input)
		input[len++] = (uchar)v;
}

static void
put16(uint v)
{
	put(v >> 8);
	put(v);
}

static void
begin(int options, int mtu)
{
	len = 0;
	put((uint)options);
	put((uint)mtu);
}

static void
finish(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if(f == NULL || fwrite(input, 1, len, f) != len || fclose(f) != 0)
		err(1, "%s", path);
	nwritten++;
}

/*
 * A frame of flen bytes, the argument at its byte 24 given.
 */
static void
command(int how, int cmd, uint flen, const void *arg, uint n)
{
	const uchar *p = arg;
	uint i;

	put(Rframe);
	put((uint)(how | Hours));
	put16(flen);
	put16(n + 10);
	put(0x10);
	put(0);
	put16(how & Hbroadcast ? 0xffff : 9);
	put(how & Hbroadcast ? 0xff : 4);
	put((uint)cmd);
	put16(0);
	put16(0);
	for(i = 0; i < n; i++)
		put(p[i]);
}

/* As a request to every target, which Hours would turn into one for us. */
static void
wildcard(int cmd, uint flen, const void *arg, uint n)
{
	size_t at = len;

	command(Hbroadcast, cmd, flen, arg, n);
	input[at + 1] = Hbroadcast;
}

static void
ata(int how, uint flen, int aflags, int feature, int count, int cmd, uvlong lba)
{
	uchar arg[12] = { (uchar)aflags, (uchar)feature, (uchar)count, (uchar)cmd };
	int i;

	for(i = 0; i < 6; i++)
		arg[4 + i] = (uchar)(lba >> 8 * i);
	command(how, 0, flen, arg, sizeof arg);
}

static void
config(int how, uint flen, int ccmd, const char *s, uint slen)
{
	uchar arg[8 + 64] = { [5] = (uchar)(0x10 | ccmd), [6] = (uchar)(slen >> 8),
		[7] = (uchar)slen };
	size_t n = strlen(s);

	memcpy(arg + 8, s, n);
	command(how, 1, flen, arg, (uint)(8 + n));
}

/* Directives: a pair of directive and last byte of a MAC each. */
static void
mask(int how, int mcmd, int count, const char *d, uint nd)
{
	uchar arg[4 + 8 * 256] = { 0, (uchar)mcmd, 0, (uchar)count };
	uint i;

	for(i = 0; i < nd; i++){
		arg[4 + 8 * i + 1] = (uchar)d[2 * i];
		arg[4 + 8 * i + 2] = 2;
		arg[4 + 8 * i + 7] = (uchar)d[2 * i + 1];
	}
	command(how, 2, 28 + 8 * nd, arg, 4 + 8 * nd);
}

static void
reserve(int how, int rcmd, int count, const char *macs, uint nmac)
{
	uchar arg[2 + 6 * 256] = { (uchar)rcmd, (uchar)count };
	uint i;

	for(i = 0; i < nmac; i++){
		arg[2 + 6 * i] = 2;
		arg[2 + 6 * i + 5] = (uchar)macs[i];
	}
	command(how, 3, 26 + 6 * nmac, arg, 2 + 6 * nmac);
}

static void
trim(int how, int feature, int count, uint flen, const uint64_t (*r)[2], uint n)
{
	uchar arg[12 + 512] = { 0x41, (uchar)feature, (uchar)count, 0x06 };
	uint i, j;

	for(i = 0; i < n; i++)
		for(j = 0; j < 8; j++)
			arg[12 + 8 * i + j] = (uchar)((j < 6 ? r[i][0] >> 8 * j : r[i][1] >> 8 * (j - 6)));
	command(how, 0, flen, arg, 12 + 8 * n);
}

/* What initiators send. */

static void
initiators(void)
{
	uint i;

	begin(0, 1);
	wildcard(1, 32, "", 0);
	ata(0, 36, 0, 0, 1, 0xec, 0xa0000000);
	put(Rturn);
	ata(0, 36, 0x40, 0, 16, 0x24, 0);
	ata(Hpattern, 36 + 8192, 0x41, 0, 16, 0x34, 32);
	ata(Hpattern, 36 + 8192, 0x41, 0, 16, 0x34, 48);
	ata(0, 36, 0x40, 0, 16, 0x24, 32);
	ata(0, 36 + 8704, 0x40, 0, 17, 0x24, 0);
	finish("linux");

	begin(0, 0);
	config(Hbroadcast, 32, 0, "", 0);
	ata(0, 60, 0, 0, 1, 0xec, 0xe0000000);
	ata(0, 60, 0, 0, 2, 0x20, 0xe0000000);
	ata(0, 60, 0x40, 0, 2, 0x24, 2);
	finish("ipxe");

	begin(0, 1);
	wildcard(1, 60, "", 0);
	ata(0, 60, 0, 0, 1, 0xec, 0);
	ata(Hpattern, 36 + 8704, 0x41, 0, 17, 0x34, 5);
	ata(Hpattern, 36 + 1024, 0x41, 0, 2, 0x34, 5);
	config(0, 60, 4, "9front", 6);
	finish("9front");

	begin(0, 1);
	ata(Hbroadcast, 60, 0x40, 0, 1, 0xec, 0);
	for(i = 2; i < 20; i++)
		ata(0, 60, 0x40, 0, (int)i, 0x24, 0);
	ata(Hpattern, 36 + 512, 0x41, 0, 1, 0x34, 255);
	ata(0, 60, 0, 0, 2, 0x24, 0);
	finish("winaoe");

	begin(0, 1);
	wildcard(1, 60, "\0\0\0\0\002", 5);
	config(0, 60, 4, "macos", 6);
	ata(0, 60, 0, 0, 0, 0xec, 0);
	for(i = 0; i < 4; i++)
		ata(0, 60, 0x40, 0, 17, 0x24, 17 * i);
	ata(0, 60, 0x40, 0, 17, 0x24, 17);
	finish("macos");

	begin(0, 0);
	command(Hbroadcast, 1, 1056, "\0\0\0\0\0\020\004\0\355\355\355", 11);
	ata(0, 1060, 0, 0, 1, 0xec, 0);
	for(i = 0xd0; i < 0xdb; i++)
		ata(0, 1060, 0, (int)i, 1, 0xb0, 0xc24f00);
	finish("aoetools");
}

/* One input for each row of the ATA commands. */
static void
commands(void)
{
	static const uchar moves[] = { 0x20, 0x21, 0x24, 0x25, 0xc8, 0x30, 0x31, 0x34, 0x35, 0x3d,
		0xca, 0x40, 0x41, 0x42 };
	static const uchar plain[] = { 0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe6, 0xe7, 0xea, 0xf8, 0x27,
		0x00, 0xa1, 0xff };
	static const uchar features[] = { 0x02, 0x82, 0x03, 0x55 };
	static const uchar logs[] = { 0, 1, 6, 2 };
	char name[20];
	uint i;

	for(i = 0; i < sizeof moves; i++){
		begin(i & 1 ? Fsync : 0, (int)i & 1);
		ata(Hpattern, 36 + 1024, 0, 0, 2, moves[i], 7);
		ata(0, 36 + 512, 0, 0, 1, moves[i], 255);
		ata(0, 36 + 512, 0, 0, 1, moves[i], 256);
		ata(0, 36 + 511, 0, 0, 1, moves[i], 0);
		ata(0, 36, 0, 0, 0, moves[i], 0);
		ata(0, 36 + 512, 0, 0, 1, moves[i], 0xffffffffffffULL);
		put(Rturn);
		ata(0, 36, 0x40, 0, 2, 0x24, 7);
		snprintf(name, sizeof name, "ata-%02x", moves[i]);
		finish(name);
	}
	begin(0, 0);
	for(i = 0; i < sizeof plain; i++)
		ata(0, 36, 0, 0, 0, plain[i], 0);
	finish("ata-plain");
	begin(0, 0);
	for(i = 0; i < sizeof features; i++){
		ata(0, 36, 0, features[i], 0, 0xef, 0);
		ata(Hpattern, 36 + 512, 0, 0, 1, 0x30, i);
		ata(0, 36, 0, 0, 0, 0xec, 0);
	}
	finish("ata-features");
	begin(0, 0);
	for(i = 0; i < sizeof logs; i++)
		ata(0, 36, 0, 0xd5, 1, 0xb0, 0xc24f00 | logs[i]);
	ata(0, 36, 0, 0xd0, 1, 0xb0, 0xc24e00);
	ata(0, 36, 0, 0xd9, 1, 0xb0, 0xc24f00);
	ata(0, 36, 0, 0, 1, 0xec, 0);
	finish("ata-smart");
}

static void
trims(void)
{
	static const uint64_t good[][2] = { { 4, 10 }, { 14, 3 }, { 100, 0 }, { 250, 6 } };
	static const uint64_t beyond[][2] = { { 0, 1 }, { 250, 7 } };
	static const uint64_t far[][2] = { { 0xffffffffffff, 1 }, { 0, 0xffff } };

	begin(0, 0);
	trim(0, 1, 1, 36 + 512, good, 4);
	put(Rturn);
	trim(0, 1, 1, 36 + 512, beyond, 2);
	trim(0, 1, 1, 36 + 512, far, 2);
	trim(0, 0, 1, 36 + 512, good, 4);
	trim(0, 1, 2, 36 + 512, good, 4);
	trim(0, 1, 0, 36 + 512, good, 4);
	ata(0, 36, 0x40, 0, 2, 0x24, 13);
	finish("trim");
	begin(Fsync, 1);
	put(Rfault);
	put(2);
	put(8);
	ata(Hpattern, 36 + 1024, 0, 0, 2, 0x30, 7);
	trim(0, 1, 1, 36 + 512, good, 4);
	ata(0, 36, 0x40, 0, 17, 0x24, 0);
	finish("trim-fault");
}

static void
others(void)
{
	static char all[2 * 256];
	uint i;

	begin(0, 0);
	config(0, 60, 3, "one", 3);
	config(0, 60, 3, "one", 3);
	config(0, 60, 3, "other", 5);
	config(0, 60, 1, "one", 3);
	config(0, 60, 1, "on", 2);
	config(0, 60, 2, "on", 2);
	config(0, 60, 4, "", 0);
	config(0, 60, 5, "", 0);
	config(0, 60, 4, "x", 1025);
	config(0, 60, 4, "x", 40);
	config(0, 32 + 1024, 4, "long", 1024);
	config(0, 32, 0, "", 0xffff);
	finish("config");

	begin(0, 0);
	mask(0, 0, 0, "", 0);
	mask(0, 1, 3, "\001\001\001\002\001\003", 3);
	mask(0, 1, 2, "\002\002\000\000", 2);
	mask(0, 1, 2, "\001\004\003\004", 2);
	mask(0, 1, 3, "\001\005", 1);
	mask(0, 2, 0, "", 0);
	mask(1, 0, 0, "", 0);
	mask(0, 1, 1, "\002\001", 1);
	mask(0, 0, 0, "", 0);
	finish("mask");
	for(i = 0; i < 256; i++){
		all[2 * i] = 1;
		all[2 * i + 1] = (char)i;
	}
	begin(0, 0);
	mask(1, 1, 185, all, 185);
	mask(1, 1, 1, "\001\377", 1);
	mask(1, 0, 0, "", 0);
	finish("mask-full");
	begin(Fmasked, 0);
	mask(1, 0, 0, "", 0);
	ata(0, 36, 0, 0, 1, 0x20, 0);
	ata(1, 36, 0, 0, 1, 0x20, 0);
	mask(1, 1, 1, "\002\002", 1);
	ata(0, 36, 0, 0, 1, 0x20, 0);
	finish("masked");

	begin(0, 0);
	reserve(0, 0, 0, "", 0);
	reserve(0, 1, 2, "\001\003", 2);
	reserve(1, 1, 1, "\002", 1);
	ata(1, 36, 0, 0, 1, 0x20, 0);
	ata(1, 36, 0, 0, 1, 0xec, 0);
	ata(2, 36, 0, 0, 1, 0x20, 0);
	reserve(1, 2, 1, "\002", 1);
	reserve(1, 1, 0, "", 0);
	reserve(0, 3, 0, "", 0);
	reserve(0, 1, 4, "\001", 1);
	finish("reserve");
	begin(0, 0);
	for(i = 0; i < 256; i++)
		all[i] = (char)i;
	reserve(0, 1, 248, all, 248);
	reserve(0, 1, 249, all, 249);
	finish("reserve-full");

	begin(0, 0);
	for(i = 4; i < 256; i += i < 0x24 ? 31 : 0xcc)
		command(0, (int)i, 60, "", 0);
	for(i = 0; i < 40; i++)
		command(0, (int)i % 4, i, "\0\1\1\1\0\0\0\0", 8);
	put(Rframe);
	put(0);
	put16(60);
	put16(6);
	put(0x20);
	put(0);
	put16(9);
	put(4);
	put(0);
	put(Rraw);
	put16(14);
	for(i = 0; i < 14; i++)
		put(0xff);
	finish("frames");
}

/* Features with a blank behind each. */
static void
extend(int how, const char *names)
{
	uchar arg[2 + 200] = { (uchar)(strlen(names) + 1), 0 };
	uint i;

	for(i = 0; names[i] != 0; i++)
		arg[2 + i] = (uchar)(names[i] == ' ' ? 0 : names[i]);
	command(how, 0x23, 26 + i + 1, arg, 2 + i + 1);
}

/* A read with n reads behind it, of which the frame holds so many. */
static void
coalesced(int how, int n, uint held)
{
	uchar arg[12 + 1 + 16 * 64] = { 0x40, 0, 1, 0x24, 5 };
	uint i;

	arg[12] = (uchar)n;
	for(i = 0; i < held; i++){
		arg[13 + 16 * i + 4] = (uchar)(7 * i);
		arg[13 + 16 * i + 15] = (uchar)(1 + i % 3);
	}
	command(how, 0, 37 + 16 * held, arg, 13 + 16 * held);
}

/* A write of a sector, with a checksum that can't be right twice. */
static void
summed(int how, uint extra)
{
	ata(how | Hpattern, 36 + 512 + extra, 0x41, 0, 1, 0x34, 9);
	ata(how, 36 + 512 + extra, 0x41, 0, 1, 0x34, 9);
}

enum { Names = 11 };
static const char *const names[Names] = {
	"reset ", "tag_inc_le ", "tag_inc_be ", "tag_random ", "coalesced_read ", "crc8x4 ",
	"congestion 7 ", "congestion ", "congestion x ", "nothing ", "",
};

static void
extensions(void)
{
	uint i;

	begin(0, 0);
	for(i = 0; i < Names; i++){
		extend((int)i % 3, names[i]);
		ata(Hpattern | ((int)i % 3), 36 + 512, 0x41, 0, 1, 0x34, i);
		ata((int)i % 3, 36, 0x40, 0, 2, 0x24, i);
	}
	command(0, 0x23, 60, "\002\000\000\000", 4);
	command(0, 0x23, 60, "\003\000a\000\000", 5);
	command(0, 0x23, 30, "\005\000a\000\000", 5);
	command(0, 0x23, 60, "\001\000\000", 3);
	command(0, 0x23, 26, "\000\000", 2);
	command(0, 0x23, 60, "\000\006reset", 7);
	command(Hbroadcast, 0x23, 60, "\007\000reset", 7);
	finish("ext-names");
	begin(0, 1);
	extend(0, "reset coalesced_read ");
	coalesced(0, 20, 20);
	coalesced(0, 20, 3);
	coalesced(1, 20, 20);
	coalesced(0, 0, 3);
	put(Rturn);
	extend(0, "crc8x4 congestion 1 ");
	coalesced(0, 60, 60);
	coalesced(0, 60, 60);
	ata(0, 36, 0x40, 0, 17, 0x24, 0);
	ata(1, 36, 0x40, 0, 17, 0x24, 0);
	put(Rturn | 8);
	config(0, 60, 4, "", 0);
	coalesced(0, 9, 9);
	finish("ext-coalesced");
	begin(0, 0);
	extend(0, "crc8x4 tag_inc_le ");
	for(i = 0; i < 8; i++)
		summed((int)i & 1, i);
	ata(0, 36, 0x40, 0, 2, 0x24, 9);
	ata(0, 36, 0x40, 0, 3, 0x24, 9);
	ata(0, 36, 0x40, 0, 1, 0x24, 300);
	ata(0, 36, 0, 0, 1, 0xec, 0);
	put(Rmtu);
	put(7);
	ata(0, 36, 0x40, 0, 1, 0x24, 9);
	extend(1, "crc8x4 ");
	finish("ext-crc");
	/* As many reads wait as may, and what must let them go first finds no room. */
	begin(0, 0);
	extend(0, "congestion 9 ");
	for(i = 0; i < 150; i++)
		ata(0, 36, 0x40, 0, 1, 0x24, i % 9);
	trim(0, 1, 1, 36 + 512, (const uint64_t[][2]){ { 3, 2 } }, 1);
	ata(Hpattern, 36 + 512, 0x41, 0, 1, 0x34, 200);
	ata(Hpattern, 36 + 512, 0x41, 0, 1, 0x34, 8);
	put(Rturn);
	trim(0, 1, 1, 36 + 512, (const uint64_t[][2]){ { 3, 2 } }, 1);
	finish("ext-congestion");
}

static void
disks(void)
{
	uint i;

	begin(Freadonly, 0);
	ata(0, 36 + 512, 0, 0, 1, 0x30, 0);
	ata(0, 36 + 512, 0, 1, 1, 0x06, 0);
	ata(0, 36, 0, 0, 1, 0x20, 0);
	ata(0, 36, 0, 0, 1, 0xec, 0);
	finish("readonly");
	begin(0, 1);
	put(Rfault);
	put(0);
	put(9);
	put(Rfault);
	put(1);
	put(20);
	for(i = 0; i < 4; i++)
		ata(0, 36, 0x40, 0, 4, 0x24, 4 * i);
	for(i = 0; i < 4; i++)
		ata(Hpattern, 36 + 2048, 0x40, 0, 4, 0x34, 14 + 4 * i);
	ata(0, 36, 0x40, 0, 17, 0x42, 3);
	put(Rheal);
	ata(0, 36, 0x40, 0, 17, 0x24, 14);
	finish("faults");
	begin(0, 1);
	put(Rfault);
	put(0);
	put(255);
	ata(0, 36, 0x40, 0, 2, 0x24, 0);
	finish("cut");
	begin(0, 1);
	for(i = 0; i < 80; i++)
		ata(Hpattern, i & 1 ? 36 : 36 + 1024, 0x40, 0, 2, i & 1 ? 0x24 : 0x34, i * 7 % 60);
	put(Rfault);
	put(100);
	put(255);
	ata(0, 36, 0x40, 0, 8, 0x24, 96);
	put(Rsize);
	put(0);
	put(Rmtu);
	put(0);
	ata(0, 36, 0x40, 0, 8, 0x24, 0);
	finish("order");
}

/* A disk that takes its time, in each of the ways to read and write it. */
static void
late(void)
{
	static const int ways[] = { Fcold, Fcold | Fnowindow, Fdirect, Fcold | Fsync,
		Fdirect | Fsync, Flate, Flate | Fdirect };
	char name[20];
	uint i, k;

	for(k = 0; k < sizeof ways / sizeof ways[0]; k++){
		begin(ways[k], 1);
		for(i = 0; i < 60; i++){
			ata(Hpattern, i % 3 ? 36 : 36 + 2048, 0x40, 0, 4,
				i % 3 ? 0x24 : i % 2 ? 0x34 : 0x3d, i * 11 % 70);
			if(i % 7 == 6)
				put(Rturn | (i & 31) << 3);
			if(i % 20 == 13)
				ata(0, 36, 0x40, 0, 0, 0xea, 0);
		}
		snprintf(name, sizeof name, "late-%u", k);
		finish(name);
	}
}

/* Random inputs: mostly right, so that they get far. */

static uint
rnd(uint n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint)((state >> 11) % n);
}

static void
randomata(void)
{
	static const uchar cmds[] = { 0x20, 0x24, 0x30, 0x34, 0x20, 0x24, 0x30, 0x34, 0x3d, 0x42,
		0xec, 0xe7, 0xef, 0xb0, 0xf8, 0x06 };
	uint64_t r[8][2];
	uint i, n, cmd = cmds[rnd(sizeof cmds)];
	uint count = rnd(8) ? 1 + rnd(3) : rnd(24);
	uvlong lba = rnd(16) ? rnd(64) : rnd(300);

	if(cmd == 0x06){
		n = 1 + rnd(8);
		for(i = 0; i < n; i++){
			r[i][0] = rnd(40) ? rnd(64) : rnd(300);
			r[i][1] = rnd(8);
		}
		trim(0, 1, 1, 36 + 512, r, n);
	}else
		ata((int)(rnd(40) ? 0 : rnd(4)) | (rnd(2) ? Hpattern : 0),
			36 + (rnd(10) ? 512 * count : rnd(9000)), 0, (int)rnd(256), (int)count, (int)cmd, lba);
}

static void
randominput(void)
{
	uint i, n = 2 + rnd(120);

	begin((rnd(4) ? 0 : (int)rnd(8)) | (int)rnd(8) << 3, (int)rnd(8));
	for(i = 0; i < n; i++)
		switch(rnd(60)){
		case 0:
			config((int)rnd(4), 60, (int)rnd(6), "string", rnd(8));
			break;
		case 1:
			reserve(0, (int)rnd(3), (int)rnd(2), "\001", 1);
			break;
		case 2:
			put(Rfault);
			put(rnd(256));
			put(rnd(64));
			break;
		case 3:
			put(Rheal);
			break;
		case 4:
			put(Rmtu);
			put(rnd(8));
			break;
		case 5:
			put(Rsize);
			put(rnd(256));
			break;
		case 6: case 7: case 8:
			put(Rturn | (rnd(3) ? rnd(32) << 3 : 0));
			break;
		case 9:
			command((int)rnd(32), (int)rnd(5), rnd(80), "\001\001\001\001\001\001\001",
				rnd(8));
			break;
		case 10:
			extend((int)rnd(4), names[rnd(Names)]);
			break;
		case 11:
			coalesced((int)rnd(4), (int)rnd(70), rnd(64));
			break;
		default:
			randomata();
			break;
		}
}

static int
generate(const char *where)
{
	dir = where;
	initiators();
	commands();
	trims();
	others();
	extensions();
	disks();
	late();
	printf("%d inputs\n", nwritten);
	return 0;
}

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uchar *p;

	if(f == NULL)
		err(1, "%s", path);
	len = fread(input, 1, sizeof input, f);
	fclose(f);
	/* Exactly sized, for AddressSanitizer. */
	p = malloc(len + !len);
	if(p == NULL)
		err(1, "%s", path);
	memcpy(p, input, len);
	LLVMFuzzerTestOneInput(p, len);
	free(p);
	return 1;
}

static int
random_(uint n, uint64_t seed)
{
	uint i;

	for(i = 0; i < n; i++){
		state = (seed + i) * 0x9e3779b97f4a7c15ULL | 1;
		rnd(1);
		randominput();
		if(i % 100 == 0)
			printf("# random inputs from %llu\n", (uvlong)(seed + i));
		fflush(stdout);
		LLVMFuzzerTestOneInput(input, len);
	}
	printf("%u random inputs\n", n);
	return 0;
}

int
main(int argc, char **argv)
{
	int i, n = 0;

	if(argc == 3 && strcmp(argv[1], "-g") == 0)
		return generate(argv[2]);
	if(argc >= 3 && strcmp(argv[1], "-r") == 0)
		return random_((uint)atoi(argv[2]), argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
	for(i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("%d inputs\n", n);
	return 0;
}
