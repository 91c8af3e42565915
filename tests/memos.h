/*
 * memos: an operating system in memory, for tests that link the daemon's
 * files with it instead of linux.c.  What it checks by itself, and how it
 * complains, stands in memos.c.  Include dat.h first.
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
	Mops,

	Mcalls	= 1024,		/* calls of which mem.call keeps a record */
	Mnics	= 8,
};

struct Call {
	int	op;
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
	int	direct;		/* memory must be aligned as O_DIRECT wants */
	uint	grain;		/* a read or write that fails has moved a multiple of this many bytes */

	/* what was done to it */
	uvlong	count[Mops];
	uvlong	unstable;	/* writes and trims that no sync has covered */
	Call	call[Mcalls];
	int	ncall;		/* of them; memcalls starts anew */

	/* the network */
	Nic	*nic[Mnics];	/* in the order they were opened */
	int	nnic;
	uint	txslots;	/* length of a transmit ring */
	int	stuck;		/* nothing leaves the transmit rings */
	uchar	fill;		/* changes the pattern that room is filled with */
	uvlong	lost;		/* answers for which there was no room */
	void	(*idle)(void);	/* called when the daemon's loop is about to wait */
};
extern Mem mem;

/* The disk. */

/*
 * A disk of so many bytes, in working order.  Its bytes are zero, and
 * memory is only used for those that are written.
 */
void	memdisk(uvlong size);

/* Only these sectors may be touched. */
void	memwindow(uvlong first, uvlong n);

/* Fill n sectors with what sector number and seed make of them. */
void	mempattern(uvlong lba, uvlong n, uint seed);

/*
 * The operation op fails with this errno when it touches one of n sectors
 * (of the image, not of the export): the next times times, or always when
 * times is 0.  A sync touches every sector.
 */
void	memfault(int op, uvlong sector, uvlong n, int error, int times);

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
void	memturn(Nic *n);
