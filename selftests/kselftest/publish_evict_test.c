// SPDX-License-Identifier: GPL-2.0
/*
 * Records on a topic that evicts: none is evicted for a record that is not stored then, nor for
 * a query whether there is room.
 */
#include "fault.h"
#include "publish.h"

#define VALUE	936	/* 1000 bytes in the ring: four of them fill it */

static char value[VALUE];

static const struct mqbus_ring_page *page(FIXTURE_DATA(publish) *self)
{
	return self->reader.map[0].page;
}

/* A ring full of unread records, except for 96 bytes */
static void fill(struct __test_metadata *_metadata, FIXTURE_DATA(publish) *self)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, mq_put(self->fd, value, VALUE, 0));
	ASSERT_EQ(0, page(self)->head);
}

static void nothing_went(struct __test_metadata *_metadata, FIXTURE_DATA(publish) *self)
{
	EXPECT_EQ(0, page(self)->head);
	EXPECT_EQ(0, page(self)->head_offset);
	EXPECT_EQ(4, page(self)->next_offset);
}

TEST_F(publish, a_rate_refuses)
{
	struct pollfd p;
	struct mqbus_msg msgs[3];
	int i;

	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fill(_metadata, self);
	for (i = 0; i < 3; i++)
		msgs[i] = mq_msg(value, 100);
	ASSERT_EQ(0, mq_topic_set(self->ctl, self->topic,
				  MQBUS_TOPIC_SET_RATE_BYTES | MQBUS_TOPIC_SET_BURST,
				  .rate_bytes = 1, .burst = 1));
	/*
	 * A record larger than the bucket is admitted when that is full, and leaves a debt for
	 * a quarter of an hour
	 */
	ASSERT_EQ(1, mq_put(self->fd, value, VALUE, 0));
	ASSERT_EQ(1000, page(self)->head);

	EXPECT_EQ(-EAGAIN, mq_put(self->fd, value, VALUE, 0));
	EXPECT_EQ(-EAGAIN, mq_publish(self->fd, msgs, 3, NULL, 0, NULL));
	p = (struct pollfd) { .fd = self->fd, .events = POLLOUT };
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, poll(&p, 1, 0));
	EXPECT_EQ(1000, page(self)->head);
	EXPECT_EQ(1, page(self)->head_offset);
	EXPECT_EQ(5, page(self)->next_offset);
}

TEST_F(publish, a_copy_fails)
{
	char *bad = mmap(NULL, 2 * MQ_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec vec[2] = { { value, 500 }, { bad, 500 } };
	struct mqbus_msg msgs[2];
	int error;

	ASSERT_NE(MAP_FAILED, bad);
	ASSERT_EQ(0, munmap(bad + MQ_PAGE, MQ_PAGE));
	memset(bad, 'v', MQ_PAGE);
	begin(self, .size = 4096, .full = MQBUS_FULL_EVICT);
	fill(_metadata, self);
	/* All but its last byte is there */
	EXPECT_EQ(-EFAULT, mq_put(self->fd, bad + MQ_PAGE - VALUE + 1, VALUE, 0));
	nothing_went(_metadata, self);
	vec[1].iov_base = bad + MQ_PAGE - 499;
	EXPECT_EQ(-1, writev(self->fd, vec, 2));
	EXPECT_EQ(EFAULT, errno);
	nothing_went(_metadata, self);
	/* Headers with bad lengths */
	msgs[0] = mq_msg(value, 500);
	msgs[0].headers = (uintptr_t)"\1";
	msgs[0].headers_len = 1;
	EXPECT_EQ(-EINVAL, mq_publish(self->fd, msgs, 1, NULL, 0, NULL));
	nothing_went(_metadata, self);
	/* The first record of the batch is stored, and evicts for itself alone */
	msgs[0] = mq_msg(value, 100);
	msgs[1] = mq_msg(bad + MQ_PAGE - 100, 200);
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 2, NULL, 0, &error));
	EXPECT_EQ(EFAULT, error);
	EXPECT_EQ(1000, page(self)->head);
	EXPECT_EQ(5, page(self)->next_offset);
}

