// SPDX-License-Identifier: GPL-2.0
/*
 * The acts of a transaction: everything that accesses user memory, without a lock.
 */
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "base/compat.h"
#include "base/elements.h"
#include "base/ns.h"
#include "core/record.h"
#include "group/group.h"
#include "group/member.h"
#include "log/msg.h"
#include "log/producer.h"
#include "log/topic.h"
#include "txn/transact.h"

/* Elements copied in at a time */
#define ACT_CHUNK	8

/* Bytes of an element, as read */
static size_t element_known(u32 kind)
{
	switch (kind) {
	case MQBUS_ACT_PUBLISH:
		return sizeof(struct mqbus_msg);
	case MQBUS_ACT_COMMIT:
		return sizeof(struct mqbus_commit_entry);
	default:
		return sizeof(struct mqbus_settle);
	}
}

/* Bytes that an element takes in the act's arrays */
static size_t element_kept(u32 kind)
{
	switch (kind) {
	case MQBUS_ACT_PUBLISH:
		return sizeof(struct mqbus_msg) + sizeof(struct mqbus_piece);
	case MQBUS_ACT_COMMIT:
		return sizeof(struct mqbus_commit_mark);
	default:
		return sizeof(struct mqbus_settle);
	}
}

/* Bytes of an element in its first version */
static size_t element_first(u32 kind)
{
	return kind == MQBUS_ACT_COMMIT ? offsetof(struct mqbus_commit_entry, generation) :
					  element_known(kind);
}

static int op_check(const struct mqbus_act *user)
{
	bool publish = user->kind == MQBUS_ACT_PUBLISH;

	if (user->flags || user->kind > MQBUS_ACT_SETTLE)
		return -EOPNOTSUPP;
	if (!publish && (user->places || user->place_size || user->seq))
		return -EINVAL;
	if (!user->count || user->count > MQBUS_TRANSACT_MAX)
		return -ERANGE;
	return mqbus_elements_check(user->size, element_first(user->kind)) ?:
	       (user->places ? mqbus_elements_check(user->place_size,
						    sizeof(struct mqbus_place)) : 0);
}

/* Find the endpoint of an act. */
static int op_open(struct mqbus_transaction *t, u32 a)
{
	struct mqbus_op *op = &t->ops[a];
	bool queue;
	u32 i;

	op->file = fget(op->user.fd);
	if (!op->file || !t->bound(op->file, t->ns, &op->producer, &op->member))
		return -EBADF;
	for (i = 0; i < a; i++)
		if (t->ops[i].file == op->file)
			return -EINVAL;
	if (op->producer)
		return op->user.kind == MQBUS_ACT_PUBLISH ? 0 : -EBADFD;
	if (!op->member)
		return -EBADFD;
	queue = op->member->group->ops->type == MQBUS_GROUP_QUEUE;
	return op->user.kind == (queue ? MQBUS_ACT_SETTLE : MQBUS_ACT_COMMIT) ? 0 : -EBADFD;
}

/* Allocate the arrays of all acts, one behind the other */
static int ops_alloc(struct mqbus_transaction *t)
{
	size_t bytes = 0;
	void *at;
	u32 a;

	for (a = 0; a < t->nr_ops; a++)
		bytes += t->ops[a].user.count * element_kept(t->ops[a].user.kind);
	at = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!at)
		return -ENOMEM;
	t->elements = at;
	for (a = 0; a < t->nr_ops; a++) {
		struct mqbus_op *op = &t->ops[a];

		switch (op->user.kind) {
		case MQBUS_ACT_PUBLISH:
			op->msgs = at;
			op->pieces = (void *)(op->msgs + op->user.count);
			break;
		case MQBUS_ACT_COMMIT:
			op->marks = at;
			break;
		default:
			op->settles = at;
			break;
		}
		at += op->user.count * element_kept(op->user.kind);
	}
	return 0;
}

static int ops_open(struct mqbus_transaction *t)
{
	const struct mqbus_transact *args = t->args;
	u32 a, one, total = 0;
	int err;

	for (a = 0; a < args->count; a++) {
		struct mqbus_act *user = &t->ops[a].user;

		one = 1;
		err = mqbus_elements_read(user, sizeof(*user),
					  args->acts + (u64)a * args->act_size,
					  args->act_size, &one);
		if (!err)
			err = op_check(user);
		t->nr_ops = a + 1;
		if (!err)
			err = op_open(t, a);
		if (!err && total + user->count > MQBUS_TRANSACT_MAX)
			err = -ERANGE;
		if (err)
			return mqbus_transact_failed(t, a, MQBUS_ANY, err);
		total += user->count;
	}
	return ops_alloc(t);
}

