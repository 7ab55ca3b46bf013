/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RATE_H
#define _MQBUS_CORE_RATE_H

#include "sys.h"

/**
 * DOC: Rates
 *
 * A token bucket as GCRA keeps it: not how many tokens there are, but when the bucket
 * will be full again. The bucket holds what comes in during the burst. Times are of one
 * clock that does not go back, and parts of a nanosecond are kept, so a rate is exact
 * however high it is.
 *
 * What is due is asked for, and then paid for; in between the caller's lock is held.
 * Something larger than the bucket goes when that is full, and the debt is paid off
 * before anything else goes. So whoever asks for more at a time than must go at a time is
 * to look first whether the bucket holds it: the debt is everybody's.
 */

/**
 * struct mqbus_rate - how fast something may go
 * @each: tokens a second, 1 to %MQBUS_RATE_MAX; 0: no limit
 * @burst: ns for which they may be saved up, at most %MQBUS_DELAY_MAX
 */
struct mqbus_rate {
	u64 each;
	u64 burst;
};

/**
 * struct mqbus_bucket - what was taken of a rate
 * @full: when the bucket is full again; all zero: it is
 * @part: parts of the next nanosecond, of which the rate tells how many there are
 */
struct mqbus_bucket {
	u64 full;
	u64 part;
};

/* Tokens that may be asked for at a time; more than a transaction has bytes */
#define MQBUS_RATE_TOKENS	(1024 * 1024U)

bool mqbus_rate_holds(const struct mqbus_rate *rate, u64 tokens);
u64 mqbus_rate_due(const struct mqbus_rate *rate, const struct mqbus_bucket *bucket,
		   u64 tokens);
void mqbus_rate_spend(const struct mqbus_rate *rate, struct mqbus_bucket *bucket,
		      u64 tokens, u64 now);

#endif /* _MQBUS_CORE_RATE_H */
