// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on the in-flight table, each compared with a model, which is lists of
 * records with their state. Decisions that the model leaves open - the next partition, whether
 * the retry ring had room - are taken from the table, after a check that they are allowed.
 */
#include <errno.h>

#include "group.h"

#define RUN_OPS		1500
#define RUN_RECORDS	(1 << 13)
#define ENTRIES		256
#define CREDIT		64

enum state { UNTAKEN, LEASED, READY, WAITING, DEAD, HELD, DONE };

static const enum state states[] = {
	[MQBUS_ENTRY_FREE] = DONE,
	[MQBUS_ENTRY_LEASED] = LEASED,
	[MQBUS_ENTRY_READY] = READY,
	[MQBUS_ENTRY_WAITING] = WAITING,
	[MQBUS_ENTRY_DEAD] = DEAD,
	[MQBUS_ENTRY_HELD] = HELD,
};

struct rec {
	u32 source;
	u32 size;
	u32 key;
	u32 entry;	/* its entry, while it is neither UNTAKEN nor DONE */
	u64 offset;
	u64 begin;	/* in its partition */
	u64 pos;	/* in its current ring */
	enum state state;
	enum mqbus_entry_place place;
	u32 holder;
	u32 failures;
	u64 lease;
	u64 due;	/* 0: never */
	u64 first;
	enum mqbus_reason reason;
	u32 got;	/* times handed out, except those taken back */
	u64 seen;	/* the last check that has seen it */
	bool tried;	/* for the DLQ, tried in vain */
};

/* Events that a run must have met */
enum met {
	RETRIED, REFUSED, MOVED, PASSED, HELD_BACK, BURIED, DISCARDED, UNTAKEN_AGAIN, FORGOTTEN,
	ENDED,
	IN_VAIN,
	TURNS,
	MET,
};

/* Records in some order */
struct list {
	struct rec *recs[2 * ENTRIES];
	u32 n;
};

/* The end of an entry's last lease */
struct last {
	u32 number;
	u32 holder;
	bool leased;
	bool expired;
	bool forgotten;
};

struct sim {
	struct group g;
	struct rng rng;
	struct group_options o;
	u32 most;	/* bytes of a record's parts */
	bool bad;	/* most records fail, and wait */
	bool hung;	/* the first member settles nothing */
	u32 patience;	/* how rarely the DLQ changes */
	struct mqbus_now now;
	u64 checks;
	u64 floors[GROUP_SOURCES];
	bool full;	/* the DLQ */
	bool half;	/* for some partitions only */
	struct mqbus_holder holders[GROUP_SEATS];
	bool seated[GROUP_SEATS];

	/* the model */
	struct rec *recs[GROUP_SOURCES];
	u64 published[GROUP_SOURCES];
	u64 taken[GROUP_SOURCES];
	struct list ready[MQBUS_PLACES];
	struct list stay;
	struct list dead;
	struct list leases[GROUP_SEATS];
	struct rec *heads[GROUP_KEYS];
	struct list held[GROUP_KEYS];
	u64 key_seen[GROUP_SOURCES][GROUP_KEYS];	/* the next offset that a key may show */
	bool again;	/* the last record handed out had been handed out before */
	bool stayed;	/* the last such record was not one of the retry ring */
	u32 outstanding;
	u64 reached;	/* records ever taken */
	u64 untried;	/* of these, forgotten before they were handed out */
	struct last last[ENTRIES];
	struct mqbus_inflight_stats stats;

	/* the last take, to be taken back */
	struct mqbus_leased got[CREDIT];
	u32 nr_got;
	u32 got_by;

	u64 met[MET];
};

static void list_add(struct list *l, struct rec *r)
{
	CHECK(l->n < ARRAY_SIZE(l->recs));
	l->recs[l->n++] = r;
}

static void list_push(struct list *l, struct rec *r)
{
	memmove(&l->recs[1], &l->recs[0], l->n++ * sizeof(r));
	l->recs[0] = r;
}

static void list_drop(struct list *l, const struct rec *r)
{
	u32 i;

	for (i = 0; i < l->n && l->recs[i] != r; i++)
		;
	CHECK(i < l->n);
	memmove(&l->recs[i], &l->recs[i + 1], (--l->n - i) * sizeof(r));
}

static const struct mqbus_entry *entry_of(struct sim *s, const struct rec *r)
{
	return mqbus_inflight_entry(&s->g.w, r->entry);
}

static struct rec *rec_of(struct sim *s, u32 entry)
{
	u32 source = mqbus_inflight_entry(&s->g.w, entry)->partition;
	u64 offset = mqbus_inflight_record(&s->g.w, entry)->offset;

	CHECK(source < s->o.sources && offset < s->published[source]);
	return &s->recs[source][offset];
}

/* The table's counters, counted again */
struct counts {
	u32 inflight;
	u32 retrying;
	u32 held;
	u32 leased;
	u32 dead;
	u32 due;
	u64 live;
	u32 pending[GROUP_SOURCES];
	u32 aside[GROUP_SOURCES];
};

/* Each outstanding record of the model is in the table */
static void count(struct sim *s, struct counts *c)
{
	u32 source;
	u64 i;

	memset(c, 0, sizeof(*c));
	for (source = 0; source < s->o.sources; source++)
		for (i = 0; i < s->taken[source]; i++) {
			const struct rec *r = &s->recs[source][i];
			bool leased = r->state == LEASED, retry = r->place == MQBUS_PLACE_RETRY;

			if (r->state == DONE)
				continue;
			c->pending[source]++;
			c->leased += leased;
			c->retrying += retry;
			c->aside[source] += retry || r->state == WAITING || r->state == DEAD;
			c->live += retry ? r->size : 0;
			c->held += r->place == MQBUS_PLACE_HELD;
			c->inflight += r->place == MQBUS_PLACE_RING || (retry && leased);
			c->dead += r->state == DEAD;
			c->due += r->due != 0;
		}
}

static void check_order(struct sim *s, const struct mqbus_list *list, const struct list *want)
{
	u32 at = list->first, i;

	for (i = 0; i < want->n; i++) {
		CHECK(at == want->recs[i]->entry);
		at = mqbus_inflight_entry(&s->g.w, at)->list.next;
	}
	CHECK(at == MQBUS_NONE);
}

