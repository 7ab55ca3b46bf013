// SPDX-License-Identifier: GPL-2.0
/*
 * Seeks: records that are forgotten, step by step.
 */
#include "step.h"

/* Forget a partition, with a limit of looks for each call. Return: number of calls. */
static u32 forget(u32 partition, u32 steps)
{
	u32 holds = 1;

	for (;; holds++) {
		bool again;

		g.w.steps = steps;
		again = mqbus_inflight_forget(&g.w, partition);
		group_unlock(&g, false);
		if (!again)
			break;
	}
	mqbus_inflight_forget_begin(&g.w);
	for (holds++;; holds++) {
		bool again;

		g.w.steps = steps;
		again = mqbus_inflight_forget_retry(&g.w, partition, partition);
		group_unlock(&g, false);
		if (!again)
			return holds;
	}
}

/* A seek by force: members hold records */
static void test_forget_leased(void)
{
	struct group_options o = usual;
	u64 leases[4];
	u32 i, k, entry;

	o.sources = 2;
	begin("forget: leases end, and their numbers", &o);
	publish(0, 3, 0);
	publish(1, 1, 0);
	CHECK(take(0, 99) == 4 && holders[0].nr == 4 && g.w.leased == 4);
	for (i = 0, k = 0; i < 4; i++)
		leases[out[i].partition ? 3 : k++] = out[i].lease;
	g.w.conf.paused = true;
	publish(0, 1, 0);
	CHECK(!ready(0) && !take(0, 99));
	CHECK(forget(0, 1) == 4 && !g.source[0].pending && g.source[1].pending == 1);
	CHECK(holders[0].nr == 1 && g.w.leased == 1 && g.w.nr == 1);
	CHECK(g.w.stats.released == 3 && g.w.stats.discarded == 3);
	g.w.conf.paused = false;
	CHECK(ready(0));
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 3; i++)
			CHECK(mqbus_inflight_find(&g.w, &holders[0], leases[i], &entry) == -ESTALE);
		/* The next lease of an entry clears that */
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

	o.sources = 2;
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
	CHECK(!mqbus_inflight_leave(&g.w, &holders[0], 99, &now));
	CHECK(g.source[0].pending == 7 && g.source[1].pending == 7 && g.w.retrying == 2);
	CHECK(g.source[0].aside == 3 && g.source[1].aside == 3);
	g.w.max_retry = 1;	/* so that the rest waits where it is */
	CHECK(forget(0, 2) == 4 && !g.source[0].pending && g.source[1].pending == 7);
	CHECK(!g.source[0].aside && g.source[1].aside == 3 && g.w.walk == MQBUS_NONE);
	CHECK(g.w.retrying == 1 && g.w.nr_dead == 1 && g.w.held == 2 && g.w.table.used == 7);
	CHECK(floor_of(0) == g.cursors[0].given.pos && floor_of(1) == 0);
	/* The one behind a key was never handed out */
	CHECK(g.w.stats.discarded == 6);
	/* The key in two partitions belongs to the other one now */
	CHECK(take(0, 99) == 3 && g.w.nr == 5);
	for (i = 0; i < 3; i++)
		CHECK(out[i].partition == 1);
	CHECK(!mqbus_inflight_leave(&g.w, &holders[0], 99, &now));
	CHECK(forget(1, 99) == 2 && !g.w.table.used && !g.w.nr);
	CHECK(!g.w.retrying && !g.w.held && !g.w.nr_dead && mqbus_inflight_due(&g.w) == U64_MAX);
	CHECK(mqbus_list_empty(&g.w.stay) && !g.source[1].aside && g.w.letter == MQBUS_NONE);
	CHECK(g.w.stow == MQBUS_NONE);
	for (k = 0; k <= g.keys.mask; k++)
		CHECK(g.keys.buckets[k] == MQBUS_NONE);
	end();
}

#define MANY_SOURCES	64

