/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_CORE_ENTRY_H
#define _MQBUS_CORE_ENTRY_H

#include "sys.h"

/**
 * DOC: Entries
 *
 * A queue group keeps an entry of 64 bytes for each record that it has taken and not
 * settled, in a table that is allocated with the group. Entries are named and linked into
 * lists by their index; entries with a due time are in a binary heap. All operations take
 * constant time, those of the heap logarithmic time, for any number of entries and any
 * order of settlement.
 *
 * Slot k of the heap is stored in entry k, whatever that entry is used for, so that the
 * heap needs no memory of its own.
 */

/* No entry */
#define MQBUS_NONE	U32_MAX

enum mqbus_entry_state {
	MQBUS_ENTRY_FREE,
	MQBUS_ENTRY_LEASED,	/* a member has it */
	MQBUS_ENTRY_READY,	/* to be handed out */
	MQBUS_ENTRY_WAITING,	/* to be handed out when it is due */
	MQBUS_ENTRY_DEAD,	/* for the DLQ */
	MQBUS_ENTRY_HELD,	/* behind another record of its key */
};

/* Where an entry is counted; for RETRY, where its record lies */
enum mqbus_entry_place {
	MQBUS_PLACE_RING,	/* in its partition; in flight */
	MQBUS_PLACE_RETRY,	/* in the retry ring; in flight while it is leased */
	MQBUS_PLACE_HELD,	/* in its partition; held back until it is leased */
	MQBUS_PLACES,
};

/*
 * The last lease ran out; the last lease was not the record's first; it was ended by a
 * seek; a transaction is looking at it
 */
#define MQBUS_ENTRY_EXPIRED	1
#define MQBUS_ENTRY_AGAIN	2
#define MQBUS_ENTRY_FORGOTTEN	4
#define MQBUS_ENTRY_NAMED	8

enum mqbus_reason {
	MQBUS_REASON_NACK,
	MQBUS_REASON_EXPIRED,
	MQBUS_REASON_DIED,
	MQBUS_REASON_REJECTED,
};

const char *mqbus_reason_name(enum mqbus_reason reason);

/**
 * struct mqbus_link - neighbours in a list
 * @prev: the entry before, or %MQBUS_NONE
 * @next: the entry behind, or %MQBUS_NONE
 */
struct mqbus_link {
	u32 prev;
	u32 next;
};

/* A list of entries; both ends are MQBUS_NONE if it is empty */
struct mqbus_list {
	u32 first;
	u32 last;
};

/**
 * struct mqbus_entry - a record that was taken and is not settled
 * @pos: its position in the ring where it lies
 * @time: in ns of the caller's clock, end of the lease or due time; of a dead letter,
 *	when it was given up (CLOCK_REALTIME)
 * @first: when it was first handed out (CLOCK_REALTIME); 0: not yet
 * @lease: number of its last lease; outlives the entry's use
 * @partition: where it was published
 * @failures: number of failed attempts
 * @order: in the order of the ring where it lies
 * @list: in its member's leases, the ready or the dead entries, or behind its key
 * @seat: of the member that has it leased
 * @pid: of a dead letter's last member
 * @state: an &enum mqbus_entry_state
 * @place: an &enum mqbus_entry_place
 * @reason: an &enum mqbus_reason: of the last failure
 * @flags: of its last lease: bits of MQBUS_ENTRY_*; outlives the entry's use
 * @heap: its slot in the heap, or %MQBUS_NONE
 * @uid: of a dead letter's last member
 * @slot: the entry in the heap's slot of this index
 */
struct mqbus_entry {
	u64 pos;
	u64 time;
	u64 first;
	u32 lease;
	u16 partition;
	u16 failures;
	struct mqbus_link order;
	struct mqbus_link list;
	union {
		u32 seat;
		u32 pid;
	};
	u8 state;
	u8 place;
	u8 reason;
	u8 flags;
	union {
		u32 heap;
		u32 uid;
	};
	u32 slot;
};

/**
 * struct mqbus_table - the entries of a group
 * @entries: the table
 * @nr: length of @entries
 * @used: entries in use
 * @free: free entries, the last freed at the end, so that questions about an old lease can
 *	be answered as long as possible
 * @heap: entries in the heap
 */