static void check_entry(struct sim *s, u32 i)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(&s->g.w, i);
	struct rec *r = rec_of(s, i);

	CHECK(r->state != UNTAKEN && r->state != DONE && r->entry == i && r->seen != s->checks);
	r->seen = s->checks;
	CHECK(states[e->state] == r->state && e->place == r->place);
	CHECK(e->failures == r->failures && e->first == r->first);
	if (r->pos != e->pos) {
		/* To the end of the retry ring; a member reads where it was told */
		CHECK(r->place == MQBUS_PLACE_RETRY && e->pos > r->pos);
		CHECK(r->state != LEASED || !((e->pos - r->pos) % s->o.retry_size));
		s->met[r->state == LEASED ? PASSED : MOVED]++;
		r->pos = e->pos;
	}
	CHECK(group_whole(mqbus_inflight_record(&s->g.w, i), r->source, r->offset, r->size,
			  r->key));
	if (r->state == LEASED)
		CHECK(e->seat == r->holder && e->lease == r->lease >> 32);
	if (r->state == DEAD)
		CHECK(e->pid == 100 + r->holder && e->uid == 200 + r->holder &&
		      e->reason == r->reason);
	else
		CHECK((e->heap != MQBUS_NONE) == (r->due != 0));
	if (r->due)
		CHECK(e->time == r->due);
}

/* The floor is where the oldest record that still lies there begins */
static void check_floors(struct sim *s)
{
	u64 oldest[GROUP_SOURCES];
	bool moved = false;
	u32 i;

	mqbus_inflight_flush(&s->g.w);
	for (i = 0; i < s->o.sources; i++)
		oldest[i] = s->g.cursors[i].given.pos;
	for (i = 0; i < s->g.w.table.nr; i++) {
		const struct mqbus_entry *e = mqbus_inflight_entry(&s->g.w, i);

		if (e->state != MQBUS_ENTRY_FREE && e->place != MQBUS_PLACE_RETRY)
			oldest[e->partition] = min(oldest[e->partition], e->pos);
	}
	for (i = 0; i < s->o.sources; i++) {
		CHECK(mqbus_cursor_floor(&s->g.cursors[i]) == oldest[i]);
		moved |= oldest[i] != s->floors[i];
		s->floors[i] = oldest[i];
		CHECK(s->g.cursors[i].given.offset == s->taken[i]);
	}
	CHECK(s->g.w.freed == moved);
	s->g.w.freed = false;
}

static bool key_busy(struct sim *s, const struct rec *r)
{
	return s->o.max_held && r->key && s->heads[r->key];
}

/* Whether a take would hand out a record, or hold one back */
static bool would_take(struct sim *s, const struct counts *c, u32 holder)
{
	const struct mqbus_inflight_conf *conf = &s->g.w.conf;
	u32 i;

	if (s->leases[holder].n >= conf->credit)
		return false;
	if (s->ready[MQBUS_PLACE_RING].n)
		return true;
	if (c->inflight >= conf->max_inflight)
		return false;
	if (s->ready[MQBUS_PLACE_RETRY].n || s->ready[MQBUS_PLACE_HELD].n)
		return true;
	for (i = 0; i < s->o.sources; i++)
		if (s->taken[i] < s->published[i] &&
		    (c->held < s->o.max_held || !key_busy(s, &s->recs[i][s->taken[i]])))
			return true;
	return false;
}

static bool inflight_ready(struct sim *s, u32 holder)
{
	u32 left = U32_MAX;
	bool ready = mqbus_inflight_ready(&s->g.w, &s->holders[holder], &left);

	CHECK(!left);
	return ready;
}

static void check_ready(struct sim *s, const struct counts *c)
{
	struct mqbus_leased none;
	u32 i, left;

	for (i = 0; i < GROUP_SEATS; i++) {
		if (!s->seated[i])
			continue;
		if (would_take(s, c, i)) {
			CHECK(inflight_ready(s, i));
		} else if (inflight_ready(s, i)) {
			/* A settlement, but not the one that a partition waits for */
			CHECK(s->o.max_held && c->held == s->o.max_held);
			s->met[IN_VAIN]++;
			left = U32_MAX;
			CHECK(!mqbus_inflight_take(&s->g.w, &s->holders[i], &none, 1, 0, 1, &left));
			CHECK(!left && !inflight_ready(s, i));
		}
	}
}

static void check_stats(struct sim *s, const struct counts *c)
{
	const struct mqbus_inflight_stats *t = &s->g.w.stats;

	CHECK(!memcmp(t, &s->stats, sizeof(*t)));
	CHECK(t->delivered == t->acked + t->nacked + t->released + t->rejected + t->expired +
			      t->died + c->leased);
	CHECK(t->redelivered <= t->delivered && !t->deaths);
	/* Each record ever taken is settled, given up, or still there */
	CHECK(s->reached == t->acked + t->buried + t->discarded + s->untried + s->outstanding);
}

static void check_keys(struct sim *s)
{
	u32 k, i;

	for (k = 1; s->o.max_held && k < GROUP_KEYS; k++) {
		const struct list *held = &s->held[k];

		CHECK(s->heads[k] || !held->n);
		if (!s->heads[k])
			continue;
		CHECK(s->heads[k]->state != HELD && s->heads[k]->state != DONE);
		check_order(s, &s->g.keys.heads[s->heads[k]->entry].held, held);
		CHECK(mqbus_keys_find(&s->g.keys,
				      mqbus_inflight_record(&s->g.w, s->heads[k]->entry)) ==
		      s->heads[k]->entry);
		for (i = 0; i < held->n; i++)
			CHECK(held->recs[i]->state == HELD && held->recs[i]->key == k);
	}
}

/*
 * Whether the retry ring has room for a record: as much as between two leased ones, if all
 * others between them are moved together.
 */
