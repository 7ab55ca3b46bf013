/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A task that hardly gets its processor: if it is preempted with a lock, that stays taken for long,
 * and whoever waits for it makes no progress.
 */
#ifndef _MQBUS_TEST_STARVE_H
#define _MQBUS_TEST_STARVE_H

#include <sched.h>
#include <unistd.h>

#include "mqbus_test.h"

static inline void starve_place(void)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
}

/* The caller gets what starve_until() leaves */
static inline void starve(void)
{
	const struct sched_param none = {};

	starve_place();
	sched_setscheduler(0, SCHED_IDLE, &none);
}

/* A child that takes the processor of whoever starves, until @end */
static inline pid_t starve_until(__u64 end)
{
	pid_t pid;

	mq_fork(pid) {
		starve_place();
		while (mq_clock(CLOCK_MONOTONIC) < end)
			;
	}
	return pid;
}

#define STARVE_ROUNDS	20
#define STARVE_FREE	12

/*
 * In how many rounds @work, which returns whether it failed, is done several times while a starved
 * task, which has @begun, is stopped at any point. STARVE_FREE is enough: one that waits for a
 * mutex may be handed it. -1: it failed
 */
static inline int starve_rounds(const volatile unsigned int *begun, int (*work)(void *arg),
				void *arg)
{
	int free = 0, round, n;
	__u64 end;
	pid_t pid;

	while (!*begun)
		mq_sleep(MQ_MS);
	for (round = 0; round < STARVE_ROUNDS; round++) {
		mq_sleep((10 + round) * MQ_MS);
		end = mq_clock(CLOCK_MONOTONIC) + 100 * MQ_MS;
		pid = starve_until(end + 50 * MQ_MS);
		mq_sleep(20 * MQ_MS);
		for (n = 0; mq_clock(CLOCK_MONOTONIC) < end; n++)
			if (work(arg))
				return -1;
		mq_wait(pid);
		free += n >= 3;
	}
	return free;
}

struct passer {
	int ctl;
	char topic[MQBUS_NAME_SIZE];
};

/* A topic that has nothing to do with it, as @work */
static inline int come_and_go(void *arg)
{
	struct passer *p = arg;

	return mq_create(p->ctl, p->topic, .size = 4096) ?: mq_delete(p->ctl, p->topic);
}

/* Whether speeds may be compared on this machine */
static inline const char *starve_not(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return "needs two processors";
	return mq_slow() > 1 ? "compares speeds, which a debug kernel distorts" : NULL;
}

#endif /* _MQBUS_TEST_STARVE_H */
