/*
 * ATA commands: their checks, their execution, and the registers of their
 * answers.  The commands follow ACS-3.  Those that ACS-3 has dropped follow
 * ATA8-ACS or, without retry (0x21, 0x31, 0x41), older standards.
 *
 * 1. A command is checked completely before any of it is done: that the
 *    initiator may use the disk, that a frame can carry the data and this one
 *    does, that the disk may be written, and that the range is on it.
 * 2. LBA width and direction follow from the command, never from its flags.
 * 3. a->done is called exactly once for each command.
 *
 * Nothing here knows of descriptors, or of a frame's header.
 *
 * The commands.  EXT commands have an LBA of 48 bits, the others one of 28.
 * A sector count of 0 stands for 65536 or 256.
 *
 *	0x20 0x21 0x24	READ SECTORS, without retry, EXT
 *	0xc8 0x25	READ DMA, EXT
 *	0x30 0x31 0x34	WRITE SECTORS, without retry, EXT
 *	0xca 0x35 0x3d	WRITE DMA, EXT, FUA EXT; FUA: answered when it is stable
 *	0x40 0x41 0x42	READ VERIFY SECTORS, without retry, EXT; reads, returns no data
 *	0x06		DATA SET MANAGEMENT; feature bit 0 is TRIM.  The data are
 *			little-endian entries LBA[6] length[2]; length 0 is unused.
 *			Trimmed sectors read as zeros
 *	0xe7 0xea	FLUSH CACHE, EXT
 *	0xec		IDENTIFY DEVICE; allowed when reserved, always 512 bytes
 *	0xf8 0x27	READ NATIVE MAX ADDRESS, EXT; the last LBA, in the LBA bytes
 *	0xef		SET FEATURES; 0x02 and 0x82 switch the write cache on and
 *			off, 0x03 (transfer mode) changes nothing
 *	0xb0		SMART; LBA bytes 1 and 2 are 0x4f 0xc2.  0xd0 read data,
 *			0xd1 thresholds, 0xd4 off-line immediate, 0xd5 read log,
 *			0xd8 enable, 0xd9 disable, 0xda return status
 *	0xe5		CHECK POWER MODE; returns a count of 0xff, active
 *	0xe0 to 0xe3	STANDBY IMMEDIATE, IDLE IMMEDIATE, STANDBY, IDLE: no effect
 *	0xe6		SLEEP: no effect
 *
 * A command that fails is answered in one of two ways.  Initiators treat them
 * differently: after an AoE error Linux repeats the request until it gives up
 * the disk; an ATA error it passes on at once.
 *
 *	AoE error 2	a write carries less data than its count says
 *	AoE error 3	there is no memory for a TRIM
 *	AoE error 6	the target is reserved for others
 *	ABRT		another command or feature, more sectors than a frame of
 *			this MTU carries, or a write to a read-only disk
 *	IDNF		a sector that is not on the disk
 *	UNC		a read failed; the LBA is that of the first bad sector
 *	DF		a write or flush failed
 *	DF and ABRT	the device is gone
 *
 * Status is DRDY for success, and DRDY with ERR for an ATA error, with DF
 * where the table says so.  An answer has all the requested data or none;
 * SMART's always has 512 bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

enum {
	/* Status register */
	Sdrdy		= 0x40,
	Sdf		= 0x20,
	Serr		= 0x01,

	/* Error register */
	Eunc		= 0x40,
	Eidnf		= 0x10,
	Eabrt		= 0x04,

	/* commands */
	Dsm		= 0x06,		/* DATA SET MANAGEMENT */
	Readsec		= 0x20,
	Readsec1	= 0x21,
	Readsecext	= 0x24,
	Readdmaext	= 0x25,
	Readmaxext	= 0x27,
	Writesec	= 0x30,
	Writesec1	= 0x31,
	Writesecext	= 0x34,
	Writedmaext	= 0x35,
	Writefuaext	= 0x3d,
	Verify		= 0x40,
	Verify1		= 0x41,
	Verifyext	= 0x42,
	Smart		= 0xb0,
	Readdma		= 0xc8,
	Writedma	= 0xca,
	Standbynow	= 0xe0,
	Idlenow		= 0xe1,
	Standby		= 0xe2,
	Idle		= 0xe3,
	Checkpower	= 0xe5,
	Sleep		= 0xe6,
	Flush		= 0xe7,
	Flushext	= 0xea,
	Identify	= 0xec,
	Setfeatures	= 0xef,
	Readmax		= 0xf8,

	/* SET FEATURES: the Feature register */
	Wcacheon	= 0x02,
	Xfermode	= 0x03,
	Wcacheoff	= 0x82,

	/* SMART: the Feature register, and what LBA bytes 1 and 2 must say */
	Smdata		= 0xd0,
	Smthresh	= 0xd1,
	Smoffline	= 0xd4,
	Smlog		= 0xd5,
	Smenable	= 0xd8,
	Smdisable	= 0xd9,
	Smstatus	= 0xda,
	Smlow		= 0x4f,
	Smhigh		= 0xc2,

	/* SMART READ LOG: LBA byte 0 */
	Logdir		= 0x00,
	Logerror	= 0x01,
	Logselftest	= 0x06,

	Trimbit		= 0x01,		/* DATA SET MANAGEMENT: the Feature register */
	Perblock	= Sector / 8,	/* its entries in a sector */

	Lba28		= 0x0fffffff,
};

