// SPDX-License-Identifier: GPL-2.0
/*
 * Members of groups as netlink attributes.
 */
#include <linux/ktime.h>
#include <linux/mqbus_netlink.h>
#include <linux/pid.h>
#include <net/netlink.h>

#include "base/caller.h"
#include "ctl/listing.h"
#include "group/group.h"
#include "group/member.h"
#include "group/queue.h"
#include "log/topic.h"

/**
 * struct member_state - a member at one moment
 * @state: an &enum mqbus_member_state
 * @id: its id, or ""
 * @pid: in the reader's pid namespace; 0: away, or not in there
 * @comm: its name; "" if away
 * @uid: of the opener
 * @partitions: number of partitions assigned
 * @revoking: of these, partitions to be released
 * @leases: number of leases
 * @credit: limit of leases
 */
struct member_state {
	u32 state;
	char id[MQBUS_NAME_SIZE];
	pid_t pid;
	char comm[TASK_COMM_LEN];
	kuid_t uid;
	u32 partitions;
	u32 revoking;
	u32 leases;
	u32 credit;
};

static void member_person(const struct mqbus_member *member, struct member_state *state)
{
	state->pid = pid_vnr(member->pid);
	state->uid = member->uid;
	memcpy(state->comm, member->comm, sizeof(state->comm));
}

static void seat_state(const struct mqbus_group *group, const struct mqbus_seat *seat,
		       struct member_state *state)
{
	u32 i;

	memcpy(state->id, seat->id, sizeof(state->id));
	if (seat->member)
		member_person(seat->member, state);
	for (i = 0; i < group->topic->nr_parts; i++) {
		const struct mqbus_slot *slot = &group->slots[i];

		if (slot->owner != seat)
			continue;
		state->partitions++;
		state->revoking += slot->target != seat;
	}
	if (seat->state == MQBUS_SEAT_AWAY)
		state->state = MQBUS_MEMBER_STATE_AWAY;
	else if (seat->state == MQBUS_SEAT_FENCED)
		state->state = MQBUS_MEMBER_STATE_FENCED;
	else
		state->state = state->partitions || seat->nr ? MQBUS_MEMBER_STATE_ACTIVE :
							       MQBUS_MEMBER_STATE_STANDBY;
}

/*
 * Put the partitions of a seat, as far as there is room. They may differ from those counted, since
 * the lock was dropped. Return: whether there was room for all.
 */
static bool put_assigned(struct sk_buff *skb, struct mqbus_group *group, u32 at)
{
	const struct mqbus_assign *a = &group->assign;
	u32 i = 0, nr = group->topic->nr_parts;
	bool room = true;

	while (room && i < nr) {
		u32 end = min_t(u32, nr, i + MQBUS_INFLIGHT_STEP);

		spin_lock(&group->lock);
		for (; room && i < end; i++)
			if (at < a->room && a->seats[at] && group->slots[i].owner == a->seats[at])
				room = !nla_put_u32(skb, MQBUS_A_MEMBER_ASSIGNED, i);
		spin_unlock(&group->lock);
	}
	return room;
}

/* Find a member from seat @at on. Return: whether there is one; then @at is its seat */
static bool member_state(struct mqbus_group *group, u32 *at, struct member_state *state)
{
	const struct mqbus_assign *a = &group->assign;
	bool found = false;

	memset(state, 0, sizeof(*state));
	spin_lock(&group->lock);
	if (group->queue) {
		const struct mqbus_inflight *f = &group->queue->inflight;

		while (*at < f->nr_seats && !f->seats[*at])
			++*at;
		found = *at < f->nr_seats;
		if (found) {
			member_person(container_of(f->seats[*at], struct mqbus_member, holder),
				      state);
			state->state = MQBUS_MEMBER_STATE_ACTIVE;
			state->leases = f->seats[*at]->nr;
			state->credit = f->conf.credit;
		}
	} else {
		while (*at < a->room && !a->seats[*at])
			++*at;
		found = *at < a->room;
		if (found)
			seat_state(group, a->seats[*at], state);
	}
	spin_unlock(&group->lock);
	return found;
}

/**
 * mqbus_listing_member() - describe a member
 * @skb: message to put it into
 * @group: its group
 * @at: first seat to look at; set to the seat of the member
 * @caller: the caller
 * @cut: leave out partitions for which there is no room
 *
 * Return: 1 if there was a member, 0 if there are no more, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_member(struct sk_buff *skb, struct mqbus_group *group, u32 *at,
			 const struct mqbus_caller *caller, bool cut)
{
	struct member_state s;

	if (!member_state(group, at, &s))
		return 0;
	if (nla_put_string(skb, MQBUS_A_MEMBER_TOPIC, group->topic->name) ||
	    nla_put_string(skb, MQBUS_A_MEMBER_GROUP, group->name) ||
	    (s.id[0] && nla_put_string(skb, MQBUS_A_MEMBER_ID, s.id)) ||
	    nla_put_u32(skb, MQBUS_A_MEMBER_STATE, s.state))
		return -EMSGSIZE;
	if ((s.pid && nla_put_u32(skb, MQBUS_A_MEMBER_PID, s.pid)) ||
	    (s.comm[0] && (nla_put_string(skb, MQBUS_A_MEMBER_COMM, s.comm) ||
			   nla_put_u32(skb, MQBUS_A_MEMBER_UID,
				       from_kuid_munged(caller->cred->user_ns, s.uid)))))
		return -EMSGSIZE;
	if (group->queue)
		return nla_put_u32(skb, MQBUS_A_MEMBER_LEASES, s.leases) ?:
		       nla_put_u32(skb, MQBUS_A_MEMBER_CREDIT, s.credit) ?: 1;
	if (nla_put_u32(skb, MQBUS_A_MEMBER_PARTITIONS, s.partitions) ||
	    nla_put_u32(skb, MQBUS_A_MEMBER_REVOKING, s.revoking))
		return -EMSGSIZE;
	return put_assigned(skb, group, *at) || cut ? 1 : -EMSGSIZE;
}
