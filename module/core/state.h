/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_STATE_H
#define _MQBUS_CORE_STATE_H

#include "inflight.h"

/**
 * DOC: States of entries
 *
 *   FREE -> READY <-> LEASED	handed out
 *   READY -> WAITING -> READY	until it is due
 *   READY -> DEAD -> READY	until it is settled
 *   FREE -> HELD -> READY	until its key is free
 *
 * and from all but LEASED and DEAD to FREE. The functions here are the only ones that change
 * the state or the place of an entry, and the counters that depend on them: @nr, @retrying,
 * @held, @leased and @nr_dead of the in-flight table, @pending and @aside of a source. The
 * lists that an entry is in are the caller's.
 *
 * Each transition has a function of its own, inline: one function for all of them finds out
 * again what its callers know, which makes a record's way through a queue 7 % longer.
 */

/* Whether a record has failed and not returned to its partition since */
static inline bool mqbus_entry_aside(const struct mqbus_entry *e)
{
	return e->place == MQBUS_PLACE_RETRY || e->state == MQBUS_ENTRY_WAITING ||
	       e->state == MQBUS_ENTRY_DEAD;
}

/* A record is taken from its partition, to be handed out: FREE -> READY */
static inline void mqbus_entry_take(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	f->sources[e->partition].pending++;
	f->nr++;
	e->state = MQBUS_ENTRY_READY;
	e->place = MQBUS_PLACE_RING;
}

/* A record is taken from its partition and held back: FREE -> HELD */
static inline void mqbus_entry_hold(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	f->sources[e->partition].pending++;
	f->held++;
	e->state = MQBUS_ENTRY_HELD;
	e->place = MQBUS_PLACE_HELD;
}

/* READY -> LEASED */
static inline void mqbus_entry_lease(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	if (e->place == MQBUS_PLACE_HELD) {
		f->held--;
		f->nr++;
		e->place = MQBUS_PLACE_RING;
	} else if (e->place == MQBUS_PLACE_RETRY) {
		f->nr++;
	}
	f->leased++;
	e->state = MQBUS_ENTRY_LEASED;
}

/* LEASED -> READY */
static inline void mqbus_entry_unlease(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	if (e->place == MQBUS_PLACE_RETRY)
		f->nr--;
	f->leased--;
	e->state = MQBUS_ENTRY_READY;
}

/* A record waits, or is a dead letter: READY -> WAITING or DEAD */
static inline void mqbus_entry_fail(struct mqbus_inflight *f, struct mqbus_entry *e,
				    enum mqbus_entry_state state)
{
	if (e->place != MQBUS_PLACE_RETRY)
		f->sources[e->partition].aside++;
	if (state == MQBUS_ENTRY_DEAD)
		f->nr_dead++;
	e->state = state;
}

/* HELD, WAITING, DEAD -> READY; a READY entry stays what it is */
static inline void mqbus_entry_ready(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	if (e->place != MQBUS_PLACE_RETRY)
		f->sources[e->partition].aside -= mqbus_entry_aside(e);
	if (e->state == MQBUS_ENTRY_DEAD)
		f->nr_dead--;
	e->state = MQBUS_ENTRY_READY;
}

/* The record of a READY, WAITING or DEAD entry is moved to the retry ring */
static inline void mqbus_entry_move(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	f->sources[e->partition].aside += !mqbus_entry_aside(e);
	f->nr--;
	f->retrying++;
	e->place = MQBUS_PLACE_RETRY;
}

/* A record is settled or forgotten: READY, HELD, WAITING -> FREE */
static inline void mqbus_entry_settle(struct mqbus_inflight *f, struct mqbus_entry *e)
{
	struct mqbus_source *source = &f->sources[e->partition];

	switch (e->place) {
	case MQBUS_PLACE_RING:
		f->nr--;
		break;
	case MQBUS_PLACE_RETRY:
		f->retrying--;
		break;
	case MQBUS_PLACE_HELD:
		f->held--;
		break;
	}
	source->pending--;
	source->aside -= mqbus_entry_aside(e);
	e->state = MQBUS_ENTRY_FREE;
}

#endif /* _MQBUS_CORE_STATE_H */