static bool retry_fits(struct sim *s, const struct rec *r)
{
	const struct mqbus_source *source = &s->g.source[s->o.sources];
	u64 first = 0, begin = 0, gap = 0, most = 0, before = 0;
	bool leased = false;
	struct counts c;
	u32 i;

	count(s, &c);
	if (c.retrying >= s->o.max_retry || c.live + r->size + s->o.margin > s->o.retry_size)
		return false;
	for (i = source->order.first; i != MQBUS_NONE;
	     i = mqbus_inflight_entry(&s->g.w, i)->order.next) {
		const struct mqbus_entry *e = mqbus_inflight_entry(&s->g.w, i);
		u32 size = mqbus_inflight_record(&s->g.w, i)->size;

		if (e->state != MQBUS_ENTRY_LEASED) {
			*(leased ? &gap : &before) += size;
			continue;
		}
		if (leased)
			most = max(most, e->pos - begin - gap);
		else
			first = e->pos;
		leased = true;
		begin = e->pos + size;
		gap = 0;
	}
	if (!leased)
		return true;
	return max(most, first + s->o.retry_size - begin - gap - before) >= r->size;
}

/* Whether a record that was to be moved to the retry ring was moved */
static bool model_retried(struct sim *s, struct rec *r)
{
	if (entry_of(s, r)->place != MQBUS_PLACE_RETRY)
		return false;
	if (r->place != MQBUS_PLACE_RETRY) {
		s->met[RETRIED]++;
		r->place = MQBUS_PLACE_RETRY;
		r->pos = entry_of(s, r)->pos;
	}
	return true;
}

/*
 * Drop the lock. A record waits in its partition only if the retry ring has no room for it or
 * for one before it; so does a dead letter whose DLQ is full.
 */
static void unlock(struct sim *s, bool full)
{
	u32 i;

	group_unlock(&s->g, full);
	while (s->stay.n && model_retried(s, s->stay.recs[0]))
		list_drop(&s->stay, s->stay.recs[0]);
	if (s->stay.n) {
		CHECK(!retry_fits(s, s->stay.recs[0]));
		s->met[REFUSED]++;
	}
	for (i = 0; i < s->stay.n; i++)
		CHECK(entry_of(s, s->stay.recs[i])->place == MQBUS_PLACE_RING);
	if (!full)
		return;
	for (i = 0; i < s->dead.n && model_retried(s, s->dead.recs[i]); i++)
		;
	if (i < s->dead.n && !s->stay.n) {
		CHECK(!retry_fits(s, s->dead.recs[i]));
		s->met[REFUSED]++;
	}
	for (; i < s->dead.n; i++)
		CHECK(entry_of(s, s->dead.recs[i])->place == s->dead.recs[i]->place);
}

static void check_all(struct sim *s)
{
	struct mqbus_inflight *w = &s->g.w;
	struct counts c;
	u32 used = 0, i;

	unlock(s, false);
	s->checks++;
	for (i = 0; i < w->table.nr; i++)
		if (mqbus_inflight_entry(w, i)->state != MQBUS_ENTRY_FREE) {
			check_entry(s, i);
			used++;
		}
	/* Each is the model's, and none is there twice, so none is lost */
	CHECK(used == s->outstanding && w->table.used == used);
	count(s, &c);
	CHECK(w->nr == c.inflight && w->retrying == c.retrying && w->held == c.held);
	CHECK(w->leased == c.leased && w->nr_dead == c.dead && w->retry_live == c.live);
	CHECK(w->table.heap == c.due && w->walk == MQBUS_NONE);
	CHECK(w->retrying <= w->max_retry && w->held <= w->max_held);
	for (i = 0; i < s->o.sources; i++)
		CHECK(s->g.source[i].pending == c.pending[i] && s->g.source[i].aside == c.aside[i]);
	check_floors(s);
	for (i = 0; i < MQBUS_PLACES; i++)
		check_order(s, &w->ready[i], &s->ready[i]);
	check_order(s, &w->stay, &s->stay);
	check_order(s, &w->dead, &s->dead);
	for (i = 0; i < GROUP_SEATS; i++)
		if (s->seated[i]) {
			CHECK(s->holders[i].nr == s->leases[i].n);
			check_order(s, &s->holders[i].leases, &s->leases[i]);
		}
	check_keys(s);
	check_stats(s, &c);
	check_ready(s, &c);
}

static void model_again(struct sim *s, struct rec *r)
{
	r->state = READY;
	list_add(&s->ready[r->place], r);
}

static void model_finish(struct sim *s, struct rec *r)
{
	r->state = DONE;
	r->due = 0;
	s->outstanding--;
	if (!s->o.max_held || !r->key)
		return;
	if (s->heads[r->key] != r) {
		list_drop(&s->held[r->key], r);
		return;
	}
	s->heads[r->key] = NULL;
	if (s->held[r->key].n) {
		struct rec *next = s->held[r->key].recs[0];

		list_drop(&s->held[r->key], next);
		s->heads[r->key] = next;
		model_again(s, next);
	}
}

static void model_wait(struct sim *s, struct rec *r, u64 wait)
{
	if (!wait) {
		/* Nothing overtakes what waits for room */
		if (r->place != MQBUS_PLACE_RETRY && model_retried(s, r))
			CHECK(!s->stay.n);
		model_again(s, r);
		return;
	}
	r->state = WAITING;
	r->due = s->now.mono + wait;
	if (r->place != MQBUS_PLACE_RETRY)
		list_add(&s->stay, r);
}

static void model_discard(struct sim *s, struct rec *r)
{
	s->stats.discarded++;
	s->met[DISCARDED]++;
	model_finish(s, r);
}

static void model_bury(struct sim *s, struct rec *r, enum mqbus_reason reason)
{
	r->reason = reason;
	if (!s->g.w.conf.dlq) {
		model_discard(s, r);
		return;
	}
	r->state = DEAD;
	r->tried = false;
	list_add(&s->dead, r);
}

static void model_unlease(struct sim *s, struct rec *r)
{
	CHECK(r->state == LEASED);
	list_drop(&s->leases[r->holder], r);
	s->last[r->entry].leased = false;
	r->due = 0;
}

