// SPDX-License-Identifier: GPL-2.0
/*
 * Creation of topics: names, sizes, arguments, and missing memory.
 */
#include "topic.h"

TEST_F(topic, names_are_taken_once)
{
	int i;

	EXPECT_EQ(-ENOENT, mq_delete(self->ctl, self->name));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, create(self));
		EXPECT_EQ(-EEXIST, create(self));
		EXPECT_EQ(-EEXIST, create(self, .size = 8192));
		EXPECT_EQ(0, mq_delete(self->ctl, self->name));
		EXPECT_EQ(-ENOENT, mq_delete(self->ctl, self->name));
	}
	EXPECT_EQ(-ENOENT, mq_producer(self->name, 0));
	EXPECT_EQ(-ENOENT, mq_member(self->name, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group(self->ctl, self->name, "g"));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->name, "g", 0));
	EXPECT_EQ(0, create(self));
	EXPECT_EQ(-ENOENT, mq_member(self->name, "g", 0));
	EXPECT_EQ(-ENOENT, mq_group_delete(self->ctl, self->name, "g", 0));
}

TEST_F(topic, limits_of_creation)
{
	static const struct {
		__u32 partitions;
		__u64 size;
		__u32 max_record;
		int want;
	} t[] = {
		{ 1, 0, 0, -EINVAL },
		{ 1, 4095, 0, -EINVAL },
		{ 1, 4097, 0, -EINVAL },
		{ 1, 12288, 0, -EINVAL },
		{ 1, (1ULL << 30) - 4096, 0, -EINVAL },
		{ 1, 1, 0, -ERANGE },
		{ 1, 2048, 0, -ERANGE },
		{ 1, 4096, 0, 0 },
		{ 1, 1ULL << 31, 0, -ERANGE },
		{ 1, 1ULL << 62, 0, -ERANGE },
		{ 1, 1ULL << 63, 0, -ERANGE },
		{ 2, 1ULL << 63, 0, -EOVERFLOW },
		{ 1024, 1ULL << 54, 0, -EOVERFLOW },
		{ 1024, 1ULL << 53, 0, -ERANGE },
		{ 0, 1ULL << 63, 0, -EOVERFLOW },
		{ 1024, 4096, 0, 0 },
		{ 1025, 4096, 0, -ERANGE },
		{ ~0U, 4096, 0, -ERANGE },
		{ 1, 4096, 2048 - 64, 0 },
		{ 1, 4096, 2048 - 63, -ERANGE },
		{ 1, 1 << 20, MQBUS_RECORD_MAX, 0 },
		{ 1, 1 << 20, MQBUS_RECORD_MAX + 1, -ERANGE },
		{ 1, 1 << 20, ~0U, -ERANGE },
		{ 1, 4096, 1, 0 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		EXPECT_EQ(t[i].want, create(self, .partitions = t[i].partitions,
					    .size = t[i].size, .max_record = t[i].max_record))
			TH_LOG("%u partitions of %llu, max_record %u", t[i].partitions, t[i].size,
			       t[i].max_record);
		EXPECT_EQ(t[i].want ? -ENOENT : 0, mq_delete(self->ctl, self->name));
	}
}

TEST_F(topic, default_record_size)
{
	static const struct {
		__u64 size;
		__u32 max_record;
	} t[] = {
		{ 4096, 1024 }, { 65536, 16384 }, { 262144, 65536 }, { 1 << 20, 65536 },
	};
	struct mqbus_geometry geo;
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ASSERT_EQ(0, create(self, .size = t[i].size));
		fd = mq_producer(self->name, 0);
		ASSERT_EQ(0, mq_geometry(fd, 0, &geo));
		EXPECT_EQ(t[i].max_record, geo.max_record);
		close(fd);
		ASSERT_EQ(0, mq_delete(self->ctl, self->name));
	}
}

/* A topic that could not be created leaves nothing behind */
TEST_F(topic, no_memory)
{
	char path[64], text[32];
	struct mqbus_info info;
	pid_t pid;
	int fd;

	mkdir("/sys/fs/cgroup/mqbus-test", 0755);
	fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);
	if (fd >= 0) {
		write(fd, "+memory", 7);
		close(fd);
	}
	if (mq_write_number("/sys/fs/cgroup/mqbus-test/memory.max", 16 << 20))
		SKIP(return, "no memory cgroup");
	mq_write_number("/sys/fs/cgroup/mqbus-test/memory.swap.max", 0);
	mq_fork(pid) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/mqbus-test/cgroup.procs");
		snprintf(text, sizeof(text), "%d", getpid());
		fd = open(path, O_WRONLY);
		if (write(fd, text, strlen(text)) < 0)
			_exit(1);
		/* Refused, not killed */
		if (create_sized(self->ctl, self->name, 64 << 20) != -ENOMEM)
			_exit(2);
		if (mq_info(self->ctl, &info) || info.used_bytes)
			_exit(3);
		if (create_sized(self->ctl, self->name, 1 << 20))
			_exit(4);
	}
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(0, mq_delete(self->ctl, self->name));
	EXPECT_EQ(0, rmdir("/sys/fs/cgroup/mqbus-test"));
}

TEST_F(topic, arguments_of_creation)
{
	struct mqbus_topic_create args = { .partitions = 1, .size = 4096 };

	memset(args.name, 'a', sizeof(args.name));
	EXPECT_EQ(-ENAMETOOLONG, mq_ioctl(self->ctl, MQBUS_IOC_TOPIC_CREATE, &args));
	EXPECT_EQ(-EINVAL, create(self, .fields = MQBUS_TOPIC_SET_MODE));
	EXPECT_EQ(-EINVAL, create(self, .over = MQBUS_OVER_REJECT + 1));
	EXPECT_EQ(-ERANGE, create(self, .share = 101));
	EXPECT_EQ(-EOPNOTSUPP, create(self, .share = 50, .full = MQBUS_FULL_EVICT));
	EXPECT_EQ(-ERANGE, create(self, .rate = MQBUS_RATE_MAX + 1));
	EXPECT_EQ(-ERANGE, create(self, .rate_bytes = MQBUS_RATE_MAX + 1));
	EXPECT_EQ(-ERANGE, create(self, .user_rate = MQBUS_RATE_MAX + 1));
	EXPECT_EQ(-ERANGE, create(self, .user_rate_bytes = ~0ULL));
	EXPECT_EQ(-ERANGE, create(self, .burst = MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(-EOPNOTSUPP, create(self, .flags = 2));
	EXPECT_EQ(0, create(self, .over = MQBUS_OVER_REJECT, .share = 100,
			    .rate = MQBUS_RATE_MAX, .rate_bytes = MQBUS_RATE_MAX,
			    .user_rate = MQBUS_RATE_MAX, .user_rate_bytes = MQBUS_RATE_MAX,
			    .burst = MQBUS_DELAY_MAX, .retention_size = ~0ULL));
}

TEST_HARNESS_MAIN
