/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Groups that a publisher waits for, and how far.
 */
#ifndef MQBUS_PUB_WAIT_H
#define MQBUS_PUB_WAIT_H

#include "common/error.h"
#include "mqbus.h"

/* The largest number of --wait-for */
#define PUB_WAIT_MAX 64

/**
 * struct pub_wait - groups and places to wait for
 * @groups: names
 * @nr_groups: their number
 * @ends: of each partition the last record that was stored
 * @nr_ends: their number
 */
struct pub_wait {
	const char *groups[PUB_WAIT_MAX];
	__u32 nr_groups;
	struct mqbus_place *ends;
	__u32 nr_ends;
};

/* Add a group; returns the exit status. */
int pub_wait_add(struct pub_wait *w, const char *group);
/*
 * Check that each group exists and this user may wait for it, before all is
 * published; returns the exit status.
 */
int pub_wait_begin(struct pub_wait *w, const struct error_subject *subject, __u32 partitions);
/* Note where @n records were stored. */
void pub_wait_note(struct pub_wait *w, const struct mqbus_place *places, __u32 n);
/*
 * Wait until all groups have settled the noted records; @all: all records stored by now.
 * Returns the exit status.
 */
int pub_wait(struct pub_wait *w, const struct error_subject *subject, bool all,
	     __s64 timeout);
void pub_wait_end(struct pub_wait *w);

#endif /* MQBUS_PUB_WAIT_H */
