// SPDX-License-Identifier: GPL-2.0
/*
 * Retries: when, how often, and their effect on other records, also with a full retry ring.
 */
#include "queue.h"

static __u64 now(void)
{
	return mq_clock(CLOCK_MONOTONIC);
}

/* Each wait is at least the backoff; there is no upper limit */
TEST_F(queue, backoff_grows)
{
	static const __u64 wait[] = { 5 * MQ_MS, 15 * MQ_MS, 40 * MQ_MS, 40 * MQ_MS };
	struct worker *w = self->worker;
	struct mqbus_leased l;
	unsigned int i;

	begin(self, .backoff_min = 5 * MQ_MS, .backoff_factor = 300, .backoff_max = 40 * MQ_MS);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	for (i = 0; i < sizeof(wait) / sizeof(*wait); i++) {
		__u64 begun = now();

		EXPECT_EQ(0, nack(w, &l));
		EXPECT_EQ(1, FIGURE(self, RETRYING));
		EXPECT_EQ(0, FIGURE(self, INFLIGHT));
		ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
		EXPECT_LE(wait[i], now() - begun) TH_LOG("wait %u", i);
		EXPECT_EQ(2 + i, l.attempt);
		EXPECT_EQ(MQBUS_RETRY, l.ring);
		EXPECT_EQ(0, l.offset);
		EXPECT_EQ(0, l.partition);
	}
}

/* The record due first comes first, in any order of failures */
TEST_F(queue, due_order)
{
	static const __u64 delay[] = { 90, 30, 120, 60, 10 };
	struct worker *w = self->worker;
	struct mqbus_leased l[5], m;
	__u64 earliest[5], latest[5];	/* earliest due time */
	bool seen[5] = {};
	__s64 last = -1, k;
	int i;

	begin(self, .backoff_min = MQ_HOUR, .backoff_max = MQ_HOUR);
	put_numbers(self->fd, 0, 5);
	ASSERT_EQ(5, take(w->fd, l, 5, 0));
	for (i = 0; i < 5; i++) {
		earliest[i] = now() + delay[i] * MQ_MS;
		/* The settlement's delay, not the backoff */
		EXPECT_EQ(0, settle(w->fd, l[i].lease, MQBUS_NACK, delay[i] * MQ_MS));
		latest[i] = now() + delay[i] * MQ_MS;
	}
	for (i = 0; i < 5; i++) {
		k = take_one(w, &m, MQ_LONG);
		ASSERT_LE(0, k);
		ASSERT_GT(5, k);
		EXPECT_LE(earliest[k], now());
		EXPECT_FALSE(seen[k]);
		seen[k] = true;
		if (i)
			EXPECT_LE(earliest[last], latest[k]) TH_LOG("%lld before %lld", last, k);
		last = k;
		EXPECT_EQ(2, m.attempt);
		EXPECT_EQ(0, ack(w, &m));
	}
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(0, FIGURE(self, RETRY_USED));
}

TEST_F(queue, waits_for_what_is_due)
{
	struct worker *w = self->worker;
	struct pollfd p = { .events = POLLIN };
	struct mqbus_leased l;
	__u64 begun;
	int ready;

	begin(self);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	begun = now();
	EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_NACK, 30 * MQ_MS));
	p.fd = w->fd;
	ready = poll(&p, 1, 0);
	if (now() - begun < 30 * MQ_MS)
		EXPECT_EQ(0, ready);
	/* The due time wakes it, without any other call */
	EXPECT_EQ(1, poll(&p, 1, 20000));
	EXPECT_LE(30 * MQ_MS, now() - begun);
	EXPECT_EQ(0, take_one(w, &l, 0));
	/* So does a lease that expires */
	EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_EXTEND, 20 * MQ_MS));
	EXPECT_EQ(1, poll(&p, 1, 20000));
	EXPECT_LE(50 * MQ_MS, now() - begun);
	EXPECT_EQ(0, take_one(w, &l, 0));
	EXPECT_EQ(3, l.attempt);
	EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_NACK, 5 * MQ_MS));
	EXPECT_EQ(0, read_number(w->fd));
}

