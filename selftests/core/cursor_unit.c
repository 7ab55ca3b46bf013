// SPDX-License-Identifier: GPL-2.0
/*
 * A reader's cursor: lost records, how they are reported, and ranges that are taken back.
 */
#include "cursor.h"
#include "record.h"
#include "test.h"

/* Append a record; those below @floor may be dropped for it */
static void append_above(struct mqbus_ring *ring, u32 size, u64 floor)
{
	spin_lock(&ring->lock);
	CHECK(mqbus_ring_reserve(ring, size, floor));
	rec_fill(mqbus_ring_slot(ring), size, ring->tail.offset, 0);
	mqbus_ring_stage(ring, mqbus_ring_slot(ring)->size);
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
}

static void append_one(struct mqbus_ring *ring, u32 size)
{
	append_above(ring, size, 0);
}

static void append_some(struct mqbus_ring *ring, u32 n)
{
	while (n--)
		append_one(ring, 1024);
}

/* A cursor at the beginning of an empty ring */
static void begin(struct ring_mem *mem, struct mqbus_ring *ring, struct mqbus_cursor *c, u32 size,
		  bool evict)
{
	ring_make(mem, ring, size, evict);
	mqbus_cursor_init(c);
	spin_lock(&ring->lock);
	mqbus_cursor_place(c, ring, &(struct mqbus_mark){});
	spin_unlock(&ring->lock);
}

/* Several owners in turn must not count the same lost records again */
static void test_lost_once(void)
{
	struct mqbus_cursor c;
	struct mqbus_range r;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: a lost record counts once");
	begin(&mem, &ring, &c, 4096, true);

	append_some(&ring, 10);
	for (i = 0; i < 3; i++) {
		CHECK(mqbus_cursor_take(&c, &ring, &r));
		CHECK(r.lost == 6 && r.begin_offset == 6 && r.end_offset == 10);
		CHECK(c.lost == 6);
		mqbus_cursor_rewind(&c);
		/* Settling nothing changes nothing */
		mqbus_cursor_commit(&c, &c.given);
	}

	/* Two of the four unsettled ones are evicted, too */
	append_some(&ring, 2);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 8 && c.lost == 8);
	mqbus_cursor_commit(&c, &c.given);
	append_some(&ring, 5);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 1 && c.lost == 9);
	ring_mem_free(&mem);
	test_end();
}

/* A range that did not arrive: as if it had not been handed out, except for settled records */
static void test_untake(void)
{
	struct mqbus_cursor c;
	struct mqbus_range r;
	struct mqbus_ring ring;
	struct ring_mem mem;

	test_begin("cursor: a range that is taken back");
	begin(&mem, &ring, &c, 4096, true);
	append_some(&ring, 10);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6);
	mqbus_cursor_untake(&c, &r);
	CHECK(c.given.offset == 6);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6 && r.begin_offset == 6);
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ 7 * 1024, 7 });
	mqbus_cursor_untake(&c, &r);
	CHECK(c.done.offset == 7 && c.given.offset == 7);
	append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6 && r.begin_offset == 7);

	/*
	 * Lost records whose report did not arrive, and whose gap was committed: the next owner
	 * is told
	 */
	append_some(&ring, 6);
	mqbus_cursor_commit(&c, &c.given);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 2 && r.begin_offset == 13);
	mqbus_cursor_untake(&c, &r);
	mqbus_cursor_commit(&c, &c.given);
	mqbus_cursor_rewind(&c);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 2 && r.begin_offset == 13);
	ring_mem_free(&mem);
	test_end();
}

/* Expect a range: its begin, and the number of records lost before it */
static void take(struct mqbus_cursor *c, struct mqbus_ring *ring, struct mqbus_range *r,
		 u64 lost, u64 begin)
{
	CHECK(mqbus_cursor_take(c, ring, r) && r->lost == lost && r->begin_offset == begin);
}

