// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

int mqbus_topic_create(const char *topic, const struct mqbus_topic_config *config)
{
	struct mqbus_topic_create arg = {
		.partitions = config->partitions,
		.size = config->size,
		.retention = config->retention,
		.max_record = config->max_record,
		.full = config->full,
		.mode = config->mode,
		.uid = config->uid,
		.gid = config->gid,
	};
	int ret;

	ret = mqbus_device_name(arg.name, topic);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_TOPIC_CREATE, &arg);
}

int mqbus_topic_delete(const char *topic)
{
	struct mqbus_topic_delete arg = { 0 };
	int ret;

	ret = mqbus_device_name(arg.name, topic);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_TOPIC_DELETE, &arg);
}
