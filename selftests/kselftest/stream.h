/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of shared partitions: groups with options, members with ids.
 */
#ifndef _MQBUS_TEST_STREAM_H
#define _MQBUS_TEST_STREAM_H

#include "mqbus_test.h"

static inline int mq_stream_args(int fd, const char *topic, const char *group,
				 const struct mqbus_stream_options *stream)
{
	struct mqbus_group_create args = { .mode = 0600, .stream = *stream };

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_CREATE, &args);
}

/* mq_stream(fd, topic, group, .grace = MQ_SEC, ...) */
#define mq_stream(fd, topic, group, ...)					\
	mq_stream_args(fd, topic, group, &(struct mqbus_stream_options){ __VA_ARGS__ })

/* A new endpoint that joined with an id, or a negative errno */
static inline int mq_member_as(const char *topic, const char *group, const char *id, int flags)
{
	struct mqbus_join args = {};
	int fd = mq_open(flags);

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	mq_set_name(args.member, id);
	return fd < 0 ? fd : mq_bound(fd, mq_ioctl(fd, MQBUS_IOC_JOIN, &args));
}

static inline int mq_commit_of(int fd, __u32 partition, __u64 offset, __u32 generation)
{
	struct mqbus_commit_entry entry = {
		.partition = partition, .offset = offset, .generation = generation,
	};
	struct mqbus_commit args = {
		.nr_entries = 1,
		.entries = (uintptr_t)&entry,
		.entry_size = sizeof(entry),
	};

	return mq_ioctl(fd, MQBUS_IOC_COMMIT, &args);
}

static inline int mq_commit_flags(int fd, __u32 flags)
{
	struct mqbus_commit args = { .flags = flags };

	return mq_ioctl(fd, MQBUS_IOC_COMMIT, &args);
}

static inline int mq_pause(int fd, const char *topic, const char *group, __u32 paused)
{
	struct mqbus_group_set args = { .fields = MQBUS_GROUP_SET_PAUSED, .paused = paused };

	mq_set_name(args.topic, topic);
	mq_set_name(args.group, group);
	return mq_ioctl(fd, MQBUS_IOC_GROUP_SET, &args);
}

static inline int mq_revents(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

#endif /* _MQBUS_TEST_STREAM_H */
