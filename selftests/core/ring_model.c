// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a ring and its cursors, each compared with a model, which is a list of
 * records. A record's content follows from its offset, so the list does not contain it.
 */
#include "cursor.h"
#include "record.h"
#include "test.h"

#define RUN_OPS		3000
#define RUN_RECORDS	(1 << 17)
#define CURSORS		4

/* A record, dropped or not; the one behind the last has a position only */
struct listed {
	u64 pos;
	u64 time;
	u32 size;
	u32 owner;
};

/* A cursor and its expected state, in offsets */
struct watched {
	struct mqbus_cursor c;
	bool begun;
	u64 done;
	u64 given;
	u64 lost;
	u64 untold;	/* skipped, and in no range yet */
	bool *gone;	/* by offset: counted as lost */
	u64 *skipped;	/* by offset: number of ranges, from 1, when it was lost; 0: not lost */
	u64 ranges;
	u64 heard;	/* this number at the last commit */
};

struct sim {
	struct ring_mem mem;
	struct mqbus_ring ring;
	struct rng rng;
	u32 most;	/* bytes of parts of a usual record */
	u64 clock;
	u64 ops;
	/* the model: offsets in the list, and the floor's position */
	struct listed *list;
	u64 head;
	u64 published;
	u64 tail;
	u64 floor;
	/* bytes of owners, counted from some time on */
	u64 used[MQBUS_RING_OWNERS];
	u64 real_used[MQBUS_RING_OWNERS];
	struct watched cursors[CURSORS];
};

static u64 model_floor(struct sim *s)
{
	u64 floor = U64_MAX;
	int i;

	for (i = 0; i < CURSORS; i++)
		if (s->cursors[i].begun && s->list[s->cursors[i].done].pos < floor)
			floor = s->list[s->cursors[i].done].pos;
	if (floor != U64_MAX && !s->ring.evict)
		s->floor = floor;
	return s->floor;
}

/* Find the floor as the module does: ask all cursors, and remember the answer */
static u64 real_floor(struct sim *s)
{
	u64 floor = MQBUS_CURSOR_NO_FLOOR;
	int i;

	for (i = 0; i < CURSORS && !s->ring.evict; i++)
		floor = min(floor, mqbus_cursor_floor(&s->cursors[i].c));
	if (floor != MQBUS_CURSOR_NO_FLOOR)
		s->ring.floor = floor;
	return s->ring.floor;
}

static void model_drop(struct sim *s)
{
	const struct listed *rec = &s->list[s->head++];

	s->used[rec->owner] -= rec->size;
}

static bool model_reserve(struct sim *s, u32 bytes, u64 floor)
{
	u64 head = s->head;

	if (!bytes || bytes > s->mem.size / 2)
		return false;
	/* If there can be no room, nothing is dropped */
	for (; s->list[s->tail].pos + bytes - s->list[head].pos > s->mem.size; head++)
		if (!s->ring.evict && s->list[head].pos >= floor)
			return false;
	while (s->head < head) {
		if (s->head == s->published)
			s->published = s->tail;
		model_drop(s);
	}
	return true;
}

/* A query tells the result of a call, and changes nothing */
static void check_ask(struct sim *s, u32 bytes, u64 floor)
{
	static char ring[sizeof(struct mqbus_ring)], page[4096];
	u64 head = s->head, tail = s->list[s->tail].pos;
	int want = !bytes || bytes > s->mem.size / 2 ? -EMSGSIZE : 0;

	for (; !want && tail + bytes - s->list[head].pos > s->mem.size; head++)
		if (!s->ring.evict && s->list[head].pos >= floor)
			want = -ENOBUFS;
	memcpy(ring, &s->ring, sizeof(ring));
	memcpy(page, s->mem.page, sizeof(page));
	CHECK(mqbus_ring_ask(&s->ring, bytes, floor) == want);
	CHECK(!memcmp(ring, &s->ring, sizeof(ring)) && !memcmp(page, s->mem.page, sizeof(page)));
}

