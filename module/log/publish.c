// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The append path
 *
 * publish, write and writev share one path, append_run(); dead letters (group/dlq.c) and
 * transactions (txn/issue.c) make room and complete records with the same calls. Under the
 * ring's lock it makes room, fills in records, and at the end publishes the whole run with
 * one store. No reader ever sees a part of a record, and a writer that stalls on memory that
 * never arrives (userfaultfd, FUSE) holds no lock that another endpoint needs.
 *
 * Small records are copied directly from user memory, with page faults disabled. Others are
 * assembled in kernel memory first, see draft_fill(), before any lock is taken:
 *
 * - those of more than a page: user memory may be slow (uncached), and must not be read
 *   for long under the lock;
 * - those on a topic that evicts: the records evicted for them would not come back if the
 *   copy failed;
 * - a record whose copy with page faults disabled failed.
 *
 * The lock is held for one record or for 64 KiB of a batch, whichever is more.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "base/compat.h"
#include "base/elements.h"
#include "base/ns.h"
#include "base/sleep.h"
#include "core/record.h"
#include "log/msg.h"
#include "log/producer.h"
#include "log/publish.h"
#include "log/reader.h"
#include "log/refusal.h"
#include "log/topic.h"
#include "log/turn.h"

/* Descriptions that are copied at a time */
#define PUBLISH_BATCH	(PAGE_SIZE / sizeof(struct mqbus_msg))
/* Bytes of a batch that are appended under one hold of the lock */
#define PUBLISH_HOLD	(64 * 1024)
/* Limits of a record copied under the lock, and of several assembled together */
#define PUBLISH_DIRECT	PAGE_SIZE
#define PUBLISH_DRAFT	(32 * 1024)
/* Old records that a writer checks for expiry before it appends */
#define PUBLISH_EXPIRE	16

/**
 * struct source - source of a run of records
 * @msgs: descriptions, checked
 * @iter: the value of the only record, instead of its address; or NULL
 * @seq: sequence number of the first; 0: any
 * @duplicates: records skipped because they had been stored before
 */
struct source {
	const struct mqbus_msg *msgs;
	struct iov_iter *iter;
	u64 seq;
	u32 duplicates;
};

/* User array for the places of records: its address, or 0, and bytes of an element */
struct places {
	u64 to;
	u32 size;
};

