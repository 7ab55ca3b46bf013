// SPDX-License-Identifier: GPL-2.0
/*
 * How long a record waits for its next attempt.
 */
#include "backoff.h"

/* More failures than any limit: from there on the wait stays as it is */
#define BACKOFF_STEPS	MQBUS_ATTEMPTS_MAX

/**
 * mqbus_backoff_wait() - the wait after a failure
 * @b: the table
 * @failures: how often the record failed, at least once
 * @chance: any number, for the jitter
 *
 * Return: ns, at most @max.
 */
u64 mqbus_backoff_wait(const struct mqbus_backoff *b, u32 failures, u32 chance)
{
	u64 wait = min(b->min, b->max);
	u32 i;

	for (i = 1; b->factor > 100 && i < min_t(u32, failures, BACKOFF_STEPS); i++) {
		if (wait >= b->max)
			break;
		wait = min(mul_u64_u32_div(wait, b->factor, 100), b->max);
	}
	/* In 2^-32 of the wait, of which a 100th is taken for each percent */
	return wait - div_u64(mul_u64_u32_shr(wait, chance, 32) * b->jitter, 100);
}
