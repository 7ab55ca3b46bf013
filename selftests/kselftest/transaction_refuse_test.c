// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions that fail for one reason each, in each act and each of its elements: the place
 * of the failure is reported, and nothing changes.
 */
#include "transaction.h"

/* A bad element: its acts, and its fault */
struct fault {
	const char *name;
	__u32 kind;
	int err;
	void (*apply)(FIXTURE_DATA(exchange) *self, struct mqbus_act *act, int element);
	enum { ELEMENT, ACT, FIRST } where;	/* what it says is wrong */
};

#define MSG(act, i)	(&((struct mqbus_msg *)(uintptr_t)(act)->elements)[i])
#define ENTRY(act, i)	(&((struct mqbus_commit_entry *)(uintptr_t)(act)->elements)[i])
#define LEASE(act, i)	(&((struct mqbus_settle *)(uintptr_t)(act)->elements)[i])

/* Unusable endpoints and leases */
static int pipe_fd, foreign_fd, idle_fd, other_fd, stream_fd, queue_fd;
static __u64 others_lease, acked_lease, expired_lease;

#define FAULT(_name, ...)							\
	static void _name(FIXTURE_DATA(exchange) *self, struct mqbus_act *act, int i)	\
	{ __VA_ARGS__; }

FAULT(bad_value, MSG(act, i)->value = MQ_ODD_ADDR)
FAULT(kernel_value, MSG(act, i)->value = MQ_KERNEL_ADDR)
FAULT(bad_key, MSG(act, i)->key = MQ_ODD_ADDR; MSG(act, i)->key_len = 3)
FAULT(bad_routing_key, MSG(act, i)->routing_key = 8; MSG(act, i)->routing_key_len = 3)
FAULT(bad_headers, MSG(act, i)->headers = 8; MSG(act, i)->headers_len = 30)
FAULT(odd_headers, MSG(act, i)->headers = MSG(act, i)->value; MSG(act, i)->headers_len = 3)
FAULT(msg_flags, MSG(act, i)->flags = 1)
FAULT(msg_reserved, MSG(act, i)->__reserved = 1ULL << 40)
FAULT(partition, MSG(act, i)->partition = 1)
FAULT(long_value, MSG(act, i)->value_len = 4096)
FAULT(longest_value, MSG(act, i)->value_len = ~0U)
FAULT(long_key, MSG(act, i)->key = MSG(act, i)->value;
	MSG(act, i)->key_len = MQBUS_KEY_MAX + 1)
FAULT(no_partition, ENTRY(act, i)->partition = PARTS)
FAULT(behind_fetched, ENTRY(act, i)->offset = 5)
FAULT(far_behind, ENTRY(act, i)->offset = ~0ULL)
FAULT(entry_error, ENTRY(act, i)->error = 1)
FAULT(entry_reserved, ENTRY(act, i)->__reserved = 1)
FAULT(never_given, LEASE(act, i)->lease = 1ULL << 50)
FAULT(no_lease, LEASE(act, i)->lease = 0)
FAULT(others, LEASE(act, i)->lease = others_lease)
FAULT(acked, LEASE(act, i)->lease = acked_lease)
FAULT(expired, LEASE(act, i)->lease = expired_lease)
FAULT(nacked, LEASE(act, i)->what = MQBUS_NACK)
FAULT(extended, LEASE(act, i)->what = MQBUS_EXTEND)
FAULT(released_later, LEASE(act, i)->what = MQBUS_RELEASE; LEASE(act, i)->delay = 1)
FAULT(acked_later, LEASE(act, i)->delay = 1)
FAULT(unknown_settlement, LEASE(act, i)->what = MQBUS_EXTEND + 1)
FAULT(settle_error, LEASE(act, i)->error = 1)
FAULT(no_fd, act->fd = -1)
FAULT(high_fd, act->fd = 0x7fffffff)
FAULT(fd_of_pipe, act->fd = pipe_fd)
FAULT(fd_of_other_bus, act->fd = foreign_fd)
FAULT(unbound, act->fd = idle_fd)
FAULT(of_a_stream, act->fd = stream_fd)
FAULT(of_a_queue, act->fd = queue_fd)
FAULT(not_a_member, act->fd = self->out[2])
FAULT(unknown_kind, act->kind = MQBUS_ACT_SETTLE + 1)
FAULT(act_flags, act->flags = 1)
FAULT(no_elements, act->count = 0)
FAULT(many_elements, act->count = MQBUS_TRANSACT_MAX + 1)
FAULT(most_elements, act->count = ~0U)
FAULT(bad_elements, act->elements = 8)
FAULT(odd_elements, act->elements = MQ_ODD_ADDR)
FAULT(short_elements, act->size = 8)
FAULT(huge_elements, act->size = ~0U)
FAULT(bad_places, act->places = 8; act->place_size = sizeof(struct mqbus_place))
FAULT(short_places, act->places = act->elements; act->place_size = 8)
FAULT(seq_without_name, act->seq = 1)
FAULT(stray_seq, act->seq = 1)
FAULT(stray_places, act->places = act->elements; act->place_size = sizeof(struct mqbus_place))

