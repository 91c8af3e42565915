/* FreeBSD's <pthread.h>, as far as it is used. */
#pragma once

#include <signal.h>
#include <time.h>
#include <sys/types.h>

#define PTHREAD_MUTEX_INITIALIZER	((pthread_mutex_t)0)
#define PTHREAD_COND_INITIALIZER	((pthread_cond_t)0)

int	pthread_create(pthread_t*, const pthread_attr_t*, void *(*)(void*), void*);
int	pthread_mutex_lock(pthread_mutex_t*);
int	pthread_mutex_unlock(pthread_mutex_t*);
int	pthread_cond_wait(pthread_cond_t*, pthread_mutex_t*);
int	pthread_cond_signal(pthread_cond_t*);
int	pthread_cond_broadcast(pthread_cond_t*);