static void check_marks(struct sim *s)
{
	struct mqbus_ring_page *page = s->mem.page;
	struct mqbus_ring *ring = &s->ring;
	struct mqbus_mark end;
	int i;

	CHECK(ring->tail.offset == s->tail && ring->tail.pos == s->list[s->tail].pos);
	CHECK(ring->head.offset == s->head && ring->head.pos == s->list[s->head].pos);
	CHECK(ring->published == s->list[s->published].pos);
	CHECK(ring->floor == s->floor);
	CHECK(page->tail == ring->published && page->head == ring->head.pos);
	CHECK(page->next_offset == s->published && page->next_begun == s->published);
	CHECK(page->head_offset == s->head && page->head_begun == s->head);
	/* Records without an owner do not count */
	CHECK(!s->real_used[0] && !memcmp(s->used + 1, s->real_used + 1,
					  sizeof(s->used) - sizeof(*s->used)));
	mqbus_ring_end(ring, &end);
	CHECK(end.offset == s->published && end.pos == page->tail);

	for (i = 0; i < CURSORS; i++) {
		struct watched *w = &s->cursors[i];

		CHECK(mqbus_cursor_floor(&w->c) == (w->begun ? s->list[w->done].pos : U64_MAX));
		CHECK(w->c.lost == w->lost);
		if (!w->begun)
			continue;
		CHECK(w->c.done.offset == w->done && w->c.done.pos == s->list[w->done].pos);
		CHECK(w->c.given.offset == w->given && w->c.given.pos == s->list[w->given].pos);
	}
}

static void check_record(struct sim *s, u64 offset)
{
	const struct mqbus_record *rec = mqbus_ring_record(&s->ring, s->list[offset].pos);

	CHECK(rec->size == s->list[offset].size && rec->time == s->list[offset].time);
	CHECK(rec->__owner == s->list[offset].owner && rec_whole(rec, offset));
}

/* All of a small ring; of a large one so often, and its ends each time */
static void check_all(struct sim *s)
{
	u64 i;

	check_marks(s);
	if (rng_once(&s->rng, s->mem.size / MQBUS_RING_MIN)) {
		for (i = s->head; i < s->tail; i++)
			check_record(s, i);
	} else if (s->head < s->tail) {
		check_record(s, s->head);
		check_record(s, s->tail - 1);
		check_record(s, s->head + rng_below(&s->rng, s->tail - s->head));
	}
}

/* Overwrite dropped records: a reader of them fails */
static void scribble(struct sim *s)
{
	u64 tail = s->list[s->tail].pos, used = tail - s->list[s->head].pos;

	if (s->mem.size <= 65536 && rng_once(&s->rng, 8))
		memset(mqbus_ring_record(&s->ring, tail), 0xff, s->mem.size - used);
}

/* Few, with the last one among them */
static u32 op_owner(struct sim *s)
{
	u32 owner = 1 + rng_below(&s->rng, 5);

	return owner == 5 ? MQBUS_RING_OWNERS - 1 : owner;
}

static int model_ask_share(struct sim *s, u32 owner, u32 before, u32 size, u64 most, u64 floor)
{
	if (before && before + size > most)
		return -EMSGSIZE;
	if (!(s->used[owner] + before) || s->used[owner] + before + size <= most)
		return 0;
	return s->head < s->published && s->list[s->head].pos < floor ? -EAGAIN : -EXFULL;
}

/* Begin to count, or ask for a part of an owner's share */
static void op_share(struct sim *s)
{
	u64 most = rng_below(&s->rng, s->mem.size), floor = model_floor(s), head;
	u32 owner = op_owner(s), size = rec_size(&s->rng, s->mem.size, s->most);
	u32 drops = MQBUS_RING_DROPS;
	u32 before = rng_once(&s->rng, 2) ? 0 : rec_size(&s->rng, s->mem.size, s->most);
	int err, ask;

	spin_lock(&s->ring.lock);
	mqbus_ring_begin(&s->ring);
	if (!s->ring.used)
		mqbus_ring_count(&s->ring, s->real_used);
	head = s->ring.head.pos;
	ask = mqbus_ring_ask_share(&s->ring, owner, before, size, most, real_floor(s));
	CHECK(ask == model_ask_share(s, owner, before, size, most, floor));
	CHECK(s->ring.head.pos == head && s->ring.drops == drops);
	err = mqbus_ring_share(&s->ring, owner, before, size, most, real_floor(s));
	spin_unlock(&s->ring.lock);
	for (; drops && model_ask_share(s, owner, before, size, most, floor) == -EAGAIN; drops--)
		model_drop(s);
	CHECK(err == model_ask_share(s, owner, before, size, most, floor));
}