#define PUBLISH	MQBUS_ACT_PUBLISH
#define ANY_ACT	99

static const struct fault faults[] = {
	{ "value", PUBLISH, -EFAULT, bad_value },
	{ "value in the kernel", PUBLISH, -EFAULT, kernel_value },
	{ "key", PUBLISH, -EFAULT, bad_key },
	{ "routing key", PUBLISH, -EFAULT, bad_routing_key },
	{ "headers", PUBLISH, -EFAULT, bad_headers },
	{ "headers that are none", PUBLISH, -EINVAL, odd_headers },
	{ "flags of a record", PUBLISH, -EOPNOTSUPP, msg_flags },
	{ "reserved of a record", PUBLISH, -EINVAL, msg_reserved },
	{ "partition", PUBLISH, -ECHRNG, partition },
	{ "long value", PUBLISH, -EMSGSIZE, long_value },
	{ "longest value", PUBLISH, -EMSGSIZE, longest_value },
	{ "long key", PUBLISH, -EMSGSIZE, long_key },
	{ "partition of a commit", MQBUS_ACT_COMMIT, -ECHRNG, no_partition },
	{ "behind what was fetched", MQBUS_ACT_COMMIT, -ERANGE, behind_fetched },
	{ "far behind", MQBUS_ACT_COMMIT, -ERANGE, far_behind },
	{ "error of a commit", MQBUS_ACT_COMMIT, -EINVAL, entry_error },
	{ "reserved of a commit", MQBUS_ACT_COMMIT, -EINVAL, entry_reserved },
	{ "lease never given", MQBUS_ACT_SETTLE, -ENOENT, never_given },
	{ "lease 0", MQBUS_ACT_SETTLE, -ENOENT, no_lease },
	{ "another's lease", MQBUS_ACT_SETTLE, -EPERM, others },
	{ "settled lease", MQBUS_ACT_SETTLE, -EALREADY, acked },
	{ "lease that ran out", MQBUS_ACT_SETTLE, -ETIMEDOUT, expired },
	{ "nack", MQBUS_ACT_SETTLE, -EOPNOTSUPP, nacked },
	{ "extend", MQBUS_ACT_SETTLE, -EOPNOTSUPP, extended },
	{ "release with a delay", MQBUS_ACT_SETTLE, -EOPNOTSUPP, released_later },
	{ "ack with a delay", MQBUS_ACT_SETTLE, -EINVAL, acked_later },
	{ "unknown settlement", MQBUS_ACT_SETTLE, -EOPNOTSUPP, unknown_settlement },
	{ "error of a settlement", MQBUS_ACT_SETTLE, -EINVAL, settle_error },
	{ "fd -1", ANY_ACT, -EBADF, no_fd, ACT },
	{ "highest fd", ANY_ACT, -EBADF, high_fd, ACT },
	{ "pipe", ANY_ACT, -EBADF, fd_of_pipe, ACT },
	{ "endpoint of another namespace", ANY_ACT, -EBADF, fd_of_other_bus, ACT },
	{ "unbound", ANY_ACT, -EBADFD, unbound, ACT },
	{ "member publishes", PUBLISH, -EBADFD, of_a_stream, ACT },
	{ "worker publishes", PUBLISH, -EBADFD, of_a_queue, ACT },
	{ "worker commits", MQBUS_ACT_COMMIT, -EBADFD, of_a_queue, ACT },
	{ "producer commits", MQBUS_ACT_COMMIT, -EBADFD, not_a_member, ACT },
	{ "stream member settles", MQBUS_ACT_SETTLE, -EBADFD, of_a_stream, ACT },
	{ "producer settles", MQBUS_ACT_SETTLE, -EBADFD, not_a_member, ACT },
	{ "unknown kind", ANY_ACT, -EOPNOTSUPP, unknown_kind, ACT },
	{ "flags of an act", ANY_ACT, -EOPNOTSUPP, act_flags, ACT },
	{ "no elements", ANY_ACT, -ERANGE, no_elements, ACT },
	{ "too many elements", ANY_ACT, -ERANGE, many_elements, ACT },
	{ "most elements", ANY_ACT, -ERANGE, most_elements, ACT },
	{ "address of elements", ANY_ACT, -EFAULT, bad_elements, FIRST },
	{ "odd address of elements", ANY_ACT, -EFAULT, odd_elements, FIRST },
	{ "short elements", ANY_ACT, -EINVAL, short_elements, ACT },
	{ "huge elements", ANY_ACT, -E2BIG, huge_elements, ACT },
	{ "places", PUBLISH, -EFAULT, bad_places, ACT },
	{ "short places", PUBLISH, -EINVAL, short_places, ACT },
	{ "seq without a name", PUBLISH, -EINVAL, seq_without_name, ACT },
	{ "seq of no record", MQBUS_ACT_COMMIT, -EINVAL, stray_seq, ACT },
	{ "seq of no record", MQBUS_ACT_SETTLE, -EINVAL, stray_seq, ACT },
	{ "places of no record", MQBUS_ACT_COMMIT, -EINVAL, stray_places, ACT },
	{ "places of no record", MQBUS_ACT_SETTLE, -EINVAL, stray_places, ACT },
};

