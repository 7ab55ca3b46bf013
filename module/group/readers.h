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
 * @beyond: and one whose number is beyond the map, of a topic with one for each CPU
 * @parts: which
 */
struct mqbus_stored {
	bool any;
	bool beyond;
	DECLARE_BITMAP(parts, MQBUS_PARTITIONS_MAX);
};

void mqbus_stored_add(struct mqbus_stored *stored, const struct mqbus_topic *topic,
		      u32 partition);
void mqbus_readers_wake(struct mqbus_topic *topic, struct mqbus_stored *stored);
void mqbus_readers_wake_noted(struct mqbus_group *group);
void mqbus_readers_hangup(struct mqbus_member *member);
void mqbus_readers_end(struct mqbus_group *group);

#endif /* _MQBUS_READERS_H */