struct mqbus_table {
	struct mqbus_entry *entries;
	u32 nr;
	u32 used;
	struct mqbus_list free;
	u32 heap;
};

/* Which link of an entry a list goes through */
enum mqbus_through {
	MQBUS_ORDER,
	MQBUS_LIST,
};

void mqbus_table_init(struct mqbus_table *t, struct mqbus_entry *entries, u32 nr);
void mqbus_heap_add(struct mqbus_table *t, u32 i, u64 time);
void mqbus_heap_remove(struct mqbus_table *t, u32 i);

static inline void mqbus_list_init(struct mqbus_list *list)
{
	list->first = MQBUS_NONE;
	list->last = MQBUS_NONE;
}

static inline bool mqbus_list_empty(const struct mqbus_list *list)
{
	return list->first == MQBUS_NONE;
}

/* A link of an entry; callers pass a constant @link, so that no branch is left */
static inline struct mqbus_link *mqbus_table_link(struct mqbus_table *t,
						  enum mqbus_through link, u32 i)
{
	return link == MQBUS_ORDER ? &t->entries[i].order : &t->entries[i].list;
}

/* Append an entry to a list */
static inline void mqbus_list_add(struct mqbus_table *t, struct mqbus_list *list,
				  enum mqbus_through link, u32 i)
{
	struct mqbus_link *l = mqbus_table_link(t, link, i);

	l->prev = list->last;
	l->next = MQBUS_NONE;
	if (list->last == MQBUS_NONE)
		list->first = i;
	else
		mqbus_table_link(t, link, list->last)->next = i;
	list->last = i;
}

/* Prepend an entry to a list */
static inline void mqbus_list_push(struct mqbus_table *t, struct mqbus_list *list,
				   enum mqbus_through link, u32 i)
{
	struct mqbus_link *l = mqbus_table_link(t, link, i);

	l->prev = MQBUS_NONE;
	l->next = list->first;
	if (list->first == MQBUS_NONE)
		list->last = i;
	else
		mqbus_table_link(t, link, list->first)->prev = i;
	list->first = i;
}

/* Remove an entry from the list it is in */
static inline void mqbus_list_del(struct mqbus_table *t, struct mqbus_list *list,
				  enum mqbus_through link, u32 i)
{
	struct mqbus_link *l = mqbus_table_link(t, link, i);

	if (l->prev == MQBUS_NONE)
		list->first = l->next;
	else
		mqbus_table_link(t, link, l->prev)->next = l->next;
	if (l->next == MQBUS_NONE)
		list->last = l->prev;
	else
		mqbus_table_link(t, link, l->next)->prev = l->prev;
}

/*
 * Take a free entry into use: zeroed but for its last lease's number and flags, in no list
 * and not in the heap. Returns MQBUS_NONE if there is none.
 */
static inline u32 mqbus_table_get(struct mqbus_table *t)
{
	struct mqbus_entry *e;
	u32 i = t->free.first;

	if (i == MQBUS_NONE)
		return i;
	mqbus_list_del(t, &t->free, MQBUS_LIST, i);
	t->used++;
	e = &t->entries[i];
	e->first = 0;
	e->failures = 0;
	e->heap = MQBUS_NONE;
	return i;
}

/* Free an entry that is in no list and not in the heap; its state is MQBUS_ENTRY_FREE */
static inline void mqbus_table_put(struct mqbus_table *t, u32 i)
{
	t->used--;
	mqbus_list_add(t, &t->free, MQBUS_LIST, i);
}

/* Remove an entry from the heap if it is there */
static inline void mqbus_heap_del(struct mqbus_table *t, u32 i)
{
	if (t->entries[i].heap != MQBUS_NONE)
		mqbus_heap_remove(t, i);
}

/* The entry with the earliest time, or MQBUS_NONE */
static inline u32 mqbus_heap_top(const struct mqbus_table *t)
{
	return t->heap ? t->entries[0].slot : MQBUS_NONE;
}

#endif /* _MQBUS_CORE_ENTRY_H */
