/*
 * wire: tests of a target by the frames it answers, and how, and by those
 * it must not answer.
 *
 * An expected answer is built whole, from the request and the protocol's
 * rules, and compared byte for byte with what arrives, padding and length
 * included; so nothing that a target lets slip (a stale byte, a flag, a
 * copied wildcard) passes unseen.  Silence is shown by a config query sent
 * behind the request: its answer must be the only frame that comes.
 *
 * The program sees the image file too, and so knows what must be read and
 * what may have been written.
 *
 * -p: the network pads short frames, as Ethernet does and a veth pair doesn't.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "initiator.h"
#include "../tap.h"
#include "wire.h"

enum {
	Patience = 10000,	/* ms that an answer may take */
};

Net net;
Target t = { .shelf = 9 };
uint64_t nsect;
int bufcnt = 64;
size_t shortest;

static int imgfd = -1;
static uint64_t imgoff;		/* first sector of the export */
static char reason[256];

/* Remember why a test fails, for the line below it; the first cause counts. */
int
why(const char *fmt, ...)
{
	va_list ap;

	if(reason[0] == '\0'){
		va_start(ap, fmt);
		vsnprintf(reason, sizeof reason, fmt, ap);
		va_end(ap);
	}
	return 0;
}

void
test(int pass, const char *fmt, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	if(!ok(pass, "%s", name) && reason[0] != '\0'){
		printf("#   %s\n", reason);
		fflush(stdout);
	}
	reason[0] = '\0';
}

/* Initiators subtract the Ethernet header too, hence two numbers. */
int
advertised(void)
{
	int n;

	n = (net.mtu - Odata) / Secsize;
	return n < 1 ? 1 : n > 255 ? 255 : n;
}

int
served(void)
{
	int n;

	n = (net.mtu + 14 - Odata) / Secsize;
	return n > 255 ? 255 : n;
}

int
maxmasks(void)
{
	int n;

	n = (net.mtu + 14 - Omdir) / 8;
	return n > 255 ? 255 : n;
}

int
maxreserve(void)
{
	int n;

	n = (net.mtu + 14 - Ormac) / 6;
	return n > 255 ? 255 : n;
}

/* How many things of size bytes, the first at offset at, a frame with n of them has at least, as it arrives. */
int
padded(int n, int at, int size)
{
	int least;

	least = ((int)shortest - at) / size;
	return n > least ? n : least;
}

/*
 * The image.
 */

void
imgread(uint64_t lba, void *p, int n)
{
	size_t len;

	len = (size_t)n * Secsize;
	if(pread(imgfd, p, len, (off_t)((imgoff + lba) * Secsize)) != (ssize_t)len)
		err(1, "reading the image");
}

/* A checksum of the whole file, also of what is not exported. */
uint64_t
imghash(void)
{
	static uint64_t b[8192];
	uint64_t h;
	off_t off;
	ssize_t i, n;

	h = 14695981039346656037u;
	for(off = 0; (n = pread(imgfd, b, sizeof b, off)) > 0; off += n){
		memset((uint8_t*)b + n, 0, sizeof b - (size_t)n);
		for(i = 0; i < (n + 7) / 8; i++)
			h = (h ^ b[i]) * 1099511628211u;
	}
	return h;
}

