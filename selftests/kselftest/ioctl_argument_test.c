// SPDX-License-Identifier: GPL-2.0
/*
 * Content of the ioctls' structures: counts, timeouts, elements of arrays, names.
 */
#include "abi.h"

TEST_F(abi, counts)
{
	static struct mqbus_commit_entry entries[MQBUS_PARTITIONS_MAX + 1];
	struct mqbus_commit commit = { .entries = (uintptr_t)entries,
				       .entry_size = sizeof(*entries) };

	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, 0, NULL, 0, NULL));
	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, MQBUS_BATCH_MAX + 1, NULL,
				      0, NULL));
	EXPECT_EQ(-ERANGE, mq_publish(self->ep[PRODUCER], &self->msg, ~0U, NULL, 0, NULL));
	EXPECT_EQ(-ERANGE, mq_fetch(self->ep[MEMBER], &self->range, 0, 0, 0));
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	commit.nr_entries = MQBUS_PARTITIONS_MAX + 1;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	commit.nr_entries = MQBUS_PARTITIONS_MAX;
	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	EXPECT_EQ(MQBUS_PARTITIONS_MAX, commit.committed);
	commit.flags = MQBUS_COMMIT_F_FETCHED;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
}

TEST_F(abi, nonblocking)
{
	int member = mq_member(self->topic, "g", O_NONBLOCK), producer;
	struct mqbus_range range;
	static char block[64 << 10];
	char byte;

	/* With any timeout */
	EXPECT_EQ(-EAGAIN, mq_fetch(member, &range, 1, 0, MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-1, read(member, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-EAGAIN, mq_fetch(self->ep[MEMBER], &range, 1, 0, 0));
	close(member);

	producer = self->ep[PRODUCER];
	ASSERT_EQ(0, fcntl(producer, F_SETFL, O_NONBLOCK));
	while (mq_put(producer, block, sizeof(block), MQBUS_WAIT_FOREVER) == 1)
		;
	EXPECT_EQ(-EAGAIN, mq_put(producer, block, sizeof(block), MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-1, write(producer, block, sizeof(block)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, fcntl(producer, F_SETFL, 0));
	EXPECT_EQ(-EAGAIN, mq_put(producer, block, sizeof(block), 0));
	EXPECT_EQ(-ETIMEDOUT, mq_put(producer, block, sizeof(block), MQ_MS));
}

/* A timeout that is over before the wait begins is still a timeout */
TEST_F(abi, shortest_timeout)
{
	static char block[64 << 10];
	struct mqbus_range range;
	__u64 ns;

	for (ns = 1; ns < 100000; ns *= 3)
		EXPECT_EQ(-ETIMEDOUT, mq_fetch(self->ep[MEMBER], &range, 1, 0, ns));
	while (mq_put(self->ep[PRODUCER], block, sizeof(block), 0) == 1)
		;
	for (ns = 1; ns < 100000; ns *= 3)
		EXPECT_EQ(-ETIMEDOUT, mq_put(self->ep[PRODUCER], block, sizeof(block), ns));
}

/* Elements of arrays grow as structures do, with their size beside the address */
TEST_F(abi, element_sizes)
{
	struct { struct mqbus_msg m; __u64 tail; } msgs[2] = { { self->msg, 0 }, { self->msg, 0 } };
	struct { struct mqbus_place p; __u64 tail; } places[2];
	struct { struct mqbus_range r; __u64 tail; } ranges[2];
	struct { struct mqbus_commit_entry e; __u64 tail; } entries[2] = {};
	struct { struct mqbus_seek_result r; __u64 tail; } results[2];
	struct mqbus_publish publish = {
		.count = 2, .msgs = (uintptr_t)msgs, .msg_size = sizeof(*msgs),
		.places = (uintptr_t)places, .place_size = sizeof(*places),
	};
	struct mqbus_fetch fetch = {
		.nr_ranges = 2, .ranges = (uintptr_t)ranges, .range_size = sizeof(*ranges),
	};
	struct mqbus_commit commit = {
		.nr_entries = 2, .entries = (uintptr_t)entries, .entry_size = sizeof(*entries),
	};
	struct mqbus_group_seek seek = {
		.partition = MQBUS_ANY, .results = (uintptr_t)results, .nr_results = 1,
		.result_size = sizeof(*results),
	};

	memset(places, 0, sizeof(places));
	memset(ranges, 0, sizeof(ranges));
	EXPECT_EQ(0, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	EXPECT_EQ(2, publish.published);
	EXPECT_EQ(1, places[1].p.offset);
	msgs[1].tail = 1;
	publish.published = 0;
	EXPECT_EQ(0, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	EXPECT_EQ(1, publish.published);
	EXPECT_EQ(E2BIG, publish.error);
	msgs[1].tail = 0;

	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_FETCH, &fetch));
	EXPECT_EQ(3, ranges[0].r.end_offset);
	entries[0].e.offset = 1;
	entries[1].e.offset = 2;
	EXPECT_EQ(0, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	EXPECT_EQ(2, commit.committed);
	mq_set_name(seek.topic, self->topic);
	mq_set_name(seek.group, "idle");
	EXPECT_EQ(0, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_SEEK, &seek));
	EXPECT_EQ(3, results[0].r.end_offset);

	/* Shorter than the first version */
	publish.msg_size = sizeof(struct mqbus_msg) - 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	publish.msg_size = sizeof(struct mqbus_msg);
	publish.place_size = 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[PRODUCER], MQBUS_IOC_PUBLISH, &publish));
	fetch.range_size = 0;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_FETCH, &fetch));
	commit.entry_size = 8;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[MEMBER], MQBUS_IOC_COMMIT, &commit));
	seek.result_size = 16;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ep[UNBOUND], MQBUS_IOC_GROUP_SEEK, &seek));
}

