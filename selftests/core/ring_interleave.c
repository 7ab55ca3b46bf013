// SPDX-License-Identifier: GPL-2.0
/*
 * One thread plays two CPUs: at each place where core accesses shared memory, the other CPU
 * runs - a reader that checks everything after each store of a writer, or a writer that takes a
 * step before each load of a reader. So races that threads meet once a day are met in each run.
 *
 * A CPU's reordering of accesses cannot be played; instead each access is checked to be of the
 * kind that its comment promises.
 */
#include "cursor.h"
#include "record.h"
#include "test.h"

#define SIZE		4096
#define RECORDS		(1 << 20)

static struct ring_mem mem;
static struct mqbus_ring ring;
static struct mqbus_cursor cursor;
static struct rng rng;
/* By offset: begin and size of each record */
static u64 *pos_of;
static u32 *size_of;

static void setup(bool evict)
{
	const struct mqbus_mark start = {};

	ring_make(&mem, &ring, SIZE, evict);
	pos_of = calloc(RECORDS + 1, sizeof(*pos_of));
	size_of = calloc(RECORDS, sizeof(*size_of));
	mqbus_cursor_init(&cursor);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&cursor, &ring, &start);
	spin_unlock(&ring.lock);
}

static void teardown(void)
{
	shim_hook = NULL;
	free(pos_of);
	free(size_of);
	ring_mem_free(&mem);
}

/* The head moved, and no barrier came yet */
static bool need_wmb;

/* The state that a reader finds at this point */
static void look(void)
{
	struct mqbus_ring_page *page = mem.page;
	u64 pos = page->head, offset;

	if (page->next_offset == page->next_begun)
		CHECK(pos_of[page->next_offset] == page->tail);
	if (page->head_offset == page->head_begun)
		CHECK(pos_of[page->head_offset] == page->head);
	CHECK(page->head <= page->tail && page->tail - page->head <= SIZE);
	if (pos == page->tail)
		return;
	offset = mqbus_ring_record(&ring, pos)->offset;
	for (; pos != page->tail; offset++) {
		const struct mqbus_record *rec = mqbus_ring_record(&ring, pos);

		CHECK(offset < ring.tail.offset && pos == pos_of[offset]);
		CHECK(rec->size == size_of[offset] && rec_whole(rec, offset));
		pos += rec->size;
	}
}

/* Called after each store of the writer */
static void writer_stored(enum shim_op op, const volatile void *at)
{
	struct mqbus_ring_page *page = mem.page;

	if (op == SHIM_WMB)
		need_wmb = false;
	if (op != SHIM_WRITE && op != SHIM_RELEASE)
		return;
	/* ORD_TAIL and ORD_PAIR promise release */
	if (at == &page->tail || at == &page->next_offset || at == &page->head ||
	    at == &page->head_offset)
		CHECK(op == SHIM_RELEASE);
	/* ORD_HEAD promises a barrier between the head and the bytes below */
	if (at == &page->head)
		need_wmb = true;
	look();
}

/* Often the smallest, which a position that is too far is just behind */
static u32 some_size(void)
{
	return rng_once(&rng, 2) ? sizeof(struct mqbus_record) : rec_size(&rng, SIZE, 100);
}

/* Append, with a look at the half written record. Return: whether there was room. */
static bool append(u32 size, u64 floor, bool peek)
{
	u64 offset = ring.tail.offset;

	CHECK(offset < RECORDS);
	if (!mqbus_ring_reserve(&ring, size, floor))
		return false;
	CHECK(!need_wmb);
	memset(mqbus_ring_slot(&ring), 0xff, size / 2);
	if (peek)
		look();
	rec_fill(mqbus_ring_slot(&ring), size, offset, offset);
	size_of[offset] = size;
	pos_of[offset + 1] = pos_of[offset] + size;
	mqbus_ring_stage(&ring, mqbus_ring_slot(&ring)->size);
	if (peek)
		look();
	return true;
}

