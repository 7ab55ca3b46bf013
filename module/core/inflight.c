// SPDX-License-Identifier: GPL-2.0
/*
 * Handing out the records of a queue group.
 */
#include "inflight.h"

static const struct mqbus_record *window_key_record(void *arg, u32 i)
{
	return mqbus_window_record(arg, i);
}

/**
 * mqbus_window_init() - make an empty window
 * @w: what is constant is set; filled otherwise
 * @entries: zeroed
 * @nr: how many
 */
void mqbus_window_init(struct mqbus_window *w, struct mqbus_entry *entries, u32 nr)
{
	u32 i;

	mqbus_table_init(&w->table, entries, nr);
	for (i = 0; i <= w->nr_lanes; i++)
		mqbus_list_init(&w->lanes[i].order);
	for (i = 0; i < MQBUS_PLACES; i++)
		mqbus_list_init(&w->ready[i]);
	mqbus_list_init(&w->stay);
	mqbus_list_init(&w->dead);
	w->letter = MQBUS_NONE;
	w->stow = MQBUS_NONE;
	w->unheld = 1;	/* no lane is stuck */
	mqbus_retry_init(w);
	mqbus_window_flush(w);
	if (w->keys) {
		w->keys->record = window_key_record;
		w->keys->arg = w;
		mqbus_keys_init(w->keys);
	}
}

/**
 * mqbus_window_place() - a partition's cursor was put somewhere
 * @w: the window
 * @partition: the partition, of which it has no entries
 */
void mqbus_window_place(struct mqbus_window *w, u32 partition)
{
	struct mqbus_lane *lane = &w->lanes[partition];

	lane->end = lane->cursor->given.pos;
	lane->stuck = 0;
}

/**
 * mqbus_window_sit() - let a member in
 * @w: the window
 * @holder: to fill, but for @pid and @uid
 *
 * Return: 0, or -ENOSPC if there are not enough seats.
 */
int mqbus_window_sit(struct mqbus_window *w, struct mqbus_holder *holder)
{
	u32 word, seat;

	for (word = 0; word < MQBUS_MEMBERS_MAX / 64; word++)
		if (~w->sitting[word])
			break;
	if (word == MQBUS_MEMBERS_MAX / 64)
		return -ENOSPC;
	seat = 64 * word + ilog2(~w->sitting[word] & (w->sitting[word] + 1));
	if (seat >= w->nr_seats)
		return -ENOSPC;
	w->sitting[word] |= 1ULL << seat % 64;
	WRITE_ONCE(w->nr_sitting, w->nr_sitting + 1);
	w->seats[seat] = holder;
	holder->seat = seat;
	holder->nr = 0;
	mqbus_list_init(&holder->leases);
	return 0;
}

/**
 * mqbus_window_stand() - let a member out
 * @w: the window
 * @holder: holds no leases
 */
void mqbus_window_stand(struct mqbus_window *w, struct mqbus_holder *holder)
{
	w->seats[holder->seat] = NULL;
	w->sitting[holder->seat / 64] &= ~(1ULL << holder->seat % 64);
	WRITE_ONCE(w->nr_sitting, w->nr_sitting - 1);
}

/**
 * mqbus_window_unhold() - a record is held back no more
 * @w: the window
 *
 * So another one can be: lanes that were stuck are looked at again.
 */
void mqbus_window_unhold(struct mqbus_window *w)
{
	w->held--;
	w->unheld++;
}

/**
 * mqbus_window_again() - let an entry be handed out
 * @w: the window
 * @i: the entry, in no list but its lane's
 */
void mqbus_window_again(struct mqbus_window *w, u32 i)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	e->state = MQBUS_ENTRY_READY;
	mqbus_list_add(&w->table, &w->ready[e->place], MQBUS_LIST, i);
}

/**
 * mqbus_window_unlease() - a member does not have a record any more
 * @w: the window
 * @i: the entry; what becomes of it comes next
 * @holder: the member
 */
void mqbus_window_unlease(struct mqbus_window *w, u32 i, struct mqbus_holder *holder)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	mqbus_list_del(&w->table, &holder->leases, MQBUS_LIST, i);
	mqbus_heap_del(&w->table, i);
	holder->nr--;
	w->leased--;
	if (e->place == MQBUS_PLACE_RETRY) {
		w->inflight--;
		mqbus_retry_changed(w);	/* it may be moved again */
	}
}

