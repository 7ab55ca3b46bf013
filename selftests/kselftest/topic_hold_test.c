// SPDX-License-Identifier: GPL-2.0
/*
 * What holds back the records of a topic, as its listing tells: the group, how much, and only to
 * those that may see the group.
 */
#include "queue.h"

/* Bytes of a record of 8 bytes in a ring */
#define RECORD	72
/* Of one of 1900 bytes */
#define LARGE	1968

/* The attribute MQBUS_A_TOPIC_HOLDER */
struct holder {
	bool found;
	char group[MQBUS_NAME_SIZE];
	__u64 number[MQBUS_A_HOLDER_MAX + 1];
};

#define HOLDER(name)	(h.number[MQBUS_A_HOLDER_##name])

static int holder_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
}

static void holder_read(const struct nlattr *nest, struct holder *h)
{
	const struct nlattr *a;
	int left;

	h->found = true;
	for_each_attr(a, nest + 1, nest->nla_len - NLA_HDRLEN, left) {
		int type = a->nla_type & NLA_TYPE_MASK;

		if (type == MQBUS_A_HOLDER_GROUP)
			snprintf(h->group, sizeof(h->group), "%.*s", a->nla_len - NLA_HDRLEN,
				 (const char *)(a + 1));
		else if (type <= MQBUS_A_HOLDER_MAX)
			h->number[type] = attr_number(a);
	}
}

/* What holds a topic back, as the opener of @sock is told. Return: 0 or a negative errno */
static int holder_ask(int sock, const char *topic, struct holder *h)
{
	const struct nlattr *a;
	char reply[8192];
	struct request r;
	int n, left, i;

	memset(h, 0, sizeof(*h));
	for (i = 0; i <= MQBUS_A_HOLDER_MAX; i++)
		h->number[i] = NO_FIGURE;
	n = family_id(sock);
	if (n < 0)
		return n;
	request_begin(&r, n, MQBUS_CMD_TOPIC_GET, MQBUS_FAMILY_VERSION);
	request_add(&r, MQBUS_A_TOPIC_NAME, topic, strlen(topic) + 1);
	n = request_send(sock, &r, reply, sizeof(reply));
	if (n < 0)
		return n;
	for_each_attr(a, reply + NLMSG_HDRLEN + GENL_HDRLEN, n - NLMSG_HDRLEN - GENL_HDRLEN, left)
		if ((a->nla_type & NLA_TYPE_MASK) == MQBUS_A_TOPIC_HOLDER)
			holder_read(a, h);
	return 0;
}

static int holder(const char *topic, struct holder *h)
{
	int sock = holder_socket(), err = holder_ask(sock, topic, h);

	close(sock);
	return err;
}

/* Settle all that a new member of a stream group gets */
static void settle_all(const char *topic, const char *group)
{
	struct mqbus_range ranges[8];
	int member = mq_member(topic, group, 0);

	mq_fetch(member, ranges, 8, 0, 0);
	mq_commit_fetched(member);
	close(member);
}

TEST_F(queue, the_slowest_group)
{
	struct mqbus_range range;
	struct holder h;
	__u64 v = 0;
	int member;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "forgotten"));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "quick"));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_FALSE(h.found);
	self->fd = mq_producer(self->topic, 0);
	member = mq_member(self->topic, "quick", 0);
	put_numbers(self->fd, 0, 56);
	/* Both are equally behind: the one without members is named */
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_STREQ("forgotten", h.group);
	ASSERT_EQ(1, mq_fetch(member, &range, 1, 0, 0));
	ASSERT_EQ(0, mq_commit_fetched(member));
	mq_sleep(MQ_MS);
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_TRUE(h.found);
	EXPECT_STREQ("forgotten", h.group);
	EXPECT_EQ(0, HOLDER(PARTITION));
	EXPECT_EQ(56, HOLDER(RECORDS));
	EXPECT_EQ(56, HOLDER(ALL_RECORDS));
	EXPECT_EQ(56 * RECORD, HOLDER(BYTES));
	EXPECT_EQ(56 * RECORD, HOLDER(ALL_BYTES));
	EXPECT_EQ(0, HOLDER(MEMBERS));
	EXPECT_EQ(0, HOLDER(WANTED));
	EXPECT_LE(MQ_MS, HOLDER(AGE));
	EXPECT_GT(mq_patience(), HOLDER(AGE));
	close(member);
	/* Some settled, some not */
	member = mq_member(self->topic, "forgotten", 0);
	ASSERT_EQ(8, read(member, &v, sizeof(v)));
	ASSERT_EQ(8, read(member, &v, sizeof(v)));
	ASSERT_EQ(8, read(member, &v, sizeof(v)));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_EQ(54, HOLDER(RECORDS));
	EXPECT_EQ(54 * RECORD, HOLDER(BYTES));
	EXPECT_EQ(1, HOLDER(MEMBERS));
	close(member);
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "forgotten", 0));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_FALSE(h.found);
}

