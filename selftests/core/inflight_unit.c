// SPDX-License-Identifier: GPL-2.0
/*
 * Handing out and settling records of a queue group, step by step: each function's contract,
 * and states that random operations reach once in a million.
 */
#include "step.h"

/* Keys of equal bytes and different lengths, in one bucket and in several */
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
			CHECK(mqbus_keys_find(&g.keys, mqbus_inflight_record(&g.w, lease[k])) ==
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
	CHECK(mqbus_inflight_sit(&g.w, &one) == -EMFILE);
	mqbus_inflight_stand(&g.w, &holders[2]);
	CHECK(!g.seats[2] && !mqbus_inflight_sit(&g.w, &one));
	CHECK(one.seat == 2 && g.seats[2] == &one && !one.nr && mqbus_list_empty(&one.leases));
	end();
}

/* One of many partitions has a record: it is found, wherever the search begins */
static void test_lanes_many(void)
{
	struct group_options o = usual;
	u32 source, left, holds, n;

	o.sources = GROUP_SOURCES_MAX;
	o.size = 4096;
	begin("partitions: so many are looked at in one call", &o);
	for (source = 0; source < o.sources; source += 93) {
		left = U32_MAX;
		for (holds = 1; !mqbus_inflight_ready(&g.w, &holders[0], &left) && left; holds++)
			CHECK(left == o.sources - holds * MQBUS_INFLIGHT_STEP);
		CHECK(holds == o.sources / MQBUS_INFLIGHT_STEP);
		left = U32_MAX;
		for (holds = 1;; holds++) {
			CHECK(!mqbus_inflight_take(&g.w, &holders[0], out, 9, 0, 1, &left));
			if (!left)
				break;
			CHECK(left == o.sources - holds * MQBUS_INFLIGHT_STEP);
		}
		CHECK(holds == o.sources / MQBUS_INFLIGHT_STEP);

		publish(source, 2, 0);
		CHECK(ready(0));
		left = U32_MAX;
		for (n = 0, holds = 1; !n; holds++) {
			n = mqbus_inflight_take(&g.w, &holders[0], out, 1, 0, 1, &left);
			CHECK(n || left);
		}
		CHECK(n == 1 && out[0].partition == source && holds <= 5);
		/* The next search begins behind it, so it is found once more after a round */
		for (n = 0, left = U32_MAX; !n;) {
			n = mqbus_inflight_take(&g.w, &holders[1], out + 1, 9, 0, 1, &left);
			CHECK(n || left);
		}
		CHECK(n == 1 && out[1].partition == source && out[1].offset == 1);
		CHECK(!settle(0, out[0].lease, MQBUS_ACK) && !settle(1, out[1].lease, MQBUS_ACK));
	}
	end();
}

