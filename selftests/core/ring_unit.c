// SPDX-License-Identifier: GPL-2.0
/*
 * Room in a ring: refused records, queries, and how much one hold of the lock drops.
 */
#include "record.h"
#include "test.h"

#define SMALL		sizeof(struct mqbus_record)

static struct mqbus_ring ring;
static struct ring_mem mem;

static void stage(u32 size, u32 owner)
{
	rec_fill(mqbus_ring_slot(&ring), size, ring.tail.offset, 0);
	mqbus_ring_slot(&ring)->__owner = owner;
	mqbus_ring_stage(&ring, size);
}

static void make(u64 size, bool evict)
{
	ring_make(&mem, &ring, size, evict);
	spin_lock(&ring.lock);
}

static void unmake(void)
{
	spin_unlock(&ring.lock);
	ring_mem_free(&mem);
}

static void fill(u64 n, u32 size)
{
	for (; n; n--) {
		CHECK(mqbus_ring_reserve(&ring, size, 0));
		stage(size, 0);
	}
	mqbus_ring_publish(&ring);
}

/* Of an empty ring, a partly filled and a full one */
static void test_too_large(const char *name, bool evict, u64 floor)
{
	static const u32 sizes[] = { 0, 2049, 2056, 4096, 4104, 10240, 64 * 1088, 262144, -8U };
	u32 i, n;

	test_begin(name);
	for (n = 0; n <= 4; n++) {
		make(4096, evict);
		fill(n, 1024);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			CHECK(mqbus_ring_ask(&ring, sizes[i], floor) == -EMSGSIZE);
			CHECK(!mqbus_ring_fits(&ring, sizes[i]));
			CHECK(!mqbus_ring_reserve(&ring, sizes[i], floor));
			CHECK(ring.head.pos == 0 && ring.tail.pos == n * 1024);
			CHECK(mem.page->head == 0 && mem.page->tail == n * 1024);
			CHECK(!ring.evicted);
		}
		/* The largest record */
		CHECK(mqbus_ring_reserve(&ring, 2048, U64_MAX));
		CHECK(ring.tail.pos + 2048 - ring.head.pos <= 4096);
		unmake();
	}
	test_end();
}

/* A ring that keeps drops nothing for a record if all that it may drop is not enough */
static void test_vain(void)
{
	test_begin("room: nothing goes in vain");
	make(4096, false);
	fill(4, 1024);
	CHECK(mqbus_ring_ask(&ring, 2048, 1024) == -ENOBUFS);
	CHECK(!mqbus_ring_reserve(&ring, 2048, 1024));
	CHECK(ring.head.pos == 0 && mem.page->head == 0);
	CHECK(mqbus_ring_ask(&ring, 1024, 1024) == 0 && ring.head.pos == 0);
	CHECK(mqbus_ring_ask(&ring, 2048, 2048) == 0 && ring.head.pos == 0);
	CHECK(mqbus_ring_reserve(&ring, 2048, 2048) && ring.head.pos == 2048);
	unmake();
	test_end();
}

/* The bytes of several records together are asked for, and then all fit */
static void test_together(void)
{
	u32 i;

	test_begin("room: for several records together");
	make(4096, false);
	fill(32, 128);
	CHECK(mqbus_ring_ask(&ring, 8 * 256, 2048) == 0);
	CHECK(mqbus_ring_ask(&ring, 8 * 256, 2048 - 128) == -ENOBUFS);
	CHECK(mqbus_ring_reserve(&ring, 8 * 256, 2048) && ring.head.pos == 2048);
	for (i = 0; i < 8; i++) {
		CHECK(mqbus_ring_fits(&ring, 256));
		stage(256, 0);
	}
	CHECK(!mqbus_ring_fits(&ring, SMALL));
	unmake();
	test_end();
}

/* One large record where many small ones have to go, and no more */
static void test_large(const char *name, bool evict)
{
	u64 floor = evict ? 0 : U64_MAX;

	test_begin(name);
	make(1 << 20, evict);
	fill((1 << 20) / SMALL, SMALL);
	CHECK(mqbus_ring_reserve(&ring, 262144 + SMALL, floor));
	CHECK(ring.head.offset == 262144 / SMALL + 1 && mem.page->head == ring.head.pos);
	CHECK(ring.evicted == (evict ? ring.head.offset : 0));
	unmake();
	test_end();
}

/* Each record of one uid has to drop 255 of another's */
static void test_share_hold(void)
{
	u64 *used = calloc(MQBUS_RING_OWNERS, sizeof(*used));
	u64 size = 16 << 20, dense = 2000, i, most, head;
	u32 holds = 0, stored = 0;
	int err = 0;

	test_begin("room: a share drops no more than so many under one hold");
	make(size, false);
	mqbus_ring_count(&ring, used);
	for (i = 0; i < size / SMALL - 3000; i++) {
		CHECK(mqbus_ring_reserve(&ring, SMALL, 0));
		stage(SMALL, i < size / SMALL - 3000 - dense && i % 256 != 255 ? 2 : 1);
	}
	mqbus_ring_publish(&ring);
	most = used[1];
	for (; stored < 100; holds++) {
		mqbus_ring_begin(&ring);
		head = ring.head.offset;
		while (stored < 100) {
			err = mqbus_ring_share(&ring, 1, 0, SMALL, most, ring.tail.pos);
			if (err)
				break;
			CHECK(mqbus_ring_reserve(&ring, SMALL, 0));
			stage(SMALL, 1);
			stored++;
		}
		CHECK(ring.head.offset - head <= MQBUS_RING_DROPS);
		CHECK(!err || (err == -EAGAIN && ring.head.offset - head == MQBUS_RING_DROPS));
	}
	CHECK(holds == 100 * 256 / MQBUS_RING_DROPS);
	CHECK(mqbus_ring_ask_share(&ring, 1, 0, SMALL, most, ring.tail.pos) == -EAGAIN);
	CHECK(mqbus_ring_ask_share(&ring, 1, 0, SMALL, most, ring.head.pos) == -EXFULL);
	CHECK(mqbus_ring_ask_share(&ring, 3, 0, SMALL, 0, 0) == 0);
	/* Owner 0 has no bytes before a record that is stored together with it */
	CHECK(mqbus_ring_ask_share(&ring, 3, SMALL, SMALL, 2 * SMALL, 0) == 0);
	CHECK(mqbus_ring_ask_share(&ring, 3, SMALL, SMALL, 2 * SMALL - 1, 0) == -EMSGSIZE);
	free(used);
	unmake();
	test_end();
}

int main(void)
{
	test_init(5);
	test_too_large("room: what can never fit, in a ring that keeps", false, 0);
	test_too_large("room: what can never fit, when all is settled", false, U64_MAX);
	test_too_large("room: what can never fit, in a ring that evicts", true, 0);
	test_vain();
	test_together();
	test_large("room: what must go goes at once, in a ring that keeps", false);
	test_large("room: what must go goes at once, in a ring that evicts", true);
	test_share_hold();
	return test_done();
}
