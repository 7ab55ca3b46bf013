/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * DOC: libmqbus-admin
 *
 * Lists of topics, groups and members, and events, over generic netlink. A separate
 * library because it needs libnl; libmqbus needs only libc. The fields are the
 * attributes of mqbus_netlink.h.
 *
 * Lists are those of the bus that libmqbus uses, by MQBUS_BUS too (see mqbus.h).
 *
 * Each function that can fail returns a negative errno: -ENODEV, the module is not
 * loaded; -ENXIO, MQBUS_BUS names no network namespace; -ENOENT, there is no such topic;
 * -ENOMEM; -EIO and -EPROTO, the reply is not understood. A list may miss objects created
 * or deleted meanwhile, but no others.
 */
#ifndef MQBUS_ADMIN_H
#define MQBUS_ADMIN_H

#include <stddef.h>
#include <linux/mqbus.h>
#include <linux/mqbus_netlink.h>
#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with hidden visibility; this is what it exports */
#pragma GCC visibility push(default)

/*
 * What holds back the partition of a topic that has least room: one where producers wait, or the
 * one with the most bytes held back
 */
struct mqbus_admin_holder {
	__u32 known;			/* 0: nothing, or a group not to be seen */
	__u32 partition;
	char group[MQBUS_NAME_SIZE];	/* the one furthest behind; "": no group settles records */
	__u32 members;			/* that it has now */
	__u64 bytes;			/* of the partition, that new records cannot take yet */
	__u64 wanted;			/* bytes that producers wait for there */
	__u64 records;			/* of the partition, from the first not settled */
	__u64 all_bytes;		/* the same of all partitions */
	__u64 all_records;
	__u64 age;			/* ns since the oldest of @records was stored */
};

/* A topic; totals are since its creation, over all partitions */
struct mqbus_admin_topic {
	char name[MQBUS_NAME_SIZE];
	__u32 uid;			/* owner, in the reader's user namespace */
	__u32 gid;
	__u32 mode;
	__u32 full;			/* an enum mqbus_full */
	__u32 per_cpu;			/* one partition for each CPU, without order */
	__u32 partitions;
	__u64 ring_size;		/* bytes of each partition's ring */
	__u32 max_record;
	__u64 retention;		/* ns; 0 is no limit */
	__u64 charged;			/* bytes */
	__u32 producers;		/* endpoints open for publishing */
	__u32 groups;
	__u64 records;			/* kept */
	__u64 published;		/* records ever stored */
	__u64 used;			/* bytes of records kept */
	__u64 retention_size;		/* bytes that each partition keeps; 0 is no limit */
	__u64 rate;			/* records a second; 0 is no limit */
	__u64 rate_bytes;
	__u64 user_rate;		/* the same of the producers of one uid */
	__u64 user_rate_bytes;
	__u64 burst;			/* ns for which a rate is saved up */
	__u32 share;			/* percent of a partition for one uid; 0 is no limit */
	__u32 over;			/* an enum mqbus_over */
	__u64 published_bytes;
	__u64 evicted;			/* records dropped before all groups had settled them */
	__u64 rejected;			/* records refused because it was full */
	__u64 over_limit;		/* records refused because of a rate or a share */
	__u32 blocked;			/* producers that wait now */
	__u64 blocked_time;		/* ns that producers have waited, all together */
	__u64 waits_full;		/* waits for room */
	__u64 waits_rate;
	__u64 waits_share;
	struct mqbus_admin_holder holder; /* what it waits for */
};

/* A partition of a topic */
struct mqbus_admin_partition {
	char topic[MQBUS_NAME_SIZE];
	__u32 index;
	__u64 head_offset;		/* of the oldest record kept */
	__u64 next_offset;		/* of the next record */
	__u64 used;			/* bytes of records kept */
	__u64 published_bytes;
	__u64 evicted;
	__u64 head_time;		/* when the oldest was stored, ns of CLOCK_REALTIME, or 0 */
};

/* Options and figures of a queue group, over all partitions */
struct mqbus_admin_queue {
	__u32 flags;			/* MQBUS_QUEUE_F_* */
	__u32 max_inflight;
	__u32 credit;
	__u32 max_attempts;			/* MQBUS_ANY is none */
	__u64 lease;			/* ns; 0 is as long as the member lives */
	__u64 backoff_min;		/* ns */
	__u64 backoff_max;
	__u32 backoff_factor;		/* in hundredths */
	__u32 backoff_jitter;		/* percent */
	__u64 retry_size;		/* bytes of the retry ring */
	char dlq[MQBUS_NAME_SIZE];	/* topic for dead letters, or "" */
	__u64 charged;			/* bytes */
	__u32 inflight;			/* handed out, or returned and not in the retry ring */
	__u32 leased;			/* records that members hold now */
	__u32 held;			/* held back for their key */
	__u32 retrying;			/* in the retry ring, those handed out from it included */
	__u64 retry_used;		/* bytes of it that cannot be reused yet */
	__u32 dlq_blocked;		/* dead letters that wait for room */
	__u64 delivered;		/* deliveries, repeated ones included */
	__u64 redelivered;		/* deliveries of records handed out before */
	__u64 acked;
	__u64 nacked;
	__u64 released;
	__u64 rejected;
	__u64 extended;
	__u64 expired;			/* leases that expired */
	__u64 died;			/* leases that ended with their member */
	__u32 deaths;			/* members that left while they held leases */
	__u64 dead_lettered;
	__u64 discarded;		/* given up without @dlq, at most once, or by a seek */
	__u64 oldest_inflight;		/* ns since the first in flight was handed out, or 0 */
	__u64 dlq_producer;		/* id of the group as the producer of its dead letters */
};