/* Below a commit nothing is lost again: the gap is reported until its reader commits */
static void test_owed(void)
{
	struct mqbus_cursor c;
	struct mqbus_range r[2];
	struct mqbus_ring ring;
	struct ring_mem mem;

	test_begin("cursor: a gap that was committed before it was told");
	begin(&mem, &ring, &c, 4096, true);

	/* Reported to a reader that dies */
	append_some(&ring, 10);
	take(&c, &ring, r, 6, 6);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_commit(&c, &c.given);
	take(&c, &ring, r, 6, 6);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 6, 6);
	mqbus_cursor_commit(&c, &c.given);
	mqbus_cursor_rewind(&c);
	append_some(&ring, 1);
	take(&c, &ring, r, 0, 10);
	mqbus_cursor_commit(&c, &c.given);

	/* Another gap behind it, and neither is reported */
	append_some(&ring, 6);
	take(&c, &ring, r, 2, 13);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_commit(&c, &c.given);
	append_some(&ring, 4);
	take(&c, &ring, r, 6, 17);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 6, 17);

	/* Committed during the report, up to the beginning of the range or further */
	mqbus_cursor_commit(&c, &c.given);
	append_some(&ring, 6);
	take(&c, &ring, r, 2, 23);
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ r->begin, r->begin_offset });
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 2, 23);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 2, 23);
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ r->begin + 1024, 24 });
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 2, 24);

	/* Evicted during the report, and the records behind it are committed */
	mqbus_cursor_commit(&c, &c.given);
	append_some(&ring, 2);
	take(&c, &ring, r, 0, 27);
	append_some(&ring, 4);
	take(&c, &ring, r + 1, 0, 29);
	mqbus_cursor_commit(&c, &c.given);
	mqbus_cursor_lose(&c, r);
	mqbus_cursor_rewind(&c);
	append_some(&ring, 1);
	take(&c, &ring, r, 2, 33);

	/* A seek starts over */
	append_some(&ring, 5);
	take(&c, &ring, r, 1, 35);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_commit(&c, &c.given);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &ring.head);
	spin_unlock(&ring.lock);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 0, 35);
	ring_mem_free(&mem);
	test_end();
}

/* Handed out behind a range that did not arrive: comes again, and counts as redelivered */
static void test_untake_behind(void)
{
	struct mqbus_range r[4];
	struct mqbus_cursor c;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: a range that is taken back from before others");
	begin(&mem, &ring, &c, 65536, false);
	for (i = 0; i < 3; i++) {
		append_some(&ring, 2);
		CHECK(mqbus_cursor_take(&c, &ring, &r[i]));
	}
	mqbus_cursor_untake(&c, &r[1]);
	CHECK(c.given.offset == 2 && c.delivered == 4 && !c.redelivered);
	mqbus_cursor_untake(&c, &r[0]);
	CHECK(c.given.offset == 0 && c.delivered == 2 && !c.redelivered);
	CHECK(mqbus_cursor_take(&c, &ring, &r[3]) && r[3].end_offset == 6);
	CHECK(c.delivered == 8 && c.redelivered == 2);
	mqbus_cursor_untake(&c, &r[3]);
	CHECK(!c.given.offset && c.delivered == 2 && !c.redelivered);
	/* Settled meanwhile: only the rest is lost */
	CHECK(mqbus_cursor_take(&c, &ring, &r[3]));
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ 3 * 1024, 3 });
	mqbus_cursor_untake(&c, &r[3]);
	CHECK(c.given.offset == 3 && c.given.pos == 3 * 1024);
	/* Evicted during the report, while others were given the records behind */
	append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r[0]));
	append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r[1]));
	i = c.delivered;
	mqbus_cursor_lose(&c, &r[0]);
	CHECK(c.given.offset == 8 && c.lost == 4 && c.untold == 4 && c.delivered == i - 4);
	mqbus_cursor_lose(&c, &r[1]);
	CHECK(c.given.offset == 7 && c.lost == 4 && c.delivered == i - 5);
	ring_mem_free(&mem);
	test_end();
}

