/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_INFLIGHT_H
#define _MQBUS_CORE_INFLIGHT_H

#include "backoff.h"
#include "cursor.h"
#include "entry.h"
#include "keys.h"

/**
 * DOC: The in-flight table
 *
 * What a queue group has taken from its partitions and not settled. A record goes
 *
 *   ring -> LEASED -> settled
 *
 * when all is well. A failure makes it READY again (at once), WAITING (for its
 * backoff) or DEAD; one whose key is busy is HELD first. What waits is copied to the
 * retry ring, so that its place in the partition can be reused; if there is no room
 * it stays, counts as in flight, and is moved as soon as there is, see retry.c. DEAD is
 * for the caller, who moves the record to another topic and calls
 * mqbus_inflight_buried(): a record that is not settled is always in exactly one of these
 * states, and its bytes are held by the floor of its partition or lie in the retry ring.
 *
 * A floor is the position of the first entry in the order of its ring, so it is
 * found at once in whatever order records are settled.
 *
 * The in-flight table does *not* keep records of one partition in order (unless they have one
 * key and the group is told to), nor does it look at clocks: times come from the
 * caller.
 *
 * All functions are called with the group's lock held, and mqbus_inflight_flush() before
 * that is let go: until then writers do not know of all that they may reuse. A ring's
 * lock is taken perhaps to see where a ring ends.
 *
 * What is done under one hold of the lock is bounded, whatever users set up: functions
 * that might do more do a part, say so, and go on from there when they are called
 * again. Together, between two calls of mqbus_inflight_flush(), those that move records,
 * look for room for them or forget them look at %MQBUS_INFLIGHT_STEP records and copy
 * %MQBUS_INFLIGHT_HOLD bytes, plus one record; mqbus_inflight_take() and
 * mqbus_inflight_ready() look at %MQBUS_INFLIGHT_STEP records and partitions each.
 */

/**
 * struct mqbus_holder - a member that leases records
 * @leases: its entries, in the order in which it got them
 * @nr: how many
 * @seat: its index in the in-flight table's seats
 * @pid: to be told of dead letters
 * @uid: likewise
 */
struct mqbus_holder {
	struct mqbus_list leases;
	u32 nr;
	u32 seat;
	u32 pid;
	u32 uid;
};

/**
 * struct mqbus_source - a ring that records lie in
 * @ring: the ring
 * @cursor: what was taken of it, and the floor; the retry ring has none
 * @end: what was published when last looked; where the next record of the retry ring goes
 * @order: its entries, by position
 * @pending: records published here that are taken and not settled, wherever they lie
 * @aside: of these, those that failed: that wait, are dead, or lie in the retry ring
 * @stuck: value of the in-flight table's @unheld when a record here could not be held back, or 0
 */
struct mqbus_source {
	struct mqbus_ring *ring;
	struct mqbus_cursor *cursor;
	u64 end;
	struct mqbus_list order;
	u32 pending;
	u32 aside;
	u64 stuck;
};

/**
 * struct mqbus_inflight_conf - options that may change
 * @max_inflight: at most so many in flight
 * @credit: and of one member; not 0
 * @max_attempts: failures that make a record a dead letter; 0: none does
 * @lease: ns; 0: none
 * @backoff: after a failure
 * @dlq: there is a place for dead letters
 * @paused: nothing is handed out
 */
struct mqbus_inflight_conf {
	u32 max_inflight;
	u32 credit;
	u32 max_attempts;
	u64 lease;
	struct mqbus_backoff backoff;
	bool dlq;
	bool paused;
};

/**
 * struct mqbus_inflight_stats - what happened so far
 * @delivered: records handed out, each time
 * @redelivered: of these, not for the first time
 * @acked: done
 * @nacked: failed, as their member said
 * @released: given back untried
 * @rejected: dead letters, as their member said
 * @extended: leases made longer or shorter
 * @expired: leases that ran out
 * @died: leases that ended with their member
 * @deaths: members that held leases when they went
 * @buried: dead letters moved to their topic
 * @discarded: given up without one, also those that had been handed out when a seek
 *	forgot them
 */
struct mqbus_inflight_stats {
	u64 delivered;
	u64 redelivered;
	u64 acked;
	u64 nacked;
	u64 released;
	u64 rejected;
	u64 extended;
	u64 expired;
	u64 died;
	u64 deaths;
	u64 buried;
	u64 discarded;
};

