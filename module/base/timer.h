/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_TIMER_H
#define _MQBUS_TIMER_H

#include <linux/types.h>
#include <linux/workqueue.h>

/**
 * struct mqbus_timer - runs a function in process context at a due time
 * @work: runs it
 * @armed: due time, ns of CLOCK_MONOTONIC; U64_MAX: not set; under the group's lock
 * @kicked: a run was requested and has not begun
 */
struct mqbus_timer {
	struct delayed_work work;
	u64 armed;
	bool kicked;
};

/*
 * What is done later, for whomever, in process context and on any CPU. Not the kernel's, whose
 * names change, and whose works a user could crowd out.
 */
extern struct workqueue_struct *mqbus_wq;

void mqbus_timer_init(struct mqbus_timer *timer, work_func_t fn);
void mqbus_timer_arm(struct mqbus_timer *timer, u64 due);
void mqbus_timer_begun(struct mqbus_timer *timer);
void mqbus_timer_kick(struct mqbus_timer *timer);
void mqbus_timer_end(struct mqbus_timer *timer);
int mqbus_timer_setup(void);
void mqbus_timer_cleanup(void);

#endif /* _MQBUS_TIMER_H */
