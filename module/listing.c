// SPDX-License-Identifier: GPL-2.0
/*
 * Topics, partitions and groups as netlink attributes, and who may see them.
 */
#include <linux/ktime.h>
#include <linux/mqbus_netlink.h>
#include <linux/pid.h>
#include <net/netlink.h>

#include "group.h"
#include "listing.h"
#include "member.h"
#include "queue.h"
#include "topic.h"
#include "who.h"

/**
 * mqbus_listing_topic_visible() - whether somebody may see a topic
 * @topic: the topic
 * @who: who asks
 *
 * Return: true for its owner and for who may subscribe to it.
 */
bool mqbus_listing_topic_visible(const struct mqbus_topic *topic, const struct mqbus_who *who)
{
	return uid_eq(who->cred->fsuid, topic->uid) ||
	       mqbus_who_may(who, topic->uid, topic->gid, topic->mode, MQBUS_MAY_READ);
}

/**
 * mqbus_listing_group_visible() - whether somebody may see a group
 * @group: the group, of a topic that may be seen
 * @who: who asks
 *
 * Return: true for its owner, the topic's, and who may read it.
 */
bool mqbus_listing_group_visible(const struct mqbus_group *group, const struct mqbus_who *who)
{
	return uid_eq(who->cred->fsuid, group->uid) ||
	       uid_eq(who->cred->fsuid, group->topic->uid) ||
	       mqbus_who_may(who, group->uid, group->gid, group->mode, MQBUS_MAY_READ);
}

/**
 * struct part_state - what a partition holds at one moment
 * @head: the oldest record
 * @end: behind the last
 */
struct part_state {
	struct mqbus_mark head;
	struct mqbus_mark end;
};

static struct part_state part_state(struct mqbus_topic *topic, u32 partition)
{
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	struct part_state state;

	mqbus_topic_expire(topic, partition);
	spin_lock(&ring->lock);
	state.head = ring->head;
	state.end.pos = ring->published;
	state.end.offset = ring->page->next_offset;
	spin_unlock(&ring->lock);
	return state;
}

/**
 * mqbus_listing_topic() - describe a topic
 * @skb: message to put it into
 * @topic: the topic
 * @who: for whom
 *
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_topic(struct sk_buff *skb, struct mqbus_topic *topic,
			const struct mqbus_who *who)
{
	u64 records = 0, published = 0, used = 0;
	struct user_namespace *user_ns = who->cred->user_ns;
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct part_state state = part_state(topic, i);

		records += state.end.offset - state.head.offset;
		published += state.end.offset;
		used += state.end.pos - state.head.pos;
	}
	if (nla_put_string(skb, MQBUS_A_TOPIC_NAME, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_UID, from_kuid_munged(user_ns, topic->uid)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GID, from_kgid_munged(user_ns, topic->gid)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MODE, topic->mode) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_FULL, topic->full) ||
	    (topic->per_cpu && nla_put_flag(skb, MQBUS_A_TOPIC_PER_CPU)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PARTITIONS, topic->nr_parts) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RING_SIZE, topic->ring_size,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MAX_RECORD, topic->max_record) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RETENTION, topic->retention,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_CHARGED, topic->charge.bytes,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PRODUCERS, atomic_read(&topic->producers)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GROUPS, READ_ONCE(topic->nr_groups)) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RECORDS, records, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_PUBLISHED, published, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_USED, used, MQBUS_A_TOPIC_PAD))
		return -EMSGSIZE;
	return 0;
}

/**
 * mqbus_listing_partition() - describe a partition
 * @skb: message to put it into
 * @topic: the topic
 * @i: number of the partition
 *
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_partition(struct sk_buff *skb, struct mqbus_topic *topic, u32 i)
{
	struct part_state state = part_state(topic, i);

	if (nla_put_string(skb, MQBUS_A_PARTITION_TOPIC, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_PARTITION_INDEX, i) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_HEAD_OFFSET, state.head.offset,
			      MQBUS_A_PARTITION_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_NEXT_OFFSET, state.end.offset,
			      MQBUS_A_PARTITION_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_PARTITION_USED, state.end.pos - state.head.pos,
			      MQBUS_A_PARTITION_PAD))
		return -EMSGSIZE;
	return 0;
}

/**
 * struct group_state - a group's progress in a partition at one moment
 * @members: number of members
 * @generation: of the assignment
 * @cursor: the progress
 * @pid: the owner's, in the reader's namespace; 0: nobody owns it
 * @comm: its name
 * @pending: of a queue group: records of the partition that were taken and are not
 *	settled; they are behind @cursor
 */
