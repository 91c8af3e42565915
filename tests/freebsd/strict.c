/*
 * Is the layer as strict as FreeBSD?  Its argument is a block device with
 * sectors of 4096 bytes; t0 and i0 are joined by a cable, at an MTU of 9000.
 * It makes interfaces and files of its own where it is.
 */
#include <sys/types.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/disk.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <net/bpf.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_lagg.h>
#include "host.h"
#include "../tap.h"

enum {
	Size	= 20000,
	Old	= __FreeBSD_version < 1301000,
};

static _Alignas(4096) char buf[65536];

/*
 * Did it fail, with this error?
 */
static int
fails(long r, int e)
{
	return r < 0 && errno == e;
}

static int
ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

static struct bpf_hdr
header(long at)
{
	struct bpf_hdr h;

	memcpy(&h, buf + at, sizeof h);
	return h;
}

static void
bpf(void)
{
	struct bpf_insn all[] = { BPF_STMT(BPF_RET|BPF_K, (uint32_t)-1) };
	struct bpf_insn nothing[] = { BPF_STMT(BPF_RET|BPF_K, 0) };
	struct bpf_program prog = { 1, all }, mute = { 1, nothing };
	struct ifreq ifr = { .ifr_name = "t0" }, none = { .ifr_name = "nosuch0" };
	unsigned u = 0xffffffff, one = 1, in = BPF_D_IN;
	int fd = open("/dev/bpf", O_RDWR|O_NONBLOCK), wire = hostpacket(), here = hostpacket();
	struct bpf_hdr h;
	Hostif i0, t0;
	long n;

	hostif("i0", 0, &i0);
	hostbind(wire, i0.index, 0);
	ok(fails(read(fd, buf, 4095), EINVAL) && fails(read(fd, buf, 4096), ENXIO),
		"bpf without an interface can't be read");
	ok(fails(write(fd, buf, 60), ENXIO), "nor written");
	ok(fails(ioctl(fd, BIOCGETIF, &ifr), EINVAL) && ready(fd),
		"nor has it a name, and poll says that it is ready");
	ok(ioctl(fd, BIOCSBLEN, &u) == 0 && u == 0x80000, "a buffer is as large as is allowed");
	u = Size;
	ioctl(fd, BIOCSBLEN, &u);
	ok(fails(ioctl(fd, BIOCSETIF, &none), ENXIO), "an interface must be there");
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "t0");
	ok(ioctl(fd, BIOCSETIF, &ifr) == 0 && fails(ioctl(fd, BIOCSBLEN, &u), EINVAL),
		"its buffer stays as it is behind BIOCSETIF");
	ioctl(fd, BIOCSETF, &prog);
	ioctl(fd, BIOCSDIRECTION, &in);
	memset(buf, 0xff, sizeof buf);
	hostsend(wire, buf, 100);
	ok(!ready(fd) && read(fd, buf, Size) == 26 + 100,
		"without BIOCIMMEDIATE poll waits for a full buffer, and a read doesn't");
	hostsend(wire, buf, 100);
	ioctl(fd, BIOCIMMEDIATE, &one);
	ok(ready(fd), "with it, poll doesn't either");
	ok(fails(read(fd, buf, Size - 1), EINVAL) && fails(read(fd, buf, Size + 1), EINVAL),
		"a read must ask for the buffer's size");
	hostsend(wire, buf, 9014);
	hostsend(wire, buf, 9014);
	hostsend(wire, buf, 9014);
	n = read(fd, buf, Size);
	h = header(0);
	ok(h.bh_hdrlen == 26 && h.bh_caplen == 100 && h.bh_datalen == 100,
		"a frame comes behind its header");
	h = header(BPF_WORDALIGN(26 + 100));
	ok(h.bh_caplen == 9014
		&& n == (long)(BPF_WORDALIGN(26 + 100) + BPF_WORDALIGN(26 + 9014) + 26 + 9014), "with as many others as fit");
	n = read(fd, buf, Size);
	ok(n == 26 + 9014 && fails(read(fd, buf, Size), EAGAIN), "and the rest with the next read");
	ok(fails(write(fd, buf, 9015), EMSGSIZE), "a frame beyond the MTU can't be sent");
	ok(write(fd, buf, 4096) == 4096, "one of a page can");
	if(Old)
		ok(fails(write(fd, buf, 4097), EIO) && fails(write(fd, buf, 9014), EIO),
			"a larger one can't, on 13.0");
	else
		ok(write(fd, buf, 4097) == 4097 && write(fd, buf, 9014) == 9014,
			"and one of the MTU");
	ok(ioctl(fd, BIOCSETWF, &mute) == 0 && fails(write(fd, buf, 60), EPERM)
		&& fails(write(fd, buf, 4096), EPERM), "nor what the write filter holds back");
	ok(fails(write(fd, buf, 9014), Old ? EIO : EPERM), "which comes after the size");
	mute.bf_len = 0;
	ok(ioctl(fd, BIOCSETWF, &mute) == 0 && write(fd, buf, 60) == 60,
		"one of no instructions lets everything pass");
	hostif("t0", 0, &t0);
	hostbind(here, t0.index, 0);
	hostsend(here, buf, 60);
	ok(!ready(fd), "what is sent does not come in");
	in = BPF_D_INOUT;
	ok(ioctl(fd, BIOCSDIRECTION, &in) == 0 && hostsend(here, buf, 60) == 60 && ready(fd),
		"unless that is asked for");
	ioctl(fd, BIOCSETF, &prog);
	ok(fails(read(fd, buf, Size), EAGAIN), "a new filter throws away what is there");
	hostsend(wire, buf, 100);
	ioctl(fd, BIOCSETIF, &ifr);
	ok(fails(read(fd, buf, Size), EAGAIN), "so does a new interface");
	close(fd);
}