static void lease_begin(struct mqbus_window *w, u32 i, struct mqbus_holder *holder, u64 end,
			u64 real, struct mqbus_leased *out)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	if (e->place == MQBUS_PLACE_HELD) {
		mqbus_window_unhold(w);
		e->place = MQBUS_PLACE_RING;
		w->inflight++;
	} else if (e->place == MQBUS_PLACE_RETRY) {
		w->inflight++;
	}
	e->state = MQBUS_ENTRY_LEASED;
	e->flags = e->first ? MQBUS_ENTRY_AGAIN : 0;
	/* 0 is no lease, also when the number has come round */
	if (!++e->lease)
		e->lease = 1;
	e->seat = holder->seat;
	mqbus_list_add(&w->table, &holder->leases, MQBUS_LIST, i);
	holder->nr++;
	w->leased++;
	if (end)
		mqbus_heap_add(&w->table, i, end);
	w->stats.delivered++;
	if (e->first)
		w->stats.redelivered++;
	else
		e->first = real;

	*out = (struct mqbus_leased) {
		.lease = (u64)e->lease << 32 | i,
		.pos = e->pos,
		.offset = mqbus_window_record(w, i)->offset,
		.partition = e->partition,
		.ring = e->place == MQBUS_PLACE_RETRY ? MQBUS_RETRY : e->partition,
		.attempt = e->failures + 1,
	};
}

/* Put the next record of a lane into the table. */
static u32 lane_take(struct mqbus_window *w, u32 partition, const struct mqbus_record *rec)
{
	struct mqbus_lane *lane = &w->lanes[partition];
	struct mqbus_cursor *c = lane->cursor;
	u32 i = mqbus_table_get(&w->table);
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	e->pos = c->given.pos;
	e->partition = partition;
	e->place = MQBUS_PLACE_RING;
	mqbus_list_add(&w->table, &lane->order, MQBUS_ORDER, i);
	lane->pending++;
	c->given.pos += rec->size;
	c->given.offset++;
	return i;
}

/*
 * The next record of a partition that may be handed out, with those held back that
 * stand before it. Return: an entry, or %MQBUS_NONE.
 */
static u32 lane_next(struct mqbus_window *w, u32 partition, u32 *steps)
{
	struct mqbus_lane *lane = &w->lanes[partition];
	struct mqbus_cursor *c = lane->cursor;

	for (; *steps; --*steps) {
		const struct mqbus_record *rec;
		u32 head, i;
		bool keyed;

		if (c->given.pos == lane->end) {
			struct mqbus_mark end;

			mqbus_ring_end(lane->ring, &end);
			lane->end = end.pos;
			if (c->given.pos == end.pos)
				return MQBUS_NONE;
		}
		rec = mqbus_ring_record(lane->ring, c->given.pos);
		keyed = w->keys && rec->key_len;
		head = keyed ? mqbus_keys_find(w->keys, rec) : MQBUS_NONE;
		if (head != MQBUS_NONE && w->held == w->max_held) {
			lane->stuck = w->unheld;
			return MQBUS_NONE;
		}
		i = lane_take(w, partition, rec);
		if (head == MQBUS_NONE) {
			if (keyed)
				mqbus_keys_insert(w->keys, i);
			w->inflight++;
			return i;
		}
		mqbus_window_entry(w, i)->place = MQBUS_PLACE_HELD;
		mqbus_window_entry(w, i)->state = MQBUS_ENTRY_HELD;
		mqbus_keys_hold(w->keys, &w->table, head, i);
		w->held++;
	}
	return MQBUS_NONE;
}

static u32 ready_pop(struct mqbus_window *w, enum mqbus_entry_place place)
{
	u32 i = w->ready[place].first;

	if (i != MQBUS_NONE)
		mqbus_list_del(&w->table, &w->ready[place], MQBUS_LIST, i);
	return i;
}

/* The next record of any partition. @left: partitions that are still to be looked at. */
static u32 lanes_next(struct mqbus_window *w, u32 *steps, u32 *left)
{
	u32 i;

	while (*left && *steps) {
		i = lane_next(w, w->next, steps);
		if (i != MQBUS_NONE)
			return i;
		/* It was not looked at to its end */
		if (!*steps)
			break;
		--*steps;
		--*left;
		if (++w->next == w->nr_lanes)
			w->next = 0;
	}
	return MQBUS_NONE;
}

