/* FreeBSD's <net/bpf.h>: raw frames. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/ioccom.h>

#define BPF_ALIGNMENT	sizeof(long)
#define BPF_WORDALIGN(x)	(((x) + (BPF_ALIGNMENT - 1)) & ~(BPF_ALIGNMENT - 1))

#define BPF_MAXINSNS	512
#define BPF_MAXBUFSIZE	0x80000
#define BPF_MINBUFSIZE	32

#define DLT_EN10MB	1

struct bpf_insn {
	unsigned short	code;
	unsigned char	jt;
	unsigned char	jf;
	uint32_t	k;
};

struct bpf_program {
	unsigned int	bf_len;
	struct bpf_insn	*bf_insns;
};

struct bpf_stat {
	unsigned int	bs_recv;
	unsigned int	bs_drop;
};

struct bpf_hdr {
	struct timeval	bh_tstamp;
	uint32_t	bh_caplen;
	uint32_t	bh_datalen;
	unsigned short	bh_hdrlen;
};

enum bpf_direction {
	BPF_D_IN,
	BPF_D_INOUT,
	BPF_D_OUT,
};

#define BIOCGBLEN	_IOR('B', 102, unsigned int)
#define BIOCSBLEN	_IOWR('B', 102, unsigned int)
#define BIOCSETF	_IOW('B', 103, struct bpf_program)
#define BIOCFLUSH	_IO('B', 104)
#define BIOCGDLT	_IOR('B', 106, unsigned int)
#define BIOCGETIF	_IOR('B', 107, struct ifreq)
#define BIOCSETIF	_IOW('B', 108, struct ifreq)
#define BIOCGSTATS	_IOR('B', 111, struct bpf_stat)
#define BIOCIMMEDIATE	_IOW('B', 112, unsigned int)
#define BIOCSHDRCMPLT	_IOW('B', 117, unsigned int)
#define BIOCSDIRECTION	_IOW('B', 119, unsigned int)
#define BIOCLOCK	_IO('B', 122)
#define BIOCSETWF	_IOW('B', 123, struct bpf_program)

#define BPF_LD	0x00
#define BPF_JMP	0x05
#define BPF_RET	0x06
#define BPF_W	0x00
#define BPF_H	0x08
#define BPF_B	0x10
#define BPF_ABS	0x20
#define BPF_JEQ	0x10
#define BPF_JGT	0x20
#define BPF_JGE	0x30
#define BPF_JSET	0x40
#define BPF_K	0x00
#define BPF_STMT(code, k)	{ (unsigned short)(code), 0, 0, k }
#define BPF_JUMP(code, k, jt, jf)	{ (unsigned short)(code), jt, jf, k }
