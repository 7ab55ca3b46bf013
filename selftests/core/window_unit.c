// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of a queue group's window, one by one: what each function promises, and
 * what random operations reach only once in a million.
 */
#include <errno.h>

#include "group.h"

#define SMALL	sizeof(struct mqbus_record)
#define SECOND	1000000000ULL

static struct group g;
static struct mqbus_holder holders[GROUP_SEATS];
static struct mqbus_leased out[1024];
static struct mqbus_now now;
static bool more;

static const struct group_options usual = {
	.lanes = 1,
	.size = 16384,
	.retry_size = 16384,
	.max_inflight = 64,
	.max_retry = 64,
	.margin = 512,
};

static void begin(const char *name, const struct group_options *o)
{
	u32 i;

	test_begin(name);
	group_make(&g, o);
	for (i = 0; i < GROUP_SEATS; i++) {
		holders[i].pid = 100 + i;
		holders[i].uid = 200 + i;
		CHECK(!mqbus_window_sit(&g.w, &holders[i]));
	}
	now = (struct mqbus_now) { .mono = 1000, .real = 5000 };
}

static void end(void)
{
	group_free(&g);
	test_end();
}

static void publish(u32 lane, u32 n, u32 key)
{
	while (n--)
		CHECK(group_publish(&g, lane, SMALL + 8, key));
}

static u32 take(u32 holder, u32 max)
{
	return mqbus_window_take(&g.w, &holders[holder], out, max,
				 g.w.conf.lease ? now.mono + g.w.conf.lease : 0, now.real, &more);
}

/* The offset of the only record that there is to be taken */
static u64 take_one(u32 holder)
{
	CHECK(take(holder, 1) == 1);
	return out[0].offset;
}

static int settle_delay(u32 holder, u64 lease, u32 what, u64 delay)
{
	struct mqbus_settle s = { .lease = lease, .what = what, .delay = delay };

	return mqbus_window_settle(&g.w, &holders[holder], &s, &now);
}

static int settle(u32 holder, u64 lease, u32 what)
{
	return settle_delay(holder, lease, what, 0);
}

static struct mqbus_entry *entry(u64 lease)
{
	return mqbus_window_entry(&g.w, (u32)lease);
}

static u64 floor_of(u32 lane)
{
	mqbus_window_flush(&g.w);
	return mqbus_cursor_floor(&g.cursors[lane]);
}

static void test_table(void)
{
	struct mqbus_entry entries[3] = {};
	struct mqbus_table t;
	u32 i;

	test_begin("table: what was freed last is used last");
	CHECK(sizeof(struct mqbus_entry) == 64);
	mqbus_table_init(&t, entries, 3);
	for (i = 0; i < 3; i++)
		CHECK(mqbus_table_get(&t) == i && t.used == i + 1);
	CHECK(mqbus_table_get(&t) == MQBUS_NONE && t.used == 3);
	for (i = 0; i < 3; i++) {
		entries[i].state = MQBUS_ENTRY_LEASED;
		entries[i].lease = 7 + i;
		entries[i].first = 1;
		entries[i].failures = 1;
		entries[i].heap = 0;
	}
	mqbus_table_put(&t, 1);
	mqbus_table_put(&t, 0);
	CHECK(t.used == 1 && entries[1].state == MQBUS_ENTRY_FREE);
	for (i = 0; i < 2; i++) {
		CHECK(mqbus_table_get(&t) == 1 - i);
		CHECK(entries[i].lease == 7 + i && !entries[1 - i].first);
		CHECK(!entries[1 - i].failures && entries[1 - i].heap == MQBUS_NONE);
	}
	test_end();
}

#define LIST_ENTRIES	12

static void check_list(const struct mqbus_table *t, const struct mqbus_list *list,
		       enum mqbus_through through, const u32 *want, u32 n)
{
	u32 i = list->first, last = MQBUS_NONE, k;

	CHECK(mqbus_list_empty(list) == !n);
	for (k = 0; k < n; k++) {
		const struct mqbus_link *l = through == MQBUS_ORDER ? &t->entries[i].order :
								      &t->entries[i].list;

		CHECK(i == want[k] && l->prev == last);
		last = i;
		i = l->next;
	}
	CHECK(i == MQBUS_NONE && list->last == last);
}

static void test_list(void)
{
	struct mqbus_entry entries[LIST_ENTRIES] = {};
	u32 want[2][LIST_ENTRIES], n[2] = {}, i, at, round;
	bool in[2][LIST_ENTRIES] = {};
	struct mqbus_list list[2];
	struct mqbus_table t;
	struct rng rng;

	test_begin("lists: against an array, two at once");
	rng_init(&rng, 1);
	mqbus_table_init(&t, entries, LIST_ENTRIES);
	mqbus_list_init(&list[0]);
	mqbus_list_init(&list[1]);
	for (i = 0; i < LIST_ENTRIES; i++)
		mqbus_table_get(&t);
	for (round = 0; round < 20000; round++) {
		u32 l = rng_below(&rng, 2);

		i = rng_below(&rng, LIST_ENTRIES);
		if (in[l][i]) {
			for (at = 0; want[l][at] != i; at++)
				;
			memmove(&want[l][at], &want[l][at + 1], (--n[l] - at) * sizeof(u32));
			mqbus_list_del(&t, &list[l], l, i);
		} else if (rng_once(&rng, 2)) {
			want[l][n[l]++] = i;
			mqbus_list_add(&t, &list[l], l, i);
		} else {
			memmove(&want[l][1], &want[l][0], n[l]++ * sizeof(u32));
			want[l][0] = i;
			mqbus_list_push(&t, &list[l], l, i);
		}
		in[l][i] = !in[l][i];
		check_list(&t, &list[0], 0, want[0], n[0]);
		check_list(&t, &list[1], 1, want[1], n[1]);
	}
	test_end();
}

#define HEAP_ENTRIES	200

