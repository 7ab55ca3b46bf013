// SPDX-License-Identifier: GPL-2.0
/*
 * Sleeping until something has happened, a signal comes, or the time is up.
 */
#include <linux/hrtimer.h>
#include <linux/sched.h>

#include "base/sleep.h"

/**
 * mqbus_sleep_timed() - give the processor away, in a state that the caller has set
 * @end: a time of CLOCK_MONOTONIC, or KTIME_MAX
 *
 * Return: -ETIMEDOUT when the time has come, 0 when something else has happened.
 */
int mqbus_sleep_timed(ktime_t end)
{
	return schedule_hrtimeout(end == KTIME_MAX ? NULL : &end, HRTIMER_MODE_ABS) ?
	       0 : -ETIMEDOUT;
}

/**
 * mqbus_sleep_until() - sleep until something has happened
 * @queue: where those are woken for whom it may have
 * @wait: initialised; of those that are exclusive one is woken at a time
 * @done: whether it has; called with the state of a sleeper, so it must not sleep long
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
		/* After a signal out of the queue: a wake-up goes to the next one */
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
 * @deadline: as mqbus_deadline() gave it
 *
 * Return: 0, -EAGAIN (waiting was not allowed), -ETIMEDOUT, or what a signal asks for.
 */
int mqbus_sleep(struct wait_queue_head *queue, struct wait_queue_entry *wait,
		bool (*done)(void *arg), void *arg, ktime_t deadline)
{
	if (!deadline)
		return -EAGAIN;
	return mqbus_sleep_error(mqbus_sleep_until(queue, wait, done, arg, deadline), deadline);
}