/* At times too large for any ring, or for this one */
static u32 op_size(struct sim *s)
{
	u32 half = s->mem.size / 2;

	if (!rng_once(&s->rng, 200))
		return rec_size(&s->rng, s->mem.size, s->most);
	switch (rng_below(&s->rng, 4)) {
	case 0:
		return 0;
	case 1:
		return half + 8;
	case 2:
		return half + 8 * (1 + rng_below(&s->rng, half));
	default:
		return -8U;
	}
}

static void op_append(struct sim *s)
{
	u64 n = rng_once(&s->rng, 32) ? 100 : 1 + rng_below(&s->rng, 8);
	struct mqbus_ring *ring = &s->ring;
	bool staged = false;
	u32 owner;

	/* A clock that stands, goes, and at times goes back */
	if (rng_once(&s->rng, 3))
		s->clock += rng_below(&s->rng, 20);
	else if (rng_once(&s->rng, 20) && s->clock > 100)
		s->clock -= 100;

	spin_lock(&ring->lock);
	ring->last_time = max(ring->last_time, s->clock);
	for (; n; n--) {
		u32 size = op_size(s);
		bool want;

		check_ask(s, size, s->floor);
		want = model_reserve(s, size, s->floor) ||
		       model_reserve(s, size, model_floor(s));
		CHECK(want == (mqbus_ring_reserve(ring, size, ring->floor) ||
			       mqbus_ring_reserve(ring, size, real_floor(s))));
		if (!want)
			break;
		if (rng_once(&s->rng, 10)) {
			/* The record was given up half way */
			memset(mqbus_ring_slot(ring), 0xff, size);
			continue;
		}
		rec_fill(mqbus_ring_slot(ring), size, ring->tail.offset, ring->last_time);
		owner = ring->used && !rng_once(&s->rng, 8) ? op_owner(s) : 0;
		mqbus_ring_slot(ring)->__owner = owner;
		mqbus_ring_stage(ring, mqbus_ring_slot(ring)->size);
		staged = true;
		s->list[s->tail].owner = owner;
		s->used[owner] += size;
		s->list[s->tail].size = size;
		s->list[s->tail].time = ring->last_time;
		s->list[s->tail + 1].pos = s->list[s->tail].pos + size;
		s->tail++;
		/* Staged records are invisible until they are published */
		CHECK(s->mem.page->tail == s->list[s->published].pos);
		CHECK(s->mem.page->next_offset == s->published);
	}
	if (staged) {
		mqbus_ring_publish(ring);
		s->published = s->tail;
	}
	spin_unlock(&ring->lock);
}

static void op_expire(struct sim *s)
{
	u64 before = s->list[s->head + rng_below(&s->rng, s->tail - s->head + 1)].time;
	unsigned int max = 1 + rng_below(&s->rng, 40), n = 0;
	u64 keep = rng_once(&s->rng, 2) ? U64_MAX : rng_below(&s->rng, s->mem.size);
	u64 floor = model_floor(s);
	bool more;

	before += rng_below(&s->rng, 3);
	spin_lock(&s->ring.lock);
	more = mqbus_ring_expire(&s->ring, real_floor(s), before, keep, max);
	spin_unlock(&s->ring.lock);
	while (n < max && s->head < s->published &&
	       (s->list[s->head].time < before ||
		s->list[s->tail].pos - s->list[s->head].pos > keep) &&
	       (s->ring.evict || s->list[s->head].pos < floor)) {
		model_drop(s);
		n++;
	}
	CHECK(more == (n == max));
}

/* Go on at the head, and count the skipped records. */
static void model_catch_up(struct sim *s, struct watched *w)
{
	u64 skipped = 0;

	for (; w->given < s->head; w->given++, skipped++) {
		w->lost += !w->gone[w->given];
		w->gone[w->given] = true;
		w->skipped[w->given] = w->ranges;
	}
	w->untold += skipped;
}

static void op_take(struct sim *s, struct watched *w)
{
	struct mqbus_range range = { .partition = 9 };
	bool got = mqbus_cursor_take(&w->c, &s->ring, &range);

	CHECK(got == (w->given != s->published));
	if (!got)
		return;
	model_catch_up(s, w);
	CHECK(range.lost == w->untold && range.partition == 9);
	w->untold = 0;
	w->ranges++;
	CHECK(range.begin_offset == w->given && range.begin == s->list[w->given].pos);
	CHECK(range.end_offset == s->published && range.end == s->list[s->published].pos);
	w->given = s->published;
}

