// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: the entries of one ring, in its order, and what writers of it may reuse.
 */
#include "inflight.h"

/*
 * Tell writers of a partition what they may reuse. It is what lies below the first
 * entry, or below what was not taken.
 */
static void lane_settle(struct mqbus_inflight *f, struct mqbus_lane *lane)
{
	struct mqbus_mark to = lane->cursor->given;

	if (!mqbus_list_empty(&lane->order)) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, lane->order.first);

		to.pos = e->pos;
		to.offset = mqbus_ring_record(lane->ring, e->pos)->offset;
	}
	mqbus_cursor_commit(lane->cursor, &to);
	f->freed = true;
}

static void inflight_settle_moved(struct mqbus_inflight *f)
{
	if (f->moved)
		lane_settle(f, f->moved);
	f->moved = NULL;
}

/**
 * mqbus_lane_del() - an entry's record is not needed in a ring any more
 * @f: the in-flight table
 * @lane: the ring's
 * @i: the entry
 */
void mqbus_lane_del(struct mqbus_inflight *f, struct mqbus_lane *lane, u32 i)
{
	bool first = lane->order.first == i;

	if (f->walk == i)
		f->walk = mqbus_inflight_entry(f, i)->order.next;
	mqbus_list_del(&f->table, &lane->order, MQBUS_ORDER, i);
	/* In the retry ring there are no other writers to be told */
	if (!first || f->moved == lane || !lane->cursor)
		return;
	/* Once for many of the same ring */
	inflight_settle_moved(f);
	f->moved = lane;
}

/**
 * mqbus_inflight_flush() - tell writers what they may reuse now
 * @f: the in-flight table
 *
 * To be called before the group's lock is let go: what is bounded for each hold of it is
 * counted from here.
 */
void mqbus_inflight_flush(struct mqbus_inflight *f)
{
	inflight_settle_moved(f);
	f->hold = f->copied + MQBUS_INFLIGHT_HOLD;
	f->steps = MQBUS_INFLIGHT_STEP;
}