static void test_writer(const char *name, bool evict)
{
	u64 i, n, refused = 0;

	test_begin(name);
	rng_init(&rng, evict);
	setup(evict);
	shim_hook = writer_stored;
	for (i = 0; i < 60000; i++) {
		spin_lock(&ring.lock);
		/* At times more than the ring takes: parts of the batch are shown early */
		for (n = 1 + rng_below(&rng, rng_once(&rng, 16) ? 80 : 4); n; n--) {
			if (!append(some_size(), mqbus_cursor_floor(&cursor), true)) {
				refused++;
				break;
			}
		}
		mqbus_ring_publish(&ring);
		if (rng_once(&rng, 8))
			mqbus_ring_expire(&ring, mqbus_cursor_floor(&cursor),
					  ring.tail.offset - rng_below(&rng, 20), U64_MAX,
					  1 + rng_below(&rng, 20));
		spin_unlock(&ring.lock);
		CHECK(!need_wmb);
		if (rng_once(&rng, 2)) {
			/* The reader settles all records */
			struct mqbus_mark to = {
				.offset = ring.head.offset +
					  rng_below(&rng, ring.tail.offset - ring.head.offset + 1),
			};

			to.pos = pos_of[to.offset];
			mqbus_cursor_commit(&cursor, &to);
		}
	}
	CHECK(evict == !refused);
	teardown();
	test_end();
}

/* The other CPU takes a step, unless this one has the lock */
static void write_some(u64 n)
{
	if (spin_is_mine(&ring.lock))
		return;
	spin_lock(&ring.lock);
	for (; n; n--)
		if (!append(some_size(), mqbus_cursor_floor(&cursor), false))
			break;
	mqbus_ring_publish(&ring);
	if (rng_once(&rng, 16))
		mqbus_ring_expire(&ring, mqbus_cursor_floor(&cursor), ring.tail.offset, U64_MAX,
				  4);
	spin_unlock(&ring.lock);
}

/* Loads that the writer precedes, as bits, the next one lowest */
static u64 precede;
/* mqbus_ring_end() runs alone: no other function loads the tail */
static bool only_end;

static void reader_loads(enum shim_op op, const volatile void *at)
{
	bool now = precede & 1;

	if (op != SHIM_READ && op != SHIM_ACQUIRE && op != SHIM_LOCK)
		return;
	precede >>= 1;
	if (at == &mem.page->next_offset || (at == &mem.page->tail && only_end))
		CHECK(op == SHIM_ACQUIRE);
	if (!now)
		return;
	shim_hook = NULL;
	write_some(1 + rng_below(&rng, rng_once(&rng, 4) ? 60 : 3));
	shim_hook = reader_loads;
}

static void test_end_pairs(void)
{
	struct mqbus_mark end;
	u64 mask;

	test_begin("position and offset of the end are a pair, whenever writers come");
	rng_init(&rng, 2);
	setup(true);
	only_end = true;
	/* Four tries of three loads, and the lock */
	for (mask = 0; mask < 1 << 13; mask++) {
		u64 before = ring.tail.offset;

		precede = mask;
		shim_hook = reader_loads;
		mqbus_ring_end(&ring, &end);
		shim_hook = NULL;
		CHECK(end.pos == pos_of[end.offset]);
		CHECK(end.offset >= before && end.offset <= ring.tail.offset);
	}
	only_end = false;
	teardown();
	test_end();
}

static void one_take(u64 *lost, u64 *read)
{
	struct mqbus_mark from = cursor.given, head = ring.head, tail = ring.tail;
	u64 untold = cursor.untold;	/* records lost in the step before */
	struct mqbus_range r;
	bool got;

	shim_hook = reader_loads;
	got = mqbus_cursor_take(&cursor, &ring, &r);
	shim_hook = NULL;
	if (!got) {
		CHECK(tail.pos == from.pos && cursor.given.pos == from.pos);
		return;
	}
	CHECK(r.begin_offset + untold == from.offset + r.lost);
	CHECK(r.begin == pos_of[r.begin_offset] && r.end == pos_of[r.end_offset]);
	CHECK(r.begin <= r.end && r.end >= tail.pos && r.end <= ring.tail.pos);
	CHECK(r.begin_offset >= head.offset);
	CHECK(r.lost == untold || r.begin_offset <= ring.head.offset);
	*lost += r.lost - untold;
	*read += r.end_offset - r.begin_offset;
	CHECK(*lost == cursor.lost && *lost + *read == cursor.given.offset);
}

static bool saw_rmb;

