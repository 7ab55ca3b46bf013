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
 * Records that a queue group has taken from its partitions and not settled. A record goes
 *
 *   ring -> LEASED -> settled
 *
 * when all is well. A failure makes it READY again (at once), WAITING (for its
 * backoff) or DEAD; a record whose key is busy is HELD first. Records that failed are copied
 * to the retry ring, so that their place in the partition can be reused, and others can be
 * in flight. One that is READY at once is copied if there is room now, but not if it is its
 * member's death that failed it, and the first failure. Without room
 * there one that waits stays, counts as in flight, and is moved as soon as there is room, see
 * retry.c. For DEAD records the caller publishes to another topic and calls
 * mqbus_inflight_buried(). A record that is not settled is always in exactly one of these
 * states, and its bytes are held by the floor of its partition or lie in the retry ring.
 *
 * A floor is the position of the first entry in the order of its ring, so finding it takes
 * constant time in any order of settlement.
 *
 * The in-flight table does *not* keep records of one partition in order (unless they have
 * one key and keys are exclusive), and it does not read clocks: the caller passes times.
 *
 * All functions are called with the group's lock held, and mqbus_inflight_flush() before
 * it is dropped: until then writers do not know all bytes that they may reuse. A ring's
 * lock may be taken to find the end of the ring.
 *
 * Work under one hold of the lock is bounded for any settings: functions that might do
 * more do a part, say so, and continue when they are called again. Together, between two
 * calls of mqbus_inflight_flush(), those that move records, look for room for them or
 * forget them look at %MQBUS_INFLIGHT_STEP records and copy %MQBUS_INFLIGHT_HOLD bytes,
 * plus one record; mqbus_inflight_take() and mqbus_inflight_ready() look at
 * %MQBUS_INFLIGHT_STEP records and partitions each.
 */

/**
 * struct mqbus_holder - a member that leases records
 * @leases: its entries, in order of their lease
 * @nr: length of @leases
 * @seat: its index in the in-flight table's seats
 * @pid: reported in dead letters
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
 * @cursor: end of the records taken, and the floor; NULL for the retry ring
 * @end: last known end of the published records; of the retry ring, place of the next one
 * @order: its entries, by position
 * @pending: records published here that are taken and not settled, wherever they lie
 * @aside: part of @pending that failed: waiting, dead, or in the retry ring
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
 * @max_inflight: limit of records in flight
 * @credit: the same for one member; not 0
 * @max_attempts: failures that make a record a dead letter; 0: no limit
 * @lease: ns; 0: leases do not end
 * @backoff: after a failure
 * @dlq: the group has a DLQ
 * @paused: no records are handed out
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
 * struct mqbus_inflight_stats - counters
 * @delivered: records handed out, each time
 * @redelivered: part of @delivered that was not a record's first time
 * @acked: acknowledged records
 * @nacked: records that failed according to their member
 * @released: records given back untried
 * @rejected: records made dead letters by their member
 * @extended: leases made longer or shorter
 * @expired: leases that ran out
 * @died: leases that ended with their member
 * @deaths: members that held leases when they left
 * @buried: dead letters moved to the DLQ
 * @discarded: dead letters without a DLQ, and records forgotten by a seek after they had
 *	been handed out
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
 * struct mqbus_inflight - records that a queue group has taken and not settled
 * @table: entries of records in flight, in the retry ring, and held back
 * @sources: one for each partition, and the retry ring's
 * @nr_sources: number of partitions
 * @seats: members by their seat
 * @nr_seats: length of @seats, at most %MQBUS_MEMBERS_MAX
 * @nr_sitting: number of occupied seats
 * @sitting: bitmap of occupied seats
 * @keys: for a group whose keys are exclusive, or NULL
 * @once: at most once: failed records are not retried
 * @max_retry: limit of entries in the retry ring
 * @max_held: limit of entries held back
 * @margin: bytes of the retry ring kept free, as large as the largest record, so
 *	that a new record does not require moving all others
 * @conf: options that may change
 * @ready: entries to be handed out, by their place
 * @stay: entries that wait in their partition because the retry ring had no room, oldest
 *	first
 * @dead: entries for the DLQ, in the order in which they were given up
 * @letter: first entry of @dead that was not tried since mqbus_inflight_rebury()
 * @stow: first entry of @dead that may still lie in its partition
 * @next: the partition to take from next
 * @again: the last record handed out had been handed out before
 * @stayed: the last such record was not one of the retry ring
 * @nr: entries in flight
 * @retrying: entries whose record lies in the retry ring
 * @held: entries held back
 * @leased: entries that members have
 * @nr_dead: length of @dead
 * @unheld: counts how often another record could be held back again; begins with 1
 * @retry_live: bytes of records in the retry ring
 * @retry_lap: position that ends the search for room in the retry ring
 * @retry_vain: size of records for which that search fails until a record changes
 * @walk: the entry of the retry ring that mqbus_inflight_forget_retry() looks at next
 * @moved: partition whose first entry was removed, for mqbus_inflight_flush()
 * @copied: bytes copied so far
 * @hold: limit of @copied under this hold of the lock
 * @steps: records that may still be looked at under this hold
 * @freed: a floor has moved, or, with @watchers, a record was settled: waiters must be
 *	woken
 * @watchers: number of waiters for settled records
 * @stats: counters
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
	bool again;
	bool stayed;
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
 * struct mqbus_now - the time of a call
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
 * struct mqbus_retry_walk - a walk of the retry ring in several steps
 * @at: the current entry
 * @pos: position of its record when the walk came there
 * @begun: whether @at is valid
 * @restarts: how often the current record had moved
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

/* Records looked at, and bytes copied before the last record, under one hold of the lock */
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

