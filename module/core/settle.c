// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of the records that were handed out.
 */
#include "trace.h"
#include "inflight.h"

const struct mqbus_trace *mqbus_trace;

static const char * const settlement_names[] = {
	[MQBUS_ACK] = "ack",
	[MQBUS_NACK] = "nack",
	[MQBUS_RELEASE] = "release",
	[MQBUS_REJECT] = "reject",
};

static void trace_settle(const struct mqbus_window *w, u32 i, enum mqbus_settlement what)
{
	const struct mqbus_trace *trace = READ_ONCE(mqbus_trace);

	if (unlikely(trace))
		trace->settle(w, i, settlement_names[what]);
}

static void trace_retry(const struct mqbus_window *w, u32 i, u64 wait)
{
	const struct mqbus_trace *trace = READ_ONCE(mqbus_trace);

	if (unlikely(trace))
		trace->retry(w, i, mqbus_reason_name(mqbus_window_entry(w, i)->reason), wait);
}

/* Whether a record has failed and not come back to its partition since. */
static bool entry_aside(const struct mqbus_entry *e)
{
	return e->place == MQBUS_PLACE_RETRY || e->state == MQBUS_ENTRY_WAITING ||
	       e->state == MQBUS_ENTRY_DEAD;
}

/* What is to become of an entry that was leased, or has waited: it stands aside, or not. */
static void entry_turn(struct mqbus_window *w, struct mqbus_entry *e, enum mqbus_entry_state state)
{
	struct mqbus_lane *lane = &w->lanes[e->partition];

	lane->aside -= entry_aside(e);
	e->state = state;
	lane->aside += entry_aside(e);
}

/**
 * mqbus_window_finish() - a record is settled
 * @w: the window
 * @i: its entry, in no list but its lane's
 */
void mqbus_window_finish(struct mqbus_window *w, u32 i)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);
	struct mqbus_lane *lane = mqbus_window_lane(w, e);
	u32 next = MQBUS_NONE;

	if (w->keys && mqbus_window_record(w, i)->key_len) {
		next = mqbus_keys_remove(w->keys, &w->table, i);
		w->unheld++;	/* the key is free, or there is a place behind it */
	}
	switch (e->place) {
	case MQBUS_PLACE_RING:
		w->inflight--;
		break;
	case MQBUS_PLACE_RETRY:
		w->retrying--;
		w->retry_live -= mqbus_window_record(w, i)->size;
		mqbus_retry_changed(w);
		break;
	case MQBUS_PLACE_HELD:
		mqbus_window_unhold(w);
		break;
	}
	w->lanes[e->partition].pending--;
	w->lanes[e->partition].aside -= entry_aside(e);
	if (w->watchers)
		w->freed = true;
	mqbus_lane_del(w, lane, i);
	mqbus_table_put(&w->table, i);
	if (next != MQBUS_NONE)
		mqbus_window_again(w, next);
}

static void window_wait(struct mqbus_window *w, u32 i, u64 wait, struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	if (!wait) {
		mqbus_window_again(w, i);
		return;
	}
	entry_turn(w, e, MQBUS_ENTRY_WAITING);
	mqbus_heap_add(&w->table, i, now->mono + wait);
	if (e->place == MQBUS_PLACE_RETRY)
		return;
	mqbus_list_add(&w->table, &w->stay, MQBUS_LIST, i);
	/* What cannot be done now is left to who lets go of the lock */
	mqbus_window_stow(w);
}

static void window_discard(struct mqbus_window *w, u32 i)
{
	w->stats.discarded++;
	mqbus_window_finish(w, i);
}

static void window_bury(struct mqbus_window *w, u32 i, const struct mqbus_holder *holder,
			struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	if (!w->conf.dlq) {
		window_discard(w, i);
		return;
	}
	entry_turn(w, e, MQBUS_ENTRY_DEAD);
	e->time = now->real;
	e->pid = holder->pid;
	e->uid = holder->uid;
	mqbus_list_add(&w->table, &w->dead, MQBUS_LIST, i);
	w->nr_dead++;
	if (w->letter == MQBUS_NONE)
		w->letter = i;
	if (w->stow == MQBUS_NONE)
		w->stow = i;
}