/* Errors of a settlement, whatever the lease */
static void check_forms(u64 lease)
{
	struct mqbus_settle s = { .lease = lease, .what = MQBUS_EXTEND + 1, .error = 1 };

	CHECK(mqbus_inflight_settle(&g.w, &holders[0], &s, &now) == -EOPNOTSUPP);
	s.what = U32_MAX;
	CHECK(mqbus_inflight_settle(&g.w, &holders[0], &s, &now) == -EOPNOTSUPP);
	for (s.what = MQBUS_ACK; s.what <= MQBUS_EXTEND; s.what++) {
		s.delay = 0;
		s.error = 1;
		CHECK(mqbus_inflight_settle(&g.w, &holders[0], &s, &now) == -EINVAL);
		s.error = 0;
		s.delay = s.what == MQBUS_ACK || s.what == MQBUS_REJECT ? 1 : MQBUS_DELAY_MAX + 1;
		CHECK(mqbus_inflight_settle(&g.w, &holders[0], &s, &now) ==
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
	CHECK(mqbus_inflight_due(&g.w) == now.mono && !tick(1));
	CHECK(settle(0, b, MQBUS_ACK) == -ETIMEDOUT);
	now.mono += 50;
	CHECK(!tick(1));
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
 * The entry of an expired lease is used again, by a record that was not handed out: no answer
 * may say that the lease was settled.
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
	g.w.conf.max_attempts = 1;
	publish(0, 3, 1);
	CHECK(take_one(0) == 0);
	lease = out[0].lease;
	CHECK(!take(0, 1));
	now.mono += 100;
	/* Without a DLQ it is given up */
	tick(1);
	CHECK(g.w.stats.discarded == 1 && settle(0, lease, MQBUS_ACK) == -ETIMEDOUT);
	CHECK(take_one(0) == 1);
	/* The third one gets the entry of the first, and is held back */
	CHECK(!settle(0, out[0].lease, MQBUS_RELEASE) && take_one(1) == 1);
	g.w.conf.max_inflight = 2;
	CHECK(!take(0, 1) && g.w.held == 1 && entry(lease)->state == MQBUS_ENTRY_HELD);
	CHECK(settle(0, lease, MQBUS_ACK) == -ETIMEDOUT);
	end();
}

/* A lease number is never 0, and never used again soon */
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
	CHECK(mqbus_inflight_due(&g.w) == 1100);
	now.mono = 1099;
	CHECK(!tick(1) && g.w.leased == 1);
	CHECK(!settle(0, lease, MQBUS_EXTEND) && mqbus_inflight_due(&g.w) == 1199);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, 7) && mqbus_inflight_due(&g.w) == 1106);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, MQBUS_DELAY_MAX));
	CHECK(mqbus_inflight_due(&g.w) == 1099 + MQBUS_DELAY_MAX);
	/* The group's leases have no end any more: this one keeps its own, and may get another */
	g.w.conf.lease = 0;
	CHECK(settle(0, lease, MQBUS_EXTEND) == -EINVAL && g.w.stats.extended == 3);
	CHECK(mqbus_inflight_due(&g.w) == 1099 + MQBUS_DELAY_MAX);
	CHECK(!settle_delay(0, lease, MQBUS_EXTEND, 1) && mqbus_inflight_due(&g.w) == 1100);
	CHECK(settle(0, lease, MQBUS_EXTEND) == -EINVAL && mqbus_inflight_due(&g.w) == 1100);
	CHECK(g.w.stats.extended == 4 && g.w.leased == 1 && g.w.nr == 1);
	now.mono = 1100;
	CHECK(!tick(1) && !g.w.leased && g.w.stats.expired == 1);
	/* Without a backoff it is handed out again at once */
	CHECK(take_one(1) == 0 && out[0].attempt == 2 && out[0].ring == MQBUS_RETRY);
	/* A lease without end stays so, until it gets one */
	lease = out[0].lease;
	CHECK(!settle(1, lease, MQBUS_EXTEND) && mqbus_inflight_due(&g.w) == U64_MAX);
	g.w.conf.lease = MQBUS_DELAY_MAX;
	CHECK(!settle(1, lease, MQBUS_EXTEND));
	CHECK(mqbus_inflight_due(&g.w) == 1100 + MQBUS_DELAY_MAX);
	end();
}

static void untake(u32 holder, const u64 *leases, u32 n)
{
	while (n--)
		mqbus_inflight_untake(&g.w, &holders[holder], leases[n]);
}

static void test_untake(void)
{
	struct mqbus_inflight_stats stats;
	u64 leases[8], i;

	begin("untake: as if they had not been handed out", &usual);
	g.w.conf.lease = 100;
	publish(0, 8, 0);
	CHECK(take(0, 8) == 8);
	/* Two come back, one through the retry ring */
	CHECK(!settle_delay(0, out[5].lease, MQBUS_NACK, 1));
	CHECK(!settle(0, out[3].lease, MQBUS_RELEASE));
	now.mono++;
	CHECK(!tick(2));
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 6);
	publish(0, 2, 0);

	stats = g.w.stats;
	CHECK(take(1, 4) == 4 && holders[1].nr == 4 && g.w.leased == 4);
	for (i = 0; i < 4; i++)
		leases[i] = out[i].lease;
	CHECK(out[0].offset == 3 && out[1].offset == 8 && out[2].offset == 5);
	/* Neither another member's nor one that was given again */
	untake(2, leases, 4);
	leases[0] -= 1ULL << 32;
	untake(1, leases, 1);
	leases[0] += 1ULL << 32;
	CHECK(g.w.leased == 4);
	untake(1, leases, 4);
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)) && !holders[1].nr && !g.w.leased);
	CHECK(mqbus_inflight_due(&g.w) == U64_MAX && g.w.nr == 3 && g.w.retrying == 1);
	CHECK(entry(leases[0])->first && !entry(leases[1])->first);
	untake(1, leases, 4);
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)) && mqbus_list_empty(&holders[1].leases));

	/* In the same order */
	CHECK(take(2, 8) == 4 && out[0].offset == 3 && out[1].offset == 8);
	CHECK(out[2].offset == 5 && out[3].offset == 9);
	CHECK(out[0].attempt == 1 && out[1].attempt == 1 && out[2].attempt == 2);
	stats.delivered += 4;
	stats.redelivered += 2;
	CHECK(!memcmp(&stats, &g.w.stats, sizeof(stats)));
	end();
}

