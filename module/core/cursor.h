/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_CURSOR_H
#define _MQBUS_CORE_CURSOR_H

#include "ring.h"

/**
 * DOC: The cursor
 *
 * What a stream group has of one partition: @done is what it has committed,
 * @given what it has handed out to the partition's owner; done <= given. When
 * the owner goes, @given falls back to @done and the next owner gets it again. When a
 * range did not arrive, @given falls back to where that began, though others may have been
 * given what is behind it: that is handed out twice, so that nothing is lost.
 *
 * @floor repeats @done's position for writers, which load it without the
 * group's lock (ORD_FLOOR): a reader has finished with everything below before
 * it is stored, and a writer reuses the bytes after it was loaded. A cursor that
 * has not begun has a floor of %MQBUS_CURSOR_NO_FLOOR and holds nothing back.
 */

#define MQBUS_CURSOR_NO_FLOOR	U64_MAX

/**
 * struct mqbus_cursor - a group's progress in a partition
 * @floor: writers may reuse what is below
 * @done: what is committed
 * @given: what is handed out
 * @lost: records evicted before they were handed out, each counted once
 * @lost_given: those of @lost that are between @done and @given, so that they
 *	are not counted again when @given falls back
 * @untold: records missed that no range has told of yet
 * @owed: of those missed below @done, what nobody was told of who then committed
 * @delivered: records handed out, each time
 * @redelivered: of these, those that were below @again
 * @again: the offset below which records had been handed out when @given last went back
 *	to @done
 * @behind: offset of the first record that had been handed out behind a range which was
 *	taken back
 * @behind_end: offset behind the last one
 */
struct mqbus_cursor {
	u64 floor;	/* stored under the group's lock, loaded by writers */
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

/**
 * mqbus_cursor_floor() - what a cursor holds back
 * @c: the cursor
 *
 * Return: a position, or %MQBUS_CURSOR_NO_FLOOR.
 */
static inline u64 mqbus_cursor_floor(const struct mqbus_cursor *c)
{
	/* ORD_FLOOR: acquire; pairs with release in mqbus_cursor_commit() */
	return smp_load_acquire(&c->floor);
}

void mqbus_cursor_init(struct mqbus_cursor *c);
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
