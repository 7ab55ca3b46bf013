/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table of changes that wake readers, and of all ways to wait for them. Each change is made
 * while a task sleeps in each of the ways: without a signal, after a handled signal, and with a
 * signal right behind the change. No time limit hides a lost wakeup: the test ends there.
 */
#ifndef _MQBUS_TEST_WAKE_H
#define _MQBUS_TEST_WAKE_H

#include <sys/select.h>

#include "queue.h"
#include "stream.h"
#include "transact.h"

#undef join	/* a change's own data */

/* State that a change is made in: @a is the endpoint of the sleeping task */
struct scene {
	int ctl;
	int fd;			/* a producer */
	int a, b, c;
	__u64 used;		/* before the change */
	char topic[MQBUS_NAME_SIZE];
	char other[MQBUS_NAME_SIZE];
	struct mqbus_leased l[4];
	struct mqbus_range r[4];
};

/* @set: leaves nothing ready. Both return 0, or the line that failed. */
struct change {
	const char *name;
	int (*set)(struct scene *s);
	int (*act)(struct scene *s);
	short events;		/* result of poll() after the change */
	int call;		/* result of FETCH or LEASE: 1: records, or an errno; 0: waits on */
	int read;		/* result of read(), likewise */
	bool timed;		/* the change comes by itself, shortly after @act */
};

#define MUST(x)	do { if (!(x)) return __LINE__; } while (0)

enum way {
	POLL, SELECT, LEVEL, EDGE, ONESHOT, EXCLUSIVE, CALL, LIMITED_CALL, READ, WAYS,
};

static const char *const ways[WAYS] = {
	"poll", "select", "epoll", "edge", "one shot", "exclusive", "call", "limited call", "read",
};

enum when { NONE, BEFORE, BEHIND };

struct waiter {
	enum way way;
	int fd;
	bool queue;
	short events;
	int ep;
	pthread_t thread;
	pid_t tid;
	int got;
};

static int signals_handled;

static void handled(int sig)
{
	__atomic_add_fetch(&signals_handled, 1, __ATOMIC_SEQ_CST);
}

static int signals(void)
{
	return __atomic_load_n(&signals_handled, __ATOMIC_SEQ_CST);
}

static bool is_epoll(enum way way)
{
	return way >= LEVEL && way <= EXCLUSIVE;
}

static bool is_call(enum way way)
{
	return way >= CALL;
}

static long call_of(enum way way)
{
	return way == POLL ? SYS_poll : way == SELECT ? SYS_select :
	       is_epoll(way) ? SYS_epoll_wait : way == READ ? SYS_read : SYS_ioctl;
}

static int wait_by_poll(struct waiter *w)
{
	struct pollfd p = { .fd = w->fd, .events = w->events };

	return syscall(SYS_poll, &p, 1, -1) < 0 ? -errno : p.revents;
}

static int wait_by_select(struct waiter *w)
{
	fd_set in, urgent;

	FD_ZERO(&in);
	FD_ZERO(&urgent);
	if (w->events & POLLIN)
		FD_SET(w->fd, &in);
	if (w->events & POLLPRI)
		FD_SET(w->fd, &urgent);
	if (syscall(SYS_select, w->fd + 1, &in, NULL, &urgent, NULL) < 0)
		return -errno;
	return (FD_ISSET(w->fd, &in) ? POLLIN : 0) | (FD_ISSET(w->fd, &urgent) ? POLLPRI : 0);
}

static int wait_by_epoll(struct waiter *w, int timeout)
{
	struct epoll_event event;
	int n = syscall(SYS_epoll_wait, w->ep, &event, 1, timeout);

	return n < 0 ? -errno : n ? (int)event.events : 0;
}

static int wait_by_call(struct waiter *w)
{
	__u64 limit = w->way == LIMITED_CALL ? 1000 * MQ_SEC : MQBUS_WAIT_FOREVER;
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
	struct mqbus_leased leased;

	return w->queue ? take(w->fd, &leased, 1, limit) :
			  mq_fetch(w->fd, ranges, MQBUS_FETCH_MAX, 0, limit);
}

static int wait_by_read(struct waiter *w)
{
	char buf[64];
	ssize_t n = read(w->fd, buf, sizeof(buf));

	return n < 0 ? -errno : n;
}

static void *waiter_run(void *arg)
{
	struct waiter *w = arg;
	int got;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	do
		got = w->way == POLL ? wait_by_poll(w) : w->way == SELECT ? wait_by_select(w) :
		      is_epoll(w->way) ? wait_by_epoll(w, -1) :
		      w->way == READ ? wait_by_read(w) : wait_by_call(w);
	while (got == -EINTR);
	w->got = got;
	return NULL;
}

static int waiter_start(struct waiter *w)
{
	static const __u32 flags[] = {
		[EDGE] = EPOLLET, [ONESHOT] = EPOLLONESHOT, [EXCLUSIVE] = EPOLLEXCLUSIVE,
	};
	struct epoll_event event = { .events = w->events };

	w->ep = -1;
	w->tid = 0;
	if (is_epoll(w->way)) {
		event.events |= flags[w->way];
		w->ep = epoll_create1(EPOLL_CLOEXEC);
		MUST(!epoll_ctl(w->ep, EPOLL_CTL_ADD, w->fd, &event));
	}
	MUST(!pthread_create(&w->thread, NULL, waiter_run, w));
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		mq_sleep(MQ_MS / 20);
	return 0;
}

