/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of queue groups: a topic of numbers, a group "g" that leases them,
 * workers that take and settle, and dead letters.
 */
#ifndef _MQBUS_TEST_QUEUE_H
#define _MQBUS_TEST_QUEUE_H

#include "figures.h"
#include "mqbus_test.h"

#define WORKERS	4

/* A member of a queue group with all partitions mapped */
struct worker {
	int fd;
	__u32 parts;
	struct mq_map map[4];
	struct mq_map retry;
};

static int worker_open(struct worker *w, const char *topic, const char *group, int flags)
{
	struct mqbus_geometry geo;
	int err;
	__u32 i;

	memset(w, 0, sizeof(*w));
	w->fd = mq_member(topic, group, flags);
	if (w->fd < 0)
		return w->fd;
	err = mq_geometry(w->fd, 0, &geo);
	w->parts = geo.partitions < 4 ? geo.partitions : 4;
	for (i = 0; !err && i < w->parts; i++)
		err = mq_map(w->fd, i, &w->map[i]);
	return err ?: mq_map(w->fd, MQBUS_RETRY, &w->retry);
}

/* The worker leaves as a killed one does: each lease that it holds counts as a failure. */
static void worker_close(struct worker *w)
{
	__u32 i;

	if (w->fd < 0)
		return;
	for (i = 0; i < w->parts; i++)
		if (w->map[i].page)
			mq_unmap(&w->map[i]);
	if (w->retry.page)
		mq_unmap(&w->retry);
	close(w->fd);
	w->fd = -1;
}

FIXTURE(queue) {
	int ctl;
	int fd;				/* of a producer */
	char topic[MQBUS_NAME_SIZE];
	char dlq[MQBUS_NAME_SIZE];
	struct worker worker[WORKERS];
};

FIXTURE_SETUP(queue)
{
	int i;

	mq_name(self->topic, "queue");
	mq_name(self->dlq, "dead");
	self->ctl = mq_open(0);
	self->fd = -1;
	for (i = 0; i < WORKERS; i++)
		self->worker[i].fd = -1;
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, mq_used(self->ctl));
}

FIXTURE_TEARDOWN(queue)
{
	int i;

	mq_delete(self->ctl, self->topic);
	mq_delete(self->ctl, self->dlq);
	for (i = 0; i < WORKERS; i++)
		worker_close(&self->worker[i]);
	if (self->fd >= 0)
		close(self->fd);
	/* A test gives back all memory charged to it */
	EXPECT_EQ(0, mq_left(self->ctl));
	close(self->ctl);
}

static int mq_queue_args(int fd, const char *topic, const char *group, const char *dlq,
			 const struct mqbus_queue_options *queue)
{
	struct mqbus_group_create args = {
		.type = MQBUS_GROUP_QUEUE, .mode = 0600, .queue = *queue,
	};

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	if (dlq)
		mq_set_name(args.queue.dlq, dlq);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_CREATE, &args);
}

/*
 * mq_queue(fd, topic, group, dlq, .max_attempts = 3, ...): what fails is retried at once, unless
 * it says otherwise
 */
#define mq_queue(fd, topic, group, dlq, ...)					\
	mq_queue_args(fd, topic, group, dlq, &(struct mqbus_queue_options){	\
		.backoff_min = MQBUS_BACKOFF_NONE, __VA_ARGS__ })

static int mq_set_args(int fd, const char *topic, const char *group, __u32 fields,
		       const char *dlq, const struct mqbus_queue_options *queue)
{
	struct mqbus_group_set args = { .fields = fields, .queue = *queue };

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	if (dlq)
		mq_set_name(args.queue.dlq, dlq);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_SET, &args);
}

/* mq_set(fd, topic, group, fields, dlq, .credit = 3, ...) */
#define mq_set(fd, topic, group, fields, dlq, ...)				\
	mq_set_args(fd, topic, group, fields, dlq, &(struct mqbus_queue_options){ __VA_ARGS__ })

/*
 * begin(self, .max_attempts = 3, ...): a topic, its group "g", a producer and a worker.
 * begin_dlq(): also a DLQ, with a group "dead". A test that needs another topic creates it
 * first.
 */
#define begin_with(self, dlq_name, ...) do {					\
	int _err = mq_create((self)->ctl, (self)->topic);			\
										\
	ASSERT_TRUE(!_err || _err == -EEXIST);					\
	ASSERT_EQ(0, mq_queue((self)->ctl, (self)->topic, "g", dlq_name, __VA_ARGS__));	\
	(self)->fd = mq_producer((self)->topic, 0);				\
	ASSERT_LE(0, (self)->fd);						\
	ASSERT_EQ(0, worker_open(&(self)->worker[0], (self)->topic, "g", 0));	\
} while (0)

