/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_NS_H
#define _MQBUS_NS_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <net/net_namespace.h>

#include "base/event.h"

struct ctl_table;
struct ctl_table_header;

/* Hash buckets of queue groups whose DLQ does not exist */
#define MQBUS_DLQ_NAMES	64

/**
 * struct mqbus_lags - groups of a namespace whose lag is watched
 * @lock: protects the list
 * @groups: those with a threshold, the one that was looked at last behind
 * @nr: their number
 * @silences: seconds without a listener
 * @work: looks at them once a second, while there are any
 */
struct mqbus_lags {
	spinlock_t lock;	/* guards groups, nr */
	struct list_head groups;
	u32 nr;
	u32 silences;
	struct delayed_work work;
};

/**
 * struct mqbus_ns - the bus of one network namespace
 * @net: the namespace
 * @lock: protects the table of topics; taken before any topic's lock
 * @topics: topics by the hash of their name
 * @nr_topics: number of @topics
 * @seq: counts changes of @topics and of their groups, for dumps; never 0
 * @made: topics and groups ever created; each has one of these numbers
 * @bytes: charged, under the account lock
 * @max_bytes: sysctl: limit of @bytes
 * @max_topics: sysctl: limit of @nr_topics
 * @max_groups: sysctl: limit of groups of a topic
 * @producers: last producer id given out
 * @dlq_lock: serialises new DLQ links; taken before @lock
 * @dlq_mark: last search for loops of links, under @lock
 * @dlq_todo: topics that it has found and not looked at; likewise
 * @dlq_links: guards these lists, and each topic's feeders; taken inside a group's lock
 * @dlq_left: queue groups whose DLQ was deleted or changed, and that still hold it
 * @dlq_orphans: queue groups whose DLQ does not exist, by the hash of its name
 * @dlq_named: lists for which a topic was created or changed
 * @dlq_work: links the groups in these lists
 * @dlq_pass: its last run
 * @lags: groups that wait for a high lag
 * @events: queued for listeners
 * @table: sysctl table
 * @header: its registration
 */
struct mqbus_ns {
	struct net *net;
	struct mutex lock;	/* guards topics, nr_topics */
	DECLARE_HASHTABLE(topics, 8);
	unsigned int nr_topics;
	atomic_t seq;
	atomic64_t made;
	u64 bytes;
	unsigned long max_bytes;
	unsigned long max_topics;
	unsigned long max_groups;
	atomic64_t producers;
	struct mutex dlq_lock;	/* one new DLQ link at a time */
	u64 dlq_mark;
	struct list_head dlq_todo;
	spinlock_t dlq_links;	/* guards the lists below, and feeders */
	struct list_head dlq_left;
	struct list_head dlq_orphans[MQBUS_DLQ_NAMES];
	DECLARE_BITMAP(dlq_named, MQBUS_DLQ_NAMES);
	struct work_struct dlq_work;
	u64 dlq_pass;
	struct mqbus_lags lags;
	struct mqbus_events events;
	struct ctl_table *table;
	struct ctl_table_header *header;
};

struct mqbus_ns *mqbus_ns_get(struct net *net);
int mqbus_ns_init(struct mqbus_ns *ns, struct net *net);
void mqbus_ns_close(struct mqbus_ns *ns);
void mqbus_ns_uninit(struct mqbus_ns *ns);

extern unsigned int mqbus_ns_id;

#endif /* _MQBUS_NS_H */
