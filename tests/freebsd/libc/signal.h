/* FreeBSD's <signal.h>, as far as it is used. */
#pragma once

#include <sys/types.h>

typedef struct {
	uint32_t	__bits[4];
} sigset_t;

union sigval {
	int	sival_int;
	void	*sival_ptr;
};

struct siginfo;
struct sigaction {
	union {
		void	(*__sa_handler)(int);
		void	(*__sa_sigaction)(int, struct siginfo*, void*);
	} __sigaction_u;
	int	sa_flags;
	sigset_t	sa_mask;
};
#define sa_handler	__sigaction_u.__sa_handler

#define SIG_DFL	((void (*)(int))0)
#define SIG_IGN	((void (*)(int))1)

#define SIGHUP	1
#define SIGINT	2
#define SIGBUS	10
#define SIGSEGV	11
#define SA_NODEFER	0x0010
#define SIGSYS	12
#define SIGPIPE	13
#define SIGTERM	15
#define SIGTTOU	22
#define SIGXFSZ	25
#define SIGUSR1	30
#define SIGUSR2	31

#define SA_RESTART	0x0002
#define SIG_BLOCK	1
#define SIG_UNBLOCK	2
#define SIG_SETMASK	3

int	sigaction(int, const struct sigaction*, struct sigaction*);
int	sigemptyset(sigset_t*);
int	sigfillset(sigset_t*);
int	sigaddset(sigset_t*, int);
int	sigdelset(sigset_t*, int);
int	sigprocmask(int, const sigset_t*, sigset_t*);
int	pthread_sigmask(int, const sigset_t*, sigset_t*);
void	(*signal(int, void (*)(int)))(int);
int	raise(int);
int	kill(pid_t, int);