/**
 * struct mqbus_inflight - what a queue group has taken and not settled
 * @table: the entries: of those in flight, in the retry ring, and held back
 * @sources: one for each partition, and the retry ring's
 * @nr_sources: number of partitions
 * @seats: members by their seat
 * @nr_seats: length of @seats, at most %MQBUS_MEMBERS_MAX
 * @nr_sitting: how many of them are taken
 * @sitting: which ones, a bit for each
 * @keys: for a group whose keys are exclusive, or NULL
 * @once: at most once: what failed is over
 * @max_retry: entries that may be in the retry ring
 * @max_held: entries that may be held back
 * @margin: bytes of the retry ring kept free, as large as the largest record, so
 *	that it need not be moved as a whole for each record that comes
 * @conf: what may change
 * @ready: entries to be handed out, by their place
 * @stay: entries that wait in their partition because the retry ring had no room, those
 *	that came first come first
 * @dead: entries for their topic of dead letters, those given up first come first
 * @letter: of these, the first that was not tried since mqbus_inflight_rebury()
 * @stow: of these, the first that may lie in its partition still
 * @next: the partition to take from next
 * @nr: entries in flight
 * @retrying: entries whose record lies in the retry ring
 * @held: entries held back
 * @leased: entries that members have
 * @nr_dead: length of @dead
 * @unheld: counts how often a record could be held back again; from 1, for ever
 * @retry_live: bytes of records in the retry ring
 * @retry_lap: where the search for room in the retry ring is over
 * @retry_vain: it is in vain for records of so many bytes, until something changes
 * @walk: the entry of the retry ring that mqbus_inflight_forget_retry() looks at next
 * @moved: the partition whose first entry went, for mqbus_inflight_flush()
 * @copied: bytes copied so far
 * @hold: what @copied may become before the lock is to be let go
 * @steps: how many more records may be looked at before that
 * @freed: a floor has moved, or, with @watchers, a record was settled: those who wait for
 *	that are to be woken
 * @watchers: how many wait for records to be settled
 * @stats: for people
 */
struct mqbus_inflight {
	struct mqbus_table table;
	struct mqbus_source *sources;
	u32 nr_sources;
	struct mqbus_holder **seats;
	u32 nr_seats;
	u32 nr_sitting;
	u64 sitting[MQBUS_MEMBERS_MAX / 64];
	struct mqbus_keys *keys;
	bool once;
	u32 max_retry;
	u32 max_held;
	u32 margin;
	struct mqbus_inflight_conf conf;

	struct mqbus_list ready[MQBUS_PLACES];
	struct mqbus_list stay;
	struct mqbus_list dead;
	u32 letter;
	u32 stow;
	u32 next;
	u32 nr;
	u32 retrying;
	u32 held;
	u32 leased;
	u32 nr_dead;
	u64 unheld;
	u64 retry_live;
	u64 retry_lap;
	u32 retry_vain;
	u32 walk;
	struct mqbus_source *moved;
	u64 copied;
	u64 hold;
	u32 steps;
	bool freed;
	u32 watchers;
	struct mqbus_inflight_stats stats;
};

/**
 * struct mqbus_now - what time it is
 * @mono: ns of the clock of leases and due times
 * @real: ns of CLOCK_REALTIME, never 0
 * @chance: any number, for the jitter; changes with each use
 */
struct mqbus_now {
	u64 mono;
	u64 real;
	u32 chance;
};

/**
 * struct mqbus_retry_walk - a look at the retry ring that takes several steps
 * @at: the entry where it stands
 * @pos: the position of its record then
 * @begun: whether @at is valid
 * @restarts: how often that had moved
 * @found: the result: there is such a record, or that cannot be excluded
 * @partition: of the record that was found
 * @offset: likewise; @at is its entry, or %MQBUS_NONE if there is none
 */
struct mqbus_retry_walk {
	u32 at;
	u64 pos;
	bool begun;
	u32 restarts;
	bool found;
	u32 partition;
	u64 offset;
};

/* Records that are looked at under one hold; bytes that are copied, but for the last record */
#define MQBUS_INFLIGHT_STEP	256
#define MQBUS_INFLIGHT_HOLD	(64 * 1024)

void mqbus_inflight_init(struct mqbus_inflight *f, struct mqbus_entry *entries, u32 nr);
void mqbus_inflight_place(struct mqbus_inflight *f, u32 partition);
int mqbus_inflight_sit(struct mqbus_inflight *f, struct mqbus_holder *holder);
void mqbus_inflight_stand(struct mqbus_inflight *f, struct mqbus_holder *holder);
bool mqbus_inflight_ready(const struct mqbus_inflight *f, const struct mqbus_holder *holder,
			  u32 *left);
