/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of publishing: a topic and its reader.
 */
#ifndef _MQBUS_TEST_PUBLISH_H
#define _MQBUS_TEST_PUBLISH_H

#include "mqbus_test.h"

FIXTURE(publish) {
	int ctl;
	int fd;
	char topic[MQBUS_NAME_SIZE];
	struct mq_reader reader;
};

FIXTURE_SETUP(publish)
{
	mq_name(self->topic, "publish");
	self->ctl = mq_open(0);
	self->fd = -1;
	self->reader.fd = -1;
	ASSERT_LE(0, self->ctl);
}

FIXTURE_TEARDOWN(publish)
{
	mq_delete(self->ctl, self->topic);
	close(self->fd);
	mq_reader_close(&self->reader);
	close(self->ctl);
}

/* A topic with a group "g" at its beginning, a producer and a reader */
#define begin(self, ...) do {							\
	ASSERT_EQ(0, mq_create((self)->ctl, (self)->topic, ##__VA_ARGS__));	\
	ASSERT_EQ(0, mq_group((self)->ctl, (self)->topic, "g"));		\
	(self)->fd = mq_producer((self)->topic, 0);				\
	ASSERT_LE(0, (self)->fd);						\
	ASSERT_EQ(0, mq_reader_open(&(self)->reader, (self)->topic, "g"));	\
} while (0)

static const struct mqbus_record *next(FIXTURE_DATA(publish) *self)
{
	return mq_next(&self->reader, 0);
}

#endif /* _MQBUS_TEST_PUBLISH_H */
