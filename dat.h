/*
 * Types and wire constants, for every file.  Include libc's headers and
 * config.h first.
 *
 * Each of these words has one meaning in all files:
 *
 *	target		the disk that aoede serves at one shelf and slot
 *	initiator	a host that uses it; a Host once something is known of it
 *	request		a command, from its frame to its answer: a Req, its Ata and Io
 *	twins		two requests that are the same (Twin)
 *	sector		512 bytes, whatever the size of the disk's own sectors
 *	image		the file or device that is exported
 *	shadow		the file that takes the writes while the image is frozen
 *	home		the file, and the place in it, of a run's newest content (Home)
 *	run		sectors that follow each other in one file, or requests for them
 *	operation	one transfer, sync or trim of a file (Op)
 *	engine		carries out operations beside the loop
 *	turn		one pass of the loop
 *	slot		a frame's place in an interface's ring; also a part of the address
 *	room		memory that is to be filled with an answer or its data
 *	stable		sure to survive a power failure; a sync makes writes stable
 *	pool		blocks of the image in our own memory, with -d and -w
 *	dirty		answered but not yet on the disk (-w); flying while being written
 *	window		the mapping from which cached pages are copied
 *	held		waiting until the image is frozen, or until the state is saved
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

/*
 * An AoE frame: offsets from the Ethernet header.  The head of aoe.c describes
 * the whole frame.
 */
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

/* The command line. */
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
	char	*shadow;	/* -f; NULL: none */
	uvlong	shadowmib;	/* its largest content; 0: no limit */
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
	Nicname	= 128,		/* bytes of an interface's name, with its final 0 */
};

/* A network interface. */
struct Nic {
	char	name[Nicname];
	Ea	ea;
	int	mtu;		/* bytes, at most MAX_MTU */
	int	up;		/* it can send and receive frames of at least Minmtu */
	uvlong	drops;		/* frames dropped because the receive ring was full */
	Recent	*recent;		/* aoe.c's: recent requests, or NULL until needed */
	uint	taken;		/* frames taken since the ring was last empty */
	/* aoe.c's: ATA requests whose answers wait for a slot, the oldest first */
	Req	*late, *lastlate;
	Note	*notes;		/* other answers that wait: a ring, */
	uint	oldest;		/* the index of the oldest, */
	uint	nnotes;
	int	untold;		/* MACs that the advertisement has yet to be sent to */
	uvlong	moved;		/* when an answer last got a slot, in microseconds */
	int	bridged;	/* aoe.c's: that it is a port of a bridge has been logged */
	Port	*port;		/* linux.c or freebsd.c only */
};

/* What niccheck returns. */
enum {
	Nicsame,
	Nicdown,		/* it can no longer be used */
	Nicup,			/* it can be used again, or its MTU or MAC has changed */
	Nicagain,		/* call again soon: its buffers are still in use */
};

/* The file or device that is exported. */
struct Disk {
	uvlong	size;		/* bytes */
	uint	physical;	/* bytes of a physical sector */
	/* the unit of writes in bytes: a power of two from Sector to Blockmax */
	uint	block;
	int	rotation;	/* ATA word 217: 1 not rotating, 0 unknown */
	int	direct;		/* the page cache is bypassed */
};
extern Disk disk;

/* The largest number of sectors: 48 bits must hold their count, too. */
#define Maxlba ((1ULL << 48) - 1)

/* The files that hold the disk's data (Home.file). */
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

/*
 * The states of freezing.  Each transition is freezejobdone's unless another
 * function is named.
 */
enum {
	Fnone,
	/* by freeze: a shadow will be made when all answered writes are on the disk */
	Fpreparing,
	Fmaking,		/* by freezejob: it is being made */
	Fstopping,		/* writes must stop; without a shadow by freeze */
	/* by freezecancel: the shadow is being removed, as the freeze failed */
	Fcancelling,
	Fcommitting,		/* by freezejob: the image is being synced */
	Ffrozen,		/* writes go to the shadow */
	Fheld,			/* there is no shadow: writes are left unanswered */
	Fthawing,		/* by unfreeze: the coming merge is being recorded in the shadow */
	/* writes go to the image, and the shadow's sectors are moved to it */
	Fmerging,
	/* by freezejob: all is moved, which is being recorded in the shadow */
	Fending,
	Fremoving,		/* it is being removed */
	Funmarking,		/* the image's mark is being taken off */
};