/*
 * An interface that is lagg(4), as LAYER has it.
 */
static void
lagg(void)
{
	struct ifreq ifr = { .ifr_name = "t0" };
	struct lagg_reqall ra = { .ra_ifname = "t0" };
	unsigned u = Size, one = 1, dir = BPF_D_IN;
	int fd = open("/dev/bpf", O_RDWR|O_NONBLOCK), wire = hostpacket(), ask = socket(AF_LOCAL,
		SOCK_DGRAM, 0);
	Hostif i0;

	ok(fails(ioctl(ask, SIOCGLAGG, &ra), EINVAL), "an interface says that it isn't a lagg");
	setenv("LAYER", "lagg", 1);
	ok(ioctl(ask, SIOCGLAGG, &ra) == 0, "or that it is");
	hostif("i0", 0, &i0);
	hostbind(wire, i0.index, 0);
	ioctl(fd, BIOCSBLEN, &u);
	ioctl(fd, BIOCSDIRECTION, &dir);
	ioctl(fd, BIOCSETIF, &ifr);
	ioctl(fd, BIOCIMMEDIATE, &one);
	hostsend(wire, buf, 100);
	ok(ready(fd) == !Old, Old ? "on 13.0, nothing comes in by it" : "what comes in by it does");
	dir = BPF_D_INOUT;
	ioctl(fd, BIOCSDIRECTION, &dir);
	hostsend(wire, buf, 100);
	ok(ready(fd), "without a direction it does");
	while(read(fd, buf, Size) > 0)
		;
	dir = BPF_D_IN;
	ioctl(fd, BIOCSDIRECTION, &dir);
	hostsend(wire, buf, 100);
	ok(ready(fd) == !Old,
		Old ? "and nothing again with one that is set later" : "and with one that is set later");
	unsetenv("LAYER");
	close(fd);
	close(ask);
}

/*
 * The list of addresses.
 */
static void
addresses(void)
{
	enum { Addr = offsetof(struct ifreq, ifr_addr) };
	static char list[4096];
	struct ifconf c = { .ifc_len = sizeof list, .ifc_buf = list };
	int ask = socket(AF_LOCAL, SOCK_DGRAM, 0), n = 0, odd = 0, right = 1;
	size_t at, len;

	ok(ioctl(ask, SIOCGIFCONF, &c) == 0, "there is a list of addresses");
	for(at = 0; at + Addr < (size_t)c.ifc_len; at += Addr + len, n++){
		struct sockaddr sa;

		memcpy(&sa, list + at + Addr, sizeof sa);
		len = sa.sa_len;
		right = right
			&& len == (sa.sa_family == AF_LINK ? 56 : sa.sa_family == AF_INET ? 16 : 28);
		odd += at % 8 != 0;
	}
	ok(right && n >= 9 && at == (size_t)c.ifc_len,
		"links have 56 bytes, and others between them what they have");
	ok(odd > 0, "and begin anywhere");
	close(ask);
}

/*
 * What came in before the interface went.
 */
static void
gone(void)
{
	struct ifreq ifr = { .ifr_name = "g0" };
	unsigned u = Size, one = 1;
	int fd = open("/dev/bpf", O_RDWR|O_NONBLOCK), wire = hostpacket();
	Hostif g1;

	if(system("ip link add g0 type veth peer name g1 && ip link set g0 up && ip link set g1 up") != 0)
		ok(0, "there is an interface to be taken away");
	hostif("g1", 0, &g1);
	hostbind(wire, g1.index, 0);
	ioctl(fd, BIOCSBLEN, &u);
	ioctl(fd, BIOCSETIF, &ifr);
	ioctl(fd, BIOCIMMEDIATE, &one);
	hostsend(wire, buf, 100);
	if(system("ip link del g0") != 0)
		ok(0, "it is taken away");
	ok(fails(ioctl(fd, BIOCGETIF, &ifr), EINVAL) && ready(fd),
		"an interface that has gone has no name");
	ok(fails(read(fd, buf, Size - 1), EINVAL) && read(fd, buf, Size) >= 26 + 100,
		"what came in by it can still be read");
	while(read(fd, buf, Size) > 0)
		;
	ok(errno == ENXIO && fails(write(fd, buf, 60), ENXIO), "and nothing after that");
	close(fd);
}

