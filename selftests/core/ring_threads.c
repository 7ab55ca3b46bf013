// SPDX-License-Identifier: GPL-2.0
/*
 * Writers and lock-free readers at the same time, natively and under the thread sanitizer. On a
 * ring that keeps, readers read records in place: a writer that reuses them too early is a data
 * race. On a ring that evicts, readers copy first and ask afterwards, and account for each
 * record.
 *
 * The sanitizer goes by addresses, so it does not relate the two mappings of a ring; of records
 * across the end it sees less, but their content is checked.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "cursor.h"
#include "record.h"
#include "test.h"

#define SIZE		(16 * 1024)
#define RECORDS		(6 << 20)
#define WRITERS		2
#define GROUPS		3
#define RUN_NS		3000000000ULL

struct group {
	struct mqbus_cursor cursor;
	spinlock_t lock;
	unsigned int number;
};

static struct ring_mem mem;
static struct mqbus_ring ring;
static struct group groups[GROUPS];
static u64 *pos_of;
static u64 stop_at;
static unsigned int writing;

#define RELAXED(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)

/* More switches at critical places than the scheduler makes */
static void yield_here(enum shim_op op, const volatile void *at)
{
	static __thread unsigned int n;

	if (++n % 101 == 0)
		sched_yield();
}

static u64 all_floors(void)
{
	u64 floor = MQBUS_CURSOR_NO_FLOOR;
	int i;

	for (i = 0; i < GROUPS; i++)
		floor = min(floor, mqbus_cursor_floor(&groups[i].cursor));
	ring.floor = floor;
	return floor;
}

static u64 append_batch(struct rng *rng)
{
	u64 n, staged = 0;

	spin_lock(&ring.lock);
	for (n = 1 + rng_below(rng, 16); n; n--) {
		u32 size = rec_size(rng, SIZE, 200);

		if (ring.tail.offset >= RECORDS ||
		    (!mqbus_ring_reserve(&ring, size, ring.floor) &&
		     !mqbus_ring_reserve(&ring, size, all_floors())))
			break;
		if (rng_once(rng, 16)) {
			/* Given up half way */
			memset(mqbus_ring_slot(&ring), 0xff, size / 2);
			continue;
		}
		rec_fill(mqbus_ring_slot(&ring), size, ring.tail.offset, ring.tail.offset);
		mqbus_ring_stage(&ring, mqbus_ring_slot(&ring)->size);
		__atomic_store_n(&pos_of[ring.tail.offset], ring.tail.pos, __ATOMIC_RELAXED);
		staged++;
	}
	if (staged)
		mqbus_ring_publish(&ring);
	spin_unlock(&ring.lock);
	return staged;
}

static bool time_is_over(void)
{
	return now_ns() >= stop_at || RELAXED(pos_of[RECORDS]);
}

