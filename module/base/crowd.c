// SPDX-License-Identifier: GPL-2.0
/*
 * Wake-ups of more pollers than a waker should pay for.
 */
#include <linux/list.h>
#include <linux/sched.h>

#include "base/crowd.h"
#include "base/timer.h"

/* Waiters of a queue, of any kind, that a waker wakes itself if there are pollers among them */
#define CROWD_FRONT	64

/* What a wake-up for any events is for; not POLLFREE */
#define CROWD_ANY	(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLPRI | EPOLLHUP | \
			 EPOLLERR)

/* Called with the lock of the front queue held */
static int crowd_relay(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct mqbus_crowd *crowd = container_of(entry, struct mqbus_crowd, relay);

	crowd->events |= key ? key_to_poll(key) : CROWD_ANY;
	queue_work(mqbus_wq, &crowd->work);
	return 0;
}

static void crowd_run(struct work_struct *work)
{
	struct mqbus_crowd *crowd = container_of(work, struct mqbus_crowd, work);
	__poll_t events;

	spin_lock_irq(&crowd->front->lock);
	events = crowd->events;
	crowd->events = 0;
	/* A poller enters the queue before it looks for the relay */
	if (list_empty(&crowd->back.head))
		list_del_init(&crowd->relay.entry);
	spin_unlock_irq(&crowd->front->lock);
	/* The end is for all, as in the front queue */
	if (events)
		__wake_up(&crowd->back, TASK_INTERRUPTIBLE, events & EPOLLHUP ? 0 : 1,
			  poll_to_key(events));
}

/* Begin without pollers */
void mqbus_crowd_init(struct mqbus_crowd *crowd, wait_queue_head_t *front)
{
	crowd->front = front;
	init_waitqueue_head(&crowd->back);
	init_waitqueue_func_entry(&crowd->relay, crowd_relay);
	INIT_LIST_HEAD(&crowd->relay.entry);
	INIT_WORK(&crowd->work, crowd_run);
	crowd->events = 0;
}

/* Undo mqbus_crowd_init(); nobody polls any more, and the front queue may still be woken */
void mqbus_crowd_end(struct mqbus_crowd *crowd)
{
	spin_lock_irq(&crowd->front->lock);
	list_del_init(&crowd->relay.entry);
	spin_unlock_irq(&crowd->front->lock);
	/* Nobody queues it from here on */
	cancel_work_sync(&crowd->work);
}

static bool crowd_front_full(struct mqbus_crowd *crowd)
{
	struct list_head *node;
	unsigned int n = 0;

	spin_lock_irq(&crowd->front->lock);
	list_for_each(node, &crowd->front->head)
		if (++n == CROWD_FRONT)
			break;
	spin_unlock_irq(&crowd->front->lock);
	return n == CROWD_FRONT;
}

/*
 * As poll_wait() of the front queue. A poller looks for what it waits for after that, and is woken
 * for what comes later.
 */
void mqbus_crowd_poll(struct mqbus_crowd *crowd, struct file *file,
		      struct poll_table_struct *wait)
{
	if (!wait || !wait->_qproc)
		return;
	if (!crowd_front_full(crowd)) {
		poll_wait(file, crowd->front, wait);
	} else {
		poll_wait(file, &crowd->back, wait);
		spin_lock_irq(&crowd->front->lock);
		if (list_empty(&crowd->relay.entry))
			__add_wait_queue(crowd->front, &crowd->relay);
		spin_unlock_irq(&crowd->front->lock);
	}
	smp_mb();	/* ORD_SLEEP: full barrier; pairs with those of wq_has_sleeper() */
}
