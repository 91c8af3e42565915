/*
 * Types and wire constants, for every file.  Include libc's headers and
 * config.h first.
 *
 * Words that mean one thing each, in all files:
 *
 *	target		the disk that aoede serves at one shelf and slot
 *	initiator	a host that uses it; a Host once there is something to know
 *	request		a command, from its frame to its answer: a Req, its Ata and Io
 *	twins		two requests that are the same (Twin)
 *	sector		512 bytes, whatever the size of the disk's own sectors
 *	image		the file or device that is exported
 *	shadow		the file that takes the writes while the image is frozen
 *	home		the file, and place in it, of a run's newest content (Home)
 *	run		sectors that follow each other in one file, or requests for them
 *	operation	one transfer, sync or trim of a file (Op)
 *	engine		carries out operations beside the loop
 *	turn		the loop, once round
 *	slot		a frame's place in an interface's ring; also a part of the address
 *	stable		sure to survive a power failure
 *	sync		what makes writes stable
 *	pool		blocks of the image in our own memory, with -d and -w
 *	dirty		answered but not yet on the disk (-w); while being written, flying
 *	window		the mapping from which cached pages are copied
 *	held		waiting for the image to stand still, or for the state to be saved
 *	barred		refused because the target is reserved for others
 */
typedef unsigned char	uchar;
typedef unsigned short	ushort;
typedef unsigned int	uint;
typedef unsigned long long	uvlong;

typedef struct Ea	Ea;
typedef struct Conf	Conf;
typedef struct Nic	Nic;
typedef struct Port	Port;
typedef struct Disk	Disk;
typedef struct Range	Range;
typedef struct Home	Home;
typedef struct Op	Op;
typedef struct Io	Io;
typedef struct Knot	Knot;
typedef struct Ata	Ata;
typedef struct Req	Req;
typedef struct Note	Note;
typedef struct Stats	Stats;
typedef struct Twin	Twin;
typedef struct Recent	Recent;
typedef struct Tags	Tags;
typedef struct Host	Host;
typedef struct Few	Few;
typedef struct Looks	Looks;

/* An AoE frame: offsets from the Ethernet header.  The head of aoe.c has its whole form. */
enum {
	Odst		= 0,	/* dst[6] */
	Osrc		= 6,	/* src[6] */
	Otype		= 12,	/* type[2] */
	Overflag	= 14,	/* version, flags[1] */
	Oerror		= 15,	/* error[1] */
	Omajor		= 16,	/* shelf[2] */
	Ominor		= 18,	/* slot[1] */
	Ocmd		= 19,	/* command[1] */
	Otag		= 20,	/* tag[4] */
	Oarg		= 24,	/* the command's argument */
	Odata		= 36,	/* an ATA command's data */
	Framemin	= 60,	/* least length of a frame sent, without its FCS */

	Aoetype		= 0x88a2,
	Aoever		= 1,
	Fresp		= 0x08,
	Ferror		= 0x04,

	Cata		= 0,	/* commands */
	Cconfig		= 1,
	Cmask		= 2,
	Creserve	= 3,
	Cextend		= 0x23,

	Eok		= 0,	/* errors */
	Ebadcmd		= 1,
	Ebadarg		= 2,
	Edevice		= 3,
	Econfset	= 4,
	Eversion	= 5,
	Ereserved	= 6,

	Allshelves	= 0xffff,
	Allslots	= 0xff,
	Maxmacs		= 255,	/* of a mask list or a reservation */
	Maxconf		= 1024,	/* bytes of a config string */
};

struct Ea {
	uchar	a[6];
};

