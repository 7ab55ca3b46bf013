/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_CURSOR_H
#define _MQBUS_CORE_CURSOR_H

#include "ring.h"

/**
 * DOC: The cursor
 *
 * A stream group's progress in one partition: records below @done are committed, records
 * below @given were handed out to the partition's owner; done <= given. When the owner
 * leaves, @given falls back to @done and the next owner gets the records again. When a
 * range did not arrive, @given falls back to its begin, even if records behind it were
 * handed out meanwhile: they are handed out twice, so that no record is lost.
 *
 * @floor repeats @done's position for writers, which load it without the
 * group's lock (ORD_FLOOR): readers have finished with everything below before
 * it is stored, and writers reuse these bytes after they have loaded it. A cursor that
 * has not begun, or belongs to an observer, has a floor of %MQBUS_CURSOR_NO_FLOOR and holds
 * nothing back: records may be dropped before it has handed them out, and count as lost.
 */

#define MQBUS_CURSOR_NO_FLOOR	U64_MAX

/**
 * struct mqbus_cursor - a group's progress in a partition
 * @floor: writers may reuse bytes below
 * @observes: it never holds records back
 * @done: end of the committed records
 * @given: end of the records handed out
 * @lost: records evicted before they were handed out, each counted once
 * @lost_given: part of @lost between @done and @given, which must not be counted again
 *	when @given falls back
 * @untold: lost records that no range has reported yet
 * @owed: lost records below @done that were not reported to a member that committed
 * @delivered: records handed out, each time
 * @redelivered: part of @delivered that was below @again
 * @again: the offset below which records had been handed out when @given last fell back
 *	to @done
 * @behind: offset of the first record handed out behind a range that was taken back
 * @behind_end: offset behind the last such record
 */
struct mqbus_cursor {
	u64 floor;	/* stored under the group's lock, loaded by writers */
	bool observes;	/* constant */
	/* guarded by the group's lock */
	struct mqbus_mark done;
	struct mqbus_mark given;
	u64 lost;
	u64 lost_given;
	u64 untold;
	u64 owed;
	u64 delivered;
	u64 redelivered;
	u64 again;
	u64 behind;
	u64 behind_end;
};

/* The position from which a cursor holds records back, or MQBUS_CURSOR_NO_FLOOR */
static inline u64 mqbus_cursor_floor(const struct mqbus_cursor *c)
{
	/* ORD_FLOOR: acquire; pairs with release in mqbus_cursor_commit() */
	return smp_load_acquire(&c->floor);
}

void mqbus_cursor_init(struct mqbus_cursor *c);
void mqbus_cursor_observe(struct mqbus_cursor *c);
void mqbus_cursor_place(struct mqbus_cursor *c, struct mqbus_ring *ring,
			const struct mqbus_mark *at);
bool mqbus_cursor_take(struct mqbus_cursor *c, struct mqbus_ring *ring,
		       struct mqbus_range *range);
bool mqbus_cursor_step(struct mqbus_cursor *c, struct mqbus_ring *ring,
		       struct mqbus_mark *begin, u32 *value_len);
void mqbus_cursor_commit(struct mqbus_cursor *c, const struct mqbus_mark *to);
void mqbus_cursor_rewind(struct mqbus_cursor *c);
void mqbus_cursor_untake(struct mqbus_cursor *c, const struct mqbus_range *range);
void mqbus_cursor_lose(struct mqbus_cursor *c, const struct mqbus_range *range);

#endif /* _MQBUS_CORE_CURSOR_H */
