/* FreeBSD's <stdlib.h>, as far as it is used. */
#pragma once

#include <stddef.h>

void	*malloc(size_t);
void	*calloc(size_t, size_t);
void	*realloc(void*, size_t);
void	*aligned_alloc(size_t, size_t);
void	free(void*);
void	exit(int) __attribute__((noreturn));
void	abort(void) __attribute__((noreturn));
int	atexit(void (*)(void));
long	strtol(const char*, char**, int);
unsigned long	strtoul(const char*, char**, int);
unsigned long long	strtoull(const char*, char**, int);
char	*getenv(const char*);
char	*realpath(const char*, char*);
void	qsort(void*, size_t, size_t, int (*)(const void*, const void*));

/* Not used, but names not to be taken for others. */
int	daemon(int, int);
int	devname_r(int, int, char*, int);
const char	*getprogname(void);
int	heapsort(void*, size_t, size_t, int (*)(const void*, const void*));
int	mergesort(void*, size_t, size_t, int (*)(const void*, const void*));
long	random(void);
void	srandomdev(void);