/* @chance: its value before */
static void model_fail(struct sim *s, struct rec *r, enum mqbus_reason reason, u64 delay,
		       u32 chance)
{
	const struct mqbus_inflight_conf *conf = &s->g.w.conf;

	if (s->o.once) {
		model_discard(s, r);
		return;
	}
	r->failures++;
	if (conf->max_attempts && r->failures >= conf->max_attempts)
		model_bury(s, r, reason);
	else if (reason == MQBUS_REASON_DIED)
		model_wait(s, r, 0);
	else
		model_wait(s, r, delay ?: mqbus_backoff_wait(&conf->backoff, r->failures, chance));
}

static void model_settle(struct sim *s, struct rec *r, enum mqbus_settlement what, u64 delay,
			 u32 chance)
{
	if (what == MQBUS_EXTEND) {
		delay = delay ?: s->g.w.conf.lease;
		r->due = delay ? s->now.mono + delay : 0;
		s->stats.extended++;
		return;
	}
	model_unlease(s, r);
	switch (what) {
	case MQBUS_ACK:
		s->stats.acked++;
		model_finish(s, r);
		break;
	case MQBUS_NACK:
		s->stats.nacked++;
		model_fail(s, r, MQBUS_REASON_NACK, delay, chance);
		break;
	case MQBUS_RELEASE:
		s->stats.released++;
		if (s->o.once)
			model_discard(s, r);
		else
			model_wait(s, r, delay);
		break;
	default:
		s->stats.rejected++;
		model_bury(s, r, MQBUS_REASON_REJECTED);
		break;
	}
}

static void op_publish(struct sim *s)
{
	u32 n = rng_once(&s->rng, 16) ? 30 : 1 + rng_below(&s->rng, 4);
	u32 source = rng_below(&s->rng, s->o.sources);

	for (; n; n--) {
		u64 offset = s->published[source];
		u32 key = rng_once(&s->rng, 4) ? 0 : 1 + rng_below(&s->rng, GROUP_KEYS - 1);
		u32 size = sizeof(struct mqbus_record) + 8 +
			   rng_below(&s->rng, rng_once(&s->rng, 8) ? s->o.margin - 71 :
								     s->most + 1) / 8 * 8;
		struct rec *r = &s->recs[source][offset];
		u64 pos = s->g.rings[source].tail.pos;

		/* Few keys at times, so that records wait for them */
		if (key && rng_once(&s->rng, 2))
			key = 1 + key % 2;
		if (offset == RUN_RECORDS || !group_publish(&s->g, source, size, key))
			return;
		*r = (struct rec) {
			.source = source, .offset = offset, .size = size, .key = key, .begin = pos,
		};
		s->published[source]++;
	}
}

/* A record of a partition was reached: it is handed out, or held back */
static void model_take(struct sim *s, struct rec *r, bool hold)
{
	CHECK(r->state == UNTAKEN && hold == key_busy(s, r));
	r->place = hold ? MQBUS_PLACE_HELD : MQBUS_PLACE_RING;
	r->state = hold ? HELD : READY;
	r->entry = MQBUS_NONE;
	r->pos = r->begin;
	r->failures = 0;
	r->first = 0;
	r->got = 0;
	r->due = 0;
	s->taken[r->source]++;
	s->outstanding++;
	s->reached++;
	if (hold)
		list_add(&s->held[r->key], r);
	else if (s->o.max_held && r->key)
		s->heads[r->key] = r;
}

/* All records of a partition before @to had busy keys */
static u32 model_hold(struct sim *s, u32 source, u64 to)
{
	u32 n = 0;

	for (; s->taken[source] < to; n++)
		model_take(s, &s->recs[source][s->taken[source]], true);
	s->met[HELD_BACK] += n;
	return n;
}

static u32 model_inflight(struct sim *s)
{
	struct counts c;

	count(s, &c);
	return c.inflight;
}

/*
 * Whether a record that was never handed out can be; false also if that depends on how many are
 * held back before it
 */
static bool model_fresh(struct sim *s)
{
	struct counts c;
	bool any = false;
	u32 i;

	if (s->ready[MQBUS_PLACE_RING].n && !s->ready[MQBUS_PLACE_RING].recs[0]->first)
		return true;
	count(s, &c);
	if (c.inflight >= s->g.w.conf.max_inflight)
		return false;
	for (i = 0; i < s->o.sources; i++) {
		u64 at = s->taken[i];

		for (; at < s->published[i] && key_busy(s, &s->recs[i][at]); at++)
			c.held++;
		any |= at < s->published[i];
	}
	return s->ready[MQBUS_PLACE_HELD].n || (any && c.held <= s->o.max_held);
}

/* A record may be handed out next: those that had been and fresh ones alternate */
static void model_turn(struct sim *s, const struct rec *r)
{
	bool room = model_inflight(s) < s->g.w.conf.max_inflight;
	bool retry = room && s->ready[MQBUS_PLACE_RETRY].n;
	const struct rec *ring = s->ready[MQBUS_PLACE_RING].n ?
				 s->ready[MQBUS_PLACE_RING].recs[0] : NULL;
	bool fresh = r->state != READY || !r->first;

	if (s->again ? !fresh : ring || retry) {
		CHECK(!s->again || !model_fresh(s));
		CHECK(r->state == READY);
		CHECK(r->place == (retry && (!ring || s->stayed) ?
				   MQBUS_PLACE_RETRY : MQBUS_PLACE_RING));
		return;
	}
	s->met[TURNS] += s->again && (ring || retry);
	CHECK(fresh);
	if (ring && !ring->first) {
		CHECK(r == ring);
		return;
	}
	CHECK(room);
	CHECK(r->state == (s->ready[MQBUS_PLACE_HELD].n ? READY : UNTAKEN));
}

