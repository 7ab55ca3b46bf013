/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named producers.
 */
#ifndef _MQBUS_TEST_PRODUCER_H
#define _MQBUS_TEST_PRODUCER_H

#include "mqbus_test.h"

static int bind_named(int fd, const char *topic, const char *name, struct mqbus_produce *args)
{
	*args = (struct mqbus_produce) {};
	mq_set_name(args->topic, topic);
	mq_set_name(args->name, name);
	return mq_ioctl(fd, MQBUS_IOC_PRODUCE, args);
}

/* A new endpoint that holds a name, or a negative errno */
static int open_named(const char *topic, const char *name, struct mqbus_produce *args)
{
	int fd = mq_open(0);

	return fd < 0 ? fd : mq_bound(fd, bind_named(fd, topic, name, args));
}

/* Publish from a sequence number on; @args is filled. Return: the call's result. */
static int publish_from(int fd, const struct mqbus_msg *msgs, __u32 count, __u64 seq,
			struct mqbus_place *places, __u64 timeout,
			struct mqbus_publish *args)
{
	*args = (struct mqbus_publish) {
		.count = count,
		.msgs = (uintptr_t)msgs,
		.msg_size = sizeof(*msgs),
		.places = (uintptr_t)places,
		.place_size = sizeof(*places),
		.timeout = timeout,
		.seq = seq,
		/* An output, so any value may be passed */
		.duplicates = 77,
	};
	return mq_ioctl(fd, MQBUS_IOC_PUBLISH, args);
}

/* An endpoint opened by a uid without other rights, or a negative errno */
static int open_by(uid_t uid)
{
	int fd;

	/* For this thread alone; capabilities that override file permissions go with the uid */
	syscall(SYS_setfsuid, uid);
	fd = mq_open(0);
	syscall(SYS_setfsuid, 0);
	return fd;
}

#endif /* _MQBUS_TEST_PRODUCER_H */
