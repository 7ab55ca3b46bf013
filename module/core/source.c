// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: the entries of one ring, in its order, and what writers of it may reuse.
 */
#include "inflight.h"

/*
 * Tell writers of a partition what they may reuse. It is what lies below the first
 * entry, or below what was not taken.
 */
static void lane_settle(struct mqbus_window *w, struct mqbus_lane *lane)
{
	struct mqbus_mark to = lane->cursor->given;

	if (!mqbus_list_empty(&lane->order)) {
		const struct mqbus_entry *e = mqbus_window_entry(w, lane->order.first);

		to.pos = e->pos;
		to.offset = mqbus_ring_record(lane->ring, e->pos)->offset;
	}
	mqbus_cursor_commit(lane->cursor, &to);
	w->freed = true;
}

static void window_settle_moved(struct mqbus_window *w)
{
	if (w->moved)
		lane_settle(w, w->moved);
	w->moved = NULL;
}

/**
 * mqbus_lane_del() - an entry's record is not needed in a ring any more
 * @w: the window
 * @lane: the ring's
 * @i: the entry
 */
void mqbus_lane_del(struct mqbus_window *w, struct mqbus_lane *lane, u32 i)
{
	bool first = lane->order.first == i;

	if (w->walk == i)
		w->walk = mqbus_window_entry(w, i)->order.next;
	mqbus_list_del(&w->table, &lane->order, MQBUS_ORDER, i);
	/* In the retry ring there are no other writers to be told */
	if (!first || w->moved == lane || !lane->cursor)
		return;
	/* Once for many of the same ring */
	window_settle_moved(w);
	w->moved = lane;
}

/**
 * mqbus_window_flush() - tell writers what they may reuse now
 * @w: the window
 *
 * To be called before the group's lock is let go: what is bounded for each hold of it is
 * counted from here.
 */
void mqbus_window_flush(struct mqbus_window *w)
{
	window_settle_moved(w);
	w->hold = w->copied + MQBUS_WINDOW_HOLD;
	w->steps = MQBUS_WINDOW_STEP;
}
