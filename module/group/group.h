/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_GROUP_H
#define _MQBUS_GROUP_H

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/mqbus.h>

#include "base/account.h"
#include "base/timer.h"
#include "core/assign.h"
#include "group/lag.h"
#include "log/reader.h"

struct mqbus_event;
struct mqbus_group_queue;
struct mqbus_member;
struct mqbus_ns;
struct mqbus_topic;
struct mqbus_who;

/**
 * struct mqbus_group - a named reader of a topic
 * @ref: the topic's list and every member
 * @reader: what writers know of it
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
 * @nr_members: endpoints that are members; they come under the topic's lock too
 * @paused: nothing is handed out, as the owner wants it
 * @shut: nor now, and nobody is let in again, because the group is being moved
 * @assign: which member of a stream group reads what; of a queue group only the
 *	generation counts, namely who came and went
 * @told: @assign's generation when it was last told that partitions moved
 * @lag: tells when the group is far behind
 * @stream: options of a stream group
 * @timer: of a stream group: does what is due
 * @slots: one for each partition; floors are read by writers without the lock. Behind them
 *	is the table of @assign's readers, which would else share what members store to
 */
struct mqbus_group {
	/* constant after creation */
	struct kref ref;
	struct mqbus_reader reader;
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
	u32 nr_members;
	bool paused;
	bool shut;
	struct mqbus_assign assign;
	u32 told;
	struct mqbus_lag lag;
	struct mqbus_stream stream;
	struct mqbus_timer timer;
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
void mqbus_group_report(const struct mqbus_group *group, struct mqbus_event *e);
int mqbus_group_make_seat(struct mqbus_group *group, u32 used, void ***seats, u32 *room);
int mqbus_group_enter(struct mqbus_group *group, struct mqbus_member *member,
		      const char *id);
void mqbus_group_shut(struct mqbus_group *group, bool shut);
void mqbus_group_leave(struct mqbus_group *group, struct mqbus_member *member);

/**
 * mqbus_group_holds() - whether nothing is handed out
 * @group: the group; its lock is held
 *
 * Return: whether it is paused, or being moved.
 */
static inline bool mqbus_group_holds(const struct mqbus_group *group)
{
	return group->paused || group->shut;
}

#endif /* _MQBUS_GROUP_H */