/* Jitter shortens a wait, down to its lower limit at most */
TEST_F(queue, jitter)
{
	struct worker *w = self->worker;
	struct mqbus_leased l[40];
	unsigned int i;
	__u64 begun;

	begin(self, .backoff_min = 100 * MQ_MS, .backoff_max = 100 * MQ_MS,
	      .backoff_jitter = 50);
	put_numbers(self->fd, 0, 40);
	ASSERT_EQ(40, take(w->fd, l, 40, 0));
	begun = now();
	for (i = 0; i < 40; i++)
		EXPECT_EQ(0, nack(w, &l[i]));
	for (i = 0; i < 40; i++) {
		ASSERT_LE(0, take_one(w, &l[i], MQ_LONG));
		EXPECT_LE(50 * MQ_MS, now() - begun);
	}
	/* Shortened by different amounts: they do not come in the order of the nacks */
	for (i = 1; i < 40; i++)
		if (leased_number(w, &l[i]) < leased_number(w, &l[i - 1]))
			break;
	EXPECT_GT(40, i);
}

/* The retry ring contains the record itself; and who may map it */
TEST_F(queue, retry_ring_mapping)
{
	struct worker *w = self->worker;
	struct mqbus_geometry geo, first;
	struct mqbus_msg msg = mq_msg("the value", 9);
	char headers[200], original[512];
	const struct mqbus_record *rec;
	struct mqbus_leased l;
	int stream, ret;
	__u64 beyond, first_len;
	void *p;

	begin(self, .retry_size = 1 << 17);
	ASSERT_EQ(0, mq_group(self->ctl, self->topic, "s"));
	stream = mq_member(self->topic, "s", 0);
	msg.key = (uintptr_t)"key";
	msg.key_len = 3;
	msg.routing_key = (uintptr_t)"a.b";
	msg.routing_key_len = 3;
	msg.headers = (uintptr_t)headers;
	msg.headers_len = add_header(headers, add_header(headers, 0, "one", "1"), "two", "zwei");
	msg.schema = 77;
	put_numbers(self->fd, 0, 3);
	ASSERT_EQ(1, mq_publish(self->fd, &msg, 1, NULL, 0, NULL));
	for (ret = 0; ret < 4; ret++) {
		ASSERT_EQ(1, take(w->fd, &l, 1, 0));
		if (ret < 3)
			EXPECT_EQ(0, ack(w, &l));
	}
	EXPECT_EQ(0, l.ring);
	EXPECT_EQ(3, l.offset);
	rec = leased_record(w, &l);
	ASSERT_GE(sizeof(original), rec->size);
	memcpy(original, rec, rec->size);
	EXPECT_EQ(0, settle(w->fd, l.lease, MQBUS_NACK, MQ_MS));
	ASSERT_EQ(1, take(w->fd, &l, 1, MQ_LONG));
	EXPECT_EQ(MQBUS_RETRY, l.ring);
	EXPECT_EQ(3, l.offset);
	EXPECT_EQ(0, l.partition);
	rec = leased_record(w, &l);
	EXPECT_EQ(0, memcmp(original, rec, ((struct mqbus_record *)original)->size));
	EXPECT_EQ(77, rec->schema);
	EXPECT_STREQ("zwei", header(rec, "two"));
	EXPECT_LE(rec->size, FIGURE(self, RETRY_USED));

	/* Geometry and rules are those of a partition */
	ASSERT_EQ(0, mq_geometry(w->fd, 0, &first));
	ASSERT_EQ(0, mq_geometry(w->fd, MQBUS_RETRY, &geo));
	EXPECT_EQ(1 << 17, geo.size);
	EXPECT_EQ(MQ_PAGE + (2 << 17), geo.map_len);
	EXPECT_LE(first.map_offset + first.map_len, geo.map_offset);
	first_len = first.map_len;
	EXPECT_EQ(1, geo.partitions);
	EXPECT_EQ(0, memcmp(w->retry.data, w->retry.data + geo.size, geo.size));
	p = mmap(NULL, geo.map_len, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(EACCES, errno);
	p = mmap(NULL, geo.map_len, PROT_READ | PROT_EXEC, MAP_SHARED, w->fd, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	p = mmap(NULL, geo.map_len, PROT_READ, MAP_PRIVATE, w->fd, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(EINVAL, errno);
	p = mmap(NULL, geo.map_len - MQ_PAGE, PROT_READ, MAP_SHARED, w->fd, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(-1, mprotect((void *)w->retry.page, geo.map_len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	/* A stream group has none */
	ret = mq_geometry(stream, MQBUS_RETRY, &first);
	EXPECT_EQ(-ECHRNG, ret);
	EXPECT_EQ(-ECHRNG, mq_geometry(self->fd, MQBUS_RETRY, &first));
	EXPECT_EQ(-ECHRNG, mq_geometry(w->fd, MQBUS_RETRY - 1, &first));
	EXPECT_EQ(-ECHRNG, mq_geometry(w->fd, MQBUS_ANY, &first));
	p = mmap(NULL, geo.map_len, PROT_READ, MAP_SHARED, stream, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(ECHRNG, errno);
	p = mmap(NULL, geo.map_len, PROT_READ, MAP_SHARED, self->fd, geo.map_offset);
	EXPECT_EQ(MAP_FAILED, p);
	/* Nor at another offset, not even behind 32 bits */
	for (beyond = 2; sizeof(off_t) == 8 && beyond < 1ULL << 33; beyond *= 2) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, first_len, PROT_READ, MAP_SHARED, w->fd,
					   beyond * first_len)) TH_LOG("%llu", beyond);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, geo.map_len, PROT_READ, MAP_SHARED, w->fd,
					   (beyond + 1) * first_len)) TH_LOG("%llu", beyond);
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, geo.map_len, PROT_READ, MAP_SHARED, w->fd,
				   MQBUS_RETRY * first_len));
	close(stream);
}

/* Records in the retry ring hold no space of the topic, nor of the window */
TEST_F(queue, others_flow_meanwhile)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__u64 v;
	int i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self, .max_inflight = 1, .backoff_min = MQ_HOUR, .backoff_max = MQ_HOUR);
	for (v = 0; v < 20; v++) {
		ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0));
		ASSERT_EQ(v, take_one(w, &l, 0));
		EXPECT_EQ(0, nack(w, &l));
		EXPECT_EQ(0, FIGURE(self, INFLIGHT));
	}
	for (i = 0; i < 300; i++, v++) {
		ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0)) TH_LOG("%d", i);
		ASSERT_EQ(v, take_one(w, &l, 0));
		ASSERT_EQ(0, ack(w, &l));
	}
	EXPECT_EQ(20, FIGURE(self, RETRYING));
	EXPECT_LE(20 * 72, FIGURE(self, RETRY_USED));
	EXPECT_EQ(20, FIGURE(self, NACKED));
}

