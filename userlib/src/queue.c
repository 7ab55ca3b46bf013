// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

int mqbus_queue_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode,
		       const struct mqbus_queue *queue)
{
	struct mqbus_group_create arg = {
		.type = MQBUS_GROUP_QUEUE,
		.whence = whence,
		.mode = mode,
		.value = value,
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	if (queue)
		arg.queue = *queue;
	return mqbus_device_once(MQBUS_IOC_GROUP_CREATE, &arg);
}

int mqbus_queue_set(const char *topic, const char *group, uint32_t fields,
		    const struct mqbus_queue *queue)
{
	struct mqbus_group_set arg = {
		.fields = fields,
		.queue = *queue,
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_GROUP_SET, &arg);
}
