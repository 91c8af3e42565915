/*
 * What is the same on all systems: inherited descriptors and signals,
 * messages, the service manager, directories, the state file and the info
 * file, the shadow's names and the image's mark, windows and copying from
 * them, threads for disk operations, the time these take, and whether polling
 * pays.
 *
 * 1. From logopen on no message waits.  When standard output or error is full
 *    the message is lost, as a log that nobody reads must not stop the disk.
 * 2. A message is one line, whatever the names in it contain.
 * 3. Others see the state file and the info file complete or not at all: each
 *    is written under another name and renamed when it is complete.  No file
 *    that isn't ours is written to, replaced or removed in doing so, even if
 *    it appears meanwhile.
 *
 * Nothing here knows of requests, freezing or frames, or calls another file:
 * what differs between systems comes as functions that these pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "config.h"
#include "dat.h"
#include "fns.h"

typedef struct Log	Log;
typedef struct Kept	Kept;

enum {
	Linemax		= 1024,		/* bytes of a message */
	Maxsig		= 64,
	Headmax		= 16,		/* bytes that all files of a kind begin with */
	Lostmax		= 65536,	/* no kept file is longer */
	/* how long READY=1 may wait for the service manager */
	Ready_ms	= 5000,

	/* syslog(3)'s levels, which the journal understands at the start of a line */
	Lerr		= 3,
	Lwarning	= 4,
	Linfo		= 6,
};

/* Standard output or error. */
struct Log {
	int	fd;
	int	issocket;
	int	journal;	/* it understands levels */
	int	broken;		/* the last line was written in part */
};

/* A file that is always replaced as a whole. */
struct Kept {
	char	option;		/* the option that names it */
	const char *head;	/* all files of this kind begin with it */
	int	dir;		/* its directory */
	char	*name;
	char	new[NAME_MAX + 1];	/* the name of the next one until it is complete */
};

static Log out = { .fd = 1 }, errors = { .fd = 2 };

/* Inherited descriptors and signals. */

/*
 * Open descriptors 0 to 2 if they are closed.  Otherwise the disk or a NIC
 * would get one of them, and messages would be written to it.
 */
static void
standardfiles(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while(fd >= 0 && fd <= 2);
	if(fd > 2)
		close(fd);
}

void
freshstart(void)
{
	struct sigaction sa, deflt = { .sa_handler = SIG_DFL }, ignore = { .sa_handler = SIG_IGN };
	sigset_t none;
	int i;

	standardfiles();
	for(i = 1; i <= Maxsig; i++)
		if(sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			sigaction(i, &deflt, NULL);
	/* A broken pipe, a file at its size limit and a background terminal fail one write. */
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigaction(SIGTTOU, &ignore, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The info file is for everybody, whatever umask we inherited. */
	umask(022);
}

/* Messages. */

/* Is this file the journal's?  JOURNAL_STREAM has its device and inode. */
static int
isjournal(struct stat *st)
{
	const char *s = getenv("JOURNAL_STREAM");
	char mine[64];

	snprintf(mine, sizeof mine, "%llu:%llu", (uvlong)st->st_dev, (uvlong)st->st_ino);
	return s != NULL && strcmp(s, mine) == 0;
}

void
logopen(void (*nowait)(int fd))
{
	Log *logs[] = { &out, &errors };
	struct stat st;
	uint i;

	for(i = 0; i < 2; i++)
		if(fstat(logs[i]->fd, &st) == 0){
			logs[i]->issocket = S_ISSOCK(st.st_mode);
			logs[i]->journal = isjournal(&st);
			if(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
				nowait(logs[i]->fd);
		}
}

/*
 * For a socket use MSG_DONTWAIT: O_NONBLOCK would affect other processes that
 * share it.
 */
static ssize_t
put(Log *l, const char *s, size_t n)
{
	ssize_t r;

	do
		r = l->issocket ? send(l->fd, s, n, MSG_DONTWAIT|MSG_NOSIGNAL) : write(l->fd, s, n);
	while(r < 0 && errno == EINTR);
	return r;
}

static void
line(Log *l, int level, const char *name, const char *why, const char *fmt, va_list ap)
{
	char buf[Linemax] = "\n";
	size_t n, start = (size_t)l->broken;
	uint i;
	ssize_t r;

	if(l->journal)
		snprintf(buf + start, sizeof buf - start, "<%d>", level);
	else
		buf[start] = 0;
	n = strlen(buf);
	n += (size_t)snprintf(buf + n, sizeof buf - n, "%s", name);
	vsnprintf(buf + n, sizeof buf - n, fmt, ap);
	n = strlen(buf);
	if(why != NULL)
		snprintf(buf + n, sizeof buf - n, ": %s", why);
	n = strlen(buf);
	if(n == sizeof buf - 1)
		n--;
	for(i = (uint)start; i < n; i++)
		if((uchar)buf[i] < ' ')
			buf[i] = '?';
	buf[n++] = '\n';
	r = put(l, buf, n);
	if(r > 0)
		l->broken = r < (ssize_t)n;
}

#define Message(l, level, name, why) do{ \
	int errno_ = errno; \
	va_list ap; \
	va_start(ap, fmt); \
	line(l, level, name, why, fmt, ap); \
	va_end(ap); \
	errno = errno_; \
}while(0)

void
say(const char *fmt, ...)
{
	Message(&out, Linfo, "", NULL);
}

void
warnx(const char *fmt, ...)
{
	Message(&errors, Lwarning, "aoede: ", NULL);
}

void
warn(const char *fmt, ...)
{
	Message(&errors, Lwarning, "aoede: ", strerror(errno_));
}

void
errx(int status, const char *fmt, ...)
{
	Message(&errors, Lerr, "aoede: ", NULL);
	exit(status);
}

void
err(int status, const char *fmt, ...)
{
	Message(&errors, Lerr, "aoede: ", strerror(errno_));
	exit(status);
}

uvlong
microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uvlong)t.tv_sec * 1000000 + (uvlong)t.tv_nsec / 1000;
}