static void passed_loads(enum shim_op op, const volatile void *at)
{
	if (op == SHIM_RMB)
		saw_rmb = true;
	if (at == &mem.page->head)
		CHECK(saw_rmb);
}

/* Copy a record that may be overwritten. Return: whether the copy is good. */
static bool copy_out(const struct mqbus_mark *at, u32 size)
{
	static struct {
		struct mqbus_record rec;
		char parts[SIZE];
	} copy;
	u32 half = rng_below(&rng, size / 8 + 1) * 8;
	char *from = (char *)mqbus_ring_record(&ring, at->pos);

	memcpy(&copy, from, half);
	if (rng_once(&rng, 2))
		write_some(1 + rng_below(&rng, 20));
	memcpy((char *)&copy + half, from + half, size - half);
	saw_rmb = false;
	shim_hook = passed_loads;
	if (mqbus_ring_passed(&ring, at->pos)) {
		shim_hook = NULL;
		CHECK(ring.head.offset > at->offset);
		return false;
	}
	shim_hook = NULL;
	CHECK(ring.head.offset <= at->offset && rec_whole(&copy.rec, at->offset));
	return true;
}

static void one_step(u64 *lost, u64 *read)
{
	struct mqbus_mark from = cursor.given, head = ring.head, tail = ring.tail, begin;
	u64 now_lost;
	u32 len;
	bool got;

	shim_hook = reader_loads;
	got = mqbus_cursor_step(&cursor, &ring, &begin, &len);
	shim_hook = NULL;
	now_lost = cursor.lost - *lost;
	*lost += now_lost;
	if (!got) {
		/* No record, or all of them expired */
		CHECK(tail.pos == from.pos || now_lost);
		CHECK(cursor.given.offset == from.offset + now_lost);
		return;
	}
	CHECK(begin.offset == from.offset + now_lost && begin.pos == pos_of[begin.offset]);
	CHECK(begin.offset >= head.offset);
	CHECK(len == size_of[begin.offset] - sizeof(struct mqbus_record));
	CHECK(cursor.given.offset == begin.offset + 1);
	CHECK(cursor.given.pos == pos_of[begin.offset + 1]);
	++*read;
	CHECK(*lost + *read == cursor.given.offset);
	copy_out(&begin, size_of[begin.offset]);
}

static void test_reader(const char *name, bool evict)
{
	u64 i, lost = 0, read = 0;

	test_begin(name);
	rng_init(&rng, 4 + evict);
	setup(evict);
	for (i = 0; i < 60000; i++) {
		/* Rarely, so that each place is met with quiet ones around it */
		precede = rng_next(&rng) & rng_next(&rng);
		if (rng_once(&rng, 2))
			one_take(&lost, &read);
		else
			one_step(&lost, &read);
		if (rng_once(&rng, 4))
			mqbus_cursor_commit(&cursor, &cursor.given);
	}
	test_note("%llu read, %llu lost", (unsigned long long)read, (unsigned long long)lost);
	CHECK(read && evict == !!lost);
	teardown();
	test_end();
}

/* ORD_FLOOR: a reader's commit is complete before writers see it */
static enum shim_op floor_op;

static void floor_touched(enum shim_op op, const volatile void *at)
{
	if (at == &cursor.floor)
		floor_op = op;
}

static void test_floor(void)
{
	struct mqbus_mark to = { .pos = 64, .offset = 1 };

	test_begin("the floor is stored with release and loaded with acquire");
	mqbus_cursor_init(&cursor);
	CHECK(mqbus_cursor_floor(&cursor) == MQBUS_CURSOR_NO_FLOOR);
	shim_hook = floor_touched;
	mqbus_cursor_commit(&cursor, &to);
	CHECK(floor_op == SHIM_RELEASE);
	CHECK(mqbus_cursor_floor(&cursor) == 64 && floor_op == SHIM_ACQUIRE);
	shim_hook = NULL;
	test_end();
}

int main(void)
{
	test_init(3);
	test_writer("a reader comes after each store, ring keeps", false);
	test_writer("a reader comes after each store, ring evicts", true);
	test_end_pairs();
	test_reader("a writer comes before each load, ring keeps", false);
	test_reader("a writer comes before each load, ring evicts", true);
	test_floor();
	return test_done();
}