static void *writer(void *arg)
{
	struct rng rng;

	rng_init(&rng, 100 + (unsigned long)arg);
	while (!time_is_over()) {
		if (!append_batch(&rng))
			sched_yield();
		else if (ring.evict && rng_once(&rng, 4))
			usleep(rng_below(&rng, 60));
		if (!rng_once(&rng, 32))
			continue;
		spin_lock(&ring.lock);
		mqbus_ring_expire(&ring, ring.evict ? 0 : all_floors(),
				  ring.tail.offset - min(ring.tail.offset, 100ULL), U64_MAX, 8);
		spin_unlock(&ring.lock);
	}
	__atomic_fetch_sub(&writing, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool writers_are_done(void)
{
	return !__atomic_load_n(&writing, __ATOMIC_ACQUIRE);
}

/* The promise of a mark: position and offset belong together */
static void check_pair(u64 pos, u64 offset)
{
	CHECK(offset <= RECORDS && RELAXED(pos_of[offset]) == pos);
}

static void *pair_watcher(void *arg)
{
	struct mqbus_mark end, last = {};
	u64 offset, head, pairs = 0;
	bool done;

	do {
		done = writers_are_done();
		mqbus_ring_end(&ring, &end);
		check_pair(end.pos, end.offset);
		CHECK(end.pos >= last.pos);
		last = end;

		/* ORD_PAIR: acquire, as the contract tells readers of a mapping to do it */
		offset = smp_load_acquire(&mem.page->head_offset);
		head = smp_load_acquire(&mem.page->head);
		if (smp_load_acquire(&mem.page->head_begun) == offset) {
			check_pair(head, offset);
			pairs++;
		}
		if (rng_once(arg, 8))
			sched_yield();
	} while (!done);
	CHECK(pairs);
	return NULL;
}

/* Verify records in place. Return: a place among them, for a commit. */
static struct mqbus_mark read_in_place(const struct mqbus_range *r, struct rng *rng)
{
	struct mqbus_mark at = { .pos = r->begin, .offset = r->begin_offset }, some = at;

	check_pair(r->begin, r->begin_offset);
	check_pair(r->end, r->end_offset);
	while (at.pos < r->end) {
		const struct mqbus_record *rec = mqbus_ring_record(&ring, at.pos);

		CHECK(rec_whole(rec, at.offset));
		at.pos += rec->size;
		at.offset++;
		if (rng_once(rng, 4))
			some = at;
	}
	CHECK(at.pos == r->end && at.offset == r->end_offset);
	return some;
}

/* The tail alone, with acquire, is enough to read up to it */
static void read_ahead(struct mqbus_mark at)
{
	/* ORD_TAIL: acquire; pairs with release in mqbus_ring_publish() */
	u64 tail = smp_load_acquire(&mem.page->tail);

	for (; at.pos != tail; at.offset++) {
		CHECK(at.pos < tail && rec_whole(mqbus_ring_record(&ring, at.pos), at.offset));
		at.pos += mqbus_ring_record(&ring, at.pos)->size;
	}
}

/* A group of a ring that keeps: all records, in order; a range taken back comes again */
static void *reader_in_place(void *arg)
{
	struct group *g = arg;
	struct mqbus_mark some;
	struct mqbus_range r;
	u64 next = 0;
	struct rng rng;
	bool done, got;

	rng_init(&rng, 200 + g->number);
	do {
		done = writers_are_done();
		spin_lock(&g->lock);
		got = mqbus_cursor_take(&g->cursor, &ring, &r);
		/* Writers may wait for records that are neither settled nor taken back */
		if (!got)
			mqbus_cursor_commit(&g->cursor, &g->cursor.given);
		spin_unlock(&g->lock);
		if (!got) {
			sched_yield();
			continue;
		}
		CHECK(r.begin_offset == next && !r.lost);
		/* The cursor is this thread's, and holds back writers from @done on */
		if (rng_once(&rng, 4))
			read_ahead(g->cursor.given);
		some = read_in_place(&r, &rng);
		spin_lock(&g->lock);
		if (rng_once(&rng, 4)) {
			mqbus_cursor_commit(&g->cursor, &some);
			mqbus_cursor_rewind(&g->cursor);
		} else if (!rng_once(&rng, 4)) {
			mqbus_cursor_commit(&g->cursor, &g->cursor.given);
		} else if (rng_once(&rng, 2)) {
			mqbus_cursor_rewind(&g->cursor);
		}
		next = g->cursor.given.offset;
		spin_unlock(&g->lock);
	} while (!done || got);
	CHECK(next == ring.tail.offset && !g->cursor.lost);
	return NULL;
}

/* A group of a ring that keeps which seeks back and forth */
static void *reader_that_seeks(void *arg)
{
	struct group *g = arg;
	struct mqbus_range r;
	struct rng rng;

	rng_init(&rng, 300);
	while (!writers_are_done()) {
		struct mqbus_seek seek = { .whence = rng_below(&rng, 4) };
		bool found;

		if (seek.whence >= MQBUS_WHENCE_OFFSET)
			seek.value = RELAXED(mem.page->head_offset) + rng_below(&rng, 100);
		spin_lock(&g->lock);
		do {
			spin_lock(&ring.lock);
			found = mqbus_ring_seek_step(&ring, &seek);
			if (found)
				mqbus_cursor_place(&g->cursor, &ring, &seek.at);
			spin_unlock(&ring.lock);
		} while (!found);
		if (mqbus_cursor_take(&g->cursor, &ring, &r)) {
			CHECK(!r.lost && r.begin == seek.at.pos);
			read_in_place(&r, &rng);
			mqbus_cursor_commit(&g->cursor, &g->cursor.given);
		}
		spin_unlock(&g->lock);
		sched_yield();
	}
	/* So that it holds back no writer any more */
	__atomic_store_n(&g->cursor.floor, MQBUS_CURSOR_NO_FLOOR, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * The race by design: on a ring that evicts, bytes are copied while a writer may overwrite
 * them, and mqbus_ring_passed() tells afterwards whether the copy is good. Fences order that,
 * which the sanitizer does not know, and in C it is a race all the same; so this function alone
 * is not instrumented.
 */
__attribute__((no_sanitize("thread")))
static noinline void racy_copy(u64 *to, const volatile u64 *from, u32 bytes)
{
	for (; bytes; bytes -= 8)
		*to++ = *from++;
}

/* Return: bytes of the record, or 0 if it was evicted before it was copied. */
static u32 copy_out(const struct mqbus_mark *at)
{
	static __thread u64 copy[SIZE / 8];
	struct mqbus_record *rec = (void *)copy;

	racy_copy(copy, (void *)mqbus_ring_record(&ring, at->pos), sizeof(*rec));
	/* Before its size is used */
	if (mqbus_ring_passed(&ring, at->pos))
		return 0;
	CHECK(rec->offset == at->offset && rec->size <= SIZE / 2);
	racy_copy(copy, (void *)mqbus_ring_record(&ring, at->pos), rec->size);
	if (mqbus_ring_passed(&ring, at->pos))
		return 0;
	CHECK(rec_whole(rec, at->offset));
	return rec->size;
}

/* Now and then so slow that all is lost */
static void dawdle(struct rng *rng)
{
	u64 head = RELAXED(mem.page->head);

	if (!rng_once(rng, 200))
		return;
	while (!writers_are_done() && RELAXED(mem.page->head) < head + 2 * SIZE)
		usleep(100);
}

/* Copy a range. Return: number of its records that were evicted already. */
static u64 copy_range(const struct mqbus_range *r, u64 *read)
{
	struct mqbus_mark at = { .pos = r->begin, .offset = r->begin_offset };
	u32 size;

	check_pair(r->begin, r->begin_offset);
	check_pair(r->end, r->end_offset);
	for (; at.pos < r->end; at.pos += size, at.offset++) {
		size = copy_out(&at);
		if (!size)
			break;
		++*read;
	}
	return r->end_offset - at.offset;
}

/* A group of a ring that evicts: each published record was read or lost */
static void *reader_by_copy(void *arg)
{
	struct group *g = arg;
	u64 read = 0, late = 0, told = 0;
	struct mqbus_mark begin;
	struct mqbus_range r;
	struct rng rng;
	bool done, got;
	u32 len;

	rng_init(&rng, 400 + g->number);
	do {
		done = writers_are_done();
		spin_lock(&g->lock);
		if (g->number % 2) {
			u64 before = g->cursor.lost;

			got = mqbus_cursor_step(&g->cursor, &ring, &begin, &len);
			told += g->cursor.lost - before;
		} else {
			got = mqbus_cursor_take(&g->cursor, &ring, &r);
			told += got ? r.lost : 0;
		}
		spin_unlock(&g->lock);
		dawdle(&rng);
		if (!got) {
			usleep(10);
		} else if (g->number % 2 == 0) {
			late += copy_range(&r, &read);
		} else if (copy_out(&begin)) {
			read++;
		} else {
			/* Take it back; the next step reports it as lost */
			spin_lock(&g->lock);
			g->cursor.given = begin;
			spin_unlock(&g->lock);
		}
		spin_lock(&g->lock);
		if (rng_once(&rng, 3))
			mqbus_cursor_commit(&g->cursor, &g->cursor.given);
		spin_unlock(&g->lock);
	} while (!done || got);
	test_note("reader %u: %llu read, %llu lost, %llu late", g->number,
		  (unsigned long long)read, (unsigned long long)told,
		  (unsigned long long)late);
	CHECK(told == g->cursor.lost && told && read);
	CHECK(read + told + late == ring.tail.offset);
	return NULL;
}

static void run(const char *name, bool evict)
{
	pthread_t threads[WRITERS + GROUPS + 1];
	const struct mqbus_mark start = {};
	struct rng rng;
	unsigned long i, n = 0;

	test_begin(name);
	rng_init(&rng, evict);
	ring_make(&mem, &ring, SIZE, evict);
	pos_of = calloc(RECORDS + 1, sizeof(*pos_of));
	for (i = 0; i < GROUPS; i++) {
		groups[i].number = i;
		spin_lock_init(&groups[i].lock);
		mqbus_cursor_init(&groups[i].cursor);
		spin_lock(&ring.lock);
		mqbus_cursor_place(&groups[i].cursor, &ring, &start);
		spin_unlock(&ring.lock);
	}
	stop_at = now_ns() + RUN_NS;
	writing = WRITERS;
	shim_hook = yield_here;
	for (i = 0; i < WRITERS; i++)
		CHECK(!pthread_create(&threads[n++], NULL, writer, (void *)i));
	for (i = 0; i < GROUPS; i++)
		CHECK(!pthread_create(&threads[n++], NULL,
				      evict ? reader_by_copy :
				      i ? reader_in_place : reader_that_seeks, &groups[i]));
	CHECK(!pthread_create(&threads[n++], NULL, pair_watcher, &rng));
	while (n)
		pthread_join(threads[--n], NULL);
	shim_hook = NULL;
	test_note("%llu records", (unsigned long long)ring.tail.offset);
	/* Without many laps nothing was tested */
	CHECK(ring.tail.pos > 100 * SIZE);
	free(pos_of);
	ring_mem_free(&mem);
	test_end();
}

int main(void)
{
	test_init(4);
	run("in place, on a ring that keeps", false);
	run("by copy, on a ring that evicts", true);
	return test_done();
}
