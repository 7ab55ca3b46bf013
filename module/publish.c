// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The append path
 *
 * There is one, append_run(), for publish, write and writev. Under the ring's
 * lock it makes room, writes the header, copies the parts straight from the
 * user with page faults disabled, and at the end shows the whole run with one
 * store. When a copy would fault, the record is dropped again - it was never
 * visible - the lock is let go, the pages are faulted in and the record is tried
 * again. So a producer whose memory never arrives (userfaultfd, FUSE) holds
 * nothing while it waits, and no reader ever sees a part of a record.
 *
 * The lock is held for one record or for 64 KiB of a batch, whichever is more.
 *
 * Where a transaction has claimed the ring it is waited for, see prepare.c.
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "core/record.h"
#include "elements.h"
#include "msg.h"
#include "ns.h"
#include "producer.h"
#include "publish.h"
#include "refusal.h"
#include "topic.h"
#include "wait.h"

/* Descriptions that are copied in at a time */
#define PUBLISH_BATCH	(PAGE_SIZE / sizeof(struct mqbus_msg))
/* Bytes of a batch that are appended under one hold of the lock */
#define PUBLISH_HOLD	(64 * 1024)
/* Pages that go again as soon as they came: give up then */
#define PUBLISH_FAULTS	64
/* Old records that a writer looks at before it appends */
#define PUBLISH_EXPIRE	16

/**
 * struct source - where the bytes of a run come from
 * @msgs: descriptions, checked
 * @iter: the value of the only record, instead of its address; or NULL
 * @seq: sequence number of the first; 0: any
 * @duplicates: how many were not stored, because they had been
 */
struct source {
	const struct mqbus_msg *msgs;
	struct iov_iter *iter;
	u64 seq;
	u32 duplicates;
};

/**
 * struct places - where to tell the places of records
 * @to: address of the user's array, or 0
 * @size: bytes of one element
 */
struct places {
	u64 to;
	u32 size;
};

static int copy_record(struct mqbus_record *rec, const struct mqbus_msg *m,
		       struct iov_iter *iter)
{
	if (unlikely(iter))
		return mqbus_msg_copy_iter(rec + 1, iter, m->value_len);
	return mqbus_msg_copy(rec, m);
}

static void fill_header(struct mqbus_record *rec, const struct mqbus_msg *m, u32 bytes)
{
	rec->size = bytes;
	rec->value_len = m->value_len;
	rec->headers_len = m->headers_len;
	rec->key_len = m->key_len;
	rec->routing_key_len = m->routing_key_len;
	rec->schema = m->schema;
}

/*
 * Append records, all locks held; as append_run(). Of a rate as much is taken as
 * there is: @limit, whose lock is held, or NULL if there is none.
 */
static u32 append_locked(struct mqbus_producer *producer, struct source *src,
			 const struct mqbus_msg *m, u32 n, struct mqbus_limit *limit,
			 struct mqbus_refusal *refusal)
{
	struct mqbus_topic *topic = producer->topic;
	u32 partition = m->partition;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	bool limited = limit || READ_ONCE(topic->limit.share);
	u64 now = limit ? ktime_get_ns() : 0, due = 0;
	u32 held = 0, bytes, i;
	struct mqbus_record *rec;
	int why = 0;

	for (i = 0; i < n && held < PUBLISH_HOLD; i++, m++) {
		bytes = mqbus_msg_bytes(m);
		if (unlikely(limited) || !mqbus_ring_fits(ring, bytes))
			why = mqbus_producer_reserve(producer, partition, bytes);
		if (unlikely(limit) && !why) {
			due = mqbus_limit_due(limit, producer->tenant, 1, bytes);
			why = due > now ? -EXFULL : 0;
		}
		rec = mqbus_ring_slot(ring);
		if (!why)
			why = copy_record(rec, m, src->iter);
		if (unlikely(why)) {
			*refusal = (struct mqbus_refusal) {
				.why = why, .partition = partition, .records = 1,
				.bytes = bytes, .due = due,
			};
			break;
		}
		fill_header(rec, m, bytes);
		mqbus_producer_sign(producer, ring, rec);
		if (unlikely(limit))
			mqbus_limit_spend(limit, producer->tenant, 1, bytes, now);
		held += bytes;
	}
	if (i)
		mqbus_ring_publish(ring);
	return i;
}

