/*
 * The AoE target: the command line, the loop, and the protocol between the
 * Ethernet header and the ATA argument.  The protocol is AoEr11 (S. Hopkins
 * and B. Coile, 2009).  Command 0x23 comes from the original AoEde; aoede.8
 * describes it under PROTOCOL EXTENSIONS.
 *
 * 1. frame() checks once, before anything else, whether a frame is for us.  No
 *    other function checks again.
 * 2. No count or length in a request is trusted: each is checked against the
 *    length received.
 * 3. A frame's answer leaves by the interface that received the frame.
 *    Answers are built in the transmit ring; all their bytes are written.  An
 *    answer that finds no slot there waits for one as long as its interface
 *    can be used: an ATA request's with its data in the request's own space,
 *    any other as a Note.  So no caller need check for room beforehand.
 * 4. Nothing that an initiator or the network does ends the process.
 * 5. Of requests that are the same, only one is under way at a time.
 * 6. A request that changes the state kept by -S is answered when the file has
 *    the change; until then it is held.  If the file can't be written it is
 *    not answered, and its initiator repeats it.
 * 7. The engine writes the state, one write at a time.  Changes that come
 *    meanwhile go into the next write.  Saveburst and STATE_MS limit the rate,
 *    so that changes can't wear out the disk.
 * 8. The engine also writes the info file (-i), at most once a second, and
 *    only after a change.  The loop waits for neither.  The first is written
 *    before we say that we serve.
 *
 * A turn of the loop takes a batch of frames from each interface, begins what
 * they ask, sends the answers and gives the frames back.  Nothing here knows
 * of ATA codes, blocks or rings.
 *
 * Frames (AoEr11, section 2).  Fields are name[bytes]; numbers are big-endian.
 *
 *	dst[6] src[6] type[2] version|flags[1] error[1]
 *	shelf[2] slot[1] command[1] tag[4] argument[...]
 *
 * type is 0x88a2 and version 1, in the high nibble.  Flags are R (8), a
 * response, and E (4), an error; the others are ignored.  AoEr11 calls shelf
 * and slot major and minor; 0xffff and 0xff address all of them.
 *
 * A request is served when its type is right and R clear, when it is sent to
 * this interface's MAC or to the broadcast address, when its source is one
 * host's and not this one's, when its shelf and slot are ours or all, and when
 * the mask list lets its source through.  All else is dropped unanswered, and
 * so is a frame too short for its command's fixed fields.
 *
 * A response has src and dst swapped, with this interface's MAC as its source.
 * It carries R, our own shelf and slot, the request's command and tag, and
 * zeros up to 60 bytes.  With E, error is one of
 *
 *	1 unrecognised command	2 bad argument		3 device unavailable
 *	4 config string set	5 unsupported version	6 target reserved
 *
 * A bad version gets error 5, a command that is none of these error 1:
 *
 * Command 0, "Issue ATA Command"
 *
 *	aflags[1] feature/error[1] sector count[1] command/status[1]
 *	LBA[6] reserved[2] data[...]
 *
 *	ata.c has the commands.  The LBA's least significant byte comes first.
 *	A response repeats aflags, and the LBA unless the command returns one;
 *	its sector count is the number of sectors not transferred, 0 when all
 *	went well.
 *
 * Command 1, "Query Config Information"
 *
 *	buffer count[2] firmware version[2] sector count[1]
 *	AoE version|config command[1] string length[2] string[...]
 *
 *	0 read		answer
 *	1 test		answer only if the argument is the string
 *	2 prefix	answer only if the argument begins the string
 *	3 set		set it if it is empty or the same, else error 4
 *	4 force		set it
 *
 *	Other config commands get error 2.  So does, in all but a read, a
 *	length above 1024 or beyond the frame.  A read may end with its header.
 *	Every answer has the string in force and this interface's sector count:
 *	(MTU - 36) / 512, from 1 to 255, with 4 more bytes taken off for an
 *	initiator that has negotiated crc8x4.  The same answer advertises us,
 *	with tag 0, to the broadcast address or to each MAC of the mask list.
 *
 * Command 2, "Mac Mask List"
 *
 *	reserved[1] mask command[1] mask error[1] count[1] directives[8 * count]
 *	directive: reserved[1] what[1] MAC[6]
 *
 *	The mask command is 0 to read or 1 to edit; others get error 2.  Of the
 *	directives, 0 does nothing, 1 adds a MAC and 2 deletes it, in order.
 *	The answer is the whole list.  When a directive fails the answer has a
 *	mask error and the directive's index as its count, with E clear:
 *	1 unspecified, 2 bad directive, 3 list full.  An empty list masks nobody.
 *	A list is full at 255 MACs, or when an answer at this MTU carries no
 *	more: 185 at an MTU of 1500.
 *
 * Command 3, "Reserve/Release"
 *
 *	reserve command[1] count[1] MACs[6 * count]
 *
 *	The reserve command is 0 to read, 1 to set or 2 to force; others get
 *	error 2, and so does a count that does not fit the request, or an
 *	answer at this MTU (248 at 1500).  Set gets error 6 while there is a
 *	reservation without its sender.  No MACs at all release the target.
 *	While it is reserved, ATA commands of others get error 6, but IDENTIFY
 *	DEVICE is done.
 *
 * With -L these three change nothing: a set or force fails with error 4 or 6,
 * and an edit with mask error 1.
 *
 * The state file (-S).  Numbers are big-endian.
 *
 *	"AoEstate"[8] version, 1[2] shelf[2] slot[1] masks[1] reservations[1]
 *	zero[1] string length[2] mask list[6 * masks]
 *	reservation[6 * reservations] string[string length] sum[8]
 *
 * sum is the 64-bit FNV-1a of all bytes before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Macs	Macs;
typedef struct Held	Held;
typedef struct People	People;

enum {
	/* config: offsets in the frame, and commands */
	Obufcnt		= 24,	/* buffer count[2] */
	Ofirmware	= 26,	/* firmware version[2] */
	Oscnt		= 28,	/* sector count[1] */
	Occmd		= 29,	/* AoE version, config command[1] */
	Oconflen	= 30,	/* string length[2] */
	Oconf		= 32,	/* string */
	Cread		= 0,
	Ctest		= 1,
	Cprefix		= 2,
	Cset		= 3,
	Cforce		= 4,

	/* MAC mask list */
	Omcmd		= 25,	/* command[1] */
	Omerror		= 26,	/* mask error[1] */
	Omcount		= 27,	/* directives[1] */
	Omdir		= 28,	/* directives: reserved[1], directive[1], MAC[6] */
	Mdirlen		= 8,
	Mread		= 0,
	Medit		= 1,
	Mnone		= 0,
	Madd		= 1,
	Mdel		= 2,
	Munspecified	= 1,
	Mbaddir		= 2,
	Mfull		= 3,

	/* reserve/release */
	Orcmd		= 24,	/* command[1] */
	Orcount		= 25,	/* MACs[1] */
	Ormac		= 26,	/* MACs, 6 bytes each */
	Rread		= 0,
	Rset		= 1,
	Rforce		= 2,

	/* ATA */
	Oaflags		= 24,
	Ofeature	= 25,
	Ocount		= 26,
	Oatacmd		= 27,
	Olba		= 28,
	Oresv		= 34,

	/* coalesced reads, behind the argument of the first: count[1], records */
	Orecords	= Odata,
	Orecord		= 37,	/* tag[4], LBA[6], reserved[5], sector count[1] */
	Recordlen	= 16,

	/* extensions */
	Oextlen		= 24,	/* length[2] of what follows; little-endian */
	Oext		= 26,	/* names */

	Crclen		= 4,	/* behind the data */

	Shares		= 256,	/* counters of requests by initiator */
	Fewest		= Queuemax,	/* limits of nreqs, whatever the buffer count */
	Most		= 65536,
	/* that can wait on an interface; above half of this no frames are taken from it */
	Notes		= 2 * TURN_FRAMES,
	Stuck_us	= 100000,	/* without a free slot: the interface has stopped sending */

	/* reads for a congested network */
	Burst		= 8,	/* reads of an initiator in a burst, and under way */
	Burst_us	= 1000,	/* until the next burst */
	Slow_us		= 1000000,	/* how long a report of congestion is valid */

	Firmware	= 0x0100,

	Together_us	= 10000000,	/* longest time between the signals of one sequence */
	Ended		= 8,	/* ended disk operations handled in a turn */

	/* the state file (-S); numbers big-endian */
	Smagic		= 0,	/* "AoEstate"[8] */
	Sversion	= 8,	/* version[2] */
	Sshelf		= 10,	/* shelf[2] */
	Sslot		= 12,	/* slot[1] */
	Snmask		= 13,	/* MACs in the mask list[1] */
	Snreserved	= 14,	/* MACs that have a reservation[1] */
	Szero		= 15,	/* zero[1] */
	Sconflen	= 16,	/* string length[2] */
	Slists		= 18,	/* the MACs, 6 bytes each, then the string, then a checksum[8] */
	Ssum		= 8,
	Maxstate	= Slists + 2 * Maxmacs * 6 + Maxconf + Ssum,
	Stateversion	= 1,
	/* requests held until the state is saved */
	Heldmax		= Notes / 2 - 1,
	Saveburst	= 16,	/* saves that may follow each other at once */
};

/* A list of different MACs. */
struct Macs {
	Ea	ea[Maxmacs];
	int	n;
};

/* An ATA request between its frame and its answer. */
struct Req {
	Ata	ata;		/* first, so that aoe.c's Ata is a Req */
	Req	*next;
	Nic	*nic;
	uchar	head[Oarg];	/* the request's header */
	Twin	twin;
	int	crc;		/* the answer has a CRC */
	int	slow;		/* it is counted in its initiator's Host.reads */
	int	active;		/* its command has not ended */
	uchar	*reply;		/* the answer's slot, once it has one */
};

/* Any other answer that waits for a slot. */
struct Note {
	uint	len;
	uchar	f[Framemax];
};

/* MACs that have sent frames.  A new one replaces the one that was silent longest. */
struct People {
	uint	n;
	uint	last;		/* index of the latest sender */
	uvlong	who[INITIATORS];	/* made by macof */
	uvlong	first[INITIATORS];	/* first frame; seconds since 1970 */
	uvlong	latest[INITIATORS];
	uvlong	frames[INITIATORS];
};

/* A request that is held until its change is saved. */
struct Held {
	Nic	*nic;
	uchar	head[Oconf];	/* the request's */
	int	merror;		/* for maskfail */
	int	index;
	uvlong	change;		/* the change that must be saved */
};

Disk disk;
Stats stats;

static Conf conf;
static Nic *nics;
static int linkfd = -1;