/* What the command line said. */
struct Conf {
	int	shelf;
	int	slot;
	int	bufcnt;
	int	direct;		/* -d */
	int	readonly;	/* -r */
	int	sync;		/* -s */
	int	behind;		/* -w */
	int	rxtags;		/* -t */
	int	writetags;	/* -T */
	uint	pool;		/* -c, MiB */
	char	*shadow;	/* -f, or NULL */
	uvlong	shadowmib;	/* most that it may hold; 0: anything */
	uvlong	offset;		/* -o, sectors */
	uvlong	length;		/* -l, sectors; 0: to the end */
	Ea	mask[Maxmacs];	/* -m */
	int	nmask;
	char	**nic;		/* netif ... */
	int	nnic;
	char	*file;
	char	*state;		/* -S */
	char	*info;		/* -i */
	int	locked;		/* -L */
	int	unreserved;	/* -R */
	int	help;		/* -h */
	int	version;	/* -V */
};

enum {
	Nicname	= 128,		/* bytes of an interface's name, with a 0 at its end */
};

/* A network interface. */
struct Nic {
	char	name[Nicname];
	Ea	ea;
	int	mtu;		/* bytes, at most MAX_MTU */
	int	up;		/* can send and receive now, frames of Minmtu at least */
	uvlong	drops;		/* frames dropped for want of room */
	Recent	*recent;		/* aoe.c's: what came in by it lately, once anyone wants to know */
	uint	taken;		/* frames taken since it was last empty */
	/* aoe.c's: ATA requests whose answers wait for a slot, the oldest first, */
	Req	*late, *lastlate;
	Note	*notes;		/* other answers that do: a ring, */
	uint	oldest;		/* the first of them in it, */
	uint	nnotes;
	int	untold;		/* and how many MACs are yet to hear the advertisement */
	uvlong	moved;		/* when one of them last got a slot, in microseconds */
	int	bridged;	/* aoe.c's: have said that it is a port of a bridge */
	Port	*port;		/* linux.c or freebsd.c only */
};

/* What niccheck found. */
enum {
	Nicsame,
	Nicdown,		/* it can't be used any more */
	Nicup,			/* it can be used, and is new, or has another MTU or MAC */
	Nicagain,		/* look again in a moment: its buffers are still in use */
};

/* The file or device that is exported. */
struct Disk {
	uvlong	size;		/* bytes */
	uint	physical;	/* bytes of a physical sector */
	/* bytes that a write should be a multiple of: a power of two from Sector to Blockmax */
	uint	block;
	int	rotation;	/* ATA word 217: 1 not rotating, 0 not known */
	int	direct;		/* the page cache is bypassed */
};
extern Disk disk;

/* Sectors that 48 bits can number, less one, as their count must fit too. */
#define Maxlba ((1ULL << 48) - 1)

/* The files that hold the disk's data. */
enum {
	Image,
	Shadow,
	Nfiles,
};

/* Where a run of sectors lives. */
struct Home {
	int	file;
	uvlong	off;		/* bytes */
};

/* How far freezing has come; who makes the step is named where it isn't freezejobdone. */
enum {
	Fnone,
	/* freeze: a shadow is to be made, when what was answered has been written */
	Fpreparing,
	Fmaking,		/* freezejob: it is being made */
	Fstopping,		/* writes must stop; without a shadow, freeze */
	/* freezecancel: the shadow is being removed, as the image can't stand still */
	Fcancelling,
	Fcommitting,		/* freezejob: the image is being synced */
	Ffrozen,		/* writes go to the shadow */
	Fheld,			/* there is no shadow: writes are left unanswered */
	Fthawing,		/* unfreeze: the shadow is told that it will be merged */
	/* writes go to the image, and the shadow's sectors are moved there */
	Fmerging,
	/* freezejob: the shadow is empty, and is being told that it is of no use */
	Fending,
	Fremoving,		/* it is being removed */
	Funmarking,		/* the image's mark is being taken off */
};

/* What the image's mark says. */
enum {
	Marknone,
	Marklive,		/* the shadow has data */
	Markgone,		/* it has if it exists */
};

enum {
	Identmax	= 256,	/* bytes of an image's identity, with a 0 at its end */
	Jobapart	= 1,	/* a job for freezing that may go on beside a sync, */
	Jobsync,		/* or is one, so that no other may be under way */

	/* an Io's error: it can't be done now, and shall be left for the initiator to send again */
	Unanswered	= -1,
};

