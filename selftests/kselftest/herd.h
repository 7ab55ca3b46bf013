/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many sleeping members of a group "g", each in a thread of its own.
 */
#ifndef _MQBUS_TEST_HERD_H
#define _MQBUS_TEST_HERD_H

#include <sys/resource.h>

#include "queue.h"
#include "stream.h"

#define CROWD		128
#define CROWD_MAX	1000

enum how { BY_FETCH, BY_POLL, BY_LEASE };

struct sleeper {
	int fd;
	enum how how;
	pthread_t thread;
	pid_t tid;
	unsigned long long switches;
	int partition;		/* number of partitions that it owns */
	int woken;
};

static struct sleeper crowd[CROWD_MAX];

static void *sleeper_run(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct mqbus_range range;
	struct mqbus_leased leased;
	int ret;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	do {
		ret = s->how == BY_POLL ? syscall(SYS_poll, &p, 1, -1) :
		      s->how == BY_LEASE ? take(s->fd, &leased, 1, MQBUS_WAIT_FOREVER) :
		      mq_fetch(s->fd, &range, 1, MQBUS_FETCH_F_COMMIT, MQBUS_WAIT_FOREVER);
		__atomic_add_fetch(&s->woken, 1, __ATOMIC_SEQ_CST);
		if (s->how == BY_POLL)
			ret = mq_fetch(s->fd, &range, 1, MQBUS_FETCH_F_COMMIT, 0);
	} while (ret > 0);
	return NULL;
}

static bool all_asleep(int n, enum how how)
{
	while (n--)
		if (!mq_wait_asleep(crowd[n].tid, how == BY_POLL ? SYS_poll : SYS_ioctl))
			return false;
	return true;
}

/* How often a thread has gone to sleep */
static unsigned long long switches(pid_t tid)
{
	unsigned long long n = ~0ULL;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %llu", &n);
	if (f)
		fclose(f);
	return n;
}

FIXTURE(crowd) {
	int ctl;
	int fd;
	int n;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(crowd)
{
	struct rlimit files = { 4096, 4096 };

	setrlimit(RLIMIT_NOFILE, &files);
	mq_name(self->topic, "crowd");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	self->fd = -1;
	self->n = 0;
}

FIXTURE_TEARDOWN(crowd)
{
	int i;

	/* Deleting the topic ends the sleepers */
	mq_delete(self->ctl, self->topic);
	for (i = 0; i < self->n; i++) {
		pthread_join(crowd[i].thread, NULL);
		close(crowd[i].fd);
	}
	close(self->fd);
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

/* @n sleeping members of group "g", each with its thread */
static int gather(FIXTURE_DATA(crowd) *self, int n, enum how how)
{
	static pthread_attr_t attr;
	int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (i = 0; i < n; i++) {
		crowd[i] = (struct sleeper) { .how = how };
		crowd[i].fd = mq_member(self->topic, "g", 0);
		if (crowd[i].fd < 0)
			return crowd[i].fd;
	}
	for (i = 0; i < n; i++) {
		if (pthread_create(&crowd[i].thread, &attr, sleeper_run, &crowd[i]))
			return -EAGAIN;
		self->n++;
		while (!__atomic_load_n(&crowd[i].tid, __ATOMIC_ACQUIRE))
			mq_sleep(MQ_MS / 20);
	}
	if (!all_asleep(n, how))
		return -ETIMEDOUT;
	for (i = 0; i < n; i++) {
		crowd[i].switches = switches(crowd[i].tid);
		crowd[i].woken = 0;
	}
	return 0;
}

/* Number of sleepers that have run since */
static int disturbed(int n)
{
	int i, ran = 0;

	for (i = 0; i < n; i++)
		ran += switches(crowd[i].tid) != crowd[i].switches;
	return ran;
}

#endif /* _MQBUS_TEST_HERD_H */
