// SPDX-License-Identifier: GPL-2.0
/*
 * Sources: the entries of one ring, in its order, and the floor for writers.
 */
#include "inflight.h"

/*
 * Publish a partition's floor: bytes below the first entry, or below the untaken records
 * if there is no entry, may be reused.
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

/* Remove an entry from a source: its record is not needed in that ring any more. */
void mqbus_source_del(struct mqbus_inflight *f, struct mqbus_source *source, u32 i)
{
	bool first = source->order.first == i;

	if (f->walk == i)
		f->walk = mqbus_inflight_entry(f, i)->order.next;
	mqbus_list_del(&f->table, &source->order, MQBUS_ORDER, i);
	/* The retry ring has no other writers that need a floor */
	if (!first || f->moved == source || !source->cursor)
		return;
	/* One store for several entries of the same ring */
	inflight_settle_moved(f);
	f->moved = source;
}

/*
 * Publish floors to writers. Call this before the group's lock is dropped: the limits for
 * one hold of it count from here.
 */
void mqbus_inflight_flush(struct mqbus_inflight *f)
{
	inflight_settle_moved(f);
	f->hold = f->copied + MQBUS_INFLIGHT_HOLD;
	f->steps = MQBUS_INFLIGHT_STEP;
}