static __always_inline int copy_record(struct mqbus_record *rec, const struct mqbus_msg *m,
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

/* Make the draft large enough. Return: whether it is. */
static bool draft_room(struct mqbus_producer *producer, u32 bytes)
{
	lockdep_assert_held(&producer->lock);

	if (bytes <= producer->draft_size)
		return true;
	kvfree(producer->draft);
	producer->draft = kvmalloc(PAGE_ALIGN(bytes), MQBUS_GFP);
	producer->draft_size = producer->draft ? PAGE_ALIGN(bytes) : 0;
	return producer->draft;
}

/*
 * The draft of an idle producer is charged. A small one is kept, so that the next call need
 * not allocate; a large one, or one over a limit, is freed.
 */
static void draft_trim(struct mqbus_producer *producer)
{
	struct mqbus_charge *charge = &producer->draft_charge;

	if (likely(producer->draft_size == charge->bytes))
		return;
	mqbus_uncharge(charge);
	charge->bytes = 0;
	if (producer->draft_size && producer->draft_size <= PUBLISH_DRAFT &&
	    !mqbus_charge_with(charge, &producer->charge, producer->draft_size))
		return;
	kvfree(producer->draft);
	producer->draft = NULL;
	producer->draft_size = 0;
}

/*
 * Assemble records, one behind the other: one, or as many as fit.
 * @bytes: filled with their size. Return: their number of @n, or the first one's error.
 */
static int draft_fill(struct mqbus_producer *producer, const struct source *src,
		      const struct mqbus_msg *m, u32 n, u32 *bytes)
{
	u32 one = mqbus_msg_bytes(m), i;
	struct iov_iter again;
	int err = 0;

	if (!draft_room(producer, max_t(u32, one, min_t(u32, *bytes, PUBLISH_DRAFT))))
		return -ENOMEM;
	*bytes = 0;
	for (i = 0; i < n; i++, m++) {
		one = mqbus_msg_bytes(m);
		if (*bytes + one > producer->draft_size)
			break;
		/* The record may not be stored, and be assembled again */
		if (src->iter)
			again = *src->iter;
		err = mqbus_msg_make(producer->draft + *bytes, m, src->iter ? &again : NULL);
		if (err)
			break;
		*bytes += one;
	}
	return i ?: err;
}

/* Make room for a record, if no limit refuses it. Return: 0 or why. */
static int append_room(struct mqbus_producer *producer, u32 partition, u32 bytes, bool rated)
{
	int why;

	if (likely(!rated))
		return mqbus_producer_reserve(producer, partition, bytes);
	/* No record is dropped, and no token spent, for a record that the other limit refuses */
	why = mqbus_producer_ask(producer, partition, bytes);
	if (why && why != -EAGAIN)
		return why;
	if (mqbus_producer_due(producer, 1, bytes) > ktime_get_ns())
		return -EXFULL;
	return mqbus_producer_reserve(producer, partition, bytes);
}

/*
 * append_run() with all locks held. @rec: the first assembled record, or NULL. @whole: there
 * is room for all of them. @limited: other limits apply too; with a rate (@rated), as many
 * records go as it allows.
 *
 * Callers pass constants for the common case, so that checks made for the whole run are not
 * compiled in for each record.
 */
static __always_inline u32 append_locked(struct mqbus_producer *producer,
					 const struct mqbus_msg *m, u32 n,
					 const struct mqbus_record *rec, struct iov_iter *iter,
					 bool whole, bool limited, bool rated,
					 struct mqbus_refusal *refusal)
{
	u32 partition = m->partition, i;
	struct mqbus_ring *ring = &producer->topic->parts[partition]->ring;
	int why = 0;

	for (i = 0; i < n; i++, m++) {
		u32 bytes = mqbus_msg_bytes(m);
		struct mqbus_record *to;

		if (limited || (!whole && !mqbus_ring_fits(ring, bytes)))
			why = append_room(producer, partition, bytes, rated);
		to = mqbus_ring_slot(ring);
		if (!why && !rec)
			why = copy_record(to, m, iter);
		if (unlikely(why)) {
			*refusal = (struct mqbus_refusal) {
				.why = why, .partition = partition, .records = 1,
				.bytes = bytes,
			};
			break;
		}
		if (rec) {
			memcpy(to, rec, bytes);
			rec = (const void *)rec + bytes;
		} else {
			fill_header(to, m, bytes);
		}
		mqbus_producer_sign(producer, ring, to, bytes);
		/* Tickets count as a limit, so without limits no ticket can be called */
		if (limited && !i)
			mqbus_producer_used(producer, ring);
		/* If others were faster this makes a debt: refused records spend no tokens */
		if (rated)
			mqbus_producer_spend(producer, 1, bytes);
	}
	if (i)
		mqbus_ring_publish(ring);
	return i;
}

/*
 * Append as many records of one partition as possible under one hold of its lock.
 * @bytes: their size together. @rec: the records, if they are assembled, or NULL. Return:
 * their number; if fewer than @n, @refusal->why is -ENOBUFS (no room), -EXFULL (over a
 * limit), -EMSGSIZE, -EFAULT (of a copy from the user: assemble it first), -EINVAL
 * (headers), an errno of mqbus_producer_check(), or 0 or -EAGAIN (the hold was long enough).
 * Duplicates count, and are a run of their own.
 */
static u32 append_run(struct mqbus_producer *producer, struct source *src, u32 first, u32 n,
		      u32 bytes, const struct mqbus_record *rec, struct mqbus_place *place,
		      struct mqbus_refusal *refusal)
{
	struct mqbus_topic *topic = producer->topic;
	const struct mqbus_msg *m = &src->msgs[first];
	u32 partition = m->partition;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	bool rated = READ_ONCE(topic->quota.rated);
	u64 seq = src->seq ? src->seq + first : 0;
	bool whole, limited;
	u32 done;

	spin_lock(&ring->lock);
	spin_lock(&producer->author->lock);
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
	limited = rated || READ_ONCE(topic->quota.share) || topic->parts[partition]->line.busy;
	/*
	 * All at once if possible: the old records are looked at once instead of many times.
	 * But do not evict records for others that a rate refuses then.
	 */
	whole = mqbus_ring_takes(ring, bytes) && !(rated && ring->evict) &&
		!mqbus_topic_reserve(topic, partition, bytes, 0);
	if (likely(whole && !limited && !rec && !src->iter))
		done = append_locked(producer, m, n, NULL, NULL, true, false, false, refusal);
	else
		done = append_locked(producer, m, n, rec, src->iter, whole, limited, rated,
				     refusal);
	pagefault_enable();
unlock:
	spin_unlock(&producer->author->lock);
	spin_unlock(&ring->lock);
	return done;
}

static int write_places(const struct mqbus_place *place, u32 n, u64 to, u32 size)
{
	struct mqbus_place one = *place;
	u32 i;

	/* All duplicates have the same place */
	for (i = 0; i < n; i++, one.offset += one.partition != MQBUS_ANY, to += size)
		if (mqbus_elements_write(to, size, &one, sizeof(one), 1))
			return -EFAULT;
	return 0;
}

/* Reschedule after a long hold. Return: whether to continue. */
static bool append_again(void)
{
	cond_resched();
	return !fatal_signal_pending(current);
}

static bool msg_large(const struct mqbus_msg *m, u32 direct)
{
	return mqbus_msg_parts(m) > direct;
}

/*
 * How many of @n records are appended together: they go to one partition, and are copied the
 * same way: none has more than @direct bytes, or all have. One hold of the lock must suffice:
 * at most a page is copied from user memory, which may be slow, under it.
 * @bytes: filled with their size together.
 */
static u32 run_length(const struct mqbus_msg *m, u32 n, u32 direct, u32 *bytes)
{
	u32 partition = m->partition, parts = mqbus_msg_parts(m), run = 0;
	bool large = msg_large(m, direct);
	u32 most = large ? PUBLISH_HOLD : PUBLISH_DIRECT, sum = 0;

	*bytes = 0;
	do {
		*bytes += mqbus_record_bytes(parts);
		sum += parts;
		if (++run == n)
			break;
		m++;
		parts = mqbus_msg_parts(m);
	} while (sum + parts <= most && m->partition == partition && msg_large(m, direct) == large);
	return run;
}

/*
 * Append @n records that were checked. @places is the user's array for them.
 * Return: 0 if all are stored, else why the one behind *@done is not, as in @refusal.
 * A place that cannot be written stops the batch; records stored before stay.
 *
 * Readers of stored records are woken once, at the end, but always before user memory is
 * touched, because that may take for ever.
 */
static int append_all(struct mqbus_producer *producer, struct source *src, u32 n,
		      const struct places *places, u32 *done, struct mqbus_refusal *refusal)
{
	struct mqbus_topic *topic = producer->topic;
	u32 direct = mqbus_topic_evicts(topic) ? 0 : PUBLISH_DIRECT;
	struct mqbus_stored *noted = &producer->stored;
	u32 away = n;
	int err = 0;

	lockdep_assert_held(&producer->lock);

	for (*done = 0; !err && *done < n;) {
		const struct mqbus_msg *m = &src->msgs[*done];
		u32 first = *done, bytes, run, stored;
		const struct mqbus_record *rec = NULL;
		struct mqbus_place place = {};

		run = run_length(m, n - first, direct, &bytes);
		if (first == away || msg_large(m, direct)) {
			int made;

			mqbus_readers_wake(topic, noted);
			made = draft_fill(producer, src, m, first == away ? 1 : run, &bytes);
			if (made < 0) {
				refusal->why = made;
				err = made;
				break;
			}
			run = made;
			rec = producer->draft;
		}
		do {
			stored = append_run(producer, src, first, run, bytes, rec, &place,
					    refusal);
			/* A share gets room in steps; the assembled records are kept meanwhile */
		} while (rec && !stored && refusal->why == -EAGAIN && append_again());
		/* The hold was long enough, which is no error */
		err = refusal->why == -EAGAIN ? 0 : refusal->why;
		*done += stored;
		if (stored && place.partition != MQBUS_ANY)
			mqbus_stored_add(noted, topic, place.partition);
		/* A page is missing: wait for it without the lock */
		if (err == -EFAULT && !rec) {
			away = *done;
			err = 0;
		}
		if (places->to)
			mqbus_readers_wake(topic, noted);
		if (places->to && write_places(&place, stored,
					       places->to + (u64)first * places->size,
					       places->size))
			err = -EFAULT;
		if (*done == n)
			break;
		if (!append_again() && !err)
			err = -EINTR;
	}
	mqbus_readers_wake(topic, noted);
	return err;
}

/*
 * Copy, check and append up to a page of descriptions. Return: as append_all().
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
	/* Records before a bad one are stored nevertheless */
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
	/* No speculation with addresses that are not the user's */
	barrier_nospec();
	err = append_all(producer, &src, n, &places, done, refusal) ?: bad;
	draft_trim(producer);
	args->duplicates += src.duplicates;
unlock:
	mutex_unlock(&producer->lock);
	return err;
}