/* @wait: ns until the next attempt; 0: as the backoff says, which a death ignores */
static void window_fail(struct mqbus_window *w, u32 i, const struct mqbus_holder *holder,
			enum mqbus_reason reason, u64 wait, struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_window_entry(w, i);

	e->reason = reason;
	if (w->once) {
		window_discard(w, i);
		return;
	}
	if (e->failures < U16_MAX)
		e->failures++;
	if (w->conf.limit && e->failures >= w->conf.limit) {
		window_bury(w, i, holder, now);
		return;
	}
	if (reason == MQBUS_REASON_DIED)
		wait = 0;
	else if (!wait)
		wait = mqbus_backoff_wait(&w->conf.backoff, e->failures, now->chance);
	/* Those that failed together should not come back together */
	now->chance = now->chance * 1664525 + 1013904223;
	trace_retry(w, i, wait);
	window_wait(w, i, wait, now);
}

/**
 * mqbus_window_find() - the entry of a lease
 * @w: the window
 * @holder: who asks
 * @lease: its number, from anywhere
 * @i: filled with the entry on success
 *
 * Return: 0 if @holder has it, else a negative errno as of &struct mqbus_settle.
 */
int mqbus_window_find(const struct mqbus_window *w, const struct mqbus_holder *holder,
		      u64 lease, u32 *i)
{
	struct mqbus_entry *e;
	s32 ago;

	*i = (u32)lease;
	if (*i >= w->table.nr)
		return -ENOENT;
	*i = array_index_nospec(*i, w->table.nr);
	e = mqbus_window_entry(w, *i);
	ago = (s32)(e->lease - (u32)(lease >> 32));
	if (ago < 0 || !(lease >> 32))
		return -ENOENT;
	if (ago || e->flags & MQBUS_ENTRY_FORGOTTEN)
		return -ESTALE;
	if (e->state != MQBUS_ENTRY_LEASED)
		return e->flags & MQBUS_ENTRY_EXPIRED ? -ETIMEDOUT : -EALREADY;
	return e->seat == holder->seat ? 0 : -EPERM;
}

/**
 * mqbus_window_name() - see whether a lease can be settled with others at once
 * @w: the window
 * @holder: who asks
 * @lease: its number, from anywhere
 *
 * It is marked, so that it is not named twice, until mqbus_window_unname(); the group's
 * lock is held all the time.
 *
 * Return: as mqbus_window_find(); -EALREADY also if it is marked.
 */
int mqbus_window_name(struct mqbus_window *w, const struct mqbus_holder *holder, u64 lease)
{
	struct mqbus_entry *e;
	u32 i;
	int err = mqbus_window_find(w, holder, lease, &i);

	if (err)
		return err;
	e = mqbus_window_entry(w, i);
	if (e->flags & MQBUS_ENTRY_NAMED)
		return -EALREADY;
	e->flags |= MQBUS_ENTRY_NAMED;
	return 0;
}

/**
 * mqbus_window_unname() - take back a mark
 * @w: the window
 * @lease: a lease for which mqbus_window_name() was 0
 */
void mqbus_window_unname(struct mqbus_window *w, u64 lease)
{
	mqbus_window_entry(w, (u32)lease)->flags &= ~MQBUS_ENTRY_NAMED;
}

static int settle_check(const struct mqbus_settle *s)
{
	if (s->what > MQBUS_EXTEND)
		return -EOPNOTSUPP;
	if (s->error || (s->delay && (s->what == MQBUS_ACK || s->what == MQBUS_REJECT)))
		return -EINVAL;
	return s->delay > MQBUS_DELAY_MAX ? -ERANGE : 0;
}

static void lease_extend(struct mqbus_window *w, u32 i, u64 time, struct mqbus_now *now)
{
	w->stats.extended++;
	mqbus_heap_del(&w->table, i);
	if (time)
		mqbus_heap_add(&w->table, i, now->mono + time);
}

static void lease_settle(struct mqbus_window *w, u32 i, struct mqbus_holder *holder,
			 enum mqbus_settlement what, u64 delay, struct mqbus_now *now)
{
	trace_settle(w, i, what);
	mqbus_window_unlease(w, i, holder);
	switch (what) {
	case MQBUS_ACK:
		w->stats.acked++;
		mqbus_window_finish(w, i);
		break;
	case MQBUS_NACK:
		w->stats.nacked++;
		window_fail(w, i, holder, MQBUS_REASON_NACK, delay, now);
		break;
	case MQBUS_RELEASE:
		w->stats.released++;
		if (w->once)
			window_discard(w, i);
		else
			window_wait(w, i, delay, now);
		break;
	case MQBUS_REJECT:
	default:
		w->stats.rejected++;
		mqbus_window_entry(w, i)->reason = MQBUS_REASON_REJECTED;
		window_bury(w, i, holder, now);
		break;
	}
}

/**
 * mqbus_window_settle() - settle a lease
 * @w: the window
 * @holder: who says so
 * @settle: what is to become of it
 * @now: the time
 *
 * Return: 0 or a negative errno as of &struct mqbus_settle.
 */
