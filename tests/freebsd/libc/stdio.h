/* FreeBSD's <stdio.h>, as far as it is used. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct __sFILE	FILE;
extern FILE	*__stdinp, *__stdoutp, *__stderrp;
#define stdin	__stdinp
#define stdout	__stdoutp
#define stderr	__stderrp

#define EOF	(-1)
#define _IOFBF	0
#define _IOLBF	1
#define _IONBF	2

int	printf(const char*, ...) __attribute__((format(printf, 1, 2)));
int	fprintf(FILE*, const char*, ...) __attribute__((format(printf, 2, 3)));
int	dprintf(int, const char*, ...) __attribute__((format(printf, 2, 3)));
int	snprintf(char*, size_t, const char*, ...) __attribute__((format(printf, 3, 4)));
int	vsnprintf(char*, size_t, const char*, va_list) __attribute__((format(printf, 3, 0)));
int	sscanf(const char*, const char*, ...) __attribute__((format(scanf, 2, 3)));
int	fputs(const char*, FILE*);
int	fflush(FILE*);
int	fclose(FILE*);
int	getc(FILE*);
FILE	*fopen(const char*, const char*);
char	*fgets(char*, int, FILE*);
int	setvbuf(FILE*, char*, int, size_t);
int	renameat(int, const char*, int, const char*);

/* Not used, but names not to be taken for others. */
void	setbuffer(FILE*, char*, int);
int	setlinebuf(FILE*);
int	fpurge(FILE*);
const char	*fmtcheck(const char*, const char*);
int	getw(FILE*);
