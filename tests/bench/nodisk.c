/*
 * nodisk: what aoede could reach if the disk cost nothing.  A responder on
 * the daemon's own rings (it is linked with linux.o or freebsd.o) that
 * answers reads from one buffer which never leaves the processor's cache,
 * and writes by forgetting them; make bench measures it beside aoede.  It
 * trusts its requests, so let nothing but the load generator talk to it.
 *
 *	nodisk [-n] shelf slot netif sectors
 *
 * -n: not even the copy from the hot buffer; a read is answered with
 * whatever its slot of the ring holds.
 */
#include <sys/types.h>
#include <sys/uio.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

enum { Bufcnt = 64 };

Stats stats;
Disk disk;
static uchar hot[MAX_MTU];
static int nocopy;
static uint shelf, slot;
static uvlong sectors;

/* A response's length: the config answer, without a string. */
static uint
config(Nic *n, uchar *f)
{
	memset(f + Oarg, 0, 8);
	f[Oarg + 1] = Bufcnt;
	f[Oarg + 4] = (uchar)((n->mtu - 36) / Sector);
	f[Oarg + 5] = Aoever << 4;
	return Oarg + 8;
}

/* Of IDENTIFY only the size, in words 100 to 103. */
static uint
identify(uchar *data)
{
	int i;

	memset(data, 0, Sector);
	for(i = 0; i < 8; i++)
		data[200 + i] = (uchar)(sectors >> 8 * i);
	return Odata + Sector;
}

static uint
answer(Nic *n, uchar *f, const uchar *q, uint len)
{
	uint nsec;

	memcpy(f, q + Osrc, 6);
	memcpy(f + Osrc, n->ea.a, 6);
	memcpy(f + Otype, q + Otype, Odata - Otype);
	f[Overflag] |= Fresp;
	f[Omajor] = (uchar)(shelf >> 8);
	f[Omajor + 1] = (uchar)shelf;
	f[Ominor] = (uchar)slot;
	if(q[Ocmd] == Cconfig)
		return config(n, f);
	nsec = q[Oarg + 2];
	f[Oarg + 1] = 0;
	f[Oarg + 2] = 0;
	f[Oarg + 3] = 0x40;
	if(q[Oarg + 3] == 0xec)
		return identify(f + Odata);
	if(len > Odata || nsec > (uint)(n->mtu - 36) / Sector)
		return Odata;
	if(!nocopy)
		memcpy(f + Odata, hot, nsec * Sector);
	return Odata + nsec * Sector;
}

/* Answer what has come in, at most a turn's worth, as aoede does. */
static void
turn(Nic *n)
{
	uchar *f, *q;
	uint i, len;

	for(i = 0; i < TURN_FRAMES && (q = nicrecv(n, &len)) != NULL; i++){
		if(len < Oarg + 8 || (q[Overflag] & Fresp)
			|| (q[Ocmd] != Cata && q[Ocmd] != Cconfig))
			continue;
		if((f = nicroom(n)) == NULL)
			continue;	/* it will be asked again */
		len = answer(n, f, q, len);
		if(len < Framemin){
			memset(f + len, 0, Framemin - len);
			len = Framemin;
		}
		nicsend(n, f, len);
	}
	nicrelease(n);
}

static void
serve(Nic *n)
{
	struct pollfd p;
	int again;

	again = 0;
	for(;;){
		p.fd = nicpoll(n, &p.events);
		if(poll(&p, 1, again ? 1 : -1) == -1 && errno != EINTR)
			err(1, "poll");
		if(p.revents & POLLERR)
			nicerror(n);
		turn(n);
		again = nickick(n);
	}
}

int
main(int argc, char **argv)
{
	static Nic n;
	char *e;

	if(argc > 1 && strcmp(argv[1], "-n") == 0){
		nocopy = 1;
		argc--;
		argv++;
	}
	if(argc != 5)
		errx(1, "usage: nodisk [-n] shelf slot netif sectors");
	shelf = (uint)strtoul(argv[1], NULL, 0);
	slot = (uint)strtoul(argv[2], NULL, 0);
	sectors = strtoull(argv[4], NULL, 0);
	snprintf(n.name, sizeof(n.name), "%s", argv[3]);
	if((e = nicopen(&n, (int)shelf, (int)slot, Bufcnt)) != NULL)
		errx(1, "%s", e);
	niccheck(&n);
	printf("pid %d\n", (int)getpid());
	fflush(stdout);
	serve(&n);
}