static void check_heap(const struct mqbus_table *t, const u64 *time, const bool *in)
{
	u64 least = U64_MAX;
	u32 i, n = 0;

	for (i = 0; i < HEAP_ENTRIES; i++) {
		const struct mqbus_entry *e = &t->entries[i];

		CHECK((e->heap != MQBUS_NONE) == in[i]);
		if (!in[i])
			continue;
		n++;
		least = min(least, time[i]);
		CHECK(e->time == time[i] && e->heap < t->heap && t->entries[e->heap].slot == i);
	}
	CHECK(t->heap == n);
	if (n)
		CHECK(t->entries[mqbus_heap_top(t)].time == least);
	else
		CHECK(mqbus_heap_top(t) == MQBUS_NONE);
}

static void test_heap(void)
{
	static struct mqbus_entry entries[HEAP_ENTRIES];
	u64 time[HEAP_ENTRIES], last;
	bool in[HEAP_ENTRIES] = {};
	struct mqbus_table t;
	u32 i, round, pass;
	struct rng rng;

	test_begin("heap: against a list, times all over and few");
	rng_init(&rng, 2);
	mqbus_table_init(&t, entries, HEAP_ENTRIES);
	for (i = 0; i < HEAP_ENTRIES; i++)
		mqbus_table_get(&t);
	for (pass = 0; pass < 40; pass++) {
		u64 most = pass % 2 ? 5 : U64_MAX;

		for (round = 0; round < 600; round++) {
			i = rng_below(&rng, HEAP_ENTRIES);
			if (in[i]) {
				mqbus_heap_del(&t, i);
				/* Twice is the same */
				mqbus_heap_del(&t, i);
			} else {
				time[i] = rng_below(&rng, most);
				mqbus_heap_add(&t, i, time[i]);
			}
			in[i] = !in[i];
			check_heap(&t, time, in);
		}
		for (last = 0; pass % 4 && t.heap; last = time[i]) {
			i = mqbus_heap_top(&t);
			CHECK(in[i] && time[i] >= last);
			mqbus_heap_del(&t, i);
			in[i] = false;
			check_heap(&t, time, in);
		}
	}
	test_end();
}

static void test_backoff(void)
{
	struct mqbus_backoff b = { .min = 100, .max = 10000, .factor = 200 };
	static const u32 chances[] = { 0, 1, 1U << 31, U32_MAX };
	u32 i, k;

	test_begin("backoff: from the least to the most");
	for (i = 1; i < 20; i++)
		CHECK(mqbus_backoff_wait(&b, i, 77) == min(100ULL << (i - 1), 10000ULL));
	CHECK(mqbus_backoff_wait(&b, U32_MAX, 0) == 10000);
	b.factor = 150;
	CHECK(mqbus_backoff_wait(&b, 3, 0) == 225 && mqbus_backoff_wait(&b, 4, 0) == 337);
	b.factor = 100;
	CHECK(mqbus_backoff_wait(&b, 1000, 0) == 100);
	b.max = 50;	/* it counts more than the least */
	CHECK(mqbus_backoff_wait(&b, 1, 0) == 50 && mqbus_backoff_wait(&b, 9, 0) == 50);
	b = (struct mqbus_backoff) { .max = 1000, .factor = 10000, .jitter = 100 };
	CHECK(!mqbus_backoff_wait(&b, 1, 0) && !mqbus_backoff_wait(&b, 1000, U32_MAX));

	/* It grows with every failure that a limit may allow, and then stays */
	b = (struct mqbus_backoff) { .min = 100000, .max = MQBUS_DELAY_MAX, .factor = 101 };
	for (i = 1; i < MQBUS_LIMIT_MAX; i++)
		CHECK(mqbus_backoff_wait(&b, i, 0) < mqbus_backoff_wait(&b, i + 1, 0));
	CHECK(mqbus_backoff_wait(&b, i, 0) == mqbus_backoff_wait(&b, i + 1, 0));

	/* The largest that options may be */
	b = (struct mqbus_backoff) {
		.min = MQBUS_DELAY_MAX - 1, .max = MQBUS_DELAY_MAX, .factor = 10000,
	};
	CHECK(mqbus_backoff_wait(&b, 1, 0) == MQBUS_DELAY_MAX - 1);
	for (i = 2; i < 1100; i++)
		CHECK(mqbus_backoff_wait(&b, i, U32_MAX) == MQBUS_DELAY_MAX);

	for (i = 0; i <= 100; i++) {
		u64 last = U64_MAX;

		b.jitter = i;
		for (k = 0; k < ARRAY_SIZE(chances); k++) {
			u64 wait = mqbus_backoff_wait(&b, 5, chances[k]);

			CHECK(wait <= MQBUS_DELAY_MAX && wait <= last && wait);
			CHECK(wait >= MQBUS_DELAY_MAX - MQBUS_DELAY_MAX / 100 * i);
			last = wait;
		}
		CHECK(mqbus_backoff_wait(&b, 5, 0) == MQBUS_DELAY_MAX);
		/* As good as all of it, when chance has it */
		CHECK(last - (MQBUS_DELAY_MAX - MQBUS_DELAY_MAX / 100 * i) < SECOND);
	}
	b = (struct mqbus_backoff) { .min = 1, .max = 1, .factor = 100, .jitter = 100 };
	CHECK(mqbus_backoff_wait(&b, 1, U32_MAX) == 1);
	test_end();
}

/* Keys of the same bytes and different lengths, in one bucket and in several */
static void test_keys(void)
{
	struct group_options o = usual;
	u64 lease[GROUP_KEYS];
	u32 k, i, n;

	o.max_held = 64;
	begin("keys: each has its head, whatever its bucket", &o);
	for (i = 0; i < 3; i++)
		for (k = 1; k < GROUP_KEYS; k++)
			publish(0, 1, k);
	for (i = 0; i < 3; i++) {
		CHECK(take(0, 1024) == GROUP_KEYS - 1);
		for (n = 1; n < GROUP_KEYS; n++) {
			/* In the order in which the keys became free */
			k = i ? 1 + n * 7 % (GROUP_KEYS - 1) : n;
			CHECK(out[n - 1].offset == i * (GROUP_KEYS - 1) + k - 1);
			lease[k] = out[n - 1].lease;
			CHECK(mqbus_keys_find(&g.keys, mqbus_window_record(&g.w, lease[k])) ==
			      (u32)lease[k]);
		}
		CHECK(g.w.held == (GROUP_KEYS - 1) * (2 - i));
		/* From the middle of the chains to their ends */
		for (n = 1; n < GROUP_KEYS; n++) {
			k = 1 + n * 7 % (GROUP_KEYS - 1);
			CHECK(!settle(0, lease[k], MQBUS_ACK));
		}
	}
	for (k = 0; k <= g.keys.mask; k++)
		CHECK(g.keys.buckets[k] == MQBUS_NONE);
	end();
}

