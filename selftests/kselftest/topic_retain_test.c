// SPDX-License-Identifier: GPL-2.0
/*
 * Retention of settled records: by time and by bytes.
 */
#include "fetch.h"
#include "topic.h"

TEST_F(topic, set_the_retention)
{
	struct mq_reader reader;
	int fd;

	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	ASSERT_EQ(0, mq_reader_open(&reader, self->name, "g"));
	fd = mq_producer(self->name, 0);
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	mq_drain(&reader);
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	EXPECT_EQ(0, reader.map[0].page->head_offset);
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RETENTION, .retention = 1));
	EXPECT_EQ(1, mq_put(fd, "x", 1, 0));
	/* Unsettled records stay */
	EXPECT_EQ(2, reader.map[0].page->head_offset);
	close(fd);
	mq_reader_close(&reader);
}

/* Bytes of records in a partition */
static __u64 kept(const struct mq_reader *r)
{
	return r->map[0].page->tail - r->map[0].page->head;
}

TEST_F(topic, retention_by_size)
{
	static char block[1024 - sizeof(struct mqbus_record)];
	struct mqbus_seek_result result;
	struct mq_reader reader;
	int fd, i;

	ASSERT_EQ(0, create(self, .retention_size = 4096));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	ASSERT_EQ(0, mq_reader_open(&reader, self->name, "g"));
	fd = mq_producer(self->name, 0);
	for (i = 0; i < 32; i++)
		ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	/* Nobody has settled them */
	EXPECT_EQ(32 << 10, kept(&reader));
	mq_drain(&reader);
	/* A query is enough to drop them */
	EXPECT_EQ(1, mq_seek(self->ctl, self->name, "g", MQBUS_GROUP_SEEK_F_DRY_RUN, MQBUS_ANY,
			     MQBUS_WHENCE_EARLIEST, 0, &result, 1));
	EXPECT_EQ(4096, kept(&reader));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	mq_drain(&reader);
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RETENTION_SIZE, .retention_size = 1024));
	ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	EXPECT_EQ(2048, kept(&reader));
	ASSERT_EQ(0, set(self, MQBUS_TOPIC_SET_RETENTION_SIZE));
	mq_drain(&reader);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	EXPECT_EQ(10240, kept(&reader));
	close(fd);
	mq_reader_close(&reader);
	mq_delete(self->ctl, self->name);

	/* With EVICT whether they are settled or not */
	ASSERT_EQ(0, create(self, .retention_size = 4096, .full = MQBUS_FULL_EVICT));
	ASSERT_EQ(0, mq_group(self->ctl, self->name, "g"));
	ASSERT_EQ(0, mq_reader_open(&reader, self->name, "g"));
	fd = mq_producer(self->name, 0);
	for (i = 0; i < 32; i++)
		ASSERT_EQ(1, mq_put(fd, block, sizeof(block), 0));
	EXPECT_EQ(5120, kept(&reader));
	close(fd);
	mq_reader_close(&reader);
}

TEST_F(fetch, retention)
{
	struct mqbus_range range;
	struct mq_map map;
	__u64 expired;
	int fd;

	begin(self, .retention = 30 * MQ_MS);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit(fd, 0, 3));
	expired = mq_record(&map, 4 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	put_numbers(self->fd, 5, 6);
	/* At any age unsettled records stay */
	EXPECT_EQ(3, map.page->head_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 6, 7);
	EXPECT_EQ(5, map.page->head_offset);
	/* A query of what is kept does not show expired records */
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(5, range.begin_offset);
	EXPECT_EQ(0, mq_commit_fetched(fd));
	expired = mq_record(&map, 6 * 72)->time + 30 * MQ_MS;
	do
		mq_sleep(5 * MQ_MS);
	while (mq_clock(CLOCK_REALTIME) <= expired);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "late"));
	EXPECT_EQ(7, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
	/* None without a limit, or below it */
	EXPECT_EQ(0, mq_delete(self->ctl, self->topic));
	close(self->fd);
	begin(self, .retention = 3600 * MQ_SEC);
	fd = mq_member(self->topic, "g", 0);
	ASSERT_EQ(0, mq_map(fd, 0, &map));
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(1, mq_fetch(fd, &range, 1, 0, 0));
	EXPECT_EQ(0, mq_commit_fetched(fd));
	put_numbers(self->fd, 5, 6);
	EXPECT_EQ(0, map.page->head_offset);
	mq_unmap(&map);
	close(fd);
}

TEST_HARNESS_MAIN