static struct {
	char	serial[20 + 1];
	int	readonly;
	int	sync;
	/* the write cache is enabled: a write may be answered before it is stable */
	int	wcache;
	int	smart;
} drive;

void
atainit(char *serial, int readonly, int sync)
{
	snprintf(drive.serial, sizeof drive.serial, "%s", serial);
	drive.readonly = readonly;
	drive.sync = sync;
	drive.wcache = !sync;
	drive.smart = 1;
}

static uint
getle16(uchar *p)
{
	return (uint)(p[0] | p[1] << 8);
}

static uvlong
getle48(uchar *p)
{
	uvlong v = 0;
	int i;

	for(i = 5; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void
putle(uchar *p, uvlong v, int n)
{
	for(; n > 0; n--, v >>= 8)
		*p++ = (uchar)v;
}

static void
putword(uchar *p, int word, uint v)
{
	putle(p + 2 * word, v, 2);
}

/*
 * Store a string of IDENTIFY.  The first character of each word is in its high
 * byte; blanks fill the end.
 */
static void
putstring(uchar *p, int word, int nword, char *s)
{
	int i;

	for(i = 0; i < 2 * nword; i++)
		p[2 * word + (i ^ 1)] = (uchar)(*s != 0 ? *s++ : ' ');
}

/*
 * Set p[511] so that the 512 bytes at p add up to zero, as IDENTIFY and the
 * SMART pages require.
 */
static void
putsum(uchar *p)
{
	uchar sum = 0;
	int i;

	for(i = 0; i < Sector - 1; i++)
		sum = (uchar)(sum + p[i]);
	p[Sector - 1] = (uchar)-sum;
}

static void
good(Ata *a)
{
	a->cmd = Sdrdy;
	a->feature = 0;
	a->count = 0;
	a->done(a);
}

static void
bad(Ata *a, uint status, uint error)
{
	a->cmd = (uchar)(Sdrdy | Serr | status);
	a->feature = (uchar)error;
	a->done(a);
}

void
ataabandon(Ata *a)
{
	a->nreply = 0;
	bad(a, Sdf, Eabrt);
}

/* Answer with an AoE error: the device has not failed. */
static void
refuse(Ata *a, int aoeerror)
{
	a->aoeerror = aoeerror;
	a->done(a);
}

static uchar*
page(Ata *a)
{
	uchar *p = a->room(a);

	memset(p, 0, Sector);
	a->nreply = Sector;
	return p;
}

/*
 * Physical sector size and alignment, words 106 and 209.
 */
static void
putalign(uchar *p)
{
	uint off, size, log = 0;

	bufalign(&off, &size);
	while(1U << log < size)
		log++;
	putword(p, 106, 0x4000 | (log > 0 ? 0x2000 : 0) | log);
	putword(p, 209, 0x4000 | off);
}

static void
identify(Ata *a)
{
	uvlong n = bufsize();
	uint cylinders = n / (16 * 63) < 16383 ? (uint)(n / (16 * 63)) : 16383;
	uint enabled = 0x0008 | (drive.smart ? 0x0001 : 0) | (drive.wcache ? 0x0020 : 0);
	uchar *p = page(a);

	/* An initiator that starts sends this, and may begin its tags anew. */
	if(a->tags != NULL)
		tagsforget(a->tags);
	putword(p, 0, 0x0040);
	putword(p, 1, cylinders);
	putword(p, 3, 16);
	putword(p, 6, 63);
	putstring(p, 10, 10, drive.serial);
	putstring(p, 23, 4, VERSION);
	putstring(p, 27, 20, "aoede ATA-over-Ethernet target");
	putword(p, 47, 0x8000);
	putword(p, 49, 0x0300);		/* LBA, DMA */
	putword(p, 50, 0x4000);
	putword(p, 53, 0x0007);		/* words 54-58, 64-70 and 88 hold */
	putword(p, 54, cylinders);
	putword(p, 55, 16);
	putword(p, 56, 63);
	putle(p + 2 * 57, cylinders * 16 * 63, 4);
	putle(p + 2 * 60, n < Lba28 ? n : Lba28, 4);
	/* transfer modes and their times mean nothing here, but tools expect some */
	putword(p, 63, 0x0007);
	putword(p, 64, 0x0003);
	putword(p, 65, 120);
	putword(p, 66, 120);
	putword(p, 67, 120);
	putword(p, 68, 120);
	putword(p, 80, 0x07f0);		/* ATA-4 to ACS-3 */
	putword(p, 82, 0x0029);		/* write cache, power management, SMART */
	putword(p, 83, 0x7400);		/* flush ext, flush, 48-bit LBA */
	putword(p, 84, 0x4041);		/* FUA, SMART error log */
	putword(p, 85, enabled);
	putword(p, 86, 0x3400);
	putword(p, 87, 0x4041);
	putword(p, 88, 0x407f);
	putword(p, 93, 0x6001);
	putle(p + 2 * 100, n, 6);
	if(!drive.readonly){
		putword(p, 69, 0x4020);		/* trimmed sectors read as zeros */
		/* sectors of ranges that a frame of any MTU can carry */
		putword(p, 105, 1);
		putword(p, 169, 0x0001);
	}
	putalign(p);
	putword(p, 217, (uint)bufrotation());
	p[2 * 255] = 0xa5;
	putsum(p);
	good(a);
}

/*
 * Report a healthy disk without attributes, errors or self-tests.  Every
 * answer has a sector of data, as aoeping waits for one.
 */
static void
smart(Ata *a)
{
	uint log = a->lba[0];
	uchar *p = page(a);

	if(a->lba[1] != Smlow || a->lba[2] != Smhigh){
		bad(a, 0, Eabrt);
		return;
	}
	switch(a->feature){
	case Smenable:
	case Smdisable:
		drive.smart = a->feature == Smenable;
		break;
	case Smoffline:
	case Smstatus:
		break;
	case Smdata:
		putle(p + 368, 0x0003, 2);	/* saves attributes by itself */
		p[370] = 0x01;			/* has an error log */
		/* fall through */
	case Smthresh:
		putle(p, 0x0010, 2);		/* revision of the structure */
		putsum(p);
		break;
	case Smlog:
		if(log != Logdir && log != Logerror && log != Logselftest){
			bad(a, 0, Eabrt);
			return;
		}
		putle(p, 0x0001, 2);		/* revision of the log */
		if(log == Logdir)
			p[2 * Logerror] = p[2 * Logselftest] = 1;
		else
			putsum(p);
		break;
	default:
		bad(a, 0, Eabrt);
		return;
	}
	good(a);
}

static void
flush(Ata *a)
{
	a->io.op = Oflush;
	bufio(&a->io);
}

static void
setfeatures(Ata *a)
{
	switch(a->feature){
	case Wcacheon:
		/* With -s there is no write cache to switch on. */
		if(drive.sync){
			bad(a, 0, Eabrt);
			return;
		}
		drive.wcache = 1;
		break;
	case Wcacheoff:
		drive.wcache = 0;
		flush(a);
		return;
	case Xfermode:
		break;
	default:
		bad(a, 0, Eabrt);
		return;
	}
	good(a);
}

/*
 * With a 28-bit LBA the upper half of its last byte belongs to the Device
 * register.
 */
static uvlong
getlba(Ata *a)
{
	return a->ext ? getle48(a->lba) : getle48(a->lba) & Lba28;
}

static void
putlba(Ata *a, uvlong lba)
{
	uchar device = a->lba[3] & 0xf0;

	putle(a->lba, lba, 6);
	if(!a->ext)
		a->lba[3] |= device;
}

static void
readmax(Ata *a)
{
	uvlong n = bufsize();

	putlba(a, (a->ext || n < Lba28 ? n : Lba28) - 1);
	good(a);
}

/*
 * Translate the result of a request to the disk into status and error
 * registers.
 */
static void
iodone(Io *io)
{
	Ata *a = (Ata*)io;

	if(io->op == Otrim)
		free(io->range);
	if(io->error == Unanswered){
		refuse(a, Unanswered);
		return;
	}
	if(io->error == 0 && a->tags != NULL && (io->op == Owrite || io->op == Otrim))
		tagsdone(a->tags, a->place, a->what);
	if(io->error == 0){
		if(io->op == Oread)
			a->nreply = io->nsec * Sector;
		good(a);
	}else if(diskgone())
		ataabandon(a);
	else if(io->error == ERANGE)
		bad(a, 0, Eidnf);	/* the disk has shrunk since the command came */
	else if(io->op == Oread || io->op == Overify){
		putlba(a, io->badlba);
		bad(a, 0, Eunc);
	}else
		bad(a, Sdf, 0);
}

static uchar*
ioroom(Io *io)
{
	Ata *a = (Ata*)io;

	return a->room(a);
}

/*
 * Does a range end beyond the disk?  The sum can't overflow, as both numbers
 * are below 2^48.
 */
static int
outside(uvlong lba, uvlong n)
{
	return lba + n > bufsize();
}

/*
 * Answer a write that was done before without doing it again, as other writes
 * may have followed.  Either the initiator has missed the answer or the
 * network has duplicated the frame.
 */
static int
repeated(Ata *a)
{
	if(a->tags == NULL || !tagsseen(a->tags, a->place, a->what))
		return 0;
	stats.repeated++;
	good(a);
	return 1;
}

/* Start a transfer of count sectors; 0 stands for the maximum. */
static void
transfer(Ata *a, int op)
{
	uvlong lba = getlba(a);
	uint n = a->count > 0 ? a->count : a->ext ? 65536 : 256;

	if(op != Overify && n > a->maxsec)
		bad(a, 0, Eabrt);
	else if(op == Owrite && a->npayload < n * Sector)
		refuse(a, Ebadarg);
	else if(op == Owrite && drive.readonly)
		bad(a, 0, Eabrt);
	else if(outside(lba, n))
		bad(a, 0, Eidnf);
	else if(op != Owrite || !repeated(a)){
		a->io.op = op;
		a->io.lba = lba;
		a->io.nsec = n;
		a->io.data = a->payload;
		a->io.stable = a->cmd == Writefuaext || !drive.wcache;
		bufio(&a->io);
	}
}

static int
byrange(const void *a, const void *b)
{
	const Range *r = a, *s = b;

	return r->lba < s->lba ? -1 : r->lba > s->lba;
}

/*
 * Read the ranges from n sectors of 8-byte little-endian entries, LBA[6] and
 * length[2].  A length of 0 is unused.  The ranges are sorted, and those that
 * touch or overlap are joined: initiators split a large range into several
 * entries, and one frame must not have the same sector trimmed a thousand
 * times.  Returns the number of ranges, or -1 when one is not on the disk.
 */
static int
getranges(Range *range, uchar *p, uint n)
{
	Range *r, *to;
	uint i;
	int nrange = 0;

	for(i = 0; i < n * Perblock; i++, p += 8){
		r = &range[nrange];
		*r = (Range){ getle48(p), getle16(p + 6) };
		if(r->nsec == 0)
			continue;
		if(outside(r->lba, r->nsec))
			return -1;
		nrange++;
	}
	if(nrange == 0)
		return 0;
	qsort(range, (size_t)nrange, sizeof *range, byrange);
	to = range;
	for(r = range + 1; r < range + nrange; r++)
		if(r->lba > to->lba + to->nsec)
			*++to = *r;
		else if(r->lba + r->nsec > to->lba + to->nsec)
			to->nsec = (uint)(r->lba + r->nsec - to->lba);
	return (int)(to - range + 1);
}

static void
trim(Ata *a)
{
	uint n = a->count > 0 ? a->count : 65536;
	Range *range;
	int nrange;

	if(!(a->feature & Trimbit) || n > a->maxsec)
		bad(a, 0, Eabrt);
	else if(a->npayload < n * Sector)
		refuse(a, Ebadarg);
	else if(drive.readonly)
		bad(a, 0, Eabrt);
	else if(repeated(a))
		return;
	else if((range = malloc(n * Perblock * sizeof *range)) == NULL)
		refuse(a, Edevice);
	else if((nrange = getranges(range, a->payload, n)) < 0){
		free(range);
		bad(a, 0, Eidnf);
	}else{
		a->io.op = Otrim;
		a->io.range = range;
		a->io.nrange = nrange;
		a->io.stable = !drive.wcache;
		bufio(&a->io);
	}
}

/* A count of 0xff says that the device is active.  It always is. */
static void
checkpower(Ata *a)
{
	a->cmd = Sdrdy;
	a->feature = 0;
	a->count = 0xff;
	a->done(a);
}

static void
getsectors(Ata *a)
{
	transfer(a, Oread);
}

static void
putsectors(Ata *a)
{
	transfer(a, Owrite);
}

static void
verify(Ata *a)
{
	transfer(a, Overify);
}

enum {
	Nothing	= -1,
};

/* Every command, by its code. */
static const struct {
	void	(*start)(Ata*);
	int	ext;		/* the LBA has 48 bits */
	int	moves;		/* as atamoves returns */
} commands[256] = {
	[Dsm]		= { trim,	1, Owrite },
	[Readsec]	= { getsectors,	0, Oread },
	[Readsec1]	= { getsectors,	0, Oread },
	[Readsecext]	= { getsectors,	1, Oread },
	[Readdmaext]	= { getsectors,	1, Oread },
	[Readmaxext]	= { readmax,	1, Nothing },
	[Writesec]	= { putsectors,	0, Owrite },
	[Writesec1]	= { putsectors,	0, Owrite },
	[Writesecext]	= { putsectors,	1, Owrite },
	[Writedmaext]	= { putsectors,	1, Owrite },
	[Writefuaext]	= { putsectors,	1, Owrite },
	[Verify]	= { verify,	0, Nothing },
	[Verify1]	= { verify,	0, Nothing },
	[Verifyext]	= { verify,	1, Nothing },
	[Smart]		= { smart,	0, Nothing },
	[Readdma]	= { getsectors,	0, Oread },
	[Writedma]	= { putsectors,	0, Owrite },
	[Standbynow]	= { good,	0, Nothing },
	[Idlenow]	= { good,	0, Nothing },
	[Standby]	= { good,	0, Nothing },
	[Idle]		= { good,	0, Nothing },
	[Checkpower]	= { checkpower,	0, Nothing },
	[Sleep]		= { good,	0, Nothing },
	[Flush]		= { flush,	0, Nothing },
	[Flushext]	= { flush,	1, Nothing },
	[Identify]	= { identify,	0, Nothing },
	[Setfeatures]	= { setfeatures, 0, Nothing },
	[Readmax]	= { readmax,	0, Nothing },
};

int
atamoves(uint cmd, uint count, uchar *lba, Range *r)
{
	uvlong v = getle48(lba);

	if(commands[cmd].start == NULL)
		return Nothing;
	if(commands[cmd].ext)
		*r = (Range){ v, count > 0 ? count : 65536 };
	else
		*r = (Range){ v & Lba28, count > 0 ? count : 256 };
	return commands[cmd].moves;
}

void
ata(Ata *a)
{
	void (*start)(Ata*) = commands[a->cmd].start;

	a->aoeerror = Eok;
	a->nreply = 0;
	a->io.room = ioroom;
	a->io.done = iodone;
	a->ext = commands[a->cmd].ext;
	if(a->barred && a->cmd != Identify)
		refuse(a, Ereserved);
	else if(start == NULL)
		bad(a, 0, Eabrt);
	else
		start(a);
}