static void test_seats(void)
{
	struct mqbus_holder one;

	begin("seats: as many as there are", &usual);
	CHECK(mqbus_window_sit(&g.w, &one) == -ENOSPC);
	mqbus_window_stand(&g.w, &holders[2]);
	CHECK(!g.seats[2] && !mqbus_window_sit(&g.w, &one));
	CHECK(one.seat == 2 && g.seats[2] == &one && !one.nr && mqbus_list_empty(&one.leases));
	end();
}

/* What is wrong with a settlement, whatever the lease is */
static void check_forms(u64 lease)
{
	struct mqbus_settle s = { .lease = lease, .what = MQBUS_EXTEND + 1, .error = 1 };

	CHECK(mqbus_window_settle(&g.w, &holders[0], &s, &now) == -EOPNOTSUPP);
	s.what = U32_MAX;
	CHECK(mqbus_window_settle(&g.w, &holders[0], &s, &now) == -EOPNOTSUPP);
	for (s.what = MQBUS_ACK; s.what <= MQBUS_EXTEND; s.what++) {
		s.delay = 0;
		s.error = 1;
		CHECK(mqbus_window_settle(&g.w, &holders[0], &s, &now) == -EINVAL);
		s.error = 0;
		s.delay = s.what == MQBUS_ACK || s.what == MQBUS_REJECT ? 1 : MQBUS_DELAY_MAX + 1;
		CHECK(mqbus_window_settle(&g.w, &holders[0], &s, &now) ==
		      (s.delay == 1 ? -EINVAL : -ERANGE));
	}
}

static void test_settle(void)
{
	u64 a, b, nr;

	begin("settle: every result", &usual);
	nr = g.w.table.nr;
	g.w.conf.lease = 100;
	g.w.conf.backoff = (struct mqbus_backoff) { .min = 50, .max = 50, .factor = 200 };
	publish(0, 3, 0);
	CHECK(take(0, 2) == 2);
	a = out[0].lease;
	b = out[1].lease;
	check_forms(a);
	check_forms(0);

	CHECK(settle(0, 0, MQBUS_ACK) == -ENOENT);
	CHECK(settle(0, (u32)a, MQBUS_ACK) == -ENOENT);
	CHECK(settle(0, a + (1ULL << 32), MQBUS_ACK) == -ENOENT);
	CHECK(settle(0, 1ULL << 32 | nr, MQBUS_ACK) == -ENOENT);
	CHECK(settle(0, 1ULL << 32 | U32_MAX, MQBUS_ACK) == -ENOENT);
	CHECK(settle(0, 1ULL << 32 | (nr - 1), MQBUS_ACK) == -ENOENT);
	CHECK(settle(1, a, MQBUS_ACK) == -EPERM && settle(1, a, MQBUS_EXTEND) == -EPERM);
	CHECK(g.w.leased == 2 && holders[0].nr == 2);

	CHECK(!settle(0, a, MQBUS_ACK));
	CHECK(settle(0, a, MQBUS_ACK) == -EALREADY && settle(0, a, MQBUS_EXTEND) == -EALREADY);
	CHECK(settle(1, a, MQBUS_NACK) == -EALREADY);

	now.mono += 100;
	CHECK(mqbus_window_due(&g.w) == now.mono && !mqbus_window_tick(&g.w, 1, &now));
	CHECK(settle(0, b, MQBUS_ACK) == -ETIMEDOUT);
	now.mono += 50;
	CHECK(!mqbus_window_tick(&g.w, 1, &now));
	CHECK(settle(0, b, MQBUS_ACK) == -ETIMEDOUT);
	CHECK(take_one(1) == 1 && out[0].attempt == 2 && out[0].ring == MQBUS_RETRY);
	CHECK((u32)out[0].lease == (u32)b && out[0].lease > b);
	CHECK(settle(0, b, MQBUS_ACK) == -ESTALE && settle(0, out[0].lease, MQBUS_ACK) == -EPERM);
	CHECK(!settle(1, out[0].lease, MQBUS_ACK));
	CHECK(settle(1, out[0].lease, MQBUS_ACK) == -EALREADY);
	CHECK(settle(0, b, MQBUS_ACK) == -ESTALE);
	CHECK(g.w.stats.acked == 2 && g.w.stats.expired == 1 && g.w.stats.delivered == 3);
	end();
}

/*
 * The entry of a lease that ran out is used again, by a record that nobody has had:
 * nobody may hear that the lease was settled.
 */
static void test_expired_reused(void)
{
	struct group_options o = usual;
	u64 lease;

	o.max_inflight = 1;
	o.max_retry = 0;
	o.max_held = 1;
	begin("settle: a lease that ran out stays so", &o);
	g.w.conf.lease = 100;
	g.w.conf.limit = 1;
	publish(0, 3, 1);
	CHECK(take_one(0) == 0);
	lease = out[0].lease;
	CHECK(!take(0, 1));
	now.mono += 100;
	/* Without a topic for dead letters it is given up */
	mqbus_window_tick(&g.w, 1, &now);
	CHECK(g.w.stats.discarded == 1 && settle(0, lease, MQBUS_ACK) == -ETIMEDOUT);
	CHECK(take_one(0) == 1);
	/* The third one goes where the first one was, and is held back */
	CHECK(!settle(0, out[0].lease, MQBUS_RELEASE) && take_one(1) == 1);
	g.w.conf.max_inflight = 2;
	CHECK(!take(0, 1) && g.w.held == 1 && entry(lease)->state == MQBUS_ENTRY_HELD);
	CHECK(settle(0, lease, MQBUS_ACK) == -ETIMEDOUT);
	end();
}

