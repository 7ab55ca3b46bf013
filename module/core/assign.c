// SPDX-License-Identifier: GPL-2.0
/*
 * Which member of a stream group reads which partition.
 */
#include "assign.h"

/**
 * mqbus_assign_init() - begin without members
 * @a: zeroed
 * @slots: the partitions, zeroed but for their cursors
 * @readers: of each partition, NULL
 * @nr: how many
 */
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

/* By offsets: the position of what was committed and evicted since is not the true one. */
static bool slot_drained(const struct mqbus_slot *slot)
{
	return slot->cursor.given.offset == slot->cursor.done.offset;
}

/*
 * Whom publishers wake. Of what is wanted back nothing is handed out, so nobody is woken
 * for it. Who comes to be the reader is woken by the change itself, after this is stored.
 */
static void slot_show(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	bool reads = slot->owner && !mqbus_slot_revoked(slot);

	/* ORD_READER: release; pairs with acquire in reader_wake() */
	smp_store_release(&a->readers[slot - a->slots], reads ? slot->owner->member : NULL);
}

/* Give a partition to its target, if nobody else has it and that is there. */
static void slot_grant(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (slot->owner || !slot->target || slot->target->state != MQBUS_SEAT_ACTIVE)
		return;
	/* 0 is no generation, also when the number has come round */
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

/* Move what nobody works on. */
static void slot_move(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (mqbus_slot_revoked(slot) && slot_drained(slot))
		slot_take_away(a, slot);
	slot_grant(a, slot);
}

/*
 * Step 1: nobody but active seats owns anything; what was meant for those that go stays
 * with who still owns it, for now.
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
 * How many each is to have. The one more that some may have goes to those that have it
 * already, then in the order in which they joined. Return: whether there is anybody.
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

/* Take from those that have too many: what costs the least first, then the last one. */
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

/* Share out what is nobody's, in the order in which they joined. */
static void assign_fill(struct mqbus_assign *a)
{
	struct mqbus_seat *seat = list_first_entry(&a->order, struct mqbus_seat, node);
	u32 i;

	for (i = 0; i < a->nr_slots; i++) {
		struct mqbus_slot *slot = &a->slots[i];

		if (slot->target)
			continue;
		/* There is one: the quotas are as many as the partitions */
		while (seat->nr >= seat->quota)
			seat = list_entry(seat->node.next, struct mqbus_seat, node);
		slot->target = seat;
		seat->nr++;
	}
}

/* Step 3, and what is due then. */
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
			/* Its owner keeps it, and may have slept beside what was published */
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

/**
 * mqbus_assign_find() - a seat by its id
 * @a: the assignment
 * @id: terminated, not empty
 * @hash: as of the seat
 *
 * Return: the seat, or NULL.
 */
struct mqbus_seat *mqbus_assign_find(const struct mqbus_assign *a, const char *id, u32 hash)
{
	struct mqbus_seat *seat;

	list_for_each_entry(seat, &a->order, node)
		if (seat->hash == hash && !strcmp(seat->id, id))
			return seat;
	return NULL;
}

/**
 * mqbus_assign_sit() - let a member in
 * @a: the assignment
 * @seat: a new seat with its member and id
 * @now: the time
 *
 * Return: 0, or -EMFILE if there are too many, or no room in the table.
 */
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
 * Its member is gone, and with it who would have to hear that he lost something; so are all
 * of those that are about to be removed. NULL: only these.
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

/**
 * mqbus_assign_take_over() - another member takes a seat
 * @a: the assignment
 * @seat: the seat, with its new member
 * @now: the time
 *
 * It gets what the seat has, under new generations, and nobody else's changes.
 */
void mqbus_assign_take_over(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now)
{
	assign_pardon(a, seat);
	/* What the old one had is not handed out any more */
	seat->state = MQBUS_SEAT_AWAY;
	assign_update(a, now);
	seat->state = MQBUS_SEAT_ACTIVE;
	assign_update(a, now);
}

/**
 * mqbus_assign_stand() - let a member out
 * @a: the assignment
 * @seat: its seat
 * @until: keep its share until then; 0: do not
 * @now: the time
 *
 * Return: whether the seat is gone, and the caller's to free.
 */
bool mqbus_assign_stand(struct mqbus_assign *a, struct mqbus_seat *seat, u64 until, u64 now)
{
	/* Who has nothing has nothing to keep */
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

/**
 * mqbus_assign_admit() - let a member in again that was fenced
 * @a: the assignment
 * @seat: its seat
 * @now: the time
 *
 * As if it had joined now: others that wait are before it.
 */
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

/**
 * mqbus_assign_fence_all() - take everything from all members
 * @a: the assignment
 * @now: the time
 */
void mqbus_assign_fence_all(struct mqbus_assign *a, u64 now)
{
	struct mqbus_seat *seat;

	list_for_each_entry(seat, &a->order, node)
		if (seat->state == MQBUS_SEAT_ACTIVE)
			seat_fence(a, seat);
	assign_update(a, now);
}

/**
 * mqbus_assign_tick() - do what is due
 * @a: the assignment
 * @now: the time
 * @gone: seats that are gone are put there, for the caller to free
 */
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
	/* Of all at once: each is a look at every partition */
	assign_pardon(a, NULL);
	list_for_each_entry_safe(seat, next, &a->order, node)
		if (seat->state == MQBUS_SEAT_GONE) {
			assign_remove(a, seat);
			list_add_tail(&seat->node, gone);
		}
}

/**
 * mqbus_assign_woken() - those that are to be woken
 * @a: the assignment
 * @at: where to begin, 0 at first; where to go on
 * @members: filled; they are noted no more
 * @max: as many at the most
 *
 * Return: how many; if fewer than @max there are no more.
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

/**
 * mqbus_slot_ready() - whether a partition's owner has something to fetch
 * @slot: the partition
 * @ring: its log
 * @paused: nothing is handed out
 *
 * Return: whether there are records, or it is to be told that it is revoked.
 */
bool mqbus_slot_ready(const struct mqbus_slot *slot, const struct mqbus_ring *ring,
		      bool paused)
{
	if (mqbus_slot_revoked(slot))
		return !slot->told;
	return !paused && READ_ONCE(ring->page->tail) != slot->cursor.given.pos;
}

/**
 * mqbus_slot_take() - hand out what was published since the last time
 * @slot: the partition
 * @ring: its log
 * @paused: nothing is handed out
 * @range: filled, but for the partition's number
 *
 * Return: whether there is anything to tell its owner.
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

/**
 * mqbus_slot_untake() - take back a range that did not arrive
 * @a: the assignment
 * @slot: the partition
 * @seat: whom it was handed out to
 * @range: what mqbus_slot_take() filled
 */
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

/**
 * mqbus_slot_lose() - a range was evicted while it was told
 * @slot: the partition
 * @seat: whom it was handed out to
 * @range: what mqbus_slot_take() filled
 */
void mqbus_slot_lose(struct mqbus_slot *slot, const struct mqbus_seat *seat,
		     const struct mqbus_range *range)
{
	if (slot->owner == seat && slot->generation == range->generation)
		mqbus_cursor_lose(&slot->cursor, range);
}

/**
 * mqbus_slot_check() - whether a commit may be
 * @slot: the partition
 * @seat: whose
 * @generation: of the range that it is about; 0: any
 * @offset: up to where
 *
 * Return: 0, -ERANGE, -ESTALE, or -ENOLINK if it was taken away by force.
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

/**
 * mqbus_slot_commit() - settle everything below a place
 * @a: the assignment
 * @slot: a partition for which mqbus_slot_check() said yes
 * @to: the place; found some time ago, perhaps
 *
 * It moves, if that was all that its owner had to do.
 */
void mqbus_slot_commit(struct mqbus_assign *a, struct mqbus_slot *slot,
		       const struct mqbus_mark *to)
{
	struct mqbus_cursor *c = &slot->cursor;
	struct mqbus_mark at = *to;

	/* Of what is evicted only the offset counts, but a floor must not go back */
	at.pos = min(max(at.pos, c->done.pos), c->given.pos);
	mqbus_cursor_commit(c, &at);
	slot_move(a, slot);
}

/**
 * mqbus_slot_release() - let go of a partition that is revoked
 * @a: the assignment
 * @slot: the partition
 *
 * What was handed out and not committed is handed out again.
 */
void mqbus_slot_release(struct mqbus_assign *a, struct mqbus_slot *slot)
{
	if (!mqbus_slot_revoked(slot))
		return;
	slot_take_away(a, slot);
	slot_grant(a, slot);
}
