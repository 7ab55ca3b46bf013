/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_READER_H
#define _MQBUS_READER_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mqbus.h>

#include "core/assign.h"

struct mqbus_topic;

/**
 * struct mqbus_stored - partitions of a topic to which something was appended
 * @any: there are some; else nothing else is valid
 * @beyond: and one whose number is beyond the map, of a topic with one for each CPU
 * @parts: which
 */
struct mqbus_stored {
	bool any;
	bool beyond;
	DECLARE_BITMAP(parts, MQBUS_PARTITIONS_MAX);
};

/**
 * struct mqbus_reader - what writers know of a reader of their topic
 * @node: in the topic's list, which writers walk under RCU
 * @slots: of each partition, what it still needs; floors are loaded without a lock
 * @wake: lets those go on that may read what was stored; called under RCU, behind a full
 *	barrier that pairs with the one of prepare_to_wait()
 */
struct mqbus_reader {
	struct list_head node;
	const struct mqbus_slot *slots;
	void (*wake)(struct mqbus_reader *reader, const struct mqbus_stored *stored);
};

void mqbus_stored_add(struct mqbus_stored *stored, const struct mqbus_topic *topic,
		      u32 partition);
u32 mqbus_stored_next(const struct mqbus_stored *stored, u32 parts, u32 from);
u64 mqbus_readers_floor(const struct mqbus_topic *topic, u32 partition);
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored);

#endif /* _MQBUS_READER_H */
