/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_EVENT_H
#define _MQBUS_EVENT_H

#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <linux/mqbus_netlink.h>

struct genl_family;
struct mqbus_ns;

/**
 * struct mqbus_events - events of a namespace that are on their way
 * @queue: messages, with an &struct event_for each
 * @work: sends them
 * @lost: some found no room
 */
struct mqbus_events {
	struct sk_buff_head queue;
	struct work_struct work;
	bool lost;
};

/**
 * struct mqbus_event_place - where something happened
 * @name: terminated, or NULL: not in such a place
 * @uid: whose it is
 * @mode: who else may know of it
 */
struct mqbus_event_place {
	const char *name;
	kuid_t uid;
	u16 mode;
};

/**
 * struct mqbus_event - something that happened
 * @kind: what; it says which of the others count
 * @ns: in which namespace; this and the next two are filled by the topic and the group
 * @topic: in which topic
 * @group: and in which of its groups, if in one
 * @id: of the member, terminated, or NULL
 * @comm: of the member or producer, or NULL; then its pid and uid do not count either
 * @pid: in the initial pid namespace
 * @uid: whose it is
 * @partition: where
 * @offset: where in @partition
 * @count: how many
 * @reason: why
 * @generation: of the group
 * @lag: records
 * @limit: of @lag
 * @blocked_time: ns
 */
struct mqbus_event {
	enum mqbus_event_kind kind;
	struct mqbus_ns *ns;
	struct mqbus_event_place topic;
	struct mqbus_event_place group;
	const char *id;
	const char *comm;
	u32 pid;
	kuid_t uid;
	u32 partition;
	u64 offset;
	u64 count;
	const char *reason;
	u32 generation;
	u64 lag;
	u64 limit;
	u64 blocked_time;
};

bool mqbus_event_heard(const struct mqbus_ns *ns);
void mqbus_event_report(const struct mqbus_event *e);
void mqbus_event_ns_init(struct mqbus_ns *ns);
void mqbus_event_ns_exit(struct mqbus_ns *ns);
int mqbus_event_setup(const struct genl_family *family);
void mqbus_event_cleanup(void);

#endif /* _MQBUS_EVENT_H */
