// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: Stream groups
 *
 * core/assign.h has the rules; this file adds memory, clock and wake-ups.
 *
 * Code that changes the assignment drops the group's lock with mqbus_stream_unlock(), which
 * arms the timer and wakes the members that the change affects. Code that holds more locks
 * calls mqbus_stream_wake() afterwards.
 */
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "base/event.h"
#include "group/group.h"
#include "group/member.h"
#include "group/stream.h"
#include "group/trace.h"
#include "group/wake.h"
#include "log/topic.h"

/* Fenced members reported per hold of the lock */
#define STREAM_TELL	16

static int stream_check(const struct mqbus_stream_options *o)
{
	if (o->__reserved)
		return -EINVAL;
	if ((o->rebalance_timeout > MQBUS_DELAY_MAX &&
	     o->rebalance_timeout != MQBUS_WAIT_FOREVER) || o->grace > MQBUS_DELAY_MAX)
		return -ERANGE;
	return 0;
}

/* Check the arguments of a new stream group. Return: 0, -EINVAL, -ERANGE */
int mqbus_stream_check(const struct mqbus_group_create *args, const struct mqbus_topic *topic)
{
	if (memchr_inv(&args->queue, 0, sizeof(args->queue)))
		return -EINVAL;
	return stream_check(&args->stream);
}

static void stream_configure(struct mqbus_group *group)
{
	group->assign.timeout = group->stream.rebalance_timeout ?: MQBUS_REBALANCE_DEFAULT;
}

/* Free seats that are in no table any more */
static void stream_free_seats(struct list_head *gone)
{
	struct mqbus_seat *seat, *next;

	list_for_each_entry_safe(seat, next, gone, node)
		kfree(seat);
}

static void stream_run(struct work_struct *work)
{
	struct mqbus_group *group = container_of(to_delayed_work(work), struct mqbus_group,
						 timer.work);
	LIST_HEAD(gone);

	spin_lock(&group->lock);
	mqbus_timer_begun(&group->timer);
	if (!group->dead)
		mqbus_assign_tick(&group->assign, ktime_get_ns(), &gone);
	mqbus_stream_unlock(group);
	stream_free_seats(&gone);
}

/* Start with an assignment without owners; nobody sees the group yet. Return: 0 */
int mqbus_stream_init(struct mqbus_group *group, const struct mqbus_group_create *args)
{
	u32 nr = group->topic->nr_parts;

	group->stream = args->stream;
	mqbus_assign_init(&group->assign, group->slots,
			  (struct mqbus_member **)&group->slots[nr], nr);
	mqbus_timer_init(&group->timer, stream_run);
	stream_configure(group);
	return 0;
}

/* Undo mqbus_stream_init(); the group has no members and is not in its topic's list */
void mqbus_stream_free(struct mqbus_group *group)
{
	mqbus_timer_end(&group->timer);
	stream_free_seats(&group->assign.order);
	kvfree(group->assign.seats);
}

/*
 * Change the options that @args selects; there is no @dlq. Return: 0 or a negative errno as of
 * &struct mqbus_group_set.
 */
int mqbus_stream_set(struct mqbus_group *group, const struct mqbus_caller *caller,
		     const struct mqbus_group_set *args, struct mqbus_topic **dlq)
{
	const struct mqbus_stream_options *o = &args->stream;
	u32 fields = args->fields;
	struct mqbus_stream_options merged;
	int err;

	spin_lock(&group->lock);
	merged = group->stream;
	if (fields & MQBUS_GROUP_SET_REBALANCE_TIMEOUT)
		merged.rebalance_timeout = o->rebalance_timeout;
	if (fields & MQBUS_GROUP_SET_GRACE)
		merged.grace = o->grace;
	err = stream_check(&merged);
	if (!err) {
		group->stream = merged;
		stream_configure(group);
	}
	spin_unlock(&group->lock);
	return err;
}

/*
 * Wake members after a pause: owners of partitions that have records, and fenced members, which may
 * be readmitted. The lock is held until mqbus_stream_unlock().
 */
