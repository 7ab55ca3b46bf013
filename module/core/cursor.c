// SPDX-License-Identifier: GPL-2.0
/*
 * A stream group's progress in one partition.
 */
#include "cursor.h"

/* Make a cursor without a position. */
void mqbus_cursor_init(struct mqbus_cursor *c)
{
	memset(c, 0, sizeof(*c));
	c->floor = MQBUS_CURSOR_NO_FLOOR;
}

/* Never hold records back; the cursor has not begun. */
void mqbus_cursor_observe(struct mqbus_cursor *c)
{
	c->observes = true;
}

/**
 * mqbus_cursor_place() - move a cursor forward or back
 * @c: the cursor; the group's lock is held if others can see it
 * @ring: the partition; its lock is held, so no writer is past @at
 * @at: a mark that is still kept
 */
void mqbus_cursor_place(struct mqbus_cursor *c, struct mqbus_ring *ring,
			const struct mqbus_mark *at)
{
	lockdep_assert_held(&ring->lock);

	c->again = max(c->again, c->given.offset);
	c->done = *at;
	c->given = *at;
	c->lost_given = 0;
	c->untold = 0;
	c->owed = 0;
	if (c->observes)
		return;
	/* The lock orders this store before the next writer's look */
	WRITE_ONCE(c->floor, at->pos);
	ring->floor = min(ring->floor, at->pos);
}

/* Continue at the head if that has passed the cursor, and count lost records. */
static void cursor_catch_up(struct mqbus_cursor *c, struct mqbus_ring *ring)
{
	u64 missed, again;

	lockdep_assert_held(&ring->lock);

	if (ring->head.pos <= c->given.pos)
		return;
	missed = ring->head.offset - c->given.offset;
	/* After a fall back to @done, losses behind it are counted already */
	again = c->given.pos == c->done.pos ? c->lost_given : 0;
	c->lost += missed - again;
	c->lost_given += missed - again;
	c->untold += missed;
	c->given = ring->head;
}

static u64 overlap(u64 begin, u64 end, u64 from, u64 to)
{
	begin = max(begin, from);
	end = min(end, to);
	return end > begin ? end - begin : 0;
}

/* Number of records in a range that had been handed out before. */
static u64 cursor_again(const struct mqbus_cursor *c, u64 begin, u64 end)
{
	return overlap(begin, end, 0, c->again) +
	       overlap(begin, end, max(c->again, c->behind), c->behind_end);
}

static void cursor_count(struct mqbus_cursor *c, u64 begin, u64 end)
{
	c->delivered += end - begin;
	c->redelivered += cursor_again(c, begin, end);
}

/**
 * mqbus_cursor_take() - hand out records published since the last call
 * @c: the cursor; the group's lock is held
 * @ring: the partition
 * @range: filled, but for the partition's number
 *
 * Return: whether there are records, or a loss to report.
 */
bool mqbus_cursor_take(struct mqbus_cursor *c, struct mqbus_ring *ring,
		       struct mqbus_range *range)
{
	struct mqbus_mark end;

	mqbus_ring_end(ring, &end);
	if (end.pos == c->given.pos)
		return false;

	if (unlikely(READ_ONCE(ring->page->head) > c->given.pos)) {
		spin_lock(&ring->lock);
		cursor_catch_up(c, ring);
		end.pos = ring->published;
		end.offset = ring->page->next_offset;
		spin_unlock(&ring->lock);
	}
	range->begin = c->given.pos;
	range->begin_offset = c->given.offset;
	range->end = end.pos;
	range->end_offset = end.offset;
	range->lost = c->untold;
	c->untold = 0;
	cursor_count(c, c->given.offset, end.offset);
	c->given = end;
	return true;
}

/**
 * mqbus_cursor_step() - hand out a single record
 * @c: the cursor; the group's lock is held
 * @ring: the partition
 * @begin: filled with the record's begin; it ends at @given
 * @value_len: filled with the bytes of its value
 *
 * Return: whether there was one.
 */
bool mqbus_cursor_step(struct mqbus_cursor *c, struct mqbus_ring *ring,
		       struct mqbus_mark *begin, u32 *value_len)
{
	const struct mqbus_record *rec;
	bool got = false;

	if (READ_ONCE(ring->page->tail) == c->given.pos)
		return false;

	/* The ring's lock keeps writers from overwriting kept records */
	spin_lock(&ring->lock);
	cursor_catch_up(c, ring);
	if (c->given.pos != ring->published) {
		rec = mqbus_ring_record(ring, c->given.pos);
		*begin = c->given;
		*value_len = rec->value_len;
		cursor_count(c, begin->offset, begin->offset + 1);
		c->given.pos += rec->size;
		c->given.offset++;
		got = true;
	}
	spin_unlock(&ring->lock);
	return got;
}

/* Commit everything below @to, which is between @done and @given; the group's lock is held. */
void mqbus_cursor_commit(struct mqbus_cursor *c, const struct mqbus_mark *to)
{
	if (to->pos != c->done.pos) {
		c->lost_given = 0;
		/* All lost records lie below the head, and so below @to */
		c->owed = c->untold;
	}
	c->done = *to;
	if (c->observes)
		return;
	/* ORD_FLOOR: release; pairs with acquire in mqbus_cursor_floor() */
	smp_store_release(&c->floor, to->pos);
}

/* Take back records handed out and not committed; the group's lock is held. */
void mqbus_cursor_rewind(struct mqbus_cursor *c)
{
	c->again = max(c->again, c->given.offset);
	/*
	 * The next owner meets losses behind @done again, and they are reported then;
	 * losses below @done were not reported, or their reader died without a commit.
	 */
	c->untold = c->owed;
	c->given = c->done;
}

/* Uncount a range that no member holds, though it had been handed out. */
static void cursor_uncount(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 begin = range->begin_offset, end = range->end_offset;

	c->delivered -= end - begin;
	/* @again may have been less when the range was handed out */
	c->redelivered -= min(c->redelivered, cursor_again(c, begin, end));
}

/*
 * Take back a range of mqbus_cursor_take() that did not arrive; the group's lock is held.
 * Records handed out behind it meanwhile are handed out again, as a cursor has no gaps. For
 * records committed meanwhile only losses are reported again.
 */
void mqbus_cursor_untake(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 begin = range->begin_offset, end = range->end_offset;
	struct mqbus_mark to = { range->begin, begin };

	c->untold += range->lost;
	/* The loss is below a later commit, or was so before it was reported */
	if (begin < c->done.offset)
		c->owed += range->lost;
	else if (begin == c->done.offset)
		c->owed = max(c->owed, range->lost);
	cursor_uncount(c, range);
	if (c->given.offset > end) {
		bool apart = end > c->behind_end || c->given.offset < c->behind;

		c->behind = apart ? end : min(c->behind, end);
		c->behind_end = apart ? c->given.offset : max(c->behind_end, c->given.offset);
	}
	if (c->behind >= begin && c->behind < end)
		c->behind = end;
	if (to.offset < c->done.offset)
		to = c->done;
	if (to.offset < c->given.offset)
		c->given = to;
}

/* A range of mqbus_cursor_take() was evicted while it was reported; the group's lock is held. */
void mqbus_cursor_lose(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 n = range->end_offset - range->begin_offset;

	/* The next call finds it lost */
	if (c->given.pos == range->end) {
		mqbus_cursor_untake(c, range);
		return;
	}
	cursor_uncount(c, range);
	c->lost += n;
	c->untold += n;
	if (c->done.offset <= range->begin_offset)
		c->lost_given += n;
	else
		c->owed += n;
}