/* A lease number is never 0, and an old one never a new one's */
static void test_lease_wrap(void)
{
	struct group_options o = usual;
	u64 lease;

	o.max_inflight = 1;
	o.max_retry = 0;
	begin("lease numbers that wrap", &o);
	publish(0, 1, 0);
	g.w.table.entries[0].lease = U32_MAX - 1;
	CHECK(take_one(0) == 0);
	lease = out[0].lease;
	CHECK(!settle(0, lease, MQBUS_RELEASE) && take_one(0) == 0);
	CHECK(out[0].lease >> 32 && out[0].lease != lease);
	CHECK(settle(0, lease, MQBUS_ACK) == -ESTALE);
	CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	CHECK(settle(0, out[0].lease, MQBUS_ACK) == -EALREADY);
	end();
}

static void test_extend(void)
{
	u64 lease;

	begin("extend: longer, shorter, without end", &usual);
	g.w.conf.lease = 100;
	publish(0, 1, 0);
	take_one(0);
	lease = out[0].lease;
	CHECK(mqbus_window_due(&g.w) == 1100);
	now.mono = 1099;
	CHECK(!mqbus_window_tick(&g.w, 1, &now) && g.w.leased == 1);
	CHECK(!settle(0, lease, MQBUS_EXTEND) && mqbus_window_due(&g.w) == 1199);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, 7) && mqbus_window_due(&g.w) == 1106);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, MQBUS_DELAY_MAX));
	CHECK(mqbus_window_due(&g.w) == 1099 + MQBUS_DELAY_MAX);
	g.w.conf.lease = 0;
	CHECK(!settle(0, lease, MQBUS_EXTEND) && mqbus_window_due(&g.w) == U64_MAX);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, 1) && mqbus_window_due(&g.w) == 1100);
	CHECK(g.w.stats.extended == 5 && g.w.leased == 1 && g.w.inflight == 1);
	now.mono = 1100;
	CHECK(!mqbus_window_tick(&g.w, 1, &now) && !g.w.leased && g.w.stats.expired == 1);
	/* Without a backoff it is handed out again at once */
	CHECK(take_one(1) == 0 && out[0].attempt == 2 && out[0].ring == 0);
	end();
}

static void untake(u32 holder, const u64 *leases, u32 n)
{
	while (n--)
		mqbus_window_untake(&g.w, &holders[holder], leases[n]);
}

static void test_untake(void)
{
	struct mqbus_window_stats stats;
	u64 leases[8], i;

	begin("untake: as if they had not been handed out", &usual);
	g.w.conf.lease = 100;
	publish(0, 8, 0);
	CHECK(take(0, 8) == 8);
	/* Two come back, one through the retry ring */
	CHECK(!settle_delay(0, out[5].lease, MQBUS_NACK, 1));
	CHECK(!settle(0, out[3].lease, MQBUS_RELEASE));
	now.mono++;
	CHECK(!mqbus_window_tick(&g.w, 2, &now));
	CHECK(mqbus_window_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 6);
	publish(0, 2, 0);

	stats = g.w.stats;
	CHECK(take(1, 4) == 4 && holders[1].nr == 4 && g.w.leased == 4);
	for (i = 0; i < 4; i++)
		leases[i] = out[i].lease;
	CHECK(out[0].offset == 3 && out[1].offset == 5 && out[2].offset == 8);
	/* Neither another member's nor one that was given again */
	untake(2, leases, 4);
	leases[0] -= 1ULL << 32;
	untake(1, leases, 1);
	leases[0] += 1ULL << 32;
	CHECK(g.w.leased == 4);
	untake(1, leases, 4);
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)) && !holders[1].nr && !g.w.leased);
	CHECK(mqbus_window_due(&g.w) == U64_MAX && g.w.inflight == 3 && g.w.retrying == 1);
	CHECK(entry(leases[0])->first && !entry(leases[2])->first);
	untake(1, leases, 4);
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)) && mqbus_list_empty(&holders[1].leases));

	/* Those of the partition in their order, then the other one */
	CHECK(take(2, 8) == 4 && out[0].offset == 3 && out[1].offset == 8);
	CHECK(out[2].offset == 9 && out[3].offset == 5);
	CHECK(out[0].attempt == 1 && out[1].attempt == 1 && out[3].attempt == 2);
	stats.delivered += 4;
	stats.redelivered += 2;
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)));
	end();
}

/* Which partition comes next, when each record fails once: at once, or with a wait */
static void check_fair(u32 lanes, u32 max, u32 fail, u64 wait)
{
	struct group_options o = usual;
	u64 got[GROUP_LANES] = {};
	u32 round, n, i;

	o.lanes = lanes;
	group_make(&g, &o);
	CHECK(!mqbus_window_sit(&g.w, &holders[0]));
	for (round = 0; round < 120; round++) {
		for (i = 0; i < lanes; i++)
			while (g.rings[i].tail.offset < got[i] + 40)
				CHECK(group_publish(&g, i, SMALL, 0));
		n = take(0, max);
		CHECK(n);
		for (i = 0; i < n; i++) {
			if (out[i].attempt <= fail) {
				CHECK(!settle_delay(0, out[i].lease, MQBUS_NACK, wait));
				continue;
			}
			CHECK(!settle(0, out[i].lease, MQBUS_ACK));
			got[out[i].partition]++;
		}
		now.mono += wait;
		mqbus_window_tick(&g.w, 99, &now);
	}
	for (i = 0; i < lanes; i++)
		CHECK(got[i] * lanes * (fail + 1) >= 120 - 2 * lanes * (fail + 1));
	group_free(&g);
}

static void test_fair(void)
{
	u32 lanes, max, fail;

	test_begin("partitions take turns, whatever fails");
	for (lanes = 1; lanes <= GROUP_LANES; lanes++)
		for (max = 1; max < 5; max++)
			for (fail = 0; fail < 4; fail++) {
				check_fair(lanes, max, fail, 0);
				check_fair(lanes, max, fail, 3);
			}
	test_end();
}

