/*
 * Tests of who gets room, when there is little: answers that find the
 * transmit ring full, and requests of more initiators, or of greedier ones,
 * than there is room for.  fairness.t sets the network and the disk up for
 * each group.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "initiator.h"
#include "wire.h"

enum {
	Many	= 256,		/* requests that wait for one event */
	Crowd	= 12,		/* initiators, and the reads of each */
	Each	= 64,
	Prompt	= 100,		/* ms */
};

static void
sendall(const Frame *q, int n)
{
	int i, k;

	for(i = 0; i < n; i += k){
		if((k = netburst(&net, q + i, n - i < 64 ? n - i : 64)) <= 0)
			return;
		usleep(2000);	/* no more than a receive ring holds */
	}
}

/*
 * How many of n requests, whose tags count up from first, are answered with
 * success, each once, until ms have passed without any; with the sectors of
 * data, if not NULL.
 */
static int
collect(uint32_t first, int n, const uint8_t *data, size_t len, int ms)
{
	static uint8_t seen[4096];
	int found;
	uint32_t i;
	Frame f;

	memset(seen, 0, sizeof seen);
	for(found = 0; found < n && netrecv(&net, &f, ms); ){
		i = get32(f.b + Otag) - first;
		if(f.n < Odata || i >= (uint32_t)n)
			continue;
		if(seen[i]++)
			return why("request %u is answered twice", i), -1;
		if(f.b[Oatacmd] != Sdrdy || f.b[Over] & Ferror)
			return why("request %u fails", i), -1;
		if(data != NULL && (f.n != Odata + len || memcmp(f.b + Odata, data, len) != 0))
			return why("request %u has other data", i), -1;
		found++;
	}
	if(found < n)
		why("%d of %d are answered", found, n);
	return found;
}

/* The disk is slow with writes: all the reads wait for one, and are ready when it is. */
void
behindgroup(void)
{
	static Frame q[Many + 1];
	static uint8_t now[32 * Secsize];
	int i, n = advertised();
	uint32_t first;

	memset(now, 0xB5, sizeof now);
	first = net.tag;
	cmdframe(&q[0], 0x34, 0, n, 0, now, (size_t)n * Secsize);
	for(i = 1; i <= Many; i++)
		cmdframe(&q[i], 0x24, 0, n, 0, NULL, 0);
	drain();
	sendall(q, Many + 1);
	i = collect(first, 1, NULL, 0, 10000);
	i += collect(first + 1, Many, now, (size_t)n * Secsize, 2000);
	test(i == Many + 1, "%d reads that wait for a slow write of their sectors are all answered",
		Many);
}

/* Something that all writes must wait for is slow. */
void
savegroup(void)
{
	static Frame q[Many];
	uint8_t p[Secsize];
	uint32_t first;
	int i;

	memset(p, 0x3C, sizeof p);
	first = net.tag;
	for(i = 0; i < Many; i++)
		cmdframe(&q[i], 0x34, 0, 1, (uint64_t)i * 64, p, sizeof p);
	drain();
	/* The first begin a save; the others can only be in the next. */
	sendall(q, 4);
	usleep(200000);
	sendall(q + 4, Many - 4);
	test(collect(first, Many, NULL, 0, 10000) == Many,
		"%d writes that wait for a save of the map are all answered", Many);
}

/* HUP comes while we listen; all MACs of the list are ours. */
void
tellgroup(void)
{
	static uint8_t told[256];
	int n = 0;
	Frame f;

	puts("# listening");
	fflush(stdout);
	while(n < 255 && netrecv(&net, &f, n > 0 ? 2000 : 10000))
		if(f.n >= Ostring && f.b[Ocmd] == Cconfig && f.b[Over] & Fresp
			&& told[f.b[Odst+5]]++ == 0)
			n++;
	test(n == 255 || why("%d have come", n), "HUP's advertisement comes to each of 255 MACs");
}