/* The progress of a group in one partition */
struct mqbus_admin_group {
	char topic[MQBUS_NAME_SIZE];
	char name[MQBUS_NAME_SIZE];
	__u32 uid;			/* owner */
	__u32 mode;
	__u32 type;			/* an enum mqbus_group_type */
	__u32 members;
	__u32 generation;		/* counts changes of membership */
	__u32 partition;
	__u64 committed;		/* offset that is read next after a failure */
	__u64 fetched;			/* offset that is handed out next */
	__u64 next_offset;		/* offset of the partition's next record */
	__u64 lag;			/* records published and not settled */
	__u64 lost;			/* records evicted before the group fetched them */
	__u32 owner_pid;		/* of the member that reads it, or 0 */
	char owner_comm[32];
	__u32 paused;			/* the group hands out nothing */
	__u32 revoking;			/* the partition is being revoked from the member */
	__u64 rebalance_timeout;	/* ns; MQBUS_WAIT_FOREVER is no limit */
	__u64 grace;			/* ns */
	__u32 gid;			/* its owner's group */
	__u32 observer;			/* it holds no records back */
	__u32 ephemeral;			/* it goes with its last member */
	__u64 expire;			/* ns without members after which it goes; 0 is never */
	__u64 lag_time;			/* ns since the oldest record of the lag was stored */
	__u64 delivered;		/* of a stream group; for a queue group see @queue */
	__u64 redelivered;
	__u64 lag_threshold;		/* of all partitions; above it an event; 0: none */
	struct mqbus_admin_queue queue;	/* zero for a stream group */
};

/* A member of a group */
struct mqbus_admin_member {
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	char id[MQBUS_NAME_SIZE];	/* that it joined with, or "" */
	__u32 state;			/* an enum mqbus_member_state */
	__u32 pid;			/* 0: away, or in a pid namespace that cannot be seen */
	char comm[32];
	__u32 uid;
	__u32 partitions;		/* that it owns, of a stream group */
	__u32 revoking;			/* partitions being revoked from it */
	__u32 leases;			/* of a queue group */
	__u32 credit;			/* leases that it may have; MQBUS_ANY is no limit */
	__u8 assigned[MQBUS_PARTITIONS_MAX / 8]; /* a bit for each partition that it owns */
};

/* An event; its fields depend on its kind */
struct mqbus_admin_event {
	__u32 kind;			/* an enum mqbus_event_kind */
	__u32 has;			/* bits 1 << MQBUS_A_EVENT_* of the fields that are set */
	__u64 time;			/* ns of CLOCK_REALTIME */
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	char member[MQBUS_NAME_SIZE];	/* its id */
	__u32 pid;			/* of the member or producer */
	char comm[32];
	__u32 uid;
	__u32 partition;
	__u64 offset;			/* of a dead letter, where it was published */
	__u64 count;			/* records lost, partitions moved, records a member held */
	char reason[32];		/* of a dead letter or of a producer's wait */
	__u32 generation;
	__u64 lag;
	__u64 limit;
	__u64 blocked_time;		/* ns that the producer has waited so far */
};

/* ---- lists: objects that the caller may read, in arrays that it frees ---- */

/* One topic. */
int mqbus_admin_topic_get(const char *name, struct mqbus_admin_topic *topic);
/* All topics, by name. */
int mqbus_admin_topic_list(struct mqbus_admin_topic **out, size_t *n);
/* The partitions of a topic, by number. */
int mqbus_admin_partition_list(const char *topic, struct mqbus_admin_partition **out, size_t *n);
/* The partitions of groups, by topic, name and number; @topic and @name may be NULL: all. */
int mqbus_admin_group_list(const char *topic, const char *name, struct mqbus_admin_group **out,
			   size_t *n);
/* The members of groups; @topic and @group may be NULL: all. */
int mqbus_admin_member_list(const char *topic, const char *group, struct mqbus_admin_member **out,
			    size_t *n);

/* ---- events ---- */

struct mqbus_admin_listener;

/*
 * Start to receive events of the caller's network namespace, with @buffer bytes of room for
 * them; 0 or a negative errno. -EXDEV: MQBUS_BUS names another one.
 */
int mqbus_admin_listener_open(struct mqbus_admin_listener **out, int buffer);
void mqbus_admin_listener_close(struct mqbus_admin_listener *l);
/* The file descriptor, for poll() (POLLIN: there are events). */
int mqbus_admin_listener_fd(const struct mqbus_admin_listener *l);
/*
 * Take the next event: 1, or 0 if there is none now. -ENOBUFS: events were lost, and the
 * next call continues behind them; *@lost is how many, or 0: unknown.
 * -ENODEV: the module was unloaded.
 */
int mqbus_admin_listener_next(struct mqbus_admin_listener *l, struct mqbus_admin_event *event,
			      __u64 *lost);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQBUS_ADMIN_H */
