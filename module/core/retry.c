// SPDX-License-Identifier: GPL-2.0
/*
 * The retry ring: where records wait that are not to hold up their partition.
 */
#include "window.h"

/* How often a walk may find its place gone */
#define MQBUS_RETRY_RESTARTS	8

static void retry_append(struct mqbus_ring *ring, const struct mqbus_record *rec, u64 *pos)
{
	u32 bytes = rec->size;

	*pos = ring->tail.pos;
	memcpy(mqbus_ring_slot(ring), rec, bytes);
	mqbus_ring_stage(ring, bytes);
	mqbus_ring_publish(ring);
}

/* Move the oldest record of the retry ring to its end. Return: whether it could be. */
static bool retry_move_first(struct mqbus_window *w, struct mqbus_lane *lane)
{
	u32 i = lane->order.first;
	const struct mqbus_record *rec;
	struct mqbus_entry *e;

	if (i == MQBUS_NONE)
		return false;
	e = mqbus_window_entry(w, i);
	rec = mqbus_ring_record(lane->ring, e->pos);
	/* A member reads it where it is */
	if (e->state == MQBUS_ENTRY_LEASED ||
	    !mqbus_ring_reserve(lane->ring, rec->size, lane->cursor->floor))
		return false;
	w->copied += rec->size;
	retry_append(lane->ring, rec, &e->pos);
	lane->cursor->given = lane->ring->tail;
	mqbus_list_del(&w->table, &lane->order, MQBUS_ORDER, i);
	mqbus_list_add(&w->table, &lane->order, MQBUS_ORDER, i);
	mqbus_lane_settle(w, lane);
	return true;
}

/*
 * Make room in the retry ring. Records that wait long would keep what lies behind
 * them from being reused, so they are moved to the end.
 */
static bool retry_reserve(struct mqbus_window *w, struct mqbus_lane *lane, u32 bytes)
{
	struct mqbus_ring *ring = lane->ring;
	u64 begin = w->copied;

	if (w->retry_live + bytes + w->margin > ring->size)
		return false;
	while (!mqbus_ring_reserve(ring, bytes + w->margin, lane->cursor->floor))
		if (w->copied - begin >= MQBUS_WINDOW_HOLD || !retry_move_first(w, lane))
			return false;
	return true;
}

/**
 * mqbus_retry_add() - move an entry's record to the retry ring
 * @w: the window
 * @i: an entry that nobody has leased
 *
 * If there is no room the record stays where it is.
 *
 * Return: whether it lies there now.
 */
bool mqbus_retry_add(struct mqbus_window *w, u32 i)
{
	struct mqbus_lane *retry = &w->lanes[w->nr_lanes];
	const struct mqbus_record *rec = mqbus_window_record(w, i);
	struct mqbus_entry *e = mqbus_window_entry(w, i);
	u64 pos;
	bool room;

	if (e->place == MQBUS_PLACE_RETRY)
		return true;
	if (w->retrying == w->max_retry)
		return false;
	mqbus_window_flush(w);	/* the floor counts now */
	spin_lock(&retry->ring->lock);
	mqbus_ring_begin(retry->ring);
	room = retry_reserve(w, retry, rec->size);
	if (room) {
		retry_append(retry->ring, rec, &pos);
		retry->cursor->given = retry->ring->tail;
	}
	spin_unlock(&retry->ring->lock);
	if (!room)
		return false;

	w->copied += rec->size;
	w->retry_live += rec->size;
	w->retrying++;
	w->inflight--;
	mqbus_lane_del(w, mqbus_window_lane(w, e), i);
	e->pos = pos;
	e->place = MQBUS_PLACE_RETRY;
	mqbus_list_add(&w->table, &retry->order, MQBUS_ORDER, i);
	return true;
}

/**
 * mqbus_window_walk_retry() - look for records that are not settled in the retry ring
 * @w: the window
 * @walk: zeroed before the first step
 * @ends: for each partition: only records below this offset count
 *
 * The group's lock may be let go of between two steps. Records only ever move to the
 * end of that ring, so none is missed; if the place where the walk stood is gone, it
 * begins again, and after some times says that there may be such a record.
 *
 * Return: whether it is to be called again.
 */
bool mqbus_window_walk_retry(const struct mqbus_window *w, struct mqbus_retry_walk *walk,
			     const u64 *ends)
{
	const struct mqbus_lane *retry = &w->lanes[w->nr_lanes];
	u32 i = retry->order.first, steps;

	if (walk->begun) {
		const struct mqbus_entry *e = mqbus_window_entry(w, walk->at);

		if (e->state != MQBUS_ENTRY_FREE && e->place == MQBUS_PLACE_RETRY &&
		    e->pos == walk->pos)
			i = walk->at;
		else if (++walk->restarts == MQBUS_RETRY_RESTARTS)
			walk->found = true;
	}
	for (steps = 0; !walk->found && i != MQBUS_NONE; steps++) {
		const struct mqbus_entry *e = mqbus_window_entry(w, i);

		if (steps == MQBUS_WINDOW_STEP) {
			walk->at = i;
			walk->pos = e->pos;
			walk->begun = true;
			return true;
		}
		walk->found = mqbus_window_record(w, i)->offset < ends[e->partition];
		i = e->order.next;
	}
	return false;
}
