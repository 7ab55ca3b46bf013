// SPDX-License-Identifier: GPL-2.0
/*
 * The calls with their fields, and how often each is made.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"

#define F(type, member, kind)						\
	{ offsetof(struct mqbus_##type, member),			\
	  sizeof(((struct mqbus_##type *)0)->member), kind }

static const struct field info[] = { F(info, flags, K_INFO_FLAGS) };

static const struct field topic_create[] = {
	F(topic_create, flags, K_TOPIC_FLAGS), F(topic_create, partitions, K_PARTITIONS),
	F(topic_create, size, K_RING), F(topic_create, retention, K_RETENTION),
	F(topic_create, max_record, K_MAX_RECORD), F(topic_create, full, K_FULL),
	F(topic_create, mode, K_MODE), F(topic_create, uid, K_UID), F(topic_create, gid, K_UID),
	F(topic_create, fields, K_TOPIC_FIELDS), F(topic_create, name, K_TOPIC),
	F(topic_create, retention_size, K_RETENTION_SIZE), F(topic_create, rate, K_RATE),
	F(topic_create, rate_bytes, K_RATE_BYTES), F(topic_create, user_rate, K_RATE),
	F(topic_create, user_rate_bytes, K_RATE_BYTES), F(topic_create, burst, K_BURST),
	F(topic_create, share, K_SHARE), F(topic_create, over, K_OVER),
};

static const struct field topic_delete[] = {
	F(topic_delete, flags, K_ZERO), F(topic_delete, __reserved, K_ZERO),
	F(topic_delete, name, K_TOPIC),
};

#define QUEUE(type)							\
	F(type, queue.flags, K_QUEUE_FLAGS), F(type, queue.max_inflight, K_INFLIGHT),	\
	F(type, queue.credit, K_CREDIT), F(type, queue.max_attempts, K_LIMIT),	\
	F(type, queue.lease, K_LEASE_TIME), F(type, queue.backoff_min, K_BACKOFF_MIN),	\
	F(type, queue.backoff_max, K_BACKOFF), F(type, queue.backoff_factor, K_FACTOR),	\
	F(type, queue.backoff_jitter, K_JITTER), F(type, queue.retry_size, K_RETRY_SIZE),	\
	F(type, queue.__reserved, K_ZERO), F(type, queue.dlq, K_DLQ)
#define STREAM(type)							\
	F(type, stream.rebalance_timeout, K_REBALANCE), F(type, stream.grace, K_GRACE),	\
	F(type, stream.__reserved, K_ZERO)

static const struct field group_create[] = {
	F(group_create, flags, K_GROUP_FLAGS), F(group_create, type, K_TYPE),
	F(group_create, whence, K_WHENCE), F(group_create, mode, K_MODE),
	F(group_create, value, K_WHENCE_VALUE), F(group_create, topic, K_TOPIC),
	F(group_create, group, K_GROUP), QUEUE(group_create), STREAM(group_create),
	F(group_create, expire, K_EXPIRE),
};

static const struct field group_set[] = {
	F(group_set, flags, K_ZERO), F(group_set, fields, K_GROUP_FIELDS),
	F(group_set, topic, K_TOPIC), F(group_set, group, K_GROUP), QUEUE(group_set),
	STREAM(group_set), F(group_set, paused, K_PAUSED), F(group_set, __reserved, K_ZERO),
	F(group_set, lag_threshold, K_LAG_THRESHOLD), F(group_set, mode, K_MODE),
	F(group_set, uid, K_UID), F(group_set, gid, K_UID), F(group_set, __reserved2, K_ZERO),
	F(group_set, expire, K_EXPIRE),
};

static const struct field group_delete[] = {
	F(group_delete, flags, K_DELETE_FLAGS), F(group_delete, __reserved, K_ZERO),
	F(group_delete, topic, K_TOPIC), F(group_delete, group, K_GROUP),
};

static const struct field group_seek[] = {
	F(group_seek, flags, K_SEEK_FLAGS), F(group_seek, whence, K_SEEK_WHENCE),
	F(group_seek, partition, K_PARTITION), F(group_seek, result_size, K_SIZE_RESULT),
	F(group_seek, value, K_WHENCE_VALUE), F(group_seek, results, K_RESULTS),
	F(group_seek, nr_results, K_COUNT), F(group_seek, __reserved, K_ZERO),
	F(group_seek, topic, K_TOPIC), F(group_seek, group, K_GROUP),
};

static const struct field produce[] = {
	F(produce, flags, K_ZERO), F(produce, topic, K_TOPIC), F(produce, name, K_ID),
	F(produce, __reserved, K_ZERO), F(produce, __reserved2, K_ZERO),
};

static const struct field join[] = {
	F(join, flags, K_ZERO), F(join, topic, K_TOPIC), F(join, group, K_GROUP),
	F(join, member, K_ID), F(join, __reserved, K_ZERO),
};

static const struct field publish[] = {
	F(publish, flags, K_ZERO), F(publish, count, K_COUNT), F(publish, msgs, K_MSGS),
	F(publish, msg_size, K_SIZE_MSG), F(publish, place_size, K_SIZE_PLACE),
	F(publish, places, K_PLACES), F(publish, timeout, K_TIMEOUT), F(publish, seq, K_SEQ),
	F(publish, __reserved, K_ZERO),
};

static const struct field fetch[] = {
	F(fetch, flags, K_FETCH_FLAGS), F(fetch, nr_ranges, K_COUNT), F(fetch, ranges, K_RANGES),
	F(fetch, range_size, K_SIZE_RANGE), F(fetch, timeout, K_TIMEOUT),
	F(fetch, __reserved, K_ZERO),
};

static const struct field commit[] = {
	F(commit, flags, K_COMMIT_FLAGS), F(commit, nr_entries, K_COUNT),
	F(commit, entries, K_ENTRIES), F(commit, entry_size, K_SIZE_ENTRY),
};

static const struct field lease[] = {
	F(lease, flags, K_LEASE_FLAGS), F(lease, nr_settles, K_COUNT),
	F(lease, settles, K_SETTLES), F(lease, settle_size, K_SIZE_SETTLE),
	F(lease, lease_size, K_SIZE_LEASED), F(lease, leases, K_LEASED),
	F(lease, nr_leases, K_COUNT), F(lease, timeout, K_TIMEOUT), F(lease, time, K_LEASE_TIME),
	F(lease, __reserved, K_ZERO),
};

static const struct field transact[] = {
	F(transact, flags, K_ZERO), F(transact, count, K_COUNT), F(transact, acts, K_ACTS),
	F(transact, act_size, K_SIZE_ACT), F(transact, timeout, K_TIMEOUT),
	F(transact, __reserved, K_ZERO), F(transact, __reserved2, K_ZERO),
};

static const struct field wait_for[] = {
	F(wait, flags, K_ZERO), F(wait, count, K_COUNT), F(wait, places, K_PLACES),
	F(wait, place_size, K_SIZE_PLACE), F(wait, timeout, K_TIMEOUT), F(wait, topic, K_TOPIC),
	F(wait, group, K_GROUP), F(wait, __reserved, K_ZERO),
};

static const struct field geometry[] = {
	F(geometry, flags, K_ZERO), F(geometry, partition, K_PARTITION),
};

static const struct field enter[] = {
	F(enter, flags, K_ZERO), F(enter, netns, K_NETNS),
};

/* Keep results that later calls can use. The call filled elements in place. */
static void seen_publish(struct worker *w, const void *args)
{
	const struct mqbus_publish *p = args;
	const struct mqbus_place *places = (const void *)(uintptr_t)p->places;
	unsigned int i;

	if (p->place_size != sizeof(*places) || !memory_is_plain(w, (uintptr_t)places))
		return;
	for (i = 0; i < p->published && i < 16; i++)
		world.place[atomic_fetch_add(&world.place_nr, 1) % 16] = places[i];
}