/* Whether the task ends; a task that does not end is left alone. */
static bool waiter_end(struct waiter *w)
{
	__u64 nap = 10 * mq_slow();
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += nap;
	return !pthread_timedjoin_np(w->thread, NULL, &end);
}

static int scene_open(struct scene *s)
{
	*s = (struct scene) { .fd = -1, .a = -1, .b = -1, .c = -1 };
	s->ctl = mq_open(0);
	s->used = mq_used(s->ctl);
	mq_name(s->topic, "wake");
	mq_name(s->other, "wake");
	return s->ctl < 0;
}

static int scene_close(struct scene *s)
{
	int fds[] = { s->fd, s->a, s->b, s->c }, i, left;
	__u64 end = mq_patience();

	for (i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	mq_delete(s->ctl, s->topic);
	mq_delete(s->ctl, s->other);
	/* A DLQ is released a little later */
	while ((left = mq_used(s->ctl) != s->used) && mq_clock(CLOCK_MONOTONIC) < end)
		mq_sleep(MQ_MS);
	close(s->ctl);
	return left;
}

/* Reported by poll() for @events to a waiter that asks for @asked */
static int told(enum way way, short asked, short events)
{
	if (way == SELECT)
		return events & asked & (POLLIN | POLLPRI);
	return events & (asked | POLLERR | POLLHUP);
}

/* Return: 0, or the line that failed */
static int cell_run(const struct change *c, bool queue, enum way way, short asked,
		    enum when when, int *got)
{
	struct waiter w = { .way = way, .queue = queue, .events = asked };
	int want = way == READ ? c->read : is_call(way) ? c->call : told(way, asked, c->events);
	struct sigaction act = { .sa_handler = handled };
	int before = signals(), line, i;
	struct scene s;

	*got = 0;
	/* Whether the kernel restarts the call, or the program calls it again */
	act.sa_flags = asked & POLLPRI ? SA_RESTART : 0;
	sigaction(SIGUSR1, &act, NULL);
	MUST(!scene_open(&s));
	line = c->set(&s);
	if (line)
		return line;
	w.fd = s.a;
	MUST(c->timed || mq_revents(s.a, POLLIN | POLLPRI) == 0);
	MUST(!waiter_start(&w));
	MUST(c->timed || mq_wait_asleep(w.tid, call_of(way)));
	if (when == BEFORE) {
		pthread_kill(w.thread, SIGUSR1);
		for (i = 0; i < 20000 && signals() == before; i++)
			mq_sleep(MQ_MS / 10);
		MUST(mq_wait_asleep(w.tid, call_of(way)));
	}
	line = c->act(&s);
	if (line)
		return line;
	if (when == BEHIND)
		pthread_kill(w.thread, SIGUSR1);
	MUST(waiter_end(&w));
	*got = w.got;
	if (is_call(way))
		MUST(want > 0 ? w.got > 0 : w.got == want);
	else
		MUST(w.got > 0 && !(w.got & ~want & ~POLLRDNORM));
	if (way == LEVEL)
		MUST(wait_by_epoll(&w, 0) == want);
	if (way == ONESHOT)
		MUST(wait_by_epoll(&w, 0) == 0);
	if (w.ep >= 0)
		close(w.ep);
	MUST(!scene_close(&s));
	return 0;
}

/* Whether a task can wait in this way and is woken; checked in full where ways differ */
static bool cell_is(const struct change *c, enum way by, short asked, enum when when)
{
	bool all = asked == (POLLIN | POLLPRI);

	if (when != NONE && (c->timed || (is_epoll(by) && by != EDGE)))
		return false;
	if (is_call(by))
		return (all || (asked == POLLIN && when == BEFORE)) &&
		       (by == READ ? c->read : c->call);
	if (by == EXCLUSIVE)
		return !(asked & POLLPRI) && told(by, asked, c->events);
	if (by != POLL && by != LEVEL && !all && !(c->events & (POLLPRI | POLLHUP)))
		return false;
	return (when == NONE || all) && told(by, asked, c->events);
}

/* Return: number of cells, or less than 0 if one failed */
static int table_run(const struct change *table, size_t nr, bool queue, enum when when)
{
	static const short asked[] = { POLLIN | POLLPRI, POLLIN, POLLPRI, 0 };
	int cells = 0, line = 0, bad = 0, got;
	enum way way;
	size_t i, k;

	for (i = 0; i < nr; i++)
		for (way = 0, line = 0; way < WAYS; way++)
			for (k = 0; !line && k < sizeof(asked) / sizeof(*asked); k++) {
				if (!cell_is(&table[i], way, asked[k], when))
					continue;
				line = cell_run(&table[i], queue, way, asked[k], when, &got);
				if (line)
					printf("# %s, %s for %#x: line %d, got %d (%#x)\n",
					       table[i].name, ways[way], asked[k], line, got, got);
				bad += !!line;
				cells++;
			}
	return bad ? -bad : cells;
}

#endif /* _MQBUS_TEST_WAKE_H */
