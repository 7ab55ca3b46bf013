// SPDX-License-Identifier: GPL-2.0
/*
 * Sleeping until a condition holds, a signal arrives, or the timeout passes.
 */
#include <linux/hrtimer.h>
#include <linux/sched.h>

#include "base/sleep.h"

/*
 * Schedule in the task state set by the caller, until @end of CLOCK_MONOTONIC or without
 * a limit (KTIME_MAX). Return: -ETIMEDOUT, or 0 if woken earlier.
 */
int mqbus_sleep_timed(ktime_t end)
{
	return schedule_hrtimeout(end == KTIME_MAX ? NULL : &end, HRTIMER_MODE_ABS) ?
	       0 : -ETIMEDOUT;
}

/**
 * mqbus_sleep_until() - sleep until a condition holds
 * @queue: woken when it may hold
 * @wait: initialised, exclusive or not
 * @done: the condition; called in the state of a sleeper, so it must not sleep long
 * @arg: for @done
 * @end: a time of CLOCK_MONOTONIC, or KTIME_MAX
 *
 * Return: 0, -ETIMEDOUT, -ERESTARTSYS.
 */
int mqbus_sleep_until(struct wait_queue_head *queue, struct wait_queue_entry *wait,
		      bool (*done)(void *arg), void *arg, ktime_t end)
{
	int err;

	do {
		/* After a signal it is off the queue: a wake-up reaches the next waiter */
		err = prepare_to_wait_event(queue, wait, TASK_INTERRUPTIBLE);
		if (done(arg)) {
			err = 0;
			break;
		}
		err = err ?: mqbus_sleep_timed(end);
	} while (!err);
	finish_wait(queue, wait);
	return err;
}

/**
 * mqbus_sleep() - sleep on a user's behalf
 * @queue: as mqbus_sleep_until(), and the next three
 * @wait: likewise
 * @done: likewise
 * @arg: likewise
 * @deadline: from mqbus_deadline()
 *
 * Return: 0, -EAGAIN (may not wait), -ETIMEDOUT, -EINTR or -ERESTARTSYS (a signal).
 */
int mqbus_sleep(struct wait_queue_head *queue, struct wait_queue_entry *wait,
		bool (*done)(void *arg), void *arg, ktime_t deadline)
{
	if (!deadline)
		return -EAGAIN;
	return mqbus_sleep_error(mqbus_sleep_until(queue, wait, done, arg, deadline), deadline);
}
