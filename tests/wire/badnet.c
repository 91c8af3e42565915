/*
 * badnet: an initiator behind a bad network.
 *
 *	badnet [-i interface] [-n writes] [-x seed] [-t]
 *
 * Frames between this program's initiator and the target are lost, doubled,
 * delayed, and so put out of order.  A few sectors are written and read over
 * and over, each by one request at a time, which is sent again with its tag
 * until it is answered; so a read must return what was written last, and so
 * must the disk when nothing is on its way any more.  What doesn't has been
 * overwritten by a duplicate that came late.
 *
 * Time is counted in ticks.  In each the frames that are due are given to
 * the target, and its answers taken.  What befalls a frame depends on the
 * seed, its tag, and how often it was sent, and on nothing else: so two
 * targets see the same schedule as long as they answer the same.
 *
 * -t asks for tag tracking first.  The tags are a little-endian counter,
 * that wraps on the way.  The result is a line: writes=n duplicates=n
 * overwritten=n; the exit status is 0 whatever it says, and 1 when the target
 * does not answer.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "initiator.h"

typedef struct Flight Flight;
typedef struct Sector Sector;

enum {
	Sectors		= 16,
	Flights		= 8192,
	Again		= 40,		/* ticks until a request is sent again */
	Sync		= 3000,		/* ms that the target has to answer */
	Cextend		= 0x23,
};

/* A frame on its way. */
struct Flight {
	Frame f;
	unsigned due;
	int answer;
	int used;
};

/* A sector and its request. */
struct Sector {
	uint32_t tag;
	uint32_t version;	/* what was written last */
	int write;
	int busy;
	unsigned sent;		/* when */
	unsigned times;		/* and how often */
};

static Net net;
static Target t = { .shelf = 9 };
static Flight *flight;
static Sector sector[Sectors];
static unsigned now, seed, duplicates, overwritten, nwrites;
static uint32_t counter = 0xFFFFF800;

/* A number below n for a frame that is sent for the nth time. */
static unsigned
chance(uint32_t tag, unsigned nth, unsigned what, unsigned n)
{
	uint64_t h;

	h = ((uint64_t)seed << 32 | tag) * 0x9E3779B97F4A7C15u;
	h = (h ^ (h >> 29) ^ (uint64_t)nth << 8 ^ what) * 0xBF58476D1CE4E5B9u;
	h = (h ^ (h >> 32)) * 0x94D049BB133111EBu;
	return (unsigned)(h >> 33) % n;
}

static void
launch(const Frame *f, int answer, unsigned delay)
{
	Flight *p;

	for(p = flight; p < flight + Flights; p++)
		if(!p->used){
			p->f = *f;
			p->answer = answer;
			p->due = now + 1 + delay;
			p->used = 1;
			return;
		}
	errx(1, "too many frames on their way");
}

/* Hand a frame to the network.  Most arrive soon; some much later. */
static void
hand(const Frame *f, int answer, unsigned nth)
{
	uint32_t tag;
	unsigned i, copies, what, delay;

	tag = get32(f->b + Otag);
	copies = 1;
	if(chance(tag, nth, (unsigned)answer, 100) < 8)
		copies = 0;
	else if(chance(tag, nth, 2 + (unsigned)answer, 100) < 15)
		copies = 2;
	for(i = 0; i < copies; i++){
		what = 4 + 4 * i + 2 * (unsigned)answer;
		delay = chance(tag, nth, what, 4);
		if(chance(tag, nth, what + 1, 100) < 15)
			delay = chance(tag, nth, what + 16, 300);
		launch(f, answer, delay);
	}
	duplicates += copies == 2 && !answer;
}

static void
fill(uint8_t *p, unsigned i, uint32_t version)
{
	unsigned k;

	for(k = 0; k < Secsize; k += 8){
		put32(p + k, i);
		put32(p + k + 4, version);
	}
}

/* The request for sector i, as it is sent first and again. */
static void
sendreq(unsigned i)
{
	uint8_t data[Secsize], tag[4];
	Sector *s;
	Frame f;
	Ata a;
	int k;

	s = &sector[i];
	memset(&a, 0, sizeof a);
	a.aflags = (uint8_t)(Aext | (s->write ? Awrite : 0));
	a.cmd = s->write ? 0x34 : 0x24;
	a.count = 1;
	a.lba = i;
	if(s->write){
		fill(data, i, s->version + 1);
		a.data = data;
		a.ndata = sizeof data;
	}
	for(k = 0; k < 4; k++)
		tag[k] = (uint8_t)(s->tag >> 8 * k);
	mkata(&f, &net, &t, &a, get32(tag));
	s->sent = now;
	hand(&f, 0, s->times++);
}

static void
next(unsigned i)
{
	Sector *s;

	s = &sector[i];
	s->tag = counter++;
	s->write = !s->write;
	s->busy = 1;
	s->times = 0;
	sendreq(i);
}

