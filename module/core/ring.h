/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_RING_H
#define _MQBUS_CORE_RING_H

#include "sys.h"

/**
 * DOC: The ring
 *
 * One partition: records one behind the other in a power of two of bytes that
 * is mapped twice in a row, so that every record is contiguous. Positions count
 * bytes and only grow; a position's place in the memory is its low bits.
 *
 * A writer holds the ring's lock and goes
 *
 *   mqbus_ring_reserve() -> fill mqbus_ring_slot() -> mqbus_ring_stage()
 *
 * for each record of a batch and then mqbus_ring_publish() once. Until then
 * nothing of the batch is visible; a record that is not staged was never there.
 * Reserving drops the oldest records, up to a floor that the caller gives; what it
 * would say may be asked with mqbus_ring_ask(), which changes nothing. Under one hold
 * of the lock a bounded number of records is dropped, see mqbus_ring_begin(). A
 * transaction shows what it staged in several rings at once: mqbus_ring_show_begin()
 * for all of them, then mqbus_ring_show_tail(), then mqbus_ring_show_end().
 *
 * Readers take no lock. What they may rely on is said by two barrier pairs:
 * ORD_TAIL (a record is whole when the tail covers it) and ORD_HEAD (a record is
 * still whole if the head has not passed it after it was read). A third,
 * ORD_FLOOR, lets a writer reuse what readers are done with; see cursor.h. With
 * ORD_TOGETHER they see a transaction in all rings or in none.
 *
 * A ring may count what each owner's records take, see mqbus_ring_count(): the owner
 * stands in the record, so dropping it gives the bytes back.
 *
 * The ring does *not* promise that a reader's position is still kept, nor that
 * a position given by anybody is the start of a record. Callers hand in marks
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
 * @page: what readers see of it; written here, read-only for users
 * @data: the records, mapped twice in a row
 * @index: for each granule of the ring the position of the first record that
 *	begins there, in the last lap that had one; behind @page
 * @size: bytes of the ring
 * @evict: the oldest records go when there is no room, whoever still needs them
 * @granule_shift: log2 of the bytes for which there is one index slot
 * @most: bytes that may be reserved at a time: half of the ring, so that the largest
 *	record leaves others there; of a retry ring, where no reader needs that, all
 * @lock: one writer at a time; never held across a fault or a sleep
 * @tail: where the next record goes
 * @head: the oldest record kept
 * @published: position up to which readers see the ring
 * @floor: positions below are not needed by any group, as last computed
 * @last_time: time of the last record
 * @used: bytes of the records kept, by their owner; NULL: not counted
 * @evicted: records that went and were not settled, of a ring that evicts
 * @drops: records that may still go under this hold of the lock
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
 * @whence: what @value is
 * @value: offset or time
 * @at: where the search stands; the result when it is over
 * @end: where the log ended at the first step; what lies behind is not looked for
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

/* Counts of owners; 0 is nobody */
#define MQBUS_RING_OWNERS	(MQBUS_USERS_MAX + 1)

/* Records that one step of a search or of expiry looks at under the lock */
#define MQBUS_RING_STEP		256

/* Records that make room for others, or for a share, under one hold of the lock */
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

/**
 * mqbus_ring_record() - the record at a position
 * @ring: the ring
 * @pos: where a record begins
 *
 * Return: its address; what is there is stable only as ORD_TAIL and ORD_HEAD say.
 */
static inline struct mqbus_record *mqbus_ring_record(const struct mqbus_ring *ring,
						     u64 pos)
{
	return ring->data + (pos & (ring->size - 1));
}

/**
 * mqbus_ring_slot() - where the record that was reserved is to be written
 * @ring: the ring; its lock is held
 *
 * Return: the address. @size must be written before mqbus_ring_stage().
 */
static inline struct mqbus_record *mqbus_ring_slot(const struct mqbus_ring *ring)
{
	return mqbus_ring_record(ring, ring->tail.pos);
}

/**
 * mqbus_ring_begin() - begin to count what is dropped under one hold of the lock
 * @ring: the ring, whose lock was just taken
 */
