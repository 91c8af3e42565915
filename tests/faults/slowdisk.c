/*
 * slowdisk: a disk that is as slow and as bad as a test wants it to be.
 *
 *	slowdisk DIRECTORY FILE CONTROL
 *
 * It mounts a file system of one file, DIRECTORY/disk, which holds what
 * FILE holds; a loop device with direct I/O on it is then a disk.  CONTROL
 * is a text file, read again before each request, with any of these lines:
 *
 *	read MS		milliseconds that a read takes
 *	write MS	a write
 *	sync MS		a sync
 *	bad LBA N	N sectors that can be neither read nor written
 *	syncerror ERRNO	what comes of a sync
 *	fail ERRNO	what comes of all
 *
 * Requests don't wait for each other: any number are under way at a time,
 * as in a disk with a deep queue or far away.  The file system is FUSE
 * spoken by hand (linux/fuse.h), so that no library and no module that
 * slows block devices down is needed.
 *
 * It ends when the file system is unmounted, or by a signal.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <linux/fuse.h>

enum {
	Sector	= 512,
	Most	= 1 << 20,	/* bytes of a read or write */
	Bufsize	= Most + 4096,
	Disk	= 2,		/* the file's inode */
	Maxbad	= 16,
};

typedef struct Req Req;

/* A request that waits for its time. */
struct Req {
	Req	*next;
	int64_t	due;
	struct fuse_in_header *in;	/* and its arguments behind it */
};

static struct {
	int	read, write, sync;	/* milliseconds */
	int	syncerror;
	int	fail;
	int	nbad;
	uint64_t bad[Maxbad][2];	/* sectors: first, and first behind */
} control;

static char *controlfile;
static int dev;			/* /dev/fuse */
static int disk;
static Req *pending;		/* by due */
static char data[Most];

static int64_t
nowms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
readcontrol(void)
{
	char word[16];
	unsigned long long a, b;
	FILE *f;

	f = fopen(controlfile, "re");
	if(f == NULL)
		return;
	memset(&control, 0, sizeof control);
	while(fscanf(f, "%15s %llu", word, &a) == 2)
		if(strcmp(word, "read") == 0)
			control.read = (int)a;
		else if(strcmp(word, "write") == 0)
			control.write = (int)a;
		else if(strcmp(word, "sync") == 0)
			control.sync = (int)a;
		else if(strcmp(word, "syncerror") == 0)
			control.syncerror = (int)a;
		else if(strcmp(word, "fail") == 0)
			control.fail = (int)a;
		else if(strcmp(word, "bad") == 0 && fscanf(f, "%llu", &b) == 1
			&& control.nbad < Maxbad){
			control.bad[control.nbad][0] = a;
			control.bad[control.nbad++][1] = a + b;
		}
	fclose(f);
}

static int
isbad(uint64_t off, uint64_t len)
{
	int i;

	for(i = 0; i < control.nbad; i++)
		if(off < control.bad[i][1] * Sector && control.bad[i][0] * Sector < off + len)
			return 1;
	return 0;
}

static void
reply(const struct fuse_in_header *in, int error, const void *p, size_t n)
{
	struct fuse_out_header out = { .error = -error, .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof out }, { (void*)(uintptr_t)p, n } };

	if(error != 0)
		n = 0;
	out.len = (uint32_t)(sizeof out + n);
	/* The one who asked may have gone (ENOENT). */
	if(writev(dev, iov, n > 0 ? 2 : 1) < 0 && errno != ENOENT)
		err(1, "/dev/fuse: answer");
}

static void
init(const struct fuse_in_header *in, const struct fuse_init_in *a)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = a->minor < FUSE_KERNEL_MINOR_VERSION ? a->minor : FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = a->max_readahead,
		.flags = a->flags & (FUSE_ASYNC_READ|FUSE_BIG_WRITES|FUSE_ASYNC_DIO|FUSE_MAX_PAGES|FUSE_PARALLEL_DIROPS),
		.max_background = 512,
		.congestion_threshold = 512,
		.max_write = Most,
		.time_gran = 1,
		.max_pages = Most / 4096,
	};

	reply(in, 0, &out, sizeof out);
}

static struct fuse_attr
attrof(uint64_t ino)
{
	struct fuse_attr a = { .ino = ino, .nlink = 1, .blksize = 4096 };
	struct stat st;

	if(ino != Disk){
		a.mode = S_IFDIR | 0755;
		return a;
	}
	fstat(disk, &st);
	a.mode = S_IFREG | 0600;
	a.size = (uint64_t)st.st_size;
	a.blocks = (uint64_t)st.st_blocks;
	return a;
}

