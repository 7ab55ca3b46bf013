// SPDX-License-Identifier: GPL-2.0
/*
 * Seek of a group: records taken of a partition are forgotten.
 */
#include "inflight.h"

/* Remove an entry from the list of its state. */
static void entry_unlink(struct mqbus_inflight *f, u32 i)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	switch (e->state) {
	case MQBUS_ENTRY_READY:
		mqbus_list_del(&f->table, &f->ready[e->place], MQBUS_LIST, i);
		break;
	case MQBUS_ENTRY_DEAD:
		mqbus_inflight_undead(f, i);
		break;
	case MQBUS_ENTRY_LEASED:
		mqbus_inflight_unlease(f, i, f->seats[e->seat]);
		e->flags |= MQBUS_ENTRY_FORGOTTEN;
		f->stats.released++;
		break;
	case MQBUS_ENTRY_WAITING:
		mqbus_heap_del(&f->table, i);
		if (e->place != MQBUS_PLACE_RETRY)
			mqbus_list_del(&f->table, &f->stay, MQBUS_LIST, i);
		break;
	default:
		/* A HELD entry is handled through its key */
		break;
	}
}

static void entry_forget(struct mqbus_inflight *f, u32 i)
{
	entry_unlink(f, i);
	/* A record that was never handed out is not lost */
	if (mqbus_inflight_entry(f, i)->first)
		f->stats.discarded++;
	mqbus_inflight_finish(f, i);
}

/**
 * mqbus_inflight_forget() - forget the records that lie in a partition
 * @f: the in-flight table; no record is handed out until mqbus_inflight_forget_retry() is over
 * @partition: the partition
 *
 * Their leases end, and count as released; records that had been handed out count as
 * discarded.
 *
 * Return: whether there are more: call again after dropping the lock.
 */
bool mqbus_inflight_forget(struct mqbus_inflight *f, u32 partition)
{
	struct mqbus_source *source = &f->sources[partition];

	while (!mqbus_list_empty(&source->order)) {
		if (mqbus_inflight_over(f))
			return true;
		f->steps--;
		entry_forget(f, source->order.first);
	}
	return false;
}

/* Begin to forget records of the retry ring. */
void mqbus_inflight_forget_begin(struct mqbus_inflight *f)
{
	f->walk = mqbus_inflight_retry(f)->order.first;
}

/**
 * mqbus_inflight_forget_retry() - forget the records of partitions in the retry ring
 * @f: the in-flight table; mqbus_inflight_forget() is done with these partitions, and
 *	mqbus_inflight_forget_begin() was called since
 * @first: the first one
 * @last: the last one
 *
 * One walk of the retry ring serves any number of partitions. No record is added or moved
 * there until the walk is over, and @walk advances when its entry is removed, so none is
 * missed though the lock is dropped in between.
 *
 * Return: whether there may be more: call again after dropping the lock.
 */
bool mqbus_inflight_forget_retry(struct mqbus_inflight *f, u32 first, u32 last)
{
	u32 i;

	for (i = f->walk; i != MQBUS_NONE; i = f->walk) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

		if (mqbus_inflight_over(f))
			return true;
		f->steps--;
		f->walk = e->order.next;
		if (e->partition >= first && e->partition <= last)
			entry_forget(f, i);
	}
	return false;
}