/*
 * Fresh records of each partition when each record fails so often: at once, or with a wait. A
 * call may take more of one partition than the next call of another.
 */
static void check_fair(u32 sources, u32 max, u32 fail, u64 wait)
{
	struct group_options o = usual;
	u64 got[GROUP_SOURCES] = {}, fresh = 0;
	u32 round, n, i;

	o.sources = sources;
	group_make(&g, &o);
	CHECK(!mqbus_inflight_sit(&g.w, &holders[0]));
	for (round = 0; round < 120; round++) {
		for (i = 0; i < sources; i++)
			while (g.rings[i].tail.offset < got[i] + 40)
				CHECK(group_publish(&g, i, SMALL, 0));
		n = take(0, max);
		CHECK(n);
		for (i = 0; i < n; i++) {
			fresh += out[i].attempt == 1;
			got[out[i].partition] += out[i].attempt == 1;
			if (out[i].attempt <= fail) {
				CHECK(!settle_delay(0, out[i].lease, MQBUS_NACK, wait));
				continue;
			}
			CHECK(!settle(0, out[i].lease, MQBUS_ACK));
		}
		now.mono += wait;
		tick(99);
	}
	for (i = 0; i < sources; i++)
		CHECK((2 * got[i] + max) * sources >= fresh);
	group_free(&g);
}

static void test_fair(void)
{
	u32 sources, max, fail;

	test_begin("partitions take turns, whatever fails");
	for (sources = 1; sources <= GROUP_SOURCES; sources++)
		for (max = 1; max < 5; max++)
			for (fail = 0; fail < 4; fail++) {
				check_fair(sources, max, fail, 0);
				check_fair(sources, max, fail, 3);
			}
	test_end();
}

/*
 * Some records of partition 0 always fail, at once, and all others are acknowledged: of those
 * handed out every second one is fresh.
 */
static void check_poison(u32 max, u32 batch, u32 keys, u32 poison)
{
	struct group_options o = usual;
	u32 fresh = 0, retries = 0, run = 0, i, n;

	o.max_held = keys ? 64 : 0;
	group_begin(&o);
	g.w.conf.max_inflight = max;
	for (i = 0; i < 100; i++)
		publish(0, 1, keys ? 1 + i % keys : 0);
	while (fresh < 60) {
		n = take(0, batch);
		CHECK(n);
		for (i = 0; i < n; i++) {
			bool first = out[i].attempt == 1;

			run = first ? 0 : run + 1;
			CHECK(run < 2);
			fresh += first;
			retries += !first;
			CHECK(!settle(0, out[i].lease,
				      out[i].offset < poison ? MQBUS_NACK : MQBUS_ACK));
		}
	}
	/* In a batch there may be none left that is not leased */
	CHECK(batch > 1 || retries + 3 + 2 * poison >= fresh);
	group_free(&g);
}

static void test_poison(void)
{
	u32 poison, batch;

	test_begin("what fails at once and what is fresh take turns");
	for (poison = 1; poison < 20; poison++)
		for (batch = 1; batch < 5; batch++) {
			check_poison(1, batch, 0, poison);
			check_poison(2, batch, 0, poison);
			check_poison(64, batch, 0, poison);
			check_poison(1, batch, GROUP_KEYS - 1, min(poison, 5U));
			check_poison(2, batch, GROUP_KEYS - 1, min(poison, 5U));
			check_poison(64, batch, GROUP_KEYS - 1, min(poison, 5U));
		}
	test_end();
}

/* Records that came back and stay in flight, and those of the retry ring, take turns, too */
static void test_turns(void)
{
	static const u64 want[] = { 0, 2, 1, 3, 0, 4, 1, 5 };
	u32 i;

	begin("a released record and one of the retry ring take turns", &usual);
	publish(0, 6, 0);
	CHECK(take(0, 2) == 2 && !settle_delay(0, out[1].lease, MQBUS_NACK, 1));
	CHECK(!settle(0, out[0].lease, MQBUS_RELEASE) && g.w.nr == 1 && g.w.retrying == 1);
	now.mono++;
	CHECK(!tick(1));
	for (i = 0; i < 8; i++) {
		CHECK(take_one(0) == want[i]);
		CHECK(!settle(0, out[0].lease, want[i] ? want[i] == 1 ? MQBUS_NACK : MQBUS_ACK :
							 MQBUS_RELEASE));
	}
	/* Nothing is fresh: the two alternate */
	CHECK(take_one(0) == 0 && take_one(0) == 1 && !ready(0));
	end();
}

