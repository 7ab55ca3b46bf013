/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MQBUS_NS_H
#define _MQBUS_NS_H

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <net/net_namespace.h>

struct ctl_table;
struct ctl_table_header;

/**
 * struct mqbus_ns - the bus of one network namespace
 * @net: the namespace
 * @lock: protects the table of topics; taken before any topic's lock
 * @topics: topics by the hash of their name
 * @nr_topics: how many
 * @seq: counts changes of @topics, for dumps
 * @bytes: charged, under the account lock
 * @max_bytes: sysctl: limit of @bytes
 * @max_topics: sysctl: limit of @nr_topics
 * @max_groups: sysctl: limit of groups of a topic
 * @producers: last producer id given out
 * @table: sysctl table
 * @header: its registration
 */
struct mqbus_ns {
	struct net *net;
	struct mutex lock;	/* guards topics, nr_topics, seq */
	DECLARE_HASHTABLE(topics, 8);
	unsigned int nr_topics;
	unsigned int seq;
	u64 bytes;
	unsigned long max_bytes;
	unsigned long max_topics;
	unsigned long max_groups;
	atomic64_t producers;
	struct ctl_table *table;
	struct ctl_table_header *header;
};

struct mqbus_ns *mqbus_ns_get(struct net *net);
int mqbus_ns_init(void);
void mqbus_ns_uninit(void);

#endif /* _MQBUS_NS_H */
