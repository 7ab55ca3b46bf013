/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_LISTING_H
#define _MQBUS_LISTING_H

#include <linux/types.h>

#include "core/ring.h"

struct mqbus_group;
struct mqbus_topic;
struct mqbus_caller;
struct sk_buff;

/**
 * struct mqbus_part_state - state of a partition at one moment
 * @head: the oldest record
 * @end: behind the last
 * @evicted: records that were evicted before they were settled
 * @head_time: time of the record at @head; 0: there is none
 */
struct mqbus_part_state {
	struct mqbus_mark head;
	struct mqbus_mark end;
	u64 evicted;
	u64 head_time;
};

struct mqbus_part_state mqbus_listing_part(struct mqbus_topic *topic, u32 partition);
bool mqbus_listing_topic_visible(const struct mqbus_topic *topic,
				 const struct mqbus_caller *caller);
bool mqbus_listing_group_visible(const struct mqbus_group *group,
				 const struct mqbus_caller *caller);
int mqbus_listing_topic(struct sk_buff *skb, struct mqbus_topic *topic,
			const struct mqbus_caller *caller);
int mqbus_listing_partition(struct sk_buff *skb, struct mqbus_topic *topic, u32 i);
int mqbus_listing_group(struct sk_buff *skb, struct mqbus_group *group, u32 i,
			const struct mqbus_caller *caller);
int mqbus_listing_member(struct sk_buff *skb, struct mqbus_group *group, u32 *at,
			 const struct mqbus_caller *caller, bool cut);

#endif /* _MQBUS_LISTING_H */
