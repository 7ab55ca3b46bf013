// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: the entries of one ring, in its order, and what writers of it may reuse.
 */
#include "inflight.h"

/*
 * Tell writers of a partition what they may reuse. It is what lies below the first
 * entry, or below what was not taken.
 */
static void source_settle(struct mqbus_inflight *f, struct mqbus_source *source)
{
	struct mqbus_mark to = source->cursor->given;

	if (!mqbus_list_empty(&source->order)) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, source->order.first);

		to.pos = e->pos;
		to.offset = mqbus_ring_record(source->ring, e->pos)->offset;
	}
	mqbus_cursor_commit(source->cursor, &to);
	f->freed = true;
}

static void inflight_settle_moved(struct mqbus_inflight *f)
{
	if (f->moved)
		source_settle(f, f->moved);
	f->moved = NULL;
}

/**
 * mqbus_source_del() - an entry's record is not needed in a ring any more
 * @f: the in-flight table
 * @source: the ring's
 * @i: the entry
 */
void mqbus_source_del(struct mqbus_inflight *f, struct mqbus_source *source, u32 i)
{
	bool first = source->order.first == i;

	if (f->walk == i)
		f->walk = mqbus_inflight_entry(f, i)->order.next;
	mqbus_list_del(&f->table, &source->order, MQBUS_ORDER, i);
	/* In the retry ring there are no other writers to be told */
	if (!first || f->moved == source || !source->cursor)
		return;
	/* Once for many of the same ring */
	inflight_settle_moved(f);
	f->moved = source;
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
