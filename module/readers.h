/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_READERS_H
#define _MQBUS_READERS_H

#include <linux/bitmap.h>
#include <linux/mqbus.h>

struct mqbus_group;
struct mqbus_member;
struct mqbus_topic;

/**
 * struct mqbus_stored - partitions of a topic to which something was appended
 * @any: there are some; else nothing else is valid
 * @several: more than one; else the map is not valid
 * @beyond: and one whose number is beyond the map, of a topic with one for each CPU
 * @partition: the first one
 * @parts: which
 */
struct mqbus_stored {
	bool any;
	bool several;
	bool beyond;
	u32 partition;
	DECLARE_BITMAP(parts, MQBUS_PARTITIONS_MAX);
};

void mqbus_stored_add_more(struct mqbus_stored *stored, const struct mqbus_topic *topic,
			   u32 partition);
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored);
void mqbus_readers_wake_noted(struct mqbus_group *group);
void mqbus_readers_hangup(struct mqbus_member *member);
void mqbus_readers_end(struct mqbus_group *group);

/**
 * mqbus_stored_add() - note that something was appended
 * @stored: the note
 * @topic: to which topic; the same for all until they are woken
 * @partition: and partition
 */
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

#endif /* _MQBUS_READERS_H */
