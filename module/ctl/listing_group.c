// SPDX-License-Identifier: GPL-2.0
/*
 * Groups as netlink attributes: their progress, and statistics of queues.
 */
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
 * struct group_state - a group at one moment
 * @members: number of members
 * @generation: of the assignment
 * @lag_threshold: records, over all partitions
 * @expire: ns without members after which the group goes; 0: never
 * @ephemeral: it goes with its last member
 * @paused: nothing is handed out
 * @stream: options of a stream group
 */
struct group_state {
	u32 members;
	u32 generation;
	u64 lag_threshold;
	u64 expire;
	bool ephemeral;
	bool paused;
	struct mqbus_stream_options stream;
};

/**
 * struct progress_state - a group's progress in a partition at one moment
 * @cursor: the progress
 * @pid: owner of the partition, in the reader's pid namespace; 0: none
 * @comm: its name
 * @lag: records published and not settled
 * @oldest: time of the oldest of them; 0: there are none
 * @revoking: the owner has to release the partition
 */
struct progress_state {
	struct mqbus_cursor cursor;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u64 lag;
	u64 oldest;
	bool revoking;
};

/*
 * As mqbus_listing_time(), for records taken from a partition, but only some of those in the retry
 * ring
 */
static u64 taken_time(const struct mqbus_inflight *f, u32 partition)
{
	u32 i = f->sources[partition].order.first, steps = MQBUS_INFLIGHT_STEP;
	u64 time = U64_MAX;

	if (i != MQBUS_NONE)
		time = mqbus_inflight_record(f, i)->time;
	for (i = mqbus_inflight_retry(f)->order.first; i != MQBUS_NONE && steps; steps--) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

		if (e->partition == partition)
			time = min(time, mqbus_inflight_record(f, i)->time);
		i = e->order.next;
	}
	return time;
}

/* Time of the oldest record not settled; 0: there is none */
static u64 oldest_time(struct mqbus_group *group, u32 partition)
{
	const struct mqbus_cursor *c = &group->slots[partition].cursor;
	struct mqbus_ring *ring = &group->topic->parts[partition]->ring;
	u64 time = mqbus_listing_time(ring, group->queue ? c->given.pos : c->done.pos);

	if (group->queue)
		time = min(time, taken_time(&group->queue->inflight, partition));
	return time == U64_MAX ? 0 : time;
}

static void group_state(struct mqbus_group *group, struct group_state *state)
{
	spin_lock(&group->lock);
	state->members = group->nr_members;
	state->generation = group->assign.generation;
	state->lag_threshold = group->lag.threshold;
	state->expire = group->expiry.after;
	state->ephemeral = group->expiry.ephemeral;
	state->paused = group->paused;
	state->stream = group->stream;
	spin_unlock(&group->lock);
}

static void progress_state(struct mqbus_group *group, u32 partition,
			   const struct mqbus_part_state *part, struct progress_state *state)
{
	struct mqbus_slot *slot = &group->slots[partition];

	spin_lock(&group->lock);
	state->cursor = slot->cursor;
	/* An owner is never away */
	state->pid = slot->owner ? pid_vnr(slot->owner->member->pid) : 0;
	if (slot->owner)
		memcpy(state->comm, slot->owner->member->comm, sizeof(state->comm));
	state->lag = mqbus_lag_records(group, partition, part->head.offset, part->end.offset);
	state->oldest = oldest_time(group, partition);
	state->revoking = mqbus_slot_revoked(slot);
	spin_unlock(&group->lock);
}

/**
 * struct queue_state - a queue group's statistics at one moment
 * @options: as its owner gave them
 * @conf: the configuration that results
 * @stats: counts since its creation
 * @inflight: records in flight
 * @leased: of these, records leased to members
 * @held: records held back for their key
 * @retrying: records in the retry ring
 * @nr_dead: dead letters that wait
 * @retry_used: bytes of the retry ring
 * @oldest: earliest first delivery among the first records of all sources; 0: there is none
 */
