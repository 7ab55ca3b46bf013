/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of transactions share: a topic to take from, as a stream and as a
 * queue, three topics to publish to, and what all of them held before.
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

/* The whole structure is told to @args, if it is wanted. */
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

/* Offset that the next record of a partition gets, by a group that there is */
static inline __u64 mq_end(int fd, const char *topic, const char *group, __u32 partition)
{
	struct mqbus_seek_result res = {};

	if (mq_seek(fd, topic, group, MQBUS_GROUP_SEEK_F_DRY_RUN, partition,
		    MQBUS_WHENCE_LATEST, 0, &res, 1) != 1)
		return ~0ULL;
	return res.end_offset;
}

/* What a group has committed in a partition */
static inline __u64 mq_committed(int fd, const char *topic, const char *group, __u32 partition)
{
	struct mqbus_seek_result res = {};

	if (mq_seek(fd, topic, group, MQBUS_GROUP_SEEK_F_DRY_RUN, partition,
		    MQBUS_WHENCE_LATEST, 0, &res, 1) != 1)
		return ~0ULL;
	return res.old_offset;
}

#endif /* _MQBUS_TEST_TRANSACT_H */