void
pattern(uint8_t *p, size_t n, unsigned seed)
{
	size_t i;

	seed = seed * 2654435761u + 1;
	for(i = 0; i < n; i++){
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/*
 * Frames.
 */

static int
isext(int cmd)
{
	static const uint8_t ext[] = { 0x06, 0x24, 0x25, 0x27, 0x34, 0x35, 0x3D, 0x42, 0xEA };

	return memchr(ext, cmd, sizeof ext) != NULL;
}

static int
iswrite(int cmd)
{
	static const uint8_t out[] = { 0x06, 0x30, 0x31, 0x34, 0x35, 0x3D, 0xCA };

	return memchr(out, cmd, sizeof out) != NULL;
}

/* An ATA request with the flags that a careful initiator sets. */
void
cmdframe(Frame *q, int cmd, int feature, int count, uint64_t lba, const void *data, size_t n)
{
	Ata a;

	memset(&a, 0, sizeof a);
	a.aflags = (uint8_t)((isext(cmd) ? Aext : 0) | (iswrite(cmd) ? Awrite : 0));
	a.cmd = (uint8_t)cmd;
	a.feature = (uint8_t)feature;
	a.count = (uint8_t)count;
	a.lba = lba;
	a.data = data;
	a.ndata = n;
	mkata(q, &net, &t, &a, net.tag++);
}

void
cfgframe(Frame *q, int ccmd, const void *s, size_t n)
{
	mkconfig(q, &net, &t, ccmd, s, n, net.tag++);
}

void
setsrc(Frame *f, const uint8_t *mac)
{
	memcpy(f->b + Osrc, mac, 6);
}

void
setdst(Frame *f, const uint8_t *mac)
{
	memcpy(f->b + Odst, mac, 6);
}

void
setaddr(Frame *f, int shelf, int slot)
{
	put16(f->b + Oshelf, (unsigned)shelf);
	f->b[Oslot] = (uint8_t)slot;
}

/* The i-th of the hosts that exist only as addresses. */
void
mkmac(uint8_t *mac, int i)
{
	memset(mac, 0, 6);
	mac[0] = 0x02;
	mac[1] = 0xAE;
	put16(mac + 4, (unsigned)i);
}

void
pad(Frame *f, size_t n)
{
	if(f->n < n)
		addzero(f, n - f->n);
}

/*
 * Answers.
 */

void
drain(void)
{
	Frame f;

	while(netrecv(&net, &f, 0))
		;
}

int
ask(const Frame *q, Frame *f)
{
	drain();
	if(netsend(&net, q) == -1)
		return why("sending %zu bytes: %s", q->n, strerror(errno));
	if(!netanswer(&net, f, get32(q->b + Otag), Patience))
		return why("no answer");
	return 1;
}

/* Nothing has come, and nothing comes before the answer to a query. */
int
nothing(void)
{
	Frame q, f;
	int n, found, left;

	cfgframe(&q, Qread, NULL, 0);
	netsend(&net, &q);
	n = found = 0;
	for(left = Patience; netrecv(&net, &f, left); left = found ? 5 : Patience){
		if(f.n >= Oarg && get32(f.b + Otag) == get32(q.b + Otag))
			found = 1;
		else{
			n++;
			why("answered: %zu bytes, command %d, flags %02x, error %d", f.n, f.b[Ocmd],
				f.b[Over], f.b[Oerr]);
		}
	}
	if(!found)
		return why("the target answers no more");
	return n == 0;
}

int
silent(const Frame *q)
{
	drain();
	if(netsend(&net, q) == -1)
		return why("sending %zu bytes: %s", q->n, strerror(errno));
	return nothing();
}

/* The header that the answer to q must have. */
void
reply(Frame *want, const Frame *q)
{
	memcpy(want->b, q->b, Oarg);
	memcpy(want->b + Odst, q->b + Osrc, 6);
	memcpy(want->b + Osrc, t.mac, 6);
	want->b[Over] = Version | Fresp;
	want->b[Oerr] = 0;
	setaddr(want, t.shelf, t.slot);
	want->n = Oarg;
}

/* The same with the registers of a command that succeeds. */
void
atareply(Frame *want, const Frame *q)
{
	reply(want, q);
	addn(want, q->b + Oarg, Odata - Oarg);
	want->b[Ofeature] = 0;
	want->b[Ocount] = 0;
	want->b[Oatacmd] = Sdrdy;
}

int
same(Frame *want, const Frame *got)
{
	size_t i;

	pad(want, Ethermin);
	for(i = 0; i < want->n && i < got->n; i++)
		if(want->b[i] != got->b[i])
			return why("byte %zu of the answer is %02x, not %02x (%zu bytes)", i,
				got->b[i], want->b[i], got->n);
	if(want->n != got->n)
		return why("the answer has %zu bytes, not %zu", got->n, want->n);
	return 1;
}

/* q succeeds and returns this data. */
int
succeeds(const Frame *q, const void *data, size_t n)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	atareply(&want, q);
	addn(&want, data, n);
	return same(&want, &f);
}

/* The device fails q with this error, and transfers nothing. */
int
fails(const Frame *q, int error)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	atareply(&want, q);
	want.b[Oatacmd] = Sdrdy | Serr;
	want.b[Ofeature] = (uint8_t)error;
	want.b[Ocount] = q->b[Ocount];
	return same(&want, &f);
}

/* The same for a command that transfers no sectors, whose count is open. */
int
aborts(const Frame *q)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	atareply(&want, q);
	want.b[Oatacmd] = Sdrdy | Serr;
	want.b[Ofeature] = Xabrt;
	if(f.n > Ocount && f.b[Ocount] == q->b[Ocount])
		want.b[Ocount] = f.b[Ocount];
	return same(&want, &f);
}

/*
 * f refuses q by an AoE error.  What follows the header is open, but it
 * can only be the request's own bytes or zeros.
 */
int
refusal(const Frame *q, const Frame *f, int error)
{
	Frame want;
	size_t i;

	reply(&want, q);
	want.b[Over] |= Ferror;
	want.b[Oerr] = (uint8_t)error;
	for(i = 0; i < Oarg; i++)
		if(f->b[i] != want.b[i])
			return why("byte %zu of the refusal is %02x, not %02x", i, f->b[i],
				want.b[i]);
	if(f->n < Ethermin)
		return why("the refusal has %zu bytes", f->n);
	return 1;
}

int
refused(const Frame *q, int error)
{
	Frame f;
	size_t i;

	if(!ask(q, &f) || !refusal(q, &f, error))
		return 0;
	if(f.n != Ethermin)
		return why("the refusal has %zu bytes", f.n);
	for(i = Oarg; i < f.n; i++)
		if(f.b[i] != 0 && (i >= q->n || f.b[i] != q->b[i]))
			return why("byte %zu of the refusal is a stale %02x", i, f.b[i]);
	return 1;
}

