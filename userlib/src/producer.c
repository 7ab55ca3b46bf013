// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "device.h"

struct mqbus_producer {
	int fd;
	unsigned int forks;
	uint64_t id;
	uint64_t last_seq;
	uint32_t epoch;
	struct mqbus_geometry geometry;
};

static int producer_bind(struct mqbus_producer *p, const char *topic, const char *name)
{
	struct mqbus_produce arg = { 0 };
	int ret;

	ret = mqbus_device_name(arg.topic, topic);
	if (!ret)
		ret = mqbus_device_name(arg.name, name);
	if (ret)
		return ret;
	ret = mqbus_device_call(p->fd, MQBUS_IOC_PRODUCE, &arg);
	if (ret)
		return ret;
	p->id = arg.producer;
	p->last_seq = arg.last_seq;
	p->epoch = arg.epoch;
	return mqbus_device_call(p->fd, MQBUS_IOC_GEOMETRY, &p->geometry);
}

int mqbus_producer_open(struct mqbus_producer **out, const char *topic)
{
	return mqbus_producer_open_named(out, topic, "");
}

int mqbus_producer_open_named(struct mqbus_producer **out, const char *topic,
			      const char *name)
{
	struct mqbus_producer *p;
	int ret;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->forks = mqbus_forks;
	p->fd = mqbus_device_open();
	ret = p->fd < 0 ? p->fd : producer_bind(p, topic, name);
	if (ret) {
		mqbus_producer_close(p);
		return ret;
	}
	*out = p;
	return 0;
}

void mqbus_producer_close(struct mqbus_producer *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

int mqbus_producer_fd(const struct mqbus_producer *p)
{
	return p->fd;
}

uint64_t mqbus_producer_id(const struct mqbus_producer *p)
{
	return p->id;
}

uint64_t mqbus_producer_last_seq(const struct mqbus_producer *p)
{
	return p->last_seq;
}

uint32_t mqbus_producer_epoch(const struct mqbus_producer *p)
{
	return p->epoch;
}

const struct mqbus_geometry *mqbus_producer_geometry(const struct mqbus_producer *p)
{
	return &p->geometry;
}

int mqbus_producer_publish(struct mqbus_producer *p, const struct mqbus_msg *msgs,
			   unsigned int count, struct mqbus_place *places,
			   int64_t timeout_ns, int *error)
{
	return mqbus_producer_publish_seq(p, msgs, count, 0, places, timeout_ns, NULL, error);
}

int mqbus_producer_publish_seq(struct mqbus_producer *p, const struct mqbus_msg *msgs,
			       unsigned int count, uint64_t seq,
			       struct mqbus_place *places, int64_t timeout_ns,
			       uint32_t *duplicates, int *error)
{
	struct mqbus_publish arg = {
		.count = count,
		.msgs = mqbus_device_address(msgs),
		.msg_size = sizeof(*msgs),
		.place_size = sizeof(*places),
		.places = mqbus_device_address(places),
		.timeout = mqbus_device_timeout(timeout_ns),
		.seq = seq,
	};
	int ret;

	ret = mqbus_device_ours(p->forks);
	if (!ret)
		ret = mqbus_device_call(p->fd, MQBUS_IOC_PUBLISH, &arg);
	if (duplicates)
		*duplicates = arg.duplicates;
	if (error)
		*error = ret ? ret : -(int)arg.error;
	return ret ? ret : (int)arg.published;
}

int mqbus_producer_why(const struct mqbus_producer *p)
{
	struct mqbus_geometry geometry = { 0 };
	int ret;

	ret = mqbus_device_ours(p->forks);
	if (!ret)
		ret = mqbus_device_call(p->fd, MQBUS_IOC_GEOMETRY, &geometry);
	return ret ? ret : (int)geometry.why;
}
