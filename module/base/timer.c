// SPDX-License-Identifier: GPL-2.0
/*
 * Timers of groups and topics, as work items.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "base/timer.h"

struct workqueue_struct *mqbus_wq;

/* @fn must call mqbus_timer_begun() first */
void mqbus_timer_init(struct mqbus_timer *timer, work_func_t fn)
{
	INIT_DELAYED_WORK(&timer->work, fn);
	timer->armed = U64_MAX;
	timer->kicked = false;
}

/**
 * mqbus_timer_arm() - run at a due time, unless the timer runs earlier
 * @timer: the timer; its group's lock is held
 * @due: ns of CLOCK_MONOTONIC; U64_MAX: never
 */
void mqbus_timer_arm(struct mqbus_timer *timer, u64 due)
{
	u64 now;

	if (due >= timer->armed)
		return;
	timer->armed = due;
	now = ktime_get_ns();
	/* Never early: the current jiffy does not count */
	mod_delayed_work(mqbus_wq, &timer->work,
			 due > now ? nsecs_to_jiffies(due - now) + 1 : 0);
	/* That may have delayed a kicked run */
	if (READ_ONCE(timer->kicked))
		mod_delayed_work(mqbus_wq, &timer->work, 0);
}

/**
 * mqbus_timer_begun() - a run begins
 * @timer: the timer; the lock that it is armed under is held
 *
 * A kick from here on starts another run.
 */
void mqbus_timer_begun(struct mqbus_timer *timer)
{
	timer->armed = U64_MAX;
	/* A full barrier: the reason of the kick is looked at after this */
	xchg(&timer->kicked, false);
}

/* Run now; from any context */
void mqbus_timer_kick(struct mqbus_timer *timer)
{
	WRITE_ONCE(timer->kicked, true);
	mod_delayed_work(mqbus_wq, &timer->work, 0);
}

/* Cancel a timer that is not armed any more, and wait for its run, unless the caller is that */
void mqbus_timer_end(struct mqbus_timer *timer)
{
	if (current_work() == &timer->work.work)
		cancel_delayed_work(&timer->work);
	else
		cancel_delayed_work_sync(&timer->work);
}

int __init mqbus_timer_setup(void)
{
	mqbus_wq = alloc_workqueue("mqbus", WQ_UNBOUND, 0);
	return mqbus_wq ? 0 : -ENOMEM;
}

void mqbus_timer_cleanup(void)
{
	destroy_workqueue(mqbus_wq);
}