static int foreign_endpoint(void)
{
	int fd, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = mq_open(0);
	mq_create(fd, "elsewhere");
	mq_bind_producer(fd, "elsewhere");
	setns(home, CLONE_NEWNET);
	close(home);
	return fd;
}

static void useless(struct __test_metadata *_metadata, FIXTURE_DATA(exchange) *self)
{
	struct mqbus_leased leased;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	close(pipes[1]);
	pipe_fd = pipes[0];
	foreign_fd = foreign_endpoint();
	ASSERT_LE(0, foreign_fd);
	idle_fd = mq_open(0);
	ASSERT_EQ(0, mq_create(self->ctl, "spare"));
	ASSERT_EQ(0, mq_group(self->ctl, "spare", "s"));
	ASSERT_EQ(0, mq_queue(self->ctl, "spare", "q", NULL));
	stream_fd = mq_member("spare", "s", 0);
	queue_fd = mq_member("spare", "q", 0);
	acked_lease = self->leased[EACH].lease;
	ASSERT_EQ(0, settle(self->worker.fd, acked_lease, MQBUS_ACK, 0));
	/* The other one takes first: the expired lease must not be given to a new one */
	other_fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(1, take(other_fd, &leased, 1, 0));
	others_lease = leased.lease;
	ASSERT_EQ(1, take_timed(self->worker.fd, &leased, 1, MQ_MS, 0));
	expired_lease = leased.lease;
	while (settle(self->worker.fd, expired_lease, MQBUS_EXTEND, MQ_MS / 100) != -ETIMEDOUT)
		mq_sleep(MQ_MS);
}

/* The acts of @x with the one at @from moved to @to */
static void move_act(struct exchange *x, int from, int to)
{
	struct mqbus_act act = x->acts[from];

	for (; from < to; from++)
		x->acts[from] = x->acts[from + 1];
	for (; from > to; from--)
		x->acts[from] = x->acts[from - 1];
	x->acts[to] = act;
}

