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
	return uid_eq(who->cred->fsuid, mqbus_topic_uid(topic)) ||
	       mqbus_who_may(who, mqbus_topic_uid(topic), mqbus_topic_gid(topic),
			     READ_ONCE(topic->mode), MQBUS_MAY_READ);
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
	       uid_eq(who->cred->fsuid, mqbus_topic_uid(group->topic)) ||
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

static int listing_limits(struct sk_buff *skb, struct mqbus_topic *topic)
{
	struct mqbus_limit *limit = &topic->limit;
	struct mqbus_rate rates[MQBUS_LIMIT_RATES];

	spin_lock(&limit->lock);
	memcpy(rates, limit->rates, sizeof(rates));
	spin_unlock(&limit->lock);
	if (nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RETENTION_SIZE,
			      READ_ONCE(topic->retention_size), MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RATE, rates[MQBUS_LIMIT_RECORDS].each,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RATE_BYTES, rates[MQBUS_LIMIT_BYTES].each,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_USER_RATE,
			      rates[MQBUS_LIMIT_USER_RECORDS].each, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_USER_RATE_BYTES,
			      rates[MQBUS_LIMIT_USER_BYTES].each, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_BURST, rates[MQBUS_LIMIT_RECORDS].burst,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_SHARE, READ_ONCE(limit->share)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_OVER, READ_ONCE(limit->over)))
		return -EMSGSIZE;
	return 0;
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
	uid_t uid = from_kuid_munged(who->cred->user_ns, mqbus_topic_uid(topic));
	gid_t gid = from_kgid_munged(who->cred->user_ns, mqbus_topic_gid(topic));
	u32 i;

	for (i = 0; i < topic->nr_parts; i++) {
		struct part_state state = part_state(topic, i);

		records += state.end.offset - state.head.offset;
		published += state.end.offset;
		used += state.end.pos - state.head.pos;
	}
	if (nla_put_string(skb, MQBUS_A_TOPIC_NAME, topic->name) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_UID, uid) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GID, gid) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MODE, READ_ONCE(topic->mode)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_FULL, READ_ONCE(topic->full)) ||
	    (topic->per_cpu && nla_put_flag(skb, MQBUS_A_TOPIC_PER_CPU)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PARTITIONS, topic->nr_parts) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RING_SIZE, topic->ring_size,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_MAX_RECORD, topic->max_record) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RETENTION, READ_ONCE(topic->retention),
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_CHARGED, topic->charge.bytes,
			      MQBUS_A_TOPIC_PAD) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_PRODUCERS, atomic_read(&topic->producers)) ||
	    nla_put_u32(skb, MQBUS_A_TOPIC_GROUPS, READ_ONCE(topic->nr_groups)) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_RECORDS, records, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_PUBLISHED, published, MQBUS_A_TOPIC_PAD) ||
	    nla_put_u64_64bit(skb, MQBUS_A_TOPIC_USED, used, MQBUS_A_TOPIC_PAD))
		return -EMSGSIZE;
	return listing_limits(skb, topic);
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
 * @paused: nothing is handed out
 * @revoking: the owner is to let go of the partition
 * @stream: options of a stream group
 */
struct group_state {
	u32 members;
	u32 generation;
	struct mqbus_cursor cursor;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u32 pending;
	bool paused;
	bool revoking;
	struct mqbus_stream stream;
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
	state->paused = group->paused;
	state->revoking = mqbus_slot_revoked(slot);
	state->stream = group->stream;
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
	if ((state.paused && nla_put_flag(skb, MQBUS_A_GROUP_PAUSED)) ||
	    (state.revoking && nla_put_flag(skb, MQBUS_A_GROUP_REVOKING)))
		return -EMSGSIZE;
	if (!group->queue &&
	    (nla_put_u64_64bit(skb, MQBUS_A_GROUP_REBALANCE_TIMEOUT,
			       state.stream.rebalance_timeout ?: MQBUS_REBALANCE_DEFAULT,
			       MQBUS_A_GROUP_PAD) ||
	     nla_put_u64_64bit(skb, MQBUS_A_GROUP_GRACE, state.stream.grace,
			       MQBUS_A_GROUP_PAD)))
		return -EMSGSIZE;
	return listing_queue(skb, group);
}

/**
 * struct member_state - a member at one moment
 * @state: an &enum mqbus_member_state
 * @id: what it joined as, or ""
 * @pid: in the reader's namespace; 0: it is away, or in another one
 * @comm: its name; "" if it is away
 * @uid: who opened it
 * @partitions: that it has
 * @revoking: of these, that it is to let go of
 * @leases: that it has
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

/* Seats from @at on. Return: whether there is one; then @at is its index. */
static bool member_state(struct mqbus_group *group, u32 *at, struct member_state *state)
{
	const struct mqbus_assign *a = &group->assign;
	bool found = false;

	memset(state, 0, sizeof(*state));
	spin_lock(&group->lock);
	if (group->queue) {
		const struct mqbus_window *w = &group->queue->window;

		while (*at < w->nr_seats && !w->seats[*at])
			++*at;
		found = *at < w->nr_seats;
		if (found) {
			member_person(container_of(w->seats[*at], struct mqbus_member, holder),
				      state);
			state->state = MQBUS_MEMBER_STATE_ACTIVE;
			state->leases = w->seats[*at]->nr;
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
 * @at: look from this seat on; filled with the seat of the one that is described
 * @who: for whom
 *
 * Return: 1 if there was one, 0 if there are no more, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_member(struct sk_buff *skb, struct mqbus_group *group, u32 *at,
			 const struct mqbus_who *who)
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
				       from_kuid_munged(who->cred->user_ns, s.uid)))))
		return -EMSGSIZE;
	if (group->queue)
		return nla_put_u32(skb, MQBUS_A_MEMBER_LEASES, s.leases) ?: 1;
	return nla_put_u32(skb, MQBUS_A_MEMBER_PARTITIONS, s.partitions) ?:
	       nla_put_u32(skb, MQBUS_A_MEMBER_REVOKING, s.revoking) ?: 1;
}
