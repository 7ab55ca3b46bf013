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
 */
#include <linux/instrumented.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/murmur.h"
#include "core/record.h"
#include "elements.h"
#include "ns.h"
#include "producer.h"
#include "topic.h"
#include "wait.h"
#include "who.h"

/* Descriptions that are copied in at a time */
#define PRODUCER_BATCH	(PAGE_SIZE / sizeof(struct mqbus_msg))
/* Bytes of a batch that are appended under one hold of the lock */
#define PRODUCER_HOLD	(64 * 1024)
/* Pages that go again as soon as they came: give up then */
#define PRODUCER_FAULTS	64
/* Old records that a writer looks at before it appends */
#define PRODUCER_EXPIRE	16

/**
 * struct source - where the bytes of a run come from
 * @msgs: descriptions, checked
 * @iter: the value of the only record, instead of its address; or NULL
 */
struct source {
	const struct mqbus_msg *msgs;
	struct iov_iter *iter;
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

/**
 * mqbus_producer_open() - bind for publishing
 * @producer: to fill; zeroed
 * @ns: in which namespace
 * @who: on whose behalf
 * @args: which topic; the producer's id is written back
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
	if (args->__reserved)
		return -EINVAL;
	err = mqbus_topic_open(ns, who, args->topic, MQBUS_MAY_WRITE, &topic);
	if (err)
		return err;
	producer->msgs = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!producer->msgs) {
		mqbus_topic_put(topic);
		return -ENOMEM;
	}

	mutex_init(&producer->lock);
	producer->topic = topic;
	producer->id = atomic64_inc_return(&ns->producers);
	atomic_inc(&topic->producers);
	args->producer = producer->id;
	return 0;
}

/**
 * mqbus_producer_close() - undo mqbus_producer_open()
 * @producer: nobody else uses it any more
 */
void mqbus_producer_close(struct mqbus_producer *producer)
{
	atomic_dec(&producer->topic->producers);
	mqbus_topic_put(producer->topic);
	free_page((unsigned long)producer->msgs);
}

static u32 msg_parts(const struct mqbus_msg *m)
{
	return m->value_len + m->headers_len + m->key_len + m->routing_key_len;
}

static bool user_range_ok(u64 addr, u32 len)
{
	return !len || access_ok(u64_to_user_ptr(addr), len);
}

static int msg_hash(const struct mqbus_msg *m, u32 partitions)
{
	struct mqbus_murmur hash;
	u8 piece[64];
	u32 at, n;

	mqbus_murmur_init(&hash, m->key_len);
	for (at = 0; at < m->key_len; at += n) {
		n = min_t(u32, sizeof(piece), m->key_len - at);
		if (copy_from_user(piece, u64_to_user_ptr(m->key) + at, n))
			return -EFAULT;
		mqbus_murmur_update(&hash, piece, n);
	}
	return mqbus_murmur_partition(&hash, partitions);
}

/* The parts that few records have. Return: 0 or a negative errno. */
static int msg_check_more(const struct mqbus_msg *m)
{
	if (m->headers_len > MQBUS_HEADERS_MAX || m->key_len > MQBUS_KEY_MAX ||
	    m->routing_key_len > MQBUS_ROUTING_KEY_MAX)
		return -EMSGSIZE;
	if (!user_range_ok(m->headers, m->headers_len) ||
	    !user_range_ok(m->key, m->key_len) ||
	    !user_range_ok(m->routing_key, m->routing_key_len))
		return -EFAULT;
	return 0;
}

static int msg_partition(const struct mqbus_topic *topic, const struct mqbus_msg *m,
			 u32 turn)
{
	if (m->partition != MQBUS_ANY)
		return topic->per_cpu || m->partition >= topic->nr_parts ? -ECHRNG :
									   m->partition;
	if (topic->nr_parts == 1)
		return 0;
	/* The rings are not bound to their CPU: moving on is harmless */
	if (topic->per_cpu)
		return raw_smp_processor_id();
	if (m->key_len)
		return msg_hash(m, topic->nr_parts);
	return turn % topic->nr_parts;
}

/* Check a description and settle its partition. May fault. */
static int msg_check(const struct mqbus_topic *topic, struct mqbus_msg *m, u32 turn)
{
	int ret;

	if (m->flags)
		return -EOPNOTSUPP;
	if (m->__reserved)
		return -EINVAL;
	/* The two that could make the sum overflow first */
	if (m->value_len > MQBUS_RECORD_MAX || m->headers_len > MQBUS_HEADERS_MAX ||
	    msg_parts(m) > topic->max_record)
		return -EMSGSIZE;
	if (!user_range_ok(m->value, m->value_len))
		return -EFAULT;
	if (m->headers_len | m->key_len | m->routing_key_len) {
		ret = msg_check_more(m);
		if (ret)
			return ret;
	}
	ret = msg_partition(topic, m, turn);
	if (ret < 0)
		return ret;
	m->partition = ret;
	return 0;
}

/*
 * As __copy_from_user_inatomic(), but for the check that hardened usercopy would
 * make of the ring's address: it looks the address up in the table of all
 * vmalloc areas, under a lock that all CPUs share.
 */
static bool copy_part(void **to, u64 from, u32 len)
{
	const void __user *user = u64_to_user_ptr(from);
	unsigned long left;

	if (!len)
		return true;
	instrument_copy_from_user_before(*to, user, len);
	left = raw_copy_from_user(*to, user, len);
	instrument_copy_from_user_after(*to, user, len, left);
	*to += len;
	return !left;
}

/* Copy the parts behind the header. Return: 0, -EFAULT (fault in and try again), -EINVAL. */
static int copy_parts(struct mqbus_record *rec, const struct mqbus_msg *m,
		      struct iov_iter *iter)
{
	void *to = rec + 1;

