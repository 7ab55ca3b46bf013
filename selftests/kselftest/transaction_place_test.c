// SPDX-License-Identifier: GPL-2.0
/*
 * Places of a transaction's records in topics of all kinds, and its limits.
 */
#include "transaction.h"

/* Keys choose partitions as in PUBLISH; without a key an act has one partition, the next */
TEST_F(exchange, partitions)
{
	struct mqbus_place by_publish[16], by_transact[16];
	struct mqbus_msg msgs[16];
	struct mqbus_act act;
	char topic[MQBUS_NAME_SIZE], keys[16][16];
	__u32 used = 0;
	int fd, i, k;

	mq_name(topic, "keyed");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 5));
	fd = mq_producer(topic, 0);
	for (i = 0; i < 16; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key%d", i * i);
		msgs[i] = mq_msg(&i, sizeof(i));
		msgs[i].key = (uintptr_t)keys[i];
		msgs[i].key_len = strlen(keys[i]);
	}
	act = act_publish(fd, msgs, 16);
	act.places = (uintptr_t)by_transact;
	act.place_size = sizeof(*by_transact);
	EXPECT_EQ(16, mq_publish(fd, msgs, 16, by_publish, 0, NULL));
	EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(by_publish[i].partition, by_transact[i].partition);
		EXPECT_LT(by_publish[i].offset, by_transact[i].offset);
		used |= 1U << by_publish[i].partition;
		msgs[i].key_len = 0;
	}
	EXPECT_EQ(31, used);
	for (used = 0, k = 0; k < 5; k++) {
		EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, NULL));
		for (i = 1; i < 16; i++)
			EXPECT_EQ(by_transact[0].partition, by_transact[i].partition);
		used |= 1U << by_transact[0].partition;
	}
	EXPECT_EQ(31, used);
	close(fd);
	mq_delete(self->ctl, topic);
}

/* A ring for each CPU: a transaction's records are in one of them, even if the task moves */
TEST_F(exchange, per_cpu)
{
	struct mqbus_place places[EACH];
	struct mqbus_msg msgs[EACH];
	struct state before, after;
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_transact args;
	struct mqbus_info info;
	__u64 sum = 0;
	int fd, i, at;
	__u32 p;

	ASSERT_EQ(0, mq_info(self->ctl, &info));
	mq_name(topic, "percpu");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = 0));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	fd = mq_producer(topic, 0);
	for (i = 0; i < EACH; i++)
		msgs[i] = mq_msg("cpu", 3);
	before = state(self);
	for_each_place(at) {
		msgs[at % EACH].partition = 0;
		publish_as(self, at, fd, msgs, EACH);
		EXPECT_EQ(-ECHRNG, go(self, 0, &args));
		EXPECT_EQ(at, args.failed_act);
		EXPECT_EQ(at % EACH, args.failed_element);
		msgs[at % EACH].partition = MQBUS_ANY;
	}
	after = state(self);
	EXPECT_TRUE(same_state(&before, &after));
	publish_as(self, 1, fd, msgs, EACH);
	self->x.acts[1].places = (uintptr_t)places;
	self->x.acts[1].place_size = sizeof(*places);
	EXPECT_EQ(0, go(self, 0, &args));
	for (i = 0; i < EACH; i++) {
		EXPECT_GT(info.cpus, places[i].partition);
		EXPECT_GT(EACH, places[i].offset);
	}
	for (p = 0; p < info.cpus; p++)
		sum += mq_end(self->ctl, topic, "s", p);
	EXPECT_EQ(EACH, sum);
	close(fd);
	mq_delete(self->ctl, topic);
}

/* A topic that evicts never waits: the oldest are evicted, and only if all checks succeed */
TEST_F(exchange, evict)
{
	struct mqbus_msg msgs[EACH];
	struct mqbus_seek_result res;
	struct mqbus_transact args;
	char topic[MQBUS_NAME_SIZE];
	char block[600] = {};
	int fd, i;

	mq_name(topic, "evict");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	fd = mq_producer(topic, 0);
	for (i = 0; i < 6; i++)
		ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	for (i = 0; i < EACH; i++)
		msgs[i] = mq_msg(block, sizeof(block));
	publish_as(self, 0, fd, msgs, EACH);
	self->x.settles[2].lease = 1ULL << 40;
	EXPECT_EQ(-ENOENT, go(self, 0, &args));
	ASSERT_EQ(1, mq_seek(self->ctl, topic, "s", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_EARLIEST, 0, &res, 1));
	EXPECT_EQ(0, res.new_offset);
	EXPECT_EQ(6, res.end_offset);
	self->x.settles[2].lease = self->leased[2].lease;
	EXPECT_EQ(0, go(self, 0, &args));
	ASSERT_EQ(1, mq_seek(self->ctl, topic, "s", MQBUS_GROUP_SEEK_F_DRY_RUN, 0,
			     MQBUS_WHENCE_EARLIEST, 0, &res, 1));
	EXPECT_LE(3, res.new_offset);
	EXPECT_EQ(9, res.end_offset);
	close(fd);
	mq_delete(self->ctl, topic);
}

