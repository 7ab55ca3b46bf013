// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

static int topic_call(const char *topic, uint32_t flags, uint32_t fields,
		      const struct mqbus_topic_config *config)
{
	struct mqbus_topic_create arg = {
		.flags = flags,
		.partitions = config->partitions,
		.size = config->size,
		.retention = config->retention,
		.max_record = config->max_record,
		.full = config->full,
		.mode = config->mode,
		.uid = config->uid,
		.gid = config->gid,
		.fields = fields,
		.retention_size = config->retention_size,
		.rate = config->rate,
		.rate_bytes = config->rate_bytes,
		.user_rate = config->user_rate,
		.user_rate_bytes = config->user_rate_bytes,
		.burst = config->burst,
		.share = config->share,
		.over = config->over,
	};
	int ret;

	ret = mqbus_device_name(arg.name, topic);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_TOPIC_CREATE, &arg);
}

int mqbus_topic_create(const char *topic, const struct mqbus_topic_config *config)
{
	return topic_call(topic, 0, 0, config);
}

int mqbus_topic_set(const char *topic, uint32_t fields,
		    const struct mqbus_topic_config *config)
{
	return topic_call(topic, MQBUS_TOPIC_F_SET, fields, config);
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