static void
truncation(void)
{
	struct ifreq ifr = { .ifr_name = "t0" };
	unsigned u = 64, one = 1, in = BPF_D_IN;
	int fd = open("/dev/bpf", O_RDWR|O_NONBLOCK), wire = hostpacket();
	struct bpf_hdr h;
	Hostif i0;

	hostif("i0", 0, &i0);
	hostbind(wire, i0.index, 0);
	ioctl(fd, BIOCSBLEN, &u);
	ioctl(fd, BIOCSETIF, &ifr);
	ioctl(fd, BIOCIMMEDIATE, &one);
	ioctl(fd, BIOCSDIRECTION, &in);
	hostsend(wire, buf, 100);
	h.bh_caplen = 0;
	ok(read(fd, buf, 64) == 64 && (h = header(0)).bh_caplen == 64 - 26 && h.bh_datalen == 100,
		"a frame too large for the buffer is truncated");
	close(fd);
}

static void
disk(const char *path)
{
	struct iovec iov[2] = { { buf, 512 }, { buf + 512, 3584 } };
	int fd = open(path, O_RDWR);
	off_t range[2] = { 0, 512 };
	struct stat st;
	int other = -1;
	unsigned sector;

	ok(stat(path, &st) == 0 && S_ISCHR(st.st_mode), "a disk is a character device");
	ok(ioctl(fd, DIOCGSECTORSIZE, &sector) == 0 && sector == 4096, "with sectors of its own");
	ok(fails(pread(fd, buf, 512, 0), EINVAL) && fails(pread(fd, buf, 4096, 512), EINVAL),
		"parts of sectors can't be read");
	ok(fails(pwrite(fd, buf, 512, 0), EINVAL) && fails(pwrite(fd, buf, 4096, 512), EINVAL),
		"nor written");
	ok(fails(preadv(fd, iov, 2, 0), EINVAL), "nor be parts of a vector");
	ok(pread(fd, buf, 4096, 4096) == 4096, "sectors can");
	ok(fails(ioctl(fd, DIOCGDELETE, range), EINVAL), "parts of sectors can't be deleted");
	range[1] = 16384;
	memset(buf, 0xff, 16384);
	ok(pwrite(fd, buf, 16384, 0) == 16384 && ioctl(fd, DIOCGDELETE, range) == 0, "sectors can");
	setenv("LAYER", "cutdelete", 1);
	ok(pwrite(fd, buf, 16384, 0) == 16384 && ioctl(fd, DIOCGDELETE, range) == 0,
		"as far as a signal lets them");
	unsetenv("LAYER");
	ok(pread(fd, buf, 16384, 0) == 16384 && buf[0] == 0 && buf[16383] != 0,
		"but not all need have been");
	ok(flock(fd, LOCK_EX|LOCK_NB) == 0 && (other = open(path, O_RDWR)) >= 0,
		"a second one may open it to write");
	ok(fails(flock(other, LOCK_EX|LOCK_NB), EWOULDBLOCK), "only a lock keeps it away");
	close(other);
	ok((other = hostopenexcl(path)) >= 0 && fails(open(path, O_RDWR), EPERM), "or a mount");
	close(other);
	close(fd);
}

/*
 * Files in the directory that is here.
 */
