// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "consumer.h"

/* All memory that the handle needs, except the mappings. */
static int consumer_allocate(struct mqbus_consumer *c)
{
	uint32_t n = c->geometry.partitions;
	uint32_t i;

	c->parts = calloc(n, sizeof(*c->parts));
	c->entries = calloc(n, sizeof(*c->entries));
	if (!c->parts || !c->entries)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		c->parts[i].entry = MQBUS_ANY;
	if (c->geometry.full != MQBUS_FULL_EVICT)
		return 0;
	/* With the header and the padding up to a multiple of 8 */
	c->copy_size = sizeof(*c->copy) + ((c->geometry.max_record + 7UL) & ~7UL);
	c->copy = malloc(c->copy_size);
	return c->copy ? 0 : -ENOMEM;
}

int mqbus_consumer_open(struct mqbus_consumer **out, const char *topic,
			const char *group)
{
	return mqbus_consumer_open_as(out, topic, group, "");
}

int mqbus_consumer_open_as(struct mqbus_consumer **out, const char *topic,
			   const char *group, const char *member)
{
	struct mqbus_consumer *c;
	int ret;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->forks = mqbus_forks;
	c->fd = mqbus_device_open();
	ret = c->fd < 0 ? c->fd : mqbus_device_join(c->fd, topic, group, member, &c->geometry);
	if (!ret)
		ret = consumer_allocate(c);
	if (ret) {
		mqbus_consumer_close(c);
		return ret;
	}
	*out = c;
	return 0;
}

void mqbus_consumer_close(struct mqbus_consumer *c)
{
	uint32_t i;

	if (!c)
		return;
	for (i = 0; c->parts && i < c->geometry.partitions; i++)
		mqbus_map_close(&c->parts[i].map);
	if (c->fd >= 0)
		close(c->fd);
	free(c->parts);
	free(c->entries);
	free(c->copy);
	free(c);
}

/* Prepare a range for walking; a revoked one is empty. */
static int consumer_take(struct mqbus_consumer *c, const struct mqbus_range *range)
{
	struct consumer_partition *part = &c->parts[range->partition];

	c->lost += range->lost;
	if (range->flags & MQBUS_RANGE_F_REVOKED)
		return 0;
	part->generation = range->generation;
	part->gone = 0;
	return part->map.page ? 0 : mqbus_map_open(&part->map, c->fd, range->partition);
}

int mqbus_consumer_fetch(struct mqbus_consumer *c, unsigned int flags,
			 int64_t timeout_ns)
{
	struct mqbus_fetch arg = {
		.flags = flags & MQBUS_CONSUMER_COMMIT ? MQBUS_FETCH_F_COMMIT : 0,
		.nr_ranges = MQBUS_FETCH_MAX,
		.ranges = mqbus_device_address(c->ranges),
		.range_size = sizeof(c->ranges[0]),
		.timeout = mqbus_device_timeout(timeout_ns),
	};
	uint32_t i;
	int ret;

	if (flags & ~MQBUS_CONSUMER_COMMIT)
		return -EOPNOTSUPP;
	ret = mqbus_device_ours(c->forks);
	if (ret)
		return ret;
	mqbus_consumer_note(c);
	/* The call commits records, which may then be overwritten: stop the walk first */
	if (flags & MQBUS_CONSUMER_COMMIT) {
		mqbus_consumer_forget(c);
		mqbus_consumer_enter(c, c->nr_ranges);
	}
	ret = mqbus_device_call(c->fd, MQBUS_IOC_FETCH, &arg);
	if (ret)
		return ret;
	c->nr_ranges = 0;
	for (i = 0; i < arg.nr_ranges && !ret; i++) {
		ret = consumer_take(c, &c->ranges[i]);
		c->nr_ranges += !ret;
	}
	mqbus_consumer_enter(c, 0);
	return ret ? ret : (int)c->nr_ranges;
}

int mqbus_consumer_fd(const struct mqbus_consumer *c)
{
	return c->fd;
}

const struct mqbus_geometry *mqbus_consumer_geometry(const struct mqbus_consumer *c)
{
	return &c->geometry;
}

const struct mqbus_range *mqbus_consumer_ranges(const struct mqbus_consumer *c,
						unsigned int *n)
{
	*n = c->nr_ranges;
	return c->ranges;
}

uint64_t mqbus_consumer_lost(const struct mqbus_consumer *c)
{
	return c->lost;
}