struct Range {
	uvlong	lba;
	uint	nsec;
};

/*
 * An operation of the engine.  Whoever starts it keeps it until done is
 * called; the vector is used up.
 */
struct Op {
	int	op;		/* Oread, Owrite, Otrim, Oflush, Owork */
	int	file;		/* Image or Shadow */
	struct iovec *iov;	/* of a read or write */
	int	niov;
	uvlong	off;		/* bytes */
	uvlong	len;		/* of a trim */
	/* of an Owork: called outside the loop, where it may wait; sets error */
	void	(*work)(Op*);
	void	(*done)(Op*);

	size_t	moved;		/* bytes */
	int	error;		/* 0, or an errno */

	uvlong	begun;		/* posix.c only: when; microseconds */

	/* linux.c or freebsd.c only */
	Op	*next;
	int	fd;
};

/*
 * Work for buf.c.  Whoever fills it in keeps it until done is called,
 * which may happen before the call that handed it down returns.
 */
enum {
	Oread,
	Owrite,
	Overify,		/* read without a place to read to */
	Otrim,
	Oflush,
	Owork,			/* for the engine only */
};
/* buf.c only: a place on the list of what is under way in a stretch of the disk. */
struct Knot {
	Io	*io;
	Knot	*next;
	Knot	**prev;
};

struct Io {
	int	op;
	int	stable;		/* a write: done only when it is on stable storage */
	uvlong	lba;
	uint	nsec;
	uchar	*data;		/* a write's; lent until bufcommit returns */
	Range	*range;		/* a trim's, in order; lent until done */
	int	nrange;
	/* where a read puts its data, which may be space; called just before, at most once */
	uchar	*(*room)(Io*);
	void	(*done)(Io*);

	/* Spacesize bytes at a page boundary, the Io's for as long as there is one */
	uchar	*space;

	/* 0, an errno (ERANGE: the disk has become too small for it), or Unanswered */
	int	error;
	uvlong	badlba;		/* the first bad sector, when a read or verify failed */

	/* buf.c only */
	int	state;		/* buf.c's: how far it has come */
	Io	*link;		/* on the list of its state */
	Knot	knot[2];	/* in the order */
	int	ordered;	/* it has a place there */
	int	own;		/* nobody's request but buf.c's: Ownfill or Ownmove */
	int	file;		/* a write's or trim's: where it goes */
	uvlong	came;		/* its place among the requests of users */
	uvlong	began;		/* its place among what is begun, or Notbegun */
	uvlong	from, to;	/* it concerns sectors from from to before to */
	uint	blockers;	/* what it must wait for in the order */
	uint	waiters;	/* what waits for it */
	uint	parts;		/* a trim's ranges that have not been trimmed yet */
	uint	progress;	/* of a request of several steps: sectors done */
	uint	pass;		/* of a flush with -w: the pass that it waits for */
	int	alone;		/* it failed together with others, and is not to be joined to any */
	/* others with the same number are in the same operation; 0: none are */
	uint	batch;
	uint	careful;	/* a verify: up to this sector, one at a time */
};

/* Whether it is worth looking, or waiting, for what comes next (worthlooking). */
struct Looks {
	uint	vain;		/* looks that were in vain, less those that weren't */
	uint	skip;		/* times not to look before the next */
};

/* What tells one request from another: two with the same Twin are the same request. */
struct Twin {
	uvlong	who;		/* the initiator */
	uvlong	what;		/* command, LBA and count */
	uint	tag;
	uint	feature;

	Twin	*next;		/* tags.c only */
};

/* An ATA command on its way through ata.c. */
struct Ata {
	Io	io;		/* first, so that an Io of ata.c's is an Ata */

	/* the registers: as they came, then as they shall be answered */
	uchar	aflags;
	uchar	feature;	/* answered: the Error register */
	uchar	count;		/* answered: sectors not transferred */
	uchar	cmd;		/* answered: the Status register */
	uchar	lba[6];		/* least significant byte first */

