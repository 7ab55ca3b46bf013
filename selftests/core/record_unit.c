// SPDX-License-Identifier: GPL-2.0
/*
 * The partitioner against Kafka's known answers, the form of a record, and what
 * random tests might miss.
 */
#include "cursor.h"
#include "murmur.h"
#include "murmur_known.h"
#include "record.h"
#include "test.h"

/* Take the known 32 bits of a hash to the partition that they lead to */
static u32 partition_of(int hash, u32 partitions)
{
	return ((u32)hash & 0x7fffffff) % partitions;
}

static void test_murmur_known(void)
{
	unsigned int i, n;

	test_begin("murmur2: Kafka's known answers");
	for (i = 0; i < ARRAY_SIZE(murmur_known); i++) {
		struct mqbus_murmur m;

		mqbus_murmur_init(&m, strlen(murmur_known[i].key));
		mqbus_murmur_update(&m, murmur_known[i].key, strlen(murmur_known[i].key));
		/* As many partitions as there are numbers shows all 31 bits */
		CHECK(mqbus_murmur_partition(&m, 1U << 31) ==
		      partition_of(murmur_known[i].hash, 1U << 31));
		for (n = 1; n <= MQBUS_PARTITIONS_MAX; n++)
			CHECK(mqbus_murmur_partition(&m, n) ==
			      partition_of(murmur_known[i].hash, n));
	}
	test_end();
}

static u32 murmur_whole(const void *key, u32 len)
{
	struct mqbus_murmur m;

	mqbus_murmur_init(&m, len);
	mqbus_murmur_update(&m, key, len);
	return mqbus_murmur_partition(&m, 1U << 31);
}

/* Hash the rest of a key, split in every way; *@n counts the ways */
static void murmur_splits(const struct mqbus_murmur *m, const char *key, u32 len,
			  u32 want, unsigned int *n)
{
	struct mqbus_murmur part;
	u32 at;

	for (at = 4; at < len; at += 4) {
		part = *m;
		mqbus_murmur_update(&part, key, at);
		murmur_splits(&part, key + at, len - at, want, n);
	}
	part = *m;
	mqbus_murmur_update(&part, key, len);
	CHECK(mqbus_murmur_partition(&part, 1U << 31) == want);
	++*n;
}

static void test_murmur_pieces(void)
{
	unsigned int i, n = 0;

	test_begin("murmur2: every split at multiples of 4");
	for (i = 0; i < ARRAY_SIZE(murmur_known); i++) {
		u32 len = strlen(murmur_known[i].key);
		struct mqbus_murmur m;

		mqbus_murmur_init(&m, len);
		murmur_splits(&m, murmur_known[i].key, len,
			      partition_of(murmur_known[i].hash, 1U << 31), &n);
	}
	/* 48 bytes alone have 11 places to split at */
	CHECK(n >= 1 << 11);
	test_end();
}

static void test_murmur_bytes(void)
{
	unsigned int len, i;
	char key[24];

	test_begin("murmur2: every byte counts, none is read behind the end");
	for (len = 0; len <= sizeof(key); len++) {
		/* From the heap, where the sanitizer sees the end */
		char *exact = malloc(len ?: 1);
		u32 hash;

		memset(exact, 0x81, len ?: 1);
		hash = murmur_whole(exact, len);
		for (i = 0; i < len; i++) {
			exact[i] ^= 0x80;
			CHECK(murmur_whole(exact, len) != hash);
			exact[i] ^= 0x80;
		}
		free(exact);
	}
	test_end();
}

/* Append a header with parts of that length. Return: bytes so far. */
static u32 put_header(unsigned char *to, u32 at, u16 name_len, u16 value_len)
{
	struct mqbus_header h = { .name_len = name_len, .value_len = value_len };

	memcpy(to + at, &h, sizeof(h));
	at += sizeof(h);
	memset(to + at, 'x', name_len + value_len);
	return at + name_len + value_len;
}

/* Ask with the block at the very end of an allocation */
static bool headers_valid(const unsigned char *block, u32 len)
{
	unsigned char *exact = malloc(len ?: 1);
	bool valid;

	memcpy(exact, block, len);
	valid = mqbus_headers_valid(exact, len);
	free(exact);
	return valid;
}

