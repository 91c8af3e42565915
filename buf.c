/*
 * The disk as its users see it: sectors of 512 bytes from 0 to bufsize.
 *
 * Reads and writes are collected, and bufcommit carries them out together:
 * neighbours join into one vectored transfer between the image and the
 * frames they travel in.  Whatever else is asked is done at once, after
 * what was collected before it.
 *
 * 1. The requests between two fences overlap only if all that overlap are
 *    reads, so that they may be carried out in any order.  A request that
 *    would break this starts behind a fence.  Thus overlapping requests
 *    take effect in the order they came.
 * 2. Every request's range lies within the disk; whoever calls has checked
 *    it.
 * 3. A request is done exactly once, with its error, and is then no longer
 *    ours.
 * 4. A sync that fails leaves us not knowing what the disk holds of writes
 *    that were answered, and the system forgets about them.  From then on
 *    every write and flush fails, until somebody has looked and starts the
 *    target anew.
 *
 * Nothing here knows of ATA, sockets or initiators.
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

static uvlong first, nsec;	/* the export, in sectors of the image */
static int broken;		/* the errno of the sync that failed, or 0 (inv. 4) */

static Io *queue[Queuemax];
static int nqueue;

static Io *unsynced[Queuemax];	/* written, and done once a sync has succeeded */
static int nunsynced;

int
bufinit(uvlong offset, uvlong length)
{
	uvlong all = disk.size / Sector;

	if(all > Maxlba)
		all = Maxlba;
	if(offset >= all || length > all - offset)
		return -1;
	first = offset;
	nsec = length > 0 ? length : all - offset;
	return 0;
}

uvlong
bufsize(void)
{
	return nsec;
}

void
bufalign(uint *off, uint *size)
{
	*size = disk.physical / Sector;
	*off = (uint)(first % *size);
}

int
bufrotation(void)
{
	return disk.rotation;
}

static uvlong
place(uvlong lba)
{
	return (first + lba) * Sector;
}

/*
 * Say that the disk failed a request, but not more often than anyone can
 * read.
 */
static void
complain(const char *what, uvlong lba, int error)
{
	static time_t second;
	static uint said, unsaid;
	struct timespec now;

	stats.errors++;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if(now.tv_sec != second){
		if(unsaid > 0)
			warnx("%u more errors of the disk", unsaid);
		second = now.tv_sec;
		said = unsaid = 0;
	}
	if(said >= LOG_RATE){
		unsaid++;
		return;
	}
	said++;
	warnx("%s at LBA %llu: %s", what, lba, strerror(error));
}

static void
finish(Io *io, int error)
{
	io->error = error;
	io->done(io);
}

/*
 * Read n sectors at lba, one at a time, until one fails.  Returns its
 * number within the n, or n when all went well.
 */
static uint
findbad(uvlong lba, uint n, uchar *to)
{
	struct iovec iov;
	uint i;

	for(i = 0; i < n; i++){
		iov = (struct iovec){ to + i * Sector, Sector };
		if(diskread(&iov, 1, place(lba + i)) != Sector)
			break;
	}
	return i;
}

/*
 * A joined transfer stopped before the end of this request: do it alone.
 */
static void
readone(Io *io)
{
	struct iovec iov = { io->data, io->nsec * Sector };
	uint bad = io->nsec;

	if(diskread(&iov, 1, place(io->lba)) != io->nsec * Sector)
		bad = findbad(io->lba, io->nsec, io->data);
	if(bad < io->nsec){
		io->badlba = io->lba + bad;
		complain("read error", io->badlba, errno);
	}
	finish(io, bad < io->nsec ? EIO : 0);
}

/*
 * A write has reached the system.
 */
static void
written(Io *io)
{
	if(io->stable)
		unsynced[nunsynced++] = io;
	else
		finish(io, 0);
}

static void
writeone(Io *io)
{
	struct iovec iov = { io->data, io->nsec * Sector };
	int error;

	if(diskwrite(&iov, 1, place(io->lba)) == io->nsec * Sector){
		written(io);
		return;
	}
	error = errno;
	complain("write error", io->lba, error);
	finish(io, error);
}

/*
 * Carry out n requests of one kind that follow each other on the disk.
 */