/*
 * Full retry ring: records stay in their partition, count as in flight, and come again all the
 * same
 */
TEST_F(queue, retry_ring_full)
{
	static struct mqbus_leased l[400];
	static bool seen[400];
	struct worker *w = self->worker;
	struct mqbus_leased m;
	unsigned int moved, i;
	struct figures f;

	/* Room for seven of 8 KB, as the size of the largest record is kept free */
	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 1 << 18, .max_record = 8192));
	begin(self, .retry_size = 65536, .max_inflight = 30, .backoff_min = 100 * MQ_MS,
	      .backoff_max = 100 * MQ_MS);
	for (i = 0; i < 30; i++) {
		static __u64 big[1000];

		big[0] = i;
		if (mq_put(self->fd, big, i < 8 ? sizeof(big) : 8, 0) != 1)
			break;
	}
	ASSERT_EQ(30, i);
	ASSERT_EQ(30, take(w->fd, l, 30, 0));
	put_numbers(self->fd, 30, 60);
	/* In the end all are failures; the ones of 8 KiB do not all fit */
	for (i = 0; i < 30; i++)
		EXPECT_EQ(0, settle(w->fd, l[i].lease, MQBUS_NACK, 200 * MQ_MS));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	moved = f.number[MQBUS_A_QUEUE_RETRYING];
	EXPECT_LT(0, moved);
	EXPECT_GT(30, moved);
	EXPECT_EQ(30, moved + f.number[MQBUS_A_QUEUE_INFLIGHT]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_LEASED]);
	/* Each comes, the failed ones a second time, and all is as before */
	for (i = 0; i < 60; i++) {
		__s64 v = take_one(w, &m, MQ_LONG);

		ASSERT_LE(0, v) TH_LOG("%u were left", 60 - i);
		ASSERT_GT(60, v);
		EXPECT_EQ(v < 30 ? 2 : 1, m.attempt);
		EXPECT_FALSE(seen[v]);
		seen[v] = true;
		EXPECT_EQ(0, ack(w, &m));
	}
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	ASSERT_EQ(0, figures_get(self->topic, "g", &f));
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_RETRYING]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_INFLIGHT]);
	EXPECT_EQ(0, f.number[MQBUS_A_QUEUE_RETRY_USED]);
	EXPECT_EQ(60, f.number[MQBUS_A_QUEUE_ACKED]);
}

