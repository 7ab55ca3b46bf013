// SPDX-License-Identifier: GPL-2.0
/*
 * Delivery of a queue group's records.
 */
#include "state.h"

static const struct mqbus_record *inflight_key_record(void *arg, u32 i)
{
	return mqbus_inflight_record(arg, i);
}

/* Make an empty table; constant fields of @f are set, @entries is zeroed. */
void mqbus_inflight_init(struct mqbus_inflight *f, struct mqbus_entry *entries, u32 nr)
{
	u32 i;

	mqbus_table_init(&f->table, entries, nr);
	for (i = 0; i <= f->nr_sources; i++)
		mqbus_list_init(&f->sources[i].order);
	for (i = 0; i < MQBUS_PLACES; i++)
		mqbus_list_init(&f->ready[i]);
	mqbus_list_init(&f->stay);
	mqbus_list_init(&f->dead);
	f->letter = MQBUS_NONE;
	f->stow = MQBUS_NONE;
	f->unheld = 1;	/* no source is stuck */
	mqbus_retry_init(f);
	mqbus_inflight_flush(f);
	if (f->keys) {
		f->keys->record = inflight_key_record;
		f->keys->arg = f;
		mqbus_keys_init(f->keys);
	}
}

/* A cursor was moved, in a partition without entries. */
void mqbus_inflight_place(struct mqbus_inflight *f, u32 partition)
{
	struct mqbus_source *source = &f->sources[partition];

	source->end = source->cursor->given.pos;
	source->stuck = 0;
}

/* Let a member in; its @pid and @uid are set. Return: 0, or -EMFILE without a free seat. */
int mqbus_inflight_sit(struct mqbus_inflight *f, struct mqbus_holder *holder)
{
	u32 word, seat;

	for (word = 0; word < MQBUS_MEMBERS_MAX / 64; word++)
		if (~f->sitting[word])
			break;
	if (word == MQBUS_MEMBERS_MAX / 64)
		return -EMFILE;
	seat = 64 * word + ilog2(~f->sitting[word] & (f->sitting[word] + 1));
	if (seat >= f->nr_seats)
		return -EMFILE;
	f->sitting[word] |= 1ULL << seat % 64;
	WRITE_ONCE(f->nr_sitting, f->nr_sitting + 1);
	f->seats[seat] = holder;
	holder->seat = seat;
	holder->nr = 0;
	mqbus_list_init(&holder->leases);
	return 0;
}

/* Let a member without leases out. */
void mqbus_inflight_stand(struct mqbus_inflight *f, struct mqbus_holder *holder)
{
	f->seats[holder->seat] = NULL;
	f->sitting[holder->seat / 64] &= ~(1ULL << holder->seat % 64);
	WRITE_ONCE(f->nr_sitting, f->nr_sitting - 1);
}

/* Make an entry ready; it is in no list but its source's. */
void mqbus_inflight_again(struct mqbus_inflight *f, u32 i)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	mqbus_entry_ready(f, e);
	mqbus_list_add(&f->table, &f->ready[e->place], MQBUS_LIST, i);
}

/* End a member's lease. The entry is ready, and in no list: the caller decides what follows. */
void mqbus_inflight_unlease(struct mqbus_inflight *f, u32 i, struct mqbus_holder *holder)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	mqbus_list_del(&f->table, &holder->leases, MQBUS_LIST, i);
	mqbus_heap_del(&f->table, i);
	holder->nr--;
	mqbus_entry_unlease(f, e);
	if (e->place == MQBUS_PLACE_RETRY)
		mqbus_retry_changed(f);	/* the record may be moved again */
}

static void lease_begin(struct mqbus_inflight *f, u32 i, struct mqbus_holder *holder, u64 end,
			u64 real, struct mqbus_leased *out)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	if (e->place == MQBUS_PLACE_HELD)
		f->unheld++;	/* another record can be held back */
	mqbus_entry_lease(f, e);
	e->flags = e->first ? MQBUS_ENTRY_AGAIN : 0;
	/* 0 is no lease, also after a wrap */
	if (!++e->lease)
		e->lease = 1;
	e->seat = holder->seat;
	mqbus_list_add(&f->table, &holder->leases, MQBUS_LIST, i);
	holder->nr++;
	if (end)
		mqbus_heap_add(&f->table, i, end);
	f->stats.delivered++;
	f->again = e->first;
	if (e->first) {
		f->stayed = e->place != MQBUS_PLACE_RETRY;
		f->stats.redelivered++;
	} else {
		e->first = real;
	}

	*out = (struct mqbus_leased) {
		.lease = (u64)e->lease << 32 | i,
		.pos = e->pos,
		.offset = mqbus_inflight_record(f, i)->offset,
		.partition = e->partition,
		.ring = e->place == MQBUS_PLACE_RETRY ? MQBUS_RETRY : e->partition,
		.attempt = e->failures + 1,
	};
}

