/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_MEMBER_H
#define _MQBUS_MEMBER_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/mqbus.h>

#include "base/crowd.h"
#include "base/event.h"
#include "core/inflight.h"
#include "group/group.h"
#include "log/topic.h"

struct mqbus_group;
struct mqbus_ns;
struct mqbus_seat;
struct mqbus_topic;
struct mqbus_caller;
struct pid;

/**
 * struct mqbus_member - an endpoint that joined a group
 * @topic: the topic, with a reference
 * @group: the group, with a reference
 * @pid: process that opened the endpoint, with a reference
 * @comm: its name at that time
 * @uid: fsuid of the opener
 * @seat: seat in a stream group, under the group's lock; NULL: another member joined with
 *	the same id
 * @holder: leases of a queue group, under the group's lock
 * @wait: stream group: threads that read or poll the endpoint; publishers check it under RCU
 * @crowd: more of its pollers
 * @read_lock: one read() at a time
 * @read_part: partition of the record of the last read()
 * @read_generation: the partition's at that time
 * @read_offset: the offset behind it; 0: nothing to commit
 * @read_lease: of a queue group: its lease; 0: nothing to ack
 * @rcu: writers may still check a member that leaves
 */
struct mqbus_member {
	struct mqbus_topic *topic;
	struct mqbus_group *group;
	struct pid *pid;
	char comm[TASK_COMM_LEN];
	kuid_t uid;
	struct mqbus_seat *seat;	/* this and the next are guarded by the group's lock */
	struct mqbus_holder holder;

	/* loaded by every publisher; readers store to the fields around it */
	wait_queue_head_t wait ____cacheline_aligned_in_smp;

	struct mutex read_lock ____cacheline_aligned_in_smp; /* guards what follows */
	u32 read_part;
	u32 read_generation;
	u64 read_offset;
	u64 read_lease;

	struct mqbus_crowd crowd;
	struct rcu_head rcu;
};

struct mqbus_member *mqbus_member_join(struct mqbus_ns *ns, const struct mqbus_caller *caller,
				       const struct mqbus_join *args);
void mqbus_member_close(struct mqbus_member *member);
void mqbus_member_report(const struct mqbus_member *member, enum mqbus_event_kind kind,
			 const char *id, u64 count);
ssize_t mqbus_member_read(struct mqbus_member *member, struct iov_iter *to,
			  bool nonblock);
__poll_t mqbus_member_poll(struct mqbus_member *member, struct file *file,
			   struct poll_table_struct *wait);

/* commit.c */
int mqbus_member_find(struct mqbus_member *member, u32 partition, u64 offset, u32 generation,
		      struct mqbus_mark *at);
int mqbus_member_check_commit(struct mqbus_member *member, u32 partition, u32 generation,
			      const struct mqbus_mark *at);
void mqbus_member_commit_at(struct mqbus_member *member, u32 partition,
			    const struct mqbus_mark *at);
void mqbus_member_committed_in(struct mqbus_member *member, u32 partition);
void mqbus_member_committed(struct mqbus_member *member);
int mqbus_member_commit_to(struct mqbus_member *member, u32 partition, u64 offset,
			   u32 generation);
bool mqbus_member_commit_given(struct mqbus_member *member, u32 *partition);
int mqbus_member_commit(struct mqbus_member *member, struct mqbus_commit *args);

/* Whether a member's group or topic was deleted; true from then on */
static inline bool mqbus_member_dead(const struct mqbus_member *member)
{
	return READ_ONCE(member->group->dead) || mqbus_topic_dead(member->topic);
}

#endif /* _MQBUS_MEMBER_H */
