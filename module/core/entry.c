// SPDX-License-Identifier: GPL-2.0
/*
 * A table of entries, lists of them, and a heap by time.
 */
#include "entry.h"

static const char * const reason_names[] = {
	[MQBUS_REASON_NACK] = "nack",
	[MQBUS_REASON_EXPIRED] = "expired",
	[MQBUS_REASON_DIED] = "died",
	[MQBUS_REASON_REJECTED] = "rejected",
};

/* Name of a reason in a dead letter's headers. */
const char *mqbus_reason_name(enum mqbus_reason reason)
{
	return reason_names[reason];
}

/* Make a table of free entries; @entries is zeroed, @nr is below MQBUS_NONE. */
void mqbus_table_init(struct mqbus_table *t, struct mqbus_entry *entries, u32 nr)
{
	u32 i;

	t->entries = entries;
	t->nr = nr;
	t->used = 0;
	t->heap = 0;
	mqbus_list_init(&t->free);
	for (i = 0; i < nr; i++)
		mqbus_list_add(t, &t->free, MQBUS_LIST, i);
}

static void heap_set(struct mqbus_table *t, u32 slot, u32 i)
{
	t->entries[slot].slot = i;
	t->entries[i].heap = slot;
}

static u64 heap_time(const struct mqbus_table *t, u32 slot)
{
	return t->entries[t->entries[slot].slot].time;
}

static void heap_up(struct mqbus_table *t, u32 slot, u32 i)
{
	while (slot) {
		u32 parent = (slot - 1) / 2;

		if (heap_time(t, parent) <= t->entries[i].time)
			break;
		heap_set(t, slot, t->entries[parent].slot);
		slot = parent;
	}
	heap_set(t, slot, i);
}

static void heap_down(struct mqbus_table *t, u32 slot, u32 i)
{
	for (;;) {
		u32 child = 2 * slot + 1;

		if (child >= t->heap)
			break;
		if (child + 1 < t->heap && heap_time(t, child + 1) < heap_time(t, child))
			child++;
		if (heap_time(t, child) >= t->entries[i].time)
			break;
		heap_set(t, slot, t->entries[child].slot);
		slot = child;
	}
	heap_set(t, slot, i);
}

/* Add an entry to the heap, where it is not yet. */
void mqbus_heap_add(struct mqbus_table *t, u32 i, u64 time)
{
	t->entries[i].time = time;
	heap_up(t, t->heap++, i);
}

/* Remove an entry from the heap. */
void mqbus_heap_remove(struct mqbus_table *t, u32 i)
{
	u32 slot = t->entries[i].heap;
	u32 last;

	t->entries[i].heap = MQBUS_NONE;
	last = t->entries[--t->heap].slot;
	if (last == i)
		return;
	/* The last one fills the gap, and may have to move up or down */
	if (slot && heap_time(t, (slot - 1) / 2) > t->entries[last].time)
		heap_up(t, slot, last);
	else
		heap_down(t, slot, last);
}