/* Take the next record of a source into the table. */
static u32 source_take(struct mqbus_inflight *f, u32 partition, const struct mqbus_record *rec)
{
	struct mqbus_source *source = &f->sources[partition];
	struct mqbus_cursor *c = source->cursor;
	u32 i = mqbus_table_get(&f->table);
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	e->pos = c->given.pos;
	e->partition = partition;
	mqbus_list_add(&f->table, &source->order, MQBUS_ORDER, i);
	c->given.pos += rec->size;
	c->given.offset++;
	return i;
}

/* Result of a search for a record to hand out */
enum search {
	FOUND_AGAIN,	/* a record that had been taken before */
	FOUND_FRESH,	/* a record that was taken from its partition now */
	FOUND_NONE,	/* there is none */
	FOUND_LATER,	/* none yet, but the steps are used up: there may be one further on */
};

/*
 * Find the next record of a partition that may be handed out, and hold back those before
 * it. @i: filled with its entry if there is one.
 */
static enum search source_next(struct mqbus_inflight *f, u32 partition, u32 *steps, u32 *i)
{
	struct mqbus_source *source = &f->sources[partition];
	struct mqbus_cursor *c = source->cursor;

	for (; *steps; --*steps) {
		const struct mqbus_record *rec;
		bool keyed;
		u32 head;

		if (c->given.pos == source->end) {
			struct mqbus_mark end;

			mqbus_ring_end(source->ring, &end);
			source->end = end.pos;
			if (c->given.pos == end.pos)
				return FOUND_NONE;
		}
		rec = mqbus_ring_record(source->ring, c->given.pos);
		keyed = f->keys && rec->key_len;
		head = keyed ? mqbus_keys_find(f->keys, rec) : MQBUS_NONE;
		if (head != MQBUS_NONE && f->held == f->max_held) {
			source->stuck = f->unheld;
			return FOUND_NONE;
		}
		*i = source_take(f, partition, rec);
		if (head == MQBUS_NONE) {
			mqbus_entry_take(f, mqbus_inflight_entry(f, *i));
			if (keyed)
				mqbus_keys_insert(f->keys, *i);
			return FOUND_FRESH;
		}
		mqbus_entry_hold(f, mqbus_inflight_entry(f, *i));
		mqbus_keys_hold(f->keys, &f->table, head, *i);
	}
	return FOUND_LATER;
}

static u32 ready_pop(struct mqbus_inflight *f, enum mqbus_entry_place place)
{
	u32 i = f->ready[place].first;

	if (i != MQBUS_NONE)
		mqbus_list_del(&f->table, &f->ready[place], MQBUS_LIST, i);
	return i;
}

/* The next record of any partition. @left: partitions still to be looked at. */
static enum search sources_next(struct mqbus_inflight *f, u32 *steps, u32 *left, u32 *i)
{
	enum search found;

	while (*left) {
		found = source_next(f, f->next, steps, i);
		if (found != FOUND_NONE)
			return found;
		--*steps;
		--*left;
		if (++f->next == f->nr_sources)
			f->next = 0;
	}
	return FOUND_NONE;
}

/*
 * A record that had been handed out before: of those that are in flight and of those in the
 * retry ring in turn, so that neither starves the other.
 */
static noinline u32 inflight_retry(struct mqbus_inflight *f)
{
	bool room = f->nr < f->conf.max_inflight;
	u32 i = MQBUS_NONE;

	if (room && f->stayed)
		i = ready_pop(f, MQBUS_PLACE_RETRY);
	/* These count as in flight already, and must go on even at the limit */
	if (i == MQBUS_NONE)
		i = ready_pop(f, MQBUS_PLACE_RING);
	if (i == MQBUS_NONE && room)
		i = ready_pop(f, MQBUS_PLACE_RETRY);
	return i;
}

/* A record that was not handed out before */
static enum search inflight_fresh(struct mqbus_inflight *f, u32 *steps, u32 *left, u32 *i)
{
	u32 first = f->ready[MQBUS_PLACE_RING].first;

	/* One that was taken back, see mqbus_inflight_untake() */
	if (first != MQBUS_NONE && !mqbus_inflight_entry(f, first)->first) {
		*i = ready_pop(f, MQBUS_PLACE_RING);
		return FOUND_AGAIN;
	}
	if (f->nr >= f->conf.max_inflight)
		return FOUND_NONE;
	*i = ready_pop(f, MQBUS_PLACE_HELD);
	return *i != MQBUS_NONE ? FOUND_AGAIN : sources_next(f, steps, left, i);
}

