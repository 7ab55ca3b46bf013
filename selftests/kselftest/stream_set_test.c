// SPDX-License-Identifier: GPL-2.0
/*
 * Options of stream groups: valid ones, refused ones, and when a change takes effect.
 */
#include "assign.h"

TEST_F(assign, options)
{
	static const __u32 queue_fields = MQBUS_GROUP_SET_CREDIT | MQBUS_GROUP_SET_PAUSED;
	struct mqbus_group_create create = { .type = MQBUS_GROUP_QUEUE, .mode = 0600 };
	struct mqbus_group_set set = {};
	struct mqbus_join join = {};
	size_t byte;
	int a, b;

	EXPECT_EQ(-ERANGE, mq_stream(self->ctl, self->topic, "g",
				     .rebalance_timeout = MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(-ERANGE, mq_stream(self->ctl, self->topic, "g", .grace = MQBUS_DELAY_MAX + 1));
	EXPECT_EQ(-ERANGE, mq_stream(self->ctl, self->topic, "g", .grace = MQBUS_WAIT_FOREVER));
	EXPECT_EQ(-EINVAL, mq_stream(self->ctl, self->topic, "g", .__reserved = 1));
	begin_stream(self, .rebalance_timeout = MQBUS_WAIT_FOREVER, .grace = MQBUS_DELAY_MAX);
	mq_set_name(create.topic, self->topic);
	mq_set_name(create.group, "q");
	for (byte = offsetof(struct mqbus_group_create, stream);
	     byte < offsetof(struct mqbus_group_create, expire); byte += 3) {
		((char *)&create)[byte] = 1;
		EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &create));
		((char *)&create)[byte] = 0;
	}
	ASSERT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_CREATE, &create));

	mq_set_name(set.topic, self->topic);
	mq_set_name(set.group, "g");
	set.fields = MQBUS_GROUP_SET_GRACE | MQBUS_GROUP_SET_REBALANCE_TIMEOUT;
	set.stream.grace = MQBUS_DELAY_MAX + 1;
	EXPECT_EQ(-ERANGE, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	set.stream.grace = 0;
	set.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	set.__reserved = 0;
	set.stream.__reserved = 1;
	EXPECT_EQ(-EINVAL, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	set.stream.__reserved = 0;
	/* An option of the other type: nothing changes, not even the pause */
	set.fields = queue_fields;
	set.paused = 1;
	EXPECT_EQ(-EBADFD, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	mq_set_name(set.group, "q");
	set.fields = MQBUS_GROUP_SET_GRACE | MQBUS_GROUP_SET_PAUSED;
	EXPECT_EQ(-EBADFD, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	put_all(self->fd);
	a = mq_member_as(self->topic, "g", "a", 0);
	b = member(self);
	EXPECT_EQ(0x3, fetch_bits(a, 0, NULL));
	/* The grace time at its departure counts */
	mq_set_name(set.group, "g");
	set.fields = MQBUS_GROUP_SET_GRACE;
	EXPECT_EQ(0, mq_ioctl(self->ctl, MQBUS_IOC_GROUP_SET, &set));
	close(a);
	EXPECT_EQ(0xf, fetch_bits(b, 0, NULL));
	close(b);

	EXPECT_EQ(-EINVAL, mq_member_as(self->topic, "q", "a", 0));
	EXPECT_EQ(-EILSEQ, mq_member_as(self->topic, "g", "a b", 0));
	memset(join.member, 'a', sizeof(join.member));
	mq_set_name(join.topic, self->topic);
	mq_set_name(join.group, "g");
	EXPECT_EQ(-ENAMETOOLONG, mq_ioctl(self->ctl, MQBUS_IOC_JOIN, &join));
}

TEST_HARNESS_MAIN