/* Is the target's config string told at once, n times? */
static int
discovered(int n)
{
	int64_t start, took, worst = 0;
	Frame q, f;

	for(; n > 0; n--){
		cfgframe(&q, Qread, NULL, 0);
		start = nowms();
		netsend(&net, &q);
		if(!netanswer(&net, &f, get32(q.b + Otag), 5000))
			return why("a query is not answered");
		took = nowms() - start;
		if(took > worst)
			worst = took;
		usleep(50000);
	}
	printf("# answered within %d ms\n", (int)worst);
	return worst < Prompt || why("answered after %d ms", (int)worst);
}

/* Reads of a disk that takes seconds for one. */
void
crowdgroup(void)
{
	static Frame q[Crowd * Each];
	uint8_t mac[6];
	uint32_t first;
	int i;

	first = net.tag;
	for(i = 0; i < Crowd * Each; i++){
		mkmac(mac, 1 + i / Each);
		cmdframe(&q[i], 0x24, 0, 1, (uint64_t)i * 40, NULL, 0);
		setsrc(&q[i], mac);
	}
	drain();
	sendall(q, Crowd * Each);
	usleep(100000);
	sendall(q,
		Crowd * Each);	/* what the receive ring had no room for; the others are under way, and dropped */
	test(discovered(10),
		"with %d initiators' %d reads under way on a slow disk, queries are answered at once", Crowd, Each);
	test(collect(first, Crowd * Each, NULL, 0, 10000) == Crowd * Each,
		"and all the reads when the disk has done them");
}

/* One asks for more than there is room for. */
void
greedygroup(void)
{
	enum { N = 20000 };
	static Frame q[Many];
	int64_t start, took;
	uint8_t mac[6];
	Frame f, other;
	int i;

	drain();
	for(i = 0; i < N; i++){
		cmdframe(&q[i % Many], 0x42, 0, 1, (uint64_t)(i % 4096), NULL, 0);
		if(i % Many == Many - 1)
			sendall(q, Many);
	}
	test(discovered(5), "while an initiator has sent %d requests, queries are answered at once",
		N);
	mkmac(mac, 77);
	cmdframe(&other, 0x24, 0, 1, 5000, NULL, 0);
	setsrc(&other, mac);
	start = nowms();
	netsend(&net, &other);
	i = netanswer(&net, &f, get32(other.b + Otag), 40000);
	took = nowms() - start;
	printf("# the read took %d ms\n", (int)took);
	test(i, "and there is room for another's read");
}

static void
congested(void)
{
	static const char names[] = "congestion\0" "1\0";
	Frame q;

	mkframe(&q, &net, t.mac, t.shelf, t.slot, 0x23, net.tag++);
	add1(&q, sizeof names);
	add1(&q, 0);
	addn(&q, names, sizeof names);
	netsend(&net, &q);
}

/* An initiator floods reads of a sector, and says that its network is congested. */
void
congestedgroup(void)
{
	int64_t start, said = 0, wrote = 0;
	static Frame q[Each];
	int i, answered = 0, writes = 0;
	uint8_t mac[6], p[Secsize];
	Frame w, f;

	mkmac(mac, 78);
	memset(p, 0x44, sizeof p);
	drain();
	for(start = nowms(); nowms() - start < 3000; ){
		if(nowms() - said > 300){
			said = nowms();
			congested();
		}
		for(i = 0; i < Each; i++)
			cmdframe(&q[i], 0x24, 0, 1, 0, NULL, 0);
		sendall(q, Each);
		if(nowms() - start > 500 && nowms() - wrote > 200 && writes < 10){
			cmdframe(&w, 0x34, 0, 1, 0, p, sizeof p);
			setsrc(&w, mac);
			put32(w.b + Otag, 0x77000000u + (uint32_t)writes++);
			netsend(&net, &w);
			wrote = nowms();
		}
		while(netrecv(&net, &f, 1))
			answered += f.n >= Odata && get32(f.b + Otag) >> 24 == 0x77;
	}
	test((writes == 10 && answered == 10) || why("%d of %d are", answered, writes),
		"another's writes to it are answered");
}