/* Publish from *@at on, as the owner of @turn if there is one. Return: as publish_some(). */
static int publish_on(struct mqbus_producer *producer, struct mqbus_publish *args, u32 count,
		      u32 *at, struct mqbus_turn *turn, struct mqbus_refusal *refusal)
{
	u32 done;
	int err;

	do {
		err = publish_some(producer, args, *at, count, &done, refusal);
		*at += done;
		if (done) {
			if (turn)
				mqbus_turn_end(turn);
			mqbus_producer_stored(producer);
		}
	} while (!err && *at < args->count);
	return err;
}

/*
 * Wait for room as in @refusal and publish, until it is done. Return: as publish_on(). Not
 * inline: most calls need no ticket, and the compiler would clear one for each.
 */
static noinline int publish_waiting(struct mqbus_producer *producer, struct mqbus_publish *args,
				    u32 count, u32 *at, ktime_t deadline,
				    struct mqbus_refusal *refusal)
{
	struct mqbus_ticket ticket;
	struct mqbus_turn turn = { .tickets = &ticket, .max = 1 };
	int err;

	do {
		err = mqbus_producer_wait(producer, refusal, deadline, &turn);
		if (err)
			break;
		err = publish_on(producer, args, count, at, &turn, refusal);
	} while (err == -ENOBUFS || err == -EXFULL);
	mqbus_turn_end(&turn);
	return err;
}

