/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_WAIT_H
#define _MQBUS_WAIT_H

#include <linux/ktime.h>
#include <linux/wait.h>
#include <linux/mqbus.h>

/**
 * mqbus_deadline() - when a wait ends
 * @timeout: ns as the user gave it
 * @nonblock: O_NONBLOCK
 *
 * Return: 0: do not wait; KTIME_MAX: no limit; else a time of CLOCK_MONOTONIC.
 */
static inline ktime_t mqbus_deadline(u64 timeout, bool nonblock)
{
	if (nonblock || !timeout)
		return 0;
	if (timeout >= KTIME_MAX)
		return KTIME_MAX;
	return ktime_add_safe(ktime_get(), ns_to_ktime(timeout));
}

/*
 * What is left until a deadline. A relative timer that is set to a negative time
 * never fires, so a deadline that has passed is a timer of no length; one of
 * KTIME_MAX is none at all.
 */
static inline ktime_t mqbus_time_left(ktime_t deadline)
{
	if (deadline == KTIME_MAX)
		return KTIME_MAX;
	return max_t(ktime_t, ktime_sub(deadline, ktime_get()), 0);
}

/* A wait without a limit is begun again after a signal; one with a limit would be made longer. */
static inline int mqbus_wait_error(int err, ktime_t deadline)
{
	if (err == -ETIME)
		return -ETIMEDOUT;
	if (err == -ERESTARTSYS && deadline != KTIME_MAX)
		return -EINTR;
	return err;
}

/*
 * Sleep until a condition or @_deadline. Evaluates to 0, -EAGAIN (waiting was not
 * allowed), -ETIMEDOUT, or what a signal asks for.
 */
#define mqbus_wait(_wq, _cond, _deadline)					\
({										\
	ktime_t __end = (_deadline);						\
										\
	__end ? mqbus_wait_error(						\
		wait_event_interruptible_hrtimeout(_wq, _cond,			\
						   mqbus_time_left(__end)),	\
		__end) : -EAGAIN;						\
})

#endif /* _MQBUS_WAIT_H */
