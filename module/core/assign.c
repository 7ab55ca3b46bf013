// SPDX-License-Identifier: GPL-2.0
/*
 * Assignment of a stream group's partitions to its members.
 */
#include "assign.h"

/* Begin without members; @slots are zeroed but for their cursors, @readers are NULL. */
void mqbus_assign_init(struct mqbus_assign *a, struct mqbus_slot *slots,
		       struct mqbus_member **readers, u32 nr)
{
	a->slots = slots;
	a->readers = readers;
	a->nr_slots = nr;
	a->due = U64_MAX;
	INIT_LIST_HEAD(&a->order);
}

static bool seat_shares(const struct mqbus_seat *seat)
{
	return seat->state == MQBUS_SEAT_ACTIVE || seat->state == MQBUS_SEAT_AWAY;
}

/* Offsets are compared: the position of a mark that was committed and evicted since is stale. */
static bool slot_drained(const struct mqbus_slot *slot)
{
	return slot->cursor.given.offset == slot->cursor.done.offset;
}

/*
 * Publish the reader to wake. A revoked partition has none, as none of its records are
 * handed out. A new reader is woken by the change itself, after this store.
 */
static void slot_show(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	bool reads = slot->owner && !mqbus_slot_revoked(slot);

	/* ORD_READER: release; pairs with acquire in reader_wake() */
	smp_store_release(&a->readers[slot - a->slots], reads ? slot->owner->member : NULL);
}

/* Give a partition without owner to its target, if that is active. */
static void slot_grant(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (slot->owner || !slot->target || slot->target->state != MQBUS_SEAT_ACTIVE)
		return;
	/* 0 is no generation, also after a wrap */
	if (!++a->generation)
		a->generation = 1;
	slot->generation = a->generation;
	slot->owner = slot->target;
	if (slot->robbed == slot->owner)
		slot->robbed = NULL;
	list_add_tail(&slot->node, &slot->owner->owned);
	slot_show(a, slot);
	mqbus_seat_wake(a, slot->owner);
}

static void slot_take_away(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	mqbus_cursor_rewind(&slot->cursor);
	list_del(&slot->node);
	slot->owner = NULL;
	slot->deadline = 0;
	slot->told = false;
	slot_show(a, slot);
}

/* Move a partition if its owner has no uncommitted records. */
static void slot_move(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (mqbus_slot_revoked(slot) && slot_drained(slot))
		slot_take_away(a, slot);
	slot_grant(a, slot);
}

/*
 * Step 1: only active seats own partitions. A target that leaves is replaced by the
 * partition's present owner, for now.
 */
static void assign_purge(struct mqbus_assign *a)
{
	struct mqbus_seat *seat;
	u32 i;

	list_for_each_entry(seat, &a->order, node)
		seat->nr = 0;
	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		if (slot->owner && slot->owner->state == MQBUS_SEAT_FENCED)
			slot->robbed = slot->owner;
		if (slot->owner && slot->owner->state != MQBUS_SEAT_ACTIVE)
			slot_take_away(a, slot);
		if (slot->target && !seat_shares(slot->target))
			slot->target = slot->owner;
		if (slot->target)
			slot->target->nr++;
	}
}

/*
 * Quota of each seat. Seats that have one partition more already keep the remainder, then
 * seats in order of joining. Return: whether there is an active seat.
 */
static bool assign_quotas(struct mqbus_assign *a)
{
	struct mqbus_seat *seat;
	u32 nr = 0, each, more;

	list_for_each_entry(seat, &a->order, node)
		nr += seat_shares(seat);
	if (!nr)
		return false;
	each = a->nr_slots / nr;
	more = a->nr_slots % nr;
	list_for_each_entry(seat, &a->order, node) {
		seat->quota = seat_shares(seat) ? each : 0;
		if (seat->nr > each && more) {
			seat->quota++;
			more--;
		}
	}
	list_for_each_entry(seat, &a->order, node)
		if (more && seat_shares(seat) && seat->quota == each) {
			seat->quota++;
			more--;
		}
	return true;
}

