/*
 * A small AoE initiator for the test suite: frames built field by field,
 * sent and received by a packet socket, and a window of ATA transfers.
 * Every number here is taken from the protocol, not from the daemon, so
 * that a mistake in the daemon's constants can't hide in its tests.
 */
#include <stddef.h>
#include <stdint.h>

enum {
	Ethertype	= 0x88A2,
	Ethermin	= 60,		/* shortest frame, without FCS */
	Ethermax	= 14 + 9216,	/* longest we build */

	/* offsets in the frame */
	Odst		= 0,
	Osrc		= 6,
	Otype		= 12,
	Over		= 14,		/* version and flags */
	Oerr		= 15,
	Oshelf		= 16,
	Oslot		= 18,
	Ocmd		= 19,
	Otag		= 20,
	Oarg		= 24,

	Oaflags		= 24,		/* ATA */
	Ofeature	= 25,
	Ocount		= 26,
	Oatacmd		= 27,
	Olba		= 28,
	Odata		= 36,

	Obufcnt		= 24,		/* config */
	Ofirmware	= 26,
	Oscnt		= 28,
	Occmd		= 29,
	Oslen		= 30,
	Ostring		= 32,

	Omcmd		= 25,		/* mask list */
	Omerr		= 26,
	Omcount		= 27,
	Omdir		= 28,

	Orcmd		= 24,		/* reservation */
	Orcount		= 25,
	Ormac		= 26,

	Version		= 0x10,
	Fresp		= 0x08,
	Ferror		= 0x04,

	Allshelves	= 0xFFFF,
	Allslots	= 0xFF,

	Cata		= 0,
	Cconfig		= 1,
	Cmask		= 2,
	Creserve	= 3,

	Ebadcmd		= 1,
	Ebadarg		= 2,
	Eunavailable	= 3,
	Econfigset	= 4,
	Eversion	= 5,
	Ereserved	= 6,

	Aext		= 0x40,		/* AFlags */
	Adev		= 0x10,
	Aasync		= 0x02,
	Awrite		= 0x01,

	Sdrdy		= 0x40,		/* ATA status and error */
	Serr		= 0x01,
	Sbad		= 0xA9,
	Xunc		= 0x40,
	Xidnf		= 0x10,
	Xabrt		= 0x04,

	Qread		= 0,		/* config commands */
	Qtest		= 1,
	Qprefix		= 2,
	Qset		= 3,
	Qforce		= 4,

	Mread		= 0,		/* mask commands and directives */
	Medit		= 1,
	Mnone		= 0,
	Madd		= 1,
	Mdel		= 2,

	Rread		= 0,		/* reserve commands */
	Rset		= 1,
	Rforce		= 2,

	Secsize		= 512,
	Maxstring	= 1024,
	Maxwin		= 1024,
	Flush		= 2,		/* as a Req's write: FLUSH CACHE EXT */
};

typedef struct Ata Ata;
typedef struct Frame Frame;
typedef struct Net Net;
typedef struct Req Req;
typedef struct Target Target;
typedef struct Win Win;

struct Frame {
	size_t n;
	uint8_t b[Ethermax];
};

struct Net {
	int fd;
	int mtu;
	uint8_t mac[6];
	uint32_t tag;		/* of the next request */
	int adverts;		/* netrecv gives what a target says of its own accord, too */
	int zero;		/* the last request had tag 0, as that has */
};

struct Target {
	int shelf;
	int slot;
	int bufcnt;
	int scnt;
	uint8_t mac[6];
};

/* One ATA command, its registers before and after. */
struct Ata {
	uint8_t aflags;
	uint8_t feature;	/* error register, after */
	uint8_t count;
	uint8_t cmd;		/* status register, after */
	uint64_t lba;
	const void *data;
	size_t ndata;
};

struct Req {
	int busy;
	int write;		/* or Flush */
	uint64_t lba;
	int n;			/* sectors; of a flush none */
	uint8_t *buf;
	uint32_t tag;
	int64_t first;		/* when it was sent first, ms */
	int64_t sent;		/* and last */
	int64_t wait;		/* until it is sent again, ms */
};

/* Requests that are under way; see winwait. */
struct Win {
	Net *net;
	Target *t;
	int size;
	int busy;
	volatile int giveup;	/* ms without an answer */
	long resent;
	char err[96];		/* what went wrong, empty: no answer */
	Req r[Maxwin];
};

extern const uint8_t broadcast[6];

/* time and bytes */
int64_t	nowms(void);
void	put16(uint8_t*, unsigned);
void	put32(uint8_t*, uint32_t);
unsigned	get16(const uint8_t*);
uint32_t	get32(const uint8_t*);
uint64_t	getlba(const uint8_t*);
void	putlba(uint8_t*, uint64_t);
int	parsemac(const char*, uint8_t*);
char*	macstr(const uint8_t*);		/* in a static buffer */

/* frames */
void	mkframe(Frame*, const Net*, const uint8_t *dst, int shelf, int slot, int cmd, uint32_t tag);
void	add1(Frame*, unsigned);
void	add2(Frame*, unsigned);
void	addn(Frame*, const void*, size_t);
void	addzero(Frame*, size_t);
void	mkata(Frame*, const Net*, const Target*, const Ata*, uint32_t tag);
void	mkconfig(Frame*, const Net*, const Target*, int ccmd, const void*, size_t, uint32_t tag);
void	mkmask(Frame*, const Net*, const Target*, int mcmd, uint32_t tag);
void	adddirective(Frame*, int dir, const uint8_t *mac);
void	mkreserve(Frame*, const Net*, const Target*, int rcmd, const uint8_t (*)[6], int,
	uint32_t tag);

/* the socket; receivers return 1, or 0 when the time is over */
int	netopen(Net*, const char*);
int	netsend(Net*, const Frame*);
int	netburst(Net*, const Frame*, int);
int	netrecv(Net*, Frame*, int ms);
int	netanswer(Net*, Frame*, uint32_t tag, int ms);
int	netask(Net*, const Frame*, Frame*, int ms);

/* requests; retransmitted, 1 when answered, else 0 */
int	findtarget(Net*, Target*, int ms);
int	atacmd(Net*, const Target*, Ata*, Frame*, int ms);

/* transfers */
void	wininit(Win*, Net*, Target*, int giveup);
Req*	winslot(Win*);
void	winsend(Win*, Req*);
Req*	winwait(Win*);
int	transfer(Win*, int write, uint64_t lba, void*, uint64_t n);