static void op_step(struct sim *s, struct watched *w)
{
	struct mqbus_mark begin;
	u32 len;
	bool got = mqbus_cursor_step(&w->c, &s->ring, &begin, &len);
	bool any = w->given != s->published;

	if (any)
		model_catch_up(s, w);
	CHECK(got == (w->given != s->published));
	if (!got)
		return;
	CHECK(begin.offset == w->given && begin.pos == s->list[w->given].pos);
	CHECK(len == s->list[w->given].size - sizeof(struct mqbus_record));
	w->given++;
}

static void op_commit(struct sim *s, struct watched *w)
{
	u64 least = max(w->done, s->head), to = w->given;

	/* All of it, or up to a record that is still there */
	if (least < w->given && rng_once(&s->rng, 2))
		to = least + rng_below(&s->rng, w->given - least + 1);
	mqbus_cursor_commit(&w->c, &(struct mqbus_mark){ s->list[to].pos, to });
	/* A commit confirms the reports of earlier ranges */
	if (to != w->done)
		w->heard = w->ranges;
	w->done = to;
}

static void op_rewind(struct watched *w)
{
	u64 i;

	mqbus_cursor_rewind(&w->c);
	w->untold = 0;
	for (i = 0; i < w->given; i++) {
		if (!w->skipped[i] || (i < w->done && w->skipped[i] < w->heard))
			continue;
		/* The next range reports it, or misses it itself */
		w->skipped[i] = i < w->done ? w->ranges : 0;
		w->untold += i < w->done;
	}
	w->given = w->done;
}

/* Before the cursor moves */
static void watched_begin(struct watched *w)
{
	memset(w->skipped, 0, w->given * sizeof(*w->skipped));
	w->ranges = 1;
	w->heard = 0;
	w->untold = 0;
}

/* @end: the end of the published records when the search began */
static u64 model_seek(struct sim *s, enum mqbus_whence whence, u64 value, u64 end)
{
	u64 at = s->head;

	if (whence == MQBUS_WHENCE_EARLIEST)
		return at;
	if (whence == MQBUS_WHENCE_LATEST)
		return end;
	while (at < end &&
	       (whence == MQBUS_WHENCE_TIME ? s->list[at].time : at) < value)
		at++;
	return at;
}

/* A search, with appends and expiry between its steps; the cursor @w is placed at the result */
static void op_seek(struct sim *s, struct watched *w)
{
	struct mqbus_seek seek = { .whence = rng_below(&s->rng, 4) };
	u64 near = s->head + rng_below(&s->rng, s->tail - s->head + 1);
	u64 steps = 0, granule = 1ULL << s->ring.granule_shift, end = s->published, want;
	bool found, preset = false;

	if (seek.whence == MQBUS_WHENCE_OFFSET)
		seek.value = near + 3 - rng_below(&s->rng, min(near, 6ULL) + 1);
	else if (seek.whence == MQBUS_WHENCE_TIME)
		seek.value = s->list[near].time + rng_below(&s->rng, 3);
	want = model_seek(s, seek.whence, seek.value, end);
	/* Begin from a place that the caller knows, perhaps one dropped long ago */
	if (rng_once(&s->rng, 3)) {
		preset = true;
		seek.from = true;
		seek.at.offset = rng_below(&s->rng, want + 1);
		seek.at.pos = s->list[seek.at.offset].pos;
	}

	for (;;) {
		spin_lock(&s->ring.lock);
		found = mqbus_ring_seek_step(&s->ring, &seek);
		steps++;
		if (found)
			break;
		spin_unlock(&s->ring.lock);
		if (rng_once(&s->rng, 2)) {
			op_append(s);
			op_expire(s);
		}
	}
	/* The index brings a search to within a granule */
	CHECK(preset || steps <= 1 + granule / sizeof(struct mqbus_record) / MQBUS_RING_STEP);
	want = model_seek(s, seek.whence, seek.value, end);
	CHECK(seek.at.offset == want && seek.at.pos == s->list[want].pos);
	if (w) {
		mqbus_cursor_place(&w->c, &s->ring, &seek.at);
		watched_begin(w);
		w->begun = true;
		w->done = want;
		w->given = want;
		s->floor = min(s->floor, seek.at.pos);
	}
	spin_unlock(&s->ring.lock);
}

