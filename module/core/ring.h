/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RING_H
#define _MQBUS_CORE_RING_H

#include "sys.h"

/**
 * DOC: The ring
 *
 * One partition: records one behind the other in a power of two of bytes that
 * is mapped twice in a row, so that every record is contiguous. Positions count
 * bytes and only grow; the low bits of a position are its place in the memory.
 *
 * A writer holds the ring's lock and goes
 *
 *   mqbus_ring_reserve() -> fill mqbus_ring_slot() -> mqbus_ring_stage()
 *
 * for each record of a batch and then mqbus_ring_publish() once. The batch is invisible
 * until then; a record that is not staged is never published. Reserving drops the oldest
 * records, up to a floor that the caller gives; mqbus_ring_ask() predicts its result and
 * changes nothing. The number of records dropped under one hold of the lock is bounded by the
 * bytes that are stored, and for shares by mqbus_ring_begin(). A transaction publishes staged
 * records of several rings at once: mqbus_ring_show_begin() for all of them, then
 * mqbus_ring_show_tail(), then mqbus_ring_show_end().
 *
 * Readers take no lock. Two barrier pairs give their guarantees:
 * ORD_TAIL (a record is whole when the tail covers it) and ORD_HEAD (a record is
 * still whole if the head has not passed it after it was read). A third,
 * ORD_FLOOR, lets a writer reuse bytes that readers are done with; see cursor.h. With
 * ORD_TOGETHER readers see a transaction in all rings or in none.
 *
 * A ring may count the bytes of each owner's records, see mqbus_ring_count(): the record
 * stores its owner, so dropping it gives the bytes back.
 *
 * The ring does *not* promise that a reader's position is still kept, nor that
 * an arbitrary position is the start of a record. Callers pass marks
 * that the ring gave them.
 */

/* Index slots in the ring page, behind struct mqbus_ring_page */
#define MQBUS_RING_INDEX	256
#define MQBUS_RING_INDEX_AT	2048

/**
 * struct mqbus_mark - a place between two records
 * @pos: its position in bytes
 * @offset: the offset of the record that begins there
 */
struct mqbus_mark {
	u64 pos;
	u64 offset;
};

/**
 * struct mqbus_ring - a partition's log
 * @page: the part that readers see; written here, read-only for users
 * @data: the records, mapped twice in a row
 * @index: for each granule of the ring the position of the first record that
 *	begins there, in the last lap that had one; behind @page
 * @size: bytes of the ring
 * @evict: the oldest records are dropped when there is no room, even if groups need them
 * @granule_shift: log2 of the bytes for which there is one index slot
 * @most: bytes that may be reserved at a time: half of the ring, so that the largest
 *	record leaves others there; all of a retry ring, which has no such readers
 * @lock: one writer at a time; never held across a fault or a sleep
 * @tail: place of the next record
 * @head: the oldest record kept
 * @published: position up to which readers see the ring
 * @floor: no group needs positions below, as last computed
 * @last_time: time of the last record
 * @used: bytes of the records kept, by their owner; NULL: not counted
 * @evicted: records that were dropped unsettled, in a ring that evicts
 * @drops: records that may still be dropped for shares under this hold of the lock
 */
struct mqbus_ring {
	/* constant after init */
	struct mqbus_ring_page *page;
	void *data;
	u64 *index;
	u64 size;
	u32 granule_shift;
	u32 most;
	bool evict;

	/* guarded by lock */
	spinlock_t lock ____cacheline_aligned_in_smp;
	struct mqbus_mark tail;
	struct mqbus_mark head;
	u64 published;
	u64 floor;
	u64 last_time;
	u64 *used;
	u64 evicted;
	u32 drops;
};

/**
 * struct mqbus_seek - a search that may take several steps
 * @whence: kind of @value
 * @value: offset or time
 * @at: current place of the search; the result when it is over
 * @end: end of the log at the first step, and of the search
 * @from: whether @at is a place to begin from
 * @begun: whether @end is set
 */
struct mqbus_seek {
	enum mqbus_whence whence;
	u64 value;
	struct mqbus_mark at;
	struct mqbus_mark end;
	bool from;
	bool begun;
};

/* Number of owners; 0: no owner */
#define MQBUS_RING_OWNERS	(MQBUS_USERS_MAX + 1)

/* Records that one step of a search or of expiry looks at under the lock */
#define MQBUS_RING_STEP		256

/* Limit of records dropped for shares under one hold of the lock */
#define MQBUS_RING_DROPS	1024

void mqbus_ring_init(struct mqbus_ring *ring, struct mqbus_ring_page *page,
		     void *data, u64 size, u32 partition, bool evict);
int mqbus_ring_ask(const struct mqbus_ring *ring, u32 bytes, u64 floor);
bool mqbus_ring_reserve(struct mqbus_ring *ring, u32 bytes, u64 floor);
void mqbus_ring_publish(struct mqbus_ring *ring);
void mqbus_ring_show_begin(struct mqbus_ring *ring);
void mqbus_ring_show_tail(struct mqbus_ring *ring);
void mqbus_ring_show_end(struct mqbus_ring *ring);
void mqbus_ring_count(struct mqbus_ring *ring, u64 *used);
int mqbus_ring_ask_share(const struct mqbus_ring *ring, u32 owner, u32 before, u32 bytes,
			 u64 most, u64 floor);
