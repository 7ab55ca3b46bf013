// SPDX-License-Identifier: GPL-2.0
/*
 * Delay before a failed record's next attempt.
 */
#include "backoff.h"

/* More failures than any limit: the delay stays the same from there on */
#define BACKOFF_STEPS	MQBUS_ATTEMPTS_MAX

/* ns to wait after so many failures, at least one; @chance is any number, for the jitter. */
u64 mqbus_backoff_wait(const struct mqbus_backoff *b, u32 failures, u32 chance)
{
	u64 wait = min(b->min, b->max);
	u32 i;

	for (i = 1; b->factor > 100 && i < min_t(u32, failures, BACKOFF_STEPS); i++) {
		if (wait >= b->max)
			break;
		wait = min(mul_u64_u32_div(wait, b->factor, 100), b->max);
	}
	/* @chance is in 2^-32 of the wait; each percent of jitter takes a 100th of that */
	return wait - div_u64(mul_u64_u32_shr(wait, chance, 32) * b->jitter, 100);
}
