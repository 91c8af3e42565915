/*
 * Is the layer as strict as FreeBSD?  Its argument is a block device with
 * sectors of 4096 bytes; t0 and i0 are joined by a cable, at an MTU of 9000.
 */
#include <sys/types.h>
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/disk.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <net/bpf.h>
#include <net/if.h>
#include "host.h"
#include "../tap.h"

enum { Size = 20000 };

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
	struct bpf_program prog = { 1, all };
	struct ifreq ifr = { .ifr_name = "t0" }, none = { .ifr_name = "nosuch0" };
	unsigned u = 0xffffffff, one = 1, in = BPF_D_IN;
	int fd = open("/dev/bpf", O_RDWR|O_NONBLOCK), wire = hostpacket();
	struct bpf_hdr h;
	Hostif i0;
	long n;

	hostif("i0", 0, &i0);
	hostbind(wire, i0.index);
	ok(fails(read(fd, buf, 4096), ENXIO), "bpf without an interface can't be read");
	ok(fails(write(fd, buf, 60), ENXIO), "nor written");
	ok(fails(ioctl(fd, BIOCGETIF, &ifr), EINVAL) && ready(fd), "nor has it a name, and poll says that it is ready");
	ok(ioctl(fd, BIOCSBLEN, &u) == 0 && u == 0x80000, "a buffer is as large as is allowed");
	u = Size;
	ioctl(fd, BIOCSBLEN, &u);
	ok(fails(ioctl(fd, BIOCSETIF, &none), ENXIO), "an interface must be there");
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "t0");
	ok(ioctl(fd, BIOCSETIF, &ifr) == 0 && fails(ioctl(fd, BIOCSBLEN, &u), EINVAL), "its buffer stays as it is behind BIOCSETIF");
	ioctl(fd, BIOCSETF, &prog);
	ioctl(fd, BIOCSDIRECTION, &in);
	memset(buf, 0xff, sizeof buf);
	hostsend(wire, buf, 100);
	ok(!ready(fd) && fails(read(fd, buf, Size), EAGAIN), "without BIOCIMMEDIATE it waits for a full buffer");
	ioctl(fd, BIOCIMMEDIATE, &one);
	ok(ready(fd), "with it, it doesn't");
	ok(fails(read(fd, buf, Size - 1), EINVAL) && fails(read(fd, buf, Size + 1), EINVAL), "a read must ask for the buffer's size");
	hostsend(wire, buf, 9014);
	hostsend(wire, buf, 9014);
	hostsend(wire, buf, 9014);
	n = read(fd, buf, Size);
	h = header(0);
	ok(h.bh_hdrlen == 26 && h.bh_caplen == 100 && h.bh_datalen == 100, "a frame comes behind its header");
	h = header(BPF_WORDALIGN(26 + 100));
	ok(h.bh_caplen == 9014 && n == (long)(BPF_WORDALIGN(26 + 100) + BPF_WORDALIGN(26 + 9014) + 26 + 9014), "with as many others as fit");
	n = read(fd, buf, Size);
	ok(n == 26 + 9014 && fails(read(fd, buf, Size), EAGAIN), "and the rest with the next read");
	ok(write(fd, buf, 9014) == 9014 && fails(write(fd, buf, 9015), EMSGSIZE), "a frame beyond the MTU can't be sent");
	ok(!ready(fd), "what is sent does not come in");
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
	hostbind(wire, i0.index);
	ioctl(fd, BIOCSBLEN, &u);
	ioctl(fd, BIOCSETIF, &ifr);
	ioctl(fd, BIOCIMMEDIATE, &one);
	ioctl(fd, BIOCSDIRECTION, &in);
	hostsend(wire, buf, 100);
	h.bh_caplen = 0;
	ok(read(fd, buf, 64) == 64 && (h = header(0)).bh_caplen == 64 - 26 && h.bh_datalen == 100, "a frame too large for the buffer is truncated");
	close(fd);
}

static void
disk(const char *path)
{
	struct iovec iov[2] = { { buf, 512 }, { buf + 512, 3584 } };
	int fd = open(path, O_RDWR);
	off_t range[2] = { 0, 512 };
	struct stat st;
	unsigned sector;

	ok(stat(path, &st) == 0 && S_ISCHR(st.st_mode), "a disk is a character device");
	ok(ioctl(fd, DIOCGSECTORSIZE, &sector) == 0 && sector == 4096, "with sectors of its own");
	ok(fails(pread(fd, buf, 512, 0), EINVAL) && fails(pread(fd, buf, 4096, 512), EINVAL), "parts of sectors can't be read");
	ok(fails(pwrite(fd, buf, 512, 0), EINVAL) && fails(pwrite(fd, buf, 4096, 512), EINVAL), "nor written");
	ok(fails(preadv(fd, iov, 2, 0), EINVAL), "nor be parts of a vector");
	ok(pread(fd, buf, 4096, 4096) == 4096, "sectors can");
	ok(fails(ioctl(fd, DIOCGDELETE, range), EINVAL), "parts of sectors can't be deleted");
	ok(fails(open(path, O_RDWR), EPERM), "two can't write to it");
	close(fd);
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
	ok(kevent(kq, NULL, 0, ev, 2, &now) == 1 && ev[0].filter == EVFILT_AIO && ev[0].ident == (uintptr_t)&cb && ev[0].udata == &iov, "and a kqueue tells of its end");
	ok(kevent(kq, NULL, 0, ev, 2, &now) == 1, "again and again");
	ok(aio_return(&cb) == 4096 && kevent(kq, NULL, 0, ev, 2, &now) == 0 && !ready(kq), "until aio_return");
	cb.aio_offset = 512;
	aio_readv(&cb);
	while(!ready(kq))
		;
	ok(fails(aio_return(&cb), EINVAL), "it has the errors that a read has");
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
	truncation();
	disk(argv[1]);
	aio(argv[1]);
	options();
	return tapend();
}