#define TELLERS	4

/* Threads of one member, some of whose reports fail: each record is reported in the end */
static void test_untake_threads(void)
{
	static u32 told[70000];
	struct mqbus_range r[TELLERS];
	bool busy[TELLERS] = {};
	struct mqbus_cursor c;
	struct mqbus_ring ring;
	struct ring_mem mem;
	struct rng rng;
	u64 i, o, handed = 0, done = 0;

	test_begin("cursor: threads that are told or not");
	rng_init(&rng, 7);
	begin(&mem, &ring, &c, 4096, false);
	for (i = 0; i < 200000; i++) {
		u32 t = rng_below(&rng, TELLERS);

		spin_lock(&ring.lock);
		if (rng_once(&rng, 2) && ring.tail.offset < ARRAY_SIZE(told) &&
		    mqbus_ring_reserve(&ring, 64, c.floor)) {
			rec_fill(mqbus_ring_slot(&ring), 64, ring.tail.offset, 0);
			mqbus_ring_stage(&ring, 64);
			mqbus_ring_publish(&ring);
		}
		spin_unlock(&ring.lock);
		if (!busy[t]) {
			busy[t] = mqbus_cursor_take(&c, &ring, &r[t]);
		} else if (rng_once(&rng, 3)) {
			mqbus_cursor_untake(&c, &r[t]);
			busy[t] = false;
		} else {
			for (o = r[t].begin_offset; o < r[t].end_offset; o++, handed++)
				told[o]++;
			busy[t] = false;
		}
		/* Not above the reported records, nor above those handed out */
		while (done < c.given.offset && told[done])
			done++;
		if (rng_once(&rng, 4) && done > c.done.offset)
			mqbus_cursor_commit(&c, &(struct mqbus_mark){ done * 64, done });
	}
	for (i = 0; i < TELLERS; i++)
		if (busy[i])
			mqbus_cursor_untake(&c, &r[i]);
	if (mqbus_cursor_take(&c, &ring, &r[0]))
		for (o = r[0].begin_offset; o < r[0].end_offset; o++, handed++)
			told[o]++;
	for (o = 0; o < ring.tail.offset; o++)
		CHECK(told[o]);
	CHECK(c.delivered == handed && c.redelivered < handed && ring.tail.offset > 1000);
	test_note("%llu records, told %llu times", (unsigned long long)ring.tail.offset,
		  (unsigned long long)handed);
	ring_mem_free(&mem);
	test_end();
}

/* An observer holds nothing back, wherever it is, and counts what it lost */
static void test_observes(void)
{
	struct mqbus_cursor c;
	struct mqbus_range r;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: an observer holds nothing back");
	ring_make(&mem, &ring, 4096, false);
	mqbus_cursor_init(&c);
	mqbus_cursor_observe(&c);
	append_some(&ring, 2);
	spin_lock(&ring.lock);
	ring.floor = ring.tail.pos;
	mqbus_cursor_place(&c, &ring, &(struct mqbus_mark){});
	/* Others' floor stays, too */
	CHECK(ring.floor == ring.tail.pos);
	spin_unlock(&ring.lock);
	CHECK(mqbus_cursor_floor(&c) == MQBUS_CURSOR_NO_FLOOR);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.end_offset == 2);
	mqbus_cursor_commit(&c, &c.given);
	CHECK(c.done.offset == 2 && mqbus_cursor_floor(&c) == MQBUS_CURSOR_NO_FLOOR);
	for (i = 0; i < 5; i++)
		append_above(&ring, 1024, ring.tail.pos);
	CHECK(!ring.evicted);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 1 && c.lost == 1);
	ring_mem_free(&mem);
	test_end();
}

int main(void)
{
	test_init(1);
	test_lost_once();
	test_untake();
	test_owed();
	test_untake_behind();
	test_untake_threads();
	test_observes();
	return test_done();
}