char*
sentence(const char *fmt, ...)
{
	static char buf[2 * PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return buf;
}

int
maysay(Few *f, const char *what)
{
	uvlong now = microseconds();

	if(f->said == 0 || now - f->since >= f->period * 1000000ULL){
		if(f->said > LOG_RATE)
			warnx("%u more %s", f->said - LOG_RATE, what);
		f->since = now;
		f->said = 0;
	}
	return f->said++ < LOG_RATE;
}

int
worthlooking(Looks *l)
{
	if(l->skip == 0)
		return 1;
	l->skip--;
	return 0;
}

void
looked(Looks *l, int found)
{
	enum { Free = 3, Limit = 9 };

	if(found)
		l->vain -= l->vain > 0;
	else
		l->vain += l->vain < Limit;
	l->skip = l->vain > Free ? (1U << (l->vain - Free)) - 1 : 0;
}

/* The service manager. */

static int manager = -1;

void
notifyopen(int fd)
{
	manager = fd;
}

void
notify(const char *fmt, ...)
{
	char buf[256];
	struct pollfd p = { .fd = manager, .events = POLLOUT };
	va_list ap;

	if(manager < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	/* READY may wait: without it the service manager would consider us failed. */
	if(strncmp(buf, "READY", 5) == 0)
		poll(&p, 1, Ready_ms);
	send(manager, buf, strlen(buf), MSG_DONTWAIT|MSG_NOSIGNAL);
}

/* Directories, and files in them. */

enum {
	Maxdirs	= 3,		/* of the shadow, the state file and the info file */
};

static int dirs[Maxdirs];
static uint ndirs;

int
opendirectory(char *path, char *dir, char **name)
{
	char *slash = strrchr(path, '/');
	int fd;

	*name = slash != NULL ? slash + 1 : path;
	if(**name == 0 || strlen(path) >= PATH_MAX){
		errno = **name == 0 ? EISDIR : ENAMETOOLONG;
		return -1;
	}
	snprintf(dir, PATH_MAX, "%.*s", slash == NULL
		|| slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
	fd = open(dir, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
	if(fd >= 0)
		dirs[ndirs++] = fd;
	return fd;
}

uint
directories(int **list)
{
	*list = dirs;
	return ndirs;
}

int
openplain(int dir, char *name, int flags)
{
	int fd = openat(dir, name, flags|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC, 0600);

	/* FreeBSD's errno for a symbolic link. */
	if(fd < 0 && errno == EMLINK)
		errno = ELOOP;
	return fd;
}

int
lockfile(int fd, int how)
{
	struct timespec tenth = { 0, 100000000 };
	int i, r;

	for(i = 0; (r = flock(fd, how|LOCK_NB)) < 0 && errno == EWOULDBLOCK && i < 10; i++)
		nanosleep(&tenth, NULL);
	return r;
}

int
exactly(int fd, int op, void *buf, size_t len, uvlong off)
{
	char *p = buf;
	size_t done;
	ssize_t n;

	for(done = 0; done < len; done += (size_t)n){
		n = op == Oread ? pread(fd, p + done, len - done, (off_t)(off + done))
			: pwrite(fd, p + done, len - done, (off_t)(off + done));
		if(n < 0 && errno == EINTR)
			n = 0;
		else if(n <= 0){
			if(n == 0)
				errno = EIO;
			return -1;
		}
	}
	return 0;
}

int
hasholes(int fd)
{
	struct stat st;

	if(ftruncate(fd, 0) < 0 || ftruncate(fd, 1 << 20) < 0 || fstat(fd, &st) < 0)
		return -1;
	if(st.st_blocks * 512 < 1 << 19)
		return 0;
	errno = EOPNOTSUPP;
	return -1;
}

uvlong
filedata(int fd, uvlong off, uvlong *end)
{
	struct stat st;
	off_t from, to;

	*end = fstat(fd, &st) < 0 ? off : (uvlong)st.st_size;
	if(off >= *end)
		return *end;
	from = lseek(fd, (off_t)off, SEEK_DATA);
	if(from < 0)
		return errno == ENXIO ? *end : off;
	to = lseek(fd, from, SEEK_HOLE);
	if(to > from)
		*end = (uvlong)to;
	return (uvlong)from;
}

/* Files that are always replaced as a whole. */

/*
 * Open the file of this name if it is ours: it begins as all of its kind do,
 * or it is empty or all zeros, as a crash may have left it.  Returns -1 with
 * errno, EEXIST if it is not ours.
 */
static int
ours(Kept *k, char *name)
{
	static const char lost[Headmax];
	char buf[Headmax];
	size_t len = strlen(k->head);
	struct stat st;
	ssize_t n = -1;
	int fd, e;

	/* Opening a device or a fifo may have side effects. */
	if(fstatat(k->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if(!S_ISREG(st.st_mode)){
		errno = EEXIST;
		return -1;
	}
	fd = openplain(k->dir, name, O_RDONLY);
	if(fd < 0)
		return -1;
	if(fstat(fd, &st) == 0)
		n = pread(fd, buf, len, 0);
	e = errno;
	if(n >= 0 && (memcmp(buf, k->head, (size_t)n) == 0
	|| (st.st_size <= Lostmax && memcmp(buf, lost, (size_t)n) == 0)))
		return fd;
	close(fd);
	errno = n < 0 ? e : EEXIST;
	return -1;
}

/*
 * Create the next file under its temporary name.  Returns a descriptor, or -1
 * with errno, EEXIST if something else has that name.
 */
static int
keptnew(Kept *k, mode_t mode)
{
	int r, fd = ours(k, k->new);

	if(fd >= 0){
		/* It is being written by another process that has locked it. */
		r = flock(fd, LOCK_EX|LOCK_NB);
		if(r == 0)
			unlinkat(k->dir, k->new, 0);
		close(fd);
		if(r < 0)
			return -1;
	}
	return openat(k->dir, k->new, O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, mode);
}

/*
 * Write the next file and rename it, unless something else has the name.
 * Returns -1 with errno; then the file has been removed, to free its space.
 */
static int
keptput(Kept *k, int fd, void *buf, size_t len, int stable)
{
	int e, old;

	if(exactly(fd, Owrite, buf, len, 0) == 0 && (!stable || fsync(fd) == 0)){
		old = ours(k, k->name);
		if(old >= 0)
			close(old);
		if((old >= 0 || errno == ENOENT) && renameat(k->dir, k->new, k->dir, k->name) == 0)
			return 0;
	}
	e = errno;
	unlinkat(k->dir, k->new, 0);
	errno = e;
	return -1;
}

/*
 * Open the directory of the file that the option names.  Returns NULL, or a
 * sentence saying why it can't be used.
 */
static char*
keptopen(Kept *k, char *path)
{
	char dir[PATH_MAX];

	k->dir = opendirectory(path, dir, &k->name);
	if(k->dir < 0)
		return sentence("-%c %s: %s: expected a file in a directory that exists", k->option,
			path, strerror(errno));
	if(snprintf(k->new, sizeof k->new, "%s.new", k->name) >= (int)sizeof k->new)
		return sentence("-%c %s: expected a shorter name", k->option, path);
	return NULL;
}

/*
 * Check that the next file can be created.  A full disk is no error, as it may
 * have room later.
 */
static char*
keptclear(Kept *k, char *path)
{
	int fd = keptnew(k, 0600);

	if(fd < 0 && errno == EEXIST)
		return sentence("-%c %s: %s.new is something else: expected that name to be free",
			k->option, path, path);
	if(fd < 0 && errno != ENOSPC && errno != EDQUOT)
		return sentence("-%c %s: %s: expected to write %s.new, too", k->option, path,
			strerror(errno), path);
	if(fd >= 0){
		unlinkat(k->dir, k->new, 0);
		close(fd);
	}
	return NULL;
}

/*
 * The state file.  The target locks it, and each file that replaces it.  The
 * image's lock does not protect it, as targets that only read may share an
 * image.
 */
static Kept state = { .option = 'S', .head = "AoEstate" };
static int statelock = -1;	/* the file, open and locked, or -1 if there is none */

int
statefd(void)
{
	return statelock;
}

/*
 * Open and lock the state file.  Returns -1 with errno.  If it was replaced
 * while we waited for the lock, open the new one.
 */
static int
stateget(void)
{
	struct stat st;
	int fd;

	for(;;){
		fd = openplain(state.dir, state.name, O_RDONLY);
		if(fd < 0 || fstat(fd, &st) < 0)
			return -1;
		if(!S_ISREG(st.st_mode)){
			errno = EINVAL;
			return -1;
		}
		if(lockfile(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
			return -1;
		if(st.st_nlink > 0)
			return fd;
		close(fd);
	}
}

char*
stateopen(char *path, uchar *buf, size_t size, ssize_t *len)
{
	char *e = keptopen(&state, path);

	*len = -1;
	if(e != NULL)
		return e;
	statelock = stateget();
	if(statelock < 0 && errno == EWOULDBLOCK)
		return sentence("-S %s: locked by another program, most likely another aoede",
			path);
	if((statelock < 0 && errno != ENOENT)
	|| (statelock >= 0 && (*len = pread(statelock, buf, size, 0)) < 0))
		return sentence("-S %s: %s: expected a file", path,
			errno == ELOOP ? "a symbolic link" : strerror(errno));
	return keptclear(&state, path);
}

int
statesave(uchar *buf, size_t len)
{
	int fd = keptnew(&state, 0600);

	if(fd < 0)
		return -1;
	if(flock(fd, LOCK_EX|LOCK_NB) < 0 || keptput(&state, fd, buf, len, 1) < 0){
		close(fd);
		return -1;
	}
	if(statelock >= 0)
		close(statelock);
	statelock = fd;
	return fsync(state.dir);
}

/* The info file. */

static Kept info = { .option = 'i', .head = "address=", .dir = -1 };

char*
infoopen(char *path)
{
	char *e = keptopen(&info, path);
	int fd;

	if(e != NULL)
		return e;
	fd = ours(&info, info.name);
	if(fd < 0 && errno != ENOENT)
		return sentence("-i %s: not an info file: expected one, or a name that is free",
			path);
	if(fd >= 0)
		close(fd);
	return keptclear(&info, path);
}

int
infowrite(const char *text, size_t len)
{
	int r, fd = keptnew(&info, 0644);

	if(fd < 0)
		return -1;
	r = keptput(&info, fd, (void*)(uintptr_t)text, len, 0);
	close(fd);
	return r;
}

void
inforemove(void)
{
	int fd = info.dir >= 0 ? ours(&info, info.name) : -1;

	if(fd >= 0){
		unlinkat(info.dir, info.name, 0);
		close(fd);
	}
}

/*
 * The shadow.  It is opened relative to its directory, which is opened at the
 * start, so that no path is followed later.
 */
static struct {
	int	dir;
	char	*name;			/* in dir */
	char	temp[NAME_MAX + 1];	/* its name until shadowname; no other process uses it */
	char	path[PATH_MAX];		/* absolute */
	int	named;			/* it has its final name */
	int	flags;			/* shadowat's */
	int	(*attach)(int fd, int dir, char *name, int readonly);
	void	(*detach)(void);
	int	(*renamenew)(int dir, char *from, char *to);
	int	fd;			/* open and locked, or -1 */
	/* a removed shadow, whose space is being freed piece by piece; or -1 */
	_Atomic int gone;
} shadow = { .dir = -1, .fd = -1, .gone = -1 };

int
shadowdirfd(void)
{
	return shadow.dir;
}

char*
shadowat(char *path, int flags, int (*attach)(int fd, int dir, char *name, int readonly),
	void (*detach)(void), int (*renamenew)(int dir, char *from, char *to))
{
	char dir[PATH_MAX];
	size_t n;

	shadow.flags = flags;
	shadow.attach = attach;
	shadow.detach = detach;
	shadow.renamenew = renamenew;
	shadow.dir = opendirectory(path, dir, &shadow.name);
	if(shadow.dir < 0 || realpath(dir, shadow.path) == NULL)
		return sentence("-f %s: %s: expected a file in a directory that exists", path,
			strerror(errno));
	if(strlen(shadow.name) + sizeof ".0123456789.aoede" > sizeof shadow.temp)
		return sentence("-f %s: expected a shorter name", path);
	snprintf(shadow.temp, sizeof shadow.temp, "%s.%ld.aoede", shadow.name, (long)getpid());
	n = strlen(shadow.path);
	if(n + 1 + strlen(shadow.name) >= sizeof shadow.path)
		return sentence("-f %s: expected a shorter path", path);
	snprintf(shadow.path + n, sizeof shadow.path - n, "%s%s", n > 1 ? "/" : "", shadow.name);
	return NULL;
}

char*
shadowpath(void)
{
	return shadow.path;
}

static void
shadowclose(void)
{
	int e = errno;

	shadow.detach();
	if(shadow.fd >= 0)
		close(shadow.fd);
	shadow.fd = -1;
	errno = e;
}

/*
 * Open the shadow by its present name and lock it.  Fails with EWOULDBLOCK if
 * the holder of the lock has replaced it meanwhile.
 */
static int
shadowtake(char *name, int flags)
{
	int how = (flags & O_ACCMODE) == O_RDONLY ? LOCK_SH : LOCK_EX;
	struct stat st, now;

	shadow.fd = openplain(shadow.dir, name, flags|shadow.flags);
	if(shadow.fd < 0)
		return -1;
	if(flock(shadow.fd, how|LOCK_NB) < 0 || fstat(shadow.fd, &st) < 0
	|| fstatat(shadow.dir, name, &now, AT_SYMLINK_NOFOLLOW) < 0){
		shadowclose();
		return -1;
	}
	if(!S_ISREG(st.st_mode) || st.st_ino != now.st_ino || st.st_dev != now.st_dev){
		errno = S_ISREG(st.st_mode) ? EWOULDBLOCK : EINVAL;
		shadowclose();
		return -1;
	}
	return 0;
}

int
shadowopen(uvlong *size, int readonly)
{
	int r = shadowtake(shadow.name, readonly ? O_RDONLY : O_RDWR);
	struct stat st;

	if(r < 0 && errno != ENOENT)
		return -1;
	/* A process that was killed may have renamed the shadow without this sync. */
	if(fsync(shadow.dir) < 0)
		return -1;
	if(r < 0)
		return 0;
	shadow.named = 1;
	if(fstat(shadow.fd, &st) < 0
	|| shadow.attach(shadow.fd, shadow.dir, shadow.name, readonly) < 0){
		shadowclose();
		return -1;
	}
	*size = (uvlong)st.st_size;
	return 1;
}

int
shadowmake(uvlong size)
{
	struct stat there;
	int e;

	shadow.named = 0;
	if(fstatat(shadow.dir, shadow.name, &there, AT_SYMLINK_NOFOLLOW) == 0){
		errno = EEXIST;
		return -1;
	}
	/* Remove a temporary file that a dead process of our pid has left. */
	if(shadowtake(shadow.temp, O_RDWR) == 0)
		shadowremove(0);
	if(shadowtake(shadow.temp, O_RDWR|O_CREAT|O_EXCL) < 0)
		return -1;
	if(hasholes(shadow.fd) == 0 && ftruncate(shadow.fd, (off_t)size) == 0
	&& fsync(shadow.fd) == 0 && shadow.attach(shadow.fd, shadow.dir, shadow.temp, 0) == 0)
		return 0;
	e = errno;
	shadowremove(0);
	errno = e;
	return -1;
}

uvlong
shadowtakes(void)
{
	struct stat st;

	return fstat(shadow.fd, &st) < 0 ? 0 : (uvlong)st.st_blocks * 512;
}

int
shadowname(void)
{
	if(shadow.renamenew(shadow.dir, shadow.temp, shadow.name) < 0)
		return -1;
	shadow.named = 1;
	return fsync(shadow.dir);
}

int
shadowremove(int later)
{
	int r;

	windowmap(Shadow, shadow.fd, 0, 0);
	r = unlinkat(shadow.dir, shadow.named ? shadow.name : shadow.temp, 0);
	if(r == 0 && later && shadow.gone < 0){
		shadow.gone = shadow.fd;
		shadow.fd = -1;
	}
	shadowclose();
	return r < 0 ? -1 : fsync(shadow.dir);
}

int
shadowfree(void)
{
	enum { Much = 16 * 1024 * 1024, Brief_us = 20000 };
	static off_t piece = Much;
	struct stat st, was;
	uvlong us;

	if(fstat(shadow.gone, &was) == 0 && was.st_size > 0 && was.st_blocks * 512 > Much / 4){
		us = microseconds();
		if(ftruncate(shadow.gone,
			was.st_size - (piece < was.st_size ? piece : was.st_size)) == 0
		&& fsync(shadow.gone) == 0 && fstat(shadow.gone, &st) == 0){
			us = microseconds() - us;
			if(us < Brief_us || (was.st_blocks - st.st_blocks) * 512 < Much / 16)
				piece *= 2;
			else if((was.st_blocks - st.st_blocks) * 512 > Much / 2)
				piece /= 2;
			return (int)(us / 1000);
		}
	}
	if(shadow.gone >= 0)
		close(shadow.gone);
	shadow.gone = -1;
	piece = Much;
	return -1;
}

/* The image's lock, and its mark. */

char*
imagelock(int fd, char *path, int readonly)
{
	if(lockfile(fd, readonly ? LOCK_SH : LOCK_EX) == 0)
		return NULL;
	if(errno == EWOULDBLOCK)
		return sentence("%s: locked by another program, most likely another aoede", path);
	return sentence("%s: can't be locked: %s", path, strerror(errno));
}

int
markset(int mark, int (*putmark)(char *text))
{
	char text[PATH_MAX + 8];

	if(mark == Marknone)
		return putmark(NULL);
	snprintf(text, sizeof text, "%s %s", mark == Marklive ? "live" : "gone", shadow.path);
	return putmark(text);
}

int
markfind(ssize_t (*getmark)(char *text, size_t size), char *path, size_t size)
{
	char text[PATH_MAX + 8];
	struct stat st;
	ssize_t n = getmark(text, sizeof text - 1);
	int there;

	if(n <= 5)
		return Marknone;
	text[n] = 0;
	snprintf(path, size, "%s", text + 5);
	if(strncmp(text, "live ", 5) == 0)
		return Marklive;
	/* Inside the sandbox no path can be followed, but only our own mark is read there. */
	if(strcmp(text + 5, shadow.path) == 0)
		there = fstatat(shadow.dir, shadow.name, &st, AT_SYMLINK_NOFOLLOW);
	else
		there = access(path, F_OK);
	return there == 0 ? Marklive : Markgone;
}

/*
 * A window maps a whole file, so that what the page cache holds can be copied
 * without a system call.  The kernel keeps it coherent with writes.  With
 * addresses of 32 bits there are no windows.
 */
static struct {
	uchar	*base;
	size_t	len;
	int	writable;
} windows[Nfiles];

static _Thread_local sigjmp_buf nofault;
static _Thread_local volatile sig_atomic_t copying;

/*
 * The page can't be read, has no space on the disk, or lies beyond the end of
 * a truncated file.  The copy fails, and the process goes on.
 */
static void
onfault(int sig)
{
	if(copying)
		siglongjmp(nofault, 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

void
catchfault(int sig)
{
	struct sigaction sa = { .sa_handler = onfault, .sa_flags = SA_NODEFER };

	sigaction(sig, &sa, NULL);
}

int
windowmap(int file, int fd, uvlong size, int writable)
{
	void *m;

	if(windows[file].base != NULL)
		munmap(windows[file].base, windows[file].len);
	windows[file].base = NULL;
	if(!WINDOW || sizeof(void*) < 8 || size == 0 || size > (uvlong)1 << 46)
		return -1;
	m = mmap(NULL, (size_t)size, writable ? PROT_READ|PROT_WRITE : PROT_READ, MAP_SHARED, fd,
		0);
	if(m == MAP_FAILED)
		return -1;
	/* No read-ahead: only pages that are in memory are read through a window. */
	madvise(m, (size_t)size, MADV_RANDOM);
	catchfault(SIGBUS);
	windows[file].base = m;
	windows[file].len = (size_t)size;
	windows[file].writable = writable;
	return 0;
}

int
windowspans(int file, uvlong end)
{
	return windows[file].base != NULL && end <= windows[file].len;
}

int
diskincore(int file, uvlong off, size_t len, uchar *vec)
{
	/* vec is a char* on some systems, an unsigned char* on others */
	return mincore(windows[file].base + off, len, (void*)vec);
}

void
diskprefetch(int file, uvlong off, size_t len)
{
	uchar *p = windows[file].base + off;
	size_t i;

	/* Into the second-level cache: filling the first would stall the caller. */
	for(i = 0; i < len; i += 64)
		__builtin_prefetch(p + i, 0, 2);
}

/*
 * Read a byte of each page.
 */
static void
touch(const volatile uchar *p, size_t len)
{
	size_t i;

	for(i = 0; i < len; i += 4096)
		(void)p[i];
	(void)p[len - 1];
}

/*
 * Store words, each whole at once, whenever we may be killed.
 */
static void
store(volatile uint *to, const uint *from, size_t len)
{
	size_t i;

	for(i = 0; i < len / sizeof *to; i++)
		to[i] = from[i];
}

/*
 * Copy, or store, or only touch if to is NULL.  The fences keep the compiler from
 * moving the access out of the part in which copying is set.
 */
static int
guarded(uchar *to, const uchar *from, size_t len, int words)
{
	if(sigsetjmp(nofault, 0) != 0){
		copying = 0;
		return -1;
	}
	copying = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if(words)
		store((uint*)(void*)to, (const uint*)(const void*)from, len);
	else if(to != NULL)
		memcpy(to, from, len);
	else
		touch(from, len);
	atomic_signal_fence(memory_order_seq_cst);
	copying = 0;
	return 0;
}

int
disktouch(int file, uvlong off, size_t len)
{
	return guarded(NULL, windows[file].base + off, len, 0);
}

int
diskcopy(uchar *to, int file, uvlong off, size_t len)
{
	return guarded(to, windows[file].base + off, len, 0);
}

int
diskstore(int file, uvlong off, const void *from, size_t len)
{
	if(windows[file].base == NULL || !windows[file].writable)
		return -1;
	return guarded(windows[file].base + off, from, len, 1);
}

uvlong
diskstalls(void)
{
	struct rusage ru;

	return getrusage(RUSAGE_THREAD, &ru) < 0 ? 0 : (uvlong)ru.ru_majflt;
}

uvlong
disksleeps(void)
{
	struct rusage ru;

	return getrusage(RUSAGE_THREAD, &ru) < 0 ? 0 : (uvlong)ru.ru_nvcsw;
}

/* The threads that carry out operations. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	Op	*todo[2], **tail[2];	/* the second: reads, writes and trims */
	Op	*ended, *endedlast;
	atomic_uint nended;
	void	(*carry)(Op*);
	void	(*wake)(void);
} threads = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER,
	.tail = { &threads.todo[0], &threads.todo[1] } };

/*
 * Returns what a thread does next, or NULL.  Any number of reads, writes and
 * trims may wait for a disk; a save or a sync, of which there are few, goes
 * before them.
 */
static Op*
nexttodo(void)
{
	int i = threads.todo[0] == NULL;
	Op *o = threads.todo[i];

	if(o == NULL)
		return NULL;
	threads.todo[i] = o->next;
	if(o->next == NULL)
		threads.tail[i] = &threads.todo[i];
	return o;
}

static void*
worker(void *arg)
{
	Op *o;

	for(;;){
		pthread_mutex_lock(&threads.lock);
		while((o = nexttodo()) == NULL)
			pthread_cond_wait(&threads.work, &threads.lock);
		pthread_mutex_unlock(&threads.lock);

		threads.carry(o);

		pthread_mutex_lock(&threads.lock);
		o->next = NULL;
		if(threads.ended == NULL)
			threads.ended = o;
		else
			threads.endedlast->next = o;
		threads.endedlast = o;
		/* Release: a reader that sees the count sees the operation. */
		atomic_fetch_add_explicit(&threads.nended, 1, memory_order_release);
		pthread_mutex_unlock(&threads.lock);
		threads.wake();
	}
	return arg;
}

int
threadsstart(void (*carry)(Op*), void (*wake)(void))
{
	pthread_t t;
	sigset_t all, old;
	int i;

	threads.carry = carry;
	threads.wake = wake;
	sigfillset(&all);
	/* A thread raises these itself: by a window, and in a test build by the sandbox. */
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	for(i = 0; i < ENGINE_THREADS; i++)
		if((errno = pthread_create(&t, NULL, worker, NULL)) != 0)
			break;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return i > 0 ? 0 : -1;
}

void
threadsadd(Op *o)
{
	int i = o->op != Owork && o->op != Oflush;

	o->next = NULL;
	pthread_mutex_lock(&threads.lock);
	*threads.tail[i] = o;
	threads.tail[i] = &o->next;
	pthread_cond_signal(&threads.work);
	pthread_mutex_unlock(&threads.lock);
}

int
anyended(void)
{
	return atomic_load_explicit(&threads.nended, memory_order_relaxed) > 0;
}

Op*
threadsended(void)
{
	Op *o;

	/* Acquire: we see what the thread did before it counted its operation. */
	if(atomic_load_explicit(&threads.nended, memory_order_acquire) == 0)
		return NULL;
	pthread_mutex_lock(&threads.lock);
	o = threads.ended;
	threads.ended = o->next;
	atomic_fetch_sub_explicit(&threads.nended, 1, memory_order_relaxed);
	pthread_mutex_unlock(&threads.lock);
	return o;
}

int
istransfer(Op *o)
{
	return o->op == Oread || o->op == Owrite;
}

void
opadvance(Op *o, size_t n)
{
	o->moved += n;
	for(; o->niov > 0 && n >= o->iov->iov_len; o->iov++, o->niov--)
		n -= o->iov->iov_len;
	if(o->niov > 0){
		o->iov->iov_base = (char*)o->iov->iov_base + n;
		o->iov->iov_len -= n;
	}
}

/* How long operations take. */

void
opbegin(Op *o)
{
	o->begun = microseconds();
}

void
opdone(Op *o)
{
	uvlong limit = 16, us = microseconds() - o->begun;
	uint i;

	for(i = 0; i < Latencies - 1 && us > limit; i++)
		limit *= 4;
	if(o->op != Owork){
		stats.latency[i]++;
		stats.latencysum += us;
	}
	o->done(o);
}