static void model_lease(struct sim *s, const struct mqbus_leased *l, u32 holder, u64 end)
{
	struct rec *r = &s->recs[l->partition][l->offset];
	u32 i = (u32)l->lease;

	model_turn(s, r);
	if (r->state == READY) {
		CHECK(s->ready[r->place].recs[0] == r);
		list_drop(&s->ready[r->place], r);
		i = r->entry;
	} else {
		model_hold(s, r->source, r->offset);
		model_take(s, r, false);
		r->entry = i;
	}
	CHECK((u32)l->lease == i && l->lease >> 32 > s->last[i].number);
	if (r->place == MQBUS_PLACE_HELD)
		r->place = MQBUS_PLACE_RING;
	CHECK(l->pos == r->pos && l->attempt == r->failures + 1 && !l->__reserved);
	CHECK(l->ring == (r->place == MQBUS_PLACE_RETRY ? MQBUS_RETRY : r->source));
	r->state = LEASED;
	r->holder = holder;
	r->lease = l->lease;
	r->due = end;
	list_add(&s->leases[holder], r);
	s->last[i] = (struct last) { .number = l->lease >> 32, .holder = holder, .leased = true };
	s->stats.delivered++;
	s->stats.redelivered += r->first != 0;
	s->again = r->first != 0;
	if (s->again)
		s->stayed = r->place != MQBUS_PLACE_RETRY;
	r->first = r->first ?: s->now.real;
	CHECK(!r->got++ || !s->o.once);

	/* One of a key at a time, and each after the one before it */
	if (s->o.max_held && r->key) {
		CHECK(s->heads[r->key] == r && r->offset >= s->key_seen[r->source][r->key]);
		s->key_seen[r->source][r->key] = r->offset;
	}
}

/*
 * Find the entries of the records just held back. The table chooses the order between
 * partitions of one take.
 */
static void adopt_held(struct sim *s)
{
	u32 k, i, n;

	for (k = 1; k < GROUP_KEYS; k++) {
		struct list *held = &s->held[k];
		u32 at = s->heads[k] ? s->g.keys.heads[s->heads[k]->entry].held.first : MQBUS_NONE;

		for (i = 0; i < held->n; i++) {
			struct rec *r;

			CHECK(at != MQBUS_NONE);
			r = rec_of(s, at);
			if (held->recs[i]->entry == MQBUS_NONE) {
				for (n = i; n < held->n && held->recs[n] != r; n++)
					CHECK(held->recs[n]->source != r->source);
				CHECK(n < held->n && r->entry == MQBUS_NONE);
				memmove(&held->recs[i + 1], &held->recs[i], (n - i) * sizeof(r));
				held->recs[i] = r;
				r->entry = at;
			}
			CHECK(held->recs[i] == r);
			at = mqbus_inflight_entry(&s->g.w, at)->list.next;
		}
	}
}

static void op_take(struct sim *s, u32 holder)
{
	u32 max = rng_once(&s->rng, 8) ? CREDIT : 1 + rng_below(&s->rng, 6), n, i;
	u64 lease = s->g.w.conf.lease, end = lease ? s->now.mono + lease : 0;
	u32 left = U32_MAX;
	struct counts c;

	n = mqbus_inflight_take(&s->g.w, &s->holders[holder], s->got, max, end, s->now.real, &left);
	CHECK(n <= max);
	for (i = 0; i < n; i++)
		model_lease(s, &s->got[i], holder, end);
	for (i = 0; i < s->o.sources; i++)
		model_hold(s, i, s->g.cursors[i].given.offset);
	adopt_held(s);
	/* There are fewer entries than one call may hold back */
	CHECK(!left);
	CHECK(s->leases[holder].n <= s->g.w.conf.credit || !n);
	count(s, &c);
	if (n < max)
		CHECK(!would_take(s, &c, holder));
	s->nr_got = n;
	s->got_by = holder;
}

/* Some of the last ones did not arrive, perhaps too late to be taken back */
static void op_untake(struct sim *s)
{
	u32 keep = s->nr_got ? rng_below(&s->rng, s->nr_got) : 0;
	u32 holder = rng_once(&s->rng, 16) ? rng_below(&s->rng, GROUP_SEATS) : s->got_by;

	if (!s->seated[holder])
		return;
	for (; s->nr_got > keep; s->nr_got--) {
		const struct mqbus_leased *l = &s->got[s->nr_got - 1];
		struct rec *r = &s->recs[l->partition][l->offset];

		mqbus_inflight_untake(&s->g.w, &s->holders[holder], l->lease);
		if (r->state != LEASED || r->lease != l->lease || r->holder != holder)
			continue;
		model_unlease(s, r);
		r->state = READY;
		list_push(&s->ready[r->place], r);
		s->stats.delivered--;
		s->again = !--r->got;
		if (s->again) {
			r->first = 0;
		} else {
			s->stats.redelivered--;
			s->stayed = r->place == MQBUS_PLACE_RETRY;
		}
		s->met[UNTAKEN_AGAIN]++;
	}
}

/* Result of settling a lease, as far as it depends on the lease */
static int model_result(struct sim *s, u64 lease, u32 holder)
{
	u32 i = (u32)lease, number = lease >> 32;

	if (i >= s->g.w.table.nr || !number || number > s->last[i].number)
		return -ENOENT;
	if (number < s->last[i].number || s->last[i].forgotten)
		return -ESTALE;
	if (!s->last[i].leased)
		return s->last[i].expired ? -ETIMEDOUT : -EALREADY;
	return s->last[i].holder == holder ? 0 : -EPERM;
}

static u64 some_lease(struct sim *s, u32 holder)
{
	u64 i, number;

	if (s->leases[holder].n && !rng_once(&s->rng, 4))
		return s->leases[holder].recs[rng_below(&s->rng, s->leases[holder].n)]->lease;
	/* Another member's, an old one, one not given yet, or one without an entry */
	i = rng_below(&s->rng, s->g.w.table.nr + 1);
	number = i < ENTRIES ? s->last[i].number + 1 : 1;
	return (number - rng_below(&s->rng, min(number + 1, 3ULL))) << 32 | i;
}

static u64 some_delay(struct sim *s)
{
	switch (rng_below(&s->rng, 4)) {
	case 0:
		return 1 + rng_below(&s->rng, 20);
	case 1:
		return rng_once(&s->rng, 4) ? MQBUS_DELAY_MAX + rng_below(&s->rng, 2) :
					      1 + rng_below(&s->rng, 2000);
	default:
		return 0;
	}
}