static uvlong started;		/* seconds since 1970 */
static uvlong wall;		/* the time of the last batch of frames */
static People initiators;	/* served */
static People refusees;		/* refused by the mask list or a reservation */

static Macs masks;
static Macs reserved;
static uchar constr[Maxconf];
static uint conlen;

/* The state that -S keeps in a file. */
static struct {
	uchar	buf[Maxstate];	/* the file's present content, without the checksum */
	uint	len;
	uvlong	changes;	/* number of changes so far, */
	uvlong	saved;		/* and how many of these the file has */
	Op	op;		/* the write under way */
	int	busy;
	uchar	out[Maxstate];	/* what it writes */
	uint	outlen;
	uvlong	outchanges;
	int	failed;		/* the last write has failed */
	uvlong	due;		/* when the next would be, at one each STATE_MS */
	uvlong	retry;		/* after a failure, no write before this */
	Held	held[Heldmax];
	int	nheld;
} state;

static Req *reqs;
static uint nreqs;		/* requests that may be under way */
static uint usedreqs;		/* requests ever used; the others have no space yet */
static Req *freereqs;
/* Requests under way by initiator; a few initiators may share one count. */
static uint share[Shares];
static uchar scratch[Framemax];	/* an answer without a slot is built here */
static int enginefd = -1;

static volatile sig_atomic_t gotterm, gothup;
static volatile sig_atomic_t usr1s;	/* USR1 since the last USR2 */
static volatile uvlong lastusr1;	/* when the last came, in microseconds */
static volatile sig_atomic_t gotusr2;	/* 0, or a USR2 came: the USR1 before it, plus 1 */
static int sigpipe[2];		/* a byte for each signal wakes poll */

static struct {
	int	closing;	/* no more frames are taken */
	int	busy;		/* this turn took a frame, or saw an operation end */
	int	active;		/* a turn was busy since the loop last slept */
	int	left;		/* operations have ended that the last turn left for the next */
	int	again;		/* an interface must be looked at again in a moment */
} loop;

static const uchar broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static uint
get16(uchar *p)
{
	return (uint)(p[0] << 8 | p[1]);
}

static uint
get16le(uchar *p)
{
	return (uint)(p[0] | p[1] << 8);
}

static void
put16(uchar *p, uint v)
{
	p[0] = (uchar)(v >> 8);
	p[1] = (uchar)v;
}

static uvlong
wallclock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uvlong)t.tv_sec;
}

/* Returns a MAC as a number, which is faster to compare. */
static uvlong
macof(const uchar *a)
{
	uvlong v = 0;

	memcpy(&v, a, sizeof(Ea));
	return v;
}

/* Returns a MAC as text.  It is valid until the next call. */
static char*
mactext(const uchar *a)
{
	static char buf[3 * 6];

	snprintf(buf, sizeof buf, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4],
		a[5]);
	return buf;
}

static int
findmac(Macs *m, uchar *a)
{
	int i;

	for(i = 0; i < m->n; i++)
		if(memcmp(m->ea[i].a, a, sizeof(Ea)) == 0)
			return i;
	return -1;
}

/* The caller has made sure that the list is not full. */
static void
addmac(Macs *m, uchar *a)
{
	if(findmac(m, a) < 0)
		memcpy(m->ea[m->n++].a, a, sizeof(Ea));
}

static void
delmac(Macs *m, uchar *a)
{
	int i = findmac(m, a);

	if(i < 0)
		return;
	m->n--;
	memmove(m->ea + i, m->ea + i + 1, (size_t)(m->n - i) * sizeof(Ea));
}

/*
 * Returns how many records of size bytes fit into a frame of this interface
 * after offset off.
 */
static int
fits(Nic *n, int off, int size)
{
	int i = (Etherhdr + n->mtu - off) / size;

	return i < Maxmacs ? i : Maxmacs;
}

/*
 * Return the sectors in a frame of the interface: the number advertised, and
 * the number served.  Initiators subtract the whole header of 36 bytes from
 * the MTU, although 14 of these don't count in the MTU.  So the number
 * advertised can be smaller than what fits.  A CRC takes 4 more bytes.
 */
static uint
advertised(Nic *n, int crc)
{
	int i = (n->mtu - Odata - (crc ? Crclen : 0)) / Sector;

	return i < 1 ? 1 : i > 255 ? 255 : (uint)i;
}

static uint
served(Nic *n, int crc)
{
	int i = (n->mtu + Etherhdr - Odata - (crc ? Crclen : 0)) / Sector;

	return i < 0 ? 0 : (uint)i;
}

/* Count a frame from this MAC.  Returns 1 when the MAC is new. */
static int
meet(People *p, uvlong who)
{
	uint i, old = 0;

	if(p->n > 0 && p->who[p->last] == who)
		i = p->last;
	else
		for(i = 0; i < p->n && p->who[i] != who; i++)
			if(p->latest[i] < p->latest[old])
				old = i;
	if(i < p->n){
		p->last = i;
		p->latest[i] = wall;
		p->frames[i]++;
		return 0;
	}
	if(i == INITIATORS)
		i = old;
	else
		p->n++;
	p->last = i;
	p->who[i] = who;
	p->first[i] = p->latest[i] = wall;
	p->frames[i] = 1;
	return 1;
}

/*
 * Log an initiator's first frame, and if refused is set the reason for
 * refusing it.
 */
static void
introduce(Nic *n, uchar *a, uvlong who, const char *refused)
{
	static Few met = { .period = 60 }, turned = { .period = 60 };

	if(!meet(refused != NULL ? &refusees : &initiators, who))
		return;
	if(refused == NULL && maysay(&met, "new initiators"))
		say("%s: initiator %s", n->name, mactext(a));
	if(refused != NULL && maysay(&turned, "initiators refused"))
		warnx("%s: initiator %s refused: %s", n->name, mactext(a), refused);
}

/*
 * Write an answer's header to f, from the request's.
 */
static void
header(Nic *n, uchar *f, uchar *request, int error)
{
	memcpy(f + Odst, request + Osrc, sizeof(Ea));
	memcpy(f + Osrc, n->ea.a, sizeof(Ea));
	put16(f + Otype, Aoetype);
	f[Overflag] = Aoever << 4 | Fresp | (error != Eok ? Ferror : 0);
	f[Oerror] = (uchar)error;
	put16(f + Omajor, (uint)conf.shelf);
	f[Ominor] = (uchar)conf.slot;
	f[Ocmd] = request[Ocmd];
	memcpy(f + Otag, request + Otag, 4);
}

/* Answers (inv. 3). */

static int
answerswait(Nic *n)
{
	return n->late != NULL || n->nnotes > 0 || n->untold > 0;
}

/* Note that an answer has to wait. */
static void
waits(Nic *n)
{
	if(!answerswait(n))
		n->moved = microseconds();
	stats.slotwaits++;
}

/*
 * Has the interface stopped sending, whether it is up or not?
 */
static int
stuck(Nic *n)
{
	return answerswait(n) && microseconds() - n->moved > Stuck_us;
}

static void
addnote(Nic *n, uchar *f, uint len)
{
	Note *a;

	if(!n->up)
		return;
	if(n->notes == NULL || n->nnotes == Notes){
		stats.dropped++;
		return;
	}
	waits(n);
	a = &n->notes[(n->oldest + n->nnotes++) % Notes];
	a->len = len;
	memcpy(a->f, f, len);
}

/*
 * Returns room for an answer that isn't an ATA request's: a slot, or else
 * scratch, which answer copies to a Note.
 */
static uchar*
room(Nic *n)
{
	uchar *f = n->nnotes == 0 ? nicroom(n) : NULL;

	return f != NULL ? f : scratch;
}

static void
answer(Nic *n, uchar *f, uint len)
{
	if(len < Framemin){
		memset(f + len, 0, Framemin - len);
		len = Framemin;
	}
	if(f == scratch)
		addnote(n, f, len);
	else
		nicsend(n, f, len);
}

/* Answer with an AoE error and nothing else. */
static void
refuse(Nic *n, uchar *request, int error)
{
	uchar *f = room(n);

	header(n, f, request, error);
	answer(n, f, Oarg);
}

/* Command 0: ATA. */

/*
 * Returns where a command's data goes: into a slot, or into the request's own
 * space if other answers wait for slots or the MTU has shrunk.
 */
static uchar*
ataroom(Ata *a)
{
	Req *r = (Req*)a;

	if(r->nic->late == NULL && a->maxsec <= served(r->nic, r->crc))
		r->reply = nicroom(r->nic);
	return r->reply != NULL ? r->reply + Odata : a->io.space;
}

/*
 * Answer a request.  Its data is in its slot or in its own space.  Returns 0
 * when there is no slot.  An answer that the interface can no longer send is
 * dropped, as if the network had lost it.
 */
static int
reply(Req *r)
{
	Ata *a = &r->ata;
	Nic *n = r->nic;
	uchar *f = r->reply;
	uint len = Odata + a->nreply;
	int crc = r->crc && a->aoeerror == Eok;

	if(f == NULL){
		if(!n->up || len + (crc ? Crclen : 0) > (uint)(Etherhdr + n->mtu))
			return 1;
		if((f = nicroom(n)) == NULL)
			return 0;
		memcpy(f + Odata, a->io.space, a->nreply);
	}
	header(n, f, r->head, a->aoeerror);
	f[Oaflags] = a->aflags;
	f[Ofeature] = a->feature;
	f[Ocount] = a->count;
	f[Oatacmd] = a->cmd;
	memcpy(f + Olba, a->lba, sizeof a->lba);
	put16(f + Oresv, 0);
	if(crc){
		crc8x4(f + len, f + Oarg, len - Oarg);
		len += Crclen;
	}
	answer(n, f, len);
	return 1;
}

static uint*
shareof(uvlong who)
{
	return &share[(who * 0x9e3779b97f4a7c15ULL >> 32) * Shares >> 32];
}

/* Returns an unused request, or NULL when all are under way. */
static Req*
newreq(void)
{
	Req *r = freereqs;

	if(r != NULL)
		freereqs = r->next;
	else if(usedreqs < nreqs){
		r = &reqs[usedreqs];
		if(r->ata.io.space == NULL
		&& (r->ata.io.space = aligned_alloc(4096, Spacesize)) == NULL)
			return NULL;
		usedreqs++;
	}
	return r;
}

static void
freereq(Req *r)
{
	r->next = freereqs;
	freereqs = r;
}

/*
 * Drop this request?  Yes if three quarters of the requests are under way, and
 * its initiator has an eighth of them all or its interface has stopped
 * sending.  Requests beyond the advertised buffer count may be dropped
 * (AoEr11).
 */