/* A seek of all partitions, with a great many records in the retry ring */
static void test_forget_all(void)
{
	struct group_options o = usual;
	u32 holds = 0, i, n, p, before;
	bool again;

	o.sources = MANY_SOURCES;
	o.size = 65536;
	o.retry_size = 1 << 22;
	o.max_inflight = 1024;
	o.max_retry = 1 << 15;
	begin("forget: of all partitions each record is looked at once", &o);
	for (n = 0; n < o.max_retry; n += MANY_SOURCES) {
		for (i = 0; i < MANY_SOURCES; i++)
			publish(i, 1, 0);
		CHECK(take(0, MANY_SOURCES) == MANY_SOURCES);
		for (i = 0; i < MANY_SOURCES; i++)
			CHECK(!settle_delay(0, out[i].lease, MQBUS_NACK, SECOND));
	}
	CHECK(g.w.retrying == n);
	for (p = 0; p < MANY_SOURCES; p++) {
		CHECK(g.source[p].aside == n / MANY_SOURCES && !mqbus_inflight_forget(&g.w, p));
		mqbus_inflight_flush(&g.w);
	}
	/* Of one partition: a look at each record, however few are its own */
	mqbus_inflight_forget_begin(&g.w);
	do {
		before = g.w.retrying;
		again = mqbus_inflight_forget_retry(&g.w, 7, 7);
		CHECK(before - g.w.retrying <= MQBUS_INFLIGHT_STEP / MANY_SOURCES + 1);
		group_unlock(&g, false);
		holds++;
	} while (again);
	CHECK(holds == n / MQBUS_INFLIGHT_STEP && !g.source[7].pending);
	n -= n / MANY_SOURCES;
	CHECK(g.w.retrying == n);
	/* And of all at once: no more looks than that */
	mqbus_inflight_forget_begin(&g.w);
	for (holds = 0, again = true; again; holds++) {
		before = g.w.retrying;
		again = mqbus_inflight_forget_retry(&g.w, 0, MANY_SOURCES - 1);
		CHECK(before - g.w.retrying <= MQBUS_INFLIGHT_STEP);
		group_unlock(&g, false);
	}
	CHECK(holds == n / MQBUS_INFLIGHT_STEP && !g.w.retrying && !g.w.table.used);
	CHECK(g.w.stats.discarded == o.max_retry && !g.w.retry_live);
	end();
}

/* While a seek walks the retry ring others settle, and no record is moved there */
static void test_forget_walk(void)
{
	struct group_options o = usual;
	u64 leases[4];
	u32 i;

	o.sources = 2;
	begin("forget: the retry ring is walked while it changes", &o);
	for (i = 0; i < 4; i++)
		leases[i] = retry_leased(1, 72);
	publish(1, 1, 0);
	mqbus_inflight_forget_begin(&g.w);
	g.w.steps = 1;
	CHECK(mqbus_inflight_forget_retry(&g.w, 1, 1) && g.w.walk == (u32)leases[1]);
	mqbus_inflight_flush(&g.w);
	/* The record where it stands is settled, and its entry may be used for another */
	CHECK(!settle(1, leases[1], MQBUS_ACK) && g.w.walk == (u32)leases[2]);
	CHECK(take(0, 1) == 1 && out[0].partition == 1);
	CHECK(!settle_delay(0, out[0].lease, MQBUS_NACK, SECOND));
	CHECK(!mqbus_list_empty(&g.w.stay) && g.w.retrying == 3);
	CHECK(!mqbus_inflight_forget_retry(&g.w, 1, 1) && g.w.walk == MQBUS_NONE);
	group_unlock(&g, false);
	CHECK(mqbus_list_empty(&g.w.stay) && g.w.retrying == 4);
	end();
}

int main(void)
{
	test_init(11);
	test_forget();
	test_forget_leased();
	test_forget_all();
	test_forget_walk();
	return test_done();
}
