/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LISTING_H
#define _MQBUS_LISTING_H

#include <linux/types.h>

#include "core/ring.h"

struct mqbus_caller;
struct mqbus_fullest;
struct mqbus_group;
struct mqbus_topic;
struct sk_buff;

/**
 * struct mqbus_part_state - state of a partition at one moment
 * @head: the oldest record
 * @end: behind the last
 * @floor: the slowest group's position when a writer last looked, which is no further than it is
 * @wanted: bytes that producers wait for
 * @evicted: records that were evicted before they were settled
 * @head_time: time of the record at @head; 0: there is none
 */
struct mqbus_part_state {
	struct mqbus_mark head;
	struct mqbus_mark end;
	u64 floor;
	u64 wanted;
	u64 evicted;
	u64 head_time;
};

/**
 * struct mqbus_fullest - the partition of a topic that has least room
 * @partition: its number
 * @bytes: bytes that groups hold back, or that are kept as there is no group; 0: none
 * @wanted: bytes that producers wait for there
 */
struct mqbus_fullest {
	u32 partition;
	u64 bytes;
	u64 wanted;
};

struct mqbus_part_state mqbus_listing_part(struct mqbus_topic *topic, u32 partition);
u64 mqbus_listing_time(struct mqbus_ring *ring, u64 pos);
u64 mqbus_listing_since(u64 time);
bool mqbus_listing_topic_visible(const struct mqbus_topic *topic,
				 const struct mqbus_caller *caller);
bool mqbus_listing_group_visible(const struct mqbus_group *group,
				 const struct mqbus_caller *caller);
int mqbus_listing_partition(struct sk_buff *skb, struct mqbus_topic *topic, u32 i);
int mqbus_listing_group(struct sk_buff *skb, struct mqbus_group *group, u32 i,
			const struct mqbus_caller *caller);
int mqbus_listing_member(struct sk_buff *skb, struct mqbus_group *group, u32 *at,
			 const struct mqbus_caller *caller, bool cut);

/* listing_topic.c */
int mqbus_listing_topic(struct sk_buff *skb, struct mqbus_topic *topic,
			const struct mqbus_caller *caller);

/* listing_holder.c */
void mqbus_fullest_look(struct mqbus_fullest *fullest, const struct mqbus_topic *topic,
			u32 partition, const struct mqbus_part_state *state);
int mqbus_listing_holder(struct sk_buff *skb, struct mqbus_topic *topic,
			 const struct mqbus_caller *caller, const struct mqbus_fullest *fullest);

#endif /* _MQBUS_LISTING_H */
