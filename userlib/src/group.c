// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

int mqbus_group_make(const char *topic, const char *group, const struct mqbus_group_create *args)
{
	struct mqbus_group_create arg = *args;
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_GROUP_CREATE, &arg);
}

int mqbus_group_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode)
{
	return mqbus_stream_create(topic, group, whence, value, mode, NULL);
}

int mqbus_stream_create(const char *topic, const char *group,
			enum mqbus_whence whence, uint64_t value, uint32_t mode,
			const struct mqbus_stream_options *stream)
{
	struct mqbus_group_create arg = {
		.type = MQBUS_GROUP_STREAM,
		.whence = whence,
		.mode = mode,
		.value = value,
	};

	if (stream)
		arg.stream = *stream;
	return mqbus_group_make(topic, group, &arg);
}

int mqbus_queue_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode,
		       const struct mqbus_queue_options *queue)
{
	struct mqbus_group_create arg = {
		.type = MQBUS_GROUP_QUEUE,
		.whence = whence,
		.mode = mode,
		.value = value,
	};

	if (queue)
		arg.queue = *queue;
	return mqbus_group_make(topic, group, &arg);
}

int mqbus_group_set(const char *topic, const char *group, const struct mqbus_group_set *args)
{
	struct mqbus_group_set arg = *args;
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_GROUP_SET, &arg);
}

int mqbus_queue_set(const char *topic, const char *group, uint32_t fields,
		    const struct mqbus_queue_options *queue)
{
	struct mqbus_group_set arg = { .fields = fields, .queue = *queue };

	return mqbus_group_set(topic, group, &arg);
}

int mqbus_stream_set(const char *topic, const char *group, uint32_t fields,
		     const struct mqbus_stream_options *stream)
{
	struct mqbus_group_set arg = { .fields = fields, .stream = *stream };

	return mqbus_group_set(topic, group, &arg);
}

int mqbus_group_pause(const char *topic, const char *group, int paused)
{
	struct mqbus_group_set arg = {
		.fields = MQBUS_GROUP_SET_PAUSED,
		.paused = !!paused,
	};

	return mqbus_group_set(topic, group, &arg);
}

int mqbus_group_lag_threshold(const char *topic, const char *group, uint64_t records)
{
	struct mqbus_group_set arg = {
		.fields = MQBUS_GROUP_SET_LAG_THRESHOLD,
		.lag_threshold = records,
	};

	return mqbus_group_set(topic, group, &arg);
}

int mqbus_group_delete(const char *topic, const char *group, int force)
{
	struct mqbus_group_delete arg = {
		.flags = force ? MQBUS_GROUP_DELETE_F_FORCE : 0,
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_GROUP_DELETE, &arg);
}

int mqbus_group_seek(const char *topic, const char *group, uint32_t partition,
		     enum mqbus_whence whence, uint64_t value, uint32_t flags,
		     struct mqbus_seek_result *results, unsigned int n)
{
	struct mqbus_group_seek arg = {
		.flags = flags,
		.whence = whence,
		.partition = partition,
		.result_size = sizeof(*results),
		.value = value,
		.results = mqbus_device_address(n ? results : NULL),
		.nr_results = n,
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	ret = mqbus_device_once(MQBUS_IOC_GROUP_SEEK, &arg);
	return ret ? ret : (int)arg.nr_results;
}

int mqbus_wait(const char *topic, const char *group, const struct mqbus_place *places,
	       unsigned int n, int64_t timeout_ns)
{
	struct mqbus_wait arg = {
		.count = n,
		.places = mqbus_device_address(n ? places : NULL),
		.place_size = n ? sizeof(*places) : 0,
		.timeout = mqbus_device_timeout(timeout_ns),
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_WAIT, &arg);
}
