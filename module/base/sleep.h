/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_SLEEP_H
#define _MQBUS_SLEEP_H

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

/**
 * mqbus_sleep_error() - the user's errno of a sleep that ended
 * @err: as returned by mqbus_sleep_until()
 * @deadline: its deadline
 *
 * A wait without a limit is restarted after a signal; restarting a timeout would extend it.
 *
 * Return: the errno.
 */
static inline int mqbus_sleep_error(int err, ktime_t deadline)
{
	return err == -ERESTARTSYS && deadline != KTIME_MAX ? -EINTR : err;
}

int mqbus_sleep_timed(ktime_t end);
int mqbus_sleep_until(struct wait_queue_head *queue, struct wait_queue_entry *wait,
		      bool (*done)(void *arg), void *arg, ktime_t end);
int mqbus_sleep(struct wait_queue_head *queue, struct wait_queue_entry *wait,
		bool (*done)(void *arg), void *arg, ktime_t deadline);

#endif /* _MQBUS_SLEEP_H */