	if (iter) {
		struct iov_iter again = *iter;

		/* With the underscore for the reason that copy_part() gives */
		if (_copy_from_iter(to, m->value_len, iter) != m->value_len) {
			*iter = again;
			return -EFAULT;
		}
		return 0;
	}
	if (!copy_part(&to, m->value, m->value_len))
		return -EFAULT;
	if (likely(!(m->headers_len | m->key_len | m->routing_key_len)))
		return 0;
	if (!copy_part(&to, m->key, m->key_len) ||
	    !copy_part(&to, m->routing_key, m->routing_key_len))
		return -EFAULT;
	if (m->headers_len) {
		void *headers = to;

		if (!copy_part(&to, m->headers, m->headers_len))
			return -EFAULT;
		if (!mqbus_headers_valid(headers, m->headers_len))
			return -EINVAL;
	}
	return 0;
}

static void fill_header(struct mqbus_record *rec, const struct mqbus_producer *producer,
			const struct mqbus_msg *m, const struct mqbus_ring *ring,
			u32 bytes)
{
	rec->size = bytes;
	rec->flags = 0;
	rec->offset = ring->tail.offset;
	rec->time = ring->last_time;
	rec->producer = producer->id;
	rec->seq = producer->seq + 1;
	rec->value_len = m->value_len;
	rec->headers_len = m->headers_len;
	rec->key_len = m->key_len;
	rec->routing_key_len = m->routing_key_len;
	rec->schema = m->schema;
	rec->epoch = 0;
	rec->__owner = 0;
}

/*
 * Append records of one partition under one hold of its lock, as many as can be.
 * @bytes is what they take together. Return: how many; if fewer than @n, *@err is
 * why: -ENOBUFS (no room), -EFAULT (pages to be faulted in), -EINVAL (headers), or
 * 0 (the hold was long enough).
 */
static u32 append_run(struct mqbus_producer *producer, struct source *src,
		      u32 first, u32 n, u32 bytes, struct mqbus_place *place, int *err)
{
	const struct mqbus_msg *m = &src->msgs[first];
	struct mqbus_topic *topic = producer->topic;
	u32 partition = m->partition;
	struct mqbus_ring *ring = &topic->parts[partition]->ring;
	u32 held = 0, i;

	*err = 0;
	spin_lock(&ring->lock);
	pagefault_disable();
	mqbus_topic_begin(topic, partition, n + PRODUCER_EXPIRE);
	place->partition = partition;
	place->offset = ring->tail.offset;
	/* All at once if possible: one look at the old records instead of many */
	if (bytes <= min_t(u64, PRODUCER_HOLD, ring->size / 2))
		mqbus_topic_reserve(topic, partition, bytes);
	for (i = 0; i < n && held < PRODUCER_HOLD; i++, m++) {
		bytes = mqbus_record_bytes(msg_parts(m));
		if (!mqbus_ring_fits(ring, bytes) &&
		    !mqbus_topic_reserve(topic, partition, bytes)) {
			*err = -ENOBUFS;
			break;
		}
		*err = copy_parts(mqbus_ring_slot(ring), m, src->iter);
		if (*err)
			break;
		fill_header(mqbus_ring_slot(ring), producer, m, ring, bytes);
		mqbus_ring_stage(ring, bytes);
		producer->seq++;
		held += bytes;
	}
	if (i)
		mqbus_ring_publish(ring);
	pagefault_enable();
	spin_unlock(&ring->lock);
	return i;
}

static bool fault_in(u64 addr, u32 len)
{
	return !len || !fault_in_readable(u64_to_user_ptr(addr), len);
}

/* Bring in the pages of a record. Return: 0, or -EFAULT if there are none. */
static int source_fault_in(const struct source *src, u32 i)
{
	const struct mqbus_msg *m = &src->msgs[i];

	if (src->iter)
		return fault_in_iov_iter_readable(src->iter, m->value_len) ? -EFAULT : 0;
	if (!fault_in(m->value, m->value_len) || !fault_in(m->headers, m->headers_len) ||
	    !fault_in(m->key, m->key_len) || !fault_in(m->routing_key, m->routing_key_len))
		return -EFAULT;
	return 0;
}

static int write_places(const struct mqbus_place *place, u32 n, u64 to, u32 size)
{
	struct mqbus_place one = *place;
	u32 i;

	for (i = 0; i < n; i++, one.offset++, to += size)
		if (mqbus_elements_write(to, size, &one, sizeof(one), 1))
			return -EFAULT;
	return 0;
}

/*
 * Append @n records that were checked. @places is the user's room for them.
 * Return: 0 if all are stored, else why the one behind *@done is not. A place that
 * cannot be written stops the batch but not what is stored already.
 *
 * Readers are woken once, at the end; but before the user's memory is touched,
 * which may take for ever, they must know of what is stored.
 */
static int append_all(struct mqbus_producer *producer, struct source *src, u32 n,
		      const struct places *places, u32 *done)
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
			bytes += mqbus_record_bytes(msg_parts(&m[run++]));
		while (first + run < n && m[run].partition == m->partition);
		stored = append_run(producer, src, first, run, bytes, &place, &err);
		*done += stored;
		if (stored)
			faults = 0;
		if ((places->to || err == -EFAULT) && woken != *done) {
			mqbus_topic_wake_readers(topic);
			woken = *done;
		}
		if (err == -EFAULT) {
			err = source_fault_in(src, *done);
			if (!err && ++faults > PRODUCER_FAULTS)
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

/* The record at msgs[i] found no room. Return: 0 to try again, or why not. */
static int producer_wait(struct mqbus_producer *producer, u32 partition, u32 bytes,
			 ktime_t deadline)
{
	struct mqbus_topic *topic = producer->topic;
	int err;

	if (topic->full == MQBUS_FULL_REJECT)
		return -ENOBUFS;
	WRITE_ONCE(producer->full, (u64)partition << 32 | bytes);
	err = mqbus_wait(topic->writers,
			 mqbus_topic_dead(topic) || mqbus_topic_room(topic, partition, bytes),
			 deadline);
	if (!err)
		WRITE_ONCE(producer->full, 0);
	return err;
}

/*
 * Copy in, check and append up to a page of descriptions. Return: as
 * append_all(); -ENOBUFS with the place and the size to wait for.
 */
static int publish_some(struct mqbus_producer *producer, const struct mqbus_publish *args,
			u32 from, u32 turn, u32 *done, u32 *partition, u32 *bytes)
{
	struct source src = { .msgs = producer->msgs };
	struct places places = { .size = args->place_size };
	u32 n = min_t(u32, args->count - from, PRODUCER_BATCH), i;
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
		err = msg_check(producer->topic, &producer->msgs[i], turn);
		if (err) {
			bad = err;
			n = i;
		}
	}
	err = append_all(producer, &src, n, &places, done) ?: bad;
	if (err == -ENOBUFS) {
		*partition = producer->msgs[*done].partition;
		*bytes = mqbus_record_bytes(msg_parts(&producer->msgs[*done]));
	}
unlock:
	mutex_unlock(&producer->lock);
	return err;
}

/**
 * mqbus_producer_publish() - store a batch
 * @producer: the producer
 * @args: what the user asks for; how far it got is written back
 * @nonblock: do not wait
 *
 * Return: 0 or a negative errno as of &struct mqbus_publish.
 */
int mqbus_producer_publish(struct mqbus_producer *producer,
			   struct mqbus_publish *args, bool nonblock)
{
	u32 done, partition, bytes, turn, at = 0;
	ktime_t deadline;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	err = mqbus_elements_check(args->msg_size, sizeof(struct mqbus_msg));
	if (!err && args->places)
		err = mqbus_elements_check(args->place_size, sizeof(struct mqbus_place));
	if (err)
		return err;
	if (!args->count || args->count > MQBUS_BATCH_MAX)
		return -ERANGE;
	deadline = mqbus_deadline(args->timeout, nonblock);

