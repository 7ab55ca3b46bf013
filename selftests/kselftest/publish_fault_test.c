// SPDX-License-Identifier: GPL-2.0
/*
 * Publishing from missing memory, or from memory that is not mapped yet.
 */
#include "publish.h"

TEST_F(publish, bad_address_in_a_batch)
{
	char *hole = mq_before_hole(2);
	__u64 bad[] = { 0, 8, MQ_KERNEL_ADDR, MQ_ODD_ADDR, ~0ULL, (uintptr_t)hole,
			(uintptr_t)hole - 63 };
	struct mqbus_place places[3] = {};
	struct mqbus_msg msgs[3];
	unsigned int i, n, part;
	int error;

	begin(self, .partitions = 2);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		for (part = 0; part < 4; part++) {
			struct mqbus_msg *m = &msgs[1];

			for (n = 0; n < 3; n++)
				msgs[n] = mq_msg("abc", 3);
			if (part == 0)
				m->value = bad[i], m->value_len = 64;
			if (part == 1)
				m->key = bad[i], m->key_len = 64;
			if (part == 2)
				m->routing_key = bad[i], m->routing_key_len = 64;
			if (part == 3)
				m->headers = bad[i], m->headers_len = 64;
			EXPECT_EQ(1, mq_publish(self->fd, msgs, 3, NULL, 0, &error))
				TH_LOG("part %u at %llx", part, bad[i]);
			EXPECT_EQ(EFAULT, error);
			EXPECT_EQ(-EFAULT, mq_publish(self->fd, m, 1, NULL, 0, NULL));
			EXPECT_NE(NULL, next(self));
			EXPECT_EQ(NULL, next(self));
		}
	}

	/* The descriptions */
	EXPECT_EQ(-EFAULT, mq_publish(self->fd, NULL, 1, NULL, 0, NULL));
	EXPECT_EQ(-EFAULT, mq_publish(self->fd, MQ_KERNEL_PTR, 1, NULL, 0, NULL));
	EXPECT_EQ(-EFAULT, mq_publish(self->fd, (void *)(hole - 8), 1, NULL, 0, NULL));
	EXPECT_EQ(NULL, next(self));

	/* The places: stored records stay, and the batch ends there */
	msgs[1] = msgs[0];
	memcpy(hole - sizeof(*places), &places[0], sizeof(*places));
	EXPECT_LE(1, mq_publish(self->fd, msgs, 3, (void *)(hole - sizeof(*places)), 0, &error));
	EXPECT_EQ(EFAULT, error);
	EXPECT_NE(NULL, next(self));
	EXPECT_LE(1, mq_publish(self->fd, msgs, 3, MQ_KERNEL_PTR, 0, &error));
	EXPECT_EQ(EFAULT, error);
}

TEST_F(publish, value_runs_into_a_forbidden_page)
{
	char *pages = mmap(NULL, 3 * MQ_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct mqbus_record *rec;
	struct mqbus_msg msgs[3];
	int error;

	begin(self);
	memset(pages, 'p', 3 * MQ_PAGE);
	msgs[0] = mq_msg(pages, MQ_PAGE);
	msgs[1] = mq_msg(pages + MQ_PAGE / 2, MQ_PAGE);
	msgs[2] = msgs[0];
	mprotect(pages + MQ_PAGE, MQ_PAGE, PROT_NONE);
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 3, NULL, 0, &error));
	EXPECT_EQ(EFAULT, error);
	mprotect(pages + MQ_PAGE, MQ_PAGE, PROT_READ);
	EXPECT_EQ(3, mq_publish(self->fd, msgs, 3, NULL, 0, &error));
	EXPECT_EQ(MQ_PAGE, next(self)->value_len);
	for (error = 0; error < 3; error++) {
		rec = next(self);
		ASSERT_NE(NULL, rec);
		EXPECT_EQ(error + 1, rec->offset);
		EXPECT_EQ('p', mq_value(rec)[MQ_PAGE - 1]);
	}
	munmap(pages, 3 * MQ_PAGE);
}

/* Pages that are not mapped yet are faulted in, however many a record crosses */
TEST_F(publish, pages_not_present)
{
	size_t len = 200000, i;
	int file = memfd_create("payload", MFD_CLOEXEC);
	const struct mqbus_record *rec;
	unsigned char *p;

	begin(self, .size = 1 << 20, .max_record = MQBUS_RECORD_MAX);
	ASSERT_EQ(0, ftruncate(file, len + MQ_PAGE));
	p = mmap(NULL, len + MQ_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < len + MQ_PAGE; i++)
		p[i] = i * 31 >> 3;
	ASSERT_EQ(0, madvise(p, len + MQ_PAGE, MADV_DONTNEED));
	EXPECT_EQ(1, mq_put(self->fd, p + 100, len, 0));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(len, rec->value_len);
	EXPECT_EQ(0, memcmp(mq_value(rec), p + 100, len));
	/* By write() too, which copies in another way */
	ASSERT_EQ(0, madvise(p, len + MQ_PAGE, MADV_DONTNEED));
	EXPECT_EQ(len, write(self->fd, p + 200, len));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(0, memcmp(mq_value(rec), p + 200, len));
	munmap(p, len + MQ_PAGE);
	close(file);

	/* Behind the end of the file is no memory, and nothing is stored */
	file = memfd_create("short", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(file, 2 * MQ_PAGE));
	p = mmap(NULL, 4 * MQ_PAGE, PROT_READ, MAP_SHARED, file, 0);
	EXPECT_EQ(-EFAULT, mq_put(self->fd, p, 3 * MQ_PAGE, 0));
	EXPECT_EQ(NULL, next(self));
	munmap(p, 4 * MQ_PAGE);
	close(file);
}

TEST_HARNESS_MAIN
