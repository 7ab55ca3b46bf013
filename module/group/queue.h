/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_QUEUE_H
#define _MQBUS_QUEUE_H

#include <linux/wait.h>
#include <linux/mqbus.h>

#include "base/crowd.h"
#include "base/timer.h"
#include "base/caller.h"
#include "core/record.h"
#include "core/inflight.h"

struct mqbus_group;
struct mqbus_member;
struct mqbus_ns;
struct mqbus_part;
struct mqbus_stored;
struct mqbus_topic;
struct mqbus_caller;

/**
 * struct mqbus_group_queue - the queue of a queue group
 * @group: the group
 * @retry: the retry ring
 * @keys: the keys, if they are exclusive
 * @producer: producer id of its dead letters
 * @waiters: members that wait for records; each is woken by itself
 * @crowd: more of their pollers
 * @timer: runs what is due
 * @inflight: records taken and not settled
 * @jitters: failed records wait at random, see mqbus_queue_now()
 * @options: as the owner gave them
 * @seq: number of the last dead letter
 * @dlq: the DLQ, with a reference, or NULL, also while no such topic exists; changed under
 *	the namespace's dlq_lock, or when the group is deleted
 * @dlq_right: permissions of the user who named it; under the namespace's dlq_lock too
 * @dlq_uid: present or last owner of the DLQ; likewise
 * @dlq_node: in the DLQ's feeders or the namespace's orphans, under the namespace's dlq_links
 * @dlq_name: index of the list of orphans to be in; under dlq_links
 * @dlq_pass: the last search for an orphan's topic; likewise
 * @dlq_wait: entry in the DLQ's queue of writers; its list entry is empty if not waiting
 * @dlq_room: the DLQ may have room; loaded and stored without the lock
 * @dlq_full: partitions of the DLQ without room since; only bit 0 if it has no order
 * @dlq_nr_full: number of these
 * @blocked: no dead letter can move
 * @headers: buffer for the headers of a dead letter
 * @rcu: frees it after the last writer's look
 */
struct mqbus_group_queue {
	/* constant after creation */
	struct mqbus_group *group;
	struct mqbus_part *retry;
	struct mqbus_keys keys;
	u64 producer;

	wait_queue_head_t waiters;
	struct mqbus_crowd crowd;
	struct mqbus_timer timer;
	bool jitters;	/* stored under the group's lock, loaded before it is taken */

	/* guarded by the group's lock */
	struct mqbus_inflight inflight;
	struct mqbus_queue_options options;
	u64 seq;
	struct mqbus_topic *dlq;
	struct mqbus_right dlq_right;
	kuid_t dlq_uid;
	struct list_head dlq_node;
	u32 dlq_name;
	u64 dlq_pass;
	struct wait_queue_entry dlq_wait;
	bool dlq_room;
	DECLARE_BITMAP(dlq_full, MQBUS_PARTITIONS_MAX);
	u32 dlq_nr_full;
	bool blocked;
	char headers[MQBUS_DLQ_HEADERS];

	struct rcu_head rcu;
};

/* The in-flight table has an entry for so many bytes of the retry ring */
#define MQBUS_RETRY_RECORD	256

/* options.c */
u64 mqbus_queue_retry_size(const struct mqbus_queue_options *o, const struct mqbus_topic *topic);
u32 mqbus_queue_entries(const struct mqbus_queue_options *o, const struct mqbus_topic *topic);
int mqbus_queue_options_check(const struct mqbus_queue_options *o, const struct mqbus_topic *topic);
void mqbus_queue_configure(struct mqbus_group_queue *q);
void mqbus_queue_merge(struct mqbus_queue_options *to, const struct mqbus_queue_options *from,
		       u32 fields);

/* As of struct mqbus_group_ops */
int mqbus_queue_check(const struct mqbus_group_create *args, const struct mqbus_topic *topic);
u64 mqbus_queue_bytes(const struct mqbus_group_create *args, const struct mqbus_topic *topic);
int mqbus_queue_init(struct mqbus_group *group, const struct mqbus_group_create *args);
void mqbus_queue_free(struct mqbus_group *group);
struct mqbus_topic *mqbus_queue_end(struct mqbus_group *group);
int mqbus_queue_set(struct mqbus_group *group, const struct mqbus_caller *caller,
		    const struct mqbus_group_set *args, struct mqbus_topic **dlq);
void mqbus_queue_hold(struct mqbus_group *group, bool *what, bool value);
int mqbus_queue_enter(struct mqbus_group *group, struct mqbus_member *member, const char *id);
void mqbus_queue_leave(struct mqbus_group *group, struct mqbus_member *member);
void mqbus_queue_settled(struct mqbus_member *member);
void mqbus_queue_placed(struct mqbus_group *group, u32 partition);
bool mqbus_queue_waits(struct mqbus_group *group, u32 partition);
void mqbus_queue_forget(struct mqbus_group *group, u32 partition);
void mqbus_queue_forget_retry(struct mqbus_group *group, u32 first, u32 last);

bool mqbus_queue_ready(struct mqbus_group_queue *q, const struct mqbus_holder *holder);
void mqbus_queue_proceed(struct mqbus_group_queue *q) __releases(&q->group->lock);
void mqbus_queue_wake(struct mqbus_group_queue *q);
void mqbus_queue_now(struct mqbus_group_queue *q, struct mqbus_now *now);

/* dlq.c */
bool mqbus_dlq_allowed(const struct mqbus_group_queue *q, const struct mqbus_topic *dlq);
bool mqbus_dlq_open(const struct mqbus_group_queue *q);
bool mqbus_dlq_bury(struct mqbus_group_queue *q, struct mqbus_stored *stored);
void mqbus_dlq_init(struct mqbus_group_queue *q);
void mqbus_dlq_unwait(struct mqbus_group_queue *q);
void mqbus_dlq_retry(struct mqbus_group_queue *q);

/* dlq_link.c */
int mqbus_dlq_check(struct mqbus_ns *ns, struct mqbus_topic *topic, struct mqbus_topic *dlq);
struct mqbus_topic *mqbus_dlq_swap(struct mqbus_group_queue *q, struct mqbus_topic *dlq);
void mqbus_dlq_leave(struct mqbus_ns *ns, struct mqbus_topic *topic);
void mqbus_dlq_look(struct mqbus_ns *ns, const char *name);
void mqbus_dlq_ns_init(struct mqbus_ns *ns);
void mqbus_dlq_ns_exit(struct mqbus_ns *ns);

/* Run the work now; from any context */
static inline void mqbus_queue_kick(struct mqbus_group_queue *q)
{
	mqbus_timer_kick(&q->timer);
}

#endif /* _MQBUS_QUEUE_H */
