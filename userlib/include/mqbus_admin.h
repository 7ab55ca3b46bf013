/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listing over generic netlink. Each function returns 0 or a negative errno,
 * and on success an array that the caller frees. The lists hold only what the
 * caller may read.
 */
#ifndef MQBUS_NL_H
#define MQBUS_NL_H

#include <stddef.h>
#include <linux/types.h>

#include "mqbus.h"

struct nl_topic {
	char name[MQBUS_NAME_SIZE];
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__u32 full;
	__u32 per_cpu;
	__u32 partitions;
	__u64 ring_size;
	__u32 max_record;
	__u64 retention;
	__u64 charged;
	__u32 producers;
	__u32 groups;
	__u64 records;
	__u64 published;
	__u64 used;
	__u64 retention_size;
	__u64 rate;
	__u64 rate_bytes;
	__u64 user_rate;
	__u64 user_rate_bytes;
	__u64 burst;
	__u32 share;
	__u32 over;
	__u64 published_bytes;
	__u64 evicted;
	__u64 rejected;
	__u64 over_limit;
	__u32 blocked;
	__u64 blocked_time;
	__u64 waits_full;
	__u64 waits_rate;
	__u64 waits_share;
};

struct nl_partition {
	char topic[MQBUS_NAME_SIZE];
	__u32 index;
	__u64 head_offset;
	__u64 next_offset;
	__u64 used;
	__u64 published_bytes;
	__u64 evicted;
	__u64 head_time;
};

/* Options and figures of a queue group, as in mqbus.yaml */
struct nl_queue {
	__u32 flags;
	__u32 max_inflight;
	__u32 credit;
	__u32 limit;
	__u64 lease;
	__u64 backoff_min;
	__u64 backoff_max;
	__u32 backoff_factor;
	__u32 backoff_jitter;
	__u64 retry_size;
	char dlq[MQBUS_NAME_SIZE];
	__u64 charged;
	__u32 inflight;
	__u32 leased;
	__u32 held;
	__u32 retrying;
	__u64 retry_used;
	__u32 dlq_blocked;
	__u64 delivered;
	__u64 redelivered;
	__u64 acked;
	__u64 nacked;
	__u64 released;
	__u64 rejected;
	__u64 extended;
	__u64 expired;
	__u64 died;
	__u32 deaths;
	__u64 dead_lettered;
	__u64 discarded;
	__u64 oldest_inflight;
	__u64 dlq_producer;
};

/**
 * struct nl_group - the progress of a group in one partition
 * @owner_pid: process of the member that reads it, or 0
 * @queue: of all partitions together; zero for a stream group
 *
 * The other fields are as in mqbus.yaml.
 */
struct nl_group {
	char topic[MQBUS_NAME_SIZE];
	char name[MQBUS_NAME_SIZE];
	__u32 uid;
	__u32 mode;
	__u32 type;
	__u32 members;
	__u32 generation;
	__u32 partition;
	__u64 committed;
	__u64 fetched;
	__u64 next_offset;
	__u64 lag;
	__u64 lost;
	__u32 owner_pid;
	char owner_comm[32];
	__u32 paused;
	__u32 revoking;
	__u64 rebalance_timeout;
	__u64 grace;
	__u64 lag_time;
	__u64 delivered;
	__u64 redelivered;
	__u64 lag_limit;
	struct nl_queue queue;
};

/**
 * struct nl_member - a member of a group
 * @id: what it joined as, or ""
 * @state: an enum mqbus_member_state
 * @pid: its process; 0: it is away, or in a pid namespace that cannot be seen
 * @assigned: a bit for each partition that it has
 *
 * The other fields are as in mqbus.yaml.
 */
struct nl_member {
	char topic[MQBUS_NAME_SIZE];
	char group[MQBUS_NAME_SIZE];
	char id[MQBUS_NAME_SIZE];
	__u32 state;
	__u32 pid;
	char comm[32];
	__u32 uid;
	__u32 partitions;
	__u32 revoking;
	__u32 leases;
	__u32 credit;
	__u8 assigned[MQBUS_PARTITIONS_MAX / 8];
};

/* One topic. */
int nl_topic_get(const char *name, struct nl_topic *topic);
/* All topics, by name. */
int nl_topic_list(struct nl_topic **out, size_t *n);
/* The partitions of a topic, by number. */
int nl_partition_list(const char *topic, struct nl_partition **out, size_t *n);
/* The partitions of groups; @topic and @name may be NULL: all. */
int nl_group_list(const char *topic, const char *name, struct nl_group **out,
		  size_t *n);
/* The members of groups; @topic and @group may be NULL: all. */
int nl_member_list(const char *topic, const char *group, struct nl_member **out,
		   size_t *n);

#endif /* MQBUS_NL_H */
