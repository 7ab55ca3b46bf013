// SPDX-License-Identifier: GPL-2.0
/*
 * Partitions as netlink attributes, the visibility of topics and groups, and what listings share.
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

/* Whether a caller may see a topic: its owner, and users that may subscribe to it */
bool mqbus_listing_topic_visible(const struct mqbus_topic *topic, const struct mqbus_caller *caller)
{
	return uid_eq(caller->cred->fsuid, mqbus_topic_uid(topic)) ||
	       mqbus_caller_may(caller, mqbus_topic_uid(topic), mqbus_topic_gid(topic),
				READ_ONCE(topic->mode), MQBUS_MAY_READ);
}

/*
 * Whether a caller may see a group of a visible topic: the owners of both, and users that may read
 * it.
 */
bool mqbus_listing_group_visible(const struct mqbus_group *group, const struct mqbus_caller *caller)
{
	return uid_eq(caller->cred->fsuid, mqbus_group_uid(group)) ||
	       uid_eq(caller->cred->fsuid, mqbus_topic_uid(group->topic)) ||
	       mqbus_group_may(group, caller, MQBUS_MAY_READ);
}

/* State of a partition at one moment, after records past retention were dropped */
struct mqbus_part_state mqbus_listing_part(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	struct mqbus_part_state state;

	mqbus_topic_expire(topic, partition);
	spin_lock(&ring->lock);
	state.head = ring->head;
	state.end.pos = ring->published;
	state.end.offset = ring->page->next_offset;
	state.floor = ring->floor;
	state.wanted = topic->parts[partition]->line.wanted;
	state.evicted = ring->evicted;
	state.head_time = 0;
	if (ring->head.pos < ring->published)
		state.head_time = mqbus_ring_record(ring, ring->head.pos)->time;
	spin_unlock(&ring->lock);
	return state;
}

/* Time of the record at a position, or of the oldest one; U64_MAX: there is none */
u64 mqbus_listing_time(struct mqbus_ring *ring, u64 pos)
{
	u64 time = U64_MAX;

	spin_lock(&ring->lock);
	pos = max(pos, ring->head.pos);
	if (pos < ring->published)
		time = mqbus_ring_record(ring, pos)->time;
	spin_unlock(&ring->lock);
	return time;
}

/* ns since a time of CLOCK_REALTIME, which may have been set back; 0 for time 0 */
u64 mqbus_listing_since(u64 time)
{
	u64 now = ktime_get_real_ns();

	return time && now > time ? now - time : 0;
}

static int put_part_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_PARTITION_PAD);
}

/* Describe a partition. Return: 0, or -EMSGSIZE if there is no room */
int mqbus_listing_partition(struct sk_buff *skb, struct mqbus_topic *topic, u32 i)
{
	struct mqbus_part_state state = mqbus_listing_part(topic, i);

	if (nla_put_string(skb, MQBUS_A_PARTITION_TOPIC, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_PARTITION_INDEX, i) ||
	    put_part_u64(skb, MQBUS_A_PARTITION_HEAD_OFFSET, state.head.offset) ||
	    put_part_u64(skb, MQBUS_A_PARTITION_NEXT_OFFSET, state.end.offset) ||
	    put_part_u64(skb, MQBUS_A_PARTITION_USED, state.end.pos - state.head.pos) ||
	    put_part_u64(skb, MQBUS_A_PARTITION_PUBLISHED_BYTES, state.end.pos) ||
	    put_part_u64(skb, MQBUS_A_PARTITION_EVICTED, state.evicted) ||
	    (state.head_time &&
	     put_part_u64(skb, MQBUS_A_PARTITION_HEAD_TIME, state.head_time)))
		return -EMSGSIZE;
	return 0;
}