static bool ready(u32 holder)
{
	return mqbus_window_ready(&g.w, &holders[holder]);
}

static void test_limits(void)
{
	u64 lease;

	begin("credit and what may be in flight", &usual);
	CHECK(!ready(0) && !take(0, 5));
	publish(0, 9, 0);
	g.w.conf.max_inflight = 3;
	g.w.conf.credit = 2;
	CHECK(ready(0) && take(0, 5) == 2 && !more);
	lease = out[0].lease;
	CHECK(!ready(0) && !take(0, 5) && ready(1) && take(1, 5) == 1);
	CHECK(!ready(1) && !ready(2) && !take(2, 5));
	/* What comes back counts already, what waits in the retry ring does not */
	CHECK(!settle(0, lease, MQBUS_RELEASE) && ready(2));
	g.w.conf.max_inflight = 1;
	CHECK(ready(2) && take(2, 5) == 1 && out[0].lease >> 32 == 2);
	CHECK(!settle_delay(2, out[0].lease, MQBUS_RELEASE, 5) && g.w.inflight == 2);
	now.mono += 5;
	mqbus_window_tick(&g.w, 1, &now);
	CHECK(!ready(2) && !take(2, 5));
	g.w.conf.max_inflight = 3;
	CHECK(ready(2) && take(2, 5) == 1 && out[0].ring == MQBUS_RETRY && g.w.inflight == 3);
	CHECK(!ready(3));
	end();
}

/* A partition waits while no more records can be held back, and not longer */
static void test_stuck(void)
{
	struct group_options o = usual;
	u64 lease;
	u32 i;

	o.lanes = 2;
	o.max_held = 2;
	begin("keys: a partition waits for a place, and goes on", &o);
	publish(0, 3, 1);
	publish(1, 1, 1);
	publish(1, 1, 2);
	CHECK(ready(0) && take(0, 9) == 1 && out[0].partition == 0 && g.w.held == 2);
	lease = out[0].lease;
	CHECK(!ready(0) && !ready(1) && !take(1, 9) && !more);
	publish(1, 1, 3);
	CHECK(!ready(1));
	CHECK(!settle(0, lease, MQBUS_ACK) && ready(1));
	CHECK(take(1, 9) == 3 && out[0].partition == 0 && out[0].offset == 1);
	for (i = 1; i < 3; i++)
		CHECK(out[i].partition == 1 && out[i].offset == i);
	CHECK(g.w.held == 2 && !ready(2));
	publish(0, 3, 2);
	CHECK(ready(0) && !take(0, 9) && !ready(0));
	/* Whatever is settled may have been what it waits for */
	CHECK(!settle(1, out[2].lease, MQBUS_ACK) && ready(0) && !take(0, 9) && !ready(0));
	CHECK(!settle(1, out[1].lease, MQBUS_ACK) && ready(0) && take(0, 9) == 1);
	CHECK(out[0].partition == 0 && out[0].offset == 3 && !ready(0));
	end();
}

/*
 * What a group waits for is counted, and the count comes round. The partition of
 * key 2 is looked at when there is no place, and not again before it is put
 * elsewhere.
 */
static void test_unstuck(void)
{
	struct group_options o = usual;
	struct mqbus_mark at;
	u64 i;

	o.lanes = 2;
	o.max_held = 1;
	begin("keys: a partition that was put elsewhere waits no more", &o);
	publish(0, 2, 1);
	publish(1, 1, 1);
	CHECK(take(0, 9) == 1 && g.w.held == 1 && !ready(0));
	CHECK(!mqbus_window_leave(&g.w, &holders[0], 9, &now));
	g.w.conf.max_inflight = 2;
	CHECK(take(0, 9) == 1 && !ready(1));
	CHECK(!settle_delay(0, out[0].lease, MQBUS_NACK, SECOND) && !take(0, 9) && !ready(0));
	publish(1, 1, 2);
	CHECK(!mqbus_window_forget(&g.w, 1, 9));
	at = (struct mqbus_mark) { .pos = SMALL + 8, .offset = 1 };
	spin_lock(&g.rings[1].lock);
	mqbus_cursor_place(&g.cursors[1], &g.rings[1], &at);
	spin_unlock(&g.rings[1].lock);
	mqbus_window_place(&g.w, 1);
	CHECK(ready(0) && take(0, 9) == 1 && out[0].partition == 1 && out[0].offset == 1);
	group_free(&g);
	for (i = 0; i < GROUP_SEATS; i++)
		holders[i].nr = 0;

	group_make(&g, &o);
	CHECK(!mqbus_window_sit(&g.w, &holders[0]));
	/* As after as many settlements */
	g.w.unheld = U32_MAX;
	for (i = 0; i < 4; i++) {
		publish(0, 1, 1);
		CHECK(ready(0) && take(0, 9) == 1);
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	}
	end();
}

static void test_steps(void)
{
	struct group_options o = usual;

	o.size = 1 << 20;
	o.max_held = 2 * MQBUS_WINDOW_STEP;
	begin("keys: so many records are held back in one call", &o);
	publish(0, 1 + MQBUS_WINDOW_STEP + 10, 1);
	publish(0, 1, 2);
	CHECK(take(0, 1) == 1 && out[0].offset == 0 && !more);
	CHECK(!take(0, 9) && more && g.w.held == MQBUS_WINDOW_STEP && ready(0));
	CHECK(take(0, 9) == 1 && !more && out[0].offset == MQBUS_WINDOW_STEP + 11);
	CHECK(g.w.held == MQBUS_WINDOW_STEP + 10 && !ready(0));
	end();
}

