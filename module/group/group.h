/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_GROUP_H
#define _MQBUS_GROUP_H

#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/mqbus.h>

#include "base/account.h"
#include "base/caller.h"
#include "base/event.h"
#include "base/timer.h"
#include "core/assign.h"
#include "group/expiry.h"
#include "group/lag.h"
#include "log/reader.h"
#include "log/topic.h"

struct file;
struct iov_iter;
struct mqbus_group;
struct mqbus_group_queue;
struct mqbus_member;
struct mqbus_ns;
struct mqbus_topic;
struct mqbus_caller;

/**
 * struct mqbus_group_ops - operations of a group type
 * @type: an &enum mqbus_group_type
 * @fields: options that GROUP_SET may change
 * @check: check the arguments of a new group
 * @bytes: bytes of a group beyond those of every group
 * @init: initialize a group that nobody sees yet; it is freed also after an error
 * @free: undo @init; the group has no members, and is in no list
 * @end: the group is dead; its lock is held. Returns the DLQ, whose reference passes to the
 *	caller, or NULL
 * @hangup: wake all members of a dead group, whose lock has been dropped
 * @wake: as of &struct mqbus_reader
 * @set: change options; @dlq is the new DLQ, if that changes, and on success the old one,
 *	whose reference passes to the caller
 * @hold: store a flag that stops or resumes handing out records
 * @fence: take everything from all members; NULL: they keep it
 * @enter: let a member of no group in as @id, which may be "". Returns 0, -ENOENT if the group
 *	was deleted meanwhile, -ENOMEM, -EMFILE, -EINVAL
 * @leave: remove a member; on return its records are available to others
 * @read: as mqbus_member_read(); its read_lock is held
 * @poll: as mqbus_member_poll()
 * @settled: a transaction of the member settled records; no lock is held
 * @placed: a partition's cursor was moved, under the group's lock; or NULL
 * @waits: whether failed records of a partition are not settled; NULL: there never are any
 * @forget: forget records taken from a partition before it is moved; or NULL
 * @forget_retry: then forget those of a range of partitions in the retry ring
 */
struct mqbus_group_ops {
	u32 type;
	u32 fields;
	int (*check)(const struct mqbus_group_create *args, const struct mqbus_topic *topic);
	u64 (*bytes)(const struct mqbus_group_create *args, const struct mqbus_topic *topic);
	int (*init)(struct mqbus_group *group, const struct mqbus_group_create *args);
	void (*free)(struct mqbus_group *group);
	struct mqbus_topic *(*end)(struct mqbus_group *group);
	void (*hangup)(struct mqbus_group *group);
	void (*wake)(struct mqbus_reader *reader, const struct mqbus_stored *stored);
	int (*set)(struct mqbus_group *group, const struct mqbus_caller *caller,
		   const struct mqbus_group_set *args, struct mqbus_topic **dlq);
	void (*hold)(struct mqbus_group *group, bool *what, bool value);
	void (*fence)(struct mqbus_group *group);
	int (*enter)(struct mqbus_group *group, struct mqbus_member *member, const char *id);
	void (*leave)(struct mqbus_group *group, struct mqbus_member *member);
	ssize_t (*read)(struct mqbus_member *member, struct iov_iter *to, ktime_t deadline);
	__poll_t (*poll)(struct mqbus_member *member, struct file *file,
			 struct poll_table_struct *wait);
	void (*settled)(struct mqbus_member *member);
	void (*placed)(struct mqbus_group *group, u32 partition);
	bool (*waits)(struct mqbus_group *group, u32 partition);
	void (*forget)(struct mqbus_group *group, u32 partition);
	void (*forget_retry)(struct mqbus_group *group, u32 first, u32 last);
};

/* type.c; indexed by &enum mqbus_group_type */
extern const struct mqbus_group_ops * const mqbus_group_types[MQBUS_GROUP_QUEUE + 1];

