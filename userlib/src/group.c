// SPDX-License-Identifier: LGPL-2.1-or-later
#include "device.h"

int mqbus_group_create(const char *topic, const char *group,
		       enum mqbus_whence whence, uint64_t value, uint32_t mode)
{
	struct mqbus_group_create arg = {
		.type = MQBUS_GROUP_STREAM,
		.whence = whence,
		.mode = mode,
		.value = value,
	};
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (ret)
		return ret;
	return mqbus_device_once(MQBUS_IOC_GROUP_CREATE, &arg);
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
		     enum mqbus_whence whence, uint64_t value, int dry_run,
		     struct mqbus_seek_result *results, unsigned int n)
{
	struct mqbus_group_seek arg = {
		.flags = dry_run ? MQBUS_GROUP_SEEK_F_DRY_RUN : 0,
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
