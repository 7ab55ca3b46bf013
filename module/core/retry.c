// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: The retry ring
 *
 * Where records wait that are not to hold up their partition. They lie one behind the
 * other, with gaps where some were settled, and @end of the ring's source is where the next
 * one goes. Between that and the oldest record is the *hole*: all gaps end up there,
 * because the oldest record is again and again made the newest one:
 *
 *  - it is moved down to the end, so that the gap in front of it becomes one behind it;
 *  - a member that has it leased reads it where it is, so it stays, and its position
 *    becomes the one a lap later, which is the same place. What was the hole is left
 *    behind as a gap, and the hole is what follows it.
 *
 * So a record that is leased, for however long, costs the others nothing but its own
 * bytes and that those in front of it and behind it are not contiguous. If nothing is
 * leased, there is room for each record as long as all together leave as much free as
 * the record and the largest one take.
 *
 * The search for room is over when the end has gone round twice: then all gaps between
 * leased records are as large as they can be, and each has been the hole. It is not begun
 * again for records of that size until a record has left the ring or is leased no more.
 *
 * **Who finds no room** stays in its partition, in the order in which it came, and goes to
 * the retry ring as soon as there is room: mqbus_inflight_stow() is called whenever the lock
 * is let go of. First what waits, then dead letters whose topic has no room, one after the
 * other: who needs much room is not overtaken.
 *
 * No word of this ring's page but its size means anything to readers.
 */
#include "inflight.h"

/* How often a walk may find its place gone */
#define MQBUS_RETRY_RESTARTS	8

/* Whether there is room: yes, no, or it is to be looked for under the next hold of the lock */
enum retry_room { ROOM, FULL, LATER };

static struct mqbus_source *retry_source(const struct mqbus_inflight *f)
{
	return &f->sources[f->nr_sources];
}

/**
 * mqbus_retry_init() - begin with an empty retry ring
 * @f: the in-flight table
 */
void mqbus_retry_init(struct mqbus_inflight *f)
{
	f->walk = MQBUS_NONE;
	mqbus_retry_changed(f);
}

static void retry_search_begin(struct mqbus_inflight *f)
{
	const struct mqbus_source *source = retry_source(f);

	f->retry_lap = source->end + 2 * source->ring->size;
}

/**
 * mqbus_retry_changed() - a record of the retry ring is leased no more, or has left it
 * @f: the in-flight table
 *
 * So there may be room where there was none.
 */
void mqbus_retry_changed(struct mqbus_inflight *f)
{
	f->retry_vain = U32_MAX;
	retry_search_begin(f);
}

/* Bytes from the end to the oldest record. */
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

		/* Both are within one lap, so no byte is there under two addresses */
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
	/* While records are forgotten all stay where they are */
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
	struct mqbus_source *retry = retry_source(f);
	enum retry_room room = retry_search(f, retry, rec->size);

	if (room != ROOM)
		return room;
	memcpy(mqbus_ring_record(retry->ring, retry->end), rec, rec->size);
	f->steps--;
	f->copied += rec->size;
	f->retry_live += rec->size;
	f->retrying++;
	f->nr--;
	mqbus_source_del(f, mqbus_inflight_source(f, e), i);
	e->pos = retry->end;
	e->place = MQBUS_PLACE_RETRY;
	retry->end += rec->size;
	mqbus_list_add(&f->table, &retry->order, MQBUS_ORDER, i);
	retry_search_begin(f);
	return ROOM;
}

/**
 * mqbus_inflight_stow() - let what waits in its partition wait in the retry ring
 * @f: the in-flight table
 *
 * As far as that has room. To be called whenever the lock is about to be let go, as
 * something may have left the retry ring.
 *
 * Return: whether to call it again after letting go of the lock.
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
 * mqbus_inflight_postpone() - let dead letters wait in the retry ring
 * @f: the in-flight table; the topic for them has no room
 *
 * As mqbus_inflight_stow(), for which it stands in: to be called whenever dead letters wait.
 *
 * Return: whether to call it again after letting go of the lock.
 */
bool mqbus_inflight_postpone(struct mqbus_inflight *f)
{
	enum retry_room room;

	if (mqbus_inflight_stow(f))
		return true;
	/* The room that comes is for those */
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
 * mqbus_inflight_walk_retry() - look for records that are not settled in the retry ring
 * @f: the in-flight table
 * @walk: zeroed before the first step
 * @ends: for each partition: only records below this offset count
 *
 * The group's lock may be let go of between two steps. Records only ever move to the
 * end of that ring, so none is missed; if the place where the walk stood is gone, it
 * begins again, and after some times says that there may be such a record.
 *
 * Return: whether it is to be called again.
 */
bool mqbus_inflight_walk_retry(const struct mqbus_inflight *f, struct mqbus_retry_walk *walk,
			       const u64 *ends)
{
	const struct mqbus_source *retry = &f->sources[f->nr_sources];
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

/**
 * mqbus_inflight_unsettled() - whether a record that was found is still not settled
 * @f: the in-flight table
 * @walk: a walk that is over, and @found is set
 *
 * Return: false also if it is not known which record that was.
 */
bool mqbus_inflight_unsettled(const struct mqbus_inflight *f,
			      const struct mqbus_retry_walk *walk)
{
	const struct mqbus_entry *e;

	if (walk->at == MQBUS_NONE)
		return false;
	/* Whoever comes to the retry ring stays there until he is settled */
	e = mqbus_inflight_entry(f, walk->at);
	return e->state != MQBUS_ENTRY_FREE && e->place == MQBUS_PLACE_RETRY &&
	       e->partition == walk->partition &&
	       mqbus_inflight_record(f, walk->at)->offset == walk->offset;
}
