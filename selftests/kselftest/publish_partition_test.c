// SPDX-License-Identifier: GPL-2.0
/*
 * A record's partition: by number, by key, by turns, by CPU.
 */
#include "../core/murmur_known.h"
#include "publish.h"

TEST_F(publish, partition_by_number)
{
	struct mqbus_place place;
	struct mqbus_msg msg = mq_msg("x", 1);
	__u32 p;

	begin(self, .partitions = 3, .size = 4096);
	for (p = 0; p < 9; p++) {
		msg.partition = p % 3;
		EXPECT_EQ(1, mq_publish(self->fd, &msg, 1, &place, 0, NULL));
		EXPECT_EQ(p % 3, place.partition);
		EXPECT_EQ(p / 3, place.offset);
	}
	/* The number counts, not the key */
	msg.key = (uintptr_t)"foobar";
	msg.key_len = 6;
	for (p = 0; p < 3; p++) {
		msg.partition = p;
		EXPECT_EQ(1, mq_publish(self->fd, &msg, 1, &place, 0, NULL));
		EXPECT_EQ(p, place.partition);
	}
	msg.partition = 3;
	EXPECT_EQ(-ECHRNG, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	msg.partition = MQBUS_ANY - 1;
	EXPECT_EQ(-ECHRNG, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
}

TEST_F(publish, partition_by_key_as_kafka)
{
	struct mqbus_place place;
	char topic[MQBUS_NAME_SIZE];
	unsigned int i, n;

	for (n = 1; n <= 1000; n = n * 3 + 1) {
		int fd;

		mq_name(topic, "kafka");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = n, .size = 4096));
		fd = mq_producer(topic, 0);
		for (i = 0; i < sizeof(murmur_known) / sizeof(*murmur_known); i++) {
			struct mqbus_msg msg = mq_msg("", 0);

			msg.key = (uintptr_t)murmur_known[i].key;
			msg.key_len = strlen(murmur_known[i].key);
			ASSERT_EQ(1, mq_publish(fd, &msg, 1, &place, 0, NULL));
			EXPECT_EQ((murmur_known[i].hash & 0x7fffffff) % n, place.partition)
				TH_LOG("%s of %u", murmur_known[i].key, n);
		}
		close(fd);
		EXPECT_EQ(0, mq_delete(self->ctl, topic));
	}
}

TEST_F(publish, keyless_takes_turns_by_call)
{
	struct mqbus_msg msgs[5];
	struct mqbus_place places[5];
	__u32 last = 0;
	int i, call;

	begin(self, .partitions = 3, .size = 4096);
	for (i = 0; i < 5; i++)
		msgs[i] = mq_msg("x", 1);
	for (call = 0; call < 7; call++) {
		ASSERT_EQ(5, mq_publish(self->fd, msgs, 5, places, 0, NULL));
		for (i = 1; i < 5; i++)
			EXPECT_EQ(places[0].partition, places[i].partition);
		if (call)
			EXPECT_EQ((last + 1) % 3, places[0].partition);
		last = places[0].partition;
	}
	/* A write() is a call */
	ASSERT_EQ(1, write(self->fd, "y", 1));
	ASSERT_EQ(5, mq_publish(self->fd, msgs, 5, places, 0, NULL));
	EXPECT_EQ((last + 2) % 3, places[0].partition);
}

/* Many endpoints that publish one record each: by call, by write() */
TEST_F(publish, keyless_takes_turns_by_endpoint)
{
	__u32 counts[8] = {}, p;
	int i;

	begin(self, .partitions = 8, .size = 4096);
	for (i = 0; i < 48; i++) {
		struct mqbus_msg msg = mq_msg("x", 1);
		struct mqbus_place place = {};
		int fd = mq_producer(self->topic, 0);

		ASSERT_LE(0, fd);
		if (i % 2) {
			ASSERT_EQ(1, write(fd, "y", 1));
		} else {
			ASSERT_EQ(1, mq_publish(fd, &msg, 1, &place, 0, NULL));
			counts[place.partition]++;
		}
		close(fd);
	}
	/* Every second one was looked at; the first endpoint is that of the test */
	for (p = 0; p < 8; p++)
		EXPECT_EQ(p % 2 ? 0 : 6, counts[p]) TH_LOG("partition %u", p);
}

TEST_F(publish, per_cpu_topic)
{
	struct mqbus_msg msg = mq_msg("x", 1);
	struct mqbus_place place;
	struct mqbus_geometry geo;
	struct mqbus_info info;
	int cpu, n = sysconf(_SC_NPROCESSORS_ONLN);

	begin(self, .partitions = 0, .size = 4096);
	ASSERT_EQ(0, mq_info(self->ctl, &info));
	ASSERT_EQ(0, mq_geometry(self->fd, 0, &geo));
	EXPECT_EQ(info.cpus, geo.partitions);
	for (cpu = 0; cpu < n; cpu++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		/* Not even with a key it goes elsewhere */
		msg.key = (uintptr_t)"foobar";
		msg.key_len = cpu % 2 ? 6 : 0;
		EXPECT_EQ(1, mq_publish(self->fd, &msg, 1, &place, 0, NULL));
		EXPECT_EQ(cpu, place.partition);
		EXPECT_EQ(0, place.offset);
	}
	msg.partition = 0;
	EXPECT_EQ(-ECHRNG, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	for (cpu = 0; cpu < n; cpu++)
		EXPECT_NE(NULL, next(self));
	EXPECT_EQ(NULL, next(self));
}

TEST_F(publish, batch_over_partitions)
{
	static struct mqbus_msg msgs[1000];
	static struct mqbus_place places[1000];
	__u64 offsets[3] = {};
	unsigned int i;
	int error;

	begin(self, .partitions = 3);
	for (i = 0; i < 1000; i++) {
		msgs[i] = mq_msg("v", 1);
		msgs[i].partition = i * i % 7 % 3;
	}
	EXPECT_EQ(1000, mq_publish(self->fd, msgs, 1000, places, 0, &error));
	EXPECT_EQ(0, error);
	for (i = 0; i < 1000; i++) {
		EXPECT_EQ(msgs[i].partition, places[i].partition);
		EXPECT_EQ(offsets[places[i].partition]++, places[i].offset);
	}
}

TEST_HARNESS_MAIN
