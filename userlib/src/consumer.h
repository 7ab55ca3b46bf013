/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A consumer is three files: consumer.c (the handle and its calls), walk.c (from
 * record to record without a call) and commit.c (commits of walked records).
 */
#ifndef MQBUS_CONSUMER_H
#define MQBUS_CONSUMER_H

#include "device.h"
#include "map.h"

/**
 * struct consumer_partition - this member's view of a partition
 * @map: its memory, from its first range on
 * @entry: its index in the consumer's commit entries, or MQBUS_ANY
 * @generation: of its last range
 * @gone: another member owns it, and the rest of its ranges must not be walked
 */
struct consumer_partition {
	struct mqbus_map map;
	uint32_t entry;
	uint32_t generation;
	int gone;
};

/**
 * struct mqbus_consumer - a member of a group
 * @cursor: place in the current range; on a topic that evicts its end is never
 *	above its next, so that each record takes the call
 * @fd: the endpoint
 * @forks: mqbus_forks in the process that opened it
 * @copy: room for the largest record, on a topic that evicts; else NULL
 * @copy_size: bytes of @copy
 * @pos: position of the next record to copy
 * @offset: its expected offset
 * @noted: in the current range, the offset that the commit entries have
 * @range: index of the current range
 * @nr_ranges: number of valid elements of @ranges
 * @lost: records lost to eviction so far
 * @parts: state of each partition
 * @entries: progress not committed yet, an element for each partition that has some
 * @nr_entries: number of valid elements of @entries
 * @geometry: of partition 0
 * @ranges: of the last fetch
 */
struct mqbus_consumer {
	struct mqbus_consumer_cursor cursor;
	int fd;
	unsigned int forks;
	struct mqbus_record *copy;
	size_t copy_size;
	uint64_t pos;
	uint64_t offset;
	uint64_t noted;
	uint32_t range;
	uint32_t nr_ranges;
	uint64_t lost;
	struct consumer_partition *parts;
	struct mqbus_commit_entry *entries;
	uint32_t nr_entries;
	struct mqbus_geometry geometry;
	struct mqbus_range ranges[MQBUS_FETCH_MAX];
};

/*
 * Move to the first record of range @index, or of the next range that has records to walk,
 * or behind all ranges.
 */
void mqbus_consumer_enter(struct mqbus_consumer *c, uint32_t index);
/* In place of an offset: unknown, since the records were overwritten. */
#define MQBUS_CONSUMER_UNKNOWN	(~0ULL)
/* The offset behind the last record returned in the current range. */
uint64_t mqbus_consumer_done(const struct mqbus_consumer *c);
/* Note the progress in the current range for the next commit. */
void mqbus_consumer_note(struct mqbus_consumer *c);
/* Forget progress that is committed, or cannot be committed any more. */
void mqbus_consumer_forget(struct mqbus_consumer *c);

#endif /* MQBUS_CONSUMER_H */