/* Take from seats above their quota: the cheapest partition first, then the last one. */
static void assign_trim(struct mqbus_assign *a)
{
	enum { NOT_YET_OWNED, DRAINED, ANY, CLASSES } class;
	u32 i;

	for (class = 0; class < CLASSES; class++)
		for (i = a->nr_slots; i--;) {
			struct mqbus_slot *slot = &a->slots[i];
			struct mqbus_seat *seat = slot->target;

			if (!seat || seat->nr <= seat->quota ||
			    (class == NOT_YET_OWNED && slot->owner == seat) ||
			    (class == DRAINED && !slot_drained(slot)))
				continue;
			slot->target = NULL;
			seat->nr--;
		}
}

/* Share out partitions without target, in order of joining. */
static void assign_fill(struct mqbus_assign *a)
{
	struct mqbus_seat *seat = list_first_entry(&a->order, struct mqbus_seat, node);
	u32 i;

	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		if (slot->target)
			continue;
		/* Such a seat exists: quotas add up to the number of partitions */
		while (seat->nr >= seat->quota)
			seat = list_entry(seat->node.next, struct mqbus_seat, node);
		slot->target = seat;
		seat->nr++;
	}
}

/* Step 3, and the next due time. */
static void assign_settle(struct mqbus_assign *a, u64 now)
{
	u64 deadline = a->timeout > U64_MAX - now ? U64_MAX : now + a->timeout;
	struct mqbus_seat *seat;
	u32 i;

	a->due = U64_MAX;
	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		slot_move(a, slot);
		if (!mqbus_slot_revoked(slot)) {
			/* Its owner keeps it, and may have slept through a publish */
			if (slot->deadline) {
				slot_show(a, slot);
				mqbus_seat_wake(a, slot->owner);
			}
			slot->deadline = 0;
			slot->told = false;
			continue;
		}
		if (!slot->deadline) {
			slot->deadline = deadline;
			slot_show(a, slot);
			mqbus_seat_wake(a, slot->owner);
		}
		a->due = min(a->due, slot->deadline);
	}
	list_for_each_entry(seat, &a->order, node)
		if (seat->state == MQBUS_SEAT_AWAY)
			a->due = min(a->due, seat->until);
}

static void assign_update(struct mqbus_assign *a, u64 now)
{
	assign_purge(a);
	if (assign_quotas(a)) {
		assign_trim(a);
		assign_fill(a);
	}
	assign_settle(a, now);
}

/* A seat by its id, which is terminated and not empty; NULL if there is none. */
struct mqbus_seat *mqbus_assign_find(const struct mqbus_assign *a, const char *id, u32 hash)
{
	struct mqbus_seat *seat;

	list_for_each_entry(seat, &a->order, node)
		if (seat->hash == hash && !strcmp(seat->id, id))
			return seat;
	return NULL;
}

/* Let a member in, on a new seat. Return: 0, or -EMFILE if no more seats are possible. */
int mqbus_assign_sit(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now)
{
	u32 i = 0;

	if (a->nr_seats >= min_t(u32, a->room, MQBUS_MEMBERS_MAX))
		return -EMFILE;
	while (a->seats[i])
		i++;
	a->seats[i] = seat;
	a->nr_seats++;
	seat->index = i;
	seat->state = MQBUS_SEAT_ACTIVE;
	INIT_LIST_HEAD(&seat->owned);
	list_add_tail(&seat->node, &a->order);
	assign_update(a, now);
	return 0;
}

/*
 * Clear @robbed of this seat, and of all that are about to be removed: the member that had
 * to learn of the loss is gone. NULL: only the latter.
 */
static void assign_pardon(struct mqbus_assign *a, const struct mqbus_seat *seat)
{
	u32 i;

	for (i = 0; i < a->nr_slots; i++) {
		const struct mqbus_seat *robbed = a->slots[i].robbed;

		if (robbed && (robbed == seat || robbed->state == MQBUS_SEAT_GONE))
			a->slots[i].robbed = NULL;
	}
}