/* All records fail: the flow stops and the producer waits, until they are settled */
TEST_F(queue, window_full_of_failures)
{
	static struct mqbus_leased l[64];
	struct worker *w = self->worker;
	struct mqbus_leased m;
	static __u64 big[1000];
	unsigned int n = 0, given = 0, stored = 0;
	static unsigned char done[200];
	int ret, i;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 65536));
	begin(self, .retry_size = 65536, .max_inflight = 4, .backoff_min = MQ_HOUR,
	      .backoff_max = MQ_HOUR);
	for (;;) {
		big[0] = stored;
		if (mq_put(self->fd, big, sizeof(big), 0) == 1) {
			stored++;
			continue;
		}
		ret = take(w->fd, l, 64, 0);
		if (ret < 0)
			break;
		for (i = 0; i < ret; i++)
			EXPECT_EQ(0, settle(w->fd, l[i].lease, MQBUS_NACK, MQ_SEC));
		given += ret;
		ASSERT_GT(1000, given);
	}
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_EQ(4, FIGURE(self, INFLIGHT));
	EXPECT_FALSE(readable(w->fd));
	TH_LOG("%u stored, %u failed", stored, given);
	while (n < stored) {
		__s64 v = take_one(w, &m, MQ_LONG);

		ASSERT_LE(0, v);
		ASSERT_GT(200, v);
		ASSERT_EQ(0, done[v]++);
		EXPECT_EQ(0, ack(w, &m));
		n++;
	}
	EXPECT_EQ(-EAGAIN, take_one(w, &m, 0));
	EXPECT_EQ(stored, FIGURE(self, ACKED));
	EXPECT_EQ(given, FIGURE(self, NACKED));
	EXPECT_EQ(stored + given, FIGURE(self, DELIVERED));
	EXPECT_EQ(given, FIGURE(self, REDELIVERED));
	put_numbers(self->fd, 0, 1);
	EXPECT_EQ(0, take_one(w, &m, 0));
}

/* Many laps of the retry ring with records of all sizes: none is torn or lost */
TEST_F(queue, laps_of_the_retry_ring)
{
	static unsigned char block[4000];
	struct worker *w = self->worker;
	struct mqbus_leased l;
	unsigned int i, k, seed = 1;

	begin(self, .retry_size = 65536);
	for (i = 0; i < 600; i++) {
		const struct mqbus_record *rec;
		unsigned int len = rand_r(&seed) % sizeof(block), tries = i % 4;

		for (k = 0; k < len; k++)
			block[k] = i + k * 5;
		ASSERT_EQ(1, mq_put(self->fd, block, len, 0));
		for (k = 0; k <= tries; k++) {
			ASSERT_EQ(1, take(w->fd, &l, 1, MQ_LONG)) TH_LOG("record %u", i);
			rec = leased_record(w, &l);
			ASSERT_EQ(len, rec->value_len);
			ASSERT_EQ(0, memcmp(mq_value(rec), block, len));
			ASSERT_EQ(i, l.offset);
			ASSERT_EQ(k + 1, l.attempt);
			ASSERT_EQ(0, k == tries ? ack(w, &l) : nack(w, &l));
		}
	}
	EXPECT_EQ(0, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, RETRY_USED));
}