TEST_F(abi, names)
{
	static const struct {
		const char *bytes;
		size_t len;
		int err;
	} bad[] = {
		{ "", 0, -EINVAL },
		{ "\0a", 2, -EINVAL },
		{ "a\0b", 3, -EINVAL },
		{ "-x", 2, -EILSEQ },
		{ ".", 1, -EILSEQ },
		{ "..", 2, -EILSEQ },
		{ ".x", 2, -EILSEQ },
		{ "a b", 3, -EILSEQ },
		{ "a/b", 3, -EILSEQ },
		{ "a\nb", 3, -EILSEQ },
		{ "a\x1b[m", 4, -EILSEQ },
		{ "a\x7f", 2, -EILSEQ },
		{ "\xc3\xa4", 2, -EILSEQ },
		{ "a\xff", 2, -EILSEQ },
		{ "a*", 2, -EILSEQ },
		{ "a\\", 2, -EILSEQ },
		{ "a%", 2, -EILSEQ },
	};
	/* Each name of each call, by its offset in the structure */
	static const struct {
		unsigned long cmd;
		size_t at;
		bool optional;	/* may be empty */
	} fields[] = {
		{ MQBUS_IOC_TOPIC_CREATE, offsetof(struct mqbus_topic_create, name) },
		{ MQBUS_IOC_TOPIC_DELETE, offsetof(struct mqbus_topic_delete, name) },
		{ MQBUS_IOC_GROUP_CREATE, offsetof(struct mqbus_group_create, topic) },
		{ MQBUS_IOC_GROUP_CREATE, offsetof(struct mqbus_group_create, group) },
		{ MQBUS_IOC_GROUP_DELETE, offsetof(struct mqbus_group_delete, topic) },
		{ MQBUS_IOC_GROUP_DELETE, offsetof(struct mqbus_group_delete, group) },
		{ MQBUS_IOC_GROUP_SEEK, offsetof(struct mqbus_group_seek, topic) },
		{ MQBUS_IOC_GROUP_SEEK, offsetof(struct mqbus_group_seek, group) },
		{ MQBUS_IOC_PRODUCE, offsetof(struct mqbus_produce, topic) },
		{ MQBUS_IOC_JOIN, offsetof(struct mqbus_join, topic) },
		{ MQBUS_IOC_JOIN, offsetof(struct mqbus_join, group) },
		{ MQBUS_IOC_WAIT, offsetof(struct mqbus_wait, topic) },
		{ MQBUS_IOC_WAIT, offsetof(struct mqbus_wait, group) },
		{ MQBUS_IOC_PRODUCE, offsetof(struct mqbus_produce, name), true },
		{ MQBUS_IOC_JOIN, offsetof(struct mqbus_join, member), true },
	};
	unsigned int i, f;

	for (f = 0; f < sizeof(fields) / sizeof(*fields); f++) {
		unsigned int nr = _IOC_NR(fields[f].cmd);
		char *name;

		valid(self, nr);
		name = self->args->bytes + fields[f].at;
		for (i = fields[f].optional; i < sizeof(bad) / sizeof(*bad); i++) {
			memset(name, 0, MQBUS_NAME_SIZE);
			memcpy(name, bad[i].bytes, bad[i].len);
			EXPECT_EQ(bad[i].err, call(self, nr, fields[f].cmd, self->args))
				TH_LOG("%s, name %u", ops[nr].name, i);
		}
		memset(name, 'a', MQBUS_NAME_SIZE);
		EXPECT_EQ(-ENAMETOOLONG, call(self, nr, fields[f].cmd, self->args));
		/* The longest name is valid, so it can only be missing */
		name[MQBUS_NAME_SIZE - 1] = 0;
		if (fields[f].optional) {
			EXPECT_EQ(0, call(self, nr, fields[f].cmd, self->args));
			continue;
		}
		if (fields[f].cmd != MQBUS_IOC_TOPIC_CREATE &&
		    fields[f].at != offsetof(struct mqbus_group_create, group))
			EXPECT_EQ(-ENOENT, call(self, nr, fields[f].cmd, self->args))
				TH_LOG("%s", ops[nr].name);
	}
}

TEST_F(abi, good_names)
{
	static const char * const good[] = { "a", "0", "_", ":", "@", "a.b-c_d:e@f", "A9",
					     "a..", "a-" };
	char longest[MQBUS_NAME_SIZE] = {};
	int fd = self->ep[UNBOUND];
	unsigned int i;

	memset(longest, 'z', MQBUS_NAME_SIZE - 1);
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		EXPECT_EQ(0, mq_create(fd, good[i], .size = 4096)) TH_LOG("%s", good[i]);
		EXPECT_EQ(0, mq_group(fd, self->topic, good[i]));
		EXPECT_EQ(0, mq_delete(fd, good[i]));
	}
	EXPECT_EQ(0, mq_create(fd, longest, .size = 4096));
	EXPECT_EQ(-EEXIST, mq_create(fd, longest, .size = 4096));
	/* A name is not its beginning */
	longest[MQBUS_NAME_SIZE - 2] = 0;
	EXPECT_EQ(-ENOENT, mq_delete(fd, longest));
	longest[MQBUS_NAME_SIZE - 2] = 'z';
	EXPECT_EQ(0, mq_delete(fd, longest));
}

TEST_HARNESS_MAIN
