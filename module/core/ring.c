// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the bytes of a partition: append, evict, seek.
 */
#include "ring.h"

/**
 * mqbus_ring_init() - make an empty ring
 * @ring: to fill
 * @page: a zeroed page
 * @data: @size bytes, mapped twice in a row
 * @size: a power of two, at least %MQBUS_RING_MIN
 * @partition: number for readers
 * @evict: whether the oldest records are dropped when there is no room
 */
void mqbus_ring_init(struct mqbus_ring *ring, struct mqbus_ring_page *page,
		     void *data, u64 size, u32 partition, bool evict)
{
	memset(ring, 0, sizeof(*ring));
	spin_lock_init(&ring->lock);
	ring->page = page;
	ring->data = data;
	ring->index = (void *)page + MQBUS_RING_INDEX_AT;
	ring->size = size;
	ring->most = size / 2;
	ring->evict = evict;
	mqbus_ring_begin(ring);
	/* A granule smaller than the smallest record would index every record */
	ring->granule_shift = max_t(u32, ilog2(size / MQBUS_RING_INDEX),
				    ilog2(sizeof(struct mqbus_record)));
	page->size = size;
	page->partition = partition;
}

/* Drop the oldest record. No group needs records below @floor. */
static void ring_drop(struct mqbus_ring *ring, u64 floor)
{
	const struct mqbus_record *rec = mqbus_ring_record(ring, ring->head.pos);

	/* A record without owner may be older than the counters */
	if (ring->used && rec->__owner)
		ring->used[mqbus_ring_owner(rec)] -= rec->size;
	if (ring->head.pos >= floor)
		ring->evicted++;
	ring->head.pos += rec->size;
	ring->head.offset++;
}

/*
 * Publish the new head before the bytes below are used again. Readers take head and its
 * offset as a pair if head_offset (stored last) equals head_begun
 * (stored first).
 */
static void ring_show_head(struct mqbus_ring *ring)
{
	struct mqbus_ring_page *page = ring->page;

	WRITE_ONCE(page->head_begun, ring->head.offset);
	/* ORD_PAIR: release; pairs with acquire in mqbus_ring_end() and in readers */
	smp_store_release(&page->head, ring->head.pos);
	/* ORD_PAIR: release; likewise */
	smp_store_release(&page->head_offset, ring->head.offset);
	smp_wmb();	/* ORD_HEAD: wmb; pairs with rmb in mqbus_ring_passed() */
}

/**
 * mqbus_ring_ask() - whether there is room or room can be made
 * @ring: the ring; its lock is held
 * @bytes: size of a record, or of several together
 * @floor: as of mqbus_ring_reserve()
 *
 * No record is dropped or stored. For several records, ask for the size of all together,
 * then call mqbus_ring_reserve() with the same size.
 *
 * Return: 0 (there is room, or will be after evictable records were dropped), -ENOBUFS, or
 * -EMSGSIZE (there never will be).
 */
int mqbus_ring_ask(const struct mqbus_ring *ring, u32 bytes, u64 floor)
{
	lockdep_assert_held(&ring->lock);

	if (!mqbus_ring_takes(ring, bytes))
		return -EMSGSIZE;
	if (ring->evict || mqbus_ring_fits(ring, bytes))
		return 0;
	/* Records that begin below the floor may go, which moves the head there, or to the tail */
	floor = min(floor, ring->tail.pos);
	return ring->tail.pos + bytes <= floor + ring->size ? 0 : -ENOBUFS;
}

/**
 * mqbus_ring_reserve() - make room for a record
 * @ring: the ring; its lock is held
 * @bytes: size of the record
 * @floor: records that end at or below this position may be dropped; a ring that evicts
 *	may drop all, and the others count as evicted
 *
 * The oldest records are dropped, one by one, until there is room; none if there cannot be
 * room. So all checks that can refuse the record must precede this call. Only records that
 * must go for @bytes are dropped, which bounds the hold.
 *
 * Return: whether there is room now. If not, mqbus_ring_ask() has the reason.
 */
bool mqbus_ring_reserve(struct mqbus_ring *ring, u32 bytes, u64 floor)
{
	u64 head = ring->tail.pos + bytes - ring->size;

	lockdep_assert_held(&ring->lock);

	if (mqbus_ring_fits(ring, bytes))
		return true;
	if (mqbus_ring_ask(ring, bytes, floor))
		return false;
	/* There is a record to drop: the new one would fit into an empty ring */
	do {
		/* Readers must never see a head above the tail */
		if (ring->head.pos == ring->published)
			mqbus_ring_publish(ring);
		ring_drop(ring, floor);
	} while (ring->head.pos < head);
	ring_show_head(ring);
	return true;
}

