// SPDX-License-Identifier: GPL-2.0
/*
 * Records that could not be stored: what their producer waits for.
 */
#include <linux/ktime.h>

#include "event.h"
#include "producer.h"
#include "refusal.h"
#include "topic.h"
#include "trace.h"
#include "wait.h"

/* Who waits for longer than so many ns is told of */
#define PRODUCER_TELL		NSEC_PER_SEC

/* A rate lets go what it held back: who polls is to look again. */
static void producer_due(struct work_struct *work)
{
	struct mqbus_producer *producer = container_of(to_delayed_work(work),
						       struct mqbus_producer, due);

	mqbus_topic_wake_writers(producer->topic);
}

/**
 * mqbus_refusal_init() - prepare to wait
 * @producer: the producer
 */
void mqbus_refusal_init(struct mqbus_producer *producer)
{
	INIT_DELAYED_WORK(&producer->due, producer_due);
}

/* What was refused last, in one word: 16 bits of partition, 16 of records, 32 of bytes */
static u64 producer_pack(const struct mqbus_refusal *refusal)
{
	return (u64)refusal->partition << 48 | (u64)refusal->records << 32 | refusal->bytes;
}

static bool producer_waits(const struct mqbus_topic *topic, int why)
{
	return why == -ENOBUFS ? READ_ONCE(topic->full) == MQBUS_FULL_BLOCK :
				 READ_ONCE(topic->limit.over) == MQBUS_OVER_BLOCK;
}

/* Whether it is worth to try again what was refused. */
static bool producer_again(const struct mqbus_producer *producer,
			   const struct mqbus_refusal *refusal)
{
	const struct mqbus_topic *topic = producer->topic;

	if (mqbus_topic_dead(topic) || mqbus_sender_fenced(producer->sender, producer) ||
	    !producer_waits(topic, refusal->why))
		return true;
	/* It becomes later while others are faster, earlier only if the rate was changed */
	if (refusal->due)
		return mqbus_producer_due(producer, refusal->records, refusal->bytes) <
		       refusal->due;
	return mqbus_topic_room(producer->topic, refusal->partition, refusal->bytes,
				mqbus_producer_owner(producer)) != refusal->why;
}

static const char * const whys[] = {
	[MQBUS_WHY_FULL] = "full",
	[MQBUS_WHY_RATE] = "rate",
	[MQBUS_WHY_SHARE] = "share",
};

static enum mqbus_why producer_why(const struct mqbus_refusal *refusal)
{
	if (refusal->why == -ENOBUFS)
		return MQBUS_WHY_FULL;
	return refusal->due ? MQBUS_WHY_RATE : MQBUS_WHY_SHARE;
}

static void producer_tell_blocked(const struct mqbus_producer *producer,
				  const struct mqbus_refusal *refusal, u64 since)
{
	char comm[TASK_COMM_LEN];

	mqbus_event_tell(&(struct mqbus_event) {
		.kind = MQBUS_EVENT_KIND_PRODUCER_BLOCKED, .topic = producer->topic,
		.comm = get_task_comm(comm, current), .pid = task_tgid_nr(current),
		.uid = producer->uid, .partition = refusal->partition,
		.reason = whys[producer_why(refusal)],
		.blocked_time = ktime_get_ns() - since,
	});
}

/* Sleep until it is worth to try again, or @end; who has waited for long is told of. */
static int producer_sleep(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			  ktime_t end)
{
	struct mqbus_topic *topic = producer->topic;
	u64 begin = ktime_get_ns();
	ktime_t tell = ktime_add_ns(begin, PRODUCER_TELL);
	int err;

	err = mqbus_wait_until(topic->writers, 0, producer_again(producer, refusal),
			       min(end, tell));
	if (err != -ETIMEDOUT || end <= tell)
		return err;
	producer_tell_blocked(producer, refusal, begin);
	return mqbus_wait_until(topic->writers, 0, producer_again(producer, refusal), end);
}

/* As producer_sleep(), which is counted. */
static int producer_block(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			  ktime_t end)
{
	struct mqbus_topic *topic = producer->topic;
	struct mqbus_topic_counts *counts = &topic->counts;
	enum mqbus_why why = producer_why(refusal);
	u64 begin = ktime_get_ns(), waited;
	int err;

	atomic64_inc(&counts->waits[why]);
	atomic_inc(&counts->blocked);
	trace_block(topic, refusal->partition, whys[why], refusal->bytes);
	err = producer_sleep(producer, refusal, end);
	waited = ktime_get_ns() - begin;
	trace_unblock(topic, refusal->partition, whys[why], waited, err);
	atomic_dec(&counts->blocked);
	atomic64_add(waited, &counts->blocked_time);
	return err;
}

/* Count what is refused for good. Return: why it is. */
static int producer_refuse(struct mqbus_topic *topic, const struct mqbus_refusal *refusal)
{
	if (refusal->why == -ENOBUFS)
		atomic64_add(refusal->records, &topic->counts.rejected);
	else if (refusal->why == -EXFULL)
		atomic64_add(refusal->records, &topic->counts.over);
	return refusal->why;
}

/**
 * mqbus_producer_wait() - wait for what records were refused for
 * @producer: the producer; no locks are held
 * @refusal: what was refused, and why
 * @deadline: until when
 *
 * Return: 0 to try again, or a negative errno: @refusal->why if the topic is one that
 * does not wait, or there is nothing to wait for.
 */
int mqbus_producer_wait(struct mqbus_producer *producer, const struct mqbus_refusal *refusal,
			ktime_t deadline)
{
	bool timed = refusal->due && refusal->due <= (u64)deadline;
	struct mqbus_topic *topic = producer->topic;
	int err;

	if ((refusal->why != -ENOBUFS && refusal->why != -EXFULL) ||
	    !producer_waits(topic, refusal->why))
		return producer_refuse(topic, refusal);
	WRITE_ONCE(producer->refused, producer_pack(refusal));
	if (!deadline)
		return -EAGAIN;
	err = producer_block(producer, refusal, timed ? (ktime_t)refusal->due : deadline);
	if (timed && err == -ETIMEDOUT)
		err = 0;
	if (!err)
		WRITE_ONCE(producer->refused, 0);
	return mqbus_wait_error(err, deadline);
}

/* Whether what was refused last would be stored now. */
static bool producer_ready(struct mqbus_producer *producer)
{
	u64 refused = READ_ONCE(producer->refused), due, now = ktime_get_ns();
	int err;

	if (!refused)
		return true;
	err = mqbus_topic_room(producer->topic, refused >> 48, (u32)refused,
			       mqbus_producer_owner(producer));
	if (err && err != -EAGAIN)
		return false;
	due = mqbus_producer_due(producer, (u16)(refused >> 32), (u32)refused);
	if (due <= now)
		return true;
	/* Nobody else would say when the time has come */
	mod_delayed_work(system_wq, &producer->due, nsecs_to_jiffies64(due - now) + 1);
	return false;
}

/**
 * mqbus_producer_poll() - readiness
 * @producer: the producer
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLOUT when what was refused last would be stored now, or there was
 * nothing; EPOLLERR when the producer was fenced; EPOLLHUP when the topic is gone.
 */
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait)
{
	struct mqbus_topic *topic = producer->topic;

	poll_wait(file, &topic->writers, wait);
	if (mqbus_topic_dead(topic))
		return EPOLLHUP | EPOLLOUT | EPOLLWRNORM;
	if (mqbus_sender_fenced(producer->sender, producer))
		return EPOLLERR | EPOLLOUT | EPOLLWRNORM;
	return producer_ready(producer) ? EPOLLOUT | EPOLLWRNORM : 0;
}