static void
judge(const uint8_t *data, unsigned i)
{
	uint8_t want[Secsize];

	fill(want, i, sector[i].version);
	overwritten += memcmp(data, want, sizeof want) != 0;
}

/* An answer has reached the initiator. */
static void
arrived(const Frame *f)
{
	uint32_t tag;
	unsigned i;
	Sector *s;

	tag = (uint32_t)f->b[Otag] | (uint32_t)f->b[Otag + 1] << 8 | (uint32_t)f->b[Otag + 2] << 16 | (uint32_t)f->b[Otag + 3] << 24;
	for(i = 0; i < Sectors; i++){
		s = &sector[i];
		if(!s->busy || s->tag != tag)
			continue;
		if(f->b[Oatacmd] != Sdrdy || f->b[Over] & Ferror)
			errx(1, "the target fails a request");
		s->busy = 0;
		if(s->write){
			s->version++;
			nwrites++;
		}else
			judge(f->b + Odata, i);
	}
}

/*
 * Take what the target has to say.  It has said all when it has answered
 * two queries one after the other: the first may be answered before what was
 * asked before it, as that passes by the disk.
 */
static void
collect(void)
{
	Frame q, f;
	int i, got;

	for(i = 0; i < 2; i++){
		mkconfig(&q, &net, &t, Qread, NULL, 0, 0x80000000 | net.tag++);
		netsend(&net, &q);
		for(got = 0; !got; ){
			if(!netrecv(&net, &f, Sync))
				errx(1, "the target answers no more");
			if(f.n < Odata || (f.b[Over] & Fresp) == 0)
				continue;
			if(f.b[Ocmd] == Cconfig)
				got = get32(f.b + Otag) == get32(q.b + Otag);
			else if(f.b[Ocmd] == Cata)
				hand(&f, 1, now);
		}
	}
}

/* One tick.  Returns 0 when nothing was on its way. */
static int
tick(void)
{
	Flight *p;
	int any, asked;

	now++;
	any = asked = 0;
	for(p = flight; p < flight + Flights; p++)
		any += p->used;
	for(p = flight; p < flight + Flights; p++)
		if(p->used && p->due == now && !p->answer){
			p->used = 0;
			netsend(&net, &p->f);
			asked = 1;
		}
	if(asked)
		collect();
	for(p = flight; p < flight + Flights; p++)
		if(p->used && p->due == now && p->answer){
			p->used = 0;
			arrived(&p->f);
		}
	return any;
}

static void
run(unsigned want)
{
	unsigned i, busy;

	do{
		busy = 0;
		for(i = 0; i < Sectors; i++){
			if(!sector[i].busy && (nwrites < want || sector[i].write))
				next(i);
			else if(sector[i].busy && now - sector[i].sent >= Again)
				sendreq(i);
			busy += (unsigned)sector[i].busy;
		}
		tick();
	}while(busy > 0 || nwrites < want);
	while(tick())
		;
}

/* What the disk holds in the end, read without the bad network. */
static void
last(void)
{
	unsigned i;
	Frame f;
	Ata a;

	for(i = 0; i < Sectors; i++){
		memset(&a, 0, sizeof a);
		a.aflags = Aext;
		a.cmd = 0x24;
		a.count = 1;
		a.lba = i;
		if(!atacmd(&net, &t, &a, &f, Sync))
			errx(1, "the target answers no more");
		judge(f.b + Odata, i);
	}
}

static void
track(void)
{
	static const char names[] = "tag_inc_le\0";
	Frame q, f;

	mkframe(&q, &net, t.mac, t.shelf, t.slot, Cextend, net.tag++);
	add1(&q, sizeof names);
	add1(&q, 0);
	addn(&q, names, sizeof names);
	if(!netask(&net, &q, &f, Sync) || memcmp(f.b + 26, "TAG_INC_LE", 10) != 0)
		errx(1, "tag tracking was not granted");
}

int
main(int argc, char **argv)
{
	const char *ifname;
	unsigned want;
	int c, tracked;

	ifname = "i0";
	want = 1500;
	tracked = 0;
	while((c = getopt(argc, argv, "i:n:x:t")) != -1)
		switch(c){
		case 'i': ifname = optarg; break;
		case 'n': want = (unsigned)atoi(optarg); break;
		case 'x': seed = (unsigned)strtoul(optarg, NULL, 10); break;
		case 't': tracked = 1; break;
		default: errx(1, "usage: badnet [-i if] [-n writes] [-x seed] [-t]");
		}
	flight = calloc(Flights, sizeof *flight);
	if(flight == NULL || netopen(&net, ifname) == -1)
		err(1, "%s", ifname);
	if(!findtarget(&net, &t, Sync))
		errx(1, "no target");
	if(tracked)
		track();
	run(want);
	last();
	printf("writes=%u duplicates=%u overwritten=%u\n", nwrites, duplicates, overwritten);
	return 0;
}
