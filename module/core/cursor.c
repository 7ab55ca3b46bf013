// SPDX-License-Identifier: GPL-2.0
/*
 * A stream group's progress in one partition.
 */
#include "cursor.h"

/**
 * mqbus_cursor_init() - make a cursor that stands nowhere yet
 * @c: to fill
 */
void mqbus_cursor_init(struct mqbus_cursor *c)
{
	memset(c, 0, sizeof(*c));
	c->floor = MQBUS_CURSOR_NO_FLOOR;
}

/**
 * mqbus_cursor_place() - put a cursor somewhere, forward or back
 * @c: the cursor; the group's lock is held if others can see it
 * @ring: the partition; its lock is held, so no writer is past the place
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
	/* The lock orders this store before the next writer's look */
	WRITE_ONCE(c->floor, at->pos);
	ring->floor = min(ring->floor, at->pos);
}

/* Go on at the head if that has passed us, and count what we missed. */
static void cursor_catch_up(struct mqbus_cursor *c, struct mqbus_ring *ring)
{
	u64 missed, again;

	lockdep_assert_held(&ring->lock);

	if (ring->head.pos <= c->given.pos)
		return;
	missed = ring->head.offset - c->given.offset;
	/* When we begin at @done again, what was lost behind it is counted already */
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

/* Of some records, those that had been handed out before. */
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
 * mqbus_cursor_take() - hand out what was published since the last time
 * @c: the cursor; the group's lock is held
 * @ring: the partition
 * @range: filled, but for the partition's number
 *
 * Return: whether there is anything to tell: records, or that some were lost.
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
 * @begin: filled with where the record begins; it ends at @given
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

	/* Under the ring's lock nothing that is kept is overwritten */
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

/**
 * mqbus_cursor_commit() - settle everything below a place
 * @c: the cursor; the group's lock is held
 * @to: between @done and @given
 */
void mqbus_cursor_commit(struct mqbus_cursor *c, const struct mqbus_mark *to)
{
	if (to->pos != c->done.pos) {
		c->lost_given = 0;
		/* All that was missed lies below what is kept, and so below @to */
		c->owed = c->untold;
	}
	c->done = *to;
	/* ORD_FLOOR: release; pairs with acquire in mqbus_cursor_floor() */
	smp_store_release(&c->floor, to->pos);
}

/**
 * mqbus_cursor_rewind() - take back what was handed out and not committed
 * @c: the cursor; the group's lock is held
 */
void mqbus_cursor_rewind(struct mqbus_cursor *c)
{
	c->again = max(c->again, c->given.offset);
	/*
	 * What is missing from there on whoever is next misses again, and is told of then;
	 * below, it is what those before him were not told of, or died without committing.
	 */
	c->untold = c->owed;
	c->given = c->done;
}

/* A range is in nobody's hands, though it had been handed out. */
static void cursor_uncount(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 begin = range->begin_offset, end = range->end_offset;

	c->delivered -= end - begin;
	/* When it was handed out @again may have been less */
	c->redelivered -= min(c->redelivered, cursor_again(c, begin, end));
}

/**
 * mqbus_cursor_untake() - take back a range that did not arrive
 * @c: the cursor; the group's lock is held
 * @range: what mqbus_cursor_take() filled
 *
 * What was handed out behind it meanwhile comes again after it: there is no place for a gap.
 * Of what was committed meanwhile only what was lost is told again.
 */
void mqbus_cursor_untake(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 begin = range->begin_offset, end = range->end_offset;
	struct mqbus_mark to = { range->begin, begin };

	c->untold += range->lost;
	/* The gap is below what was committed meanwhile, or was so before it was told */
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

/**
 * mqbus_cursor_lose() - a range was evicted while it was told
 * @c: the cursor; the group's lock is held
 * @range: what mqbus_cursor_take() filled
 */
void mqbus_cursor_lose(struct mqbus_cursor *c, const struct mqbus_range *range)
{
	u64 n = range->end_offset - range->begin_offset;

	/* The next look finds it missing */
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
