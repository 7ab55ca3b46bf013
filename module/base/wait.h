/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_WAIT_H
#define _MQBUS_WAIT_H

#include <linux/hrtimer.h>
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

/* A wait without a limit is begun again after a signal; one with a limit would be made longer. */
static inline int mqbus_wait_error(int err, ktime_t deadline)
{
	return err == -ERESTARTSYS && deadline != KTIME_MAX ? -EINTR : err;
}

/* Return: -ETIMEDOUT when the time has come, 0 when something else has happened. */
static inline int mqbus_wait_sleep(ktime_t *until)
{
	return schedule_hrtimeout(until, HRTIMER_MODE_ABS) ? 0 : -ETIMEDOUT;
}

/*
 * Sleep until a condition or @_end, which is not 0. Evaluates to 0, -ETIMEDOUT, or
 * -ERESTARTSYS, which the caller knows what to make of.
 */
#define mqbus_wait_until(_wq, _exclusive, _cond, _end)				\
({										\
	ktime_t __until = (_end);						\
	ktime_t *__limit = __until == KTIME_MAX ? NULL : &__until;		\
										\
	___wait_event(_wq, _cond, TASK_INTERRUPTIBLE, _exclusive, 0,		\
			__ret = mqbus_wait_sleep(__limit);			\
			if (__ret)						\
				break);						\
})

/*
 * Sleep until a condition or @_deadline. Evaluates to 0, -EAGAIN (waiting was not
 * allowed), -ETIMEDOUT, or what a signal asks for. Of those that wait with
 * @_exclusive one is woken at a time.
 */
#define mqbus_wait_as(_wq, _exclusive, _cond, _deadline)			\
({										\
	ktime_t __end = (_deadline);						\
										\
	__end ? mqbus_wait_error(mqbus_wait_until(_wq, _exclusive, _cond, __end), \
				 __end) : -EAGAIN;				\
})

#define mqbus_wait(_wq, _cond, _deadline)	mqbus_wait_as(_wq, 0, _cond, _deadline)

#endif /* _MQBUS_WAIT_H */