static inline void mqbus_ring_begin(struct mqbus_ring *ring)
{
	ring->drops = MQBUS_RING_DROPS;
}

/**
 * mqbus_ring_takes() - whether a record may ever be stored
 * @ring: the ring
 * @bytes: size of the record
 *
 * Return: false of nothing, and of more than @most.
 */
static inline bool mqbus_ring_takes(const struct mqbus_ring *ring, u32 bytes)
{
	return bytes - 1 < ring->most;
}

/**
 * mqbus_ring_fits() - whether there is room for a record
 * @ring: the ring; its lock is held
 * @bytes: size of the record
 *
 * Return: whether mqbus_ring_reserve() would have nothing to do.
 */
static inline bool mqbus_ring_fits(const struct mqbus_ring *ring, u32 bytes)
{
	return mqbus_ring_takes(ring, bytes) &&
	       ring->tail.pos + bytes - ring->head.pos <= ring->size;
}

/**
 * mqbus_ring_settled() - whether what must go for a record was settled
 * @ring: the ring; its lock is held
 * @bytes: size of the record
 *
 * Return: whether all of it is below the floor, as last computed; of a ring that does not
 * evict true, as nothing else goes.
 */
static inline bool mqbus_ring_settled(const struct mqbus_ring *ring, u32 bytes)
{
	return !ring->evict || ring->tail.pos + bytes <= ring->floor + ring->size;
}

/**
 * mqbus_ring_expired() - whether the oldest record is too old, or one too many
 * @ring: the ring; its lock is held
 * @before: records older than this time are too old
 * @keep: bytes that it may have
 *
 * Return: whether there is such a record that readers see.
 */
static inline bool mqbus_ring_expired(const struct mqbus_ring *ring, u64 before, u64 keep)
{
	return ring->head.pos < ring->published &&
	       (mqbus_ring_record(ring, ring->head.pos)->time < before ||
		ring->tail.pos - ring->head.pos > keep);
}

/**
 * mqbus_ring_owner() - whose space a record takes
 * @rec: a record in a ring
 *
 * Return: an index that is good for @used, whatever the record says.
 */
static inline u32 mqbus_ring_owner(const struct mqbus_record *rec)
{
	return rec->__owner < MQBUS_RING_OWNERS ? rec->__owner : 0;
}

/**
 * mqbus_ring_stage() - take the record in the slot into the batch
 * @ring: the ring; its lock is held
 * @bytes: the record's size, which the slot holds already, with its owner
 */
static inline void mqbus_ring_stage(struct mqbus_ring *ring, u32 bytes)
{
	u64 pos = ring->tail.pos;
	u64 *slot = &ring->index[(pos >> ring->granule_shift) & (MQBUS_RING_INDEX - 1)];

	/* Later records of the same granule and lap leave the first one there */
	if ((*slot ^ pos) >> ring->granule_shift)
		*slot = pos;
	if (ring->used && mqbus_ring_slot(ring)->__owner)
		ring->used[mqbus_ring_owner(mqbus_ring_slot(ring))] += bytes;
	ring->tail.pos = pos + bytes;
	ring->tail.offset++;
}

/**
 * mqbus_ring_append() - complete the record in the slot, and take it into the batch
 * @ring: the ring; its lock is held
 * @rec: the record in the slot; sizes, flags, schema and parts are there
 * @producer: id of its author
 * @seq: its number among the author's records
 * @epoch: how often the author's name was opened; 0: it has none
 * @owner: index of the tenant whose space it takes; 0: of nobody's
 * @bytes: its size
 *
 * Whatever comes into a topic comes this way: room was made, the rest is in the slot, and
 * mqbus_ring_publish() shows the batch.
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

/**
 * mqbus_ring_passed() - whether the head has passed a position
 * @ring: the ring
 * @pos: position of something that was read
 *
 * Return: true if what was read there may have been overwritten meanwhile.
 */
static inline bool mqbus_ring_passed(const struct mqbus_ring *ring, u64 pos)
{
	smp_rmb();	/* ORD_HEAD: rmb; pairs with wmb in ring_show_head() */
	return READ_ONCE(ring->page->head) > pos;
}

#endif /* _MQBUS_CORE_RING_H */
