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

/* Queued events of a namespace */
struct mqbus_events {
	struct sk_buff_head queue;	/* messages, with an &struct event_for each */
	struct work_struct work;	/* sends them */
	bool lost;			/* some found no room */
};

/**
 * struct mqbus_event_place - the topic or group of an event
 * @name: terminated, or NULL: none
 * @uid: its owner
 * @mode: its mode, for others that may read it
 */
struct mqbus_event_place {
	const char *name;
	kuid_t uid;
	u16 mode;
};

/**
 * struct mqbus_event - an event
 * @kind: its kind, which says what other fields are valid
 * @ns: its namespace; the topic and the group fill this and the next two
 * @topic: its topic
 * @group: its group, if any
 * @id: of the member, terminated, or NULL
 * @comm: of the member or producer; if NULL, @pid and @uid are not valid either
 * @pid: in the initial pid namespace
 * @uid: of the member or producer
 * @partition: number of the partition
 * @offset: offset in @partition
 * @count: records lost or held, leases, or partitions moved
 * @reason: of a dead letter or a wait
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