static void seen_fetch(struct worker *w, const void *args)
{
	const struct mqbus_fetch *f = args;
	const struct mqbus_range *ranges = (const void *)(uintptr_t)f->ranges;
	unsigned int i;

	if (f->range_size != sizeof(*ranges) || !memory_is_plain(w, (uintptr_t)ranges))
		return;
	for (i = 0; i < f->nr_ranges && i < 16; i++) {
		unsigned int at = atomic_fetch_add(&world.range_nr, 1) % 16;

		world.range[at] = ranges[i];
		world.range_slot[at] = w->slot;
	}
}

static void seen_lease(struct worker *w, const void *args)
{
	const struct mqbus_lease *l = args;
	const struct mqbus_leased *leases = (const void *)(uintptr_t)l->leases;
	unsigned int i;

	if (l->lease_size != sizeof(*leases) || !memory_is_plain(w, (uintptr_t)leases))
		return;
	for (i = 0; i < l->nr_leases && i < 16; i++) {
		unsigned int at = atomic_fetch_add(&world.lease_nr, 1) % ARRAY_SIZE(world.lease);

		world.lease[at] = leases[i].lease;
		world.lease_slot[at] = w->slot;
	}
}

#define IOCTL(call, id, often, ...)					\
	{ .name = #call, .weight = often, .cmd = id, .size = _IOC_SIZE(id),	\
	  .fields = call, .nr = ARRAY_SIZE(call), ##__VA_ARGS__ }
#define CALL(call, often, ...)						\
	{ .name = #call, .weight = often, .run = do_##call, .kinds = { __VA_ARGS__ } }

const struct call calls[] = {
	IOCTL(info, MQBUS_IOC_INFO, 1),
	IOCTL(topic_create, MQBUS_IOC_TOPIC_CREATE, 4),
	IOCTL(topic_delete, MQBUS_IOC_TOPIC_DELETE, 2),
	IOCTL(group_create, MQBUS_IOC_GROUP_CREATE, 3),
	IOCTL(group_delete, MQBUS_IOC_GROUP_DELETE, 3),
	IOCTL(group_seek, MQBUS_IOC_GROUP_SEEK, 5),
	IOCTL(produce, MQBUS_IOC_PRODUCE, 3),
	IOCTL(join, MQBUS_IOC_JOIN, 3),
	IOCTL(publish, MQBUS_IOC_PUBLISH, 30, .seen = seen_publish),
	IOCTL(fetch, MQBUS_IOC_FETCH, 14, .seen = seen_fetch),
	IOCTL(commit, MQBUS_IOC_COMMIT, 10),
	IOCTL(geometry, MQBUS_IOC_GEOMETRY, 1),
	IOCTL(group_set, MQBUS_IOC_GROUP_SET, 5),
	IOCTL(lease, MQBUS_IOC_LEASE, 30, .seen = seen_lease),
	IOCTL(transact, MQBUS_IOC_TRANSACT, 16),
	{ .name = "wait", .weight = 3, .cmd = MQBUS_IOC_WAIT, .size = sizeof(struct mqbus_wait),
	  .fields = wait_for, .nr = ARRAY_SIZE(wait_for) },
	IOCTL(enter, MQBUS_IOC_ENTER, 2),
	CALL(open, 2, K_SLOT, K_OPEN, K_SMALL),
	CALL(close, 4, K_SLOT),
	CALL(dup, 1, K_SLOT, K_SLOT),
	CALL(read, 8, K_SLOT, K_BYTES, K_SMALL),
	CALL(write, 8, K_SLOT, K_BYTES, K_SMALL),
	CALL(poll, 10, K_SLOT, K_EVENTS, K_SLOT),
	CALL(epoll_ctl, 4, K_SLOT, K_EPOLL, K_EVENTS),
	CALL(epoll_wait, 2, K_SMALL),
	CALL(fcntl, 1, K_SLOT, K_SMALL),
	CALL(mmap, 4, K_SLOT, K_MAP, K_PARTITION, K_PROT, K_MAPFLAGS, K_ZERO, K_ZERO),
	CALL(munmap, 1, K_MAP, K_SMALL),
	CALL(mremap, 1, K_MAP, K_SMALL),
	CALL(mprotect, 1, K_MAP, K_PROT, K_SMALL),
	CALL(touch, 2, K_MAP, K_SMALL),
	CALL(fork, 0, K_SMALL, K_SMALL),
	CALL(pass, 1, K_SLOT),
	CALL(receive, 1, K_SLOT),
	CALL(signal, 1, K_SMALL),
	CALL(sleep, 1, K_SMALL),
	CALL(raw, 1, K_SLOT, K_SMALL, K_ANY, K_SMALL, K_ANY),
	CALL(crowd, 0, K_TOPIC, K_GROUP, K_SMALL),
	CALL(get, 3, K_COMMAND, K_TOPIC, K_GROUP, K_PARTITION, K_SMALL),
	CALL(dump, 3, K_COMMAND, K_SMALL),
	CALL(listen, 1, K_SMALL),
	CALL(sysctl, 1, K_SYSCTL, K_LIMITS),
};

const unsigned int calls_nr = ARRAY_SIZE(calls);

int call_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < calls_nr; i++)
		if (!strcmp(calls[i].name, name))
			return i;
	return -1;
}