static void test_once(void)
{
	struct group_options o = usual;
	u64 leases[6];
	u32 i;

	o.once = true;
	begin("at most once: it is over, however it ends", &o);
	g.w.conf.lease = 100;
	g.w.conf.dlq = true;
	publish(0, 6, 0);
	CHECK(take(0, 5) == 5);
	for (i = 0; i < 5; i++)
		leases[i] = out[i].lease;
	CHECK(!settle(0, leases[0], MQBUS_NACK) && !settle(0, leases[1], MQBUS_RELEASE));
	CHECK(!settle_delay(0, leases[2], MQBUS_NACK, 5));
	CHECK(!settle(0, leases[3], MQBUS_REJECT) && g.w.nr_dead == 1);
	CHECK(g.w.stats.discarded == 3 && g.w.leased == 1 && g.w.inflight == 2);
	now.mono += 100;
	CHECK(!mqbus_window_tick(&g.w, 9, &now) && g.w.stats.discarded == 4);
	CHECK(take_one(1) == 5 && !mqbus_window_leave(&g.w, &holders[1], 9, &now));
	CHECK(g.w.stats.discarded == 5 && !ready(0) && !take(0, 9) && g.w.table.used == 1);
	CHECK(g.w.stats.nacked == 2 && g.w.stats.released == 1 && g.w.stats.died == 1);
	end();
}

static void check_dead(u32 i, enum mqbus_reason reason, u32 failures)
{
	const struct mqbus_entry *e = mqbus_window_entry(&g.w, i);

	CHECK(e->state == MQBUS_ENTRY_DEAD && e->reason == reason && e->failures == failures);
	CHECK(e->pid == 101 && e->uid == 201 && e->first == 5000 && e->time == 6000);
}

static void test_dead(void)
{
	static const enum mqbus_reason reasons[] = {
		MQBUS_REASON_REJECTED, MQBUS_REASON_NACK, MQBUS_REASON_EXPIRED, MQBUS_REASON_DIED,
	};
	u32 i, k;

	begin("dead letters: why, who, when", &usual);
	g.w.conf.limit = 2;
	g.w.conf.dlq = true;
	publish(0, 5, 0);
	CHECK(take(0, 4) == 4);
	/* The first failure */
	CHECK(!settle(0, out[0].lease, MQBUS_RELEASE));
	CHECK(!mqbus_window_leave(&g.w, &holders[0], 9, &now) && !g.w.nr_dead);
	CHECK(g.w.stats.died == 3 && !g.w.stats.deaths);
	now.real = 6000;
	CHECK(take(1, 4) == 4 && out[0].offset == 0 && out[3].offset == 3 && out[3].attempt == 2);
	CHECK(!settle(1, out[0].lease, MQBUS_REJECT) && !settle(1, out[1].lease, MQBUS_NACK));
	CHECK(!settle_delay(1, out[2].lease, MQBUS_EXTEND, 5));
	now.mono += 5;
	CHECK(!mqbus_window_tick(&g.w, 9, &now));
	CHECK(!mqbus_window_leave(&g.w, &holders[1], 9, &now) && g.w.nr_dead == 4);
	CHECK(mqbus_window_due(&g.w) == U64_MAX && g.w.inflight == 4 && !g.w.leased);
	for (k = 0, i = g.w.dead.first; k < 4; k++) {
		check_dead(i, reasons[k], k ? 2 : 0);
		i = mqbus_window_entry(&g.w, i)->list.next;
	}
	CHECK(i == MQBUS_NONE);

	/* Their topic is full: they make room and stay in order, and can be found again */
	CHECK(!mqbus_window_postpone(&g.w) && !mqbus_window_postpone(&g.w));
	for (k = 0, i = g.w.dead.first; k < 4; k++) {
		CHECK(g.w.letter == i);
		mqbus_window_unburied(&g.w, i);
		check_dead(i, reasons[k], k ? 2 : 0);
		i = mqbus_window_entry(&g.w, i)->list.next;
	}
	CHECK(!g.w.inflight && g.w.retrying == 4 && g.w.nr_dead == 4);
	CHECK(floor_of(0) == g.cursors[0].given.pos && g.w.letter == MQBUS_NONE);
	mqbus_window_rebury(&g.w);
	for (k = 0; k < 4; k++) {
		i = g.w.letter;
		CHECK(i == g.w.dead.first);
		CHECK(group_whole(mqbus_window_record(&g.w, i), 0, k, SMALL + 8, 0));
		mqbus_window_buried(&g.w, i);
	}
	CHECK(g.w.stats.buried == 4 && !g.w.nr_dead && !g.w.retrying && !g.w.table.used);
	CHECK(!g.w.retry_live && floor_of(1) == g.rings[1].tail.pos);

	/* Without a topic for them they are dropped */
	g.w.conf.dlq = false;
	take_one(1);
	CHECK(!settle(1, out[0].lease, MQBUS_REJECT) && g.w.stats.discarded == 1);
	CHECK(!g.w.table.used && !g.w.nr_dead);
	end();
}

static void test_leave(void)
{
	struct group_options o = usual;
	u32 i;

	o.max_held = 8;
	begin("a member goes: in steps, and no wait", &o);
	g.w.conf.lease = 100;
	g.w.conf.backoff = (struct mqbus_backoff) { .min = 50, .max = 50, .factor = 200 };
	publish(0, 5, 0);
	publish(0, 2, 1);
	CHECK(take(0, 9) == 6 && g.w.held == 1);
	CHECK(mqbus_window_leave(&g.w, &holders[0], 4, &now) && holders[0].nr == 2);
	CHECK(mqbus_window_leave(&g.w, &holders[0], 0, &now) && holders[0].nr == 2);
	CHECK(!mqbus_window_leave(&g.w, &holders[0], 2, &now) && !holders[0].nr);
	CHECK(g.w.stats.died == 6 && mqbus_window_due(&g.w) == U64_MAX);
	mqbus_window_stand(&g.w, &holders[0]);
	CHECK(take(1, 9) == 6 && g.w.held == 1);
	for (i = 0; i < 6; i++)
		CHECK(out[i].offset == i && out[i].attempt == 2 && out[i].ring == 0);
	CHECK(mqbus_window_settle_held(&g.w, &holders[1], MQBUS_RELEASE, 2, &now) == 2);
	CHECK(mqbus_window_settle_held(&g.w, &holders[1], MQBUS_ACK, 99, &now) == 4);
	CHECK(g.w.stats.released == 2 && g.w.stats.acked == 4 && g.w.held == 1);
	CHECK(take(2, 9) == 3 && out[0].offset == 0 && out[1].offset == 1 && out[2].offset == 6);
	CHECK(!g.w.held);
	CHECK(out[0].attempt == 2 && out[2].attempt == 1);
	end();
}