static void test_headers(void)
{
	static unsigned char block[65536 * 2 + 64];
	u32 len, cut, ends[4], i;

	test_begin("headers: well formed and not");
	CHECK(headers_valid(block, 0));

	ends[0] = put_header(block, 0, 1, 0);
	ends[1] = put_header(block, ends[0], 5, 9);
	ends[2] = put_header(block, ends[1], 3, 3);
	ends[3] = put_header(block, ends[2], 300, 70);
	for (cut = 1; cut <= ends[3]; cut++) {
		bool whole = false;

		for (i = 0; i < ARRAY_SIZE(ends); i++)
			whole |= cut == ends[i];
		CHECK(headers_valid(block, cut) == whole);
	}

	/* A header without a name, first and later */
	len = put_header(block, 0, 0, 4);
	CHECK(!headers_valid(block, len));
	len = put_header(block, 0, 4, 4);
	len = put_header(block, len, 0, 0);
	CHECK(!headers_valid(block, len));

	/* Lengths whose sum does not fit 16 bits */
	len = put_header(block, 0, 0xffff, 0xffff);
	CHECK(headers_valid(block, len));
	CHECK(!headers_valid(block, len - 1));
	CHECK(!headers_valid(block, sizeof(struct mqbus_header) + 0xfffe));
	len = put_header(block, 0, 0xffff, 1);
	CHECK(!headers_valid(block, sizeof(struct mqbus_header)));

	/* As large as a block may be */
	len = put_header(block, 0, 8, MQBUS_HEADERS_MAX - sizeof(struct mqbus_header) - 8);
	CHECK(len == MQBUS_HEADERS_MAX && headers_valid(block, len));
	test_end();
}

static void test_header_count(void)
{
	unsigned char block[129 * 6];
	u32 len = 0, n;

	test_begin("headers: at most 128");
	for (n = 1; n <= 129; n++) {
		len = put_header(block, len, 1, n % 2);
		CHECK(headers_valid(block, len) == (n <= 128));
	}
	test_end();
}

static void test_record(void)
{
	u32 parts;

	test_begin("records: size and layout");
	CHECK(sizeof(struct mqbus_record) == 64);
	CHECK(sizeof(struct mqbus_header) == 4);
	CHECK(sizeof(struct mqbus_ring_page) <= MQBUS_RING_INDEX_AT);
	for (parts = 0; parts <= MQBUS_RECORD_MAX; parts++) {
		u32 bytes = mqbus_record_bytes(parts);

		CHECK(bytes % 8 == 0 && bytes >= 64 + parts && bytes < 64 + parts + 8);
	}
	test_end();
}

static void append_one(struct mqbus_ring *ring, u32 size)
{
	spin_lock(&ring->lock);
	CHECK(mqbus_ring_reserve(ring, size, 0));
	rec_fill(mqbus_ring_slot(ring), size, ring->tail.offset, 0);
	mqbus_ring_stage(ring, mqbus_ring_slot(ring)->size);
	mqbus_ring_publish(ring);
	spin_unlock(&ring->lock);
}

/* Owners that come and go must not add up what was lost once */
static void test_lost_once(void)
{
	const struct mqbus_mark start = {};
	struct mqbus_cursor c;
	struct mqbus_range r;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: a lost record counts once");
	ring_make(&mem, &ring, 4096, true);
	mqbus_cursor_init(&c);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &start);
	spin_unlock(&ring.lock);

	for (i = 0; i < 10; i++)
		append_one(&ring, 1024);
	for (i = 0; i < 3; i++) {
		CHECK(mqbus_cursor_take(&c, &ring, &r));
		CHECK(r.lost == 6 && r.begin_offset == 6 && r.end_offset == 10);
		CHECK(c.lost == 6);
		mqbus_cursor_rewind(&c);
		/* To settle nothing changes nothing */
		mqbus_cursor_commit(&c, &c.given);
	}

	/* Two of the four that nobody settled go as well */
	append_one(&ring, 1024);
	append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 8 && c.lost == 8);
	mqbus_cursor_commit(&c, &c.given);
	for (i = 0; i < 5; i++)
		append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 1 && c.lost == 9);
	ring_mem_free(&mem);
	test_end();
}

