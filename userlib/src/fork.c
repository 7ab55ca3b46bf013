// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pthread.h>

#include "device.h"

unsigned int mqbus_forks;

static void count_fork(void)
{
	mqbus_forks++;
}

/* Cheaper than getpid(), a system call, in each call */
__attribute__((constructor)) static void count_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}
