/* FreeBSD's <unistd.h>, as far as it is used. */
#pragma once

#include <sys/types.h>

#define F_OK	0
#define W_OK	0x02
#define R_OK	0x04
#define SEEK_SET	0
#define SEEK_CUR	1
#define SEEK_END	2
#define SEEK_DATA	3
#define SEEK_HOLE	4
#define _SC_PAGESIZE	47
#define _PC_MIN_HOLE_SIZE	21

extern char	*optarg;
extern int	optind, optopt, opterr;

int	getopt(int, char* const*, const char*);
int	chdir(const char*);
int	close(int);
void	closefrom(int);
int	dup2(int, int);
int	pipe(int*);
int	access(const char*, int);
ssize_t	read(int, void*, size_t);
ssize_t	write(int, const void*, size_t);
ssize_t	pread(int, void*, size_t, off_t);
ssize_t	pwrite(int, const void*, size_t, off_t);
off_t	lseek(int, off_t, int);
int	fsync(int);
int	fdatasync(int);
int	ftruncate(int, off_t);
int	unlinkat(int, const char*, int);
int	linkat(int, const char*, int, const char*, int);
long	sysconf(int);
long	fpathconf(int, int);
int	gethostname(char*, size_t);
pid_t	getpid(void);
uid_t	geteuid(void);
unsigned int	sleep(unsigned int);

/* Not used, but names not to be taken for others. */
int	acct(const char*);
void	swab(const void*, void*, ssize_t);
int	undelete(const char*);
void	setproctitle(const char*, ...);
char	*crypt(const char*, const char*);