/* Limits of one transaction */
TEST_F(exchange, sizes)
{
	static struct mqbus_msg msgs[MQBUS_TRANSACT_MAX + 1];
	static char block[60 << 10];
	struct mqbus_transact args;
	char topic[2][MQBUS_NAME_SIZE];
	struct mqbus_act acts[2];
	__u64 end[2];
	int fd[2], i, n, other;

	for (i = 0; i < 2; i++) {
		mq_name(topic[i], "large");
		ASSERT_EQ(0, mq_create(self->ctl, topic[i], .size = 1 << 20));
		ASSERT_EQ(0, mq_group(self->ctl, topic[i], "s"));
		fd[i] = mq_producer(topic[i], 0);
	}
	for (i = 0; i <= MQBUS_TRANSACT_MAX; i++)
		msgs[i] = mq_msg(block, 8);
	/* Elements, of one act and of two */
	acts[0] = act_publish(fd[0], msgs, MQBUS_TRANSACT_MAX + 1);
	EXPECT_EQ(-ERANGE, mq_transact(self->ctl, acts, 1, 0, &args));
	EXPECT_EQ(0, args.failed_act);
	acts[0].count = MQBUS_TRANSACT_MAX / 2;
	acts[1] = act_publish(fd[1], msgs, MQBUS_TRANSACT_MAX / 2 + 1);
	EXPECT_EQ(-ERANGE, mq_transact(self->ctl, acts, 2, 0, &args));
	EXPECT_EQ(1, args.failed_act);
	acts[1].count--;
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 2, 0, &args));
	acts[0].count = MQBUS_TRANSACT_MAX;
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, &args));
	/* Bytes in rings; each is 61504 with its header, six are too many */
	for (n = 0; n < 6; n++)
		msgs[n] = mq_msg(block, sizeof(block));
	end[0] = mq_end(self->ctl, topic[0], "s", 0);
	end[1] = mq_end(self->ctl, topic[1], "s", 0);
	acts[0].count = 3;
	acts[1].count = 3;
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 2, 0, &args));
	EXPECT_EQ(1, args.failed_act);
	EXPECT_EQ(2, args.failed_element);
	EXPECT_EQ(end[0], mq_end(self->ctl, topic[0], "s", 0));
	acts[1].count = 2;
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 2, 0, &args));
	EXPECT_EQ(end[0] + 3, mq_end(self->ctl, topic[0], "s", 0));
	EXPECT_EQ(end[1] + 2, mq_end(self->ctl, topic[1], "s", 0));
	/* Half a ring of 8192 bytes, whether it is empty or not: waiting would not help */
	for (n = 0; n < EACH; n++)
		msgs[n] = mq_msg(block, 1500);
	acts[0] = act_publish(self->out[0], msgs, EACH);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 1, MQBUS_WAIT_FOREVER, &args));
	EXPECT_EQ(0, args.failed_act);
	EXPECT_EQ(2, args.failed_element);
	EXPECT_EQ(0, mq_end(self->ctl, self->to[0], "s", 0));
	/* By two producers together */
	other = mq_producer(self->to[0], 0);
	acts[0].count = 2;
	acts[1] = act_publish(other, msgs, 1);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, acts, 2, MQBUS_WAIT_FOREVER, &args));
	EXPECT_EQ(1, args.failed_act);
	close(other);
	EXPECT_EQ(0, mq_transact(self->ctl, acts, 1, 0, &args));
	EXPECT_EQ(2, mq_end(self->ctl, self->to[0], "s", 0));
	for (i = 0; i < 2; i++) {
		close(fd[i]);
		mq_delete(self->ctl, topic[i]);
	}
}

/* Records for so many partitions */
TEST_F(exchange, many_partitions)
{
	struct mqbus_msg msgs[MQBUS_TRANSACT_PARTITIONS + 1];
	char topic[MQBUS_NAME_SIZE];
	struct mqbus_transact args;
	struct mqbus_act act;
	int fd, i;

	mq_name(topic, "wide");
	ASSERT_EQ(0, mq_create(self->ctl, topic, .size = 4096,
			       .partitions = MQBUS_TRANSACT_PARTITIONS + 1));
	ASSERT_EQ(0, mq_group(self->ctl, topic, "s"));
	fd = mq_producer(topic, 0);
	for (i = 0; i <= MQBUS_TRANSACT_PARTITIONS; i++) {
		msgs[i] = mq_msg("x", 1);
		msgs[i].partition = i;
	}
	act = act_publish(fd, msgs, MQBUS_TRANSACT_PARTITIONS + 1);
	EXPECT_EQ(-EMSGSIZE, mq_transact(self->ctl, &act, 1, 0, &args));
	EXPECT_EQ(0, args.failed_act);
	EXPECT_EQ(MQBUS_TRANSACT_PARTITIONS, args.failed_element);
	EXPECT_EQ(0, mq_end(self->ctl, topic, "s", 0));
	act.count--;
	EXPECT_EQ(0, mq_transact(self->ctl, &act, 1, 0, &args));
	for (i = 0; i <= MQBUS_TRANSACT_PARTITIONS; i++)
		EXPECT_EQ(i < MQBUS_TRANSACT_PARTITIONS, mq_end(self->ctl, topic, "s", i));
	close(fd);
	mq_delete(self->ctl, topic);
}

TEST_HARNESS_MAIN
