/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of the in-flight table: a queue group with its rings, and records whose
 * content follows from where they were published.
 */
#ifndef SELFTESTS_CORE_GROUP_H
#define SELFTESTS_CORE_GROUP_H

#include "test.h"
#include "inflight.h"

#define GROUP_SOURCES	4
/* Limits of a test's group */
#define GROUP_SOURCES_MAX	1024
#define GROUP_SEATS	4
/* Keys have numbers from 1; 0 is none. They share beginnings, lengths and buckets. */
#define GROUP_KEYS	16
#define GROUP_KEY_SIZE	8

struct group_options {
	u32 sources;
	u64 size;	/* bytes of each ring */
	u64 retry_size;
	u32 max_inflight;
	u32 max_retry;
	u32 max_held;	/* not 0: keys are exclusive */
	u32 margin;
	bool once;
};

/* Source @sources is the retry ring */
struct group {
	struct mqbus_inflight w;
	u32 sources;
	struct ring_mem mem[GROUP_SOURCES_MAX + 1];
	struct mqbus_ring rings[GROUP_SOURCES_MAX + 1];
	struct mqbus_cursor cursors[GROUP_SOURCES_MAX];
	struct mqbus_source source[GROUP_SOURCES_MAX + 1];
	struct mqbus_holder *seats[GROUP_SEATS];
	struct mqbus_keys keys;
};

void group_make(struct group *g, const struct group_options *o);
void group_free(struct group *g);
/* Return: whether there was room; the size is a multiple of 8 */
bool group_publish(struct group *g, u32 source, u32 size, u32 key);
/* Drop the lock as the module does. Return: number of further holds. */
u32 group_unlock(struct group *g, bool blocked);
/*
 * Drop records that no floor holds, and overwrite all bytes that a writer might reuse now, and
 * those between the records of the retry ring
 */
void group_scribble(struct group *g);
/* Return: whether these are the bytes of that record */
bool group_whole(const struct mqbus_record *rec, u32 source, u64 offset, u32 size, u32 key);

#endif
