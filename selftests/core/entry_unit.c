// SPDX-License-Identifier: GPL-2.0
/*
 * The table of entries, its lists and its heap, how long a record waits, and seats.
 */
#include <errno.h>

#include "group.h"

#define SECOND	1000000000ULL

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
		entries[i].lease = 7 + i;
		entries[i].first = 1;
		entries[i].failures = 1;
		entries[i].heap = 0;
	}
	mqbus_table_put(&t, 1);
	mqbus_table_put(&t, 0);
	CHECK(t.used == 1);
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
	b.max = 50;	/* it counts more than the minimum */
	CHECK(mqbus_backoff_wait(&b, 1, 0) == 50 && mqbus_backoff_wait(&b, 9, 0) == 50);
	b = (struct mqbus_backoff) { .max = 1000, .factor = 10000, .jitter = 100 };
	CHECK(!mqbus_backoff_wait(&b, 1, 0) && !mqbus_backoff_wait(&b, 1000, U32_MAX));

	/* It grows with each failure that a limit may allow, and then stays */
	b = (struct mqbus_backoff) { .min = 100000, .max = MQBUS_DELAY_MAX, .factor = 101 };
	for (i = 1; i < MQBUS_ATTEMPTS_MAX; i++)
		CHECK(mqbus_backoff_wait(&b, i, 0) < mqbus_backoff_wait(&b, i + 1, 0));
	CHECK(mqbus_backoff_wait(&b, i, 0) == mqbus_backoff_wait(&b, i + 1, 0));

	/* The largest options */
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
		/* With the largest chance the wait is as short as jitter may make it */
		CHECK(last - (MQBUS_DELAY_MAX - MQBUS_DELAY_MAX / 100 * i) < SECOND);
	}
	b = (struct mqbus_backoff) { .min = 1, .max = 1, .factor = 100, .jitter = 100 };
	CHECK(mqbus_backoff_wait(&b, 1, U32_MAX) == 1);
	test_end();
}

/* The lowest free seat of the maximum, in any order of joining and leaving */
static void test_seats_many(void)
{
	static struct mqbus_holder *seats[MQBUS_MEMBERS_MAX], many[MQBUS_MEMBERS_MAX];
	static struct mqbus_inflight w;
	struct mqbus_holder one;
	struct rng rng;
	u32 i, round;

	test_begin("seats: as many as there may be");
	rng_init(&rng, 4);
	w.seats = seats;
	w.nr_seats = 70;
	for (i = 0; i < MQBUS_MEMBERS_MAX; i++) {
		if (i == 70) {
			CHECK(mqbus_inflight_sit(&w, &one) == -EMFILE && w.nr_sitting == 70);
			w.nr_seats = MQBUS_MEMBERS_MAX;
		}
		CHECK(!mqbus_inflight_sit(&w, &many[i]) && many[i].seat == i);
	}
	CHECK(mqbus_inflight_sit(&w, &one) == -EMFILE && w.nr_sitting == MQBUS_MEMBERS_MAX);
	for (round = 0; round < 2000; round++) {
		u32 a = rng_below(&rng, MQBUS_MEMBERS_MAX), b = rng_below(&rng, MQBUS_MEMBERS_MAX);

		if (a == b)
			continue;
		mqbus_inflight_stand(&w, seats[a]);
		mqbus_inflight_stand(&w, seats[b]);
		CHECK(!seats[a] && !seats[b] && w.nr_sitting == MQBUS_MEMBERS_MAX - 2);
		CHECK(!mqbus_inflight_sit(&w, &many[min(a, b)]) &&
		      seats[min(a, b)] == &many[min(a, b)]);
		CHECK(!mqbus_inflight_sit(&w, &many[max(a, b)]) &&
		      seats[max(a, b)] == &many[max(a, b)]);
	}
	test_end();
}

int main(void)
{
	test_init(9);
	test_table();
	test_list();
	test_heap();
	test_backoff();
	test_seats_many();
	return test_done();
}