static void stream_resume(struct mqbus_group *group)
{
	struct mqbus_assign *a = &group->assign;
	struct mqbus_seat *seat;
	u32 i;

	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		if (slot->owner && mqbus_slot_ready(slot, &group->topic->parts[i]->ring, false))
			mqbus_seat_wake(a, slot->owner);
	}
	list_for_each_entry(seat, &a->order, node)
		if (seat->state == MQBUS_SEAT_FENCED)
			mqbus_seat_wake(a, seat);
}

/*
 * Note that a deleted group wakes all members; its lock is held, and mqbus_wake_noted() follows.
 * Return: NULL.
 */
struct mqbus_topic *mqbus_stream_end(struct mqbus_group *group)
{
	struct mqbus_seat *seat;

	list_for_each_entry(seat, &group->assign.order, node)
		mqbus_seat_wake(&group->assign, seat);
	return NULL;
}

/*
 * Report fenced members from seat *@at on, a few per hold of the lock, as each message takes time
 * to build. Return: whether there may be more.
 */
static bool stream_report_fences(struct mqbus_group *group, u32 *at)
{
	struct mqbus_assign *a = &group->assign;
	u32 told = 0;

	for (; *at < a->room && told < STREAM_TELL; ++*at) {
		struct mqbus_seat *seat = a->seats[*at];

		if (!seat || !seat->news)
			continue;
		seat->news = false;
		if (!seat->member)
			continue;
		mqbus_member_report(seat->member, MQBUS_EVENT_KIND_MEMBER_FENCED,
				    seat->id, 0);
		told++;
	}
	return *at < a->room;
}

/* Report how the assignment changed since the last report */
static void stream_report(struct mqbus_group *group)
{
	struct mqbus_assign *a = &group->assign;
	u32 moved, at = 0;
	bool fences;

	spin_lock(&group->lock);
	fences = a->fences;
	a->fences = 0;
	while (fences && stream_report_fences(group, &at)) {
		spin_unlock(&group->lock);
		spin_lock(&group->lock);
	}
	moved = a->generation - group->told;
	group->told = a->generation;
	if (moved) {
		trace_rebalance(group, a->generation, moved);
		mqbus_group_report(group, &(struct mqbus_event) {
			.kind = MQBUS_EVENT_KIND_REBALANCED, .generation = a->generation,
			.count = moved,
		});
	}
	spin_unlock(&group->lock);
}

/* Wake members that a change affects; the group's lock was dropped after the change */
void mqbus_stream_wake(struct mqbus_group *group)
{
	/* The caller that clears the flag runs after the change, and wakes for all */
	if (!READ_ONCE(group->assign.changed) || !xchg(&group->assign.changed, false))
		return;
	stream_report(group);
	mqbus_wake_noted(group);
}

/* Drop the group's lock, arm the timer, and wake members that a change affects */
void mqbus_stream_unlock(struct mqbus_group *group)
	__releases(&group->lock)
{
	lockdep_assert_held(&group->lock);
	if (!group->dead)
		mqbus_timer_arm(&group->timer, group->assign.due);
	spin_unlock(&group->lock);
	mqbus_stream_wake(group);
}

/* Set a flag that stops or resumes handing out records */
void mqbus_stream_hold(struct mqbus_group *group, bool *what, bool value)
{
	spin_lock(&group->lock);
	*what = value;
	if (!mqbus_group_holds(group))
		stream_resume(group);
	mqbus_stream_unlock(group);
}

/* Find the seat of @id for a new member. A member that has it becomes *@ousted for good */
static struct mqbus_seat *stream_claim(struct mqbus_group *group, const char *id, u32 hash,
				       struct mqbus_member **ousted)
{
	struct mqbus_seat *seat = *id ? mqbus_assign_find(&group->assign, id, hash) : NULL;

	if (seat && seat->member) {
		*ousted = seat->member;
		mqbus_member_report(seat->member, MQBUS_EVENT_KIND_MEMBER_FENCED, id, 0);
		seat->member->seat = NULL;
		WRITE_ONCE(group->nr_members, group->nr_members - 1);
	}
	return seat;
}