static void
files(void)
{
	int dir = open(".", O_RDONLY|O_DIRECTORY), fd = openat(dir, "file", O_RDWR|O_CREAT|O_TRUNC,
		0600);
	static char zeros[8192];

	ok(fails(faccessat(dir, "file", F_OK, AT_SYMLINK_NOFOLLOW), EINVAL),
		"faccessat follows links");
	ok(symlink("file", "link") == 0 && fails(openat(dir, "link", O_RDONLY|O_NOFOLLOW), EMLINK),
		"a link not to be followed has too many");
	unlink("link");
	memset(buf, 0xff, sizeof buf);
	if(pwrite(fd, buf, sizeof buf, 0) < 0 || ftruncate(fd, 1 << 20) < 0)
		ok(0, "a file can be written");
#ifdef SPACECTL_DEALLOC
	struct spacectl_range r = { 0, 1 << 20 };
	int steps = 0;

	while(r.r_len > 0 && steps < 100){
		if(fspacectl(fd, SPACECTL_DEALLOC, &r, 0, &r) < 0 && errno != EINTR)
			break;
		steps++;
	}
	ok(r.r_len == 0 && r.r_offset == 1 << 20 && steps > 1, "space is given back in steps");
	ok(pread(fd, buf, 8192, 4096) == 8192 && memcmp(buf, zeros, 8192) == 0, "and all of it is");
#endif
	close(fd);
	unlink("file");
	setenv("LAYER", "dio", 1);
	fd = openat(dir, "file", O_RDWR|O_CREAT|O_DIRECT, 0600);
	ok(pwrite(fd, zeros, 4096, 0) < 0 || (uintptr_t)zeros % 4096 == 0,
		"direct I/O of ZFS is of whole pages in memory");
	ok(pwrite(fd, buf, 4096, 4096) == 4096 && fails(pread(fd, buf, 512, 4096), EINVAL)
		&& fails(pread(fd, buf, 4096, 512), EINVAL), "and of the file");
	unsetenv("LAYER");
	unlink("file");
	close(fd);
	close(dir);
}

/*
 * What a disk takes of a vector.
 */
static void
limits(struct aiocb *cb, int kq)
{
	static struct iovec many[17];	/* cb keeps pointing to it */
	unsigned long most = 0;
	size_t size = sizeof most;
	int parts = 0, i;

	ok(sysctlbyname("kern.maxphys", &most, &size, NULL, 0) == 0 && most >= 65536,
		"there is a limit of bytes");
	size = sizeof parts;
	ok(sysctlbyname("vfs.aio.max_buf_aio", &parts, &size, NULL, 0) == 0 && parts == 16,
		"and of parts");
	for(i = 0; i < 17; i++)
		many[i] = (struct iovec){ buf, 4096 };
	cb->aio_iov = many;
	cb->aio_offset = 0;
	cb->aio_iovcnt = 17;
	ok(fails(aio_readv(cb), EOPNOTSUPP), "a disk refuses a vector of more parts");
	cb->aio_iovcnt = 1;
	many[0].iov_len = 512;
	ok(fails(aio_readv(cb), EOPNOTSUPP), "and one of less than a sector");
	setenv("LAYER", "maxphys=65536", 1);
	cb->aio_iovcnt = 16;
	many[0].iov_len = 8192;
	ok(fails(aio_readv(cb), EOPNOTSUPP), "and one of more bytes");
	many[0].iov_len = 4096;
	ok(aio_readv(cb) == 0, "which says nothing of the next one");
	unsetenv("LAYER");
	while(!ready(kq))
		;
	ok(aio_return(cb) == 65536, "that is done");
}

static void
aio(const char *path)
{
	static const struct timespec now;
	int kq = kqueue(), fd = open(path, O_RDONLY);
	struct iovec iov = { buf, 4096 };
	struct aiocb cb = { .aio_fildes = fd };
	struct kevent ev[2];

	cb.aio_iov = &iov;
	cb.aio_iovcnt = 1;
	cb.aio_sigevent.sigev_notify = SIGEV_KEVENT;
	cb.aio_sigevent.sigev_notify_kqueue = kq;
	cb.aio_sigevent.sigev_value.sival_ptr = &iov;
	ok(aio_readv(&cb) == 0, "aio takes a read");
	while(!ready(kq))
		;
	ok(kevent(kq, NULL, 0, ev, 2, &now) == 1 && ev[0].filter == EVFILT_AIO
		&& ev[0].ident == (uintptr_t)&cb
		&& ev[0].udata == &iov, "and a kqueue tells of its end");
	ok(kevent(kq, NULL, 0, ev, 2, &now) == 1, "again and again");
	ok(aio_return(&cb) == 4096 && kevent(kq, NULL, 0, ev, 2, &now) == 0 && !ready(kq),
		"until aio_return");
	cb.aio_offset = 512;
	aio_readv(&cb);
	while(!ready(kq))
		;
	ok(fails(aio_return(&cb), EINVAL), "it has the errors that a read has");
	limits(&cb, kq);
}

static void
options(void)
{
	char *argv[] = { "x", "-a", "1", "operand", "-b", NULL };

	ok(getopt(5, argv, "a:b") == 'a' && strcmp(optarg, "1") == 0, "getopt finds an option");
	ok(getopt(5, argv, "a:b") == -1 && optind == 3, "and stops at the first operand");
	optind = 4;
	ok(getopt(5, argv, "+:b:") == '?' && optopt == 'b', "a + in front hides the : behind it");
}

int
main(int argc, char **argv)
{
	(void)argc;
	bpf();
	lagg();
	addresses();
	truncation();
	gone();
	disk(argv[1]);
	aio(argv[1]);
	files();
	options();
	return tapend();
}
