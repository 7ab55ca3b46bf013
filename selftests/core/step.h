/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A group for step-by-step tests of the in-flight table. A test writes out each call, and each
 * drop of the lock; each of these functions is a hold of it.
 */
#ifndef SELFTESTS_CORE_STEP_H
#define SELFTESTS_CORE_STEP_H

#include <errno.h>

#include "group.h"

#define SMALL	sizeof(struct mqbus_record)
#define SECOND	1000000000ULL

static struct group g;
static struct mqbus_holder holders[GROUP_SEATS];
static struct mqbus_leased out[4096];
static struct mqbus_now now;
/* The last take is to be called again */
static bool more;

static const struct group_options usual = {
	.sources = 1,
	.size = 16384,
	.retry_size = 16384,
	.max_inflight = 64,
	.max_retry = 64,
	.margin = 512,
};

static inline void group_begin(const struct group_options *o)
{
	u32 i;

	group_make(&g, o);
	for (i = 0; i < GROUP_SEATS; i++) {
		holders[i].pid = 100 + i;
		holders[i].uid = 200 + i;
		CHECK(!mqbus_inflight_sit(&g.w, &holders[i]));
	}
	now = (struct mqbus_now) { .mono = 1000, .real = 5000 };
}

static inline void begin(const char *name, const struct group_options *o)
{
	test_begin(name);
	group_begin(o);
}

static inline void end(void)
{
	group_free(&g);
	test_end();
}

static inline void publish(u32 source, u32 n, u32 key)
{
	while (n--)
		CHECK(group_publish(&g, source, SMALL + 8, key));
}

static inline u32 take(u32 holder, u32 max)
{
	u64 lease = g.w.conf.lease;
	u32 left = U32_MAX, n;

	n = mqbus_inflight_take(&g.w, &holders[holder], out, max, lease ? now.mono + lease : 0,
				now.real, &left);
	more = left;
	group_unlock(&g, false);
	return n;
}

/* The offset of the only record to be taken */
static inline u64 take_one(u32 holder)
{
	CHECK(take(holder, 1) == 1);
	return out[0].offset;
}

static inline bool ready(u32 holder)
{
	u32 left = U32_MAX;
	bool is;

	do {
		is = mqbus_inflight_ready(&g.w, &holders[holder], &left);
		CHECK(!is || !left);
	} while (!is && left);
	return is;
}

static inline int settle_delay(u32 holder, u64 lease, u32 what, u64 delay)
{
	struct mqbus_settle s = { .lease = lease, .what = what, .delay = delay };
	int err = mqbus_inflight_settle(&g.w, &holders[holder], &s, &now);

	group_unlock(&g, false);
	return err;
}

static inline int settle(u32 holder, u64 lease, u32 what)
{
	return settle_delay(holder, lease, what, 0);
}

static inline bool tick(u32 max)
{
	bool again = mqbus_inflight_tick(&g.w, max, &now);

	group_unlock(&g, false);
	return again;
}

static inline struct mqbus_entry *entry(u64 lease)
{
	return mqbus_inflight_entry(&g.w, (u32)lease);
}

/*
 * Bytes of a partition's floor; of the retry ring where its first record lies, or the next one
 * will
 */
static inline u64 floor_of(u32 source)
{
	mqbus_inflight_flush(&g.w);
	if (source < g.sources)
		return mqbus_cursor_floor(&g.cursors[source]);
	return mqbus_list_empty(&g.source[source].order) ?
	       g.source[source].end : mqbus_inflight_entry(&g.w, g.source[source].order.first)->pos;
}

/* Whether another record of that size goes to the retry ring when it fails */
static inline bool retry_one(u32 size, u64 wait)
{
	u32 before = g.w.retrying;

	CHECK(group_publish(&g, 0, size, 0));
	CHECK(take(0, 1) == 1 && out[0].ring == 0);
	CHECK(!settle_delay(0, out[0].lease, MQBUS_NACK, wait));
	group_unlock(&g, false);
	now.mono++;	/* no two are due at the same time */
	return g.w.retrying > before;
}

/* A record of that size fails, is due at once, and member @holder has it. Return: its lease. */
static inline u64 retry_leased(u32 holder, u32 size)
{
	CHECK(retry_one(size, 1) && !tick(1) && take(holder, 1) == 1);
	CHECK(out[0].ring == MQBUS_RETRY);
	return out[0].lease;
}

#endif
