// SPDX-License-Identifier: GPL-2.0
/*
 * Groups that go when nobody uses them: ephemeral ones with their last member, others when
 * they have had no member for some time. A forgotten group would keep its records for ever.
 */
#include <linux/ktime.h>

#include "group/expiry.h"
#include "group/group.h"
#include "log/topic.h"

/* ns that an ephemeral group may be there before its first member joins */
#define EXPIRY_FIRST	(10 * NSEC_PER_SEC)

/* Time at which the group goes; U64_MAX: never, as things are. Its lock is held */
static u64 expiry_due(const struct mqbus_group *group)
{
	const struct mqbus_expiry *e = &group->expiry;

	lockdep_assert_held(&group->lock);

	if (group->dead || group->nr_members || !(e->ephemeral || e->after))
		return U64_MAX;
	if (e->ephemeral && !e->used)
		return e->since + EXPIRY_FIRST;
	/* Partitions are kept for members that may come back */
	return e->since + max(e->ephemeral ? 0 : e->after, group->stream.grace);
}

static void expiry_run(struct work_struct *work)
{
	struct mqbus_group *group = container_of(to_delayed_work(work), struct mqbus_group,
						 expiry.timer.work);
	struct mqbus_topic *topic = group->topic;
	bool over;

	/* Freeing the group ends this work; the topic must outlive that */
	kref_get(&topic->ref);
	/* Members come under the topic's lock, so none comes after the check */
	mutex_lock(&topic->lock);
	spin_lock(&group->lock);
	mqbus_timer_begun(&group->expiry.timer);
	over = expiry_due(group) <= ktime_get_ns();
	if (!over)
		mqbus_timer_arm(&group->expiry.timer, expiry_due(group));
	spin_unlock(&group->lock);
	if (over)
		mqbus_group_end_unlock(group, MQBUS_EVENT_KIND_GROUP_EXPIRED);
	else
		mutex_unlock(&topic->lock);
	mqbus_topic_put(topic);
}

/* Begin as @args says, which are checked; nobody sees the group yet */
void mqbus_expiry_init(struct mqbus_group *group, const struct mqbus_group_create *args)
{
	mqbus_timer_init(&group->expiry.timer, expiry_run);
	group->expiry.after = args->expire;
	group->expiry.ephemeral = args->flags & MQBUS_GROUP_F_EPHEMERAL;
}

/* From now on the group goes after @after ns without members; 0: it stays */
void mqbus_expiry_set(struct mqbus_group *group, u64 after)
{
	spin_lock(&group->lock);
	group->expiry.after = after;
	group->expiry.ephemeral = false;
	spin_unlock(&group->lock);
}

/* Members came or went, options have changed, or the group is new: arm the timer if it is to go */
void mqbus_expiry_look(struct mqbus_group *group)
{
	struct mqbus_expiry *e = &group->expiry;

	spin_lock(&group->lock);
	e->used |= group->nr_members;
	e->since = group->nr_members ? 0 : e->since ?: ktime_get_ns();
	mqbus_timer_arm(&e->timer, expiry_due(group));
	spin_unlock(&group->lock);
}