static void
lookup(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = { .nodeid = Disk, .entry_valid = 3600, .attr_valid = 3600,
		.attr = attrof(Disk) };

	reply(in, strcmp(name, "disk") == 0 ? 0 : ENOENT, &out, sizeof out);
}

static void
getattr(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr_valid = 3600, .attr = attrof(in->nodeid) };

	reply(in, 0, &out, sizeof out);
}

static void
doread(const struct fuse_in_header *in, const struct fuse_read_in *a)
{
	ssize_t n;

	if(control.fail != 0 || isbad(a->offset, a->size)){
		reply(in, control.fail != 0 ? control.fail : EIO, NULL, 0);
		return;
	}
	n = pread(disk, data, a->size < Most ? a->size : Most, (off_t)a->offset);
	reply(in, n < 0 ? errno : 0, data, n < 0 ? 0 : (size_t)n);
}

static void
dowrite(const struct fuse_in_header *in, const struct fuse_write_in *a)
{
	struct fuse_write_out out = { 0 };
	ssize_t n;

	if(control.fail != 0 || isbad(a->offset, a->size)){
		reply(in, control.fail != 0 ? control.fail : EIO, NULL, 0);
		return;
	}
	n = pwrite(disk, a + 1, a->size, (off_t)a->offset);
	out.size = n < 0 ? 0 : (uint32_t)n;
	reply(in, n < 0 ? errno : 0, &out, sizeof out);
}

static void
carryout(const struct fuse_in_header *in)
{
	const void *a = in + 1;
	struct fuse_open_out opened = { .fh = 1 };
	struct fuse_statfs_out fs = { .st = { .bsize = 4096, .namelen = 255 } };

	switch(in->opcode){
	case FUSE_INIT:
		init(in, a);
		break;
	case FUSE_LOOKUP:
		lookup(in, a);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		getattr(in);
		break;
	case FUSE_OPEN:
		reply(in, 0, &opened, sizeof opened);
		break;
	case FUSE_READ:
		doread(in, a);
		break;
	case FUSE_WRITE:
		dowrite(in, a);
		break;
	case FUSE_FSYNC:
		reply(in, control.fail != 0 ? control.fail : control.syncerror, NULL, 0);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		reply(in, 0, NULL, 0);
		break;
	case FUSE_STATFS:
		reply(in, 0, &fs, sizeof fs);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(in, ENOSYS, NULL, 0);
	}
}

static int
delay(const struct fuse_in_header *in)
{
	switch(in->opcode){
	case FUSE_READ:
		return control.read;
	case FUSE_WRITE:
		return control.write;
	case FUSE_FSYNC:
		return control.sync;
	}
	return 0;
}

static void
postpone(const void *buf, size_t n, int ms)
{
	Req *r, **p;

	r = malloc(sizeof *r);
	if(r == NULL || (r->in = malloc(n)) == NULL)
		err(1, "memory");
	memcpy(r->in, buf, n);
	r->due = nowms() + ms;
	for(p = &pending; *p != NULL && (*p)->due <= r->due; p = &(*p)->next)
		;
	r->next = *p;
	*p = r;
}

static void
carryoutdue(void)
{
	Req *r;

	while((r = pending) != NULL && r->due <= nowms()){
		pending = r->next;
		carryout(r->in);
		free(r->in);
		free(r);
	}
}

static void
serve(void)
{
	static _Alignas(8) char buf[Bufsize];
	struct pollfd p = { .fd = dev, .events = POLLIN };
	const struct fuse_in_header *in = (const void*)buf;
	int64_t left;
	ssize_t n;

	for(;;){
		left = pending == NULL ? 1000 : pending->due - nowms();
		if(poll(&p, 1, left > 0 ? (int)left : 0) == 1){
			n = read(dev, buf, sizeof buf);
			if(n < 0 && errno == ENODEV)
				return;
			if(n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
				err(1, "/dev/fuse: request");
			if(n >= (ssize_t)sizeof *in){
				readcontrol();
				if(delay(in) > 0)
					postpone(buf, (size_t)n, delay(in));
				else
					carryout(in);
			}
		}
		carryoutdue();
	}
}

int
main(int argc, char **argv)
{
	char options[128];

	if(argc != 4)
		errx(1, "usage: slowdisk DIRECTORY FILE CONTROL");
	controlfile = argv[3];
	disk = open(argv[2], O_RDWR|O_CLOEXEC);
	if(disk < 0)
		err(1, "%s", argv[2]);
	dev = open("/dev/fuse", O_RDWR|O_CLOEXEC);
	if(dev < 0)
		err(1, "/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if(mount("slowdisk", argv[1], "fuse", MS_NOSUID|MS_NODEV, options) < 0)
		err(1, "%s: mount", argv[1]);
	serve();
	return 0;
}
