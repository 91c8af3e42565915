/*
 * memsys: an operating system in memory, for tests that link the daemon's
 * files with it instead of linux.c.  What it checks by itself, and how it
 * complains, stands in memsys.c.  Include dat.h first.
 */
typedef struct Mem	Mem;
typedef struct Call	Call;

/* Operations that can fail and are counted. */
enum {
	Mread,
	Mwrite,
	Msync,
	Mtrim,
	Msize,
	Mwork,			/* an Owork */
	Mmake,			/* shadowmake, shadowname and shadowremove */
	Mname,
	Mremove,
	Mops,

	Memdied	= 99,		/* the exit status of a process that has died */

	Mcalls	= 1024,		/* calls of which mem.call keeps a record */
	Mnics	= 8,
	Mpage	= 4096,		/* of the page cache */
};

struct Call {
	int	op;
	int	file;
	uvlong	off;		/* bytes */
	uvlong	len;
	int	niov;
};

struct Mem {
	/* the disk; to be set at will, and back to normal by memdisk */
	uchar	*image;
	uvlong	size;		/* bytes that it says it has */
	uvlong	eof;		/* bytes that it really has: the file has shrunk */
	uvlong	lo;		/* whoever touches a byte outside lo to hi */
	uvlong	hi;		/* (the export) ends the program */
	int	readonly;	/* whoever writes ends the program */
	int	gone;		/* the device is */
	int	going;		/* and that will be known when it is asked for */
	uint	grain;		/* a read or write that fails has moved a multiple of this many bytes */

	/*
	 * The engine.  With all of these 0 what was started ends in the next
	 * round of enginereap, in order.  Chances are once in so many.
	 */
	uint	late;		/* an operation takes up to so many rounds longer */
	int	shuffled;	/* those that end in a round end in any order */
	int	through;	/* a write to the shadow that fails is in the page cache all the same */
	int	torn;		/* sectors move one by one, in any order, at any time between start and end */
	int	held;		/* nothing ends */
	uint	balk;		/* chance that an operation is not taken, nor any behind it */

	/* the page cache; of no meaning with disk.direct */
	int	window;		/* diskmap works */
	uint	evict;		/* chance that a page is dropped in a round */
	uint	copyfail;	/* chance that disktouch fails */
	int	nostall;	/* disktouch or diskcopy of a page that is absent ends the program */
	int	tryless;	/* disktry returns less than it could */

	/* the shadow */
	uint	room;		/* pages that it may take up */
	int	nomark;		/* an image can't bear a mark */
	uvlong	changed;	/* when the image was, as far as anyone says; 0: nobody does */
	int	badmark;	/* imagemark finds no way to mark it now, with this errno */
	int	noholes;	/* of its file system */
	int	locked;		/* by somebody else */
	uint	unfreed;	/* pieces of those removed whose space is not given back, */
	uint	freed;		/* and those that have been */
	uint	ident;		/* which image it is */

	/* death */
	uvlong	life;		/* points that are left to this process; 0: it lives on */
	uvlong	worklife;	/* points in Oworks, likewise */
	uint	writeback;	/* chance at a point that the kernel brings some sectors to the disk */

	/* the clock, when not 0, in nanoseconds; the system's clock otherwise */
	uvlong	clock;
	uvlong	tick;		/* each round adds so much */
	uint	slow;		/* chance that a diskwrite takes slowtime */
	uvlong	slowtime;

	/* the state file */
	uchar	*state;		/* NULL: none; else from malloc */
	size_t	statelen;
	int	statefail;	/* statesave fails with this errno */

	/* the log */
	int	quiet;		/* what the daemon says with warnx goes nowhere */
	uvlong	warned;		/* how often it has said something */

	/* what was done to it */
	uvlong	count[Mops];
	uvlong	tries;		/* calls of disktry and diskcopy */
	uvlong	copies;
	uvlong	stalls;		/* copies that waited */
	uvlong	sleeps;		/* and transfers */
	uvlong	pushes;		/* calls of diskpush */
	uvlong	ahead;		/* bytes that diskahead was asked for */
	uvlong	looks;		/* and of diskincore, */
	uvlong	looked;		/* and the pages that these asked about */
	uint	underway;	/* operations started and not ended */
	uint	unkicked;	/* of them, those not yet kicked */
	uvlong	unstable;	/* writes and trims that no sync has covered */
	uchar	*stable;	/* what would be left of the image without power; NULL for a large disk */
	Call	call[Mcalls];
	int	ncall;		/* of them; memcalls starts anew */

