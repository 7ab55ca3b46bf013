// SPDX-License-Identifier: GPL-2.0
/*
 * Token buckets.
 */
#include "rate.h"

#define NS_PER_SEC	1000000000ULL

/* ns in which so many come in; rounded up, since a part of a nanosecond is not over yet */
static u64 rate_cost(const struct mqbus_rate *rate, u64 tokens, u64 part)
{
	return div64_u64(part + tokens * NS_PER_SEC + rate->each - 1, rate->each);
}

/**
 * mqbus_rate_holds() - whether something may go without a debt
 * @rate: how fast
 * @tokens: what it takes, at most %MQBUS_RATE_TOKENS
 *
 * Return: false if it is larger than the bucket.
 */
bool mqbus_rate_holds(const struct mqbus_rate *rate, u64 tokens)
{
	return !rate->each || rate_cost(rate, tokens, 0) <= rate->burst;
}

/**
 * mqbus_rate_due() - when something may go
 * @rate: how fast
 * @bucket: what was taken so far
 * @tokens: what it takes, at most %MQBUS_RATE_TOKENS
 *
 * Return: the time; a past one: at once.
 */
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

/**
 * mqbus_rate_spend() - pay for something that goes now
 * @rate: how fast
 * @bucket: what was taken so far
 * @tokens: what it takes, at most %MQBUS_RATE_TOKENS
 * @now: the time
 *
 * Also when it is not due: that is a debt.
 */
void mqbus_rate_spend(const struct mqbus_rate *rate, struct mqbus_bucket *bucket,
		      u64 tokens, u64 now)
{
	if (!rate->each)
		return;
	/* It does not overflow when it is full */
	if (bucket->full < now) {
		bucket->full = now;
		bucket->part = 0;
	}
	bucket->full += div64_u64_rem(bucket->part + tokens * NS_PER_SEC, rate->each,
				      &bucket->part);
}
