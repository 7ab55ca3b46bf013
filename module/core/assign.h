/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_ASSIGN_H
#define _MQBUS_CORE_ASSIGN_H

#include "cursor.h"

/**
 * DOC: The assignment
 *
 * Partitions of a stream group are assigned to its members. A member has a *seat*, which
 * may outlive it when it has an id. Each partition has a *target*, the seat that should
 * own it, and an *owner*, the seat whose member may fetch and commit. Every change of the
 * seats ends in assign_update(), which
 *
 * 1. takes partitions from seats that are not active, so that they are handed out again;
 * 2. chooses targets: balanced within one, and otherwise unchanged;
 * 3. moves partitions to their target where possible.
 *
 * A partition whose owner is not its target is *revoked*: none of its records are handed
 * out any more. It moves when its owner has committed everything handed out, releases it,
 * leaves, or is fenced at the deadline. So a partition has at most one owner at any time,
 * and no record is given to a member while another may be working on it, except after a
 * fence.
 *
 * Publishers load @readers without the lock to find the member to wake. A member that
 * becomes the reader later is woken by the change itself: mqbus_seat_wake() notes the
 * seat, and the caller wakes noted members after it drops the lock.
 *
 * All functions are called with the group's lock held. They take time at most
 * proportional to the number of partitions and seats.
 */

struct mqbus_member;

/**
 * enum mqbus_seat_state - state of a seat
 * @MQBUS_SEAT_ACTIVE: its member fetches
 * @MQBUS_SEAT_AWAY: it has no member; its share is kept for one that joins with its id
 * @MQBUS_SEAT_FENCED: its member lost its partitions and must learn that first
 * @MQBUS_SEAT_GONE: it is about to be removed
 */
enum mqbus_seat_state {
	MQBUS_SEAT_ACTIVE,
	MQBUS_SEAT_AWAY,
	MQBUS_SEAT_FENCED,
	MQBUS_SEAT_GONE,
};

/**
 * struct mqbus_seat - a member's place in a stream group
 * @node: in order of joining or readmission
 * @member: the member in the seat, or NULL
 * @state: an &enum mqbus_seat_state
 * @index: in the table
 * @nr: partitions whose target it is
 * @quota: partitions that it should have
 * @fenced: generation of the group when it was last fenced; 0: never
 * @until: time at which a seat that is away is removed
 * @owned: partitions that it owns, the next one to look at first
 * @wake: its member must be woken
 * @news: it was fenced, and its member has not learned that yet
 * @hash: of @id, so that few names are compared
 * @id: the member's id, or ""
 */
struct mqbus_seat {
	struct list_head node;
	struct mqbus_member *member;
	enum mqbus_seat_state state;
	u32 index;
	u32 nr;
	u32 quota;
	u32 fenced;
	u64 until;
	struct list_head owned;
	bool wake;
	bool news;
	u32 hash;
	char id[MQBUS_NAME_SIZE];
};

/**
 * struct mqbus_slot - a group's share in one partition
 * @cursor: its progress
 * @owner: seat that may fetch and commit, or NULL; always an active one
 * @node: in its owner's list
 * @target: seat that should own it, or NULL
 * @deadline: of a revoked one: when its owner is fenced; U64_MAX: never; else 0
 * @generation: the group's when it got its last owner
 * @told: its owner was notified of the revocation
 * @robbed: the seat from which it was last taken by force, until that gets it back
 */
struct mqbus_slot {
	struct mqbus_cursor cursor;
	struct mqbus_seat *owner;
	struct list_head node;
	struct mqbus_seat *target;
	u64 deadline;
	u32 generation;
	bool told;
	const struct mqbus_seat *robbed;
};

/**
 * struct mqbus_assign - assignment of partitions to members
 * @slots: the partitions
 * @nr_slots: number of @slots
 * @readers: for each partition the member to wake when a record is published there, or
 *	NULL; loaded without the lock
 * @seats: table of seats, with gaps
 * @room: length of the table
 * @nr_seats: number of seats
 * @order: seats in order of joining
 * @timeout: ns that an owner has to release a partition; U64_MAX: no limit
 * @generation: counts grants, never 0 after the first
 * @due: when mqbus_assign_tick() has something to do, or before; U64_MAX: never
 * @fences: seats that were fenced since @fences was last read
 * @changed: a seat has @wake set; the code that clears it wakes the members
 */
struct mqbus_assign {
	struct mqbus_slot *slots;
	u32 nr_slots;
	struct mqbus_member **readers;
	struct mqbus_seat **seats;
	u32 room;
	u32 nr_seats;
	struct list_head order;
	u64 timeout;
	u32 generation;
	u64 due;
	u32 fences;
	bool changed;
};

/* Whether a partition is owned by a seat that is not its target */
static inline bool mqbus_slot_revoked(const struct mqbus_slot *slot)
{
	return slot->owner && slot->owner != slot->target;
}

/* Note that a seat's member must be woken */
static inline void mqbus_seat_wake(struct mqbus_assign *a, struct mqbus_seat *seat)
{
	seat->wake = true;
	WRITE_ONCE(a->changed, true);
}

void mqbus_assign_init(struct mqbus_assign *a, struct mqbus_slot *slots,
		       struct mqbus_member **readers, u32 nr);
struct mqbus_seat *mqbus_assign_find(const struct mqbus_assign *a, const char *id, u32 hash);
int mqbus_assign_sit(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now);
void mqbus_assign_take_over(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now);
bool mqbus_assign_stand(struct mqbus_assign *a, struct mqbus_seat *seat, u64 until, u64 now);
void mqbus_assign_admit(struct mqbus_assign *a, struct mqbus_seat *seat, u64 now);
void mqbus_assign_fence_all(struct mqbus_assign *a, u64 now);
void mqbus_assign_tick(struct mqbus_assign *a, u64 now, struct list_head *gone);
u32 mqbus_assign_woken(struct mqbus_assign *a, u32 *at, struct mqbus_member **members, u32 max);

bool mqbus_slot_ready(const struct mqbus_slot *slot, const struct mqbus_ring *ring,
		      bool paused);
bool mqbus_slot_take(struct mqbus_slot *slot, struct mqbus_ring *ring, bool paused,
		     struct mqbus_range *range);
void mqbus_slot_untake(struct mqbus_assign *a, struct mqbus_slot *slot,
		       const struct mqbus_seat *seat, const struct mqbus_range *range);
void mqbus_slot_lose(struct mqbus_slot *slot, const struct mqbus_seat *seat,
		     const struct mqbus_range *range);
int mqbus_slot_check(const struct mqbus_slot *slot, const struct mqbus_seat *seat,
		     u32 generation, u64 offset);
void mqbus_slot_commit(struct mqbus_assign *a, struct mqbus_slot *slot,
		       const struct mqbus_mark *to);
void mqbus_slot_release(struct mqbus_assign *a, struct mqbus_slot *slot);

#endif /* _MQBUS_CORE_ASSIGN_H */