	turn = atomic_inc_return(&producer->turn);

	while (!err && at < args->count) {
		err = publish_some(producer, args, at, turn, &done, &partition, &bytes);
		at += done;
		if (err == -ENOBUFS)
			err = producer_wait(producer, partition, bytes, deadline);
	}

	args->published = at;
	args->error = at && err ? (err == -ERESTARTSYS ? EINTR : -err) : 0;
	return at ? 0 : err;
}

/**
 * mqbus_producer_write() - store one record without a key
 * @producer: the producer
 * @from: its value
 * @nonblock: do not wait
 *
 * Return: bytes, or a negative errno.
 */
ssize_t mqbus_producer_write(struct mqbus_producer *producer,
			     struct iov_iter *from, bool nonblock)
{
	ktime_t deadline = mqbus_deadline(MQBUS_WAIT_FOREVER, nonblock);
	size_t len = iov_iter_count(from);
	struct mqbus_topic *topic = producer->topic;
	struct mqbus_msg msg = { .value_len = len, .partition = MQBUS_ANY };
	struct source src = { .msgs = &msg, .iter = from };
	const struct places places = {};
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
			err = msg_check(topic, &msg, atomic_inc_return(&producer->turn));
			msg.value_len = len;
		}
		if (!err)
			err = append_all(producer, &src, 1, &places, &done);
		mutex_unlock(&producer->lock);
		if (err == -ENOBUFS)
			err = producer_wait(producer, msg.partition,
					    mqbus_record_bytes(len), deadline);
		else if (!err)
			return len;
		if (err)
			return err;
	}
}

/**
 * mqbus_producer_poll() - readiness
 * @producer: the producer
 * @file: its file
 * @wait: poll table
 *
 * Return: EPOLLOUT when the record that last found no room would find it now, or
 * there was none; EPOLLHUP when the topic is gone.
 */
__poll_t mqbus_producer_poll(struct mqbus_producer *producer, struct file *file,
			     struct poll_table_struct *wait)
{
	struct mqbus_topic *topic = producer->topic;
	u64 full;

	poll_wait(file, &topic->writers, wait);
	if (mqbus_topic_dead(topic))
		return EPOLLHUP | EPOLLOUT | EPOLLWRNORM;
	full = READ_ONCE(producer->full);
	if (full && !mqbus_topic_room(topic, full >> 32, (u32)full))
		return 0;
	return EPOLLOUT | EPOLLWRNORM;
}
