/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of transactions: a topic with a stream group and a queue group, three
 * topics to publish to, and their state before a transaction.
 */
#ifndef _MQBUS_TEST_TRANSACT_H
#define _MQBUS_TEST_TRANSACT_H

#include "mqbus_test.h"

static inline struct mqbus_act act_of(int fd, __u32 kind, const void *elements, __u32 size,
				      __u32 count)
{
	return (struct mqbus_act) {
		.fd = fd, .kind = kind, .elements = (uintptr_t)elements, .size = size,
		.count = count,
	};
}

#define act_publish(fd, msgs, n)	act_of(fd, MQBUS_ACT_PUBLISH, msgs, sizeof(*(msgs)), n)
#define act_commit(fd, entries, n)	act_of(fd, MQBUS_ACT_COMMIT, entries, sizeof(*(entries)), n)
#define act_settle(fd, settles, n)	act_of(fd, MQBUS_ACT_SETTLE, settles, sizeof(*(settles)), n)

/* Copy the whole result to @args unless it is NULL. */
static inline int mq_transact(int fd, const struct mqbus_act *acts, __u32 count, __u64 timeout,
			      struct mqbus_transact *args)
{
	struct mqbus_transact own;

	if (!args)
		args = &own;
	*args = (struct mqbus_transact) {
		.count = count,
		.acts = (uintptr_t)acts,
		.act_size = sizeof(*acts),
		.timeout = timeout,
	};
	return mq_ioctl(fd, MQBUS_IOC_TRANSACT, args);
}

/* Offset of a partition's next record, from an existing group */
static inline __u64 mq_end(int fd, const char *topic, const char *group, __u32 partition)
{
	struct mqbus_seek_result res = {};

	if (mq_seek(fd, topic, group, MQBUS_GROUP_SEEK_F_DRY_RUN, partition,
		    MQBUS_WHENCE_LATEST, 0, &res, 1) != 1)
		return ~0ULL;
	return res.end_offset;
}

/* Committed offset of a group in a partition */
static inline __u64 mq_committed(int fd, const char *topic, const char *group, __u32 partition)
{
	struct mqbus_seek_result res = {};

	if (mq_seek(fd, topic, group, MQBUS_GROUP_SEEK_F_DRY_RUN, partition,
		    MQBUS_WHENCE_LATEST, 0, &res, 1) != 1)
		return ~0ULL;
	return res.old_offset;
}

#endif /* _MQBUS_TEST_TRANSACT_H */