/* The image's mark. */
enum {
	Marknone,
	Marklive,		/* the shadow has newer data than the image */
	Markgone,		/* it has if the shadow exists */
};

enum {
	Identmax	= 256,	/* bytes of an image's identity, with its final 0 */
	Jobapart	= 1,	/* freezejob's result: the job may run beside a sync, */
	Jobsync,		/* or is a sync itself, and there may be only one */

	/* an Io's error: impossible now; the initiator gets no answer and sends it again */
	Unanswered	= -1,
};

struct Range {
	uvlong	lba;
	uint	nsec;
};

/*
 * An operation of the engine.  The caller keeps it until done is called.  The
 * vector is modified.
 */
struct Op {
	int	op;		/* Oread, Owrite, Otrim, Oflush, Owork */
	int	file;		/* Image or Shadow */
	struct iovec *iov;	/* of a read or write */
	int	niov;
	uvlong	off;		/* bytes */
	uvlong	len;		/* of a trim */
	/* of an Owork: called outside the loop, so it may wait; sets error */
	void	(*work)(Op*);
	void	(*done)(Op*);

	size_t	moved;		/* bytes */
	int	error;		/* 0, or an errno */

	uvlong	begun;		/* posix.c only: when it began, in microseconds */

	/* linux.c or freebsd.c only */
	Op	*next;
	int	fd;
};

/* What an Io or Op does. */
enum {
	Oread,
	Owrite,
	Overify,		/* a read that returns no data */
	Otrim,
	Oflush,
	Owork,			/* for the engine only */
};
/* buf.c only: an entry in the list of requests under way in a stretch of the disk. */
struct Knot {
	Io	*io;
	Knot	*next;
	Knot	**prev;
};

/*
 * A request to buf.c.  The caller keeps it until done is called, which may
 * happen before bufio returns.
 */
struct Io {
	int	op;
	int	stable;		/* of a write or trim: done only when it is on stable storage */
	uvlong	lba;
	uint	nsec;
	uchar	*data;		/* a write's data; lent until bufcommit returns */
	Range	*range;		/* a trim's ranges, in order; lent until done */
	int	nrange;
	/* returns where a read shall put its data, maybe space; called at most once, just before */
	uchar	*(*room)(Io*);
	void	(*done)(Io*);

	/* Spacesize bytes at a page boundary that belong to the Io for good */
	uchar	*space;

	/* 0, an errno (ERANGE: it lies beyond the end of the disk by now), or Unanswered */
	int	error;
	uvlong	badlba;		/* of a failed read or verify: the first bad sector */

	/* buf.c only */
	int	state;		/* see the table in buf.c */
	Io	*link;		/* the next in the list of its state */
	Knot	knot[2];	/* its entries in the order (inv. 1 of buf.c) */
	int	ordered;	/* it is in the order */
	int	own;		/* Ownfill or Ownmove: buf.c's own request; 0: a user's */
	int	file;		/* of a write or trim: the file it goes to */
	uvlong	came;		/* its number among users' requests */
	uvlong	began;		/* its number among requests begun, or Notbegun */
	uvlong	from, to;	/* the sectors it concerns; to is after the last */
	uint	blockers;	/* how many requests it must wait for */
	uint	waiters;	/* how many wait for it */
	uint	parts;		/* of a trim: ranges not trimmed yet */
	uint	progress;	/* of a request of several steps: sectors done, */
	uint	step;		/* and sectors of the step under way */
	/* what failed together with others is tried again alone: sectors of a step */
	/* before this one; a write, if it is not 0 */
	uint	careful;
	uint	pass;		/* of a flush with -w: the pass that it waits for */
	/* the same number as others in the same operation; 0: it is in none */
	uint	batch;
};

/* Whether polling or waiting for the next event pays (worthlooking). */
struct Looks {
	uint	vain;		/* looks in vain, less those that found something */
	uint	skip;		/* times to skip before the next look */
};

/* A request's identity: two requests with equal Twins are the same request. */
struct Twin {
	uvlong	who;		/* the initiator */
	uvlong	what;		/* command, LBA and count */
	uint	tag;
	uint	feature;

	Twin	*next;		/* tags.c only */
};

/* An ATA command on its way through ata.c. */
struct Ata {
	Io	io;		/* first, so that ata.c's Io is an Ata */

