// SPDX-License-Identifier: GPL-2.0
/*
 * Options of queue groups: limits, defaults and memory.
 */
#include <linux/log2.h>

#include "base/caller.h"
#include "core/record.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

#define QUEUE_RETRY_MIN		(64 * 1024)
#define QUEUE_FACTOR_MAX	10000

static u32 queue_max_inflight(const struct mqbus_queue_options *o)
{
	return o->max_inflight ?: MQBUS_INFLIGHT_DEFAULT;
}

/* Bytes of the retry ring; @o is checked */
u64 mqbus_queue_retry_size(const struct mqbus_queue_options *o, const struct mqbus_topic *topic)
{
	return o->retry_size ?: max_t(u64, QUEUE_RETRY_MIN,
				      roundup_pow_of_two(4 * topic->max_record));
}

/* Entries of the in-flight table: records taken and not settled. @o is checked */
u32 mqbus_queue_entries(const struct mqbus_queue_options *o, const struct mqbus_topic *topic)
{
	u32 shares = o->flags & MQBUS_QUEUE_F_KEY_EXCLUSIVE ? 2 : 1;

	return shares * queue_max_inflight(o) +
	       mqbus_queue_retry_size(o, topic) / MQBUS_RETRY_RECORD;
}

/* The backoff that the options ask for, by default where they are 0 */
static struct mqbus_backoff queue_backoff(const struct mqbus_queue_options *o)
{
	u64 max = o->backoff_max ?: max_t(u64, o->backoff_min, MQBUS_BACKOFF_MAX_DEFAULT);
	bool given = o->backoff_min || o->backoff_max || o->backoff_factor || o->backoff_jitter;

	if (o->backoff_min == MQBUS_BACKOFF_NONE)
		return (struct mqbus_backoff){};
	return (struct mqbus_backoff) {
		.min = o->backoff_min ?: min_t(u64, MQBUS_BACKOFF_MIN_DEFAULT, max),
		.max = max,
		.factor = o->backoff_factor ?: MQBUS_BACKOFF_FACTOR_DEFAULT,
		.jitter = given ? o->backoff_jitter : MQBUS_BACKOFF_JITTER_DEFAULT,
	};
}

static int queue_check_backoff(const struct mqbus_queue_options *o)
{
	struct mqbus_backoff b = queue_backoff(o);

	if (o->backoff_min == MQBUS_BACKOFF_NONE)
		return o->backoff_max || o->backoff_factor || o->backoff_jitter ? -EINVAL : 0;
	if (b.min > b.max || b.max > MQBUS_DELAY_MAX || b.factor < 100 ||
	    b.factor > QUEUE_FACTOR_MAX || b.jitter > 100)
		return -ERANGE;
	return 0;
}

/*
 * Check options; the DLQ's name is not looked up. Return: 0 or a negative errno as of &struct
 * mqbus_group_create.
 */
int mqbus_queue_options_check(const struct mqbus_queue_options *o, const struct mqbus_topic *topic)
{
	if (o->flags & ~__MQBUS_QUEUE_F_ALL || mqbus_topic_evicts(topic))
		return -EOPNOTSUPP;
	if (o->__reserved || (o->retry_size && !is_power_of_2(o->retry_size)) ||
	    (!o->dlq[0] && o->max_attempts && o->max_attempts != MQBUS_ANY))
		return -EINVAL;
	if (o->max_inflight > MQBUS_INFLIGHT_MAX || o->credit > MQBUS_INFLIGHT_MAX ||
	    (o->max_attempts > MQBUS_ATTEMPTS_MAX && o->max_attempts != MQBUS_ANY) ||
	    o->lease > MQBUS_DELAY_MAX || o->retry_size > MQBUS_RETRY_MAX ||
	    (o->retry_size && o->retry_size < max_t(u64, MQBUS_RING_MIN, PAGE_SIZE)))
		return -ERANGE;
	/* One record and one kept free; either may be a dead letter with its headers */
	if (mqbus_queue_retry_size(o, topic) < 2 * mqbus_record_most(topic->max_record))
		return -EMSGSIZE;
	return queue_check_backoff(o);
}

/*
 * Check the arguments of a new queue group; the DLQ's name is not looked up. Return: 0 or a
 * negative errno as of &struct mqbus_group_create.
 */
int mqbus_queue_check(const struct mqbus_group_create *args, const struct mqbus_topic *topic)
{
	if (memchr_inv(&args->stream, 0, sizeof(args->stream)))
		return -EINVAL;
	/* Leased records must stay */
	if (args->flags & MQBUS_GROUP_F_OBSERVER)
		return -EOPNOTSUPP;
	return mqbus_name_check_any(args->queue.dlq) ?:
	       mqbus_queue_options_check(&args->queue, topic);
}

/* Bytes to charge for a queue group beyond those of every group; @args is checked */
u64 mqbus_queue_bytes(const struct mqbus_group_create *args, const struct mqbus_topic *topic)
{
	const struct mqbus_queue_options *o = &args->queue;
	u32 nr = mqbus_queue_entries(o, topic);
	u64 bytes = sizeof(struct mqbus_group_queue) + sizeof(struct mqbus_part) +
		    PAGE_SIZE + mqbus_queue_retry_size(o, topic) +
		    (u64)nr * sizeof(struct mqbus_entry) +
		    (topic->nr_parts + 1) * sizeof(struct mqbus_source);

	if (o->flags & MQBUS_QUEUE_F_KEY_EXCLUSIVE)
		bytes += (u64)nr * sizeof(struct mqbus_key) +
			 rounddown_pow_of_two(nr) * sizeof(u32);
	return bytes;
}

/* Apply the options; the group's lock is held if others can see the queue */
void mqbus_queue_configure(struct mqbus_group_queue *q)
{
	const struct mqbus_queue_options *o = &q->options;
	u32 max_attempts = o->max_attempts ?: (o->dlq[0] ? MQBUS_ATTEMPTS_DEFAULT : MQBUS_ANY);

	q->inflight.conf = (struct mqbus_inflight_conf) {
		.max_inflight = queue_max_inflight(o),
		.credit = o->credit ?: U32_MAX,
		.max_attempts = max_attempts == MQBUS_ANY ? 0 : max_attempts,
		.lease = o->lease,
		.backoff = queue_backoff(o),
		.dlq = o->dlq[0],
		.paused = mqbus_group_holds(q->group),
	};
	WRITE_ONCE(q->jitters, q->inflight.conf.backoff.jitter);
}

/* Copy the options that @fields selects */
void mqbus_queue_merge(struct mqbus_queue_options *to, const struct mqbus_queue_options *from,
		       u32 fields)
{
	if (fields & MQBUS_GROUP_SET_MAX_INFLIGHT)
		to->max_inflight = from->max_inflight;
	if (fields & MQBUS_GROUP_SET_CREDIT)
		to->credit = from->credit;
	if (fields & MQBUS_GROUP_SET_MAX_ATTEMPTS)
		to->max_attempts = from->max_attempts;
	if (fields & MQBUS_GROUP_SET_LEASE)
		to->lease = from->lease;
	if (fields & MQBUS_GROUP_SET_BACKOFF) {
		to->backoff_min = from->backoff_min;
		to->backoff_max = from->backoff_max;
		to->backoff_factor = from->backoff_factor;
		to->backoff_jitter = from->backoff_jitter;
	}
	if (fields & MQBUS_GROUP_SET_DLQ)
		memcpy(to->dlq, from->dlq, sizeof(to->dlq));
}