static void op_settle(struct sim *s, u32 holder)
{
	static const enum mqbus_settlement what[] = {
		MQBUS_ACK, MQBUS_ACK, MQBUS_ACK, MQBUS_NACK, MQBUS_NACK, MQBUS_RELEASE,
		MQBUS_REJECT, MQBUS_EXTEND,
	};
	struct mqbus_settle settle = {
		.lease = some_lease(s, holder),
		.what = rng_once(&s->rng, 50) ? 5 : what[rng_below(&s->rng, ARRAY_SIZE(what))],
		.error = rng_once(&s->rng, 50),
	};
	bool plain, over;
	int want;
	u32 chance = s->now.chance;
	struct rec *r = NULL;

	if (s->bad && settle.what == MQBUS_ACK && !rng_once(&s->rng, 8))
		settle.what = MQBUS_NACK;
	plain = settle.what == MQBUS_ACK || settle.what == MQBUS_REJECT;
	if (!plain || rng_once(&s->rng, 20))
		settle.delay = some_delay(s);
	if (settle.what > MQBUS_EXTEND)
		want = -EOPNOTSUPP;
	else if (settle.error || (plain && settle.delay))
		want = -EINVAL;
	else if (settle.delay > MQBUS_DELAY_MAX)
		want = -ERANGE;
	else
		want = model_result(s, settle.lease, holder);
	if (!want)
		r = rec_of(s, (u32)settle.lease);
	/* What has an end does not lose it */
	if (r && settle.what == MQBUS_EXTEND && !settle.delay && !s->g.w.conf.lease && r->due)
		want = -EINVAL;
	CHECK(mqbus_inflight_settle(&s->g.w, &s->holders[holder], &settle, &s->now) == want);
	if (!r)
		return;
	if (want) {
		CHECK(settle.what == MQBUS_EXTEND && r->due);
		return;
	}
	over = mqbus_inflight_over(&s->g.w);
	model_settle(s, r, settle.what, settle.delay, chance);
	/* What fails leaves its partition, also if it does not wait */
	if (settle.what == MQBUS_NACK && r->state == READY && r->place == MQBUS_PLACE_RING)
		CHECK(over || s->stay.n || !retry_fits(s, r));
}

static void op_settle_held(struct sim *s, u32 holder)
{
	enum mqbus_settlement what = rng_once(&s->rng, 2) ? MQBUS_ACK : MQBUS_RELEASE;
	u32 max = 1 + rng_below(&s->rng, 10), n = min(max, s->leases[holder].n), i;

	CHECK(mqbus_inflight_settle_held(&s->g.w, &s->holders[holder], what, max, &s->now) == n);
	for (i = 0; i < n; i++)
		model_settle(s, s->leases[holder].recs[0], what, 0, 0);
}

static void op_leave(struct sim *s, u32 holder)
{
	while (s->seated[holder]) {
		u32 max = rng_below(&s->rng, 4), n = min(max, s->leases[holder].n), i;
		bool more = mqbus_inflight_leave(&s->g.w, &s->holders[holder], max, &s->now);

		for (i = 0; i < n; i++) {
			struct rec *r = s->leases[holder].recs[0];

			model_unlease(s, r);
			s->stats.died++;
			model_fail(s, r, MQBUS_REASON_DIED, 0, 0);
		}
		CHECK(more == (s->leases[holder].n != 0));
		check_all(s);
		if (!more) {
			mqbus_inflight_stand(&s->g.w, &s->holders[holder]);
			s->seated[holder] = false;
		}
	}
}

static void op_sit(struct sim *s, u32 holder)
{
	struct mqbus_holder *h = &s->holders[holder];
	u32 i;

	if (s->seated[holder])
		return;
	/* Other seats are taken, so that a member's seat has its number */
	for (i = 0; i < holder; i++)
		if (!s->seated[i])
			return;
	h->pid = 100 + holder;
	h->uid = 200 + holder;
	CHECK(!mqbus_inflight_sit(&s->g.w, h) && h->seat == holder);
	s->seated[holder] = true;
}

/* One at a time, since leases with equal times expire in any order */
static void op_tick(struct sim *s)
{
	mqbus_inflight_flush(&s->g.w);
	s->now.mono += rng_once(&s->rng, 10) ? rng_below(&s->rng, 3000) : rng_below(&s->rng, 10);
	s->now.real = s->now.mono + 1000000;
	s->now.chance += rng_next(&s->rng);
	do {
		u64 due = mqbus_inflight_due(&s->g.w), least = U64_MAX;
		u32 chance = s->now.chance, source, late = 0;
		struct rec *r = NULL;
		bool more;
		u64 i;

		for (source = 0; source < s->o.sources; source++)
			for (i = 0; i < s->taken[source]; i++) {
				const struct rec *any = &s->recs[source][i];

				if (any->state == DONE || !any->due)
					continue;
				least = min(least, any->due);
				late += any->due <= s->now.mono;
			}
		CHECK(due == least);
		if (late)
			r = rec_of(s, mqbus_heap_top(&s->g.w.table));
		more = mqbus_inflight_tick(&s->g.w, 1, &s->now);
		if (!late) {
			CHECK(!more);
			return;
		}
		CHECK(r->due == least);
		if (r->state == LEASED) {
			model_unlease(s, r);
			s->last[r->entry].expired = true;
			s->stats.expired++;
			model_fail(s, r, MQBUS_REASON_EXPIRED, 0, chance);
		} else {
			CHECK(r->state == WAITING);
			r->due = 0;
			if (r->place != MQBUS_PLACE_RETRY)
				list_drop(&s->stay, r);
			model_again(s, r);
		}
		CHECK(more == (late > 1));
		check_all(s);
	} while (!rng_once(&s->rng, 20));
}

/* The first dead letter not tried since there may have been room */
static struct rec *model_letter(struct sim *s)
{
	u32 i;

	for (i = 0; i < s->dead.n && s->dead.recs[i]->tried; i++)
		;
	return i < s->dead.n ? s->dead.recs[i] : NULL;
}

