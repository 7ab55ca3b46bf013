/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of failed calls: the object, the limit, the remedy.
 */
#ifndef MQBUS_ERROR_H
#define MQBUS_ERROR_H

#include <linux/types.h>

#include "cmd.h"

/* The failed action; the same errno means different things for different calls. */
enum error_action {
	DO_TOPIC_CREATE = 1 << 0,
	DO_TOPIC_DELETE = 1 << 1,
	DO_GROUP_CREATE = 1 << 2,
	DO_GROUP_DELETE = 1 << 3,
	DO_GROUP_SEEK = 1 << 4,
	DO_PRODUCE = 1 << 5,
	DO_PUBLISH = 1 << 6,
	DO_JOIN = 1 << 7,
	DO_FETCH = 1 << 8,
	DO_COMMIT = 1 << 9,
	DO_LIST = 1 << 10,
	DO_INFO = 1 << 11,
	DO_QUEUE_CREATE = 1 << 12,
	DO_QUEUE_SET = 1 << 13,
	DO_WORK = 1 << 14,		/* joining a queue group */
	DO_LEASE = 1 << 15,
	DO_SETTLE = 1 << 16,
	DO_TOPIC_SET = 1 << 17,
	DO_GROUP_SET = 1 << 18,		/* a stream group's options, or its pause */
	DO_WAIT = 1 << 19,
	DO_LISTEN = 1 << 20,		/* to events */
};

/**
 * struct error_subject - the subject of a message; only @action is required
 * @action: the failed action
 * @topic: name
 * @group: name
 * @dlq: topic of the queue group's dead letters
 * @where: place in the input, as "line 3 of stdin"
 * @bytes: bytes wanted, or of the record; of a queue group, records in flight
 * @limit: largest record
 * @partition: number of the requested partition
 * @partitions: number of existing partitions
 * @why: an enum mqbus_why, of refused records
 */
struct error_subject {
	enum error_action action;
	const char *topic;
	const char *group;
	const char *dlq;
	const char *where;
	__u64 bytes;
	__u64 limit;
	__u32 partition;
	__u32 partitions;
	int why;
};

/* Print the message for negative errno @err; returns the exit status. */
int error_report(const struct error_subject *s, int err);
/* Print "mqbus: topic 'x' group 'g': " and the text; returns STATUS_FAILED. */
__printf(2, 3) int error_say(const struct error_subject *s, const char *fmt, ...);

#endif /* MQBUS_ERROR_H */