u32 mqbus_inflight_take(struct mqbus_inflight *f, struct mqbus_holder *holder,
			struct mqbus_leased *out, u32 max, u64 end, u64 real, u32 *left);
void mqbus_inflight_untake(struct mqbus_inflight *f, struct mqbus_holder *holder, u64 lease);
int mqbus_inflight_find(const struct mqbus_inflight *f, const struct mqbus_holder *holder,
			u64 lease, u32 *i);
int mqbus_inflight_name(struct mqbus_inflight *f, const struct mqbus_holder *holder, u64 lease);
void mqbus_inflight_unname(struct mqbus_inflight *f, u64 lease);
int mqbus_inflight_settle(struct mqbus_inflight *f, struct mqbus_holder *holder,
			  const struct mqbus_settle *settle, struct mqbus_now *now);
u32 mqbus_inflight_settle_held(struct mqbus_inflight *f, struct mqbus_holder *holder,
			       enum mqbus_settlement what, u32 max,
			       struct mqbus_now *now);
bool mqbus_inflight_leave(struct mqbus_inflight *f, struct mqbus_holder *holder, u32 max,
			  struct mqbus_now *now);
bool mqbus_inflight_tick(struct mqbus_inflight *f, u32 max, struct mqbus_now *now);
void mqbus_inflight_buried(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_unburied(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_rebury(struct mqbus_inflight *f);
bool mqbus_inflight_stow(struct mqbus_inflight *f);
bool mqbus_inflight_postpone(struct mqbus_inflight *f);
bool mqbus_inflight_walk_retry(const struct mqbus_inflight *f, struct mqbus_retry_walk *walk,
			       const u64 *ends);
bool mqbus_inflight_unsettled(const struct mqbus_inflight *f,
			      const struct mqbus_retry_walk *walk);
bool mqbus_inflight_forget(struct mqbus_inflight *f, u32 partition);
void mqbus_inflight_forget_begin(struct mqbus_inflight *f);
bool mqbus_inflight_forget_retry(struct mqbus_inflight *f, u32 first, u32 last);

/* source.c */
void mqbus_inflight_flush(struct mqbus_inflight *f);
void mqbus_source_del(struct mqbus_inflight *f, struct mqbus_source *source, u32 i);

/* Between the files that this declares */
void mqbus_inflight_unhold(struct mqbus_inflight *f);
void mqbus_inflight_again(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_unlease(struct mqbus_inflight *f, u32 i, struct mqbus_holder *holder);
void mqbus_inflight_finish(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_undead(struct mqbus_inflight *f, u32 i);
void mqbus_retry_init(struct mqbus_inflight *f);
void mqbus_retry_changed(struct mqbus_inflight *f);

/**
 * mqbus_inflight_entry() - an entry by its index
 * @f: the in-flight table
 * @i: an index
 *
 * Return: the entry.
 */
static inline struct mqbus_entry *mqbus_inflight_entry(const struct mqbus_inflight *f, u32 i)
{
	return &f->table.entries[i];
}

/**
 * mqbus_inflight_source() - the source of the ring in which an entry's record lies
 * @f: the in-flight table
 * @e: an entry in use
 *
 * Return: that of a partition, or of the retry ring.
 */
static inline struct mqbus_source *mqbus_inflight_source(const struct mqbus_inflight *f,
							 const struct mqbus_entry *e)
{
	return &f->sources[e->place == MQBUS_PLACE_RETRY ? f->nr_sources : e->partition];
}

/**
 * mqbus_inflight_over() - whether enough was done under this hold of the lock
 * @f: the in-flight table
 *
 * Return: whether the rest is for the next one.
 */
static inline bool mqbus_inflight_over(const struct mqbus_inflight *f)
{
	return !f->steps || f->copied >= f->hold;
}

/**
 * mqbus_inflight_record() - an entry's record
 * @f: the in-flight table
 * @i: an entry in use
 *
 * Return: the record, which stays there as long as the group's lock is held.
 */
static inline const struct mqbus_record *
mqbus_inflight_record(const struct mqbus_inflight *f, u32 i)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	return mqbus_ring_record(mqbus_inflight_source(f, e)->ring, e->pos);
}

/**
 * mqbus_inflight_due() - when something will be due
 * @f: the in-flight table
 *
 * Return: a time for mqbus_inflight_tick(), or U64_MAX.
 */
static inline u64 mqbus_inflight_due(const struct mqbus_inflight *f)
{
	u32 i = mqbus_heap_top(&f->table);

	return i == MQBUS_NONE ? U64_MAX : f->table.entries[i].time;
}

#endif /* _MQBUS_CORE_INFLIGHT_H */
