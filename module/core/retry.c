// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The retry ring
 *
 * Records wait here that must not hold up their partition. They lie one behind the other,
 * with gaps where records were settled, and @end of the ring's source is the place of the
 * next one. Between @end and the oldest record is the *hole*. All gaps end up there, because
 * the oldest record is repeatedly made the newest one:
 *
 *  - it is moved down to the end, so that the gap in front of it becomes one behind it;
 *  - if a member has it leased, and so reads it in place, it stays, and its position
 *    becomes the one a lap later, which is the same place. The old hole is left behind as
 *    a gap, and the hole begins behind the record.
 *
 * So a leased record costs the others only its own bytes, and that the space in front of it
 * and behind it is not contiguous, for any length of the lease. If no record is leased,
 * there is room for a record as long as all together leave as much free as the record and
 * the largest one take.
 *
 * The search for room is over when the end has gone round twice: then all gaps between
 * leased records are as large as they can be, and each has been the hole. A search for
 * records of that size begins again only when a record has left the ring or a lease ended.
 *
 * A record **without room** stays in its partition, in order of arrival, and moves to the
 * retry ring as soon as there is room: mqbus_inflight_stow() is called whenever the lock is
 * dropped. Waiting records go first, then dead letters whose DLQ has no room, one after the
 * other: a large record is not overtaken.
 *
 * Only the size in this ring's page has a meaning for readers.
 */
#include "state.h"

/* How often a walk may lose its place */
#define MQBUS_RETRY_RESTARTS	8

/* Result of a search for room; LATER: continue under the next hold of the lock */
enum retry_room { ROOM, FULL, LATER };

/* Begin with an empty retry ring. */
void mqbus_retry_init(struct mqbus_inflight *f)
{
	f->walk = MQBUS_NONE;
	mqbus_retry_changed(f);
}

static void retry_search_begin(struct mqbus_inflight *f)
{
	const struct mqbus_source *source = mqbus_inflight_retry(f);

	f->retry_lap = source->end + 2 * source->ring->size;
}

/* A record of the retry ring was settled or its lease ended: there may be room now. */
void mqbus_retry_changed(struct mqbus_inflight *f)
{
	f->retry_vain = U32_MAX;
	retry_search_begin(f);
}

/* Bytes from the end to the oldest record */
static u64 retry_hole(const struct mqbus_inflight *f, const struct mqbus_source *source)
{
	u32 first = source->order.first;

	if (first == MQBUS_NONE)
		return source->ring->size;
	return mqbus_inflight_entry(f, first)->pos + source->ring->size - source->end;
}

/* Make the oldest record the newest one. */
static void retry_turn(struct mqbus_inflight *f, struct mqbus_source *source)
{
	u64 hole = retry_hole(f, source);
	u32 i = source->order.first;
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);
	u32 bytes = mqbus_ring_record(source->ring, e->pos)->size;

	if (e->state == MQBUS_ENTRY_LEASED || !hole) {
		e->pos += source->ring->size;
	} else {
		void *to = mqbus_ring_record(source->ring, source->end);

		/* Both are within one lap, so no byte has two addresses */
		memmove(to, to + hole, bytes);
		f->copied += bytes;
		e->pos = source->end;
	}
	source->end = e->pos + bytes;
	mqbus_list_del(&f->table, &source->order, MQBUS_ORDER, i);
	mqbus_list_add(&f->table, &source->order, MQBUS_ORDER, i);
}

static enum retry_room retry_search(struct mqbus_inflight *f, struct mqbus_source *source,
				    u32 bytes)
{
	/* While records are forgotten no record may move */
	if (f->walk != MQBUS_NONE)
		return FULL;
	if (f->retrying >= f->max_retry || bytes >= f->retry_vain ||
	    f->retry_live + bytes + f->margin > source->ring->size)
		return FULL;
	while (retry_hole(f, source) < bytes) {
		if (source->end >= f->retry_lap) {
			f->retry_vain = bytes;
			retry_search_begin(f);
			return FULL;
		}
		if (mqbus_inflight_over(f))
			return LATER;
		f->steps--;
		retry_turn(f, source);
	}
	return mqbus_inflight_over(f) ? LATER : ROOM;
}

/* Move an entry's record, which lies in its partition, to the retry ring. */
static enum retry_room retry_add(struct mqbus_inflight *f, u32 i)
{
	const struct mqbus_record *rec = mqbus_inflight_record(f, i);
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);
	struct mqbus_source *retry = mqbus_inflight_retry(f);
	enum retry_room room = retry_search(f, retry, rec->size);

	if (room != ROOM)
		return room;
	memcpy(mqbus_ring_record(retry->ring, retry->end), rec, rec->size);
	f->steps--;
	f->copied += rec->size;
	f->retry_live += rec->size;
	mqbus_source_del(f, mqbus_inflight_source(f, e), i);
	e->pos = retry->end;
	mqbus_entry_move(f, e);
	retry->end += rec->size;
	mqbus_list_add(&f->table, &retry->order, MQBUS_ORDER, i);
	retry_search_begin(f);
	return ROOM;
}

