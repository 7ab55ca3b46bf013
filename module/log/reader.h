/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_READER_H
#define _MQBUS_READER_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mqbus.h>

#include "core/assign.h"

struct mqbus_topic;

/**
 * struct mqbus_stored - partitions of a topic to which records were appended
 * @any: there are some; else no other field is valid
 * @several: more than one; else the map is not valid
 * @beyond: one of them is beyond the map, in a topic with a partition for each CPU
 * @partition: the first one
 * @parts: bitmap of all
 */
struct mqbus_stored {
	bool any;
	bool several;
	bool beyond;
	u32 partition;
	DECLARE_BITMAP(parts, MQBUS_PARTITIONS_MAX);
};

/**
 * struct mqbus_reader - a reader as its topic's writers see it
 * @node: in the topic's list, which writers walk under RCU
 * @slots: of each partition, records it still needs; floors are loaded without a lock
 * @wake: wakes members that may read the stored records; called under RCU, behind a full
 *	barrier that pairs with the one of prepare_to_wait()
 */
struct mqbus_reader {
	struct list_head node;
	const struct mqbus_slot *slots;
	void (*wake)(struct mqbus_reader *reader, const struct mqbus_stored *stored);
};

void mqbus_stored_add_more(struct mqbus_stored *stored, const struct mqbus_topic *topic,
			   u32 partition);
u32 mqbus_stored_next(const struct mqbus_stored *stored, u32 parts, u32 from);
u64 mqbus_readers_floor(const struct mqbus_topic *topic, u32 partition);
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored);

/* Note an append to a partition; the topic stays the same until readers are woken */
static inline void mqbus_stored_add(struct mqbus_stored *stored, const struct mqbus_topic *topic,
				    u32 partition)
{
	if (stored->any) {
		if (stored->several || stored->partition != partition)
			mqbus_stored_add_more(stored, topic, partition);
		return;
	}
	stored->any = true;
	stored->several = false;
	stored->partition = partition;
}

#endif /* _MQBUS_READER_H */