static void refuse(struct __test_metadata *_metadata, FIXTURE_DATA(exchange) *self,
		   const struct fault *f, int act, const struct state *before)
{
	struct mqbus_transact args;
	struct state after;
	int at, i, ret;

	/* On slow kernels, in the first place and in the last */
	for (at = 0; at < ACTS; at += mq_slow() > 1 ? ACTS - 1 : 1) {
		for (i = 0; i < (f->where == ELEMENT ? EACH : 1); i++) {
			fill_in(self);
			f->apply(self, &self->x.acts[act], i);
			move_act(&self->x, act, at);
			ret = go(self, 0, &args);
			EXPECT_EQ(f->err, ret)
				TH_LOG("%s: act %d, element %d", f->name, at, i);
			EXPECT_EQ(at, args.failed_act)
				TH_LOG("%s: act %d, element %d", f->name, at, i);
			EXPECT_EQ(f->where == ACT ? MQBUS_ANY : i, args.failed_element)
				TH_LOG("%s: act %d, element %d", f->name, at, i);
			after = state(self);
			ASSERT_TRUE(same_state(before, &after))
				TH_LOG("%s: act %d, element %d", f->name, at, i);
		}
	}
}

TEST_F_TIMEOUT(exchange, each_fault_in_each_place, 600)
{
	struct state before, after, want;
	size_t n;
	int act;

	useless(_metadata, self);
	before = state(self);
	for (n = 0; n < sizeof(faults) / sizeof(*faults); n++) {
		for (act = 0; act < ACTS; act++) {
			fill_in(self);
			if (faults[n].kind == ANY_ACT || self->x.acts[act].kind == faults[n].kind)
				refuse(_metadata, self, &faults[n], act, &before);
		}
	}
	/* Refused a thousand times, it still succeeds, with the compared effects */
	fill_in(self);
	EXPECT_EQ(0, go(self, 0, NULL));
	after = state(self);
	want = done(before);
	EXPECT_TRUE(same_state(&want, &after));
	close(pipe_fd);
	close(foreign_fd);
	close(idle_fd);
	close(other_fd);
	close(stream_fd);
	close(queue_fd);
	EXPECT_EQ(0, mq_delete(self->ctl, "spare"));
}

