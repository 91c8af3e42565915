/*
 * The Linux side of the layer: see host.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include "host.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* Every frame's protocol; and no frame's, as 0 would leave what there is. */
enum { Ethall = 0x0003, Ethnone = 0x0001 };

/* The layer takes these calls' names. */
int	__real_socket(int, int, int);
ssize_t	__real_send(int, const void*, size_t, int);
int	__real_ioctl(int, unsigned long, ...);
int	__real_stat64(const char*, struct stat*);
int	__real_open64(const char*, int, ...);

ssize_t
hostsay(int fd, const void *buf, size_t len)
{
	return __real_send(fd, buf, len, MSG_DONTWAIT|MSG_NOSIGNAL);
}

int
hostpacket(void)
{
	return __real_socket(AF_PACKET, SOCK_RAW|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);
}

int
hostbind(int fd, int index, int hear)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
		.sll_protocol = htons(hear ? Ethall : Ethnone), .sll_ifindex = index };

	return bind(fd, (struct sockaddr*)&sa, sizeof sa);
}

int
hostbound(int fd)
{
	struct sockaddr_ll sa;
	socklen_t len = sizeof sa;

	return getsockname(fd, (struct sockaddr*)&sa, &len) < 0 ? 0 : sa.sll_ifindex;
}

/*
 * Linux has taken the tag off a frame with a VLAN, where FreeBSD shows it,
 * as type 0x8100, to the filter: here such frames are not shown at all.
 */
int
hostfilter(int fd, const void *code, unsigned n)
{
	static struct sock_filter all[512 + 3] = {
		BPF_STMT(BPF_LD|BPF_W|BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
		BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET|BPF_K, 0),
	};
	struct sock_fprog prog = { .len = (unsigned short)(n + 3), .filter = all };

	if(n == 0){
		all[3] = (struct sock_filter)BPF_STMT(BPF_RET|BPF_K, (unsigned)-1);
		prog.len = 4;
	}else
		memcpy(all + 3, code, n * sizeof all[0]);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

int
hostincoming(int fd, int only)
{
	return setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &only, sizeof only);
}

void
hostroom(int fd, unsigned bytes)
{
	int n = (int)bytes;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof n);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof n);
}

long
hostrecv(int fd, void *buf, size_t size, int peek)
{
	return recv(fd, buf, size, MSG_DONTWAIT|MSG_TRUNC|(peek ? MSG_PEEK : 0));
}

long
hostsend(int fd, const void *buf, size_t len)
{
	return __real_send(fd, buf, len, MSG_DONTWAIT);
}

unsigned
hostdrops(int fd)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof st;

	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	return st.tp_drops;
}

void
hosterror(int fd)
{
	int e;
	socklen_t len = sizeof e;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
}

static int
asker(void)
{
	static int fd = -1;

	if(fd < 0)
		fd = __real_socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0);
	return fd;
}

int
hostif(const char *name, int index, Hostif *h)
{
	struct ifreq r = { 0 };

	memset(h, 0, sizeof *h);
	if(name == NULL){
		r.ifr_ifindex = index;
		if(__real_ioctl(asker(), SIOCGIFNAME, &r) < 0)
			return -1;
	}else
		snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	memcpy(h->name, r.ifr_name, sizeof h->name);
	if(__real_ioctl(asker(), SIOCGIFINDEX, &r) < 0)
		return -1;
	h->index = r.ifr_ifindex;
	if(__real_ioctl(asker(), SIOCGIFFLAGS, &r) < 0)
		return -1;
	h->up = (r.ifr_flags & IFF_UP) != 0;
	h->running = (r.ifr_flags & IFF_RUNNING) != 0;
	if(__real_ioctl(asker(), SIOCGIFMTU, &r) < 0)
		return -1;
	h->mtu = r.ifr_mtu;
	if(__real_ioctl(asker(), SIOCGIFHWADDR, &r) < 0)
		return -1;
	h->ethernet = r.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	memcpy(h->mac, r.ifr_hwaddr.sa_data, sizeof h->mac);
	return 0;
}

int
hostnthif(int i, Hostif *h)
{
	struct if_nameindex *all = if_nameindex();
	int j, r = -1;

	for(j = 0; all != NULL && all[j].if_index != 0; j++)
		if(j == i)
			r = hostif(all[j].if_name, 0, h);
	if(all != NULL)
		if_freenameindex(all);
	return r;
}

int
hostlinks(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = __real_socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 || bind(fd, (struct sockaddr*)&sa, sizeof sa) < 0 ? -1 : fd;
}

int
hostnews(int fd, int *index, int *gone)
{
	_Alignas(struct nlmsghdr) char buf[16384];
	struct nlmsghdr *m = (struct nlmsghdr*)(void*)buf;
	struct ifinfomsg *info = NLMSG_DATA(m);
	ssize_t n;

	do
		n = recv(fd, buf, sizeof buf, 0);
	while(n < 0 && errno == EINTR);
	if(n < (ssize_t)NLMSG_LENGTH(sizeof *info))
		return -1;
	*index = info->ifi_index;
	*gone = m->nlmsg_type == RTM_DELLINK;
	return 0;
}

int
hostpair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0, fd);
}

int
hostisblk(const char *path)
{
	struct stat st;

	return __real_stat64(path, &st) == 0 && S_ISBLK(st.st_mode);
}

int
hostsize(int fd, unsigned long long *size)
{
	uint64_t v;

	if(__real_ioctl(fd, BLKGETSIZE64, &v) < 0)
		return -1;
	*size = v;
	return 0;
}

int
hostsector(int fd, unsigned *size)
{
	int v;

	if(__real_ioctl(fd, BLKSSZGET, &v) < 0)
		return -1;
	*size = (unsigned)v;
	return 0;
}

int
hostphysical(int fd, unsigned *size)
{
	return __real_ioctl(fd, BLKPBSZGET, size);
}

int
hostopenexcl(const char *path)
{
	return __real_open64(path, O_RDWR|O_EXCL);
}

int
hostdiscard(int fd, unsigned long long off, unsigned long long len)
{
	uint64_t range[2] = { off, len };

	return __real_ioctl(fd, BLKDISCARD, range);
}

int
hostpunch(int fd, long long off, long long len)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, off, len);
}

long long
hostborn(int fd)
{
	struct statx sx;

	if(statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) < 0 || !(sx.stx_mask & STATX_BTIME))
		return -1;
	return sx.stx_btime.tv_sec;
}

unsigned
hostnumber(int fd)
{
	struct statx sx;

	return statx(fd, "", AT_EMPTY_PATH, 0, &sx) < 0 ? 0 : sx.stx_rdev_minor;
}

long
hostgetattr(int fd, const char *name, void *data, size_t size)
{
	char user[256];

	snprintf(user, sizeof user, "user.%s", name);
	return fgetxattr(fd, user, data, size);
}

long
hostsetattr(int fd, const char *name, const void *data, size_t size)
{
	char user[256];

	snprintf(user, sizeof user, "user.%s", name);
	if(data == NULL)
		return fremovexattr(fd, user);
	return fsetxattr(fd, user, data, size, 0) < 0 ? -1 : (long)size;
}

int
hosttmpfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}