/* @fresh: set if it comes from a partition */
static u32 window_next(struct mqbus_window *w, u32 *steps, u32 *left, bool *fresh)
{
	u32 i = ready_pop(w, MQBUS_PLACE_RING);

	/* Those count already as in flight, and nothing could go on without them */
	if (i != MQBUS_NONE || w->inflight >= w->conf.max_inflight)
		return i;
	i = ready_pop(w, MQBUS_PLACE_RETRY);
	if (i == MQBUS_NONE)
		i = ready_pop(w, MQBUS_PLACE_HELD);
	if (i != MQBUS_NONE)
		return i;
	i = lanes_next(w, steps, left);
	if (i != MQBUS_NONE)
		*fresh = true;
	return i;
}

/**
 * mqbus_window_take() - hand out records
 * @w: the window
 * @holder: to whom
 * @out: filled
 * @max: as many at the most
 * @end: when the leases end; 0: they do not
 * @real: ns of CLOCK_REALTIME, not 0
 * @left: partitions that are still to be looked at: begin with U32_MAX; if it is not 0
 *	then there may be some records, though none is handed out: call again after letting
 *	go of the lock
 *
 * What was handed out before comes first.
 *
 * Return: how many.
 */
u32 mqbus_window_take(struct mqbus_window *w, struct mqbus_holder *holder,
		      struct mqbus_leased *out, u32 max, u64 end, u64 real, u32 *left)
{
	u32 steps = MQBUS_WINDOW_STEP, n, i;
	bool fresh = false;

	*left = min(*left, w->nr_lanes);
	for (n = 0; !w->conf.paused && n < max && holder->nr < w->conf.credit; n++) {
		i = window_next(w, &steps, left, &fresh);
		if (i == MQBUS_NONE)
			break;
		lease_begin(w, i, holder, end, real, &out[n]);
	}
	if (steps)
		*left = 0;
	/* The next one begins elsewhere, so that no partition starves */
	if (fresh && ++w->next == w->nr_lanes)
		w->next = 0;
	return n;
}

static bool lane_ready(const struct mqbus_window *w, u32 partition)
{
	const struct mqbus_lane *lane = &w->lanes[partition];

	return READ_ONCE(lane->ring->page->tail) != lane->cursor->given.pos &&
	       lane->stuck != w->unheld;
}

/**
 * mqbus_window_ready() - whether there is something for a member
 * @w: the window
 * @holder: the member
 * @left: as of mqbus_window_take(): call again if it is not 0
 *
 * Return: whether mqbus_window_take() would find something, or get further: hold
 * back records, or see that what was settled is not what a partition waits for.
 */
bool mqbus_window_ready(const struct mqbus_window *w, const struct mqbus_holder *holder,
			u32 *left)
{
	u32 lanes = min(*left, w->nr_lanes), steps = MQBUS_WINDOW_STEP;

	*left = 0;
	if (w->conf.paused || holder->nr >= w->conf.credit)
		return false;
	if (!mqbus_list_empty(&w->ready[MQBUS_PLACE_RING]))
		return true;
	if (w->inflight >= w->conf.max_inflight)
		return false;
	if (!mqbus_list_empty(&w->ready[MQBUS_PLACE_RETRY]) ||
	    !mqbus_list_empty(&w->ready[MQBUS_PLACE_HELD]))
		return true;
	/* Where something was found last, there is often more */
	if (lane_ready(w, w->next))
		return true;
	for (; lanes && steps; steps--)
		if (lane_ready(w, --lanes))
			return true;
	*left = lanes;
	return false;
}

/**
 * mqbus_window_untake() - take back a record that did not arrive
 * @w: the window
 * @holder: whose lease it is, perhaps no more
 * @lease: what mqbus_window_take() said
 *
 * As if it had not been handed out: it is the first to be handed out again. Call it
 * for the last one first.
 */
void mqbus_window_untake(struct mqbus_window *w, struct mqbus_holder *holder, u64 lease)
{
	u32 i = (u32)lease;
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	if (e->state != MQBUS_ENTRY_LEASED || e->seat != holder->seat ||
	    e->lease != lease >> 32)
		return;
	mqbus_window_unlease(w, i, holder);
	w->stats.delivered--;
	if (e->flags & MQBUS_ENTRY_AGAIN)
		w->stats.redelivered--;
	else
		e->first = 0;
	e->state = MQBUS_ENTRY_READY;
	mqbus_list_push(&w->table, &w->ready[e->place], MQBUS_LIST, i);
}