/* As append_run(), but -EBUSY where a transaction has claimed the ring. */
static u32 append_once(struct mqbus_producer *producer, struct source *src, u32 first, u32 n,
		       u32 bytes, struct mqbus_place *place, struct mqbus_refusal *refusal)
{
	struct mqbus_topic *topic = producer->topic;
	const struct mqbus_msg *m = &src->msgs[first];
	u32 partition = m->partition;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	struct mqbus_limit *limit = READ_ONCE(topic->limit.rated) ? &topic->limit : NULL;
	u64 seq = src->seq ? src->seq + first : 0;
	u32 done;

	spin_lock(&ring->lock);
	if (unlikely(ring->claimed)) {
		spin_unlock(&ring->lock);
		refusal->why = -EBUSY;
		return 0;
	}
	spin_lock(&producer->sender->lock);
	refusal->why = mqbus_producer_check(producer, seq, n, &done);
	if (refusal->why || done) {
		*place = (struct mqbus_place) { .partition = MQBUS_ANY, .offset = ~0ULL };
		src->duplicates += done;
		goto unlock;
	}
	pagefault_disable();
	mqbus_topic_begin(topic, partition, n + PUBLISH_EXPIRE);
	place->partition = partition;
	place->offset = ring->tail.offset;
	/* All at once if possible: one look at the old records instead of many */
	if (bytes <= min_t(u64, PUBLISH_HOLD, ring->size / 2))
		mqbus_topic_reserve(topic, partition, bytes, 0);
	if (unlikely(limit))
		spin_lock(&limit->lock);
	done = append_locked(producer, src, m, n, limit, refusal);
	if (unlikely(limit))
		spin_unlock(&limit->lock);
	pagefault_enable();
unlock:
	spin_unlock(&producer->sender->lock);
	spin_unlock(&ring->lock);
	return done;
}

/*
 * Append records of one partition under one hold of its lock, as many as can be.
 * @bytes is what they take together. Return: how many; if fewer than @n,
 * @refusal->why is why: -ENOBUFS (no room), -EXFULL (over a limit), -EFAULT (pages to be
 * faulted in), -EINVAL (headers), what mqbus_producer_check() says, or 0 (the hold was
 * long enough). Duplicates count, and are a run of their own.
 */
static u32 append_run(struct mqbus_producer *producer, struct source *src, u32 first, u32 n,
		      u32 bytes, struct mqbus_place *place, struct mqbus_refusal *refusal)
{
	struct mutex *claims = &producer->topic->charge.ns->transact_lock;
	u32 done;

	done = append_once(producer, src, first, n, bytes, place, refusal);
	if (likely(refusal->why != -EBUSY))
		return done;
	/* A transaction has the ring. Who holds this lock has his turn: there is no claim. */
	if (mutex_lock_killable(claims)) {
		refusal->why = -EINTR;
		return 0;
	}
	done = append_once(producer, src, first, n, bytes, place, refusal);
	mutex_unlock(claims);
	return done;
}

static int write_places(const struct mqbus_place *place, u32 n, u64 to, u32 size)
{
	struct mqbus_place one = *place;
	u32 i;

	/* That of a duplicate is the same for all */
	for (i = 0; i < n; i++, one.offset += one.partition != MQBUS_ANY, to += size)
		if (mqbus_elements_write(to, size, &one, sizeof(one), 1))
			return -EFAULT;
	return 0;
}

/*
 * Append @n records that were checked. @places is the user's room for them.
 * Return: 0 if all are stored, else why the one behind *@done is not, as @refusal says.
 * A place that cannot be written stops the batch but not what is stored already.
 *
 * Readers are woken once, at the end; but before the user's memory is touched,
 * which may take for ever, they must know of what is stored.
 */
