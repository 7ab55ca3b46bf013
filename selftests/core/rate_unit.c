// SPDX-License-Identifier: GPL-2.0
/*
 * Token buckets against a model that counts exactly: tokens times a second in parts of
 * a nanosecond, in 128 bits.
 */
#include "rate.h"
#include "test.h"

typedef unsigned __int128 u128;

#define NS_PER_SEC	1000000000ULL

/* Tokens in the bucket times NS_PER_SEC; negative: a debt */
struct model {
	u64 each;
	u64 burst;
	u64 now;
	__int128 level;
};

static u128 model_room(const struct model *m)
{
	return (u128)m->each * m->burst;
}

static void model_pass(struct model *m, u64 ns)
{
	m->now += ns;
	m->level += (u128)m->each * ns;
	if (m->level > (__int128)model_room(m))
		m->level = model_room(m);
}

static bool model_may(const struct model *m, u64 tokens)
{
	u128 cost = (u128)tokens * NS_PER_SEC;

	return m->level >= (__int128)(cost < model_room(m) ? cost : model_room(m));
}

static u64 pick(struct rng *rng, u64 most)
{
	/* Evenly over all magnitudes */
	u64 limit = most >> rng_below(rng, 64);

	return rng_once(rng, 16) ? most : 1 + rng_below(rng, limit ?: 1);
}

/* One rate for a while: each answer is exact, to the nanosecond. Return: number admitted. */
static u64 run(struct rng *rng, u64 each, u64 burst)
{
	struct model m = { .each = each, .burst = burst, .now = 1ULL << 40 };
	const struct mqbus_rate rate = { .each = each, .burst = burst };
	struct mqbus_bucket bucket = {};
	u64 gone = 0;
	int i;

	m.level = model_room(&m);
	for (i = 0; i < 200 && !rng_dry(); i++) {
		u64 tokens = pick(rng, rng_once(rng, 8) ? MQBUS_RATE_TOKENS : 330000);
		u64 due = mqbus_rate_due(&rate, &bucket, tokens);

		CHECK((due <= m.now) == model_may(&m, tokens));
		CHECK(mqbus_rate_holds(&rate, tokens) ==
		      ((u128)tokens * NS_PER_SEC <= model_room(&m)));
		if (due > m.now) {
			struct model then = m;

			model_pass(&then, due - m.now - 1);
			CHECK(!model_may(&then, tokens));
			model_pass(&then, 1);
			CHECK(model_may(&then, tokens));
			/* Wait for all of it, for a part, or not at all */
			if (rng_once(rng, 3))
				m = then;
			else
				model_pass(&m, rng_below(rng, due - m.now));
			continue;
		}
		mqbus_rate_spend(&rate, &bucket, tokens, m.now);
		m.level -= (u128)tokens * NS_PER_SEC;
		CHECK(bucket.part < each);
		gone++;
		model_pass(&m, rng_once(rng, 2) ? 0 : pick(rng, burst));
	}
	return gone;
}

static void test_model(void)
{
	struct rng rng;
	u64 gone = 0;
	int i;

	test_begin("rates: exact, whatever the rate, the burst and the tokens");
	rng_init(&rng, 7);
	for (i = 0; i < 20000; i++)
		gone += run(&rng, pick(&rng, MQBUS_RATE_MAX), pick(&rng, MQBUS_DELAY_MAX));
	/* The extremes, each with each */
	for (i = 0; i < 16; i++)
		gone += run(&rng, i & 1 ? MQBUS_RATE_MAX : 1, i & 2 ? MQBUS_DELAY_MAX : 1);
	test_note("%llu went", (unsigned long long)gone);
	CHECK(gone > 1000000);
	test_end();
}

static void test_burst(void)
{
	const struct mqbus_rate rate = { .each = 3, .burst = 4 * NS_PER_SEC };
	struct mqbus_bucket bucket = {};
	u64 now = 1000 * NS_PER_SEC, i;

	test_begin("rates: an idle bucket gives its burst, and no more");
	for (i = 0; i < 12; i++) {
		CHECK(mqbus_rate_due(&rate, &bucket, 1) <= now);
		mqbus_rate_spend(&rate, &bucket, 1, now);
	}
	/* A third of a second, rounded up; the rounding does not count afterwards */
	CHECK(mqbus_rate_due(&rate, &bucket, 1) == now + 333333334);
	CHECK(mqbus_rate_due(&rate, &bucket, 2) == now + 666666667);
	CHECK(mqbus_rate_due(&rate, &bucket, 3) == now + 1000000000);
	now += 1000 * NS_PER_SEC;
	for (i = 0; i < 12; i++) {
		CHECK(mqbus_rate_due(&rate, &bucket, 1) <= now);
		mqbus_rate_spend(&rate, &bucket, 1, now);
	}
	CHECK(mqbus_rate_due(&rate, &bucket, 1) > now);
	test_end();
}

static void test_large(void)
{
	const struct mqbus_rate rate = { .each = 10, .burst = NS_PER_SEC };
	struct mqbus_bucket bucket = {};
	u64 now = 50 * NS_PER_SEC;

	test_begin("rates: more than a bucket goes when it is full, and is paid for");
	mqbus_rate_spend(&rate, &bucket, 1, now);
	CHECK(mqbus_rate_due(&rate, &bucket, 100) == now + NS_PER_SEC / 10);
	now += NS_PER_SEC / 10;
	mqbus_rate_spend(&rate, &bucket, 100, now);
	/* The bucket held 10; for the other 90, and for one more */
	CHECK(mqbus_rate_due(&rate, &bucket, 1) == now + 9 * NS_PER_SEC + NS_PER_SEC / 10);
	test_end();
}

static void test_none(void)
{
	const struct mqbus_rate none = { .burst = NS_PER_SEC };
	struct mqbus_bucket bucket = { .full = ~0ULL };

	test_begin("rates: none is none");
	CHECK(!mqbus_rate_due(&none, &bucket, MQBUS_RATE_TOKENS));
	mqbus_rate_spend(&none, &bucket, 5, 5);
	CHECK(bucket.full == ~0ULL && !bucket.part);
	test_end();
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct rng rng;

	rng_bytes(data, size);
	rng_init(&rng, 0);
	while (!rng_dry())
		run(&rng, pick(&rng, MQBUS_RATE_MAX), pick(&rng, MQBUS_DELAY_MAX));
	return 0;
}
#else
int main(void)
{
	test_init(3);
	test_model();
	test_burst();
	test_large();
	test_none();
	return test_done();
}
#endif