	uchar	*payload;	/* what came behind the registers; lent until done */
	uint	npayload;	/* bytes */
	uint	maxsec;		/* sectors that a frame of this NIC can carry */
	int	barred;		/* the disk is reserved, and not by this initiator */
	Tags	*tags;		/* the initiator's memory of writes, or NULL */
	uvlong	place;		/* in it (tagsplace); */
	uvlong	what;		/* command, LBA and count, as in Twin */
	uchar	*(*room)(Ata*);	/* where the answer's data goes; called at most once */
	void	(*done)(Ata*);

	int	ext;		/* ata.c only: the LBA has 48 bits */
	/* Eok, or the command is refused with this AoE error, or Unanswered */
	int	aoeerror;
	uint	nreply;		/* bytes of data in the answer */
};

/* An initiator of whom something is known: features it has negotiated, writes it has done. */
struct Host {
	uvlong	who;		/* its MAC, as macof makes a number of it */
	int	negotiated;	/* it has features of its own, so that -t and -T don't concern it */
	int	counter;	/* its tags are one: Counterle, Counterbe, or 0 */
	int	coalesce;	/* coalesced_read */
	int	crc;		/* crc8x4 */
	uvlong	slow;		/* its network is congested until then, in microseconds */
	uvlong	burst;		/* aoe.c's: when its last burst of reads began, */
	uint	begun;		/* how many of that there have been, */
	/* and of those that came while it was congested, how many are under way */
	uint	reads;
	Tags	*tags;		/* its writes that are done, or NULL */

	/* tags.c only */
	Host	*chain;
	Host	*newer, *older;
};

enum {
	Counterle	= 1,	/* little-endian on the wire */
	Counterbe	= 2,
};

/* A kind of message of which few are printed. */
struct Few {
	uint	period;		/* seconds: at most LOG_RATE in so many */
	uvlong	since;		/* microseconds */
	uint	said;		/* since then, printed or not */
};

enum {
	/* each 4 times the one before: 16, 64, 256 ... microseconds, and what took longer */
	Latencies	= 9,
};

/* What HUP prints, and the info file has; each file counts its own. */
struct Stats {
	uvlong	frames;		/* aoe.c: frames that were ours, */
	uvlong	dropped;	/* ATA requests that found no room and must come again, */
	uvlong	slotwaits;	/* and answers that waited for a slot of a transmit ring */
	uvlong	requests;	/* aoe.c: ATA commands that were begun */
	uvlong	reads;		/* buf.c: requests and sectors */
	uvlong	readsec;
	uvlong	writes;
	uvlong	writesec;
	uvlong	trims;
	uvlong	flushes;
	uvlong	hits;		/* buf.c: reads answered from memory */
	uvlong	aheadused;		/* buf.c: blocks read ahead that were used, and that were not */
	uvlong	aheadunused;
	/* buf.c: reads and writes of the disk, and requests that joined another's */
	uvlong	transfers;
	uvlong	joined;
	uvlong	twins;		/* aoe.c: requests dropped as their twin was under way, */
	uvlong	waiting;	/* or had waited in the ring with them */
	uvlong	repeated;	/* ata.c: writes answered and not done again */
	uvlong	corrupted;	/* aoe.c: writes whose CRC did not match */
	uvlong	congested;	/* aoe.c: reads dropped as their initiator's network is congested */
	uint	underway;		/* aoe.c: requests under way, and the most there were */
	uint	most;
	uvlong	errors;		/* buf.c: requests and syncs that the disk failed */
	/* aoe.c: frames refused, as their sender is not on the mask list, */
	uvlong	masked;
	uvlong	barred;		/* or the disk is reserved */
	uvlong	freezes;	/* freeze.c: that took effect, */
	uvlong	unfreezes;	/* of them, those that were ended, */
	uvlong	refusals;	/* and those that were not done */
	/* posix.c: operations of the disk that took at most so long, and the microseconds of all */
	uvlong	latency[Latencies];
	uvlong	latencysum;
};
extern Stats stats;