static int
greedy(Nic *n, uvlong who)
{
	return stats.underway >= nreqs / 4 * 3 && (*shareof(who) >= nreqs / 8 || stuck(n));
}

/* A request has been answered, or will not be. */
static void
endreq(Req *r)
{
	Host *h;

	tagsleave(&r->twin);
	if(r->slow && (h = hostfind(r->twin.who)) != NULL && h->reads > 0)
		h->reads--;
	stats.underway--;
	--*shareof(r->twin.who);
	freereq(r);
}

static void
notebarred(Nic *n, uchar *f)
{
	stats.barred++;
	introduce(n, f + Osrc, macof(f + Osrc), "the target is reserved for others");
}

static void
atadone(Ata *a)
{
	Req *r = (Req*)a;
	Nic *n = r->nic;

	r->active = 0;
	if(a->aoeerror == Ereserved)
		notebarred(n, r->head);
	if(a->aoeerror == Unanswered || ((n->late == NULL || r->reply != NULL) && reply(r))){
		endreq(r);
		return;
	}
	waits(n);
	r->next = NULL;
	if(n->late == NULL)
		n->late = r;
	else
		n->lastlate->next = r;
	n->lastlate = r;
}

static void
settwin(Twin *t, uchar *f, uvlong who)
{
	t->who = who;
	/* sector count, command and LBA of the frame */
	memcpy(&t->what, f + Ocount, sizeof t->what);
	memcpy(&t->tag, f + Otag, sizeof t->tag);
	t->feature = f[Ofeature];
}

/*
 * Note that a request is under way.  Returns 0 for a duplicate: its twin is
 * under way (inv. 5) or, with RX tracking, was in the receive ring with it.
 */
static int
fresh(Nic *n, Host *h, Twin *t)
{
	if(!tagsenter(t)){
		stats.twins++;
		return 0;
	}
	if(!(h != NULL && h->negotiated ? h->counter != 0 : conf.rxtags))
		return 1;
	if(n->recent == NULL)
		n->recent = recentnew(RX_FRAMES(conf.bufcnt));
	if(n->recent == NULL || !recentseen(n->recent, t))
		return 1;
	tagsleave(t);
	stats.waiting++;
	return 0;
}

/*
 * With WRITE tracking, let ata.c look up a write among those done.  The tag of
 * any other request only shows how far the initiator has counted.
 */
static void
settags(Ata *a, Host *h, Twin *t, uchar *tag, int op)
{
	int counter = h != NULL && h->negotiated ? h->counter : conf.writetags ? Counterle : 0;

	a->tags = NULL;
	if(counter == 0)
		return;
	/* A write that will be refused must not displace another host's tags. */
	if(op == Owrite && !a->barred)
		a->tags = hosttags(t->who);
	else if(h != NULL)
		a->tags = h->tags;
	if(a->tags == NULL)
		return;
	a->what = t->what;
	a->place = tagsplace(a->tags,
		counter == Counterle ? get16le(tag) | get16le(tag + 2) << 16
		: get16(tag) << 16 | get16(tag + 2));
}

/* Log a write that was corrupted on its way. */
static void
complain(uchar *f, uvlong lba)
{
	static Few few = { .period = 1 };
	uchar *a = f + Osrc;

	stats.corrupted++;
	if(maysay(&few, "writes with a wrong CRC"))
		warnx("write with a wrong CRC from %s, tag %02x%02x%02x%02x, LBA %llu: dropped",
			mactext(a), f[Otag], f[Otag+1], f[Otag+2], f[Otag+3], lba);
}

/*
 * Does this write carry a wrong CRC?  It is dropped, and its initiator will
 * send it again.
 */
static int
corrupted(uchar *f, uint len, Range *r)
{
	uchar crc[Crclen];
	uint end = Odata + r->nsec * Sector;

	if(len < end + Crclen)
		return 0;
	crc8x4(crc, f + Oarg, end - Oarg);
	if(memcmp(crc, f + end, sizeof crc) == 0)
		return 0;
	complain(f, r->lba);
	return 1;
}

/* Has the initiator reported that its network is congested? */
static int
congested(Host *h)
{
	if(h == NULL || h->slow == 0)
		return 0;
	if(h->slow <= microseconds())
		h->slow = 0;
	return h->slow != 0;
}

/*
 * May a read for a congested initiator begin now?  Others are dropped rather
 * than delayed.
 */
static int
bursts(Host *h)
{
	uvlong now = microseconds();

	if(now - h->burst >= Burst_us){
		h->burst = now;
		h->begun = 0;
	}
	return h->begun < Burst && h->reads < Burst;
}

/* Begin a request from who.  h is the sender's Host, or NULL. */
static void
atareq(Nic *n, uchar *f, uint len, uvlong who, Host *h)
{
	Req *r;
	Range range;
	int slow, op = -1;

	if(h != NULL || conf.writetags)
		op = atamoves(f[Oatacmd], f[Ocount], f + Olba, &range);
	if(h != NULL && h->crc && op == Owrite && corrupted(f, len, &range))
		return;
	slow = op == Oread && congested(h);
	if(slow && !bursts(h)){
		stats.congested++;
		return;
	}
	if(greedy(n, who) || (r = newreq()) == NULL){
		stats.dropped++;
		return;
	}
	settwin(&r->twin, f, who);
	if(!fresh(n, h, &r->twin)){
		freereq(r);
		return;
	}
	r->slow = slow;
	if(slow){
		h->begun++;
		h->reads++;
	}
	++*shareof(who);
	r->active = 1;
	stats.requests++;
	if(++stats.underway > stats.most)
		stats.most = stats.underway;
	r->nic = n;
	r->reply = NULL;
	memcpy(r->head, f, sizeof r->head);
	r->ata.aflags = f[Oaflags];
	r->ata.feature = f[Ofeature];
	r->ata.count = f[Ocount];
	r->ata.cmd = f[Oatacmd];
	memcpy(r->ata.lba, f + Olba, sizeof r->ata.lba);
	r->ata.payload = f + Odata;
	r->ata.npayload = len - Odata;
	r->ata.barred = reserved.n > 0 && findmac(&reserved, f + Osrc) < 0;
	r->ata.room = ataroom;
	r->ata.done = atadone;
	settags(&r->ata, h, &r->twin, f + Otag, op);
	r->crc = h != NULL && h->crc && op == Oread;
	r->ata.maxsec = served(n, r->crc);
	ata(&r->ata);
}

/* Begin the further reads in a frame.  Each is an ordinary request. */
static void
coalesced(Nic *n, uchar *f, uint len, uvlong who, Host *h)
{
	uchar q[Odata], *p = f + Orecord;
	Range range;
	uint i;

	if(h == NULL || !h->coalesce || atamoves(f[Oatacmd], f[Ocount], f + Olba, &range) != Oread)
		return;
	memcpy(q, f, sizeof q);
	for(i = 0; i < f[Orecords] && (uint)(p - f) + Recordlen <= len; i++, p += Recordlen){
		memcpy(q + Otag, p, 4);
		memcpy(q + Olba, p + 4, 6);
		q[Ocount] = p[15];
		atareq(n, q, sizeof q, who, h);
	}
}

static void	changed(Nic*, uchar*, int, int);

/* Command 1: config. */

static void
configanswer(Nic *n, uchar *f, uchar *request, Host *h, uint ccmd, int error)
{
	uint len = (uint)(Etherhdr + n->mtu - Oconf);

	if(len > conlen)
		len = conlen;
	header(n, f, request, error);
	put16(f + Obufcnt, (uint)conf.bufcnt);
	put16(f + Ofirmware, Firmware);
	f[Oscnt] = (uchar)advertised(n, h != NULL && h->crc);
	f[Occmd] = (uchar)(Aoever << 4 | ccmd);
	put16(f + Oconflen, len);
	memcpy(f + Oconf, constr, len);
	answer(n, f, Oconf + len);
}

static void
configreply(Nic *n, uchar *request, Host *h, uint ccmd, int error)
{
	configanswer(n, room(n), request, h, ccmd, error);
}

/*
 * Carry out a config command and answer it.  A test that fails gets no answer.
 */
static void
config(Nic *n, uchar *f, uint len, Host *h)
{
	uint ccmd = f[Occmd] & 0xf;
	uint slen = get16(f + Oconflen);
	int same, error = Eok;

	if(ccmd == Cread){
		configreply(n, f, h, ccmd, Eok);
		return;
	}
	if(ccmd > Cforce || slen > Maxconf || slen > len - Oconf){
		configreply(n, f, h, ccmd, Ebadarg);
		return;
	}
	same = slen <= conlen && memcmp(f + Oconf, constr, slen) == 0;
	switch(ccmd){
	case Ctest:
		if(!same || slen != conlen)
			return;
		break;
	case Cprefix:
		if(!same)
			return;
		break;
	case Cset:
	case Cforce:
		if(conf.locked || (ccmd == Cset && conlen > 0 && !(same && slen == conlen))){
			error = Econfset;
			break;
		}
		memcpy(constr, f + Oconf, slen);
		conlen = slen;
		/* An initiator that sets the string starts without features. */
		if(h != NULL)
			hostreset(h);
		changed(n, f, 0, 0);
		return;
	}
	configreply(n, f, h, ccmd, error);
}

/*
 * Send the next advertisement, an unsolicited config answer.  It tells
 * initiators that the target is here and how large a request may be.  There
 * may be one for each MAC of the mask list, so each is built only when there
 * is a slot for it.  Returns 0 when there is no slot.
 */
static int
tellnext(Nic *n)
{
	uchar request[Oarg] = { [Ocmd] = Cconfig };
	uchar *f = nicroom(n), *to = request + Osrc;

	if(f == NULL)
		return 0;
	if(n->untold > masks.n)
		n->untold = masks.n > 0 ? masks.n : 1;
	memcpy(to, masks.n > 0 ? masks.ea[masks.n - n->untold].a : broadcast, sizeof(Ea));
	n->untold--;
	configanswer(n, f, request, hostfind(macof(to)), Cread, Eok);
	return 1;
}

static void
advertise(Nic *n)
{
	if(!n->up)
		return;
	if(!answerswait(n))
		n->moved = microseconds();
	n->untold = masks.n > 0 ? masks.n : 1;
	sendwaiting(n);
	stats.slotwaits += (uint)n->untold;
	nickick(n);
}