/* After assign_pardon(). */
static void assign_remove(struct mqbus_assign *a, struct mqbus_seat *seat)
{
	a->seats[seat->index] = NULL;
	a->nr_seats--;
	list_del(&seat->node);
}

/*
 * Another member takes a seat over. It gets the seat's partitions under new generations;
 * other seats do not change.
 */
void mqbus_assign_take_over(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now)
{
	assign_pardon(a, seat);
	/* Records handed out to the old member go back */
	seat->state = MQBUS_SEAT_AWAY;
	assign_update(a, now);
	seat->state = MQBUS_SEAT_ACTIVE;
	assign_update(a, now);
}

/**
 * mqbus_assign_stand() - let a member out
 * @a: the assignment
 * @seat: its seat
 * @until: time until which its share is kept; 0: it is not kept
 * @now: the time
 *
 * Return: whether the seat is gone; the caller frees it then.
 */
bool mqbus_assign_stand(struct mqbus_assign *a, struct mqbus_seat *seat, u64 until, u64 now)
{
	/* A seat without partitions has no share to keep */
	bool keep = until && seat->nr;

	seat->member = NULL;
	seat->state = keep ? MQBUS_SEAT_AWAY : MQBUS_SEAT_GONE;
	seat->until = until;
	assign_update(a, now);
	if (!keep) {
		assign_pardon(a, NULL);
		assign_remove(a, seat);
	}
	return !keep;
}

/* Readmit a fenced member as if it joined now: behind other waiting members. */
void mqbus_assign_admit(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now)
{
	seat->state = MQBUS_SEAT_ACTIVE;
	list_move_tail(&seat->node, &a->order);
	assign_update(a, now);
}

static void seat_fence(struct mqbus_assign *a, struct mqbus_seat *seat)
{
	seat->state = MQBUS_SEAT_FENCED;
	seat->fenced = a->generation;
	seat->news = true;
	a->fences++;
	mqbus_seat_wake(a, seat);
}

/* Take all partitions from all members. */
void mqbus_assign_fence_all(struct mqbus_assign *a, u64 now)
{
	struct mqbus_seat *seat;

	list_for_each_entry(seat, &a->order, node)
		if (seat->state == MQBUS_SEAT_ACTIVE)
			seat_fence(a, seat);
	assign_update(a, now);
}

/* Do due work; seats that are gone move to @gone, and the caller frees them. */
void mqbus_assign_tick(struct mqbus_assign *a, u64 now, struct list_head *gone)
{
	struct mqbus_seat *seat, *next;
	u32 i;

	if (now < a->due)
		return;
	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		if (mqbus_slot_revoked(slot) && slot->deadline <= now)
			seat_fence(a, slot->owner);
	}
	list_for_each_entry(seat, &a->order, node)
		if (seat->state == MQBUS_SEAT_AWAY && seat->until <= now)
			seat->state = MQBUS_SEAT_GONE;
	assign_update(a, now);
	/* All at once: each one scans every partition */
	assign_pardon(a, NULL);
	list_for_each_entry_safe(seat, next, &a->order, node)
		if (seat->state == MQBUS_SEAT_GONE) {
			assign_remove(a, seat);
			list_add_tail(&seat->node, gone);
		}
}

/**
 * mqbus_assign_woken() - collect members that must be woken
 * @a: the assignment
 * @at: where to begin, 0 at first; updated to where to continue
 * @members: filled; their note is cleared
 * @max: size of @members
 *
 * Return: number of members; if it is below @max there are no more.
 */
u32 mqbus_assign_woken(struct mqbus_assign *a, u32 *at, struct mqbus_member **members, u32 max)
{
	u32 n;

	for (n = 0; *at < a->room && n < max; ++*at) {
		struct mqbus_seat *seat = a->seats[*at];

		if (!seat || !seat->wake)
			continue;
		seat->wake = false;
		if (seat->member)
			members[n++] = seat->member;
	}
	return n;
}