static void test_tick(void)
{
	struct group_options o = usual;
	u32 n = 0;

	o.size = 1 << 20;
	o.retry_size = 1 << 20;
	o.margin = 32768;
	begin("a tick: so many, and so many bytes", &o);
	g.w.conf.lease = 100;
	g.w.conf.backoff = (struct mqbus_backoff) { .min = 50, .max = 50, .factor = 100 };
	publish(0, 10, 0);
	CHECK(take(0, 10) == 10);
	now.mono += 100;
	CHECK(mqbus_window_tick(&g.w, 4, &now) && g.w.leased == 6);
	CHECK(mqbus_window_tick(&g.w, 0, &now) && g.w.leased == 6);
	CHECK(!mqbus_window_tick(&g.w, 6, &now) && !g.w.leased && g.w.retrying == 10);
	now.mono += 49;
	CHECK(!mqbus_window_tick(&g.w, 99, &now) && !ready(0));
	now.mono += 1;
	CHECK(!mqbus_window_tick(&g.w, 99, &now) && take(0, 99) == 10);
	CHECK(mqbus_window_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 10);

	/* Large ones, which are copied to the retry ring */
	for (n = 0; n < 10; n++)
		CHECK(group_publish(&g, 0, 32768, 0));
	CHECK(take(0, 10) == 10);
	now.mono += 100;
	for (n = 1; mqbus_window_tick(&g.w, 99, &now); n++)
		CHECK(g.w.leased == 10 - n * MQBUS_WINDOW_HOLD / 32768);
	CHECK(n == 5 && !g.w.leased && g.w.retrying == 10);
	end();
}

/* Those that fail together do not come back together */
static void test_jitter(void)
{
	u64 due[8];
	u32 i, k;

	begin("those that fail together get waits of their own", &usual);
	g.w.conf.backoff = (struct mqbus_backoff) {
		.min = SECOND, .max = SECOND, .factor = 200, .jitter = 50,
	};
	publish(0, 8, 0);
	CHECK(take(0, 8) == 8);
	for (i = 0; i < 8; i++) {
		CHECK(!settle(0, out[i].lease, MQBUS_NACK));
		due[i] = entry(out[i].lease)->time;
		CHECK(due[i] > now.mono + SECOND / 2 && due[i] <= now.mono + SECOND);
		for (k = 0; k < i; k++)
			CHECK(due[k] != due[i]);
	}
	end();
}

/* A seek by force: there are members, and they have records */
static void test_forget_leased(void)
{
	struct group_options o = usual;
	u64 leases[4];
	u32 i, k, entry;

	o.lanes = 2;
	begin("forget: leases end, and their numbers", &o);
	publish(0, 3, 0);
	publish(1, 1, 0);
	CHECK(take(0, 99) == 4 && holders[0].nr == 4 && g.w.leased == 4);
	for (i = 0, k = 0; i < 4; i++)
		leases[out[i].partition ? 3 : k++] = out[i].lease;
	g.w.conf.paused = true;
	publish(0, 1, 0);
	CHECK(!mqbus_window_ready(&g.w, &holders[0]) && !take(0, 99));
	for (i = 0; mqbus_window_forget(&g.w, 0, 1); i++)
		;
	CHECK(i == 2 && !g.lane[0].pending && g.lane[1].pending == 1);
	CHECK(holders[0].nr == 1 && g.w.leased == 1 && g.w.inflight == 1);
	g.w.conf.paused = false;
	CHECK(mqbus_window_ready(&g.w, &holders[0]));
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			CHECK(mqbus_window_find(&g.w, &holders[0], leases[i], &entry) == -ESTALE);
		/* The next lease of an entry forgets that */
		if (!k)
			while (publish(0, 1, 0), take(0, 1), (u32)out[0].lease != (u32)leases[0])
				CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	}
	CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	CHECK(settle(0, out[0].lease, MQBUS_ACK) == -EALREADY);
	CHECK(!settle(0, leases[3], MQBUS_ACK));
	end();
}

static void test_forget(void)
{
	struct group_options o = usual;
	u32 i, k;

	o.lanes = 2;
	o.max_held = 8;
	begin("forget: all of one partition, in steps", &o);
	g.w.conf.dlq = true;
	/* In each: leased, waiting, waiting in its partition, dead, and one behind a key */
	for (k = 0; k < 2; k++) {
		publish(k, 4, 0);
		publish(k, 1, 1);
		publish(k, 1, 2 + k);
		publish(k, 1, 2 + k);
	}
	CHECK(take(0, 99) == 11 && g.w.held == 3);
	for (i = 0; i < 11; i++) {
		if (out[i].offset == 1)
			CHECK(!settle_delay(0, out[i].lease, MQBUS_NACK, 5));
		else if (out[i].offset == 3)
			CHECK(!settle(0, out[i].lease, MQBUS_REJECT));
	}
	g.w.max_retry = 2;	/* as if it were full */
	for (i = 0; i < 11; i++)
		if (out[i].offset == 2)
			CHECK(!settle_delay(0, out[i].lease, MQBUS_NACK, 5));
	CHECK(!mqbus_window_leave(&g.w, &holders[0], 99, &now));
	CHECK(g.lane[0].pending == 7 && g.lane[1].pending == 7 && g.w.retrying == 2);
	for (i = 0; mqbus_window_forget(&g.w, 0, 2); i++)
		CHECK(g.lane[0].pending == 7 - 2 * (i + 1));
	CHECK(i == 3 && !g.lane[0].pending && g.lane[1].pending == 7);
	CHECK(g.w.retrying == 1 && g.w.nr_dead == 1 && g.w.held == 2 && g.w.table.used == 7);
	CHECK(floor_of(0) == g.cursors[0].given.pos && floor_of(1) == 0);
	/* The key that two partitions share is the other one's now */
	CHECK(take(0, 99) == 3 && g.w.inflight == 5);
	for (i = 0; i < 3; i++)
		CHECK(out[i].partition == 1);
	CHECK(!mqbus_window_leave(&g.w, &holders[0], 99, &now));
	CHECK(!mqbus_window_forget(&g.w, 1, 99) && !g.w.table.used && !g.w.inflight);
	CHECK(!g.w.retrying && !g.w.held && !g.w.nr_dead && mqbus_window_due(&g.w) == U64_MAX);
	for (k = 0; k <= g.keys.mask; k++)
		CHECK(g.keys.buckets[k] == MQBUS_NONE);
	end();
}