struct queue_state {
	struct mqbus_queue_options options;
	struct mqbus_inflight_conf conf;
	struct mqbus_inflight_stats stats;
	u32 inflight;
	u32 leased;
	u32 held;
	u32 retrying;
	u32 nr_dead;
	u64 retry_used;
	u64 oldest;
};

/*
 * Some sources are read per hold of the lock. Records only move to the last source, the retry ring,
 * so none is missed.
 */
static u64 oldest_inflight(struct mqbus_group *group)
{
	const struct mqbus_inflight *f = &group->queue->inflight;
	u32 i = 0, nr = f->nr_sources + 1;
	u64 oldest = 0;

	while (i < nr) {
		u32 end = min_t(u32, nr, i + MQBUS_INFLIGHT_STEP);

		spin_lock(&group->lock);
		for (; i < end; i++) {
			u32 first = f->sources[i].order.first;
			u64 time = first == MQBUS_NONE ? 0 : mqbus_inflight_entry(f, first)->first;

			/* A record held back was not handed out yet */
			if (time && (!oldest || time < oldest))
				oldest = time;
		}
		spin_unlock(&group->lock);
	}
	return oldest;
}

static void queue_state(struct mqbus_group *group, struct queue_state *state)
{
	const struct mqbus_group_queue *q = group->queue;
	const struct mqbus_inflight *f = &q->inflight;

	spin_lock(&group->lock);
	state->options = q->options;
	state->conf = f->conf;
	state->stats = f->stats;
	state->inflight = f->nr;
	state->leased = f->leased;
	state->held = f->held;
	state->retrying = f->retrying;
	state->nr_dead = f->nr_dead;
	state->retry_used = f->retry_live;
	spin_unlock(&group->lock);
	state->oldest = oldest_inflight(group);
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_QUEUE_PAD);
}

static int listing_queue_options(struct sk_buff *skb, const struct mqbus_group_queue *q,
				 const struct queue_state *s)
{
	const struct mqbus_inflight_conf *conf = &s->conf;

	if (nla_put_u32(skb, MQBUS_A_QUEUE_FLAGS, s->options.flags) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_MAX_INFLIGHT, conf->max_inflight) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_CREDIT, s->options.credit) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_MAX_ATTEMPTS, conf->max_attempts ?: MQBUS_ANY) ||
	    put_u64(skb, MQBUS_A_QUEUE_LEASE, conf->lease) ||
	    put_u64(skb, MQBUS_A_QUEUE_BACKOFF_MIN, conf->backoff.min) ||
	    put_u64(skb, MQBUS_A_QUEUE_BACKOFF_MAX, conf->backoff.max) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_BACKOFF_FACTOR, conf->backoff.factor) ||
	    nla_put_u32(skb, MQBUS_A_QUEUE_BACKOFF_JITTER, conf->backoff.jitter) ||
	    put_u64(skb, MQBUS_A_QUEUE_RETRY_SIZE, q->retry->mem.size))
		return -EMSGSIZE;
	if (s->options.dlq[0] && nla_put_string(skb, MQBUS_A_QUEUE_DLQ, s->options.dlq))
		return -EMSGSIZE;
	return put_u64(skb, MQBUS_A_QUEUE_CHARGED, q->group->charge.bytes) ?:
	       put_u64(skb, MQBUS_A_QUEUE_DLQ_PRODUCER, q->producer);
}

static int listing_queue_stats(struct sk_buff *skb, const struct queue_state *s)
{
	const struct mqbus_inflight_stats *stats = &s->stats;

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
	    put_u64(skb, MQBUS_A_QUEUE_DISCARDED, stats->discarded) ||
	    put_u64(skb, MQBUS_A_QUEUE_OLDEST_INFLIGHT, mqbus_listing_since(s->oldest)))
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

static int put_group_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, MQBUS_A_GROUP_PAD);
}

static int listing_stream(struct sk_buff *skb, const struct mqbus_stream_options *stream)
{
	if (put_group_u64(skb, MQBUS_A_GROUP_REBALANCE_TIMEOUT,
			  stream->rebalance_timeout ?: MQBUS_REBALANCE_DEFAULT) ||
	    put_group_u64(skb, MQBUS_A_GROUP_GRACE, stream->grace))
		return -EMSGSIZE;
	return 0;
}