/* q is answered with this config string, and by this AoE error if not 0. */
int
configis(const Frame *q, int error, const void *s, size_t n)
{
	Frame f, want;

	if(!ask(q, &f))
		return 0;
	if(f.n < Ostring)
		return why("the answer has %zu bytes", f.n);
	reply(&want, q);
	if(error != 0){
		want.b[Over] |= Ferror;
		want.b[Oerr] = (uint8_t)error;
	}
	add2(&want, (unsigned)bufcnt);
	addn(&want, f.b + Ofirmware, 2);
	add1(&want, (unsigned)advertised());
	add1(&want, Version | (q->b[Occmd] & 0x0F));
	add2(&want, (unsigned)n);
	addn(&want, s, n);
	return same(&want, &f);
}

int
answers(void)
{
	Frame q, f;

	cfgframe(&q, Qread, NULL, 0);
	return ask(&q, &f);
}

/*
 * Send n requests, whose tags count up, in one system call; f receives the
 * answers in the order of the requests.  Each must be answered once.
 */
int
burst(const Frame *q, Frame *f, int n)
{
	static uint8_t seen[256];
	uint32_t first, i;
	Frame g;
	int found;

	memset(seen, 0, sizeof seen);
	first = get32(q[0].b + Otag);
	drain();
	if(netburst(&net, q, n) != n)
		return why("sending a burst: %s", strerror(errno));
	for(found = 0; netrecv(&net, &g, found < n ? Patience : 20); found++){
		i = get32(g.b + Otag) - first;
		if(i >= (uint32_t)n || seen[i])
			return why("request %u of the burst is answered twice", i);
		seen[i] = 1;
		f[i] = g;
	}
	if(found != n)
		return why("%d of %d requests of the burst are answered", found, n);
	return 1;
}

/*
 * The program.
 */

static const Group groups[] = {
	{ "frames", framegroup, 0 },
	{ "config", configgroup, 0 },
	{ "mask", maskgroup, 0 },
	{ "reserve", reservegroup, 0 },
	{ "longmask", longmaskgroup, 0 },
	{ "advert", advertgroup, 1 },
	{ "unicast", unicastgroup, 1 },
	{ "ata", atagroup, 0 },
	{ "range", rangegroup, 0 },
	{ "identify", identifygroup, 0 },
	{ "trim", trimgroup, 0 },
	{ "smart", smartgroup, 0 },
	{ "order", ordergroup, 0 },
	{ "readonly", readonlygroup, 0 },
	{ "window", windowgroup, 0 },
	{ "large", largegroup, 0 },
	{ "malformed", badgroup, 0 },
	{ "initiators", whogroup, 0 },
	{ "extensions", extgroup, 0 },
	{ "behind", behindgroup, 0 },
	{ "save", savegroup, 0 },
	{ "tell", tellgroup, 1 },
	{ "crowd", crowdgroup, 0 },
	{ "greedy", greedygroup, 0 },
	{ "congested", congestedgroup, 0 },
};

static void
openimage(const char *name)
{
	struct stat st;

	imgfd = open(name, O_RDONLY);
	if(imgfd == -1 || fstat(imgfd, &st) == -1)
		err(1, "%s", name);
	if(nsect == 0)
		nsect = (uint64_t)st.st_size / Secsize - imgoff;
}

static void
rungroup(const char *name)
{
	const Group *g;

	for(g = groups; g < groups + sizeof groups / sizeof groups[0]; g++)
		if(strcmp(g->name, name) == 0){
			if(!g->unseen && !findtarget(&net, &t, Patience)){
				test(0, "%s: the target answers", name);
				return;
			}
			net.adverts = g->unseen;
			g->fn();
			return;
		}
	errx(1, "no group %s", name);
}

int
main(int argc, char **argv)
{
	const char *ifname, *image, *mtu;
	int c;

	ifname = "i0";
	image = NULL;
	while((c = getopt(argc, argv, "i:f:o:l:b:p")) != -1)
		switch(c){
		case 'i': ifname = optarg; break;
		case 'f': image = optarg; break;
		case 'o': imgoff = strtoull(optarg, NULL, 0); break;
		case 'l': nsect = strtoull(optarg, NULL, 0); break;
		case 'b': bufcnt = atoi(optarg); break;
		case 'p': shortest = Ethermin; break;
		default: optind = argc;
		}
	if(optind == argc || image == NULL)
		errx(1, "usage: wire [-p] [-i IF] -f IMAGE [-o OFFSET] [-l SECTORS] [-b BUFCNT] GROUP...");
	openimage(image);
	if(netopen(&net, ifname) == -1)
		err(1, "%s", ifname);
	/* What the target can send, where that is less. */
	if((mtu = getenv("SENDMTU")) != NULL && atoi(mtu) < net.mtu)
		net.mtu = atoi(mtu);
	for(; optind < argc; optind++)
		rungroup(argv[optind]);
	return tapend();
}
