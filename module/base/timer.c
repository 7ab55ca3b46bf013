// SPDX-License-Identifier: GPL-2.0
/*
 * What groups do when its time has come.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "base/timer.h"

struct workqueue_struct *mqbus_wq;

/**
 * mqbus_timer_init() - make a timer that is not set
 * @timer: to fill
 * @fn: what it runs; calls mqbus_timer_begun() first
 */
void mqbus_timer_init(struct mqbus_timer *timer, work_func_t fn)
{
	INIT_DELAYED_WORK(&timer->work, fn);
	timer->armed = U64_MAX;
	timer->kicked = false;
}

/**
 * mqbus_timer_arm() - run when something will be due, if it would not run before
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
	/* Never before it is due: a jiffy that has begun does not count */
	mod_delayed_work(mqbus_wq, &timer->work,
			 due > now ? nsecs_to_jiffies(due - now) + 1 : 0);
	/* That may have put off a run that somebody had asked for */
	if (READ_ONCE(timer->kicked))
		mod_delayed_work(mqbus_wq, &timer->work, 0);
}

/**
 * mqbus_timer_begun() - a run begins
 * @timer: the timer; the lock that it is armed under is held
 *
 * Who kicks from here on is dealt with by another run.
 */
void mqbus_timer_begun(struct mqbus_timer *timer)
{
	timer->armed = U64_MAX;
	/* With a full barrier: what the kick is about is looked at after this */
	xchg(&timer->kicked, false);
}

/**
 * mqbus_timer_kick() - run now; from any context
 * @timer: the timer
 */
void mqbus_timer_kick(struct mqbus_timer *timer)
{
	WRITE_ONCE(timer->kicked, true);
	mod_delayed_work(mqbus_wq, &timer->work, 0);
}

/**
 * mqbus_timer_end() - run no more; waits for a run
 * @timer: the timer, which nobody sets any more
 */
void mqbus_timer_end(struct mqbus_timer *timer)
{
	cancel_delayed_work_sync(&timer->work);
}

/**
 * mqbus_timer_setup() - be ready for timers
 *
 * Return: 0 or -ENOMEM.
 */
int __init mqbus_timer_setup(void)
{
	mqbus_wq = alloc_workqueue("mqbus", WQ_UNBOUND, 0);
	return mqbus_wq ? 0 : -ENOMEM;
}

/**
 * mqbus_timer_cleanup() - undo mqbus_timer_setup()
 */
void mqbus_timer_cleanup(void)
{
	destroy_workqueue(mqbus_wq);
}
