// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints that publish: what they are, whether they may, and what they wait for.
 */
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "event.h"
#include "ns.h"
#include "producer.h"
#include "topic.h"
#include "trace.h"
#include "wait.h"
#include "who.h"

/* Who waits for longer than so many ns is told of */
#define PRODUCER_TELL		NSEC_PER_SEC

/* A rate lets go what it held back: who polls is to look again. */
static void producer_due(struct work_struct *work)
{
	struct mqbus_producer *producer = container_of(to_delayed_work(work),
						       struct mqbus_producer, due);

	mqbus_topic_wake_writers(producer->topic);
}

/* As whom it writes. Return: 0 or a negative errno. */
static int producer_name(struct mqbus_producer *producer, struct mqbus_ns *ns,
			 const struct mqbus_who *who, struct mqbus_produce *args)
{
	struct mqbus_sender *sender = &producer->own;

	args->epoch = 0;
	args->last_seq = 0;
	if (args->name[0])
		sender = mqbus_sender_open(producer->topic, ns, who, producer, args);
	else
		mqbus_sender_init(sender, ns, producer);
	if (IS_ERR(sender))
		return PTR_ERR(sender);
	producer->sender = sender;
	args->producer = sender->id;
	return 0;
}

/* What can fail, in an order that mqbus_producer_close() undoes from anywhere. */
static int producer_bind(struct mqbus_producer *producer, struct mqbus_ns *ns,
			 const struct mqbus_who *who, struct mqbus_produce *args)
{
	struct mqbus_tenant *tenant;

	producer->msgs = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!producer->msgs)
		return -ENOMEM;
	tenant = mqbus_limit_enter(producer->topic, who->cred->fsuid);
	if (tenant == ERR_PTR(-ENOMEM))
		return -ENOMEM;
	/* Too many matters only if there is a limit for each of them: when it publishes */
	producer->tenant = IS_ERR(tenant) ? NULL : tenant;
	/* Last, as it fences somebody */
	return producer_name(producer, ns, who, args);
}

/**
 * mqbus_producer_open() - bind for publishing
 * @producer: to fill; zeroed
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which topic, and what name; id, epoch and last sequence number are written back
 *
 * Return: 0 or a negative errno as of &struct mqbus_produce.
 */
int mqbus_producer_open(struct mqbus_producer *producer, struct mqbus_ns *ns,
			const struct mqbus_who *who, struct mqbus_produce *args)
{
	struct mqbus_topic *topic;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	if (args->__reserved || args->__reserved2 ||
	    (!args->name[0] && memchr_inv(args->name, 0, sizeof(args->name))))
		return -EINVAL;
	err = args->name[0] ? mqbus_name_check(args->name) : 0;
	if (!err)
		err = mqbus_topic_open(ns, who, args->topic, MQBUS_MAY_WRITE, &topic);
	if (err)
		return err;

	mutex_init(&producer->lock);
	producer->uid = who->cred->fsuid;
	INIT_DELAYED_WORK(&producer->due, producer_due);
	producer->topic = topic;
	atomic_inc(&topic->producers);
	err = producer_bind(producer, ns, who, args);
	if (err) {
		mqbus_producer_close(producer);
		/* The endpoint may become something else */
		memset(producer, 0, sizeof(*producer));
	}
	return err;
}

/**
 * mqbus_producer_close() - undo mqbus_producer_open()
 * @producer: nobody else uses it any more
 */
void mqbus_producer_close(struct mqbus_producer *producer)
{
	struct mqbus_topic *topic = producer->topic;

	cancel_delayed_work_sync(&producer->due);
	if (producer->sender && producer->sender != &producer->own)
		mqbus_sender_close(topic, producer->sender, producer);
	if (producer->tenant)
		mqbus_limit_leave(topic, producer->tenant);
	free_page((unsigned long)producer->msgs);
	atomic_dec(&topic->producers);
	mqbus_topic_put(topic);
}

/**
 * mqbus_producer_check() - whether a producer may store records now
 * @producer: the producer; its sender's lock is held
 * @seq: sequence number of the first; 0: any
 * @count: how many, at least 1
 * @duplicates: filled with how many of them, from the first on, were stored before
 *
 * Return: 0, -EIDRM, -ENOLINK, -EUSERS, -EINVAL, -EPROTO.
 */
int mqbus_producer_check(const struct mqbus_producer *producer, u64 seq, u32 count,
			 u32 *duplicates)
{
	const struct mqbus_sender *sender = producer->sender;

	lockdep_assert_held(&sender->lock);

	*duplicates = 0;
	if (mqbus_topic_dead(producer->topic))
		return -EIDRM;
	if (mqbus_sender_fenced(sender, producer))
		return -ENOLINK;
	if (seq && !sender->epoch)
		return -EINVAL;
	if (seq && (seq - 1 > sender->seq || seq > U64_MAX - count))
		return -EPROTO;
	if (seq)
		*duplicates = min_t(u64, count, sender->seq - (seq - 1));
	if (*duplicates < count && !producer->tenant &&
	    READ_ONCE(producer->topic->limit.by_user))
		return -EUSERS;
	return 0;
}

/**
 * mqbus_producer_reserve() - make room for a producer's records
 * @producer: the producer
 * @partition: a partition, whose ring's lock is held
 * @bytes: what they take together
 *
 * Return: as mqbus_topic_reserve().
 */
int mqbus_producer_reserve(const struct mqbus_producer *producer, u32 partition, u32 bytes)
{
	u32 owner = mqbus_producer_owner(producer);

	return mqbus_topic_reserve(producer->topic, partition, bytes, owner);
}

/**
 * mqbus_producer_due() - when the rates let records go
 * @producer: the producer
 * @records: how many
 * @bytes: what they take together
 *
 * Return: ns of CLOCK_MONOTONIC; a past time, or 0: at once.
 */
u64 mqbus_producer_due(const struct mqbus_producer *producer, u32 records, u32 bytes)
{
	struct mqbus_limit *limit = &producer->topic->limit;
	u64 due;

	if (!READ_ONCE(limit->rated))
		return 0;
	spin_lock(&limit->lock);
	due = mqbus_limit_due(limit, producer->tenant, records, bytes);
	spin_unlock(&limit->lock);
	return due;
}

/**
 * mqbus_producer_spend() - pay for records that go
 * @producer: the producer
 * @records: how many
 * @bytes: what they take together
 *
 * If others were faster since mqbus_producer_due() it is a debt.
 */
void mqbus_producer_spend(const struct mqbus_producer *producer, u32 records, u32 bytes)
{
	struct mqbus_limit *limit = &producer->topic->limit;

	if (!READ_ONCE(limit->rated))
		return;
	spin_lock(&limit->lock);
	mqbus_limit_spend(limit, producer->tenant, records, bytes, ktime_get_ns());
	spin_unlock(&limit->lock);
}

/**
 * mqbus_producer_stage() - take a record that is ready into a ring
 * @producer: the producer; its sender's lock is held, and mqbus_producer_check() was 0
 * @ring: the ring, whose lock is held and where room was made
 * @rec: the record with its size, lengths and schema, its parts behind it
 */
void mqbus_producer_stage(struct mqbus_producer *producer, struct mqbus_ring *ring,
			  const struct mqbus_record *rec)
{
	struct mqbus_record *slot = mqbus_ring_slot(ring);

	memcpy(slot, rec, rec->size);
	mqbus_producer_sign(producer, ring, slot);
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
