// SPDX-License-Identifier: GPL-2.0
/*
 * Publishing: what is stored, where, and how much of a batch.
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
		/* What was not stored has no number */
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

/* The answers that Kafka's own tests demand of its partitioner */
TEST_F(publish, partition_by_key_as_kafka)
{
	static const struct {
		const char *key;
		int hash;
	} known[] = {
		{ "21", -973932308 },
		{ "foobar", -790332482 },
		{ "a-little-bit-long-string", -985981536 },
		{ "a-little-bit-longer-string", -1486304829 },
		{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
		{ "abc", 479470107 },
	};
	struct mqbus_place place;
	char topic[MQBUS_NAME_SIZE];
	unsigned int i, n;

	for (n = 1; n <= 1000; n = n * 3 + 1) {
		int fd;

		mq_name(topic, "kafka");
		ASSERT_EQ(0, mq_create(self->ctl, topic, .partitions = n, .size = 4096));
		fd = mq_producer(topic, 0);
		for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
			struct mqbus_msg msg = mq_msg("", 0);

			msg.key = (uintptr_t)known[i].key;
			msg.key_len = strlen(known[i].key);
			ASSERT_EQ(1, mq_publish(fd, &msg, 1, &place, 0, NULL));
			EXPECT_EQ((known[i].hash & 0x7fffffff) % n, place.partition)
				TH_LOG("%s of %u", known[i].key, n);
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
		/* Not even a key goes elsewhere */
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

	/* All parts together, and the one before it is stored */
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
	/* A sum that would wrap around */
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

	/* The places: what is stored stays, and the batch ends there */
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

/* Pages that are not there yet are brought in, however many a record crosses */
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
	/* By write() too, which has its own way to the bytes */
	ASSERT_EQ(0, madvise(p, len + MQ_PAGE, MADV_DONTNEED));
	EXPECT_EQ(len, write(self->fd, p + 200, len));
	rec = next(self);
	ASSERT_NE(NULL, rec);
	EXPECT_EQ(0, memcmp(mq_value(rec), p + 200, len));
	munmap(p, len + MQ_PAGE);
	close(file);

	/* Behind the end of the file there is nothing, and nothing is stored */
	file = memfd_create("short", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(file, 2 * MQ_PAGE));
	p = mmap(NULL, 4 * MQ_PAGE, PROT_READ, MAP_SHARED, file, 0);
	EXPECT_EQ(-EFAULT, mq_put(self->fd, p, 3 * MQ_PAGE, 0));
	EXPECT_EQ(NULL, next(self));
	munmap(p, 4 * MQ_PAGE);
	close(file);
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
