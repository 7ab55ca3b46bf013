/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a ring, mapped read-only: a partition, or a queue group's retry ring.
 */
#ifndef MQBUS_MAP_H
#define MQBUS_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "mqbus.h"

/**
 * struct mqbus_map - a mapped ring
 * @page: the mapping, which begins with the ring's page; NULL: there is none
 * @len: bytes of the mapping
 * @data: first byte of the ring, which is mapped twice in a row
 * @mask: bytes of the ring, minus 1
 */
struct mqbus_map {
	const struct mqbus_ring_page *page;
	size_t len;
	const char *data;
	uint64_t mask;
};

/* Map @partition (or MQBUS_RETRY) of the group that endpoint @fd is a member of. */
int mqbus_map_open(struct mqbus_map *map, int fd, uint32_t partition);
/* Does nothing without a mapping. Call it before close(): a mapping holds the endpoint open. */
void mqbus_map_close(struct mqbus_map *map);

/* Address of position @pos; a record that begins there is contiguous. */
static inline const char *mqbus_map_at(const struct mqbus_map *map, uint64_t pos)
{
	return map->data + (pos & map->mask);
}

#endif /* MQBUS_MAP_H */
