// SPDX-License-Identifier: GPL-2.0
/*
 * Lists that change while they are read: a dump over generic netlink ends, reports that it was
 * interrupted, and lists each lasting object once.
 */
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <linux/mqbus_netlink.h>

#include "dump.h"

FIXTURE(dump) {
	int ctl;
	int family;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(dump)
{
	struct nl_sock *sock = nl_socket_alloc();

	mq_name(self->topic, "dump");
	self->ctl = mq_open(0);
	ASSERT_LE(0, self->ctl);
	ASSERT_EQ(0, genl_connect(sock));
	self->family = genl_ctrl_resolve(sock, MQBUS_FAMILY_NAME);
	nl_socket_free(sock);
	ASSERT_LT(0, self->family);
}

FIXTURE_TEARDOWN(dump)
{
	mq_delete(self->ctl, self->topic);
	close(self->ctl);
}

/* A reader learns that topics came or went during the dump */
TEST_F(dump, topics_change)
{
	enum { NOTHING, CREATE, DELETE, CHANGES };
	char name[MQBUS_NAME_SIZE];
	unsigned int i, change, pieces;
	struct slow_dump d;
	int n;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "slow-%u", i);
		ASSERT_EQ(0, mq_create(self->ctl, name, .size = 4096));
	}
	for (change = NOTHING; change < CHANGES; change++) {
		ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_TOPIC_GET));
		ASSERT_LT(0, slow_dump_next(&d));
		EXPECT_EQ(0, d.interrupted);
		/* The next piece was filled before this */
		if (change == CREATE)
			ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
		if (change == DELETE)
			ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
		ASSERT_LT(0, slow_dump_next(&d));
		EXPECT_EQ(0, d.interrupted);
		ASSERT_FALSE(d.done);
		for (pieces = 2; !d.done && pieces < 200; pieces++) {
			n = slow_dump_next(&d);
			ASSERT_LE(0, n);
			/* Once is enough: in the first message after the change */
			if (pieces == 2)
				EXPECT_EQ(change != NOTHING, d.interrupted);
		}
		EXPECT_TRUE(d.done);
		EXPECT_EQ(change != NOTHING, d.interrupted);
		EXPECT_EQ(-EAGAIN, slow_dump_next(&d));
		EXPECT_LE(change == NOTHING ? 200 : 199, d.messages);
		EXPECT_GE(change == NOTHING ? 200 : 201, d.messages);
		close(d.fd);
	}
	/* With a change after each piece the dump still ends */
	ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_PARTITION_GET));
	for (pieces = 0; !d.done && pieces < 200; pieces++) {
		ASSERT_LE(0, slow_dump_next(&d));
		ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
		ASSERT_EQ(0, mq_delete(self->ctl, self->topic));
	}
	EXPECT_TRUE(d.done);
	EXPECT_LT(1, d.interrupted);
	close(d.fd);
	/* A reader may stop before its end */
	ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_GROUP_GET));
	close(d.fd);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "slow-%u", i);
		ASSERT_EQ(0, mq_delete(self->ctl, name));
	}
}

/* Lasting groups are listed, or the list says that some may be missing */
TEST_F(dump, groups_change)
{
	char name[MQBUS_NAME_SIZE];
	struct slow_dump d;
	unsigned int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	for (i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "g-%u", i);
		ASSERT_EQ(0, mq_group(self->ctl, self->topic, name));
	}
	ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_GROUP_GET));
	ASSERT_LT(0, slow_dump_next(&d));
	/* Both were listed; the next piece may be filled already */
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g-0", 0));
	ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, "g-1", 0));
	while (!d.done)
		ASSERT_LE(0, slow_dump_next(&d));
	EXPECT_TRUE(d.interrupted || d.messages == 2 * 64)
		TH_LOG("%u messages of 64 groups, and not a word of the others", d.messages);
	close(d.fd);
}

#define STAY	200
#define GO	200

/* Lasting topics are listed once, however many come or go beside them */
TEST_F(dump, topics_stay)
{
	char name[MQBUS_NAME_SIZE];
	struct slow_dump d;
	unsigned int i, pieces;

	for (i = 0; i < STAY; i++) {
		snprintf(name, sizeof(name), "stay-%u", i);
		ASSERT_EQ(0, mq_create(self->ctl, name, .size = 4096));
	}
	ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_TOPIC_GET));
	d.stay = "stay-";
	for (pieces = 0; !d.done && pieces < 500; pieces++) {
		ASSERT_LE(0, slow_dump_next(&d));
		for (i = 0; i < GO; i++) {
			snprintf(name, sizeof(name), "go-%u", i);
			ASSERT_EQ(0, pieces % 2 ? mq_delete(self->ctl, name) :
						  mq_create(self->ctl, name, .size = 4096));
		}
	}
	EXPECT_TRUE(d.done);
	EXPECT_LT(1, d.interrupted);
	for (i = 0; i < STAY; i++)
		EXPECT_EQ(1, d.times[i])
			TH_LOG("stay-%u", i);
	close(d.fd);
	for (i = 0; i < GO && pieces % 2; i++) {
		snprintf(name, sizeof(name), "go-%u", i);
		ASSERT_EQ(0, mq_delete(self->ctl, name));
	}
	for (i = 0; i < STAY; i++) {
		snprintf(name, sizeof(name), "stay-%u", i);
		ASSERT_EQ(0, mq_delete(self->ctl, name));
	}
}

/* So are groups, with all their partitions, and none that came since the dump began */
TEST_F(dump, groups_stay)
{
	unsigned int i, run, pieces;
	char name[MQBUS_NAME_SIZE];
	struct slow_dump d;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096, .partitions = 4));
	for (run = 1; run < 5; run++) {
		for (i = 0; i < 64; i++) {
			snprintf(name, sizeof(name), "%s-%u", i % 4 == 3 ? "stay" : "go", i);
			ASSERT_EQ(0, mq_group(self->ctl, self->topic, name));
		}
		ASSERT_EQ(0, slow_dump_begin(&d, self->family, MQBUS_CMD_GROUP_GET));
		d.stay = "stay-";
		for (pieces = 0; pieces < run; pieces++)
			ASSERT_LT(0, slow_dump_next(&d));
		/* Listed topics go, with one that was listed in part, and others come behind */
		for (i = 0; i < 64; i++) {
			snprintf(name, sizeof(name), "go-%u", i);
			if (i % 4 == 3)
				continue;
			ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, name, 0));
			ASSERT_EQ(0, mq_group(self->ctl, self->topic, name));
		}
		while (!d.done)
			ASSERT_LE(0, slow_dump_next(&d));
		EXPECT_LT(0, d.interrupted);
		for (i = 3; i < 64; i += 4)
			EXPECT_EQ(5, d.times[i])
				TH_LOG("stay-%u, deleted after %u pieces", i, run);
		/* 16 that stay, and those of the others that were listed before they went */
		EXPECT_GE(5 * 48, d.messages);
		close(d.fd);
		for (i = 0; i < 64; i++) {
			snprintf(name, sizeof(name), "%s-%u", i % 4 == 3 ? "stay" : "go", i);
			ASSERT_EQ(0, mq_group_delete(self->ctl, self->topic, name, 0));
		}
	}
}

TEST_HARNESS_MAIN
