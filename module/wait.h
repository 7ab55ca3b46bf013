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
 * never fires, so a deadline that has passed is a timer of no length.
 */
static inline ktime_t mqbus_time_left(ktime_t deadline)
{
	return max_t(ktime_t, ktime_sub(deadline, ktime_get()), 0);
}

/*
 * Sleep until @cond or @deadline. Evaluates to 0, -EAGAIN (waiting was not
 * allowed), -ETIMEDOUT, or what a signal asks for: a wait without a limit is
 * begun again, one with a limit would be made longer by that.
 */
#define mqbus_wait(wq, cond, deadline)						\
({										\
	ktime_t __end = (deadline);						\
	int __err;								\
										\
	if (!__end)								\
		__err = -EAGAIN;						\
	else if (__end == KTIME_MAX)						\
		__err = wait_event_interruptible(wq, cond);			\
	else									\
		__err = wait_event_interruptible_hrtimeout(wq, cond,		\
				mqbus_time_left(__end));			\
	if (__err == -ETIME)							\
		__err = -ETIMEDOUT;						\
	if (__err == -ERESTARTSYS && __end != KTIME_MAX)			\
		__err = -EINTR;							\
	__err;									\
})

#endif /* _MQBUS_WAIT_H */
