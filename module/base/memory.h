/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_MEMORY_H
#define _MQBUS_MEMORY_H

#include <linux/gfp.h>
#include <linux/types.h>

struct mqbus_ring_page;
struct page;
struct vm_area_struct;

/* For sizes set by a user: from its cpuset, and fail quietly rather than invoke the OOM killer */
#define MQBUS_GFP	(GFP_USER | __GFP_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct mqbus_memory - the pages of one partition
 * @page: the ring page
 * @data: the ring, mapped twice in a row
 * @size: bytes of the ring
 */
struct mqbus_memory {
	struct mqbus_ring_page *page;
	void *data;
	u64 size;
};

int mqbus_memory_alloc(struct mqbus_memory *mem, u64 size, int node);
void mqbus_memory_free(struct mqbus_memory *mem);
struct page *mqbus_memory_page(const struct mqbus_memory *mem, unsigned long index);

/* Bytes of a user's mapping of a partition: the ring page and the ring twice */
static inline u64 mqbus_memory_map_len(u64 size)
{
	return PAGE_SIZE + 2 * size;
}

#endif /* _MQBUS_MEMORY_H */
