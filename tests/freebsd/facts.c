/*
 * What the headers in include/ must say, on FreeBSD's 64-bit systems: the
 * values are those that truss(1) and dumps of its ioctls show.
 */
#include <stddef.h>
#include <sys/types.h>
#include <aio.h>
#include <fcntl.h>
#include <sys/capsicum.h>
#include <sys/disk.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <net/bpf.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_lagg.h>

#define SAME(a, b) _Static_assert((a) == (b), #a " is not " #b)

SAME(BIOCGBLEN, 0x40044266);
SAME(BIOCSBLEN, 0xc0044266);
SAME(BIOCSETF, 0x80104267);
SAME(BIOCFLUSH, 0x20004268);
SAME(BIOCGDLT, 0x4004426a);
SAME(BIOCGETIF, 0x4020426b);
SAME(BIOCSETIF, 0x8020426c);
SAME(BIOCGSTATS, 0x4008426f);
SAME(BIOCIMMEDIATE, 0x80044270);
SAME(BIOCSHDRCMPLT, 0x80044275);
SAME(BIOCSDIRECTION, 0x80044277);
SAME(BIOCLOCK, 0x2000427a);
SAME(BIOCSETWF, 0x8010427b);
SAME(BPF_D_IN, 0);
SAME(sizeof(struct bpf_insn), 8);
SAME(sizeof(struct bpf_program), 16);
SAME(offsetof(struct bpf_hdr, bh_caplen), 16);
SAME(offsetof(struct bpf_hdr, bh_datalen), 20);
SAME(offsetof(struct bpf_hdr, bh_hdrlen), 24);
SAME(BPF_WORDALIGN(1), 8);

SAME(SIOCGIFFLAGS, 0xc0206911);
SAME(SIOCGIFCONF, 0xc0106924);
SAME(SIOCGIFMTU, 0xc0206933);
SAME(SIOCGIFMEDIA, 0xc0306938);
SAME(SIOCGLAGG, 0xc050698f);
SAME(sizeof(struct sockaddr), 16);
SAME(sizeof(struct ifreq), 32);
SAME(sizeof(struct sockaddr_dl), 54);
SAME(offsetof(struct sockaddr_dl, sdl_data), 8);
SAME(sizeof(struct if_data), 152);
SAME(sizeof(struct if_msghdr), 168);

SAME(DIOCGSECTORSIZE, 0x40046480);
SAME(DIOCGMEDIASIZE, 0x40086481);
SAME(DIOCGFLUSH, 0x20006487);
SAME(DIOCGDELETE, 0x80106488);
SAME(DIOCGIDENT, 0x41006489);
SAME(DIOCGPROVIDERNAME, 0x4400648a);
SAME(DIOCGSTRIPESIZE, 0x4008648b);
SAME(DIOCGATTR, 0xc148648e);
SAME(sizeof(off_t), 8);

SAME(sizeof(struct kevent), 64);
SAME(offsetof(struct kevent, udata), 24);
SAME(sizeof(struct sigevent), 80);
SAME(offsetof(struct aiocb, aio_offset), 8);
SAME(offsetof(struct aiocb, aio_nbytes), 24);
SAME(offsetof(struct aiocb, aio_sigevent), 80);
SAME(sizeof(struct aiocb), 160);
SAME(sizeof(struct spacectl_range), 16);
SAME(sizeof(struct statfs), 2344);

SAME(CAP_READ, 0x200000000000001);
SAME(CAP_PWRITE, 0x20000000000000e);
SAME(CAP_EVENT, 0x400000000000020);
SAME(CAP_KQUEUE, 0x400000000100040);
SAME(sizeof(cap_rights_t), 16);
