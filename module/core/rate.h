/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RATE_H
#define _MQBUS_CORE_RATE_H

#include "sys.h"

/**
 * DOC: Rates
 *
 * A token bucket in the form of GCRA: it stores the time at which the bucket will be full
 * again, not the number of tokens. The bucket holds the tokens of one burst. Times are of
 * one clock that does not go back, and parts of a nanosecond are kept, so a rate is exact
 * at any speed.
 *
 * Callers ask for the due time, and then spend, under one hold of their lock.
 * A request larger than the bucket goes when the bucket is full, and the debt is paid off
 * before anything else goes. A caller that combines requests must check that the bucket
 * holds the sum, because all users of the bucket pay the debt.
 */

/**
 * struct mqbus_rate - limit of tokens per time
 * @each: tokens a second, 1 to %MQBUS_RATE_MAX; 0: no limit
 * @burst: ns for which tokens accumulate, at most %MQBUS_DELAY_MAX
 */
struct mqbus_rate {
	u64 each;
	u64 burst;
};

/**
 * struct mqbus_bucket - state of a rate
 * @full: time at which the bucket is full; all zero: it is full
 * @part: parts of the next nanosecond; their number per ns depends on the rate
 */
struct mqbus_bucket {
	u64 full;
	u64 part;
};

/* Limit of tokens in one request; more than a transaction has bytes */
#define MQBUS_RATE_TOKENS	(1024 * 1024U)

bool mqbus_rate_holds(const struct mqbus_rate *rate, u64 tokens);
u64 mqbus_rate_due(const struct mqbus_rate *rate, const struct mqbus_bucket *bucket,
		   u64 tokens);
void mqbus_rate_spend(const struct mqbus_rate *rate, struct mqbus_bucket *bucket,
		      u64 tokens, u64 now);

#endif /* _MQBUS_CORE_RATE_H */