/* A record that fails at once does not overtake one that waits for room, nor holds its partition */
static void test_room_at_once(void)
{
	struct group_options o = usual;

	o.max_retry = 1;
	begin("what fails at once leaves its partition if there is room", &o);
	publish(0, 3, 0);
	CHECK(take(0, 3) == 3 && !settle(0, out[0].lease, MQBUS_NACK));
	CHECK(g.w.retrying == 1 && floor_of(0) == SMALL + 8 && g.source[0].aside == 1);
	CHECK(!settle(0, out[1].lease, MQBUS_NACK));
	CHECK(g.w.retrying == 1 && floor_of(0) == SMALL + 8 && g.w.nr == 2);
	CHECK(!settle(0, out[2].lease, MQBUS_ACK) && take(0, 9) == 2);
	CHECK(out[0].offset == 1 && out[0].ring == 0 && out[1].ring == MQBUS_RETRY);
	CHECK(!settle(0, out[1].lease, MQBUS_ACK) && !settle(0, out[0].lease, MQBUS_NACK));
	CHECK(g.w.retrying == 1 && floor_of(0) == 3 * (SMALL + 8) && !g.w.nr);
	publish(0, 2, 0);
	CHECK(take(0, 9) == 3);
	CHECK(!settle_delay(0, out[1].lease, MQBUS_NACK, 5) && g.w.retrying == 1);
	CHECK(!settle(0, out[2].lease, MQBUS_NACK) && g.w.retrying == 1);
	end();
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
	/* Records that came back count as in flight already, those in the retry ring do not */
	CHECK(!settle(0, lease, MQBUS_RELEASE) && ready(2));
	g.w.conf.max_inflight = 1;
	CHECK(ready(2) && take(2, 5) == 1 && out[0].lease >> 32 == 2);
	CHECK(!settle_delay(2, out[0].lease, MQBUS_RELEASE, 5) && g.w.nr == 2);
	now.mono += 5;
	tick(1);
	CHECK(!ready(2) && !take(2, 5));
	g.w.conf.max_inflight = 4;
	CHECK(ready(2) && take(2, 5) == 2 && out[1].ring == MQBUS_RETRY && g.w.nr == 4);
	CHECK(!ready(3));
	end();
}

/* A partition waits while no more records can be held back, and not longer */
static void test_stuck(void)
{
	struct group_options o = usual;
	u64 lease;
	u32 i;

	o.sources = 2;
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
	/* Any settlement may be the one that it waits for */
	CHECK(!settle(1, out[2].lease, MQBUS_ACK) && ready(0) && !take(0, 9) && !ready(0));
	CHECK(!settle(1, out[1].lease, MQBUS_ACK) && ready(0) && take(0, 9) == 1);
	CHECK(out[0].partition == 0 && out[0].offset == 3 && !ready(0));
	end();
}

/*
 * Settlements that a partition waits for are counted, and the count wraps. The partition of key
 * 2 is looked at while there is no place, and not again before its cursor moves.
 */
