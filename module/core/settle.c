// SPDX-License-Identifier: GPL-2.0
/*
 * Settlement of records that were handed out: by their member, by its death, or by time
 * (mqbus_inflight_tick(): leases that expire).
 */
#include "trace.h"
#include "state.h"

const struct mqbus_trace *mqbus_trace;

static const char * const settlement_names[] = {
	[MQBUS_ACK] = "ack",
	[MQBUS_NACK] = "nack",
	[MQBUS_RELEASE] = "release",
	[MQBUS_REJECT] = "reject",
};

static void trace_settle(const struct mqbus_inflight *f, u32 i, enum mqbus_settlement what)
{
	const struct mqbus_trace *trace = READ_ONCE(mqbus_trace);

	if (unlikely(trace))
		trace->settle(f, i, settlement_names[what]);
}

static void trace_retry(const struct mqbus_inflight *f, u32 i, u64 wait)
{
	const struct mqbus_trace *trace = READ_ONCE(mqbus_trace);

	if (unlikely(trace))
		trace->retry(f, i, mqbus_reason_name(mqbus_inflight_entry(f, i)->reason), wait);
}

/* Settle a record; its entry is in no list but its source's. */
void mqbus_inflight_finish(struct mqbus_inflight *f, u32 i)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);
	struct mqbus_source *source = mqbus_inflight_source(f, e);
	u32 next = MQBUS_NONE;

	if (f->keys && mqbus_inflight_record(f, i)->key_len) {
		next = mqbus_keys_remove(f->keys, &f->table, i);
		f->unheld++;	/* the key is free, or a place behind it */
	}
	if (e->place == MQBUS_PLACE_RETRY) {
		f->retry_live -= mqbus_inflight_record(f, i)->size;
		mqbus_retry_changed(f);
	}
	mqbus_entry_settle(f, e);
	if (f->watchers)
		f->freed = true;
	mqbus_source_del(f, source, i);
	mqbus_table_put(&f->table, i);
	if (next != MQBUS_NONE)
		mqbus_inflight_again(f, next);
}

static void inflight_wait(struct mqbus_inflight *f, u32 i, u64 wait, struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	if (!wait) {
		mqbus_inflight_again(f, i);
		return;
	}
	mqbus_entry_fail(f, e, MQBUS_ENTRY_WAITING);
	mqbus_heap_add(&f->table, i, now->mono + wait);
	if (e->place == MQBUS_PLACE_RETRY)
		return;
	mqbus_list_add(&f->table, &f->stay, MQBUS_LIST, i);
	/* The rest is done when the lock is dropped */
	mqbus_inflight_stow(f);
}

static void inflight_discard(struct mqbus_inflight *f, u32 i)
{
	f->stats.discarded++;
	mqbus_inflight_finish(f, i);
}

static void inflight_bury(struct mqbus_inflight *f, u32 i, const struct mqbus_holder *holder,
			  struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	if (!f->conf.dlq) {
		inflight_discard(f, i);
		return;
	}
	mqbus_entry_fail(f, e, MQBUS_ENTRY_DEAD);
	e->time = now->real;
	e->pid = holder->pid;
	e->uid = holder->uid;
	mqbus_list_add(&f->table, &f->dead, MQBUS_LIST, i);
	if (f->letter == MQBUS_NONE)
		f->letter = i;
	if (f->stow == MQBUS_NONE)
		f->stow = i;
}

/* @wait: ns until the next attempt; 0: by the backoff, except after a death */
static void inflight_fail(struct mqbus_inflight *f, u32 i, const struct mqbus_holder *holder,
			  enum mqbus_reason reason, u64 wait, struct mqbus_now *now)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	e->reason = reason;
	if (f->once) {
		inflight_discard(f, i);
		return;
	}
	if (e->failures < U16_MAX)
		e->failures++;
	if (f->conf.max_attempts && e->failures >= f->conf.max_attempts) {
		inflight_bury(f, i, holder, now);
		return;
	}
	if (reason == MQBUS_REASON_DIED)
		wait = 0;
	else if (!wait)
		wait = mqbus_backoff_wait(&f->conf.backoff, e->failures, now->chance);
	/* Records that failed together should not come back together */
	now->chance = now->chance * 1664525 + 1013904223;
	trace_retry(f, i, wait);
	/* Members die for other reasons, too: the first time their records stay where they are */
	if (!wait && (reason != MQBUS_REASON_DIED || e->failures > 1))
		mqbus_retry_try(f, i);
	inflight_wait(f, i, wait, now);
}