void
sendwaiting(Nic *n)
{
	uvlong now;
	uchar *f;
	Note *a;
	Req *r;

	if(!answerswait(n))
		return;
	now = microseconds();
	for(; n->nnotes > 0; n->oldest = (n->oldest + 1) % Notes, n->nnotes--){
		a = &n->notes[n->oldest];
		if(!n->up || a->len > (uint)(Etherhdr + n->mtu))
			continue;
		if((f = nicroom(n)) == NULL)
			return;
		memcpy(f, a->f, a->len);
		nicsend(n, f, a->len);
		n->moved = now;
	}
	if(!n->up)
		n->untold = 0;
	for(; n->untold > 0; n->moved = now)
		if(!tellnext(n))
			return;
	for(; (r = n->late) != NULL && reply(r); n->moved = now){
		n->late = r->next;
		endreq(r);
	}
}

/* Ask whether another MAC serves our shelf and slot. */
static void
askforothers(Nic *n)
{
	uchar *f = room(n);

	memset(f, 0, Framemin);
	memcpy(f + Odst, broadcast, sizeof broadcast);
	memcpy(f + Osrc, n->ea.a, sizeof(Ea));
	put16(f + Otype, Aoetype);
	f[Overflag] = Aoever << 4;
	put16(f + Omajor, (uint)conf.shelf);
	f[Ominor] = (uchar)conf.slot;
	f[Ocmd] = Cconfig;
	f[Occmd] = Aoever << 4 | Cread;
	answer(n, f, Framemin);
	nickick(n);
}

/*
 * Another target has answered for our shelf and slot.  If it serves another
 * disk, initiators will mix the two and destroy both.  It may be a second path
 * to the same disk, so this only warns.
 */
static void
another(Nic *n, uchar *f)
{
	enum { Again_s = 60 };
	static People others;
	static Few few = { .period = Again_s };
	uchar *a = f + Osrc;
	int i;

	for(i = 0; nics != NULL && i < conf.nnic; i++)
		if(memcmp(nics[i].ea.a, a, sizeof(Ea)) == 0)
			return;
	if(!meet(&others, macof(a))){
		if(wall - others.first[others.last] < Again_s)
			return;
		others.first[others.last] = wall;
	}
	if(maysay(&few, "answers of others for this address"))
		warnx("%s: e%d.%d is served by %s, too: "
			"if that is another disk, both will be destroyed",
			n->name, conf.shelf, conf.slot, mactext(a));
}

/* Command 2: MAC mask list. */

static void
maskreply(Nic *n, uchar *request)
{
	uchar *f = room(n);
	int i, count = fits(n, Omdir, Mdirlen);

	if(count > masks.n)
		count = masks.n;
	header(n, f, request, Eok);
	f[Oarg] = 0;
	f[Omcmd] = request[Omcmd];
	f[Omerror] = 0;
	f[Omcount] = (uchar)count;
	for(i = 0; i < count; i++){
		f[Omdir + i * Mdirlen] = 0;
		f[Omdir + i * Mdirlen + 1] = Mnone;
		memcpy(f + Omdir + i * Mdirlen + 2, masks.ea[i].a, sizeof(Ea));
	}
	answer(n, f, (uint)(Omdir + count * Mdirlen));
}

/*
 * Report that the directive with this index has failed.  Those before it have
 * been carried out.
 */
static void
maskfail(Nic *n, uchar *request, int merror, int index)
{
	uchar *f = room(n);

	header(n, f, request, Eok);
	f[Oarg] = 0;
	f[Omcmd] = request[Omcmd];
	f[Omerror] = (uchar)merror;
	f[Omcount] = (uchar)index;
	answer(n, f, Omdir);
}

/*
 * Carry out the directives.  Returns 0, or the mask error of the directive
 * *index, which failed.
 */
static int
maskedit(Nic *n, uchar *f, int *index)
{
	int i, count = f[Omcount], room = fits(n, Omdir, Mdirlen);
	uchar *d;

	for(i = 0; i < count; i++){
		*index = i;
		d = f + Omdir + i * Mdirlen;
		switch(d[1]){
		case Mnone:
			break;
		case Madd:
			if(findmac(&masks, d + 2) < 0 && masks.n >= room)
				return Mfull;
			addmac(&masks, d + 2);
			break;
		case Mdel:
			delmac(&masks, d + 2);
			break;
		default:
			return Mbaddir;
		}
	}
	return 0;
}

static void
mask(Nic *n, uchar *f, uint len)
{
	uint count = f[Omcount];
	int merror, index = 0;

	if(f[Omcmd] == Mread)
		maskreply(n, f);
	else if(f[Omcmd] != Medit || count * Mdirlen > len - Omdir)
		refuse(n, f, Ebadarg);
	else if(conf.locked)
		maskfail(n, f, Munspecified, 0);
	else{
		merror = maskedit(n, f, &index);
		changed(n, f, merror, index);
	}
}

/* Command 3: reserve/release. */

static void
reservereply(Nic *n, uchar *request, int error)
{
	uchar *f = room(n);
	int i, count = fits(n, Ormac, sizeof(Ea));

	if(count > reserved.n)
		count = reserved.n;
	header(n, f, request, error);
	f[Orcmd] = request[Orcmd];
	f[Orcount] = (uchar)count;
	for(i = 0; i < count; i++)
		memcpy(f + Ormac + i * (int)sizeof(Ea), reserved.ea[i].a, sizeof(Ea));
	answer(n, f, (uint)(Ormac + count * (int)sizeof(Ea)));
}

static void
reserve(Nic *n, uchar *f, uint len)
{
	int i, count = f[Orcount];

	if(f[Orcmd] == Rread){
		reservereply(n, f, Eok);
		return;
	}
	if(f[Orcmd] > Rforce || (uint)count * sizeof(Ea) > len - Ormac
	|| count > fits(n, Ormac, sizeof(Ea))){
		reservereply(n, f, Ebadarg);
		return;
	}
	if(conf.locked || (f[Orcmd] == Rset && reserved.n > 0 && findmac(&reserved, f + Osrc) < 0)){
		reservereply(n, f, Ereserved);
		if(!conf.locked)
			notebarred(n, f);
		return;
	}
	reserved.n = 0;
	for(i = 0; i < count; i++)
		addmac(&reserved, f + Ormac + i * (int)sizeof(Ea));
	changed(n, f, 0, 0);
}

/*
 * The state (-S): config string, mask list and reservation, kept in a file for
 * the next start (inv. 6 and 7).  A change takes effect at once; only its
 * answer waits.
 */

/*
 * Append the checksum of n bytes (FNV-1a, 64 bits).  Any change of a single
 * byte changes it.
 */