static enum search inflight_next(struct mqbus_inflight *f, u32 *steps, u32 *left, u32 *i)
{
	/* Usually there are none, and then this is as quick as without turns */
	bool retries = !mqbus_list_empty(&f->ready[MQBUS_PLACE_RING]) ||
		       !mqbus_list_empty(&f->ready[MQBUS_PLACE_RETRY]);
	enum search found;

	if (unlikely(retries) && !f->again) {
		*i = inflight_retry(f);
		if (*i != MQBUS_NONE)
			return FOUND_AGAIN;
	}
	/* In one place, so that the compiler makes it part of this function */
	found = inflight_fresh(f, steps, left, i);
	if (found != FOUND_NONE || !retries || !f->again)
		return found;
	*i = inflight_retry(f);
	return *i != MQBUS_NONE ? FOUND_AGAIN : FOUND_NONE;
}

/**
 * mqbus_inflight_take() - hand out records
 * @f: the in-flight table
 * @holder: the member that gets them
 * @out: filled
 * @max: size of @out
 * @end: end of the leases; 0: they do not end
 * @real: ns of CLOCK_REALTIME, not 0
 * @left: partitions still to be looked at: begin with U32_MAX. If it is not 0, there may be
 *	records although none is handed out: call again after dropping the lock
 *
 * While there are both, records that had been handed out before and fresh ones alternate: what
 * fails again and again does not keep the others from being handed out, nor they it.
 *
 * Return: number of records.
 */
u32 mqbus_inflight_take(struct mqbus_inflight *f, struct mqbus_holder *holder,
			struct mqbus_leased *out, u32 max, u64 end, u64 real, u32 *left)
{
	u32 steps = MQBUS_INFLIGHT_STEP, n, i;
	enum search found = FOUND_NONE;
	bool fresh = false;

	*left = min(*left, f->nr_sources);
	for (n = 0; !f->conf.paused && n < max && holder->nr < f->conf.credit; n++) {
		found = inflight_next(f, &steps, left, &i);
		if (found != FOUND_AGAIN && found != FOUND_FRESH)
			break;
		fresh |= found == FOUND_FRESH;
		lease_begin(f, i, holder, end, real, &out[n]);
	}
	if (found != FOUND_LATER)
		*left = 0;
	/* The next call begins elsewhere, so that no partition starves */
	if (fresh && ++f->next == f->nr_sources)
		f->next = 0;
	return n;
}

static bool source_ready(const struct mqbus_inflight *f, u32 partition)
{
	const struct mqbus_source *source = &f->sources[partition];

	return READ_ONCE(source->ring->page->tail) != source->cursor->given.pos &&
	       source->stuck != f->unheld;
}

/**
 * mqbus_inflight_ready() - whether there is a record for a member
 * @f: the in-flight table
 * @holder: the member
 * @left: as of mqbus_inflight_take(): call again if it is not 0
 *
 * Return: whether mqbus_inflight_take() would find a record, or make progress: hold
 * back records, or find that a settled record does not unblock a partition.
 */
bool mqbus_inflight_ready(const struct mqbus_inflight *f, const struct mqbus_holder *holder,
			  u32 *left)
{
	u32 sources = min(*left, f->nr_sources), steps = MQBUS_INFLIGHT_STEP;

	*left = 0;
	if (f->conf.paused || holder->nr >= f->conf.credit)
		return false;
	if (!mqbus_list_empty(&f->ready[MQBUS_PLACE_RING]))
		return true;
	if (f->nr >= f->conf.max_inflight)
		return false;
	if (!mqbus_list_empty(&f->ready[MQBUS_PLACE_RETRY]) ||
	    !mqbus_list_empty(&f->ready[MQBUS_PLACE_HELD]))
		return true;
	/* The partition that had a record last often has more */
	if (source_ready(f, f->next))
		return true;
	for (; sources && steps; steps--)
		if (source_ready(f, --sources))
			return true;
	*left = sources;
	return false;
}

/*
 * Take back a record of mqbus_inflight_take() that did not arrive, as if it had not been
 * handed out; @holder may have lost the lease since. It is the first to be handed out again,
 * so call it for the last record first.
 */
void mqbus_inflight_untake(struct mqbus_inflight *f, struct mqbus_holder *holder, u64 lease)
{
	u32 i = (u32)lease;
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	if (e->state != MQBUS_ENTRY_LEASED || e->seat != holder->seat ||
	    e->lease != lease >> 32)
		return;
	mqbus_inflight_unlease(f, i, holder);
	f->stats.delivered--;
	f->again = !(e->flags & MQBUS_ENTRY_AGAIN);
	if (f->again) {
		e->first = 0;
	} else {
		f->stayed = e->place == MQBUS_PLACE_RETRY;
		f->stats.redelivered--;
	}
	mqbus_list_push(&f->table, &f->ready[e->place], MQBUS_LIST, i);
}
