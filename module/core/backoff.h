/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_BACKOFF_H
#define _MQBUS_CORE_BACKOFF_H

#include "sys.h"

/**
 * struct mqbus_backoff - delay of a failed record, as in &struct mqbus_queue_options
 * @min: ns after the first failure
 * @max: ns at most
 * @factor: for each further failure, in hundredths
 * @jitter: percent by which a delay may be shorter
 */
struct mqbus_backoff {
	u64 min;
	u64 max;
	u32 factor;
	u32 jitter;
};

u64 mqbus_backoff_wait(const struct mqbus_backoff *b, u32 failures, u32 chance);

#endif /* _MQBUS_CORE_BACKOFF_H */
