/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of consuming: a topic of numbers.
 */
#ifndef _MQBUS_TEST_FETCH_H
#define _MQBUS_TEST_FETCH_H

#include "mqbus_test.h"

FIXTURE(fetch) {
	int ctl;
	int fd;
	char topic[MQBUS_NAME_SIZE];
};

FIXTURE_SETUP(fetch)
{
	mq_name(self->topic, "fetch");
	self->ctl = mq_open(0);
	self->fd = -1;
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(fetch)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	close(self->ctl);
}

#define begin(self, ...) do {							\
	ASSERT_EQ(0, mq_create((self)->ctl, (self)->topic, ##__VA_ARGS__));	\
	ASSERT_EQ(0, mq_group((self)->ctl, (self)->topic, "g"));		\
	(self)->fd = mq_producer((self)->topic, 0);				\
	ASSERT_LE(0, (self)->fd);						\
} while (0)

/* Store the numbers from..to-1 as values of 8 bytes: records of 72 bytes. */
static void put_numbers(int fd, __u64 from, __u64 to)
{
	for (; from < to; from++)
		if (mq_put(fd, &from, sizeof(from), 0) != 1)
			abort();
}

static __u64 number(const struct mqbus_record *rec)
{
	__u64 v = ~0ULL;

	if (rec)
		memcpy(&v, mq_value(rec), sizeof(v));
	return v;
}

/* The next number by read(), or a negative errno */
static __s64 read_number(int fd)
{
	__s64 v;
	ssize_t n = read(fd, &v, sizeof(v));

	return n < 0 ? -errno : n == sizeof(v) ? v : -1000;
}

static bool is_busy(FIXTURE_DATA(fetch) *self)
{
	return mq_seek(self->ctl, self->topic, "g", 0, MQBUS_ANY, MQBUS_WHENCE_EARLIEST, 0,
		       NULL, 0) == -EBUSY;
}

#endif /* _MQBUS_TEST_FETCH_H */