static int append_all(struct mqbus_producer *producer, struct source *src, u32 n,
		      const struct places *places, u32 *done, struct mqbus_refusal *refusal)
{
	struct mqbus_topic *topic = producer->topic;
	unsigned int faults = 0;
	u32 woken = 0;
	int err = 0;

	lockdep_assert_held(&producer->lock);

	for (*done = 0; !err && *done < n;) {
		const struct mqbus_msg *m = &src->msgs[*done];
		u32 first = *done, run = 0, bytes = 0, stored;
		struct mqbus_place place = {};

		do
			bytes += mqbus_msg_bytes(&m[run++]);
		while (first + run < n && m[run].partition == m->partition);
		stored = append_run(producer, src, first, run, bytes, &place, refusal);
		/* It was long enough for now */
		err = refusal->why == -EAGAIN ? 0 : refusal->why;
		*done += stored;
		if (stored)
			faults = 0;
		if ((places->to || err == -EFAULT) && woken != *done) {
			mqbus_topic_wake_readers(topic);
			woken = *done;
		}
		if (err == -EFAULT) {
			err = mqbus_msg_fault_in(&src->msgs[*done], src->iter);
			if (!err && ++faults > PUBLISH_FAULTS)
				err = -EFAULT;
		}
		if (places->to && write_places(&place, stored,
					       places->to + (u64)first * places->size,
					       places->size))
			err = -EFAULT;
		if (*done == n)
			break;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (woken != *done)
		mqbus_topic_wake_readers(topic);
	return err;
}

/*
 * Copy in, check and append up to a page of descriptions. Return: as
 * append_all().
 */
static int publish_some(struct mqbus_producer *producer, struct mqbus_publish *args,
			u32 from, u32 turn, u32 *done, struct mqbus_refusal *refusal)
{
	struct source src = {
		.msgs = producer->msgs, .seq = args->seq ? args->seq + from : 0,
	};
	struct places places = { .size = args->place_size };
	u32 n = min_t(u32, args->count - from, PUBLISH_BATCH), i;
	int bad, err;

	*done = 0;
	if (args->places)
		places.to = args->places + (u64)from * args->place_size;
	if (mutex_lock_interruptible(&producer->lock))
		return -EINTR;
	err = -EIDRM;
	if (mqbus_topic_dead(producer->topic))
		goto unlock;
	/* What stands before a bad one is stored all the same */
	bad = mqbus_elements_read(producer->msgs, sizeof(*producer->msgs),
				  args->msgs + (u64)from * args->msg_size,
				  args->msg_size, &n);
	for (i = 0; i < n; i++) {
		err = mqbus_msg_check(producer->topic, &producer->msgs[i], turn);
		if (err) {
			bad = err;
			n = i;
		}
	}
	err = append_all(producer, &src, n, &places, done, refusal) ?: bad;
	args->duplicates += src.duplicates;
unlock:
	mutex_unlock(&producer->lock);
	return err;
}

/**
 * mqbus_publish_batch() - store a batch
 * @producer: the producer
 * @args: what the user asks for; how far it got is written back
 * @nonblock: do not wait
 *
 * Return: 0 or a negative errno as of &struct mqbus_publish.
 */
int mqbus_publish_batch(struct mqbus_producer *producer, struct mqbus_publish *args,
			bool nonblock)
{
	struct mqbus_refusal refusal;
	u32 done, turn, at = 0;
	ktime_t deadline;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	if (args->__reserved)
		return -EINVAL;
	err = mqbus_elements_check(args->msg_size, sizeof(struct mqbus_msg));
	if (!err && args->places)
		err = mqbus_elements_check(args->place_size, sizeof(struct mqbus_place));
	if (err)
		return err;
	if (!args->count || args->count > MQBUS_BATCH_MAX)
		return -ERANGE;
	/* None is stored as the last number there is */
	if (args->seq > U64_MAX - args->count)
		return -EPROTO;
	deadline = mqbus_deadline(args->timeout, nonblock);
	args->duplicates = 0;

	turn = atomic_inc_return(&producer->turn);

	while (!err && at < args->count) {
		err = publish_some(producer, args, at, turn, &done, &refusal);
		at += done;
		if (err == -ENOBUFS || err == -EXFULL)
			err = mqbus_producer_wait(producer, &refusal, deadline);
	}

	args->published = at;
	args->error = at && err ? (err == -ERESTARTSYS ? EINTR : -err) : 0;
	return at ? 0 : err;
}

/**
 * mqbus_publish_value() - store one record without a key
 * @producer: the producer
 * @from: its value
 * @nonblock: do not wait
 *
 * Return: bytes, or a negative errno.
 */
ssize_t mqbus_publish_value(struct mqbus_producer *producer, struct iov_iter *from,
			    bool nonblock)
{
	ktime_t deadline = mqbus_deadline(MQBUS_WAIT_FOREVER, nonblock);
	size_t len = iov_iter_count(from);
	struct mqbus_topic *topic = producer->topic;
	struct mqbus_msg msg = { .value_len = len, .partition = MQBUS_ANY };
	struct source src = { .msgs = &msg, .iter = from };
	const struct places places = {};
	struct mqbus_refusal refusal;
	u32 done;
	int err;

	if (len > topic->max_record)
		return -EMSGSIZE;
	for (;;) {
		if (mutex_lock_interruptible(&producer->lock))
			return -ERESTARTSYS;
		err = mqbus_topic_dead(topic) ? -EIDRM : 0;
		if (!err && msg.partition == MQBUS_ANY) {
			/* The iterator checks its own addresses */
			msg.value_len = 0;
			err = mqbus_msg_check(topic, &msg, atomic_inc_return(&producer->turn));
			msg.value_len = len;
		}
		if (!err)
			err = append_all(producer, &src, 1, &places, &done, &refusal);
		mutex_unlock(&producer->lock);
		if (err == -ENOBUFS || err == -EXFULL)
			err = mqbus_producer_wait(producer, &refusal, deadline);
		else if (!err)
			return len;
		if (err)
			return err;
	}
}