int mqbus_window_settle(struct mqbus_window *w, struct mqbus_holder *holder,
			const struct mqbus_settle *settle, struct mqbus_now *now)
{
	u32 i;
	int err = settle_check(settle) ?: mqbus_window_find(w, holder, settle->lease, &i);

	if (err)
		return err;
	if (settle->what == MQBUS_EXTEND)
		lease_extend(w, i, settle->delay ?: w->conf.lease, now);
	else
		lease_settle(w, i, holder, settle->what, settle->delay, now);
	return 0;
}

/**
 * mqbus_window_settle_held() - settle all that a member holds
 * @w: the window
 * @holder: the member
 * @what: %MQBUS_ACK or %MQBUS_RELEASE
 * @max: no more than so many
 * @now: the time
 *
 * Return: how many.
 */
u32 mqbus_window_settle_held(struct mqbus_window *w, struct mqbus_holder *holder,
			     enum mqbus_settlement what, u32 max,
			     struct mqbus_now *now)
{
	u32 n;

	for (n = 0; n < max && holder->nr; n++)
		lease_settle(w, holder->leases.first, holder, what, 0, now);
	return n;
}

/**
 * mqbus_window_leave() - a member goes with what it holds
 * @w: the window
 * @holder: the member
 * @max: look at no more than so many
 * @now: the time
 *
 * What it held is handed out again at once, but for what has failed too often.
 *
 * Return: whether it holds more.
 */
bool mqbus_window_leave(struct mqbus_window *w, struct mqbus_holder *holder, u32 max,
			struct mqbus_now *now)
{
	while (max-- && holder->nr) {
		u32 i = holder->leases.first;

		mqbus_window_unlease(w, i, holder);
		w->stats.died++;
		window_fail(w, i, holder, MQBUS_REASON_DIED, 0, now);
	}
	return holder->nr;
}

/**
 * mqbus_window_tick() - do what is due
 * @w: the window
 * @max: no more than so many
 * @now: the time
 *
 * Return: whether there is more to do now.
 */
bool mqbus_window_tick(struct mqbus_window *w, u32 max, struct mqbus_now *now)
{
	while (mqbus_window_due(w) <= now->mono) {
		u32 i = mqbus_heap_top(&w->table);
		struct mqbus_entry *e = mqbus_window_entry(w, i);
		struct mqbus_holder *holder;

		if (!max-- || mqbus_window_over(w))
			return true;
		w->steps--;
		if (e->state == MQBUS_ENTRY_LEASED) {
			holder = w->seats[e->seat];
			mqbus_window_unlease(w, i, holder);
			w->stats.expired++;
			e->flags |= MQBUS_ENTRY_EXPIRED;
			window_fail(w, i, holder, MQBUS_REASON_EXPIRED, 0, now);
		} else {
			mqbus_heap_del(&w->table, i);
			if (e->place != MQBUS_PLACE_RETRY)
				mqbus_list_del(&w->table, &w->stay, MQBUS_LIST, i);
			entry_turn(w, e, MQBUS_ENTRY_READY);
			mqbus_window_again(w, i);
		}
	}
	return false;
}

/**
 * mqbus_window_undead() - a dead letter is none any more
 * @w: the window
 * @i: an entry of @dead; what becomes of it comes next
 */
void mqbus_window_undead(struct mqbus_window *w, u32 i)
{
	u32 next = mqbus_window_entry(w, i)->list.next;

	if (w->letter == i)
		w->letter = next;
	if (w->stow == i)
		w->stow = next;
	mqbus_list_del(&w->table, &w->dead, MQBUS_LIST, i);
	mqbus_window_entry(w, i)->heap = MQBUS_NONE;	/* was the uid */
	w->nr_dead--;
}

/**
 * mqbus_window_buried() - a dead letter is where it belongs
 * @w: the window
 * @i: an entry of @dead
 */
void mqbus_window_buried(struct mqbus_window *w, u32 i)
{
	mqbus_window_undead(w, i);
	w->stats.buried++;
	mqbus_window_finish(w, i);
}

/**
 * mqbus_window_unburied() - a dead letter finds no room in its topic
 * @w: the window
 * @i: @letter
 *
 * The next one is @letter then: it may be for another partition, which has room.
 */
void mqbus_window_unburied(struct mqbus_window *w, u32 i)
{
	if (w->letter == i)
		w->letter = mqbus_window_entry(w, i)->list.next;
}

/**
 * mqbus_window_rebury() - there may be room for dead letters again
 * @w: the window
 *
 * So the oldest of them is @letter again.
 */
void mqbus_window_rebury(struct mqbus_window *w)
{
	w->letter = w->dead.first;
}