/**
 * struct mqbus_group - a named reader of a topic
 * @ref: held by the topic's list and every member
 * @reader: the writers' view of it
 * @rcu: frees it after the last writer's look
 * @ops: operations of its type
 * @number: as of &struct mqbus_topic
 * @topic: the topic; it outlives the group
 * @charge: memory charged to the owner
 * @name: terminated
 * @uid: owner; this and the next two are marked, stored under the topic's lock
 * @gid: owner's group
 * @mode: permissions
 * @observes: it holds no records back
 * @queue: the queue of a queue group, or NULL
 * @dead: deleted; set under @lock, read anywhere
 * @lock: guards everything below; nests inside the topic's lock, outside a ring's
 * @nr_members: endpoints that are members; they come under the topic's lock too
 * @paused: the owner wants nothing handed out
 * @shut: the group is being moved: nothing is handed out, no member is readmitted
 * @assign: assignment of a stream group; of a queue group only the generation counts, which
 *	changes as members come and go
 * @told: @assign's generation at the last report of moved partitions
 * @lag: reports a high lag
 * @expiry: deletes the group when it has had no members for some time
 * @stream: options of a stream group
 * @timer: stream group: runs what is due
 * @slots: one for each partition; writers read floors without the lock. The table of
 *	@assign's readers follows, so as not to share cache lines to which members store
 */
struct mqbus_group {
	/* constant after creation */
	struct kref ref;
	struct mqbus_reader reader;
	struct rcu_head rcu;
	const struct mqbus_group_ops *ops;
	u64 number;
	struct mqbus_topic *topic;
	struct mqbus_charge charge;
	char name[MQBUS_NAME_SIZE];
	kuid_t uid;
	kgid_t gid;
	u16 mode;
	bool observes;
	struct mqbus_group_queue *queue;

	bool dead;

	spinlock_t lock;	/* guards what follows, and stores to dead */
	u32 nr_members;
	bool paused;
	bool shut;
	struct mqbus_assign assign;
	u32 told;
	struct mqbus_lag lag;
	struct mqbus_expiry expiry;
	struct mqbus_stream_options stream;
	struct mqbus_timer timer;
	struct mqbus_slot slots[];
};

bool mqbus_group_owned(const struct mqbus_group *group, const struct mqbus_caller *caller);
int mqbus_group_lock_owned(struct mqbus_ns *ns, const struct mqbus_caller *caller,
			   const char *topic_name, const char *group_name,
			   struct mqbus_topic **topic, struct mqbus_group **group);
void mqbus_group_unlock(struct mqbus_topic *topic);
void mqbus_group_end_unlock(struct mqbus_group *group, enum mqbus_event_kind kind);
bool mqbus_group_busy(struct mqbus_group *group);
struct mqbus_group *mqbus_group_lookup(struct mqbus_topic *topic, const char *name);
struct mqbus_group *mqbus_group_find(struct mqbus_topic *topic, const char *name);
void mqbus_group_put(struct mqbus_group *group);
int mqbus_group_lock_seat(struct mqbus_group *group, const u32 *used, void ***seats, u32 *room);
void mqbus_group_shut(struct mqbus_group *group, bool shut);

/* The owner; may change */
static inline kuid_t mqbus_group_uid(const struct mqbus_group *group)
{
	return READ_ONCE(group->uid);
}

/* The owner's group; may change */
static inline kgid_t mqbus_group_gid(const struct mqbus_group *group)
{
	return READ_ONCE(group->gid);
}

/* Whether a group's mode lets a caller do @want */
static inline bool mqbus_group_may(const struct mqbus_group *group,
				   const struct mqbus_caller *caller, unsigned int want)
{
	return mqbus_caller_may(caller, mqbus_group_uid(group), mqbus_group_gid(group),
				READ_ONCE(group->mode), want);
}

/* Report an event in a group; sets the group of @e */
static inline void mqbus_group_report(const struct mqbus_group *group, struct mqbus_event *e)
{
	e->group = (struct mqbus_event_place) {
		.name = group->name,
		.uid = mqbus_group_uid(group),
		.mode = READ_ONCE(group->mode),
	};
	mqbus_topic_report(group->topic, e);
}

/* Whether a group hands out nothing: paused, or being moved. Its lock is held */
static inline bool mqbus_group_holds(const struct mqbus_group *group)
{
	return group->paused || group->shut;
}

#endif /* _MQBUS_GROUP_H */
