// SPDX-License-Identifier: GPL-2.0
/*
 * The module stays while it is in use. The program's own endpoint is open, so an unload would
 * be the failure.
 */
#include "mqbus_test.h"

static int unload(void)
{
	return syscall(SYS_delete_module, "mqbus", O_NONBLOCK) ? -errno : 0;
}

TEST(open_file_holds_the_module)
{
	long long refs = mq_read_number(MQ_REFCNT);
	int fd = mq_open(0), second;

	ASSERT_LE(0, fd);
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	second = dup(fd);
	close(fd);
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(second);
	EXPECT_EQ(refs, mq_read_number(MQ_REFCNT));
}

TEST(topic_holds_the_module)
{
	long long refs = mq_read_number(MQ_REFCNT);
	char name[MQBUS_NAME_SIZE];
	int fd = mq_open(0), i;

	mq_name(name, "load");
	ASSERT_EQ(0, mq_create(fd, name));
	/* Failed calls do not */
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(-EEXIST, mq_create(fd, name));
		EXPECT_EQ(-ERANGE, mq_create(fd, "x", .size = 1));
	}
	close(fd);
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	fd = mq_open(0);
	EXPECT_EQ(0, mq_delete(fd, name));
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	close(fd);
	EXPECT_EQ(refs, mq_read_number(MQ_REFCNT));
}

TEST(mapping_holds_the_module)
{
	long long refs = mq_read_number(MQ_REFCNT);
	char name[MQBUS_NAME_SIZE];
	struct mq_map map;
	int fd = mq_open(0), member;

	mq_name(name, "load");
	ASSERT_EQ(0, mq_create(fd, name));
	ASSERT_EQ(0, mq_group(fd, name, "g"));
	member = mq_member(name, "g", 0);
	ASSERT_EQ(0, mq_map(member, 0, &map));
	close(member);
	EXPECT_EQ(0, mq_delete(fd, name));
	close(fd);
	EXPECT_EQ(refs + 1, mq_read_number(MQ_REFCNT));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, map.page->tail);
	mq_unmap(&map);
	EXPECT_EQ(refs, mq_read_number(MQ_REFCNT));
}

/* Topics are deleted while others create and use them: the references add up in the end */
TEST(references_add_up)
{
	long long refs = mq_read_number(MQ_REFCNT);
	char name[MQBUS_NAME_SIZE];
	int fd = mq_open(0), i;
	pid_t pid[4];

	mq_name(name, "race");
	for (i = 0; i < 4; i++)
		mq_fork(pid[i]) {
			struct mqbus_range range;
			int own = mq_open(0), k, p, m;

			for (k = 0; k < 150 / mq_slow(); k++) {
				mq_create(own, name, .size = 4096);
				mq_group(own, name, "g");
				p = mq_producer(name, 0);
				m = mq_member(name, "g", 0);
				mq_put(p, "x", 1, 0);
				mq_fetch(m, &range, 1, MQBUS_FETCH_F_COMMIT, 0);
				mq_group_delete(own, name, "g", MQBUS_GROUP_DELETE_F_FORCE);
				mq_delete(own, name);
				close(p);
				close(m);
			}
		}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, mq_wait(pid[i]));
	mq_delete(fd, name);
	EXPECT_EQ(0, mq_used(fd));
	close(fd);
	EXPECT_EQ(refs, mq_read_number(MQ_REFCNT));
}

TEST_HARNESS_MAIN