int mqbus_ring_share(struct mqbus_ring *ring, u32 owner, u32 before, u32 bytes, u64 most,
		     u64 floor);
bool mqbus_ring_expire(struct mqbus_ring *ring, u64 floor, u64 before, u64 keep,
		       unsigned int max);
void mqbus_ring_end(struct mqbus_ring *ring, struct mqbus_mark *end);
bool mqbus_ring_seek_step(struct mqbus_ring *ring, struct mqbus_seek *seek);

/* The record at a position; it is stable only within ORD_TAIL and ORD_HEAD */
static inline struct mqbus_record *mqbus_ring_record(const struct mqbus_ring *ring,
						     u64 pos)
{
	return ring->data + (pos & (ring->size - 1));
}

/* Place of the reserved record; its @size must be written before mqbus_ring_stage() */
static inline struct mqbus_record *mqbus_ring_slot(const struct mqbus_ring *ring)
{
	return mqbus_ring_record(ring, ring->tail.pos);
}

/* Begin to count drops for shares under one hold of the lock, which was just taken */
static inline void mqbus_ring_begin(struct mqbus_ring *ring)
{
	ring->drops = MQBUS_RING_DROPS;
}

/* Whether a record of this size may ever be stored; false for 0 */
static inline bool mqbus_ring_takes(const struct mqbus_ring *ring, u32 bytes)
{
	return bytes - 1 < ring->most;
}

/* Whether there is room without dropping a record; the ring's lock is held */
static inline bool mqbus_ring_fits(const struct mqbus_ring *ring, u32 bytes)
{
	return mqbus_ring_takes(ring, bytes) &&
	       ring->tail.pos + bytes - ring->head.pos <= ring->size;
}

/*
 * Whether all records to be dropped for a new one are below the floor, as last computed.
 * Always true for a ring that does not evict. The ring's lock is held.
 */
static inline bool mqbus_ring_settled(const struct mqbus_ring *ring, u32 bytes)
{
	return !ring->evict || ring->tail.pos + bytes <= ring->floor + ring->size;
}

/* Whether the oldest visible record is older than @before, or the ring has more than @keep bytes */
static inline bool mqbus_ring_expired(const struct mqbus_ring *ring, u64 before, u64 keep)
{
	return ring->head.pos < ring->published &&
	       (mqbus_ring_record(ring, ring->head.pos)->time < before ||
		ring->tail.pos - ring->head.pos > keep);
}

/* Owner of a record; a valid index of @used, whatever the record says */
static inline u32 mqbus_ring_owner(const struct mqbus_record *rec)
{
	return rec->__owner < MQBUS_RING_OWNERS ? rec->__owner : 0;
}

/**
 * mqbus_ring_stage() - add the record in the slot to the batch
 * @ring: the ring; its lock is held
 * @bytes: the record's size, which the slot holds already, with its owner
 */
static inline void mqbus_ring_stage(struct mqbus_ring *ring, u32 bytes)
{
	u64 pos = ring->tail.pos;
	u64 *slot = &ring->index[(pos >> ring->granule_shift) & (MQBUS_RING_INDEX - 1)];

	/* Later records of the same granule and lap leave the first one in the index */
	if ((*slot ^ pos) >> ring->granule_shift)
		*slot = pos;
	if (ring->used && mqbus_ring_slot(ring)->__owner)
		ring->used[mqbus_ring_owner(mqbus_ring_slot(ring))] += bytes;
	ring->tail.pos = pos + bytes;
	ring->tail.offset++;
}

/**
 * mqbus_ring_append() - complete the record in the slot, and add it to the batch
 * @ring: the ring; its lock is held
 * @rec: the record in the slot; sizes, flags, schema and parts are there
 * @producer: id of its author
 * @seq: its number among the author's records
 * @epoch: how often the author's name was opened; 0: it has none
 * @owner: index of the tenant whose space it takes; 0: none
 * @bytes: its size
 *
 * The only way of a record into a topic. The caller has made room and filled the rest of
 * the slot; mqbus_ring_publish() makes the batch visible.
 */
static __always_inline void mqbus_ring_append(struct mqbus_ring *ring, struct mqbus_record *rec,
					      u64 producer, u64 seq, u32 epoch, u32 owner,
					      u32 bytes)
{
	rec->offset = ring->tail.offset;
	rec->time = ring->last_time;
	rec->producer = producer;
	rec->seq = seq;
	rec->epoch = epoch;
	rec->__owner = owner;
	mqbus_ring_stage(ring, bytes);
}

/* Whether something read at @pos may have been overwritten, as the head has passed @pos */
static inline bool mqbus_ring_passed(const struct mqbus_ring *ring, u64 pos)
{
	smp_rmb();	/* ORD_HEAD: rmb; pairs with wmb in ring_show_head() */
	return READ_ONCE(ring->page->head) > pos;
}

#endif /* _MQBUS_CORE_RING_H */
