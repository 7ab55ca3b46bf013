// SPDX-License-Identifier: GPL-2.0
/*
 * From record to record: in place, and by copies while a writer overtakes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "ring.h"
#include "test.h"

/*
 * Everything in the current range, letting others run after every @pause records;
 * returns how many, -1 if one is not whole.
 */
static long walk(struct mqbus_consumer *c, long pause)
{
	const struct mqbus_record *rec;
	uint32_t partition;
	long n = 0;

	while ((rec = mqbus_consumer_next(c, &partition))) {
		if (partition || !ring_whole(rec))
			return -1;
		if (++n % pause == 0)
			sched_yield();
	}
	return n;
}

static void test_in_place(void)
{
	struct mqbus_consumer c;
	struct ring r;
	int i;

	ring_make(&r, 4096);
	ring_consumer_make(&c, &r, 0);
	TEST(!mqbus_consumer_next(&c, NULL), "nothing before the first fetch");
	for (i = 0; i < 10; i++)
		ring_append(&r, i * 7);
	ring_take(&r, &c);
	TEST(!c.nr_entries, "nothing to commit yet");
	mqbus_consumer_next(&c, NULL);
	mqbus_consumer_next(&c, NULL);
	mqbus_consumer_note(&c);
	TEST(c.nr_entries == 1 && c.entries[0].offset == 2, "what was returned is to be committed");
	TEST(walk(&c, 1000) == 8, "the rest of the range");
	TEST(c.nr_entries == 1 && c.entries[0].offset == 10, "all of it is to be committed");
	mqbus_consumer_forget(&c);
	mqbus_consumer_note(&c);
	TEST(!c.nr_entries, "nothing new is nothing to commit");
	TEST(!mqbus_consumer_next(&c, NULL), "the end stays the end");
	for (i = 0; i < 8; i++)
		ring_append(&r, 400);
	ring_take(&r, &c);
	TEST(walk(&c, 1000) == 8 && !c.lost, "across the end of the ring");
	ring_consumer_free(&c);
	ring_free(&r);
}

static void test_overrun(void)
{
	struct mqbus_consumer c;
	struct ring r;
	int i;

	/* 56 records of 72 bytes and 64 bytes left over */
	ring_make(&r, 4096);
	ring_consumer_make(&c, &r, 1);
	for (i = 0; i < 50; i++)
		ring_append(&r, 8);
	ring_take(&r, &c);
	for (i = 0; i < 10; i++)
		mqbus_consumer_next(&c, NULL);
	for (i = 0; i < 26; i++)
		ring_append(&r, 8);
	TEST(walk(&c, 1000) == 30 && c.lost == 10, "10 read, 20 evicted, 30 read: 10 lost");
	mqbus_consumer_note(&c);
	TEST(c.entries[0].offset == 50, "the lost ones are behind us");
	ring_take(&r, &c);
	TEST(!c.ranges[0].lost && walk(&c, 1000) == 26 && c.lost == 10, "the next range is whole");

	for (i = 0; i < 20; i++)
		ring_append(&r, 8);
	ring_take(&r, &c);
	for (i = 0; i < 200; i++)
		ring_append(&r, 8);
	TEST(!mqbus_consumer_next(&c, NULL) && c.lost == 30, "a range that is gone is lost");
	ring_take(&r, &c);
	TEST(c.ranges[0].lost == 144 && walk(&c, 1000) == 56 && c.lost == 174,
	     "and so are those before the next");

	ring_append(&r, 8);
	ring_take(&r, &c);
	((struct mqbus_record *)(r.data + (c.pos & (r.size - 1))))->size = 12;
	TEST(!mqbus_consumer_next(&c, NULL), "a size that cannot be ends the range");
	ring_consumer_free(&c);
	ring_free(&r);
}

/* A dead letter may be larger than what producers of the topic may publish */
static void test_large(void)
{
	struct mqbus_consumer c;
	struct ring r;

	ring_make(&r, 4096);
	ring_consumer_make(&c, &r, 1);
	c.copy_size = sizeof(*c.copy) + 8;
	ring_append(&r, 8);
	ring_append(&r, 1500);
	ring_append(&r, 300);
	ring_append(&r, 8);
	ring_take(&r, &c);
	TEST(walk(&c, 1000) == 4 && !c.lost, "a record that is larger than the topic's");
	ring_consumer_free(&c);
	ring_free(&r);
}

/**
 * struct writer - what the writing thread does
 * @ring: where to
 * @records: how many
 * @seed: of their sizes
 * @done: 1 once all are written
 */
struct writer {
	struct ring *ring;
	long records;
	unsigned int seed;
	int done;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	long i;

	for (i = 0; i < w->records; i++)
		ring_append(w->ring, rand_r(&w->seed) % 300);
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_race(long records, uint64_t size, unsigned int seed)
{
	struct writer w = { .records = records, .seed = seed };
	struct mqbus_consumer c;
	unsigned long overrun = 0, before;
	struct ring r;
	pthread_t thread;
	long read = 0;
	int done;

	ring_make(&r, size);
	ring_consumer_make(&c, &r, 1);
	w.ring = &r;
	pthread_create(&thread, NULL, write_all, &w);
	do {
		done = __atomic_load_n(&w.done, __ATOMIC_ACQUIRE);
		ring_take(&r, &c);
		before = c.lost;
		read += walk(&c, 1 + rand_r(&seed) % 20);
		overrun += c.lost - before;
	} while (!done);
	pthread_join(thread, NULL);
	printf("# %ld written, %ld read, %lu lost, %lu of them in place\n", records, read,
	       (unsigned long)c.lost, overrun);
	TEST(read + (long)c.lost == records, "a writer that overtakes: read + lost = written");
	TEST(read && overrun, "some were read, and some overtaken in place");
	ring_consumer_free(&c);
	ring_free(&r);
}

int main(void)
{
	const char *seed = getenv("SEED");
	unsigned int s = seed ? strtoul(seed, NULL, 0) : 1;

	test_begin();
	printf("# SEED=%u\n", s);
	test_in_place();
	test_overrun();
	test_large();
	test_race(2000000, 4096, s);
	test_race(2000000, 65536, s + 1);
	return test_end();
}