/* Memory that is there, but not mapped yet: the call faults it in, and succeeds */
TEST_F(publish, pages_that_come)
{
	size_t len = 3 * MQ_PAGE;
	char *fresh;
	int evict, ret, i;

	for (evict = 0; evict < 2; evict++) {
		begin(self, .size = 1 << 16, .full = evict ? MQBUS_FULL_EVICT : MQBUS_FULL_BLOCK);
		for (i = 0; i < 20; i++) {
			const struct mqbus_record *rec;
			size_t n = i % 2 ? len : 100;

			fresh = mmap(NULL, 4 * MQ_PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			fresh[MQ_PAGE] = i + 1;
			/* The call itself touches the first page */
			if (i % 3)
				ret = mq_put(self->fd, fresh + MQ_PAGE - 50, n, 0);
			else
				ret = write(self->fd, fresh + MQ_PAGE - 50, n) == n;
			ASSERT_EQ(1, ret);
			rec = next(self);
			ASSERT_NE(NULL, rec);
			EXPECT_EQ(n, rec->value_len);
			EXPECT_EQ(i + 1, mq_value(rec)[50]);
			EXPECT_EQ(0, memcmp(mq_value(rec), fresh + MQ_PAGE - 50, n));
			munmap(fresh, 4 * MQ_PAGE);
		}
		EXPECT_EQ(0, self->reader.lost);
		mq_delete(self->ctl, self->topic);
		close(self->fd);
		mq_reader_close(&self->reader);
	}
	self->fd = -1;
	self->reader.fd = -1;
	self->reader.parts = 0;
}

/* A large record whose end never comes: others publish, and its process can be killed */
TEST_F(publish, an_end_that_never_comes)
{
	int uffd, i;
	char *hole = missing_pages(3, &uffd);
	pid_t pid;

	if (!hole)
		SKIP(return, "this kernel has no userfaultfd");
	close(uffd);
	begin(self, .size = 1 << 16, .full = MQBUS_FULL_EVICT);
	mq_fork(pid) {
		int fd = mq_producer(self->topic, 0);

		/* A handler is for one address space, so the child has its own */
		mq_put(fd, missing_pages(3, &uffd), 3 * MQ_PAGE, MQBUS_WAIT_FOREVER);
	}
	ASSERT_TRUE(mq_wait_asleep(pid, SYS_ioctl));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(1, mq_put(self->fd, value, VALUE, 0));
	EXPECT_EQ(0, page(self)->head);
	EXPECT_EQ(128 + SIGKILL, mq_kill(pid));
	for (i = 0; i < 10; i++)
		EXPECT_NE(NULL, next(self));
	EXPECT_EQ(NULL, next(self));
}

#define LARGE	(200 * 1024)

/* A large record evicts many while others want the room, too: it is stored in the end */
TEST_F(publish, room_that_others_want)
{
	static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
	static char large[LARGE];
	unsigned int i;
	pid_t small, pid;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 20, .max_record = LARGE,
			       .full = MQBUS_FULL_EVICT));
	self->fd = mq_producer(self->topic, 0);
	for (i = 0; i < MQBUS_BATCH_MAX; i++)
		msgs[i] = mq_msg("", 0);
	for (i = 0; i < 2 << 20; i += MQBUS_BATCH_MAX * sizeof(struct mqbus_record))
		ASSERT_EQ(MQBUS_BATCH_MAX, mq_publish(self->fd, msgs, MQBUS_BATCH_MAX, NULL, 0,
						      NULL));
	mq_fork(small) {
		int fd = mq_producer(self->topic, 0);

		while (mq_publish(fd, msgs, MQBUS_BATCH_MAX, NULL, 0, NULL) > 0)
			;
	}
	mq_fork(pid)
		for (i = 0; i < 8; i++)
			if (mq_put(self->fd, large, LARGE, 0) != 1)
				_exit(1);
	EXPECT_EQ(0, mq_wait(pid));
	EXPECT_EQ(128 + SIGKILL, mq_kill(small));
}

/* The ring is full of the smallest records, but for those that are large; no rate */
static void fill_small(struct __test_metadata *_metadata, FIXTURE_DATA(publish) *self, __u32 size)
{
	static struct mqbus_msg msgs[MQBUS_BATCH_MAX];
	__u32 i;

	ASSERT_EQ(0, mq_topic_set(self->ctl, self->topic, MQBUS_TOPIC_SET_RATE, .rate = 0));
	for (i = 0; i < MQBUS_BATCH_MAX; i++)
		msgs[i] = mq_msg("", 0);
	for (i = 0; i < 2 * size; i += MQBUS_BATCH_MAX * sizeof(struct mqbus_record))
		ASSERT_EQ(MQBUS_BATCH_MAX, mq_publish(self->fd, msgs, MQBUS_BATCH_MAX, NULL, 0,
						      NULL));
	ASSERT_EQ(0, mq_topic_set(self->ctl, self->topic,
				  MQBUS_TOPIC_SET_RATE | MQBUS_TOPIC_SET_BURST,
				  .rate = 1000, .burst = MQ_MS));
}

/* Nothing goes for a large record when somebody else uses up what the rate let it have */
TEST_F(publish, a_rate_that_others_use_up)
{
	__u64 end = mq_clock(CLOCK_MONOTONIC) + 3 * MQ_SEC;
	unsigned int stored = 0, refused = 0;
	static char large[LARGE];
	__u32 size = 1 << 20;
	pid_t small;
	__u64 head;

	begin(self, .size = size, .max_record = LARGE, .full = MQBUS_FULL_EVICT);
	fill_small(_metadata, self, size);
	mq_fork(small) {
		int fd = mq_producer(self->topic, O_NONBLOCK);

		for (;;)
			mq_put(fd, "", 0, 0);
	}
	for (; mq_clock(CLOCK_MONOTONIC) < end; refused++) {
		if (mq_put(self->fd, large, LARGE, 0) == 1 && ++stored % 3 == 0)
			fill_small(_metadata, self, size);
		/* What is free is less than the records that are the oldest */
		head = __atomic_load_n(&page(self)->head, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&page(self)->tail, __ATOMIC_ACQUIRE) + 1024 < head + size)
			break;
	}
	EXPECT_LE(end, mq_clock(CLOCK_MONOTONIC));
	TH_LOG("%u stored, %u refused", stored, refused);
	EXPECT_EQ(128 + SIGKILL, mq_kill(small));
}

TEST_HARNESS_MAIN
