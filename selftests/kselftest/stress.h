/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that kill processes at random: words in shared memory, random numbers,
 * and settings.
 */
#ifndef _MQBUS_TEST_STRESS_H
#define _MQBUS_TEST_STRESS_H

#include "mqbus_test.h"

#define add(p, n)	__atomic_fetch_add(p, n, __ATOMIC_RELAXED)
#define get(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define put(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* Raise a word to @v; never lower it. */
static inline void raise_to(__u64 *p, __u64 v)
{
	__u64 old = get(p);

	while (old < v &&
	       !__atomic_compare_exchange_n(p, &old, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

static inline __u32 draw(__u64 *state, __u32 below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return ((*state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static inline unsigned long setting(const char *name, unsigned long value)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : value;
}

/* Failures: their number, and two numbers that locate the first one */
struct wrong {
	__u64 count;
	__u64 detail[2];
};

static inline void wrong(struct wrong *w, __u64 a, __u64 b)
{
	if (!add(&w->count, 1)) {
		w->detail[0] = a;
		w->detail[1] = b;
	}
}

static inline void expect_none_wrong(struct __test_metadata *_metadata, const struct wrong *w,
				     const char * const *names, size_t kinds)
{
	size_t i;

	for (i = 0; i < kinds; i++) {
		const char *name = names[i] ?: "?";

		EXPECT_EQ(0, w[i].count)
			TH_LOG("%s: %llx, %llx", name, w[i].detail[0], w[i].detail[1]);
	}
}

#endif /* _MQBUS_TEST_STRESS_H */
