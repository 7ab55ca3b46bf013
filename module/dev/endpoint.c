// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints: open files of the device.
 */
#include <linux/nospec.h>

#include "dev/endpoint.h"
#include "group/group.h"
#include "group/queue.h"
#include "log/topic.h"

/* The ring of a partition, or for MQBUS_RETRY of a queue group's member; else NULL */
struct mqbus_part *mqbus_endpoint_part(struct mqbus_endpoint *ep, u32 partition)
{
	struct mqbus_topic *topic = mqbus_endpoint_topic(ep);
	struct mqbus_member *member = mqbus_endpoint_member(ep);

	if (partition < topic->nr_parts)
		return topic->parts[array_index_nospec(partition, topic->nr_parts)];
	if (partition == MQBUS_RETRY && member && member->group->queue)
		return member->group->queue->retry;
	return NULL;
}