#define begin(self, ...) begin_with(self, NULL, __VA_ARGS__)

#define begin_dlq(self, ...) do {						\
	int _e = mq_create((self)->ctl, (self)->dlq, .size = 1 << 20);		\
										\
	ASSERT_TRUE(!_e || _e == -EEXIST);					\
	ASSERT_EQ(0, mq_group((self)->ctl, (self)->dlq, "dead"));		\
	begin_with(self, (self)->dlq, __VA_ARGS__);				\
} while (0)

#define join(self, n)								\
	ASSERT_EQ(0, worker_open(&(self)->worker[n], (self)->topic, "g", 0))

/* A figure of group "g": FIGURE(self, ACKED) */
#define FIGURE(self, name)	figure((self)->topic, "g", MQBUS_A_QUEUE_##name)

/* Store the numbers from..to-1 as values of 8 bytes: records of 72 bytes. */
static void put_numbers(int fd, __u64 from, __u64 to)
{
	for (; from < to; from++)
		if (mq_put(fd, &from, sizeof(from), 0) != 1)
			abort();
}

/* The key is the number as decimal text */
static int put_keyed(int fd, unsigned int key, __u64 number)
{
	struct mqbus_msg msg = mq_msg(&number, sizeof(number));
	char text[16];

	msg.key = (uintptr_t)text;
	msg.key_len = snprintf(text, sizeof(text), "%u", key);
	return mq_publish(fd, &msg, 1, NULL, 0, NULL);
}

/* The plain call, with room for @room leases. Return: their number, or a negative errno. */
static int take(int fd, struct mqbus_leased *leased, __u32 room, __u64 timeout)
{
	struct mqbus_lease args = {
		.leases = (uintptr_t)leased,
		.lease_size = sizeof(*leased),
		.nr_leases = room,
		.timeout = timeout,
	};
	int err = mq_ioctl(fd, MQBUS_IOC_LEASE, &args);

	if (!err && (args.error || args.settled))
		return -1000;
	return err ?: (int)args.nr_leases;
}

/* A lease time other than the group's */
static int take_timed(int fd, struct mqbus_leased *leased, __u32 room, __u64 time, __u64 timeout)
{
	struct mqbus_lease args = {
		.leases = (uintptr_t)leased,
		.lease_size = sizeof(*leased),
		.nr_leases = room,
		.timeout = timeout,
		.time = time,
	};

	return mq_ioctl(fd, MQBUS_IOC_LEASE, &args) ?: (int)args.nr_leases;
}

/* Return: number of settled leases, or the errno of the first if there are none. */
static int settle_many(int fd, struct mqbus_settle *settles, __u32 count)
{
	struct mqbus_lease args = {
		.settles = (uintptr_t)settles,
		.settle_size = sizeof(*settles),
		.nr_settles = count,
	};

	return mq_ioctl(fd, MQBUS_IOC_LEASE, &args) ?: (int)args.settled;
}

static int settle(int fd, __u64 lease, __u32 what, __u64 delay)
{
	struct mqbus_settle s = { .lease = lease, .what = what, .delay = delay };
	int ret = settle_many(fd, &s, 1);

	/* The entry and the call report the same */
	if (ret < 0 ? -ret != s.error : ret != 1 || s.error)
		return -1000;
	return ret < 0 ? ret : 0;
}

#define ack(w, l)		settle((w)->fd, (l)->lease, MQBUS_ACK, 0)
#define nack(w, l)		settle((w)->fd, (l)->lease, MQBUS_NACK, 0)
#define release(w, l)		settle((w)->fd, (l)->lease, MQBUS_RELEASE, 0)
#define reject(w, l)		settle((w)->fd, (l)->lease, MQBUS_REJECT, 0)
#define extend(w, l, ns)	settle((w)->fd, (l)->lease, MQBUS_EXTEND, ns)

static const struct mqbus_record *leased_record(const struct worker *w,
						const struct mqbus_leased *l)
{
	return mq_record(l->ring == MQBUS_RETRY ? &w->retry : &w->map[l->ring], l->pos);
}

static __s64 record_number(const struct mqbus_record *rec)
{
	__s64 v = -2000;

	if (rec)
		memcpy(&v, mq_value(rec), sizeof(v));
	return v;
}

static __s64 leased_number(const struct worker *w, const struct mqbus_leased *l)
{
	return record_number(leased_record(w, l));
}

/* Lease a record. Return: its number, or a negative errno */
static __s64 take_one(const struct worker *w, struct mqbus_leased *l, __u64 timeout)
{
	int ret = take(w->fd, l, 1, timeout);

	return ret == 1 ? leased_number(w, l) : ret < 0 ? ret : -1000;
}

