// SPDX-License-Identifier: GPL-2.0
/*
 * What holds back the records of a topic that blocks or rejects: the group that is furthest behind
 * in the partition that has least room.
 */
#include <linux/mqbus_netlink.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <net/netlink.h>

#include "core/cursor.h"
#include "ctl/listing.h"
#include "group/group.h"
#include "log/topic.h"

/* Bytes above a floor; the state may be older than the floor */
static u64 bytes_above(const struct mqbus_part_state *state, u64 floor)
{
	return state->end.pos - clamp(floor, state->head.pos, state->end.pos);
}

/*
 * Note a partition if it has less room than those before it. Groups' floors are read, of which
 * there may be many, only if the last known floor does not tell that it has more.
 */
void mqbus_fullest_look(struct mqbus_fullest *fullest, const struct mqbus_topic *topic,
			u32 partition, const struct mqbus_part_state *state)
{
	bool waits = state->wanted && !fullest->wanted;
	u64 floor, bytes;

	if (mqbus_topic_evicts(topic) || (fullest->wanted && !state->wanted) ||
	    (!waits && bytes_above(state, state->floor) <= fullest->bytes))
		return;
	floor = mqbus_readers_floor(topic, partition);
	bytes = bytes_above(state, floor != MQBUS_CURSOR_NO_FLOOR ? floor : state->floor);
	if (!bytes || (!waits && bytes <= fullest->bytes))
		return;
	*fullest = (struct mqbus_fullest) {
		.partition = partition, .bytes = bytes, .wanted = state->wanted,
	};
}

/* Whether a group is rather to be named than another as far behind, which may be NULL */
static bool holder_better(const struct mqbus_group *group, const struct mqbus_group *than)
{
	return !than || (READ_ONCE(than->nr_members) && !READ_ONCE(group->nr_members));
}

/*
 * Find the group that is furthest behind in a partition. @any: filled with whether some group holds
 * records back there, though the caller may not see it. Return: a group that the caller may see,
 * with a reference, or NULL.
 */
static struct mqbus_group *holder_find(struct mqbus_topic *topic, u32 partition,
				       const struct mqbus_caller *caller, bool *any)
{
	struct mqbus_group *group, *found = NULL;
	u64 floor = MQBUS_CURSOR_NO_FLOOR;

	rcu_read_lock();
	list_for_each_entry_rcu(group, &topic->readers, reader.node) {
		u64 at = mqbus_cursor_floor(&group->slots[partition].cursor);

		if (at == MQBUS_CURSOR_NO_FLOOR || at > floor)
			continue;
		if (at < floor)
			found = NULL;
		floor = at;
		if (holder_better(group, found) && mqbus_listing_group_visible(group, caller))
			found = group;
	}
	if (found && !kref_get_unless_zero(&found->ref))
		found = NULL;
	rcu_read_unlock();
	*any = floor != MQBUS_CURSOR_NO_FLOOR;
	return found;
}

/**
 * struct held - what a group holds back
 * @bytes: bytes above its floor
 * @records: records there
 */
struct held {
	u64 bytes;
	u64 records;
};

/* Add what a group holds back in a partition to @held. Return: its floor there. */
static u64 held_add(struct held *held, struct mqbus_group *group, u32 partition)
{
	struct mqbus_part_state state = mqbus_listing_part(group->topic, partition);
	struct mqbus_cursor *c = &group->slots[partition].cursor;
	struct mqbus_mark done;
	u64 floor;

	spin_lock(&group->lock);
	floor = c->floor;
	done = c->done;
	spin_unlock(&group->lock);
	/* Being made, it holds nothing back yet */
	if (floor == MQBUS_CURSOR_NO_FLOOR)
		return floor;
	held->bytes += bytes_above(&state, floor);
	held->records += state.end.offset - clamp(done.offset, state.head.offset, state.end.offset);
	return floor;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_HOLDER_PAD);
}

static int holder_put(struct sk_buff *skb, struct mqbus_group *group, u32 partition)
{
	struct mqbus_ring *ring = &group->topic->parts[partition]->ring;
	struct held here = {}, all = {};
	u64 floor = held_add(&here, group, partition), time;
	u32 i;

	time = mqbus_listing_time(ring, floor);
	for (i = 0; i < group->topic->nr_parts; i++) {
		held_add(&all, group, i);
		cond_resched();
	}
	if (nla_put_string(skb, MQBUS_A_HOLDER_GROUP, group->name) ||
	    nla_put_u32(skb, MQBUS_A_HOLDER_MEMBERS, READ_ONCE(group->nr_members)) ||
	    put_u64(skb, MQBUS_A_HOLDER_BYTES, here.bytes) ||
	    put_u64(skb, MQBUS_A_HOLDER_RECORDS, here.records) ||
	    put_u64(skb, MQBUS_A_HOLDER_ALL_BYTES, all.bytes) ||
	    put_u64(skb, MQBUS_A_HOLDER_ALL_RECORDS, all.records) ||
	    put_u64(skb, MQBUS_A_HOLDER_AGE, time == U64_MAX ? 0 : mqbus_listing_since(time)))
		return -EMSGSIZE;
	return 0;
}

/*
 * Describe what holds back the partition that has least room, as far as the caller may see it.
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_holder(struct sk_buff *skb, struct mqbus_topic *topic,
			 const struct mqbus_caller *caller, const struct mqbus_fullest *fullest)
{
	struct mqbus_group *group;
	struct nlattr *nest;
	bool any;
	int err;

	if (!fullest->bytes)
		return 0;
	group = holder_find(topic, fullest->partition, caller, &any);
	if (any && !group)
		return 0;
	nest = nla_nest_start(skb, MQBUS_A_TOPIC_HOLDER);
	err = !nest || nla_put_u32(skb, MQBUS_A_HOLDER_PARTITION, fullest->partition) ||
	      put_u64(skb, MQBUS_A_HOLDER_WANTED, fullest->wanted) ? -EMSGSIZE : 0;
	if (!err)
		err = group ? holder_put(skb, group, fullest->partition) :
			      put_u64(skb, MQBUS_A_HOLDER_BYTES, fullest->bytes);
	if (group)
		mqbus_group_put(group);
	/* Without room the whole message is cancelled */
	if (!err)
		nla_nest_end(skb, nest);
	return err;
}
