/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CROWD_H
#define _MQBUS_CROWD_H

#include <linux/poll.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/**
 * struct mqbus_crowd - pollers of a queue, beyond those that a waker wakes itself
 * @front: the queue that wakers know, with the first pollers
 * @back: the others; work wakes them
 * @relay: entry in @front while there may be others; its list entry is empty if it is not there
 * @work: runs after @relay was woken
 * @events: of wake-ups since it last ran; this and @relay are guarded by the lock of @front
 *
 * A user may poll an endpoint any number of times, as with epoll instances, and a waker pays for
 * each of them, with interrupts off. So wakers are spared all but a few.
 */
struct mqbus_crowd {
	wait_queue_head_t *front;
	wait_queue_head_t back;
	struct wait_queue_entry relay;
	struct work_struct work;
	__poll_t events;
};

void mqbus_crowd_init(struct mqbus_crowd *crowd, wait_queue_head_t *front);
void mqbus_crowd_end(struct mqbus_crowd *crowd);
void mqbus_crowd_poll(struct mqbus_crowd *crowd, struct file *file,
		      struct poll_table_struct *wait);

#endif /* _MQBUS_CROWD_H */
