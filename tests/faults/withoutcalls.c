/*
 * withoutcalls NAME[,NAME...] COMMAND [ARGUMENT...]: run a command on a system
 * that seems to lack what is named: seccomp, landlock, io_uring,
 * restrictions (of io_uring), faccessat2.  A filter of our own has their
 * system calls fail, as they fail on kernels that have never heard of them;
 * uring_allowed, as io_uring does where kernel.io_uring_disabled forbids it;
 * pushes, as of a disk that can't be written to.
 */
#include <err.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

static const struct {
	const char *name;
	unsigned	nr;
	int	arg;		/* -1, or which argument */
	unsigned	value;		/* must have this value */
	unsigned	error;
} things[] = {
	{ "seccomp", SYS_seccomp, -1, 0, ENOSYS },
	{ "landlock", 444, -1, 0, ENOSYS },
	{ "io_uring", SYS_io_uring_setup, -1, 0, ENOSYS },
	{ "uring_allowed", SYS_io_uring_setup, -1, 0, EPERM },
	{ "restrictions", SYS_io_uring_register, 1, 11,
		EINVAL },	/* IORING_REGISTER_RESTRICTIONS */
	{ "faccessat2", 439, -1, 0, ENOSYS },
#ifdef SYS_sync_file_range
	{ "pushes", SYS_sync_file_range, 3, 2, EIO },	/* SYNC_FILE_RANGE_WRITE and no more */
#endif
};
enum { Nthings = sizeof things / sizeof things[0] };

static int
named(const char *list, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	for(p = list; (p = strstr(p, name)) != NULL; p += n)
		if((p == list || p[-1] == ',') && (p[n] == 0 || p[n] == ','))
			return 1;
	return 0;
}

int
main(int argc, char **argv)
{
	struct sock_filter code[6 * Nthings + 2], *c = code;
	struct sock_fprog prog = { .filter = code };
	unsigned i, arg;

	if(argc < 3)
		errx(1, "usage: withoutcalls NAME[,NAME...] COMMAND [ARGUMENT...]");
	for(i = 0; i < Nthings; i++){
		if(!named(argv[1], things[i].name))
			continue;
		*c++ = (struct sock_filter)BPF_STMT(BPF_LD|BPF_W|BPF_ABS, offsetof(struct seccomp_data, nr));
		*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, things[i].nr, 0, (unsigned char)(things[i].arg < 0 ? 1 : 3));
		if(things[i].arg >= 0){
			arg = (unsigned)offsetof(struct seccomp_data,
				args) + 8 * (unsigned)things[i].arg;
			*c++ = (struct sock_filter)BPF_STMT(BPF_LD|BPF_W|BPF_ABS, arg + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
			*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, things[i].value, 0, 1);
		}
		*c++ = (struct sock_filter)BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ERRNO|things[i].error);
	}
	if(c == code)
		errx(1, "%s: no such thing", argv[1]);
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)(c - code);
	/* Not no_new_privs, which the command shall come to by itself. */
	if(prctl(PR_SET_SECCOMP, (unsigned long)SECCOMP_MODE_FILTER, &prog, 0UL, 0UL) < 0)
		err(1, "seccomp");
	execvp(argv[2], argv + 2);
	err(1, "%s", argv[2]);
}