	/* the registers: of the request, then of the answer */
	uchar	aflags;
	uchar	feature;	/* answered: the Error register */
	uchar	count;		/* answered: sectors not transferred */
	uchar	cmd;		/* answered: the Status register */
	uchar	lba[6];		/* least significant byte first */

	uchar	*payload;	/* what followed the registers; lent until done */
	uint	npayload;	/* bytes */
	uint	maxsec;		/* sectors that fit into a frame of this NIC */
	int	barred;		/* the target is reserved for others */
	Tags	*tags;		/* what is remembered of the initiator's writes, or NULL */
	uvlong	place;		/* in it (tagsplace); */
	uvlong	what;		/* command, LBA and count, as in Twin */
	uchar	*(*room)(Ata*);	/* returns where the answer's data goes; called at most once */
	void	(*done)(Ata*);

	int	ext;		/* ata.c only: the LBA has 48 bits */
	/* Eok, Unanswered, or the AoE error that refuses the command */
	int	aoeerror;
	uint	nreply;		/* bytes of data in the answer */
};

/* An initiator that has negotiated features or whose writes are remembered. */
struct Host {
	uvlong	who;		/* its MAC as a number, made by macof */
	int	negotiated;	/* it has negotiated features, so -t and -T don't apply to it */
	int	counter;	/* its tags count up: Counterle, Counterbe, or 0 */
	int	coalesce;	/* coalesced_read */
	int	crc;		/* crc8x4 */
	uvlong	slow;		/* its network is congested until then, in microseconds */
	uvlong	burst;		/* aoe.c's: when its last burst of reads began, in microseconds, */
	uint	begun;		/* how many reads the burst has, */
	/* and how many reads sent under congestion are under way */
	uint	reads;
	Tags	*tags;		/* its writes that were done, or NULL */

	/* tags.c only */
	Host	*chain;
	Host	*newer, *older;
};

enum {
	Counterle	= 1,	/* little-endian on the wire */
	Counterbe	= 2,
};

/* A kind of message whose rate is limited. */
struct Few {
	uint	period;		/* seconds in which at most LOG_RATE are printed */
	uvlong	since;		/* microseconds */
	uint	said;		/* messages since then, printed or not */
};

enum {
	/* each 4 times the previous: 16, 64, 256 ... microseconds, and longer */
	Latencies	= 9,
};

/*
 * The counters that the info file has.  HUP prints them too, but for requests,
 * freezes, unfreezes, refusals and latencies.  Each is counted by the file named.
 */
struct Stats {
	uvlong	frames;		/* aoe.c: frames accepted, */
	uvlong	dropped;	/* requests and answers dropped for lack of room, */
	uvlong	slotwaits;	/* and answers that waited for a transmit slot */
	uvlong	requests;	/* aoe.c: ATA commands begun */
	uvlong	reads;		/* buf.c: requests and sectors */
	uvlong	readsec;
	uvlong	writes;
	uvlong	writesec;
	uvlong	trims;
	uvlong	flushes;
	uvlong	hits;		/* buf.c: reads answered from memory */
	uvlong	aheadused;		/* cache.c: blocks read ahead that were used, */
	uvlong	aheadunused;	/* and that were not */
	/* buf.c: reads and writes of the disk, and requests joined to another's */
	uvlong	transfers;
	uvlong	joined;
	uvlong	twins;		/* aoe.c: requests dropped because their twin was under way, */
	uvlong	waiting;	/* or had waited in the ring with them */
	uvlong	repeated;	/* ata.c: writes answered without doing them again */
	uvlong	corrupted;	/* aoe.c: writes whose CRC did not match */
	uvlong	congested;	/* aoe.c: reads dropped as their initiator reported congestion */
	uint	underway;		/* aoe.c: requests under way, and their maximum */
	uint	most;
	uvlong	errors;		/* buf.c: requests and syncs that the disk failed */
	/* aoe.c: frames refused by the mask list, */
	uvlong	masked;
	uvlong	barred;		/* or by the reservation */
	uvlong	freezes;	/* freeze.c: freezes that took effect, */
	uvlong	unfreezes;	/* freezes that have ended, */
	uvlong	refusals;	/* and freezes or unfreezes that were refused or failed */
	/* posix.c: disk operations by duration, and the sum of all durations in microseconds */
	uvlong	latency[Latencies];
	uvlong	latencysum;
};
extern Stats stats;
