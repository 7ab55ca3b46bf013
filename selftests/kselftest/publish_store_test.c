// SPDX-License-Identifier: GPL-2.0
/*
 * Publishing: stored records, and how much of a batch.
 */
#include "publish.h"

static __u32 put_header(char *to, const char *name, const void *value, __u16 value_len)
{
	struct mqbus_header h = { .name_len = strlen(name), .value_len = value_len };

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), name, h.name_len);
	memcpy(to + sizeof(h) + h.name_len, value, value_len);
	return sizeof(h) + h.name_len + value_len;
}

TEST_F(publish, all_parts_arrive)
{
	struct mqbus_produce produce = {};
	const struct mqbus_record *rec;
	char headers[256], value[300], key[77];
	__u64 before, after, last = 0;
	struct mqbus_msg msg;
	__u32 headers_len = 0;
	unsigned int i;

	begin(self, .size = 65536);
	close(self->fd);
	self->fd = mq_open(0);
	mq_set_name(produce.topic, self->topic);
	ASSERT_EQ(0, mq_ioctl(self->fd, MQBUS_IOC_PRODUCE, &produce));
	EXPECT_NE(0, produce.producer);

	for (i = 0; i < sizeof(value); i++)
		value[i] = i * 7;
	for (i = 0; i < sizeof(key); i++)
		key[i] = 255 - i;
	headers_len = put_header(headers, "content-type", "text/plain", 10);
	headers_len += put_header(headers + headers_len, "x", "\0\0\0", 3);
	headers_len += put_header(headers + headers_len, "empty", "", 0);

	before = mq_clock(CLOCK_REALTIME);
	for (i = 0; i < 20; i++) {
		msg = mq_msg(value, sizeof(value) - i);
		msg.key = (uintptr_t)key;
		msg.key_len = sizeof(key) - i;
		msg.routing_key = (uintptr_t)"orders.eu.created";
		msg.routing_key_len = 17 - i % 3;
		msg.headers = (uintptr_t)headers;
		msg.headers_len = i % 2 ? headers_len : 0;
		msg.schema = 0xfeedf00d + i;
		ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	}
	after = mq_clock(CLOCK_REALTIME);

	for (i = 0; i < 20; i++) {
		const unsigned char *at;

		rec = next(self);
		ASSERT_NE(NULL, rec);
		at = mq_value(rec);
		EXPECT_EQ(0, (uintptr_t)rec % 8);
		EXPECT_EQ(0, rec->size % 8);
		EXPECT_EQ(0, rec->flags);
		EXPECT_EQ(i, rec->offset);
		EXPECT_LE(before, rec->time);
		EXPECT_GE(after, rec->time);
		EXPECT_LE(last, rec->time);
		last = rec->time;
		EXPECT_EQ(produce.producer, rec->producer);
		EXPECT_EQ(i + 1, rec->seq);
		EXPECT_EQ(0xfeedf00d + i, rec->schema);
		EXPECT_EQ(0, rec->epoch);
		ASSERT_EQ(sizeof(value) - i, rec->value_len);
		ASSERT_EQ(sizeof(key) - i, rec->key_len);
		ASSERT_EQ(17 - i % 3, rec->routing_key_len);
		ASSERT_EQ(i % 2 ? headers_len : 0, rec->headers_len);
		EXPECT_LE(sizeof(*rec) + rec->value_len + rec->key_len + rec->routing_key_len +
			  rec->headers_len, rec->size);
		EXPECT_EQ(0, memcmp(at, value, rec->value_len));
		at += rec->value_len;
		EXPECT_EQ(0, memcmp(at, key, rec->key_len));
		at += rec->key_len;
		EXPECT_EQ(0, memcmp(at, "orders.eu.created", rec->routing_key_len));
		at += rec->routing_key_len;
		EXPECT_EQ(0, memcmp(at, headers, rec->headers_len));
	}
	EXPECT_EQ(NULL, next(self));
}

