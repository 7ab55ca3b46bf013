// SPDX-License-Identifier: LGPL-2.1-or-later
#include "consumer.h"

void mqbus_consumer_note(struct mqbus_consumer *c)
{
	struct consumer_partition *part;
	uint64_t done;

	if (c->range >= c->nr_ranges)
		return;
	done = mqbus_consumer_done(c);
	if (done == c->noted)
		return;
	c->noted = done;
	part = &c->parts[c->cursor.partition];
	if (part->entry == MQBUS_ANY) {
		part->entry = c->nr_entries++;
		c->entries[part->entry].partition = c->cursor.partition;
		c->entries[part->entry].error = 0;
	}
	c->entries[part->entry].offset = done;
}

void mqbus_consumer_forget(struct mqbus_consumer *c)
{
	while (c->nr_entries)
		c->parts[c->entries[--c->nr_entries].partition].entry = MQBUS_ANY;
}

static int commit_entries(int fd, struct mqbus_commit_entry *entries, uint32_t n)
{
	struct mqbus_commit arg = {
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

/*
 * What fails is forgotten as well: a partition that is not ours any more is read
 * again by its new owner, and an endpoint that lost its group has no other use.
 */
int mqbus_consumer_commit(struct mqbus_consumer *c)
{
	int ret;

	mqbus_consumer_note(c);
	if (!c->nr_entries)
		return 0;
	ret = commit_entries(c->fd, c->entries, c->nr_entries);
	mqbus_consumer_forget(c);
	return ret;
}

int mqbus_consumer_commit_to(struct mqbus_consumer *c, uint32_t partition,
			     uint64_t offset)
{
	struct mqbus_commit_entry entry = {
		.partition = partition,
		.offset = offset,
	};

	return commit_entries(c->fd, &entry, 1);
}