/*
 * Move an entry that failed and is ready again at once, if there is room now and nothing waits
 * for it: otherwise it could stay in its partition, and in flight, for as long as it fails.
 */
void mqbus_retry_try(struct mqbus_inflight *f, u32 i)
{
	if (mqbus_inflight_entry(f, i)->place != MQBUS_PLACE_RETRY && mqbus_list_empty(&f->stay))
		retry_add(f, i);
}

/**
 * mqbus_inflight_stow() - move records that wait in their partition to the retry ring
 * @f: the in-flight table
 *
 * As far as there is room. Call it whenever the lock is about to be dropped, as a record
 * may have left the retry ring.
 *
 * Return: whether to call it again after dropping the lock.
 */
bool mqbus_inflight_stow(struct mqbus_inflight *f)
{
	enum retry_room room;
	u32 i;

	while (!mqbus_list_empty(&f->stay)) {
		i = f->stay.first;
		room = retry_add(f, i);
		if (room != ROOM)
			return room == LATER;
		mqbus_list_del(&f->table, &f->stay, MQBUS_LIST, i);
	}
	return false;
}

/**
 * mqbus_inflight_postpone() - move dead letters to the retry ring
 * @f: the in-flight table; the DLQ has no room
 *
 * It replaces mqbus_inflight_stow(): call it whenever dead letters wait.
 *
 * Return: whether to call it again after dropping the lock.
 */
bool mqbus_inflight_postpone(struct mqbus_inflight *f)
{
	enum retry_room room;

	if (mqbus_inflight_stow(f))
		return true;
	/* Waiting records get free room first */
	if (!mqbus_list_empty(&f->stay))
		return false;
	for (; f->stow != MQBUS_NONE; f->stow = mqbus_inflight_entry(f, f->stow)->list.next) {
		if (mqbus_inflight_entry(f, f->stow)->place == MQBUS_PLACE_RETRY) {
			if (mqbus_inflight_over(f))
				return true;
			f->steps--;
			continue;
		}
		room = retry_add(f, f->stow);
		if (room != ROOM)
			return room == LATER;
	}
	return false;
}

/**
 * mqbus_inflight_walk_retry() - look for unsettled records in the retry ring
 * @f: the in-flight table
 * @walk: zeroed before the first step
 * @ends: for each partition: only records below this offset count
 *
 * The group's lock may be dropped between two steps. Records only ever move to the
 * end of that ring, so none is missed. A walk that lost its place begins again; after
 * %MQBUS_RETRY_RESTARTS it reports that there may be such a record.
 *
 * Return: whether to call it again.
 */
bool mqbus_inflight_walk_retry(const struct mqbus_inflight *f, struct mqbus_retry_walk *walk,
			       const u64 *ends)
{
	const struct mqbus_source *retry = mqbus_inflight_retry(f);
	u32 i = retry->order.first, steps;

	if (walk->begun) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, walk->at);

		if (e->state != MQBUS_ENTRY_FREE && e->place == MQBUS_PLACE_RETRY &&
		    e->pos == walk->pos)
			i = walk->at;
		else if (++walk->restarts == MQBUS_RETRY_RESTARTS)
			walk->found = true;
		walk->at = MQBUS_NONE;
	}
	for (steps = 0; !walk->found && i != MQBUS_NONE; steps++) {
		const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

		if (steps == MQBUS_INFLIGHT_STEP) {
			walk->at = i;
			walk->pos = e->pos;
			walk->begun = true;
			return true;
		}
		walk->offset = mqbus_inflight_record(f, i)->offset;
		walk->found = walk->offset < ends[e->partition];
		walk->partition = e->partition;
		walk->at = i;
		i = e->order.next;
	}
	return false;
}

/*
 * Whether the record that a finished walk found is still not settled; false also if the
 * walk does not know the record.
 */
bool mqbus_inflight_unsettled(const struct mqbus_inflight *f,
			      const struct mqbus_retry_walk *walk)
{
	const struct mqbus_entry *e;

	if (walk->at == MQBUS_NONE)
		return false;
	/* A record of the retry ring stays there until it is settled */
	e = mqbus_inflight_entry(f, walk->at);
	return e->state != MQBUS_ENTRY_FREE && e->place == MQBUS_PLACE_RETRY &&
	       e->partition == walk->partition &&
	       mqbus_inflight_record(f, walk->at)->offset == walk->offset;
}