/* Move dead letters to the DLQ, if that has room */
static void op_bury(struct sim *s)
{
	u32 n = rng_below(&s->rng, 4), i;
	bool full = false;
	struct rec *r;

	if (rng_once(&s->rng, s->patience)) {
		s->full = !s->full;
		s->half = rng_once(&s->rng, 2);
	}
	if (rng_once(&s->rng, 4)) {
		mqbus_inflight_rebury(&s->g.w);
		for (i = 0; i < s->dead.n; i++)
			s->dead.recs[i]->tried = false;
	}
	for (r = model_letter(s); r && n--; r = model_letter(s)) {
		CHECK(s->g.w.letter == r->entry);
		if (s->full && (!s->half || r->source % 2)) {
			mqbus_inflight_unburied(&s->g.w, r->entry);
			r->tried = true;
			full = true;
			continue;
		}
		mqbus_inflight_buried(&s->g.w, r->entry);
		list_drop(&s->dead, r);
		s->stats.buried++;
		s->met[BURIED]++;
		model_finish(s, r);
	}
	CHECK(s->g.w.letter == (r ? r->entry : MQBUS_NONE));
	if (full || rng_once(&s->rng, 8))
		unlock(s, true);
}

static void op_conf(struct sim *s)
{
	struct mqbus_inflight_conf *conf = &s->g.w.conf;

	switch (rng_below(&s->rng, 6)) {
	case 0:
		conf->max_inflight = s->o.max_inflight;
		if (rng_once(&s->rng, 2))
			conf->max_inflight = 1 + rng_below(&s->rng, s->o.max_inflight);
		break;
	case 1:
		conf->credit = 1 + rng_below(&s->rng, rng_once(&s->rng, 2) ? 4 : CREDIT);
		break;
	case 2:
		conf->max_attempts = rng_once(&s->rng, 2) ? 0 : 1 + rng_below(&s->rng, 5);
		break;
	case 3:
		conf->lease = rng_once(&s->rng, 4) ? 0 : 10 + rng_below(&s->rng, 200);
		break;
	case 4:
		conf->backoff = (struct mqbus_backoff) {
			.min = rng_once(&s->rng, 3) ? 0 : 1 + rng_below(&s->rng, 100),
			.max = 1 + rng_below(&s->rng, 1000),
			.factor = 100 + rng_below(&s->rng, 300),
			.jitter = rng_below(&s->rng, 101),
		};
		break;
	default:
		conf->dlq = !rng_once(&s->rng, 3);
		break;
	}
}

static void model_forget(struct sim *s, struct rec *r)
{
	if (r->state == READY)
		list_drop(&s->ready[r->place], r);
	else if (r->state == DEAD)
		list_drop(&s->dead, r);
	else if (r->state == WAITING && r->place != MQBUS_PLACE_RETRY)
		list_drop(&s->stay, r);
	if (r->first)
		s->stats.discarded++;
	else
		s->untried++;
	if (r->state == LEASED) {
		model_unlease(s, r);
		s->last[r->entry].forgotten = true;
		s->stats.released++;
		s->met[ENDED]++;
	}
	model_finish(s, r);
}

/* The record of a partition that is forgotten next, in it or in the retry ring */
static struct rec *model_forgotten(struct sim *s, u32 source, bool retry)
{
	struct rec *r = NULL;
	u64 k;

	for (k = 0; k < s->taken[source]; k++) {
		struct rec *any = &s->recs[source][k];
		bool here = any->place == MQBUS_PLACE_RETRY;

		if (any->state != DONE && here == retry &&
		    (!r || any->pos < r->pos))
			r = any;
	}
	return r;
}

/* A few of them at a time. Return: whether there are more. */
static bool forget_some(struct sim *s, u32 source, bool retry)
{
	u32 used = s->g.w.table.used, looks = rng_below(&s->rng, 5);
	bool more;

	s->g.w.steps = looks;
	more = retry ? mqbus_inflight_forget_retry(&s->g.w, source, source) :
		       mqbus_inflight_forget(&s->g.w, source);
	CHECK(used - s->g.w.table.used <= looks);
	for (; used > s->g.w.table.used; used--) {
		model_forget(s, model_forgotten(s, source, retry));
		s->met[FORGOTTEN]++;
	}
	CHECK(more || !model_forgotten(s, source, retry));
	return more;
}

/* A partition's cursor moves, and all members leave or have to wait */
static void op_forget(struct sim *s)
{
	u32 source = rng_below(&s->rng, s->o.sources), i;
	struct mqbus_seek seek = { .whence = MQBUS_WHENCE_OFFSET };
	struct mqbus_ring *ring = &s->g.rings[source];
	bool force = rng_once(&s->rng, 2);
	u64 k;

	for (i = 0; !force && i < GROUP_SEATS; i++)
		op_leave(s, i);
	s->nr_got = 0;
	while (forget_some(s, source, false))
		check_all(s);
	check_all(s);
	mqbus_inflight_forget_begin(&s->g.w);
	while (forget_some(s, source, true))
		/* No record is taken and none is moved meanwhile */
		mqbus_inflight_flush(&s->g.w);
	check_all(s);
	CHECK(!s->g.source[source].pending);

	seek.value = rng_below(&s->rng, s->published[source] + 1);
	spin_lock(&ring->lock);
	CHECK(mqbus_ring_seek_step(ring, &seek) || s->published[source] > MQBUS_RING_STEP);
	mqbus_cursor_place(&s->g.cursors[source], ring, &seek.at);
	spin_unlock(&ring->lock);
	mqbus_inflight_place(&s->g.w, source);
	s->floors[source] = seek.at.pos;
	s->taken[source] = seek.at.offset;
	for (k = 0; k < s->published[source]; k++)
		s->recs[source][k].state = k < seek.at.offset ? DONE : UNTAKEN;
	memset(s->key_seen[source], 0, sizeof(s->key_seen[source]));
	for (i = 0; i < GROUP_SEATS; i++)
		op_sit(s, i);
}

static void op_any(struct sim *s)
{
	u32 holder = rng_below(&s->rng, GROUP_SEATS);

	/* The lock has been held for long already */
	if (rng_once(&s->rng, 4)) {
		s->g.w.steps = rng_below(&s->rng, 3);
		s->g.w.hold = s->g.w.copied + rng_below(&s->rng, 500);
	}

	switch (rng_below(&s->rng, 64)) {
	case 0 ... 11:
		op_publish(s);
		break;
	case 12 ... 25:
		if (s->seated[holder])
			op_take(s, holder);
		break;
	case 26 ... 45:
		if (s->seated[holder] && !(s->hung && !holder))
			op_settle(s, holder);
		break;
	case 46 ... 47:
		if (s->seated[holder] && !(s->hung && !holder))
			op_settle_held(s, holder);
		break;
	case 48 ... 49:
		op_untake(s);
		break;
	case 50 ... 54:
		op_tick(s);
		break;
	case 55 ... 57:
		op_bury(s);
		break;
	case 58 ... 59:
		op_conf(s);
		break;
	case 60:
		if (rng_once(&s->rng, 3) && !(s->hung && !holder))
			op_leave(s, holder);
		break;
	case 61:
		if (rng_once(&s->rng, 12))
			op_forget(s);
		break;
	default:
		op_sit(s, holder);
		break;
	}
}