/* Whether one record more, of that size, goes to the retry ring when it fails */
static bool retry_one(u32 size, u64 wait)
{
	u32 before = g.w.retrying;

	CHECK(group_publish(&g, 0, size, 0));
	CHECK(take(0, 1) == 1 && out[0].ring == 0);
	CHECK(!settle_delay(0, out[0].lease, MQBUS_NACK, wait));
	now.mono++;	/* no two are due at the same time */
	return g.w.retrying > before;
}

static void test_retry_full(void)
{
	struct group_options o = usual;
	u32 n, i;

	o.retry_size = 4096;
	begin("retry ring: full to the margin, and by number", &o);
	for (n = 0; n < 6; n++)
		CHECK(retry_one(512, SECOND));
	CHECK(g.w.retry_live == 3072 && !retry_one(520, SECOND) && retry_one(512, SECOND));
	CHECK(!retry_one(64, SECOND) && g.w.inflight == 2 && g.w.retrying == 7);
	group_scribble(&g);
	now.mono += SECOND;
	CHECK(!mqbus_window_tick(&g.w, 99, &now) && take(0, 99) == 9);
	CHECK(out[0].offset == 6 && out[0].ring == 0 && out[1].offset == 8 && out[1].ring == 0);
	for (i = 2; i < 9; i++)
		CHECK(out[i].ring == MQBUS_RETRY && out[i].offset == (i == 8 ? 7 : i - 2));
	CHECK(g.w.inflight == 9);
	CHECK(mqbus_window_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 9);

	g.w.max_retry = 1;
	CHECK(retry_one(64, SECOND) && !retry_one(64, SECOND));
	end();
}

/* What a member reads is not moved; it is in the way until it is settled */
static void test_retry_leased(void)
{
	struct group_options o = usual;
	u64 lease, pos;

	o.retry_size = 4096;
	begin("retry ring: what is leased stays where it is", &o);
	CHECK(retry_one(512, 1));
	now.mono++;
	mqbus_window_tick(&g.w, 1, &now);
	CHECK(take(1, 1) == 1 && out[0].ring == MQBUS_RETRY);
	lease = out[0].lease;
	pos = out[0].pos;
	while (retry_one(512, 1)) {
		now.mono++;
		mqbus_window_tick(&g.w, 1, &now);
		CHECK(take(0, 1) == 1 && out[0].ring == MQBUS_RETRY);
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
		group_scribble(&g);
		CHECK(floor_of(1) == pos);
	}
	CHECK(g.w.retry_live == 512 && group_whole(mqbus_window_record(&g.w, lease), 0, 0, 512, 0));
	CHECK(!settle(1, lease, MQBUS_ACK) && retry_one(512, SECOND));
	end();
}

/*
 * Records that wait long, as many as @waiting of @size bytes, while others fail and
 * are tried again: those that wait are moved out of the way, so there is always room.
 */
static void long_run(u32 waiting, u32 size, u32 rounds)
{
	struct group_options o = usual;
	u32 i;
	u64 needed;

	o.retry_size = 16384;
	o.max_inflight = 128;
	o.max_retry = 256;
	group_make(&g, &o);
	CHECK(!mqbus_window_sit(&g.w, &holders[0]));
	for (i = 0; i < waiting; i++)
		CHECK(retry_one(size, MQBUS_DELAY_MAX));
	needed = g.w.copied;
	for (i = 0; i < rounds; i++) {
		u32 bytes = SMALL + i % 56 * 8;

		CHECK(retry_one(bytes, 1));
		needed += bytes;
		group_scribble(&g);
		CHECK(!mqbus_window_tick(&g.w, 9, &now) && take(0, 9) == 1);
		CHECK(out[0].attempt == 2 && out[0].ring == MQBUS_RETRY);
		CHECK(group_whole(mqbus_window_record(&g.w, out[0].lease), 0, out[0].offset,
				  bytes, 0));
		CHECK(!settle(0, out[0].lease, MQBUS_ACK));
	}
	CHECK(!g.w.inflight && g.w.retrying == waiting && g.w.copied > needed);
	test_note("%u wait with %u bytes: %llu bytes copied for each that comes", waiting,
		  waiting * size,
		  (unsigned long long)(g.w.copied - needed) / needed);
	/* They are all there still */
	now.mono += MQBUS_DELAY_MAX;
	CHECK(!mqbus_window_tick(&g.w, 999, &now) && take(0, 999) == min(waiting, 128U));
	for (i = 0; i < min(waiting, 128U); i++)
		CHECK(group_whole(mqbus_window_record(&g.w, out[i].lease), 0, out[i].offset,
				  size, 0));
	group_free(&g);
}

static void test_retry_long(void)
{
	test_begin("retry ring: what waits long does not stop others");
	long_run(1, SMALL, 3000);
	long_run(8, 512, 3000);
	long_run(16, 512, 3000);
	long_run(24, 512, 3000);
	long_run(120, SMALL, 3000);
	/* So many that there is hardly room for one more */
	long_run(28, 512, 3000);
	long_run(220, SMALL, 3000);
	test_end();
}

int main(void)
{
	test_init(7);
	test_table();
	test_list();
	test_heap();
	test_backoff();
	test_keys();
	test_seats();
	test_settle();
	test_expired_reused();
	test_lease_wrap();
	test_extend();
	test_untake();
	test_fair();
	test_limits();
	test_stuck();
	test_unstuck();
	test_steps();
	test_once();
	test_dead();
	test_leave();
	test_tick();
	test_jitter();
	test_forget();
	test_forget_leased();
	test_retry_full();
	test_retry_leased();
	test_retry_long();
	return test_done();
}
