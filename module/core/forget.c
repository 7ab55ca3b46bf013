// SPDX-License-Identifier: GPL-2.0
/*
 * A partition is to be read from another place: what was taken of it is forgotten.
 */
#include "inflight.h"

/* Take an entry out of whatever list says what is to become of it. */
static void entry_unlink(struct mqbus_window *w, u32 i)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	switch (e->state) {
	case MQBUS_ENTRY_READY:
		mqbus_list_del(&w->table, &w->ready[e->place], MQBUS_LIST, i);
		break;
	case MQBUS_ENTRY_DEAD:
		mqbus_window_undead(w, i);
		break;
	case MQBUS_ENTRY_LEASED:
		mqbus_window_unlease(w, i, w->seats[e->seat]);
		e->flags |= MQBUS_ENTRY_FORGOTTEN;
		w->stats.released++;
		break;
	case MQBUS_ENTRY_WAITING:
		mqbus_heap_del(&w->table, i);
		if (e->place != MQBUS_PLACE_RETRY)
			mqbus_list_del(&w->table, &w->stay, MQBUS_LIST, i);
		break;
	default:
		/* HELD is dealt with by its key */
		break;
	}
}

static void entry_forget(struct mqbus_window *w, u32 i)
{
	entry_unlink(w, i);
	/* Of one that nobody has had nothing is lost */
	if (mqbus_window_entry(w, i)->first)
		w->stats.discarded++;
	mqbus_window_finish(w, i);
}

/**
 * mqbus_window_forget() - forget the records of a partition that lie there
 * @w: the window; nothing is handed out until mqbus_window_forget_retry() is over
 * @partition: the partition
 *
 * Leases of them end, and count as released; what had been handed out counts as
 * discarded.
 *
 * Return: whether there are more: call again after letting go of the lock.
 */
bool mqbus_window_forget(struct mqbus_window *w, u32 partition)
{
	struct mqbus_lane *lane = &w->lanes[partition];

	while (!mqbus_list_empty(&lane->order)) {
		if (mqbus_window_over(w))
			return true;
		w->steps--;
		entry_forget(w, lane->order.first);
	}
	return false;
}

/**
 * mqbus_window_forget_begin() - begin to forget records of the retry ring
 * @w: the window
 */
void mqbus_window_forget_begin(struct mqbus_window *w)
{
	w->walk = w->lanes[w->nr_lanes].order.first;
}

/**
 * mqbus_window_forget_retry() - forget the records of partitions in the retry ring
 * @w: the window; mqbus_window_forget() is done with these partitions, and
 *	mqbus_window_forget_begin() was called since
 * @first: the first one
 * @last: the last one
 *
 * All that lies there is looked at once, for however many partitions. No record comes there
 * or is moved before this is over, and @walk goes on with the next one when its entry goes,
 * so none is missed though the lock is let go of in between.
 *
 * Return: whether there may be more: call again after letting go of the lock.
 */
bool mqbus_window_forget_retry(struct mqbus_window *w, u32 first, u32 last)
{
	u32 i;

	for (i = w->walk; i != MQBUS_NONE; i = w->walk) {
		const struct mqbus_entry *e = mqbus_window_entry(w, i);

		if (mqbus_window_over(w))
			return true;
		w->steps--;
		w->walk = e->order.next;
		if (e->partition >= first && e->partition <= last)
			entry_forget(w, i);
	}
	return false;
}
