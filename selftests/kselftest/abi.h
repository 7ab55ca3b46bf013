/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All calls in a table, with arguments for each that the kernel must accept.
 */
#ifndef _MQBUS_TEST_ABI_H
#define _MQBUS_TEST_ABI_H

#include "container.h"
#include "mqbus_test.h"

enum { UNBOUND, PRODUCER, MEMBER, WORKER, STATES };

/* The largest structure, with room behind it */
union args {
	struct mqbus_info info;
	struct mqbus_topic_create topic_create;
	struct mqbus_topic_delete topic_delete;
	struct mqbus_group_create group_create;
	struct mqbus_group_delete group_delete;
	struct mqbus_group_seek group_seek;
	struct mqbus_produce produce;
	struct mqbus_join join;
	struct mqbus_publish publish;
	struct mqbus_fetch fetch;
	struct mqbus_commit commit;
	struct mqbus_geometry geometry;
	struct mqbus_group_set group_set;
	struct mqbus_lease lease;
	struct mqbus_transact transact;
	struct mqbus_wait wait;
	struct mqbus_enter enter;
	char bytes[16384];
};

#define NONE 0
#define RESERVED(_struct) offsetof(struct _struct, __reserved)
#define ANY_STATE { 0, 0, 0, 0 }
#define ONLY_UNBOUND { 0, -EBADFD, -EBADFD, -EBADFD }
#define ONLY_PRODUCER { -EBADFD, 0, -EBADFD, -EBADFD }
#define ONLY_MEMBER { -EBADFD, -EBADFD, 0, -EBADFD }
#define ONLY_WORKER { -EBADFD, -EBADFD, -EBADFD, 0 }
#define BOUND { -EBADFD, 0, 0, 0 }

/* Every structure begins with its flags; @first is its size in its first version, if it grew */
static const struct op {
	const char *name;
	unsigned long cmd;
	__u32 known_flags;
	size_t reserved;
	bool has_output;
	int state[STATES];
	size_t first;
} ops[] = {
	{ "INFO", MQBUS_IOC_INFO, 0, NONE, true, ANY_STATE,
	  offsetof(struct mqbus_info, used_user_bytes) },
	{ "TOPIC_CREATE", MQBUS_IOC_TOPIC_CREATE, MQBUS_TOPIC_F_SET,
	  offsetof(struct mqbus_topic_create, fields), false, ANY_STATE,
	  offsetof(struct mqbus_topic_create, retention_size) },
	{ "TOPIC_DELETE", MQBUS_IOC_TOPIC_DELETE, 0, RESERVED(mqbus_topic_delete), false,
	  ANY_STATE },
	{ "GROUP_CREATE", MQBUS_IOC_GROUP_CREATE,
	  MQBUS_GROUP_F_OBSERVER | MQBUS_GROUP_F_EPHEMERAL, NONE, false, ANY_STATE,
	  offsetof(struct mqbus_group_create, queue) },
	{ "GROUP_DELETE", MQBUS_IOC_GROUP_DELETE, MQBUS_GROUP_DELETE_F_FORCE,
	  RESERVED(mqbus_group_delete), false, ANY_STATE },
	{ "GROUP_SEEK", MQBUS_IOC_GROUP_SEEK,
	  MQBUS_GROUP_SEEK_F_DRY_RUN | MQBUS_GROUP_SEEK_F_FORCE,
	  RESERVED(mqbus_group_seek), true, ANY_STATE },
	{ "PRODUCE", MQBUS_IOC_PRODUCE, 0, RESERVED(mqbus_produce), true, ONLY_UNBOUND,
	  offsetof(struct mqbus_produce, name) },
	{ "JOIN", MQBUS_IOC_JOIN, 0, RESERVED(mqbus_join), false, ONLY_UNBOUND,
	  offsetof(struct mqbus_join, member) },
	{ "PUBLISH", MQBUS_IOC_PUBLISH, 0, RESERVED(mqbus_publish), true, ONLY_PRODUCER,
	  offsetof(struct mqbus_publish, seq) },
	{ "FETCH", MQBUS_IOC_FETCH, MQBUS_FETCH_F_COMMIT, RESERVED(mqbus_fetch), true,
	  ONLY_MEMBER },
	{ "COMMIT", MQBUS_IOC_COMMIT, MQBUS_COMMIT_F_FETCHED | MQBUS_COMMIT_F_RELEASE, NONE,
	  true, ONLY_MEMBER },
	{ "GEOMETRY", MQBUS_IOC_GEOMETRY, 0, NONE, true, BOUND },
	{ "GROUP_SET", MQBUS_IOC_GROUP_SET, 0, RESERVED(mqbus_group_set), false, ANY_STATE,
	  offsetof(struct mqbus_group_set, stream) },
	{ "LEASE", MQBUS_IOC_LEASE, MQBUS_LEASE_F_ACK | MQBUS_LEASE_F_RELEASE,
	  RESERVED(mqbus_lease), true, ONLY_WORKER },
	{ "TRANSACT", MQBUS_IOC_TRANSACT, 0, RESERVED(mqbus_transact), true, ANY_STATE },
	{ "WAIT", MQBUS_IOC_WAIT, 0, RESERVED(mqbus_wait), false, ANY_STATE },
	{ "ENTER", MQBUS_IOC_ENTER, 0, NONE, false, ONLY_UNBOUND },
};