static void test_unstuck(void)
{
	struct group_options o = usual;
	struct mqbus_mark at;
	u64 i;

	o.sources = 2;
	o.max_held = 1;
	begin("keys: a partition that was put elsewhere waits no more", &o);
	publish(0, 2, 1);
	publish(1, 1, 1);
	CHECK(take(0, 9) == 1 && g.w.held == 1 && !ready(0));
	CHECK(!mqbus_inflight_leave(&g.w, &holders[0], 9, &now));
	g.w.conf.max_inflight = 2;
	CHECK(take(0, 9) == 1 && !ready(1));
	CHECK(!settle_delay(0, out[0].lease, MQBUS_NACK, SECOND) && !take(0, 9) && !ready(0));
	publish(1, 1, 2);
	CHECK(!mqbus_inflight_forget(&g.w, 1));
	group_unlock(&g, false);
	at = (struct mqbus_mark) { .pos = SMALL + 8, .offset = 1 };
	spin_lock(&g.rings[1].lock);
	mqbus_cursor_place(&g.cursors[1], &g.rings[1], &at);
	spin_unlock(&g.rings[1].lock);
	mqbus_inflight_place(&g.w, 1);
	CHECK(ready(0) && take(0, 9) == 1 && out[0].partition == 1 && out[0].offset == 1);
	group_free(&g);
	for (i = 0; i < GROUP_SEATS; i++)
		holders[i].nr = 0;

	group_make(&g, &o);
	CHECK(!mqbus_inflight_sit(&g.w, &holders[0]));
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
	o.max_held = 2 * MQBUS_INFLIGHT_STEP;
	begin("keys: so many records are held back in one call", &o);
	publish(0, 1 + MQBUS_INFLIGHT_STEP + 10, 1);
	publish(0, 1, 2);
	CHECK(take(0, 1) == 1 && out[0].offset == 0 && !more);
	CHECK(!take(0, 9) && more && g.w.held == MQBUS_INFLIGHT_STEP && ready(0));
	CHECK(take(0, 9) == 1 && !more && out[0].offset == MQBUS_INFLIGHT_STEP + 11);
	CHECK(g.w.held == MQBUS_INFLIGHT_STEP + 10 && !ready(0));
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
	CHECK(g.w.stats.discarded == 3 && g.w.leased == 1 && g.w.nr == 2);
	now.mono += 100;
	CHECK(!tick(9) && g.w.stats.discarded == 4);
	CHECK(take_one(1) == 5 && !mqbus_inflight_leave(&g.w, &holders[1], 9, &now));
	CHECK(g.w.stats.discarded == 5 && !ready(0) && !take(0, 9) && g.w.table.used == 1);
	CHECK(g.w.stats.nacked == 2 && g.w.stats.released == 1 && g.w.stats.died == 1);
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
	CHECK(mqbus_inflight_leave(&g.w, &holders[0], 4, &now) && holders[0].nr == 2);
	CHECK(mqbus_inflight_leave(&g.w, &holders[0], 0, &now) && holders[0].nr == 2);
	CHECK(!mqbus_inflight_leave(&g.w, &holders[0], 2, &now) && !holders[0].nr);
	CHECK(g.w.stats.died == 6 && mqbus_inflight_due(&g.w) == U64_MAX);
	mqbus_inflight_stand(&g.w, &holders[0]);
	CHECK(take(1, 9) == 6 && g.w.held == 1);
	for (i = 0; i < 6; i++)
		CHECK(out[i].offset == i && out[i].attempt == 2 && out[i].ring == 0);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[1], MQBUS_RELEASE, 2, &now) == 2);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[1], MQBUS_ACK, 99, &now) == 4);
	CHECK(g.w.stats.released == 2 && g.w.stats.acked == 4 && g.w.held == 1);
	CHECK(take(2, 9) == 3 && out[0].offset == 6 && out[1].offset == 0 && out[2].offset == 1);
	CHECK(!g.w.held);
	CHECK(out[0].attempt == 1 && out[2].attempt == 2);
	/* A second time: who dies of a record must not keep the others from being handed out */
	CHECK(!mqbus_inflight_leave(&g.w, &holders[2], 9, &now));
	CHECK(g.w.retrying == 2 && g.w.nr == 1 && ready(1));
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
	CHECK(tick(4) && g.w.leased == 6);
	CHECK(tick(0) && g.w.leased == 6);
	CHECK(!tick(6) && !g.w.leased && g.w.retrying == 10);
	now.mono += 49;
	CHECK(!tick(99) && !ready(0));
	now.mono += 1;
	CHECK(!tick(99) && take(0, 99) == 10);
	CHECK(mqbus_inflight_settle_held(&g.w, &holders[0], MQBUS_ACK, 99, &now) == 10);

	/* Large ones, which are copied to the retry ring */
	for (n = 0; n < 10; n++)
		CHECK(group_publish(&g, 0, 32768, 0));
	CHECK(take(0, 10) == 10);
	now.mono += 100;
	for (n = 1; tick(99); n++)
		CHECK(g.w.leased == 10 - n * MQBUS_INFLIGHT_HOLD / 32768);
	CHECK(n == 5 && !g.w.leased && g.w.retrying == 10);
	end();
}

/* Records that fail together do not come back together */
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

int main(void)
{
	test_init(7);
	test_keys();
	test_seats();
	test_lanes_many();
	test_settle();
	test_expired_reused();
	test_lease_wrap();
	test_extend();
	test_untake();
	test_fair();
	test_poison();
	test_turns();
	test_room_at_once();
	test_limits();
	test_stuck();
	test_unstuck();
	test_steps();
	test_once();
	test_leave();
	test_tick();
	test_jitter();
	return test_done();
}