/* Shared by the files of the in-flight table */
void mqbus_inflight_again(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_unlease(struct mqbus_inflight *f, u32 i, struct mqbus_holder *holder);
void mqbus_inflight_finish(struct mqbus_inflight *f, u32 i);
void mqbus_inflight_undead(struct mqbus_inflight *f, u32 i);
void mqbus_retry_init(struct mqbus_inflight *f);
void mqbus_retry_changed(struct mqbus_inflight *f);
void mqbus_retry_try(struct mqbus_inflight *f, u32 i);

/* An entry by its index */
static inline struct mqbus_entry *mqbus_inflight_entry(const struct mqbus_inflight *f, u32 i)
{
	return &f->table.entries[i];
}

/* The source of the retry ring, behind those of the partitions */
static inline struct mqbus_source *mqbus_inflight_retry(const struct mqbus_inflight *f)
{
	return &f->sources[f->nr_sources];
}

/* The source of the ring in which an entry's record lies: a partition's or the retry ring's */
static inline struct mqbus_source *mqbus_inflight_source(const struct mqbus_inflight *f,
							 const struct mqbus_entry *e)
{
	return &f->sources[e->place == MQBUS_PLACE_RETRY ? f->nr_sources : e->partition];
}

/* Whether the work under this hold of the lock is used up */
static inline bool mqbus_inflight_over(const struct mqbus_inflight *f)
{
	return !f->steps || f->copied >= f->hold;
}

/* The record of an entry in use; it stays in place while the group's lock is held */
static inline const struct mqbus_record *
mqbus_inflight_record(const struct mqbus_inflight *f, u32 i)
{
	const struct mqbus_entry *e = mqbus_inflight_entry(f, i);

	return mqbus_ring_record(mqbus_inflight_source(f, e)->ring, e->pos);
}

/* Time of the next mqbus_inflight_tick(), or U64_MAX */
static inline u64 mqbus_inflight_due(const struct mqbus_inflight *f)
{
	u32 i = mqbus_heap_top(&f->table);

	return i == MQBUS_NONE ? U64_MAX : f->table.entries[i].time;
}

#endif /* _MQBUS_CORE_INFLIGHT_H */