struct group_state {
	u32 members;
	u32 generation;
	struct mqbus_cursor cursor;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u32 pending;
};

static void group_state(struct mqbus_group *group, u32 partition, struct group_state *state)
{
	struct mqbus_slot *slot = &group->slots[partition];

	spin_lock(&group->lock);
	state->members = group->nr_members;
	state->generation = group->assign.generation;
	state->cursor = slot->cursor;
	/* Who owns something is there */
	state->pid = slot->owner ? pid_vnr(slot->owner->member->pid) : 0;
	if (slot->owner)
		memcpy(state->comm, slot->owner->member->comm, sizeof(state->comm));
	state->pending = group->queue ? group->queue->window.lanes[partition].pending : 0;
	spin_unlock(&group->lock);
}

/**
 * struct queue_state - a queue group's figures at one moment
 * @options: as its owner gave them
 * @conf: what they come to
 * @stats: what happened so far
 * @inflight: records in flight
 * @leased: of these, records that members have
 * @held: records held back for their key
 * @retrying: records in the retry ring
 * @nr_dead: dead letters that wait
 * @retry_used: bytes of the retry ring
 */
struct queue_state {
	struct mqbus_queue options;
	struct mqbus_window_conf conf;
	struct mqbus_window_stats stats;
	u32 inflight;
	u32 leased;
	u32 held;
	u32 retrying;
	u32 nr_dead;
	u64 retry_used;
};

static void queue_state(struct mqbus_group *group, struct queue_state *state)
{
	const struct mqbus_group_queue *q = group->queue;
	const struct mqbus_window *w = &q->window;

	spin_lock(&group->lock);
	state->options = q->options;
	state->conf = w->conf;
	state->stats = w->stats;
	state->inflight = w->inflight;
	state->leased = w->leased;
	state->held = w->held;
	state->retrying = w->retrying;
	state->nr_dead = w->nr_dead;
	state->retry_used = q->retry_cursor.given.pos - q->retry_cursor.done.pos;
	spin_unlock(&group->lock);
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_QUEUE_PAD);
}

static int listing_queue_options(struct sk_buff *skb, const struct mqbus_group_queue *q,
				 const struct queue_state *s)
{
	const struct mqbus_window_conf *conf = &s->conf;

	if (nla_put_u32(skb, MQBUS_A_QUEUE_FLAGS, s->options.flags) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_MAX_INFLIGHT, conf->max_inflight) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_CREDIT, s->options.credit) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_LIMIT, conf->limit ?: MQBUS_ANY) ||
	    put_u64(skb, MQBUS_A_QUEUE_LEASE, conf->lease) ||
	    put_u64(skb, MQBUS_A_QUEUE_BACKOFF_MIN, conf->backoff.min) ||
	    put_u64(skb, MQBUS_A_QUEUE_BACKOFF_MAX, conf->backoff.max) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_BACKOFF_FACTOR, conf->backoff.factor) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_BACKOFF_JITTER, conf->backoff.jitter) ||
	    put_u64(skb, MQBUS_A_QUEUE_RETRY_SIZE, q->retry->mem.size))
		return -EMSGSIZE;
	if (s->options.dlq[0] && nla_put_string(skb, MQBUS_A_QUEUE_DLQ, s->options.dlq))
		return -EMSGSIZE;
	return put_u64(skb, MQBUS_A_QUEUE_CHARGED, q->group->charge.bytes);
}

