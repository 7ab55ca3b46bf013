/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring in memory of our own, written as the contract says that the kernel
 * does, and a consumer of the library that reads it in place.
 */
#ifndef SELFTESTS_USER_RING_H
#define SELFTESTS_USER_RING_H

#include "consumer.h"

/**
 * struct ring - a partition
 * @ticket: of the next to lock, as the kernel's lock: writers, and takers of ranges
 * @served: whose turn it is
 * @page: what readers see
 * @data: @size bytes, mapped twice in a row
 * @size: a power of two
 */
struct ring {
	unsigned int ticket;
	unsigned int served;
	struct mqbus_ring_page page;
	char *data;
	uint64_t size;
};

void ring_make(struct ring *r, uint64_t size);
void ring_free(struct ring *r);
/* Append a record whose value is @value_len bytes that follow from its offset. */
void ring_append(struct ring *r, uint32_t value_len);
/* Whether a record's bytes are those that ring_append() wrote. */
int ring_whole(const struct mqbus_record *rec);

/* A consumer that reads this ring; @evict: by copies. */
void ring_consumer_make(struct mqbus_consumer *c, struct ring *r, int evict);
void ring_consumer_free(struct mqbus_consumer *c);
/* As a fetch: everything behind the last one. Returns 0 if there is nothing. */
int ring_take(struct ring *r, struct mqbus_consumer *c);

#endif /* SELFTESTS_USER_RING_H */
