// SPDX-License-Identifier: GPL-2.0
/*
 * Token buckets.
 */
#include "rate.h"

#define NS_PER_SEC	1000000000ULL

/* ns in which so many tokens accrue, rounded up */
static u64 rate_cost(const struct mqbus_rate *rate, u64 tokens, u64 part)
{
	return div64_u64(part + tokens * NS_PER_SEC + rate->each - 1, rate->each);
}

/* Whether the bucket can hold so many tokens, at most MQBUS_RATE_TOKENS. */
bool mqbus_rate_holds(const struct mqbus_rate *rate, u64 tokens)
{
	return !rate->each || rate_cost(rate, tokens, 0) <= rate->burst;
}

/* Time at which so many tokens, at most MQBUS_RATE_TOKENS, are available; may be past. */
u64 mqbus_rate_due(const struct mqbus_rate *rate, const struct mqbus_bucket *bucket,
		   u64 tokens)
{
	u64 due;

	if (!rate->each)
		return 0;
	if (!mqbus_rate_holds(rate, tokens))
		return bucket->full + !!bucket->part;
	due = bucket->full + rate_cost(rate, tokens, bucket->part);
	return due > rate->burst ? due - rate->burst : 0;
}

/*
 * Spend tokens now, at most MQBUS_RATE_TOKENS. Spending before mqbus_rate_due() makes a debt.
 */
void mqbus_rate_spend(const struct mqbus_rate *rate, struct mqbus_bucket *bucket,
		      u64 tokens, u64 now)
{
	if (!rate->each)
		return;
	/* A full bucket gains no more tokens */
	if (bucket->full < now) {
		bucket->full = now;
		bucket->part = 0;
	}
	bucket->full += div64_u64_rem(bucket->part + tokens * NS_PER_SEC, rate->each,
				      &bucket->part);
}
