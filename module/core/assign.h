/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_ASSIGN_H
#define _MQBUS_CORE_ASSIGN_H

#include "cursor.h"

/**
 * DOC: The assignment
 *
 * Which member of a stream group reads which partition. A member has a *seat*, which
 * may outlive it when it has an id. Each partition has a *target*, the seat that it is
 * to belong to, and an *owner*, the seat whose member may fetch and commit. Whatever
 * changes the seats ends in one place, assign_update(), which
 *
 * 1. takes from seats that are not active what they own: it is to be handed out again;
 * 2. chooses targets: balanced within one, and otherwise as they were;
 * 3. moves what may move to its target.
 *
 * A partition whose owner is not its target is *revoked*: nothing of it is handed out
 * any more, and it moves when its owner has committed all that was, lets go, goes, or
 * is fenced because its time is over. So at any time a partition has at most one owner, and
 * nobody is given a record that another one may still be working on, but for what was
 * taken away by force.
 *
 * Whoever publishes looks without the lock at @readers, whom to wake for a partition. What
 * that cannot do, since somebody has a partition only now, follows from the change itself:
 * it notes the seat (mqbus_seat_wake()), and the caller wakes those that are noted when it
 * has let go of the lock.
 *
 * All functions are called with the group's lock held. All take a time that grows at
 * most with the number of partitions and seats.
 */

struct mqbus_member;

/**
 * enum mqbus_seat_state - what a seat is good for
 * @MQBUS_SEAT_ACTIVE: its member fetches
 * @MQBUS_SEAT_AWAY: it has no member; its share is kept for one that joins with its id
 * @MQBUS_SEAT_FENCED: its member is to be told first that it lost what it had
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
 * @node: in the order in which they joined, or were let in again
 * @member: who sits there, or NULL
 * @state: an &enum mqbus_seat_state
 * @index: of the table
 * @nr: partitions whose target it is
 * @quota: partitions that it is to have
 * @fenced: generation of the group when it was last fenced; 0: never
 * @until: of one that is away: when it is removed
 * @owned: the partitions that it owns, from the one that is to be looked at first
 * @wake: its member may go on, or is to be told
 * @news: it was fenced, and nobody was told
 * @hash: of @id, so that few names are compared
 * @id: what the member calls itself, or ""
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
 * @owner: who may fetch and commit, or NULL; always an active seat
 * @node: in its owner's list
 * @target: whom it is to belong to, or NULL
 * @deadline: when it is revoked: when its owner is fenced; U64_MAX: never; else 0
 * @generation: the group's when it got its last owner
 * @told: its owner was told that it is revoked
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
 * struct mqbus_assign - who reads what
 * @slots: the partitions
 * @nr_slots: how many
 * @readers: of each partition, whom to wake when something is published there: the member
 *	that would be given it, or NULL; loaded without the lock
 * @seats: table of seats, with gaps
 * @room: length of the table
 * @nr_seats: how many there are
 * @order: the same in the order in which they joined
 * @timeout: ns that an owner has to let go; U64_MAX: as long as it likes
 * @generation: counts grants, never 0 after the first
 * @due: when mqbus_assign_tick() has something to do, or before; U64_MAX: never
 * @fences: seats that were fenced since somebody looked
 * @changed: somebody may go on, or is to be told; whoever clears it wakes them
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

/**
 * mqbus_slot_revoked() - whether a partition is wanted back from its owner
 * @slot: the partition
 *
 * Return: whether it is.
 */
static inline bool mqbus_slot_revoked(const struct mqbus_slot *slot)
{
	return slot->owner && slot->owner != slot->target;
}

/**
 * mqbus_seat_wake() - note that a seat's member is to be woken
 * @a: the assignment
 * @seat: the seat
 */
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
