// SPDX-License-Identifier: GPL-2.0
/*
 * The types of groups.
 */
#include "group/fetch.h"
#include "group/group.h"
#include "group/lease.h"
#include "group/member.h"
#include "group/queue.h"
#include "group/stream.h"
#include "group/wake.h"

#define STREAM_FIELDS	(MQBUS_GROUP_SET_REBALANCE_TIMEOUT | MQBUS_GROUP_SET_GRACE)
#define ALL_FIELDS	(MQBUS_GROUP_SET_PAUSED | MQBUS_GROUP_SET_LAG_THRESHOLD |	\
			 MQBUS_GROUP_SET_MODE | MQBUS_GROUP_SET_UID |			\
			 MQBUS_GROUP_SET_GID | MQBUS_GROUP_SET_EXPIRE)

static const struct mqbus_group_ops stream_ops = {
	.type = MQBUS_GROUP_STREAM,
	.fields = STREAM_FIELDS | ALL_FIELDS,
	.check = mqbus_stream_check,
	.init = mqbus_stream_init,
	.free = mqbus_stream_free,
	.end = mqbus_stream_end,
	.hangup = mqbus_wake_noted,
	.wake = mqbus_wake_stream,
	.set = mqbus_stream_set,
	.hold = mqbus_stream_hold,
	.fence = mqbus_stream_fence,
	.enter = mqbus_stream_enter,
	.leave = mqbus_stream_leave,
	.read = mqbus_fetch_read,
	.poll = mqbus_fetch_poll,
	.settled = mqbus_member_committed,
};

static const struct mqbus_group_ops queue_ops = {
	.type = MQBUS_GROUP_QUEUE,
	.fields = __MQBUS_GROUP_SET_ALL & ~STREAM_FIELDS,
	.check = mqbus_queue_check,
	.bytes = mqbus_queue_bytes,
	.init = mqbus_queue_init,
	.free = mqbus_queue_free,
	.end = mqbus_queue_end,
	.hangup = mqbus_wake_queue_end,
	.wake = mqbus_wake_queue,
	.set = mqbus_queue_set,
	.hold = mqbus_queue_hold,
	.enter = mqbus_queue_enter,
	.leave = mqbus_queue_leave,
	.read = mqbus_lease_read,
	.poll = mqbus_lease_poll,
	.settled = mqbus_queue_settled,
	.placed = mqbus_queue_placed,
	.waits = mqbus_queue_waits,
	.forget = mqbus_queue_forget,
	.forget_retry = mqbus_queue_forget_retry,
};

const struct mqbus_group_ops * const mqbus_group_types[] = {
	[MQBUS_GROUP_STREAM] = &stream_ops,
	[MQBUS_GROUP_QUEUE] = &queue_ops,
};
