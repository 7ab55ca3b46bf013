// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "consumer.h"

/* Note progress in @partition up to @offset, under the generation of its last range. */
static void consumer_enter_progress(struct mqbus_consumer *c, uint32_t partition,
				    uint64_t offset)
{
	struct consumer_partition *part = &c->parts[partition];
	struct mqbus_commit_entry *entry;

	if (part->entry == MQBUS_ANY)
		part->entry = c->nr_entries++;
	entry = &c->entries[part->entry];
	entry->partition = partition;
	entry->error = 0;
	entry->offset = offset;
	entry->generation = part->generation;
}

void mqbus_consumer_note(struct mqbus_consumer *c)
{
	uint64_t done;

	if (c->range >= c->nr_ranges)
		return;
	done = mqbus_consumer_done(c);
	if (done == c->noted)
		return;
	/* Overwritten, since this member was fenced: the next commit must report it */
	if (done == MQBUS_CONSUMER_UNKNOWN)
		done = c->noted;
	c->noted = done;
	consumer_enter_progress(c, c->cursor.partition, done);
}

void mqbus_consumer_forget(struct mqbus_consumer *c)
{
	while (c->nr_entries)
		c->parts[c->entries[--c->nr_entries].partition].entry = MQBUS_ANY;
}

static int commit_entries(int fd, uint32_t flags, struct mqbus_commit_entry *entries, uint32_t n)
{
	struct mqbus_commit arg = {
		.flags = flags,
		.nr_entries = n,
		.entries = mqbus_device_address(entries),
		.entry_size = sizeof(*entries),
	};
	uint32_t i;
	int ret;

	ret = mqbus_device_call(fd, MQBUS_IOC_COMMIT, &arg);
	if (ret || arg.committed == n)
		return ret;
	for (i = 0; i < n; i++) {
		if (entries[i].error)
			return -(int)entries[i].error;
	}
	return 0;
}

/* Whether another member owns the partition and reads its records. */
static int entry_is_gone(const struct mqbus_commit_entry *entry)
{
	return entry->error == ESTALE || entry->error == ENOLINK;
}

/* Leave ranges of partitions that this member lost, even in the middle of one. */
static void consumer_drop(struct mqbus_consumer *c, const struct mqbus_commit_entry *entry)
{
	struct consumer_partition *part = &c->parts[entry->partition];

	/* If it came back meanwhile, its new ranges are ours */
	if (!entry_is_gone(entry) || entry->generation != part->generation)
		return;
	part->gone = 1;
	if (c->range < c->nr_ranges && c->ranges[c->range].partition == entry->partition)
		mqbus_consumer_enter(c, c->range + 1);
}

/*
 * Failed entries are forgotten as well: the new owner of a lost partition reads it
 * again, and an endpoint that lost its group is useless.
 */
static int consumer_commit(struct mqbus_consumer *c, uint32_t flags)
{
	uint32_t i;
	int ret;

	ret = commit_entries(c->fd, flags, c->entries, c->nr_entries);
	for (i = 0; ret && i < c->nr_entries; i++)
		consumer_drop(c, &c->entries[i]);
	mqbus_consumer_forget(c);
	return ret;
}

int mqbus_consumer_commit(struct mqbus_consumer *c)
{
	int ret = mqbus_device_ours(c->forks);

	if (ret)
		return ret;
	mqbus_consumer_note(c);
	return c->nr_entries ? consumer_commit(c, 0) : 0;
}

/*
 * The kernel releases all revoked partitions, even those that no range has reported yet. So
 * probe the partitions left to walk: committing no progress fails for a released one.
 */
int mqbus_consumer_release(struct mqbus_consumer *c)
{
	const struct mqbus_range *range;
	uint64_t done;
	uint32_t i;
	int ret = mqbus_device_ours(c->forks);

	if (ret)
		return ret;
	mqbus_consumer_note(c);
	ret = consumer_commit(c, MQBUS_COMMIT_F_RELEASE);
	/* A failed commit releases no partition */
	if (ret)
		commit_entries(c->fd, MQBUS_COMMIT_F_RELEASE, NULL, 0);
	for (i = c->range; i < c->nr_ranges; i++) {
		range = &c->ranges[i];
		done = i == c->range ? c->noted : range->begin_offset;
		if (!(range->flags & MQBUS_RANGE_F_REVOKED) && done != range->end_offset)
			consumer_enter_progress(c, range->partition, done);
	}
	if (c->nr_entries)
		consumer_commit(c, 0);
	return ret;
}

int mqbus_consumer_commit_to(struct mqbus_consumer *c, uint32_t partition,
			     uint64_t offset)
{
	struct mqbus_commit_entry entry = {
		.partition = partition,
		.offset = offset,
	};

	if (partition < c->geometry.partitions)
		entry.generation = c->parts[partition].generation;
	return mqbus_device_ours(c->forks) ?: commit_entries(c->fd, 0, &entry, 1);
}

const struct mqbus_commit_entry *mqbus_consumer_progress(struct mqbus_consumer *c,
							 unsigned int *n)
{
	mqbus_consumer_note(c);
	*n = c->nr_entries;
	return c->entries;
}

void mqbus_consumer_committed(struct mqbus_consumer *c)
{
	mqbus_consumer_forget(c);
}
