/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Samples of all topics and groups, and their differences.
 */
#ifndef MQBUS_SAMPLE_H
#define MQBUS_SAMPLE_H

#include "mqbus_admin.h"

/**
 * struct sample_group - a group, summed up over its partitions
 * @topic: name of the topic
 * @name: its name
 * @type: an enum mqbus_group_type
 * @members: their number
 * @partitions: their number
 * @paused: it hands out nothing
 * @lag: records published and not settled
 * @lag_time: ns since the oldest of them was stored
 * @lag_threshold: lag above which there is an event, or 0
 * @settled: records settled or dropped, of all ever published
 * @held: records handed out and not settled
 * @delivered: deliveries, repeated ones included
 * @redelivered: deliveries of records handed out before
 * @lost: records evicted before they were handed out
 * @queue: of a queue group, else zero
 */
struct sample_group {
	char topic[MQBUS_NAME_SIZE];
	char name[MQBUS_NAME_SIZE];
	__u32 type;
	__u32 members;
	__u32 partitions;
	__u32 paused;
	__u64 lag;
	__u64 lag_time;
	__u64 lag_threshold;
	__u64 settled;
	__u64 held;
	__u64 delivered;
	__u64 redelivered;
	__u64 lost;
	struct mqbus_admin_queue queue;
};

/**
 * struct sample - what was there at one time
 * @time: ns of CLOCK_MONOTONIC
 * @wall: ns of CLOCK_REALTIME
 * @topics: by name
 * @nr_topics: their number
 * @groups: by topic and name
 * @nr_groups: their number
 */
struct sample {
	__u64 time;
	__u64 wall;
	struct mqbus_admin_topic *topics;
	size_t nr_topics;
	struct sample_group *groups;
	size_t nr_groups;
};

/* Sample @topic, or all if it is NULL; 0 or a negative errno. */
int sample_take(struct sample *s, const char *topic);
void sample_free(struct sample *s);

/* One of them, or NULL. */
const struct mqbus_admin_topic *sample_topic(const struct sample *s, const char *name);
const struct sample_group *sample_group(const struct sample *s, const char *topic,
					const char *name);

/*
 * The growth of a total per second from @old to @new. One that got smaller is of
 * another topic or group of that name, and began at 0.
 */
double sample_rate(const struct sample *old, const struct sample *new, __u64 before,
		   __u64 after);
/* Records that a group settled in a second; @before may be NULL, and a seek back is none. */
double sample_settled(const struct sample *old, const struct sample *new,
		      const struct sample_group *before, const struct sample_group *after);

#endif /* MQBUS_SAMPLE_H */