#define NR_OPS (sizeof(ops) / sizeof(*ops))

FIXTURE(abi) {
	char topic[MQBUS_NAME_SIZE];
	int ep[STATES];
	int netns;
	struct mqbus_msg msg;
	struct mqbus_range range;
	struct mqbus_commit_entry entry;
	struct mqbus_act act;
	struct mqbus_place place;
	union args *args;
};

FIXTURE_SETUP(abi)
{
	struct mqbus_group_create queue = { .type = MQBUS_GROUP_QUEUE, .group = "w" };

	mq_name(self->topic, "abi");
	self->ep[UNBOUND] = mq_open(0);
	ASSERT_EQ(0, mq_create(self->ep[UNBOUND], self->topic, .size = 1 << 20));
	ASSERT_EQ(0, mq_group(self->ep[UNBOUND], self->topic, "g"));
	/* No test joins this group, so it can be sought and deleted */
	ASSERT_EQ(0, mq_group(self->ep[UNBOUND], self->topic, "idle"));
	self->ep[PRODUCER] = mq_producer(self->topic, 0);
	self->ep[MEMBER] = mq_member(self->topic, "g", 0);
	ASSERT_LE(0, self->ep[PRODUCER]);
	ASSERT_LE(0, self->ep[MEMBER]);
	mq_set_name(queue.topic, self->topic);
	ASSERT_EQ(0, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_CREATE, &queue));
	self->ep[WORKER] = mq_member(self->topic, "w", 0);
	ASSERT_LE(0, self->ep[WORKER]);
	self->netns = own_netns();
	ASSERT_LE(0, self->netns);
	self->msg = mq_msg("value", 5);
	self->args = malloc(sizeof(*self->args));
	ASSERT_NE(NULL, self->args);
}

FIXTURE_TEARDOWN(abi)
{
	int i;

	mq_delete(self->ep[UNBOUND], self->topic);
	for (i = 0; i < STATES; i++)
		close(self->ep[i]);
	close(self->netns);
	free(self->args);
}

/*
 * Fill arguments with which a call must succeed in the state that it needs, whatever was called
 * before.
 */