/* Find or add the place of a partition. Return: its index, or -EMSGSIZE */
static int transact_place(struct mqbus_transaction *t, struct mqbus_topic *topic,
			  u32 partition)
{
	struct mqbus_transact_place *place = t->places;
	u32 i;

	for (i = 0; i < t->nr_places; i++, place++)
		if (place->topic == topic && place->partition == partition)
			return i;
	if (i == MQBUS_TRANSACT_PARTITIONS)
		return -EMSGSIZE;
	place->topic = topic;
	place->partition = partition;
	place->ring = &topic->parts[partition]->ring;
	t->rings[i] = place->ring;
	t->nr_places++;
	return i;
}

/* Check a record's description and choose its partition. @size: bytes of all so far */
static int publish_check(struct mqbus_transaction *t, struct mqbus_op *op, u32 i, u32 turn,
			 u32 *size)
{
	struct mqbus_topic *topic = op->producer->topic;
	struct mqbus_msg *m = &op->msgs[i];
	int err, place;
	u32 bytes;

	err = mqbus_msg_check(topic, m, turn);
	if (err)
		return err;
	place = transact_place(t, topic, m->partition);
	if (place < 0)
		return place;
	bytes = mqbus_msg_bytes(m);
	t->places[place].described += bytes;
	*size += bytes;
	if (*size > MQBUS_TRANSACT_BYTES || t->places[place].described > topic->ring_size / 2)
		return -EMSGSIZE;
	op->pieces[i].place = place;
	return 0;
}

static int settle_check(const struct mqbus_settle *s)
{
	if (s->what != MQBUS_ACK && s->what != MQBUS_REJECT &&
	    (s->what != MQBUS_RELEASE || s->delay))
		return -EOPNOTSUPP;
	return s->error || s->delay ? -EINVAL : 0;
}

static int commit_check(struct mqbus_member *member, const struct mqbus_commit_entry *entry,
			struct mqbus_commit_mark *mark, unsigned long *seen)
{
	if (entry->error || entry->__reserved)
		return -EINVAL;
	if (entry->partition >= member->topic->nr_parts)
		return -ECHRNG;
	mark->partition = array_index_nospec(entry->partition, member->topic->nr_parts);
	if (__test_and_set_bit(mark->partition, seen))
		return -ERANGE;
	mark->generation = entry->generation;
	return mqbus_member_find(member, mark->partition, entry->offset, entry->generation,
				 &mark->at);
}

/* Check an element that was read, and resolve it. @entry: COMMIT: the element */
static int element_check(struct mqbus_transaction *t, struct mqbus_op *op, u32 i,
			 const struct mqbus_commit_entry *entry, u32 turn, unsigned long *seen,
			 u32 *size)
{
	switch (op->user.kind) {
	case MQBUS_ACT_PUBLISH:
		return publish_check(t, op, i, turn, size);
	case MQBUS_ACT_COMMIT:
		return commit_check(op->member, entry, &op->marks[i], seen);
	default:
		return settle_check(&op->settles[i]);
	}
}

/*
 * Read elements of an act from @at on: commits, which are not kept, to @entries. @n: how many to
 * read; set to how many were read
 */
static int elements_read(const struct mqbus_op *op, u32 at, struct mqbus_commit_entry *entries,
			 u32 *n)
{
	const struct mqbus_act *user = &op->user;
	void *to = entries;

	if (op->msgs)
		to = &op->msgs[at];
	else if (op->settles)
		to = &op->settles[at];
	return mqbus_elements_read(to, element_known(user->kind),
				   user->elements + (u64)at * user->size, user->size, n);
}

