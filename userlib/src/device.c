// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bus.h"
#include "device.h"

static int device_enter(int fd)
{
	struct mqbus_enter arg = { 0 };
	int bus, ret;

	ret = mqbus_bus_open(&bus);
	if (ret || bus < 0)
		return ret;
	arg.netns = bus;
	ret = mqbus_device_call(fd, MQBUS_IOC_ENTER, &arg);
	close(bus);
	/* A file, and no namespace */
	return ret == -EINVAL ? -ENXIO : ret;
}

int mqbus_device_open(void)
{
	int fd = open("/dev/mqbus", O_RDWR | O_CLOEXEC), ret;

	/* ENOENT is for topics and groups only; ENXIO is a device node without driver */
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	ret = device_enter(fd);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int mqbus_device_call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int mqbus_device_once(unsigned long request, void *arg)
{
	int fd, ret;

	fd = mqbus_device_open();
	if (fd < 0)
		return fd;
	ret = mqbus_device_call(fd, request, arg);
	close(fd);
	return ret;
}

int mqbus_device_name(char field[MQBUS_NAME_SIZE], const char *name)
{
	size_t len = strnlen(name, MQBUS_NAME_SIZE);

	if (len == MQBUS_NAME_SIZE)
		return -ENAMETOOLONG;
	memcpy(field, name, len + 1);
	return 0;
}

int mqbus_device_names(char topic_field[MQBUS_NAME_SIZE], const char *topic,
		       char group_field[MQBUS_NAME_SIZE], const char *group)
{
	int ret;

	ret = mqbus_device_name(topic_field, topic);
	if (ret)
		return ret;
	return mqbus_device_name(group_field, group);
}

int mqbus_device_join(int fd, const char *topic, const char *group, const char *member,
		      struct mqbus_geometry *geometry)
{
	struct mqbus_join arg = { 0 };
	int ret;

	ret = mqbus_device_names(arg.topic, topic, arg.group, group);
	if (!ret)
		ret = mqbus_device_name(arg.member, member);
	if (!ret)
		ret = mqbus_device_call(fd, MQBUS_IOC_JOIN, &arg);
	if (!ret)
		ret = mqbus_device_call(fd, MQBUS_IOC_GEOMETRY, geometry);
	return ret;
}

int mqbus_info(struct mqbus_info *info)
{
	memset(info, 0, sizeof(*info));
	return mqbus_device_once(MQBUS_IOC_INFO, info);
}