/* In the end all published records are settled, and nothing is left of them */
static void drain(struct sim *s)
{
	struct mqbus_inflight_conf *conf = &s->g.w.conf;
	u32 i;

	conf->max_inflight = s->o.max_inflight;
	conf->credit = CREDIT;
	conf->max_attempts = 0;
	s->full = false;
	s->patience = ~0U;
	for (i = 0; i < GROUP_SEATS; i++)
		op_sit(s, i);
	do {
		op_take(s, 0);
		for (i = 0; i < GROUP_SEATS; i++) {
			u32 n = s->leases[i].n;

			CHECK(mqbus_inflight_settle_held(&s->g.w, &s->holders[i], MQBUS_ACK, ~0U,
							 &s->now) == n);
			while (s->leases[i].n)
				model_settle(s, s->leases[i].recs[0], MQBUS_ACK, 0, 0);
		}
		check_all(s);
		op_bury(s);
		check_all(s);
		s->now.mono += MQBUS_DELAY_MAX / 4;
		op_tick(s);
		for (i = 0; i < s->o.sources && s->taken[i] == s->published[i]; i++)
			;
	} while (s->outstanding || i < s->o.sources);
	CHECK(!s->g.w.table.used && !s->g.w.nr && !s->g.w.retry_live);
	for (i = 0; s->o.max_held && i <= s->g.keys.mask; i++)
		CHECK(s->g.keys.buckets[i] == MQBUS_NONE);
}

/* The life of a group. Return: number of operations. */
static u64 run(u64 number, const struct group_options *o, u64 *met)
{
	static struct sim s;
	u32 i, ops;

	memset(&s, 0, sizeof(s));
	s.o = *o;
	rng_init(&s.rng, number);
	s.o.sources = 1 + rng_below(&s.rng, GROUP_SOURCES);
	s.most = rng_once(&s.rng, 2) ? 40 : 300;
	s.bad = rng_once(&s.rng, 3);
	s.hung = rng_once(&s.rng, 4);
	s.patience = rng_once(&s.rng, 3) ? 100 : 8;
	s.now = (struct mqbus_now) { .mono = 1000, .real = 1001000, .chance = number };
	group_make(&s.g, &s.o);
	CHECK(s.g.w.table.nr <= ENTRIES);
	for (i = 0; i < s.o.sources; i++)
		s.recs[i] = calloc(RUN_RECORDS, sizeof(*s.recs[i]));
	for (i = 0; i < GROUP_SEATS; i++)
		op_sit(&s, i);
	op_conf(&s);
	for (ops = 0; ops < RUN_OPS && !rng_dry(); ops++) {
		op_any(&s);
		check_all(&s);
		if (rng_once(&s.rng, 2))
			group_scribble(&s.g);
	}
	drain(&s);
	for (i = 0; i < MET; i++)
		met[i] += s.met[i];
	for (i = 0; i < s.o.sources; i++)
		free(s.recs[i]);
	group_free(&s.g);
	return ops;
}

static void test_model(const char *name, const struct group_options *o, u64 runs)
{
	static const char *const names[MET] = {
		"retried", "no room to", "moved", "gone round", "held back", "buried", "discarded",
		"untaken", "forgotten", "ended by that", "ready in vain",
		"fresh in turn",
	};
	u64 met[MET] = {}, ops = 0, i;

	test_begin(name);
	for (i = 0; i < runs; i++)
		ops += run(i << 24 | o->retry_size << 4 | o->max_retry, o, met);
	test_note("%llu operations", (unsigned long long)ops);
	for (i = 0; i < MET; i++)
		if (met[i])
			test_note("  %s: %llu", names[i], (unsigned long long)met[i]);
	test_end();
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 places[] = { 0, 1, 3, 24 };
	struct group_options o = { .size = 4096, .margin = 512 };
	u64 met[MET] = {};

	if (size < 1)
		return 0;
	o.retry_size = data[0] & 1 ? 4096 : 16384;
	o.once = data[0] & 2;
	o.max_inflight = data[0] & 4 ? 3 : 12;
	o.max_retry = places[data[0] >> 3 & 3];
	o.max_held = places[data[0] >> 5 & 3];
	rng_bytes(data + 1, size - 1);
	run(0, &o, met);
	return 0;
}
#else
int main(void)
{
	struct group_options o = {
		.size = 16384, .retry_size = 65536, .margin = 512,
		.max_inflight = 32, .max_retry = 64,
	};
	u64 runs = 40;

	test_init(8);
	test_model("plain", &o, runs);
	o.max_held = 32;
	test_model("keys", &o, runs);
	o.max_held = 3;
	test_model("keys, few places behind them", &o, runs);
	o.once = true;
	test_model("keys, once", &o, runs / 2);
	o.max_held = 0;
	test_model("once", &o, runs / 2);

	o = (struct group_options) {
		.size = 4096, .retry_size = 4096, .margin = 512,
		.max_inflight = 12, .max_retry = 24,
	};
	test_model("small rings", &o, runs);
	o.max_held = 12;
	test_model("small rings, keys", &o, runs);
	o.max_retry = 3;
	test_model("small rings, keys, few places to wait", &o, runs);
	o.max_retry = 0;
	test_model("small rings, no place to wait", &o, runs / 2);
	o.max_retry = 24;
	o.max_held = 0;
	o.margin = 1024;
	test_model("small rings, large records", &o, runs);
	o.max_inflight = 1;
	test_model("small rings, one at a time", &o, runs / 2);
	o.max_held = 1;
	test_model("small rings, one at a time and one behind it", &o, runs / 2);
	return test_done();
}
#endif