static void valid(FIXTURE_DATA(abi) *self, unsigned int nr)
{
	union args *a = self->args;
	char other[MQBUS_NAME_SIZE];
	int fd = self->ep[UNBOUND];

	memset(a, 0, sizeof(*a));
	mq_name(other, "other");
	switch (nr) {
	case _IOC_NR(MQBUS_IOC_TOPIC_CREATE):
		a->topic_create.partitions = 1;
		a->topic_create.size = 4096;
		a->topic_create.uid = MQBUS_ANY;
		a->topic_create.gid = MQBUS_ANY;
		mq_set_name(a->topic_create.name, other);
		break;
	case _IOC_NR(MQBUS_IOC_TOPIC_DELETE):
		mq_create(fd, other, .size = 4096);
		mq_set_name(a->topic_delete.name, other);
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_CREATE):
		mq_set_name(a->group_create.topic, self->topic);
		mq_set_name(a->group_create.group, other);
		/* One of several: all others made here go with the test */
		mq_group_delete(fd, self->topic, "made", 0);
		mq_set_name(a->group_create.group, "made");
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_DELETE):
		mq_set_name(a->group_delete.topic, self->topic);
		mq_set_name(a->group_delete.group, other);
		mq_group(fd, self->topic, other);
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_SEEK):
		mq_set_name(a->group_seek.topic, self->topic);
		mq_set_name(a->group_seek.group, "idle");
		a->group_seek.partition = MQBUS_ANY;
		break;
	case _IOC_NR(MQBUS_IOC_PRODUCE):
		mq_set_name(a->produce.topic, self->topic);
		break;
	case _IOC_NR(MQBUS_IOC_JOIN):
		mq_set_name(a->join.topic, self->topic);
		mq_set_name(a->join.group, "g");
		break;
	case _IOC_NR(MQBUS_IOC_PUBLISH):
		a->publish.count = 1;
		a->publish.msgs = (uintptr_t)&self->msg;
		a->publish.msg_size = sizeof(self->msg);
		break;
	case _IOC_NR(MQBUS_IOC_FETCH):
		mq_put(self->ep[PRODUCER], "x", 1, 0);
		a->fetch.nr_ranges = 1;
		a->fetch.ranges = (uintptr_t)&self->range;
		a->fetch.range_size = sizeof(self->range);
		break;
	case _IOC_NR(MQBUS_IOC_COMMIT):
		a->commit.flags = MQBUS_COMMIT_F_FETCHED;
		break;
	case _IOC_NR(MQBUS_IOC_GROUP_SET):
		mq_set_name(a->group_set.topic, self->topic);
		mq_set_name(a->group_set.group, "w");
		a->group_set.fields = MQBUS_GROUP_SET_CREDIT;
		break;
	case _IOC_NR(MQBUS_IOC_LEASE):
		a->lease.flags = MQBUS_LEASE_F_ACK;
		break;
	case _IOC_NR(MQBUS_IOC_TRANSACT):
		self->act = (struct mqbus_act) {
			.fd = self->ep[PRODUCER], .kind = MQBUS_ACT_PUBLISH, .count = 1,
			.elements = (uintptr_t)&self->msg, .size = sizeof(self->msg),
		};
		a->transact.count = 1;
		a->transact.acts = (uintptr_t)&self->act;
		a->transact.act_size = sizeof(self->act);
		break;
	case _IOC_NR(MQBUS_IOC_WAIT):
		/* Offset of a duplicate */
		self->place = (struct mqbus_place) { .partition = MQBUS_ANY };
		mq_set_name(a->wait.topic, self->topic);
		mq_set_name(a->wait.group, "idle");
		a->wait.count = 1;
		a->wait.places = (uintptr_t)&self->place;
		a->wait.place_size = sizeof(self->place);
		break;
	case _IOC_NR(MQBUS_IOC_ENTER):
		a->enter.netns = self->netns;
		break;
	}
}

/* The state that a call needs: one that changes it gets a fresh endpoint */
static int right_endpoint(FIXTURE_DATA(abi) *self, unsigned int nr)
{
	int state;

	if (ops[nr].cmd == MQBUS_IOC_PRODUCE || ops[nr].cmd == MQBUS_IOC_JOIN ||
	    ops[nr].cmd == MQBUS_IOC_ENTER)
		return mq_open(0);
	for (state = 0; ops[nr].state[state]; state++)
		;
	return dup(self->ep[state]);
}

/* Make a call with valid arguments, except those that the caller has changed. */
static int call(FIXTURE_DATA(abi) *self, unsigned int nr, unsigned long cmd, void *arg)
{
	int fd = right_endpoint(self, nr);
	int ret = mq_ioctl(fd, cmd, arg);

	close(fd);
	return ret;
}

static unsigned long sized(unsigned long cmd, unsigned int size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

#endif /* _MQBUS_TEST_ABI_H */