/**
 * mqbus_publish_batch() - store a batch
 * @producer: the producer
 * @args: the user's arguments; progress is written back
 * @nonblock: do not wait
 *
 * Return: 0 or a negative errno as of &struct mqbus_publish.
 */
int mqbus_publish_batch(struct mqbus_producer *producer, struct mqbus_publish *args,
			bool nonblock)
{
	struct mqbus_refusal refusal;
	u32 count, at = 0;
	ktime_t deadline;
	int err;

	if (args->__reserved)
		return -EINVAL;
	err = mqbus_elements_check(args->msg_size, sizeof(struct mqbus_msg));
	if (!err && args->places)
		err = mqbus_elements_check(args->place_size, sizeof(struct mqbus_place));
	if (err)
		return err;
	if (!args->count || args->count > MQBUS_BATCH_MAX)
		return -ERANGE;
	/* No record may have the last sequence number */
	if (args->seq > U64_MAX - args->count)
		return -EPROTO;
	deadline = mqbus_deadline(args->timeout, nonblock);
	args->duplicates = 0;

	count = mqbus_producer_next(producer);

	err = publish_on(producer, args, count, &at, NULL, &refusal);
	if (err == -ENOBUFS || err == -EXFULL)
		err = publish_waiting(producer, args, count, &at, deadline, &refusal);

	args->published = at;
	args->error = at && err ? (err == -ERESTARTSYS ? EINTR : -err) : 0;
	return at ? 0 : err;
}

/* Store one record without a key. Return: bytes of its value, or a negative errno. */
ssize_t mqbus_publish_value(struct mqbus_producer *producer, struct iov_iter *from,
			    bool nonblock)
{
	ktime_t deadline = mqbus_deadline(MQBUS_WAIT_FOREVER, nonblock);
	size_t len = iov_iter_count(from);
	struct mqbus_topic *topic = producer->topic;
	struct mqbus_msg msg = { .value_len = len, .partition = MQBUS_ANY };
	struct source src = { .msgs = &msg, .iter = from };
	struct mqbus_ticket ticket;
	struct mqbus_turn turn = { .tickets = &ticket, .max = 1 };
	const struct places places = {};
	struct mqbus_refusal refusal;
	u32 done;
	int err;

	if (len > topic->max_record)
		return -EMSGSIZE;
	do {
		if (mutex_lock_interruptible(&producer->lock)) {
			err = -ERESTARTSYS;
			break;
		}
		err = mqbus_topic_dead(topic) ? -EIDRM : 0;
		if (!err && msg.partition == MQBUS_ANY) {
			/* The iterator checks its own addresses */
			msg.value_len = 0;
			err = mqbus_msg_check(topic, &msg, mqbus_producer_next(producer));
			msg.value_len = len;
		}
		if (!err)
			err = append_all(producer, &src, 1, &places, &done, &refusal);
		draft_trim(producer);
		mutex_unlock(&producer->lock);
		if (err == -ENOBUFS || err == -EXFULL)
			err = mqbus_producer_wait(producer, &refusal, deadline, &turn);
		else if (!err)
			done = 1;
	} while (!err && !done);
	mqbus_turn_end(&turn);
	if (err)
		return err;
	mqbus_producer_stored(producer);
	return len;
}