static void op_any(struct sim *s)
{
	struct watched *w = &s->cursors[rng_below(&s->rng, CURSORS)];

	switch (rng_below(&s->rng, 34)) {
	case 0 ... 11:
		op_append(s);
		break;
	case 32 ... 33:
		/* A topic that evicts has no shares */
		if (!s->ring.evict)
			op_share(s);
		break;
	case 12:
		op_expire(s);
		break;
	case 13 ... 15:
		op_seek(s, w->begun && !rng_once(&s->rng, 8) ? NULL : w);
		break;
	case 16 ... 20:
		if (w->begun)
			op_take(s, w);
		break;
	case 21 ... 23:
		if (w->begun)
			op_step(s, w);
		break;
	case 24 ... 29:
		if (w->begun)
			op_commit(s, w);
		break;
	case 30:
		op_rewind(w);
		break;
	case 31:
		/* The group is deleted, another one is created */
		if (!rng_once(&s->rng, 4))
			break;
		memset(w->gone, 0, RUN_RECORDS * sizeof(*w->gone));
		mqbus_cursor_init(&w->c);
		watched_begin(w);
		w->begun = false;
		w->done = 0;
		w->given = 0;
		w->lost = 0;
		break;
	}
}

/* The life of a ring. Return: number of operations. */
static u64 run(u64 number, u64 size, bool evict, u32 most)
{
	struct sim s = { .most = most };
	u64 i, ops;

	rng_init(&s.rng, number);
	s.clock = rng_below(&s.rng, 1000);
	ring_make(&s.mem, &s.ring, size, evict);
	s.list = calloc(RUN_RECORDS + 1, sizeof(*s.list));
	for (i = 0; i < CURSORS; i++) {
		mqbus_cursor_init(&s.cursors[i].c);
		s.cursors[i].gone = calloc(RUN_RECORDS, sizeof(bool));
		s.cursors[i].skipped = calloc(RUN_RECORDS, sizeof(u64));
		watched_begin(&s.cursors[i]);
	}
	for (ops = 0; ops < RUN_OPS && s.tail < RUN_RECORDS - 4096 && !rng_dry(); ops++) {
		op_any(&s);
		check_all(&s);
		scribble(&s);
	}
	for (i = 0; i < CURSORS; i++) {
		free(s.cursors[i].gone);
		free(s.cursors[i].skipped);
	}
	free(s.list);
	ring_mem_free(&s.mem);
	return ops;
}

static void test_model(const char *name, u64 size, bool evict, u64 runs)
{
	static const u32 most[] = { 0, 40, 400, 1500 };
	u64 i, ops = 0;

	test_begin(name);
	for (i = 0; i < runs; i++)
		ops += run(size * 2 + evict + (i << 24), size, evict,
			   most[i % ARRAY_SIZE(most)]);
	test_note("%llu operations", (unsigned long long)ops);
	test_end();
}

/*
 * A ring of so many small records that a search takes several steps, while writers pass its
 * place: records of 64 bytes, ten at a time.
 */
#define BIG_RING	(8 << 20)
#define BIG_RECORDS	(BIG_RING / sizeof(struct mqbus_record))

static void big_append(struct mqbus_ring *ring, u64 n)
{
	spin_lock(&ring->lock);
	for (; n; n--) {
		CHECK(mqbus_ring_reserve(ring, sizeof(struct mqbus_record), 0));
		rec_fill(mqbus_ring_slot(ring), sizeof(struct mqbus_record),
			 ring->tail.offset, ring->tail.offset / 10);
		mqbus_ring_stage(ring, mqbus_ring_slot(ring)->size);
	}
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
}

