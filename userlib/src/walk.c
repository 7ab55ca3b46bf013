// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "consumer.h"

static int consumer_skips(const struct mqbus_consumer *c, const struct mqbus_range *range)
{
	return range->flags & MQBUS_RANGE_F_REVOKED || c->parts[range->partition].gone;
}

void mqbus_consumer_enter(struct mqbus_consumer *c, uint32_t index)
{
	const struct consumer_partition *part;
	const struct mqbus_range *range;

	while (index < c->nr_ranges && consumer_skips(c, &c->ranges[index]))
		index++;
	c->range = index;
	if (index >= c->nr_ranges) {
		c->cursor.next = NULL;
		c->cursor.end = NULL;
		return;
	}
	range = &c->ranges[index];
	part = &c->parts[range->partition];
	c->cursor.partition = range->partition;
	c->noted = range->begin_offset;
	if (c->copy) {
		c->pos = range->begin;
		c->offset = range->begin_offset;
		return;
	}
	c->cursor.next = mqbus_map_at(&part->map, range->begin);
	c->cursor.end = c->cursor.next + (range->end - range->begin);
	c->cursor.head = &part->map.page->head;
	c->cursor.origin = (uint64_t)(uintptr_t)c->cursor.next - range->begin;
}

uint64_t mqbus_consumer_done(const struct mqbus_consumer *c)
{
	const struct mqbus_record *next = (const void *)c->cursor.next;
	uint64_t offset;

	if (c->copy)
		return c->offset;
	if (c->cursor.next >= c->cursor.end)
		return c->ranges[c->range].end_offset;
	/* The next record is not committed, so only fencing can have removed it */
	offset = __atomic_load_n(&next->offset, __ATOMIC_RELAXED);
	return mqbus_consumer_passed(&c->cursor) ? MQBUS_CONSUMER_UNKNOWN : offset;
}

/*
 * ORD_HEAD: the writer stores head before it reuses the bytes below it. So if
 * head, loaded after the copy, is not above the record, the copy is complete.
 */
static uint64_t consumer_head(const struct consumer_partition *part)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&part->map.page->head, __ATOMIC_ACQUIRE);
}

/* The next record in place, or NULL if it was overwritten because this member was fenced. */
static const struct mqbus_record *consumer_next_place(struct mqbus_consumer *c)
{
	const struct mqbus_record *r = (const void *)c->cursor.next;
	uint32_t size;

	if (c->cursor.next >= c->cursor.end)
		return NULL;
	size = __atomic_load_n(&r->size, __ATOMIC_RELAXED);
	if (mqbus_consumer_passed(&c->cursor))
		return NULL;
	c->cursor.next += size;
	return r;
}

/*
 * Make room for a record above the topic's maximum: a dead letter has more headers, and
 * may come from a topic with larger records. It is skipped, and counts as lost,
 * only if there is no memory for it.
 */
static void consumer_grow(struct mqbus_consumer *c, uint32_t size)
{
	struct mqbus_record *copy = realloc(c->copy, size);

	if (copy) {
		c->copy = copy;
		c->copy_size = size;
	} else {
		c->pos += size;
	}
}

/*
 * Copy the record at the current position if it is still there. Until head is checked the
 * bytes read may be garbage, the size too. Returns whether the record is in the copy; if not,
 * the position is that to continue at: the same record, for
 * which there is room now, one behind it, head or the range's end.
 */
static int consumer_copy(struct mqbus_consumer *c)
{
	const struct consumer_partition *part = &c->parts[c->cursor.partition];
	const struct mqbus_record *r;
	uint64_t end = c->ranges[c->range].end;
	uint64_t head;
	uint32_t size;

	r = (const void *)mqbus_map_at(&part->map, c->pos);
	size = __atomic_load_n(&r->size, __ATOMIC_RELAXED);
	if (size < sizeof(*r) || size % 8 || size > end - c->pos)
		size = 0;
	if (size <= c->copy_size)
		memcpy(c->copy, r, size);
	head = consumer_head(part);
	if (head <= c->pos && size > c->copy_size) {
		consumer_grow(c, size);
		return 0;
	}
	if (head <= c->pos && size) {
		c->pos += size;
		return 1;
	}
	c->pos = head > c->pos && head < end ? head : end;
	return 0;
}

/* Offsets are dense, so a gap before a complete copy is the number of lost records. */
static const struct mqbus_record *consumer_next_copy(struct mqbus_consumer *c)
{
	const struct mqbus_range *range = &c->ranges[c->range];

	while (c->pos < range->end) {
		if (!consumer_copy(c))
			continue;
		c->lost += c->copy->offset - c->offset;
		c->offset = c->copy->offset + 1;
		return c->copy;
	}
	c->lost += range->end_offset - c->offset;
	c->offset = range->end_offset;
	return NULL;
}

const struct mqbus_record *mqbus_consumer_next_call(struct mqbus_consumer *c,
						    uint32_t *partition)
{
	const struct mqbus_record *r;

	while (c->range < c->nr_ranges) {
		r = c->copy ? consumer_next_copy(c) : consumer_next_place(c);
		if (r) {
			if (partition)
				*partition = c->cursor.partition;
			return r;
		}
		mqbus_consumer_note(c);
		mqbus_consumer_enter(c, c->range + 1);
	}
	return NULL;
}
