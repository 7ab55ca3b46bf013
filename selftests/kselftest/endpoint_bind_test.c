// SPDX-License-Identifier: GPL-2.0
/*
 * A failed bind leaves an endpoint unbound, and it can be bound to something else.
 */
#include <sys/resource.h>

#include "producer.h"
#include "publish.h"

/* As many members of a stream group as there can be; the last join failed */
static int join_until_full(const char *topic, int *fds)
{
	int i, fd, err;

	for (i = 0; i <= MQBUS_MEMBERS_MAX; i++) {
		fd = mq_open(0);
		if (fd < 0)
			return fd;
		err = mq_bind_member(fd, topic, "g");
		if (err)
			return i == MQBUS_MEMBERS_MAX && err == -EMFILE ? fd : err;
		fds[i] = fd;
	}
	return -ERANGE;
}

static bool unbound(int fd)
{
	struct mqbus_geometry geo;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return mq_geometry(fd, 0, &geo) == -EBADFD && mq_put(fd, "x", 1, 0) == -EBADFD &&
	       write(fd, "x", 1) == -1 && errno == EBADFD && poll(&p, 1, 0) == 1 &&
	       p.revents == POLLERR;
}

/* Published without a name: records, but no sequence numbers */
static int is_unnamed(int fd)
{
	struct mqbus_publish args;
	struct mqbus_msg m = mq_msg("x", 1);
	struct mqbus_place place;

	if (publish_from(fd, &m, 1, 1, &place, 0, &args) != -EINVAL)
		return 1;
	return mq_put(fd, "x", 1, 0) == 1 ? 0 : 2;
}

TEST_F(publish, full_group_and_failed_name)
{
	static int fds[MQBUS_MEMBERS_MAX];
	struct rlimit limit = { 2 * MQBUS_MEMBERS_MAX, 2 * MQBUS_MEMBERS_MAX };
	struct mqbus_produce args;
	struct mqbus_info info;
	int fd, i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "g"));
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	fd = join_until_full(self->topic, fds);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(unbound(fd));

	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), 1));
	EXPECT_EQ(-ENOSPC, bind_named(fd, self->topic, "n", &args));
	EXPECT_TRUE(unbound(fd));
	EXPECT_EQ(-EMFILE, mq_bind_member(fd, self->topic, "g"));
	ASSERT_EQ(0, mq_write_number(MQ_SYSCTL("max_bytes"), info.max_bytes));

	/* A leftover member or name shows as its epoch */
	args = (struct mqbus_produce) {};
	mq_set_name(args.topic, self->topic);
	EXPECT_EQ(0, mq_ioctl(fd, MQBUS_IOC_PRODUCE, &args));
	EXPECT_EQ(0, args.epoch);
	EXPECT_EQ(0, args.last_seq);
	EXPECT_EQ(0, is_unnamed(fd));
	close(fd);
	for (i = 0; i < MQBUS_MEMBERS_MAX; i++)
		close(fds[i]);
	/* The group is complete: its members leave, and others join */
	fd = mq_member(self->topic, "g", 0);
	EXPECT_LE(0, fd);
	close(fd);
}

/* Each way to fail, one after the other on one endpoint, which is bound at the end */
TEST_F(publish, after_all_that_fails)
{
	struct mqbus_produce args;
	int fd = mq_open(0), other;

	begin(self, .partitions = 1);
	EXPECT_EQ(-ENOENT, mq_bind_producer(fd, "nothing"));
	EXPECT_EQ(-ENOENT, mq_bind_member(fd, self->topic, "nothing"));
	EXPECT_EQ(-EILSEQ, bind_named(fd, self->topic, "no/name", &args));
	EXPECT_TRUE(unbound(fd));
	EXPECT_EQ(0, bind_named(fd, self->topic, "name", &args));
	EXPECT_EQ(1, args.epoch);
	EXPECT_EQ(-EBADFD, mq_bind_member(fd, self->topic, "g"));
	EXPECT_EQ(-EBADFD, bind_named(fd, self->topic, "other", &args));
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	close(fd);

	other = mq_open(0);
	EXPECT_EQ(-ENOENT, mq_bind_member(other, "nothing", "g"));
	EXPECT_EQ(0, mq_bind_member(other, self->topic, "g"));
	EXPECT_EQ(-EBADFD, mq_bind_producer(other, self->topic));
	EXPECT_EQ(-EBADFD, mq_put(other, "x", 1, 0));
	close(other);
}

TEST_HARNESS_MAIN