/* Put attributes that are common to all partitions */
static int listing_whole(struct sk_buff *skb, struct mqbus_group *group,
			 const struct mqbus_caller *caller)
{
	u32 type = group->queue ? MQBUS_GROUP_QUEUE : MQBUS_GROUP_STREAM;
	struct group_state state;

	group_state(group, &state);
	if (nla_put_u32(skb, MQBUS_A_GROUP_UID,
			from_kuid_munged(caller->cred->user_ns, mqbus_group_uid(group))) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_GID,
			from_kgid_munged(caller->cred->user_ns, mqbus_group_gid(group))) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MODE, READ_ONCE(group->mode)) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_TYPE, type) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_MEMBERS, state.members) ||
	    nla_put_u32(skb, MQBUS_A_GROUP_GENERATION, state.generation) ||
	    (group->observes && nla_put_flag(skb, MQBUS_A_GROUP_OBSERVER)) ||
	    (state.ephemeral && nla_put_flag(skb, MQBUS_A_GROUP_EPHEMERAL)) ||
	    (state.expire && put_group_u64(skb, MQBUS_A_GROUP_EXPIRE, state.expire)) ||
	    (state.paused && nla_put_flag(skb, MQBUS_A_GROUP_PAUSED)) ||
	    put_group_u64(skb, MQBUS_A_GROUP_LAG_THRESHOLD, state.lag_threshold))
		return -EMSGSIZE;
	return group->queue ? listing_queue(skb, group) : listing_stream(skb, &state.stream);
}

static int listing_progress(struct sk_buff *skb, struct mqbus_group *group, u32 i)
{
	struct mqbus_part_state part = mqbus_listing_part(group->topic, i);
	struct progress_state state;

	/* Read after the end: progress may be ahead of that, but no lag is negative */
	progress_state(group, i, &part, &state);
	if (nla_put_u32(skb, MQBUS_A_GROUP_PARTITION, i) ||
	    put_group_u64(skb, MQBUS_A_GROUP_COMMITTED, state.cursor.done.offset) ||
	    put_group_u64(skb, MQBUS_A_GROUP_FETCHED, state.cursor.given.offset) ||
	    put_group_u64(skb, MQBUS_A_GROUP_NEXT_OFFSET, part.end.offset) ||
	    put_group_u64(skb, MQBUS_A_GROUP_LAG, state.lag) ||
	    put_group_u64(skb, MQBUS_A_GROUP_LOST, state.cursor.lost) ||
	    put_group_u64(skb, MQBUS_A_GROUP_LAG_TIME, mqbus_listing_since(state.oldest)))
		return -EMSGSIZE;
	if (state.pid && (nla_put_u32(skb, MQBUS_A_GROUP_OWNER_PID, state.pid) ||
			  nla_put_string(skb, MQBUS_A_GROUP_OWNER_COMM, state.comm)))
		return -EMSGSIZE;
	if (state.revoking && nla_put_flag(skb, MQBUS_A_GROUP_REVOKING))
		return -EMSGSIZE;
	if (!group->queue &&
	    (put_group_u64(skb, MQBUS_A_GROUP_DELIVERED, state.cursor.delivered) ||
	     put_group_u64(skb, MQBUS_A_GROUP_REDELIVERED, state.cursor.redelivered)))
		return -EMSGSIZE;
	return 0;
}

/*
 * Describe a group, and its progress in partition @i unless that is MQBUS_ANY; with a NULL @caller
 * only the progress. Return: 0, or -EMSGSIZE if there is no room.
 */
int mqbus_listing_group(struct sk_buff *skb, struct mqbus_group *group, u32 i,
			const struct mqbus_caller *caller)
{
	if (nla_put_string(skb, MQBUS_A_GROUP_TOPIC, group->topic->name) ||
	    nla_put_string(skb, MQBUS_A_GROUP_NAME, group->name))
		return -EMSGSIZE;
	if (i != MQBUS_ANY && listing_progress(skb, group, i))
		return -EMSGSIZE;
	return caller ? listing_whole(skb, group, caller) : 0;
}