/**
 * mqbus_ring_count() - begin to count the bytes of each owner's records
 * @ring: the ring; its lock is held
 * @used: %MQBUS_RING_OWNERS zeros, the ring's from then on
 *
 * Records stored before are not counted: they must have no owner.
 */
void mqbus_ring_count(struct mqbus_ring *ring, u64 *used)
{
	lockdep_assert_held(&ring->lock);

	ring->used = used;
}

static bool ring_share_over(const struct mqbus_ring *ring, u32 owner, u32 before, u32 bytes,
			    u64 most)
{
	u64 used = ring->used[owner] + before;

	/* An owner without records may store one of any size, or it would wait for ever */
	return used && used + bytes > most;
}

/**
 * mqbus_ring_ask_share() - whether an owner's share has room for a record
 * @ring: a ring that counts; its lock is held
 * @owner: the record's owner
 * @before: bytes of the owner's records to be stored together with it, before it
 * @bytes: size of the record
 * @most: limit of bytes of the owner's records together
 * @floor: records that end at or below this position may be dropped
 *
 * No record is dropped or stored.
 *
 * Return: 0, -EAGAIN (not yet, but there are records that may be dropped), -EXFULL, or
 * -EMSGSIZE (never, with those before it).
 */
int mqbus_ring_ask_share(const struct mqbus_ring *ring, u32 owner, u32 before, u32 bytes,
			 u64 most, u64 floor)
{
	lockdep_assert_held(&ring->lock);

	if (!ring_share_over(ring, owner, before, bytes, most))
		return 0;
	if (before && before + bytes > most)
		return -EMSGSIZE;
	return ring->head.pos < min(floor, ring->published) ? -EAGAIN : -EXFULL;
}

/**
 * mqbus_ring_share() - make room in an owner's share
 * @ring: a ring that counts; its lock is held
 * @owner: the record's owner
 * @before: as of mqbus_ring_ask_share()
 * @bytes: size of the record
 * @most: limit of bytes of the owner's records together
 * @floor: records that end at or below this position may be dropped
 *
 * The oldest records of any owner are dropped, one by one, until the share has room.
 *
 * Return: 0, -EXFULL, -EMSGSIZE, or -EAGAIN if more could be dropped, but the limit for one
 * hold of the lock was reached.
 */
int mqbus_ring_share(struct mqbus_ring *ring, u32 owner, u32 before, u32 bytes, u64 most,
		     u64 floor)
{
	u64 old = ring->head.pos;
	int err;

	lockdep_assert_held(&ring->lock);

	while ((err = mqbus_ring_ask_share(ring, owner, before, bytes, most, floor)) == -EAGAIN &&
	       ring->drops) {
		ring_drop(ring, floor);
		ring->drops--;
	}
	if (ring->head.pos != old)
		ring_show_head(ring);
	return err;
}

/* Begin to publish staged records; the ring's lock is held. */
void mqbus_ring_show_begin(struct mqbus_ring *ring)
{
	lockdep_assert_held(&ring->lock);

	ring->published = ring->tail.pos;
	WRITE_ONCE(ring->page->next_begun, ring->tail.offset);
}

/* Publish the tail, after mqbus_ring_show_begin(). */
void mqbus_ring_show_tail(struct mqbus_ring *ring)
{
	/* ORD_TAIL: release; pairs with acquire in mqbus_ring_end() and in readers */
	smp_store_release(&ring->page->tail, ring->tail.pos);
}

/* Publish the next offset, which completes the end, after mqbus_ring_show_tail(). */
void mqbus_ring_show_end(struct mqbus_ring *ring)
{
	/*
	 * A transaction calls this when all its tails are visible, so a reader that sees
	 * one new end sees no old one.
	 */
	/* ORD_TOGETHER: release; pairs with acquire in mqbus_ring_end() and in readers */
	/* ORD_PAIR: release; pairs with acquire in mqbus_ring_end() */
	smp_store_release(&ring->page->next_offset, ring->tail.offset);
}

/* Publish staged records; the ring's lock is held. */
void mqbus_ring_publish(struct mqbus_ring *ring)
{
	mqbus_ring_show_begin(ring);
	mqbus_ring_show_tail(ring);
	mqbus_ring_show_end(ring);
}

/**
 * mqbus_ring_expire() - drop records above the limits of age or size
 * @ring: the ring; its lock is held
 * @floor: as of mqbus_ring_reserve()
 * @before: older records are dropped
 * @keep: the oldest records are dropped while the ring has more bytes
 * @max: number of records to look at
 *
 * Return: whether there may be more to drop.
 */
