// SPDX-License-Identifier: GPL-2.0
/*
 * Topics and partitions as netlink attributes, and the visibility of topics and groups.
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
	state.evicted = ring->evicted;
	state.head_time = 0;
	if (ring->head.pos < ring->published)
		state.head_time = mqbus_ring_record(ring, ring->head.pos)->time;
	spin_unlock(&ring->lock);
	return state;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_TOPIC_PAD);
}

/* Refusals and waits of producers */
static int listing_counts(struct sk_buff *skb, struct mqbus_topic *topic)
{
	struct mqbus_topic_counts *c = &topic->counts;

	if (put_u64(skb, MQBUS_A_TOPIC_REJECTED, atomic64_read(&c->rejected)) ||
	    put_u64(skb, MQBUS_A_TOPIC_OVER_LIMIT, atomic64_read(&c->over)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_BLOCKED, atomic_read(&c->blocked)) ||
	    put_u64(skb, MQBUS_A_TOPIC_BLOCKED_TIME, atomic64_read(&c->blocked_time)) ||
	    put_u64(skb, MQBUS_A_TOPIC_WAITS_FULL,
		    atomic64_read(&c->waits[MQBUS_WHY_FULL])) ||
	    put_u64(skb, MQBUS_A_TOPIC_WAITS_RATE,
		    atomic64_read(&c->waits[MQBUS_WHY_RATE])) ||
	    put_u64(skb, MQBUS_A_TOPIC_WAITS_SHARE,
		    atomic64_read(&c->waits[MQBUS_WHY_SHARE])))
		return -EMSGSIZE;
	return 0;
}

static int listing_limits(struct sk_buff *skb, struct mqbus_topic *topic)
{
	struct mqbus_quota *limit = &topic->quota;
	struct mqbus_rate rates[MQBUS_QUOTA_RATES];

	spin_lock(&limit->lock);
	memcpy(rates, limit->rates, sizeof(rates));
	spin_unlock(&limit->lock);
	if (put_u64(skb, MQBUS_A_TOPIC_RETENTION_SIZE, READ_ONCE(topic->retention_size)) ||
	    put_u64(skb, MQBUS_A_TOPIC_RATE, rates[MQBUS_QUOTA_RECORDS].each) ||
	    put_u64(skb, MQBUS_A_TOPIC_RATE_BYTES, rates[MQBUS_QUOTA_BYTES].each) ||
	    put_u64(skb, MQBUS_A_TOPIC_USER_RATE, rates[MQBUS_QUOTA_USER_RECORDS].each) ||
	    put_u64(skb, MQBUS_A_TOPIC_USER_RATE_BYTES, rates[MQBUS_QUOTA_USER_BYTES].each) ||
	    put_u64(skb, MQBUS_A_TOPIC_BURST, rates[MQBUS_QUOTA_RECORDS].burst) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_SHARE, READ_ONCE(limit->share)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_OVER, READ_ONCE(limit->over)))
		return -EMSGSIZE;
	return 0;
}

/* Describe a topic for a caller. Return: 0, or -EMSGSIZE if there is no room */
int mqbus_listing_topic(struct sk_buff *skb, struct mqbus_topic *topic,
			const struct mqbus_caller *caller)
{
	u64 records = 0, published = 0, used = 0, bytes = 0, evicted = 0;
	uid_t uid = from_kuid_munged(caller->cred->user_ns, mqbus_topic_uid(topic));
	gid_t gid = from_kgid_munged(caller->cred->user_ns, mqbus_topic_gid(topic));
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct mqbus_part_state state = mqbus_listing_part(topic, i);

		records += state.end.offset - state.head.offset;
		published += state.end.offset;
		used += state.end.pos - state.head.pos;
		bytes += state.end.pos;
		evicted += state.evicted;
	}
	if (nla_put_string(skb, MQBUS_A_TOPIC_NAME, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_UID, uid) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GID, gid) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MODE, READ_ONCE(topic->mode)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_FULL, READ_ONCE(topic->full)) ||
	    (topic->per_cpu && nla_put_flag(skb, MQBUS_A_TOPIC_PER_CPU)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PARTITIONS, topic->nr_parts) ||
	    put_u64(skb, MQBUS_A_TOPIC_RING_SIZE, topic->ring_size) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MAX_RECORD, topic->max_record) ||
	    put_u64(skb, MQBUS_A_TOPIC_RETENTION, READ_ONCE(topic->retention)) ||
	    put_u64(skb, MQBUS_A_TOPIC_CHARGED, topic->charge.bytes) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PRODUCERS, atomic_read(&topic->producers)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GROUPS, READ_ONCE(topic->nr_readers)) ||
	    put_u64(skb, MQBUS_A_TOPIC_RECORDS, records) ||
	    put_u64(skb, MQBUS_A_TOPIC_PUBLISHED, published) ||
	    put_u64(skb, MQBUS_A_TOPIC_USED, used))
		return -EMSGSIZE;
	if (put_u64(skb, MQBUS_A_TOPIC_PUBLISHED_BYTES, bytes) ||
	    put_u64(skb, MQBUS_A_TOPIC_EVICTED, evicted))
		return -EMSGSIZE;
	return listing_limits(skb, topic) ?: listing_counts(skb, topic);
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
