/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_GROUP_H
#define _MQBUS_GROUP_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/mqbus.h>

#include "account.h"
#include "core/cursor.h"

struct mqbus_group_queue;
struct mqbus_member;
struct mqbus_ns;
struct mqbus_topic;
struct mqbus_who;

/**
 * struct mqbus_slot - a group's share in one partition
 * @cursor: its progress
 * @owner: the member that the partition is assigned to, or NULL
 */
struct mqbus_slot {
	struct mqbus_cursor cursor;
	struct mqbus_member *owner;
};

/**
 * struct mqbus_group - a named reader of a topic
 * @ref: the topic's list and every member
 * @node: in the topic's list, read by writers under RCU
 * @rcu: frees it after the last writer's look
 * @topic: the topic; it outlives the group
 * @charge: what its owner pays
 * @name: terminated
 * @uid: owner
 * @gid: owner's group
 * @mode: permissions
 * @queue: what makes it a queue group, or NULL
 * @dead: deleted; set under @lock, read anywhere
 * @lock: everything below; taken inside the topic's lock, outside a ring's
 * @members: in the order in which they joined
 * @nr_members: how many; members come under the topic's lock too
 * @generation: counts changes of assignment
 * @slots: one for each partition; floors are read by writers without the lock
 */
struct mqbus_group {
	/* constant after creation */
	struct kref ref;
	struct list_head node;
	struct rcu_head rcu;
	struct mqbus_topic *topic;
	struct mqbus_charge charge;
	char name[MQBUS_NAME_SIZE];
	kuid_t uid;
	kgid_t gid;
	u16 mode;
	struct mqbus_group_queue *queue;

	bool dead;

	spinlock_t lock;	/* guards what follows, and stores to dead */
	struct list_head members;
	u32 nr_members;
	u32 generation;
	struct mqbus_slot slots[];
};

int mqbus_group_create(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_group_create *args);
int mqbus_group_set(struct mqbus_ns *ns, const struct mqbus_who *who,
		    const struct mqbus_group_set *args);
int mqbus_group_delete(struct mqbus_ns *ns, const struct mqbus_who *who,
		       const struct mqbus_group_delete *args);
void mqbus_group_delete_all(struct mqbus_topic *topic);
int mqbus_group_seek(struct mqbus_ns *ns, const struct mqbus_who *who,
		     struct mqbus_group_seek *args);
bool mqbus_whence_valid(u32 whence, u64 value);
int mqbus_group_place(struct mqbus_group *group, u32 partition,
		      struct mqbus_seek *seek, bool place, u64 *end);
int mqbus_group_lock_owned(struct mqbus_ns *ns, const struct mqbus_who *who,
			   const char *topic_name, const char *group_name,
			   struct mqbus_topic **topic, struct mqbus_group **group);
void mqbus_group_unlock(struct mqbus_topic *topic);
bool mqbus_group_busy(struct mqbus_group *group);
struct mqbus_group *mqbus_group_find(struct mqbus_topic *topic, const char *name);
void mqbus_group_put(struct mqbus_group *group);
int mqbus_group_enter(struct mqbus_group *group, struct mqbus_member *member);
void mqbus_group_wake_queues(struct mqbus_topic *topic);
void mqbus_group_leave(struct mqbus_group *group, struct mqbus_member *member);

#endif /* _MQBUS_GROUP_H */