static int op_read(struct mqbus_transaction *t, u32 a, unsigned long *seen, u32 *size)
{
	struct mqbus_commit_entry entries[ACT_CHUNK];
	struct mqbus_op *op = &t->ops[a];
	u32 turn = 0, at, n, i;
	int bad, err = 0;

	if (op->producer)
		turn = mqbus_producer_next(op->producer);
	for (at = 0; at < op->user.count; at += n) {
		n = min_t(u32, op->user.count - at, ACT_CHUNK);
		bad = elements_read(op, at, entries, &n);
		for (i = 0; i < n; i++) {
			err = element_check(t, op, at + i, &entries[i], turn, seen, size);
			if (err)
				return mqbus_transact_failed(t, a, at + i, err);
		}
		if (!bad && fatal_signal_pending(current))
			bad = -EINTR;
		if (bad)
			return mqbus_transact_failed(t, a, at + n, bad);
		cond_resched();
	}
	return 0;
}

/* Read all elements. @size: set to the bytes that the records take */
static int ops_read(struct mqbus_transaction *t, u32 *size)
{
	unsigned long *seen = NULL;
	int err = 0;
	u32 a;

	*size = 0;
	for (a = 0; !err && a < t->nr_ops; a++) {
		if (t->ops[a].user.kind == MQBUS_ACT_COMMIT) {
			seen = bitmap_zalloc(t->ops[a].member->topic->nr_parts,
					     GFP_KERNEL_ACCOUNT);
			if (!seen)
				return -ENOMEM;
		}
		err = op_read(t, a, seen, size);
		bitmap_free(seen);
		seen = NULL;
	}
	return err;
}

static int op_copy(struct mqbus_transaction *t, u32 a, u32 *at)
{
	struct mqbus_op *op = &t->ops[a];
	u32 i;
	int err;

	/* Speculation must not use an address before the check that it is a user's */
	barrier_nospec();
	for (i = 0; i < op->user.count; i++) {
		struct mqbus_record *rec = t->records + *at;

		err = mqbus_msg_make(rec, &op->msgs[i], NULL);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			return mqbus_transact_failed(t, a, i, err);
		op->pieces[i].at = *at;
		op->pieces[i].bytes = rec->size;
		*at += rec->size;
		cond_resched();
	}
	/* If the places cannot be written, the call must have no effect */
	if (op->user.places && clear_user(u64_to_user_ptr(op->user.places),
					  (u64)op->user.count * op->user.place_size))
		return mqbus_transact_failed(t, a, MQBUS_ANY, -EFAULT);
	return 0;
}

static int address_compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

/* Sort pointers by address and drop duplicates. Return: number left */
static u32 sort_addresses(void *pointers, u32 n)
{
	void **p = pointers;
	u32 i, left = 0;

	sort(p, n, sizeof(*p), address_compare, NULL);
	for (i = 0; i < n; i++)
		if (!left || p[left - 1] != p[i])
			p[left++] = p[i];
	return left;
}

/* Collect the locks to take, in their order */
static void transact_order(struct mqbus_transaction *t)
{
	u32 a;

	for (a = 0; a < t->nr_ops; a++) {
		if (t->ops[a].producer)
			t->authors[t->nr_authors++] = t->ops[a].producer->author;
		else
			t->groups[t->nr_groups++] = t->ops[a].member->group;
	}
	sort_addresses(t->rings, t->nr_places);
	t->nr_authors = sort_addresses(t->authors, t->nr_authors);
	t->nr_groups = sort_addresses(t->groups, t->nr_groups);
}

/*
 * Read everything from the user; mqbus_ops_put() is called also after an error. Return: 0 or a
 * negative errno as of &struct mqbus_transact.
 */
int mqbus_ops_read(struct mqbus_transaction *t)
{
	u32 size, at = 0, a;
	int err;

	err = ops_open(t) ?: ops_read(t, &size);
	if (err)
		return err;
	if (size) {
		t->records = kvmalloc(size, GFP_KERNEL_ACCOUNT);
		if (!t->records)
			return -ENOMEM;
	}
	for (a = 0; a < t->nr_ops; a++) {
		err = t->ops[a].producer ? op_copy(t, a, &at) : 0;
		if (err)
			return err;
	}
	transact_order(t);
	return 0;
}

/* Undo mqbus_ops_read() */
void mqbus_ops_put(struct mqbus_transaction *t)
{
	u32 a;

	for (a = 0; a < t->nr_ops; a++)
		if (t->ops[a].file)
			fput(t->ops[a].file);
	kvfree(t->records);
	kvfree(t->elements);
}