static void test_seek_far(void)
{
	u64 granule, passed = 0, several = 0, i;
	struct mqbus_ring ring;
	struct ring_mem mem;
	struct rng rng;

	test_begin("seek in a big ring, while writers pass");
	rng_init(&rng, 1);
	ring_make(&mem, &ring, BIG_RING, true);
	granule = 1ULL << ring.granule_shift;
	for (i = 0; i < 20000; i++) {
		bool time = rng_once(&rng, 2), pass = rng_once(&rng, 64), found = false;
		u64 want, first = ring.head.offset, steps = 0;
		struct mqbus_seek seek = {
			.whence = time ? MQBUS_WHENCE_TIME : MQBUS_WHENCE_OFFSET,
		};

		big_append(&ring, 1 + rng_below(&rng, 40));
		seek.value = first + rng_below(&rng, ring.tail.offset - first + 1);
		/* Now and then a record that is about to be passed */
		if (pass)
			seek.value = first + rng_below(&rng, granule / 64);
		want = seek.value;
		if (time) {
			seek.value /= 10;
			want = seek.value * 10;
		}
		while (!found) {
			u64 before = seek.at.pos;

			spin_lock(&ring.lock);
			found = mqbus_ring_seek_step(&ring, &seek);
			spin_unlock(&ring.lock);
			/* A step is short, so that writers do not wait long */
			CHECK(!steps || before < first * 64 ||
			      seek.at.pos - before <= MQBUS_RING_STEP * 64);
			steps++;
			if (!found && pass)
				big_append(&ring, 1 + rng_below(&rng, 2 * granule / 64));
			first = ring.head.offset;
		}
		CHECK(pass || steps <= 1 + granule / 64 / MQBUS_RING_STEP);
		several += steps > 2;
		passed += want < ring.head.offset;
		want = min(max(want, ring.head.offset), ring.tail.offset);
		CHECK(seek.at.offset == want && seek.at.pos == want * 64);
	}
	test_note("%llu of several steps, %llu were passed", (unsigned long long)several,
		  (unsigned long long)passed);
	CHECK(several && passed && ring.tail.offset > 2 * BIG_RECORDS);
	ring_mem_free(&mem);
	test_end();
}

/* A record to come is behind the end, however fast writers are */
static void test_seek_behind(void)
{
	/* The last one leaves a few of the first records */
	static const u32 fast[] = { 1, MQBUS_RING_STEP, MQBUS_RING_STEP + 64, BIG_RECORDS / 2,
				    2 * BIG_RECORDS, BIG_RECORDS - 64 };
	struct mqbus_ring ring;
	struct ring_mem mem;
	unsigned int i, time;

	test_begin("seek behind the end, while writers are faster");
	ring_make(&mem, &ring, BIG_RING, true);
	big_append(&ring, 3 * BIG_RECORDS);
	for (i = 0; i < 40; i++)
		for (time = 0; time < 2; time++) {
			u64 end = ring.tail.offset + 150, steps = 1;
			struct mqbus_seek seek = {
				.whence = time ? MQBUS_WHENCE_TIME : MQBUS_WHENCE_OFFSET,
				.value = i % 2 ? U64_MAX : time ? end / 10 + 1 : end,
			};

			big_append(&ring, 150);
			for (;; steps++) {
				bool found;

				spin_lock(&ring.lock);
				found = mqbus_ring_seek_step(&ring, &seek);
				spin_unlock(&ring.lock);
				if (found)
					break;
				big_append(&ring, fast[min_t(u32, i, ARRAY_SIZE(fast) - 1)]);
				CHECK(steps <= 1 + BIG_RECORDS / MQBUS_RING_STEP);
			}
			CHECK(time || steps == 1);
			end = max(end, ring.head.offset);
			CHECK(seek.at.offset == end && seek.at.pos == end * 64);
		}
	ring_mem_free(&mem);
	test_end();
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 1)
		return 0;
	rng_bytes(data + 1, size - 1);
	run(0, data[0] & 2 ? 16384 : 4096, data[0] & 1, data[0] >> 2);
	return 0;
}
#else
int main(void)
{
	test_init(2);
	test_model("4 KiB, keeps", 4096, false, 200);
	test_model("4 KiB, evicts", 4096, true, 200);
	test_model("16 KiB, keeps", 16384, false, 120);
	test_model("16 KiB, evicts", 16384, true, 120);
	test_model("128 KiB, keeps", 131072, false, 60);
	test_model("128 KiB, evicts", 131072, true, 60);
	test_model("1 MiB, keeps", 1 << 20, false, 12);
	test_model("1 MiB, evicts", 1 << 20, true, 12);
	test_seek_far();
	test_seek_behind();
	return test_done();
}
#endif