/* A range that did not arrive: as if it had not been handed out, but for what was settled */
static void test_untake(void)
{
	const struct mqbus_mark start = {};
	struct mqbus_cursor c;
	struct mqbus_range r;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: a range that is taken back");
	ring_make(&mem, &ring, 4096, true);
	mqbus_cursor_init(&c);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &start);
	spin_unlock(&ring.lock);
	for (i = 0; i < 10; i++)
		append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6);
	mqbus_cursor_untake(&c, &r);
	CHECK(c.given.offset == 6);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6 && r.begin_offset == 6);
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ 7 * 1024, 7 });
	mqbus_cursor_untake(&c, &r);
	CHECK(c.done.offset == 7 && c.given.offset == 7);
	append_one(&ring, 1024);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 6 && r.begin_offset == 7);

	/* What was lost did not arrive, and its gap was committed: the next owner is told */
	for (i = 0; i < 6; i++)
		append_one(&ring, 1024);
	mqbus_cursor_commit(&c, &c.given);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 2 && r.begin_offset == 13);
	mqbus_cursor_untake(&c, &r);
	mqbus_cursor_commit(&c, &c.given);
	mqbus_cursor_rewind(&c);
	CHECK(mqbus_cursor_take(&c, &ring, &r) && r.lost == 2 && r.begin_offset == 13);
	ring_mem_free(&mem);
	test_end();
}

static void append_some(struct mqbus_ring *ring, u32 n)
{
	while (n--)
		append_one(ring, 1024);
}

/* Expect a range: so many lost before it, and where it begins */
static void take(struct mqbus_cursor *c, struct mqbus_ring *ring, struct mqbus_range *r,
		 u64 lost, u64 begin)
{
	CHECK(mqbus_cursor_take(c, ring, r) && r->lost == lost && r->begin_offset == begin);
}

/* Below what is committed nothing is missed again: it is told until whoever hears commits */
static void test_owed(void)
{
	struct mqbus_cursor c;
	struct mqbus_range r[2];
	struct mqbus_ring ring;
	struct ring_mem mem;

	test_begin("cursor: a gap that was committed before it was told");
	ring_make(&mem, &ring, 4096, true);
	mqbus_cursor_init(&c);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &(struct mqbus_mark){});
	spin_unlock(&ring.lock);

	/* Told to one who dies */
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

	/* Another gap behind it, and neither is told */
	append_some(&ring, 6);
	take(&c, &ring, r, 2, 13);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_commit(&c, &c.given);
	append_some(&ring, 4);
	take(&c, &ring, r, 6, 17);
	mqbus_cursor_untake(&c, r);
	mqbus_cursor_rewind(&c);
	take(&c, &ring, r, 6, 17);

	/* Committed while it was told, up to where the range began or beyond */
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

	/* Evicted while it was told, and what was behind it is committed */
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

	/* A seek begins anew */
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

/* Handed out behind what did not arrive: comes again, and counts as that */
static void test_untake_behind(void)
{
	struct mqbus_range r[4];
	struct mqbus_cursor c;
	struct mqbus_ring ring;
	struct ring_mem mem;
	u32 i;

	test_begin("cursor: a range that is taken back from before others");
	ring_make(&mem, &ring, 65536, false);
	mqbus_cursor_init(&c);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &(struct mqbus_mark){});
	spin_unlock(&ring.lock);
	for (i = 0; i < 3; i++) {
		append_one(&ring, 1024);
		append_one(&ring, 1024);
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
	/* Settled meanwhile: no more than that is lost */
	CHECK(mqbus_cursor_take(&c, &ring, &r[3]));
	mqbus_cursor_commit(&c, &(struct mqbus_mark){ 3 * 1024, 3 });
	mqbus_cursor_untake(&c, &r[3]);
	CHECK(c.given.offset == 3 && c.given.pos == 3 * 1024);
	/* Evicted while it was told, and others were given what is behind */
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

/* Threads of one member of which some cannot be told: each record is told in the end */
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
	ring_make(&mem, &ring, 4096, false);
	mqbus_cursor_init(&c);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&c, &ring, &(struct mqbus_mark){});
	spin_unlock(&ring.lock);
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
		/* No further than what was told, nor than what is handed out */
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

int main(void)
{
	test_init(1);
	test_murmur_known();
	test_murmur_pieces();
	test_murmur_bytes();
	test_headers();
	test_header_count();
	test_record();
	test_lost_once();
	test_untake();
	test_owed();
	test_untake_behind();
	test_untake_threads();
	return test_done();
}
