/*
 * The daemon, whose code an attacker has taken over: once it is in the
 * sandbox it tries what it must not be able to do, in the loop's thread and
 * in another, prints a line "attempt: errno", or "attempt: done" for each,
 * and then serves as ever.  Linked with the daemon's own objects, its
 * functions disarm, sandbox and syscall replaced by those below.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>

void	__real_disarm(void);
void	__real_sandbox(void);
long	__real_syscall(long, long, long, long, long, long, long);
void	__wrap_disarm(void);
void	__wrap_sandbox(void);
long	__wrap_syscall(long, ...);

static struct io_uring_params params;
static int uringfd = -1;
static int packetfd = -1, statedir = -1;
static pthread_t second;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static const char *who;

static void
tell(const char *what, long r)
{
	if(r < 0)
		printf("%s: %s: %s\n", who, what, strerror(errno));
	else
		printf("%s: %s: done\n", who, what);
}

/*
 * Remember the ring that the engine makes.
 */
long
__wrap_syscall(long nr, ...)
{
	va_list ap;
	long a[6], r;
	int i;

	va_start(ap, nr);
	for(i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	r = __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if(nr == SYS_io_uring_setup && r >= 0){
		uringfd = (int)r;
		memcpy(&params, (void*)a[1], sizeof params);
	}
	return r;
}

/*
 * Have io_uring do what system calls can't.
 */
static long
byring(struct io_uring_sqe *want)
{
	size_t size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	size_t sqsize = params.sq_off.array + params.sq_entries * sizeof(unsigned);
	unsigned char *sq, *cq;
	struct io_uring_sqe *sqe;
	unsigned tail, mask;
	int r;

	sq = mmap(NULL, sqsize, PROT_READ|PROT_WRITE, MAP_SHARED, uringfd,
		(off_t)IORING_OFF_SQ_RING);
	cq = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, uringfd, (off_t)IORING_OFF_CQ_RING);
	sqe = mmap(NULL, params.sq_entries * sizeof *sqe, PROT_READ|PROT_WRITE, MAP_SHARED, uringfd,
		(off_t)IORING_OFF_SQES);
	if(sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		abort();
	mask = *(unsigned*)(void*)(sq + params.sq_off.ring_mask);
	tail = *(unsigned*)(void*)(sq + params.sq_off.tail);
	sqe[tail & mask] = *want;
	((unsigned*)(void*)(sq + params.sq_off.array))[tail & mask] = tail & mask;
	__atomic_store_n((unsigned*)(void*)(sq + params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	if(__real_syscall(SYS_io_uring_enter, uringfd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
		return -1;
	mask = *(unsigned*)(void*)(cq + params.cq_off.ring_mask);
	tail = __atomic_load_n((unsigned*)(void*)(cq + params.cq_off.tail), __ATOMIC_ACQUIRE);
	r = ((struct io_uring_cqe*)(void*)(cq + params.cq_off.cqes))[(tail - 1) & mask].res;
	/* The daemon must not see it. */
	__atomic_store_n((unsigned*)(void*)(cq + params.cq_off.head), tail, __ATOMIC_RELEASE);
	errno = -r;
	return r < 0 ? -1 : 0;
}

static void
ring(void)
{
	struct io_uring_sqe s = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
		.addr = (uintptr_t)"/etc/passwd" };

	if(uringfd < 0)
		return;
	tell("open by io_uring", byring(&s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_SENDMSG, .fd = packetfd };
	tell("send by io_uring", byring(&s));
	tell("register with io_uring",
		__real_syscall(SYS_io_uring_register, uringfd, IORING_UNREGISTER_EVENTFD, 0, 0, 0,
		0));
}

static void
files(void)
{
	char *argv[] = { "/bin/true", NULL };
	char up[300];

	tell("open", open("/etc/passwd", O_RDONLY));
	tell("open the image again", open(getenv("IMAGE"), O_RDWR));
	tell("open /proc", open("/proc/self/mem", O_RDWR));
	snprintf(up, sizeof up, "../../../../../..%s", getenv("IMAGE"));
	if(statedir >= 0){
		tell("open by the directory and a path from the root",
			openat(statedir, getenv("IMAGE"), O_RDWR));
		tell("open by the directory and a path upwards", openat(statedir, up, O_RDWR));
		tell("remove by the directory and a path upwards", unlinkat(statedir, up, 0));
		tell("rename by the directory and a path upwards",
			renameat(statedir, up, statedir, "stolen"));
		tell("link by the directory and a path upwards",
			linkat(statedir, up, statedir, "stolen", 0));
		tell("make a directory", mkdirat(statedir, "made", 0777));
		tell("make a device", mknodat(statedir, "made", S_IFBLK|0666, 0x700));
		tell("make a symbolic link", symlinkat("/etc", statedir, "made"));
	}
	tell("execve", execv(argv[0], argv));
	tell("execve of a descriptor",
		__real_syscall(SYS_execveat, 0, (long)"", (long)argv, 0, AT_EMPTY_PATH, 0));
	tell("chmod", chmod(getenv("IMAGE"), 0777));
	tell("chown", chown(getenv("IMAGE"), 1, 1));
	tell("unlink", unlink(getenv("IMAGE")));
	tell("truncate", truncate(getenv("IMAGE"), 0));
	tell("chroot", chroot("/"));
	tell("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
}

static void
processes(void)
{
	tell("fork", fork());
	tell("clone a thread", __real_syscall(SYS_clone, 0x50f00, 0, 0, 0, 0, 0));
	tell("ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	tell("be traced", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	tell("kill", kill(getppid(), 0));
	tell("kill ourselves", kill(getpid(), 0));
	tell("signal another's thread",
		__real_syscall(SYS_tgkill, getppid(), getppid(), 0, 0, 0, 0));
	tell("signal another by its thread", __real_syscall(SYS_tkill, getppid(), 0, 0, 0, 0, 0));
	tell("read another's memory", process_vm_readv(getppid(), NULL, 0, NULL, 0, 0));
	tell("change who we are", setuid(65534));
	tell("regain capabilities", prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL,
		0UL, 0UL, 0UL));
	tell("a namespace", unshare(CLONE_NEWUSER));
	tell("bpf", __real_syscall(SYS_bpf, 0, 0, 0, 0, 0, 0));
	tell("a filter of our own", __real_syscall(SYS_seccomp, 1, 0, 0, 0, 0, 0));
}

static void
network(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET|BPF_K, 0xffffffff);
	struct sock_fprog prog = { .len = 1, .filter = &all };
	int zero = 0;

	tell("a TCP socket", socket(AF_INET, SOCK_STREAM, 0));
	tell("a UDP socket", socket(AF_INET6, SOCK_DGRAM, 0));
	tell("a local socket", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	tell("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	tell("a socket pair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0, 0 }));
	if(packetfd >= 0){
		tell("receive all frames", setsockopt(packetfd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			sizeof prog));
		tell("drop the filter of frames",
			setsockopt(packetfd, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof zero));
		tell("set an address", ioctl(packetfd, SIOCSIFHWADDR, (void*)NULL));
		tell("connect", connect(packetfd, NULL, 0));
	}
}

static void
memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

	tell("run what was written", mprotect(p, 4096, PROT_READ|PROT_EXEC));
	tell("map to be run", mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1,
		0) == MAP_FAILED ? -1 : 0);
	munmap(p, 4096);
	tell("a file in memory", __real_syscall(SYS_memfd_create, (long)"x", 0, 0, 0, 0, 0));
	tell("io_uring", __real_syscall(SYS_io_uring_setup, 8, (long)&(struct io_uring_params){ 0 },
		0, 0, 0, 0));
}

static void
attempts(void)
{
	files();
	processes();
	network();
	memory();
}

static void*
thread(void *arg)
{
	pthread_mutex_lock(&gate);
	who = "thread";
	attempts();
	fflush(stdout);
	pthread_mutex_unlock(&gate);
	return arg;
}

void
__wrap_disarm(void)
{
	struct sockaddr_ll sa;
	struct stat st;
	socklen_t len;
	int fd;

	for(fd = 3; fd < 100; fd++){
		len = sizeof sa;
		if(packetfd < 0 && getsockname(fd, (struct sockaddr*)&sa, &len) == 0
			&& sa.sll_family == AF_PACKET)
			packetfd = fd;
		if(statedir < 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			statedir = fd;
	}
	__real_disarm();
	/* One that is there already when the rest of the sandbox is made. */
	pthread_mutex_lock(&gate);
	if(pthread_create(&second, NULL, thread, NULL) != 0)
		abort();
}

void
__wrap_sandbox(void)
{
	__real_sandbox();
	who = "loop";
	attempts();
	ring();
	fflush(stdout);
	pthread_mutex_unlock(&gate);
	pthread_join(second, NULL);
}
