// SPDX-License-Identifier: GPL-2.0
/*
 * Time that core takes for a record with a value of 64 bytes, from making room to reading it,
 * or from its lease to its ack: in one thread, so without contention and wakeups.
 */
#include "cursor.h"
#include "group.h"
#include "murmur.h"
#include "record.h"
#include "test.h"

#define VALUE		64
#define ROUNDS		(1 << 18)
/* The best of several rounds; the others show the load of the machine */
#define TIMES		12

static struct mqbus_ring ring;
static struct mqbus_cursor cursor;
static u64 sum;

static void append(const char *value, u64 n)
{
	u32 size = mqbus_record_bytes(VALUE);

	spin_lock(&ring.lock);
	for (; n; n--) {
		struct mqbus_record *rec;

		CHECK(mqbus_ring_reserve(&ring, size, mqbus_cursor_floor(&cursor)));
		rec = mqbus_ring_slot(&ring);
		*rec = (struct mqbus_record) {
			.size = size,
			.offset = ring.tail.offset,
			.value_len = VALUE,
		};
		memcpy(rec + 1, value, VALUE);
		mqbus_ring_stage(&ring, size);
	}
	mqbus_ring_publish(&ring);
	spin_unlock(&ring.lock);
}

static void read_all(void)
{
	const struct mqbus_record *rec;
	struct mqbus_range r;
	u64 pos, i;

	CHECK(mqbus_cursor_take(&cursor, &ring, &r));
	for (pos = r.begin; pos < r.end; pos += rec->size) {
		rec = mqbus_ring_record(&ring, pos);
		for (i = 0; i < VALUE / 8; i++)
			sum += ((const u64 *)(rec + 1))[i];
	}
	mqbus_cursor_commit(&cursor, &cursor.given);
}

static void bench_ring(u64 size, bool evict, u64 batch)
{
	const struct mqbus_mark start = {};
	char value[VALUE] = "value";
	struct ring_mem mem;
	u64 i, t, begin, ns = U64_MAX;

	ring_make(&mem, &ring, size, evict);
	mqbus_cursor_init(&cursor);
	spin_lock(&ring.lock);
	mqbus_cursor_place(&cursor, &ring, &start);
	spin_unlock(&ring.lock);
	for (t = 0; t < TIMES; t++) {
		begin = now_ns();
		for (i = 0; i < ROUNDS; i += batch) {
			append(value, batch);
			read_all();
		}
		ns = min(ns, now_ns() - begin);
	}
	printf("%5llu KiB, %-6s, batch %4llu: %6.1f ns for append and read\n",
	       (unsigned long long)size / 1024, evict ? "evicts" : "keeps",
	       (unsigned long long)batch, (double)ns / ROUNDS);
	ring_mem_free(&mem);
}

static void bench_murmur(u32 len)
{
	char key[MQBUS_KEY_MAX] = "key";
	u64 i, t, begin, ns = U64_MAX;

	for (t = 0; t < TIMES; t++) {
		begin = now_ns();
		for (i = 0; i < ROUNDS; i++) {
			struct mqbus_murmur m;

			key[0] = i;
			mqbus_murmur_init(&m, len);
			mqbus_murmur_update(&m, key, len);
			sum += mqbus_murmur_partition(&m, 16);
		}
		ns = min(ns, now_ns() - begin);
	}
	printf("partition of a key of %u bytes: %6.1f ns\n", len,
	       (double)ns / ROUNDS);
}

/* @nr leases, taken one by one and then acked in that order or in any */
static void bench_lease(u32 nr, bool shuffled, u64 lease, u32 keys)
{
	const struct group_options o = {
		.sources = 1,
		.size = 4 << 20,
		.retry_size = 65536,
		.max_inflight = nr,
		.max_held = keys ? nr : 0,
	};
	struct mqbus_leased *out = calloc(nr, sizeof(*out));
	u64 rounds = ROUNDS / nr, i, t, begin, ns = U64_MAX;
	struct mqbus_now now = { .mono = 1, .real = 1 };
	struct mqbus_holder holder = {};
	static struct group g;
	struct rng rng;
	u32 k;

	rng_init(&rng, nr);
	group_make(&g, &o);
	CHECK(!mqbus_inflight_sit(&g.w, &holder));
	for (t = 0; t < TIMES; t++) {
		u64 sum_ns = 0;

		for (i = 0; i < rounds; i++) {
			for (k = 0; k < nr; k++)
				CHECK(group_publish(&g, 0, mqbus_record_bytes(VALUE),
						    keys ? 1 + k % keys : 0));
			now.mono++;
			begin = now_ns();
			for (k = 0; k < nr; k++) {
				u64 end = lease ? now.mono + lease + k : 0;
				u32 left = U32_MAX;

				CHECK(mqbus_inflight_take(&g.w, &holder, &out[k], 1, end, 1,
							  &left));
			}
			sum_ns += now_ns() - begin;
			for (k = nr; shuffled && k > 1; k--) {
				u32 other = rng_below(&rng, k);
				struct mqbus_leased l = out[k - 1];

				out[k - 1] = out[other];
				out[other] = l;
			}
			begin = now_ns();
			for (k = 0; k < nr; k++) {
				struct mqbus_settle s = { .lease = out[k].lease };

				CHECK(!mqbus_inflight_settle(&g.w, &holder, &s, &now));
			}
			sum_ns += now_ns() - begin;
		}
		ns = min(ns, sum_ns);
	}
	printf("%5u in flight, %s, %s%s: %6.1f ns for lease and ack\n", nr,
	       shuffled ? "out of order" : "in order    ", lease ? "timed" : "no end",
	       keys ? ", keys" : "      ", (double)ns / (rounds * nr));
	group_free(&g);
	free(out);
}

int main(void)
{
	static const u64 batches[] = { 1, 16, 256 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(batches); i++) {
		bench_ring(65536, false, batches[i]);
		bench_ring(1 << 20, false, batches[i]);
		bench_ring(1 << 20, true, batches[i]);
	}
	bench_murmur(16);
	for (i = 0; i < 8; i++)
		bench_lease(i & 1 ? 10000 : 10, i & 2, i & 4 ? 1000000 : 0, 0);
	/* A key for each: the cost of the lookup */
	bench_lease(10, false, 0, GROUP_KEYS - 1);
	bench_lease(10, true, 0, GROUP_KEYS - 1);
	/* So that the reading is not optimized away */
	return sum == 1;
}