unsigned int call_args(const struct call *call)
{
	unsigned int n = ARRAY_SIZE(call->kinds);

	if (call->fields)
		return call->nr + 1;

	while (n && !call->kinds[n - 1])
		n--;
	return n;
}

enum kind call_kind(const struct call *call, unsigned int arg)
{
	if (!call->fields)
		return call->kinds[arg];
	return arg ? call->fields[arg - 1].kind : K_SLOT;
}

static bool is_name(const struct field *f)
{
	return f->kind == K_TOPIC || f->kind == K_GROUP || f->kind == K_DLQ || f->kind == K_ID;
}

static void field_fill(struct worker *w, const struct field *f, __u16 arg, char *args)
{
	__u64 value;
	size_t len;

	if (is_name(f)) {
		const char *name = name_of(value_of(f->kind, arg), &len);

		memcpy(args + f->at, name, len);
		return;
	}
	value = f->kind >= K_MSGS && f->kind <= K_RESULTS ? array_of(w, f->kind, arg) :
							    value_of(f->kind, arg);
	memcpy(args + f->at, &value, f->size);
}

/* A stream has no leases */
static enum role role_of_member(int fd)
{
	struct mqbus_lease none = { 0 };

	return ioctl(fd, MQBUS_IOC_LEASE, &none) && errno == EBADFD ? ROLE_STREAM : ROLE_QUEUE;
}

static long ioctl_run(struct worker *w, const struct op *op, const struct call *c)
{
	char args[sizeof(struct mqbus_group_set)] = "";
	unsigned int slot = value_of(K_SLOT, op->arg[0]), i;
	int fd = atomic_load(&world.fd[slot]);
	void *at;
	long ret;

	w->slot = slot;
	for (i = 0; i < c->nr; i++)
		field_fill(w, &c->fields[i], op->arg[i + 1], args);
	at = memory_struct(w, args, c->size);
	fail_arm(w, op->fail);
	ret = ioctl(fd, c->cmd, at);
	fail_disarm(w);
	if (ret)
		return ret;
	if (c->cmd == MQBUS_IOC_PRODUCE || c->cmd == MQBUS_IOC_JOIN)
		atomic_store(&world.role[slot],
			     c->cmd == MQBUS_IOC_JOIN ? role_of_member(fd) : ROLE_PRODUCER);
	if (c->seen && w->mem == MEM_PLAIN) {
		memcpy(args, at, c->size);
		c->seen(w, args);
	}
	return ret;
}

long call_run(struct worker *w, const struct op *op)
{
	const struct call *c = &calls[op->call];

	return c->run ? c->run(w, op) : ioctl_run(w, op, c);
}