TEST_F(publish, producers_count_for_themselves)
{
	const struct mqbus_record *rec;
	__u64 first, second;
	int other, i;

	begin(self);
	other = mq_producer(self->topic, 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(1, mq_put(self->fd, "a", 1, 0));
		EXPECT_EQ(1, mq_put(other, "b", 1, 0));
		/* A record that was not stored has no number */
		EXPECT_EQ(-EMSGSIZE, mq_put(other, "b", MQBUS_RECORD_MAX + 1, 0));
		EXPECT_EQ(-EFAULT, mq_put(other, NULL, 1, 0));
	}
	close(other);
	first = next(self)->producer;
	second = next(self)->producer;
	EXPECT_NE(first, second);
	for (i = 2; i < 6; i++) {
		rec = next(self);
		ASSERT_NE(NULL, rec);
		EXPECT_EQ(i / 2 + 1, rec->seq);
		EXPECT_EQ(i % 2 ? second : first, rec->producer);
	}
}

TEST_F(publish, sizes)
{
	static char block[MQBUS_RECORD_MAX + 8];
	struct mqbus_msg msgs[3] = { mq_msg("a", 1), mq_msg(block, 0), mq_msg("c", 1) };
	struct mqbus_msg *m = &msgs[1];
	const struct mqbus_record *rec;
	unsigned int len;
	int error;

	begin(self, .size = 65536, .max_record = 1000);
	for (len = 0; len <= 1000; len = len < 66 || len > 980 ? len + 1 : len + 61) {
		memset(block, len, len);
		ASSERT_EQ(1, mq_put(self->fd, block, len, 0)) TH_LOG("%u bytes", len);
		rec = next(self);
		ASSERT_NE(NULL, rec);
		ASSERT_EQ(len, rec->value_len);
		EXPECT_EQ(0, memcmp(mq_value(rec), block, len));
	}
	EXPECT_EQ(-EMSGSIZE, mq_put(self->fd, block, 1001, 0));
	EXPECT_EQ(-EMSGSIZE, mq_put(self->fd, block, ~0U, 0));

	/* All parts together; the record before it is stored */
	m->key = (uintptr_t)block;
	m->routing_key = (uintptr_t)block;
	m->key_len = 600;
	m->routing_key_len = 200;
	m->value_len = 200;
	EXPECT_EQ(3, mq_publish(self->fd, msgs, 3, NULL, 0, &error));
	EXPECT_EQ(0, error);
	m->value_len = 201;
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 3, NULL, 0, &error));
	EXPECT_EQ(EMSGSIZE, error);
	/* A sum that would wrap */
	m->value_len = ~0U - 799;
	EXPECT_EQ(1, mq_publish(self->fd, msgs, 3, NULL, 0, &error));
	EXPECT_EQ(EMSGSIZE, error);
}

