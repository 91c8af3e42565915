/*
 * The initiator's side of AoE: bytes, frames, a packet socket, requests
 * that are sent again until they are answered, and a window of reads and
 * writes.  It judges nothing beyond what it needs to match an answer to
 * its request; the tests look at the rest of the frame themselves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "initiator.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
	Again	= 200,			/* ms until a request is sent again */
	Maxwait	= 1000,			/* the same in a window, after doubling */
	Rcvbuf	= 64 << 20,
	Burst	= 256,
};

const uint8_t broadcast[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

int64_t
nowms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xFFFF);
}

unsigned
get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

uint64_t
getlba(const uint8_t *p)
{
	uint64_t v;
	int i;

	v = 0;
	for(i = 5; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

void
putlba(uint8_t *p, uint64_t v)
{
	int i;

	for(i = 0; i < 6; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

int
parsemac(const char *s, uint8_t *mac)
{
	unsigned m[6];
	int i, n;

	n = 0;
	if(sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &n) != 6
	&& sscanf(s, "%2x%2x%2x%2x%2x%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &n) != 6)
		return -1;
	if(s[n] != '\0')
		return -1;
	for(i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	return 0;
}

char*
macstr(const uint8_t *m)
{
	static char s[18];

	snprintf(s, sizeof s, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return s;
}

/*
 * Frames.
 */

void
mkframe(Frame *f, const Net *net, const uint8_t *dst, int shelf, int slot, int cmd, uint32_t tag)
{
	memcpy(f->b + Odst, dst, 6);
	memcpy(f->b + Osrc, net->mac, 6);
	put16(f->b + Otype, Ethertype);
	f->b[Over] = Version;
	f->b[Oerr] = 0;
	put16(f->b + Oshelf, (unsigned)shelf);
	f->b[Oslot] = (uint8_t)slot;
	f->b[Ocmd] = (uint8_t)cmd;
	put32(f->b + Otag, tag);
	f->n = Oarg;
}

void
addn(Frame *f, const void *p, size_t n)
{
	if(n == 0)
		return;
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

void
addzero(Frame *f, size_t n)
{
	memset(f->b + f->n, 0, n);
	f->n += n;
}

void
add1(Frame *f, unsigned v)
{
	f->b[f->n++] = (uint8_t)v;
}

void
add2(Frame *f, unsigned v)
{
	put16(f->b + f->n, v);
	f->n += 2;
}

void
mkata(Frame *f, const Net *net, const Target *t, const Ata *a, uint32_t tag)
{
	mkframe(f, net, t->mac, t->shelf, t->slot, Cata, tag);
	add1(f, a->aflags);
	add1(f, a->feature);
	add1(f, a->count);
	add1(f, a->cmd);
	putlba(f->b + Olba, a->lba);
	f->n += 6;
	add2(f, 0);
	addn(f, a->data, a->ndata);
}

void
mkconfig(Frame *f, const Net *net, const Target *t, int ccmd, const void *s, size_t n, uint32_t tag)
{
	mkframe(f, net, t->mac, t->shelf, t->slot, Cconfig, tag);
	addzero(f, 5);
	add1(f, Version | (unsigned)ccmd);
	add2(f, (unsigned)n);
	addn(f, s, n);
}

void
mkmask(Frame *f, const Net *net, const Target *t, int mcmd, uint32_t tag)
{
	mkframe(f, net, t->mac, t->shelf, t->slot, Cmask, tag);
	add1(f, 0);
	add1(f, (unsigned)mcmd);
	addzero(f, 2);
}

/* Append a directive and count it. */
void
adddirective(Frame *f, int dir, const uint8_t *mac)
{
	add1(f, 0);
	add1(f, (unsigned)dir);
	addn(f, mac, 6);
	f->b[Omcount]++;
}

void
mkreserve(Frame *f, const Net *net, const Target *t, int rcmd, const uint8_t (*mac)[6], int n,
	uint32_t tag)
{
	mkframe(f, net, t->mac, t->shelf, t->slot, Creserve, tag);
	add1(f, (unsigned)rcmd);
	add1(f, (unsigned)n);
	addn(f, mac, (size_t)n * 6);
}

/*
 * The socket.
 */

static int
ifinfo(Net *net, const char *name)
{
	struct ifreq r;
	int index;

	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if(ioctl(net->fd, SIOCGIFINDEX, &r) == -1)
		return -1;
	index = r.ifr_ifindex;
	if(ioctl(net->fd, SIOCGIFHWADDR, &r) == -1)
		return -1;
	memcpy(net->mac, r.ifr_hwaddr.sa_data, 6);
	if(ioctl(net->fd, SIOCGIFMTU, &r) == -1)
		return -1;
	net->mtu = r.ifr_mtu;
	return index;
}

int
netopen(Net *net, const char *name)
{
	struct sockaddr_ll a;
	int one, size;

	net->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if(net->fd == -1)
		return -1;
	memset(&a, 0, sizeof a);
	a.sll_family = AF_PACKET;
	a.sll_protocol = htons(Ethertype);
	a.sll_ifindex = ifinfo(net, name);
	if(a.sll_ifindex == -1)
		goto bad;
	one = 1;
	if(setsockopt(net->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) == -1)
		goto bad;
	size = Rcvbuf;
	if(setsockopt(net->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == -1
	|| setsockopt(net->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == -1)
		goto bad;
	if(bind(net->fd, (struct sockaddr*)&a, sizeof a) == -1)
		goto bad;
	/*
	 * Initiators on one interface must not take each other's answers.  The
	 * golden ratio puts those of neighbouring pids many millions of tags apart.
	 */
	net->tag = (uint32_t)getpid() * 2654435769u & 0x7FFFFFFF;
	return 0;
bad:
	close(net->fd);
	return -1;
}

int
netsend(Net *net, const Frame *f)
{
	net->zero = f->n >= Oarg && get32(f->b + Otag) == 0;
	return send(net->fd, f->b, f->n, 0) == (ssize_t)f->n ? 0 : -1;
}

/* Send many frames in one system call, so that they arrive as one batch. */
int
netburst(Net *net, const Frame *f, int n)
{
	struct mmsghdr m[Burst];
	struct iovec v[Burst];
	int i;

	if(n > Burst)
		n = Burst;
	memset(m, 0, sizeof m);
	for(i = 0; i < n; i++){
		v[i].iov_base = (void*)(uintptr_t)f[i].b;
		v[i].iov_len = f[i].n;
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(net->fd, m, (unsigned)n, 0);
}

static int
isadvert(const Frame *f)
{
	return f->n >= Oarg && f->b[Over] & Fresp && f->b[Ocmd] == Cconfig
		&& get32(f->b + Otag) == 0;
}

static int
netrecv1(Net *net, Frame *f, int ms)
{
	struct pollfd p;
	ssize_t n;

	n = recv(net->fd, f->b, sizeof f->b, MSG_DONTWAIT);
	if(n == -1){
		p.fd = net->fd;
		p.events = POLLIN;
		if(poll(&p, 1, ms > 0 ? ms : 0) != 1)
			return 0;
		n = recv(net->fd, f->b, sizeof f->b, MSG_DONTWAIT);
	}
	if(n <= 0)
		return 0;
	f->n = (size_t)n;
	return 1;
}

int
netrecv(Net *net, Frame *f, int ms)
{
	int64_t end = nowms() + ms;

	while(netrecv1(net, f, ms)){
		if(net->adverts || net->zero || !isadvert(f))
			return 1;
		ms = (int)(end - nowms());
	}
	return 0;
}

/* Wait for the response with this tag; others are thrown away. */
int
netanswer(Net *net, Frame *f, uint32_t tag, int ms)
{
	int64_t end, left;

	end = nowms() + ms;
	while((left = end - nowms()) >= 0){
		if(!netrecv(net, f, (int)left))
			continue;
		if(f->n >= Oarg && f->b[Over] & Fresp && get32(f->b + Otag) == tag)
			return 1;
	}
	return 0;
}

/* Send a request, again and again, until it is answered. */
int
netask(Net *net, const Frame *req, Frame *f, int ms)
{
	int64_t end, left;

	end = nowms() + ms;
	while((left = end - nowms()) > 0){
		netsend(net, req);
		if(netanswer(net, f, get32(req->b + Otag), (int)(left < Again ? left : Again)))
			return 1;
	}
	return 0;
}

/*
 * Requests.
 */

/*
 * Find the target at t's shelf and slot, which may be wildcards, and fill
 * in the rest of t.
 */
int
findtarget(Net *net, Target *t, int ms)
{
	Frame q, f;

	memcpy(t->mac, broadcast, 6);
	mkconfig(&q, net, t, Qread, NULL, 0, net->tag++);
	if(!netask(net, &q, &f, ms) || f.n < Ostring)
		return 0;
	memcpy(t->mac, f.b + Osrc, 6);
	t->shelf = (int)get16(f.b + Oshelf);
	t->slot = f.b[Oslot];
	t->bufcnt = (int)get16(f.b + Obufcnt);
	t->scnt = f.b[Oscnt];
	return 1;
}

/* Do one ATA command; f holds the answer and a its registers. */
int
atacmd(Net *net, const Target *t, Ata *a, Frame *f, int ms)
{
	Frame q;

	mkata(&q, net, t, a, net->tag++);
	if(!netask(net, &q, f, ms) || f->n < Odata)
		return 0;
	a->aflags = f->b[Oaflags];
	a->feature = f->b[Ofeature];
	a->count = f->b[Ocount];
	a->cmd = f->b[Oatacmd];
	a->lba = getlba(f->b + Olba);
	return 1;
}

/*
 * Transfers.  The window keeps up to size requests under way.  As in the
 * Linux driver a retransmission carries a new tag, and only an answer to
 * the newest one counts.
 */

void
wininit(Win *w, Net *net, Target *t, int giveup)
{
	memset(w, 0, sizeof *w);
	w->net = net;
	w->t = t;
	w->size = t->bufcnt;
	if(w->size > Maxwin)
		w->size = Maxwin;
	if(w->size < 1)
		w->size = 1;
	w->giveup = giveup;
}

/* A free request, or NULL when the window is full. */
Req*
winslot(Win *w)
{
	int i;

	if(w->busy < w->size)
		for(i = 0; i < w->size; i++)
			if(!w->r[i].busy)
				return &w->r[i];
	return NULL;
}

static void
put(Win *w, Req *r)
{
	Frame f;
	Ata a;

	memset(&a, 0, sizeof a);
	a.aflags = r->write == 1 ? Aext | Awrite : Aext;
	a.cmd = r->write == Flush ? 0xEA : r->write ? 0x34 : 0x24;
	a.count = (uint8_t)r->n;
	a.lba = r->lba;
	a.data = r->buf;
	a.ndata = r->write ? (size_t)r->n * Secsize : 0;
	r->tag = w->net->tag++;
	mkata(&f, w->net, w->t, &a, r->tag);
	netsend(w->net, &f);
	r->sent = nowms();
}

/* Start a request of which write, lba, n and buf are set. */
void
winsend(Win *w, Req *r)
{
	r->busy = 1;
	w->busy++;
	put(w, r);
	r->first = r->sent;
	r->wait = 250;
}

/* Send again what has waited too long; -1 when one is to be given up. */
static int
resend(Win *w)
{
	int64_t now;
	Req *r;

	now = nowms();
	for(r = w->r; r < w->r + w->size; r++){
		if(!r->busy || now - r->sent < r->wait)
			continue;
		if(now - r->first > w->giveup)
			return -1;
		put(w, r);
		w->resent++;
		r->wait *= 2;
		if(r->wait > Maxwait)
			r->wait = Maxwait;
	}
	return 0;
}

static Req*
match(Win *w, const Frame *f)
{
	uint32_t tag;
	Req *r;

	if(f->n < Odata || !(f->b[Over] & Fresp))
		return NULL;
	if(get16(f->b + Oshelf) != (unsigned)w->t->shelf || f->b[Oslot] != w->t->slot)
		return NULL;
	/* An advertisement says where the target is from now on. */
	if(f->b[Ocmd] == Cconfig)
		memcpy(w->t->mac, f->b + Osrc, 6);
	if(f->b[Ocmd] != Cata)
		return NULL;
	tag = get32(f->b + Otag);
	for(r = w->r; r < w->r + w->size; r++)
		if(r->busy && r->tag == tag)
			return r;
	return NULL;
}

/* Take the answer to r; -1 when it is an error. */
static int
finish(Win *w, Req *r, const Frame *f)
{
	size_t n;

	n = (size_t)r->n * Secsize;
	if(f->b[Over] & Ferror)
		snprintf(w->err, sizeof w->err, "aoe error %d", f->b[Oerr]);
	else if(f->b[Oatacmd] & Sbad)
		snprintf(w->err, sizeof w->err, "ata status 0x%02x error 0x%02x", f->b[Oatacmd],
			f->b[Ofeature]);
	else if(!r->write && f->n != Odata + n)
		snprintf(w->err, sizeof w->err, "read of %zu bytes answered by %zu", n,
			f->n - Odata);
	else{
		if(!r->write)
			memcpy(r->buf, f->b + Odata, n);
		r->busy = 0;
		w->busy--;
		return 0;
	}
	return -1;
}

/*
 * Wait until a request is finished and return it, which is free again.
 * NULL: it failed, and err says how, or there was no answer in time.
 */
Req*
winwait(Win *w)
{
	int64_t last, now;
	Frame f;
	Req *r;

	for(last = nowms(); w->busy > 0; ){
		if(netrecv1(w->net, &f, 50) && (r = match(w, &f)) != NULL)
			return finish(w, r, &f) == 0 ? r : NULL;
		now = nowms();
		if(now - last >= 50){
			last = now;
			if(resend(w) == -1)
				return NULL;
		}
	}
	return NULL;
}

/* Read or write n sectors from lba on; 0 when all of them are done. */
int
transfer(Win *w, int write, uint64_t lba, void *data, uint64_t n)
{
	uint8_t *p;
	Req *r;
	int most;

	/* To Linux a sector count of zero means 1024 bytes. */
	most = w->t->scnt > 0 ? w->t->scnt : 2;
	p = data;
	while(n > 0 || w->busy > 0){
		if(n == 0 || (r = winslot(w)) == NULL){
			if(winwait(w) == NULL)
				return -1;
			continue;
		}
		r->write = write;
		r->lba = lba;
		r->n = n < (uint64_t)most ? (int)n : most;
		r->buf = p;
		winsend(w, r);
		lba += (uint64_t)r->n;
		p += r->n * Secsize;
		n -= (uint64_t)r->n;
	}
	return 0;
}