bool mqbus_ring_expire(struct mqbus_ring *ring, u64 floor, u64 before, u64 keep,
		       unsigned int max)
{
	u64 old = ring->head.pos;
	u64 end = ring->evict ? ring->published : min(floor, ring->published);

	lockdep_assert_held(&ring->lock);

	while (max && ring->head.pos < end && mqbus_ring_expired(ring, before, keep)) {
		ring_drop(ring, floor);
		max--;
	}
	if (ring->head.pos != old)
		ring_show_head(ring);
	return !max;
}

/*
 * The end of the published log: position of the tail and next offset. Without the lock: they
 * are a pair if no record was published while they were read. After too many writers the
 * reader takes the lock.
 */
void mqbus_ring_end(struct mqbus_ring *ring, struct mqbus_mark *end)
{
	struct mqbus_ring_page *page = ring->page;
	unsigned int tries;

	for (tries = 0; tries < 4; tries++) {
		/* ORD_TOGETHER: acquire; pairs with release in mqbus_ring_show_end() */
		/* ORD_PAIR: acquire; pairs with release in mqbus_ring_show_end() */
		end->offset = smp_load_acquire(&page->next_offset);
		/* ORD_TAIL: acquire; pairs with release in mqbus_ring_show_tail() */
		end->pos = smp_load_acquire(&page->tail);
		if (likely(READ_ONCE(page->next_begun) == end->offset))
			return;
		cpu_relax();
	}

	spin_lock(&ring->lock);
	end->pos = page->tail;
	end->offset = page->next_offset;
	spin_unlock(&ring->lock);
}

static bool seek_reached(const struct mqbus_seek *seek, const struct mqbus_record *rec)
{
	return seek->whence == MQBUS_WHENCE_TIME ? rec->time >= seek->value :
						   rec->offset >= seek->value;
}

/* The last indexed record from which the search may begin */
static void seek_index(struct mqbus_ring *ring, struct mqbus_seek *seek)
{
	u64 granule = ring->head.pos >> ring->granule_shift;
	u64 last = seek->end.pos >> ring->granule_shift;

	for (; granule <= last; granule++) {
		u64 pos = ring->index[granule & (MQBUS_RING_INDEX - 1)];
		const struct mqbus_record *rec;

		/* A granule without a start in this lap has a stale slot */
		if (pos >> ring->granule_shift != granule ||
		    pos < ring->head.pos || pos >= seek->end.pos)
			continue;
		rec = mqbus_ring_record(ring, pos);
		/* The first of equal times is wanted, and it may be further back */
		if (seek_reached(seek, rec) &&
		    (seek->whence == MQBUS_WHENCE_TIME || rec->offset > seek->value))
			break;
		if (rec->offset >= seek->at.offset) {
			seek->at.pos = pos;
			seek->at.offset = rec->offset;
		}
	}
}

/**
 * mqbus_ring_seek_step() - search the records kept
 * @ring: the ring; its lock is held
 * @seek: the search; @at is the result when it is over
 *
 * A step looks at a bounded number of records, so that the caller can drop the
 * lock in between. If the search's place is evicted meanwhile, it begins again at the
 * head. Records published after the first step lie behind the end of this search, so the
 * search advances to a fixed place, and writers cannot make it longer.
 *
 * Return: whether the search is over.
 */
bool mqbus_ring_seek_step(struct mqbus_ring *ring, struct mqbus_seek *seek)
{
	unsigned int steps;

	lockdep_assert_held(&ring->lock);

	if (seek->whence == MQBUS_WHENCE_EARLIEST) {
		seek->at = ring->head;
		return true;
	}
	if (!seek->begun) {
		seek->begun = true;
		seek->end.pos = ring->published;
		seek->end.offset = ring->page->next_offset;
	}
	if (seek->whence == MQBUS_WHENCE_LATEST ||
	    (seek->whence == MQBUS_WHENCE_OFFSET && seek->value >= seek->end.offset)) {
		seek->at = seek->end;
		return true;
	}

	if (!seek->from || seek->at.pos < ring->head.pos) {
		seek->at = ring->head;
		seek->from = true;
		seek_index(ring, seek);
	}
	for (steps = 0; steps < MQBUS_RING_STEP; steps++) {
		const struct mqbus_record *rec = mqbus_ring_record(ring, seek->at.pos);

		if (seek->at.pos >= seek->end.pos || seek_reached(seek, rec))
			return true;
		seek->at.pos += rec->size;
		seek->at.offset++;
	}
	return false;
}