TEST_F(publish, limits_of_parts)
{
	static char block[MQBUS_RECORD_MAX + 8];
	struct mqbus_msg m;
	unsigned int at = 0;

	begin(self, .size = 1 << 20, .max_record = MQBUS_RECORD_MAX);
	EXPECT_EQ(1, mq_put(self->fd, block, MQBUS_RECORD_MAX, 0));
	EXPECT_EQ(-EMSGSIZE, mq_put(self->fd, block, MQBUS_RECORD_MAX + 1, 0));

	m = mq_msg(block, 0);
	m.key = (uintptr_t)block;
	m.routing_key = (uintptr_t)block;
	m.headers = (uintptr_t)block;
	m.key_len = MQBUS_KEY_MAX;
	EXPECT_EQ(1, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
	m.key_len = MQBUS_KEY_MAX + 1;
	EXPECT_EQ(-EMSGSIZE, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
	m.key_len = 0;
	m.routing_key_len = MQBUS_ROUTING_KEY_MAX;
	EXPECT_EQ(1, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
	m.routing_key_len = MQBUS_ROUTING_KEY_MAX + 1;
	EXPECT_EQ(-EMSGSIZE, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
	m.routing_key_len = 0;

	at = put_header(block, "n", block + 32768, MQBUS_HEADERS_MAX - 5);
	ASSERT_EQ(MQBUS_HEADERS_MAX, at);
	m.headers_len = at;
	EXPECT_EQ(1, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
	at = put_header(block, "n", block + 32768, MQBUS_HEADERS_MAX - 4);
	m.headers_len = at;
	EXPECT_EQ(-EMSGSIZE, mq_publish(self->fd, &m, 1, NULL, 0, NULL));
}

TEST_F(publish, headers_must_add_up)
{
	static const struct {
		const char *bytes;
		unsigned int len;
	} bad[] = {
		{ "\x01", 1 },				/* not even the lengths */
		{ "\x01\0\0", 3 },
		{ "\x01\0\0\0", 4 },			/* no name */
		{ "\0\0\0\0", 4 },			/* a name of no bytes */
		{ "\0\0\x01\0v", 5 },
		{ "\x01\0\x01\0n", 5 },			/* no value */
		{ "\xff\xff\xff\xffn", 5 },
		{ "\x01\0\0\0nX", 6 },			/* something behind */
		{ "\x01\0\x01\0nv\x01\0\x01\0n", 11 },	/* the second one */
	};
	struct mqbus_msg msgs[3] = { mq_msg("a", 1), mq_msg("b", 1), mq_msg("c", 1) };
	char many[(MQBUS_HEADER_COUNT_MAX + 1) * 5];
	unsigned int i, at = 0;
	int error;

	begin(self);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		msgs[1].headers = (uintptr_t)bad[i].bytes;
		msgs[1].headers_len = bad[i].len;
		EXPECT_EQ(1, mq_publish(self->fd, msgs, 3, NULL, 0, &error)) TH_LOG("%u", i);
		EXPECT_EQ(EINVAL, error);
		EXPECT_EQ(-EINVAL, mq_publish(self->fd, &msgs[1], 1, NULL, 0, NULL));
		EXPECT_EQ('a', *mq_value(next(self)));
		EXPECT_EQ(NULL, next(self));
	}
	for (i = 0; i <= MQBUS_HEADER_COUNT_MAX; i++)
		at += put_header(many + at, "n", "", 0);
	msgs[1].headers = (uintptr_t)many;
	msgs[1].headers_len = at;
	EXPECT_EQ(-EINVAL, mq_publish(self->fd, &msgs[1], 1, NULL, 0, NULL));
	msgs[1].headers_len = at - 5;
	EXPECT_EQ(1, mq_publish(self->fd, &msgs[1], 1, NULL, 0, NULL));
}

TEST_F(publish, write_and_writev)
{
	char *hole = mq_before_hole(1);
	struct iovec iov[4] = { { "one", 3 }, { "", 0 }, { "two", 3 }, { "three", 5 } };
	const struct mqbus_record *rec;
	static char block[70000];

	begin(self);
	EXPECT_EQ(5, write(self->fd, "hello", 5));
	EXPECT_EQ(11, writev(self->fd, iov, 4));
	/* An empty record is a record */
	EXPECT_EQ(0, write(self->fd, "", 0));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(5, rec->value_len);
	EXPECT_EQ(0, memcmp(mq_value(rec), "hello", 5));
	EXPECT_EQ(0, rec->key_len | rec->routing_key_len | rec->headers_len | rec->schema);
	EXPECT_EQ(1, rec->seq);
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(11, rec->value_len);
	EXPECT_EQ(0, memcmp(mq_value(rec), "onetwothree", 11));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(0, rec->value_len);

	EXPECT_EQ(-1, write(self->fd, block, sizeof(block)));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, write(self->fd, NULL, 5));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->fd, hole - 4, 5));
	EXPECT_EQ(EFAULT, errno);
	iov[2] = (struct iovec) { hole - 2, 3 };
	EXPECT_EQ(-1, writev(self->fd, iov, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(NULL, next(self));
	mq_delete(self->ctl, self->topic);
	EXPECT_EQ(-1, write(self->fd, "x", 1));
	EXPECT_EQ(EIDRM, errno);
	EXPECT_EQ(-EIDRM, mq_put(self->fd, "x", 1, 0));
}

TEST_HARNESS_MAIN