/* Without a word about it what fails waits, and longer each time */
TEST_F(queue, backoff_by_default)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__u64 begun, least = 80 * MQ_MS;
	int i;

	begin(self, .backoff_min = 0);
	put_numbers(self->fd, 0, 1);
	ASSERT_EQ(0, take_one(w, &l, 0));
	for (i = 0; i < 3; i++, least *= 2) {
		begun = now();
		EXPECT_EQ(0, nack(w, &l));
		EXPECT_EQ(1, FIGURE(self, RETRYING));
		ASSERT_EQ(0, take_one(w, &l, MQ_LONG));
		EXPECT_LE(least, now() - begun);
	}
	EXPECT_EQ(0, mq_set(self->ctl, self->topic, "g", MQBUS_GROUP_SET_BACKOFF, NULL,
			    .backoff_min = MQBUS_BACKOFF_NONE));
	EXPECT_EQ(0, nack(w, &l));
	EXPECT_EQ(0, take_one(w, &l, 0));
}

/* Records that fail always, and at once, get every second turn and not more */
static void take_turns(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self,
		       __u32 max_inflight, __u32 flags, int poison)
{
	struct worker *w = self->worker;
	int fresh = 0, retries = 0, row = 0, i;
	struct mqbus_leased l;
	__s64 number;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic));
	begin(self, .backoff_min = MQBUS_BACKOFF_NONE, .max_inflight = max_inflight,
	      .flags = flags);
	for (i = 0; i < 200; i++)
		ASSERT_EQ(1, put_keyed(self->fd, i < poison ? i : 1000 + i % 3, i));
	while (fresh < 200) {
		number = take_one(w, &l, 0);
		ASSERT_LE(0, number);
		row = l.attempt == 1 ? 0 : row + 1;
		ASSERT_GT(2, row) TH_LOG("%d fresh ones, %d retries", fresh, retries);
		fresh += l.attempt == 1;
		retries += l.attempt > 1;
		ASSERT_EQ(0, number < poison ? nack(w, &l) : ack(w, &l));
	}
	EXPECT_LE(199, retries);
	EXPECT_EQ(poison, FIGURE(self, RETRYING));
	EXPECT_EQ(0, FIGURE(self, INFLIGHT));
}

TEST_F(queue, turns_one_in_flight)
{
	take_turns(_metadata, self, 1, 0, 10);
}

TEST_F(queue, turns_two_in_flight)
{
	take_turns(_metadata, self, 2, 0, 10);
}

TEST_F(queue, turns_many_in_flight)
{
	take_turns(_metadata, self, 0, 0, 150);
}

TEST_F(queue, turns_key_exclusive)
{
	take_turns(_metadata, self, 2, MQBUS_QUEUE_F_KEY_EXCLUSIVE, 10);
}

/* What fails at once, for ever, does not hold the space of its topic */
TEST_F(queue, others_flow_past_what_fails_at_once)
{
	struct worker *w = self->worker;
	__u64 v = 0, acked = 0;
	struct mqbus_leased l;
	unsigned int tries;
	__s64 got;

	ASSERT_EQ(0, mq_create(self->ctl, self->topic, .size = 4096));
	begin(self, .backoff_min = MQBUS_BACKOFF_NONE);
	while (acked < 300) {
		ASSERT_EQ(1, mq_put(self->fd, &v, sizeof(v), 0)) TH_LOG("%llu", acked);
		v++;
		tries = 0;
		do {
			ASSERT_GT(4, tries++);
			got = take_one(w, &l, 0);
			ASSERT_LE(0, got);
			ASSERT_EQ(0, got ? ack(w, &l) : nack(w, &l));
			acked += got != 0;
		} while (acked + 1 < v);
	}
}

/* A record that kills each of its members lets the others pass, with one in flight, too */
TEST_F(queue, others_flow_past_what_kills)
{
	struct worker *w = self->worker;
	struct mqbus_leased l;
	__s64 got, next = 1;
	int i;

	begin(self, .max_inflight = 1);
	put_numbers(self->fd, 0, 6);
	for (i = 0; next < 6; i++) {
		ASSERT_GT(20, i);
		got = take_one(w, &l, 0);
		if (got) {
			ASSERT_EQ(next, got);
			next++;
			ASSERT_EQ(0, ack(w, &l));
		} else {
			worker_close(w);
			join(self, 0);
		}
	}
}

TEST_HARNESS_MAIN
