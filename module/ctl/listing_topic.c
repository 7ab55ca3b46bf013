// SPDX-License-Identifier: GPL-2.0
/*
 * Topics as netlink attributes.
 */
#include <linux/mqbus_netlink.h>
#include <net/netlink.h>

#include "base/caller.h"
#include "ctl/listing.h"
#include "log/topic.h"
#include "log/turn.h"

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_TOPIC_PAD);
}

/* Refusals and waits of producers */
static int listing_counts(struct sk_buff *skb, struct mqbus_topic *topic)
{
	struct mqbus_topic_counts *c = &topic->counts;
	u64 time;
	u32 blocked = mqbus_turn_blocked(topic, &time);

	if (put_u64(skb, MQBUS_A_TOPIC_REJECTED, atomic64_read(&c->rejected)) ||
	    put_u64(skb, MQBUS_A_TOPIC_OVER_LIMIT, atomic64_read(&c->over)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_BLOCKED, blocked) ||
	    put_u64(skb, MQBUS_A_TOPIC_BLOCKED_TIME, time) ||
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
	struct mqbus_fullest fullest = {};
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct mqbus_part_state state = mqbus_listing_part(topic, i);

		records += state.end.offset - state.head.offset;
		published += state.end.offset;
		used += state.end.pos - state.head.pos;
		bytes += state.end.pos;
		evicted += state.evicted;
		mqbus_fullest_look(&fullest, topic, i, &state);
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
	return listing_limits(skb, topic) ?: listing_counts(skb, topic) ?:
	       mqbus_listing_holder(skb, topic, caller, &fullest);
}