static void
run(Io **q, int n)
{
	struct iovec iov[Queuemax];
	size_t got, end = 0;
	int i, writing = q[0]->op == Owrite;

	for(i = 0; i < n; i++){
		if(!writing)
			q[i]->data = q[i]->room(q[i]);
		iov[i] = (struct iovec){ q[i]->data, q[i]->nsec * Sector };
	}
	stats.transfers++;
	got = writing ? diskwrite(iov, n, place(q[0]->lba)) : diskread(iov, n, place(q[0]->lba));
	for(i = 0; i < n; i++){
		end += q[i]->nsec * Sector;
		if(writing && end <= got)
			written(q[i]);
		else if(writing)
			writeone(q[i]);
		else if(end <= got)
			finish(q[i], 0);
		else
			readone(q[i]);
	}
}

static int
overlap(Io *a, Io *b)
{
	return a->lba < b->lba + b->nsec && b->lba < a->lba + a->nsec;
}

/*
 * How many of the n requests may change places (inv. 1).
 */
static int
untilfence(Io **q, int n)
{
	int i, j, writes = 0;

	for(i = 0; i < n; i++){
		if(q[i]->op == Owrite)
			writes++;
		if(writes == 0)
			continue;
		for(j = 0; j < i; j++)
			if((q[i]->op == Owrite || q[j]->op == Owrite) && overlap(q[i], q[j]))
				return i;
	}
	return n;
}

static int
later(Io *a, Io *b)
{
	if(a->op != b->op)
		return a->op > b->op;
	return a->lba > b->lba;
}

/*
 * Sort by insertion: the requests are few and mostly in order already.
 */
static void
sort(Io **q, int n)
{
	Io *io;
	int i, j;

	for(i = 1; i < n; i++){
		io = q[i];
		for(j = i; j > 0 && later(q[j-1], io); j--)
			q[j] = q[j-1];
		q[j] = io;
	}
}

/*
 * Put what was written on stable storage.  Returns 0 or an errno.
 */
static int
flush(void)
{
	if(broken == 0 && disksync() < 0){
		broken = errno;
		warnx("can't sync the disk: %s: no write or flush succeeds from here on, as earlier writes may be lost", strerror(broken));
	}
	return broken;
}

void
bufcommit(void)
{
	Io **q = queue;
	int i, n, fence, error;

	for(; nqueue > 0; q += fence, nqueue -= fence){
		fence = untilfence(q, nqueue);
		sort(q, fence);
		for(i = 0; i < fence; i += n){
			for(n = 1; i + n < fence; n++)
				if(q[i+n]->op != q[i]->op || q[i+n]->lba != q[i+n-1]->lba + q[i+n-1]->nsec)
					break;
			run(q + i, n);
		}
	}
	if(nunsynced > 0){
		/* One sync for all of them. */
		error = flush();
		for(i = 0; i < nunsynced; i++)
			finish(unsynced[i], error);
		nunsynced = 0;
	}
}

/*
 * Read into nowhere.
 */
static void
verify(Io *io)
{
	static _Alignas(4096) uchar sink[64 * Sector];
	struct iovec iov;
	uint i, n, bad;

	for(i = 0; i < io->nsec; i += n){
		n = io->nsec - i < 64 ? io->nsec - i : 64;
		iov = (struct iovec){ sink, n * Sector };
		if(diskread(&iov, 1, place(io->lba + i)) == n * Sector)
			continue;
		bad = findbad(io->lba + i, n, sink);
		if(bad < n){
			io->badlba = io->lba + i + bad;
			complain("read error", io->badlba, errno);
			finish(io, EIO);
			return;
		}
	}
	finish(io, 0);
}

static void
trim(Io *io)
{
	Range *r;
	int error = 0;

	stats.trims++;
	for(r = io->range; error == 0 && r < io->range + io->nrange; r++)
		if(disktrim(place(r->lba), (uvlong)r->nsec * Sector) < 0){
			error = errno;
			complain("trim error", r->lba, error);
		}
	if(error == 0 && io->stable)
		error = flush();
	finish(io, error);
}

void
bufio(Io *io)
{
	if(broken && (io->op == Owrite || io->op == Otrim)){
		finish(io, broken);	/* inv. 4 */
		return;
	}
	if(io->op == Oread || io->op == Owrite){
		if(nqueue == Queuemax)
			bufcommit();
		queue[nqueue++] = io;
	}else
		bufcommit();
	switch(io->op){
	case Oread:
		stats.reads++;
		stats.readsec += io->nsec;
		break;
	case Owrite:
		stats.writes++;
		stats.writesec += io->nsec;
		break;
	case Overify:
		verify(io);
		break;
	case Otrim:
		trim(io);
		break;
	case Oflush:
		stats.flushes++;
		finish(io, flush());
		break;
	}
}