/* Let a member in. Return: as of &struct mqbus_group_ops */
int mqbus_stream_enter(struct mqbus_group *group, struct mqbus_member *member,
		       const char *id)
{
	struct mqbus_assign *a = &group->assign;
	struct mqbus_member *ousted = NULL;
	struct mqbus_seat *seat, *old = NULL;
	int err;

	seat = kzalloc(sizeof(*seat), MQBUS_GFP);
	if (!seat)
		return -ENOMEM;
	strscpy(seat->id, id, sizeof(seat->id));
	seat->hash = mqbus_topic_hash(id);
	seat->member = member;
	err = mqbus_group_lock_seat(group, &a->nr_seats, (void ***)&a->seats, &a->room);
	if (err)
		goto free;

	rcu_read_lock();	/* the ousted member may be closing */
	spin_lock(&group->lock);
	if (group->dead) {
		err = -ENOENT;
	} else {
		old = stream_claim(group, id, seat->hash, &ousted);
		if (old) {
			old->member = member;
			mqbus_assign_take_over(a, old, ktime_get_ns());
		} else {
			err = mqbus_assign_sit(a, seat, ktime_get_ns());
		}
	}
	if (!err) {
		member->seat = old ?: seat;
		WRITE_ONCE(group->nr_members, group->nr_members + 1);
		mqbus_member_report(member, MQBUS_EVENT_KIND_MEMBER_JOINED, id, 0);
	}
	mqbus_stream_unlock(group);
	mutex_unlock(&group->topic->lock);
	if (ousted)
		mqbus_wake_hangup(ousted);
	rcu_read_unlock();
	if (!err && !old)
		return 0;
free:
	kfree(seat);
	return err;
}

/* Records handed out to a seat's member and not settled */
static u64 stream_held(const struct mqbus_seat *seat)
{
	const struct mqbus_slot *slot;
	u64 held = 0;

	list_for_each_entry(slot, &seat->owned, node)
		held += slot->cursor.given.offset - slot->cursor.done.offset;
	return held;
}

static void stream_report_leave(const struct mqbus_group *group, const struct mqbus_member *member)
{
	u64 held;

	if (group->dead || !mqbus_event_heard(group->charge.ns))
		return;
	held = stream_held(member->seat);
	mqbus_member_report(member, held ? MQBUS_EVENT_KIND_MEMBER_DIED :
			    MQBUS_EVENT_KIND_MEMBER_LEFT, member->seat->id, held);
}

/* Remove a member that leaves or died */
void mqbus_stream_leave(struct mqbus_group *group, struct mqbus_member *member)
{
	struct mqbus_seat *seat;
	u64 now = ktime_get_ns();
	bool gone = false;

	spin_lock(&group->lock);
	seat = member->seat;
	/* Without a seat, another member joined with the same id */
	if (seat) {
		bool keep = *seat->id && group->stream.grace && !group->dead;

		stream_report_leave(group, member);
		WRITE_ONCE(group->nr_members, group->nr_members - 1);
		gone = mqbus_assign_stand(&group->assign, seat,
					  keep ? now + group->stream.grace : 0, now);
	}
	mqbus_stream_unlock(group);
	if (gone)
		kfree(seat);
}

/* Take everything from all members */
void mqbus_stream_fence(struct mqbus_group *group)
{
	spin_lock(&group->lock);
	mqbus_assign_fence_all(&group->assign, ktime_get_ns());
	mqbus_stream_unlock(group);
}

/*
 * Let a member go on; the group's lock is held until mqbus_stream_unlock(). Return: 0; 1: it was
 * fenced and is readmitted; -ENOLINK: it is out for good.
 */
int mqbus_stream_admit(struct mqbus_group *group, struct mqbus_member *member)
{
	if (!member->seat)
		return -ENOLINK;
	if (member->seat->state != MQBUS_SEAT_FENCED || group->shut)
		return 0;
	mqbus_assign_admit(&group->assign, member->seat, ktime_get_ns());
	return 1;
}
