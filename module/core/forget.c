// SPDX-License-Identifier: GPL-2.0
/*
 * A partition is to be read from another place: what was taken of it is forgotten.
 */
#include "inflight.h"

/* Take an entry out of whatever list says what is to become of it. */
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
		/* HELD is dealt with by its key */
		break;
	}
}

static void entry_forget(struct mqbus_inflight *f, u32 i)
{
	entry_unlink(f, i);
	/* Of one that nobody has had nothing is lost */
	if (mqbus_inflight_entry(f, i)->first)
		f->stats.discarded++;
	mqbus_inflight_finish(f, i);
}

/**
 * mqbus_inflight_forget() - forget the records of a partition that lie there
 * @f: the in-flight table; nothing is handed out until mqbus_inflight_forget_retry() is over
 * @partition: the partition
 *
 * Leases of them end, and count as released; what had been handed out counts as
 * discarded.
 *
 * Return: whether there are more: call again after letting go of the lock.
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

/**
 * mqbus_inflight_forget_begin() - begin to forget records of the retry ring
 * @f: the in-flight table
 */
void mqbus_inflight_forget_begin(struct mqbus_inflight *f)
{
	f->walk = f->sources[f->nr_sources].order.first;
}

/**
 * mqbus_inflight_forget_retry() - forget the records of partitions in the retry ring
 * @f: the in-flight table; mqbus_inflight_forget() is done with these partitions, and
 *	mqbus_inflight_forget_begin() was called since
 * @first: the first one
 * @last: the last one
 *
 * All that lies there is looked at once, for however many partitions. No record comes there
 * or is moved before this is over, and @walk goes on with the next one when its entry goes,
 * so none is missed though the lock is let go of in between.
 *
 * Return: whether there may be more: call again after letting go of the lock.
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