static int listing_queue_stats(struct sk_buff *skb, const struct queue_state *s)
{
	const struct mqbus_window_stats *stats = &s->stats;

	if (nla_put_u32(skb, MQBUS_A_QUEUE_INFLIGHT, s->inflight) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_LEASED, s->leased) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_HELD, s->held) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_RETRYING, s->retrying) ||
	    put_u64(skb, MQBUS_A_QUEUE_RETRY_USED, s->retry_used) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_DLQ_BLOCKED, s->nr_dead) ||
	    put_u64(skb, MQBUS_A_QUEUE_DELIVERED, stats->delivered) ||
	    put_u64(skb, MQBUS_A_QUEUE_REDELIVERED, stats->redelivered) ||
	    put_u64(skb, MQBUS_A_QUEUE_ACKED, stats->acked) ||
	    put_u64(skb, MQBUS_A_QUEUE_NACKED, stats->nacked) ||
	    put_u64(skb, MQBUS_A_QUEUE_RELEASED, stats->released) ||
	    put_u64(skb, MQBUS_A_QUEUE_REJECTED, stats->rejected) ||
	    put_u64(skb, MQBUS_A_QUEUE_EXTENDED, stats->extended) ||
	    put_u64(skb, MQBUS_A_QUEUE_EXPIRED, stats->expired) ||
	    put_u64(skb, MQBUS_A_QUEUE_DIED, stats->died) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_DEATHS, stats->deaths) ||
	    put_u64(skb, MQBUS_A_QUEUE_DEAD_LETTERED, stats->buried) ||
	    put_u64(skb, MQBUS_A_QUEUE_DISCARDED, stats->discarded))
		return -EMSGSIZE;
	return 0;
}

static int listing_queue(struct sk_buff *skb, struct mqbus_group *group)
{
	struct queue_state state;
	struct nlattr *nest;

	if (!group->queue)
		return 0;
	nest = nla_nest_start(skb, MQBUS_A_GROUP_QUEUE);
	if (!nest)
		return -EMSGSIZE;
	queue_state(group, &state);
	if (listing_queue_options(skb, group->queue, &state) ||
	    listing_queue_stats(skb, &state))
		return -EMSGSIZE;	/* the whole message is cancelled */
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * mqbus_listing_group() - describe a group's progress in a partition
 * @skb: message to put it into
 * @group: the group
 * @i: number of the partition
 * @who: for whom
 *
 * Return: 0, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_group(struct sk_buff *skb, struct mqbus_group *group, u32 i,
			const struct mqbus_who *who)
{
	struct part_state part = part_state(group->topic, i);
	u32 type = group->queue ? MQBUS_GROUP_QUEUE : MQBUS_GROUP_STREAM;
	struct group_state state;
	u64 from, lag;

	/* After the end was read, so that it may be ahead of it, but never negative */
	group_state(group, i, &state);
	from = max(group->queue ? state.cursor.given.offset : state.cursor.done.offset,
		   part.head.offset);
	lag = state.pending + (part.end.offset > from ? part.end.offset - from : 0);
	if (nla_put_string(skb, MQBUS_A_GROUP_TOPIC, group->topic->name) ||
	    nla_put_string(skb, MQBUS_A_GROUP_NAME, group->name) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_UID,
			from_kuid_munged(who->cred->user_ns, group->uid)) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MODE, group->mode) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_TYPE, type) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MEMBERS, state.members) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_GENERATION, state.generation) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_PARTITION, i) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_COMMITTED, state.cursor.done.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_FETCHED, state.cursor.given.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_NEXT_OFFSET, part.end.offset,
			      MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_LAG, lag, MQBUS_A_GROUP_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_GROUP_LOST, state.cursor.lost,
			      MQBUS_A_GROUP_PAD))
		return -EMSGSIZE;
	if (state.pid && (nla_put_u32(skb, MQBUS_A_GROUP_OWNER_PID, state.pid) ||
			  nla_put_string(skb, MQBUS_A_GROUP_OWNER_COMM, state.comm)))
		return -EMSGSIZE;
	return listing_queue(skb, group);
}