/* Endpoints of deleted objects, each in each place */
TEST_F(exchange, deleted)
{
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_commit_entry entry = {};
	struct mqbus_settle settle = { .lease = 1 };
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_act gone[3];
	struct mqbus_transact args;
	struct state before, after;
	int fd[3], at, i;

	mq_name(topic, "gone");
	ASSERT_EQ(0, mq_create(self->ctl, topic));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	ASSERT_EQ(0, mq_queue(self->ctl, topic, "q", NULL));
	fd[0] = mq_producer(topic, 0);
	fd[1] = mq_member(topic, "s", 0);
	fd[2] = mq_member(topic, "q", 0);
	gone[0] = act_publish(fd[0], &msg, 1);
	gone[1] = act_commit(fd[1], &entry, 1);
	gone[2] = act_settle(fd[2], &settle, 1);
	ASSERT_EQ(0, mq_group_delete(self->ctl, topic, "s", MQBUS_GROUP_DELETE_F_FORCE));
	EXPECT_EQ(-EIDRM, mq_transact(self->ctl, &gone[1], 1, 0, NULL));
	ASSERT_EQ(0, mq_delete(self->ctl, topic));
	before = state(self);
	for (i = 0; i < 3; i++) {
		for (at = 0; at < ACTS; at++) {
			fill_in(self);
			self->x.acts[SECOND_PUBLISH] = gone[i];
			move_act(&self->x, SECOND_PUBLISH, at);
			EXPECT_EQ(-EIDRM, go(self, MQBUS_WAIT_FOREVER, &args))
				TH_LOG("kind %d as act %d", i, at);
			EXPECT_EQ(at, args.failed_act);
			after = state(self);
			EXPECT_TRUE(same_state(&before, &after));
		}
	}
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

/* The last element is only half there */
TEST_F(exchange, elements_before_a_hole)
{
	struct state before = state(self), after;
	char *hole = mq_before_hole(1);
	struct mqbus_transact args;
	int act, at;

	for (act = 0; act < ACTS; act++) {
		for (at = 0; at < ACTS; at++) {
			size_t len;
			char *p;

			fill_in(self);
			len = (size_t)EACH * self->x.acts[act].size;
			p = hole - len + 8;
			memcpy(p, (void *)(uintptr_t)self->x.acts[act].elements, len - 8);
			self->x.acts[act].elements = (uintptr_t)p;
			move_act(&self->x, act, at);
			EXPECT_EQ(-EFAULT, go(self, 0, &args)) TH_LOG("act %d at %d", act, at);
			EXPECT_EQ(at, args.failed_act);
			after = state(self);
			EXPECT_TRUE(same_state(&before, &after));
		}
	}
	munmap(hole - MQ_PAGE, MQ_PAGE);
}

/* A lease, a partition to commit, an endpoint may be named once */
TEST_F(exchange, named_twice)
{
	struct state before = state(self), after;
	int again = dup(self->out[0]), fds[2];
	struct mqbus_transact args;
	int i, k;

	for (i = 0; i < EACH; i++) {
		for (k = 0; k < i; k++) {
			fill_in(self);
			self->x.settles[i].lease = self->x.settles[k].lease;
			EXPECT_EQ(-EALREADY, go(self, 0, &args));
			EXPECT_EQ(SETTLE, args.failed_act);
			EXPECT_TRUE(args.failed_element == i ||
				    args.failed_element == MQBUS_ANY);
			/* Nor with another number or another kind */
			self->x.settles[i].what = MQBUS_RELEASE;
			EXPECT_EQ(-EALREADY, go(self, 0, &args));
			fill_in(self);
			self->x.entries[i] = self->x.entries[k];
			EXPECT_EQ(-ERANGE, go(self, 0, &args));
			EXPECT_EQ(COMMIT, args.failed_act);
			EXPECT_EQ(i, args.failed_element);
			self->x.entries[i].offset++;
			EXPECT_EQ(-ERANGE, go(self, 0, &args));
			EXPECT_EQ(i, args.failed_element);
		}
	}
	/* By the same number, or by another of the same file */
	fds[0] = self->out[0];
	fds[1] = again;
	for (i = 0; i < 2; i++) {
		fill_in(self);
		self->x.acts[SECOND_PUBLISH].fd = fds[i];
		EXPECT_EQ(-EINVAL, go(self, 0, &args));
		EXPECT_EQ(SECOND_PUBLISH, args.failed_act);
		EXPECT_EQ(MQBUS_ANY, args.failed_element);
	}
	for (i = COMMIT; i <= SETTLE; i++) {
		fill_in(self);
		self->x.acts[i].count = 1;
		self->x.acts[FIRST_PUBLISH] = self->x.acts[i];
		self->x.acts[FIRST_PUBLISH].elements += self->x.acts[i].size;
		EXPECT_EQ(-EINVAL, go(self, 0, &args));
		EXPECT_EQ(i, args.failed_act);
	}
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	close(again);
}

/* Below the last commit, not owned, or of another generation */
TEST_F(exchange, commits)
{
	struct state before, after;
	struct mqbus_transact args;
	int i, standby;

	ASSERT_EQ(0, mq_commit(self->member, 1, 3));
	before = state(self);
	for (i = 0; i < EACH; i++) {
		fill_in(self);
		self->x.entries[1].offset = 3;
		self->x.entries[i].generation = self->ranges[i].generation + 7;
		EXPECT_EQ(-ESTALE, go(self, 0, &args));
		EXPECT_EQ(COMMIT, args.failed_act);
		EXPECT_EQ(i, args.failed_element);
	}
	fill_in(self);
	self->x.entries[1].offset = 2;
	EXPECT_EQ(-ERANGE, go(self, 0, &args));
	EXPECT_EQ(1, args.failed_element);
	standby = mq_member(self->topic, "s", 0);
	fill_in(self);
	self->x.acts[COMMIT].fd = standby;
	EXPECT_EQ(-ESTALE, go(self, 0, &args));
	EXPECT_EQ(COMMIT, args.failed_act);
	EXPECT_EQ(0, args.failed_element);
	close(standby);
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	fill_in(self);
	self->x.entries[1].offset = 4;
	for (i = 0; i < EACH; i++)
		self->x.entries[i].generation = self->ranges[i].generation;
	EXPECT_EQ(0, go(self, 0, &args));
	EXPECT_EQ(4, mq_committed(self->ctl, self->topic, "s", 1));
}

/* The structure itself */
TEST_F(exchange, structure)
{
	struct state before = state(self), after;
	struct mqbus_act acts[MQBUS_ACTS_MAX + 1];
	struct mqbus_transact good, args;
	char *hole = mq_before_hole(1);
	struct mqbus_msg msg = mq_msg("x", 1);
	int fds[MQBUS_ACTS_MAX], i;

	fill_in(self);
	good = (struct mqbus_transact) { .count = ACTS, .acts = (uintptr_t)self->x.acts,
					 .act_size = sizeof(struct mqbus_act) };
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args = good;
	args.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args = good;
	args.count = 0;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args.count = MQBUS_ACTS_MAX + 1;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args.count = ~0U;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args = good;
	args.act_size = sizeof(struct mqbus_act) - 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args.act_size = ~0U;
	EXPECT_EQ(-E2BIG, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args = good;
	args.acts = MQ_KERNEL_ADDR;
	EXPECT_EQ(-EFAULT, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	args.acts = (uintptr_t)hole - ACTS * sizeof(struct mqbus_act) + 8;
	memcpy(hole - ACTS * sizeof(struct mqbus_act) + 8, self->x.acts,
	       ACTS * sizeof(struct mqbus_act) - 8);
	EXPECT_EQ(-EFAULT, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));

	for (i = 0; i < MQBUS_ACTS_MAX; i++) {
		fds[i] = mq_producer(self->to[i % 2], 0);
		acts[i] = act_publish(fds[i], &msg, 1);
	}
	EXPECT_EQ(0, mq_transact(self->ctl, acts, MQBUS_ACTS_MAX, 0, NULL));
	EXPECT_EQ(before.end[0][0] + MQBUS_ACTS_MAX / 2, mq_end(self->ctl, self->to[0], "s", 0));
	for (i = 0; i < MQBUS_ACTS_MAX; i++)
		close(fds[i]);
	munmap(hole - MQ_PAGE, MQ_PAGE);
}

/* Elements grow: a tail of zeros is accepted, another is E2BIG */
TEST_F(exchange, element_sizes)
{
	struct { struct mqbus_msg m; __u64 tail; } msgs[EACH] = {};
	struct { struct mqbus_commit_entry e; __u64 tail; } entries[EACH] = {};
	struct { struct mqbus_settle s; __u64 tail; } settles[EACH] = {};
	struct { struct mqbus_place p; __u64 tail; } places[EACH];
	struct { struct mqbus_act a; __u64 tail; } acts[3] = {};
	struct mqbus_transact args = { .count = 3, .acts = (uintptr_t)acts,
				       .act_size = sizeof(*acts) };
	struct state before = state(self), after;
	__u64 *tails[] = { &msgs[EACH - 1].tail, &entries[EACH - 1].tail,
			   &settles[EACH - 1].tail, &acts[2].tail };
	int i;

	fill_in(self);
	for (i = 0; i < EACH; i++) {
		msgs[i].m = self->x.msgs[0][i];
		entries[i].e = self->x.entries[i];
		settles[i].s = self->x.settles[i];
	}
	acts[0].a = act_publish(self->out[0], msgs, EACH);
	acts[0].a.places = (uintptr_t)places;
	acts[0].a.place_size = sizeof(*places);
	acts[1].a = act_commit(self->member, entries, EACH);
	acts[2].a = act_settle(self->worker.fd, settles, EACH);
	for (i = 0; i < 4; i++) {
		*tails[i] = 1ULL << 63;
		EXPECT_EQ(-E2BIG, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args)) TH_LOG("%d", i);
		if (i < 3)
			EXPECT_EQ(i, args.failed_act);
		*tails[i] = 0;
	}
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	memset(places, 0xcc, sizeof(places));
	EXPECT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_TRANSACT, &args));
	for (i = 0; i < EACH; i++) {
		EXPECT_EQ(0, places[i].p.partition);
		EXPECT_EQ(i, places[i].p.offset);
		EXPECT_EQ(0, places[i].tail);
	}
}

TEST_HARNESS_MAIN