	/* the network */
	Nic	*nic[Mnics];	/* in the order they were opened */
	int	nnic;
	uint	txslots;	/* length of a transmit ring */
	int	stuck;		/* nothing leaves the transmit rings, */
	uint	kicks;		/* until so many kicks more; 0: for ever */
	uchar	fill;		/* changes the pattern that room is filled with */
	void	(*idle)(void);	/* called when the daemon's loop is about to wait */
};
extern Mem mem;

/* The disk. */

/*
 * A disk of so many bytes, in working order.  Its bytes are zero, and
 * memory is only used for those that are written.
 */
void	memdisk(uvlong size);

/*
 * From here on the disk is shared with children: whatever outlives a process
 * outlives them.  Only who has called this may call memdisk.
 */
void	memshare(void);

/*
 * Have buf.c map the disk anew at the next bufinit, after a change of
 * mem.window or disk.direct; it does so when the disk's size changes.
 */
void	memremap(void);

/* Only these sectors may be touched. */
void	memwindow(uvlong first, uvlong n);

/* Fill n sectors with what sector number and seed make of them. */
void	mempattern(uvlong lba, uvlong n, uint seed);

/* What the image holds now has always been there. */
void	memsettle(void);

/*
 * The operation op fails with this errno when it touches one of n sectors
 * (of the image, not of the export): the next times times, or always when
 * times is 0.  A sync touches every sector.
 */
void	memfault(int op, uvlong sector, uvlong n, int error, int times);

/* The same for a file, Image or Shadow. */
void	memfaultof(int file, int op, uvlong sector, uvlong n, int error, int times);

/* The operation op on this file fails once, when it was done so many times. */
void	memfaultlater(int file, int op, int error, int after);

/*
 * Operations of this kind that touch one of these sectors don't end, until
 * memrelease.
 */
void	memhold(int op, uvlong sector, uvlong n);
void	memrelease(void);

/* The pages that hold these sectors are dropped from the page cache. */
void	memevict(uvlong sector, uvlong n);

/* Are all pages that hold these sectors in the page cache? */
int	memresident(uvlong sector, uvlong n);

/* Begin the engine's random numbers anew. */
void	memseed(uvlong);

/*
 * Random numbers: the next of a sequence, whose state is the caller's; and the
 * state that a seed begins with.
 */
uvlong	memrandom(uvlong *state);
uvlong	memrandomstate(uvlong seed);

/* What write number id leaves in sector lba: the sector says who wrote it. */
void	memstamp(uchar *sector, int id, uvlong lba);

/* Die now: exit with Memdied. */
_Noreturn void	memdie(void);

/*
 * The power goes: the disk holds what is stable, and some of what isn't;
 * operations under way never end.  Of a shadow and an image's mark the same
 * is true.
 */
void	mempower(void);

/* The bytes of the file that has the shadow's name; NULL: none has. */
uchar	*memshadow(uvlong *size);

/* What a shadow's map has for 16 sectors from 16 * no on, as the comment in freeze.c has it. */
uint	memunit(uvlong no, uint sectors);

/*
 * Whether a shadow's map says that the shadow has this sector; -1 when the map
 * is damaged there.
 */
int	memhas(const uchar *map, uvlong lba, uint version);

/*
 * Change bits of a byte of the shadow, on the disk too.  Returns -1 where there
 * is a hole.
 */
int	memflip(uvlong at, uchar bits);

/* The kernel brings all that it has to the disk, of its own accord. */
void	memwriteback(void);

/* Pages that shadows take up. */
uint	memtaken(void);

/* The image's mark: Marknone, ... */
int	memmark(void);

/*
 * Let the engine work until no request is under way, or for so many rounds.
 * Returns bufbusy's answer.
 */
int	memdrain(uint rounds);

/* All faults are gone. */
void	memheal(void);

/* Forget the calls recorded. */
void	memcalls(void);

/* The network. */

/* Make n an interface that is up; what it had queued before is gone. */
void	memnic(Nic *n, const char *name, int id, int mtu);

/* What niccheck will find; again: Nicagain so many times first. */
void	memlink(Nic *n, int up, int mtu, int again);

/* A frame comes in. */
void	memput(Nic *n, const uchar *f, uint len);

/*
 * The next frame that went out, its length in *len, or NULL; good until
 * the next memget for the same interface.
 */
uchar	*memget(Nic *n, uint *len);

/* Frames that came in and were not yet taken. */
int	memwaiting(Nic *n);

/* Forget every interface. */
void	memnonics(void);

/* A turn of the loop for one interface, as aoe.c's: all that came in. */
void	memround(Nic *n);

/* Turns, until nothing is under way. */
void	memturn(Nic *n);
