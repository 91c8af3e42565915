/* FreeBSD's <string.h>, as far as it is used. */
#pragma once

#include <stddef.h>

void	*memcpy(void*, const void*, size_t);
void	*memmove(void*, const void*, size_t);
void	*memset(void*, int, size_t);
void	*memchr(const void*, int, size_t);
int	memcmp(const void*, const void*, size_t);
size_t	strlen(const char*);
size_t	strcspn(const char*, const char*);
size_t	strspn(const char*, const char*);
char	*strchr(const char*, int);
char	*strrchr(const char*, int);
int	strcmp(const char*, const char*);
int	strncmp(const char*, const char*, size_t);
char	*strdup(const char*);
char	*strerror(int);

/* Not used, but names not to be taken for others. */
char	*index(const char*, int);
char	*rindex(const char*, int);
int	ffs(int);
int	fls(int);
char	*strmode(int, char*);
char	*strsep(char**, const char*);