static void
putsum(uchar *p, uint n)
{
	uvlong h = 0xcbf29ce484222325;
	uint i;

	for(i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	for(i = 0; i < Ssum; i++)
		p[n + i] = (uchar)(h >> (56 - 8 * i));
}

/*
 * Write the state to p, without the checksum.  Returns its length in bytes.
 */
static uint
pack(uchar *p)
{
	uint n = Slists;

	memcpy(p + Smagic, "AoEstate", 8);
	put16(p + Sversion, Stateversion);
	put16(p + Sshelf, (uint)conf.shelf);
	p[Sslot] = (uchar)conf.slot;
	p[Snmask] = (uchar)masks.n;
	p[Snreserved] = (uchar)reserved.n;
	p[Szero] = 0;
	put16(p + Sconflen, conlen);
	memcpy(p + n, masks.ea, (size_t)masks.n * sizeof(Ea));
	n += (uint)masks.n * (uint)sizeof(Ea);
	memcpy(p + n, reserved.ea, (size_t)reserved.n * sizeof(Ea));
	n += (uint)reserved.n * (uint)sizeof(Ea);
	memcpy(p + n, constr, conlen);
	return n + conlen;
}

/*
 * Read the state from n bytes at p, completely or not at all.  A mask list
 * given by -m replaces the one in the file.
 */
static char*
unpack(uchar *p, uint n)
{
	uchar sum[Maxstate];
	uint i, nmask, nres, len;

	if(n < Slists + Ssum || memcmp(p + Smagic, "AoEstate", 8) != 0)
		return sentence("-S %s: expected a file that aoede -S has written", conf.state);
	if(get16(p + Sversion) != Stateversion)
		return sentence("-S %s: its version is %u, expected %u", conf.state,
			get16(p + Sversion), Stateversion);
	nmask = p[Snmask];
	nres = p[Snreserved];
	len = get16(p + Sconflen);
	if(len > Maxconf || n > Maxstate || n != Slists + (nmask + nres) * sizeof(Ea) + len + Ssum)
		return sentence("-S %s: damaged; remove it to start without it", conf.state);
	memcpy(sum, p, n - Ssum);
	putsum(sum, n - Ssum);
	if(memcmp(sum, p, n) != 0)
		return sentence("-S %s: damaged; remove it to start without it", conf.state);
	if(get16(p + Sshelf) != (uint)conf.shelf || p[Sslot] != conf.slot)
		return sentence("-S %s: it is the state of e%u.%d, expected that of e%d.%d",
			conf.state,
			get16(p + Sshelf), p[Sslot], conf.shelf, conf.slot);
	p += Slists;
	if(masks.n == 0)
		for(i = 0; i < nmask; i++)
			addmac(&masks, p + i * sizeof(Ea));
	p += nmask * sizeof(Ea);
	for(i = 0; i < nres && !conf.unreserved; i++)
		addmac(&reserved, p + i * sizeof(Ea));
	memcpy(constr, p + nres * sizeof(Ea), len);
	conlen = len;
	return NULL;
}

static void
tellchange(Held *h)
{
	if(h->head[Ocmd] == Cconfig)
		configreply(h->nic, h->head, hostfind(macof(h->head + Osrc)),
			h->head[Occmd] & 0xf, Eok);
	else if(h->head[Ocmd] == Creserve)
		reservereply(h->nic, h->head, Eok);
	else if(h->merror != 0)
		maskfail(h->nic, h->head, h->merror, h->index);
	else
		maskreply(h->nic, h->head);
}

/*
 * Hold a request until the state is saved.  Only the latest request of each
 * initiator is held, so that none can fill the list.
 */
static void
hold(Held *h)
{
	int i;

	for(i = 0; i < state.nheld; i++)
		if(state.held[i].nic == h->nic
		&& memcmp(state.held[i].head + Osrc, h->head + Osrc, sizeof(Ea)) == 0)
			break;
	if(i == Heldmax)
		return;		/* its initiator will repeat it */
	state.held[i] = *h;
	if(i == state.nheld)
		state.nheld++;
}

/* A request may have changed the state: answer it when the change is saved. */
static void
changed(Nic *n, uchar *f, int merror, int index)
{
	Held h = { .nic = n, .merror = merror, .index = index };
	uchar now[Maxstate];
	uint len;

	memcpy(h.head, f, f[Ocmd] == Cconfig ? Oconf : Ormac);	/* all that the answer repeats */
	if(conf.state != NULL){
		len = pack(now);
		if(len != state.len || memcmp(now, state.buf, len) != 0){
			memcpy(state.buf, now, len);
			state.len = len;
			state.changes++;
		}
	}
	h.change = state.changes;
	if(state.saved == state.changes)
		tellchange(&h);
	else
		hold(&h);
}

/* The file has this many changes: answer the requests that made them. */
static void
saved(uvlong changes)
{
	int i, n = 0;

	state.saved = changes;
	for(i = 0; i < state.nheld; i++)
		if(state.held[i].change <= changes)
			tellchange(&state.held[i]);
		else
			state.held[n++] = state.held[i];
	state.nheld = n;
}

/* Returns when the state may be saved next. */
static uvlong
savetime(void)
{
	const uvlong burst = (uvlong)Saveburst * STATE_MS * 1000;
	uvlong t = state.due > burst ? state.due - burst : 0;

	return t > state.retry ? t : state.retry;
}

static void
savework(Op *o)
{
	o->error = statesave(state.out, state.outlen) < 0 ? errno : 0;
}

static void
savedone(Op *o)
{
	enum { Again_us = 5000000 };

	state.busy = 0;
	if(o->error != 0){
		if(!state.failed)
			warnx("%s: can't save the state (%s): "
				"changes are not answered until it can be", conf.state,
				strerror(o->error));
		state.failed = 1;
		state.retry = microseconds() + Again_us;
		state.nheld = 0;
		return;
	}
	if(state.failed)
		warnx("%s: the state is saved", conf.state);
	state.failed = 0;
	saved(state.outchanges);
}

/* Copy the state for writing. */
static void
saveprepare(void)
{
	memcpy(state.out, state.buf, state.len);
	putsum(state.out, state.len);
	state.outlen = state.len + Ssum;
	state.outchanges = state.changes;
}

/* Begin to save changes if a save is due. */
static void
savestate(void)
{
	uvlong now;

	if(state.busy || state.saved == state.changes || (now = microseconds()) < savetime())
		return;
	saveprepare();
	state.due = (now > state.due ? now : state.due) + STATE_MS * 1000;
	state.busy = 1;
	state.op = (Op){ .op = Owork, .work = savework, .done = savedone };
	enginestart(&state.op);
}

/* Returns the milliseconds until a save is due, or -1. */
static int
savewait(void)
{
	uvlong now, t;

	if(state.busy || state.saved == state.changes)
		return -1;
	now = microseconds();
	t = savetime();
	return t <= now ? 0 : (int)((t - now) / 1000) + 1;
}

/* Save changes at exit, and wait for it. */
static int
savenow(void)
{
	if(state.saved == state.changes)
		return 0;
	saveprepare();
	if(statesave(state.out, state.outlen) < 0){
		warn("%s: can't save the state", conf.state);
		return -1;
	}
	saved(state.outchanges);
	return 0;
}

char*
aoerestore(void)
{
	uchar in[Maxstate + 1];
	ssize_t n;
	char *e;

	if(conf.state == NULL)
		return NULL;
	e = stateopen(conf.state, in, sizeof in, &n);
	if(e == NULL && n >= 0)
		e = unpack(in, (uint)n);
	if(e != NULL)
		return e;
	/* Find out now if the file can't be written. */
	state.len = pack(state.buf);
	saveprepare();
	if(statesave(state.out, state.outlen) < 0)
		return sentence("-S %s: can't be written: %s", conf.state, strerror(errno));
	return NULL;
}

/* Command 0x23: extensions (aoede.8, PROTOCOL EXTENSIONS). */

static int
isnumber(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && s[n] == 0;
}

/* Turn a name into upper case, which says that it was accepted. */
static void
grant(char *s)
{
	for(; *s != 0; s++)
		if(*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
}

/*
 * Carry out an initiator's names of features, in order.  Each ends with a NUL,
 * and an empty name ends the list.
 */
static void
negotiate(uvlong who, char *s, int crcfits)
{
	Host *h;
	char *next;

	for(; *s != 0; s = next){
		next = s + strlen(s) + 1;
		if(strcmp(s, "reset") == 0){
			if((h = hostfind(who)) != NULL)
				hostreset(h);
			grant(s);
		}else if(strcmp(s, "congestion") == 0 && isnumber(next)){
			/*
			 * The number of answers that it has lost.  This is no
			 * feature to switch on.
			 */
			if(next[strspn(next, "0")] != 0)
				hostslow(who, microseconds() + Slow_us);
			grant(s);
			next += strlen(next) + 1;
		}else if(hostfeature(who, s, crcfits))
			grant(s);
	}
}

static void
extend(Nic *n, uchar *f, uint len, uvlong who)
{
	uint size = get16le(f + Oextlen);
	uchar *a;

	if(size < 2 || size > len - Oext || f[Oext + size - 1] != 0 || f[Oext + size - 2] != 0)
		return;
	if(Oext + size > (uint)(Etherhdr + n->mtu))
		return;
	a = room(n);
	header(n, a, f, Eok);
	memcpy(a + Oarg, f + Oarg, Oext - Oarg + size);
	negotiate(who, (char*)a + Oext, served(n, 1) > 0);
	answer(n, a, Oext + size);
}

/*
 * Is this a config answer or advertisement for our own shelf and slot?
 */
static int
rival(uchar *f, uint len)
{
	return len >= Oarg && get16(f + Otype) == Aoetype && f[Overflag] & Fresp
		&& f[Ocmd] == Cconfig && !(f[Osrc] & 1)
		&& get16(f + Omajor) == (uint)conf.shelf && f[Ominor] == conf.slot;
}

/*
 * Is this frame for us, and from an initiator that we serve?  Its source must
 * be one host's MAC and not our own.
 */
static int
ours(Nic *n, uchar *f, uint len)
{
	uint shelf, slot;

	if(len < Oarg || get16(f + Otype) != Aoetype || f[Overflag] & Fresp)
		return 0;
	if(memcmp(f + Odst, n->ea.a, sizeof(Ea)) != 0
	&& memcmp(f + Odst, broadcast, sizeof broadcast) != 0)
		return 0;
	if(f[Osrc] & 1 || memcmp(f + Osrc, n->ea.a, sizeof(Ea)) == 0)
		return 0;
	shelf = get16(f + Omajor);
	slot = f[Ominor];
	if((shelf != (uint)conf.shelf && shelf != Allshelves)
	|| (slot != (uint)conf.slot && slot != Allslots))
		return 0;
	if(masks.n == 0 || findmac(&masks, f + Osrc) >= 0)
		return 1;
	stats.masked++;
	introduce(n, f + Osrc, macof(f + Osrc), "it is not on the mask list");
	return 0;
}

void
frame(Nic *n, uchar *f, uint len)
{
	uvlong who;
	Host *h;

	if(rival(f, len))
		another(n, f);
	if(!ours(n, f, len))
		return;
	stats.frames++;
	who = macof(f + Osrc);
	introduce(n, f + Osrc, who, NULL);
	if(f[Overflag] >> 4 != Aoever){
		refuse(n, f, Eversion);
		return;
	}
	switch(f[Ocmd]){
	case Cata:
		h = hostfind(who);
		if(len >= Odata)
			atareq(n, f, len, who, h);
		if(len > Odata)
			coalesced(n, f, len, who, h);
		break;
	case Cconfig:
		h = hostfind(who);
		if(len == Oarg)
			configreply(n, f, h, Cread, Eok);
		else if(len >= Oconf)
			config(n, f, len, h);
		break;
	case Cmask:
		if(len >= Omdir)
			mask(n, f, len);
		break;
	case Creserve:
		if(len >= Ormac)
			reserve(n, f, len);
		break;
	case Cextend:
		if(len >= Oext)
			extend(n, f, len, who);
		break;
	default:
		refuse(n, f, Ebadcmd);
		break;
	}
}

/*
 * Allocate memory for answers that have to wait.  Returns 0 when there is
 * none.
 */
static int
havenotes(Nic *n)
{
	if(n->notes == NULL)
		n->notes = calloc(Notes, sizeof *n->notes);
	return n->notes != NULL;
}

int
takeframes(Nic *n)
{
	uchar *f;
	uint len;
	int i;

	if(!havenotes(n))
		return 0;
	for(i = 0; i < TURN_FRAMES && n->nnotes <= Notes / 2
		&& (f = nicrecv(n, &len)) != NULL; i++){
		if(i == 0)
			wall = wallclock();
		frame(n, f, len);
	}
	/* Have all frames been taken that were in the ring with the first? */
	n->taken += (uint)i;
	if(n->recent != NULL && (nicempty(n) || n->taken >= RX_FRAMES(conf.bufcnt))){
		recentclear(n->recent);
		n->taken = 0;
	}
	return i;
}

/*
 * Allocate requests for CROWD initiators.  The system allocates a request's
 * memory only when it is first used.
 */
static int
initreqs(void)
{
	static uint have;
	uvlong n = (uvlong)CROWD * (uint)conf.bufcnt;
	Req *r;

	nreqs = n < Fewest ? Fewest : n > Most ? Most : (uint)n;
	usedreqs = 0;
	freereqs = NULL;
	stats.underway = 0;
	memset(share, 0, sizeof share);
	if(nreqs > have){
		if((r = calloc(nreqs, sizeof *r)) == NULL)
			return -1;
		if(have > 0)
			memcpy(r, reqs, have * sizeof *r);	/* their space */
		free(reqs);
		reqs = r;
		have = nreqs;
	}
	return bufrequests(nreqs);
}

int
aoeinit(Conf *c)
{
	int i;

	conf = *c;
	masks.n = reserved.n = 0;
	conlen = 0;
	memset(&state, 0, sizeof state);
	initiators.n = refusees.n = 0;
	hostinit();
	tagsclear();
	for(i = 0; i < conf.nmask; i++)
		addmac(&masks, conf.mask[i].a);
	return initreqs();
}

/* The command line. */

static const char usage[] =
	"usage: aoede [-b bufcnt] [-c MiB] [-d] [-f shadow[,MiB]] [-h] [-i infofile]\n"
	"             [-l length] [-L] [-m mac[,mac...]] [-o offset] [-r] [-R] [-s]\n"
	"             [-S statefile] [-t] [-T] [-V] [-w] shelf slot netif [netif ...] file\n";

/* Read all of s as a decimal number from min to max. */
static char*
number(const char *what, char *s, uvlong min, uvlong max, uvlong *v)
{
	char *p;

	*v = 0;
	for(p = s; *p >= '0' && *p <= '9'; p++){
		if(*v > (ULLONG_MAX - 9) / 10)
			break;
		*v = *v * 10 + (uvlong)(*p - '0');
	}
	if(p == s || *p != 0 || *v < min || *v > max)
		return sentence("%s '%s': expected a number from %llu to %llu", what, s, min, max);
	return NULL;
}

static int
hexdigit(int c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Read twelve hexadecimal digits, with or without a colon after every two.
 * Returns what follows, or NULL.
 */
static char*
getmac(char *s, Ea *ea)
{
	int i, high, low, colons = 0;

	for(i = 0; i < 6; i++){
		if(i == 1)
			colons = *s == ':';
		if(i > 0 && colons && *s++ != ':')
			return NULL;
		if((high = hexdigit(s[0])) < 0 || (low = hexdigit(s[1])) < 0)
			return NULL;
		ea->a[i] = (uchar)(high << 4 | low);
		s += 2;
	}
	return s;
}

static char*
getmasks(Conf *c, char *list)
{
	char *s, *end;

	for(s = list; ; s = end + 1){
		if(c->nmask == Maxmacs)
			return sentence("-m: expected at most %d MAC addresses", Maxmacs);
		end = getmac(s, &c->mask[c->nmask]);
		if(end == NULL || (*end != ',' && *end != 0))
			return sentence("-m '%.*s': expected a MAC address like "
				"00:11:22:33:44:55 or 001122334455", (int)strcspn(s, ","), s);
		if(c->mask[c->nmask].a[0] & 1)
			return sentence("-m '%.*s': expected the MAC address of one host, "
				"not of a group", (int)(end - s), s);
		c->nmask++;
		if(*end == 0)
			return NULL;
	}
}

/* Read a path, and the number after its last comma if there is one. */
static char*
getshadow(Conf *c, char *arg)
{
	char *comma = strrchr(arg, ',');

	c->shadow = arg;
	c->shadowmib = 0;
	if(arg[0] == 0)
		return sentence("-f '': expected the path of a file");
	if(comma == NULL || comma[1] == 0 || comma[1 + strspn(comma + 1, "0123456789")] != 0)
		return NULL;
	if(comma == arg)
		return sentence("-f '%s': expected the path of a file before the comma", arg);
	*comma = 0;
	return number("-f: MiB", comma + 1, 1, LLONG_MAX / (1024 * 1024), &c->shadowmib);
}

static const char options[] = "+:b:c:df:hi:l:Lm:o:rRsS:tTVw";

/* Returns what an option without an argument sets, or NULL. */
static int*
flag(Conf *c, int o)
{
	switch(o){
	case 'd':
		return &c->direct;
	case 'h':
		return &c->help;
	case 'L':
		return &c->locked;
	case 'r':
		return &c->readonly;
	case 'R':
		return &c->unreserved;
	case 's':
		return &c->sync;
	case 't':
		return &c->rxtags;
	case 'T':
		return &c->writetags;
	case 'V':
		return &c->version;
	case 'w':
		return &c->behind;
	}
	return NULL;
}

static char*
badoption(void)
{
	const char *p = strchr(options + 2, optopt);

	/* Some getopts don't distinguish the two cases when the options begin with +. */
	if(p != NULL && p[0] != ':' && p[1] == ':')
		return sentence("-%c: expected an argument", optopt);
	return sentence("-%c: no such option (aoede -h lists them)", optopt);
}

static char*
option(Conf *c, int o)
{
	char *e = NULL;
	uvlong v = 0;

	if(flag(c, o) != NULL){
		*flag(c, o) = 1;
		return NULL;
	}
	switch(o){
	case 'b':
		e = number("-b", optarg, 2, 65535, &v);
		c->bufcnt = (int)v;
		break;
	case 'c':
		e = number("-c", optarg, 1, 1048576, &v);
		c->pool = (uint)v;
		break;
	case 'f':
		e = getshadow(c, optarg);
		break;
	case 'i':
		c->info = optarg;
		break;
	case 'l':
		e = number("-l", optarg, 1, LLONG_MAX / Sector, &c->length);
		break;
	case 'm':
		e = getmasks(c, optarg);
		break;
	case 'o':
		e = number("-o", optarg, 0, LLONG_MAX / Sector, &c->offset);
		break;
	case 'S':
		c->state = optarg;
		break;
	default:
		e = badoption();
		break;
	}
	return e;
}

/*
 * Read the operands: shelf slot netif [netif ...] file.
 */
static char*
operands(Conf *c, int argc, char **argv)
{
	char *e;
	uvlong v;
	int i, j;

	if(argc < 4)
		return sentence("usage: aoede [options] shelf slot netif [netif ...] file "
			"(-h lists the options)");
	if((e = number("shelf", argv[0], 0, 65534, &v)) != NULL)
		return e;
	c->shelf = (int)v;
	if((e = number("slot", argv[1], 0, 254, &v)) != NULL)
		return e;
	c->slot = (int)v;
	c->nic = argv + 2;
	c->nnic = argc - 3;
	c->file = argv[argc - 1];
	if(c->nnic > Nicsmax)
		return sentence("interface %s: expected at most %d interfaces", c->nic[Nicsmax],
			Nicsmax);
	for(i = 0; i < c->nnic; i++){
		if(c->nic[i][0] == 0 || strlen(c->nic[i]) >= sizeof nics->name)
			return sentence("interface '%s': expected a name of 1 to %zu characters",
				c->nic[i], sizeof nics->name - 1);
		for(j = 0; j < i; j++)
			if(strcmp(c->nic[i], c->nic[j]) == 0)
				return sentence("interface %s: expected each interface once",
					c->nic[i]);
	}
	return NULL;
}

char*
getconf(Conf *c, int argc, char **argv)
{
	char *e;
	int o, n = 0;

	memset(c, 0, sizeof *c);
	c->bufcnt = BUFCNT;
	c->pool = POOL_MIB;
	opterr = 0;
	/*
	 * Some getopts stop at the first operand and some go on after it.
	 * With a + all stop.  Then the operand is moved to the front of argv,
	 * and getopt is called again.
	 */
	while(optind < argc){
		o = getopt(argc, argv, options);
		if(o != -1){
			if((e = option(c, o)) != NULL)
				return e;
			continue;
		}
		if(strcmp(argv[optind - 1], "--") == 0 && optind - 1 > n){
			while(optind < argc)
				argv[n++] = argv[optind++];
		}else
			argv[n++] = argv[optind++];
	}
	if(c->help || c->version)
		return NULL;
	if(c->sync && c->behind)
		return sentence("-w with -s: expected one of them: "
			"a write can't be answered both before and after the disk has it");
	return operands(c, n, argv);
}

/* The info file (-i): what HUP prints and more (inv. 8). */

enum {
	Infomax	= 32 * 1024,	/* bytes; lines that don't fit are left out */
	Info_us	= 1000000,
};

static struct {
	char	now[Infomax];
	char	was[Infomax];	/* what was last written */
	char	out[Infomax + 64];	/* the same with the time */
	Op	op;
	int	busy;
	int	stale;		/* something may have changed */
	uvlong	due;		/* when it may be written next; microseconds */
} info;

/*
 * Append a line to buf if all of it fits.  It is one line, whatever the names
 * in it contain.
 */
__attribute__((format(printf, 2, 3)))
static void
infoline(char *buf, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf + n, Infomax - n, fmt, ap);
	va_end(ap);
	if(len < 0 || n + (size_t)len + 1 >= Infomax){
		buf[n] = 0;
		return;
	}
	for(; buf[n] != 0; n++)
		if((uchar)buf[n] < ' ')
			buf[n] = '?';
	memcpy(buf + n, "\n", 2);
}

static const char*
statename(void)
{
	if(loop.closing)
		return "ending";
	switch(freezestate()){
	case Fnone:
		return "serving";
	case Ffrozen:
	case Fthawing:
		return "frozen";
	case Fheld:
		return "held";
	case Fmerging:
	case Fending:
	case Fremoving:
	case Funmarking:
		return "merging";
	}
	return "freezing";
}

/* Tell the service manager that we serve, and later each change of state. */
static void
tellmanager(void)
{
	static const char *said = "";
	static uint saidmerged;
	const char *now = statename();
	uint merged = freezestate() == Fmerging ? freezemerged() : 0;

	if(now == said && merged == saidmerged)
		return;
	if(freezestate() == Fmerging)
		notify("%sSTATUS=e%d.%d: %s, %u per cent", said[0] == 0 ? "READY=1\n" : "",
			conf.shelf, conf.slot, now, merged);
	else
		notify("%sSTATUS=e%d.%d: %s", said[0] == 0 ? "READY=1\n" : "", conf.shelf,
			conf.slot, now);
	said = now;
	saidmerged = merged;
}

static void
infocounters(char *p)
{
	static const struct {
		const char *name;
		uvlong	*n;
	} counters[] = {
		{ "requests", &stats.requests },
		{ "frames", &stats.frames },
		{ "read_requests", &stats.reads },
		{ "read_sectors", &stats.readsec },
		{ "reads_from_memory", &stats.hits },
		{ "write_requests", &stats.writes },
		{ "write_sectors", &stats.writesec },
		{ "trims", &stats.trims },
		{ "flushes", &stats.flushes },
		{ "disk_transfers", &stats.transfers },
		{ "joined_requests", &stats.joined },
		{ "disk_errors", &stats.errors },
		{ "blocks_read_ahead_used", &stats.aheadused },
		{ "blocks_read_ahead_unused", &stats.aheadunused },
		{ "refused_mask", &stats.masked },
		{ "refused_reserved", &stats.barred },
		{ "dropped_room", &stats.dropped },
		{ "waited_for_slot", &stats.slotwaits },
		{ "congested", &stats.congested },
		{ "duplicates_under_way", &stats.twins },
		{ "duplicates_in_ring", &stats.waiting },
		{ "duplicates_done", &stats.repeated },
		{ "wrong_crc", &stats.corrupted },
		{ "refusals", &stats.refusals },
		{ "freezes", &stats.freezes },
		{ "unfreezes", &stats.unfreezes },
	};
	uvlong drops = 0, us = 16;
	Nic *n;
	uint i;

	for(i = 0; i < sizeof counters / sizeof counters[0]; i++)
		infoline(p, "%s=%llu", counters[i].name, *counters[i].n);
	infoline(p, "read_bytes=%llu", stats.readsec * Sector);
	infoline(p, "write_bytes=%llu", stats.writesec * Sector);
	infoline(p, "most_requests=%u", stats.most);
	for(n = nics; n < nics + conf.nnic; n++)
		drops += n->drops += nicdrops(n);
	infoline(p, "ring_drops=%llu", drops);
	for(i = 0; i < Latencies - 1; i++, us *= 4)
		infoline(p, "latency.%llu=%llu", us, stats.latency[i]);
	infoline(p, "latency.inf=%llu", stats.latency[i]);
	infoline(p, "latency_sum=%llu", stats.latencysum);
}

static const char*
modes(void)
{
	static char buf[64];

	snprintf(buf, sizeof buf, "%s%s%s%s", conf.readonly ? "O_RDONLY" : "O_RDWR",
		conf.direct ? " O_DIRECT" : "",
		conf.sync ? " O_DSYNC" : "", conf.behind ? " write-behind" : "");
	return buf;
}

static const char*
rings(void)
{
	char *s;
	int i;

	for(i = 0; i < conf.nnic; i++)
		if(strcmp(s = nicrings(&nics[i]), "packet") != 0)
			return s;
	return "packet";
}

static void
infonics(char *p)
{
	char names[Infomax / 4] = "";
	size_t n = 0;
	uchar *a;
	Nic *c;

	for(c = nics; c < nics + conf.nnic && n < sizeof names; c++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n > 0 ? " " : "",
			c->name);
	infoline(p, "interfaces=%s", names);
	for(c = nics; c < nics + conf.nnic; c++){
		a = c->ea.a;
		infoline(p, "interface.%s=%s mtu %d sectors %u %s", c->name, mactext(a),
			c->mtu, c->mtu > 0 ? advertised(c, 0) : 0, c->up ? "up" : "down");
	}
}

static void
infotext(char *p)
{
	uchar a[sizeof(uvlong)];
	uint i;

	p[0] = 0;
	infoline(p, "address=e%d.%d", conf.shelf, conf.slot);
	infoline(p, "pid=%ld", (long)getpid());
	infoline(p, "started=%llu", started);
	infoline(p, "state=%s", statename());
	if(strcmp(statename(), "merging") == 0)
		infoline(p, "merged=%u", freezemerged());
	infoline(p, "refused=%s", freezerefusal());
	infoline(p, "file=%s", conf.file);
	infoline(p, "sectors=%llu", bufsize());
	infoline(p, "bytes=%llu", bufsize() * Sector);
	infoline(p, "modes=%s", modes());
	infoline(p, "engine=%s", enginename());
	infoline(p, "rings=%s", rings());
	infoline(p, "sandbox=%s", sandboxname());
	infonics(p);
	infocounters(p);
	for(i = 0; i < initiators.n; i++){
		memcpy(a, &initiators.who[i], sizeof a);
		infoline(p, "initiator.%s=%llu %llu %llu", mactext(a),
			initiators.first[i], initiators.latest[i], initiators.frames[i]);
	}
}

static void
infowork(Op *o)
{
	o->error = infowrite(info.out, strlen(info.out)) < 0 ? EIO : 0;
}

static void
infodone(Op *o)
{
	info.busy = 0;
	if(o->error != 0){
		info.was[0] = 0;
		info.stale = 1;
	}
}

/*
 * Is there something new for the info file?  Then info.op writes it.
 */
static int
infonews(void)
{
	info.stale = 0;
	infotext(info.now);
	if(strcmp(info.now, info.was) == 0)
		return 0;
	memcpy(info.was, info.now, strlen(info.now) + 1);
	snprintf(info.out, sizeof info.out, "%supdated=%llu\n", info.now, wallclock());
	info.op = (Op){ .op = Owork, .work = infowork, .done = infodone };
	return 1;
}

/*
 * Write the first one, so that it is there for whoever hears that we serve.
 */
static void
firstinfo(void)
{
	if(conf.info == NULL || !infonews())
		return;
	infowork(&info.op);
	infodone(&info.op);
}

/* Begin to write the info file if that is due. */
static void
saveinfo(void)
{
	uvlong now;

	if(conf.info == NULL || !info.stale || info.busy || (now = microseconds()) < info.due)
		return;
	info.due = now + Info_us;
	if(infonews()){
		info.busy = 1;
		enginestart(&info.op);
	}
}

/* Returns the milliseconds until the info file is due, or -1. */
static int
infowait(void)
{
	uvlong now;

	if(conf.info == NULL || !info.stale || info.busy)
		return -1;
	now = microseconds();
	return now >= info.due ? 0 : (int)((info.due - now) / 1000) + 1;
}

/* The loop. */

static void
tell(Nic *n)
{
	uchar *a = n->ea.a;

	say("%s: %s, MTU %d, %u sectors", n->name,
		mactext(a), n->mtu, advertised(n, 0));
}

/*
 * Warn about an interface that is a port of a bridge: it receives nothing
 * itself.
 */
static void
lookforbridge(Nic *n)
{
	char *bridge = nicbridge(n);

	if(bridge != NULL && !n->bridged)
		warnx("%s: a port of the bridge %s, which takes what comes in: serve on %s instead",
			n->name, bridge, bridge);
	n->bridged = bridge != NULL;
}

/* Check the state of all interfaces. */
static void
checknics(void)
{
	Nic *n;

	loop.again = 0;
	for(n = nics; n < nics + conf.nnic; n++){
		switch(niccheck(n)){
		case Nicdown:
			warnx("%s: down; waiting for its return", n->name);
			break;
		case Nicup:
			tell(n);
			askforothers(n);
			advertise(n);
			break;
		case Nicagain:
			loop.again = 1;
			break;
		}
		lookforbridge(n);
	}
}

/*
 * Export what the command line asks for, with the disk's present size.
 * Returns NULL, or a sentence saying why that is impossible.
 */
static char*
export(void)
{
	uvlong n = disk.size / Sector;

	if(bufinit(conf.offset, conf.length) == 0)
		return NULL;
	if(n == 0)
		return sentence("%s: %llu bytes: expected at least a sector of %d", conf.file,
			disk.size, Sector);
	if(conf.offset >= n)
		return sentence("-o %llu: expected less than the %llu sectors of %s", conf.offset,
			n, conf.file);
	return sentence("-l %llu: expected at most the %llu sectors that -o %llu leaves of %s",
		conf.length, n - conf.offset, conf.offset, conf.file);
}

static void
hangup(void)
{
	Nic *n;
	char *e;

	if(freezestate() != Fnone)
		freezereport();		/* the size must not change */
	else if(disksize(&disk) < 0)
		warn("%s: can't learn its size", conf.file);
	else if((e = export()) != NULL)
		warnx("%s; the old size stays in force", e);
	say("%llu bytes", bufsize() * Sector);
	if(disk.direct || conf.behind)
		say("blocks read ahead and used %llu, not used %llu", stats.aheadused,
			stats.aheadunused);
	say("frames %llu, at most %u requests at a time, requests dropped %llu, "
		"answers that waited for a slot %llu",
		stats.frames, stats.most, stats.dropped, stats.slotwaits);
	say("reads %llu (%llu sectors, %llu from memory, %llu from disk), "
		"writes %llu (%llu sectors), trims %llu, flushes %llu",
		stats.reads, stats.readsec, stats.hits, stats.reads - stats.hits, stats.writes,
		stats.writesec, stats.trims, stats.flushes);
	say("disk transfers %llu, requests joined to them %llu, errors %llu", stats.transfers,
		stats.joined, stats.errors);
	say("duplicates of requests under way %llu, of those in the ring %llu, of writes done %llu",
		stats.twins, stats.waiting, stats.repeated);
	say("writes with a wrong CRC %llu, reads dropped for a congested network %llu",
		stats.corrupted, stats.congested);
	say("frames refused by the mask list %llu, requests refused by a reservation %llu",
		stats.masked, stats.barred);
	for(n = nics; n < nics + conf.nnic; n++){
		say("%s: %s, %llu frames dropped", n->name, n->up ? "up" : "down",
			n->drops += nicdrops(n));
		advertise(n);
	}
}

/*
 * One turn: handle ended operations, take frames, begin what they ask, send
 * the answers.  Returns 1 when not all answers could be sent.
 */
static int
turn(void)
{
	static int first;
	Nic *n;
	int i, j, unsent = 0;

	for(n = nics; n < nics + conf.nnic; n++)
		sendwaiting(n);
	/* A few at a time, so that their initiators can go on meanwhile. */
	for(i = 0; i < Ended && enginereap(); i++)
		loop.busy = 1;
	loop.left = i == Ended;
	/* Each turn begins with another interface. */
	first = first + 1 < conf.nnic ? first + 1 : 0;
	for(j = 0; j < conf.nnic && !loop.closing; j++)
		if(takeframes(&nics[(first + j) % conf.nnic]) > 0)
			loop.busy = 1;
	savestate();
	info.stale |= loop.busy;
	saveinfo();
	bufcommit();
	for(n = nics; n < nics + conf.nnic; n++){
		unsent |= nickick(n) | answerswait(n);
		nicrelease(n);
	}
	return unsent;
}

static void
onsignal(int sig)
{
	int e = errno;

	switch(sig){
	case SIGTERM:
	case SIGINT:
		gotterm = 1;
		break;
	case SIGHUP:
		gothup = 1;
		break;
	case SIGUSR1:
		if(microseconds() - lastusr1 > Together_us)
			usr1s = 0;
		usr1s++;
		lastusr1 = microseconds();
		break;
	case SIGUSR2:
		gotusr2 = microseconds() - lastusr1 > Together_us ? 1 : usr1s + 1;
		usr1s = 0;
		break;
	}
	/* If the pipe is full the loop wakes anyway. */
	if(write(sigpipe[1], "", 1) < 0)
		errno = e;
}

static void
catch(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	struct sigaction sa = { .sa_handler = onsignal, .sa_flags = SA_RESTART };
	uint i;

	if(pipe(sigpipe) < 0)
		err(1, "pipe");
	for(i = 0; i < 2; i++)
		if(fcntl(sigpipe[i], F_SETFL, O_NONBLOCK) < 0
		|| fcntl(sigpipe[i], F_SETFD, FD_CLOEXEC) < 0)
			err(1, "pipe");
	/* No handler interrupts another, so USR1 has been counted when USR2 comes. */
	sigfillset(&sa.sa_mask);
	for(i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
		sigaction(sigs[i], &sa, NULL);
}

/* Act on a USR2 that came after usr1 USR1. */
static void
freezesignal(long usr1)
{
	char *e;

	switch(usr1){
	case 1:
		if((e = buffreeze(1)) != NULL)
			freezerefused("freeze refused", e);
		break;
	case 2:
		if((e = buffreeze(0)) != NULL)
			freezerefused("unfreeze refused", e);
		break;
	default:
		warnx("USR2 after %ld USR1: expected 1 to freeze, 2 to unfreeze", usr1);
		break;
	}
}

/*
 * Act on the signals that have come, except those that end the process.
 */
static void
signals(void)
{
	char buf[64];
	long usr1;		/* sig_atomic_t is an int or a long */
	sigset_t usr2, was;

	while(read(sigpipe[0], buf, sizeof buf) == sizeof buf)
		;
	if(gothup){
		gothup = 0;
		checknics();
		hangup();
	}
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, &was);
	usr1 = gotusr2 - 1;
	gotusr2 = 0;
	sigprocmask(SIG_SETMASK, &was, NULL);
	if(usr1 >= 0)
		freezesignal(usr1);
}

/* Returns the shorter of two waits.  -1 means for ever. */
static int
sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/*
 * Advertise again if that is due.  Returns the milliseconds until the next
 * time, or -1.
 */
static int
advertiseagain(void)
{
	const uvlong period = (uvlong)ADVERTISE_S * 1000000;
	static uvlong due;
	uvlong now = microseconds();
	Nic *n;

	if(period == 0)
		return -1;
	if(due == 0)
		due = now + period;
	if(now >= due){
		due = now + period;
		for(n = nics; n < nics + conf.nnic; n++)
			advertise(n);
	}
	return (int)((due - now) / 1000) + 1;
}

/*
 * A device that goes may fail requests for a while before it reports that it
 * has gone, and no more requests may come.  So after an error it is asked from
 * time to time.  Returns the milliseconds until the next time, or -1.
 */
static int
askwait(void)
{
	enum { Ask = 500000, Enough = 600 };	/* microseconds; times */
	static uvlong errors, next;
	static int times;
	uvlong now;

	if(times == 0 && stats.errors == errors)
		return -1;
	now = microseconds();
	if(stats.errors != errors){
		errors = stats.errors;
		/* further errors don't delay the next time */
		if(times == 0)
			next = now + Ask;
		times = Enough;
	}
	if(now >= next){
		diskask();
		times--;
		next = now + Ask;
	}
	return diskgone() ? 0 : (int)((next - now + 999) / 1000);
}

/* Returns how long poll may wait, in milliseconds. */
static int
patience(int unsent)
{
	static uvlong stirred;		/* when a frame last came or went, or all could be sent */
	int ms = sooner(sooner(bufwait(), savewait()), sooner(infowait(), advertiseagain()));
	uvlong now = microseconds();
	Nic *n;

	ms = sooner(ms, askwait());
	if(loop.left)
		return 0;
	if(!unsent || loop.active)
		stirred = now;
	for(n = nics; n < nics + conf.nnic; n++)
		if(n->moved > stirred)
			stirred = n->moved;
	if(unsent)
		ms = sooner(ms, now - stirred < Stuck_us ? 1 : Stuck_us / 1000);
	if(loop.again)
		ms = sooner(ms, 20);
	return linkfd < 0 ? sooner(ms, 1000) : ms;
}

/*
 * Take turns as long as they find something, or polling for it is worthwhile.
 * This is learnt separately for the disk and for the initiators, as they
 * answer at rates of their own.  Returns turn's result, after at most
 * Awake_us, as signals and links need attention, too.
 */
static int
turns(void)
{
	enum { Awake_us = 10000 };
	static Looks looks[2];
	const uvlong spin = SPIN_US;
	uvlong t, start, since;
	int unsent;
	Looks *l;

	loop.busy = 0;
	unsent = turn();
	loop.active = loop.busy;
	if(!loop.busy || spin == 0)
		return unsent;
	for(t = start = microseconds(); loop.busy && t - start < Awake_us; looked(l, loop.busy)){
		l = &looks[bufbusy()];
		if(!worthlooking(l))
			break;
		since = t;
		do{
			loop.busy = 0;
			unsent = turn();
			t = microseconds();
		}while(!loop.busy && t - since < spin);
	}
	return unsent;
}

static void
serve(void)
{
	enum { Psignal, Plink, Pengine, Pnic };
	struct pollfd *pfd;
	int i, wait, woken, unsent = 0;

	info.stale = 1;
	pfd = calloc(Pnic + (size_t)conf.nnic, sizeof *pfd);
	if(pfd == NULL)
		err(1, "poll");
	pfd[Psignal] = (struct pollfd){ .fd = sigpipe[0], .events = POLLIN };
	pfd[Plink] = (struct pollfd){ .fd = linkfd, .events = POLLIN };
	pfd[Pengine] = (struct pollfd){ .fd = enginefd, .events = POLLIN };
	while(!gotterm && !diskgone()){
		for(i = 0; i < conf.nnic; i++){
			pfd[Pnic + i].fd = nicpoll(&nics[i], &pfd[Pnic + i].events);
			if(nics[i].nnotes > Notes / 2)
				pfd[Pnic + i].events &= ~POLLIN;
		}
		wait = enginesleep() ? 0 : patience(unsent);
		woken = poll(pfd, Pnic + (nfds_t)conf.nnic, wait);
		if(woken < 0)
			continue;
		info.stale |= woken > 0;
		if(pfd[Psignal].revents != 0)
			signals();
		if(pfd[Pengine].revents != 0)
			enginewake();
		if(pfd[Plink].revents != 0){
			linkread(linkfd);
			loop.again = 1;
		}
		for(i = 0; i < conf.nnic; i++)
			if(pfd[Pnic + i].revents & (POLLERR|POLLHUP)){
				nicerror(&nics[i]);
				loop.again = 1;
			}
		if(loop.again || linkfd < 0)
			checknics();
		unsent = turns();
		tellmanager();
	}
	free(pfd);
}

/* Set the serial number: shelf, slot and host name. */
static void
setserial(void)
{
	char serial[20 + 1];
	int n;

	n = snprintf(serial, sizeof serial, "%d.%d:", conf.shelf, conf.slot);
	gethostname(serial + n, sizeof serial - (size_t)n);
	serial[sizeof serial - 1] = 0;
	atainit(serial, conf.readonly, conf.sync);
}

static void
announce(void)
{
	Nic *n;

	for(n = nics; n < nics + conf.nnic; n++)
		if(!n->up)
			warnx("%s: down; waiting for it to come up", n->name);
	say("%llu bytes", bufsize() * Sector);
	say("engine %s, rings %s, sandbox %s", enginename(), rings(), sandboxname());
	say("pid %ld: e%d.%d, %llu sectors %s", (long)getpid(), conf.shelf, conf.slot, bufsize(),
		modes());
}

static void
ignore(Io *io)
{
	(void)io;
}

/* Is there a waiting answer that can still be sent? */
static int
unanswered(void)
{
	Nic *n;

	for(n = nics; n < nics + conf.nnic; n++)
		if(answerswait(n) && !stuck(n))
			return 1;
	return 0;
}

/*
 * Take turns without new frames until nothing is under way.
 */
static void
drain(void)
{
	struct pollfd pfd = { .fd = enginefd, .events = POLLIN };

	loop.closing = 1;
	bufclose();
	info.stale = 1;
	info.due = 0;
	for(turn(); bufbusy() || state.busy || info.busy || unanswered(); turn()){
		poll(&pfd, 1, enginesleep() || loop.left ? 0 : 10);
		enginewake();
	}
}

/* Returns what to log about a disk that can no longer be synced. */
static char*
toll(void)
{
	return conf.sync || conf.readonly ? "" : ": answered writes may be lost";
}

/*
 * The device has gone.  Fail all requests at once, as their initiators may
 * have another path, and those that come in the next second: an initiator may
 * have had no request under way.  Returns the exit status.
 */
static int
abandon(void)
{
	enum { Linger = 1000000 };	/* microseconds */
	uvlong end = microseconds() + Linger;
	int lingers;
	Nic *n;
	uint i;

	warnx("%s: the device is gone%s", conf.file, toll());
	for(i = 0; i < usedreqs; i++)
		if(reqs[i].active)
			ataabandon(&reqs[i].ata);
	while((lingers = microseconds() < end && !gotterm) || unanswered()){
		for(n = nics; n < nics + conf.nnic; n++){
			sendwaiting(n);
			if(lingers)
				takeframes(n);
			nickick(n);
			nicrelease(n);
		}
		poll(NULL, 0, 1);
	}
	return 1;
}

/*
 * Answer all requests that have come, and sync everything.  Returns the exit
 * status.
 */
static int
finish(void)
{
	Io last = { .op = Oflush, .done = ignore };
	uint i;

	for(i = 0; i <= RX_FRAMES(conf.bufcnt) / TURN_FRAMES; i++)
		turn();
	drain();
	bufio(&last);
	drain();
	if(last.error != 0)
		warnx("the last flush failed%s", toll());
	if(savenow() < 0)
		last.error = EIO;
	drain();
	return last.error != 0;
}

static void
opennics(void)
{
	char *e;
	int i;

	nics = calloc((size_t)conf.nnic, sizeof *nics);
	if(nics == NULL)
		err(1, "interfaces");
	for(i = 0; i < conf.nnic; i++){
		snprintf(nics[i].name, sizeof nics[i].name, "%s", conf.nic[i]);
		e = nicopen(&nics[i], conf.shelf, conf.slot, conf.bufcnt);
		if(e != NULL)
			errx(1, "%s", e);
	}
}

int
main(int argc, char **argv)
{
	Conf c;
	char *e;
	int status;

	freshstart();
	closefiles();
	e = getconf(&c, argc, argv);
	if(e != NULL)
		errx(1, "%s", e);
	if(c.help || c.version){
		fputs(c.help ? usage : "aoede " VERSION "\n", stdout);
		return 0;
	}
	logopen(lognowait);
	started = wallclock();
	if(aoeinit(&c) < 0)
		err(1, "-b %d: no memory for so many requests", c.bufcnt);
	if(conf.shelf == 4095)
		warnx("shelf 4095: the Linux driver refuses it");
	e = diskopen(&disk, conf.file, conf.readonly, conf.direct);
	if(e != NULL)
		errx(1, "%s", e);
	e = export();
	if(e != NULL)
		errx(1, "%s", e);
	e = aoerestore();
	if(e != NULL)
		errx(1, "%s", e);
	e = bufshadow(conf.shadow, conf.shadowmib, conf.readonly);
	if(e != NULL)
		errx(1, "%s", e);
	if((disk.direct || conf.behind) && bufpool(conf.pool, conf.behind) < 0)
		errx(1, "-c %u: no memory for that many MiB", conf.pool);
	opennics();
	setserial();
	linkfd = linkopen();
	if(conf.info != NULL && (e = infoopen(conf.info)) != NULL)
		errx(1, "%s", e);
	notifyopen(managersocket());
	if(engineopen(&enginefd) < 0)
		err(1, "can't open an engine for the disk");
	disarm();
	if(enginethreads() < 0)
		err(1, "can't start threads");
	catch();
	checknics();
	sandbox();
	firstinfo();
	announce();
	tellmanager();
	serve();
	notify("STOPPING=1\nSTATUS=e%d.%d: ending", conf.shelf, conf.slot);
	status = diskgone() ? abandon() : finish();
	inforemove();
	return status;
}
