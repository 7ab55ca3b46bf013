// SPDX-License-Identifier: GPL-2.0
/*
 * Lag of a group, and the events when it crosses a threshold.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>

#include "base/event.h"
#include "base/timer.h"
#include "group/group.h"
#include "group/lag.h"
#include "group/queue.h"
#include "log/topic.h"

/*
 * Lag of a group in a partition: records published and not settled. The group's lock is held. @head
 * is the offset of the oldest record: lost records are no lag. @end is the next offset, read before
 * or after the lock was taken.
 */
u64 mqbus_lag_records(const struct mqbus_group *group, u32 partition, u64 head, u64 end)
{
	const struct mqbus_cursor *c = &group->slots[partition].cursor;
	u64 pending = 0, from = c->done.offset;

	lockdep_assert_held(&group->lock);

	if (group->queue) {
		pending = group->queue->inflight.sources[partition].pending;
		from = c->given.offset;
	}
	from = max(from, head);
	return pending + (end > from ? end - from : 0);
}

static u64 lag_total(const struct mqbus_group *group)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < group->topic->nr_parts; i++) {
		struct mqbus_ring *ring = &group->topic->parts[i]->ring;
		u64 head = READ_ONCE(ring->page->head_offset);
		struct mqbus_mark end;

		mqbus_ring_end(ring, &end);
		total += mqbus_lag_records(group, i, head, end.offset);
	}
	return total;
}

/* Hysteresis against repeated events: 80 percent */
static u64 lag_below(u64 threshold)
{
	return threshold - div_u64(threshold, 5);
}

static void lag_look(struct mqbus_group *group)
{
	struct mqbus_lag *lag = &group->lag;
	u64 total;

	/* A new listener gets a new event */
	if (!mqbus_event_heard(group->charge.ns)) {
		lag->above = false;
		return;
	}
	total = lag_total(group);
	if (lag->above ? total >= lag_below(lag->threshold) : total <= lag->threshold)
		return;
	lag->above = !lag->above;
	mqbus_group_report(group, &(struct mqbus_event) {
		.kind = lag->above ? MQBUS_EVENT_KIND_LAG_ABOVE : MQBUS_EVENT_KIND_LAG_BELOW,
		.lag = total, .limit = lag->threshold,
	});
}

static void lag_run(struct work_struct *work)
{
	struct mqbus_group *group = container_of(to_delayed_work(work), struct mqbus_group,
						 lag.work);
	bool again;

	spin_lock(&group->lock);
	again = group->lag.threshold && !group->dead;
	if (again)
		lag_look(group);
	spin_unlock(&group->lock);
	if (again)
		queue_delayed_work(mqbus_wq, &group->lag.work, HZ);
}

/* Initialize without a threshold; nobody sees the group yet */
void mqbus_lag_init(struct mqbus_group *group)
{
	INIT_DELAYED_WORK(&group->lag.work, lag_run);
}

/* Set the threshold in records, 0 for none. The group was not deleted; its topic's lock is held. */
void mqbus_lag_set(struct mqbus_group *group, u64 threshold)
{
	spin_lock(&group->lock);
	group->lag.threshold = threshold;
	group->lag.above = false;
	spin_unlock(&group->lock);
	if (threshold)
		mod_delayed_work(mqbus_wq, &group->lag.work, 0);
}

/* Stop, and wait for a running check; nobody sees the group any more */
void mqbus_lag_end(struct mqbus_group *group)
{
	cancel_delayed_work_sync(&group->lag.work);
}
