// SPDX-License-Identifier: GPL-2.0
/*
 * Lag of a group, and the events when it crosses a threshold.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>

#include "base/event.h"
#include "base/ns.h"
#include "base/timer.h"
#include "group/group.h"
#include "group/lag.h"
#include "group/queue.h"
#include "log/topic.h"

/*
 * Partitions that may be looked at in a second, in all groups of a namespace: about a
 * millisecond. Beyond that each group's turn comes less often.
 */
#define LAG_PARTITIONS	65536

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

static void lag_look(struct mqbus_group *group, u32 silences)
{
	struct mqbus_lag *lag = &group->lag;
	u64 total;

	if (group->dead || !lag->threshold)
		return;
	/* A new listener gets a new event */
	if (lag->silences != silences) {
		lag->silences = silences;
		lag->above = false;
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

/* The group that was looked at longest ago, with references to it and its topic, or NULL */
static struct mqbus_group *lag_next(struct mqbus_lags *lags)
{
	struct mqbus_group *group;

	spin_lock(&lags->lock);
	group = list_first_entry_or_null(&lags->groups, struct mqbus_group, lag.node);
	if (group) {
		list_move_tail(&group->lag.node, &lags->groups);
		kref_get(&group->ref);
		kref_get(&group->topic->ref);
	}
	spin_unlock(&lags->lock);
	return group;
}

/* Look at all groups, or as many as a second may cost */
static void lag_look_all(struct mqbus_lags *lags)
{
	u32 nr = READ_ONCE(lags->nr), parts = 0;
	struct mqbus_topic *topic;
	struct mqbus_group *group;

	for (; nr && parts < LAG_PARTITIONS; nr--) {
		group = lag_next(lags);
		if (!group)
			return;
		topic = group->topic;
		parts += topic->nr_parts;
		spin_lock(&group->lock);
		lag_look(group, lags->silences);
		spin_unlock(&group->lock);
		mqbus_group_put(group);
		mqbus_topic_put(topic);
		cond_resched();
	}
}

static void lag_run(struct work_struct *work)
{
	struct mqbus_ns *ns = container_of(to_delayed_work(work), struct mqbus_ns, lags.work);
	struct mqbus_lags *lags = &ns->lags;

	/* Due before it looks: who changes thresholds meanwhile makes no run of its own */
	if (READ_ONCE(lags->nr))
		queue_delayed_work(mqbus_wq, &lags->work, HZ);
	if (mqbus_event_heard(ns))
		lag_look_all(lags);
	else
		lags->silences++;
}

/* Set the threshold in records, 0 for none. The group was not deleted; its topic's lock is held. */
void mqbus_lag_set(struct mqbus_group *group, u64 threshold)
{
	struct mqbus_lags *lags = &group->charge.ns->lags;

	lockdep_assert_held(&group->topic->lock);

	spin_lock(&group->lock);
	group->lag.threshold = threshold;
	group->lag.above = false;
	spin_unlock(&group->lock);
	if (!threshold) {
		mqbus_lag_end(&group->lag, lags);
		return;
	}
	spin_lock(&lags->lock);
	if (list_empty(&group->lag.node)) {
		list_add_tail(&group->lag.node, &lags->groups);
		WRITE_ONCE(lags->nr, lags->nr + 1);
	}
	spin_unlock(&lags->lock);
	/* A run that is due stays due: users cannot make it come more often */
	queue_delayed_work(mqbus_wq, &lags->work, 0);
}

void mqbus_lag_ns_init(struct mqbus_ns *ns)
{
	spin_lock_init(&ns->lags.lock);
	INIT_LIST_HEAD(&ns->lags.groups);
	INIT_DELAYED_WORK(&ns->lags.work, lag_run);
}

/* Undo mqbus_lag_ns_init(); the namespace has no groups */
void mqbus_lag_ns_exit(struct mqbus_ns *ns)
{
	cancel_delayed_work_sync(&ns->lags.work);
}