/* Whether a partition's owner has records to fetch or a revocation to learn */
bool mqbus_slot_ready(const struct mqbus_slot *slot, const struct mqbus_ring *ring,
		      bool paused)
{
	if (mqbus_slot_revoked(slot))
		return !slot->told;
	return !paused && READ_ONCE(ring->page->tail) != slot->cursor.given.pos;
}

/**
 * mqbus_slot_take() - hand out records published since the last call
 * @slot: the partition
 * @ring: its log
 * @paused: no records are handed out
 * @range: filled, but for the partition's number
 *
 * Return: whether there is anything to report to its owner.
 */
bool mqbus_slot_take(struct mqbus_slot *slot, struct mqbus_ring *ring, bool paused,
		     struct mqbus_range *range)
{
	const struct mqbus_mark *given = &slot->cursor.given;

	range->flags = 0;
	range->generation = slot->generation;
	range->__reserved = 0;
	if (!mqbus_slot_revoked(slot))
		return !paused && mqbus_cursor_take(&slot->cursor, ring, range);
	if (slot->told)
		return false;
	slot->told = true;
	range->flags = MQBUS_RANGE_F_REVOKED;
	range->begin = given->pos;
	range->end = given->pos;
	range->begin_offset = given->offset;
	range->end_offset = given->offset;
	range->lost = 0;
	return true;
}

/* Take back a range of mqbus_slot_take() that did not reach @seat. */
void mqbus_slot_untake(struct mqbus_assign *a, struct mqbus_slot *slot,
		       const struct mqbus_seat *seat, const struct mqbus_range *range)
{
	if (slot->owner != seat || slot->generation != range->generation)
		return;
	if (range->flags & MQBUS_RANGE_F_REVOKED) {
		slot->told = false;
		return;
	}
	mqbus_cursor_untake(&slot->cursor, range);
	slot_move(a, slot);
}

/* A range of mqbus_slot_take() was evicted while it was reported to @seat. */
void mqbus_slot_lose(struct mqbus_slot *slot, const struct mqbus_seat *seat,
		     const struct mqbus_range *range)
{
	if (slot->owner == seat && slot->generation == range->generation)
		mqbus_cursor_lose(&slot->cursor, range);
}

/**
 * mqbus_slot_check() - whether a commit is valid
 * @slot: the partition
 * @seat: the seat that commits
 * @generation: of the range that it commits; 0: any
 * @offset: end of the commit
 *
 * Return: 0, -ERANGE, -ESTALE, or -ENOLINK if the partition was taken away by force.
 */
int mqbus_slot_check(const struct mqbus_slot *slot, const struct mqbus_seat *seat,
		     u32 generation, u64 offset)
{
	const struct mqbus_cursor *c = &slot->cursor;

	if (slot->owner == seat && (!generation || generation == slot->generation))
		return offset < c->done.offset || offset > c->given.offset ? -ERANGE : 0;
	if (seat->state == MQBUS_SEAT_FENCED || (!generation && slot->robbed == seat) ||
	    (generation && seat->fenced && (s32)(generation - seat->fenced) <= 0))
		return -ENOLINK;
	return -ESTALE;
}

/*
 * Commit everything below a mark that passed mqbus_slot_check() and may be old. A revoked
 * partition moves if that was its owner's last uncommitted record.
 */
void mqbus_slot_commit(struct mqbus_assign *a, struct mqbus_slot *slot,
		       const struct mqbus_mark *to)
{
	struct mqbus_cursor *c = &slot->cursor;
	struct mqbus_mark at = *to;

	/* Only the offset of an evicted mark is valid, but a floor must not go back */
	at.pos = min(max(at.pos, c->done.pos), c->given.pos);
	mqbus_cursor_commit(c, &at);
	slot_move(a, slot);
}

/* Release a revoked partition; uncommitted records are handed out again. */
void mqbus_slot_release(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (!mqbus_slot_revoked(slot))
		return;
	slot_take_away(a, slot);
	slot_grant(a, slot);
}