TEST_F(queue, the_fullest_partition)
{
	static char large[1900];
	struct holder h;
	__u64 v = 0;
	pid_t pid;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 3,
			       .max_record = sizeof(large)));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	/* Much is kept in the first partition, but may be replaced */
	for (i = 0; i < 50; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 0, &v, sizeof(v)));
	settle_all(self->topic, "g");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 0, &v, sizeof(v)));
	for (i = 0; i < 55; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 1, &v, sizeof(v)));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, mq_put_in(self->fd, 2, large, sizeof(large)));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_STREQ("g", h.group);
	EXPECT_EQ(1, HOLDER(PARTITION));
	EXPECT_EQ(55, HOLDER(RECORDS));
	EXPECT_EQ(55 * RECORD, HOLDER(BYTES));
	EXPECT_EQ(59, HOLDER(ALL_RECORDS));
	EXPECT_EQ(57 * RECORD + 2 * LARGE, HOLDER(ALL_BYTES));
	EXPECT_EQ(0, HOLDER(WANTED));
	/* Where a producer waits there is less room for it, whatever is held back */
	mq_fork(pid) {
		struct mqbus_msg msg = mq_msg(large, sizeof(large));
		int error;

		msg.partition = 2;
		_exit(mq_publish(self->fd, &msg, 1, NULL, MQ_LONG, &error) != 1);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_EQ(2, HOLDER(PARTITION));
	EXPECT_EQ(2, HOLDER(RECORDS));
	EXPECT_EQ(2 * LARGE, HOLDER(BYTES));
	EXPECT_EQ(LARGE, HOLDER(WANTED));
	settle_all(self->topic, "g");
	EXPECT_EQ(0, mq_wait(pid));
}

/* A lease holds back all that was settled behind it */
TEST_F(queue, a_lease)
{
	struct mqbus_leased l[10];
	struct holder h;
	int i;

	begin(self);
	put_numbers(self->fd, 0, 10);
	ASSERT_EQ(10, take(self->worker[0].fd, l, 10, 0));
	for (i = 1; i < 10; i++)
		ASSERT_EQ(0, ack(&self->worker[0], &l[i]));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_STREQ("g", h.group);
	EXPECT_EQ(10, HOLDER(RECORDS));
	EXPECT_EQ(10 * RECORD, HOLDER(BYTES));
	EXPECT_EQ(1, HOLDER(MEMBERS));
	ASSERT_EQ(0, ack(&self->worker[0], &l[0]));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_FALSE(h.found);
}

TEST_F(queue, no_group)
{
	struct holder h;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(0, mq_group_make(self->ctl, self->topic, "watches",
				   .flags = MQBUS_GROUP_F_OBSERVER));
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_TRUE(h.found);
	EXPECT_STREQ("", h.group);
	EXPECT_EQ(0, HOLDER(PARTITION));
	EXPECT_EQ(5 * RECORD, HOLDER(BYTES));
	EXPECT_EQ(NO_FIGURE, HOLDER(RECORDS));
	EXPECT_EQ(NO_FIGURE, HOLDER(MEMBERS));
	ASSERT_EQ(0, mq_delete(self->ctl, self->topic));

	/* A topic that evicts waits for nobody */
	close(self->fd);
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 60);
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_FALSE(h.found);
}

/* The rights are those of the socket's opener, whoever asks with it */
TEST_F(queue, a_group_that_must_not_be_seen)
{
	struct holder h;
	int stranger;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .mode = 0644));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "seen", 0, 0, 0644));
	ASSERT_EQ(0, mq_group_create(self->ctl, self->topic, "secret", 0, 0, 0622));
	ASSERT_EQ(0, seteuid(61003));
	stranger = holder_socket();
	ASSERT_EQ(0, seteuid(0));
	self->fd = mq_producer(self->topic, 0);
	put_numbers(self->fd, 0, 5);
	/* It is as far behind as the other */
	ASSERT_EQ(0, holder_ask(stranger, self->topic, &h));
	EXPECT_STREQ("seen", h.group);
	settle_all(self->topic, "seen");
	put_numbers(self->fd, 5, 6);
	/* Nor is another blamed for it */
	ASSERT_EQ(0, holder_ask(stranger, self->topic, &h));
	EXPECT_FALSE(h.found);
	ASSERT_EQ(0, holder(self->topic, &h));
	EXPECT_STREQ("secret", h.group);
	EXPECT_EQ(6, HOLDER(RECORDS));
	settle_all(self->topic, "secret");
	ASSERT_EQ(0, holder_ask(stranger, self->topic, &h));
	EXPECT_STREQ("seen", h.group);
	EXPECT_EQ(1, HOLDER(RECORDS));
	close(stranger);
}

TEST_HARNESS_MAIN