/* The next number by read(), or a negative errno */
static __s64 read_number(int fd)
{
	__s64 v;
	ssize_t n = read(fd, &v, sizeof(v));

	return n < 0 ? -errno : n == sizeof(v) ? v : -1000;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

/* A process that holds @n leases, or all available ones, until it is killed */
static pid_t hold(const char *topic, const char *group, int n)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	mq_fork(pid) {
		struct mqbus_leased leased[64];
		int fd = mq_member(topic, group, 0);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (take(fd, leased, n, MQ_LONG) != n)
			_exit(1);
		write(ready[1], "x", 1);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		mq_wait(pid);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

/* Append a header. Return: end of the headers. */
static size_t add_header(char *buf, size_t at, const char *name, const char *value)
{
	struct mqbus_header h = { .name_len = strlen(name), .value_len = strlen(value) };

	memcpy(buf + at, &h, sizeof(h));
	memcpy(buf + at + sizeof(h), name, h.name_len);
	memcpy(buf + at + sizeof(h) + h.name_len, value, h.value_len);
	return at + sizeof(h) + h.name_len + h.value_len;
}

static const unsigned char *record_key(const struct mqbus_record *rec)
{
	return mq_value(rec) + rec->value_len;
}

/* The value of the only header of that name, valid until the next call */
static const char *header(const struct mqbus_record *rec, const char *name)
{
	const unsigned char *p = record_key(rec) + rec->key_len + rec->routing_key_len;
	const unsigned char *end = p + rec->headers_len;
	static char value[4][256];
	static unsigned int turn;
	char *found = NULL;

	while (p < end) {
		struct mqbus_header h;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		if (h.name_len == strlen(name) && !memcmp(p, name, h.name_len)) {
			if (found)
				return "twice";
			found = value[turn++ % 4];
			snprintf(found, 256, "%.*s", h.value_len, (const char *)p + h.name_len);
		}
		p += h.name_len + h.value_len;
	}
	return found ?: "none";
}

static unsigned int header_count(const struct mqbus_record *rec)
{
	const unsigned char *p = record_key(rec) + rec->key_len + rec->routing_key_len;
	const unsigned char *end = p + rec->headers_len;
	unsigned int n = 0;

	while (p < end) {
		struct mqbus_header h;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h) + h.name_len + h.value_len;
		n++;
	}
	return p == end ? n : ~0U;
}

/* A header that is a decimal number */
static unsigned long long header_number(const struct mqbus_record *rec, const char *name)
{
	const char *text = header(rec, name);
	unsigned long long value;
	char *end;

	value = strtoull(text, &end, 10);
	return *text && !*end ? value : ~0ULL - 1;
}

static bool group_exists(const char *topic, const char *group)
{
	struct figures f;

	return figures_get(topic, group, &f) != -ENOENT;
}

/* Settle @n leases and ask for @room new ones. Return: 0 or the errno; see @args. */
static int both(int fd, struct mqbus_lease *args, struct mqbus_settle *s, __u32 n,
		struct mqbus_leased *l, __u32 room)
{
	args->settles = (uintptr_t)s;
	args->settle_size = sizeof(*s);
	args->nr_settles = n;
	args->leases = (uintptr_t)l;
	args->lease_size = sizeof(*l);
	args->nr_leases = room;
	return mq_ioctl(fd, MQBUS_IOC_LEASE, args);
}

/* All that a group may do at a time: leases, timers, retries, dead letters */
static void make_busy(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self,
		      struct mqbus_leased *l)
{
	begin_dlq(self, .max_inflight = 20, .max_attempts = 1);
	join(self, 1);
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_MAX_ATTEMPTS, NULL,
			    .max_attempts = 5));
	put_numbers(self->fd, 0, 20);
	ASSERT_EQ(4, take(self->worker[0].fd, l, 4, 0));
	ASSERT_EQ(4, take_timed(self->worker[1].fd, &l[4], 4, MQ_MS, 0));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[0].lease, MQBUS_NACK, 2 * MQ_MS));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[1].lease, MQBUS_NACK, MQ_HOUR));
	EXPECT_EQ(0, settle(self->worker[0].fd, l[2].lease, MQBUS_RELEASE, MQ_HOUR));
}

/* Whether a figure of group "g" reaches a value in time */
#define COMES(self, name, number) ({						\
	__u64 _end = mq_patience();						\
										\
	while (FIGURE(self, name) != (number) && mq_clock(CLOCK_MONOTONIC) < _end)	\
		mq_sleep(MQ_MS);						\
	FIGURE(self, name) == (number);						\
})

#endif /* _MQBUS_TEST_QUEUE_H */