/**
 * mqbus_inflight_find() - the entry of a lease
 * @f: the in-flight table
 * @holder: the member that asks
 * @lease: its number, not trusted
 * @i: filled with the entry on success
 *
 * Return: 0 if @holder has it, else a negative errno as of &struct mqbus_settle.
 */
int mqbus_inflight_find(const struct mqbus_inflight *f, const struct mqbus_holder *holder,
			u64 lease, u32 *i)
{
	struct mqbus_entry *e;
	s32 ago;

	*i = (u32)lease;
	if (*i >= f->table.nr)
		return -ENOENT;
	*i = array_index_nospec(*i, f->table.nr);
	e = mqbus_inflight_entry(f, *i);
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
 * mqbus_inflight_name() - check and mark a lease that a transaction settles
 * @f: the in-flight table
 * @holder: the member that asks
 * @lease: its number, not trusted
 *
 * The mark keeps a transaction from naming a lease twice, until mqbus_inflight_unname(); the
 * group's lock is held all the time.
 *
 * Return: as mqbus_inflight_find(); -EALREADY also if it is marked.
 */
int mqbus_inflight_name(struct mqbus_inflight *f, const struct mqbus_holder *holder, u64 lease)
{
	struct mqbus_entry *e;
	u32 i;
	int err = mqbus_inflight_find(f, holder, lease, &i);

	if (err)
		return err;
	e = mqbus_inflight_entry(f, i);
	if (e->flags & MQBUS_ENTRY_NAMED)
		return -EALREADY;
	e->flags |= MQBUS_ENTRY_NAMED;
	return 0;
}

/* Remove the mark that a successful mqbus_inflight_name() set. */
void mqbus_inflight_unname(struct mqbus_inflight *f, u64 lease)
{
	mqbus_inflight_entry(f, (u32)lease)->flags &= ~MQBUS_ENTRY_NAMED;
}

static int settle_check(const struct mqbus_settle *s)
{
	if (s->what > MQBUS_EXTEND)
		return -EOPNOTSUPP;
	if (s->error || (s->delay && (s->what == MQBUS_ACK || s->what == MQBUS_REJECT)))
		return -EINVAL;
	return s->delay > MQBUS_DELAY_MAX ? -ERANGE : 0;
}

/* A lease with an end keeps one: a member that renews it by the group's time may be stuck */
static int lease_extend(struct mqbus_inflight *f, u32 i, u64 delay, struct mqbus_now *now)
{
	u64 time = delay ?: f->conf.lease;

	if (!time && mqbus_inflight_entry(f, i)->heap != MQBUS_NONE)
		return -EINVAL;
	f->stats.extended++;
	mqbus_heap_del(&f->table, i);
	if (time)
		mqbus_heap_add(&f->table, i, now->mono + time);
	return 0;
}

static void lease_settle(struct mqbus_inflight *f, u32 i, struct mqbus_holder *holder,
			 enum mqbus_settlement what, u64 delay, struct mqbus_now *now)
{
	trace_settle(f, i, what);
	mqbus_inflight_unlease(f, i, holder);
	switch (what) {
	case MQBUS_ACK:
		f->stats.acked++;
		mqbus_inflight_finish(f, i);
		break;
	case MQBUS_NACK:
		f->stats.nacked++;
		inflight_fail(f, i, holder, MQBUS_REASON_NACK, delay, now);
		break;
	case MQBUS_RELEASE:
		f->stats.released++;
		if (f->once)
			inflight_discard(f, i);
		else
			inflight_wait(f, i, delay, now);
		break;
	case MQBUS_REJECT:
	default:
		f->stats.rejected++;
		mqbus_inflight_entry(f, i)->reason = MQBUS_REASON_REJECTED;
		inflight_bury(f, i, holder, now);
		break;
	}
}

/**
 * mqbus_inflight_settle() - settle a lease
 * @f: the in-flight table
 * @holder: the member that settles
 * @settle: lease and settlement
 * @now: the time
 *
 * Return: 0 or a negative errno as of &struct mqbus_settle.
 */
int mqbus_inflight_settle(struct mqbus_inflight *f, struct mqbus_holder *holder,
			  const struct mqbus_settle *settle, struct mqbus_now *now)
{
	u32 i;
	int err = settle_check(settle) ?: mqbus_inflight_find(f, holder, settle->lease, &i);

	if (err)
		return err;
	if (settle->what == MQBUS_EXTEND)
		return lease_extend(f, i, settle->delay, now);
	lease_settle(f, i, holder, settle->what, settle->delay, now);
	return 0;
}

/**
 * mqbus_inflight_settle_held() - settle all leases of a member
 * @f: the in-flight table
 * @holder: the member
 * @what: %MQBUS_ACK or %MQBUS_RELEASE
 * @max: limit of leases to settle
 * @now: the time
 *
 * Return: number of leases settled.
 */
u32 mqbus_inflight_settle_held(struct mqbus_inflight *f, struct mqbus_holder *holder,
			       enum mqbus_settlement what, u32 max,
			       struct mqbus_now *now)
{
	u32 n;

	for (n = 0; n < max && holder->nr; n++)
		lease_settle(f, holder->leases.first, holder, what, 0, now);
	return n;
}

/**
 * mqbus_inflight_leave() - a member leaves with its leases
 * @f: the in-flight table
 * @holder: the member
 * @max: limit of leases to look at
 * @now: the time
 *
 * Its records are handed out again at once, except those that have failed too often.
 *
 * Return: whether it has more leases.
 */
bool mqbus_inflight_leave(struct mqbus_inflight *f, struct mqbus_holder *holder, u32 max,
			  struct mqbus_now *now)
{
	while (max-- && holder->nr) {
		u32 i = holder->leases.first;

		mqbus_inflight_unlease(f, i, holder);
		f->stats.died++;
		inflight_fail(f, i, holder, MQBUS_REASON_DIED, 0, now);
	}
	return holder->nr;
}

/* Do due work, at most @max entries. Return: whether more is due now. */
bool mqbus_inflight_tick(struct mqbus_inflight *f, u32 max, struct mqbus_now *now)
{
	while (mqbus_inflight_due(f) <= now->mono) {
		u32 i = mqbus_heap_top(&f->table);
		struct mqbus_entry *e = mqbus_inflight_entry(f, i);
		struct mqbus_holder *holder;

		if (!max-- || mqbus_inflight_over(f))
			return true;
		f->steps--;
		if (e->state == MQBUS_ENTRY_LEASED) {
			holder = f->seats[e->seat];
			mqbus_inflight_unlease(f, i, holder);
			f->stats.expired++;
			e->flags |= MQBUS_ENTRY_EXPIRED;
			inflight_fail(f, i, holder, MQBUS_REASON_EXPIRED, 0, now);
		} else {
			mqbus_heap_del(&f->table, i);
			if (e->place != MQBUS_PLACE_RETRY)
				mqbus_list_del(&f->table, &f->stay, MQBUS_LIST, i);
			mqbus_inflight_again(f, i);
		}
	}
	return false;
}

/* Remove a dead letter from @dead. The entry is ready, and in no list: the caller settles it. */
void mqbus_inflight_undead(struct mqbus_inflight *f, u32 i)
{
	struct mqbus_entry *e = mqbus_inflight_entry(f, i);
	u32 next = e->list.next;

	if (f->letter == i)
		f->letter = next;
	if (f->stow == i)
		f->stow = next;
	mqbus_list_del(&f->table, &f->dead, MQBUS_LIST, i);
	e->heap = MQBUS_NONE;	/* was the uid */
	mqbus_entry_ready(f, e);
}

/* A dead letter of @dead was stored in the DLQ. */
void mqbus_inflight_buried(struct mqbus_inflight *f, u32 i)
{
	mqbus_inflight_undead(f, i);
	f->stats.buried++;
	mqbus_inflight_finish(f, i);
}

/* @letter finds no room in the DLQ. The next one may go to a partition with room. */
void mqbus_inflight_unburied(struct mqbus_inflight *f, u32 i)
{
	if (f->letter == i)
		f->letter = mqbus_inflight_entry(f, i)->list.next;
}

/* The DLQ may have room again: start over with the oldest dead letter. */
void mqbus_inflight_rebury(struct mqbus_inflight *f)
{
	f->letter = f->dead.first;
}
